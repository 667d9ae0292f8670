/* SPDX-License-Identifier: MIT */
/* messages.c - vectors, datagrams, sendfile and descriptors that travel over a socket, between threads */
#include "plain.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
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

static void *send_late(void *argument)
{
	pause_ms(30);
	send(*(int *)argument, "late", 4, 0);
	return NULL;
}

static void *scatter(void *argument)
{
	char a[] = "one ", b[] = "two ", c[] = "three";
	struct iovec parts[] = { { a, 4 }, { b, 4 }, { c, 5 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	int fd = *(int *)argument;

	pause_ms(30);
	say("writev: %zd", writev(fd, parts, 3));
	pause_ms(30);
	say("sendmsg: %zd", sendmsg(fd, &message, 0));
	return NULL;
}

static void vectors(void)
{
	int pair[2];
	char a[6] = "", b[32] = "";
	struct iovec parts[] = { { a, 5 }, { b, 31 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	tcp_pair(pair);
	pthread_t writer = spawn(scatter, &pair[1]);
	ssize_t n = readv(pair[0], parts, 2);
	char first[64];
	snprintf(first, sizeof(first), "readv: %zd %.5s|%.8s", n, a, b);
	n = recvmsg(pair[0], &message, 0);
	join(writer);
	say("%s", first);
	say("recvmsg: %zd %.5s|%.8s", n, a, b);
}

static void *datagrams_in(void *argument)
{
	int fd = *(int *)argument;
	char buffer[64];
	struct sockaddr_in from;
	socklen_t size = sizeof(from);

	for (int i = 0; i < 3; i++) {
		ssize_t n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size);

		say("datagram of %zd: %.*s", n, (int)n, buffer);
	}
	return NULL;
}

/* X26: datagrams */
static void datagrams(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(at);
	int in = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);

	must(bind(in, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
	getsockname(in, (struct sockaddr *)&at, &size);
	pthread_t reader = spawn(datagrams_in, &in);
	pause_ms(20);
	sendto(out, "first", 5, 0, (struct sockaddr *)&at, size);
	sendto(out, "", 0, 0, (struct sockaddr *)&at, size);
	sendto(out, "third one", 9, 0, (struct sockaddr *)&at, size);
	join(reader);
}

/* A read of no bytes must not take a datagram away. */
static void datagram_zero_read(void)
{
	int pair[2];
	char buffer[8];

	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
	join(spawn(send_late, &pair[1]));
	say("read of nothing: %zd", read(pair[0], buffer, 0));
	say("read: %zd", read(pair[0], buffer, 8));
}

static void *many_out(void *argument)
{
	char text[3] = "abc";
	struct iovec parts[3] = { { text, 1 }, { text, 2 }, { text, 3 } };
	struct mmsghdr messages[3] = { 0 };

	for (int i = 0; i < 3; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	pause_ms(30);
	int sent = sendmmsg(*(int *)argument, messages, 3, 0);
	return (void *)(long)sent;
}

/* MP5, L18: many messages in a call */
static void many_messages(void)
{
	int pair[2], total = 0;
	char text[3][8];
	struct iovec parts[3] = { { text[0], 8 }, { text[1], 8 }, { text[2], 8 } };
	struct mmsghdr messages[3] = { 0 };

	for (int i = 0; i < 3; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
	pthread_t writer = spawn(many_out, &pair[1]);
	int n = recvmmsg(pair[0], messages, 3, 0, NULL);
	for (int i = 0; i < n; i++)
		total += (int)messages[i].msg_len;
	say("sendmmsg %ld, recvmmsg %d messages, %d bytes", (long)join(writer), n, total);
}

static void *send_file(void *argument)
{
	int *fds = argument;
	off_t at = 0;
	ssize_t n = sendfile(fds[0], fds[1], &at, 1000000);

	close(fds[0]);
	say("sendfile: %zd, offset %ld", n, (long)at);
	return NULL;
}

/* MP5, L18, X12: sendfile */
static void whole_file(void)
{
	int pair[2];
	FILE *file = tmpfile();
	unsigned char *data = patterned(1000000), *copy = calloc(1, 1000000);

	write_full(fileno(file), data, 1000000);
	stream_pair(pair);
	int fds[2] = { pair[1], fileno(file) };
	pthread_t sender = spawn(send_file, fds);
	pause_ms(30);
	size_t n = read_full(pair[0], copy, 1000000);
	join(sender);
	say("received %zu, %s", n, memcmp(data, copy, 1000000) ? "different" : "the same");
	free(data);
	free(copy);
}

static void pass_descriptor(int over, int fd)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };

	control.head = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	must(sendmsg(over, &message, 0) == 1, "sendmsg");
}

static int take_descriptor(int over)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	int fd = -1;

	must(recvmsg(over, &message, MSG_CMSG_CLOEXEC) == 1, "recvmsg");
	must(control.head.cmsg_type == SCM_RIGHTS, "ancillary data");
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(int));
	return fd;
}

static void *serve_passed(void *argument)
{
	int fd = take_descriptor(*(int *)argument);

	return echo_back(&fd);
}

/* X26: passing sockets on */
static void passed_descriptor(void)
{
	int carrier[2], pair[2];

	stream_pair(carrier);
	stream_pair(pair);
	pthread_t server = spawn(serve_passed, &carrier[1]);
	pause_ms(20);
	pass_descriptor(carrier[0], pair[1]);
	close(pair[1]);
	echo_rounds(pair[0], 20);
	close(pair[0]);
	join(server);
}

/* The descriptor lands on a number that was used, waited on and closed just before. */
static void passed_on_used_number(void)
{
	int carrier[2], pair[2], old[2];
	char byte;

	stream_pair(carrier);
	stream_pair(pair);
	stream_pair(old);
	join(spawn(send_late, &old[1]));
	recv(old[0], &byte, 1, MSG_DONTWAIT);
	pthread_t writer = spawn(send_late, &old[1]);
	while (recv(old[0], &byte, 1, 0) == 1 && byte != 'e')
		;
	join(writer);
	pass_descriptor(carrier[0], pair[1]);
	close(old[0]);
	int fd = take_descriptor(carrier[1]);
	say("same number: %s", fd == old[0] ? "yes" : "no");
	writer = spawn(send_late, &pair[0]);
	char text[8];
	say("received %zd", recv(fd, text, 8, 0));
	join(writer);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "vectors", vectors, 1 },
		{ "datagrams", datagrams, 1 },
		{ "datagram_zero_read", datagram_zero_read, 1 },
		{ "many_messages", many_messages, 1 },
		{ "whole_file", whole_file, 1 },
		{ "passed_descriptor", passed_descriptor, 1 },
		{ "passed_on_used_number", passed_on_used_number, 3 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
