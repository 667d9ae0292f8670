/* SPDX-License-Identifier: MIT */
/* test_fd.c - what each descriptor number is waited for */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "green.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "support.h"

static int ends[2];
static int woken;

static void raw_pipe(void)
{
	ck_assert_int_eq(pipe(ends), 0);
}

static void known_pipe(void)
{
	ck_assert_int_eq(green_pipe2(ends, 0), 0);
}

static void put_byte(void)
{
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
}

static uint64_t controls(void)
{
	return green__hub()->flow->stats->epoll_ctls;
}

static int wait_for(int fd, uint32_t events, int ms)
{
	return green__fd_wait(green__hub(), fd, events, clock_after_ms(ms), WAIT_PLAIN);
}

static void *wait_to_read(void *ms)
{
	int result = wait_for(ends[0], EPOLLIN, (int)(intptr_t)ms);

	woken += result == 0;
	return (void *)(intptr_t)result;
}

static void *wait_to_look(void *unused)
{
	struct fd_wait wait = { .fd = ends[0], .events = EPOLLIN };

	(void)unused;
	ck_assert_int_eq(green__fd_wait_many(green__hub(), &wait, 1, CLOCK_NEVER, WAIT_PLAIN), 0);
	ck_assert_uint_eq(wait.got, EPOLLIN);
	woken++;
	return NULL;
}

static struct greenlet *waiting(void *(*function)(void *))
{
	struct greenlet *task = green_spawn(function, (void *)-1);

	ck_assert_ptr_nonnull(task);
	green_yield();
	return task;
}

/* Registration. */

START_TEST(a_known_descriptor_is_registered_once)
{
	uint64_t before = controls();
	char byte;

	known_pipe();
	for (int i = 0; i < 10; i++) {
		struct greenlet *task = waiting(wait_to_read);

		put_byte();
		ck_assert_ptr_eq(join(task), NULL);
		ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	}
	ck_assert_uint_eq(controls() - before, 1);
	close_pair(ends);
	ck_assert_uint_eq(controls() - before, 1);
}
END_TEST

START_TEST(an_unknown_descriptor_is_armed_at_each_wait)
{
	char byte;
	uint64_t before;

	raw_pipe();
	for (int i = 0; i < 10; i++) {
		struct greenlet *task;

		before = controls();
		task = waiting(wait_to_read);
		put_byte();
		ck_assert_ptr_eq(join(task), NULL);
		ck_assert_uint_eq(controls() - before, i ? 1 : 2);
		ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	}
	close_pair(ends);
}
END_TEST

START_TEST(the_state_at_the_first_wait_counts)
{
	known_pipe();
	put_byte();
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1000), 0);
	close_pair(ends);
	raw_pipe();
	put_byte();
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1000), 0);
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1000), 0);
	close_pair(ends);
}
END_TEST

START_TEST(a_wait_times_out)
{
	int64_t start = clock_now();

	known_pipe();
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 10), -ETIMEDOUT);
	assert_took(start, 10);
	put_byte();
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1000), 0);
	close_pair(ends);
}
END_TEST

START_TEST(a_file_is_eperm_and_a_closed_number_ebadf)
{
	int file = open("/proc/self/exe", O_RDONLY);

	ck_assert_int_eq(wait_for(file, EPOLLIN, -1), -EPERM);
	close(file);
	ck_assert_int_eq(wait_for(file, EPOLLIN, -1), -EBADF);
	ck_assert_int_eq(wait_for(-1, EPOLLIN, -1), -EBADF);
	hub_checked();
}
END_TEST

/* Several waiters. */

/* CK8, U20: one by one */
START_TEST(k3_several_takers_are_woken_one_for_each_event_in_order)
{
	struct greenlet *tasks[3];
	char byte;

	known_pipe();
	for (int i = 0; i < 3; i++)
		tasks[i] = waiting(wait_to_read);
	for (int i = 0; i < 3; i++) {
		put_byte();
		/* Where two milliseconds pass before the hub looks at descriptors, once is not enough. */
		for (int tries = 0; tries < 1000 && woken <= i; tries++)
			green_sleep(2);
		ck_assert_int_eq(woken, i + 1);
		ck_assert(green_dead(tasks[i]));
		ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	}
	for (int i = 0; i < 3; i++)
		join(tasks[i]);
	close_pair(ends);
}
END_TEST

START_TEST(k3_passing_on_wakes_the_next_taker_without_an_event)
{
	struct greenlet *tasks[3];

	known_pipe();
	for (int i = 0; i < 3; i++)
		tasks[i] = waiting(wait_to_read);
	put_byte();
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_null(join(tasks[i]));
		ck_assert_int_eq(woken, i + 1);
		green__fd_pass_on(green__hub(), ends[0], EPOLLIN);
	}
	close_pair(ends);
}
END_TEST

START_TEST(all_who_only_look_are_woken_by_one_event)
{
	struct greenlet *tasks[3];

	for (int round = 0; round < 2; round++) {
		if (round)
			raw_pipe();
		else
			known_pipe();
		for (int i = 0; i < 3; i++)
			tasks[i] = waiting(wait_to_look);
		put_byte();
		for (int i = 0; i < 3; i++)
			join(tasks[i]);
		close_pair(ends);
	}
	ck_assert_int_eq(woken, 6);
}
END_TEST

START_TEST(several_takers_of_an_unknown_descriptor_are_all_served)
{
	struct greenlet *tasks[3];
	char byte;

	raw_pipe();
	for (int i = 0; i < 3; i++)
		tasks[i] = waiting(wait_to_read);
	for (int i = 0; i < 3; i++) {
		put_byte();
		ck_assert_ptr_null(join(tasks[i]));
		ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	}
	close_pair(ends);
}
END_TEST

START_TEST(one_whose_time_is_over_does_not_swallow_the_event)
{
	struct greenlet *first, *second;
	int64_t start;

	known_pipe();
	first = green_spawn(wait_to_read, (void *)10);
	second = green_spawn(wait_to_read, (void *)-1);
	green_yield();
	/* In one iteration the first one's time is over and the event comes. */
	put_byte();
	for (start = clock_now(); ms_since(start) < 15;)
		continue;
	ck_assert_int_eq((intptr_t)join(first), -ETIMEDOUT);
	ck_assert_ptr_null(join(second));
	close_pair(ends);
}
END_TEST

static void *wait_to_write(void *unused)
{
	ck_assert_int_eq(wait_for(ends[0], EPOLLOUT, -1), 0);
	return unused;
}

static void fill(int fd)
{
	static char block[65536];

	while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		continue;
}

static void drain(int fd)
{
	static char block[65536];

	while (recv(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		continue;
}

START_TEST(k3_a_reader_and_a_writer_wait_side_by_side)
{
	struct greenlet *reader, *writer;

	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq((round ? socketpair : green_socketpair)(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		fill(ends[0]);
		reader = waiting(wait_to_read);
		writer = waiting(wait_to_write);
		green_sleep(2);
		ck_assert(!green_dead(reader) && !green_dead(writer));
		put_byte();
		join(reader);
		ck_assert(!green_dead(writer));
		drain(ends[1]);
		join(writer);
		close_pair(ends);
	}
}
END_TEST

/* Close and reuse. */

/* CK7, U18: all who wait */
START_TEST(k4_close_wakes_all_waiters_with_ebadf)
{
	struct greenlet *tasks[3];

	for (int round = 0; round < 2; round++) {
		if (round)
			raw_pipe();
		else
			known_pipe();
		for (int i = 0; i < 3; i++)
			tasks[i] = waiting(wait_to_read);
		ck_assert_int_eq(green_close(ends[0]), 0);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq((intptr_t)join(tasks[i]), -EBADF);
		ck_assert_int_eq(close(ends[1]), 0);
	}
}
END_TEST

START_TEST(h13_a_duplicate_of_a_closed_number_wakes_nobody)
{
	struct greenlet *task;
	int copy, number;

	known_pipe();
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1), -ETIMEDOUT);
	copy = dup(ends[0]);
	green__descriptor_shared(ends[0]);
	number = ends[0];
	ck_assert_int_eq(green_close(ends[0]), 0);
	close(ends[1]);
	known_pipe();
	ck_assert_int_eq(ends[0], number);
	task = waiting(wait_to_read);
	close(copy);
	green_sleep(2);
	ck_assert(!green_dead(task));
	put_byte();
	ck_assert_ptr_null(join(task));
	close_pair(ends);
}
END_TEST

START_TEST(a_number_that_was_closed_unseen_and_came_back_is_registered_anew)
{
	struct greenlet *task;
	int number, copy;

	known_pipe();
	number = ends[0];
	ck_assert_int_eq(wait_for(number, EPOLLIN, 1), -ETIMEDOUT);
	/* The copy keeps the old registration alive under the old number. */
	copy = dup(number);
	close(ends[0]);
	close(ends[1]);
	known_pipe();
	ck_assert_int_eq(ends[0], number);
	task = waiting(wait_to_read);
	put_byte();
	ck_assert_ptr_null(join(task));
	close(copy);
	close_pair(ends);
}
END_TEST

START_TEST(the_same_file_that_came_back_on_its_number_is_armed_anew)
{
	struct greenlet *task;
	int copy;

	known_pipe();
	put_byte();
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1000), 0);
	/* The edge is gone; close and dup2, then a call that was seen to make the number. */
	copy = dup(ends[0]);
	close(ends[0]);
	ck_assert_int_eq(dup2(copy, ends[0]), ends[0]);
	green__descriptor_made(ends[0], DESCRIPTOR_POLLED, false);
	task = waiting(wait_to_read);
	ck_assert_ptr_null(join(task));
	close(copy);
	close_pair(ends);
}
END_TEST

START_TEST(events_of_a_former_life_are_ignored)
{
	struct greenlet *task;

	known_pipe();
	task = waiting(wait_to_read);
	green__fd_event(green__hub(), (uint64_t)(green__descriptor(ends[0])->generation - 1) << 32 | (unsigned)ends[0], EPOLLIN);
	green__fd_event(green__hub(), UINT64_C(1) << 32 | 999999, EPOLLIN);
	green_yield();
	ck_assert(!green_dead(task));
	put_byte();
	join(task);
	close_pair(ends);
}
END_TEST

START_TEST(closing_what_nobody_waits_for_is_nothing)
{
	green__fd_closing(green__hub(), -1);
	green__fd_closing(green__hub(), 1 << 30);
	green__fd_closing(green__hub(), 3000);
	hub_checked();
}
END_TEST

/* Drained. */

START_TEST(drained_holds_until_the_next_event)
{
	struct hub *hub = green__hub();

	tcp_pair(ends);
	/* The accepted end was never waited for, so it is not registered. */
	green__fd_set_drained(hub, ends[1]);
	ck_assert(!green__fd_drained(hub, ends[1]));
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1), -ETIMEDOUT);
	green__fd_set_drained(hub, ends[0]);
	ck_assert(green__fd_drained(hub, ends[0]));
	put_byte();
	green_sleep(2);
	ck_assert(!green__fd_drained(hub, ends[0]));
	close_pair(ends);
}
END_TEST

START_TEST(drained_is_never_believed_after_an_end_or_urgent_data)
{
	struct hub *hub = green__hub();

	for (int urgent = 0; urgent < 2; urgent++) {
		tcp_pair(ends);
		ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1), -ETIMEDOUT);
		if (urgent)
			ck_assert_int_eq(send(ends[1], "!", 1, MSG_OOB), 1);
		else
			shutdown(ends[1], SHUT_WR);
		green_sleep(5);
		green__fd_set_drained(hub, ends[0]);
		ck_assert(!green__fd_drained(hub, ends[0]));
		close_pair(ends);
	}
}
END_TEST

START_TEST(drained_is_nothing_for_an_unknown_number_or_another_life)
{
	struct hub *hub = green__hub();

	raw_pipe();
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1), -ETIMEDOUT);
	green__fd_set_drained(hub, ends[0]);
	ck_assert(!green__fd_drained(hub, ends[0]));
	close_pair(ends);
	tcp_pair(ends);
	ck_assert_int_eq(wait_for(ends[0], EPOLLIN, 1), -ETIMEDOUT);
	green__fd_set_drained(hub, ends[0]);
	green__descriptor_made(ends[0], DESCRIPTOR_TCP, false);
	ck_assert(!green__fd_drained(hub, ends[0]));
	close_pair(ends);
}
END_TEST

/* Many at once. */

START_TEST(one_wait_watches_hundreds_of_descriptors)
{
	enum { MANY = 300 };
	static struct fd_wait waits[MANY];
	static int pipes[MANY][2];

	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq((i % 2 ? pipe2 : green_pipe2)(pipes[i], 0), 0);
		waits[i] = (struct fd_wait){ .fd = pipes[i][0], .events = EPOLLIN };
	}
	for (int i = 0; i < MANY; i += 37) {
		ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
		ck_assert_int_eq(green__fd_wait_many(green__hub(), waits, MANY, CLOCK_NEVER, WAIT_PLAIN), 0);
		ck_assert_uint_eq(waits[i].got, EPOLLIN);
		ck_assert_int_eq(read(pipes[i][0], &(char){ 0 }, 1), 1);
		hub_checked();
	}
	for (int i = 0; i < MANY; i++)
		close_pair(pipes[i]);
}
END_TEST

static void add_waits(TCase *tcase)
{
	tcase_add_test(tcase, a_known_descriptor_is_registered_once);
	tcase_add_test(tcase, an_unknown_descriptor_is_armed_at_each_wait);
	tcase_add_test(tcase, the_state_at_the_first_wait_counts);
	tcase_add_test(tcase, a_wait_times_out);
	tcase_add_test(tcase, a_file_is_eperm_and_a_closed_number_ebadf);
	tcase_add_test(tcase, k3_several_takers_are_woken_one_for_each_event_in_order);
	tcase_add_test(tcase, k3_passing_on_wakes_the_next_taker_without_an_event);
	tcase_add_test(tcase, all_who_only_look_are_woken_by_one_event);
	tcase_add_test(tcase, several_takers_of_an_unknown_descriptor_are_all_served);
	tcase_add_test(tcase, one_whose_time_is_over_does_not_swallow_the_event);
	tcase_add_test(tcase, k3_a_reader_and_a_writer_wait_side_by_side);
}

static void add_lives(TCase *tcase)
{
	tcase_add_test(tcase, k4_close_wakes_all_waiters_with_ebadf);
	tcase_add_test(tcase, h13_a_duplicate_of_a_closed_number_wakes_nobody);
	tcase_add_test(tcase, a_number_that_was_closed_unseen_and_came_back_is_registered_anew);
	tcase_add_test(tcase, the_same_file_that_came_back_on_its_number_is_armed_anew);
	tcase_add_test(tcase, events_of_a_former_life_are_ignored);
	tcase_add_test(tcase, closing_what_nobody_waits_for_is_nothing);
	tcase_add_test(tcase, drained_holds_until_the_next_event);
	tcase_add_test(tcase, drained_is_never_believed_after_an_end_or_urgent_data);
	tcase_add_test(tcase, drained_is_nothing_for_an_unknown_number_or_another_life);
	tcase_add_test(tcase, one_wait_watches_hundreds_of_descriptors);
}

int main(void)
{
	TCase *tcase = suite_begin("fd", WITH_HUB);

	add_waits(tcase);
	add_lives(tcase);
	return suite_end();
}
