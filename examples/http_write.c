/* SPDX-License-Identifier: MIT */
/* http_write.c - requests and responses as they are sent; nothing that is put into a header can end it */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http.h"

static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* ---- heads ---- */

static int fail(struct http_head *head, int error)
{
	if (!head->error)
		head->error = error;
	errno = error;
	return -1;
}

static bool is_clean(const char *text, size_t size, bool spaces)
{
	for (size_t i = 0; i < size; i++) {
		bool space = text[i] == ' ' || text[i] == '\t';

		if (space ? !spaces : (unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return false;
	}
	return true;
}

static bool is_token(const char *text)
{
	return *text && !text[strspn(text, token)];
}

/* -1 if it does not fit; then nothing is added. */
static int append(struct http_head *head, const char *format, va_list values)
{
	size_t room = sizeof(head->text) - head->size;
	int size = vsnprintf(head->text + head->size, room, format, values);

	if (size < 0 || (size_t)size >= room)
		return fail(head, EMSGSIZE);
	head->size += (size_t)size;
	return 0;
}

static int append_text(struct http_head *head, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int append_text(struct http_head *head, const char *format, ...)
{
	va_list values;
	int result;

	va_start(values, format);
	result = append(head, format, values);
	va_end(values);
	return result;
}

void http_begin_request(struct http_head *head, const char *method, const char *target)
{
	head->error = 0;
	head->size = 0;
	if (!is_token(method) || !*target || !is_clean(target, strlen(target), false))
		fail(head, EINVAL);
	else
		append_text(head, "%s %s HTTP/1.1\r\n", method, target);
}

void http_begin_response(struct http_head *head, unsigned status)
{
	head->error = 0;
	head->size = 0;
	append_text(head, "HTTP/1.1 %u %s\r\n", status, http_status_str((enum http_status)status));
}

int http_add(struct http_head *head, const char *name, const char *format, ...)
{
	size_t begin = head->size, value;
	va_list values;
	int result;

	if (!is_token(name))
		return fail(head, EINVAL);
	if (append_text(head, "%s: ", name) < 0)
		return -1;
	value = head->size;
	va_start(values, format);
	result = append(head, format, values);
	va_end(values);
	if (!result && !is_clean(head->text + value, head->size - value, true))
		result = fail(head, EINVAL);
	if (!result)
		result = append_text(head, "\r\n");
	if (result)
		head->size = begin;
	return result;
}

ssize_t http_end_head(struct http_head *head, const void *body, size_t size)
{
	size_t room;

	append_text(head, "\r\n");
	if (head->error) {
		errno = head->error;
		return -1;
	}
	room = sizeof(head->text) - head->size;
	size = size < room ? size : room;
	memcpy(head->text + head->size, body, size);
	head->size += size;
	return (ssize_t)size;
}

int http_send_head(struct http_head *head, struct green_stream *stream)
{
	return http_end_head(head, "", 0) < 0 ? -1 : green_stream_write(stream, head->text, head->size);
}

/* ---- chunks ---- */

int http_send_chunk(struct green_stream *stream, const void *bytes, size_t size)
{
	if (size == 0)
		return 0;
	if (green_stream_print(stream, "%zx\r\n", size) < 0 || green_stream_write(stream, bytes, size) < 0)
		return -1;
	return green_stream_write(stream, "\r\n", 2);
}

int http_end_chunks(struct green_stream *stream)
{
	return green_stream_write(stream, "0\r\n\r\n", 5);
}
