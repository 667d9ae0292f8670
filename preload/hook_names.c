/* SPDX-License-Identifier: MIT */
/*
 * hook_names.c - look-ups of hosts, services, users, groups and what else has a name
 *
 * libc asks servers, files and modules inside itself, which may take many seconds,
 * and keeps results in buffers of the thread; so the thread goes there itself.
 */
#include <aliases.h>
#include <arpa/inet.h>
#include <grp.h>
#include <gshadow.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <pwd.h>
#include <shadow.h>

#include "migrate.h"

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
	if (needs_no_server(node, hints))
		return real(getaddrinfo)(node, service, hints, found);
	return MIGRATED(real(getaddrinfo)(node, service, hints, found));
}

WRAPPER int getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
			socklen_t service_size, int flags)
{
	if (flags & NI_NUMERICHOST)
		return real(getnameinfo)(address, length, host, host_size, service, service_size, flags);
	return MIGRATED(real(getnameinfo)(address, length, host, host_size, service, service_size, flags));
}

/* --- hosts --- */

ELSEWHERE(struct hostent *, gethostbyname, (const char *name), (name))
ELSEWHERE(struct hostent *, gethostbyname2, (const char *name, int family), (name, family))
ELSEWHERE(struct hostent *, gethostbyaddr, (const void *address, socklen_t length, int family),
	  (address, length, family))
ELSEWHERE(int, gethostbyname_r,
	  (const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error),
	  (name, entry, buffer, size, found, error))
ELSEWHERE(int, gethostbyname2_r,
	  (const char *name, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error),
	  (name, family, entry, buffer, size, found, error))
ELSEWHERE(int, gethostbyaddr_r,
	  (const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t size,
	struct hostent **found, int *error),
	  (address, length, family, entry, buffer, size, found, error))
ELSEWHERE(int, gai_suspend, (const struct gaicb *const list[], int count, const struct timespec *timeout),
	  (list, count, timeout))
ELSEWHERE(int, res_query, (const char *name, int class, int type, unsigned char *answer, int size),
	  (name, class, type, answer, size))
ELSEWHERE(int, res_search, (const char *name, int class, int type, unsigned char *answer, int size),
	  (name, class, type, answer, size))
ELSEWHERE(int, res_nquery,
	  (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size),
	  (state, name, class, type, answer, size))
ELSEWHERE(int, res_nsearch,
	  (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size),
	  (state, name, class, type, answer, size))
ELSEWHERE(int, res_querydomain,
	  (const char *name, const char *domain, int class, int type, unsigned char *answer, int size),
	  (name, domain, class, type, answer, size))
ELSEWHERE(int, res_nquerydomain,
	  (struct __res_state *state, const char *name, const char *domain, int class, int type, unsigned char *answer, int size),
	  (state, name, domain, class, type, answer, size))
ELSEWHERE(int, res_send, (const unsigned char *question, int length, unsigned char *answer, int size),
	  (question, length, answer, size))
ELSEWHERE(int, res_nsend,
	  (struct __res_state *state, const unsigned char *question, int length, unsigned char *answer, int size),
	  (state, question, length, answer, size))
/* What <resolv.h> made of these names before 2.34. */
ALIAS(__res_query, res_query);
ALIAS(__res_search, res_search);
ALIAS(__res_nquery, res_nquery);
ALIAS(__res_nsearch, res_nsearch);
ALIAS(__res_querydomain, res_querydomain);
ALIAS(__res_nquerydomain, res_nquerydomain);
ALIAS(__res_send, res_send);
ALIAS(__res_nsend, res_nsend);

ELSEWHERE(struct hostent *, gethostent, (void), ())
ELSEWHERE(int, gethostent_r, (struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error),
	  (entry, buffer, size, found, error))
ELSEWHERE_VOID(sethostent, (int open), (open))
ELSEWHERE_VOID(endhostent, (void), ())
ELSEWHERE(struct netent *, getnetent, (void), ())
ELSEWHERE(int, getnetent_r, (struct netent *entry, char *buffer, size_t size, struct netent **found, int *error),
	  (entry, buffer, size, found, error))
ELSEWHERE_VOID(setnetent, (int open), (open))
ELSEWHERE_VOID(endnetent, (void), ())
ELSEWHERE(struct netent *, getnetbyname, (const char *name), (name))
ELSEWHERE(struct netent *, getnetbyaddr, (uint32_t address, int family), (address, family))
ELSEWHERE(int, getnetbyname_r,
	  (const char *name, struct netent *entry, char *buffer, size_t size, struct netent **found, int *error),
	  (name, entry, buffer, size, found, error))
ELSEWHERE(int, getnetbyaddr_r,
	  (uint32_t address, int family, struct netent *entry, char *buffer, size_t size, struct netent **found, int *error),
	  (address, family, entry, buffer, size, found, error))
ELSEWHERE(long, gethostid, (void), ())

/* --- users and groups --- */

ELSEWHERE(struct passwd *, getpwnam, (const char *name), (name))
ELSEWHERE(struct passwd *, getpwuid, (uid_t id), (id))
ELSEWHERE(int, getpwnam_r, (const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **found),
	  (name, entry, buffer, size, found))
ELSEWHERE(int, getpwuid_r, (uid_t id, struct passwd *entry, char *buffer, size_t size, struct passwd **found),
	  (id, entry, buffer, size, found))
ELSEWHERE(struct group *, getgrnam, (const char *name), (name))
ELSEWHERE(struct group *, getgrgid, (gid_t id), (id))
ELSEWHERE(int, getgrnam_r, (const char *name, struct group *entry, char *buffer, size_t size, struct group **found),
	  (name, entry, buffer, size, found))
ELSEWHERE(int, getgrgid_r, (gid_t id, struct group *entry, char *buffer, size_t size, struct group **found),
	  (id, entry, buffer, size, found))
ELSEWHERE(int, getgrouplist, (const char *user, gid_t group, gid_t *groups, int *count), (user, group, groups, count))
ELSEWHERE(struct spwd *, getspnam, (const char *name), (name))
ELSEWHERE(int, getspnam_r, (const char *name, struct spwd *entry, char *buffer, size_t size, struct spwd **found),
	  (name, entry, buffer, size, found))
ELSEWHERE(int, innetgr, (const char *group, const char *host, const char *user, const char *domain),
	  (group, host, user, domain))

/* One after the other: the place is libc's, behind a lock that is held while a server is asked. */
ELSEWHERE(struct passwd *, getpwent, (void), ())
ELSEWHERE(int, getpwent_r, (struct passwd *entry, char *buffer, size_t size, struct passwd **found),
	  (entry, buffer, size, found))
ELSEWHERE(struct group *, getgrent, (void), ())
ELSEWHERE(int, getgrent_r, (struct group *entry, char *buffer, size_t size, struct group **found),
	  (entry, buffer, size, found))
ELSEWHERE(struct spwd *, getspent, (void), ())
ELSEWHERE(int, getspent_r, (struct spwd *entry, char *buffer, size_t size, struct spwd **found),
	  (entry, buffer, size, found))
ELSEWHERE_VOID(setpwent, (void), ())
ELSEWHERE_VOID(endpwent, (void), ())
ELSEWHERE_VOID(setgrent, (void), ())
ELSEWHERE_VOID(endgrent, (void), ())
ELSEWHERE_VOID(setspent, (void), ())
ELSEWHERE_VOID(endspent, (void), ())
ELSEWHERE(int, setnetgrent, (const char *group), (group))
ELSEWHERE(int, getnetgrent, (char **host, char **user, char **domain), (host, user, domain))
ELSEWHERE(int, getnetgrent_r, (char **host, char **user, char **domain, char *buffer, size_t size),
	  (host, user, domain, buffer, size))
ELSEWHERE_VOID(endnetgrent, (void), ())

ELSEWHERE(struct sgrp *, getsgnam, (const char *name), (name))
ELSEWHERE(int, getsgnam_r, (const char *name, struct sgrp *entry, char *buffer, size_t size, struct sgrp **found),
	  (name, entry, buffer, size, found))
ELSEWHERE(struct sgrp *, getsgent, (void), ())
ELSEWHERE(int, getsgent_r, (struct sgrp *entry, char *buffer, size_t size, struct sgrp **found),
	  (entry, buffer, size, found))
ELSEWHERE_VOID(setsgent, (void), ())
ELSEWHERE_VOID(endsgent, (void), ())
ELSEWHERE(int, getpw, (uid_t id, char *line), (id, line))

/* Who is logged in: a file that is locked for a moment, and a user to look up. */
ELSEWHERE(char *, getlogin, (void), ())
ELSEWHERE(int, getlogin_r, (char *name, size_t size), (name, size))

extern void __chk_fail(void) __attribute__((noreturn));

WRAPPER int __getlogin_r_chk(char *name, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return getlogin_r(name, size);
}

/* --- services and protocols --- */

ELSEWHERE(struct servent *, getservbyname, (const char *name, const char *protocol), (name, protocol))
ELSEWHERE(struct servent *, getservbyport, (int port, const char *protocol), (port, protocol))
ELSEWHERE(struct protoent *, getprotobyname, (const char *name), (name))
ELSEWHERE(struct protoent *, getprotobynumber, (int number), (number))
ELSEWHERE(int, getservbyname_r,
	  (const char *name, const char *protocol, struct servent *entry, char *buffer, size_t size, struct servent **found),
	  (name, protocol, entry, buffer, size, found))
ELSEWHERE(int, getservbyport_r,
	  (int port, const char *protocol, struct servent *entry, char *buffer, size_t size, struct servent **found),
	  (port, protocol, entry, buffer, size, found))
ELSEWHERE(int, getprotobyname_r,
	  (const char *name, struct protoent *entry, char *buffer, size_t size, struct protoent **found),
	  (name, entry, buffer, size, found))
ELSEWHERE(int, getprotobynumber_r,
	  (int number, struct protoent *entry, char *buffer, size_t size, struct protoent **found),
	  (number, entry, buffer, size, found))
ELSEWHERE(struct servent *, getservent, (void), ())
ELSEWHERE(int, getservent_r, (struct servent *entry, char *buffer, size_t size, struct servent **found),
	  (entry, buffer, size, found))
ELSEWHERE(struct protoent *, getprotoent, (void), ())
ELSEWHERE(int, getprotoent_r, (struct protoent *entry, char *buffer, size_t size, struct protoent **found),
	  (entry, buffer, size, found))
ELSEWHERE_VOID(setservent, (int open), (open))
ELSEWHERE_VOID(endservent, (void), ())
ELSEWHERE_VOID(setprotoent, (int open), (open))
ELSEWHERE_VOID(endprotoent, (void), ())

ELSEWHERE(struct rpcent *, getrpcbyname, (const char *name), (name))
ELSEWHERE(struct rpcent *, getrpcbynumber, (int number), (number))
ELSEWHERE(int, getrpcbyname_r,
	  (const char *name, struct rpcent *entry, char *buffer, size_t size, struct rpcent **found),
	  (name, entry, buffer, size, found))
ELSEWHERE(int, getrpcbynumber_r, (int number, struct rpcent *entry, char *buffer, size_t size, struct rpcent **found),
	  (number, entry, buffer, size, found))
ELSEWHERE(struct rpcent *, getrpcent, (void), ())
ELSEWHERE(int, getrpcent_r, (struct rpcent *entry, char *buffer, size_t size, struct rpcent **found),
	  (entry, buffer, size, found))
ELSEWHERE_VOID(setrpcent, (int open), (open))
ELSEWHERE_VOID(endrpcent, (void), ())

/* --- mail aliases and network cards --- */

ELSEWHERE(struct aliasent *, getaliasbyname, (const char *name), (name))
ELSEWHERE(int, getaliasbyname_r,
	  (const char *name, struct aliasent *entry, char *buffer, size_t size, struct aliasent **found),
	  (name, entry, buffer, size, found))
ELSEWHERE(struct aliasent *, getaliasent, (void), ())
ELSEWHERE(int, getaliasent_r, (struct aliasent *entry, char *buffer, size_t size, struct aliasent **found),
	  (entry, buffer, size, found))
ELSEWHERE_VOID(setaliasent, (void), ())
ELSEWHERE_VOID(endaliasent, (void), ())
ELSEWHERE(int, ether_hostton, (const char *name, struct ether_addr *address), (name, address))
ELSEWHERE(int, ether_ntohost, (char *name, const struct ether_addr *address), (name, address))
