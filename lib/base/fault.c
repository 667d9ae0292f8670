/* SPDX-License-Identifier: MIT */
/* fault.c - fault injection, in debug builds only */
#include "base/fault.h"

#include <errno.h>

#ifdef GREEN_DEBUG
/* Atomic, for helpers and workers ask as well; a bare decrement by two at once would go below zero. */
static unsigned left;

bool green__fault_injected(void)
{
	unsigned now = __atomic_load_n(&left, __ATOMIC_RELAXED);

	while (now && !__atomic_compare_exchange_n(&left, &now, now - 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	if (now != 1)
		return false;
	errno = ENOMEM; /* as malloc does */
	return true;
}

void green__fault_at(unsigned count)
{
	__atomic_store_n(&left, count, __ATOMIC_RELAXED);
}

bool green__fault_pending(void)
{
	return __atomic_load_n(&left, __ATOMIC_RELAXED) != 0;
}
#else
/* A file needs something in it. */
extern int green__no_faults;
#endif
