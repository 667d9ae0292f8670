/* SPDX-License-Identifier: MIT */
/* socket.c - make sockets and set them up; and what the calls on them share */
#include <errno.h>

#include "base/sys.h"
#include "green/socket.h"
#include "hub/descriptor.h"
#include "net/io.h"
#include "net/socket.h"

#define FIRST_PAUSE (NS_PER_MS / 4)
#define LONGEST_PAUSE (16 * NS_PER_MS)

/* --- what receive.c, send.c, connect.c and accept.c share --- */

bool green__socket_broken(int fd)
{
	struct pollfd pollfd = { .fd = fd };
	struct timespec zero = { 0, 0 };

	return sys_look(SYS_ppoll, &pollfd, 1, &zero, NULL, 8) > 0 && (pollfd.revents & POLLERR) && (pollfd.revents & POLLHUP);
}

long green__socket_ask(int fd, int name, int *value)
{
	socklen_t length = sizeof(*value);
	long result;

	do {
		result = sys_call(SYS_getsockopt, fd, SOL_SOCKET, name, value, &length);
	} while (sys_lacks(result));
	return result;
}

long green__socket_try(struct io *io, long (*attempt)(void *), void *call)
{
	int64_t pause = FIRST_PAUSE;
	long result = -EAGAIN;
	int error;

	while (result == -EAGAIN) {
		error = green__io_pause(io, pause);
		if (error)
			return error;
		result = attempt(call);
		io->hub->flow->stats->io_calls++;
		if (pause < LONGEST_PAUSE)
			pause *= 2;
	}
	return result;
}

/* --- public calls --- */

static enum descriptor_kind made_kind(int domain, int type, int protocol)
{
	if ((type & 0xf) != SOCK_STREAM)
		return DESCRIPTOR_DATAGRAM;
	if ((domain == AF_INET || domain == AF_INET6) && (protocol == 0 || protocol == 6))
		return DESCRIPTOR_TCP;
	return DESCRIPTOR_STREAM;
}

int green_socket(int domain, int type, int protocol)
{
	long fd = sys_call(SYS_socket, domain, type, protocol);

	if (fd >= 0)
		green__descriptor_made((int)fd, made_kind(domain, type, protocol), type & SOCK_NONBLOCK);
	return (int)sys_result(fd);
}

int green_socketpair(int domain, int type, int protocol, int fds[2])
{
	long result = sys_call(SYS_socketpair, domain, type, protocol, fds);

	for (int i = 0; !result && i < 2; i++)
		green__descriptor_made(fds[i], made_kind(domain, type, protocol), type & SOCK_NONBLOCK);
	return (int)sys_result(result);
}

int green_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	long result = sys_call(SYS_setsockopt, fd, level, name, value, length);

	if (result == 0)
		green__descriptor_option_set(fd, level, name);
	return (int)sys_result(result);
}
