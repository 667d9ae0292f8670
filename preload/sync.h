/* SPDX-License-Identifier: MIT */
/* sync.h - what the wrappers of locks share */
#ifndef GREEN_PRELOAD_SYNC_H
#define GREEN_PRELOAD_SYNC_H

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "switch/thread_pointer.h"
#include "tls.h"

/* sync_own_id - what libc writes into a lock as its owner, whatever thread the caller is */
static inline int sync_own_id(void)
{
	return *tls_tid(thread_pointer_read());
}

/* sync_deadline - ABSTIME on CLOCK as *DEADLINE; 0, or EINVAL as libc says it of clocks and times that locks do not know */
static inline int sync_deadline(clockid_t clock, const struct timespec *abstime, int64_t *deadline)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return EINVAL;
	if (abstime->tv_nsec < 0 || abstime->tv_nsec >= NS_PER_SECOND)
		return EINVAL;
	*deadline = clock_deadline(clock, abstime);
	return 0;
}

/* sync_learn_mutexes - see whether libc's simplest mutexes are as hook_mutex.c knows them; the first thread, at the birth */
void sync_learn_mutexes(void);

/* sync_waits_in_kernel - true if whoever waits for MUTEX, which processes share, waits in the kernel (hook_mutex.c) */
bool sync_waits_in_kernel(const pthread_mutex_t *mutex);

#endif
