/* SPDX-License-Identifier: MIT */
/* workers.c - a hub on each of several kernel threads, and sockets that a service manager has passed on */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/spinlock.h"
#include "base/sys.h"
#include "green/server.h"
#include "hub/worker.h"

enum { FIRST_FD = 3, FDS_MAX = 1 << 16 };

enum gate { GATE_SHUT, GATE_OPEN, GATE_DOWN };

/* What those who run together share; lies on the caller's stack, who leaves last. */
struct run {
	int (*function)(unsigned number, void *arg);
	void *arg;
	unsigned numbers; /* atomic: given out */
	int gate;        /* futex word */
	struct spinlock lock;
	unsigned left;   /* threads that have not ended; under the lock, which whoever ends takes last */
	bool failed;
	struct waiter *waiter; /* the caller's, once it waits */
};

static void *thread_main(void *arg)
{
	struct run *run = arg;
	unsigned number = __atomic_add_fetch(&run->numbers, 1, __ATOMIC_RELAXED);
	bool failed = false;

	while (__atomic_load_n(&run->gate, __ATOMIC_ACQUIRE) == GATE_SHUT)
		sys_call(SYS_futex, &run->gate, FUTEX_WAIT_PRIVATE, GATE_SHUT, NULL);
	if (__atomic_load_n(&run->gate, __ATOMIC_ACQUIRE) == GATE_OPEN)
		failed = run->function(number, run->arg) != 0;
	spinlock_lock(&run->lock);
	run->failed = run->failed || failed;
	if (--run->left == 0 && run->waiter)
		green__wake(run->waiter, 0);
	spinlock_unlock(&run->lock);
	return NULL;
}

static void wait_for_all(struct hub *hub, struct run *run)
{
	struct waiter waiter;

	critical_enter(hub->flow);
	green__waiter_init(&waiter, WAIT_PLAIN, "threads", NULL);
	spinlock_lock(&run->lock);
	if (run->left)
		run->waiter = &waiter;
	spinlock_unlock(&run->lock);
	if (run->waiter) {
		hub->external++;
		green__park(&waiter, CLOCK_NEVER);
		hub->external--;
	}
	/* The last one has let go of it. */
	spinlock_lock(&run->lock);
	spinlock_unlock(&run->lock);
	critical_leave(hub->flow);
}

static unsigned cores(void)
{
	cpu_set_t set;
	long size = sys_call(SYS_sched_getaffinity, 0, sizeof(set), &set);

	return size > 0 ? (unsigned)CPU_COUNT_S((size_t)size, &set) : 1;
}

static void open_gate(struct run *run, enum gate gate)
{
	__atomic_store_n(&run->gate, gate, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &run->gate, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

int green_workers_run(unsigned count, int (*function)(unsigned number, void *arg), void *arg)
{
	struct run run = { .function = function, .arg = arg, .gate = GATE_SHUT };
	struct hub *hub = green__hub();
	int error = !hub ? ENOMEM : function ? 0 : EINVAL;
	bool failed = false;

	if (!count)
		count = cores();
	for (unsigned i = 1; i < count && !error; i++) {
		spinlock_lock(&run.lock);
		run.left++;
		spinlock_unlock(&run.lock);
		if (green__helper_create(thread_main, &run)) {
			run.left--;
			error = EAGAIN;
		}
	}
	if (!hub)
		return (int)sys_result(-ENOMEM);
	open_gate(&run, error ? GATE_DOWN : GATE_OPEN);
	if (!error)
		failed = function(0, arg) != 0;
	wait_for_all(hub, &run);
	if (!error && (failed || run.failed))
		error = ECHILD;
	return (int)sys_result(-error);
}

/* --- sockets from elsewhere --- */

/* A number from 0 to MOST, or -1. */
static long number_in(const char *text, long most)
{
	char *end;
	long value;
	int saved_errno = errno;

	if (!text || *text < '0' || *text > '9')
		return -1;
	value = strtol(text, &end, 10);
	errno = saved_errno;
	return *end || value > most ? -1 : value;
}

static long passed_on(void)
{
	const char *count_text = getenv("LISTEN_FDS"), *pid_text = getenv("LISTEN_PID");
	long pid = number_in(pid_text, INT32_MAX), count = number_in(count_text, FDS_MAX);

	if (!count_text && !pid_text)
		return 0;
	if (pid_text && pid < 0)
		return -EINVAL;
	if (pid != sys_call(SYS_getpid))
		return 0;
	if (count < 0)
		return -EINVAL;
	for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
		if (sys_failed(sys_call(SYS_fcntl, fd, F_GETFD)))
			return -EINVAL;
	}
	return count;
}

int green_listen_fds(int *first)
{
	long count = passed_on();

	for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++)
		sys_call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	*first = FIRST_FD;
	return (int)sys_result(count);
}
