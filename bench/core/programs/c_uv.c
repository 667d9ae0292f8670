/* SPDX-License-Identifier: MIT */
/* c_uv.c - the timers of libuv, whose unit is the millisecond */
#include <stdlib.h>
#include <uv.h>

#include "harness.h"

enum { FAR_MS = 3600000, SOON_MS = 50 };

static uint64_t latest;

static void never(uv_timer_t *timer)
{
	(void)timer;
	bench_fail("a timer that was an hour away has fired");
}

static uint64_t far_away(void)
{
	return FAR_MS + bench_random(FAR_MS);
}

static uv_timer_t *make(long count)
{
	uv_timer_t *timers = malloc((size_t)count * sizeof(*timers));

	for (long i = 0; i < count; i++)
		uv_timer_init(uv_default_loop(), &timers[i]);
	return timers;
}

static uv_timer_t *arm_all(void)
{
	uv_timer_t *armed = make(bench_size);

	for (long i = 0; i < bench_size; i++)
		uv_timer_start(&armed[i], never, far_away(), 0);
	return armed;
}

static void run_timer(long times)
{
	uv_timer_t one;

	arm_all();
	uv_timer_init(uv_default_loop(), &one);
	bench_begin();
	for (long i = 0; i < times; i++) {
		uv_timer_start(&one, never, far_away(), 0);
		uv_timer_stop(&one);
	}
	bench_end();
}

static void run_timer_churn(long times)
{
	uv_timer_t *armed = arm_all();

	bench_begin();
	for (long i = 0; i < times; i++) {
		uv_timer_t *any = &armed[bench_random((uint32_t)bench_size)];

		uv_timer_stop(any);
		uv_timer_start(any, never, far_away(), 0);
	}
	bench_end();
}

static void comes_due(uv_timer_t *timer)
{
	uint64_t deadline = *(uint64_t *)timer->data;

	if (deadline < latest)
		bench_fail("timers fired out of order");
	latest = deadline;
}

static void run_timer_due(long times)
{
	uv_timer_t *timers = make(times);
	uint64_t *deadlines = malloc((size_t)times * sizeof(*deadlines));

	latest = 0;
	uv_update_time(uv_default_loop());
	for (long i = 0; i < times; i++) {
		deadlines[i] = bench_random(SOON_MS) + 1;
		timers[i].data = &deadlines[i];
		uv_timer_start(&timers[i], comes_due, deadlines[i], 0);
	}
	bench_wait_until(bench_now() + 60000000);
	bench_begin();
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	bench_end();
}

const struct bench_case bench_cases[] = {
	{ "timer", run_timer },
	{ "timer_churn", run_timer_churn },
	{ "timer_due", run_timer_due },
	{ NULL, NULL },
};
