/* SPDX-License-Identifier: MIT */
/* outside.c - a descriptor that tells a foreign event loop when the hub has something to do */
#include "hub/outside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>

#include "base/fault.h"
#include "base/sys.h"
#include "green/loop.h"

static void timer_set(struct outside *outside, int64_t due)
{
	struct itimerspec at = { .it_value = { 0, 0 } };

	/* A time of all zeros would stop the timer; this one has passed since long. */
	if (due <= 0)
		at.it_value.tv_nsec = 1;
	else if (due != CLOCK_NEVER)
		at.it_value = clock_to_timespec(due);
	outside->due = due;
	sys_call(SYS_timerfd_settime, outside->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void become_earlier(struct timerq *timers, int64_t due)
{
	struct hub *hub = container_of(timers, struct hub, timers);

	if (hub->outside_told)
		green__outside_told(hub, due);
}

void green__outside_told(struct hub *hub, int64_t due)
{
	if (due < hub->outside->due)
		timer_set(hub->outside, due);
}

void green__outside_leave(struct hub *hub)
{
	struct outside *outside = hub->outside;
	int64_t due = green__timerq_sleep(&hub->timers);

	hub->outside_told = true;
	/* Who posts looks at the flag after it has posted, so look at the posts after setting it. */
	__atomic_store_n(&hub->loop.sleeping, 1, __ATOMIC_SEQ_CST);
	if (green__hub_busy(hub))
		due = 0;
	if (due != outside->due || due <= clock_now())
		timer_set(outside, due);
	hub->timers.told = due;
	hub->timers.earlier = become_earlier;
}

/* Greenlets that main has switched to may have parked meanwhile, and let the hub run. */
static void main_is_back(struct flow *flow)
{
	critical_enter(flow);
	if (!flow->hub->outside_told)
		green__outside_leave(flow->hub);
	critical_leave(flow);
}

static int hold(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return (int)sys_call(SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void close_both(struct outside *outside)
{
	if (outside->epoll_fd >= 0)
		sys_call(SYS_close, outside->epoll_fd);
	if (outside->timer_fd >= 0)
		sys_call(SYS_close, outside->timer_fd);
}

static int open_both(struct hub *hub, struct outside *outside)
{
	int error;

	outside->epoll_fd = (int)sys_call(SYS_epoll_create1, EPOLL_CLOEXEC);
	outside->timer_fd = green__fault_injected() ? -EMFILE : (int)sys_call(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (outside->epoll_fd < 0 || outside->timer_fd < 0)
		return outside->epoll_fd < 0 ? outside->epoll_fd : outside->timer_fd;
	outside->epoll_fd = green__loop_high(outside->epoll_fd);
	outside->timer_fd = green__loop_high(outside->timer_fd);
	error = hold(outside->epoll_fd, hub->loop.epoll_fd);
	return error ? error : hold(outside->epoll_fd, outside->timer_fd);
}

static int outside_create(struct hub *hub)
{
	struct outside *outside = green__fault_injected() ? NULL : calloc(1, sizeof(*outside));
	int error;

	if (!outside)
		return -ENOMEM;
	error = open_both(hub, outside);
	if (error) {
		close_both(outside);
		free(outside);
		return error;
	}
	outside->due = CLOCK_NEVER;
	hub->outside = outside;
	hub->flow->main_is_back = main_is_back;
	flow_watch(hub->flow);
	return 0;
}

void green__outside_destroy(struct hub *hub)
{
	if (!hub->outside)
		return;
	close_both(hub->outside);
	free(hub->outside);
	hub->outside = NULL;
	hub->flow->main_is_back = NULL;
	flow_watch(hub->flow);
	hub->outside_told = false;
	hub->timers.told = INT64_MIN;
}

int green_hub_fd(void)
{
	struct hub *hub = green__hub();
	int error = 0;

	if (!hub)
		return -1;
	critical_enter(hub->flow);
	if (!hub->outside)
		error = outside_create(hub);
	if (!error)
		green__outside_leave(hub);
	critical_leave(hub->flow);
	return error ? (int)sys_result(error) : hub->outside->epoll_fd;
}
