/* SPDX-License-Identifier: MIT */
/* test_error.c - errors thrown from greenlet to greenlet, ends that clean up, handles that outlive their thread */
#include <stdio.h>

#include "green.h"
#include "support.h"
#include "switch/greenlet.h"

static struct greenlet *first, *second, *third;
static int calls, cleanups;
static char token;

static struct greenlet *created(void *(*function)(void *), struct greenlet *parent)
{
	struct greenlet *greenlet = green_create(function, parent);

	ck_assert_ptr_nonnull(greenlet);
	return greenlet;
}

static void destroyed(struct greenlet *greenlet)
{
	ck_assert_int_eq(green_destroy(greenlet), 0);
}

/* The caller's pending error is CODE with VALUE; it is cleared. */
static void assert_pending(int code, const void *value)
{
	void *found;

	ck_assert_int_eq(green_error(&found), code);
	ck_assert_ptr_eq(found, value);
	green_error_clear();
	ck_assert_int_eq(green_error(&found), 0);
	ck_assert_ptr_null(found);
}

static void *to_parent(void *value)
{
	return green_switch(green_parent(green_current()), value);
}

static void *counted(void *value)
{
	calls++;
	return value;
}

/* Suspends once; what it is thrown it leaves pending. */
static void *lets_pass(void *value)
{
	to_parent(value);
	cleanups++;
	return "not this";
}

/* Suspends again and again; what it is thrown it clears and says. */
static void *tells_errors(void *value)
{
	for (;;) {
		void *got = to_parent(value);
		int code = green_error(NULL);

		if (!code)
			return got;
		green_error_clear();
		value = (void *)(intptr_t)code;
	}
}

static struct greenlet *suspended(void *(*function)(void *))
{
	struct greenlet *greenlet = created(function, NULL);

	ck_assert_ptr_eq(green_switch(greenlet, &token), &token);
	return greenlet;
}

/* --- throwing --- */

/* MAP3: what the function returns does not count then */
START_TEST(e1_an_error_at_the_end_is_the_parents)
{
	first = suspended(lets_pass);
	assert_fails(!green_throw(first, ENOENT, &token), ENOENT);
	assert_pending(ENOENT, &token);
	ck_assert(green_dead(first));
	ck_assert_int_eq(green_failure(first, NULL), ENOENT);
	destroyed(first);
}
END_TEST

START_TEST(e2_the_end_that_was_asked_for_is_no_error)
{
	first = suspended(lets_pass);
	ck_assert_ptr_eq(green_throw(first, GREEN_EXIT, &token), &token);
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_int_eq(cleanups, 1);
	ck_assert_int_eq(green_failure(first, NULL), 0);
	destroyed(first);
}
END_TEST

START_TEST(e3_the_error_is_pending_where_it_is_thrown)
{
	first = suspended(tells_errors);
	ck_assert_int_eq((intptr_t)green_throw(first, EPIPE, NULL), EPIPE);
	ck_assert_int_eq((intptr_t)green_throw(first, GREEN_CANCELLED, NULL), GREEN_CANCELLED);
	ck_assert_int_eq(green_error(NULL), 0);
	assert_fails(!green_throw(first, 0, NULL), EINVAL);
	assert_fails(!green_throw(first, -1, NULL), EINVAL);
	assert_fails(!green_throw(first, GREEN_TIMEOUT + 1, NULL), EINVAL);
	assert_fails(!green_throw(NULL, EPIPE, NULL), EINVAL);
	ck_assert_ptr_eq(green_switch(first, &calls), &calls);
	destroyed(first);
}
END_TEST

/* CK1: the unstarted */
START_TEST(e4_who_has_not_started_ends_without_being_called)
{
	first = created(counted, NULL);
	ck_assert_ptr_eq(green_throw(first, GREEN_EXIT, &token), &token);
	ck_assert(green_dead(first));
	second = created(counted, NULL);
	assert_fails(!green_throw(second, EIO, &token), EIO);
	assert_pending(EIO, &token);
	ck_assert(green_dead(second));
	ck_assert_int_eq(calls, 0);
	destroyed(first);
	destroyed(second);
}
END_TEST

/* CK1: the dead */
START_TEST(e6_the_dead_pass_it_on)
{
	first = created(counted, NULL);
	green_switch(first, NULL);
	ck_assert_ptr_eq(green_throw(first, GREEN_EXIT, &token), &token);
	ck_assert_int_eq(green_error(NULL), 0);
	assert_fails(!green_throw(first, EIO, &token), EIO);
	assert_pending(EIO, &token);
	destroyed(first);
}
END_TEST

/* MAP4: that is how an error of one's own is raised. */
START_TEST(e7_to_oneself_it_comes_back_at_once)
{
	assert_fails(!green_throw(green_current(), ERANGE, &token), ERANGE);
	assert_pending(ERANGE, &token);
	assert_fails(!green_throw(green_current(), GREEN_TIMEOUT, NULL), ETIMEDOUT);
	assert_pending(GREEN_TIMEOUT, NULL);
}
END_TEST

/* CX1: at once, refused, and again. */
START_TEST(e8_nobody_is_forced_to_end)
{
	first = suspended(tells_errors);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq((intptr_t)green_throw(first, GREEN_EXIT, NULL), GREEN_EXIT);
	ck_assert(!green_dead(first));
	green_switch(first, NULL);
	destroyed(first);
}
END_TEST

/* Whoever fails with an error that is pending already and switches on sees values again. */
static void *fails_once(void *value)
{
	ck_assert_ptr_null(to_parent(value));
	ck_assert_int_eq(errno, EIO);
	ck_assert_ptr_eq(to_parent(NULL), &calls);
	ck_assert_int_eq(green_error(NULL), EIO);
	ck_assert_ptr_null(to_parent(NULL));
	ck_assert_int_eq(green_error(NULL), ENOSPC);
	return NULL;
}

/* MAP6: the older of two is not kept. */
START_TEST(map2_one_call_fails_and_the_newer_error_stays)
{
	first = suspended(fails_once);
	green_throw(first, EIO, NULL);
	green_switch(first, &calls);
	assert_fails(!green_throw(first, ENOSPC, NULL), ENOSPC);
	assert_pending(ENOSPC, NULL);
	ck_assert(green_dead(first));
	destroyed(first);
}
END_TEST

START_TEST(g8_an_error_is_its_greenlets_alone)
{
	first = suspended(lets_pass);
	assert_fails(!green_throw(green_current(), EDOM, &token), EDOM);
	second = created(counted, NULL);
	ck_assert_ptr_eq(green_switch(second, &calls), &calls);
	ck_assert_int_eq(green_failure(second, NULL), 0);
	assert_pending(EDOM, &token);
	green_throw(first, GREEN_EXIT, NULL);
	destroyed(first);
	destroyed(second);
}
END_TEST

/* General handling of errors, as programs have it: ordinary ones end here, control goes on. */
static void *handles_ordinary(void *value)
{
	for (;;) {
		value = to_parent(value);
		if (value || green_error_is_control(green_error(NULL)))
			return value;
		green_error_clear();
	}
}

START_TEST(map5_control_is_told_from_ordinary_errors)
{
	first = suspended(handles_ordinary);
	for (int code = 1; code < 134; code++) {
		ck_assert(!green_error_is_control(code));
		ck_assert_ptr_null(green_throw(first, code, NULL));
		ck_assert(!green_dead(first));
	}
	assert_fails(!green_throw(first, GREEN_CANCELLED, &token), ECANCELED);
	assert_pending(GREEN_CANCELLED, &token);
	ck_assert(green_dead(first));
	destroyed(first);
}
END_TEST

START_TEST(codes_have_names_and_numbers)
{
	ck_assert_str_eq(green_error_name(GREEN_EXIT), "GREEN_EXIT");
	ck_assert_str_eq(green_error_name(GREEN_CANCELLED), "GREEN_CANCELLED");
	ck_assert_str_eq(green_error_name(GREEN_TIMEOUT), "GREEN_TIMEOUT");
	ck_assert_str_eq(green_error_name(ENOENT), "ENOENT");
	ck_assert_str_eq(green_error_name(0), "0");
	ck_assert_str_eq(green_error_name(-5), "unknown");
	ck_assert_str_eq(green_error_name(4000), "unknown");
	ck_assert_int_eq(green_error_number(GREEN_EXIT), ECANCELED);
	ck_assert_int_eq(green_error_number(GREEN_CANCELLED), ECANCELED);
	ck_assert_int_eq(green_error_number(GREEN_TIMEOUT), ETIMEDOUT);
	ck_assert_int_eq(green_error_number(ENOENT), ENOENT);
	ck_assert(green_error_is_control(GREEN_EXIT) && green_error_is_control(GREEN_TIMEOUT));
	ck_assert(!green_error_is_control(ENOENT) && !green_error_is_control(0));
}
END_TEST

/* --- parents --- */

START_TEST(p5_the_parent_of_that_moment_gets_the_error)
{
	second = suspended(tells_errors);
	first = suspended(lets_pass);
	ck_assert_int_eq(green_set_parent(first, second), 0);
	ck_assert_int_eq((intptr_t)green_throw(first, EIO, NULL), EIO);
	ck_assert_int_eq(green_error(NULL), 0);
	green_switch(second, NULL);
	destroyed(first);
	destroyed(second);
}
END_TEST

START_TEST(p7_a_parent_that_has_not_started_starts_with_the_result)
{
	second = created(counted, NULL);
	first = created(counted, second);
	ck_assert_ptr_eq(green_switch(first, &token), &token);
	ck_assert_int_eq(calls, 2);
	ck_assert(green_dead(first) && green_dead(second));
	destroyed(first);
	destroyed(second);
}
END_TEST

START_TEST(p8_an_error_ends_parents_that_have_not_started)
{
	third = created(counted, NULL);
	second = created(counted, third);
	first = suspended(lets_pass);
	ck_assert_int_eq(green_set_parent(first, second), 0);
	assert_fails(!green_throw(first, EIO, &token), EIO);
	assert_pending(EIO, &token);
	ck_assert(green_dead(second) && green_dead(third));
	ck_assert_int_eq(calls, 0);
	destroyed(first);
	destroyed(second);
	destroyed(third);
}
END_TEST

/* --- giving back --- */

/* CK4: clean-up */
START_TEST(z1_destroying_lets_a_suspended_one_clean_up)
{
	struct greenlet *parent = created(counted, NULL);

	first = suspended(lets_pass);
	ck_assert_int_eq(green_set_parent(first, parent), 0);
	errno = EDOM;
	destroyed(first);
	ck_assert_int_eq(errno, EDOM);
	ck_assert_int_eq(cleanups, 1);
	ck_assert_int_eq(calls, 0);
	destroyed(parent);
}
END_TEST

static void *fails_in_cleanup(void *value)
{
	to_parent(value);
	green_throw(green_current(), EIO, NULL);
	return NULL;
}

START_TEST(z2_what_fails_in_its_cleanup_is_dropped)
{
	first = suspended(fails_in_cleanup);
	green_throw(green_current(), EDOM, &token);
	destroyed(first);
	assert_pending(EDOM, &token);
}
END_TEST

START_TEST(z2_who_refuses_to_end_stays)
{
	struct greenlet *parent = green_current();

	first = suspended(tells_errors);
	assert_fails(green_destroy(first) == -1, EBUSY);
	ck_assert(!green_dead(first));
	ck_assert_ptr_eq(green_parent(first), parent);
	ck_assert_ptr_eq(green_switch(first, &token), &token);
	destroyed(first);
}
END_TEST

/* --- threads --- */

static void *leave_behind(void *handles)
{
	((struct greenlet **)handles)[0] = suspended(lets_pass);
	((struct greenlet **)handles)[1] = created(counted, NULL);
	((struct greenlet **)handles)[2] = created(counted, NULL);
	green_switch(((struct greenlet **)handles)[2], NULL);
	return NULL;
}

/* T4, CK4: and nothing cleans them up */
START_TEST(t3_greenlets_of_a_thread_that_has_ended_are_lost)
{
	struct greenlet *handles[3];

	in_thread(leave_behind, handles);
	ck_assert_int_eq(green_state(handles[0]), GREEN_LOST);
	ck_assert_int_eq(green_state(handles[1]), GREEN_LOST);
	ck_assert_int_eq(green_state(handles[2]), GREEN_ENDED);
	ck_assert(green_dead(handles[0]));
	assert_fails(!green_switch(handles[0], NULL), ESRCH);
	assert_fails(!green_throw(handles[1], EIO, NULL), ESRCH);
	assert_fails(!green_switch(handles[2], NULL), ESRCH);
	first = created(counted, NULL);
	assert_fails(green_set_parent(first, handles[0]) == -1, ESRCH);
	assert_fails(green_set_context(handles[0], NULL) == -1, ESRCH);
	destroyed(first);
	for (int i = 0; i < 3; i++)
		destroyed(handles[i]);
	ck_assert_int_eq(cleanups, 0);
}
END_TEST

START_TEST(t4_the_main_greenlet_of_a_thread_that_has_ended_is_dead)
{
	struct greenlet *handles[3];

	in_thread(leave_behind, handles);
	ck_assert_int_eq(green_state(green_parent(handles[0])), GREEN_LOST);
	ck_assert(green_dead(green_parent(handles[0])));
	for (int i = 0; i < 3; i++)
		destroyed(handles[i]);
	ck_assert_int_eq(cleanups, 0);
}
END_TEST

static void *has_foreign_parent(void *greenlet)
{
	struct greenlet *own = created(counted, NULL);

	assert_fails(!green_create(counted, greenlet), EPERM);
	assert_fails(green_set_parent(own, greenlet) == -1, EPERM);
	assert_fails(green_set_parent(greenlet, own) == -1, EPERM);
	ck_assert_ptr_eq(green_parent(own), green_current());
	destroyed(own);
	return NULL;
}

START_TEST(p4_a_parent_of_another_thread_is_refused)
{
	first = suspended(lets_pass);
	in_thread(has_foreign_parent, first);
	ck_assert_ptr_eq(green_parent(first), green_current());
	destroyed(first);
}
END_TEST

static void *destroy_here(void *greenlet)
{
	destroyed(greenlet);
	return NULL;
}

START_TEST(t6_another_thread_may_give_back)
{
	first = created(counted, NULL);
	second = suspended(lets_pass);
	in_thread(destroy_here, first);
	in_thread(destroy_here, second);
	ck_assert_int_eq(cleanups, 0);
	third = created(counted, NULL);
	ck_assert_int_eq(cleanups, 1);
	destroyed(third);
}
END_TEST

/* --- questions --- */

static void *asks_for_own_state(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)green_state(green_current());
}

START_TEST(g12_states_have_names)
{
	first = created(asks_for_own_state, NULL);
	ck_assert_int_eq(green_state(first), GREEN_UNSTARTED);
	ck_assert_int_eq((intptr_t)green_switch(first, NULL), GREEN_RUNNING);
	ck_assert_int_eq(green_state(first), GREEN_ENDED);
	second = suspended(lets_pass);
	ck_assert_int_eq(green_state(second), GREEN_SUSPENDED);
	ck_assert_int_eq(green_state(green_current()), GREEN_RUNNING);
	ck_assert_str_eq(green_state_name(GREEN_SUSPENDED), "suspended");
	ck_assert_str_eq(green_state_name(GREEN_LOST), "lost");
	ck_assert_str_eq(green_state_name((enum green_state)77), "unknown");
	destroyed(first);
	destroyed(second);
}
END_TEST

START_TEST(i6_each_has_a_pointer_for_the_program)
{
	first = created(counted, NULL);
	ck_assert_ptr_null(green_data(first));
	green_set_data(first, &token);
	ck_assert_ptr_null(green_data(green_current()));
	green_set_data(green_current(), &calls);
	ck_assert_ptr_eq(green_data(first), &token);
	ck_assert_ptr_eq(green_data(green_current()), &calls);
	green_set_data(green_current(), NULL);
	destroyed(first);
}
END_TEST

static void *sets_context(void *value)
{
	ck_assert_ptr_null(green_context(green_current()));
	ck_assert_int_eq(green_set_context(green_current(), value), 0);
	to_parent(NULL);
	ck_assert_ptr_eq(green_context(green_current()), value);
	return NULL;
}

static void *refused_context(void *greenlet)
{
	assert_fails(green_set_context(greenlet, NULL) == -1, EPERM);
	ck_assert_ptr_null(green_context(green_current()));
	return NULL;
}

START_TEST(i5_a_context_is_its_greenlets_alone_and_empty_at_first)
{
	ck_assert_int_eq(green_set_context(green_current(), &calls), 0);
	first = created(sets_context, NULL);
	green_switch(first, &token);
	ck_assert_ptr_eq(green_context(green_current()), &calls);
	ck_assert_ptr_eq(green_context(first), &token);
	in_thread(refused_context, first);
	ck_assert_ptr_eq(green_context(first), &token);
	green_switch(first, NULL);
	ck_assert_int_eq(green_set_context(first, NULL), 0);
	ck_assert_ptr_null(green_context(first));
	assert_fails(green_set_context(NULL, &token) == -1, EINVAL);
	ck_assert_int_eq(green_set_context(green_current(), NULL), 0);
	destroyed(first);
}
END_TEST

/* --- the tracer --- */

static char trail[200];

static const char *short_name(const struct greenlet *greenlet)
{
	return !greenlet ? "gone" : green_name(greenlet);
}

static int note(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *argument)
{
	size_t length = strlen(trail);

	ck_assert_ptr_eq(argument, &token);
	ck_assert_ptr_eq(target, green_current());
	snprintf(trail + length, sizeof(trail) - length, "%s%s>%s ", event == GREEN_TRACE_THROW ? "!" : "", short_name(origin),
		 short_name(target));
	return 0;
}

static struct greenlet *named(void *(*function)(void *), const char *name)
{
	struct greenlet *greenlet = created(function, NULL);

	green_set_name(greenlet, name);
	return greenlet;
}

START_TEST(i2_the_tracer_sees_every_switch)
{
	first = named(tells_errors, "a");
	second = named(counted, "b");
	trail[0] = '\0';
	ck_assert_ptr_null(green_set_tracer(note, &token));
	green_switch(first, NULL);
	green_throw(first, EIO, NULL);
	green_switch(green_current(), NULL);
	green_switch(second, NULL);
	green_switch(second, NULL);
	green_switch(first, NULL);
	ck_assert_ptr_eq(green_set_tracer(NULL, NULL), note);
	ck_assert_str_eq(trail, "main>a a>main !main>a a>main main>main main>b b>main main>main main>a a>main ");
	destroyed(first);
	destroyed(second);
}
END_TEST

static int complain(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *argument)
{
	(void)event;
	(void)origin;
	(void)argument;
	return target == first ? EILSEQ : 0;
}

/* CK2: a tracer that fails */
START_TEST(i3_a_tracer_that_fails_is_removed_and_its_error_thrown)
{
	first = suspended(tells_errors);
	green_set_tracer(complain, NULL);
	ck_assert_int_eq((intptr_t)green_switch(first, &token), EILSEQ);
	ck_assert_ptr_null(green_set_tracer(NULL, NULL));
	green_switch(first, NULL);
	destroyed(first);
}
END_TEST

/* In the start of FIRST, SECOND runs, which switches to FIRST. */
static int detours(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *argument)
{
	(void)event;
	(void)origin;
	if (target == first && calls == 0)
		ck_assert_ptr_eq(green_switch(second, NULL), argument);
	return 0;
}

static void *switches_to_first(void *unused)
{
	(void)unused;
	ck_assert_int_eq(green_state(first), GREEN_SUSPENDED);
	return green_switch(first, &token);
}

START_TEST(g4_one_that_a_tracer_holds_up_has_started)
{
	first = created(counted, NULL);
	second = created(switches_to_first, NULL);
	green_set_tracer(detours, &token);
	ck_assert_ptr_eq(green_switch(first, &cleanups), &cleanups);
	green_set_tracer(NULL, NULL);
	ck_assert_int_eq(calls, 1);
	ck_assert(green_dead(first));
	green_switch(second, NULL);
	destroyed(first);
	destroyed(second);
}
END_TEST

static int wander(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *argument)
{
	(void)event;
	(void)origin;
	(void)argument;
	/* Somebody else's turn, between a switch and its return. */
	if (target == first || target == second)
		ck_assert_ptr_eq(green_switch(third, &calls), &calls);
	return 0;
}

static void *echoes(void *value)
{
	while (!green_error(NULL))
		value = to_parent(value);
	return NULL;
}

/* CK2: a switch within a switch */
START_TEST(e10_a_tracer_may_switch_itself)
{
	struct greenlet *main = green_current();

	third = suspended(echoes);
	first = suspended(echoes);
	second = suspended(tells_errors);
	green_set_tracer(wander, NULL);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(green_set_parent(third, first), 0);
		ck_assert_ptr_eq(green_switch(first, &token), &token);
		ck_assert_int_eq(green_set_parent(third, second), 0);
		ck_assert_int_eq((intptr_t)green_throw(second, EIO, NULL), EIO);
	}
	green_set_tracer(NULL, NULL);
	ck_assert_int_eq(green_set_parent(third, main), 0);
	green_switch(second, NULL);
	destroyed(first);
	destroyed(second);
	destroyed(third);
}
END_TEST

static void reset(void)
{
	calls = cleanups = 0;
}

int main(void)
{
	TCase *tests = suite_begin("error", WITHOUT_HUB);

	tcase_add_checked_fixture(tests, reset, NULL);
	tcase_add_test(tests, e1_an_error_at_the_end_is_the_parents);
	tcase_add_test(tests, e2_the_end_that_was_asked_for_is_no_error);
	tcase_add_test(tests, e3_the_error_is_pending_where_it_is_thrown);
	tcase_add_test(tests, e4_who_has_not_started_ends_without_being_called);
	tcase_add_test(tests, e6_the_dead_pass_it_on);
	tcase_add_test(tests, e7_to_oneself_it_comes_back_at_once);
	tcase_add_test(tests, e8_nobody_is_forced_to_end);
	tcase_add_test(tests, map2_one_call_fails_and_the_newer_error_stays);
	tcase_add_test(tests, g8_an_error_is_its_greenlets_alone);
	tcase_add_test(tests, map5_control_is_told_from_ordinary_errors);
	tcase_add_test(tests, codes_have_names_and_numbers);
	tcase_add_test(tests, p5_the_parent_of_that_moment_gets_the_error);
	tcase_add_test(tests, p7_a_parent_that_has_not_started_starts_with_the_result);
	tcase_add_test(tests, p8_an_error_ends_parents_that_have_not_started);
	tcase_add_test(tests, z1_destroying_lets_a_suspended_one_clean_up);
	tcase_add_test(tests, z2_what_fails_in_its_cleanup_is_dropped);
	tcase_add_test(tests, z2_who_refuses_to_end_stays);
	tcase_add_test(tests, t3_greenlets_of_a_thread_that_has_ended_are_lost);
	tcase_add_test(tests, t4_the_main_greenlet_of_a_thread_that_has_ended_is_dead);
	tcase_add_test(tests, p4_a_parent_of_another_thread_is_refused);
	tcase_add_test(tests, t6_another_thread_may_give_back);
	tcase_add_test(tests, g12_states_have_names);
	tcase_add_test(tests, i5_a_context_is_its_greenlets_alone_and_empty_at_first);
	tcase_add_test(tests, i6_each_has_a_pointer_for_the_program);
	tcase_add_test(tests, i2_the_tracer_sees_every_switch);
	tcase_add_test(tests, i3_a_tracer_that_fails_is_removed_and_its_error_thrown);
	tcase_add_test(tests, g4_one_that_a_tracer_holds_up_has_started);
	tcase_add_test(tests, e10_a_tracer_may_switch_itself);
	return suite_end();
}
