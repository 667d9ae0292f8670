/* SPDX-License-Identifier: MIT */
/*
 * parking.h - an address-keyed parking lot: what every lock's waiters wait in
 *
 * The locks themselves stay libc's.  A greenlet that finds one busy enters the lot
 * under its address, tries once more, and parks; who makes the lock free does the
 * real thing first and then wakes one from the lot.  Entering before the second
 * attempt closes the gap in which a foreign thread might have unlocked.
 */
#ifndef GREEN_PRELOAD_PARKING_H
#define GREEN_PRELOAD_PARKING_H

#include "base/spinlock.h"
#include "hub/waiter.h"

struct parked {
	struct list link;     /* in the bucket of ADDRESS until it is woken */
	const void *address;
	uint32_t bits;        /* FUTEX_WAIT_BITSET; all ones otherwise */
	unsigned lost;        /* how often it was woken before and came too late */
	struct waiter waiter;
};

/* parking_enter - the current greenlet will wait under ADDRESS; from now on it may be woken */
void parking_enter(struct parked *parked, const void *address, enum wait_mode mode);

/* parking_wait - until it is woken, or DEADLINE; 0 or -errno as green__park */
int parking_wait(struct parked *parked, int64_t deadline);

/* parking_taken - true if somebody has woken PARKED, or would have, were its wait not over for another reason */
bool parking_taken(const struct parked *parked);

/* parking_leave - after the wait, or instead of it */
void parking_leave(struct parked *parked);

enum { PARKING_BUCKETS = 1024 };

struct parking_bucket {
	struct spinlock lock;
	unsigned count;    /* read without the lock: nobody waits here */
	struct list parked;
};

extern struct parking_bucket parking_buckets[PARKING_BUCKETS] __attribute__((visibility("hidden")));

static inline struct parking_bucket *parking_bucket_of(const void *address)
{
	uint64_t hash = (uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15);

	return &parking_buckets[hash >> 54];
}

/* parking_empty - true if surely nobody waits under ADDRESS: every unlock asks, so this is short.  Any thread. */
static inline bool parking_empty(const void *address)
{
	return likely(__atomic_load_n(&parking_bucket_of(address)->count, __ATOMIC_SEQ_CST) == 0);
}

/* The same of the next two, for an address that may be waited under. */
unsigned parking_wake_those(const void *address, unsigned count, uint32_t bits);
bool parking_wake_first(const void *address);

/* parking_wake - wake at most COUNT of those that wait under ADDRESS with one of BITS; how many.  Any thread. */
static inline unsigned parking_wake(const void *address, unsigned count, uint32_t bits)
{
	return parking_empty(address) ? 0 : parking_wake_those(address, count, bits);
}

/*
 * parking_wake_one - wake one of those under ADDRESS, the usual way to say that a lock is free
 *
 * Returns: true if the one has been woken before and found the lock taken again, so that
 * the caller should let it run: who locks in a loop would keep it out for ever.
 */
static inline bool parking_wake_one(const void *address)
{
	return !parking_empty(address) && parking_wake_first(address);
}

/* parking_occupied - true if somebody waits under ADDRESS.  Any thread. */
bool parking_occupied(const void *address);

/* parking_move - let at most COUNT of those under FROM wait under TO; how many */
unsigned parking_move(const void *from, const void *to, unsigned count);

/* parking_after_fork - in the child nobody waits */
void parking_after_fork(void);

/*
 * parking_lock - make ATTEMPT(OBJECT) until it says something else than BUSY, parking between
 *
 * SHARED: other processes use OBJECT, so it is looked at every few milliseconds.
 * INTERRUPTIBLE: end with EINTR as sem_wait does; NEVER_RESTARTED: whatever the
 * signal's action says of restarts.  CANCEL: a cancellation point.
 * Returns: what ATTEMPT said at last, ETIMEDOUT or EINTR.
 */
struct lock_call {
	void *object;
	int (*attempt)(void *object);
	int busy;         /* what ATTEMPT returns if it would have to wait */
	int64_t deadline;
	bool shared, interruptible, never_restarted, cancel;
};

int parking_lock(const struct lock_call *call);

#define PARKING_ALL UINT32_MAX

#endif
