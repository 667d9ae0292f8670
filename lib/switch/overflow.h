/* SPDX-License-Identifier: MIT */
/* overflow.h - one sentence when a greenlet runs into the guard of its stack */
#ifndef GREEN_SWITCH_OVERFLOW_H
#define GREEN_SWITCH_OVERFLOW_H

#include <ucontext.h>

/*
 * green__overflow_watch - give this kernel thread a signal stack, and the process a SIGSEGV handler
 *
 * The handler is installed only where SIGSEGV is at its default, and acts only
 * on our guards: it writes one sentence and then lets the fault kill the process
 * as it natively does.  A program that handles SIGSEGV itself keeps doing so.
 *
 * Returns: the signal stack, for green__overflow_unwatch; NULL if the thread got none.
 */
void *green__overflow_watch(void);

/* green__overflow_unwatch - the kernel thread ends: take SIGNAL_STACK away from it; NULL is fine */
void green__overflow_unwatch(void *signal_stack);

/* Writes the stack of who has overflowed, if stacks can be walked without loading anything; inspect sets it when they can. */
extern void (*green__overflow_stack)(const ucontext_t *context);

/* green__overflow_handler - the handler's address, for those who have to hide it */
__attribute__((visibility("default"))) void *green__overflow_handler(void);

#endif
