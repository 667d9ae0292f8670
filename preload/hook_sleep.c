/* SPDX-License-Identifier: MIT */
/* hook_sleep.c - sleeping and yielding */
#include "hub/task.h"
#include "shim.h"

/* 0, or EINTR after a handler; the time that is left is told by DEADLINE. */
static int sleep_until(int64_t deadline)
{
	shim_cancellation_point();
	while (green__sleep(green__current->flow->hub, deadline, WAIT_INTERRUPTIBLE) == -EINTR) {
		if (!shim_interrupted(false, true))
			return EINTR;
	}
	return 0;
}

static int sleep_for(const struct timespec *wanted, struct timespec *left)
{
	int64_t deadline;
	int error;

	if (!clock_valid(wanted))
		return EINVAL;
	deadline = clock_after(clock_from_timespec(wanted));
	error = sleep_until(deadline);
	if (error == EINTR && left)
		*left = clock_to_timespec(deadline - clock_now());
	return error;
}

WRAPPER int nanosleep(const struct timespec *wanted, struct timespec *left)
{
	return shim_hub() ? (int)sys_result(-sleep_for(wanted, left)) : real(nanosleep)(wanted, left);
}

ALIAS(__nanosleep, nanosleep);

/* The wall clock may be set while we sleep; the last stretch is slept again by what it then shows. */
static int sleep_until_clock(clockid_t clock, const struct timespec *wanted)
{
	int error;
	int64_t deadline;

	if (!clock_valid(wanted))
		return EINVAL;
	do {
		deadline = clock_deadline(clock, wanted);
		error = sleep_until(deadline);
	} while (!error && clock != CLOCK_MONOTONIC && clock_deadline(clock, wanted) > clock_now() + NS_PER_MS);
	return error;
}

/* A clock of used time stands still while the carrier sleeps, so it is looked at instead. */
#define LOOK_INTERVAL (1 * NS_PER_MS)

static int64_t shown_by(clockid_t clock)
{
	struct timespec now = { 0, 0 };

	sys_call(SYS_clock_gettime, clock, &now);
	return clock_from_timespec(&now);
}

static int sleep_on_other(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
	const struct timespec past = { 0, 0 };
	int error = real(clock_nanosleep)(clock, TIMER_ABSTIME, &past, NULL);
	int64_t end;

	/* What cannot be slept on at all, the kernel says best. */
	if (error || !clock_valid(wanted))
		return error ? error : EINVAL;
	end = clock_from_timespec(wanted);
	if (!(flags & TIMER_ABSTIME) && __builtin_add_overflow(end, shown_by(clock), &end))
		end = CLOCK_NEVER;
	while (!error && shown_by(clock) < end)
		error = sleep_until(clock_after(LOOK_INTERVAL));
	if (error && left && !(flags & TIMER_ABSTIME))
		*left = clock_to_timespec(end - shown_by(clock));
	return error;
}

WRAPPER int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
	bool known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;

	if (!shim_hub())
		return real(clock_nanosleep)(clock, flags, wanted, left);
	if (!known)
		return sleep_on_other(clock, flags, wanted, left);
	return flags & TIMER_ABSTIME ? sleep_until_clock(clock, wanted) : sleep_for(wanted, left);
}

WRAPPER unsigned sleep(unsigned seconds)
{
	struct timespec wanted = { .tv_sec = (time_t)seconds };
	struct timespec left = { 0, 0 };
	int saved = errno;

	if (!shim_hub())
		return real(sleep)(seconds);
	if (sleep_for(&wanted, &left) != EINTR) {
		errno = saved;
		return 0;
	}
	return (unsigned)left.tv_sec;
}

WRAPPER int usleep(useconds_t microseconds)
{
	struct timespec wanted = { microseconds / 1000000, microseconds % 1000000 * 1000 };

	return shim_hub() ? (int)sys_result(-sleep_for(&wanted, NULL)) : real(usleep)(microseconds);
}

WRAPPER int thrd_sleep(const struct timespec *wanted, struct timespec *left)
{
	int error = clock_nanosleep(CLOCK_REALTIME, 0, wanted, left);

	return error == 0 ? 0 : error == EINTR ? -1 : -2;
}

WRAPPER int sched_yield(void)
{
	struct hub *hub = shim_hub();

	if (!hub)
		return (int)sys_result(sys_call(SYS_sched_yield));
	green__yield(hub);
	return 0;
}

ALIAS(__sched_yield, sched_yield);

/* Programs of before glibc 2.34 spin with it; libc's header turns it into sched_yield now. */
WRAPPER int old_yield(void) __asm__("pthread_yield");
WRAPPER int old_yield(void)
{
	return sched_yield();
}

WRAPPER void thrd_yield(void)
{
	sched_yield();
}
