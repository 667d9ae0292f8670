/* SPDX-License-Identifier: MIT */
/*
 * queue.c - queues of pointers between greenlets
 *
 * An item goes straight to the getter who waits longest, and what a putter waits with moves in as
 * soon as there is room, so that who is served and in what order is decided with the lock held.
 */
#include <stdlib.h>

#include "base/fault.h"
#include "sync/items.h"
#include "sync/queue.h"

struct green_queue {
	struct green_waitq waiters; /* its lock guards all */
	struct items items;
	size_t limit;          /* 0: none */
	size_t unfinished;     /* put, and not yet told done */
	struct green_event all_done;
	bool channel, shut;
};

/* --- making and unmaking --- */

static struct green_queue *create(struct green_queue like)
{
	struct green_queue *queue = green__fault_injected() ? NULL : malloc(sizeof(*queue));

	if (!queue) {
		errno = ENOMEM;
		return NULL;
	}
	like.all_done.set = true;
	*queue = like;
	return queue;
}

struct green_queue *green_queue_create(enum green_queue_kind kind, size_t limit)
{
	if ((unsigned)kind > GREEN_CHANNEL || (kind == GREEN_CHANNEL && limit)) {
		errno = EINVAL;
		return NULL;
	}
	return create((struct green_queue) {
		.limit = limit, .channel = kind == GREEN_CHANNEL, .items.newest_first = kind == GREEN_LIFO,
	});
}

struct green_queue *green_queue_create_priority(int (*compare)(const void *, const void *), size_t limit)
{
	if (!compare) {
		errno = EINVAL;
		return NULL;
	}
	return create((struct green_queue) { .limit = limit, .items.compare = compare });
}

static bool anybody_waits(struct green_waitq *waiters)
{
	bool empty;

	waitq_lock(waiters);
	empty = waitq_empty(waiters);
	waitq_unlock(waiters);
	return !empty;
}

int green_queue_destroy(struct green_queue *queue)
{
	if (!queue)
		return 0;
	if (anybody_waits(&queue->waiters) || anybody_waits(&queue->all_done.waiters)) {
		errno = EBUSY;
		return -1;
	}
	free(queue->items.at);
	free(queue);
	return 0;
}

/* --- accounts --- */

static void count_put(struct green_queue *queue)
{
	if (queue->unfinished == 0)
		green_event_clear(&queue->all_done);
	__atomic_store_n(&queue->unfinished, queue->unfinished + 1, __ATOMIC_RELAXED);
}

static int count_done(struct green_queue *queue, size_t count)
{
	if (queue->unfinished < count)
		return -EINVAL;
	__atomic_store_n(&queue->unfinished, queue->unfinished - count, __ATOMIC_RELAXED);
	if (queue->unfinished == 0)
		green_event_set(&queue->all_done);
	return 0;
}

int green_queue_task_done(struct green_queue *queue)
{
	waitq_lock(&queue->waiters);
	return waitq_finish(&queue->waiters, count_done(queue, 1));
}

size_t green_queue_unfinished(const struct green_queue *queue)
{
	return __atomic_load_n(&queue->unfinished, __ATOMIC_RELAXED);
}

int green_queue_join(struct green_queue *queue, int timeout_ms)
{
	return green_event_wait(&queue->all_done, timeout_ms);
}

/* --- one item --- */

/* The first whose wait is undecided, and who is a putter or not; those before it, who are on their way out, leave. */
static struct waitq_entry *first_who(struct green_queue *queue, bool puts)
{
	struct waitq_entry *entry;

	while ((entry = queue->waiters.first) && !waitq_undecided(entry))
		green__waitq_remove(&queue->waiters, entry);
	return entry && (entry->what == QUEUE_PUTS) == puts ? entry : NULL;
}

/* Hand ITEM to a getter; those before it that only look have seen it. */
static bool hand_to_getter(struct green_queue *queue, void *item)
{
	struct waitq_entry *entry;

	while (!waitq_empty(&queue->waiters) && (entry = first_who(queue, false))) {
		if (!green__waitq_wake_first(&queue->waiters, 0))
			continue;
		entry->item = item;
		if (entry->what == QUEUE_GETS)
			return true;
	}
	return false;
}

/* Take what a putter waits with. */
static bool take_from_putter(struct green_queue *queue, void **item)
{
	struct waitq_entry *entry;

	while (!waitq_empty(&queue->waiters) && (entry = first_who(queue, true))) {
		if (!green__waitq_wake_first(&queue->waiters, 0))
			continue;
		*item = entry->item;
		count_put(queue);
		return true;
	}
	return false;
}

/* The queue is unlocked while memory is asked for, so the caller has to look again. */
static int grow(struct green_queue *queue)
{
	size_t room = queue->items.room, more;
	struct item *memory;

	waitq_unlock(&queue->waiters);
	memory = green__items_room(room, &more);
	waitq_lock(&queue->waiters);
	if (!memory)
		return -ENOMEM;
	if (queue->items.room == room)
		memory = green__items_move(&queue->items, memory, more);
	waitq_unlock(&queue->waiters);
	free(memory);
	waitq_lock(&queue->waiters);
	return WAITQ_AGAIN;
}

static bool full(const struct green_queue *queue)
{
	return queue->channel || (queue->limit && queue->items.count >= queue->limit);
}

int green__queue_put(struct green_queue *queue, void *item)
{
	if (unlikely(queue->shut))
		return -ESHUTDOWN;
	if (!hand_to_getter(queue, item)) {
		if (full(queue))
			return -EBUSY;
		if (unlikely(queue->items.count == queue->items.room))
			return grow(queue);
		green__items_add(&queue->items, item);
	}
	count_put(queue);
	return 0;
}

/* What is taken makes room for what the first putter waits with. */
int green__queue_get(struct green_queue *queue, void **item)
{
	void *moves_in;

	if (queue->items.count > 0) {
		*item = green__items_take(&queue->items);
		if (queue->limit && take_from_putter(queue, &moves_in))
			green__items_add(&queue->items, moves_in);
		return 0;
	}
	if (queue->channel && take_from_putter(queue, item))
		return 0;
	return queue->shut ? -ESHUTDOWN : -EBUSY;
}

static int peek(struct green_queue *queue, void **item)
{
	if (queue->items.count == 0)
		return queue->shut ? -ESHUTDOWN : -EBUSY;
	*item = green__items_first(&queue->items);
	return 0;
}

bool green__queue_offers(struct green_queue *queue, int what)
{
	if (queue->shut)
		return true;
	if (what == QUEUE_PUTS)
		return !full(queue) || first_who(queue, false);
	return queue->items.count > 0 || (queue->channel && first_who(queue, true));
}

bool green__queue_is_channel(const struct green_queue *queue)
{
	return queue->channel;
}

struct green_waitq *green__queue_waiters(struct green_queue *queue)
{
	return &queue->waiters;
}

/* --- calls that wait --- */

/* Waits with ENTRY, as green__waitq_wait_unlock. */
static int wait_for(struct green_queue *queue, struct waitq_entry *entry, int what, int timeout_ms)
{
	entry->what = what;
	return green__waitq_wait_unlock(&queue->waiters, entry, what == QUEUE_PUTS ? "queue, for room" : "queue", timeout_ms);
}

int green_queue_put(struct green_queue *queue, void *item, int timeout_ms)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&queue->waiters);
	do {
		error = green__queue_put(queue, item);
		if (error == WAITQ_AGAIN)
			continue;
		if (error != -EBUSY)
			return waitq_finish(&queue->waiters, error);
		entry.item = item;
		error = wait_for(queue, &entry, QUEUE_PUTS, timeout_ms);
	} while (error == WAITQ_AGAIN);
	return (int)sys_result(error);
}

int green_queue_get(struct green_queue *queue, void **item, int timeout_ms)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&queue->waiters);
	do {
		error = green__queue_get(queue, item);
		if (error != -EBUSY)
			return waitq_finish(&queue->waiters, error);
		error = wait_for(queue, &entry, QUEUE_GETS, timeout_ms);
	} while (error == WAITQ_AGAIN);
	if (!error)
		*item = entry.item;
	return (int)sys_result(error);
}

int green_queue_peek(struct green_queue *queue, void **item, int timeout_ms)
{
	struct waitq_entry entry;
	int error;

	waitq_lock(&queue->waiters);
	do {
		error = queue->channel ? -EINVAL : peek(queue, item);
		if (error != -EBUSY)
			return waitq_finish(&queue->waiters, error);
		error = wait_for(queue, &entry, QUEUE_PEEKS, timeout_ms);
	} while (error == WAITQ_AGAIN);
	if (!error)
		*item = entry.item;
	return (int)sys_result(error);
}

/* --- questions, and the end --- */

size_t green_queue_size(const struct green_queue *queue)
{
	return __atomic_load_n(&queue->items.count, __ATOMIC_RELAXED);
}

static bool somebody(const struct green_queue *queue, bool puts)
{
	struct green_queue *locked = (struct green_queue *)queue;
	bool found;

	waitq_lock(&locked->waiters);
	found = first_who(locked, puts) != NULL;
	waitq_unlock(&locked->waiters);
	return found;
}

bool green_queue_empty(const struct green_queue *queue)
{
	return queue->channel ? !somebody(queue, true) : green_queue_size(queue) == 0;
}

bool green_queue_full(const struct green_queue *queue)
{
	return queue->channel ? !somebody(queue, false) : queue->limit && green_queue_size(queue) >= queue->limit;
}

void green_queue_shut_down(struct green_queue *queue, bool immediate)
{
	waitq_lock(&queue->waiters);
	queue->shut = true;
	green__waitq_wake_all(&queue->waiters, -ESHUTDOWN);
	if (immediate) {
		size_t dropped = queue->items.count;

		__atomic_store_n(&queue->items.count, 0, __ATOMIC_RELAXED);
		count_done(queue, dropped < queue->unfinished ? dropped : queue->unfinished);
	}
	waitq_unlock(&queue->waiters);
}
