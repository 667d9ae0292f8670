/* SPDX-License-Identifier: MIT */
/*
 * pending.h - the signals that one thread has still to take, with what is known of each
 *
 * A thread's own are those that were sent to it alone.  The process's are those that
 * it was chosen for; should it block them before it has taken them, they go to somebody
 * else.  All calls are made in a critical section or with signals blocked, and none
 * uses malloc.
 */
#ifndef GREEN_PRELOAD_PENDING_H
#define GREEN_PRELOAD_PENDING_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum { SIGNALS = 64 };

struct queued;

/* All zero is empty. */
struct pending {
	uint64_t own, process; /* bit N-1: there is at least one signal N of this kind */
	struct queued *first, *last; /* in the order of their coming */
};

static inline uint64_t signal_bit(int number)
{
	return UINT64_C(1) << (number - 1);
}

/*
 * pending_add - one more signal
 *
 * A standard signal that is pending already is not counted twice.  FORCED: it comes
 * from the kernel, which has applied its limits.
 * Returns: 0, or EAGAIN if a real-time signal exceeds RLIMIT_SIGPENDING.
 */
int pending_add(struct pending *pending, const siginfo_t *info, bool process, bool forced);

/* pending_take - the next signal of SET: the thread's own first, the lowest number first; false if there is none */
bool pending_take(struct pending *pending, uint64_t set, siginfo_t *info);

/* pending_take_process - the same of the process's signals, in the order of their coming */
bool pending_take_process(struct pending *pending, uint64_t set, siginfo_t *info);

/* pending_drop - forget all signals of SET */
void pending_drop(struct pending *pending, uint64_t set);

/* pending_after_fork - in the child nothing counts that the parent has */
void pending_after_fork(void);

#endif
