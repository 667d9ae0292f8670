/* SPDX-License-Identifier: MIT */
/* hog.c - threads that never wait: the others, their sleeps, their I/O and their handlers must go on */
#include "plain.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int stop;

/* No call at all: only the clock can take the processor away. */
static void *spin(void *argument)
{
	volatile unsigned long count = 0;

	while (!stop)
		count++;
	return argument;
}

/* Calls only into libc and the vdso. */
static void *spin_in_calls(void *argument)
{
	struct timespec at;

	while (!stop) {
		clock_gettime(CLOCK_MONOTONIC, &at);
		free(malloc(100));
	}
	return argument;
}

static void *tick(void *argument)
{
	double start = now();

	for (int i = 0; i < 5; i++)
		pause_ms(20);
	say_elapsed("five ticks", start, 0.095, 2);
	return argument;
}

static void tick_beside(void *(*hog)(void *))
{
	pthread_t hogging = spawn(hog, NULL), ticking = spawn(tick, NULL);

	join(ticking);
	stop = 1;
	join(hogging);
}

/* L7, U11: timers beside one who computes */
static void ticker(void)
{
	tick_beside(spin);
}

static void ticker_and_calls(void)
{
	tick_beside(spin_in_calls);
}

static void *echo_back(void *argument)
{
	int fd = *(int *)argument;
	char byte;

	while (read(fd, &byte, 1) == 1)
		write_full(fd, &byte, 1);
	return NULL;
}

/* U11: a server beside one who computes */
static void echo_beside(void)
{
	int pair[2], same = 0;
	char byte;

	stream_pair(pair);
	pthread_t hogging = spawn(spin, NULL), echo = spawn(echo_back, &pair[1]);
	double start = now();
	for (int i = 0; i < 20; i++) {
		byte = (char)i;
		write_full(pair[0], &byte, 1);
		same += read(pair[0], &byte, 1) == 1 && byte == (char)i;
	}
	say("%d came back", same);
	say_elapsed("echo", start, 0, 3);
	stop = 1;
	join(hogging);
	close(pair[0]);
	join(echo);
}

static void *raise_flag(void *argument)
{
	pause_ms(50);
	stop = 1;
	return argument;
}

/* Main itself spins for a flag that another thread sets. */
static void spin_for_flag(void)
{
	pthread_t thread = spawn(raise_flag, NULL);
	double start = now();

	spin(NULL);
	join(thread);
	say_elapsed("flag", start, 0.045, 2);
}

static void end_it(int number)
{
	(void)number;
	stop = 1;
}

/* X15: a computation is interrupted */
static void alarm_beside(void)
{
	struct itimerval once = { { 0, 0 }, { 0, 50000 } };

	signal(SIGALRM, end_it);
	pthread_t hogging = spawn(spin, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	double start = now();
	join(hogging);
	say_elapsed("alarm", start, 0.03, 2);
}

static double work(void)
{
	volatile double x = 1;

	for (int i = 1; i < 3000000; i++)
		x = x * 1.0000001 + 1.0 / i;
	return x;
}

static void *compute(void *argument)
{
	*(double *)argument = work();
	return NULL;
}

/* Registers and floating point survive being interrupted anywhere. */
static void computations(void)
{
	double expected = work(), results[6];
	pthread_t threads[6];
	int same = 0;

	for (int i = 0; i < 6; i++)
		threads[i] = spawn(compute, &results[i]);
	for (int i = 0; i < 6; i++)
		join(threads[i]);
	for (int i = 0; i < 6; i++)
		same += results[i] == expected;
	say("same result: %d", same);
}

/* Each computes for a fraction of a slice and then gives way by itself. */
static void *short_turn(void *argument)
{
	for (int turn = 0; turn < 750; turn++) {
		for (volatile int i = 0; i < 200000; i++)
			;
		sched_yield();
	}
	return argument;
}

/* The driver looks at how often one was stopped. */
static void short_turns(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = spawn(short_turn, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("all have had their turns");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "ticker", ticker, 2 },
		{ "ticker_and_calls", ticker_and_calls, 2 },
		{ "echo_beside", echo_beside, 2 },
		{ "spin_for_flag", spin_for_flag, 1 },
		{ "alarm_beside", alarm_beside, 1 },
		{ "computations", computations, 6 },
		{ "short_turns", short_turns, 4 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
