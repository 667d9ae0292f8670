/* SPDX-License-Identifier: MIT */
/* green_core.c - libgreen, as programs use it that link the shared library */
#include <green.h>
#include <stdlib.h>

#include "harness.h"

enum {
	SMALL_STACK = 64 * 1024,
	CHAIN = 10,         /* generators that delegate to each other */
	LIVES = 1000,       /* spawned before the first is joined, in `spawn_many` */
	LIMIT_MS = 60000,   /* of waits that are woken long before */
	FAR_MS = 3600000,   /* no deadline of `timer` cases comes */
	SOON_NS = 50000000, /* all deadlines of `timer_due` have come by then */
	MS = 1000000,
};

static void *nothing(void *value)
{
	return value;
}

/* Runs FUNCTION in a second task while the caller does the same, with half of TIMES each. */
static void in_two(void *(*function)(void *), long times)
{
	struct greenlet *task = green_spawn(function, (void *)(times / 2));

	function((void *)(times / 2));
	green_join(task, NULL, -1);
	green_destroy(task);
}

/* --- switches --- */

static void *switch_back(void *value)
{
	struct greenlet *parent = green_parent(green_current());

	while (value)
		value = green_switch(parent, value);
	return NULL;
}

static void run_switch(long times)
{
	struct greenlet *other = green_create(switch_back, NULL);

	green_switch(other, other);
	bench_begin();
	for (long i = 0; i < times / 2; i++)
		green_switch(other, other);
	bench_end();
	green_switch(other, NULL);
	green_destroy(other);
}

static void *yields(void *times)
{
	for (long i = 0; i < (long)times; i++)
		green_yield();
	return NULL;
}

static void run_yield(long times)
{
	in_two(yields, times);
}

static void run_create(long times)
{
	for (long i = 0; i < times; i++) {
		struct greenlet *greenlet = green_create(nothing, NULL);

		green_switch(greenlet, NULL);
		green_destroy(greenlet);
	}
}

static void run_spawn(long times)
{
	for (long i = 0; i < times; i++) {
		struct greenlet *task = green_spawn(nothing, NULL);

		green_join(task, NULL, -1);
		green_destroy(task);
	}
}

static void run_spawn_many(long times)
{
	static struct greenlet *tasks[LIVES];

	for (long done = 0; done < times; done += LIVES) {
		for (long i = 0; i < LIVES; i++)
			tasks[i] = green_spawn(nothing, NULL);
		for (long i = 0; i < LIVES; i++) {
			green_join(tasks[i], NULL, -1);
			green_destroy(tasks[i]);
		}
	}
}

/* --- generators --- */

static void *gives(struct green_generator *self, void *unused)
{
	while (green_generator_yield(self, unused, NULL) == 0)
		;
	return NULL;
}

static void run_next(long times)
{
	struct green_generator *generator = green_generator_create(gives, NULL);
	void *value;

	for (long i = 0; i < times; i++)
		green_generator_next(generator, &value);
	green_generator_destroy(generator);
}

static void *delegates(struct green_generator *self, void *inner)
{
	green_generator_delegate(self, inner, NULL);
	return NULL;
}

static void run_chain(long times)
{
	struct green_generator *chain[CHAIN] = { green_generator_create(gives, NULL) };
	void *value;

	for (int i = 1; i < CHAIN; i++)
		chain[i] = green_generator_create(delegates, chain[i - 1]);
	for (long i = 0; i < times; i++)
		green_generator_next(chain[CHAIN - 1], &value);
	for (int i = CHAIN; i-- > 0;)
		green_generator_destroy(chain[i]);
}

/* --- park and wake --- */

static struct green_semaphore ping, pong;
static int limit_ms;

static void *pongs(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		green_semaphore_acquire(&ping, limit_ms);
		green_semaphore_release(&pong);
	}
	return NULL;
}

static void hand_over(long times)
{
	struct greenlet *task = green_spawn(pongs, (void *)(times / 2));

	for (long i = 0; i < times / 2; i++) {
		green_semaphore_release(&ping);
		green_semaphore_acquire(&pong, limit_ms);
	}
	green_join(task, NULL, -1);
	green_destroy(task);
}

static void run_park(long times)
{
	limit_ms = -1;
	hand_over(times);
}

static struct green_event raised[2];

static void *waits_for_event(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		green_event_wait(&raised[0], -1);
		green_event_clear(&raised[0]);
		green_event_set(&raised[1]);
	}
	return NULL;
}

static void run_event(long times)
{
	struct greenlet *task = green_spawn(waits_for_event, (void *)(times / 2));

	for (long i = 0; i < times / 2; i++) {
		green_event_set(&raised[0]);
		green_event_wait(&raised[1], -1);
		green_event_clear(&raised[1]);
	}
	green_join(task, NULL, -1);
	green_destroy(task);
}

static struct green_mutex mutex;

static void run_mutex_free(long times)
{
	for (long i = 0; i < times; i++) {
		green_mutex_lock(&mutex, -1);
		green_mutex_unlock(&mutex);
	}
}

/* Whoever has it lets the other one come before it unlocks. */
static void *locks(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		green_mutex_lock(&mutex, -1);
		green_yield();
		green_mutex_unlock(&mutex);
	}
	return NULL;
}

static void run_mutex_busy(long times)
{
	in_two(locks, times);
}

struct passing {
	struct green_queue *queue;
	long times;
};

static void *gets(void *arg)
{
	struct passing *passing = arg;
	void *item;

	for (long i = 0; i < passing->times; i++)
		green_queue_get(passing->queue, &item, -1);
	return NULL;
}

static void pass(struct green_queue *queue, long times)
{
	struct passing passing = { queue, times };
	struct greenlet *task = green_spawn(gets, &passing);

	for (long i = 0; i < times; i++)
		green_queue_put(queue, &passing, -1);
	green_join(task, NULL, -1);
	green_destroy(task);
	green_queue_destroy(queue);
}

static void run_queue(long times)
{
	pass(green_queue_create(GREEN_FIFO, 1), times);
}

static void run_queue_free(long times)
{
	struct green_queue *queue = green_queue_create(GREEN_FIFO, 1);
	void *item;

	for (long i = 0; i < times; i++) {
		green_queue_put(queue, queue, -1);
		green_queue_get(queue, &item, -1);
	}
	green_queue_destroy(queue);
}

static void run_channel(long times)
{
	pass(green_queue_create(GREEN_CHANNEL, 0), times);
}

/* --- timers --- */

static void never(struct green_watcher *watcher, int events)
{
	(void)watcher;
	(void)events;
	bench_fail("a timer that was an hour away has fired");
}

static void never_called(void *unused)
{
	(void)unused;
	bench_fail("a call that was an hour away has been made");
}

static int far_away(void)
{
	return FAR_MS + (int)bench_random(FAR_MS);
}

static struct green_watcher *arm_all(void)
{
	struct green_watcher *armed = malloc((size_t)bench_size * sizeof(*armed));

	for (long i = 0; i < bench_size; i++)
		green_watch_timer(&armed[i], far_away(), 0, never, NULL);
	return armed;
}

static void disarm_all(struct green_watcher *armed)
{
	for (long i = 0; i < bench_size; i++)
		green_watcher_stop(&armed[i]);
	free(armed);
}

static void run_timer(long times)
{
	struct green_watcher *armed = arm_all(), one;

	bench_begin();
	for (long i = 0; i < times; i++) {
		green_watch_timer(&one, far_away(), 0, never, NULL);
		green_watcher_stop(&one);
	}
	bench_end();
	disarm_all(armed);
}

static void run_timer_call(long times)
{
	struct green_watcher *armed = arm_all();
	struct green_call one;

	bench_begin();
	for (long i = 0; i < times; i++) {
		green_call_later(&one, far_away(), never_called, NULL);
		green_call_stop(&one);
	}
	bench_end();
	disarm_all(armed);
}

static void run_timer_churn(long times)
{
	struct green_watcher *armed = arm_all();

	bench_begin();
	for (long i = 0; i < times; i++) {
		struct green_watcher *any = &armed[bench_random((uint32_t)bench_size)];

		green_watcher_stop(any);
		green_watch_timer(any, far_away(), 0, never, NULL);
	}
	bench_end();
	disarm_all(armed);
}

static void run_timer_wait(long times)
{
	struct green_watcher *armed = arm_all();

	limit_ms = LIMIT_MS;
	bench_begin();
	hand_over(times);
	bench_end();
	disarm_all(armed);
}

static int64_t latest;

static void comes_due(void *deadline)
{
	if (*(int64_t *)deadline < latest)
		bench_fail("timers fired out of order");
	latest = *(int64_t *)deadline;
}

static void run_timer_due(long times)
{
	struct green_call *calls = malloc((size_t)times * sizeof(*calls));
	int64_t *deadlines = malloc((size_t)times * sizeof(*deadlines));
	int64_t start = green_now();

	latest = 0;
	for (long i = 0; i < times; i++) {
		deadlines[i] = start + bench_random(SOON_NS);
		green_call_at(&calls[i], deadlines[i], comes_due, &deadlines[i]);
	}
	/* None fires meanwhile: only a hub that runs lets them. */
	bench_wait_until(start + SOON_NS + MS);
	bench_begin();
	green_hub_run(-1);
	bench_end();
	if (green_call_pending(&calls[0]))
		bench_fail("not all timers have fired");
	free(calls);
	free(deadlines);
}

/* --- memory --- */

static struct green_event released;

static void *parks(void *unused)
{
	green_event_wait(&released, -1);
	return unused;
}

static void park_many(long count)
{
	green_yield();
	bench_hold("begin");
	for (long i = 0; i < count; i++) {
		struct greenlet *task = green_spawn(parks, NULL);

		if (!task)
			bench_fail("a task could not be spawned");
		green_destroy(task);
	}
	green_yield();
	bench_hold("ready");
	_Exit(EXIT_SUCCESS);
}

static void run_memory(long count)
{
	park_many(count);
}

static void run_memory_small(long count)
{
	green_set_stack_size(SMALL_STACK);
	park_many(count);
}

const struct bench_case bench_cases[] = {
	{ "switch", run_switch },
	{ "yield", run_yield },
	{ "create", run_create },
	{ "spawn", run_spawn },
	{ "spawn_many", run_spawn_many },
	{ "next", run_next },
	{ "chain", run_chain },
	{ "park", run_park },
	{ "event", run_event },
	{ "mutex_free", run_mutex_free },
	{ "mutex_busy", run_mutex_busy },
	{ "queue", run_queue },
	{ "queue_free", run_queue_free },
	{ "channel", run_channel },
	{ "timer", run_timer },
	{ "timer_call", run_timer_call },
	{ "timer_churn", run_timer_churn },
	{ "timer_wait", run_timer_wait },
	{ "timer_wait_armed", run_timer_wait },
	{ "timer_due", run_timer_due },
	{ "memory", run_memory },
	{ "memory_small", run_memory_small },
	{ NULL, NULL },
};
