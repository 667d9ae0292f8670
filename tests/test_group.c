/* SPDX-License-Identifier: MIT */
/* test_group.c - tasks that belong together: groups, pools, results of many */
#include <stdio.h>
#include <time.h>

#include "base/fault.h"
#include "green.h"
#include "hub/hub.h"
#include "support.h"

static int calls, failures, running, most;
static char token;

static void *sleeps(void *ms)
{
	calls++;
	if (++running > most)
		most = running;
	if (green_sleep((int)(intptr_t)ms) == -1)
		failures += errno == ECANCELED;
	running--;
	return ms;
}

static void *fails(void *ms)
{
	green_sleep((int)(intptr_t)ms);
	if (!green_error(NULL))
		green_throw(green_current(), EIO, ms);
	return NULL;
}

static void spawned(struct green_group *group, void *(*function)(void *), intptr_t arg)
{
	ck_assert_int_eq(green_group_spawn(group, function, (void *)arg, -1), 0);
}

static void over(struct green_group *group)
{
	ck_assert_int_eq(green_group_kill(group, -1), 0);
	ck_assert_uint_eq(green_group_size(group), 0);
	ck_assert_int_eq(green_group_destroy(group), 0);
}

/* --- members --- */

START_TEST(pl1_members_leave_when_they_end)
{
	struct green_group *group = green_group_create(0);
	struct greenlet *task = green_spawn(sleeps, (void *)3);

	spawned(group, sleeps, 1);
	spawned(group, fails, 1);
	ck_assert_int_eq(green_group_add(group, task, -1), 0);
	ck_assert_int_eq(green_group_add(group, task, -1), 0);
	ck_assert_uint_eq(green_group_size(group), 3);
	ck_assert(green_group_contains(group, task));
	ck_assert_int_eq(calls, 0);
	ck_assert_int_eq(green_group_join(group, 0, -1), 0);
	ck_assert_uint_eq(green_group_size(group), 0);
	ck_assert(!green_group_contains(group, task));
	ck_assert_ptr_eq(join(task), (void *)3);
	ck_assert_int_eq(green_group_join(group, 0, -1), 0);
	over(group);
	ck_assert_int_eq(green_group_destroy(NULL), 0);
}
END_TEST

START_TEST(pl1_one_that_has_ended_or_is_taken_out_is_no_member)
{
	struct green_group *group = green_group_create(2);
	struct greenlet *task = green_spawn(sleeps, (void *)2);

	ck_assert_int_eq(green_group_add(group, task, -1), 0);
	ck_assert(green_group_discard(group, task));
	ck_assert(!green_group_discard(group, task));
	ck_assert_uint_eq(green_group_room(group), 2);
	ck_assert_int_eq(green_group_join(group, 0, 0), 0);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_group_add(group, task, -1), 0);
	ck_assert_uint_eq(green_group_room(group), 2);
	green_destroy(task);
	over(group);
}
END_TEST

START_TEST(pl1_a_member_is_known_by_its_own_handle)
{
	struct green_group *group = green_group_create(0);
	struct greenlet *task = green_spawn(sleeps, (void *)2);

	green_group_add(group, task, -1);
	green_destroy(task);
	ck_assert(green_group_contains(group, task));
	ck_assert_int_eq(green_group_join(group, 0, -1), 0);
	over(group);
}
END_TEST

START_TEST(pl1_join_may_stop_at_an_error)
{
	struct green_group *group = green_group_create(0);
	int64_t start = clock_now();

	spawned(group, sleeps, 10000);
	spawned(group, fails, 3);
	assert_fails(green_group_join(group, GREEN_STOP_AT_ERROR, -1) == -1, ECHILD);
	assert_took(start, 3);
	ck_assert_uint_eq(green_group_size(group), 1);
	/* It has been told. */
	assert_fails(green_group_join(group, GREEN_STOP_AT_ERROR, 5) == -1, ETIMEDOUT);
	assert_fails(green_group_join(group, 0, 0) == -1, ETIMEDOUT);
	assert_fails(green_group_join(group, 2, 0) == -1, EINVAL);
	over(group);
	ck_assert_int_eq(failures, 1);
}
END_TEST

static struct green_group *the_group;

static void *adds(void *unused)
{
	(void)unused;
	return green_group_spawn(the_group, sleeps, NULL, -1) ? (void *)(intptr_t)errno : NULL;
}

static void *refuses(void *unused)
{
	if (green_sleep(10000) == -1)
		green_error_clear();
	/* Meanwhile nobody may join. */
	ck_assert_ptr_eq(adds(NULL), (void *)ESHUTDOWN);
	green_sleep(5);
	calls++;
	return unused;
}

START_TEST(pl1_kill_waits_for_all_and_refuses_new_ones)
{
	int64_t start = clock_now();

	the_group = green_group_create(0);
	spawned(the_group, sleeps, 10000);
	spawned(the_group, refuses, 0);
	green_yield();
	/* One that has not started. */
	spawned(the_group, sleeps, 0);
	calls = 0;
	ck_assert_int_eq(green_group_kill(the_group, -1), 0);
	assert_took(start, 5);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(failures, 1);
	ck_assert_int_eq(green_group_spawn(the_group, sleeps, NULL, 0), 0);
	over(the_group);
}
END_TEST

START_TEST(pl1_kill_refuses_those_who_wait_for_room)
{
	struct greenlet *waiting;

	the_group = green_group_create(1);
	spawned(the_group, sleeps, 10000);
	waiting = green_spawn(adds, NULL);
	green_sleep(1);
	assert_fails(green_group_destroy(the_group) == -1, EBUSY);
	ck_assert_int_eq(green_group_kill(the_group, -1), 0);
	ck_assert_ptr_eq(join(waiting), (void *)ESHUTDOWN);
	over(the_group);
}
END_TEST

static void *kills_its_group(void *unused)
{
	assert_fails(green_group_kill(the_group, -1) == -1, ECANCELED);
	failures++;
	return unused;
}

START_TEST(pl1_a_member_may_kill_its_group)
{
	the_group = green_group_create(0);
	spawned(the_group, sleeps, 10000);
	spawned(the_group, kills_its_group, 0);
	ck_assert_int_eq(green_group_join(the_group, 0, -1), 0);
	ck_assert_int_eq(failures, 2);
	over(the_group);
}
END_TEST

static void *uses_a_group_of_others(void *group)
{
	assert_fails(green_group_spawn(group, sleeps, NULL, -1) == -1, EPERM);
	return NULL;
}

START_TEST(group_refuses_what_makes_no_sense)
{
	struct green_group *group = green_group_create(0);

	assert_fails(green_group_spawn(group, NULL, NULL, -1) == -1, EINVAL);
	assert_fails(green_group_add(group, NULL, -1) == -1, EINVAL);
	assert_fails(green_group_add(group, green_current(), -1) == -1, EINVAL);
	in_thread(uses_a_group_of_others, group);
	ck_assert_uint_eq(green_group_size(group), 0);
	/* Members go on without it. */
	spawned(group, sleeps, 1);
	ck_assert_int_eq(green_group_destroy(group), 0);
	green_sleep(10);
	ck_assert_int_eq(calls, 1);
}
END_TEST

/* --- a limit --- */

START_TEST(pl2_who_adds_waits_while_it_is_full)
{
	struct green_group *pool = green_group_create(3);

	for (int i = 0; i < 20; i++)
		spawned(pool, sleeps, 1 + i % 3);
	ck_assert_uint_le(green_group_size(pool), 3);
	ck_assert_int_eq(green_group_join(pool, 0, -1), 0);
	ck_assert_int_eq(calls, 20);
	ck_assert_int_eq(most, 3);
	ck_assert_uint_eq(green_group_room(pool), 3);
	over(pool);
}
END_TEST

START_TEST(pl2_a_time_that_passes)
{
	struct green_group *pool = green_group_create(1);

	spawned(pool, sleeps, 10000);
	assert_fails(green_group_spawn(pool, sleeps, NULL, 0) == -1, ETIMEDOUT);
	assert_fails(green_group_spawn(pool, sleeps, NULL, 5) == -1, ETIMEDOUT);
	assert_fails(green_group_wait_room(pool, 5) == -1, ETIMEDOUT);
	ck_assert_uint_eq(green_group_room(pool), 0);
	ck_assert_uint_eq(green_group_size(pool), 1);
	over(pool);
}
END_TEST

static char order[20];

static void *adds_in_turn(void *letter)
{
	if (green_group_spawn(the_group, sleeps, (void *)1, -1) == 0)
		strncat(order, letter, 1);
	return NULL;
}

static void *looks(void *letter)
{
	ck_assert_int_eq(green_group_wait_room(the_group, -1), 0);
	strncat(order, letter, 1);
	return NULL;
}

START_TEST(pl2_room_goes_to_who_waits_longest)
{
	struct greenlet *tasks[5];

	the_group = green_group_create(1);
	spawned(the_group, sleeps, 200);
	tasks[0] = green_spawn(adds_in_turn, "a");
	tasks[1] = green_spawn(adds_in_turn, "b");
	tasks[2] = green_spawn(looks, "l");
	tasks[3] = green_spawn(adds_in_turn, "c");
	tasks[4] = green_spawn(adds_in_turn, "d");
	green_sleep(1);
	/* One who is killed passes nothing on, and nothing is lost with it. */
	ck_assert_int_eq(green_kill(tasks[1], -1), 0);
	for (int i = 0; i < 5; i++) {
		green_join(tasks[i], NULL, -1);
		green_destroy(tasks[i]);
	}
	ck_assert_str_eq(order, "alcd");
	over(the_group);
}
END_TEST

#ifdef GREEN_DEBUG
/* PL2: once for each request for memory */
START_TEST(pl2_one_that_cannot_be_made_gives_its_place_back)
{
	struct green_group *group = green_group_create(1);

	for (unsigned at = 1; at <= 2; at++) {
		green__fault_at(at);
		assert_fails(green_group_spawn(group, sleeps, (void *)1, 0) == -1, ENOMEM);
		green__fault_at(0);
		ck_assert_uint_eq(green_group_room(group), 1);
	}
	spawned(group, sleeps, 1);
	over(group);
}
END_TEST
#endif

START_TEST(pl2_kills_at_random_lose_no_place)
{
	enum { ADDERS = 30 };
	const char *given = getenv("GREEN_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct greenlet *tasks[ADDERS];

	printf("GREEN_TEST_SEED=%u\n", seed);
	fflush(stdout);
	srand(seed);
	the_group = green_group_create(4);
	for (int round = 0; round < 30; round++) {
		order[0] = '\0';
		for (int i = 0; i < ADDERS; i++)
			tasks[i] = green_spawn(adds, NULL);
		for (int i = 0; i < ADDERS; i++) {
			if (rand() % 3 == 0)
				green_kill(tasks[rand() % ADDERS], 0);
			if (rand() % 4 == 0)
				green_yield();
		}
		for (int i = 0; i < ADDERS; i++) {
			ck_assert_int_eq(green_join(tasks[i], NULL, -1), 0);
			green_destroy(tasks[i]);
		}
		ck_assert_int_eq(green_group_join(the_group, 0, -1), 0);
		ck_assert_uint_eq(green_group_room(the_group), 4);
	}
	ck_assert_int_le(most, 4);
	over(the_group);
}
END_TEST

/* --- results --- */

static void *twice(void *value)
{
	if ((intptr_t)value % 3 == 0)
		green_sleep(1);
	return (void *)(2 * (intptr_t)value);
}

static void *reenters(void *depth)
{
	intptr_t left = (intptr_t)depth;

	return left ? green_group_apply(the_group, reenters, (void *)(left - 1)) : &token;
}

START_TEST(pl3_apply_returns_what_the_function_does)
{
	the_group = green_group_create(1);
	ck_assert_ptr_eq(green_group_apply(the_group, twice, (void *)21), (void *)42);
	assert_fails(!green_group_apply(the_group, fails, NULL), EIO);
	ck_assert_int_eq(green_error(NULL), EIO);
	green_error_clear();
	assert_fails(!green_group_apply(the_group, NULL, NULL), EINVAL);
	/* A member runs it itself, so a full group does not lock itself up. */
	ck_assert_ptr_eq(green_group_apply(the_group, reenters, (void *)5), &token);
	over(the_group);
}
END_TEST

START_TEST(pl3_map_keeps_the_order)
{
	struct green_group *pool = green_group_create(4);
	void *items[25];

	for (intptr_t i = 0; i < 25; i++)
		items[i] = (void *)i;
	ck_assert_int_eq(green_group_map(pool, twice, items, items, 25), 0);
	for (intptr_t i = 0; i < 25; i++)
		ck_assert_ptr_eq(items[i], (void *)(2 * i));
	ck_assert_int_eq(green_group_map(pool, twice, items, NULL, 25), 0);
	ck_assert_int_eq(green_group_map(pool, twice, NULL, NULL, 0), 0);
	assert_fails(green_group_map(pool, NULL, items, NULL, 25) == -1, EINVAL);
	over(pool);
}
END_TEST

static void *fails_at_two(void *item)
{
	return (intptr_t)item == 2 ? fails((void *)1) : sleeps((void *)400);
}

START_TEST(pl3_the_first_error_of_a_map_goes_out_and_others_go_on)
{
	struct green_group *group = green_group_create(0);
	void *items[4] = { (void *)0, (void *)1, (void *)2, (void *)3 }, *results[4] = { NULL };
	int64_t start = clock_now();

	assert_fails(green_group_map(group, fails_at_two, items, results, 4) == -1, EIO);
	assert_took(start, 1);
	ck_assert_int_eq(green_error(NULL), EIO);
	green_error_clear();
	ck_assert_uint_eq(green_group_size(group), 3);
	ck_assert_int_eq(green_group_join(group, 0, -1), 0);
	ck_assert_int_eq(failures, 0);
	ck_assert_ptr_null(results[0]);
	over(group);
}
END_TEST

static void *maps(void *unused)
{
	void *items[3] = { (void *)1, (void *)2, (void *)3 };

	ck_assert_int_eq(green_group_map(the_group, twice, items, items, 3), 0);
	ck_assert_ptr_eq(items[2], (void *)6);
	return unused;
}

static void *counts_and_fails(void *code)
{
	calls++;
	green_throw(green_current(), (int)(intptr_t)code, NULL);
	return NULL;
}

START_TEST(pl3_a_map_that_has_failed_begins_no_more)
{
	struct green_group *group = green_group_create(1);
	void *items[6] = { (void *)ENOENT, (void *)EIO, (void *)EIO, (void *)EIO, (void *)EIO, (void *)EIO };

	assert_fails(green_group_map(group, counts_and_fails, items, NULL, 6) == -1, ENOENT);
	green_error_clear();
	ck_assert_int_eq(green_group_join(group, 0, -1), 0);
	/* The second one began while the first had its turn. */
	ck_assert_int_le(calls, 2);
	over(group);
}
END_TEST

START_TEST(pl3_a_member_maps_by_itself)
{
	the_group = green_group_create(1);
	ck_assert_ptr_eq(green_group_apply(the_group, maps, &token), &token);
	over(the_group);
}
END_TEST

/* --- results as they come --- */

struct numbers {
	intptr_t next, end;
	intptr_t error_at; /* 0: never */
	intptr_t asked;
};

static int next_number(void *source, void **item)
{
	struct numbers *numbers = source;

	numbers->asked++;
	if (numbers->error_at && numbers->next == numbers->error_at) {
		errno = ENOLINK;
		return -1;
	}
	if (numbers->next > numbers->end)
		return 0;
	if (green_sleep(0))
		return -1;
	*item = (void *)numbers->next++;
	return 1;
}

static void *slow_if_odd(void *value)
{
	green_sleep((intptr_t)value % 2 ? 8 : 1);
	return (void *)(2 * (intptr_t)value);
}

START_TEST(pl3_results_in_the_order_of_the_items)
{
	struct green_group *group = green_group_create(0);
	struct numbers numbers = { 1, 20, 0, 0 };
	struct green_mapping *mapping = green_mapping_create(group, slow_if_odd, next_number, &numbers, GREEN_ORDERED, 5);
	void *result;

	for (intptr_t i = 1; i <= 20; i++) {
		ck_assert_int_eq(green_mapping_next(mapping, &result, -1), 1);
		ck_assert_ptr_eq(result, (void *)(2 * i));
		ck_assert_int_le(numbers.asked, i + 5);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(green_mapping_next(mapping, &result, -1), 0);
	green_mapping_destroy(mapping);
	green_mapping_destroy(NULL);
	over(group);
}
END_TEST

static int evens;

/* The odd ones end when both even ones have. */
static void *odd_last(void *value)
{
	if ((intptr_t)value % 2 == 0)
		evens++;
	while ((intptr_t)value % 2 && evens < 2)
		green_sleep(1);
	return (void *)(2 * (intptr_t)value);
}

START_TEST(pl3_results_in_the_order_of_their_ends)
{
	struct green_group *group = green_group_create(0);
	struct numbers numbers = { 1, 4, 0, 0 };
	struct green_mapping *mapping = green_mapping_create(group, odd_last, next_number, &numbers, GREEN_UNORDERED, 10);
	intptr_t results[4];

	for (int i = 0; i < 4; i++) {
		void *result;

		ck_assert_int_eq(green_mapping_next(mapping, &result, -1), 1);
		results[i] = (intptr_t)result / 2;
	}
	ck_assert(results[0] % 2 == 0 && results[1] % 2 == 0 && results[2] % 2 == 1 && results[3] % 2 == 1);
	ck_assert_int_eq(results[0] + results[1] + results[2] + results[3], 10);
	ck_assert_int_eq(green_mapping_next(mapping, NULL, 0), 0);
	green_mapping_destroy(mapping);
	over(group);
}
END_TEST

static void until(const intptr_t *count, intptr_t wanted)
{
	for (int i = 0; i < 5000 && *count < wanted; i++)
		green_sleep(1);
	/* Time for one too many. */
	for (int i = 0; i < 100; i++)
		green_yield();
	ck_assert_int_eq(*count, wanted);
}

START_TEST(pl3_no_more_are_begun_than_may_wait_to_be_read)
{
	struct green_group *group = green_group_create(0);
	struct numbers numbers = { 1, 100, 0, 0 };
	struct green_mapping *mapping = green_mapping_create(group, twice, next_number, &numbers, GREEN_UNORDERED, 3);

	until(&numbers.asked, 3);
	ck_assert_int_eq(green_mapping_next(mapping, NULL, -1), 1);
	until(&numbers.asked, 4);
	green_mapping_destroy(mapping);
	over(group);
}
END_TEST

START_TEST(pl4_an_error_of_the_source_comes_in_its_place)
{
	for (int kind = GREEN_ORDERED; kind <= GREEN_UNORDERED; kind++) {
		struct green_group *group = green_group_create(0);
		struct numbers numbers = { 1, 10, 3, 0 };
		struct green_mapping *mapping = green_mapping_create(group, twice, next_number, &numbers, kind, 1);

		ck_assert_int_eq(green_mapping_next(mapping, NULL, -1), 1);
		ck_assert_int_eq(green_mapping_next(mapping, NULL, -1), 1);
		assert_fails(green_mapping_next(mapping, NULL, -1) == -1, ENOLINK);
		ck_assert_int_eq(green_mapping_next(mapping, NULL, -1), 0);
		green_mapping_destroy(mapping);
		over(group);
	}
}
END_TEST

static void *fails_at_three(void *item)
{
	return (intptr_t)item == 3 ? fails(item) : item;
}

START_TEST(pl3_an_item_that_fails_is_told_in_its_place)
{
	struct green_group *group = green_group_create(2);
	struct numbers numbers = { 1, 5, 0, 0 };
	struct green_mapping *mapping = green_mapping_create(group, fails_at_three, next_number, &numbers, GREEN_ORDERED, 4);

	for (intptr_t i = 1; i <= 5; i++) {
		void *result = NULL;
		int got = green_mapping_next(mapping, &result, -1);

		ck_assert_int_eq(got, i == 3 ? -1 : 1);
		ck_assert_int_eq(green_error(NULL), i == 3 ? EIO : 0);
		ck_assert_ptr_eq(result, i == 3 ? NULL : (void *)i);
		green_error_clear();
	}
	ck_assert_int_eq(green_mapping_next(mapping, NULL, -1), 0);
	green_mapping_destroy(mapping);
	over(group);
}
END_TEST

START_TEST(pl3_a_mapping_ends_what_runs)
{
	for (int kind = GREEN_ORDERED; kind <= GREEN_UNORDERED; kind++) {
		struct green_group *group = green_group_create(0);
		struct numbers numbers = { 10000, 20000, 0, 0 };
		struct green_mapping *mapping = green_mapping_create(group, sleeps, next_number, &numbers, kind, 4);

		failures = 0;
		assert_fails(green_mapping_next(mapping, NULL, 0) == -1, ETIMEDOUT);
		assert_fails(green_mapping_next(mapping, NULL, 5) == -1, ETIMEDOUT);
		until(&numbers.asked, 4);
		green_mapping_destroy(mapping);
		ck_assert_int_eq(failures, 4);
		ck_assert_uint_eq(green_group_size(group), 0);
		over(group);
	}
	assert_fails(!green_mapping_create(NULL, sleeps, next_number, NULL, GREEN_ORDERED, 0), EINVAL);
}
END_TEST

static struct green_barrier clean_up = GREEN_BARRIER_INIT(3);

/* Its clean-up lasts until that of the others has begun. */
static void *cleans_up(void *item)
{
	green_sleep(10000);
	green_hold_errors();
	failures += green_barrier_wait(&clean_up, 5000) < 0;
	green_release_errors();
	return item;
}

START_TEST(pl3_what_runs_is_cancelled_together)
{
	for (int kind = GREEN_ORDERED; kind <= GREEN_UNORDERED; kind++) {
		struct green_group *group = green_group_create(0);
		struct numbers numbers = { 1, 100, 0, 0 };
		struct green_mapping *mapping = green_mapping_create(group, cleans_up, next_number, &numbers, kind, 3);

		failures = 0;
		until(&numbers.asked, 3);
		green_mapping_destroy(mapping);
		ck_assert_int_eq(failures, 0);
		over(group);
	}
}
END_TEST

static void add_members(TCase *tcase)
{
	tcase_add_test(tcase, pl1_members_leave_when_they_end);
	tcase_add_test(tcase, pl1_one_that_has_ended_or_is_taken_out_is_no_member);
	tcase_add_test(tcase, pl1_a_member_is_known_by_its_own_handle);
	tcase_add_test(tcase, pl1_join_may_stop_at_an_error);
	tcase_add_test(tcase, pl1_kill_waits_for_all_and_refuses_new_ones);
	tcase_add_test(tcase, pl1_kill_refuses_those_who_wait_for_room);
	tcase_add_test(tcase, pl1_a_member_may_kill_its_group);
	tcase_add_test(tcase, group_refuses_what_makes_no_sense);
	tcase_add_test(tcase, pl2_who_adds_waits_while_it_is_full);
	tcase_add_test(tcase, pl2_a_time_that_passes);
	tcase_add_test(tcase, pl2_room_goes_to_who_waits_longest);
#ifdef GREEN_DEBUG
	tcase_add_test(tcase, pl2_one_that_cannot_be_made_gives_its_place_back);
#endif
	tcase_add_test(tcase, pl2_kills_at_random_lose_no_place);
}

static void add_results(TCase *tcase)
{
	tcase_add_test(tcase, pl3_apply_returns_what_the_function_does);
	tcase_add_test(tcase, pl3_map_keeps_the_order);
	tcase_add_test(tcase, pl3_the_first_error_of_a_map_goes_out_and_others_go_on);
	tcase_add_test(tcase, pl3_a_map_that_has_failed_begins_no_more);
	tcase_add_test(tcase, pl3_a_member_maps_by_itself);
	tcase_add_test(tcase, pl3_results_in_the_order_of_the_items);
	tcase_add_test(tcase, pl3_results_in_the_order_of_their_ends);
	tcase_add_test(tcase, pl3_no_more_are_begun_than_may_wait_to_be_read);
	tcase_add_test(tcase, pl4_an_error_of_the_source_comes_in_its_place);
	tcase_add_test(tcase, pl3_an_item_that_fails_is_told_in_its_place);
	tcase_add_test(tcase, pl3_a_mapping_ends_what_runs);
	tcase_add_test(tcase, pl3_what_runs_is_cancelled_together);
}

int main(void)
{
	TCase *tcase = suite_begin("group", WITH_HUB);

	add_members(tcase);
	add_results(tcase);
	return suite_end();
}
