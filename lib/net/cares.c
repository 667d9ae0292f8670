/* SPDX-License-Identifier: MIT */
/*
 * cares.c - names and addresses by c-ares, without threads
 *
 * The library is loaded when it is first wanted.  Each look-up has a channel of its own, a copy
 * of the hub's, and its greenlet waits for the channel's descriptors itself: so to give up a look-up is to
 * destroy its channel, and nobody else has to be told.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/fault.h"
#include "base/spinlock.h"
#include "hub/waiter.h"
#include "net/io.h"
#include "net/resolve.h"

#ifdef HAVE_ARES_H
#include <ares.h>

#define FUNCTIONS(each) \
	each(ares_library_init) each(ares_init_options) each(ares_dup) each(ares_destroy) each(ares_set_servers_ports_csv) \
	each(ares_getaddrinfo) each(ares_freeaddrinfo) each(ares_getnameinfo) each(ares_getsock) each(ares_timeout) \
	each(ares_process_fd)

#define DECLARE(name) static __typeof__(name) *p_##name;
FUNCTIONS(DECLARE)

enum { UNTRIED, LOADED, MISSING };

struct cares {
	ares_channel channel; /* of which each look-up has a copy */
};

static bool find_functions(void *library)
{
#define FIND(name) \
	p_##name = (__typeof__(p_##name))dlsym(library, #name); \
	if (!p_##name) \
		return false;
	FUNCTIONS(FIND)
	return true;
}

int green__cares_load(void)
{
	static struct spinlock lock;
	static int state = UNTRIED;
	int now = __atomic_load_n(&state, __ATOMIC_ACQUIRE);

	if (now == UNTRIED) {
		void *library = dlopen("libcares.so.2", RTLD_NOW | RTLD_LOCAL);
		bool good;

		spinlock_lock(&lock);
		good = library && find_functions(library) && p_ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
		now = good ? LOADED : MISSING;
		__atomic_store_n(&state, now, __ATOMIC_RELEASE);
		spinlock_unlock(&lock);
	}
	return now == LOADED ? 0 : -ENOSYS;
}

void green__cares_destroy(struct cares *cares)
{
	if (!cares)
		return;
	p_ares_destroy(cares->channel);
	free(cares);
}

static int channel_init(struct cares *cares, const struct green_resolver_options *wish)
{
	struct ares_options options = { .timeout = wish->timeout_ms, .tries = wish->tries };
	int mask = (wish->timeout_ms ? ARES_OPT_TIMEOUTMS : 0) | (wish->tries ? ARES_OPT_TRIES : 0);
	int status = p_ares_init_options(&cares->channel, &options, mask);

	if (status == ARES_SUCCESS && wish->servers) {
		status = p_ares_set_servers_ports_csv(cares->channel, wish->servers);
		if (status != ARES_SUCCESS)
			p_ares_destroy(cares->channel);
	}
	return status;
}

/* A channel for one look-up. */
static int channel_for(struct resolver *resolver, ares_channel *channel)
{
	struct cares *cares = resolver->cares;
	int status;

	if (!cares) {
		cares = green__fault_injected() ? NULL : calloc(1, sizeof(*cares));
		status = cares ? channel_init(cares, &resolver->options) : ARES_ENOMEM;
		if (status != ARES_SUCCESS) {
			free(cares);
			return status;
		}
		resolver->cares = cares;
	}
	return p_ares_dup(channel, cares->channel);
}

static int eai_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENODATA:
		return EAI_NODATA;
	case ARES_ENOTFOUND:
	case ARES_ENONAME:
	case ARES_EBADNAME:
		return EAI_NONAME;
	case ARES_ESERVFAIL:
	case ARES_ECONNREFUSED:
	case ARES_ETIMEOUT:
	case ARES_EREFUSED:
		return EAI_AGAIN;
	case ARES_ENOMEM:
		return EAI_MEMORY;
	case ARES_EBADFLAGS:
		return EAI_BADFLAGS;
	case ARES_EBADFAMILY:
		return EAI_FAMILY;
	case ARES_ESERVICE:
		return EAI_SERVICE;
	default:
		return EAI_FAIL;
	}
}

/* --- waiting --- */

/* What a look-up is told; the callbacks fill it in. */
struct told {
	bool over;
	int status;
	struct ares_addrinfo *list;
	char *host, *service;
	socklen_t host_size, service_size;
};

static int64_t next_look(ares_channel channel, int64_t deadline)
{
	struct timeval room, *left = p_ares_timeout(channel, NULL, &room);
	int64_t soon = left ? clock_after(left->tv_sec * NS_PER_SECOND + left->tv_usec * 1000) : CLOCK_NEVER;

	return soon < deadline ? soon : deadline;
}

/* Let the channel go on with what has come.  Returns: 0 or -errno */
static int step(ares_channel channel, int64_t deadline)
{
	ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
	struct pollfd fds[ARES_GETSOCK_MAXNUM];
	int wanted = p_ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
	nfds_t count = 0;
	long ready;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		short events = (short)((ARES_GETSOCK_READABLE(wanted, i) ? POLLIN : 0) | (ARES_GETSOCK_WRITABLE(wanted, i) ? POLLOUT : 0));

		if (events)
			fds[count++] = (struct pollfd) { .fd = sockets[i], .events = events };
	}
	ready = green__poll(fds, count, next_look(channel, deadline));
	if (ready < 0)
		return (int)ready;
	for (nfds_t i = 0; i < count; i++) {
		if (fds[i].revents)
			p_ares_process_fd(channel, fds[i].revents & ~POLLOUT ? fds[i].fd : ARES_SOCKET_BAD,
					  fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
	}
	if (ready == 0)
		p_ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	return ready == 0 && clock_now() >= deadline ? -ETIMEDOUT : 0;
}

/* Until TOLD is over; then the channel is gone.  Returns: 0 or -errno */
static int drive(ares_channel channel, struct told *told, int64_t deadline)
{
	int error = 0;

	while (!told->over && !error)
		error = step(channel, deadline);
	if (told->over)
		error = 0;
	p_ares_destroy(channel);
	return error;
}

/* --- names --- */

static void list_told(void *arg, int status, int timeouts, struct ares_addrinfo *list)
{
	struct told *told = arg;

	(void)timeouts;
	told->over = true;
	told->status = status;
	told->list = list;
}

static int cares_flags(int flags)
{
	static const struct { int libc, cares; } pairs[] = {
		{ AI_CANONNAME, ARES_AI_CANONNAME }, { AI_NUMERICHOST, ARES_AI_NUMERICHOST }, { AI_PASSIVE, ARES_AI_PASSIVE },
		{ AI_NUMERICSERV, ARES_AI_NUMERICSERV }, { AI_V4MAPPED, ARES_AI_V4MAPPED }, { AI_ALL, ARES_AI_ALL },
		{ AI_ADDRCONFIG, ARES_AI_ADDRCONFIG },
	};
	int result = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++)
		result |= flags & pairs[i].libc ? pairs[i].cares : 0;
	return result;
}

/* As libc has it: of an address of which no kind of socket was asked for there is a node for each kind. */
static const struct { int type, protocol; } kinds[] = {
	{ SOCK_STREAM, IPPROTO_TCP }, { SOCK_DGRAM, IPPROTO_UDP }, { SOCK_RAW, 0 },
};

static bool kind_wanted(const struct addrinfo *hints, size_t kind)
{
	if (hints->ai_socktype && hints->ai_socktype != kinds[kind].type)
		return false;
	return !hints->ai_protocol || !kinds[kind].protocol || hints->ai_protocol == kinds[kind].protocol;
}

static int translate(const struct ares_addrinfo *list, const struct addrinfo *hints, struct addrinfo **result)
{
	const char *name = hints->ai_flags & AI_CANONNAME ? list->cnames ? list->cnames->name : list->name : NULL;
	struct addrinfo **end = result;

	for (const struct ares_addrinfo_node *node = list->nodes; node; node = node->ai_next) {
		for (size_t kind = 0; kind < ARRAY_LENGTH(kinds); kind++) {
			struct addrinfo like = { .ai_flags = hints->ai_flags, .ai_family = node->ai_family };

			if (!kind_wanted(hints, kind))
				continue;
			like.ai_socktype = kinds[kind].type;
			like.ai_protocol = hints->ai_protocol ? hints->ai_protocol : kinds[kind].protocol;
			*end = green__found(&like, node->ai_addr, node->ai_addrlen, *result == NULL || end == result ? name : NULL);
			if (!*end) {
				green_freeaddrinfo(*result);
				*result = NULL;
				return EAI_MEMORY;
			}
			end = &(*end)->ai_next;
		}
	}
	return *result ? 0 : EAI_NODATA;
}

int green__cares_getaddrinfo(struct hub *hub, struct resolver *resolver, const char *node, const char *service,
			     const struct addrinfo *hints, int64_t deadline, struct addrinfo **result, int *error)
{
	static const struct addrinfo default_hints = { .ai_flags = AI_V4MAPPED | AI_ADDRCONFIG };
	const struct addrinfo *wish = hints ? hints : &default_hints;
	struct ares_addrinfo_hints cares_hints = { .ai_flags = cares_flags(wish->ai_flags), .ai_family = wish->ai_family,
						   .ai_socktype = wish->ai_socktype, .ai_protocol = wish->ai_protocol };
	struct told told = { .over = false };
	ares_channel channel;
	int status = channel_for(resolver, &channel), code;

	(void)hub;
	if (status != ARES_SUCCESS)
		return eai_of(status);
	p_ares_getaddrinfo(channel, node, service, &cares_hints, list_told, &told);
	*error = drive(channel, &told, deadline);
	if (*error)
		return EAI_SYSTEM;
	code = eai_of(told.status);
	if (!code)
		code = translate(told.list, wish, result);
	if (told.list)
		p_ares_freeaddrinfo(told.list);
	return code;
}

/* --- addresses --- */

static bool put(const char *text, char *room, socklen_t size)
{
	if (!room || !size)
		return true;
	if (!text || strlen(text) >= size)
		return false;
	strcpy(room, text);
	return true;
}

/* The texts are gone when this returns. */
static void name_told(void *arg, int status, int timeouts, char *host, char *service)
{
	struct told *told = arg;

	(void)timeouts;
	if (status == ARES_SUCCESS && (!put(host, told->host, told->host_size) || !put(service, told->service, told->service_size)))
		status = -1;
	told->over = true;
	told->status = status;
}

static int cares_name_flags(int flags, const char *service)
{
	return ARES_NI_LOOKUPHOST | (service ? ARES_NI_LOOKUPSERVICE : 0) | (flags & NI_NOFQDN ? ARES_NI_NOFQDN : 0) |
	       (flags & NI_NUMERICHOST ? ARES_NI_NUMERICHOST : 0) | (flags & NI_NAMEREQD ? ARES_NI_NAMEREQD : 0) |
	       (flags & NI_NUMERICSERV ? ARES_NI_NUMERICSERV : 0) | (flags & NI_DGRAM ? ARES_NI_DGRAM : 0);
}

int green__cares_getnameinfo(struct hub *hub, struct resolver *resolver, const struct sockaddr *address, socklen_t length, char *host,
			     socklen_t host_size, char *service, socklen_t service_size, int flags, int *error)
{
	char host_text[NI_MAXHOST], service_text[NI_MAXSERV];
	struct told told = { .host = host_text, .service = service_text, .host_size = host ? NI_MAXHOST : 0,
			     .service_size = service ? NI_MAXSERV : 0 };
	ares_channel channel;
	int status = channel_for(resolver, &channel);

	(void)hub;
	if (status != ARES_SUCCESS)
		return eai_of(status);
	p_ares_getnameinfo(channel, address, length, cares_name_flags(flags, service), name_told, &told);
	*error = drive(channel, &told, CLOCK_NEVER);
	if (*error)
		return EAI_SYSTEM;
	if (told.status == -1)
		return EAI_OVERFLOW;
	if (told.status != ARES_SUCCESS)
		return eai_of(told.status);
	return put(host_text, host, host_size) && put(service_text, service, service_size) ? 0 : EAI_OVERFLOW;
}
#else
int green__cares_load(void)
{
	return -ENOSYS;
}

void green__cares_destroy(struct cares *cares)
{
	(void)cares;
}

int green__cares_getaddrinfo(struct hub *hub, struct resolver *resolver, const char *node, const char *service,
			     const struct addrinfo *hints, int64_t deadline, struct addrinfo **result, int *error)
{
	(void)hub, (void)resolver, (void)node, (void)service, (void)hints, (void)deadline, (void)result, (void)error;
	return EAI_FAIL;
}

int green__cares_getnameinfo(struct hub *hub, struct resolver *resolver, const struct sockaddr *address, socklen_t length, char *host,
			     socklen_t host_size, char *service, socklen_t service_size, int flags, int *error)
{
	(void)hub, (void)resolver, (void)address, (void)length, (void)host, (void)host_size, (void)service, (void)service_size;
	(void)flags, (void)error;
	return EAI_FAIL;
}
#endif
