/* SPDX-License-Identifier: MIT */
/* socket.c - receive, send, accept, connect: try first, and park only after EAGAIN */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/sys.h"
#include "green/socket.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "hub/worker.h"
#include "net/io.h"

enum {
	WINDOW = 64,
	CONTROL_MAX = 2048, /* credentials, a process and all the descriptors that one message can bring */
};

#define PEEK_AGAIN (1 * NS_PER_MS)
#define FIRST_PAUSE (NS_PER_MS / 4)
#define LONGEST_PAUSE (16 * NS_PER_MS)

/* These never wait for data of the ordinary kind. */
#define SPECIAL_FLAGS (MSG_OOB | MSG_ERRQUEUE)

static bool is_stream(int kind)
{
	return kind == DESCRIPTOR_TCP || kind == DESCRIPTOR_STREAM;
}

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

void green__descriptors_received(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
			green__descriptor_forget(fd);
		}
	}
}

void green__descriptors_sent(const struct msghdr *message)
{
	struct msghdr *mutable = (struct msghdr *)message;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(mutable); part; part = CMSG_NXTHDR(mutable, part)) {
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
			green__descriptor_shared(fd);
		}
	}
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

/*
 * The connection is gone, and why is still to be told: the next call does that, once.
 * POLLERR alone may mean no more than news in the queue of MSG_ERRQUEUE.
 */
static bool broken(int fd)
{
	struct pollfd pollfd = { .fd = fd };
	struct timespec zero = { 0, 0 };

	return sys_look(SYS_ppoll, &pollfd, 1, &zero, NULL, 8) > 0 && (pollfd.revents & POLLERR) && (pollfd.revents & POLLHUP);
}

/* A local socket forgets the error even if the call has bytes to return. */
static bool error_waits(int fd)
{
	int queued = 0;

	if (green__descriptor_kind(fd) != DESCRIPTOR_TCP || !broken(fd))
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
	size_t least = is_stream(kind) ? least_wanted(fd, flags, wanted) : 0;
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

/* What a socket says of itself; that the kernel lacks memory for the answer is none. */
static long ask(int fd, int name, int *value)
{
	socklen_t length = sizeof(*value);
	long result;

	do {
		result = sys_call(SYS_getsockopt, fd, SOL_SOCKET, name, value, &length);
	} while (sys_lacks(result));
	return result;
}

/* The connection is under way: its end shows as writable, and then SO_ERROR tells. */
static long connect_finish(struct io *io)
{
	int error = 0;
	long result = green__io_wait(io);

	if (result == -EAGAIN)
		return -EINPROGRESS;
	if (result)
		return result;
	result = ask(io->wait.fd, SO_ERROR, &error);
	if (result)
		return result;
	/* A wait that was interrupted and restarted may come back before the end. */
	if (!error && !green__io_ready(io->wait.fd, POLLOUT))
		return connect_finish(io);
	return -error;
}

/* MSG_FASTOPEN found no fast way: as any connect, and then as any send. */
static long open_slowly(struct io *io)
{
	return io->dontwait || green__descriptor_nonblocking(io->wait.fd) ? -EINPROGRESS : connect_finish(io);
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
		if (io->moved && broken(io->wait.fd))
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

/*
 * ATTEMPT until it says something else than EAGAIN, where nothing tells when that may be
 *
 * On a worker the call could not be stopped, and a few of them would keep the whole pool.
 */
static long try_on(struct io *io, long (*attempt)(void *), void *call)
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
		return try_on(io, send_run, &call);
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
	if (is_stream(green__descriptor_kind(fd)))
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
	if (green__descriptor_nonblocking(fd) || !is_stream(green__descriptor_kind(fd)))
		return result;
	part.iov_base = (char *)part.iov_base + result;
	part.iov_len -= (size_t)result;
	message.msg_name = NULL;
	message.msg_namelen = 0;
	size = (size_t)result;
	result = send_rest(fd, &message, flags, true);
	return result > 0 ? (long)size + result : (long)size;
}

/* The arguments of an accept or connect that a worker has to make. */
struct socket_call {
	int fd, flags;
	struct sockaddr *address;
	socklen_t *length;
	const struct sockaddr *to;
	socklen_t to_length;
};

static long accept_run(void *arg)
{
	struct socket_call *call = arg;

	return sys_call(SYS_accept4, call->fd, call->address, call->length, call->flags);
}

static long connect_run(void *arg)
{
	struct socket_call *call = arg;

	return sys_call(SYS_connect, call->fd, call->to, call->to_length);
}

/* Anything else can become ready too, but never accepts. */
static bool listening(int fd)
{
	int value = 0;

	return ask(fd, SO_ACCEPTCONN, &value) == 0 && value;
}

/*
 * Readiness is certain only while nobody else can take the connection, neither
 * another process nor another hub; otherwise the plain call might block.
 */
static long accept_attempt(struct io *io, struct socket_call *call)
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
	struct socket_call call = { .fd = fd, .flags = flags, .address = address, .length = length };
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

static void set_nonblocking(int fd, int on)
{
	sys_call(SYS_ioctl, fd, FIONBIO, &on);
}

/* Only where nobody else can see it, O_NONBLOCK is set for the moment of the call. */
static long connect_attempt(void *call)
{
	int fd = ((struct socket_call *)call)->fd;
	long result;

	set_nonblocking(fd, 1);
	result = connect_run(call);
	set_nonblocking(fd, 0);
	return result;
}

static long connect_work(struct io *io, struct socket_call *call)
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
		return kind >= 0 && is_stream(kind);
	return sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

long green__connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct socket_call call = { .fd = fd, .to = address, .to_length = length };
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
		result = connect_finish(&io);
	else if (result == -EAGAIN) /* the listener's backlog is full, which a local socket cannot be polled for */
		result = io.hub->elsewhere ? connect_work(&io, &call) : try_on(&io, connect_attempt, &call);
	green__io_end(&io);
	return result;
}

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

int green_accept(int fd, struct sockaddr *address, socklen_t *length)
{
	return green_accept4(fd, address, length, 0);
}

int green_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	return green__hub() ? (int)sys_result(green__accept(fd, address, length, flags)) : -1;
}

int green_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	return green__hub() ? (int)sys_result(green__connect(fd, address, length)) : -1;
}

int green_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	long result = sys_call(SYS_setsockopt, fd, level, name, value, length);

	if (result == 0)
		green__descriptor_option_set(fd, level, name);
	return (int)sys_result(result);
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
