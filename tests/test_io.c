/* SPDX-License-Identifier: MIT */
/* test_io.c - cooperative read, write and close on whatever a descriptor is */
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "green.h"
#include "hub/worker.h"
#include "net/io.h"
#include "support.h"

enum { BIG = 10 * 1024 * 1024 };

static int ends[2];
static unsigned char *big;

static void known_pipe(void)
{
	ck_assert_int_eq(green_pipe2(ends, 0), 0);
}

static void big_filled(void)
{
	big = malloc(BIG);
	ck_assert_ptr_nonnull(big);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (unsigned char)(i * 2654435761u >> 13);
}

static void *write_big(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)green_write(ends[1], big, BIG);
}

/* Reads pieces of odd sizes and naps now and then, until BIG bytes have come; compares each. */
static void *read_slowly(void *unused)
{
	static unsigned char piece[200000];
	size_t done = 0;

	(void)unused;
	for (unsigned i = 0; done < BIG; i++) {
		ssize_t got = green_read(ends[0], piece, 1 + i * 7919 % sizeof(piece));

		if (got <= 0 || memcmp(piece, big + done, (size_t)got) != 0)
			return NULL;
		done += (size_t)got;
		if (i % 16 == 0)
			green_sleep(1);
	}
	return (void *)done;
}

static void *read_byte(void *unused)
{
	char byte = 0;
	ssize_t got = green_read(ends[0], &byte, 1);

	(void)unused;
	return (void *)(intptr_t)(got == 1 ? byte : got == 0 ? -1000 : -errno);
}

/* read */

START_TEST(k2_read_tries_first_and_does_not_switch_when_there_is_something)
{
	uint64_t switches;

	known_pipe();
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	switches = green__hub()->flow->stats->switches;
	ck_assert_int_eq((intptr_t)read_byte(NULL), 'x');
	ck_assert_uint_eq(green__hub()->flow->stats->switches, switches);
	close_pair(ends);
}
END_TEST

static int make_pipe(int kind)
{
	switch (kind) {
	case 0:
		return green_pipe2(ends, 0);
	case 1:
		return pipe(ends);
	case 2:
		return green_socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	case 3:
		return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	default:
		tcp_pair(ends);
		return 0;
	}
}

/* The loop tests below go through all kinds of make_pipe. */
START_TEST(read_waits_for_data_and_then_for_the_end)
{
	struct greenlet *reader;

	ck_assert_int_eq(make_pipe(_i), 0);
	for (char byte = 'a'; byte < 'e'; byte++) {
		reader = green_spawn(read_byte, NULL);
		green_sleep(1);
		ck_assert(!green_dead(reader));
		ck_assert_int_eq(green_write(ends[1], &byte, 1), 1);
		ck_assert_int_eq((intptr_t)join(reader), byte);
	}
	reader = green_spawn(read_byte, NULL);
	green_sleep(1);
	ck_assert_int_eq(green_close(ends[1]), 0);
	ck_assert_int_eq((intptr_t)join(reader), -1000);
	ck_assert_int_eq(green_close(ends[0]), 0);
}
END_TEST

START_TEST(ten_megabytes_arrive_whole_at_a_slow_reader)
{
	struct greenlet *writer, *reader;

	ck_assert_int_eq(make_pipe(_i), 0);
	big_filled();
	writer = green_spawn(write_big, NULL);
	reader = green_spawn(read_slowly, NULL);
	ck_assert_int_eq((intptr_t)join(writer), BIG);
	ck_assert_int_eq((intptr_t)join(reader), BIG);
	close_pair(ends);
	free(big);
}
END_TEST

START_TEST(a_write_to_a_full_one_lets_others_run)
{
	struct greenlet *writer;

	ck_assert_int_eq(make_pipe(_i), 0);
	big_filled();
	writer = green_spawn(write_big, NULL);
	ck_assert_int_eq(green_sleep(5), 0);
	ck_assert(!green_dead(writer));
	ck_assert_int_eq((intptr_t)read_slowly(NULL), BIG);
	ck_assert_int_eq((intptr_t)join(writer), BIG);
	close_pair(ends);
	free(big);
}
END_TEST

START_TEST(vectors_are_gathered_and_scattered)
{
	char a[3], b[5], c[10];
	struct iovec out[] = { { "abc", 3 }, { "", 0 }, { "defgh", 5 } };
	struct iovec in[] = { { a, sizeof(a) }, { b, sizeof(b) }, { c, sizeof(c) } };

	ck_assert_int_eq(make_pipe(_i), 0);
	ck_assert_int_eq(green_writev(ends[1], out, 3), 8);
	ck_assert_int_eq(green_readv(ends[0], in, 3), 8);
	ck_assert_mem_eq(a, "abc", 3);
	ck_assert_mem_eq(b, "defgh", 5);
	close_pair(ends);
}
END_TEST

static void *write_big_in_parts(void *unused)
{
	static struct iovec parts[1000];

	(void)unused;
	for (size_t i = 0; i < 1000; i++)
		parts[i] = (struct iovec){ big + i * (BIG / 1000), i < 999 ? BIG / 1000 : BIG - 999 * (BIG / 1000) };
	return (void *)(intptr_t)green_writev(ends[1], parts, 1000);
}

START_TEST(a_big_vector_arrives_whole)
{
	struct greenlet *writer;

	ck_assert_int_eq(make_pipe(_i), 0);
	big_filled();
	writer = green_spawn(write_big_in_parts, NULL);
	ck_assert_int_eq((intptr_t)read_slowly(NULL), BIG);
	ck_assert_int_eq((intptr_t)join(writer), BIG);
	close_pair(ends);
	free(big);
}
END_TEST

START_TEST(sizes_of_zero_neither_wait_nor_take)
{
	struct iovec none = { NULL, 0 };

	ck_assert_int_eq(make_pipe(_i), 0);
	ck_assert_int_eq(green_read(ends[0], NULL, 0), 0);
	ck_assert_int_eq(green_readv(ends[0], &none, 1), 0);
	ck_assert_int_eq(green_write(ends[1], NULL, 0), 0);
	ck_assert_int_eq(green_writev(ends[1], &none, 0), 0);
	close_pair(ends);
}
END_TEST

START_TEST(with_o_nonblock_the_calls_return_eagain_as_they_do_natively)
{
	char byte;

	ck_assert_int_eq(make_pipe(_i), 0);
	/* The library is not told of the flag: it asks, or was told when the descriptor was made. */
	close_pair(ends);
	if (_i < 2)
		ck_assert_int_eq((_i ? pipe2 : green_pipe2)(ends, O_NONBLOCK), 0);
	else
		ck_assert_int_eq((_i % 2 ? socketpair : green_socketpair)(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_fails(green_read(ends[0], &byte, 1) == -1, EAGAIN);
	big_filled();
	ck_assert_int_lt(green_write(ends[1], big, BIG), BIG);
	assert_fails(green_write(ends[1], big, BIG) == -1, EAGAIN);
	close_pair(ends);
	free(big);
}
END_TEST

/* K16: pipes, whose end is waited for */
START_TEST(k4_close_during_a_read_or_write_is_ebadf)
{
	struct greenlet *reader, *writer;

	ck_assert_int_eq(make_pipe(_i), 0);
	reader = green_spawn(read_byte, NULL);
	green_sleep(1);
	ck_assert_int_eq(green_close(ends[0]), 0);
	ck_assert_int_eq((intptr_t)join(reader), -EBADF);
	ck_assert_int_eq(green_close(ends[1]), 0);

	ck_assert_int_eq(make_pipe(_i), 0);
	big_filled();
	writer = green_spawn(write_big, NULL);
	green_sleep(5);
	ck_assert_int_eq(green_close(ends[1]), 0);
	/* What was taken before counts, as it does natively. */
	ck_assert_int_lt((intptr_t)join(writer), BIG);
	ck_assert_int_eq(green_close(ends[0]), 0);
	free(big);
}
END_TEST

/* CK8, U20: several readers */
START_TEST(k3_several_readers_share_what_comes)
{
	struct greenlet *readers[4];
	int sum = 0;

	ck_assert_int_eq(make_pipe(_i), 0);
	for (int i = 0; i < 4; i++)
		readers[i] = green_spawn(read_byte, NULL);
	green_sleep(1);
	ck_assert_int_eq(green_write(ends[1], "\1\2\4\10", 4), 4);
	for (int i = 0; i < 4; i++)
		sum += (int)(intptr_t)join(readers[i]);
	ck_assert_int_eq(sum, 15);
	close_pair(ends);
}
END_TEST

/* Everything else that can be read or written. */

/* K16: a file */
START_TEST(a_regular_file_is_read_and_written_directly)
{
	FILE *file = tmpfile();
	char text[10] = "";
	int fd = fileno(file);

	ck_assert_int_eq(green_write(fd, "hello", 5), 5);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(green_read(fd, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "hello");
	ck_assert_int_eq(green_read(fd, text, sizeof(text)), 0);
	fclose(file);
}
END_TEST

/* --- sendfile --- */

/* The bytes of BIG in a file that stands at its beginning. */
static int big_file(void)
{
	FILE *file = tmpfile();
	int fd = dup(fileno(file));

	fclose(file);
	ck_assert_int_eq(write(fd, big, BIG), BIG);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void *looks_whether_others_run(void *looks)
{
	++*(int *)looks;
	return NULL;
}

/* K16: what takes long is a worker's, and others run */
START_TEST(k16_much_of_a_file_is_read_and_written_by_a_worker)
{
	int looks = 0, file;

	big_filled();
	file = big_file();
	ck_assert_uint_eq(green__workers(), 0);
	for (int i = 1; i <= 2; i++) {
		struct greenlet *other = green_spawn(looks_whether_others_run, &looks);

		if (i == 1)
			ck_assert_int_eq(green_read(file, big, BIG), BIG);
		else
			ck_assert_int_eq(green_write(file, big, BIG), BIG);
		ck_assert_int_eq(looks, i);
		join(other);
	}
	ck_assert_uint_ge(green__workers(), 1);
	ck_assert_int_eq(fcntl(file, F_GETFL) & O_NONBLOCK, 0);
	close(file);
	free(big);
}
END_TEST

START_TEST(k9_sendfile_lets_others_run_and_sends_all)
{
	struct greenlet *reader;
	int file;

	big_filled();
	file = big_file();
	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	reader = green_spawn(read_slowly, NULL);
	ck_assert_int_eq(green_sendfile(ends[1], file, NULL, BIG), BIG);
	ck_assert_int_eq(lseek(file, 0, SEEK_CUR), BIG);
	ck_assert_int_eq((intptr_t)join(reader), BIG);
	close(file);
	close_pair(ends);
	free(big);
}
END_TEST

/* K9: with an offset the file stays where it stands, and at its end there is nothing */
START_TEST(k9_offset_and_count_are_those_of_the_kernel)
{
	off_t offset = BIG - 3, beyond = BIG, senseless = -1;
	char bytes[8] = "";
	int file;

	big_filled();
	file = big_file();
	known_pipe();
	ck_assert_int_eq(green_sendfile(ends[1], file, &offset, 1000), 3);
	ck_assert_int_eq(offset, BIG);
	ck_assert_int_eq(green_read(ends[0], bytes, sizeof(bytes)), 3);
	ck_assert_mem_eq(bytes, big + BIG - 3, 3);
	ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 0);
	ck_assert_int_eq(green_sendfile(ends[1], file, &beyond, 1), 0);
	ck_assert_int_eq(green_sendfile(ends[1], file, NULL, 0), 0);
	assert_fails(green_sendfile(ends[1], file, &senseless, 1) == -1, EINVAL);
	assert_fails(green_sendfile(ends[1], -1, NULL, 1) == -1, EBADF);
	assert_fails(green_sendfile(-1, file, NULL, 1) == -1, EBADF);
	close(file);
	close_pair(ends);
	free(big);
}
END_TEST

/* K9, D7: out of time with half of it sent */
START_TEST(k9_d7_what_was_sent_is_told_before_the_error)
{
	struct green_timeout limit;
	off_t offset = 0;
	ssize_t sent;
	int file;

	big_filled();
	file = big_file();
	known_pipe();
	/* The pipe takes a whole number of pieces, so that the error comes between two. */
	ck_assert_int_eq(green_timeout_start(&limit, 20), 0);
	sent = green_sendfile(ends[1], file, &offset, BIG);
	ck_assert_int_ge(sent, 4096);
	ck_assert_int_lt(sent, BIG);
	ck_assert_int_eq(offset, sent);
	assert_fails(green_sendfile(ends[1], file, &offset, 1) == -1, ETIMEDOUT);
	ck_assert_int_eq(offset, sent);
	ck_assert(green_timeout_end(&limit));
	close(file);
	close_pair(ends);
	free(big);
}
END_TEST

START_TEST(k9_with_o_nonblock_it_sends_what_there_is_room_for)
{
	off_t offset = 0;
	ssize_t sent;
	int file;

	big_filled();
	file = big_file();
	ck_assert_int_eq(green_pipe2(ends, O_NONBLOCK), 0);
	sent = green_sendfile(ends[1], file, &offset, BIG);
	ck_assert_int_ge(sent, 4096);
	ck_assert_int_lt(sent, BIG);
	assert_fails(green_sendfile(ends[1], file, &offset, BIG) == -1, EAGAIN);
	close(file);
	close_pair(ends);
	free(big);
}
END_TEST

static void *read_counter(void *fd)
{
	uint64_t value = 0;

	ck_assert_int_eq(green_read((int)(intptr_t)fd, &value, sizeof(value)), sizeof(value));
	return (void *)(uintptr_t)value;
}

START_TEST(eventfd_and_timerfd_are_waited_for)
{
	int event = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec soon = { { 0, 0 }, { 0, 5 * NS_PER_MS } };
	struct greenlet *reader = green_spawn(read_counter, (void *)(intptr_t)event);
	uint64_t seven = 7;

	ck_assert_int_eq(timerfd_settime(timer, 0, &soon, NULL), 0);
	ck_assert_uint_eq((uintptr_t)read_counter((void *)(intptr_t)timer), 1);
	ck_assert(!green_dead(reader));
	ck_assert_int_eq(green_write(event, &seven, sizeof(seven)), sizeof(seven));
	ck_assert_uint_eq((uintptr_t)join(reader), 7);
	close(event);
	close(timer);
}
END_TEST

static void *read_tty(void *fd)
{
	char line[20] = "";
	ssize_t got = green_read((int)(intptr_t)fd, line, sizeof(line));

	return (void *)(intptr_t)(got == 3 && strcmp(line, "hi\n") == 0);
}

/* K16: a terminal */
START_TEST(a_terminal_is_waited_for_and_written)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct greenlet *reader;

	if (master < 0 || grantpt(master) || unlockpt(master) || (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0)
		return skipped("there are no terminals");
	reader = green_spawn(read_tty, (void *)(intptr_t)slave);
	green_sleep(2);
	ck_assert(!green_dead(reader));
	ck_assert_int_eq(green_write(master, "hi\n", 3), 3);
	ck_assert_ptr_nonnull(join(reader));
	close(slave);
	close(master);
}
END_TEST

START_TEST(the_null_device_is_always_ready)
{
	int fd = open("/dev/null", O_RDWR);
	char byte;

	ck_assert_int_eq(green_write(fd, "x", 1), 1);
	ck_assert_int_eq(green_read(fd, &byte, 1), 0);
	close(fd);
}
END_TEST

static void *write_records(void *letter)
{
	char record[1000];

	memset(record, *(char *)letter, sizeof(record));
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(green_write(ends[1], record, sizeof(record)), sizeof(record));
	return NULL;
}

START_TEST(small_writes_to_a_pipe_do_not_mix)
{
	struct greenlet *a, *b;
	char record[1000];

	known_pipe();
	a = green_spawn(write_records, "a");
	b = green_spawn(write_records, "b");
	for (int i = 0; i < 600; i++) {
		for (size_t done = 0; done < sizeof(record);)
			done += (size_t)green_read(ends[0], record + done, sizeof(record) - done);
		for (size_t j = 1; j < sizeof(record); j++)
			ck_assert_int_eq(record[j], record[0]);
	}
	join(a);
	join(b);
	close_pair(ends);
}
END_TEST

/* Errors. */

START_TEST(k8_other_errors_pass_unchanged)
{
	static struct iovec many[IOV_MAX + 1];
	char byte = 0;
	struct iovec part = { &byte, 1 };

	known_pipe();
	assert_fails(green_read(-1, &byte, 1) == -1, EBADF);
	assert_fails(green_write(-1, &byte, 1) == -1, EBADF);
	assert_fails(green_readv(-1, &part, 1) == -1, EBADF);
	assert_fails(green_read(ends[1], &byte, 1) == -1, EBADF);
	assert_fails(green_write(ends[0], &byte, 1) == -1, EBADF);
	assert_fails(green_readv(ends[0], &part, -1) == -1, EINVAL);
	assert_fails(green_writev(ends[1], many, IOV_MAX + 1) == -1, EINVAL);
	close_pair(ends);
}
END_TEST

START_TEST(k8_a_bad_pointer_is_efault_and_no_crash)
{
	if (tools_watch())
		return skipped("the tool complains of bad pointers, as it should");
	known_pipe();
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	assert_fails(green_read(ends[0], (void *)1, 1) == -1, EFAULT);
	assert_fails(green_write(ends[1], (void *)1, 1) == -1, EFAULT);
	close_pair(ends);
	assert_fails(green_pipe2(NULL, 0) == -1, EFAULT);
}
END_TEST

START_TEST(a_pipe_without_reader_is_epipe)
{
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(make_pipe(_i), 0);
	ck_assert_int_eq(green_close(ends[0]), 0);
	if (_i == 4)
		green_write(ends[1], "x", 1);
	green_sleep(2);
	assert_fails(green_write(ends[1], "x", 1) == -1, EPIPE);
	ck_assert_int_eq(green_close(ends[1]), 0);
}
END_TEST

static void *close_reader_soon(void *unused)
{
	green_sleep(3);
	green_close(ends[0]);
	return unused;
}

START_TEST(a_reader_that_goes_away_ends_a_waiting_write)
{
	struct greenlet *closing;
	ssize_t written;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(make_pipe(_i), 0);
	big_filled();
	closing = green_spawn(close_reader_soon, NULL);
	written = green_write(ends[1], big, BIG);
	ck_assert_int_lt(written, BIG);
	join(closing);
	ck_assert_int_eq(green_close(ends[1]), 0);
	free(big);
}
END_TEST

START_TEST(close_refuses_what_is_not_open_and_the_hubs_own)
{
	assert_fails(green_close(-1) == -1, EBADF);
	assert_fails(green_close(1000000) == -1, EBADF);
	assert_fails(green_close(green__hub()->loop.epoll_fd) == -1, EBADF);
	assert_fails(green_close(green__hub()->loop.wake_fd) == -1, EBADF);
	known_pipe();
	close_pair(ends);
	assert_fails(green_close(ends[0]) == -1, EBADF);
}
END_TEST

START_TEST(pipe2_refuses_what_the_kernel_refuses)
{
	assert_fails(green_pipe2(ends, -1) == -1, EINVAL);
}
END_TEST

static void *closes(void *fds)
{
	int before = descriptors_open();

	close_pair(fds);
	ck_assert_int_eq(descriptors_open(), before - 2);
	return NULL;
}

START_TEST(close_makes_no_hub_and_needs_none)
{
	int fds[2];

	ck_assert_int_eq(green_pipe2(fds, 0), 0);
	in_thread(closes, fds);
}
END_TEST

START_TEST(g8_success_leaves_errno_alone)
{
	char byte;

	errno = EXDEV;
	ck_assert_int_eq(green_pipe2(ends, 0), 0);
	ck_assert_int_eq(green_write(ends[1], "x", 1), 1);
	ck_assert_int_eq(green_read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(green_close(ends[0]), 0);
	ck_assert_int_eq(green_close(ends[1]), 0);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

/* Fairness. */

static int turns;

static void *take_turns(void *unused)
{
	for (; turns < 5; turns++)
		green_yield();
	return unused;
}

START_TEST(l8_a_descriptor_that_is_always_ready_lets_others_run)
{
	struct greenlet *other = green_spawn(take_turns, NULL);
	char byte = 'x';
	int calls = 0;

	ck_assert_int_eq(make_pipe(_i), 0);
	for (; turns < 5 && calls < 10000; calls++) {
		ck_assert_int_eq(green_write(ends[1], &byte, 1), 1);
		ck_assert_int_eq(green_read(ends[0], &byte, 1), 1);
	}
	ck_assert_int_lt(calls, 10000);
	join(other);
	close_pair(ends);
}
END_TEST

/* Vectors. */

START_TEST(a_window_shows_what_is_left_of_a_vector)
{
	char memory[100];
	struct iovec vector[] = { { memory, 10 }, { memory + 10, 0 }, { memory + 20, 30 }, { memory + 50, 5 } };
	struct iovec out[4];

	ck_assert_int_eq(green__iov_window(vector, 4, 0, out, 2), 2);
	ck_assert_ptr_eq(out[1].iov_base, memory + 20);
	ck_assert_int_eq(green__iov_window(vector, 4, 15, out, 4), 2);
	ck_assert_ptr_eq(out[0].iov_base, memory + 25);
	ck_assert_uint_eq(out[0].iov_len, 25);
	ck_assert_uint_eq(out[1].iov_len, 5);
	ck_assert_int_eq(green__iov_window(vector, 4, 45, out, 4), 0);
}
END_TEST

START_TEST(the_size_of_a_vector_does_not_wrap)
{
	struct iovec vector[] = { { NULL, 10 }, { NULL, SIZE_MAX } };

	ck_assert_int_eq(green__iov_size(vector, 1), 10);
	ck_assert_int_eq(green__iov_size(vector, 0), 0);
	ck_assert_int_eq(green__iov_size(vector, 2), -EINVAL);
	ck_assert_int_eq(green__iov_size(vector, -1), -EINVAL);
	ck_assert_int_eq(green__iov_size(vector, IOV_MAX + 1), -EINVAL);
}
END_TEST

static void add_every_kind(TCase *tcase)
{
	tcase_add_loop_test(tcase, read_waits_for_data_and_then_for_the_end, 0, 5);
	tcase_add_loop_test(tcase, ten_megabytes_arrive_whole_at_a_slow_reader, 0, 5);
	tcase_add_loop_test(tcase, a_write_to_a_full_one_lets_others_run, 0, 5);
	tcase_add_loop_test(tcase, vectors_are_gathered_and_scattered, 0, 5);
	tcase_add_loop_test(tcase, a_big_vector_arrives_whole, 0, 5);
	tcase_add_loop_test(tcase, sizes_of_zero_neither_wait_nor_take, 0, 5);
	tcase_add_loop_test(tcase, with_o_nonblock_the_calls_return_eagain_as_they_do_natively, 0, 4);
	tcase_add_loop_test(tcase, k4_close_during_a_read_or_write_is_ebadf, 0, 5);
	tcase_add_loop_test(tcase, k3_several_readers_share_what_comes, 0, 5);
	tcase_add_loop_test(tcase, a_pipe_without_reader_is_epipe, 0, 5);
	tcase_add_loop_test(tcase, a_reader_that_goes_away_ends_a_waiting_write, 0, 5);
	tcase_add_loop_test(tcase, l8_a_descriptor_that_is_always_ready_lets_others_run, 0, 5);
}

static void add_others(TCase *tcase)
{
	tcase_add_test(tcase, k2_read_tries_first_and_does_not_switch_when_there_is_something);
	tcase_add_test(tcase, a_regular_file_is_read_and_written_directly);
	tcase_add_test(tcase, k16_much_of_a_file_is_read_and_written_by_a_worker);
	tcase_add_test(tcase, k9_sendfile_lets_others_run_and_sends_all);
	tcase_add_test(tcase, k9_offset_and_count_are_those_of_the_kernel);
	tcase_add_test(tcase, k9_d7_what_was_sent_is_told_before_the_error);
	tcase_add_test(tcase, k9_with_o_nonblock_it_sends_what_there_is_room_for);
	tcase_add_test(tcase, eventfd_and_timerfd_are_waited_for);
	tcase_add_test(tcase, a_terminal_is_waited_for_and_written);
	tcase_add_test(tcase, the_null_device_is_always_ready);
	tcase_add_test(tcase, small_writes_to_a_pipe_do_not_mix);
	tcase_add_test(tcase, k8_other_errors_pass_unchanged);
	tcase_add_test(tcase, k8_a_bad_pointer_is_efault_and_no_crash);
	tcase_add_test(tcase, close_refuses_what_is_not_open_and_the_hubs_own);
	tcase_add_test(tcase, pipe2_refuses_what_the_kernel_refuses);
	tcase_add_test(tcase, close_makes_no_hub_and_needs_none);
	tcase_add_test(tcase, g8_success_leaves_errno_alone);
	tcase_add_test(tcase, a_window_shows_what_is_left_of_a_vector);
	tcase_add_test(tcase, the_size_of_a_vector_does_not_wrap);
}

int main(void)
{
	TCase *tcase = suite_begin("io", WITH_HUB);

	add_every_kind(tcase);
	add_others(tcase);
	return suite_end();
}
