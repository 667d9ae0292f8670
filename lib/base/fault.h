/* SPDX-License-Identifier: MIT */
/*
 * fault.h - fault injection: in a debug build a test can let any one request for memory or descriptors fail
 *
 * Every place that asks the system for something that it may refuse asks here
 * first.  In an ordinary build the answer is a constant, and the question is gone.
 */
#ifndef GREEN_BASE_FAULT_H
#define GREEN_BASE_FAULT_H

#include <stdbool.h>

#include "base/compiler.h"

#ifdef GREEN_DEBUG
/* fault_injected - true if this request is the one that is to fail; the library of TLS asks as well */
GREEN_EXPORT bool green__fault_injected(void);

/* fault_at - let the COUNTth request from now fail, once; 0 lets none */
void green__fault_at(unsigned count);

/* fault_pending - true if the request that is to fail has not come yet */
bool green__fault_pending(void);
#else
static inline bool green__fault_injected(void)
{
	return false;
}
#endif

#endif
