/* SPDX-License-Identifier: MIT */
/*
 * watcher.h - what a program wants to be called for; the kinds of it lie in watcher.c, signal.c, child.c and net/watch_fd.c
 *
 * What a watcher waits for happens somewhere, and only queues its callback; it is
 * called in the next round.  The watcher may be gone when its function returns, so
 * whatever it needs to go on is done before.
 */
#ifndef GREEN_HUB_WATCHER_H
#define GREEN_HUB_WATCHER_H

#include "green/loop.h"
#include "hub/callback.h"
#include "hub/fd.h"

#pragma GCC visibility push(default)

struct watcher;
struct watched_path;

struct watcher_kind {
	/* About to be called, and to stay active; or NULL. */
	void (*again)(struct watcher *watcher);
	/* Stopped or over: forget what was kept for it; or NULL. */
	void (*stop)(struct watcher *watcher);
	/* In the child of a fork, where nothing tells of it any more: give back what it had; or NULL. */
	void (*forked)(struct watcher *watcher);
	bool timed; /* a timer of the hub runs for it */
};

struct watcher {
	void *data; /* where struct green_watcher has it */
	struct callback callback;
	struct list active;  /* on one of the hub's lists of watchers */
	struct hub *hub;     /* NULL: not active */
	const struct watcher_kind *kind;
	green_watch_function *function;
	int events;          /* what the function is told */
	bool keep;           /* counted in hub->kept */
	bool over;           /* the call that is queued is the last */
	union {
		struct {
			struct timer timer;
			int64_t repeat;
			struct watched_path *path;
		};
		struct {
			struct fd_wait wait;
			pid_t pid;
		};
		struct {
			struct remote remote;
			int sent; /* atomic */
		};
		struct {
			int number;
			struct list signal; /* signal.c */
		};
	};
};

_Static_assert(sizeof(struct watcher) <= sizeof(struct green_watcher), "fits into what the program gives");

/*
 * green__watcher_begin - the common part of every green_watch_ call, before anything can happen
 *
 * Returns: WATCHER, which is not active yet; NULL with errno EINVAL (no FUNCTION) or ENOMEM (no hub).
 */
struct watcher *green__watcher_begin(struct green_watcher *watcher, const struct watcher_kind *kind,
				     green_watch_function *function, void *data);

/* green__watcher_start - WATCHER is active from now on, and kept; critical */
void green__watcher_start(struct watcher *watcher);

/* green__watcher_happened - let WATCHER be called with EVENTS in the next round, unless it is going to be; critical */
void green__watcher_happened(struct watcher *watcher, int events);

/* green__watcher_end - WATCHER is not active any more and its memory the program's; critical */
void green__watcher_end(struct watcher *watcher);

/* green__watchers_idle - nothing else is to be done: let the idle watchers be called */
void green__watchers_idle(struct hub *hub);

/* green__watchers_prepare - call those who want it before the hub polls, now */
void green__watchers_prepare(struct hub *hub);

/* green__watchers_check - the hub has polled: let those who want it be called before all else */
void green__watchers_check(struct hub *hub);

/* green__watchers_init - HUB has none */
void green__watchers_init(struct hub *hub);

/* green__watchers_finish - HUB's thread ends: none is active any more */
void green__watchers_finish(struct hub *hub);

/* green__watchers_forked - in the child: only those of green_watch_fork are active, and are called */
void green__watchers_forked(struct hub *hub);

#pragma GCC visibility pop

#endif
