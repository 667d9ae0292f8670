/* SPDX-License-Identifier: MIT */
/* connect.c - connect a socket, without waiting in the call */
#include <errno.h>
#include <sys/ioctl.h>

#include "base/sys.h"
#include "green/socket.h"
#include "hub/descriptor.h"
#include "hub/worker.h"
#include "net/io.h"
#include "net/socket.h"

long green__connect_finish(struct io *io)
{
	int error = 0;
	long result = green__io_wait(io);

	if (result == -EAGAIN)
		return -EINPROGRESS;
	if (result)
		return result;
	result = green__socket_ask(io->wait.fd, SO_ERROR, &error);
	if (result)
		return result;
	/* A wait that was interrupted and restarted may come back before the end. */
	if (!error && !green__io_ready(io->wait.fd, POLLOUT))
		return green__connect_finish(io);
	return -error;
}

/* The arguments of a connect, which a worker may have to make. */
struct connect_call {
	int fd;
	const struct sockaddr *to;
	socklen_t to_length;
};

static long connect_run(void *arg)
{
	struct connect_call *call = arg;

	return sys_call(SYS_connect, call->fd, call->to, call->to_length);
}

static void set_nonblocking(int fd, int on)
{
	sys_call(SYS_ioctl, fd, FIONBIO, &on);
}

/* Only where nobody else can see it, O_NONBLOCK is set for the moment of the call. */
static long connect_attempt(void *call)
{
	int fd = ((struct connect_call *)call)->fd;
	long result;

	set_nonblocking(fd, 1);
	result = connect_run(call);
	set_nonblocking(fd, 0);
	return result;
}

static long connect_work(struct io *io, struct connect_call *call)
{
	long result;

	return green__work(io->hub, connect_run, call, &result) ? connect_run(call) : result;
}

/* Datagrams have nobody to wait for, a SOCK_SEQPACKET has. */
static bool connect_may_wait(int fd)
{
	int kind = green__descriptor_kind(fd), type = 0;
	socklen_t length = sizeof(type);

	if (kind != DESCRIPTOR_DATAGRAM)
		return kind >= 0 && socket_is_stream(kind);
	return sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

long green__connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct connect_call call = { .fd = fd, .to = address, .to_length = length };
	struct io io;
	long result;

	if (!connect_may_wait(fd) || green__descriptor_nonblocking(fd))
		return connect_run(&call);
	green__io_start(&io, fd, EPOLLOUT, SO_SNDTIMEO);
	if (!green__descriptor_private(green__descriptor(fd)))
		return connect_work(&io, &call);
	result = connect_attempt(&call);
	io.hub->flow->stats->io_calls += 3;
	if (result == -EINPROGRESS || result == -EALREADY)
		result = green__connect_finish(&io);
	else if (result == -EAGAIN) /* the listener's backlog is full, which a local socket cannot be polled for */
		result = io.hub->elsewhere ? connect_work(&io, &call) : green__socket_try(&io, connect_attempt, &call);
	green__io_end(&io);
	return result;
}

int green_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	return green__hub() ? (int)sys_result(green__connect(fd, address, length)) : -1;
}
