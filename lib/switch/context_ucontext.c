/* SPDX-License-Identifier: MIT */
/* context_ucontext.c - contexts by libc's makecontext and swapcontext, for every CPU without its own */
#include <signal.h>
#include <stdint.h>

#include "base/sys.h"
#include "switch/context.h"

/* makecontext passes ints only, so the two pointers travel in halves. */
static void context_start(unsigned entry_high, unsigned entry_low, unsigned arg_high, unsigned arg_low)
{
	uintptr_t entry = (uintptr_t)((uint64_t)entry_high << 32 | entry_low);
	uintptr_t arg = (uintptr_t)((uint64_t)arg_high << 32 | arg_low);

	((void (*)(void *))entry)((void *)arg);
	__builtin_trap();
}

void green__context_make(struct context *context, void *low, size_t size, void (*entry)(void *), void *arg)
{
	uint64_t entry_bits = (uintptr_t)entry;
	uint64_t arg_bits = (uintptr_t)arg;

	getcontext(&context->saved);
	context->saved.uc_stack.ss_sp = low;
	context->saved.uc_stack.ss_size = size;
	context->saved.uc_link = NULL;
	makecontext(&context->saved, (void (*)(void))(uintptr_t)context_start, 4,
		    (unsigned)(entry_bits >> 32), (unsigned)entry_bits,
		    (unsigned)(arg_bits >> 32), (unsigned)arg_bits);
}

struct context *green__context_swap(struct context *from, struct context *to)
{
	/* swapcontext installs the mask saved with TO; the mask is the kernel thread's, so save it there first. */
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &to->saved.uc_sigmask, sizeof(uint64_t));
	registers_here(&from->at);
	swapcontext(&from->saved, &to->saved);
	/* A walk begins in this frame, so the call above may not be made in its place. */
	__asm__ volatile("" : : : "memory");
	return from;
}

bool green__context_registers(const struct context *context, struct registers *registers)
{
	*registers = context->at;
	return registers->pc != 0;
}
