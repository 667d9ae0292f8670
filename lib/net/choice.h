/* SPDX-License-Identifier: MIT */
/*
 * choice.h - the kinds of things that can be waited for together
 *
 * What is there at once is taken; else the caller enters all of them with one waiter, parks, and leaves them.
 * Some hand over what is waited for, as a queue does its item, and that decides which choice has
 * happened.  Others only say that they are worth another look: a task that has ended stays so.
 */
#ifndef GREEN_NET_CHOICE_H
#define GREEN_NET_CHOICE_H

#include "green/choice.h"
#include "hub/fd.h"
#include "hub/task.h"
#include "sync/future.h"
#include "sync/waitq.h"

/* One choice while its wait lasts; lives with the wait. */
struct place {
	struct green_choice *choice;
	struct waiter *waiter;
	union {
		struct waitq_entry entry;
		struct task_watch task;
		struct future_watch future;
		struct fd_wait fd;
	};
};

struct choice_kind {
	bool has_object;  /* OBJECT must not be NULL */
	bool hands_over;  /* ENTRY tells whether it has happened */
	bool is_shared;   /* another kernel thread may let it happen */
	bool is_fd;       /* an event of a descriptor does */
	/* 0: it makes sense; -errno.  NULL: nothing to look at */
	int (*check)(const struct green_choice *choice);
	/* 0: it has happened, with VALUE and ERROR set; -EBUSY: not yet; -errno: the call fails, and it has not happened */
	int (*take)(struct green_choice *choice);
	/* 0: PLACE is entered; -EBUSY: it could happen now, and nothing is entered; of a descriptor also other -errno */
	int (*enter)(struct place *place);
	void (*leave)(struct place *place);
};

/* choice_kinds - by enum green_choice_kind */
extern const struct choice_kind green__choice_kinds[];
enum { CHOICE_KINDS = GREEN_CHOICE_FD + 1 };

#endif
