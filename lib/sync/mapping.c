/* SPDX-License-Identifier: MIT */
/*
 * mapping.c - results as they come, of inputs as they come
 *
 * A feeder, a task of its own, asks for items and begins a member for each, as long as
 * not too many results wait to be read.  Each has a slot, in the order of the items or of their ends.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/task.h"
#include "sync/group.h"

struct slot {
	struct list link;
	struct future_watch watch;
	struct green_mapping *mapping;
	struct green_future *future; /* NULL: ERROR takes its place */
	int error;
};

struct green_mapping {
	struct green_group *group;
	void *(*function)(void *);
	int (*next)(void *source, void **item);
	void *source;
	enum green_mapping_order order;
	size_t ahead;
	size_t begun;              /* slots that have not been read */
	bool over;                 /* no more slots will come */
	struct list slots;         /* in the order in which they are to be read; unordered: those that are done */
	struct list running;       /* unordered: the others */
	struct greenlet *feeder;
	struct green_waitq room;   /* the feeder, until results have been read */
	struct green_waitq readers;
	struct slot last;          /* of an error of the feeder's own */
};

static void slot_free(struct slot *slot)
{
	if (slot != &slot->mapping->last)
		free(slot);
}

static bool is_done(const struct slot *slot)
{
	return !slot->future || green_future_done(slot->future);
}

static void tell_readers(struct green_mapping *mapping)
{
	waitq_lock(&mapping->readers);
	green__waitq_wake_all(&mapping->readers, 0);
	waitq_unlock(&mapping->readers);
}

/* --- the feeder --- */

static void slot_done(struct future_watch *watch, struct green_future *future)
{
	struct slot *slot = container_of(watch, struct slot, watch);
	struct green_mapping *mapping = slot->mapping;

	(void)future;
	if (mapping->order == GREEN_UNORDERED) {
		list_remove(&slot->link);
		list_append(&mapping->slots, &slot->link);
	}
	tell_readers(mapping);
}

/* The slot of FUTURE, or of ERROR. */
static void slot_fill(struct green_mapping *mapping, struct slot *slot, struct green_future *future, int error)
{
	bool waits = future && mapping->order == GREEN_UNORDERED;

	slot->mapping = mapping;
	list_init(&slot->watch.link);
	slot->future = future;
	slot->error = error;
	list_append(waits ? &mapping->running : &mapping->slots, &slot->link);
	mapping->begun++;
	if (!future) {
		tell_readers(mapping);
		return;
	}
	/* Its task has not had a turn yet, so it is pending. */
	green__future_lock(future);
	green__future_watch(future, &slot->watch, slot_done);
	green__future_unlock(future);
}

/* One more item; false after the last, and after an error, which has a slot of its own. */
static bool feed_one(struct green_mapping *mapping, struct slot *slot)
{
	struct green_future *future = NULL;
	void *item = NULL;
	int result, error = 0;

	errno = 0;
	result = mapping->next(mapping->source, &item);
	if (result == 0) {
		free(slot);
		return false;
	}
	if (result > 0)
		future = green__group_submit(mapping->group, mapping->function, item);
	if (!future)
		error = errno ? errno : EIO;
	slot_fill(mapping, slot, future, error);
	return future != NULL;
}

static int wait_for_room(struct green_mapping *mapping)
{
	struct waitq_entry entry;
	int error = 0;

	waitq_lock(&mapping->room);
	while (mapping->begun >= mapping->ahead && (!error || error == WAITQ_AGAIN))
		error = green__waitq_wait(&mapping->room, &entry, "room in a mapping", -1);
	waitq_unlock(&mapping->room);
	return error;
}

static void *feed(void *arg)
{
	struct green_mapping *mapping = arg;
	struct slot *slot;
	int error;

	do {
		error = wait_for_room(mapping);
		slot = error || green__fault_injected() ? NULL : calloc(1, sizeof(*slot));
	} while (slot && feed_one(mapping, slot));
	if (!slot)
		slot_fill(mapping, &mapping->last, NULL, error ? -error : ENOMEM);
	mapping->over = true;
	tell_readers(mapping);
	return NULL;
}

/* --- the reader --- */

struct green_mapping *green_mapping_create(struct green_group *group, void *(*function)(void *),
					   int (*next)(void *source, void **item), void *source,
					   enum green_mapping_order order, size_t ahead)
{
	bool valid = group && function && next && ahead > 0;
	struct green_mapping *mapping = valid && !green__fault_injected() ? calloc(1, sizeof(*mapping)) : NULL;

	if (!mapping) {
		errno = valid ? ENOMEM : EINVAL;
		return NULL;
	}
	mapping->group = group;
	mapping->function = function;
	mapping->next = next;
	mapping->source = source;
	mapping->order = order;
	mapping->ahead = ahead;
	list_init(&mapping->slots);
	list_init(&mapping->running);
	mapping->feeder = green_spawn(feed, mapping);
	if (!mapping->feeder) {
		free(mapping);
		return NULL;
	}
	return mapping;
}

/* The slot that is to be read next, if it is done. */
static struct slot *first_done(struct green_mapping *mapping)
{
	struct slot *slot = container_of(mapping->slots.next, struct slot, link);

	return list_empty(&mapping->slots) || !is_done(slot) ? NULL : slot;
}

/* The feeder may go on. */
static void slot_taken(struct green_mapping *mapping, struct slot *slot)
{
	list_remove(&slot->link);
	mapping->begun--;
	waitq_lock(&mapping->room);
	green__waitq_wake_all(&mapping->room, 0);
	waitq_unlock(&mapping->room);
}

/* Locked. */
static int wait_for_slot(struct green_mapping *mapping, int timeout_ms)
{
	int64_t deadline = clock_after_ms(timeout_ms);
	struct waitq_entry entry;
	int error = 0;

	while (!first_done(mapping) && !(mapping->over && !mapping->begun) && (!error || error == WAITQ_AGAIN))
		error = green__waitq_wait(&mapping->readers, &entry, "mapping", clock_ms_until(deadline));
	return error == WAITQ_AGAIN ? 0 : error;
}

int green_mapping_next(struct green_mapping *mapping, void **result, int timeout_ms)
{
	struct slot *slot;
	int error;

	waitq_lock(&mapping->readers);
	error = wait_for_slot(mapping, timeout_ms);
	slot = error ? NULL : first_done(mapping);
	if (slot)
		slot_taken(mapping, slot);
	waitq_unlock(&mapping->readers);
	if (!slot)
		return (int)sys_result(error);
	error = slot->future ? green__future_outcome(slot->future, result) : -slot->error;
	green_future_destroy(slot->future);
	slot_free(slot);
	return error ? (int)sys_result(error) : 1;
}

static void cancel_all(const struct list *slots)
{
	for (const struct list *node = slots->next; node != slots; node = node->next) {
		struct green_future *future = container_of(node, struct slot, link)->future;

		if (future)
			green_future_cancel(future);
	}
}

/* Its task is cancelled, and nobody wants to know how it ends. */
static void slot_give_up(struct slot *slot)
{
	struct green_future *future = slot->future;

	if (future) {
		green_future_wait(future, -1);
		green__future_lock(future);
		list_remove(&slot->watch.link);
		green__future_unlock(future);
		green_future_error(future, NULL);
		green_future_destroy(future);
	}
	slot_free(slot);
}

static void give_up(struct list *slots)
{
	struct list *node;

	while ((node = list_pop(slots)))
		slot_give_up(container_of(node, struct slot, link));
}

void green_mapping_destroy(struct green_mapping *mapping)
{
	int saved_errno = errno;

	if (!mapping)
		return;
	green_hold_errors();
	green_kill(mapping->feeder, -1);
	green_destroy(mapping->feeder);
	/* One that is done meanwhile goes to the end of what is left. */
	mapping->order = GREEN_ORDERED;
	cancel_all(&mapping->running);
	cancel_all(&mapping->slots);
	give_up(&mapping->running);
	give_up(&mapping->slots);
	green_release_errors();
	free(mapping);
	errno = saved_errno;
}
