/* SPDX-License-Identifier: MIT */
/* test_interrupts.c - every call that parks a task, cut short in every way: nothing is lost, doubled or left behind */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>

#include "green.h"
#include "interrupts.h"
#include "support.h"

static int result_of(long result, long success)
{
	if (result >= 0)
		ck_assert_int_eq(result, success);
	return result < 0 ? -1 : 0;
}

static struct sockaddr_un here;

/* An address that nobody has used. */
static void name_anew(void)
{
	static int number;

	memset(&here, 0, sizeof(here));
	here.sun_family = AF_UNIX;
	snprintf(here.sun_path + 1, sizeof(here.sun_path) - 1, "green-interrupts-%d-%d", (int)getpid(), number++);
}

/* --- reading --- */

static void begin_pair(struct scene *scene)
{
	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, scene->fds), 0);
}

static void begin_pipe(struct scene *scene)
{
	ck_assert_int_eq(green_pipe2(scene->fds, 0), 0);
}

static void end_pair(struct scene *scene)
{
	close_pair(scene->fds);
}

static void feed(struct scene *scene)
{
	ck_assert_int_eq(write(scene->fds[1], "x", 1), 1);
}

/* What was fed is what was read and what is left. */
static void end_read(struct scene *scene)
{
	char bytes[CALLERS + 2];
	struct pollfd readable = { .fd = scene->fds[0], .events = POLLIN };
	long left = poll(&readable, 1, 0) ? read(scene->fds[0], bytes, sizeof(bytes)) : 0;

	ck_assert_int_eq(left, scene->made - scene->served);
	close_pair(scene->fds);
}

static int call_read(struct scene *scene, int unused)
{
	char byte;

	(void)unused;
	return result_of(green_read(scene->fds[0], &byte, 1), 1);
}

static int call_readv(struct scene *scene, int unused)
{
	char byte;

	(void)unused;
	return result_of(green_readv(scene->fds[0], &(struct iovec) { &byte, 1 }, 1), 1);
}

static int call_recv(struct scene *scene, int unused)
{
	char byte;

	(void)unused;
	return result_of(green_recv(scene->fds[0], &byte, 1, 0), 1);
}

static int call_recvfrom(struct scene *scene, int unused)
{
	char byte;

	(void)unused;
	return result_of(green_recvfrom(scene->fds[0], &byte, 1, MSG_WAITALL, NULL, NULL), 1);
}

static int call_recvmsg(struct scene *scene, int unused)
{
	char byte;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	(void)unused;
	return result_of(green_recvmsg(scene->fds[0], &message, 0), 1);
}

/* --- being told that there is something to read; nobody reads it --- */

static int call_wait_fd(struct scene *scene, int timeout_ms)
{
	return result_of(green_wait_fd(scene->fds[0], GREEN_READ, timeout_ms), GREEN_READ);
}

static int told_by_zero(int result)
{
	if (result == 0)
		errno = ETIMEDOUT;
	return result > 0 ? 0 : -1;
}

static int call_poll(struct scene *scene, int timeout_ms)
{
	return told_by_zero(green_poll(&(struct pollfd) { .fd = scene->fds[0], .events = POLLIN }, 1, timeout_ms));
}

static int call_select(struct scene *scene, int timeout_ms)
{
	struct timeval limit = { 0, timeout_ms * 1000 };
	fd_set readable;

	FD_ZERO(&readable);
	FD_SET(scene->fds[0], &readable);
	return told_by_zero(green_select(scene->fds[0] + 1, &readable, NULL, NULL, timeout_ms < 0 ? NULL : &limit));
}

/* --- writing --- */

static void fill(struct scene *scene)
{
	static const char bytes[4096];
	ssize_t done;
	int flags = fcntl(scene->fds[1], F_GETFL);

	fcntl(scene->fds[1], F_SETFL, flags | O_NONBLOCK);
	while ((done = write(scene->fds[1], bytes, sizeof(bytes))) > 0)
		scene->filled += (size_t)done;
	while ((done = write(scene->fds[1], bytes, 1)) > 0)
		scene->filled += (size_t)done;
	fcntl(scene->fds[1], F_SETFL, flags);
}

static void begin_full_pair(struct scene *scene)
{
	begin_pair(scene);
	fill(scene);
}

static void begin_full_pipe(struct scene *scene)
{
	begin_pipe(scene);
	fill(scene);
}

static size_t drained(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char bytes[65536];
	size_t count = 0;

	while (poll(&readable, 1, 0) > 0)
		count += (size_t)read(fd, bytes, sizeof(bytes));
	return count;
}

static void drain(struct scene *scene)
{
	scene->filled -= drained(scene->fds[0]);
}

static void end_write(struct scene *scene)
{
	ck_assert_int_eq((long)drained(scene->fds[0]) - (long)scene->filled, scene->served);
	close_pair(scene->fds);
}

static int call_write(struct scene *scene, int unused)
{
	(void)unused;
	return result_of(green_write(scene->fds[1], "x", 1), 1);
}

static int call_writev(struct scene *scene, int unused)
{
	(void)unused;
	return result_of(green_writev(scene->fds[1], &(struct iovec) { "x", 1 }, 1), 1);
}

static int call_send(struct scene *scene, int unused)
{
	(void)unused;
	return result_of(green_send(scene->fds[1], "x", 1, 0), 1);
}

static int call_sendto(struct scene *scene, int unused)
{
	(void)unused;
	return result_of(green_sendto(scene->fds[1], "x", 1, 0, NULL, 0), 1);
}

/* To a receiver without room, of whom the kernel does not tell when he has some. */
static void begin_full_receiver(struct scene *scene)
{
	name_anew();
	scene->fds[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(scene->fds[0], (struct sockaddr *)&here, sizeof(here)), 0);
	scene->fds[1] = green_socket(AF_UNIX, SOCK_DGRAM, 0);
	while (sendto(scene->fds[1], "x", 1, MSG_DONTWAIT, (struct sockaddr *)&here, sizeof(here)) == 1)
		scene->filled++;
}

static int call_send_away(struct scene *scene, int unused)
{
	(void)unused;
	return result_of(green_sendto(scene->fds[1], "x", 1, 0, (struct sockaddr *)&here, sizeof(here)), 1);
}

/* From a file whose place stays what it is. */
static void begin_file(struct scene *scene)
{
	FILE *file = tmpfile();

	begin_full_pair(scene);
	scene->number = dup(fileno(file));
	fclose(file);
	ck_assert_int_eq(write(scene->number, "x", 1), 1);
}

static void end_file(struct scene *scene)
{
	close(scene->number);
	end_write(scene);
}

static int call_sendfile(struct scene *scene, int unused)
{
	off_t offset = 0;
	int result = result_of(green_sendfile(scene->fds[1], scene->number, &offset, 1), 1);

	(void)unused;
	ck_assert_int_eq(offset, result == 0);
	return result;
}

static int call_sendmsg(struct scene *scene, int unused)
{
	struct iovec piece = { "x", 1 };

	(void)unused;
	return result_of(green_sendmsg(scene->fds[1], &(struct msghdr) { .msg_iov = &piece, .msg_iovlen = 1 }, 0), 1);
}

/* --- connections --- */

static struct sockaddr_in internet;
static int clients[CALLERS + 1];

static void begin_listener(struct scene *scene)
{
	scene->fds[0] = listener(&internet);
}

static void come(struct scene *scene)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&internet, sizeof(internet)), 0);
	clients[scene->number++] = fd;
}

static int accepted(int fd)
{
	if (fd < 0)
		return -1;
	ck_assert_int_eq(green_close(fd), 0);
	return 0;
}

static int call_accept(struct scene *scene, int unused)
{
	(void)unused;
	return accepted(green_accept(scene->fds[0], NULL, NULL));
}

static int call_accept4(struct scene *scene, int unused)
{
	(void)unused;
	return accepted(green_accept4(scene->fds[0], NULL, NULL, SOCK_CLOEXEC));
}

static int waiting_connections(int listening)
{
	struct pollfd readable = { .fd = listening, .events = POLLIN };
	int count = 0;

	for (; poll(&readable, 1, 0) > 0; count++)
		close(accept(listening, NULL, NULL));
	return count;
}

static void end_accept(struct scene *scene)
{
	ck_assert_int_eq(waiting_connections(scene->fds[0]), scene->made - scene->served);
	for (int i = 0; i < scene->number; i++)
		close(clients[i]);
	green_close(scene->fds[0]);
}

/* A UNIX socket whose backlog is full: the next ones wait until somebody accepts. */
static void fill_backlog(struct scene *scene)
{
	int fd;

	scene->fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(scene->fds[0], (struct sockaddr *)&here, sizeof(here)), 0);
	ck_assert_int_eq(listen(scene->fds[0], 0), 0);
	for (;;) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fd, (struct sockaddr *)&here, sizeof(here)))
			break;
		scene->filled++;
		close(fd);
	}
	close(fd);
}

static void begin_full_backlog(struct scene *scene)
{
	name_anew();
	fill_backlog(scene);
}

static void accept_one(struct scene *scene)
{
	int fd = accept(scene->fds[0], NULL, NULL);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static int call_connect(struct scene *scene, int unused)
{
	int fd = green_socket(AF_UNIX, SOCK_STREAM, 0);
	int result = green_connect(fd, (struct sockaddr *)&here, sizeof(here)), error = errno;

	(void)scene;
	(void)unused;
	ck_assert_int_eq(green_close(fd), 0);
	errno = error;
	return result;
}

static void end_connect(struct scene *scene)
{
	ck_assert_int_eq(waiting_connections(scene->fds[0]), (int)scene->filled - scene->made + scene->served);
	close(scene->fds[0]);
}

/* --- streams: one who reads and one who writes at a time --- */

static void begin_stream(struct scene *scene)
{
	begin_pair(scene);
	scene->object = green_stream_create(scene->fds[0]);
	ck_assert_ptr_nonnull(scene->object);
}

/* Half of what the first call wants. */
static void begin_half_a_read(struct scene *scene)
{
	begin_stream(scene);
	feed(scene);
}

static void feed_line(struct scene *scene)
{
	ck_assert_int_eq(write(scene->fds[1], "x\n", 2), 2);
}

static int call_stream_read(struct scene *scene, int unused)
{
	char byte;

	(void)unused;
	return result_of(green_stream_read(scene->object, &byte, 1), 1);
}

static int call_stream_read_line(struct scene *scene, int unused)
{
	char line[8];

	(void)unused;
	return result_of(green_stream_read_line(scene->object, line, sizeof(line)), 2);
}

static int call_stream_read_exactly(struct scene *scene, int unused)
{
	char bytes[2];

	(void)unused;
	return green_stream_read_exactly(scene->object, bytes, sizeof(bytes));
}

static size_t left_in_stream(struct scene *scene)
{
	char *bytes = NULL;
	ssize_t size;

	ck_assert_int_eq(shutdown(scene->fds[1], SHUT_WR), 0);
	size = green_stream_read_all(scene->object, &bytes, 100);
	ck_assert_int_ge(size, 0);
	free(bytes);
	green_stream_destroy(scene->object);
	ck_assert_int_eq(green_close(scene->fds[1]), 0);
	return (size_t)size;
}

static void end_stream_read(struct scene *scene)
{
	ck_assert_uint_eq(left_in_stream(scene), (size_t)(scene->made - scene->served));
}

static void end_stream_read_line(struct scene *scene)
{
	ck_assert_uint_eq(left_in_stream(scene), (size_t)(2 * (scene->made - scene->served)));
}

static void end_stream_read_exactly(struct scene *scene)
{
	ck_assert_uint_eq(left_in_stream(scene), (size_t)(1 + 2 * (scene->made - scene->served)));
}

/* The kernel takes nothing more, and something waits. */
static void begin_full_stream(struct scene *scene)
{
	begin_full_pair(scene);
	scene->object = green_stream_create(scene->fds[1]);
	ck_assert_int_eq(green_stream_set_water(scene->object, 0, 1), 0);
	ck_assert_int_eq(green_stream_write(scene->object, "x", 1), 0);
	scene->number = 1;
}

static int call_stream_drain(struct scene *scene, int unused)
{
	(void)unused;
	return green_stream_drain(scene->object);
}

static int call_stream_write(struct scene *scene, int unused)
{
	(void)unused;
	scene->number++;
	return green_stream_write(scene->object, "x", 1);
}

/* What a call that was cut short has added may have been written or not, but never twice. */
static void end_stream_write(struct scene *scene)
{
	long left;

	ck_assert_int_eq(green_stream_drain(scene->object), 0);
	left = (long)drained(scene->fds[0]) - (long)scene->filled;
	ck_assert_int_ge(left, 1 + (scene->number > 1 ? scene->served : 0));
	ck_assert_int_le(left, scene->number);
	green_stream_destroy(scene->object);
	ck_assert_int_eq(green_close(scene->fds[0]), 0);
}

/* --- names --- */

static int errno_of_look_up(int result)
{
	ck_assert_msg(result == 0 || result == EAI_SYSTEM, "%s", gai_strerror(result));
	return result ? -1 : 0;
}

static int call_getaddrinfo(struct scene *scene, int unused)
{
	struct addrinfo *found = NULL;
	int result = errno_of_look_up(green_getaddrinfo("localhost", NULL, NULL, &found));

	(void)scene;
	(void)unused;
	if (!result)
		green_freeaddrinfo(found);
	return result;
}

static int call_getnameinfo(struct scene *scene, int unused)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	char host[256];

	(void)scene;
	(void)unused;
	return errno_of_look_up(green_getnameinfo((struct sockaddr *)&address, sizeof(address), host, sizeof(host), NULL, 0, 0));
}

static int call_listen(struct scene *scene, int unused)
{
	(void)scene;
	(void)unused;
	return accepted(green_listen("localhost", "0", 0, 0));
}

static void begin_full_path(struct scene *scene)
{
	static int number;

	memset(&here, 0, sizeof(here));
	here.sun_family = AF_UNIX;
	snprintf(here.sun_path, sizeof(here.sun_path), "interrupts-%d-%d", (int)getpid(), number++);
	fill_backlog(scene);
}

static int call_dial(struct scene *scene, int timeout_ms)
{
	char path[sizeof(here.sun_path) + 5];

	(void)scene;
	snprintf(path, sizeof(path), "unix:%s", here.sun_path);
	return accepted(green_dial(path, NULL, timeout_ms));
}

static int call_stream_dial(struct scene *scene, int timeout_ms)
{
	char path[sizeof(here.sun_path) + 5];
	struct green_stream *stream;

	(void)scene;
	snprintf(path, sizeof(path), "unix:%s", here.sun_path);
	stream = green_stream_dial(path, NULL, timeout_ms);
	if (!stream)
		return -1;
	green_stream_destroy(stream);
	return 0;
}

static void end_path(struct scene *scene)
{
	end_connect(scene);
	unlink(here.sun_path);
}

/* --- tasks and time --- */

/* Ends when there is a byte for it, and not before, whatever it is asked to do. */
static void *stubborn(void *arg)
{
	struct scene *scene = arg;
	char byte;

	while (green_read(scene->fds[0], &byte, 1) != 1)
		green_error_clear();
	return NULL;
}

static void begin_stubborn(struct scene *scene)
{
	begin_pair(scene);
	scene->object = green_spawn(stubborn, scene);
	green_yield();
}

static void end_stubborn(struct scene *scene)
{
	join(scene->object);
	close_pair(scene->fds);
}

static int call_join(struct scene *scene, int timeout_ms)
{
	return green_join(scene->object, NULL, timeout_ms);
}

static int call_kill(struct scene *scene, int timeout_ms)
{
	return green_kill(scene->object, timeout_ms);
}

static int call_sleep(struct scene *scene, int unused)
{
	(void)scene;
	(void)unused;
	return green_sleep(5);
}

static int call_yield(struct scene *scene, int unused)
{
	(void)scene;
	(void)unused;
	return green_yield();
}

static void *nap(void *arg)
{
	usleep(5000);
	return arg;
}

static int call_offload(struct scene *scene, int unused)
{
	(void)unused;
	return green_offload(nap, scene) == scene ? 0 : -1;
}

static const struct interrupted_call rows[] = {
	{ "green_read", ONE_EACH, false, false, false, begin_pair, call_read, feed, end_read },
	{ "green_read of a pipe", ONE_EACH, false, false, false, begin_pipe, call_read, feed, end_read },
	{ "green_readv", ONE_EACH, false, false, false, begin_pair, call_readv, feed, end_read },
	{ "green_recv", ONE_EACH, false, false, false, begin_pair, call_recv, feed, end_read },
	{ "green_recvfrom", ONE_EACH, false, false, false, begin_pair, call_recvfrom, feed, end_read },
	{ "green_recvmsg", ONE_EACH, false, false, false, begin_pair, call_recvmsg, feed, end_read },
	{ "green_wait_fd", ALL_AT_ONCE, true, false, false, begin_pair, call_wait_fd, feed, end_pair },
	{ "green_poll", ALL_AT_ONCE, true, false, false, begin_pair, call_poll, feed, end_pair },
	{ "green_select", ALL_AT_ONCE, true, false, false, begin_pair, call_select, feed, end_pair },
	{ "green_write", ALL_AT_ONCE, false, false, false, begin_full_pair, call_write, drain, end_write },
	{ "green_write to a pipe", ALL_AT_ONCE, false, false, false, begin_full_pipe, call_write, drain, end_write },
	{ "green_writev", ALL_AT_ONCE, false, false, false, begin_full_pair, call_writev, drain, end_write },
	{ "green_send", ALL_AT_ONCE, false, false, false, begin_full_pair, call_send, drain, end_write },
	{ "green_sendto", ALL_AT_ONCE, false, false, false, begin_full_pair, call_sendto, drain, end_write },
	{ "green_sendto to a full receiver", ALL_AT_ONCE, false, false, false, begin_full_receiver, call_send_away, drain, end_write },
	{ "green_sendmsg", ALL_AT_ONCE, false, false, false, begin_full_pair, call_sendmsg, drain, end_write },
	{ "green_sendfile", ALL_AT_ONCE, false, false, false, begin_file, call_sendfile, drain, end_file },
	{ "green_accept", ONE_EACH, false, false, false, begin_listener, call_accept, come, end_accept },
	{ "green_accept4", ONE_EACH, false, false, false, begin_listener, call_accept4, come, end_accept },
	{ "green_connect", ONE_OF_ALL, false, false, false, begin_full_backlog, call_connect, accept_one, end_connect },
	{ "green_dial", ONE_OF_ALL, true, false, false, begin_full_path, call_dial, accept_one, end_path },
	{ "green_listen", COMES_ITSELF, false, false, false, NULL, call_listen, NULL, NULL },
	{ "green_getaddrinfo", COMES_ITSELF, false, false, false, NULL, call_getaddrinfo, NULL, NULL },
	{ "green_getnameinfo", COMES_ITSELF, false, false, false, NULL, call_getnameinfo, NULL, NULL },
	{ "green_stream_read", ONE_EACH, false, false, true, begin_stream, call_stream_read, feed, end_stream_read },
	{ "green_stream_read_line", ONE_EACH, false, false, true, begin_stream, call_stream_read_line, feed_line, end_stream_read_line },
	{ "green_stream_read_exactly", ONE_EACH, false, false, true, begin_half_a_read, call_stream_read_exactly, feed_line,
	  end_stream_read_exactly },
	{ "green_stream_write", ALL_AT_ONCE, false, false, true, begin_full_stream, call_stream_write, drain, end_stream_write },
	{ "green_stream_drain", ALL_AT_ONCE, false, false, true, begin_full_stream, call_stream_drain, drain, end_stream_write },
	{ "green_stream_dial", ONE_OF_ALL, true, false, false, begin_full_path, call_stream_dial, accept_one, end_path },
	{ "green_join", ALL_AT_ONCE, true, false, false, begin_stubborn, call_join, feed, end_stubborn },
	{ "green_kill", ALL_AT_ONCE, true, false, false, begin_stubborn, call_kill, feed, end_stubborn },
	{ "green_sleep", COMES_ITSELF, false, false, false, NULL, call_sleep, NULL, NULL },
	{ "green_yield", COMES_ITSELF, false, true, false, NULL, call_yield, NULL, NULL },
	{ "green_offload", COMES_ITSELF, false, true, false, NULL, call_offload, NULL, NULL },
};

/* C5, CK13, U19: whatever cuts the wait short takes nothing with it */
START_TEST(a_call_that_is_cut_short_loses_nothing)
{
	call_interrupted(&rows[_i / ways_count()], _i % ways_count());
}
END_TEST

int main(void)
{
	TCase *tests = suite_begin("interrupts", WITH_HUB);

	tcase_add_loop_test(tests, a_call_that_is_cut_short_loses_nothing, 0, (int)ARRAY_LENGTH(rows) * ways_count());
	return suite_end();
}
