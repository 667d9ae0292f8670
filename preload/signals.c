/* SPDX-License-Identifier: MIT */
/* signals.c - signals as threads expect them, on one kernel thread */
#include "signals.h"

#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "hub/waiter.h"
#include "migrate.h"
#include "preempt.h"
#include "switch/overflow.h"

enum { SIGNALS = 64 };

/* What the CPU reports of the running instruction; these handlers are the program's alone. */
#define SYNCHRONOUS (bit(SIGSEGV) | bit(SIGBUS) | bit(SIGFPE) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGSYS))

static inline uint64_t bit(int number)
{
	return UINT64_C(1) << (number - 1);
}

/* What the program has asked for; valid for signals in TAKEN. */
static struct sigaction actions[SIGNALS + 1];
static uint64_t taken;          /* signals whose kernel handler is ours */
static siginfo_t infos[SIGNALS + 1];
static uint64_t arrived;        /* atomic: came while the runtime was busy; not yet given to a thread */
static unsigned blocked[SIGNALS + 1]; /* how many live threads block each signal */
static uint64_t kernel_mask;

static uint64_t mask_of(const sigset_t *set)
{
	uint64_t mask;

	memcpy(&mask, set, sizeof(mask));
	return mask;
}

static void set_kernel_mask(uint64_t mask)
{
	if (preempt_signal())
		mask &= ~bit(preempt_signal());
	kernel_mask = mask;
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

static int install(int number, const struct sigaction *wanted);

/*
 * SIGPIPE is the writing thread's own.  Where some threads block it and others do
 * not, the kernel must not kill for one that does, so even the default passes
 * through our hands.
 */
static void guard_sigpipe(void)
{
	struct sigaction action;

	if ((taken & bit(SIGPIPE)) || !blocked[SIGPIPE] || real(sigaction)(SIGPIPE, NULL, &action) || action.sa_handler != SIG_DFL)
		return;
	actions[SIGPIPE] = action;
	taken |= bit(SIGPIPE);
	install(SIGPIPE, &action);
}

void signals_refresh_mask(sigset_t *set)
{
	memcpy(set, &kernel_mask, sizeof(kernel_mask));
}

static void update_kernel_mask(void)
{
	uint64_t mask = 0;

	guard_sigpipe();

	for (int number = 1; number <= SIGNALS; number++) {
		if (blocked[number] && blocked[number] >= threads.alive)
			mask |= bit(number);
	}
	if (preempt_signal())
		mask &= ~bit(preempt_signal());
	if (mask != kernel_mask)
		set_kernel_mask(mask);
}

void signals_masks_changed(void)
{
	update_kernel_mask();
}

static void count_mask(uint64_t mask, int change)
{
	for (; mask; mask &= mask - 1)
		blocked[__builtin_ctzll(mask) + 1] += (unsigned)change;
}

/* --- running handlers --- */

struct handler_call {
	struct sigaction action;
	int number;
	siginfo_t *info;
	void *context;
};

static void handler_run(void *arg)
{
	struct handler_call *call = arg;

	if (call->action.sa_flags & SA_SIGINFO)
		call->action.sa_sigaction(call->number, call->info, call->context);
	else
		call->action.sa_handler(call->number);
}

/* A signal whose default is the end: let the kernel do it. */
static void default_action(int number)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	uint64_t mask = bit(number);

	real(sigaction)(number, &action, NULL);
	sys_call(SYS_tgkill, sys_call(SYS_getpid), sys_call(SYS_gettid), number);
	sys_call(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, sizeof(mask));
}

void call_on_stack(void *top, void (*function)(void *), void *arg);

static bool on_alternate(const struct thread *thread)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return here - (uintptr_t)thread->alternate.ss_sp < thread->alternate.ss_size;
}

static void call_handler(int number, siginfo_t *info, void *context)
{
	struct handler_call call = { actions[number], number, info, context };
	struct thread *self = thread_self();

	if (call.action.sa_handler == SIG_DFL && !(call.action.sa_flags & SA_SIGINFO)) {
		default_action(number);
		return;
	}
	if (call.action.sa_flags & (int)SA_RESETHAND)
		actions[number].sa_handler = SIG_DFL;
	self->handled++;
	shim.stats->handlers_run++;
	/* The thread's own signal stack, which the kernel does not know. */
	if ((call.action.sa_flags & SA_ONSTACK) && self->block && !(self->alternate.ss_flags & SS_DISABLE) && !on_alternate(self))
		call_on_stack((char *)self->alternate.ss_sp + self->alternate.ss_size, handler_run, &call);
	else
		handler_run(&call);
}

/* A handler that the kernel did not start: mask and context are made as the kernel makes them. */
static void run_handler(int number)
{
	uint64_t mask = mask_of(&actions[number].sa_mask) | (actions[number].sa_flags & SA_NODEFER ? 0 : bit(number));
	siginfo_t info = infos[number];
	ucontext_t context;
	uint64_t before;
	int saved = errno;

	memset(&context, 0, sizeof(context));
	sys_call(SYS_rt_sigprocmask, SIG_BLOCK, &mask, &before, sizeof(before));
	memcpy(&context.uc_sigmask, &before, sizeof(before));
	call_handler(number, &info, &context);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
	errno = saved;
}

/* Another kernel thread may be at it at the same time, if the thread has just gone to a helper. */
static bool pending_take(struct thread *thread, int number)
{
	return __atomic_fetch_and(&thread->pending, ~bit(number), __ATOMIC_SEQ_CST) & bit(number);
}

/*
 * THREAD is to handle NUMBER.  If it is away, or leaves at this moment, either it
 * sees the signal when it arrives on its helper or the helper is interrupted.
 */
static void pending_add(struct thread *thread, int number)
{
	__atomic_or_fetch(&thread->pending, bit(number), __ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&thread->helper, __ATOMIC_SEQ_CST)))
		migrate_ring(thread, number);
	else if (thread->greenlet && thread->greenlet != green__current)
		green__interrupt(thread->greenlet);
}

unsigned signals_run_pending(bool *restart)
{
	struct thread *self = thread_self();
	unsigned count = 0;
	uint64_t ready;

	while ((ready = __atomic_load_n(&self->pending, __ATOMIC_SEQ_CST) & ~self->mask)) {
		int number = __builtin_ctzll(ready) + 1;

		if (!pending_take(self, number))
			continue;
		if (!(actions[number].sa_flags & SA_RESTART))
			*restart = false;
		run_handler(number);
		count++;
	}
	return count;
}

bool shim_interrupted(bool restartable, bool cancel)
{
	bool restart = true;
	unsigned count = thread_self()->block ? signals_run_pending(&restart) : 0;

	if (cancel)
		shim_cancellation_point();
	return count == 0 || (restartable && restart);
}

/* --- giving signals to threads --- */

static struct thread *choose(int number, const siginfo_t *info)
{
	struct thread *self = thread_self();

	/* raise and the like are for the caller, and so is a broken pipe. */
	if ((info->si_code == SI_TKILL || number == SIGPIPE) && info->si_pid == (pid_t)sys_call(SYS_getpid))
		return self->block ? self : threads.main;
	if (threads.main->greenlet && !threads.main->ended && !(threads.main->mask & bit(number)))
		return threads.main;
	if (self->block && self->greenlet && !(self->mask & bit(number)))
		return self;
	list_for_each(node, &threads.all) {
		struct thread *thread = container_of(node, struct thread, link);

		if (!(thread->mask & bit(number)))
			return thread;
	}
	return threads.main;
}

/* Give away what has arrived.  A thread that is running has its handlers run here; the others' waits end. */
static void distribute(struct flow *flow)
{
	uint64_t came;
	bool here = false, restart = true;

	flow->critical++;
	flow->interrupts = 0;
	came = __atomic_exchange_n(&arrived, 0, __ATOMIC_SEQ_CST);
	for (; came; came &= came - 1) {
		int number = __builtin_ctzll(came) + 1;
		struct thread *thread = choose(number, &infos[number]);

		pending_add(thread, number);
		here = here || thread->greenlet == green__current;
	}
	flow->critical--;
	if (here && flow->critical == 0)
		signals_run_pending(&restart);
	else if (here)
		green__interrupt(green__current);
}

/* Who was interrupted inside libc may hold a lock there, which the handler does not know: no tick meanwhile. */
static void call_sheltered(int number, siginfo_t *info, void *context)
{
	uintptr_t before = thread_self()->shelter;

	if (!preempt_harmless(context))
		shelter_enter();
	call_handler(number, info, context);
	shelter_leave(before);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	struct greenlet *self = green__current;
	bool restart = true;
	int saved = errno;

	if (info->si_code == MIGRATE_RING) {
		signals_run_pending(&restart);
	} else if (!self || self->flow != shim.hub->flow || shim.in_vfork_child) {
		call_handler(number, info, context);
	} else if (self->flow->critical == 0 && choose(number, info) == thread_self() && thread_self()->greenlet == self &&
		   !(thread_self()->mask & bit(number))) {
		/* The program's own code was interrupted, and the signal is for it: nothing is ours to change. */
		call_sheltered(number, info, context);
	} else {
		infos[number] = *info;
		__atomic_or_fetch(&arrived, bit(number), __ATOMIC_SEQ_CST);
		self->flow->interrupts = 1;
		if (self->flow->critical == 0)
			distribute(self->flow);
		else if (__atomic_load_n(&shim.hub->loop.sleeping, __ATOMIC_SEQ_CST))
			green__loop_wake(&shim.hub->loop);
	}
	errno = saved;
}

int signals_send(struct thread *thread, int number)
{
	siginfo_t info = { .si_signo = number, .si_code = SI_TKILL };
	bool restart = true;

	info.si_pid = (pid_t)sys_call(SYS_getpid);
	info.si_uid = (uid_t)sys_call(SYS_getuid);
	/* What no handler of the program takes is the process's affair. */
	if (!(taken & bit(number)))
		return -(int)sys_call(SYS_kill, info.si_pid, number);
	infos[number] = info;
	pending_add(thread, number);
	if (thread == thread_self())
		signals_run_pending(&restart);
	return 0;
}

/* --- actions --- */

static bool is_handler(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static int install(int number, const struct sigaction *wanted)
{
	struct sigaction ours = *wanted;

	ours.sa_sigaction = on_signal;
	ours.sa_flags |= SA_SIGINFO;
	ours.sa_flags &= ~SA_ONSTACK;
	return real(sigaction)(number, &ours, NULL);
}

int signals_action(int number, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction before;
	int result;

	if (number < 1 || number > SIGNALS)
		return real(sigaction)(number, action, old);
	if (number == preempt_signal() && !action)
		return memset(old ? old : &before, 0, sizeof(before)), 0;
	if (number == preempt_signal()) {
		preempt_stop();
		update_kernel_mask();
	}
	if (SYNCHRONOUS & bit(number)) {
		result = real(sigaction)(number, action, old);
		/* The runtime's own watch for overflows stands where the program has its default. */
		if (result == 0 && old && (void *)(uintptr_t)old->sa_sigaction == green__overflow_handler())
			memset(old, 0, sizeof(*old));
		return result;
	}
	if (taken & bit(number))
		before = actions[number];
	else if (real(sigaction)(number, NULL, &before))
		return -1;
	if (action && is_handler(action)) {
		actions[number] = *action;
		result = install(number, action);
	} else {
		result = action ? real(sigaction)(number, action, NULL) : 0;
	}
	if (result)
		return result;
	if (action && is_handler(action))
		taken |= bit(number);
	else if (action)
		taken &= ~bit(number);
	if (old)
		*old = before;
	return 0;
}

/* --- masks --- */

void signals_set_mask(uint64_t mask)
{
	struct thread *self = thread_self();
	struct flow *flow = green__current->flow;
	bool restart = true;

	critical_enter(flow);
	mask &= ~(bit(SIGKILL) | bit(SIGSTOP));
	count_mask(mask & ~self->mask, 1);
	count_mask(self->mask & ~mask, -1);
	self->mask = mask;
	update_kernel_mask();
	critical_leave(flow);
	if (flow->critical == 0)
		signals_run_pending(&restart);
}

void signals_thread_begins(struct thread *thread, const sigset_t *mask)
{
	thread->mask = mask ? mask_of(mask) : thread_self()->mask;
	count_mask(thread->mask, 1);
	threads.alive++;
	update_kernel_mask();
	threads.alive--;
}

void signals_thread_ends(struct thread *thread)
{
	uint64_t pending = thread->pending;

	count_mask(thread->mask, -1);
	thread->mask = 0;
	thread->pending = 0;
	threads.alive--;
	update_kernel_mask();
	threads.alive++;
	/* A signal of the process's that this thread did not come to is somebody else's now. */
	if (pending) {
		__atomic_or_fetch(&arrived, pending, __ATOMIC_SEQ_CST);
		green__current->flow->interrupts = 1;
	}
}

uint64_t signals_kernel_mask_swap(void)
{
	uint64_t before = kernel_mask;

	uint64_t own = thread_self()->mask;

	/* A tick that is pending must not wait for the new program. */
	if (preempt_signal())
		own &= ~bit(preempt_signal());
	if (thread_self()->block && own != before)
		sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &own, NULL, sizeof(own));
	return before;
}

void signals_kernel_mask_restore(uint64_t mask)
{
	if (thread_self()->block && thread_self()->mask != mask)
		sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

void signals_after_fork(void)
{
	struct thread *self = thread_self();

	memset(blocked, 0, sizeof(blocked));
	count_mask(self->mask, 1);
	self->pending = 0;
	arrived = 0;
	set_kernel_mask(self->mask);
}

/* One real signal stack for the carrier; what threads tell sigaltstack is only remembered. */
static void take_signal_stack(void)
{
	size_t size = 128 * 1024;
	long memory = sys_call(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	stack_t stack = { .ss_sp = (void *)memory, .ss_size = size };

	if (sys_failed(memory) || sys_call(SYS_sigaltstack, &stack, NULL))
		return;
	shim.alt_low = (uintptr_t)memory;
	shim.alt_size = size;
}

void signals_birth(void)
{
	struct thread *self = thread_self();

	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &self->mask, sizeof(self->mask));
	kernel_mask = self->mask;
	count_mask(self->mask, 1);
	take_signal_stack();
	shim.hub->flow->on_interrupts = distribute;
	for (int number = 1; number <= SIGNALS; number++) {
		struct sigaction action;

		if ((SYNCHRONOUS & bit(number)) || real(sigaction)(number, NULL, &action) || !is_handler(&action))
			continue;
		actions[number] = action;
		taken |= bit(number);
		install(number, &action);
	}
	preempt_birth();
	set_kernel_mask(self->mask);
}
