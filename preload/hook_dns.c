/* SPDX-License-Identifier: MIT */
/*
 * hook_dns.c - name look-ups, on a helper thread
 *
 * libc asks name servers, files and modules inside itself, which may take many
 * seconds.  Only look-ups that keep nothing in thread-local storage but errno can
 * be made by another thread; the older gethostbyname family stays as it is.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "hub/worker.h"
#include "shim.h"

struct lookup {
	const char *node, *service;
	const struct addrinfo *hints;
	struct addrinfo **found;
	int error;
};

static long lookup_run(void *arg)
{
	struct lookup *lookup = arg;
	int result = real(getaddrinfo)(lookup->node, lookup->service, lookup->hints, lookup->found);

	lookup->error = errno;
	return result;
}

/* Addresses need no server. */
static bool needs_no_server(const char *node, const struct addrinfo *hints)
{
	struct in6_addr address;

	if (!node || (hints && (hints->ai_flags & AI_NUMERICHOST)))
		return true;
	return inet_pton(AF_INET, node, &address) == 1 || inet_pton(AF_INET6, node, &address) == 1;
}

WRAPPER int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	struct lookup lookup = { node, service, hints, found, 0 };
	struct hub *hub = shim_hub();
	long result;

	if (!hub || needs_no_server(node, hints))
		return real(getaddrinfo)(node, service, hints, found);
	shim_cancellation_point();
	if (green__work(hub, lookup_run, &lookup, &result))
		return real(getaddrinfo)(node, service, hints, found);
	if (result == EAI_SYSTEM)
		errno = lookup.error;
	return (int)result;
}

struct reverse {
	const struct sockaddr *address;
	socklen_t length;
	char *host, *service;
	socklen_t host_size, service_size;
	int flags, error;
};

static long reverse_run(void *arg)
{
	struct reverse *reverse = arg;
	int result = real(getnameinfo)(reverse->address, reverse->length, reverse->host, reverse->host_size,
				       reverse->service, reverse->service_size, reverse->flags);

	reverse->error = errno;
	return result;
}

WRAPPER int getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
			socklen_t service_size, int flags)
{
	struct reverse reverse = { address, length, host, service, host_size, service_size, flags, 0 };
	struct hub *hub = shim_hub();
	long result;

	if (!hub || (flags & NI_NUMERICHOST))
		return real(getnameinfo)(address, length, host, host_size, service, service_size, flags);
	shim_cancellation_point();
	if (green__work(hub, reverse_run, &reverse, &result))
		return real(getnameinfo)(address, length, host, host_size, service, service_size, flags);
	if (result == EAI_SYSTEM)
		errno = reverse.error;
	return (int)result;
}
