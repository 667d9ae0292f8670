/* SPDX-License-Identifier: MIT */
/* flows.c - bytes that go through sockets, pipes and streams by every kind of call, and are all checked */
#include "plain.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TOTAL = 24000, PIECE = 1500, PATIENCE = 60000 };

/* Which byte stands at OFFSET of a flow: one that is lost or doubled shows. */
static char byte_at(int flow, size_t offset)
{
	return (char)(((offset + 1) * 2654435761u + (unsigned)flow * 40503u) >> 11);
}

static bool is_transient(int error)
{
	return error == EINTR || error == EAGAIN;
}

/* Each failure of a call is said once, by its name; what follows from it is the caller's. */
static ssize_t tell(const char *call, ssize_t result)
{
	int error = errno;

	if (result == -1 && error != EAGAIN)
		say("%s: %s", call, error_name(error));
	errno = error;
	return result;
}

/* --- ways to put, and ways to take: each as read and write, but for what they say --- */

typedef ssize_t mover(int fd, char *data, size_t size);

static ssize_t by_write(int fd, char *data, size_t size) { return tell("write", write(fd, data, size)); }
static ssize_t by_send(int fd, char *data, size_t size) { return tell("send", send(fd, data, size, MSG_NOSIGNAL)); }
static ssize_t by_sendto(int fd, char *data, size_t size) { return tell("sendto", sendto(fd, data, size, 0, NULL, 0)); }
static ssize_t by_read(int fd, char *data, size_t size) { return tell("read", read(fd, data, size)); }
static ssize_t by_recv(int fd, char *data, size_t size) { return tell("recv", recv(fd, data, size, 0)); }

static ssize_t by_recvfrom(int fd, char *data, size_t size)
{
	return tell("recvfrom", recvfrom(fd, data, size, 0, NULL, NULL));
}

static ssize_t by_recv_all(int fd, char *data, size_t size)
{
	return tell("recv", recv(fd, data, size, MSG_WAITALL));
}

static int in_parts(struct iovec *parts, char *data, size_t size)
{
	parts[0] = (struct iovec){ data, size / 3 };
	parts[1] = (struct iovec){ data + size / 3, 0 };
	parts[2] = (struct iovec){ data + size / 3, size - size / 3 };
	return 3;
}

static ssize_t by_writev(int fd, char *data, size_t size)
{
	struct iovec parts[3];

	return tell("writev", writev(fd, parts, in_parts(parts, data, size)));
}

static ssize_t by_readv(int fd, char *data, size_t size)
{
	struct iovec parts[3];

	return tell("readv", readv(fd, parts, in_parts(parts, data, size)));
}

static ssize_t by_pwritev2(int fd, char *data, size_t size)
{
	struct iovec parts[3];

	return tell("pwritev2", pwritev2(fd, parts, in_parts(parts, data, size), -1, 0));
}

static ssize_t by_preadv2(int fd, char *data, size_t size)
{
	struct iovec parts[3];

	return tell("preadv2", preadv2(fd, parts, in_parts(parts, data, size), -1, 0));
}

static ssize_t by_sendmsg(int fd, char *data, size_t size)
{
	struct iovec parts[3];
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = (size_t)in_parts(parts, data, size) };

	return tell("sendmsg", sendmsg(fd, &message, 0));
}

static ssize_t by_recvmsg(int fd, char *data, size_t size)
{
	struct iovec parts[3];
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = (size_t)in_parts(parts, data, size) };

	return tell("recvmsg", recvmsg(fd, &message, 0));
}

/* Some while nobody waits for long: a wait that is over without anything is a byte that was lost. */
static ssize_t waited(const char *call, int count)
{
	if (count == 0)
		say("%s: nothing came", call);
	if (count == 0)
		_exit(98);
	return tell(call, count);
}

static ssize_t wait_by_poll(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };

	return waited("poll", poll(&polled, 1, PATIENCE));
}

static ssize_t wait_by_select(int fd, short events)
{
	struct timeval patience = { PATIENCE / 1000, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	if (events == POLLIN)
		return waited("select", select(fd + 1, &set, NULL, NULL, &patience));
	return waited("select", select(fd + 1, NULL, &set, NULL, &patience));
}

static ssize_t wait_by_epoll(int fd, short events)
{
	struct epoll_event event = { .events = (uint32_t)events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	ssize_t result = tell("epoll_create1", epoll);
	int error;

	if (result == -1)
		return -1;
	result = tell("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	if (result != -1)
		result = waited("epoll_wait", epoll_wait(epoll, &event, 1, PATIENCE));
	error = errno;
	close(epoll);
	errno = error;
	return result;
}

static ssize_t nonblocking(int fd, char *data, size_t size, ssize_t (*wait)(int, short), bool out)
{
	for (;;) {
		ssize_t result = out ? send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
				     : recv(fd, data, size, MSG_DONTWAIT);

		if (result != -1 || errno != EAGAIN)
			return tell(out ? "send" : "recv", result);
		if (wait(fd, out ? POLLOUT : POLLIN) == -1)
			return -1;
	}
}

static ssize_t put_polled(int fd, char *data, size_t size)
{
	return nonblocking(fd, data, size, wait_by_poll, true);
}

static ssize_t take_polled(int fd, char *data, size_t size)
{
	return nonblocking(fd, data, size, wait_by_poll, false);
}

static ssize_t put_selected(int fd, char *data, size_t size)
{
	return nonblocking(fd, data, size, wait_by_select, true);
}

static ssize_t take_selected(int fd, char *data, size_t size)
{
	return nonblocking(fd, data, size, wait_by_select, false);
}

static ssize_t put_epolled(int fd, char *data, size_t size)
{
	return nonblocking(fd, data, size, wait_by_epoll, true);
}

static ssize_t take_epolled(int fd, char *data, size_t size)
{
	return nonblocking(fd, data, size, wait_by_epoll, false);
}

/* --- a flow: a thread that puts, and one that takes and checks --- */

struct flow {
	int number, in, out;
	mover *put, *take;
};

static void *putter(void *argument)
{
	struct flow *flow = argument;
	char piece[PIECE];
	size_t done = 0;

	while (done < TOTAL) {
		size_t size = 1 + (done * 7) % PIECE;
		ssize_t moved;

		if (size > TOTAL - done)
			size = TOTAL - done;
		for (size_t i = 0; i < size; i++)
			piece[i] = byte_at(flow->number, done + i);
		moved = flow->put(flow->out, piece, size);
		if (moved == -1 && !is_transient(errno))
			break;
		done += moved > 0 ? (size_t)moved : 0;
	}
	close(flow->out);
	return NULL;
}

/* How many bytes of PIECE are those that come after the first DONE. */
static size_t right_bytes(const struct flow *flow, const char *piece, size_t size, size_t done)
{
	size_t right = 0;

	while (right < size && piece[right] == byte_at(flow->number, done + right))
		right++;
	return right;
}

static void *taker(void *argument)
{
	struct flow *flow = argument;
	size_t done = 0, right;
	char piece[PIECE];
	ssize_t moved;

	while ((moved = flow->take(flow->in, piece, 1 + (done * 5) % PIECE)) != 0) {
		if (moved == -1 && !is_transient(errno))
			break;
		right = right_bytes(flow, piece, moved > 0 ? (size_t)moved : 0, done);
		done += right;
		if (moved > 0 && right < (size_t)moved) {
			say("flow %d: a wrong byte at %zu", flow->number, done);
			_exit(97);
		}
	}
	close(flow->in);
	say("flow %d: %zu of %d bytes", flow->number, done, TOTAL);
	return NULL;
}

static void run_flows(struct flow *flows, size_t count)
{
	pthread_t threads[2 * 16];

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < count; i++) {
		flows[i].number = (int)i;
		threads[2 * i] = spawn(taker, &flows[i]);
		threads[2 * i + 1] = spawn(putter, &flows[i]);
	}
	for (size_t i = 0; i < 2 * count; i++)
		join(threads[i]);
}

static const struct { mover *put, *take; } ways[] = {
	{ by_write, by_read }, { by_send, by_recv }, { by_writev, by_readv }, { by_sendmsg, by_recvmsg },
	{ by_sendto, by_recv_all }, { put_polled, by_recvfrom }, { by_write, take_polled },
	{ put_selected, take_selected }, { put_epolled, take_epolled },
};
enum { WAYS = sizeof(ways) / sizeof(*ways), WAYS_OF_PIPES = 3 };

static void through_pairs(void (*make)(int *))
{
	struct flow flows[WAYS];

	for (int i = 0; i < WAYS; i++) {
		int pair[2], small = 4096;

		make(pair);
		setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		flows[i] = (struct flow){ 0, pair[0], pair[1], ways[i].put, ways[i].take };
	}
	run_flows(flows, WAYS);
}

static void tcp(void)
{
	through_pairs(tcp_pair);
}

static void local(void)
{
	through_pairs(stream_pair);
}

static void pipes(void)
{
	static mover *const puts[WAYS_OF_PIPES] = { by_write, by_writev, by_pwritev2 };
	static mover *const takes[WAYS_OF_PIPES] = { by_read, by_readv, by_preadv2 };
	struct flow flows[WAYS_OF_PIPES];

	for (int i = 0; i < WAYS_OF_PIPES; i++) {
		int ends[2];

		must(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
		fcntl(ends[1], F_SETPIPE_SZ, 4096);
		flows[i] = (struct flow){ 0, ends[0], ends[1], puts[i], takes[i] };
	}
	run_flows(flows, WAYS_OF_PIPES);
}

/* --- echo: a listener, a thread for each connection, and clients --- */

enum { CLIENTS = 4, ROUNDS = 40, ECHO_BYTES = 300 };

static void *echo_server(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char piece[ECHO_BYTES];
	ssize_t got, put;

	while ((got = by_read(fd, piece, sizeof(piece))) > 0 || (got == -1 && is_transient(errno))) {
		for (ssize_t done = 0; done < got; done += put > 0 ? put : 0) {
			put = by_write(fd, piece + done, (size_t)(got - done));
			if (put == -1 && !is_transient(errno))
				goto end;
		}
	}
end:
	close(fd);
	return NULL;
}

/* The connections that cannot be accepted now are accepted later, but for those that are gone. */
static void *acceptor(void *argument)
{
	int listener = (int)(intptr_t)argument;
	pthread_t threads[CLIENTS];
	int accepted = 0;

	while (accepted < CLIENTS) {
		int fd = accept(listener, NULL, NULL);

		if (tell("accept", fd) != -1)
			threads[accepted++] = spawn(echo_server, (void *)(intptr_t)fd);
	}
	while (accepted)
		join(threads[--accepted]);
	return NULL;
}

static bool echo_round(int fd, int number, int round)
{
	char piece[ECHO_BYTES], back[ECHO_BYTES];
	ssize_t moved;

	for (int i = 0; i < ECHO_BYTES; i++)
		piece[i] = byte_at(number, (size_t)(round * ECHO_BYTES + i));
	for (ssize_t done = 0; done < ECHO_BYTES; done += moved > 0 ? moved : 0) {
		moved = by_send(fd, piece + done, (size_t)(ECHO_BYTES - done));
		if (moved == -1 && !is_transient(errno))
			return false;
	}
	for (ssize_t done = 0; done < ECHO_BYTES; done += moved > 0 ? moved : 0) {
		moved = by_recv(fd, back + done, (size_t)(ECHO_BYTES - done));
		if (moved == 0 || (moved == -1 && !is_transient(errno)))
			return false;
	}
	if (memcmp(piece, back, ECHO_BYTES)) {
		say("client %d: a wrong byte in round %d", number, round);
		_exit(97);
	}
	return true;
}

struct client {
	int number, domain;
	struct sockaddr *address;
	socklen_t length;
};

static void *client(void *argument)
{
	struct client *self = argument;
	int fd = socket(self->domain, SOCK_STREAM, 0), rounds = 0;

	must(fd != -1, "socket");
	must(connect(fd, self->address, self->length) == 0, "connect");
	while (rounds < ROUNDS && echo_round(fd, self->number, rounds))
		rounds++;
	close(fd);
	say("client %d: %d of %d rounds", self->number, rounds, ROUNDS);
	return NULL;
}

static void echo(int listener, int domain)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	struct client clients[CLIENTS];
	pthread_t threads[CLIENTS + 1];

	signal(SIGPIPE, SIG_IGN);
	must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
	threads[CLIENTS] = spawn(acceptor, (void *)(intptr_t)listener);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){ i, domain, (struct sockaddr *)&address, length };
		threads[i] = spawn(client, &clients[i]);
	}
	for (int i = 0; i <= CLIENTS; i++)
		join(threads[i]);
}

static void echo_tcp(void)
{
	int port;

	echo(listen_local(CLIENTS, &port), AF_INET);
}

static void echo_local(void)
{
	struct sockaddr_un { sa_family_t family; char path[64]; } address = { .family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	must(listener != -1, "socket");
	/* A name that is in no directory. */
	snprintf(address.path + 1, sizeof(address.path) - 1, "green-faults-%d", (int)getpid());
	must(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
	must(listen(listener, CLIENTS) == 0, "listen");
	echo(listener, AF_UNIX);
}

/* --- lines through stdio --- */

enum { LINES = 600 };

static void *print_lines(void *argument)
{
	FILE *out = fdopen((int)(intptr_t)argument, "w");

	must(out != NULL, "fdopen");
	for (int i = 0; i < LINES; i++) {
		int printed = fprintf(out, "line %d of those that are counted\n", i);

		if (printed < 0 && tell("fprintf", -1) && !is_transient(errno))
			break;
	}
	tell("fclose", fclose(out));
	return NULL;
}

/* After an error stdio does not say how much of its buffer has gone, so lines count up to the first error only. */
static void *get_lines(void *argument)
{
	FILE *in = fdopen((int)(intptr_t)argument, "r");
	char line[128], expected[128];
	int count = 0;

	must(in != NULL, "fdopen");
	while (fgets(line, sizeof(line), in)) {
		snprintf(expected, sizeof(expected), "line %d of those that are counted\n", count);
		if (strcmp(line, expected))
			break;
		count++;
	}
	if (ferror(in))
		tell("fgets", -1);
	fclose(in);
	say("lines: %d of %d", count, LINES);
	return NULL;
}

static void lines_through(const int *ends)
{
	pthread_t threads[2];

	signal(SIGPIPE, SIG_IGN);
	threads[0] = spawn(get_lines, (void *)(intptr_t)ends[0]);
	threads[1] = spawn(print_lines, (void *)(intptr_t)ends[1]);
	join(threads[0]);
	join(threads[1]);
}

static void stdio(void)
{
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	lines_through(ends);
	tcp_pair(ends);
	lines_through(ends);
}

/* --- datagrams: each is whole, none comes twice, and on a socket pair none is lost --- */

enum { DATAGRAMS = 60, DATAGRAM = 200, AT_ONCE = 4 };

static void *send_datagrams(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char datagram[DATAGRAM];

	for (int i = 0; i < DATAGRAMS;) {
		memset(datagram, i, sizeof(datagram));
		if (tell("send", send(fd, datagram, sizeof(datagram), 0)) != -1)
			i++;
		else if (!is_transient(errno))
			break;
	}
	close(fd);
	return NULL;
}

static void *send_many(void *argument)
{
	int fd = (int)(intptr_t)argument, done = 0;

	while (done < DATAGRAMS) {
		char datagrams[AT_ONCE][DATAGRAM];
		struct iovec parts[AT_ONCE];
		struct mmsghdr messages[AT_ONCE] = { 0 };
		int left = DATAGRAMS - done, count = left < AT_ONCE ? left : AT_ONCE, sent;

		for (int i = 0; i < count; i++) {
			memset(datagrams[i], done + i, DATAGRAM);
			parts[i] = (struct iovec){ datagrams[i], DATAGRAM };
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
		}
		sent = sendmmsg(fd, messages, (unsigned)count, 0);
		if (tell("sendmmsg", sent) == -1 && !is_transient(errno))
			break;
		done += sent > 0 ? sent : 0;
	}
	close(fd);
	return NULL;
}

static bool is_whole(const char *datagram, ssize_t size, int number)
{
	for (int i = 0; i < DATAGRAM; i++) {
		if (size != DATAGRAM || datagram[i] != (char)number)
			return false;
	}
	return true;
}

static void *receive_datagrams(void *argument)
{
	int fd = (int)(intptr_t)argument, count = 0;
	char datagram[2 * DATAGRAM];
	ssize_t size;

	while ((size = tell("recv", recv(fd, datagram, sizeof(datagram), 0))) != 0) {
		if (size == -1 && !is_transient(errno))
			break;
		if (size > 0 && !is_whole(datagram, size, count++)) {
			say("datagram %d: a wrong byte", count - 1);
			_exit(97);
		}
	}
	say("datagrams: %d of %d", count, DATAGRAMS);
	close(fd);
	return NULL;
}

static void *receive_many(void *argument)
{
	int fd = (int)(intptr_t)argument, count = 0;

	while (count < DATAGRAMS) {
		char datagrams[AT_ONCE][2 * DATAGRAM];
		struct iovec parts[AT_ONCE];
		struct mmsghdr messages[AT_ONCE] = { 0 };
		int got;

		for (int i = 0; i < AT_ONCE; i++) {
			parts[i] = (struct iovec){ datagrams[i], sizeof(datagrams[i]) };
			messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
		}
		got = recvmmsg(fd, messages, AT_ONCE, MSG_WAITFORONE, NULL);
		if (tell("recvmmsg", got) == -1 && !is_transient(errno))
			break;
		/* An end comes as a message without bytes. */
		if (got > 0 && messages[0].msg_len == 0)
			break;
		for (int i = 0; i < got && messages[i].msg_len; i++) {
			if (!is_whole(datagrams[i], messages[i].msg_len, count++)) {
				say("datagram %d: a wrong byte", count - 1);
				_exit(97);
			}
		}
	}
	say("datagrams: %d of %d", count, DATAGRAMS);
	close(fd);
	return NULL;
}

/* With packets in order and an end, so that nobody waits for what is not sent. */
static void datagrams(void)
{
	pthread_t threads[4];
	int one[2], many[2];

	signal(SIGPIPE, SIG_IGN);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, one) == 0, "socketpair");
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, many) == 0, "socketpair");
	threads[0] = spawn(receive_datagrams, (void *)(intptr_t)one[0]);
	threads[1] = spawn(receive_many, (void *)(intptr_t)many[0]);
	threads[2] = spawn(send_datagrams, (void *)(intptr_t)one[1]);
	threads[3] = spawn(send_many, (void *)(intptr_t)many[1]);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
}

/* UDP may lose, so each datagram is sent until its answer has come; a receive has a time limit of its own. */
static void *udp_answers(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct sockaddr_in from;
	char datagram[DATAGRAM];

	for (;;) {
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&from, &length);

		tell("recvfrom", size);
		if (size > 0)
			tell("sendto", sendto(fd, datagram, (size_t)size, 0, (struct sockaddr *)&from, length));
		if (size > 0 && datagram[0] == 'e')
			return NULL;
	}
}

static bool udp_ask(int fd, const struct sockaddr_in *to, const char *question, size_t size)
{
	char answer[DATAGRAM];

	for (int try = 0; try < 100; try++) {
		if (tell("sendto", sendto(fd, question, size, 0, (const struct sockaddr *)to, sizeof(*to))) == -1)
			continue;
		while (tell("recv", recv(fd, answer, sizeof(answer), 0)) == (ssize_t)size) {
			if (!memcmp(question, answer, size))
				return true;
		}
	}
	return false;
}

static int udp_socket(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(fd != -1, "socket");
	must(bind(fd, (struct sockaddr *)address, length) == 0, "bind");
	must(getsockname(fd, (struct sockaddr *)address, &length) == 0, "getsockname");
	return fd;
}

static void udp(void)
{
	struct timeval limit = { 0, 50000 };
	struct sockaddr_in server, own;
	int answering = udp_socket(&server), asking = udp_socket(&own), answers = 0;
	char question[DATAGRAM];
	pthread_t thread = spawn(udp_answers, (void *)(intptr_t)answering);

	signal(SIGPIPE, SIG_IGN);
	setsockopt(asking, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = 0; i < DATAGRAMS; i++) {
		memset(question, 'A' + i % 20, sizeof(question));
		answers += udp_ask(asking, &server, question, sizeof(question));
	}
	udp_ask(asking, &server, "end", 3);
	join(thread);
	say("answers: %d of %d", answers, DATAGRAMS);
}

/* --- sendfile and splice --- */

static ssize_t file_to_socket(int fd, char *data, size_t size)
{
	FILE *file = tmpfile();
	ssize_t sent;
	off_t at = 0;

	must(file != NULL, "tmpfile");
	must(fwrite(data, 1, size, file) == size && fflush(file) == 0, "fwrite");
	sent = tell("sendfile", sendfile(fd, fileno(file), &at, size));
	fclose(file);
	return sent;
}

static ssize_t pipe_to_socket(int fd, char *data, size_t size)
{
	int ends[2];
	ssize_t spliced;

	must(pipe(ends) == 0, "pipe");
	must(write_full(ends[1], data, size) == size, "write");
	spliced = tell("splice", splice(ends[0], NULL, fd, NULL, size, 0));
	close(ends[0]);
	close(ends[1]);
	return spliced;
}

static void copies(void)
{
	static mover *const puts[] = { file_to_socket, pipe_to_socket };
	struct flow flows[2];

	for (int i = 0; i < 2; i++) {
		int pair[2];

		tcp_pair(pair);
		flows[i] = (struct flow){ 0, pair[0], pair[1], puts[i], by_recv };
	}
	run_flows(flows, 2);
}

static const struct plain_case cases[] = {
	{ "tcp", tcp, 2 * WAYS },
	{ "local", local, 2 * WAYS },
	{ "pipes", pipes, 2 * WAYS_OF_PIPES },
	{ "echo_tcp", echo_tcp, 2 * CLIENTS + 1 },
	{ "echo_local", echo_local, 2 * CLIENTS + 1 },
	{ "stdio", stdio, 4 },
	{ "datagrams", datagrams, 4 },
	{ "udp", udp, 1 },
	{ "copies", copies, 4 },
	{ NULL, NULL, 0 },
};

static void on_signal(int number)
{
	(void)number;
}

/* A signal that comes ends what waits, as it is not restarted. */
int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
	return plain_main(argc, argv, cases);
}
