/* SPDX-License-Identifier: MIT */
/* c_pth.c - GNU Pth */
#include <pth.h>
#include <stdlib.h>

#include "harness.h"

static pth_t start(void *(*function)(void *), void *arg)
{
	pth_t thread;

	pth_init(); /* harmless once it is done */
	thread = pth_spawn(PTH_ATTR_DEFAULT, function, arg);
	if (!thread)
		bench_fail("pth_spawn failed");
	return thread;
}

static void in_two(void *(*function)(void *), long times)
{
	pth_t thread = start(function, (void *)(times / 2));

	function((void *)(times / 2));
	pth_join(thread, NULL);
}

static void *yields(void *times)
{
	for (long i = 0; i < (long)times; i++)
		pth_yield(NULL);
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
		pth_join(start(nothing, NULL), NULL);
}

static pth_mutex_t mutex = PTH_MUTEX_INIT;
static pth_cond_t ping = PTH_COND_INIT, pong = PTH_COND_INIT;
static int turn;

static void take_turns(int mine, pth_cond_t *my_turn, pth_cond_t *its_turn, long times)
{
	pth_mutex_acquire(&mutex, FALSE, NULL);
	for (long i = 0; i < times; i++) {
		while (turn != mine)
			pth_cond_await(my_turn, &mutex, NULL);
		turn = !mine;
		pth_cond_notify(its_turn, FALSE);
	}
	pth_mutex_release(&mutex);
}

static void *pongs(void *times)
{
	take_turns(1, &pong, &ping, (long)times);
	return NULL;
}

static void run_park(long times)
{
	pth_t thread = start(pongs, (void *)(times / 2));

	take_turns(0, &ping, &pong, times / 2);
	pth_join(thread, NULL);
}

static void run_mutex_free(long times)
{
	pth_init();
	for (long i = 0; i < times; i++) {
		pth_mutex_acquire(&mutex, FALSE, NULL);
		pth_mutex_release(&mutex);
	}
}

static void *locks(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		pth_mutex_acquire(&mutex, FALSE, NULL);
		pth_yield(NULL);
		pth_mutex_release(&mutex);
	}
	return NULL;
}

static void run_mutex_busy(long times)
{
	in_two(locks, times);
}

const struct bench_case bench_cases[] = {
	{ "yield", run_yield },
	{ "spawn", run_spawn },
	{ "park", run_park },
	{ "mutex_free", run_mutex_free },
	{ "mutex_busy", run_mutex_busy },
	{ NULL, NULL },
};
