/* SPDX-License-Identifier: MIT */
/* task.c - greenlets that the hub schedules: spawn, join, kill, yield, sleep */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/task.h"
#include "green/time.h"
#include "hub/task.h"
#include "switch/uncaught.h"

/* One who waits for the end of a task; lives on the waiter's stack. */
struct joiner {
	struct task_watch watch;
	struct waiter waiter;
};

/* Who is told may watch again. */
static void tell(struct greenlet *task)
{
	struct list *node = list_pop(&task->watches);
	struct list others;

	if (!node)
		return;
	list_init(&others);
	list_splice(&others, &task->watches);
	do {
		struct task_watch *watch = container_of(node, struct task_watch, link);

		watch->ended(watch, task);
	} while ((node = list_pop(&others)));
}

/* Unless somebody else does, and nobody after this.  Who was cancelled is no trouble. */
static void tell_of_error(struct greenlet *task)
{
	if (task->reported || task->error == GREEN_CANCELLED)
		return;
	task->reported = true;
	green__uncaught(GREEN_TROUBLE_TASK, task, task->error, task->error_value);
}

void green__task_ended(struct greenlet *task)
{
	/* Who is told of the error may wait, so the task is alive until then. */
	if (unlikely(green__task_failed(task)) && task->kind == GREENLET_TASK)
		tell_of_error(task);
	task->state = GREENLET_DEAD;
	tell(task);
}

void green__tasks_lost(struct flow *flow)
{
	struct list *node, *next;

	for (node = flow->all.next; node != &flow->all; node = next) {
		next = node->next;
		tell(container_of(node, struct greenlet, all));
	}
}

struct greenlet *green__task_create(struct hub *hub, struct stack *stack, void *(*function)(void *), void *argument)
{
	struct greenlet *task = green__greenlet_create(hub->flow, stack, function, hub->greenlet);

	task->kind = GREENLET_TASK;
	task->thread_pointer = green__task_block(hub);
	task->program_context = green__current->program_context;
	hub->flow->tasks++;
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

static void joined(struct task_watch *watch, struct greenlet *task)
{
	if (task->flow->hub)
		green__wake(&container_of(watch, struct joiner, watch)->waiter, 0);
}

int green__task_join(struct greenlet *task, int64_t deadline, enum wait_mode mode)
{
	struct joiner joiner;
	int error;

	if (task->state == GREENLET_DEAD)
		return 0;
	critical_enter(task->flow);
	green__waiter_init(&joiner.waiter, mode, green__wait_join, task);
	green__task_watch(task, &joiner.watch, joined);
	error = green__park_critical(&joiner.waiter, deadline);
	list_remove(&joiner.watch.link);
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

/* --- spawn --- */

static struct greenlet *task_make(struct hub *hub, void *(*function)(void *), void *arg)
{
	struct greenlet *task;
	struct stack *stack;

	if (!function) {
		errno = EINVAL;
		return NULL;
	}
	stack = green__flow_stack(hub->flow);
	if (!stack)
		return NULL;
	task = green__task_create(hub, stack, function, arg);
	task->held = true;
	return task;
}

struct greenlet *green_spawn(void *(*function)(void *), void *arg)
{
	struct hub *hub = green__hub();
	struct greenlet *task = hub ? task_make(hub, function, arg) : NULL;

	if (task)
		green__task_start(hub, task);
	return task;
}

/* An error that comes before the time is one that has come before the start. */
static void wait_to_begin(struct greenlet *task)
{
	green__sleep(task->flow->hub, task->begins, WAIT_RAISABLE);
}

struct greenlet *green_spawn_later(int delay_ms, void *(*function)(void *), void *arg)
{
	struct hub *hub = green__hub();
	struct greenlet *task = hub ? task_make(hub, function, arg) : NULL;

	if (!task)
		return NULL;
	if (delay_ms > 0) {
		task->begins = clock_after_ms(delay_ms);
		task->begin = wait_to_begin;
	}
	green__task_start(hub, task);
	return task;
}

/* --- join --- */

static int join_error(struct hub *hub, const struct greenlet *task)
{
	if (!green__task_is_good(task))
		return EINVAL;
	if (task->flow != hub->flow)
		return task->flow->gone ? ESRCH : EPERM;
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

/* Until each of TASKS has ended, but for the caller, and the consumer that waits for the caller's own next value. */
static int wait_for_all(struct greenlet *const *tasks, size_t count, int timeout_ms)
{
	int64_t deadline = clock_after_ms(timeout_ms);
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		if (!tasks[i] || tasks[i]->state == GREENLET_DEAD || acting_for(tasks[i]) == green__current)
			continue;
		error = timeout_ms == 0 ? -ETIMEDOUT : green__task_join(tasks[i], deadline, WAIT_RAISABLE);
	}
	return error;
}

/* One who waits for several tasks, or for the first that fails. */
struct several {
	struct waiter waiter;
	size_t left;
	bool failed;
};

struct one_of_several {
	struct task_watch watch;
	struct several *several;
};

static void one_ended(struct task_watch *watch, struct greenlet *task)
{
	struct several *several = container_of(watch, struct one_of_several, watch)->several;

	several->left--;
	several->failed |= green__task_failed(task);
	if (task->flow->hub && (several->left == 0 || several->failed))
		green__wake(&several->waiter, 0);
}

static void watch_several(struct several *several, struct one_of_several *watches, struct greenlet *const *tasks,
			  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		list_init(&watches[i].watch.link);
		watches[i].several = several;
		if (!tasks[i])
			continue;
		if (tasks[i]->state == GREENLET_DEAD) {
			several->failed |= green__task_failed(tasks[i]);
			continue;
		}
		green__task_watch(tasks[i], &watches[i].watch, one_ended);
		several->left++;
	}
}

static int wait_for_error(struct flow *flow, struct greenlet *const *tasks, size_t count, int timeout_ms)
{
	struct one_of_several *watches = green__fault_injected() ? NULL : calloc(count + 1, sizeof(*watches));
	struct several several = { .left = 0 };
	int error = 0;

	if (!watches)
		return -ENOMEM;
	critical_enter(flow);
	green__waiter_init(&several.waiter, WAIT_RAISABLE, "several tasks", NULL);
	watch_several(&several, watches, tasks, count);
	if (several.left && !several.failed)
		error = timeout_ms == 0 ? -ETIMEDOUT : green__park(&several.waiter, clock_after_ms(timeout_ms));
	for (size_t i = 0; i < count; i++)
		list_remove(&watches[i].watch.link);
	critical_leave(flow);
	free(watches);
	return error ? error : several.failed ? -ECHILD : 0;
}

int green_join_all(struct greenlet *const *tasks, size_t count, int flags, int timeout_ms)
{
	struct hub *hub = green__hub();
	int error = hub ? 0 : ENOMEM;

	for (size_t i = 0; i < count && !error; i++)
		error = tasks[i] ? join_error(hub, tasks[i]) : 0;
	if (!error && (flags & ~GREEN_STOP_AT_ERROR))
		error = EINVAL;
	if (!error && (flags & GREEN_STOP_AT_ERROR))
		error = -green__raised_error(wait_for_error(hub->flow, tasks, count, timeout_ms));
	else if (!error)
		error = -green__raised_error(wait_for_all(tasks, count, timeout_ms));
	return (int)sys_result(-error);
}

/* --- kill --- */

void green__task_ask(struct greenlet *greenlet, int code, void *value)
{
	struct flow *flow = greenlet->flow;
	struct greenlet *acting = acting_for(greenlet);

	critical_enter(flow);
	green__raise(greenlet, code, value);
	/* One that waits in a switch is given its turn. */
	if (acting != green__current && acting->state == GREENLET_ACTIVE && !acting->scheduled)
		green__task_start(flow->hub, acting);
	critical_leave(flow);
}

static int kill_error(struct hub *hub, const struct greenlet *greenlet)
{
	bool raw = greenlet && greenlet->kind == GREENLET_RAW && greenlet->held;

	if (!raw && !green__task_is_good(greenlet))
		return EINVAL;
	return greenlet->flow == hub->flow ? 0 : greenlet->flow->gone ? ESRCH : EPERM;
}

/* One of green_create that has not started has nobody who would start it; others tell of their end as tasks do. */
static void ask_victim(struct greenlet *victim, int code, void *value)
{
	if (victim->state == GREENLET_DEAD)
		return;
	if (!victim->ended)
		victim->ended = green__task_ended;
	if (victim->state == GREENLET_UNSTARTED && !victim->scheduled) {
		green__error_set(victim, code, value);
		green__greenlet_ends(victim);
	} else {
		green__task_ask(victim, code, value);
	}
}

int green_kill_with(struct greenlet *greenlet, int code, void *value, int timeout_ms)
{
	struct hub *hub = green__hub();
	int error = hub ? kill_error(hub, greenlet) : ENOMEM;

	if (!error && (code <= 0 || code > GREEN_TIMEOUT))
		error = EINVAL;
	if (!error) {
		ask_victim(greenlet, code, value);
		error = -green__raised_error(wait_for_all(&greenlet, 1, timeout_ms));
	}
	return (int)sys_result(-error);
}

int green_kill(struct greenlet *greenlet, int timeout_ms)
{
	return green_kill_with(greenlet, GREEN_EXIT, NULL, timeout_ms);
}

int green_kill_all(struct greenlet *const *tasks, size_t count, int timeout_ms)
{
	struct hub *hub = green__hub();
	int error = hub ? 0 : ENOMEM;

	for (size_t i = 0; i < count && !error; i++)
		error = tasks[i] ? kill_error(hub, tasks[i]) : 0;
	if (error) {
		errno = error;
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (tasks[i])
			ask_victim(tasks[i], GREEN_EXIT, NULL);
	}
	return (int)sys_result(green__raised_error(wait_for_all(tasks, count, timeout_ms)));
}

int green_failure(const struct greenlet *task, void **value)
{
	bool failed = task->state == GREENLET_DEAD && green__task_failed(task);

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
