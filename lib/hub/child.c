/* SPDX-License-Identifier: MIT */
/* child.c - the end of a child process, as a descriptor that becomes readable; and watchers of it */
#include "hub/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/sys.h"
#include "hub/descriptor.h"
#include "hub/watcher.h"
#include "hub/worker.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* --- where the kernel has no such descriptors, or a sandbox refuses them --- */

/* A kernel thread waits for the end of a child, and then writes a byte. */
struct attendant {
	pid_t pid;
	int fd;
};

static void *attendant_main(void *arg)
{
	struct attendant *attendant = arg;
	siginfo_t info;
	long result;

	do {
		result = sys_call(SYS_waitid, P_PID, attendant->pid, &info, WEXITED | WNOWAIT, NULL);
	} while (result == -EINTR);
	/* In a forked child the other end may be open still, so closing would not tell. */
	sys_call(SYS_write, attendant->fd, "", 1);
	sys_call(SYS_close, attendant->fd);
	free(attendant);
	return NULL;
}

static int attend(pid_t pid)
{
	struct attendant *attendant = green__fault_injected() ? NULL : malloc(sizeof(*attendant));
	long error = attendant ? 0 : -ENOMEM;
	int fds[2];

	if (!error)
		error = sys_call(SYS_pipe2, fds, O_CLOEXEC);
	if (error) {
		free(attendant);
		return (int)error;
	}
	fds[1] = green__loop_high(fds[1]);
	*attendant = (struct attendant) { pid, fds[1] };
	error = green__helper_create(attendant_main, attendant);
	if (!error)
		return fds[0];
	sys_call(SYS_close, fds[0]);
	sys_call(SYS_close, fds[1]);
	free(attendant);
	return -(int)error;
}

static long descriptor_of(pid_t pid)
{
	long fd = green__fault_injected() ? -EMFILE : sys_call(SYS_pidfd_open, pid, 0);

	return fd == -ENOSYS || fd == -EPERM || fd == -EACCES ? attend(pid) : fd;
}

int green__child_open(pid_t pid)
{
	siginfo_t info;
	long fd;

	/* A descriptor can be had for any process, but only of a child the status is told. */
	if (pid <= 0 || sys_failed(sys_look(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL)))
		return -ECHILD;
	fd = descriptor_of(pid);
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
