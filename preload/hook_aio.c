/* SPDX-License-Identifier: MIT */
/* hook_aio.c - io_getevents and io_pgetevents: what is complete is taken at once, for the rest the thread waits elsewhere */
#include "events.h"

#include <linux/aio_abi.h>

#include "migrate.h"
#include "shim.h"

WRAPPER int io_getevents(aio_context_t context, long least, long most, struct io_event *events, struct timespec *limit);
WRAPPER int io_pgetevents(aio_context_t context, long least, long most, struct io_event *events, struct timespec *limit,
			  sigset_t *mask);

static long wait_for_rest(long number, const long a[6], long taken)
{
	return MIGRATED(sys_call(number, a[0], a[1] - taken, a[2] - taken,
				 (long)((struct io_event *)a[3] + taken), a[4], a[5]));
}

long aio_events(long number, const long a[6])
{
	const struct timespec at_once = { 0, 0 };
	long taken, rest;

	if (!shim_hub())
		return sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	taken = sys_call(SYS_io_getevents, a[0], a[1], a[2], a[3], (long)&at_once, 0);
	if (taken < 0 || taken >= a[1])
		return taken;
	rest = wait_for_rest(number, a, taken);
	if (rest < 0)
		return taken > 0 ? taken : rest;
	return taken + rest;
}

/* libaio's own, which returns -errno and makes its system calls without libc. */
int io_getevents(aio_context_t context, long least, long most, struct io_event *events, struct timespec *limit)
{
	const long a[6] = { (long)context, least, most, (long)events, (long)limit, 0 };

	return (int)aio_events(SYS_io_getevents, a);
}

int io_pgetevents(aio_context_t context, long least, long most, struct io_event *events, struct timespec *limit,
		  sigset_t *mask)
{
	const long set[2] = { (long)mask, sizeof(uint64_t) };
	const long a[6] = { (long)context, least, most, (long)events, (long)limit, mask ? (long)set : 0 };

	return (int)aio_events(SYS_io_pgetevents, a);
}
