/* SPDX-License-Identifier: MIT */
/*
 * green/loop.h - callbacks: the loop under the hub for those who want to be called
 *
 *	static void tick(struct green_watcher *watcher, int events) { ... }
 *
 *	struct green_watcher timer;
 *
 *	green_watch_timer(&timer, 1000, 1000, tick, NULL);
 *	green_hub_run(-1);
 *
 * A watcher lies where the program puts it and stays there while it is active.
 * Its callback is called by the hub, between tasks: it may start, stop and spawn,
 * but not wait; a call that would wait fails there with EDEADLK.  It may stop and reuse or free its
 * own watcher.  Watchers belong to the kernel thread that starts them.
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
struct green_watcher;

/* EVENTS: for a descriptor what holds of GREEN_READ and GREEN_WRITE; for a child its wait status; for a signal its number; else 0. */
typedef void green_watch_function(struct green_watcher *watcher, int events);

struct green_watcher {
	void *data; /* the program's, set by the call that starts it */
	int64_t opaque[24];
};

/*
 * Each green_watch_ call starts WATCHER, whose memory may hold anything before, with DATA for FUNCTION's use.
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL (an argument makes no sense), ENOMEM (no hub or no memory), and what is told below
 */

/* green_watch_fd - whenever FD is ready for what EVENTS names of GREEN_READ and GREEN_WRITE; EBADF: it is not open, EPERM: it is always ready */
int green_watch_fd(struct green_watcher *watcher, int fd, int events, green_watch_function *function, void *data);

/* green_watch_timer - after AFTER_MS, and then every REPEAT_MS, unless that is 0; one that is late skips what it has missed */
int green_watch_timer(struct green_watcher *watcher, int after_ms, int repeat_ms, green_watch_function *function, void *data);

/*
 * green_watch_signal - whenever the process gets the signal NUMBER, which then does nothing else
 *
 * Several watchers may share a signal; with the last, what the program had set for it is put back.  Does not keep the hub running.
 * EINVAL: no such signal, SIGKILL, SIGSTOP, or one of a fault.
 */
int green_watch_signal(struct green_watcher *watcher, int number, green_watch_function *function, void *data);

/* green_watch_child - once, when the child process PID has ended; it is reaped then.  ECHILD: it is no child of this process */
int green_watch_child(struct green_watcher *watcher, pid_t pid, green_watch_function *function, void *data);

/* green_watch_path - whenever what stat(2) says of PATH, which is looked at every INTERVAL_MS, has changed.  PATH is copied. */
int green_watch_path(struct green_watcher *watcher, const char *path, int interval_ms, green_watch_function *function, void *data);

/* green_watch_idle - in each round in which the hub has nothing else to do */
int green_watch_idle(struct green_watcher *watcher, green_watch_function *function, void *data);

/* green_watch_prepare - in each round before the hub looks for events.  green_watch_check - after it. */
int green_watch_prepare(struct green_watcher *watcher, green_watch_function *function, void *data);
int green_watch_check(struct green_watcher *watcher, green_watch_function *function, void *data);

/* green_watch_fork - in the child, after a fork by which the hub has begun anew */
int green_watch_fork(struct green_watcher *watcher, green_watch_function *function, void *data);

/* green_watch_wake - whenever green_watcher_send was called since the last time */
int green_watch_wake(struct green_watcher *watcher, green_watch_function *function, void *data);

/* green_watcher_send - from any thread or signal handler: let the callback of WATCHER, started by green_watch_wake, run */
void green_watcher_send(struct green_watcher *watcher);

/* green_watcher_feed - let the callback run in the next round with EVENTS, as if it had happened.  -1 with EINVAL if it is not active */
int green_watcher_feed(struct green_watcher *watcher, int events);

/* green_watcher_stop - the callback is not called any more; harmless if it was stopped before */
void green_watcher_stop(struct green_watcher *watcher);

/* green_watcher_active - it is started, and not stopped or over */
bool green_watcher_active(const struct green_watcher *watcher);

/* green_watcher_pending - its callback is going to be called in this round */
bool green_watcher_pending(const struct green_watcher *watcher);

/* green_watcher_keep - whether WATCHER alone keeps green_hub_run running and a wait from being a deadlock.  At first all do but signals. */
void green_watcher_keep(struct green_watcher *watcher, bool keep);

/* --- calls --- */

/* Lies where the program puts it until its function begins, or it is stopped.  In the child of a fork it is not waiting any more. */
struct green_call {
	int64_t opaque[16];
};

/*
 * green_call_soon - call FUNCTION(ARG) in the hub's next round, in the order of these calls
 *
 * One that is made by such a call is for the round after.  Once the thread has a hub, only a mistake makes it fail.
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL (FUNCTION is NULL) or ENOMEM (no hub could be made)
 */
int green_call_soon(struct green_call *call, void (*function)(void *), void *arg);

/* green_call_later - in DELAY_MS milliseconds.  green_call_at - when green_now is NANOSECONDS.  Otherwise as green_call_soon. */
int green_call_later(struct green_call *call, int delay_ms, void (*function)(void *), void *arg);
int green_call_at(struct green_call *call, int64_t nanoseconds, void (*function)(void *), void *arg);

/*
 * green_call_from_thread - from any kernel thread: call FUNCTION(ARG) in HUB; the one call here that others than HUB's own thread may make
 *
 * Switches: no.  Returns: 0; -1 with errno EINVAL: HUB or FUNCTION is NULL
 */
int green_call_from_thread(struct green_hub *hub, struct green_call *call, void (*function)(void *), void *arg);

/* green_call_stop - do not call it.  Returns: true; false if it was not waiting any more */
bool green_call_stop(struct green_call *call);

/* green_call_pending - it is still going to be called */
bool green_call_pending(const struct green_call *call);

/* --- the hub --- */

/* green_hub - the calling kernel thread's, made if need be; valid until the thread ends.  NULL with errno */
struct green_hub *green_hub(void);

/*
 * green_hub_run - let the hub run until nothing that keeps it running is left: no task but the caller, no watcher, no call
 *
 * Called by the thread's main greenlet only.
 * Switches: yes.
 * Returns: 0; -1 with errno ETIMEDOUT (TIMEOUT_MS passed, or a scope of green_timeout_start is over), ECANCELED (the
 * caller was asked to end), EPERM (not the main greenlet), EINTR (green_hub_stop was called), EDEADLK (tasks are left, but
 * nothing that could wake them, or a callback has called)
 */
int green_hub_run(int timeout_ms);

/* green_hub_stop - let green_hub_run return */
void green_hub_stop(void);

/*
 * green_hub_fd - a descriptor that is readable when the hub has something to do
 *
 * For a foreign event loop: watch it for reading, and call green_hub_turn whenever it is.  Timers make it readable,
 * too, and so do calls from other threads, also after switches of the main greenlet's own.  It is the hub's; do not read or close it.
 * Returns: the descriptor; -1 with errno EMFILE, ENFILE or ENOMEM
 */
int green_hub_fd(void);

/*
 * green_hub_turn - run what is ready, without waiting for more
 *
 * Switches: yes.  Returns: 0; -1 with errno ENOMEM, or EDEADLK in a callback
 */
int green_hub_turn(void);

/* green_hub_slice - how many microseconds tasks may run before the hub looks for events: 5000 unless set.  Returns: the old value; 0 only asks */
unsigned green_hub_slice(unsigned microseconds);

/* green_idle - wait until the hub has nothing else to do.  Switches: yes.  Returns: as green_yield, and as in green/sync.h */
int green_idle(void);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
