/* SPDX-License-Identifier: MIT */
/* hub.c - the hub greenlet: run queue, and the loop that it runs when nobody is ready */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/spinlock.h"
#include "base/sys.h"
#include "hub/callback.h"
#include "hub/descriptor.h"
#include "hub/fd.h"
#include "hub/helper.h"
#include "hub/hub.h"
#include "hub/outside.h"
#include "hub/signal.h"
#include "hub/task.h"
#include "hub/waiter.h"
#include "hub/watcher.h"
#include "hub/worker.h"

enum {
	HUB_STACK = 64 * 1024,
	BUDGET = 64, /* direct switches between two looks at the clock */
	POLLS_MAX = 256, /* in a row, while each brings as many events as it may */
};

/* When to look whether other kernel threads that may end a wait are still there: after so long, and ever later. */
#define PATIENCE_MIN (10 * NS_PER_MS)
#define PATIENCE_MAX NS_PER_SECOND
#define SLICE (5 * NS_PER_MS)
#define POLL_INTERVAL (20 * INT64_C(1000)) /* a pass of ready greenlets that was shorter does not poll */

static unsigned hubs; /* atomic */

/* For those who look at hubs from outside. */
static struct {
	struct spinlock lock;
	struct list all; /* struct hub.all; empty until the first is entered */
} registry;

unsigned green__hubs(void)
{
	return __atomic_load_n(&hubs, __ATOMIC_ACQUIRE);
}

static void registry_enter(struct hub *hub)
{
	hub->thread = (pid_t)sys_call(SYS_gettid);
	spinlock_lock(&registry.lock);
	if (!registry.all.next)
		list_init(&registry.all);
	list_append(&registry.all, &hub->all);
	spinlock_unlock(&registry.lock);
}

static void registry_leave(struct hub *hub)
{
	spinlock_lock(&registry.lock);
	list_remove(&hub->all);
	spinlock_unlock(&registry.lock);
}

void green__hubs_visit(bool (*visit)(struct hub *, void *argument), void *argument)
{
	struct list *node;

	spinlock_lock(&registry.lock);
	node = registry.all.next ? registry.all.next : &registry.all;
	while (node != &registry.all && visit(container_of(node, struct hub, all), argument))
		node = node->next;
	spinlock_unlock(&registry.lock);
}

static bool wants_idle(const struct hub *hub)
{
	return !list_empty(&hub->idlers) || !list_empty(&hub->idle_watchers);
}

/* Something that only the hub greenlet does is to be done: whoever leaves it sets hub->chores. */
static bool chores_left(const struct hub *hub)
{
	return wants_idle(hub) || green__fd_look_due(hub) || !list_empty(&hub->preempted) || !list_empty(&hub->calls) ||
	       !list_empty(&hub->calling) || !list_empty(&hub->prepare_watchers) || !list_empty(&hub->check_watchers);
}

static bool posts_left(const struct hub *hub)
{
	return hub->flow->interrupts || __atomic_load_n(&hub->remote, __ATOMIC_SEQ_CST);
}

/* A timer or an event may be due. */
static bool time_tells(struct hub *hub)
{
	if (timerq_next(&hub->timers) == CLOCK_NEVER && !hub->fd_waits && list_empty(&hub->watchers))
		return false;
	hub->now = clock_now();
	hub->slice_end = hub->now + hub->slice;
	return hub->now >= timerq_next(&hub->timers) || hub->now - hub->polled >= POLL_INTERVAL;
}

static struct greenlet *first_of(struct hub *hub, struct list *list)
{
	hub->budget--;
	return container_of(list_pop(list), struct greenlet, ready);
}

/*
 * An iteration in which the hub greenlet would do nothing but begin the next pass needs no switch to it.
 * Who watches switches sees one for each yield; a foreign loop has the hub do so.
 */
static struct greenlet *first_of_next_pass(struct hub *hub)
{
	struct greenlet *first;

	if (list_empty(&hub->ready) || hub->chores || hub->flow->watched || posts_left(hub) || time_tells(hub))
		return hub->greenlet;
	__atomic_store_n(&hub->iterations, hub->iterations + 1, __ATOMIC_RELAXED);
	first = first_of(hub, &hub->ready);
	list_splice(&hub->pass, &hub->ready);
	return first;
}

/* Who runs next: the next of this pass, the first of the next one, or the hub greenlet. */
static struct greenlet *pick_in(struct hub *hub)
{
	if (unlikely(hub->budget == 0))
		return hub->greenlet;
	return list_empty(&hub->pass) ? first_of_next_pass(hub) : first_of(hub, &hub->pass);
}

static struct greenlet *pick(struct flow *flow)
{
	return pick_in(flow->hub);
}

void green__hub_suspend(struct hub *hub)
{
	struct greenlet *self = green__current;
	struct greenlet *next;

	self->scheduled = true;
	hub->outside_told = false;
	next = pick_in(hub);
	if (next != self)
		green__greenlet_resume(next);
	self->scheduled = false;
	if (unlikely(hub->outside != NULL) && self == &hub->flow->main)
		green__outside_leave(hub);
}

void green__hub_preempted(struct hub *hub)
{
	critical_enter(hub->flow);
	green__current->burst = 0;
	list_append(&hub->preempted, &green__current->ready);
	hub->chores = true;
	green__hub_suspend(hub);
	critical_leave(hub->flow);
}

static bool anything_ready(const struct hub *hub)
{
	return !list_empty(&hub->ready) || !list_empty(&hub->pass) || !list_empty(&hub->preempted) ||
	       green__callbacks_ready(hub);
}

bool green__hub_busy(const struct hub *hub)
{
	return anything_ready(hub) || posts_left(hub) || wants_idle(hub) || green__fd_look_due(hub);
}

bool green__hub_wanted(struct hub *hub)
{
	if (green__hub_busy(hub))
		return true;
	if (timerq_next(&hub->timers) <= clock_now())
		return true;
	/* If there is only who runs, and the hub, descriptors have events that nobody waits for. */
	return hub->flow->living > 2 && green__loop_pending(&hub->loop);
}

/* The stack is handed over newest first; turn it round, so that what came first is done first. */
void green__hub_take_in(struct hub *hub)
{
	struct remote *newest = __atomic_exchange_n(&hub->remote, NULL, __ATOMIC_SEQ_CST);
	struct remote *first = NULL;

	while (newest) {
		struct remote *next = newest->next;

		newest->next = first;
		first = newest;
		newest = next;
	}
	while (first) {
		struct remote *next = first->next;

		first->run(hub, first);
		first = next;
	}
}

void green__hub_post(struct hub *hub, struct remote *remote)
{
	struct remote *head = __atomic_load_n(&hub->remote, __ATOMIC_RELAXED);

	/* Once it has the post, the hub may come to its end before this call does. */
	__atomic_add_fetch(&hub->posting, 1, __ATOMIC_RELAXED);
	do {
		remote->next = head;
	} while (!__atomic_compare_exchange_n(&hub->remote, &head, remote, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (__atomic_load_n(&hub->loop.sleeping, __ATOMIC_SEQ_CST))
		green__loop_wake(&hub->loop);
	__atomic_sub_fetch(&hub->posting, 1, __ATOMIC_RELEASE);
}

/*
 * Who computes and is to go on in this pass, or NULL.  While there may be more events,
 * whom they wake goes before, but not for ever.
 */
static struct list *preempted_one(struct hub *hub)
{
	if (list_empty(&hub->preempted))
		return NULL;
	if (hub->more_events && !list_empty(&hub->pass) && hub->put_off < POLLS_MAX) {
		hub->put_off++;
		return NULL;
	}
	hub->put_off = 0;
	return list_pop(&hub->preempted);
}

/* One pass.  Control comes back when PASS is empty or BUDGET is used up; then the clock decides. */
static void run_pass(struct hub *hub)
{
	struct list *node;

	list_splice(&hub->pass, &hub->ready);
	node = preempted_one(hub);
	if (node)
		list_append(&hub->pass, node);
	hub->chores = hub->chores && chores_left(hub);
	while (!list_empty(&hub->pass)) {
		hub->budget = BUDGET;
		green__greenlet_resume(pick_in(hub));
		if (list_empty(&hub->pass))
			return;
		hub->now = clock_now();
		if (hub->now >= hub->slice_end)
			return;
	}
}

/* Nothing is ready, due or expected: a wait can only end here. */
static bool deadlocked(const struct hub *hub)
{
	return !hub->waits_forever && !hub->external && !hub->fd_waits && !hub->kept &&
	       (timerq_next(&hub->timers) == CLOCK_NEVER || hub->timers.count == hub->unkept_timers);
}

/* Whoever lets the hub run until nothing is left has waited long enough. */
static bool nothing_left(const struct hub *hub)
{
	return hub->runner && !hub->kept && !hub->flow->tasks;
}

unsigned green__tool_threads = SANITIZER_THREADS;

/* True if the process has kernel threads that are neither this one nor made by the library; in doubt it has. */
static bool others_live(void)
{
	unsigned own = 1 + green__workers() + green__helpers() + green__tool_threads;
	struct stat tasks = { .st_nlink = 0 };

	if (green__hubs() > 1)
		return true;
	/* Each thread is a directory, whose ".." counts as a link, beside the two that any directory has. */
	sys_call(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &tasks, 0);
	return tasks.st_nlink < 3 || tasks.st_nlink - 2 > own;
}

/* Who could end such a wait may itself end before, and nobody tells: look again, ever more seldom. */
static bool another_may_wake(struct hub *hub, int64_t now)
{
	if (!hub->shared)
		return false;
	if (now < hub->look_again)
		return true;
	if (!others_live())
		return false;
	hub->patience = hub->patience < PATIENCE_MAX ? 2 * hub->patience : PATIENCE_MAX;
	hub->look_again = now + hub->patience;
	return true;
}

/*
 * Whose wait a deadlock ends: the main greenlet's, or where that waits for a greenlet, the first other one.
 * Those that no error may end come last.
 */
static struct waiter *stuck(const struct hub *hub)
{
	struct waiter *plain = NULL;

	if (hub->flow->main.waiter && (hub->flow->main.waiter->mode & WAIT_RAISABLE))
		return hub->flow->main.waiter;
	list_for_each(node, &hub->flow->all) {
		struct greenlet *greenlet = container_of(node, struct greenlet, all);

		if (greenlet->service)
			continue;
		if (greenlet->waiter && (greenlet->waiter->mode & WAIT_RAISABLE))
			return greenlet->waiter;
		if (greenlet->waiter && !plain)
			plain = greenlet->waiter;
	}
	return plain;
}

/* Nothing is ready: true if the wait of somebody for whom nothing is left has ended; else until when to wait for events. */
static bool nobody_comes(struct hub *hub, int64_t now, int64_t *deadline)
{
	*deadline = green__timerq_sleep(&hub->timers);
	/* Only the hub is left: in a forked child the last task's end is the process's, as a last thread's is. */
	if (hub->flow->living <= 1)
		exit(0);
	if (nothing_left(hub) && green__wake(hub->runner, 0))
		return true;
	if (wants_idle(hub) || !deadlocked(hub))
		return false;
	if (!another_may_wake(hub, now))
		return stuck(hub) && green__wake(stuck(hub), -EDEADLK);
	if (hub->look_again < *deadline)
		*deadline = hub->look_again;
	return false;
}

/*
 * Greenlets run before more events are taken, while what woke them is in the cache.
 * Callbacks wait for all events that are there; new ones may come as fast as they are taken.
 */
static void take_events(struct hub *hub, int64_t deadline)
{
	const struct list *last = hub->ready.prev;
	int polls = POLLS_MAX;

	do {
		hub->more_events = green__loop_poll(&hub->loop, deadline);
		deadline = 0;
	} while (hub->more_events && hub->ready.prev == last && --polls > 0);
}

static void poll_events(struct hub *hub, int64_t now)
{
	int64_t deadline = 0;

	green__fd_look(hub);
	if (anything_ready(hub) && now - hub->polled < POLL_INTERVAL)
		return;
	if (unlikely(!list_empty(&hub->prepare_watchers)) && green__callbacks_possible(hub))
		green__watchers_prepare(hub);
	if (!anything_ready(hub)) {
		if (nobody_comes(hub, now, &deadline))
			return;
		/* Posters look at the flag after they have posted, so look at the posts after setting it. */
		__atomic_store_n(&hub->loop.sleeping, 1, __ATOMIC_SEQ_CST);
		if (green__hub_busy(hub))
			deadline = 0;
	}
	hub->polled = now;
	take_events(hub, deadline);
	if (unlikely(!list_empty(&hub->check_watchers)))
		green__watchers_check(hub);
}

void green__hub_idle(struct hub *hub)
{
	struct list *node;

	if (likely(!wants_idle(hub)) || anything_ready(hub))
		return;
	green__watchers_idle(hub);
	while ((node = list_pop(&hub->idlers)))
		green__wake(&container_of(node, struct idler, link)->waiter, 0);
}

/* In a debug build each iteration begins with a look at everything; a broken hub says so and ends. */
static void check_invariants(const struct hub *hub)
{
#ifdef GREEN_DEBUG
	static const char text[] = "green: the hub's run queue, timers or list of greenlets are broken\n";

	if (green__hub_check(hub))
		return;
	sys_call(SYS_write, 2, text, sizeof(text) - 1);
	__builtin_trap();
#else
	(void)hub;
#endif
}

static void *hub_main(void *unused)
{
	struct hub *hub = green__current->flow->hub;
	int64_t now;

	(void)unused;
	hub->flow->critical = 1;
	for (;;) {
		check_invariants(hub);
		__atomic_store_n(&hub->iterations, hub->iterations + 1, __ATOMIC_RELAXED);
		hub->now = clock_now();
		hub->slice_end = hub->now + hub->slice;
		green__callbacks_run(hub);
		run_pass(hub);
		now = clock_now();
		green__timerq_run(&hub->timers, now);
		poll_events(hub, now);
		green__hub_take_in(hub);
		if (unlikely(hub->flow->interrupts) && hub->flow->on_interrupts)
			hub->flow->on_interrupts(hub->flow);
		green__hub_idle(hub);
	}
	return NULL;
}

static int parts_create(struct hub *hub)
{
	int error = green__loop_init(&hub->loop);

	if (error)
		return error;
	hub->fds = green__fd_table_create(hub);
	if (hub->fds && green__callbacks_init(hub) == 0)
		return 0;
	if (hub->fds)
		green__fd_table_destroy(hub->fds);
	green__loop_finish(&hub->loop);
	return -ENOMEM;
}

static struct hub *hub_create(struct flow *flow)
{
	struct stack *stack = green__stack_take(HUB_STACK);
	struct hub *hub = stack && !green__fault_injected() ? calloc(1, sizeof(*hub)) : NULL;
	int error = -ENOMEM;

	if (hub) {
		hub->flow = flow;
		error = parts_create(hub);
	}
	if (error) {
		free(hub);
		if (stack)
			green__stack_release(stack);
		errno = -error;
		return NULL;
	}
	hub->now = clock_now();
	list_init(&hub->ready);
	list_init(&hub->pass);
	list_init(&hub->preempted);
	list_init(&hub->errands);
	list_init(&hub->parts);
	list_init(&hub->idlers);
	green__watchers_init(hub);
	green__timerq_init(&hub->timers, hub->now);
	hub->patience = PATIENCE_MIN;
	hub->slice = SLICE;
	hub->loop.waits = &flow->stats->epoll_waits;
	hub->loop.controls = &flow->stats->epoll_ctls;
	hub->loop.context = hub;
	hub->loop.event = green__fd_event;
	hub->loop.expect = green__fd_expect;
	hub->greenlet = green__greenlet_create(flow, stack, hub_main, &flow->main);
	hub->greenlet->kind = GREENLET_HUB;
	hub->greenlet->thread_pointer = 0;
	strcpy(hub->greenlet->name, "hub");
	return hub;
}

/* The child of a fork has this flow's thread only, and only if the thread that forked was this flow's. */
static void after_fork_in_child(void)
{
	struct hub *hub = green__current ? green__current->flow->hub : NULL;

	green__process += 2;
	green__descriptors_forked();
	green__workers_after_fork();
	green__helpers_after_fork();
	green__signals_forked(hub);
	hubs = hub ? 1 : 0;
	spinlock_init(&registry.lock);
	list_init(&registry.all);
	if (hub)
		green__hub_after_fork(hub);
}

static void after_fork_in_parent(void)
{
	green__descriptors_forked();
}

static void fork_watch(void)
{
	static int watching;

	if (!__atomic_exchange_n(&watching, 1, __ATOMIC_RELAXED))
		pthread_atfork(NULL, after_fork_in_parent, after_fork_in_child);
}

struct hub *green__hub_make(void)
{
	struct flow *flow = green__flow();

	if (!flow)
		return NULL;
	flow->hub = hub_create(flow);
	flow->pick = pick;
	flow->raised = green__raised;
	if (flow->hub) {
		flow->stats->carriers++;
		__atomic_add_fetch(&hubs, 1, __ATOMIC_RELEASE);
		registry_enter(flow->hub);
		fork_watch();
	}
	return flow->hub;
}

static void parts_lost(struct hub *hub)
{
	struct list *node;

	while ((node = list_pop(&hub->parts))) {
		struct hub_part *part = container_of(node, struct hub_part, link);

		part->lost(part);
	}
}

void green__hub_destroy(struct flow *flow)
{
	struct hub *hub = flow->hub;

	/* From now on nobody posts anything more; what was posted may be waited for. */
	registry_leave(hub);
	green__hub_take_in(hub);
	green__waits_lost(hub);
	flow->hub = NULL;
	green__tasks_lost(flow);
	parts_lost(hub);
	__atomic_sub_fetch(&hubs, 1, __ATOMIC_RELEASE);
	green__watchers_finish(hub);
	green__signals_destroy(hub);
	green__outside_destroy(hub);
	green__errands_lost(hub);
	if (hub->resolver)
		hub->resolver_release(hub->resolver);
	while (__atomic_load_n(&hub->posting, __ATOMIC_ACQUIRE))
		sys_call(SYS_sched_yield);
	green__loop_finish(&hub->loop);
	green__fd_table_destroy(hub->fds);
	green__callbacks_finish(hub);
	green__greenlet_release(hub->greenlet);
	free(hub);
}

/* The hub greenlet starts afresh: the suspended one waits in the parent's loop. */
static void hub_greenlet_restart(struct hub *hub)
{
	struct greenlet *greenlet = hub->greenlet;
	size_t size = (size_t)((char *)greenlet - greenlet->stack->low);

	sanitizer_destroy(&greenlet->sanitizer, greenlet->stack->low, size);
	hub->greenlet = green__greenlet_create(hub->flow, greenlet->stack, hub_main, &hub->flow->main);
	hub->greenlet->kind = GREENLET_HUB;
	hub->greenlet->thread_pointer = 0;
	strcpy(hub->greenlet->name, "hub");
}

int green__hub_after_fork(struct hub *hub)
{
	int error;

	registry_enter(hub);
	green__stack_after_fork();
	green__flow_after_fork(hub->flow);
	list_init(&hub->ready);
	list_init(&hub->pass);
	list_init(&hub->preempted);
	list_init(&hub->parts);
	list_init(&hub->idlers);
	hub->chores = true;
	green__timerq_init(&hub->timers, hub->now);
	green__timeouts_forked(hub);
	list_init(&hub->errands);
	hub->remote = NULL;
	hub->posting = 0;
	hub->runner = NULL;
	hub->external = hub->fd_waits = hub->shared = 0;
	green__outside_destroy(hub);
	green__callbacks_forked(hub);
	green__watchers_forked(hub);
	hub_greenlet_restart(hub);
	/* Closing the inherited number leaves the parent's instance alone; a single EPOLL_CTL_DEL would not. */
	green__loop_finish(&hub->loop);
	error = green__loop_init(&hub->loop);
	green__fd_table_reset(hub->fds);
	return error;
}

static bool scheduled_list_check(const struct list *list)
{
	if (!list_check(list))
		return false;
	list_for_each(node, list) {
		if (!container_of(node, struct greenlet, ready)->scheduled)
			return false;
	}
	return true;
}

bool green__hub_check(const struct hub *hub)
{
	return (hub->chores || !chores_left(hub)) && scheduled_list_check(&hub->ready) && scheduled_list_check(&hub->pass) &&
	       scheduled_list_check(&hub->preempted) && green__timerq_check(&hub->timers) &&
	       list_check(&hub->calls) && list_check(&hub->calling) && list_check(&hub->flow->all);
}
