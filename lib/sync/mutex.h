/* SPDX-License-Identifier: MIT */
/* mutex.h - what a condition and a choice need of a mutex */
#ifndef GREEN_SYNC_MUTEX_H
#define GREEN_SYNC_MUTEX_H

#include "sync/waitq.h"

#pragma GCC visibility push(default)

/* green__mutex_try - let SELF own it, or own it once more; -EBUSY if another does, -EDEADLK, -EAGAIN; locked */
int green__mutex_try(struct green_mutex *mutex, struct greenlet *self);

/* green__mutex_give_up - unlock it, however deep; how deep it was */
unsigned green__mutex_give_up(struct green_mutex *mutex);

/* green__mutex_take_back - own it as deep as before; no error that is raised ends the wait; 0 or -EDEADLK */
int green__mutex_take_back(struct green_mutex *mutex, unsigned depth);

#pragma GCC visibility pop

#endif
