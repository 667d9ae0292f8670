/* SPDX-License-Identifier: MIT */
/* http_tls.c - contexts for HTTPS: certificates, and who is trusted */
#include <errno.h>

#include <green/tls.h>

#include "http.h"

/* CONTEXT, or NULL if it is no good */
static void *only_if(bool good, SSL_CTX *context)
{
	if (good)
		return context;
	SSL_CTX_free(context);
	errno = context ? EINVAL : ENOMEM;
	return NULL;
}

void *http_tls_server(const char *certificate_file, const char *key_file)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	return only_if(context && SSL_CTX_use_certificate_chain_file(context, certificate_file) == 1 &&
		       SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) == 1 &&
		       SSL_CTX_check_private_key(context) == 1, context);
}

void *http_tls_client(const char *ca_file)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (context)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	return only_if(context && (ca_file ? SSL_CTX_load_verify_locations(context, ca_file, NULL) == 1 :
					     SSL_CTX_set_default_verify_paths(context) == 1), context);
}

void http_tls_destroy(void *context)
{
	SSL_CTX_free(context);
}

struct green_stream *http_tls_accept(int fd, void *context)
{
	return green_tls_accept(fd, context);
}

struct green_stream *http_tls_connect(int fd, void *context, const char *host)
{
	return green_tls_connect(fd, context, host);
}
