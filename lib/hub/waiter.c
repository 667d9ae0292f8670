/* SPDX-License-Identifier: MIT */
/* waiter.c - the only way to block */
#include <errno.h>

#include "base/alone.h"
#include "base/sys.h"
#include "hub/waiter.h"

const char green__wait_sleep[] = "sleep";
const char green__wait_join[] = "join";
const char green__wait_descriptors[] = "descriptor";

int green__process;

static GREEN_NOINLINE void timer_off(struct hub *hub, struct waiter *waiter)
{
	timer_stop(&hub->timers, &waiter->timer);
}

static void let_go_on(struct hub *hub, struct waiter *waiter)
{
	if (unlikely(waiter->timed))
		timer_off(hub, waiter);
	green__hub_ready(hub, waiter->greenlet);
}

/* Runs in the hub for a wake that came from another thread. */
static void wake_taken_in(struct hub *hub, struct remote *remote)
{
	struct waiter *waiter = container_of(remote, struct waiter, remote);

	waiter->from_outside = true;
	__atomic_add_fetch(&waiter->result, WAITER_FROM_OUTSIDE, __ATOMIC_RELAXED);
	/* Who is running handlers meanwhile looks when they have run. */
	if (waiter->greenlet->waiter == waiter)
		let_go_on(hub, waiter);
}

static bool decide(struct waiter *waiter, int result)
{
	return exchange_if(&waiter->result, WAITER_WAITING, result);
}

/* Of one who is lost with its kernel thread the flow may be gone: only who has decided may look into it. */
static GREEN_NOINLINE bool wake_from_outside(struct waiter *waiter, int result)
{
	struct greenlet *greenlet = waiter->greenlet;

	if (!decide(waiter, result - WAITER_FROM_OUTSIDE))
		return false;
	waiter->remote.run = wake_taken_in;
	green__hub_post(greenlet->flow->hub, &waiter->remote);
	return true;
}

bool green__wake(struct waiter *waiter, int result)
{
	struct greenlet *greenlet = waiter->greenlet, *self = green__current;

	if (unlikely(!self || self->flow != greenlet->flow))
		return wake_from_outside(waiter, result);
	if (!decide(waiter, result))
		return false;
	if (greenlet->waiter == waiter)
		let_go_on(self->flow->hub, waiter);
	return true;
}

static void time_is_over(struct timer *timer)
{
	green__wake(container_of(timer, struct waiter, timer), -ETIMEDOUT);
}

/* The wait ends with the error that is pending, unless something else has ended it before: then the next one does. */
static void raise_in(struct greenlet *greenlet, struct waiter *waiter)
{
	if (green__wake(waiter, -ECANCELED))
		greenlet->error_untold = false;
}

static int result_of(const struct waiter *waiter)
{
	return __atomic_load_n(&waiter->result, __ATOMIC_ACQUIRE);
}

/* What another thread decided it also posts, so the wait lasts until the hub has taken that in. */
static bool is_over(const struct waiter *waiter)
{
	int result = result_of(waiter);

	return result <= 0 && result > -WAITER_FROM_OUTSIDE;
}

/* True if only the hub of its own thread could find WAITER. */
static bool is_private(const struct waiter *waiter)
{
	return waiter->kind == green__wait_sleep || waiter->kind == green__wait_join ||
	       waiter->kind == green__wait_descriptors;
}

void green__waits_lost(struct hub *hub)
{
	list_for_each(node, &hub->flow->all) {
		struct greenlet *greenlet = container_of(node, struct greenlet, all);
		struct waiter *waiter = greenlet->waiter;

		if (!waiter)
			continue;
		/* Another thread has decided, and is about to post what it has decided. */
		while (!decide(waiter, -ESRCH) && !is_over(waiter)) {
			sys_call(SYS_sched_yield);
			green__hub_take_in(hub);
		}
		if (is_private(waiter))
			greenlet->waiter = NULL;
	}
}

/* The body of a generator holds back what its consumer does. */
static bool holds_errors(const struct greenlet *greenlet)
{
	while (!greenlet->holds && greenlet->kind == GREENLET_GENERATOR)
		greenlet = greenlet->parent;
	return greenlet->holds;
}

/* An error that is pending ends the wait, now or as it begins. */
static void raise_pending(struct waiter *waiter)
{
	struct greenlet *self = waiter->greenlet;

	if (!(waiter->mode & WAIT_RAISABLE))
		return;
	if (unlikely(self->kind == GREENLET_GENERATOR))
		green__error_inherit(self);
	if (unlikely(self->error) && green__error_fails_next(self) && !holds_errors(self))
		raise_in(self, waiter);
}

/* A wait that signals do not end goes on after their handlers, which run as if it were the kernel's. */
static bool lets_handlers_run(const struct waiter *waiter)
{
	return waiter->mode == WAIT_RAISABLE && waiter->greenlet->flow->hub->run_handlers;
}

static GREEN_NOINLINE void timer_on(struct hub *hub, struct waiter *waiter, int64_t deadline)
{
	if (is_over(waiter))
		return;
	waiter->timed = true;
	timer_start(&hub->timers, &waiter->timer, deadline, time_is_over);
}

/*
 * WAITER stays where it is, so whoever decides it meanwhile has decided it.  But a handler may jump away, and the
 * stack be somebody else's when the time is over; or fork, and in the child the hub's timers begin anew.
 */
static GREEN_NOINLINE void run_handlers(struct waiter *waiter)
{
	struct flow *flow = waiter->greenlet->flow;
	unsigned critical = flow->critical;

	if (waiter->timed)
		timer_off(flow->hub, waiter);
	waiter->greenlet->interrupted = false;
	flow->critical = 0;
	flow->hub->run_handlers();
	flow->critical = critical;
	raise_pending(waiter);
	if (waiter->timed)
		timer_on(flow->hub, waiter, waiter->timer.node.key);
}

static void suspend(struct hub *hub, struct waiter *waiter)
{
	struct greenlet *self = waiter->greenlet;

	self->waiter = waiter;
	self->burst = 0;
	hub->flow->stats->parks++;
	green__hub_suspend(hub);
	self->waiter = NULL;
}

/* What is pending ends the wait as it begins. */
static GREEN_NOINLINE void end_at_once(struct waiter *waiter)
{
	raise_pending(waiter);
	if ((waiter->mode & WAIT_INTERRUPTIBLE) && waiter->greenlet->interrupted)
		decide(waiter, -EINTR);
}

int green__park_critical(struct waiter *waiter, int64_t deadline)
{
	struct greenlet *self = waiter->greenlet;
	struct hub *hub = self->flow->hub;

	if (unlikely(self->error || self->interrupted || self->kind == GREENLET_GENERATOR))
		end_at_once(waiter);
	waiter->since = hub->now;
	if (deadline != CLOCK_NEVER)
		timer_on(hub, waiter, deadline);
	while (!is_over(waiter)) {
		if (unlikely(self->interrupted) && lets_handlers_run(waiter))
			run_handlers(waiter);
		else
			suspend(hub, waiter);
	}
	if (unlikely(waiter->timed))
		timer_off(hub, waiter);
	if (unlikely(result_of(waiter) == -EINTR))
		self->interrupted = false;
	return result_of(waiter);
}

void green__raised(struct greenlet *greenlet)
{
	if (greenlet->waiter && (greenlet->waiter->mode & WAIT_RAISABLE) && !holds_errors(greenlet))
		raise_in(greenlet, greenlet->waiter);
}

void green__raise(struct greenlet *greenlet, int code, void *value)
{
	struct greenlet *acting = acting_for(greenlet);

	green__error_set(acting, code, value);
	if (acting != greenlet && green__error_asks_for_end(code))
		green__error_set(greenlet, code, value);
	green__raised(acting);
}

void green__raise_again(void)
{
	green__current->error_untold = green__current->error != 0;
}

/* Make GREENLET run though its wait is not over; from now on whoever decides that need not. */
static void take_from_wait(struct greenlet *greenlet)
{
	greenlet->waiter = NULL;
	green__hub_ready(greenlet->flow->hub, greenlet);
}

void green__interrupt(struct greenlet *greenlet)
{
	struct waiter *waiter = greenlet->waiter;

	greenlet->interrupted = true;
	if (!waiter)
		return;
	if (waiter->mode & WAIT_INTERRUPTIBLE)
		green__wake(waiter, -EINTR);
	else if (lets_handlers_run(waiter) && result_of(waiter) == WAITER_WAITING)
		take_from_wait(greenlet);
}

bool green__interrupted(bool restartable)
{
	struct greenlet *self = green__current;
	struct hub *hub = self->flow->hub;

	self->interrupted = false;
	return hub->interrupted && hub->interrupted(self, restartable);
}
