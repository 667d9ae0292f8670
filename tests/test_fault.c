/* SPDX-License-Identifier: MIT */
/* test_fault.c - each request for memory or descriptors fails once: an error comes back, and nothing is lost */
#include <poll.h>

#include "base/fault.h"
#include "green.h"
#include "support.h"

enum { REQUESTS_MAX = 200 };

#ifdef GREEN_DEBUG
static void *answer(void *arg)
{
	char byte;

	if (green_read((int)(intptr_t)arg, &byte, 1) != 1)
		return NULL;
	return arg;
}

static void *identity(void *arg)
{
	return arg;
}

static void *yields_once(struct green_generator *self, void *value)
{
	green_generator_yield(self, value, NULL);
	return NULL;
}

/* A generator that cannot be made leaves nothing behind; once made, no step of it can fail. */
static int generate(void)
{
	struct green_generator *generator = green_generator_create(yields_once, &generator);

	if (!generator)
		return -1;
	ck_assert_int_eq(green_generator_next(generator, NULL), 1);
	ck_assert_int_eq(green_generator_next(generator, NULL), 0);
	return green_generator_destroy(generator);
}

/* Polls more descriptors than fit without memory of their own. */
static int poll_many(int fd)
{
	struct pollfd fds[20];

	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
		fds[i].fd = fd;
		fds[i].events = POLLIN;
	}
	return green_poll(fds, ARRAY_LENGTH(fds), 1);
}

/* Waits for more than a select can without memory of its own; one that fails leaves what was asked for. */
static int select_one(int fd)
{
	struct timeval soon = { .tv_usec = 1000 };
	fd_set readable;
	int result;

	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	result = green_select(FD_SETSIZE, &readable, NULL, NULL, &soon);
	ck_assert(result >= 0 || FD_ISSET(fd, &readable));
	return result;
}

/* A bit of everything; 0, or -1 with the errno of what failed.  Whatever it made is gone afterwards. */
static int work(int fds[2])
{
	struct greenlet *raw = green_create(identity, NULL);
	struct greenlet *task = raw ? green_spawn(answer, (void *)(intptr_t)fds[0]) : NULL;
	int failed = !task || generate() || green_yield() || poll_many(fds[0]) < 0 || select_one(fds[0]) < 0 ||
		     !green_offload(identity, fds);
	int error = errno;
	void *value = NULL;

	if (raw)
		green_destroy(raw);
	if (task) {
		/* The reader itself may have met the fault; then nothing was taken. */
		green_write(fds[1], "x", 1);
		ck_assert_int_eq(green_join(task, &value, -1), 0);
		green_destroy(task);
		if (!value && !failed) {
			failed = 1;
			error = ENOMEM;
		}
	}
	while (failed && recv(fds[0], &value, 1, MSG_DONTWAIT) > 0)
		;
	errno = error;
	return failed ? -1 : 0;
}

/* A kernel thread, and so a hub, for each fault; *ARG is which request fails, 0 in the end if none did. */
static void *with_fault(void *arg)
{
	unsigned *request = arg;
	int fds[2];
	int result;

	ck_assert_int_eq(green_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	green__fault_at(*request);
	result = work(fds);
	if (green__fault_pending())
		*request = 0;
	green__fault_at(0);
	if (result)
		ck_assert(errno == ENOMEM || errno == EAGAIN || errno == EMFILE);
	/* What failed once works at the next try. */
	ck_assert_int_eq(work(fds), 0);
	green_close(fds[0]);
	green_close(fds[1]);
	return NULL;
}

/* E11, R4: greenlets, tasks and generators among what is made */
START_TEST(each_request_that_fails_is_an_error_and_nothing_is_lost)
{
	unsigned request = 0, tried = 0;

	do {
		pthread_t thread;

		request = ++tried;
		ck_assert_int_eq(pthread_create(&thread, NULL, with_fault, &request), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
	} while (request && tried < REQUESTS_MAX);
	ck_assert_uint_gt(tried, 5);
	ck_assert_uint_lt(tried, REQUESTS_MAX);
}
END_TEST
#else
START_TEST(each_request_that_fails_is_an_error_and_nothing_is_lost)
{
	skipped("faults are injected in builds with --enable-debug only");
}
END_TEST
#endif

int main(void)
{
	TCase *tcase = suite_begin("fault", WITH_HUB);

	tcase_add_test(tcase, each_request_that_fails_is_an_error_and_nothing_is_lost);
	return suite_end();
}
