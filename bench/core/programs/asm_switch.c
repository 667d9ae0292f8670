/* SPDX-License-Identifier: MIT */
/*
 * asm_switch.c - for reference: a switch that keeps the six registers and the stack pointer, and nothing else
 *
 * It ends in a jump, as ours does, or in a return, as such switches mostly do: the processor then expects
 * another address.
 */
#include <stdint.h>
#include <sys/auxv.h>

#include "harness.h"

enum { STACK = 64 * 1024, SAVED = 7, HWCAP2_FSGSBASE = 2 };

void switch_jump(void **from, void *to);
void switch_return(void **from, void *to);

#define SAVE \
	"push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
#define LOAD "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"

__asm__(".text\n .p2align 4\n .globl switch_jump\n switch_jump:\n" SAVE LOAD "pop %rcx\n jmp *%rcx\n");
__asm__(".p2align 4\n .globl switch_return\n switch_return:\n" SAVE LOAD "ret\n");

static _Alignas(64) uintptr_t stack[STACK / sizeof(uintptr_t)];
static void *here, *there;
static void (*chosen)(void **from, void *to);

static void back(void)
{
	for (;;)
		chosen(&there, here);
}

static void run(void (*function)(void **from, void *to), long times)
{
	uintptr_t *top = stack + STACK / sizeof(uintptr_t) - 2;

	chosen = function;
	*--top = (uintptr_t)back;
	there = top - SAVED + 1;
	for (long i = 0; i < times / 2; i++)
		function(&here, there);
}

static void run_jump(long times)
{
	run(switch_jump, times);
}

static void run_return(long times)
{
	run(switch_return, times);
}

/* What the thread pointer costs alone: the same value again and again. */
static void run_wrfsbase(long times)
{
	uint64_t base;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		bench_fail("this kernel does not let programs use wrfsbase");
	__asm__ volatile("rdfsbase %0" : "=r"(base));
	for (long i = 0; i < times; i++)
		__asm__ volatile("wrfsbase %0" : : "r"(base) : "memory");
}

const struct bench_case bench_cases[] = {
	{ "switch", run_jump },
	{ "switch_return", run_return },
	{ "wrfsbase", run_wrfsbase },
	{ 0, 0 },
};
