/* SPDX-License-Identifier: MIT */
/*
 * greenlet.h - a stack and a saved context with a parent; and the flow they belong to
 *
 * This floor never schedules: it knows no run queue, no loop and no time.  The
 * fields of the floors above lie here too, so that a greenlet is one object; each
 * names its owner, and nobody else touches it.
 */
#ifndef GREEN_SWITCH_GREENLET_H
#define GREEN_SWITCH_GREENLET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/list.h"
#include "green/error.h"
#include "green/greenlet.h"
#include "switch/context.h"
#include "switch/sanitizer.h"
#include "switch/stack.h"

#pragma GCC visibility push(default)

enum greenlet_state {
	GREENLET_UNSTARTED,
	GREENLET_ACTIVE,
	GREENLET_DEAD,
	GREENLET_LOST, /* its kernel thread has ended before it */
	GREENLET_IDLE, /* generator.c: nobody waits for its next value, so nobody may resume it or end in it */
};

enum greenlet_kind {
	GREENLET_RAW,  /* made by green_create */
	GREENLET_MAIN, /* the stack that the kernel thread came with */
	GREENLET_HUB,
	GREENLET_TASK, /* made by green_spawn, or a green pthread */
	GREENLET_GENERATOR,
};

enum { GREENLET_NAME_SIZE = 32 };

/* What a greenlet has of its own in the program's variables; the floor that keeps them knows more. */
struct locals {
	void (*ended)(struct greenlet *); /* destroy them all, on the greenlet's own stack; its last act but for the end */
};

/* What each switch looks at comes first: with the native context it is one line of the cache, a wait's the next. */
struct greenlet {
	struct context context;
	struct flow *flow;
	uintptr_t thread_pointer; /* the TLS block it runs on; 0 for the hub, which uses whichever is installed */
	void *value;              /* what the switch to it carries */
	struct greenlet *stand_in; /* generator.c: runs for it until it has a value; what is meant for it goes there */
	int saved_errno;          /* while suspended */
	unsigned critical;        /* flow->critical, while suspended */
	enum greenlet_state state : 8;
	enum greenlet_kind kind : 8;
	bool scheduled;           /* hub.c: parked or on the run queue, so that only the hub may resume it */
	bool error_untold;        /* error.c: the call that fails with it has not returned yet */
	bool interrupted;         /* waiter.c: the next interruptible wait ends with EINTR at once */
	bool service;             /* hub.c: it serves who looks at the program: nobody else's wait ends because it runs */
	bool held;                /* somebody holds the handle and will call green_destroy */
	int error;                /* error.c: the code that is pending, or 0 */
	unsigned burst;           /* io.c: calls since the last wait that did not have to wait */

	struct waiter *waiter;    /* waiter.c: what it is parked on, else NULL; of a lost one what may lead to its stack */
	struct list ready;        /* hub.c: on hub->ready or hub->pass */

	void *error_value;        /* error.c: what goes with it */
	struct greenlet *next_given_back;
	void *data;     /* the program's */
	void *program_context; /* the program's as well; tasks begin with that of who spawns them */
	struct greenlet *parent;
	unsigned children;     /* greenlets but tasks whose parent it is; they move up when it is released */
	void *(*function)(void *);
	struct stack *stack;   /* NULL for main */
	struct list all;       /* on flow->all from creation to release */
	uint64_t id, spawner;  /* SPAWNER: the id of who made it */
	struct record *record; /* inspect: the stacks that are remembered of it, on the heap; or NULL */
	char name[GREENLET_NAME_SIZE];
	struct sanitizer_stack sanitizer;

	struct locals *locals;  /* local.c: NULL until it has any */

	struct away *away;      /* helper.c: its call on another kernel thread */

	void *argument;         /* task.c: of FUNCTION */
	void *result;           /* task.c: what FUNCTION returned */
	struct list watches;    /* task.c: struct watch, told of its end */
	struct list limits;     /* timeout.c: its scopes of time that are not over */
	unsigned pins;          /* link.c: links that have not run; it stays until they have */
	bool reported;          /* task.c: the error with which it ends is told already, or somebody else will tell it */
	int64_t begins;         /* task.c: when its function is to be called, if it has BEGIN */
	void (*begin)(struct greenlet *); /* task.c: waits until then, on the greenlet's own stack; or NULL */
	unsigned cancels;       /* cancel.c: requests that have not been undone */
	unsigned holds;         /* cancel.c: while > 0, no error that comes from others ends a wait */
	void (*ended)(struct greenlet *); /* told, on the greenlet's own stack, that FUNCTION returned */
	void (*released)(struct greenlet *); /* told, on another stack, that it never runs again */
};

/* What a flow counts; the shim shows the counters to others. */
struct stats {
	uint64_t magic;
	uint64_t carriers;
	uint64_t threads_created;
	uint64_t threads_alive;
	uint64_t threads_peak;
	uint64_t helpers;
	uint64_t epoll_waits;
	uint64_t epoll_ctls;
	uint64_t io_calls;
	uint64_t parks;
	uint64_t switches;
	uint64_t stood_down;
	uint64_t handlers_run;
	uint64_t preemptions;
	uint64_t ticks;
	uint64_t detoured;
	uint64_t native_threads; /* what pthread_create made on kernel threads on purpose; any thread counts */
	uint64_t reserved[15];
};

_Static_assert(sizeof(struct stats) == 256, "the size of the file that GREEN_STATS names");

/*
 * The greenlets that switch among each other: all of one kernel thread.  Whoever
 * needs it reaches it from a greenlet; nothing of it is thread-local.
 */
struct flow {
	struct greenlet main;
	uintptr_t thread_pointer;  /* the TLS block that is installed now */
	unsigned critical;         /* > 0: structures are being changed, so no signal handler of the program may run */
	volatile int interrupts;   /* set by signal handlers: on_interrupts has work, once critical is 0 again */
	void (*on_interrupts)(struct flow *);
	void (*leaving)(uintptr_t thread_pointer); /* told before another TLS block takes the place of this one; or NULL */
	struct greenlet *previous; /* who switched last */
	struct stats *stats;       /* &own_stats, or memory that others can see */
	bool watched;              /* somebody is told of switches: the tracer, SWITCHED or MAIN_IS_BACK; see flow_watch */
	bool arrivals;             /* whoever arrives has more to do: it is watched, or there is AFTER; see flow_watch */
	green_tracer *tracer;      /* or NULL */
	void *tracer_argument;
	bool tracing;              /* it runs */
	void (*switched)(struct greenlet *origin, struct greenlet *target); /* inspect: for stretches that are timed; or NULL */
	void (*main_is_back)(struct flow *); /* outside.c: main was switched to other than by the hub; or NULL */
	void (*after)(struct greenlet *previous); /* run once by whoever arrives next, when PREVIOUS is off its stack; or NULL */
	uintptr_t spare_block;     /* a TLS block for the hub while a greenlet has taken its own elsewhere; 0: none may leave */
	struct greenlet *(*pick)(struct flow *); /* hub.c: who runs when a scheduled greenlet ends; NULL without a hub */
	void (*raised)(struct greenlet *); /* waiter.c: a scheduled greenlet has got an error; NULL without a hub */
	struct hub *hub;           /* hub.c: NULL until it is needed */
	struct list all;           /* struct greenlet.all; main and hub too */
	unsigned tasks;            /* of them those of kind GREENLET_TASK */
	unsigned living;           /* greenlets that have not ended; main and hub too */
	struct greenlet *given_back; /* handle.c: handles that other kernel threads have destroyed, newest first */
	struct scope *yields;      /* inspect: the innermost stretch of code that has to let others run */
	bool gone;                 /* handle.c: its kernel thread has ended */
	unsigned orphans;          /* handle.c: handles that outlive the kernel thread */
	uint64_t last_id;
	size_t stack_size;         /* of new greenlets */
	struct stack_cache stacks; /* those at hand */
	void *signal_stack;        /* overflow.c's, for the kernel thread of this flow */
	struct stats own_stats;
};

/* flow_watch - one of those who are told of switches, or AFTER, has come or gone */
static inline void flow_watch(struct flow *flow)
{
	flow->watched = flow->tracer || flow->switched || flow->main_is_back;
	flow->arrivals = flow->watched || flow->after;
}

/* The one thread-local: who runs on this TLS block.  Each switch writes it; NULL on threads without a flow. */
extern __thread struct greenlet *green__current GREEN_INITIAL_EXEC GREEN_EXPORT;

struct flow *green__flow_make(void);

/* green__flow - the calling thread's flow, made on first use; NULL with errno ENOMEM */
static inline struct flow *green__flow(void)
{
	return likely(green__current) ? green__current->flow : green__flow_make();
}

/*
 * green__greenlet_create - a greenlet in FLOW that will run FUNCTION on STACK
 *
 * STACK belongs to the greenlet from now on.  Never fails.
 */
struct greenlet *green__greenlet_create(struct flow *flow, struct stack *stack, void *(*function)(void *),
					struct greenlet *parent);

/* green__greenlet_on - the greenlet that lies on STACK */
static inline struct greenlet *green__greenlet_on(struct stack *stack)
{
	return (struct greenlet *)(((uintptr_t)stack - sizeof(struct greenlet)) & ~(uintptr_t)63);
}

/* green__greenlet_expect - GREENLET will run soon: what it touches first comes into the cache meanwhile */
void green__greenlet_expect(const struct greenlet *greenlet);

/* green__greenlet_switch - suspend the current greenlet and go on in TO, which may run; checks nothing */
void *green__greenlet_switch(struct greenlet *to, void *value);

/*
 * green__greenlet_resume - the same for one that waits for no value
 *
 * It may be about to take one all the same, and wait in a handler that came before it could: so none is put in its place.
 */
void green__greenlet_resume(struct greenlet *to);

/*
 * green__greenlet_leave - suspend the current greenlet as green__greenlet_switch does, to go on elsewhere
 *
 * When it is off its stack, AFTER(it) is run; that lets another kernel thread swap
 * to its context, with its TLS block installed.  There this returns, and nothing of
 * the flow may be touched until green__greenlet_return.  The flow must have a spare block.
 */
void green__greenlet_leave(struct greenlet *to, void (*after)(struct greenlet *self));

/* green__greenlet_return - on the other kernel thread: save SELF and go on in THERE; returns when its flow switches to it */
void green__greenlet_return(struct greenlet *self, struct context *there);

/* green__greenlet_finish - end the current greenlet as if its function had returned RESULT */
void green__greenlet_finish(void *result) __attribute__((noreturn));

/* green__unpin - one of the pins of GREENLET is gone: release it, if it is dead and nobody holds it */
void green__unpin(struct greenlet *greenlet);

/* green__greenlet_release - free what GREENLET, which never runs again, still has; not on its own stack */
void green__greenlet_release(struct greenlet *greenlet);

/* Which stacks are remembered, a sum of enum green_record, and who does that; inspect sets both. */
extern int green__recording;
extern void (*green__recorder)(struct greenlet *greenlet, int what);

/* green__greenlet_ends - GREENLET, which is not running, will never run: it is dead from now on */
void green__greenlet_ends(struct greenlet *greenlet);

/* green__parent_change - PARENT may be NULL, for a greenlet that is going to be released */
void green__parent_change(struct greenlet *greenlet, struct greenlet *parent);

/* green__taken_back - release what other kernel threads have given back */
void green__taken_back(struct flow *flow);

/* green__orphan_release - free GREENLET, whose kernel thread has ended; false if it has not */
bool green__orphan_release(struct greenlet *greenlet);

/* green__flow_gone - FLOW's kernel thread ends: what is left of its greenlets is dead, and FLOW freed with the last handle */
void green__flow_gone(struct flow *flow);

/* What a finished or thrown-into greenlet hands over. */
struct delivery {
	struct greenlet *to;
	int error; /* 0: VALUE is a plain value */
	void *value;
};

/*
 * green__deliver - find who takes DELIVERY and let it have the error, if that is what it is
 *
 * The dead, the hub, idle generators, and for an error those that have not started, which
 * end thereby, pass it on to their parents; who waits for a generator, to its body.
 * Returns: the value to switch to delivery->to with; if that one is parked by the hub, it has been told.
 */
void *green__deliver(struct delivery *delivery);

/* green__error_set - CODE and VALUE are pending in GREENLET, untold */
void green__error_set(struct greenlet *greenlet, int code, void *value);

/* green__error_is_code - true of what may be thrown */
bool green__error_is_code(int code);

/* green__error_asks_for_end - true of the codes that fail every call that would park, until they are cleared */
bool green__error_asks_for_end(int code);

/* green__error_fails_next - GREENLET's next call that would park fails */
bool green__error_fails_next(const struct greenlet *greenlet);

/* green__error_inherit - the body BODY is about to wait: an error that would fail its consumer's call fails its own */
void green__error_inherit(struct greenlet *body);

/* The error and errno of the current greenlet, while it runs what must not touch them. */
struct error_kept {
	int code;
	bool untold;
	void *value;
	int number;
};

void green__error_keep(struct error_kept *kept);
void green__error_put_back(const struct error_kept *kept);

/* acting_for - who takes what is meant for GREENLET: the body of the generator it waits for, or itself */
static inline struct greenlet *acting_for(struct greenlet *greenlet)
{
	while (greenlet->stand_in)
		greenlet = greenlet->stand_in;
	return greenlet;
}

/* green__received - the end of an explicit switch to the current greenlet: its value, or NULL with errno for an error */
void *green__received(struct greenlet *self);

/* green__greenlet_unmake - GREENLET's memory is free for others; nothing must lead to it any more */
void green__greenlet_unmake(struct greenlet *greenlet);

/* green__flow_after_fork - in the child: only the current greenlet is left */
void green__flow_after_fork(struct flow *flow);

/* critical_enter, critical_leave - around changes to what a signal handler could find half done */
static inline void critical_enter(struct flow *flow)
{
	flow->critical++;
	__asm__ volatile("" : : : "memory");
}

static inline void critical_leave(struct flow *flow)
{
	__asm__ volatile("" : : : "memory");
	if (--flow->critical == 0 && unlikely(flow->interrupts) && flow->on_interrupts)
		flow->on_interrupts(flow);
}

/* green__flow_stack - a stack for a new greenlet of FLOW, as green__stack_take; to be used by green__greenlet_create */
static inline struct stack *green__flow_stack(struct flow *flow)
{
	struct stack *stack;

	critical_enter(flow);
	stack = green__stack_take_near(&flow->stacks, flow->stack_size);
	critical_leave(flow);
	return stack;
}

#pragma GCC visibility pop

#endif
