/* SPDX-License-Identifier: MIT */
/* child.c - the end of a child process, as a descriptor that becomes readable; and watchers of it */
#include "hub/child.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/sys.h"
#include "hub/descriptor.h"
#include "hub/watcher.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int green__child_open(pid_t pid)
{
	siginfo_t info;
	long fd;

	/* A descriptor can be had for any process, but only of a child the status is told. */
	if (pid <= 0 || sys_failed(sys_call(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL)))
		return -ECHILD;
	fd = green__fault_injected() ? -EMFILE : sys_call(SYS_pidfd_open, pid, 0);
	if (sys_failed(fd))
		return (int)fd;
	fd = green__loop_high((int)fd);
	green__descriptor_forget((int)fd);
	return (int)fd;
}

int green__child_reap(pid_t pid)
{
	int status = 0;
	long result;

	do {
		result = sys_call(SYS_wait4, pid, &status, 0, NULL);
	} while (result == -EINTR);
	return result == pid ? status : CHILD_UNKNOWN_STATUS;
}

static void close_descriptor(struct watcher *watcher)
{
	list_remove(&watcher->wait.link);
	if (watcher->wait.fd >= 0)
		sys_call(SYS_close, watcher->wait.fd);
	green__descriptor_forget(watcher->wait.fd);
	watcher->wait.fd = -1;
}

static void woken(struct fd_wait *wait, uint32_t events, int result)
{
	struct watcher *watcher = container_of(wait, struct watcher, wait);

	(void)events;
	(void)result;
	watcher->events = green__child_reap(watcher->pid);
	watcher->over = true;
	green__watcher_happened(watcher, 0);
}

static const struct watcher_kind child_kind = { .stop = close_descriptor, .forked = close_descriptor };

int green_watch_child(struct green_watcher *green_watcher, pid_t pid, green_watch_function *function, void *data)
{
	struct watcher *watcher = green__watcher_begin(green_watcher, &child_kind, function, data);
	int error = 0;

	if (!watcher)
		return -1;
	critical_enter(watcher->hub->flow);
	watcher->pid = pid;
	watcher->wait.events = EPOLLIN;
	watcher->wait.woken = woken;
	watcher->wait.fd = green__child_open(pid);
	if (watcher->wait.fd < 0)
		error = watcher->wait.fd;
	else
		error = green__fd_watch(watcher->hub, &watcher->wait);
	if (!error)
		green__watcher_start(watcher);
	else if (watcher->wait.fd >= 0)
		sys_call(SYS_close, watcher->wait.fd);
	critical_leave(watcher->hub->flow);
	if (error)
		watcher->hub = NULL;
	return (int)sys_result(error);
}
