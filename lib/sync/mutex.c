/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - one owner at a time
 *
 * Who unlocks hands it to who waits longest, so nobody overtakes.  OWNER and DEPTH change
 * with the queue's lock held; a greenlet may look without it whether it is itself the owner.
 */
#include <limits.h>

#include "sync/mutex.h"

static void own(struct green_mutex *mutex, struct greenlet *owner)
{
	__atomic_store_n(&mutex->owner, owner, __ATOMIC_RELAXED);
	mutex->depth = 1;
}

static int own_again(struct green_mutex *mutex)
{
	if (!mutex->recursive)
		return -EDEADLK;
	if (mutex->depth == UINT_MAX)
		return -EAGAIN;
	mutex->depth++;
	return 0;
}

int green__mutex_try(struct green_mutex *mutex, struct greenlet *self)
{
	if (unlikely(mutex->owner == self))
		return own_again(mutex);
	if (mutex->owner)
		return -EBUSY;
	own(mutex, self);
	return 0;
}

static GREEN_NOINLINE int lock_slowly(struct green_mutex *mutex, int timeout_ms)
{
	struct greenlet *self = green_current();
	struct waitq_entry entry;
	int error;

	if (!self)
		return -1;
	waitq_lock(&mutex->waiters);
	do {
		error = green__mutex_try(mutex, self);
		if (error != -EBUSY)
			return waitq_finish(&mutex->waiters, error);
		error = green__waitq_wait_unlock(&mutex->waiters, &entry, "mutex", timeout_ms);
	} while (error == WAITQ_AGAIN);
	return (int)sys_result(error);
}

int green_mutex_lock(struct green_mutex *mutex, int timeout_ms)
{
	struct greenlet *self = green__current;

	if (unlikely(!self || !waitq_try(&mutex->waiters, self)))
		return lock_slowly(mutex, timeout_ms);
	if (!mutex->owner) {
		own(mutex, self);
		waitq_leave(&mutex->waiters, self);
		return 0;
	}
	if (likely(mutex->owner != self && self->flow->hub))
		return green__waitq_wait_last(&mutex->waiters, 0, "mutex", timeout_ms);
	waitq_give_back(&mutex->waiters, self);
	return lock_slowly(mutex, timeout_ms);
}

static void hand_on(struct green_mutex *mutex)
{
	struct waitq_entry *next = waitq_empty(&mutex->waiters) ? NULL : green__waitq_wake(&mutex->waiters, 0);

	own(mutex, next ? next->waiter->greenlet : NULL);
}

/* Locked before, not after. */
static GREEN_NOINLINE int unlock_wanted(struct green_mutex *mutex)
{
	int error = 0;

	if (unlikely(!mutex->owner || mutex->owner != green__current))
		error = -EPERM;
	else if (mutex->depth > 1)
		mutex->depth--;
	else
		hand_on(mutex);
	return waitq_finish(&mutex->waiters, error);
}

static GREEN_NOINLINE int unlock_slowly(struct green_mutex *mutex)
{
	waitq_lock(&mutex->waiters);
	return unlock_wanted(mutex);
}

int green_mutex_unlock(struct green_mutex *mutex)
{
	struct greenlet *self = green__current;

	if (unlikely(!self || !waitq_try(&mutex->waiters, self)))
		return unlock_slowly(mutex);
	if (mutex->owner != self || mutex->depth > 1 || !waitq_empty(&mutex->waiters))
		return unlock_wanted(mutex);
	__atomic_store_n(&mutex->owner, NULL, __ATOMIC_RELAXED);
	waitq_leave(&mutex->waiters, self);
	return 0;
}

struct greenlet *green_mutex_owner(const struct green_mutex *mutex)
{
	return __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED);
}

unsigned green__mutex_give_up(struct green_mutex *mutex)
{
	unsigned depth;

	waitq_lock(&mutex->waiters);
	depth = mutex->depth;
	hand_on(mutex);
	waitq_unlock(&mutex->waiters);
	return depth;
}

int green__mutex_take_back(struct green_mutex *mutex, unsigned depth)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&mutex->waiters);
	error = green__mutex_try(mutex, green__current);
	if (error)
		error = green__waitq_wait_plainly(&mutex->waiters, &entry, "mutex");
	if (!error)
		mutex->depth = depth;
	waitq_unlock(&mutex->waiters);
	return error;
}
