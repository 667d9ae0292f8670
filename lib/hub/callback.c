/* SPDX-License-Identifier: MIT */
/* callback.c - what the hub calls between tasks, first come first served */
#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "hub/callback.h"
#include "switch/uncaught.h"

enum { CALLS_BETWEEN_LOOKS = 50 }; /* at the clock */

/* Nobody waits for what a callback ends with, so an error that it leaves behind is told and dropped. */
static void call(struct callback *callback)
{
	struct greenlet *self = green__current;

	callback->run(callback);
	if (likely(!self->error))
		return;
	green__uncaught(GREEN_TROUBLE_CALLBACK, self, self->error, self->error_value);
	green_error_clear();
}

static void run_round(struct hub *hub)
{
	unsigned count = 0;
	struct list *node;

	while ((node = list_pop(&hub->calling))) {
		struct callback *callback = container_of(node, struct callback, link);

		call(callback);
		if (++count % CALLS_BETWEEN_LOOKS)
			continue;
		hub->now = clock_now();
		if (hub->now >= hub->slice_end)
			return;
	}
}

/* All of it is critical: signal handlers of the program run between rounds, on greenlets that may wait. */
static void *callbacks_main(void *unused)
{
	struct hub *hub = green__current->flow->hub;

	(void)unused;
	hub->flow->critical = 1;
	for (;;) {
		run_round(hub);
		green__greenlet_resume(hub->greenlet);
	}
	return NULL;
}

int green__callbacks_init(struct hub *hub)
{
	struct flow *flow = hub->flow;
	struct stack *stack = green__fault_injected() ? NULL : green__stack_take(flow->stack_size);

	list_init(&hub->calls);
	list_init(&hub->calling);
	if (!stack)
		return -ENOMEM;
	hub->caller = green__greenlet_create(flow, stack, callbacks_main, &flow->main);
	hub->caller->kind = GREENLET_HUB;
	hub->caller->thread_pointer = flow->main.thread_pointer;
	strcpy(hub->caller->name, "callbacks");
	flow->living--;
	return 0;
}

void green__callbacks_finish(struct hub *hub)
{
	hub->flow->living++;
	green__greenlet_release(hub->caller);
}

/* Who forked in a callback goes on in it; anybody else has left the greenlet of the callbacks waiting for its next round. */
void green__callbacks_forked(struct hub *hub)
{
	list_init(&hub->calls);
	list_init(&hub->calling);
	hub->kept = 0;
	if (green__current == hub->caller) {
		hub->flow->living--;
		return;
	}
	list_init(&hub->caller->all);
	list_append(&hub->flow->all, &hub->caller->all);
}

/* While main's thread-local storage is in use elsewhere nothing else may run on it. */
bool green__callbacks_possible(const struct hub *hub)
{
	return !hub->flow->main.away;
}

bool green__callbacks_ready(const struct hub *hub)
{
	return !(list_empty(&hub->calls) && list_empty(&hub->calling)) && green__callbacks_possible(hub);
}

void green__callbacks_run(struct hub *hub)
{
	if (likely(!green__callbacks_ready(hub)))
		return;
	list_splice(&hub->calling, &hub->calls);
	green__greenlet_resume(hub->caller);
}

/* What is left of a round is none of theirs. */
void green__callbacks_run_these(struct hub *hub, struct list *callbacks)
{
	struct list rest;

	list_init(&rest);
	list_splice(&rest, &hub->calling);
	list_splice(&hub->calling, callbacks);
	hub->slice_end = CLOCK_NEVER;
	green__greenlet_resume(hub->caller);
	list_splice(&hub->calling, &rest);
}

void green__callback_expected(struct hub *hub)
{
	if (hub->kept++ == 0)
		hub->flow->living++;
}

void green__callback_over(struct hub *hub)
{
	if (--hub->kept == 0)
		hub->flow->living--;
}
