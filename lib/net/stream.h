/* SPDX-License-Identifier: MIT */
/* stream.h - what the two halves of a stream share: reading (stream.c) and writing (stream_write.c) */
#ifndef GREEN_NET_STREAM_H
#define GREEN_NET_STREAM_H

#include "green/stream.h"
#include "hub/waiter.h"

#pragma GCC visibility push(default)

struct green_stream {
	const struct green_stream_transport *transport;
	void *self;
	int fd;
	bool socket;          /* of the transport of our own: FD is one */
	struct hub *hub;
	unsigned users;       /* calls that are in it, and the writer */
	bool closing, closed; /* closing: what waits is still written */
	bool destroyed;       /* the last user frees it */

	/* stream.c */
	char *in;             /* what has been read and not been taken lies between START and END */
	size_t start, end, room;
	size_t limit;
	bool reading;         /* a greenlet is in a call that reads */
	bool ended;           /* the transport has told the end */

	/* stream_write.c */
	struct list chunks;   /* struct chunk: what waits to be written, oldest first */
	size_t pending;       /* bytes in them */
	size_t low, high;
	bool writing;         /* a greenlet is in a call that writes */
	bool output_ended;
	int output_error;     /* -errno: no later byte would make sense to the other end */
	struct greenlet *writer; /* the task that writes, while something waits, or NULL */
	bool writer_begun;
	struct list waits;    /* struct out_wait */
};

/* green__stream_enter - a call begins; 0, or -EPERM, -EBADF */
int green__stream_enter(struct green_stream *stream);

/* green__stream_leave - it ends */
void green__stream_leave(struct green_stream *stream);

/* green__stream_own - the transport of streams on descriptors */
extern const struct green_stream_transport green__stream_own;

/* green__stream_try - write to a descriptor what it takes at once; how many bytes, or -errno */
long green__stream_try(struct green_stream *stream, const void *bytes, size_t size);

/* green__stream_flush - wait until at most LEVEL bytes wait to be written; 0 or -errno as green__park */
int green__stream_flush(struct green_stream *stream, size_t level);

/* green__stream_tell - wake whoever need not wait any more */
void green__stream_tell(struct green_stream *stream);

/* green__stream_drop - free what waits to be written */
void green__stream_drop(struct green_stream *stream);

#pragma GCC visibility pop

#endif
