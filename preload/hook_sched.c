/* SPDX-License-Identifier: MIT */
/* hook_sched.c - scheduling of one thread, which the kernel must judge and the carrier must not take over */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <string.h>
#include <sys/resource.h>

#include "hub/worker.h"
#include "scheduling.h"
#include "shim.h"
#include "thread.h"

#define RESET_ON_FORK 1 /* the kernel's SCHED_FLAG_RESET_ON_FORK */

/*
 * What one green pthread asks for must not befall all of them, and whether it may
 * ask for it is the kernel's to say. So a kernel thread that lives for one call
 * puts on what the green thread has, makes the call for itself, and what it has
 * then is kept. Nobody makes such calls often.
 */
struct request {
	struct scheduling *scheduling;
	long number;
	long *a;
	long result;
	int done; /* futex word */
};

static void put_on(const struct scheduling *scheduling)
{
	sys_call(SYS_sched_setattr, 0, &scheduling->attributes, 0);
	sys_call(SYS_sched_setaffinity, 0, sizeof(scheduling->affinity), &scheduling->affinity);
	sys_call(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, scheduling->io);
}

static void keep(struct scheduling *scheduling)
{
	memset(&scheduling->affinity, 0, sizeof(scheduling->affinity));
	sys_call(SYS_sched_getattr, 0, &scheduling->attributes, sizeof(scheduling->attributes), 0);
	sys_call(SYS_sched_getaffinity, 0, sizeof(scheduling->affinity), &scheduling->affinity);
	scheduling->io = (int)sys_call(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	scheduling->own = true;
}

static bool changes(long number)
{
	switch (number) {
	case SYS_sched_setaffinity:
	case SYS_sched_setattr:
	case SYS_sched_setparam:
	case SYS_sched_setscheduler:
	case SYS_setpriority:
	case SYS_ioprio_set:
		return true;
	default:
		return false;
	}
}

static void *answer(void *arg)
{
	struct request *request = arg;
	long *a = request->a;

	if (request->scheduling->own)
		put_on(request->scheduling);
	request->result = sys_call(request->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (!sys_failed(request->result) && changes(request->number))
		keep(request->scheduling);
	__atomic_store_n(&request->done, 1, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &request->done, FUTEX_WAKE_PRIVATE, 1);
	return NULL;
}

static long ask(struct scheduling *scheduling, long number, long a[6])
{
	struct request request = { .scheduling = scheduling, .number = number, .a = a };
	int error = green__helper_create(answer, &request);

	if (error)
		return -error;
	while (!__atomic_load_n(&request.done, __ATOMIC_ACQUIRE))
		sys_call(SYS_futex, &request.done, FUTEX_WAIT_PRIVATE, 0, NULL);
	return request.result;
}

/* --- whom a call is about --- */

/* Where the thread's id is among the arguments; NULL if they name no single thread. */
static long *id_in(long number, long a[6])
{
	switch (number) {
	case SYS_setpriority:
	case SYS_getpriority:
		return a[0] == PRIO_PROCESS ? &a[1] : NULL;
	case SYS_ioprio_set:
	case SYS_ioprio_get:
		return a[0] == IOPRIO_WHO_PROCESS ? &a[1] : NULL;
	default:
		return &a[0];
	}
}

static struct thread *thread_named(pid_t id)
{
	return id ? thread_with_id(id) : thread_self();
}

long scheduling_call(long number, long a[6])
{
	long *id = id_in(number, a);
	struct thread *thread = id && shim_greenlet() ? thread_named((pid_t)*id) : NULL;

	if (thread) {
		*id = 0;
		if (thread->scheduling.own || (changes(number) && threads.alive > 1))
			return ask(&thread->scheduling, number, a);
	}
	return sys_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long call(long number, long a, long b, long c)
{
	return scheduling_call(number, (long[6]) { a, b, c });
}

int scheduling_judge(int policy, int priority)
{
	struct scheduling copy = thread_self()->scheduling;
	struct sched_param parameters = { .sched_priority = priority };

	return (int)-ask(&copy, SYS_sched_setscheduler, (long[6]) { 0, policy, (long)&parameters });
}

/* --- the start of a thread and of a process --- */

static void reset(struct scheduling *scheduling)
{
	struct sched_attributes *attributes = &scheduling->attributes;

	attributes->flags = 0;
	if (attributes->policy == SCHED_FIFO || attributes->policy == SCHED_RR) {
		attributes->policy = SCHED_OTHER;
		attributes->priority = 0;
	}
	if (attributes->nice < 0)
		attributes->nice = 0;
}

static long explicit_policy(struct scheduling *scheduling, const pthread_attr_t *attributes)
{
	struct sched_param parameters;
	int how, policy;

	pthread_attr_getinheritsched(attributes, &how);
	if (how != PTHREAD_EXPLICIT_SCHED)
		return 0;
	pthread_attr_getschedpolicy(attributes, &policy);
	pthread_attr_getschedparam(attributes, &parameters);
	return ask(scheduling, SYS_sched_setscheduler, (long[6]) { 0, policy, (long)&parameters });
}

/* Attributes that name no processors show all there could be. */
static bool names_none(const cpu_set_t *set)
{
	for (size_t i = 0; i < ARRAY_LENGTH(set->__bits); i++) {
		if (~set->__bits[i])
			return false;
	}
	return true;
}

static long explicit_affinity(struct scheduling *scheduling, const pthread_attr_t *attributes)
{
	cpu_set_t set;

	if (pthread_attr_getaffinity_np(attributes, sizeof(set), &set) != 0 || names_none(&set))
		return 0;
	return ask(scheduling, SYS_sched_setaffinity, (long[6]) { 0, sizeof(set), (long)&set });
}

int scheduling_begin(struct scheduling *scheduling, const pthread_attr_t *attributes)
{
	long result;

	*scheduling = thread_self()->scheduling;
	if (scheduling->own && (scheduling->attributes.flags & RESET_ON_FORK))
		reset(scheduling);
	result = explicit_affinity(scheduling, attributes);
	if (!sys_failed(result))
		result = explicit_policy(scheduling, attributes);
	return sys_failed(result) ? (int)-result : 0;
}

void scheduling_after_fork(struct thread *self)
{
	if (self->scheduling.own)
		put_on(&self->scheduling);
	self->scheduling.own = false;
}

/* --- by the id of the kernel --- */

WRAPPER int sched_setscheduler(pid_t id, int policy, const struct sched_param *parameters)
{
	return (int)sys_result(call(SYS_sched_setscheduler, id, policy, (long)parameters));
}

WRAPPER int sched_getscheduler(pid_t id)
{
	return (int)sys_result(call(SYS_sched_getscheduler, id, 0, 0));
}

WRAPPER int sched_setparam(pid_t id, const struct sched_param *parameters)
{
	return (int)sys_result(call(SYS_sched_setparam, id, (long)parameters, 0));
}

WRAPPER int sched_getparam(pid_t id, struct sched_param *parameters)
{
	return (int)sys_result(call(SYS_sched_getparam, id, (long)parameters, 0));
}

WRAPPER int sched_rr_get_interval(pid_t id, struct timespec *interval)
{
	return (int)sys_result(call(SYS_sched_rr_get_interval, id, (long)interval, 0));
}

WRAPPER int sched_setaffinity(pid_t id, size_t size, const cpu_set_t *set)
{
	return (int)sys_result(call(SYS_sched_setaffinity, id, (long)size, (long)set));
}

/* The kernel says how much it has written; libc clears the rest. */
static long get_affinity(pid_t id, size_t size, cpu_set_t *set)
{
	long written = call(SYS_sched_getaffinity, id, size > INT_MAX ? INT_MAX : (long)size, (long)set);

	if (sys_failed(written))
		return written;
	memset((char *)set + written, 0, size - (size_t)written);
	return 0;
}

WRAPPER int sched_getaffinity(pid_t id, size_t size, cpu_set_t *set)
{
	return (int)sys_result(get_affinity(id, size, set));
}

/* A thread that has processors of its own is on one of them, wherever the carrier is. */
WRAPPER int sched_getcpu(void)
{
	const struct scheduling *scheduling = &thread_self()->scheduling;
	int here = real(sched_getcpu)(), first = 0;

	if (here < 0 || !scheduling->own || CPU_ISSET(here, &scheduling->affinity))
		return here;
	while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &scheduling->affinity))
		first++;
	return first;
}

WRAPPER int setpriority(__priority_which_t which, id_t who, int priority)
{
	return (int)sys_result(call(SYS_setpriority, which, (long)who, priority));
}

/* The kernel answers with 20 less the value, so that no answer looks like an error. */
WRAPPER int getpriority(__priority_which_t which, id_t who)
{
	long result = call(SYS_getpriority, which, (long)who, 0);

	return sys_failed(result) ? (int)sys_result(result) : (int)(20 - result);
}

WRAPPER int nice(int increment)
{
	long wanted = 20 - call(SYS_getpriority, PRIO_PROCESS, 0, 0) + increment;
	long result = call(SYS_setpriority, PRIO_PROCESS, 0, wanted > 19 ? 19 : wanted < -20 ? -20 : wanted);

	if (sys_failed(result))
		return (int)sys_result(result == -EACCES ? -EPERM : result);
	return (int)(20 - call(SYS_getpriority, PRIO_PROCESS, 0, 0));
}

/* --- by the name of the thread --- */

/* These return the error; a thread that has ended has no id any more. */
static int call_for(struct thread *thread, long number, long b, long c)
{
	return thread->ended ? ESRCH : (int)-call(number, thread->tid, b, c);
}

WRAPPER int pthread_setschedparam(pthread_t id, int policy, const struct sched_param *parameters)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread)
		return real(pthread_setschedparam)(id, policy, parameters);
	return call_for(thread, SYS_sched_setscheduler, policy, (long)parameters);
}

WRAPPER int pthread_setschedprio(pthread_t id, int priority)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;
	struct sched_param parameters = { .sched_priority = priority };

	if (!thread)
		return real(pthread_setschedprio)(id, priority);
	return call_for(thread, SYS_sched_setparam, (long)&parameters, 0);
}

WRAPPER int pthread_getschedparam(pthread_t id, int *policy, struct sched_param *parameters)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;
	long result;

	if (!thread)
		return real(pthread_getschedparam)(id, policy, parameters);
	if (thread->ended)
		return ESRCH;
	result = call(SYS_sched_getscheduler, thread->tid, 0, 0);
	if (sys_failed(result))
		return (int)-result;
	*policy = (int)result;
	return call_for(thread, SYS_sched_getparam, (long)parameters, 0);
}

WRAPPER int pthread_setaffinity_np(pthread_t id, size_t size, const cpu_set_t *set)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread)
		return real(pthread_setaffinity_np)(id, size, set);
	return call_for(thread, SYS_sched_setaffinity, (long)size, (long)set);
}

WRAPPER int pthread_getaffinity_np(pthread_t id, size_t size, cpu_set_t *set)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread)
		return real(pthread_getaffinity_np)(id, size, set);
	return thread->ended ? ESRCH : (int)-get_affinity(thread->tid, size, set);
}
