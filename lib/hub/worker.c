/* SPDX-License-Identifier: MIT */
/* worker.c - a small pool of kernel threads for calls that epoll cannot wait for */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>

#include "base/fault.h"
#include "base/spinlock.h"
#include "base/sys.h"
#include "hub/worker.h"

struct work {
	struct work *next;
	long (*function)(void *);
	void *arg;
	long result;
	struct waiter waiter;
};

/* One pool for all hubs.  The lock is held for a few instructions; workers sleep on POSTED. */
static struct {
	struct spinlock lock;
	struct work *first;
	struct work **last;
	unsigned count, idle;
	unsigned queued; /* on the list; an idle worker that was woken for one counts as idle until it runs */
	int posted; /* futex word: changes with each new piece of work */
} pool = { .last = &pool.first };

static int default_thread_create(void *(*function)(void *), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, function, arg);

	if (!error)
		pthread_detach(thread);
	return error;
}

int (*green__thread_create)(void *(*function)(void *), void *arg) = default_thread_create;

static struct work *take(void)
{
	struct work *work;

	spinlock_lock(&pool.lock);
	work = pool.first;
	if (work) {
		pool.first = work->next;
		if (!pool.first)
			pool.last = &pool.first;
		__atomic_sub_fetch(&pool.queued, 1, __ATOMIC_RELAXED);
	}
	spinlock_unlock(&pool.lock);
	return work;
}

static void *worker_main(void *unused)
{
	int seen;

	(void)unused;
	for (;;) {
		struct work *work;

		seen = __atomic_load_n(&pool.posted, __ATOMIC_ACQUIRE);
		work = take();
		if (work) {
			work->result = work->function(work->arg);
			green__wake(&work->waiter, 0);
			continue;
		}
		__atomic_add_fetch(&pool.idle, 1, __ATOMIC_RELAXED);
		sys_call(SYS_futex, &pool.posted, FUTEX_WAIT_PRIVATE, seen, NULL);
		__atomic_sub_fetch(&pool.idle, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int green__helper_create(void *(*function)(void *), void *arg)
{
	uint64_t all = ~LIBC_SIGNALS, old;
	int error;

	if (green__fault_injected())
		return EAGAIN;
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	error = green__thread_create(function, arg);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	return error;
}

static int worker_create(void)
{
	int error = green__helper_create(worker_main, NULL);

	if (!error)
		__atomic_add_fetch(&pool.count, 1, __ATOMIC_RELAXED);
	return error;
}

static void put(struct work *work)
{
	work->next = NULL;
	spinlock_lock(&pool.lock);
	*pool.last = work;
	pool.last = &work->next;
	__atomic_add_fetch(&pool.queued, 1, __ATOMIC_RELAXED);
	spinlock_unlock(&pool.lock);
	__atomic_add_fetch(&pool.posted, 1, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &pool.posted, FUTEX_WAKE_PRIVATE, 1);
}

/* True if every idle worker has a piece of work already: one more would wait behind a call that may last for ever. */
static bool all_busy(void)
{
	return __atomic_load_n(&pool.idle, __ATOMIC_RELAXED) <= __atomic_load_n(&pool.queued, __ATOMIC_RELAXED);
}

int green__work(struct hub *hub, long (*function)(void *), void *arg, long *result)
{
	struct work work = { .function = function, .arg = arg };

	if (hub->elsewhere && hub->elsewhere(function, arg, result))
		return 0;
	if (all_busy() && green__workers() < WORKERS_MAX)
		worker_create();
	if (green__workers() == 0)
		return -EAGAIN;
	hub->flow->stats->helpers = green__workers();
	critical_enter(hub->flow);
	green__waiter_init(&work.waiter, WAIT_PLAIN, "worker", NULL);
	hub->external++;
	put(&work);
	green__park(&work.waiter, CLOCK_NEVER);
	hub->external--;
	critical_leave(hub->flow);
	*result = work.result;
	return 0;
}

unsigned green__workers(void)
{
	return __atomic_load_n(&pool.count, __ATOMIC_RELAXED);
}

void green__workers_after_fork(void)
{
	spinlock_init(&pool.lock);
	pool.first = NULL;
	pool.last = &pool.first;
	pool.count = pool.idle = pool.queued = 0;
}

/* The public form keeps the worker's errno, which belongs to what FUNCTION returned. */
struct offload {
	void *(*function)(void *);
	void *arg;
	int error;
};

static long offload_run(void *arg)
{
	struct offload *offload = arg;
	void *result;

	errno = 0;
	result = offload->function(offload->arg);
	offload->error = errno;
	return (long)result;
}

void *green_offload(void *(*function)(void *), void *arg)
{
	struct hub *hub = green__hub();
	struct offload offload = { .function = function, .arg = arg };
	long result = 0;
	int error;

	if (!hub)
		return NULL;
	error = function ? green__work(hub, offload_run, &offload, &result) : -EINVAL;
	if (!error)
		error = -offload.error;
	if (error)
		errno = -error;
	return (void *)result;
}
