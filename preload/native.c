/* SPDX-License-Identifier: MIT */
/* native.c - a call on the carrier's own thread-local storage */
#include "native.h"

#include "switch/thread_pointer.h"

GREEN_NOINLINE void native_enter(struct native_scope *scope)
{
	uint64_t all = ~LIBC_SIGNALS;

	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &scope->mask, sizeof(all));
	/* libc's locks must not park anybody here, who would look like the block's owner. */
	shim.pinned++;
	scope->block = thread_pointer_read();
	thread_pointer_write(shim.native_tp);
}

GREEN_NOINLINE void native_leave(struct native_scope *scope)
{
	thread_pointer_write(scope->block);
	shim.pinned--;
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &scope->mask, NULL, sizeof(scope->mask));
}

GREEN_NOINLINE int native_errno(void)
{
	return errno;
}
