/* SPDX-License-Identifier: MIT */
/* clock.c - monotonic time in nanoseconds, and deadlines that saturate instead of wrapping */
#include <limits.h>

#include "base/clock.h"

int64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

static int64_t clock_add(int64_t base, int64_t ns)
{
	int64_t sum;

	if (ns < 0)
		ns = 0;
	return __builtin_add_overflow(base, ns, &sum) ? CLOCK_NEVER : sum;
}

int64_t clock_after(int64_t ns)
{
	return ns == CLOCK_NEVER ? CLOCK_NEVER : clock_add(clock_now(), ns);
}

int clock_ms_until(int64_t deadline)
{
	int64_t left = deadline - clock_now();

	if (deadline == CLOCK_NEVER)
		return -1;
	if (left <= 0)
		return 0;
	left = (left - 1) / NS_PER_MS + 1;
	return left < INT_MAX ? (int)left : INT_MAX;
}

bool clock_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NS_PER_SECOND;
}

int64_t clock_from_timespec(const struct timespec *ts)
{
	int64_t ns;

	if (ts->tv_sec < 0)
		return 0;
	if (__builtin_mul_overflow((int64_t)ts->tv_sec, NS_PER_SECOND, &ns))
		return CLOCK_NEVER;
	return clock_add(ns, ts->tv_nsec);
}

struct timespec clock_to_timespec(int64_t ns)
{
	struct timespec ts = { 0, 0 };

	if (ns > 0) {
		ts.tv_sec = ns / NS_PER_SECOND;
		ts.tv_nsec = ns % NS_PER_SECOND;
	}
	return ts;
}

int64_t clock_deadline(clockid_t id, const struct timespec *abstime)
{
	int64_t target = clock_from_timespec(abstime);
	struct timespec shown;

	if (id == CLOCK_MONOTONIC || target == CLOCK_NEVER)
		return target;
	clock_gettime(id, &shown);
	return clock_after(target - clock_from_timespec(&shown));
}
