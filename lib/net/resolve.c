/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - names and addresses: libc answers on a kernel thread, or c-ares here
 *
 * Who gives up a look-up leaves the thread to finish it, so that all it uses lies in memory
 * of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/sys.h"
#include "hub/worker.h"
#include "net/resolve.h"

/* --- which resolver --- */

static void resolver_destroy(struct resolver *resolver)
{
	green__cares_destroy(resolver->cares);
	free((char *)resolver->options.servers);
	free(resolver);
}

static struct resolver *resolver_create(const struct green_resolver_options *options)
{
	struct resolver *resolver = green__fault_injected() ? NULL : calloc(1, sizeof(*resolver));

	if (!resolver)
		return NULL;
	resolver->options = *options;
	resolver->options.servers = options->servers && !green__fault_injected() ? strdup(options->servers) : NULL;
	if (options->servers && !resolver->options.servers) {
		free(resolver);
		return NULL;
	}
	return resolver;
}

static void resolver_set(struct hub *hub, struct resolver *resolver)
{
	if (hub->resolver)
		resolver_destroy(hub->resolver);
	hub->resolver = resolver;
	hub->resolver_release = resolver_destroy;
}

static bool cares_wanted(void)
{
	const char *wish = secure_getenv("GREEN_RESOLVER");

	return wish && strcmp(wish, "cares") == 0 && green__cares_load() == 0;
}

/* What the environment wishes, as far as it can be had, until somebody calls green_resolver_use. */
static struct resolver *resolver_of(struct hub *hub)
{
	struct green_resolver_options options = { .kind = GREEN_RESOLVER_THREADS };
	struct resolver *resolver = hub->resolver;

	if (!resolver) {
		options.kind = cares_wanted() ? GREEN_RESOLVER_CARES : GREEN_RESOLVER_THREADS;
		resolver = resolver_create(&options);
		if (resolver)
			resolver_set(hub, resolver);
	}
	return resolver;
}

static int options_error(const struct green_resolver_options *options)
{
	if (!options || options->timeout_ms < 0 || options->tries < 0)
		return EINVAL;
	if (options->kind == GREEN_RESOLVER_CARES)
		return -green__cares_load();
	return options->kind == GREEN_RESOLVER_THREADS ? 0 : EINVAL;
}

int green_resolver_use(const struct green_resolver_options *options)
{
	struct hub *hub = green__hub();
	struct resolver *resolver = NULL;
	int error = hub ? options_error(options) : ENOMEM;

	if (!error && !(resolver = resolver_create(options)))
		error = ENOMEM;
	if (error) {
		errno = error;
		return -1;
	}
	if (options->kind == GREEN_RESOLVER_THREADS)
		green__errand_workers(options->threads ? options->threads : NAME_WORKERS);
	resolver_set(hub, resolver);
	return 0;
}

/* --- results --- */

/* A node of a result is one piece of memory, whoever has answered. */
struct found {
	struct addrinfo info;
	struct sockaddr_storage address;
	char name[];
};

struct addrinfo *green__found(const struct addrinfo *like, const struct sockaddr *address, socklen_t length, const char *name)
{
	size_t size = name ? strlen(name) + 1 : 0;
	struct found *found;

	if (length > sizeof(found->address) || green__fault_injected())
		return NULL;
	found = calloc(1, sizeof(*found) + size);
	if (!found)
		return NULL;
	found->info = *like;
	found->info.ai_next = NULL;
	found->info.ai_addr = memcpy(&found->address, address, length);
	found->info.ai_addrlen = length;
	found->info.ai_canonname = name ? memcpy(found->name, name, size) : NULL;
	return &found->info;
}

void green_freeaddrinfo(struct addrinfo *result)
{
	while (result) {
		struct addrinfo *next = result->ai_next;

		free(container_of(result, struct found, info));
		result = next;
	}
}

/* A copy of libc's list FROM, so that every list is freed in the same way. */
static int copy_list(const struct addrinfo *from, struct addrinfo **result)
{
	struct addrinfo **end = result;

	*result = NULL;
	for (; from; from = from->ai_next, end = &(*end)->ai_next) {
		*end = green__found(from, from->ai_addr, from->ai_addrlen, from->ai_canonname);
		if (!*end) {
			green_freeaddrinfo(*result);
			*result = NULL;
			return EAI_MEMORY;
		}
	}
	return 0;
}

int green__eai_error(int code, int error)
{
	switch (code) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -ENOENT;
	case EAI_AGAIN:
	case EAI_FAIL:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return error ? error : -EIO;
	default:
		return -EINVAL;
	}
}

/* --- by libc --- */

/* One call of getaddrinfo, with all that it uses. */
struct lookup {
	struct errand errand;
	struct addrinfo hints;
	struct addrinfo *result;
	int code, error;
	const char *node, *service; /* in TEXT, or NULL */
	char text[];
};

static int ask_libc(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result, int *error)
{
	struct addrinfo *list = NULL;
	int saved_errno = errno;
	int code = getaddrinfo(node, service, hints, &list);

	*error = code == EAI_SYSTEM ? -errno : 0;
	errno = saved_errno;
	if (code)
		return code;
	code = copy_list(list, result);
	freeaddrinfo(list);
	return code;
}

static void lookup_run(struct errand *errand)
{
	struct lookup *lookup = container_of(errand, struct lookup, errand);

	lookup->code = ask_libc(lookup->node, lookup->service, &lookup->hints, &lookup->result, &lookup->error);
}

static void lookup_release(struct errand *errand)
{
	struct lookup *lookup = container_of(errand, struct lookup, errand);

	green_freeaddrinfo(lookup->result);
	free(lookup);
}

static struct lookup *lookup_create(const char *node, const char *service, const struct addrinfo *hints)
{
	static const struct addrinfo default_hints = { .ai_flags = AI_V4MAPPED | AI_ADDRCONFIG };
	size_t node_size = node ? strlen(node) + 1 : 0;
	size_t service_size = service ? strlen(service) + 1 : 0;
	struct lookup *lookup = green__fault_injected() ? NULL : calloc(1, sizeof(*lookup) + node_size + service_size);

	if (!lookup)
		return NULL;
	lookup->errand.run = lookup_run;
	lookup->errand.release = lookup_release;
	lookup->hints = hints ? *hints : default_hints;
	if (node)
		lookup->node = memcpy(lookup->text, node, node_size);
	if (service)
		lookup->service = memcpy(lookup->text + node_size, service, service_size);
	return lookup;
}

static int ask_elsewhere(struct hub *hub, const char *node, const char *service, const struct addrinfo *hints, int64_t deadline,
			 struct addrinfo **result, int *error)
{
	struct lookup *lookup = lookup_create(node, service, hints);
	int code;

	if (!lookup)
		return EAI_MEMORY;
	*error = green__raised_error(green__errand(hub, &lookup->errand, deadline));
	if (*error)
		return EAI_SYSTEM;
	code = lookup->code;
	*error = lookup->error;
	*result = lookup->result;
	lookup->result = NULL;
	lookup_release(&lookup->errand);
	return code;
}

/* Text that the kernel's own form of an address can be made of, with or without an interface's name after it. */
static bool numeric_node(const char *node)
{
	char text[INET6_ADDRSTRLEN];
	const char *end = strchrnul(node, '%');
	struct in6_addr address;

	if (inet_aton(node, (struct in_addr *)(void *)&address))
		return true;
	if ((size_t)(end - node) >= sizeof(text))
		return false;
	memcpy(text, node, (size_t)(end - node));
	text[end - node] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

static bool numeric_service(const char *service)
{
	return !service || service[strspn(service, "0123456789")] == '\0';
}

int green__getaddrinfo(struct hub *hub, const char *node, const char *service, const struct addrinfo *hints, int64_t deadline,
		       struct addrinfo **result, int *error)
{
	int flags = hints ? hints->ai_flags : 0;
	struct resolver *resolver;

	*error = 0;
	*result = NULL;
	if ((!node || (flags & AI_NUMERICHOST) || numeric_node(node)) && numeric_service(service))
		return ask_libc(node, service, hints, result, error);
	resolver = resolver_of(hub);
	if (!resolver)
		return EAI_MEMORY;
	if (resolver->options.kind == GREEN_RESOLVER_CARES && node)
		return green__cares_getaddrinfo(hub, resolver, node, service, hints, deadline, result, error);
	return ask_elsewhere(hub, node, service, hints, deadline, result, error);
}

static int coded(int code, int error)
{
	if (code == EAI_SYSTEM)
		errno = -error;
	return code;
}

int green_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	struct hub *hub = green__hub();
	struct addrinfo *found = NULL;
	int error, code;

	if (!hub)
		return EAI_MEMORY;
	code = green__getaddrinfo(hub, node, service, hints, CLOCK_NEVER, &found, &error);
	if (!code)
		*result = found;
	return coded(code, error);
}

/* --- from addresses to names --- */

struct naming {
	struct errand errand;
	struct sockaddr_storage address;
	socklen_t length;
	int flags, code, error;
	socklen_t host_size, service_size;
	char text[]; /* host, then service */
};

static void naming_run(struct errand *errand)
{
	struct naming *naming = container_of(errand, struct naming, errand);

	naming->code = getnameinfo((struct sockaddr *)&naming->address, naming->length, naming->host_size ? naming->text : NULL,
				   naming->host_size, naming->service_size ? naming->text + naming->host_size : NULL,
				   naming->service_size, naming->flags);
	naming->error = naming->code == EAI_SYSTEM ? -errno : 0;
}

static void naming_release(struct errand *errand)
{
	free(container_of(errand, struct naming, errand));
}

/* No name of a host or service is longer than these, whatever room the caller has. */
static socklen_t cut(const char *room, socklen_t size, socklen_t most)
{
	return !room ? 0 : size < most ? size : most;
}

static int name_elsewhere(struct hub *hub, struct naming *naming, char *host, char *service, int *error)
{
	int code;

	*error = green__raised_error(green__errand(hub, &naming->errand, CLOCK_NEVER));
	if (*error)
		return EAI_SYSTEM;
	code = naming->code;
	*error = naming->error;
	if (!code && naming->host_size)
		strcpy(host, naming->text);
	if (!code && naming->service_size)
		strcpy(service, naming->text + naming->host_size);
	naming_release(&naming->errand);
	return code;
}

int green_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
		      socklen_t service_size, int flags)
{
	bool numeric = (!host || (flags & NI_NUMERICHOST)) && (!service || (flags & NI_NUMERICSERV));
	struct hub *hub = green__hub();
	struct resolver *resolver = hub ? resolver_of(hub) : NULL;
	struct naming *naming;
	int error = 0, code;

	if (!resolver)
		return EAI_MEMORY;
	if (numeric || !address || length > sizeof(naming->address))
		return getnameinfo(address, length, host, host_size, service, service_size, flags);
	if (resolver->options.kind == GREEN_RESOLVER_CARES && host)
		return coded(green__cares_getnameinfo(hub, resolver, address, length, host, host_size, service, service_size, flags,
						      &error), error);
	host_size = cut(host, host_size, NI_MAXHOST);
	service_size = cut(service, service_size, NI_MAXSERV);
	naming = green__fault_injected() ? NULL : calloc(1, sizeof(*naming) + host_size + service_size);
	if (!naming)
		return EAI_MEMORY;
	naming->errand.run = naming_run;
	naming->errand.release = naming_release;
	memcpy(&naming->address, address, length);
	naming->length = length;
	naming->flags = flags;
	naming->host_size = host_size;
	naming->service_size = service_size;
	code = name_elsewhere(hub, naming, host, service, &error);
	return coded(code, error);
}
