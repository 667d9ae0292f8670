/* SPDX-License-Identifier: MIT */
/* harness.c - the main function of the C and C++ programs of the benchmark; compiled as either */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

long bench_size = 1000000;

struct moment {
	int64_t cpu, wall;
};

static struct moment begun, ended;
static int has_ended;

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct moment moment_now(void)
{
	struct moment now;

	now.wall = read_clock(CLOCK_MONOTONIC);
	now.cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
	return now;
}

int64_t bench_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

void bench_begin(void)
{
	begun = moment_now();
}

void bench_end(void)
{
	ended = moment_now();
	has_ended = 1;
}

void bench_hold(const char *word)
{
	puts(word);
	fflush(stdout);
	if (getchar() == EOF)
		exit(EXIT_FAILURE);
}

/* Marsaglia's xorshift: quick, and the same in each run. */
uint32_t bench_random(uint32_t limit)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % limit;
}

void bench_wait_until(int64_t nanoseconds)
{
	struct timespec until;

	until.tv_sec = nanoseconds / NS_PER_S;
	until.tv_nsec = nanoseconds % NS_PER_S;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

void bench_fail(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(EXIT_FAILURE);
}

static void run(const struct bench_case *chosen, long times)
{
	has_ended = 0;
	bench_begin();
	chosen->run(times);
	if (!has_ended)
		bench_end();
}

int main(int argc, char **argv)
{
	const struct bench_case *chosen = bench_cases;
	long warm = argc > 3 ? atol(argv[3]) : 0;

	if (argc < 3)
		bench_fail("usage: PROGRAM CASE TIMES [WARM [SIZE]]");
	while (chosen->name && strcmp(chosen->name, argv[1]) != 0)
		chosen++;
	if (!chosen->name)
		bench_fail("no such case");
	if (argc > 4)
		bench_size = atol(argv[4]);
	if (warm > 0)
		run(chosen, warm);
	run(chosen, atol(argv[2]));
	printf("%lld %lld\n", (long long)(ended.cpu - begun.cpu), (long long)(ended.wall - begun.wall));
	return EXIT_SUCCESS;
}
