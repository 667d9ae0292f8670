/* SPDX-License-Identifier: MIT */
/* hook_once.c - once: libc's own words, with a wait that parks */
#include <limits.h>
#include <linux/futex.h>

#include "parking.h"
#include "shim.h"
#include "thread.h"

enum { ONCE_DONE = 2 }; /* libc's own value */

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
	CLEANUP(once_reset) pthread_once_t *unfinished = once;

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
