/* SPDX-License-Identifier: MIT */
/*
 * walk.h - the frames on a stack, by libunwind: one that stands still, or a copy of one that goes on
 *
 * libunwind exports the unwinder's own names, and would capture a C++ program's exceptions if
 * it were linked; so it is loaded for itself, when there is the first stack to walk.  It
 * is given every stack as if it were another process's, so that it takes nothing for
 * granted: what it wants to read is handed to it, and what cannot be read ends the walk.
 */
#ifndef GREEN_INSPECT_WALK_H
#define GREEN_INSPECT_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "switch/registers.h"

#pragma GCC visibility push(default)

enum { SNAPSHOT_BYTES = 64 * 1024 };

/* A piece of a stack, from where the thread was upwards, which goes on meanwhile. */
struct snapshot {
	struct registers at;
	size_t size;
	unsigned char stack[SNAPSHOT_BYTES] __attribute__((aligned(16)));
};

/* green__walk_possible - true if stacks can be walked; loads what is needed for it */
bool green__walk_possible(void);

/* green__walk_ready - true if that is loaded already; from a signal handler, too */
bool green__walk_ready(void);

/* green__walk_busy - true while any thread is inside a walk, and perhaps holds a lock of libunwind's */
bool green__walk_busy(void);

/*
 * green__walk - write the program counters of the frames, innermost first, to FRAMES; how many, at most COUNT
 *
 * The stack stands still.  It ends at END, or, if that is 0, nobody knows where.
 */
size_t green__walk(const struct registers *at, uintptr_t end, uintptr_t *frames, size_t count);

/* green__snapshot_take - copy the stack of AT from its sp on, if there is anything; also from a signal handler */
void green__snapshot_take(struct snapshot *snapshot, const struct registers *at);

/* green__snapshot_walk - as green__walk, from a copy; at least the one frame, where the thread was */
size_t green__snapshot_walk(const struct snapshot *snapshot, uintptr_t *frames, size_t count);

#pragma GCC visibility pop

#endif
