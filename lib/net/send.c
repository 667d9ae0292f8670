/* SPDX-License-Identifier: MIT */
/* send.c - send to sockets: try first, and park only after EAGAIN */
#include <errno.h>
#include <limits.h>

#include "base/sys.h"
#include "green/socket.h"
#include "hub/descriptor.h"
#include "hub/worker.h"
#include "net/io.h"
#include "net/socket.h"

enum { WINDOW = 64 };

/* MSG_FASTOPEN found no fast way: as any connect, and then as any send. */
static long open_slowly(struct io *io)
{
	return io->dontwait || green__descriptor_nonblocking(io->wait.fd) ? -EINPROGRESS : green__connect_finish(io);
}

/* A stream takes everything, piece by piece; control data goes with the first piece. */
static long send_stream(struct io *io, const struct msghdr *message, int flags, size_t size)
{
	struct iovec window[WINDOW];
	struct msghdr rest = *message;
	size_t done = 0;
	long result = 0;

	rest.msg_iov = window;
	do {
		rest.msg_iovlen = (size_t)green__iov_window(message->msg_iov, (int)message->msg_iovlen, done, window, WINDOW);
		/* What was sent counts; an error is told, and SIGPIPE raised, by the next call. */
		if (io->moved && green__socket_broken(io->wait.fd))
			break;
		result = sys_call(SYS_sendmsg, io->wait.fd, &rest,
				  flags | MSG_DONTWAIT | (io->moved ? MSG_NOSIGNAL : 0));
		io->hub->flow->stats->io_calls++;
		if (result == -EINPROGRESS && (flags & MSG_FASTOPEN) && !(result = open_slowly(io))) {
			flags &= ~MSG_FASTOPEN;
			continue;
		}
		if (result >= 0) {
			done += (size_t)result;
			io->moved = true;
			rest.msg_control = NULL;
			rest.msg_controllen = 0;
		} else if (result != -EAGAIN || (result = green__io_wait(io))) {
			break;
		}
	} while (done < size);
	return done ? (long)done : result;
}

struct message_call {
	int fd, flags;
	const struct msghdr *message;
};

static long send_run(void *arg)
{
	struct message_call *call = arg;

	return sys_call(SYS_sendmsg, call->fd, call->message, call->flags);
}

/*
 * A local socket that is not connected says that it is writable whatever room its
 * receiver has, and does not tell when that changes.
 */
static long send_unannounced(struct io *io, const struct msghdr *message, int flags)
{
	struct message_call call = { io->wait.fd, flags, message };
	long result;

	if (!io->hub->elsewhere) {
		call.flags |= MSG_DONTWAIT;
		return green__socket_try(io, send_run, &call);
	}
	return green__work(io->hub, send_run, &call, &result) ? send_run(&call) : result;
}

static bool is_unannounced(const struct io *io, const struct msghdr *message)
{
	return message->msg_name && !io->dontwait && !green__descriptor_nonblocking(io->wait.fd) &&
	       green__io_ready(io->wait.fd, POLLOUT);
}

static long send_message(struct io *io, const struct msghdr *message, int flags)
{
	long result;

	for (;;) {
		result = sys_call(SYS_sendmsg, io->wait.fd, message, flags | MSG_DONTWAIT);
		io->hub->flow->stats->io_calls++;
		if (result != -EAGAIN)
			return result;
		if (is_unannounced(io, message))
			return send_unannounced(io, message, flags);
		result = green__io_wait(io);
		if (result)
			return result;
	}
}

/* MOVED: a part has gone already. */
static long send_rest(int fd, const struct msghdr *message, int flags, bool moved)
{
	struct io io;
	long size = message->msg_iovlen > IOV_MAX ? -EMSGSIZE : green__iov_size(message->msg_iov, (int)message->msg_iovlen);
	long result;

	if (size < 0)
		return sys_call(SYS_sendmsg, fd, message, flags | MSG_DONTWAIT);
	if (message->msg_controllen)
		green__descriptors_sent(message);
	green__io_start(&io, fd, EPOLLOUT, SO_SNDTIMEO);
	io.dontwait = flags & MSG_DONTWAIT;
	io.moved = moved;
	if (socket_is_stream(green__descriptor_kind(fd)))
		result = send_stream(&io, message, flags, (size_t)size);
	else
		result = send_message(&io, message, flags);
	green__io_end(&io);
	return result;
}

long green__sendmsg(int fd, const struct msghdr *message, int flags)
{
	return send_rest(fd, message, flags, false);
}

long green__sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length)
{
	struct iovec part = { (void *)buffer, size };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_name = (void *)address, .msg_namelen = address ? length : 0,
	};
	long result = flags & MSG_FASTOPEN ? -EAGAIN : sys_call(SYS_sendto, fd, buffer, size, flags | MSG_DONTWAIT, address, length);

	green__current->flow->stats->io_calls++;
	/* Nearly always the first attempt takes all; datagrams are taken whole or not at all. */
	if (result == (long)size || (result < 0 && result != -EAGAIN) || (flags & MSG_DONTWAIT)) {
		green__io_burst(green__current->flow->hub);
		return result;
	}
	if (result < 0)
		return green__sendmsg(fd, &message, flags);
	if (green__descriptor_nonblocking(fd) || !socket_is_stream(green__descriptor_kind(fd)))
		return result;
	part.iov_base = (char *)part.iov_base + result;
	part.iov_len -= (size_t)result;
	message.msg_name = NULL;
	message.msg_namelen = 0;
	size = (size_t)result;
	result = send_rest(fd, &message, flags, true);
	return result > 0 ? (long)size + result : (long)size;
}

ssize_t green_send(int fd, const void *buffer, size_t size, int flags)
{
	return green_sendto(fd, buffer, size, flags, NULL, 0);
}

ssize_t green_sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length)
{
	return green__hub() ? sys_result(green__sendto(fd, buffer, size, flags, address, length)) : -1;
}

ssize_t green_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return green__hub() ? sys_result(green__sendmsg(fd, message, flags)) : -1;
}
