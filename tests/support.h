/* SPDX-License-Identifier: MIT */
/*
 * support.h - what all suites share: fixtures, time, sockets, children, kernel threads
 *
 * A suite is one Check case whose fixture counts the open descriptors before and
 * after each test, and looks at the hub's structures at the end.  The tests are
 * named by scenario; g5_, p6_, s1_ and so on are the rules they prove.
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"

struct greenlet;

/* How much later than asked something may happen on a busy machine; earlier it may never. */
enum { TOLERANCE_MS = 250 };

enum support_hub {
	WITHOUT_HUB, /* the tests need none, and one that appears is a leak of two descriptors */
	WITH_HUB,    /* the fixture makes it before it counts */
};

/* suite_begin - the suite NAME with one case of that name; add the tests to it */
TCase *suite_begin(const char *name, enum support_hub hub);

/* suite_end - run it; the value for main to return */
int suite_end(void);

/* skipped - say that the test that calls has not tested anything, because of WHY; return after it */
void skipped(const char *why);

/*
 * tools_watch - true where time, memory and signals are not native: under valgrind, in builds with a sanitizer, and
 * under an emulator
 */
bool tools_watch(void);

/*
 * forks_deceive_tool - true where the sanitizer of threads watches
 *
 * In a child of fork it looks at what the greenlets of the parent do, but not at what the one that forked does, nor at new
 * ones: whatever those two kinds share it calls a race.
 */
bool forks_deceive_tool(void);

/*
 * emulated - true under an emulator of another CPU
 *
 * qemu-user 7.2 ignores guard pages, tells in /proc where its own code is, keeps memory for each thread that has
 * ended, says itself that a fault has ended the program, and ends when the child of a fork makes a thread.
 */
bool emulated(void);

/* processes_have_descriptors - false before Linux 5.3 and under a valgrind that does not know pidfd_open */
bool processes_have_descriptors(void);

/* descriptors_open - how many descriptors the process has */
int descriptors_open(void);

/* hub_checked - assert that the hub's structures agree */
void hub_checked(void);

/* ms_since - milliseconds between START, of clock_now, and now */
int64_t ms_since(int64_t start);

/* assert_took - between MS and MS + TOLERANCE_MS milliseconds have passed since START */
void assert_took(int64_t start, int64_t ms);

/* assert_fails - the call returned -1 or NULL (FAILED) with errno EXPECTED */
#define assert_fails(failed, expected) \
	do { \
		errno = 0; \
		bool failed_ = (failed); \
		int errno_ = errno; \
		ck_assert_msg(failed_, "%s does not hold", #failed); \
		ck_assert_int_eq(errno_, expected); \
	} while (0)

/* join - wait for TASK, give the handle back and return its value */
void *join(struct greenlet *task);

/* parked - a task of FUNCTION(ARG) that has run until it waits */
struct greenlet *parked(void *(*function)(void *), void *arg);

/* kill_soon - TASK, which waits, is asked to end, and has not run since */
void kill_soon(struct greenlet *task);

/* in_hub - let the loop call FUNCTION, which so runs in the hub greenlet */
void in_hub(void (*function)(void));

/* in_thread - run FUNCTION(ARG) on a kernel thread of its own and wait for it with the whole process */
void *in_thread(void *(*function)(void *), void *arg);

/*
 * requests_fail - FUNCTION, which is called NAME, bears that each of its requests for memory and descriptors is refused
 *
 * For each request that it makes there is a process, with a kernel thread whose hub is new; there this one is refused.
 * FUNCTION returns 0, or -1 with ENOMEM, EAGAIN or EMFILE; then it works at the next try, and leaves no descriptor and, where
 * that can be told, no memory.  In builds without faults the test says that it is skipped.
 */
void requests_fail(const char *name, int (*function)(void));

/*
 * in_child - run FUNCTION in a forked child, which ends with 0 if it returns
 *
 * What it writes to stderr is put into OUTPUT of SIZE bytes, unless OUTPUT is
 * NULL.  Returns: the status as waitpid gives it.
 */
int in_child(void (*function)(void), char *output, size_t size);

/* listener - a TCP socket that listens on a free port of 127.0.0.1, made by green_socket; *ADDRESS says where */
struct sockaddr_in;
int listener(struct sockaddr_in *address);

/* tcp_pair - two connected TCP sockets of green_socket and green_accept */
void tcp_pair(int fds[2]);

/* close_pair - green_close both */
void close_pair(int fds[2]);

#endif
