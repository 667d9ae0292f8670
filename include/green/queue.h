/* SPDX-License-Identifier: MIT */
/*
 * green/queue.h - queues of pointers between greenlets
 *
 *	struct green_queue *jobs = green_queue_create(GREEN_FIFO, 100);
 *
 *	green_queue_put(jobs, job, -1);
 *	while (green_queue_get(jobs, &job, -1) == 0)
 *		...
 *
 * Who waits to put and who waits to get is served in the order of arrival; an item
 * is handed straight to the getter who waits longest.  None is lost or doubled when
 * somebody who waits is killed or runs out of time.  Queues may be used by several kernel
 * threads.  TIMEOUT_MS and the errors of waiting are as in green/sync.h.
 */
#ifndef GREEN_QUEUE_H
#define GREEN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct green_queue;

enum green_queue_kind {
	GREEN_FIFO,    /* the oldest item first */
	GREEN_LIFO,    /* the newest item first */
	GREEN_CHANNEL, /* holds nothing: put and get wait for each other */
};

/*
 * green_queue_create - an empty queue; the caller's until green_queue_destroy
 *
 * LIMIT: how many items it holds before put waits; 0: as many as there is memory for.
 * A channel's must be 0.
 *
 * Switches: no.  Returns: the queue; NULL with errno EINVAL or ENOMEM
 */
struct green_queue *green_queue_create(enum green_queue_kind kind, size_t limit);

/*
 * green_queue_create_priority - a queue that gives the least item first
 *
 * COMPARE(a, b) is below, at or above 0 as a comes before, with or after b; items
 * that are equal come in the order in which they were put.  It runs while the queue is
 * locked: it must be quick, and call nothing of libgreen.
 */
struct green_queue *green_queue_create_priority(int (*compare)(const void *, const void *), size_t limit);

/*
 * green_queue_destroy - free it and forget what is in it; NULL is fine
 *
 * Switches: no.  Returns: 0; -1 with errno EBUSY: somebody waits
 */
int green_queue_destroy(struct green_queue *queue);

/*
 * green_queue_put - put ITEM, waiting while there is no room
 *
 * Switches: yes, if it must wait.
 * Returns: 0; -1 with errno, and ITEM is the caller's
 *   ESHUTDOWN  the queue is shut down
 *   ENOMEM     no memory to hold it
 *   others     as in green/sync.h
 */
int green_queue_put(struct green_queue *queue, void *item, int timeout_ms);

/*
 * green_queue_get - take the first item into *ITEM, waiting while there is none
 *
 * Switches: yes, if it must wait.
 * Returns: 0; -1 with errno ESHUTDOWN (the queue is shut down and empty) or as in green/sync.h
 */
int green_queue_get(struct green_queue *queue, void **item, int timeout_ms);

/*
 * green_queue_peek - the first item into *ITEM without taking it; waits as green_queue_get does
 *
 * It is still there, unless others take it.  A channel has none: EINVAL.
 */
int green_queue_peek(struct green_queue *queue, void **item, int timeout_ms);

/* green_queue_size - how many items are in it */
size_t green_queue_size(const struct green_queue *queue);

/* green_queue_empty - true if there is nothing to get.  green_queue_full - true if there is no room to put. */
bool green_queue_empty(const struct green_queue *queue);
bool green_queue_full(const struct green_queue *queue);

/*
 * green_queue_shut_down - nothing more is put
 *
 * Those who wait to put fail with ESHUTDOWN, and so do all puts from now on.  Gets go on until
 * it is empty, then fail.  IMMEDIATE: what is in it is dropped and counts as done.
 * Switches: no.
 */
void green_queue_shut_down(struct green_queue *queue, bool immediate);

/*
 * green_queue_task_done - what was got is dealt with
 *
 * Switches: no.  Returns: 0; -1 with errno EINVAL: oftener than items were put
 */
int green_queue_task_done(struct green_queue *queue);

/* green_queue_unfinished - items that were put and not yet told done */
size_t green_queue_unfinished(const struct green_queue *queue);

/* green_queue_join - wait until every item that was put is told done.  Switches: yes, unless they are. */
int green_queue_join(struct green_queue *queue, int timeout_ms);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
