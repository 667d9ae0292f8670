/* SPDX-License-Identifier: MIT */
/* run.c - the hub as a program that is made of callbacks uses it: run, stop, one turn, idle */
#include <errno.h>

#include "base/sys.h"
#include "green/loop.h"
#include "hub/task.h"

/* What ends the wait of green_hub_run for green_hub_stop, and nothing else does. */
#define STOPPED (-ESHUTDOWN)

static int run_error(const struct hub *hub)
{
	if (green__current->kind == GREENLET_HUB)
		return -EDEADLK;
	return green__current == &hub->flow->main ? 0 : -EPERM;
}

/* Wait once; handlers of signals run between two waits, and end neither. */
static int run_once(struct hub *hub, int64_t deadline)
{
	struct waiter waiter;
	int error;

	critical_enter(hub->flow);
	green__waiter_init(&waiter, WAIT_BOTH, "hub to have nothing left", NULL);
	hub->runner = &waiter;
	error = green__park(&waiter, deadline);
	hub->runner = NULL;
	critical_leave(hub->flow);
	if (error == -EINTR)
		green__interrupted(true);
	return error;
}

int green_hub_run(int timeout_ms)
{
	struct hub *hub = green__hub();
	int64_t deadline = clock_after_ms(timeout_ms);
	int error;

	if (!hub)
		return -1;
	error = run_error(hub);
	if (error)
		return (int)sys_result(error);
	if (!hub->kept && !hub->flow->tasks)
		return 0;
	do {
		error = run_once(hub, deadline);
	} while (error == -EINTR);
	return (int)sys_result(error == STOPPED ? -EINTR : green__raised_error(error));
}

void green_hub_stop(void)
{
	struct hub *hub = green__current ? green__current->flow->hub : NULL;

	if (!hub || !hub->runner)
		return;
	critical_enter(hub->flow);
	green__wake(hub->runner, STOPPED);
	critical_leave(hub->flow);
}

/* Several times, for what the look at events makes ready comes behind the caller, and as long as that is ready nobody is idle. */
int green_hub_turn(void)
{
	struct hub *hub = green__hub();

	if (!hub)
		return -1;
	if (green__current->kind == GREENLET_HUB) {
		errno = EDEADLK;
		return -1;
	}
	/* However short the last round was. */
	hub->polled = 0;
	green__yield(hub);
	if (green__hub_busy(hub))
		green__yield(hub);
	critical_enter(hub->flow);
	green__hub_idle(hub);
	critical_leave(hub->flow);
	if (green__hub_busy(hub))
		green__yield(hub);
	return 0;
}

unsigned green_hub_slice(unsigned microseconds)
{
	struct hub *hub = green__hub();
	unsigned before = hub ? (unsigned)(hub->slice / 1000) : 0;

	if (hub && microseconds)
		hub->slice = microseconds * INT64_C(1000);
	return before;
}

int green_idle(void)
{
	struct hub *hub = green__hub();
	struct idler idler;
	int error;

	if (!hub)
		return -1;
	critical_enter(hub->flow);
	green__waiter_init(&idler.waiter, WAIT_RAISABLE, "idle hub", NULL);
	list_append(&hub->idlers, &idler.link);
	hub->chores = true;
	error = green__raised_error(green__park(&idler.waiter, CLOCK_NEVER));
	list_remove(&idler.link);
	critical_leave(hub->flow);
	return (int)sys_result(error);
}
