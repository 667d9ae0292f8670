/* SPDX-License-Identifier: MIT */
/* test_descriptor.c - what the process knows of each descriptor number */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "hub/descriptor.h"
#include "support.h"

START_TEST(of_a_number_never_seen_nothing_is_believed)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	ck_assert_uint_eq(green__descriptor(fds[0])->generation, 0);
	ck_assert_uint_eq(green__descriptor(fds[0])->flags, 0);
	ck_assert(!green__descriptor_private(green__descriptor(fds[0])));
	ck_assert_int_eq(green__descriptor_kind(fds[0]), DESCRIPTOR_POLLED);
	ck_assert(green__descriptor_nonblocking(fds[0]));
	fcntl(fds[0], F_SETFL, 0);
	ck_assert(!green__descriptor_nonblocking(fds[0]));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(numbers_that_cannot_be_have_no_entry)
{
	ck_assert_ptr_null(green__descriptor(-1));
	ck_assert_ptr_null(green__descriptor(INT32_MAX));
	ck_assert(!green__descriptor_private(NULL));
	green__descriptor_made(-1, DESCRIPTOR_TCP, false);
	green__descriptor_forget(INT32_MAX);
	green__descriptor_shared(-1);
	ck_assert_int_eq(green__descriptor_kind(-1), -EBADF);
	ck_assert(!green__descriptor_nonblocking(-1));
}
END_TEST

static int kind_of_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol);
	int kind;

	ck_assert_int_ge(fd, 0);
	kind = green__descriptor_kind(fd);
	close(fd);
	return kind;
}

START_TEST(sockets_are_told_apart)
{
	ck_assert_int_eq(kind_of_socket(AF_INET, SOCK_STREAM, 0), DESCRIPTOR_TCP);
	ck_assert_int_eq(kind_of_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), DESCRIPTOR_TCP);
	ck_assert_int_eq(kind_of_socket(AF_INET, SOCK_DGRAM, 0), DESCRIPTOR_DATAGRAM);
	ck_assert_int_eq(kind_of_socket(AF_UNIX, SOCK_STREAM, 0), DESCRIPTOR_STREAM);
	ck_assert_int_eq(kind_of_socket(AF_UNIX, SOCK_DGRAM, 0), DESCRIPTOR_DATAGRAM);
	ck_assert_int_eq(kind_of_socket(AF_UNIX, SOCK_SEQPACKET, 0), DESCRIPTOR_DATAGRAM);
}
END_TEST

static int kind_of_file(const char *path, int flags)
{
	int fd = open(path, flags);
	int kind;

	ck_assert_int_ge(fd, 0);
	kind = green__descriptor_kind(fd);
	close(fd);
	return kind;
}

START_TEST(files_are_told_apart)
{
	int event = eventfd(0, 0);

	ck_assert_int_eq(kind_of_file("/proc/self/exe", O_RDONLY), DESCRIPTOR_FILE);
	ck_assert_int_eq(kind_of_file("/", O_RDONLY | O_DIRECTORY), DESCRIPTOR_FILE);
	ck_assert_int_eq(kind_of_file("/dev/null", O_RDWR), DESCRIPTOR_POLLED);
	ck_assert_int_eq(green__descriptor_kind(event), DESCRIPTOR_POLLED);
	close(event);
}
END_TEST

START_TEST(a_number_that_is_not_open_is_ebadf)
{
	int fd = dup(0);

	close(fd);
	ck_assert_int_eq(green__descriptor_kind(fd), -EBADF);
}
END_TEST

START_TEST(what_was_made_is_believed)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	green__descriptor_made(fd, DESCRIPTOR_TCP, true);
	ck_assert(green__descriptor_private(green__descriptor(fd)));
	ck_assert(green__descriptor_nonblocking(fd));
	ck_assert_int_eq(green__descriptor_kind(fd), DESCRIPTOR_TCP);
	close(fd);
	/* Even now: nobody has asked the kernel. */
	ck_assert_int_eq(green__descriptor_kind(fd), DESCRIPTOR_TCP);
	green__descriptor_forget(fd);
	ck_assert_int_eq(green__descriptor_kind(fd), -EBADF);
}
END_TEST

START_TEST(an_unclassified_one_is_classified_once)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	green__descriptor_made(fd, DESCRIPTOR_UNCLASSIFIED, false);
	ck_assert_int_eq(green__descriptor_kind(fd), DESCRIPTOR_STREAM);
	ck_assert_int_eq(green__descriptor(fd)->kind, DESCRIPTOR_STREAM);
	close(fd);
	green__descriptor_forget(fd);
}
END_TEST

START_TEST(each_life_of_a_number_has_its_generation)
{
	int fd = 50;
	uint32_t before = green__descriptor(fd)->generation, made;

	green__descriptor_made(fd, DESCRIPTOR_POLLED, false);
	made = green__descriptor(fd)->generation;
	ck_assert_uint_ne(made, before);
	green__descriptor_made(fd, DESCRIPTOR_POLLED, false);
	ck_assert_uint_ne(green__descriptor(fd)->generation, made);
	made = green__descriptor(fd)->generation;
	green__descriptor_forget(fd);
	ck_assert_uint_ne(green__descriptor(fd)->generation, made);
}
END_TEST

START_TEST(a_generation_is_never_zero_again)
{
	green__descriptor(60)->generation = UINT32_MAX;
	green__descriptor_made(60, DESCRIPTOR_POLLED, false);
	ck_assert_uint_eq(green__descriptor(60)->generation, 1);
	green__descriptor_forget(60);
}
END_TEST

START_TEST(what_is_shared_is_not_private_any_more)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	green__descriptor_made(fds[0], DESCRIPTOR_POLLED, false);
	green__descriptor_shared(fds[0]);
	ck_assert(!green__descriptor_private(green__descriptor(fds[0])));
	/* Others may have changed the flag, so the kernel is asked. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	ck_assert(green__descriptor_nonblocking(fds[0]));
	close(fds[0]);
	close(fds[1]);
	green__descriptor_forget(fds[0]);
}
END_TEST

START_TEST(a_fork_shares_all_that_exist_but_not_those_made_later)
{
	green__descriptor_made(70, DESCRIPTOR_POLLED, false);
	green__descriptors_forked();
	ck_assert(!green__descriptor_private(green__descriptor(70)));
	green__descriptor_made(71, DESCRIPTOR_POLLED, false);
	ck_assert(green__descriptor_private(green__descriptor(71)));
	green__descriptor_made(70, DESCRIPTOR_POLLED, false);
	ck_assert(green__descriptor_private(green__descriptor(70)));
	green__descriptor_forget(70);
	green__descriptor_forget(71);
}
END_TEST

START_TEST(the_programs_own_flag_is_remembered)
{
	green__descriptor_made(72, DESCRIPTOR_POLLED, false);
	ck_assert(!green__descriptor_nonblocking(72));
	green__descriptor_set_nonblocking(72, true);
	ck_assert(green__descriptor_nonblocking(72));
	green__descriptor_set_nonblocking(72, false);
	ck_assert(!green__descriptor_nonblocking(72));
	green__descriptor_forget(72);
}
END_TEST

START_TEST(timeouts_of_a_socket_are_found)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval value = { 2, 500000 };

	ck_assert_int_eq(green__descriptor_timeout(fd, SO_RCVTIMEO), CLOCK_NEVER);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value)), 0);
	ck_assert_int_eq(green__descriptor_timeout(fd, SO_RCVTIMEO), 2500 * NS_PER_MS);
	ck_assert_int_eq(green__descriptor_timeout(fd, SO_SNDTIMEO), CLOCK_NEVER);
	close(fd);
}
END_TEST

START_TEST(the_kernel_is_asked_for_timeouts_only_if_there_may_be_one)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval value = { 1, 0 };

	green__descriptor_made(fd, DESCRIPTOR_TCP, false);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof(value)), 0);
	ck_assert_int_eq(green__descriptor_timeout(fd, SO_SNDTIMEO), CLOCK_NEVER);
	green__descriptor_option_set(fd, SOL_SOCKET, SO_SNDTIMEO);
	ck_assert_int_eq(green__descriptor_timeout(fd, SO_SNDTIMEO), NS_PER_SECOND);
	close(fd);
	green__descriptor_forget(fd);
}
END_TEST

START_TEST(an_upper_layer_protocol_makes_a_stream_of_records)
{
	green__descriptor_made(73, DESCRIPTOR_TCP, false);
	green__descriptor_option_set(73, IPPROTO_TCP, TCP_NODELAY);
	ck_assert_int_eq(green__descriptor_kind(73), DESCRIPTOR_TCP);
	green__descriptor_option_set(73, IPPROTO_TCP, TCP_ULP);
	ck_assert_int_eq(green__descriptor_kind(73), DESCRIPTOR_STREAM);
	green__descriptor_forget(73);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("descriptor", WITHOUT_HUB);

	tcase_add_test(tcase, of_a_number_never_seen_nothing_is_believed);
	tcase_add_test(tcase, numbers_that_cannot_be_have_no_entry);
	tcase_add_test(tcase, sockets_are_told_apart);
	tcase_add_test(tcase, files_are_told_apart);
	tcase_add_test(tcase, a_number_that_is_not_open_is_ebadf);
	tcase_add_test(tcase, what_was_made_is_believed);
	tcase_add_test(tcase, an_unclassified_one_is_classified_once);
	tcase_add_test(tcase, each_life_of_a_number_has_its_generation);
	tcase_add_test(tcase, a_generation_is_never_zero_again);
	tcase_add_test(tcase, what_is_shared_is_not_private_any_more);
	tcase_add_test(tcase, a_fork_shares_all_that_exist_but_not_those_made_later);
	tcase_add_test(tcase, the_programs_own_flag_is_remembered);
	tcase_add_test(tcase, timeouts_of_a_socket_are_found);
	tcase_add_test(tcase, the_kernel_is_asked_for_timeouts_only_if_there_may_be_one);
	tcase_add_test(tcase, an_upper_layer_protocol_makes_a_stream_of_records);
	return suite_end();
}
