/* SPDX-License-Identifier: MIT */
/* test_timerq.c - deadlines in order */
#include "hub/timerq.h"
#include "support.h"

enum { MANY = 1000 };

static struct timerq queue;
static struct timer timers[MANY];
static int fired[2 * MANY];
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
	timerq_init(&queue);
	memset(timers, 0, sizeof(timers));
	count = 0;
}

static void run(int64_t now)
{
	green__timerq_run(&queue, now);
	ck_assert(heap_check(&queue.heap));
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
	return suite_end();
}
