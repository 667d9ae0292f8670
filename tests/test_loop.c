/* SPDX-License-Identifier: MIT */
/* test_loop.c - the epoll instance and its wake-up, without any greenlet */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "hub/loop.h"
#include "support.h"

static struct loop loop;
static uint64_t waits, controls;
static uint64_t seen_data[16];
static uint32_t seen_events[16];
static int seen, expected;

static void on_expect(void *context, uint64_t data)
{
	ck_assert_ptr_eq(context, &loop);
	ck_assert_uint_ne(data, LOOP_WAKE);
	ck_assert_int_eq(seen, 0);
	expected++;
}

static void on_event(void *context, uint64_t data, uint32_t events)
{
	ck_assert_ptr_eq(context, &loop);
	ck_assert_int_lt(seen, 16);
	seen_data[seen] = data;
	seen_events[seen++] = events;
}

static void begin(void)
{
	ck_assert_int_eq(green__loop_init(&loop), 0);
	loop.waits = &waits;
	loop.controls = &controls;
	loop.expect = on_expect;
	loop.event = on_event;
	loop.context = &loop;
	waits = controls = 0;
	seen = expected = 0;
}

static void end(void)
{
	green__loop_finish(&loop);
	ck_assert_int_eq(loop.epoll_fd, -1);
	ck_assert_int_eq(loop.wake_fd, -1);
}

START_TEST(its_descriptors_are_high_and_close_on_exec)
{
	begin();
	ck_assert_int_gt(loop.epoll_fd, 1000);
	ck_assert_int_gt(loop.wake_fd, 1000);
	ck_assert_int_eq(fcntl(loop.epoll_fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(loop.wake_fd, F_GETFD), FD_CLOEXEC);
	ck_assert(green__loop_owns(&loop, loop.epoll_fd) && green__loop_owns(&loop, loop.wake_fd));
	ck_assert(!green__loop_owns(&loop, 0) && !green__loop_owns(&loop, -1));
	end();
}
END_TEST

START_TEST(the_numbers_of_the_program_stay_what_they_were)
{
	int before = dup(0), after;

	close(before);
	begin();
	after = dup(0);
	close(after);
	ck_assert_int_eq(after, before);
	end();
}
END_TEST

START_TEST(a_look_without_time_returns_at_once)
{
	int64_t start = clock_now();

	begin();
	green__loop_poll(&loop, 0);
	assert_took(start, 0);
	ck_assert_int_eq(seen, 0);
	ck_assert_uint_eq(waits, 1);
	end();
}
END_TEST

START_TEST(a_deadline_below_a_millisecond_is_kept)
{
	int64_t deadline;

	begin();
	deadline = clock_after(300 * 1000);
	green__loop_poll(&loop, deadline);
	ck_assert_int_ge(clock_now(), deadline);
	ck_assert_int_lt(clock_now(), deadline + TOLERANCE_MS * NS_PER_MS);
	end();
}
END_TEST

START_TEST(a_deadline_that_has_passed_does_not_wait)
{
	int64_t start = clock_now();

	begin();
	green__loop_poll(&loop, 1);
	green__loop_poll(&loop, start);
	assert_took(start, 0);
	end();
}
END_TEST

/* And all of them are expected before the first is told. */
START_TEST(events_come_with_their_data)
{
	int fds[2];

	begin();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(green__loop_control(&loop, EPOLL_CTL_ADD, fds[0], EPOLLIN, UINT64_C(0x123456789abcdef)), 0);
	ck_assert_int_eq(green__loop_control(&loop, EPOLL_CTL_ADD, fds[1], EPOLLOUT, 7), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	green__loop_poll(&loop, CLOCK_NEVER);
	ck_assert_int_eq(expected, 2);
	ck_assert_int_eq(seen, 2);
	ck_assert_uint_eq(seen_data[0] + seen_data[1], UINT64_C(0x123456789abcdef) + 7);
	ck_assert_uint_eq(seen_events[0] | seen_events[1], EPOLLIN | EPOLLOUT);
	ck_assert_uint_eq(controls, 2);
	close(fds[0]);
	close(fds[1]);
	end();
}
END_TEST

static void *wake_soon(void *unused)
{
	usleep(20000);
	green__loop_wake(&loop);
	return unused;
}

START_TEST(a_wake_from_another_thread_ends_a_sleep)
{
	int64_t start = clock_now();
	pthread_t thread;

	begin();
	ck_assert_int_eq(pthread_create(&thread, NULL, wake_soon, NULL), 0);
	green__loop_poll(&loop, clock_after(10 * NS_PER_SECOND));
	assert_took(start, 20);
	ck_assert_int_eq(seen, 0);
	pthread_join(thread, NULL);
	end();
}
END_TEST

START_TEST(a_wake_before_the_sleep_is_not_lost)
{
	int64_t start = clock_now();

	begin();
	for (int i = 0; i < 3; i++) {
		green__loop_wake(&loop);
		green__loop_wake(&loop);
		green__loop_poll(&loop, clock_after(10 * NS_PER_SECOND));
	}
	assert_took(start, 0);
	end();
}
END_TEST

START_TEST(one_wake_ends_one_sleep)
{
	int64_t start;

	begin();
	green__loop_wake(&loop);
	green__loop_poll(&loop, CLOCK_NEVER);
	start = clock_now();
	green__loop_poll(&loop, clock_after(20 * NS_PER_MS));
	assert_took(start, 20);
	end();
}
END_TEST

START_TEST(errors_of_the_kernel_come_as_negative_numbers)
{
	int file = open("/proc/self/exe", O_RDONLY);
	int pipes[2];

	begin();
	ck_assert_int_eq(pipe(pipes), 0);
	errno = EXDEV;
	ck_assert_int_eq(green__loop_control(&loop, EPOLL_CTL_ADD, file, EPOLLIN, 0), -EPERM);
	ck_assert_int_eq(green__loop_control(&loop, EPOLL_CTL_ADD, -1, EPOLLIN, 0), -EBADF);
	ck_assert_int_eq(green__loop_control(&loop, EPOLL_CTL_MOD, pipes[0], EPOLLIN, 0), -ENOENT);
	ck_assert_int_eq(errno, EXDEV);
	close(file);
	close(pipes[0]);
	close(pipes[1]);
	end();
}
END_TEST

START_TEST(either_descriptor_can_move_out_of_the_way)
{
	int fds[2], epoll_before, wake_before;

	begin();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(green__loop_control(&loop, EPOLL_CTL_ADD, fds[0], EPOLLIN, 5), 0);
	epoll_before = loop.epoll_fd;
	wake_before = loop.wake_fd;
	ck_assert_int_eq(green__loop_move(&loop, epoll_before), 0);
	ck_assert_int_ne(loop.epoll_fd, epoll_before);
	close(epoll_before);
	ck_assert_int_eq(green__loop_move(&loop, wake_before), 0);
	ck_assert_int_ne(loop.wake_fd, wake_before);
	close(wake_before);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	green__loop_poll(&loop, CLOCK_NEVER);
	ck_assert_int_eq(seen, 1);
	close(fds[0]);
	close(fds[1]);
	green__loop_wake(&loop);
	green__loop_poll(&loop, CLOCK_NEVER);
	end();
}
END_TEST

START_TEST(no_descriptor_left_is_emfile_and_leaks_nothing)
{
	struct rlimit limit, tight;
	int before = descriptors_open();
	int lowest = dup(0);

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &limit);
	for (int spare = 0; spare < 2; spare++) {
		tight = limit;
		tight.rlim_cur = (rlim_t)(lowest + spare);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
		ck_assert_int_eq(green__loop_init(&loop), -EMFILE);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ck_assert_int_eq(descriptors_open(), before);
	}
}
END_TEST

START_TEST(a_low_limit_of_descriptors_is_enough)
{
	struct rlimit limit, tight;

	getrlimit(RLIMIT_NOFILE, &limit);
	tight = limit;
	tight.rlim_cur = 32;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	begin();
	ck_assert_int_lt(loop.epoll_fd, 32);
	green__loop_wake(&loop);
	green__loop_poll(&loop, CLOCK_NEVER);
	end();
	setrlimit(RLIMIT_NOFILE, &limit);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("loop", WITHOUT_HUB);

	tcase_add_test(tcase, its_descriptors_are_high_and_close_on_exec);
	tcase_add_test(tcase, the_numbers_of_the_program_stay_what_they_were);
	tcase_add_test(tcase, a_look_without_time_returns_at_once);
	tcase_add_test(tcase, a_deadline_below_a_millisecond_is_kept);
	tcase_add_test(tcase, a_deadline_that_has_passed_does_not_wait);
	tcase_add_test(tcase, events_come_with_their_data);
	tcase_add_test(tcase, a_wake_from_another_thread_ends_a_sleep);
	tcase_add_test(tcase, a_wake_before_the_sleep_is_not_lost);
	tcase_add_test(tcase, one_wake_ends_one_sleep);
	tcase_add_test(tcase, errors_of_the_kernel_come_as_negative_numbers);
	tcase_add_test(tcase, either_descriptor_can_move_out_of_the_way);
	tcase_add_test(tcase, no_descriptor_left_is_emfile_and_leaks_nothing);
	tcase_add_test(tcase, a_low_limit_of_descriptors_is_enough);
	return suite_end();
}
