/* SPDX-License-Identifier: MIT */
/*
 * green/resolve.h - names and addresses
 *
 * By default libc's own functions answer, on a few kernel threads, so that
 * everything that the system is set up for (nsswitch.conf) holds; with GREEN_RESOLVER=cares in the
 * environment, or green_resolver_use, c-ares does, without threads.  Numeric addresses need neither.
 */
#ifndef GREEN_RESOLVE_H
#define GREEN_RESOLVE_H

#include <netdb.h>
#include <stddef.h>
#include <sys/socket.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

enum green_resolver {
	GREEN_RESOLVER_THREADS, /* libc's functions on kernel threads */
	GREEN_RESOLVER_CARES,   /* the library c-ares, if it is installed: DNS and the hosts file only */
};

struct green_resolver_options {
	enum green_resolver kind;
	const char *servers;  /* c-ares: addresses of name servers with commas between, each with :PORT or without; NULL: the system's */
	int timeout_ms;       /* c-ares: for the first try; 0: its own */
	int tries;            /* c-ares; 0: its own */
	unsigned threads;     /* libc: at most so many at a time in the whole process; 0: 10 */
};

/* green_resolver_use - answer as OPTIONS say from now on, in this kernel thread.  Returns: 0; -1 with errno EINVAL, ENOMEM, or ENOSYS: c-ares is not there */
int green_resolver_use(const struct green_resolver_options *options);

/*
 * green_getaddrinfo - getaddrinfo(3) of which only the calling greenlet waits
 *
 * Free *RESULT with green_freeaddrinfo, not with freeaddrinfo.
 * A look-up that is given up goes on behind the scenes, and counts among those at a time until libc gives up, too.
 * Switches: yes, unless NODE is numeric or NULL and SERVICE is a number or NULL.
 * Returns: 0 or an EAI_ code; EAI_SYSTEM with errno ETIMEDOUT or ECANCELED if the wait ended, EAGAIN if no kernel thread could be made
 */
int green_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);

void green_freeaddrinfo(struct addrinfo *result);

/* green_getnameinfo - getnameinfo(3), in the same way.  Switches: yes, unless FLAGS wants numbers only. */
int green_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
		      socklen_t service_size, int flags);

/*
 * green_dial - connect a stream socket to HOST and SERVICE, trying each of the addresses
 *
 * HOST: a name, an address, or "unix:PATH" (then SERVICE is NULL).  Addresses of both families are tried in turn, each next one
 * 250 ms after the one before or as soon as that fails; the first that is connected wins.  Of a UNIX listener whose backlog is
 * full room is waited for.
 *
 * Switches: yes.
 * Returns: the descriptor, for green_close; -1 with errno: that of the first address, ENOENT (no such name), EAGAIN (the name
 * cannot be looked up now), EINVAL (no HOST, no such SERVICE, a port above 65535), ETIMEDOUT (TIMEOUT_MS passed) or as in green/sync.h
 */
int green_dial(const char *host, const char *service, int timeout_ms);

/*
 * green_listen - a listening stream socket at HOST and SERVICE
 *
 * HOST: a name, an address, NULL for every address of the machine (IPv4 and IPv6), or "unix:PATH".  SERVICE "0": any free port.
 * BACKLOG: 0 means 128.  FLAGS: GREEN_REUSE_PORT lets several sockets share the port.
 * A UNIX socket that is there and at which nobody listens is replaced.
 *
 * Switches: yes, if HOST is a name or SERVICE is no number.
 * Returns: the descriptor, for green_close; -1 with errno
 */
enum { GREEN_REUSE_PORT = 1 };

int green_listen(const char *host, const char *service, int backlog, int flags);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
