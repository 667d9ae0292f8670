/* SPDX-License-Identifier: MIT */
/*
 * migrate.h - a green pthread makes one call on a helper kernel thread, and comes back
 *
 * For calls that nothing can be parked for: they wait inside libc or in a system
 * call that epoll does not know.  The thread goes there with its stack and its
 * thread-local storage, so errno, FILE locks, owners of locks and buffers of libc's
 * stay right.  There it is as foreign as any kernel thread: wrappers make plain
 * calls, signals come from the kernel, and pthread_cancel interrupts as libc does.
 */
#ifndef GREEN_PRELOAD_MIGRATE_H
#define GREEN_PRELOAD_MIGRATE_H

#include "hub/helper.h"
#include "thread.h"

struct migration {
	struct away away;
	struct thread *thread; /* NULL: the call is made where the caller is */
};

/* migrate_birth - a block for the hub to stand on while the main thread is away, and the handler of libc's own signal */
void migrate_birth(void);

/* migrate_enter - true: the caller is on a helper now; false: it stays, for it is foreign, alone or there is no helper */
bool migrate_enter(struct migration *migration);

/* migrate_leave - back to the carrier, also when the thread is cancelled or exits in the middle */
void migrate_leave(struct migration *migration);

/* migrate_run - what the library calls to run FUNCTION(ARG), which may be cancelled anywhere, off the carrier */
bool migrate_run(long (*function)(void *), void *arg, long *result);

/* migrate_return_before - somebody jumps to a frame at STACK: come back first if the call is left by that */
void migrate_return_before(uintptr_t stack);

/*
 * migrate_ring - THREAD, which is away, has signal NUMBER among its pending ones: interrupt it if it does not block it
 *
 * The kernel is asked to send NUMBER itself, so that calls end or are restarted as
 * its action says; the code tells the handler to look at what is pending.
 */
void migrate_ring(struct thread *thread, int number);

#define MIGRATE_RING (-103)

/* migrate_cancel - THREAD, which is away, has been asked to end: interrupt it as libc would */
void migrate_cancel(struct thread *thread);

/* migrate_after_fork - in the child nobody is away */
void migrate_after_fork(void);

/*
 * MIGRATED(CALL) - the value of CALL, made on a helper if there is one
 *
 * An expression, for the return statement of a wrapper.
 */
#define MIGRATED(call) \
	__extension__({ \
		CLEANUP(migrate_leave) struct migration migration = { .thread = NULL }; \
		migrate_enter(&migration); \
		call; \
	})

/* migrate_pause - there is no helper: a moment for the others before the next attempt; 0, or -EINTR */
long migrate_pause(bool restartable);

/* The kernel's way to report what libc's CALL has returned. */
static inline long migrate_result(long result)
{
	return result == -1 ? -errno : result;
}

/*
 * TRIED(ATTEMPT, BUSY, RESTARTABLE, CALL) - the value of CALL, which may wait for another thread
 *
 * ATTEMPT is the same without waiting, and ends with -BUSY where CALL would wait;
 * then CALL is made on a helper. If there is none, ATTEMPT is repeated: a carrier
 * that waited might wait for one of those that it carries.
 */
#define TRIED(attempt, busy, restartable, call) \
	__extension__({ \
		long tried; \
		while ((tried = (attempt)) == -(busy)) { \
			CLEANUP(migrate_leave) struct migration migration = { .thread = NULL }; \
			bool waits = migrate_enter(&migration) || !shim_hub(); \
			tried = waits ? migrate_result(call) : migrate_pause(restartable); \
			if (waits || tried) \
				break; \
		} \
		sys_result(tried); \
	})

/* MIGRATED_OR(CALL, OTHERWISE) - the same, with another way if there is no helper: the carrier must not wait for a lock */
#define MIGRATED_OR(call, otherwise) \
	__extension__({ \
		CLEANUP(migrate_leave) struct migration migration = { .thread = NULL }; \
		migrate_enter(&migration) ? call : otherwise; \
	})

/* Wrappers of calls that libc makes alone, on a helper if there is one. */
#define ELSEWHERE(type, name, parameters, arguments) \
	WRAPPER type name parameters \
	{ \
		return MIGRATED(real(name) arguments); \
	}

#define ELSEWHERE_VOID(name, parameters, arguments) \
	WRAPPER void name parameters \
	{ \
		MIGRATED((real(name) arguments, 0)); \
	}

#endif
