/* SPDX-License-Identifier: MIT */
/*
 * outside.h - a descriptor that tells a foreign event loop when the hub has something to do
 *
 * It is an epoll instance that holds the hub's own and a timer.  Descriptors and
 * other threads make the hub's readable; the timer goes off when a deadline has
 * come, and at once for whatever becomes ready while the main greenlet runs: then
 * the foreign loop may be about to sleep.
 */
#ifndef GREEN_HUB_OUTSIDE_H
#define GREEN_HUB_OUTSIDE_H

#include "hub/hub.h"

#pragma GCC visibility push(default)

struct outside {
	int epoll_fd, timer_fd;
	int64_t due; /* what the timer is set to; 0: it has gone off */
};

/* green__outside_leave - the main greenlet goes on, while the hub has this to do */
void green__outside_leave(struct hub *hub);

void green__outside_destroy(struct hub *hub);

#pragma GCC visibility pop

#endif
