/* SPDX-License-Identifier: MIT */
/* link.c - what is to run when a task has ended */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/task.h"
#include "hub/callback.h"
#include "hub/task.h"

/*
 * Everything a link needs is made with it, so that the end of a task finds it.  It
 * stays among the watches of its task until it has begun, so that it can be dropped.
 */
struct link {
	struct task_watch watch;
	struct greenlet *task; /* pinned */
	int when;
	void (*function)(struct greenlet *task, void *arg); /* NULL: dropped after the end, but before its turn */
	void *arg;
	struct stack *stack;      /* of the task that will run it; NULL for one of the hub, or once that is made */
	uintptr_t thread_pointer; /* the TLS block of who made the link */
	struct callback callback; /* for one of the hub */
};

static void link_free(struct link *link)
{
	struct greenlet *task = link->task;

	list_remove(&link->watch.link);
	if (link->stack)
		green__stack_release(link->stack);
	free(link);
	green__unpin(task);
}

/* The turn of LINK has come; TASK stays until FUNCTION has returned. */
static void link_run(struct link *link)
{
	struct greenlet *task = link->task;
	void (*function)(struct greenlet *, void *) = link->function;
	void *arg = link->arg;

	list_remove(&link->watch.link);
	free(link);
	if (function)
		function(task, arg);
	critical_enter(task->flow);
	green__unpin(task);
	critical_leave(green__current->flow);
}

static void *link_main(void *link)
{
	link_run(link);
	return NULL;
}

static void run_in_hub(struct callback *callback)
{
	green__callback_over(green__current->flow->hub);
	link_run(container_of(callback, struct link, callback));
}

static void link_begin(struct link *link)
{
	struct hub *hub = link->task->flow->hub;
	struct greenlet *runner;

	if (link->when & GREEN_LINK_IN_HUB) {
		link->callback.run = run_in_hub;
		green__callback_expected(hub);
		green__callback_queue(hub, &link->callback);
		return;
	}
	runner = green__task_create(hub, link->stack, link_main, link);
	runner->thread_pointer = link->thread_pointer;
	link->stack = NULL;
	green__task_start(hub, runner);
}

static void link_due(struct task_watch *watch, struct greenlet *task)
{
	struct link *link = container_of(watch, struct link, watch);

	if (!task->flow->hub || !(link->when & (green__task_failed(task) ? GREEN_ON_ERROR : GREEN_ON_VALUE))) {
		link_free(link);
		return;
	}
	list_append(&task->watches, &watch->link);
	link_begin(link);
}

static int link_error(struct hub *hub, const struct greenlet *task)
{
	if (!green__task_is_good(task))
		return EINVAL;
	return task->flow == hub->flow ? 0 : task->flow->gone ? ESRCH : EPERM;
}

static struct link *link_create(struct hub *hub, int when)
{
	struct link *link = green__fault_injected() ? NULL : calloc(1, sizeof(*link));

	if (!link) {
		errno = ENOMEM;
		return NULL;
	}
	if (!(when & GREEN_LINK_IN_HUB) && !(link->stack = green__stack_take(hub->flow->stack_size))) {
		free(link);
		return NULL;
	}
	link->when = when;
	link->thread_pointer = green__task_block(hub);
	return link;
}

int green_link(struct greenlet *task, int when, void (*function)(struct greenlet *task, void *arg), void *arg)
{
	struct hub *hub = green__hub();
	int error = hub ? link_error(hub, task) : ENOMEM;
	struct link *link;

	if (!error && (!function || !(when & GREEN_ON_END) || (when & ~(GREEN_ON_END | GREEN_LINK_IN_HUB))))
		error = EINVAL;
	if (error) {
		errno = error;
		return -1;
	}
	link = link_create(hub, when);
	if (!link)
		return -1;
	link->task = task;
	link->function = function;
	link->arg = arg;
	critical_enter(hub->flow);
	task->pins++;
	green__task_watch(task, &link->watch, link_due);
	if (task->state == GREENLET_DEAD) {
		list_remove(&link->watch.link);
		link_due(&link->watch, task);
	}
	critical_leave(hub->flow);
	return 0;
}

static bool is_meant(const struct task_watch *watch, void (*function)(struct greenlet *, void *), void *arg)
{
	const struct link *link = container_of(watch, struct link, watch);

	if (watch->ended != link_due || !link->function)
		return false;
	return !function || (link->function == function && link->arg == arg);
}

size_t green_unlink(struct greenlet *task, void (*function)(struct greenlet *task, void *arg), void *arg)
{
	struct flow *flow = green__flow();
	struct list *node, *next;
	size_t count = 0;

	if (!flow || !task || task->flow != flow)
		return 0;
	critical_enter(flow);
	for (node = task->watches.next; node != &task->watches; node = next) {
		struct task_watch *watch = container_of(node, struct task_watch, link);
		struct link *link = container_of(watch, struct link, watch);

		next = node->next;
		if (!is_meant(watch, function, arg))
			continue;
		count++;
		if (task->state == GREENLET_DEAD)
			link->function = NULL;
		else
			link_free(link);
	}
	critical_leave(flow);
	return count;
}
