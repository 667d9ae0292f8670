/* SPDX-License-Identifier: MIT */
/* hook_syscall.c - syscall(): futexes, which Rust, libstdc++ and GLib wait on, and what else must be ours */
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

#include "events.h"
#include "hub/descriptor.h"
#include "parking.h"
#include "process.h"
#include "shim.h"
#include "signals.h"
#include "timers.h"
#include "tls.h"

#define SHARED_INTERVAL (5 * NS_PER_MS)

static int64_t futex_deadline(int operation, const struct timespec *timeout)
{
	clockid_t clock = operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;

	if (!timeout)
		return CLOCK_NEVER;
	if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT)
		return clock_after(clock_from_timespec(timeout));
	return clock_deadline(clock, timeout);
}

/* One stretch of a wait: -EAGAIN if the word has another value, 0 if woken, -ETIMEDOUT, -EINTR. */
static long futex_park(int *word, int value, int64_t deadline, uint32_t bits)
{
	struct parked parked;
	long result = -EAGAIN;

	parking_enter(&parked, word, WAIT_INTERRUPTIBLE);
	parked.bits = bits;
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value)
		result = parking_wait(&parked, deadline);
	parking_leave(&parked);
	return result;
}

/*
 * Most futexes that do not say they are private are so all the same (libstdc++'s).
 * Such a one is waited for like the others, but looked at again now and then, for
 * another process may change it, whose wake goes to the kernel.
 */
static long futex_wait(int *word, int operation, int value, const struct timespec *timeout, uint32_t bits)
{
	bool shared = !(operation & FUTEX_PRIVATE_FLAG);
	int64_t deadline, stop;
	long result;

	if ((timeout && !clock_valid(timeout)) || bits == 0)
		return -EINVAL;
	shim_call_begins();
	deadline = futex_deadline(operation, timeout);
	for (bool first = true;; first = false) {
		int64_t soon = shared ? clock_after(SHARED_INTERVAL) : CLOCK_NEVER;

		stop = soon < deadline ? soon : deadline;
		result = futex_park(word, value, stop, bits);
		if (result == -EAGAIN)
			return first ? -EAGAIN : 0;
		/* The kernel restarts a wait without limit after a handler with SA_RESTART. */
		if (result == -EINTR && shim_interrupted(!timeout, false))
			continue;
		if (result != -ETIMEDOUT || clock_now() >= deadline)
			break;
	}
	return result;
}

/* Wakes go to greenlets first; what is left may be for a foreign thread. */
static long futex_wake(int *word, int operation, int count, uint32_t bits)
{
	unsigned woken = parking_wake(word, count < 0 ? 0 : (unsigned)count, bits);
	long others;

	if (woken >= (unsigned)count)
		return woken;
	others = sys_call(SYS_futex, word, operation, count - (int)woken, NULL, NULL, bits);
	return sys_failed(others) ? (woken ? (long)woken : others) : others + (long)woken;
}

static long futex_requeue(int *word, int operation, int count, long move, int *target, int expected)
{
	unsigned woken, moved = 0;

	if ((operation & FUTEX_CMD_MASK) == FUTEX_CMP_REQUEUE && __atomic_load_n(word, __ATOMIC_SEQ_CST) != expected)
		return -EAGAIN;
	woken = parking_wake(word, (unsigned)count, PARKING_ALL);
	if (move > 0)
		moved = parking_move(word, target, (unsigned)move);
	return (long)(woken + moved);
}

/* The operand of FUTEX_WAKE_OP, applied to *WORD as the kernel does it; what was there before. */
static int apply_op(int *word, uint32_t op)
{
	int argument = (int)(op << 8) >> 20;
	int before = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	int after;

	if (op >> 28 & FUTEX_OP_OPARG_SHIFT)
		argument = 1 << (argument & 31);
	do {
		switch (op >> 28 & 7) {
		case FUTEX_OP_SET: after = argument; break;
		case FUTEX_OP_ADD: after = (int)((unsigned)before + (unsigned)argument); break;
		case FUTEX_OP_OR: after = before | argument; break;
		case FUTEX_OP_ANDN: after = before & ~argument; break;
		default: after = before ^ argument; break;
		}
	} while (!__atomic_compare_exchange_n(word, &before, after, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return before;
}

static bool compare_op(int before, uint32_t op)
{
	int argument = (int)(op << 20) >> 20;

	switch (op >> 24 & 15) {
	case FUTEX_OP_CMP_EQ: return before == argument;
	case FUTEX_OP_CMP_NE: return before != argument;
	case FUTEX_OP_CMP_LT: return before < argument;
	case FUTEX_OP_CMP_LE: return before <= argument;
	case FUTEX_OP_CMP_GT: return before > argument;
	default: return before >= argument;
	}
}

static long futex_wake_op(int *word, int operation, int count, int count2, int *word2, uint32_t op)
{
	int wake = (operation & FUTEX_PRIVATE_FLAG) | FUTEX_WAKE;
	int before = apply_op(word2, op);
	long woken = futex_wake(word, wake, count, PARKING_ALL);

	if (woken >= 0 && compare_op(before, op))
		woken += futex_wake(word2, wake, count2, PARKING_ALL);
	return woken;
}

/* Operations that are not here, those on PI futexes above all, stay with the kernel. */
static long do_futex(long a[6])
{
	int *word = (int *)a[0];
	int operation = (int)a[1];

	/* An odd address or none is the kernel's to refuse. */
	if ((uintptr_t)word & 3 || !word)
		return sys_call(SYS_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		if (shim_hub())
			return futex_wait(word, operation, (int)a[2], (const struct timespec *)a[3], PARKING_ALL);
		break;
	case FUTEX_WAIT_BITSET:
		if (shim_hub())
			return futex_wait(word, operation, (int)a[2], (const struct timespec *)a[3], (uint32_t)a[5]);
		break;
	case FUTEX_WAKE:
		if (shim.hub)
			return futex_wake(word, operation, (int)a[2], PARKING_ALL);
		break;
	case FUTEX_WAKE_BITSET:
		if (shim.hub)
			return futex_wake(word, operation, (int)a[2], (uint32_t)a[5]);
		break;
	case FUTEX_WAKE_OP:
		if (shim.hub)
			return futex_wake_op(word, operation, (int)a[2], (int)a[3], (int *)a[4], (uint32_t)a[5]);
		break;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		if (shim_hub())
			return futex_requeue(word, operation, (int)a[2], a[3], (int *)a[4], (int)a[5]);
		break;
	}
	return sys_call(SYS_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* What the kernel calls a struct sigaction. */
struct kernel_action {
	sighandler_t handler;
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static long raw_sigaction(int number, const struct kernel_action *given, struct kernel_action *old)
{
	struct sigaction action = { .sa_flags = 0 }, before;

	if (given) {
		action.sa_handler = given->handler;
		action.sa_flags = (int)given->flags;
		memcpy(&action.sa_mask, &given->mask, sizeof(given->mask));
	}
	if (sigaction(number, given ? &action : NULL, &before))
		return -errno;
	if (old) {
		old->handler = before.sa_handler;
		old->flags = (unsigned)before.sa_flags;
		old->restorer = before.sa_restorer;
		memcpy(&old->mask, &before.sa_mask, sizeof(old->mask));
	}
	return 0;
}

/* The kernel's forms of calls that are ours to answer; its signal sets are one word long. */
static long signal_call(long number, long a[6])
{
	bool green = thread_is_green();
	long result;

	if (green && number == SYS_tkill && signals_send_id(-1, (pid_t)a[0], (int)a[1], NULL, &result))
		return result;
	if (green && number == SYS_rt_tgsigqueueinfo &&
	    signals_send_id((pid_t)a[0], (pid_t)a[1], (int)a[2], (const siginfo_t *)a[3], &result))
		return result;
	if (green && number == SYS_rt_sigaction && a[3] == 8)
		return raw_sigaction((int)a[0], (const struct kernel_action *)a[1], (struct kernel_action *)a[2]);
	if (green && number == SYS_rt_sigprocmask && a[3] == 8)
		return -pthread_sigmask((int)a[0], (const sigset_t *)a[1], (sigset_t *)a[2]);
	if (green && number == SYS_rt_sigpending && a[1] == 8)
		return sigpending((sigset_t *)a[0]) ? -errno : 0;
	if (green && number == SYS_rt_sigsuspend && a[1] == 8)
		return sigsuspend((const sigset_t *)a[0]) ? -errno : 0;
	if (green && number == SYS_sigaltstack)
		return sigaltstack((const stack_t *)a[0], (stack_t *)a[1]) ? -errno : 0;
	if (green && number == SYS_rt_sigtimedwait && a[3] == 8) {
		result = sigtimedwait((const sigset_t *)a[0], (siginfo_t *)a[1], (const struct timespec *)a[2]);
		return result < 0 ? -errno : result;
	}
	return sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Whatever the number meant before, nothing is known of it now. */
static long descriptor_made_by(long result)
{
	if (result >= 0)
		green__descriptor_forget((int)result);
	return sys_result(result);
}

/* The kernel's set of signals is one word of libc's. */
static const sigset_t *signal_set(long address, sigset_t *set)
{
	if (!address)
		return NULL;
	sigemptyset(set);
	memcpy(set, (const void *)address, sizeof(uint64_t));
	return set;
}

static long select_with_mask(const long a[6])
{
	const long *mask = (const long *)a[5]; /* the address of a set, and its size */
	sigset_t set;

	return pselect((int)a[0], (fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3], (const struct timespec *)a[4],
		       signal_set(mask ? mask[0] : 0, &set));
}

/* Calls of multiplexing, sleep and children; false if NUMBER is none of them. */
static bool waiting_call(long number, const long a[6], long *result)
{
	sigset_t set;

	switch (number) {
	case SYS_ppoll:
		*result = ppoll((struct pollfd *)a[0], (nfds_t)a[1], (const struct timespec *)a[2], signal_set(a[3], &set));
		return true;
	case SYS_pselect6:
		*result = select_with_mask(a);
		return true;
	case SYS_epoll_pwait:
		*result = epoll_pwait((int)a[0], (struct epoll_event *)a[1], (int)a[2], (int)a[3], signal_set(a[4], &set));
		return true;
	case SYS_nanosleep:
		*result = nanosleep((const struct timespec *)a[0], (struct timespec *)a[1]);
		return true;
	case SYS_clock_nanosleep:
		*result = sys_result(-clock_nanosleep((clockid_t)a[0], (int)a[1], (const struct timespec *)a[2],
						      (struct timespec *)a[3]));
		return true;
	case SYS_io_getevents:
	case SYS_io_pgetevents:
		*result = sys_result(aio_events(number, a));
		return true;
	case SYS_io_uring_enter:
		*result = sys_result(uring_enter(a));
		return true;
	case SYS_sched_yield:
		*result = sched_yield();
		return true;
	case SYS_wait4:
		*result = wait4((pid_t)a[0], (int *)a[1], (int)a[2], (struct rusage *)a[3]);
		return true;
#ifdef __x86_64__
	case SYS_pause:
		*result = pause();
		return true;
	case SYS_poll:
		*result = poll((struct pollfd *)a[0], (nfds_t)a[1], (int)a[2]);
		return true;
	case SYS_select:
		*result = select((int)a[0], (fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3], (struct timeval *)a[4]);
		return true;
	case SYS_epoll_wait:
		*result = epoll_wait((int)a[0], (struct epoll_event *)a[1], (int)a[2], (int)a[3]);
		return true;
#endif
	default:
		return false;
	}
}

static bool io_call(long number, const long a[6], long *result)
{
	switch (number) {
	case SYS_read:
		*result = read((int)a[0], (void *)a[1], (size_t)a[2]);
		return true;
	case SYS_write:
		*result = write((int)a[0], (const void *)a[1], (size_t)a[2]);
		return true;
	case SYS_readv:
		*result = readv((int)a[0], (const struct iovec *)a[1], (int)a[2]);
		return true;
	case SYS_writev:
		*result = writev((int)a[0], (const struct iovec *)a[1], (int)a[2]);
		return true;
	case SYS_accept:
		*result = accept((int)a[0], (struct sockaddr *)a[1], (socklen_t *)a[2]);
		return true;
	case SYS_accept4:
		*result = accept4((int)a[0], (struct sockaddr *)a[1], (socklen_t *)a[2], (int)a[3]);
		return true;
	case SYS_connect:
		*result = connect((int)a[0], (const struct sockaddr *)a[1], (socklen_t)a[2]);
		return true;
	case SYS_recvfrom:
		*result = recvfrom((int)a[0], (void *)a[1], (size_t)a[2], (int)a[3], (struct sockaddr *)a[4], (socklen_t *)a[5]);
		return true;
	case SYS_sendto:
		*result = sendto((int)a[0], (const void *)a[1], (size_t)a[2], (int)a[3], (const struct sockaddr *)a[4],
				 (socklen_t)a[5]);
		return true;
	case SYS_recvmsg:
		*result = recvmsg((int)a[0], (struct msghdr *)a[1], (int)a[2]);
		return true;
	case SYS_sendmsg:
		*result = sendmsg((int)a[0], (const struct msghdr *)a[1], (int)a[2]);
		return true;
	default:
		return false;
	}
}

/* Unlike libc's functions a plain system call is no cancellation point, except to who may be cancelled anywhere. */
static long other_call(long number, const long a[6])
{
	bool deferred = !shim.hub || !tls_cancel_anywhere((uintptr_t)pthread_self());
	long result;
	int old;

	if (deferred)
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	if (!waiting_call(number, a, &result) && !io_call(number, a, &result))
		result = sys_result(sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]));
	if (deferred)
		pthread_setcancelstate(old, NULL);
	return result;
}

static bool makes_descriptor(long number)
{
	switch (number) {
	case SYS_socket:
	case SYS_dup:
	case SYS_dup2:
	case SYS_dup3:
	case SYS_openat:
	case SYS_pidfd_open:
	case SYS_pidfd_getfd:
	case SYS_memfd_create:
	case SYS_eventfd2:
	case SYS_epoll_create1:
	case SYS_timerfd_create:
	case SYS_inotify_init1:
		return true;
	default:
		return false;
	}
}

static bool asks_scheduler(long number)
{
	switch (number) {
	case SYS_sched_setscheduler:
	case SYS_sched_getscheduler:
	case SYS_sched_setparam:
	case SYS_sched_getparam:
	case SYS_sched_setattr:
	case SYS_sched_getattr:
	case SYS_sched_setaffinity:
	case SYS_sched_getaffinity:
	case SYS_sched_rr_get_interval:
	case SYS_setpriority:
	case SYS_getpriority:
	case SYS_ioprio_set:
	case SYS_ioprio_get:
		return true;
	default:
		return false;
	}
}

/* The child goes on where its parent does, on a copy of its stack. */
static bool forks(long number, const long a[6])
{
#ifdef SYS_fork
	if (number == SYS_fork)
		return true;
#endif
	if (number == SYS_clone)
		return !(a[0] & CLONE_VM) && a[1] == 0;
	if (number == SYS_clone3)
		return !(((const struct clone_args *)a[0])->flags & CLONE_VM) && !((const struct clone_args *)a[0])->stack;
	return false;
}

WRAPPER long syscall(long number, ...)
{
	va_list arguments;
	long a[6];

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (shim.in_vfork_child)
		return sys_result(sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]));
	switch (number) {
	case SYS_futex:
		return sys_result(do_futex(a));
	case SYS_gettid:
		return gettid();
	case SYS_tgkill:
		return tgkill((pid_t)a[0], (pid_t)a[1], (int)a[2]);
	case SYS_tkill:
	case SYS_rt_tgsigqueueinfo:
	case SYS_rt_sigprocmask:
	case SYS_rt_sigaction:
	case SYS_rt_sigpending:
	case SYS_rt_sigtimedwait:
	case SYS_rt_sigsuspend:
	case SYS_sigaltstack:
		return sys_result(signal_call(number, a));
	case SYS_prctl:
		return prctl((int)a[0], a[1], a[2], a[3], a[4]);
	case SYS_setrlimit:
		return setrlimit((__rlimit_resource_t)a[0], (const struct rlimit *)a[1]);
	case SYS_prlimit64:
		return prlimit((pid_t)a[0], (__rlimit_resource_t)a[1], (const struct rlimit *)a[2], (struct rlimit *)a[3]);
	case SYS_timer_create:
		return sys_result(timer_create_raw((clockid_t)a[0], (const struct sigevent *)a[1], (int *)a[2]));
	case SYS_timer_delete:
		return sys_result(timer_delete_raw((int)a[0]));
	case SYS_kill:
		return kill((pid_t)a[0], (int)a[1]);
	case SYS_close:
		return close((int)a[0]);
	case SYS_close_range:
		return close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
	}
	if (forks(number, a))
		return sys_result(process_fork_raw(number, a));
	if (makes_descriptor(number))
		return descriptor_made_by(sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]));
	return asks_scheduler(number) ? sys_result(scheduling_call(number, a)) : other_call(number, a);
}
