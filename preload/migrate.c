/* SPDX-License-Identifier: MIT */
/* migrate.c - a green pthread makes one call on a helper kernel thread, and comes back */
#include "migrate.h"

#include <string.h>

#include "base/spinlock.h"
#include "hub/task.h"
#include "signals.h"
#include "switch/thread_pointer.h"
#include "tls.h"

#define LONGEST_PAUSE (64 * NS_PER_MS)
#define PAUSE (5 * NS_PER_MS)

enum { SIGNAL_CANCEL = 32, SIGNAL_SETXID = 33 };

/* Guards struct thread.helper while somebody signals it. */
static struct spinlock away_lock;

/* --- who is where --- */

static void publish(struct thread *thread, pid_t helper)
{
	spinlock_lock(&away_lock);
	thread->helper = helper;
	spinlock_unlock(&away_lock);
}

static void set_mask(uint64_t mask)
{
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

/* Greenlets that share a TLS block would run on it here while its owner is away. */
static bool block_is_shared(const struct hub *hub)
{
	return hub->flow->living != threads.alive + 1;
}

/* A helper that could not be made for want of memory may be had a little later: natively the call needs none. */
static bool leave(struct hub *hub, struct away *away)
{
	static int64_t gave_up;

	if (green__leave(hub, away))
		return true;
	for (int64_t pause = NS_PER_MS; pause <= LONGEST_PAUSE && clock_now() > gave_up + NS_PER_SECOND; pause *= 4) {
		green__sleep(hub, clock_after(pause), WAIT_PLAIN);
		if (!hub->flow->spare_block)
			hub->flow->spare_block = tls_take(thread_tid_next(), NULL, 0);
		if (green__leave(hub, away))
			return true;
	}
	gave_up = clock_now();
	return false;
}

long migrate_pause(bool restartable)
{
	long error = green__sleep(shim.hub, clock_after(PAUSE), WAIT_INTERRUPTIBLE);

	return error == -EINTR && shim_interrupted(restartable, true) ? 0 : error;
}

bool migrate_enter(struct migration *migration)
{
	struct hub *hub = shim_hub();
	struct thread *self = thread_self();

	if (!hub || !self->block || self->greenlet != green__current || block_is_shared(hub))
		return false;
	signals_deliver();
	if (!leave(hub, &migration->away))
		return false;
	migration->thread = self;
	self->migration = migration;
	publish(self, (pid_t)sys_call(SYS_gettid));
	set_mask(self->mask & ~LIBC_SIGNALS);
	/* Whoever has sent one on the way here found no helper to interrupt. */
	signals_deliver_away();
	return true;
}

void migrate_leave(struct migration *migration)
{
	struct thread *self = migration->thread;
	uint64_t mask = 0;

	if (!self)
		return;
	migration->thread = NULL;
	self->migration = NULL;
	/* What was sent before this is delivered at the end of the next system call, before the mask is filled. */
	publish(self, 0);
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, sizeof(mask));
	set_mask(~LIBC_SIGNALS);
	green__come_back(&migration->away);
	if (mask != (self->mask & ~LIBC_SIGNALS))
		signals_set_mask(mask);
	else
		signals_deliver();
}

bool migrate_run(long (*function)(void *), void *arg, long *result)
{
	CLEANUP(migrate_leave) struct migration migration = { .thread = NULL };
	int type;

	if (!migrate_enter(&migration))
		return false;
	real(pthread_setcanceltype)(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	*result = function(arg);
	real(pthread_setcanceltype)(type, NULL);
	return true;
}

void migrate_return_before(uintptr_t stack)
{
	struct migration *migration = thread_self()->migration;

	if (migration && stack > (uintptr_t)migration)
		migrate_leave(migration);
}

/* --- reaching a thread that is away --- */

void migrate_ring(struct thread *thread, int number)
{
	siginfo_t info = { .si_signo = number, .si_code = MIGRATE_RING };

	spinlock_lock(&away_lock);
	if (thread->helper && !(thread->mask & UINT64_C(1) << (number - 1)))
		sys_call(SYS_rt_tgsigqueueinfo, sys_call(SYS_getpid), thread->helper, number, &info);
	spinlock_unlock(&away_lock);
}

/* libc has noted the request; where its thread may be interrupted it also signals, but to an id that the kernel does not know. */
void migrate_cancel(struct thread *thread)
{
	spinlock_lock(&away_lock);
	if (thread->helper && tls_cancel_unfinished(thread->block))
		sys_call(SYS_tgkill, sys_call(SYS_getpid), thread->helper, SIGNAL_CANCEL);
	spinlock_unlock(&away_lock);
}

void migrate_after_fork(void)
{
	spinlock_init(&away_lock);
	thread_self()->helper = 0;
	thread_self()->migration = NULL;
}

/* --- changes of user ids --- */

static void (*libc_setxid)(int, siginfo_t *, void *);

static uintptr_t own_block(void)
{
	pid_t tid = (pid_t)sys_call(SYS_gettid);

	return tid == (pid_t)sys_call(SYS_getpid) ? shim.native_tp : green__helper_block(tid);
}

/*
 * libc makes every kernel thread change its ids in this handler, and waits for each
 * to note in its own block that it has; so the block must be the kernel thread's.
 */
static void on_setxid(int number, siginfo_t *info, void *context)
{
	uintptr_t before = thread_pointer_read();
	uintptr_t block = own_block();

	if (block)
		thread_pointer_write(block);
	libc_setxid(number, info, context);
	if (block)
		thread_pointer_write(before);
}

struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

void migrate_birth(void)
{
	struct kernel_action action;

	shim.hub->flow->spare_block = tls_take(thread_tid_next(), NULL, 0);
	if (!shim.hub->flow->spare_block)
		return;
	if (sys_call(SYS_rt_sigaction, SIGNAL_SETXID, NULL, &action, sizeof(action.mask)) || (uintptr_t)action.handler <= 1)
		return;
	libc_setxid = action.handler;
	action.handler = on_setxid;
	sys_call(SYS_rt_sigaction, SIGNAL_SETXID, &action, NULL, sizeof(action.mask));
}
