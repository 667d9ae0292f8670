/* SPDX-License-Identifier: MIT */
/* overflow.c - one sentence when a greenlet runs into the guard of its stack */
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/action.h"
#include "switch/greenlet.h"
#include "switch/overflow.h"
#include "switch/registers.h"

enum {
	HANDLER_BYTES = 64 * 1024,
	FRAME_BYTES = 1024 * 1024, /* who leaves the stack by more has not just called one function too many */
};

static void overflow_report(const struct greenlet *greenlet, uintptr_t address)
{
	char text[256];
	int length = snprintf(text, sizeof(text),
			      "green: stack overflow in greenlet \"%s\" (number %llu): its stack of %zu bytes is full, at address 0x%lx\n",
			      greenlet->name[0] ? greenlet->name : "unnamed", (unsigned long long)greenlet->id,
			      greenlet->stack ? greenlet->stack->size : 0, (unsigned long)address);

	if (length > 0)
		sys_call(SYS_write, STDERR_FILENO, text, length);
}

/* True if GREENLET has left its stack by the lower end.  A frame of a page or more may step over the guard. */
static bool is_overflow(const struct greenlet *greenlet, uintptr_t address, const ucontext_t *context)
{
	struct registers registers;
	uintptr_t low;

	if (green__stack_is_guard(address))
		return true;
	if (!greenlet->stack || !registers_of_ucontext(context, &registers))
		return false;
	low = (uintptr_t)greenlet->stack->low;
	return registers.sp < low && address < low && low - registers.sp < FRAME_BYTES && low - address < FRAME_BYTES;
}

void (*green__overflow_stack)(const ucontext_t *context);

/* Returning repeats the faulting instruction with SIGSEGV at its default: signal, status and core are native. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	struct action action = { .handler = NULL };
	struct greenlet *greenlet = green__current;
	uintptr_t address = (uintptr_t)info->si_addr;

	if (greenlet && info->si_code > 0 && is_overflow(greenlet, address, context)) {
		overflow_report(greenlet, address);
		if (green__overflow_stack)
			green__overflow_stack(context);
	}
	action_exchange(number, &action, NULL);
	if (info->si_code <= 0)
		sys_call(SYS_tgkill, sys_call(SYS_getpid), sys_call(SYS_gettid), number);
}

static size_t signal_stack_bytes(void)
{
	return HANDLER_BYTES + getauxval(AT_MINSIGSTKSZ);
}

/* NULL if the thread has one of its own already, or there is no memory for one. */
static void *signal_stack_install(void)
{
	stack_t old;
	stack_t stack = { .ss_size = signal_stack_bytes() };
	long memory;

	if (sys_call(SYS_sigaltstack, NULL, &old) || !(old.ss_flags & SS_DISABLE))
		return NULL;
	memory = sys_call(SYS_mmap, NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			  0);
	if (sys_failed(memory))
		return NULL;
	stack.ss_sp = (void *)memory;
	sys_call(SYS_sigaltstack, &stack, NULL);
	return stack.ss_sp;
}

void green__overflow_unwatch(void *signal_stack)
{
	stack_t none = { .ss_flags = SS_DISABLE };
	stack_t old;

	if (!signal_stack)
		return;
	if (sys_call(SYS_sigaltstack, NULL, &old) == 0 && old.ss_sp == signal_stack)
		sys_call(SYS_sigaltstack, &none, NULL);
	sys_call(SYS_munmap, signal_stack, signal_stack_bytes());
}

/* The handler is the process's, the stack is each kernel thread's. */
void *green__overflow_watch(void)
{
	struct action old, action;

	green__action_handled(&action, on_fault, SA_ONSTACK);
	action_exchange(SIGSEGV, NULL, &old);
	if (old.handler && old.handler != on_fault)
		return NULL;
	if (!old.handler)
		action_exchange(SIGSEGV, &action, NULL);
	return signal_stack_install();
}

void *green__overflow_handler(void)
{
	return (void *)(uintptr_t)on_fault;
}
