/* SPDX-License-Identifier: MIT */
/*
 * green/sync.h - event, semaphore, mutex, condition, read-write lock, barrier
 *
 * Each is a struct that lies where the program puts it and is ready when it is zero
 * or set to its initialiser; there is nothing to finish.  What is in it is the library's own.
 *
 *	static struct green_mutex lock;
 *
 * All wait in the order in which they came.  Who is woken has what was waited for,
 * even if it is killed before its turn: its next call fails then.  All may be used by
 * greenlets of several kernel threads, and by threads that have no greenlets yet.
 * Not by signal handlers.  One that somebody waits for must stay in place.
 *
 * TIMEOUT_MS: -1 waits for ever, 0 only tests.  Calls that have it return
 * 0, or -1 with errno
 *   ETIMEDOUT  TIMEOUT_MS passed, or a scope of green_timeout_start is over
 *   ECANCELED  the caller was killed
 *   EDEADLK    nothing is left that could ever end this wait, or the caller is a callback of the loop
 *   ENOMEM, EMFILE  no hub could be made
 */
#ifndef GREEN_SYNC_H
#define GREEN_SYNC_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet;

/* Who waits, oldest first. */
struct green_waitq {
	void *first, *last;
	int lock;
};

/* --- event: a flag to wait for --- */

struct green_event {
	struct green_waitq waiters;
	bool set;
};

#define GREEN_EVENT_INIT { { NULL, NULL, 0 }, false }

/*
 * green_event_set - raise the flag and wake all who wait; they have seen it even if it is lowered at once
 *
 * Switches: no.
 */
void green_event_set(struct green_event *event);

/* green_event_clear - lower the flag.  Switches: no. */
void green_event_clear(struct green_event *event);

/* green_event_is_set - the flag */
bool green_event_is_set(const struct green_event *event);

/* green_event_wait - until the flag is up.  Switches: yes, unless it is. */
int green_event_wait(struct green_event *event, int timeout_ms);

/* --- semaphore: so many at a time --- */

struct green_semaphore {
	struct green_waitq waiters;
	size_t count, limit;
};

/* COUNT units to begin with; GREEN_BOUNDED_SEMAPHORE_INIT: and never more than that, which is at least 1. */
#define GREEN_SEMAPHORE_INIT(count) { { NULL, NULL, 0 }, (count), 0 }
#define GREEN_BOUNDED_SEMAPHORE_INIT(count) { { NULL, NULL, 0 }, (count), (count) }

/* The count of a semaphore that never blocks and counts nothing, to turn a limit off. */
#define GREEN_UNLIMITED ((size_t)-1)

/*
 * green_semaphore_acquire - take a unit
 *
 * One that is released goes to who waits longest; nobody overtakes.
 * Switches: yes, if it must wait.
 */
int green_semaphore_acquire(struct green_semaphore *semaphore, int timeout_ms);

/*
 * green_semaphore_release - give a unit back, or add one
 *
 * Switches: no.  Returns: 0; -1 with errno EOVERFLOW if a bounded one has all its units, or no more can be counted
 */
int green_semaphore_release(struct green_semaphore *semaphore);

/* green_semaphore_wait - until there is a unit, which others may take first.  Switches: yes, unless there is one. */
int green_semaphore_wait(struct green_semaphore *semaphore, int timeout_ms);

/* green_semaphore_count - how many units there are */
size_t green_semaphore_count(const struct green_semaphore *semaphore);

/* --- mutex: one owner at a time --- */

struct green_mutex {
	struct green_waitq waiters;
	struct greenlet *owner;
	unsigned depth;
	bool recursive;
};

/* A recursive one may be locked again by its owner, who unlocks it as often. */
#define GREEN_MUTEX_INIT { { NULL, NULL, 0 }, NULL, 0, false }
#define GREEN_RECURSIVE_MUTEX_INIT { { NULL, NULL, 0 }, NULL, 0, true }

/*
 * green_mutex_lock - own MUTEX
 *
 * Switches: yes, if somebody else owns it.
 * Returns: as above; also -1 with errno
 *   EDEADLK  the caller owns it and it is not recursive
 *   EAGAIN   a recursive one is locked as often as can be counted
 */
int green_mutex_lock(struct green_mutex *mutex, int timeout_ms);

/*
 * green_mutex_unlock - let who waits longest own it
 *
 * Switches: no.
 * Returns: 0; -1 with errno EPERM: the caller does not own it
 */
int green_mutex_unlock(struct green_mutex *mutex);

/*
 * green_mutex_owner - who owns it, or NULL
 *
 * One that its owner has not unlocked before its end, or that of its kernel thread, stays locked, for what it guards may be half
 * changed.  As long as the owner's handle was not given back, green_state tells that of it: GREEN_ENDED or GREEN_LOST.
 */
struct greenlet *green_mutex_owner(const struct green_mutex *mutex);

/* --- condition: wait until others say that something has changed --- */

struct green_condition {
	struct green_waitq waiters;
};

#define GREEN_CONDITION_INIT { { NULL, NULL, 0 } }

/*
 * green_condition_wait - unlock MUTEX, wait for a notice, and own MUTEX again
 *
 * MUTEX is the caller's again in every case, however often the caller is killed
 * meanwhile, and as deep as it was if it is recursive; but for one: EDEADLK, when its
 * new owner can never unlock it, which green_mutex_owner tells.  The notice may be stale
 * by then: look again.  One who fails has taken no notice from others.
 *
 * Switches: yes.
 * Returns: as above; also -1 with errno EPERM: the caller does not own MUTEX
 */
int green_condition_wait(struct green_condition *condition, struct green_mutex *mutex, int timeout_ms);

/* green_condition_notify - wake the COUNT who wait longest.  Switches: no.  Returns: how many there were. */
size_t green_condition_notify(struct green_condition *condition, size_t count);

/* green_condition_notify_all - wake all who wait.  Switches: no.  Returns: how many there were. */
size_t green_condition_notify_all(struct green_condition *condition);

/* --- read-write lock: many readers or one writer, first come first served --- */

struct green_rwlock {
	struct green_waitq waiters;
	size_t readers;
	struct greenlet *writer;
};

#define GREEN_RWLOCK_INIT { { NULL, NULL, 0 }, 0, NULL }

/*
 * green_rwlock_read - share LOCK with other readers; who comes after a writer who waits, waits behind that one
 *
 * Switches: yes, if it must wait.
 * Returns: as above; EDEADLK also if the caller is its writer
 */
int green_rwlock_read(struct green_rwlock *lock, int timeout_ms);

/* green_rwlock_write - own LOCK alone.  As green_rwlock_read; a reader would wait for itself. */
int green_rwlock_write(struct green_rwlock *lock, int timeout_ms);

/*
 * green_rwlock_unlock - the caller's reading or writing is over
 *
 * Who reads is not remembered.  Switches: no.
 * Returns: 0; -1 with errno EPERM: nobody reads, and the caller does not write
 */
int green_rwlock_unlock(struct green_rwlock *lock);

/* --- barrier: nobody goes on before so many have come --- */

struct green_barrier {
	struct green_waitq waiters;
	size_t parties, arrived;
	bool broken;
};

/* PARTIES: how many must come, at least 1. */
#define GREEN_BARRIER_INIT(parties) { { NULL, NULL, 0 }, (parties), 0, false }

/*
 * green_barrier_wait - wait until all parties have come; then it is ready for the next round
 *
 * If one fails while it waits, the barrier is broken: the others of the round fail, and all
 * who come until green_barrier_reset.  One who would have to wait with TIMEOUT_MS 0, or in a
 * callback of the loop, fails without having come.
 *
 * Switches: yes, unless the caller is the last.
 * Returns: the caller's place in the order of arrival, from 0; -1 as above, or with errno
 *   ENOTRECOVERABLE  the barrier is broken
 *   EINVAL           it has no parties
 */
int green_barrier_wait(struct green_barrier *barrier, int timeout_ms);

/* green_barrier_break - break it.  Switches: no. */
void green_barrier_break(struct green_barrier *barrier);

/* green_barrier_reset - make it whole; those who wait fail with ENOTRECOVERABLE.  Switches: no. */
void green_barrier_reset(struct green_barrier *barrier);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
