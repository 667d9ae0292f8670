/* SPDX-License-Identifier: MIT */
/*
 * process.c - child processes
 *
 * They are started by posix_spawn, which stops the kernel thread until the program
 * is loaded and tells why it could not be.  A descriptor for the process says when
 * it has ended and lets nobody else be killed in its place.
 */
#include "net/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/spinlock.h"
#include "base/sys.h"
#include "green/io.h"
#include "hub/child.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "hub/watcher.h"
#include "net/io.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP 4 /* since Linux 6.9 */
#endif

extern char **environ;

/* All processes of all hubs, and whether they have ended. */
static struct spinlock lock;
static struct list all = LIST_INIT(all);

/* --- start --- */

/* Both ends lie above the standard descriptors, which the child's are made from one after the other. */
static int pipe_open(int ends[2])
{
	if (green__fault_injected())
		return -EMFILE;
	if (green_pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		long moved;

		if (ends[i] > 2)
			continue;
		moved = sys_call(SYS_fcntl, ends[i], F_DUPFD_CLOEXEC, 3);
		if (sys_failed(moved)) {
			green_close(ends[0]);
			green_close(ends[1]);
			return (int)moved;
		}
		green_close(ends[i]);
		ends[i] = (int)moved;
		green__descriptor_made(ends[i], DESCRIPTOR_POLLED, false);
	}
	return 0;
}

/* What becomes of the child's descriptor WHICH; its end of a pipe is put into THEIRS. */
static int standard(posix_spawn_file_actions_t *actions, struct green_process *process, int which, int choice, int *theirs)
{
	int ends[2], error;

	if (choice == GREEN_INHERIT)
		return 0;
	if (choice == GREEN_NULL)
		return -posix_spawn_file_actions_addopen(actions, which, "/dev/null", which ? O_WRONLY : O_RDONLY, 0);
	if (choice == GREEN_TO_OUT && which == 2)
		return -posix_spawn_file_actions_adddup2(actions, 1, 2);
	if (choice > 2)
		return -posix_spawn_file_actions_adddup2(actions, choice, which);
	if (choice != GREEN_PIPE)
		return -EINVAL;
	error = pipe_open(ends);
	if (error)
		return error;
	process->fds[which] = ends[which == 0];
	*theirs = ends[which != 0];
	return -posix_spawn_file_actions_adddup2(actions, *theirs, which);
}

static int prepare_actions(posix_spawn_file_actions_t *actions, struct green_process *process,
			   const struct green_process_options *options, int theirs[3])
{
	const int choices[3] = { options->in, options->out, options->err };
	int error = 0;

	for (int which = 0; which < 3 && !error; which++)
		error = standard(actions, process, which, choices[which], &theirs[which]);
	if (!error && options->directory)
		error = -posix_spawn_file_actions_addchdir_np(actions, options->directory);
	return error;
}

/* For system(3): what the caller ignores during the command is not ignored there, unless it was before. */
static int prepare_attributes(posix_spawnattr_t *attributes, bool group, bool plain)
{
	short flags = (short)(group ? POSIX_SPAWN_SETPGROUP : 0);
	sigset_t mask, defaults;

	if (!plain) {
		flags |= POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
		sigemptyset(&mask);
		sigfillset(&defaults);
		posix_spawnattr_setsigmask(attributes, &mask);
		posix_spawnattr_setsigdefault(attributes, &defaults);
	}
	return -posix_spawnattr_setflags(attributes, flags);
}

static int spawn(struct green_process *process, const struct green_process_options *options, bool plain, int theirs[3])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	error = prepare_actions(&actions, process, options, theirs);
	if (!error)
		error = prepare_attributes(&attributes, options->group, plain);
	if (!error && green__fault_injected())
		error = -EAGAIN;
	if (!error)
		error = -posix_spawnp(&process->pid, options->argv[0], &actions, &attributes, options->argv,
				      options->envp ? options->envp : environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static void close_pipes(const int fds[3])
{
	for (int which = 0; which < 3; which++) {
		if (fds[which] >= 0)
			green_close(fds[which]);
	}
}

/* Without a descriptor nobody could wait for it; it is as if it had not been started. */
static int watch_new(struct green_process *process)
{
	process->pidfd = green__child_open(process->pid);
	if (process->pidfd >= 0)
		return 0;
	sys_call(SYS_kill, process->pid, SIGKILL);
	green__child_reap(process->pid);
	return process->pidfd;
}

int green__process_spawn(struct green_process *process, const struct green_process_options *options, bool plain)
{
	int theirs[3] = { -1, -1, -1 };
	int error;

	memset(process, 0, sizeof(*process));
	list_init(&process->all);
	process->fds[0] = process->fds[1] = process->fds[2] = process->pidfd = -1;
	process->group = options->group;
	/* Nobody's wait for any child may see it before it is known. */
	critical_enter(green__current->flow);
	error = spawn(process, options, plain, theirs);
	if (!error)
		error = watch_new(process);
	if (!error) {
		spinlock_lock(&lock);
		list_append(&all, &process->all);
		spinlock_unlock(&lock);
	}
	critical_leave(green__current->flow);
	close_pipes(theirs);
	if (error)
		close_pipes(process->fds);
	return error;
}

struct green_process *green_process_start(const struct green_process_options *options)
{
	struct green_process *process;
	int error;

	if (!options || !options->argv || !options->argv[0]) {
		errno = EINVAL;
		return NULL;
	}
	if (!green__hub())
		return NULL;
	process = green__fault_injected() ? NULL : malloc(sizeof(*process));
	error = process ? green__process_spawn(process, options, false) : -ENOMEM;
	if (error) {
		free(process);
		errno = -error;
		return NULL;
	}
	return process;
}

/* --- the end --- */

static bool reap_locked(struct green_process *process)
{
	long result;
	int status;

	if (process->ended)
		return true;
	result = sys_look(SYS_wait4, process->pid, &status, WNOHANG, NULL);
	if (result == 0)
		return false;
	process->status = result == process->pid ? status : CHILD_UNKNOWN_STATUS;
	process->ended = true;
	return true;
}

bool green__process_reaped(struct green_process *process)
{
	bool ended;

	spinlock_lock(&lock);
	ended = reap_locked(process);
	spinlock_unlock(&lock);
	return ended;
}

bool green__process_known(pid_t pid, bool reap)
{
	bool known = false;

	spinlock_lock(&lock);
	list_for_each(node, &all) {
		struct green_process *process = container_of(node, struct green_process, all);

		if (process->pid != pid || process->ended)
			continue;
		known = true;
		if (reap)
			reap_locked(process);
		break;
	}
	spinlock_unlock(&lock);
	return known;
}

int green__process_wait(struct hub *hub, struct green_process *process, int64_t deadline, enum wait_mode mode)
{
	struct fd_wait wait = { .fd = process->pidfd, .events = EPOLLIN };
	int error;

	while (!green__process_reaped(process)) {
		if (deadline != CLOCK_NEVER && clock_now() >= deadline)
			return -ETIMEDOUT;
		error = green__fd_wait_one(hub, &wait, deadline, mode);
		if (error && error != -ETIMEDOUT)
			return error;
	}
	return 0;
}

int green_process_wait(struct green_process *process, int *status, int timeout_ms)
{
	struct hub *hub = green__hub();
	int error;

	if (!hub)
		return -1;
	error = green__raised_error(green__process_wait(hub, process, clock_after_ms(timeout_ms), WAIT_RAISABLE));
	if (!error && status)
		*status = process->status;
	return (int)sys_result(error);
}

/* Its number is no other's as long as nobody has reaped it. */
static long kill_unreaped(struct green_process *process, int signal)
{
	long result;

	spinlock_lock(&lock);
	result = reap_locked(process) ? -ESRCH : sys_call(SYS_kill, process->pid, signal);
	spinlock_unlock(&lock);
	return result;
}

/* The same of its group, which may have others in it when the child has ended, so that one is left unreaped. */
static long kill_unreaped_group(struct green_process *process, int signal)
{
	long result = -ESRCH;

	spinlock_lock(&lock);
	if (!process->ended && !sys_failed(sys_look(SYS_waitid, P_PID, process->pid, NULL, WEXITED | WNOHANG | WNOWAIT, NULL)))
		result = sys_call(SYS_kill, -process->pid, signal);
	spinlock_unlock(&lock);
	return result;
}

int green_process_kill(struct green_process *process, int signal)
{
	long result;

	if (green__io_ready(process->pidfd, POLLIN) || green__process_reaped(process)) {
		errno = ESRCH;
		return -1;
	}
	result = sys_call(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0);
	/* It may be a pipe; see hub/child.c. */
	if (result == -ENOSYS || result == -EPERM || result == -EBADF)
		result = kill_unreaped(process, signal);
	return (int)sys_result(result);
}

int green_process_kill_group(struct green_process *process, int signal)
{
	long result;

	if (!process->group) {
		errno = EINVAL;
		return -1;
	}
	result = sys_call(SYS_pidfd_send_signal, process->pidfd, signal, NULL, PIDFD_SIGNAL_PROCESS_GROUP);
	/* As above; and a kernel that does not know the flag. */
	if (result == -ENOSYS || result == -EPERM || result == -EBADF || result == -EINVAL)
		result = kill_unreaped_group(process, signal);
	return (int)sys_result(result);
}

/* A child that nobody has any more. */
struct orphan {
	struct green_watcher watcher;
};

static void orphan_ended(struct green_watcher *watcher, int status)
{
	(void)status;
	free(watcher);
}

static void leave_behind(pid_t pid)
{
	struct orphan *orphan = malloc(sizeof(*orphan));

	if (orphan && green_watch_child(&orphan->watcher, pid, orphan_ended, NULL) == 0)
		green_watcher_keep(&orphan->watcher, false);
	else
		free(orphan);
}

void green__process_finish(struct green_process *process)
{
	bool ended;

	spinlock_lock(&lock);
	ended = reap_locked(process);
	list_remove(&process->all);
	spinlock_unlock(&lock);
	if (!ended)
		leave_behind(process->pid);
	close_pipes(process->fds);
	green_close(process->pidfd);
}

void green_process_destroy(struct green_process *process)
{
	int saved_errno = errno;

	if (!process)
		return;
	green__process_finish(process);
	free(process->input);
	free(process->outputs[0].bytes);
	free(process->outputs[1].bytes);
	free(process);
	errno = saved_errno;
}

/* --- what a process has --- */

pid_t green_process_pid(const struct green_process *process)
{
	return process->pid;
}

int green_process_fd(const struct green_process *process, int which)
{
	if (which < 0 || which > 2 || process->fds[which] < 0) {
		errno = EBADF;
		return -1;
	}
	return process->fds[which];
}

int green_process_close(struct green_process *process, int which)
{
	int fd = green_process_fd(process, which);

	if (fd < 0)
		return -1;
	process->fds[which] = -1;
	return green_close(fd);
}
