/* SPDX-License-Identifier: MIT */
/* worker.c - small pools of kernel threads for calls that epoll cannot wait for */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>

#include "base/fault.h"
#include "base/spinlock.h"
#include "base/sys.h"
#include "hub/worker.h"

/* A call that is waited for to its end; lies on the caller's stack, which stays even if the caller's kernel thread ends. */
struct call {
	struct work work;
	long (*function)(void *);
	void *arg;
	long result;
	struct waiter waiter;
};

/* For all hubs.  The lock is held for a few instructions; workers sleep on POSTED. */
struct workers {
	struct spinlock lock;
	struct work *first;
	struct work **last;
	unsigned most;
	unsigned count, idle;
	unsigned queued; /* on the list; an idle worker that was woken for one counts as idle until it runs */
	int posted; /* futex word: changes with each new piece of work */
};

static struct workers pool = { .last = &pool.first, .most = WORKERS_MAX };
static struct workers names = { .last = &names.first, .most = NAME_WORKERS };

static int default_thread_create(void *(*function)(void *), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, function, arg);

	if (!error)
		pthread_detach(thread);
	return error;
}

int (*green__thread_create)(void *(*function)(void *), void *arg) = default_thread_create;

static struct work *take(struct workers *workers)
{
	struct work *work;

	spinlock_lock(&workers->lock);
	work = workers->first;
	if (work) {
		workers->first = work->next;
		if (!workers->first)
			workers->last = &workers->first;
		__atomic_sub_fetch(&workers->queued, 1, __ATOMIC_RELAXED);
	}
	spinlock_unlock(&workers->lock);
	return work;
}

/* True if there are too many since the limit was lowered: this one is to go. */
static bool superfluous(struct workers *workers)
{
	bool result;

	spinlock_lock(&workers->lock);
	result = __atomic_load_n(&workers->count, __ATOMIC_RELAXED) > workers->most;
	if (result)
		__atomic_sub_fetch(&workers->count, 1, __ATOMIC_RELAXED);
	spinlock_unlock(&workers->lock);
	/* It may have been woken for something. */
	if (result)
		sys_call(SYS_futex, &workers->posted, FUTEX_WAKE_PRIVATE, 1);
	return result;
}

static void *worker_main(void *arg)
{
	struct workers *workers = arg;

	while (!superfluous(workers)) {
		int seen = __atomic_load_n(&workers->posted, __ATOMIC_ACQUIRE);
		struct work *work = take(workers);

		if (work) {
			work->run(work);
			continue;
		}
		__atomic_add_fetch(&workers->idle, 1, __ATOMIC_RELAXED);
		sys_call(SYS_futex, &workers->posted, FUTEX_WAIT_PRIVATE, seen, NULL);
		__atomic_sub_fetch(&workers->idle, 1, __ATOMIC_RELAXED);
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

static int worker_create(struct workers *workers)
{
	int error = green__helper_create(worker_main, workers);

	if (!error)
		__atomic_add_fetch(&workers->count, 1, __ATOMIC_RELAXED);
	return error;
}

static void put(struct workers *workers, struct work *work)
{
	work->next = NULL;
	spinlock_lock(&workers->lock);
	*workers->last = work;
	workers->last = &work->next;
	__atomic_add_fetch(&workers->queued, 1, __ATOMIC_RELAXED);
	spinlock_unlock(&workers->lock);
	__atomic_add_fetch(&workers->posted, 1, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &workers->posted, FUTEX_WAKE_PRIVATE, 1);
}

/* True if every idle worker has a piece of work already: one more would wait behind a call that may last for ever. */
static bool all_busy(const struct workers *workers)
{
	return __atomic_load_n(&workers->idle, __ATOMIC_RELAXED) <= __atomic_load_n(&workers->queued, __ATOMIC_RELAXED);
}

static unsigned count_of(const struct workers *workers)
{
	return __atomic_load_n(&workers->count, __ATOMIC_RELAXED);
}

/* See that somebody will do one more piece of work. */
static int provide(struct workers *workers)
{
	if (all_busy(workers) && count_of(workers) < __atomic_load_n(&workers->most, __ATOMIC_RELAXED))
		worker_create(workers);
	return count_of(workers) ? 0 : -EAGAIN;
}

/* FUNCTION has ended the worker by pthread_exit. */
static void call_left(void *arg)
{
	struct call *call = arg;

	__atomic_sub_fetch(&pool.count, 1, __ATOMIC_RELAXED);
	green__wake(&call->waiter, -ESRCH);
}

static void call_run(struct work *work)
{
	struct call *call = container_of(work, struct call, work);

	pthread_cleanup_push(call_left, call);
	call->result = call->function(call->arg);
	pthread_cleanup_pop(0);
	green__wake(&call->waiter, 0);
}

int green__work(struct hub *hub, long (*function)(void *), void *arg, long *result)
{
	struct call call = { .work.run = call_run, .function = function, .arg = arg };
	int error;

	if (unlikely(green__current->kind == GREENLET_HUB))
		return -EDEADLK;
	if (hub->elsewhere && hub->elsewhere(function, arg, result))
		return 0;
	if (provide(&pool))
		return -EAGAIN;
	hub->flow->stats->helpers = green__workers();
	critical_enter(hub->flow);
	green__waiter_init(&call.waiter, WAIT_PLAIN, "worker", NULL);
	hub->external++;
	put(&pool, &call.work);
	error = green__park(&call.waiter, CLOCK_NEVER);
	hub->external--;
	critical_leave(hub->flow);
	if (!error)
		*result = call.result;
	return error;
}

/* --- errands --- */

static bool given_up(struct errand *errand)
{
	bool result;

	spinlock_lock(&errand->lock);
	result = errand->given_up;
	spinlock_unlock(&errand->lock);
	return result;
}

/* Who waits cannot be gone while the lock is held, for it takes the lock before it goes. */
static void errand_run(struct work *work)
{
	struct errand *errand = container_of(work, struct errand, work);
	bool lost;

	if (!given_up(errand))
		errand->run(errand);
	spinlock_lock(&errand->lock);
	lost = errand->given_up;
	errand->done = true;
	if (!lost)
		green__wake(&errand->waiter, 0);
	spinlock_unlock(&errand->lock);
	if (lost)
		errand->release(errand);
}

/* Returns: true if the errand is done, so that its memory is the caller's again. */
static bool give_up(struct errand *errand)
{
	bool done;

	spinlock_lock(&errand->lock);
	done = errand->done;
	errand->given_up = true;
	spinlock_unlock(&errand->lock);
	return done;
}

int green__errand(struct hub *hub, struct errand *errand, int64_t deadline)
{
	int error;

	if (provide(&names)) {
		errand->release(errand);
		return -EAGAIN;
	}
	errand->work.run = errand_run;
	spinlock_init(&errand->lock);
	errand->done = errand->given_up = false;
	critical_enter(hub->flow);
	green__waiter_init(&errand->waiter, WAIT_RAISABLE, "name server", NULL);
	list_append(&hub->errands, &errand->link);
	hub->external++;
	put(&names, &errand->work);
	error = green__park(&errand->waiter, deadline);
	hub->external--;
	list_remove(&errand->link);
	critical_leave(hub->flow);
	if (!give_up(errand))
		return error;
	/* The answer and the end of the wait came together: the answer is not thrown away. */
	if (error == -ECANCELED)
		green__raise_again();
	return 0;
}

void green__errands_lost(struct hub *hub)
{
	struct list *node;

	while ((node = list_pop(&hub->errands))) {
		struct errand *errand = container_of(node, struct errand, link);

		if (give_up(errand))
			errand->release(errand);
	}
}

void green__errand_workers(unsigned most)
{
	spinlock_lock(&names.lock);
	__atomic_store_n(&names.most, most, __ATOMIC_RELAXED);
	spinlock_unlock(&names.lock);
	__atomic_add_fetch(&names.posted, 1, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &names.posted, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

unsigned green__workers(void)
{
	return count_of(&pool);
}

unsigned green__name_workers(void)
{
	return count_of(&names);
}

static void reset(struct workers *workers)
{
	spinlock_init(&workers->lock);
	workers->first = NULL;
	workers->last = &workers->first;
	workers->count = workers->idle = workers->queued = 0;
}

void green__workers_after_fork(void)
{
	reset(&pool);
	reset(&names);
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
