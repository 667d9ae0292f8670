/* SPDX-License-Identifier: MIT */
/* test_poll.c - poll, select and green_wait_fd */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "green.h"
#include "hub/hub.h"
#include "support.h"

enum { MANY = 300 };

static int ends[2];
static int pipes[MANY][2];
static struct pollfd polled[MANY];

static void make(int (*make_pipe)(int *, int))
{
	ck_assert_int_eq(make_pipe(ends, 0), 0);
}

static void *put_byte_soon(void *fd)
{
	green_sleep(3);
	ck_assert_int_eq(write((int)(intptr_t)fd, "x", 1), 1);
	return NULL;
}

static struct greenlet *byte_soon(int fd)
{
	return green_spawn(put_byte_soon, (void *)(intptr_t)fd);
}

/* poll */

/* K14: what can be read and written */
START_TEST(poll_waits_until_one_is_ready)
{
	struct pollfd fds[3];
	struct greenlet *writer;

	make(_i ? pipe2 : green_pipe2);
	fds[0] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = 77 };
	fds[2] = (struct pollfd){ .fd = ends[0], .events = 0 };
	writer = byte_soon(ends[1]);
	ck_assert_int_eq(green_poll(fds, 3, -1), 1);
	ck_assert_int_eq(fds[0].revents, POLLIN);
	ck_assert_int_eq(fds[1].revents, 0);
	ck_assert_int_eq(fds[2].revents, 0);
	join(writer);
	close_pair(ends);
}
END_TEST

/* K14: no time at all */
START_TEST(poll_times_out_and_only_looks_with_zero)
{
	struct pollfd fd = { .events = POLLIN, .revents = 77 };
	int64_t start = clock_now();

	make(green_pipe2);
	fd.fd = ends[0];
	ck_assert_int_eq(green_poll(&fd, 1, 0), 0);
	ck_assert_int_eq(fd.revents, 0);
	ck_assert_int_eq(green_poll(&fd, 1, 15), 0);
	assert_took(start, 15);
	fd = (struct pollfd){ .fd = ends[1], .events = POLLOUT };
	ck_assert_int_eq(green_poll(&fd, 1, 0), 1);
	ck_assert_int_eq(fd.revents, POLLOUT);
	close_pair(ends);
}
END_TEST

START_TEST(poll_of_nothing_is_a_sleep)
{
	int64_t start = clock_now();

	ck_assert_int_eq(green_poll(NULL, 0, 10), 0);
	assert_took(start, 10);
	ck_assert_int_eq(green_poll(NULL, 0, 0), 0);
}
END_TEST

START_TEST(x21_poll_watches_hundreds)
{
	struct greenlet *writer;

	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq((i % 2 ? pipe2 : green_pipe2)(pipes[i], 0), 0);
		polled[i] = (struct pollfd){ .fd = pipes[i][0], .events = POLLIN };
	}
	writer = byte_soon(pipes[MANY - 2][1]);
	ck_assert_int_eq(write(pipes[MANY - 2][1], "x", 1), 1);
	ck_assert_int_eq(green_poll(polled, MANY, -1), 1);
	ck_assert_int_eq(polled[MANY - 2].revents, POLLIN);
	join(writer);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
	ck_assert_int_eq(green_poll(polled, MANY, -1), MANY);
	for (int i = 0; i < MANY; i++)
		close_pair(pipes[i]);
}
END_TEST

/* K14: what is not open */
START_TEST(poll_tells_of_numbers_that_are_not_open)
{
	struct pollfd fds[2] = { { .fd = 900, .events = POLLIN }, { .events = POLLIN } };

	make(green_pipe2);
	fds[1].fd = ends[0];
	ck_assert_int_eq(green_poll(fds, 2, -1), 1);
	ck_assert_int_eq(fds[0].revents, POLLNVAL);
	close_pair(ends);
}
END_TEST

static void *close_soon(void *fd)
{
	green_sleep(3);
	ck_assert_int_eq(green_close((int)(intptr_t)fd), 0);
	return NULL;
}

START_TEST(h13_a_close_during_a_poll_shows_as_pollnval)
{
	struct pollfd fd = { .events = POLLIN };
	struct greenlet *closing;

	make(_i ? pipe2 : green_pipe2);
	fd.fd = ends[0];
	closing = green_spawn(close_soon, (void *)(intptr_t)ends[0]);
	ck_assert_int_eq(green_poll(&fd, 1, -1), 1);
	ck_assert_int_eq(fd.revents, POLLNVAL);
	join(closing);
	close(ends[1]);
}
END_TEST

/* K14: what has ended */
START_TEST(the_other_end_that_goes_away_shows_as_pollhup)
{
	struct pollfd fd = { .events = 0 };
	struct greenlet *closing;

	make(_i ? pipe2 : green_pipe2);
	fd.fd = ends[0];
	closing = green_spawn(close_soon, (void *)(intptr_t)ends[1]);
	ck_assert_int_eq(green_poll(&fd, 1, -1), 1);
	ck_assert_int_eq(fd.revents, POLLHUP);
	join(closing);
	green_close(ends[0]);
}
END_TEST

static void *send_urgent_soon(void *fd)
{
	green_sleep(3);
	ck_assert_int_eq(send((int)(intptr_t)fd, "!", 1, MSG_OOB), 1);
	return NULL;
}

/* K14: urgent data */
START_TEST(l9_urgent_data_shows_as_pollpri)
{
	struct pollfd fd = { .events = POLLPRI };
	struct greenlet *sending;

	tcp_pair(ends);
	fd.fd = ends[0];
	sending = green_spawn(send_urgent_soon, (void *)(intptr_t)ends[1]);
	ck_assert_int_eq(green_poll(&fd, 1, -1), 1);
	ck_assert_int_eq(fd.revents, POLLPRI);
	join(sending);
	close_pair(ends);
}
END_TEST

static const short synonyms[] = { POLLRDNORM, POLLIN | POLLRDNORM | POLLRDBAND, POLLRDHUP | POLLRDNORM };

START_TEST(the_old_names_of_the_events_wait_too)
{
	struct pollfd fd = { .events = synonyms[_i] };
	int64_t start = clock_now();
	struct greenlet *sending;

	tcp_pair(ends);
	fd.fd = ends[0];
	sending = byte_soon(ends[1]);
	ck_assert_int_eq(green_poll(&fd, 1, 5000), 1);
	assert_took(start, 3);
	ck_assert_int_ne(fd.revents & POLLRDNORM, 0);
	join(sending);
	close_pair(ends);
}
END_TEST

static void *drain_soon(void *unused)
{
	static char block[65536];

	green_sleep(3);
	while (recv(ends[1], block, sizeof(block), MSG_DONTWAIT) > 0)
		continue;
	return unused;
}

START_TEST(the_old_name_of_writable_waits_too)
{
	static char block[65536];
	struct pollfd fd = { .events = POLLWRNORM };
	int64_t start = clock_now();
	struct greenlet *draining = green_spawn(drain_soon, NULL);

	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	while (send(ends[0], block, sizeof(block), MSG_DONTWAIT) > 0)
		continue;
	fd.fd = ends[0];
	ck_assert_int_eq(green_poll(&fd, 1, 5000), 1);
	assert_took(start, 3);
	ck_assert_int_eq(fd.revents, POLLWRNORM);
	join(draining);
	close_pair(ends);
}
END_TEST

START_TEST(the_same_descriptor_may_come_twice)
{
	struct pollfd fds[2];
	struct greenlet *writer;

	make(_i ? pipe2 : green_pipe2);
	fds[0] = fds[1] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	writer = byte_soon(ends[1]);
	ck_assert_int_eq(green_poll(fds, 2, -1), 2);
	join(writer);
	close_pair(ends);
}
END_TEST

static void *poll_for_ever(void *fd)
{
	struct pollfd one = { .fd = (int)(intptr_t)fd, .events = POLLIN };

	return (void *)(intptr_t)green_poll(&one, 1, -1);
}

START_TEST(several_may_poll_the_same_descriptor)
{
	struct greenlet *pollers[5];

	make(_i ? pipe2 : green_pipe2);
	for (int i = 0; i < 5; i++)
		pollers[i] = green_spawn(poll_for_ever, (void *)(intptr_t)ends[0]);
	green_sleep(2);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq((intptr_t)join(pollers[i]), 1);
	close_pair(ends);
}
END_TEST

START_TEST(a_regular_file_is_always_ready)
{
	struct pollfd fds[2] = { { .events = POLLIN | POLLOUT }, { .events = POLLIN } };

	make(green_pipe2);
	fds[0].fd = open("/proc/self/exe", O_RDONLY);
	fds[1].fd = ends[0];
	ck_assert_int_eq(green_poll(fds, 2, -1), 1);
	ck_assert_int_eq(fds[0].revents, POLLIN | POLLOUT);
	/* What never changes is no reason not to wait for the other one. */
	fds[0].events = POLLPRI;
	ck_assert_int_eq(green_poll(fds, 2, 5), 0);
	close(fds[0].fd);
	close_pair(ends);
}
END_TEST

START_TEST(l19_an_epoll_descriptor_can_be_polled)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct greenlet *writer;
	int epoll = epoll_create1(0);

	make(green_pipe2);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
	writer = byte_soon(ends[1]);
	ck_assert_ptr_eq(poll_for_ever((void *)(intptr_t)epoll), (void *)1);
	join(writer);
	close(epoll);
	close_pair(ends);
}
END_TEST

/* K15: what is registered once is told of again and again; what is registered for one event, once */
START_TEST(k15_an_epoll_instance_of_ones_own_is_a_selector)
{
	struct epoll_event lasting = { .events = EPOLLIN, .data.fd = 1 }, once = { .events = EPOLLIN | EPOLLONESHOT };
	struct epoll_event told[2];
	int epoll = epoll_create1(0), other[2];

	make(green_pipe2);
	ck_assert_int_eq(green_pipe2(other, 0), 0);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &lasting), 0);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, other[0], &once), 0);
	for (int round = 0; round < 3; round++) {
		struct greenlet *writer = byte_soon(ends[1]);
		char byte;

		ck_assert_int_eq(green_wait_fd(epoll, GREEN_READ, 2000), GREEN_READ);
		ck_assert_int_eq(epoll_wait(epoll, told, 2, 0), 1);
		ck_assert_int_eq(told[0].data.fd, 1);
		ck_assert_int_eq(green_read(ends[0], &byte, 1), 1);
		join(writer);
	}
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(write(other[1], "x", 1), 1);
		ck_assert_int_eq(green_wait_fd(epoll, GREEN_READ, 2000), GREEN_READ);
		ck_assert_int_eq(epoll_wait(epoll, told, 2, 0), 1);
		assert_fails(green_wait_fd(epoll, GREEN_READ, 5) == -1, ETIMEDOUT);
		ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_MOD, other[0], &once), 0);
	}
	close(epoll);
	close_pair(other);
	close_pair(ends);
}
END_TEST

START_TEST(poll_refuses_what_the_kernel_refuses)
{
	if (tools_watch())
		return skipped("the tool complains of bad pointers, as it should");
	assert_fails(green_poll((void *)1, 1, -1) == -1, EFAULT);
	assert_fails(green_poll(polled, (nfds_t)1 << 30, -1) == -1, EINVAL);
}
END_TEST

/* select */

/* K13: both sets */
START_TEST(select_waits_for_reading_and_writing)
{
	fd_set readable, writable;
	struct greenlet *writer;

	make(_i ? pipe2 : green_pipe2);
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(ends[0], &readable);
	writer = byte_soon(ends[1]);
	ck_assert_int_eq(green_select(FD_SETSIZE, &readable, &writable, NULL, NULL), 1);
	ck_assert(FD_ISSET(ends[0], &readable));
	FD_SET(ends[1], &writable);
	ck_assert_int_eq(green_select(ends[1] + 1, &readable, &writable, NULL, NULL), 2);
	ck_assert(FD_ISSET(ends[0], &readable) && FD_ISSET(ends[1], &writable));
	join(writer);
	close_pair(ends);
}
END_TEST

START_TEST(l9_select_waits_for_the_exceptional_set)
{
	fd_set except;
	struct greenlet *sending;

	tcp_pair(ends);
	FD_ZERO(&except);
	FD_SET(ends[0], &except);
	sending = green_spawn(send_urgent_soon, (void *)(intptr_t)ends[1]);
	ck_assert_int_eq(green_select(FD_SETSIZE, NULL, NULL, &except, NULL), 1);
	ck_assert(FD_ISSET(ends[0], &except));
	join(sending);
	close_pair(ends);
}
END_TEST

START_TEST(select_that_times_out_clears_the_sets_and_the_time)
{
	struct timeval time = { 0, 10000 };
	int64_t start = clock_now();
	fd_set readable;

	make(green_pipe2);
	FD_ZERO(&readable);
	FD_SET(ends[0], &readable);
	ck_assert_int_eq(green_select(FD_SETSIZE, &readable, NULL, NULL, &time), 0);
	assert_took(start, 10);
	ck_assert(!FD_ISSET(ends[0], &readable));
	ck_assert(time.tv_sec == 0 && time.tv_usec == 0);
	close_pair(ends);
}
END_TEST

START_TEST(select_tells_the_time_that_is_left)
{
	struct timeval time = { 5, 0 };
	struct greenlet *writer;
	fd_set readable;

	make(green_pipe2);
	FD_ZERO(&readable);
	FD_SET(ends[0], &readable);
	writer = byte_soon(ends[1]);
	ck_assert_int_eq(green_select(FD_SETSIZE, &readable, NULL, NULL, &time), 1);
	ck_assert_int_eq(time.tv_sec, 4);
	join(writer);
	close_pair(ends);
}
END_TEST

START_TEST(select_of_nothing_is_a_sleep)
{
	struct timeval time = { 0, 10000 };
	int64_t start = clock_now();

	ck_assert_int_eq(green_select(0, NULL, NULL, NULL, &time), 0);
	assert_took(start, 10);
}
END_TEST

START_TEST(k13_select_refuses_what_makes_no_sense)
{
	struct timeval negative = { -1, 0 }, odd = { 0, -5 };
	fd_set set;

	FD_ZERO(&set);
	assert_fails(green_select(0, NULL, NULL, NULL, &negative) == -1, EINVAL);
	assert_fails(green_select(0, NULL, NULL, NULL, &odd) == -1, EINVAL);
	assert_fails(green_select(-1, &set, NULL, NULL, NULL) == -1, EINVAL);
	FD_SET(900, &set);
	assert_fails(green_select(901, &set, NULL, NULL, NULL) == -1, EBADF);
}
END_TEST

START_TEST(select_ignores_numbers_beyond_the_kernels_table)
{
	static unsigned long huge[65536 / sizeof(long)];
	struct timeval time = { 0, 20000 };
	int64_t start = clock_now();

	/* Natively they are not looked at, and the call waits. */
	huge[400000 / 64] = 1;
	ck_assert_int_eq(green_select(400064, (fd_set *)(void *)huge, NULL, NULL, &time), 0);
	assert_took(start, 20);
	ck_assert_uint_le(green__hub()->flow->stats->io_calls, 10);
}
END_TEST

/* K13: each of them alone, then all: the bits of the three sets become one list only when the call has to wait. */
START_TEST(select_waits_for_each_of_hundreds)
{
	static const int tried[] = { 0, 1, MANY / 2, MANY - 2, MANY - 1 };
	fd_set readable, asked;

	FD_ZERO(&asked);
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(green_pipe2(pipes[i], 0), 0);
		ck_assert_int_lt(pipes[i][1], FD_SETSIZE);
		FD_SET(pipes[i][0], &asked);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(tried); i++) {
		int fd = pipes[tried[i]][0];
		struct greenlet *writer = byte_soon(pipes[tried[i]][1]);
		char byte;

		readable = asked;
		ck_assert_int_eq(green_select(pipes[MANY - 1][1] + 1, &readable, NULL, NULL, NULL), 1);
		ck_assert(FD_ISSET(fd, &readable));
		ck_assert_int_eq(read(fd, &byte, 1), 1);
		join(writer);
	}
	for (int i = 0; i < MANY; i++)
		close_pair(pipes[i]);
}
END_TEST

START_TEST(select_takes_sets_beyond_fd_setsize)
{
	static unsigned long big[4096 / 64];
	struct greenlet *writer;
	int high;

	make(green_pipe2);
	high = fcntl(ends[0], F_DUPFD, 2000);
	ck_assert_int_ge(high, 2000);
	big[high / 64] = 1ul << (high % 64);
	writer = byte_soon(ends[1]);
	ck_assert_int_eq(green_select(high + 1, (fd_set *)(void *)big, NULL, NULL, NULL), 1);
	ck_assert_uint_eq(big[high / 64], 1ul << (high % 64));
	join(writer);
	close(high);
	close_pair(ends);
}
END_TEST

/* green_wait_fd */

START_TEST(wait_fd_tells_which_event_holds)
{
	struct greenlet *writer;

	ck_assert_int_eq((_i ? socketpair : green_socketpair)(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(green_wait_fd(ends[0], GREEN_READ | GREEN_WRITE, -1), GREEN_WRITE);
	writer = byte_soon(ends[1]);
	ck_assert_int_eq(green_wait_fd(ends[0], GREEN_READ, -1), GREEN_READ);
	ck_assert_int_eq(green_wait_fd(ends[0], GREEN_READ | GREEN_WRITE, 0), GREEN_READ | GREEN_WRITE);
	join(writer);
	close_pair(ends);
}
END_TEST

START_TEST(wait_fd_times_out)
{
	int64_t start = clock_now();

	make(_i ? pipe2 : green_pipe2);
	assert_fails(green_wait_fd(ends[0], GREEN_READ, 0) == -1, ETIMEDOUT);
	assert_fails(green_wait_fd(ends[0], GREEN_READ, 10) == -1, ETIMEDOUT);
	assert_took(start, 10);
	close_pair(ends);
}
END_TEST

START_TEST(wait_fd_ends_with_the_other_side)
{
	make(green_pipe2);
	green_close(ends[1]);
	ck_assert_int_eq(green_wait_fd(ends[0], GREEN_READ, -1), GREEN_READ);
	green_close(ends[0]);
}
END_TEST

static void *wait_for_read(void *fd)
{
	int events = green_wait_fd((int)(intptr_t)fd, GREEN_READ, -1);

	return (void *)(intptr_t)(events < 0 ? -errno : events);
}

START_TEST(wait_fd_is_ebadf_when_the_descriptor_is_closed)
{
	struct greenlet *waiting;

	make(_i ? pipe2 : green_pipe2);
	waiting = green_spawn(wait_for_read, (void *)(intptr_t)ends[0]);
	green_sleep(1);
	green_close(ends[0]);
	ck_assert_int_eq((intptr_t)join(waiting), -EBADF);
	assert_fails(green_wait_fd(ends[0], GREEN_READ, -1) == -1, EBADF);
	close(ends[1]);
}
END_TEST

START_TEST(wait_fd_refuses_what_makes_no_sense)
{
	int file = open("/proc/self/exe", O_RDONLY);

	assert_fails(green_wait_fd(file, 0, -1) == -1, EINVAL);
	assert_fails(green_wait_fd(file, 4, -1) == -1, EINVAL);
	assert_fails(green_wait_fd(-1, GREEN_READ, -1) == -1, EBADF);
	ck_assert_int_eq(green_wait_fd(file, GREEN_READ | GREEN_WRITE, -1), GREEN_READ | GREEN_WRITE);
	close(file);
}
END_TEST

static int turns;

static void *take_turns(void *unused)
{
	for (; turns < 3; turns++)
		green_yield();
	return unused;
}

/* K13: with no time at all */
START_TEST(l25_one_who_looks_again_and_again_lets_others_run)
{
	struct greenlet *other = green_spawn(take_turns, NULL);
	struct timeval zero = { 0, 0 };
	fd_set writable;
	int calls;

	make(green_pipe2);
	for (calls = 0; turns < 3 && calls < 5000; calls++) {
		FD_ZERO(&writable);
		FD_SET(ends[1], &writable);
		if (_i)
			ck_assert_int_eq(green_select(FD_SETSIZE, NULL, &writable, NULL, &zero), 1);
		else
			ck_assert_int_eq(green_wait_fd(ends[1], GREEN_WRITE, 0), GREEN_WRITE);
	}
	ck_assert_int_lt(calls, 5000);
	join(other);
	close_pair(ends);
}
END_TEST

static void add_poll(TCase *tcase)
{
	tcase_add_loop_test(tcase, poll_waits_until_one_is_ready, 0, 2);
	tcase_add_test(tcase, poll_times_out_and_only_looks_with_zero);
	tcase_add_test(tcase, poll_of_nothing_is_a_sleep);
	tcase_add_test(tcase, x21_poll_watches_hundreds);
	tcase_add_test(tcase, poll_tells_of_numbers_that_are_not_open);
	tcase_add_loop_test(tcase, h13_a_close_during_a_poll_shows_as_pollnval, 0, 2);
	tcase_add_loop_test(tcase, the_other_end_that_goes_away_shows_as_pollhup, 0, 2);
	tcase_add_test(tcase, l9_urgent_data_shows_as_pollpri);
	tcase_add_loop_test(tcase, the_old_names_of_the_events_wait_too, 0, ARRAY_LENGTH(synonyms));
	tcase_add_test(tcase, the_old_name_of_writable_waits_too);
	tcase_add_loop_test(tcase, the_same_descriptor_may_come_twice, 0, 2);
	tcase_add_loop_test(tcase, several_may_poll_the_same_descriptor, 0, 2);
	tcase_add_test(tcase, a_regular_file_is_always_ready);
	tcase_add_test(tcase, l19_an_epoll_descriptor_can_be_polled);
	tcase_add_test(tcase, k15_an_epoll_instance_of_ones_own_is_a_selector);
	tcase_add_test(tcase, poll_refuses_what_the_kernel_refuses);
}

static void add_select_and_wait(TCase *tcase)
{
	tcase_add_loop_test(tcase, select_waits_for_reading_and_writing, 0, 2);
	tcase_add_test(tcase, l9_select_waits_for_the_exceptional_set);
	tcase_add_test(tcase, select_that_times_out_clears_the_sets_and_the_time);
	tcase_add_test(tcase, select_tells_the_time_that_is_left);
	tcase_add_test(tcase, select_of_nothing_is_a_sleep);
	tcase_add_test(tcase, k13_select_refuses_what_makes_no_sense);
	tcase_add_test(tcase, select_ignores_numbers_beyond_the_kernels_table);
	tcase_add_test(tcase, select_waits_for_each_of_hundreds);
	tcase_add_test(tcase, select_takes_sets_beyond_fd_setsize);
	tcase_add_loop_test(tcase, wait_fd_tells_which_event_holds, 0, 2);
	tcase_add_loop_test(tcase, wait_fd_times_out, 0, 2);
	tcase_add_test(tcase, wait_fd_ends_with_the_other_side);
	tcase_add_loop_test(tcase, wait_fd_is_ebadf_when_the_descriptor_is_closed, 0, 2);
	tcase_add_test(tcase, wait_fd_refuses_what_makes_no_sense);
	tcase_add_loop_test(tcase, l25_one_who_looks_again_and_again_lets_others_run, 0, 2);
}

int main(void)
{
	TCase *tcase = suite_begin("poll", WITH_HUB);

	add_poll(tcase);
	add_select_and_wait(tcase);
	return suite_end();
}
