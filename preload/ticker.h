/* SPDX-License-Identifier: MIT */
/* ticker.h - when the tick comes: two clocks of the kernel's that only run while the carrier computes */
#ifndef GREEN_PRELOAD_TICKER_H
#define GREEN_PRELOAD_TICKER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* ticker_start - send signal NUMBER to the calling kernel thread after each SLICE of its CPU time; false if it cannot be */
bool ticker_start(int number, int64_t slice);

/* ticker_stop - no tick comes any more, but for one that is pending */
void ticker_stop(void);

/* ticker_hurry - the tick came at a bad moment: let the next ones come sooner, until ticker_calm */
void ticker_hurry(void);

/* ticker_calm - the thread has given way: back to slices */
void ticker_calm(void);

/* ticker_aim - the thread goes on computing: tick at DEADLINE, CLOCK_NEVER for none, if that is before the next tick */
void ticker_aim(int64_t deadline);

/* ticker_hurries - true between the two */
bool ticker_hurries(void);

/* ticker_forget - in a forked child, which inherits neither clock */
void ticker_forget(void);

/* ticker_sent - true if INFO tells of a tick, and not of a signal that somebody sent */
bool ticker_sent(const siginfo_t *info);

/* ticker_prepare - where a thread can be made, and critical is 0: let the kernel be made ready, if a tick has asked for it */
void ticker_prepare(void);

#endif
