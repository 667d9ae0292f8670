/* SPDX-License-Identifier: MIT */
/*
 * loop.c - an epoll instance and the eventfd that wakes it
 *
 * What the outside world does, once and here:
 *   - epoll remembers the open file under a number, not the number: after close
 *     a duplicate keeps delivering events for a number that is gone or another's;
 *   - an edge-triggered registration tells of the state at EPOLL_CTL_ADD and MOD
 *     and then of each change; one edge may stand for many connections or bytes;
 *   - epoll_wait is interrupted by every signal handler, SA_RESTART or not;
 *   - EPERM from epoll_ctl means a file that never blocks: regular, directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/fault.h"
#include "base/sys.h"
#include "hub/loop.h"

enum {
	EVENTS_AT_ONCE = 32, /* what they wake runs while it is in the cache */
	HIGH_NUMBER = 4088, /* high enough to be out of the way, low enough to keep the kernel's table small */
	HIGH_SPARE = 8,
	HEADROOM = 256, /* how near the program's numbers may come to ours */
};

/* What F_DUPFD is asked for so that the number is LOWEST or as high as the limit allows. */
static long within_limit(long lowest)
{
	struct rlimit limit = { 0, 0 };

	sys_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	if (limit.rlim_cur >= (rlim_t)lowest + HIGH_SPARE)
		return lowest;
	return limit.rlim_cur > 2 * HIGH_SPARE ? (long)limit.rlim_cur - HIGH_SPARE : 0;
}

int green__loop_high(int fd)
{
	long high = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, within_limit(HIGH_NUMBER));

	if (sys_failed(high))
		return fd;
	sys_call(SYS_close, fd);
	return (int)high;
}

static int wake_register(struct loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = LOOP_WAKE };

	return (int)sys_call(SYS_epoll_ctl, loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event);
}

int green__loop_init(struct loop *loop)
{
	long epoll_fd = sys_call(SYS_epoll_create1, EPOLL_CLOEXEC);
	long wake_fd = sys_call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error;

	if (green__fault_injected() && !sys_failed(wake_fd)) {
		sys_call(SYS_close, wake_fd);
		wake_fd = -EMFILE;
	}
	loop->epoll_fd = (int)epoll_fd;
	loop->wake_fd = (int)wake_fd;
	loop->sleeping = 0;
	if (sys_failed(epoll_fd) || sys_failed(wake_fd)) {
		green__loop_finish(loop);
		return (int)(sys_failed(epoll_fd) ? epoll_fd : wake_fd);
	}
	loop->epoll_fd = green__loop_high(loop->epoll_fd);
	loop->wake_fd = green__loop_high(loop->wake_fd);
	error = wake_register(loop);
	if (error)
		green__loop_finish(loop);
	return error;
}

void green__loop_finish(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		sys_call(SYS_close, loop->epoll_fd);
	if (loop->wake_fd >= 0)
		sys_call(SYS_close, loop->wake_fd);
	loop->epoll_fd = loop->wake_fd = -1;
}

/* The child of a fork may have found no room for a loop of its own; until there is some, it looks often. */
static bool loop_works(struct loop *loop)
{
	struct timespec pause = { 0, NS_PER_MS };

	if (likely(loop->epoll_fd >= 0) || green__loop_init(loop) == 0)
		return true;
	sys_call(SYS_nanosleep, &pause, NULL);
	return false;
}

static long wait_until(struct loop *loop, struct epoll_event *events, int64_t deadline)
{
	struct timespec left;
	long count;
	int64_t ms;

	(*loop->waits)++;
	if (deadline == 0 || deadline == CLOCK_NEVER)
		return sys_call(SYS_epoll_pwait, loop->epoll_fd, events, EVENTS_AT_ONCE, deadline ? -1 : 0, NULL, 8);
	deadline -= clock_now();
	left = clock_to_timespec(deadline);
	count = sys_call(SYS_epoll_pwait2, loop->epoll_fd, events, EVENTS_AT_ONCE, &left, NULL, 8);
	if (count != -ENOSYS)
		return count;
	/* Before Linux 5.11 only milliseconds; rounded up, for rounding down spins. */
	ms = deadline > 0 ? (deadline + NS_PER_MS - 1) / NS_PER_MS : 0;
	return sys_call(SYS_epoll_pwait, loop->epoll_fd, events, EVENTS_AT_ONCE, ms > INT32_MAX ? INT32_MAX : ms, NULL, 8);
}

bool green__loop_poll(struct loop *loop, int64_t deadline)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	long count = loop_works(loop) ? wait_until(loop, events, deadline) : 0;

	__atomic_store_n(&loop->sleeping, 0, __ATOMIC_SEQ_CST);
	for (long i = 0; i < count; i++) {
		if (events[i].data.u64 != LOOP_WAKE)
			loop->expect(loop->context, events[i].data.u64);
	}
	for (long i = 0; i < count; i++) {
		/* Edge-triggered, the eventfd tells of every write and need never be read. */
		if (events[i].data.u64 != LOOP_WAKE)
			loop->event(loop->context, events[i].data.u64, events[i].events);
	}
	return count == EVENTS_AT_ONCE;
}

bool green__loop_pending(const struct loop *loop)
{
	struct pollfd pollfd = { .fd = loop->epoll_fd, .events = POLLIN };
	struct timespec now = { 0, 0 };

	return sys_look(SYS_ppoll, &pollfd, 1, &now, NULL, 8) > 0;
}

/* Meanwhile the number may have moved, and the old one belong to nobody. */
void green__loop_wake(struct loop *loop)
{
	uint64_t one = 1;
	long result;
	int fd;

	do {
		fd = __atomic_load_n(&loop->wake_fd, __ATOMIC_SEQ_CST);
		result = sys_call(SYS_write, fd, &one, sizeof(one));
	} while (result == -EINTR || (result == -EBADF && fd != __atomic_load_n(&loop->wake_fd, __ATOMIC_SEQ_CST)));
}

int green__loop_control(struct loop *loop, int operation, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	(*loop->controls)++;
	if (unlikely(loop->epoll_fd < 0) && green__loop_init(loop))
		return -ENOMEM;
	return (int)sys_call(SYS_epoll_ctl, loop->epoll_fd, operation, fd, &event);
}

static int move_to(struct loop *loop, int fd, long lowest)
{
	long moved = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, lowest);
	int error;

	if (sys_failed(moved))
		return (int)moved;
	if (fd == loop->epoll_fd) {
		loop->epoll_fd = (int)moved;
		return 0;
	}
	__atomic_store_n(&loop->wake_fd, (int)moved, __ATOMIC_SEQ_CST);
	error = wake_register(loop);
	if (error) {
		__atomic_store_n(&loop->wake_fd, fd, __ATOMIC_SEQ_CST);
		sys_call(SYS_close, moved);
		return error;
	}
	/* The registration of the old number must go while that number is still open. */
	sys_call(SYS_epoll_ctl, loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	return 0;
}

int green__loop_move(struct loop *loop, int fd)
{
	int error = move_to(loop, fd, fd + 1);

	return error ? move_to(loop, fd, 0) : 0;
}

static void move_up(struct loop *loop, int fd, long lowest)
{
	if (fd < lowest && move_to(loop, fd, lowest) == 0)
		sys_call(SYS_close, fd);
}

void green__loop_stay_above(struct loop *loop, int fd)
{
	int epoll_fd = loop->epoll_fd, wake_fd = loop->wake_fd;
	int first = epoll_fd < wake_fd ? epoll_fd : wake_fd;
	long lowest;

	/* A number far above was asked for by name, and the next one is given out from below again. */
	if (likely(fd < first - HEADROOM) || fd > first + HEADROOM)
		return;
	lowest = within_limit(2L * first);
	if (lowest <= first)
		return;
	move_up(loop, epoll_fd, lowest);
	move_up(loop, wake_fd, lowest);
}
