/* SPDX-License-Identifier: MIT */
/* test_hub.c - the order of an iteration, one hub for each thread, fork, deadlock */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "green.h"
#include "hub/waiter.h"
#include "support.h"

/* Who has run, one letter each, in order. */
static char history[200];

static void note(char letter)
{
	size_t length = strlen(history);

	ck_assert_uint_lt(length, sizeof(history) - 1);
	history[length] = letter;
}

static void *note_letter(void *letter)
{
	note(*(char *)letter);
	return NULL;
}

static void *note_and_yield(void *letter)
{
	note(*(char *)letter);
	ck_assert_int_eq(green_yield(), 0);
	note(*(char *)letter);
	return NULL;
}

static void forget(struct greenlet *task)
{
	ck_assert_ptr_nonnull(task);
	ck_assert_int_eq(green_destroy(task), 0);
}

static void *note_and_spawn(void *letters)
{
	char *letter = letters;

	note(*letter);
	if (letter[1])
		forget(green_spawn(note_and_spawn, letter + 1));
	return NULL;
}

/* The order of one iteration. */

START_TEST(ready_tasks_run_first_come_first_served)
{
	for (char *letter = "ABCDE"; *letter; letter++)
		forget(green_spawn(note_letter, letter));
	ck_assert_str_eq(history, "");
	green_yield();
	ck_assert_str_eq(history, "ABCDE");
}
END_TEST

START_TEST(those_made_ready_meanwhile_wait_for_the_next_pass)
{
	forget(green_spawn(note_and_spawn, "A1"));
	forget(green_spawn(note_and_spawn, "B2"));
	forget(green_spawn(note_and_yield, "C"));
	join(green_spawn(note_and_yield, "D"));
	ck_assert_str_eq(history, "ABCD12CD");
}
END_TEST

static int pipe_ends[2];
static struct waiter remote_waiter;
static struct greenlet *ordered[4];

static void *wait_for_timer(void *unused)
{
	green_sleep(20);
	note('T');
	return unused;
}

static void *wait_for_event(void *unused)
{
	char byte;

	ck_assert_int_eq(green_read(pipe_ends[0], &byte, 1), 1);
	note('E');
	return unused;
}

static void *wait_for_remote(void *unused)
{
	green__waiter_init(&remote_waiter, WAIT_PLAIN, "test", NULL);
	green__current->flow->hub->external++;
	ck_assert_int_eq(green__park(&remote_waiter, CLOCK_NEVER), 0);
	green__current->flow->hub->external--;
	note('R');
	return unused;
}

static void *wake_remotely(void *unused)
{
	ck_assert(green__wake(&remote_waiter, 0));
	return unused;
}

/* Brings about everything at once, in the reverse of the order in which it is to be seen. */
static void *bring_about(void *unused)
{
	int64_t start = clock_now();

	note('A');
	in_thread(wake_remotely, NULL);
	ck_assert_int_eq(write(pipe_ends[1], "x", 1), 1);
	while (ms_since(start) < 40)
		continue;
	forget(green_spawn(note_letter, "S"));
	return unused;
}

START_TEST(one_iteration_is_ready_then_timers_then_events_then_remote_wakes)
{
	ck_assert_int_eq(green_pipe2(pipe_ends, 0), 0);
	ordered[0] = green_spawn(wait_for_remote, NULL);
	ordered[1] = green_spawn(wait_for_event, NULL);
	ordered[2] = green_spawn(wait_for_timer, NULL);
	green_yield();
	ordered[3] = green_spawn(bring_about, NULL);
	for (int i = 0; i < 4; i++)
		join(ordered[i]);
	ck_assert_str_eq(history, "ASTER");
	close_pair(pipe_ends);
}
END_TEST

static bool stop;

static void *yield_until_stopped(void *unused)
{
	while (!stop)
		green_yield();
	return unused;
}

/* CK10, U11: timers and events */
START_TEST(h8_busy_tasks_starve_neither_timers_nor_events)
{
	struct greenlet *busy[3], *reader;
	int64_t start = clock_now();

	ck_assert_int_eq(green_pipe2(pipe_ends, 0), 0);
	for (int i = 0; i < 3; i++)
		busy[i] = green_spawn(yield_until_stopped, NULL);
	reader = green_spawn(wait_for_event, NULL);
	green_sleep(20);
	assert_took(start, 20);
	ck_assert_int_eq(write(pipe_ends[1], "x", 1), 1);
	join(reader);
	ck_assert_str_eq(history, "E");
	stop = true;
	for (int i = 0; i < 3; i++)
		join(busy[i]);
	close_pair(pipe_ends);
}
END_TEST

static uint64_t looks[150];

static void *spin_and_count_looks(void *look)
{
	int64_t start = clock_now();

	*(uint64_t *)look = green__current->flow->stats->epoll_waits;
	while (ms_since(start) < 1)
		continue;
	return NULL;
}

START_TEST(h8_a_long_pass_is_cut_for_a_look_at_timers_and_events)
{
	struct greenlet *spinning[150];
	uint64_t cuts = 0;

	/* All of them take 150 ms; the slice is 5, and the clock is read after each 64. */
	for (size_t i = 0; i < ARRAY_LENGTH(looks); i++)
		spinning[i] = green_spawn(spin_and_count_looks, &looks[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(looks); i++) {
		join(spinning[i]);
		cuts += i > 0 && looks[i] > looks[i - 1];
	}
	ck_assert_uint_ge(cuts, 2);
}
END_TEST

/* The hub and others. */

START_TEST(its_descriptors_stay_out_of_the_way)
{
	int fd = dup(0);

	ck_assert_int_lt(fd, 100);
	ck_assert_int_gt(green__hub()->loop.epoll_fd, 1000);
	close(fd);
}
END_TEST

START_TEST(nobody_switches_to_the_hub_or_ends_in_it)
{
	struct greenlet *task = green_spawn(note_letter, "A"), *hub = green_parent(task);

	assert_fails(!green_switch(hub, NULL), EINVAL);
	assert_fails(green_destroy(hub) == -1, EINVAL);
	assert_fails(green_set_parent(hub, green_current()) == -1, EINVAL);
	join(task);
}
END_TEST

static void *sleep_then_return(void *value)
{
	green_sleep(10);
	return value;
}

START_TEST(h3_a_raw_greenlet_may_make_blocking_calls)
{
	struct greenlet *raw = green_create(sleep_then_return, NULL);

	forget(green_spawn(note_letter, "A"));
	ck_assert_ptr_eq(green_switch(raw, history), history);
	ck_assert_str_eq(history, "A");
	forget(raw);
}
END_TEST

static void *switch_to_arg(void *target)
{
	assert_fails(!green_switch(target, "stray"), EBUSY);
	return NULL;
}

START_TEST(h4_a_greenlet_that_waits_cannot_be_switched_to)
{
	struct greenlet *sleeper = green_spawn(sleep_then_return, history);
	struct greenlet *unstarted = green_spawn(note_letter, "A");

	assert_fails(!green_switch(unstarted, NULL), EBUSY);
	join(green_spawn(switch_to_arg, green_current()));
	join(green_spawn(switch_to_arg, sleeper));
	ck_assert_ptr_eq(join(sleeper), history);
	join(unstarted);
}
END_TEST

static void *end_at_once(void *value)
{
	return value;
}

static void *switch_to_raw(void *raw)
{
	green_switch(raw, "lost");
	note('X');
	return NULL;
}

START_TEST(a_result_for_a_parent_that_waits_is_dropped_and_the_hub_goes_on)
{
	struct greenlet *raw = green_create(end_at_once, NULL);
	struct greenlet *task = green_spawn(switch_to_raw, raw);

	assert_fails(green_join(task, NULL, 10) == -1, ETIMEDOUT);
	ck_assert(green_dead(raw));
	/* Whoever switched waits until somebody switches back: only a parent gets results. */
	ck_assert_str_eq(history, "");
	ck_assert(!green_dead(task));
	forget(raw);
	forget(task);
}
END_TEST

/* Deadlock. */

static struct greenlet *left, *right;

static void *join_other(void *other)
{
	struct greenlet **task = other;

	green_join(*task, NULL, -1);
	return NULL;
}

/* CK5: nothing is left */
START_TEST(h2_main_learns_that_nothing_is_left_to_wake_it)
{
	left = green_spawn(join_other, &right);
	right = green_spawn(join_other, &left);
	assert_fails(green_join(left, NULL, -1) == -1, EDEADLK);
	/* It is an error of that one call: what can end still ends. */
	ck_assert_ptr_eq(join(green_spawn(sleep_then_return, history)), history);
	assert_fails(green_join(right, NULL, -1) == -1, EDEADLK);
}
END_TEST

START_TEST(a_wait_that_a_timer_a_descriptor_or_a_thread_may_end_is_no_deadlock)
{
	struct greenlet *task;

	ck_assert_int_eq(green_pipe2(pipe_ends, 0), 0);
	task = green_spawn(wait_for_event, NULL);
	assert_fails(green_join(task, NULL, 20) == -1, ETIMEDOUT);
	ck_assert_int_eq(write(pipe_ends[1], "x", 1), 1);
	join(task);
	task = green_spawn(wait_for_remote, NULL);
	green_yield();
	in_thread(wake_remotely, NULL);
	join(task);
	close_pair(pipe_ends);
}
END_TEST

/* Creation, threads. */

static void *fails_then_works(void *unused)
{
	struct rlimit limit, tight;
	int lowest = dup(0);

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &limit);
	tight = limit;
	tight.rlim_cur = (rlim_t)lowest;
	setrlimit(RLIMIT_NOFILE, &tight);
	assert_fails(!green_spawn(end_at_once, NULL), EMFILE);
	assert_fails(green_sleep(1) == -1, EMFILE);
	assert_fails(green_yield() == -1, EMFILE);
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert_ptr_eq(join(green_spawn(end_at_once, history)), history);
	return unused;
}

START_TEST(no_descriptor_for_a_hub_is_emfile_and_later_there_is_one)
{
	in_thread(fails_then_works, NULL);
}
END_TEST

static void *errno_over_first_use(void *unused)
{
	struct greenlet *task;

	errno = EXDEV;
	task = green_spawn(end_at_once, NULL);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert_int_eq(green_destroy(task), 0);
	ck_assert_int_eq(errno, EXDEV);
	return unused;
}

START_TEST(g8_calls_that_succeed_leave_errno_alone_even_when_they_make_the_hub)
{
	in_thread(errno_over_first_use, NULL);
}
END_TEST

static void *use_hub_and_end(void *unused)
{
	join(green_spawn(sleep_then_return, NULL));
	hub_checked();
	return unused;
}

START_TEST(h1_a_thread_that_ends_takes_its_hub_along)
{
	int before = descriptors_open();

	for (int i = 0; i < 30; i++)
		in_thread(use_hub_and_end, NULL);
	ck_assert_int_eq(descriptors_open(), before);
}
END_TEST

static int thread_pair[2];

/* Each task bounces bytes with a task of another thread's hub. */
static void *bounce(void *end)
{
	int fd = *(int *)end;
	char byte = 0;

	for (int i = 0; i < 500; i++) {
		if (green_write(fd, &byte, 1) != 1 || green_read(fd, &byte, 1) != 1)
			return "bouncing failed";
	}
	return NULL;
}

static void *bounce_in_task(void *end)
{
	return join(green_spawn(bounce, end));
}

START_TEST(h1_two_threads_with_a_hub_each_work_side_by_side)
{
	pthread_t thread;
	void *complaint;

	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, thread_pair), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, bounce_in_task, &thread_pair[0]), 0);
	ck_assert_ptr_null(bounce_in_task(&thread_pair[1]));
	pthread_join(thread, &complaint);
	ck_assert_ptr_null(complaint);
	close_pair(thread_pair);
}
END_TEST

static void *join_foreign(void *task)
{
	assert_fails(green_join(task, NULL, 0) == -1, EPERM);
	return NULL;
}

START_TEST(t2_a_task_of_another_thread_cannot_be_joined)
{
	struct greenlet *task = green_spawn(end_at_once, NULL);

	in_thread(join_foreign, task);
	join(task);
}
END_TEST

/* Fork. */

static void child_uses_its_hub(void)
{
	int fds[2];
	char byte;

	if (green_sleep(5) != 0 || join(green_spawn(sleep_then_return, history)) != history)
		_exit(1);
	if (green_pipe2(fds, 0) != 0 || green_write(fds[1], "x", 1) != 1 || green_read(fds[0], &byte, 1) != 1)
		_exit(2);
	/* Closing what it inherited must not touch the parent's registration. */
	if (green_close(pipe_ends[0]) != 0 || green_close(pipe_ends[1]) != 0)
		_exit(3);
	if (*history || !green__hub_check(green__hub()))
		_exit(4);
}

START_TEST(l12_the_child_of_a_fork_has_a_hub_that_works_and_the_parent_notices_nothing)
{
	struct greenlet *reader, *sleeper;
	int status;

	ck_assert_int_eq(green_pipe2(pipe_ends, 0), 0);
	reader = green_spawn(wait_for_event, NULL);
	sleeper = green_spawn(wait_for_timer, NULL);
	green_yield();
	status = in_child(child_uses_its_hub, NULL, 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	join(sleeper);
	ck_assert_int_eq(write(pipe_ends[1], "x", 1), 1);
	join(reader);
	ck_assert_str_eq(history, "TE");
	close_pair(pipe_ends);
}
END_TEST

static void *fork_here(void *unused)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		green_sleep(40);
		_exit(strcmp(history, "") == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	return unused;
}

START_TEST(l12_only_the_task_that_forks_goes_on_in_the_child)
{
	struct greenlet *sleeper = green_spawn(wait_for_timer, NULL);

	/* Main joins, another sleeps 20 ms: neither may run in the child. */
	join(green_spawn(fork_here, NULL));
	join(sleeper);
	ck_assert_str_eq(history, "T");
}
END_TEST

static pid_t child_of_task;

static void *fork_and_return(void *unused)
{
	child_of_task = fork();
	return unused;
}

static void *join_and_look(void *task)
{
	pid_t parent = getpid();

	green_join(task, NULL, -1);
	if (getpid() != parent)
		_exit(66);
	return NULL;
}

START_TEST(l12_nobody_comes_back_to_life_when_the_forking_task_ends_in_the_child)
{
	struct greenlet *forking = green_spawn(fork_and_return, NULL);
	struct greenlet *joining = green_spawn(join_and_look, forking);
	int status;

	join_and_look(forking);
	join(joining);
	join(forking);
	green_sleep(100);
	kill(child_of_task, SIGKILL);
	ck_assert_int_eq(waitpid(child_of_task, &status, 0), child_of_task);
	ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) != 66, "one that had joined has run in the child");
}
END_TEST

static struct greenlet *stayed[3];
static int listed;

static int counts_listed(const struct green_info *info, void *argument)
{
	(void)argument;
	listed++;
	for (int i = 0; i < 3; i++) {
		if (info->greenlet == stayed[i])
			_exit(1);
	}
	return 0;
}

static void *switches_back(void *unused)
{
	green_switch(green_parent(green_current()), unused);
	return unused;
}

/* One waits, one has ended, one is suspended: none of them is listed or counted, and all handles can be given back. */
static void child_gives_handles_back(void)
{
	struct green_hub_info before, after;
	struct greenlet *task;
	int count;

	green_get_hub_info(&before);
	green_for_each(counts_listed, NULL);
	count = listed;
	for (int i = 0; i < 3; i++) {
		if (green_destroy(stayed[i]))
			_exit(2);
		/* The next one may lie at its place. */
		stayed[i] = NULL;
	}
	task = green_spawn(sleep_then_return, NULL);
	green_for_each(counts_listed, NULL);
	if (listed != 2 * count + 1)
		_exit(3);
	join(task);
	green_get_hub_info(&after);
	if (before.greenlets != after.greenlets || !green__hub_check(green__hub()))
		_exit(4);
}

/* Y10: nobody stands for those who have stayed in the parent, however they were made */
START_TEST(y10_the_child_of_a_fork_knows_the_others_by_their_handles_only)
{
	int status;

	if (forks_deceive_tool()) {
		skipped("the sanitizer of threads does not follow greenlets into the child of a fork");
		return;
	}
	stayed[0] = parked(wait_for_timer, NULL);
	stayed[1] = green_spawn(end_at_once, NULL);
	stayed[2] = green_create(switches_back, NULL);
	green_join(stayed[1], NULL, -1);
	green_switch(stayed[2], NULL);
	status = in_child(child_gives_handles_back, NULL, 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			green_join(stayed[i], NULL, -1);
		ck_assert_int_eq(green_destroy(stayed[i]), 0);
	}
}
END_TEST

static void *is_a_main(void *unused)
{
	struct greenlet *self = green_current();

	(void)unused;
	return green_parent(self) || strcmp(green_name(self), "main") || green_sleep(1) ? NULL : self;
}

/* Y10: a kernel thread that libgreen has not made has a greenlet, too */
START_TEST(y10_any_kernel_thread_has_a_greenlet)
{
	struct greenlet *theirs = in_thread(is_a_main, NULL);

	ck_assert_ptr_nonnull(theirs);
	ck_assert_ptr_ne(theirs, green_current());
}
END_TEST

static void fork_again(void)
{
	int status = in_child(child_uses_its_hub, NULL, 0);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || green_sleep(5) != 0)
		_exit(1);
}

START_TEST(l12_the_child_may_fork_again)
{
	int status;

	ck_assert_int_eq(green_pipe2(pipe_ends, 0), 0);
	status = in_child(fork_again, NULL, 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	close_pair(pipe_ends);
}
END_TEST

static void add_order(TCase *tcase)
{
	tcase_add_test(tcase, ready_tasks_run_first_come_first_served);
	tcase_add_test(tcase, those_made_ready_meanwhile_wait_for_the_next_pass);
	tcase_add_test(tcase, one_iteration_is_ready_then_timers_then_events_then_remote_wakes);
	tcase_add_test(tcase, h8_busy_tasks_starve_neither_timers_nor_events);
	tcase_add_test(tcase, h8_a_long_pass_is_cut_for_a_look_at_timers_and_events);
}

static void add_others(TCase *tcase)
{
	tcase_add_test(tcase, its_descriptors_stay_out_of_the_way);
	tcase_add_test(tcase, nobody_switches_to_the_hub_or_ends_in_it);
	tcase_add_test(tcase, h3_a_raw_greenlet_may_make_blocking_calls);
	tcase_add_test(tcase, h4_a_greenlet_that_waits_cannot_be_switched_to);
	tcase_add_test(tcase, a_result_for_a_parent_that_waits_is_dropped_and_the_hub_goes_on);
	tcase_add_test(tcase, h2_main_learns_that_nothing_is_left_to_wake_it);
	tcase_add_test(tcase, a_wait_that_a_timer_a_descriptor_or_a_thread_may_end_is_no_deadlock);
}

static void add_threads_and_forks(TCase *tcase)
{
	tcase_add_test(tcase, no_descriptor_for_a_hub_is_emfile_and_later_there_is_one);
	tcase_add_test(tcase, g8_calls_that_succeed_leave_errno_alone_even_when_they_make_the_hub);
	tcase_add_test(tcase, h1_a_thread_that_ends_takes_its_hub_along);
	tcase_add_test(tcase, h1_two_threads_with_a_hub_each_work_side_by_side);
	tcase_add_test(tcase, t2_a_task_of_another_thread_cannot_be_joined);
	tcase_add_test(tcase, l12_the_child_of_a_fork_has_a_hub_that_works_and_the_parent_notices_nothing);
	tcase_add_test(tcase, l12_only_the_task_that_forks_goes_on_in_the_child);
	tcase_add_test(tcase, l12_nobody_comes_back_to_life_when_the_forking_task_ends_in_the_child);
	tcase_add_test(tcase, y10_the_child_of_a_fork_knows_the_others_by_their_handles_only);
	tcase_add_test(tcase, y10_any_kernel_thread_has_a_greenlet);
	tcase_add_test(tcase, l12_the_child_may_fork_again);
}

int main(void)
{
	TCase *tcase = suite_begin("hub", WITH_HUB);

	add_order(tcase);
	add_others(tcase);
	add_threads_and_forks(tcase);
	return suite_end();
}
