/* SPDX-License-Identifier: MIT */
/*
 * green/future.h - results that come later, and ways to wait for several
 *
 *	struct green_future *pages[2] = { green_future_spawn(fetch, a), green_future_spawn(fetch, b) };
 *	void *texts[2];
 *
 *	if (green_gather(pages, 2, texts, 5000))
 *		...
 *
 * A future is pending, then done once: with a value, with an error, or cancelled.  Whoever
 * makes one or gets one from a call here holds it and gives it back with
 * green_future_destroy; it lives until all have.  Any kernel thread may use it.
 *
 * What a task or a call on a kernel thread was to decide fails with ESRCH if that kernel thread ends before, and in the
 * child of a fork.
 */
#ifndef GREEN_FUTURE_H
#define GREEN_FUTURE_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet;
struct green_future;

/* green_future_create - a pending future; NULL with errno ENOMEM */
struct green_future *green_future_create(void);

/*
 * green_future_spawn - a task that runs FUNCTION(ARG), as the future of what it returns; cancelling that cancels
 * the task
 *
 * Switches: no.  Returns: the future; NULL with errno EINVAL, ENOMEM or EAGAIN as green_spawn
 */
struct green_future *green_future_spawn(void *(*function)(void *), void *arg);

/*
 * green_future_of - the future of TASK's end, which is cancelled with it; the caller goes on holding TASK
 *
 * Switches: no.  Returns: the future; NULL with errno EINVAL (TASK is no task), EPERM, ESRCH or ENOMEM
 */
struct green_future *green_future_of(struct greenlet *task);

/* green_future_hold - one more holder.  Returns: FUTURE */
struct green_future *green_future_hold(struct green_future *future);

/*
 * green_future_destroy - give FUTURE back; NULL is fine
 *
 * A task behind it goes on.  An error that nobody has asked for goes to the error hook with the last holder.
 */
void green_future_destroy(struct green_future *future);

/*
 * green_future_set - done, with VALUE
 *
 * Switches: no.  Returns: 0; -1 with errno EALREADY (it is done), EINVAL (a task decides it)
 */
int green_future_set(struct green_future *future, void *value);

/*
 * green_future_fail - done, with the error CODE and VALUE as for green_throw
 *
 * As green_future_set; EINVAL: CODE is no code.
 */
int green_future_fail(struct green_future *future, int code, void *value);

/*
 * green_future_cancel - nobody wants it any more
 *
 * A plain one is cancelled at once.  For one with a task behind it, the task is cancelled and decides.
 * Switches: no.  Returns: true; false if it is done
 */
bool green_future_cancel(struct green_future *future);

enum green_future_state { GREEN_PENDING, GREEN_VALUE, GREEN_FAILED, GREEN_GIVEN_UP };

/* green_future_state - GREEN_GIVEN_UP: cancelled */
enum green_future_state green_future_state(const struct green_future *future);

/* green_future_done - it is not pending */
bool green_future_done(const struct green_future *future);

/*
 * green_future_get - wait until FUTURE is done, and take over its outcome, any number of times
 *
 * Its error becomes the caller's, pending and told.  The wait does not cancel it: green_wait_for does.
 *
 * Switches: yes, unless it is done.
 * Returns: 0 with *VALUE (VALUE may be NULL); -1 with errno
 *   that of its error; ECANCELED if it was cancelled
 *   ETIMEDOUT  it is not done; 0 only tests
 *   and those of green/sync.h
 */
int green_future_get(struct green_future *future, void **value, int timeout_ms);

/* green_future_wait - only wait until FUTURE is done.  Returns: 0, or -1 as in green/sync.h */
int green_future_wait(struct green_future *future, int timeout_ms);

/*
 * green_future_error - the code of its error, GREEN_CANCELLED if it was cancelled, else 0; *VALUE gets what goes
 * with it; VALUE may be NULL
 */
int green_future_error(struct green_future *future, void **value);

/*
 * green_future_link - when FUTURE is done, call FUNCTION(FUTURE, ARG) in the hub of the calling thread, which must
 * not block
 *
 * In order, each once, in the loop's next round if it is done already.
 * Returns: 0; -1 with errno ENOMEM, or EINVAL: FUNCTION is NULL
 */
int green_future_link(struct green_future *future, void (*function)(struct green_future *future, void *arg), void *arg);

/* green_future_unlink - drop such links.  Returns: how many. */
size_t green_future_unlink(struct green_future *future, void (*function)(struct green_future *future, void *arg),
			   void *arg);

/* --- several --- */

/*
 * green_gather - wait for the values of COUNT FUTURES
 *
 * VALUES[i] gets that of FUTURES[i]; VALUES may be NULL, and a future may stand there twice.  The first error
 * ends the wait and becomes the caller's; the others go on.  If the caller is killed or cancelled
 * meanwhile, all of FUTURES are cancelled.
 *
 * Switches: yes, unless all are done.
 * Returns: 0; -1 as green_future_get
 */
int green_gather(struct green_future *const *futures, size_t count, void **values, int timeout_ms);

enum green_wait_until { GREEN_ALL_DONE, GREEN_FIRST_DONE, GREEN_FIRST_ERROR };

/*
 * green_wait_futures - wait until all of COUNT FUTURES are done, one is, or one has failed
 *
 * Those that are done are moved to the front, in the order in which they were done.  Nothing is cancelled, ever.
 *
 * Returns: how many are done, also when TIMEOUT_MS passed; -1 with errno EINVAL (COUNT is 0), or as in green/sync.h
 */
long green_wait_futures(struct green_future **futures, size_t count, enum green_wait_until until, int timeout_ms);

/*
 * green_wait_for - green_future_get, but who gives up waiting cancels it
 *
 * When TIMEOUT_MS passed, or the caller is killed or cancelled, FUTURE is cancelled and its end waited for; a
 * value that it has nevertheless is returned.
 */
int green_wait_for(struct green_future *future, void **value, int timeout_ms);

/* green_shield - a future with the outcome of INNER; cancelling it leaves INNER alone.  NULL with errno ENOMEM */
struct green_future *green_shield(struct green_future *inner);

/*
 * green_next_done - one of COUNT FUTURES that is done, in the order in which they are done
 *
 * *PLACE gets its place in the array, and NULL is put there; the handle is still the caller's.
 *
 * Switches: yes, unless one is done.
 * Returns: the future; NULL with errno EINVAL (all are NULL) or as in green/sync.h
 */
struct green_future *green_next_done(struct green_future **futures, size_t count, size_t *place, int timeout_ms);

/* --- work on kernel threads --- */

struct green_native_pool;

/*
 * green_native_pool_create - kernel threads for calls that epoll cannot wait for, and for computing
 *
 * At most LIMIT at a time, made when needed; they end after 5 seconds without work.  The caller's until
 * green_native_pool_destroy.
 * Returns: the pool; NULL with errno EINVAL or ENOMEM
 */
struct green_native_pool *green_native_pool_create(unsigned limit);

/* green_native_pool_resize - from now on at most LIMIT at a time.  Returns: 0; -1 with errno EINVAL */
int green_native_pool_resize(struct green_native_pool *pool, unsigned limit);

/*
 * green_native_pool_submit - run FUNCTION(ARG) on a thread of POOL
 *
 * While as many calls wait for a thread as POOL may have threads, the caller waits.  FUNCTION may use libgreen: its
 * thread has a hub of its own.
 * Cancelling the future before the call has begun drops it; later, only its result.
 *
 * Switches: yes, if it must wait.
 * Returns: the future of what it returns; NULL with errno EINVAL, ENOMEM, EAGAIN (no thread), ESHUTDOWN, and those
 * of green/sync.h
 */
struct green_future *green_native_pool_submit(struct green_native_pool *pool, void *(*function)(void *), void *arg);

/* green_native_pool_join - wait until POOL has nothing to do.  Returns: as in green/sync.h */
int green_native_pool_join(struct green_native_pool *pool, int timeout_ms);

/*
 * green_native_pool_destroy - calls that have not begun are cancelled, those that run are waited for; NULL is fine
 *
 * Switches: yes.
 */
void green_native_pool_destroy(struct green_native_pool *pool);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
