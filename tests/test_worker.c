/* SPDX-License-Identifier: MIT */
/* test_worker.c - the pool of kernel threads for calls that epoll cannot wait for */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/worker.h"
#include "support.h"

static void *thread_id(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)syscall(SYS_gettid);
}

START_TEST(the_function_runs_on_another_thread_and_its_value_comes_back)
{
	intptr_t other = (intptr_t)green_offload(thread_id, NULL);

	ck_assert_int_gt(other, 0);
	ck_assert_int_ne(other, syscall(SYS_gettid));
	usleep(20000); /* until it is idle again */
	ck_assert_int_eq((intptr_t)green_offload(thread_id, NULL), other);
	ck_assert_uint_eq(green__workers(), 1);
}
END_TEST

static void *fail_with(void *error)
{
	errno = (int)(intptr_t)error;
	return NULL;
}

START_TEST(the_errno_of_the_function_comes_back_too)
{
	assert_fails(!green_offload(fail_with, (void *)ENOTTY), ENOTTY);
	errno = EXDEV;
	ck_assert_ptr_null(green_offload(fail_with, (void *)0));
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(no_function_is_refused)
{
	assert_fails(!green_offload(NULL, NULL), EINVAL);
}
END_TEST

static void *sleep_natively(void *ms)
{
	usleep((useconds_t)(intptr_t)ms * 1000);
	return ms;
}

static void *offload_sleep(void *ms)
{
	return green_offload(sleep_natively, ms);
}

static int ticks;

static void *tick(void *unused)
{
	for (int i = 0; i < 10; i++) {
		green_sleep(2);
		ticks++;
	}
	return unused;
}

START_TEST(others_run_while_one_waits_for_a_worker)
{
	struct greenlet *ticking = green_spawn(tick, NULL);
	int64_t start = clock_now();

	ck_assert_ptr_eq(green_offload(sleep_natively, (void *)100), (void *)100);
	assert_took(start, 100);
	ck_assert_int_eq(ticks, 10);
	join(ticking);
}
END_TEST

/* H16: none before the first call, one for that, and never more than four */
START_TEST(h16_the_pool_is_made_when_it_is_used)
{
	struct greenlet *tasks[WORKERS_MAX + 2];

	green_sleep(1);
	ck_assert_uint_eq(green__workers(), 0);
	ck_assert_uint_eq(green__name_workers(), 0);
	ck_assert_ptr_eq(green_offload(sleep_natively, (void *)1), (void *)1);
	ck_assert_uint_eq(green__workers(), 1);
	for (int i = 0; i < WORKERS_MAX + 2; i++)
		tasks[i] = green_spawn(offload_sleep, (void *)20);
	for (int i = 0; i < WORKERS_MAX + 2; i++)
		ck_assert_ptr_eq(join(tasks[i]), (void *)20);
	ck_assert_uint_eq(green__workers(), 4);
	ck_assert_uint_eq(green__name_workers(), 0);
}
END_TEST

START_TEST(four_calls_run_side_by_side)
{
	struct greenlet *tasks[WORKERS_MAX];
	int64_t start;

	/* One worker that is idle must not be counted on by all four. */
	green_offload(sleep_natively, (void *)1);
	usleep(20000);
	start = clock_now();
	for (int i = 0; i < WORKERS_MAX; i++)
		tasks[i] = green_spawn(offload_sleep, (void *)300);
	for (int i = 0; i < WORKERS_MAX; i++)
		ck_assert_ptr_eq(join(tasks[i]), (void *)300);
	assert_took(start, 300);
	ck_assert_uint_eq(green__workers(), WORKERS_MAX);
}
END_TEST

START_TEST(more_calls_than_workers_wait_for_their_turn)
{
	struct greenlet *tasks[40];

	for (int i = 0; i < 40; i++)
		tasks[i] = green_spawn(offload_sleep, (void *)1);
	for (int i = 0; i < 40; i++)
		ck_assert_ptr_eq(join(tasks[i]), (void *)1);
	ck_assert_uint_eq(green__workers(), WORKERS_MAX);
	hub_checked();
}
END_TEST

static void *offload_often(void *unused)
{
	for (intptr_t i = 1; i <= 300; i++) {
		if (green_offload(sleep_natively, (void *)0) != NULL)
			return "a value got lost";
	}
	return unused;
}

START_TEST(two_threads_share_the_pool)
{
	pthread_t thread;
	void *complaint;

	ck_assert_int_eq(pthread_create(&thread, NULL, offload_often, NULL), 0);
	ck_assert_ptr_null(offload_often(NULL));
	pthread_join(thread, &complaint);
	ck_assert_ptr_null(complaint);
}
END_TEST

static void *blocked_signals(void *unused)
{
	sigset_t set;

	(void)unused;
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	return (void *)(intptr_t)(sigismember(&set, SIGTERM) && sigismember(&set, SIGUSR1));
}

START_TEST(workers_take_no_signals)
{
	sigset_t set;

	ck_assert_ptr_nonnull(green_offload(blocked_signals, NULL));
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	ck_assert_int_eq(sigismember(&set, SIGTERM), 0);
}
END_TEST

static void child_offloads(void)
{
	if (green__workers() != 0 || green_offload(sleep_natively, (void *)1) != (void *)1 || green__workers() != 1)
		_exit(1);
}

START_TEST(h15_the_child_of_a_fork_gets_a_new_pool)
{
	int status;

	if (emulated())
		return skipped("the emulator ends when the child of a fork makes a thread");
	green_offload(sleep_natively, NULL);
	status = in_child(child_offloads, NULL, 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	ck_assert_ptr_eq(green_offload(sleep_natively, (void *)1), (void *)1);
}
END_TEST

static int no_thread(void *(*function)(void *), void *arg)
{
	(void)function;
	(void)arg;
	return EAGAIN;
}

START_TEST(no_thread_at_all_is_eagain_and_later_there_is_one)
{
	int (*real)(void *(*)(void *), void *) = green__thread_create;

	green__thread_create = no_thread;
	assert_fails(!green_offload(thread_id, NULL), EAGAIN);
	green__thread_create = real;
	ck_assert_ptr_nonnull(green_offload(thread_id, NULL));
	/* One that exists serves when no other can be made. */
	green__thread_create = no_thread;
	ck_assert_ptr_nonnull(green_offload(thread_id, NULL));
	green__thread_create = real;
}
END_TEST

static void *offload_from_raw(void *ms)
{
	return green_offload(sleep_natively, ms);
}

START_TEST(a_raw_greenlet_may_offload)
{
	struct greenlet *raw = green_create(offload_from_raw, NULL);

	ck_assert_ptr_eq(green_switch(raw, (void *)5), (void *)5);
	ck_assert_int_eq(green_destroy(raw), 0);
}
END_TEST

static void offload_in_hub(void *result)
{
	errno = 0;
	*(void **)result = green_offload(thread_id, NULL);
	*(int *)((void **)result + 1) = errno;
}

/* H3: nothing that outlives the call is begun either */
START_TEST(h3_a_callback_may_not_offload)
{
	struct green_call call;
	void *result[2] = { &call, NULL };

	ck_assert_int_eq(green_call_soon(&call, offload_in_hub, result), 0);
	green_sleep(1);
	ck_assert_ptr_null(result[0]);
	ck_assert_int_eq(*(int *)(result + 1), EDEADLK);
	ck_assert_uint_eq(green__workers(), 0);
	ck_assert_ptr_nonnull(green_offload(thread_id, NULL));
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("worker", WITH_HUB);

	tcase_add_test(tcase, the_function_runs_on_another_thread_and_its_value_comes_back);
	tcase_add_test(tcase, the_errno_of_the_function_comes_back_too);
	tcase_add_test(tcase, no_function_is_refused);
	tcase_add_test(tcase, others_run_while_one_waits_for_a_worker);
	tcase_add_test(tcase, h16_the_pool_is_made_when_it_is_used);
	tcase_add_test(tcase, four_calls_run_side_by_side);
	tcase_add_test(tcase, more_calls_than_workers_wait_for_their_turn);
	tcase_add_test(tcase, two_threads_share_the_pool);
	tcase_add_test(tcase, workers_take_no_signals);
	tcase_add_test(tcase, h15_the_child_of_a_fork_gets_a_new_pool);
	tcase_add_test(tcase, no_thread_at_all_is_eagain_and_later_there_is_one);
	tcase_add_test(tcase, a_raw_greenlet_may_offload);
	tcase_add_test(tcase, h3_a_callback_may_not_offload);
	return suite_end();
}
