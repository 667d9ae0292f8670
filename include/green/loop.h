/* SPDX-License-Identifier: MIT */
/*
 * green/loop.h - callbacks: the loop under the hub for those who want to be called
 *
 *	static void tick(void *data) { ... }
 *
 *	struct green_call call;
 *
 *	green_call_later(&call, 1000, tick, NULL);
 *
 * A call lies where the program puts it and stays there while it is pending.
 * It is made by the hub, between tasks: the function may start, stop and spawn, but
 * not wait; a call that would wait fails there with EDEADLK.
 */
#ifndef GREEN_LOOP_H
#define GREEN_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet;
struct green_hub;

/* --- calls --- */

/* Lies where the program puts it until its function begins, or it is stopped. */
struct green_call {
	int64_t opaque[16];
};

/* green_call_soon - call FUNCTION(ARG) in the hub's next round, in the order of these calls; one that is made by such a call is for the round after.  Never fails once the thread has a hub. */
int green_call_soon(struct green_call *call, void (*function)(void *), void *arg);

/* green_call_later - in DELAY_MS milliseconds.  green_call_at - when green_now is NANOSECONDS */
int green_call_later(struct green_call *call, int delay_ms, void (*function)(void *), void *arg);
int green_call_at(struct green_call *call, int64_t nanoseconds, void (*function)(void *), void *arg);

/* green_call_from_thread - from any kernel thread: call FUNCTION(ARG) in HUB; the one call here that others than HUB's own thread may make */
int green_call_from_thread(struct green_hub *hub, struct green_call *call, void (*function)(void *), void *arg);

/* green_call_stop - do not call it.  Returns: true; false if it was not waiting any more */
bool green_call_stop(struct green_call *call);

/* green_call_pending - it is still going to be called */
bool green_call_pending(const struct green_call *call);

/* --- the hub --- */

/* green_hub - the calling kernel thread's, made if need be; valid until the thread ends.  NULL with errno */
struct green_hub *green_hub(void);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
