/* SPDX-License-Identifier: MIT */
/*
 * http.h - messages of HTTP/1.0 and 1.1, for servers and clients
 *
 * The grammar is http_parser's.  It lets pass what peers read in different ways, which is how requests are smuggled; so each
 * line is looked at before the parser gets it, and the parser gets no byte that is not of this message.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <http_parser.h>

#include <green.h>

enum {
	HTTP_MAX_LINE = 8192,        /* the longest first line, without its end */
	HTTP_MAX_HEAD = 32 * 1024,   /* all lines of a head, or of trailers */
	HTTP_MAX_HEADERS = 100,
};

struct http_header {
	char *name, *value;
};

/* A request or a response as it is read.  Its texts lie in HEAD. */
struct http_message {
	struct green_stream *stream;
	struct http_parser parser;   /* its METHOD, STATUS_CODE, HTTP_MINOR */
	const char *target;          /* of a request */
	struct http_header headers[HTTP_MAX_HEADERS];
	size_t header_count;
	bool keep_alive;             /* the connection can be used again after the body */
	bool chunked;
	bool has_body;
	bool bodiless;               /* set before: a response to HEAD, whose head tells of a body that does not come */
	bool head_done, complete;
	uint64_t left;               /* of the body or the chunk; UINT64_MAX: until the stream ends */
	size_t size;                 /* of HEAD */
	char head[HTTP_MAX_LINE + HTTP_MAX_HEAD + 1];
};

/*
 * http_wait - until the next message of STREAM begins, within IDLE_MS
 *
 * Returns: 0; -1 with errno: the stream has ended (ENODATA), failed or was silent, so there is nobody to answer
 */
int http_wait(struct http_message *message, struct green_stream *stream, int idle_ms);

/*
 * http_read_head - the head of what has begun, within HEAD_MS
 *
 * TYPE: HTTP_REQUEST or HTTP_RESPONSE.
 * Returns: 0; -1 with errno as http_wait; or the status with which to refuse it: 400, 408, 414, 431, 501 or 505
 */
int http_read_head(struct http_message *message, enum http_parser_type type, int head_ms);

/* http_header - the value of the header NAME, of the first if there are several; NULL if there is none */
const char *http_header(const struct http_message *message, const char *name);

/* http_has_token - whether the headers NAME list TOKEN: "chunked", "close" ... */
bool http_has_token(const struct http_message *message, const char *name, const char *token);

/*
 * http_read_body - at least one byte of the body, at most SIZE, without what frames it
 *
 * Returns: how many; 0 at its end; -1 with errno EBADMSG (its framing is wrong), ENODATA (it is cut short), or of the stream
 */
ssize_t http_read_body(struct http_message *message, void *buffer, size_t size);

/* A head to be sent.  What must not be in it is remembered, so that only http_send_head need be asked. */
struct http_head {
	int error;
	size_t size;
	char text[HTTP_MAX_LINE + HTTP_MAX_HEAD];
};

void http_begin_request(struct http_head *head, const char *method, const char *target);
void http_begin_response(struct http_head *head, unsigned status);

/* http_add - a header; EINVAL if NAME is no token, or the value could end the line or has other control characters */
int http_add(struct http_head *head, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * http_end_head - complete HEAD, with as many of the SIZE bytes of BODY as fit; its TEXT is ready to be sent then
 *
 * Returns: how many fit; -1 with errno EINVAL or EMSGSIZE of http_add
 */
ssize_t http_end_head(struct http_head *head, const void *body, size_t size);

/*
 * http_send_head - the same without a body, and send it
 *
 * Returns: 0; -1 with errno of http_end_head, and nothing is sent; or of STREAM
 */
int http_send_head(struct http_head *head, struct green_stream *stream);

/* http_send_chunk, http_end_chunks - a piece of a chunked body, which SIZE 0 does not end; its end */
int http_send_chunk(struct green_stream *stream, const void *bytes, size_t size);
int http_end_chunks(struct green_stream *stream);

/* --- TLS: in http_tls.c, or http_no_tls.c where there is no OpenSSL: ENOTSUP --- */

/*
 * http_tls_server, http_tls_client - a context
 *
 * CA_FILE NULL: whom the system trusts.  Returns: the context; NULL with errno EINVAL: a file is no good
 */
void *http_tls_server(const char *certificate_file, const char *key_file);
void *http_tls_client(const char *ca_file);
void http_tls_destroy(void *context);

/* http_tls_accept, http_tls_connect - a stream on FD, as green_tls_accept and green_tls_connect */
struct green_stream *http_tls_accept(int fd, void *context);
struct green_stream *http_tls_connect(int fd, void *context, const char *host);

#endif
