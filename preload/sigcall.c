/* SPDX-License-Identifier: MIT */
/*
 * sigcall.c - arrival of signals, and running the program's handlers
 *
 * The kernel calls us with everything blocked.  What comes while the runtime changes
 * its structures, or sleeps, is only noted, and the frame returns with nearly all
 * still blocked, so that the rest stays in the kernel's queue meanwhile.  Otherwise
 * the signal is given to a thread, and if that is the running one its handler is
 * called from here.
 */
#include <link.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "hub/waiter.h"
#include "migrate.h"
#include "preempt.h"
#include "sigparts.h"
#include "ticker.h"
#include "tls.h"

enum { NOTES = 16 };

/* What has come and is not routed yet: written by the handler, read in critical sections. */
struct note {
	siginfo_t info;
	struct thread *running;
};

static struct {
	struct note notes[NOTES];
	volatile unsigned written, read;
} incoming;

void call_on_stack(void *top, void (*function)(void *), void *arg);
void frame_enter(void *frame, void (*handler)(int, siginfo_t *, void *), long number, siginfo_t *info, void *context)
	__attribute__((noreturn));

/* --- taking in --- */

bool signal_waiting_in(void)
{
	return incoming.written != incoming.read;
}

static void note(const siginfo_t *info)
{
	struct note *free = &incoming.notes[incoming.written % NOTES];

	/* One more can come before the silence that we ask for is there, hardly ever sixteen. */
	if (incoming.written - incoming.read == NOTES) {
		sys_call(SYS_rt_sigqueueinfo, threads.main->tid, info->si_signo, info);
		return;
	}
	free->info = *info;
	/* While the hub runs nobody does, and the block that is installed means nothing. */
	free->running = green__current->kind == GREENLET_HUB ? threads.main : thread_self();
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	incoming.written++;
}

void signal_take_in(void)
{
	if (!signal_waiting_in())
		return;
	while (signal_waiting_in()) {
		struct note taken = incoming.notes[incoming.read % NOTES];

		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		incoming.read++;
		signal_route(&taken.info, taken.running);
	}
	mask_install();
}

/* Called where flow->critical has become 0, and by the hub. */
static void on_interrupts(struct flow *flow)
{
	bool may_run = flow->critical == 0;

	flow->critical++;
	do {
		flow->interrupts = 0;
		signal_take_in();
	} while (flow->interrupts);
	flow->critical--;
	if (may_run) {
		ticker_prepare();
		signals_deliver();
	}
}

void signals_watch(void)
{
	shim.hub->flow->on_interrupts = on_interrupts;
}

/* --- one handler --- */

struct handler_call {
	const struct sigaction *action;
	siginfo_t *info;
	void *context;
};

static void handler_call(void *arg)
{
	struct handler_call *call = arg;

	if (call->action->sa_flags & SA_SIGINFO)
		call->action->sa_sigaction(call->info->si_signo, call->info, call->context);
	else
		call->action->sa_handler(call->info->si_signo);
}

static bool lies_on(const stack_t *stack, const void *address)
{
	return (uintptr_t)address - (uintptr_t)stack->ss_sp < stack->ss_size;
}

bool signals_on_alternate(const struct thread *thread)
{
	const stack_t *stack = &thread->alternate;

	return !(stack->ss_flags & (SS_DISABLE | (int)SS_AUTODISARM)) && lies_on(stack, __builtin_frame_address(0));
}

static bool wants_alternate(const struct thread *self, const struct sigaction *action)
{
	return (action->sa_flags & SA_ONSTACK) && !(self->alternate.ss_flags & SS_DISABLE) && !signals_on_alternate(self);
}

/* The stack that the kernel does not know: its top, where the handler's frame goes. */
static void call_where_wanted(struct thread *self, struct handler_call *call)
{
	stack_t before = self->alternate;
	bool elsewhere = wants_alternate(self, call->action);

	if (elsewhere && (before.ss_flags & (int)SS_AUTODISARM))
		self->alternate = (stack_t){ .ss_flags = SS_DISABLE };
	if (elsewhere && !lies_on(&before, __builtin_frame_address(0)))
		call_on_stack((char *)before.ss_sp + before.ss_size, handler_call, call);
	else
		handler_call(call);
	if (before.ss_flags & (int)SS_AUTODISARM)
		self->alternate = before;
}

/* What a handler sees that the kernel did not start: a context without registers but for where it is. */
static void context_make(ucontext_t *context, const struct thread *self)
{
	memset(context, 0, sizeof(*context));
	context->uc_stack = self->alternate;
	context->uc_mcontext.gregs[REG_RSP] = (greg_t)__builtin_frame_address(0);
	context->uc_mcontext.gregs[REG_RIP] = (greg_t)__builtin_return_address(0);
	context->uc_mcontext.fpregs = &context->__fpregs_mem;
}

/*
 * Run the handler for INFO.  What becomes deliverable under its mask comes first, for
 * that is the order in which the kernel's frames unwind.  Critical at entry and at the end.
 */
static void handle(struct thread *self, const struct sigaction *action, siginfo_t *info, ucontext_t *context)
{
	struct flow *flow = green__current->flow;
	struct handler_call call = { action, info, context };
	uint64_t before = self->mask_lent ? self->mask_before : self->mask;
	uint64_t mask = self->mask | mask_of(&action->sa_mask);

	if (!(action->sa_flags & SA_NODEFER))
		mask |= signal_bit(info->si_signo);
	self->mask_lent = false;
	self->waiting = 0;
	mask_to(&context->uc_sigmask, before);
	mask_change(self, mask);
	shim.stats->handlers_run++;
	critical_leave(flow);
	signals_deliver();
	call_where_wanted(self, &call);
	critical_enter(flow);
	mask_change(self, mask_of(&context->uc_sigmask));
}

/* A wait that goes on below ends because of this, with EINTR if the first handler does not restart it. */
static void handled(struct thread *self, bool restart)
{
	if (!self->handled)
		self->handled_restart = restart;
	self->handled = true;
	self->greenlet->interrupted = true;
}

static bool can_deliver(const struct thread *self)
{
	struct greenlet *current = green__current;

	return self->signals_on && self->greenlet == current && current->flow->critical == 0;
}

static void deliver(struct thread *self, ucontext_t *interrupted)
{
	struct flow *flow = green__current->flow;
	bool any = false, restart = false;
	ucontext_t made;
	siginfo_t info;

	critical_enter(flow);
	for (;;) {
		struct sigaction action;

		signal_take_in();
		if (!pending_take(&self->pending, ~self->mask & ~self->waiting, &info))
			break;
		switch (action_disposition(info.si_signo)) {
		case DISPOSITION_IGNORE:
			continue;
		case DISPOSITION_STOP:
		case DISPOSITION_END:
			action_default(&info);
			continue;
		case DISPOSITION_HANDLER:
			break;
		}
		action = *action_of(info.si_signo);
		if (action.sa_flags & (int)SA_RESETHAND)
			action_reset(info.si_signo);
		if (!any)
			restart = action.sa_flags & SA_RESTART;
		any = true;
		if (!interrupted)
			context_make(&made, self);
		handle(self, &action, &info, interrupted ? interrupted : &made);
	}
	critical_leave(flow);
	if (any)
		handled(self, restart);
}

void signals_deliver(void)
{
	struct thread *self = thread_self();

	if (self->block && can_deliver(self) && (signal_deliverable(self) || signal_waiting_in()))
		deliver(self, NULL);
}

bool shim_interrupted(bool restartable, bool cancel)
{
	struct thread *self = thread_self();
	bool ended;

	signals_deliver();
	ended = self->handled && !(restartable && self->handled_restart);
	if (self->handled) {
		self->handled = false;
		self->greenlet->interrupted = false;
	}
	/* Whoever may be cancelled anywhere may be so in any wait. */
	if (unlikely(self->cancel_requested) && (cancel || tls_cancel_anywhere(self->block)))
		real(pthread_testcancel)();
	return !ended;
}

/* --- arrival --- */

/* A thread that the shim did not make, or a child of vfork: as if the kernel had called the handler. */
static void call_natively(int number, siginfo_t *info, ucontext_t *context)
{
	struct sigaction action = *action_of(number);
	struct handler_call call = { &action, info, context };
	uint64_t mask = mask_of(&context->uc_sigmask) | mask_of(&action.sa_mask);
	stack_t stack;

	if (action_disposition(number) != DISPOSITION_HANDLER) {
		if (action_disposition(number) != DISPOSITION_IGNORE)
			action_default(info);
		return;
	}
	if (!(action.sa_flags & SA_NODEFER))
		mask |= signal_bit(number);
	if (action.sa_flags & (int)SA_RESETHAND)
		action_reset(number);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	sys_call(SYS_sigaltstack, NULL, &stack);
	if (thread_self()->helper)
		call_where_wanted(thread_self(), &call);
	else if ((action.sa_flags & SA_ONSTACK) && !(stack.ss_flags & (SS_DISABLE | SS_ONSTACK)))
		call_on_stack((char *)stack.ss_sp + stack.ss_size, handler_call, &call);
	else
		handler_call(&call);
}

/* On a helper, with everything blocked: what was sent to the thread that is here. */
static void deliver_away(struct thread *self, ucontext_t *context)
{
	uint64_t all = ~UNBLOCKABLE;
	siginfo_t info;

	while (self->helper && pending_take(&self->pending, ~mask_of(&context->uc_sigmask), &info)) {
		call_natively(info.si_signo, &info, context);
		sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	}
}

void signals_deliver_away(void)
{
	uint64_t all = ~UNBLOCKABLE;
	ucontext_t context;

	context_make(&context, thread_self());
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &context.uc_sigmask, sizeof(all));
	deliver_away(thread_self(), &context);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &context.uc_sigmask, NULL, sizeof(all));
}

static void defer(const siginfo_t *info, ucontext_t *context)
{
	struct flow *flow = green__current->flow;

	note(info);
	flow->interrupts = 1;
	mask_throttle(&context->uc_sigmask);
	if (__atomic_load_n(&shim.hub->loop.sleeping, __ATOMIC_SEQ_CST))
		green__loop_wake(&shim.hub->loop);
}

/*
 * A handler that interrupted libc itself must not let others run: it may have stopped
 * within malloc, whose lock they would wait for in the kernel.  Until it returns every
 * call is the plain one.
 */
static void unpin(unsigned *pinned)
{
	shim.pinned = (uint8_t)(shim.pinned - *pinned);
}

static bool within_runtime(const ucontext_t *context)
{
	struct dl_find_object object;

	if (_dl_find_object((void *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP], &object))
		return false;
	return strstr(object.dlfo_link_map->l_name, "libgreen") != NULL;
}

static void deliver_here(struct thread *self, ucontext_t *context)
{
	bool harmless = preempt_harmless(context);
	CLEANUP(unpin) unsigned pinned = !harmless && !within_runtime(context) ? 1 : 0;
	uintptr_t before = self->shelter;

	shim.pinned = (uint8_t)(shim.pinned + pinned);
	if (!harmless)
		shelter_enter();
	deliver(self, context);
	/* A signal that came now would believe that it interrupted us, and not what we interrupted. */
	mask_settle(&context->uc_sigmask);
	shelter_leave(before);
}

void signals_jumped(void)
{
	shim.pinned = 0;
}

static void arrive(const siginfo_t *info, ucontext_t *context)
{
	struct flow *flow = green__current->flow;
	struct thread *self = thread_self();

	mask_blocked_now();
	flow->critical++;
	signal_route(info, self);
	flow->critical--;
	if (can_deliver(self) && signal_deliverable(self))
		deliver_here(self, context);
	else
		mask_settle(&context->uc_sigmask);
}

/* --- faults --- */

static bool is_fault(const siginfo_t *info)
{
	return (SYNCHRONOUS & signal_bit(info->si_signo)) && info->si_code > 0;
}

/* Returning repeats the instruction, unless that was a trap, and the kernel ends the process as if nobody had asked. */
static void die_of(const siginfo_t *info)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	if (info->si_signo == SIGTRAP || info->si_signo == SIGSYS)
		action_default(info);
	real(sigaction)(info->si_signo, &action, NULL);
}

static void fault(int number, siginfo_t *info, ucontext_t *context)
{
	struct thread *self = thread_self();
	struct flow *flow = green__current->flow;
	struct sigaction action = *action_of(number);
	unsigned critical = flow->critical;

	if (!self->block || self->greenlet != green__current || (self->mask & signal_bit(number)) ||
	    action_disposition(number) != DISPOSITION_HANDLER) {
		die_of(info);
		return;
	}
	if (action.sa_flags & (int)SA_RESETHAND)
		action_reset(number);
	mask_blocked_now();
	flow->critical = 1;
	handle(self, &action, info, context);
	flow->critical = critical;
	mask_settle(&context->uc_sigmask);
}

/* --- frames on the carrier's own signal stack, which the next fault would overwrite --- */

static bool on_carrier_stack(void)
{
	return (uintptr_t)__builtin_frame_address(0) - shim.alt_low < shim.alt_size;
}

/* Where the kernel would have put the frame, had it known the thread. */
static uintptr_t place_of(const ucontext_t *context, const struct sigaction *action)
{
	const struct thread *self = thread_self();
	uintptr_t stack = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
	const stack_t *alternate = &self->alternate;

	if ((action->sa_flags & SA_ONSTACK) && !(alternate->ss_flags & SS_DISABLE) && !lies_on(alternate, (void *)stack))
		return (uintptr_t)alternate->ss_sp + alternate->ss_size;
	return stack - 128;
}

/* The kernel's frame is the return address, the context, what is known of the signal, and above them the big registers. */
static void move_frame(int number, siginfo_t *info, ucontext_t *context)
{
	const uint32_t *reserved = (const uint32_t *)(const void *)((char *)context->uc_mcontext.fpregs + 464);
	uintptr_t start = (uintptr_t)context - sizeof(uintptr_t);
	uintptr_t end = (uintptr_t)context->uc_mcontext.fpregs + (reserved[0] == 0x46505853 ? reserved[1] : 512);
	uintptr_t place = (place_of(context, action_of(number)) - (end - start)) & ~(uintptr_t)63;
	uintptr_t moved = place + (start & 63) - start;

	if (place + (start & 63) + (end - start) > place_of(context, action_of(number)))
		moved -= 64;
	memcpy((void *)(start + moved), (void *)start, end - start);
	context = (ucontext_t *)((uintptr_t)context + moved);
	context->uc_mcontext.fpregs = (void *)((uintptr_t)context->uc_mcontext.fpregs + moved);
	frame_enter((void *)(start + moved), signals_arrived, number, (siginfo_t *)((uintptr_t)info + moved), context);
}

void signals_arrived(int number, siginfo_t *info, void *context)
{
	struct greenlet *self = green__current;

	if (info->si_code == MIGRATE_RING)
		deliver_away(thread_self(), context);
	else if (!self || self->flow != shim.hub->flow || shim.in_vfork_child)
		call_natively(number, info, context);
	else if (self->flow->critical && !is_fault(info))
		defer(info, context);
	else if (on_carrier_stack() && thread_self()->greenlet == self)
		move_frame(number, info, context);
	else if (is_fault(info))
		fault(number, info, context);
	else
		arrive(info, context);
}
