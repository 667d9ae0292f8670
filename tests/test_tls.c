/* SPDX-License-Identifier: MIT */
/* test_tls.c - TLS streams, with a certificate that the test makes itself */
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "green.h"
#include "green/tls.h"
#include "support.h"

static SSL_CTX *server_context, *client_context;
static SSL_SESSION *session;
static int ends[2]; /* client, server */
static char seen_name[64];

/* --- certificates --- */

static void add_name(X509 *certificate)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:green.test,IP:127.0.0.1");

	ck_assert_ptr_nonnull(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"green.test", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	add_name(certificate);
	ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
	return certificate;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *in, unsigned in_size, void *unused)
{
	(void)ssl;
	(void)unused;
	return SSL_select_next_proto((unsigned char **)out, size, (const unsigned char *)"\6green1", 7, in, in_size) ==
		       OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int note_name(SSL *ssl, int *alert, void *unused)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)unused;
	strcpy(seen_name, name ? name : "");
	return SSL_TLSEXT_ERR_OK;
}

static int keep_session(SSL *ssl, SSL_SESSION *new)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = new;
	return 1;
}

static void contexts(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = make_certificate(key);

	server_context = SSL_CTX_new(TLS_server_method());
	client_context = SSL_CTX_new(TLS_client_method());
	ck_assert_int_eq(SSL_CTX_use_certificate(server_context, certificate), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(server_context, key), 1);
	SSL_CTX_set_alpn_select_cb(server_context, choose_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(server_context, note_name);
	SSL_CTX_set_session_id_context(server_context, (const unsigned char *)"test", 4);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(client_context), certificate);
	SSL_CTX_set_verify(client_context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client_context, keep_session);
	X509_free(certificate);
	EVP_PKEY_free(key);
	tcp_pair(ends);
}

static void finished(void)
{
	SSL_SESSION_free(session);
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
}

static void *accepts(void *unused)
{
	(void)unused;
	return green_tls_accept(ends[1], server_context);
}

/* Both ends, after a handshake. */
static struct green_stream *client, *server;

static void shake_hands(void)
{
	struct greenlet *task;

	contexts();
	task = green_spawn(accepts, NULL);
	client = green_tls_connect(ends[0], client_context, "green.test");
	ck_assert_ptr_nonnull(client);
	server = join(task);
	ck_assert_ptr_nonnull(server);
}

/* --- tests --- */

START_TEST(k12_lines_both_ways_and_a_clean_end)
{
	char line[32];

	shake_hands();
	ck_assert_str_eq(seen_name, "green.test");
	ck_assert_int_eq(SSL_get_verify_result(green_tls_ssl(client)), X509_V_OK);
	ck_assert_int_eq(green_stream_print(client, "hello\n"), 0);
	ck_assert_int_eq(green_stream_read_line(server, line, sizeof(line)), 6);
	ck_assert_str_eq(line, "hello");
	ck_assert_int_eq(green_stream_print(server, "%s again\n", line), 0);
	ck_assert_int_eq(green_stream_read_line(client, line, sizeof(line)), 12);
	ck_assert_int_eq(green_stream_end_output(client), 0);
	ck_assert_int_eq(green_stream_read_line(server, line, sizeof(line)), 0);
	ck_assert(green_stream_at_end(server));
	/* The other way still works. */
	ck_assert_int_eq(green_stream_print(server, "bye\n"), 0);
	ck_assert_int_eq(green_stream_read_line(client, line, sizeof(line)), 4);
	green_stream_destroy(server);
	ck_assert_int_eq(green_stream_read_line(client, line, sizeof(line)), 0);
	green_stream_destroy(client);
	finished();
}
END_TEST

START_TEST(k12_a_cut_is_no_clean_end)
{
	char byte;

	shake_hands();
	shutdown(ends[0], SHUT_WR);
	ck_assert_int_eq(green_stream_read(server, &byte, 1), -1);
	ck_assert_int_eq(errno, EPROTO);
	green_stream_abort(server);
	ck_assert_int_eq(green_stream_read(client, &byte, 1), -1);
	green_stream_destroy(server);
	green_stream_destroy(client);
	finished();
}
END_TEST

static void *accepts_one(void *fd)
{
	struct green_stream *stream = green_tls_accept((int)(intptr_t)fd, server_context);
	char line[32];

	if (!stream) {
		close((int)(intptr_t)fd);
		return NULL;
	}
	if (green_stream_read_line(stream, line, sizeof(line)) == 6)
		green_stream_print(stream, "%s again\n", line);
	green_stream_close(stream);
	green_stream_destroy(stream);
	return fd;
}

static int talk(int fd)
{
	struct green_stream *stream = green_tls_connect(fd, client_context, "green.test");
	char line[32];
	int result, error;

	if (!stream)
		close(fd);
	result = stream && !green_stream_print(stream, "hello\n") && green_stream_read_line(stream, line, sizeof(line)) == 12 ? 0 : -1;
	error = errno;
	green_stream_destroy(stream);
	errno = error;
	return result;
}

/* If it is the other end that has no memory, this one finds itself alone. */
static int talk_to_task(void)
{
	struct greenlet *task;
	int fds[2], result, error;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	task = green_spawn(accepts_one, (void *)(intptr_t)fds[1]);
	if (!task) {
		close_pair(fds);
		errno = ENOMEM;
		return -1;
	}
	errno = 0;
	result = talk(fds[0]);
	error = errno == 0 || errno == ECONNRESET || errno == EPIPE || errno == EPROTO ? ENOMEM : errno;
	if (!join(task) && !result)
		result = -1;
	errno = error;
	return result;
}

/* E11: each request for memory of both ends */
START_TEST(k12_streams_without_memory)
{
	contexts();
	close_pair(ends);
	requests_fail("green_tls_accept", talk_to_task);
	finished();
}
END_TEST

static void *fills(void *stream)
{
	static char bytes[2000000];

	memset(bytes, stream == client ? 'c' : 's', sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i += 40000)
		ck_assert_int_eq(green_stream_write(stream, bytes + i, 40000), 0);
	ck_assert_int_eq(green_stream_end_output(stream), 0);
	return NULL;
}

static void *counts(void *stream)
{
	char bytes[30000];
	uintptr_t all = 0, wrong = 0;
	ssize_t got;

	while ((got = green_stream_read(stream, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			wrong += bytes[i] != (stream == client ? 's' : 'c');
		all += (uintptr_t)got;
	}
	ck_assert_int_eq(got, 0);
	ck_assert_uint_eq(wrong, 0);
	return (void *)all;
}

static void *fills_server(void *unused)
{
	static char piece[40000];

	(void)unused;
	memset(piece, 's', sizeof(piece));
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(green_stream_write(server, piece, sizeof(piece)), 0);
	ck_assert_int_eq(green_stream_end_output(server), 0);
	return NULL;
}

START_TEST(k12_c10_much_in_both_directions_at_once)
{
	struct greenlet *tasks[4];

	shake_hands();
	tasks[0] = green_spawn(fills, client);
	tasks[1] = green_spawn(fills_server, NULL);
	tasks[2] = green_spawn(counts, client);
	tasks[3] = green_spawn(counts, server);
	join(tasks[0]);
	join(tasks[1]);
	ck_assert_uint_eq((uintptr_t)join(tasks[2]), 2000000);
	ck_assert_uint_eq((uintptr_t)join(tasks[3]), 2000000);
	green_stream_destroy(client);
	green_stream_destroy(server);
	finished();
}
END_TEST

START_TEST(k12_alpn)
{
	const unsigned char *chosen;
	unsigned size;

	struct greenlet *task;

	contexts();
	SSL_CTX_set_alpn_protos(client_context, (const unsigned char *)"\5other\6green1", 13);
	task = green_spawn(accepts, NULL);
	client = green_tls_connect(ends[0], client_context, "127.0.0.1");
	ck_assert_ptr_nonnull(client);
	server = join(task);
	SSL_get0_alpn_selected(green_tls_ssl(server), &chosen, &size);
	ck_assert_uint_eq(size, 6);
	ck_assert_mem_eq(chosen, "green1", 6);
	/* An address is not sent as a name. */
	ck_assert_str_eq(seen_name, "");
	green_stream_destroy(client);
	green_stream_destroy(server);
	finished();
}
END_TEST

START_TEST(k12_a_certificate_for_another_name_is_refused)
{
	struct greenlet *task;

	contexts();
	task = green_spawn(accepts, NULL);
	assert_fails(!green_tls_connect(ends[0], client_context, "other.test"), EPROTO);
	ck_assert_int_ne((int)ERR_get_error(), 0);
	server = join(task);
	green_stream_destroy(server);
	if (!server)
		green_close(ends[1]);
	green_close(ends[0]);
	finished();
}
END_TEST

START_TEST(k12_a_session_is_resumed)
{
	struct greenlet *task;
	char line[8];
	SSL *ssl;

	shake_hands();
	ck_assert(!SSL_session_reused(green_tls_ssl(client)));
	/* With TLS 1.3 tickets come with the first data. */
	green_stream_print(server, "x\n");
	ck_assert_int_eq(green_stream_read_line(client, line, sizeof(line)), 2);
	green_stream_destroy(client);
	green_stream_destroy(server);
	ck_assert_ptr_nonnull(session);
	tcp_pair(ends);
	task = green_spawn(accepts, NULL);
	ssl = SSL_new(client_context);
	SSL_set_session(ssl, session);
	SSL_set_connect_state(ssl);
	client = green_tls_stream(ends[0], ssl);
	server = join(task);
	ck_assert(SSL_session_reused(green_tls_ssl(client)));
	ck_assert(SSL_session_reused(green_tls_ssl(server)));
	green_stream_destroy(client);
	green_stream_destroy(server);
	finished();
}
END_TEST

START_TEST(k12_garbage_ends_the_handshake)
{
	contexts();
	ck_assert_int_eq(green_send(ends[0], "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	assert_fails(!green_tls_accept(ends[1], server_context), EPROTO);
	ck_assert_int_ne((int)ERR_get_error(), 0);
	green_close(ends[0]);
	green_close(ends[1]);
	finished();
}
END_TEST

START_TEST(k12_to6_a_peer_that_says_nothing)
{
	struct green_timeout limit;
	int64_t start;

	contexts();
	start = clock_now();
	green_timeout_start(&limit, 50);
	assert_fails(!green_tls_accept(ends[1], server_context), ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	assert_took(start, 50);
	close_pair(ends);
	finished();
}
END_TEST

static void *connects(void *unused)
{
	(void)unused;
	assert_fails(!green_tls_connect(ends[0], client_context, NULL), ECANCELED);
	return NULL;
}

START_TEST(k12_s9_killed_in_the_middle_of_a_handshake)
{
	struct greenlet *task;

	contexts();
	task = green_spawn(connects, NULL);
	green_sleep(5);
	ck_assert_int_eq(green_kill(task, -1), 0);
	green_destroy(task);
	/* The descriptor is the caller's, and open. */
	ck_assert_int_eq(green_close(ends[0]), 0);
	ck_assert_int_eq(green_close(ends[1]), 0);
	finished();
}
END_TEST

static void *reads(void *unused)
{
	char byte;

	assert_fails(green_stream_read(client, &byte, 1) == -1, EBADF);
	return unused;
}

START_TEST(u18_close_under_a_reader)
{
	struct greenlet *reader;

	shake_hands();
	reader = green_spawn(reads, NULL);
	green_sleep(5);
	ck_assert_int_eq(green_stream_close(client), 0);
	join(reader);
	green_stream_destroy(client);
	green_stream_destroy(server);
	finished();
}
END_TEST

static void *accepts_by_bio(void *unused)
{
	SSL *ssl = SSL_new(server_context);
	BIO *bio = green_tls_bio(ends[1]);
	char text[8] = "";

	SSL_set_bio(ssl, bio, bio);
	ck_assert_int_eq(SSL_accept(ssl), 1);
	ck_assert_int_eq(SSL_read(ssl, text, sizeof(text)), 2);
	ck_assert_int_eq(SSL_write(ssl, "yes", 3), 3);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	green_close(ends[1]);
	return unused;
}

START_TEST(k12_openssls_own_calls_wait_by_the_bio)
{
	struct greenlet *task;
	char text[3];

	contexts();
	task = green_spawn(accepts_by_bio, NULL);
	client = green_tls_connect(ends[0], client_context, "green.test");
	ck_assert_ptr_nonnull(client);
	green_sleep(5);
	ck_assert_int_eq(green_stream_write(client, "no", 2), 0);
	ck_assert_int_eq(green_stream_read_exactly(client, text, 3), 0);
	ck_assert_mem_eq(text, "yes", 3);
	ck_assert_int_eq(green_stream_read(client, text, 3), 0);
	join(task);
	green_stream_destroy(client);
	finished();
}
END_TEST

START_TEST(tls_ssl_of_other_streams)
{
	struct green_stream *plain;

	tcp_pair(ends);
	plain = green_stream_create(ends[0]);
	ck_assert_ptr_null(green_tls_ssl(plain));
	green_stream_destroy(plain);
	green_close(ends[1]);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("tls", WITH_HUB);

	tcase_add_test(tcase, k12_lines_both_ways_and_a_clean_end);
	tcase_add_test(tcase, k12_a_cut_is_no_clean_end);
	tcase_add_test(tcase, k12_streams_without_memory);
	tcase_add_test(tcase, k12_c10_much_in_both_directions_at_once);
	tcase_add_test(tcase, k12_alpn);
	tcase_add_test(tcase, k12_a_certificate_for_another_name_is_refused);
	tcase_add_test(tcase, k12_a_session_is_resumed);
	tcase_add_test(tcase, k12_garbage_ends_the_handshake);
	tcase_add_test(tcase, k12_to6_a_peer_that_says_nothing);
	tcase_add_test(tcase, k12_s9_killed_in_the_middle_of_a_handshake);
	tcase_add_test(tcase, u18_close_under_a_reader);
	tcase_add_test(tcase, k12_openssls_own_calls_wait_by_the_bio);
	tcase_add_test(tcase, tls_ssl_of_other_streams);
	return suite_end();
}
