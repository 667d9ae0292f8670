/* SPDX-License-Identifier: MIT */
/* c_libc.c - what libc itself has: swapcontext, and threads; these also run, unchanged, under `green run` */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <ucontext.h>

#include "harness.h"

enum { STACK = 64 * 1024 };

/* --- swapcontext --- */

static _Alignas(64) char stack[STACK];
static ucontext_t here, there;

static void back(void)
{
	for (;;)
		swapcontext(&there, &here);
}

static void run_switch(long times)
{
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = NULL;
	makecontext(&there, back, 0);
	for (long i = 0; i < times / 2; i++)
		swapcontext(&here, &there);
}

/* --- threads --- */

static void *nothing(void *value)
{
	return value;
}

static void run_spawn(long times)
{
	for (long i = 0; i < times; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, nothing, NULL))
			bench_fail("pthread_create failed");
		pthread_join(thread, NULL);
	}
}

static void in_two(void *(*function)(void *), long times)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, (void *)(times / 2)))
		bench_fail("pthread_create failed");
	function((void *)(times / 2));
	pthread_join(thread, NULL);
}

static void *yields(void *times)
{
	for (long i = 0; i < (long)times; i++)
		sched_yield();
	return NULL;
}

static void run_yield(long times)
{
	in_two(yields, times);
}

static sem_t ping, pong;

static void *pongs(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		sem_wait(&ping);
		sem_post(&pong);
	}
	return NULL;
}

static void run_park(long times)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, pongs, (void *)(times / 2)))
		bench_fail("pthread_create failed");
	for (long i = 0; i < times / 2; i++) {
		sem_post(&ping);
		sem_wait(&pong);
	}
	pthread_join(thread, NULL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void run_mutex_free(long times)
{
	for (long i = 0; i < times; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

static void *locks(void *times)
{
	for (long i = 0; i < (long)times; i++) {
		pthread_mutex_lock(&mutex);
		sched_yield();
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void run_mutex_busy(long times)
{
	in_two(locks, times);
}

/* --- memory --- */

static sem_t never;

static void *parks(void *unused)
{
	sem_wait(&never);
	return unused;
}

static void run_memory(long count)
{
	bench_hold("begin");
	for (long i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, parks, NULL))
			bench_fail("pthread_create failed");
	}
	for (int i = 0; i < 3; i++)
		sched_yield();
	bench_hold("ready");
	_Exit(EXIT_SUCCESS);
}

const struct bench_case bench_cases[] = {
	{ "switch", run_switch },
	{ "yield", run_yield },
	{ "spawn", run_spawn },
	{ "park", run_park },
	{ "mutex_free", run_mutex_free },
	{ "mutex_busy", run_mutex_busy },
	{ "memory", run_memory },
	{ NULL, NULL },
};
