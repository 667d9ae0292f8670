/* SPDX-License-Identifier: MIT */
/*
 * stream_write.c - streams: writing
 *
 * What the kernel does not take at once waits in chunks, which do not move, since the
 * writer may be in the middle of one.  A call has added all its bytes or none.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/sys.h"
#include "hub/task.h"
#include "net/io.h"
#include "net/stream.h"

enum {
	CHUNK = 4096, /* room in one at least, so that small pieces share it */
	LINE = 512,
};

struct chunk {
	struct list link;
	size_t start, end, room;
	char bytes[];
};

/* One who waits for the writer; lies on the waiter's stack. */
struct out_wait {
	struct list link;
	struct waiter waiter;
	size_t level;
	bool closing; /* it waits in the name of green_stream_close */
};

/* --- chunks --- */

static struct chunk *chunk_create(size_t size)
{
	size_t room = size > CHUNK ? size : CHUNK;
	struct chunk *chunk = room > SIZE_MAX - sizeof(*chunk) || green__fault_injected() ? NULL : malloc(sizeof(*chunk) + room);

	if (chunk) {
		chunk->start = chunk->end = 0;
		chunk->room = room;
	}
	return chunk;
}

static void chunk_add(struct green_stream *stream, struct chunk *chunk, const void *bytes, size_t size)
{
	memcpy(chunk->bytes + chunk->end, bytes, size);
	chunk->end += size;
	stream->pending += size;
}

static struct chunk *first_chunk(const struct green_stream *stream)
{
	return list_empty(&stream->chunks) ? NULL : container_of(stream->chunks.next, struct chunk, link);
}

static void taken(struct green_stream *stream, struct chunk *chunk, size_t size)
{
	chunk->start += size;
	stream->pending -= size;
	if (chunk->start < chunk->end)
		return;
	list_remove(&chunk->link);
	free(chunk);
}

void green__stream_drop(struct green_stream *stream)
{
	struct list *node;

	while ((node = list_pop(&stream->chunks)))
		free(container_of(node, struct chunk, link));
	stream->pending = 0;
}

/* --- the writer --- */

void green__stream_tell(struct green_stream *stream)
{
	struct list *next;

	critical_enter(stream->hub->flow);
	for (struct list *node = stream->waits.next; node != &stream->waits; node = next) {
		struct out_wait *wait = container_of(node, struct out_wait, link);
		bool over = stream->closed || (stream->closing && !wait->closing);

		next = node->next;
		if (!over && !stream->output_error && stream->pending > wait->level)
			continue;
		list_remove(&wait->link);
		green__wake(&wait->waiter, over ? -EBADF : stream->output_error);
	}
	critical_leave(stream->hub->flow);
}

/* Returns: 0 when nothing waits any more; -errno */
static int write_out(struct green_stream *stream)
{
	struct chunk *chunk;

	while (!stream->closed && (chunk = first_chunk(stream))) {
		ssize_t done = stream->transport->write(stream->self, chunk->bytes + chunk->start, chunk->end - chunk->start);

		/* Nothing has gone, so nobody has to know. */
		if (done < 0 && errno == EINTR && !green__current->error)
			continue;
		if (done < 0)
			return -errno;
		taken(stream, chunk, (size_t)done);
		green__stream_tell(stream);
	}
	return stream->closed ? -EBADF : 0;
}

static void *writer_main(void *arg)
{
	struct green_stream *stream = arg;
	int error;

	stream->writer_begun = true;
	error = write_out(stream);
	stream->writer = NULL;
	if (error)
		stream->output_error = error;
	green__stream_tell(stream);
	green__stream_leave(stream);
	return NULL;
}

/*
 * See that what waits is written.  If there is no task to be had, the caller does it: then its own end or time
 * may end it, which says nothing about the stream.
 */
static int see_to_it(struct green_stream *stream)
{
	struct greenlet *task;
	int error;

	if (stream->writer || stream->pending == 0)
		return 0;
	task = green_spawn(writer_main, stream);
	if (task) {
		stream->writer = task;
		stream->writer_begun = false;
		stream->users++;
		green_destroy(task);
		return 0;
	}
	error = write_out(stream);
	if (error && green__current->error && error == -green_error_number(green__current->error))
		return -ECANCELED;
	if (error)
		stream->output_error = error;
	return error;
}

static int wait_until(struct green_stream *stream, size_t level)
{
	struct out_wait wait = { .level = level, .closing = stream->closing };
	int error;

	critical_enter(stream->hub->flow);
	green__waiter_init(&wait.waiter, WAIT_RAISABLE, "stream, for the kernel to take", stream);
	list_append(&stream->waits, &wait.link);
	error = green__park(&wait.waiter, CLOCK_NEVER);
	list_remove(&wait.link);
	critical_leave(stream->hub->flow);
	return error;
}

int green__stream_flush(struct green_stream *stream, size_t level)
{
	int error = 0;

	while (!error && !stream->output_error && stream->pending > level) {
		error = see_to_it(stream);
		if (!error && stream->pending > level && stream->writer)
			error = wait_until(stream, level);
	}
	return error ? error : stream->output_error;
}

/* --- writing --- */

static int enter_writing(struct green_stream *stream)
{
	int error = green__stream_enter(stream);

	if (error)
		return error;
	if (stream->writing)
		error = -EBUSY;
	else if (stream->output_ended)
		error = -EPIPE;
	else
		error = stream->output_error;
	if (error)
		green__stream_leave(stream);
	else
		stream->writing = true;
	return error;
}

static int leave_writing(struct green_stream *stream, int error)
{
	stream->writing = false;
	green__stream_leave(stream);
	return (int)sys_result(error);
}

/* Nothing waits: what the kernel takes at once need not be copied. */
static int put_first(struct green_stream *stream, const char *bytes, size_t size)
{
	struct chunk *chunk = chunk_create(size);
	long done = 0;

	if (!chunk)
		return -ENOMEM;
	if (stream->transport == &green__stream_own)
		done = green__stream_try(stream, bytes, size);
	if (done < 0 && done != -EAGAIN && done != -EINTR && done != -EOPNOTSUPP && done != -EINVAL && done != -ENOSYS) {
		free(chunk);
		return stream->output_error = (int)done;
	}
	if (done < 0)
		done = 0;
	if ((size_t)done == size) {
		free(chunk);
		return 0;
	}
	list_append(&stream->chunks, &chunk->link);
	chunk_add(stream, chunk, bytes + done, size - (size_t)done);
	return 0;
}

static int put(struct green_stream *stream, const char *bytes, size_t size)
{
	struct chunk *last = container_of(stream->chunks.prev, struct chunk, link), *more = NULL;
	size_t fits;

	if (size == 0)
		return 0;
	if (list_empty(&stream->chunks))
		return put_first(stream, bytes, size);
	fits = last->room - last->end < size ? last->room - last->end : size;
	if (fits < size && !(more = chunk_create(size - fits)))
		return -ENOMEM;
	chunk_add(stream, last, bytes, fits);
	if (more) {
		list_append(&stream->chunks, &more->link);
		chunk_add(stream, more, bytes + fits, size - fits);
	}
	return 0;
}

/* The bytes are in: that the caller is asked to end, or out of time, is told by its next call. */
static int write_added(struct green_stream *stream)
{
	int error = see_to_it(stream);

	if (!error && stream->pending > stream->high)
		error = green__stream_flush(stream, stream->low);
	if (error == -ECANCELED && green__current->error) {
		green__raise_again();
		error = 0;
	}
	green__io_burst(stream->hub);
	return error;
}

int green_stream_write(struct green_stream *stream, const void *bytes, size_t size)
{
	int error = enter_writing(stream);

	if (error)
		return (int)sys_result(error);
	if (stream->pending > stream->high)
		error = green__raised_error(green__stream_flush(stream, stream->low));
	if (!error)
		error = put(stream, bytes, size);
	if (!error)
		error = write_added(stream);
	return leave_writing(stream, error);
}

int green_stream_print(struct green_stream *stream, const char *format, ...)
{
	char line[LINE], *text = line;
	va_list arguments;
	int size, result;

	va_start(arguments, format);
	size = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (size < 0)
		return -1;
	if ((size_t)size >= sizeof(line)) {
		text = green__fault_injected() ? NULL : malloc((size_t)size + 1);
		if (!text)
			return (int)sys_result(-ENOMEM);
		va_start(arguments, format);
		vsnprintf(text, (size_t)size + 1, format, arguments);
		va_end(arguments);
	}
	result = green_stream_write(stream, text, (size_t)size);
	if (text != line)
		free(text);
	return result;
}

int green_stream_drain(struct green_stream *stream)
{
	int error = enter_writing(stream);

	if (error)
		return (int)sys_result(error);
	return leave_writing(stream, green__raised_error(green__stream_flush(stream, 0)));
}

int green_stream_end_output(struct green_stream *stream)
{
	int error = enter_writing(stream);

	if (error)
		return (int)sys_result(error);
	error = green__raised_error(green__stream_flush(stream, 0));
	if (!error && stream->transport->end_of_output && stream->transport->end_of_output(stream->self))
		error = -errno;
	if (!error)
		stream->output_ended = true;
	return leave_writing(stream, error);
}

int green_stream_set_water(struct green_stream *stream, size_t low, size_t high)
{
	if (low > high)
		return (int)sys_result(-EINVAL);
	stream->low = low;
	stream->high = high;
	green__stream_tell(stream);
	return 0;
}

size_t green_stream_pending(const struct green_stream *stream)
{
	return stream->pending;
}
