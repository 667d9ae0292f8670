/* SPDX-License-Identifier: MIT */
/* test_cancel.c - requests to give up, which are counted, and errors that are held back */
#include <sys/socket.h>

#include "green.h"
#include "support.h"

static int calls, failures;
static char token;

static void *gives_up(void *value)
{
	calls++;
	if (green_sleep(10000) == -1)
		failures += errno == ECANCELED && green_error(NULL) == GREEN_CANCELLED;
	return value;
}

static struct greenlet *running(void *(*function)(void *), void *arg)
{
	struct greenlet *task = green_spawn(function, arg);

	green_yield();
	return task;
}

START_TEST(a5_the_call_it_waits_in_fails)
{
	struct greenlet *task = running(gives_up, NULL);

	ck_assert(green_cancel(task));
	ck_assert_int_eq(failures, 0);
	ck_assert_uint_eq(green_cancelling(task), 1);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(failures, 1);
	ck_assert(!green_cancel(task));
	green_destroy(task);
}
END_TEST

START_TEST(a6_it_is_cancelled_if_it_ends_with_that_error)
{
	struct greenlet *task = running(gives_up, &token);
	void *value = &calls;

	green_cancel(task);
	ck_assert_int_eq(green_join(task, &value, -1), 0);
	ck_assert_ptr_null(value);
	ck_assert_int_eq(green_failure(task, NULL), GREEN_CANCELLED);
	green_destroy(task);
}
END_TEST

static void *clears(void *value)
{
	gives_up(value);
	green_error_clear();
	ck_assert_int_eq(green_sleep(1), 0);
	return value;
}

START_TEST(a6_one_that_clears_it_has_a_value)
{
	struct greenlet *task = running(clears, &token);

	green_cancel(task);
	ck_assert_ptr_eq(join(task), &token);
}
END_TEST

static void *fails_otherwise(void *value)
{
	gives_up(value);
	green_throw(green_current(), EIO, value);
	return NULL;
}

START_TEST(a6_another_error_counts_as_that)
{
	struct greenlet *task = running(fails_otherwise, &token);

	green_cancel(task);
	green_join(task, NULL, -1);
	ck_assert_int_eq(green_failure(task, NULL), EIO);
	green_destroy(task);
}
END_TEST

START_TEST(a6_one_that_never_started_is_cancelled)
{
	struct greenlet *tasks[2] = { green_spawn(gives_up, NULL), green_spawn_later(10000, gives_up, NULL) };

	ck_assert(green_cancel(tasks[0]) && green_cancel(tasks[1]));
	ck_assert_int_eq(green_join_all(tasks, 2, 0, -1), 0);
	ck_assert_int_eq(calls, 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(green_failure(tasks[i], NULL), GREEN_CANCELLED);
		green_destroy(tasks[i]);
	}
}
END_TEST

static void *never_waits(void *value)
{
	while (!green_error(NULL))
		green_yield();
	return value;
}

START_TEST(a6_a_request_that_was_not_met_counts)
{
	struct greenlet *task = running(never_waits, &token);

	green_cancel(task);
	green_join(task, NULL, -1);
	ck_assert_int_eq(green_failure(task, NULL), GREEN_CANCELLED);
	green_destroy(task);
}
END_TEST

static void *undoes(void *left)
{
	gives_up(NULL);
	*(unsigned *)left = green_uncancel();
	/* One that is left still stands. */
	if (*(unsigned *)left)
		assert_fails(green_sleep(1) == -1, ECANCELED);
	else
		ck_assert_int_eq(green_sleep(1), 0);
	return left;
}

START_TEST(a7_requests_are_counted)
{
	for (unsigned requests = 1; requests <= 3; requests++) {
		unsigned left = 77;
		struct greenlet *task = running(undoes, &left);

		for (unsigned i = 0; i < requests; i++)
			ck_assert(green_cancel(task));
		ck_assert_uint_eq(green_cancelling(task), requests);
		ck_assert_int_eq(green_join(task, NULL, -1), 0);
		ck_assert_uint_eq(left, requests - 1);
		ck_assert_uint_eq(green_cancelling(task), left);
		ck_assert_int_eq(green_failure(task, NULL), left ? GREEN_CANCELLED : 0);
		green_destroy(task);
	}
}
END_TEST

START_TEST(a7_nothing_to_undo)
{
	ck_assert_uint_eq(green_uncancel(), 0);
	ck_assert(green_cancel(green_current()));
	assert_fails(green_sleep(1) == -1, ECANCELED);
	ck_assert_uint_eq(green_uncancel(), 0);
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_uint_eq(green_uncancel(), 0);
	/* An error of another kind is not dropped. */
	green_cancel(green_current());
	green_throw(green_current(), EIO, NULL);
	ck_assert_uint_eq(green_uncancel(), 0);
	ck_assert_int_eq(green_error(NULL), EIO);
	green_error_clear();
}
END_TEST

static void *ends(void *value)
{
	if (green_sleep(10000) == -1)
		failures += green_error(NULL) == GREEN_EXIT;
	return value;
}

static void *undoes_in_body(struct green_generator *self, void *unused)
{
	(void)self;
	(void)unused;
	failures += green_cancelling(green_current()) == 1 && green_sleep(10000) == -1 && errno == ECANCELED;
	failures += green_uncancel() == 0;
	failures += green_error(NULL) == 0 && green_cancelling(green_current()) == 0;
	failures += green_sleep(1) == 0;
	return NULL;
}

static void *delegates(struct green_generator *self, void *inner)
{
	green_generator_delegate(self, inner, NULL);
	return NULL;
}

static void *consumes(void *unused)
{
	struct green_generator *inner = green_generator_create(undoes_in_body, NULL);
	struct green_generator *outer = green_generator_create(delegates, inner);

	green_cancel(green_current());
	failures += green_generator_next(outer, NULL) == 0;
	failures += green_sleep(1) == 0;
	green_generator_destroy(outer);
	green_generator_destroy(inner);
	return unused;
}

/* GN11 */
START_TEST(a7_a_body_undoes_what_its_consumer_was_asked)
{
	join(green_spawn(consumes, NULL));
	ck_assert_int_eq(failures, 6);
}
END_TEST

START_TEST(a7_who_is_being_killed_stays_so)
{
	struct greenlet *task = running(ends, NULL);

	green_kill(task, 0);
	ck_assert(green_cancel(task));
	green_join(task, NULL, -1);
	ck_assert_int_eq(failures, 1);
	ck_assert_int_eq(green_failure(task, NULL), 0);
	green_destroy(task);
}
END_TEST

static void *scope_inside(void *value)
{
	struct green_timeout limit;

	green_timeout_start(&limit, 9000);
	ck_assert_int_eq(green_sleep(10000), -1);
	failures += errno == ECANCELED;
	ck_assert(!green_timeout_end(&limit));
	ck_assert_int_eq(green_error(NULL), GREEN_CANCELLED);
	return value;
}

/* A scope tells its own end from a request that came before. */
START_TEST(ck15_a_scope_and_a_request_are_told_apart)
{
	struct greenlet *task = running(scope_inside, NULL);

	green_cancel(task);
	green_join(task, NULL, -1);
	ck_assert_int_eq(failures, 1);
	ck_assert_int_eq(green_failure(task, NULL), GREEN_CANCELLED);
	green_destroy(task);
}
END_TEST

/* Everything that parks fails, each time. */
static int sockets[2];

static void *parks_in(void *point)
{
	struct green_timeout limit;
	char byte;
	long result = -1;

	green_timeout_start(&limit, 5000);
	switch ((intptr_t)point) {
	case 0: result = green_read(sockets[0], &byte, 1); break;
	case 1: result = green_wait_fd(sockets[0], GREEN_READ, -1); break;
	case 2: result = green_sleep(10000); break;
	case 3: result = green_recv(sockets[0], &byte, 1, 0); break;
	}
	failures += result == -1 && errno == ECANCELED && !green_timeout_end(&limit);
	return NULL;
}

START_TEST(cx4_at_every_point_where_it_may_be_parked)
{
	tcp_pair(sockets);
	for (intptr_t point = 0; point < 4; point++) {
		struct greenlet *task = running(parks_in, (void *)point);

		ck_assert(green_cancel(task));
		green_join(task, NULL, -1);
		ck_assert_int_eq(failures, (int)point + 1);
		green_destroy(task);
	}
	close_pair(sockets);
}
END_TEST

static void *waits_again_and_again(void *unused)
{
	for (int i = 0; i < 3; i++)
		failures += green_sleep(1) == -1 && errno == ECANCELED;
	green_error_clear();
	ck_assert_int_eq(green_sleep(1), 0);
	return unused;
}

START_TEST(cx4_each_call_fails_until_the_request_is_dealt_with)
{
	struct greenlet *task = running(waits_again_and_again, NULL);

	ck_assert(green_cancel(task));
	join(task);
	ck_assert_int_eq(failures, 3);
}
END_TEST

START_TEST(cancel_refuses_what_makes_no_sense)
{
	struct greenlet *raw = green_create(gives_up, NULL);

	assert_fails(!green_cancel(NULL), EINVAL);
	assert_fails(!green_cancel(raw), EINVAL);
	green_destroy(raw);
}
END_TEST

/* --- holding errors back --- */

static void *cleans_up(void *ms)
{
	green_hold_errors();
	green_hold_errors();
	ck_assert_int_eq(green_sleep((int)(intptr_t)ms), 0);
	ck_assert_int_eq(green_release_errors(), 0);
	ck_assert_int_eq(green_sleep((int)(intptr_t)ms), 0);
	ck_assert_int_eq(green_release_errors(), 0);
	calls++;
	if (green_sleep(10000) == -1)
		failures += errno == ECANCELED;
	return NULL;
}

START_TEST(cu2_no_error_ends_a_wait_while_held)
{
	struct greenlet *task = running(cleans_up, (void *)10);
	int64_t start = clock_now();

	ck_assert_int_eq(green_kill(task, -1), 0);
	assert_took(start, 20);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(failures, 1);
	green_destroy(task);
}
END_TEST

static void *holds_when_told(void *ms)
{
	ck_assert_int_eq(green_sleep(10000), -1);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	return cleans_up(ms);
}

START_TEST(cu2_clean_up_waits_with_the_error_pending)
{
	struct greenlet *task = running(holds_when_told, (void *)5);

	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(failures, 1);
	green_destroy(task);
}
END_TEST

static void *holds_through_a_limit(void *unused)
{
	struct green_timeout limit;

	green_timeout_start(&limit, 3);
	green_hold_errors();
	ck_assert_int_eq(green_sleep(15), 0);
	green_release_errors();
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	return unused;
}

START_TEST(cu2_a_limit_waits_for_the_release)
{
	join(green_spawn(holds_through_a_limit, NULL));
}
END_TEST

START_TEST(cu2_one_release_too_many)
{
	assert_fails(green_release_errors() == -1, EINVAL);
	green_hold_errors();
	ck_assert_int_eq(green_release_errors(), 0);
	assert_fails(green_release_errors() == -1, EINVAL);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("cancel", WITH_HUB);

	tcase_add_test(tcase, a5_the_call_it_waits_in_fails);
	tcase_add_test(tcase, a6_it_is_cancelled_if_it_ends_with_that_error);
	tcase_add_test(tcase, a6_one_that_clears_it_has_a_value);
	tcase_add_test(tcase, a6_another_error_counts_as_that);
	tcase_add_test(tcase, a6_one_that_never_started_is_cancelled);
	tcase_add_test(tcase, a6_a_request_that_was_not_met_counts);
	tcase_add_test(tcase, a7_requests_are_counted);
	tcase_add_test(tcase, a7_nothing_to_undo);
	tcase_add_test(tcase, a7_a_body_undoes_what_its_consumer_was_asked);
	tcase_add_test(tcase, a7_who_is_being_killed_stays_so);
	tcase_add_test(tcase, ck15_a_scope_and_a_request_are_told_apart);
	tcase_add_test(tcase, cx4_at_every_point_where_it_may_be_parked);
	tcase_add_test(tcase, cx4_each_call_fails_until_the_request_is_dealt_with);
	tcase_add_test(tcase, cancel_refuses_what_makes_no_sense);
	tcase_add_test(tcase, cu2_no_error_ends_a_wait_while_held);
	tcase_add_test(tcase, cu2_clean_up_waits_with_the_error_pending);
	tcase_add_test(tcase, cu2_a_limit_waits_for_the_release);
	tcase_add_test(tcase, cu2_one_release_too_many);
	return suite_end();
}
