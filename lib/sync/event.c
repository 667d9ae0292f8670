/* SPDX-License-Identifier: MIT */
/* event.c - a flag to wait for */
#include "sync/waitq.h"

/* Who waits is woken by the flag's being raised, so what becomes of it later does not matter. */
void green_event_set(struct green_event *event)
{
	waitq_lock(&event->waiters);
	__atomic_store_n(&event->set, true, __ATOMIC_RELEASE);
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

/* With the lock even if the flag is up, so that who raised it is done with the event, and its memory may go. */
int green_event_wait(struct green_event *event, int timeout_ms)
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
