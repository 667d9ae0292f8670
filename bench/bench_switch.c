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
 * These take more than a switch:
 *   next    green_generator_next: to the body and back
 *   chain   the same through ten generators that delegate to each other
 *   python  CPython's next() of a generator that yields in a loop, if python3 is there
 *   life    green_create, green_switch, its end, green_destroy
 *   task    green_spawn, green_join, green_destroy
 * At the end: what one greenlet that is suspended keeps resident.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "green.h"
#include "switch/context.h"

enum {
	REPETITIONS = 15,
	SWITCHES = 200000,
	NEXTS = 100000,
	LIVES = 20000,
	CHAIN = 10,
	SUSPENDED = 10000,
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

static void *yields(struct green_generator *self, void *unused)
{
	while (green_generator_yield(self, unused, NULL) == 0)
		;
	return NULL;
}

static void *delegates(struct green_generator *self, void *inner)
{
	green_generator_delegate(self, inner, NULL);
	return NULL;
}

static void next_run(void)
{
	struct green_generator *generator = green_generator_create(yields, NULL);

	for (int i = 0; i < NEXTS; i++)
		green_generator_next(generator, NULL);
	green_generator_destroy(generator);
}

static void chain_run(void)
{
	struct green_generator *chain[CHAIN] = { green_generator_create(yields, NULL) };

	for (int i = 1; i < CHAIN; i++)
		chain[i] = green_generator_create(delegates, chain[i - 1]);
	for (int i = 0; i < NEXTS; i++)
		green_generator_next(chain[CHAIN - 1], NULL);
	for (int i = CHAIN; i-- > 0;)
		green_generator_destroy(chain[i]);
}

static void *nothing(void *value)
{
	return value;
}

static void life_run(void)
{
	for (int i = 0; i < LIVES; i++) {
		struct greenlet *greenlet = green_create(nothing, NULL);

		green_switch(greenlet, NULL);
		green_destroy(greenlet);
	}
}

static void task_run(void)
{
	for (int i = 0; i < LIVES; i++) {
		struct greenlet *task = green_spawn(nothing, NULL);

		green_join(task, NULL, -1);
		green_destroy(task);
	}
}

/* It measures itself, so that its start does not count; 0 if there is none. */
static double python_ns(void)
{
	static const char command[] =
		"python3 -c 'import time\n"
		"def yields():\n"
		" while True: yield\n"
		"generator, times = yields(), range(100000)\n"
		"start = time.perf_counter_ns()\n"
		"for i in times: next(generator)\n"
		"print((time.perf_counter_ns() - start) / len(times))' 2>/dev/null";
	FILE *pipe = popen(command, "r");
	double ns = 0;

	if (pipe && fscanf(pipe, "%lf", &ns) != 1)
		ns = 0;
	if (pipe)
		pclose(pipe);
	return ns;
}

static struct kind {
	const char *name;
	void (*run)(void); /* NULL: python_ns */
	int times;         /* what RUN does */
	double ns[REPETITIONS];
} kinds[] = {
	{ "swap", swap_run, SWITCHES, { 0 } },
	{ "switch", switch_run, SWITCHES, { 0 } },
	{ "yield", yield_run, SWITCHES, { 0 } },
	{ "libc", libc_run, SWITCHES, { 0 } },
	{ "next", next_run, NEXTS, { 0 } },
	{ "chain", chain_run, NEXTS, { 0 } },
	{ "python", NULL, 1, { 0 } },
	{ "life", life_run, LIVES, { 0 } },
	{ "task", task_run, LIVES, { 0 } },
};

enum { LIBC = 3 }; /* in kinds; those after it are no switches */

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

static double measured(const struct kind *kind)
{
	int64_t start = clock_now();

	if (!kind->run)
		return python_ns();
	kind->run();
	return (double)(clock_now() - start) / kind->times;
}

static void show(const struct kind *kind, double ns, double libc)
{
	if (kind <= &kinds[LIBC])
		printf("  %-7s %8.1f ns  %6.1f times as fast as libc's swapcontext\n", kind->name, ns, libc / ns);
	else if (ns > 0)
		printf("  %-7s %8.1f ns\n", kind->name, ns);
	else
		printf("  %-7s  skipped: no python3\n", kind->name);
}

/* Resident bytes of this process, page tables not included. */
static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (file) {
		if (fscanf(file, "%*s %ld", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages * sysconf(_SC_PAGESIZE);
}

static void memory(void)
{
	static struct greenlet *greenlets[SUSPENDED];
	long before = resident();

	for (int i = 0; i < SUSPENDED; i++) {
		greenlets[i] = green_create(switch_back, NULL);
		green_switch(greenlets[i], greenlets[i]);
	}
	printf("one greenlet suspended: %.1f kB resident, of %d\n", (double)(resident() - before) / SUSPENDED / 1000, SUSPENDED);
	for (int i = 0; i < SUSPENDED; i++) {
		green_switch(greenlets[i], NULL);
		green_destroy(greenlets[i]);
	}
}

int main(void)
{
	double libc;

	prepare();
	for (int round = -1; round < REPETITIONS; round++) {
		for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
			double ns = measured(&kinds[i]);

			/* The first round only warms up. */
			if (round >= 0)
				kinds[i].ns[round] = ns;
		}
	}
	libc = median(&kinds[LIBC]);
	printf("context %s: median of %d, ns for one\n", CONTEXT_NAME, REPETITIONS);
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
		show(&kinds[i], median(&kinds[i]), libc);
	memory();
	return EXIT_SUCCESS;
}
