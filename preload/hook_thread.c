/* SPDX-License-Identifier: MIT */
/* hook_thread.c - pthread_create and what belongs to it: join, detach, exit, cancel, attributes */
#include <limits.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "audit.h"
#include "hub/task.h"
#include "kernel_thread.h"
#include "limit.h"
#include "migrate.h"
#include "parking.h"
#include "preempt.h"
#include "robust.h"
#include "shim.h"
#include "signals.h"
#include "switch/thread_pointer.h"
#include "thread.h"
#include "tls.h"

enum {
	FIRST_TID = 4194305, /* above what the kernel gives out, and within what a futex word can hold */
	LAST_TID = 0x0fffffff, /* and what fits into the id of a CPU clock */
	STACK_RESERVE = 16 * 1024, /* for the runtime's own frames, on top of what the program asked for */
	STACK_ALIGNMENT = 64,      /* libc cuts sizes to it */
	PAGE = 4096,
};

/* From this size on the kernel is asked whether so much memory could ever be there. */
#define STACK_LARGE ((size_t)1 << 30)

struct threads threads;
__thread struct thread green__thread;

struct thread *thread_of_block(uintptr_t block)
{
	return (struct thread *)(block + (uintptr_t)&green__thread - thread_pointer_read());
}

void thread_kept_addresses(uintptr_t kept[THREAD_KEPT])
{
	kept[0] = (uintptr_t)&green__thread;
	kept[1] = (uintptr_t)&green__current;
	kept[2] = (uintptr_t)&errno;
}

static void thread_join_list(struct thread *thread)
{
	list_append(&threads.all, &thread->link);
	threads.alive++;
	shim.stats->threads_alive = threads.alive;
	if (threads.alive > shim.stats->threads_peak)
		shim.stats->threads_peak = threads.alive;
}

static void thread_leave_list(struct thread *thread)
{
	list_remove(&thread->link);
	threads.alive--;
	shim.stats->threads_alive = threads.alive;
}

void threads_birth(void)
{
	struct thread *self = thread_self();
	pthread_attr_t attributes;

	list_init(&threads.all);
	threads.main = self;
	threads.last_tid = FIRST_TID - 1;
	self->greenlet = green__current;
	self->block = shim.native_tp;
	self->initial = true;
	self->tid = (pid_t)sys_call(SYS_getpid);
	self->result = PTHREAD_CANCELED;
	if (real(pthread_getattr_np)(pthread_self(), &attributes) == 0) {
		pthread_attr_getstack(&attributes, &self->stack_low, &self->stack_size);
		pthread_attr_getguardsize(&attributes, &self->guard_size);
		pthread_attr_destroy(&attributes);
	}
	thread_join_list(self);
}

void threads_after_fork(void)
{
	struct thread *self = thread_self();

	list_init(&threads.all);
	threads.alive = 0;
	thread_join_list(self);
	self->tid = (pid_t)sys_call(SYS_getpid);
	list_init(&self->aside.link);
	name_after_fork(self);
	clocks_after_fork(self);
	/* Whoever forked is the child's only thread, and natively its first one. */
	threads.main = self;
	/* Its block is what libc and the kernel know of the child's kernel thread. */
	shim.native_tp = self->block;
	scheduling_after_fork(self);
}

pid_t thread_tid_next(void)
{
	if (++threads.last_tid > LAST_TID)
		threads.last_tid = FIRST_TID;
	return threads.last_tid;
}

struct thread *thread_with_id(pid_t tid)
{
	list_for_each(node, &threads.all) {
		struct thread *thread = container_of(node, struct thread, link);

		if (thread->tid == tid)
			return thread;
	}
	return NULL;
}

/* --- the life of a thread --- */

/* The block is free for another thread; who still calls with its id hears that there is none. */
static void thread_forget(struct thread *thread)
{
	uintptr_t block = thread->block;

	thread->block = 0;
	*tls_tid(block) = -1;
	tls_put(block);
}

/* Told on somebody else's stack: the thread is off its own for good, so a joiner may free it. */
static void thread_released(struct greenlet *greenlet)
{
	struct thread *thread = thread_of_block(greenlet->thread_pointer);
	bool unwanted = thread->detached && !thread->joiners;

	thread->greenlet = NULL;
	__atomic_store_n(&thread->ended, 1, __ATOMIC_SEQ_CST);
	if (thread->foreign_joiner)
		sys_call(SYS_futex, &thread->ended, FUTEX_WAKE_PRIVATE, INT_MAX);
	parking_wake(&thread->ended, UINT_MAX, PARKING_ALL);
	if (unwanted)
		thread_forget(thread);
}

/* What is left to do on the thread's own stack; natively the last thread's end is the process's. */
static void thread_finish(struct thread *self)
{
	tls_destructors();
	keys_run_destructors();
	robust_abandon(self);
	cond_give_up();
	if (threads.alive == 1) {
		kernel_threads_wait(&self->ended);
		exit(0);
	}
	signals_thread_ends(self);
	thread_leave_list(self);
}

/*
 * The frame in which pthread_exit and cancellation end: libc unwinds to the
 * innermost buffer that pthread_cleanup_push's own calls have registered.
 */
static void *thread_run(struct thread *self)
{
	__pthread_unwind_buf_t root;

	/* What a cancelled thread returns; pthread_exit overwrites it. */
	self->result = PTHREAD_CANCELED;
	if (__sigsetjmp_cancel(root.__cancel_jmp_buf, 0))
		return self->result;
	__pthread_register_cancel(&root);
	self->result = self->routine(self->argument);
	__pthread_unregister_cancel(&root);
	return self->result;
}

static void *thread_main(void *arg)
{
	struct thread *self = arg;

	tls_start();
	signals_thread_started();
	self->result = thread_run(self);
	thread_finish(self);
	return NULL;
}

/* --- pthread_create --- */

/* What is read from the attributes; NULL attributes mean the defaults. */
struct wanted {
	void *stack;
	size_t stack_size, guard_size;
	int detached;
	sigset_t mask;
	bool has_mask;
	struct scheduling scheduling;
};

static int wanted_read(struct wanted *wanted, const pthread_attr_t *given)
{
	pthread_attr_t defaults;
	const pthread_attr_t *attributes = given ? given : &defaults;
	char *low = NULL;
	size_t given_size = 0;
	int error;

	if (!given)
		pthread_getattr_default_np(&defaults);
	pthread_attr_getdetachstate(attributes, &wanted->detached);
	pthread_attr_getstacksize(attributes, &wanted->stack_size);
	pthread_attr_getguardsize(attributes, &wanted->guard_size);
	/* This one shows a size of 0 where none was set; libc keeps the upper end, which is NULL if no stack was given. */
	pthread_attr_getstack(attributes, (void **)&low, &given_size);
	wanted->stack = (uintptr_t)low + given_size ? low : NULL;
	wanted->has_mask = pthread_attr_getsigmask_np(attributes, &wanted->mask) == 0;
	error = scheduling_begin(&wanted->scheduling, attributes);
	if (!given) {
		if (shim.stack_size)
			wanted->stack_size = shim.stack_size;
		pthread_attr_destroy(&defaults);
	}
	return error;
}

/* Ours are mapped without a reserve of memory, so the kernel would refuse none of them that can be addressed. */
static bool could_be_mapped(size_t size)
{
	long memory = sys_call(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (sys_failed(memory))
		return false;
	sys_call(SYS_munmap, memory, size);
	return true;
}

static struct stack *wanted_stack(const struct wanted *wanted)
{
	static size_t signal_frame = SIZE_MAX;

	if (wanted->stack)
		return green__stack_wrap(wanted->stack, wanted->stack_size);
	if (signal_frame == SIZE_MAX)
		signal_frame = getauxval(AT_MINSIGSTKSZ);
	if (wanted->stack_size >= STACK_LARGE && !could_be_mapped(wanted->stack_size))
		return NULL;
	return green__stack_take(wanted->stack_size + signal_frame + STACK_RESERVE);
}

/* Privileges that the kernel asks for where a user has as many threads as may be. */
static bool may_exceed_limits(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (sys_call(SYS_getuid) == 0 || sys_call(SYS_capget, &header, data))
		return true;
	return data[0].effective & (1U << CAP_SYS_RESOURCE | 1U << CAP_SYS_ADMIN);
}

/* The kernel counts all of a user's threads; it does not know these, so each process has the limit for itself. */
static bool too_many_threads(void)
{
	return threads.alive >= limit_of_threads() && !may_exceed_limits();
}

/*
 * What pthread_getattr_np shows is what was asked for, in libc's units.  It ends, as libc's does, with the page that
 * holds what describes the thread, so that those who map guard pages of their own find it aligned; where ours has more,
 * it is below.
 */
static void show_stack(struct thread *thread, const struct wanted *wanted, const struct stack *stack)
{
	uintptr_t end = ((uintptr_t)(stack + 1) + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

	thread->stack_low = wanted->stack;
	thread->stack_size = wanted->stack_size;
	thread->guard_size = 0;
	if (wanted->stack)
		return;
	thread->stack_size &= ~(size_t)(STACK_ALIGNMENT - 1);
	thread->stack_low = (void *)(end - thread->stack_size);
	thread->guard_size = (wanted->guard_size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void thread_init(struct thread *thread, uintptr_t block, const struct wanted *wanted, const struct stack *stack)
{
	bool recycled = thread->recycled;

	memset(thread, 0, sizeof(*thread));
	thread->recycled = recycled;
	thread->block = block;
	thread->tid = *tls_tid(block);
	thread->detached = wanted->detached == PTHREAD_CREATE_DETACHED;
	show_stack(thread, wanted, stack);
	name_begin(thread);
	thread->alternate.ss_flags = SS_DISABLE;
	thread->scheduling = wanted->scheduling;
	list_init(&thread->link);
}

/* A stack and a block with thread-local storage; 0 if memory is used up.  A handler that parked between would leave locks held. */
static uintptr_t take_memory(const struct wanted *wanted, struct stack **stack)
{
	uintptr_t block;

	critical_enter(shim.hub->flow);
	*stack = too_many_threads() ? NULL : wanted_stack(wanted);
	block = *stack ? tls_take(thread_tid_next(), (*stack)->low, (*stack)->size) : 0;
	if (*stack && !block)
		green__stack_release(*stack);
	critical_leave(shim.hub->flow);
	return block;
}

/* At birth there may have been no timer to be had. */
static void begin_ticking(void)
{
	if (likely(preempt_signal()))
		return;
	preempt_begin();
	if (preempt_signal())
		signals_masks_changed();
}

static int thread_create(pthread_t *id, const struct wanted *wanted, void *(*routine)(void *), void *argument)
{
	struct stack *stack;
	uintptr_t block = take_memory(wanted, &stack);
	struct thread *thread;
	struct greenlet *task;

	/* Natively threads that have little to do would be over by now, and have given their memory back. */
	if (!block && shim_hub()) {
		green__yield(shim.hub);
		block = take_memory(wanted, &stack);
	}
	if (!block)
		return EAGAIN;
	critical_enter(shim.hub->flow);
	thread = thread_of_block(block);
	thread_init(thread, block, wanted, stack);
	thread->routine = routine;
	thread->argument = argument;
	task = green__task_create(shim.hub, stack, thread_main, thread);
	task->thread_pointer = block;
	task->ended = NULL;
	task->released = thread_released;
	thread->greenlet = task;
	signals_thread_begins(thread, wanted->has_mask ? &wanted->mask : NULL);
	thread_join_list(thread);
	shim.stats->threads_created++;
	*id = (pthread_t)block;
	green__task_start(shim.hub, task);
	begin_ticking();
	critical_leave(shim.hub->flow);
	return 0;
}

WRAPPER int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
	struct wanted wanted;
	int saved = errno;
	int error;

	if (kernel_thread_wanted(routine, argument))
		return kernel_thread_create(id, attributes, routine, argument);
	if (!shim_greenlet() && !shim_birth()) {
		/* A kernel thread's threads are such, too. */
		if (shim.hub && !shim.in_vfork_child)
			return kernel_thread_create(id, attributes, routine, argument);
		/* Where memory is used up libc fails as well, and the next attempt may go better. */
		error = real(pthread_create)(id, attributes, routine, argument);
		if (!error)
			shim_made_real_thread();
		return error;
	}
	error = wanted_read(&wanted, attributes);
	if (!error)
		error = thread_create(id, &wanted, routine, argument);
	audit_thread_begins();
	errno = saved;
	return error;
}

/* --- join and detach --- */

static void joiner_leave(struct thread **thread)
{
	(*thread)->joiners--;
}

static void join_foreign(struct thread *thread)
{
	CLEANUP(joiner_leave) struct thread *joined = thread;

	thread->joiners++;
	thread->foreign_joiner = true;
	while (!__atomic_load_n(&thread->ended, __ATOMIC_SEQ_CST))
		sys_call(SYS_futex, &thread->ended, FUTEX_WAIT_PRIVATE, 0, NULL);
}

/* A joiner that is cancelled leaves the thread joinable. */
static int join_wait(struct thread *thread, int64_t deadline)
{
	CLEANUP(joiner_leave) struct thread *joined = thread;

	thread->joiners++;
	while (!thread->ended) {
		struct parked parked;
		int error;

		parking_enter(&parked, &thread->ended, WAIT_INTERRUPTIBLE);
		error = parking_wait(&parked, deadline);
		parking_leave(&parked);
		if (error == -ETIMEDOUT && !thread->ended)
			return ETIMEDOUT;
		if (error == -EINTR)
			shim_interrupted(true, true);
	}
	return 0;
}

static int wait_for_end(struct thread *thread, int64_t deadline)
{
	shim_cancellation_point();
	if (thread == thread_self())
		return EDEADLK;
	if (shim_greenlet())
		return join_wait(thread, deadline);
	join_foreign(thread);
	return 0;
}

/* As in libc several may wait for one thread; the last of them frees what is left of it. */
static int join_until(struct thread *thread, void **result, int64_t deadline)
{
	int error = thread->detached ? EINVAL : thread->ended ? 0 : wait_for_end(thread, deadline);

	if (error)
		return error;
	if (result)
		*result = thread->result;
	/* The main thread's block is the kernel thread's own and never serves another. */
	if (thread != threads.main && !thread->joiners)
		thread_forget(thread);
	return 0;
}

WRAPPER int pthread_join(pthread_t id, void **result)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	return thread ? join_until(thread, result, CLOCK_NEVER) : MIGRATED(real(pthread_join)(id, result));
}

WRAPPER int pthread_tryjoin_np(pthread_t id, void **result)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread)
		return real(pthread_tryjoin_np)(id, result);
	/* Natively a loop of tries makes progress by itself. */
	if (!thread->ended && shim_hub())
		green__yield(shim.hub);
	return thread->ended ? join_until(thread, result, CLOCK_NEVER) : EBUSY;
}

/* A time with impossible nanoseconds libc never finds to be over. */
static int join_clock(pthread_t id, void **result, clockid_t clock, const struct timespec *abstime)
{
	int64_t deadline = CLOCK_NEVER;

	if (abstime && abstime->tv_nsec >= 0 && abstime->tv_nsec < NS_PER_SECOND)
		deadline = clock_deadline(clock, abstime);
	return join_until(thread_of(id), result, deadline);
}

WRAPPER int pthread_timedjoin_np(pthread_t id, void **result, const struct timespec *abstime)
{
	if (!shim.hub || !thread_of(id))
		return MIGRATED(real(pthread_timedjoin_np)(id, result, abstime));
	return join_clock(id, result, CLOCK_REALTIME, abstime);
}

WRAPPER int pthread_clockjoin_np(pthread_t id, void **result, clockid_t clock, const struct timespec *abstime)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return EINVAL;
	if (!shim.hub || !thread_of(id))
		return MIGRATED(real(pthread_clockjoin_np)(id, result, clock, abstime));
	return join_clock(id, result, clock, abstime);
}

WRAPPER int pthread_detach(pthread_t id)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread)
		return real(pthread_detach)(id);
	if (thread->detached)
		return EINVAL;
	thread->detached = true;
	if (thread->ended && thread != threads.main && !thread->joiners)
		thread_forget(thread);
	return 0;
}

/* --- exit and cancellation --- */

/* The root of main, registered by the shim's own start; taken away where libc's is wanted. */
extern void *green__main_root;

WRAPPER void pthread_exit(void *result)
{
	struct thread *self = thread_self();

	if (self->block)
		self->result = result;
	else if (green__main_root && sys_call(SYS_gettid) == sys_call(SYS_getpid))
		__pthread_unregister_cancel(green__main_root);
	real(pthread_exit)(result);
	__builtin_unreachable();
}

void thread_main_exited(void)
{
	struct thread *self = thread_self();
	struct parked parked;

	thread_finish(self);
	critical_enter(shim.hub->flow);
	self->ended = 1;
	shim.hub->flow->living--;
	parking_wake(&self->ended, UINT_MAX, PARKING_ALL);
	/* The process's first thread carries the others, so its greenlet waits for the end that one of them brings. */
	for (;;) {
		parking_enter(&parked, self, WAIT_PLAIN);
		parking_wait(&parked, CLOCK_NEVER);
		parking_leave(&parked);
	}
}

struct remote_cancel {
	struct remote remote;
	struct thread *thread;
};

static void cancel_remotely(struct hub *hub, struct remote *remote)
{
	struct remote_cancel *cancel = container_of(remote, struct remote_cancel, remote);

	(void)hub;
	if (cancel->thread->greenlet)
		green__interrupt(cancel->thread->greenlet);
	free(cancel);
}

static void interrupt_from_anywhere(struct thread *thread)
{
	struct remote_cancel *cancel;

	if (green__current && green__current->flow == shim.hub->flow) {
		green__interrupt(thread->greenlet);
		return;
	}
	cancel = malloc(sizeof(*cancel));
	if (!cancel)
		return;
	cancel->thread = thread;
	cancel->remote.run = cancel_remotely;
	green__hub_post(shim.hub, &cancel->remote);
}

/* libc's own call records the request in the thread's structure and loads the unwinder; waking is ours. */
WRAPPER int pthread_cancel(pthread_t id)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;
	bool anywhere;
	int error;

	if (!thread)
		return real(pthread_cancel)(id);
	if (thread->ended)
		return 0;
	thread->cancel_requested = true;
	if (thread->helper) {
		real(pthread_cancel)(id);
		migrate_cancel(thread);
		return 0;
	}
	/* For one that may be cancelled anywhere libc would only signal its id, which no kernel thread has. */
	anywhere = tls_cancel_anywhere(thread->block);
	tls_cancel_deferred(thread->block, true);
	error = real(pthread_cancel)(id);
	tls_cancel_deferred(thread->block, !anywhere);
	if (thread == thread_self() && anywhere)
		shim_cancellation_point();
	else if (thread->greenlet && thread != thread_self())
		interrupt_from_anywhere(thread);
	return error;
}

/* --- attributes and ids --- */

WRAPPER int pthread_getattr_np(pthread_t id, pthread_attr_t *attributes)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;
	cpu_set_t set;
	int error;

	if (!thread || thread->initial)
		return real(pthread_getattr_np)(id, attributes);
	error = pthread_attr_init(attributes);
	if (error)
		return error;
	if (pthread_getaffinity_np(id, sizeof(set), &set) == 0)
		error = pthread_attr_setaffinity_np(attributes, sizeof(set), &set);
	if (error) {
		pthread_attr_destroy(attributes);
		return error;
	}
	pthread_attr_setstack(attributes, thread->stack_low, thread->stack_size);
	pthread_attr_setguardsize(attributes, thread->guard_size);
	pthread_attr_setdetachstate(attributes, thread->detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
	return 0;
}

WRAPPER pid_t gettid(void)
{
	struct thread *self = thread_self();

	return self->block ? self->tid : (pid_t)sys_call(SYS_gettid);
}
