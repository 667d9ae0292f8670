/* SPDX-License-Identifier: MIT */
/* test_event.c - a flag to wait for */
#include "green.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_event event = GREEN_EVENT_INIT;
static int order[8], woken;

static void *waits(void *number)
{
	if (green_event_wait(&event, -1))
		return strerror(errno);
	order[woken++] = (int)(intptr_t)number;
	return NULL;
}

START_TEST(y2_set_wakes_all_in_order_and_not_before_it_returns)
{
	struct greenlet *tasks[4];

	for (intptr_t i = 0; i < 4; i++)
		tasks[i] = parked(waits, (void *)i);
	ck_assert(!green_event_is_set(&event));
	green_event_set(&event);
	ck_assert_int_eq(woken, 0);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_null(join(tasks[i]));
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(order[i], i);
	ck_assert(green_event_is_set(&event));
	ck_assert_int_eq(green_event_wait(&event, 0), 0);
	ck_assert_int_eq(green_event_wait(&event, -1), 0);
}
END_TEST

START_TEST(y2_one_that_is_cleared_at_once_has_been_seen)
{
	struct greenlet *task = parked(waits, NULL);

	green_event_set(&event);
	green_event_clear(&event);
	ck_assert_ptr_null(join(task));
	ck_assert(!green_event_is_set(&event));
	assert_fails(green_event_wait(&event, 0) == -1, ETIMEDOUT);
}
END_TEST

static void *waits_twice(void *arg)
{
	waits(arg);
	green_event_clear(&event);
	return waits(arg);
}

START_TEST(y1_who_comes_meanwhile_waits_for_the_next_time)
{
	struct greenlet *first = parked(waits_twice, (void *)1), *second = parked(waits, (void *)2);

	green_event_set(&event);
	green_yield();
	green_yield();
	ck_assert_int_eq(woken, 2);
	ck_assert_ptr_null(join(second));
	ck_assert(!green_dead(first));
	green_event_set(&event);
	ck_assert_ptr_null(join(first));
	ck_assert_int_eq(woken, 3);
}
END_TEST

START_TEST(to6_the_time_is_over)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	assert_fails(green_event_wait(&event, 0) == -1, ETIMEDOUT);
	assert_took(start, 0);
	assert_fails(green_event_wait(&event, 30) == -1, ETIMEDOUT);
	assert_took(start, 30);
	start = clock_now();
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	assert_fails(green_event_wait(&event, 5000) == -1, ETIMEDOUT);
	assert_took(start, 30);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_error(NULL), 0);
}
END_TEST

START_TEST(ck13_killed_first_or_set_first)
{
	struct greenlet *first = parked(waits, NULL), *second = parked(waits, NULL);

	kill_soon(first);
	green_event_set(&event);
	kill_soon(second);
	ck_assert_int_eq(green_join(second, NULL, -1), 0);
	ck_assert_int_eq(green_join(first, NULL, -1), 0);
	ck_assert_int_eq(woken, 1);
	green_destroy(first);
	green_destroy(second);
}
END_TEST

static void uses_it_in_the_loop(void)
{
	assert_fails(green_event_wait(&event, -1) == -1, EDEADLK);
	assert_fails(green_event_wait(&event, 0) == -1, ETIMEDOUT);
	green_event_set(&event);
	ck_assert_int_eq(green_event_wait(&event, -1), 0);
}

START_TEST(h3_ck6_a_callback_may_set_it_but_not_wait)
{
	struct greenlet *task = parked(waits, NULL);

	in_hub(uses_it_in_the_loop);
	ck_assert_ptr_null(join(task));
}
END_TEST

START_TEST(h2_nobody_will_set_it)
{
	assert_fails(green_event_wait(&event, -1) == -1, EDEADLK);
}
END_TEST

/* --- other kernel threads --- */

enum { ROUNDS = 3000 };

/* Each round's event lies on the stack of who waits, which is gone when it goes on. */
struct ball {
	struct green_event *there;
	struct green_event back;
};

static struct ball ball;

static void *throws_back(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		while (green_event_wait(&ball.back, -1))
			ck_assert_int_eq(errno, EDEADLK);
		green_event_clear(&ball.back);
		green_event_set(ball.there);
	}
	return NULL;
}

static void throws(void)
{
	struct green_event there = GREEN_EVENT_INIT;

	ball.there = &there;
	green_event_set(&ball.back);
	ck_assert_int_eq(green_event_wait(&there, -1), 0);
	memset(&there, 0xff, sizeof(there));
}

START_TEST(y5_two_hubs_play_ball_with_events_on_the_stack)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, throws_back, NULL), 0);
	for (int i = 0; i < ROUNDS; i++)
		throws();
	pthread_join(thread, NULL);
}
END_TEST

static void *sets_from_afar(void *unused)
{
	(void)unused;
	usleep(50000);
	green_event_set(&event);
	ck_assert_ptr_null(green__current);
	return NULL;
}

START_TEST(y5_a_thread_without_greenlets_sets_it_for_many)
{
	struct greenlet *tasks[4];
	pthread_t thread;

	for (intptr_t i = 0; i < 4; i++)
		tasks[i] = parked(waits, (void *)i);
	ck_assert_int_eq(pthread_create(&thread, NULL, sets_from_afar, NULL), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_null(join(tasks[i]));
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(order[i], i);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("event", WITH_HUB);

	tcase_add_test(tcase, y2_set_wakes_all_in_order_and_not_before_it_returns);
	tcase_add_test(tcase, y2_one_that_is_cleared_at_once_has_been_seen);
	tcase_add_test(tcase, y1_who_comes_meanwhile_waits_for_the_next_time);
	tcase_add_test(tcase, to6_the_time_is_over);
	tcase_add_test(tcase, ck13_killed_first_or_set_first);
	tcase_add_test(tcase, h3_ck6_a_callback_may_set_it_but_not_wait);
	tcase_add_test(tcase, h2_nobody_will_set_it);
	tcase_add_test(tcase, y5_two_hubs_play_ball_with_events_on_the_stack);
	tcase_add_test(tcase, y5_a_thread_without_greenlets_sets_it_for_many);
	return suite_end();
}
