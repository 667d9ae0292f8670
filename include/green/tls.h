/* SPDX-License-Identifier: MIT */
/*
 * green/tls.h - TLS by OpenSSL on cooperative descriptors; link with -lgreen-tls
 *
 * A small library of its own, so that programs without TLS do not load OpenSSL.  Everything about certificates,
 * protocols, ALPN and resumption is set in the SSL_CTX or SSL by OpenSSL's own calls.
 */
#ifndef GREEN_TLS_H
#define GREEN_TLS_H

#include <openssl/ssl.h>

#include <green/stream.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/*
 * green_tls_bio - a BIO for SSL_set_bio that reads and writes FD by green_recv and green_send
 *
 * SSL_connect, SSL_accept, SSL_read, SSL_write and SSL_shutdown then make only the calling greenlet wait, and fail with SSL_ERROR_SYSCALL
 * and errno when that is killed or out of time.  FD stays the caller's.  One greenlet at a time may be in calls for one SSL.
 * Returns: the BIO; NULL: no memory
 */
BIO *green_tls_bio(int fd);

/*
 * green_tls_connect - a stream over TLS on FD, which is the stream's then, after a handshake as client
 *
 * HOST, unless NULL, is the name that is sent (SNI) and that the certificate must be for, if CONTEXT verifies.
 * Switches: yes.  60 seconds at most.
 * Returns: the stream; NULL with errno, and FD is the caller's: EPROTO (the handshake failed: ERR_get_error tells), ETIMEDOUT, ECANCELED, ENOMEM, or of the socket
 */
struct green_stream *green_tls_connect(int fd, SSL_CTX *context, const char *host);

/*
 * green_tls_accept - the same as server
 *
 * Suits struct green_server_options.open_stream by a function of one line that has CONTEXT.
 */
struct green_stream *green_tls_accept(int fd, SSL_CTX *context);

/*
 * green_tls_stream - a stream over SSL on FD after its handshake; for what must be set in an SSL before that, such as a session
 *
 * SSL_set_connect_state or SSL_set_accept_state has been called for SSL.  Both are the stream's then.
 * Switches: yes.  60 seconds at most.
 * Returns: as green_tls_connect; SSL is freed if it fails
 */
struct green_stream *green_tls_stream(int fd, SSL *ssl);

/* green_tls_ssl - the SSL of a stream that these made: for its certificate, ALPN ...; NULL of others */
SSL *green_tls_ssl(struct green_stream *stream);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
