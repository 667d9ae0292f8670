/* SPDX-License-Identifier: MIT */
/*
 * waitq.c - who waits, oldest first
 *
 * Of a process that forks only the calling greenlet goes on in the child.  Whoever waited stays
 * on the queues of the child's memory, on stacks that may be used anew, and a lock that another
 * kernel thread held stays held.  So the lock says in which process it was last taken: one of the parent's is
 * open, and its queue forgotten.
 */
#include <errno.h>

#include "base/sys.h"
#include "sync/waitq.h"

static bool lock_of_parent(const struct green_waitq *queue, int *found)
{
	*found = __atomic_load_n(&queue->lock, __ATOMIC_RELAXED);
	return (*found & ~1) != green__process;
}

void green__waitq_lock_slowly(struct green_waitq *queue)
{
	int found;

	for (;;) {
		bool stale = lock_of_parent(queue, &found);

		if ((stale || found == green__process) &&
		    __atomic_compare_exchange_n(&queue->lock, &found, green__process + 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED)) {
			if (stale)
				queue->first = queue->last = NULL;
			return;
		}
		sys_call(SYS_sched_yield);
	}
}

void green__waitq_append(struct green_waitq *queue, struct waitq_entry *entry, struct waiter *waiter)
{
	struct waitq_entry *last = queue->last;

	entry->next = NULL;
	entry->prev = last;
	entry->waiter = waiter;
	entry->queued = true;
	entry->woken = false;
	if (last)
		last->next = entry;
	else
		queue->first = entry;
	queue->last = entry;
}

void green__waitq_remove(struct green_waitq *queue, struct waitq_entry *entry)
{
	if (!entry->queued)
		return;
	entry->queued = false;
	if (entry->prev)
		entry->prev->next = entry->next;
	else
		queue->first = entry->next;
	if (entry->next)
		entry->next->prev = entry->prev;
	else
		queue->last = entry->prev;
}

bool green__waitq_wake_first(struct green_waitq *queue, int result)
{
	struct waitq_entry *entry = queue->first;

	green__waitq_remove(queue, entry);
	entry->woken = green__wake(entry->waiter, result);
	return entry->woken;
}

struct waitq_entry *green__waitq_wake(struct green_waitq *queue, int result)
{
	struct waitq_entry *entry;

	while ((entry = queue->first)) {
		if (green__waitq_wake_first(queue, result))
			return entry;
	}
	return NULL;
}

size_t green__waitq_wake_all(struct green_waitq *queue, int result)
{
	size_t count = 0;

	while (green__waitq_wake(queue, result))
		count++;
	return count;
}

static int hub_made(struct green_waitq *queue)
{
	bool made;

	waitq_unlock(queue);
	made = green__hub() != NULL;
	waitq_lock(queue);
	return made ? WAITQ_AGAIN : -ENOMEM;
}

/* The caller stays in its critical section, or a signal handler could come between the lock and the wait. */
static int wait_in(struct green_waitq *queue, struct waitq_entry *entry, const char *kind, enum wait_mode mode,
		   int64_t deadline)
{
	struct greenlet *self = green__current;
	struct waiter waiter;
	int error;

	green__waiter_init(&waiter, mode, kind, queue);
	green__waitq_append(queue, entry, &waiter);
	__atomic_store_n(&queue->lock, green__process, __ATOMIC_RELEASE);
	self->flow->hub->shared++;
	error = green__park(&waiter, deadline);
	self->flow->hub->shared--;
	waitq_lock_only(queue);
	green__waitq_remove(queue, entry);
	return error;
}

int green__waitq_wait(struct green_waitq *queue, struct waitq_entry *entry, const char *kind, int timeout_ms)
{
	if (timeout_ms == 0)
		return -ETIMEDOUT;
	if (unlikely(!green__current || !green__current->flow->hub))
		return hub_made(queue);
	return green__raised_error(wait_in(queue, entry, kind, WAIT_RAISABLE, clock_after_ms(timeout_ms)));
}

int green__waitq_wait_plainly(struct green_waitq *queue, struct waitq_entry *entry, const char *kind)
{
	return wait_in(queue, entry, kind, WAIT_PLAIN, CLOCK_NEVER);
}

bool green__waitq_check(const struct green_waitq *queue)
{
	const struct waitq_entry *prev = NULL;

	for (const struct waitq_entry *entry = queue->first; entry; prev = entry, entry = entry->next) {
		if (!entry->queued || entry->prev != prev || !entry->waiter)
			return false;
	}
	return queue->last == prev;
}
