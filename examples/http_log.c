/* SPDX-License-Identifier: MIT */
/* http_log.c - a line for each request, in which nothing is secret and nothing that a client sends begins another line */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "http_server.h"

enum {
	LINE = 2048,
	WAITING = 48 * 1024, /* of a log that is read slowly; what would be more is left out, as no client waits for the log */
};

static void append(char *line, const char *text)
{
	size_t used = strlen(line);

	snprintf(line + used, LINE - used, "%s", text);
}

/* TEXT with everything as \xNN that could be taken for the log's own. */
static void append_quoted(char *line, const char *text)
{
	size_t used = strlen(line);

	for (; *text && used + 5 < LINE; text++) {
		bool plain = isprint((unsigned char)*text) && *text != '"' && *text != '\\';

		used += (size_t)sprintf(line + used, plain ? "%c" : "\\x%02x", (unsigned char)*text);
	}
}

static void append_request(char *line, const struct http_message *request)
{
	if (!request->head_done) {
		append(line, "-");
		return;
	}
	append(line, http_method_str((enum http_method)request->parser.method));
	append(line, " ");
	append_quoted(line, request->target);
	append(line, request->parser.http_minor ? " HTTP/1.1" : " HTTP/1.0");
}

/* Passwords, cookies and the like are in values: only their lengths are told. */
static void append_headers(char *line, const struct http_message *request)
{
	char size[32];

	for (size_t i = 0; i < request->header_count && request->head_done; i++) {
		append(line, i ? ", " : " [");
		append_quoted(line, request->headers[i].name);
		snprintf(size, sizeof(size), ": <%zu>", strlen(request->headers[i].value));
		append(line, size);
	}
	if (request->header_count && request->head_done)
		append(line, "]");
}

void http_log_request(const struct http_session *session, double milliseconds)
{
	const struct http_log *log = &session->server->log;
	char line[LINE], tail[80];

	if (!log->line)
		return;
	snprintf(line, sizeof(line), "%s \"", session->peer);
	append_request(line, &session->request);
	snprintf(tail, sizeof(tail), "\" %u %llu %.1fms%s", session->status, (unsigned long long)session->sent, milliseconds,
		 session->broken ? " cut short" : "");
	append(line, tail);
	if (log->headers)
		append_headers(line, &session->request);
	log->line(line, log->arg);
}

void http_log_to_stream(const char *text, void *stream)
{
	if (green_stream_pending(stream) < WAITING)
		green_stream_print(stream, "%s\n", text);
}
