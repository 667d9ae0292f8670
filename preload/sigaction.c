/* SPDX-License-Identifier: MIT */
/* sigaction.c - what the program has asked for, and what the kernel is told instead */
#include "audit.h"
#include "hub/hub.h"
#include "preempt.h"
#include "sigparts.h"
#include "switch/overflow.h"

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

/* Flags that are ours to obey; the kernel is told of the others. */
#define OUR_FLAGS (SA_SIGINFO | SA_ONSTACK | SA_NODEFER | (int)SA_RESETHAND)

/* What the program has asked for; valid for signals in TAKEN. */
static struct sigaction actions[SIGNALS + 1];
static uint64_t taken; /* signals whose kernel handler is ours */

/* What it wants of the tick's signal, of which nothing is true. */
static struct sigaction tick_action;
static int tick_number;

const struct sigaction *action_of(int number)
{
	return &actions[number];
}

bool action_taken(int number)
{
	return taken & signal_bit(number);
}

static bool is_handler(const struct sigaction *action)
{
	return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

static bool is_overflow_watch(const struct sigaction *action)
{
	return (void *)(uintptr_t)action->sa_sigaction == green__overflow_handler();
}

static enum disposition default_of(int number)
{
	switch (number) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
		return DISPOSITION_IGNORE;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return DISPOSITION_STOP;
	default:
		return DISPOSITION_END;
	}
}

enum disposition action_disposition(int number)
{
	struct sigaction action = actions[number];

	if (number == preempt_signal())
		action = tick_action;
	else if (!action_taken(number) && real(sigaction)(number, NULL, &action))
		action.sa_handler = SIG_DFL;
	if (action.sa_handler == SIG_IGN)
		return DISPOSITION_IGNORE;
	return action.sa_handler == SIG_DFL || is_overflow_watch(&action) ? default_of(number) : DISPOSITION_HANDLER;
}

/* Tell the kernel to call us with everything blocked; our handler applies the program's own mask. */
static int install(int number, struct sigaction *action)
{
	struct sigaction ours = *action, now;
	int result;

	ours.sa_sigaction = signals_arrived;
	ours.sa_flags = (ours.sa_flags & ~OUR_FLAGS) | SA_SIGINFO;
	/* A fault on a full stack needs another one; the frame is moved to the thread's own. */
	if (SYNCHRONOUS & signal_bit(number))
		ours.sa_flags |= action->sa_flags & SA_ONSTACK;
	memset(&ours.sa_mask, 0xff, sizeof(ours.sa_mask));
	result = real(sigaction)(number, &ours, NULL);
	/* A query shows the flags that the kernel knows, and libc's own. */
	if (result == 0 && real(sigaction)(number, NULL, &now) == 0) {
		action->sa_flags = (now.sa_flags & ~OUR_FLAGS) | (action->sa_flags & OUR_FLAGS);
		action->sa_restorer = now.sa_restorer;
	}
	return result;
}

static void take(int number, const struct sigaction *action)
{
	struct sigaction wanted = *action;

	mask_to(&wanted.sa_mask, mask_of(&wanted.sa_mask) & ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP)));
	/* It may come, to another kernel thread at least, as soon as the kernel knows. */
	actions[number] = wanted;
	taken |= signal_bit(number);
	if (install(number, &wanted))
		taken &= ~signal_bit(number);
	else
		actions[number] = wanted;
}

void action_reset(int number)
{
	struct sigaction action = actions[number];

	action.sa_handler = SIG_DFL;
	taken &= ~signal_bit(number);
	real(sigaction)(number, &action, NULL);
}

void action_guard(int number)
{
	struct sigaction action;

	if (action_taken(number) || real(sigaction)(number, NULL, &action) || action.sa_handler != SIG_DFL)
		return;
	take(number, &action);
}

void action_default(const siginfo_t *info)
{
	struct sigaction action = { .sa_handler = SIG_DFL }, before;
	int number = info->si_signo;
	uint64_t mask = signal_bit(number);

	if (default_of(number) == DISPOSITION_END)
		audit_process_ends();
	real(sigaction)(number, &action, &before);
	sys_call(SYS_rt_tgsigqueueinfo, sys_call(SYS_getpid), sys_call(SYS_gettid), number, info);
	sys_call(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, &mask, sizeof(mask));
	/* Still here: it has only stopped us. */
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	real(sigaction)(number, &before, NULL);
}

static void drop_everywhere(int number)
{
	list_for_each(node, &threads.all)
		pending_drop(&container_of(node, struct thread, link)->pending, signal_bit(number));
}

/* Loops over all signals that set the default are common and must not cost the tick; a handler takes it away. */
static int action_of_tick(const struct sigaction *action, struct sigaction *old)
{
	struct sigaction before = tick_action;

	if (action && is_handler(action))
		return 1;
	if (action) {
		tick_action = *action;
		tick_number = preempt_signal();
	}
	if (old)
		*old = before;
	return 0;
}

void action_tick_moved(void)
{
	if (tick_number && tick_number != preempt_signal())
		real(sigaction)(tick_number, &tick_action, NULL);
	tick_number = 0;
	memset(&tick_action, 0, sizeof(tick_action));
}

static int action_set(int number, const struct sigaction *action)
{
	struct flow *flow = green__current ? green__current->flow : NULL;
	int result = 0;

	if (flow)
		critical_enter(flow);
	if (is_handler(action)) {
		take(number, action);
	} else {
		result = real(sigaction)(number, action, NULL);
		if (result == 0)
			taken &= ~signal_bit(number);
		/* What is ignored is no longer pending. */
		if (result == 0 && flow && action_disposition(number) == DISPOSITION_IGNORE)
			drop_everywhere(number);
	}
	if (flow)
		critical_leave(flow);
	return result;
}

int signals_action(int number, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction before;

	if (number < 1 || number > SIGNALS || ((UNBLOCKABLE & signal_bit(number)) && action))
		return real(sigaction)(number, action, old);
	if (number == preempt_signal() && action_of_tick(action, old) == 0)
		return 0;
	if (number == preempt_signal()) {
		before = tick_action;
		preempt_stop();
		signals_masks_changed();
	} else if (action_taken(number)) {
		before = actions[number];
	} else if (real(sigaction)(number, NULL, &before)) {
		return -1;
	}
	/* The runtime's own watch for overflows stands where the program has its default. */
	if (is_overflow_watch(&before))
		memset(&before, 0, sizeof(before));
	if (action && action_set(number, action))
		return -1;
	/* The program may have left the tick a signal again. */
	if (action && !is_handler(action) && !preempt_signal()) {
		preempt_begin();
		signals_masks_changed();
	}
	if (old)
		*old = before;
	return 0;
}

void actions_birth(void)
{
	for (int number = 1; number <= SIGNALS; number++) {
		struct sigaction action;

		if (number == preempt_signal() || real(sigaction)(number, NULL, &action) || !is_handler(&action) ||
		    is_overflow_watch(&action))
			continue;
		take(number, &action);
	}
}
