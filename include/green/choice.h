/* SPDX-License-Identifier: MIT */
/*
 * green/choice.h - wait for the first of several things
 *
 *	struct green_choice choices[] = {
 *		GREEN_GET(jobs),
 *		GREEN_JOINED(helper),
 *		GREEN_READY(fd, GREEN_READ),
 *	};
 *
 *	switch (green_choose(choices, 3, 1000)) {
 *	case 0: work_on(choices[0].value); break;
 *	...
 *	}
 */
#ifndef GREEN_CHOICE_H
#define GREEN_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

enum green_choice_kind {
	GREEN_CHOICE_NONE,    /* never happens: a place that is not used */
	GREEN_CHOICE_GET,     /* an item is got from a queue, into VALUE */
	GREEN_CHOICE_PUT,     /* VALUE is put into a queue */
	GREEN_CHOICE_EVENT,   /* an event is set */
	GREEN_CHOICE_ACQUIRE, /* a unit of a semaphore is taken */
	GREEN_CHOICE_LOCK,    /* a mutex is locked */
	GREEN_CHOICE_JOINED,  /* a task has ended; its value into VALUE */
	GREEN_CHOICE_FUTURE,  /* a future is done; its value, if it has one, into VALUE */
	GREEN_CHOICE_PROCESS, /* a child process has ended */
	GREEN_CHOICE_FD,      /* a descriptor is ready for EVENTS */
};

struct green_choice {
	enum green_choice_kind kind;
	int fd, events; /* of GREEN_CHOICE_FD; EVENTS is then what holds */
	void *object;   /* of all others */
	void *value;
	int error;      /* 0, or the errno with which it ended: a queue shut down, a task or future that failed, EBADF */
	bool happened;
};

#define GREEN_GET(queue) { .kind = GREEN_CHOICE_GET, .object = (queue) }
#define GREEN_PUT(queue, item) { .kind = GREEN_CHOICE_PUT, .object = (queue), .value = (item) }
#define GREEN_SET(event) { .kind = GREEN_CHOICE_EVENT, .object = (event) }
#define GREEN_ACQUIRED(semaphore) { .kind = GREEN_CHOICE_ACQUIRE, .object = (semaphore) }
#define GREEN_LOCKED(mutex) { .kind = GREEN_CHOICE_LOCK, .object = (mutex) }
#define GREEN_JOINED(task) { .kind = GREEN_CHOICE_JOINED, .object = (task) }
#define GREEN_DONE(future) { .kind = GREEN_CHOICE_FUTURE, .object = (future) }
#define GREEN_EXITED(process) { .kind = GREEN_CHOICE_PROCESS, .object = (process) }
#define GREEN_READY(number, what) { .kind = GREEN_CHOICE_FD, .fd = (number), .events = (what) }

/*
 * green_choose - wait until one of COUNT CHOICES can happen, and let exactly that one happen
 *
 * If several can, the first in the array does.  Those that have happened before are passed
 * over, so calling again with the same array waits for the next one.
 * TIMEOUT_MS: -1 waits for ever, 0 only tests.
 *
 * Switches: yes, unless one can happen at once.
 * Returns: its place in the array; -1 with errno
 *   EINVAL     a choice makes no sense, as to get from a channel and put into it, or none is left
 *   EDEADLK    a choice is the end of the caller, or a mutex that it owns
 *   EPERM      a task belongs to another kernel thread; ESRCH: to one that has ended
 *   ENOMEM     no memory to wait for so many, or to hold an item
 *   ETIMEDOUT  TIMEOUT_MS passed
 *   and those of green/sync.h
 */
int green_choose(struct green_choice *choices, size_t count, int timeout_ms);

/*
 * green_choose_many - wait until WANTED more of CHOICES have happened
 *
 * Switches: as green_choose.
 * Returns: how many have happened in this call, fewer than WANTED if TIMEOUT_MS passed or no more are
 * left; -1 as green_choose, with those that happened marked
 */
int green_choose_many(struct green_choice *choices, size_t count, size_t wanted, int timeout_ms);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
