/* SPDX-License-Identifier: MIT */
/* hook_signal.c - actions, masks, signal stacks, and waits for signals */
#include <string.h>
#include <sys/syscall.h>

#include "hub/task.h"
#include "sigparts.h"

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

	if (handler == SIG_ERR || number < 1 || number > SIGNALS) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&action.sa_mask);
	if (!(flags & SA_NODEFER))
		sigaddset(&action.sa_mask, number);
	return sigaction(number, &action, &old) ? SIG_ERR : old.sa_handler;
}

/* Signals that siginterrupt has named: what signal sets for them interrupts calls. */
static uint64_t interrupting;

WRAPPER sighandler_t signal(int number, sighandler_t handler)
{
	bool interrupts = number >= 1 && number <= SIGNALS && (interrupting & signal_bit(number));

	return set_handler(number, handler, interrupts ? 0 : SA_RESTART);
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
	if (interrupt) {
		interrupting |= signal_bit(number);
		action.sa_flags &= ~SA_RESTART;
	} else {
		interrupting &= ~signal_bit(number);
		action.sa_flags |= SA_RESTART;
	}
	return sigaction(number, &action, NULL);
}

/* --- masks --- */

static int change_mask(int how, const uint64_t *change, uint64_t *old)
{
	uint64_t before = thread_self()->mask;

	if (change && how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK)
		return EINVAL;
	if (change)
		signals_set_mask(how == SIG_BLOCK ? before | *change : how == SIG_UNBLOCK ? before & ~*change : *change);
	if (old)
		*old = before;
	return 0;
}

WRAPPER int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	uint64_t change, before;
	int error;

	if (!thread_is_green())
		return real(pthread_sigmask)(how, set, old);
	if (set)
		change = mask_of(set) & ~UNBLOCKABLE;
	error = change_mask(how, set ? &change : NULL, &before);
	if (!error && old) {
		/* As the kernel does it, only the first word is written. */
		memcpy(old, &before, sizeof(before));
	}
	return error;
}

WRAPPER int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)sys_result(-pthread_sigmask(how, set, old));
}

/* --- masks, the older ways --- */

/* Block or unblock what an int can name; the mask of before. */
static int change_int(int how, int mask)
{
	sigset_t set, old;

	sigemptyset(&set);
	memcpy(&set, &(uint64_t){ (unsigned)mask }, sizeof(uint64_t));
	sigemptyset(&old);
	pthread_sigmask(how, &set, &old);
	return (int)mask_of(&old);
}

WRAPPER int sigblock(int mask)
{
	return change_int(SIG_BLOCK, mask);
}

WRAPPER int sigsetmask(int mask)
{
	return change_int(SIG_SETMASK, mask);
}

WRAPPER int siggetmask(void)
{
	return change_int(SIG_BLOCK, 0);
}

static int change_one(int how, int number, sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	if (sigaddset(&set, number))
		return -1;
	return sigprocmask(how, &set, old);
}

WRAPPER int sighold(int number)
{
	return change_one(SIG_BLOCK, number, NULL);
}

WRAPPER int sigrelse(int number)
{
	return change_one(SIG_UNBLOCK, number, NULL);
}

WRAPPER int sigignore(int number)
{
	struct sigaction action = { .sa_handler = SIG_IGN };

	return sigaction(number, &action, NULL);
}

WRAPPER sighandler_t sigset(int number, sighandler_t disposition)
{
	struct sigaction action = { .sa_handler = disposition }, old;
	sigset_t before;

	if (disposition == SIG_ERR || number < 1 || number > SIGNALS) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (disposition == SIG_HOLD) {
		if (change_one(SIG_BLOCK, number, &before))
			return SIG_ERR;
		if (sigismember(&before, number))
			return SIG_HOLD;
		return sigaction(number, NULL, &old) ? SIG_ERR : old.sa_handler;
	}
	if (sigaction(number, &action, &old) || change_one(SIG_UNBLOCK, number, &before))
		return SIG_ERR;
	return sigismember(&before, number) ? SIG_HOLD : old.sa_handler;
}

/* --- signal stacks --- */

/* The kernel's own smallest size; what libc calls so depends on the CPU. */
enum { SMALLEST_STACK = 2048 };

static int set_stack(struct thread *self, const stack_t *stack, stack_t *old)
{
	bool on = signals_on_alternate(self);
	int mode = stack ? stack->ss_flags & ~(int)SS_AUTODISARM : 0;
	stack_t before = self->alternate;

	before.ss_flags |= on ? SS_ONSTACK : 0;
	if (stack && on)
		return -EPERM;
	if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
		return -EINVAL;
	if (stack && mode != SS_DISABLE && stack->ss_size < SMALLEST_STACK)
		return -ENOMEM;
	if (stack && mode == SS_DISABLE)
		self->alternate = (stack_t){ .ss_flags = SS_DISABLE | (stack->ss_flags & (int)SS_AUTODISARM) };
	else if (stack)
		self->alternate = (stack_t){ stack->ss_sp, stack->ss_flags & (int)SS_AUTODISARM, stack->ss_size };
	if (old)
		*old = before;
	return 0;
}

WRAPPER int sigaltstack(const stack_t *stack, stack_t *old)
{
	return thread_is_green() ? (int)sys_result(set_stack(thread_self(), stack, old)) : real(sigaltstack)(stack, old);
}

/* --- sending --- */

static bool libc_internal(int number)
{
	return number == 32 || number == 33;
}

static siginfo_t told_by_us(int number, int code)
{
	siginfo_t info = { .si_signo = number, .si_code = code };

	info.si_pid = threads.main->tid;
	info.si_uid = (uid_t)sys_call(SYS_getuid);
	return info;
}

static int send_to(struct thread *thread, const siginfo_t *info)
{
	if (info->si_signo == 0)
		return 0;
	return shim_greenlet() ? signals_send(thread, info) : signals_send_foreign(thread, info);
}

WRAPPER int pthread_kill(pthread_t id, int number)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;
	siginfo_t info;

	if (!thread || shim.in_vfork_child)
		return real(pthread_kill)(id, number);
	if (libc_internal(number))
		return EINVAL;
	/* Of a thread that is over nobody asks whether there is such a signal. */
	if (thread->ended || thread->signals_over)
		return 0;
	if (number < 0 || number > SIGNALS)
		return EINVAL;
	info = told_by_us(number, SI_TKILL);
	return send_to(thread, &info);
}

WRAPPER int pthread_sigqueue(pthread_t id, int number, const union sigval value)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;
	siginfo_t info;

	if (!thread || shim.in_vfork_child)
		return real(pthread_sigqueue)(id, number, value);
	if (number < 0 || number > SIGNALS || libc_internal(number))
		return EINVAL;
	if (thread->ended || thread->signals_over)
		return ESRCH;
	info = told_by_us(number, SI_QUEUE);
	info.si_value = value;
	return send_to(thread, &info);
}

bool signals_send_id(pid_t process, pid_t tid, int number, const siginfo_t *given, long *result)
{
	struct thread *thread = shim_greenlet() ? thread_with_id(tid) : NULL;
	siginfo_t info;

	if (!thread)
		return false;
	*result = 0;
	if (number < 0 || number > SIGNALS)
		*result = -EINVAL;
	else if (process != threads.main->tid && process != -1)
		*result = process > 0 ? -ESRCH : -EINVAL;
	if (*result)
		return true;
	info = told_by_us(number, SI_TKILL);
	if (given) {
		info = *given;
		info.si_signo = number;
	}
	*result = -send_to(thread, &info);
	return true;
}

WRAPPER int tgkill(pid_t process, pid_t tid, int number)
{
	long result;

	if (!signals_send_id(process, tid, number, NULL, &result) || process == -1)
		result = sys_call(SYS_tgkill, process, tid, number);
	return (int)sys_result(result);
}

WRAPPER int raise(int number)
{
	siginfo_t info;

	if (!thread_is_green())
		return (int)sys_result(sys_call(SYS_tgkill, sys_call(SYS_getpid), sys_call(SYS_gettid), number));
	if (number < 0 || number > SIGNALS || libc_internal(number))
		return (int)sys_result(-EINVAL);
	info = told_by_us(number, SI_TKILL);
	return (int)sys_result(-send_to(thread_self(), &info));
}

ALIAS(gsignal, raise);

/* A thread's id names its process; and a broken pipe's signal that is sent to all is not the sender's own. */
WRAPPER int kill(pid_t process, int number)
{
	siginfo_t info;

	if (!thread_is_green())
		return (int)sys_result(sys_call(SYS_kill, process, number));
	if (process > 0 && process != threads.main->tid && thread_with_id(process))
		process = threads.main->tid;
	if (number != SIGPIPE || process != threads.main->tid)
		return (int)sys_result(sys_call(SYS_kill, process, number));
	info = told_by_us(number, SI_USER);
	return (int)sys_result(-signals_send_process(&info));
}

/* libc unblocks the signal and raises it, both inside itself. */
WRAPPER void abort(void)
{
	if (thread_is_green())
		signals_set_mask(thread_self()->mask & ~signal_bit(SIGABRT));
	real(abort)();
	__builtin_unreachable();
}

/* --- waits --- */

static void return_mask(int *lent)
{
	if (*lent)
		signals_return_mask();
}

/* Until a handler has run under MASK. */
static int suspend(const sigset_t *set)
{
	CLEANUP(return_mask) int lent = 1;

	signals_lend_mask(mask_of(set) & ~UNBLOCKABLE, !shim_hub());
	while (thread_self()->mask_lent) {
		if (!shim_hub())
			real(sigsuspend)(set);
		else if (green__sleep(shim.hub, CLOCK_NEVER, WAIT_INTERRUPTIBLE) == -EINTR)
			shim_interrupted(false, true);
	}
	return (int)sys_result(-EINTR);
}

WRAPPER int sigsuspend(const sigset_t *set)
{
	shim_cancellation_point();
	return thread_is_green() ? suspend(set) : real(sigsuspend)(set);
}

ALIAS(__sigsuspend, sigsuspend);

WRAPPER int pause(void)
{
	shim_cancellation_point();
	if (!shim_hub() || !thread_is_green())
		return real(pause)();
	while (green__sleep(shim.hub, CLOCK_NEVER, WAIT_INTERRUPTIBLE) != -EINTR || shim_interrupted(false, true))
		;
	return (int)sys_result(-EINTR);
}

/* sigpause has two meanings: X/Open's takes a signal out of the mask, BSD's gives a mask. */
WRAPPER int __sigpause(int value, int is_signal)
{
	sigset_t set;

	sigemptyset(&set);
	if (is_signal) {
		pthread_sigmask(SIG_BLOCK, NULL, &set);
		if (sigdelset(&set, value))
			return -1;
	} else {
		memcpy(&set, &(uint64_t){ (unsigned)value }, sizeof(uint64_t));
	}
	return sigsuspend(&set);
}

WRAPPER int sigpause(int number)
{
	return __sigpause(number, 1);
}

WRAPPER int sigpause_of_bsd(int mask) __asm__("sigpause");

WRAPPER int sigpause_of_bsd(int mask)
{
	return __sigpause(mask, 0);
}

WRAPPER int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	siginfo_t found;
	long number;

	if (!thread_is_green())
		return real(sigtimedwait)(set, info, timeout);
	if (timeout && !clock_valid(timeout))
		return (int)sys_result(-EINVAL);
	shim_cancellation_point();
	number = signals_wait(mask_of(set), &found, timeout ? clock_after(clock_from_timespec(timeout)) : CLOCK_NEVER);
	if (number > 0 && info) {
		*info = found;
		/* As libc has it: for the receiver, raise and kill are the same. */
		if (info->si_code == SI_TKILL)
			info->si_code = SI_USER;
	}
	return (int)sys_result(number);
}

WRAPPER int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return sigtimedwait(set, info, NULL);
}

WRAPPER int sigwait(const sigset_t *set, int *number)
{
	int saved = errno;
	int result;

	do {
		result = sigtimedwait(set, NULL, NULL);
	} while (result < 0 && errno == EINTR);
	if (result < 0)
		return errno;
	errno = saved;
	*number = result;
	return 0;
}

ALIAS(__sigwait, sigwait);

/* What is pending for the process, and for this thread alone. */
WRAPPER int sigpending(sigset_t *set)
{
	uint64_t pending = 0;

	if (!thread_is_green())
		return (int)sys_result(sys_call(SYS_rt_sigpending, set, sizeof(pending)));
	pending = signals_pending();
	memcpy(set, &pending, sizeof(pending));
	return 0;
}
