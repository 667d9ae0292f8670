/* SPDX-License-Identifier: MIT */
/* hook_sync.c - semaphores, barriers and spin locks */
#include <limits.h>
#include <linux/futex.h>
#include <string.h>

#include "hub/task.h"
#include "migrate.h"
#include "parking.h"
#include "preempt.h"
#include "sync.h"

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
 * libc's barrier is five words of its eight; the rest is free for ours, which serve
 * kernel threads as well, since both kinds may meet at one barrier.  There is no
 * static initialiser, so init is where they begin.
 */
struct barrier {
	unsigned in, round, size, shared, out;
	unsigned leaving;    /* threads that it has opened for and that still look at it */
	union {
		struct {
			unsigned waiting;    /* threads that have arrived in this generation */
			unsigned generation; /* futex word: how often the barrier has opened */
		};
		uint64_t state; /* both, to be changed at once */
	};
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

static bool barrier_sleepers; /* somebody has waited in the kernel */

static unsigned leaving(const struct barrier *barrier)
{
	return __atomic_load_n(&barrier->leaving, __ATOMIC_ACQUIRE);
}

/* Whoever comes through first may destroy the barrier while the others are still on their way. */
WRAPPER int pthread_barrier_destroy(pthread_barrier_t *object)
{
	struct barrier *barrier = (struct barrier *)(void *)object;

	while (!barrier->shared && leaving(barrier) > 0) {
		if (shim_hub())
			green__yield(shim.hub);
		else
			sys_call(SYS_sched_yield);
	}
	return real(pthread_barrier_destroy)(object);
}

/* True if the caller is the last one of its generation, and has opened the barrier; false: GENERATION has to pass. */
static bool barrier_arrive(struct barrier *barrier, unsigned *generation)
{
	struct barrier before, after;

	before.state = __atomic_load_n(&barrier->state, __ATOMIC_ACQUIRE);
	do {
		bool last = before.waiting + 1 >= barrier->size;

		after.waiting = last ? 0 : before.waiting + 1;
		after.generation = before.generation + last;
		/* The others leave as soon as it is open. */
		if (last)
			__atomic_add_fetch(&barrier->leaving, barrier->size - 1, __ATOMIC_ACQ_REL);
		if (__atomic_compare_exchange_n(&barrier->state, &before.state, after.state, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			break;
		if (last)
			__atomic_sub_fetch(&barrier->leaving, barrier->size - 1, __ATOMIC_ACQ_REL);
	} while (true);
	*generation = before.generation;
	return after.generation != before.generation;
}

static bool barrier_closed(const struct barrier *barrier, unsigned generation)
{
	return __atomic_load_n(&barrier->generation, __ATOMIC_ACQUIRE) == generation;
}

/* Signals' handlers run between, however long they take; only the opening counts. */
static void barrier_park(struct barrier *barrier, unsigned generation)
{
	while (barrier_closed(barrier, generation)) {
		struct parked parked;
		int error = 0;

		parking_enter(&parked, barrier, WAIT_INTERRUPTIBLE);
		if (barrier_closed(barrier, generation))
			error = parking_wait(&parked, CLOCK_NEVER);
		parking_leave(&parked);
		if (error == -EINTR)
			shim_interrupted(true, false);
	}
}

static void barrier_sleep(struct barrier *barrier, unsigned generation)
{
	while (barrier_closed(barrier, generation))
		sys_call(SYS_futex, &barrier->generation, FUTEX_WAIT_PRIVATE, generation, NULL);
}

WRAPPER int pthread_barrier_wait(pthread_barrier_t *object)
{
	struct barrier *barrier = (struct barrier *)(void *)object;
	bool green = shim_hub() != NULL;
	unsigned generation;

	if (barrier->shared)
		return MIGRATED(real(pthread_barrier_wait)(object));
	if (!green)
		__atomic_store_n(&barrier_sleepers, true, __ATOMIC_SEQ_CST);
	if (barrier_arrive(barrier, &generation)) {
		if (shim.hub)
			parking_wake(barrier, UINT_MAX, PARKING_ALL);
		if (__atomic_load_n(&barrier_sleepers, __ATOMIC_SEQ_CST))
			sys_call(SYS_futex, &barrier->generation, FUTEX_WAKE_PRIVATE, INT_MAX);
		return PTHREAD_BARRIER_SERIAL_THREAD;
	}
	if (green)
		barrier_park(barrier, generation);
	else
		barrier_sleep(barrier, generation);
	__atomic_sub_fetch(&barrier->leaving, 1, __ATOMIC_ACQ_REL);
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
