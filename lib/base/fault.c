/* SPDX-License-Identifier: MIT */
/* fault.c - fault injection, in debug builds only */
#include "base/fault.h"

#ifdef GREEN_DEBUG
static unsigned left;

bool green__fault_injected(void)
{
	return left && --left == 0;
}

void green__fault_at(unsigned count)
{
	left = count;
}

bool green__fault_pending(void)
{
	return left != 0;
}
#else
/* A file needs something in it. */
extern int green__no_faults;
#endif
