/* SPDX-License-Identifier: MIT */
/* poll.c - poll and select: the kernel polls, the greenlet waits */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/io.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "net/io.h"

enum {
	FEW = 8,                     /* descriptors that need no memory of their own */
	LOOKS_MAX = 64,              /* calls in a row that need not wait, before others get a turn */
	FEW_WORDS = FD_SETSIZE / 64, /* of a select bitmap that needs no memory of its own */
	SET_BYTES_MAX = 131072,      /* of one select bitmap: a million descriptors */
};

#define LOOK_AGAIN (5 * NS_PER_MS) /* where epoll cannot tell */

static long poll_now(struct pollfd *fds, nfds_t count)
{
	struct timespec zero = { 0, 0 };

	green__current->flow->stats->io_calls++;
	return sys_look(SYS_ppoll, fds, count, &zero, NULL, 8);
}

/* The registration of a known descriptor has no bits for the old names, which always come with the new ones. */
static uint32_t epoll_events(short events)
{
	uint32_t result = (unsigned short)events;

	if (events & POLLRDNORM)
		result |= EPOLLIN;
	if (events & POLLRDBAND)
		result |= EPOLLPRI;
	if (events & (POLLWRNORM | POLLWRBAND))
		result |= EPOLLOUT;
	return result;
}

/* What can change later; files are what they are, and of what is not open the kernel has just told, or select never will. */
static size_t waits_fill(struct fd_wait *waits, const struct pollfd *fds, nfds_t count)
{
	size_t used = 0;

	for (nfds_t i = 0; i < count; i++) {
		int kind = fds[i].fd < 0 ? -EBADF : green__descriptor_kind(fds[i].fd);

		if (kind < 0 || kind == DESCRIPTOR_FILE)
			continue;
		waits[used].fd = fds[i].fd;
		waits[used].events = epoll_events(fds[i].events);
		waits[used].place = 0;
		waits[used++].takes = false;
	}
	return used;
}

static void waits_free(struct fd_wait **waits)
{
	free(*waits);
}

/* Wait until one of FDS may have changed.  Forced unwinding may pass through, hence the clean-up attribute. */
static int poll_wait(struct hub *hub, const struct pollfd *fds, nfds_t count, int64_t deadline)
{
	struct fd_wait few[FEW];
	__attribute__((cleanup(waits_free))) struct fd_wait *many = NULL;
	struct fd_wait *waits = few;
	int error;

	if (count > FEW) {
		waits = many = green__fault_injected() ? NULL : malloc(count * sizeof(*waits));
		if (!many)
			return -ENOMEM;
	}
	count = waits_fill(waits, fds, count);
	error = green__fd_wait_many(hub, waits, count, deadline, WAIT_BOTH);
	if (error == -EPERM) {
		int64_t soon = clock_after(LOOK_AGAIN);

		error = green__sleep(hub, soon < deadline ? soon : deadline, WAIT_BOTH);
	}
	return error;
}

/* Who looks again and again without ever having to wait gives others a turn now and then. */
static void count_look(struct hub *hub)
{
	if (++green__current->burst >= LOOKS_MAX)
		green__yield(hub);
}

long green__poll(struct pollfd *fds, nfds_t count, int64_t deadline)
{
	struct hub *hub = green__current->flow->hub;
	long ready;
	int error;

	for (;;) {
		ready = poll_now(fds, count);
		if (ready || deadline == 0 || (deadline != CLOCK_NEVER && clock_now() >= deadline))
			break;
		error = poll_wait(hub, fds, count, deadline);
		/* A closed descriptor shows as POLLNVAL at the next look. */
		if (error && error != -ETIMEDOUT && error != -EBADF && !(error == -EINTR && green__interrupted(false)))
			return green__raised_error(error);
	}
	count_look(hub);
	return ready;
}

static size_t set_bytes(int count)
{
	return ((size_t)count + 63) / 64 * 8;
}

/* What one select needs besides its arguments. */
struct selection {
	int count;
	fd_set *sets[3];
	unsigned long few[3 * FEW_WORDS];
	unsigned long *asked; /* copies of the sets, one after the other: FEW, or memory of its own */
	struct pollfd *fds;   /* the descriptors of all sets as poll wants them, once there is something to wait for */
	nfds_t used;
};

static void selection_free(struct selection *selection)
{
	if (selection->asked != selection->few)
		free(selection->asked);
	free(selection->fds);
}

static int selection_copy(struct selection *selection)
{
	size_t bytes = set_bytes(selection->count);

	selection->asked = selection->few;
	if (3 * bytes > sizeof(selection->few))
		selection->asked = green__fault_injected() ? NULL : malloc(3 * bytes);
	if (!selection->asked)
		return -ENOMEM;
	for (int i = 0; i < 3; i++) {
		if (selection->sets[i])
			memcpy((char *)selection->asked + (size_t)i * bytes, selection->sets[i], bytes);
	}
	return 0;
}

/* The sets are as they were before the first look, which clears what is not ready. */
static void selection_restore(struct selection *selection)
{
	size_t bytes = set_bytes(selection->count);

	for (int i = 0; i < 3; i++) {
		if (selection->sets[i])
			memcpy(selection->sets[i], (char *)selection->asked + (size_t)i * bytes, bytes);
	}
}

/* Word NUMBER of the set WHICH as it was asked for; no bits of numbers beyond the count. */
static unsigned long asked_word(const struct selection *selection, int which, int number)
{
	int beyond = 64 * (number + 1) - selection->count;
	unsigned long word;

	if (!selection->sets[which])
		return 0;
	word = selection->asked[(size_t)which * (set_bytes(selection->count) / 8) + (size_t)number];
	return beyond > 0 ? word << beyond >> beyond : word;
}

static void list_word(struct selection *selection, int number)
{
	unsigned long read = asked_word(selection, 0, number), write = asked_word(selection, 1, number),
		      except = asked_word(selection, 2, number);

	for (unsigned long left = read | write | except; left; left &= left - 1) {
		int bit = __builtin_ctzl(left);

		selection->fds[selection->used].fd = 64 * number + bit;
		selection->fds[selection->used++].events = (short)((read >> bit & 1 ? POLLIN : 0) |
								   (write >> bit & 1 ? POLLOUT : 0) |
								   (except >> bit & 1 ? POLLPRI : 0));
	}
}

/* Only who has to wait needs to know each descriptor: the first look mostly finds something. */
static int selection_list(struct selection *selection)
{
	int words = (int)(set_bytes(selection->count) / 8);
	size_t bits = 0;

	for (int i = 0; i < words; i++)
		bits += (size_t)__builtin_popcountl(asked_word(selection, 0, i) | asked_word(selection, 1, i) |
						    asked_word(selection, 2, i));
	selection->fds = green__fault_injected() ? NULL : malloc((bits + 1) * sizeof(*selection->fds));
	if (!selection->fds)
		return -ENOMEM;
	for (int i = 0; i < words; i++)
		list_word(selection, i);
	return 0;
}

static int selection_wait(struct hub *hub, struct selection *selection, int64_t deadline)
{
	int error = selection->fds ? 0 : selection_list(selection);

	if (!error)
		error = poll_wait(hub, selection->fds, selection->used, deadline);
	if (error == -ENOMEM)
		selection_restore(selection);
	return error;
}

/* One look by the kernel. */
static long select_now(struct selection *selection)
{
	struct timespec zero = { 0, 0 };

	green__current->flow->stats->io_calls++;
	return sys_look(SYS_pselect6, selection->count, selection->sets[0], selection->sets[1], selection->sets[2], &zero, NULL);
}

long green__select(int count, fd_set *read, fd_set *write, fd_set *except, int64_t deadline)
{
	__attribute__((cleanup(selection_free))) struct selection selection;
	struct hub *hub = green__current->flow->hub;
	long ready;
	int error;

	selection.count = count;
	selection.sets[0] = read;
	selection.sets[1] = write;
	selection.sets[2] = except;
	selection.asked = selection.few;
	selection.fds = NULL;
	selection.used = 0;
	if (count < 0 || set_bytes(count) > SET_BYTES_MAX)
		return -EINVAL;
	error = selection_copy(&selection);
	if (error)
		return error;
	for (;;) {
		ready = select_now(&selection);
		if (ready || deadline == 0 || (deadline != CLOCK_NEVER && clock_now() >= deadline))
			break;
		error = selection_wait(hub, &selection, deadline);
		if (error && error != -ETIMEDOUT && error != -EBADF && !(error == -EINTR && green__interrupted(false)))
			return green__raised_error(error);
		selection_restore(&selection);
	}
	count_look(hub);
	return ready;
}

int green_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (!green__hub())
		return -1;
	return (int)sys_result(green__poll(fds, count, timeout_ms ? clock_after_ms(timeout_ms) : 0));
}

int green_select(int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout)
{
	struct timespec time = { 0, 0 };
	int64_t deadline = CLOCK_NEVER;
	long result;

	if (!green__hub())
		return -1;
	if (timeout) {
		time.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000;
		time.tv_nsec = timeout->tv_usec % 1000000 * 1000;
		if (timeout->tv_usec < 0 || !clock_valid(&time))
			return (int)sys_result(-EINVAL);
		deadline = clock_after(clock_from_timespec(&time));
	}
	result = green__select(count, read, write, except, deadline);
	if (timeout) {
		time = clock_to_timespec(deadline - clock_now());
		timeout->tv_sec = time.tv_sec;
		timeout->tv_usec = time.tv_nsec / 1000;
	}
	return (int)sys_result(result);
}

int green_wait_fd(int fd, int events, int timeout_ms)
{
	short wanted = (short)((events & GREEN_READ ? POLLIN : 0) | (events & GREEN_WRITE ? POLLOUT : 0));
	struct pollfd pollfd = { .fd = fd, .events = wanted };
	long ready;

	if (!wanted || (events & ~(GREEN_READ | GREEN_WRITE)))
		return (int)sys_result(-EINVAL);
	if (fd < 0)
		return (int)sys_result(-EBADF);
	if (!green__hub())
		return -1;
	ready = green__poll(&pollfd, 1, timeout_ms ? clock_after_ms(timeout_ms) : 0);
	if (ready == 0)
		ready = -ETIMEDOUT;
	if (ready > 0 && (pollfd.revents & POLLNVAL))
		ready = -EBADF;
	if (ready < 0)
		return (int)sys_result(ready);
	if (pollfd.revents & (POLLERR | POLLHUP))
		return events;
	return (pollfd.revents & POLLIN ? GREEN_READ : 0) | (pollfd.revents & POLLOUT ? GREEN_WRITE : 0);
}
