/* SPDX-License-Identifier: MIT */
/* worker.h - small pools of kernel threads for calls that epoll cannot wait for: one for files and the like, one for names */
#ifndef GREEN_HUB_WORKER_H
#define GREEN_HUB_WORKER_H

#include "base/spinlock.h"
#include "hub/waiter.h"

#pragma GCC visibility push(default)

enum {
	WORKERS_MAX = 4,
	NAME_WORKERS = 10, /* unless green__errand_workers says otherwise */
};

/*
 * green__work - let a worker run FUNCTION(ARG) while the current greenlet waits
 *
 * The wait lasts until FUNCTION has returned, whatever happens meanwhile, for it
 * may use the caller's memory.  It runs with all signals blocked and on the
 * worker's own thread-local storage.  Under the shim the greenlet itself goes
 * elsewhere, where signals and cancellation can reach it.
 *
 * Returns: 0 with *RESULT; -EAGAIN if no worker could be made and none exists; -EDEADLK in the hub greenlet;
 * -ESRCH if FUNCTION ended the worker's kernel thread.
 */
int green__work(struct hub *hub, long (*function)(void *), void *arg, long *result);

/* What lies on the list of a pool. */
struct work {
	struct work *next;
	void (*run)(struct work *);
};

/*
 * A call whose caller may give up waiting: it lies in memory of its own, and what it
 * uses with it.  The caller sets RUN and RELEASE.
 */
struct errand {
	struct work work;                 /* worker.c's */
	void (*run)(struct errand *);     /* on the worker */
	void (*release)(struct errand *); /* frees it, when nobody waits for it any more; on any thread */
	struct spinlock lock;
	bool done, given_up;
	struct waiter waiter;
	struct list link;                 /* on hub->errands while it is waited for */
};

/*
 * green__errand - let a worker of the pool for names do ERRAND, and wait for it
 *
 * Returns: 0: it is done, and the caller's again; -errno as green__park, or -EAGAIN as green__work:
 * it is given up, and released when nobody uses it any more.
 */
int green__errand(struct hub *hub, struct errand *errand, int64_t deadline);

/* green__errands_lost - HUB is going to be destroyed: nobody waits any more */
void green__errands_lost(struct hub *hub);

/* green__errand_workers - at most so many errands at a time from now on */
void green__errand_workers(unsigned most);

/* green__name_workers - how many workers for errands exist now */
unsigned green__name_workers(void);

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
