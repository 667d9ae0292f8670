/* SPDX-License-Identifier: MIT */
/*
 * crew.c - many threads, each with a connection of its own, that ask and check every answer
 *
 * Arguments: threads, turns, milliseconds that the server takes for an answer, port, place. The threads connect, wait
 * for each other and then ask; how many answers were right goes to stdout, how long both phases took to stderr.
 */
#include "crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SMALL_STACK (256 * 1024)

int crew_port;
const char *crew_place;

static int threads, turns, ms;
static pthread_barrier_t connected;
static atomic_int lost, right, wrong;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void *work(void *argument)
{
	int number = (int)(long)argument;
	void *connection = crew_open(number);

	if (connection == NULL)
		lost++;
	pthread_barrier_wait(&connected);
	if (connection == NULL)
		return NULL;
	for (int turn = 0; turn < turns; turn++) {
		if (crew_ask(connection, number, turn, ms))
			right++;
		else
			wrong++;
	}
	crew_close(connection);
	return NULL;
}

static void start(pthread_t *crew)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, SMALL_STACK);
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&crew[i], &attributes, work, (void *)(long)i) != 0) {
			fprintf(stderr, "no thread %d\n", i);
			exit(2);
		}
	}
	pthread_attr_destroy(&attributes);
}

/* The main thread is the last at the barrier, so that both times are its own. */
static void run(void)
{
	pthread_t *crew = calloc((size_t)threads, sizeof(*crew));
	double began = now(), ready;

	if (crew == NULL || pthread_barrier_init(&connected, NULL, (unsigned int)threads + 1) != 0)
		exit(2);
	start(crew);
	pthread_barrier_wait(&connected);
	ready = now();
	for (int i = 0; i < threads; i++)
		pthread_join(crew[i], NULL);
	fprintf(stderr, "connected %.0f ms, asked %.0f ms\n", ready - began, now() - ready);
	free(crew);
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	threads = atoi(argv[1]);
	turns = atoi(argv[2]);
	ms = atoi(argv[3]);
	crew_port = atoi(argv[4]);
	crew_place = argv[5];
	if (!crew_prepare())
		return 2;
	run();
	printf("%d right, %d wrong, %d without a connection\n", right, wrong, lost);
	return wrong == 0 && lost == 0 ? 0 : 1;
}
