/* SPDX-License-Identifier: MIT */
/* test_nursery.c - a stretch of code that does not end before the tasks it has started */
#include "green.h"
#include "hub/hub.h"
#include "support.h"

static int calls, cancelled;
static char token;

static void *sleeps(void *ms)
{
	if (green_sleep((int)(intptr_t)ms) == -1)
		cancelled += errno == ECANCELED && green_error(NULL) == GREEN_CANCELLED;
	else
		calls++;
	return NULL;
}

static void *fails(void *ms)
{
	green_sleep((int)(intptr_t)ms);
	if (!green_error(NULL))
		green_throw(green_current(), EIO, &token);
	return NULL;
}

static void spawned(struct green_nursery *nursery, void *(*function)(void *), intptr_t ms)
{
	ck_assert_int_eq(green_nursery_spawn(nursery, function, (void *)ms), 0);
}

START_TEST(b5_closing_waits_for_all)
{
	struct green_nursery nursery;
	int64_t start = clock_now();

	ck_assert_int_eq(green_nursery_open(&nursery), 0);
	for (int i = 1; i <= 5; i++)
		spawned(&nursery, sleeps, 2 * i);
	ck_assert_int_eq(green_nursery_close(&nursery), 0);
	assert_took(start, 10);
	ck_assert_int_eq(calls, 5);
	ck_assert_uint_eq(green_nursery_failures(&nursery, NULL, 0), 0);
	assert_fails(green_nursery_spawn(&nursery, sleeps, NULL) == -1, ESHUTDOWN);
}
END_TEST

START_TEST(b5_an_empty_one)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	ck_assert_int_eq(green_nursery_close(&nursery), 0);
	assert_fails(green_nursery_spawn(&nursery, NULL, NULL) == -1, ESHUTDOWN);
	green_nursery_open(&nursery);
	assert_fails(green_nursery_spawn(&nursery, NULL, NULL) == -1, EINVAL);
	ck_assert_int_eq(green_nursery_close(&nursery), 0);
}
END_TEST

START_TEST(b5_the_first_that_fails_cancels_the_others)
{
	struct green_nursery nursery;
	void *value;
	int codes[3] = { 0 };

	green_nursery_open(&nursery);
	spawned(&nursery, sleeps, 10000);
	spawned(&nursery, fails, 2);
	spawned(&nursery, sleeps, 10000);
	assert_fails(green_nursery_close(&nursery) == -1, EIO);
	ck_assert_int_eq(green_error(&value), EIO);
	ck_assert_ptr_eq(value, &token);
	green_error_clear();
	ck_assert_int_eq(cancelled, 2);
	ck_assert_uint_eq(green_nursery_failures(&nursery, codes, 3), 1);
	ck_assert_int_eq(codes[0], EIO);
	ck_assert_uint_eq(green_cancelling(green_current()), 0);
	ck_assert_int_eq(green_sleep(1), 0);
}
END_TEST

START_TEST(b5_the_body_is_cancelled_too)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	spawned(&nursery, fails, 2);
	assert_fails(green_sleep(10000) == -1, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_CANCELLED);
	ck_assert_uint_eq(green_cancelling(green_current()), 1);
	assert_fails(green_nursery_spawn(&nursery, sleeps, NULL) == -1, ESHUTDOWN);
	/* Its own request is undone. */
	assert_fails(green_nursery_close(&nursery) == -1, EIO);
	ck_assert_uint_eq(green_cancelling(green_current()), 0);
	green_error_clear();
	ck_assert_int_eq(green_sleep(1), 0);
}
END_TEST

static void *opens(void *unused)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	spawned(&nursery, sleeps, 10000);
	spawned(&nursery, sleeps, 10000);
	assert_fails(green_nursery_close(&nursery) == -1, ECANCELED);
	ck_assert_uint_eq(green_nursery_failures(&nursery, NULL, 0), 0);
	calls = 77;
	return unused;
}

START_TEST(b5_who_is_cancelled_or_killed_while_closing_cancels_them)
{
	for (int killed = 0; killed < 2; killed++) {
		struct greenlet *task = green_spawn(opens, NULL);

		cancelled = 0;
		green_sleep(2);
		if (killed)
			green_kill(task, 0);
		else
			green_cancel(task);
		ck_assert_int_eq(green_join(task, NULL, -1), 0);
		ck_assert_int_eq(green_failure(task, NULL), killed ? 0 : GREEN_CANCELLED);
		ck_assert_int_eq(calls, 77);
		ck_assert_int_eq(cancelled, 2);
		green_destroy(task);
	}
}
END_TEST

static void *opens_and_is_cancelled(void *unused)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	spawned(&nursery, fails, 400);
	/* A request from outside, and then one by the nursery: only that is undone. */
	assert_fails(green_sleep(10000) == -1, ECANCELED);
	ck_assert_int_eq(green_nursery_close(&nursery), -1);
	ck_assert_int_eq(errno, ECANCELED);
	ck_assert_uint_eq(green_cancelling(green_current()), 1);
	return unused;
}

START_TEST(ck15_an_outer_request_is_kept)
{
	struct greenlet *task = green_spawn(opens_and_is_cancelled, NULL);

	green_sleep(1);
	green_cancel(task);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_failure(task, NULL), GREEN_CANCELLED);
	green_destroy(task);
}
END_TEST

static void *both_requests(void *unused)
{
	struct green_nursery nursery;
	int codes[1] = { 0 };

	green_nursery_open(&nursery);
	spawned(&nursery, fails, 0);
	green_hold_errors();
	green_sleep(300);
	green_release_errors();
	ck_assert_uint_eq(green_cancelling(green_current()), 2);
	assert_fails(green_nursery_close(&nursery) == -1, ECANCELED);
	ck_assert_uint_eq(green_cancelling(green_current()), 1);
	/* What failed is told nevertheless. */
	ck_assert_uint_eq(green_nursery_failures(&nursery, codes, 1), 1);
	ck_assert_int_eq(codes[0], EIO);
	return unused;
}

START_TEST(ck15_both_requests_are_counted)
{
	struct greenlet *task = green_spawn(both_requests, NULL);

	green_sleep(3);
	green_cancel(task);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_failure(task, NULL), GREEN_CANCELLED);
	green_destroy(task);
}
END_TEST

START_TEST(b5_an_error_of_the_body_cancels_them_and_stays)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	spawned(&nursery, sleeps, 10000);
	green_yield();
	green_throw(green_current(), ENOENT, NULL);
	assert_fails(green_nursery_close(&nursery) == -1, ENOENT);
	ck_assert_int_eq(green_error(NULL), ENOENT);
	ck_assert_int_eq(cancelled, 1);
	green_error_clear();
}
END_TEST

static struct green_nursery *shared;

static void *spawns_more(void *depth)
{
	intptr_t left = (intptr_t)depth;

	green_sleep(1);
	calls++;
	for (int i = 0; left && i < 2; i++)
		ck_assert_int_eq(green_nursery_spawn(shared, spawns_more, (void *)(left - 1)), 0);
	return NULL;
}

START_TEST(b5_tasks_may_add_tasks_until_it_is_empty)
{
	struct green_nursery nursery;

	shared = &nursery;
	green_nursery_open(&nursery);
	spawned(&nursery, spawns_more, 4);
	ck_assert_int_eq(green_nursery_close(&nursery), 0);
	ck_assert_int_eq(calls, 31);
}
END_TEST

static void *gives_itself_up(void *unused)
{
	ck_assert(green_cancel(green_current()));
	return unused;
}

START_TEST(b5_one_that_is_merely_cancelled_is_no_failure)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	spawned(&nursery, sleeps, 5);
	spawned(&nursery, gives_itself_up, 0);
	ck_assert_int_eq(green_nursery_close(&nursery), 0);
	ck_assert_int_eq(calls, 1);
}
END_TEST

static void *fails_in_clean_up(void *code)
{
	green_sleep(10000);
	green_error_clear();
	green_throw(green_current(), (int)(intptr_t)code, NULL);
	return NULL;
}

START_TEST(b5_all_failures_are_told)
{
	struct green_nursery nursery;
	int codes[12] = { 0 };

	green_nursery_open(&nursery);
	for (int i = 0; i < 11; i++)
		spawned(&nursery, fails_in_clean_up, EPERM + i);
	spawned(&nursery, fails, 2);
	assert_fails(green_nursery_close(&nursery) == -1, EIO);
	green_error_clear();
	ck_assert_uint_eq(green_nursery_failures(&nursery, codes, 12), 12);
	ck_assert_int_eq(codes[0], EIO);
	for (int i = 1; i < 8; i++)
		ck_assert_int_eq(codes[i], EPERM + i - 1);
}
END_TEST

static void *inner(void *unused)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	spawned(&nursery, sleeps, 10000);
	assert_fails(green_nursery_close(&nursery) == -1, ECANCELED);
	return unused;
}

START_TEST(ck15_they_nest)
{
	struct green_nursery nursery;
	unsigned living = green__hub()->flow->living;

	green_nursery_open(&nursery);
	spawned(&nursery, inner, 0);
	spawned(&nursery, fails, 3);
	assert_fails(green_nursery_close(&nursery) == -1, EIO);
	green_error_clear();
	ck_assert_int_eq(cancelled, 1);
	ck_assert_uint_eq(green__hub()->flow->living, living);
}
END_TEST

START_TEST(b4_a_limit_around_it_is_told_apart)
{
	struct green_nursery nursery;
	struct green_timeout limit;

	green_timeout_start(&limit, 5);
	green_nursery_open(&nursery);
	spawned(&nursery, sleeps, 10000);
	assert_fails(green_nursery_close(&nursery) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_int_eq(cancelled, 1);
}
END_TEST

static void *closes_of_others(void *nursery)
{
	assert_fails(green_nursery_close(nursery) == -1, EPERM);
	return NULL;
}

static void *spawns_from_afar(void *nursery)
{
	assert_fails(green_nursery_spawn(nursery, sleeps, NULL) == -1, EPERM);
	return NULL;
}

START_TEST(b5_only_who_opened_it_closes_it)
{
	struct green_nursery nursery;

	green_nursery_open(&nursery);
	join(green_spawn(closes_of_others, &nursery));
	in_thread(spawns_from_afar, &nursery);
	ck_assert_int_eq(green_nursery_close(&nursery), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("nursery", WITH_HUB);

	tcase_add_test(tcase, b5_closing_waits_for_all);
	tcase_add_test(tcase, b5_an_empty_one);
	tcase_add_test(tcase, b5_the_first_that_fails_cancels_the_others);
	tcase_add_test(tcase, b5_the_body_is_cancelled_too);
	tcase_add_test(tcase, b5_who_is_cancelled_or_killed_while_closing_cancels_them);
	tcase_add_test(tcase, ck15_an_outer_request_is_kept);
	tcase_add_test(tcase, ck15_both_requests_are_counted);
	tcase_add_test(tcase, b5_an_error_of_the_body_cancels_them_and_stays);
	tcase_add_test(tcase, b5_tasks_may_add_tasks_until_it_is_empty);
	tcase_add_test(tcase, b5_one_that_is_merely_cancelled_is_no_failure);
	tcase_add_test(tcase, b5_all_failures_are_told);
	tcase_add_test(tcase, ck15_they_nest);
	tcase_add_test(tcase, b4_a_limit_around_it_is_told_apart);
	tcase_add_test(tcase, b5_only_who_opened_it_closes_it);
	return suite_end();
}
