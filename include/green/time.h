/* SPDX-License-Identifier: MIT */
/* green/time.h - sleep and now */
#ifndef GREEN_TIME_H
#define GREEN_TIME_H

#include <stdint.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/*
 * green_sleep - let others run for at least MILLISECONDS; 0 or less only yields
 *
 * Switches: yes.  Returns: 0; -1 with errno ENOMEM or EMFILE (no hub could be made), ECANCELED
 * (the caller was killed), ETIMEDOUT (a scope of green_timeout_start is over) or EDEADLK (the caller is a callback of the loop).
 */
int green_sleep(int milliseconds);

/* green_now - CLOCK_MONOTONIC in nanoseconds */
int64_t green_now(void);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
