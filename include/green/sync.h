/* SPDX-License-Identifier: MIT */
/*
 * green/sync.h - event, semaphore, mutex, condition, read-write lock, barrier
 *
 * Each is a struct that lies where the program puts it and is ready when it is zero
 * or set to its initialiser; there is nothing to finish.  What is in it is the library's own.
 *
 *	static struct green_mutex lock;
 *
 * All wait in the order in which they came.  Who is woken has what was waited for,
 * even if it is killed before its turn: its next call fails then.  All may be used by
 * greenlets of several kernel threads, and by threads that have no greenlets yet.
 * Not by signal handlers.  One that somebody waits for must stay in place.
 *
 * TIMEOUT_MS: -1 waits for ever, 0 only tests.  Calls that have it return
 * 0, or -1 with errno
 *   ETIMEDOUT  TIMEOUT_MS passed, or a scope of green_timeout_start is over
 *   ECANCELED  the caller was killed
 *   EDEADLK    nothing is left that could ever end this wait, or the caller is a callback of the loop
 *   ENOMEM     no hub could be made
 */
#ifndef GREEN_SYNC_H
#define GREEN_SYNC_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct greenlet;

/* Who waits, oldest first. */
struct green_waitq {
	void *first, *last;
	int lock;
};

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
