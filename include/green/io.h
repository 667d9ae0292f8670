/* SPDX-License-Identifier: MIT */
/*
 * green/io.h - wait for descriptors, and cooperative forms of read, write, poll and close
 *
 * The calls look and behave like the POSIX calls after the prefix, on descriptors
 * in blocking mode, except that only the calling greenlet waits.  O_NONBLOCK is
 * never changed: on a descriptor that has it they return EAGAIN as the plain
 * call does.  Whole buffers are written.
 *
 * A descriptor that green_socket, green_accept, green_pipe2 and the like made is
 * registered with epoll once; close it with green_close, so that its number is
 * forgotten.  Any other descriptor works too, for a little more at each wait.
 *
 * Calls that wait also fail with ECANCELED (the caller was killed), ETIMEDOUT (a scope of
 * green_timeout_start is over) and EDEADLK (the caller is a callback of the loop).
 */
#ifndef GREEN_IO_H
#define GREEN_IO_H

#include <poll.h>
#include <sys/select.h>
#include <sys/types.h>
#include <sys/uio.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

enum {
	GREEN_READ = 1,  /* there is something to read, or the end, or an error */
	GREEN_WRITE = 2, /* there is room to write, or an error */
};

/*
 * green_wait_fd - wait until FD can be used for what EVENTS names
 *
 * EVENTS is GREEN_READ, GREEN_WRITE or both; the wait ends when either holds.
 * Ready is a hint, not a promise: another greenlet that waited on the same FD
 * may run first and take all the data.  A regular file is always ready.
 *
 * FD stays the caller's.  TIMEOUT_MS: -1 waits for ever, 0 only tests.
 * Switches: yes, unless FD is ready now.
 * Returns: the part of EVENTS that holds; -1 with errno
 *   EBADF      FD is not open, or was closed during the wait
 *   EINVAL     EVENTS names nothing or something else
 *   ETIMEDOUT  TIMEOUT_MS passed
 *   and those of every wait, as above
 */
int green_wait_fd(int fd, int events, int timeout_ms);

/* The calls below return what the POSIX call returns, and its errno.  Switches: yes, if they must wait. */
ssize_t green_read(int fd, void *buffer, size_t size);
ssize_t green_readv(int fd, const struct iovec *vector, int count);
ssize_t green_write(int fd, const void *buffer, size_t size);
ssize_t green_writev(int fd, const struct iovec *vector, int count);

/*
 * green_sendfile - sendfile(2): COUNT bytes of the file IN to OUT, from where IN stands or, if OFFSET is not NULL, from *OFFSET
 *
 * Returns: how many, fewer only at the file's end or after an error, which the next call then tells
 */
ssize_t green_sendfile(int out, int in, off_t *offset, size_t count);

/* green_poll - poll(2); descriptors are polled by the kernel, the wait is the greenlet's alone */
int green_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* green_select - select(2), writing the time that is left to *TIMEOUT as Linux does */
int green_select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);

/*
 * green_close - close(2); greenlets that wait on FD wake with EBADF
 *
 * Switches: no.  Returns: 0; -1 with errno of close(2), after which FD is gone all the same.
 */
int green_close(int fd);

/* green_pipe2 - pipe2(2), both ends known to the hub */
int green_pipe2(int fds[2], int flags);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
