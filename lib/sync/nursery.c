/* SPDX-License-Identifier: MIT */
/* nursery.c - a stretch of code that does not end before the tasks it has started */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/group.h"
#include "hub/task.h"

enum { CODES_KEPT = 8 };

struct nursery {
	struct greenlet *owner;
	struct list children;   /* struct child */
	struct waiter *closing; /* the owner's, while it waits in close */
	size_t failures;
	int codes[CODES_KEPT];  /* of the first */
	void *value;            /* what goes with the first */
	bool ending;            /* no more tasks */
	bool cancelled;         /* the owner, by this nursery */
};

_Static_assert(sizeof(struct nursery) <= sizeof(struct green_nursery), "fits into what the program gives");

struct child {
	struct list link;
	struct task_watch watch;
	struct nursery *nursery;
	struct greenlet *task;
};

int green_nursery_open(struct green_nursery *green_nursery)
{
	struct nursery *nursery = (struct nursery *)green_nursery;

	*nursery = (struct nursery) { .owner = NULL };
	list_init(&nursery->children);
	if (!green__hub())
		return -1;
	nursery->owner = green__current;
	return 0;
}

static void cancel_children(struct nursery *nursery)
{
	if (nursery->ending)
		return;
	nursery->ending = true;
	list_for_each(node, &nursery->children)
		green__cancel(container_of(node, struct child, link)->task);
}

/* Who waits in close has nothing to be told of. */
static void fail(struct nursery *nursery, const struct greenlet *task)
{
	if (nursery->failures == 0)
		nursery->value = task->error_value;
	if (nursery->failures < CODES_KEPT)
		nursery->codes[nursery->failures] = task->error;
	if (nursery->failures++ > 0 || nursery->ending)
		return;
	cancel_children(nursery);
	if (!nursery->closing) {
		nursery->cancelled = true;
		green__cancel(nursery->owner);
	}
}

static void child_ended(struct task_watch *watch, struct greenlet *task)
{
	struct child *child = container_of(watch, struct child, watch);
	struct nursery *nursery = child->nursery;

	list_remove(&child->link);
	free(child);
	/* With the kernel thread ends the stack that NURSERY lies on. */
	if (!task->flow->hub)
		return;
	if (green__task_failed(task) && task->error != GREEN_CANCELLED)
		fail(nursery, task);
	if (nursery->closing && list_empty(&nursery->children))
		green__wake(nursery->closing, 0);
}

static int spawn_error(const struct nursery *nursery)
{
	if (!nursery->owner || nursery->owner->flow != green__current->flow)
		return -EPERM;
	return nursery->ending ? -ESHUTDOWN : 0;
}

int green_nursery_spawn(struct green_nursery *green_nursery, void *(*function)(void *), void *arg)
{
	struct nursery *nursery = (struct nursery *)green_nursery;
	int error = green__hub() ? spawn_error(nursery) : -ENOMEM;
	struct child *child = error || green__fault_injected() ? NULL : malloc(sizeof(*child));
	struct greenlet *task;

	if (!child)
		return (int)sys_result(error ? error : -ENOMEM);
	task = green_spawn(function, arg);
	if (!task) {
		free(child);
		return -1;
	}
	critical_enter(task->flow);
	child->nursery = nursery;
	child->task = task;
	list_append(&nursery->children, &child->link);
	green__task_watch(task, &child->watch, child_ended);
	task->reported = true;
	task->held = false;
	critical_leave(task->flow);
	return 0;
}

static int wait_once(struct nursery *nursery, enum wait_mode mode)
{
	struct waiter waiter;
	int error;

	green__waiter_init(&waiter, mode, "nursery", nursery);
	nursery->closing = &waiter;
	error = green__park(&waiter, CLOCK_NEVER);
	nursery->closing = NULL;
	return error;
}

/* Errors that come once the children have been cancelled stay pending until they have ended. */
static int wait_for_children(struct nursery *nursery)
{
	enum wait_mode mode = nursery->ending ? WAIT_PLAIN : WAIT_RAISABLE;
	int error = 0;

	while (!list_empty(&nursery->children) && error != -EDEADLK) {
		error = wait_once(nursery, mode);
		if (error == -ECANCELED) {
			mode = WAIT_PLAIN;
			cancel_children(nursery);
		}
	}
	return error == -EDEADLK ? error : 0;
}

/* The request by which NURSERY has cancelled its owner is undone. */
static void take_back(struct nursery *nursery)
{
	struct greenlet *self = nursery->owner;

	if (!nursery->cancelled)
		return;
	nursery->cancelled = false;
	if (--self->cancels == 0 && self->error == GREEN_CANCELLED)
		green_error_clear();
}

/* What the caller has had before goes first: a request to end is not lost. */
static int outcome(struct nursery *nursery)
{
	struct greenlet *self = nursery->owner;

	if (!self->error && nursery->failures)
		green__error_set(self, nursery->codes[0], nursery->value);
	self->error_untold = false;
	return self->error ? -green_error_number(self->error) : 0;
}

int green_nursery_close(struct green_nursery *green_nursery)
{
	struct nursery *nursery = (struct nursery *)green_nursery;
	struct greenlet *self = green__current;
	int error;

	if (!self || nursery->owner != self)
		return (int)sys_result(-EPERM);
	critical_enter(self->flow);
	take_back(nursery);
	if (self->error)
		cancel_children(nursery);
	error = wait_for_children(nursery);
	if (!error) {
		nursery->ending = true;
		error = outcome(nursery);
	}
	critical_leave(self->flow);
	return (int)sys_result(error);
}

size_t green_nursery_failures(const struct green_nursery *green_nursery, int *codes, size_t count)
{
	const struct nursery *nursery = (const struct nursery *)green_nursery;

	for (size_t i = 0; i < count && i < nursery->failures && i < CODES_KEPT; i++)
		codes[i] = nursery->codes[i];
	return nursery->failures;
}
