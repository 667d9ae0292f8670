/* SPDX-License-Identifier: MIT */
/* test_combine.c - waiting for several futures, and for one as long as somebody wants it */
#include "green.h"
#include "support.h"

static int failures;
static char token;

static void *sleeps(void *ms)
{
	if (green_sleep((int)(intptr_t)ms) == -1)
		failures += errno == ECANCELED;
	return ms;
}

static void *fails_after(void *ms)
{
	green_sleep((int)(intptr_t)ms);
	if (!green_error(NULL))
		green_throw(green_current(), EIO, ms);
	return NULL;
}

static void *refuses(void *value)
{
	if (green_sleep(10000) == -1)
		green_error_clear();
	return value;
}

static struct green_future *later(intptr_t ms)
{
	return green_future_spawn(sleeps, (void *)ms);
}

static struct green_future *failing(intptr_t ms)
{
	return green_future_spawn(fails_after, (void *)ms);
}

static void over(struct green_future **futures, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		green_future_cancel(futures[i]);
		green_future_wait(futures[i], -1);
		green_future_error(futures[i], NULL);
		green_future_destroy(futures[i]);
	}
}

/* --- gather --- */

START_TEST(b1_values_come_in_the_order_of_the_futures)
{
	enum { COUNT = 20 };
	struct green_future *futures[COUNT];
	void *values[COUNT];

	for (int i = 0; i < COUNT; i++)
		futures[i] = later(1 + (i * 7) % COUNT);
	ck_assert_int_eq(green_gather(futures, COUNT, values, -1), 0);
	for (intptr_t i = 0; i < COUNT; i++)
		ck_assert_ptr_eq(values[i], (void *)(1 + (i * 7) % COUNT));
	ck_assert_int_eq(green_gather(futures, COUNT, NULL, 0), 0);
	ck_assert_int_eq(green_gather(NULL, 0, NULL, -1), 0);
	over(futures, COUNT);
}
END_TEST

START_TEST(b1_one_may_stand_there_twice)
{
	struct green_future *one = later(3), *futures[3] = { one, one, one };
	void *values[3];

	ck_assert_int_eq(green_gather(futures, 3, values, -1), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_eq(values[i], (void *)3);
	over(futures, 1);
}
END_TEST

START_TEST(b1_the_first_error_goes_out_at_once_and_others_go_on)
{
	struct green_future *futures[3] = { later(500), failing(300), failing(3) };
	int64_t start = clock_now();
	void *value, *values[3];

	assert_fails(green_gather(futures, 3, values, -1) == -1, EIO);
	assert_took(start, 3);
	ck_assert_int_eq(green_error(&value), EIO);
	ck_assert_ptr_eq(value, (void *)3);
	green_error_clear();
	ck_assert(!green_future_done(futures[0]));
	ck_assert_int_eq(green_future_get(futures[0], NULL, -1), 0);
	ck_assert_int_eq(failures, 0);
	/* It is the first still. */
	assert_fails(green_gather(futures, 3, values, 0) == -1, EIO);
	ck_assert_int_eq(green_error(&value), EIO);
	ck_assert_ptr_eq(value, (void *)3);
	green_error_clear();
	over(futures, 3);
}
END_TEST

START_TEST(b1_a_cancelled_one_counts_as_an_error)
{
	struct green_future *futures[2] = { later(10000), later(10000) };

	green_yield();
	green_future_cancel(futures[1]);
	assert_fails(green_gather(futures, 2, NULL, -1) == -1, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_CANCELLED);
	green_error_clear();
	ck_assert(!green_future_done(futures[0]));
	over(futures, 2);
}
END_TEST

static void *gathers(void *futures)
{
	assert_fails(green_gather(futures, 2, NULL, -1) == -1, ECANCELED);
	return NULL;
}

START_TEST(b1_who_is_cancelled_or_killed_cancels_all)
{
	for (int killed = 0; killed < 2; killed++) {
		struct green_future *futures[2] = { later(10000), later(10000) };
		struct greenlet *task = green_spawn(gathers, futures);

		green_sleep(2);
		if (killed)
			green_kill(task, 0);
		else
			green_cancel(task);
		green_join(task, NULL, -1);
		green_destroy(task);
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(green_future_wait(futures[i], -1), 0);
			ck_assert_int_eq(green_future_state(futures[i]), GREEN_GIVEN_UP);
		}
		over(futures, 2);
	}
	ck_assert_int_eq(failures, 4);
}
END_TEST

START_TEST(b1_a_time_that_passes_cancels_nothing)
{
	struct green_future *futures[2] = { later(400), later(1) };

	assert_fails(green_gather(futures, 2, NULL, 0) == -1, ETIMEDOUT);
	assert_fails(green_gather(futures, 2, NULL, 5) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_gather(futures, 2, NULL, -1), 0);
	ck_assert_int_eq(failures, 0);
	over(futures, 2);
}
END_TEST

/* --- wait --- */

/* In an order that no clock decides: each ends when it is let go. */
static struct green_event slow_may, bad_may;

static void *ends_when(void *event)
{
	failures += green_event_wait(event, -1) != 0;
	return event;
}

static void *fails_when(void *event)
{
	failures += green_event_wait(event, -1) != 0;
	green_throw(green_current(), EIO, event);
	return NULL;
}

static void let_go(void *event)
{
	green_event_set(event);
}

static void let_go_meanwhile(struct green_call *call, struct green_event *event)
{
	ck_assert_int_eq(green_call_later(call, 3, let_go, event), 0);
}

START_TEST(b1_a_scope_of_time_that_ends_cancels_nothing)
{
	struct green_future *futures[2] = { later(100), later(1) };
	struct green_timeout limit;

	ck_assert_int_eq(green_timeout_start(&limit, 5), 0);
	assert_fails(green_gather(futures, 2, NULL, -1) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_gather(futures, 2, NULL, -1), 0);
	ck_assert_int_eq(failures, 0);
	over(futures, 2);
}
END_TEST

START_TEST(b2_those_that_are_done_come_first_in_the_order_of_their_ends)
{
	struct green_future *futures[5], *before[5];
	static const int ends[] = { 3, 0, 4 };

	for (int i = 0; i < 5; i++)
		before[i] = futures[i] = green_future_create();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_future_set(before[ends[i]], NULL), 0);
	ck_assert_int_eq(green_wait_futures(futures, 5, GREEN_FIRST_DONE, -1), 3);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_eq(futures[i], before[ends[i]]);
	/* The others are still there, once each. */
	ck_assert(futures[3] == before[1] || futures[4] == before[1]);
	ck_assert(futures[3] == before[2] || futures[4] == before[2]);
	over(futures, 5);
}
END_TEST

START_TEST(b2_all_one_or_the_first_error)
{
	struct green_future *slow = green_future_spawn(ends_when, &slow_may), *bad = green_future_spawn(fails_when, &bad_may);
	struct green_future *fast = later(3), *futures[3] = { slow, bad, fast };
	struct green_call call;

	ck_assert_int_eq(green_wait_futures(futures, 3, GREEN_FIRST_DONE, -1), 1);
	ck_assert_ptr_eq(futures[0], fast);
	let_go_meanwhile(&call, &bad_may);
	ck_assert_int_eq(green_wait_futures(futures, 3, GREEN_FIRST_ERROR, -1), 2);
	ck_assert_ptr_eq(futures[0], fast);
	ck_assert_ptr_eq(futures[1], bad);
	ck_assert_int_eq(green_error(NULL), 0);
	let_go_meanwhile(&call, &slow_may);
	ck_assert_int_eq(green_wait_futures(futures, 3, GREEN_ALL_DONE, -1), 3);
	ck_assert_ptr_eq(futures[2], slow);
	ck_assert_int_eq(failures, 0);
	over(futures, 3);
}
END_TEST

START_TEST(b2_a_time_that_passes_is_no_error)
{
	struct green_future *futures[3] = { later(10000), later(1), later(10000) };

	ck_assert_int_eq(green_wait_futures(futures, 3, GREEN_ALL_DONE, 0), 0);
	ck_assert_int_eq(green_future_wait(futures[1], -1), 0);
	ck_assert_int_eq(green_wait_futures(futures, 3, GREEN_ALL_DONE, 20), 1);
	ck_assert_int_eq(failures, 0);
	assert_fails(green_wait_futures(futures, 0, GREEN_ALL_DONE, -1) == -1, EINVAL);
	over(futures, 3);
}
END_TEST

static void *waits_for_all(void *futures)
{
	assert_fails(green_wait_futures(futures, 2, GREEN_ALL_DONE, -1) == -1, ECANCELED);
	return NULL;
}

START_TEST(b2_cancelling_who_waits_leaves_them_alone)
{
	struct green_future *futures[2] = { green_future_spawn(ends_when, &slow_may), green_future_spawn(ends_when, &slow_may) };
	struct greenlet *task = parked(waits_for_all, futures);

	green_cancel(task);
	green_join(task, NULL, -1);
	green_destroy(task);
	green_event_set(&slow_may);
	ck_assert_int_eq(green_wait_futures(futures, 2, GREEN_ALL_DONE, -1), 2);
	ck_assert_int_eq(failures, 0);
	over(futures, 2);
}
END_TEST

/* --- as long as somebody wants it --- */

START_TEST(b3_a_value_in_time)
{
	struct green_future *future = later(3);
	void *value;

	ck_assert_int_eq(green_wait_for(future, &value, 5000), 0);
	ck_assert_ptr_eq(value, (void *)3);
	ck_assert_int_eq(green_wait_for(future, &value, 0), 0);
	over(&future, 1);
}
END_TEST

START_TEST(b3_too_late_it_is_cancelled_and_its_end_waited_for)
{
	for (int ms = 0; ms <= 5; ms += 5) {
		struct green_future *future = later(10000);

		green_yield();
		assert_fails(green_wait_for(future, NULL, ms) == -1, ETIMEDOUT);
		ck_assert_int_eq(green_future_state(future), GREEN_GIVEN_UP);
		ck_assert_int_eq(green_error(NULL), 0);
		over(&future, 1);
	}
	ck_assert_int_eq(failures, 2);
}
END_TEST

START_TEST(b3_a_value_that_it_has_nevertheless_wins)
{
	struct green_future *future = green_future_spawn(refuses, &token);
	void *value = NULL;

	ck_assert_int_eq(green_wait_for(future, &value, 5), 0);
	ck_assert_ptr_eq(value, &token);
	over(&future, 1);
}
END_TEST

static void *wants(void *future)
{
	assert_fails(green_wait_for(future, NULL, -1) == -1, ECANCELED);
	return NULL;
}

START_TEST(b3_who_is_killed_or_cancelled_cancels_it)
{
	for (int killed = 0; killed < 2; killed++) {
		struct green_future *future = later(10000);
		struct greenlet *task = green_spawn(wants, future);

		green_sleep(2);
		if (killed)
			green_kill(task, 0);
		else
			green_cancel(task);
		green_join(task, NULL, -1);
		ck_assert_int_eq(green_failure(task, NULL), killed ? 0 : GREEN_CANCELLED);
		green_destroy(task);
		ck_assert_int_eq(green_future_state(future), GREEN_GIVEN_UP);
		over(&future, 1);
	}
}
END_TEST

static void *wants_what_refuses(void *future)
{
	void *value = NULL;

	ck_assert_int_eq(green_wait_for(future, &value, -1), 0);
	ck_assert_ptr_eq(value, &token);
	/* The kill is not lost. */
	assert_fails(green_sleep(1) == -1, EPIPE);
	green_error_clear();
	return NULL;
}

START_TEST(b3_a_value_and_an_error_are_both_told)
{
	struct green_future *future = green_future_spawn(refuses, &token);
	struct greenlet *task = green_spawn(wants_what_refuses, future);

	green_sleep(2);
	ck_assert_int_eq(green_kill_with(task, EPIPE, NULL, -1), 0);
	green_destroy(task);
	over(&future, 1);
}
END_TEST

START_TEST(b3_its_error_is_the_callers)
{
	struct green_future *future = failing(2);

	assert_fails(green_wait_for(future, NULL, -1) == -1, EIO);
	ck_assert_int_eq(green_error(NULL), EIO);
	green_error_clear();
	over(&future, 1);
}
END_TEST

START_TEST(b3_a_shield_keeps_the_inner_from_it)
{
	struct green_future *inner = later(400), *shield = green_shield(inner);

	assert_fails(green_wait_for(shield, NULL, 3) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_future_get(inner, NULL, -1), 0);
	ck_assert_int_eq(failures, 0);
	green_future_destroy(shield);
	over(&inner, 1);
}
END_TEST

/* --- one by one --- */

START_TEST(b7_in_the_order_in_which_they_are_done)
{
	enum { COUNT = 12 };
	struct green_future *futures[COUNT], *all[COUNT];
	intptr_t last = 0;
	size_t place;

	for (int i = 0; i < COUNT; i++)
		all[i] = futures[i] = later(1 + 40 * ((i * 5) % COUNT));
	for (int i = 0; i < COUNT; i++) {
		struct green_future *next = green_next_done(futures, COUNT, &place, -1);
		void *value;

		ck_assert_ptr_eq(next, all[place]);
		ck_assert_ptr_null(futures[place]);
		ck_assert_int_eq(green_future_get(next, &value, 0), 0);
		ck_assert_int_gt((intptr_t)value, last);
		last = (intptr_t)value;
	}
	assert_fails(!green_next_done(futures, COUNT, &place, -1), EINVAL);
	over(all, COUNT);
}
END_TEST

START_TEST(b7_a_time_that_passes)
{
	struct green_future *futures[2] = { later(10000), NULL }, *all[1] = { futures[0] };

	assert_fails(!green_next_done(futures, 2, NULL, 0), ETIMEDOUT);
	assert_fails(!green_next_done(futures, 2, NULL, 3), ETIMEDOUT);
	ck_assert_ptr_eq(futures[0], all[0]);
	over(all, 1);
}
END_TEST

START_TEST(h2_several_that_nobody_can_decide)
{
	struct green_future *futures[2] = { green_future_create(), green_future_create() };

	assert_fails(green_gather(futures, 2, NULL, -1) == -1, EDEADLK);
	assert_fails(green_wait_futures(futures, 2, GREEN_FIRST_DONE, -1) == -1, EDEADLK);
	over(futures, 2);
}
END_TEST

static void *decides(void *futures)
{
	for (int i = 0; i < 40; i++)
		green_future_set(((struct green_future **)futures)[i], &token);
	return NULL;
}

START_TEST(cu5_other_kernel_threads_decide_meanwhile)
{
	for (int round = 0; round < 30; round++) {
		struct green_future *futures[40];
		void *values[40] = { NULL };
		pthread_t thread;

		for (int i = 0; i < 40; i++)
			futures[i] = green_future_create();
		pthread_create(&thread, NULL, decides, futures);
		if (round % 2)
			ck_assert_int_eq(green_wait_futures(futures, 40, GREEN_FIRST_DONE, -1) >= 1, 1);
		else
			ck_assert_int_eq(green_gather(futures, 40, values, -1), 0);
		pthread_join(thread, NULL);
		ck_assert_int_eq(green_gather(futures, 40, values, 0), 0);
		ck_assert_ptr_eq(values[39], &token);
		over(futures, 40);
	}
}
END_TEST

static void add_several(TCase *tcase)
{
	tcase_add_test(tcase, b1_values_come_in_the_order_of_the_futures);
	tcase_add_test(tcase, b1_one_may_stand_there_twice);
	tcase_add_test(tcase, b1_the_first_error_goes_out_at_once_and_others_go_on);
	tcase_add_test(tcase, b1_a_cancelled_one_counts_as_an_error);
	tcase_add_test(tcase, b1_who_is_cancelled_or_killed_cancels_all);
	tcase_add_test(tcase, b1_a_time_that_passes_cancels_nothing);
	tcase_add_test(tcase, b1_a_scope_of_time_that_ends_cancels_nothing);
	tcase_add_test(tcase, b2_those_that_are_done_come_first_in_the_order_of_their_ends);
	tcase_add_test(tcase, b2_all_one_or_the_first_error);
	tcase_add_test(tcase, b2_a_time_that_passes_is_no_error);
	tcase_add_test(tcase, b2_cancelling_who_waits_leaves_them_alone);
	tcase_add_test(tcase, b7_in_the_order_in_which_they_are_done);
	tcase_add_test(tcase, b7_a_time_that_passes);
	tcase_add_test(tcase, h2_several_that_nobody_can_decide);
	tcase_add_test(tcase, cu5_other_kernel_threads_decide_meanwhile);
}

static void add_wait_for(TCase *tcase)
{
	tcase_add_test(tcase, b3_a_value_in_time);
	tcase_add_test(tcase, b3_too_late_it_is_cancelled_and_its_end_waited_for);
	tcase_add_test(tcase, b3_a_value_that_it_has_nevertheless_wins);
	tcase_add_test(tcase, b3_who_is_killed_or_cancelled_cancels_it);
	tcase_add_test(tcase, b3_a_value_and_an_error_are_both_told);
	tcase_add_test(tcase, b3_its_error_is_the_callers);
	tcase_add_test(tcase, b3_a_shield_keeps_the_inner_from_it);
}

int main(void)
{
	TCase *tcase = suite_begin("combine", WITH_HUB);

	add_several(tcase);
	add_wait_for(tcase);
	return suite_end();
}
