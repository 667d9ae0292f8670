/* SPDX-License-Identifier: MIT */
/* datagram.c - datagram servers: a task for each datagram */
#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/io.h"
#include "green/server.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "net/io.h"
#include "net/resolve.h"
#include "net/service.h"

enum {
	MAX_SIZE = 8192,
	PAUSE_MS = 10, /* after an error that may pass */
};

struct parcel {
	struct member member;
	struct green_datagram_server *server;
	struct green_datagram datagram;
	char bytes[];
};

struct green_datagram_server {
	struct service service; /* its crew: struct parcel.member; the taker receives */
	struct green_datagram_options options; /* HOST and SERVICE are not kept */
	int fd;                 /* -1 once it is closed */
	unsigned port;
	bool stopping, sending; /* the bell tells of changes */
};

static void parcel_run(struct member *member)
{
	struct parcel *parcel = container_of(member, struct parcel, member);
	const struct green_datagram_options *options = &parcel->server->options;

	options->handler(parcel->server, &parcel->datagram, options->arg);
}

static void parcel_ended(struct member *member)
{
	struct parcel *parcel = container_of(member, struct parcel, member);

	green__service_leave(&parcel->server->service);
	free(parcel);
}

static struct parcel *parcel_create(struct green_datagram_server *server)
{
	struct parcel *parcel = green__fault_injected() ? NULL : malloc(sizeof(*parcel) + server->options.max_size);

	if (parcel) {
		parcel->server = server;
		parcel->member.run = parcel_run;
		parcel->member.ended = parcel_ended;
		parcel->datagram.bytes = parcel->bytes;
		parcel->datagram.from_length = sizeof(parcel->datagram.from);
	}
	return parcel;
}

/* Returns: 0, or -errno */
static int receive_one(struct green_datagram_server *server)
{
	struct parcel *parcel = parcel_create(server), *smaller;
	struct green_datagram *datagram;
	long result;

	if (!parcel)
		return -ENOMEM;
	datagram = &parcel->datagram;
	result = green__recvfrom(server->fd, parcel->bytes, server->options.max_size, 0, (struct sockaddr *)&datagram->from,
				 &datagram->from_length);
	if (result < 0) {
		free(parcel);
		return (int)result;
	}
	datagram->size = (size_t)result;
	smaller = realloc(parcel, sizeof(*parcel) + datagram->size);
	parcel = smaller ? smaller : parcel;
	parcel->datagram.bytes = parcel->bytes;
	result = green__service_add(&server->service, &parcel->member);
	if (result)
		free(parcel);
	return (int)result;
}

static bool is_final(int error)
{
	return error == -EBADF || error == -EINVAL || error == -ENOTSOCK || error == -ECANCELED;
}

static bool has_room(const struct green_datagram_server *server)
{
	return !server->options.limit || server->service.crew.count < server->options.limit;
}

static void *receiver_main(void *arg)
{
	struct green_datagram_server *server = arg;
	int error = 0;

	while (!server->stopping && !is_final(error)) {
		if (!has_room(server)) {
			error = green__service_wait(&server->service, CLOCK_NEVER, "server, for room");
			continue;
		}
		error = receive_one(server);
		/* That an answer has not arrived is nobody's concern here; memory may come back. */
		if (error == -ENOMEM || error == -EAGAIN || error == -ENOBUFS)
			error = green__service_wait(&server->service, clock_after_ms(PAUSE_MS), "server, a pause");
		if (error == -ETIMEDOUT)
			error = 0;
	}
	green__service_leave(&server->service);
	return NULL;
}

static int bound_socket(struct hub *hub, const struct green_datagram_options *options)
{
	if (options->host || options->service)
		return green__bound_at(hub, options->host, options->service, SOCK_DGRAM, options->flags);
	return green__descriptor_kind(options->fd) < 0 ? -EBADF : options->fd;
}

struct green_datagram_server *green_datagram_server_create(const struct green_datagram_options *options)
{
	struct hub *hub = green__hub();
	int fd = !hub ? -ENOMEM : !options || !options->handler ? -EINVAL : 0;
	struct green_datagram_server *server = fd || green__fault_injected() ? NULL : calloc(1, sizeof(*server));

	if (!fd)
		fd = server ? bound_socket(hub, options) : -ENOMEM;
	if (fd < 0) {
		free(server);
		errno = -fd;
		return NULL;
	}
	server->options = *options;
	server->options.host = server->options.service = NULL;
	if (!server->options.max_size)
		server->options.max_size = MAX_SIZE;
	green__service_init(&server->service, hub);
	server->fd = fd;
	server->port = green__service_port(fd);
	return server;
}

int green_datagram_server_start(struct green_datagram_server *server)
{
	if (server->stopping)
		return (int)sys_result(-EBADF);
	return green__service_start(&server->service, receiver_main);
}

int green_datagram_server_send(struct green_datagram_server *server, const void *bytes, size_t size, const struct sockaddr *to,
			       socklen_t length)
{
	long result = 0;

	server->service.users++;
	while (!result && server->sending)
		result = green__raised_error(green__service_wait(&server->service, CLOCK_NEVER, "server, to send"));
	if (!result) {
		server->sending = true;
		result = server->fd < 0 ? -EBADF : green__sendto(server->fd, bytes, size, MSG_NOSIGNAL, to, length);
		server->sending = false;
	}
	green__service_leave(&server->service);
	return sys_result(result) < 0 ? -1 : 0;
}

unsigned green_datagram_server_port(const struct green_datagram_server *server)
{
	return server->port;
}

/* Nothing is received any more; answers can still be sent. */
static void end_receiving(struct green_datagram_server *server)
{
	struct greenlet *receiver = server->service.taker;

	if (server->stopping)
		return;
	server->stopping = true;
	critical_enter(server->service.hub->flow);
	/* One that has not begun sees it by itself. */
	if (receiver && receiver->state == GREENLET_ACTIVE)
		green__raise(receiver, GREEN_EXIT, NULL);
	critical_leave(server->service.hub->flow);
}

static void close_socket(struct green_datagram_server *server)
{
	if (server->fd >= 0)
		green_close(server->fd);
	server->fd = -1;
}

int green_datagram_server_stop(struct green_datagram_server *server, int timeout_ms)
{
	int error;

	if (green__service_foreign(&server->service))
		return (int)sys_result(-EPERM);
	end_receiving(server);
	server->service.users++;
	error = green__crew_end(&server->service.crew, timeout_ms);
	if (!error || error == -ETIMEDOUT)
		close_socket(server);
	green__service_leave(&server->service);
	return (int)sys_result(green__raised_error(error));
}

void green_datagram_server_destroy(struct green_datagram_server *server)
{
	int saved_errno = errno;

	if (!server)
		return;
	end_receiving(server);
	green__service_end_crew(&server->service);
	close_socket(server);
	green__service_destroy(&server->service);
	errno = saved_errno;
}
