/* SPDX-License-Identifier: MIT */
/* dial.c - connect to a name, trying each of its addresses; listen at a name */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/sys.h"
#include "green/io.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "net/io.h"
#include "net/resolve.h"

enum {
	HEAD_START_MS = 250, /* of an address before the next one is tried as well */
	BACKLOG = 128,
	FULL_MS = 50,        /* a local listener's backlog was full: look again no later than this */
};

#ifndef AT_SYMLINK_NOFOLLOW
#define AT_SYMLINK_NOFOLLOW 0x100
#endif

/* A connection that is being made or has failed. */
struct attempt {
	const struct addrinfo *address;
	int fd;    /* -1: not begun, or over */
	int error; /* why it failed */
};

struct dial {
	struct hub *hub;
	struct attempt *attempts; /* in the order in which they are tried */
	struct fd_wait *waits;
	size_t count, begun, pending;
	int64_t next_at;          /* when the next one begins, even if those before it have not failed */
};

static void drop(struct hub *hub, int fd)
{
	green__fd_closing(hub, fd);
	green__descriptor_forget(fd);
	sys_call(SYS_close, fd);
}

static int made_socket(int family, int type)
{
	bool inet = family == AF_INET || family == AF_INET6;
	long fd = sys_call(SYS_socket, family, type | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		green__descriptor_made((int)fd, (type & 0xf) != SOCK_STREAM ? DESCRIPTOR_DATAGRAM : inet ? DESCRIPTOR_TCP : DESCRIPTOR_STREAM,
				       type & SOCK_NONBLOCK);
	return (int)fd;
}

/* Without O_NONBLOCK, as every descriptor of the library's. */
static int won(int fd)
{
	int off = 0;

	sys_call(SYS_ioctl, fd, FIONBIO, &off);
	green__descriptor_set_nonblocking(fd, false);
	return fd;
}

/* --- several addresses --- */

/* Addresses of the first one's family and of others take turns, each kind in its own order. */
static void interleave(struct dial *dial, const struct addrinfo *list)
{
	const struct addrinfo *kind[2] = { list, list };
	int first = list->ai_family;

	for (size_t i = 0, turn = 0; i < dial->count; turn ^= 1) {
		while (kind[turn] && (kind[turn]->ai_family == first) == (turn == 1))
			kind[turn] = kind[turn]->ai_next;
		if (!kind[turn])
			continue;
		dial->attempts[i++] = (struct attempt) { .address = kind[turn], .fd = -1 };
		kind[turn] = kind[turn]->ai_next;
	}
}

static void fail(struct dial *dial, struct attempt *attempt, int error)
{
	if (attempt->fd >= 0) {
		drop(dial->hub, attempt->fd);
		dial->pending--;
	}
	attempt->fd = -1;
	attempt->error = error;
	dial->next_at = 0;
}

/* Returns: the descriptor if it is connected at once, else -1. */
static int begin(struct dial *dial)
{
	struct attempt *attempt = &dial->attempts[dial->begun++];
	const struct addrinfo *address = attempt->address;
	long result;
	int fd = made_socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK);

	dial->next_at = clock_after(HEAD_START_MS * NS_PER_MS);
	if (fd < 0) {
		fail(dial, attempt, fd);
		return -1;
	}
	result = sys_call(SYS_connect, fd, address->ai_addr, address->ai_addrlen);
	attempt->fd = fd;
	dial->pending++;
	if (result == 0)
		return fd;
	if (result != -EINPROGRESS)
		fail(dial, attempt, (int)result);
	return -1;
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);
	long result = sys_call(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &length);

	return result ? (int)result : -error;
}

/* Returns: a descriptor that is connected now, or -1. */
static int look(struct dial *dial)
{
	for (size_t i = 0; i < dial->begun; i++) {
		struct attempt *attempt = &dial->attempts[i];
		int error;

		if (attempt->fd < 0 || !green__io_ready(attempt->fd, POLLOUT))
			continue;
		error = socket_error(attempt->fd);
		if (!error)
			return attempt->fd;
		fail(dial, attempt, error);
	}
	return -1;
}

static int wait_for_news(struct dial *dial, int64_t deadline)
{
	size_t used = 0;

	for (size_t i = 0; i < dial->begun; i++) {
		if (dial->attempts[i].fd >= 0)
			dial->waits[used++] = (struct fd_wait) { .fd = dial->attempts[i].fd, .events = EPOLLOUT };
	}
	if (dial->begun < dial->count && dial->next_at < deadline)
		deadline = dial->next_at;
	return green__fd_wait_many(dial->hub, dial->waits, used, deadline, WAIT_RAISABLE);
}

/* Returns: the descriptor that won, or -errno. */
static int race(struct dial *dial, int64_t deadline)
{
	for (;;) {
		int fd = -1, error;

		while (fd < 0 && dial->begun < dial->count && dial->next_at <= clock_now())
			fd = begin(dial);
		if (fd < 0)
			fd = look(dial);
		if (fd >= 0)
			return fd;
		if (dial->begun < dial->count && dial->next_at == 0)
			continue;
		if (dial->pending == 0 && dial->begun == dial->count)
			return dial->attempts[0].error;
		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		error = wait_for_news(dial, deadline);
		if (error && error != -ETIMEDOUT)
			return green__raised_error(error);
	}
}

static int dial_list(struct hub *hub, const struct addrinfo *list, int64_t deadline)
{
	struct dial dial = { .hub = hub };
	int fd;

	for (const struct addrinfo *each = list; each; each = each->ai_next)
		dial.count++;
	dial.attempts = green__fault_injected() ? NULL : calloc(dial.count, sizeof(*dial.attempts) + sizeof(*dial.waits));
	if (!dial.attempts)
		return -ENOMEM;
	dial.waits = (struct fd_wait *)(void *)(dial.attempts + dial.count);
	interleave(&dial, list);
	fd = race(&dial, deadline);
	for (size_t i = 0; i < dial.begun; i++) {
		if (dial.attempts[i].fd >= 0 && dial.attempts[i].fd != fd)
			drop(hub, dial.attempts[i].fd);
	}
	free(dial.attempts);
	return fd < 0 ? fd : won(fd);
}

/* libc takes any number as that of a port, and of one that is too big the lower bits. */
static bool port_too_big(const char *service)
{
	unsigned long number = 0;

	for (; *service >= '0' && *service <= '9' && number <= UINT16_MAX; service++)
		number = 10 * number + (unsigned long)(*service - '0');
	return number > UINT16_MAX;
}

static int look_up(struct hub *hub, const char *host, const char *service, const struct addrinfo *hints, int64_t deadline,
		   struct addrinfo **list)
{
	int error, code;

	if (port_too_big(service))
		return -EINVAL;
	code = green__getaddrinfo(hub, host, service, hints, deadline, list, &error);
	return code ? green__eai_error(code, error) : 0;
}

/* --- local sockets --- */

/* The path in HOST, if that is a local socket's. */
static const char *path_of(const char *host)
{
	return host && strncmp(host, "unix:", 5) == 0 ? host + 5 : NULL;
}

static int local_address(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	if (!*path)
		return -EINVAL;
	strcpy(address->sun_path, path);
	return 0;
}

/* A listener with a full backlog cannot be waited for, so it is asked again, less and less often. */
static int connect_local(struct hub *hub, int fd, const struct sockaddr_un *address, int64_t deadline)
{
	int64_t pause = NS_PER_MS;
	long result;

	while ((result = sys_call(SYS_connect, fd, address, sizeof(*address))) == -EAGAIN) {
		int64_t soon = clock_after(pause);
		int error;

		if (clock_now() >= deadline)
			return -ETIMEDOUT;
		error = green__sleep(hub, soon < deadline ? soon : deadline, WAIT_RAISABLE);
		if (error)
			return green__raised_error(error);
		pause = pause < FULL_MS * NS_PER_MS / 2 ? 2 * pause : FULL_MS * NS_PER_MS;
	}
	return (int)result;
}

static int dial_local(struct hub *hub, const char *path, int64_t deadline)
{
	struct sockaddr_un address;
	int error = local_address(path, &address);
	int fd = error ? error : made_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);

	if (fd < 0)
		return fd;
	error = connect_local(hub, fd, &address, deadline);
	if (error) {
		drop(hub, fd);
		return error;
	}
	return won(fd);
}

int green__dial(struct hub *hub, const char *host, const char *service, int64_t deadline)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int result;

	if (path_of(host))
		return service ? -EINVAL : dial_local(hub, path_of(host), deadline);
	if (!host || !service)
		return -EINVAL;
	result = look_up(hub, host, service, &hints, deadline, &list);
	if (result)
		return result;
	result = dial_list(hub, list, deadline);
	green_freeaddrinfo(list);
	return result;
}

int green_dial(const char *host, const char *service, int timeout_ms)
{
	struct hub *hub = green__hub();

	return hub ? (int)sys_result(green__dial(hub, host, service, clock_after_ms(timeout_ms))) : -1;
}

/* --- listening --- */

/* True if ADDRESS is a socket that nobody listens at. */
static bool abandoned(const struct sockaddr_un *address)
{
	struct stat status;
	long result = -1;
	int fd;

	if (sys_call(SYS_newfstatat, AT_FDCWD, address->sun_path, &status, AT_SYMLINK_NOFOLLOW) || !S_ISSOCK(status.st_mode))
		return false;
	fd = (int)sys_call(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		result = sys_call(SYS_connect, fd, address, sizeof(*address));
		sys_call(SYS_close, fd);
	}
	return result == -ECONNREFUSED;
}

static int bind_local(const char *path, int type)
{
	struct sockaddr_un address;
	int error = local_address(path, &address);
	int fd = error ? error : made_socket(AF_UNIX, type);
	long result;

	if (fd < 0)
		return fd;
	result = sys_call(SYS_bind, fd, &address, sizeof(address));
	if (result == -EADDRINUSE && abandoned(&address)) {
		sys_call(SYS_unlinkat, AT_FDCWD, address.sun_path, 0);
		result = sys_call(SYS_bind, fd, &address, sizeof(address));
	}
	if (!result)
		return fd;
	green__descriptor_forget(fd);
	sys_call(SYS_close, fd);
	return (int)result;
}

static void set_option(int fd, int level, int name, int value)
{
	sys_call(SYS_setsockopt, fd, level, name, &value, sizeof(value));
}

/* BOTH: an IPv6 socket takes IPv4 as well. */
static int bind_one(const struct addrinfo *address, int type, int flags, bool both)
{
	int fd = made_socket(address->ai_family, type);
	long result;

	if (fd < 0)
		return fd;
	if (type == SOCK_STREAM)
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (flags & GREEN_REUSE_PORT)
		set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (address->ai_family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both);
	result = sys_call(SYS_bind, fd, address->ai_addr, address->ai_addrlen);
	if (!result)
		return fd;
	green__descriptor_forget(fd);
	sys_call(SYS_close, fd);
	return (int)result;
}

static int bind_family(struct hub *hub, const char *host, const char *service, int type, int flags, int family)
{
	const struct addrinfo hints = { .ai_socktype = type, .ai_family = family, .ai_flags = AI_PASSIVE };
	struct addrinfo *list;
	int result = look_up(hub, host, service, &hints, CLOCK_NEVER, &list), first = 0;

	if (result)
		return result;
	for (const struct addrinfo *each = list; each; each = each->ai_next) {
		result = bind_one(each, type, flags, !host);
		if (result >= 0)
			break;
		first = first ? first : result;
	}
	green_freeaddrinfo(list);
	return result < 0 ? first : result;
}

int green__bound_at(struct hub *hub, const char *host, const char *service, int type, int flags)
{
	int fd;

	if (flags & ~GREEN_REUSE_PORT)
		return -EINVAL;
	if (path_of(host))
		return service || type != SOCK_STREAM ? -EINVAL : bind_local(path_of(host), type);
	if (!service)
		return -EINVAL;
	if (host)
		return bind_family(hub, host, service, type, flags, AF_UNSPEC);
	fd = bind_family(hub, NULL, service, type, flags, AF_INET6);
	return fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL ? bind_family(hub, NULL, service, type, flags, AF_INET) : fd;
}

int green__listen(struct hub *hub, const char *host, const char *service, int backlog, int flags)
{
	int fd = backlog < 0 ? -EINVAL : green__bound_at(hub, host, service, SOCK_STREAM, flags);
	long result = fd < 0 ? fd : sys_call(SYS_listen, fd, backlog ? backlog : BACKLOG);

	if (fd >= 0 && result)
		drop(hub, fd);
	return result ? (int)result : fd;
}

int green_listen(const char *host, const char *service, int backlog, int flags)
{
	struct hub *hub = green__hub();

	return hub ? (int)sys_result(green__listen(hub, host, service, backlog, flags)) : -1;
}
