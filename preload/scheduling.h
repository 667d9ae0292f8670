/* SPDX-License-Identifier: MIT */
/* scheduling.h - what the kernel would keep of a thread's policy, priority, processors and I/O priority */
#ifndef GREEN_PRELOAD_SCHEDULING_H
#define GREEN_PRELOAD_SCHEDULING_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct thread;

/* As the kernel's struct sched_attr, which newer versions of libc declare and older ones do not. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t least, most; /* utilisation */
};

/* While a thread has not asked for anything it has what the carrier has. */
struct scheduling {
	bool own;
	int io;
	struct sched_attributes attributes;
	cpu_set_t affinity;
};

/* scheduling_begin - what a new thread with ATTRIBUTES gets from the caller; 0 or why it may not be made */
int scheduling_begin(struct scheduling *scheduling, const pthread_attr_t *attributes);

/* scheduling_after_fork - the kernel thread is SELF's alone now and takes over what SELF had asked for */
void scheduling_after_fork(struct thread *self);

/* scheduling_judge - 0 if the caller could have POLICY with PRIORITY, else the kernel's error; nothing is changed */
int scheduling_judge(int policy, int priority);

/* scheduling_call - one of the system calls that name a thread by its id; the kernel's own answer */
long scheduling_call(long number, long a[6]);

#endif
