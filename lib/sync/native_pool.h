/* SPDX-License-Identifier: MIT */
/* native_pool.h - how long a thread without work stays; for tests */
#ifndef GREEN_SYNC_NATIVE_POOL_H
#define GREEN_SYNC_NATIVE_POOL_H

#pragma GCC visibility push(default)

/* In seconds. */
extern int green__native_pool_patience;

#pragma GCC visibility pop

#endif
