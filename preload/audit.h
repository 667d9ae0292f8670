/* SPDX-License-Identifier: MIT */
/*
 * audit.h - what blocks the carrier: a kernel thread looks at it from outside, and the end of the process tells
 *
 * Only with GREEN_AUDIT.  The carrier is neither stopped nor sent anything, so no call
 * of the program's ends otherwise than without an audit.
 */
#ifndef GREEN_PRELOAD_AUDIT_H
#define GREEN_PRELOAD_AUDIT_H

#include <stdbool.h>
#include <ucontext.h>

#include "base/compiler.h"

extern bool audit_on __attribute__((visibility("hidden")));

/* audit_begin - at the process's start: read the environment */
void audit_begin(void);

/* audit_watch - there is more than one thread now: let the watch begin, unless it has */
void audit_watch(void);

/* audit_note_tick - a tick found a thread that computes while others wait, where it may not be stopped */
void audit_note_tick(const greg_t *registers);

/* audit_end - the process is about to end, or to become another program: tell what was found */
void audit_end(bool becomes_another);

/* audit_after_fork - in the child nothing was found yet, and nobody watches */
void audit_after_fork(void);

static inline void audit_thread_begins(void)
{
	if (unlikely(audit_on))
		audit_watch();
}

static inline void audit_tick(const greg_t *registers)
{
	if (unlikely(audit_on))
		audit_note_tick(registers);
}

static inline void audit_process_ends(void)
{
	if (unlikely(audit_on))
		audit_end(false);
}

static inline void audit_program_changes(void)
{
	if (unlikely(audit_on))
		audit_end(true);
}

#endif
