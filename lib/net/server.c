/* SPDX-License-Identifier: MIT */
/*
 * server.c - servers: accept, a task for each client, back-pressure, a graceful end
 *
 * The listening socket has O_NONBLOCK, since other processes and hubs may accept from it, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/io.h"
#include "green/loop.h"
#include "green/server.h"
#include "green/stream.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "net/io.h"
#include "net/resolve.h"
#include "net/service.h"

enum {
	MAX_ACCEPT = 100,
	MAX_ACCEPT_SHARED = 1, /* others may accept from the same socket, so that each takes what it has time for */
	STOP_MS = 1000,
	PAUSE_MIN_MS = 10, /* after an error that may pass; doubles */
	PAUSE_MAX_MS = 1000,
};

struct client {
	struct member member;
	struct green_server *server;
	int fd; /* -1 once somebody else has it */
};

struct green_server {
	struct service service;    /* its crew: struct client.member; the taker accepts */
	struct green_server_options options; /* HOST and SERVICE are not kept */
	int fd;                    /* -1 once it is closed */
	unsigned port;
	int process;               /* green__process when it was made: a forked child leaves the path alone */
	dev_t path_device;         /* of the file that listening at a UNIX path has made */
	ino_t path_inode;          /* 0: none */
	struct green_watcher on_sigterm, on_sigint;
	bool paused, stopping, stopped; /* the bell tells of changes */
	int error;                 /* -errno that ended it */
	int pause_ms;              /* the next one */
};

/* --- clients --- */

static void serve_stream(struct client *client)
{
	const struct green_server_options *options = &client->server->options;
	struct green_stream *stream;

	stream = options->open_stream ? options->open_stream(client->fd, options->arg) : green_stream_create(client->fd);
	if (!stream)
		return;
	client->fd = -1;
	options->stream_handler(stream, options->arg);
	green_stream_destroy(stream);
}

static void client_run(struct member *member)
{
	struct client *client = container_of(member, struct client, member);
	const struct green_server_options *options = &client->server->options;

	if (options->handler)
		options->handler(client->fd, options->arg);
	else
		serve_stream(client);
}

static void client_ended(struct member *member)
{
	struct client *client = container_of(member, struct client, member);

	if (client->fd >= 0)
		green_close(client->fd);
	green__service_leave(&client->server->service);
	free(client);
}

static int serve(struct green_server *server, int fd)
{
	struct client *client = green__fault_injected() ? NULL : calloc(1, sizeof(*client));
	int error = client ? 0 : -ENOMEM;

	if (client) {
		client->server = server;
		client->fd = fd;
		client->member.run = client_run;
		client->member.ended = client_ended;
		error = green__service_add(&server->service, &client->member);
	}
	if (error) {
		free(client);
		green_close(fd);
	}
	return error;
}

/* --- accepting --- */

/* These concern one connection, which is gone already. */
static bool is_passing(long error)
{
	switch (-error) {
	case ECONNABORTED: case EINTR: case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN: case ENONET:
	case EHOSTUNREACH: case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

/* It is no listening socket, or no more. */
static bool is_final(long error)
{
	return error == -EBADF || error == -EINVAL || error == -ENOTSOCK || error == -EOPNOTSUPP || error == -ECANCELED;
}

static bool may_accept(const struct green_server *server)
{
	return !server->paused && (!server->options.limit || server->service.crew.count < server->options.limit);
}

/* Tell of ERROR, and let some time pass, in which others may give back what lacks. */
static int pause_after(struct green_server *server, long error)
{
	int64_t until = clock_after_ms(server->pause_ms);
	int result = 0;

	if (server->options.trouble)
		server->options.trouble(server, (int)-error, server->pause_ms, server->options.arg);
	server->pause_ms = server->pause_ms < PAUSE_MAX_MS / 2 ? 2 * server->pause_ms : PAUSE_MAX_MS;
	while (!result && !server->stopping)
		result = green__service_wait(&server->service, until, "server, a pause");
	return result == -ETIMEDOUT ? 0 : result;
}

/* One connection.  Returns: 1 if there was one; 0 if there is none now; -errno */
static long accept_one(struct green_server *server)
{
	long fd = green__fault_injected() ? -EMFILE : sys_call(SYS_accept4, server->fd, NULL, NULL, SOCK_CLOEXEC);
	int error;

	server->service.hub->flow->stats->io_calls++;
	if (fd == -EAGAIN)
		return 0;
	if (fd < 0)
		return is_passing(fd) ? 1 : fd;
	green__accepted(server->fd, (int)fd, 0);
	/* What the listener has, its connections do not inherit. */
	error = serve(server, (int)fd);
	if (!error)
		server->pause_ms = PAUSE_MIN_MS;
	return error ? error : 1;
}

/* Until there is no connection, no room, or it is others' turn.  Returns: 0 or -errno; *DRAINED: there is no connection */
static long accept_some(struct green_server *server, bool *drained)
{
	long result = 1;

	for (int i = 0; result > 0 && i < server->options.max_accept && may_accept(server) && !server->stopping; i++)
		result = accept_one(server);
	*drained = result == 0;
	return result < 0 ? result : 0;
}

/*
 * Returns: 0 when another attempt makes sense, or -errno
 *
 * Only after an attempt that found nothing is it certain that the next connection brings an event.
 */
static int wait_for_client(struct green_server *server, bool drained)
{
	if (!may_accept(server))
		return green__service_wait(&server->service, CLOCK_NEVER, "server, for room");
	if (!drained)
		return green__yield(server->service.hub);
	return green__fd_wait(server->service.hub, server->fd, EPOLLIN, CLOCK_NEVER, WAIT_RAISABLE);
}

static long accept_until_the_end(struct green_server *server)
{
	bool drained = false;
	long error = 0;

	while (!server->stopping && !is_final(error)) {
		if (error)
			error = pause_after(server, error);
		else if (may_accept(server))
			error = accept_some(server, &drained);
		if (!error && !server->stopping)
			error = wait_for_client(server, drained);
	}
	return server->stopping ? 0 : error;
}

/* The path of a UNIX socket, and what is there now; false if it has none. */
static bool path_of(int fd, struct sockaddr_un *address, struct stat *status)
{
	socklen_t length = sizeof(*address);

	memset(address, 0, sizeof(*address));
	return !sys_call(SYS_getsockname, fd, address, &length) && address->sun_family == AF_UNIX &&
	       address->sun_path[0] == '/' &&
	       !sys_call(SYS_newfstatat, AT_FDCWD, address->sun_path, status, AT_SYMLINK_NOFOLLOW);
}

static void path_note(struct green_server *server)
{
	struct sockaddr_un address;
	struct stat status;

	if (!path_of(server->fd, &address, &status))
		return;
	server->path_device = status.st_dev;
	server->path_inode = status.st_ino;
}

/* Before the socket is closed, so that nobody can have put another one in its place. */
static void path_remove(const struct green_server *server)
{
	struct sockaddr_un address;
	struct stat status;

	if (server->path_inode && server->process == green__process && path_of(server->fd, &address, &status) &&
	    status.st_dev == server->path_device && status.st_ino == server->path_inode)
		sys_call(SYS_unlinkat, AT_FDCWD, address.sun_path, 0);
}

static void close_listener(struct green_server *server)
{
	if (server->fd >= 0) {
		path_remove(server);
		green_close(server->fd);
	}
	server->fd = -1;
}

static void *accepter_main(void *arg)
{
	struct green_server *server = arg;
	long error = accept_until_the_end(server);

	if (error) {
		server->error = (int)error;
		if (server->options.trouble)
			server->options.trouble(server, (int)-error, 0, server->options.arg);
		server->stopped = true;
		close_listener(server);
	}
	bell_ring(server->service.hub, &server->service.bell);
	green__service_leave(&server->service);
	return NULL;
}

/* --- making one --- */

static int options_error(const struct green_server_options *options)
{
	if (!options || !options->handler == !options->stream_handler || options->max_accept < 0 || options->stop_timeout_ms < -1)
		return -EINVAL;
	if (options->handler && options->open_stream)
		return -EINVAL;
	return 0;
}

/* Readiness is only a hint where others accept, too. */
static void set_nonblocking(int fd)
{
	int on = 1;

	sys_call(SYS_ioctl, fd, FIONBIO, &on);
	green__descriptor_set_nonblocking(fd, true);
}

static int listen_for(struct hub *hub, const struct green_server_options *options)
{
	if (options->host || options->service)
		return green__listen(hub, options->host, options->service, options->backlog, options->flags);
	return green__descriptor_kind(options->fd) < 0 ? -EBADF : options->fd;
}

static void set_defaults(struct green_server_options *options, bool own)
{
	options->host = options->service = NULL;
	if (!options->max_accept)
		options->max_accept = own ? MAX_ACCEPT : MAX_ACCEPT_SHARED;
	if (!options->stop_timeout_ms)
		options->stop_timeout_ms = STOP_MS;
}

struct green_server *green_server_create(const struct green_server_options *options)
{
	struct hub *hub = green__hub();
	int error = hub ? options_error(options) : -ENOMEM;
	struct green_server *server = error || green__fault_injected() ? NULL : calloc(1, sizeof(*server));
	int fd = error;

	if (!error)
		fd = server ? listen_for(hub, options) : -ENOMEM;
	if (fd < 0) {
		free(server);
		errno = -fd;
		return NULL;
	}
	server->options = *options;
	set_defaults(&server->options, options->host || options->service);
	green__service_init(&server->service, hub);
	server->fd = fd;
	server->process = green__process;
	if (options->host)
		path_note(server);
	server->port = green__service_port(fd);
	server->pause_ms = PAUSE_MIN_MS;
	set_nonblocking(fd);
	return server;
}

static void *stopper_main(void *arg)
{
	struct green_server *server = arg;

	green_server_stop(server);
	green__service_leave(&server->service);
	return NULL;
}

static void unwatch(struct green_server *server)
{
	if (!server->options.stop_on_sigterm)
		return;
	green_watcher_stop(&server->on_sigterm);
	green_watcher_stop(&server->on_sigint);
}

/* In the hub, which cannot wait.  The next signal does what it did before. */
static void signalled(struct green_watcher *watcher, int number)
{
	struct green_server *server = watcher->data;
	struct greenlet *task = green_spawn(stopper_main, server);

	(void)number;
	if (task) {
		server->service.users++;
		green_destroy(task);
		unwatch(server);
	}
}

static int watch(struct green_server *server)
{
	if (!server->options.stop_on_sigterm)
		return 0;
	if (green_watch_signal(&server->on_sigterm, SIGTERM, signalled, server))
		return -1;
	if (green_watch_signal(&server->on_sigint, SIGINT, signalled, server)) {
		int error = errno;

		green_watcher_stop(&server->on_sigterm);
		errno = error;
		return -1;
	}
	return 0;
}

int green_server_start(struct green_server *server)
{
	if (server->stopping || server->stopped)
		return (int)sys_result(-EBADF);
	if (server->service.taker)
		return (int)sys_result(-EALREADY);
	if (watch(server))
		return -1;
	if (green__service_start(&server->service, accepter_main)) {
		unwatch(server);
		return -1;
	}
	return 0;
}

void green_server_pause(struct green_server *server)
{
	server->paused = true;
}

void green_server_resume(struct green_server *server)
{
	server->paused = false;
	bell_ring(server->service.hub, &server->service.bell);
}

int green_server_address(const struct green_server *server, struct sockaddr *address, socklen_t *length)
{
	return (int)sys_result(server->fd < 0 ? -EBADF : sys_call(SYS_getsockname, server->fd, address, length));
}

unsigned green_server_port(const struct green_server *server)
{
	return server->port;
}

size_t green_server_clients(const struct green_server *server)
{
	return server->service.crew.count;
}

/* --- the end --- */

/* Nobody is accepted any more when this returns. */
static void end_accepting(struct green_server *server)
{
	if (server->service.taker)
		unwatch(server);
	server->stopping = true;
	close_listener(server);
	bell_ring(server->service.hub, &server->service.bell);
}

int green_server_stop(struct green_server *server)
{
	int error;

	if (green__service_foreign(&server->service))
		return (int)sys_result(-EPERM);
	end_accepting(server);
	server->service.users++;
	error = green__crew_end(&server->service.crew, server->options.stop_timeout_ms);
	if (!error || error == -ETIMEDOUT)
		server->stopped = true;
	green__service_leave(&server->service);
	return (int)sys_result(green__raised_error(error));
}

int green_server_run(struct green_server *server)
{
	int error = 0;

	if (!server->service.taker && green_server_start(server))
		return -1;
	server->service.users++;
	while (!error && !server->stopped)
		error = green__service_wait(&server->service, CLOCK_NEVER, "server, for its end");
	error = error ? green__raised_error(error) : server->error;
	green__service_leave(&server->service);
	return (int)sys_result(error);
}

void green_server_destroy(struct green_server *server)
{
	int saved_errno = errno;

	if (!server)
		return;
	end_accepting(server);
	green__service_end_crew(&server->service);
	server->stopped = true;
	green__service_destroy(&server->service);
	errno = saved_errno;
}
