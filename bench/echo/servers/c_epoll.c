/* SPDX-License-Identifier: MIT */
/*
 * c_epoll.c - the limit: an edge-triggered epoll loop by hand, with no calls beyond those that move the data
 *
 * A read that brings less than was asked for has emptied the socket, so the next
 * edge will tell; nothing is read twice, and no interest is ever changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"

enum { EVENTS = 256 };

/* What the client has not taken yet; nothing more is read until it has. */
struct connection {
	int fd;
	size_t length, sent;
	char *rest;
};

static void drop(struct connection *c)
{
	close(c->fd);
	free(c->rest);
	free(c);
}

/* Sends LENGTH bytes; what the socket has no room for is kept.  False if the client is gone. */
static int send_or_keep(struct connection *c, const char *bytes, size_t length)
{
	ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL);

	if (n == (ssize_t)length)
		return 1;
	if (n < 0 && errno != EAGAIN)
		return 0;
	n = n < 0 ? 0 : n;
	c->sent = 0;
	c->length = length - (size_t)n;
	c->rest = malloc(c->length);
	if (c->rest)
		memcpy(c->rest, bytes + n, c->length);
	return c->rest != NULL;
}

/* 1: nothing is kept any more.  0: there is still no room.  -1: the client is gone. */
static int send_rest(struct connection *c)
{
	while (c->sent < c->length) {
		ssize_t n = send(c->fd, c->rest + c->sent, c->length - c->sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->sent += (size_t)n;
	}
	free(c->rest);
	c->rest = NULL;
	return 1;
}

static void serve(struct connection *c)
{
	static char bytes[CHUNK];
	int room = c->rest ? send_rest(c) : 1;
	ssize_t n = sizeof(bytes);

	while (room > 0 && n == sizeof(bytes) && !c->rest) {
		n = recv(c->fd, bytes, sizeof(bytes), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !send_or_keep(c, bytes, (size_t)n))
			room = -1;
	}
	if (room < 0)
		drop(c);
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = calloc(1, sizeof(*c));
		struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

		if (!c)
			abort();
		c->fd = fd;
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

static int nonblocking_socket(int domain, int type, int protocol)
{
	return socket(domain, type | SOCK_NONBLOCK, protocol);
}

int main(void)
{
	struct epoll_event events[EVENTS] = { { .events = EPOLLIN } };
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_on(nonblocking_socket);

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0]);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(events[i].data.ptr);
			else
				accept_all(epoll, listener);
		}
	}
}
