/* SPDX-License-Identifier: MIT */
/*
 * hook_uring.c - waiting for completions by liburing, whose system calls nobody can catch but whose functions one can
 *
 * A ring's descriptor is readable while completions wait in it, so the wait is one
 * of ours and the call that follows finds what it wants. Submission and reaping
 * stay on the carrier: the kernel ties requests to the thread that submits them,
 * and ends them with it.
 *
 * The functions that wait without end or until a time are here; what a program does
 * with SQPOLL's full queue, or by io_uring_enter itself, blocks the carrier.
 */
#include <pthread.h>

#include "shim.h"

struct io_uring_cqe;

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
