/* SPDX-License-Identifier: MIT */
/* combine.c - waiting for several futures, or for one as long as somebody wants it */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "sync/future.h"

enum { FEW = 8 }; /* need no memory */

/* One wait for several futures; LEFT counts those that are pending, and one more until all are watched. */
struct several {
	struct waiter waiter;
	enum green_wait_until until;
	size_t left; /* atomic: each future has a lock of its own */
};

struct one {
	struct future_watch watch;
	struct several *several;
};

static bool is_enough(enum green_wait_until until, enum green_future_state state)
{
	return until == GREEN_FIRST_DONE || (until == GREEN_FIRST_ERROR && state > GREEN_VALUE);
}

static void one_decided(struct future_watch *watch, struct green_future *future)
{
	struct several *several = container_of(watch, struct one, watch)->several;
	bool last = __atomic_sub_fetch(&several->left, 1, __ATOMIC_ACQ_REL) == 0;

	if (last || is_enough(several->until, future->state))
		green__wake(&several->waiter, 0);
}

/* True if there is nothing to wait for. */
static bool watch_one(struct several *several, struct one *one, struct green_future *future)
{
	bool enough;

	list_init(&one->watch.link);
	one->several = several;
	if (!future)
		return false;
	green__future_lock(future);
	if (future->state == GREEN_PENDING) {
		__atomic_add_fetch(&several->left, 1, __ATOMIC_RELAXED);
		green__future_watch(future, &one->watch, one_decided);
	}
	enough = future->state != GREEN_PENDING && is_enough(several->until, future->state);
	green__future_unlock(future);
	return enough;
}

static void unwatch(struct one *ones, struct green_future *const *futures, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!futures[i])
			continue;
		green__future_lock(futures[i]);
		list_remove(&ones[i].watch.link);
		green__future_unlock(futures[i]);
	}
}

static int park(struct several *several, struct hub *hub, int timeout_ms)
{
	int error;

	if (timeout_ms == 0)
		return -ETIMEDOUT;
	hub->shared++;
	error = green__park(&several->waiter, clock_after_ms(timeout_ms));
	hub->shared--;
	return error;
}

static int wait_with(struct one *ones, struct green_future *const *futures, size_t count, enum green_wait_until until,
		     int timeout_ms)
{
	struct hub *hub = green__current->flow->hub;
	struct several several = { .until = until, .left = 1 };
	bool enough = false;
	size_t watched = 0;
	int error = 0;

	critical_enter(hub->flow);
	green__waiter_init(&several.waiter, WAIT_RAISABLE, "several futures", NULL);
	while (watched < count && !enough) {
		enough = watch_one(&several, &ones[watched], futures[watched]);
		watched++;
	}
	if (__atomic_sub_fetch(&several.left, 1, __ATOMIC_ACQ_REL) > 0 && !enough)
		error = park(&several, hub, timeout_ms);
	unwatch(ones, futures, watched);
	critical_leave(hub->flow);
	return error;
}

/* Until what UNTIL says holds of FUTURES, of which some may be NULL; 0, or -errno as green__park. */
static int wait_until(struct green_future *const *futures, size_t count, enum green_wait_until until, int timeout_ms)
{
	struct one few[FEW];
	struct one *ones = count <= FEW ? few : green__fault_injected() ? NULL : calloc(count, sizeof(*ones));
	int error;

	if (!ones || !green__hub()) {
		if (ones != few)
			free(ones);
		return -ENOMEM;
	}
	error = wait_with(ones, futures, count, until, timeout_ms);
	if (ones != few)
		free(ones);
	return error;
}

static bool is_done(const struct green_future *future)
{
	return future && green_future_done(future);
}

/* Its place among COUNT futures, of those that are done and, with ERRORS, failed; COUNT if there is none. */
static size_t first_of(struct green_future *const *futures, size_t count, bool errors)
{
	size_t first = count;

	for (size_t i = 0; i < count; i++) {
		if (!is_done(futures[i]) || (errors && futures[i]->state == GREEN_VALUE))
			continue;
		if (first == count || futures[i]->order < futures[first]->order)
			first = i;
	}
	return first;
}

static void cancel_all(struct green_future *const *futures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		green_future_cancel(futures[i]);
}

/* ERROR is that of a wait which ended because the caller is to end. */
static bool was_given_up(int error)
{
	return error == -ECANCELED && green__current->error != GREEN_TIMEOUT;
}

int green_gather(struct green_future *const *futures, size_t count, void **values, int timeout_ms)
{
	int error = wait_until(futures, count, GREEN_FIRST_ERROR, timeout_ms);
	size_t failed;

	if (was_given_up(error))
		cancel_all(futures, count);
	if (error)
		return (int)sys_result(green__raised_error(error));
	failed = first_of(futures, count, true);
	if (failed < count)
		return (int)sys_result(green__future_outcome(futures[failed], NULL));
	for (size_t i = 0; i < count && values; i++)
		values[i] = futures[i]->value;
	return 0;
}

static int by_order(const void *left, const void *right)
{
	const struct green_future *a = *(struct green_future *const *)left, *b = *(struct green_future *const *)right;

	return a->order < b->order ? -1 : a->order > b->order;
}

/* Puts those that are done in front; how many they are.  Meanwhile more may be done: each is asked once. */
static size_t done_first(struct green_future **futures, size_t count)
{
	size_t done = 0;

	for (size_t i = 0; i < count; i++) {
		struct green_future *future = futures[i];

		if (!green_future_done(future))
			continue;
		futures[i] = futures[done];
		futures[done++] = future;
	}
	qsort(futures, done, sizeof(*futures), by_order);
	return done;
}

long green_wait_futures(struct green_future **futures, size_t count, enum green_wait_until until, int timeout_ms)
{
	int error = count ? wait_until(futures, count, until, timeout_ms) : -EINVAL;

	if (error && !(error == -ETIMEDOUT))
		return sys_result(green__raised_error(error));
	return (long)done_first(futures, count);
}

/* The caller wants it no longer because of ERROR: how it ends nevertheless. */
static int given_up(struct green_future *future, void **value, int error)
{
	bool raised = error == -ECANCELED;
	int code = green__raised_error(error), end;

	green_future_cancel(future);
	end = green__future_wait(future, -1, WAIT_PLAIN);
	if (end)
		return end;
	if (future->state == GREEN_VALUE && raised)
		green__raise_again();
	if (future->state == GREEN_VALUE || (future->state == GREEN_FAILED && !raised))
		return green__future_outcome(future, value);
	return code;
}

int green_wait_for(struct green_future *future, void **value, int timeout_ms)
{
	int error = green__future_wait(future, timeout_ms, WAIT_RAISABLE);

	if (error == -ETIMEDOUT || error == -ECANCELED)
		error = given_up(future, value, error);
	else if (!error)
		error = green__future_outcome(future, value);
	return (int)sys_result(error);
}

struct green_future *green_next_done(struct green_future **futures, size_t count, size_t *place, int timeout_ms)
{
	struct green_future *future;
	size_t first = count;
	int error = 0;

	for (size_t i = 0; i < count && first == count; i++)
		first = futures[i] ? i : count;
	if (first == count)
		error = -EINVAL;
	else
		error = wait_until(futures, count, GREEN_FIRST_DONE, timeout_ms);
	if (error) {
		errno = -green__raised_error(error);
		return NULL;
	}
	first = first_of(futures, count, false);
	future = futures[first];
	futures[first] = NULL;
	if (place)
		*place = first;
	return future;
}
