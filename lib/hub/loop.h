/* SPDX-License-Identifier: MIT */
/* loop.h - an epoll instance and the eventfd that wakes it; calls back, knows no greenlets */
#ifndef GREEN_HUB_LOOP_H
#define GREEN_HUB_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#pragma GCC visibility push(default)

struct loop {
	int epoll_fd;
	int wake_fd;                /* registered with data LOOP_WAKE */
	int sleeping;               /* atomic: a wake-up from outside must write WAKE_FD */
	uint64_t *waits, *controls; /* counters of the two system calls */
	void (*expect)(void *context, uint64_t data); /* of each event, before the first of them is told */
	void (*event)(void *context, uint64_t data, uint32_t events);
	void *context;
};

#define LOOP_WAKE UINT64_MAX

/*
 * green__loop_init - open the descriptors, high up and close-on-exec, so that the
 * program's own numbering stays what it was
 *
 * Returns: 0, or -errno.
 */
int green__loop_init(struct loop *loop);

void green__loop_finish(struct loop *loop);

/* green__loop_high - give FD, which is the library's, a high number, close-on-exec; where that fails the low one serves as well */
int green__loop_high(int fd);

/*
 * green__loop_poll - wait at most until DEADLINE (absolute, CLOCK_NEVER, or 0 to only look)
 * and hand some events to EVENT in the order the kernel gives them
 *
 * Returns: true if there may be more.
 */
bool green__loop_poll(struct loop *loop, int64_t deadline);

/* green__loop_pending - true if a poll would find an event */
bool green__loop_pending(const struct loop *loop);

/* green__loop_wake - end a wait that sleeps or is about to; from any thread or signal handler */
void green__loop_wake(struct loop *loop);

/* green__loop_control - epoll_ctl; 0 or -errno */
int green__loop_control(struct loop *loop, int operation, int fd, uint32_t events, uint64_t data);

/* green__loop_owns - true for the descriptors of LOOP itself */
static inline bool green__loop_owns(const struct loop *loop, int fd)
{
	return fd >= 0 && (fd == loop->epoll_fd || fd == loop->wake_fd);
}

/* green__loop_move - FD, which LOOP owns, is needed by the program: go on with another number; 0 or -errno */
int green__loop_move(struct loop *loop, int fd);

/*
 * green__loop_stay_above - the program has FD: keep LOOP's own numbers well above it
 *
 * Numbers are given out from below, so nobody ever finds one of LOOP's in between.
 */
void green__loop_stay_above(struct loop *loop, int fd);

#pragma GCC visibility pop

#endif
