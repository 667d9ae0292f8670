/* SPDX-License-Identifier: MIT */
/* timerq.h - deadlines in order; knows no greenlets */
#ifndef GREEN_HUB_TIMERQ_H
#define GREEN_HUB_TIMERQ_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/heap.h"

/* FIRED runs in the hub's pass over due timers; it may start and stop any timer. */
struct timer {
	struct heap_node node; /* key: the deadline */
	bool pending;
	void (*fired)(struct timer *);
};

struct timerq {
	struct heap heap;
	int64_t told; /* somebody sleeps until then, and has to hear of earlier ones; INT64_MIN: nobody */
	void (*earlier)(struct timerq *, int64_t deadline);
};

static inline void timerq_init(struct timerq *queue)
{
	heap_init(&queue->heap);
	queue->told = INT64_MIN;
}

/* timer_start - let FIRED run once DEADLINE has come; TIMER must not be pending */
static inline void timer_start(struct timerq *queue, struct timer *timer, int64_t deadline, void (*fired)(struct timer *))
{
	timer->node.key = deadline;
	timer->fired = fired;
	timer->pending = true;
	heap_insert(&queue->heap, &timer->node);
	if (unlikely(deadline < queue->told))
		queue->earlier(queue, deadline);
}

/* timer_stop - nothing happens if TIMER is not pending */
static inline void timer_stop(struct timerq *queue, struct timer *timer)
{
	if (!timer->pending)
		return;
	timer->pending = false;
	heap_remove(&queue->heap, &timer->node);
}

/* timerq_next - the earliest deadline, CLOCK_NEVER if there is none */
static inline int64_t timerq_next(const struct timerq *queue)
{
	struct heap_node *first = heap_first(&queue->heap);

	return first ? first->key : CLOCK_NEVER;
}

/*
 * green__timerq_run - fire, earliest first, what was due at NOW
 *
 * Timers started meanwhile wait for the next call, and with one that is due
 * already wait those that are due after it.
 */
void green__timerq_run(struct timerq *queue, int64_t now);

#endif
