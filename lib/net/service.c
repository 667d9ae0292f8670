/* SPDX-License-Identifier: MIT */
/* service.c - what servers of connections and of datagrams have in common */
#include "net/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/sys.h"
#include "hub/task.h"

void green__service_init(struct service *service, struct hub *hub)
{
	service->hub = hub;
	green__crew_init(&service->crew, hub);
	list_init(&service->bell);
}

void green__service_leave(struct service *service)
{
	service->users--;
	if (service->destroyed && !service->users)
		free(service);
	else
		bell_ring(service->hub, &service->bell);
}

int green__service_add(struct service *service, struct member *member)
{
	int error;

	service->users++;
	error = green__crew_add(&service->crew, member);
	if (error)
		service->users--;
	return error;
}

int green__service_start(struct service *service, void *(*function)(void *))
{
	if (service->taker) {
		errno = EALREADY;
		return -1;
	}
	service->taker = green_spawn(function, service);
	if (!service->taker)
		return -1;
	service->users++;
	return 0;
}

void green__service_end_crew(struct service *service)
{
	service->users++;
	green__crew_kill(&service->crew);
	green__crew_wait(&service->crew, clock_after(NS_PER_SECOND));
}

void green__service_destroy(struct service *service)
{
	/* It has nothing left to wait for; the program may be in it. */
	if (service->taker && service->taker != green__current)
		green__task_join(service->taker, CLOCK_NEVER, WAIT_PLAIN);
	green_destroy(service->taker);
	service->taker = NULL;
	service->destroyed = true;
	green__service_leave(service);
}

unsigned green__service_port(int fd)
{
	struct sockaddr_in6 address = { .sin6_family = AF_UNSPEC };
	socklen_t length = sizeof(address);

	if (sys_call(SYS_getsockname, fd, &address, &length))
		return 0;
	/* The port lies at the same place in both. */
	return address.sin6_family == AF_INET || address.sin6_family == AF_INET6 ? ntohs(address.sin6_port) : 0;
}
