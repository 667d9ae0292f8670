/* SPDX-License-Identifier: MIT */
/* accept.c - take a connection, and what is known of it from its listener */
#include <errno.h>

#include "base/sys.h"
#include "green/socket.h"
#include "hub/descriptor.h"
#include "hub/worker.h"
#include "net/io.h"
#include "net/socket.h"

/* The arguments of an accept, which a worker may have to make. */
struct accept_call {
	int fd, flags;
	struct sockaddr *address;
	socklen_t *length;
};

static long accept_run(void *arg)
{
	struct accept_call *call = arg;

	return sys_call(SYS_accept4, call->fd, call->address, call->length, call->flags);
}

/* Anything else can become ready too, but never accepts. */
static bool listening(int fd)
{
	int value = 0;

	return green__socket_ask(fd, SO_ACCEPTCONN, &value) == 0 && value;
}

/*
 * Readiness is certain only while nobody else can take the connection, neither
 * another process nor another hub; otherwise the plain call might block.
 */
static long accept_attempt(struct io *io, struct accept_call *call)
{
	bool alone = green__descriptor_private(green__descriptor(io->wait.fd)) && green__hubs() == 1;
	long result;

	io->hub->flow->stats->io_calls++;
	if (green__descriptor_nonblocking(io->wait.fd))
		return accept_run(call);
	if (!green__io_ready(io->wait.fd, POLLIN))
		return listening(io->wait.fd) ? -EAGAIN : accept_run(call);
	if (alone || green__work(io->hub, accept_run, call, &result))
		return accept_run(call);
	return result;
}

void green__accepted(int listener, int fd, int flags)
{
	int kind = green__descriptor_kind(listener);
	struct descriptor *descriptor = green__descriptor(listener);

	green__descriptor_made(fd, kind == DESCRIPTOR_TCP ? DESCRIPTOR_TCP : DESCRIPTOR_UNCLASSIFIED, flags & SOCK_NONBLOCK);
	/* A connection inherits its listener's timeouts. */
	if (!green__descriptor_private(descriptor) || (descriptor->flags & DESCRIPTOR_TIMEOUTS))
		green__descriptor_option_set(fd, SOL_SOCKET, SO_RCVTIMEO);
}

long green__accept(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	struct accept_call call = { .fd = fd, .flags = flags, .address = address, .length = length };
	struct io io;
	long result;

	green__io_start(&io, fd, EPOLLIN, SO_RCVTIMEO);
	for (;;) {
		result = accept_attempt(&io, &call);
		if (result != -EAGAIN)
			break;
		result = green__io_wait(&io);
		if (result)
			break;
	}
	if (result >= 0)
		green__accepted(fd, (int)result, flags);
	green__io_end(&io);
	return result;
}

int green_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return green_accept4(fd, address, length, 0);
}

int green_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	return green__hub() ? (int)sys_result(green__accept(fd, address, length, flags)) : -1;
}
