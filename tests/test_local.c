/* SPDX-License-Identifier: MIT */
/* test_local.c - variables of which each greenlet has its own */
#include "green.h"
#include "support.h"
#include "switch/greenlet.h"

static int created, destroyed, last_destroyed;

static void *number_create(void)
{
	int *number = malloc(sizeof(*number));

	*number = ++created;
	return number;
}

static void number_destroy(void *number)
{
	ck_assert_int_eq(green_error(NULL), 0);
	last_destroyed = *(int *)number;
	destroyed++;
	free(number);
}

static struct green_local number = GREEN_LOCAL_INIT(number_create, number_destroy);
static struct green_local plain = GREEN_LOCAL_INIT(NULL, NULL);

static void *asks(void *unused)
{
	int *mine = green_local_get(&number);
	int value = *mine;

	(void)unused;
	for (int i = 0; i < 3; i++) {
		green_yield();
		ck_assert_ptr_eq(green_local_get(&number), mine);
		ck_assert_int_eq(*mine, value);
	}
	return (void *)(intptr_t)value;
}

START_TEST(y11_each_greenlet_has_one_of_its_own_and_it_goes_with_it)
{
	struct greenlet *tasks[3];

	for (int i = 0; i < 3; i++)
		tasks[i] = green_spawn(asks, NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq((intptr_t)join(tasks[i]), i + 1);
		ck_assert_int_eq(last_destroyed, 3);
	}
	ck_assert_int_eq(created, 3);
	ck_assert_int_eq(destroyed, 3);
}
END_TEST

START_TEST(y11_one_that_nobody_makes_begins_as_null)
{
	errno = 0;
	ck_assert_ptr_null(green_local_get(&plain));
	ck_assert_int_eq(errno, 0);
	ck_assert_int_eq(green_local_set(&plain, &created), 0);
	ck_assert_ptr_eq(green_local_get(&plain), &created);
	ck_assert_int_eq(green_local_set(&plain, NULL), 0);
	ck_assert_ptr_null(green_local_get(&plain));
}
END_TEST

static void *replaces(void *unused)
{
	int *mine = green_local_get(&number), *other = number_create();

	(void)unused;
	ck_assert_int_eq(green_local_set(&number, other), 0);
	ck_assert_ptr_eq(green_local_get(&number), other);
	free(mine);
	return NULL;
}

START_TEST(y11_the_old_value_is_the_callers)
{
	join(green_spawn(replaces, NULL));
	ck_assert_int_eq(created, 2);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_int_eq(last_destroyed, 2);
}
END_TEST

static void *sleeps_with_one(void *unused)
{
	(void)unused;
	green_local_get(&number);
	green_sleep(10000);
	return NULL;
}

static void *fails_with_one(void *unused)
{
	green_local_get(&number);
	green_throw(green_current(), EIO, unused);
	return NULL;
}

START_TEST(y11_it_is_destroyed_with_nothing_pending_however_the_greenlet_ends)
{
	struct greenlet *task = parked(sleeps_with_one, NULL);

	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_int_eq(green_failure(task, NULL), 0);
	green_destroy(task);
	task = green_spawn(fails_with_one, NULL);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(destroyed, 2);
	ck_assert_int_eq(green_failure(task, NULL), EIO);
	green_destroy(task);
}
END_TEST

static void *raw(void *unused)
{
	green_local_get(&number);
	green_switch(green_parent(green_current()), unused);
	return NULL;
}

START_TEST(y11_greenlets_that_are_switched_have_them_too)
{
	struct greenlet *greenlet = green_create(raw, NULL);

	green_switch(greenlet, NULL);
	ck_assert_int_eq(created, 1);
	ck_assert_int_eq(green_destroy(greenlet), 0);
	ck_assert_int_eq(destroyed, 1);
}
END_TEST

enum { MANY = 300 };

static struct green_local many[MANY];

static void *uses_many(void *unused)
{
	(void)unused;
	for (intptr_t i = 0; i < MANY; i++)
		ck_assert_int_eq(green_local_set(&many[i], (void *)(i + 1)), 0);
	green_yield();
	for (intptr_t i = 0; i < MANY; i++)
		ck_assert_int_eq((intptr_t)green_local_get(&many[i]), i + 1);
	return NULL;
}

START_TEST(y11_there_may_be_many)
{
	struct greenlet *first = green_spawn(uses_many, NULL), *second = green_spawn(uses_many, NULL);

	join(first);
	join(second);
	ck_assert_ptr_null(green_local_get(&many[7]));
}
END_TEST

static int rounds;

static void asks_again(void *value)
{
	rounds++;
	/* One whose end makes a new one is ended so often, and no oftener. */
	green_local_set(value, value);
}

static struct green_local stubborn = GREEN_LOCAL_INIT(NULL, asks_again);

static void *is_stubborn(void *unused)
{
	(void)unused;
	green_local_set(&stubborn, &stubborn);
	return NULL;
}

START_TEST(destroying_may_make_others_but_not_for_ever)
{
	join(green_spawn(is_stubborn, NULL));
	ck_assert_int_ge(rounds, 2);
	ck_assert_int_le(rounds, 8);
}
END_TEST

static void *on_a_thread(void *unused)
{
	(void)unused;
	green_local_get(&number);
	return NULL;
}

START_TEST(y11_a_kernel_threads_main_greenlet_has_one_until_the_thread_ends)
{
	int before = destroyed;

	in_thread(on_a_thread, NULL);
	ck_assert_int_eq(destroyed, before + 1);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("local", WITH_HUB);

	tcase_add_test(tcase, y11_each_greenlet_has_one_of_its_own_and_it_goes_with_it);
	tcase_add_test(tcase, y11_one_that_nobody_makes_begins_as_null);
	tcase_add_test(tcase, y11_the_old_value_is_the_callers);
	tcase_add_test(tcase, y11_it_is_destroyed_with_nothing_pending_however_the_greenlet_ends);
	tcase_add_test(tcase, y11_greenlets_that_are_switched_have_them_too);
	tcase_add_test(tcase, y11_there_may_be_many);
	tcase_add_test(tcase, destroying_may_make_others_but_not_for_ever);
	tcase_add_test(tcase, y11_a_kernel_threads_main_greenlet_has_one_until_the_thread_ends);
	return suite_end();
}
