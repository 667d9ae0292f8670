/* SPDX-License-Identifier: MIT */
/*
 * callback.h - what the hub calls between tasks, first come first served
 *
 * Whatever is called, because of an event, a timer or a request, is put into one
 * queue and called in the next round of the hub, on a greenlet kept for that:
 * the thread's main thread-local storage is right there, and nothing may wait.
 */
#ifndef GREEN_HUB_CALLBACK_H
#define GREEN_HUB_CALLBACK_H

#include "hub/hub.h"
#include "hub/outside.h"

#pragma GCC visibility push(default)

/* Something to call; its owner lays it into what the call is about. */
struct callback {
	struct list link;                /* on hub->calls or hub->calling until it is run */
	void (*run)(struct callback *);  /* may free it */
};

/* green__callbacks_init - make the greenlet that HUB's callbacks run on; 0 or -errno */
int green__callbacks_init(struct hub *hub);

/* green__callbacks_finish - after it nothing is called any more */
void green__callbacks_finish(struct hub *hub);

/* green__callbacks_forked - in the child: nothing is going to be called */
void green__callbacks_forked(struct hub *hub);

/* green__callbacks_ready - true if HUB has something to call now */
bool green__callbacks_ready(const struct hub *hub);

/* green__callbacks_possible - false while nothing may be called */
bool green__callbacks_possible(const struct hub *hub);

/* green__callbacks_run_these - call all of CALLBACKS now; from the hub greenlet, when callbacks are possible */
void green__callbacks_run_these(struct hub *hub, struct list *callbacks);

/* green__callbacks_run - call what was queued before this round, until the slice is over; what is left comes first in the next */
void green__callbacks_run(struct hub *hub);

/* green__callback_queue - let CALLBACK, which is on no list, run in the next round; in critical sections of HUB's thread only */
static inline void green__callback_queue(struct hub *hub, struct callback *callback)
{
	list_append(&hub->calls, &callback->link);
	hub->chores = true;
	if (unlikely(hub->outside_told))
		green__outside_told(hub, 0);
}

/*
 * green__callback_expected - one more callback may come that is to be waited for; green__callback_over - one less
 *
 * While some may come, they count as one greenlet that has not ended: the process
 * is not over without them, and others may have something to do beside a wait.
 */
void green__callback_expected(struct hub *hub);
void green__callback_over(struct hub *hub);

#pragma GCC visibility pop

#endif
