/* SPDX-License-Identifier: MIT */
/* http_handlers.c - what the server has at which address: files, and an echo */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http_server.h"

enum {
	BLOCK = 16 * 1024,
	VALUE = 100,
};

/* ---- addresses ---- */

static int figure(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* SIZE bytes of TEXT, with %XX as what they stand for, into DECODED of ROOM bytes; false if that is no text, or too long. */
static bool decode(const char *text, size_t size, char *decoded, size_t room)
{
	const char *end = text + size;

	for (; text < end && room > 1; room--) {
		int byte = (unsigned char)*text++;

		if (byte == '%') {
			if (end - text < 2 || figure(text[0]) < 0 || figure(text[1]) < 0)
				return false;
			byte = figure(text[0]) * 16 + figure(text[1]);
			text += 2;
		}
		if (!byte)
			return false;
		*decoded++ = (char)byte;
	}
	*decoded = '\0';
	return text == end;
}

/* The path of TARGET: "/path" or "http://host/path"; of what follows "?" *QUERY, or "" */
static bool path_of(const char *target, char *path, const char **query)
{
	const char *begin = target;

	if (!strncasecmp(target, "http://", 7) || !strncasecmp(target, "https://", 8))
		begin = strchr(strstr(target, "//") + 2, '/');
	*query = strchr(target, '?');
	*query = *query ? *query + 1 : "";
	return begin && begin[0] == '/' && decode(begin, strcspn(begin, "?#"), path, HTTP_MAX_LINE);
}

/* ---- files ---- */

static unsigned status_of(int error)
{
	switch (error) {
	case ENOENT: case ENOTDIR: case ENAMETOOLONG:
		return 404;
	case EACCES: case EPERM: case EXDEV: case ELOOP: case ENXIO:
		return 403;
	default:
		return 500;
	}
}

/* LEFT bytes, which were promised, of a file that others may be changing; only this task waits for the disk. */
static unsigned send_rest(struct http_session *session, int file, char *block, off_t left)
{
	while (left > 0) {
		ssize_t size = green_read(file, block, left < BLOCK ? (size_t)left : BLOCK);

		if (size <= 0)
			return 500;
		if (http_transmit(session, block, (size_t)size) < 0)
			return 500;
		session->sent += (uint64_t)size;
		left -= size;
	}
	return 0;
}

static unsigned send_file(struct http_session *session, int file, off_t size, char *block)
{
	ssize_t first = 0;

	http_add(&session->answer, "Content-Length", "%lld", (long long)size);
	if (session->request.parser.method != HTTP_HEAD)
		first = green_read(file, block, size < BLOCK ? (size_t)size : BLOCK);
	if (first < 0)
		return 500;
	if (http_transmit_head(session, block, (size_t)first) < 0)
		return 500;
	return session->request.parser.method == HTTP_HEAD ? 0 : send_rest(session, file, block, size - first);
}

static unsigned answer_file(struct http_session *session, int file, const char *path)
{
	char *block = malloc(BLOCK);
	unsigned status = 500;
	struct stat stat;

	if (block && fstat(file, &stat) == 0) {
		http_answer(session, 200);
		http_add(&session->answer, "Content-Type", "%s", http_type_of(path));
		status = send_file(session, file, stat.st_size, block);
	}
	free(block);
	return status;
}

/*
 * To the same address with a "/" at its end
 *
 * As it came: encoded, so that no name of a directory can end the line.  One "/" at its begin: two would name another host.
 */
static unsigned redirect(struct http_session *session)
{
	const char *target = session->request.target;

	while (target[0] == '/' && target[1] == '/')
		target++;
	http_answer(session, 301);
	http_add(&session->answer, "Location", "%.*s/", (int)strcspn(target, "?#"), target);
	return http_answer_reason(session, 301) < 0 && !session->begun ? 500 : 0;
}

static unsigned get_file(struct http_session *session, const char *path, const char *query)
{
	int file = http_open_file(session->server->root, path);
	unsigned status;

	(void)query;
	if (file < 0)
		return errno == EISDIR ? redirect(session) : status_of(errno);
	status = answer_file(session, file, path);
	close(file);
	return status;
}

/* ---- echo ---- */

/* Why no more of the body has come. */
static unsigned body_status(void)
{
	return errno == ETIMEDOUT ? 408 : errno == EBADMSG || errno == ENODATA ? 400 : 500;
}

static int send_piece(struct http_session *session, const char *block, size_t size)
{
	char frame[24];

	session->sent += size;
	if (session->request.parser.http_minor == 0)
		return http_transmit(session, block, size);
	snprintf(frame, sizeof(frame), "%zx\r\n", size);
	if (http_transmit(session, frame, strlen(frame)) < 0 || http_transmit(session, block, size) < 0)
		return -1;
	return http_transmit(session, "\r\n", 2);
}

/* The head waits for the first piece, as what is wrong until then can still be told. */
static unsigned echo_body(struct http_session *session, char *block)
{
	bool chunked = session->request.parser.http_minor > 0;
	ssize_t size = http_receive(session, block, BLOCK);

	if (size < 0)
		return body_status();
	if (!chunked)
		session->closing = true;
	else
		http_add(&session->answer, "Transfer-Encoding", "chunked");
	if (http_transmit_head(session, "", 0) < 0)
		return 400;
	while (size > 0) {
		if (send_piece(session, block, (size_t)size) < 0)
			return 500;
		size = http_receive(session, block, BLOCK);
	}
	if (size < 0)
		return body_status();
	return chunked && http_transmit(session, "0\r\n\r\n", 5) < 0 ? 500 : 0;
}

/* /echo?type=text/plain chooses the answer's type; http_add refuses one that would be more than that. */
static unsigned echo(struct http_session *session, const char *path, const char *query)
{
	char type[VALUE] = "application/octet-stream", *block = malloc(BLOCK);
	bool good = strncmp(query, "type=", 5) || decode(query + 5, strcspn(query + 5, "&#"), type, sizeof(type));
	unsigned status = block ? 400 : 500;

	(void)path;
	http_answer(session, 200);
	if (block && good && http_add(&session->answer, "Content-Type", "%s", type) == 0)
		status = echo_body(session, block);
	free(block);
	return status;
}

/* ---- which of them ---- */

/* What is at an address, and how it may be asked for. */
static const struct route {
	const char *path; /* "" stands for the rest */
	const char *methods;
	unsigned (*handle)(struct http_session *session, const char *path, const char *query);
} routes[] = {
	{ "/echo", "OPTIONS, POST", echo },
	{ "", "GET, HEAD, OPTIONS", get_file },
};

static const struct route *find_route(const char *path)
{
	const struct route *route = routes;

	while (route->path[0] && strcmp(route->path, path))
		route++;
	return route;
}

static bool allows(const struct route *route, const char *method)
{
	const char *found = strstr(route->methods, method);

	return found && (found[strlen(method)] == ',' || !found[strlen(method)]);
}

static unsigned tell_methods(struct http_session *session, unsigned status, const char *methods)
{
	http_answer(session, status);
	http_add(&session->answer, "Allow", "%s", methods);
	if (status == 204)
		http_transmit_head(session, "", 0);
	else
		http_answer_reason(session, status);
	return 0;
}

unsigned http_handle(struct http_session *session)
{
	enum http_method number = (enum http_method)session->request.parser.method;
	const char *method = http_method_str(number), *query;
	const struct route *route;
	char path[HTTP_MAX_LINE];

	if (number != HTTP_GET && number != HTTP_HEAD && number != HTTP_POST && number != HTTP_OPTIONS)
		return 501;
	if (number == HTTP_OPTIONS && !strcmp(session->request.target, "*"))
		return tell_methods(session, 204, "GET, HEAD, OPTIONS, POST");
	if (!path_of(session->request.target, path, &query))
		return 400;
	route = find_route(path);
	if (number == HTTP_OPTIONS)
		return tell_methods(session, 204, route->methods);
	return allows(route, method) ? route->handle(session, path, query) : tell_methods(session, 405, route->methods);
}
