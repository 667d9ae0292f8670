/* SPDX-License-Identifier: MIT */
/*
 * green/task.h - more about tasks: later starts, several at once, links, cancellation
 *
 * green/greenlet.h has green_spawn, green_join and green_kill.
 */
#ifndef GREEN_TASK_H
#define GREEN_TASK_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet;

/*
 * green_spawn_later - make a task that starts in DELAY_MS milliseconds
 *
 * As green_spawn otherwise.  0 or less: at once.  Killed or cancelled before, it never starts.
 */
struct greenlet *green_spawn_later(int delay_ms, void *(*function)(void *), void *arg);

/*
 * green_join_all - wait until all of COUNT TASKS have ended
 *
 * FLAGS: 0, or GREEN_STOP_AT_ERROR: not longer than until one of them has failed.  TIMEOUT_MS: as for green_join.
 * A place of TASKS may be NULL.
 *
 * Switches: yes, unless they have ended.
 * Returns: 0 if all have ended; -1 with errno
 *   ECHILD     with GREEN_STOP_AT_ERROR: one has failed; green_failure finds it
 *   ENOMEM     with GREEN_STOP_AT_ERROR: there is no memory
 *   and those of green_join
 */
enum { GREEN_STOP_AT_ERROR = 1 };

int green_join_all(struct greenlet *const *tasks, size_t count, int flags, int timeout_ms);

/*
 * green_kill_all - ask all of COUNT TASKS to end, and wait until they have
 *
 * All are asked before any of them runs.  As green_kill otherwise; places may be NULL.  If the caller is among
 * them, its own wait fails.
 */
int green_kill_all(struct greenlet *const *tasks, size_t count, int timeout_ms);

/*
 * green_kill_with - ask GREENLET to end with the error CODE and VALUE instead of GREEN_EXIT
 *
 * As green_kill otherwise.  An ordinary code fails one call only; EINVAL: CODE is no code.
 */
int green_kill_with(struct greenlet *greenlet, int code, void *value, int timeout_ms);

/*
 * green_link - when TASK has ended, run FUNCTION(TASK, ARG) as a task of its own
 *
 * WHEN: on which ends.  Links run in the order in which they were made, those of the hub apart, each once;
 * one that is made after the end runs, too.  What they need is set aside here, so none is missed.
 * GREEN_LINK_IN_HUB: call FUNCTION in the hub; it must not block then.  TASK's handle stays good until its
 * links have run.
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL (no task, no function), EPERM, ESRCH, ENOMEM, EAGAIN
 */
enum green_link_when {
	GREEN_ON_VALUE = 1,
	GREEN_ON_ERROR = 2,
	GREEN_ON_END = 3,
	GREEN_LINK_IN_HUB = 4,
};

int green_link(struct greenlet *task, int when, void (*function)(struct greenlet *task, void *arg), void *arg);

/*
 * green_unlink - drop the links of TASK with this FUNCTION and ARG that have not begun; FUNCTION NULL: all
 *
 * Returns: how many.
 */
size_t green_unlink(struct greenlet *task, void (*function)(struct greenlet *task, void *arg), void *arg);

/*
 * green_cancel - ask TASK to give up, and count the request
 *
 * It gets the error GREEN_CANCELLED: calls that park it fail with ECANCELED until it
 * calls green_error_clear, green_uncancel or ends.  If it ends with that error pending, green_failure
 * says GREEN_CANCELLED.  One that is being killed stays so.  TASK may be the caller, or the main greenlet.
 *
 * Switches: no.
 * Returns: true; false if TASK has ended, or with errno EINVAL, EPERM, ESRCH
 */
bool green_cancel(struct greenlet *task);

/* green_cancelling - how many requests to cancel TASK have not been undone; of a body that runs: to cancel who waits for its value */
unsigned green_cancelling(const struct greenlet *task);

/*
 * green_uncancel - undo one request to cancel the calling greenlet
 *
 * With the last one, a GREEN_CANCELLED that is pending is dropped.  In the body of a generator the greenlet that
 * waits for its value is meant.  Returns: how many are left.
 */
unsigned green_uncancel(void);

/*
 * green_hold_errors - until green_release_errors, no error that others throw ends a wait of the calling greenlet
 *
 * Nor does a scope of time.  For clean-up that must wait.  What comes meanwhile stays pending.  Nests.
 */
void green_hold_errors(void);

/* green_release_errors - undo one green_hold_errors.  Returns: 0; -1 with errno EINVAL: nothing is held */
int green_release_errors(void);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
