/* SPDX-License-Identifier: MIT */
/* helper.c - kernel threads that carry a greenlet for the length of one call */
#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "base/spinlock.h"
#include "base/sys.h"
#include "hub/helper.h"
#include "hub/worker.h"
#include "switch/overflow.h"
#include "switch/thread_pointer.h"

/* How long a helper that nobody needs stays. */
enum { IDLE_SECONDS = 5 };

enum helper_state {
	HELPER_UNUSED, /* no kernel thread */
	HELPER_IDLE,   /* on the list */
	HELPER_TAKEN,  /* a greenlet is on its way */
	HELPER_CALLED, /* the greenlet may be swapped to */
};

struct helper {
	int state;              /* futex word */
	pid_t tid;
	uintptr_t block;        /* its own thread-local storage */
	struct context context; /* of its own stack, while it carries */
	struct away *away;
	struct helper *next;    /* idle, the one used last first */
};

/* A fixed table, so that a signal handler can look a helper up. */
static struct helper table[HELPERS_MAX];

static struct {
	struct spinlock lock;
	struct helper *idle;
	unsigned count;
	unsigned high; /* entries that were ever used */
} pool;

/* --- the helper's side --- */

/* Swaps to the greenlet; returns when it has left this thread. */
static GREEN_NOINLINE void carry(struct helper *helper)
{
	struct greenlet *greenlet = helper->away->greenlet;

	thread_pointer_write(greenlet->thread_pointer);
	green__context_swap(&helper->context, &greenlet->context);
	thread_pointer_write(helper->block);
}

static void came_back(struct hub *hub, struct remote *remote)
{
	green__hub_ready(hub, container_of(remote, struct away, remote)->greenlet);
}

static void be_idle(struct helper *helper)
{
	spinlock_lock(&pool.lock);
	__atomic_store_n(&helper->state, HELPER_IDLE, __ATOMIC_RELEASE);
	helper->next = pool.idle;
	pool.idle = helper;
	spinlock_unlock(&pool.lock);
}

/* True if HELPER was idle and is not on the list any more. */
static bool retire(struct helper *helper)
{
	struct helper **link;
	bool found;

	spinlock_lock(&pool.lock);
	for (link = &pool.idle; *link && *link != helper; link = &(*link)->next)
		;
	found = *link != NULL;
	if (found) {
		*link = helper->next;
		pool.count--;
	}
	spinlock_unlock(&pool.lock);
	return found;
}

/* False if nothing came for so long that the helper is to end. */
static bool wait_for_call(struct helper *helper)
{
	struct timespec patience = { IDLE_SECONDS, 0 };
	int state;

	while ((state = __atomic_load_n(&helper->state, __ATOMIC_ACQUIRE)) != HELPER_CALLED) {
		long error = sys_call(SYS_futex, &helper->state, FUTEX_WAIT_PRIVATE, state, &patience);

		if (error == -ETIMEDOUT && state == HELPER_IDLE && retire(helper))
			return false;
	}
	return true;
}

static void *helper_main(void *arg)
{
	struct helper *helper = arg;
	void *signal_stack = green__overflow_watch();

	helper->block = thread_pointer_read();
	__atomic_store_n(&helper->tid, (pid_t)sys_call(SYS_gettid), __ATOMIC_RELEASE);
	while (wait_for_call(helper)) {
		struct away *away = helper->away;
		struct hub *hub = away->greenlet->flow->hub;

		carry(helper);
		/* Idle before the hub hears of it, so that the next call finds this helper. */
		be_idle(helper);
		green__hub_post(hub, &away->remote);
	}
	green__overflow_unwatch(signal_stack);
	__atomic_store_n(&helper->tid, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&helper->state, HELPER_UNUSED, __ATOMIC_RELEASE);
	return NULL;
}

/* --- the pool --- */

/* A place in the table; NULL if all are used. */
static struct helper *reserve(void)
{
	struct helper *found = NULL;

	spinlock_lock(&pool.lock);
	for (unsigned i = 0; i < HELPERS_MAX && !found; i++) {
		if (__atomic_load_n(&table[i].state, __ATOMIC_ACQUIRE) != HELPER_UNUSED)
			continue;
		found = &table[i];
		found->state = HELPER_TAKEN;
		__atomic_add_fetch(&pool.count, 1, __ATOMIC_RELAXED);
		if (i >= pool.high)
			__atomic_store_n(&pool.high, i + 1, __ATOMIC_RELEASE);
	}
	spinlock_unlock(&pool.lock);
	return found;
}

static struct helper *helper_create(void)
{
	struct helper *helper = reserve();

	if (!helper || green__helper_create(helper_main, helper) == 0)
		return helper;
	spinlock_lock(&pool.lock);
	helper->state = HELPER_UNUSED;
	pool.count--;
	spinlock_unlock(&pool.lock);
	return NULL;
}

static struct helper *take_idle(void)
{
	struct helper *helper;

	spinlock_lock(&pool.lock);
	helper = pool.idle;
	if (helper) {
		pool.idle = helper->next;
		__atomic_store_n(&helper->state, HELPER_TAKEN, __ATOMIC_RELEASE);
	}
	spinlock_unlock(&pool.lock);
	return helper;
}

/* --- the greenlet's side --- */

static void hand_over(struct greenlet *greenlet)
{
	struct helper *helper = greenlet->away->helper;

	helper->away = greenlet->away;
	__atomic_store_n(&helper->state, HELPER_CALLED, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &helper->state, FUTEX_WAKE_PRIVATE, 1);
}

bool green__leave(struct hub *hub, struct away *away)
{
	struct greenlet *self = green__current;
	struct flow *flow = hub->flow;
	struct helper *helper = NULL;

	/* A handler that parked while the lock of the pool is held would stop the hub. */
	critical_enter(flow);
	if (flow->spare_block && self != hub->greenlet)
		helper = take_idle();
	if (flow->spare_block && self != hub->greenlet && !helper)
		helper = helper_create();
	if (!helper) {
		critical_leave(flow);
		return false;
	}
	flow->stats->helpers = green__helpers() + green__workers();
	away->greenlet = self;
	away->helper = helper;
	away->remote.run = came_back;
	self->away = away;
	self->scheduled = true;
	hub->external++;
	green__greenlet_leave(flow->pick(flow), hand_over);
	return true;
}

void green__come_back(struct away *away)
{
	struct greenlet *self = away->greenlet;
	struct flow *flow = self->flow;

	green__greenlet_return(self, &away->helper->context);
	flow->hub->external--;
	self->scheduled = false;
	self->away = NULL;
	critical_leave(flow);
}

unsigned green__helpers(void)
{
	return __atomic_load_n(&pool.count, __ATOMIC_RELAXED);
}

uintptr_t green__helper_block(pid_t tid)
{
	unsigned high = __atomic_load_n(&pool.high, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < high; i++) {
		if (__atomic_load_n(&table[i].tid, __ATOMIC_ACQUIRE) == tid)
			return table[i].block;
	}
	return 0;
}

void green__helpers_after_fork(void)
{
	spinlock_init(&pool.lock);
	for (unsigned i = 0; i < pool.high; i++) {
		table[i].state = HELPER_UNUSED;
		table[i].tid = 0;
	}
	pool.idle = NULL;
	pool.count = pool.high = 0;
}
