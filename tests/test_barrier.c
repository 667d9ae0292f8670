/* SPDX-License-Identifier: MIT */
/* test_barrier.c - nobody goes on before so many have come */
#include "green.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_barrier three = GREEN_BARRIER_INIT(3);
static int place[8], error[8];

static void *comes(void *number)
{
	int i = (int)(intptr_t)number;

	errno = 0;
	place[i] = green_barrier_wait(&three, -1);
	error[i] = errno;
	return NULL;
}

START_TEST(as3_all_go_on_together_round_after_round)
{
	for (int round = 0; round < 3; round++) {
		struct greenlet *tasks[2] = { parked(comes, (void *)0), parked(comes, (void *)1) };

		ck_assert(!green_dead(tasks[0]));
		ck_assert_int_eq(green_barrier_wait(&three, 0), 2);
		for (int i = 0; i < 2; i++) {
			join(tasks[i]);
			ck_assert_int_eq(place[i], i);
		}
	}
}
END_TEST

START_TEST(as3_one_that_fails_breaks_it_for_all)
{
	struct greenlet *first = parked(comes, (void *)0), *second = parked(comes, (void *)1);

	kill_soon(first);
	join(first);
	join(second);
	ck_assert_int_eq(error[0], ECANCELED);
	ck_assert_int_eq(error[1], ENOTRECOVERABLE);
	assert_fails(green_barrier_wait(&three, -1) == -1, ENOTRECOVERABLE);
	green_barrier_reset(&three);
	first = parked(comes, (void *)0);
	second = parked(comes, (void *)1);
	ck_assert_int_eq(green_barrier_wait(&three, -1), 2);
	join(first);
	join(second);
}
END_TEST

START_TEST(as3_one_that_runs_out_of_time_breaks_it_but_a_test_does_not)
{
	struct greenlet *first;
	int64_t start = clock_now();

	assert_fails(green_barrier_wait(&three, 0) == -1, ETIMEDOUT);
	first = parked(comes, (void *)0);
	assert_fails(green_barrier_wait(&three, 0) == -1, ETIMEDOUT);
	assert_fails(green_barrier_wait(&three, 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	join(first);
	ck_assert_int_eq(error[0], ENOTRECOVERABLE);
}
END_TEST

START_TEST(as3_break_and_reset)
{
	struct greenlet *first = parked(comes, (void *)0);

	green_barrier_break(&three);
	join(first);
	ck_assert_int_eq(error[0], ENOTRECOVERABLE);
	assert_fails(green_barrier_wait(&three, 0) == -1, ENOTRECOVERABLE);
	green_barrier_reset(&three);
	first = parked(comes, (void *)0);
	green_barrier_reset(&three);
	join(first);
	ck_assert_int_eq(error[0], ENOTRECOVERABLE);
	assert_fails(green_barrier_wait(&three, 0) == -1, ETIMEDOUT);
}
END_TEST

/* The round is over before the one that was killed runs again, so that one breaks nothing. */
START_TEST(ck13_killed_when_all_come_it_does_not_break_the_next_round)
{
	struct greenlet *first = parked(comes, (void *)0), *second = parked(comes, (void *)1);

	kill_soon(first);
	ck_assert_int_eq(green_barrier_wait(&three, -1), 2);
	join(second);
	join(first);
	ck_assert_int_eq(error[0], ECANCELED);
	ck_assert_int_eq(place[1], 1);
	ck_assert(!three.broken);
	ck_assert_uint_eq(three.arrived, 0);
}
END_TEST

START_TEST(ck13_woken_first_it_has_passed)
{
	struct greenlet *first = parked(comes, (void *)0), *second = parked(comes, (void *)1);

	ck_assert_int_eq(green_barrier_wait(&three, -1), 2);
	kill_soon(first);
	join(first);
	join(second);
	ck_assert_int_eq(place[0], 0);
}
END_TEST

START_TEST(one_party_never_waits_and_none_is_an_error)
{
	struct green_barrier one = GREEN_BARRIER_INIT(1), none = GREEN_BARRIER_INIT(0);

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_barrier_wait(&one, -1), 0);
	assert_fails(green_barrier_wait(&none, -1) == -1, EINVAL);
}
END_TEST

static void comes_in_the_loop(void)
{
	assert_fails(green_barrier_wait(&three, -1) == -1, EDEADLK);
}

static void comes_last_in_the_loop(void)
{
	ck_assert_int_eq(green_barrier_wait(&three, -1), 2);
}

START_TEST(h3_ck6_a_callback_may_come_last_but_not_wait)
{
	struct greenlet *first = parked(comes, (void *)0), *second;

	in_hub(comes_in_the_loop);
	second = parked(comes, (void *)1);
	in_hub(comes_last_in_the_loop);
	join(first);
	join(second);
}
END_TEST

START_TEST(h2_the_others_will_not_come)
{
	assert_fails(green_barrier_wait(&three, -1) == -1, EDEADLK);
	ck_assert(three.broken);
}
END_TEST

static void comes_in_a_child(void)
{
	/* Those who had come to the parent's do not count here. */
	if (green_barrier_wait(&three, 0) != -1 || errno != ETIMEDOUT)
		_exit(1);
}

START_TEST(h15_in_a_child_nobody_has_come)
{
	struct greenlet *first = parked(comes, (void *)0), *second = parked(comes, (void *)1);

	ck_assert_int_eq(in_child(comes_in_a_child, NULL, 0), 0);
	ck_assert_int_eq(green_barrier_wait(&three, -1), 2);
	join(first);
	join(second);
}
END_TEST

/* --- other kernel threads --- */

enum { THREADS = 3, TASKS = 2, ROUNDS = 300, PARTIES = THREADS * TASKS };

static struct green_barrier barrier = GREEN_BARRIER_INIT(PARTIES);
static int arrived, firsts; /* atomic */

static void *goes_round(void *unused)
{
	(void)unused;
	for (int round = 1; round <= ROUNDS; round++) {
		int got;

		__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
		got = green_barrier_wait(&barrier, -1);
		ck_assert_int_ge(got, 0);
		ck_assert_int_lt(got, PARTIES);
		ck_assert_int_ge(__atomic_load_n(&arrived, __ATOMIC_SEQ_CST), round * PARTIES);
		if (got == 0)
			__atomic_add_fetch(&firsts, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void *on_a_thread(void *unused)
{
	struct greenlet *tasks[TASKS];

	for (int i = 0; i < TASKS; i++)
		tasks[i] = green_spawn(goes_round, unused);
	for (int i = 0; i < TASKS; i++)
		join(tasks[i]);
	return NULL;
}

START_TEST(y5_greenlets_of_several_threads_meet)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, on_a_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(firsts, ROUNDS);
	ck_assert_int_eq(arrived, ROUNDS * PARTIES);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("barrier", WITH_HUB);

	tcase_add_test(tcase, as3_all_go_on_together_round_after_round);
	tcase_add_test(tcase, as3_one_that_fails_breaks_it_for_all);
	tcase_add_test(tcase, as3_one_that_runs_out_of_time_breaks_it_but_a_test_does_not);
	tcase_add_test(tcase, as3_break_and_reset);
	tcase_add_test(tcase, ck13_killed_when_all_come_it_does_not_break_the_next_round);
	tcase_add_test(tcase, ck13_woken_first_it_has_passed);
	tcase_add_test(tcase, one_party_never_waits_and_none_is_an_error);
	tcase_add_test(tcase, h3_ck6_a_callback_may_come_last_but_not_wait);
	tcase_add_test(tcase, h2_the_others_will_not_come);
	tcase_add_test(tcase, h15_in_a_child_nobody_has_come);
	tcase_add_test(tcase, y5_greenlets_of_several_threads_meet);
	return suite_end();
}
