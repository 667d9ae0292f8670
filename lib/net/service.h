/* SPDX-License-Identifier: MIT */
/*
 * service.h - what servers of connections and of datagrams have in common
 *
 * A task takes in what comes, the crew serves it; calls of the program wait, and may be in it
 * when it is destroyed: then the last of them frees it.
 */
#ifndef GREEN_NET_SERVICE_H
#define GREEN_NET_SERVICE_H

#include "net/bell.h"
#include "net/crew.h"

#pragma GCC visibility push(default)

/* Its owner's memory, from malloc, begins with it. */
struct service {
	struct hub *hub;
	struct crew crew;
	struct greenlet *taker; /* the task that takes in, once it is started; its handle */
	struct list bell;       /* rings when a user has left, and when the owner rings it */
	unsigned users;         /* members of the crew, calls that wait in it, and the taker */
	bool destroyed;         /* the last user frees it */
};

void green__service_init(struct service *service, struct hub *hub);

/* green__service_leave - one user less */
void green__service_leave(struct service *service);

/* green__service_add - let MEMBER of the crew, a user, run in a task; 0 or -errno as green__crew_add */
int green__service_add(struct service *service, struct member *member);

/* green__service_start - let FUNCTION(SERVICE) run in the taker, a user; 0, or -1 with errno EALREADY or of green_spawn */
int green__service_start(struct service *service, void *(*function)(void *));

/* green__service_wait - until the bell rings; KIND as for green__waiter_init; 0 or -errno as green__park */
static inline int green__service_wait(struct service *service, int64_t deadline, const char *kind)
{
	return bell_wait(service->hub, &service->bell, deadline, kind);
}

/* green__service_foreign - the calling kernel thread is not the service's */
static inline bool green__service_foreign(const struct service *service)
{
	return !green__current || green__current->flow != service->hub->flow;
}

/* green__service_end_crew - kill the crew and give it a second; the caller is a user until it calls the next */
void green__service_end_crew(struct service *service);

/* green__service_destroy - after that: wait for the taker, which has been told to end, and free it all when nobody is in it */
void green__service_destroy(struct service *service);

/* green__service_port - of the address that FD is bound to; 0 if that has none */
unsigned green__service_port(int fd);

#pragma GCC visibility pop

#endif
