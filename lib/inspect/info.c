/* SPDX-License-Identifier: MIT */
/* info.c - what is known of one greenlet and of a hub, in numbers */
#include "inspect/info.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/sys.h"
#include "green/io.h"
#include "hub/fd.h"
#include "hub/waiter.h"

enum { PAGE = 4096, PAGES_AT_ONCE = 256 };

/* --- one greenlet --- */

static const char *kind_name(enum greenlet_kind kind)
{
	static const char *const names[] = {
		[GREENLET_RAW] = "greenlet", [GREENLET_MAIN] = "main", [GREENLET_HUB] = "hub", [GREENLET_TASK] = "task",
		[GREENLET_GENERATOR] = "generator",
	};

	return names[kind];
}

static void tell_descriptors(const struct fd_waits *waited, struct green_info *info)
{
	info->object = NULL;
	info->descriptors = waited->count;
	if (waited->count == 0)
		return;
	info->fd = waited->waits[0].fd;
	info->events |= waited->waits[0].events & EPOLLIN ? GREEN_READ : 0;
	info->events |= waited->waits[0].events & EPOLLOUT ? GREEN_WRITE : 0;
}

static void tell_wait(const struct waiter *waiter, struct green_info *info)
{
	int64_t now = clock_now();

	info->waits_for = waiter->kind;
	info->object = waiter->object;
	info->waiting_ms = now > waiter->since ? (now - waiter->since) / NS_PER_MS : 0;
	if (waiter->timed && waiter->timer.pending)
		info->left_ms = waiter->timer.node.key > now ? (waiter->timer.node.key - now) / NS_PER_MS : 0;
	if (waiter->kind == green__wait_descriptors)
		tell_descriptors(waiter->object, info);
}

void green__info(const struct greenlet *greenlet, struct green_info *info)
{
	*info = (struct green_info){
		.greenlet = (struct greenlet *)greenlet,
		.id = greenlet->id,
		.spawner = greenlet->spawner,
		.name = green_name(greenlet),
		.kind = kind_name(greenlet->kind),
		.state = green_state(greenlet),
		.error = greenlet->error,
		.fd = -1,
		.waiting_ms = -1,
		.left_ms = -1,
		.stack_size = greenlet->stack ? greenlet->stack->size : 0,
	};
	if (greenlet->waiter)
		tell_wait(greenlet->waiter, info);
	else if (greenlet->away)
		info->waits_for = "another kernel thread";
	else if (info->state == GREEN_PARKED)
		info->waits_for = "its turn";
	/* The hub runs when the others do not. */
	if (greenlet->kind == GREENLET_HUB && info->state == GREEN_SUSPENDED)
		info->state = GREEN_PARKED;
}

int green_get_info(const struct greenlet *greenlet, struct green_info *info)
{
	if (!greenlet || !info) {
		errno = EINVAL;
		return -1;
	}
	if (!green__current || greenlet->flow != green__current->flow) {
		errno = greenlet->state == GREENLET_LOST ? ESRCH : EPERM;
		return -1;
	}
	green__info(greenlet, info);
	return 0;
}

int green_for_each(green_visitor *visit, void *argument)
{
	struct flow *flow = green__flow();
	struct green_info info;
	int result = 0;

	if (!flow || !visit)
		return 0;
	for (struct list *node = flow->all.next, *next; node != &flow->all && !result; node = next) {
		green__info(container_of(node, struct greenlet, all), &info);
		next = node->next;
		result = visit(&info, argument);
	}
	return result;
}

/* --- a hub --- */

static size_t length(const struct list *list)
{
	size_t count = 0;

	list_for_each(node, list)
		count++;
	return count;
}

void green__hub_numbers(const struct hub *hub, struct green_hub_info *info)
{
	const struct flow *flow = hub->flow;

	*info = (struct green_hub_info){
		.thread = hub->thread,
		.greenlets = flow->living,
		.ready = length(&hub->ready) + length(&hub->pass) + length(&hub->preempted),
		.created = flow->last_id,
		.iterations = hub->iterations,
		.switches = flow->stats->switches,
		.parks = flow->stats->parks,
		.epoll_waits = flow->stats->epoll_waits,
	};
}

int green_get_hub_info(struct green_hub_info *info)
{
	struct hub *hub = green__hub();

	if (!hub)
		return -1;
	green__hub_numbers(hub, info);
	return 0;
}

/* --- stacks --- */

/* The lowest of the stack's pages that has ever been touched. */
static uintptr_t lowest_used(uintptr_t from, uintptr_t end)
{
	unsigned char resident[PAGES_AT_ONCE];

	while (from < end) {
		size_t pages = (end - from + PAGE - 1) / PAGE;

		if (pages > PAGES_AT_ONCE)
			pages = PAGES_AT_ONCE;
		if (sys_failed(sys_call(SYS_mincore, from, pages * PAGE, resident)))
			return from;
		for (size_t i = 0; i < pages; i++, from += PAGE) {
			if (resident[i] & 1)
				return from;
		}
	}
	return end;
}

size_t green_stack_used(const struct greenlet *greenlet)
{
	uintptr_t low, end;

	if (!greenlet || !greenlet->stack || green_dead(greenlet))
		return 0;
	low = ((uintptr_t)greenlet->stack->low + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	end = (uintptr_t)greenlet->stack->low + greenlet->stack->size;
	return end - lowest_used(low, end);
}
