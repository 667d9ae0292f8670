/* SPDX-License-Identifier: MIT */
/*
 * spinlock.h - guards a few instructions against other kernel threads
 *
 * Whoever holds one must neither switch, block nor run foreign code.  Nearly
 * always there is one carrier and no contention; a holder that was preempted is
 * waited for by giving the CPU away.
 */
#ifndef GREEN_BASE_SPINLOCK_H
#define GREEN_BASE_SPINLOCK_H

#include "base/alone.h"
#include "base/sys.h"

struct spinlock {
	int held;
};

static inline void spinlock_init(struct spinlock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

static inline void spinlock_lock(struct spinlock *lock)
{
	while (!exchange_if(&lock->held, 0, 1))
		sys_call(SYS_sched_yield);
}

static inline void spinlock_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
