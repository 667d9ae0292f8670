/* SPDX-License-Identifier: MIT */
/* c_st.c - State Threads */
#include <st.h>
#include <stdlib.h>

#include "harness.h"

enum { SMALL_STACK = 64 * 1024, JOINABLE = 1 };

static const st_utime_t limit_us = 60000000;

static void initialise(void)
{
	static int done;

	if (!done && (st_set_eventsys(ST_EVENTSYS_POLL) || st_init()))
		bench_fail("st_init failed");
	done = 1;
}

static st_thread_t start(void *(*function)(void *), void *arg)
{
	st_thread_t thread;

	initialise();
	thread = st_thread_create(function, arg, JOINABLE, 0);
	if (!thread)
		bench_fail("st_thread_create failed");
	return thread;
}

static void in_two(void *(*function)(void *), long times)
{
	st_thread_t thread = start(function, (void *)(times / 2));

	function((void *)(times / 2));
	st_thread_join(thread, NULL);
}

/* Release 1.9 has no yield; a sleep of no time comes closest. */
static void *yields(void *times)
{
	for (long i = 0; i < (long)times; i++)
		st_usleep(0);
	return NULL;
}

static void run_yield(long times)
{
	in_two(yields, times);
}

static void *nothing(void *value)
{
	return value;
}

static void run_spawn(long times)
{
	for (long i = 0; i < times; i++)
		st_thread_join(start(nothing, NULL), NULL);
}

static st_cond_t ping, pong;
static st_utime_t limit = ST_UTIME_NO_TIMEOUT;

/* The caller signals first and waits then, so that both are always one step apart. */
static void *pongs(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		st_cond_timedwait(ping, limit);
		st_cond_signal(pong);
	}
	return NULL;
}

static void hand_over(long times)
{
	st_thread_t thread;

	initialise();
	ping = st_cond_new();
	pong = st_cond_new();
	thread = start(pongs, (void *)(times / 2));
	st_usleep(0);
	for (long i = 0; i < times / 2; i++) {
		st_cond_signal(ping);
		st_cond_timedwait(pong, limit);
	}
	st_thread_join(thread, NULL);
}

static void run_park(long times)
{
	limit = ST_UTIME_NO_TIMEOUT;
	hand_over(times);
}

static void run_timer_wait(long times)
{
	limit = limit_us;
	hand_over(times);
}

static st_mutex_t mutex;

static void run_mutex_free(long times)
{
	initialise();
	mutex = st_mutex_new();
	for (long i = 0; i < times; i++) {
		st_mutex_lock(mutex);
		st_mutex_unlock(mutex);
	}
}

static void *locks(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		st_mutex_lock(mutex);
		st_usleep(0);
		st_mutex_unlock(mutex);
	}
	return NULL;
}

static void run_mutex_busy(long times)
{
	initialise();
	mutex = st_mutex_new();
	in_two(locks, times);
}

static st_cond_t never;

static void *parks(void *unused)
{
	st_cond_wait(never);
	return unused;
}

static void run_memory_small(long count)
{
	initialise();
	never = st_cond_new();
	bench_hold("begin");
	for (long i = 0; i < count; i++) {
		if (!st_thread_create(parks, NULL, 0, SMALL_STACK))
			bench_fail("st_thread_create failed");
	}
	st_usleep(0);
	bench_hold("ready");
	_Exit(EXIT_SUCCESS);
}

const struct bench_case bench_cases[] = {
	{ "yield", run_yield },
	{ "spawn", run_spawn },
	{ "park", run_park },
	{ "timer_wait", run_timer_wait },
	{ "mutex_free", run_mutex_free },
	{ "mutex_busy", run_mutex_busy },
	{ "memory_small", run_memory_small },
	{ NULL, NULL },
};
