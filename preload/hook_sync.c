/* SPDX-License-Identifier: MIT */
/* hook_sync.c - mutex, condition variable, semaphore, barrier, spin lock, once */
#include <limits.h>
#include <linux/futex.h>
#include <string.h>

#include "ceiling.h"
#include "hub/task.h"
#include "migrate.h"
#include "parking.h"
#include "preempt.h"
#include "robust.h"
#include "shim.h"
#include "sync.h"
#include "thread.h"

/* Bits of libc's own objects, fixed by its ABI (bits/thread-shared-types.h). */
enum {
	MUTEX_TYPE_MASK = 3,
	MUTEX_INHERIT_BIT = 32,
	MUTEX_SHARED_BIT = 128,
	COND_SHARED_BIT = 1,
	COND_MONOTONIC_BIT = 2,
	ONCE_DONE = 2,
};

#define SPURIOUS_INTERVAL (1 * NS_PER_MS)

/* What a foreign thread does between two tries of a lock that the kernel cannot wait for. */
#define FOREIGN_PAUSE (200 * INT64_C(1000))

/* A foreign thread releases a mutex inside libc, unseen, so from now on parked locks are looked at again. */
static void note_foreign(void)
{
	if (!green__current && shim.hub)
		shim.foreign = true;
}

/* --- mutex --- */

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
	bool carriers = robust_shared(mutex);
	int result;

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
static bool mutex_waits_in_kernel(const pthread_mutex_t *mutex)
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

/* True where nobody is there to run meanwhile, unless the lock is kept here from its first owner on. */
static bool mutex_is_libcs(const pthread_mutex_t *mutex)
{
	return !shim_hub() && !ceiling_kept(mutex);
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

WRAPPER int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int result;

	if (mutex_is_libcs(mutex))
		return mutex_lock_plain(mutex);
	result = mutex_attempt(mutex);
	if (likely(result != EBUSY))
		return result;
	if (mutex_waits_in_kernel(mutex))
		return MIGRATED_OR(real(pthread_mutex_lock)(mutex), mutex_lock_until(mutex, CLOCK_NEVER));
	return mutex_lock_until(mutex, CLOCK_NEVER);
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
	if (mutex_waits_in_kernel(mutex))
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

static int unlock_by_kind(pthread_mutex_t *mutex)
{
	if (robust_shared(mutex))
		return robust_unlock(mutex);
	return ceiling_kept(mutex) ? ceiling_unlock(mutex) : real(pthread_mutex_unlock)(mutex);
}

WRAPPER int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int result = unlock_by_kind(mutex);

	if (result == 0 && parking_wake_one(mutex))
		preempt_due = 1;
	preempt_point();
	return result;
}

WRAPPER int pthread_mutex_consistent(pthread_mutex_t *mutex)
{
	return robust_shared(mutex) ? robust_consistent(mutex) : real(pthread_mutex_consistent)(mutex);
}

ALIAS(__pthread_mutex_lock, pthread_mutex_lock);
ALIAS(__pthread_mutex_unlock, pthread_mutex_unlock);

/* --- condition variable --- */

static bool cond_shared(const pthread_cond_t *cond)
{
	return cond->__data.__wrefs & COND_SHARED_BIT;
}

/* Whoever waits for a shared one waits in the kernel, where libc unlocks the mutex unseen. */
static void cond_note_unlock(const pthread_mutex_t *mutex)
{
	if (!mutex_waits_in_kernel(mutex))
		shim.foreign = true;
}

static bool cancel_wanted(void)
{
	int state;

	if (!thread_self()->cancel_requested)
		return false;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_setcancelstate(state, NULL);
	return state == PTHREAD_CANCEL_ENABLE;
}

static void take_back(struct thread *self)
{
	parking_leave(&self->aside);
	self->aside_frame = 0;
}

void cond_give_up(void)
{
	struct thread *self = thread_self();

	if (!self->aside_frame)
		return;
	critical_enter(self->greenlet->flow);
	take_back(self);
}

/*
 * Handlers run in the midst of a wait, without the mutex, and a signal to COND that
 * comes meanwhile is not to be lost: so the thread keeps a place in the lot, which lies
 * in its own block, for a handler may jump out of all this.  Called with PARKED in the
 * lot, and it is there again afterwards.
 * Returns: true if the wait has come to its end.
 */
static bool cond_run_handlers(pthread_cond_t *cond, struct parked *parked)
{
	struct thread *self = thread_self();
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	bool nested, woken;

	/* A frame further down the stack than this one is gone. */
	if (self->aside_frame && self->aside_frame < here)
		cond_give_up();
	nested = self->aside_frame;
	if (!nested) {
		self->aside_frame = here;
		parking_enter(&self->aside, cond, WAIT_PLAIN);
		critical_leave(self->greenlet->flow);
	}
	parking_leave(parked);
	shim_interrupted(true, false);
	parking_enter(parked, cond, WAIT_INTERRUPTIBLE);
	/* A wait inside a handler inside a wait has no place left: it ends for no reason, which is allowed. */
	if (nested)
		return true;
	woken = self->aside.waiter.result != WAITER_WAITING;
	critical_enter(self->greenlet->flow);
	take_back(self);
	return woken;
}

/*
 * Without a helper another process's signal cannot reach the lot.  POSIX lets a wait
 * end for no reason, so a shared one does, every millisecond, and the caller looks itself.
 */
static int cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline)
{
	bool shared = cond_shared(cond);
	int64_t soon = shared ? clock_after(SPURIOUS_INTERVAL) : CLOCK_NEVER;
	struct parked parked;
	int result, error, relock;
	bool woken = false;

	shim_cancellation_point();
	parking_enter(&parked, cond, WAIT_INTERRUPTIBLE);
	result = pthread_mutex_unlock(mutex);
	if (result) {
		parking_leave(&parked);
		return result;
	}
	do {
		error = parking_wait(&parked, soon < deadline ? soon : deadline);
		if (error == -EINTR && !cancel_wanted())
			woken = cond_run_handlers(cond, &parked);
	} while (error == -EINTR && !woken && !cancel_wanted());
	parking_leave(&parked);
	relock = pthread_mutex_lock(mutex);
	if (error == -EINTR && !woken)
		shim_cancellation_point();
	if (relock)
		return relock;
	return error == -ETIMEDOUT && (!shared || clock_now() >= deadline) ? ETIMEDOUT : 0;
}

WRAPPER int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	if (!shim_hub()) {
		note_foreign();
		return real(pthread_cond_wait)(cond, mutex);
	}
	if (cond_shared(cond) && !robust_shared(mutex)) {
		cond_note_unlock(mutex);
		return MIGRATED_OR(real(pthread_cond_wait)(cond, mutex), cond_wait_until(cond, mutex, CLOCK_NEVER));
	}
	return cond_wait_until(cond, mutex, CLOCK_NEVER);
}

static int cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *abstime)
{
	int64_t deadline;
	int error = sync_deadline(clock, abstime, &deadline);

	if (error)
		return error;
	if (cond_shared(cond) && !robust_shared(mutex)) {
		cond_note_unlock(mutex);
		return MIGRATED_OR(real(pthread_cond_clockwait)(cond, mutex, clock, abstime), cond_wait_until(cond, mutex, deadline));
	}
	return cond_wait_until(cond, mutex, deadline);
}

WRAPPER int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *abstime)
{
	bool monotonic = cond->__data.__wrefs & COND_MONOTONIC_BIT;

	if (!shim_hub()) {
		note_foreign();
		return real(pthread_cond_timedwait)(cond, mutex, abstime);
	}
	return cond_clockwait(cond, mutex, monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, abstime);
}

WRAPPER int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *abstime)
{
	if (!shim_hub()) {
		note_foreign();
		return real(pthread_cond_clockwait)(cond, mutex, clock, abstime);
	}
	return cond_clockwait(cond, mutex, clock, abstime);
}

WRAPPER int pthread_cond_signal(pthread_cond_t *cond)
{
	return parking_wake(cond, 1, PARKING_ALL) ? 0 : real(pthread_cond_signal)(cond);
}

WRAPPER int pthread_cond_broadcast(pthread_cond_t *cond)
{
	parking_wake(cond, UINT_MAX, PARKING_ALL);
	return real(pthread_cond_broadcast)(cond);
}

ALIAS(__pthread_cond_wait, pthread_cond_wait);
ALIAS(__pthread_cond_timedwait, pthread_cond_timedwait);
ALIAS(__pthread_cond_signal, pthread_cond_signal);
ALIAS(__pthread_cond_broadcast, pthread_cond_broadcast);

/* --- semaphore --- */

static int sem_attempt(void *semaphore)
{
	int saved = errno;
	int result = real(sem_trywait)(semaphore) ? errno : 0;

	errno = saved;
	return result;
}

/* The ABI of libc's semaphore on 64-bit CPUs: value and waiters in one word, then "not shared" as 0. */
static bool sem_shared(const sem_t *semaphore)
{
	return ((const int *)(const void *)semaphore)[2] != 0;
}

static int sem_wait_until(sem_t *semaphore, int64_t deadline)
{
	struct lock_call call = {
		.object = semaphore,
		.attempt = sem_attempt,
		.busy = EAGAIN,
		.deadline = deadline,
		.shared = sem_shared(semaphore),
		.interruptible = true,
		.never_restarted = deadline != CLOCK_NEVER,
		.cancel = true,
	};
	int result = parking_lock(&call);

	if (result == 0)
		return 0;
	errno = result;
	return -1;
}

WRAPPER int sem_wait(sem_t *semaphore)
{
	if (!shim_hub())
		return real(sem_wait)(semaphore);
	shim_cancellation_point();
	if (sem_attempt(semaphore) == 0)
		return 0;
	if (sem_shared(semaphore))
		return MIGRATED_OR(real(sem_wait)(semaphore), sem_wait_until(semaphore, CLOCK_NEVER));
	return sem_wait_until(semaphore, CLOCK_NEVER);
}

static int sem_wait_clock(sem_t *semaphore, clockid_t clock, const struct timespec *abstime)
{
	int64_t deadline;
	int error;

	error = sync_deadline(clock, abstime, &deadline);
	if (error)
		return (int)sys_result(-error);
	shim_cancellation_point();
	if (sem_attempt(semaphore) == 0)
		return 0;
	if (sem_shared(semaphore))
		return MIGRATED_OR(real(sem_clockwait)(semaphore, clock, abstime), sem_wait_until(semaphore, deadline));
	return sem_wait_until(semaphore, deadline);
}

WRAPPER int sem_timedwait(sem_t *semaphore, const struct timespec *abstime)
{
	return shim_hub() ? sem_wait_clock(semaphore, CLOCK_REALTIME, abstime) : real(sem_timedwait)(semaphore, abstime);
}

WRAPPER int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *abstime)
{
	return shim_hub() ? sem_wait_clock(semaphore, clock, abstime) : real(sem_clockwait)(semaphore, clock, abstime);
}

WRAPPER int sem_post(sem_t *semaphore)
{
	int result = real(sem_post)(semaphore);

	if (result == 0 && parking_wake_one(semaphore))
		preempt_due = 1;
	preempt_point();
	return result;
}

/* --- barrier --- */

/*
 * libc's barrier is five words of its eight; the rest is free for ours.  There is
 * no static initialiser, so init is where they begin.
 */
struct barrier {
	unsigned in, round, size, shared, out;
	unsigned waiting;    /* greenlets that have arrived in this generation */
	unsigned generation; /* how often the barrier has opened */
	unsigned leaving;    /* greenlets that it has opened for and that still look at it */
};

_Static_assert(sizeof(struct barrier) <= sizeof(pthread_barrier_t), "our words fit into libc's object");

WRAPPER int pthread_barrier_init(pthread_barrier_t *object, const pthread_barrierattr_t *attributes, unsigned size)
{
	struct barrier *barrier = (struct barrier *)(void *)object;
	int error = real(pthread_barrier_init)(object, attributes, size);

	if (!error)
		barrier->waiting = barrier->generation = barrier->leaving = 0;
	return error;
}

/* Whoever comes through first may destroy the barrier while the others are still on their way. */
WRAPPER int pthread_barrier_destroy(pthread_barrier_t *object)
{
	struct barrier *barrier = (struct barrier *)(void *)object;

	while (shim_hub() && !barrier->shared && barrier->leaving > 0)
		green__yield(shim.hub);
	return real(pthread_barrier_destroy)(object);
}

WRAPPER int pthread_barrier_wait(pthread_barrier_t *object)
{
	struct barrier *barrier = (struct barrier *)(void *)object;
	unsigned generation = barrier->generation;

	if (!shim_hub() || barrier->shared)
		return MIGRATED(real(pthread_barrier_wait)(object));
	if (++barrier->waiting >= barrier->size) {
		barrier->waiting = 0;
		barrier->leaving += barrier->size - 1;
		barrier->generation++;
		parking_wake(barrier, UINT_MAX, PARKING_ALL);
		return PTHREAD_BARRIER_SERIAL_THREAD;
	}
	/* Signals' handlers run between, however long they take; only the opening counts. */
	while (barrier->generation == generation) {
		struct parked parked;
		int error;

		parking_enter(&parked, barrier, WAIT_INTERRUPTIBLE);
		error = parking_wait(&parked, CLOCK_NEVER);
		parking_leave(&parked);
		if (error == -EINTR)
			shim_interrupted(true, false);
	}
	barrier->leaving--;
	return 0;
}

/* --- spin lock --- */

WRAPPER int pthread_spin_lock(pthread_spinlock_t *lock)
{
	struct hub *hub = shim_hub();

	if (!hub)
		return real(pthread_spin_lock)(lock);
	while (real(pthread_spin_trylock)(lock))
		green__yield(hub);
	return 0;
}

/* --- once --- */

static unsigned once_generation; /* rises with each fork, so that a run that the fork cut off is begun again */

void once_after_fork(void)
{
	once_generation += 4;
}

/* INIT was left by an exception or a cancellation: somebody else has to run it. */
static void once_reset(pthread_once_t **once)
{
	if (!*once)
		return;
	__atomic_store_n(*once, 0, __ATOMIC_RELEASE);
	parking_wake(*once, UINT_MAX, PARKING_ALL);
}

static void once_run(pthread_once_t *once, void (*init)(void))
{
	__attribute__((cleanup(once_reset))) pthread_once_t *unfinished = once;

	init();
	unfinished = NULL;
	__atomic_store_n(once, ONCE_DONE, __ATOMIC_RELEASE);
	sys_call(SYS_futex, once, FUTEX_WAKE_PRIVATE, INT_MAX);
	parking_wake(once, UINT_MAX, PARKING_ALL);
}

static void once_wait(pthread_once_t *once, int running)
{
	struct parked parked;

	parking_enter(&parked, once, WAIT_INTERRUPTIBLE);
	if (__atomic_load_n(once, __ATOMIC_ACQUIRE) == running)
		parking_wait(&parked, CLOCK_NEVER);
	parking_leave(&parked);
	shim_interrupted(true, false);
}

WRAPPER int pthread_once(pthread_once_t *once, void (*init)(void))
{
	int running = (int)(once_generation | 1);
	int seen = __atomic_load_n(once, __ATOMIC_ACQUIRE);

	if (likely(seen & ONCE_DONE))
		return 0;
	if (!shim_greenlet())
		return real(pthread_once)(once, init);
	while (!(seen & ONCE_DONE)) {
		if (seen == running)
			once_wait(once, running);
		else if (__atomic_compare_exchange_n(once, &seen, running, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			once_run(once, init);
		seen = __atomic_load_n(once, __ATOMIC_ACQUIRE);
	}
	return 0;
}

ALIAS(__pthread_once, pthread_once);

/* --- FILE locks that the program takes itself --- */

static int file_attempt(void *file)
{
	return real(ftrylockfile)(file) ? EBUSY : 0;
}

WRAPPER void flockfile(FILE *file)
{
	/* libc unlocks inside itself for a thread that is away. */
	struct lock_call call = { .object = file, .attempt = file_attempt, .busy = EBUSY, .deadline = CLOCK_NEVER, .shared = true };

	if (!shim_hub())
		real(flockfile)(file);
	else if (file_attempt(file))
		parking_lock(&call);
	thread_self()->files_held++;
}

WRAPPER int ftrylockfile(FILE *file)
{
	int busy = real(ftrylockfile)(file);

	if (!busy)
		thread_self()->files_held++;
	return busy;
}

WRAPPER void funlockfile(FILE *file)
{
	real(funlockfile)(file);
	if (thread_self()->files_held)
		thread_self()->files_held--;
	parking_wake(file, 1, PARKING_ALL);
}
