/* SPDX-License-Identifier: MIT */
/* c_ev.c - libev: a watcher per connection, which waits for room instead while something is left to send */
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"

/* The watcher stands first, so that its address is the connection's. */
struct connection {
	ev_io io;
	size_t length, sent;
	char bytes[CHUNK];
};

static void drop(struct ev_loop *loop, struct connection *c)
{
	ev_io_stop(loop, &c->io);
	close(c->io.fd);
	free(c);
}

static void wait_for(struct ev_loop *loop, struct connection *c, int events)
{
	if ((c->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(loop, &c->io);
	ev_io_set(&c->io, c->io.fd, events);
	ev_io_start(loop, &c->io);
}

static void give(struct ev_loop *loop, struct connection *c)
{
	ssize_t n = send(c->io.fd, c->bytes + c->sent, c->length - c->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		drop(loop, c);
		return;
	}
	c->sent += n > 0 ? (size_t)n : 0;
	wait_for(loop, c, c->sent < c->length ? EV_WRITE : EV_READ);
}

static void serve(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *c = (struct connection *)io;
	ssize_t n;

	if (events & EV_READ) {
		n = recv(io->fd, c->bytes, sizeof(c->bytes), 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			drop(loop, c);
			return;
		}
		c->sent = 0;
		c->length = (size_t)n;
	}
	give(loop, c);
}

static void accept_all(struct ev_loop *loop, ev_io *listener, int events)
{
	int fd;

	(void)events;
	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = malloc(sizeof(*c));

		if (!c)
			abort();
		ev_io_init(&c->io, serve, fd, EV_READ);
		ev_io_start(loop, &c->io);
	}
}

static int nonblocking_socket(int domain, int type, int protocol)
{
	return socket(domain, type | SOCK_NONBLOCK, protocol);
}

int main(void)
{
	struct ev_loop *loop = ev_default_loop(0);
	ev_io listener;

	ev_io_init(&listener, accept_all, listen_on(nonblocking_socket), EV_READ);
	ev_io_start(loop, &listener);
	return !ev_run(loop, 0);
}
