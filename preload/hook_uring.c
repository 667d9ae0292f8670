/* SPDX-License-Identifier: MIT */
/*
 * hook_uring.c - waiting for completions by liburing, whose system calls nobody can catch but whose functions one can
 *
 * A ring's descriptor is readable while completions wait in it, so the wait is one
 * of ours and the call that follows finds what it wants. Submission and reaping
 * stay on the carrier: the kernel ties requests to the thread that submits them,
 * and ends them with it.
 *
 * The functions that wait without end or until a time are here, and io_uring_enter
 * by syscall(); what a program does with SQPOLL's full queue blocks the carrier.
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "migrate.h"
#include "shim.h"

/* liburing's own structure, which programs allocate: its places never change. */
struct io_uring {
	void *submission[13];
	unsigned *head, *tail;
	void *completion[9];
	unsigned flags;
	int fd;
};

_Static_assert(offsetof(struct io_uring, head) == 104 && offsetof(struct io_uring, fd) == 196, "liburing's ABI");

/* A ring that must be polled by the caller: the kernel does so in the plain call, and its descriptor tells nothing. */
#define SETUP_IOPOLL 1U
/* A descriptor tells of one completion only; for more of them the ring is looked at. */
#define LOOK_INTERVAL (1 * NS_PER_MS)

WRAPPER int __io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit, unsigned count,
			       sigset_t *mask);
WRAPPER int io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count, struct timespec *limit,
			       sigset_t *mask);
WRAPPER int io_uring_wait_cqe_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, struct timespec *limit);
WRAPPER int io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
WRAPPER int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count,
					     struct timespec *limit, sigset_t *mask);
extern int io_uring_submit(struct io_uring *ring) __attribute__((weak));

/* The library's own function; one that came by dlopen and for few is not behind us in the order of search. */
static void *library(const char *name)
{
	void *found = real(dlsym)(RTLD_NEXT, name), *handle;

	if (!found) {
		handle = real(dlopen)("liburing.so.2", RTLD_LAZY | RTLD_NOLOAD);
		found = handle ? real(dlsym)(handle, name) : NULL;
	}
	if (!found)
		abort();
	return found;
}

#define LIBRARY(name) \
	__extension__({ \
		static __typeof__(&name) address; \
		if (!address) \
			*(void **)(void *)&address = library(#name); \
		address; \
	})

static bool parks(const struct io_uring *ring, unsigned count)
{
	return count > 0 && !(ring->flags & SETUP_IOPOLL) && shim_hub();
}

static unsigned completions(const struct io_uring *ring)
{
	return __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE) - *ring->head;
}

/* Until what comes first: something happens at the descriptor, the end, or, if completions are there, the next look. */
static int wait_once(const struct io_uring *ring, int64_t deadline, const sigset_t *mask)
{
	struct pollfd entry = { .fd = ring->fd, .events = POLLIN };
	bool look = completions(ring) > 0;
	int64_t until = look && clock_after(LOOK_INTERVAL) < deadline ? clock_after(LOOK_INTERVAL) : deadline;
	struct timespec left;
	int64_t now = clock_now();

	left = clock_to_timespec(until > now ? until - now : 0);
	return ppoll(look ? NULL : &entry, !look, until == CLOCK_NEVER ? NULL : &left, mask) < 0 ? -errno : 0;
}

/* 0 if the call that follows need not wait. Not a cancellation point, as the library's calls are none. */
static int await(const struct io_uring *ring, unsigned count, int64_t deadline, const sigset_t *mask)
{
	int error = 0, saved = errno, old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	while (!error && completions(ring) < count) {
		if (deadline <= clock_now())
			error = -ETIME;
		else
			error = wait_once(ring, deadline, mask);
	}
	pthread_setcancelstate(old, NULL);
	errno = saved;
	return error;
}

static int64_t deadline_of(const struct timespec *limit)
{
	return limit ? clock_after(clock_from_timespec(limit)) : CLOCK_NEVER;
}

int __io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit, unsigned count, sigset_t *mask)
{
	__typeof__(&__io_uring_get_cqe) get = LIBRARY(__io_uring_get_cqe);
	int error;

	if (!parks(ring, count))
		return get(ring, cqe, submit, count, mask);
	if (submit > 0) {
		error = get(ring, cqe, submit, 0, NULL);
		if (error < 0 && error != -EAGAIN)
			return error;
	}
	error = await(ring, count, CLOCK_NEVER, mask);
	return error ? error : get(ring, cqe, 0, count, NULL);
}

int io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count, struct timespec *limit,
		       sigset_t *mask)
{
	int error;

	if (!parks(ring, count))
		return LIBRARY(io_uring_wait_cqes)(ring, cqe, count, limit, mask);
	error = await(ring, count, deadline_of(limit), mask);
	if (error)
		*cqe = NULL;
	return error ? error : LIBRARY(__io_uring_get_cqe)(ring, cqe, 0, count, NULL);
}

int io_uring_wait_cqe_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, struct timespec *limit)
{
	return io_uring_wait_cqes(ring, cqe, 1, limit, NULL);
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
	int submitted, error;

	if (!parks(ring, count))
		return LIBRARY(io_uring_submit_and_wait)(ring, count);
	submitted = LIBRARY(io_uring_submit)(ring);
	if (submitted < 0)
		return submitted;
	error = await(ring, count, CLOCK_NEVER, NULL);
	return error && submitted == 0 ? error : submitted;
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count,
				     struct timespec *limit, sigset_t *mask)
{
	int submitted, error;

	if (!parks(ring, count))
		return LIBRARY(io_uring_submit_and_wait_timeout)(ring, cqe, count, limit, mask);
	submitted = LIBRARY(io_uring_submit)(ring);
	if (submitted < 0)
		return submitted;
	error = await(ring, count, deadline_of(limit), mask);
	if (error) {
		*cqe = NULL;
		return error;
	}
	error = LIBRARY(__io_uring_get_cqe)(ring, cqe, 0, count, NULL);
	return error ? error : submitted;
}

/* --- io_uring_enter itself --- */

static long enter(const long a[6], long submit, long least, long flags)
{
	bool waits = flags & IORING_ENTER_GETEVENTS;

	return sys_call(SYS_io_uring_enter, a[0], submit, least, flags, waits ? a[4] : 0, waits ? a[5] : 0);
}

static bool one_is_there(const long a[6])
{
	struct pollfd entry = { .fd = (int)a[0], .events = POLLIN };
	struct timespec zero = { 0, 0 };

	return !(a[3] & IORING_ENTER_REGISTERED_RING) && sys_call(SYS_ppoll, &entry, 1, &zero, NULL, 8) > 0;
}

/* With a limit of no time the kernel says whether any completion is there: -ETIME, or 0 for one and more. */
static long look(const long a[6])
{
	const struct timespec no_time = { 0, 0 };
	struct io_uring_getevents_arg extra = { .ts = (uintptr_t)&no_time };

	return sys_call(SYS_io_uring_enter, a[0], 0, a[2], a[3] | IORING_ENTER_EXT_ARG, &extra, sizeof(extra));
}

/* False if the caller asks for more than a limit of time. */
static bool limit_of(const long a[6], int64_t *deadline)
{
	const struct io_uring_getevents_arg *extra = (const struct io_uring_getevents_arg *)a[4];

	*deadline = CLOCK_NEVER;
	if (!(a[3] & IORING_ENTER_EXT_ARG))
		return a[4] == 0;
	if (a[3] & ~(long)(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | IORING_ENTER_REGISTERED_RING) || extra->sigmask)
		return false;
	if (extra->ts)
		*deadline = deadline_of((const struct timespec *)(uintptr_t)extra->ts);
	return true;
}

/* The number behind NAME in TEXT, which proc_pid_fdinfo(5) describes; false if there is none. */
static bool number_behind(const char *text, const char *name, unsigned *number)
{
	const char *found = strstr(text, name);

	if (found)
		*number = (unsigned)strtoul(found + strlen(name), NULL, 10);
	return found;
}

/* How many completions wait is written only in memory that the program has mapped, and in /proc. */
static bool enough(int fd, unsigned least)
{
	char path[40], text[1024];
	unsigned head, tail;
	long file, size;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (sys_failed(file))
		return true;
	size = sys_call(SYS_read, file, text, sizeof(text) - 1);
	sys_call(SYS_close, file);
	text[size > 0 ? size : 0] = 0;
	return !number_behind(text, "CqHead:", &head) || !number_behind(text, "CqTail:", &tail) || tail - head >= least;
}

/* Of a ring that only its own thread may wait for nothing tells before that thread has looked. */
static long wait_at_home(const long a[6])
{
	int64_t deadline;
	long result;

	if (!limit_of(a, &deadline))
		return enter(a, 0, a[2], a[3]);
	for (;;) {
		struct timespec pause = clock_to_timespec(LOOK_INTERVAL);

		result = look(a);
		if ((result != -ETIME && (result < 0 || a[2] == 1 || enough((int)a[0], (unsigned)a[2]))) || clock_now() >= deadline)
			return result;
		if (nanosleep(&pause, NULL))
			return -errno;
	}
}

static long wait_for_completions(const long a[6])
{
	long result;

	if (a[2] == 1 && one_is_there(a))
		return enter(a, 0, 1, a[3]);
	result = MIGRATED(enter(a, 0, a[2], a[3]));
	return result == -EEXIST ? wait_at_home(a) : result;
}

/* What is submitted belongs to the thread that submits it, so only the wait goes elsewhere. */
long uring_enter(const long a[6])
{
	long submitted = 0, waited;

	if (a[2] <= 0 || !(a[3] & IORING_ENTER_GETEVENTS) || !shim_hub())
		return enter(a, a[1], a[2], a[3]);
	if (a[1] > 0) {
		submitted = enter(a, a[1], 0, a[3] & ~(long)(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG));
		if (submitted != a[1])
			return submitted;
	}
	waited = wait_for_completions(a);
	return submitted ? submitted : waited;
}
