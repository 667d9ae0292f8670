/* SPDX-License-Identifier: MIT */
/* test_greenlet.c - create, switch with a value, parent, end; no hub is needed for any of it */
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "green.h"
#include "support.h"
#include "switch/greenlet.h"

static struct greenlet *first, *second, *third;
static int calls;

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

static void *nothing(void *value)
{
	calls++;
	return value;
}

/* Hands every value back to its parent, one higher, until it gets NULL; then ends with 99. */
static void *one_higher(void *value)
{
	while (value)
		value = green_switch(green_parent(green_current()), (char *)value + 1);
	return (void *)99;
}

/* Creation and values. */

START_TEST(g1_the_parent_is_who_creates)
{
	struct greenlet *main = green_current();

	first = created(nothing, NULL);
	ck_assert_ptr_eq(green_parent(first), main);
	second = created(nothing, first);
	ck_assert_ptr_eq(green_parent(second), first);
	destroyed(second);
	destroyed(first);
}
END_TEST

START_TEST(g2_the_first_switch_calls_the_function_with_its_value)
{
	first = created(nothing, NULL);
	ck_assert_int_eq(calls, 0);
	ck_assert_ptr_eq(green_switch(first, &calls), &calls);
	ck_assert_int_eq(calls, 1);
	destroyed(first);
}
END_TEST

START_TEST(g3_a_greenlet_without_function_is_refused)
{
	assert_fails(!green_create(NULL, NULL), EINVAL);
}
END_TEST

START_TEST(g5_values_go_back_and_forth_untouched)
{
	first = created(one_higher, NULL);
	for (uintptr_t i = 1; i < 10000; i++)
		ck_assert_uint_eq((uintptr_t)green_switch(first, (void *)i), i + 1);
	ck_assert_uint_eq((uintptr_t)green_switch(first, NULL), 99);
	ck_assert(green_dead(first));
	destroyed(first);
}
END_TEST

START_TEST(g6_a_switch_to_oneself_returns_its_value)
{
	uint64_t before;

	green_current();
	before = green__current->flow->stats->switches;
	ck_assert_ptr_eq(green_switch(green_current(), &calls), &calls);
	ck_assert_uint_eq(green__current->flow->stats->switches, before);
}
END_TEST

/* CK1: the way to the parent */
START_TEST(g7_the_result_goes_to_the_parent)
{
	first = created(nothing, NULL);
	second = created(nothing, NULL);
	ck_assert_ptr_eq(green_switch(first, "one"), "one");
	ck_assert_ptr_eq(green_switch(second, "two"), "two");
	ck_assert(green_dead(first) && green_dead(second));
	destroyed(first);
	destroyed(second);
}
END_TEST

static void *change_errno(void *value)
{
	ck_assert_int_eq(errno, 0);
	errno = ENOENT;
	green_switch(green_parent(green_current()), NULL);
	ck_assert_int_eq(errno, ENOENT);
	return value;
}

/* CK3: errno */
START_TEST(g8_errno_is_kept_for_each_greenlet)
{
	first = created(change_errno, NULL);
	errno = EXDEV;
	green_switch(first, NULL);
	ck_assert_int_eq(errno, EXDEV);
	errno = EDOM;
	green_switch(first, NULL);
	ck_assert_int_eq(errno, EDOM);
	destroyed(first);
}
END_TEST

static void *round_upwards(void *value)
{
	fesetround(FE_UPWARD);
	green_switch(green_parent(green_current()), NULL);
	ck_assert_int_eq(fegetround(), FE_UPWARD);
	return value;
}

/* CK3: control words */
START_TEST(g9_the_rounding_mode_is_kept_for_each_greenlet)
{
	first = created(round_upwards, NULL);
	green_switch(first, NULL);
	ck_assert_int_eq(fegetround(), FE_TONEAREST);
	fesetround(FE_DOWNWARD);
	green_switch(first, NULL);
	ck_assert_int_eq(fegetround(), FE_DOWNWARD);
	fesetround(FE_TONEAREST);
	destroyed(first);
}
END_TEST

START_TEST(g11_dead_means_finished)
{
	first = created(one_higher, NULL);
	ck_assert(!green_dead(first));
	ck_assert_int_eq(first->state, GREENLET_UNSTARTED);
	green_switch(first, (void *)1);
	ck_assert(!green_dead(first));
	ck_assert_int_eq(first->state, GREENLET_ACTIVE);
	green_switch(first, NULL);
	ck_assert(green_dead(first));
	destroyed(first);
}
END_TEST

/* Parents. */

START_TEST(p1_main_has_no_parent_and_never_gets_one)
{
	first = created(nothing, NULL);
	ck_assert_ptr_null(green_parent(green_current()));
	assert_fails(green_set_parent(green_current(), first) == -1, EINVAL);
	ck_assert_ptr_null(green_parent(green_current()));
	destroyed(first);
}
END_TEST

START_TEST(p2_the_parent_may_change_while_active)
{
	first = created(one_higher, NULL);
	second = created(nothing, NULL);
	green_switch(first, (void *)1);
	ck_assert_int_eq(green_set_parent(first, second), 0);
	ck_assert_ptr_eq(green_parent(first), second);
	assert_fails(green_set_parent(first, NULL) == -1, EINVAL);
	assert_fails(green_set_parent(NULL, first) == -1, EINVAL);
	ck_assert_ptr_eq(green_parent(first), second);
	ck_assert_uint_eq((uintptr_t)green_switch(first, NULL), 99);
	destroyed(first);
	destroyed(second);
}
END_TEST

/* CK1: cycles */
START_TEST(p3_a_cycle_of_parents_is_refused)
{
	first = created(nothing, NULL);
	second = created(nothing, first);
	third = created(nothing, second);
	assert_fails(green_set_parent(first, first) == -1, EINVAL);
	assert_fails(green_set_parent(first, second) == -1, EINVAL);
	assert_fails(green_set_parent(first, third) == -1, EINVAL);
	ck_assert_int_eq(green_set_parent(third, first), 0);
	destroyed(third);
	destroyed(second);
	destroyed(first);
}
END_TEST

static void *end_with_parent_changed(void *value)
{
	ck_assert_int_eq(green_set_parent(green_current(), third), 0);
	return value;
}

static void *resumed_with(void *unused)
{
	void *value;

	(void)unused;
	value = green_switch(green_parent(green_current()), "ready");
	calls = 10;
	return value;
}

START_TEST(p5_the_parent_of_that_moment_receives_not_the_creator_nor_the_switcher)
{
	third = created(resumed_with, NULL);
	ck_assert_str_eq(green_switch(third, NULL), "ready");
	first = created(end_with_parent_changed, NULL);
	ck_assert_str_eq(green_switch(first, "result"), "result");
	ck_assert_int_eq(calls, 10);
	ck_assert(green_dead(third));
	destroyed(first);
	destroyed(third);
}
END_TEST

START_TEST(p6_the_nearest_living_ancestor_receives)
{
	first = created(nothing, NULL);
	second = created(nothing, first);
	third = created(nothing, second);
	green_switch(first, NULL);
	green_switch(second, NULL);
	ck_assert(green_dead(first) && green_dead(second));
	ck_assert_str_eq(green_switch(third, "to main"), "to main");
	destroyed(third);
	destroyed(second);
	destroyed(first);
}
END_TEST

START_TEST(p6_a_parent_that_was_destroyed_leaves_its_children_to_its_own_parent)
{
	struct greenlet *others[3];

	first = created(nothing, NULL);
	second = created(nothing, first);
	third = created(one_higher, second);
	green_switch(third, (void *)1);
	green_switch(second, NULL);
	destroyed(second);
	ck_assert_ptr_eq(green_parent(third), first);
	destroyed(first);
	ck_assert_ptr_eq(green_parent(third), green_current());
	/* Their memory belongs to others now. */
	for (int i = 0; i < 3; i++)
		others[i] = created(nothing, NULL);
	ck_assert_uint_eq((uintptr_t)green_switch(third, NULL), 99);
	destroyed(third);
	for (int i = 0; i < 3; i++)
		destroyed(others[i]);
}
END_TEST

START_TEST(p7_an_unstarted_parent_is_started_with_the_result)
{
	second = created(nothing, NULL);
	first = created(nothing, second);
	ck_assert_str_eq(green_switch(first, "handed on"), "handed on");
	ck_assert_int_eq(calls, 2);
	ck_assert(green_dead(second));
	destroyed(first);
	destroyed(second);
}
END_TEST

static void *switch_across(void *unused)
{
	(void)unused;
	calls++;
	green_switch(second, NULL);
	calls += 100;
	return NULL;
}

static void *back_across(void *unused)
{
	(void)unused;
	calls += 10;
	green_switch(first, NULL);
	ck_abort_msg("nobody has switched back");
	return NULL;
}

START_TEST(p9_switching_is_symmetric_and_makes_no_hub)
{
	first = created(switch_across, NULL);
	second = created(back_across, NULL);
	green_switch(first, NULL);
	ck_assert_int_eq(calls, 111);
	ck_assert(green_dead(first) && !green_dead(second));
	ck_assert_ptr_null(green__current->flow->hub);
	destroyed(first);
}
END_TEST

/* Dead and unstarted targets, handles. */

START_TEST(e5_a_dead_target_stands_for_its_nearest_living_ancestor)
{
	first = created(nothing, NULL);
	second = created(nothing, first);
	green_switch(second, NULL);
	/* The parent was unstarted, so it has ended with that result too. */
	ck_assert(green_dead(first));
	ck_assert_ptr_eq(green_switch(second, &calls), &calls);
	ck_assert_ptr_eq(green_switch(first, NULL), NULL);
	destroyed(first);
	destroyed(second);
}
END_TEST

static void *switch_to_dead(void *dead)
{
	return green_switch(dead, "to the ancestor");
}

START_TEST(e5_another_greenlet_reaches_the_ancestor_through_the_dead)
{
	first = created(nothing, NULL);
	green_switch(first, NULL);
	second = created(switch_to_dead, NULL);
	ck_assert_str_eq(green_switch(second, first), "to the ancestor");
	ck_assert(!green_dead(second));
	green_switch(second, NULL);
	destroyed(first);
	destroyed(second);
}
END_TEST

START_TEST(destroy_takes_unstarted_suspended_and_dead)
{
	first = created(one_higher, NULL);
	destroyed(first);
	first = created(one_higher, NULL);
	green_switch(first, (void *)1);
	destroyed(first);
	first = created(one_higher, NULL);
	green_switch(first, NULL);
	destroyed(first);
	ck_assert_int_eq(green_destroy(NULL), 0);
}
END_TEST

START_TEST(destroy_and_switch_refuse_what_makes_no_sense)
{
	assert_fails(green_destroy(green_current()) == -1, EINVAL);
	assert_fails(!green_switch(NULL, &calls), EINVAL);
}
END_TEST

/* All that may be asked, whatever its state. */
static void assert_answers(struct greenlet *greenlet, enum green_state state)
{
	ck_assert_int_eq(green_state(greenlet), state);
	ck_assert_int_eq(green_dead(greenlet), state == GREEN_ENDED || state == GREEN_LOST);
	ck_assert_str_eq(green_name(greenlet), "asked");
	ck_assert_ptr_eq(green_data(greenlet), &calls);
	ck_assert_ptr_eq(green_context(greenlet), &first);
	ck_assert_int_eq(green_failure(greenlet, NULL), 0);
}

static struct greenlet *asked(void)
{
	struct greenlet *greenlet = created(one_higher, NULL);

	ck_assert_int_eq(green_set_name(greenlet, "asked"), 0);
	green_set_data(greenlet, &calls);
	ck_assert_int_eq(green_set_context(greenlet, &first), 0);
	return greenlet;
}

static void *leaves_asked(void *unused)
{
	first = asked();
	green_switch(first, &calls);
	return unused;
}

START_TEST(g10_a_handle_is_good_until_it_is_given_back)
{
	first = asked();
	assert_answers(first, GREEN_UNSTARTED);
	green_switch(first, &calls);
	assert_answers(first, GREEN_SUSPENDED);
	green_switch(first, NULL);
	assert_answers(first, GREEN_ENDED);
	ck_assert_ptr_eq(green_parent(first), green_current());
	destroyed(first);
	in_thread(leaves_asked, NULL);
	assert_answers(first, GREEN_LOST);
	destroyed(first);
}
END_TEST

START_TEST(i7_main_is_an_ordinary_greenlet)
{
	struct greenlet *main = green_current();

	ck_assert_ptr_eq(green_current(), main);
	ck_assert(!green_dead(main));
	ck_assert_str_eq(green_name(main), "main");
	ck_assert_int_eq(green_set_name(main, "boss"), 0);
	ck_assert_str_eq(green_name(main), "boss");
}
END_TEST

START_TEST(names_are_copied_and_cut)
{
	char name[] = "a name that is longer than thirty-one bytes";

	first = created(nothing, NULL);
	ck_assert(strncmp(green_name(first), "greenlet-", 9) == 0);
	ck_assert_int_eq(green_set_name(first, name), 0);
	name[0] = 'X';
	ck_assert_str_eq(green_name(first), "a name that is longer than thir");
	assert_fails(green_set_name(first, NULL) == -1, EINVAL);
	assert_fails(green_set_name(NULL, "x") == -1, EINVAL);
	destroyed(first);
}
END_TEST

START_TEST(calls_that_succeed_leave_errno_alone)
{
	errno = EXDEV;
	first = created(nothing, NULL);
	green_switch(first, NULL);
	green_set_name(first, "x");
	destroyed(first);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

/* Many, deep, again and again. */

static void *nest(void *value)
{
	uintptr_t depth = (uintptr_t)value;
	struct greenlet *inner;

	if (depth == 0)
		return (void *)1;
	inner = created(nest, NULL);
	value = green_switch(inner, (void *)(depth - 1));
	destroyed(inner);
	return (char *)value + 1;
}

START_TEST(a_chain_of_a_thousand_parents_returns_through_all)
{
	ck_assert_uint_eq((uintptr_t)nest((void *)1000), 1001);
}
END_TEST

static GREEN_NOINLINE uintptr_t descend(uintptr_t depth)
{
	volatile char frame[64];

	frame[0] = 1;
	if (depth == 0)
		return (uintptr_t)green_switch(green_parent(green_current()), "deep");
	return descend(depth - 1) + (uintptr_t)frame[0];
}

static void *go_deep(void *depth)
{
	return (void *)descend((uintptr_t)depth);
}

START_TEST(a_deep_chain_of_calls_is_kept_over_a_switch)
{
	first = created(go_deep, NULL);
	ck_assert_str_eq(green_switch(first, (void *)500), "deep");
	ck_assert_uint_eq((uintptr_t)green_switch(first, (void *)7), 507);
	destroyed(first);
}
END_TEST

START_TEST(t7_ten_thousand_lives_use_one_stack)
{
	struct stack *stack = NULL;

	for (int i = 0; i < 10000; i++) {
		first = created(nothing, NULL);
		if (stack)
			ck_assert_ptr_eq(first->stack, stack);
		stack = first->stack;
		if (i % 3)
			green_switch(first, NULL);
		destroyed(first);
	}
}
END_TEST

START_TEST(thousands_of_suspended_greenlets_keep_their_values)
{
	static struct greenlet *greenlets[3000];

	ck_assert_int_eq(green_set_stack_size(16 * 1024), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(greenlets); i++)
		greenlets[i] = created(one_higher, NULL);
	for (uintptr_t round = 1; round < 4; round++) {
		for (uintptr_t i = 0; i < ARRAY_LENGTH(greenlets); i++)
			ck_assert_uint_eq((uintptr_t)green_switch(greenlets[i], (void *)(i + round)), i + round + 1);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(greenlets); i++) {
		green_switch(greenlets[i], NULL);
		destroyed(greenlets[i]);
	}
}
END_TEST

static void *jump(void *value)
{
	jmp_buf place;

	if (setjmp(place) == 0) {
		green_switch(green_parent(green_current()), NULL);
		longjmp(place, 1);
	}
	return value;
}

START_TEST(e9_longjmp_works_inside_one_greenlet)
{
	first = created(jump, NULL);
	ck_assert_ptr_null(green_switch(first, &calls));
	ck_assert_ptr_eq(green_switch(first, NULL), &calls);
	destroyed(first);
}
END_TEST

static void *lends_local(void *value)
{
	intptr_t local = 1;

	while (value) {
		value = green_switch(green_parent(green_current()), &local);
		calls = (int)local;
	}
	return NULL;
}

START_TEST(sw2_a_pointer_into_a_suspended_stack_stays_valid)
{
	intptr_t *local;

	first = created(lends_local, NULL);
	second = created(lends_local, NULL);
	local = green_switch(first, &calls);
	for (intptr_t i = 2; i < 100; i++) {
		*local = i;
		ck_assert_ptr_ne(green_switch(second, &calls), local);
		ck_assert_ptr_eq(green_switch(first, &calls), local);
		ck_assert_int_eq(calls, i);
	}
	green_switch(first, NULL);
	green_switch(second, NULL);
	destroyed(first);
	destroyed(second);
}
END_TEST

/* Stack sizes and overflow. */

START_TEST(the_stack_size_is_what_was_set)
{
	ck_assert_int_eq(green_set_stack_size(1 << 20), 0);
	first = created(nothing, NULL);
	ck_assert_uint_ge(first->stack->size, 1 << 20);
	destroyed(first);
	assert_fails(green_set_stack_size(16 * 1024 - 1) == -1, EINVAL);
	assert_fails(green_set_stack_size((1 << 30) + 1) == -1, EINVAL);
	ck_assert_int_eq(green_set_stack_size(16 * 1024), 0);
}
END_TEST

static GREEN_NOINLINE int endless(int depth)
{
	volatile char frame[256];

	frame[0] = (char)depth;
	return depth < 0 ? 0 : endless(depth + 1) + frame[0];
}

static void *overflow(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)endless(0);
}

static void overflow_in_child(void)
{
	green_set_stack_size(64 * 1024);
	first = green_create(overflow, NULL);
	green_set_name(first, "greedy");
	green_switch(first, NULL);
}

static void assert_overflow_named(void (*function)(void))
{
	char text[1000], *size;
	int status = in_child(function, text, sizeof(text));

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %x, stderr: %s", status, text);
	ck_assert_msg(strstr(text, "stack overflow in greenlet \"greedy\""), "stderr: %s", text);
	size = strstr(text, "its stack of ");
	ck_assert_msg(size && atoi(size + strlen("its stack of ")) >= 64 * 1024, "stderr: %s", text);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}

START_TEST(an_overflow_ends_in_sigsegv_and_one_sentence)
{
	if (tools_watch())
		return skipped("the tool handles SIGSEGV itself");
	assert_overflow_named(overflow_in_child);
}
END_TEST

/* Below the first stack of a new size there is nothing. */
static void *step_over_the_guard(void *unused)
{
	char here, *below = green__current->stack->low - 3 * 4096;
	volatile char *frame = __builtin_alloca((size_t)(&here - below));

	frame[0] = 1;
	return unused;
}

static void step_in_child(void)
{
	green_set_stack_size(9 * 64 * 1024);
	first = green_create(step_over_the_guard, NULL);
	green_set_name(first, "greedy");
	green_switch(first, NULL);
}

START_TEST(an_overflow_that_steps_over_the_guard_is_named_too)
{
	if (tools_watch())
		return skipped("the tool handles SIGSEGV itself");
	assert_overflow_named(step_in_child);
}
END_TEST

static void *overflow_in_thread(void *unused)
{
	overflow_in_child();
	return unused;
}

static void overflow_in_second_thread(void)
{
	green_current();
	in_thread(overflow_in_thread, NULL);
}

START_TEST(an_overflow_on_a_second_thread_is_named_too)
{
	if (tools_watch())
		return skipped("the tool handles SIGSEGV itself");
	assert_overflow_named(overflow_in_second_thread);
}
END_TEST

static void *write_beyond(void *index)
{
	volatile char bytes[8] = { 0 };

	bytes[(intptr_t)index] = 1;
	return (void *)(intptr_t)bytes[0];
}

static void write_beyond_in_child(void)
{
	green_switch(green_create(write_beyond, NULL), (void *)(intptr_t)8);
}

START_TEST(u23_a_wrong_access_on_a_stack_of_ours_is_found)
{
	char text[4000];

#ifndef __SANITIZE_ADDRESS__
	return skipped("this build has no AddressSanitizer");
#endif
	ck_assert_int_ne(in_child(write_beyond_in_child, text, sizeof(text)), 0);
	ck_assert_msg(strstr(text, "stack-buffer-overflow") && strstr(text, "write_beyond"), "stderr: %s", text);
}
END_TEST

static void own_handler(int number)
{
	(void)number;
	_exit(42);
}

static void overflow_with_own_handler(void)
{
	struct sigaction action = { .sa_handler = own_handler, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	overflow_in_child();
}

START_TEST(a_handler_of_the_program_goes_first)
{
	char text[1000];
	int status = in_child(overflow_with_own_handler, text, sizeof(text));

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 42);
	ck_assert_ptr_null(strstr(text, "stack overflow"));
}
END_TEST

static void null_pointer(void)
{
	green_current();
	*(volatile int *)(uintptr_t)(calls * 8) = 1;
}

START_TEST(another_fault_is_as_it_always_was)
{
	char text[1000];
	int status;

	if (tools_watch())
		return skipped("the tool handles SIGSEGV itself");
	status = in_child(null_pointer, text, sizeof(text));
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
	ck_assert_str_eq(text, "");
}
END_TEST

/* Kernel threads. */

static void *main_of_thread(void *expected_other)
{
	struct greenlet *mine = green_current();

	ck_assert_ptr_ne(mine, expected_other);
	ck_assert_ptr_null(green_parent(mine));
	ck_assert_str_eq(green_name(mine), "main");
	return mine;
}

START_TEST(t1_each_thread_has_its_own_main)
{
	ck_assert_ptr_nonnull(in_thread(main_of_thread, green_current()));
}
END_TEST

static void *from_foreign_thread(void *greenlet)
{
	struct greenlet *mine = green_create(nothing, NULL);

	assert_fails(!green_switch(greenlet, NULL), EPERM);
	assert_fails(!green_throw(greenlet, EIO, NULL), EPERM);
	assert_fails(green_set_parent(greenlet, green_current()) == -1, EPERM);
	assert_fails(green_set_parent(mine, greenlet) == -1, EPERM);
	assert_fails(!green_create(nothing, greenlet), EPERM);
	ck_assert(!green_dead(greenlet));
	destroyed(mine);
	return NULL;
}

/* CK1, L14: its own thread */
START_TEST(t2_a_greenlet_belongs_to_its_thread)
{
	first = created(one_higher, NULL);
	green_switch(first, (void *)1);
	in_thread(from_foreign_thread, first);
	green_switch(first, NULL);
	destroyed(first);
}
END_TEST

static void *count_to(void *limit)
{
	struct greenlet *mine = green_create(one_higher, NULL);
	uintptr_t i = 1;

	for (; i < (uintptr_t)limit; i++) {
		if (green_switch(mine, (void *)i) != (void *)(i + 1))
			break;
	}
	green_switch(mine, NULL);
	green_destroy(mine);
	return (void *)i;
}

START_TEST(t1_threads_switch_among_their_own)
{
	pthread_t threads[4];
	void *value;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_to, (void *)20000), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &value);
		ck_assert_uint_eq((uintptr_t)value, 20000);
	}
}
END_TEST

static long mapped_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long total = 0;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%ld", &total), 1);
	fclose(file);
	return total;
}

START_TEST(t7_a_thread_that_ends_leaves_no_memory_mapped)
{
	long before;

	if (tools_watch())
		return skipped("the tool keeps memory of its own");
	for (int i = 0; i < 10; i++)
		in_thread(count_to, (void *)2);
	before = mapped_pages();
	for (int i = 0; i < 200; i++)
		in_thread(count_to, (void *)2);
	ck_assert_int_le(mapped_pages(), before + 200);
}
END_TEST

static void add_values(TCase *tcase)
{
	tcase_add_test(tcase, g1_the_parent_is_who_creates);
	tcase_add_test(tcase, g2_the_first_switch_calls_the_function_with_its_value);
	tcase_add_test(tcase, g3_a_greenlet_without_function_is_refused);
	tcase_add_test(tcase, g5_values_go_back_and_forth_untouched);
	tcase_add_test(tcase, g6_a_switch_to_oneself_returns_its_value);
	tcase_add_test(tcase, g7_the_result_goes_to_the_parent);
	tcase_add_test(tcase, g8_errno_is_kept_for_each_greenlet);
	tcase_add_test(tcase, g9_the_rounding_mode_is_kept_for_each_greenlet);
	tcase_add_test(tcase, g11_dead_means_finished);
}

static void add_parents(TCase *tcase)
{
	tcase_add_test(tcase, p1_main_has_no_parent_and_never_gets_one);
	tcase_add_test(tcase, p2_the_parent_may_change_while_active);
	tcase_add_test(tcase, p3_a_cycle_of_parents_is_refused);
	tcase_add_test(tcase, p5_the_parent_of_that_moment_receives_not_the_creator_nor_the_switcher);
	tcase_add_test(tcase, p6_the_nearest_living_ancestor_receives);
	tcase_add_test(tcase, p6_a_parent_that_was_destroyed_leaves_its_children_to_its_own_parent);
	tcase_add_test(tcase, p7_an_unstarted_parent_is_started_with_the_result);
	tcase_add_test(tcase, p9_switching_is_symmetric_and_makes_no_hub);
}

static void add_lives(TCase *tcase)
{
	tcase_add_test(tcase, e5_a_dead_target_stands_for_its_nearest_living_ancestor);
	tcase_add_test(tcase, e5_another_greenlet_reaches_the_ancestor_through_the_dead);
	tcase_add_test(tcase, destroy_takes_unstarted_suspended_and_dead);
	tcase_add_test(tcase, destroy_and_switch_refuse_what_makes_no_sense);
	tcase_add_test(tcase, g10_a_handle_is_good_until_it_is_given_back);
	tcase_add_test(tcase, i7_main_is_an_ordinary_greenlet);
	tcase_add_test(tcase, names_are_copied_and_cut);
	tcase_add_test(tcase, calls_that_succeed_leave_errno_alone);
	tcase_add_test(tcase, a_chain_of_a_thousand_parents_returns_through_all);
	tcase_add_test(tcase, a_deep_chain_of_calls_is_kept_over_a_switch);
	tcase_add_test(tcase, t7_ten_thousand_lives_use_one_stack);
	tcase_add_test(tcase, thousands_of_suspended_greenlets_keep_their_values);
	tcase_add_test(tcase, e9_longjmp_works_inside_one_greenlet);
	tcase_add_test(tcase, sw2_a_pointer_into_a_suspended_stack_stays_valid);
}

static void add_stacks_and_threads(TCase *tcase)
{
	tcase_add_test(tcase, the_stack_size_is_what_was_set);
	tcase_add_test(tcase, u23_a_wrong_access_on_a_stack_of_ours_is_found);
	tcase_add_test(tcase, an_overflow_ends_in_sigsegv_and_one_sentence);
	tcase_add_test(tcase, an_overflow_that_steps_over_the_guard_is_named_too);
	tcase_add_test(tcase, an_overflow_on_a_second_thread_is_named_too);
	tcase_add_test(tcase, a_handler_of_the_program_goes_first);
	tcase_add_test(tcase, another_fault_is_as_it_always_was);
	tcase_add_test(tcase, t1_each_thread_has_its_own_main);
	tcase_add_test(tcase, t2_a_greenlet_belongs_to_its_thread);
	tcase_add_test(tcase, t1_threads_switch_among_their_own);
	tcase_add_test(tcase, t7_a_thread_that_ends_leaves_no_memory_mapped);
}

int main(void)
{
	TCase *tcase = suite_begin("greenlet", WITHOUT_HUB);

	add_values(tcase);
	add_parents(tcase);
	add_lives(tcase);
	add_stacks_and_threads(tcase);
	return suite_end();
}
