/* SPDX-License-Identifier: MIT */
/* test_timerq.c - deadlines in order */
#include <stdio.h>

#include "hub/timerq.h"
#include "support.h"

enum { MANY = 1000 };

static struct timerq queue;
static struct timer timers[MANY];
static int fired[3 * MANY];
static int count;

/* Which timers fired, in order, as one number: 1 then 3 is 13. */
static int history(void)
{
	int number = 0;

	for (int i = 0; i < count; i++)
		number = number * 10 + fired[i];
	count = 0;
	return number;
}

static void note(struct timer *timer)
{
	fired[count++] = (int)(timer - timers);
}

static void begin(void)
{
	green__timerq_init(&queue, 0);
	memset(timers, 0, sizeof(timers));
	count = 0;
}

static void run(int64_t now)
{
	green__timerq_run(&queue, now);
	ck_assert(green__timerq_check(&queue));
}

START_TEST(timers_fire_in_order_of_their_deadlines)
{
	begin();
	timer_start(&queue, &timers[1], 30, note);
	timer_start(&queue, &timers[2], 10, note);
	timer_start(&queue, &timers[3], 20, note);
	run(100);
	ck_assert_int_eq(history(), 231);
	ck_assert(!timers[1].pending && !timers[2].pending && !timers[3].pending);
}
END_TEST

START_TEST(equal_deadlines_fire_in_the_order_of_their_start)
{
	begin();
	for (int i = 1; i <= 5; i++)
		timer_start(&queue, &timers[i], 10, note);
	run(10);
	ck_assert_int_eq(history(), 12345);
}
END_TEST

START_TEST(a_timer_does_not_fire_before_its_deadline)
{
	begin();
	timer_start(&queue, &timers[1], 10, note);
	timer_start(&queue, &timers[2], 11, note);
	run(9);
	ck_assert_int_eq(history(), 0);
	run(10);
	ck_assert_int_eq(history(), 1);
	run(11);
	ck_assert_int_eq(history(), 2);
}
END_TEST

START_TEST(next_is_the_earliest_or_never)
{
	begin();
	ck_assert_int_eq(timerq_next(&queue), CLOCK_NEVER);
	timer_start(&queue, &timers[1], 20, note);
	timer_start(&queue, &timers[2], 10, note);
	ck_assert_int_eq(timerq_next(&queue), 10);
	timer_stop(&queue, &timers[2]);
	ck_assert_int_eq(timerq_next(&queue), 20);
}
END_TEST

START_TEST(a_stopped_timer_does_not_fire)
{
	begin();
	timer_start(&queue, &timers[1], 10, note);
	timer_start(&queue, &timers[2], 10, note);
	timer_stop(&queue, &timers[1]);
	timer_stop(&queue, &timers[1]);
	run(10);
	ck_assert_int_eq(history(), 2);
}
END_TEST

static void stop_the_next(struct timer *timer)
{
	note(timer);
	timer_stop(&queue, timer + 1);
}

START_TEST(a_callback_may_stop_another_that_is_due)
{
	begin();
	timer_start(&queue, &timers[1], 10, stop_the_next);
	timer_start(&queue, &timers[2], 10, note);
	timer_start(&queue, &timers[3], 10, note);
	run(10);
	ck_assert_int_eq(history(), 13);
}
END_TEST

static void start_again_at_once(struct timer *timer)
{
	note(timer);
	timer_start(&queue, timer, timer->node.key, start_again_at_once);
}

START_TEST(a_timer_that_starts_itself_anew_waits_for_the_next_call)
{
	begin();
	timer_start(&queue, &timers[1], 10, start_again_at_once);
	run(10);
	ck_assert_int_eq(history(), 1);
	ck_assert(timers[1].pending);
	run(10);
	ck_assert_int_eq(history(), 1);
}
END_TEST

static void start_earlier(struct timer *timer)
{
	note(timer);
	timer_start(&queue, timer + 4, 1, note);
}

START_TEST(a_new_timer_that_is_due_first_waits_and_the_later_ones_with_it)
{
	begin();
	timer_start(&queue, &timers[1], 10, start_earlier);
	timer_start(&queue, &timers[2], 20, note);
	run(20);
	ck_assert_int_eq(history(), 1);
	ck_assert_int_eq(timerq_next(&queue), 1);
	run(20);
	ck_assert_int_eq(history(), 52);
}
END_TEST

START_TEST(many_timers_fire_sorted_while_others_are_stopped)
{
	unsigned seed = 7;

	begin();
	for (int i = 0; i < MANY; i++)
		timer_start(&queue, &timers[i], rand_r(&seed) % 300, note);
	for (int i = 0; i < MANY; i += 4)
		timer_stop(&queue, &timers[i]);
	for (int now = 0; now < 300; now += 7)
		run(now);
	run(300);
	ck_assert_int_eq(count, MANY - MANY / 4);
	for (int i = 1; i < count; i++)
		ck_assert_int_le(timers[fired[i - 1]].node.key, timers[fired[i]].node.key);
}
END_TEST

START_TEST(of_many_that_are_due_some_wait_for_the_next_call)
{
	begin();
	for (int i = 0; i < MANY; i++)
		timer_start(&queue, &timers[i], MANY - i, note);
	for (int runs = 1; runs <= MANY / TIMERS_AT_ONCE; runs++) {
		run(MANY);
		ck_assert_int_eq(count, runs * TIMERS_AT_ONCE);
	}
	run(MANY);
	ck_assert_int_eq(count, MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(fired[i], MANY - 1 - i);
}
END_TEST

/* As many as one call fires come anew after each, before one that is due later. */
START_TEST(newer_timers_do_not_come_first_for_ever)
{
	begin();
	timer_start(&queue, &timers[0], 20, note);
	for (int runs = 0; timers[0].pending; runs++) {
		ck_assert_int_lt(runs, 3);
		for (int i = 1; i <= 2 * TIMERS_AT_ONCE; i++) {
			if (!timers[i].pending)
				timer_start(&queue, &timers[i], 10, note);
		}
		run(20);
	}
}
END_TEST

/* --- wheels --- */

#define HOUR (INT64_C(3600) * NS_PER_SECOND)

/* When whoever sleeps until green__timerq_sleep wakes up, until something has fired; how often that is. */
static int wakes(int64_t *now)
{
	int number = 0;

	count = 0;
	while (count == 0) {
		*now = green__timerq_sleep(&queue);
		run(*now);
		number++;
	}
	return number;
}

START_TEST(a_few_timers_are_slept_for_in_one_go_however_far_they_are)
{
	static const int64_t times[] = { 1, 1000000, HOUR, 24 * HOUR, 365 * 24 * HOUR, CLOCK_NEVER / 2 };

	for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
		int64_t now;

		begin();
		timer_start(&queue, &timers[1], times[i], note);
		ck_assert_int_le(timerq_next(&queue), times[i]);
		ck_assert_int_eq(wakes(&now), 1);
		ck_assert_int_eq(now, times[i]);
		ck_assert_int_eq(history(), 1);
	}
}
END_TEST

START_TEST(a_crowd_wakes_who_sleeps_for_it_once_more_in_each_wheel_at_most)
{
	int64_t now;

	begin();
	for (int i = 0; i < MANY; i++)
		timer_start(&queue, &timers[i], 10 * HOUR + i % 7, note);
	ck_assert_int_le(wakes(&now), TIMER_WHEELS + 1);
	ck_assert_int_eq(now, 10 * HOUR);
	ck_assert_int_eq(count, MANY / 7 + 1);
}
END_TEST

START_TEST(what_was_stopped_is_not_slept_for)
{
	begin();
	for (int i = 0; i < MANY; i++)
		timer_start(&queue, &timers[i], i * NS_PER_SECOND, note);
	for (int i = 0; i < MANY; i++)
		timer_stop(&queue, &timers[i]);
	ck_assert_int_eq(timerq_next(&queue), CLOCK_NEVER);
	ck_assert_int_eq(green__timerq_sleep(&queue), CLOCK_NEVER);
	timer_start(&queue, &timers[1], MANY * NS_PER_SECOND, note);
	ck_assert_int_eq(green__timerq_sleep(&queue), MANY * NS_PER_SECOND);
}
END_TEST

/* The model of a queue: what is pending, in no order, and how often anything was started. */
enum { SOME = 800 };

static struct {
	int64_t deadline;
	uint64_t order;
} model[SOME];
static uint64_t starts;
static unsigned seed;
static int64_t present;
static int fired_now;

static int below(int limit)
{
	return rand_r(&seed) % limit;
}

/* The timer that is to fire first, -1 if none is pending. */
static int model_first(void)
{
	int first = -1;

	for (int i = 0; i < SOME; i++) {
		if (!timers[i].pending)
			continue;
		if (first < 0 || model[i].deadline < model[first].deadline ||
		    (model[i].deadline == model[first].deadline && model[i].order < model[first].order))
			first = i;
	}
	return first;
}

/* Past and future, near and far, at the borders of slots and beside them, equal to another's. */
static int64_t any_deadline(void)
{
	int64_t slot = INT64_C(1) << (TIMER_TICK + TIMER_DIGIT * below(TIMER_WHEELS + 1));
	int64_t deadline;

	if (below(8) == 0)
		return model[below(SOME)].deadline;
	if (below(50) == 0)
		return below(2) ? CLOCK_NEVER - below(2) : INT64_MIN;
	deadline = present + slot / 256 * below(300) + below(3) * (slot / 3);
	return below(2) ? deadline : deadline / slot * slot + below(3) - 1;
}

static void check_that_it_is_first(struct timer *timer);

static void change_any(void)
{
	int i = below(SOME);

	timer_stop(&queue, &timers[i]);
	if (below(3) == 0)
		return;
	model[i].deadline = any_deadline();
	model[i].order = starts++;
	timer_start(&queue, &timers[i], model[i].deadline, check_that_it_is_first);
}

static void check_that_it_is_first(struct timer *timer)
{
	int first;

	fired_now++;
	timer->pending = true;
	first = model_first();
	timer->pending = false;
	ck_assert_ptr_eq(timer, &timers[first]);
	ck_assert_int_le(model[first].deadline, present);
	if (below(4) == 0)
		change_any();
}

static void advance(void)
{
	int64_t until = below(2) ? green__timerq_sleep(&queue) : any_deadline();
	uint64_t limit = starts;
	int first;

	if (until > present && until < INT64_MAX / 2)
		present = until;
	fired_now = 0;
	run(present);
	first = model_first();
	ck_assert(first < 0 || model[first].deadline > present || model[first].order >= limit || fired_now == TIMERS_AT_ONCE);
}

START_TEST(random_timers_fire_as_those_of_a_simple_model)
{
	seed = (unsigned)clock_now();
	printf("seed %u\n", seed);
	begin();
	present = 0;
	for (int i = 0; i < 400000; i++) {
		int first;

		if (below(SOME))
			change_any();
		else
			advance();
		first = model_first();
		ck_assert_int_le(timerq_next(&queue), first < 0 ? CLOCK_NEVER : model[first].deadline);
		ck_assert_int_eq(timerq_next(&queue) == CLOCK_NEVER, first < 0 || model[first].deadline == CLOCK_NEVER);
		/* Now and then the time begins anew: it does not get far from numbers that are round. */
		if (below(10 * SOME))
			continue;
		for (int other = 0; other < SOME; other++)
			timer_stop(&queue, &timers[other]);
		ck_assert(green__timerq_check(&queue));
		present = (INT64_C(1) << below(62)) - below(2);
		green__timerq_init(&queue, present);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("timerq", WITHOUT_HUB);

	tcase_add_test(tcase, timers_fire_in_order_of_their_deadlines);
	tcase_add_test(tcase, equal_deadlines_fire_in_the_order_of_their_start);
	tcase_add_test(tcase, a_timer_does_not_fire_before_its_deadline);
	tcase_add_test(tcase, next_is_the_earliest_or_never);
	tcase_add_test(tcase, a_stopped_timer_does_not_fire);
	tcase_add_test(tcase, a_callback_may_stop_another_that_is_due);
	tcase_add_test(tcase, a_timer_that_starts_itself_anew_waits_for_the_next_call);
	tcase_add_test(tcase, a_new_timer_that_is_due_first_waits_and_the_later_ones_with_it);
	tcase_add_test(tcase, many_timers_fire_sorted_while_others_are_stopped);
	tcase_add_test(tcase, of_many_that_are_due_some_wait_for_the_next_call);
	tcase_add_test(tcase, newer_timers_do_not_come_first_for_ever);
	tcase_add_test(tcase, a_few_timers_are_slept_for_in_one_go_however_far_they_are);
	tcase_add_test(tcase, a_crowd_wakes_who_sleeps_for_it_once_more_in_each_wheel_at_most);
	tcase_add_test(tcase, what_was_stopped_is_not_slept_for);
	tcase_add_test(tcase, random_timers_fire_as_those_of_a_simple_model);
	return suite_end();
}
