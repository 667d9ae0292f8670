/* SPDX-License-Identifier: MIT */
/* rwlock.c - many readers or one writer, first come first served */
#include "sync/waitq.h"

enum { READS, WRITES };

static const char *const kinds[] = { "rwlock, to read", "rwlock, to write" };

/* True if one who wants WHAT may have it beside those who have the lock. */
static bool may(const struct green_rwlock *lock, int what)
{
	return !lock->writer && (what == READS || !lock->readers);
}

static void have(struct green_rwlock *lock, int what, struct greenlet *greenlet)
{
	if (what == READS)
		lock->readers++;
	else
		lock->writer = greenlet;
}

/* Let in as many of those who wait as go together. */
static void let_in(struct green_rwlock *lock)
{
	struct waitq_entry *entry;

	while ((entry = lock->waiters.first) && may(lock, entry->what)) {
		if (green__waitq_wake_first(&lock->waiters, 0))
			have(lock, entry->what, entry->waiter->greenlet);
	}
}

/* One who gives up may have held up those behind it. */
static int enter(struct green_rwlock *lock, int what, struct greenlet *self, int timeout_ms)
{
	struct waitq_entry entry = { .what = what };
	int error;

	do {
		if (waitq_empty(&lock->waiters) && may(lock, what)) {
			have(lock, what, self);
			return 0;
		}
		error = lock->writer == self ? -EDEADLK : green__waitq_wait(&lock->waiters, &entry, kinds[what], timeout_ms);
	} while (error == WAITQ_AGAIN);
	if (error)
		let_in(lock);
	return error;
}

static int lock_for(struct green_rwlock *lock, int what, int timeout_ms)
{
	struct greenlet *self = green_current();

	if (!self)
		return -1;
	waitq_lock(&lock->waiters);
	return waitq_finish(&lock->waiters, enter(lock, what, self, timeout_ms));
}

int green_rwlock_read(struct green_rwlock *lock, int timeout_ms)
{
	return lock_for(lock, READS, timeout_ms);
}

int green_rwlock_write(struct green_rwlock *lock, int timeout_ms)
{
	return lock_for(lock, WRITES, timeout_ms);
}

static int leave(struct green_rwlock *lock)
{
	if (lock->writer ? lock->writer != green__current : !lock->readers)
		return -EPERM;
	if (lock->writer)
		lock->writer = NULL;
	else
		lock->readers--;
	let_in(lock);
	return 0;
}

int green_rwlock_unlock(struct green_rwlock *lock)
{
	waitq_lock(&lock->waiters);
	return waitq_finish(&lock->waiters, leave(lock));
}
