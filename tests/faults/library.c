/* SPDX-License-Identifier: MIT */
/* library.c - small flows of libgreen's own calls: each that fails says so once, the others go on, and nothing is left behind */
#include "plain.h"
#include "told.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "green.h"

enum { TOTAL = 12000, PIECE = 700, FLOWS = 3, TASKS = 12, ROUNDS = 4 };

/* Which byte stands at OFFSET: one that is lost or doubled shows. */
static char byte_at(size_t offset)
{
	return (char)(((offset + 1) * 2654435761u) >> 11);
}

/* --- bytes --- */

struct flow {
	int fds[2];
	long (*put)(int fd, const char *bytes, size_t size);
	long (*get)(int fd, char *bytes, size_t size);
	size_t got;
	bool right;
};

static long by_write(int fd, const char *bytes, size_t size)
{
	return tell_call("green_write", green_write(fd, bytes, size));
}

static long by_send(int fd, const char *bytes, size_t size)
{
	return tell_call("green_send", green_send(fd, bytes, size, MSG_NOSIGNAL));
}

static long by_read(int fd, char *bytes, size_t size)
{
	return tell_call("green_read", green_read(fd, bytes, size));
}

static long by_recv(int fd, char *bytes, size_t size)
{
	return tell_call("green_recv", green_recv(fd, bytes, size, 0));
}

static long after_poll(int fd, char *bytes, size_t size)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	long result = tell_call("green_poll", green_poll(&readable, 1, PATIENCE_MS));

	return result == 1 ? by_read(fd, bytes, size) : result;
}

static long after_select(int fd, char *bytes, size_t size)
{
	fd_set readable;
	long result;

	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	result = tell_call("green_select", green_select(fd + 1, &readable, NULL, NULL, NULL));
	return result == 1 ? by_read(fd, bytes, size) : result;
}

static long after_wait(int fd, char *bytes, size_t size)
{
	long result = tell_call("green_wait_fd", green_wait_fd(fd, GREEN_READ, PATIENCE_MS));

	return result > 0 ? by_read(fd, bytes, size) : result;
}

static void *puts_all(void *arg)
{
	struct flow *flow = arg;
	char bytes[PIECE];
	size_t sent = 0;
	long done;

	while (sent < TOTAL) {
		size_t size = TOTAL - sent < PIECE ? TOTAL - sent : PIECE;

		for (size_t i = 0; i < size; i++)
			bytes[i] = byte_at(sent + i);
		done = flow->put(flow->fds[0], bytes, size);
		if (again(done))
			continue;
		if (done < 0)
			break;
		sent += (size_t)done;
		green_yield();
	}
	tell_call("green_close", green_close(flow->fds[0]));
	return NULL;
}

static void *gets_all(void *arg)
{
	struct flow *flow = arg;
	char bytes[PIECE / 2];
	long done;

	flow->right = true;
	for (;;) {
		done = flow->get(flow->fds[1], bytes, sizeof(bytes));
		if (again(done))
			continue;
		if (done <= 0)
			break;
		for (long i = 0; i < done; i++)
			flow->right = flow->right && bytes[i] == byte_at(flow->got + (size_t)i);
		flow->got += (size_t)done;
	}
	tell_call("green_close", green_close(flow->fds[1]));
	return NULL;
}

static void run_flow(struct flow *flow, const char *name)
{
	struct greenlet *getter = task_of(gets_all, flow), *putter = getter ? task_of(puts_all, flow) : NULL;

	if (!putter)
		green_close(flow->fds[0]);
	if (!getter)
		green_close(flow->fds[1]);
	joined(putter);
	joined(getter);
	if (getter && !flow->right)
		say("%s: wrong bytes", name);
	say("%s: %zu of %d", name, flow->got, TOTAL);
}

/* The end that writes is the second of a pipe. */
static void turn(int fds[2])
{
	int first = fds[0];

	fds[0] = fds[1];
	fds[1] = first;
}

static void locals(void)
{
	static long (*const gets[FLOWS])(int, char *, size_t) = { by_recv, after_poll, after_wait };

	for (int i = 0; i < FLOWS; i++) {
		struct flow flow = { .put = by_send, .get = gets[i] };

		if (tell_call("green_socketpair", green_socketpair(AF_UNIX, SOCK_STREAM, 0, flow.fds)) == 0)
			run_flow(&flow, "local");
	}
}

static void pipes(void)
{
	static long (*const gets[FLOWS])(int, char *, size_t) = { by_read, after_select, after_poll };

	for (int i = 0; i < FLOWS; i++) {
		struct flow flow = { .put = by_write, .get = gets[i] };

		if (tell_call("green_pipe2", green_pipe2(flow.fds, 0)))
			continue;
		turn(flow.fds);
		run_flow(&flow, "pipe");
	}
}

/* --- connections --- */

static void *answers(void *arg)
{
	int fd;

	do {
		fd = (int)tell_call("green_accept", green_accept(*(int *)arg, NULL, NULL));
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	return (void *)(long)fd;
}

static int listening(struct sockaddr_in *at)
{
	socklen_t length = sizeof(*at);
	int fd = (int)tell_call("green_socket", green_socket(AF_INET, SOCK_STREAM, 0));

	*at = (struct sockaddr_in) { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	if (fd >= 0)
		must(!bind(fd, (struct sockaddr *)at, length) && !listen(fd, 8) && !getsockname(fd, (struct sockaddr *)at, &length), "listen");
	return fd;
}

static bool connected(int fds[2], int listener, const struct sockaddr_in *at)
{
	struct greenlet *acceptor = task_of(answers, &listener);
	void *value = (void *)-1L;

	fds[0] = acceptor ? (int)tell_call("green_socket", green_socket(AF_INET, SOCK_STREAM, 0)) : -1;
	if (fds[0] >= 0 && tell_call("green_connect", green_connect(fds[0], (const struct sockaddr *)at, sizeof(*at)))) {
		green_close(fds[0]);
		fds[0] = -1;
	}
	if (acceptor && fds[0] < 0)
		green_kill(acceptor, PATIENCE_MS);
	if (acceptor && tell_call("green_join", green_join(acceptor, &value, PATIENCE_MS)))
		say("wrong: a task waits for ever");
	green_destroy(acceptor);
	fds[1] = (int)(long)value;
	if (fds[0] >= 0 && fds[1] >= 0)
		return true;
	if (fds[0] >= 0)
		green_close(fds[0]);
	if (fds[1] > 0)
		green_close(fds[1]);
	return false;
}

static void tcp(void)
{
	struct sockaddr_in at;
	int listener = listening(&at);

	for (int i = 0; listener >= 0 && i < FLOWS; i++) {
		struct flow flow = { .put = i ? by_send : by_write, .get = by_recv };

		if (connected(flow.fds, listener, &at))
			run_flow(&flow, "tcp");
	}
	if (listener >= 0)
		tell_call("green_close", green_close(listener));
}

/* --- tasks and time --- */

static void *naps(void *arg)
{
	tell_call("green_sleep", green_sleep(1 + (int)(long)arg % 3));
	tell_call("green_yield", green_yield());
	return arg;
}

static void tasks(void)
{
	struct greenlet *all[TASKS];
	struct green_timeout limit;
	void *value;

	for (int round = 0; round < ROUNDS; round++) {
		for (long i = 0; i < TASKS; i++)
			all[i] = task_of(naps, (void *)i);
		if (all[0] && green_kill(all[0], PATIENCE_MS))
			tell_call("green_kill", -1);
		for (long i = 0; i < TASKS; i++) {
			if (all[i] && !tell_call("green_join", green_join(all[i], &value, PATIENCE_MS)) && i && value != (void *)i)
				say("task: wrong value");
			green_destroy(all[i]);
		}
	}
	if (tell_call("green_timeout_start", green_timeout_start(&limit, 2)))
		return;
	if (green_sleep(PATIENCE_MS) == 0)
		say("scope: wrong, it never ends");
	if (!green_timeout_end(&limit))
		say("scope: wrong, it is not its end");
}

static void *works(void *arg)
{
	usleep(1000);
	return arg;
}

static void *offloads(void *arg)
{
	void *value = green_offload(works, arg);

	if (!value)
		tell_call("green_offload", -1);
	else if (value != arg)
		say("offload: wrong value");
	return arg;
}

static void offloaded(void)
{
	struct greenlet *all[TASKS];

	for (long i = 0; i < TASKS; i++)
		all[i] = task_of(offloads, &all[i]);
	for (int i = 0; i < TASKS; i++)
		joined(all[i]);
}

/* --- names and streams --- */

static void *looks_up(void *unused)
{
	struct addrinfo *found = NULL;
	int result = green_getaddrinfo("localhost", "80", NULL, &found);

	if (result == EAI_SYSTEM)
		tell_call("green_getaddrinfo", -1);
	else if (result)
		say("getaddrinfo: %s", result == EAI_MEMORY ? "ENOMEM" : result == EAI_AGAIN ? "EAGAIN" : "ENOENT");
	else
		green_freeaddrinfo(found);
	return unused;
}

static void names(void)
{
	struct greenlet *all[FLOWS];

	for (int i = 0; i < FLOWS; i++)
		all[i] = task_of(looks_up, NULL);
	for (int i = 0; i < FLOWS; i++)
		joined(all[i]);
}

static void *writes_lines(void *arg)
{
	struct green_stream *stream = arg;

	for (int i = 0; i < TOTAL / 40; i++) {
		if (tell_call("green_stream_print", green_stream_print(stream, "%038d\n", i)))
			break;
	}
	tell_call("green_stream_close", green_stream_close(stream));
	return NULL;
}

static void *reads_lines(void *arg)
{
	struct green_stream *stream = arg;
	char line[100];
	long count = 0, size;

	while ((size = tell_call("green_stream_read_line", green_stream_read_line(stream, line, sizeof(line)))) > 0 || again(size)) {
		if (size < 0)
			continue;
		if (size != 39 || atol(line) != count)
			say("line %ld: wrong", count);
		count++;
	}
	tell_call("green_stream_close", green_stream_close(stream));
	say("lines: %ld of %d", count, TOTAL / 40);
	return NULL;
}

static void streams(void)
{
	struct green_stream *ends[2] = { NULL, NULL };
	struct greenlet *reader, *writer;
	int fds[2];

	if (tell_call("green_socketpair", green_socketpair(AF_UNIX, SOCK_STREAM, 0, fds)))
		return;
	for (int i = 0; i < 2; i++) {
		ends[i] = green_stream_create(fds[i]);
		if (!ends[i]) {
			tell_call("green_stream_create", -1);
			green_close(fds[i]);
		}
	}
	reader = ends[0] && ends[1] ? task_of(reads_lines, ends[0]) : NULL;
	writer = reader ? task_of(writes_lines, ends[1]) : NULL;
	if (!writer && ends[1])
		green_stream_close(ends[1]);
	joined(writer);
	joined(reader);
	green_stream_destroy(ends[0]);
	green_stream_destroy(ends[1]);
}

/* --- the table --- */

static void check_locals(void) { checked(locals); }
static void check_pipes(void) { checked(pipes); }
static void check_tcp(void) { checked(tcp); }
static void check_tasks(void) { checked(tasks); }
static void check_offloaded(void) { checked(offloaded); }
static void check_names(void) { checked(names); }
static void check_streams(void) { checked(streams); }

static const struct plain_case cases[] = {
	{ "locals", check_locals, 0 },
	{ "pipes", check_pipes, 0 },
	{ "tcp", check_tcp, 0 },
	{ "tasks", check_tasks, 0 },
	{ "offloaded", check_offloaded, 0 },
	{ "names", check_names, 0 },
	{ "streams", check_streams, 0 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	catch_signals();
	return plain_main(argc, argv, cases);
}
