/* SPDX-License-Identifier: MIT */
/* test_condition.c - wait until others say that something has changed */
#include "green.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_mutex mutex;
static struct green_mutex again = GREEN_RECURSIVE_MUTEX_INIT;
static struct green_condition condition = GREEN_CONDITION_INIT;
static int order[8], served;

static void *waits(void *number)
{
	int result;

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	result = green_condition_wait(&condition, &mutex, -1);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	if (result == 0)
		order[served++] = (int)(intptr_t)number;
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	return NULL;
}

START_TEST(who_waits_longest_is_told_first)
{
	struct greenlet *tasks[5];

	for (intptr_t i = 0; i < 5; i++)
		tasks[i] = parked(waits, (void *)i);
	ck_assert_ptr_null(green_mutex_owner(&mutex));
	ck_assert_uint_eq(green_condition_notify(&condition, 0), 0);
	ck_assert_uint_eq(green_condition_notify(&condition, 2), 2);
	join(tasks[0]);
	join(tasks[1]);
	ck_assert_int_eq(served, 2);
	ck_assert_uint_eq(green_condition_notify_all(&condition), 3);
	ck_assert_uint_eq(green_condition_notify_all(&condition), 0);
	for (int i = 2; i < 5; i++)
		join(tasks[i]);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(order[i], i);
}
END_TEST

START_TEST(it_must_own_the_mutex)
{
	assert_fails(green_condition_wait(&condition, &mutex, -1) == -1, EPERM);
	assert_fails(green_condition_wait(&condition, &mutex, 0) == -1, EPERM);
}
END_TEST

START_TEST(to6_the_mutex_is_its_own_again_when_the_time_is_over)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	assert_fails(green_condition_wait(&condition, &mutex, 0) == -1, ETIMEDOUT);
	assert_fails(green_condition_wait(&condition, &mutex, 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	assert_fails(green_condition_wait(&condition, &mutex, -1) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}
END_TEST

/*
 * main       task
 *            waits
 * locks
 * kills it   has to wait for the mutex
 * kills it   goes on waiting
 * unlocks    has it, and tells that it was killed
 */
START_TEST(as2_the_mutex_is_taken_back_however_often_it_is_killed)
{
	struct greenlet *task = parked(waits, NULL);

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	for (int i = 0; i < 3; i++) {
		kill_soon(task);
		green_sleep(1);
		ck_assert(!green_dead(task));
	}
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), task);
	join(task);
	ck_assert_int_eq(served, 0);
	ck_assert_ptr_null(green_mutex_owner(&mutex));
}
END_TEST

START_TEST(as2_ck13_the_notice_of_one_that_was_killed_first_goes_to_another)
{
	struct greenlet *first = parked(waits, (void *)1), *second = parked(waits, (void *)2);

	kill_soon(first);
	ck_assert_uint_eq(green_condition_notify(&condition, 1), 1);
	join(second);
	join(first);
	ck_assert_int_eq(served, 1);
	ck_assert_int_eq(order[0], 2);
}
END_TEST

START_TEST(ck13_told_first_it_has_the_notice)
{
	struct greenlet *first = parked(waits, (void *)1);

	ck_assert_uint_eq(green_condition_notify(&condition, 1), 1);
	kill_soon(first);
	join(first);
	ck_assert_int_eq(served, 1);
}
END_TEST

static void *waits_deep(void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_mutex_lock(&again, -1), 0);
	ck_assert_int_eq(green_condition_wait(&condition, &again, -1), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_mutex_unlock(&again), 0);
	assert_fails(green_mutex_unlock(&again) == -1, EPERM);
	return NULL;
}

START_TEST(y7_a_recursive_mutex_is_as_deep_as_before)
{
	struct greenlet *task = parked(waits_deep, NULL);

	ck_assert_int_eq(green_mutex_lock(&again, 0), 0);
	ck_assert_uint_eq(green_condition_notify_all(&condition), 1);
	green_yield();
	ck_assert_int_eq(green_mutex_unlock(&again), 0);
	join(task);
}
END_TEST

static void uses_it_in_the_loop(void)
{
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	assert_fails(green_condition_wait(&condition, &mutex, -1) == -1, EDEADLK);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	ck_assert_uint_eq(green_condition_notify(&condition, 1), 1);
}

START_TEST(h3_ck6_a_callback_may_notify_but_not_wait)
{
	struct greenlet *task = parked(waits, NULL);

	in_hub(uses_it_in_the_loop);
	join(task);
	ck_assert_int_eq(served, 1);
}
END_TEST

START_TEST(h2_nobody_will_notify)
{
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	assert_fails(green_condition_wait(&condition, &mutex, -1) == -1, EDEADLK);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), green_current());
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}
END_TEST

static void *sits_on_the_mutex(void *unused)
{
	(void)unused;
	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	ck_assert_uint_eq(green_condition_notify(&condition, 1), 1);
	/* Whose wait does not have to last is told first. */
	assert_fails(green_join(green_current(), NULL, -1) == -1, EDEADLK);
	assert_fails(green_semaphore_acquire(&(struct green_semaphore) GREEN_SEMAPHORE_INIT(0), -1) == -1, EDEADLK);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	return NULL;
}

START_TEST(h2_who_has_the_mutex_is_told_of_a_deadlock_before_who_takes_it_back)
{
	struct greenlet *task;

	ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
	task = green_spawn(sits_on_the_mutex, NULL);
	ck_assert_int_eq(green_condition_wait(&condition, &mutex, -1), 0);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	join(task);
}
END_TEST

/* --- other kernel threads: a buffer of one item --- */

enum { THREADS = 2, TASKS = 2, ITEMS = 1500 };

static struct green_condition filled, emptied;
static int buffer, made, used; /* guarded */
static long sum;

static void *produces(void *unused)
{
	(void)unused;
	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
		while (buffer)
			ck_assert_int_eq(green_condition_wait(&emptied, &mutex, -1), 0);
		buffer = ++made;
		green_condition_notify(&filled, 1);
		ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	}
	return NULL;
}

static void *consumes(void *unused)
{
	(void)unused;
	for (int i = 0; i < ITEMS; i++) {
		ck_assert_int_eq(green_mutex_lock(&mutex, -1), 0);
		while (!buffer) {
			if (green_condition_wait(&filled, &mutex, 1))
				ck_assert_int_eq(errno, ETIMEDOUT);
		}
		ck_assert_int_eq(buffer, ++used);
		sum += buffer;
		buffer = 0;
		green_condition_notify(&emptied, 1);
		ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	}
	return NULL;
}

static void *both_on_a_thread(void *unused)
{
	struct greenlet *tasks[2 * TASKS];

	for (int i = 0; i < 2 * TASKS; i++)
		tasks[i] = green_spawn(i % 2 ? consumes : produces, unused);
	for (int i = 0; i < 2 * TASKS; i++)
		join(tasks[i]);
	return NULL;
}

START_TEST(y5_producers_and_consumers_on_several_threads)
{
	long total = THREADS * TASKS * ITEMS;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, both_on_a_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(sum, total * (total + 1) / 2);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("condition", WITH_HUB);

	tcase_add_test(tcase, who_waits_longest_is_told_first);
	tcase_add_test(tcase, it_must_own_the_mutex);
	tcase_add_test(tcase, to6_the_mutex_is_its_own_again_when_the_time_is_over);
	tcase_add_test(tcase, as2_the_mutex_is_taken_back_however_often_it_is_killed);
	tcase_add_test(tcase, as2_ck13_the_notice_of_one_that_was_killed_first_goes_to_another);
	tcase_add_test(tcase, ck13_told_first_it_has_the_notice);
	tcase_add_test(tcase, y7_a_recursive_mutex_is_as_deep_as_before);
	tcase_add_test(tcase, h3_ck6_a_callback_may_notify_but_not_wait);
	tcase_add_test(tcase, h2_nobody_will_notify);
	tcase_add_test(tcase, h2_who_has_the_mutex_is_told_of_a_deadlock_before_who_takes_it_back);
	tcase_add_test(tcase, y5_producers_and_consumers_on_several_threads);
	return suite_end();
}
