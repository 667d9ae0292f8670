/* SPDX-License-Identifier: MIT */
/*
 * registers.h - where a thread or a context goes on, and what unwinders ask of it
 *
 * Those that the ABI lets a function change are left out, but for the program
 * counter, the stack pointer and, where the CPU has one, the register with the
 * return address.  0 is what nobody knows.
 */
#ifndef GREEN_SWITCH_REGISTERS_H
#define GREEN_SWITCH_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)
struct registers {
	uintptr_t pc, sp, bp, bx, r12, r13, r14, r15;
};

static inline bool registers_of_ucontext(const ucontext_t *context, struct registers *registers)
{
	const greg_t *saved = context->uc_mcontext.gregs;

	*registers = (struct registers){
		.pc = (uintptr_t)saved[REG_RIP],
		.sp = (uintptr_t)saved[REG_RSP],
		.bp = (uintptr_t)saved[REG_RBP],
		.bx = (uintptr_t)saved[REG_RBX],
		.r12 = (uintptr_t)saved[REG_R12],
		.r13 = (uintptr_t)saved[REG_R13],
		.r14 = (uintptr_t)saved[REG_R14],
		.r15 = (uintptr_t)saved[REG_R15],
	};
	return true;
}

/* registers_here - where the caller is; what is walked from there ends in the function that this is inlined into */
static inline __attribute__((always_inline)) bool registers_here(struct registers *registers)
{
	*registers = (struct registers){ .pc = 0 };
	__asm__ volatile("lea 0(%%rip), %0\n\t"
			 "mov %%rsp, %1\n\t"
			 "mov %%rbp, %2\n\t"
			 "mov %%rbx, %3\n\t"
			 "mov %%r12, %4\n\t"
			 "mov %%r13, %5\n\t"
			 "mov %%r14, %6\n\t"
			 "mov %%r15, %7"
			 : "=&r"(registers->pc), "=m"(registers->sp), "=m"(registers->bp), "=m"(registers->bx),
			   "=m"(registers->r12), "=m"(registers->r13), "=m"(registers->r14), "=m"(registers->r15));
	return true;
}
#elif defined(__aarch64__)
enum { REGISTERS_SAVED = 10 };

struct registers {
	uintptr_t pc, sp;
	uintptr_t saved[REGISTERS_SAVED]; /* x19 to x28 */
	uintptr_t bp, lr;                 /* x29, x30 */
};

static inline bool registers_of_ucontext(const ucontext_t *context, struct registers *registers)
{
	const mcontext_t *machine = &context->uc_mcontext;

	registers->pc = machine->pc;
	registers->sp = machine->sp;
	for (int i = 0; i < REGISTERS_SAVED; i++)
		registers->saved[i] = machine->regs[19 + i];
	registers->bp = machine->regs[29];
	registers->lr = machine->regs[30];
	return true;
}

static inline __attribute__((always_inline)) bool registers_here(struct registers *registers)
{
	uintptr_t pc, sp;

	__asm__ volatile("adr %0, .\n\t"
			 "mov %1, sp\n\t"
			 "stp x19, x20, [%2]\n\t"
			 "stp x21, x22, [%2, #16]\n\t"
			 "stp x23, x24, [%2, #32]\n\t"
			 "stp x25, x26, [%2, #48]\n\t"
			 "stp x27, x28, [%2, #64]\n\t"
			 "stp x29, x30, [%2, #80]"
			 : "=&r"(pc), "=&r"(sp)
			 : "r"(registers->saved)
			 : "memory");
	registers->pc = pc;
	registers->sp = sp;
	return true;
}
#else
struct registers {
	uintptr_t pc, sp, bp;
};

static inline bool registers_of_ucontext(const ucontext_t *context, struct registers *registers)
{
	(void)context;
	memset(registers, 0, sizeof(*registers));
	return false;
}

static inline bool registers_here(struct registers *registers)
{
	memset(registers, 0, sizeof(*registers));
	return false;
}
#endif

#endif
