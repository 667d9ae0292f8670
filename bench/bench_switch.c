/* SPDX-License-Identifier: MIT */
/*
 * bench_switch.c - what one switch costs, beside libc's swapcontext in the same run
 *
 * Each kind is measured in turn, again and again, and the medians are compared,
 * so that a machine that gets faster or slower meanwhile does so for all.
 *   swap    two contexts of this build swap back and forth
 *   switch  green_switch between a greenlet and its parent
 *   yield   green_yield of two tasks
 *   libc    swapcontext, called directly
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "green.h"
#include "switch/context.h"

enum {
	REPETITIONS = 15,
	SWITCHES = 200000,
	STACK = 64 * 1024,
};

static _Alignas(64) char swap_stack[STACK];
static _Alignas(64) char libc_stack[STACK];
static struct context swap_here, swap_there;
static ucontext_t libc_here, libc_there;

/* The other side of each kind does nothing but come back. */
static void swap_back(void *unused)
{
	(void)unused;
	for (;;)
		green__context_swap(&swap_there, &swap_here);
}

static void libc_back(void)
{
	for (;;)
		swapcontext(&libc_there, &libc_here);
}

static void *switch_back(void *value)
{
	struct greenlet *parent = green_parent(green_current());

	while (value)
		value = green_switch(parent, value);
	return NULL;
}

static void swap_run(void)
{
	for (int i = 0; i < SWITCHES / 2; i++)
		green__context_swap(&swap_here, &swap_there);
}

static void libc_run(void)
{
	for (int i = 0; i < SWITCHES / 2; i++)
		swapcontext(&libc_here, &libc_there);
}

static void switch_run(void)
{
	struct greenlet *other = green_create(switch_back, NULL);

	for (int i = 0; i < SWITCHES / 2; i++)
		green_switch(other, other);
	green_switch(other, NULL);
	green_destroy(other);
}

static void *yield_often(void *unused)
{
	for (int i = 0; i < SWITCHES / 2; i++)
		green_yield();
	return unused;
}

static void yield_run(void)
{
	struct greenlet *tasks[2];

	for (int i = 0; i < 2; i++)
		tasks[i] = green_spawn(yield_often, NULL);
	for (int i = 0; i < 2; i++) {
		green_join(tasks[i], NULL, -1);
		green_destroy(tasks[i]);
	}
}

static struct kind {
	const char *name;
	void (*run)(void);
	double ns[REPETITIONS];
} kinds[] = {
	{ "swap", swap_run, { 0 } },
	{ "switch", switch_run, { 0 } },
	{ "yield", yield_run, { 0 } },
	{ "libc", libc_run, { 0 } },
};

static void prepare(void)
{
	green__context_make(&swap_there, swap_stack, sizeof(swap_stack), swap_back, NULL);
	getcontext(&libc_there);
	libc_there.uc_stack.ss_sp = libc_stack;
	libc_there.uc_stack.ss_size = sizeof(libc_stack);
	libc_there.uc_link = NULL;
	makecontext(&libc_there, libc_back, 0);
}

static int ascending(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double median(struct kind *kind)
{
	qsort(kind->ns, REPETITIONS, sizeof(kind->ns[0]), ascending);
	return kind->ns[REPETITIONS / 2];
}

int main(void)
{
	const struct kind *libc = &kinds[ARRAY_LENGTH(kinds) - 1];

	prepare();
	for (int round = -1; round < REPETITIONS; round++) {
		for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
			int64_t start = clock_now();

			kinds[i].run();
			/* The first round only warms up. */
			if (round >= 0)
				kinds[i].ns[round] = (double)(clock_now() - start) / SWITCHES;
		}
	}
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
		median(&kinds[i]);
	printf("context %s: median of %d, ns a switch\n", CONTEXT_NAME, REPETITIONS);
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
		printf("  %-7s %8.1f ns  %6.1f times as fast as libc's swapcontext\n", kinds[i].name, kinds[i].ns[REPETITIONS / 2],
		       libc->ns[REPETITIONS / 2] / kinds[i].ns[REPETITIONS / 2]);
	return EXIT_SUCCESS;
}
