/* SPDX-License-Identifier: MIT */
/* waitpid.c - fork, wait and system, of which only the greenlet waits */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spinlock.h"
#include "base/sys.h"
#include "hub/child.h"
#include "hub/fd.h"
#include "hub/signal.h"
#include "net/process.h"

/* Where SIGCHLD does not come, because the program blocks it or handles it itself, a look now and then. */
#define LOOK_AGAIN (50 * NS_PER_MS)

/* --- waitpid --- */

struct childwait {
	pid_t pid;
	int options;
	int *status;
};

/* Which child has something to tell, without taking it; 0: none has. */
static long look(const struct childwait *want)
{
	idtype_t type = want->pid > 0 ? P_PID : want->pid == -1 ? P_ALL : P_PGID;
	siginfo_t info = { .si_pid = 0 };
	long result;

	result = sys_look(SYS_waitid, type, want->pid > 0 ? want->pid : want->pid == -1 ? 0 : -want->pid, &info,
			  WEXITED | WNOHANG | WNOWAIT | (want->options & ~WNOHANG), NULL);
	return result < 0 ? result : info.si_pid;
}

/* A child of green_process_start is that one's, and out of the way when it has told what it had to tell. */
static void take_from_view(pid_t pid)
{
	siginfo_t info;

	green__process_known(pid, true);
	sys_look(SYS_waitid, P_PID, pid, &info, WSTOPPED | WCONTINUED | WNOHANG, NULL);
}

static long try(const struct childwait *want)
{
	long pid, result;

	if (want->pid > 0 && green__process_known(want->pid, false))
		return -ECHILD;
	do {
		pid = look(want);
		while (pid > 0 && green__process_known((pid_t)pid, false)) {
			take_from_view((pid_t)pid);
			pid = look(want);
		}
		if (pid <= 0)
			return pid;
		result = sys_look(SYS_wait4, pid, want->status, want->options | WNOHANG, NULL);
		/* Another thread was faster. */
	} while (result == 0 || (result == -ECHILD && want->pid <= 0));
	return result;
}

/* Until the child has ended, which a descriptor tells. */
static int wait_for_end(struct hub *hub, pid_t pid)
{
	struct fd_wait wait = { .events = EPOLLIN };
	int error;

	wait.fd = green__child_open(pid);
	if (wait.fd < 0)
		return wait.fd;
	error = green__fd_wait_one(hub, &wait, CLOCK_NEVER, WAIT_RAISABLE);
	green__fd_closing(hub, wait.fd);
	sys_call(SYS_close, wait.fd);
	return error;
}

/* Until some child may have something to tell; the look comes after it is certain that later news are told. */
static int wait_for_news(struct hub *hub, const struct childwait *want, long *result)
{
	struct waiter waiter;
	struct signal_wait wait = { .waiter = &waiter, .set = UINT64_C(1) << (SIGCHLD - 1), .looks = true };
	int error;

	critical_enter(hub->flow);
	green__waiter_init(&waiter, WAIT_RAISABLE, "child", NULL);
	error = green__signal_wait_begin(hub, &wait);
	if (!error) {
		*result = try(want);
		if (*result == 0) {
			hub->external++;
			error = green__park(&waiter, clock_after(LOOK_AGAIN));
			hub->external--;
		}
		green__signal_wait_end(hub, &wait);
	}
	critical_leave(hub->flow);
	return error == -ETIMEDOUT ? 0 : error;
}

pid_t green_waitpid(pid_t pid, int *status, int options)
{
	struct childwait want = { pid, options, status };
	struct hub *hub = green__hub();
	long result;
	int error = 0;

	if (!hub)
		return -1;
	result = options & ~(WNOHANG | WUNTRACED | WCONTINUED) ? -EINVAL : try(&want);
	while (result == 0 && !error && !(options & WNOHANG)) {
		error = pid > 0 && !options ? wait_for_end(hub, pid) : -ENOSYS;
		if (error == -ENOSYS)
			error = wait_for_news(hub, &want, &result);
		if (!error && result == 0)
			result = try(&want);
	}
	return (pid_t)sys_result(error ? green__raised_error(error) : result);
}

/* --- fork --- */

pid_t green_fork(void)
{
	return fork();
}

/* --- system --- */

/* While any command runs, these go to it alone. */
static struct {
	struct spinlock lock;
	unsigned running;
	struct sigaction interrupt, quit;
} commands;

static void command_begins(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	spinlock_lock(&commands.lock);
	if (commands.running++ == 0) {
		sigaction(SIGINT, &ignore, &commands.interrupt);
		sigaction(SIGQUIT, &ignore, &commands.quit);
	}
	spinlock_unlock(&commands.lock);
}

static void command_ends(void)
{
	spinlock_lock(&commands.lock);
	if (--commands.running == 0) {
		sigaction(SIGINT, &commands.interrupt, NULL);
		sigaction(SIGQUIT, &commands.quit, NULL);
	}
	spinlock_unlock(&commands.lock);
}

/* Who is killed meanwhile takes the command along. */
static int command_wait(struct hub *hub, struct green_process *process)
{
	int error = green__process_wait(hub, process, CLOCK_NEVER, WAIT_RAISABLE);

	if (!error)
		return 0;
	green_process_kill(process, SIGKILL);
	green__process_wait(hub, process, CLOCK_NEVER, WAIT_PLAIN);
	return green__raised_error(error);
}

static int run_command(struct hub *hub, const char *command)
{
	char *argv[] = { "/bin/sh", "-c", "--", (char *)command, NULL };
	struct green_process_options options = { .argv = argv };
	struct green_process process;
	int error, status;

	error = green__process_spawn(&process, &options, true);
	/* Where there is no shell, it is as if the shell had ended so. */
	if (error == -ENOENT || error == -EACCES || error == -ENOEXEC)
		return 127 << 8;
	if (error)
		return (int)sys_result(error);
	error = command_wait(hub, &process);
	status = process.status;
	green__process_finish(&process);
	return error ? (int)sys_result(error) : status;
}

int green_system(const char *command)
{
	struct hub *hub = green__hub();
	int status;

	if (!hub)
		return -1;
	if (!command)
		return access("/bin/sh", X_OK) == 0;
	if (green__current->kind == GREENLET_HUB) {
		errno = EDEADLK;
		return -1;
	}
	command_begins();
	status = run_command(hub, command);
	command_ends();
	return status;
}
