/* SPDX-License-Identifier: MIT */
/* sleeps.c - every way to sleep: how long, side by side, wrong arguments; and yielding to the awaited one */
#include "plain.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static void *one_second(void *argument)
{
	return (void *)(long)sleep((unsigned)(long)argument);
}

static void seconds(void)
{
	pthread_t threads[10];
	double start = now();
	long left = 0;

	for (int i = 0; i < 10; i++)
		threads[i] = spawn(one_second, (void *)1L);
	for (int i = 0; i < 10; i++)
		left += (long)join(threads[i]);
	say("left %ld", left);
	say_elapsed("10 sleeps of a second", start, 0.99, 2.5);
	start = now();
	sleep(0);
	say_elapsed("sleep of nothing", start, 0, 0.5);
}

static void *by_usleep(void *argument)
{
	return (void *)(long)usleep((unsigned)(long)argument);
}

static void *by_nanosleep(void *argument)
{
	struct timespec time = { 0, (long)argument };

	return (void *)(long)nanosleep(&time, NULL);
}

static void *by_relative(void *argument)
{
	struct timespec time = { 0, (long)argument };

	return (void *)(long)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void *until_monotonic(void *argument)
{
	struct timespec time = after_ms(CLOCK_MONOTONIC, (int)(long)argument);

	return (void *)(long)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void *until_realtime(void *argument)
{
	struct timespec time = after_ms(CLOCK_REALTIME, (int)(long)argument);

	return (void *)(long)clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
}

static void fifty(const char *what, void *(*body)(void *), long argument)
{
	pthread_t threads[50];
	double start = now();
	long sum = 0;

	for (int i = 0; i < 50; i++)
		threads[i] = spawn(body, (void *)argument);
	for (int i = 0; i < 50; i++)
		sum += (long)join(threads[i]);
	say("%s: results %ld", what, sum);
	say_elapsed(what, start, 0.095, 1);
}

static void microseconds(void)
{
	fifty("usleep", by_usleep, 100000);
}

/* MP2: for a time */
static void nanoseconds(void)
{
	fifty("nanosleep", by_nanosleep, 100 * 1000 * 1000);
	fifty("relative", by_relative, 100 * 1000 * 1000);
}

/* MP2: until a time */
static void absolute(void)
{
	fifty("monotonic", until_monotonic, 100);
	fifty("realtime", until_realtime, 100);
}

static void *wrong(void *argument)
{
	struct timespec negative = { -1, 0 }, large = { 0, 1000000000 }, past = { 1, 0 };

	(void)argument;
	errno = 0;
	say("negative: %s", outcome(nanosleep(&negative, NULL)));
	say("too many nanoseconds: %s", outcome(nanosleep(&large, NULL)));
	errno = 0;
	say("clock_nanosleep: %s", error_name(clock_nanosleep(CLOCK_MONOTONIC, 0, &large, NULL)));
	say("errno: %s", error_name(errno));
	say("no such clock: %s", error_name(clock_nanosleep(99, 0, &past, NULL)));
	say("own time: %s", error_name(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &past, NULL)));
	say("past: %s", error_name(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL)));
	return NULL;
}

static void wrong_arguments(void)
{
	join(spawn(wrong, NULL));
}

static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static int order[5], order_count;

static void *wake_in_turn(void *argument)
{
	pause_ms((int)(long)argument * 60);
	pthread_mutex_lock(&order_lock);
	order[order_count++] = (int)(long)argument;
	pthread_mutex_unlock(&order_lock);
	return NULL;
}

static void order_of_deadlines(void)
{
	static const int delays[] = { 3, 1, 4, 0, 2 };
	pthread_t threads[5];

	for (int i = 0; i < 5; i++)
		threads[i] = spawn(wake_in_turn, (void *)(long)delays[i]);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	say("woke in the order %d %d %d %d %d", order[0], order[1], order[2], order[3], order[4]);
}

static atomic_int flag;

static void *raise_flag(void *argument)
{
	(void)argument;
	pause_ms(30);
	flag = 1;
	return NULL;
}

/* Whoever spins on a flag and yields must let the others, their sleeps and their I/O go on. */
static void yield_on_flag(void)
{
	pthread_t thread = spawn(raise_flag, NULL);
	double start = now();

	while (!flag)
		sched_yield();
	join(thread);
	say_elapsed("flag", start, 0.025, 2);
}

static void *read_then_raise(void *argument)
{
	char byte;

	if (read(*(int *)argument, &byte, 1) == 1)
		flag = 2;
	return NULL;
}

static void yield_on_input(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t thread = spawn(read_then_raise, &pair[0]);
	pause_ms(20);
	write_full(pair[1], "x", 1);
	while (flag != 2)
		sched_yield();
	join(thread);
	say("read while main yields");
}

static void *ping(void *argument)
{
	int me = (int)(long)argument;

	for (int round = 0; round < 500; round++) {
		while (flag % 2 != me)
			sched_yield();
		flag++;
	}
	return NULL;
}

static void yield_ping_pong(void)
{
	flag = 0;
	pthread_t one = spawn(ping, (void *)0L), two = spawn(ping, (void *)1L);
	join(one);
	join(two);
	say("rounds %d", flag);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "seconds", seconds, 10 },
		{ "microseconds", microseconds, 50 },
		{ "nanoseconds", nanoseconds, 100 },
		{ "absolute", absolute, 100 },
		{ "wrong_arguments", wrong_arguments, 1 },
		{ "order_of_deadlines", order_of_deadlines, 5 },
		{ "yield_on_flag", yield_on_flag, 1 },
		{ "yield_on_input", yield_on_input, 1 },
		{ "yield_ping_pong", yield_ping_pong, 2 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
