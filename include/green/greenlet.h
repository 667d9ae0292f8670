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
 *   ENOMEM  it is the thread's first call, and there is no memory
 */
void *green_switch(struct greenlet *target, void *value);

/*
 * green_set_tracer - let TRACER be told of each switch between greenlets of the calling kernel thread
 *
 * It runs after the switch, in TARGET, with the ARGUMENT given here; ORIGIN is NULL
 * if that greenlet has ended and is gone.  EVENT is GREEN_TRACE_THROW if TARGET gets an
 * error, else GREEN_TRACE_SWITCH; a switch to oneself is told as well.  What it
 * returns is 0, or a code as for green_throw: then it is removed, and the code
 * becomes the error of the switch.  Switches that it makes itself are not told.
 * TRACER: NULL for none.
 *
 * Switches: no.
 * Returns: the tracer of before, or NULL
 */
enum green_trace { GREEN_TRACE_SWITCH, GREEN_TRACE_THROW };

typedef int green_tracer(enum green_trace event, struct greenlet *origin, struct greenlet *target, void *argument);

green_tracer *green_set_tracer(green_tracer *tracer, void *argument);

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
 *   EPERM   they belong to different kernel threads, or to another one than the caller's; ESRCH: that has ended
 */
int green_set_parent(struct greenlet *greenlet, struct greenlet *parent);

/*
 * green_state - what GREENLET is doing
 *
 * Also of a greenlet of another kernel thread, where it may be over by the time it is told.
 */
enum green_state {
	GREEN_UNSTARTED, /* its function has not been called yet */
	GREEN_RUNNING,   /* it is the one that runs on its kernel thread */
	GREEN_SUSPENDED, /* it waits in green_switch or green_throw */
	GREEN_PARKED,    /* it waits in a blocking call or for its turn */
	GREEN_ENDED,     /* its function has returned */
	GREEN_LOST,      /* its kernel thread has ended */
};

enum green_state green_state(const struct greenlet *greenlet);

/* green_state_name - "suspended" and the like; a constant text */
const char *green_state_name(enum green_state state);

/* green_dead - true once GREENLET's function has returned, or its kernel thread has ended */
bool green_dead(const struct greenlet *greenlet);

/* green_data, green_set_data - one pointer for the program's own use, NULL at first; nobody frees it */
void *green_data(const struct greenlet *greenlet);
void green_set_data(struct greenlet *greenlet, void *data);

/*
 * green_context, green_set_context - what the work that GREENLET does belongs to: a request, a user, a trace
 *
 * One pointer, which nobody follows, copies or frees.  A greenlet of green_create begins
 * with NULL, which means none; a task with that of the greenlet that spawns it.
 *
 * Switches: no.
 * Returns: the pointer; green_set_context 0, or -1 with errno
 *   EINVAL  GREENLET is NULL
 *   EPERM   it belongs to another kernel thread; ESRCH: to one that has ended
 */
void *green_context(const struct greenlet *greenlet);
int green_set_context(struct greenlet *greenlet, void *context);

/*
 * green_destroy - give the handle GREENLET back; NULL is fine
 *
 * A task may be given back at any time: one that still runs goes on and is freed
 * when it ends.  A greenlet of green_create that is suspended in the middle gets
 * GREEN_EXIT, with the caller as its parent, so that it can clean up; an error with
 * which it ends is dropped.  Another kernel thread than the greenlet's own may call
 * this; the owner then frees it when it makes or destroys its next greenlet, or ends.
 *
 * Switches: to a greenlet that has to clean up, and back.
 * Returns: 0; -1 with errno
 *   EBUSY   a greenlet of green_create that waits in a blocking call, or that has
 *           switched away instead of ending: the handle is as good as before
 *   EINVAL  a main greenlet or the hub
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
 * What TASK ended with is never the caller's error: see green_failure.
 *
 * Any number of greenlets may join one task, any number of times; the task stays
 * until green_destroy.  *VALUE gets what its function returned, NULL if it failed; VALUE may be NULL.
 * TIMEOUT_MS: -1 waits for ever, 0 only tests.
 *
 * Switches: yes, unless TASK has ended.
 * Returns: 0; -1 with errno
 *   EINVAL     TASK is NULL or was not made by green_spawn
 *   EPERM      TASK belongs to another kernel thread; ESRCH: to one that has ended
 *   EDEADLK    TASK is the caller, or nothing is left that could ever end this wait
 *   ETIMEDOUT  TIMEOUT_MS passed, or a scope of green_timeout_start is over
 *   ECANCELED  the caller was killed
 */
int green_join(struct greenlet *task, void **value, int timeout_ms);

/*
 * green_kill - ask GREENLET, a task or one of green_create, to end, and wait until it has
 *
 * It gets the error GREEN_EXIT: the call it is parked in fails with ECANCELED, and so
 * does every later one that would park it, until it calls green_error_clear or
 * ends.  One that waits in a switch sees that fail when the hub comes to it, and ends in
 * its parent as ever.  One that has not started never will; one that has ended already
 * stays as it is.  It may refuse: then it runs on, and so does the wait.
 * TIMEOUT_MS: as for green_join; 0 does not wait.  GREENLET may be the caller, which
 * gets the error and does not wait.
 *
 * Switches: yes, unless GREENLET has ended, is the caller, or TIMEOUT_MS is 0.
 * Returns: 0 if it has ended; -1 with errno
 *   EINVAL     GREENLET is NULL, a main greenlet, the hub or that of a generator
 *   EPERM      it belongs to another kernel thread; ESRCH: to one that has ended
 *   EDEADLK    nothing is left that could ever end this wait
 *   ECANCELED  the caller was killed
 *   ETIMEDOUT  it has not ended yet, or a scope of green_timeout_start is over
 */
int green_kill(struct greenlet *greenlet, int timeout_ms);

/*
 * green_failure - the code of the error with which TASK, or any other greenlet, has ended
 *
 * *VALUE, unless VALUE is NULL, gets what was thrown with it.
 * Returns: the code; 0 if it has not ended, or not in error (GREEN_EXIT is none)
 */
int green_failure(const struct greenlet *task, void **value);

/*
 * green_yield - let every other task that is ready run first
 *
 * Switches: yes.  Returns: 0; -1 with errno ENOMEM or EMFILE (no hub could be made), or EDEADLK in a callback of the loop
 */
int green_yield(void);

/*
 * green_offload - run FUNCTION(ARG) on a kernel thread of a small pool and wait for it
 *
 * For calls that epoll cannot wait for: name look-ups, big files, other people's
 * blocking libraries.  FUNCTION must use nothing of libgreen that belongs to the
 * caller's thread.  Other greenlets run meanwhile.  The wait cannot be cut short.  If the caller's thread ends
 * meanwhile, FUNCTION goes on, and the caller's stack stays for ever, for ARG may lie there.
 *
 * Switches: yes.
 * Returns: what FUNCTION returned, with the errno that it left; NULL with errno
 *   EINVAL   FUNCTION is NULL
 *   EAGAIN   no kernel thread could be made
 *   EDEADLK  the caller is a callback of the loop
 *   ESRCH    FUNCTION has ended its kernel thread
 *   ENOMEM, EMFILE  no hub could be made
 */
void *green_offload(void *(*function)(void *), void *arg);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
