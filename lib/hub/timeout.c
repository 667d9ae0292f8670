/* SPDX-License-Identifier: MIT */
/* timeout.c - a time limit for a stretch of code */
#include <errno.h>

#include "base/sys.h"
#include "green/timeout.h"
#include "hub/waiter.h"

struct limit {
	struct timer timer;
	struct list link;          /* on greenlet->limits, unless it is for ever */
	struct greenlet *greenlet; /* NULL once it is ended */
	bool over;
	bool displaced;            /* its error has given way to a newer one before any call has told of it */
};

_Static_assert(sizeof(struct limit) <= sizeof(struct green_timeout), "fits into what the program gives");

/* True if no call of GREENLET has returned with the error that is pending. */
static bool is_unseen(const struct greenlet *greenlet)
{
	const struct waiter *waiter = greenlet->waiter;

	return greenlet->error_untold || (waiter && __atomic_load_n(&waiter->result, __ATOMIC_RELAXED) == -ECANCELED);
}

/* A newer error is about to take the place of what is pending. */
static void displace(struct greenlet *greenlet)
{
	const struct greenlet *acting = acting_for(greenlet);

	if (acting->error != GREEN_TIMEOUT || !is_unseen(acting))
		return;
	list_for_each(node, &greenlet->limits) {
		struct limit *limit = container_of(node, struct limit, link);

		if (acting->error_value == limit)
			limit->displaced = true;
	}
}

/* Nothing is pending in SELF any more: the newest of those that have given way has its turn now. */
static void put_back(struct greenlet *self)
{
	for (struct list *node = self->limits.prev; node != &self->limits; node = node->prev) {
		struct limit *limit = container_of(node, struct limit, link);

		if (!limit->displaced)
			continue;
		limit->displaced = false;
		green__error_set(self, GREEN_TIMEOUT, limit);
		return;
	}
}

static void time_is_over(struct timer *timer)
{
	struct limit *limit = container_of(timer, struct limit, timer);

	limit->over = true;
	displace(limit->greenlet);
	green__raise(limit->greenlet, GREEN_TIMEOUT, limit);
}

static void arm(struct limit *limit, int milliseconds)
{
	if (milliseconds < 0)
		return;
	list_append(&limit->greenlet->limits, &limit->link);
	timer_start(&limit->greenlet->flow->hub->timers, &limit->timer, clock_after_ms(milliseconds), time_is_over);
}

static void disarm(struct limit *limit)
{
	list_remove(&limit->link);
	timer_stop(&limit->greenlet->flow->hub->timers, &limit->timer);
}

int green_timeout_start(struct green_timeout *timeout, int milliseconds)
{
	struct limit *limit = (struct limit *)timeout;
	struct hub *hub = green__hub();

	*limit = (struct limit) { .over = false };
	if (!hub)
		return -1;
	critical_enter(hub->flow);
	limit->greenlet = green__current;
	list_init(&limit->link);
	arm(limit, milliseconds);
	critical_leave(hub->flow);
	return 0;
}

int green_timeout_left(const struct green_timeout *timeout)
{
	const struct limit *limit = (const struct limit *)timeout;

	if (limit->over)
		return 0;
	return limit->timer.pending ? clock_ms_until(limit->timer.node.key) : -1;
}

static int reset_error(const struct limit *limit)
{
	if (!limit->greenlet)
		return -EINVAL;
	if (!green__current || limit->greenlet->flow != green__current->flow)
		return -EPERM;
	return limit->over ? -ETIMEDOUT : 0;
}

int green_timeout_reset(struct green_timeout *timeout, int milliseconds)
{
	struct limit *limit = (struct limit *)timeout;
	int error = reset_error(limit);

	if (error)
		return (int)sys_result(error);
	critical_enter(limit->greenlet->flow);
	disarm(limit);
	arm(limit, milliseconds);
	critical_leave(limit->greenlet->flow);
	return 0;
}

bool green_timeout_end(struct green_timeout *timeout)
{
	struct limit *limit = (struct limit *)timeout;
	struct greenlet *self = green__current;
	bool over = limit->over;

	if (!self || !self->flow->hub || !limit->greenlet)
		return false;
	critical_enter(self->flow);
	disarm(limit);
	limit->greenlet = NULL;
	limit->over = false;
	if (self->error == GREEN_TIMEOUT && self->error_value == limit)
		green_error_clear();
	else if (over && self->error)
		/* The one failure that the caller has seen was this one's; the other's is still to come. */
		self->error_untold = true;
	if (!self->error)
		put_back(self);
	critical_leave(self->flow);
	return over;
}

/* Those who are left have as much time as in the parent. */
void green__timeouts_forked(struct hub *hub)
{
	list_for_each(node, &hub->flow->all) {
		list_for_each(link, &container_of(node, struct greenlet, all)->limits) {
			struct limit *limit = container_of(link, struct limit, link);

			if (!limit->over)
				timer_start(&hub->timers, &limit->timer, limit->timer.node.key, time_is_over);
		}
	}
}
