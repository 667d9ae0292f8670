/* SPDX-License-Identifier: MIT */
/* hook_syscall.c - syscall(): futexes, which Rust, libstdc++ and GLib wait on, and what else must be ours */
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>

#include "parking.h"
#include "shim.h"
#include "thread.h"

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
	deadline = futex_deadline(operation, timeout);
	for (bool first = true;; first = false) {
		int64_t soon = shared ? clock_after(SHARED_INTERVAL) : CLOCK_NEVER;

		stop = soon < deadline ? soon : deadline;
		result = futex_park(word, value, stop, bits);
		if (result == -EAGAIN)
			return first ? -EAGAIN : 0;
		if (result != -ETIMEDOUT || clock_now() >= deadline)
			break;
	}
	/* The kernel restarts a futex wait after a handler with SA_RESTART; to the caller that is a wake for no reason. */
	if (result == -EINTR && shim_interrupted(true, false))
		return 0;
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

/* Operations that are not here, those on PI futexes above all, stay with the kernel. */
static long do_futex(long a[6])
{
	int *word = (int *)a[0];
	int operation = (int)a[1];

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
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		if (shim_hub())
			return futex_requeue(word, operation, (int)a[2], a[3], (int *)a[4], (int)a[5]);
		break;
	}
	return sys_call(SYS_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
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
	case SYS_read:
		return read((int)a[0], (void *)a[1], (size_t)a[2]);
	case SYS_write:
		return write((int)a[0], (const void *)a[1], (size_t)a[2]);
	case SYS_close_range:
		return close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
	default:
		return sys_result(sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]));
	}
}
