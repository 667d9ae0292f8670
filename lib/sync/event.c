/* SPDX-License-Identifier: MIT */
/* event.c - a flag to wait for */
#include "sync/waitq.h"

/* Who waits is woken by the flag's being raised, so what becomes of it later does not matter. */
void green_event_set(struct green_event *event)
{
	waitq_lock(&event->waiters);
	__atomic_store_n(&event->set, true, __ATOMIC_RELEASE);
	if (!waitq_empty(&event->waiters))
		green__waitq_wake_all(&event->waiters, 0);
	waitq_unlock(&event->waiters);
}

void green_event_clear(struct green_event *event)
{
	waitq_lock(&event->waiters);
	__atomic_store_n(&event->set, false, __ATOMIC_RELEASE);
	waitq_unlock(&event->waiters);
}

bool green_event_is_set(const struct green_event *event)
{
	return __atomic_load_n(&event->set, __ATOMIC_ACQUIRE);
}

static GREEN_NOINLINE int wait_slowly(struct green_event *event, int timeout_ms)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&event->waiters);
	do {
		if (event->set)
			return waitq_finish(&event->waiters, 0);
		error = green__waitq_wait_unlock(&event->waiters, &entry, "event", timeout_ms);
	} while (error == WAITQ_AGAIN);
	return (int)sys_result(error);
}

/* With the lock even if the flag is up, so that who raised it is done with the event, and its memory may go. */
int green_event_wait(struct green_event *event, int timeout_ms)
{
	struct greenlet *self = green__current;

	if (unlikely(!self || !waitq_try(&event->waiters, self)))
		return wait_slowly(event, timeout_ms);
	if (event->set) {
		waitq_leave(&event->waiters, self);
		return 0;
	}
	if (likely(self->flow->hub != NULL))
		return green__waitq_wait_last(&event->waiters, 0, "event", timeout_ms);
	waitq_give_back(&event->waiters, self);
	return wait_slowly(event, timeout_ms);
}
