/* SPDX-License-Identifier: MIT */
/* test_datagram.c - datagram servers: a task for each datagram */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "green.h"
#include "support.h"

static struct green_datagram_server *server;
static int served, running, most_running;
static bool may_end;

static void echo(struct green_datagram_server *which, const struct green_datagram *datagram, void *arg)
{
	ck_assert_ptr_eq(which, server);
	ck_assert_ptr_eq(arg, &served);
	served++;
	ck_assert_int_eq(green_datagram_server_send(which, datagram->bytes, datagram->size, (const struct sockaddr *)&datagram->from,
						    datagram->from_length), 0);
}

static struct green_datagram_options usual(void)
{
	return (struct green_datagram_options) { .host = "127.0.0.1", .service = "0", .handler = echo, .arg = &served };
}

static void start(const struct green_datagram_options *options)
{
	server = green_datagram_server_create(options);
	ck_assert_ptr_nonnull(server);
	ck_assert_int_eq(green_datagram_server_start(server), 0);
}

static int client(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = green_socket(AF_INET, SOCK_DGRAM, 0);

	address.sin_port = htons((in_port_t)green_datagram_server_port(server));
	ck_assert_int_eq(green_connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void answered(int fd, const char *text, size_t size)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	static char bytes[65536];

	ck_assert_int_eq(green_poll(&polled, 1, 5000), 1);
	ck_assert_int_eq(green_recv(fd, bytes, sizeof(bytes), 0), (ssize_t)size);
	ck_assert_mem_eq(bytes, text, size);
}

START_TEST(v11_each_datagram_is_answered_to_its_sender)
{
	struct green_datagram_options options = usual();
	int fds[5];
	char text[16];

	start(&options);
	assert_fails(green_datagram_server_start(server) == -1, EALREADY);
	for (int i = 0; i < 5; i++) {
		fds[i] = client();
		ck_assert_int_eq(green_send(fds[i], text, (size_t)snprintf(text, sizeof(text), "n%d", i), 0), 2);
	}
	/* One of no bytes is one, too. */
	ck_assert_int_eq(green_send(fds[0], "", 0, 0), 0);
	for (int i = 4; i >= 0; i--) {
		snprintf(text, sizeof(text), "n%d", i);
		answered(fds[i], text, 2);
	}
	answered(fds[0], "", 0);
	ck_assert_int_eq(served, 6);
	for (int i = 0; i < 5; i++)
		green_close(fds[i]);
	ck_assert_int_eq(green_datagram_server_stop(server, 1000), 0);
	assert_fails(green_datagram_server_start(server) == -1, EBADF);
	green_datagram_server_destroy(server);
	green_datagram_server_destroy(NULL);
}
END_TEST

START_TEST(v11_longer_ones_are_cut)
{
	struct green_datagram_options options = usual();
	static char bytes[9000];
	int fd;

	memset(bytes, 'x', sizeof(bytes));
	start(&options);
	fd = client();
	green_send(fd, bytes, sizeof(bytes), 0);
	answered(fd, bytes, 8192);
	green_close(fd);
	green_datagram_server_destroy(server);
	options.max_size = 10;
	start(&options);
	fd = client();
	green_send(fd, bytes, 11, 0);
	answered(fd, bytes, 10);
	green_close(fd);
	green_datagram_server_destroy(server);
}
END_TEST

static void holds(struct green_datagram_server *which, const struct green_datagram *datagram, void *arg)
{
	running++;
	if (running > most_running)
		most_running = running;
	while (!may_end && green_sleep(2) == 0)
		;
	running--;
	if (!green_error(NULL))
		echo(which, datagram, arg);
}

START_TEST(v5_with_no_room_the_kernel_keeps_what_comes)
{
	struct green_datagram_options options = usual();
	int fd;

	options.handler = holds;
	options.limit = 3;
	start(&options);
	fd = client();
	for (int i = 0; i < 7; i++)
		green_send(fd, "x", 1, 0);
	green_sleep(50);
	ck_assert_int_eq(running, 3);
	may_end = true;
	for (int i = 0; i < 7; i++)
		answered(fd, "x", 1);
	ck_assert_int_eq(most_running, 3);
	green_close(fd);
	green_datagram_server_destroy(server);
}
END_TEST

static void *ends_soon(void *unused)
{
	green_sleep(60);
	may_end = true;
	return unused;
}

START_TEST(v8_stop_lets_tasks_end_and_answer)
{
	struct green_datagram_options options = usual();
	int fd;

	options.handler = holds;
	start(&options);
	fd = client();
	green_send(fd, "x", 1, 0);
	while (!running)
		green_sleep(1);
	green_destroy(green_spawn(ends_soon, NULL));
	ck_assert_int_eq(green_datagram_server_stop(server, 5000), 0);
	answered(fd, "x", 1);
	green_close(fd);
	green_datagram_server_destroy(server);
}
END_TEST

START_TEST(v8_stop_kills_those_who_do_not)
{
	struct green_datagram_options options = usual();
	int64_t since;
	int fd;

	options.handler = holds;
	start(&options);
	fd = client();
	green_send(fd, "x", 1, 0);
	while (!running)
		green_sleep(1);
	since = clock_now();
	ck_assert_int_eq(green_datagram_server_stop(server, 50), 0);
	assert_took(since, 50);
	ck_assert_int_eq(running, 0);
	green_close(fd);
	green_datagram_server_destroy(server);
}
END_TEST

START_TEST(v11_what_makes_no_sense_is_refused)
{
	struct green_datagram_options options = usual();

	assert_fails(!green_datagram_server_create(NULL), EINVAL);
	options.handler = NULL;
	assert_fails(!green_datagram_server_create(&options), EINVAL);
	options = usual();
	options.host = "unix:/tmp/x";
	options.service = NULL;
	assert_fails(!green_datagram_server_create(&options), EINVAL);
	options.host = NULL;
	options.fd = -1;
	assert_fails(!green_datagram_server_create(&options), EBADF);
	options.fd = green_socket(AF_INET, SOCK_DGRAM, 0);
	server = green_datagram_server_create(&options);
	ck_assert_ptr_nonnull(server);
	green_datagram_server_destroy(server);
	assert_fails(fcntl(options.fd, F_GETFD) == -1, EBADF);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("datagram", WITH_HUB);

	tcase_add_test(tcase, v11_each_datagram_is_answered_to_its_sender);
	tcase_add_test(tcase, v11_longer_ones_are_cut);
	tcase_add_test(tcase, v5_with_no_room_the_kernel_keeps_what_comes);
	tcase_add_test(tcase, v8_stop_lets_tasks_end_and_answer);
	tcase_add_test(tcase, v8_stop_kills_those_who_do_not);
	tcase_add_test(tcase, v11_what_makes_no_sense_is_refused);
	return suite_end();
}
