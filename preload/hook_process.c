/* SPDX-License-Identifier: MIT */
/* hook_process.c - fork, vfork, exec, spawn, wait, and changes of user ids */
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "audit.h"
#include "base/spinlock.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "hub/helper.h"
#include "hub/task.h"
#include "hub/worker.h"
#include "kernel_thread.h"
#include "migrate.h"
#include "native.h"
#include "parking.h"
#include "preempt.h"
#include "process.h"
#include "robust.h"
#include "signals.h"
#include "switch/thread_pointer.h"
#include "tls.h"

extern char **environ;

/* Who waits for any child; see watch_children. */
static struct {
	int wanted;  /* futex word: how many wait */
	bool exists;
} watcher;

/* --- fork --- */

/* The child is a process of its own: whatever of the parent's it must not touch any more is given up. */
static void child_begins(void)
{
	green__descriptors_forked();
	/* Nobody else can have been in the middle of one where no thread was ever made. */
	if (shim.hub || shim.stood_down)
		once_after_fork();
	shim_stats_after_fork();
	audit_after_fork();
	kernel_threads_after_fork();
	if (!shim.hub || !shim_greenlet())
		return;
	shim.foreign = false;
	watcher.exists = false;
	watcher.wanted = 0;
	parking_after_fork();
	threads_after_fork();
	migrate_after_fork();
	robust_after_fork();
	preempt_after_fork();
	signals_after_fork();
	shim.stats->carriers = 1;
	shim.stats->threads_alive = shim.stats->threads_peak = threads.alive;
	shim.hub->flow->stats = shim.stats;
	shim.hub->loop.waits = &shim.stats->epoll_waits;
	shim.hub->loop.controls = &shim.stats->epoll_ctls;
}

/* libc's fork has emptied libc's list of threads, too. */
static void in_child(void)
{
	child_begins();
	if (shim.hub && shim_greenlet())
		tls_after_fork();
}

/* A handler that ran in the child before all is set right would find its parent's hub. */
static void before_fork(void)
{
	green__descriptors_forked();
	if (shim_greenlet())
		signals_before_fork();
}

static void in_parent(void)
{
	green__descriptors_forked();
	if (shim_greenlet())
		signals_let_through();
}

void process_watch_forks(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}

/* --- forks of which no handler of atfork is told --- */

static bool silent_fork_begins(void)
{
	bool green = shim_greenlet();

	green__descriptors_forked();
	if (green)
		signals_before_fork();
	return green;
}

static void silent_fork_in_parent(bool green)
{
	green__descriptors_forked();
	if (green)
		signals_let_through();
}

static void silent_fork_in_child(bool green)
{
	green__workers_after_fork();
	green__helpers_after_fork();
	if (shim.hub && green)
		green__hub_after_fork(shim.hub);
	child_begins();
	if (green)
		signals_let_through();
}

WRAPPER pid_t _Fork(void)
{
	bool green = silent_fork_begins();
	pid_t pid = real(_Fork)();

	if (pid == 0)
		silent_fork_in_child(green);
	else
		silent_fork_in_parent(green);
	return pid;
}

long process_fork_raw(long number, const long a[6])
{
	bool green = silent_fork_begins();
	long pid = sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);

	if (pid == 0)
		silent_fork_in_child(green);
	else
		silent_fork_in_parent(green);
	return pid;
}

/* --- vfork --- */

/* What vfork_entry.S needs of C: the error of the system call. */
__attribute__((visibility("hidden"))) int vfork_failed(int error)
{
	errno = error;
	return -1;
}

/* The child shares everything but the kernel's view of its mask, which has to be the thread's own. */
__attribute__((visibility("hidden"))) void vfork_prepare(void)
{
	if (shim_greenlet())
		signals_own_mask_swap();
	shim.in_vfork_child = 1;
}

__attribute__((visibility("hidden"))) void vfork_parent(void)
{
	shim.in_vfork_child = 0;
	if (shim_greenlet())
		signals_own_mask_restore();
	green__descriptors_forked();
}

/* --- clone --- */

struct clone_start {
	int (*run)(void *);
	void *argument;
	bool green;
};

static int clone_begins(void *argument)
{
	struct clone_start start = *(struct clone_start *)argument;

	silent_fork_in_child(start.green);
	return start.run(start.argument);
}

/* As vfork does it: the parent waits for the child's exec or exit, and the memory is the child's meanwhile. */
static int clone_vfork(int (*run)(void *), void *stack, int flags, void *argument, pid_t *ptid, void *tls, pid_t *ctid)
{
	int result;

	vfork_prepare();
	result = real(clone)(run, stack, flags, argument, ptid, tls, ctid);
	vfork_parent();
	return result;
}

static int clone_fork(int (*run)(void *), void *stack, int flags, void *argument, pid_t *ptid, void *tls, pid_t *ctid)
{
	struct clone_start start = { run, argument, silent_fork_begins() };
	int result = real(clone)(clone_begins, stack, flags, &start, ptid, tls, ctid);

	silent_fork_in_parent(start.green);
	return result;
}

/* A child that shares the memory and runs beside its parent is a foreign thread, or none that libc could serve. */
WRAPPER int clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	va_list arguments;
	pid_t *ptid, *ctid;
	void *tls;

	va_start(arguments, argument);
	ptid = va_arg(arguments, pid_t *);
	tls = va_arg(arguments, void *);
	ctid = va_arg(arguments, pid_t *);
	va_end(arguments);
	if (shim.in_vfork_child || !run || !stack)
		return real(clone)(run, stack, flags, argument, ptid, tls, ctid);
	if (!(flags & CLONE_VM))
		return clone_fork(run, stack, flags, argument, ptid, tls, ctid);
	if ((flags & CLONE_VFORK) && !(flags & CLONE_SETTLS))
		return clone_vfork(run, stack, flags, argument, ptid, tls, ctid);
	return real(clone)(run, stack, flags, argument, ptid, tls, ctid);
}

ALIAS(__clone, clone);

/* --- exec: the new program inherits the caller's signal mask, not the carrier's --- */

#define WITH_OWN_MASK(call) \
	do { \
		int result; \
		audit_program_changes(); \
		if (!shim_greenlet()) \
			return call; \
		signals_before_exec(); \
		result = call; \
		signals_own_mask_restore(); \
		return result; \
	} while (0)

WRAPPER int execve(const char *path, char *const argv[], char *const envp[])
{
	WITH_OWN_MASK(real(execve)(path, argv, envp));
}

WRAPPER int execveat(int directory, const char *path, char *const argv[], char *const envp[], int flags)
{
	WITH_OWN_MASK(real(execveat)(directory, path, argv, envp, flags));
}

WRAPPER int execvpe(const char *file, char *const argv[], char *const envp[])
{
	WITH_OWN_MASK(real(execvpe)(file, argv, envp));
}

WRAPPER int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

WRAPPER int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

WRAPPER int fexecve(int fd, char *const argv[], char *const envp[])
{
	WITH_OWN_MASK(real(fexecve)(fd, argv, envp));
}

/* Count, then collect, the words of a list that ends with NULL. */
#define COLLECT(argv, first, arguments) \
	size_t count = 1; \
	va_start(arguments, first); \
	while (va_arg(arguments, char *)) \
		count++; \
	va_end(arguments); \
	char *argv[count + 1]; \
	argv[0] = (char *)first; \
	va_start(arguments, first); \
	for (size_t i = 1; i <= count; i++) \
		argv[i] = va_arg(arguments, char *);

WRAPPER int execl(const char *path, const char *first, ...)
{
	va_list arguments;

	COLLECT(argv, first, arguments)
	va_end(arguments);
	return execve(path, argv, environ);
}

WRAPPER int execlp(const char *file, const char *first, ...)
{
	va_list arguments;

	COLLECT(argv, first, arguments)
	va_end(arguments);
	return execvpe(file, argv, environ);
}

WRAPPER int execle(const char *path, const char *first, ...)
{
	va_list arguments;
	char **envp;

	COLLECT(argv, first, arguments)
	envp = va_arg(arguments, char **);
	va_end(arguments);
	return execve(path, argv, envp);
}

WRAPPER int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	green__descriptors_forked();
	return MIGRATED(real(posix_spawn)(pid, path, actions, attributes, argv, envp));
}

WRAPPER int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	green__descriptors_forked();
	return MIGRATED(real(posix_spawnp)(pid, file, actions, attributes, argv, envp));
}

/* --- the end --- */

WRAPPER void _exit(int status)
{
	audit_process_ends();
	sys_call(SYS_exit_group, status);
	__builtin_trap();
}

ALIAS(_Exit, _exit);

/* --- wait --- */

/*
 * One child shows its end on a pidfd.  For any child, or a group, a thread of its
 * own waits without taking anything and wakes whoever waits here, to look again.
 */
enum { PAUSE_NS = 5000000 };

static void *watch_children(void *unused)
{
	struct timespec pause = { 0, PAUSE_NS };
	pid_t last = 0;

	for (;;) {
		siginfo_t info = { .si_pid = 0 };

		while (!__atomic_load_n(&watcher.wanted, __ATOMIC_SEQ_CST))
			sys_call(SYS_futex, &watcher.wanted, FUTEX_WAIT_PRIVATE, 0, NULL);
		sys_call(SYS_waitid, P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOWAIT, NULL);
		parking_wake(&watcher, UINT_MAX, PARKING_ALL);
		/* A child that nobody takes, or none at all, would be told of again at once. */
		if (info.si_pid == last)
			sys_call(SYS_nanosleep, &pause, NULL);
		last = info.si_pid;
	}
	return unused;
}

/* The change may have come before we were in the lot, so nobody waits for long without a look. */
static int wait_for_any(void)
{
	struct parked parked;
	int error;

	if (!watcher.exists)
		watcher.exists = green__helper_create(watch_children, NULL) == 0;
	parking_enter(&parked, &watcher, WAIT_INTERRUPTIBLE);
	__atomic_add_fetch(&watcher.wanted, 1, __ATOMIC_SEQ_CST);
	sys_call(SYS_futex, &watcher.wanted, FUTEX_WAKE_PRIVATE, 1);
	error = parking_wait(&parked, clock_after(4 * PAUSE_NS));
	__atomic_sub_fetch(&watcher.wanted, 1, __ATOMIC_SEQ_CST);
	parking_leave(&parked);
	if (error == -EINTR)
		return shim_interrupted(true, true) ? 0 : -EINTR;
	return 0;
}

static int wait_for_change(idtype_t type, id_t id, int options)
{
	long fd = -ENOSYS;
	int error;

	if (type == P_PID && !(options & (WSTOPPED | WCONTINUED)))
		fd = sys_call(SYS_pidfd_open, id, 0);
	if (sys_failed(fd))
		return wait_for_any();
	green__descriptor_forget((int)fd);
	error = green__fd_wait(shim.hub, (int)fd, EPOLLIN, CLOCK_NEVER, WAIT_INTERRUPTIBLE);
	green__fd_closing(shim.hub, (int)fd);
	sys_call(SYS_close, fd);
	if (error == -EINTR && shim_interrupted(true, true))
		return 0;
	return error;
}

static long wait4_green(pid_t pid, int *status, int options, struct rusage *usage)
{
	idtype_t type = pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID;
	id_t id = (id_t)(pid > 0 ? pid : pid == 0 ? getpgrp() : -pid);
	int watched = WEXITED | (options & WUNTRACED ? WSTOPPED : 0) | (options & WCONTINUED);
	long result;
	int error = 0;

	shim_cancellation_point();
	for (;;) {
		result = sys_call(SYS_wait4, pid, status, options | WNOHANG, usage);
		if (result != 0 || (options & WNOHANG))
			return result;
		error = wait_for_change(type, id, watched);
		if (error)
			return error;
	}
}

static pid_t do_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	if (!shim_hub())
		return real(wait4)(pid, status, options, usage);
	return (pid_t)sys_result(wait4_green(pid, status, options, usage));
}

WRAPPER pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	return do_wait4(pid, status, options, usage);
}

WRAPPER pid_t wait3(int *status, int options, struct rusage *usage)
{
	return do_wait4(-1, status, options, usage);
}

WRAPPER pid_t waitpid(pid_t pid, int *status, int options)
{
	return shim_hub() ? do_wait4(pid, status, options, NULL) : real(waitpid)(pid, status, options);
}

ALIAS(__waitpid, waitpid);

WRAPPER pid_t wait(int *status)
{
	return waitpid(-1, status, 0);
}

ALIAS(__wait, wait);

static long waitid_green(idtype_t type, id_t id, siginfo_t *info, int options)
{
	siginfo_t found;
	long result;
	int error;

	shim_cancellation_point();
	for (;;) {
		found.si_pid = 0;
		result = sys_call(SYS_waitid, type, id, &found, options | WNOHANG, NULL);
		if (result || found.si_pid || (options & WNOHANG))
			break;
		error = wait_for_change(type, id, options & (WEXITED | WSTOPPED | WCONTINUED));
		if (error)
			return error;
	}
	if (!result && info)
		*info = found;
	return result;
}

WRAPPER int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	if (!shim_hub())
		return real(waitid)(type, id, info, options);
	return (int)sys_result(waitid_green(type, id, info, options));
}

/* --- system: libc waits inside itself --- */

WRAPPER int system(const char *command)
{
	return command ? MIGRATED(real(system)(command)) : real(system)(command);
}

/* --- user ids: libc tells all threads, by their real ids, so it must run on the carrier's own block --- */

static GREEN_NOINLINE void errno_set(int error)
{
	errno = error;
}

#define ON_NATIVE_BLOCK(call) \
	do { \
		struct native_scope scope; \
		int result, error; \
		if (!shim_greenlet() || !shim.hub || thread_pointer_read() == shim.native_tp) \
			return call; \
		native_enter(&scope); \
		result = call; \
		error = native_errno(); \
		native_leave(&scope); \
		if (result) \
			errno_set(error); \
		return result; \
	} while (0)

WRAPPER int setuid(uid_t id) { ON_NATIVE_BLOCK(real(setuid)(id)); }
WRAPPER int setgid(gid_t id) { ON_NATIVE_BLOCK(real(setgid)(id)); }
WRAPPER int seteuid(uid_t id) { ON_NATIVE_BLOCK(real(seteuid)(id)); }
WRAPPER int setegid(gid_t id) { ON_NATIVE_BLOCK(real(setegid)(id)); }
WRAPPER int setreuid(uid_t r, uid_t e) { ON_NATIVE_BLOCK(real(setreuid)(r, e)); }
WRAPPER int setregid(gid_t r, gid_t e) { ON_NATIVE_BLOCK(real(setregid)(r, e)); }
WRAPPER int setresuid(uid_t r, uid_t e, uid_t s) { ON_NATIVE_BLOCK(real(setresuid)(r, e, s)); }
WRAPPER int setresgid(gid_t r, gid_t e, gid_t s) { ON_NATIVE_BLOCK(real(setresgid)(r, e, s)); }
WRAPPER int setgroups(size_t n, const gid_t *list) { ON_NATIVE_BLOCK(real(setgroups)(n, list)); }
WRAPPER int initgroups(const char *user, gid_t group) { ON_NATIVE_BLOCK(real(initgroups)(user, group)); }
