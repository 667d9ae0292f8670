/* SPDX-License-Identifier: MIT */
/* told.h - what flows of the library's calls share: each failure is told, and at the end the hub works and nothing is left */
#ifndef TOLD_H
#define TOLD_H

#include <stdbool.h>

enum { PATIENCE_MS = 30000 };

struct greenlet;

/* Says `CALL: ERROR' if RESULT is -1; what follows from it is the caller's.  Returns RESULT, with errno as it was. */
long tell_call(const char *call, long result);

/* True if a call with this RESULT may be made again at once. */
bool again(long result);

/* A task, or NULL if none can be made, which is told. */
struct greenlet *task_of(void *(*function)(void *), void *arg);

/* Waits for TASK, unless it is NULL, and gives its handle back.  Returns its value. */
void *joined(struct greenlet *task);

/* RUN on a kernel thread of its own, whose hub is made and given back within the case. */
void checked(void (*run)(void));

/* A signal that comes ends what waits, as it is not restarted. */
void catch_signals(void);

#endif
