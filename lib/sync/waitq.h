/* SPDX-License-Identifier: MIT */
/*
 * waitq.h - who waits, oldest first: the fair, cancellable queue under every object that greenlets wait for
 *
 * An object has a struct green_waitq, all zero at first, whose lock guards the object
 * too.  Who has to wait puts an entry, which lies on its stack, at the end; who lets others go
 * wakes the first that can still be woken and may hand it an item through the entry.
 * All happens with the lock held, from any kernel thread, so one who was woken has what it waited
 * for, and one whose time was over before, or who was killed, is passed over.  Whoever was
 * woken takes the lock once more before it goes on, so that the waker is done with its stack by then;
 * unless that was one of its own kernel thread, which cannot have been left in the middle.
 *
 * While the lock is held nobody may switch, block or run foreign code.
 */
#ifndef GREEN_SYNC_WAITQ_H
#define GREEN_SYNC_WAITQ_H

#include "base/alone.h"
#include "base/sys.h"
#include "green/sync.h"
#include "hub/waiter.h"

#pragma GCC visibility push(default)

/* What no call fails with: whatever is negative, somebody may raise. */
enum { WAITQ_AGAIN = 1 };

/* One place in one queue; a waiter may have several in different queues. */
struct waitq_entry {
	struct waitq_entry *next, *prev;
	struct waiter *waiter;
	void *item;  /* what the two sides hand each other; the object's own, as is */
	int what;    /* what is waited for */
	bool queued; /* it is on the queue */
	bool woken;  /* atomic: it was through this one that the wait ended */
};

/* green__waitq_lock_slowly - QUEUE's lock is held, or the parent's */
void green__waitq_lock_slowly(struct green_waitq *queue);

static inline void waitq_lock_only(struct green_waitq *queue)
{
	if (unlikely(!exchange_if(&queue->lock, green__process, green__process + 1)))
		green__waitq_lock_slowly(queue);
}

/* waitq_lock - nobody else looks at QUEUE, or at what it guards, before waitq_unlock; nor does a signal handler */
static inline void waitq_lock(struct green_waitq *queue)
{
	if (likely(green__current != NULL))
		critical_enter(green__current->flow);
	waitq_lock_only(queue);
}

/* waitq_try - waitq_lock for SELF, the current greenlet, if it takes no time; else the caller calls that */
static inline bool waitq_try(struct green_waitq *queue, struct greenlet *self)
{
	critical_enter(self->flow);
	if (likely(exchange_if(&queue->lock, green__process, green__process + 1)))
		return true;
	self->flow->critical--;
	return false;
}

static inline void waitq_unlock_only(struct green_waitq *queue)
{
	__atomic_store_n(&queue->lock, green__process, __ATOMIC_RELEASE);
}

static inline void waitq_unlock(struct green_waitq *queue)
{
	waitq_unlock_only(queue);
	if (likely(green__current != NULL))
		critical_leave(green__current->flow);
}

/* waitq_give_back - waitq_leave for one who calls waitq_lock next, whose end looks at the signals that have come */
static inline void waitq_give_back(struct green_waitq *queue, struct greenlet *self)
{
	waitq_unlock_only(queue);
	self->flow->critical--;
}

static inline void waitq_leave(struct green_waitq *queue, struct greenlet *self)
{
	waitq_unlock_only(queue);
	critical_leave(self->flow);
}

/* waitq_empty - nobody waits; locked */
static inline bool waitq_empty(const struct green_waitq *queue)
{
	return !queue->first;
}

/* waitq_undecided - ENTRY's wait goes on; it may end at any time if it is another kernel thread's */
static inline bool waitq_undecided(const struct waitq_entry *entry)
{
	return __atomic_load_n(&entry->waiter->result, __ATOMIC_ACQUIRE) == WAITER_WAITING;
}

/* green__waitq_append - ENTRY is the last; WAITER is the caller's.  Locked */
void green__waitq_append(struct green_waitq *queue, struct waitq_entry *entry, struct waiter *waiter);

/* green__waitq_remove - take ENTRY off, if it is on QUEUE; locked */
void green__waitq_remove(struct green_waitq *queue, struct waitq_entry *entry);

/* green__waitq_wake_first - take the first off and end its wait with RESULT; false if that had ended before; locked */
bool green__waitq_wake_first(struct green_waitq *queue, int result);

/*
 * green__waitq_wake - end the wait of the first that can still be woken, with RESULT (0 or -errno); locked
 *
 * Returns: its entry, off the queue and good until the lock is given back; NULL if nobody could be woken
 */
struct waitq_entry *green__waitq_wake(struct green_waitq *queue, int result);

/* green__waitq_wake_all - how many were woken; locked */
size_t green__waitq_wake_all(struct green_waitq *queue, int result);

/*
 * green__waitq_wait - wait in QUEUE until somebody wakes the caller; locked before and after, not meanwhile
 *
 * ENTRY, of which the caller sets ITEM and WHAT if it likes, is off the queue again.  KIND is for reports, beside
 * the address of QUEUE: "event".  TIMEOUT_MS as for poll(2).
 * Switches: yes.
 * Returns: what the wake carried; or, having done nothing but leave the queue,
 *   WAITQ_AGAIN there was no hub; now there is.  Meanwhile the lock was given back: look again
 *   -ETIMEDOUT  TIMEOUT_MS passed, or is 0, or a scope of time is over
 *   -EDEADLK    nothing could end the wait, or the caller is a callback of the loop
 *   -ENOMEM     there is no hub; -ECANCELED and others: the error that was raised
 */
int green__waitq_wait(struct green_waitq *queue, struct waitq_entry *entry, const char *kind, int timeout_ms);

/* green__waitq_wait_unlock - as green__waitq_wait, but the lock is given back, as by waitq_unlock; but with WAITQ_AGAIN */
int green__waitq_wait_unlock(struct green_waitq *queue, struct waitq_entry *entry, const char *kind, int timeout_ms);

/*
 * green__waitq_wait_last - the rest of a public call of one who has a hub: wait for WHAT; the result of the call
 *
 * The lock is given back, as by waitq_unlock.
 */
int green__waitq_wait_last(struct green_waitq *queue, int what, const char *kind, int timeout_ms);

/* green__waitq_wait_plainly - as green__waitq_wait, for ever and whatever is raised meanwhile; there is a hub */
int green__waitq_wait_plainly(struct green_waitq *queue, struct waitq_entry *entry, const char *kind);

/* waitq_refusal - 0, or the -errno with which a wait of the caller, who has a hub, would end before it begins */
static inline int waitq_refusal(int timeout_ms)
{
	if (timeout_ms == 0)
		return -ETIMEDOUT;
	return green__current->kind == GREENLET_HUB ? -EDEADLK : 0;
}

/* waitq_finish - unlock, and what a public call returns for ERROR, 0 or -errno */
static inline int waitq_finish(struct green_waitq *queue, int error)
{
	waitq_unlock(queue);
	return (int)sys_result(error);
}

/* green__waitq_check - true if QUEUE's links agree; for tests and debug builds */
bool green__waitq_check(const struct green_waitq *queue);

#pragma GCC visibility pop

#endif
