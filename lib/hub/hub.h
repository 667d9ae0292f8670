/* SPDX-License-Identifier: MIT */
/*
 * hub.h - the hub greenlet: run queue, and the loop that it runs when nobody is ready
 *
 * A hub is an object that a kernel thread drives.  One iteration, in this order:
 *   1. call what was queued before, first come first served, at most for a slice;
 *      what is queued meanwhile waits for the next iteration;
 *   2. run every greenlet that is ready now, first come first served, at most
 *      for what is left of the slice; then one of those that were stopped while
 *      they computed; those made ready meanwhile wait for the next pass;
 *   3. fire due timers, of many some: greenlets become ready, callbacks are queued;
 *   4. look at descriptors whose watchers were called; call prepare watchers;
 *   5. if there is nothing to run or call compute how long to sleep, else do not sleep;
 *   6. epoll_wait;
 *   7. turn events into ready greenlets and queued callbacks in the order they came,
 *      those of check watchers first;
 *   8. take in what other threads and signal handlers left; if still nothing is ready,
 *      those who wait for that have their turn; again.
 * A greenlet that parks switches to the next ready one directly, also to the first of
 * the next pass where 3 to 8 would come to nothing; otherwise the hub greenlet runs
 * when the pass is empty, and in any case after some tens of switches.
 */
#ifndef GREEN_HUB_HUB_H
#define GREEN_HUB_HUB_H

#include "hub/loop.h"
#include "hub/timerq.h"
#include "switch/greenlet.h"

#pragma GCC visibility push(default)

struct fd_table;
struct resolver;

struct outside;
struct signal_task;
struct signals;
struct waiter;

/* Something for the hub to do that another thread left; the memory is the sender's until RUN is called. */
struct remote {
	struct remote *next;
	void (*run)(struct hub *, struct remote *);
};

/* What lies elsewhere and leads to a hub; its owner is told when that goes. */
struct hub_part {
	struct list link; /* on struct hub.parts */
	struct hub *hub;
	void (*lost)(struct hub_part *); /* may free it */
};

struct hub {
	struct flow *flow;
	struct list all;           /* hub.c: among all hubs of the process */
	pid_t thread;              /* the kernel's id of the thread that drives it */
	uint64_t iterations;
	uint64_t seen_at;          /* monitor.c: how far the hub had come at its last look */
	int64_t seen, report_ms;   /* monitor.c: when it had first come so far, and when that is to be reported */
	struct greenlet *greenlet;
	struct greenlet *caller;   /* callback.c: who calls */
	struct list calls;         /* struct callback.link: what is called in the next iteration */
	struct list calling;       /* struct callback.link: what is still called in this one */
	unsigned kept;             /* callback.c: callbacks that may come and are to be waited for */
	unsigned unkept_timers;    /* watcher.c: timers that fire for nobody who is to be waited for */
	struct list watchers;      /* watcher.c: the active ones, but those on the next four lists */
	struct list idle_watchers, prepare_watchers, check_watchers, fork_watchers;
	struct list idlers;        /* struct idler.link */
	struct waiter *runner;     /* run.c: who waits until nothing is left to run */
	struct signals *signals;   /* signal.c: NULL until a signal is wanted */
	struct signal_task *signal_tasks; /* net/signal.c */
	struct outside *outside;   /* outside.c: NULL until a foreign loop asks */
	bool chores;               /* there may be something to do that only the hub greenlet does; it finds out itself when no more */
	bool outside_told;         /* main runs, so what becomes ready has to be told to the foreign loop */
	int64_t slice;
	struct list ready;         /* struct greenlet.ready: who runs in the next pass */
	struct list pass;          /* struct greenlet.ready: who still runs in this one */
	struct list preempted;     /* struct greenlet.ready: who was stopped while it computed; one of them runs last in each pass */
	bool more_events;          /* the last look brought as many events as it may */
	unsigned put_off;          /* passes that went before those who were stopped, for there were more events */
	unsigned budget;           /* direct switches before the hub looks at the clock */
	int64_t now;               /* what the clock said when the hub last looked: at the begin of a pass, and in a long one */
	int64_t slice_end;         /* when this pass has to stop for a look at events */
	int64_t polled;            /* when the loop was last polled */
	struct loop loop;
	struct remote *remote;     /* atomic, newest first */
	unsigned posting;          /* atomic: threads and handlers that are in green__hub_post */
	unsigned external;         /* waits that another thread will end */
	struct list errands;       /* worker.c: struct errand.link */
	struct resolver *resolver; /* resolve.c: what its calls ask; NULL until the first */
	void (*resolver_release)(struct resolver *); /* set with it */
	unsigned fd_waits;         /* waits that a descriptor may end, but those of services */
	unsigned shared;           /* waits that another kernel thread, if there is one, may end */
	int64_t look_again;        /* when to see again whether there is one */
	int64_t patience;          /* how long after the look before */
	bool waits_forever;        /* nothing left to wake anybody is no error: a signal may come */
	struct list parts;         /* struct hub_part */
	struct fd_table *fds;      /* fd.c */
	bool (*interrupted)(struct greenlet *, bool restartable); /* see green__interrupted */
	/* The shim's way to run the handlers of the current greenlet's signals in the middle of a wait. */
	void (*run_handlers)(void);
	/* The shim's way to run FUNCTION(ARG) off the carrier, false if it cannot; NULL: a worker does it. */
	bool (*elsewhere)(long (*function)(void *), void *arg, long *result);
	struct timerq timers;      /* last, for it is large */
};

struct hub *green__hub_make(void);

/* green__hub - the calling thread's hub, made on first use; NULL with errno */
static inline struct hub *green__hub(void)
{
	struct greenlet *self = green__current;

	return likely(self && self->flow->hub) ? self->flow->hub : green__hub_make();
}

/* green__hub_part - PART leads to HUB until list_remove(&part->link); LOST is told if HUB goes before */
static inline void green__hub_part(struct hub *hub, struct hub_part *part, void (*lost)(struct hub_part *))
{
	part->hub = hub;
	part->lost = lost;
	list_append(&hub->parts, &part->link);
}

/* green__hubs - how many kernel threads of the process have a hub now */
unsigned green__hubs(void);

/*
 * green__hubs_visit - let VISIT look at all hubs of the process, whose kernel threads go on meanwhile, until it returns false
 *
 * No hub goes and none comes as long as this lasts, so it must be short and make none.
 */
void green__hubs_visit(bool (*visit)(struct hub *, void *argument), void *argument);

/* green__outside_told - outside.c: something has become ready, or will before the timer's time */
void green__outside_told(struct hub *hub, int64_t due);

/* green__hub_ready - let GREENLET, which waits for its turn, run in the next pass */
static inline void green__hub_ready(struct hub *hub, struct greenlet *greenlet)
{
	list_append(&hub->ready, &greenlet->ready);
	if (unlikely(hub->outside_told))
		green__outside_told(hub, 0);
}

/* green__hub_suspend - run others until somebody calls green__hub_ready for the current greenlet; critical */
void green__hub_suspend(struct hub *hub);

/*
 * green__hub_preempted - let others run, and come back after those that are ready or become so by now
 *
 * Who computes would otherwise have a whole slice before each of those it holds up.
 */
void green__hub_preempted(struct hub *hub);

/* green__hub_wanted - true if anybody else could run now, a timer or a descriptor's event being due included; not critical */
bool green__hub_wanted(struct hub *hub);

/* green__hub_post - from any thread or signal handler: let the hub run REMOTE */
void green__hub_post(struct hub *hub, struct remote *remote);

/* green__hub_busy - true if the hub would not sleep now; critical */
bool green__hub_busy(const struct hub *hub);

/* green__hub_idle - if nothing is ready now, let those who wait for that have their turn; critical */
void green__hub_idle(struct hub *hub);

/* green__hub_take_in - do now what other threads have posted; in critical sections of HUB's thread only */
void green__hub_take_in(struct hub *hub);

/* green__hub_after_fork - in the child: only the current greenlet is left, with a new loop; 0 or -errno */
int green__hub_after_fork(struct hub *hub);

/* Kernel threads that wake nobody: those that a sanitizer has of its own; tests count those of an emulator. */
extern unsigned green__tool_threads;

/* green__hub_check - true if the hub's structures agree; for tests and debug builds */
bool green__hub_check(const struct hub *hub);

void green__hub_destroy(struct flow *flow);

#pragma GCC visibility pop

#endif
