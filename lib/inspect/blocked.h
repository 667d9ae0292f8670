/* SPDX-License-Identifier: MIT */
/* blocked.h - where a kernel thread is whose hub does not come round, looked at from another one */
#ifndef GREEN_INSPECT_BLOCKED_H
#define GREEN_INSPECT_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/hub.h"

enum { BLOCKED_FRAMES = 32 };

struct blocked {
	uint64_t id; /* of the greenlet that runs there */
	char name[GREENLET_NAME_SIZE];
	size_t count; /* 0: its stack could not be had */
	uintptr_t frames[BLOCKED_FRAMES];
};

/*
 * green__blocked_signal - choose the signal that asks a thread for its stack, and handle it; 0: any that is free
 *
 * Returns: 0; -EAGAIN if none is free; -EINVAL.  It stays chosen.
 */
int green__blocked_signal(int number);

/* Whom to look at; the thread may end at any time. */
struct blocked_thread {
	pid_t id;
	char main_name[GREENLET_NAME_SIZE];
};

/* green__blocked_thread - that of HUB, which does not go meanwhile */
void green__blocked_thread(const struct hub *hub, struct blocked_thread *thread);

/*
 * green__blocked_look - fill BLOCKED with what runs on THREAD
 *
 * A thread in a system call is read from outside.  One that computes is sent the signal.
 */
void green__blocked_look(const struct blocked_thread *thread, struct blocked *blocked);

/* green__blocked_after_fork - in the child nobody is looking */
void green__blocked_after_fork(void);

#endif
