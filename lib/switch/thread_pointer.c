/* SPDX-License-Identifier: MIT */
/* thread_pointer.c - finds out how the thread pointer can be written, and the slow way to do it */
#include <sys/auxv.h>

#include "base/sys.h"
#include "switch/thread_pointer.h"

#if defined(__x86_64__)
#include <asm/prctl.h>

#define HWCAP2_FSGSBASE_BIT 2UL

int green__fsgsbase;

void green__thread_pointer_write_slow(uintptr_t pointer)
{
	sys_call(SYS_arch_prctl, ARCH_SET_FS, pointer);
}

void green__thread_pointer_init(void)
{
	__atomic_store_n(&green__fsgsbase, (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) != 0, __ATOMIC_RELAXED);
}
#else
void green__thread_pointer_init(void)
{
}
#endif
