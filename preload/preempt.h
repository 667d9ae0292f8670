/* SPDX-License-Identifier: MIT */
/* preempt.h - the tick that takes the carrier from a thread that does not give it away */
#ifndef GREEN_PRELOAD_PREEMPT_H
#define GREEN_PRELOAD_PREEMPT_H

#include <stdint.h>

#include "base/compiler.h"

/* preempt_begin - tick, if nothing does; without a clock or a signal to be had, threads are simply not preempted */
void preempt_begin(void);

/* preempt_after_fork - the child has no clock yet */
void preempt_after_fork(void);

/* preempt_signal - the signal that ticks, 0 if nothing does */
int preempt_signal(void);

/* preempt_stop - the program wants the signal for itself: tick with another one, or not at all */
void preempt_stop(void);

/*
 * shelter_enter - from here down the caller's stack no tick takes the carrier away
 *
 * For what libc, holding a lock, or a signal handler that interrupted libc, calls.
 * Who leaves by longjmp leaves the shelter, too.
 *
 * Returns: what shelter_leave needs
 */
uintptr_t shelter_enter(void);

/* shelter_leave - as it was before shelter_enter said BEFORE */
void shelter_leave(uintptr_t before);

/*
 * preempt_point - give way here, if the tick found no other place
 *
 * For the ends of wrappers that programs call in a row without ever waiting.
 */
#define preempt_point() (unlikely(preempt_due) ? preempt_at(__builtin_return_address(0)) : (void)0)

extern int preempt_due __attribute__((visibility("hidden")));

void preempt_at(const void *caller) __attribute__((visibility("hidden")));

/* preempt_harmless - true if libc and the runtime, as far as the interrupted PC tells, hold nothing just now */
int preempt_harmless(const void *context);

/* dl_inside - true if the caller holds ld.so's lock, in a constructor for instance (hook_dl.c) */
int dl_inside(void);

/* dl_find_lock - look for ld.so's lock now (hook_dl.c) */
void dl_find_lock(void);

#endif
