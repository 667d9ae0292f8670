/* SPDX-License-Identifier: MIT */
/*
 * test_resolve.c - names and addresses, and connections and listeners by name
 *
 * getaddrinfo is the test's own: it answers for names that end in ".test" as the test
 * wants, slowly or with addresses that cannot be reached, and asks libc for all others.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "green.h"
#include "hub/worker.h"
#include "support.h"

enum { PLANNED_MAX = 8 };

/* --- what the name server of this test says --- */

static struct sockaddr_storage planned[PLANNED_MAX];
static size_t planned_count;
static unsigned asked, at_once, most_at_once, expected; /* atomic */

static struct addrinfo *node_of(const struct sockaddr_storage *address)
{
	struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(*address));

	info->ai_family = address->ss_family;
	info->ai_socktype = SOCK_STREAM;
	info->ai_addr = (struct sockaddr *)memcpy(info + 1, address, sizeof(*address));
	info->ai_addrlen = address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	return info;
}

/* However late the threads are, all that may ask at once do; and one more than that has time to be noticed. */
static void meet(void)
{
	for (int i = 0; i < 5000 && __atomic_load_n(&most_at_once, __ATOMIC_SEQ_CST) < __atomic_load_n(&expected, __ATOMIC_SEQ_CST); i++)
		usleep(1000);
	usleep(50000);
}

static void note_at_once(unsigned now)
{
	unsigned most = __atomic_load_n(&most_at_once, __ATOMIC_SEQ_CST);

	while (now > most && !__atomic_compare_exchange_n(&most_at_once, &most, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static int answer(const char *node, struct addrinfo **result)
{
	struct addrinfo **end = result;

	if (strncmp(node, "meet", 4) == 0)
		meet();
	if (strncmp(node, "slow", 4) == 0)
		usleep(150000);
	if (strncmp(node, "never", 5) == 0)
		usleep(600000);
	if (strncmp(node, "error", 5) == 0) {
		errno = EXDEV;
		return EAI_SYSTEM;
	}
	for (size_t i = 0; i < planned_count; i++, end = &(*end)->ai_next)
		*end = node_of(&planned[i]);
	return planned_count ? 0 : strncmp(node, "later", 5) == 0 ? EAI_AGAIN : EAI_NONAME;
}

static bool planned_name(const char *node)
{
	return node && strlen(node) > 5 && strcmp(node + strlen(node) - 5, ".test") == 0;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	static __typeof__(getaddrinfo) *real;
	unsigned now;
	int code;

	if (!planned_name(node)) {
		real = (__typeof__(real))dlsym(RTLD_NEXT, "getaddrinfo");
		return real(node, service, hints, result);
	}
	__atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
	now = __atomic_add_fetch(&at_once, 1, __ATOMIC_SEQ_CST);
	note_at_once(now);
	code = answer(node, result);
	__atomic_sub_fetch(&at_once, 1, __ATOMIC_SEQ_CST);
	return code;
}

void freeaddrinfo(struct addrinfo *list)
{
	while (list) {
		struct addrinfo *next = list->ai_next;

		if (list->ai_addr != (struct sockaddr *)(list + 1))
			abort();
		free(list->ai_canonname);
		free(list);
		list = next;
	}
}

static void plan(const struct sockaddr_in *address)
{
	memcpy(&planned[planned_count++], address, sizeof(*address));
}

/* --- look-ups --- */

static char text[INET6_ADDRSTRLEN];

static const char *address_text(const struct addrinfo *info)
{
	const void *bytes = info->ai_family == AF_INET ? (const void *)&((struct sockaddr_in *)(void *)info->ai_addr)->sin_addr
						       : (const void *)&((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_addr;

	return inet_ntop(info->ai_family, bytes, text, sizeof(text));
}

static int yields;

static void *counts_yields(void *until)
{
	while (!*(bool *)until) {
		yields++;
		green_sleep(1);
	}
	return NULL;
}

START_TEST(d5_numeric_addresses_need_neither_a_thread_nor_a_turn)
{
	static const char *const nodes[] = { "127.0.0.1", "::1", "10.1", "fe80::1%lo", NULL };
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	bool over = false;
	struct greenlet *other = green_spawn(counts_yields, &over);
	struct addrinfo *result;

	for (size_t i = 0; i < ARRAY_LENGTH(nodes); i++) {
		ck_assert_int_eq(green_getaddrinfo(nodes[i], "80", &hints, &result), 0);
		ck_assert_ptr_nonnull(address_text(result));
		green_freeaddrinfo(result);
	}
	ck_assert_int_eq(yields, 0);
	ck_assert_uint_eq(green__name_workers(), 0);
	over = true;
	join(other);
}
END_TEST

/* Two answers to one question are the same, node by node. */
static void same_answer(const char *node, const char *service, const struct addrinfo *hints)
{
	struct addrinfo *ours = NULL, *libc = NULL;
	struct addrinfo *a, *b;

	ck_assert_int_eq(green_getaddrinfo(node, service, hints, &ours), getaddrinfo(node, service, hints, &libc));
	for (a = ours, b = libc; a && b; a = a->ai_next, b = b->ai_next) {
		ck_assert_int_eq(a->ai_family, b->ai_family);
		ck_assert_int_eq(a->ai_socktype, b->ai_socktype);
		ck_assert_int_eq(a->ai_protocol, b->ai_protocol);
		ck_assert_int_eq(a->ai_flags, b->ai_flags);
		ck_assert_uint_eq(a->ai_addrlen, b->ai_addrlen);
		ck_assert_mem_eq(a->ai_addr, b->ai_addr, a->ai_addrlen);
		ck_assert_int_eq(!a->ai_canonname, !b->ai_canonname);
		if (a->ai_canonname)
			ck_assert_str_eq(a->ai_canonname, b->ai_canonname);
	}
	ck_assert(!a && !b);
	green_freeaddrinfo(ours);
	freeaddrinfo(libc);
}

START_TEST(d1_d5_every_answer_is_the_systems)
{
	static const char *const nodes[] = { "localhost", "127.0.0.1", "::1", "0x7f.1", "ip6-localhost", NULL };
	static const char *const services[] = { "http", "80", "domain", "no-such-service", NULL };
	static const int flags[] = { 0, AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_ADDRCONFIG, 1 << 30 };
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6 };

	for (size_t n = 0; n < ARRAY_LENGTH(nodes); n++)
		for (size_t s = 0; s < ARRAY_LENGTH(services); s++)
			for (size_t f = 0; f < ARRAY_LENGTH(flags); f++)
				for (size_t a = 0; a < ARRAY_LENGTH(families); a++) {
					struct addrinfo hints = { .ai_flags = flags[f], .ai_family = families[a] };

					same_answer(nodes[n], services[s], &hints);
				}
	same_answer("localhost", "http", NULL);
	same_answer("127.0.0.1", "80", NULL);
}
END_TEST

START_TEST(d5_names_of_addresses_are_the_systems)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const int flags[] = { 0, NI_NUMERICHOST, NI_NUMERICSERV, NI_NUMERICHOST | NI_NUMERICSERV, NI_DGRAM };
	char ours[2][64], libc[2][64];

	for (size_t f = 0; f < ARRAY_LENGTH(flags); f++) {
		for (unsigned parts = 1; parts < 4; parts++) {
			char *host = parts & 1 ? ours[0] : NULL, *service = parts & 2 ? ours[1] : NULL;
			socklen_t host_size = host ? sizeof(ours[0]) : 0, service_size = service ? sizeof(ours[1]) : 0;

			memset(ours, 'x', sizeof(ours));
			memset(libc, 'x', sizeof(libc));
			ck_assert_int_eq(green_getnameinfo((struct sockaddr *)&address, sizeof(address), host, host_size, service,
							   service_size, flags[f]), 0);
			ck_assert_int_eq(getnameinfo((struct sockaddr *)&address, sizeof(address), host ? libc[0] : NULL, host_size,
						     service ? libc[1] : NULL, service_size, flags[f]), 0);
			if (host)
				ck_assert_str_eq(ours[0], libc[0]);
			if (service)
				ck_assert_str_eq(ours[1], libc[1]);
		}
	}
	ck_assert_int_eq(green_getnameinfo((struct sockaddr *)&address, sizeof(address), ours[0], 2, NULL, 0, 0), EAI_OVERFLOW);
	ck_assert_int_eq(green_getnameinfo((struct sockaddr *)&address, 3, ours[0], 60, NULL, 0, 0), EAI_FAMILY);
}
END_TEST

static void *looks_up(void *name)
{
	struct addrinfo *result = NULL;
	int code = green_getaddrinfo(name, "1", NULL, &result);

	green_freeaddrinfo(result);
	return (void *)(intptr_t)code;
}

START_TEST(ck16_others_run_while_one_waits_for_a_name)
{
	bool over = false;
	struct greenlet *other = green_spawn(counts_yields, &over);
	int64_t start = clock_now();

	ck_assert_int_eq((int)(intptr_t)looks_up("slow.test"), EAI_NONAME);
	ck_assert_int_ge(ms_since(start), 150);
	ck_assert_int_gt(yields, 10);
	over = true;
	join(other);
}
END_TEST

static void *itself(void *arg)
{
	return arg;
}

START_TEST(d1_files_have_threads_of_their_own)
{
	struct greenlet *tasks[NAME_WORKERS];
	int64_t start;

	for (int i = 0; i < NAME_WORKERS; i++)
		tasks[i] = green_spawn(looks_up, "never.test");
	green_sleep(20);
	start = clock_now();
	ck_assert_ptr_eq(green_offload(itself, &start), &start);
	ck_assert_int_lt(ms_since(start), 400);
	for (int i = 0; i < NAME_WORKERS; i++)
		join(tasks[i]);
}
END_TEST

static void limit_holds(unsigned limit, unsigned calls)
{
	struct greenlet *tasks[40];

	most_at_once = asked = 0;
	expected = limit;
	for (unsigned i = 0; i < calls; i++)
		tasks[i] = green_spawn(looks_up, "meet.test");
	for (unsigned i = 0; i < calls; i++)
		join(tasks[i]);
	ck_assert_uint_eq(asked, calls);
	ck_assert_uint_eq(most_at_once, limit);
}

START_TEST(u5_at_most_ten_at_a_time_unless_set)
{
	struct green_resolver_options options = { .threads = 3 };

	limit_holds(NAME_WORKERS, 25);
	ck_assert_int_eq(green_resolver_use(&options), 0);
	limit_holds(3, 7);
	options.threads = 14;
	ck_assert_int_eq(green_resolver_use(&options), 0);
	limit_holds(14, 20);
	options.threads = 0;
	ck_assert_int_eq(green_resolver_use(&options), 0);
	limit_holds(NAME_WORKERS, 25);
}
END_TEST

START_TEST(resolver_options_that_make_no_sense_are_refused)
{
	struct green_resolver_options options = { .kind = (enum green_resolver)7 };

	assert_fails(green_resolver_use(&options) == -1, EINVAL);
	options = (struct green_resolver_options) { .timeout_ms = -1 };
	assert_fails(green_resolver_use(&options) == -1, EINVAL);
	assert_fails(green_resolver_use(NULL) == -1, EINVAL);
}
END_TEST

static void *given_up(void *name)
{
	int code = (int)(intptr_t)looks_up(name);

	ck_assert_int_eq(code, EAI_SYSTEM);
	return (void *)(intptr_t)errno;
}

START_TEST(s9_a_look_up_can_be_given_up)
{
	struct greenlet *tasks[20];
	int64_t start;

	planned_count = 0;
	for (int i = 0; i < 20; i++)
		tasks[i] = green_spawn(given_up, "never.test");
	for (int i = 0; i < 300 && __atomic_load_n(&asked, __ATOMIC_SEQ_CST) < NAME_WORKERS; i++)
		green_sleep(1);
	start = clock_now();
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(green_kill(tasks[i], -1), 0);
		green_destroy(tasks[i]);
	}
	ck_assert_int_lt(ms_since(start), 500);
	/* Those that had not begun never do; the others end by themselves. */
	usleep(800000);
	ck_assert_uint_eq(asked, NAME_WORKERS);
	ck_assert_int_eq((int)(intptr_t)looks_up("next.test"), EAI_NONAME);
}
END_TEST

START_TEST(to6_a_scope_of_time_ends_a_look_up)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	green_timeout_start(&limit, 30);
	ck_assert_int_eq((intptr_t)given_up("slow.test"), ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_lt(ms_since(start), 140);
	usleep(300000); /* the thread ends it, and frees it */
}
END_TEST

static void *ends_while_a_task_asks(void *unused)
{
	green_destroy(green_spawn(looks_up, "slow.test"));
	green_sleep(30);
	return unused;
}

START_TEST(t3_a_kernel_thread_may_end_before_the_answer)
{
	in_thread(ends_while_a_task_asks, NULL);
	usleep(300000);
	ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(errors_of_the_system_come_through)
{
	struct addrinfo *result;

	errno = 0;
	ck_assert_int_eq(green_getaddrinfo("error.test", NULL, NULL, &result), EAI_SYSTEM);
	ck_assert_int_eq(errno, EXDEV);
	errno = EDOM;
	ck_assert_int_eq(green_getaddrinfo("127.0.0.1", NULL, NULL, &result), 0);
	ck_assert_int_eq(errno, EDOM);
	green_freeaddrinfo(result);
	green_freeaddrinfo(NULL);
}
END_TEST

static void *asks_in_child(void *unused)
{
	(void)unused;
	return looks_up("slow.test");
}

static void child_asks(void)
{
	if ((int)(intptr_t)looks_up("localhost") != 0 || (int)(intptr_t)looks_up("child.test") != EAI_NONAME)
		_exit(1);
}

START_TEST(h15_a_child_has_threads_of_its_own)
{
	struct greenlet *task = green_spawn(asks_in_child, NULL);

	green_sleep(20);
	ck_assert_int_eq(in_child(child_asks, NULL, 0), 0);
	ck_assert_int_eq((int)(intptr_t)join(task), EAI_NONAME);
}
END_TEST

/* --- connecting by name --- */

static char port_text[8];

static const char *port_of(const struct sockaddr_in *address)
{
	snprintf(port_text, sizeof(port_text), "%d", ntohs(address->sin_port));
	return port_text;
}

/* A listener whose backlog is full: who connects waits for ever. */
static int deaf_listener(struct sockaddr_in *address, int fillers[8])
{
	int fd = listener(address);

	ck_assert_int_eq(listen(fd, 0), 0);
	for (int i = 0; i < 8; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fillers[i], (struct sockaddr *)address, sizeof(*address));
	}
	usleep(10000);
	return fd;
}

static void deaf_close(int fd, int fillers[8])
{
	for (int i = 0; i < 8; i++)
		close(fillers[i]);
	green_close(fd);
}

/* A port at which nobody listens. */
static void closed_port(struct sockaddr_in *address)
{
	green_close(listener(address));
}

static in_port_t peer_port(int fd)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);

	ck_assert_int_eq(getpeername(fd, (struct sockaddr *)&peer, &length), 0);
	return peer.sin_port;
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool result = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return result;
}

START_TEST(k10_dial_connects_in_blocking_mode)
{
	struct sockaddr_in address;
	int listening = listener(&address), fd = green_dial("127.0.0.1", port_of(&address), 1000), other;
	char byte;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	other = green_accept(listening, NULL, NULL);
	ck_assert_int_eq(green_write(other, "x", 1), 1);
	ck_assert_int_eq(green_read(fd, &byte, 1), 1);
	green_close(fd);
	fd = green_dial("localhost", port_of(&address), 1000);
	ck_assert_int_ge(fd, 0);
	green_close(fd);
	green_close(other);
	green_close(listening);
}
END_TEST

START_TEST(k10_the_next_address_follows_at_once_after_a_failure)
{
	struct sockaddr_in dead, good;
	int64_t start;
	int listening, fd;

	closed_port(&dead);
	listening = listener(&good);
	plan(&dead);
	plan(&dead);
	plan(&good);
	start = clock_now();
	fd = green_dial("list.test", "1", -1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_lt(ms_since(start), 240);
	ck_assert_uint_eq(peer_port(fd), good.sin_port);
	green_close(fd);
	green_close(listening);
}
END_TEST

START_TEST(c7_one_that_says_nothing_has_a_head_start_only)
{
	struct sockaddr_in deaf, good;
	int fillers[8], deaf_fd = deaf_listener(&deaf, fillers), listening = listener(&good), fd;
	int64_t start;

	plan(&deaf);
	plan(&good);
	start = clock_now();
	fd = green_dial("list.test", "1", 5000);
	ck_assert_int_ge(fd, 0);
	assert_took(start, 250);
	ck_assert_uint_eq(peer_port(fd), good.sin_port);
	green_close(fd);
	green_close(listening);
	deaf_close(deaf_fd, fillers);
}
END_TEST

START_TEST(c7_families_take_turns)
{
	struct sockaddr_in deaf, good;
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };
	int fillers[8], deaf_fd, listening, fd;
	int64_t start;

	if (!has_ipv6()) {
		skipped("there is no IPv6");
		return;
	}
	deaf_fd = deaf_listener(&deaf, fillers);
	listening = listener(&good);
	for (int i = 0; i < 4; i++)
		plan(&deaf);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
	mapped.sin6_port = good.sin_port;
	memcpy(&planned[planned_count++], &mapped, sizeof(mapped));
	start = clock_now();
	fd = green_dial("list.test", "1", 5000);
	ck_assert_int_ge(fd, 0);
	/* The fifth in the list is the second in turn; else it would begin after a second. */
	ck_assert_int_ge(ms_since(start), 250);
	ck_assert_int_lt(ms_since(start), 900);
	green_close(fd);
	green_close(listening);
	deaf_close(deaf_fd, fillers);
}
END_TEST

START_TEST(k5_one_deadline_for_all_of_it)
{
	struct sockaddr_in deaf;
	int fillers[8], deaf_fd = deaf_listener(&deaf, fillers);
	int64_t start = clock_now();

	plan(&deaf);
	plan(&deaf);
	assert_fails(green_dial("slow.test", "1", 400) == -1, ETIMEDOUT);
	assert_took(start, 400);
	start = clock_now();
	assert_fails(green_dial("never.test", "1", 50) == -1, ETIMEDOUT);
	assert_took(start, 50);
	deaf_close(deaf_fd, fillers);
	usleep(700000);
}
END_TEST

static void *dials(void *name)
{
	int fd = green_dial(name, "1", -1);

	ck_assert_int_eq(fd, -1);
	return (void *)(intptr_t)errno;
}

START_TEST(s9_dial_ends_when_it_is_killed)
{
	struct sockaddr_in deaf;
	int fillers[8], deaf_fd = deaf_listener(&deaf, fillers);
	struct greenlet *task = green_spawn(dials, "list.test");

	plan(&deaf);
	plan(&deaf);
	green_sleep(300);
	ck_assert_int_eq(green_kill(task, -1), 0);
	green_destroy(task);
	deaf_close(deaf_fd, fillers);
}
END_TEST

START_TEST(k10_the_first_addresss_error_is_told)
{
	struct sockaddr_in dead, broadcast = { .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = INADDR_BROADCAST };

	closed_port(&dead);
	plan(&dead);
	plan(&broadcast);
	assert_fails(green_dial("list.test", "1", -1) == -1, ECONNREFUSED);
	planned[0] = planned[1];
	plan(&dead);
	ck_assert_int_eq(green_dial("list.test", "1", -1), -1);
	ck_assert_int_ne(errno, ECONNREFUSED);
}
END_TEST

START_TEST(dial_tells_why_there_is_no_address)
{
	assert_fails(green_dial("list.test", "1", -1) == -1, ENOENT);
	assert_fails(green_dial("later.test", "1", -1) == -1, EAGAIN);
	assert_fails(green_dial("error.test", "1", -1) == -1, EXDEV);
	assert_fails(green_dial("127.0.0.1", "no-such-service", -1) == -1, EINVAL);
	assert_fails(green_dial(NULL, "1", -1) == -1, EINVAL);
	assert_fails(green_dial("127.0.0.1", NULL, -1) == -1, EINVAL);
	assert_fails(green_dial("127.0.0.1", "65536", -1) == -1, EINVAL);
	assert_fails(green_dial("unix:/tmp/x", "1", -1) == -1, EINVAL);
	assert_fails(green_dial("unix:", NULL, -1) == -1, EINVAL);
}
END_TEST

/* --- listening by name --- */

static in_port_t bound_port(int fd)
{
	struct sockaddr_in6 address;
	socklen_t length = sizeof(address);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return address.sin6_port; /* where sin_port lies, too */
}

static void reachable(int listening, const char *host)
{
	char port[8];
	int fd, other;

	snprintf(port, sizeof(port), "%d", ntohs(bound_port(listening)));
	fd = green_dial(host, port, 1000);
	ck_assert_int_ge(fd, 0);
	other = green_accept(listening, NULL, NULL);
	ck_assert_int_ge(other, 0);
	green_close(fd);
	green_close(other);
}

START_TEST(v10_listen_at_an_address_and_at_all)
{
	int fd = green_listen("127.0.0.1", "0", 0, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	reachable(fd, "127.0.0.1");
	green_close(fd);
	fd = green_listen(NULL, "0", 5, 0);
	ck_assert_int_ge(fd, 0);
	reachable(fd, "127.0.0.1");
	if (has_ipv6())
		reachable(fd, "::1");
	green_close(fd);
	fd = green_listen("localhost", "0", 5, 0);
	reachable(fd, "localhost");
	green_close(fd);
}
END_TEST

START_TEST(v10_a_port_is_used_again_and_shared_only_if_asked)
{
	char port[8];
	int fd = green_listen("127.0.0.1", "0", 0, 0), again;

	snprintf(port, sizeof(port), "%d", ntohs(bound_port(fd)));
	reachable(fd, "127.0.0.1");
	assert_fails(green_listen("127.0.0.1", port, 0, 0) == -1, EADDRINUSE);
	green_close(fd);
	fd = green_listen("127.0.0.1", port, 0, GREEN_REUSE_PORT);
	ck_assert_int_ge(fd, 0);
	again = green_listen("127.0.0.1", port, 0, GREEN_REUSE_PORT);
	ck_assert_int_ge(again, 0);
	green_close(fd);
	green_close(again);
}
END_TEST

START_TEST(v10_unix_paths)
{
	char directory[] = "/tmp/green-test-XXXXXX", path[64], host[80];
	struct stat status;
	int fd, client;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(host, sizeof(host), "unix:%s", path);
	assert_fails(green_dial(host, NULL, 100) == -1, ENOENT);
	fd = green_listen(host, NULL, 1, 0);
	ck_assert_int_ge(fd, 0);
	assert_fails(green_listen(host, NULL, 1, 0) == -1, EADDRINUSE);
	client = green_dial(host, NULL, 100);
	ck_assert_int_ge(client, 0);
	ck_assert_int_eq(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
	green_close(client);
	green_close(fd);
	/* Nobody listens there any more: refused, and replaced. */
	ck_assert_int_eq(stat(path, &status), 0);
	assert_fails(green_dial(host, NULL, 100) == -1, ECONNREFUSED);
	fd = green_listen(host, NULL, 1, 0);
	ck_assert_int_ge(fd, 0);
	green_close(fd);
	unlink(path);
	/* What is no socket stays. */
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_fails(green_listen(host, NULL, 1, 0) == -1, EADDRINUSE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

static void *accepts_later(void *fd)
{
	green_sleep(100);
	for (int i = 0; i < 3; i++)
		green_close(green_accept((int)(intptr_t)fd, NULL, NULL));
	return NULL;
}

START_TEST(dial_waits_while_a_unix_listener_is_full)
{
	char directory[] = "/tmp/green-test-XXXXXX", path[64], host[80];
	int fd, clients[3];
	struct greenlet *accepter;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(host, sizeof(host), "unix:%s", path);
	fd = green_listen(host, NULL, 1, 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_ge(clients[i] = green_dial(host, NULL, 100), 0);
	assert_fails(green_dial(host, NULL, 50) == -1, ETIMEDOUT);
	accepter = green_spawn(accepts_later, (void *)(intptr_t)fd);
	ck_assert_int_ge(clients[2] = green_dial(host, NULL, 5000), 0);
	join(accepter);
	for (int i = 0; i < 3; i++)
		green_close(clients[i]);
	green_close(fd);
	unlink(path);
	rmdir(directory);
}
END_TEST

START_TEST(listen_refuses_what_makes_no_sense)
{
	assert_fails(green_listen("127.0.0.1", NULL, 0, 0) == -1, EINVAL);
	assert_fails(green_listen("127.0.0.1", "99999999999999999999999", 0, 0) == -1, EINVAL);
	assert_fails(green_listen("127.0.0.1", "0", -1, 0) == -1, EINVAL);
	assert_fails(green_listen("127.0.0.1", "0", 0, 64) == -1, EINVAL);
	assert_fails(green_listen("unix:/tmp/x", "1", 0, 0) == -1, EINVAL);
	assert_fails(green_listen("no.test", "0", 0, 0) == -1, ENOENT);
	assert_fails(green_listen("192.0.2.1", "0", 0, 0) == -1, EADDRNOTAVAIL);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("resolve", WITH_HUB);

	tcase_add_test(tcase, d5_numeric_addresses_need_neither_a_thread_nor_a_turn);
	tcase_add_test(tcase, d1_d5_every_answer_is_the_systems);
	tcase_add_test(tcase, d5_names_of_addresses_are_the_systems);
	tcase_add_test(tcase, ck16_others_run_while_one_waits_for_a_name);
	tcase_add_test(tcase, d1_files_have_threads_of_their_own);
	tcase_add_test(tcase, u5_at_most_ten_at_a_time_unless_set);
	tcase_add_test(tcase, resolver_options_that_make_no_sense_are_refused);
	tcase_add_test(tcase, s9_a_look_up_can_be_given_up);
	tcase_add_test(tcase, to6_a_scope_of_time_ends_a_look_up);
	tcase_add_test(tcase, t3_a_kernel_thread_may_end_before_the_answer);
	tcase_add_test(tcase, errors_of_the_system_come_through);
	tcase_add_test(tcase, h15_a_child_has_threads_of_its_own);
	tcase_add_test(tcase, k10_dial_connects_in_blocking_mode);
	tcase_add_test(tcase, k10_the_next_address_follows_at_once_after_a_failure);
	tcase_add_test(tcase, c7_one_that_says_nothing_has_a_head_start_only);
	tcase_add_test(tcase, c7_families_take_turns);
	tcase_add_test(tcase, k5_one_deadline_for_all_of_it);
	tcase_add_test(tcase, s9_dial_ends_when_it_is_killed);
	tcase_add_test(tcase, k10_the_first_addresss_error_is_told);
	tcase_add_test(tcase, dial_tells_why_there_is_no_address);
	tcase_add_test(tcase, v10_listen_at_an_address_and_at_all);
	tcase_add_test(tcase, v10_a_port_is_used_again_and_shared_only_if_asked);
	tcase_add_test(tcase, v10_unix_paths);
	tcase_add_test(tcase, dial_waits_while_a_unix_listener_is_full);
	tcase_add_test(tcase, listen_refuses_what_makes_no_sense);
	return suite_end();
}
