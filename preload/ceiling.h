/* SPDX-License-Identifier: MIT */
/*
 * ceiling.h - locks with a priority ceiling
 *
 * libc raises the owner's priority by its id, which the kernel does not know of a
 * green pthread.  One carrier has nothing to raise, so these calls do the rest: they
 * lock libc's own object in libc's way, and refuse whom the kernel would refuse.
 */
#ifndef GREEN_PRELOAD_CEILING_H
#define GREEN_PRELOAD_CEILING_H

#include "thread.h"

enum { CEILING_KIND = 64 }; /* the bit of libc's object */

/* ceiling_kept - true if MUTEX is such a lock, and the caller green; a destroyed one has all bits */
static inline bool ceiling_kept(const pthread_mutex_t *mutex)
{
	int kind = mutex->__data.__kind;

	return unlikely(kind & CEILING_KIND) && kind > 0 && thread_is_green();
}

/* ceiling_trylock, ceiling_unlock - as libc's calls; wakes nobody who is parked */
int ceiling_trylock(pthread_mutex_t *mutex);
int ceiling_unlock(pthread_mutex_t *mutex);

/* ceiling_change - as pthread_mutex_setprioceiling; who waits for MUTEX meanwhile parks */
int ceiling_change(pthread_mutex_t *mutex, int ceiling, int *old);

#endif
