/* SPDX-License-Identifier: MIT */
/* socket_io.c - blocking socket calls in threads: whole transfers, flags, time limits, accept, shutdown */
#include "plain.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void *echo_back(void *argument)
{
	int fd = *(int *)argument;
	char byte[256];
	ssize_t n;

	while ((n = recv(fd, byte, sizeof(byte), 0)) > 0)
		send(fd, byte, (size_t)n, 0);
	close(fd);
	return NULL;
}

static void echo_rounds(int fd, int rounds)
{
	char out[32], in[32];
	int same = 0;

	for (int i = 0; i < rounds; i++) {
		int length = snprintf(out, sizeof(out), "message %d", i);

		send(fd, out, (size_t)length, 0);
		ssize_t n = recv(fd, in, sizeof(in), 0);
		same += n == length && !memcmp(in, out, (size_t)n);
	}
	say("%d of %d came back", same, rounds);
}

/* MP5: accept, connect, send and receive */
static void echo(void)
{
	int pair[10][2];
	pthread_t threads[10];

	for (int i = 0; i < 10; i++) {
		if (i % 2)
			tcp_pair(pair[i]);
		else
			stream_pair(pair[i]);
		threads[i] = spawn(echo_back, &pair[i][1]);
	}
	for (int i = 0; i < 10; i++) {
		echo_rounds(pair[i][0], 50);
		close(pair[i][0]);
	}
	for (int i = 0; i < 10; i++)
		join(threads[i]);
}

enum { BULK = 10 * 1000 * 1000 };

static unsigned char pattern(size_t at)
{
	return (unsigned char)(at * 31 + (at >> 11));
}

static unsigned char *patterned(size_t size)
{
	unsigned char *buffer = malloc(size);

	for (size_t i = 0; i < size; i++)
		buffer[i] = pattern(i);
	return buffer;
}

/* A blocking send returns only when everything is queued, however small the buffers are. */
static void *send_bulk(void *argument)
{
	int fd = *(int *)argument;
	unsigned char *buffer = patterned(BULK);
	ssize_t sent = send(fd, buffer, BULK, 0);

	free(buffer);
	close(fd);
	return (void *)sent;
}

static void read_bulk(int fd, pthread_t sender)
{
	unsigned char *piece = malloc(100000);
	size_t total = 0, wrong = 0;
	ssize_t n;

	while ((n = recv(fd, piece, 100000, 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			wrong += piece[i] != pattern(total + (size_t)i);
		total += (size_t)n;
	}
	free(piece);
	say("sent %ld, received %zu, wrong %zu", (long)join(sender), total, wrong);
}

static void bulk_unix(void)
{
	int pair[2];

	stream_pair(pair);
	read_bulk(pair[0], spawn(send_bulk, &pair[1]));
	close(pair[0]);
}

static void bulk_tcp(void)
{
	int pair[2];

	tcp_pair(pair);
	read_bulk(pair[0], spawn(send_bulk, &pair[1]));
	close(pair[0]);
}

static void *dribble(void *argument)
{
	int fd = *(int *)argument;

	for (int i = 0; i < 10; i++) {
		send(fd, "0123456789", 10, 0);
		pause_ms(10);
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void waitall(void)
{
	int pair[2];
	char buffer[200];

	tcp_pair(pair);
	pthread_t writer = spawn(dribble, &pair[1]);
	say("peek for 20: %zd", recv(pair[0], buffer, 20, MSG_WAITALL | MSG_PEEK));
	say("recv of 75: %zd", recv(pair[0], buffer, 75, MSG_WAITALL));
	say("first byte %c, last %c", buffer[0], buffer[74]);
	say("recv of 200: %zd", recv(pair[0], buffer, 200, MSG_WAITALL));
	say("at the end: %zd", recv(pair[0], buffer, 200, MSG_WAITALL));
	join(writer);
}

static void *send_late(void *argument)
{
	pause_ms(30);
	send(*(int *)argument, "late", 4, 0);
	return NULL;
}

static void peek(void)
{
	int pair[2];
	char buffer[8] = "";

	stream_pair(pair);
	pthread_t writer = spawn(send_late, &pair[1]);
	say("peeked %zd", recv(pair[0], buffer, 8, MSG_PEEK));
	say("took %zd: %.4s", recv(pair[0], buffer, 8, 0), buffer);
	say("then %s", outcome(recv(pair[0], buffer, 8, MSG_DONTWAIT | MSG_PEEK)));
	join(writer);
}

static void dontwait(void)
{
	int pair[2];
	char *buffer = calloc(1, 1 << 20);
	size_t queued = 0;
	ssize_t n;

	stream_pair(pair);
	pthread_t writer = spawn(send_late, &pair[1]);
	say("nothing there yet: %s", outcome(recv(pair[0], buffer, 8, MSG_DONTWAIT)));
	join(writer);
	say("now there is: %zd", recv(pair[0], buffer, 8, MSG_DONTWAIT));
	while ((n = send(pair[0], buffer, 1 << 20, MSG_DONTWAIT)) > 0)
		queued += (size_t)n;
	say("the queue fills: %s, %s", outcome(n), queued > 1000 ? "some was sent" : "nothing was sent");
	free(buffer);
}

static void set_timeout(int fd, int option, int ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000 };

	must(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit)) == 0, "setsockopt");
}

static void *receive_with_limit(void *argument)
{
	int fd = *(int *)argument;
	char buffer[8];
	double start = now();

	say("recv: %s", outcome(recv(fd, buffer, 8, 0)));
	say_elapsed("recv", start, 0.14, 2);
	start = now();
	say("read: %s", outcome(read(fd, buffer, 8)));
	say_elapsed("read", start, 0.14, 2);
	return NULL;
}

/* CK9: a limit of time */
static void receive_timeout(void)
{
	int pair[2];

	tcp_pair(pair);
	set_timeout(pair[0], SO_RCVTIMEO, 150);
	join(spawn(receive_with_limit, &pair[0]));
	join(spawn(send_late, &pair[1]));
	char buffer[8];
	say("with data: %zd", recv(pair[0], buffer, 8, 0));
}

/* Data that came before the time was up is returned in place of the error. */
static void *partial_waitall(void *argument)
{
	char buffer[64];

	say("partial: %zd", recv(*(int *)argument, buffer, 64, MSG_WAITALL));
	return NULL;
}

static void receive_timeout_partial(void)
{
	int pair[2];

	tcp_pair(pair);
	set_timeout(pair[0], SO_RCVTIMEO, 200);
	pthread_t reader = spawn(partial_waitall, &pair[0]);
	send(pair[1], "abc", 3, 0);
	join(reader);
}

static void *send_with_limit(void *argument)
{
	int fd = *(int *)argument;
	char *buffer = calloc(1, 4 << 20);
	double start = now();
	ssize_t n = send(fd, buffer, 4 << 20, 0);

	say("first: %s", n > 0 && n < 4 << 20 ? "a part" : outcome(n));
	say_elapsed("first", start, 0.14, 3);
	say("second: %s", outcome(send(fd, buffer, 4 << 20, 0)));
	free(buffer);
	return NULL;
}

static void send_timeout(void)
{
	int pair[2];

	stream_pair(pair);
	set_timeout(pair[0], SO_SNDTIMEO, 150);
	join(spawn(send_with_limit, &pair[0]));
}

static void *accept_with_limit(void *argument)
{
	double start = now();

	say("accept: %s", outcome(accept(*(int *)argument, NULL, NULL)));
	say_elapsed("accept", start, 0.14, 2);
	return NULL;
}

static void accept_timeout(void)
{
	int port, listener = listen_local(5, &port);

	set_timeout(listener, SO_RCVTIMEO, 150);
	join(spawn(accept_with_limit, &listener));
	close(listener);
}

static void *accept_one(void *argument)
{
	int fd = accept(*(int *)argument, NULL, NULL);
	char byte = 0;

	if (fd == -1)
		return (void *)-1L;
	recv(fd, &byte, 1, 0);
	send(fd, &byte, 1, 0);
	close(fd);
	return (void *)(long)byte;
}

static int connect_and_send(int port, char byte)
{
	int fd = connect_local(port);

	send(fd, &byte, 1, 0);
	return fd;
}

/* Connections that wait before anybody accepts come as one readiness: each thread still gets its own. */
static void accept_three(void)
{
	int port, listener = listen_local(5, &port), clients[3], sum = 0;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		clients[i] = connect_and_send(port, (char)(i + 1));
	for (int i = 0; i < 3; i++)
		threads[i] = spawn(accept_one, &listener);
	for (int i = 0; i < 3; i++)
		sum += (int)(long)join(threads[i]);
	say("three pending: sum of the bytes %d", sum);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
	close(listener);
}

static void accept_waiting(void)
{
	int port, listener = listen_local(5, &port), clients[3], sum = 0;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(accept_one, &listener);
	pause_ms(50);
	for (int i = 0; i < 3; i++)
		clients[i] = connect_and_send(port, (char)(i + 1));
	for (int i = 0; i < 3; i++)
		sum += (int)(long)join(threads[i]);
	say("three waiting: sum of the bytes %d", sum);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
	close(listener);
}

struct accepted { int listener, flags; };

static void *accept_with_flags(void *argument)
{
	struct accepted *job = argument;
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	int fd = accept4(job->listener, (struct sockaddr *)&peer, &size, job->flags);

	must(fd != -1, "accept4");
	char byte;
	say("family %d, size %u, first recv %s", peer.sin_family, (unsigned)size, outcome(recv(fd, &byte, 1, 0)));
	close(fd);
	return NULL;
}

static void accept_flags(void)
{
	int port, client;
	struct accepted job = { listen_local(5, &port), SOCK_NONBLOCK | SOCK_CLOEXEC };

	pthread_t thread = spawn(accept_with_flags, &job);
	client = connect_local(port);
	join(thread);
	close(client);
	close(job.listener);
}

static void *connect_refused(void *argument)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)*(int *)argument);
	say("tcp: %s", outcome(connect(fd, (struct sockaddr *)&to, sizeof(to))));
	close(fd);
	struct sockaddr_un nobody = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/socket" };
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	say("unix: %s", outcome(connect(fd, (struct sockaddr *)&nobody, sizeof(nobody))));
	close(fd);
	return NULL;
}

/* X26: where nobody listens */
static void connect_errors(void)
{
	int port, listener = listen_local(1, &port);

	close(listener);
	join(spawn(connect_refused, &port));
}

static void *shut_down_late(void *argument)
{
	pause_ms(50);
	say("shutdown: %s", outcome(shutdown(*(int *)argument, SHUT_RDWR)));
	return NULL;
}

/* L23: shutdown */
static void shutdown_wakes(void)
{
	int pair[2], port, listener = listen_local(1, &port);
	char byte;

	stream_pair(pair);
	pthread_t thread = spawn(shut_down_late, &pair[0]);
	ssize_t n = recv(pair[0], &byte, 1, 0);
	join(thread);
	say("recv: %zd", n);
	thread = spawn(shut_down_late, &listener);
	const char *end = outcome(accept(listener, NULL, NULL));
	join(thread);
	say("accept: %s", end);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "echo", echo, 10 },
		{ "bulk_unix", bulk_unix, 1 },
		{ "bulk_tcp", bulk_tcp, 1 },
		{ "waitall", waitall, 1 },
		{ "peek", peek, 1 },
		{ "dontwait", dontwait, 1 },
		{ "receive_timeout", receive_timeout, 2 },
		{ "receive_timeout_partial", receive_timeout_partial, 1 },
		{ "send_timeout", send_timeout, 1 },
		{ "accept_timeout", accept_timeout, 1 },
		{ "accept_three", accept_three, 3 },
		{ "accept_waiting", accept_waiting, 3 },
		{ "accept_flags", accept_flags, 1 },
		{ "connect_errors", connect_errors, 1 },
		{ "shutdown_wakes", shutdown_wakes, 2 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
