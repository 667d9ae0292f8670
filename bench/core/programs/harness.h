/* SPDX-License-Identifier: MIT */
/*
 * harness.h - what the C and C++ programs of the benchmark have in common: the command line, the clock
 *
 *	PROGRAM CASE TIMES [WARM [SIZE]]
 *
 * runs the case once with WARM units and then with TIMES, and prints how many nanoseconds of CPU and of time the
 * latter took.  SIZE is for cases that need something around them: how many timers are armed.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_case {
	const char *name;
	void (*run)(long times);
};

/* A program's own; ends with a name that is NULL. */
extern const struct bench_case bench_cases[];

/* bench_size - SIZE of the command line */
extern long bench_size;

/* bench_begin - what the case did so far was preparation; bench_end - what it does from now on is clean-up */
void bench_begin(void);
void bench_end(void);

/* bench_hold - say WORD and wait for a line: somebody looks at this process meanwhile */
void bench_hold(const char *word);

/* bench_random - the next of a fixed series of numbers below LIMIT */
uint32_t bench_random(uint32_t limit);

/* bench_wait_until - sleep until so many nanoseconds after bench_now, without any runtime's knowledge */
int64_t bench_now(void);
void bench_wait_until(int64_t nanoseconds);

/* bench_fail - say why the figure would be wrong, and exit */
void bench_fail(const char *why);

#ifdef __cplusplus
}
#endif

#endif
