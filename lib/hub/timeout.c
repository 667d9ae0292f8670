/* SPDX-License-Identifier: MIT */
/* timeout.c - a time limit for a stretch of code */
#include "green/timeout.h"
#include "hub/waiter.h"

struct limit {
	struct timer timer;
	struct greenlet *greenlet;
	bool over;
};

_Static_assert(sizeof(struct limit) <= sizeof(struct green_timeout), "fits into what the program gives");

static void time_is_over(struct timer *timer)
{
	struct limit *limit = container_of(timer, struct limit, timer);

	limit->over = true;
	green__raise(limit->greenlet, GREEN_TIMEOUT, limit);
}

int green_timeout_start(struct green_timeout *timeout, int milliseconds)
{
	struct limit *limit = (struct limit *)timeout;
	struct hub *hub = green__hub();

	*limit = (struct limit) { .greenlet = green__current };
	if (!hub)
		return -1;
	critical_enter(hub->flow);
	if (milliseconds >= 0)
		timer_start(&hub->timers, &limit->timer, clock_after_ms(milliseconds), time_is_over);
	critical_leave(hub->flow);
	return 0;
}

bool green_timeout_end(struct green_timeout *timeout)
{
	struct limit *limit = (struct limit *)timeout;
	struct greenlet *self = green__current;
	bool over = limit->over;

	if (!self || !self->flow->hub)
		return false;
	critical_enter(self->flow);
	timer_stop(&self->flow->hub->timers, &limit->timer);
	limit->over = false;
	if (self->error == GREEN_TIMEOUT && self->error_value == limit)
		green_error_clear();
	else if (over && self->error)
		/* The one failure that the caller has seen was this one's; the other's is still to come. */
		self->error_untold = true;
	critical_leave(self->flow);
	return over;
}
