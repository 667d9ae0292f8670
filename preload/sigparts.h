/* SPDX-License-Identifier: MIT */
/* sigparts.h - what the rooms of the signal code tell each other, and nobody else */
#ifndef GREEN_PRELOAD_SIGPARTS_H
#define GREEN_PRELOAD_SIGPARTS_H

#include <string.h>

#include "signals.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM ((int)(1U << 31))
#endif

/* What the CPU reports of the running instruction; never for another thread. */
#define SYNCHRONOUS \
	(signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGFPE) | signal_bit(SIGILL) | signal_bit(SIGTRAP) | signal_bit(SIGSYS))

/* No mask holds these: two that cannot be blocked, and libc's own two. */
#define UNBLOCKABLE (signal_bit(SIGKILL) | signal_bit(SIGSTOP) | LIBC_SIGNALS)

static inline uint64_t mask_of(const sigset_t *set)
{
	uint64_t mask;

	memcpy(&mask, set, sizeof(mask));
	return mask;
}

static inline void mask_to(sigset_t *set, uint64_t mask)
{
	memcpy(set, &mask, sizeof(mask));
}

/* --- signals.c; all in a critical section --- */

/* mask_change - THREAD blocks MASK from now on; what it was to take and now blocks is somebody else's */
void mask_change(struct thread *thread, uint64_t mask);

/* mask_install - the kernel gets the mask that the threads' masks come to; after a throttle, or when it is not known */
void mask_install(void);

/* mask_blocked_now - a handler of ours runs, during which the kernel blocks everything */
void mask_blocked_now(void);

/* mask_throttle - the signal frame that SET belongs to returns, and nothing is to come until mask_install */
void mask_throttle(sigset_t *set);

/* mask_settle - the signal frame that SET belongs to returns: SET becomes the carrier's mask */
void mask_settle(sigset_t *set);

/* signal_route - give a signal that the kernel delivered, while RUNNING ran, to the thread that is to have it */
void signal_route(const siginfo_t *info, struct thread *running);

/* signal_deliverable - what THREAD may take now */
uint64_t signal_deliverable(const struct thread *thread);

/* --- sigcall.c --- */

/* signal_take_in - route what came while the runtime was busy; critical */
void signal_take_in(void);

/* signal_waiting_in - true if there is something to take in */
bool signal_waiting_in(void);

/* signals_take_interrupts - make this room the one that flow->interrupts means */
void signals_watch(void);

/* --- sigaction.c --- */

enum disposition {
	DISPOSITION_HANDLER,
	DISPOSITION_IGNORE,
	DISPOSITION_STOP,
	DISPOSITION_END,
};

/* action_of - what the program has asked for */
const struct sigaction *action_of(int number);

/* action_taken - true if the kernel calls us for signal NUMBER */
bool action_taken(int number);

/* action_disposition - what becomes of a signal NUMBER that is delivered */
enum disposition action_disposition(int number);

/* action_reset - SA_RESETHAND: the handler is running, and was the last one */
void action_reset(int number);

/* action_guard - call us also where the default is left, for the default then depends on the thread */
void action_guard(int number);

/* action_default - end or stop the process as the kernel does, telling it INFO */
void action_default(const siginfo_t *info);

/* action_tick_moved - signals_masks_changed: what the program wants of the signal that ticked comes true */
void action_tick_moved(void);

/* actions_birth - handlers that were there before the hub */
void actions_birth(void);

#endif
