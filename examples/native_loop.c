/* SPDX-License-Identifier: MIT */
/*
 * native_loop.c - an event loop by hand: greenlets alone, a queue of those that may go on, and poll(2)
 *
 * Nothing of the hub is used.  A coroutine that has to wait leaves word of what it
 * waits for and switches to the loop; the loop switches back when poll says so.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <green.h>

enum {
	BACKLOG = 1024,
	PAUSE_MS = 10, /* after an accept that found no descriptor or memory */
};

/* What the loop knows of a greenlet. */
struct coroutine {
	struct greenlet *greenlet;
	struct coroutine *next; /* in the queue, while it may go on */
	int fd;                 /* whom it serves */
};

static struct greenlet *loop;

/* ---- the queue: first come, first served ---- */

static struct coroutine *first, **end = &first;

static void make_ready(struct coroutine *coroutine)
{
	coroutine->next = NULL;
	*end = coroutine;
	end = &coroutine->next;
}

static struct coroutine *take_ready(void)
{
	struct coroutine *taken = first;

	first = taken->next;
	if (!first)
		end = &first;
	return taken;
}

/* ---- what is waited for: two arrays side by side, without holes ---- */

static struct pollfd *asked;
static struct coroutine **asking;
static size_t waits, room;

static bool make_room(void)
{
	size_t more = room ? 2 * room : 64;
	struct pollfd *polls = realloc(asked, more * sizeof(*polls));

	if (polls)
		asked = polls;
	struct coroutine **who = realloc(asking, more * sizeof(struct coroutine *));
	if (who)
		asking = who;
	if (polls && who)
		room = more;
	return polls && who;
}

/* Leaves word for the loop and lets it go on; returns when FD is ready for EVENTS.  False: no memory to leave word. */
static bool await(int fd, short events)
{
	if (waits == room && !make_room())
		return false;
	asked[waits] = (struct pollfd){ .fd = fd, .events = events };
	asking[waits++] = green_data(green_current());
	green_switch(loop, NULL);
	return true;
}

/* From the last to the first, for the hole that a found one leaves is filled with the last. */
static void find_ready(void)
{
	if (poll(asked, waits, -1) <= 0)
		return;
	for (size_t i = waits; i-- > 0;) {
		if (!asked[i].revents)
			continue;
		make_ready(asking[i]);
		asked[i] = asked[--waits];
		asking[i] = asking[waits];
	}
}

/* ---- the coroutines ---- */

static bool start(void *(*function)(void *), int fd)
{
	struct coroutine *coroutine = calloc(1, sizeof(*coroutine));

	if (coroutine)
		coroutine->greenlet = green_create(function, loop);
	if (!coroutine || !coroutine->greenlet) {
		free(coroutine);
		return false;
	}
	green_set_data(coroutine->greenlet, coroutine);
	coroutine->fd = fd;
	make_ready(coroutine);
	return true;
}

static bool send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno != EAGAIN || !await(fd, POLLOUT)))
			return false;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return true;
}

static void *serve(void *argument)
{
	struct coroutine *me = argument;
	char bytes[4096];
	ssize_t n = 1;

	while (n > 0 && await(me->fd, POLLIN)) {
		n = recv(me->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			n = 1;
		else if (n > 0 && !send_all(me->fd, bytes, (size_t)n))
			n = -1;
	}
	close(me->fd);
	return NULL;
}

/* These concern one connection that is gone already; of everything else only a pause can help. */
static bool is_passing(int error)
{
	return error == ECONNABORTED || error == EPROTO || error == EINTR || error == EAGAIN;
}

/* The listener does not block: whoever was announced may have left again. */
static void *accept_for_ever(void *argument)
{
	struct coroutine *me = argument;

	while (await(me->fd, POLLIN)) {
		int fd = accept(me->fd, NULL, NULL);

		if (fd < 0 && is_passing(errno))
			continue;
		if (fd >= 0 && start(serve, fd))
			continue;
		if (fd >= 0)
			close(fd);
		poll(NULL, 0, PAUSE_MS); /* this loop knows no timers, so all pause; then somebody may have left */
	}
	return NULL;
}

/* ---- the loop ---- */

/* One that has ended hands control back like one that waits, but it has left no word. */
static void run(struct coroutine *coroutine)
{
	green_switch(coroutine->greenlet, coroutine);
	if (green_dead(coroutine->greenlet)) {
		green_destroy(coroutine->greenlet);
		free(coroutine);
	}
}

static void run_for_ever(void)
{
	for (;;) {
		while (first)
			run(take_ready());
		find_ready();
	}
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		perror("native_loop");
		exit(1);
	}
	printf("listening on %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	char *end_of_port = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end_of_port, 10) : 0;

	if (argc > 2 || (argc == 2 && (argv[1][0] < '0' || argv[1][0] > '9' || *end_of_port)) || port > 65535) {
		fprintf(stderr, "usage: native_loop [PORT]   (0, the default, lets the system choose)\n");
		return 2;
	}
	raise_descriptor_limit();
	loop = green_current();
	if (!loop || !start(accept_for_ever, listen_on((uint16_t)port))) {
		perror("native_loop");
		return 1;
	}
	run_for_ever();
}
