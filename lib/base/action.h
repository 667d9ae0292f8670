/* SPDX-License-Identifier: MIT */
/* action.h - what the kernel does at a signal, asked and set past a shim that replaces the libc function */
#ifndef GREEN_BASE_ACTION_H
#define GREEN_BASE_ACTION_H

#include <signal.h>
#include <stdint.h>

#include "base/sys.h"

/* The kernel's own struct. */
struct action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
#if defined(__riscv) || defined(__loongarch__)
	/* The newest CPUs have no restorer; qemu-user 7.2 believes that they have, and writes all the same. */
	uint64_t mask, unused;
#else
	void (*restorer)(void);
	uint64_t mask;
#endif
};

/* green__action_handled - ACTION lets HANDLER run, with FLAGS beside SA_SIGINFO */
void green__action_handled(struct action *action, void (*handler)(int, siginfo_t *, void *), unsigned long flags);

/* action_exchange - either of ACTION and OLD may be NULL; 0 or -errno */
static inline long action_exchange(int number, const struct action *action, struct action *old)
{
	return sys_call(SYS_rt_sigaction, number, action, old, sizeof(action->mask));
}

#endif
