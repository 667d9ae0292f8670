/* SPDX-License-Identifier: MIT */
/* yields.c - stretches of code that have to let others run */
#include <errno.h>

#include "base/clock.h"
#include "green/debug.h"
#include "switch/greenlet.h"

struct scope {
	struct scope *outer; /* on flow->yields */
	struct greenlet *greenlet;
	int64_t since;       /* when it began to run this time */
	int64_t longest;
	uint64_t switches;   /* how often it has let others run */
};

_Static_assert(sizeof(struct scope) <= sizeof(struct green_yields), "fits into what the program gives");

static void stretch_end(struct scope *scope, int64_t now)
{
	if (now - scope->since > scope->longest)
		scope->longest = now - scope->since;
}

/* Told of each switch of the thread; a switch to oneself lets nobody else run. */
static void switched(struct greenlet *origin, struct greenlet *target)
{
	int64_t now = clock_now();

	for (struct scope *scope = target->flow->yields; scope && origin != target; scope = scope->outer) {
		if (scope->greenlet == origin) {
			stretch_end(scope, now);
			scope->switches++;
		} else if (scope->greenlet == target) {
			scope->since = now;
		}
	}
}

static void watch(struct flow *flow)
{
	flow->switched = flow->yields ? switched : NULL;
	flow_watch(flow);
}

int green_yields_start(struct green_yields *yields)
{
	struct scope *scope = (struct scope *)yields;
	struct flow *flow = green__flow();

	if (!flow)
		return -1;
	*scope = (struct scope){ .outer = flow->yields, .greenlet = green__current, .since = clock_now() };
	flow->yields = scope;
	watch(flow);
	return 0;
}

static void take_off(struct flow *flow, const struct scope *scope)
{
	for (struct scope **place = &flow->yields; *place; place = &(*place)->outer) {
		if (*place == scope) {
			*place = scope->outer;
			break;
		}
	}
	watch(flow);
}

int green_yields_end(struct green_yields *yields, int max_ms, int64_t *longest_ms)
{
	struct scope *scope = (struct scope *)yields;
	int error = 0;

	stretch_end(scope, clock_now());
	take_off(green__current->flow, scope);
	if (longest_ms)
		*longest_ms = scope->longest / NS_PER_MS;
	if (!scope->switches)
		error = EBUSY;
	else if (max_ms >= 0 && scope->longest > max_ms * NS_PER_MS)
		error = ETIME;
	if (error)
		errno = error;
	return error ? -1 : 0;
}
