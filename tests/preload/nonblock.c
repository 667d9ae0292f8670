/* SPDX-License-Identifier: MIT */
/* nonblock.c - the program's own O_NONBLOCK ends in EAGAIN, dups share it, children inherit none of ours */
#include "plain.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say_flag(const char *what, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	say("%s: O_NONBLOCK is %s", what, flags & O_NONBLOCK ? "set" : "clear");
}

static void *answer_late(void *argument)
{
	pause_ms(30);
	write_full(*(int *)argument, "late", 4);
	return NULL;
}

/* The same descriptor waits, then refuses to, then waits again. */
static void try_both(int reading, int writing, int (*set)(int fd, int on))
{
	char text[8];

	pthread_t writer = spawn(answer_late, &writing);
	say("blocking: %zd", read(reading, text, sizeof(text)));
	join(writer);
	say_flag("before", reading);
	say("set: %s", outcome(set(reading, 1)));
	say("non-blocking: %s", outcome(read(reading, text, sizeof(text))));
	say_flag("after", reading);
	set(reading, 0);
	writer = spawn(answer_late, &writing);
	say("blocking again: %zd", read(reading, text, sizeof(text)));
	join(writer);
}

static int set_by_fcntl(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);

	return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static int set_by_ioctl(int fd, int on)
{
	return ioctl(fd, FIONBIO, &on);
}

/* Nobody but the kernel sees this one. */
static int set_by_system_call(int fd, int on)
{
	long flags = syscall(SYS_fcntl, fd, F_GETFL);

	return (int)syscall(SYS_fcntl, fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* CK20, X11, L17: the mode by fcntl */
static void by_fcntl(void)
{
	int pair[2];

	stream_pair(pair);
	try_both(pair[0], pair[1], set_by_fcntl);
	must(pipe(pair) == 0, "pipe");
	try_both(pair[0], pair[1], set_by_fcntl);
}

/* CK20, X11: the mode by ioctl */
static void by_ioctl(void)
{
	int pair[2];

	tcp_pair(pair);
	try_both(pair[0], pair[1], set_by_ioctl);
	must(pipe(pair) == 0, "pipe");
	try_both(pair[0], pair[1], set_by_ioctl);
}

static void by_system_call(void)
{
	int pair[2];

	stream_pair(pair);
	try_both(pair[0], pair[1], set_by_system_call);
}

static void *use_born(void *argument)
{
	int pair[2], ends[2];
	char byte;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)argument;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0, "socketpair");
	must(pipe2(ends, O_NONBLOCK) == 0, "pipe2");
	must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0, "listen");
	say("socketpair: %s", outcome(recv(pair[0], &byte, 1, 0)));
	say("pipe2: %s", outcome(read(ends[0], &byte, 1)));
	say("accept: %s", outcome(accept(fd, NULL, NULL)));
	say("waitall: %s", outcome(recv(pair[0], &byte, 1, MSG_WAITALL)));
	return NULL;
}

/* CK20, X11: the mode at birth */
static void at_birth(void)
{
	join(spawn(use_born, NULL));
}

static int bound_unconnected(int *port)
{
	int listener = listen_local(8, port), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)listener;
	return fd;
}

static void *connect_unblocked(void *argument)
{
	int port, fd = bound_unconnected(&port), error = -1;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(error);

	(void)argument;
	to.sin_port = htons((uint16_t)port);
	say("connect: %s", outcome(connect(fd, (struct sockaddr *)&to, sizeof(to))));
	pause_ms(20);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	say("then: %s", error_name(error));
	say("again: %s", outcome(connect(fd, (struct sockaddr *)&to, sizeof(to))));
	return NULL;
}

static void connecting(void)
{
	join(spawn(connect_unblocked, NULL));
}

/* The flag belongs to the open file: a duplicate sees it change. */
static void shared_by_dup(void)
{
	int pair[2];
	char byte;

	stream_pair(pair);
	int other = dup(pair[0]);
	say_flag("dup before", other);
	set_by_fcntl(pair[0], 1);
	say_flag("dup after", other);
	say("read of the dup: %s", outcome(read(other, &byte, 1)));
	set_by_ioctl(other, 0);
	say_flag("first after", pair[0]);
	pthread_t writer = spawn(answer_late, &pair[1]);
	say("read of the first: %zd", read(pair[0], &byte, 1));
	join(writer);
}

static void *write_too_much(void *argument)
{
	char *data = calloc(1, 8 << 20);
	ssize_t n = write(*(int *)argument, data, 8 << 20);

	say("large write: %s", n > 0 && n < 8 << 20 ? "a part" : outcome(n));
	say("then: %s", outcome(write(*(int *)argument, data, 8 << 20)));
	free(data);
	return NULL;
}

static void partial_writes(void)
{
	int pair[2];

	stream_pair(pair);
	set_by_fcntl(pair[0], 1);
	join(spawn(write_too_much, &pair[0]));
	must(pipe(pair) == 0, "pipe");
	set_by_ioctl(pair[1], 1);
	join(spawn(write_too_much, &pair[1]));
}

/* cat reports an error when its standard input does not block. */
static void run_cat(int standard_input)
{
	pid_t pid = fork();

	if (pid == 0) {
		dup2(standard_input, STDIN_FILENO);
		execlp("cat", "cat", (char *)NULL);
		_exit(98);
	}
	reap("cat", pid);
}

static void *feed_late(void *argument)
{
	int fd = *(int *)argument;

	pause_ms(150);
	write_full(fd, "fed late\n", 9);
	close(fd);
	return NULL;
}

static void *wait_a_little(void *argument)
{
	char byte;

	say("read %zd", read(*(int *)argument, &byte, 1));
	return NULL;
}

/* The parent waits on the descriptor itself, then a child gets it. */
static void feed_child(int reading, int writing)
{
	pthread_t reader = spawn(wait_a_little, &reading);

	fcntl(writing, F_SETFD, FD_CLOEXEC);
	pause_ms(20);
	write_full(writing, "x", 1);
	join(reader);
	say_flag("for the child", reading);
	pthread_t feeder = spawn(feed_late, &writing);
	run_cat(reading);
	join(feeder);
	close(reading);
}

/* CK20, U13, L17: what children inherit */
static void inherited(void)
{
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	feed_child(ends[0], ends[1]);
	stream_pair(ends);
	feed_child(ends[0], ends[1]);
	tcp_pair(ends);
	feed_child(ends[0], ends[1]);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "by_fcntl", by_fcntl, 4 },
		{ "by_ioctl", by_ioctl, 4 },
		{ "by_system_call", by_system_call, 2 },
		{ "at_birth", at_birth, 1 },
		{ "connecting", connecting, 1 },
		{ "shared_by_dup", shared_by_dup, 1 },
		{ "partial_writes", partial_writes, 2 },
		{ "inherited", inherited, 6 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
