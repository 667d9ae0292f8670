/* SPDX-License-Identifier: MIT */
/*
 * thread_pointer.h - which block of thread-local storage the CPU uses
 *
 * Writing it is cheap where the kernel lets user code do it (wrfsbase, Linux 5.9
 * and later with FSGSBASE; always on aarch64) and a system call elsewhere.
 */
#ifndef GREEN_SWITCH_THREAD_POINTER_H
#define GREEN_SWITCH_THREAD_POINTER_H

#include <stdint.h>

#if defined(__x86_64__)
extern int green__fsgsbase __attribute__((visibility("hidden"))); /* 1: wrfsbase works; set once by thread_pointer_init */

void green__thread_pointer_write_slow(uintptr_t pointer) __attribute__((visibility("hidden")));

static inline uintptr_t thread_pointer_read(void)
{
	uintptr_t pointer;

	__asm__ volatile("movq %%fs:0, %0" : "=r"(pointer));
	return pointer;
}

static inline void thread_pointer_write(uintptr_t pointer)
{
	if (__atomic_load_n(&green__fsgsbase, __ATOMIC_RELAXED))
		__asm__ volatile("wrfsbase %0" : : "r"(pointer) : "memory");
	else
		green__thread_pointer_write_slow(pointer);
}
#elif defined(__aarch64__)
static inline uintptr_t thread_pointer_read(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

static inline void thread_pointer_write(uintptr_t pointer)
{
	__asm__ volatile("msr tpidr_el0, %0" : : "r"(pointer) : "memory");
}
#else
/* All have the kernel thread's, for there is no shim. */
static inline uintptr_t thread_pointer_read(void)
{
	return 0;
}

static inline void thread_pointer_write(uintptr_t pointer)
{
	(void)pointer;
}
#endif

/* thread_pointer_init - find out how it can be written; before the first write */
void green__thread_pointer_init(void) __attribute__((visibility("hidden")));

#endif
