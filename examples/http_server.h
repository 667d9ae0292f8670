/* SPDX-License-Identifier: MIT */
/* http_server.h - what http_server's files share: a server for each kernel thread, and a session for each connection */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http.h"

/* Where the lines of the log go: LINE NULL is nowhere. */
struct http_log {
	void (*line)(const char *text, void *arg);
	void *arg;
	bool headers;              /* also tell the names of the headers; never their values, which may be secret */
};

struct http_server {
	int root;                  /* the directory whose files are served */
	int idle_ms, head_ms;      /* until a request begins; until its head is there */
	int stalled_ms;            /* how long a body, or an answer, may stand still */
	void *tls;                 /* for http_tls_accept, or NULL */
	struct http_log log;
	struct http_session *sessions; /* those that are served, linked by NEXT */
	struct green_server *green;
	bool stopping;
};

struct http_session {
	struct http_server *server;
	struct http_session *next;
	struct green_stream *stream;
	struct greenlet *task;     /* who runs it */
	char peer[64];
	bool waiting;              /* for a request to begin */
	bool expects;              /* the client sends the body once it is told to */
	bool received;             /* the handler has asked for the body */
	bool closing;              /* no further request */
	bool begun;                /* the head of the answer has been sent */
	bool broken;               /* the answer cannot be ended as it was begun */
	unsigned status;           /* of the answer */
	uint64_t sent;             /* bytes of its body */
	struct http_message request;
	struct http_head answer;
};

/* http_session.c */
struct green_stream *http_open(int fd, void *server);
void http_serve(struct green_stream *stream, void *server);
void http_dismiss(struct http_session *session); /* if the server stops, and SESSION has nothing to do */

/* For handlers: the body of the request, which is told to come, in time.  As http_read_body */
ssize_t http_receive(struct http_session *session, void *buffer, size_t size);
/* Bytes of the answer, in time.  0; -1 with errno */
int http_transmit(struct http_session *session, const void *bytes, size_t size);
/* The head of the answer, to which headers can be added; sending it, with the SIZE first bytes of the body. */
void http_answer(struct http_session *session, unsigned status);
int http_transmit_head(struct http_session *session, const void *body, size_t size);
/* All of an answer whose text is its reason. */
int http_answer_reason(struct http_session *session, unsigned status);

/* http_handlers.c */
/* 0; or the status with which to refuse the request, which cuts an answer short that has begun */
unsigned http_handle(struct http_session *session);

/* http_files.c */
int http_open_file(int root, const char *path); /* beneath ROOT; -1 with errno */
const char *http_type_of(const char *path);

/* http_log.c */
void http_log_request(const struct http_session *session, double milliseconds);
void http_log_to_stream(const char *text, void *stream); /* LINE for a struct green_stream */

#endif
