/* SPDX-License-Identifier: MIT */
/* clock.h - monotonic time in nanoseconds, and deadlines that saturate instead of wrapping */
#ifndef GREEN_BASE_CLOCK_H
#define GREEN_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Inside the library all time is absolute, monotonic, in nanoseconds; this one never comes. */
#define CLOCK_NEVER INT64_MAX
#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* clock_now - CLOCK_MONOTONIC; the vDSO answers, no system call */
int64_t clock_now(void);

/* clock_after - the moment NS nanoseconds from now; NS < 0 counts as 0, too far is CLOCK_NEVER */
int64_t clock_after(int64_t ns);

/* clock_after_ms - as poll(2) counts: -1 (any negative value) is CLOCK_NEVER, 0 is now */
static inline int64_t clock_after_ms(int ms)
{
	return ms < 0 ? CLOCK_NEVER : clock_after(ms * NS_PER_MS);
}

/* clock_ms_until - for a call that counts as poll(2) does: from now to DEADLINE, rounded up; -1 if that is CLOCK_NEVER */
int clock_ms_until(int64_t deadline);

/* clock_valid - true if TS is a time that the kernel would take (0 <= tv_nsec < 1e9, tv_sec >= 0) */
bool clock_valid(const struct timespec *ts);

/* clock_from_timespec - TS in nanoseconds, saturating */
int64_t clock_from_timespec(const struct timespec *ts);

/* clock_to_timespec - NS, negative counting as 0, as seconds and nanoseconds */
struct timespec clock_to_timespec(int64_t ns);

/* clock_deadline - when the clock ID (CLOCK_REALTIME or CLOCK_MONOTONIC) will show ABSTIME, in monotonic time */
int64_t clock_deadline(clockid_t id, const struct timespec *abstime);

#endif
