/* SPDX-License-Identifier: MIT */
/* uncaught.c - who is told of errors that would pass unseen */
#include "switch/uncaught.h"

#include <errno.h>

#include "base/spinlock.h"
#include "switch/greenlet.h"

struct listener {
	green_error_hook *hook;
	void *argument;
};

static struct spinlock lock; /* of LISTENER as a whole; the hook alone is read without it */
static struct listener listener;

static struct listener exchange(const struct listener *next)
{
	struct listener before;

	spinlock_lock(&lock);
	before = listener;
	if (next) {
		listener.argument = next->argument;
		__atomic_store_n(&listener.hook, next->hook, __ATOMIC_RELAXED);
	}
	spinlock_unlock(&lock);
	return before;
}

green_error_hook *green_set_error_hook(green_error_hook *hook, void *argument)
{
	return exchange(&(struct listener){ hook, argument }).hook;
}

bool green__uncaught_heard(void)
{
	return __atomic_load_n(&listener.hook, __ATOMIC_RELAXED) != NULL;
}

static void tell_in_foreign_thread(const struct listener *to, const struct green_report *report)
{
	int saved_errno = errno;

	to->hook(report, to->argument);
	errno = saved_errno;
}

/* The hook may wait and fail as anybody may, so it begins with nothing pending; what it leaves behind is dropped. */
static void tell(const struct listener *to, const struct green_report *report)
{
	struct error_kept kept;

	if (!green__current) {
		tell_in_foreign_thread(to, report);
		return;
	}
	green__error_keep(&kept);
	green_error_clear();
	to->hook(report, to->argument);
	green__error_put_back(&kept);
}

void green__uncaught(enum green_trouble trouble, struct greenlet *greenlet, int code, void *value)
{
	struct green_report report = { .trouble = trouble, .greenlet = greenlet, .code = code, .value = value };
	struct listener to;

	if (!green__uncaught_heard() || code == GREEN_EXIT || code == GREEN_CANCELLED)
		return;
	to = exchange(NULL);
	if (to.hook)
		tell(&to, &report);
}
