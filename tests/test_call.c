/* SPDX-License-Identifier: MIT */
/* test_call.c - functions that the hub calls: order, time, other threads, what they may do */
#include <sys/wait.h>

#include "green.h"
#include "hub/waiter.h"
#include "support.h"

/* What has been called, one letter each, in order. */
static char history[200];

static void note(void *letter)
{
	size_t length = strlen(history);

	ck_assert_uint_lt(length, sizeof(history) - 1);
	history[length] = *(char *)letter;
}

static void *note_in_task(void *letter)
{
	note(letter);
	return NULL;
}

static void forget(struct greenlet *task)
{
	ck_assert_ptr_nonnull(task);
	ck_assert_int_eq(green_destroy(task), 0);
}

/* Each lets what was asked for before be called, and what was ready before run. */
static void rounds(int count)
{
	while (count--)
		green_yield();
}

/* H8, C1: first come first served. */
START_TEST(c1_calls_are_made_in_the_order_they_were_asked_for)
{
	struct green_call calls[5];

	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
		ck_assert_int_eq(green_call_soon(&calls[i], note, &"ABCDE"[i]), 0);
	ck_assert_str_eq(history, "");
	rounds(2);
	ck_assert_str_eq(history, "ABCDE");
}
END_TEST

static struct green_call chain[2];

static void note_and_ask_again(void *unused)
{
	(void)unused;
	note("A");
	ck_assert_int_eq(green_call_soon(&chain[0], note, "C"), 0);
}

/* C1: what a call asks for is called in the round after, when the ready tasks have run. */
START_TEST(c1_calls_made_in_a_round_run_in_the_next)
{
	green_call_soon(&chain[0], note_and_ask_again, NULL);
	green_call_soon(&chain[1], note, "B");
	forget(green_spawn(note_in_task, "t"));
	rounds(1);
	ck_assert_str_eq(history, "ABt");
	rounds(1);
	ck_assert_str_eq(history, "ABtC");
}
END_TEST

static void spawn_from_call(void *letter)
{
	note("A");
	forget(green_spawn(note_in_task, letter));
}

/* H8: what a call makes ready runs in the same iteration, after all calls of the round. */
START_TEST(h8_calls_come_before_the_tasks_they_make_ready)
{
	struct green_call calls[2];

	green_call_soon(&calls[0], spawn_from_call, "t");
	green_call_soon(&calls[1], note, "B");
	rounds(1);
	/* The main greenlet was ready before that task. */
	ck_assert_str_eq(history, "AB");
	rounds(1);
	ck_assert_str_eq(history, "ABt");
}
END_TEST

static unsigned pings;
static bool stop;

static void ping(void *call)
{
	pings++;
	if (!stop)
		green_call_soon(call, ping, call);
}

/* C1, CK10: calls that ask for each other do not keep descriptors and timers from their turns. */
START_TEST(c1_calls_that_never_end_starve_neither_descriptors_nor_timers)
{
	struct green_call call;
	int fds[2];
	char byte;

	tcp_pair(fds);
	green_call_soon(&call, ping, &call);
	green_sleep(5);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(green_read(fds[0], &byte, 1), 1);
	ck_assert_uint_gt(pings, 0);
	stop = true;
	rounds(3);
	ck_assert(!green_call_pending(&call));
	close_pair(fds);
}
END_TEST

static void compute(void *ms)
{
	int64_t start = clock_now();

	while (ms_since(start) < *(int *)ms)
		;
	pings++;
}

static void *count_calls(void *seen)
{
	*(unsigned *)seen = pings;
	return NULL;
}

/* H8, CK10: at most 50 calls between two looks at the clock; a slice that is over ends the round, the rest comes first in the next. */
START_TEST(h8_a_round_of_long_calls_ends_with_the_slice)
{
	struct green_call calls[120];
	unsigned seen = 0;
	int ms = 1;

	rounds(1);
	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
		green_call_soon(&calls[i], compute, &ms);
	green_yield();
	/* The task is ready after the first round only. */
	forget(green_spawn(count_calls, &seen));
	while (!seen)
		green_yield();
	ck_assert_uint_eq(seen % 50, 0);
	ck_assert_uint_lt(seen, ARRAY_LENGTH(calls));
	rounds(5);
	ck_assert_uint_eq(pings, ARRAY_LENGTH(calls));
}
END_TEST

static int64_t due[3]; /* of the calls "A", "B" and "C" */

static void note_in_time(void *name)
{
	ck_assert_int_ge(clock_now(), due[*(char *)name - 'A']);
	note(name);
}

/* C2: in the order of their times, not before them. */
START_TEST(c2_calls_at_a_time_are_made_in_the_order_of_their_times)
{
	struct green_call calls[3];
	int64_t start = clock_now();

	due[2] = start + 30 * NS_PER_MS;
	green_call_later(&calls[0], 30, note_in_time, "C");
	due[1] = green_now() + 20 * NS_PER_MS;
	green_call_at(&calls[1], due[1], note_in_time, "B");
	green_call_later(&calls[2], 0, note_in_time, "A");
	ck_assert_str_eq(history, "");
	while (strlen(history) < 3)
		green_sleep(1);
	ck_assert_int_ge(ms_since(start), 30);
	ck_assert_str_eq(history, "ABC");
}
END_TEST

/* H8: the handle stops and tells. */
START_TEST(h8_a_stopped_call_is_not_made)
{
	struct green_call soon = { { 0 } }, later = { { 0 } };

	ck_assert(!green_call_pending(&soon));
	ck_assert(!green_call_stop(&soon));
	green_call_soon(&soon, note, "A");
	green_call_later(&later, 1, note, "B");
	ck_assert(green_call_pending(&soon) && green_call_pending(&later));
	ck_assert(green_call_stop(&soon));
	ck_assert(green_call_stop(&later));
	ck_assert(!green_call_stop(&soon));
	ck_assert(!green_call_pending(&soon) && !green_call_pending(&later));
	green_sleep(5);
	ck_assert_str_eq(history, "");
}
END_TEST

static struct green_call other;

static void stop_other(void *unused)
{
	(void)unused;
	ck_assert(green_call_stop(&other));
}

/* H8: one that is about to be made in this round. */
START_TEST(h8_a_call_may_stop_the_next_one)
{
	struct green_call call;

	green_call_soon(&call, stop_other, NULL);
	green_call_soon(&other, note, "A");
	rounds(2);
	ck_assert_str_eq(history, "");
}
END_TEST

static void free_own_memory(void *call)
{
	ck_assert(!green_call_pending(call));
	free(call);
	note("A");
}

START_TEST(the_memory_is_free_when_the_function_begins)
{
	struct green_call *call = malloc(sizeof(*call));

	green_call_soon(call, free_own_memory, call);
	rounds(2);
	ck_assert_str_eq(history, "A");
}
END_TEST

static struct green_hub *home;
static struct green_call calls_from_outside[100];

static void *call_home(void *unused)
{
	for (size_t i = 0; i < ARRAY_LENGTH(calls_from_outside); i++)
		ck_assert_int_eq(green_call_from_thread(home, &calls_from_outside[i], note, &"0123456789"[i % 10]), 0);
	return unused;
}

/* H9, C3: the call that other threads may make; in order, and it wakes a hub that sleeps. */
START_TEST(h9_calls_from_another_thread_are_made_in_order)
{
	pthread_t thread;

	home = green_hub();
	ck_assert_ptr_nonnull(home);
	ck_assert_int_eq(pthread_create(&thread, NULL, call_home, NULL), 0);
	while (strlen(history) < ARRAY_LENGTH(calls_from_outside))
		green_sleep(20);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(calls_from_outside); i++)
		ck_assert_int_eq(history[i], '0' + (int)(i % 10));
	ck_assert(!green_call_pending(&calls_from_outside[0]));
}
END_TEST

/* C3: one that the hub has not even seen can be stopped, and those around it are called. */
START_TEST(h9_a_call_from_another_thread_can_be_stopped_before_it_is_seen)
{
	home = green_hub();
	in_thread(call_home, NULL);
	ck_assert(green_call_pending(&calls_from_outside[5]));
	ck_assert(green_call_stop(&calls_from_outside[5]));
	memset(&calls_from_outside[5], 0xff, sizeof(calls_from_outside[5]));
	rounds(3);
	ck_assert_uint_eq(strlen(history), ARRAY_LENGTH(calls_from_outside) - 1);
	ck_assert_mem_eq(history, "0123467890", 9);
}
END_TEST

static void *never_run(void *arg)
{
	ck_abort_msg("a callback has switched");
	return arg;
}

/* Everything that would wait, one after the other. */
static void try_to_wait(void *arg)
{
	struct greenlet *raw = green_create(never_run, NULL), *task = arg;
	int fds[2];
	char byte;

	errno = 0;
	assert_fails(green_sleep(1) < 0, EDEADLK);
	assert_fails(green_join(task, NULL, -1) < 0, EDEADLK);
	ck_assert_int_eq(green_pipe2(fds, 0), 0);
	assert_fails(green_read(fds[0], &byte, 1) < 0, EDEADLK);
	assert_fails(green_wait_fd(fds[0], GREEN_READ, 100) < 0, EDEADLK);
	ck_assert_int_eq(green_write(fds[1], "x", 1), 1);
	ck_assert_int_eq(green_read(fds[0], &byte, 1), 1);
	close_pair(fds);
	assert_fails(!green_switch(raw, NULL), EDEADLK);
	assert_fails(!green_throw(raw, EIO, NULL), EDEADLK);
	ck_assert_int_eq(green_destroy(raw), 0);
	green_yield();
	note("A");
}

/* CK6: a call that would wait fails at once, and what can be done without waiting is done. */
START_TEST(h3_nothing_waits_in_a_call)
{
	struct green_call call;
	struct greenlet *task = green_spawn(note_in_task, "t");

	green_call_soon(&call, try_to_wait, task);
	join(task);
	ck_assert_str_eq(history, "At");
}
END_TEST

static __thread int per_thread = 1;
static char *where;

static void look_around(void *unused)
{
	char here[64 * 1024];

	(void)unused;
	memset(here, 1, sizeof(here));
	where = here;
	ck_assert_int_eq(per_thread, 7);
	ck_assert_ptr_ne(green_current(), NULL);
	ck_assert_str_eq(green_name(green_current()), "callbacks");
	assert_fails(!green_switch(green_current(), NULL), EINVAL);
	errno = EXDEV;
	note("A");
}

/* The callbacks have a stack of full size, the thread's own variables, and an errno that nobody else sees. */
START_TEST(calls_have_a_stack_and_the_threads_variables)
{
	struct green_call call;

	per_thread = 7;
	green_call_soon(&call, look_around, NULL);
	errno = ENOTTY;
	rounds(2);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_str_eq(history, "A");
}
END_TEST

START_TEST(a_call_without_a_function_is_refused)
{
	struct green_call call;

	assert_fails(green_call_soon(&call, NULL, NULL) < 0, EINVAL);
	assert_fails(green_call_later(&call, 1, NULL, NULL) < 0, EINVAL);
	assert_fails(green_call_from_thread(NULL, &call, note, "A") < 0, EINVAL);
	assert_fails(green_call_from_thread(green_hub(), &call, NULL, NULL) < 0, EINVAL);
}
END_TEST

static void wake(void *waiter)
{
	ck_assert(green__wake(waiter, 0));
}

/* H2: a call that is still to come may end a wait, so there is no deadlock before it. */
START_TEST(h2_a_call_that_is_to_come_keeps_a_wait_from_being_a_deadlock)
{
	struct green_call call;
	struct waiter waiter;

	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	green_call_later(&call, 30, wake, &waiter);
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), 0);
	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -EDEADLK);
}
END_TEST

static struct green_call inherited;

/* Past everything else that wants to be told of an exit. */
static void end_at_once(int status, void *unused)
{
	(void)unused;
	_exit(status);
}

static void fork_in_call(void *unused)
{
	int status;
	pid_t pid = fork();

	(void)unused;
	if (pid == 0) {
		on_exit(end_at_once, NULL);
		return;
	}
	ck_assert_int_ge(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	/* Nobody is left in the child but the function, and with its end the process has nothing to do. */
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	note("A");
}

static void in_the_child(void)
{
	struct green_call call = { { 0 } };

	green_call_soon(&call, note, "C");
	green_sleep(5);
	/* The parent's have not been called. */
	if (strcmp(history, "C") != 0)
		_exit(3);
}

/* H15, CK17: what the parent was asked for is the parent's. */
START_TEST(h15_a_fork_forgets_the_calls_of_the_parent)
{
	struct green_call later;
	int status;

#ifdef __SANITIZE_THREAD__
	skipped("a fork leaves this tool without its threads");
	return;
#endif
	green_call_soon(&inherited, note, "P");
	green_call_later(&later, 1, note, "L");
	status = in_child(in_the_child, NULL, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	green_sleep(5);
	ck_assert_uint_eq(strlen(history), 2);
}
END_TEST

START_TEST(h15_a_call_may_fork)
{
	struct green_call call;

	green_call_soon(&call, fork_in_call, NULL);
	rounds(2);
	ck_assert_str_eq(history, "A");
}
END_TEST

static void of_nobody(void *unused)
{
	(void)unused;
}

static struct green_call soon_of_parent, later_of_parent, of_child;

static void stops_in_child(void)
{
	if (green_call_pending(&soon_of_parent) || green_call_pending(&later_of_parent))
		_exit(1);
	if (green_call_later(&of_child, 1, of_nobody, NULL))
		_exit(2);
	if (green_call_stop(&soon_of_parent) || green_call_stop(&later_of_parent))
		_exit(3);
	hub_checked();
	if (!green_call_pending(&of_child) || green_hub_run(5000) || green_call_pending(&of_child))
		_exit(4);
}

/* H15: the child's hub knows nothing of what its parent's was to call. */
START_TEST(ck17_calls_of_the_parent_cannot_be_stopped_in_the_child)
{
#ifdef __SANITIZE_THREAD__
	skipped("a fork leaves this tool without its threads");
	return;
#endif
	ck_assert_int_eq(green_call_soon(&soon_of_parent, of_nobody, NULL), 0);
	ck_assert_int_eq(green_call_later(&later_of_parent, 60000, of_nobody, NULL), 0);
	ck_assert_int_eq(in_child(stops_in_child, NULL, 0), 0);
	ck_assert(green_call_stop(&soon_of_parent));
	ck_assert(green_call_stop(&later_of_parent));
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("call", WITH_HUB);

	tcase_add_test(tcase, c1_calls_are_made_in_the_order_they_were_asked_for);
	tcase_add_test(tcase, c1_calls_made_in_a_round_run_in_the_next);
	tcase_add_test(tcase, h8_calls_come_before_the_tasks_they_make_ready);
	tcase_add_test(tcase, c1_calls_that_never_end_starve_neither_descriptors_nor_timers);
	tcase_add_test(tcase, h8_a_round_of_long_calls_ends_with_the_slice);
	tcase_add_test(tcase, c2_calls_at_a_time_are_made_in_the_order_of_their_times);
	tcase_add_test(tcase, h8_a_stopped_call_is_not_made);
	tcase_add_test(tcase, h8_a_call_may_stop_the_next_one);
	tcase_add_test(tcase, the_memory_is_free_when_the_function_begins);
	tcase_add_test(tcase, h9_calls_from_another_thread_are_made_in_order);
	tcase_add_test(tcase, h9_a_call_from_another_thread_can_be_stopped_before_it_is_seen);
	tcase_add_test(tcase, h3_nothing_waits_in_a_call);
	tcase_add_test(tcase, calls_have_a_stack_and_the_threads_variables);
	tcase_add_test(tcase, a_call_without_a_function_is_refused);
	tcase_add_test(tcase, h2_a_call_that_is_to_come_keeps_a_wait_from_being_a_deadlock);
	tcase_add_test(tcase, h15_a_fork_forgets_the_calls_of_the_parent);
	tcase_add_test(tcase, h15_a_call_may_fork);
	tcase_add_test(tcase, ck17_calls_of_the_parent_cannot_be_stopped_in_the_child);
	return suite_end();
}
