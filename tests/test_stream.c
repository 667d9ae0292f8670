/* SPDX-License-Identifier: MIT */
/* test_stream.c - buffered streams: no byte lost, whoever is killed or out of time, and at most one reader and one writer */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fault.h"
#include "green.h"
#include "support.h"

static int ends[2];
static struct green_stream *stream;

/* STREAM is on one end, the other is a plain descriptor. */
static void stream_pair(void)
{
	tcp_pair(ends);
	stream = green_stream_create(ends[0]);
	ck_assert_ptr_nonnull(stream);
}

static void pair_end(void)
{
	green_stream_destroy(stream);
	ck_assert_int_eq(green_close(ends[1]), 0);
}

static void feed(const char *text)
{
	ck_assert_int_eq(green_write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
}

static void feed_end(void)
{
	ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
}

static void expect(const char *text)
{
	char bytes[256];

	ck_assert_int_eq(green_recv(ends[1], bytes, strlen(text), MSG_WAITALL), (ssize_t)strlen(text));
	ck_assert_mem_eq(bytes, text, strlen(text));
}

/* --- reading --- */

START_TEST(c9_read_returns_what_there_is)
{
	char bytes[8192];

	stream_pair();
	feed("hello");
	ck_assert_int_eq(green_stream_read(stream, bytes, 2), 2);
	ck_assert_int_eq(green_stream_read(stream, bytes + 2, 100), 3);
	ck_assert_mem_eq(bytes, "hello", 5);
	feed("direct");
	ck_assert_int_eq(green_stream_read(stream, bytes, sizeof(bytes)), 6);
	ck_assert_int_eq(green_stream_read(stream, bytes, 0), 0);
	ck_assert(!green_stream_at_end(stream));
	feed_end();
	ck_assert_int_eq(green_stream_read(stream, bytes, 1), 0);
	ck_assert(green_stream_at_end(stream));
	ck_assert_int_eq(green_stream_read(stream, bytes, sizeof(bytes)), 0);
	pair_end();
}
END_TEST

static void *feeds_slowly(void *text)
{
	for (const char *byte = text; *byte; byte++) {
		green_sleep(1);
		ck_assert_int_eq(green_write(ends[1], byte, 1), 1);
	}
	return NULL;
}

START_TEST(c9_exactly_as_many)
{
	char bytes[16] = "";
	struct greenlet *feeder;

	stream_pair();
	feeder = green_spawn(feeds_slowly, "abcdefgh");
	ck_assert_int_eq(green_stream_read_exactly(stream, bytes, 5), 0);
	ck_assert_str_eq(bytes, "abcde");
	ck_assert_int_eq(green_stream_read_exactly(stream, bytes, 0), 0);
	join(feeder);
	feed_end();
	/* Too few stay. */
	assert_fails(green_stream_read_exactly(stream, bytes, 5) == -1, ENODATA);
	ck_assert_int_eq(green_stream_read_exactly(stream, bytes, 3), 0);
	ck_assert_mem_eq(bytes, "fgh", 3);
	assert_fails(green_stream_read_exactly(stream, bytes, 1) == -1, ENODATA);
	pair_end();
}
END_TEST

START_TEST(c9_lines)
{
	char line[6];

	stream_pair();
	feed("one\n\ntwo\r\n12345\r\n123456\nlast");
	feed_end();
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 4);
	ck_assert_str_eq(line, "one");
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 1);
	ck_assert_str_eq(line, "");
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 4);
	ck_assert_str_eq(line, "two");
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 6);
	ck_assert_str_eq(line, "12345");
	/* Too long: it stays, whole. */
	assert_fails(green_stream_read_line(stream, line, sizeof(line)) == -1, EMSGSIZE);
	assert_fails(green_stream_read_line(stream, line, 0) == -1, EINVAL);
	ck_assert_int_eq(green_stream_read_exactly(stream, line, 6), 0);
	ck_assert_mem_eq(line, "123456", 6);
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 1);
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 5);
	ck_assert_str_eq(line, "last");
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 0);
	pair_end();
}
END_TEST

START_TEST(c9_until_a_delimiter_that_comes_in_pieces)
{
	char bytes[32] = "";
	struct greenlet *feeder;

	stream_pair();
	feeder = green_spawn(feeds_slowly, "a--b--->c-->");
	ck_assert_int_eq(green_stream_read_until(stream, bytes, sizeof(bytes), "-->", 3), 8);
	ck_assert_mem_eq(bytes, "a--b--->", 8);
	assert_fails(green_stream_read_until(stream, bytes, 3, "-->", 3) == -1, EMSGSIZE);
	ck_assert_int_eq(green_stream_read_until(stream, bytes, 4, "-->", 3), 4);
	ck_assert_mem_eq(bytes, "c-->", 4);
	assert_fails(green_stream_read_until(stream, bytes, 4, "", 0) == -1, EINVAL);
	join(feeder);
	feed("rest");
	feed_end();
	assert_fails(green_stream_read_until(stream, bytes, sizeof(bytes), "-->", 3) == -1, ENODATA);
	ck_assert_int_eq(green_stream_read(stream, bytes, sizeof(bytes)), 4);
	ck_assert_int_eq(green_stream_read_until(stream, bytes, sizeof(bytes), "-->", 3), 0);
	pair_end();
}
END_TEST

START_TEST(c9_a_delimiter_may_be_only_so_far_away)
{
	char bytes[64];

	stream_pair();
	assert_fails(green_stream_set_limit(stream, 0) == -1, EINVAL);
	ck_assert_int_eq(green_stream_set_limit(stream, 8), 0);
	feed("12345678;");
	ck_assert_int_eq(green_stream_read_until(stream, bytes, sizeof(bytes), ";", 1), 9);
	feed("123456789");
	assert_fails(green_stream_read_until(stream, bytes, sizeof(bytes), ";", 1) == -1, EMSGSIZE);
	feed(";");
	assert_fails(green_stream_read_until(stream, bytes, sizeof(bytes), ";", 1) == -1, EMSGSIZE);
	ck_assert_int_eq(green_stream_read_exactly(stream, bytes, 10), 0);
	pair_end();
}
END_TEST

static void *feeds_much(void *size)
{
	size_t left = (size_t)(uintptr_t)size;
	char *bytes = malloc(left);

	for (size_t i = 0; i < left; i++)
		bytes[i] = (char)(i * 7 + i / 1000);
	ck_assert_int_eq(green_write(ends[1], bytes, left), (ssize_t)left);
	feed_end();
	free(bytes);
	return NULL;
}

START_TEST(c9_all_until_the_end)
{
	enum { SIZE = 300000 };
	struct greenlet *feeder;
	char *bytes = NULL;

	stream_pair();
	feeder = green_spawn(feeds_much, (void *)(uintptr_t)SIZE);
	assert_fails(green_stream_read_all(stream, &bytes, SIZE - 1) == -1, EMSGSIZE);
	ck_assert_ptr_null(bytes);
	ck_assert_int_eq(green_stream_read_all(stream, &bytes, SIZE), SIZE);
	for (size_t i = 0; i < SIZE; i++)
		ck_assert_int_eq(bytes[i], (char)(i * 7 + i / 1000));
	ck_assert_int_eq(bytes[SIZE], 0);
	free(bytes);
	ck_assert_int_eq(green_stream_read_all(stream, &bytes, 10), 0);
	ck_assert_str_eq(bytes, "");
	free(bytes);
	join(feeder);
	pair_end();
}
END_TEST

START_TEST(peek_takes_nothing)
{
	const void *bytes;
	char line[8];

	stream_pair();
	ck_assert_uint_eq(green_stream_peek(stream, &bytes), 0);
	feed("a\nbc");
	ck_assert_int_eq(green_stream_read_line(stream, line, sizeof(line)), 2);
	ck_assert_uint_eq(green_stream_peek(stream, &bytes), 2);
	ck_assert_mem_eq(bytes, "bc", 2);
	ck_assert_int_eq(green_stream_read_exactly(stream, line, 2), 0);
	ck_assert_uint_eq(green_stream_peek(stream, &bytes), 0);
	pair_end();
}
END_TEST

static void *reads(void *expected)
{
	char byte;

	if (green_stream_read(stream, &byte, 1) == 1)
		return NULL;
	ck_assert_int_eq(errno, (int)(intptr_t)expected);
	return expected;
}

START_TEST(k3_one_reader_and_one_writer_at_a_time)
{
	struct greenlet *reader;
	char byte;

	stream_pair();
	reader = green_spawn(reads, NULL);
	green_yield();
	assert_fails(green_stream_read(stream, &byte, 1) == -1, EBUSY);
	assert_fails(green_stream_read_line(stream, &byte, 1) == -1, EBUSY);
	/* A writer is another matter. */
	ck_assert_int_eq(green_stream_print(stream, "%d\n", 5), 0);
	expect("5\n");
	feed("x");
	join(reader);
	pair_end();
}
END_TEST

START_TEST(k4_close_ends_who_waits)
{
	struct greenlet *reader;

	stream_pair();
	reader = green_spawn(reads, (void *)EBADF);
	green_yield();
	ck_assert_int_eq(green_stream_close(stream), 0);
	join(reader);
	assert_fails(green_stream_close(stream) == -1, EBADF);
	assert_fails(green_stream_write(stream, "x", 1) == -1, EBADF);
	pair_end();
}
END_TEST

static void *from_afar(void *unused)
{
	char byte;

	assert_fails(green_stream_read(stream, &byte, 1) == -1, EPERM);
	assert_fails(green_stream_write(stream, &byte, 1) == -1, EPERM);
	assert_fails(green_stream_close(stream) == -1, EPERM);
	return unused;
}

START_TEST(t2_other_kernel_threads_are_refused)
{
	stream_pair();
	in_thread(from_afar, NULL);
	pair_end();
}
END_TEST

/* --- writing --- */

START_TEST(c8_little_is_written_at_once)
{
	stream_pair();
	ck_assert_int_eq(green_stream_write(stream, "hello", 5), 0);
	ck_assert_uint_eq(green_stream_pending(stream), 0);
	ck_assert_int_eq(green_stream_write(stream, "", 0), 0);
	ck_assert_int_eq(green_stream_print(stream, "%01000d", 1), 0);
	expect("hello0000");
	ck_assert_int_eq(green_stream_drain(stream), 0);
	pair_end();
}
END_TEST

static void small_buffers(void)
{
	int size = 4096;

	ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	ck_assert_int_eq(setsockopt(ends[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
}

static size_t accepted; /* bytes that green_stream_write has taken */

static void *writes_for_ever(void *expected)
{
	static char bytes[10000];

	while (green_stream_write(stream, bytes, sizeof(bytes)) == 0)
		accepted += sizeof(bytes);
	ck_assert_int_eq(errno, (int)(intptr_t)expected);
	return NULL;
}

/* Reads SIZE bytes at the other end. */
static void read_away(size_t size)
{
	static char bytes[65536];

	while (size) {
		ssize_t got = green_recv(ends[1], bytes, size < sizeof(bytes) ? size : sizeof(bytes), 0);

		ck_assert_int_gt(got, 0);
		size -= (size_t)got;
	}
}

START_TEST(c8_a_fast_writer_waits_between_the_marks)
{
	struct greenlet *writer;
	size_t before;

	stream_pair();
	small_buffers();
	assert_fails(green_stream_set_water(stream, 2, 1) == -1, EINVAL);
	ck_assert_int_eq(green_stream_set_water(stream, 20000, 50000), 0);
	writer = green_spawn(writes_for_ever, (void *)EBADF);
	green_sleep(20);
	ck_assert_uint_gt(green_stream_pending(stream), 50000);
	ck_assert_uint_le(green_stream_pending(stream), 60000);
	/* Above the low mark it goes on waiting. */
	before = accepted;
	read_away(accepted + 10000 - green_stream_pending(stream));
	green_sleep(10);
	ck_assert_uint_eq(accepted, before);
	ck_assert_uint_gt(green_stream_pending(stream), 20000);
	read_away(30000);
	green_sleep(10);
	ck_assert_uint_gt(accepted, before);
	green_stream_abort(stream);
	join(writer);
	pair_end();
}
END_TEST

START_TEST(k3_a_second_writer_is_refused)
{
	struct greenlet *writer;

	stream_pair();
	small_buffers();
	writer = green_spawn(writes_for_ever, (void *)EBADF);
	green_sleep(5);
	assert_fails(green_stream_write(stream, "x", 1) == -1, EBUSY);
	assert_fails(green_stream_drain(stream) == -1, EBUSY);
	assert_fails(green_stream_end_output(stream) == -1, EBUSY);
	green_stream_abort(stream);
	join(writer);
	pair_end();
}
END_TEST

static void *reads_the_rest(void *unused)
{
	static char bytes[65536];
	size_t all = 0;
	ssize_t got;

	(void)unused;
	green_sleep(20);
	while ((got = green_recv(ends[1], bytes, sizeof(bytes), 0)) > 0)
		all += (size_t)got;
	return got < 0 ? (void *)(intptr_t)-errno : (void *)all;
}

enum { MUCH = 500000 };

static void write_much(void)
{
	char *bytes = calloc(1, MUCH);

	ck_assert_int_eq(green_stream_set_water(stream, MUCH, MUCH), 0);
	ck_assert_int_eq(green_stream_write(stream, bytes, MUCH), 0);
	ck_assert_uint_gt(green_stream_pending(stream), 0);
	free(bytes);
}

START_TEST(c8_close_writes_what_waits)
{
	struct greenlet *reader;

	stream_pair();
	small_buffers();
	write_much();
	reader = green_spawn(reads_the_rest, NULL);
	ck_assert_int_eq(green_stream_close(stream), 0);
	ck_assert_uint_eq((uintptr_t)join(reader), MUCH);
	pair_end();
}
END_TEST

START_TEST(c8_abort_drops_it_and_tells_the_other_end)
{
	struct greenlet *reader;

	stream_pair();
	small_buffers();
	write_much();
	reader = green_spawn(reads_the_rest, NULL);
	green_yield();
	green_stream_abort(stream);
	ck_assert_int_eq((int)(intptr_t)join(reader), -ECONNRESET);
	pair_end();
}
END_TEST

START_TEST(c8_close_out_of_time_drops_it)
{
	struct green_timeout limit;

	stream_pair();
	small_buffers();
	write_much();
	green_timeout_start(&limit, 20);
	assert_fails(green_stream_close(stream) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	assert_fails(green_stream_drain(stream) == -1, EBADF);
	pair_end();
}
END_TEST

START_TEST(c9_the_end_of_output_follows_what_was_written)
{
	struct greenlet *reader;
	char byte;

	stream_pair();
	small_buffers();
	write_much();
	reader = green_spawn(reads_the_rest, NULL);
	ck_assert_int_eq(green_stream_end_output(stream), 0);
	ck_assert_uint_eq((uintptr_t)join(reader), MUCH);
	assert_fails(green_stream_write(stream, "x", 1) == -1, EPIPE);
	feed("x");
	ck_assert_int_eq(green_stream_read(stream, &byte, 1), 1);
	pair_end();
}
END_TEST

START_TEST(an_error_of_an_earlier_piece_is_told)
{
	stream_pair();
	small_buffers();
	write_much();
	green_close(ends[1]);
	ck_assert_int_eq(green_stream_drain(stream), -1);
	ck_assert(errno == ECONNRESET || errno == EPIPE);
	ck_assert_int_eq(green_stream_write(stream, "x", 1), -1);
	ck_assert(errno == ECONNRESET || errno == EPIPE);
	ck_assert_int_eq(green_stream_close(stream), -1);
	green_stream_destroy(stream);
}
END_TEST

static void *drains(void *unused)
{
	assert_fails(green_stream_drain(stream) == -1, EBADF);
	return unused;
}

START_TEST(k4_close_ends_another_ones_drain)
{
	struct greenlet *drainer, *reader;

	stream_pair();
	small_buffers();
	write_much();
	drainer = green_spawn(drains, NULL);
	green_yield();
	reader = green_spawn(reads_the_rest, NULL);
	ck_assert_int_eq(green_stream_close(stream), 0);
	join(drainer);
	ck_assert_uint_eq((uintptr_t)join(reader), MUCH);
	pair_end();
}
END_TEST

START_TEST(destroy_while_somebody_is_on_the_way_out)
{
	struct greenlet *reader;

	stream_pair();
	small_buffers();
	write_much();
	reader = green_spawn(reads, (void *)EBADF);
	green_yield();
	green_stream_abort(stream);
	green_stream_destroy(stream);
	join(reader);
	green_yield();
	green_close(ends[1]);
	green_stream_destroy(NULL);
}
END_TEST

/* --- what may lie under a stream --- */

START_TEST(k1_descriptors_that_do_not_block)
{
	char bytes[5];
	int fds[2];
	struct green_stream *pipe_in, *pipe_out;

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	pipe_in = green_stream_create(fds[0]);
	pipe_out = green_stream_create(fds[1]);
	ck_assert_int_eq(green_stream_fd(pipe_in), fds[0]);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(green_stream_print(pipe_out, "%05000d", i), 0);
	for (int i = 0; i < 20; i++) {
		for (int skip = 0; skip < 999; skip++)
			ck_assert_int_eq(green_stream_read_exactly(pipe_in, bytes, 5), 0);
		ck_assert_int_eq(green_stream_read_exactly(pipe_in, bytes, 5), 0);
		ck_assert_int_eq((bytes[3] - '0') * 10 + bytes[4] - '0', i);
	}
	assert_fails(green_stream_end_output(pipe_out) == -1, ENOTSOCK);
	green_stream_destroy(pipe_out);
	ck_assert_int_eq(green_stream_read(pipe_in, bytes, 5), 0);
	green_stream_destroy(pipe_in);
	assert_fails(!green_stream_create(-1), EBADF);
	assert_fails(!green_stream_create(fds[0]), EBADF);
}
END_TEST

/* A transport of the test's own: what is written can be read, in capitals, three bytes at a time. */
static struct {
	char bytes[64];
	size_t used;
	int ended, closed, destroyed;
} echo;

static ssize_t echo_read(void *self, void *buffer, size_t size)
{
	size_t some = size < 3 ? size : 3;

	ck_assert_ptr_eq(self, &echo);
	green_yield();
	if (some > echo.used)
		some = echo.used;
	memcpy(buffer, echo.bytes, some);
	memmove(echo.bytes, echo.bytes + some, echo.used -= some);
	return (ssize_t)some;
}

static ssize_t echo_write(void *self, const void *buffer, size_t size)
{
	ck_assert_ptr_eq(self, &echo);
	if (size > 3)
		size = 3;
	green_yield();
	for (size_t i = 0; i < size; i++)
		echo.bytes[echo.used++] = (char)(((const char *)buffer)[i] - 32);
	return (ssize_t)size;
}

static int echo_end(void *self)
{
	(void)self;
	echo.ended++;
	return 0;
}

static void echo_close(void *self, bool abort)
{
	(void)self;
	echo.closed += abort ? 100 : 1;
}

static void echo_destroy(void *self)
{
	(void)self;
	echo.destroyed++;
}

START_TEST(c8_a_transport_of_ones_own)
{
	static const struct green_stream_transport transport = { echo_read, echo_write, echo_end, echo_close, echo_destroy };
	struct green_stream *over = green_stream_create_over(&transport, &echo, -1);
	char line[16] = "";

	ck_assert_int_eq(green_stream_write(over, "hello", 5), 0);
	ck_assert_int_eq(green_stream_write(over, "world", 5), 0);
	ck_assert_int_eq(green_stream_drain(over), 0);
	ck_assert_int_eq(green_stream_read_exactly(over, line, 10), 0);
	ck_assert_str_eq(line, "HELLOWORLD");
	ck_assert_int_eq(green_stream_end_output(over), 0);
	ck_assert_int_eq(echo.ended, 1);
	ck_assert_ptr_eq(green_stream_self(over, &transport), &echo);
	ck_assert_ptr_null(green_stream_self(over, NULL));
	green_stream_destroy(over);
	ck_assert_int_eq(echo.closed, 1);
	ck_assert_int_eq(echo.destroyed, 1);
}
END_TEST

static int sends_at_once(int fd)
{
	int value = -1;
	socklen_t length = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
	return value != 0;
}

START_TEST(dial_makes_a_stream)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int listening = green_listen("127.0.0.1", "0", 0, 0), fd;
	char service[8];
	struct green_stream *dialled;

	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &length), 0);
	ck_assert_int_eq(green_getnameinfo((struct sockaddr *)&address, length, NULL, 0, service, sizeof(service), NI_NUMERICSERV), 0);
	dialled = green_stream_dial("127.0.0.1", service, 1000);
	ck_assert_ptr_nonnull(dialled);
	ck_assert_int_eq(sends_at_once(green_stream_fd(dialled)), 1);
	fd = green_accept(listening, NULL, NULL);
	ck_assert_int_eq(sends_at_once(fd), 0);
	ck_assert_int_eq(green_stream_print(dialled, "x"), 0);
	green_stream_destroy(dialled);
	ck_assert_int_eq(green_read(fd, &address, 8), 1);
	green_close(fd);
	green_close(listening);
	assert_fails(!green_stream_dial("127.0.0.1", service, 1000), ECONNREFUSED);
}
END_TEST

/* --- nothing is lost --- */

static unsigned long state; /* of the random numbers */
static size_t sent, received, goal;
static struct green_stream *in, *out;
static unsigned interrupted;

static unsigned dice(unsigned sides)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % sides;
}

/* The byte at PLACE of what is sent; one in 40 ends a line. */
static char byte_at(size_t place)
{
	unsigned long mixed = (place + 1) * 0x9e3779b97f4a7c15UL;

	mixed ^= mixed >> 29;
	return mixed % 40 ? (char)('a' + mixed % 26) : '\n';
}

static void check_bytes(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ck_assert_msg(bytes[i] == byte_at(received + i), "byte %zu is wrong", received + i);
	received += size;
}

/* One call that reads, of which ERRNO tells if it was cut short. */
static int read_something(void)
{
	static char bytes[30000];
	ssize_t got;

	switch (dice(4)) {
	case 0:
		got = green_stream_read(in, bytes, 1 + dice(sizeof(bytes)));
		break;
	case 1:
		got = 1 + dice(dice(10) ? 50 : 20000);
		if ((size_t)got > goal - received)
			got = (ssize_t)(goal - received);
		got = green_stream_read_exactly(in, bytes, (size_t)got) ? -1 : got;
		break;
	case 2:
		got = green_stream_read_line(in, bytes, sizeof(bytes));
		if (got > 0)
			bytes[got - 1] = '\n';
		break;
	default:
		got = green_stream_read_until(in, bytes, sizeof(bytes), "\n", 1);
	}
	if (got > 0)
		check_bytes(bytes, (size_t)got);
	return got > 0 ? 0 : -1;
}

static int write_something(void)
{
	static char bytes[30000];
	size_t size = 1 + dice(dice(4) ? 100 : sizeof(bytes));

	if (size > goal - sent)
		size = goal - sent;
	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(sent + i);
	if (green_stream_write(out, bytes, size))
		return -1;
	sent += size;
	return dice(20) ? 0 : green_stream_drain(out);
}

/* The last byte ends a line, so that every call can get what it wants. */
static size_t a_goal(size_t about)
{
	while (byte_at(about - 1) != '\n')
		about++;
	return about;
}

/* Runs STEP until *DONE is the goal, in small scopes of time; ends when it is killed. */
static void works(int (*step)(void), size_t *done)
{
	while (*done < goal) {
		struct green_timeout limit;
		int failed, error;

		green_timeout_start(&limit, (int)dice(4));
		failed = step();
		error = errno;
		interrupted += (unsigned)green_timeout_end(&limit);
		if (failed && error == ECANCELED)
			return;
		if (failed)
			ck_assert_int_eq(error, ETIMEDOUT);
	}
}

static void *writer_main(void *unused)
{
	works(write_something, &sent);
	return unused;
}

static void *reader_main(void *unused)
{
	works(read_something, &received);
	return unused;
}

/* Kills it at some moment, and lets another one go on, until all is done. */
static void *relay(void *argument)
{
	void *(*const function)(void *) = argument == &sent ? writer_main : reader_main;
	size_t *done = argument;

	while (*done < goal) {
		struct greenlet *task = green_spawn(function, NULL);

		if (green_join(task, NULL, 1 + (int)dice(5)) && dice(2)) {
			interrupted++;
			green_kill(task, -1);
		}
		join(task);
	}
	return NULL;
}

START_TEST(c9_s9_to6_nothing_is_lost_by_kills_and_timeouts_at_any_moment)
{
	struct greenlet *writer, *reader;
	const char *wish = getenv("GREEN_TEST_SEED");
	int fds[2];

	state = wish ? strtoul(wish, NULL, 0) : (unsigned long)time(NULL) * 2654435761UL + (unsigned long)getpid();
	printf("GREEN_TEST_SEED=%lu\n", state);
	fflush(stdout);
	/* A local socket, for TCP with so little room waits for its own timers. */
	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){ 8192 }, sizeof(int)), 0);
	out = green_stream_create(fds[0]);
	in = green_stream_create(fds[1]);
	goal = a_goal(tools_watch() ? 500000 : 1500000);
	writer = green_spawn(relay, &sent);
	reader = green_spawn(relay, &received);
	join(writer);
	join(reader);
	ck_assert_uint_eq(received, sent);
	printf("%u interrupted\n", interrupted);
	ck_assert_uint_gt(interrupted, 5);
	ck_assert_uint_eq(green_stream_pending(out), 0);
	green_stream_destroy(out);
	ck_assert_int_eq(green_stream_read(in, fds, 1), 0);
	green_stream_destroy(in);
}
END_TEST

/* --- no memory, no task --- */

#ifdef GREEN_DEBUG
/* A bit of everything; false if something failed. */
static bool some_work(struct green_stream *stream)
{
	static char bytes[100000];
	char line[64];

	if (green_stream_set_water(stream, 200000, 200000) || green_stream_write(stream, bytes, sizeof(bytes)))
		return false;
	feed("a line\n");
	return green_stream_read_line(stream, line, sizeof(line)) > 0;
}

START_TEST(each_request_that_fails_is_an_error_or_is_done_without)
{
	unsigned request = 0;
	bool more = true;

	while (more && request < 50) {
		struct green_stream *faulty;

		tcp_pair(ends);
		small_buffers();
		green__fault_at(++request);
		faulty = green_stream_create(ends[0]);
		if (!faulty) {
			ck_assert_int_eq(errno, ENOMEM);
			green_close(ends[0]);
		} else {
			struct greenlet *reader = green_spawn(reads_the_rest, NULL);

			if (reader && !some_work(faulty))
				ck_assert_int_eq(errno, ENOMEM);
			green_stream_abort(faulty);
			green_stream_destroy(faulty);
			if (reader)
				join(reader);
		}
		more = !green__fault_pending();
		green__fault_at(0);
		green_close(ends[1]);
	}
	ck_assert_uint_gt(request, 4);
	ck_assert(!more);
}
END_TEST
#endif

int main(void)
{
	TCase *tcase = suite_begin("stream", WITH_HUB);

	tcase_add_test(tcase, c9_read_returns_what_there_is);
	tcase_add_test(tcase, c9_exactly_as_many);
	tcase_add_test(tcase, c9_lines);
	tcase_add_test(tcase, c9_until_a_delimiter_that_comes_in_pieces);
	tcase_add_test(tcase, c9_a_delimiter_may_be_only_so_far_away);
	tcase_add_test(tcase, c9_all_until_the_end);
	tcase_add_test(tcase, peek_takes_nothing);
	tcase_add_test(tcase, k3_one_reader_and_one_writer_at_a_time);
	tcase_add_test(tcase, k4_close_ends_who_waits);
	tcase_add_test(tcase, t2_other_kernel_threads_are_refused);
	tcase_add_test(tcase, c8_little_is_written_at_once);
	tcase_add_test(tcase, c8_a_fast_writer_waits_between_the_marks);
	tcase_add_test(tcase, k3_a_second_writer_is_refused);
	tcase_add_test(tcase, c8_close_writes_what_waits);
	tcase_add_test(tcase, c8_abort_drops_it_and_tells_the_other_end);
	tcase_add_test(tcase, c8_close_out_of_time_drops_it);
	tcase_add_test(tcase, c9_the_end_of_output_follows_what_was_written);
	tcase_add_test(tcase, an_error_of_an_earlier_piece_is_told);
	tcase_add_test(tcase, k4_close_ends_another_ones_drain);
	tcase_add_test(tcase, destroy_while_somebody_is_on_the_way_out);
	tcase_add_test(tcase, k1_descriptors_that_do_not_block);
	tcase_add_test(tcase, c8_a_transport_of_ones_own);
	tcase_add_test(tcase, dial_makes_a_stream);
	tcase_add_test(tcase, c9_s9_to6_nothing_is_lost_by_kills_and_timeouts_at_any_moment);
#ifdef GREEN_DEBUG
	tcase_add_test(tcase, each_request_that_fails_is_an_error_or_is_done_without);
#endif
	return suite_end();
}
