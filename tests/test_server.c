/* SPDX-License-Identifier: MIT */
/* test_server.c - servers: clients, back-pressure, trouble, the end; several kernel threads; sockets from elsewhere */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "green.h"
#include "support.h"

enum { CLIENTS = 6 };

static struct green_server *server;
static int served, told[64], pauses[64], troubles;

static void echo(int fd, void *arg)
{
	char bytes[512];
	ssize_t size;

	served++;
	ck_assert_ptr_eq(arg, &served);
	while ((size = green_recv(fd, bytes, sizeof(bytes), 0)) > 0)
		green_send(fd, bytes, (size_t)size, MSG_NOSIGNAL);
}

static void trouble(struct green_server *which, int error, int pause_ms, void *arg)
{
	ck_assert_ptr_eq(which, server);
	ck_assert_ptr_eq(arg, &served);
	if (troubles < 64) {
		told[troubles] = error;
		pauses[troubles] = pause_ms;
	}
	troubles++;
}

static struct green_server_options usual(void)
{
	return (struct green_server_options) {
		.host = "127.0.0.1", .service = "0", .handler = echo, .arg = &served, .trouble = trouble,
	};
}

static void start(const struct green_server_options *options)
{
	server = green_server_create(options);
	ck_assert_ptr_nonnull(server);
	ck_assert_int_eq(green_server_start(server), 0);
}

static int dial(void)
{
	char port[8];
	int fd;

	snprintf(port, sizeof(port), "%u", green_server_port(server));
	fd = green_dial("127.0.0.1", port, 2000);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void answered(int fd)
{
	char byte = 0;
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(green_send(fd, "x", 1, 0), 1);
	ck_assert_int_eq(green_poll(&polled, 1, 5000), 1);
	ck_assert_int_eq(green_recv(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(byte, 'x');
}

static void not_answered(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	green_send(fd, "x", 1, 0);
	ck_assert_int_eq(green_poll(&polled, 1, 60), 0);
}

/* The server has closed the connection. */
static void ended(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	char byte;

	ck_assert_int_eq(green_poll(&polled, 1, 5000), 1);
	ck_assert_int_le(green_recv(fd, &byte, 1, 0), 0);
	green_close(fd);
}

static void wait_for_clients(size_t count)
{
	for (int i = 0; i < 500 && green_server_clients(server) != count; i++)
		green_sleep(10);
	ck_assert_uint_eq(green_server_clients(server), count);
}

/* --- clients --- */

START_TEST(v1_a_task_for_each_client)
{
	struct green_server_options options = usual();
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int fds[CLIENTS];

	start(&options);
	ck_assert_int_eq(green_server_address(server, (struct sockaddr *)&address, &length), 0);
	ck_assert_uint_eq(ntohs(address.sin_port), green_server_port(server));
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = dial();
	for (int i = CLIENTS - 1; i >= 0; i--)
		answered(fds[i]);
	ck_assert_int_eq(served, CLIENTS);
	ck_assert_uint_eq(green_server_clients(server), CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		green_close(fds[i]);
	wait_for_clients(0);
	ck_assert_int_eq(green_server_stop(server), 0);
	assert_fails(green_server_address(server, (struct sockaddr *)&address, &length) == -1, EBADF);
	green_server_destroy(server);
	ck_assert_int_eq(troubles, 0);
}
END_TEST

START_TEST(v7_it_listens_at_once_and_accepts_when_it_is_started)
{
	struct green_server_options options = usual();
	int fd;

	server = green_server_create(&options);
	ck_assert_ptr_nonnull(server);
	fd = dial();
	not_answered(fd);
	ck_assert_int_eq(green_server_start(server), 0);
	assert_fails(green_server_start(server) == -1, EALREADY);
	answered(fd);
	green_close(fd);
	green_server_stop(server);
	assert_fails(green_server_start(server) == -1, EBADF);
	green_server_destroy(server);
	green_server_destroy(NULL);
}
END_TEST

START_TEST(v7_what_makes_no_sense_is_refused)
{
	struct green_server_options options = usual();
	int listening;

	assert_fails(!green_server_create(NULL), EINVAL);
	options.handler = NULL;
	assert_fails(!green_server_create(&options), EINVAL);
	options = usual();
	options.max_accept = -1;
	assert_fails(!green_server_create(&options), EINVAL);
	options = usual();
	options.host = "192.0.2.1";
	assert_fails(!green_server_create(&options), EADDRNOTAVAIL);
	options = usual();
	options.host = options.service = NULL;
	options.fd = -1;
	assert_fails(!green_server_create(&options), EBADF);
	/* A socket of one's own. */
	listening = options.fd = green_listen("127.0.0.1", "0", 5, 0);
	start(&options);
	listening = dial();
	answered(listening);
	green_close(listening);
	green_server_destroy(server);
	assert_fails(fcntl(options.fd, F_GETFD) == -1, EBADF);
}
END_TEST

START_TEST(v7_pause_and_resume)
{
	struct green_server_options options = usual();
	int first, second;

	start(&options);
	first = dial();
	answered(first);
	green_server_pause(server);
	second = dial();
	not_answered(second);
	answered(first);
	ck_assert_uint_eq(green_server_clients(server), 1);
	green_server_resume(server);
	answered(second);
	green_close(first);
	green_close(second);
	green_server_destroy(server);
}
END_TEST

static void fails(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	served++;
	green_throw(green_current(), EIO, NULL);
}

START_TEST(v6_the_connection_ends_with_its_handler_even_if_that_fails)
{
	struct green_server_options options = usual();

	options.handler = fails;
	start(&options);
	for (int i = 0; i < 3; i++)
		ended(dial());
	ck_assert_int_eq(served, 3);
	wait_for_clients(0);
	green_server_destroy(server);
}
END_TEST

static void echo_lines(struct green_stream *stream, void *arg)
{
	char line[64];
	int at_once = 0;
	socklen_t length = sizeof(at_once);

	(void)arg;
	ck_assert_int_eq(getsockopt(green_stream_fd(stream), IPPROTO_TCP, TCP_NODELAY, &at_once, &length), 0);
	ck_assert_int_ne(at_once, 0);
	while (green_stream_read_line(stream, line, sizeof(line)) > 0)
		green_stream_print(stream, "<%s>\n", line);
}

static struct green_stream *opens(int fd, void *arg)
{
	ck_assert_ptr_eq(arg, &served);
	if (served++)
		return green_stream_create(fd);
	errno = EPROTO;
	return NULL;
}

START_TEST(v10_streams_are_made_in_the_clients_own_task)
{
	struct green_server_options options = usual();
	char text[16];
	int fd;

	options.handler = NULL;
	options.stream_handler = echo_lines;
	options.open_stream = opens;
	start(&options);
	/* One that fails ends that connection only. */
	ended(dial());
	fd = dial();
	ck_assert_int_eq(green_write(fd, "a\nbc\n", 5), 5);
	ck_assert_int_eq(green_recv(fd, text, 9, MSG_WAITALL), 9);
	ck_assert_mem_eq(text, "<a>\n<bc>\n", 9);
	green_close(fd);
	green_server_destroy(server);
}
END_TEST

static void *counts(void *turns)
{
	for (;; ++*(int *)turns) {
		if (green_yield() || green_error(NULL))
			return NULL;
	}
}

static void notes_turn(int fd, void *arg)
{
	(void)fd;
	if (served < 64)
		told[served] = *(int *)arg;
	served++;
}

START_TEST(v2_others_have_a_turn_after_so_many_clients)
{
	static int turns;
	struct green_server_options options = usual();
	struct greenlet *other;
	int fds[20];

	options.handler = notes_turn;
	options.arg = &turns;
	options.trouble = NULL;
	options.max_accept = 5;
	server = green_server_create(&options);
	for (int i = 0; i < 20; i++)
		fds[i] = dial();
	other = green_spawn(counts, &turns);
	green_server_start(server);
	for (int i = 0; i < 500 && served < 20; i++)
		green_sleep(5);
	ck_assert_int_eq(served, 20);
	for (int i = 0; i < 20; i += 5)
		ck_assert_int_eq(told[i], told[i + 4]);
	for (int i = 5; i < 20; i += 5)
		ck_assert_int_gt(told[i], told[i - 1]);
	green_kill(other, 0);
	join(other);
	for (int i = 0; i < 20; i++)
		green_close(fds[i]);
	green_server_destroy(server);
}
END_TEST

/* --- back-pressure and trouble --- */

/* CK14: no room */
START_TEST(v5_with_no_room_clients_wait_in_the_backlog)
{
	struct green_server_options options = usual();
	int fds[5];

	options.limit = 2;
	start(&options);
	for (int i = 0; i < 5; i++)
		fds[i] = dial();
	answered(fds[0]);
	answered(fds[1]);
	not_answered(fds[2]);
	ck_assert_uint_eq(green_server_clients(server), 2);
	for (int i = 0; i < 3; i++) {
		green_close(fds[i]);
		if (i == 0) {
			char byte;

			/* The answer to the byte that was sent before there was room. */
			ck_assert_int_eq(green_recv(fds[2], &byte, 1, 0), 1);
		}
		answered(fds[i + 2]);
		ck_assert_uint_le(green_server_clients(server), 2);
	}
	green_close(fds[3]);
	green_close(fds[4]);
	wait_for_clients(0);
	ck_assert_int_eq(served, 5);
	green_server_destroy(server);
}
END_TEST

static void limit_descriptors(rlim_t limit)
{
	struct rlimit rlimit;

	getrlimit(RLIMIT_NOFILE, &rlimit);
	rlimit.rlim_cur = limit;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rlimit), 0);
}

START_TEST(v3_without_descriptors_it_pauses_longer_and_longer)
{
	struct green_server_options options = usual();
	struct rlimit before;
	int fds[3], next;
	int64_t since;

	getrlimit(RLIMIT_NOFILE, &before);
	start(&options);
	for (int i = 0; i < 3; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
	/* From here on there is none left. */
	next = dup(0);
	close(next);
	limit_descriptors((rlim_t)next);
	since = clock_now();
	for (int i = 0; i < 3; i++) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		address.sin_port = htons((in_port_t)green_server_port(server));
		ck_assert_int_eq(green_connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	while (troubles < 6)
		green_sleep(5);
	/* 10 + 20 + 40 + 80 + 160 milliseconds lie before the sixth. */
	ck_assert_int_ge(ms_since(since), 310);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(told[i], EMFILE);
		ck_assert_int_eq(pauses[i], 10 << i);
	}
	limit_descriptors(before.rlim_cur);
	for (int i = 0; i < 3; i++)
		answered(fds[i]);
	/* A success begins anew. */
	troubles = 0;
	limit_descriptors((rlim_t)next);
	close(fds[0]);
	fds[0] = -1;
	green_sleep(50);
	limit_descriptors(before.rlim_cur);
	ck_assert_int_eq(troubles, 0);
	for (int i = 1; i < 3; i++)
		green_close(fds[i]);
	green_server_destroy(server);
}
END_TEST

/* CK14: no descriptors */
START_TEST(v3_the_pause_has_an_end_and_stop_does_not_wait_for_it)
{
	struct green_server_options options = usual();
	struct rlimit before;
	int fd, next;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int64_t since;

	getrlimit(RLIMIT_NOFILE, &before);
	start(&options);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	next = dup(0);
	close(next);
	limit_descriptors((rlim_t)next);
	address.sin_port = htons((in_port_t)green_server_port(server));
	ck_assert_int_eq(green_connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	while (troubles < 9)
		green_sleep(20);
	ck_assert_int_eq(pauses[6], 640);
	ck_assert_int_eq(pauses[7], 1000);
	ck_assert_int_eq(pauses[8], 1000);
	since = clock_now();
	ck_assert_int_eq(green_server_stop(server), 0);
	ck_assert_int_lt(ms_since(since), 700);
	limit_descriptors(before.rlim_cur);
	green_close(fd);
	green_server_destroy(server);
}
END_TEST

#ifdef GREEN_DEBUG
START_TEST(v3_without_a_task_it_pauses_too)
{
	struct green_server_options options = usual();
	int fds[2];

	server = green_server_create(&options);
	fds[0] = dial();
	fds[1] = dial();
	ck_assert_int_eq(green_server_start(server), 0);
	/* The first is for accept, the second for the memory of a client. */
	green__fault_at(2);
	green_sleep(5);
	ended(fds[0]);
	ck_assert_int_eq(troubles, 1);
	ck_assert_int_eq(told[0], ENOMEM);
	ck_assert_int_eq(pauses[0], 10);
	answered(fds[1]);
	green_close(fds[1]);
	green_server_destroy(server);
}
END_TEST
#endif

static void *closes(void *fd)
{
	green_close((int)(intptr_t)fd);
	return NULL;
}

/* --- connections that are gone before they are accepted: a kernel thread answers the first calls of accept --- */

enum { GONE = 3 };

static int gone, supervisor;
static volatile bool supervised;

static int filter_of_accept(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_accept4, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_LENGTH(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void answer_accept(void)
{
	struct seccomp_notif asked;
	struct seccomp_notif_resp answer = { 0 };

	memset(&asked, 0, sizeof(asked));
	if (ioctl(supervisor, SECCOMP_IOCTL_NOTIF_RECV, &asked))
		return;
	answer.id = asked.id;
	if (gone++ < GONE)
		answer.error = -ECONNABORTED;
	else
		answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	ioctl(supervisor, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void *supervise(void *unused)
{
	struct pollfd polled = { .fd = supervisor, .events = POLLIN };

	while (supervised) {
		if (poll(&polled, 1, 20) > 0)
			answer_accept();
	}
	return unused;
}

START_TEST(c6_connections_that_are_gone_are_no_trouble)
{
	struct green_server_options options = usual();
	pthread_t thread;
	int fd;

	start(&options);
	fd = dial();
	supervisor = tools_watch() ? -1 : filter_of_accept();
	if (supervisor < 0) {
		green_close(fd);
		green_server_destroy(server);
		return skipped("no calls can be answered here");
	}
	supervised = true;
	pthread_create(&thread, NULL, supervise, NULL);
	answered(fd);
	ck_assert_int_gt(gone, GONE);
	ck_assert_int_eq(troubles, 0);
	ck_assert_int_eq(served, 1);
	green_close(fd);
	ck_assert_int_eq(green_server_stop(server), 0);
	ck_assert_uint_eq(green_server_clients(server), 0);
	green_server_destroy(server);
	supervised = false;
	pthread_join(thread, NULL);
	close(supervisor);
}
END_TEST

/* CK14: an error that does not pass */
START_TEST(v4_a_listener_that_is_gone_ends_it)
{
	struct green_server_options options = usual();
	int fd;

	options.host = options.service = NULL;
	options.fd = green_listen("127.0.0.1", "0", 5, 0);
	start(&options);
	fd = dial();
	answered(fd);
	green_destroy(green_spawn(closes, (void *)(intptr_t)options.fd));
	assert_fails(green_server_run(server) == -1, EBADF);
	ck_assert_int_eq(troubles, 1);
	ck_assert_int_eq(told[0], EBADF);
	/* Who is being served stays. */
	answered(fd);
	green_close(fd);
	green_server_destroy(server);
	/* What does not listen cannot accept. */
	troubles = 0;
	options.fd = green_socket(AF_INET, SOCK_STREAM, 0);
	start(&options);
	assert_fails(green_server_run(server) == -1, EINVAL);
	green_server_destroy(server);
}
END_TEST

/* --- the end --- */

static void *stops(void *ms)
{
	green_sleep((int)(intptr_t)ms);
	return (void *)(intptr_t)(green_server_stop(server) ? errno : 0);
}

static void busy(int fd, void *arg)
{
	(void)arg;
	served++;
	if (green_sleep(150) == 0)
		green_send(fd, "done", 4, 0);
}

START_TEST(v8_u14_clients_may_end_what_they_have_begun)
{
	struct green_server_options options = usual();
	char text[4];
	struct greenlet *stopper;
	int fd;

	options.handler = busy;
	start(&options);
	fd = dial();
	wait_for_clients(1);
	stopper = green_spawn(stops, NULL);
	ck_assert_int_eq(green_server_run(server), 0);
	ck_assert_int_eq((int)(intptr_t)join(stopper), 0);
	ck_assert_int_eq(green_recv(fd, text, 4, MSG_WAITALL), 4);
	green_close(fd);
	green_server_destroy(server);
}
END_TEST

/* CK14: grace, then the end */
START_TEST(v8_then_they_are_killed)
{
	struct green_server_options options = usual();
	int64_t since = clock_now();
	int fds[3];

	options.stop_timeout_ms = 100;
	start(&options);
	for (int i = 0; i < 3; i++)
		answered(fds[i] = dial());
	ck_assert_int_eq(green_server_stop(server), 0);
	ck_assert_int_ge(ms_since(since), 100);
	ck_assert_int_lt(ms_since(since), 1000);
	for (int i = 0; i < 3; i++)
		ended(fds[i]);
	green_server_destroy(server);
}
END_TEST

static void *sends_signal(void *number)
{
	green_sleep(20);
	kill(getpid(), (int)(intptr_t)number);
	return NULL;
}

START_TEST(v9_u14_a_signal_ends_it_gracefully)
{
	struct green_server_options options = usual();
	char text[4];
	struct greenlet *sender;

	options.handler = busy;
	options.stop_on_sigterm = true;
	for (int i = 0; i < 2; i++) {
		int fd;

		start(&options);
		fd = dial();
		wait_for_clients(1);
		sender = green_spawn(sends_signal, (void *)(intptr_t)(i ? SIGINT : SIGTERM));
		ck_assert_int_eq(green_server_run(server), 0);
		ck_assert_int_eq(green_recv(fd, text, 4, MSG_WAITALL), 4);
		join(sender);
		green_close(fd);
		green_server_destroy(server);
	}
}
END_TEST

static bool may_end;

static void refuses(int fd, void *arg)
{
	(void)fd;
	(void)arg;
	while (!may_end) {
		if (green_sleep(10))
			green_error_clear();
	}
}

START_TEST(v8_who_refuses_is_told_of)
{
	struct green_server_options options = usual();
	int64_t since;
	int fd;

	options.handler = refuses;
	options.stop_timeout_ms = 50;
	start(&options);
	fd = dial();
	wait_for_clients(1);
	since = clock_now();
	assert_fails(green_server_stop(server) == -1, ETIMEDOUT);
	assert_took(since, 1050);
	ck_assert_uint_eq(green_server_clients(server), 1);
	/* It may be destroyed all the same; what is left of it goes with the last client. */
	green_server_destroy(server);
	may_end = true;
	ended(fd);
}
END_TEST

static void stops_itself(int fd, void *arg)
{
	(void)arg;
	ck_assert_int_eq(green_server_stop(server), 0);
	green_send(fd, "bye", 3, 0);
}

START_TEST(v9_a_handler_may_stop_its_server)
{
	struct green_server_options options = usual();
	char text[3];
	int fd;

	options.handler = stops_itself;
	server = green_server_create(&options);
	fd = dial();
	ck_assert_int_eq(green_server_run(server), 0);
	ck_assert_int_eq(green_recv(fd, text, 3, MSG_WAITALL), 3);
	ended(fd);
	green_server_destroy(server);
}
END_TEST

START_TEST(v8_destroy_kills_even_who_has_not_begun)
{
	struct green_server_options options = usual();
	int fds[CLIENTS];

	server = green_server_create(&options);
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = dial();
	green_server_start(server);
	green_yield();
	ck_assert_uint_eq(green_server_clients(server), CLIENTS);
	ck_assert_int_eq(served, 0);
	green_server_destroy(server);
	ck_assert_int_eq(served, 0);
	for (int i = 0; i < CLIENTS; i++)
		ended(fds[i]);
}
END_TEST

static void *runs(void *unused)
{
	ck_assert_int_eq(green_server_run(server), -1);
	ck_assert_int_eq(errno, ECANCELED);
	return unused;
}

START_TEST(s9_run_ends_when_it_is_killed_and_the_server_goes_on)
{
	struct green_server_options options = usual();
	struct greenlet *runner;
	int fd;

	server = green_server_create(&options);
	runner = green_spawn(runs, NULL);
	green_sleep(10);
	ck_assert_int_eq(green_kill(runner, -1), 0);
	green_destroy(runner);
	fd = dial();
	answered(fd);
	green_close(fd);
	green_server_destroy(server);
}
END_TEST

/* --- several kernel threads --- */

static unsigned numbers; /* atomic: one bit each */
static pid_t threads[4];

static int works(unsigned number, void *arg)
{
	ck_assert_ptr_eq(arg, &numbers);
	__atomic_or_fetch(&numbers, 1U << number, __ATOMIC_SEQ_CST);
	threads[number] = (pid_t)syscall(SYS_gettid);
	return green_sleep(20) || number == 7;
}

START_TEST(workers_run_each_on_a_hub_of_its_own)
{
	int64_t since = clock_now();

	ck_assert_int_eq(green_workers_run(4, works, &numbers), 0);
	ck_assert_uint_eq(numbers, 15);
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < i; j++)
			ck_assert_int_ne(threads[i], threads[j]);
	ck_assert_int_ge(ms_since(since), 20);
	ck_assert_int_eq(threads[0], syscall(SYS_gettid));
	ck_assert_int_eq(green_workers_run(1, works, &numbers), 0);
	assert_fails(green_workers_run(2, NULL, NULL) == -1, EINVAL);
	usleep(50000); /* until the threads' descriptors are gone */
}
END_TEST

static int one_fails(unsigned number, void *arg)
{
	(void)arg;
	return number == 1;
}

START_TEST(workers_tell_of_one_that_failed)
{
	assert_fails(green_workers_run(3, one_fails, NULL) == -1, ECHILD);
	ck_assert_int_eq(green_workers_run(1, one_fails, NULL), 0);
}
END_TEST

#ifdef GREEN_DEBUG
START_TEST(workers_all_begin_or_none)
{
	numbers = 0;
	green__fault_at(2);
	assert_fails(green_workers_run(4, works, &numbers) == -1, EAGAIN);
	ck_assert_uint_eq(numbers, 0);
}
END_TEST
#endif

static unsigned shared_port;
static unsigned hits[3]; /* atomic */
static unsigned enough, listening_now; /* atomic */

static void counts_hit(int fd, void *arg)
{
	char byte;

	__atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_SEQ_CST);
	green_recv(fd, &byte, 1, 0);
}

static int serves(unsigned number, void *port)
{
	struct green_server_options options = {
		.host = "127.0.0.1", .service = port, .flags = GREEN_REUSE_PORT, .handler = counts_hit, .arg = &hits[number],
	};
	struct green_server *mine = green_server_create(&options);

	if (!mine || green_server_start(mine))
		return 1;
	__atomic_add_fetch(&listening_now, 1, __ATOMIC_SEQ_CST);
	if (number == 0) {
		while (__atomic_load_n(&listening_now, __ATOMIC_SEQ_CST) < 3)
			green_sleep(1);
		for (int i = 0; i < 60; i++)
			green_close(green_dial("127.0.0.1", port, 2000));
		__atomic_store_n(&enough, 1, __ATOMIC_SEQ_CST);
	}
	while (!__atomic_load_n(&enough, __ATOMIC_SEQ_CST))
		green_sleep(5);
	green_sleep(30);
	green_server_destroy(mine);
	return 0;
}

START_TEST(v1_the_kernel_spreads_clients_over_servers_that_share_a_port)
{
	int fd = green_listen("127.0.0.1", "0", 0, GREEN_REUSE_PORT);
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	char port[8];

	getsockname(fd, (struct sockaddr *)&address, &length);
	shared_port = ntohs(address.sin_port);
	snprintf(port, sizeof(port), "%u", shared_port);
	green_close(fd);
	ck_assert_int_eq(green_workers_run(3, serves, port), 0);
	ck_assert_uint_gt(hits[0] + hits[1] + hits[2], 30);
	ck_assert_int_gt((hits[0] > 0) + (hits[1] > 0) + (hits[2] > 0), 1);
	usleep(50000);
}
END_TEST

/* --- sockets from elsewhere --- */

static void inherits(void)
{
	char text[16];
	int first = 0, fd = green_listen("127.0.0.1", "0", 0, 0);

	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
	dup2(fd, 3);
	dup2(fd, 4);
	fcntl(3, F_SETFD, 0);
	if (green_listen_fds(&first) != 2 || first != 3 || !(fcntl(3, F_GETFD) & FD_CLOEXEC) || !(fcntl(4, F_GETFD) & FD_CLOEXEC))
		_exit(1);
	if (getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
		_exit(2);
	if (green_listen_fds(&first) != 0)
		_exit(3);
	/* Somebody else's. */
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	if (green_listen_fds(&first) != 0 || getenv("LISTEN_FDS"))
		_exit(4);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "-1", 1);
	if (green_listen_fds(&first) != -1 || errno != EINVAL)
		_exit(5);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "60000", 1);
	if (green_listen_fds(&first) != -1 || errno != EINVAL)
		_exit(6);
}

START_TEST(listen_fds_are_taken_once)
{
	ck_assert_int_eq(in_child(inherits, NULL, 0), 0);
}
END_TEST

/* --- paths, and sockets that others share --- */

static char directory[] = "/tmp/green-test-XXXXXX", path[64], unix_host[80];

static struct green_server_options at_path(void)
{
	struct green_server_options options = usual();

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(unix_host, sizeof(unix_host), "unix:%s", path);
	options.host = unix_host;
	options.service = NULL;
	return options;
}

static void destroys(void)
{
	green_server_destroy(server);
}

START_TEST(v10_the_path_goes_with_the_server)
{
	struct green_server_options options = at_path();

	start(&options);
	green_yield();
	ck_assert_int_eq(access(path, F_OK), 0);
	/* A forked child only closes what it has. */
	ck_assert_int_eq(in_child(destroys, NULL, 0), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(green_server_stop(server), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	green_server_destroy(server);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(v10_what_others_have_put_at_the_path_stays)
{
	struct green_server_options options = at_path();
	char other[80];

	start(&options);
	snprintf(other, sizeof(other), "%s/other", directory);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(rename(other, path), 0);
	green_server_destroy(server);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

static void accepts_in_turns(int max_accept, size_t most)
{
	struct green_server_options options = usual();
	int fds[CLIENTS];
	size_t before = 0;

	options.host = options.service = NULL;
	options.max_accept = max_accept;
	options.fd = green_listen("127.0.0.1", "0", CLIENTS, 0);
	ck_assert_int_ge(options.fd, 0);
	start(&options);
	green_server_pause(server);
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = dial();
	green_server_resume(server);
	while (before < CLIENTS) {
		size_t now;

		green_yield();
		now = green_server_clients(server);
		ck_assert_uint_le(now - before, most);
		before = now;
	}
	for (int i = 0; i < CLIENTS; i++)
		green_close(fds[i]);
	green_server_destroy(server);
}

/* Whoever shares the socket may take the next one. */
START_TEST(v2_of_a_socket_that_was_given_one_at_a_time)
{
	accepts_in_turns(0, 1);
	accepts_in_turns(2, 2);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("server", WITH_HUB);

	tcase_add_test(tcase, v1_a_task_for_each_client);
	tcase_add_test(tcase, v7_it_listens_at_once_and_accepts_when_it_is_started);
	tcase_add_test(tcase, v7_what_makes_no_sense_is_refused);
	tcase_add_test(tcase, v7_pause_and_resume);
	tcase_add_test(tcase, v6_the_connection_ends_with_its_handler_even_if_that_fails);
	tcase_add_test(tcase, v10_streams_are_made_in_the_clients_own_task);
	tcase_add_test(tcase, v2_others_have_a_turn_after_so_many_clients);
	tcase_add_test(tcase, v5_with_no_room_clients_wait_in_the_backlog);
	tcase_add_test(tcase, v3_without_descriptors_it_pauses_longer_and_longer);
	tcase_add_test(tcase, v3_the_pause_has_an_end_and_stop_does_not_wait_for_it);
	tcase_add_test(tcase, v4_a_listener_that_is_gone_ends_it);
	tcase_add_test(tcase, c6_connections_that_are_gone_are_no_trouble);
	tcase_add_test(tcase, v8_u14_clients_may_end_what_they_have_begun);
	tcase_add_test(tcase, v8_then_they_are_killed);
	tcase_add_test(tcase, v9_u14_a_signal_ends_it_gracefully);
	tcase_add_test(tcase, v8_who_refuses_is_told_of);
	tcase_add_test(tcase, v9_a_handler_may_stop_its_server);
	tcase_add_test(tcase, v8_destroy_kills_even_who_has_not_begun);
	tcase_add_test(tcase, s9_run_ends_when_it_is_killed_and_the_server_goes_on);
	tcase_add_test(tcase, workers_run_each_on_a_hub_of_its_own);
	tcase_add_test(tcase, workers_tell_of_one_that_failed);
	tcase_add_test(tcase, v1_the_kernel_spreads_clients_over_servers_that_share_a_port);
	tcase_add_test(tcase, listen_fds_are_taken_once);
#ifdef GREEN_DEBUG
	tcase_add_test(tcase, v3_without_a_task_it_pauses_too);
	tcase_add_test(tcase, workers_all_begin_or_none);
#endif
	tcase_add_test(tcase, v10_the_path_goes_with_the_server);
	tcase_add_test(tcase, v10_what_others_have_put_at_the_path_stays);
	tcase_add_test(tcase, v2_of_a_socket_that_was_given_one_at_a_time);
	return suite_end();
}
