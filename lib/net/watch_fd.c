/* SPDX-License-Identifier: MIT */
/* watch_fd.c - watchers of descriptors */
#include <errno.h>

#include "base/sys.h"
#include "green/io.h"
#include "hub/watcher.h"

static int named(const struct fd_wait *wait, uint32_t events)
{
	int names = 0;

	/* An error or the end is for whoever watches. */
	if (events & (EPOLLERR | EPOLLHUP))
		events |= wait->events;
	if (events & wait->events & EPOLLIN)
		names |= GREEN_READ;
	if (events & wait->events & EPOLLOUT)
		names |= GREEN_WRITE;
	return names;
}

static void woken(struct fd_wait *wait, uint32_t events, int result)
{
	struct watcher *watcher = container_of(wait, struct watcher, wait);

	if (result)
		watcher->over = true;
	green__watcher_happened(watcher, result ? 0 : named(wait, events));
}

/* Only after its function has run can be seen whether there is still something to do. */
static void again(struct watcher *watcher)
{
	list_remove(&watcher->wait.link);
	green__fd_watch_again(watcher->hub, &watcher->wait);
}

static void ended(struct watcher *watcher)
{
	list_remove(&watcher->wait.link);
}

static const struct watcher_kind fd_kind = { .again = again, .stop = ended };

int green_watch_fd(struct green_watcher *green_watcher, int fd, int events, green_watch_function *function, void *data)
{
	struct watcher *watcher;
	int error;

	if (!(events & (GREEN_READ | GREEN_WRITE)) || events & ~(GREEN_READ | GREEN_WRITE)) {
		errno = EINVAL;
		return -1;
	}
	watcher = green__watcher_begin(green_watcher, &fd_kind, function, data);
	if (!watcher)
		return -1;
	watcher->wait.fd = fd;
	watcher->wait.events = (events & GREEN_READ ? EPOLLIN : 0) | (events & GREEN_WRITE ? EPOLLOUT : 0);
	watcher->wait.woken = woken;
	critical_enter(watcher->hub->flow);
	error = green__fd_watch(watcher->hub, &watcher->wait);
	if (!error)
		green__watcher_start(watcher);
	critical_leave(watcher->hub->flow);
	if (error)
		watcher->hub = NULL;
	return (int)sys_result(error);
}
