/* SPDX-License-Identifier: MIT */
/*
 * native.h - a call on the carrier's own thread-local storage
 *
 * A few things of libc's are known to the kernel by the process's first thread: its
 * id, its list of robust locks.  Calls that have to do with them are made on that
 * thread's block, with all signals blocked; they must not wait.
 */
#ifndef GREEN_PRELOAD_NATIVE_H
#define GREEN_PRELOAD_NATIVE_H

#include "shim.h"

struct native_scope {
	uintptr_t block;
	uint64_t mask;
};

void native_enter(struct native_scope *scope);
void native_leave(struct native_scope *scope);

/* native_errno - errno of the block that is installed now; a compiler cannot keep its address over a change */
int native_errno(void);

#endif
