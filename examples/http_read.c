/* SPDX-License-Identifier: MIT */
/* http_read.c - requests and responses as they are read, each line checked before http_parser gets it */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http.h"

enum { CHUNK_LINE = 256 };

static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* ---- what http_parser tells ---- */

static int on_field(http_parser *parser, const char *text, size_t size)
{
	struct http_message *message = parser->data;

	if (message->head_done)
		return 0; /* a trailer; they are checked and dropped */
	if (message->header_count == HTTP_MAX_HEADERS)
		return -1;
	message->headers[message->header_count++] = (struct http_header){ (char *)text, (char *)text + size + 1 };
	return 0;
}

static int on_value(http_parser *parser, const char *text, size_t size)
{
	struct http_message *message = parser->data;

	(void)size;
	if (!message->head_done)
		message->headers[message->header_count - 1].value = (char *)text;
	return 0;
}

static int on_target(http_parser *parser, const char *text, size_t size)
{
	struct http_message *message = parser->data;

	(void)size;
	message->target = text;
	return 0;
}

static int on_head(http_parser *parser)
{
	struct http_message *message = parser->data;

	message->keep_alive = http_should_keep_alive(parser);
	message->chunked = parser->flags & F_CHUNKED;
	message->left = message->chunked ? 0 : parser->content_length;
	return message->bodiless;
}

static int on_chunk(http_parser *parser)
{
	struct http_message *message = parser->data;

	message->left = parser->content_length;
	return 0;
}

static int on_end(http_parser *parser)
{
	struct http_message *message = parser->data;

	message->complete = true;
	return 0;
}

static bool parse(struct http_message *message, const char *bytes, size_t size)
{
	static const struct http_parser_settings settings = {
		.on_url = on_target, .on_header_field = on_field, .on_header_value = on_value, .on_headers_complete = on_head,
		.on_chunk_header = on_chunk, .on_message_complete = on_end,
	};
	struct http_parser *parser = &message->parser;

	return http_parser_execute(parser, &settings, bytes, size) == size && HTTP_PARSER_ERRNO(parser) == HPE_OK;
}

/* ---- lines ---- */

/* Whether LINE of SIZE bytes ends in CR LF, with no other control character than tabs before. */
static bool is_line(const char *line, size_t size)
{
	if (size < 2 || line[size - 2] != '\r')
		return false;
	for (size_t i = 0; i < size - 2; i++) {
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return false;
	}
	return true;
}

/* NAME: VALUE, as it begins; a line that goes on with the one before, and a space before the colon, are none. */
static bool is_header(const char *line)
{
	size_t name = strspn(line, token);

	return name && line[name] == ':';
}

/* METHOD TARGET HTTP/1.1.  0, or the status to refuse it with */
static int check_request_line(const char *line)
{
	size_t method = strspn(line, token), target = 0;

	if (!method || line[method] != ' ')
		return 400;
	line += method + 1;
	while (line[target] > ' ' && line[target] < 0x7f)
		target++;
	if (!target || line[target] != ' ')
		return 400;
	line += target + 1;
	if (strncmp(line, "HTTP/", 5) || !isdigit(line[5]) || line[6] != '.' || !isdigit(line[7]) || line[8] != '\r')
		return 400;
	return line[5] == '1' && line[7] <= '1' ? 0 : 505;
}

/* A line more of the head, of which HAD bytes are there.  0; TOO_LONG or 400; -1 with errno */
static int read_line(struct http_message *message, size_t had, size_t limit, int too_long)
{
	char *line = message->head + message->size;
	ssize_t size = 0;

	if (!had || line[0] != '\n')
		size = green_stream_read_until(message->stream, line + had, limit - had, "\n", 1);
	if (size < 0)
		return errno == EMSGSIZE ? too_long : -1;
	if (size == 0 && !had)
		errno = ENODATA;
	if (size == 0)
		return had ? 400 : -1;
	message->size += had + (size_t)size;
	message->head[message->size] = '\0';
	return is_line(line, had + (size_t)size) ? 0 : 400;
}

/* ---- heads ---- */

/* One empty line before a request may be left from the one before it. */
static int read_first_line(struct http_message *message, enum http_parser_type type)
{
	int result = read_line(message, 1, HTTP_MAX_LINE + 2, 414);

	if (!result && message->size == 2 && type == HTTP_REQUEST) {
		message->size = 0;
		result = read_line(message, 0, HTTP_MAX_LINE + 2, 414);
	}
	return result || type == HTTP_RESPONSE ? result : check_request_line(message->head);
}

static int read_headers(struct http_message *message)
{
	size_t begin = message->size, line;
	int result;

	do {
		line = message->size;
		result = read_line(message, 0, begin + HTTP_MAX_HEAD - line, 431);
		if (result)
			return result;
		if (message->head[line] == '\r')
			return 0;
	} while (is_header(message->head + line));
	return 400;
}

/* Texts end where the parser saw their ends, spaces after values apart. */
static void end_texts(struct http_message *message)
{
	if (message->target)
		*strchr(message->target, ' ') = '\0';
	for (size_t i = 0; i < message->header_count; i++) {
		struct http_header *header = &message->headers[i];
		size_t size = strcspn(header->value, "\r");

		while (size && strchr(" \t", header->value[size - 1]))
			size--;
		header->value[size] = '\0';
		header->name[strcspn(header->name, ":")] = '\0';
	}
}

static size_t count(const struct http_message *message, const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < message->header_count; i++)
		found += !strcasecmp(message->headers[i].name, name);
	return found;
}

/* What peers may read in different ways is refused.  (Both lengths, or two, http_parser itself refuses.) */
static int check_framing(const struct http_message *message, enum http_parser_type type)
{
	size_t codings = count(message, "Transfer-Encoding");

	if (codings > 1 || (codings && message->parser.http_minor == 0))
		return 400;
	if (codings && strcasecmp(http_header(message, "Transfer-Encoding"), "chunked"))
		return 501;
	if (type == HTTP_REQUEST && (count(message, "Host") > 1 || (message->parser.http_minor && !count(message, "Host"))))
		return 400;
	return 0;
}

static int refusal(const struct http_message *message)
{
	switch (HTTP_PARSER_ERRNO(&message->parser)) {
	case HPE_INVALID_METHOD: return 501;
	case HPE_HEADER_OVERFLOW: case HPE_CB_header_field: return 431;
	default: return 400;
	}
}

static int parse_head(struct http_message *message, enum http_parser_type type)
{
	http_parser_init(&message->parser, type);
	message->parser.data = message;
	if (!parse(message, message->head, message->size))
		return refusal(message);
	message->head_done = true;
	message->has_body = !message->complete;
	end_texts(message);
	return check_framing(message, type);
}

static int read_head(struct http_message *message, enum http_parser_type type)
{
	int result = read_first_line(message, type);

	if (!result)
		result = read_headers(message);
	return result ? result : parse_head(message, type);
}

/* The first byte is apart: it tells a silent client from a slow one, and cannot be put back. */
int http_wait(struct http_message *message, struct green_stream *stream, int idle_ms)
{
	bool bodiless = message->bodiless;
	struct green_timeout limit;
	ssize_t size;

	memset(message, 0, offsetof(struct http_message, head));
	message->bodiless = bodiless;
	message->stream = stream;
	if (green_timeout_start(&limit, idle_ms) < 0)
		return -1;
	size = green_stream_read(stream, message->head, 1);
	green_timeout_end(&limit);
	if (size == 0)
		errno = ENODATA;
	return size == 1 ? 0 : -1;
}

int http_read_head(struct http_message *message, enum http_parser_type type, int head_ms)
{
	struct green_timeout limit;
	int result;

	if (green_timeout_start(&limit, head_ms) < 0)
		return -1;
	result = read_head(message, type);
	if (green_timeout_end(&limit) && result < 0)
		result = 408;
	return result;
}

const char *http_header(const struct http_message *message, const char *name)
{
	for (size_t i = 0; i < message->header_count; i++) {
		if (!strcasecmp(message->headers[i].name, name))
			return message->headers[i].value;
	}
	return NULL;
}

static bool lists(const char *value, const char *name)
{
	size_t length = strlen(name);

	for (value += strspn(value, ", \t"); *value; value += strspn(value, ", \t")) {
		size_t size = strcspn(value, ", \t");

		if (size == length && !strncasecmp(value, name, length))
			return true;
		value += size;
	}
	return false;
}

bool http_has_token(const struct http_message *message, const char *name, const char *of_list)
{
	for (size_t i = 0; i < message->header_count; i++) {
		if (!strcasecmp(message->headers[i].name, name) && lists(message->headers[i].value, of_list))
			return true;
	}
	return false;
}

/* ---- bodies ---- */

/* -1: RESULT of the stream was the end, or errno tells what else was wrong. */
static int body_error(ssize_t result)
{
	if (result == 0)
		errno = ENODATA;
	else if (errno == EMSGSIZE)
		errno = EBADMSG;
	return -1;
}

static int bad_framing(void)
{
	errno = EBADMSG;
	return -1;
}

/* LINE of SIZE bytes: figures of a hexadecimal number, and maybe extensions, which nobody needs. */
static bool is_chunk_line(const char *line, size_t size)
{
	size_t figures = strspn(line, "0123456789abcdefABCDEF");

	return is_line(line, size) && figures && figures <= 15 && (line[figures] == ';' || figures == size - 2);
}

static bool is_trailer(const char *line, size_t size)
{
	static const char *const forbidden[] = { "Transfer-Encoding:", "Content-Length:", "Host:", "Connection:", "Trailer:" };

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		if (!strncasecmp(line, forbidden[i], strlen(forbidden[i])))
			return false;
	}
	return is_line(line, size) && (is_header(line) || size == 2);
}

/* A line of the framing, of at most SIZE bytes, for the parser if IS_GOOD.  Its size, or -1 */
static ssize_t read_framing(struct http_message *message, char *line, size_t size, bool (*is_good)(const char *, size_t))
{
	ssize_t length = green_stream_read_until(message->stream, line, size - 1, "\n", 1);

	if (length <= 0)
		return body_error(length);
	line[length] = '\0';
	return is_good(line, (size_t)length) && parse(message, line, (size_t)length) ? length : bad_framing();
}

static int read_trailers(struct http_message *message)
{
	char line[CHUNK_LINE * 4];
	size_t total = 0;

	while (!message->complete) {
		ssize_t size = read_framing(message, line, sizeof(line), is_trailer);

		if (size < 0)
			return -1;
		total += (size_t)size;
		if (total > HTTP_MAX_HEAD)
			return bad_framing();
	}
	return 0;
}

/* The next chunk; the last one has no bytes, but trailers. */
static int begin_chunk(struct http_message *message)
{
	char line[CHUNK_LINE];

	if (read_framing(message, line, sizeof(line), is_chunk_line) < 0)
		return -1;
	return message->left ? 0 : read_trailers(message);
}

static bool is_empty_line(const char *line, size_t size)
{
	return size == 2 && line[0] == '\r';
}

static ssize_t read_piece(struct http_message *message, void *buffer, size_t size)
{
	bool chunked = message->chunked, endless = message->left == UINT64_MAX;
	ssize_t result = green_stream_read(message->stream, buffer, size < message->left ? size : message->left);
	char line[4];

	if (result == 0 && endless && parse(message, NULL, 0))
		message->complete = true;
	if (result == 0 && endless)
		return 0;
	if (result <= 0)
		return body_error(result);
	if (!parse(message, buffer, (size_t)result))
		return bad_framing();
	if (!endless)
		message->left -= (uint64_t)result;
	if (chunked && !message->left && read_framing(message, line, sizeof(line), is_empty_line) < 0)
		return -1;
	return result;
}

ssize_t http_read_body(struct http_message *message, void *buffer, size_t size)
{
	if (!message->complete && message->chunked && !message->left && begin_chunk(message) < 0)
		return -1;
	return message->complete ? 0 : read_piece(message, buffer, size);
}
