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

static struct waitq_entry *take_first(struct green_waitq *queue)
{
	struct waitq_entry *entry = queue->first, *next = entry->next;

	entry->queued = false;
	queue->first = next;
	if (next)
		next->prev = NULL;
	else
		queue->last = NULL;
	return entry;
}

bool green__waitq_wake_first(struct green_waitq *queue, int result)
{
	struct waitq_entry *entry = take_first(queue);
	bool woken = green__wake(entry->waiter, result);

	__atomic_store_n(&entry->woken, woken, __ATOMIC_RELAXED);
	return woken;
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

static GREEN_NOINLINE int hub_made(struct green_waitq *queue)
{
	bool made;

	waitq_unlock(queue);
	made = green__hub() != NULL;
	waitq_lock(queue);
	return made ? WAITQ_AGAIN : -ENOMEM;
}

/*
 * The lock is held before, not after.  The caller stays in its critical section, or a signal handler could come between
 * the lock and the wait.
 */
static GREEN_INLINE int park_in(struct green_waitq *queue, struct waitq_entry *entry, struct waiter *waiter, int64_t deadline)
{
	struct hub *hub = waiter->greenlet->flow->hub;
	int error;

	green__waitq_append(queue, entry, waiter);
	waitq_unlock_only(queue);
	hub->shared++;
	error = green__park_critical(waiter, deadline);
	hub->shared--;
	return error;
}

/* Lock; then whoever has taken ENTRY off QUEUE is done with it. */
static void come_back(struct green_waitq *queue, struct waitq_entry *entry)
{
	waitq_lock_only(queue);
	green__waitq_remove(queue, entry);
}

/* True if one of the same kernel thread has taken ENTRY off its queue and woken the caller. */
static bool woken_from_here(const struct waitq_entry *entry, const struct waiter *waiter)
{
	return __atomic_load_n(&entry->woken, __ATOMIC_RELAXED) && !waiter->from_outside;
}

static bool has_hub(void)
{
	return green__current && green__current->flow->hub;
}

int green__waitq_wait(struct green_waitq *queue, struct waitq_entry *entry, const char *kind, int timeout_ms)
{
	struct waiter waiter;
	int error;

	if (timeout_ms == 0)
		return -ETIMEDOUT;
	if (unlikely(!has_hub()))
		return hub_made(queue);
	green__waiter_init(&waiter, WAIT_RAISABLE, kind, queue);
	error = park_in(queue, entry, &waiter, clock_after_ms(timeout_ms));
	come_back(queue, entry);
	return green__raised_error(error);
}

/* The wait does not begin. */
static GREEN_NOINLINE int wait_not(struct green_waitq *queue, int timeout_ms)
{
	int error = timeout_ms == 0 ? -ETIMEDOUT : hub_made(queue);

	if (error != WAITQ_AGAIN)
		waitq_unlock(queue);
	return error;
}

static GREEN_NOINLINE void come_back_and_leave(struct green_waitq *queue, struct waitq_entry *entry)
{
	come_back(queue, entry);
	waitq_unlock_only(queue);
}

/* The lock is held before, not after, and the critical section ends. */
static GREEN_INLINE int wait_off(struct green_waitq *queue, struct waitq_entry *entry, const char *kind, int timeout_ms)
{
	struct waiter waiter;
	int error;

	green__waiter_init(&waiter, WAIT_RAISABLE, kind, queue);
	error = park_in(queue, entry, &waiter, clock_after_ms(timeout_ms));
	if (unlikely(!woken_from_here(entry, &waiter)))
		come_back_and_leave(queue, entry);
	critical_leave(waiter.greenlet->flow);
	return green__raised_error(error);
}

int green__waitq_wait_unlock(struct green_waitq *queue, struct waitq_entry *entry, const char *kind, int timeout_ms)
{
	if (unlikely(timeout_ms == 0 || !has_hub()))
		return wait_not(queue, timeout_ms);
	return wait_off(queue, entry, kind, timeout_ms);
}

int green__waitq_wait_last(struct green_waitq *queue, int what, const char *kind, int timeout_ms)
{
	struct waitq_entry entry;

	if (unlikely(timeout_ms == 0))
		return waitq_finish(queue, -ETIMEDOUT);
	entry.what = what;
	return (int)sys_result(wait_off(queue, &entry, kind, timeout_ms));
}

int green__waitq_wait_plainly(struct green_waitq *queue, struct waitq_entry *entry, const char *kind)
{
	struct waiter waiter;
	int error;

	green__waiter_init(&waiter, WAIT_PLAIN, kind, queue);
	error = park_in(queue, entry, &waiter, CLOCK_NEVER);
	come_back(queue, entry);
	return error;
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
