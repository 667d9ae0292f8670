/* SPDX-License-Identifier: MIT */
/*
 * native_pool.c - kernel threads that run functions whose results are futures
 *
 * The lock of ROOM guards the whole pool.  A call that waits for a thread has a place;
 * one that is begun hands its place to who waits longest for room, or gives it back.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/task.h"
#include "hub/worker.h"
#include "sync/future.h"
#include "sync/native_pool.h"

int green__native_pool_patience = 5;

struct job {
	struct list link;
	struct green_future *future; /* held */
	void *(*function)(void *);
	void *arg;
};

struct green_native_pool {
	struct green_waitq room;
	struct green_waitq rest; /* who waits until there is nothing to do; its lock is taken before that of ROOM */
	int process;             /* green__process when it was last locked */
	unsigned limit;
	unsigned threads, idle;  /* an idle one that was woken counts as idle until it runs */
	unsigned places;         /* taken by calls that wait for a thread, or by those who will bring one */
	unsigned waiting, running; /* calls */
	unsigned holders;        /* the program, and each thread */
	bool changing;           /* locked, so that the child of a fork may find it half changed */
	bool closing;
	struct list jobs;
	int posted; /* futex word: changes with each new job */
};

static void job_destroy(struct job *job)
{
	green_future_destroy(job->future);
	free(job);
}

/*
 * In the child of a fork there are no threads, and nothing of what they did comes to an end.  Of calls that waited for one
 * only the memory is left, and if another thread was changing the list just then, that stays.
 */
static void forget(struct green_native_pool *pool)
{
	struct list *node;

	while (!pool->changing && (node = list_pop(&pool->jobs)))
		job_destroy(container_of(node, struct job, link));
	pool->process = green__process;
	pool->threads = pool->idle = pool->places = pool->waiting = pool->running = 0;
	pool->holders = 1;
	list_init(&pool->jobs);
}

static void pool_lock(struct green_native_pool *pool)
{
	waitq_lock(&pool->room);
	if (unlikely(pool->process != green__process))
		forget(pool);
	pool->changing = true;
}

static void pool_unlock(struct green_native_pool *pool)
{
	pool->changing = false;
	waitq_unlock(&pool->room);
}

/* Locked; it is not afterwards, and POOL may be gone. */
static void let_go(struct green_native_pool *pool)
{
	bool last = --pool->holders == 0;

	pool_unlock(pool);
	if (last)
		free(pool);
}

static bool has_nothing_to_do(const struct green_native_pool *pool)
{
	return !pool->waiting && !pool->running;
}

static void wake_those_at_rest(struct green_native_pool *pool)
{
	waitq_lock(&pool->rest);
	green__waitq_wake_all(&pool->rest, 0);
	waitq_unlock(&pool->rest);
}

/* --- the threads --- */

static void post(struct green_native_pool *pool, int count)
{
	__atomic_add_fetch(&pool->posted, 1, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &pool->posted, FUTEX_WAKE_PRIVATE, count);
}

/* Locked before and after.  False if nothing came for so long that the thread is to end. */
static bool be_idle(struct green_native_pool *pool)
{
	struct timespec patience = { green__native_pool_patience, 0 };
	int seen = __atomic_load_n(&pool->posted, __ATOMIC_ACQUIRE);
	long error;

	pool->idle++;
	pool_unlock(pool);
	error = sys_call(SYS_futex, &pool->posted, FUTEX_WAIT_PRIVATE, seen, &patience);
	pool_lock(pool);
	pool->idle--;
	return error != -ETIMEDOUT || !list_empty(&pool->jobs);
}

/* Locked.  NULL if the thread is to end. */
static struct job *take(struct green_native_pool *pool)
{
	struct job *job;

	while (list_empty(&pool->jobs) && pool->threads <= pool->limit && !pool->closing) {
		if (!be_idle(pool))
			return NULL;
	}
	if (list_empty(&pool->jobs) || pool->threads > pool->limit)
		return NULL;
	job = container_of(list_pop(&pool->jobs), struct job, link);
	pool->waiting--;
	if (pool->places > pool->limit || !green__waitq_wake(&pool->room, 0))
		pool->places--;
	return job;
}

static void *thread_main(void *arg);

/* Locked before and after, not meanwhile: one more thread; 0 or an errno value. */
static int thread_create(struct green_native_pool *pool)
{
	int error;

	pool->threads++;
	pool->holders++;
	pool_unlock(pool);
	error = green__helper_create(thread_main, pool);
	pool_lock(pool);
	if (error) {
		pool->threads--;
		pool->holders--;
	}
	return error;
}

/* Locked before and after: one call is over. */
static void one_less(struct green_native_pool *pool)
{
	bool rests;

	pool->running--;
	rests = has_nothing_to_do(pool);
	if (rests) {
		pool_unlock(pool);
		wake_those_at_rest(pool);
		pool_lock(pool);
	}
}

/* What runs on a thread. */
struct running {
	struct green_native_pool *pool;
	struct job *job;
};

/* FUNCTION has ended the thread by pthread_exit. */
static void left(void *arg)
{
	struct green_native_pool *pool = ((struct running *)arg)->pool;
	struct job *job = ((struct running *)arg)->job;

	green__future_decide(job->future, GREEN_FAILED, ESRCH, NULL);
	green_future_destroy(job->future);
	free(job);
	pool_lock(pool);
	one_less(pool);
	pool->threads--;
	/* Calls that wait were to be its own. */
	if (pool->waiting > pool->idle)
		thread_create(pool);
	let_go(pool);
}

static void *call(struct green_native_pool *pool, struct job *job)
{
	struct running running = { pool, job };
	void *result;

	pthread_cleanup_push(left, &running);
	result = job->function(job->arg);
	pthread_cleanup_pop(0);
	return result;
}

/* What FUNCTION leaves pending in the thread's own greenlet is its error. */
static void run(struct green_native_pool *pool, struct job *job)
{
	struct green_future *future = job->future;
	void *result, *value;
	int code;

	if (!green_future_done(future)) {
		result = call(pool, job);
		code = green_error(&value);
		green_error_clear();
		if (!code || code == GREEN_EXIT)
			green__future_decide(future, GREEN_VALUE, 0, code ? value : result);
		else
			green__future_decide(future, code == GREEN_CANCELLED ? GREEN_GIVEN_UP : GREEN_FAILED, code, value);
	}
	free(job);
	green_future_destroy(future);
}

static void *thread_main(void *arg)
{
	struct green_native_pool *pool = arg;
	struct job *job;

	pool_lock(pool);
	while ((job = take(pool))) {
		pool->running++;
		pool_unlock(pool);
		run(pool, job);
		pool_lock(pool);
		one_less(pool);
	}
	pool->threads--;
	let_go(pool);
	return NULL;
}

/* Locked before and after, not meanwhile: one more thread, if another call needs it.  False if there is none at all. */
static bool thread_for_job(struct green_native_pool *pool)
{
	if (pool->idle > pool->waiting || pool->threads >= pool->limit)
		return true;
	thread_create(pool);
	return pool->threads > 0;
}

/* --- the program's side --- */

struct green_native_pool *green_native_pool_create(unsigned limit)
{
	struct green_native_pool *pool = limit && !green__fault_injected() ? calloc(1, sizeof(*pool)) : NULL;

	if (!pool) {
		errno = limit ? ENOMEM : EINVAL;
		return NULL;
	}
	pool->limit = limit;
	pool->process = green__process;
	pool->holders = 1;
	list_init(&pool->jobs);
	return pool;
}

int green_native_pool_resize(struct green_native_pool *pool, unsigned limit)
{
	if (!limit)
		return (int)sys_result(-EINVAL);
	pool_lock(pool);
	pool->limit = limit;
	while (pool->places < limit && green__waitq_wake(&pool->room, 0))
		pool->places++;
	post(pool, INT_MAX);
	pool_unlock(pool);
	return 0;
}

/* Locked.  Until the caller has a place. */
static int take_place(struct green_native_pool *pool)
{
	struct waitq_entry entry;
	int error = WAITQ_AGAIN;

	while (error == WAITQ_AGAIN) {
		if (pool->closing)
			return -ESHUTDOWN;
		if (pool->places < pool->limit && waitq_empty(&pool->room)) {
			pool->places++;
			return 0;
		}
		pool->changing = false;
		error = green__waitq_wait(&pool->room, &entry, "room in a native pool", -1);
		pool->changing = true;
	}
	return error;
}

/* Locked.  -EAGAIN if there is no thread, and none can be made. */
static int put(struct green_native_pool *pool, struct job *job)
{
	int error = take_place(pool);

	if (error)
		return error;
	if (!thread_for_job(pool)) {
		if (!green__waitq_wake(&pool->room, 0))
			pool->places--;
		return -EAGAIN;
	}
	pool->waiting++;
	list_append(&pool->jobs, &job->link);
	post(pool, 1);
	return 0;
}

static struct job *job_create(void *(*function)(void *), void *arg)
{
	struct job *job = green__fault_injected() ? NULL : malloc(sizeof(*job));

	if (!job) {
		errno = ENOMEM;
		return NULL;
	}
	job->future = green_future_create();
	if (!job->future) {
		free(job);
		return NULL;
	}
	job->future->bound = true;
	job->function = function;
	job->arg = arg;
	return job;
}

struct green_future *green_native_pool_submit(struct green_native_pool *pool, void *(*function)(void *), void *arg)
{
	struct job *job;
	struct green_future *future;
	int error;

	if (!pool || !function) {
		errno = EINVAL;
		return NULL;
	}
	job = job_create(function, arg);
	if (!job)
		return NULL;
	future = green_future_hold(job->future);
	pool_lock(pool);
	error = put(pool, job);
	pool_unlock(pool);
	if (!error)
		return future;
	job_destroy(job);
	green_future_destroy(future);
	errno = -error;
	return NULL;
}

/* Whoever looks holds the lock of REST, so who makes the last call end wakes it later. */
static bool at_rest(struct green_native_pool *pool)
{
	bool rests;

	pool_lock(pool);
	rests = has_nothing_to_do(pool);
	pool_unlock(pool);
	return rests;
}

int green_native_pool_join(struct green_native_pool *pool, int timeout_ms)
{
	int64_t deadline = clock_after_ms(timeout_ms);
	struct waitq_entry entry;
	int error = 0;

	waitq_lock(&pool->rest);
	while (!at_rest(pool) && (!error || error == WAITQ_AGAIN))
		error = green__waitq_wait(&pool->rest, &entry, "native pool", clock_ms_until(deadline));
	waitq_unlock(&pool->rest);
	return (int)sys_result(error == WAITQ_AGAIN ? 0 : error);
}

/* Locked.  Calls that have not begun are cancelled. */
static void close_down(struct green_native_pool *pool)
{
	struct list *node;

	pool->closing = true;
	while ((node = list_pop(&pool->jobs))) {
		struct job *job = container_of(node, struct job, link);

		pool->waiting--;
		green__future_decide(job->future, GREEN_GIVEN_UP, GREEN_CANCELLED, NULL);
		job_destroy(job);
	}
	green__waitq_wake_all(&pool->room, -ESHUTDOWN);
	post(pool, INT_MAX);
}

void green_native_pool_destroy(struct green_native_pool *pool)
{
	int saved_errno = errno;

	if (!pool)
		return;
	pool_lock(pool);
	close_down(pool);
	pool_unlock(pool);
	/* What they use may be the caller's. */
	green_hold_errors();
	green_native_pool_join(pool, -1);
	green_release_errors();
	pool_lock(pool);
	let_go(pool);
	errno = saved_errno;
}
