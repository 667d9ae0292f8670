/* SPDX-License-Identifier: MIT */
/* receive.c - receive from sockets: try first, and park only after EAGAIN */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/sys.h"
#include "green/socket.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "net/io.h"
#include "net/socket.h"

enum {
	WINDOW = 64,
	CONTROL_MAX = 2048, /* credentials, a process and all the descriptors that one message can bring */
};

#define PEEK_AGAIN (1 * NS_PER_MS)

/* These never wait for data of the ordinary kind. */
#define SPECIAL_FLAGS (MSG_OOB | MSG_ERRQUEUE)

/* One receive of the message form; what the kernel may write to is as it was if it has to be repeated. */
static long recvmsg_attempt(struct io *io, struct msghdr *message, int flags)
{
	struct msghdr before = *message;
	long result = sys_call(SYS_recvmsg, io->wait.fd, message, (flags & ~MSG_WAITALL) | MSG_DONTWAIT);

	io->hub->flow->stats->io_calls++;
	if (result == -EAGAIN)
		*message = before;
	return result;
}

/* A peek takes nothing, so LEAST bytes can only be waited for by looking again. */
static bool peek_again(struct io *io, int flags, size_t got, size_t least)
{
	int error;

	if (!(flags & MSG_PEEK) || got == 0 || got >= least || io->dontwait)
		return false;
	if (green__descriptor_nonblocking(io->wait.fd) || green__io_ready(io->wait.fd, POLLRDHUP))
		return false;
	error = green__sleep(io->hub, clock_after(PEEK_AGAIN), WAIT_BOTH);
	if (error == -ECANCELED)
		green__raise_again();
	return !error || (error == -EINTR && green__interrupted(true));
}

/* A local socket forgets the error even if the call has bytes to return. */
static bool error_waits(int fd)
{
	int queued = 0;

	if (green__descriptor_kind(fd) != DESCRIPTOR_TCP || !green__socket_broken(fd))
		return false;
	sys_call(SYS_ioctl, fd, FIONREAD, &queued);
	return queued == 0;
}

/* Below SO_RCVLOWAT nothing is announced, but a call that ends for another reason takes it. */
static long last_attempt(struct io *io, struct msghdr *message, int flags, size_t least, long error)
{
	long result = least > 1 && !io->moved && !io->dontwait ? recvmsg_attempt(io, message, flags) : error;

	if (result >= 0)
		green__raise_again();
	return result == -EAGAIN ? error : result;
}

static long receive_some(struct io *io, struct msghdr *message, int flags, size_t least)
{
	long result;

	/* After a short read of plain TCP the probe would only say EAGAIN. */
	if (!io->dontwait && green__fd_drained(io->hub, io->wait.fd) && !green__descriptor_nonblocking(io->wait.fd)) {
		result = green__io_wait(io);
		if (result)
			return last_attempt(io, message, flags, least, result);
	}
	for (;;) {
		if (io->moved && error_waits(io->wait.fd))
			return 0;
		result = recvmsg_attempt(io, message, flags);
		if (result >= 0 && peek_again(io, flags, (size_t)result, least))
			continue;
		if (result != -EAGAIN)
			return result;
		result = green__io_wait(io);
		if (result)
			return last_attempt(io, message, flags, least, result);
	}
}

static bool plain_read(int flags)
{
	return !(flags & (MSG_PEEK | MSG_WAITALL | SPECIAL_FLAGS | MSG_TRUNC));
}

/* TCP stops where urgent data was, and a local socket behind a message with descriptors, whatever is asked for. */
static bool stops_here(int fd, const struct msghdr *message)
{
	struct msghdr *mutable = (struct msghdr *)message;
	int mark = 0;

	if (message->msg_flags & MSG_CTRUNC)
		return true;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(mutable); part; part = CMSG_NXTHDR(mutable, part)) {
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
			return true;
	}
	return sys_call(SYS_ioctl, fd, SIOCATMARK, &mark) == 0 && mark;
}

/* What came with a later piece, the sender's credentials again and perhaps descriptors, stands for the whole. */
static void take_control(struct msghdr *message, const struct msghdr *piece)
{
	if (piece->msg_controllen) {
		memcpy(message->msg_control, piece->msg_control, piece->msg_controllen);
		message->msg_controllen = piece->msg_controllen;
	}
	message->msg_flags = piece->msg_flags;
}

/* Until LEAST bytes are there; GOT are, and whatever happens they are returned. ROOM is for control data. */
static size_t receive_rest(struct io *io, struct msghdr *message, int flags, size_t got, size_t least, size_t room)
{
	struct iovec window[WINDOW];
	char control[CONTROL_MAX];
	struct msghdr rest = { .msg_iov = window, .msg_control = control };

	io->moved = true;
	while (got < least && !stops_here(io->wait.fd, message)) {
		long result;

		rest.msg_iovlen = (size_t)green__iov_window(message->msg_iov, (int)message->msg_iovlen, got, window, WINDOW);
		rest.msg_controllen = room < sizeof(control) ? room : sizeof(control);
		result = receive_some(io, &rest, flags, least - got);
		if (result <= 0)
			break;
		take_control(message, &rest);
		got += (size_t)result;
	}
	return got;
}

/* How many bytes a stream is waited for: with MSG_WAITALL all, else what SO_RCVLOWAT says. */
static size_t least_wanted(int fd, int flags, size_t wanted)
{
	size_t mark;

	if (flags & SPECIAL_FLAGS)
		return 0;
	mark = flags & MSG_WAITALL ? wanted : green__descriptor_low_mark(fd);
	return mark < wanted ? mark : wanted;
}

static long receive(int fd, struct msghdr *message, int flags, size_t wanted)
{
	struct io io;
	int kind = green__descriptor_kind(fd);
	size_t least = socket_is_stream(kind) ? least_wanted(fd, flags, wanted) : 0;
	size_t room = message->msg_controllen;
	long result;

	green__io_start(&io, fd, EPOLLIN, SO_RCVTIMEO);
	io.dontwait = flags & (MSG_DONTWAIT | SPECIAL_FLAGS);
	result = receive_some(&io, message, flags, least);
	if (result > 0 && (size_t)result < wanted) {
		if (kind == DESCRIPTOR_TCP && plain_read(flags) && least <= 1)
			green__fd_set_drained(io.hub, fd);
		if ((size_t)result < least && !io.dontwait && !(flags & MSG_PEEK))
			result = (long)receive_rest(&io, message, flags, (size_t)result, least, room);
	}
	green__io_end(&io);
	return result;
}

long green__recvmsg(int fd, struct msghdr *message, int flags)
{
	long wanted = message->msg_iovlen > IOV_MAX ? -EMSGSIZE : green__iov_size(message->msg_iov, (int)message->msg_iovlen);
	long result;

	/* What makes no sense, the kernel refuses in its own words. */
	if (wanted < 0)
		return sys_call(SYS_recvmsg, fd, message, flags | MSG_DONTWAIT);
	result = receive(fd, message, flags, (size_t)wanted);
	if (result >= 0 && message->msg_controllen)
		green__descriptors_received(message);
	return result;
}

/* The hot path: no address, no flags that need thought, so the plain system call does. */
static long receive_plain(const struct descriptor *descriptor, int fd, void *buffer, size_t size, int flags)
{
	struct hub *hub = green__current->flow->hub;
	struct fd *entry = green__fd_find(hub->fds, fd);
	struct io io;
	long result = -EAGAIN;

	green__io_start(&io, fd, EPOLLIN, SO_RCVTIMEO);
	io.dontwait = flags & MSG_DONTWAIT;
	if (io.dontwait || !green__fd_is_drained(entry, descriptor) || green__descriptor_nonblocking(fd))
		goto attempt;
	for (;;) {
		result = green__io_wait(&io);
		if (result)
			break;
attempt:
		result = sys_call(SYS_recvfrom, fd, buffer, size, flags | MSG_DONTWAIT, NULL, NULL);
		hub->flow->stats->io_calls++;
		if (result != -EAGAIN)
			break;
	}
	if (result > 0 && (size_t)result < size && descriptor->kind == DESCRIPTOR_TCP)
		green__fd_drain(entry ? entry : green__fd_find(hub->fds, fd), descriptor);
	green__io_end(&io);
	return result;
}

static GREEN_NOINLINE long receive_from(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
					socklen_t *length)
{
	struct iovec part = { buffer, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_name = address };
	long result;

	if (address && length)
		message.msg_namelen = *length;
	result = receive(fd, &message, flags, size);
	if (result >= 0 && address && length)
		*length = message.msg_namelen;
	return result;
}

long green__recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
	const struct descriptor *descriptor = green__descriptor(fd);

	if (!address && !(flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) && descriptor && !green__descriptor_low_marks())
		return receive_plain(descriptor, fd, buffer, size, flags);
	return receive_from(fd, buffer, size, flags, address, length);
}

ssize_t green_recv(int fd, void *buffer, size_t size, int flags)
{
	return green_recvfrom(fd, buffer, size, flags, NULL, NULL);
}

ssize_t green_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length)
{
	return green__hub() ? sys_result(green__recvfrom(fd, buffer, size, flags, address, length)) : -1;
}

ssize_t green_recvmsg(int fd, struct msghdr *message, int flags)
{
	return green__hub() ? sys_result(green__recvmsg(fd, message, flags)) : -1;
}
