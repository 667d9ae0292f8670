/* SPDX-License-Identifier: MIT */
/*
 * semaphore.c - so many at a time
 *
 * A unit that is released goes to who waits longest, so while anybody waits for one the count is 0.
 */
#include "sync/semaphore.h"

static GREEN_NOINLINE int acquire_slowly(struct green_semaphore *semaphore, int timeout_ms)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&semaphore->waiters);
	do {
		if (semaphore_try(semaphore))
			return waitq_finish(&semaphore->waiters, 0);
		entry.what = SEMAPHORE_TAKES;
		error = green__waitq_wait_unlock(&semaphore->waiters, &entry, "semaphore", timeout_ms);
	} while (error == WAITQ_AGAIN);
	return (int)sys_result(error);
}

int green_semaphore_acquire(struct green_semaphore *semaphore, int timeout_ms)
{
	struct greenlet *self = green__current;

	if (unlikely(!self || !waitq_try(&semaphore->waiters, self)))
		return acquire_slowly(semaphore, timeout_ms);
	if (semaphore_try(semaphore)) {
		waitq_leave(&semaphore->waiters, self);
		return 0;
	}
	if (likely(self->flow->hub != NULL))
		return green__waitq_wait_last(&semaphore->waiters, SEMAPHORE_TAKES, "semaphore", timeout_ms);
	waitq_give_back(&semaphore->waiters, self);
	return acquire_slowly(semaphore, timeout_ms);
}

/* True if somebody has it.  One who only looks has seen the unit, whoever takes it. */
static bool hand_on(struct green_semaphore *semaphore)
{
	struct waitq_entry *entry;

	while ((entry = green__waitq_wake(&semaphore->waiters, 0))) {
		if (entry->what == SEMAPHORE_TAKES)
			return true;
	}
	return false;
}

static int release(struct green_semaphore *semaphore)
{
	size_t count = semaphore->count;

	if (count == 0 && !waitq_empty(&semaphore->waiters) && hand_on(semaphore))
		return 0;
	if (count == GREEN_UNLIMITED)
		return 0;
	if (count + 1 == GREEN_UNLIMITED || (semaphore->limit && count >= semaphore->limit))
		return -EOVERFLOW;
	__atomic_store_n(&semaphore->count, count + 1, __ATOMIC_RELAXED);
	return 0;
}

int green_semaphore_release(struct green_semaphore *semaphore)
{
	waitq_lock(&semaphore->waiters);
	return waitq_finish(&semaphore->waiters, release(semaphore));
}

int green_semaphore_wait(struct green_semaphore *semaphore, int timeout_ms)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&semaphore->waiters);
	do {
		if (semaphore->count)
			return waitq_finish(&semaphore->waiters, 0);
		entry.what = SEMAPHORE_LOOKS;
		error = green__waitq_wait_unlock(&semaphore->waiters, &entry, "semaphore", timeout_ms);
	} while (error == WAITQ_AGAIN);
	return (int)sys_result(error);
}

size_t green_semaphore_count(const struct green_semaphore *semaphore)
{
	return __atomic_load_n(&semaphore->count, __ATOMIC_RELAXED);
}
