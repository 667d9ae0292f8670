/* SPDX-License-Identifier: MIT */
/* future.h - the inside of a future: what is decided once, and who is told of it */
#ifndef GREEN_SYNC_FUTURE_H
#define GREEN_SYNC_FUTURE_H

#include <stdint.h>

#include "green/future.h"
#include "hub/task.h"
#include "sync/waitq.h"

#pragma GCC visibility push(default)

/* One who is told, once, of the decision: by whoever decides, on any kernel thread, with the future's lock held. */
struct future_watch {
	struct list link; /* on struct green_future.watches until told */
	void (*decided)(struct future_watch *watch, struct green_future *future);
};

struct green_future {
	struct green_waitq guard;      /* its lock guards what follows; nobody waits in it */
	int process;                   /* green__process when it was last locked: nobody of a parent's watches on */
	unsigned holders;              /* atomic */
	enum green_future_state state; /* atomic; with it CODE, VALUE and ORDER are final */
	bool bound;                    /* something of the library decides it, not the program */
	bool asked;                    /* atomic; somebody has been told of its error */
	int code;
	void *value;                   /* the value, or what goes with CODE */
	uint64_t order;                /* of all decisions of the process */
	struct list watches;

	struct task_watch end;         /* told of the end of TASK; counts as one who holds it */
	struct greenlet *task;         /* decides it; NULL: none, or it has ended */
	struct hub *hub;               /* TASK's */
	struct remote request;         /* to cancel TASK, from another kernel thread; counts as one who holds it */
	bool requested;                /* REQUEST is on its way */

	struct green_future *inner;    /* of a shield: held until this one goes */
	struct future_watch relay;     /* on the watches of INNER */
};

/* green__future_lock - nobody else looks at FUTURE before green__future_unlock; to be held for a few instructions */
void green__future_lock(struct green_future *future);

static inline void green__future_unlock(struct green_future *future)
{
	waitq_unlock(&future->guard);
}

/* green__future_watch - let WATCH be told by DECIDED; locked, and FUTURE is pending */
static inline void green__future_watch(struct green_future *future, struct future_watch *watch,
				       void (*decided)(struct future_watch *, struct green_future *))
{
	watch->decided = decided;
	list_append(&future->watches, &watch->link);
}

/* green__future_decide - FUTURE is done; false if it was before */
bool green__future_decide(struct green_future *future, enum green_future_state state, int code, void *value);

/* green__future_wait - until FUTURE is done; 0, or -errno as green__park */
int green__future_wait(struct green_future *future, int timeout_ms, enum wait_mode mode);

/* green__future_outcome - FUTURE is done: as the end of green_future_get; 0 or -errno */
int green__future_outcome(struct green_future *future, void **value);

/* green__error_adopt - CODE and VALUE are pending in the current greenlet, which is told now; one that ends stays so */
int green__error_adopt(int code, void *value);

#pragma GCC visibility pop

#endif
