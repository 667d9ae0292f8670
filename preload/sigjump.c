/* SPDX-License-Identifier: MIT */
/*
 * sigjump.c - jumps and contexts that carry a signal mask: the thread's, not the carrier's
 *
 * libc saves and restores the kernel's mask by itself.  A jump buffer's mask has room
 * for a thousand signals, of which the kernel uses 64; behind those the thread's mask
 * is noted.  Contexts are saved and loaded here altogether (jump_entry.S), for theirs
 * is public and has no such room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <ucontext.h>

#include "migrate.h"
#include "signals.h"

#define NOTED UINT64_C(0x6a756d706d61736b)

/* --- sigsetjmp and siglongjmp --- */

static uint64_t seal_of(const struct __jmp_buf_tag *buffer)
{
	return NOTED ^ (uintptr_t)buffer;
}

/* Called by __sigsetjmp before libc's, whose address is returned. */
__attribute__((visibility("hidden"))) void *jump_note(struct __jmp_buf_tag *buffer, int with_mask)
{
	uint64_t note[2] = { 0, 0 };

	if (with_mask && thread_is_green()) {
		note[0] = thread_self()->mask;
		note[1] = seal_of(buffer);
	}
	if (with_mask)
		memcpy((char *)&buffer->__saved_mask + sizeof(uint64_t), note, sizeof(note));
	return (void *)(uintptr_t)real(__sigsetjmp);
}

/* libc hides the addresses in a buffer: turned, and mixed with a word of the thread's block. */
static uintptr_t stack_of(const struct __jmp_buf_tag *buffer)
{
	enum { STACK = 6, TURN = 17 };
	uintptr_t hidden = (uintptr_t)buffer->__jmpbuf[STACK];
	uintptr_t guard;

	__asm__("movq %%fs:0x30, %0" : "=r"(guard));
	return (hidden >> TURN | hidden << (64 - TURN)) ^ guard;
}

static void jump_begins(struct __jmp_buf_tag *buffer)
{
	uint64_t saved[3];

	migrate_return_before(stack_of(buffer));
	if (!thread_is_green())
		return;
	signals_jumped();
	if (!buffer->__mask_was_saved)
		return;
	memcpy(saved, &buffer->__saved_mask, sizeof(saved));
	signals_set_mask(saved[2] == seal_of(buffer) ? saved[1] : saved[0]);
	/* What libc will give to the kernel. */
	signals_refresh_mask(&buffer->__saved_mask);
}

WRAPPER void siglongjmp(struct __jmp_buf_tag buffer[1], int value)
{
	jump_begins(buffer);
	real(siglongjmp)(buffer, value);
	__builtin_unreachable();
}

ALIAS(longjmp, siglongjmp);
ALIAS(_longjmp, siglongjmp);

/* libc's check of the target knows the kernel's signal stack only, not the thread's. */
WRAPPER void __longjmp_chk(struct __jmp_buf_tag *buffer, int value)
{
	jump_begins(buffer);
	if (thread_is_green() && signals_on_alternate(thread_self()))
		real(siglongjmp)(buffer, value);
	real(__longjmp_chk)(buffer, value);
	__builtin_unreachable();
}

/* --- contexts; each returns libc's function where that is to be called instead --- */

/* The runtime may itself be built upon libc's contexts. */
static bool ours(void)
{
	return thread_is_green() && green__current->flow->critical == 0;
}

__attribute__((visibility("hidden"))) void *context_get(ucontext_t *context)
{
	if (!ours())
		return (void *)(uintptr_t)real(getcontext);
	memcpy(&context->uc_sigmask, &thread_self()->mask, sizeof(uint64_t));
	return NULL;
}

static void context_enter(const ucontext_t *context)
{
	uint64_t mask;

	memcpy(&mask, &context->uc_sigmask, sizeof(mask));
	signals_jumped();
	signals_set_mask(mask);
}

__attribute__((visibility("hidden"))) void *context_set(const ucontext_t *context)
{
	migrate_return_before((uintptr_t)context->uc_mcontext.gregs[REG_RSP]);
	if (!ours())
		return (void *)(uintptr_t)real(setcontext);
	context_enter(context);
	return NULL;
}

__attribute__((visibility("hidden"))) void *context_swap(ucontext_t *from, const ucontext_t *to)
{
	if (!ours())
		return (void *)(uintptr_t)real(swapcontext);
	memcpy(&from->uc_sigmask, &thread_self()->mask, sizeof(uint64_t));
	context_enter(to);
	return NULL;
}

/* jump_entry.S: where a context's function returns to; what follows lies under RBX. */
void context_ends(void) __attribute__((visibility("hidden")));

static const int argument_registers[] = { REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R9 };

/* libc's own would end by its own setcontext. */
WRAPPER void makecontext(ucontext_t *context, void (*function)(void), int count, ...)
{
	enum { REGISTERS = 6 };
	int on_stack = count > REGISTERS ? count - REGISTERS : 0;
	uintptr_t top = (uintptr_t)context->uc_stack.ss_sp + context->uc_stack.ss_size;
	uintptr_t *stack = (uintptr_t *)((top - (size_t)(on_stack + 1) * sizeof(uintptr_t)) & ~(uintptr_t)15) - 1;
	greg_t *registers = context->uc_mcontext.gregs;
	va_list arguments;

	va_start(arguments, count);
	for (int i = 0; i < count; i++) {
		if (i < REGISTERS)
			registers[argument_registers[i]] = va_arg(arguments, greg_t);
		else
			stack[1 + i - REGISTERS] = va_arg(arguments, uintptr_t);
	}
	va_end(arguments);
	stack[0] = (uintptr_t)context_ends;
	stack[1 + on_stack] = (uintptr_t)context->uc_link;
	registers[REG_RBX] = (greg_t)&stack[1 + on_stack];
	registers[REG_RSP] = (greg_t)stack;
	registers[REG_RIP] = (greg_t)(uintptr_t)function;
}
