/* SPDX-License-Identifier: MIT */
/* timers.h - whose a timer's signal is */
#ifndef GREEN_PRELOAD_TIMERS_H
#define GREEN_PRELOAD_TIMERS_H

#include <signal.h>
#include <time.h>

#include "thread.h"

/* timer_thread - whom the timer that sent INFO names; KNOWN is false if it names nobody; NULL: a thread that has ended */
struct thread *timer_thread(const siginfo_t *info, bool *known);

/* timers_thread_ends - what signals THREAD does so no more */
void timers_thread_ends(const struct thread *thread);

/* timers_after_fork - the child has no timers */
void timers_after_fork(void);

/* timer_create_raw, timer_delete_raw - the system calls, with ids of threads as the program knows them */
long timer_create_raw(clockid_t clock, const struct sigevent *event, int *timer);
long timer_delete_raw(int timer);

#endif
