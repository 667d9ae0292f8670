/* SPDX-License-Identifier: MIT */
/* test_exit.c - the ends of lives, kernel threads and processes, in whatever state their greenlets are */
#include <stdio.h>
#include <sys/wait.h>

#include "green.h"
#include "support.h"

enum { STATUS = 7 };

/* A process that ends on a greenlet's stack has its main stack where the search for leaks does not look. */
const char *__lsan_default_options(void);

const char *__lsan_default_options(void)
{
	return "detect_leaks=0";
}

static struct greenlet *ring[3];

static void *nothing(void *value)
{
	return value;
}

static void *comes_back(void *value)
{
	return green_switch(green_parent(green_current()), value);
}

/* --- T7: nothing is left of ten thousand --- */

static long resident_kb(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%*s %ld", &pages), 1);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The first fifth makes what is kept for later: stacks, libc's own memory for threads. */
static void assert_leaves_nothing(void (*live)(int number))
{
	enum { LIVES = 10000, GROWTH_KB = 512 };
	long before = 0;

	if (tools_watch())
		return skipped("the tool has memory of its own for each life");
	for (int i = 0; i < LIVES; i++) {
		if (i == LIVES / 5)
			before = resident_kb();
		live(i);
	}
	ck_assert_int_lt(resident_kb() - before, GROWTH_KB);
}

static void live_greenlet(int number)
{
	struct greenlet *greenlet = green_create(number % 2 ? nothing : comes_back, NULL);

	if (number % 3)
		green_switch(greenlet, NULL);
	ck_assert_int_eq(green_destroy(greenlet), 0);
}

START_TEST(t7_greenlets_finished_or_not)
{
	assert_leaves_nothing(live_greenlet);
}
END_TEST

static void *yields(struct green_generator *self, void *value)
{
	green_generator_yield(self, value, NULL);
	return NULL;
}

static void live_generator(int number)
{
	struct green_generator *generator = green_generator_create(yields, NULL);

	for (int i = 0; i < number % 4; i++)
		green_generator_next(generator, NULL);
	ck_assert_int_eq(green_generator_destroy(generator), 0);
}

START_TEST(t7_generators_finished_or_not)
{
	assert_leaves_nothing(live_generator);
}
END_TEST

static void live_task(int number)
{
	struct greenlet *task = green_spawn(number % 2 ? nothing : comes_back, NULL);

	if (number % 3)
		green_yield();
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(green_destroy(task), 0);
}

START_TEST(t7_tasks_finished_or_killed)
{
	assert_leaves_nothing(live_task);
}
END_TEST

/* What is left to the thread that has made it is destroyed there, the rest when it has ended. */
static struct greenlet *left[3];

static void *live_in_thread(void *number)
{
	struct greenlet *here = green_create(comes_back, NULL);

	for (int i = 0; i < 3; i++)
		left[i] = green_create(i == 1 ? comes_back : nothing, NULL);
	for (int i = 1; i < 3; i++)
		green_switch(left[i], NULL);
	green_switch(here, NULL);
	ck_assert_int_eq(green_destroy(here), 0);
	if ((intptr_t)number % 10 == 0)
		green_sleep(0);
	return NULL;
}

static void live_thread(int number)
{
	in_thread(live_in_thread, (void *)(intptr_t)number);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_destroy(left[i]), 0);
}

START_TEST(t7_kernel_threads_and_what_outlives_them)
{
	assert_leaves_nothing(live_thread);
}
END_TEST

/* --- Z3: a process may end anywhere --- */

static void ends_suspended(void)
{
	for (int i = 0; i < 3; i++)
		green_switch(green_create(comes_back, NULL), NULL);
	green_create(nothing, NULL);
	exit(STATUS);
}

static void *exits(void *status)
{
	exit((int)(intptr_t)status);
}

static void ends_in_greenlet(void)
{
	green_switch(green_create(exits, NULL), (void *)STATUS);
}

static void *nests(void *depth)
{
	if (depth == 0)
		exit(STATUS);
	return green_switch(green_create(nests, NULL), (char *)depth - 1);
}

static void ends_in_nested(void)
{
	nests((void *)100);
}

static void *goes_round(void *value)
{
	struct greenlet *next = green_current() == ring[0] ? ring[1] : green_current() == ring[1] ? ring[2] : NULL;

	return next ? green_switch(next, value) : exits(value);
}

static void ends_across(void)
{
	for (int i = 0; i < 3; i++)
		ring[i] = green_create(goes_round, NULL);
	green_switch(ring[0], (void *)STATUS);
}

static void *sleeps(void *unused)
{
	green_sleep(10000);
	return unused;
}

static void ends_with_parked(void)
{
	for (int i = 0; i < 10; i++)
		green_spawn(sleeps, NULL);
	green_yield();
	exit(STATUS);
}

static void ends_in_task(void)
{
	for (int i = 0; i < 10; i++)
		green_spawn(sleeps, NULL);
	green_join(green_spawn(exits, (void *)STATUS), NULL, -1);
}

static void *yields_then_exits(struct green_generator *self, void *status)
{
	green_generator_yield(self, status, NULL);
	return exits(status);
}

static void ends_in_generator(void)
{
	struct green_generator *generator = green_generator_create(yields_then_exits, (void *)STATUS);

	green_generator_next(green_generator_create(yields, NULL), NULL);
	while (green_generator_next(generator, NULL) == 1)
		;
}

static void *waits_in_hub(void *ready)
{
	char byte;

	ck_assert_int_eq(write(((int *)ready)[1], "x", 1), 1);
	green_spawn(sleeps, NULL);
	green_read(((int *)ready)[0], &byte, 1);
	return NULL;
}

/* Another kernel thread is in the middle of its hub; MAIN's own greenlets are in use. */
static void ends_beside_threads(void)
{
	pthread_t threads[4];
	int fds[2], ready[2];
	char byte;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(pipe(ready), 0);
	for (int i = 0; i < 4; i++) {
		static int pair[2];

		pair[0] = fds[0];
		pair[1] = ready[1];
		ck_assert_int_eq(pthread_create(&threads[i], NULL, waits_in_hub, pair), 0);
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	}
	ends_in_nested();
}

static void *exits_in_greenlet(void *unused)
{
	ends_in_nested();
	return unused;
}

static void ends_in_thread(void)
{
	green_switch(green_create(comes_back, NULL), NULL);
	in_thread(exits_in_greenlet, NULL);
}

/* What runs at exit may still use all of it, on whichever greenlet that is. */
static void use_it_all(void)
{
	struct greenlet *greenlet = green_create(comes_back, NULL);
	struct green_generator *generator = green_generator_create(yields, &generator);
	struct greenlet *task = green_spawn(nothing, &greenlet);
	void *value;

	if (green_switch(greenlet, &value) != &value || green_destroy(greenlet) != 0)
		_exit(101);
	if (green_generator_next(generator, &value) != 1 || value != &generator || green_generator_destroy(generator) != 0)
		_exit(102);
	if (green_join(task, &value, -1) != 0 || value != &greenlet || green_destroy(task) != 0)
		_exit(103);
}

static void ends_with_use_at_exit(void)
{
	atexit(use_it_all);
	ends_in_nested();
}

static pthread_key_t key;

static void use_after_the_thread(void *unused)
{
	(void)unused;
	use_it_all();
}

static void *leaves_key(void *unused)
{
	use_it_all();
	pthread_setspecific(key, &key);
	return unused;
}

/* The destructors of a thread's keys run when its greenlets are gone already. */
static void ends_after_late_use(void)
{
	ck_assert_int_eq(pthread_key_create(&key, use_after_the_thread), 0);
	for (int i = 0; i < 20; i++)
		in_thread(leaves_key, NULL);
	exit(STATUS);
}

static const struct end {
	const char *name;
	void (*function)(void);
} ends[] = {
	{ "with suspended greenlets", ends_suspended },
	{ "in a greenlet", ends_in_greenlet },
	{ "in a nested one", ends_in_nested },
	{ "in a ring of greenlets", ends_across },
	{ "with parked tasks", ends_with_parked },
	{ "in a task", ends_in_task },
	{ "in a generator", ends_in_generator },
	{ "beside threads in their hubs", ends_beside_threads },
	{ "in a greenlet of another thread", ends_in_thread },
	{ "with use at exit", ends_with_use_at_exit },
	{ "after use by a key's destructor", ends_after_late_use },
};

START_TEST(z3_a_process_that_exits_ends_with_its_status)
{
	char text[2000];
	int status = in_child(ends[_i].function, text, sizeof(text));

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == STATUS, "%s: status %x, stderr: %s", ends[_i].name, status,
		      text);
}
END_TEST

/* --- E9: leaving a greenlet by force --- */

static int cleanups;

static void count_cleanup(int *unused)
{
	(void)unused;
	cleanups++;
}

static GREEN_NOINLINE void leaves_thread(int depth)
{
	__attribute__((cleanup(count_cleanup))) int marker = depth;

	if (marker > 0)
		leaves_thread(depth - 1);
	else if (cleanups == 0)
		pthread_exit(&cleanups);
}

static void *leaves_thread_deep_down(void *value)
{
	green_switch(green_parent(green_current()), value);
	leaves_thread(4);
	return NULL;
}

static void *thread_that_is_left(void *unused)
{
	struct greenlet *greenlet = green_create(leaves_thread_deep_down, NULL);

	green_switch(greenlet, NULL);
	green_switch(greenlet, NULL);
	return unused;
}

START_TEST(e9_forced_unwinding_cleans_up_in_a_greenlet)
{
	ck_assert_ptr_eq(in_thread(thread_that_is_left, NULL), &cleanups);
	ck_assert_int_eq(cleanups, 5);
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("exit", WITH_HUB);

	tcase_add_test(tests, t7_greenlets_finished_or_not);
	tcase_add_test(tests, t7_generators_finished_or_not);
	tcase_add_test(tests, t7_tasks_finished_or_killed);
	tcase_add_test(tests, t7_kernel_threads_and_what_outlives_them);
	tcase_add_loop_test(tests, z3_a_process_that_exits_ends_with_its_status, 0, (int)ARRAY_LENGTH(ends));
	tcase_add_test(tests, e9_forced_unwinding_cleans_up_in_a_greenlet);
	return suite_end();
}
