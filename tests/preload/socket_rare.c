/* SPDX-License-Identifier: MIT */
/* socket_rare.c - what sockets can do and few programs ask for: low-water marks, urgent data, full backlogs, limits */
#include "plain.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { STEP_MS = 40 };

/* What a thread writes, one piece after the other, with a pause before each. */
struct pieces {
	int fd;
	int sizes[6];
};

static void *write_pieces(void *argument)
{
	struct pieces *pieces = argument;
	char text[64];

	memset(text, 'p', sizeof(text));
	for (int i = 0; pieces->sizes[i]; i++) {
		pause_ms(STEP_MS);
		send(pieces->fd, text, (size_t)pieces->sizes[i], 0);
	}
	return NULL;
}

static void set_option(int fd, int option, int value)
{
	must(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) == 0, "setsockopt");
}

static void set_limit(int fd, int option, int ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000 };

	must(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit)) == 0, "setsockopt");
}

/* --- SO_RCVLOWAT --- */

static void receive_above_mark(int pair[2])
{
	struct pieces pieces = { pair[1], { 4, 3, 2, 0 } };
	char buffer[64];

	set_option(pair[0], SO_RCVLOWAT, 9);
	pthread_t writer = spawn(write_pieces, &pieces);
	double start = now();
	say("recv of 64: %zd", recv(pair[0], buffer, sizeof(buffer), 0));
	say_elapsed("three pieces", start, STEP_MS * 3 * 0.9 / 1000, 2);
	join(writer);
}

/* TCP does not wake who waits for less than the mark, so only a local socket can show this. */
static void receive_below_mark(int pair[2])
{
	struct pieces pieces = { pair[1], { 2, 1, 5, 0 } };
	char buffer[64];

	pthread_t writer = spawn(write_pieces, &pieces);
	say("read of 3, less than the mark: %zd", read(pair[0], buffer, 3));
	join(writer);
	say("DONTWAIT: %zd", recv(pair[0], buffer, sizeof(buffer), MSG_DONTWAIT));
	pieces = (struct pieces){ pair[1], { 12, 3, 0 } };
	writer = spawn(write_pieces, &pieces);
	say("WAITALL of 15: %zd", recv(pair[0], buffer, 15, MSG_WAITALL));
	join(writer);
}

static void mark_with_limit(int pair[2])
{
	struct pieces pieces = { pair[1], { 4, 0 } };
	char buffer[64];
	double start = now();

	set_limit(pair[0], SO_RCVTIMEO, 150);
	pthread_t writer = spawn(write_pieces, &pieces);
	say("what came until the limit: %zd", recv(pair[0], buffer, sizeof(buffer), 0));
	say_elapsed("limit", start, 0.14, 2);
	say("nothing came: %s", outcome(recv(pair[0], buffer, sizeof(buffer), 0)));
	join(writer);
	pieces = (struct pieces){ pair[1], { 4, 0 } };
	set_limit(pair[0], SO_RCVTIMEO, 0);
	writer = spawn(write_pieces, &pieces);
	pause_ms(STEP_MS * 2);
	shutdown(pair[1], SHUT_WR);
	say("up to the end: %zd", recv(pair[0], buffer, sizeof(buffer), 0));
	say("the end: %zd", recv(pair[0], buffer, sizeof(buffer), 0));
	join(writer);
}

static void low_water_mark(void)
{
	int tcp[2], local[2];

	tcp_pair(tcp);
	receive_above_mark(tcp);
	mark_with_limit(tcp);
	stream_pair(local);
	receive_above_mark(local);
	receive_below_mark(local);
	mark_with_limit(local);
}

static void *look(void *argument)
{
	struct pollfd one = { *(int *)argument, POLLIN, 0 };
	int ready = poll(&one, 1, 5000), queued = 0;

	ioctl(one.fd, FIONREAD, &queued);
	say("poll: %d, %s", ready, queued >= 9 ? "as much as the mark" : "less than the mark");
	return NULL;
}

/* TCP does not even tell of less; and who is accepted has the listener's mark. */
static void low_water_mark_polled(void)
{
	int port, listener = listen_local(4, &port);

	set_option(listener, SO_RCVLOWAT, 9);
	int out = connect_local(port), in = accept(listener, NULL, NULL);
	struct pieces pieces = { out, { 4, 3, 2, 0 } };
	pthread_t poller = spawn(look, &in), writer = spawn(write_pieces, &pieces);
	join(poller);
	join(writer);
	char buffer[64];
	say("inherited: %zd", recv(in, buffer, sizeof(buffer), 0));
	pieces = (struct pieces){ out, { 5, 5, 0 } };
	writer = spawn(write_pieces, &pieces);
	say("and then: %zd", recv(in, buffer, sizeof(buffer), 0));
	join(writer);
}

/* --- MSG_WAITALL and what comes with the bytes --- */

static void send_with_descriptor(int fd, const char *text, int passed)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec part = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (passed >= 0) {
		message.msg_control = control.room;
		message.msg_controllen = sizeof(control.room);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &passed, sizeof(int));
	}
	must(sendmsg(fd, &message, 0) == (ssize_t)part.iov_len, "sendmsg");
}

static void *send_descriptors(void *argument)
{
	int fd = *(int *)argument;

	pause_ms(STEP_MS);
	send_with_descriptor(fd, "none", -1);
	pause_ms(STEP_MS);
	send_with_descriptor(fd, "first", 1);
	pause_ms(STEP_MS);
	send_with_descriptor(fd, "second", 2);
	pause_ms(STEP_MS);
	send_with_descriptor(fd, "third", 1);
	pause_ms(STEP_MS);
	send_with_descriptor(fd, "the rest, without any", -1);
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void say_control(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		int fd;

		say("  type %d, %zu bytes", part->cmsg_type, part->cmsg_len - CMSG_LEN(0));
		if (part->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(&fd, CMSG_DATA(part), sizeof(int));
		say("  close: %s", outcome(close(fd)));
	}
}

static ssize_t receive_all(int fd, size_t room)
{
	union {
		char room[256];
		struct cmsghdr align;
	} control;
	char buffer[64];
	struct iovec part = { buffer, sizeof(buffer) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = room };
	ssize_t n = recvmsg(fd, &message, MSG_WAITALL);

	say("WAITALL: %zd \"%.*s\", flags %#x", n, (int)(n > 0 ? n : 0), buffer, (unsigned)message.msg_flags);
	if (n >= 0)
		say_control(&message);
	return n;
}

static void waitall_of_descriptors(bool credentials, size_t room)
{
	int pair[2];

	stream_pair(pair);
	set_option(pair[0], SO_PASSCRED, credentials);
	pthread_t sender = spawn(send_descriptors, &pair[1]);
	while (receive_all(pair[0], room) > 0)
		;
	join(sender);
	close(pair[0]);
	close(pair[1]);
}

static void waitall_descriptors(void)
{
	waitall_of_descriptors(false, 256);
	waitall_of_descriptors(true, 256);
	waitall_of_descriptors(false, 0);
}

/* --- local sockets whose listener has no room --- */

struct backlog {
	int type;
	struct sockaddr_un at;
	socklen_t size;
};

static int backlog_connect(const struct backlog *backlog, int flags)
{
	int fd = socket(AF_UNIX, backlog->type | flags, 0);

	must(fd != -1, "socket");
	if (connect(fd, (const struct sockaddr *)&backlog->at, backlog->size) == 0)
		return fd;
	close(fd);
	return -1;
}

static void *connect_late(void *argument)
{
	int fd = backlog_connect(argument, 0);

	say("connect that had to wait: %s", fd == -1 ? error_name(errno) : "ok");
	return (void *)(long)fd;
}

static void *connect_limited(void *argument)
{
	struct backlog *backlog = argument;
	int fd = socket(AF_UNIX, backlog->type, 0);
	double start = now();

	set_limit(fd, SO_SNDTIMEO, 120);
	say("with a limit: %s", outcome(connect(fd, (const struct sockaddr *)&backlog->at, backlog->size)));
	say_elapsed("limit", start, 0.11, 2);
	close(fd);
	return NULL;
}

static void *count_up(void *argument)
{
	for (int i = 0; i < 20; i++) {
		pause_ms(5);
		++*(int *)argument;
	}
	return NULL;
}

static void full_backlog_of(int type, const char *what)
{
	struct backlog backlog = { .type = type, .at = { .sun_family = AF_UNIX } };
	int listener = socket(AF_UNIX, type, 0), kept[4], counted = 0;

	backlog.size = sizeof(sa_family_t);
	must(bind(listener, (struct sockaddr *)&backlog.at, backlog.size) == 0, "bind");
	backlog.size = sizeof(backlog.at);
	getsockname(listener, (struct sockaddr *)&backlog.at, &backlog.size);
	must(listen(listener, 1) == 0, "listen");
	for (int i = 0; i < 2; i++)
		kept[i] = backlog_connect(&backlog, 0);
	say("%s: %s, %s", what, kept[1] == -1 ? "full too early" : "full", backlog_connect(&backlog, SOCK_NONBLOCK) == -1 ?
	    error_name(errno) : "not yet");
	join(spawn(connect_limited, &backlog));
	pthread_t late = spawn(connect_late, &backlog), counter = spawn(count_up, &counted);
	join(counter);
	say("others went on: %d", counted);
	int accepted = accept(listener, NULL, NULL);
	kept[2] = (int)(long)join(late);
	send(kept[0], "hello", 5, 0);
	char text[8];
	say("accepted: %zd", recv(accepted, text, 8, 0));
	close(accepted);
	close(listener);
	for (int i = 0; i < 3; i++)
		close(kept[i]);
}

static void full_backlog(void)
{
	full_backlog_of(SOCK_STREAM, "stream");
	full_backlog_of(SOCK_SEQPACKET, "seqpacket");
}

/* --- limits of time, in both numberings --- */

static void limit_of(int option, const void *value, socklen_t size, const char *what)
{
	int pair[2];
	char byte;
	double start;

	tcp_pair(pair);
	say("%s: %s", what, outcome(setsockopt(pair[0], SOL_SOCKET, option, value, size)));
	start = now();
	say("recv: %s", outcome(recv(pair[0], &byte, 1, 0)));
	say_elapsed("recv", start, 0.11, 2);
	struct timeval seen;
	socklen_t seen_size = sizeof(seen);
	getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &seen, &seen_size);
	say("seen by the usual name: %ld us", (long)seen.tv_usec);
	close(pair[0]);
	close(pair[1]);
}

static void *both_numberings(void *argument)
{
	int64_t value[2] = { 0, 120000 };

	(void)argument;
	limit_of(20, value, sizeof(value), "SO_RCVTIMEO, old");
	limit_of(66, value, sizeof(value), "SO_RCVTIMEO, new");
	value[1] = 1000000;
	int pair[2];
	tcp_pair(pair);
	say("too many microseconds: %s", outcome(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, value, sizeof(value))));
	return NULL;
}

static void numberings(void)
{
	join(spawn(both_numberings, NULL));
}

/* --- many messages with a limit --- */

static int udp_pair(int *other)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
	getsockname(fd, (struct sockaddr *)&at, &size);
	*other = socket(AF_INET, SOCK_DGRAM, 0);
	must(connect(*other, (struct sockaddr *)&at, size) == 0, "connect");
	return fd;
}

static void receive_batch(int fd, int flags, struct timespec *limit, const char *what)
{
	struct mmsghdr messages[4];
	struct iovec parts[4];
	char buffers[4][16];

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < 4; i++) {
		parts[i] = (struct iovec){ buffers[i], sizeof(buffers[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	int n = recvmmsg(fd, messages, 4, flags, limit);
	say("%s: %d %s", what, n, n == -1 ? error_name(errno) : "");
	for (int i = 0; i < n; i++)
		say("  %u", messages[i].msg_len);
	if (limit)
		say("  left: %s", limit->tv_sec < 0 || limit->tv_nsec < 0 ? "less than nothing" : limit->tv_sec ? "seconds" :
		    limit->tv_nsec ? "a part" : "nothing");
}

static void batches(void)
{
	int out, in = udp_pair(&out);
	struct pieces pieces = { out, { 1, 2, 3, 4, 5, 0 } };
	struct timespec limit = { 0, 1000000 }, bad = { 0, 1000000000 }, long_limit = { 50, 500 };

	receive_batch(in, 0, &bad, "bad limit");
	pthread_t writer = spawn(write_pieces, &pieces);
	receive_batch(in, 0, &limit, "the limit counts after a message only");
	join(writer);
	receive_batch(in, 0, &long_limit, "four that are there");
	pieces = (struct pieces){ out, { 7, 8, 0 } };
	writer = spawn(write_pieces, &pieces);
	receive_batch(in, MSG_WAITFORONE, NULL, "for one");
	receive_batch(in, MSG_WAITFORONE, NULL, "for one more");
	join(writer);
	receive_batch(in, MSG_DONTWAIT, NULL, "nothing there");
	set_limit(in, SO_RCVTIMEO, 100);
	receive_batch(in, 0, NULL, "nothing until SO_RCVTIMEO");
}

/* --- urgent data --- */

static void *send_urgent(void *argument)
{
	int fd = *(int *)argument;

	pause_ms(STEP_MS);
	send(fd, "before", 6, 0);
	send(fd, "!", 1, MSG_OOB);
	send(fd, "after", 5, 0);
	return NULL;
}

static void *poll_urgent(void *argument)
{
	struct pollfd one = { *(int *)argument, POLLPRI, 0 };
	int ready = poll(&one, 1, 5000);

	say("poll for urgent data: %d, revents %#x", ready, (unsigned)one.revents);
	return NULL;
}

static void urgent_rest(int fd)
{
	char text[16];
	int mark = -1;
	ssize_t n = recv(fd, text, sizeof(text), 0);

	say("before the mark: %.*s", (int)n, text);
	say("at the mark: %d %s", sockatmark(fd), outcome(ioctl(fd, SIOCATMARK, &mark)));
	n = recv(fd, text, sizeof(text), 0);
	say("behind the mark: %.*s", (int)n, text);
}

/* L9, X13: urgent data */
static void urgent(void)
{
	int pair[2];
	char byte = 0;

	tcp_pair(pair);
	say("none yet: %s", outcome(recv(pair[0], &byte, 1, MSG_OOB)));
	pthread_t sender = spawn(send_urgent, &pair[1]), poller = spawn(poll_urgent, &pair[0]);
	join(poller);
	join(sender);
	say("urgent: %zd %c", recv(pair[0], &byte, 1, MSG_OOB), byte);
	urgent_rest(pair[0]);
	set_option(pair[0], SO_OOBINLINE, 1);
	sender = spawn(send_urgent, &pair[1]);
	join(sender);
	say("not apart: %s", outcome(recv(pair[0], &byte, 1, MSG_OOB)));
	urgent_rest(pair[0]);
}

static int urgent_owner_calls;

static void on_urgent(int number)
{
	(void)number;
	urgent_owner_calls++;
}

static void urgent_signal(void)
{
	struct sigaction action = { .sa_handler = on_urgent, .sa_flags = SA_RESTART };
	int pair[2];
	char text[16];

	tcp_pair(pair);
	sigaction(SIGURG, &action, NULL);
	say("owner: %s", outcome(fcntl(pair[0], F_SETOWN, getpid())));
	pthread_t sender = spawn(send_urgent, &pair[1]);
	say("recv: %zd", recv(pair[0], text, sizeof(text), 0));
	join(sender);
	pause_ms(20);
	say("signals: %d", urgent_owner_calls);
}

/* --- what a close waits for --- */

static volatile int counted_meanwhile;

static void *close_lingering(void *argument)
{
	int fd = *(int *)argument;
	double start = now();

	say("close: %s", outcome(close(fd)));
	say_elapsed("close", start, 0.9, 4);
	say("others %s", counted_meanwhile > 5 ? "went on" : "stood still");
	return NULL;
}

static void linger(void)
{
	struct linger one_second = { 1, 1 };
	int pair[2];
	static char much[1 << 16];

	tcp_pair(pair);
	setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &one_second, sizeof(one_second));
	while (send(pair[0], much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	pthread_t closer = spawn(close_lingering, &pair[0]), counter = spawn(count_up, (void *)&counted_meanwhile);
	join(closer);
	join(counter);
}

/* --- several readers and writers of one socket --- */

static void *read_one(void *argument)
{
	char byte = 0;

	recv(*(int *)argument, &byte, 1, 0);
	return (void *)(long)byte;
}

static void side_by_side(void)
{
	pthread_t readers[5];
	int pair[2], sum = 0;

	tcp_pair(pair);
	for (int i = 0; i < 5; i++)
		readers[i] = spawn(read_one, &pair[0]);
	pause_ms(STEP_MS);
	send(pair[1], "\1\2\3\4\5", 5, 0);
	for (int i = 0; i < 5; i++)
		sum += (int)(long)join(readers[i]);
	say("each got one, sum %d", sum);
}

/* --- a peer that breaks off in the middle: what has come counts, and the next call says why --- */

static void *break_off(void *argument)
{
	struct linger at_once = { 1, 0 };
	int fd = *(int *)argument;

	pause_ms(STEP_MS);
	send(fd, "hello", 5, 0);
	pause_ms(STEP_MS);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	return NULL;
}

static void broken_receive(void (*make)(int[2]), const char *what)
{
	char buffer[64];
	int pair[2];

	make(pair);
	/* What was not read makes a local socket's peer see a reset. */
	send(pair[0], "unread", 6, 0);
	pthread_t breaker = spawn(break_off, &pair[1]);
	say("%s: %zd", what, recv(pair[0], buffer, 20, MSG_WAITALL));
	say("then %s", outcome(recv(pair[0], buffer, 20, MSG_WAITALL)));
	say("then %s", outcome(recv(pair[0], buffer, 20, MSG_WAITALL)));
	join(breaker);
	close(pair[0]);
}

static int pipe_signals;

static void on_pipe(int number)
{
	(void)number;
	pipe_signals++;
}

static void broken_send(void (*make)(int[2]), const char *what)
{
	static char much[8 << 20];
	int pair[2];

	make(pair);
	pthread_t breaker = spawn(break_off, &pair[1]);
	ssize_t n = send(pair[0], much, sizeof(much), 0);
	say("%s: %s, %d signals", what, n > 0 && n < (ssize_t)sizeof(much) ? "a part" : outcome(n), pipe_signals);
	join(breaker);
	for (int i = 0; i < 2; i++) {
		const char *end = outcome(send(pair[0], much, 10, 0));
		say("then %s, %d signals", end, pipe_signals);
	}
	close(pair[0]);
}

static void broken_off(void)
{
	signal(SIGPIPE, on_pipe);
	broken_receive(tcp_pair, "tcp");
	broken_receive(stream_pair, "local");
	broken_send(tcp_pair, "tcp");
	broken_send(stream_pair, "local");
}

/* --- the kernel itself at the other end --- */

static void *ask_for_links(void *argument)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg body;
	} question = { { .nlmsg_len = sizeof(question), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		       { AF_UNSPEC } };
	int fd = *(int *)argument, links = 0;
	char answer[16384];

	must(send(fd, &question, sizeof(question), 0) == sizeof(question), "send");
	for (;;) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		must(n > 0, "recv");
		struct nlmsghdr *header = (struct nlmsghdr *)(void *)answer;
		for (unsigned left = (unsigned)n; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
			if (header->nlmsg_type == NLMSG_DONE)
				return (void *)(long)links;
			links += header->nlmsg_type == RTM_NEWLINK;
		}
	}
}

static void netlink(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	char byte;

	must(fd != -1, "socket");
	say("links: %s", join(spawn(ask_for_links, &fd)) ? "some" : "none");
	set_limit(fd, SO_RCVTIMEO, 100);
	say("then silence: %s", outcome(recv(fd, &byte, 1, 0)));
	close(fd);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd == -1) {
		say("raw: not allowed");
		return;
	}
	set_limit(fd, SO_RCVTIMEO, 100);
	struct sockaddr_in nowhere = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK + 77) } };
	connect(fd, (struct sockaddr *)&nowhere, sizeof(nowhere));
	say("raw: %s", outcome(recv(fd, &byte, 1, 0)));
}

/* --- datagrams that the other side has no room for --- */

static void *drain_late(void *argument)
{
	char text[512];

	pause_ms(STEP_MS);
	for (int i = 0; i < 200; i++)
		recv(*(int *)argument, text, sizeof(text), 0);
	return NULL;
}

static void full_datagrams(void)
{
	int pair[2], sent = 0;
	char text[400] = "";

	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
	pthread_t reader = spawn(drain_late, &pair[1]);
	for (int i = 0; i < 200; i++)
		sent += send(pair[0], text, sizeof(text), 0) == sizeof(text);
	join(reader);
	say("sent %d", sent);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "socketpair");
	set_option(pair[0], SO_SNDBUF, 4096);
	reader = spawn(drain_late, &pair[1]);
	for (int i = sent = 0; i < 200; i++)
		sent += write(pair[0], text, sizeof(text)) == sizeof(text);
	join(reader);
	say("sent %d", sent);
	set_limit(pair[0], SO_SNDTIMEO, 100);
	while (write(pair[0], text, sizeof(text)) > 0)
		;
	say("full: %s", error_name(errno));
}

/* To whom it is not connected to, a socket is always "writable", whatever room there is. */
static void full_unconnected(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(at);
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0), sent = 0, counted = 0;
	char text[400] = "";

	must(bind(receiver, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0, "bind");
	must(getsockname(receiver, (struct sockaddr *)&at, &size) == 0, "getsockname");
	pthread_t reader = spawn(drain_late, &receiver), counter = spawn(count_up, &counted);
	for (int i = 0; i < 200; i++)
		sent += sendto(sender, text, sizeof(text), 0, (struct sockaddr *)&at, size) == sizeof(text);
	join(reader);
	join(counter);
	say("sent %d", sent);
	while (sendto(sender, text, sizeof(text), MSG_DONTWAIT, (struct sockaddr *)&at, size) > 0)
		;
	say("no room: %s", error_name(errno));
	set_limit(sender, SO_SNDTIMEO, 100);
	double start = now();
	say("with a limit: %s", outcome(sendto(sender, text, sizeof(text), 0, (struct sockaddr *)&at, size)));
	say_elapsed("limit", start, 0.09, 2);
	struct iovec part = { text, sizeof(text) };
	struct msghdr message = { .msg_name = &at, .msg_namelen = size, .msg_iov = &part, .msg_iovlen = 1 };
	say("sendmsg with a limit: %s", outcome(sendmsg(sender, &message, 0)));
}

struct destination {
	int fd;
	struct sockaddr_un at;
	socklen_t size;
};

static void *send_to(void *argument)
{
	struct destination *to = argument;

	return (void *)(long)sendto(to->fd, "mine", 4, 0, (struct sockaddr *)&to->at, to->size);
}

/* The room is taken by somebody else's messages. */
static void full_of_others(void)
{
	struct destination to = { .at = { .sun_family = AF_UNIX }, .size = sizeof(to.at) };
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), other = socket(AF_UNIX, SOCK_DGRAM, 0), counted = 0, queued = 0;
	char text[8];

	must(bind(receiver, (struct sockaddr *)&to.at, sizeof(sa_family_t)) == 0, "bind");
	must(getsockname(receiver, (struct sockaddr *)&to.at, &to.size) == 0, "getsockname");
	while (sendto(other, "theirs", 6, MSG_DONTWAIT, (struct sockaddr *)&to.at, to.size) > 0)
		queued++;
	to.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	pthread_t sender = spawn(send_to, &to);
	join(spawn(count_up, &counted));
	say("others went on: %d", counted);
	while (queued-- > 0)
		recv(receiver, text, sizeof(text), 0);
	say("sent: %ld", (long)join(sender));
	say("came: %zd", recv(receiver, text, sizeof(text), 0));
}

/* --- a listener of TCP without room: whoever connects waits, and tries again after a second --- */

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

struct waiting_connect {
	int port, limit_ms;
	bool interrupted;
};

static int connect_to(int fd, int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };

	return connect(fd, (struct sockaddr *)&at, sizeof(at));
}

static void *connect_waiting(void *argument)
{
	struct waiting_connect *call = argument;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (call->limit_ms)
		set_limit(fd, SO_SNDTIMEO, call->limit_ms);
	int error = connect_to(fd, call->port) ? errno : 0;
	say("%s: %s", call->interrupted ? "interrupted" : call->limit_ms ? "with a limit" : "in the end", error_name(error));
	if (call->interrupted) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		say("still under way: %s", outcome(connect_to(fd, call->port)));
	}
	close(fd);
	return NULL;
}

static void full_tcp_backlog(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct waiting_connect limited = { .limit_ms = 100 }, interrupted = { .interrupted = true }, last = { 0 };
	int port, listener = listen_local(0, &port), kept = connect_local(port);

	limited.port = interrupted.port = last.port = port;
	join(spawn(connect_waiting, &limited));
	sigaction(SIGUSR1, &action, NULL);
	pthread_t thread = spawn(connect_waiting, &interrupted);
	pause_ms(STEP_MS * 2);
	pthread_kill(thread, SIGUSR1);
	join(thread);
	say("handlers: %d", alarms);
	thread = spawn(connect_waiting, &last);
	pause_ms(STEP_MS);
	close(accept(listener, NULL, NULL));
	join(thread);
	close(kept);
}

static void *send_fast(void *argument)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(*(uint16_t *)argument),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char answer[8];

	ssize_t sent = sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&at, sizeof(at));
	ssize_t came = recv(fd, answer, sizeof(answer), 0);
	close(fd);
	return (void *)(long)(sent * 10 + came);
}

static void fast_open(void)
{
	int port, listener = listen_local(4, &port);
	uint16_t number = (uint16_t)port;
	char text[8];

	for (int i = 0; i < 2; i++) {
		pthread_t sender = spawn(send_fast, &number);
		int in = accept(listener, NULL, NULL);
		say("came: %zd", recv(in, text, sizeof(text), 0));
		send(in, "answer", 6, 0);
		say("sent and answered: %ld", (long)join(sender));
		close(in);
	}
}

/* --- errors that are queued and truncated messages --- */

static void truncated(void)
{
	int out, in = udp_pair(&out);
	struct pieces pieces = { out, { 20, 30, 10, 0 } };
	char buffer[8];
	pthread_t writer = spawn(write_pieces, &pieces);

	say("TRUNC: %zd", recv(in, buffer, sizeof(buffer), MSG_TRUNC));
	say("cut: %zd", recv(in, buffer, sizeof(buffer), 0));
	say("read: %zd", read(in, buffer, sizeof(buffer)));
	join(writer);
	say("no error queued: %s", outcome(recv(in, buffer, sizeof(buffer), MSG_ERRQUEUE)));
	close(in);
	send(out, "x", 1, 0);
	pause_ms(10);
	say("refused: %s", outcome(recv(out, buffer, sizeof(buffer), 0)));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "low_water_mark", low_water_mark, 8 },
		{ "low_water_mark_polled", low_water_mark_polled, 3 },
		{ "waitall_descriptors", waitall_descriptors, 3 },
		{ "full_backlog", full_backlog, 6 },
		{ "numberings", numberings, 1 },
		{ "batches", batches, 2 },
		{ "urgent", urgent, 3 },
		{ "urgent_signal", urgent_signal, 1 },
		{ "linger", linger, 2 },
		{ "side_by_side", side_by_side, 5 },
		{ "broken_off", broken_off, 4 },
		{ "netlink", netlink, 1 },
		{ "full_datagrams", full_datagrams, 2 },
		{ "full_unconnected", full_unconnected, 2 },
		{ "full_of_others", full_of_others, 2 },
		{ "full_tcp_backlog", full_tcp_backlog, 3 },
		{ "fast_open", fast_open, 2 },
		{ "truncated", truncated, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
