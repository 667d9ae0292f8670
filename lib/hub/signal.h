/* SPDX-License-Identifier: MIT */
/*
 * signal.h - signals of the process, noted by a handler and told to the hubs that want them
 *
 * The handler is set with sigaction as the program's own would be, so that a shim
 * treats it as one.  With the last who wants a signal, what was set before is put back.
 */
#ifndef GREEN_HUB_SIGNAL_H
#define GREEN_HUB_SIGNAL_H

#include "hub/waiter.h"

#pragma GCC visibility push(default)

struct signals;

/* One greenlet that waits for signals; lives on its stack. */
struct signal_wait {
	struct list link;       /* on struct signals.waits until it has one */
	struct waiter *waiter;
	uint64_t set;           /* bit N - 1 for signal N */
	int number;             /* which has come; 0: none yet */
	bool looks;             /* takes nothing from others, and the program's own handler is called, too */
};

/* green__signal_valid - true if NUMBER is one that can be watched: neither SIGKILL, SIGSTOP, a fault's nor libc's own */
bool green__signal_valid(int number);

/* green__signal_wanted - HUB wants to hear of NUMBER once more; LOOKS as in struct signal_wait; 0 or -errno; critical */
int green__signal_wanted(struct hub *hub, int number, bool looks);

/* green__signal_unwanted - once less */
void green__signal_unwanted(struct hub *hub, int number, bool looks);

/* green__signal_wait_begin - from now on WAIT, of which WAITER, SET and LOOKS are set, is told; 0 or -errno; critical */
int green__signal_wait_begin(struct hub *hub, struct signal_wait *wait);

/* green__signal_wait_end - no longer; what came at the last moment is still in WAIT->number then */
void green__signal_wait_end(struct hub *hub, struct signal_wait *wait);

/* green__signals_forked - in the child nobody wants any signal */
void green__signals_forked(struct hub *hub);

void green__signals_destroy(struct hub *hub);

#pragma GCC visibility pop

#endif
