/* SPDX-License-Identifier: MIT */
/* test_cares.c - look-ups by c-ares, with a name server of the test's own on 127.0.0.1 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "green.h"
#include "hub/worker.h"
#include "support.h"

static struct green_datagram_server *server;
static char servers[32];
static int asked;

/* One answer: the question again, and 192.0.2.7 for names that begin with "good" if an IPv4 address is asked for. */
static void answer(struct green_datagram_server *which, const struct green_datagram *question, void *unused)
{
	static const unsigned char record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7 };
	const unsigned char *bytes = question->bytes;
	unsigned char reply[600];
	size_t end = 12;
	bool good, known;

	(void)unused;
	asked++;
	if (question->size < 17 || question->size > 500)
		return;
	while (bytes[end] && end + 5 < question->size)
		end += bytes[end] + 1U;
	end += 5;
	known = memcmp(bytes + 13, "good", 4) == 0;
	good = known && bytes[end - 3] == 1;
	if (memcmp(bytes + 13, "mute", 4) == 0)
		return;
	if (memcmp(bytes + 13, "slow", 4) == 0)
		green_sleep(150);
	memcpy(reply, bytes, end);
	reply[2] = 0x81;
	reply[3] = known ? 0x80 : 0x83;
	memset(reply + 6, 0, 6);
	reply[7] = good;
	if (good) {
		memcpy(reply + end, record, sizeof(record));
		end += sizeof(record);
	}
	green_datagram_server_send(which, reply, end, (const struct sockaddr *)&question->from, question->from_length);
}

/* False if c-ares is not there. */
static bool begin(int timeout_ms, int tries)
{
	struct green_datagram_options options = { .host = "127.0.0.1", .service = "0", .handler = answer };
	struct green_resolver_options wish = { .kind = GREEN_RESOLVER_CARES, .servers = servers, .timeout_ms = timeout_ms, .tries = tries };

	server = green_datagram_server_create(&options);
	ck_assert_int_eq(green_datagram_server_start(server), 0);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", green_datagram_server_port(server));
	if (green_resolver_use(&wish) == 0)
		return true;
	ck_assert_int_eq(errno, ENOSYS);
	green_datagram_server_destroy(server);
	skipped("c-ares is not there");
	return false;
}

static void end(void)
{
	struct green_resolver_options usual = { .kind = GREEN_RESOLVER_THREADS };

	green_datagram_server_destroy(server);
	ck_assert_int_eq(green_resolver_use(&usual), 0);
	ck_assert_uint_eq(green__name_workers(), 0);
}

static int look_up(const char *name, struct addrinfo **result)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_INET };

	*result = NULL;
	return green_getaddrinfo(name, "80", &hints, result);
}

START_TEST(d2_a_name_server_is_asked_without_threads)
{
	struct addrinfo *result;
	struct sockaddr_in *address;

	if (!begin(0, 0))
		return;
	ck_assert_int_eq(look_up("good.example.", &result), 0);
	address = (struct sockaddr_in *)(void *)result->ai_addr;
	ck_assert_uint_eq(ntohl(address->sin_addr.s_addr), 0xc0000207);
	ck_assert_uint_eq(ntohs(address->sin_port), 80);
	ck_assert_int_eq(result->ai_protocol, IPPROTO_TCP);
	ck_assert_ptr_null(result->ai_next);
	green_freeaddrinfo(result);
	ck_assert_int_gt(asked, 0);
	ck_assert_int_eq(look_up("bad.example.", &result), EAI_NONAME);
	ck_assert_ptr_null(result);
	end();
}
END_TEST

START_TEST(d2_without_an_answer_it_gives_up)
{
	struct addrinfo *result;
	int64_t start = clock_now();

	if (!begin(50, 2))
		return;
	ck_assert_int_eq(look_up("mute.example.", &result), EAI_AGAIN);
	ck_assert_int_ge(ms_since(start), 50);
	ck_assert_int_eq(asked, 2);
	end();
}
END_TEST

static void *asks_slowly(void *expected)
{
	struct addrinfo *result;
	int code = look_up("slow.example.", &result);

	ck_assert_int_eq(code, (int)(intptr_t)expected);
	return (void *)(intptr_t)errno;
}

START_TEST(d2_ck16_many_at_once_hold_up_nobody)
{
	struct greenlet *tasks[50];
	int64_t start;

	if (!begin(2000, 1))
		return;
	start = clock_now();
	for (int i = 0; i < 50; i++)
		tasks[i] = green_spawn(asks_slowly, (void *)(intptr_t)EAI_NONAME);
	for (int i = 0; i < 50; i++)
		join(tasks[i]);
	ck_assert_int_ge(ms_since(start), 150);
	ck_assert_int_lt(ms_since(start), 2000);
	end();
}
END_TEST

START_TEST(s9_to6_a_look_up_can_be_given_up)
{
	struct green_timeout limit;
	struct greenlet *task;

	if (!begin(2000, 1))
		return;
	task = green_spawn(asks_slowly, (void *)(intptr_t)EAI_SYSTEM);
	green_sleep(20);
	ck_assert_int_eq(green_kill(task, -1), 0);
	green_destroy(task);
	green_timeout_start(&limit, 20);
	ck_assert_int_eq((intptr_t)asks_slowly((void *)(intptr_t)EAI_SYSTEM), ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	assert_fails(green_dial("slow.example.", "80", 20) == -1, ETIMEDOUT);
	end();
}
END_TEST

static bool has(const struct addrinfo *list, const struct addrinfo *wanted)
{
	for (; list; list = list->ai_next) {
		if (list->ai_family == wanted->ai_family && list->ai_socktype == wanted->ai_socktype &&
		    list->ai_protocol == wanted->ai_protocol && list->ai_addrlen == wanted->ai_addrlen &&
		    memcmp(list->ai_addr, wanted->ai_addr, wanted->ai_addrlen) == 0)
			return true;
	}
	return false;
}

/* Every answer of the system's is one of c-ares's; the order, and more addresses of localhost, may differ. */
START_TEST(d5_what_the_hosts_file_has_is_as_the_system_says)
{
	static const char *const services[] = { "80", "domain", NULL };
	static const int families[] = { AF_INET, AF_UNSPEC };
	static const int types[] = { 0, SOCK_STREAM, SOCK_DGRAM };

	if (!begin(0, 0))
		return;
	for (size_t s = 0; s < ARRAY_LENGTH(services); s++)
		for (size_t f = 0; f < ARRAY_LENGTH(families); f++)
			for (size_t t = 0; t < ARRAY_LENGTH(types); t++) {
				struct addrinfo hints = { .ai_family = families[f], .ai_socktype = types[t] };
				struct addrinfo *ours, *libc;

				ck_assert_int_eq(getaddrinfo("localhost", services[s], &hints, &libc), 0);
				ck_assert_int_eq(green_getaddrinfo("localhost", services[s], &hints, &ours), 0);
				for (struct addrinfo *each = libc; each; each = each->ai_next)
					ck_assert_msg(has(ours, each), "localhost, %s: an address lacks", services[s]);
				green_freeaddrinfo(ours);
				freeaddrinfo(libc);
			}
	ck_assert_int_eq(asked, 0);
	end();
}
END_TEST

START_TEST(d5_names_of_addresses)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char host[NI_MAXHOST], service[NI_MAXSERV];

	if (!begin(0, 0))
		return;
	ck_assert_int_eq(green_getnameinfo((struct sockaddr *)&address, sizeof(address), host, sizeof(host), service, sizeof(service), 0), 0);
	ck_assert_str_eq(host, "localhost");
	ck_assert_str_eq(service, "http");
	ck_assert_int_eq(green_getnameinfo((struct sockaddr *)&address, sizeof(address), host, 3, NULL, 0, 0), EAI_OVERFLOW);
	end();
}
END_TEST

START_TEST(d2_servers_that_make_no_sense_fail_the_look_up)
{
	struct green_resolver_options wish = { .kind = GREEN_RESOLVER_CARES, .servers = "not an address" };
	struct addrinfo *result;

	if (!begin(0, 0))
		return;
	ck_assert_int_eq(green_resolver_use(&wish), 0);
	ck_assert_int_ne(look_up("good.example.", &result), 0);
	end();
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("cares", WITH_HUB);

	tcase_add_test(tcase, d2_a_name_server_is_asked_without_threads);
	tcase_add_test(tcase, d2_without_an_answer_it_gives_up);
	tcase_add_test(tcase, d2_ck16_many_at_once_hold_up_nobody);
	tcase_add_test(tcase, s9_to6_a_look_up_can_be_given_up);
	tcase_add_test(tcase, d5_what_the_hosts_file_has_is_as_the_system_says);
	tcase_add_test(tcase, d5_names_of_addresses);
	tcase_add_test(tcase, d2_servers_that_make_no_sense_fail_the_look_up);
	return suite_end();
}
