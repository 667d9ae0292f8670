/* SPDX-License-Identifier: MIT */
/* green_callbacks.c - no tasks: a watcher per connection calls back, and waits for room while something is left to send */
#include <errno.h>
#include <stdlib.h>

#include <green.h>

#include "listen.h"

struct connection {
	struct green_watcher watcher;
	int fd;
	int events; /* what is watched for */
	size_t length, sent;
	char bytes[CHUNK];
};

static void drop(struct connection *c)
{
	green_watcher_stop(&c->watcher);
	green_close(c->fd);
	free(c);
}

static void serve(struct green_watcher *watcher, int events);

/* The descriptor does not block, so neither do the calls below. */
static void watch_for(struct connection *c, int events)
{
	if (c->events == events)
		return;
	if (c->events)
		green_watcher_stop(&c->watcher);
	c->events = events;
	if (green_watch_fd(&c->watcher, c->fd, events, serve, c) < 0)
		abort();
}

static void give(struct connection *c)
{
	ssize_t n = send(c->fd, c->bytes + c->sent, c->length - c->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		drop(c);
		return;
	}
	c->sent += n > 0 ? (size_t)n : 0;
	watch_for(c, c->sent < c->length ? GREEN_WRITE : GREEN_READ);
}

static void serve(struct green_watcher *watcher, int events)
{
	struct connection *c = watcher->data;

	if (events & GREEN_READ) {
		ssize_t n = recv(c->fd, c->bytes, sizeof(c->bytes), 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			drop(c);
			return;
		}
		c->sent = 0;
		c->length = (size_t)n;
	}
	give(c);
}

static void accept_all(struct green_watcher *watcher, int events)
{
	int fd;

	(void)events;
	while ((fd = green_accept4(*(int *)watcher->data, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = malloc(sizeof(*c));

		if (!c)
			abort();
		c->fd = fd;
		c->events = 0;
		watch_for(c, GREEN_READ);
	}
}

static int nonblocking_socket(int domain, int type, int protocol)
{
	return green_socket(domain, type | SOCK_NONBLOCK, protocol);
}

int main(void)
{
	struct green_watcher watcher;
	int listener = listen_on(nonblocking_socket);

	return green_watch_fd(&watcher, listener, GREEN_READ, accept_all, &listener) < 0 || green_hub_run(-1) < 0;
}
