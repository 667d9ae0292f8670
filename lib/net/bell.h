/* SPDX-License-Identifier: MIT */
/* bell.h - a waiting room: who waits looks again each time it rings */
#ifndef GREEN_NET_BELL_H
#define GREEN_NET_BELL_H

#include "hub/waiter.h"

struct bell_wait {
	struct list link;
	struct waiter waiter;
};

/* bell_wait - until BELL, a list head, rings; KIND as for green__waiter_init; 0 or -errno as green__park */
static inline int bell_wait(struct hub *hub, struct list *bell, int64_t deadline, const char *kind)
{
	struct bell_wait wait;
	int error;

	critical_enter(hub->flow);
	green__waiter_init(&wait.waiter, WAIT_RAISABLE, kind, bell);
	list_append(bell, &wait.link);
	error = green__park(&wait.waiter, deadline);
	list_remove(&wait.link);
	critical_leave(hub->flow);
	return error;
}

/* bell_ring - wake all */
static inline void bell_ring(struct hub *hub, struct list *bell)
{
	struct list *node;

	critical_enter(hub->flow);
	while ((node = list_pop(bell)))
		green__wake(&container_of(node, struct bell_wait, link)->waiter, 0);
	critical_leave(hub->flow);
}

#endif
