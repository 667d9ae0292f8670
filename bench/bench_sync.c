/* SPDX-License-Identifier: MIT */
/*
 * bench_sync.c - what it costs to lock, to hand over and to meet
 *
 * Each kind is measured in turn, again and again, and the medians are shown.
 *   pthread  pthread_mutex_lock and unlock of a mutex that is free, for comparison
 *   mutex    green_mutex_lock and unlock of one that is free
 *   queue    green_queue_put and green_queue_get without a wait
 *   handoff  a mutex that two tasks lock in turn
 *   pass     an item through a queue from one task to another
 *   channel  an item through a channel from one task to another
 * With the name of a kind and a number it does only that, so often, for tools that count instructions.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "green.h"

enum {
	REPETITIONS = 15,
	TIMES = 100000,
};

static pthread_mutex_t pthread_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct green_mutex mutex;
static struct green_queue *fifo, *one, *channel;

static void pthread_run(int times)
{
	for (int i = 0; i < times; i++) {
		pthread_mutex_lock(&pthread_mutex);
		pthread_mutex_unlock(&pthread_mutex);
	}
}

static void mutex_run(int times)
{
	for (int i = 0; i < times; i++) {
		green_mutex_lock(&mutex, -1);
		green_mutex_unlock(&mutex);
	}
}

static void queue_run(int times)
{
	void *item;

	for (int i = 0; i < times; i++) {
		green_queue_put(fifo, &mutex, -1);
		green_queue_get(fifo, &item, -1);
	}
}

/* Whoever has it lets the other one come before it unlocks. */
static void *locks(void *times)
{
	for (intptr_t i = 0; i < (intptr_t)times; i++) {
		green_mutex_lock(&mutex, -1);
		green_yield();
		green_mutex_unlock(&mutex);
	}
	return NULL;
}

static void handoff_run(int times)
{
	struct greenlet *task = green_spawn(locks, (void *)(intptr_t)(times / 2));

	locks((void *)(intptr_t)(times / 2));
	green_join(task, NULL, -1);
	green_destroy(task);
}

struct passing {
	struct green_queue *queue;
	int times;
};

static void *gets(void *arg)
{
	struct passing *passing = arg;
	void *item;

	for (int i = 0; i < passing->times; i++)
		green_queue_get(passing->queue, &item, -1);
	return NULL;
}

static void pass(struct green_queue *queue, int times)
{
	struct passing passing = { queue, times };
	struct greenlet *task = green_spawn(gets, &passing);

	for (int i = 0; i < times; i++)
		green_queue_put(queue, &passing, -1);
	green_join(task, NULL, -1);
	green_destroy(task);
}

static void pass_run(int times)
{
	pass(one, times);
}

static void channel_run(int times)
{
	pass(channel, times);
}

static struct kind {
	const char *name;
	void (*run)(int times);
	double ns[REPETITIONS];
} kinds[] = {
	{ "pthread", pthread_run, { 0 } },
	{ "mutex", mutex_run, { 0 } },
	{ "queue", queue_run, { 0 } },
	{ "handoff", handoff_run, { 0 } },
	{ "pass", pass_run, { 0 } },
	{ "channel", channel_run, { 0 } },
};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double measured(const struct kind *kind)
{
	int64_t start = clock_now();

	kind->run(TIMES);
	return (double)(clock_now() - start) / TIMES;
}

static int only(const char *name, int times)
{
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			kinds[i].run(times);
			return EXIT_SUCCESS;
		}
	}
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	fifo = green_queue_create(GREEN_FIFO, 0);
	one = green_queue_create(GREEN_FIFO, 1);
	channel = green_queue_create(GREEN_CHANNEL, 0);
	if (argc == 3)
		return only(argv[1], atoi(argv[2]));
	for (int round = -1; round < REPETITIONS; round++) {
		for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
			double ns = measured(&kinds[i]);

			/* The first round only warms up. */
			if (round >= 0)
				kinds[i].ns[round] = ns;
		}
	}
	printf("median of %d, ns for one\n", REPETITIONS);
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		qsort(kinds[i].ns, REPETITIONS, sizeof(kinds[i].ns[0]), ascending);
		printf("  %-7s %8.1f ns\n", kinds[i].name, kinds[i].ns[REPETITIONS / 2]);
	}
	return EXIT_SUCCESS;
}
