/* SPDX-License-Identifier: MIT */
/* test_native_pool.c - functions that run on kernel threads, with results that are futures */
#include <sys/stat.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/hub.h"
#include "support.h"
#include "sync/native_pool.h"

static int running, most, calls; /* atomic */
static int gate;                 /* atomic: 1 lets those go on who wait for it */
static char token;

static void *same(void *value)
{
	return value;
}

static void *counts(void *value)
{
	int now = __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST), before = __atomic_load_n(&most, __ATOMIC_SEQ_CST);

	while (now > before && !__atomic_compare_exchange_n(&most, &before, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
	usleep(2000);
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return value;
}

static void *waits_at_gate(void *value)
{
	__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
		usleep(1000);
	return value;
}

/* Without those of the tools. */
static int kernel_threads(void)
{
	struct stat tasks;

	ck_assert_int_eq(stat("/proc/self/task", &tasks), 0);
	return (int)tasks.st_nlink - 2 - (int)green__tool_threads;
}

/* A tool makes threads of its own with the first of ours, and one that was joined is listed for a moment. */
static int threads_at_first(void)
{
	in_thread(same, NULL);
	green_sleep(50);
	return kernel_threads();
}

static void until_calls(int count)
{
	for (int i = 0; i < 5000 && __atomic_load_n(&calls, __ATOMIC_SEQ_CST) < count; i++)
		green_sleep(1);
	ck_assert_int_ge(__atomic_load_n(&calls, __ATOMIC_SEQ_CST), count);
}

/* The threads go after the pool; until then they are others that could end a wait. */
static void until_threads(int count)
{
	for (int i = 0; i < 5000 && kernel_threads() > count; i++)
		green_sleep(1);
	ck_assert_int_eq(kernel_threads(), count);
}

static void dropped(struct green_future *future)
{
	green_future_error(future, NULL);
	green_future_destroy(future);
}

static void *fetched(struct green_future *future)
{
	void *value;

	ck_assert_ptr_nonnull(future);
	ck_assert_int_eq(green_future_get(future, &value, -1), 0);
	green_future_destroy(future);
	return value;
}

START_TEST(n1_a_result_comes_back_as_a_future)
{
	struct green_native_pool *pool = green_native_pool_create(2);

	ck_assert_ptr_eq(fetched(green_native_pool_submit(pool, same, &token)), &token);
	ck_assert_ptr_eq(fetched(green_native_pool_submit(pool, same, NULL)), NULL);
	green_native_pool_destroy(pool);
	green_native_pool_destroy(NULL);
}
END_TEST

static void *ticks(void *count)
{
	for (int i = 0; i < 20; i++) {
		green_sleep(1);
		++*(int *)count;
	}
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

START_TEST(n3_others_run_meanwhile)
{
	struct green_native_pool *pool = green_native_pool_create(1);
	struct green_future *future = green_native_pool_submit(pool, waits_at_gate, &token);
	int count = 0;
	struct greenlet *task = green_spawn(ticks, &count);

	ck_assert_ptr_eq(fetched(future), &token);
	ck_assert_int_eq(count, 20);
	join(task);
	green_native_pool_destroy(pool);
}
END_TEST

START_TEST(n1_threads_are_made_on_demand_up_to_the_limit)
{
	struct green_native_pool *pool = green_native_pool_create(3);
	struct green_future *futures[30];
	int before = threads_at_first();

	fetched(green_native_pool_submit(pool, same, NULL));
	ck_assert_int_eq(kernel_threads(), before + 1);
	for (int i = 0; i < 30; i++)
		futures[i] = green_native_pool_submit(pool, counts, NULL);
	for (int i = 0; i < 30; i++)
		fetched(futures[i]);
	ck_assert_int_eq(calls, 30);
	ck_assert_int_le(most, 3);
	ck_assert_int_gt(most, 1);
	ck_assert_int_le(kernel_threads(), before + 3);
	green_native_pool_destroy(pool);
	until_threads(before);
}
END_TEST

static struct green_native_pool *shared;
static int submitted;

static void *submits(void *value)
{
	struct green_future *future = green_native_pool_submit(shared, waits_at_gate, value);

	if (!future)
		return (void *)(intptr_t)errno;
	submitted++;
	dropped(future);
	return NULL;
}

START_TEST(n1_who_submits_too_much_waits)
{
	struct greenlet *tasks[5];

	shared = green_native_pool_create(1);
	/* One runs, one waits for the thread, the others wait for room. */
	tasks[0] = green_spawn(submits, NULL);
	green_yield();
	until_calls(1);
	for (int i = 1; i < 5; i++)
		tasks[i] = green_spawn(submits, NULL);
	green_sleep(10);
	ck_assert_int_eq(submitted, 2);
	/* One of them may be killed meanwhile. */
	ck_assert_int_eq(green_kill(tasks[3], -1), 0);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(green_join_all(tasks, 5, 0, -1), 0);
	ck_assert_int_eq(green_native_pool_join(shared, -1), 0);
	ck_assert_int_eq(submitted, 4);
	ck_assert_int_eq(calls, 4);
	for (int i = 0; i < 5; i++)
		green_destroy(tasks[i]);
	green_native_pool_destroy(shared);
}
END_TEST

START_TEST(n1_the_limit_may_change)
{
	struct green_native_pool *pool = green_native_pool_create(1);
	struct greenlet *tasks[4];

	shared = pool;
	for (int i = 0; i < 4; i++)
		tasks[i] = green_spawn(submits, NULL);
	until_calls(1);
	green_sleep(5);
	ck_assert_int_eq(submitted, 2);
	assert_fails(green_native_pool_resize(pool, 0) == -1, EINVAL);
	ck_assert_int_eq(green_native_pool_resize(pool, 4), 0);
	ck_assert_int_eq(green_join_all(tasks, 4, 0, 5000), 0);
	until_calls(2);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(green_native_pool_resize(pool, 1), 0);
	ck_assert_int_eq(green_native_pool_join(pool, -1), 0);
	ck_assert_int_eq(calls, 4);
	fetched(green_native_pool_submit(pool, same, NULL));
	for (int i = 0; i < 4; i++)
		green_destroy(tasks[i]);
	green_native_pool_destroy(pool);
}
END_TEST

/* C15: with a limit of time */
START_TEST(n1_join_waits_for_all_that_was_submitted)
{
	struct green_native_pool *pool = green_native_pool_create(2);

	ck_assert_int_eq(green_native_pool_join(pool, -1), 0);
	for (int i = 0; i < 6; i++)
		dropped(green_native_pool_submit(pool, counts, NULL));
	assert_fails(green_native_pool_join(pool, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_native_pool_join(pool, -1), 0);
	ck_assert_int_eq(calls, 6);
	dropped(green_native_pool_submit(pool, waits_at_gate, NULL));
	assert_fails(green_native_pool_join(pool, 5) == -1, ETIMEDOUT);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	green_native_pool_destroy(pool);
}
END_TEST

START_TEST(b9_cancelled_before_it_begins_it_never_does)
{
	struct green_native_pool *pool = green_native_pool_create(1);
	struct green_future *first = green_native_pool_submit(pool, waits_at_gate, &token), *second;

	until_calls(1);
	second = green_native_pool_submit(pool, counts, NULL);
	ck_assert(green_future_cancel(second));
	ck_assert_int_eq(green_future_state(second), GREEN_GIVEN_UP);
	/* One that has begun goes on; its result is dropped. */
	ck_assert(green_future_cancel(first));
	assert_fails(green_future_get(first, NULL, -1) == -1, ECANCELED);
	green_error_clear();
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	ck_assert_int_eq(green_native_pool_join(pool, -1), 0);
	ck_assert_int_eq(calls, 1);
	assert_fails(green_future_set(first, NULL) == -1, EINVAL);
	dropped(first);
	dropped(second);
	green_native_pool_destroy(pool);
}
END_TEST

static void *opens_gate(void *unused)
{
	green_sleep(10);
	assert_fails(!green_native_pool_submit(shared, counts, NULL), ESHUTDOWN);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	return unused;
}

/* C15: who submits meanwhile is refused */
START_TEST(n1_destroying_waits_for_what_runs_and_cancels_the_rest)
{
	struct green_native_pool *pool = green_native_pool_create(1);
	struct green_future *first = green_native_pool_submit(pool, waits_at_gate, &token), *second;
	struct greenlet *opener, *waiting;

	until_calls(1);
	shared = pool;
	second = green_native_pool_submit(pool, counts, NULL);
	waiting = green_spawn(submits, NULL);
	opener = green_spawn(opens_gate, NULL);
	green_yield();
	/* Not even a killed one leaves before. */
	green_cancel(green_current());
	green_native_pool_destroy(pool);
	green_uncancel();
	ck_assert_int_eq(gate, 1);
	ck_assert_ptr_eq(fetched(first), &token);
	ck_assert_int_eq(green_future_state(second), GREEN_GIVEN_UP);
	ck_assert_int_eq(calls, 1);
	ck_assert_ptr_eq(join(waiting), (void *)ESHUTDOWN);
	dropped(second);
	join(opener);
}
END_TEST

static void *leaves_an_error(void *value)
{
	green_throw(green_current(), ENOENT, value);
	return NULL;
}

START_TEST(n2_an_error_is_kept)
{
	struct green_native_pool *pool = green_native_pool_create(1);
	struct green_future *future = green_native_pool_submit(pool, leaves_an_error, &token);
	void *value;

	assert_fails(green_future_get(future, NULL, -1) == -1, ENOENT);
	ck_assert_int_eq(green_error(&value), ENOENT);
	ck_assert_ptr_eq(value, &token);
	green_error_clear();
	green_future_destroy(future);
	/* The next call knows nothing of it. */
	ck_assert_ptr_eq(fetched(green_native_pool_submit(pool, same, &token)), &token);
	green_native_pool_destroy(pool);
}
END_TEST

static void *uses_a_hub(void *value)
{
	struct greenlet *task = green_spawn(same, value);
	void *result = NULL;

	green_sleep(1);
	green_join(task, &result, -1);
	green_destroy(task);
	return result;
}

START_TEST(n2_threads_may_have_a_hub_of_their_own)
{
	struct green_native_pool *pool = green_native_pool_create(2);
	int threads = threads_at_first(), before = descriptors_open();

	for (int i = 0; i < 10; i++)
		ck_assert_ptr_eq(fetched(green_native_pool_submit(pool, uses_a_hub, &token)), &token);
	green_native_pool_destroy(pool);
	until_threads(threads);
	ck_assert_int_eq(descriptors_open(), before);
}
END_TEST

START_TEST(n2_idle_threads_leave)
{
	struct green_native_pool *pool = green_native_pool_create(2);
	int before = threads_at_first();

	ck_assert_int_eq(green__native_pool_patience, 5);
	green__native_pool_patience = 1;
	fetched(green_native_pool_submit(pool, same, NULL));
	ck_assert_int_eq(kernel_threads(), before + 1);
	until_threads(before);
	fetched(green_native_pool_submit(pool, same, NULL));
	green_native_pool_destroy(pool);
}
END_TEST

static void submit_in_child(void)
{
	struct green_future *future = green_native_pool_submit(shared, same, &token);
	void *value;

	if (!future || green_future_get(future, &value, 5000) || value != &token)
		_exit(1);
	green_native_pool_destroy(shared);
	_exit(0);
}

START_TEST(n2_a_forked_child_has_threads_of_its_own)
{
	struct green_future *future;
	int status;

	shared = green_native_pool_create(1);
	future = green_native_pool_submit(shared, waits_at_gate, &token);
	until_calls(1);
	status = in_child(submit_in_child, NULL, 0);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	ck_assert_ptr_eq(fetched(future), &token);
	green_native_pool_destroy(shared);
}
END_TEST

static void *submits_from_afar(void *value)
{
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_eq(fetched(green_native_pool_submit(shared, same, value)), value);
	return NULL;
}

START_TEST(n2_any_kernel_thread_submits)
{
	pthread_t threads[3];

	shared = green_native_pool_create(2);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, submits_from_afar, &token);
	submits_from_afar(&calls);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	green_native_pool_destroy(shared);
}
END_TEST

START_TEST(pool_refuses_what_makes_no_sense)
{
	struct green_native_pool *pool = green_native_pool_create(1);

	assert_fails(!green_native_pool_create(0), EINVAL);
	assert_fails(!green_native_pool_submit(pool, NULL, NULL), EINVAL);
	assert_fails(!green_native_pool_submit(NULL, same, NULL), EINVAL);
	green_native_pool_destroy(pool);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("native_pool", WITH_HUB);

	tcase_add_test(tcase, n1_a_result_comes_back_as_a_future);
	tcase_add_test(tcase, n3_others_run_meanwhile);
	tcase_add_test(tcase, n1_threads_are_made_on_demand_up_to_the_limit);
	tcase_add_test(tcase, n1_who_submits_too_much_waits);
	tcase_add_test(tcase, n1_the_limit_may_change);
	tcase_add_test(tcase, n1_join_waits_for_all_that_was_submitted);
	tcase_add_test(tcase, b9_cancelled_before_it_begins_it_never_does);
	tcase_add_test(tcase, n1_destroying_waits_for_what_runs_and_cancels_the_rest);
	tcase_add_test(tcase, n2_an_error_is_kept);
	tcase_add_test(tcase, n2_threads_may_have_a_hub_of_their_own);
	tcase_add_test(tcase, n2_idle_threads_leave);
	tcase_add_test(tcase, n2_a_forked_child_has_threads_of_its_own);
	tcase_add_test(tcase, n2_any_kernel_thread_submits);
	tcase_add_test(tcase, pool_refuses_what_makes_no_sense);
	return suite_end();
}
