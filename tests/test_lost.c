/* SPDX-License-Identifier: MIT */
/* test_lost.c - kernel threads that end before what was begun on them: nobody waits for ever, nobody uses what is gone */
#include "green.h"
#include "support.h"
#include "sync/future.h"

enum { WAITERS = 6 };

static struct green_event event, gate;
static struct green_semaphore semaphore;
static struct green_mutex mutex;
static struct green_queue *queue;
static struct green_future *promise;
static struct greenlet *handles[WAITERS];
static char token;
static int offloads; /* atomic */

static void *waits_for_event(void *unused)
{
	green_event_wait(&event, -1);
	return unused;
}

static void *waits_for_semaphore(void *unused)
{
	green_semaphore_acquire(&semaphore, -1);
	return unused;
}

static void *waits_for_mutex(void *unused)
{
	green_mutex_lock(&mutex, -1);
	return unused;
}

static void *waits_for_item(void *unused)
{
	green_queue_get(queue, NULL, -1);
	return unused;
}

static void *waits_for_future(void *unused)
{
	green_future_wait(promise, -1);
	return unused;
}

static void *waits_for_several(void *unused)
{
	struct green_future *futures[] = { promise };

	green_gather(futures, 1, NULL, -1);
	return unused;
}

static void *leaves_waiters(void *unused)
{
	static void *(*const functions[WAITERS])(void *) = { waits_for_event,  waits_for_semaphore, waits_for_mutex,
							      waits_for_item,	waits_for_future,    waits_for_several };

	for (int i = 0; i < WAITERS; i++)
		handles[i] = parked(functions[i], NULL);
	return unused;
}

static void give_handles_back(void)
{
	for (int i = 0; i < WAITERS; i++) {
		ck_assert_int_eq(green_state(handles[i]), GREEN_LOST);
		ck_assert_int_eq(green_destroy(handles[i]), 0);
	}
}

static void *acquires(void *arg)
{
	return green_semaphore_acquire(&semaphore, -1) == 0 ? arg : NULL;
}

static void *gets(void *unused)
{
	void *item = NULL;

	(void)unused;
	green_queue_get(queue, &item, -1);
	return item;
}

static void everything_comes(void)
{
	struct greenlet *acquiring = parked(acquires, &token), *getting = parked(gets, NULL);

	green_event_set(&event);
	ck_assert_int_eq(green_semaphore_release(&semaphore), 0);
	ck_assert_int_eq(green_queue_put(queue, &token, 0), 0);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
	ck_assert_int_eq(green_future_set(promise, NULL), 0);
	/* Who is lost takes nothing from those behind it. */
	ck_assert_ptr_eq(join(acquiring), &token);
	ck_assert_ptr_eq(join(getting), &token);
}

static void wait_for_nothing(bool destroy_first)
{
	queue = green_queue_create(GREEN_FIFO, 0);
	promise = green_future_create();
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
	in_thread(leaves_waiters, NULL);
	if (destroy_first)
		give_handles_back();
	everything_comes();
	if (!destroy_first)
		give_handles_back();
	green_future_destroy(promise);
	green_queue_destroy(queue);
}

START_TEST(t3_who_is_lost_is_passed_over)
{
	wait_for_nothing(false);
}
END_TEST

START_TEST(t3_who_is_lost_and_given_back_is_passed_over)
{
	wait_for_nothing(true);
}
END_TEST

static void *owns_for_ever(void *unused)
{
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
	green_sleep(100000);
	return unused;
}

static void *leaves_owner(void *unused)
{
	handles[0] = parked(owns_for_ever, unused);
	return unused;
}

/* T4: what it guards may be half changed, so nobody gets it; who it was can be asked. */
START_TEST(t4_a_mutex_of_one_who_is_lost_stays_locked)
{
	in_thread(leaves_owner, NULL);
	assert_fails(green_mutex_lock(&mutex, 0) < 0, ETIMEDOUT);
	assert_fails(green_mutex_lock(&mutex, -1) < 0, EDEADLK);
	assert_fails(green_mutex_unlock(&mutex) < 0, EPERM);
	ck_assert_ptr_eq(green_mutex_owner(&mutex), handles[0]);
	ck_assert_int_eq(green_state(handles[0]), GREEN_LOST);
	ck_assert_int_eq(green_destroy(handles[0]), 0);
	mutex = (struct green_mutex)GREEN_MUTEX_INIT;
	ck_assert_int_eq(green_mutex_lock(&mutex, 0), 0);
	ck_assert_int_eq(green_mutex_unlock(&mutex), 0);
}
END_TEST

/* --- calls on other kernel threads --- */

static void *until_gate(void *unused)
{
	while (!green_event_is_set(&gate))
		usleep(1000);
	__atomic_add_fetch(&offloads, 1, __ATOMIC_RELEASE);
	return unused;
}

static void *offloads_one(void *unused)
{
	return green_offload(until_gate, unused);
}

static void *leaves_offload(void *unused)
{
	handles[0] = parked(offloads_one, NULL);
	return unused;
}

START_TEST(h16_a_call_goes_on_when_its_callers_thread_has_ended)
{
	in_thread(leaves_offload, NULL);
	ck_assert_int_eq(green_destroy(handles[0]), 0);
	green_event_set(&gate);
	while (!__atomic_load_n(&offloads, __ATOMIC_ACQUIRE))
		green_sleep(1);
	/* The worker is done with it before long. */
	green_sleep(50);
	ck_assert_ptr_eq(green_offload(until_gate, &token), &token);
}
END_TEST

static void *leaves_thread(void *arg)
{
	pthread_exit(arg);
}

START_TEST(h16_a_call_that_ends_its_thread_fails)
{
	for (int i = 0; i < 6; i++)
		assert_fails(!green_offload(leaves_thread, &token), ESRCH);
	green_event_set(&gate);
	ck_assert_ptr_eq(green_offload(until_gate, &token), &token);
}
END_TEST

START_TEST(b10_a_call_that_ends_its_thread_fails_its_future)
{
	struct green_native_pool *pool = green_native_pool_create(1);
	struct green_future *leaving = green_native_pool_submit(pool, leaves_thread, NULL);
	struct green_future *next = green_native_pool_submit(pool, until_gate, &token);
	void *value = NULL;

	green_event_set(&gate);
	assert_fails(green_future_get(leaving, NULL, -1) == -1, ESRCH);
	green_error_clear();
	ck_assert_int_eq(green_future_get(next, &value, -1), 0);
	ck_assert_ptr_eq(value, &token);
	green_future_destroy(leaving);
	green_future_destroy(next);
	green_native_pool_destroy(pool);
}
END_TEST

/* --- futures --- */

static void *leaves_future(void *unused)
{
	promise = green_future_spawn(waits_for_event, NULL);
	green_event_set(&gate);
	/* Until somebody waits for it. */
	for (int i = 0; i < 20; i++)
		green_sleep(5);
	return unused;
}

START_TEST(b10_who_waits_for_a_task_hears_that_its_thread_has_ended)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, leaves_future, NULL), 0);
	ck_assert_int_eq(green_event_wait(&gate, -1), 0);
	assert_fails(green_future_get(promise, NULL, -1) == -1, ESRCH);
	green_error_clear();
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	green_future_destroy(promise);
}
END_TEST

static struct green_native_pool *pool_of_parent;
static struct green_future *running, *queued;

static void looks_in_child(void)
{
	if (green_future_get(running, NULL, 10000) != -1 || errno != ESRCH)
		_exit(1);
	green_error_clear();
	if (green_future_get(queued, NULL, 10000) != -1 || errno != ESRCH)
		_exit(2);
	green_error_clear();
	if (green_native_pool_join(pool_of_parent, 0) != 0)
		_exit(3);
	/* The pool's own hold is gone with the queue. */
	if (queued->holders != 1)
		_exit(4);
	green_future_destroy(queued);
	green_native_pool_destroy(pool_of_parent);
}

/* H15 */
START_TEST(ck17_a_forked_child_waits_for_no_thread_of_the_parent)
{
	pool_of_parent = green_native_pool_create(1);
	running = green_native_pool_submit(pool_of_parent, until_gate, NULL);
	while (green_native_pool_join(pool_of_parent, 1) == 0)
		;
	queued = green_native_pool_submit(pool_of_parent, until_gate, NULL);
	ck_assert_int_eq(in_child(looks_in_child, NULL, 0), 0);
	green_event_set(&gate);
	ck_assert_int_eq(green_future_get(queued, NULL, -1), 0);
	green_future_destroy(running);
	green_future_destroy(queued);
	green_native_pool_destroy(pool_of_parent);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("lost", WITH_HUB);

	tcase_add_test(tcase, t3_who_is_lost_is_passed_over);
	tcase_add_test(tcase, t3_who_is_lost_and_given_back_is_passed_over);
	tcase_add_test(tcase, t4_a_mutex_of_one_who_is_lost_stays_locked);
	tcase_add_test(tcase, h16_a_call_goes_on_when_its_callers_thread_has_ended);
	tcase_add_test(tcase, h16_a_call_that_ends_its_thread_fails);
	tcase_add_test(tcase, b10_a_call_that_ends_its_thread_fails_its_future);
	tcase_add_test(tcase, b10_who_waits_for_a_task_hears_that_its_thread_has_ended);
	tcase_add_test(tcase, ck17_a_forked_child_waits_for_no_thread_of_the_parent);
	return suite_end();
}
