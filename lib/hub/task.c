/* SPDX-License-Identifier: MIT */
/* task.c - greenlets that the hub schedules: spawn, join, yield, sleep */
#include <errno.h>

#include "base/sys.h"
#include "green/time.h"
#include "hub/task.h"

/* One who waits for the end of a task; lives on the waiter's stack. */
struct joiner {
	struct list link; /* on struct greenlet.joiners until woken */
	struct waiter waiter;
};

void green__task_ended(struct greenlet *task)
{
	struct list *node;

	task->state = GREENLET_DEAD;
	while ((node = list_pop(&task->joiners)))
		green__wake(&container_of(node, struct joiner, link)->waiter, 0);
}

struct greenlet *green__task_create(struct hub *hub, struct stack *stack, void *(*function)(void *), void *argument)
{
	struct greenlet *task = green__greenlet_create(hub->flow, stack, function, hub->greenlet);

	task->kind = GREENLET_TASK;
	task->thread_pointer = green__current->thread_pointer;
	task->program_context = green__current->program_context;
	task->argument = argument;
	task->ended = green__task_ended;
	return task;
}

void green__task_start(struct hub *hub, struct greenlet *task)
{
	critical_enter(hub->flow);
	task->scheduled = true;
	green__hub_ready(hub, task);
	critical_leave(hub->flow);
}

int green__task_join(struct greenlet *task, int64_t deadline, enum wait_mode mode)
{
	struct joiner joiner;
	int error;

	if (task->state == GREENLET_DEAD)
		return 0;
	critical_enter(task->flow);
	green__waiter_init(&joiner.waiter, mode, green__wait_join, task);
	list_append(&task->joiners, &joiner.link);
	error = green__park(&joiner.waiter, deadline);
	list_remove(&joiner.link);
	critical_leave(task->flow);
	return error;
}

int green__yield(struct hub *hub)
{
	if (unlikely(green__current->kind == GREENLET_HUB))
		return -EDEADLK;
	critical_enter(hub->flow);
	green__current->burst = 0;
	green__hub_ready(hub, green__current);
	green__hub_suspend(hub);
	critical_leave(hub->flow);
	return 0;
}

int green__sleep(struct hub *hub, int64_t deadline, enum wait_mode mode)
{
	struct waiter waiter;
	int error;

	(void)hub;
	green__waiter_init(&waiter, mode, green__wait_sleep, NULL);
	error = green__park(&waiter, deadline);
	return error == -ETIMEDOUT ? 0 : error;
}

struct greenlet *green_spawn(void *(*function)(void *), void *arg)
{
	struct hub *hub = green__hub();
	struct greenlet *task;
	struct stack *stack;

	if (!hub)
		return NULL;
	if (!function) {
		errno = EINVAL;
		return NULL;
	}
	stack = green__stack_take(hub->flow->stack_size);
	if (!stack)
		return NULL;
	task = green__task_create(hub, stack, function, arg);
	task->held = true;
	green__task_start(hub, task);
	return task;
}

static int join_error(struct hub *hub, const struct greenlet *task)
{
	if (!task || task->kind != GREENLET_TASK || !task->held)
		return EINVAL;
	if (task->flow != hub->flow)
		return EPERM;
	return task == green__current ? EDEADLK : 0;
}

/* 0 once TASK has ended, or an errno. */
static int wait_for_end(struct greenlet *task, int timeout_ms)
{
	if (task->state != GREENLET_DEAD && timeout_ms == 0)
		return ETIMEDOUT;
	return -green__raised_error(green__task_join(task, clock_after_ms(timeout_ms), WAIT_RAISABLE));
}

int green_join(struct greenlet *task, void **value, int timeout_ms)
{
	struct hub *hub = green__hub();
	int error;

	if (!hub)
		return -1;
	error = join_error(hub, task);
	if (!error)
		error = wait_for_end(task, timeout_ms);
	if (error) {
		errno = error;
		return -1;
	}
	if (value)
		*value = task->result;
	return 0;
}

static int kill_error(struct hub *hub, const struct greenlet *greenlet)
{
	if (!greenlet || (greenlet->kind != GREENLET_TASK && greenlet->kind != GREENLET_RAW) || !greenlet->held)
		return EINVAL;
	return greenlet->flow == hub->flow ? 0 : greenlet->flow->gone ? ESRCH : EPERM;
}

/* One that waits in a switch is given its turn; one of green_create that has not started has nobody who would start it. */
static void ask_to_end(struct hub *hub, struct greenlet *greenlet)
{
	struct greenlet *acting = acting_for(greenlet);

	if (greenlet->state == GREENLET_UNSTARTED && !greenlet->scheduled) {
		green__greenlet_ends(greenlet);
		return;
	}
	green__raise(greenlet, GREEN_EXIT, NULL);
	if (acting != green__current && acting->state == GREENLET_ACTIVE && !acting->scheduled)
		green__task_start(hub, acting);
}

int green_kill(struct greenlet *greenlet, int timeout_ms)
{
	struct hub *hub = green__hub();
	int error = hub ? kill_error(hub, greenlet) : ENOMEM;

	if (!error && greenlet->state != GREENLET_DEAD) {
		critical_enter(hub->flow);
		ask_to_end(hub, greenlet);
		if (!greenlet->ended)
			greenlet->ended = green__task_ended;
		critical_leave(hub->flow);
		/* Neither oneself, nor the consumer that waits for one's own next value, is waited for. */
		if (acting_for(greenlet) != green__current)
			error = wait_for_end(greenlet, timeout_ms);
	}
	if (error) {
		errno = error;
		return -1;
	}
	return 0;
}

int green_failure(const struct greenlet *task, void **value)
{
	bool failed = task->state == GREENLET_DEAD && task->error != GREEN_EXIT;

	if (value)
		*value = failed ? task->error_value : NULL;
	return failed ? task->error : 0;
}

int green_yield(void)
{
	struct hub *hub = green__hub();

	if (!hub)
		return -1;
	return (int)sys_result(green__yield(hub));
}

int green_sleep(int milliseconds)
{
	struct hub *hub = green__hub();
	int error = 0;

	if (!hub)
		return -1;
	if (milliseconds <= 0)
		error = green__yield(hub);
	else
		error = green__raised_error(green__sleep(hub, clock_after_ms(milliseconds), WAIT_RAISABLE));
	return (int)sys_result(error);
}

int64_t green_now(void)
{
	return clock_now();
}
