/* SPDX-License-Identifier: MIT */
/* errors.c - one call each that fails: what the program sees of it, and that the next one goes well */
#include "plain.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * Each of these makes its call twice; the first one is let fail.  What comes
 * after the line "ready" is counted, so what is needed is made before.
 */
static void ready(void)
{
	say("ready");
}

/* A descriptor that a thread waits for all the while. */
static int beside;

static void tell(const char *call, ssize_t result)
{
	if (result == -1)
		say("%s: %s", call, error_name(errno));
	else
		say("%s: ok", call);
}

/* --- input: the data is there --- */

static int full_socket(void)
{
	int pair[2];

	tcp_pair(pair);
	must(write_full(pair[1], "abcdef", 6) == 6, "write");
	return pair[0];
}

static void tell_bytes(const char *call, ssize_t result, const char *bytes)
{
	if (result == -1)
		tell(call, -1);
	else
		say("%s: %zd bytes: %.*s", call, result, (int)result, bytes);
}

#define INPUT(name, descriptor, call) \
	static void name(void) \
	{ \
		char bytes[3], more[3]; \
		struct iovec parts[] = { { bytes, 3 } }; \
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = 1 }; \
		int fd = descriptor; \
		(void)message; \
		(void)more; \
		ready(); \
		for (int i = 0; i < 2; i++) \
			tell_bytes(#name, call, bytes); \
	}

static int full_pipe(void)
{
	int ends[2];

	must(pipe(ends) == 0 && write_full(ends[1], "abcdef", 6) == 6, "pipe");
	return ends[0];
}

INPUT(recv_, full_socket(), recv(fd, bytes, 3, 0))
INPUT(recvfrom_, full_socket(), recvfrom(fd, bytes, 3, 0, (struct sockaddr *)more, &(socklen_t){ 3 }))
INPUT(recvmsg_, full_socket(), recvmsg(fd, &message, 0))
INPUT(read_socket, full_socket(), read(fd, bytes, 3))
INPUT(readv_socket, full_socket(), readv(fd, parts, 1))
INPUT(read_pipe, full_pipe(), read(fd, bytes, 3))
INPUT(readv_pipe, full_pipe(), readv(fd, parts, 1))

/* --- output: there is room --- */

static atomic_int caught;

static void catch(int number)
{
	(void)number;
	atomic_fetch_add(&caught, 1);
}

/* The other end of what was sent; a byte that was lost or doubled shows. */
static int far_end;

static int socket_with_room(void)
{
	int pair[2];

	tcp_pair(pair);
	far_end = pair[0];
	return pair[1];
}

static int pipe_with_room(void)
{
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	far_end = ends[0];
	return ends[1];
}

static void tell_arrived(int fd)
{
	char bytes[16] = "";

	close(fd);
	say("arrived: %zu bytes: %s", read_full(far_end, bytes, sizeof(bytes) - 1), bytes);
	say("handler: %d", caught);
}

#define OUTPUT(name, descriptor, call) \
	static void name(void) \
	{ \
		char bytes[] = "abc"; \
		struct iovec parts[] = { { bytes, 3 } }; \
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = 1 }; \
		int fd = descriptor; \
		(void)message; \
		signal(SIGPIPE, catch); \
		ready(); \
		for (int i = 0; i < 2; i++) { \
			tell(#name, call); \
			memcpy(bytes, "def", 3); \
		} \
		tell_arrived(fd); \
	}

OUTPUT(send_, socket_with_room(), send(fd, bytes, 3, 0))
OUTPUT(send_quietly, socket_with_room(), send(fd, bytes, 3, MSG_NOSIGNAL))
OUTPUT(sendmsg_, socket_with_room(), sendmsg(fd, &message, 0))
OUTPUT(write_socket, socket_with_room(), write(fd, bytes, 3))
OUTPUT(writev_socket, socket_with_room(), writev(fd, parts, 1))
OUTPUT(write_pipe, pipe_with_room(), write(fd, bytes, 3))
OUTPUT(writev_pipe, pipe_with_room(), writev(fd, parts, 1))

/* Without a handler the signal ends the program. */
static void broken_pipe(void)
{
	int fd = pipe_with_room();

	ready();
	tell("write", write(fd, "abc", 3));
}

static void write_file(void)
{
	FILE *file = tmpfile();
	char bytes[16] = "";

	must(file != NULL, "tmpfile");
	ready();
	tell("write", write(fileno(file), "abc", 3));
	tell("write", write(fileno(file), "def", 3));
	tell_bytes("pread", pread(fileno(file), bytes, 15, 0), bytes);
}

static void flush(void)
{
	int fd = socket_with_room();
	FILE *file = fdopen(fd, "w");

	must(file != NULL, "fdopen");
	signal(SIGPIPE, catch);
	ready();
	say("fputs: %d", fputs("abc", file) >= 0);
	tell("fflush", fflush(file));
	say("ferror: %d", ferror(file) != 0);
	clearerr(file);
	say("fputs: %d", fputs("def", file) >= 0);
	tell("fclose", fclose(file));
	say("handler: %d", caught);
}

static void flush_at_end(void)
{
	FILE *file = fdopen(pipe_with_room(), "w");

	must(file != NULL, "fdopen");
	signal(SIGPIPE, catch);
	ready();
	say("fputs: %d", fputs("abc", file) >= 0);
	tell("fclose", fclose(file));
	say("handler: %d", caught);
}

/* --- connections --- */

static void accept_(void)
{
	int port, listener = listen_local(4, &port);
	int clients[2] = { connect_local(port), connect_local(port) };

	ready();
	for (int i = 0; i < 2; i++)
		tell("accept", accept(listener, NULL, NULL));
	close(clients[0]);
	close(clients[1]);
}

static void connect_(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int port, fd = socket(AF_INET, SOCK_STREAM, 0);

	listen_local(4, &port);
	to.sin_port = htons((uint16_t)port);
	ready();
	for (int i = 0; i < 2; i++)
		tell("connect", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	tell("send", send(fd, "x", 1, 0));
}

/* --- new descriptors --- */

#define TWICE(name, call) \
	static void name(void) \
	{ \
		ready(); \
		tell(#name, call); \
		tell(#name, call); \
	}

TWICE(socket_, socket(AF_INET, SOCK_STREAM, 0))
TWICE(socketpair_, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 }))
TWICE(pipe_, pipe((int[2]){ 0 }))
TWICE(eventfd_, eventfd(0, 0))
TWICE(epoll_create_, epoll_create1(0))
TWICE(timerfd_, timerfd_create(CLOCK_MONOTONIC, 0))
TWICE(open_, open("/dev/null", O_RDONLY))
TWICE(dup_, dup(beside))
TWICE(dup_above, fcntl(beside, F_DUPFD, 10))
TWICE(mmap_, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0)

static void fopen_(void)
{
	FILE *file;

	ready();
	file = fopen("/dev/null", "r");
	tell("fopen", file ? 0 : -1);
	file = fopen("/dev/null", "r");
	tell("fopen", file ? 0 : -1);
}

static void epoll_ctl_(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0), fd = full_pipe();

	ready();
	for (int i = 0; i < 2; i++)
		tell("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	say("epoll_wait: %d", epoll_wait(epoll, &event, 1, 5000));
}

static void close_(void)
{
	int fd = full_pipe();

	ready();
	tell("close", close(fd));
	tell("close again", close(fd));
}

static void fsync_(void)
{
	FILE *file = tmpfile();

	must(file != NULL, "tmpfile");
	ready();
	tell("fsync", fsync(fileno(file)));
	tell("fsync", fsync(fileno(file)));
}

/* --- processes and timers --- */

static void fork_(void)
{
	ready();
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(3);
		tell("fork", pid);
		if (pid > 0)
			reap("child", pid);
	}
}

static void timer_create_(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	timer_t timer;

	ready();
	tell("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer));
	tell("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer));
}

/* --- with a handler that really runs --- */

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = catch };
	char bytes[3];
	int fd = full_socket();

	sigaction(SIGUSR1, &action, NULL);
	ready();
	tell_bytes("recv", recv(fd, bytes, 3, 0), bytes);
	for (int i = 0; i < 1000 && !caught; i++)
		pause_ms(1);
	say("handler: %d", caught);
	tell_bytes("recv", recv(fd, bytes, 3, 0), bytes);
}

/* --- all of them in a thread, beside one that waits --- */

static void *run(void *function)
{
	void (*body)(void);

	*(void **)(void *)&body = function;
	body();
	return NULL;
}

static void *waits(void *argument)
{
	char byte;

	return read(*(int *)argument, &byte, 1) == 0 ? NULL : argument;
}

static void in_thread(void (*body)(void))
{
	int ends[2];
	pthread_t thread, other;

	must(pipe(ends) == 0, "pipe");
	beside = ends[0];
	other = spawn(waits, &beside);
	thread = spawn(run, *(void **)(void *)&body);
	join(thread);
	close(ends[1]);
	join(other);
}

#define CASES(item) \
	item(recv_) item(recvfrom_) item(recvmsg_) item(read_socket) item(readv_socket) item(read_pipe) \
	item(readv_pipe) item(send_) item(send_quietly) item(sendmsg_) item(write_socket) item(writev_socket) \
	item(write_pipe) item(writev_pipe) item(broken_pipe) item(write_file) item(flush) item(flush_at_end) \
	item(accept_) item(connect_) item(socket_) item(socketpair_) item(pipe_) item(eventfd_) \
	item(epoll_create_) item(timerfd_) item(open_) item(dup_) item(dup_above) item(mmap_) item(fopen_) \
	item(epoll_ctl_) item(close_) item(fsync_) item(fork_) item(timer_create_) item(interrupted)

#define BODY(name) static void case_##name(void) { in_thread(name); }
CASES(BODY)

#define ROW(name) { #name, case_##name, 2 },
static const struct plain_case cases[] = { CASES(ROW) { NULL, NULL, 0 } };

int main(int argc, char **argv)
{
	return plain_main(argc, argv, cases);
}
