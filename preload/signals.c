/* SPDX-License-Identifier: MIT */
/* signals.c - who blocks which signals, what the kernel blocks for all, and who gets what comes */
#include "signals.h"

#include <sys/mman.h>
#include <sys/signalfd.h>

#include "base/spinlock.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "hub/task.h"
#include "hub/waiter.h"
#include "migrate.h"
#include "owners.h"
#include "preempt.h"
#include "sigparts.h"
#include "timers.h"

#define LOOK_AGAIN (5 * NS_PER_MS) /* for a signal, where no descriptor is to be had */

static unsigned blocked[SIGNALS + 1]; /* how many live threads block each signal */
static uint64_t blocked_by_some;      /* those of which that is not 0 */
static uint64_t wanted;    /* what the kernel is to block: what all threads block */
static uint64_t installed; /* what it blocks */

/* --- the kernel's mask --- */

static uint64_t tick_bit(void)
{
	return preempt_signal() ? signal_bit(preempt_signal()) : 0;
}

/* Everything but what must come through at any time. */
static uint64_t throttled(void)
{
	return ~(SYNCHRONOUS | UNBLOCKABLE | tick_bit());
}

static void kernel_set(uint64_t mask)
{
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	installed = mask;
}

/* A signal that came before kernel_set has done its work has asked for silence: then it gets it. */
void mask_install(void)
{
	uint64_t mask;

	do {
		mask = signal_waiting_in() ? throttled() : wanted;
		if (mask == installed)
			break;
		kernel_set(mask);
	} while (signal_waiting_in() && mask != throttled());
}

void mask_blocked_now(void)
{
	installed = ~UINT64_C(0);
}

void mask_throttle(sigset_t *set)
{
	installed = throttled();
	mask_to(set, installed);
}

void mask_settle(sigset_t *set)
{
	/* Between here and the return nothing may come that changes the mask again. */
	if (installed != ~UINT64_C(0))
		kernel_set(~UINT64_C(0));
	installed = wanted;
	mask_to(set, wanted);
}

void signals_let_through(void)
{
	struct flow *flow = green__current->flow;

	critical_enter(flow);
	mask_blocked_now();
	mask_install();
	critical_leave(flow);
}

void signals_refresh_mask(sigset_t *set)
{
	mask_settle(set);
}

static uint64_t common_mask(void)
{
	uint64_t mask = 0;

	for (uint64_t left = blocked_by_some; left; left &= left - 1) {
		int number = __builtin_ctzll(left) + 1;

		if (blocked[number] >= threads.alive)
			mask |= signal_bit(number);
	}
	/* A broken pipe is the writing thread's own, which the kernel's queue would not know. */
	if (action_taken(SIGPIPE))
		mask &= ~signal_bit(SIGPIPE);
	return mask & ~tick_bit();
}

static void mask_update(void)
{
	if (blocked[SIGPIPE])
		action_guard(SIGPIPE);
	wanted = common_mask();
	mask_install();
}

void signals_masks_changed(void)
{
	struct flow *flow = shim.hub->flow;

	action_tick_moved();
	critical_enter(flow);
	mask_update();
	critical_leave(flow);
}

static void count_mask(uint64_t mask, int change)
{
	for (; mask; mask &= mask - 1) {
		int number = __builtin_ctzll(mask) + 1;

		blocked[number] += (unsigned)change;
		if (blocked[number])
			blocked_by_some |= signal_bit(number);
		else
			blocked_by_some &= ~signal_bit(number);
	}
}

/* --- who gets what --- */

uint64_t signal_deliverable(const struct thread *thread)
{
	return (thread->pending.own | thread->pending.process) & ~thread->mask & ~thread->waiting;
}

static bool eligible(const struct thread *thread, int number)
{
	return thread->greenlet && !thread->signals_over && (!(thread->mask & signal_bit(number)) || (thread->waiting & signal_bit(number)));
}

/* What counts the CPU time that is used, the kernel gives to whoever uses it. */
static bool for_running(const siginfo_t *info)
{
	if (info->si_code == SI_TIMER)
		return true;
	return info->si_code == SI_KERNEL && (info->si_signo == SIGPROF || info->si_signo == SIGVTALRM);
}

static struct thread *choose(const siginfo_t *info, struct thread *running)
{
	int number = info->si_signo;

	if (for_running(info) && eligible(running, number))
		return running;
	if (eligible(threads.main, number))
		return threads.main;
	if (eligible(running, number))
		return running;
	list_for_each(node, &threads.all) {
		struct thread *thread = container_of(node, struct thread, link);

		if (eligible(thread, number))
			return thread;
	}
	return NULL;
}

/* raise and the like inside libc are for the caller, and so is a broken pipe; another process means the first thread. */
static bool directed(const siginfo_t *info, struct thread *running, struct thread **thread)
{
	bool ours = info->si_pid == threads.main->tid;

	bool known = true;

	if (info->si_code == SI_TKILL)
		*thread = ours ? running : threads.main;
	else if (info->si_code == SI_TIMER)
		*thread = timer_thread(info, &known);
	else if (info->si_signo == SIGPIPE && info->si_code == SI_USER && ours)
		*thread = running;
	else
		*thread = owners_thread(info, &known);
	return known;
}

/* If THREAD leaves for a helper at this moment it sees the signal when it arrives there. */
static void tell(struct thread *thread, int number)
{
	if (unlikely(__atomic_load_n(&thread->helper, __ATOMIC_SEQ_CST)))
		migrate_ring(thread, number);
	else if (thread->greenlet && thread->greenlet != green__current)
		green__interrupt(thread->greenlet);
}

/* For THREAD alone, which may have ended, or not want it. */
static void route_to(struct thread *thread, const siginfo_t *info)
{
	uint64_t bit = signal_bit(info->si_signo);
	siginfo_t shown = *info;

	if (!thread || thread->signals_over)
		return;
	if (!((thread->mask | thread->waiting) & bit) && action_disposition(info->si_signo) == DISPOSITION_IGNORE)
		return;
	owners_disguise(&shown);
	pending_add(&thread->pending, &shown, false, true);
	tell(thread, info->si_signo);
}

void signal_route(const siginfo_t *info, struct thread *running)
{
	struct thread *thread;

	if (!running->greenlet)
		running = threads.main;
	if (directed(info, running, &thread)) {
		route_to(thread, info);
		return;
	}
	thread = choose(info, running);
	if (thread) {
		pending_add(&thread->pending, info, true, true);
		tell(thread, info->si_signo);
		return;
	}
	/* By now everybody blocks it, the kernel too: it waits in the kernel's queue. */
	if (wanted & signal_bit(info->si_signo))
		sys_call(SYS_rt_sigqueueinfo, threads.main->tid, info->si_signo, info);
	else
		pending_add(&threads.main->pending, info, true, true);
}

/* THREAD blocks SET now, so the process's signals that it had not taken yet are somebody else's. */
static void rehome(struct thread *thread, uint64_t set)
{
	struct pending moved = { 0 };
	siginfo_t info;

	while (pending_take_process(&thread->pending, set, &info))
		pending_add(&moved, &info, true, true);
	while (pending_take_process(&moved, ~UINT64_C(0), &info))
		signal_route(&info, thread);
}

/* --- masks --- */

static void mask_assign(struct thread *thread, uint64_t mask)
{
	count_mask(mask & ~thread->mask, 1);
	count_mask(thread->mask & ~mask, -1);
	thread->mask = mask;
}

void mask_change(struct thread *thread, uint64_t mask)
{
	uint64_t more;

	mask &= ~UNBLOCKABLE;
	more = mask & ~thread->mask & ~thread->waiting;
	mask_assign(thread, mask);
	mask_update();
	if (thread->pending.process & more)
		rehome(thread, more);
}

void signals_set_mask(uint64_t mask)
{
	struct thread *self = thread_self();
	struct flow *flow = green__current->flow;

	if (mask == self->mask)
		return;
	critical_enter(flow);
	mask_change(self, mask);
	critical_leave(flow);
	signals_deliver();
}

void signals_lend_mask(uint64_t mask, bool by_kernel)
{
	struct thread *self = thread_self();
	struct flow *flow = green__current->flow;

	critical_enter(flow);
	self->mask_before = self->mask;
	self->mask_lent = true;
	if (by_kernel)
		mask_assign(self, mask & ~UNBLOCKABLE);
	else
		mask_change(self, mask);
	critical_leave(flow);
	if (!by_kernel || signal_deliverable(self))
		signals_deliver();
}

bool signals_return_mask(void)
{
	struct thread *self = thread_self();

	if (!self->mask_lent)
		return true;
	self->mask_lent = false;
	signals_set_mask(self->mask_before);
	return false;
}

void signals_own_mask_swap(void)
{
	/* A tick that is pending must not wait for the new program. */
	uint64_t own = thread_self()->mask & ~tick_bit();

	if (thread_self()->block && own != installed)
		kernel_set(own);
}

void signals_before_exec(void)
{
	struct thread *self = thread_self();
	struct flow *flow = green__current->flow;
	siginfo_t info;

	critical_enter(flow);
	signals_own_mask_swap();
	while (pending_take(&self->pending, self->mask, &info))
		sys_call(SYS_rt_tgsigqueueinfo, sys_call(SYS_getpid), sys_call(SYS_gettid), info.si_signo, &info);
	critical_leave(flow);
}

void signals_own_mask_restore(void)
{
	struct flow *flow = green__current->flow;

	critical_enter(flow);
	mask_install();
	critical_leave(flow);
}

/* --- sending --- */

/* A signal whose default ends or stops the process does so whichever thread it is for. */
static int send_now(struct thread *thread, const siginfo_t *info)
{
	uint64_t bit = signal_bit(info->si_signo);
	bool kept = (thread->mask | thread->waiting) & bit;
	enum disposition disposition = action_disposition(info->si_signo);
	int error;

	if (thread->signals_over)
		return 0;
	if (!kept && disposition == DISPOSITION_IGNORE)
		return 0;
	if ((!kept && disposition != DISPOSITION_HANDLER) || (bit & UNBLOCKABLE)) {
		action_default(info);
		return 0;
	}
	error = pending_add(&thread->pending, info, false, false);
	if (!error)
		tell(thread, info->si_signo);
	return error;
}

int signals_send(struct thread *thread, const siginfo_t *info)
{
	struct flow *flow = green__current->flow;
	int error;

	critical_enter(flow);
	error = send_now(thread, info);
	critical_leave(flow);
	if (thread == thread_self())
		signals_deliver();
	return error;
}

int signals_send_process(const siginfo_t *info)
{
	struct flow *flow = green__current->flow;
	struct thread *thread;

	critical_enter(flow);
	thread = choose(info, thread_self());
	if (!thread)
		thread = threads.main;
	if (!eligible(thread, info->si_signo) || action_disposition(info->si_signo) == DISPOSITION_HANDLER) {
		pending_add(&thread->pending, info, true, false);
		tell(thread, info->si_signo);
	} else if (action_disposition(info->si_signo) != DISPOSITION_IGNORE) {
		action_default(info);
	}
	critical_leave(flow);
	signals_deliver();
	return 0;
}

/* Senders that are not green leave what they send in one of these; the call must not use malloc. */
struct letter {
	struct remote remote;
	int used;
	struct thread *thread;
	siginfo_t info;
};

static struct letter letters[32];

static void letter_opened(struct hub *hub, struct remote *remote)
{
	struct letter *letter = container_of(remote, struct letter, remote);

	(void)hub;
	if (letter->thread->greenlet)
		send_now(letter->thread, &letter->info);
	__atomic_store_n(&letter->used, 0, __ATOMIC_RELEASE);
}

int signals_send_foreign(struct thread *thread, const siginfo_t *info)
{
	for (unsigned i = 0;; i = (i + 1) % ARRAY_LENGTH(letters)) {
		struct letter *letter = &letters[i];

		if (!__atomic_exchange_n(&letter->used, 1, __ATOMIC_ACQUIRE)) {
			letter->thread = thread;
			letter->info = *info;
			letter->remote.run = letter_opened;
			green__hub_post(shim.hub, &letter->remote);
			return 0;
		}
		if (i + 1 == ARRAY_LENGTH(letters))
			sys_call(SYS_sched_yield);
	}
}

/* --- waiting for signals --- */

/* Take what is there, the caller's own first, then what the kernel keeps because everybody blocks it. */
static long take_one(struct thread *self, uint64_t set, siginfo_t *info)
{
	struct timespec none = { 0, 0 };
	struct thread *other;
	long number;

	signal_take_in();
	if (pending_take(&self->pending, set, info))
		return info->si_signo;
	for (;;) {
		number = sys_call(SYS_rt_sigtimedwait, &set, info, &none, sizeof(set));
		if (number <= 0)
			return number == -EINTR ? -EAGAIN : number;
		/* The kernel knows only the carrier: it may be another thread's. */
		if (!directed(info, self, &other) || other == self)
			return number;
		route_to(other, info);
	}
}

/* A descriptor that is ready while the kernel keeps a signal of SET, out of the way of the program's own. */
static int watch_open(uint64_t set)
{
	long fd = sys_call(SYS_signalfd4, -1, &set, sizeof(set), SFD_CLOEXEC | SFD_NONBLOCK);
	long high;

	if (sys_failed(fd))
		return -1;
	high = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, shim.hub->loop.epoll_fd);
	if (!sys_failed(high)) {
		sys_call(SYS_close, fd);
		fd = high;
	}
	green__descriptor_forget((int)fd);
	return (int)fd;
}

static void watch_close(int *fd)
{
	if (*fd < 0)
		return;
	green__fd_closing(shim.hub, *fd);
	sys_call(SYS_close, *fd);
}

static long watch(int fd, int64_t deadline)
{
	int64_t soon = clock_after(LOOK_AGAIN);

	if (fd >= 0)
		return green__fd_wait(shim.hub, fd, EPOLLIN, deadline, WAIT_INTERRUPTIBLE);
	return green__sleep(shim.hub, soon < deadline ? soon : deadline, WAIT_INTERRUPTIBLE);
}

/* With nobody else to run the kernel waits, for what it keeps and for what it delivers. */
static long wait_natively(uint64_t set, siginfo_t *info, int64_t deadline)
{
	struct timespec left = clock_to_timespec(deadline == CLOCK_NEVER ? 0 : deadline - clock_now());

	return sys_call(SYS_rt_sigtimedwait, &set, info, deadline == CLOCK_NEVER ? NULL : &left, sizeof(set));
}

static long wait_or_take(struct thread *self, uint64_t set, siginfo_t *info, int64_t deadline)
{
	CLEANUP(watch_close) int fd = -1;
	struct flow *flow = green__current->flow;

	for (;;) {
		long result;

		critical_enter(flow);
		result = take_one(self, set, info);
		critical_leave(flow);
		if (result != -EAGAIN)
			return result;
		/* A handler that ran meanwhile has ended the wait. */
		if (!self->waiting)
			return -EINTR;
		if (deadline != CLOCK_NEVER && clock_now() >= deadline)
			return -EAGAIN;
		if (!shim_hub()) {
			result = wait_natively(set, info, deadline);
			/* A tick ends the kernel's wait as well, but is nobody's handler. */
			if (result == -EINTR && self->waiting)
				continue;
			return result;
		}
		if (fd < 0)
			fd = watch_open(set);
		result = watch(fd, deadline);
		if (result == -EINTR)
			shim_interrupted(false, true);
	}
}

long signals_wait(uint64_t set, siginfo_t *info, int64_t deadline)
{
	struct thread *self = thread_self();
	long result;

	set &= ~(UNBLOCKABLE | tick_bit());
	/* While it waits, signals of the set are taken and not handled. */
	self->waiting = set ? set : UNBLOCKABLE;
	result = wait_or_take(self, set, info, deadline);
	if (self->waiting) {
		struct flow *flow = green__current->flow;

		self->waiting = 0;
		critical_enter(flow);
		if (self->pending.process & self->mask)
			rehome(self, self->mask);
		critical_leave(flow);
		signals_deliver();
	}
	return result;
}

uint64_t signals_pending(void)
{
	struct thread *self = thread_self();
	uint64_t kept = 0;

	sys_call(SYS_rt_sigpending, &kept, sizeof(kept));
	return (kept | self->pending.own | self->pending.process) & self->mask & ~tick_bit();
}

/* --- life --- */

void signals_thread_begins(struct thread *thread, const sigset_t *mask)
{
	thread->mask = (mask ? mask_of(mask) : thread_self()->mask) & ~UNBLOCKABLE;
	count_mask(thread->mask, 1);
	threads.alive++;
	mask_update();
	threads.alive--;
}

void signals_thread_started(void)
{
	thread_self()->signals_on = true;
	signals_deliver();
}

void signals_thread_ends(struct thread *thread)
{
	struct flow *flow = green__current->flow;

	critical_enter(flow);
	thread->signals_on = false;
	thread->signals_over = true;
	timers_thread_ends(thread);
	owners_thread_ends(thread);
	count_mask(thread->mask, -1);
	thread->mask = 0;
	threads.alive--;
	mask_update();
	rehome(thread, ~UINT64_C(0));
	threads.alive++;
	pending_drop(&thread->pending, ~UINT64_C(0));
	critical_leave(flow);
}

void signals_after_fork(void)
{
	struct thread *self = thread_self();
	struct flow *flow = green__current->flow;

	critical_enter(flow);
	memset(blocked, 0, sizeof(blocked));
	blocked_by_some = 0;
	memset(letters, 0, sizeof(letters));
	timers_after_fork();
	owners_after_fork();
	count_mask(self->mask, 1);
	pending_drop(&self->pending, ~UINT64_C(0));
	pending_after_fork();
	wanted = common_mask();
	critical_leave(flow);
}

void signals_before_fork(void)
{
	uint64_t all = ~UNBLOCKABLE;

	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
}

/* Runs after all that the library does for a forked child. */
static void child_is_ready(void)
{
	if (shim_greenlet())
		signals_let_through();
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

void signals_birth(uint64_t mask)
{
	struct thread *self = thread_self();

	self->mask = mask & ~UNBLOCKABLE;
	mask_blocked_now();
	count_mask(self->mask, 1);
	self->signals_on = true;
	take_signal_stack();
	signals_watch();
	critical_enter(shim.hub->flow);
	preempt_begin();
	actions_birth();
	mask_update();
	critical_leave(shim.hub->flow);
	pthread_atfork(NULL, NULL, child_is_ready);
}
