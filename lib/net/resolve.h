/* SPDX-License-Identifier: MIT */
/* resolve.h - names and addresses, for those inside the library who have a deadline */
#ifndef GREEN_NET_RESOLVE_H
#define GREEN_NET_RESOLVE_H

#include <netdb.h>

#include "green/resolve.h"
#include "hub/hub.h"

#pragma GCC visibility push(default)

struct cares;

/* What the look-ups of one hub need. */
struct resolver {
	struct green_resolver_options options; /* SERVERS is a copy of its own */
	struct cares *cares;                   /* cares.c's, made when it is first asked; or NULL */
};

/*
 * green__getaddrinfo - as green_getaddrinfo, until DEADLINE at most
 *
 * Returns: 0 or an EAI_ code; with EAI_SYSTEM *ERROR is -errno
 */
int green__getaddrinfo(struct hub *hub, const char *node, const char *service, const struct addrinfo *hints, int64_t deadline,
		       struct addrinfo **result, int *error);

/* green__found - a node of a result: FAMILY and ADDRESS of LENGTH bytes, with a copy of NAME, which may be NULL; NULL: no memory */
struct addrinfo *green__found(const struct addrinfo *like, const struct sockaddr *address, socklen_t length, const char *name);

/* green__eai_error - the -errno that says of a look-up what CODE does; ERROR is that of EAI_SYSTEM */
int green__eai_error(int code, int error);

/* green__bound_at - a socket of TYPE that is bound to HOST and SERVICE; the descriptor or -errno */
int green__bound_at(struct hub *hub, const char *host, const char *service, int type, int flags);

/* green__dial - as green_dial; the descriptor or -errno */
int green__dial(struct hub *hub, const char *host, const char *service, int64_t deadline);

/* green__listen - as green_listen; the descriptor or -errno */
int green__listen(struct hub *hub, const char *host, const char *service, int backlog, int flags);

/* What c-ares answers instead, see cares.c. */
int green__cares_getaddrinfo(struct hub *hub, struct resolver *resolver, const char *node, const char *service,
			     const struct addrinfo *hints, int64_t deadline, struct addrinfo **result, int *error);
int green__cares_getnameinfo(struct hub *hub, struct resolver *resolver, const struct sockaddr *address, socklen_t length, char *host,
			     socklen_t host_size, char *service, socklen_t service_size, int flags, int *error);

/* green__cares_load - 0, or -ENOSYS: the library is not there, or libgreen was built without it */
int green__cares_load(void);

void green__cares_destroy(struct cares *cares);

#pragma GCC visibility pop

#endif
