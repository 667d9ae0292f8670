/* SPDX-License-Identifier: MIT */
/* limit.h - how many threads the process may have */
#ifndef GREEN_PRELOAD_LIMIT_H
#define GREEN_PRELOAD_LIMIT_H

#include <sys/resource.h>

/* limit_of_threads - RLIMIT_NPROC, read again after each call that sets a limit; of other processes' calls a little later */
rlim_t limit_of_threads(void);

#endif
