/* SPDX-License-Identifier: MIT */
/* crew.h - the tasks of one server: how many there are, and how they end */
#ifndef GREEN_NET_CREW_H
#define GREEN_NET_CREW_H

#include "hub/hub.h"

#pragma GCC visibility push(default)

struct crew;

/* One of them, in memory of its owner's that begins with it. */
struct member {
	struct list link;
	struct crew *crew;
	struct greenlet *task;
	void (*run)(struct member *);   /* in the task */
	void (*ended)(struct member *); /* when it is over, even if it was killed before it ran; frees it, and must not wait */
};

struct crew {
	struct hub *hub;
	struct list members; /* struct member.link */
	size_t count;
	struct list bell;    /* rings when a member has ended, and when the owner rings it */
};

void green__crew_init(struct crew *crew, struct hub *hub);

/* green__crew_add - run MEMBER in a task; 0, or -errno as green_spawn: then it is the caller's to free */
int green__crew_add(struct crew *crew, struct member *member);

/* green__crew_wait - until nobody but the caller is left or DEADLINE; 0, -ETIMEDOUT or -errno as green__park */
int green__crew_wait(struct crew *crew, int64_t deadline);

/* green__crew_kill - ask all but the caller to end */
void green__crew_kill(struct crew *crew);

/* green__crew_end - let them end for GRACE_MS (-1: for ever), then kill them and wait a second more; as green__crew_wait */
int green__crew_end(struct crew *crew, int grace_ms);

#pragma GCC visibility pop

#endif
