/* SPDX-License-Identifier: MIT */
/*
 * signals.h - signals as threads expect them, on one kernel thread
 *
 * Each green pthread has a soft mask and signals of its own that are pending; the
 * kernel's mask holds what all threads block, so that such signals stay in the
 * kernel's queue.  What the kernel delivers is given to a thread that may have it,
 * the main one first, as the kernel does; if that thread is parked, its wait is
 * interrupted and the handler runs on its own stack.
 *
 *   signals.c    who blocks what, and who gets what
 *   pending.c    the queues
 *   sigcall.c    arrival, and running handlers
 *   sigaction.c  what the program has asked for
 */
#ifndef GREEN_PRELOAD_SIGNALS_H
#define GREEN_PRELOAD_SIGNALS_H

#include "thread.h"

/* --- life --- */

/* signals_birth - from now on the handlers are called by us; everything is blocked, MASK is what the caller blocks */
void signals_birth(uint64_t mask);

/* signals_thread_begins - THREAD gets MASK, or its creator's mask if MASK is NULL */
void signals_thread_begins(struct thread *thread, const sigset_t *mask);

/* signals_thread_started - the calling thread can run handlers from now on, and runs those that have come meanwhile */
void signals_thread_started(void);

/* signals_thread_ends - THREAD can be given nothing any more; the process's signals that it was to take are somebody else's */
void signals_thread_ends(struct thread *thread);

/* signals_before_fork - the kernel blocks everything until signals_let_through, in both processes */
void signals_before_fork(void);

/* signals_after_fork - in the child only the caller's mask counts, and nothing is pending */
void signals_after_fork(void);

/* --- masks; bit N-1 stands for signal N --- */

/* signals_set_mask - the caller blocks MASK; deliverable pending ones run at once */
void signals_set_mask(uint64_t mask);

/*
 * signals_lend_mask - the caller blocks MASK for the length of one call
 *
 * The first handler that runs ends that, and returns to the mask of before.  BY_KERNEL:
 * the call hands MASK to the kernel itself, so the carrier's mask is left alone.
 */
void signals_lend_mask(uint64_t mask, bool by_kernel);

/* signals_return_mask - the call is over; true if a handler ran, so that it ends with EINTR */
bool signals_return_mask(void);

/* signals_own_mask_swap - the kernel gets the caller's own mask, for a child that inherits it */
void signals_own_mask_swap(void);

/* signals_before_exec - signals_own_mask_swap, and the kernel gets what the caller has pending, for the new program */
void signals_before_exec(void);

/* signals_own_mask_restore - undo signals_own_mask_swap */
void signals_own_mask_restore(void);

/* signals_let_through - a handler that the kernel called with everything blocked goes on as the thread it interrupted */
void signals_let_through(void);

/* signals_refresh_mask - a signal frame is about to return: SET becomes what the carrier blocks now */
void signals_refresh_mask(sigset_t *set);

/* signals_masks_changed - the signal that ticks is another one: the kernel's mask may hold the old one, and not the new */
void signals_masks_changed(void);

/* --- sending and taking --- */

/* signals_send - INFO for THREAD alone; 0 or an error number.  On the carrier. */
int signals_send(struct thread *thread, const siginfo_t *info);

/* signals_send_foreign - the same from a thread that is not green */
int signals_send_foreign(struct thread *thread, const siginfo_t *info);

/* signals_send_id - the same for the thread with id TID of PROCESS (-1: any); false if that is no green thread's */
bool signals_send_id(pid_t process, pid_t tid, int number, const siginfo_t *given, long *result);

/* signals_send_process - INFO for whichever thread may have it; 0 or an error number */
int signals_send_process(const siginfo_t *info);

/* signals_wait - until a signal of SET is there, which *INFO tells; its number, or -EAGAIN at DEADLINE, or -EINTR */
long signals_wait(uint64_t set, siginfo_t *info, int64_t deadline);

/* signals_pending - what the caller blocks and has pending, in the kernel's queue too */
uint64_t signals_pending(void);

/* signals_deliver - run the handlers of what the caller may take; only where critical is 0 */
void signals_deliver(void);

/* signals_deliver_away - the same for a thread that is on a helper, where the kernel's mask is its own */
void signals_deliver_away(void);

/* signals_arrived - our handler of every signal that the program has a handler for */
void signals_arrived(int number, siginfo_t *info, void *context);

/* signals_jumped - the caller is about to leave handlers by a jump */
void signals_jumped(void);

/* signals_on_alternate - true if the caller runs on its own signal stack */
bool signals_on_alternate(const struct thread *thread);

/* signals_action - sigaction as the program sees it, once the hub is born */
int signals_action(int number, const struct sigaction *action, struct sigaction *old);

#endif
