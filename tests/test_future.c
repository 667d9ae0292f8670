/* SPDX-License-Identifier: MIT */
/* test_future.c - results that come later: decided once, waited for, linked, shielded, by several kernel threads */
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "green.h"
#include "hub/hub.h"
#include "support.h"

static int calls, failures, reports, told;
static char history[100];
static char token;

static void *same(void *value)
{
	calls++;
	return value;
}

static void *fails(void *value)
{
	calls++;
	green_throw(green_current(), EIO, value);
	return NULL;
}

static void *sleeps(void *ms)
{
	calls++;
	if (green_sleep((int)(intptr_t)ms) == -1)
		failures += errno == ECANCELED;
	return ms;
}

static void count_report(const struct green_report *report, void *unused)
{
	(void)unused;
	reports += report->trouble == GREEN_TROUBLE_FUTURE && report->code == EIO;
	told += report->trouble == GREEN_TROUBLE_TASK && report->code == EIO;
}

static void hook(void)
{
	green_set_error_hook(count_report, NULL);
}

/* --- plain ones --- */

/* Y3: its value any number of times */
START_TEST(a1_a_future_is_decided_once)
{
	struct green_future *future = green_future_create();
	void *value = NULL;

	ck_assert_int_eq(green_future_state(future), GREEN_PENDING);
	ck_assert(!green_future_done(future));
	assert_fails(green_future_get(future, &value, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_future_set(future, &token), 0);
	assert_fails(green_future_set(future, NULL) == -1, EALREADY);
	assert_fails(green_future_fail(future, EIO, NULL) == -1, EALREADY);
	ck_assert(!green_future_cancel(future));
	ck_assert_int_eq(green_future_state(future), GREEN_VALUE);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(green_future_get(future, &value, i - 1), 0);
		ck_assert_ptr_eq(value, &token);
	}
	ck_assert_int_eq(green_future_error(future, NULL), 0);
	green_future_destroy(future);
	green_future_destroy(NULL);
}
END_TEST

/* Y3: who only waits gets no error */
START_TEST(a1_its_error_becomes_the_callers)
{
	struct green_future *future = green_future_create();
	void *value = &calls;

	assert_fails(green_future_fail(future, 0, NULL) == -1, EINVAL);
	ck_assert_int_eq(green_future_fail(future, ENOENT, &token), 0);
	for (int i = 0; i < 2; i++) {
		assert_fails(green_future_get(future, &value, -1) == -1, ENOENT);
		ck_assert_int_eq(green_error(&value), ENOENT);
		ck_assert_ptr_eq(value, &token);
		/* It has been told. */
		ck_assert_int_eq(green_sleep(1), 0);
		green_error_clear();
	}
	ck_assert_int_eq(green_future_wait(future, -1), 0);
	ck_assert_int_eq(green_future_error(future, &value), ENOENT);
	ck_assert_ptr_eq(value, &token);
	green_future_destroy(future);
}
END_TEST

START_TEST(a4_a_plain_one_is_cancelled_at_once)
{
	struct green_future *future = green_future_create();

	ck_assert(green_future_cancel(future));
	ck_assert(!green_future_cancel(future));
	ck_assert_int_eq(green_future_state(future), GREEN_GIVEN_UP);
	assert_fails(green_future_set(future, NULL) == -1, EALREADY);
	assert_fails(green_future_get(future, NULL, -1) == -1, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_CANCELLED);
	green_error_clear();
	ck_assert_int_eq(green_future_error(future, NULL), GREEN_CANCELLED);
	green_future_destroy(future);
}
END_TEST

static void *gets(void *future)
{
	void *value = NULL;

	ck_assert_int_eq(green_future_get(future, &value, -1), 0);
	strcat(history, "g");
	return value;
}

START_TEST(all_who_wait_are_woken_in_order)
{
	struct green_future *future = green_future_create();
	struct greenlet *tasks[5];

	for (int i = 0; i < 5; i++)
		tasks[i] = green_spawn(gets, future);
	green_yield();
	ck_assert_int_eq(green_future_set(future, &token), 0);
	ck_assert_str_eq(history, "");
	for (int i = 0; i < 5; i++)
		ck_assert_ptr_eq(join(tasks[i]), &token);
	ck_assert_str_eq(history, "ggggg");
	green_future_destroy(future);
}
END_TEST

START_TEST(h2_one_that_nobody_can_decide)
{
	struct green_future *future = green_future_create();

	assert_fails(green_future_get(future, NULL, -1) == -1, EDEADLK);
	assert_fails(green_future_wait(future, 5) == -1, ETIMEDOUT);
	green_future_destroy(future);
}
END_TEST

static void *waits_and_is_ended(void *future)
{
	if (green_future_get(future, NULL, -1) == -1)
		failures += errno == ECANCELED || errno == ETIMEDOUT;
	return NULL;
}

static void *waits_with_limit(void *future)
{
	struct green_timeout limit;

	green_timeout_start(&limit, 5);
	waits_and_is_ended(future);
	failures += green_timeout_end(&limit);
	return NULL;
}

START_TEST(s9_who_waits_may_be_killed_cancelled_or_too_late)
{
	struct green_future *future = green_future_create();
	struct greenlet *killed = green_spawn(waits_and_is_ended, future), *cancelled = green_spawn(waits_and_is_ended, future),
			*late = green_spawn(waits_with_limit, future);

	green_yield();
	ck_assert_int_eq(green_kill(killed, -1), 0);
	green_cancel(cancelled);
	join(cancelled);
	join(late);
	ck_assert_int_eq(failures, 4);
	/* The wait does not cancel it. */
	ck_assert_int_eq(green_future_state(future), GREEN_PENDING);
	green_destroy(killed);
	green_future_set(future, NULL);
	green_future_destroy(future);
}
END_TEST

static void *asks_while_it_is_killed(void *future)
{
	green_kill(green_current(), -1);
	assert_fails(green_future_get(future, NULL, -1) == -1, ENOENT);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	assert_fails(green_sleep(1) == -1, ECANCELED);
	return NULL;
}

/* A7: who is being killed stays so, whatever a future brings */
START_TEST(s9_an_error_of_a_future_takes_no_kill_away)
{
	struct green_future *future = green_future_create();
	struct greenlet *task;

	ck_assert_int_eq(green_future_fail(future, ENOENT, NULL), 0);
	task = green_spawn(asks_while_it_is_killed, future);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_failure(task, NULL), 0);
	green_destroy(task);
	green_future_destroy(future);
}
END_TEST

START_TEST(a3_an_error_that_nobody_has_asked_for_is_told)
{
	struct green_future *futures[4];

	hook();
	for (int i = 0; i < 4; i++) {
		futures[i] = green_future_create();
		green_future_fail(futures[i], EIO, NULL);
	}
	green_future_get(futures[1], NULL, 0);
	green_error_clear();
	green_future_error(futures[2], NULL);
	green_future_hold(futures[3]);
	for (int i = 0; i < 4; i++)
		green_future_destroy(futures[i]);
	ck_assert_int_eq(reports, 1);
	green_future_destroy(futures[3]);
	ck_assert_int_eq(reports, 2);
}
END_TEST

static void *gives_back(void *future)
{
	green_future_destroy(future);
	ck_assert_ptr_null(green__current);
	return NULL;
}

START_TEST(a3_a_kernel_thread_without_greenlets_tells_it_too)
{
	struct green_future *future = green_future_create();

	hook();
	green_future_fail(future, EIO, NULL);
	in_thread(gives_back, future);
	ck_assert_int_eq(reports, 1);
}
END_TEST

START_TEST(a3_h7_the_error_of_a_task_is_told_once)
{
	struct greenlet *task = green_spawn(fails, NULL);
	struct green_future *first = green_future_of(task), *second = green_future_of(task), *late;

	hook();
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	late = green_future_of(task);
	green_future_destroy(late);
	green_future_destroy(second);
	ck_assert_int_eq(reports, 0);
	green_future_destroy(first);
	ck_assert_int_eq(reports, 1);
	green_destroy(task);

	/* It is told at its end, if there was no future then. */
	task = green_spawn(fails, NULL);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(told, 1);
	green_future_destroy(green_future_of(task));
	ck_assert_int_eq(told + reports, 2);
	green_destroy(task);
}
END_TEST

/* --- of tasks --- */

START_TEST(a8_a_task_decides_its_future)
{
	struct green_future *good = green_future_spawn(same, &token), *bad = green_future_spawn(fails, &token);
	void *value;

	hook();
	ck_assert_int_eq(calls, 0);
	assert_fails(green_future_set(good, NULL) == -1, EINVAL);
	assert_fails(green_future_fail(good, EIO, NULL) == -1, EINVAL);
	ck_assert_int_eq(green_future_get(good, &value, -1), 0);
	ck_assert_ptr_eq(value, &token);
	assert_fails(green_future_get(bad, &value, -1) == -1, EIO);
	ck_assert_int_eq(green_error(&value), EIO);
	ck_assert_ptr_eq(value, &token);
	green_error_clear();
	green_future_destroy(good);
	green_future_destroy(bad);
	ck_assert_int_eq(reports, 0);
	assert_fails(!green_future_spawn(NULL, NULL), EINVAL);
}
END_TEST

START_TEST(a5_its_task_is_cancelled_and_decides)
{
	struct green_future *started = green_future_spawn(sleeps, (void *)10000), *unstarted;

	green_yield();
	unstarted = green_future_spawn(sleeps, NULL);
	ck_assert(green_future_cancel(started));
	ck_assert(green_future_cancel(unstarted));
	ck_assert_int_eq(green_future_state(started), GREEN_PENDING);
	ck_assert_int_eq(green_future_wait(started, -1), 0);
	ck_assert_int_eq(green_future_state(started), GREEN_GIVEN_UP);
	ck_assert_int_eq(green_future_state(unstarted), GREEN_GIVEN_UP);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(failures, 1);
	green_future_destroy(started);
	green_future_destroy(unstarted);
}
END_TEST

static void *refuses(void *value)
{
	if (green_sleep(10000) == -1)
		green_error_clear();
	return value;
}

START_TEST(a6_a_task_that_refuses_has_a_value)
{
	struct green_future *future = green_future_spawn(refuses, &token);
	void *value;

	green_yield();
	ck_assert(green_future_cancel(future));
	ck_assert_int_eq(green_future_get(future, &value, -1), 0);
	ck_assert_ptr_eq(value, &token);
	green_future_destroy(future);
}
END_TEST

START_TEST(a_task_outlives_its_future)
{
	unsigned living = green__hub()->flow->living;

	hook();
	green_future_destroy(green_future_spawn(same, NULL));
	green_future_destroy(green_future_spawn(fails, NULL));
	green_sleep(1);
	ck_assert_int_eq(calls, 2);
	ck_assert_int_eq(reports, 1);
	ck_assert_uint_eq(green__hub()->flow->living, living);
}
END_TEST

START_TEST(the_future_of_a_task_that_somebody_holds)
{
	struct greenlet *task = green_spawn(same, &token), *raw = green_create(same, NULL);
	struct green_future *before = green_future_of(task), *after;
	void *value;

	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_future_get(before, &value, 0), 0);
	ck_assert_ptr_eq(value, &token);
	after = green_future_of(task);
	ck_assert_int_eq(green_future_get(after, &value, 0), 0);
	ck_assert_ptr_eq(value, &token);
	assert_fails(!green_future_of(NULL), EINVAL);
	assert_fails(!green_future_of(raw), EINVAL);
	green_destroy(raw);
	green_destroy(task);
	green_future_destroy(before);
	green_future_destroy(after);
}
END_TEST

static struct green_future *own;

static void *waits_for_itself(void *unused)
{
	assert_fails(green_future_get(own, NULL, -1) == -1, EDEADLK);
	return unused;
}

START_TEST(a9_a_task_that_waits_for_itself)
{
	own = green_future_spawn(waits_for_itself, NULL);
	ck_assert_int_eq(green_future_get(own, NULL, -1), 0);
	green_future_destroy(own);
}
END_TEST

/* --- links --- */

static void note(struct green_future *future, void *letter)
{
	ck_assert(green_future_done(future));
	strncat(history, letter, 1);
}

START_TEST(a2_links_run_in_order_each_once_and_not_at_once)
{
	struct green_future *future = green_future_create();

	green_future_link(future, note, "a");
	green_future_link(future, note, "b");
	green_future_link(future, note, "b");
	green_future_link(future, note, "c");
	ck_assert_uint_eq(green_future_unlink(future, note, "c"), 1);
	ck_assert_uint_eq(green_future_unlink(future, note, "c"), 0);
	green_future_set(future, NULL);
	ck_assert_str_eq(history, "");
	green_sleep(1);
	ck_assert_str_eq(history, "abb");
	green_future_link(future, note, "d");
	green_future_link(future, note, "e");
	ck_assert_uint_eq(green_future_unlink(future, note, "e"), 1);
	ck_assert_str_eq(history, "abb");
	green_sleep(1);
	ck_assert_str_eq(history, "abbd");
	assert_fails(green_future_link(future, NULL, NULL) == -1, EINVAL);
	green_future_destroy(future);
}
END_TEST

static void ends_a_wait(struct green_future *future, void *other)
{
	(void)future;
	green_future_set(other, &token);
}

START_TEST(a2_a_link_keeps_its_future_and_may_end_a_wait)
{
	struct green_future *first = green_future_spawn(sleeps, (void *)2), *second = green_future_create();

	green_future_link(first, ends_a_wait, second);
	green_future_destroy(first);
	ck_assert_int_eq(green_future_get(second, NULL, -1), 0);
	green_future_destroy(second);
}
END_TEST

START_TEST(a2_links_that_never_came_are_dropped)
{
	struct green_future *future = green_future_create();

	for (int i = 0; i < 3; i++)
		green_future_link(future, note, "x");
	ck_assert_uint_eq(green_future_unlink(future, NULL, NULL), 3);
	green_future_set(future, NULL);
	green_sleep(1);
	ck_assert_str_eq(history, "");
	green_future_destroy(future);
}
END_TEST

/* --- shields --- */

START_TEST(b6_a_shield_has_the_outcome_of_what_it_shields)
{
	struct green_future *inner = green_future_create(), *shield = green_shield(inner), *late;
	void *value;

	assert_fails(green_future_set(shield, NULL) == -1, EINVAL);
	green_future_set(inner, &token);
	ck_assert_int_eq(green_future_get(shield, &value, 0), 0);
	ck_assert_ptr_eq(value, &token);
	late = green_shield(inner);
	ck_assert(green_future_done(late));
	green_future_destroy(inner);
	green_future_destroy(shield);
	green_future_destroy(late);
}
END_TEST

START_TEST(b6_cancelling_it_leaves_the_inner_alone)
{
	struct green_future *inner = green_future_spawn(sleeps, (void *)5), *shield = green_shield(inner);

	ck_assert(green_future_cancel(shield));
	ck_assert_int_eq(green_future_state(shield), GREEN_GIVEN_UP);
	ck_assert_int_eq(green_future_get(inner, NULL, -1), 0);
	ck_assert_int_eq(failures, 0);
	green_future_destroy(shield);
	green_future_destroy(inner);
}
END_TEST

START_TEST(b6_a_later_error_is_told_if_the_shield_was_given_up)
{
	hook();
	for (int given_up = 0; given_up < 2; given_up++) {
		struct green_future *inner = green_future_create(), *shield = green_shield(inner);

		if (given_up)
			green_future_cancel(shield);
		green_future_fail(inner, EIO, NULL);
		green_future_error(shield, NULL);
		green_future_destroy(inner);
		green_future_destroy(shield);
		ck_assert_int_eq(reports, given_up);
	}
}
END_TEST

START_TEST(b6_a_shield_may_go_first)
{
	struct green_future *inner = green_future_create();

	green_future_destroy(green_shield(inner));
	green_future_set(inner, NULL);
	green_future_destroy(inner);
}
END_TEST

/* --- kernel threads --- */

static void *sets_later(void *future)
{
	usleep(5000);
	ck_assert_int_eq(green_future_set(future, &token), 0);
	return NULL;
}

START_TEST(b10_any_kernel_thread_decides)
{
	for (int i = 0; i < 5; i++) {
		struct green_future *future = green_future_create();
		pthread_t thread;
		void *value;

		if (i % 2)
			green_future_link(future, note, "l");
		pthread_create(&thread, NULL, sets_later, future);
		ck_assert_int_eq(green_future_get(future, &value, -1), 0);
		ck_assert_ptr_eq(value, &token);
		pthread_join(thread, NULL);
		green_sleep(1);
		green_future_destroy(future);
	}
	ck_assert_str_eq(history, "ll");
}
END_TEST

static void *gets_elsewhere(void *future)
{
	void *value = NULL;

	ck_assert_int_eq(green_future_get(future, &value, -1), 0);
	return value;
}

START_TEST(b10_any_kernel_thread_waits)
{
	struct green_future *future = green_future_spawn(sleeps, (void *)10);
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, gets_elsewhere, future);
	ck_assert_int_eq(green_future_wait(future, -1), 0);
	for (int i = 0; i < 3; i++) {
		void *value;

		pthread_join(threads[i], &value);
		ck_assert_ptr_eq(value, (void *)10);
	}
	green_future_destroy(future);
}
END_TEST

static void *cancels(void *future)
{
	usleep(3000);
	ck_assert(green_future_cancel(future));
	green_future_cancel(future);
	return NULL;
}

START_TEST(b10_any_kernel_thread_cancels)
{
	struct green_future *future = green_future_spawn(sleeps, (void *)10000);
	pthread_t thread;

	pthread_create(&thread, NULL, cancels, future);
	ck_assert_int_eq(green_future_wait(future, -1), 0);
	ck_assert_int_eq(green_future_state(future), GREEN_GIVEN_UP);
	ck_assert_int_eq(failures, 1);
	pthread_join(thread, NULL);
	green_future_destroy(future);
}
END_TEST

/* The futures are made before, so that somebody else holds them when the thread has ended. */
static struct green_future *of_parked, *linked;

static void *leaves_futures_behind(void *unused)
{
	of_parked = green_future_spawn(sleeps, (void *)10000);
	green_future_link(linked, note, "x");
	green_future_link(of_parked, note, "x");
	green_yield();
	return unused;
}

START_TEST(t3_a_kernel_thread_ends_before_its_task)
{
	linked = green_future_create();
	in_thread(leaves_futures_behind, NULL);
	assert_fails(green_future_get(of_parked, NULL, -1) == -1, ESRCH);
	green_error_clear();
	ck_assert(!green_future_cancel(of_parked));
	green_future_set(linked, NULL);
	green_sleep(1);
	ck_assert_str_eq(history, "");
	green_future_destroy(linked);
	green_future_destroy(of_parked);
}
END_TEST

static void decides_in_child(void)
{
	void *value;

	/* Who waited for it has stayed in the parent. */
	if (green_future_set(own, &token) || green_future_get(own, &value, 0) || value != &token || green_sleep(2))
		_exit(1);
	_exit(strlen(history) ? 2 : 0);
}

START_TEST(ck17_in_a_forked_child_nobody_of_the_parent_waits)
{
	struct greenlet *waiter;
	int status;

	own = green_future_create();
	waiter = green_spawn(gets, own);
	green_yield();
	status = in_child(decides_in_child, NULL, 0);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	green_future_set(own, NULL);
	join(waiter);
	green_future_destroy(own);
}
END_TEST

/* --- anything, at any time --- */

enum { FUTURES = 30, THREADS = 3, WAITERS = 60 };

static struct green_future *many[FUTURES];
static int outcomes; /* atomic */

static void *decides_at_random(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < 8 * FUTURES; i++) {
		struct green_future *future = many[rand_r(&seed) % FUTURES];
		int kind = rand_r(&seed) % 8;

		if (kind == 0)
			green_future_set(future, &token);
		else if (kind == 1)
			green_future_fail(future, ENOENT, NULL);
		else if (kind == 2)
			green_future_cancel(future);
		else
			sched_yield();
	}
	for (int i = 0; i < FUTURES; i++)
		green_future_set(many[i], &token);
	return NULL;
}

static void *waits_at_random(void *arg)
{
	struct green_future *future = arg;
	void *value = NULL;
	int error = green_future_get(future, &value, -1) ? errno : 0;

	ck_assert(error == 0 || error == ENOENT || error == ECANCELED);
	ck_assert(error || value == &token);
	__atomic_add_fetch(&outcomes, 1, __ATOMIC_RELAXED);
	return NULL;
}

START_TEST(cu5_decisions_and_kills_at_random)
{
	const char *given = getenv("GREEN_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct greenlet *waiters[WAITERS];
	pthread_t threads[THREADS];

	printf("GREEN_TEST_SEED=%u\n", seed);
	fflush(stdout);
	srand(seed);
	for (int round = 0; round < 10; round++) {
		outcomes = 0;
		for (int i = 0; i < FUTURES; i++)
			many[i] = green_future_create();
		for (int i = 0; i < WAITERS; i++)
			waiters[i] = green_spawn(waits_at_random, many[rand() % FUTURES]);
		green_yield();
		for (uintptr_t i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, decides_at_random, (void *)(seed + i + (uintptr_t)round));
		for (int i = 0; i < WAITERS; i += 4) {
			green_kill(waiters[i], 0);
			green_yield();
		}
		ck_assert_int_eq(green_join_all(waiters, WAITERS, 0, -1), 0);
		/* Who was killed before its first turn never asked; nobody else is missing. */
		ck_assert_int_eq(outcomes, WAITERS);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		for (int i = 0; i < WAITERS; i++)
			green_destroy(waiters[i]);
		for (int i = 0; i < FUTURES; i++) {
			green_future_error(many[i], NULL);
			green_future_destroy(many[i]);
		}
		hub_checked();
	}
}
END_TEST

static void add_plain(TCase *tcase)
{
	tcase_add_test(tcase, a1_a_future_is_decided_once);
	tcase_add_test(tcase, a1_its_error_becomes_the_callers);
	tcase_add_test(tcase, a4_a_plain_one_is_cancelled_at_once);
	tcase_add_test(tcase, all_who_wait_are_woken_in_order);
	tcase_add_test(tcase, h2_one_that_nobody_can_decide);
	tcase_add_test(tcase, s9_who_waits_may_be_killed_cancelled_or_too_late);
	tcase_add_test(tcase, s9_an_error_of_a_future_takes_no_kill_away);
	tcase_add_test(tcase, a3_an_error_that_nobody_has_asked_for_is_told);
	tcase_add_test(tcase, a3_a_kernel_thread_without_greenlets_tells_it_too);
	tcase_add_test(tcase, a3_h7_the_error_of_a_task_is_told_once);
}

static void add_tasks_and_links(TCase *tcase)
{
	tcase_add_test(tcase, a8_a_task_decides_its_future);
	tcase_add_test(tcase, a5_its_task_is_cancelled_and_decides);
	tcase_add_test(tcase, a6_a_task_that_refuses_has_a_value);
	tcase_add_test(tcase, a_task_outlives_its_future);
	tcase_add_test(tcase, the_future_of_a_task_that_somebody_holds);
	tcase_add_test(tcase, a9_a_task_that_waits_for_itself);
	tcase_add_test(tcase, a2_links_run_in_order_each_once_and_not_at_once);
	tcase_add_test(tcase, a2_a_link_keeps_its_future_and_may_end_a_wait);
	tcase_add_test(tcase, a2_links_that_never_came_are_dropped);
	tcase_add_test(tcase, b6_a_shield_has_the_outcome_of_what_it_shields);
	tcase_add_test(tcase, b6_cancelling_it_leaves_the_inner_alone);
	tcase_add_test(tcase, b6_a_later_error_is_told_if_the_shield_was_given_up);
	tcase_add_test(tcase, b6_a_shield_may_go_first);
}

static void add_threads(TCase *tcase)
{
	tcase_add_test(tcase, b10_any_kernel_thread_decides);
	tcase_add_test(tcase, b10_any_kernel_thread_waits);
	tcase_add_test(tcase, b10_any_kernel_thread_cancels);
	tcase_add_test(tcase, t3_a_kernel_thread_ends_before_its_task);
	tcase_add_test(tcase, ck17_in_a_forked_child_nobody_of_the_parent_waits);
	tcase_add_test(tcase, cu5_decisions_and_kills_at_random);
}

int main(void)
{
	TCase *tcase = suite_begin("future", WITH_HUB);

	add_plain(tcase);
	add_tasks_and_links(tcase);
	add_threads(tcase);
	return suite_end();
}
