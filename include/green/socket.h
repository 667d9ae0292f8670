/* SPDX-License-Identifier: MIT */
/*
 * green/socket.h - cooperative socket calls, named and shaped as in POSIX
 *
 * Each behaves as the call after the prefix does on a blocking socket, except
 * that only the calling greenlet waits: a send returns when all is queued,
 * MSG_WAITALL waits for all, SO_RCVTIMEO and SO_SNDTIMEO end a call with EAGAIN.
 * On a socket with O_NONBLOCK, or with MSG_DONTWAIT, they return EAGAIN at once.
 *
 * Switches: those that must wait do.
 * Returns: what the POSIX call returns; -1 with its errno, EBADF if the
 * descriptor was closed by green_close during the wait, and those of green/io.h.
 */
#ifndef GREEN_SOCKET_H
#define GREEN_SOCKET_H

#include <sys/socket.h>
#include <sys/types.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

int green_socket(int domain, int type, int protocol);
int green_socketpair(int domain, int type, int protocol, int fds[2]);
int green_accept(int fd, struct sockaddr *address, socklen_t *length);
int green_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int green_connect(int fd, const struct sockaddr *address, socklen_t length);

/* green_setsockopt - setsockopt(2); set SO_RCVTIMEO and SO_SNDTIMEO of a socket of green_socket with it */
int green_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

ssize_t green_recv(int fd, void *buffer, size_t size, int flags);
ssize_t green_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length);
ssize_t green_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t green_send(int fd, const void *buffer, size_t size, int flags);
ssize_t green_sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length);
ssize_t green_sendmsg(int fd, const struct msghdr *message, int flags);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
