/* SPDX-License-Identifier: MIT */
/* io.c - the common course of a blocking call, and read and write on whatever a descriptor is */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/sys.h"
#include "green/io.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "hub/worker.h"
#include "net/io.h"

enum {
	WINDOW = 64,      /* parts of a vector that one attempt takes */
	CHUNK = 4096,     /* PIPE_BUF: what a pipe that says "ready" takes without blocking */
	TERMINAL_ROOM = 128, /* what a terminal that says "ready" has room for, even if each byte becomes two */
};

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

static int64_t io_deadline(struct io *io)
{
	if (io->deadline == 0 && !io->timeout_option)
		io->deadline = CLOCK_NEVER;
	else if (io->deadline == 0)
		io->deadline = clock_after(green__descriptor_timeout(io->wait.fd, io->timeout_option));
	return io->deadline;
}

/* Nearly always it is plain, and then there is nothing to find out. */
static inline bool must_not_wait(struct io *io)
{
	if (io->dontwait)
		return true;
	if (!likely(green__descriptor_plain(green__descriptor_find(io->wait.fd))))
		return green__descriptor_nonblocking(io->wait.fd);
	if (!io->deadline)
		io->deadline = CLOCK_NEVER;
	return false;
}

/* What the end of a wait means for the call. */
static int io_waited(struct io *io, int error)
{
	if (error == -ETIMEDOUT)
		return -EAGAIN;
	/* A call with a timeout of its own, or with something to tell, is never restarted, see signal(7). */
	if (error == -EINTR && green__interrupted(io->deadline == CLOCK_NEVER && !io->moved))
		return 0;
	if (error == -ECANCELED && io->moved)
		green__raise_again();
	return green__raised_error(error);
}

int green__io_wait(struct io *io)
{
	int error;

	if (must_not_wait(io))
		return -EAGAIN;
	error = green__fd_wait_one(io->hub, &io->wait, io_deadline(io), WAIT_BOTH);
	if (unlikely(error))
		return io_waited(io, error);
	io->woken = true;
	return 0;
}

int green__io_pause(struct io *io, int64_t pause)
{
	int64_t soon = clock_after(pause), deadline = io_deadline(io);

	if (clock_now() >= deadline)
		return -EAGAIN;
	return io_waited(io, green__sleep(io->hub, soon < deadline ? soon : deadline, WAIT_BOTH));
}

bool green__io_ready(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	struct timespec zero = { 0, 0 };
	long ready;

	green__current->flow->stats->io_calls++;
	/* What is not known must not pass for "not ready": the event may have been told of already. */
	do {
		ready = sys_look(SYS_ppoll, &pollfd, 1, &zero, NULL, 8);
	} while (sys_lacks(ready));
	return ready > 0;
}

int green__iov_window(const struct iovec *vector, int count, size_t done, struct iovec *out, int room)
{
	int used = 0;

	for (int i = 0; i < count && used < room; i++) {
		if (done >= vector[i].iov_len) {
			done -= vector[i].iov_len;
			continue;
		}
		out[used].iov_base = (char *)vector[i].iov_base + done;
		out[used++].iov_len = vector[i].iov_len - done;
		done = 0;
	}
	return used;
}

long green__iov_size(const struct iovec *vector, int count)
{
	size_t size = 0;

	if (count < 0 || count > IOV_MAX)
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		if (__builtin_add_overflow(size, vector[i].iov_len, &size) || size > SSIZE_MAX)
			return -EINVAL;
	}
	return (long)size;
}

/* Not every file takes RWF_NOWAIT; those that do not are asked whether they are ready first. */
static bool nowait_refused(long result)
{
	return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOSYS;
}

static long read_attempt(int fd, const struct iovec *vector, int count)
{
	long result = sys_call(SYS_preadv2, fd, vector, count, -1, -1, RWF_NOWAIT);

	green__current->flow->stats->io_calls++;
	if (!nowait_refused(result))
		return result;
	if (!green__io_ready(fd, POLLIN))
		return -EAGAIN;
	return sys_call(SYS_readv, fd, vector, count);
}

/* Who waits in a read of a terminal when that hangs up gets an error, who comes later reads the end. */
static bool hung_up_meanwhile(const struct io *io)
{
	struct termios mode;

	return io->woken && sys_call(SYS_ioctl, io->wait.fd, TCGETS, &mode) == -EIO;
}

static long read_polled(int fd, const struct iovec *vector, int count)
{
	struct io io;
	long result;

	green__io_start(&io, fd, EPOLLIN, 0);
	for (;;) {
		result = read_attempt(fd, vector, count);
		if (result != -EAGAIN)
			break;
		result = green__io_wait(&io);
		if (result)
			break;
	}
	green__io_end(&io);
	if (result == 0 && hung_up_meanwhile(&io))
		return -EIO;
	/* epoll refuses what never blocks, so the plain call is safe. */
	return result == -EPERM ? sys_call(SYS_readv, fd, vector, count) : result;
}

/* The number was a socket once, and changed hands where nobody saw it: ask the kernel from now on. */
static bool misremembered(int fd, long result)
{
	if (likely(result != -ENOTSOCK))
		return false;
	green__descriptor_forget(fd);
	return true;
}

long green__readv(int fd, const struct iovec *vector, int count)
{
	long size = green__iov_size(vector, count);
	int kind = green__descriptor_kind(fd);
	struct msghdr message = { .msg_iov = (struct iovec *)vector, .msg_iovlen = (size_t)(count > 0 ? count : 0) };

	if (kind < 0 || size <= 0)
		return sys_call(SYS_readv, fd, vector, count);
	if (kind == DESCRIPTOR_FILE)
		return green__file_readv(fd, vector, count, -1, 0);
	if (kind == DESCRIPTOR_POLLED)
		return read_polled(fd, vector, count);
	size = green__recvmsg(fd, &message, 0);
	return misremembered(fd, size) ? green__readv(fd, vector, count) : size;
}

long green__read(int fd, void *buffer, size_t size)
{
	struct iovec part = { buffer, size };
	int kind = green__descriptor_kind(fd);
	long result;

	/* A socket read of nothing returns 0; a receive of nothing would take a datagram. */
	if (kind < 0 || size == 0 || size > SSIZE_MAX)
		return sys_call(SYS_read, fd, buffer, size);
	if (kind == DESCRIPTOR_FILE)
		return green__file_readv(fd, &part, 1, -1, 0);
	if (kind == DESCRIPTOR_POLLED)
		return read_polled(fd, &part, 1);
	result = green__recvfrom(fd, buffer, size, 0, NULL, NULL);
	return misremembered(fd, result) ? green__read(fd, buffer, size) : result;
}

struct terminal_write {
	int fd, count;
	const struct iovec *vector;
};

static long terminal_write_run(void *arg)
{
	struct terminal_write *call = arg;

	return sys_call(SYS_writev, call->fd, call->vector, call->count);
}

static bool is_terminal(int fd)
{
	struct termios mode;

	return sys_call(SYS_ioctl, fd, TCGETS, &mode) == 0;
}

/* A terminal that says "ready" may have room for a few bytes only, and keeps who writes more. */
static long terminal_write(int fd, const struct iovec *vector, int count)
{
	struct terminal_write call = { fd, count, vector };
	long result;

	if (green__descriptor_nonblocking(fd) || green__work(green__current->flow->hub, terminal_write_run, &call, &result))
		return terminal_write_run(&call);
	return result;
}

/* Cut VECTOR down to what a ready pipe is sure to take. */
static int first_chunk(struct iovec *vector)
{
	if (vector[0].iov_len > CHUNK)
		vector[0].iov_len = CHUNK;
	return 1;
}

static long write_attempt(int fd, struct iovec *vector, int count, size_t left)
{
	long result = sys_call(SYS_pwritev2, fd, vector, count, -1, -1, RWF_NOWAIT);

	green__current->flow->stats->io_calls++;
	if (!nowait_refused(result))
		return result;
	if (!green__io_ready(fd, POLLOUT))
		return -EAGAIN;
	if (left > TERMINAL_ROOM && is_terminal(fd))
		return terminal_write(fd, vector, count);
	if (left > CHUNK)
		count = first_chunk(vector);
	return sys_call(SYS_writev, fd, vector, count);
}

static long write_polled(int fd, const struct iovec *vector, int count, size_t size)
{
	struct iovec window[WINDOW];
	struct io io;
	size_t done = 0;
	long result = 0;

	green__io_start(&io, fd, EPOLLOUT, 0);
	while (done < size) {
		int parts = green__iov_window(vector, count, done, window, WINDOW);

		result = write_attempt(fd, window, parts, size - done);
		io.moved = io.moved || result > 0;
		if (result >= 0)
			done += (size_t)result;
		else if (result != -EAGAIN)
			break;
		else if (done && green__descriptor_nonblocking(fd))
			break;
		else if ((result = green__io_wait(&io)))
			break;
	}
	green__io_end(&io);
	if (result == -EPERM && !done)
		return sys_call(SYS_writev, fd, vector, count);
	return done ? (long)done : result;
}

long green__writev(int fd, const struct iovec *vector, int count)
{
	long size = green__iov_size(vector, count);
	int kind = green__descriptor_kind(fd);
	struct msghdr message = { .msg_iov = (struct iovec *)vector, .msg_iovlen = (size_t)(count > 0 ? count : 0) };

	if (kind < 0 || size <= 0)
		return sys_call(SYS_writev, fd, vector, count);
	if (kind == DESCRIPTOR_FILE)
		return green__file_writev(fd, vector, count, -1, 0);
	if (kind == DESCRIPTOR_POLLED)
		return write_polled(fd, vector, count, (size_t)size);
	size = green__sendmsg(fd, &message, 0);
	return misremembered(fd, size) ? green__writev(fd, vector, count) : size;
}

long green__write(int fd, const void *buffer, size_t size)
{
	struct iovec part = { (void *)buffer, size };
	int kind = green__descriptor_kind(fd);
	long result;

	if (kind < 0 || size == 0 || size > SSIZE_MAX)
		return sys_call(SYS_write, fd, buffer, size);
	if (kind == DESCRIPTOR_FILE)
		return green__file_writev(fd, &part, 1, -1, 0);
	if (kind == DESCRIPTOR_POLLED)
		return write_polled(fd, &part, 1, size);
	result = green__sendto(fd, buffer, size, 0, NULL, 0);
	return misremembered(fd, result) ? green__write(fd, buffer, size) : result;
}

ssize_t green_read(int fd, void *buffer, size_t size)
{
	return green__hub() ? sys_result(green__read(fd, buffer, size)) : -1;
}

ssize_t green_readv(int fd, const struct iovec *vector, int count)
{
	return green__hub() ? sys_result(green__readv(fd, vector, count)) : -1;
}

ssize_t green_write(int fd, const void *buffer, size_t size)
{
	return green__hub() ? sys_result(green__write(fd, buffer, size)) : -1;
}

ssize_t green_writev(int fd, const struct iovec *vector, int count)
{
	return green__hub() ? sys_result(green__writev(fd, vector, count)) : -1;
}

/* Where there is no hub nobody waits, and for the lack of one no descriptor may stay open. */
int green_close(int fd)
{
	struct hub *hub = green__current ? green__current->flow->hub : NULL;

	if (hub && green__loop_owns(&hub->loop, fd)) {
		errno = EBADF;
		return -1;
	}
	if (hub)
		green__fd_closing(hub, fd);
	green__descriptor_forget(fd);
	return (int)sys_result(sys_call(SYS_close, fd));
}

int green_pipe2(int fds[2], int flags)
{
	long result = sys_call(SYS_pipe2, fds, flags);

	for (int i = 0; !result && i < 2; i++)
		green__descriptor_made(fds[i], DESCRIPTOR_POLLED, flags & O_NONBLOCK);
	return (int)sys_result(result);
}
