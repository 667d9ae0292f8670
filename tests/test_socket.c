/* SPDX-License-Identifier: MIT */
/* test_socket.c - cooperative socket calls */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "green.h"
#include "hub/descriptor.h"
#include "hub/hub.h"
#include "support.h"

enum { BIG = 10 * 1024 * 1024 };

static int ends[2];
static struct sockaddr_in address;

static struct sockaddr *where(void)
{
	return (struct sockaddr *)&address;
}

static void unix_pair(int type)
{
	ck_assert_int_eq(green_socketpair(AF_UNIX, type, 0, ends), 0);
}

static uint64_t io_calls(void)
{
	return green__hub()->flow->stats->io_calls;
}

/* What a task asks for, and what came of it. */
struct receive {
	size_t size;
	int flags;
	char text[64];
};

static void *receive(void *arg)
{
	struct receive *request = arg;
	ssize_t got = green_recv(ends[0], request->text, request->size, request->flags);

	return (void *)(intptr_t)(got < 0 ? -errno : got);
}

static void send_text(const char *text)
{
	ck_assert_int_eq(green_send(ends[1], text, strlen(text), 0), (ssize_t)strlen(text));
}

/* Connections. */

static int served;

static void *serve_echo(void *connection)
{
	int fd = (int)(intptr_t)connection;
	char text[64];
	ssize_t got;

	while ((got = green_recv(fd, text, sizeof(text), 0)) > 0)
		ck_assert_int_eq(green_send(fd, text, (size_t)got, 0), got);
	ck_assert_int_eq(green_close(fd), 0);
	served++;
	return NULL;
}

static void *accept_many(void *listening)
{
	int fd, left = 100;

	while (left-- > 0 && (fd = green_accept((int)(intptr_t)listening, NULL, NULL)) >= 0)
		green_destroy(green_spawn(serve_echo, (void *)(intptr_t)fd));
	return NULL;
}

static void *ask_echo(void *number)
{
	char text[32], back[32] = "";
	int fd = green_socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(green_connect(fd, where(), sizeof(address)), 0);
	for (int i = 0; i < 20; i++) {
		int length = snprintf(text, sizeof(text), "%d of %d", i, (int)(intptr_t)number);

		ck_assert_int_eq(green_send(fd, text, (size_t)length, 0), length);
		ck_assert_int_eq(green_recv(fd, back, (size_t)length, MSG_WAITALL), length);
		ck_assert_mem_eq(text, back, (size_t)length);
	}
	return (void *)(intptr_t)green_close(fd);
}

START_TEST(a_hundred_clients_talk_to_an_echo_server)
{
	int listening = listener(&address);
	struct greenlet *clients[100], *server = green_spawn(accept_many, (void *)(intptr_t)listening);

	for (intptr_t i = 0; i < 100; i++)
		clients[i] = green_spawn(ask_echo, (void *)i);
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_null(join(clients[i]));
	join(server);
	while (served < 100)
		green_sleep(1);
	ck_assert_int_eq(green_close(listening), 0);
	hub_checked();
}
END_TEST

static void *accept_one(void *listening)
{
	int fd = green_accept((int)(intptr_t)listening, NULL, NULL);

	return (void *)(intptr_t)(fd < 0 ? -errno : fd);
}

static int connected(void)
{
	int fd = green_socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(green_connect(fd, where(), sizeof(address)), 0);
	return fd;
}

START_TEST(k3_three_pending_connections_serve_three_acceptors_from_one_edge)
{
	struct greenlet *acceptors[3];
	int listening = listener(&address), clients[3];

	for (int i = 0; i < 3; i++)
		acceptors[i] = green_spawn(accept_one, (void *)(intptr_t)listening);
	green_yield();
	green_yield();
	/* Natively, so that the hub sees all three with one look. */
	for (int i = 0; i < 3; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(connect(clients[i], where(), sizeof(address)), 0);
	}
	for (int i = 0; i < 3; i++) {
		int fd = (int)(intptr_t)join(acceptors[i]);

		ck_assert_int_ge(fd, 0);
		green_close(fd);
		close(clients[i]);
	}
	green_close(listening);
}
END_TEST

/* K6: its flags are those that were asked for */
START_TEST(accept_tells_who_and_sets_flags)
{
	struct sockaddr_in peer = { 0 }, mine = { 0 };
	socklen_t length = sizeof(peer);
	int listening = listener(&address), client = connected();
	int fd = green_accept4(listening, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	char byte;

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(length, sizeof(peer));
	length = sizeof(mine);
	getsockname(client, (struct sockaddr *)&mine, &length);
	ck_assert_int_eq(peer.sin_port, mine.sin_port);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_fails(green_recv(fd, &byte, 1, 0) == -1, EAGAIN);
	green_close(fd);
	green_close(client);
	green_close(listening);
}
END_TEST

/* K1, L3: nobody else has set O_NONBLOCK */
START_TEST(the_flags_of_a_connection_are_never_changed_for_others_to_see)
{
	tcp_pair(ends);
	ck_assert_int_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	close_pair(ends);
}
END_TEST

START_TEST(k5_a_refused_connection_is_econnrefused)
{
	int listening = listener(&address);
	int known = green_socket(AF_INET, SOCK_STREAM, 0), unknown = socket(AF_INET, SOCK_STREAM, 0);

	green_close(listening);
	assert_fails(green_connect(known, where(), sizeof(address)) == -1, ECONNREFUSED);
	assert_fails(green_connect(unknown, where(), sizeof(address)) == -1, ECONNREFUSED);
	green_close(known);
	green_close(unknown);
}
END_TEST

START_TEST(k5_an_unknown_socket_connects_too)
{
	int listening = listener(&address), fd = socket(AF_INET, SOCK_STREAM, 0), accepted;

	ck_assert_int_eq(green_connect(fd, where(), sizeof(address)), 0);
	accepted = (int)(intptr_t)accept_one((void *)(intptr_t)listening);
	ck_assert_int_ge(accepted, 0);
	assert_fails(green_connect(fd, where(), sizeof(address)) == -1, EISCONN);
	close(fd);
	green_close(accepted);
	green_close(listening);
}
END_TEST

START_TEST(k5_a_nonblocking_socket_is_einprogress_or_connected)
{
	int listening = listener(&address), fd = green_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), accepted;

	errno = 0;
	ck_assert(green_connect(fd, where(), sizeof(address)) == 0 || errno == EINPROGRESS);
	ck_assert_int_eq(green_wait_fd(fd, GREEN_WRITE, 1000), GREEN_WRITE);
	accepted = (int)(intptr_t)accept_one((void *)(intptr_t)listening);
	green_close(fd);
	green_close(accepted);
	green_close(listening);
}
END_TEST

static void full_backlog(int *listening, int *first)
{
	*listening = green_socket(AF_INET, SOCK_STREAM, 0);
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(*listening, where(), sizeof(address)), 0);
	ck_assert_int_eq(listen(*listening, 0), 0);
	getsockname(*listening, where(), &(socklen_t){ sizeof(address) });
	*first = connected();
}

START_TEST(k5_so_sndtimeo_ends_a_connect_with_einprogress)
{
	struct timeval soon = { 0, 20000 };
	int listening, first, fd = green_socket(AF_INET, SOCK_STREAM, 0);
	int64_t start = clock_now();

	full_backlog(&listening, &first);
	ck_assert_int_eq(green_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	assert_fails(green_connect(fd, where(), sizeof(address)) == -1, EINPROGRESS);
	assert_took(start, 20);
	green_close(fd);
	green_close(first);
	green_close(listening);
}
END_TEST

static void *connect_unix(void *name)
{
	int fd = green_socket(AF_UNIX, SOCK_STREAM, 0);
	int result = green_connect(fd, name, sizeof(struct sockaddr_un));

	ck_assert_int_eq(green_close(fd), 0);
	return (void *)(intptr_t)result;
}

START_TEST(k5_connects_to_a_full_local_backlog_wait_and_others_run)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct greenlet *clients[4];
	int listening = green_socket(AF_UNIX, SOCK_STREAM, 0), accepted;

	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "libgreen-test-%d", getpid());
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&name, sizeof(name)), 0);
	ck_assert_int_eq(listen(listening, 0), 0);
	for (int i = 0; i < 4; i++)
		clients[i] = green_spawn(connect_unix, &name);
	green_sleep(5);
	for (int i = 0; i < 4; i++) {
		accepted = (int)(intptr_t)accept_one((void *)(intptr_t)listening);
		ck_assert_int_ge(accepted, 0);
		green_close(accepted);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_null(join(clients[i]));
	green_close(listening);
}
END_TEST

/* Accepts until the listener is shut down; how many. */
static void *accept_all(void *listening)
{
	intptr_t count = 0;
	int fd;

	while ((fd = green_accept((int)(intptr_t)listening, NULL, NULL)) >= 0) {
		ck_assert_int_eq(green_close(fd), 0);
		count++;
	}
	return (void *)count;
}

/* One of two kernel threads that accept from the same listener. */
static struct accepting {
	int listening, ticks;
	pthread_t thread;
} accepting[2];

static void *tick(void *arg)
{
	struct accepting *self = arg;

	for (;; __atomic_add_fetch(&self->ticks, 1, __ATOMIC_RELAXED))
		green_sleep(1);
	return NULL;
}

static void *accept_all_in_thread(void *arg)
{
	struct accepting *self = arg;

	green_destroy(green_spawn(tick, self));
	return join(green_spawn(accept_all, (void *)(intptr_t)self->listening));
}

/* K11: a descriptor belongs to no hub */
START_TEST(two_threads_accept_from_one_listener_and_neither_freezes)
{
	int listening = listener(&address);
	intptr_t total = 0;
	void *count;

	for (int i = 0; i < 2; i++) {
		accepting[i].listening = listening;
		ck_assert_int_eq(pthread_create(&accepting[i].thread, NULL, accept_all_in_thread, &accepting[i]), 0);
	}
	for (int i = 0; i < 1000; i++) {
		green_close(connected());
		/* Both hubs fall asleep now and then, so that both see the same connection. */
		if (i % 2)
			usleep(50);
	}
	green_sleep(20);
	for (int i = 0; i < 2; i++)
		__atomic_store_n(&accepting[i].ticks, 0, __ATOMIC_RELAXED);
	green_sleep(100);
	for (int i = 0; i < 2; i++)
		ck_assert_int_ge(__atomic_load_n(&accepting[i].ticks, __ATOMIC_RELAXED), 2);
	shutdown(listening, SHUT_RDWR);
	for (int i = 0; i < 2; i++) {
		pthread_join(accepting[i].thread, &count);
		total += (intptr_t)count;
	}
	ck_assert_int_eq(total, 1000);
	green_close(listening);
}
END_TEST

static void *waits_in(void *which)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char byte;
	long result = 0;

	switch ((intptr_t)which) {
	case 0: result = green_recv(ends[0], &byte, 1, 0); break;
	case 1: result = green_recvfrom(ends[0], &byte, 1, 0, (struct sockaddr *)&from, &size); break;
	case 2:
		result = green_accept(ends[0], where(), &size);
		if (result >= 0)
			green_close((int)result);
		break;
	}
	/* Else it would have ended without a value. */
	green_error_clear();
	return (void *)(intptr_t)(result == -1 ? errno : 0);
}

/* C5: of a wait that is given up nothing is left that could end another one */
START_TEST(c5_a_call_that_is_given_up_is_not_waited_for)
{
	for (intptr_t which = 0; which < 3; which++) {
		struct greenlet *task;
		int fd = -1;

		if (which == 2)
			ends[0] = listener(&address);
		else
			unix_pair(SOCK_STREAM);
		task = parked(waits_in, (void *)which);
		kill_soon(task);
		ck_assert_ptr_eq(join(task), (void *)ECANCELED);
		if (which == 2)
			fd = connected();
		else
			send_text("x");
		/* Ready, but nobody waits for that: main would never be woken. */
		assert_fails(green_event_wait(&(struct green_event)GREEN_EVENT_INIT, -1) == -1, EDEADLK);
		ck_assert_ptr_null(waits_in((void *)which));
		green_close(ends[0]);
		green_close(which == 2 ? fd : ends[1]);
	}
}
END_TEST

START_TEST(k4_close_during_an_accept_is_ebadf)
{
	int listening = listener(&address);
	struct greenlet *acceptor = green_spawn(accept_one, (void *)(intptr_t)listening);

	green_sleep(1);
	ck_assert_int_eq(green_close(listening), 0);
	ck_assert_int_eq((intptr_t)join(acceptor), -EBADF);
}
END_TEST

START_TEST(shutdown_of_a_listener_ends_an_accept_with_einval)
{
	int listening = listener(&address);
	struct greenlet *acceptor = green_spawn(accept_one, (void *)(intptr_t)listening);

	green_sleep(1);
	ck_assert_int_eq(shutdown(listening, SHUT_RDWR), 0);
	ck_assert_int_eq((intptr_t)join(acceptor), -EINVAL);
	ck_assert_int_eq(green_close(listening), 0);
}
END_TEST

START_TEST(shutdown_of_a_connection_ends_a_recv_with_zero)
{
	struct receive request = { 10, 0, "" };
	struct greenlet *receiver;

	tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	ck_assert_int_eq(shutdown(ends[0], SHUT_RD), 0);
	ck_assert_int_eq((intptr_t)join(receiver), 0);
	close_pair(ends);
}
END_TEST

/* Flags. */

START_TEST(msg_waitall_waits_for_all)
{
	struct receive request = { 9, MSG_WAITALL, "" };
	struct greenlet *receiver;

	if (_i)
		unix_pair(SOCK_STREAM);
	else
		tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	for (int i = 0; i < 9; i += 3) {
		green_sleep(2);
		ck_assert(!green_dead(receiver));
		ck_assert_int_eq(green_send(ends[1], &"abcdefghi"[i], 3, 0), 3);
	}
	ck_assert_int_eq((intptr_t)join(receiver), 9);
	ck_assert_mem_eq(request.text, "abcdefghi", 9);
	close_pair(ends);
}
END_TEST

START_TEST(msg_waitall_returns_what_came_before_the_end)
{
	struct receive request = { 9, MSG_WAITALL, "" };
	struct greenlet *receiver;

	if (_i)
		unix_pair(SOCK_STREAM);
	else
		tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	send_text("abc");
	green_sleep(1);
	ck_assert(!green_dead(receiver));
	green_close(ends[1]);
	ck_assert_int_eq((intptr_t)join(receiver), 3);
	ck_assert_mem_eq(request.text, "abc", 3);
	green_close(ends[0]);
}
END_TEST

START_TEST(msg_peek_takes_nothing)
{
	struct receive request = { 10, MSG_PEEK, "" };
	struct greenlet *receiver;

	if (_i)
		unix_pair(SOCK_STREAM);
	else
		tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	send_text("abc");
	ck_assert_int_eq((intptr_t)join(receiver), 3);
	for (int i = 0; i < 2; i++)
		ck_assert_ptr_eq(receive(&request), (void *)3);
	request.flags = 0;
	ck_assert_ptr_eq(receive(&request), (void *)3);
	ck_assert_mem_eq(request.text, "abc", 3);
	close_pair(ends);
}
END_TEST

START_TEST(msg_peek_with_msg_waitall_waits_for_all_and_takes_nothing)
{
	struct receive request = { 6, MSG_PEEK | MSG_WAITALL, "" };
	struct greenlet *receiver;

	tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	send_text("abc");
	green_sleep(5);
	ck_assert(!green_dead(receiver));
	send_text("def");
	ck_assert_int_eq((intptr_t)join(receiver), 6);
	request.flags = 0;
	ck_assert_ptr_eq(receive(&request), (void *)6);
	ck_assert_mem_eq(request.text, "abcdef", 6);
	close_pair(ends);
}
END_TEST

START_TEST(msg_dontwait_does_not_wait)
{
	struct receive request = { 10, MSG_DONTWAIT, "" };

	tcp_pair(ends);
	ck_assert_int_eq((intptr_t)receive(&request), -EAGAIN);
	send_text("abc");
	green_sleep(2);
	ck_assert_int_eq((intptr_t)receive(&request), 3);
	ck_assert_int_eq((intptr_t)receive(&request), -EAGAIN);
	request.flags = MSG_DONTWAIT | MSG_WAITALL;
	send_text("de");
	green_sleep(2);
	ck_assert_int_eq((intptr_t)receive(&request), 2);
	close_pair(ends);
}
END_TEST

/* K1: the mode that the program has set */
START_TEST(o_nonblock_does_not_wait)
{
	struct receive request = { 10, 0, "" };
	static char block[BIG];

	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	ck_assert_int_eq((intptr_t)receive(&request), -EAGAIN);
	request.flags = MSG_WAITALL;
	send_text("abc");
	ck_assert_int_eq((intptr_t)receive(&request), 3);
	ck_assert_int_lt(green_send(ends[1], block, BIG, 0), BIG);
	assert_fails(green_send(ends[1], block, BIG, 0) == -1, EAGAIN);
	close_pair(ends);
}
END_TEST

/* Timeouts. */

static void set_timeout(int fd, int option, int ms, bool unseen)
{
	struct timeval value = { ms / 1000, ms % 1000 * 1000 };

	ck_assert_int_eq((unseen ? setsockopt : green_setsockopt)(fd, SOL_SOCKET, option, &value, sizeof(value)), 0);
}

/* K1: a limit of time */
START_TEST(so_rcvtimeo_ends_a_recv_with_eagain)
{
	struct receive request = { 10, 0, "" };
	int64_t start = clock_now();

	if (_i)
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	else
		tcp_pair(ends);
	/* On an unknown socket it may be set behind our back. */
	set_timeout(ends[0], SO_RCVTIMEO, 20, _i);
	ck_assert_int_eq((intptr_t)receive(&request), -EAGAIN);
	assert_took(start, 20);
	start = clock_now();
	request.flags = MSG_WAITALL;
	send_text("abc");
	ck_assert_int_eq((intptr_t)receive(&request), 3);
	assert_took(start, 20);
	set_timeout(ends[0], SO_RCVTIMEO, 0, _i);
	request.size = 3;
	send_text("abc");
	ck_assert_int_eq((intptr_t)receive(&request), 3);
	close_pair(ends);
}
END_TEST

/* K7: one limit for all of a send, which tells what was taken */
START_TEST(so_sndtimeo_ends_a_send_with_what_was_taken_or_eagain)
{
	static char block[BIG];
	int64_t start = clock_now();

	if (_i)
		unix_pair(SOCK_STREAM);
	else
		tcp_pair(ends);
	set_timeout(ends[1], SO_SNDTIMEO, 20, false);
	ck_assert_int_lt(green_send(ends[1], block, BIG, 0), BIG);
	assert_took(start, 20);
	/* TCP may find room for a little more now and then. */
	do
		start = clock_now();
	while (green_send(ends[1], block, BIG, 0) > 0);
	ck_assert_int_eq(errno, EAGAIN);
	assert_took(start, 20);
	close_pair(ends);
}
END_TEST

/* K6: its limit of time is that of the listener */
START_TEST(so_rcvtimeo_ends_an_accept_and_is_inherited)
{
	int listening = listener(&address), client;
	int64_t start = clock_now();
	struct receive request = { 10, 0, "" };

	set_timeout(listening, SO_RCVTIMEO, 20, false);
	ck_assert_int_eq((intptr_t)accept_one((void *)(intptr_t)listening), -EAGAIN);
	assert_took(start, 20);
	client = connected();
	ends[0] = (int)(intptr_t)accept_one((void *)(intptr_t)listening);
	ck_assert_int_ge(ends[0], 0);
	start = clock_now();
	ck_assert_int_eq((intptr_t)receive(&request), -EAGAIN);
	assert_took(start, 20);
	green_close(ends[0]);
	green_close(client);
	green_close(listening);
}
END_TEST

/* Datagrams. */

static void udp_pair(struct sockaddr_in names[2])
{
	for (int i = 0; i < 2; i++) {
		names[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		ends[i] = green_socket(AF_INET, SOCK_DGRAM, 0);
		ck_assert_int_eq(bind(ends[i], (struct sockaddr *)&names[i], sizeof(names[i])), 0);
		getsockname(ends[i], (struct sockaddr *)&names[i], &(socklen_t){ sizeof(names[i]) });
	}
}

START_TEST(a_datagram_comes_with_its_sender)
{
	struct sockaddr_in names[2], from = { 0 };
	socklen_t length = sizeof(from);
	struct receive request = { 10, 0, "" };
	struct greenlet *receiver;
	char text[10];

	udp_pair(names);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(green_sendto(ends[1], "abc", 3, 0, (struct sockaddr *)&names[0], sizeof(names[0])), 3);
	ck_assert_int_eq((intptr_t)join(receiver), 3);
	ck_assert_int_eq(green_recvfrom(ends[0], text, sizeof(text), 0, (struct sockaddr *)&from, &length), 3);
	ck_assert_uint_eq(length, sizeof(from));
	ck_assert_int_eq(from.sin_port, names[1].sin_port);
	close_pair(ends);
}
END_TEST

START_TEST(an_empty_datagram_is_a_message_like_any_other)
{
	struct receive request = { 10, 0, "" };
	struct greenlet *receiver;

	unix_pair(_i ? SOCK_SEQPACKET : SOCK_DGRAM);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	ck_assert_int_eq(green_send(ends[1], "", 0, 0), 0);
	ck_assert_int_eq((intptr_t)join(receiver), 0);
	send_text("abc");
	/* A read of nothing must not swallow it. */
	ck_assert_int_eq(green_read(ends[0], request.text, 0), 0);
	ck_assert_int_eq((intptr_t)receive(&request), 3);
	close_pair(ends);
}
END_TEST

START_TEST(datagrams_keep_their_borders)
{
	struct receive request = { 2, MSG_WAITALL, "" };

	unix_pair(SOCK_DGRAM);
	send_text("abc");
	send_text("de");
	ck_assert_int_eq((intptr_t)receive(&request), 2);
	request.size = 10;
	/* MSG_WAITALL means nothing here. */
	ck_assert_int_eq((intptr_t)receive(&request), 2);
	ck_assert_mem_eq(request.text, "de", 2);
	request.flags = MSG_TRUNC;
	request.size = 1;
	send_text("fghi");
	ck_assert_int_eq((intptr_t)receive(&request), 4);
	close_pair(ends);
}
END_TEST

static void *drain_datagrams(void *count)
{
	char text[3000];

	for (intptr_t i = 0; i < (intptr_t)count; i++)
		ck_assert_int_eq(green_recv(ends[0], text, sizeof(text), 0), 2000);
	return NULL;
}

START_TEST(a_full_datagram_queue_makes_the_sender_wait)
{
	struct greenlet *receiver = green_spawn(drain_datagrams, (void *)1000);
	char text[2000] = "";

	unix_pair(SOCK_DGRAM);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(green_send(ends[1], text, sizeof(text), 0), sizeof(text));
	join(receiver);
	close_pair(ends);
}
END_TEST

/* Messages with descriptors. */

static void send_descriptor(int fd, const char *text)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec part = { (char *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	ck_assert_int_eq(green_sendmsg(ends[1], &message, 0), (ssize_t)strlen(text));
}

static int receive_descriptor(char *text, size_t size, int flags)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { text, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	int fd = -1;

	ck_assert_int_gt(green_recvmsg(ends[0], &message, flags), 0);
	if (CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

START_TEST(descriptors_travel_and_are_shared_and_unknown)
{
	char text[10], byte;
	int pipes[2], fd;

	unix_pair(SOCK_STREAM);
	ck_assert_int_eq(green_pipe2(pipes, 0), 0);
	send_descriptor(pipes[0], "abc");
	ck_assert(!green__descriptor_private(green__descriptor(pipes[0])));
	fd = receive_descriptor(text, sizeof(text), 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(green__descriptor(fd)->flags, 0);
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	ck_assert_int_eq(green_read(fd, &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	close(fd);
	close_pair(pipes);
	close_pair(ends);
}
END_TEST

static void *receive_three_times(void *unused)
{
	char text[100];
	intptr_t total = 0;

	/* Each message with a descriptor ends a read, however many bytes are queued behind it. */
	while (total < 9) {
		ssize_t got = green_recv(ends[0], text, sizeof(text), 0);

		ck_assert_int_gt(got, 0);
		total += got;
	}
	(void)unused;
	return (void *)total;
}

START_TEST(bytes_queued_behind_a_descriptor_are_not_forgotten)
{
	struct greenlet *receiver;

	unix_pair(SOCK_STREAM);
	receiver = green_spawn(receive_three_times, NULL);
	green_sleep(1);
	send_descriptor(0, "abc");
	send_descriptor(0, "def");
	send_descriptor(0, "ghi");
	ck_assert_int_eq((intptr_t)join(receiver), 9);
	close_pair(ends);
}
END_TEST

START_TEST(a_message_in_parts_goes_and_comes_whole)
{
	char a[2], b[10];
	struct iovec out[] = { { "ab", 2 }, { "cde", 3 } }, in[] = { { a, 2 }, { b, 10 } };
	struct msghdr sent = { .msg_iov = out, .msg_iovlen = 2 }, received = { .msg_iov = in, .msg_iovlen = 2 };

	unix_pair(_i ? SOCK_DGRAM : SOCK_STREAM);
	ck_assert_int_eq(green_sendmsg(ends[1], &sent, 0), 5);
	ck_assert_int_eq(green_recvmsg(ends[0], &received, 0), 5);
	ck_assert_mem_eq(a, "ab", 2);
	ck_assert_mem_eq(b, "cde", 3);
	close_pair(ends);
}
END_TEST

/* Drained: no probe after a short read of plain TCP, and never a byte left lying. */

START_TEST(after_a_short_tcp_read_the_next_one_parks_without_a_probe)
{
	struct receive request = { 10, 0, "" };
	struct greenlet *receiver;
	uint64_t before;

	tcp_pair(ends);
	for (int i = 0; i < 5; i++) {
		before = io_calls();
		receiver = green_spawn(receive, &request);
		green_sleep(1);
		ck_assert_int_eq(write(ends[1], "abc", 3), 3);
		ck_assert_int_eq((intptr_t)join(receiver), 3);
		/* The first time nothing is known yet. */
		if (i > 0)
			ck_assert_uint_eq(io_calls() - before, 1);
	}
	close_pair(ends);
}
END_TEST

START_TEST(data_and_end_together_are_both_seen)
{
	struct receive request = { 10, 0, "" };
	struct greenlet *receiver;

	tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	send_text("abc");
	green_close(ends[1]);
	ck_assert_int_eq((intptr_t)join(receiver), 3);
	ck_assert_int_eq((intptr_t)receive(&request), 0);
	ck_assert_int_eq((intptr_t)receive(&request), 0);
	green_close(ends[0]);
}
END_TEST

START_TEST(data_that_came_just_before_the_short_read_ended_is_not_forgotten)
{
	struct receive request = { 10, 0, "" };
	char big[60];

	tcp_pair(ends);
	for (int i = 0; i < 200; i++) {
		send_text("abc");
		ck_assert_int_eq((intptr_t)receive(&request), 3);
		send_text("de");
		if (i % 2)
			green_sleep(0);
		ck_assert_int_eq((intptr_t)receive(&request), 2);
	}
	/* A read that took all it asked for leaves the question open. */
	send_text("0123456789abc");
	green_sleep(2);
	ck_assert_int_eq((intptr_t)receive(&request), 10);
	ck_assert_int_eq(green_recv(ends[0], big, sizeof(big), 0), 3);
	close_pair(ends);
}
END_TEST

static void *receive_until_last(void *last)
{
	char text[100];
	ssize_t got;

	do {
		got = green_recv(ends[0], text, sizeof(text), 0);
		ck_assert_int_gt(got, 0);
	} while (text[got - 1] != *(char *)last);
	return NULL;
}

START_TEST(urgent_data_in_the_middle_does_not_hang_the_reader)
{
	struct greenlet *receiver;

	tcp_pair(ends);
	receiver = green_spawn(receive_until_last, ".");
	green_sleep(1);
	/* The first byte teaches the reader to believe in short reads. */
	send_text("a");
	green_sleep(1);
	if (_i == 1)
		ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_OOBINLINE, &(int){ 1 }, sizeof(int)), 0);
	ck_assert_int_eq(send(ends[1], "bc!", 3, MSG_OOB), 3);
	ck_assert_int_eq(send(ends[1], "def.", 4, 0), 4);
	join(receiver);
	close_pair(ends);
}
END_TEST

START_TEST(urgent_data_between_the_edge_and_the_read_does_not_hang_the_reader)
{
	struct receive request = { 10, 0, "" };
	struct greenlet *receiver;

	tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	send_text("a");
	ck_assert_int_eq((intptr_t)join(receiver), 1);
	send_text("b");
	/* The hub has seen the edge; urgent data comes before anybody reads. */
	green_sleep(2);
	ck_assert_int_eq(send(ends[1], "c!", 2, MSG_OOB), 2);
	send_text("def.");
	receiver = green_spawn(receive_until_last, ".");
	join(receiver);
	close_pair(ends);
}
END_TEST

START_TEST(msg_oob_does_not_wait)
{
	char byte;

	tcp_pair(ends);
	ck_assert_int_eq(green_recv(ends[0], &byte, 1, MSG_OOB), -1);
	ck_assert_int_eq(green_send(ends[1], "!", 1, MSG_OOB), 1);
	ck_assert_int_eq(green_wait_fd(ends[0], GREEN_READ, 20), -1);
	ck_assert_int_eq(green_recv(ends[0], &byte, 1, MSG_OOB), 1);
	ck_assert_int_eq(byte, '!');
	close_pair(ends);
}
END_TEST

/* Errors, errno. */

START_TEST(k8_other_errors_pass_unchanged)
{
	char byte = 0;
	int pipes[2], fd = green_socket(AF_INET, SOCK_STREAM, 0);
	struct msghdr message = { .msg_iovlen = 5000 };

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(green_pipe2(pipes, 0), 0);
	assert_fails(green_recv(-1, &byte, 1, 0) == -1, EBADF);
	assert_fails(green_send(-1, &byte, 1, 0) == -1, EBADF);
	assert_fails(green_accept(-1, NULL, NULL) == -1, EBADF);
	assert_fails(green_connect(-1, where(), sizeof(address)) == -1, EBADF);
	assert_fails(green_recv(pipes[0], &byte, 1, 0) == -1, ENOTSOCK);
	assert_fails(green_send(pipes[1], &byte, 1, 0) == -1, ENOTSOCK);
	assert_fails(green_accept(pipes[0], NULL, NULL) == -1, ENOTSOCK);
	assert_fails(green_connect(pipes[0], where(), sizeof(address)) == -1, ENOTSOCK);
	assert_fails(green_recv(fd, &byte, 1, 0) == -1, ENOTCONN);
	assert_fails(green_send(fd, &byte, 1, 0) == -1, EPIPE);
	assert_fails(green_accept(fd, NULL, NULL) == -1, EINVAL);
	assert_fails(green_sendmsg(fd, &message, 0) == -1, EMSGSIZE);
	assert_fails(green_recvmsg(fd, &message, 0) == -1, EMSGSIZE);
	assert_fails(green_setsockopt(fd, -1, -1, NULL, 0) == -1, ENOPROTOOPT);
	assert_fails(green_socket(-1, SOCK_STREAM, 0) == -1, EAFNOSUPPORT);
	assert_fails(green_socketpair(AF_INET, SOCK_STREAM, 0, ends) == -1, EOPNOTSUPP);
	close_pair(pipes);
	green_close(fd);
}
END_TEST

START_TEST(a_reset_shows_as_econnreset)
{
	struct receive request = { 10, 0, "" };
	struct linger hard = { 1, 0 };
	struct greenlet *receiver;

	tcp_pair(ends);
	receiver = green_spawn(receive, &request);
	green_sleep(1);
	setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	green_close(ends[1]);
	ck_assert_int_eq((intptr_t)join(receiver), -ECONNRESET);
	green_close(ends[0]);
}
END_TEST

START_TEST(g8_success_leaves_errno_alone)
{
	struct receive request = { 3, 0, "" };

	errno = EXDEV;
	tcp_pair(ends);
	send_text("abc");
	receive(&request);
	close_pair(ends);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(a_forked_child_shares_connections_and_can_use_them)
{
	struct receive request = { 3, 0, "" };

	tcp_pair(ends);
	green__descriptors_forked();
	send_text("abc");
	ck_assert_int_eq((intptr_t)receive(&request), 3);
	ck_assert(!green__descriptor_private(green__descriptor(ends[0])));
	close_pair(ends);
}
END_TEST

static void add_connections(TCase *tcase)
{
	tcase_add_test(tcase, a_hundred_clients_talk_to_an_echo_server);
	tcase_add_test(tcase, k3_three_pending_connections_serve_three_acceptors_from_one_edge);
	tcase_add_test(tcase, accept_tells_who_and_sets_flags);
	tcase_add_test(tcase, the_flags_of_a_connection_are_never_changed_for_others_to_see);
	tcase_add_test(tcase, k5_a_refused_connection_is_econnrefused);
	tcase_add_test(tcase, k5_an_unknown_socket_connects_too);
	tcase_add_test(tcase, k5_a_nonblocking_socket_is_einprogress_or_connected);
	tcase_add_test(tcase, k5_so_sndtimeo_ends_a_connect_with_einprogress);
	tcase_add_test(tcase, k5_connects_to_a_full_local_backlog_wait_and_others_run);
	tcase_add_test(tcase, two_threads_accept_from_one_listener_and_neither_freezes);
	tcase_add_test(tcase, k4_close_during_an_accept_is_ebadf);
	tcase_add_test(tcase, c5_a_call_that_is_given_up_is_not_waited_for);
	tcase_add_test(tcase, shutdown_of_a_listener_ends_an_accept_with_einval);
	tcase_add_test(tcase, shutdown_of_a_connection_ends_a_recv_with_zero);
}

static void add_flags_and_timeouts(TCase *tcase)
{
	tcase_add_loop_test(tcase, msg_waitall_waits_for_all, 0, 2);
	tcase_add_loop_test(tcase, msg_waitall_returns_what_came_before_the_end, 0, 2);
	tcase_add_loop_test(tcase, msg_peek_takes_nothing, 0, 2);
	tcase_add_test(tcase, msg_peek_with_msg_waitall_waits_for_all_and_takes_nothing);
	tcase_add_test(tcase, msg_dontwait_does_not_wait);
	tcase_add_test(tcase, o_nonblock_does_not_wait);
	tcase_add_loop_test(tcase, so_rcvtimeo_ends_a_recv_with_eagain, 0, 2);
	tcase_add_loop_test(tcase, so_sndtimeo_ends_a_send_with_what_was_taken_or_eagain, 0, 2);
	tcase_add_test(tcase, so_rcvtimeo_ends_an_accept_and_is_inherited);
}

static void add_messages(TCase *tcase)
{
	tcase_add_test(tcase, a_datagram_comes_with_its_sender);
	tcase_add_loop_test(tcase, an_empty_datagram_is_a_message_like_any_other, 0, 2);
	tcase_add_test(tcase, datagrams_keep_their_borders);
	tcase_add_test(tcase, a_full_datagram_queue_makes_the_sender_wait);
	tcase_add_test(tcase, descriptors_travel_and_are_shared_and_unknown);
	tcase_add_test(tcase, bytes_queued_behind_a_descriptor_are_not_forgotten);
	tcase_add_loop_test(tcase, a_message_in_parts_goes_and_comes_whole, 0, 2);
}

static void add_drained_and_errors(TCase *tcase)
{
	tcase_add_test(tcase, after_a_short_tcp_read_the_next_one_parks_without_a_probe);
	tcase_add_test(tcase, data_and_end_together_are_both_seen);
	tcase_add_test(tcase, data_that_came_just_before_the_short_read_ended_is_not_forgotten);
	tcase_add_loop_test(tcase, urgent_data_in_the_middle_does_not_hang_the_reader, 0, 2);
	tcase_add_test(tcase, urgent_data_between_the_edge_and_the_read_does_not_hang_the_reader);
	tcase_add_test(tcase, msg_oob_does_not_wait);
	tcase_add_test(tcase, k8_other_errors_pass_unchanged);
	tcase_add_test(tcase, a_reset_shows_as_econnreset);
	tcase_add_test(tcase, g8_success_leaves_errno_alone);
	tcase_add_test(tcase, a_forked_child_shares_connections_and_can_use_them);
}

int main(void)
{
	TCase *tcase = suite_begin("socket", WITH_HUB);

	add_connections(tcase);
	add_flags_and_timeouts(tcase);
	add_messages(tcase);
	add_drained_and_errors(tcase);
	return suite_end();
}
