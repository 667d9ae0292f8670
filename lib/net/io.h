/* SPDX-License-Identifier: MIT */
/*
 * io.h - blocking calls of which only the greenlet waits; results are the kernel's, or -errno
 *
 * The calling thread must have a hub.  The descriptor's own O_NONBLOCK is never
 * changed for longer than one connect, and only on one that nobody else can hold.
 */
#ifndef GREEN_NET_IO_H
#define GREEN_NET_IO_H

#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "hub/fd.h"
#include "hub/task.h"

#pragma GCC visibility push(default)

enum { BURST_MAX = 64 }; /* calls in a row that need not wait, before others get a turn */

/* One call on one descriptor, from the first attempt to the result. */
struct io {
	struct fd_wait wait; /* of FD, for EPOLLIN or EPOLLOUT; keeps its place from the first wait to the last */
	bool dontwait;     /* MSG_DONTWAIT and the like: the caller wants EAGAIN */
	bool moved;        /* some bytes have gone or come: a handler ends the call, which returns their number */
	bool woken;        /* an event was ours, so the next taker has to be told when we are done */
	int timeout_option; /* SO_RCVTIMEO, SO_SNDTIMEO, or 0 where neither applies */
	int64_t deadline;  /* 0 until the first wait has asked for the timeout */
	struct hub *hub;
};

static inline void green__io_start(struct io *io, int fd, uint32_t events, int timeout_option)
{
	io->wait.fd = fd;
	io->wait.events = events;
	io->wait.takes = true;
	io->wait.place = 0;
	io->dontwait = io->moved = io->woken = false;
	io->timeout_option = timeout_option;
	io->deadline = 0;
	io->hub = green__current->flow->hub;
}

/*
 * green__io_wait - the last attempt said EAGAIN: wait until another makes sense
 *
 * Returns: 0 to try again; -EAGAIN if the caller must not wait or its timeout
 * passed; -EINTR, -EBADF, ...
 */
int green__io_wait(struct io *io);

/* green__io_pause - as green__io_wait, where nothing tells when: try again after PAUSE nanoseconds */
int green__io_pause(struct io *io, int64_t pause);

/* green__io_burst - one more call that perhaps did not have to wait: after many in a row others get a turn */
static inline void green__io_burst(struct hub *hub)
{
	if (unlikely(++green__current->burst >= BURST_MAX))
		green__yield(hub);
}

/* green__io_end - the call has its result */
static inline void green__io_end(struct io *io)
{
	if (io->woken)
		green__fd_pass_on(io->hub, io->wait.fd, io->wait.events);
	green__io_burst(io->hub);
}

/* green__io_ready - the kernel's own answer whether FD is ready for EVENTS (POLLIN, POLLOUT) now */
bool green__io_ready(int fd, short events);

long green__read(int fd, void *buffer, size_t size);
long green__readv(int fd, const struct iovec *vector, int count);
long green__write(int fd, const void *buffer, size_t size);
long green__writev(int fd, const struct iovec *vector, int count);

/*
 * green__file_readv, green__file_writev - preadv2 and pwritev2 for a file on a disk; OFFSET -1 is where the file stands
 *
 * The greenlet goes to a worker where the disk has to be waited for.
 */
long green__file_readv(int fd, const struct iovec *vector, int count, int64_t offset, int flags);
long green__file_writev(int fd, const struct iovec *vector, int count, int64_t offset, int flags);

/* green__sendfile - *OFFSET, or where IN stands if OFFSET is NULL, goes on by what was sent */
long green__sendfile(int out, int in, int64_t *offset, size_t count);

long green__recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length);
long green__recvmsg(int fd, struct msghdr *message, int flags);
long green__sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length);
long green__sendmsg(int fd, const struct msghdr *message, int flags);
long green__accept(int fd, struct sockaddr *address, socklen_t *length, int flags);
long green__connect(int fd, const struct sockaddr *address, socklen_t length);

/* green__accepted - LISTENER has given FD, by accept4 with FLAGS */
void green__accepted(int listener, int fd, int flags);

/* green__descriptors_received - descriptors that came with MESSAGE may be anybody's */
void green__descriptors_received(struct msghdr *message);

/* green__descriptors_sent - descriptors that leave with MESSAGE are shared from now on */
void green__descriptors_sent(const struct msghdr *message);

/* green__poll - until DEADLINE (absolute; 0 only looks) */
long green__poll(struct pollfd *fds, nfds_t count, int64_t deadline);
long green__select(int count, fd_set *read, fd_set *write, fd_set *except, int64_t deadline);

/* iov_window - the part of COUNT parts VECTOR that lies behind the first DONE bytes, in at most ROOM parts of OUT */
int green__iov_window(const struct iovec *vector, int count, size_t done, struct iovec *out, int room);

/* iov_size - bytes in all parts; -EINVAL if there are too many of either */
long green__iov_size(const struct iovec *vector, int count);

#pragma GCC visibility pop

#endif
