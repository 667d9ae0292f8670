/* SPDX-License-Identifier: MIT */
/*
 * tls.c - TLS by OpenSSL on cooperative descriptors
 *
 * A stream never waits inside OpenSSL: reader and writer share one SSL, and all greenlets
 * one queue of errors, so each call of it must be over before another greenlet runs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/fault.h"

#include <green/io.h>
#include <green/socket.h>
#include <green/time.h>
#include <green/tls.h>

enum {
	HANDSHAKE_MS = 60000,
	SHUTDOWN_MS = 30000,
};

/* --- BIOs --- */

/* Of both kinds the data is the descriptor and whether its end has been read. */
struct end {
	int fd;
	int error; /* errno of the last failure */
	bool over;
};

static BIO_METHOD *waiting, *asking;

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static int bio_destroy(BIO *bio)
{
	free(BIO_get_data(bio));
	BIO_set_data(bio, NULL);
	return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	struct end *end = BIO_get_data(bio);

	(void)number;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return end->over;
	case BIO_C_GET_FD:
		if (pointer)
			*(int *)pointer = end->fd;
		return end->fd;
	default:
		return 0;
	}
}

static int done(BIO *bio, ssize_t result, int retry)
{
	struct end *end = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	end->error = result < 0 ? errno : 0;
	if (result < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
	return (int)result;
}

static int ask_read(BIO *bio, char *bytes, int size)
{
	struct end *end = BIO_get_data(bio);
	ssize_t result = recv(end->fd, bytes, (size_t)size, MSG_DONTWAIT);

	end->over = result == 0;
	return done(bio, result, BIO_FLAGS_READ);
}

static int ask_write(BIO *bio, const char *bytes, int size)
{
	struct end *end = BIO_get_data(bio);

	return done(bio, send(end->fd, bytes, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

/* What others have left in the queue of errors meanwhile is not of this call. */
static int wait_read(BIO *bio, char *bytes, int size)
{
	struct end *end = BIO_get_data(bio);
	ssize_t result = green_recv(end->fd, bytes, (size_t)size, 0);
	int error = errno;

	ERR_clear_error();
	errno = error;
	end->over = result == 0;
	return done(bio, result, BIO_FLAGS_READ);
}

static int wait_write(BIO *bio, const char *bytes, int size)
{
	struct end *end = BIO_get_data(bio);
	ssize_t result = green_send(end->fd, bytes, (size_t)size, MSG_NOSIGNAL);
	int error = errno;

	ERR_clear_error();
	errno = error;
	return done(bio, result, BIO_FLAGS_WRITE);
}

static BIO_METHOD *method(int (*read)(BIO *, char *, int), int (*write)(BIO *, const char *, int))
{
	BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "green");

	if (made) {
		BIO_meth_set_create(made, bio_create);
		BIO_meth_set_destroy(made, bio_destroy);
		BIO_meth_set_ctrl(made, bio_control);
		BIO_meth_set_read(made, read);
		BIO_meth_set_write(made, write);
	}
	return made;
}

static void make_methods(void)
{
	waiting = method(wait_read, wait_write);
	asking = method(ask_read, ask_write);
}

static BIO *bio_on(int fd, BIO_METHOD **kind)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct end *end = green__fault_injected() ? NULL : calloc(1, sizeof(*end));
	BIO *bio;

	pthread_once(&once, make_methods);
	bio = end && *kind ? BIO_new(*kind) : NULL;
	if (!bio) {
		free(end);
		errno = ENOMEM;
		return NULL;
	}
	end->fd = fd;
	BIO_set_data(bio, end);
	return bio;
}

BIO *green_tls_bio(int fd)
{
	return bio_on(fd, &waiting);
}

/* --- streams --- */

struct tls {
	SSL *ssl;
	struct end *end; /* of its BIO */
	int fd;
	bool closed;
};

static int milliseconds_to(int64_t deadline)
{
	int64_t left = deadline - green_now();

	return deadline < 0 ? -1 : left <= 0 ? 0 : (int)(left / 1000000 + 1);
}

/*
 * RESULT is that of the last call for TLS, which has failed: wait until another attempt makes sense
 *
 * DEADLINE: of green_now; -1 for never.
 * Returns: 1 to try again; 0 at the end of input; -1 with errno
 */
static int again(struct tls *tls, int result, int64_t deadline)
{
	int events = 0;

	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		events = GREEN_READ;
		break;
	case SSL_ERROR_WANT_WRITE:
		events = GREEN_WRITE;
		break;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		errno = tls->end->error ? tls->end->error : EPROTO;
		return -1;
	default:
		errno = EPROTO;
		return -1;
	}
	if (green_wait_fd(tls->fd, events, milliseconds_to(deadline)) < 0)
		return -1;
	if (tls->closed)
		errno = EBADF;
	return tls->closed ? -1 : 1;
}

static int size_of(size_t size)
{
	return size > INT32_MAX ? INT32_MAX : (int)size;
}

static ssize_t tls_read(void *self, void *buffer, size_t size)
{
	struct tls *tls = self;
	int result, more = 1;

	while (more > 0) {
		ERR_clear_error();
		result = SSL_read(tls->ssl, buffer, size_of(size));
		if (result > 0)
			return result;
		more = again(tls, result, -1);
	}
	return more;
}

static ssize_t tls_write(void *self, const void *buffer, size_t size)
{
	struct tls *tls = self;
	int result, more = 1;

	while (more > 0) {
		ERR_clear_error();
		result = SSL_write(tls->ssl, buffer, size_of(size));
		if (result > 0)
			return result;
		more = again(tls, result, -1);
	}
	if (more == 0)
		errno = EPIPE;
	return -1;
}

static int tls_end(void *self)
{
	struct tls *tls = self;
	int64_t deadline = green_now() + INT64_C(1000000) * SHUTDOWN_MS;
	int result;

	do {
		ERR_clear_error();
		result = SSL_shutdown(tls->ssl);
	} while (result < 0 && again(tls, result, deadline) > 0);
	return result < 0 ? -1 : 0;
}

static void tls_close(void *self, bool abort)
{
	static const struct linger at_once = { .l_onoff = 1 };
	struct tls *tls = self;
	int saved_errno = errno;

	/* Who has no room for so little gets a plain end. */
	if (abort)
		setsockopt(tls->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	else if (!(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
		SSL_shutdown(tls->ssl);
	ERR_clear_error();
	tls->closed = true;
	green_close(tls->fd);
	errno = saved_errno;
}

static void tls_destroy(void *self)
{
	struct tls *tls = self;

	SSL_free(tls->ssl);
	free(tls);
}

static const struct green_stream_transport transport = { tls_read, tls_write, tls_end, tls_close, tls_destroy };

static int handshake(struct tls *tls)
{
	int64_t deadline = green_now() + INT64_C(1000000) * HANDSHAKE_MS;
	int result, more;

	do {
		ERR_clear_error();
		result = SSL_do_handshake(tls->ssl);
		if (result == 1)
			return 0;
		more = again(tls, result, deadline);
	} while (more > 0);
	if (more == 0)
		errno = EPROTO;
	return -1;
}

struct green_stream *green_tls_stream(int fd, SSL *ssl)
{
	struct tls *tls = green__fault_injected() ? NULL : calloc(1, sizeof(*tls));
	BIO *bio = tls ? bio_on(fd, &asking) : NULL;
	struct green_stream *stream = NULL;
	int error;

	if (!bio) {
		free(tls);
		SSL_free(ssl);
		errno = ENOMEM;
		return NULL;
	}
	tls->ssl = ssl;
	tls->fd = fd;
	tls->end = BIO_get_data(bio);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (handshake(tls) == 0)
		stream = green_stream_create_over(&transport, tls, fd);
	if (!stream) {
		error = errno;
		tls_destroy(tls);
		errno = error;
	}
	return stream;
}

/* HOST is sent, unless it is an address, and the certificate must be for it. */
static bool expect_host(SSL *ssl, const char *host)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	return SSL_set_tlsext_host_name(ssl, host) && SSL_set1_host(ssl, host);
}

struct green_stream *green_tls_connect(int fd, SSL_CTX *context, const char *host)
{
	SSL *ssl = SSL_new(context);

	if (!ssl || (host && !expect_host(ssl, host))) {
		SSL_free(ssl);
		errno = ENOMEM;
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return green_tls_stream(fd, ssl);
}

struct green_stream *green_tls_accept(int fd, SSL_CTX *context)
{
	SSL *ssl = SSL_new(context);

	if (!ssl) {
		errno = ENOMEM;
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return green_tls_stream(fd, ssl);
}

SSL *green_tls_ssl(struct green_stream *stream)
{
	struct tls *tls = green_stream_self(stream, &transport);

	return tls ? tls->ssl : NULL;
}
