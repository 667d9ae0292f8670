/* SPDX-License-Identifier: MIT */
/* cancel.c - requests to give up, which are counted, and stretches of code that errors from others do not reach */
#include <errno.h>

#include "green/task.h"
#include "hub/task.h"

void green__cancel(struct greenlet *greenlet)
{
	greenlet->cancels++;
	/* Who is being killed stays so. */
	if (greenlet->error != GREEN_EXIT)
		green__task_ask(greenlet, GREEN_CANCELLED, NULL);
}

static int cancel_error(const struct greenlet *task, const struct flow *flow)
{
	if (!task || (task->kind != GREENLET_TASK && task->kind != GREENLET_MAIN))
		return EINVAL;
	return task->flow == flow ? 0 : task->flow->gone ? ESRCH : EPERM;
}

bool green_cancel(struct greenlet *task)
{
	struct hub *hub = green__hub();
	int error = hub ? cancel_error(task, hub->flow) : ENOMEM;

	if (error) {
		errno = error;
		return false;
	}
	if (task->state == GREENLET_DEAD)
		return false;
	green__cancel(task);
	return true;
}

/* A body acts for its consumer: who is asked to give up is that one. */
static const struct greenlet *counted(const struct greenlet *greenlet)
{
	while (greenlet->kind == GREENLET_GENERATOR)
		greenlet = greenlet->parent;
	return greenlet;
}

unsigned green_cancelling(const struct greenlet *task)
{
	return task->state == GREENLET_ACTIVE ? counted(task)->cancels : task->cancels;
}

static void drop_cancellation(struct greenlet *greenlet)
{
	if (greenlet->error != GREEN_CANCELLED)
		return;
	greenlet->error = 0;
	greenlet->error_value = NULL;
	greenlet->error_untold = false;
}

unsigned green_uncancel(void)
{
	struct greenlet *self = green__current;
	struct greenlet *meant = self ? (struct greenlet *)counted(self) : NULL;

	if (!meant || meant->cancels == 0)
		return 0;
	if (--meant->cancels == 0) {
		for (; self != meant; self = self->parent)
			drop_cancellation(self);
		drop_cancellation(meant);
	}
	return meant->cancels;
}

void green_hold_errors(void)
{
	if (green__flow())
		green__current->holds++;
}

int green_release_errors(void)
{
	struct greenlet *self = green__current;

	if (!self || self->holds == 0) {
		errno = EINVAL;
		return -1;
	}
	self->holds--;
	return 0;
}
