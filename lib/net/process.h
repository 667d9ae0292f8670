/* SPDX-License-Identifier: MIT */
/* process.h - what process.c, communicate.c and waitpid.c know of a child process */
#ifndef GREEN_NET_PROCESS_H
#define GREEN_NET_PROCESS_H

#include <spawn.h>

#include "base/list.h"
#include "green/process.h"
#include "hub/waiter.h"

#pragma GCC visibility push(default)

/* What communicate has read so far. */
struct collected {
	char *bytes; /* with room for a final zero */
	size_t size, room;
};

struct green_process {
	struct list all; /* process.c: on the list of those that green_waitpid leaves alone */
	pid_t pid;
	int pidfd;
	bool group;      /* it was started as leader of a group of its own */
	bool ended;      /* STATUS is set, and the child is reaped; under the lock of process.c */
	int status;
	int fds[3];      /* the parent's ends of pipes, -1 where there is none */
	char *input;     /* communicate.c: a copy of what the child is to get */
	size_t input_size, written;
	struct collected outputs[2];
};

/*
 * green__process_spawn - fill in PROCESS and start it
 *
 * PLAIN: for system(3): the mask is the caller's, and what is ignored stays ignored.
 * Returns: 0, or -errno and nothing is left.
 */
int green__process_spawn(struct green_process *process, const struct green_process_options *options, bool plain);

/* green__process_reaped - true if PROCESS has ended; its status is there then */
bool green__process_reaped(struct green_process *process);

/* green__process_wait - until it has ended; 0 or -errno as green__park */
int green__process_wait(struct hub *hub, struct green_process *process, int64_t deadline, enum wait_mode mode);

/* green__process_finish - close what PROCESS has; a child that still runs is reaped later */
void green__process_finish(struct green_process *process);

/* green__process_known - PID is a child of green__process_spawn; if it has ended, it is reaped for its owner when REAP */
bool green__process_known(pid_t pid, bool reap);

#pragma GCC visibility pop

#endif
