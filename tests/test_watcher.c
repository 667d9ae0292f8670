/* SPDX-License-Identifier: MIT */
/* test_watcher.c - callbacks for descriptors, timers, children, paths, stages of a round, other threads and forks */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/watcher.h"
#include "support.h"

/* What has been called, one letter each, in order. */
static char history[200];
static int last_events = -1;

static void note_letter(char letter)
{
	size_t length = strlen(history);

	if (length < sizeof(history) - 1)
		history[length] = letter;
}

static void note(struct green_watcher *watcher, int events)
{
	last_events = events;
	note_letter(*(char *)watcher->data);
}

static void note_and_stop(struct green_watcher *watcher, int events)
{
	note(watcher, events);
	green_watcher_stop(watcher);
}

static void note_call(void *letter)
{
	note_letter(*(char *)letter);
}

static void rounds(int count)
{
	while (count--)
		green_yield();
}

/* --- timers --- */

/* H10: once after a time, active until then. */
START_TEST(h10_a_timer_is_called_once)
{
	struct green_watcher timer;
	int64_t start = clock_now();

	memset(&timer, 0xff, sizeof(timer));
	ck_assert_int_eq(green_watch_timer(&timer, 20, 0, note, "T"), 0);
	ck_assert(green_watcher_active(&timer));
	ck_assert(!green_watcher_pending(&timer));
	ck_assert_int_eq(green_hub_run(-1), 0);
	assert_took(start, 20);
	ck_assert_str_eq(history, "T");
	ck_assert(!green_watcher_active(&timer));
	green_watcher_stop(&timer);
}
END_TEST

static void stop_at_three(struct green_watcher *watcher, int events)
{
	note(watcher, events);
	if (strlen(history) == 3)
		green_watcher_stop(watcher);
}

START_TEST(h10_a_timer_repeats_until_it_is_stopped)
{
	struct green_watcher timer;
	int64_t start = clock_now();

	green_watch_timer(&timer, 10, 5, stop_at_three, "T");
	ck_assert_int_eq(green_hub_run(-1), 0);
	assert_took(start, 20);
	ck_assert_str_eq(history, "TTT");
}
END_TEST

static void block(int ms)
{
	int64_t start = clock_now();

	while (ms_since(start) < ms)
		;
}

START_TEST(h10_a_late_timer_skips_what_it_has_missed)
{
	struct green_watcher timer;

	green_watch_timer(&timer, 50, 50, note, "T");
	block(220);
	rounds(3);
	ck_assert_str_eq(history, "T");
	ck_assert(green_watcher_active(&timer));
	green_watcher_stop(&timer);
}
END_TEST

static int zero_fds[2];

static void again_at_once(struct green_watcher *watcher, int events)
{
	(void)events;
	ck_assert_int_eq(green_watch_timer(watcher, 0, 0, again_at_once, watcher->data), 0);
}

/* H8, C1: a timer of no time that starts itself again lets descriptors and tasks have their turns. */
START_TEST(h8_a_zero_timer_starves_nobody)
{
	struct green_watcher timer, reader;

	ck_assert_int_eq(pipe(zero_fds), 0);
	ck_assert_int_eq(write(zero_fds[1], "x", 1), 1);
	green_watch_timer(&timer, 0, 0, again_at_once, NULL);
	green_watch_fd(&reader, zero_fds[0], GREEN_READ, note_and_stop, "R");
	while (!history[0])
		ck_assert_int_eq(green_yield(), 0);
	ck_assert_int_eq(green_sleep(1), 0);
	green_watcher_stop(&timer);
	close_pair(zero_fds);
}
END_TEST

/* --- descriptors --- */

static void read_byte(struct green_watcher *watcher, int events)
{
	char byte;

	ck_assert_int_eq(events, GREEN_READ);
	ck_assert_int_eq(read(*(int *)watcher->data, &byte, 1), 1);
	note_letter(byte);
}

static void pairs_of_each_kind(int kind, int fds[2])
{
	if (kind == 0)
		ck_assert_int_eq(pipe(fds), 0);
	else if (kind == 1)
		ck_assert_int_eq(green_pipe2(fds, 0), 0);
	else
		tcp_pair(fds);
}

/* H10, C4: called again while there is something left, of descriptors that are known to the library and others. */
START_TEST(c4_a_descriptor_is_told_of_as_long_as_it_is_ready)
{
	struct green_watcher reader;
	int fds[2];

	pairs_of_each_kind(_i, fds);
	ck_assert_int_eq(write(fds[1], "abc", 3), 3);
	ck_assert_int_eq(green_watch_fd(&reader, fds[0], GREEN_READ, read_byte, &fds[0]), 0);
	while (strlen(history) < 3)
		green_sleep(1);
	green_sleep(5);
	ck_assert_str_eq(history, "abc");
	ck_assert_int_eq(write(fds[1], "d", 1), 1);
	while (strlen(history) < 4)
		green_sleep(1);
	green_sleep(5);
	ck_assert_str_eq(history, "abcd");
	green_watcher_stop(&reader);
	ck_assert_int_eq(write(fds[1], "e", 1), 1);
	green_sleep(5);
	ck_assert_str_eq(history, "abcd");
	close_pair(fds);
}
END_TEST

static int events_seen;

static void see_events(struct green_watcher *watcher, int events)
{
	events_seen |= events;
	if (events & GREEN_READ)
		green_watcher_stop(watcher);
}

START_TEST(c4_both_directions_and_the_end_are_told)
{
	struct green_watcher watcher;
	int fds[2];

	tcp_pair(fds);
	green_watch_fd(&watcher, fds[0], GREEN_READ | GREEN_WRITE, see_events, NULL);
	rounds(3);
	ck_assert_int_eq(events_seen, GREEN_WRITE);
	green_close(fds[1]);
	ck_assert_int_eq(green_hub_run(1000), 0);
	ck_assert_int_eq(events_seen, GREEN_READ | GREEN_WRITE);
	green_close(fds[0]);
}
END_TEST

static char task_byte;

static void *read_in_task(void *fd)
{
	ck_assert_int_eq(green_read(*(int *)fd, &task_byte, 1), 1);
	return NULL;
}

/* A watcher only looks: who reads the same descriptor gets what is there. */
START_TEST(a_watcher_and_a_task_share_a_descriptor)
{
	struct green_watcher watcher;
	struct greenlet *task;
	int fds[2];

	tcp_pair(fds);
	green_watch_fd(&watcher, fds[0], GREEN_READ, note, "w");
	task = green_spawn(read_in_task, &fds[0]);
	rounds(2);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	join(task);
	ck_assert_int_eq(task_byte, 'x');
	ck_assert_int_eq(history[0], 'w');
	green_watcher_stop(&watcher);
	close_pair(fds);
}
END_TEST

/* H13, CK7: green_close feeds the watchers of the descriptor, with no event, and ends them; the number inherits none. */
START_TEST(h13_close_feeds_the_watchers)
{
	struct green_watcher watcher, pending;
	int fds[2], others[2];

	pairs_of_each_kind(_i, fds);
	ck_assert_int_eq(green_watch_fd(&watcher, fds[0], GREEN_READ, note, "w"), 0);
	rounds(3);
	ck_assert_int_eq(green_watch_fd(&pending, fds[0], GREEN_READ, note, "p"), 0);
	ck_assert_int_eq(green_close(fds[0]), 0);
	pairs_of_each_kind(_i, others);
	ck_assert_int_eq(write(others[1], "x", 1), 1);
	ck_assert_int_eq(green_hub_run(1000), 0);
	ck_assert_uint_eq(strlen(history), 2);
	ck_assert_int_eq(last_events, 0);
	ck_assert(!green_watcher_active(&watcher));
	ck_assert(!green_watcher_active(&pending));
	green_sleep(5);
	ck_assert_uint_eq(strlen(history), 2);
	green_close(fds[1]);
	close_pair(others);
}
END_TEST

enum { MANY = 300 };

static int many_called;
static struct green_watcher many[MANY];
static bool all_called_at_once;

static void count_call(struct green_watcher *watcher, int events)
{
	(void)events;
	many_called++;
	green_watcher_stop(watcher);
}

static void after_first_round(struct green_watcher *watcher, int events)
{
	(void)events;
	if (many_called == 0)
		return;
	all_called_at_once = many_called == MANY;
	green_watcher_stop(watcher);
}

/* H14, X21: one look at the events finds all of them, however many. */
START_TEST(h14_as_many_events_as_there_are_are_found_at_once)
{
	struct rlimit limit;
	struct green_watcher check;
	int (*fds)[2] = calloc(MANY, sizeof(*fds));

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 2 * MANY + 50) {
		free(fds);
		skipped("too few descriptors are allowed");
		return;
	}
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(green_pipe2(fds[i], 0), 0);
		ck_assert_int_eq(green_watch_fd(&many[i], fds[i][0], GREEN_READ, count_call, NULL), 0);
	}
	rounds(3);
	green_hub_slice(1000000);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(write(fds[i][1], "x", 1), 1);
	green_watch_check(&check, after_first_round, NULL);
	while (green_watcher_active(&check))
		green_hub_turn();
	ck_assert(all_called_at_once);
	for (int i = 0; i < MANY; i++)
		close_pair(fds[i]);
	free(fds);
}
END_TEST

START_TEST(what_cannot_be_watched_is_refused)
{
	struct green_watcher watcher = { NULL, { 0 } };
	int fds[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(pipe(fds), 0);
	assert_fails(green_watch_fd(&watcher, fds[0], 0, note, "x") < 0, EINVAL);
	assert_fails(green_watch_fd(&watcher, fds[0], 64, note, "x") < 0, EINVAL);
	assert_fails(green_watch_fd(&watcher, fds[0], GREEN_READ, NULL, "x") < 0, EINVAL);
	assert_fails(green_watch_fd(&watcher, -1, GREEN_READ, note, "x") < 0, EBADF);
	assert_fails(green_watch_fd(&watcher, file, GREEN_READ, note, "x") < 0, EPERM);
	assert_fails(green_watch_timer(&watcher, -1, 0, note, "x") < 0, EINVAL);
	assert_fails(green_watch_timer(&watcher, 0, -1, note, "x") < 0, EINVAL);
	assert_fails(green_watch_child(&watcher, getpid(), note, "x") < 0, ECHILD);
	assert_fails(green_watch_child(&watcher, -1, note, "x") < 0, ECHILD);
	assert_fails(green_watch_path(&watcher, NULL, 5, note, "x") < 0, EINVAL);
	assert_fails(green_watch_path(&watcher, "/", 0, note, "x") < 0, EINVAL);
	ck_assert(!green_watcher_active(&watcher));
	assert_fails(green_watcher_feed(&watcher, 1) < 0, EINVAL);
	green_watcher_stop(&watcher);
	close_pair(fds);
	close(file);
	close(fds[0]);
	assert_fails(green_watch_fd(&watcher, fds[0], GREEN_READ, note, "x") < 0, EBADF);
	ck_assert_int_eq(green_hub_run(1000), 0);
}
END_TEST

/* --- the rules of all watchers --- */

/* H10: feed, pending, stop. */
START_TEST(h10_a_watcher_can_be_fed_and_is_pending_then)
{
	struct green_watcher timer;

	green_watch_timer(&timer, 10000, 0, note, "T");
	ck_assert_int_eq(green_watcher_feed(&timer, 5), 0);
	ck_assert(green_watcher_pending(&timer));
	rounds(2);
	ck_assert_str_eq(history, "T");
	ck_assert_int_eq(last_events, 5);
	ck_assert(green_watcher_active(&timer));
	green_watcher_feed(&timer, 5);
	green_watcher_stop(&timer);
	ck_assert(!green_watcher_pending(&timer));
	rounds(2);
	ck_assert_str_eq(history, "T");
}
END_TEST

static void free_itself(struct green_watcher *watcher, int events)
{
	note(watcher, events);
	green_watcher_stop(watcher);
	memset(watcher, 0xee, sizeof(*watcher));
	free(watcher);
}

/* H10: a callback may stop and free its own watcher, of every kind. */
START_TEST(h10_a_callback_may_free_its_own_watcher)
{
	int fds[2];
	struct green_watcher *watchers[6];

	for (size_t i = 0; i < ARRAY_LENGTH(watchers); i++)
		watchers[i] = malloc(sizeof(*watchers[i]));
	ck_assert_int_eq(pipe(fds), 0);
	green_watch_fd(watchers[0], fds[1], GREEN_WRITE, free_itself, "0");
	green_watch_timer(watchers[1], 1, 1, free_itself, "1");
	green_watch_idle(watchers[2], free_itself, "2");
	green_watch_prepare(watchers[3], free_itself, "3");
	green_watch_check(watchers[4], free_itself, "4");
	green_watch_wake(watchers[5], free_itself, "5");
	green_watcher_send(watchers[5]);
	ck_assert_int_eq(green_hub_run(1000), 0);
	ck_assert_uint_eq(strlen(history), ARRAY_LENGTH(watchers));
	close_pair(fds);
}
END_TEST

static struct green_watcher first, second;

static void stop_second(struct green_watcher *watcher, int events)
{
	note(watcher, events);
	green_watcher_stop(&second);
}

START_TEST(h10_a_callback_may_stop_a_pending_watcher)
{
	green_watch_timer(&first, 0, 0, stop_second, "1");
	green_watch_timer(&second, 0, 0, note, "2");
	ck_assert_int_eq(green_hub_run(1000), 0);
	ck_assert_str_eq(history, "1");
}
END_TEST

static void wait_in_callback(struct green_watcher *watcher, int events)
{
	assert_fails(green_sleep(1) < 0, EDEADLK);
	assert_fails(green_hub_turn() < 0, EDEADLK);
	assert_fails(green_idle() < 0, EDEADLK);
	assert_fails(green_hub_run(-1) < 0, EDEADLK);
	note(watcher, events);
}

/* CK6: in the callback of a watcher */
START_TEST(h3_nothing_waits_in_a_watchers_callback)
{
	struct green_watcher timer;

	green_watch_timer(&timer, 0, 0, wait_in_callback, "w");
	ck_assert_int_eq(green_hub_run(1000), 0);
	ck_assert_str_eq(history, "w");
}
END_TEST

/* --- what keeps the hub running --- */

/* H6, H11: a watcher that is not kept neither keeps green_hub_run from returning nor a wait from being a deadlock. */
START_TEST(h11_a_watcher_that_is_not_kept_keeps_nothing)
{
	struct green_watcher timer, wake;
	struct waiter waiter;

	green_watch_timer(&timer, 100000, 0, note, "T");
	green_watch_wake(&wake, note, "W");
	green_watcher_keep(&timer, false);
	assert_fails(green_hub_run(10) < 0, ETIMEDOUT);
	green_watcher_keep(&wake, false);
	green_watcher_keep(&wake, false);
	ck_assert_int_eq(green_hub_run(-1), 0);
	green__waiter_init(&waiter, WAIT_PLAIN, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -EDEADLK);
	green_watcher_keep(&timer, true);
	assert_fails(green_hub_run(10) < 0, ETIMEDOUT);
	green_watcher_stop(&timer);
	green_watcher_stop(&wake);
	ck_assert_int_eq(green_hub_run(-1), 0);
}
END_TEST

static void *sleep_and_note(void *letter)
{
	green_sleep(20);
	note_letter(*(char *)letter);
	return NULL;
}

static void stop_hub(void *unused)
{
	(void)unused;
	green_hub_stop();
}

/* H6: until no task, watcher or call is left; true, false after a time; for main only. */
START_TEST(h6_the_hub_runs_until_nothing_is_left)
{
	struct green_watcher timer;
	struct green_call call;
	int64_t start = clock_now();
	struct greenlet *task = green_spawn(sleep_and_note, "t");

	green_watch_timer(&timer, 30, 0, note, "w");
	green_call_later(&call, 40, note_call, "c");
	ck_assert_int_eq(green_hub_run(-1), 0);
	assert_took(start, 40);
	/* In which order is up to how late this machine is. */
	ck_assert_uint_eq(strlen(history), 3);
	ck_assert(strchr(history, 't') && strchr(history, 'w') && strchr(history, 'c'));
	ck_assert_int_eq(green_destroy(task), 0);
	ck_assert_int_eq(green_hub_run(0), 0);
}
END_TEST

static void *run_in_task(void *unused)
{
	assert_fails(green_hub_run(-1) < 0, EPERM);
	return unused;
}

START_TEST(h6_the_hub_can_be_stopped_and_is_run_by_main_only)
{
	struct green_watcher timer;
	struct green_call call;

	join(green_spawn(run_in_task, NULL));
	green_watch_timer(&timer, 0, 1, note, "w");
	green_call_later(&call, 10, stop_hub, NULL);
	assert_fails(green_hub_run(-1) < 0, EINTR);
	green_watcher_stop(&timer);
	green_hub_stop();
	ck_assert_int_eq(green_hub_run(-1), 0);
}
END_TEST

static void *wait_for_ever(void *unused)
{
	struct waiter waiter;

	(void)unused;
	green__waiter_init(&waiter, WAIT_RAISABLE, "test", NULL);
	ck_assert_int_eq(green__park(&waiter, CLOCK_NEVER), -ECANCELED);
	return NULL;
}

/* H2: tasks that nothing can wake are a deadlock. */
START_TEST(h2_a_hub_of_tasks_that_wait_for_nothing_is_a_deadlock)
{
	struct greenlet *task = green_spawn(wait_for_ever, NULL);

	assert_fails(green_hub_run(-1) < 0, EDEADLK);
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(green_destroy(task), 0);
}
END_TEST

/* --- stages --- */

/* H10: prepare before the hub looks for events, check after it and before what was found. */
START_TEST(h10_prepare_and_check_stand_around_the_look_for_events)
{
	struct green_watcher prepare, check, reader;
	int fds[2];

	ck_assert_int_eq(green_pipe2(fds, 0), 0);
	green_watch_fd(&reader, fds[0], GREEN_READ, note_and_stop, "R");
	rounds(3);
	green_watch_prepare(&prepare, note_and_stop, "P");
	green_watch_check(&check, note_and_stop, "C");
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(green_hub_run(1000), 0);
	ck_assert_str_eq(history, "PCR");
	close_pair(fds);
}
END_TEST

static void start_another(struct green_watcher *watcher, int events)
{
	(void)events;
	green_watcher_stop(watcher);
	ck_assert_int_eq(green_watch_timer(&second, 0, 0, note, "S"), 0);
}

/* What a prepare watcher starts is seen before the hub sleeps. */
START_TEST(h10_what_is_started_in_prepare_counts_for_the_sleep)
{
	struct green_watcher prepare, late;
	int64_t start = clock_now();

	green_watch_timer(&late, 5000, 0, note, "L");
	green_watch_prepare(&prepare, start_another, NULL);
	green_watcher_keep(&late, false);
	ck_assert_int_eq(green_hub_run(-1), 0);
	ck_assert_int_lt(ms_since(start), 4000);
	ck_assert_str_eq(history, "S");
	green_watcher_stop(&late);
}
END_TEST

static void *note_three_times(void *letter)
{
	for (int i = 0; i < 3; i++) {
		note_letter(*(char *)letter);
		green_yield();
	}
	return NULL;
}

static void *note_when_idle(void *letter)
{
	ck_assert_int_eq(green_idle(), 0);
	note_letter(*(char *)letter);
	return NULL;
}

/* H10, S22: idle is when nothing else is ready, not before. */
START_TEST(s22_idle_is_when_nothing_else_is_ready)
{
	struct green_watcher idle;
	struct greenlet *waits = green_spawn(note_when_idle, "g"), *busy = green_spawn(note_three_times, "b");

	green_watch_idle(&idle, note_and_stop, "i");
	ck_assert_int_eq(green_hub_run(1000), 0);
	ck_assert_mem_eq(history, "bbb", 3);
	ck_assert_uint_eq(strlen(history), 5);
	ck_assert_ptr_nonnull(strchr(history, 'g'));
	ck_assert_ptr_nonnull(strchr(history, 'i'));
	join(waits);
	join(busy);
}
END_TEST

static int idle_calls;

static void count_idle(struct green_watcher *watcher, int events)
{
	(void)watcher;
	(void)events;
	idle_calls++;
}

START_TEST(s22_green_idle_ends_for_its_caller_and_can_fail)
{
	struct green_watcher idle;
	struct greenlet *task;

	ck_assert_int_eq(green_idle(), 0);
	/* As long as it is active, the hub never sleeps, and timers are on time. */
	green_watch_idle(&idle, count_idle, NULL);
	ck_assert_int_eq(green_sleep(10), 0);
	ck_assert_int_gt(idle_calls, 2);
	task = green_spawn(note_when_idle, "g");
	ck_assert_int_eq(green_idle(), 0);
	green_watcher_stop(&idle);
	join(task);
}
END_TEST

/* --- other threads --- */

static void *send_many(void *watcher)
{
	for (int i = 0; i < 1000; i++)
		green_watcher_send(watcher);
	return NULL;
}

/* H10, H9: from another thread; many that come before the call are one. */
START_TEST(h10_wake_may_be_sent_by_any_thread)
{
	struct green_watcher wake;
	pthread_t thread;

	green_watch_wake(&wake, note, "W");
	in_thread(send_many, &wake);
	rounds(3);
	ck_assert_str_eq(history, "W");
	ck_assert_int_eq(pthread_create(&thread, NULL, send_many, &wake), 0);
	while (strlen(history) < 2)
		green_sleep(1);
	pthread_join(thread, NULL);
	/* What was sent last is still on its way when the watcher is stopped. */
	green_watcher_send(&wake);
	green_watcher_stop(&wake);
	memset(&wake, 0xff, sizeof(wake));
	green_sleep(1);
}
END_TEST

/* --- children --- */

static pid_t child_that_exits(int status, int after_ms)
{
	pid_t pid = fork();

	if (pid == 0) {
		usleep((useconds_t)after_ms * 1000);
		_exit(status);
	}
	ck_assert_int_ge(pid, 0);
	return pid;
}

/* H10, C11, U13: told once, with the status, and reaped; whether it ends before or after. */
START_TEST(c11_a_child_is_told_of_and_reaped)
{
	struct green_watcher early, late;
	pid_t pids[2] = { child_that_exits(3, 0), child_that_exits(4, 50) };

	usleep(20000);
	ck_assert_int_eq(green_watch_child(&early, pids[0], note, "e"), 0);
	ck_assert_int_eq(green_watch_child(&late, pids[1], note, "l"), 0);
	ck_assert_int_eq(green_hub_run(10000), 0);
	ck_assert_str_eq(history, "el");
	ck_assert(WIFEXITED(last_events));
	ck_assert_int_eq(WEXITSTATUS(last_events), 4);
	assert_fails(waitpid(pids[0], NULL, WNOHANG) < 0, ECHILD);
	assert_fails(waitpid(pids[1], NULL, WNOHANG) < 0, ECHILD);
	ck_assert(!green_watcher_active(&early));
}
END_TEST

/* L11: nobody else's child is reaped; C11: one that somebody else reaps has status 255. */
START_TEST(l11_only_children_that_were_asked_for_are_reaped)
{
	struct green_watcher watcher;
	pid_t ours = child_that_exits(1, 20), theirs = child_that_exits(7, 0);
	int status;

	ck_assert_int_eq(green_watch_child(&watcher, ours, note, "c"), 0);
	ck_assert_int_eq(green_hub_run(10000), 0);
	ck_assert_int_eq(WEXITSTATUS(last_events), 1);
	ck_assert_int_eq(waitpid(theirs, &status, 0), theirs);
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ours = child_that_exits(1, 20);
	ck_assert_int_eq(green_watch_child(&watcher, ours, note, "c"), 0);
	ck_assert_int_eq(waitpid(ours, &status, 0), ours);
	ck_assert_int_eq(green_hub_run(10000), 0);
	ck_assert_int_eq(last_events, 255 << 8);
}
END_TEST

static void *watch_in_thread(void *unused)
{
	struct green_watcher watcher;
	char letter[] = "t";

	(void)unused;
	ck_assert_int_eq(green_watch_child(&watcher, child_that_exits(5, 10), note, letter), 0);
	ck_assert_int_eq(green_hub_run(10000), 0);
	ck_assert_int_eq(WEXITSTATUS(last_events), 5);
	return NULL;
}

/* U13: in any hub, not the main thread's only. */
START_TEST(u13_children_are_watched_in_any_thread)
{
	in_thread(watch_in_thread, NULL);
	ck_assert_str_eq(history, "t");
}
END_TEST

START_TEST(a_stopped_child_watcher_leaves_the_child_alone)
{
	struct green_watcher watcher;
	pid_t pid = child_that_exits(6, 0);
	int status;

	ck_assert_int_eq(green_watch_child(&watcher, pid, note, "c"), 0);
	green_watcher_stop(&watcher);
	green_sleep(20);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_str_eq(history, "");
}
END_TEST

/* --- paths --- */

/* H10: stat, looked at now and then. */
START_TEST(h10_a_path_is_watched_for_changes)
{
	struct green_watcher watcher;
	char name[] = "/tmp/green-watch-XXXXXX", path[64];
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	strcpy(path, name);
	ck_assert_int_eq(green_watch_path(&watcher, path, 5, note, "p"), 0);
	/* It was copied. */
	memset(path, 'x', sizeof(path) - 1);
	green_sleep(30);
	ck_assert_str_eq(history, "");
	ck_assert_int_eq(write(fd, "x", 1), 1);
	while (strlen(history) < 1)
		green_sleep(5);
	close(fd);
	unlink(name);
	while (strlen(history) < 2)
		green_sleep(5);
	fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	while (strlen(history) < 3)
		green_sleep(5);
	green_watcher_stop(&watcher);
	close(fd);
	unlink(name);
}
END_TEST

/* --- forks --- */

static struct green_watcher inherited[7];
static int fork_fds[2];

static void nothing(struct green_watcher *watcher, int events)
{
	(void)watcher;
	(void)events;
}

static void end_child(struct green_watcher *watcher, int events)
{
	(void)watcher;
	(void)events;
	for (size_t i = 1; i < ARRAY_LENGTH(inherited); i++) {
		if (green_watcher_active(&inherited[i]))
			_exit(10 + (int)i);
	}
	_exit(green_watcher_active(&inherited[0]) && !history[0] ? 0 : 9);
}

static void fork_and_run(void)
{
	green_sleep(1000);
	_exit(8);
}

/* H10, H15, CK17: in the child fork watchers are called, and all others are the parent's, which notices nothing. */
START_TEST(h15_in_the_child_of_a_fork_only_fork_watchers_are_left)
{
	int status;

	if (forks_deceive_tool()) {
		skipped("the sanitizer of threads does not follow greenlets into the child of a fork");
		return;
	}
	ck_assert_int_eq(pipe(fork_fds), 0);
	ck_assert_int_eq(green_watch_fork(&inherited[0], end_child, NULL), 0);
	ck_assert_int_eq(green_watch_fd(&inherited[1], fork_fds[0], GREEN_READ, note, "r"), 0);
	ck_assert_int_eq(green_watch_timer(&inherited[2], 1, 1, note, "t"), 0);
	ck_assert_int_eq(green_watch_path(&inherited[3], "/", 1000, note, "p"), 0);
	ck_assert_int_eq(green_watch_prepare(&inherited[4], nothing, NULL), 0);
	ck_assert_int_eq(green_watch_wake(&inherited[5], note, "w"), 0);
	ck_assert_int_eq(green_watch_signal(&inherited[6], SIGUSR1, note, "s"), 0);
	status = in_child(fork_and_run, NULL, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	memset(history, 0, sizeof(history));
	/* One after the other: what stays readable would fill the history before a timer is due. */
	while (!strchr(history, 't'))
		green_sleep(1);
	memset(history, 0, sizeof(history));
	ck_assert_int_eq(write(fork_fds[1], "x", 1), 1);
	while (!strchr(history, 'r'))
		green_sleep(1);
	for (size_t i = 0; i < ARRAY_LENGTH(inherited); i++) {
		ck_assert(green_watcher_active(&inherited[i]));
		green_watcher_stop(&inherited[i]);
	}
	close_pair(fork_fds);
}
END_TEST

static void add_children(TCase *tcase)
{
	tcase_add_test(tcase, c11_a_child_is_told_of_and_reaped);
	tcase_add_test(tcase, l11_only_children_that_were_asked_for_are_reaped);
	tcase_add_test(tcase, u13_children_are_watched_in_any_thread);
	tcase_add_test(tcase, a_stopped_child_watcher_leaves_the_child_alone);
}

int main(void)
{
	TCase *tcase = suite_begin("watcher", WITH_HUB);

	tcase_add_test(tcase, h10_a_timer_is_called_once);
	tcase_add_test(tcase, h10_a_timer_repeats_until_it_is_stopped);
	tcase_add_test(tcase, h10_a_late_timer_skips_what_it_has_missed);
	tcase_add_test(tcase, h8_a_zero_timer_starves_nobody);
	tcase_add_loop_test(tcase, c4_a_descriptor_is_told_of_as_long_as_it_is_ready, 0, 3);
	tcase_add_test(tcase, c4_both_directions_and_the_end_are_told);
	tcase_add_test(tcase, a_watcher_and_a_task_share_a_descriptor);
	tcase_add_loop_test(tcase, h13_close_feeds_the_watchers, 0, 3);
	tcase_add_test(tcase, h14_as_many_events_as_there_are_are_found_at_once);
	tcase_add_test(tcase, what_cannot_be_watched_is_refused);
	tcase_add_test(tcase, h10_a_watcher_can_be_fed_and_is_pending_then);
	tcase_add_test(tcase, h10_a_callback_may_free_its_own_watcher);
	tcase_add_test(tcase, h10_a_callback_may_stop_a_pending_watcher);
	tcase_add_test(tcase, h3_nothing_waits_in_a_watchers_callback);
	tcase_add_test(tcase, h11_a_watcher_that_is_not_kept_keeps_nothing);
	tcase_add_test(tcase, h6_the_hub_runs_until_nothing_is_left);
	tcase_add_test(tcase, h6_the_hub_can_be_stopped_and_is_run_by_main_only);
	tcase_add_test(tcase, h2_a_hub_of_tasks_that_wait_for_nothing_is_a_deadlock);
	tcase_add_test(tcase, h10_prepare_and_check_stand_around_the_look_for_events);
	tcase_add_test(tcase, h10_what_is_started_in_prepare_counts_for_the_sleep);
	tcase_add_test(tcase, s22_idle_is_when_nothing_else_is_ready);
	tcase_add_test(tcase, s22_green_idle_ends_for_its_caller_and_can_fail);
	tcase_add_test(tcase, h10_wake_may_be_sent_by_any_thread);
	if (!processes_have_descriptors())
		puts("skipped: there are no descriptors of processes here, so children are not tested");
	else
		add_children(tcase);
	tcase_add_test(tcase, h10_a_path_is_watched_for_changes);
	tcase_add_test(tcase, h15_in_the_child_of_a_fork_only_fork_watchers_are_left);
	return suite_end();
}
