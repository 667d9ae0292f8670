/* SPDX-License-Identifier: MIT */
/* task.h - greenlets that the hub schedules: spawn, join, end */
#ifndef GREEN_HUB_TASK_H
#define GREEN_HUB_TASK_H

#include "hub/waiter.h"

#pragma GCC visibility push(default)

/*
 * green__task_create - a task on STACK that runs FUNCTION(ARGUMENT), not yet started
 *
 * STACK belongs to the task.  The caller may fill in thread_pointer, ended and
 * released before green__task_start.  Never fails.
 */
struct greenlet *green__task_create(struct hub *hub, struct stack *stack, void *(*function)(void *), void *argument);

/* green__task_start - let TASK have its turn in the next pass */
void green__task_start(struct hub *hub, struct greenlet *task);

/* green__task_ended - wake all joiners; the default of struct greenlet.ended */
void green__task_ended(struct greenlet *task);

/* green__task_join - wait until TASK is dead or about to be; 0 or -errno as green__park */
int green__task_join(struct greenlet *task, int64_t deadline, enum wait_mode mode);

/* green__yield - let everybody else who is ready run first; 0, or -EDEADLK in the hub greenlet */
int green__yield(struct hub *hub);

/* green__sleep - until DEADLINE; 0, or -EINTR */
int green__sleep(struct hub *hub, int64_t deadline, enum wait_mode mode);

#pragma GCC visibility pop

#endif
