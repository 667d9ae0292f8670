/* SPDX-License-Identifier: MIT */
/* test_generator.c - bodies that yield: next, send, throw, close, delegate, and what happens when they wait */
#include <malloc.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/waiter.h"
#include "support.h"
#include "switch/greenlet.h"

static char token;
static int calls, cleanups;
static struct greenlet *other;
static struct green_generator *shared;

static struct green_generator *created(void *(*body)(struct green_generator *, void *), void *argument)
{
	struct green_generator *generator = green_generator_create(body, argument);

	ck_assert_ptr_nonnull(generator);
	return generator;
}

static void destroyed(struct green_generator *generator)
{
	ck_assert_int_eq(green_generator_destroy(generator), 0);
}

static void assert_yields(struct green_generator *generator, intptr_t expected)
{
	void *value = &token;

	ck_assert_int_eq(green_generator_next(generator, &value), 1);
	ck_assert_int_eq((intptr_t)value, expected);
}

static void assert_over(struct green_generator *generator, void *expected)
{
	void *value = &token;

	ck_assert_int_eq(green_generator_next(generator, &value), 0);
	ck_assert_ptr_eq(value, expected);
}

static void assert_pending(int code, void *value)
{
	void *pending;

	ck_assert_int_eq(green_error(&pending), code);
	ck_assert_ptr_eq(pending, value);
	green_error_clear();
}

static void assert_state(struct green_generator *generator, enum green_generator_state state)
{
	ck_assert_str_eq(green_generator_state_name(green_generator_state(generator)), green_generator_state_name(state));
}

/* Yields 1 to LIMIT, and returns &token. */
static void *counts(struct green_generator *self, void *limit)
{
	calls++;
	for (intptr_t i = 1; i <= (intptr_t)limit; i++) {
		if (green_generator_yield(self, (void *)i, NULL) < 0) {
			cleanups++;
			return &cleanups;
		}
	}
	return &token;
}

/* --- next, send, the end --- */

START_TEST(gn1_next_runs_to_the_next_yield)
{
	struct green_generator *generator = created(counts, (void *)3);

	ck_assert_int_eq(calls, 0);
	assert_yields(generator, 1);
	ck_assert_int_eq(calls, 1);
	assert_yields(generator, 2);
	assert_yields(generator, 3);
	assert_over(generator, &token);
	destroyed(generator);
}
END_TEST

static void *echoes(struct green_generator *self, void *value)
{
	while (green_generator_yield(self, value, &value) == 0)
		;
	return NULL;
}

START_TEST(gn2_what_is_sent_is_the_result_of_the_yield)
{
	struct green_generator *generator = created(echoes, NULL);
	void *value;

	assert_fails(green_generator_send(generator, &token, &value) == -1, EINVAL);
	assert_state(generator, GREEN_GENERATOR_CREATED);
	assert_yields(generator, 0);
	for (intptr_t i = 1; i < 1000; i++) {
		ck_assert_int_eq(green_generator_send(generator, (void *)i, &value), 1);
		ck_assert_int_eq((intptr_t)value, i);
	}
	assert_yields(generator, 0);
	ck_assert_int_eq(green_generator_send(generator, &token, NULL), 1);
	destroyed(generator);
}
END_TEST

START_TEST(gn5_the_end_brings_what_was_returned_once)
{
	struct green_generator *generator = created(counts, (void *)0);

	assert_over(generator, &token);
	assert_over(generator, NULL);
	ck_assert_int_eq(green_generator_send(generator, &token, NULL), 0);
	ck_assert_int_eq(calls, 1);
	destroyed(generator);
}
END_TEST

/* Two short ones, one after the other: the end of the first is not the end of all. */
static void *sums_ends(struct green_generator *self, void *unused)
{
	intptr_t ends = 0;

	for (int i = 0; i < 2; i++) {
		struct green_generator *inner = created(counts, (void *)2);
		void *value;

		while (green_generator_next(inner, &value) == 1)
			green_generator_yield(self, value, NULL);
		destroyed(inner);
		ends++;
	}
	ck_assert_ptr_null(unused);
	return (void *)ends;
}

START_TEST(gn6_the_end_of_one_is_not_that_of_another)
{
	struct green_generator *generator = created(sums_ends, NULL);

	for (int i = 0; i < 2; i++) {
		assert_yields(generator, 1);
		assert_yields(generator, 2);
	}
	assert_over(generator, (void *)2);
	destroyed(generator);
}
END_TEST

/* --- throw, close, destroy --- */

/* Yields the code of each error that it gets; returns when it gets a value. */
static void *tells_errors(struct green_generator *self, void *unused)
{
	void *value = unused, *thrown;

	while (!value) {
		int result = green_generator_yield(self, (void *)(intptr_t)green_error(&thrown), &value);

		ck_assert_int_eq(result, green_error(NULL) ? -1 : 0);
		if (result == -1)
			ck_assert_int_eq(errno, green_error_number(green_error(NULL)));
		if (green_error(&thrown)) {
			ck_assert_ptr_eq(thrown, &token);
			calls = green_error(NULL);
			green_error_clear();
		}
	}
	return value;
}

START_TEST(gn3_an_error_is_pending_where_the_body_waits)
{
	struct green_generator *generator = created(tells_errors, NULL);
	void *value = &calls;

	assert_yields(generator, 0);
	ck_assert_int_eq(green_generator_throw(generator, EIO, &token, &value), 1);
	ck_assert_ptr_null(value);
	ck_assert_int_eq(calls, EIO);
	ck_assert_int_eq(green_generator_throw(generator, GREEN_EXIT, &token, NULL), 1);
	ck_assert_int_eq(calls, GREEN_EXIT);
	ck_assert_int_eq(green_error(NULL), 0);
	assert_yields(generator, 0);
	ck_assert_int_eq(green_generator_send(generator, &calls, &value), 0);
	ck_assert_ptr_eq(value, &calls);
	destroyed(generator);
}
END_TEST

START_TEST(gn3_an_error_that_is_not_cleared_comes_back)
{
	struct green_generator *generator = created(counts, (void *)9);
	void *value = &calls;

	assert_yields(generator, 1);
	assert_fails(green_generator_throw(generator, EIO, &token, &value) == -1, EIO);
	assert_pending(EIO, &token);
	ck_assert_ptr_eq(value, &calls);
	ck_assert_int_eq(cleanups, 1);
	assert_over(generator, NULL);
	destroyed(generator);
	generator = created(counts, (void *)9);
	assert_yields(generator, 1);
	ck_assert_int_eq(green_generator_throw(generator, GREEN_EXIT, &token, &value), 0);
	ck_assert_ptr_eq(value, &token);
	ck_assert_int_eq(green_error(NULL), 0);
	destroyed(generator);
}
END_TEST

START_TEST(gn3_thrown_at_one_that_has_not_started_or_is_over)
{
	struct green_generator *generator = created(counts, (void *)9);
	void *value;

	for (int i = 0; i < 3; i++) {
		assert_fails(green_generator_throw(generator, ENODEV, &token, NULL) == -1, ENODEV);
		assert_pending(ENODEV, &token);
		assert_state(generator, GREEN_GENERATOR_CLOSED);
		ck_assert_int_eq(green_generator_throw(generator, GREEN_EXIT, &token, &value), 0);
		ck_assert_ptr_eq(value, &token);
	}
	ck_assert_int_eq(calls, 0);
	assert_fails(green_generator_throw(generator, 0, NULL, NULL) == -1, EINVAL);
	assert_fails(green_generator_throw(generator, 100000, NULL, NULL) == -1, EINVAL);
	destroyed(generator);
}
END_TEST

START_TEST(gn4_close_lets_the_body_clean_up)
{
	struct green_generator *generator = created(counts, (void *)9);
	void *result = &calls;

	assert_yields(generator, 1);
	errno = EDOM;
	ck_assert_int_eq(green_generator_close(generator, &result), 0);
	ck_assert_int_eq(errno, EDOM);
	ck_assert_ptr_null(result);
	ck_assert_int_eq(cleanups, 1);
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_int_eq(green_generator_close(generator, NULL), 0);
	ck_assert_int_eq(cleanups, 1);
	assert_over(generator, NULL);
	destroyed(generator);
}
END_TEST

START_TEST(gn4_one_that_has_not_started_is_closed_at_once)
{
	struct green_generator *generator = created(counts, (void *)9);

	ck_assert_int_eq(green_generator_close(generator, NULL), 0);
	assert_state(generator, GREEN_GENERATOR_CLOSED);
	assert_over(generator, NULL);
	ck_assert_int_eq(calls, 0);
	destroyed(generator);
}
END_TEST

static void *clears_and_returns(struct green_generator *self, void *value)
{
	assert_fails(green_generator_yield(self, NULL, NULL) == -1, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	green_error_clear();
	return value;
}

START_TEST(gn4_close_tells_what_the_body_returns)
{
	struct green_generator *generator = created(clears_and_returns, &token);
	void *result;

	assert_yields(generator, 0);
	ck_assert_int_eq(green_generator_close(generator, &result), 0);
	ck_assert_ptr_eq(result, &token);
	ck_assert_int_eq(green_generator_close(generator, &result), 0);
	ck_assert_ptr_null(result);
	destroyed(generator);
}
END_TEST

static void *ignores_twice(struct green_generator *self, void *unused)
{
	int ignored = 0;

	for (intptr_t i = 1; ignored < 3; i++)
		ignored += green_generator_yield(self, (void *)i, NULL) < 0;
	return unused;
}

START_TEST(gn4_a_body_that_yields_again_is_not_closed)
{
	struct green_generator *generator = created(ignores_twice, NULL);

	assert_yields(generator, 1);
	assert_fails(green_generator_close(generator, NULL) == -1, EBUSY);
	assert_state(generator, GREEN_GENERATOR_SUSPENDED);
	ck_assert_int_eq(green_error(NULL), 0);
	assert_yields(generator, 3);
	assert_fails(green_generator_destroy(generator) == -1, EBUSY);
	assert_yields(generator, 5);
	destroyed(generator);
}
END_TEST

static void *fails_at_the_end(struct green_generator *self, void *code)
{
	green_generator_yield(self, NULL, NULL);
	green_throw(green_current(), (int)(intptr_t)code, &token);
	return "not this";
}

START_TEST(gn4_another_error_at_a_close_passes)
{
	struct green_generator *generator = created(fails_at_the_end, (void *)EIO);
	void *result = &calls;

	assert_yields(generator, 0);
	assert_fails(green_generator_close(generator, &result) == -1, EIO);
	assert_pending(EIO, &token);
	ck_assert_ptr_eq(result, &calls);
	assert_state(generator, GREEN_GENERATOR_CLOSED);
	destroyed(generator);
}
END_TEST

START_TEST(gn9_destroying_closes)
{
	struct green_generator *generator = created(counts, (void *)9);

	assert_yields(generator, 1);
	destroyed(generator);
	ck_assert_int_eq(cleanups, 1);
	generator = created(fails_at_the_end, (void *)EIO);
	assert_yields(generator, 0);
	/* An error of one's own stays, that of the body is dropped. */
	green_throw(green_current(), EDOM, &token);
	errno = EXDEV;
	destroyed(generator);
	ck_assert_int_eq(errno, EXDEV);
	assert_pending(EDOM, &token);
	destroyed(created(counts, NULL));
	ck_assert_int_eq(green_generator_destroy(NULL), 0);
}
END_TEST

START_TEST(gn10_after_an_error_it_is_closed)
{
	struct green_generator *generator = created(fails_at_the_end, (void *)EIO);
	void *value = &calls;

	assert_yields(generator, 0);
	assert_fails(green_generator_next(generator, &value) == -1, EIO);
	assert_pending(EIO, &token);
	ck_assert_ptr_eq(value, &calls);
	assert_state(generator, GREEN_GENERATOR_CLOSED);
	assert_over(generator, NULL);
	destroyed(generator);
	/* That nobody has asked it to end makes GREEN_EXIT an error as any other. */
	generator = created(fails_at_the_end, (void *)GREEN_EXIT);
	assert_yields(generator, 0);
	assert_fails(green_generator_next(generator, &value) == -1, ECANCELED);
	assert_pending(GREEN_EXIT, &token);
	destroyed(generator);
}
END_TEST

/* --- running, states --- */

static void *asks_itself(struct green_generator *self, void *unused)
{
	void *value = unused;

	assert_state(self, GREEN_GENERATOR_RUNNING);
	assert_fails(green_generator_next(self, &value) == -1, EBUSY);
	assert_fails(green_generator_send(self, &token, &value) == -1, EBUSY);
	assert_fails(green_generator_throw(self, EIO, NULL, &value) == -1, EBUSY);
	assert_fails(green_generator_close(self, &value) == -1, EBUSY);
	assert_fails(green_generator_destroy(self) == -1, EBUSY);
	assert_fails(green_generator_delegate(self, self, &value) == -1, EBUSY);
	ck_assert_int_eq(green_generator_yield(self, NULL, NULL), 0);
	return NULL;
}

START_TEST(gn8_one_that_runs_cannot_be_resumed)
{
	struct green_generator *generator = created(asks_itself, NULL);

	assert_state(generator, GREEN_GENERATOR_CREATED);
	assert_yields(generator, 0);
	assert_state(generator, GREEN_GENERATOR_SUSPENDED);
	assert_over(generator, NULL);
	assert_state(generator, GREEN_GENERATOR_CLOSED);
	destroyed(generator);
}
END_TEST

START_TEST(gn10_states_have_names)
{
	ck_assert_str_eq(green_generator_state_name(GREEN_GENERATOR_CREATED), "created");
	ck_assert_str_eq(green_generator_state_name(GREEN_GENERATOR_RUNNING), "running");
	ck_assert_str_eq(green_generator_state_name(GREEN_GENERATOR_SUSPENDED), "suspended");
	ck_assert_str_eq(green_generator_state_name(GREEN_GENERATOR_CLOSED), "closed");
	ck_assert_str_eq(green_generator_state_name((enum green_generator_state)77), "unknown");
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	struct green_generator *generator = created(counts, (void *)3), *inner = created(counts, NULL);

	assert_fails(!green_generator_create(NULL, NULL), EINVAL);
	assert_fails(green_generator_next(NULL, NULL) == -1, EINVAL);
	assert_fails(green_generator_throw(NULL, EIO, NULL, NULL) == -1, EINVAL);
	assert_fails(green_generator_close(NULL, NULL) == -1, EINVAL);
	/* Only the body yields and delegates. */
	assert_fails(green_generator_yield(NULL, NULL, NULL) == -1, EINVAL);
	assert_fails(green_generator_yield(generator, NULL, NULL) == -1, EINVAL);
	assert_yields(generator, 1);
	assert_fails(green_generator_yield(generator, NULL, NULL) == -1, EINVAL);
	assert_fails(green_generator_delegate(generator, inner, NULL) == -1, EINVAL);
	assert_fails(green_generator_delegate(NULL, inner, NULL) == -1, EINVAL);
	assert_fails(green_generator_delegate(generator, NULL, NULL) == -1, EINVAL);
	destroyed(generator);
	destroyed(inner);
}
END_TEST

/* --- delegation --- */

static void *delegates(struct green_generator *self, void *inner)
{
	void *result = &calls;

	if (green_generator_delegate(self, inner, &result) < 0) {
		cleanups += 10;
		return NULL;
	}
	green_generator_yield(self, result, NULL);
	return "outer";
}

START_TEST(gn7_the_values_and_the_result_of_the_inner_one)
{
	struct green_generator *inner = created(counts, (void *)2), *outer = created(delegates, inner);

	assert_yields(outer, 1);
	assert_state(outer, GREEN_GENERATOR_SUSPENDED);
	assert_state(inner, GREEN_GENERATOR_SUSPENDED);
	assert_yields(outer, 2);
	assert_yields(outer, (intptr_t)&token);
	assert_state(inner, GREEN_GENERATOR_CLOSED);
	assert_over(outer, "outer");
	destroyed(inner);
	destroyed(outer);
}
END_TEST

START_TEST(gn7_an_inner_one_that_is_over_or_halfway)
{
	struct green_generator *inner = created(counts, (void *)2), *outer = created(delegates, inner);

	assert_yields(inner, 1);
	assert_yields(outer, 2);
	assert_yields(outer, (intptr_t)&token);
	destroyed(outer);
	outer = created(delegates, inner);
	assert_yields(outer, 0);
	destroyed(outer);
	destroyed(inner);
}
END_TEST

START_TEST(gn7_what_is_sent_and_thrown_goes_to_the_inner_one)
{
	struct green_generator *inner = created(tells_errors, NULL), *outer = created(delegates, inner);

	assert_yields(outer, 0);
	ck_assert_int_eq(green_generator_throw(outer, EIO, &token, NULL), 1);
	ck_assert_int_eq(calls, EIO);
	ck_assert_int_eq(green_generator_throw(outer, GREEN_EXIT, &token, NULL), 1);
	ck_assert_int_eq(calls, GREEN_EXIT);
	ck_assert_int_eq(green_generator_send(outer, &calls, NULL), 1);
	assert_state(inner, GREEN_GENERATOR_CLOSED);
	ck_assert_int_eq(cleanups, 0);
	assert_over(outer, "outer");
	destroyed(inner);
	destroyed(outer);
}
END_TEST

START_TEST(gn7_an_error_of_the_inner_one_fails_the_outer_one)
{
	struct green_generator *inner = created(counts, (void *)2), *outer = created(delegates, inner);

	assert_yields(outer, 1);
	assert_fails(green_generator_throw(outer, EIO, &token, NULL) == -1, EIO);
	assert_pending(EIO, &token);
	ck_assert_int_eq(cleanups, 11);
	destroyed(outer);
	destroyed(inner);
	/* GREEN_EXIT passes through both, and is the end that was asked for. */
	inner = created(counts, (void *)2);
	outer = created(delegates, inner);
	assert_yields(outer, 1);
	ck_assert_int_eq(green_generator_throw(outer, GREEN_EXIT, &token, NULL), 0);
	ck_assert_int_eq(cleanups, 22);
	destroyed(outer);
	destroyed(inner);
}
END_TEST

START_TEST(gn7_close_reaches_the_inner_one_first)
{
	struct green_generator *inner = created(counts, (void *)2), *outer = created(delegates, inner);

	assert_yields(outer, 1);
	ck_assert_int_eq(green_generator_close(outer, NULL), 0);
	ck_assert_int_eq(cleanups, 11);
	assert_state(inner, GREEN_GENERATOR_CLOSED);
	destroyed(outer);
	destroyed(inner);
	/* One that takes it for an ordinary reason to return has ended, but the outer one is closed all the same. */
	inner = created(clears_and_returns, &token);
	outer = created(delegates, inner);
	assert_yields(outer, 0);
	ck_assert_int_eq(green_generator_close(outer, NULL), 0);
	ck_assert_int_eq(cleanups, 21);
	destroyed(outer);
	destroyed(inner);
}
END_TEST

START_TEST(gn7_an_inner_one_may_refuse_a_close_or_fail_in_it)
{
	struct green_generator *inner = created(ignores_twice, NULL), *outer = created(delegates, inner);

	assert_yields(outer, 1);
	assert_fails(green_generator_close(outer, NULL) == -1, EBUSY);
	assert_fails(green_generator_close(outer, NULL) == -1, EBUSY);
	assert_state(outer, GREEN_GENERATOR_SUSPENDED);
	destroyed(outer);
	ck_assert_int_eq(cleanups, 10);
	destroyed(inner);
	inner = created(fails_at_the_end, (void *)EIO);
	outer = created(delegates, inner);
	assert_yields(outer, 0);
	assert_fails(green_generator_close(outer, NULL) == -1, EIO);
	assert_pending(EIO, &token);
	ck_assert_int_eq(cleanups, 20);
	destroyed(outer);
	destroyed(inner);
}
END_TEST

static void *delegates_in_cleanup(struct green_generator *self, void *inner)
{
	void *result;

	ck_assert_int_eq(green_generator_yield(self, NULL, NULL), -1);
	green_error_clear();
	ck_assert_int_eq(green_generator_delegate(self, inner, &result), 0);
	return result;
}

START_TEST(gn7_a_cleanup_may_delegate)
{
	struct green_generator *inner = created(counts, (void *)0), *outer = created(delegates_in_cleanup, inner);
	void *result;

	assert_yields(outer, 0);
	ck_assert_int_eq(green_generator_close(outer, &result), 0);
	ck_assert_ptr_eq(result, &token);
	destroyed(outer);
	destroyed(inner);
}
END_TEST

static void *delegates_to_both(struct green_generator *self, void *inner)
{
	struct green_generator **both = inner;
	void *result;

	ck_assert_int_eq(green_generator_delegate(self, both[0], NULL), -1);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	green_error_clear();
	ck_assert_int_eq(green_generator_delegate(self, both[1], &result), 0);
	return result;
}

START_TEST(gn7_a_cleanup_may_delegate_after_the_inner_one_was_closed)
{
	struct green_generator *both[] = { created(counts, (void *)2), created(counts, (void *)0) };
	struct green_generator *outer = created(delegates_to_both, both);
	void *result;

	assert_yields(outer, 1);
	ck_assert_int_eq(green_generator_close(outer, &result), 0);
	ck_assert_ptr_eq(result, &token);
	destroyed(outer);
	destroyed(both[0]);
	destroyed(both[1]);
}
END_TEST

START_TEST(gn7_who_has_been_delegated_to_answers_nobody_else)
{
	struct green_generator *inner = created(counts, (void *)2), *outer = created(delegates, inner);
	struct green_generator *second = created(delegates, inner);

	assert_yields(outer, 1);
	assert_fails(green_generator_next(inner, NULL) == -1, EBUSY);
	assert_fails(green_generator_close(inner, NULL) == -1, EBUSY);
	assert_fails(green_generator_destroy(inner) == -1, EBUSY);
	ck_assert_int_eq(green_generator_next(second, NULL), 0);
	ck_assert_int_eq(cleanups, 10);
	assert_yields(outer, 2);
	destroyed(outer);
	destroyed(second);
	destroyed(inner);
}
END_TEST

enum { DEPTH = 300 };

START_TEST(gn7_a_deep_chain_costs_one_switch_a_value)
{
	static struct green_generator *chain[DEPTH];
	uint64_t before;

	chain[0] = created(counts, (void *)1000);
	for (int i = 1; i < DEPTH; i++)
		chain[i] = created(delegates, chain[i - 1]);
	assert_yields(chain[DEPTH - 1], 1);
	before = green__current->flow->stats->switches;
	for (intptr_t i = 2; i <= 1000; i++)
		assert_yields(chain[DEPTH - 1], i);
	ck_assert_uint_eq(green__current->flow->stats->switches - before, 2 * 999);
	ck_assert_int_eq(green_generator_close(chain[DEPTH - 1], NULL), 0);
	ck_assert_int_eq(cleanups, 10 * (DEPTH - 1) + 1);
	for (int i = 0; i < DEPTH; i++)
		destroyed(chain[i]);
}
END_TEST

/* --- nested calls, generators of generators --- */

struct tree {
	struct tree *left, *right;
	intptr_t key;
};

static void walk(struct green_generator *self, const struct tree *tree)
{
	if (!tree)
		return;
	walk(self, tree->left);
	green_generator_yield(self, (void *)tree->key, NULL);
	walk(self, tree->right);
}

static void *walks(struct green_generator *self, void *tree)
{
	walk(self, tree);
	return NULL;
}

START_TEST(gn11_yields_come_from_nested_calls)
{
	struct tree leaves[4] = { { .key = 1 }, { .key = 3 }, { .key = 5 }, { .key = 7 } };
	struct tree nodes[2] = { { &leaves[0], &leaves[1], 2 }, { &leaves[2], &leaves[3], 6 } };
	struct tree root = { &nodes[0], &nodes[1], 4 };
	struct green_generator *generator = created(walks, &root);

	for (intptr_t i = 1; i <= 7; i++)
		assert_yields(generator, i);
	assert_over(generator, NULL);
	destroyed(generator);
}
END_TEST

/* Each order of the letters up to NUMBER is one of those of the letters before, with this one put in somewhere. */
static char order[8];

static void *permutes(struct green_generator *self, void *number)
{
	int last = (int)(intptr_t)number;
	struct green_generator *shorter;

	if (last < 0) {
		green_generator_yield(self, NULL, NULL);
		return NULL;
	}
	shorter = created(permutes, (void *)(intptr_t)(last - 1));
	while (green_generator_next(shorter, NULL) == 1) {
		for (int place = last; place >= 0; place--) {
			memmove(order + place + 1, order + place, (size_t)(last - place));
			order[place] = (char)('a' + last);
			green_generator_yield(self, NULL, NULL);
			memmove(order + place, order + place + 1, (size_t)(last - place));
		}
	}
	destroyed(shorter);
	return NULL;
}

static bool has_each_letter(int letters)
{
	for (int i = 0; i < letters; i++) {
		if (!memchr(order, 'a' + i, (size_t)letters))
			return false;
	}
	return true;
}

START_TEST(gn11_generators_of_generators_of_generators)
{
	struct green_generator *generator = created(permutes, (void *)4);
	char before[8] = "";
	int count = 0;

	while (green_generator_next(generator, NULL) == 1) {
		ck_assert_msg(has_each_letter(5), "%.5s", order);
		ck_assert_int_ne(memcmp(before, order, 5), 0);
		memcpy(before, order, 5);
		count++;
	}
	ck_assert_int_eq(count, 5 * 4 * 3 * 2);
	destroyed(generator);
}
END_TEST

static void *takes_one(void *generator)
{
	void *value;

	ck_assert_int_eq(green_generator_next(generator, &value), 1);
	ck_assert_int_eq(cleanups, 0);
	return value;
}

static void *tells_parent(struct green_generator *self, void *unused)
{
	for (;;) {
		if (green_generator_yield(self, green_parent(green_current()), NULL) < 0)
			return unused;
	}
}

START_TEST(gn11_the_parent_is_the_consumer_of_the_moment)
{
	struct green_generator *generator = created(tells_parent, NULL);
	struct greenlet *consumers[3];
	void *value;

	ck_assert_int_eq(green_generator_next(generator, &value), 1);
	ck_assert_ptr_eq(value, green_current());
	for (int i = 0; i < 3; i++) {
		consumers[i] = green_create(takes_one, NULL);
		ck_assert_ptr_eq(green_switch(consumers[i], generator), consumers[i]);
		ck_assert(green_dead(consumers[i]));
	}
	/* The last consumer is gone, its memory somebody else's. */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_destroy(consumers[i]), 0);
	ck_assert_int_eq(green_generator_next(generator, &value), 1);
	ck_assert_ptr_eq(value, green_current());
	destroyed(generator);
}
END_TEST

/* --- a body among other greenlets --- */

static void *switches_back(void *value)
{
	for (;;)
		value = green_switch(green_parent(green_current()), value);
	return NULL;
}

static void *ends(void *value)
{
	return value;
}

static void *switches_inside(struct green_generator *self, void *unused)
{
	struct greenlet *helper = green_create(switches_back, NULL);

	for (intptr_t i = 1; i < 4; i++) {
		ck_assert_int_eq((intptr_t)green_switch(helper, (void *)(i * 10)), i * 10);
		ck_assert_int_eq(green_generator_yield(self, (void *)i, NULL), 0);
	}
	green_destroy(helper);
	return unused;
}

START_TEST(a_body_may_switch_to_greenlets_of_its_own)
{
	struct green_generator *generator = created(switches_inside, NULL);

	for (intptr_t i = 1; i < 4; i++)
		assert_yields(generator, i);
	ck_assert_int_eq(green_generator_next(generator, NULL), 0);
	destroyed(generator);
}
END_TEST

static void *shows_itself(struct green_generator *self, void *child)
{
	other = green_current();
	ck_assert_int_eq(green_set_parent(child, other), 0);
	ck_assert_int_eq(green_generator_yield(self, NULL, NULL), 0);
	return &token;
}

START_TEST(who_waits_in_a_yield_is_resumed_by_its_consumer_only)
{
	struct greenlet *child = green_create(ends, NULL);
	struct green_generator *generator = created(shows_itself, child);

	assert_yields(generator, 0);
	ck_assert_int_eq(green_state(other), GREEN_SUSPENDED);
	assert_fails(!green_switch(other, &token), EBUSY);
	assert_fails(!green_throw(other, EIO, NULL), EBUSY);
	assert_fails(green_destroy(other) == -1, EINVAL);
	assert_fails(green_kill(other, 0) == -1, EINVAL);
	assert_fails(green_set_parent(other, green_current()) == -1, EINVAL);
	/* A child of its ends: that is its consumer's, for it takes nothing now. */
	ck_assert_ptr_eq(green_switch(child, &calls), &calls);
	ck_assert(green_dead(child));
	assert_over(generator, &token);
	green_destroy(child);
	destroyed(generator);
}
END_TEST

static void *hands_to(void *main)
{
	return green_switch(main, &token);
}

static void *asks_another(struct green_generator *self, void *unused)
{
	/* It switches, or ends, in who waits for this body, which acts for it. */
	ck_assert_ptr_eq(green_switch(other, green_parent(green_current())), &token);
	ck_assert_int_eq(green_generator_yield(self, (void *)1, NULL), 0);
	ck_assert_ptr_eq(green_switch(other, &calls), &calls);
	ck_assert(green_dead(other));
	ck_assert_int_eq(green_generator_yield(self, (void *)2, NULL), 0);
	return unused;
}

START_TEST(what_is_meant_for_the_consumer_reaches_the_body)
{
	struct green_generator *generator = created(asks_another, NULL);

	other = green_create(hands_to, NULL);
	assert_yields(generator, 1);
	assert_yields(generator, 2);
	assert_over(generator, NULL);
	ck_assert_int_eq(green_destroy(other), 0);
	destroyed(generator);
}
END_TEST

/* A greenlet of the body's becomes its consumer: it ends in a body that takes nothing, so in who took a value before. */
static void *makes_its_consumer(struct green_generator *self, void *unused)
{
	other = green_create(takes_one, NULL);
	ck_assert_int_eq(green_generator_yield(self, unused, NULL), 0);
	ck_assert_int_eq(green_generator_yield(self, &calls, NULL), 0);
	return &token;
}

START_TEST(gn11_a_child_of_the_body_may_consume_it)
{
	struct green_generator *generator = created(makes_its_consumer, NULL);

	assert_yields(generator, 0);
	ck_assert_ptr_eq(green_switch(other, generator), &calls);
	ck_assert(green_dead(other));
	assert_over(generator, &token);
	ck_assert_int_eq(green_destroy(other), 0);
	destroyed(generator);
}
END_TEST

static void *finishes(void *generator)
{
	void *value;

	ck_assert_int_eq(green_generator_next(generator, &value), 0);
	return value;
}

static void *makes_finisher(struct green_generator *self, void *unused)
{
	other = green_create(finishes, NULL);
	ck_assert_int_eq(green_generator_yield(self, unused, NULL), 0);
	return &token;
}

START_TEST(gn11_a_child_of_the_body_may_finish_it)
{
	struct green_generator *generator = created(makes_finisher, NULL);

	assert_yields(generator, 0);
	/* The child ends in the consumer of before, not in the body that it has outlived. */
	ck_assert_ptr_eq(green_switch(other, generator), &token);
	ck_assert(green_dead(other));
	assert_state(generator, GREEN_GENERATOR_CLOSED);
	ck_assert_int_eq(green_destroy(other), 0);
	destroyed(generator);
}
END_TEST

/* --- errno, memory, threads, tracers, fork --- */

static void *sets_errno(struct green_generator *self, void *unused)
{
	errno = ENOENT;
	ck_assert_int_eq(green_generator_yield(self, NULL, NULL), 0);
	ck_assert_int_eq(errno, ENOENT);
	return unused;
}

START_TEST(g8_errno_is_the_bodys_own)
{
	struct green_generator *generator;

	errno = EXDEV;
	generator = created(sets_errno, NULL);
	assert_yields(generator, 0);
	ck_assert_int_eq(errno, EXDEV);
	errno = EDOM;
	ck_assert_int_eq(green_generator_next(generator, NULL), 0);
	destroyed(generator);
	ck_assert_int_eq(errno, EDOM);
}
END_TEST

static void *remembers_stack(struct green_generator *self, void *stack)
{
	*(struct stack **)stack = green_current()->stack;
	green_generator_yield(self, NULL, NULL);
	return NULL;
}

START_TEST(z4_one_that_is_over_holds_no_stack)
{
	static struct green_generator *generators[1000];
	struct stack *before = NULL, *stack;

	for (int i = 0; i < 1000; i++) {
		generators[i] = created(remembers_stack, &stack);
		if (i % 2)
			assert_yields(generators[i], 0);
		if (i % 3)
			ck_assert_int_eq(green_generator_close(generators[i], NULL), 0);
		else
			while (green_generator_next(generators[i], NULL) == 1)
				;
		if (before)
			ck_assert_ptr_eq(stack, before);
		before = stack;
	}
	for (int i = 0; i < 1000; i++)
		destroyed(generators[i]);
}
END_TEST

START_TEST(no_step_allocates)
{
	struct green_generator *generator = created(counts, (void *)100000);
	size_t before;

	assert_yields(generator, 1);
	before = mallinfo2().uordblks;
	for (intptr_t i = 2; i <= 100000; i++) {
		if (green_generator_next(generator, NULL) != 1)
			ck_abort();
	}
	ck_assert_uint_eq(mallinfo2().uordblks, before);
	destroyed(generator);
}
END_TEST

static void *refused_elsewhere(void *generator)
{
	assert_fails(green_generator_next(generator, NULL) == -1, EPERM);
	assert_fails(green_generator_throw(generator, EIO, NULL, NULL) == -1, EPERM);
	assert_fails(green_generator_close(generator, NULL) == -1, EPERM);
	assert_fails(green_generator_destroy(generator) == -1, EPERM);
	return NULL;
}

START_TEST(t2_a_generator_belongs_to_its_kernel_thread)
{
	struct green_generator *generator = created(counts, (void *)2);

	in_thread(refused_elsewhere, generator);
	assert_yields(generator, 1);
	in_thread(refused_elsewhere, generator);
	destroyed(generator);
}
END_TEST

static void *leaves_behind(void *generators)
{
	ck_assert_ptr_null(green__flow()->hub);
	for (int i = 0; i < 3; i++) {
		((struct green_generator **)generators)[i] = created(counts, (void *)1);
		for (int j = 0; j < i; j++)
			green_generator_next(((struct green_generator **)generators)[i], NULL);
	}
	ck_assert_ptr_null(green__current->flow->hub);
	return NULL;
}

START_TEST(t3_a_generator_is_lost_with_its_kernel_thread)
{
	struct green_generator *generators[3];

	in_thread(leaves_behind, generators);
	for (int i = 0; i < 2; i++) {
		assert_state(generators[i], GREEN_GENERATOR_CLOSED);
		assert_fails(green_generator_next(generators[i], NULL) == -1, ESRCH);
		assert_fails(green_generator_close(generators[i], NULL) == -1, ESRCH);
		destroyed(generators[i]);
	}
	/* One that was over belongs to nobody. */
	assert_over(generators[2], NULL);
	destroyed(generators[2]);
	ck_assert_int_eq(cleanups, 0);
}
END_TEST

static int pulls(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *generator)
{
	(void)event;
	(void)origin;
	(void)target;
	calls++;
	ck_assert_int_eq(green_generator_next(generator, NULL), 1);
	return 0;
}

START_TEST(e10_a_tracer_may_use_generators_in_the_middle_of_another)
{
	struct green_generator *generator = created(counts, (void *)100), *traced = created(echoes, NULL);

	assert_yields(traced, 0);
	calls = 0;
	green_set_tracer(pulls, traced);
	for (intptr_t i = 1; i < 20; i++)
		assert_yields(generator, i);
	green_set_tracer(NULL, NULL);
	/* The body counts itself as called. */
	ck_assert_int_eq(calls, 2 * 19 + 1);
	destroyed(generator);
	destroyed(traced);
}
END_TEST

static int complains(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *unused)
{
	(void)event;
	(void)origin;
	(void)unused;
	return target == green_current() && green_parent(target) ? EILSEQ : 0;
}

START_TEST(i3_a_tracer_that_fails_at_the_start_fails_the_generator)
{
	struct green_generator *generator = created(counts, (void *)5);

	green_set_tracer(complains, NULL);
	assert_fails(green_generator_next(generator, NULL) == -1, EILSEQ);
	assert_pending(EILSEQ, NULL);
	ck_assert_int_eq(calls, 0);
	assert_state(generator, GREEN_GENERATOR_CLOSED);
	destroyed(generator);
}
END_TEST

static void *forks(struct green_generator *self, void *unused)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		green_sleep(1);
		green_generator_yield(self, (void *)1, NULL);
		return (void *)5;
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	green_generator_yield(self, (void *)(intptr_t)status, NULL);
	return unused;
}

START_TEST(h15_a_body_that_forks_goes_on_for_its_consumer_in_the_child)
{
	struct green_generator *generator = created(forks, NULL);
	void *status, *result;

	ck_assert_int_eq(green_generator_next(generator, &status), 1);
	if (status == (void *)1) {
		green_sleep(1);
		if (green_generator_next(generator, &result) != 0)
			_exit(99);
		_exit((int)(intptr_t)result);
	}
	ck_assert_int_eq(WEXITSTATUS((int)(intptr_t)status), 5);
	destroyed(generator);
}
END_TEST

/* --- bodies that wait --- */

static void *sleeps_between(struct green_generator *self, void *limit)
{
	for (intptr_t i = 1; i <= (intptr_t)limit; i++) {
		if (green_sleep(5) < 0 || green_generator_yield(self, (void *)i, NULL) < 0) {
			cleanups++;
			return NULL;
		}
	}
	return &token;
}

static void *sums(void *generator)
{
	intptr_t sum = 0;
	void *value;

	while (green_generator_next(generator, &value) == 1)
		sum += (intptr_t)value;
	return (void *)sum;
}

static void *ticks(void *until)
{
	while (!*(volatile bool *)until) {
		calls++;
		green_sleep(1);
	}
	return NULL;
}

START_TEST(a_body_may_wait_while_others_run)
{
	struct green_generator *generators[4];
	struct greenlet *tasks[4], *ticker;
	bool done = false;

	ticker = green_spawn(ticks, &done);
	for (int i = 0; i < 4; i++) {
		generators[i] = created(sleeps_between, (void *)4);
		tasks[i] = green_spawn(sums, generators[i]);
	}
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq((intptr_t)join(tasks[i]), 1 + 2 + 3 + 4);
		destroyed(generators[i]);
	}
	done = true;
	join(ticker);
	ck_assert_int_gt(calls, 4);
}
END_TEST

static void *disturbs(void *consumer)
{
	assert_state(shared, GREEN_GENERATOR_RUNNING);
	assert_fails(green_generator_next(shared, NULL) == -1, EBUSY);
	assert_fails(green_generator_destroy(shared) == -1, EBUSY);
	/* The consumer cannot be pulled out of its wait either. */
	assert_fails(!green_switch(consumer, &token), EBUSY);
	ck_assert_int_eq(green_state(consumer), GREEN_SUSPENDED);
	return NULL;
}

START_TEST(gn8_nobody_comes_between_while_the_body_waits)
{
	struct greenlet *consumer, *disturber;

	shared = created(sleeps_between, (void *)2);
	consumer = green_spawn(sums, shared);
	green_yield();
	disturber = green_spawn(disturbs, consumer);
	join(disturber);
	ck_assert_int_eq((intptr_t)join(consumer), 3);
	destroyed(shared);
}
END_TEST

static void *waits_for_value(void *generator)
{
	void *value = &token;

	assert_fails(green_generator_next(generator, &value) == -1, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	ck_assert_ptr_eq(value, &token);
	calls++;
	return NULL;
}

static void *sleeps_long(struct green_generator *self, void *unused)
{
	(void)self;
	assert_fails(green_sleep(10000) == -1, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	cleanups++;
	return unused;
}

static void assert_killed(struct green_generator *generator)
{
	struct greenlet *consumer = green_spawn(waits_for_value, generator);
	int64_t start = clock_now();

	green_yield();
	ck_assert_int_eq(green_kill(consumer, -1), 0);
	ck_assert_int_eq(calls, 1);
	assert_state(generator, GREEN_GENERATOR_CLOSED);
	assert_took(start, 0);
	green_destroy(consumer);
	destroyed(generator);
}

START_TEST(s9_a_kill_of_the_consumer_reaches_the_body)
{
	assert_killed(created(sleeps_long, NULL));
	ck_assert_int_eq(cleanups, 1);
}
END_TEST

START_TEST(s9_a_kill_reaches_the_innermost_body)
{
	struct green_generator *inner = created(sleeps_long, NULL), *middle = created(delegates, inner);

	assert_killed(created(delegates, middle));
	ck_assert_int_eq(cleanups, 21);
	destroyed(middle);
	destroyed(inner);
}
END_TEST

/* The body swallows it and yields: the consumer is killed all the same. */
static void *swallows(struct green_generator *self, void *unused)
{
	assert_fails(green_sleep(10000) == -1, ECANCELED);
	green_error_clear();
	ck_assert_int_eq(green_generator_yield(self, &token, NULL), -1);
	return unused;
}

static void *goes_on(void *generator)
{
	void *value;

	ck_assert_int_eq(green_generator_next(generator, &value), 1);
	ck_assert_ptr_eq(value, &token);
	assert_fails(green_sleep(10000) == -1, ECANCELED);
	calls++;
	return NULL;
}

START_TEST(s9_a_body_cannot_refuse_for_its_consumer)
{
	struct green_generator *generator = created(swallows, NULL);
	struct greenlet *consumer = green_spawn(goes_on, generator);

	green_yield();
	ck_assert_int_eq(green_kill(consumer, -1), 0);
	ck_assert_int_eq(calls, 1);
	green_destroy(consumer);
	destroyed(generator);
}
END_TEST

/* A killed one may still use generators that do not wait; one that does fails. */
static void *uses_after_kill(void *unused)
{
	struct green_generator *generator = created(counts, (void *)2), *sleeper = created(sleeps_long, NULL);

	ck_assert_int_eq(green_kill(green_current(), 0), 0);
	assert_yields(generator, 1);
	assert_yields(generator, 2);
	assert_over(generator, &token);
	assert_fails(green_generator_next(sleeper, NULL) == -1, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	destroyed(generator);
	destroyed(sleeper);
	calls = 77;
	return unused;
}

START_TEST(s9_in_a_clean_up_no_body_waits)
{
	struct greenlet *task = green_spawn(uses_after_kill, NULL);

	join(task);
	ck_assert_int_eq(calls, 77);
	ck_assert_int_eq(cleanups, 1);
}
END_TEST

static void *waits_too_long(struct green_generator *self, void *ms)
{
	if (green_sleep((int)(intptr_t)ms) == 0)
		green_generator_yield(self, NULL, NULL);
	return NULL;
}

START_TEST(to6_a_limit_of_the_consumer_ends_the_bodys_wait)
{
	struct green_generator *generator = created(waits_too_long, (void *)10000);
	struct green_timeout limit;
	int64_t start = clock_now();
	void *value;

	green_timeout_start(&limit, 20);
	assert_fails(green_generator_next(generator, NULL) == -1, ETIMEDOUT);
	assert_took(start, 20);
	ck_assert_int_eq(green_error(&value), GREEN_TIMEOUT);
	ck_assert_ptr_eq(value, &limit);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_error(NULL), 0);
	destroyed(generator);
	/* One that was over before the body began to wait ends that wait, too. */
	generator = created(waits_too_long, (void *)10000);
	green_timeout_start(&limit, 5);
	start = clock_now();
	while (ms_since(start) < 10)
		;
	green_yield();
	assert_fails(green_generator_next(generator, NULL) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_error(NULL), 0);
	destroyed(generator);
}
END_TEST

static void *swallows_limit(struct green_generator *self, void *unused)
{
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	green_error_clear();
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert_int_eq(green_generator_yield(self, (void *)7, NULL), 0);
	return unused;
}

START_TEST(to3_a_body_may_go_on_after_a_limit)
{
	struct green_generator *generator = created(swallows_limit, NULL);
	struct green_timeout limit;

	green_timeout_start(&limit, 5);
	assert_yields(generator, 7);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert_int_eq(green_generator_next(generator, NULL), 0);
	destroyed(generator);
}
END_TEST

static void *waits_for_nothing(struct green_generator *self, void *unused)
{
	struct waiter waiter;

	green__waiter_init(&waiter, WAIT_RAISABLE, "nothing", NULL);
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -EDEADLK);
	green_generator_yield(self, &token, NULL);
	return unused;
}

START_TEST(h2_a_body_that_waits_for_nothing_is_told)
{
	struct green_generator *generator = created(waits_for_nothing, NULL);

	assert_yields(generator, (intptr_t)&token);
	destroyed(generator);
}
END_TEST

static void reset(void)
{
	calls = cleanups = 0;
	other = NULL;
}

int main(void)
{
	TCase *tests = suite_begin("generator", WITH_HUB);

	tcase_add_checked_fixture(tests, reset, NULL);
	tcase_add_test(tests, gn1_next_runs_to_the_next_yield);
	tcase_add_test(tests, gn2_what_is_sent_is_the_result_of_the_yield);
	tcase_add_test(tests, gn5_the_end_brings_what_was_returned_once);
	tcase_add_test(tests, gn6_the_end_of_one_is_not_that_of_another);
	tcase_add_test(tests, gn3_an_error_is_pending_where_the_body_waits);
	tcase_add_test(tests, gn3_an_error_that_is_not_cleared_comes_back);
	tcase_add_test(tests, gn3_thrown_at_one_that_has_not_started_or_is_over);
	tcase_add_test(tests, gn4_close_lets_the_body_clean_up);
	tcase_add_test(tests, gn4_one_that_has_not_started_is_closed_at_once);
	tcase_add_test(tests, gn4_close_tells_what_the_body_returns);
	tcase_add_test(tests, gn4_a_body_that_yields_again_is_not_closed);
	tcase_add_test(tests, gn4_another_error_at_a_close_passes);
	tcase_add_test(tests, gn9_destroying_closes);
	tcase_add_test(tests, gn10_after_an_error_it_is_closed);
	tcase_add_test(tests, gn8_one_that_runs_cannot_be_resumed);
	tcase_add_test(tests, gn10_states_have_names);
	tcase_add_test(tests, what_makes_no_sense_is_refused);
	tcase_add_test(tests, gn7_the_values_and_the_result_of_the_inner_one);
	tcase_add_test(tests, gn7_an_inner_one_that_is_over_or_halfway);
	tcase_add_test(tests, gn7_what_is_sent_and_thrown_goes_to_the_inner_one);
	tcase_add_test(tests, gn7_an_error_of_the_inner_one_fails_the_outer_one);
	tcase_add_test(tests, gn7_close_reaches_the_inner_one_first);
	tcase_add_test(tests, gn7_an_inner_one_may_refuse_a_close_or_fail_in_it);
	tcase_add_test(tests, gn7_a_cleanup_may_delegate);
	tcase_add_test(tests, gn7_a_cleanup_may_delegate_after_the_inner_one_was_closed);
	tcase_add_test(tests, gn7_who_has_been_delegated_to_answers_nobody_else);
	tcase_add_test(tests, gn7_a_deep_chain_costs_one_switch_a_value);
	tcase_add_test(tests, gn11_yields_come_from_nested_calls);
	tcase_add_test(tests, gn11_generators_of_generators_of_generators);
	tcase_add_test(tests, gn11_the_parent_is_the_consumer_of_the_moment);
	tcase_add_test(tests, a_body_may_switch_to_greenlets_of_its_own);
	tcase_add_test(tests, who_waits_in_a_yield_is_resumed_by_its_consumer_only);
	tcase_add_test(tests, what_is_meant_for_the_consumer_reaches_the_body);
	tcase_add_test(tests, gn11_a_child_of_the_body_may_consume_it);
	tcase_add_test(tests, gn11_a_child_of_the_body_may_finish_it);
	tcase_add_test(tests, g8_errno_is_the_bodys_own);
	tcase_add_test(tests, z4_one_that_is_over_holds_no_stack);
	tcase_add_test(tests, no_step_allocates);
	tcase_add_test(tests, t2_a_generator_belongs_to_its_kernel_thread);
	tcase_add_test(tests, t3_a_generator_is_lost_with_its_kernel_thread);
	tcase_add_test(tests, e10_a_tracer_may_use_generators_in_the_middle_of_another);
	tcase_add_test(tests, i3_a_tracer_that_fails_at_the_start_fails_the_generator);
	tcase_add_test(tests, h15_a_body_that_forks_goes_on_for_its_consumer_in_the_child);
	tcase_add_test(tests, a_body_may_wait_while_others_run);
	tcase_add_test(tests, gn8_nobody_comes_between_while_the_body_waits);
	tcase_add_test(tests, s9_a_kill_of_the_consumer_reaches_the_body);
	tcase_add_test(tests, s9_a_kill_reaches_the_innermost_body);
	tcase_add_test(tests, s9_a_body_cannot_refuse_for_its_consumer);
	tcase_add_test(tests, s9_in_a_clean_up_no_body_waits);
	tcase_add_test(tests, to6_a_limit_of_the_consumer_ends_the_bodys_wait);
	tcase_add_test(tests, to3_a_body_may_go_on_after_a_limit);
	tcase_add_test(tests, h2_a_body_that_waits_for_nothing_is_told);
	return suite_end();
}
