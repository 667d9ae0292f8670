/* SPDX-License-Identifier: MIT */
/*
 * http_get.h - an HTTP client whose connections are used again
 *
 *	struct http_client *client = http_client_create(&(struct http_client_options){ .timeout_ms = 10000 });
 *	struct http_response *response = http_get(client, "http://example.org/");
 *
 *	if (response)
 *		fwrite(response->body, 1, response->size, stdout);
 *	http_response_destroy(response);
 *	http_client_destroy(client);
 *
 * Any number of tasks of one hub may use a client at a time; each call has a connection of its own meanwhile.
 */
#ifndef HTTP_GET_H
#define HTTP_GET_H

#include "http.h"

struct http_client;

struct http_client_options {
	int timeout_ms;         /* for each call, from the look-up of the name to the end of the body; 0: 30000; -1: none */
	size_t limit;           /* bytes of a body; more of them fail with EMSGSIZE; 0: 64 MiB */
	size_t idle;            /* connections that are kept for later calls; 0: 64; SIZE_MAX: none */
	const char *ca_file;    /* for https: who is trusted; NULL: whom the system trusts.  Stays in place. */
};

struct http_response {
	unsigned status;
	char *body;             /* with a zero after it */
	size_t size;
	struct http_message *message; /* its headers, for http_header */
};

/* A request that is more than GET. */
struct http_request {
	const char *method, *url;          /* METHOD NULL: GET */
	const struct http_header *headers; /* further ones, up to one whose NAME is NULL; or NULL */
	/* The body, which goes out in chunks: at most SIZE bytes into BUFFER, 0 at its end, -1 with errno.  NULL: none.
	 * It runs in a task of its own, as the answer may begin before the body ends. */
	ssize_t (*body)(void *arg, void *buffer, size_t size);
	void *arg;
};

/* http_client_create - NULL with errno ENOMEM */
struct http_client *http_client_create(const struct http_client_options *options);

/* http_client_destroy - close the connections and free CLIENT, which nobody uses any more; NULL is fine */
void http_client_destroy(struct http_client *client);

/*
 * http_get - what URL ("http://..." or "https://...") has; the caller's until http_response_destroy
 *
 * Switches: yes.  Redirections are answers like others.
 * Returns: the response, whatever its status; NULL with errno: EINVAL (no such URL), EBADMSG (the answer is no HTTP),
 *   ENODATA (it is cut short), ETIMEDOUT, EMSGSIZE, ENOTSUP (https without OpenSSL), or of the name, the connection or TLS
 */
struct http_response *http_get(struct http_client *client, const char *url);

/* http_fetch - the same of any request */
struct http_response *http_fetch(struct http_client *client, const struct http_request *request);

/*
 * http_get_pipelined - GET each of COUNT URLS, which share scheme and host, without waiting for one answer before the next request
 *
 * At most 32 requests are ahead of their answers.  What the server leaves unanswered when it closes is asked for again, as long as each connection brings an answer.
 * Returns: how many are in RESPONSES, from the first on; if less than COUNT, errno tells why
 */
size_t http_get_pipelined(struct http_client *client, const char *const *urls, size_t count, struct http_response **responses);

/* http_response_destroy - NULL is fine */
void http_response_destroy(struct http_response *response);

/* http_same_origin - whether a connection for one URL does for the other */
bool http_same_origin(const char *url, const char *other);

#endif
