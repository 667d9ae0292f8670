/* SPDX-License-Identifier: MIT */
/* hook_limit.c - the limit on threads, which each pthread_create asks for: known until somebody sets one */
#include "limit.h"

#include "shim.h"

/* Another process may set it, too, and nobody tells. */
#define READ_AGAIN 64

static struct {
	rlim_t threads;
	unsigned asked; /* how often since it was read; 0: it is not known */
} known;

rlim_t limit_of_threads(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (known.asked == 0 || known.asked == READ_AGAIN) {
		known.asked = 0;
		sys_call(SYS_prlimit64, 0, RLIMIT_NPROC, NULL, &limit);
		known.threads = limit.rlim_cur;
	}
	known.asked++;
	return known.threads;
}

static void limit_changed(void)
{
	known.asked = 0;
}

WRAPPER int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
	int result = real(setrlimit64)(resource, limit);

	limit_changed();
	return result;
}

WRAPPER int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	return setrlimit64(resource, (const struct rlimit64 *)(const void *)limit);
}

WRAPPER int prlimit64(pid_t id, __rlimit_resource_t resource, const struct rlimit64 *limit, struct rlimit64 *old)
{
	int result = real(prlimit64)(id, resource, limit, old);

	limit_changed();
	return result;
}

WRAPPER int prlimit(pid_t id, __rlimit_resource_t resource, const struct rlimit *limit, struct rlimit *old)
{
	return prlimit64(id, resource, (const struct rlimit64 *)(const void *)limit, (struct rlimit64 *)(void *)old);
}
