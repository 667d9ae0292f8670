/* SPDX-License-Identifier: MIT */
/* semaphore.h - what waits in a semaphore's queue */
#ifndef GREEN_SYNC_SEMAPHORE_H
#define GREEN_SYNC_SEMAPHORE_H

#include "sync/waitq.h"

enum { SEMAPHORE_TAKES, SEMAPHORE_LOOKS };

/* semaphore_try - take a unit if there is one; locked */
static inline bool semaphore_try(struct green_semaphore *semaphore)
{
	size_t count = semaphore->count;

	if (count == 0)
		return false;
	if (likely(count != GREEN_UNLIMITED))
		__atomic_store_n(&semaphore->count, count - 1, __ATOMIC_RELAXED);
	return true;
}

#endif
