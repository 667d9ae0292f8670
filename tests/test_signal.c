/* SPDX-License-Identifier: MIT */
/* test_signal.c - signals that are watched, waited for, and handled in tasks */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/watcher.h"
#include "support.h"

/* What has been called, one letter each, in order. */
static char history[200];
static int last_events;

static void note(struct green_watcher *watcher, int events)
{
	size_t length = strlen(history);

	if (length < sizeof(history) - 1)
		history[length] = *(char *)watcher->data;
	last_events = events;
}

static void rounds(int count)
{
	while (count--)
		green_yield();
}

/* H10, C12: the callback is one of the hub's, and all who watch are called; several arrivals may be one call. */
START_TEST(c12_a_signal_calls_all_who_watch_it)
{
	struct green_watcher one, two, other;

	ck_assert_int_eq(green_watch_signal(&one, SIGUSR1, note, "1"), 0);
	ck_assert_int_eq(green_watch_signal(&two, SIGUSR1, note, "2"), 0);
	ck_assert_int_eq(green_watch_signal(&other, SIGUSR2, note, "3"), 0);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_str_eq(history, "");
	rounds(3);
	ck_assert_str_eq(history, "12");
	ck_assert_int_eq(last_events, SIGUSR1);
	green_watcher_stop(&one);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
	rounds(3);
	ck_assert_str_eq(history, "1223");
	green_watcher_stop(&two);
	green_watcher_stop(&other);
}
END_TEST

static void *signal_main(void *thread)
{
	usleep(20000);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

static void note_and_stop(struct green_watcher *watcher, int events)
{
	note(watcher, events);
	green_watcher_stop(watcher);
}

/* A hub that sleeps wakes. */
START_TEST(a_signal_wakes_a_hub_that_sleeps)
{
	struct green_watcher watcher;
	pthread_t thread, self = pthread_self();
	int64_t start = clock_now();

	green_watch_signal(&watcher, SIGUSR1, note_and_stop, "s");
	green_watcher_keep(&watcher, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, signal_main, &self), 0);
	ck_assert_int_eq(green_hub_run(15000), 0);
	ck_assert_int_lt(ms_since(start), 10000);
	ck_assert_str_eq(history, "s");
	pthread_join(thread, NULL);
}
END_TEST

static volatile sig_atomic_t handled;

static void own_handler(int number)
{
	handled = number;
}

/* With the last watcher the program's own handler is back. */
START_TEST(what_the_program_had_set_is_put_back)
{
	struct sigaction own = { .sa_handler = own_handler, .sa_flags = SA_RESTART }, now;
	struct green_watcher one, two;

	sigaction(SIGUSR1, &own, NULL);
	green_watch_signal(&one, SIGUSR1, note, "1");
	green_watch_signal(&two, SIGUSR1, note, "2");
	green_watcher_stop(&one);
	raise(SIGUSR1);
	rounds(3);
	ck_assert_int_eq(handled, 0);
	ck_assert_str_eq(history, "2");
	green_watcher_stop(&two);
	raise(SIGUSR1);
	rounds(3);
	ck_assert_int_eq(handled, SIGUSR1);
	ck_assert_str_eq(history, "2");
	sigaction(SIGUSR1, NULL, &now);
	ck_assert_ptr_eq(now.sa_handler, own_handler);
	ck_assert_int_eq(now.sa_flags & SA_RESTART, SA_RESTART);
}
END_TEST

/* C12: what can have no handler, and what a fault brings, is refused. */
START_TEST(c12_some_signals_cannot_be_watched)
{
	static const int refused[] = { 0, -1, 65, 32, 33, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct green_watcher watcher;
	sigset_t set;

	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		assert_fails(green_watch_signal(&watcher, refused[i], note, "x") < 0, EINVAL);
		assert_fails(green_signal_task(refused[i], NULL, NULL) < 0, EINVAL);
	}
	sigemptyset(&set);
	assert_fails(green_signal_wait(&set, 0) < 0, EINVAL);
	sigaddset(&set, SIGSEGV);
	assert_fails(green_signal_wait(&set, 0) < 0, EINVAL);
}
END_TEST

static pthread_barrier_t both;
static volatile int told_in_thread;

static void told(struct green_watcher *watcher, int number)
{
	told_in_thread = number;
	green_watcher_stop(watcher);
}

static void *watch_in_thread(void *unused)
{
	struct green_watcher watcher;

	green_watch_signal(&watcher, SIGUSR1, told, NULL);
	green_watcher_keep(&watcher, true);
	pthread_barrier_wait(&both);
	ck_assert_int_eq(green_hub_run(15000), 0);
	return unused;
}

/* Each hub that watches a signal is told. */
START_TEST(every_hub_that_watches_is_told)
{
	struct green_watcher watcher;
	pthread_t thread;

	pthread_barrier_init(&both, NULL, 2);
	green_watch_signal(&watcher, SIGUSR1, note_and_stop, "m");
	green_watcher_keep(&watcher, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, watch_in_thread, NULL), 0);
	pthread_barrier_wait(&both);
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	ck_assert_int_eq(green_hub_run(15000), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(told_in_thread, SIGUSR1);
	ck_assert_str_eq(history, "m");
}
END_TEST

static void *wait_for_signal(void *signals)
{
	return (void *)(intptr_t)green_signal_wait(signals, 15000);
}

/* CK18: one of the set, taken by the one who waited first; others wait on. */
START_TEST(ck18_a_signal_ends_one_wait)
{
	struct greenlet *one, *two;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	one = green_spawn(wait_for_signal, &set);
	two = green_spawn(wait_for_signal, &set);
	rounds(2);
	raise(SIGUSR2);
	ck_assert_int_eq((intptr_t)join(one), SIGUSR2);
	ck_assert(!green_dead(two));
	raise(SIGUSR1);
	ck_assert_int_eq((intptr_t)join(two), SIGUSR1);
	assert_fails(green_signal_wait(&set, 5) < 0, ETIMEDOUT);
}
END_TEST

static void *signal_twice(void *unused)
{
	usleep(20000);
	kill(getpid(), SIGUSR1);
	return unused;
}

static void wait_for_signal_alone(void)
{
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (pthread_create(&thread, NULL, signal_twice, NULL))
		_exit(2);
	/* No time limit and nobody else: no deadlock, for a signal may come at any time. */
	if (green_signal_wait(&set, -1) != SIGUSR1)
		_exit(3);
	pthread_join(thread, NULL);
	/* Afterwards it does again what it did before. */
	raise(SIGUSR1);
}

START_TEST(h2_a_wait_for_a_signal_is_no_deadlock)
{
	int status = in_child(wait_for_signal_alone, NULL, 0);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGUSR1);
}
END_TEST

/* As for sigwait(3): signals that are blocked, and come before or during the wait. */
START_TEST(ck18_blocked_signals_can_be_waited_for)
{
	struct greenlet *task;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	ck_assert_int_eq(green_signal_wait(&set, 0), SIGUSR1);
	assert_fails(green_signal_wait(&set, 0) < 0, ETIMEDOUT);
	task = green_spawn(wait_for_signal, &set);
	rounds(3);
	raise(SIGUSR1);
	ck_assert_int_eq((intptr_t)join(task), SIGUSR1);
	sigprocmask(SIG_SETMASK, &old, NULL);
}
END_TEST

static struct greenlet *handled_in;
static int handled_numbers;

static void handle_in_task(int number, void *letter)
{
	ck_assert_int_eq(*(char *)letter, 'T');
	ck_assert_int_eq(green_sleep(5), 0);
	handled_numbers += number;
	handled_in = green_current();
}

/* S23, N7: in a new task, which may wait; cancelled with NULL. */
START_TEST(s23_a_signal_starts_a_task)
{
	struct sigaction own = { .sa_handler = own_handler };

	sigaction(SIGUSR1, &own, NULL);
	ck_assert_int_eq(green_signal_task(SIGUSR1, handle_in_task, "T"), 0);
	/* It does not keep the hub running. */
	ck_assert_int_eq(green_hub_run(-1), 0);
	raise(SIGUSR1);
	while (!handled_numbers)
		green_sleep(1);
	ck_assert_ptr_ne(handled_in, green_current());
	ck_assert_int_eq(green_signal_task(SIGUSR1, handle_in_task, "T"), 0);
	raise(SIGUSR1);
	while (handled_numbers < 2 * SIGUSR1)
		green_sleep(1);
	ck_assert_int_eq(handled, 0);
	ck_assert_int_eq(green_signal_task(SIGUSR1, NULL, NULL), 0);
	ck_assert_int_eq(green_signal_task(SIGUSR1, NULL, NULL), 0);
	raise(SIGUSR1);
	green_sleep(20);
	ck_assert_int_eq(handled_numbers, 2 * SIGUSR1);
	ck_assert_int_eq(handled, SIGUSR1);
}
END_TEST

static struct green_watcher sent_by_handler;

static void send_from_handler(int number)
{
	(void)number;
	green_watcher_send(&sent_by_handler);
}

/* U12, CK18: a signal handler of the program's may wake the hub. */
/* N7: a handler wakes the hub, and does not wait itself */
START_TEST(u12_a_handler_may_send)
{
	struct sigaction own = { .sa_handler = send_from_handler };

	green_watch_wake(&sent_by_handler, note_and_stop, "w");
	sigaction(SIGUSR1, &own, NULL);
	raise(SIGUSR1);
	ck_assert_int_eq(green_hub_run(15000), 0);
	ck_assert_str_eq(history, "w");
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("signal", WITH_HUB);

	tcase_add_test(tcase, c12_a_signal_calls_all_who_watch_it);
	tcase_add_test(tcase, a_signal_wakes_a_hub_that_sleeps);
	tcase_add_test(tcase, what_the_program_had_set_is_put_back);
	tcase_add_test(tcase, c12_some_signals_cannot_be_watched);
	tcase_add_test(tcase, every_hub_that_watches_is_told);
	tcase_add_test(tcase, ck18_a_signal_ends_one_wait);
	tcase_add_test(tcase, h2_a_wait_for_a_signal_is_no_deadlock);
	tcase_add_test(tcase, ck18_blocked_signals_can_be_waited_for);
	tcase_add_test(tcase, s23_a_signal_starts_a_task);
	tcase_add_test(tcase, u12_a_handler_may_send);
	return suite_end();
}
