/* SPDX-License-Identifier: MIT */
/* test_mutex.c - one owner at a time */
#include "green.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_mutex mutex = GREEN_MUTEX_INIT;
static struct green_mutex again = GREEN_RECURSIVE_MUTEX_INIT;
static int order[8], served;

static void *locks(void *number)
{
	if (green_mutex_lock(&mutex, -1))
		return "failed";
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	order[served++] = (int)(intptr_t)number;
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	return NULL;
}

START_TEST(as1_it_is_handed_on_in_the_order_of_arrival)
{
	struct greenlet *tasks[4];

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	for (intptr_t i = 0; i < 4; i++)
		tasks[i] = parked(locks, (void *)i);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), tasks[0]);
	assert_fails(green_mutex_lock(&mutex, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	ck_assert_int_eq(served, 4);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(order[i], i);
		join(tasks[i]);
	}
	ck_assert_ptr_null(green_mutex_owner(&mutex));
}
END_TEST

static void *unlocks_what_is_not_its_own(void *unused)
{
	(void)unused;
	assert_fails(green_mutex_unlock(&mutex) == -1, EPERM);
	assert_fails(green_mutex_unlock(&again) == -1, EPERM);
	return NULL;
}

START_TEST(y7_y9_only_the_owner_unlocks)
{
	assert_fails(green_mutex_unlock(&mutex) == -1, EPERM);
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
	ck_assert_int_eq(green_mutex_lock(&again, 0), 0);
	join(green_spawn(unlocks_what_is_not_its_own, NULL));
	in_thread(unlocks_what_is_not_its_own, NULL);
	ck_assert_int_eq(green_mutex_unlock(&again), 0);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	assert_fails(green_mutex_unlock(&mutex) == -1, EPERM);
}
END_TEST

START_TEST(a_plain_one_is_not_locked_twice)
{
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	assert_fails(green_mutex_lock(&mutex, -1) == -1, EDEADLK);
	assert_fails(green_mutex_lock(&mutex, 0) == -1, EDEADLK);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}
END_TEST

static void *tries_again(void *unused)
{
	(void)unused;
	assert_fails(green_mutex_lock(&again, 0) == -1, ETIMEDOUT);
	return NULL;
}

START_TEST(y7_a_recursive_one_is_unlocked_as_often_as_it_was_locked)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_mutex_lock(&again, -1), 0);
	for (int i = 0; i < 3; i++) {
		join(green_spawn(tries_again, NULL));
		ck_assert_int_eq(green_mutex_unlock(&again), 0);
	}
	ck_assert_ptr_null(green_mutex_owner(&again));
	assert_fails(green_mutex_unlock(&again) == -1, EPERM);
}
END_TEST

START_TEST(y7_it_cannot_be_locked_oftener_than_is_counted)
{
	ck_assert_int_eq(green_mutex_lock(&again, -1), 0);
	again.depth = (unsigned)-1;
	assert_fails(green_mutex_lock(&again, -1) == -1, EAGAIN);
	again.depth = 1;
	ck_assert_int_eq(green_mutex_unlock(&again), 0);
}
END_TEST

START_TEST(ck13_killed_first_it_goes_to_the_next)
{
	struct greenlet *first, *second;

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	first = parked(locks, (void *)1);
	second = parked(locks, (void *)2);
	kill_soon(first);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), second);
	ck_assert_ptr_null(join(second));
	ck_assert_ptr_null(join(first));
	ck_assert_int_eq(served, 1);
}
END_TEST

START_TEST(ck13_woken_first_it_owns_it)
{
	struct greenlet *first, *second;

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	first = parked(locks, (void *)1);
	second = parked(locks, (void *)2);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	kill_soon(first);
	ck_assert_ptr_null(join(first));
	ck_assert_ptr_null(join(second));
	ck_assert_int_eq(served, 2);
	ck_assert_ptr_null(green_mutex_owner(&mutex));
}
END_TEST

static void *runs_out_of_time(void *unused)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	(void)unused;
	assert_fails(green_mutex_lock(&mutex, 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	start = clock_now();
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	assert_fails(green_mutex_lock(&mutex, -1) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	assert_took(start, 30);
	return NULL;
}

START_TEST(to6_who_runs_out_of_time_does_not_own_it)
{
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	join(green_spawn(runs_out_of_time, NULL));
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}
END_TEST

static void uses_it_in_the_loop(void)
{
	assert_fails(green_mutex_lock(&mutex, -1) == -1, EDEADLK);
	assert_fails(green_mutex_lock(&mutex, 0) == -1, ETIMEDOUT);
}

START_TEST(h3_ck6_a_callback_does_not_wait_for_it)
{
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	in_hub(uses_it_in_the_loop);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}
END_TEST

static void *locks_and_keeps(void *unused)
{
	(void)unused;
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	return NULL;
}

START_TEST(h2_its_owner_has_ended)
{
	join(green_spawn(locks_and_keeps, NULL));
	assert_fails(green_mutex_lock(&mutex, -1) == -1, EDEADLK);
}
END_TEST

/* --- other kernel threads --- */

enum { THREADS = 3, TASKS = 4, ROUNDS = 500 };

static long guarded, locked;

static void *adds(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		long before;

		if (green_mutex_lock(&mutex, i % 11 == 3 ? 1 : -1)) {
			ck_assert_int_eq(errno, ETIMEDOUT);
			continue;
		}
		before = guarded;
		if (i % 5 == 0)
			green_yield();
		guarded = before + 1;
		__atomic_add_fetch(&locked, 1, __ATOMIC_RELAXED);
		ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	}
	return NULL;
}

static void *adds_on_a_thread(void *unused)
{
	struct greenlet *tasks[TASKS];

	for (int i = 0; i < TASKS; i++)
		tasks[i] = green_spawn(adds, unused);
	for (int i = 0; i < TASKS; i++)
		join(tasks[i]);
	return NULL;
}

START_TEST(y5_it_guards_between_greenlets_of_several_threads)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, adds_on_a_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(guarded, locked);
	ck_assert_int_gt(locked, THREADS * TASKS * ROUNDS / 2);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("mutex", WITH_HUB);

	tcase_add_test(tcase, as1_it_is_handed_on_in_the_order_of_arrival);
	tcase_add_test(tcase, y7_y9_only_the_owner_unlocks);
	tcase_add_test(tcase, a_plain_one_is_not_locked_twice);
	tcase_add_test(tcase, y7_a_recursive_one_is_unlocked_as_often_as_it_was_locked);
	tcase_add_test(tcase, y7_it_cannot_be_locked_oftener_than_is_counted);
	tcase_add_test(tcase, ck13_killed_first_it_goes_to_the_next);
	tcase_add_test(tcase, ck13_woken_first_it_owns_it);
	tcase_add_test(tcase, to6_who_runs_out_of_time_does_not_own_it);
	tcase_add_test(tcase, h3_ck6_a_callback_does_not_wait_for_it);
	tcase_add_test(tcase, h2_its_owner_has_ended);
	tcase_add_test(tcase, y5_it_guards_between_greenlets_of_several_threads);
	return suite_end();
}
