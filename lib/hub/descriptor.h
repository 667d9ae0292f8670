/* SPDX-License-Identifier: MIT */
/*
 * descriptor.h - what the process knows of each descriptor number
 *
 * A descriptor is known if a call that we saw made it.  Of a known one the kind is
 * remembered, and whether it is private: made after the last fork and never
 * duplicated or sent away, so that nobody else can hold its open file or change
 * its flags.  Of any other number nothing is believed: who needs to know asks the
 * kernel each time.
 *
 * The generation changes whenever a number is given out or given back, so what
 * somebody remembered of the number's former life can be told apart.
 */
#ifndef GREEN_HUB_DESCRIPTOR_H
#define GREEN_HUB_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"

#pragma GCC visibility push(default)

enum descriptor_kind {
	DESCRIPTOR_UNCLASSIFIED, /* ask descriptor_classify */
	DESCRIPTOR_TCP,          /* AF_INET or AF_INET6 stream socket without an upper-layer protocol */
	DESCRIPTOR_STREAM,       /* another stream socket */
	DESCRIPTOR_DATAGRAM,     /* a socket whose messages are whole: datagram, seqpacket, raw, netlink */
	DESCRIPTOR_POLLED,       /* pipe, FIFO, tty, eventfd ...: can be polled, is no socket */
	DESCRIPTOR_FILE,         /* regular file, directory, block device: waits for a disk at most */
};

enum descriptor_flag {
	DESCRIPTOR_KNOWN = 1,
	DESCRIPTOR_PRIVATE = 2,  /* together with the fork count: nobody else holds the open file */
	DESCRIPTOR_NONBLOCK = 4, /* O_NONBLOCK is set; true only while private */
	DESCRIPTOR_TIMEOUTS = 8, /* SO_RCVTIMEO or SO_SNDTIMEO may be set; true only while private */
	DESCRIPTOR_LINGERS = 16, /* SO_LINGER may be set, so that the last close waits */
	DESCRIPTOR_LASTING = 32, /* a file whose writes return when the disk has them: O_SYNC, O_DSYNC, O_DIRECT */
	DESCRIPTOR_WAITS = 64,   /* a file whose file system refuses RWF_NOWAIT */
	DESCRIPTOR_FAR = 128,    /* a file that another host or a process has */
	DESCRIPTOR_ASKED = 256,  /* whether it is far has been found out */
};

struct descriptor {
	uint32_t generation; /* 0: the number was never seen */
	uint32_t forks;      /* the fork count when it was made */
	uint8_t kind;
	uint16_t flags;
};

/*
 * Two levels, so that a process with few descriptors pays for few.  Chunks are
 * mapped at first use and never freed; numbers beyond the last chunk, which the
 * kernel allows only where fs.nr_open was raised a thousandfold, stay unknown.
 */
enum {
	DESCRIPTOR_CHUNK = 4096,
	DESCRIPTOR_CHUNKS = 4096,
};

extern struct descriptor *_Atomic green__descriptor_chunks[DESCRIPTOR_CHUNKS];
extern uint32_t green__descriptor_forks; /* as far as a descriptor has been made since */
extern bool green__descriptor_forked;    /* another one has come */
extern bool green__descriptor_low_marked;

/* green__descriptor_find - FD's entry, or NULL if there is none yet; every call of the runtime asks, so this is short */
static inline struct descriptor *green__descriptor_find(int fd)
{
	unsigned number = (unsigned)fd;
	struct descriptor *chunk = number < DESCRIPTOR_CHUNK * DESCRIPTOR_CHUNKS ?
				   green__descriptor_chunks[number / DESCRIPTOR_CHUNK] : NULL;

	return chunk ? &chunk[number % DESCRIPTOR_CHUNK] : NULL;
}

struct descriptor *green__descriptor_make(int fd);

/* green__descriptor - FD's entry, made if there is none yet; NULL if there is no memory for one */
static inline struct descriptor *green__descriptor(int fd)
{
	struct descriptor *descriptor = green__descriptor_find(fd);

	return likely(descriptor) ? descriptor : green__descriptor_make(fd);
}

/* green__descriptor_made - a call that we saw has made FD, whatever the entry said before */
void green__descriptor_made(int fd, enum descriptor_kind kind, bool nonblocking);

/* green__descriptor_lasting - FD, which was just made, was opened with O_SYNC or the like */
void green__descriptor_lasting(int fd);

/* green__descriptor_forget - FD was closed, or has come to us by a way that tells nothing about it */
void green__descriptor_forget(int fd);

/* green__descriptors_end - above every number that has an entry */
int green__descriptors_end(void);

/* green__descriptor_shared - somebody else may hold FD's open file from now on */
void green__descriptor_shared(int fd);

/* green__descriptors_forked - every descriptor that exists now may be held by another process */
void green__descriptors_forked(void);

/* green__descriptor_private - true if nobody else can hold the open file of DESCRIPTOR, which may be NULL */
static inline bool green__descriptor_private(const struct descriptor *descriptor)
{
	return descriptor && (descriptor->flags & DESCRIPTOR_PRIVATE) &&
	       descriptor->forks == green__descriptor_forks && !green__descriptor_forked;
}

/* green__descriptor_plain - true if calls on DESCRIPTOR, which may be NULL, surely wait, and as long as it takes */
static inline bool green__descriptor_plain(const struct descriptor *descriptor)
{
	return green__descriptor_private(descriptor) && !(descriptor->flags & (DESCRIPTOR_NONBLOCK | DESCRIPTOR_TIMEOUTS));
}

int green__descriptor_classify(int fd);

/* green__descriptor_kind - FD's kind, from the entry or from the kernel; never UNCLASSIFIED; -EBADF if FD is not open */
static inline int green__descriptor_kind(int fd)
{
	const struct descriptor *descriptor = green__descriptor_find(fd);

	return descriptor && descriptor->kind != DESCRIPTOR_UNCLASSIFIED ? descriptor->kind : green__descriptor_classify(fd);
}

bool green__descriptor_ask_nonblocking(int fd);

/* green__descriptor_nonblocking - true if FD has O_NONBLOCK, as the program sees it */
static inline bool green__descriptor_nonblocking(int fd)
{
	const struct descriptor *descriptor = green__descriptor_find(fd);

	return green__descriptor_private(descriptor) ? descriptor->flags & DESCRIPTOR_NONBLOCK :
						       green__descriptor_ask_nonblocking(fd);
}

/* green__descriptor_set_nonblocking - the program has set or cleared O_NONBLOCK on FD */
void green__descriptor_set_nonblocking(int fd, bool nonblocking);

/* green__descriptor_option_set - the program has called setsockopt(FD, LEVEL, NAME) */
void green__descriptor_option_set(int fd, int level, int name);

int64_t green__descriptor_ask_timeout(int fd, int option);

/* green__descriptor_timeout - FD's SO_RCVTIMEO or SO_SNDTIMEO (OPTION) in nanoseconds, CLOCK_NEVER if it has none */
static inline int64_t green__descriptor_timeout(int fd, int option)
{
	const struct descriptor *descriptor = green__descriptor_find(fd);

	if (green__descriptor_private(descriptor) && !(descriptor->flags & DESCRIPTOR_TIMEOUTS))
		return CLOCK_NEVER;
	return green__descriptor_ask_timeout(fd, option);
}

/* green__descriptor_low_marks - true if the process has ever set SO_RCVLOWAT */
static inline bool green__descriptor_low_marks(void)
{
	return green__descriptor_low_marked;
}

/* green__descriptor_low_mark - how many bytes a receive from FD, a stream, waits for */
size_t green__descriptor_low_mark(int fd);

#pragma GCC visibility pop

#endif
