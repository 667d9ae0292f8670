/* SPDX-License-Identifier: MIT */
/* test_foreign.c - the hub inside somebody else's event loop, and somebody else's loop inside the hub */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "green.h"
#include "hub/outside.h"
#include "support.h"

static char history[200];

static void note(char letter)
{
	size_t length = strlen(history);

	ck_assert_uint_lt(length, sizeof(history) - 1);
	history[length] = letter;
}

static void note_call(void *letter)
{
	note(*(char *)letter);
}

/* The whole of a foreign loop: it knows one descriptor, and how long it had to sleep for it. */
static bool readable(int fd, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1;
}

static int turn_until(int fd, size_t length)
{
	int turns = 0;

	while (strlen(history) < length) {
		ck_assert_msg(readable(fd, 10000), "the foreign loop sleeps though there is something to do");
		ck_assert_int_eq(green_hub_turn(), 0);
		turns++;
	}
	return turns;
}

/* Nothing more is to be done, so after a few turns at most the loop would sleep. */
static void assert_quiet(int fd)
{
	for (int i = 0; i < 5 && readable(fd, 0); i++)
		ck_assert_int_eq(green_hub_turn(), 0);
	ck_assert(!readable(fd, 20));
}

static int hub_fd(void)
{
	int fd = green_hub_fd();

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(green_hub_fd(), fd);
	return fd;
}

static void *sleep_and_note(void *letter)
{
	green_sleep(20);
	note(*(char *)letter);
	return NULL;
}

static void *yield_and_note(void *letter)
{
	green_yield();
	note(*(char *)letter);
	return NULL;
}

/* What main starts between two turns makes the descriptor readable: tasks, calls, timers that are earlier than the others. */
START_TEST(what_is_started_outside_makes_it_readable)
{
	struct green_call calls[3];
	int fd = hub_fd();
	int64_t start;

	assert_quiet(fd);
	green_destroy(green_spawn(yield_and_note, "t"));
	turn_until(fd, 1);
	assert_quiet(fd);
	green_call_soon(&calls[0], note_call, "c");
	turn_until(fd, 2);
	start = clock_now();
	green_call_later(&calls[0], 60, note_call, "3");
	green_call_later(&calls[1], 20, note_call, "1");
	green_call_later(&calls[2], 40, note_call, "2");
	/* The loop sleeps until each of them, and is not woken all the time. */
	ck_assert_int_le(turn_until(fd, 5), 20);
	assert_took(start, 60);
	ck_assert_str_eq(history, "tc123");
	assert_quiet(fd);
}
END_TEST

static int pipe_ends[2];

static void *read_and_note(void *unused)
{
	char byte;

	while (green_read(pipe_ends[0], &byte, 1) == 1)
		note(byte);
	return unused;
}

/* Descriptors that tasks wait for, and timers that they sleep on. */
START_TEST(descriptors_and_sleeps_of_tasks_make_it_readable)
{
	struct greenlet *reader, *sleeper;
	int fd = hub_fd();

	ck_assert_int_eq(green_pipe2(pipe_ends, 0), 0);
	reader = green_spawn(read_and_note, NULL);
	sleeper = green_spawn(sleep_and_note, "s");
	turn_until(fd, 1);
	assert_quiet(fd);
	for (char letter = 'a'; letter < 'f'; letter++) {
		ck_assert(!readable(fd, 0));
		ck_assert_int_eq(write(pipe_ends[1], &letter, 1), 1);
		turn_until(fd, (size_t)(letter - 'a' + 2));
		assert_quiet(fd);
	}
	ck_assert_str_eq(history, "sabcde");
	green_close(pipe_ends[1]);
	join(reader);
	join(sleeper);
	green_close(pipe_ends[0]);
}
END_TEST

static void note_byte(struct green_watcher *watcher, int events)
{
	char byte;

	ck_assert_int_eq(events, GREEN_READ);
	ck_assert_int_eq(read(pipe_ends[0], &byte, 1), 1);
	note(byte);
	if (byte == 'z')
		green_watcher_stop(watcher);
}

/* Watchers, of what is ready already and of what becomes so, whether the library knows the descriptor or not. */
START_TEST(watchers_make_it_readable)
{
	struct green_watcher watcher;
	int fd = hub_fd();

	ck_assert_int_eq(_i ? green_pipe2(pipe_ends, 0) : pipe(pipe_ends), 0);
	ck_assert_int_eq(write(pipe_ends[1], "ab", 2), 2);
	ck_assert_int_eq(green_watch_fd(&watcher, pipe_ends[0], GREEN_READ, note_byte, NULL), 0);
	turn_until(fd, 2);
	assert_quiet(fd);
	ck_assert_int_eq(write(pipe_ends[1], "cz", 2), 2);
	turn_until(fd, 4);
	assert_quiet(fd);
	ck_assert_str_eq(history, "abcz");
	close_pair(pipe_ends);
}
END_TEST

static struct green_hub *home;
static struct green_call from_outside;

static void *call_home(void *unused)
{
	usleep(30000);
	ck_assert_int_eq(green_call_from_thread(home, &from_outside, note_call, "x"), 0);
	return unused;
}

START_TEST(calls_from_other_threads_make_it_readable)
{
	pthread_t thread;
	int fd = hub_fd();

	home = green_hub();
	assert_quiet(fd);
	ck_assert_int_eq(pthread_create(&thread, NULL, call_home, NULL), 0);
	turn_until(fd, 1);
	pthread_join(thread, NULL);
	assert_quiet(fd);
}
END_TEST

static void note_idle(struct green_watcher *watcher, int events)
{
	(void)events;
	note('i');
	green_watcher_stop(watcher);
}

START_TEST(idle_watchers_and_main_itself_may_wait)
{
	struct green_watcher idle;
	int fd = hub_fd();

	green_watch_idle(&idle, note_idle, NULL);
	turn_until(fd, 1);
	/* Main may also wait as everywhere; what was left is told afterwards. */
	green_destroy(green_spawn(sleep_and_note, "s"));
	ck_assert_int_eq(green_sleep(5), 0);
	turn_until(fd, 2);
	assert_quiet(fd);
}
END_TEST

/* A foreign loop's own descriptor in ours: it is waited for like any other. */
START_TEST(a_foreign_loop_is_a_descriptor_to_wait_for)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct greenlet *task;
	int foreign = epoll_create1(EPOLL_CLOEXEC), fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(epoll_ctl(foreign, EPOLL_CTL_ADD, fds[0], &event), 0);
	task = green_spawn(sleep_and_note, "s");
	assert_fails(green_wait_fd(foreign, GREEN_READ, 5) < 0, ETIMEDOUT);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(green_wait_fd(foreign, GREEN_READ, 15000), GREEN_READ);
	ck_assert_int_eq(epoll_wait(foreign, &event, 1, 0), 1);
	join(task);
	close_pair(fds);
	close(foreign);
}
END_TEST

static void in_the_child(void)
{
	int fd = green_hub_fd();

	green_destroy(green_spawn(sleep_and_note, "c"));
	while (strlen(history) < 1) {
		if (!readable(fd, 15000))
			_exit(2);
		green_hub_turn();
	}
}

/* CK17: the child of a fork asks anew, and the parent's goes on. */
START_TEST(ck17_a_fork_needs_a_new_descriptor)
{
	int fd = hub_fd(), status = in_child(in_the_child, NULL, 0);

	ck_assert_int_eq(status, 0);
	green_destroy(green_spawn(sleep_and_note, "p"));
	turn_until(fd, 1);
	ck_assert_str_eq(history, "p");
}
END_TEST

/* By a descriptor, for a timer of the hub's would make the other descriptor readable once more. */
static void wait_a_while(void)
{
	struct itimerspec after = { .it_value = { 0, 5000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	ck_assert_int_eq(timerfd_settime(fd, 0, &after, NULL), 0);
	ck_assert_int_eq(green_wait_fd(fd, GREEN_READ, -1), GREEN_READ);
	green_close(fd);
}

static void *waits_and_returns(void *unused)
{
	wait_a_while();
	return unused;
}

static void *waits_and_switches(void *unused)
{
	wait_a_while();
	green_switch(green_parent(green_current()), NULL);
	return unused;
}

/* Main comes back by a switch, not by the hub, which has run meanwhile. */
START_TEST(a_switch_of_main_leaves_it_armed)
{
	static void *(*const functions[])(void *) = { waits_and_returns, waits_and_switches };
	int fd = hub_fd();
	struct greenlet *raw = green_create(functions[_i], NULL);
	struct green_call call;

	assert_quiet(fd);
	green_switch(raw, NULL);
	green_call_soon(&call, note_call, "c");
	turn_until(fd, 1);
	assert_quiet(fd);
	green_destroy(green_spawn(sleep_and_note, "s"));
	turn_until(fd, 2);
	ck_assert_str_eq(history, "cs");
	green_destroy(raw);
}
END_TEST

static void *count_passes(void *count)
{
	while (*(int *)count < 1000000) {
		++*(int *)count;
		green_yield();
	}
	return NULL;
}

/* CK10, M12: how long a pass may last can be set; tasks that never wait leave the turn, too. */
START_TEST(m12_the_slice_can_be_set)
{
	int fd = hub_fd(), count = 0;
	struct greenlet *task = green_spawn(count_passes, &count);

	ck_assert_uint_eq(green_hub_slice(0), 5000);
	ck_assert_uint_eq(green_hub_slice(100), 5000);
	ck_assert_uint_eq(green_hub_slice(0), 100);
	ck_assert(readable(fd, 0));
	ck_assert_int_eq(green_hub_turn(), 0);
	ck_assert_int_ge(count, 1);
	ck_assert(readable(fd, 0));
	count = 1000000;
	join(task);
	assert_quiet(fd);
}
END_TEST

static void *computes_a_little(void *unused)
{
	int64_t end = clock_now() + 100 * 1000;

	while (clock_now() < end)
		;
	return unused;
}

/* How often the hub has come round for 256 tasks that together take more than 25 milliseconds. */
static uint64_t rounds(unsigned slice_us)
{
	struct green_hub_info before, after;
	struct greenlet *tasks[256];
	unsigned usual = green_hub_slice(slice_us);

	for (int i = 0; i < 256; i++)
		tasks[i] = green_spawn(computes_a_little, NULL);
	green_get_hub_info(&before);
	ck_assert_int_eq(green_join_all(tasks, 256, 0, -1), 0);
	green_get_hub_info(&after);
	green_hub_slice(usual);
	for (int i = 0; i < 256; i++)
		green_destroy(tasks[i]);
	return after.iterations - before.iterations;
}

START_TEST(m12_a_longer_slice_is_not_cut)
{
	ck_assert_uint_le(rounds(20 * 1000 * 1000), 2);
	ck_assert_uint_ge(rounds(1000), 3);
}
END_TEST

static int extra;

static void ask_before(void)
{
	int before = descriptors_open();

	hub_fd();
	extra = descriptors_open() - before;
	ck_assert_int_eq(extra, 2);
}

static void ask_after(void)
{
	green__outside_destroy(green__hub());
}

int main(void)
{
	TCase *tcase = suite_begin("foreign", WITH_HUB);

	/* The hub keeps what it was asked for, which is no leak. */
	tcase_add_checked_fixture(tcase, ask_before, ask_after);
	tcase_add_test(tcase, what_is_started_outside_makes_it_readable);
	tcase_add_test(tcase, descriptors_and_sleeps_of_tasks_make_it_readable);
	tcase_add_loop_test(tcase, watchers_make_it_readable, 0, 2);
	tcase_add_test(tcase, calls_from_other_threads_make_it_readable);
	tcase_add_test(tcase, idle_watchers_and_main_itself_may_wait);
	tcase_add_test(tcase, a_foreign_loop_is_a_descriptor_to_wait_for);
	tcase_add_test(tcase, ck17_a_fork_needs_a_new_descriptor);
	tcase_add_loop_test(tcase, a_switch_of_main_leaves_it_armed, 0, 2);
	tcase_add_test(tcase, m12_the_slice_can_be_set);
	tcase_add_test(tcase, m12_a_longer_slice_is_not_cut);
	return suite_end();
}
