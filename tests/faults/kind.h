/* SPDX-License-Identifier: MIT */
/* kind.h - what a descriptor of another process is, in one word */
#ifndef KIND_H
#define KIND_H

#include <sys/types.h>

enum { KINDS_MAX = 16 };

/* The words, in an order that does not change; ends with NULL. */
extern const char *const kinds[];

/* Which of them the descriptor FD of process PID is: "none" if there is no such descriptor. */
const char *kind_of(pid_t pid, int fd);

#endif
