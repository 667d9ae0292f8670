/* SPDX-License-Identifier: MIT */
/* green/greenlet.h - greenlets that switch explicitly, and tasks that the hub schedules */
#ifndef GREEN_GREENLET_H
#define GREEN_GREENLET_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet;

/*
 * green_create - make a greenlet that will run FUNCTION
 *
 * FUNCTION starts at the first switch to the greenlet and gets the value of that
 * switch.  What it returns becomes the result of the parent's pending switch.
 * PARENT: NULL means the greenlet that calls.  The handle is the caller's until
 * green_destroy.
 *
 * Switches: no.
 * Returns: the greenlet; NULL with errno
 *   EINVAL  FUNCTION is NULL
 *   EPERM   PARENT belongs to another kernel thread
 *   ENOMEM, EAGAIN  no memory, no more guarded stacks
 */
struct greenlet *green_create(void *(*function)(void *), struct greenlet *parent);

/*
 * green_switch - go on in TARGET and hand it VALUE
 *
 * An unstarted TARGET starts, a suspended one sees its own green_switch return
 * VALUE, a dead one stands for its nearest living ancestor.  TARGET may be the
 * caller: the call then returns VALUE at once.
 *
 * Switches: yes.
 * Returns: the value with which somebody switches back, errno untouched; NULL with errno
 *   EINVAL  TARGET is NULL or the hub
 *   EPERM   TARGET belongs to another kernel thread
 *   EBUSY   TARGET waits in a blocking call or for its turn: only the hub may resume it
 */
void *green_switch(struct greenlet *target, void *value);

/* green_current - the greenlet that calls; NULL with errno ENOMEM only if the thread's first call finds no memory */
struct greenlet *green_current(void);

/* green_parent - who gets control when GREENLET ends: NULL for a thread's main greenlet, the hub for a task */
struct greenlet *green_parent(const struct greenlet *greenlet);

/*
 * green_set_parent - let PARENT have control when GREENLET ends
 *
 * Switches: no.
 * Returns: 0; -1 with errno
 *   EINVAL  either is NULL, GREENLET is a task, the hub or a main greenlet, or
 *           PARENT is GREENLET or one of its descendants
 *   EPERM   they belong to different kernel threads
 */
int green_set_parent(struct greenlet *greenlet, struct greenlet *parent);

/* green_dead - true once GREENLET's function has returned */
bool green_dead(const struct greenlet *greenlet);

/*
 * green_destroy - give the handle GREENLET back; NULL is fine
 *
 * A task may be given back at any time: one that still runs goes on and is freed
 * when it ends.  A greenlet of green_create must be unstarted or dead.
 *
 * Switches: no.
 * Returns: 0; -1 with errno
 *   EBUSY   a greenlet of green_create that is suspended in the middle
 *   EINVAL  a main greenlet or the hub
 *   EPERM   it belongs to another kernel thread
 */
int green_destroy(struct greenlet *greenlet);

/* green_set_name - NAME, copied and cut to 31 bytes, is what reports call GREENLET; 0, or -1 with EINVAL */
int green_set_name(struct greenlet *greenlet, const char *name);

/* green_name - GREENLET's name, by default "greenlet-N" or "main"; lives as long as the greenlet */
const char *green_name(const struct greenlet *greenlet);

/*
 * green_set_stack_size - BYTES of stack for the greenlets that this kernel thread makes from now on
 *
 * Rounded up to pages.  Returns: 0; -1 with errno EINVAL (under 16 KiB or over 1 GiB) or ENOMEM.
 */
int green_set_stack_size(size_t bytes);

/*
 * green_spawn - make a task that runs FUNCTION(ARG)
 *
 * It starts when the hub comes to it, never inside this call; tasks start in the
 * order in which they were spawned.  The handle is the caller's until
 * green_destroy, which may be called at once if nobody wants to join.
 *
 * Switches: no.
 * Returns: the task; NULL with errno EINVAL, ENOMEM or EAGAIN as green_create.
 */
struct greenlet *green_spawn(void *(*function)(void *), void *arg);

/*
 * green_join - wait until TASK has ended
 *
 * Any number of greenlets may join one task, any number of times; the task stays
 * until green_destroy.  *VALUE gets what its function returned; VALUE may be NULL.
 * TIMEOUT_MS: -1 waits for ever, 0 only tests.
 *
 * Switches: yes, unless TASK has ended.
 * Returns: 0; -1 with errno
 *   EINVAL     TASK is NULL or was not made by green_spawn
 *   EPERM      TASK belongs to another kernel thread
 *   EDEADLK    TASK is the caller, or nothing is left that could ever end this wait
 *   ETIMEDOUT  TIMEOUT_MS passed
 */
int green_join(struct greenlet *task, void **value, int timeout_ms);

/* green_yield - let every other task that is ready run first; Switches: yes.  Returns: 0, or -1 with ENOMEM */
int green_yield(void);

/*
 * green_offload - run FUNCTION(ARG) on a kernel thread of a small pool and wait for it
 *
 * For calls that epoll cannot wait for: name look-ups, big files, other people's
 * blocking libraries.  FUNCTION must use nothing of libgreen that belongs to the
 * caller's thread.  Other greenlets run meanwhile.  The wait cannot be cut short.
 *
 * Switches: yes.
 * Returns: what FUNCTION returned, with the errno that it left; NULL with errno
 *   EINVAL, ENOMEM, or EAGAIN if no kernel thread could be made
 */
void *green_offload(void *(*function)(void *), void *arg);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
