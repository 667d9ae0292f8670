/* SPDX-License-Identifier: MIT */
/* worker.h - a small pool of kernel threads for calls that epoll cannot wait for */
#ifndef GREEN_HUB_WORKER_H
#define GREEN_HUB_WORKER_H

#include "hub/waiter.h"

#pragma GCC visibility push(default)

enum { WORKERS_MAX = 4 };

/*
 * green__work - let a worker run FUNCTION(ARG) while the current greenlet waits
 *
 * The wait lasts until FUNCTION has returned, whatever happens meanwhile, for it
 * may use the caller's memory.  It runs with all signals blocked and on the
 * worker's own thread-local storage.  Under the shim the greenlet itself goes
 * elsewhere, where signals and cancellation can reach it.
 *
 * Returns: 0 with *RESULT; -EAGAIN if no worker could be made and none exists.
 */
int green__work(struct hub *hub, long (*function)(void *), void *arg, long *result);

/* green__helper_create - one more kernel thread, with all signals blocked that may be; 0 or an errno value */
int green__helper_create(void *(*function)(void *), void *arg);

/* green__workers - how many exist now */
unsigned green__workers(void);

/* green__workers_after_fork - in the child there are none */
void green__workers_after_fork(void);

/* Makes a kernel thread; the shim puts the real pthread_create here, for the name pthread_create is its own. */
extern int (*green__thread_create)(void *(*function)(void *), void *arg);

#pragma GCC visibility pop

#endif
