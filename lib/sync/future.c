/* SPDX-License-Identifier: MIT */
/*
 * future.c - results that come later
 *
 * A future is decided under its lock, and whoever watches it is told then, in the
 * order in which they came: who waits is woken, a link is handed to its hub, a
 * shield is decided in turn.  A lock of a shield is taken under that of what it shields, never the reverse.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "hub/callback.h"
#include "switch/uncaught.h"
#include "sync/future.h"

static uint64_t decisions; /* atomic */

/* --- making, holding, deciding --- */

static enum green_future_state state_of(const struct green_future *future)
{
	return __atomic_load_n(&future->state, __ATOMIC_ACQUIRE);
}

/* In the child of a fork: what belonged to others stayed in the parent, so nobody decides what the program does not. */
static void stay_behind(struct green_future *future)
{
	list_init(&future->watches);
	list_init(&future->end.link);
	future->task = NULL;
	if (!future->bound || future->state != GREEN_PENDING)
		return;
	future->code = ESRCH;
	future->value = NULL;
	future->order = __atomic_add_fetch(&decisions, 1, __ATOMIC_RELAXED);
	/* The parent is told of it. */
	future->asked = true;
	__atomic_store_n(&future->state, GREEN_FAILED, __ATOMIC_RELEASE);
}

void green__future_lock(struct green_future *future)
{
	waitq_lock(&future->guard);
	if (likely(future->process == green__process))
		return;
	future->process = green__process;
	stay_behind(future);
}

struct green_future *green_future_create(void)
{
	struct green_future *future = green__fault_injected() ? NULL : calloc(1, sizeof(*future));

	if (!future) {
		errno = ENOMEM;
		return NULL;
	}
	future->process = green__process;
	future->holders = 1;
	list_init(&future->watches);
	list_init(&future->end.link);
	list_init(&future->relay.link);
	return future;
}

struct green_future *green_future_hold(struct green_future *future)
{
	__atomic_add_fetch(&future->holders, 1, __ATOMIC_RELAXED);
	return future;
}

/* Its error has been nobody's. */
static void tell_of_error(const struct green_future *future)
{
	if (future->state == GREEN_FAILED && !future->asked)
		green__uncaught(GREEN_TROUBLE_FUTURE, green__current, future->code, future->value);
}

void green_future_destroy(struct green_future *future)
{
	struct green_future *inner;

	if (!future || __atomic_sub_fetch(&future->holders, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	inner = future->inner;
	if (inner) {
		green__future_lock(inner);
		list_remove(&future->relay.link);
		green__future_unlock(inner);
	}
	tell_of_error(future);
	free(future);
	green_future_destroy(inner);
}

static bool decide(struct green_future *future, enum green_future_state state, int code, void *value)
{
	struct list *node;

	if (future->state != GREEN_PENDING)
		return false;
	future->code = code;
	future->value = value;
	future->order = __atomic_add_fetch(&decisions, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&future->state, state, __ATOMIC_RELEASE);
	while ((node = list_pop(&future->watches))) {
		struct future_watch *watch = container_of(node, struct future_watch, link);

		watch->decided(watch, future);
	}
	return true;
}

bool green__future_decide(struct green_future *future, enum green_future_state state, int code, void *value)
{
	bool decided;

	green__future_lock(future);
	decided = decide(future, state, code, value);
	green__future_unlock(future);
	return decided;
}

static int decide_by_program(struct green_future *future, enum green_future_state state, int code, void *value)
{
	int error = future->bound ? EINVAL : 0;

	if (!error && !green__future_decide(future, state, code, value))
		error = EALREADY;
	return (int)sys_result(-error);
}

int green_future_set(struct green_future *future, void *value)
{
	return decide_by_program(future, GREEN_VALUE, 0, value);
}

int green_future_fail(struct green_future *future, int code, void *value)
{
	if (code <= 0 || code > GREEN_TIMEOUT)
		return (int)sys_result(-EINVAL);
	return decide_by_program(future, code == GREEN_CANCELLED ? GREEN_GIVEN_UP : GREEN_FAILED, code, value);
}

/* --- the end of a task --- */

static void decide_by_end(struct green_future *future, const struct greenlet *task)
{
	if (task->state != GREENLET_DEAD)
		decide(future, GREEN_FAILED, ESRCH, NULL); /* its kernel thread ends */
	else if (!green__task_failed(task))
		decide(future, GREEN_VALUE, 0, task->result);
	else if (task->error == GREEN_CANCELLED)
		decide(future, GREEN_GIVEN_UP, task->error, task->error_value);
	else
		decide(future, GREEN_FAILED, task->error, task->error_value);
}

/* In the hub of the task. */
static void request_taken_in(struct hub *hub, struct remote *request)
{
	struct green_future *future = container_of(request, struct green_future, request);
	struct greenlet *task;

	(void)hub;
	green__future_lock(future);
	future->requested = false;
	task = future->task;
	green__future_unlock(future);
	if (task)
		green__cancel(task);
	green_future_destroy(future);
}

static void task_ended(struct task_watch *watch, struct greenlet *task)
{
	struct green_future *future = container_of(watch, struct green_future, end);
	bool lost = !task->flow->hub, requested;

	green__future_lock(future);
	future->task = NULL;
	/* What no hub will take in any more. */
	requested = lost && future->requested;
	future->requested &= !lost;
	decide_by_end(future, task);
	green__future_unlock(future);
	if (requested)
		green_future_destroy(future);
	green_future_destroy(future);
}

/* One that somebody has told of, or will, is not told again. */
static void decided_by(struct green_future *future, struct greenlet *task)
{
	future->bound = true;
	future->asked = task->reported;
	if (task->state == GREENLET_DEAD) {
		decide_by_end(future, task);
		return;
	}
	task->reported = true;
	future->task = task;
	future->hub = task->flow->hub;
	green_future_hold(future);
	green__task_watch(task, &future->end, task_ended);
}

struct green_future *green_future_spawn(void *(*function)(void *), void *arg)
{
	struct green_future *future = green_future_create();
	struct greenlet *task = future ? green_spawn(function, arg) : NULL;

	if (!task) {
		green_future_destroy(future);
		return NULL;
	}
	critical_enter(task->flow);
	decided_by(future, task);
	task->held = false;
	critical_leave(task->flow);
	return future;
}

struct green_future *green_future_of(struct greenlet *task)
{
	struct hub *hub = green__hub();
	struct green_future *future;
	int error = !hub ? ENOMEM : !green__task_is_good(task) ? EINVAL : 0;

	if (!error && task->flow != hub->flow)
		error = task->flow->gone ? ESRCH : EPERM;
	if (error) {
		errno = error;
		return NULL;
	}
	future = green_future_create();
	if (future) {
		critical_enter(hub->flow);
		decided_by(future, task);
		critical_leave(hub->flow);
	}
	return future;
}

/* --- cancelling --- */

/* Locked.  True if the task is the caller's to cancel; otherwise its hub is asked to. */
static bool request_cancel(struct green_future *future)
{
	if (green__current && green__current->flow->hub == future->hub)
		return true;
	if (!future->requested) {
		future->requested = true;
		future->request.run = request_taken_in;
		green_future_hold(future);
		green__hub_post(future->hub, &future->request);
	}
	return false;
}

bool green_future_cancel(struct green_future *future)
{
	struct greenlet *task;
	bool pending, mine = false;

	green__future_lock(future);
	pending = future->state == GREEN_PENDING;
	task = pending ? future->task : NULL;
	if (task)
		mine = request_cancel(future);
	else if (pending)
		decide(future, GREEN_GIVEN_UP, GREEN_CANCELLED, NULL);
	green__future_unlock(future);
	if (mine)
		green__cancel(task);
	return pending;
}

/* --- questions --- */

enum green_future_state green_future_state(const struct green_future *future)
{
	return state_of(future);
}

bool green_future_done(const struct green_future *future)
{
	return state_of(future) != GREEN_PENDING;
}

int green_future_error(struct green_future *future, void **value)
{
	bool failed = state_of(future) > GREEN_VALUE;

	if (failed)
		__atomic_store_n(&future->asked, true, __ATOMIC_RELAXED);
	if (value)
		*value = failed ? future->value : NULL;
	return failed ? future->code : 0;
}

/* --- waiting --- */

struct future_waiter {
	struct future_watch watch;
	struct waiter waiter;
};

static void wake(struct future_watch *watch, struct green_future *future)
{
	(void)future;
	green__wake(&container_of(watch, struct future_waiter, watch)->waiter, 0);
}

static int park_for(struct green_future *future, struct hub *hub, int timeout_ms, enum wait_mode mode)
{
	struct future_waiter self;
	bool pending;
	int error = 0;

	green__waiter_init(&self.waiter, mode, "future", future);
	list_init(&self.watch.link);
	green__future_lock(future);
	pending = future->state == GREEN_PENDING;
	if (pending)
		green__future_watch(future, &self.watch, wake);
	green__future_unlock(future);
	if (!pending)
		return 0;
	hub->shared++;
	error = green__park_critical(&self.waiter, clock_after_ms(timeout_ms));
	hub->shared--;
	/* One of this kernel thread who has decided is done with the watch, and with the waiter; any other once the lock is free. */
	if (likely(!error && !self.waiter.from_outside))
		return 0;
	green__future_lock(future);
	list_remove(&self.watch.link);
	green__future_unlock(future);
	return error;
}

int green__future_wait(struct green_future *future, int timeout_ms, enum wait_mode mode)
{
	struct hub *hub;
	int error;

	if (green_future_done(future))
		return 0;
	if (timeout_ms == 0)
		return -ETIMEDOUT;
	hub = green__hub();
	if (!hub)
		return -ENOMEM;
	if (__atomic_load_n(&future->task, __ATOMIC_RELAXED) == green__current)
		return -EDEADLK;
	critical_enter(hub->flow);
	error = park_for(future, hub, timeout_ms, mode);
	critical_leave(hub->flow);
	return error;
}

int green__error_adopt(int code, void *value)
{
	struct greenlet *self = green__flow() ? green__current : NULL;

	if (self && self->error != GREEN_EXIT) {
		green__error_set(self, code, value);
		self->error_untold = false;
	}
	return -green_error_number(code);
}

int green__future_outcome(struct green_future *future, void **value)
{
	void *with;
	int code = green_future_error(future, &with);

	if (code)
		return green__error_adopt(code, with);
	if (value)
		*value = future->value;
	return 0;
}

int green_future_get(struct green_future *future, void **value, int timeout_ms)
{
	int error = green__raised_error(green__future_wait(future, timeout_ms, WAIT_RAISABLE));

	return (int)sys_result(error ? error : green__future_outcome(future, value));
}

int green_future_wait(struct green_future *future, int timeout_ms)
{
	return (int)sys_result(green__raised_error(green__future_wait(future, timeout_ms, WAIT_RAISABLE)));
}

/* --- shields --- */

static void relay(struct future_watch *watch, struct green_future *inner)
{
	struct green_future *shield = container_of(watch, struct green_future, relay);

	/* Who has given the shield up does not take the error over. */
	if (green__future_decide(shield, inner->state, inner->code, inner->value))
		inner->asked = true;
}

struct green_future *green_shield(struct green_future *inner)
{
	struct green_future *shield = green_future_create();

	if (!shield)
		return NULL;
	shield->bound = true;
	shield->inner = green_future_hold(inner);
	green__future_lock(inner);
	if (inner->state == GREEN_PENDING)
		green__future_watch(inner, &shield->relay, relay);
	else
		relay(&shield->relay, inner);
	green__future_unlock(inner);
	return shield;
}

/* --- links --- */

struct future_link {
	struct hub_part part;         /* of the hub that calls */
	struct future_watch watch;
	struct callback callback;
	struct remote remote;         /* when another kernel thread decides */
	struct green_future *future;  /* held */
	void (*function)(struct green_future *, void *); /* NULL: dropped when it was due already */
	void *arg;
	bool due;                     /* FUTURE is decided */
};

static void link_free(struct future_link *link)
{
	struct green_future *future = link->future;

	list_remove(&link->part.link);
	free(link);
	green_future_destroy(future);
}

static void link_over(struct hub *hub, struct future_link *link)
{
	hub->shared--;
	green__callback_over(hub);
	link_free(link);
}

static void link_run(struct callback *callback)
{
	struct future_link *link = container_of(callback, struct future_link, callback);
	void (*function)(struct green_future *, void *) = link->function;
	struct green_future *future = green_future_hold(link->future);
	void *arg = link->arg;

	link_over(link->part.hub, link);
	if (function)
		function(future, arg);
	green_future_destroy(future);
}

static void link_taken_in(struct hub *hub, struct remote *remote)
{
	green__callback_queue(hub, &container_of(remote, struct future_link, remote)->callback);
}

static void link_due(struct future_watch *watch, struct green_future *future)
{
	struct future_link *link = container_of(watch, struct future_link, watch);
	struct hub *hub = link->part.hub;

	(void)future;
	link->due = true;
	if (green__current && green__current->flow->hub == hub) {
		green__callback_queue(hub, &link->callback);
	} else {
		link->remote.run = link_taken_in;
		green__hub_post(hub, &link->remote);
	}
}

static void link_lost(struct hub_part *part)
{
	struct future_link *link = container_of(part, struct future_link, part);

	green__future_lock(link->future);
	list_remove(&link->watch.link);
	green__future_unlock(link->future);
	link_free(link);
}

int green_future_link(struct green_future *future, void (*function)(struct green_future *future, void *arg), void *arg)
{
	struct hub *hub = green__hub();
	struct future_link *link = hub && function && !green__fault_injected() ? calloc(1, sizeof(*link)) : NULL;

	if (!link)
		return (int)sys_result(function ? -ENOMEM : -EINVAL);
	link->future = green_future_hold(future);
	link->function = function;
	link->arg = arg;
	link->callback.run = link_run;
	list_init(&link->watch.link);
	critical_enter(hub->flow);
	green__hub_part(hub, &link->part, link_lost);
	/* Its call may come at any time, and from another kernel thread. */
	hub->shared++;
	green__callback_expected(hub);
	green__future_lock(future);
	if (future->state == GREEN_PENDING)
		green__future_watch(future, &link->watch, link_due);
	else
		link_due(&link->watch, future);
	green__future_unlock(future);
	critical_leave(hub->flow);
	return 0;
}

static bool is_meant(const struct future_link *link, const struct green_future *future,
		     void (*function)(struct green_future *, void *), void *arg)
{
	return link->part.lost == link_lost && link->future == future && link->function &&
	       (!function || (link->function == function && link->arg == arg));
}

size_t green_future_unlink(struct green_future *future, void (*function)(struct green_future *future, void *arg),
			   void *arg)
{
	struct hub *hub = green__current ? green__current->flow->hub : NULL;
	struct list *node, *next;
	size_t count = 0;

	if (!hub)
		return 0;
	green_future_hold(future);
	critical_enter(hub->flow);
	for (node = hub->parts.next; node != &hub->parts; node = next) {
		struct future_link *link = container_of(node, struct future_link, part.link);

		next = node->next;
		if (!is_meant(link, future, function, arg))
			continue;
		count++;
		green__future_lock(future);
		list_remove(&link->watch.link);
		green__future_unlock(future);
		if (link->due)
			link->function = NULL;
		else
			link_over(hub, link);
	}
	critical_leave(hub->flow);
	green_future_destroy(future);
	return count;
}
