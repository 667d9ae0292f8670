/* SPDX-License-Identifier: MIT */
/* hook_poll.c - poll, select and epoll_wait */
#include <string.h>

#include "net/io.h"
#include "shim.h"
#include "signals.h"

extern void __chk_fail(void) __attribute__((noreturn));

/* RETURN what the call ends with while the caller blocks what MASK says, which natively the kernel sees to. */
#define WITH_MASK(mask, cooperative, plain) \
	do { \
		long masked_result; \
		if (!mask || !thread_is_green()) \
			return shim_hub() ? (int)sys_result(cooperative) : plain; \
		signals_lend_mask(mask_word(mask), !shim_hub()); \
		if (!thread_self()->mask_lent) \
			masked_result = -EINTR; \
		else \
			masked_result = shim_hub() ? cooperative : negated(plain); \
		signals_return_mask(); \
		return (int)sys_result(masked_result); \
	} while (0)

static uint64_t mask_word(const sigset_t *mask)
{
	uint64_t word;

	memcpy(&word, mask, sizeof(word));
	return word;
}

/* What libc's call returned, as the kernel says it. */
static long negated(long result)
{
	return result < 0 ? -errno : result;
}

static int64_t deadline_ms(int timeout)
{
	return timeout ? clock_after_ms(timeout) : 0;
}

/* The deadline of a timespec; NULL is for ever, zero only looks. */
static int64_t deadline_of(const struct timespec *timeout)
{
	if (!timeout)
		return CLOCK_NEVER;
	return timeout->tv_sec || timeout->tv_nsec ? clock_after(clock_from_timespec(timeout)) : 0;
}

WRAPPER int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (!shim_hub())
		return real(poll)(fds, count, timeout);
	shim_cancellation_point();
	return (int)sys_result(green__poll(fds, count, deadline_ms(timeout)));
}

ALIAS(__poll, poll);

WRAPPER int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	if (timeout && !clock_valid(timeout))
		return (int)sys_result(-EINVAL);
	shim_cancellation_point();
	WITH_MASK(mask, green__poll(fds, count, deadline_of(timeout)), real(ppoll)(fds, count, timeout, mask));
}

WRAPPER int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	if (room / sizeof(*fds) < count)
		__chk_fail();
	return poll(fds, count, timeout);
}

WRAPPER int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room)
{
	if (room / sizeof(*fds) < count)
		__chk_fail();
	return ppoll(fds, count, timeout, mask);
}

WRAPPER int select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout)
{
	struct timespec time = { 0, 0 };
	int64_t deadline = CLOCK_NEVER;
	long result;

	if (!shim_hub())
		return real(select)(count, read, write, except, timeout);
	shim_cancellation_point();
	if (timeout) {
		if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
			return (int)sys_result(-EINVAL);
		time.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000;
		time.tv_nsec = timeout->tv_usec % 1000000 * 1000;
		deadline = deadline_of(&time);
	}
	result = green__select(count, read, write, except, deadline);
	/* Linux tells how much was left. */
	if (timeout && deadline) {
		time = clock_to_timespec(deadline == CLOCK_NEVER ? CLOCK_NEVER : deadline - clock_now());
		timeout->tv_sec = time.tv_sec;
		timeout->tv_usec = time.tv_nsec / 1000;
	}
	return (int)sys_result(result);
}

ALIAS(__select, select);

WRAPPER int pselect(int count, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout, const sigset_t *mask)
{
	if (timeout && !clock_valid(timeout))
		return (int)sys_result(-EINVAL);
	shim_cancellation_point();
	WITH_MASK(mask, green__select(count, read, write, except, deadline_of(timeout)),
		  real(pselect)(count, read, write, except, timeout, mask));
}

/* An epoll instance is a descriptor that can be polled like any other. */
static long epoll_until(int fd, struct epoll_event *events, int count, int64_t deadline)
{
	struct hub *hub = green__current->flow->hub;
	bool woken = false;
	long result;

	for (;;) {
		hub->flow->stats->io_calls++;
		result = sys_look(SYS_epoll_pwait, fd, events, count, 0, NULL, 8);
		if (result || deadline == 0 || (deadline != CLOCK_NEVER && clock_now() >= deadline))
			break;
		result = green__fd_wait(hub, fd, EPOLLIN, deadline, WAIT_INTERRUPTIBLE);
		woken = woken || result == 0;
		if (result && result != -ETIMEDOUT && !(result == -EINTR && green__interrupted(false)))
			break;
	}
	/* There may be more than this caller had room for, and another waits for it. */
	if (woken)
		green__fd_pass_on(hub, fd, EPOLLIN);
	return result;
}

WRAPPER int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
	if (!shim_hub())
		return real(epoll_wait)(fd, events, count, timeout);
	shim_cancellation_point();
	return (int)sys_result(epoll_until(fd, events, count, deadline_ms(timeout)));
}

WRAPPER int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
	shim_cancellation_point();
	WITH_MASK(mask, epoll_until(fd, events, count, deadline_ms(timeout)),
		  real(epoll_pwait)(fd, events, count, timeout, mask));
}

WRAPPER int epoll_pwait2(int fd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask)
{
	if (timeout && !clock_valid(timeout))
		return (int)sys_result(-EINVAL);
	shim_cancellation_point();
	WITH_MASK(mask, epoll_until(fd, events, count, deadline_of(timeout)),
		  real(epoll_pwait2)(fd, events, count, timeout, mask));
}
