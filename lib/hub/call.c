/* SPDX-License-Identifier: MIT */
/* call.c - functions that the hub calls once: soon, later, for another thread */
#include <errno.h>

#include "base/sys.h"
#include "green/loop.h"
#include "hub/callback.h"
#include "hub/waiter.h"

enum call_state {
	CALL_OVER,
	CALL_QUEUED, /* on one of the hub's lists, or its timer runs */
	CALL_POSTED, /* among what other threads have left for the hub */
};

struct call {
	struct callback callback;
	struct timer timer;
	struct remote remote;
	struct hub *hub;
	void (*function)(void *);
	void *arg;
	int state; /* atomic: enum call_state; set by the thread that posts, else by the hub's */
	int process; /* green__process when it was made: in a forked child no hub knows it */
};

_Static_assert(sizeof(struct call) <= sizeof(struct green_call), "fits into what the program gives");

/* From here on CALL's memory is the program's. */
static void over(struct call *call)
{
	call->state = CALL_OVER;
	green__callback_over(call->hub);
}

static void run(struct callback *callback)
{
	struct call *call = container_of(callback, struct call, callback);

	over(call);
	call->function(call->arg);
}

static void call_init(struct call *call, struct hub *hub, void (*function)(void *), void *arg)
{
	list_init(&call->callback.link);
	call->callback.run = run;
	call->timer.pending = false;
	call->hub = hub;
	call->process = green__process;
	call->function = function;
	call->arg = arg;
}

static void queue(struct call *call)
{
	call->state = CALL_QUEUED;
	green__callback_expected(call->hub);
	green__callback_queue(call->hub, &call->callback);
}

/* The calling thread's hub, if FUNCTION can be called; else NULL with errno. */
static struct hub *hub_for(void (*function)(void *))
{
	if (!function) {
		errno = EINVAL;
		return NULL;
	}
	return green__hub();
}

int green_call_soon(struct green_call *call, void (*function)(void *), void *arg)
{
	struct hub *hub = hub_for(function);

	if (!hub)
		return -1;
	call_init((struct call *)call, hub, function, arg);
	critical_enter(hub->flow);
	queue((struct call *)call);
	critical_leave(hub->flow);
	return 0;
}

static void time_has_come(struct timer *timer)
{
	struct call *call = container_of(timer, struct call, timer);

	green__callback_queue(call->hub, &call->callback);
}

int green_call_at(struct green_call *green_call, int64_t nanoseconds, void (*function)(void *), void *arg)
{
	struct call *call = (struct call *)green_call;
	struct hub *hub = hub_for(function);

	if (!hub)
		return -1;
	call_init(call, hub, function, arg);
	critical_enter(hub->flow);
	call->state = CALL_QUEUED;
	green__callback_expected(hub);
	timer_start(&hub->timers, &call->timer, nanoseconds, time_has_come);
	critical_leave(hub->flow);
	return 0;
}

int green_call_later(struct green_call *call, int delay_ms, void (*function)(void *), void *arg)
{
	return green_call_at(call, clock_after(delay_ms * NS_PER_MS), function, arg);
}

static void taken_in(struct hub *hub, struct remote *remote)
{
	(void)hub;
	queue(container_of(remote, struct call, remote));
}

int green_call_from_thread(struct green_hub *hub, struct green_call *green_call, void (*function)(void *), void *arg)
{
	struct call *call = (struct call *)green_call;

	if (!hub || !function) {
		errno = EINVAL;
		return -1;
	}
	call_init(call, (struct hub *)hub, function, arg);
	call->remote.run = taken_in;
	__atomic_store_n(&call->state, CALL_POSTED, __ATOMIC_RELEASE);
	green__hub_post(call->hub, &call->remote);
	return 0;
}

static bool is_waiting(const struct call *call)
{
	return __atomic_load_n(&call->state, __ATOMIC_ACQUIRE) != CALL_OVER && call->process == green__process;
}

bool green_call_stop(struct green_call *green_call)
{
	struct call *call = (struct call *)green_call;
	bool waiting;

	if (!is_waiting(call))
		return false;
	critical_enter(call->hub->flow);
	/* It cannot be taken out of the middle of what other threads have left. */
	if (__atomic_load_n(&call->state, __ATOMIC_ACQUIRE) == CALL_POSTED)
		green__hub_take_in(call->hub);
	waiting = call->state == CALL_QUEUED;
	if (waiting) {
		timer_stop(&call->hub->timers, &call->timer);
		list_remove(&call->callback.link);
		over(call);
	}
	critical_leave(call->hub->flow);
	return waiting;
}

bool green_call_pending(const struct green_call *call)
{
	return is_waiting((const struct call *)call);
}

struct green_hub *green_hub(void)
{
	return (struct green_hub *)green__hub();
}
