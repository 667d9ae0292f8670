/* SPDX-License-Identifier: MIT */
/* cares.c - stub */
#include <errno.h>
#include "net/resolve.h"
int green__cares_load(void) { return -ENOSYS; }
void green__cares_destroy(struct cares *cares) { (void)cares; }
int green__cares_getaddrinfo(struct hub *hub, struct resolver *resolver, const char *node, const char *service,
			     const struct addrinfo *hints, int64_t deadline, struct addrinfo **result, int *error)
{ (void)hub; (void)resolver; (void)node; (void)service; (void)hints; (void)deadline; (void)result; (void)error; return EAI_FAIL; }
int green__cares_getnameinfo(struct hub *hub, struct resolver *resolver, const struct sockaddr *address, socklen_t length, char *host,
			     socklen_t host_size, char *service, socklen_t service_size, int flags, int *error)
{ (void)hub; (void)resolver; (void)address; (void)length; (void)host; (void)host_size; (void)service; (void)service_size; (void)flags; (void)error; return EAI_FAIL; }
