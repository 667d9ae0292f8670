/* SPDX-License-Identifier: MIT */
/* test_task.c - spawn, join, yield, sleep */
#include <limits.h>

#include "green.h"
#include "hub/waiter.h"
#include "support.h"

static char history[200];
static int count;

static void note(char letter)
{
	size_t length = strlen(history);

	ck_assert_uint_lt(length, sizeof(history) - 1);
	history[length] = letter;
}

static void *note_letter(void *letter)
{
	note(*(char *)letter);
	return letter;
}

static void *same(void *value)
{
	count++;
	return value;
}

static void *sleep_and_note(void *letter)
{
	green_sleep(3 * (*(char *)letter - '0'));
	return note_letter(letter);
}

static void *park_for_ever(void *unused)
{
	struct waiter waiter;

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	green__park(&waiter, CLOCK_NEVER);
	return unused;
}

/* spawn */

START_TEST(s1_a_task_starts_at_the_next_iteration_never_inside_spawn)
{
	struct greenlet *task = green_spawn(note_letter, "A");

	ck_assert_str_eq(history, "");
	ck_assert(!green_dead(task));
	join(task);
	ck_assert_str_eq(history, "A");
}
END_TEST

START_TEST(s1_tasks_start_in_the_order_of_their_spawns)
{
	struct greenlet *tasks[26];

	for (int i = 0; i < 26; i++)
		tasks[i] = green_spawn(note_letter, &"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]);
	for (int i = 25; i >= 0; i--)
		join(tasks[i]);
	ck_assert_str_eq(history, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}
END_TEST

static void *tells_context(void *unused)
{
	(void)unused;
	return green_context(green_current());
}

static void *spawns(void *unused)
{
	(void)unused;
	return join(green_spawn(tells_context, NULL));
}

START_TEST(a8_a_task_begins_with_its_spawners_context)
{
	struct greenlet *task;

	ck_assert_ptr_null(join(green_spawn(spawns, NULL)));
	ck_assert_int_eq(green_set_context(green_current(), &count), 0);
	task = green_spawn(spawns, NULL);
	ck_assert_int_eq(green_set_context(green_current(), NULL), 0);
	ck_assert_ptr_eq(join(task), &count);
}
END_TEST

START_TEST(s1_no_function_is_refused_at_once)
{
	assert_fails(!green_spawn(NULL, history), EINVAL);
}
END_TEST

static void *parent_of_task(void *unused)
{
	(void)unused;
	return green_parent(green_current());
}

START_TEST(s4_the_parent_of_a_task_is_always_the_hub)
{
	struct greenlet *task = green_spawn(parent_of_task, NULL);

	ck_assert_ptr_eq(green_parent(task), green__hub()->greenlet);
	assert_fails(green_set_parent(task, green_current()) == -1, EINVAL);
	ck_assert_ptr_eq(join(task), green__hub()->greenlet);
}
END_TEST

START_TEST(a_handle_may_be_given_back_at_once)
{
	struct list *last = green__hub()->flow->all.prev;

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(green_destroy(green_spawn(same, NULL)), 0);
	green_yield();
	green_yield();
	ck_assert_int_eq(count, 100);
	/* All of them are released, the last one too. */
	ck_assert_ptr_eq(green__hub()->flow->all.prev, last);
}
END_TEST

START_TEST(a_task_that_was_given_back_while_it_sleeps_goes_on)
{
	struct greenlet *task = green_spawn(sleep_and_note, "9");

	green_yield();
	ck_assert_int_eq(green_destroy(task), 0);
	green_sleep(60);
	ck_assert_str_eq(history, "9");
}
END_TEST

static void *spawn_tree(void *depth)
{
	uintptr_t left = (uintptr_t)depth;

	count++;
	if (left > 0) {
		struct greenlet *one = green_spawn(spawn_tree, (void *)(left - 1));

		join(green_spawn(spawn_tree, (void *)(left - 1)));
		join(one);
	}
	return NULL;
}

START_TEST(tasks_spawn_tasks)
{
	join(green_spawn(spawn_tree, (void *)10));
	ck_assert_int_eq(count, 2047);
	hub_checked();
}
END_TEST

START_TEST(ten_thousand_tasks_live_at_once)
{
	static struct greenlet *tasks[10000];

	ck_assert_int_eq(green_set_stack_size(16 * 1024), 0);
	for (uintptr_t i = 0; i < ARRAY_LENGTH(tasks); i++)
		ck_assert_ptr_nonnull(tasks[i] = green_spawn(same, (void *)i));
	for (uintptr_t i = 0; i < ARRAY_LENGTH(tasks); i++)
		ck_assert_ptr_eq(join(tasks[i]), (void *)i);
	ck_assert_int_eq(count, 10000);
}
END_TEST

/* join */

static void *fails_so(void *code)
{
	green_throw(green_current(), (int)(intptr_t)code, NULL);
	return history;
}

static int dead_ones;

/* Between the end of one task and whatever runs next the current greenlet is a living one. */
static int looks_for_the_dead(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *unused)
{
	(void)event;
	(void)origin;
	(void)unused;
	count++;
	dead_ones += green_dead(green_current()) || target != green_current();
	return 0;
}

static void ended_with(struct greenlet *task, int code)
{
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_state(task), GREEN_ENDED);
	ck_assert(green_dead(task));
	ck_assert_int_eq(green_failure(task, NULL), code);
	green_destroy(task);
}

/* S5: not started, waiting, ended, and how */
START_TEST(s5_the_life_of_a_task_can_be_asked_for)
{
	struct greenlet *task = green_spawn(sleep_and_note, "1"), *good, *bad;

	green_set_tracer(looks_for_the_dead, NULL);
	ck_assert_int_eq(green_state(task), GREEN_PARKED);
	ck_assert(!green_dead(task));
	green_yield();
	ck_assert_str_eq(history, "");
	ck_assert_int_eq(green_state(task), GREEN_PARKED);
	ck_assert_int_eq(green_state(green_current()), GREEN_RUNNING);
	ended_with(task, 0);
	good = green_spawn(fails_so, (void *)(intptr_t)GREEN_EXIT);
	bad = green_spawn(fails_so, (void *)(intptr_t)ENOENT);
	ended_with(good, 0);
	ended_with(bad, ENOENT);
	green_set_tracer(NULL, NULL);
	ck_assert_int_gt(count, 0);
	ck_assert_int_eq(dead_ones, 0);
}
END_TEST

static struct greenlet *myself;

static void *notes_itself(void *argument)
{
	myself = green_current();
	return argument;
}

/* S20: the handle that spawn gave, and the argument it got */
START_TEST(s20_a_task_knows_itself_and_its_argument)
{
	struct greenlet *task = green_spawn(notes_itself, &count);
	void *value;

	ck_assert_int_eq(green_join(task, &value, -1), 0);
	ck_assert_ptr_eq(myself, task);
	ck_assert_ptr_eq(value, &count);
	ck_assert_ptr_ne(green_current(), task);
	green_destroy(task);
}
END_TEST

START_TEST(s7_join_hands_over_the_result_any_number_of_times)
{
	struct greenlet *task = green_spawn(same, history);
	void *value;

	for (int i = 0; i < 3; i++) {
		value = NULL;
		ck_assert_int_eq(green_join(task, &value, i == 1 ? 0 : -1), 0);
		ck_assert_ptr_eq(value, history);
	}
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	join(task);
	ck_assert_int_eq(count, 1);
}
END_TEST

static void *join_it(void *task)
{
	void *value = NULL;

	ck_assert_int_eq(green_join(task, &value, -1), 0);
	note('J');
	return value;
}

START_TEST(s8_several_join_one_task)
{
	struct greenlet *task = green_spawn(sleep_and_note, "5");
	struct greenlet *joiners[5];

	for (int i = 0; i < 5; i++)
		joiners[i] = green_spawn(join_it, task);
	for (int i = 0; i < 5; i++)
		ck_assert_str_eq(join(joiners[i]), "5");
	ck_assert_str_eq(history, "5JJJJJ");
	join(task);
}
END_TEST

START_TEST(s8_a_join_that_times_out_leaves_the_task_alone)
{
	struct greenlet *task = green_spawn(sleep_and_note, "9");
	int64_t start = clock_now();
	void *value = history;

	assert_fails(green_join(task, &value, 0) == -1, ETIMEDOUT);
	assert_fails(green_join(task, &value, 3) == -1, ETIMEDOUT);
	assert_took(start, 3);
	ck_assert_ptr_eq(value, history);
	ck_assert(!green_dead(task));
	join(task);
	ck_assert_str_eq(history, "9");
}
END_TEST

START_TEST(s8_one_of_several_joiners_may_time_out)
{
	struct greenlet *task = green_spawn(sleep_and_note, "9");
	struct greenlet *joiner = green_spawn(join_it, task);

	assert_fails(green_join(task, NULL, 2) == -1, ETIMEDOUT);
	ck_assert_str_eq(join(joiner), "9");
	ck_assert_str_eq(history, "9J");
	join(task);
}
END_TEST

static void *join_oneself(void *unused)
{
	assert_fails(green_join(green_current(), NULL, -1) == -1, EDEADLK);
	return unused;
}

START_TEST(a_task_that_joins_itself_gets_edeadlk)
{
	join(green_spawn(join_oneself, NULL));
}
END_TEST

START_TEST(only_tasks_can_be_joined)
{
	struct greenlet *raw = green_create(same, NULL);

	assert_fails(green_join(NULL, NULL, -1) == -1, EINVAL);
	assert_fails(green_join(raw, NULL, -1) == -1, EINVAL);
	assert_fails(green_join(green_current(), NULL, -1) == -1, EINVAL);
	assert_fails(green_join(green__hub()->greenlet, NULL, -1) == -1, EINVAL);
	ck_assert_int_eq(green_destroy(raw), 0);
}
END_TEST

START_TEST(h2_a_join_that_can_never_end_is_edeadlk)
{
	struct greenlet *task = green_spawn(park_for_ever, NULL);

	assert_fails(green_join(task, NULL, -1) == -1, EDEADLK);
	ck_assert(!green_dead(task));
	/* With a timeout of its own the call ends by itself. */
	assert_fails(green_join(task, NULL, 5) == -1, ETIMEDOUT);
}
END_TEST

static void *join_from_raw(void *task)
{
	void *value = NULL;

	ck_assert_int_eq(green_join(task, &value, -1), 0);
	return value;
}

START_TEST(a_raw_greenlet_joins_a_task)
{
	struct greenlet *task = green_spawn(sleep_and_note, "3");
	struct greenlet *raw = green_create(join_from_raw, NULL);

	ck_assert_str_eq(green_switch(raw, task), "3");
	join(task);
	ck_assert_int_eq(green_destroy(raw), 0);
}
END_TEST

static void *use_generator(void *unused)
{
	struct greenlet *raw = green_create(same, NULL);

	ck_assert_ptr_eq(green_parent(raw), green_current());
	ck_assert_ptr_eq(green_switch(raw, history), history);
	ck_assert_int_eq(green_destroy(raw), 0);
	return unused;
}

START_TEST(g7_a_raw_greenlet_of_a_task_ends_in_that_task)
{
	struct greenlet *tasks[20];

	for (int i = 0; i < 20; i++)
		tasks[i] = green_spawn(use_generator, NULL);
	for (int i = 0; i < 20; i++)
		join(tasks[i]);
	ck_assert_int_eq(count, 20);
}
END_TEST

static struct greenlet *left_over;

static void *leave_one_over(void *unused)
{
	left_over = green_create(same, NULL);
	return unused;
}

START_TEST(p6_a_raw_greenlet_whose_task_is_gone_ends_in_main)
{
	join(green_spawn(leave_one_over, NULL));
	join(green_spawn(same, NULL));
	ck_assert_ptr_eq(green_switch(left_over, history), history);
	ck_assert_int_eq(green_destroy(left_over), 0);
}
END_TEST

START_TEST(e5_a_switch_to_a_dead_task_comes_back_to_main)
{
	struct greenlet *task = green_spawn(same, NULL);

	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert(green_dead(task));
	ck_assert_ptr_eq(green_switch(task, history), history);
	join(task);
}
END_TEST

/* yield, sleep */

static void *note_thrice(void *letter)
{
	for (int i = 0; i < 3; i++) {
		note(*(char *)letter);
		ck_assert_int_eq(green_yield(), 0);
	}
	return NULL;
}

START_TEST(s22_yield_lets_every_other_ready_task_run_first)
{
	struct greenlet *a = green_spawn(note_thrice, "a"), *b = green_spawn(note_thrice, "b");

	green_yield();
	note('|');
	join(a);
	join(b);
	ck_assert_str_eq(history, "ab|abab");
}
END_TEST

START_TEST(s22_a_sleep_of_nothing_or_less_only_yields)
{
	struct greenlet *a = green_spawn(note_thrice, "a");
	int64_t start = clock_now();

	ck_assert_int_eq(green_sleep(0), 0);
	note('0');
	ck_assert_int_eq(green_sleep(-1000), 0);
	note('-');
	join(a);
	assert_took(start, 0);
	ck_assert_str_eq(history, "a0a-a");
}
END_TEST

START_TEST(s22_a_yield_with_nobody_else_returns)
{
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(green_yield(), 0);
}
END_TEST

START_TEST(sleepers_wake_in_the_order_of_their_time)
{
	struct greenlet *tasks[5];

	for (int i = 0; i < 5; i++)
		tasks[i] = green_spawn(sleep_and_note, &"84261"[i]);
	for (int i = 0; i < 5; i++)
		join(tasks[i]);
	ck_assert_str_eq(history, "12468");
}
END_TEST

START_TEST(a_sleep_lasts_at_least_its_time)
{
	for (int ms = 1; ms <= 16; ms *= 4) {
		int64_t start = clock_now();

		ck_assert_int_eq(green_sleep(ms), 0);
		assert_took(start, ms);
	}
}
END_TEST

static void *sleep_for_ms(void *ms)
{
	ck_assert_int_eq(green_sleep((int)(intptr_t)ms), 0);
	count++;
	return NULL;
}

START_TEST(a_thousand_sleepers_sleep_side_by_side)
{
	static struct greenlet *tasks[1000];
	int64_t start = clock_now();

	for (intptr_t i = 0; i < 1000; i++)
		tasks[i] = green_spawn(sleep_for_ms, (void *)(20 + i % 30));
	for (int i = 0; i < 1000; i++)
		join(tasks[i]);
	assert_took(start, 49);
	ck_assert_int_eq(count, 1000);
}
END_TEST

START_TEST(the_longest_sleep_does_not_wrap)
{
	struct greenlet *task = green_spawn(sleep_for_ms, (void *)INT_MAX);

	assert_fails(green_join(task, NULL, 10) == -1, ETIMEDOUT);
	ck_assert_int_eq(count, 0);
}
END_TEST

static void *spoil_errno(void *unused)
{
	errno = ENOENT;
	green_yield();
	ck_assert_int_eq(errno, ENOENT);
	errno = EDOM;
	return unused;
}

START_TEST(g8_errno_is_kept_over_sleep_yield_and_join)
{
	struct greenlet *task = green_spawn(spoil_errno, NULL);

	errno = EXDEV;
	green_yield();
	ck_assert_int_eq(errno, EXDEV);
	green_sleep(1);
	ck_assert_int_eq(errno, EXDEV);
	green_join(task, NULL, -1);
	green_destroy(task);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static void computes(int ms)
{
	int64_t start = clock_now();

	while (ms_since(start) < ms)
		;
}

static int64_t called_at;

static void notes_the_time(void *unused)
{
	(void)unused;
	called_at = clock_now();
}

static void notes_when(struct green_watcher *watcher, int events)
{
	(void)watcher;
	(void)events;
	called_at = clock_now();
}

static void *computes_first(void *ms)
{
	computes((int)(intptr_t)ms);
	return ms;
}

/* H12: neither what the caller has computed before nor what others compute meanwhile shortens a time */
START_TEST(h12_a_time_counts_from_the_moment_of_the_call)
{
	struct green_watcher timer;
	struct green_timeout limit;
	struct green_call call;
	struct greenlet *other;
	int64_t start;

	green_sleep(1);
	computes(40);
	start = clock_now();
	ck_assert_int_eq(green_sleep(30), 0);
	ck_assert_int_ge(ms_since(start), 30);
	computes(40);
	start = clock_now();
	ck_assert_int_eq(green_timeout_start(&limit, 30), 0);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert_int_ge(ms_since(start), 30);
	ck_assert(green_timeout_end(&limit));
	other = green_spawn(computes_first, (void *)40);
	start = clock_now();
	ck_assert_int_eq(green_call_later(&call, 60, notes_the_time, NULL), 0);
	join(other);
	ck_assert_int_eq(green_hub_run(-1), 0);
	ck_assert_int_ge(called_at - start, 60 * NS_PER_MS);
	computes(40);
	start = clock_now();
	ck_assert_int_eq(green_watch_timer(&timer, 30, 0, notes_when, NULL), 0);
	ck_assert_int_eq(green_hub_run(-1), 0);
	ck_assert_int_ge(called_at - start, 30 * NS_PER_MS);
}
END_TEST

START_TEST(now_is_the_monotonic_clock)
{
	int64_t before = clock_now();
	int64_t now = green_now();

	ck_assert_int_ge(now, before);
	ck_assert_int_le(now, clock_now());
}
END_TEST

static void add_spawn_and_join(TCase *tcase)
{
	tcase_add_test(tcase, s1_a_task_starts_at_the_next_iteration_never_inside_spawn);
	tcase_add_test(tcase, a8_a_task_begins_with_its_spawners_context);
	tcase_add_test(tcase, s1_tasks_start_in_the_order_of_their_spawns);
	tcase_add_test(tcase, s1_no_function_is_refused_at_once);
	tcase_add_test(tcase, s5_the_life_of_a_task_can_be_asked_for);
	tcase_add_test(tcase, s20_a_task_knows_itself_and_its_argument);
	tcase_add_test(tcase, s4_the_parent_of_a_task_is_always_the_hub);
	tcase_add_test(tcase, a_handle_may_be_given_back_at_once);
	tcase_add_test(tcase, a_task_that_was_given_back_while_it_sleeps_goes_on);
	tcase_add_test(tcase, tasks_spawn_tasks);
	tcase_add_test(tcase, ten_thousand_tasks_live_at_once);
	tcase_add_test(tcase, s7_join_hands_over_the_result_any_number_of_times);
	tcase_add_test(tcase, s8_several_join_one_task);
	tcase_add_test(tcase, s8_a_join_that_times_out_leaves_the_task_alone);
	tcase_add_test(tcase, s8_one_of_several_joiners_may_time_out);
	tcase_add_test(tcase, a_task_that_joins_itself_gets_edeadlk);
	tcase_add_test(tcase, only_tasks_can_be_joined);
	tcase_add_test(tcase, h2_a_join_that_can_never_end_is_edeadlk);
}

static void add_raw_and_time(TCase *tcase)
{
	tcase_add_test(tcase, a_raw_greenlet_joins_a_task);
	tcase_add_test(tcase, g7_a_raw_greenlet_of_a_task_ends_in_that_task);
	tcase_add_test(tcase, p6_a_raw_greenlet_whose_task_is_gone_ends_in_main);
	tcase_add_test(tcase, e5_a_switch_to_a_dead_task_comes_back_to_main);
	tcase_add_test(tcase, s22_yield_lets_every_other_ready_task_run_first);
	tcase_add_test(tcase, s22_a_sleep_of_nothing_or_less_only_yields);
	tcase_add_test(tcase, s22_a_yield_with_nobody_else_returns);
	tcase_add_test(tcase, sleepers_wake_in_the_order_of_their_time);
	tcase_add_test(tcase, a_sleep_lasts_at_least_its_time);
	tcase_add_test(tcase, a_thousand_sleepers_sleep_side_by_side);
	tcase_add_test(tcase, the_longest_sleep_does_not_wrap);
	tcase_add_test(tcase, g8_errno_is_kept_over_sleep_yield_and_join);
	tcase_add_test(tcase, now_is_the_monotonic_clock);
	tcase_add_test(tcase, h12_a_time_counts_from_the_moment_of_the_call);
}

int main(void)
{
	TCase *tcase = suite_begin("task", WITH_HUB);

	add_spawn_and_join(tcase);
	add_raw_and_time(tcase);
	return suite_end();
}
