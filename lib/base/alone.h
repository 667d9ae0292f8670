/* SPDX-License-Identifier: MIT */
/*
 * alone.h - whether the process has this one kernel thread only
 *
 * Then nobody else can come between two instructions, and what would be a locked one need
 * not be: it costs as much as ten or twenty plain ones.  Only a thread that is alone can end that,
 * by making another; libc, by which all are made, keeps account.
 */
#ifndef GREEN_BASE_ALONE_H
#define GREEN_BASE_ALONE_H

#include <stdbool.h>
#ifdef HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>
#endif

#include "base/compiler.h"

static inline bool alone(void)
{
#ifdef HAVE_SYS_SINGLE_THREADED_H
	return __libc_single_threaded;
#else
	return false;
#endif
}

/* exchange_if - let *PLACE, if it is FROM, be TO: true if so; what was done before, by whoever wrote FROM, is seen */
static inline bool exchange_if(int *place, int from, int to)
{
	if (!likely(alone()))
		return __atomic_compare_exchange_n(place, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(place, __ATOMIC_RELAXED) != from)
		return false;
	__atomic_store_n(place, to, __ATOMIC_RELAXED);
	return true;
}

#endif
