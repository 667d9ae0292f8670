/* SPDX-License-Identifier: MIT */
/*
 * fd.h - what each descriptor number is waited for, in one hub
 *
 * A known descriptor is registered with epoll once, edge-triggered for both
 * directions; of any other number nothing is remembered, and it is armed for one
 * event at each wait.  So: try the call first, and wait only after it, or a real
 * poll, has said no.
 */
#ifndef GREEN_HUB_FD_H
#define GREEN_HUB_FD_H

#include "hub/descriptor.h"
#include "hub/waiter.h"

#pragma GCC visibility push(default)

enum {
	FD_CHUNK = 1024,
	FD_CHUNKS = 16384,
};

/* One descriptor number. */
struct fd {
	struct list waits;   /* struct fd_wait.link, first come first; initialised with the chunk */
	uint32_t registered; /* the generation under which it is registered edge-triggered, 0 if it is not */
	bool drained;        /* nothing has come since a read found it empty */
	bool special;        /* an end, an error or urgent data was announced: never believe DRAINED again */
};

struct fd_table {
	struct hub *hub;
	uint64_t places;   /* given out so far */
	struct list looks; /* struct fd_wait.link: to be looked at before the hub polls */
	struct fd *chunks[FD_CHUNKS];
};

/* green__fd_find - FD's entry, if there is one; waiting makes it, everything else only looks */
static inline struct fd *green__fd_find(struct fd_table *table, int fd)
{
	unsigned number = (unsigned)fd;
	struct fd *chunk = number < FD_CHUNK * FD_CHUNKS ? table->chunks[number / FD_CHUNK] : NULL;

	return chunk ? &chunk[number % FD_CHUNK] : NULL;
}

/* One descriptor that a waiter waits for, or that is watched for somebody; lives as long as the wait. */
struct fd_wait {
	struct list link;      /* on the descriptor's list until it is woken, or among those to look at */
	struct waiter *waiter; /* NULL for one that is watched */
	uint32_t events;       /* EPOLLIN, EPOLLOUT, EPOLLPRI ...; errors and hang-ups always count */
	uint32_t got;          /* what the event said that ended the wait */
	int fd;
	bool takes;            /* will take what is there, so one of its kind is woken for each event */
	uint64_t place;        /* in the order of arrival; 0 for the first wait of a call, whose later ones keep it */
	/* Of one that is watched: EVENTS have come, or with RESULT -EBADF the descriptor is gone; it is watched no more. */
	void (*woken)(struct fd_wait *wait, uint32_t events, int result);
};

/* What one greenlet waits for. */
struct fd_waits {
	const struct fd_wait *waits;
	size_t count;
};

struct fd_table *green__fd_table_create(struct hub *hub);
void green__fd_table_destroy(struct fd_table *table);

/* green__fd_table_reset - nothing is registered or waited for any more: the loop is new */
void green__fd_table_reset(struct fd_table *table);

/* green__fd_expect - the loop's callback before the first of several events: who waits for DATA comes into the cache */
void green__fd_expect(void *hub, uint64_t data);

/* green__fd_event - the loop's callback; DATA is descriptor and generation */
void green__fd_event(void *hub, uint64_t data, uint32_t events);

/*
 * green__fd_wait_many - wait until one of COUNT descriptors has an event
 *
 * Only FD, EVENTS, TAKES and PLACE of each of WAITS need be set.
 *
 * Returns: 0, with GOT set in those that had an event; -errno as green__park;
 * -EPERM if one of them is a file that is always ready; -EBADF if one was closed.
 */
int green__fd_wait_many(struct hub *hub, struct fd_wait *waits, size_t count, int64_t deadline, enum wait_mode mode);

/*
 * green__fd_enter - let an event of WAIT's descriptor wake WAITER; for those that wait for other things, too
 *
 * FD, EVENTS, TAKES and PLACE are set.  WAIT is linked, even if this fails, until green__fd_leave.  While waiter
 * is parked, hub->fd_waits counts it.
 * Returns: 0 or -errno as green__fd_wait_many
 */
int green__fd_enter(struct hub *hub, struct fd_wait *wait, struct waiter *waiter);

static inline void green__fd_leave(struct fd_wait *wait)
{
	list_remove(&wait->link);
}

/* green__fd_wait_one - as green__fd_wait_many, for one */
int green__fd_wait_one(struct hub *hub, struct fd_wait *wait, int64_t deadline, enum wait_mode mode);

/* green__fd_wait - the same for a descriptor that the caller will read or write */
int green__fd_wait(struct hub *hub, int fd, uint32_t events, int64_t deadline, enum wait_mode mode);

/*
 * green__fd_watch - let WAIT, of which FD, EVENTS and WOKEN are set, be woken once, as soon as FD is ready
 *
 * Ready is what the kernel says when the hub looks next, whatever was told before:
 * watched again after each event, it is told of levels, not of edges.
 *
 * Returns: 0; -EBADF, -EPERM or -ENOMEM, and WAIT is not watched.
 */
int green__fd_watch(struct hub *hub, struct fd_wait *wait);

/* green__fd_watch_again - the same for one that was woken before: FD may be gone, of which it is told then */
void green__fd_watch_again(struct hub *hub, struct fd_wait *wait);

/* green__fd_look - see what is ready of those that are to be watched, before the hub polls */
void green__fd_look(struct hub *hub);

/* green__fd_look_due - true if green__fd_look would have something to look at */
bool green__fd_look_due(const struct hub *hub);

void green__fd_wake_next(struct hub *hub, struct fd *entry, uint32_t events);

/* green__fd_pass_on - a woken taker is done: wake the next one, since one event may stand for much */
static inline void green__fd_pass_on(struct hub *hub, int fd, uint32_t events)
{
	struct fd *entry = green__fd_find(hub->fds, fd);

	if (entry && unlikely(!list_empty(&entry->waits)))
		green__fd_wake_next(hub, entry, events);
}

/* green__fd_closing - FD is about to be closed or replaced: forget it, and wake its waiters with EBADF */
void green__fd_closing(struct hub *hub, int fd);

/* The same of an ENTRY, which may be NULL, and its DESCRIPTOR, for a caller that has looked them up. */
static inline bool green__fd_is_drained(const struct fd *entry, const struct descriptor *descriptor)
{
	return entry && entry->drained && entry->registered == descriptor->generation;
}

static inline void green__fd_drain(struct fd *entry, const struct descriptor *descriptor)
{
	if (entry && entry->registered && !entry->special && entry->registered == descriptor->generation)
		entry->drained = true;
}

/* green__fd_drained - true if nothing has come since a read found FD empty; never true for a number that is not known */
static inline bool green__fd_drained(struct hub *hub, int fd)
{
	return green__fd_is_drained(green__fd_find(hub->fds, fd), green__descriptor_find(fd));
}

/*
 * green__fd_set_drained - a read of FD, plain TCP, returned less than it asked for
 *
 * Only then is it certain that the next byte will bring an edge.  Ignored where
 * FD is not registered or an end, an error or urgent data has been announced.
 */
static inline void green__fd_set_drained(struct hub *hub, int fd)
{
	green__fd_drain(green__fd_find(hub->fds, fd), green__descriptor_find(fd));
}

#pragma GCC visibility pop

#endif
