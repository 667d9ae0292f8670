/* SPDX-License-Identifier: MIT */
/* c_ev.c - the timers of libev */
#include <ev.h>
#include <stdlib.h>

#include "harness.h"

static const double far_s = 3600, soon_s = 0.05;
static double latest;

static void never(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
	bench_fail("a timer that was an hour away has fired");
}

static double far_away(void)
{
	return far_s + bench_random(3600000) / 1000.0;
}

static void start(struct ev_loop *loop, ev_timer *timer)
{
	ev_timer_init(timer, never, far_away(), 0.);
	ev_timer_start(loop, timer);
}

static ev_timer *arm_all(struct ev_loop *loop)
{
	ev_timer *armed = malloc((size_t)bench_size * sizeof(*armed));

	for (long i = 0; i < bench_size; i++)
		start(loop, &armed[i]);
	return armed;
}

static void run_timer(long times)
{
	struct ev_loop *loop = ev_default_loop(0);
	ev_timer one;

	arm_all(loop);
	bench_begin();
	for (long i = 0; i < times; i++) {
		start(loop, &one);
		ev_timer_stop(loop, &one);
	}
	bench_end();
}

static void run_timer_churn(long times)
{
	struct ev_loop *loop = ev_default_loop(0);
	ev_timer *armed = arm_all(loop);

	bench_begin();
	for (long i = 0; i < times; i++) {
		ev_timer *any = &armed[bench_random((uint32_t)bench_size)];

		ev_timer_stop(loop, any);
		start(loop, any);
	}
	bench_end();
}

static void comes_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	double deadline = *(double *)timer->data;

	(void)loop;
	(void)events;
	if (deadline < latest)
		bench_fail("timers fired out of order");
	latest = deadline;
}

static void run_timer_due(long times)
{
	struct ev_loop *loop = ev_default_loop(0);
	ev_timer *timers = malloc((size_t)times * sizeof(*timers));
	double *deadlines = malloc((size_t)times * sizeof(*deadlines));

	latest = 0;
	ev_now_update(loop);
	for (long i = 0; i < times; i++) {
		deadlines[i] = soon_s * bench_random(1 << 30) / (1 << 30);
		ev_timer_init(&timers[i], comes_due, deadlines[i], 0.);
		timers[i].data = &deadlines[i];
		ev_timer_start(loop, &timers[i]);
	}
	bench_wait_until(bench_now() + 60000000);
	bench_begin();
	ev_run(loop, 0);
	bench_end();
	free(timers);
	free(deadlines);
}

const struct bench_case bench_cases[] = {
	{ "timer", run_timer },
	{ "timer_churn", run_timer_churn },
	{ "timer_due", run_timer_due },
	{ NULL, NULL },
};
