/* SPDX-License-Identifier: MIT */
/* child.h - the end of a child process, as a descriptor that becomes readable */
#ifndef GREEN_HUB_CHILD_H
#define GREEN_HUB_CHILD_H

#include <sys/types.h>

#pragma GCC visibility push(default)

enum { CHILD_UNKNOWN_STATUS = 255 << 8 }; /* somebody else has reaped it */

/* green__child_open - a descriptor for PID, a child of this process, high up and close-on-exec; -ECHILD, -EMFILE ... */
int green__child_open(pid_t pid);

/* green__child_reap - the status of PID, which has ended and is no child any more then; CHILD_UNKNOWN_STATUS if it was none */
int green__child_reap(pid_t pid);

#pragma GCC visibility pop

#endif
