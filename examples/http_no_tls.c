/* SPDX-License-Identifier: MIT */
/* http_no_tls.c - what stands for http_tls.c where there is no OpenSSL */
#include <errno.h>

#include "http.h"

static void *none(void)
{
	errno = ENOTSUP;
	return NULL;
}

void *http_tls_server(const char *certificate_file, const char *key_file)
{
	(void)certificate_file, (void)key_file;
	return none();
}

void *http_tls_client(const char *ca_file)
{
	(void)ca_file;
	return none();
}

void http_tls_destroy(void *context)
{
	(void)context;
}

struct green_stream *http_tls_accept(int fd, void *context)
{
	(void)fd, (void)context;
	return none();
}

struct green_stream *http_tls_connect(int fd, void *context, const char *host)
{
	(void)fd, (void)context, (void)host;
	return none();
}
