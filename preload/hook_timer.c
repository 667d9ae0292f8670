/* SPDX-License-Identifier: MIT */
/*
 * hook_timer.c - POSIX timers: those that call a function do it in a green pthread, those that name a thread find it
 *
 * libc would make a kernel thread for each call of SIGEV_THREAD, which is foreign
 * here.  Instead such a timer is one of the hub's, and a thread of its own, as libc
 * has one, creates the threads.  All other timers are the kernel's; a signal for a
 * thread whose id the kernel does not know is sent to the carrier, and routed.
 */
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "hub/timerq.h"
#include "parking.h"
#include "sigparts.h"
#include "timers.h"

/* A timer of SIGEV_THREAD; its address is its timer_t, which libc's own never look like. */
struct caller {
	struct list all;         /* callers, from creation to deletion */
	struct list due;         /* callers_due, from expiry to its call */
	struct timer timer;
	void (*function)(union sigval);
	union sigval value;
	pthread_attr_t attributes;
	clockid_t clock;
	int64_t interval;        /* 0: once */
	int64_t deadline;        /* of TIMER, while that is pending */
	int overrun;             /* expiries that were too late for a call of their own */
};

/* A kernel timer whose signal is for one thread. */
struct directed {
	struct list link;
	int timer;
	struct thread *thread; /* NULL: it has ended */
};

static struct list callers = { &callers, &callers };
static struct list callers_due = { &callers_due, &callers_due };
static struct list directed = { &directed, &directed };
static bool dispatching;

static struct flow *flow_enter(void)
{
	critical_enter(shim.hub->flow);
	return shim.hub->flow;
}

static struct caller *caller_of(timer_t id)
{
	return (uintptr_t)id > INT_MAX && (intptr_t)id > 0 ? (struct caller *)id : NULL;
}

/* --- calls --- */

/* What one call needs, for the timer may be deleted meanwhile. */
struct call {
	void (*function)(union sigval);
	union sigval value;
};

static void *call_run(void *arg)
{
	struct call call = *(struct call *)arg;

	free(arg);
	call.function(call.value);
	return NULL;
}

static void call_begin(const struct caller *due)
{
	struct call *call = malloc(sizeof(*call));
	pthread_t thread;

	if (!call)
		return;
	call->function = due->function;
	call->value = due->value;
	/* As in libc, what cannot be called is not called. */
	if (pthread_create(&thread, &due->attributes, call_run, call))
		free(call);
}

/* The thread that makes the others. */
static void *dispatch(void *unused)
{
	for (;;) {
		struct caller due = { .function = NULL };
		struct parked parked;
		struct flow *flow;
		struct list *node;

		parking_enter(&parked, &callers_due, WAIT_PLAIN);
		if (list_empty(&callers_due))
			parking_wait(&parked, CLOCK_NEVER);
		parking_leave(&parked);
		flow = flow_enter();
		node = list_pop(&callers_due);
		if (node)
			due = *container_of(node, struct caller, due);
		critical_leave(flow);
		if (due.function)
			call_begin(&due);
	}
	return unused;
}

static bool dispatch_start(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;

	if (dispatching)
		return true;
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setsigmask_np(&attributes, &all);
	dispatching = pthread_create(&thread, &attributes, dispatch, NULL) == 0;
	pthread_attr_destroy(&attributes);
	return dispatching;
}

/* --- the life of a timer that calls --- */

static void arm(struct caller *caller, int64_t deadline);

/* In the hub.  What is too late for its own call is counted. */
static void expired(struct timer *timer)
{
	struct caller *caller = container_of(timer, struct caller, timer);
	int64_t late = caller->interval ? (clock_now() - caller->deadline) / caller->interval : 0;

	if (late < 0)
		late = 0;
	if (list_empty(&caller->due)) {
		caller->overrun = (int)late;
		list_append(&callers_due, &caller->due);
	} else {
		caller->overrun += (int)late + 1;
	}
	if (caller->interval)
		arm(caller, caller->deadline + (late + 1) * caller->interval);
	parking_wake(&callers_due, 1, PARKING_ALL);
}

static void arm(struct caller *caller, int64_t deadline)
{
	caller->deadline = deadline;
	timer_start(&shim.hub->timers, &caller->timer, deadline, expired);
}

static void attributes_copy(pthread_attr_t *to, const pthread_attr_t *from)
{
	struct sched_param parameters;
	size_t size;
	sigset_t all;
	void *low;
	int value;

	pthread_attr_init(to);
	pthread_attr_setdetachstate(to, PTHREAD_CREATE_DETACHED);
	/* libc's inherit the mask of the thread that makes them, which blocks all. */
	sigfillset(&all);
	pthread_attr_setsigmask_np(to, &all);
	if (!from)
		return;
	if (pthread_attr_getguardsize(from, &size) == 0)
		pthread_attr_setguardsize(to, size);
	/* libc keeps the upper end of a stack; none given shows as NULL. */
	if (pthread_attr_getstack(from, &low, &size) == 0 && (uintptr_t)low + size)
		pthread_attr_setstack(to, low, size);
	else if (pthread_attr_getstacksize(from, &size) == 0)
		pthread_attr_setstacksize(to, size);
	if (pthread_attr_getinheritsched(from, &value) == 0)
		pthread_attr_setinheritsched(to, value);
	if (pthread_attr_getschedpolicy(from, &value) == 0)
		pthread_attr_setschedpolicy(to, value);
	if (pthread_attr_getschedparam(from, &parameters) == 0)
		pthread_attr_setschedparam(to, &parameters);
}

static int caller_create(clockid_t clock, const struct sigevent *event, timer_t *id)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	struct flow *flow;

	if (!caller || !dispatch_start()) {
		free(caller);
		return -EAGAIN;
	}
	caller->clock = clock;
	caller->function = event->sigev_notify_function;
	caller->value = event->sigev_value;
	attributes_copy(&caller->attributes, event->sigev_notify_attributes);
	list_init(&caller->due);
	flow = flow_enter();
	list_append(&callers, &caller->all);
	critical_leave(flow);
	*id = (timer_t)caller;
	return 0;
}

/* False for one that is not this process's, such as one of the parent's in a forked child. */
static bool caller_exists(const struct caller *caller)
{
	list_for_each(node, &callers) {
		if (node == &caller->all)
			return true;
	}
	return false;
}

static void caller_show(const struct caller *caller, struct itimerspec *left)
{
	int64_t rest = caller->timer.pending ? caller->deadline - clock_now() : 0;

	/* An armed timer never shows as a disarmed one. */
	if (caller->timer.pending && rest <= 0)
		rest = 1;
	left->it_value = clock_to_timespec(rest);
	left->it_interval = clock_to_timespec(caller->interval);
}

static void caller_set(struct caller *caller, int flags, const struct itimerspec *wanted)
{
	timer_stop(&shim.hub->timers, &caller->timer);
	list_remove(&caller->due);
	caller->overrun = 0;
	caller->interval = clock_from_timespec(&wanted->it_interval);
	if (!wanted->it_value.tv_sec && !wanted->it_value.tv_nsec)
		return;
	if (flags & TIMER_ABSTIME)
		arm(caller, clock_deadline(caller->clock, &wanted->it_value));
	else
		arm(caller, clock_after(clock_from_timespec(&wanted->it_value)));
}

/* --- requests, which a foreign thread has the hub carry out --- */

enum action { ACTION_SET, ACTION_SHOW, ACTION_OVERRUN, ACTION_DELETE };

struct request {
	struct remote remote;
	enum action action;
	struct caller *caller;
	int flags;
	const struct itimerspec *wanted;
	struct itimerspec *old;
	long result;
	int done;
};

static void request_run(struct request *request)
{
	struct caller *caller = request->caller;

	request->result = 0;
	if (!caller_exists(caller)) {
		request->result = -EINVAL;
		return;
	}
	if (request->old)
		caller_show(caller, request->old);
	if (request->action == ACTION_SET)
		caller_set(caller, request->flags, request->wanted);
	if (request->action == ACTION_OVERRUN)
		request->result = caller->overrun;
	if (request->action == ACTION_DELETE) {
		timer_stop(&shim.hub->timers, &caller->timer);
		list_remove(&caller->due);
		list_remove(&caller->all);
	}
}

static void request_arrived(struct hub *hub, struct remote *remote)
{
	struct request *request = container_of(remote, struct request, remote);

	(void)hub;
	request_run(request);
	__atomic_store_n(&request->done, 1, __ATOMIC_RELEASE);
}

static long request_make(struct request *request)
{
	if (!shim.hub)
		return -EINVAL;
	if (shim_greenlet()) {
		struct flow *flow = flow_enter();

		request_run(request);
		critical_leave(flow);
	} else {
		request->remote.run = request_arrived;
		green__hub_post(shim.hub, &request->remote);
		while (!__atomic_load_n(&request->done, __ATOMIC_ACQUIRE))
			sys_call(SYS_sched_yield);
	}
	if (request->action == ACTION_DELETE && request->result == 0) {
		pthread_attr_destroy(&request->caller->attributes);
		free(request->caller);
	}
	return request->result;
}

/* --- timers that signal one thread --- */

struct thread *timer_thread(const siginfo_t *info, bool *known)
{
	*known = false;
	list_for_each(node, &directed) {
		struct directed *one = container_of(node, struct directed, link);

		if (one->timer != info->si_timerid)
			continue;
		*known = true;
		return one->thread;
	}
	return NULL;
}

void timers_thread_ends(const struct thread *thread)
{
	list_for_each(node, &directed) {
		struct directed *one = container_of(node, struct directed, link);

		if (one->thread == thread)
			one->thread = NULL;
	}
}

void timers_after_fork(void)
{
	list_init(&callers);
	list_init(&callers_due);
	list_init(&directed);
	dispatching = false;
}

static long directed_create(clockid_t clock, const struct sigevent *event, struct thread *thread, int *timer)
{
	struct directed *one = calloc(1, sizeof(*one));
	struct sigevent kernels = *event;
	struct flow *flow;
	long result;

	if (!one)
		return -EAGAIN;
	kernels._sigev_un._tid = threads.main->tid;
	/* The kernel must not act by default for a thread that blocks it. */
	if (event->sigev_signo >= 1 && event->sigev_signo <= SIGNALS)
		action_guard(event->sigev_signo);
	result = sys_call(SYS_timer_create, clock, &kernels, timer);
	if (result) {
		free(one);
		return result;
	}
	one->timer = *timer;
	one->thread = thread;
	flow = flow_enter();
	list_append(&directed, &one->link);
	critical_leave(flow);
	return 0;
}

static void directed_delete(int timer)
{
	struct flow *flow = flow_enter();
	struct directed *found = NULL;

	list_for_each(node, &directed) {
		if (container_of(node, struct directed, link)->timer == timer)
			found = container_of(node, struct directed, link);
	}
	if (found)
		list_remove(&found->link);
	critical_leave(flow);
	free(found);
}

long timer_create_raw(clockid_t clock, const struct sigevent *event, int *timer)
{
	struct thread *thread = NULL;

	if (event && event->sigev_notify == SIGEV_THREAD_ID && shim_greenlet())
		thread = thread_with_id(event->_sigev_un._tid);
	return thread ? directed_create(clock, event, thread, timer) : sys_call(SYS_timer_create, clock, event, timer);
}

long timer_delete_raw(int timer)
{
	long result = sys_call(SYS_timer_delete, timer);

	if (result == 0 && shim_greenlet())
		directed_delete(timer);
	return result;
}

/* --- the calls --- */

static bool green_clock(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
}

WRAPPER int timer_create(clockid_t clock, struct sigevent *event, timer_t *id)
{
	int kind = event ? event->sigev_notify : SIGEV_SIGNAL;
	int timer = 0;
	long result;

	if (kind == SIGEV_THREAD && green_clock(clock) && (shim_greenlet() || shim_birth()))
		return (int)sys_result(caller_create(clock, event, id));
	if (kind != SIGEV_THREAD_ID || !shim_greenlet())
		return real(timer_create)(clock, event, id);
	result = timer_create_raw(clock, event, &timer);
	/* A small number is how libc, too, shows the kernel's timers. */
	if (result == 0)
		*id = (timer_t)(intptr_t)timer;
	return (int)sys_result(result);
}

static bool wrong(const struct itimerspec *wanted)
{
	return !clock_valid(&wanted->it_value) || wanted->it_interval.tv_nsec < 0 || wanted->it_interval.tv_nsec >= NS_PER_SECOND;
}

WRAPPER int timer_settime(timer_t id, int flags, const struct itimerspec *wanted, struct itimerspec *old)
{
	struct request request = { .action = ACTION_SET, .caller = caller_of(id), .flags = flags, .wanted = wanted, .old = old };

	if (!request.caller)
		return real(timer_settime)(id, flags, wanted, old);
	return (int)sys_result(wrong(wanted) ? -EINVAL : request_make(&request));
}

WRAPPER int timer_gettime(timer_t id, struct itimerspec *left)
{
	struct request request = { .action = ACTION_SHOW, .caller = caller_of(id), .old = left };

	return request.caller ? (int)sys_result(request_make(&request)) : real(timer_gettime)(id, left);
}

WRAPPER int timer_getoverrun(timer_t id)
{
	struct request request = { .action = ACTION_OVERRUN, .caller = caller_of(id) };

	return request.caller ? (int)sys_result(request_make(&request)) : real(timer_getoverrun)(id);
}

WRAPPER int timer_delete(timer_t id)
{
	struct request request = { .action = ACTION_DELETE, .caller = caller_of(id) };

	if (request.caller)
		return (int)sys_result(request_make(&request));
	if ((intptr_t)id >= 0 && shim_greenlet())
		return (int)sys_result(timer_delete_raw((int)(intptr_t)id));
	return real(timer_delete)(id);
}
