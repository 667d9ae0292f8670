/* SPDX-License-Identifier: MIT */
/* http_get.c - an HTTP client: connections by origin, requests, and responses with their bodies */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_get.h"

enum {
	TIMEOUT_MS = 30000,
	LIMIT = 64 * 1024 * 1024,
	IDLE = 64,
	BLOCK = 16 * 1024,
	AHEAD = 32,       /* pipelined requests without an answer */
	MAX_INTERIM = 20, /* answers 1xx before the one that counts */
};

struct origin {
	bool tls;
	char host[256];
	char service[6];
};

struct url {
	struct origin origin;
	char authority[270];  /* as it stands in the header Host */
	char target[HTTP_MAX_LINE];
};

struct connection {
	struct connection *next;
	struct origin origin;
	struct green_stream *stream;
	bool used;            /* so the server may have closed it meanwhile */
};

struct http_client {
	struct http_client_options options;
	struct connection *idle; /* the last one that was used first */
	size_t idle_count;
	void *tls;            /* once it is needed */
};

/* ---- URLs ---- */

static bool copy_field(const char *url, const struct http_parser_url *fields, enum http_parser_url_fields field, char *text,
		       size_t size)
{
	size_t length = fields->field_data[field].len;

	if (!(fields->field_set & 1 << field) || length >= size)
		return false;
	memcpy(text, url + fields->field_data[field].off, length);
	text[length] = '\0';
	return true;
}

static void copy_target(const char *text, struct url *url)
{
	size_t begin = strcspn(text, "/?#"), end;

	/* After the scheme's "//". */
	begin = (size_t)(strstr(text, "//") - text) + 2;
	begin += strcspn(text + begin, "/?#");
	end = begin + strcspn(text + begin, "#");
	snprintf(url->target, sizeof(url->target), "%s%.*s", text[begin] == '/' ? "" : "/", (int)(end - begin), text + begin);
}

/* Users and passwords in URLs end up in logs, so there are none. */
static bool parse_url(const char *text, struct url *url)
{
	struct http_parser_url fields;
	char scheme[6];

	http_parser_url_init(&fields);
	if (strlen(text) >= HTTP_MAX_LINE - 1 || http_parser_parse_url(text, strlen(text), 0, &fields) ||
	    !copy_field(text, &fields, UF_SCHEMA, scheme, sizeof(scheme)) || fields.field_set & 1 << UF_USERINFO ||
	    !copy_field(text, &fields, UF_HOST, url->origin.host, sizeof(url->origin.host)) ||
	    (strcasecmp(scheme, "http") && strcasecmp(scheme, "https"))) {
		errno = EINVAL;
		return false;
	}
	url->origin.tls = !strcasecmp(scheme, "https");
	if (!copy_field(text, &fields, UF_PORT, url->origin.service, sizeof(url->origin.service)))
		strcpy(url->origin.service, url->origin.tls ? "443" : "80");
	snprintf(url->authority, sizeof(url->authority), strchr(url->origin.host, ':') ? "[%s]:%s" : "%s:%s",
		 url->origin.host, url->origin.service);
	if (!(fields.field_set & 1 << UF_PORT))
		*strrchr(url->authority, ':') = '\0';
	copy_target(text, url);
	return true;
}

static bool same_origin(const struct origin *one, const struct origin *other)
{
	return one->tls == other->tls && !strcasecmp(one->host, other->host) && !strcmp(one->service, other->service);
}

bool http_same_origin(const char *url, const char *other)
{
	struct url *parsed = calloc(2, sizeof(*parsed));
	bool good = parsed && parse_url(url, &parsed[0]) && parse_url(other, &parsed[1]);
	bool same = good && same_origin(&parsed[0].origin, &parsed[1].origin);

	free(parsed);
	return same;
}

/* ---- connections ---- */

static void discard(struct connection *connection)
{
	green_stream_abort(connection->stream);
	green_stream_destroy(connection->stream);
	free(connection);
}

/* The one that was used last is the least likely to be closed. */
static struct connection *take_idle(struct http_client *client, const struct origin *origin)
{
	for (struct connection **place = &client->idle; *place; place = &(*place)->next) {
		struct connection *connection = *place;

		if (!same_origin(&connection->origin, origin))
			continue;
		*place = connection->next;
		client->idle_count--;
		return connection;
	}
	return NULL;
}

static void discard_oldest(struct http_client *client)
{
	struct connection **place = &client->idle;

	while ((*place)->next)
		place = &(*place)->next;
	discard(*place);
	*place = NULL;
	client->idle_count--;
}

static void give_back(struct http_client *client, struct connection *connection)
{
	if (client->options.idle == SIZE_MAX) {
		discard(connection);
		return;
	}
	connection->used = true;
	connection->next = client->idle;
	client->idle = connection;
	if (++client->idle_count > client->options.idle)
		discard_oldest(client);
}

static struct green_stream *open_stream(struct http_client *client, const struct origin *origin)
{
	struct green_stream *stream;
	int fd;

	if (origin->tls && !client->tls)
		client->tls = http_tls_client(client->options.ca_file);
	if (origin->tls && !client->tls)
		return NULL;
	fd = green_dial(origin->host, origin->service, -1);
	if (fd < 0)
		return NULL;
	stream = origin->tls ? http_tls_connect(fd, client->tls, origin->host) : green_stream_create(fd);
	if (!stream) {
		int error = errno;

		green_close(fd);
		errno = error;
	}
	return stream;
}

static struct connection *make_connection(struct http_client *client, const struct origin *origin)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->origin = *origin;
	connection->stream = open_stream(client, origin);
	if (connection->stream)
		return connection;
	free(connection);
	return NULL;
}

/* ---- requests ---- */

static int send_request(struct connection *connection, const struct http_request *request, const struct url *url)
{
	struct http_head *head = malloc(sizeof(*head));
	const struct http_header *header = request->headers;
	int result;

	if (!head)
		return -1;
	http_begin_request(head, request->method ? request->method : "GET", url->target);
	http_add(head, "Host", "%s", url->authority);
	for (; header && header->name; header++)
		http_add(head, header->name, "%s", header->value);
	if (request->body)
		http_add(head, "Transfer-Encoding", "chunked");
	result = http_send_head(head, connection->stream);
	free(head);
	return result;
}

/* The body goes out while the answer comes in, or two who both wait until theirs is read would wait for ever. */
struct upload {
	const struct http_request *request;
	struct green_stream *stream;
	bool done;
};

static void *upload_main(void *arg)
{
	struct upload *upload = arg;
	char *block = malloc(BLOCK);
	ssize_t size = block ? 0 : -1;

	while (size >= 0 && (size = upload->request->body(upload->request->arg, block, BLOCK)) > 0) {
		if (http_send_chunk(upload->stream, block, (size_t)size) < 0)
			size = -1;
	}
	free(block);
	upload->done = size == 0 && http_end_chunks(upload->stream) == 0;
	/* Without its end the server must not take it for the whole; it answers that it is cut short, or closes. */
	if (!upload->done)
		green_stream_end_output(upload->stream);
	return NULL;
}

/* ---- responses ---- */

static int grow(struct http_response *response, size_t *room, size_t limit)
{
	size_t more = *room ? 2 * *room : BLOCK;
	char *body;

	if (response->size > limit) {
		errno = EMSGSIZE;
		return -1;
	}
	if (*room - response->size > 1)
		return 0;
	body = realloc(response->body, more);
	if (!body)
		return -1;
	response->body = body;
	*room = more;
	return 0;
}

static int read_body(struct http_response *response, size_t limit)
{
	size_t room = 0;
	ssize_t size = 1;

	while (size > 0) {
		if (grow(response, &room, limit) < 0)
			return -1;
		size = http_read_body(response->message, response->body + response->size, room - response->size - 1);
		if (size > 0)
			response->size += (size_t)size;
	}
	response->body[response->size] = '\0';
	return (int)size;
}

static bool is_interim(const struct http_message *message)
{
	return message->parser.status_code / 100 == 1 && message->parser.status_code != 101;
}

/* The head that counts; a few with 1xx may come before it, and are of no interest here. */
static int read_head(struct http_message *message, struct green_stream *stream, const char *method)
{
	int heads = 0, result;

	message->bodiless = method && !strcmp(method, "HEAD");
	do {
		result = http_wait(message, stream, -1);
		if (!result)
			result = http_read_head(message, HTTP_RESPONSE, -1);
	} while (!result && is_interim(message) && ++heads <= MAX_INTERIM);
	if (result > 0 || heads > MAX_INTERIM) {
		errno = EBADMSG;
		result = -1;
	}
	return result;
}

/* NULL with errno; *BEGUN: there was some answer */
static struct http_response *read_response(struct connection *connection, const char *method, size_t limit, bool *begun)
{
	struct http_response *response = calloc(1, sizeof(*response));

	if (!response)
		return NULL;
	response->message = calloc(1, sizeof(*response->message));
	if (response->message && read_head(response->message, connection->stream, method) == 0) {
		*begun = true;
		response->status = response->message->parser.status_code;
		if (read_body(response, limit) == 0)
			return response;
	}
	http_response_destroy(response);
	return NULL;
}

void http_response_destroy(struct http_response *response)
{
	int error = errno;

	if (!response)
		return;
	free(response->message);
	free(response->body);
	free(response);
	errno = error;
}

/* ---- calls ---- */

static struct http_response *exchange(struct http_client *client, struct connection *connection,
				      const struct http_request *request, const struct url *url, bool *begun)
{
	struct upload upload = { request, connection->stream, !request->body };
	struct greenlet *uploader = NULL;
	struct http_response *response = NULL;

	if (send_request(connection, request, url) == 0 && (!request->body || (uploader = green_spawn(upload_main, &upload))))
		response = read_response(connection, request->method, client->options.limit, begun);
	if (uploader) {
		int error = errno;

		/* It uses what is here, so it must have ended whatever has happened to the caller. */
		green_hold_errors();
		green_kill(uploader, -1);
		green_release_errors();
		green_destroy(uploader);
		errno = error;
	}
	if (response && !upload.done)
		response->message->keep_alive = false;
	return response;
}

static void finish(struct http_client *client, struct connection *connection, const struct http_response *response)
{
	const void *more;
	int error = errno;

	/* More bytes than the answer has would be taken for the next one. */
	if (response && response->message->keep_alive && green_stream_peek(connection->stream, &more) == 0)
		give_back(client, connection);
	else
		discard(connection);
	errno = error;
}

/* By the server, which may do so after any answer. */
static bool was_closed(int error)
{
	return error == 0 || error == ENODATA || error == ECONNRESET || error == EPIPE;
}

/* A connection from before may be closed by the server just then: what can be repeated is, with a new one. */
static bool may_repeat(const struct connection *connection, const struct http_request *request, bool begun)
{
	return connection->used && !begun && !request->body && was_closed(errno);
}

static struct http_response *fetch(struct http_client *client, const struct http_request *request, const struct url *url)
{
	struct http_response *response;
	bool repeat, begun = false;

	do {
		struct connection *connection = request->body ? NULL : take_idle(client, &url->origin);

		if (!connection)
			connection = make_connection(client, &url->origin);
		if (!connection)
			return NULL;
		response = exchange(client, connection, request, url, &begun);
		repeat = !response && may_repeat(connection, request, begun);
		finish(client, connection, response);
	} while (repeat);
	return response;
}

struct http_response *http_fetch(struct http_client *client, const struct http_request *request)
{
	struct http_response *response = NULL;
	struct url *url = malloc(sizeof(*url));
	struct green_timeout limit;

	if (url && parse_url(request->url, url) && green_timeout_start(&limit, client->options.timeout_ms) == 0) {
		response = fetch(client, request, url);
		green_timeout_end(&limit);
	}
	free(url);
	return response;
}

struct http_response *http_get(struct http_client *client, const char *url)
{
	return http_fetch(client, &(struct http_request){ .url = url });
}

/* ---- pipelining ---- */

/* Ask for one of URLS more. */
static bool ask(struct connection *connection, const char *text)
{
	struct url *url = malloc(sizeof(*url));
	bool sent = url && parse_url(text, url) && send_request(connection, &(struct http_request){ .url = text }, url) == 0;

	free(url);
	return sent;
}

/*
 * As many as there are answers for, up to the end of the connection
 *
 * Only so many requests are ahead of their answers that they fit into the buffers on the way: a server that waits until
 * its answers are read reads no requests.
 */
static size_t pipeline(struct http_client *client, struct connection *connection, const char *const *urls, size_t count,
		       struct http_response **responses)
{
	size_t got = 0, sent = 0;
	bool begun, open = true;

	while (got < count && open) {
		while (open && sent < count && sent - got < AHEAD)
			open = ask(connection, urls[sent]) && ++sent;
		responses[got] = open ? read_response(connection, NULL, client->options.limit, &begun) : NULL;
		open = responses[got] && responses[got]->message->keep_alive;
		got += responses[got] != NULL;
	}
	return got;
}

static size_t get_pipelined(struct http_client *client, const struct origin *origin, const char *const *urls, size_t count,
			    struct http_response **responses)
{
	size_t got = 0;
	bool again = true;

	while (got < count && again) {
		struct connection *connection = make_connection(client, origin);
		size_t more;

		if (!connection)
			break;
		errno = 0;
		more = pipeline(client, connection, urls + got, count - got, responses + got);
		got += more;
		again = more && was_closed(errno);
		finish(client, connection, got == count ? responses[got - 1] : NULL);
	}
	return got;
}

size_t http_get_pipelined(struct http_client *client, const char *const *urls, size_t count, struct http_response **responses)
{
	struct url *url = malloc(sizeof(*url));
	struct green_timeout limit;
	size_t got = 0;

	if (url && count && parse_url(urls[0], url) && green_timeout_start(&limit, client->options.timeout_ms) == 0) {
		got = get_pipelined(client, &url->origin, urls, count, responses);
		green_timeout_end(&limit);
	}
	free(url);
	return got;
}

/* ---- clients ---- */

struct http_client *http_client_create(const struct http_client_options *options)
{
	struct http_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->options = *options;
	if (!options->timeout_ms)
		client->options.timeout_ms = TIMEOUT_MS;
	if (!options->limit)
		client->options.limit = LIMIT;
	if (!options->idle)
		client->options.idle = IDLE;
	return client;
}

void http_client_destroy(struct http_client *client)
{
	if (!client)
		return;
	while (client->idle)
		discard_oldest(client);
	http_tls_destroy(client->tls);
	free(client);
}
