/* SPDX-License-Identifier: MIT */
/* hook_mutex.c - mutexes: libc's own, with a wait that parks */
#include <linux/futex.h>

#include "ceiling.h"
#include "migrate.h"
#include "parking.h"
#include "preempt.h"
#include "robust.h"
#include "sync.h"

/* Bits of libc's own object, fixed by its ABI (bits/thread-shared-types.h). */
enum {
	MUTEX_TYPE_MASK = 3,
	MUTEX_INHERIT_BIT = 32,
	MUTEX_SHARED_BIT = 128,
};

/* What a foreign thread does between two tries of a lock that the kernel cannot wait for. */
#define FOREIGN_PAUSE (200 * INT64_C(1000))

/*
 * The kinds of which there is no more than an owner's note, private ones: programs take them so often that each
 * instruction counts, so unless somebody waits they are locked here, as libc does it, whatever thread the caller is.
 */
static bool simple_known;

static inline bool is_simple(const pthread_mutex_t *mutex)
{
	int kind = mutex->__data.__kind;

	return likely(kind == PTHREAD_MUTEX_TIMED_NP || kind == PTHREAD_MUTEX_ADAPTIVE_NP) && likely(simple_known);
}

static inline int simple_trylock(pthread_mutex_t *mutex)
{
	int none = 0;

	if (!__atomic_compare_exchange_n(&mutex->__data.__lock, &none, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return EBUSY;
	mutex->__data.__owner = sync_own_id();
	mutex->__data.__nusers++;
	return 0;
}

static inline int simple_unlock(pthread_mutex_t *mutex)
{
	mutex->__data.__owner = 0;
	mutex->__data.__nusers--;
	/* More than 1: a foreign thread sleeps.  From now on the memory may be somebody else's. */
	if (unlikely(__atomic_exchange_n(&mutex->__data.__lock, 0, __ATOMIC_SEQ_CST) > 1))
		sys_call(SYS_futex, &mutex->__data.__lock, FUTEX_WAKE_PRIVATE, 1);
	return 0;
}

static bool mutex_shows(const pthread_mutex_t *mutex, int lock, int owner, unsigned users, int kind)
{
	return mutex->__data.__lock == lock && mutex->__data.__owner == owner && mutex->__data.__nusers == users &&
	       mutex->__data.__kind == kind;
}

static bool is_as_known(int kind)
{
	pthread_mutex_t mutex = { .__data = { .__kind = kind } };
	bool locked = real(pthread_mutex_lock)(&mutex) == 0 && mutex_shows(&mutex, 1, sync_own_id(), 1, kind);

	return real(pthread_mutex_unlock)(&mutex) == 0 && locked && mutex_shows(&mutex, 0, 0, 0, kind);
}

void sync_learn_mutexes(void)
{
	simple_known = is_as_known(PTHREAD_MUTEX_TIMED_NP) && is_as_known(PTHREAD_MUTEX_ADAPTIVE_NP);
}

/* libc's trylock refuses a lock beyond repair and keeps it all the same; nobody could learn of its state any more. */
static int mutex_give_back(pthread_mutex_t *mutex, int id)
{
	int seen = __atomic_load_n(&mutex->__data.__lock, __ATOMIC_SEQ_CST);

	while ((seen & FUTEX_TID_MASK) == id) {
		if (__atomic_compare_exchange_n(&mutex->__data.__lock, &seen, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			break;
	}
	if (seen & (int)FUTEX_WAITERS)
		sys_call(SYS_futex, &mutex->__data.__lock, FUTEX_WAKE, 1);
	parking_wake(mutex, 1, PARKING_ALL);
	return ENOTRECOVERABLE;
}

static int mutex_attempt(void *object)
{
	pthread_mutex_t *mutex = object;
	bool carriers;
	int result;

	if (is_simple(mutex))
		return simple_trylock(mutex);
	carriers = robust_shared(mutex);
	if (ceiling_kept(mutex))
		return ceiling_trylock(mutex);
	result = carriers ? robust_trylock(mutex) : real(pthread_mutex_trylock)(mutex);
	if (likely(result != ENOTRECOVERABLE))
		return result;
	return mutex_give_back(mutex, carriers ? *tls_tid(shim.native_tp) : sync_own_id());
}

WRAPPER int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	return mutex_attempt(mutex);
}

ALIAS(__pthread_mutex_trylock, pthread_mutex_trylock);

/* trylock does not tell an error-checking mutex's owner that it waits for itself. */
static bool mutex_is_own(pthread_mutex_t *mutex)
{
	return (mutex->__data.__kind & MUTEX_TYPE_MASK) == PTHREAD_MUTEX_ERRORCHECK && mutex->__data.__owner == sync_own_id() &&
	       !robust_shared(mutex);
}

/*
 * Processes wait for each other in the kernel, so a thread waits there too.  Not for
 * a lock that lends priority: the kernel looks for the owner by its id, and a green
 * pthread's is none of the kernel's.
 */
bool sync_waits_in_kernel(const pthread_mutex_t *mutex)
{
	return (mutex->__data.__kind & (MUTEX_SHARED_BIT | MUTEX_INHERIT_BIT | CEILING_KIND)) == MUTEX_SHARED_BIT && !robust_shared(mutex);
}

static int mutex_lock_until(pthread_mutex_t *mutex, int64_t deadline)
{
	struct lock_call call = {
		.object = mutex,
		.attempt = mutex_attempt,
		.busy = EBUSY,
		.deadline = deadline,
		.shared = mutex->__data.__kind & MUTEX_SHARED_BIT,
	};

	return mutex_is_own(mutex) ? EDEADLK : parking_lock(&call);
}

/* Locked by libc it is owned by the id of the caller's block: on the first thread's block that is the carrier's name. */
static bool robust_kept(const pthread_mutex_t *mutex)
{
	return robust_shared(mutex) && thread_self()->block != shim.native_tp;
}

/* True where nobody is there to run meanwhile, unless the lock is kept here from its first owner on. */
static bool mutex_is_libcs(const pthread_mutex_t *mutex)
{
	return !shim_hub() && !ceiling_kept(mutex) && !robust_kept(mutex);
}

/* For a thread that is not green. */
static int mutex_lock_plain(pthread_mutex_t *mutex)
{
	struct timespec pause = { 0, FOREIGN_PAUSE };
	int result;

	if (!shim.hub || !(mutex->__data.__kind & MUTEX_INHERIT_BIT))
		return real(pthread_mutex_lock)(mutex);
	while ((result = mutex_attempt(mutex)) == EBUSY && !mutex_is_own(mutex))
		sys_call(SYS_nanosleep, &pause, NULL);
	return result == EBUSY ? EDEADLK : result;
}

static GREEN_NOINLINE int mutex_lock_otherwise(pthread_mutex_t *mutex)
{
	int result;

	if (mutex_is_libcs(mutex))
		return mutex_lock_plain(mutex);
	result = mutex_attempt(mutex);
	if (likely(result != EBUSY))
		return result;
	if (sync_waits_in_kernel(mutex))
		return MIGRATED_OR(real(pthread_mutex_lock)(mutex), mutex_lock_until(mutex, CLOCK_NEVER));
	return mutex_lock_until(mutex, CLOCK_NEVER);
}

WRAPPER int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	return is_simple(mutex) && likely(simple_trylock(mutex) == 0) ? 0 : mutex_lock_otherwise(mutex);
}

static int mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *abstime)
{
	int64_t deadline;
	int result;

	/* Of a lock that is free libc looks at the clock, but not at the time. */
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return EINVAL;
	result = mutex_attempt(mutex);
	if (result != EBUSY)
		return result;
	result = sync_deadline(clock, abstime, &deadline);
	if (result)
		return result;
	if (sync_waits_in_kernel(mutex))
		return MIGRATED_OR(real(pthread_mutex_clocklock)(mutex, clock, abstime), mutex_lock_until(mutex, deadline));
	return mutex_lock_until(mutex, deadline);
}

WRAPPER int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *abstime)
{
	if (mutex_is_libcs(mutex))
		return real(pthread_mutex_timedlock)(mutex, abstime);
	return mutex_clocklock(mutex, CLOCK_REALTIME, abstime);
}

WRAPPER int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *abstime)
{
	if (mutex_is_libcs(mutex))
		return real(pthread_mutex_clocklock)(mutex, clock, abstime);
	return mutex_clocklock(mutex, clock, abstime);
}

static GREEN_NOINLINE int unlock_by_kind(pthread_mutex_t *mutex)
{
	if (robust_shared(mutex))
		return robust_unlock(mutex);
	return ceiling_kept(mutex) ? ceiling_unlock(mutex) : real(pthread_mutex_unlock)(mutex);
}

WRAPPER int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int result = is_simple(mutex) ? simple_unlock(mutex) : unlock_by_kind(mutex);

	if (result == 0 && parking_wake_one(mutex))
		preempt_due = 1;
	preempt_point();
	return result;
}

/* libc locks the mutex inside itself to change its ceiling. */
WRAPPER int pthread_mutex_setprioceiling(pthread_mutex_t *mutex, int ceiling, int *old)
{
	return ceiling_kept(mutex) ? ceiling_change(mutex, ceiling, old) : real(pthread_mutex_setprioceiling)(mutex, ceiling, old);
}

WRAPPER int pthread_mutex_consistent(pthread_mutex_t *mutex)
{
	return robust_shared(mutex) ? robust_consistent(mutex) : real(pthread_mutex_consistent)(mutex);
}

/* Its name before POSIX had it, which libc's header turns into the new one. */
WRAPPER int consistent_np(pthread_mutex_t *mutex) __asm__("pthread_mutex_consistent_np");
WRAPPER int consistent_np(pthread_mutex_t *mutex)
{
	return pthread_mutex_consistent(mutex);
}

ALIAS(__pthread_mutex_lock, pthread_mutex_lock);
ALIAS(__pthread_mutex_unlock, pthread_mutex_unlock);
