/* SPDX-License-Identifier: MIT */
/* hook_socket.c - sockets: make, accept, connect, receive, send */
#include "green/socket.h"
#include "file.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "net/io.h"
#include "shim.h"

extern void __chk_fail(void) __attribute__((noreturn));

/* RETURN the call's result: the real call's for whoever is not green, else the cooperative one's. */
#define GREEN_OR_REAL(cooperative, plain) \
	do { \
		if (!shim_hub()) \
			return plain; \
		shim_cancellation_point(); \
		return sys_result(cooperative); \
	} while (0)

WRAPPER ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	GREEN_OR_REAL(green__recvfrom(fd, buffer, size, flags, NULL, NULL), real(recv)(fd, buffer, size, flags));
}

WRAPPER ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
	GREEN_OR_REAL(green__recvfrom(fd, buffer, size, flags, address, length),
		      real(recvfrom)(fd, buffer, size, flags, address, length));
}

/* A foreign thread's receive may bring descriptors as well. */
static ssize_t recvmsg_plain(int fd, struct msghdr *message, int flags)
{
	ssize_t result = real(recvmsg)(fd, message, flags);

	if (result >= 0 && message->msg_controllen && !shim.in_vfork_child)
		green__descriptors_received(message);
	return result;
}

WRAPPER ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	GREEN_OR_REAL(green__recvmsg(fd, message, flags), recvmsg_plain(fd, message, flags));
}

WRAPPER ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
	GREEN_OR_REAL(green__sendto(fd, buffer, size, flags, NULL, 0), real(send)(fd, buffer, size, flags));
}

WRAPPER ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length)
{
	GREEN_OR_REAL(green__sendto(fd, buffer, size, flags, address, length),
		      real(sendto)(fd, buffer, size, flags, address, length));
}

static ssize_t sendmsg_plain(int fd, const struct msghdr *message, int flags)
{
	if (message->msg_controllen && !shim.in_vfork_child)
		green__descriptors_sent(message);
	return real(sendmsg)(fd, message, flags);
}

WRAPPER ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	GREEN_OR_REAL(green__sendmsg(fd, message, flags), sendmsg_plain(fd, message, flags));
}

WRAPPER ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags)
{
	if (size > room)
		__chk_fail();
	return recv(fd, buffer, size, flags);
}

WRAPPER ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags, struct sockaddr *address,
			       socklen_t *length)
{
	if (size > room)
		__chk_fail();
	return recvfrom(fd, buffer, size, flags, address, length);
}

ALIAS(__send, send);

/* --- several messages at once --- */

/* What is left until DEADLINE goes to LIMIT, as the kernel does it after each message; false if nothing is. */
static bool time_left(struct timespec *limit, int64_t deadline)
{
	int64_t left = deadline - clock_now();

	*limit = clock_to_timespec(left > 0 ? left : 0);
	return left > 0;
}

/* The first message may wait; MSG_WAITFORONE makes the others not. */
static long receive_many(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *limit)
{
	int64_t deadline = limit ? clock_after(clock_from_timespec(limit)) : CLOCK_NEVER;
	long result = 0;
	unsigned done = 0;
	bool once = flags & MSG_WAITFORONE;

	if (limit && !clock_valid(limit))
		return -EINVAL;
	flags &= ~MSG_WAITFORONE;
	while (done < count) {
		result = green__recvmsg(fd, &messages[done].msg_hdr, flags);
		if (result < 0)
			break;
		messages[done++].msg_len = (unsigned)result;
		if (once)
			flags |= MSG_DONTWAIT;
		if (limit && !time_left(limit, deadline))
			break;
		if (messages[done - 1].msg_hdr.msg_flags & MSG_OOB)
			break;
	}
	return done ? (long)done : result;
}

WRAPPER int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	GREEN_OR_REAL(receive_many(fd, messages, count, flags, timeout), real(recvmmsg)(fd, messages, count, flags, timeout));
}

static long send_many(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	long result = 0;
	unsigned done = 0;

	while (done < count) {
		result = green__sendmsg(fd, &messages[done].msg_hdr, flags);
		if (result < 0)
			break;
		messages[done++].msg_len = (unsigned)result;
	}
	return done ? (long)done : result;
}

WRAPPER int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	GREEN_OR_REAL(send_many(fd, messages, count, flags), real(sendmmsg)(fd, messages, count, flags));
}

/* --- make, accept, connect, options --- */

WRAPPER int socket(int domain, int type, int protocol)
{
	if (shim.in_vfork_child)
		return real(socket)(domain, type, protocol);
	return descriptor_new(green_socket(domain, type, protocol));
}

WRAPPER int socketpair(int domain, int type, int protocol, int fds[2])
{
	int result;

	if (shim.in_vfork_child)
		return real(socketpair)(domain, type, protocol, fds);
	result = green_socketpair(domain, type, protocol, fds);
	if (result == 0)
		descriptor_new(fds[1]);
	return result;
}

static int accept_plain(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	int result = real(accept4)(fd, address, length, flags);

	if (result >= 0 && !shim.in_vfork_child)
		green__accepted(fd, result, flags);
	return result;
}

WRAPPER int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	GREEN_OR_REAL(descriptor_new((int)green__accept(fd, address, length, flags)), accept_plain(fd, address, length, flags));
}

WRAPPER int accept(int fd, struct sockaddr *address, socklen_t *length)
{
	GREEN_OR_REAL(descriptor_new((int)green__accept(fd, address, length, 0)), accept_plain(fd, address, length, 0));
}

WRAPPER int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	GREEN_OR_REAL((int)green__connect(fd, address, length), real(connect)(fd, address, length));
}

ALIAS(__connect, connect);

WRAPPER int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	return shim.in_vfork_child ? real(setsockopt)(fd, level, name, value, length)
				   : green_setsockopt(fd, level, name, value, length);
}
