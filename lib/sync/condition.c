/* SPDX-License-Identifier: MIT */
/*
 * condition.c - wait until others say that something has changed
 *
 * The condition's lock is held from before the mutex is unlocked until the caller is on the queue: who
 * locks the mutex then and notifies finds it there.
 */
#include "sync/mutex.h"

/* Waits, with the mutex given up, which was locked *DEPTH times. */
static int wait_without(struct green_condition *condition, struct green_mutex *mutex, unsigned *depth, int timeout_ms)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&condition->waiters);
	*depth = green__mutex_give_up(mutex);
	error = green__waitq_wait(&condition->waiters, &entry, "condition", timeout_ms);
	waitq_unlock(&condition->waiters);
	return error;
}

static int condition_wait(struct green_condition *condition, struct green_mutex *mutex, int timeout_ms)
{
	unsigned depth;
	int error = wait_without(condition, mutex, &depth, timeout_ms);
	int stuck = green__mutex_take_back(mutex, depth);

	return stuck ? stuck : error;
}

int green_condition_wait(struct green_condition *condition, struct green_mutex *mutex, int timeout_ms)
{
	int error;

	if (!green__hub())
		return -1;
	error = green_mutex_owner(mutex) == green__current ? waitq_refusal(timeout_ms) : -EPERM;
	return (int)sys_result(error ? error : condition_wait(condition, mutex, timeout_ms));
}

size_t green_condition_notify(struct green_condition *condition, size_t count)
{
	size_t woken = 0;

	waitq_lock(&condition->waiters);
	while (woken < count && green__waitq_wake(&condition->waiters, 0))
		woken++;
	waitq_unlock(&condition->waiters);
	return woken;
}

size_t green_condition_notify_all(struct green_condition *condition)
{
	return green_condition_notify(condition, (size_t)-1);
}
