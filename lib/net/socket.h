/* SPDX-License-Identifier: MIT */
/* socket.h - what the calls on sockets share */
#ifndef GREEN_NET_SOCKET_H
#define GREEN_NET_SOCKET_H

#include "hub/descriptor.h"
#include "net/io.h"

#pragma GCC visibility push(default)

static inline bool socket_is_stream(int kind)
{
	return kind == DESCRIPTOR_TCP || kind == DESCRIPTOR_STREAM;
}

/*
 * green__socket_broken - the connection is gone, and why is still to be told: the next call does that, once
 *
 * POLLERR alone may mean no more than news in the queue of MSG_ERRQUEUE.
 */
bool green__socket_broken(int fd);

/* green__socket_ask - what FD says of itself, option NAME of SOL_SOCKET; that the kernel lacks memory for the answer is none */
long green__socket_ask(int fd, int name, int *value);

/*
 * green__socket_try - ATTEMPT until it says something else than EAGAIN, where nothing tells when that may be
 *
 * On a worker the call could not be stopped, and a few of them would keep the whole pool.
 */
long green__socket_try(struct io *io, long (*attempt)(void *), void *call);

/* green__connect_finish - the connection is under way: its end shows as writable, and then SO_ERROR tells */
long green__connect_finish(struct io *io);

#pragma GCC visibility pop

#endif
