/* SPDX-License-Identifier: MIT */
/* crowd.c - as many threads as its argument says, all alive at once, and what they cost; the costs go to stderr */
#include "plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 5000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long parked, count;
static bool released;

static void *park(void *argument)
{
	pthread_mutex_lock(&mutex);
	if (++parked == count)
		pthread_cond_broadcast(&changed);
	while (!released)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return argument;
}

static void *nothing(void *argument)
{
	return argument;
}

/* What the process has in memory, page tables included, in KB. */
static long memory(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	long total = 0, value;
	char line[256];

	must(file, "status");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmRSS: %ld", &value) == 1 || sscanf(line, "VmPTE: %ld", &value) == 1)
			total += value;
	}
	fclose(file);
	return total;
}

static void wait_for_all(void)
{
	pthread_mutex_lock(&mutex);
	while (parked < count)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void release_all(void)
{
	pthread_mutex_lock(&mutex);
	released = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void measure_rounds(void)
{
	double start = now();

	for (int i = 0; i < ROUNDS; i++)
		join(spawn(nothing, NULL));
	fprintf(stderr, "create and join: %.2f us\n", (now() - start) / ROUNDS * 1e6);
}

/* With all of them there, what walks over threads or mappings must still be quick. */
static void fork_beside(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(join(spawn(nothing, &count)) == &count ? 7 : 1);
	reap("child", child);
}

int main(int argc, char **argv)
{
	pthread_t *threads;
	long before = memory(), right = 0;
	double start = now();

	count = argc > 1 ? atol(argv[1]) : 1000;
	threads = calloc((size_t)count, sizeof(*threads));
	must(threads, "memory");
	measure_rounds();
	for (long i = 0; i < count; i++)
		threads[i] = spawn(park, &threads[i]);
	wait_for_all();
	say("%ld threads are parked", parked);
	fprintf(stderr, "a thread: %.1f KB\n", (double)(memory() - before) / (double)count);
	fork_beside();
	release_all();
	for (long i = 0; i < count; i++)
		right += join(threads[i]) == &threads[i];
	say("%ld threads are joined", right);
	fprintf(stderr, "in all: %.1f s\n", now() - start);
	return 0;
}
