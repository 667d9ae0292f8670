/* SPDX-License-Identifier: MIT */
/* hook_cond.c - condition variables: queues of our own under the address of libc's */
#include <limits.h>

#include "migrate.h"
#include "parking.h"
#include "robust.h"
#include "sync.h"

/* Bits of libc's own object, fixed by its ABI. */
enum {
	COND_SHARED_BIT = 1,
	COND_MONOTONIC_BIT = 2,
};

#define SPURIOUS_INTERVAL (1 * NS_PER_MS)

/*
 * MUTEX is about to be released inside libc, unseen, so from now on parked locks are looked at again.  Who is parked
 * already has to hear of that, or would wait for an unlock that nobody makes.
 */
static void note_unseen(const pthread_mutex_t *mutex)
{
	__atomic_store_n(&shim.foreign, true, __ATOMIC_SEQ_CST);
	parking_wake(mutex, UINT_MAX, PARKING_ALL);
}

static void note_foreign(const pthread_mutex_t *mutex)
{
	if (!green__current && shim.hub)
		note_unseen(mutex);
}

static bool cond_shared(const pthread_cond_t *cond)
{
	return cond->__data.__wrefs & COND_SHARED_BIT;
}

/* Whoever waits for a shared one waits in the kernel, where libc unlocks the mutex unseen. */
static void cond_note_unlock(const pthread_mutex_t *mutex)
{
	if (!sync_waits_in_kernel(mutex))
		note_unseen(mutex);
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
	bool nested, woken, taken = false;

	/* A frame further down the stack than this one is gone. */
	if (self->aside_frame && self->aside_frame < here)
		cond_give_up();
	nested = self->aside_frame;
	if (!nested) {
		self->aside_frame = here;
		parking_enter(&self->aside, cond, WAIT_PLAIN);
		/* Who sends a signal may go on, and wake COND's waiters before this thread has had its turn. */
		taken = parking_taken(parked);
		critical_leave(self->greenlet->flow);
	}
	parking_leave(parked);
	shim_interrupted(true, false);
	parking_enter(parked, cond, WAIT_INTERRUPTIBLE);
	/* A wait inside a handler inside a wait has no place left: it ends for no reason, which is allowed. */
	if (nested)
		return true;
	woken = taken || self->aside.waiter.result != WAITER_WAITING;
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
		note_foreign(mutex);
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
		note_foreign(mutex);
		return real(pthread_cond_timedwait)(cond, mutex, abstime);
	}
	return cond_clockwait(cond, mutex, monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, abstime);
}

WRAPPER int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *abstime)
{
	if (!shim_hub()) {
		note_foreign(mutex);
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
