/* SPDX-License-Identifier: MIT */
/*
 * kernel_thread.h - threads that stay kernel threads, because of the library that they run
 *
 * To the others they are foreign threads, with all that those can do: locks, conditions,
 * joins and signals work between them and green ones.
 */
#ifndef GREEN_PRELOAD_KERNEL_THREAD_H
#define GREEN_PRELOAD_KERNEL_THREAD_H

#include "shim.h"

/* kernel_thread_begin - at the process's start: read the environment */
void kernel_thread_begin(void);

/* kernel_thread_wanted - true if ROUTINE(ARGUMENT) is to run on a kernel thread of its own */
bool kernel_thread_wanted(void *(*routine)(void *), const void *argument);

/* kernel_thread_create - pthread_create of such a thread */
int kernel_thread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument);

/*
 * kernel_threads_wait - the last green thread has ended: wait for the others, as long as which the process lasts
 *
 * ENDED is that thread's futex word, on which they may wait for it.
 */
void kernel_threads_wait(int *ended);

/* kernel_threads_after_fork - in the child there are none */
void kernel_threads_after_fork(void);

#endif
