/* SPDX-License-Identifier: MIT */
/* load_traffic.c - the connections of the load client: opening them, sending on them, comparing what comes back */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "load.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	BATCH = 256,   /* events per epoll_wait */
	SOURCES = 250, /* addresses of the loopback interface to connect from */
	WORDS = 16,    /* of a block of what is sent */
};

/* The time that is left, in milliseconds rounded up for poll(2); 0 once the deadline has passed. */
static int ms_left(struct load *l)
{
	int64_t left = l->deadline - now();

	if (left > 0)
		return (int)((left + NS_PER_MS - 1) / NS_PER_MS);
	l->late = true;
	return 0;
}

/* Buckets are exact below 64 ns and 1/32 of a power of two above, so a percentile is at most 3 % too high. */
static void record(struct load *l, int64_t ns)
{
	uint64_t value = ns > 0 ? (uint64_t)ns : 0;
	int shift = value < 64 ? 0 : 58 - __builtin_clzll(value);

	l->histogram[(unsigned)shift * 32 + (unsigned)(value >> shift)]++;
	if (ns > l->slowest)
		l->slowest = ns;
}

/* ---- what is sent: a byte depends on its connection and its place in the stream, so no two messages are alike ---- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ (x >> 32);
}

/* A block of the stream is a number of its own, mixed with one that only tells the words of a block apart. */
static void make_block(uint64_t block[WORDS], uint64_t number)
{
	static uint64_t words[WORDS];

	for (uint64_t i = 0; !words[WORDS - 1] && i < WORDS; i++)
		words[i] = mix(i + 1);
	for (unsigned i = 0; i < WORDS; i++)
		block[i] = words[i] ^ number;
}

static void pattern(unsigned char *bytes, uint64_t connection, uint64_t position, size_t length)
{
	uint64_t block[WORDS];

	while (length > 0) {
		size_t skip = position % sizeof(block), rest = sizeof(block) - skip, part = rest < length ? rest : length;

		make_block(block, mix((connection + 1) << 44 ^ position / sizeof(block)));
		memcpy(bytes, (unsigned char *)block + skip, part);
		bytes += part;
		position += part;
		length -= part;
	}
}

/* ---- one connection ---- */

static void watch(struct load *l, struct conn *c, int operation, bool out)
{
	struct epoll_event event = { .events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = c };

	epoll_ctl(l->epoll, operation, c->fd, &event);
	c->wants_out = out;
}

static void drop(struct conn *c)
{
	close(c->fd);
	c->state = ABSENT;
}

static uint64_t outstanding(const struct load *l, const struct conn *c)
{
	return (c->out_end - c->in + l->o.size - 1) / l->o.size;
}

/*
 * The connection ended before this client closed it.  What it still owed is
 * not counted here: the missing replies are those promised less those received.
 */
static void lose(struct load *l, struct conn *c)
{
	if (l->o.http ? c->state == CONNECTING : !c->greeted) {
		l->opening--;
		l->failed++;
	} else {
		l->in_flight -= l->o.http ? c->asked : outstanding(l, c);
		l->lost += l->o.http ? !c->asked : 1;
	}
	drop(c);
}

static size_t next_output(struct load *l, struct conn *c)
{
	size_t length = c->out_end - c->out < CHUNK ? (size_t)(c->out_end - c->out) : CHUNK;

	if (l->o.http)
		memcpy(l->out_bytes, l->request + c->out, length);
	else
		pattern(l->out_bytes, (uint64_t)(c - l->conns), c->out, length);
	return length;
}

/* Sends what may be sent, as far as the socket takes it; false if the connection is lost. */
static bool push(struct load *l, struct conn *c)
{
	while (c->out < c->out_end) {
		ssize_t n = send(c->fd, l->out_bytes, next_output(l, c), MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			lose(l, c);
			return false;
		}
		c->out += (uint64_t)n;
	}
	return true;
}

/* The same, and sees to it that the rest follows. */
static void pump(struct load *l, struct conn *c)
{
	if (push(l, c) && c->wants_out != (c->out < c->out_end))
		watch(l, c, EPOLL_CTL_MOD, !c->wants_out);
}

/* ---- echo: a first message as greeting, then PIPELINE messages in flight on every connection ---- */

static bool may_send(struct load *l, int64_t at)
{
	if (l->o.requests)
		return l->sent < l->o.requests;
	return at < l->began + (int64_t)(l->o.seconds * NS_PER_SECOND);
}

static void grant(struct load *l, struct conn *c, unsigned messages, int64_t at)
{
	while (messages-- > 0 && may_send(l, at)) {
		c->starts[c->out_end / l->o.size % l->o.pipeline] = at;
		c->out_end += l->o.size;
		l->sent++;
		l->in_flight++;
	}
	pump(l, c);
}

/* A whole message came back; returns how many new ones that allows. */
static unsigned echo_replied(struct load *l, struct conn *c, int64_t at)
{
	bool greeting = !c->greeted;

	l->wrong += c->spoiled;
	c->spoiled = false;
	if (greeting) {
		c->greeted = true;
		l->opening--;
		l->opened++;
		return 0;
	}
	record(l, at - c->starts[(c->in / l->o.size - 1) % l->o.pipeline]);
	l->replies++;
	l->in_flight--;
	return 1;
}

static void begin_anew(struct load *l, struct conn *c);

/* The only message of a short connection came back. */
static void replied_once(struct load *l, struct conn *c, int64_t at)
{
	record(l, at - c->starts[0]);
	l->replies++;
	drop(c);
	begin_anew(l, c);
}

static void echo_input(struct load *l, struct conn *c, const unsigned char *bytes, size_t length)
{
	int64_t at = now();
	unsigned completed = 0;

	if (c->in + length > c->out) {  /* an answer to something that was never said */
		l->surplus++;
		lose(l, c);
		return;
	}
	while (length > 0) {
		size_t left = l->o.size - c->in % l->o.size, part = left < length ? left : length;

		pattern(l->out_bytes, (uint64_t)(c - l->conns), c->in, part);
		c->spoiled |= memcmp(l->out_bytes, bytes, part) != 0;
		c->in += part;
		bytes += part;
		length -= part;
		completed += part == left ? echo_replied(l, c, at) : 0;
	}
	if (completed > 0)
		grant(l, c, completed, at);
	else if (l->o.anew && c->greeted)
		replied_once(l, c, at);
}

static void echo_connected(struct load *l, struct conn *c)
{
	c->out_end = l->o.size;
	pump(l, c);
}

/* ---- http: one GET per connection; the server ends the reply by closing ---- */

static void body_input(struct load *l, struct conn *c, const unsigned char *bytes, size_t length)
{
	if (c->in + length > l->body_length || memcmp(l->body + c->in, bytes, length) != 0)
		c->spoiled = true;
	c->in += length;
}

static void http_input(struct load *l, struct conn *c, const unsigned char *bytes, size_t length)
{
	if (c->body) {
		body_input(l, c, bytes, length);
		return;
	}
	struct head *head = c->head;
	size_t room = HEAD_MAX - head->length, part = length < room ? length : room;

	memcpy(head->bytes + head->length, bytes, part);
	head->length += part;
	char *blank = memmem(head->bytes, head->length, "\r\n\r\n", 4);
	if (blank) {
		size_t rest = head->length - (size_t)(blank + 4 - head->bytes);

		c->body = true;
		c->spoiled |= memcmp(head->bytes, "HTTP/1.", 7) != 0 || memcmp(head->bytes + 8, " 200", 4) != 0;
		body_input(l, c, (unsigned char *)blank + 4, rest);
		body_input(l, c, bytes + part, length - part);
	} else if (head->length == HEAD_MAX) {
		c->spoiled = c->body = true;
	}
}

/* The server closed.  A reply that stopped short is missing; one that is whole, too long or different was received. */
static void http_ended(struct load *l, struct conn *c)
{
	if (!c->asked || !c->body || (!c->spoiled && c->in < l->body_length)) {
		lose(l, c);
		return;
	}
	record(l, now() - c->starts[0]);
	l->replies++;
	l->wrong += c->spoiled;
	l->in_flight--;
	drop(c);
}

static void http_connected(struct load *l, struct conn *c)
{
	(void)c;
	l->opening--;
	l->opened++;
}

static void http_ask(struct load *l, struct conn *c)
{
	c->starts[0] = now();
	c->asked = true;
	c->out_end = l->request_length;
	l->sent++;
	l->in_flight++;
	pump(l, c);
}

/* ---- the loop ---- */

/* Lost SYNs do not show at this end except as a slow connect, so the kernel's own count of them is reported. */
static void connected(struct load *l, struct conn *c)
{
	int error = 0, one = 1;
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(error), info_length = sizeof(info);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error) {
		lose(l, c);
		return;
	}
	getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &info_length);
	l->retries += info.tcpi_total_retrans;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->state = OPEN;
	watch(l, c, EPOLL_CTL_MOD, false);
	(l->o.http ? http_connected : echo_connected)(l, c);
}

static void receive(struct load *l, struct conn *c)
{
	ssize_t n = recv(c->fd, l->in_bytes, CHUNK, 0);

	if (n > 0)
		(l->o.http ? http_input : echo_input)(l, c, l->in_bytes, (size_t)n);
	else if (n == 0 && l->o.http)
		http_ended(l, c);
	else if (n == 0 || errno != EAGAIN)
		lose(l, c);
}

/* One wait of at most MS (-1: no limit but the deadline) and what it brings; false once the deadline has passed. */
static bool turn(struct load *l, int ms)
{
	struct epoll_event events[BATCH];
	int left = ms_left(l);
	int n = epoll_wait(l->epoll, events, BATCH, ms < 0 || left < ms ? left : ms);

	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (c->state == CONNECTING)
			connected(l, c);
		else if (events[i].events & EPOLLOUT)
			pump(l, c);
		if (c->state == OPEN && events[i].events & ~(unsigned)EPOLLOUT)
			receive(l, c);
	}
	return !l->late;
}

/* ---- opening ---- */

/*
 * How many connections the listener's queue has room for, asked of the kernel;
 * UINT_MAX when it does not know the listener (it is on another machine).
 * A connect beyond the backlog waits a second for its SYN to be sent again, and
 * how soon a server accepts is not what this client measures.
 */
static unsigned listener_room(struct load *l)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&l->address;
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 ask;
	} request = {
		.header = { .nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST },
		.ask = { .sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1u << TCP_LISTEN,
			 .id = { .idiag_sport = to->sin_port, .idiag_src = { to->sin_addr.s_addr },
				 .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
	};
	struct {
		struct nlmsghdr header;
		struct inet_diag_msg answer;
		char attributes[2048];
	} reply;

	if (l->diag < 0 || to->sin_family != AF_INET || send(l->diag, &request, sizeof(request), 0) < 0)
		return UINT32_MAX;
	if (recv(l->diag, &reply, sizeof(reply), 0) < (ssize_t)(sizeof(reply.header) + sizeof(reply.answer)) ||
	    reply.header.nlmsg_type != SOCK_DIAG_BY_FAMILY || reply.answer.idiag_state != TCP_LISTEN)
		return UINT32_MAX;
	/* Of a listener, these two are the connections nobody has accepted yet, and the backlog. */
	uint32_t queued = reply.answer.idiag_rqueue, backlog = reply.answer.idiag_wqueue;
	return queued < backlog ? backlog - queued : queued == 0;
}

/*
 * From one address there are only some 28,000 ports to connect from, and each is
 * taken for a minute after the close; a loopback interface has more addresses.
 */
static void choose_source(const struct load *l, const struct conn *c)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&l->address;
	uint32_t slot = (uint32_t)(c - l->conns);
	struct sockaddr_in from = { .sin_family = AF_INET };
	int one = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + slot % SOURCES);
	if (to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		return;
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	bind(c->fd, (struct sockaddr *)&from, sizeof(from));
}

/* Begins to connect; false if that has failed at once. */
static bool reach_out(struct load *l, struct conn *c)
{
	int64_t *starts = c->starts;
	struct head *head = c->head;

	*c = (struct conn){ .starts = starts, .head = head, .start = c->start, .state = CONNECTING };
	if (head)
		head->length = 0;
	c->fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	l->opening++;
	if (l->o.anew && c->fd >= 0)
		choose_source(l, c);
	if (c->fd >= 0 && (connect(c->fd, (struct sockaddr *)&l->address, l->address_length) == 0 || errno == EINPROGRESS))
		return true;
	lose(l, c);
	return false;
}

static void start_connect(struct load *l, struct conn *c)
{
	if (reach_out(l, c))
		watch(l, c, EPOLL_CTL_ADD, true);
}

/*
 * The next connection of a slot in short mode: its first message is all that it
 * sends.  To a server on this machine the connection stands by the time connect
 * returns, so the message is sent without a wait; calls that can be done without
 * are, lest this client and not the server sets the pace.
 */
static void begin_anew(struct load *l, struct conn *c)
{
	int64_t at = now();

	if (!may_send(l, at))
		return;
	c->starts[0] = at;
	l->sent++;
	if (!reach_out(l, c))
		return;
	c->state = OPEN;
	c->out_end = l->o.size;
	if (push(l, c))
		watch(l, c, EPOLL_CTL_ADD, c->out < c->out_end);
}

/* Opens the first COUNT slots, few at a time, and returns when each is open or has failed. */
static void open_all(struct load *l, unsigned count)
{
	unsigned next = 0;

	while (next < count || l->opening > 0) {
		unsigned room = next < count && l->opening < l->o.ramp ? l->o.ramp - l->opening : 0;
		unsigned queue = room > 0 ? listener_room(l) : 0;

		if (queue < room)
			room = queue;
		for (; room > 0 && next < count; room--)
			start_connect(l, &l->conns[next++]);
		if (!turn(l, next < count ? 1 : -1))
			break;
	}
	l->failed += count - next;
}

/* With --hold, says where it has come to and waits for a newline, while all connections stay open. */
static void hold(struct load *l, const char *word)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t from = now();
	char byte = 0;

	if (!l->o.hold)
		return;
	printf("%s\n", word);
	fflush(stdout);
	while (byte != '\n' && poll(&in, 1, ms_left(l)) > 0 && read(STDIN_FILENO, &byte, 1) == 1)
		;
	l->held += now() - from;
}

static void run_echo(struct load *l)
{
	open_all(l, l->o.connections);
	hold(l, "ready");
	l->held = 0;
	l->began = now();
	for (unsigned i = 0; i < l->o.connections; i++) {
		if (l->conns[i].greeted && l->conns[i].state == OPEN)
			grant(l, &l->conns[i], l->o.pipeline, now());
	}
	while (l->in_flight > 0 && turn(l, -1))
		;
	l->ended = now();
	hold(l, "done");
}

/* How often any SYN of this machine was sent again.  In short mode to ask each socket costs too much. */
static uint64_t lost_syns(void)
{
	FILE *file = fopen("/proc/net/netstat", "re");
	char names[8192], values[8192], *name, *value, *more_names, *more_values;
	uint64_t found = 0;

	if (!file)
		return 0;
	if (fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		name = strtok_r(names, " \n", &more_names);
		value = strtok_r(values, " \n", &more_values);
		while (name && value && strcmp(name, "TCPSynRetrans") != 0) {
			name = strtok_r(NULL, " \n", &more_names);
			value = strtok_r(NULL, " \n", &more_values);
		}
		found = name && value ? strtoull(value, NULL, 10) : 0;
	}
	fclose(file);
	return found;
}

/* No connection is open at the start; the clock runs for connecting, too. */
static void run_short(struct load *l)
{
	uint64_t lost_before = lost_syns();

	hold(l, "ready");
	l->held = 0;
	l->began = now();
	for (unsigned i = 0; i < l->o.connections; i++)
		begin_anew(l, &l->conns[i]);
	while (l->opening > 0 && turn(l, -1))
		;
	l->ended = now();
	l->retries = lost_syns() - lost_before;
	hold(l, "done");
}

/* A round opens all connections before it asks the first question. */
static void run_http(struct load *l)
{
	uint64_t tried = 0, opened;
	int64_t length = (int64_t)(l->o.seconds * NS_PER_SECOND);

	l->began = now();
	do {
		uint64_t left = l->o.requests ? l->o.requests - tried : l->o.connections;
		unsigned count = left < l->o.connections ? (unsigned)left : l->o.connections;

		opened = l->opened;
		open_all(l, count);
		if (tried == 0)
			hold(l, "ready");
		for (unsigned i = 0; i < count; i++) {
			if (l->conns[i].state == OPEN)
				http_ask(l, &l->conns[i]);
		}
		while (l->in_flight > 0 && turn(l, -1))
			;
		tried += count;
	} while (!l->late && l->opened > opened &&
		 (l->o.requests ? tried < l->o.requests : now() < l->began + l->held + length));
	l->ended = now() - l->held;
	hold(l, "done");
}

/* Bytes that wait on a connection which has all its replies were sent to the wrong one, or twice. */
static void close_all(struct load *l)
{
	for (unsigned i = 0; i < l->o.connections; i++) {
		struct conn *c = &l->conns[i];

		if (c->state == ABSENT)
			continue;
		if (c->state == OPEN && !l->o.http && c->in == c->out_end) {
			ssize_t n = recv(c->fd, l->in_bytes, CHUNK, 0);

			l->surplus += n > 0;
			l->lost += n == 0 || (n < 0 && errno != EAGAIN);
		}
		drop(c);
	}
}

void load_traffic(struct load *l)
{
	(l->o.http ? run_http : l->o.anew ? run_short : run_echo)(l);
	close_all(l);
}
