/* SPDX-License-Identifier: MIT */
/* action.c - what the kernel does at a signal, asked and set past a shim that replaces the libc function */
#include "base/action.h"

#if defined(__x86_64__)
#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

void green__signal_return(void) __attribute__((visibility("hidden")));
__asm__(".text\n"
	".hidden green__signal_return\n"
	".globl green__signal_return\n"
	".type green__signal_return, @function\n"
	"green__signal_return:\n"
	"	mov $15, %eax\n"
	"	syscall\n"
	".size green__signal_return, . - green__signal_return\n");
#endif

void green__action_handled(struct action *action, void (*handler)(int, siginfo_t *, void *), unsigned long flags)
{
	*action = (struct action){
		.handler = handler,
		.flags = SA_SIGINFO | flags,
	};
#if defined(__x86_64__)
	action->flags |= SA_RESTORER;
	action->restorer = green__signal_return;
#endif
}
