/* SPDX-License-Identifier: MIT */
/* signal.c - signals of the process as things to wait for, and as what starts tasks */
#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/sys.h"
#include "green/greenlet.h"
#include "green/process.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "hub/signal.h"
#include "hub/watcher.h"

/* --- green_signal_wait --- */

/* A set as the kernel has it; 0 if it is empty or has one that cannot be watched. */
static uint64_t set_bits(const sigset_t *signals)
{
	uint64_t set = 0;

	for (int number = 1; number <= 64; number++) {
		if (sigismember(signals, number) != 1)
			continue;
		if (!green__signal_valid(number))
			return 0;
		set |= UINT64_C(1) << (number - 1);
	}
	return set;
}

/* Take one that is blocked and has come; 0: none has. */
static int take_blocked(uint64_t set)
{
	struct timespec zero = { 0, 0 };
	long number = sys_look(SYS_rt_sigtimedwait, &set, NULL, &zero, sizeof(set));

	return number > 0 ? (int)number : 0;
}

/* The handler never sees what the kernel thread blocks; of that a descriptor tells. */
static int open_blocked(uint64_t set)
{
	uint64_t mask = 0;
	long fd;

	sys_call(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
	set &= mask;
	if (!set)
		return -ENOENT;
	fd = green__fault_injected() ? -EMFILE : sys_call(SYS_signalfd4, -1, &set, sizeof(set), SFD_CLOEXEC | SFD_NONBLOCK);
	if (sys_failed(fd))
		return (int)fd;
	fd = green__loop_high((int)fd);
	green__descriptor_forget((int)fd);
	return (int)fd;
}

struct blocked {
	struct fd_wait wait;
	struct waiter *waiter;
};

static void blocked_came(struct fd_wait *wait, uint32_t events, int result)
{
	(void)events;
	green__wake(container_of(wait, struct blocked, wait)->waiter, result);
}

/* Wait once; 0 if something has come, which may be a hint only. */
static int wait_once(struct hub *hub, struct signal_wait *wait, int fd, int64_t deadline)
{
	struct waiter waiter;
	struct blocked blocked = { .wait = { .fd = fd, .events = EPOLLIN, .woken = blocked_came }, .waiter = &waiter };
	int error;

	wait->waiter = &waiter;
	critical_enter(hub->flow);
	green__waiter_init(&waiter, WAIT_BOTH, "signal", NULL);
	list_init(&blocked.wait.link);
	error = green__signal_wait_begin(hub, wait);
	if (!error) {
		hub->external++;
		if (fd >= 0)
			error = green__fd_watch(hub, &blocked.wait);
		if (!error)
			error = green__park(&waiter, deadline);
		hub->external--;
		list_remove(&blocked.wait.link);
		green__signal_wait_end(hub, wait);
	}
	critical_leave(hub->flow);
	return error;
}

static int wait_for(struct hub *hub, uint64_t set, int64_t deadline)
{
	struct signal_wait wait = { .set = set };
	int fd = open_blocked(set), number = 0, error = fd < 0 && fd != -ENOENT ? fd : 0;

	while (!number && !error) {
		error = wait_once(hub, &wait, fd, deadline);
		number = wait.number ? wait.number : take_blocked(set);
		/* Our own handler may be what is waiting to run. */
		if (error == -EINTR) {
			green__interrupted(true);
			error = 0;
		}
	}
	if (fd >= 0) {
		green__fd_closing(hub, fd);
		sys_call(SYS_close, fd);
	}
	return number ? number : green__raised_error(error);
}

int green_signal_wait(const sigset_t *signals, int timeout_ms)
{
	struct hub *hub = green__hub();
	uint64_t set = set_bits(signals);
	int number;

	if (!hub)
		return -1;
	if (!set) {
		errno = EINVAL;
		return -1;
	}
	number = take_blocked(set);
	if (!number)
		number = timeout_ms == 0 ? -ETIMEDOUT : wait_for(hub, set, clock_after_ms(timeout_ms));
	return (int)sys_result(number);
}

/* --- green_signal_task --- */

struct signal_task {
	struct green_watcher watcher;
	struct signal_task *next;
	int number;
	void (*function)(int number, void *arg);
	void *arg;
};

/* What one task is told; the setting may have changed before it runs. */
struct occasion {
	int number;
	void (*function)(int number, void *arg);
	void *arg;
};

static void *run_task(void *arg)
{
	struct occasion occasion = *(struct occasion *)arg;

	free(arg);
	occasion.function(occasion.number, occasion.arg);
	return NULL;
}

/* Without memory for a task the signal is not lost: it is tried again in the next round. */
static void start_task(struct green_watcher *watcher, int number)
{
	struct signal_task *setting = watcher->data;
	struct occasion *occasion = green__fault_injected() ? NULL : malloc(sizeof(*occasion));
	struct greenlet *task;

	if (occasion)
		*occasion = (struct occasion) { setting->number, setting->function, setting->arg };
	task = occasion ? green_spawn(run_task, occasion) : NULL;
	if (task) {
		green_destroy(task);
		return;
	}
	free(occasion);
	green_watcher_feed(watcher, number);
}

static struct signal_task **find(struct hub *hub, int number)
{
	struct signal_task **link = &hub->signal_tasks;

	while (*link && (*link)->number != number)
		link = &(*link)->next;
	return link;
}

static int remove_setting(struct signal_task **link)
{
	struct signal_task *setting = *link;

	if (!setting)
		return 0;
	*link = setting->next;
	green_watcher_stop(&setting->watcher);
	free(setting);
	return 0;
}

static int add_setting(struct signal_task **link, int number)
{
	struct signal_task *setting = green__fault_injected() ? NULL : calloc(1, sizeof(*setting));

	if (!setting || green_watch_signal(&setting->watcher, number, start_task, setting) < 0) {
		free(setting);
		return -1;
	}
	setting->number = number;
	*link = setting;
	return 0;
}

int green_signal_task(int number, void (*function)(int number, void *arg), void *arg)
{
	struct hub *hub = green__hub();
	struct signal_task **link;

	if (!hub)
		return -1;
	if (!green__signal_valid(number)) {
		errno = EINVAL;
		return -1;
	}
	link = find(hub, number);
	if (!function)
		return remove_setting(link);
	if (!*link && add_setting(link, number) < 0)
		return -1;
	(*link)->function = function;
	(*link)->arg = arg;
	return 0;
}
