/* SPDX-License-Identifier: MIT */
/* test_link.c - what runs when a task has ended */
#include "green.h"
#include "hub/hub.h"
#include "support.h"

static char history[100];
static struct greenlet *told_of;
static char token;

static void note(struct greenlet *task, void *letter)
{
	size_t length = strlen(history);

	ck_assert_uint_lt(length, sizeof(history) - 1);
	ck_assert(green_dead(task));
	told_of = task;
	history[length] = *(char *)letter;
}

static void *same(void *value)
{
	return value;
}

static void *fails(void *value)
{
	green_throw(green_current(), EIO, value);
	return NULL;
}

static void *sleeps(void *value)
{
	green_sleep(10000);
	return value;
}

static void turns(int count)
{
	for (int i = 0; i < count; i++)
		green_yield();
}

static void linked(struct greenlet *task, int when, const char *letter)
{
	ck_assert_int_eq(green_link(task, when, note, (void *)letter), 0);
}

START_TEST(s11_links_run_after_the_end_each_once)
{
	struct greenlet *task = green_spawn(same, &token);

	linked(task, GREEN_ON_END, "a");
	linked(task, GREEN_ON_END, "b");
	linked(task, GREEN_ON_END, "b");
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	turns(3);
	ck_assert_str_eq(history, "abb");
	ck_assert_ptr_eq(told_of, task);
	turns(3);
	ck_assert_str_eq(history, "abb");
	green_destroy(task);
}
END_TEST

START_TEST(s11_on_value_and_on_error)
{
	struct greenlet *good = green_spawn(same, NULL), *bad = green_spawn(fails, NULL), *killed = green_spawn(sleeps, NULL);
	struct greenlet *tasks[] = { good, bad, killed };

	for (int i = 0; i < 3; i++) {
		linked(tasks[i], GREEN_ON_VALUE, &"gbk"[i]);
		linked(tasks[i], GREEN_ON_ERROR, &"GBK"[i]);
	}
	turns(3);
	ck_assert_str_eq(history, "gB");
	/* Asked to end, it has ended well. */
	ck_assert_int_eq(green_kill(killed, -1), 0);
	turns(3);
	ck_assert_str_eq(history, "gBk");
	for (int i = 0; i < 3; i++)
		green_destroy(tasks[i]);
}
END_TEST

START_TEST(s11_one_made_after_the_end_runs_too)
{
	struct greenlet *task = green_spawn(same, NULL);

	green_join(task, NULL, -1);
	linked(task, GREEN_ON_END, "a");
	linked(task, GREEN_ON_ERROR, "x");
	linked(task, GREEN_ON_END | GREEN_LINK_IN_HUB, "h");
	ck_assert_str_eq(history, "");
	green_destroy(task);
	green_sleep(2);
	ck_assert_uint_eq(strlen(history), 2);
	ck_assert(strchr(history, 'a') && strchr(history, 'h'));
}
END_TEST

static struct greenlet *called_in;

static void note_where(struct greenlet *task, void *letter)
{
	note(task, letter);
	called_in = green_current();
}

START_TEST(s11_in_the_hub)
{
	struct greenlet *task = green_spawn(same, NULL);

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_link(task, GREEN_ON_END | GREEN_LINK_IN_HUB, note_where, &"abc"[i]), 0);
	green_join(task, NULL, -1);
	green_sleep(2);
	ck_assert_str_eq(history, "abc");
	ck_assert(called_in != task && called_in != green_current());
	green_destroy(task);
}
END_TEST

static void wakes(struct greenlet *task, void *sleeper)
{
	(void)task;
	green_kill(sleeper, 0);
}

/* A link of the hub is still to come, so a wait that it could end is no deadlock. */
START_TEST(h2_a_link_that_is_due_may_end_a_wait)
{
	struct greenlet *sleeper = green_spawn(sleeps, NULL), *task = green_spawn(same, NULL);

	ck_assert_int_eq(green_link(task, GREEN_ON_END | GREEN_LINK_IN_HUB, wakes, sleeper), 0);
	ck_assert_int_eq(green_join(sleeper, NULL, -1), 0);
	green_destroy(sleeper);
	green_destroy(task);
}
END_TEST

START_TEST(s11_the_handle_stays_good_until_links_have_run)
{
	struct greenlet *early = green_spawn(same, NULL), *late = green_spawn(same, NULL);
	unsigned living = green__hub()->flow->living;

	linked(early, GREEN_ON_END, "a");
	ck_assert_int_eq(green_destroy(early), 0);
	linked(late, GREEN_ON_END, "b");
	linked(late, GREEN_ON_END | GREEN_LINK_IN_HUB, "c");
	linked(late, GREEN_ON_ERROR, "d");
	green_join(late, NULL, -1);
	ck_assert_int_eq(green_destroy(late), 0);
	green_sleep(2);
	ck_assert_uint_eq(strlen(history), 3);
	ck_assert_uint_eq(green__hub()->flow->living, living - 2);
}
END_TEST

START_TEST(s11_a_handle_is_given_back_by_a_link)
{
	for (int i = 0; i < 50; i++) {
		struct greenlet *task = green_spawn(same, NULL);

		linked(task, GREEN_ON_ERROR, "x");
		ck_assert_int_eq(green_link(task, GREEN_ON_END | (i % 2 ? GREEN_LINK_IN_HUB : 0),
					    (void (*)(struct greenlet *, void *))(void *)green_destroy, NULL), 0);
	}
	green_sleep(2);
	ck_assert_uint_eq(green__hub()->flow->living, 2);
}
END_TEST

START_TEST(s11_links_may_be_dropped)
{
	struct greenlet *task = green_spawn(same, NULL);

	linked(task, GREEN_ON_END, "a");
	linked(task, GREEN_ON_END, "b");
	linked(task, GREEN_ON_END, "a");
	ck_assert_uint_eq(green_unlink(task, note, "x"), 0);
	ck_assert_uint_eq(green_unlink(task, note, "b"), 1);
	green_join(task, NULL, -1);
	linked(task, GREEN_ON_END, "c");
	linked(task, GREEN_ON_END | GREEN_LINK_IN_HUB, "c");
	/* They are due, but have not begun. */
	ck_assert_uint_eq(green_unlink(task, note, "x"), 0);
	ck_assert_uint_eq(green_unlink(task, note, "c"), 2);
	ck_assert_uint_eq(green_unlink(task, note, "c"), 0);
	green_sleep(2);
	ck_assert_str_eq(history, "aa");
	green_destroy(task);
}
END_TEST

static void drops_all(struct greenlet *task, void *letter)
{
	note(task, letter);
	ck_assert_uint_eq(green_unlink(task, NULL, NULL), 3);
}

START_TEST(s11_they_may_be_dropped_by_one_of_them)
{
	struct greenlet *task = green_spawn(same, NULL);

	linked(task, GREEN_ON_END, "a");
	ck_assert_int_eq(green_link(task, GREEN_ON_END, drops_all, "b"), 0);
	linked(task, GREEN_ON_END, "c");
	linked(task, GREEN_ON_END, "d");
	linked(task, GREEN_ON_END, "e");
	green_join(task, NULL, -1);
	turns(3);
	ck_assert_str_eq(history, "ab");
	green_destroy(task);
}
END_TEST

static void links_again(struct greenlet *task, void *letter)
{
	note(task, letter);
	linked(task, GREEN_ON_END, "z");
}

static void leaves_an_error(struct greenlet *task, void *letter)
{
	note(task, letter);
	green_throw(green_current(), EIO, NULL);
}

static void blocks(struct greenlet *task, void *letter)
{
	ck_assert_int_eq(green_sleep(100), 0);
	note(task, letter);
}

START_TEST(s11_they_are_tasks_of_their_own)
{
	struct greenlet *task = green_spawn(same, NULL);

	ck_assert_int_eq(green_link(task, GREEN_ON_END, blocks, "a"), 0);
	ck_assert_int_eq(green_link(task, GREEN_ON_END, links_again, "b"), 0);
	ck_assert_int_eq(green_link(task, GREEN_ON_END, leaves_an_error, "c"), 0);
	ck_assert_int_eq(green_link(task, GREEN_ON_END | GREEN_LINK_IN_HUB, leaves_an_error, "h"), 0);
	linked(task, GREEN_ON_END, "d");
	green_destroy(task);
	green_sleep(200);
	ck_assert_uint_eq(strlen(history), 6);
	ck_assert_ptr_nonnull(strstr(history, "bcd"));
	ck_assert_ptr_nonnull(strstr(history, "za"));
}
END_TEST

START_TEST(ck11_links_of_one_that_never_started_run)
{
	struct greenlet *now = green_spawn(sleeps, NULL), *later = green_spawn_later(10000, sleeps, NULL);

	linked(now, GREEN_ON_END, "a");
	linked(later, GREEN_ON_END, "b");
	ck_assert_int_eq(green_kill(now, -1), 0);
	ck_assert_int_eq(green_kill(later, -1), 0);
	turns(2);
	ck_assert_str_eq(history, "ab");
	green_destroy(now);
	green_destroy(later);
}
END_TEST

START_TEST(link_refuses_what_makes_no_sense)
{
	struct greenlet *raw = green_create(same, NULL), *task = green_spawn(same, NULL);

	assert_fails(green_link(NULL, GREEN_ON_END, note, "a") == -1, EINVAL);
	assert_fails(green_link(raw, GREEN_ON_END, note, "a") == -1, EINVAL);
	assert_fails(green_link(task, GREEN_ON_END, NULL, "a") == -1, EINVAL);
	assert_fails(green_link(task, 0, note, "a") == -1, EINVAL);
	assert_fails(green_link(task, GREEN_LINK_IN_HUB, note, "a") == -1, EINVAL);
	assert_fails(green_link(task, 8 | GREEN_ON_END, note, "a") == -1, EINVAL);
	join(task);
	green_destroy(raw);
}
END_TEST

static void *leaves_links_behind(void *unused)
{
	struct greenlet *parked = green_spawn(sleeps, NULL), *ended = green_spawn(same, NULL);

	green_yield();
	linked(parked, GREEN_ON_END, "x");
	linked(parked, GREEN_ON_END | GREEN_LINK_IN_HUB, "x");
	/* These are due when the thread ends. */
	linked(ended, GREEN_ON_END, "y");
	linked(ended, GREEN_ON_END | GREEN_LINK_IN_HUB, "y");
	green_destroy(ended);
	green_destroy(parked);
	return unused;
}

START_TEST(t3_links_end_with_their_kernel_thread)
{
	in_thread(leaves_links_behind, NULL);
	ck_assert_str_eq(history, "");
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("link", WITH_HUB);

	tcase_add_test(tcase, s11_links_run_after_the_end_each_once);
	tcase_add_test(tcase, s11_on_value_and_on_error);
	tcase_add_test(tcase, s11_one_made_after_the_end_runs_too);
	tcase_add_test(tcase, s11_in_the_hub);
	tcase_add_test(tcase, h2_a_link_that_is_due_may_end_a_wait);
	tcase_add_test(tcase, s11_the_handle_stays_good_until_links_have_run);
	tcase_add_test(tcase, s11_a_handle_is_given_back_by_a_link);
	tcase_add_test(tcase, s11_links_may_be_dropped);
	tcase_add_test(tcase, s11_they_may_be_dropped_by_one_of_them);
	tcase_add_test(tcase, s11_they_are_tasks_of_their_own);
	tcase_add_test(tcase, ck11_links_of_one_that_never_started_run);
	tcase_add_test(tcase, link_refuses_what_makes_no_sense);
	tcase_add_test(tcase, t3_links_end_with_their_kernel_thread);
	return suite_end();
}
