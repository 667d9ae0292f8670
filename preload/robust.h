/* SPDX-License-Identifier: MIT */
/*
 * robust.h - locks that outlive their owner
 *
 * When a thread ends, or the whole process, the kernel goes through the list of
 * robust locks of each of its threads, and marks those that the thread still owns.
 * It knows no green pthread.  At the end of one the shim does the kernel's work.  For
 * the end of the process, a lock that processes share is taken in the name of the
 * carrier, and which green pthread has it is kept here.
 */
#ifndef GREEN_PRELOAD_ROBUST_H
#define GREEN_PRELOAD_ROBUST_H

#include "thread.h"

enum { ROBUST_KIND = 16 | 128 }; /* the bits of libc's object for robust and shared */

/* robust_shared - true if MUTEX is one of those, and the caller green */
static inline bool robust_shared(const pthread_mutex_t *mutex)
{
	return unlikely((mutex->__data.__kind & ROBUST_KIND) == ROBUST_KIND) && thread_is_green();
}

/* robust_trylock, robust_unlock, robust_consistent - as libc's calls, for robust_shared locks; wakes nobody */
int robust_trylock(void *mutex);
int robust_unlock(pthread_mutex_t *mutex);
int robust_consistent(pthread_mutex_t *mutex);

/* robust_abandon - THREAD, the caller, ends: mark what it still owns and wake one waiter of each */
void robust_abandon(struct thread *thread);

/* robust_after_fork - the child owns none of its parent's */
void robust_after_fork(void);

#endif
