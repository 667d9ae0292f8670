/* SPDX-License-Identifier: MIT */
/*
 * secure.c - flows over TLS: streams, and a BIO under the caller's own calls of OpenSSL; as library.c
 *
 * Each end tells a clean end before it closes, so that no call fails without somebody who says so.
 */
#include "plain.h"
#include "told.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "green.h"
#include "green/tls.h"

enum { LINES = 120, LINE = 400 };

static SSL_CTX *server_context, *client_context;
static bool silent;

/* --- what OpenSSL has allocated --- */

static long blocks; /* atomic */

static void *counted_malloc(size_t size, const char *file, int line)
{
	void *block = size ? malloc(size) : NULL;

	(void)file;
	(void)line;
	__atomic_add_fetch(&blocks, block != NULL, __ATOMIC_RELAXED);
	return block;
}

static void counted_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	__atomic_sub_fetch(&blocks, block != NULL, __ATOMIC_RELAXED);
	free(block);
}

static void *counted_realloc(void *block, size_t size, const char *file, int line)
{
	if (!block)
		return counted_malloc(size, file, line);
	if (size == 0) {
		counted_free(block, file, line);
		return NULL;
	}
	return realloc(block, size);
}

/* --- before the calls count --- */

static void contexts(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	X509_set_version(certificate, 2);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	must(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign");
	server_context = SSL_CTX_new(TLS_server_method());
	client_context = SSL_CTX_new(TLS_client_method());
	must(SSL_CTX_use_certificate(server_context, certificate) == 1, "SSL_CTX_use_certificate");
	must(SSL_CTX_use_PrivateKey(server_context, key) == 1, "SSL_CTX_use_PrivateKey");
	SSL_CTX_set_num_tickets(server_context, 0);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

/* --- streams --- */

static void *writes_lines(void *fd)
{
	struct green_stream *stream = green_tls_connect(*(int *)fd, client_context, NULL);

	if (!stream) {
		tell_call("green_tls_connect", -1);
		green_close(*(int *)fd);
		return NULL;
	}
	for (int i = 0; i < LINES; i++) {
		if (tell_call("green_stream_print", green_stream_print(stream, "%0*d\n", LINE - 1, i)))
			break;
	}
	tell_call("green_stream_end_output", green_stream_end_output(stream));
	green_stream_close(stream);
	green_stream_destroy(stream);
	return NULL;
}

static void *reads_lines(void *fd)
{
	struct green_stream *stream = green_tls_accept(*(int *)fd, server_context);
	char line[LINE + 1];
	long count = 0, size;

	if (!stream) {
		tell_call("green_tls_accept", -1);
		green_close(*(int *)fd);
		return NULL;
	}
	while ((size = tell_call("green_stream_read_line", green_stream_read_line(stream, line, sizeof(line)))) > 0) {
		if (size != LINE || atol(line) != count)
			say("line %ld: wrong", count);
		count++;
	}
	green_stream_close(stream);
	green_stream_destroy(stream);
	if (!silent)
		say("lines: %ld of %d", count, LINES);
	return NULL;
}

/* --- a BIO --- */

static SSL *ssl_on(int fd, SSL_CTX *context)
{
	BIO *bio = green_tls_bio(fd);
	SSL *ssl = bio ? SSL_new(context) : NULL;

	if (ssl)
		SSL_set_bio(ssl, bio, bio);
	else
		BIO_free(bio);
	return ssl;
}

/* RESULT of CALL, made again where it only was interrupted; what cannot be had once may be had later, but not in TLS. */
static bool goes_on(const char *call, SSL *ssl, int result)
{
	int error = errno, why = SSL_get_error(ssl, result);

	if (why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return true;
	errno = why == SSL_ERROR_SYSCALL ? error : EPROTO;
	if (why != SSL_ERROR_ZERO_RETURN)
		tell_call(call, -1);
	return false;
}

static void *sends_bytes(void *fd)
{
	static char bytes[LINE];
	SSL *ssl = ssl_on(*(int *)fd, client_context);
	int result = 0, sent = 0;
	bool good = ssl != NULL;

	if (!ssl)
		say("green_tls_bio: ENOMEM");
	while (good && result <= 0) {
		ERR_clear_error();
		result = SSL_connect(ssl);
		good = goes_on("green_bio_connect", ssl, result);
	}
	while (good && sent < LINES) {
		ERR_clear_error();
		result = SSL_write(ssl, bytes, sizeof(bytes));
		sent += result > 0;
		good = goes_on("green_bio_write", ssl, result);
	}
	for (result = -1; good && result < 0;) {
		ERR_clear_error();
		result = SSL_shutdown(ssl);
		good = result >= 0 || goes_on("green_bio_shutdown", ssl, result);
	}
	SSL_free(ssl);
	green_close(*(int *)fd);
	return NULL;
}

static void *receives_bytes(void *fd)
{
	char bytes[LINE];
	SSL *ssl = ssl_on(*(int *)fd, server_context);
	int result = 0, size = 0;
	bool good = ssl != NULL;

	if (!ssl)
		say("green_tls_bio: ENOMEM");
	while (good && result <= 0) {
		ERR_clear_error();
		result = SSL_accept(ssl);
		good = goes_on("green_bio_accept", ssl, result);
	}
	while (good) {
		ERR_clear_error();
		result = SSL_read(ssl, bytes, sizeof(bytes));
		size += result > 0 ? result : 0;
		good = goes_on("green_bio_read", ssl, result);
	}
	SSL_free(ssl);
	green_close(*(int *)fd);
	say("bytes: %d of %d", size, LINES * LINE);
	return NULL;
}

/* --- two tasks, joined by a pair or by TCP --- */

static void on_ends(int fds[2], void *(*client)(void *), void *(*server)(void *))
{
	struct greenlet *serving = task_of(server, &fds[1]), *asking = serving ? task_of(client, &fds[0]) : NULL;

	if (!asking)
		green_close(fds[0]);
	if (!serving)
		green_close(fds[1]);
	joined(asking);
	joined(serving);
	ERR_clear_error();
}

static void by_pair(void *(*client)(void *), void *(*server)(void *))
{
	int fds[2];

	if (tell_call("green_socketpair", green_socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) == 0)
		on_ends(fds, client, server);
}

/* Plain calls, which the kernel answers at once: only those for TLS are of interest here. */
static bool tcp_opened(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int listener = (int)tell_call("socket", socket(AF_INET, SOCK_STREAM, 0));

	fds[0] = fds[1] = -1;
	if (listener >= 0 && !bind(listener, (struct sockaddr *)&at, length) && !listen(listener, 1) &&
	    !getsockname(listener, (struct sockaddr *)&at, &length))
		fds[0] = (int)tell_call("socket", socket(AF_INET, SOCK_STREAM, 0));
	if (fds[0] >= 0 && tell_call("connect", connect(fds[0], (struct sockaddr *)&at, length)) == 0)
		fds[1] = (int)tell_call("accept", accept(listener, NULL, NULL));
	if (listener >= 0)
		close(listener);
	if (fds[1] < 0 && fds[0] >= 0)
		close(fds[0]);
	return fds[1] >= 0;
}

static void by_tcp(void *(*client)(void *), void *(*server)(void *))
{
	int fds[2];

	if (tcp_opened(fds))
		on_ends(fds, client, server);
}

static void streams(void)
{
	by_pair(writes_lines, reads_lines);
	by_tcp(writes_lines, reads_lines);
}

static void bios(void)
{
	by_pair(sends_bytes, receives_bytes);
	by_tcp(sends_bytes, receives_bytes);
}

/* What a thread has of OpenSSL goes when it ends. */
static void check(void (*run)(void))
{
	long before = blocks;

	checked(run);
	if (blocks > before)
		say("wrong: %ld blocks are left", blocks - before);
}

static void check_streams(void) { check(streams); }
static void check_bios(void) { check(bios); }

/* What OpenSSL makes once for the process is there then. */
static void *rehearse(void *unused)
{
	silent = true;
	streams();
	silent = false;
	return unused;
}

static const struct plain_case cases[] = {
	{ "tls", check_streams, 0 },
	{ "bios", check_bios, 0 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	catch_signals();
	must(CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1, "CRYPTO_set_mem_functions");
	contexts();
	join(spawn(rehearse, NULL));
	return plain_main(argc, argv, cases);
}
