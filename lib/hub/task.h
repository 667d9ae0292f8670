/* SPDX-License-Identifier: MIT */
/* task.h - greenlets that the hub schedules: spawn, join, end */
#ifndef GREEN_HUB_TASK_H
#define GREEN_HUB_TASK_H

#include "hub/waiter.h"

#pragma GCC visibility push(default)

/* One who is told of the end of a task: on that task's own stack, critical, in the order in which they came. */
struct task_watch {
	struct list link; /* on struct greenlet.watches until told, or what it makes of it then */
	/* If TASK's flow has no hub any more, the kernel thread ends, too. */
	void (*ended)(struct task_watch *watch, struct greenlet *task);
};

/* green__task_watch - let WATCH be told by ENDED when TASK, which has not ended, does; or list_remove(&watch->link) */
static inline void green__task_watch(struct greenlet *task, struct task_watch *watch,
				     void (*ended)(struct task_watch *, struct greenlet *))
{
	watch->ended = ended;
	list_append(&task->watches, &watch->link);
}

/*
 * green__task_create - a task on STACK that runs FUNCTION(ARGUMENT), not yet started
 *
 * STACK belongs to the task.  The caller may fill in thread_pointer, ended and
 * released before green__task_start.  Never fails.
 */
struct greenlet *green__task_create(struct hub *hub, struct stack *stack, void *(*function)(void *), void *argument);

/* green__task_start - let TASK have its turn in the next pass */
void green__task_start(struct hub *hub, struct greenlet *task);

/* green__task_is_good - the program may use TASK: a task that it holds, or one whose links have not run */
static inline bool green__task_is_good(const struct greenlet *task)
{
	return task && task->kind == GREENLET_TASK && (task->held || task->pins);
}

/* green__task_block - the TLS block for tasks that the current greenlet makes: its own; the hub has none to share */
static inline uintptr_t green__task_block(const struct hub *hub)
{
	uintptr_t own = green__current->thread_pointer;

	return own ? own : hub->flow->main.thread_pointer;
}

/* green__task_ask - CODE and VALUE are pending in GREENLET, which gets its turn if it waits in a switch */
void green__task_ask(struct greenlet *greenlet, int code, void *value);

/* green__cancel - as green_cancel, of one of the caller's thread that has not ended */
void green__cancel(struct greenlet *greenlet);

/* green__task_failed - true if TASK, which is dead or about to be, has ended in error */
static inline bool green__task_failed(const struct greenlet *task)
{
	return task->error && task->error != GREEN_EXIT;
}

/* green__tasks_lost - FLOW has no hub any more: tell those who watch its tasks */
void green__tasks_lost(struct flow *flow);

/* green__task_ended - tell all who watch; the default of struct greenlet.ended */
void green__task_ended(struct greenlet *task);

/* green__task_join - wait until TASK is dead or about to be; 0 or -errno as green__park */
int green__task_join(struct greenlet *task, int64_t deadline, enum wait_mode mode);

/* green__yield - let everybody else who is ready run first; 0, or -EDEADLK in the hub greenlet */
int green__yield(struct hub *hub);

/* green__sleep - until DEADLINE; 0, or -EINTR */
int green__sleep(struct hub *hub, int64_t deadline, enum wait_mode mode);

#pragma GCC visibility pop

#endif
