/* SPDX-License-Identifier: MIT */
/* hook_signal.c - actions, masks, signal stacks, and waits for signals */
#include <stdarg.h>
#include <string.h>
#include <sys/signalfd.h>

#include "hub/task.h"
#include "hub/descriptor.h"
#include "net/io.h"
#include "signals.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM ((int)(1U << 31))
#endif

/* True once the caller's signals are ours to keep. */
static bool mine(void)
{
	return shim_greenlet() && thread_self()->block;
}

WRAPPER int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	if (!shim.hub || shim.in_vfork_child)
		return real(sigaction)(number, action, old);
	return signals_action(number, action, old);
}

ALIAS(__sigaction, sigaction);

static sighandler_t set_handler(int number, sighandler_t handler, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&action.sa_mask);
	if (!(flags & SA_NODEFER))
		sigaddset(&action.sa_mask, number);
	return sigaction(number, &action, &old) ? SIG_ERR : old.sa_handler;
}

WRAPPER sighandler_t signal(int number, sighandler_t handler)
{
	return set_handler(number, handler, SA_RESTART);
}

ALIAS(bsd_signal, signal);
ALIAS(ssignal, signal);

WRAPPER sighandler_t sysv_signal(int number, sighandler_t handler)
{
	return set_handler(number, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

ALIAS(__sysv_signal, sysv_signal);

WRAPPER int siginterrupt(int number, int interrupt)
{
	struct sigaction action;

	if (sigaction(number, NULL, &action))
		return -1;
	if (interrupt)
		action.sa_flags &= ~SA_RESTART;
	else
		action.sa_flags |= SA_RESTART;
	return sigaction(number, &action, NULL);
}

/* --- masks --- */

static int change_mask(int how, const sigset_t *set, sigset_t *old)
{
	struct thread *self = thread_self();
	uint64_t before = self->mask;
	uint64_t change = 0;

	if (set)
		memcpy(&change, set, sizeof(change));
	if (set && how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK)
		return EINVAL;
	if (old) {
		memset(old, 0, sizeof(*old));
		memcpy(old, &before, sizeof(before));
	}
	if (set)
		signals_set_mask(how == SIG_BLOCK ? before | change : how == SIG_UNBLOCK ? before & ~change : change);
	return 0;
}

WRAPPER int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return mine() ? change_mask(how, set, old) : real(pthread_sigmask)(how, set, old);
}

WRAPPER int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)sys_result(-pthread_sigmask(how, set, old));
}

/* --- signal stacks --- */

WRAPPER int sigaltstack(const stack_t *stack, stack_t *old)
{
	struct thread *self = thread_self();
	stack_t before = self->alternate;

	if (!mine())
		return real(sigaltstack)(stack, old);
	if (stack && !(stack->ss_flags & SS_DISABLE) && stack->ss_size < (size_t)MINSIGSTKSZ)
		return (int)sys_result(-ENOMEM);
	if (stack && (stack->ss_flags & ~(SS_DISABLE | SS_ONSTACK | SS_AUTODISARM)))
		return (int)sys_result(-EINVAL);
	if (stack)
		self->alternate = *stack;
	if (old)
		*old = before;
	return 0;
}

/* --- sending --- */

WRAPPER int pthread_kill(pthread_t id, int number)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread || !shim_greenlet())
		return real(pthread_kill)(thread ? (pthread_t)shim.native_tp : id, number);
	if (number < 0 || number > 64)
		return EINVAL;
	if (thread->ended || number == 0)
		return 0;
	return signals_send(thread, number);
}

/* --- waits --- */

/* Park until a handler has run on this thread; MASK is the caller's meanwhile. */
static int suspend(uint64_t mask)
{
	struct thread *self = thread_self();
	uint64_t before = self->mask;
	unsigned handled = self->handled;

	critical_enter(green__current->flow);
	signals_set_mask(mask);
	critical_leave(green__current->flow);
	while (self->handled == handled) {
		if (green__sleep(shim.hub, CLOCK_NEVER, WAIT_INTERRUPTIBLE) == -EINTR)
			shim_interrupted(false, true);
	}
	signals_set_mask(before);
	return (int)sys_result(-EINTR);
}

WRAPPER int sigsuspend(const sigset_t *set)
{
	uint64_t mask;

	memcpy(&mask, set, sizeof(mask));
	shim_cancellation_point();
	return shim_hub() && mine() ? suspend(mask) : real(sigsuspend)(set);
}

ALIAS(__sigsuspend, sigsuspend);

WRAPPER int pause(void)
{
	shim_cancellation_point();
	return shim_hub() && mine() ? suspend(thread_self()->mask) : real(pause)();
}

/* Take one signal of SET that is pending for the caller alone; 0 if there is none. */
static int take_own(uint64_t set, siginfo_t *info)
{
	struct thread *self = thread_self();
	uint64_t ready = self->pending & set;
	int number = ready ? __builtin_ctzll(ready) + 1 : 0;

	if (number) {
		self->pending &= ~(UINT64_C(1) << (number - 1));
		memset(info, 0, sizeof(*info));
		info->si_signo = number;
		info->si_code = SI_TKILL;
		info->si_pid = (pid_t)sys_call(SYS_getpid);
	}
	return number;
}

/*
 * The kernel keeps what every thread blocks; a signalfd tells when it has some.
 * What only the waiting thread blocks may be another thread's, as natively.
 */
static int wait_signal(const sigset_t *set, siginfo_t *info, int64_t deadline)
{
	struct timespec zero = { 0, 0 };
	siginfo_t unused;
	uint64_t mask;
	long fd, result;

	memcpy(&mask, set, sizeof(mask));
	info = info ? info : &unused;
	fd = sys_call(SYS_signalfd4, -1, &mask, sizeof(mask), SFD_CLOEXEC | SFD_NONBLOCK);
	if (sys_failed(fd))
		return (int)fd;
	green__descriptor_forget((int)fd);
	for (;;) {
		result = take_own(mask, info);
		if (result == 0)
			result = sys_call(SYS_rt_sigtimedwait, &mask, info, &zero, sizeof(mask));
		if (result != -EAGAIN && result != -EINTR)
			break;
		result = green__fd_wait(shim.hub, (int)fd, EPOLLIN, deadline, WAIT_INTERRUPTIBLE);
		if (result == -ETIMEDOUT)
			result = -EAGAIN;
		if (result == -EAGAIN || (result == -EINTR && !(thread_self()->pending & mask) && !shim_interrupted(false, true)))
			break;
	}
	green__fd_closing(shim.hub, (int)fd);
	sys_call(SYS_close, fd);
	return (int)result;
}

WRAPPER int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	if (!shim_hub() || !mine())
		return real(sigtimedwait)(set, info, timeout);
	if (timeout && !clock_valid(timeout))
		return (int)sys_result(-EINVAL);
	shim_cancellation_point();
	return (int)sys_result(wait_signal(set, info, timeout ? clock_after(clock_from_timespec(timeout)) : CLOCK_NEVER));
}

WRAPPER int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return sigtimedwait(set, info, NULL);
}

WRAPPER int sigwait(const sigset_t *set, int *number)
{
	int result;

	do {
		result = sigtimedwait(set, NULL, NULL);
	} while (result < 0 && errno == EINTR);
	if (result < 0)
		return errno;
	*number = result;
	return 0;
}

ALIAS(__sigwait, sigwait);

/* What is pending for the process, and for this thread alone. */
WRAPPER int sigpending(sigset_t *set)
{
	uint64_t pending = 0;
	long result = sys_call(SYS_rt_sigpending, &pending, sizeof(pending));

	if (result)
		return (int)sys_result(result);
	if (mine())
		pending |= thread_self()->pending;
	memset(set, 0, sizeof(*set));
	memcpy(set, &pending, sizeof(pending));
	return 0;
}
