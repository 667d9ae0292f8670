/* SPDX-License-Identifier: MIT */
/*
 * signals.h - signals as threads expect them, on one kernel thread
 *
 * Each green pthread has a soft mask; the kernel's mask holds what all of them
 * block.  A signal that comes is given to a thread that may have it, the main one
 * first, as the kernel does; if that thread is parked, its wait is interrupted and
 * the handler runs on its own stack.  While the runtime's structures are being
 * changed, signals wait.
 */
#ifndef GREEN_PRELOAD_SIGNALS_H
#define GREEN_PRELOAD_SIGNALS_H

#include "thread.h"

/* signals_birth - from now on the handlers of asynchronous signals are called by us */
void signals_birth(void);

/* signals_thread_begins - THREAD gets MASK, or its creator's mask if MASK is NULL */
void signals_thread_begins(struct thread *thread, const sigset_t *mask);

/* signals_thread_ends - THREAD blocks nothing any more, and can be given nothing */
void signals_thread_ends(struct thread *thread);

/* signals_after_fork - in the child only the caller's mask counts */
void signals_after_fork(void);

/* signals_set_mask - the caller blocks MASK, bit N-1 for signal N; deliverable pending ones run at once */
void signals_set_mask(uint64_t mask);

/* signals_run_pending - run the handlers of what is pending for the caller; how many, *RESTART false if one has no SA_RESTART */
unsigned signals_run_pending(bool *restart);

/* signals_kernel_mask_swap - install the caller's own mask in the kernel, for a child that inherits it; the one before */
uint64_t signals_kernel_mask_swap(void);

/* signals_kernel_mask_restore - undo signals_kernel_mask_swap */
void signals_kernel_mask_restore(uint64_t mask);

/* signals_refresh_mask - SET becomes what the carrier blocks now */
void signals_refresh_mask(sigset_t *set);

/* signals_masks_changed - the signal that ticks is another one: the kernel's mask may hold the old one, and not the new */
void signals_masks_changed(void);

/* signals_send - signal NUMBER for THREAD alone */
int signals_send(struct thread *thread, int number);

/* signals_action - sigaction as the program sees it, once the hub is born */
int signals_action(int number, const struct sigaction *action, struct sigaction *old);

#endif
