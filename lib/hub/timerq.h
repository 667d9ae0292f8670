/* SPDX-License-Identifier: MIT */
/* timerq.h - deadlines in order; knows no greenlets */
#ifndef GREEN_HUB_TIMERQ_H
#define GREEN_HUB_TIMERQ_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/heap.h"

#pragma GCC visibility push(default)

/*
 * Most timers are stopped long before their time, so only those that are near are
 * in order, in a heap, which stays small.  The others lie in slots of time, in lists:
 * arming and stopping one touches its neighbours and nothing else, however many
 * there are.  When the time of a slot has come its timers go on to finer slots, and
 * from the finest to the heap.
 *
 * The finest slot has 2^TIMER_TICK ns, and each wheel has slots as long as the whole
 * turn of the one before.  A timer lies in the wheel of the highest digit, to the base
 * 2^TIMER_DIGIT, in which its deadline differs from the time that the queue has come
 * to.  So nothing wraps, and whatever lies in a finer wheel is due before all that
 * lies in a coarser one.  What is still further away is in the heap again.
 */
enum {
	TIMER_TICK = 19,              /* half a millisecond */
	TIMER_DIGIT = 8,              /* bits of the deadline that tell the slot of a wheel */
	TIMER_WHEELS = 5,             /* the last one turns once in 26 days */
	TIMER_SLOTS = TIMER_WHEELS << TIMER_DIGIT,
	TIMERS_AT_ONCE = 256,         /* fired in one call; what they wake runs while it is in the cache */
};

/* FIRED runs in the hub's pass over due timers; it may start and stop any timer. */
struct timer {
	union {
		struct heap_node node; /* key: the deadline, also of a timer that is far */
		struct {
			struct timer *next; /* in its slot */
			struct timer **at;  /* what points to this timer: the slot, or NEXT of the one before */
		};
	};
	void (*fired)(struct timer *);
	bool pending;
	bool far; /* in a slot */
};

struct timerq {
	struct heap heap;
	size_t count;  /* of pending timers */
	int64_t near;  /* who is due before that is in the heap; a multiple of the finest slot's length */
	int64_t opens; /* no slot that is used begins before; CLOCK_NEVER if none is used */
	uint64_t limit;  /* timers that were started later wait until this pass is over */
	bool unfinished; /* the last call of green__timerq_run has not come to the end of its pass */
	int64_t told;  /* somebody sleeps until then, and has to hear of earlier ones; INT64_MIN: nobody */
	void (*earlier)(struct timerq *, int64_t deadline);
	uint64_t used[TIMER_SLOTS / 64]; /* a bit for each slot that may have timers; it stays until the slot is opened */
	struct timer *slots[TIMER_SLOTS]; /* the finest wheel first */
};

/* timerq_init - QUEUE is empty, and the time is about NOW */
void green__timerq_init(struct timerq *queue, int64_t now);

/* timerq_far - lay TIMER, which is not near, into a slot */
void green__timerq_far(struct timerq *queue, struct timer *timer);

/* timer_start - let FIRED run once DEADLINE has come; TIMER must not be pending */
static inline void timer_start(struct timerq *queue, struct timer *timer, int64_t deadline, void (*fired)(struct timer *))
{
	timer->node.key = deadline;
	timer->node.order = queue->heap.inserted++;
	timer->fired = fired;
	timer->pending = true;
	queue->count++;
	if (deadline < queue->near) {
		timer->far = false;
		heap_enter(&queue->heap, &timer->node);
	} else {
		green__timerq_far(queue, timer);
	}
	if (unlikely(deadline < queue->told))
		queue->earlier(queue, deadline);
}

/* timer_stop - nothing happens if TIMER is not pending */
static inline void timer_stop(struct timerq *queue, struct timer *timer)
{
	if (!timer->pending)
		return;
	timer->pending = false;
	queue->count--;
	if (!timer->far) {
		heap_remove(&queue->heap, &timer->node);
		return;
	}
	*timer->at = timer->next;
	if (timer->next)
		timer->next->at = timer->at;
}

/* timerq_next - no timer is due before; CLOCK_NEVER if there is none */
static inline int64_t timerq_next(const struct timerq *queue)
{
	struct heap_node *first = heap_first(&queue->heap);

	if (!queue->count)
		return CLOCK_NEVER;
	return first && first->key < queue->opens ? first->key : queue->opens;
}

/*
 * green__timerq_sleep - until when to sleep: the earliest deadline, CLOCK_NEVER if there is none
 *
 * Where many lie in the slot that comes next it is the begin of that, so that those
 * need not be looked at which are going to be stopped before.
 */
int64_t green__timerq_sleep(struct timerq *queue);

/*
 * green__timerq_run - fire, earliest first, what was due at NOW
 *
 * Timers started meanwhile wait for the next call, and with one that is due
 * already wait those that are due after it.  Of many that are due some are left
 * for the next call, too.
 */
void green__timerq_run(struct timerq *queue, int64_t now);

/* green__timerq_check - true if order, lists and counts agree; for tests and debug builds */
bool green__timerq_check(const struct timerq *queue);

#pragma GCC visibility pop

#endif
