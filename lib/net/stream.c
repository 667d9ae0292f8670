/* SPDX-License-Identifier: MIT */
/*
 * stream.c - streams: how they begin and end, and buffered reading
 *
 * Whatever has come stays in the buffer until a call can take it whole, so a call that is
 * killed or out of time has taken nothing.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/io.h"
#include "hub/descriptor.h"
#include "net/io.h"
#include "net/resolve.h"
#include "net/stream.h"

enum {
	READ_AHEAD = 4096,    /* how much is asked for at least */
	LIMIT = 64 * 1024,
	LOW_WATER = 16 * 1024,
	HIGH_WATER = 64 * 1024,
};

/* --- descriptors as transports --- */

/* O_NONBLOCK concerns those who read and write the descriptor themselves. */
static bool wait_again(struct green_stream *stream, long *result, uint32_t events)
{
	int error;

	if (*result != -EAGAIN || !green__descriptor_nonblocking(stream->fd))
		return false;
	error = green__fd_wait(stream->hub, stream->fd, events, CLOCK_NEVER, WAIT_RAISABLE);
	*result = green__raised_error(error);
	return !error;
}

static ssize_t own_read(void *self, void *buffer, size_t size)
{
	struct green_stream *stream = self;
	long result;

	do {
		if (stream->socket)
			result = green__recvfrom(stream->fd, buffer, size, 0, NULL, NULL);
		else
			result = green__read(stream->fd, buffer, size);
	} while (wait_again(stream, &result, EPOLLIN));
	return sys_result(result);
}

static ssize_t own_write(void *self, const void *buffer, size_t size)
{
	struct green_stream *stream = self;
	long result;

	do {
		if (stream->socket)
			result = green__sendto(stream->fd, buffer, size, MSG_NOSIGNAL, NULL, 0);
		else
			result = green__write(stream->fd, buffer, size);
	} while (wait_again(stream, &result, EPOLLOUT));
	return sys_result(result);
}

static int own_end(void *self)
{
	struct green_stream *stream = self;

	return (int)sys_result(sys_call(SYS_shutdown, stream->fd, SHUT_WR));
}

static void own_close(void *self, bool abort)
{
	static const struct linger at_once = { .l_onoff = 1 };
	struct green_stream *stream = self;
	int saved_errno = errno;

	if (abort && stream->socket)
		sys_call(SYS_setsockopt, stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	green_close(stream->fd);
	errno = saved_errno;
}

const struct green_stream_transport green__stream_own = {
	.read = own_read, .write = own_write, .end_of_output = own_end, .close = own_close,
};

long green__stream_try(struct green_stream *stream, const void *bytes, size_t size)
{
	struct iovec part = { (void *)bytes, size };

	green__current->flow->stats->io_calls++;
	if (stream->socket)
		return sys_call(SYS_sendto, stream->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	return sys_call(SYS_pwritev2, stream->fd, &part, 1, -1, -1, RWF_NOWAIT);
}

/* --- beginning and end --- */

struct green_stream *green_stream_create_over(const struct green_stream_transport *transport, void *self, int fd)
{
	struct hub *hub = green__hub();
	struct green_stream *stream = hub && !green__fault_injected() ? calloc(1, sizeof(*stream)) : NULL;

	if (!stream) {
		errno = ENOMEM;
		return NULL;
	}
	stream->transport = transport;
	stream->self = self;
	stream->fd = fd;
	stream->hub = hub;
	stream->limit = LIMIT;
	stream->low = LOW_WATER;
	stream->high = HIGH_WATER;
	list_init(&stream->chunks);
	list_init(&stream->waits);
	return stream;
}

/* A stream gathers small pieces itself, so what it writes need not wait for what the other end has acknowledged. */
static void send_at_once(int fd)
{
	static const int yes = 1;

	sys_call(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

struct green_stream *green_stream_create(int fd)
{
	int kind = green__descriptor_kind(fd);
	struct green_stream *stream;

	if (kind < 0) {
		errno = EBADF;
		return NULL;
	}
	stream = green_stream_create_over(&green__stream_own, NULL, fd);
	if (stream) {
		stream->self = stream;
		stream->socket = kind == DESCRIPTOR_TCP || kind == DESCRIPTOR_STREAM || kind == DESCRIPTOR_DATAGRAM;
		if (kind == DESCRIPTOR_TCP)
			send_at_once(fd);
	}
	return stream;
}

struct green_stream *green_stream_dial(const char *host, const char *service, int timeout_ms)
{
	int fd = green_dial(host, service, timeout_ms);
	struct green_stream *stream = fd < 0 ? NULL : green_stream_create(fd);

	if (fd >= 0 && !stream) {
		green_close(fd);
		errno = ENOMEM;
	}
	return stream;
}

void *green_stream_self(const struct green_stream *stream, const struct green_stream_transport *transport)
{
	return stream->transport == transport ? stream->self : NULL;
}

int green_stream_fd(const struct green_stream *stream)
{
	return stream->fd;
}

int green__stream_enter(struct green_stream *stream)
{
	struct greenlet *self = green__current;

	if (!self || self->flow != stream->hub->flow)
		return -EPERM;
	if (stream->closing || stream->closed)
		return -EBADF;
	stream->users++;
	return 0;
}

static void stream_free(struct green_stream *stream)
{
	if (stream->transport->destroy)
		stream->transport->destroy(stream->self);
	green__stream_drop(stream);
	free(stream->in);
	free(stream);
}

void green__stream_leave(struct green_stream *stream)
{
	if (--stream->users == 0 && stream->destroyed)
		stream_free(stream);
}

/* Everybody who is in a call of it fails; the writer ends when it comes to that. */
static void finish(struct green_stream *stream, bool abort)
{
	stream->closed = true;
	if (stream->transport->close)
		stream->transport->close(stream->self, abort);
	critical_enter(stream->hub->flow);
	if (stream->writer && stream->writer_begun)
		green__raise(stream->writer, GREEN_EXIT, NULL);
	critical_leave(stream->hub->flow);
	green__stream_tell(stream);
}

int green_stream_close(struct green_stream *stream)
{
	int error = green__stream_enter(stream);

	if (error)
		return (int)sys_result(error);
	stream->closing = true;
	green__stream_tell(stream);
	error = green__raised_error(green__stream_flush(stream, 0));
	if (!stream->closed)
		finish(stream, error != 0);
	green__stream_leave(stream);
	return (int)sys_result(error);
}

void green_stream_abort(struct green_stream *stream)
{
	if (!stream->closed && green__current && green__current->flow == stream->hub->flow)
		finish(stream, true);
}

void green_stream_destroy(struct green_stream *stream)
{
	int saved_errno = errno;

	if (!stream)
		return;
	if (!stream->closed && !stream->closing)
		green_stream_close(stream);
	errno = saved_errno;
	stream->destroyed = true;
	if (stream->users == 0)
		stream_free(stream);
}

/* --- the read buffer --- */

static int enter_reading(struct green_stream *stream)
{
	int error = green__stream_enter(stream);

	if (!error && stream->reading) {
		green__stream_leave(stream);
		error = -EBUSY;
	}
	if (!error)
		stream->reading = true;
	return error;
}

/* A big buffer is for one big thing; what a connection keeps is little. */
static void tidy(struct green_stream *stream)
{
	if (stream->start < stream->end)
		return;
	stream->start = stream->end = 0;
	if (stream->room > READ_AHEAD) {
		free(stream->in);
		stream->in = NULL;
		stream->room = 0;
	}
}

static ssize_t leave_reading(struct green_stream *stream, long result)
{
	stream->reading = false;
	tidy(stream);
	green__stream_leave(stream);
	return sys_result(result);
}

static size_t held(const struct green_stream *stream)
{
	return stream->end - stream->start;
}

/* What is held begins at the front of the buffer, and there is one byte of room behind it, and more if MOST bytes in all allow it. */
static int make_room(struct green_stream *stream, size_t most)
{
	size_t size = held(stream), wanted = 2 * size > READ_AHEAD ? 2 * size : READ_AHEAD;
	char *bytes;

	if (wanted > most)
		wanted = most > size ? most : size + 1;
	if (stream->start) {
		memmove(stream->in, stream->in + stream->start, size);
		stream->start = 0;
		stream->end = size;
	}
	if (stream->room > size && stream->room >= wanted)
		return 0;
	bytes = green__fault_injected() ? NULL : realloc(stream->in, wanted);
	if (!bytes)
		return -ENOMEM;
	stream->in = bytes;
	stream->room = wanted;
	return 0;
}

static long take_in(struct green_stream *stream, char *to, size_t size)
{
	ssize_t got = stream->transport->read(stream->self, to, size);

	if (stream->closed || stream->closing)
		return -EBADF;
	if (got == 0)
		stream->ended = true;
	return got < 0 ? -errno : got;
}

/* Read more, so that at most MOST bytes are held.  Returns: how many came; 0 at the end; -errno */
static long fill(struct green_stream *stream, size_t most)
{
	int error = make_room(stream, most);
	long got;

	if (error)
		return error;
	got = take_in(stream, stream->in + stream->end, stream->room - stream->end);
	if (got > 0)
		stream->end += (size_t)got;
	return got;
}

static void hand_out(struct green_stream *stream, void *buffer, size_t size)
{
	memcpy(buffer, stream->in + stream->start, size);
	stream->start += size;
}

/* --- reading --- */

static long read_some(struct green_stream *stream, void *buffer, size_t size)
{
	if (size == 0)
		return 0;
	if (held(stream) == 0) {
		long got = 0;

		if (stream->ended)
			return 0;
		/* Nothing would be gained by a stop in between. */
		if (size >= READ_AHEAD)
			return take_in(stream, buffer, size);
		got = fill(stream, READ_AHEAD);
		if (got <= 0)
			return got;
	}
	if (size > held(stream))
		size = held(stream);
	hand_out(stream, buffer, size);
	return (long)size;
}

ssize_t green_stream_read(struct green_stream *stream, void *buffer, size_t size)
{
	int error = enter_reading(stream);

	return error ? sys_result(error) : leave_reading(stream, read_some(stream, buffer, size));
}

static long read_exactly(struct green_stream *stream, void *buffer, size_t size)
{
	while (held(stream) < size) {
		long got = stream->ended ? 0 : fill(stream, size > READ_AHEAD ? size : READ_AHEAD);

		if (got <= 0)
			return got ? got : -ENODATA;
	}
	if (size)
		hand_out(stream, buffer, size);
	return 0;
}

int green_stream_read_exactly(struct green_stream *stream, void *buffer, size_t size)
{
	int error = enter_reading(stream);

	return (int)(error ? sys_result(error) : leave_reading(stream, read_exactly(stream, buffer, size)));
}

/*
 * How many bytes there are up to and with the first DELIMITER, reading more as needed
 *
 * Returns: that; 0 at the end if nothing is held; -ENODATA at the end else; -EMSGSIZE if it would
 * be more than MOST, or if more than the limit lies before the delimiter; -errno
 */
static long find(struct green_stream *stream, const void *delimiter, size_t size, size_t most)
{
	size_t seen = 0;

	for (;;) {
		const char *from = stream->in + stream->start;
		size_t have = held(stream);
		const char *found = have > seen ? memmem(from + seen, have - seen, delimiter, size) : NULL;
		size_t total = found ? (size_t)(found - from) + size : have + 1;
		long got;

		if (found && total <= most && total - size <= stream->limit)
			return (long)total;
		if (!found && stream->ended)
			return have ? -ENODATA : 0;
		if (found || total > most || have >= stream->limit + size)
			return -EMSGSIZE;
		seen = have >= size ? have - size + 1 : 0;
		got = fill(stream, stream->limit + size);
		if (got < 0)
			return got;
	}
}

static long read_until(struct green_stream *stream, void *buffer, size_t size, const void *delimiter, size_t delimiter_size)
{
	long total = delimiter_size ? find(stream, delimiter, delimiter_size, size) : -EINVAL;

	if (total > 0)
		hand_out(stream, buffer, (size_t)total);
	return total;
}

ssize_t green_stream_read_until(struct green_stream *stream, void *buffer, size_t size, const void *delimiter, size_t delimiter_size)
{
	int error = enter_reading(stream);

	return error ? sys_result(error) : leave_reading(stream, read_until(stream, buffer, size, delimiter, delimiter_size));
}

static long read_line(struct green_stream *stream, char *buffer, size_t size)
{
	/* The two bytes of an end have no place in the buffer, its zero has. */
	long total = size ? find(stream, "\n", 1, size + 1) : -EINVAL;
	size_t length;

	if (total == 0 || (total < 0 && total != -ENODATA))
		return total;
	length = total < 0 ? held(stream) : (size_t)total - 1;
	if (total > 1 && stream->in[stream->start + length - 1] == '\r')
		length--;
	if (length >= size)
		return -EMSGSIZE;
	memcpy(buffer, stream->in + stream->start, length);
	buffer[length] = '\0';
	stream->start += total < 0 ? length : (size_t)total;
	return (long)length + 1;
}

ssize_t green_stream_read_line(struct green_stream *stream, char *buffer, size_t size)
{
	int error = enter_reading(stream);

	return error ? sys_result(error) : leave_reading(stream, read_line(stream, buffer, size));
}

static long read_all(struct green_stream *stream, char **bytes, size_t limit)
{
	size_t size;

	/* One more, to see that it is too much; and there is room for the zero when the end has been seen. */
	while (!stream->ended && held(stream) <= limit) {
		long got = fill(stream, limit < SIZE_MAX - 1 ? limit + 1 : SIZE_MAX - 1);

		if (got < 0)
			return got;
	}
	size = held(stream);
	if (size > limit)
		return -EMSGSIZE;
	if (make_room(stream, size + 1))
		return -ENOMEM;
	stream->in[size] = '\0';
	*bytes = stream->in;
	stream->in = NULL;
	stream->start = stream->end = stream->room = 0;
	return (long)size;
}

ssize_t green_stream_read_all(struct green_stream *stream, char **bytes, size_t limit)
{
	int error = enter_reading(stream);

	return error ? sys_result(error) : leave_reading(stream, read_all(stream, bytes, limit));
}

size_t green_stream_peek(struct green_stream *stream, const void **bytes)
{
	*bytes = stream->in ? stream->in + stream->start : NULL;
	return held(stream);
}

bool green_stream_at_end(const struct green_stream *stream)
{
	return stream->ended && held(stream) == 0;
}

int green_stream_set_limit(struct green_stream *stream, size_t bytes)
{
	if (bytes == 0 || bytes > SIZE_MAX / 4)
		return (int)sys_result(-EINVAL);
	stream->limit = bytes;
	return 0;
}
