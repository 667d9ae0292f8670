/* SPDX-License-Identifier: MIT */
/* handle.c - what a program asks of a greenlet and tells it, and how it gives it back */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/spinlock.h"
#include "switch/greenlet.h"

/* Between a thread that ends and others that give back handles of its greenlets. */
static struct spinlock border;

/* --- questions and settings --- */

struct greenlet *green_current(void)
{
	return green__flow() ? green__current : NULL;
}

struct greenlet *green_parent(const struct greenlet *greenlet)
{
	return greenlet->parent;
}

int green_set_parent(struct greenlet *greenlet, struct greenlet *parent)
{
	int error = 0;

	if (!greenlet || !parent || greenlet->kind != GREENLET_RAW)
		error = EINVAL;
	else if (greenlet->flow->gone || parent->flow->gone)
		error = ESRCH;
	else if (greenlet->flow != parent->flow || greenlet->flow != green__flow())
		error = EPERM;
	for (struct greenlet *above = parent; !error && above; above = above->parent) {
		if (above == greenlet)
			error = EINVAL;
	}
	if (error) {
		errno = error;
		return -1;
	}
	green__parent_change(greenlet, parent);
	return 0;
}

enum green_state green_state(const struct greenlet *greenlet)
{
	if (greenlet->state == GREENLET_DEAD)
		return GREEN_ENDED;
	if (greenlet->state == GREENLET_LOST)
		return GREEN_LOST;
	if (greenlet == green__current)
		return GREEN_RUNNING;
	if (greenlet->scheduled)
		return GREEN_PARKED;
	return greenlet->state == GREENLET_UNSTARTED ? GREEN_UNSTARTED : GREEN_SUSPENDED;
}

const char *green_state_name(enum green_state state)
{
	static const char *const names[] = {
		[GREEN_UNSTARTED] = "unstarted", [GREEN_RUNNING] = "running", [GREEN_SUSPENDED] = "suspended",
		[GREEN_PARKED] = "parked", [GREEN_ENDED] = "ended", [GREEN_LOST] = "lost",
	};

	return (unsigned)state < ARRAY_LENGTH(names) ? names[state] : "unknown";
}

bool green_dead(const struct greenlet *greenlet)
{
	return greenlet->state == GREENLET_DEAD || greenlet->state == GREENLET_LOST;
}

void *green_data(const struct greenlet *greenlet)
{
	return greenlet->data;
}

void green_set_data(struct greenlet *greenlet, void *data)
{
	greenlet->data = data;
}

void *green_context(const struct greenlet *greenlet)
{
	return greenlet->program_context;
}

int green_set_context(struct greenlet *greenlet, void *context)
{
	const struct flow *flow = green__flow();
	int error = 0;

	if (!greenlet || !flow)
		error = greenlet ? ENOMEM : EINVAL;
	else if (greenlet->flow != flow)
		error = greenlet->flow->gone ? ESRCH : EPERM;
	if (error) {
		errno = error;
		return -1;
	}
	greenlet->program_context = context;
	return 0;
}

int green_set_name(struct greenlet *greenlet, const char *name)
{
	if (!greenlet || !name) {
		errno = EINVAL;
		return -1;
	}
	snprintf(greenlet->name, sizeof(greenlet->name), "%s", name);
	return 0;
}

const char *green_name(const struct greenlet *greenlet)
{
	struct greenlet *named = (struct greenlet *)greenlet;

	if (!named->name[0])
		snprintf(named->name, sizeof(named->name), "greenlet-%llu", (unsigned long long)named->id);
	return named->name;
}

int green_set_stack_size(size_t bytes)
{
	struct flow *flow = green__flow();

	if (!flow)
		return -1;
	if (bytes < STACK_SIZE_MIN || bytes > (size_t)1 << 30) {
		errno = EINVAL;
		return -1;
	}
	flow->stack_size = bytes;
	return 0;
}

green_tracer *green_set_tracer(green_tracer *tracer, void *argument)
{
	struct flow *flow = green__flow();
	green_tracer *before = flow ? flow->tracer : NULL;

	if (flow) {
		flow->tracer = tracer;
		flow->tracer_argument = argument;
		flow_watch(flow);
	}
	return before;
}

/* --- the end of a handle --- */

/* True if GREENLET, suspended in the middle, has ended when it was asked to; how it ended is nobody's concern. */
static bool cleaned_up(struct greenlet *greenlet)
{
	struct greenlet *parent = greenlet->parent;
	struct error_kept kept;

	green__error_keep(&kept);
	green__parent_change(greenlet, green__current);
	green_throw(greenlet, GREEN_EXIT, NULL);
	green__error_put_back(&kept);
	if (greenlet->state == GREENLET_DEAD)
		return true;
	green__parent_change(greenlet, parent);
	return false;
}

static int give_back(struct greenlet *greenlet)
{
	if (greenlet->kind == GREENLET_RAW && greenlet->state == GREENLET_ACTIVE &&
	    (greenlet == green__current || greenlet->scheduled || greenlet->stand_in || !cleaned_up(greenlet)))
		return EBUSY;
	greenlet->held = false;
	if ((greenlet->state == GREENLET_DEAD && !greenlet->pins) || greenlet->kind == GREENLET_RAW)
		green__greenlet_release(greenlet);
	return 0;
}

/*
 * The owner's thread has ended; with the last of its handles goes its flow.  The stack of one that waited for what other
 * threads use stays for ever: its place in their queues lies there, and so may what a worker is still using.
 */
static void release_orphan(struct greenlet *orphan)
{
	struct flow *flow = orphan->flow;

	if (!orphan->waiter)
		green__greenlet_unmake(orphan);
	if (--flow->orphans == 0)
		free(flow);
}

bool green__orphan_release(struct greenlet *greenlet)
{
	bool gone;

	spinlock_lock(&border);
	gone = greenlet->flow->gone;
	if (gone)
		release_orphan(greenlet);
	spinlock_unlock(&border);
	return gone;
}

static void give_back_from_afar(struct greenlet *greenlet)
{
	struct flow *flow = greenlet->flow;

	spinlock_lock(&border);
	if (flow->gone) {
		release_orphan(greenlet);
	} else {
		greenlet->next_given_back = flow->given_back;
		__atomic_store_n(&flow->given_back, greenlet, __ATOMIC_RELEASE);
	}
	spinlock_unlock(&border);
}

int green_destroy(struct greenlet *greenlet)
{
	struct flow *flow = green__flow();
	int error = 0;

	if (!greenlet)
		return 0;
	if ((greenlet->kind != GREENLET_RAW && greenlet->kind != GREENLET_TASK) || !greenlet->held) {
		error = EINVAL;
	} else if (greenlet->flow != flow) {
		give_back_from_afar(greenlet);
	} else {
		green__taken_back(flow);
		error = give_back(greenlet);
	}
	if (error) {
		errno = error;
		return -1;
	}
	return 0;
}

/* One that is busy stays until the thread ends. */
void green__taken_back(struct flow *flow)
{
	struct greenlet *first;

	if (likely(!__atomic_load_n(&flow->given_back, __ATOMIC_ACQUIRE)))
		return;
	spinlock_lock(&border);
	first = flow->given_back;
	flow->given_back = NULL;
	spinlock_unlock(&border);
	while (first) {
		struct greenlet *next = first->next_given_back;

		if (give_back(first))
			first->held = false;
		first = next;
	}
}

/* The stack of an unfinished one to which nobody has a handle stays for ever: what lies on it may be referred to. */
void green__flow_gone(struct flow *flow)
{
	green__taken_back(flow);
	green__stack_cache_flush(&flow->stacks);
	spinlock_lock(&border);
	flow->gone = true;
	while (!list_empty(&flow->all)) {
		struct greenlet *greenlet = container_of(list_pop(&flow->all), struct greenlet, all);

		if (greenlet->state != GREENLET_DEAD)
			greenlet->state = GREENLET_LOST;
		if (greenlet->held)
			flow->orphans++;
	}
	if (!flow->orphans)
		free(flow);
	spinlock_unlock(&border);
}
