/* SPDX-License-Identifier: MIT */
/*
 * queue.h - what waits in a queue of items
 *
 * Getters wait only while there is nothing to get, and putters only while there is no
 * room, so those in the queue whose waits are undecided are either all putters or none.
 */
#ifndef GREEN_SYNC_QUEUE_H
#define GREEN_SYNC_QUEUE_H

#include "green/queue.h"
#include "sync/waitq.h"

#pragma GCC visibility push(default)

enum { QUEUE_GETS, QUEUE_PEEKS, QUEUE_PUTS };

/* green__queue_waiters - whose lock guards the queue, too */
struct green_waitq *green__queue_waiters(struct green_queue *queue);

/*
 * green__queue_get, green__queue_put - get or put at once; locked
 *
 * Returns: 0; -EBUSY: the caller must wait, in an entry with ITEM and QUEUE_GETS or QUEUE_PUTS; -ESHUTDOWN; -ENOMEM;
 * WAITQ_AGAIN: meanwhile the lock was given back: look again
 */
int green__queue_get(struct green_queue *queue, void **item);
int green__queue_put(struct green_queue *queue, void *item);

/* green__queue_offers - true if to do WHAT would not have to wait; locked */
bool green__queue_offers(struct green_queue *queue, int what);

/* green__queue_is_channel - it holds nothing */
bool green__queue_is_channel(const struct green_queue *queue);

#pragma GCC visibility pop

#endif
