/* SPDX-License-Identifier: MIT */
/* waiter.h - the only way to block: park until somebody wakes this wait, or its time is over */
#ifndef GREEN_HUB_WAITER_H
#define GREEN_HUB_WAITER_H

#include <errno.h>
#include <limits.h>

#include "hub/hub.h"

#pragma GCC visibility push(default)

#define WAITER_WAITING 1          /* undecided */
#define WAITER_FROM_OUTSIDE 65536 /* taken off a result that another thread decided, until the hub has taken it in */

enum wait_mode {
	WAIT_PLAIN = 0,         /* only what the wait is for, and time, end it */
	WAIT_INTERRUPTIBLE = 1, /* green__interrupt ends it too, with -EINTR */
	WAIT_RAISABLE = 2,      /* an error that is pending ends it, as one that comes meanwhile, with its errno; handlers run */
	WAIT_BOTH = 3,          /* either does */
};

/* Kinds of waits whose object inspect looks into; it knows them by their addresses, and shows any other as its text. */
extern const char green__wait_sleep[];       /* nothing; the waiter's timer tells until when */
extern const char green__wait_join[];        /* the task, a struct greenlet */
extern const char green__wait_descriptors[]; /* a struct fd_waits */

/* Twice the number of forks between the first process that used the library and this one. */
extern int green__process __attribute__((visibility("hidden")));

/*
 * One wait of one greenlet; lives on its stack.  The first of wake, timeout and interrupt decides.
 *
 * What a wait without a deadline, woken by its own kernel thread, touches comes first.
 */
struct waiter {
	struct greenlet *greenlet;
	int result;          /* atomic: WAITER_WAITING until decided, then 0 or -errno */
	unsigned char mode;  /* enum wait_mode */
	bool timed;          /* TIMER is in use */
	bool from_outside;   /* another kernel thread has decided it, which may not be done with it yet */
	const char *kind;    /* for reports: what it waits for, as "event"; a constant text */
	const void *object;  /* for reports: the event itself; NULL if there is none */
	int64_t since;       /* for reports: when it parked, as precise as the hub's clock */
	struct remote remote;
	struct timer timer;
};

/* One who waits until the hub has nothing else to do; lives on its stack. */
struct idler {
	struct list link; /* on hub->idlers until woken */
	struct waiter waiter;
};

/*
 * waiter_init - WAITER waits for the current greenlet; from now on it may be woken
 *
 * KIND and OBJECT are for those who look at the wait: what it is for, in a word that
 * stays ("event", "queue, for room"), and the address of that, which nobody follows.
 * In the hub greenlet nobody may wait: there it is over before it begins, with -EDEADLK.
 */
static inline void green__waiter_init(struct waiter *waiter, enum wait_mode mode, const char *kind, const void *object)
{
	struct greenlet *self = green__current;

	waiter->greenlet = self;
	waiter->mode = (unsigned char)mode;
	waiter->timed = false;
	waiter->from_outside = false;
	waiter->kind = kind;
	waiter->object = object;
	__atomic_store_n(&waiter->result, unlikely(self->kind == GREENLET_HUB) ? -EDEADLK : WAITER_WAITING, __ATOMIC_RELEASE);
}

/* green__park_critical - as green__park, for one who is in a critical section and stays in it */
int green__park_critical(struct waiter *waiter, int64_t deadline);

/*
 * green__park - let others run until WAITER is woken or DEADLINE (absolute) has come
 *
 * Switches: yes, unless it was woken already.
 * Returns: 0 or what the wake carried; -ETIMEDOUT; -EINTR; -EDEADLK if nothing
 * is left that could ever end the wait.
 */
static inline int green__park(struct waiter *waiter, int64_t deadline)
{
	struct flow *flow = waiter->greenlet->flow;
	int error;

	critical_enter(flow);
	error = green__park_critical(waiter, deadline);
	critical_leave(flow);
	return error;
}

/* green__wake - end WAITER's wait with RESULT (0 or -errno); false if it was decided before.  Any thread. */
bool green__wake(struct waiter *waiter, int result);

/*
 * green__interrupt - end an interruptible wait of GREENLET with -EINTR, now or as soon as it begins; its own thread only
 *
 * A wait that only errors end goes on, after hub->run_handlers.
 */
void green__interrupt(struct greenlet *greenlet);

/* green__raise - CODE and VALUE are pending in GREENLET from now on; a wait that may end so ends; its own thread only */
void green__raise(struct greenlet *greenlet, int code, void *value);

/* green__raised_error - ERROR of a wait; -ECANCELED, which says that an error was raised, becomes that error's -errno */
static inline int green__raised_error(int error)
{
	return unlikely(error == -ECANCELED) ? -green_error_number(green__current->error) : error;
}

/* green__raise_again - the error that ended the last wait is still to be told: the call had done something before */
void green__raise_again(void);

/*
 * green__waits_lost - HUB's kernel thread ends: from now on nobody can wake those who wait there
 *
 * Whose wait another thread may still find keeps greenlet->waiter, and its stack for ever.
 */
void green__waits_lost(struct hub *hub);

/* green__timeouts_forked - in the child, when HUB's timers have begun anew: scopes of time go on (timeout.c) */
void green__timeouts_forked(struct hub *hub);

/* green__raised - for struct flow.raised */
void green__raised(struct greenlet *greenlet);

/*
 * green__interrupted - a wait of the current greenlet ended with -EINTR, and
 * everything that led to the waiter is undone: run what interrupted it
 *
 * RESTARTABLE: the call is one that SA_RESTART restarts.
 * Returns: true if the call is to go on, false if it ends with EINTR.
 */
bool green__interrupted(bool restartable);

#pragma GCC visibility pop

#endif
