/* SPDX-License-Identifier: MIT */
/* test_waitq.c - the queue under everything that greenlets wait for */
#include <sys/wait.h>

#include "green.h"
#include "support.h"
#include "sync/waitq.h"

static struct green_waitq queue;
static int order[16], ends;

/* One who waits in QUEUE; what came of it. */
struct guest {
	int number, timeout_ms, error;
	void *item;
	struct greenlet *task;
};

static int wait_in(struct green_waitq *in, void **item, int timeout_ms)
{
	struct waitq_entry entry = { .item = NULL };
	int error;

	waitq_lock(in);
	while ((error = green__waitq_wait(in, &entry, "test", timeout_ms)) == WAITQ_AGAIN)
		;
	ck_assert(green__waitq_check(in));
	ck_assert(!entry.queued);
	waitq_unlock(in);
	if (item)
		*item = entry.item;
	return error;
}

/* False if there was nobody whom it could be handed to. */
static bool hand_to_first(void *item)
{
	struct waitq_entry *entry;

	waitq_lock(&queue);
	entry = green__waitq_wake(&queue, 0);
	if (entry)
		entry->item = item;
	ck_assert(green__waitq_check(&queue));
	waitq_unlock(&queue);
	return entry != NULL;
}

static void *waits(void *arg)
{
	struct guest *guest = arg;

	guest->error = wait_in(&queue, &guest->item, guest->timeout_ms);
	order[ends++] = guest->number;
	return NULL;
}

static void arrive(struct guest *guests, int count)
{
	for (int i = 0; i < count; i++) {
		guests[i].number = i;
		guests[i].timeout_ms = guests[i].timeout_ms ? guests[i].timeout_ms : -1;
		guests[i].task = green_spawn(waits, &guests[i]);
	}
	green_yield();
}

static void leave(struct guest *guests, int count)
{
	for (int i = 0; i < count; i++)
		join(guests[i].task);
	ck_assert(waitq_empty(&queue));
}

START_TEST(ck13_who_came_first_is_woken_first)
{
	struct guest guests[3] = { 0 };

	arrive(guests, 3);
	for (intptr_t i = 0; i < 3; i++)
		ck_assert(hand_to_first((void *)(10 + i)));
	ck_assert(!hand_to_first(NULL));
	leave(guests, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(order[i], i);
		ck_assert_int_eq(guests[i].error, 0);
		ck_assert_int_eq((intptr_t)guests[i].item, 10 + i);
	}
}
END_TEST

START_TEST(ck13_killed_first_the_wake_goes_to_the_next)
{
	struct guest guests[3] = { 0 };

	arrive(guests, 3);
	assert_fails(green_kill(guests[0].task, 0) == -1, ETIMEDOUT);
	ck_assert(hand_to_first(&queue));
	ck_assert(hand_to_first(&queue));
	leave(guests, 3);
	ck_assert_int_eq(guests[0].error, -ECANCELED);
	ck_assert_ptr_null(guests[0].item);
	ck_assert_int_eq(guests[1].error, 0);
	ck_assert_int_eq(guests[2].error, 0);
}
END_TEST

START_TEST(ck13_woken_first_the_kill_comes_too_late)
{
	struct guest guests[2] = { 0 };

	arrive(guests, 2);
	ck_assert(hand_to_first(&queue));
	assert_fails(green_kill(guests[0].task, 0) == -1, ETIMEDOUT);
	ck_assert(hand_to_first(&ends));
	leave(guests, 2);
	ck_assert_int_eq(guests[0].error, 0);
	ck_assert_ptr_eq(guests[0].item, &queue);
	ck_assert_int_eq(guests[1].error, 0);
}
END_TEST

static void *takes(void *semaphore)
{
	assert_fails(green_semaphore_acquire(semaphore, -1) == -1, EAGAIN);
	green_error_clear();
	return NULL;
}

/* What a wait says to the call above it, that there is a hub now, is not to be taken for an error. */
START_TEST(s9_an_error_ends_the_wait_whatever_its_number)
{
	struct green_semaphore semaphore = GREEN_SEMAPHORE_INIT(0);
	struct greenlet *task = green_spawn(takes, &semaphore);

	green_yield();
	ck_assert_int_eq(green_kill_with(task, EAGAIN, NULL, 1000), 0);
	join(task);
}
END_TEST

START_TEST(a_time_that_is_over_leaves_nothing_behind)
{
	struct guest guests[2] = { { .timeout_ms = 20 }, { .timeout_ms = -1 } };
	int64_t start = clock_now();

	arrive(guests, 2);
	join(guests[0].task);
	assert_took(start, 20);
	ck_assert_int_eq(guests[0].error, -ETIMEDOUT);
	ck_assert(hand_to_first(&queue));
	join(guests[1].task);
	ck_assert(waitq_empty(&queue));
	ck_assert_int_eq(wait_in(&queue, NULL, 0), -ETIMEDOUT);
}
END_TEST

START_TEST(to3_a_scope_of_time_ends_the_wait)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	ck_assert_int_eq(green_timeout_start(&limit, 20), 0);
	ck_assert_int_eq(wait_in(&queue, NULL, -1), -ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	assert_took(start, 20);
	ck_assert(waitq_empty(&queue));
}
END_TEST

/* --- callbacks of the loop --- */

static int seen[6];

static void tries_everything(void)
{
	static char byte;
	struct hub *hub = green__hub();
	int fds[2];

	seen[0] = wait_in(&queue, NULL, -1);
	seen[1] = wait_in(&queue, NULL, 0);
	assert_fails(green_yield() == -1, EDEADLK);
	assert_fails(green_sleep(0) == -1, EDEADLK);
	assert_fails(green_sleep(1) == -1, EDEADLK);
	assert_fails(green_switch(&hub->flow->main, NULL) == NULL, EDEADLK);
	assert_fails(green_throw(&hub->flow->main, EIO, NULL) == NULL, EDEADLK);
	assert_fails(green_offload(waits, NULL) == NULL, EDEADLK);
	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_fails(green_read(fds[0], &byte, 1) == -1, EDEADLK);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(green_write(fds[1], "x", 1), 1);
		ck_assert_int_eq(green_read(fds[0], &byte, 1), 1);
	}
	close_pair(fds);
	seen[2] = 1;
}

START_TEST(h3_ck6_a_callback_that_would_wait_fails_at_once)
{
	in_hub(tries_everything);
	ck_assert_int_eq(seen[0], -EDEADLK);
	ck_assert_int_eq(seen[1], -ETIMEDOUT);
	ck_assert_int_eq(seen[2], 1);
	ck_assert(waitq_empty(&queue));
	ck_assert_int_eq(green_sleep(1), 0);
}
END_TEST

/* --- nobody else, other kernel threads, children --- */

START_TEST(h2_nobody_can_end_the_wait)
{
	ck_assert_int_eq(wait_in(&queue, NULL, -1), -EDEADLK);
	ck_assert_int_eq(wait_in(&queue, NULL, 10), -ETIMEDOUT);
}
END_TEST

static void *hands_later(void *ms)
{
	usleep(1000 * (useconds_t)(intptr_t)ms);
	while (!hand_to_first(&seen))
		usleep(1000);
	return NULL;
}

START_TEST(y5_a_thread_without_a_hub_wakes_one_that_has_one)
{
	int64_t start = clock_now();
	pthread_t thread;
	void *item;

	ck_assert_int_eq(pthread_create(&thread, NULL, hands_later, (void *)(intptr_t)100), 0);
	ck_assert_int_eq(wait_in(&queue, &item, -1), 0);
	ck_assert_ptr_eq(item, &seen);
	assert_took(start, 100);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(green__hubs(), 1);
}
END_TEST

static void *sleeps_natively(void *ms)
{
	usleep(1000 * (useconds_t)(intptr_t)ms);
	return NULL;
}

START_TEST(h2_the_deadlock_is_told_when_the_last_other_thread_has_ended)
{
	pthread_t thread;
	int64_t start = clock_now();

	ck_assert_int_eq(pthread_create(&thread, NULL, sleeps_natively, (void *)(intptr_t)100), 0);
	ck_assert_int_eq(wait_in(&queue, NULL, -1), -EDEADLK);
	ck_assert_int_ge(ms_since(start), 100);
	ck_assert_int_le(ms_since(start), 100 + 1000 + 8 * TOLERANCE_MS);
	pthread_join(thread, NULL);
}
END_TEST

static void *identity(void *arg)
{
	return arg;
}

START_TEST(h2_the_librarys_own_threads_end_no_waits)
{
	int64_t start = clock_now();

	ck_assert_ptr_eq(green_offload(identity, &queue), &queue);
	ck_assert_int_eq(wait_in(&queue, NULL, -1), -EDEADLK);
	assert_took(start, 0);
}
END_TEST

static void *gets_a_hub(void *arg)
{
	struct guest *guest = arg;

	ck_assert_ptr_null(green__current);
	guest->error = wait_in(&queue, &guest->item, -1);
	return NULL;
}

START_TEST(y5_a_thread_gets_a_hub_when_it_has_to_wait)
{
	struct guest guest = { 0 };
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, gets_a_hub, &guest), 0);
	while (!hand_to_first(&seen))
		green_sleep(1);
	pthread_join(thread, NULL);
	ck_assert_int_eq(guest.error, 0);
	ck_assert_ptr_eq(guest.item, &seen);
}
END_TEST

static void nobody_waits_here(void)
{
	if (hand_to_first(&seen))
		_exit(1);
	if (wait_in(&queue, NULL, -1) != -EDEADLK)
		_exit(2);
}

START_TEST(h15_in_a_child_nobody_of_the_parent_waits)
{
	struct guest guests[2] = { 0 };

	arrive(guests, 2);
	ck_assert_int_eq(in_child(nobody_waits_here, NULL, 0), 0);
	ck_assert(hand_to_first(&seen));
	ck_assert(hand_to_first(&seen));
	leave(guests, 2);
}
END_TEST

static void finds_a_lock_that_is_held(void)
{
	struct green_waitq *held = &queue;

	waitq_lock(held);
	waitq_unlock(held);
}

START_TEST(h15_a_lock_that_another_thread_of_the_parent_held_is_open_in_the_child)
{
	int status;

	/* As another kernel thread leaves it in the middle. */
	queue.lock = green__process + 1;
	status = in_child(finds_a_lock_that_is_held, NULL, 0);
	queue.lock = green__process;
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("waitq", WITH_HUB);

	tcase_add_test(tcase, ck13_who_came_first_is_woken_first);
	tcase_add_test(tcase, ck13_killed_first_the_wake_goes_to_the_next);
	tcase_add_test(tcase, ck13_woken_first_the_kill_comes_too_late);
	tcase_add_test(tcase, s9_an_error_ends_the_wait_whatever_its_number);
	tcase_add_test(tcase, a_time_that_is_over_leaves_nothing_behind);
	tcase_add_test(tcase, to3_a_scope_of_time_ends_the_wait);
	tcase_add_test(tcase, h3_ck6_a_callback_that_would_wait_fails_at_once);
	tcase_add_test(tcase, h2_nobody_can_end_the_wait);
	tcase_add_test(tcase, h2_the_librarys_own_threads_end_no_waits);
	tcase_add_test(tcase, h2_the_deadlock_is_told_when_the_last_other_thread_has_ended);
	tcase_add_test(tcase, y5_a_thread_without_a_hub_wakes_one_that_has_one);
	tcase_add_test(tcase, y5_a_thread_gets_a_hub_when_it_has_to_wait);
	tcase_add_test(tcase, h15_in_a_child_nobody_of_the_parent_waits);
	tcase_add_test(tcase, h15_a_lock_that_another_thread_of_the_parent_held_is_open_in_the_child);
	return suite_end();
}
