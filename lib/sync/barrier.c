/* SPDX-License-Identifier: MIT */
/*
 * barrier.c - nobody goes on before so many have come
 *
 * A round ends when all have come, or when the barrier is broken or reset.  Then all who wait leave the queue,
 * even those whose waits had ended before, so that they cannot break the next round.
 */
#include "sync/waitq.h"

/* Locked.  ITEM tells who waited that its round is over. */
static void end_round(struct green_barrier *barrier, int result)
{
	struct waitq_entry *entry;

	while ((entry = barrier->waiters.first)) {
		entry->item = barrier;
		green__waitq_wake_first(&barrier->waiters, result);
	}
	barrier->arrived = 0;
}

static int wait_for_rest(struct green_barrier *barrier, int place, int timeout_ms)
{
	struct waitq_entry entry = { .item = NULL };
	int error = green__waitq_wait(&barrier->waiters, &entry, "barrier", timeout_ms);

	if (error && !entry.item) {
		barrier->broken = true;
		end_round(barrier, -ENOTRECOVERABLE);
	}
	return error ? error : place;
}

/* Those who had come may have stayed behind in the parent of this process.  Who does not wait at all has not come. */
static int come(struct green_barrier *barrier, int timeout_ms)
{
	size_t place = waitq_empty(&barrier->waiters) ? 0 : barrier->arrived;
	bool last = place + 1 == barrier->parties;

	if (barrier->parties == 0)
		return -EINVAL;
	if (barrier->broken)
		return -ENOTRECOVERABLE;
	if (!last && waitq_refusal(timeout_ms))
		return waitq_refusal(timeout_ms);
	barrier->arrived = place + 1;
	if (!last)
		return wait_for_rest(barrier, (int)place, timeout_ms);
	end_round(barrier, 0);
	return (int)place;
}

int green_barrier_wait(struct green_barrier *barrier, int timeout_ms)
{
	if (!green__hub())
		return -1;
	waitq_lock(&barrier->waiters);
	return waitq_finish(&barrier->waiters, come(barrier, timeout_ms));
}

void green_barrier_break(struct green_barrier *barrier)
{
	waitq_lock(&barrier->waiters);
	barrier->broken = true;
	end_round(barrier, -ENOTRECOVERABLE);
	waitq_unlock(&barrier->waiters);
}

void green_barrier_reset(struct green_barrier *barrier)
{
	waitq_lock(&barrier->waiters);
	barrier->broken = false;
	end_round(barrier, -ENOTRECOVERABLE);
	waitq_unlock(&barrier->waiters);
}
