/* SPDX-License-Identifier: MIT */
/* timerq.c - deadlines in order; knows no greenlets */
#include "hub/timerq.h"

/* A timer that FIRED starts anew has a later order than this pass began with, so no pass is endless. */
void green__timerq_run(struct timerq *queue, int64_t now)
{
	uint64_t limit = queue->heap.inserted;
	struct heap_node *node;

	while ((node = heap_first(&queue->heap)) && node->key <= now && node->order < limit) {
		struct timer *timer = container_of(node, struct timer, node);

		timer_stop(queue, timer);
		timer->fired(timer);
	}
}
