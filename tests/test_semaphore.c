/* SPDX-License-Identifier: MIT */
/* test_semaphore.c - so many at a time */
#include "green.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_semaphore one = GREEN_SEMAPHORE_INIT(1);
static struct green_semaphore none;
static int order[8], served;

static void *takes(void *number)
{
	if (green_semaphore_acquire(&none, -1))
		return "failed";
	order[served++] = (int)(intptr_t)number;
	return NULL;
}

START_TEST(y4_it_counts)
{
	ck_assert_uint_eq(green_semaphore_count(&one), 1);
	ck_assert_int_eq(green_semaphore_acquire(&one, -1), 0);
	ck_assert_uint_eq(green_semaphore_count(&one), 0);
	assert_fails(green_semaphore_acquire(&one, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_semaphore_release(&one), 0);
	ck_assert_int_eq(green_semaphore_release(&one), 0);
	ck_assert_uint_eq(green_semaphore_count(&one), 2);
}
END_TEST

START_TEST(y4_as3_units_go_to_who_waits_longest_and_nobody_overtakes)
{
	struct greenlet *tasks[3];

	for (intptr_t i = 0; i < 3; i++)
		tasks[i] = parked(takes, (void *)i);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(green_semaphore_release(&none), 0);
		ck_assert_uint_eq(green_semaphore_count(&none), 0);
		assert_fails(green_semaphore_acquire(&none, 0) == -1, ETIMEDOUT);
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_null(join(tasks[i]));
		ck_assert_int_eq(order[i], i);
	}
}
END_TEST

START_TEST(ck13_killed_first_the_unit_goes_to_the_next)
{
	struct greenlet *first = parked(takes, (void *)1), *second = parked(takes, (void *)2);

	kill_soon(first);
	ck_assert_int_eq(green_semaphore_release(&none), 0);
	ck_assert_ptr_null(join(second));
	ck_assert_ptr_null(join(first));
	ck_assert_int_eq(served, 1);
	ck_assert_int_eq(order[0], 2);
}
END_TEST

static void *takes_and_gives_back(void *unused)
{
	(void)unused;
	ck_assert_int_eq(green_semaphore_acquire(&none, -1), 0);
	assert_fails(green_sleep(1) == -1, ECANCELED);
	ck_assert_int_eq(green_semaphore_release(&none), 0);
	served++;
	return NULL;
}

START_TEST(ck13_woken_first_it_has_the_unit_and_its_next_call_fails)
{
	struct greenlet *task = parked(takes_and_gives_back, NULL);

	ck_assert_int_eq(green_semaphore_release(&none), 0);
	kill_soon(task);
	join(task);
	ck_assert_int_eq(served, 1);
	ck_assert_uint_eq(green_semaphore_count(&none), 1);
}
END_TEST

START_TEST(u19_a_time_limit_takes_no_unit)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	assert_fails(green_semaphore_acquire(&none, 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	start = clock_now();
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	assert_fails(green_semaphore_acquire(&none, -1) == -1, ETIMEDOUT);
	assert_took(start, 30);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_semaphore_release(&none), 0);
	ck_assert_uint_eq(green_semaphore_count(&none), 1);
}
END_TEST

START_TEST(y6_a_bounded_one_never_has_more_than_at_first)
{
	struct green_semaphore two = GREEN_BOUNDED_SEMAPHORE_INIT(2);

	assert_fails(green_semaphore_release(&two) == -1, EOVERFLOW);
	ck_assert_int_eq(green_semaphore_acquire(&two, 0), 0);
	ck_assert_int_eq(green_semaphore_acquire(&two, 0), 0);
	ck_assert_int_eq(green_semaphore_release(&two), 0);
	ck_assert_int_eq(green_semaphore_release(&two), 0);
	assert_fails(green_semaphore_release(&two) == -1, EOVERFLOW);
	ck_assert_uint_eq(green_semaphore_count(&two), 2);
}
END_TEST

START_TEST(y8_an_unlimited_one_never_blocks)
{
	struct green_semaphore any = GREEN_SEMAPHORE_INIT(GREEN_UNLIMITED);

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(green_semaphore_acquire(&any, 0), 0);
	ck_assert_int_eq(green_semaphore_release(&any), 0);
	ck_assert_uint_eq(green_semaphore_count(&any), GREEN_UNLIMITED);
}
END_TEST

START_TEST(the_count_cannot_overflow)
{
	struct green_semaphore many = GREEN_SEMAPHORE_INIT(GREEN_UNLIMITED - 1);

	assert_fails(green_semaphore_release(&many) == -1, EOVERFLOW);
	ck_assert_uint_eq(green_semaphore_count(&many), GREEN_UNLIMITED - 1);
}
END_TEST

static void *looks(void *number)
{
	ck_assert_int_eq(green_semaphore_wait(&none, -1), 0);
	order[served++] = (int)(intptr_t)number;
	return NULL;
}

START_TEST(y4_who_only_waits_takes_nothing)
{
	struct greenlet *tasks[4] = {
		parked(looks, (void *)0), parked(takes, (void *)1), parked(looks, (void *)2), parked(looks, (void *)3),
	};

	assert_fails(green_semaphore_wait(&none, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_semaphore_release(&none), 0);
	ck_assert_uint_eq(green_semaphore_count(&none), 0);
	join(tasks[0]);
	join(tasks[1]);
	ck_assert_int_eq(served, 2);
	ck_assert_int_eq(green_semaphore_release(&none), 0);
	join(tasks[2]);
	join(tasks[3]);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(order[i], i);
	ck_assert_uint_eq(green_semaphore_count(&none), 1);
	ck_assert_int_eq(green_semaphore_wait(&none, -1), 0);
	ck_assert_uint_eq(green_semaphore_count(&none), 1);
}
END_TEST

static void uses_it_in_the_loop(void)
{
	assert_fails(green_semaphore_acquire(&none, -1) == -1, EDEADLK);
	assert_fails(green_semaphore_wait(&none, -1) == -1, EDEADLK);
	assert_fails(green_semaphore_acquire(&none, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_semaphore_release(&none), 0);
}

START_TEST(h3_ck6_a_callback_may_release_but_not_wait)
{
	struct greenlet *task = parked(takes, NULL);

	in_hub(uses_it_in_the_loop);
	ck_assert_ptr_null(join(task));
}
END_TEST

START_TEST(h2_nobody_will_release_it)
{
	assert_fails(green_semaphore_acquire(&none, -1) == -1, EDEADLK);
}
END_TEST

/* --- other kernel threads --- */

enum { THREADS = 3, TASKS = 4, ROUNDS = 400, UNITS = 2 };

static struct green_semaphore units = GREEN_BOUNDED_SEMAPHORE_INIT(UNITS);
static int inside, entered; /* atomic */

static void *duels(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		if (green_semaphore_acquire(&units, i % 7 == 3 ? 1 : -1)) {
			ck_assert_int_eq(errno, ETIMEDOUT);
			continue;
		}
		ck_assert_int_le(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST), UNITS);
		__atomic_add_fetch(&entered, 1, __ATOMIC_SEQ_CST);
		if (i % 5 == 0)
			green_yield();
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		ck_assert_int_eq(green_semaphore_release(&units), 0);
	}
	return NULL;
}

static void *duels_on_a_thread(void *unused)
{
	struct greenlet *tasks[TASKS];

	for (int i = 0; i < TASKS; i++)
		tasks[i] = green_spawn(duels, unused);
	for (int i = 0; i < TASKS; i++)
		join(tasks[i]);
	return NULL;
}

START_TEST(y5_greenlets_of_several_threads_share_its_units)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, duels_on_a_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(green_semaphore_count(&units), UNITS);
	ck_assert_int_gt(entered, THREADS * TASKS * ROUNDS / 2);
}
END_TEST

static void *releases_later(void *unused)
{
	(void)unused;
	usleep(50000);
	green_semaphore_release(&none);
	ck_assert_ptr_null(green__current);
	return NULL;
}

START_TEST(y5_acquired_in_one_thread_and_released_in_another)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, releases_later, NULL), 0);
	ck_assert_int_eq(green_semaphore_acquire(&none, -1), 0);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("semaphore", WITH_HUB);

	tcase_add_test(tcase, y4_it_counts);
	tcase_add_test(tcase, y4_as3_units_go_to_who_waits_longest_and_nobody_overtakes);
	tcase_add_test(tcase, ck13_killed_first_the_unit_goes_to_the_next);
	tcase_add_test(tcase, ck13_woken_first_it_has_the_unit_and_its_next_call_fails);
	tcase_add_test(tcase, u19_a_time_limit_takes_no_unit);
	tcase_add_test(tcase, y6_a_bounded_one_never_has_more_than_at_first);
	tcase_add_test(tcase, y8_an_unlimited_one_never_blocks);
	tcase_add_test(tcase, the_count_cannot_overflow);
	tcase_add_test(tcase, y4_who_only_waits_takes_nothing);
	tcase_add_test(tcase, h3_ck6_a_callback_may_release_but_not_wait);
	tcase_add_test(tcase, h2_nobody_will_release_it);
	tcase_add_test(tcase, y5_greenlets_of_several_threads_share_its_units);
	tcase_add_test(tcase, y5_acquired_in_one_thread_and_released_in_another);
	return suite_end();
}
