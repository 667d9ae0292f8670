/* SPDX-License-Identifier: MIT */
/*
 * hook_rwlock.c - read-write locks, with libc's preferences
 *
 * libc's unlock hands the lock to those who wait: to readers or to a writer, by the
 * lock's kind.  Without that a stream of one sort starves the other, and on one
 * carrier, where whoever runs comes first, it does so always.  So whoever unlocks
 * takes the lock for those who are parked, and wakes them as its owners.
 */
#include <limits.h>

#include "migrate.h"
#include "parking.h"
#include "shim.h"
#include "sync.h"
#include "thread.h"

/* How often a lock is looked at that a foreign thread may have unlocked inside libc. */
#define FOREIGN_INTERVAL (2 * NS_PER_MS)

/* Readers are parked under the lock's own address, writers under the next one. */
static const void *readers_of(const pthread_rwlock_t *lock)
{
	return lock;
}

static const void *writers_of(const pthread_rwlock_t *lock)
{
	return (const char *)lock + 1;
}

/* With this preference a reader lets writers go first who already wait. */
static bool reader_stands_back(const pthread_rwlock_t *lock)
{
	return lock->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP && parking_occupied(writers_of(lock));
}

static int read_attempt(pthread_rwlock_t *lock)
{
	return reader_stands_back(lock) ? EBUSY : real(pthread_rwlock_tryrdlock)(lock);
}

static int write_attempt(pthread_rwlock_t *lock)
{
	return real(pthread_rwlock_trywrlock)(lock);
}

/* The two ways to hold a lock. */
struct way {
	int (*attempt)(pthread_rwlock_t *lock);
	const void *(*place)(const pthread_rwlock_t *lock);
	int (**wait)(pthread_rwlock_t *lock);
	int (**wait_until)(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *abstime);
};

static const struct way reading = {
	read_attempt, readers_of, &green__real_table.pthread_rwlock_rdlock, &green__real_table.pthread_rwlock_clockrdlock,
};
static const struct way writing = {
	write_attempt, writers_of, &green__real_table.pthread_rwlock_wrlock, &green__real_table.pthread_rwlock_clockwrlock,
};

/* --- handing over --- */

static bool hand_to_writer(pthread_rwlock_t *lock)
{
	while (parking_occupied(writers_of(lock)) && real(pthread_rwlock_trywrlock)(lock) == 0) {
		int owner = lock->__data.__cur_writer;

		/* Its new owner writes its own id there. */
		lock->__data.__cur_writer = 0;
		if (parking_wake(writers_of(lock), 1, PARKING_ALL))
			return true;
		lock->__data.__cur_writer = owner;
		real(pthread_rwlock_unlock)(lock);
	}
	return false;
}

static void hand_to_readers(pthread_rwlock_t *lock)
{
	while (parking_occupied(readers_of(lock)) && real(pthread_rwlock_tryrdlock)(lock) == 0) {
		if (parking_wake(readers_of(lock), 1, PARKING_ALL) == 0)
			real(pthread_rwlock_unlock)(lock);
	}
}

/* Nobody gets what others hold: each step is libc's own attempt.  A lock for which nobody waits may be gone by now. */
static void hand_over(pthread_rwlock_t *lock)
{
	if (!parking_occupied(readers_of(lock)) && !parking_occupied(writers_of(lock)))
		return;
	if (lock->__data.__flags == PTHREAD_RWLOCK_PREFER_READER_NP)
		hand_to_readers(lock);
	if (!hand_to_writer(lock) && !reader_stands_back(lock))
		hand_to_readers(lock);
}

/* --- waiting --- */

static int64_t next_look(const pthread_rwlock_t *lock, int64_t deadline)
{
	int64_t soon = clock_after(FOREIGN_INTERVAL);

	return (shim.foreign || lock->__data.__shared) && soon < deadline ? soon : deadline;
}

/* Woken means that the lock is the caller's. */
static int take_over(pthread_rwlock_t *lock, const struct way *way)
{
	if (way == &writing)
		lock->__data.__cur_writer = sync_own_id();
	return 0;
}

static int park_until(pthread_rwlock_t *lock, const struct way *way, int64_t deadline)
{
	if (lock->__data.__cur_writer == sync_own_id())
		return EDEADLK;
	for (;;) {
		struct parked parked;
		int error = 0;
		int result = way->attempt(lock);

		if (result != EBUSY)
			return result;
		parking_enter(&parked, way->place(lock), WAIT_INTERRUPTIBLE);
		/* A foreign thread may have unlocked in between, and seen nobody here. */
		hand_over(lock);
		error = parking_wait(&parked, next_look(lock, deadline));
		parking_leave(&parked);
		if (error == 0)
			return take_over(lock, way);
		if (error == -EINTR)
			shim_interrupted(true, false);
		if (error == -ETIMEDOUT && clock_now() >= deadline) {
			/* Readers may have stood back for a writer that gives up now. */
			hand_over(lock);
			return ETIMEDOUT;
		}
	}
}

static int lock_for_ever(pthread_rwlock_t *lock, const struct way *way)
{
	int result = way->attempt(lock);

	if (result != EBUSY)
		return result;
	if (lock->__data.__shared)
		return MIGRATED_OR((*way->wait)(lock), park_until(lock, way, CLOCK_NEVER));
	return park_until(lock, way, CLOCK_NEVER);
}

static int lock_until(pthread_rwlock_t *lock, const struct way *way, clockid_t clock, const struct timespec *abstime)
{
	int64_t deadline;
	int result = sync_deadline(clock, abstime, &deadline);

	if (result)
		return result;
	result = way->attempt(lock);
	if (result != EBUSY)
		return result;
	if (lock->__data.__shared)
		return MIGRATED_OR((*way->wait_until)(lock, clock, abstime), park_until(lock, way, deadline));
	return park_until(lock, way, deadline);
}

/* --- the calls --- */

WRAPPER int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	return shim_hub() ? lock_for_ever(lock, &reading) : real(pthread_rwlock_rdlock)(lock);
}

WRAPPER int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	return shim_hub() ? lock_for_ever(lock, &writing) : real(pthread_rwlock_wrlock)(lock);
}

WRAPPER int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
	return read_attempt(lock);
}

WRAPPER int pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *abstime)
{
	return shim_hub() ? lock_until(lock, &reading, CLOCK_REALTIME, abstime) : real(pthread_rwlock_timedrdlock)(lock, abstime);
}

WRAPPER int pthread_rwlock_timedwrlock(pthread_rwlock_t *lock, const struct timespec *abstime)
{
	return shim_hub() ? lock_until(lock, &writing, CLOCK_REALTIME, abstime) : real(pthread_rwlock_timedwrlock)(lock, abstime);
}

WRAPPER int pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *abstime)
{
	return shim_hub() ? lock_until(lock, &reading, clock, abstime) : real(pthread_rwlock_clockrdlock)(lock, clock, abstime);
}

WRAPPER int pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *abstime)
{
	return shim_hub() ? lock_until(lock, &writing, clock, abstime) : real(pthread_rwlock_clockwrlock)(lock, clock, abstime);
}

WRAPPER int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	int result = real(pthread_rwlock_unlock)(lock);

	if (result == 0)
		hand_over(lock);
	return result;
}

ALIAS(__pthread_rwlock_rdlock, pthread_rwlock_rdlock);
ALIAS(__pthread_rwlock_tryrdlock, pthread_rwlock_tryrdlock);
ALIAS(__pthread_rwlock_wrlock, pthread_rwlock_wrlock);
ALIAS(__pthread_rwlock_unlock, pthread_rwlock_unlock);
