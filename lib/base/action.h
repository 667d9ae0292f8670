/* SPDX-License-Identifier: MIT */
/* action.h - what the kernel does at a signal, asked and set past a shim that replaces the libc function */
#ifndef GREEN_BASE_ACTION_H
#define GREEN_BASE_ACTION_H

#include <signal.h>
#include <stdint.h>

#include "base/sys.h"

/* Newer CPUs' structs do without. */
#if defined(__x86_64__) || defined(__aarch64__)
#define ACTION_RESTORER 1
#endif

/* The kernel's own struct. */
struct action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
#ifdef ACTION_RESTORER
	void (*restorer)(void);
#endif
	uint64_t mask;
};

/* green__action_handled - ACTION lets HANDLER run, with FLAGS beside SA_SIGINFO */
void green__action_handled(struct action *action, void (*handler)(int, siginfo_t *, void *), unsigned long flags);

/* action_exchange - either of ACTION and OLD may be NULL; 0 or -errno */
static inline long action_exchange(int number, const struct action *action, struct action *old)
{
	return sys_call(SYS_rt_sigaction, number, action, old, sizeof(action->mask));
}

#endif
