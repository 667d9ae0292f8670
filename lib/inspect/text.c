/* SPDX-License-Identifier: MIT */
/* text.c - text that is written to a descriptor piece by piece, or grows in memory */
#include "inspect/text.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/sys.h"

void green__text_to(struct text *text, int fd)
{
	text->fd = fd;
	text->grows = false;
	text->error = 0;
	text->used = 0;
	text->size = sizeof(text->piece);
	text->bytes = text->piece;
}

void green__text_in_memory(struct text *text)
{
	green__text_to(text, -1);
	text->grows = true;
}

void green__text_free(struct text *text)
{
	if (text->bytes != text->piece)
		free(text->bytes);
}

static long write_some(int fd, const char *bytes, size_t size)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	long done = sys_call(SYS_write, fd, bytes, size);

	if (done == -EINTR)
		return 0;
	if (done != -EAGAIN)
		return done;
	sys_call(SYS_ppoll, &room, 1, NULL, NULL, 8);
	return 0;
}

static void write_all(struct text *text, const char *bytes, size_t size)
{
	while (size > 0 && !text->error) {
		long done = write_some(text->fd, bytes, size);

		if (sys_failed(done)) {
			text->error = (int)done;
			return;
		}
		bytes += done;
		size -= (size_t)done;
	}
}

/* Room for SIZE more bytes. */
static void grow(struct text *text, size_t size)
{
	size_t wanted = text->size;
	char *bytes;

	while (wanted - text->used < size)
		wanted *= 2;
	if (wanted == text->size)
		return;
	bytes = green__fault_injected() ? NULL : realloc(text->bytes == text->piece ? NULL : text->bytes, wanted);
	if (!bytes) {
		text->error = -ENOMEM;
		return;
	}
	if (text->bytes == text->piece)
		memcpy(bytes, text->piece, text->used);
	text->bytes = bytes;
	text->size = wanted;
}

void green__text_add(struct text *text, const void *bytes, size_t size)
{
	if (text->grows)
		grow(text, size);
	else if (size > text->size - text->used)
		green__text_flush(text);
	if (text->error)
		return;
	if (size > text->size - text->used) {
		write_all(text, bytes, size);
		return;
	}
	memcpy(text->bytes + text->used, bytes, size);
	text->used += size;
}

void green__text_say(struct text *text, const char *format, ...)
{
	char line[TEXT_PIECE];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length > 0)
		green__text_add(text, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

int green__text_flush(struct text *text)
{
	if (!text->grows) {
		write_all(text, text->bytes, text->used);
		text->used = 0;
	}
	return text->error;
}
