/* SPDX-License-Identifier: MIT */
/* uncaught.h - who is told of errors that would pass unseen */
#ifndef GREEN_SWITCH_UNCAUGHT_H
#define GREEN_SWITCH_UNCAUGHT_H

#include <stdbool.h>

#include "green/debug.h"

#pragma GCC visibility push(default)

/* green__uncaught_heard - true if anybody wants to be told */
bool green__uncaught_heard(void);

/*
 * green__uncaught - tell the program's hook, if it has one, of TROUBLE
 *
 * Runs in the current greenlet, which may lose its turn meanwhile; the error that is
 * pending in it and errno are as before afterwards.  What only asks for the end is not told.
 * A kernel thread without greenlets may call it, too: GREENLET is NULL then.
 */
void green__uncaught(enum green_trouble trouble, struct greenlet *greenlet, int code, void *value);

#pragma GCC visibility pop

#endif
