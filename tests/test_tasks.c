/* SPDX-License-Identifier: MIT */
/* test_tasks.c - tasks that start later, and several tasks at once */
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "green.h"
#include "support.h"
#include "switch/greenlet.h"

static int calls, cleanups;
static char token;

static void *counts(void *value)
{
	calls++;
	return value;
}

static void *sleeps(void *ms)
{
	calls++;
	if (green_sleep((int)(intptr_t)ms) == -1)
		cleanups += errno == ECANCELED && green_error(NULL) == GREEN_EXIT;
	return ms;
}

static void *fails_after(void *ms)
{
	green_sleep((int)(intptr_t)ms);
	green_throw(green_current(), EIO, &token);
	return NULL;
}

static void given_back(struct greenlet *const *tasks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(green_destroy(tasks[i]), 0);
}

/* --- later --- */

START_TEST(s2_a_task_starts_when_its_time_has_come)
{
	int64_t start = clock_now();
	struct greenlet *task = green_spawn_later(200, counts, &token);

	green_sleep(2);
	ck_assert_int_eq(calls, 0);
	ck_assert_ptr_eq(join(task), &token);
	assert_took(start, 200);
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(s2_killed_before_it_never_starts)
{
	struct greenlet *first_turn_had = green_spawn_later(10000, counts, NULL);
	struct greenlet *not_had;

	green_yield();
	not_had = green_spawn_later(10000, counts, NULL);
	ck_assert_int_eq(green_kill(first_turn_had, -1), 0);
	ck_assert_int_eq(green_kill(not_had, -1), 0);
	ck_assert_int_eq(green_failure(not_had, NULL), 0);
	ck_assert_int_eq(calls, 0);
	green_destroy(first_turn_had);
	green_destroy(not_had);
}
END_TEST

START_TEST(s2_an_error_before_it_is_what_it_ends_with)
{
	struct greenlet *task = green_spawn_later(10000, counts, NULL);
	void *value;

	green_yield();
	ck_assert_int_eq(green_kill_with(task, ENOENT, &token, -1), 0);
	ck_assert_int_eq(calls, 0);
	ck_assert_int_eq(green_failure(task, &value), ENOENT);
	ck_assert_ptr_eq(value, &token);
	green_destroy(task);
}
END_TEST

START_TEST(s2_no_delay_is_a_plain_spawn)
{
	struct greenlet *tasks[3] = { green_spawn_later(0, counts, NULL), green_spawn_later(-5, counts, NULL),
				      green_spawn(counts, NULL) };

	green_yield();
	ck_assert_int_eq(calls, 3);
	given_back(tasks, 3);
	assert_fails(!green_spawn_later(1, NULL, NULL), EINVAL);
}
END_TEST

START_TEST(s2_the_handle_may_be_given_back_before_the_start)
{
	ck_assert_int_eq(green_destroy(green_spawn_later(5, counts, NULL)), 0);
	green_sleep(40);
	ck_assert_int_eq(calls, 1);
}
END_TEST

/* --- joining --- */

START_TEST(s17_all_are_waited_for)
{
	struct greenlet *tasks[4] = { green_spawn(sleeps, (void *)15), green_spawn(sleeps, (void *)5), NULL,
				      green_spawn(fails_after, (void *)10) };
	int64_t start = clock_now();

	ck_assert_int_eq(green_join_all(tasks, 4, 0, -1), 0);
	assert_took(start, 15);
	ck_assert(green_dead(tasks[0]) && green_dead(tasks[1]) && green_dead(tasks[3]));
	ck_assert_int_eq(green_join_all(tasks, 4, 0, 0), 0);
	ck_assert_int_eq(green_join_all(NULL, 0, 0, -1), 0);
	ck_assert_int_eq(green_join_all(NULL, 0, GREEN_STOP_AT_ERROR, -1), 0);
	given_back(tasks, 4);
}
END_TEST

START_TEST(s17_the_first_failure_ends_the_wait_and_nothing_else)
{
	struct greenlet *tasks[3] = { green_spawn(sleeps, (void *)10000), green_spawn(fails_after, (void *)5),
				      green_spawn(sleeps, (void *)1) };
	int64_t start = clock_now();

	assert_fails(green_join_all(tasks, 3, GREEN_STOP_AT_ERROR, -1) == -1, ECHILD);
	assert_took(start, 5);
	ck_assert(!green_dead(tasks[0]));
	ck_assert_int_eq(green_failure(tasks[1], NULL), EIO);
	ck_assert_int_eq(green_error(NULL), 0);
	/* It has failed already. */
	assert_fails(green_join_all(tasks, 3, GREEN_STOP_AT_ERROR, -1) == -1, ECHILD);
	ck_assert_int_eq(green_kill(tasks[0], -1), 0);
	given_back(tasks, 3);
}
END_TEST

START_TEST(s17_without_failures_all_are_waited_for)
{
	struct greenlet *tasks[3] = { green_spawn(sleeps, (void *)8), green_spawn(sleeps, (void *)2) };

	tasks[2] = tasks[0];
	ck_assert_int_eq(green_join_all(tasks, 3, GREEN_STOP_AT_ERROR, -1), 0);
	ck_assert(green_dead(tasks[0]) && green_dead(tasks[1]));
	given_back(tasks, 2);
}
END_TEST

START_TEST(s17_a_time_that_passes_leaves_them_alone)
{
	struct greenlet *tasks[2] = { green_spawn(sleeps, (void *)500), green_spawn(sleeps, (void *)1) };

	for (int flags = 0; flags <= GREEN_STOP_AT_ERROR; flags++) {
		assert_fails(green_join_all(tasks, 2, flags, 0) == -1, ETIMEDOUT);
		assert_fails(green_join_all(tasks, 2, flags, 5) == -1, ETIMEDOUT);
	}
	ck_assert_int_eq(green_join_all(tasks, 2, 0, -1), 0);
	ck_assert_int_eq(cleanups, 0);
	given_back(tasks, 2);
}
END_TEST

static void *joins_all(void *tasks)
{
	for (int flags = 0; flags <= GREEN_STOP_AT_ERROR; flags++) {
		assert_fails(green_join_all(tasks, 2, flags, -1) == -1, ECANCELED);
		ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
		cleanups++;
		green_error_clear();
	}
	return NULL;
}

START_TEST(s17_who_waits_may_be_killed)
{
	struct greenlet *tasks[2] = { green_spawn(sleeps, (void *)500), green_spawn(sleeps, (void *)500) };
	struct greenlet *joiner = green_spawn(joins_all, tasks);

	for (int i = 1; i <= 2; i++) {
		green_yield();
		green_kill(joiner, 0);
		green_yield();
		ck_assert_int_eq(cleanups, i);
	}
	join(joiner);
	ck_assert_int_eq(green_join_all(tasks, 2, 0, -1), 0);
	given_back(tasks, 2);
}
END_TEST


static void ignores(struct greenlet *task, void *arg)
{
	(void)task;
	(void)arg;
}

static void *asks_for_others(void *others)
{
	struct greenlet **tasks = others;

	assert_fails(green_join_all(tasks, 1, 0, -1) == -1, EPERM);
	assert_fails(green_kill_all(tasks, 1, -1) == -1, EPERM);
	ck_assert(!green_cancel(tasks[0]));
	ck_assert_int_eq(errno, EPERM);
	assert_fails(green_link(tasks[0], GREEN_ON_END, ignores, NULL) == -1, EPERM);
	return NULL;
}

START_TEST(t2_tasks_of_another_kernel_thread_are_refused)
{
	struct greenlet *tasks[1] = { green_spawn(sleeps, (void *)1) };

	in_thread(asks_for_others, tasks);
	join(tasks[0]);
}
END_TEST

static void *leaves_behind(void *task)
{
	*(struct greenlet **)task = green_spawn(sleeps, (void *)1);
	return NULL;
}

START_TEST(t3_a_lost_task_is_neither_joined_nor_killed)
{
	struct greenlet *task;

	in_thread(leaves_behind, &task);
	assert_fails(green_join(task, NULL, -1) == -1, ESRCH);
	assert_fails(green_join_all(&task, 1, 0, -1) == -1, ESRCH);
	assert_fails(green_kill(task, -1) == -1, ESRCH);
	given_back(&task, 1);
}
END_TEST

START_TEST(several_refuse_what_makes_no_sense)
{
	struct greenlet *raw = green_create(counts, NULL), *self = green_current();

	assert_fails(green_join_all(&raw, 1, 0, 0) == -1, EINVAL);
	assert_fails(green_join_all(NULL, 0, 2, 0) == -1, EINVAL);
	assert_fails(green_kill_all(&self, 1, 0) == -1, EINVAL);
	green_destroy(raw);
}
END_TEST

/* --- killing --- */

START_TEST(s18_all_are_asked_before_any_runs)
{
	struct greenlet *tasks[4] = { green_spawn(sleeps, (void *)10000), green_spawn(sleeps, (void *)10000) };

	green_yield();
	/* One that has not started, and one that has ended. */
	tasks[3] = green_spawn(counts, NULL);
	green_kill(tasks[3], -1);
	tasks[2] = green_spawn(counts, NULL);
	ck_assert_int_eq(green_kill_all(tasks, 4, -1), 0);
	ck_assert_int_eq(calls, 2);
	ck_assert_int_eq(cleanups, 2);
	given_back(tasks, 4);
}
END_TEST

static void *refuses_once(void *unused)
{
	if (green_sleep(10000) == -1)
		green_error_clear();
	cleanups++;
	green_sleep(10000);
	return unused;
}

START_TEST(ck11_who_refuses_is_waited_for)
{
	struct greenlet *tasks[2] = { green_spawn(refuses_once, NULL), green_spawn(sleeps, (void *)10000) };

	green_yield();
	assert_fails(green_kill_all(tasks, 2, 10) == -1, ETIMEDOUT);
	ck_assert_int_eq(cleanups, 2);
	ck_assert(!green_dead(tasks[0]) && green_dead(tasks[1]));
	ck_assert_int_eq(green_kill_all(tasks, 2, -1), 0);
	given_back(tasks, 2);
}
END_TEST

static void *switches_away(void *value)
{
	calls++;
	if (!green_switch(value, NULL))
		cleanups += errno == ECANCELED;
	return NULL;
}

START_TEST(s18_raw_greenlets_are_asked_as_well)
{
	struct greenlet *tasks[3] = { green_create(counts, NULL), green_create(switches_away, NULL),
				      green_spawn(sleeps, (void *)10000) };

	ck_assert_ptr_null(green_switch(tasks[1], green_current()));
	green_yield();
	ck_assert_int_eq(calls, 2);
	ck_assert_int_eq(green_kill_all(tasks, 3, -1), 0);
	ck_assert_int_eq(calls, 2);
	ck_assert_int_eq(cleanups, 2);
	for (int i = 0; i < 3; i++)
		ck_assert(green_dead(tasks[i]));
	given_back(tasks, 3);
}
END_TEST

static void *kills_all(void *tasks)
{
	assert_fails(green_kill_all(tasks, 2, -1) == -1, ECANCELED);
	cleanups++;
	return NULL;
}

START_TEST(ck11_the_caller_may_be_among_them)
{
	struct greenlet *tasks[2] = { green_spawn(sleeps, (void *)10000), NULL };

	tasks[1] = green_spawn(kills_all, tasks);
	ck_assert_int_eq(green_join_all(tasks, 2, 0, -1), 0);
	ck_assert_int_eq(cleanups, 2);
	given_back(tasks, 2);
}
END_TEST

START_TEST(s9_an_error_of_ones_choice_fails_one_call)
{
	struct greenlet *task = green_spawn(sleeps, (void *)10000);

	green_yield();
	assert_fails(green_kill_with(task, 0, NULL, -1) == -1, EINVAL);
	assert_fails(green_kill_with(task, GREEN_TIMEOUT + 1, NULL, -1) == -1, EINVAL);
	ck_assert_int_eq(green_kill_with(task, EPIPE, &token, -1), 0);
	ck_assert_int_eq(cleanups, 0);
	ck_assert_int_eq(green_failure(task, NULL), EPIPE);
	ck_assert_int_eq(green_kill_with(task, EPIPE, NULL, -1), 0);
	green_destroy(task);
}
END_TEST

/* --- anything, at any time --- */

enum { CROWD = 40, ROUNDS = 60 };

static struct greenlet *crowd[CROWD];
static int ended_by_itself, asked_to_end, never_started;

static void *wanders(void *unused)
{
	unsigned seed = (unsigned)rand();

	calls++;
	for (int i = 0; i < 20; i++) {
		int kind = rand_r(&seed) % 3;

		if ((kind == 0 && green_yield()) || (kind == 1 && green_sleep(rand_r(&seed) % 3) == -1) ||
		    (kind == 2 && green_error(NULL))) {
			asked_to_end++;
			return NULL;
		}
	}
	ended_by_itself++;
	return unused;
}

static unsigned random_seed(void)
{
	const char *given = getenv("GREEN_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

	printf("GREEN_TEST_SEED=%u\n", seed);
	fflush(stdout);
	srand(seed);
	return seed;
}

START_TEST(s9_kills_at_random_leave_nothing_behind)
{
	unsigned living = green_current()->flow->living;
	int made = 0;

	random_seed();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CROWD; i++)
			crowd[i] = rand() % 4 ? green_spawn(wanders, NULL) : green_spawn_later(rand() % 4, wanders, NULL);
		made += CROWD;
		for (int i = 0; i < CROWD; i++) {
			if (rand() % 2)
				green_kill(crowd[rand() % CROWD], rand() % 3 - 1);
			if (rand() % 8 == 0)
				green_yield();
		}
		if (rand() % 2)
			ck_assert_int_eq(green_kill_all(crowd, CROWD, -1), 0);
		else
			ck_assert_int_eq(green_join_all(crowd, CROWD, 0, -1), 0);
		given_back(crowd, CROWD);
		hub_checked();
	}
	ck_assert_uint_eq(green_current()->flow->living, living);
	/* Each that began has come to one of its ends; a kill that came too late for a call changes nothing. */
	never_started = made - calls;
	ck_assert_int_eq(ended_by_itself + asked_to_end, calls);
	ck_assert_int_ge(never_started, 0);
}
END_TEST

static void add_later(TCase *tcase)
{
	tcase_add_test(tcase, s2_a_task_starts_when_its_time_has_come);
	tcase_add_test(tcase, s2_killed_before_it_never_starts);
	tcase_add_test(tcase, s2_an_error_before_it_is_what_it_ends_with);
	tcase_add_test(tcase, s2_no_delay_is_a_plain_spawn);
	tcase_add_test(tcase, s2_the_handle_may_be_given_back_before_the_start);
}

static void add_several(TCase *tcase)
{
	tcase_add_test(tcase, s17_all_are_waited_for);
	tcase_add_test(tcase, s17_the_first_failure_ends_the_wait_and_nothing_else);
	tcase_add_test(tcase, s17_without_failures_all_are_waited_for);
	tcase_add_test(tcase, s17_a_time_that_passes_leaves_them_alone);
	tcase_add_test(tcase, s17_who_waits_may_be_killed);
	tcase_add_test(tcase, t2_tasks_of_another_kernel_thread_are_refused);
	tcase_add_test(tcase, t3_a_lost_task_is_neither_joined_nor_killed);
	tcase_add_test(tcase, several_refuse_what_makes_no_sense);
	tcase_add_test(tcase, s18_all_are_asked_before_any_runs);
	tcase_add_test(tcase, ck11_who_refuses_is_waited_for);
	tcase_add_test(tcase, s18_raw_greenlets_are_asked_as_well);
	tcase_add_test(tcase, ck11_the_caller_may_be_among_them);
	tcase_add_test(tcase, s9_an_error_of_ones_choice_fails_one_call);
	tcase_add_test(tcase, s9_kills_at_random_leave_nothing_behind);
}

int main(void)
{
	TCase *tcase = suite_begin("tasks", WITH_HUB);

	add_later(tcase);
	add_several(tcase);
	return suite_end();
}
