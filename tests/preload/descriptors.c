/* SPDX-License-Identifier: MIT */
/* descriptors.c - numbers that are closed, replaced and used again, seen and unseen, while threads wait on them */
#include "plain.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *write_late(void *argument)
{
	pause_ms(40);
	write_full(*(int *)argument, "late", 4);
	return NULL;
}

/* Waits once on FD, so that whatever is remembered about a waiting descriptor is remembered. */
static void wait_once(int fd, int peer)
{
	char text[8];
	pthread_t writer = spawn(write_late, &peer);

	say("waited: %zd", read(fd, text, sizeof(text)));
	join(writer);
}

static void *receive(void *argument)
{
	char text[8];

	return (void *)(long)error_name(recv(*(int *)argument, text, 8, 0) == -1 ? errno : 0);
}

static void *read_any(void *argument)
{
	char text[8];

	return (void *)(long)error_name(read(*(int *)argument, text, 8) == -1 ? errno : 0);
}

static void *accept_any(void *argument)
{
	return (void *)(long)error_name(accept(*(int *)argument, NULL, NULL) == -1 ? errno : 0);
}

static void *poll_any(void *argument)
{
	struct pollfd one = { *(int *)argument, POLLIN, 0 };

	if (poll(&one, 1, 5000) == -1)
		return (void *)(long)error_name(errno);
	return (void *)(long)(one.revents & POLLNVAL ? "POLLNVAL" : "something else");
}

/* L23, CK7, U18: Natively these waits would go on: that the shim ends them is a published difference. */
static void close_while_waiting(void)
{
	int pair[2], other[2], port, listener = listen_local(1, &port);

	stream_pair(pair);
	tcp_pair(other);
	pthread_t receiver = spawn(receive, &pair[0]);
	pthread_t acceptor = spawn(accept_any, &listener);
	pthread_t poller = spawn(poll_any, &other[0]);
	pause_ms(50);
	close(pair[0]);
	close(listener);
	close(other[0]);
	say("recv: %s", (char *)join(receiver));
	say("accept: %s", (char *)join(acceptor));
	say("poll: %s", (char *)join(poller));
}

/* L23, CK7, U18: So it is with whatever else takes a number away. */
static void replaced_while_waiting(void)
{
	int first[2], second[2], third[2], fourth[2], port, listener;

	stream_pair(first);
	tcp_pair(second);
	must(pipe(third) == 0, "pipe");
	listener = listen_local(1, &port);
	stream_pair(fourth);
	pthread_t threads[] = { spawn(receive, &first[0]), spawn(poll_any, &second[0]), spawn(read_any, &third[0]),
				spawn(accept_any, &listener) };
	pause_ms(50);
	dup2(fourth[0], first[0]);
	dup3(fourth[0], third[0], O_CLOEXEC);
	close_range((unsigned)second[0], (unsigned)second[1], 0);
	closefrom(listener);
	say("recv: %s", (char *)join(threads[0]));
	say("poll: %s", (char *)join(threads[1]));
	say("read: %s", (char *)join(threads[2]));
	say("accept: %s", (char *)join(threads[3]));
}

/* The way that works everywhere: shut down first. */
static void shutdown_then_close(void)
{
	int pair[2], port, listener = listen_local(1, &port);

	stream_pair(pair);
	pthread_t receiver = spawn(receive, &pair[0]);
	pthread_t acceptor = spawn(accept_any, &listener);
	pause_ms(50);
	shutdown(pair[0], SHUT_RDWR);
	shutdown(listener, SHUT_RDWR);
	say("recv: %s", (char *)join(receiver));
	say("accept: %s", (char *)join(acceptor));
	say("close: %s", outcome(close(pair[0])));
	say("close: %s", outcome(close(listener)));
	say("close again: %s", outcome(close(listener)));
}

static void dup2_over_live(void)
{
	int old[2], fresh[2];

	stream_pair(old);
	stream_pair(fresh);
	wait_once(old[0], old[1]);
	say("dup2: %s", dup2(fresh[0], old[0]) == old[0] ? "same number" : "another number");
	write_full(fresh[1], "0", 1);
	char byte;
	say("at once: %zd", read(old[0], &byte, 1));
	wait_once(old[0], fresh[1]);
	say("the old peer sees: %zd", read(old[1], &byte, 1));
	say("dup3 on itself: %s", outcome(dup3(old[0], old[0], 0)));
}

static void close_unseen(int fd)
{
	must(syscall(SYS_close, fd) == 0, "close");
}

/* The number of a descriptor that was closed by a system call comes back for another socket. */
static void unseen_close(void)
{
	int old[2], fresh[2];

	stream_pair(old);
	wait_once(old[0], old[1]);
	close_unseen(old[0]);
	stream_pair(fresh);
	say("same number: %s", fresh[0] == old[0] ? "yes" : "no");
	wait_once(fresh[0], fresh[1]);
	wait_once(fresh[0], fresh[1]);
}

/* As before, but a duplicate keeps the old socket alive and busy. */
static void unseen_close_with_dup(void)
{
	int old[2], fresh[2];
	char text[8];

	stream_pair(old);
	wait_once(old[0], old[1]);
	int kept = dup(old[0]);
	close_unseen(old[0]);
	stream_pair(fresh);
	say("same number: %s", fresh[0] == old[0] ? "yes" : "no");
	pthread_t writer = spawn(write_late, &fresh[1]);
	for (int i = 0; i < 20; i++)
		write_full(old[1], "noise", 5);
	say("waited: %zd", read(fresh[0], text, sizeof(text)));
	join(writer);
	say("kept: %zd", read(kept, text, 8));
}

/* The same file comes back on its number after a close that nobody saw. */
static void unseen_close_and_back(void)
{
	int pair[2];

	stream_pair(pair);
	wait_once(pair[0], pair[1]);
	int kept = dup(pair[0]);
	close_unseen(pair[0]);
	say("dup2: %s", dup2(kept, pair[0]) == pair[0] ? "same number" : "another number");
	wait_once(pair[0], pair[1]);
	wait_once(kept, pair[1]);
}

/* Neither the close nor the creation is seen. */
static void unseen_both(void)
{
	int old[2], fresh[2];

	stream_pair(old);
	wait_once(old[0], old[1]);
	close_unseen(old[0]);
	must(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fresh) == 0, "socketpair");
	say("same number: %s", fresh[0] == old[0] ? "yes" : "no");
	wait_once(fresh[0], fresh[1]);
}

static void dup_closed(void)
{
	int pair[2];

	stream_pair(pair);
	int other = dup(pair[0]);
	wait_once(pair[0], pair[1]);
	wait_once(other, pair[1]);
	close(other);
	wait_once(pair[0], pair[1]);
	other = fcntl(pair[0], F_DUPFD, 100);
	wait_once(other, pair[1]);
	close(pair[0]);
	wait_once(other, pair[1]);
}

/* fclose closes inside libc. */
static void closed_by_stdio(void)
{
	int pair[2], fresh[2];

	stream_pair(pair);
	wait_once(pair[0], pair[1]);
	FILE *stream = fdopen(pair[0], "r+");
	fclose(stream);
	stream_pair(fresh);
	say("same number: %s", fresh[0] == pair[0] ? "yes" : "no");
	wait_once(fresh[0], fresh[1]);
}

/* MP1, L23, CK7: A daemon closes everything that it did not open: waiting must go on to work. */
static void close_everything(void)
{
	int pair[2];

	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	stream_pair(pair);
	wait_once(pair[0], pair[1]);
	close_range(3, 20000, 0);
	stream_pair(pair);
	wait_once(pair[0], pair[1]);
	closefrom(3);
	stream_pair(pair);
	wait_once(pair[0], pair[1]);
	must(syscall(SYS_close_range, 3, 20000, 0) == 0, "close_range");
	stream_pair(pair);
	say("numbers from %d", pair[0]);
	wait_once(pair[0], pair[1]);
}

/* New descriptors get the lowest number: nothing of ours may stand in between. */
static void *lowest(void *argument)
{
	int first = dup(0), second = dup(0);

	(void)argument;
	pause_ms(5);
	int third = dup(0);
	say("numbers %d %d %d", first, second, third);
	return NULL;
}

static void lowest_numbers(void)
{
	join(spawn(lowest, NULL));
}

/* Opened and closed over and over, on the same few numbers, with threads that wait each time. */
static void *churn(void *argument)
{
	int pair[2];
	char byte;

	(void)argument;
	for (int i = 0; i < 100; i++) {
		stream_pair(pair);
		write_full(pair[1], "x", 1);
		must(read(pair[0], &byte, 1) == 1, "read");
		sched_yield();
		close(pair[i % 2]);
		close(pair[1 - i % 2]);
	}
	return NULL;
}

/* CK7, U18: a number that is used again */
static void reuse(void)
{
	pthread_t threads[10];

	for (int i = 0; i < 10; i++)
		threads[i] = spawn(churn, NULL);
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	say("done");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "shutdown_then_close", shutdown_then_close, 2 },
		{ "dup2_over_live", dup2_over_live, 2 },
		{ "unseen_close", unseen_close, 3 },
		{ "unseen_close_with_dup", unseen_close_with_dup, 2 },
		{ "unseen_close_and_back", unseen_close_and_back, 3 },
		{ "unseen_both", unseen_both, 2 },
		{ "dup_closed", dup_closed, 5 },
		{ "closed_by_stdio", closed_by_stdio, 2 },
		{ "close_everything", close_everything, 4 },
		{ "lowest_numbers", lowest_numbers, 1 },
		{ "reuse", reuse, 10 },
		{ "close_while_waiting", close_while_waiting, 3 },
		{ "replaced_while_waiting", replaced_while_waiting, 4 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
