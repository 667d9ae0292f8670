/* SPDX-License-Identifier: MIT */
/* http_session.c - one connection: its requests, one after the other, and how it ends */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "http_server.h"

enum {
	LINGER_MS = 1000,
	LINGER_BLOCK = 4096,
};

/* ---- in time ---- */

static void tell_to_continue(struct http_session *session)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	session->expects = false;
	http_transmit(session, text, strlen(text));
}

ssize_t http_receive(struct http_session *session, void *buffer, size_t size)
{
	struct green_timeout limit;
	ssize_t result;

	session->received = true;
	if (session->expects)
		tell_to_continue(session);
	if (green_timeout_start(&limit, session->server->stalled_ms) < 0)
		return -1;
	result = http_read_body(&session->request, buffer, size);
	green_timeout_end(&limit);
	return result;
}

/* A write that runs out of time after it has taken its bytes succeeds. */
int http_transmit(struct http_session *session, const void *bytes, size_t size)
{
	struct green_timeout limit;
	int result;

	if (green_timeout_start(&limit, session->server->stalled_ms) < 0)
		return -1;
	result = green_stream_write(session->stream, bytes, size);
	if (green_timeout_end(&limit)) {
		errno = ETIMEDOUT;
		result = -1;
	}
	session->broken |= result < 0;
	return result;
}

/* ---- answers ---- */

/* After these nobody knows what the client's next bytes are, or whether the server is well. */
static bool closes(unsigned status)
{
	return status == 400 || status == 408 || status == 414 || status == 417 || status == 431 || status >= 500;
}

static void add_date(struct http_head *head)
{
	time_t now = time(NULL);
	char date[40];
	struct tm parts;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
	http_add(head, "Date", "%s", date);
}

void http_answer(struct http_session *session, unsigned status)
{
	session->status = status;
	http_begin_response(&session->answer, status);
	add_date(&session->answer);
}

/* A body that nobody reads is not to be taken for a request, whenever it comes. */
static void add_connection(struct http_session *session)
{
	struct http_message *request = &session->request;

	if (closes(session->status) || session->server->stopping || (!request->complete && !session->received))
		session->closing = true;
	if (session->closing)
		http_add(&session->answer, "Connection", "close");
	else if (request->parser.http_minor == 0)
		http_add(&session->answer, "Connection", "keep-alive");
}

int http_transmit_head(struct http_session *session, const void *body, size_t size)
{
	struct http_head *answer = &session->answer;
	ssize_t fit;

	add_connection(session);
	fit = http_end_head(answer, body, size);
	if (fit < 0)
		return -1;
	session->begun = true;
	session->sent += size;
	if (http_transmit(session, answer->text, answer->size) < 0)
		return -1;
	return (size_t)fit == size ? 0 : http_transmit(session, (const char *)body + fit, size - (size_t)fit);
}

int http_answer_reason(struct http_session *session, unsigned status)
{
	bool to_head = session->request.head_done && session->request.parser.method == HTTP_HEAD;
	char text[100];
	int size = snprintf(text, sizeof(text), "%u %s\n", status, http_status_str((enum http_status)status));

	http_add(&session->answer, "Content-Type", "text/plain; charset=utf-8");
	http_add(&session->answer, "Content-Length", "%d", size);
	return http_transmit_head(session, text, to_head ? 0 : (size_t)size);
}

static void refuse(struct http_session *session, unsigned status)
{
	if (session->begun) {
		session->broken = true;
		return;
	}
	http_answer(session, status);
	http_answer_reason(session, status);
}

/* ---- requests ---- */

static void begin_request(struct http_session *session)
{
	session->begun = session->broken = session->closing = session->expects = session->received = false;
	session->status = 0;
	session->sent = 0;
}

/* 0; 417 if the client expects something that is unknown */
static unsigned note_expectation(struct http_session *session)
{
	const char *expect = http_header(&session->request, "Expect");

	if (!expect || session->request.parser.http_minor == 0)
		return 0;
	session->expects = session->request.has_body;
	return strcasecmp(expect, "100-continue") ? 417 : 0;
}

/* The next one begins, or the connection ends.  Who has been woken by a request answers it, whatever came just after. */
static bool wait_for_request(struct http_session *session)
{
	int result;

	session->waiting = true;
	http_dismiss(session);
	result = http_wait(&session->request, session->stream, session->server->idle_ms);
	session->waiting = false;
	if (session->server->stopping)
		green_error_clear();
	return result == 0;
}

/* Returns: whether another request may follow */
static bool serve_request(struct http_session *session)
{
	int64_t begin;
	int status;

	begin_request(session);
	if (!wait_for_request(session))
		return false;
	begin = green_now();
	status = http_read_head(&session->request, HTTP_REQUEST, session->server->head_ms);
	if (status < 0)
		return false;
	session->closing = !session->request.keep_alive;
	if (!status)
		status = (int)note_expectation(session);
	if (!status)
		status = (int)http_handle(session);
	if (status)
		refuse(session, (unsigned)status);
	http_log_request(session, (double)(green_now() - begin) / 1e6);
	return !session->closing && !session->broken && session->request.complete;
}

/* ---- beginning and end ---- */

/* A handshake has the time that the head of a request has. */
struct green_stream *http_open(int fd, void *arg)
{
	struct http_server *server = arg;
	struct green_stream *stream;
	struct green_timeout limit;

	if (!server->tls)
		return green_stream_create(fd);
	if (green_timeout_start(&limit, server->head_ms) < 0)
		return NULL;
	stream = http_tls_accept(fd, server->tls);
	green_timeout_end(&limit);
	return stream;
}

static void tell_peer(int fd, char *peer, size_t size)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getpeername(fd, (struct sockaddr *)&address, &length) < 0 ||
	    getnameinfo((struct sockaddr *)&address, length, peer, (socklen_t)size, NULL, 0, NI_NUMERICHOST))
		snprintf(peer, size, "-");
}

static void discard_input(struct green_stream *stream)
{
	char block[LINGER_BLOCK];

	while (green_stream_read(stream, block, sizeof(block)) > 0)
		;
}

/*
 * Give what is sent time to arrive
 *
 * Were the connection closed with input that nobody has read, the kernel would tell the client so at once, which
 * then might not see the answer.
 */
static void part(struct http_session *session)
{
	struct green_timeout limit;

	if (session->broken || green_timeout_start(&limit, session->server->stalled_ms) < 0) {
		green_stream_abort(session->stream);
		return;
	}
	if (green_stream_end_output(session->stream) < 0)
		green_stream_abort(session->stream);
	green_timeout_end(&limit);
	if (!session->status || green_timeout_start(&limit, LINGER_MS) < 0)
		return;
	discard_input(session->stream);
	green_timeout_end(&limit);
}

static void enter(struct http_session *session, struct green_stream *stream, struct http_server *server)
{
	int yes = 1;

	session->server = server;
	session->stream = stream;
	session->task = green_current();
	session->status = 0;
	session->next = server->sessions;
	server->sessions = session;
	session->request.bodiless = false;
	/* Parts of an answer need not wait for each other. */
	setsockopt(green_stream_fd(stream), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	tell_peer(green_stream_fd(stream), session->peer, sizeof(session->peer));
}

static void leave(struct http_session *session)
{
	struct http_session **place = &session->server->sessions;

	while (*place != session)
		place = &(*place)->next;
	*place = session->next;
	free(session);
}

void http_serve(struct green_stream *stream, void *server)
{
	struct http_session *session = malloc(sizeof(*session));

	if (!session) {
		green_stream_abort(stream);
		return;
	}
	enter(session, stream, server);
	while (serve_request(session))
		;
	part(session);
	leave(session);
}

/* A request that is there already will be answered. */
static bool has_input(const struct http_session *session)
{
	char byte;

	return recv(green_stream_fd(session->stream), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void http_dismiss(struct http_session *session)
{
	if (session->server->stopping && session->waiting && !has_input(session))
		green_cancel(session->task);
}
