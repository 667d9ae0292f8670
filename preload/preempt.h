/* SPDX-License-Identifier: MIT */
/* preempt.h - the tick that takes the carrier from a thread that does not give it away */
#ifndef GREEN_PRELOAD_PREEMPT_H
#define GREEN_PRELOAD_PREEMPT_H

#include <stdint.h>

/* preempt_birth - start ticking; without a timer to be had, threads are simply not preempted */
void preempt_birth(void);

/* preempt_after_fork - the child has no timer yet */
void preempt_after_fork(void);

/* preempt_signal - the signal that ticks, 0 if nothing does */
int preempt_signal(void);

/* preempt_stop - the program wants the signal for itself */
void preempt_stop(void);

/* dl_inside - true if the caller holds ld.so's lock, in a constructor for instance (hook_dl.c) */
int dl_inside(void);

/* dl_find_lock - look for ld.so's lock now (hook_dl.c) */
void dl_find_lock(void);

#endif
