/* SPDX-License-Identifier: MIT */
/* torture.h - what the kinds of torture share: random numbers, complaints, threads that must come to be */
#ifndef TORTURE_H
#define TORTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each worker has its own row of numbers, which the seed and its own number decide. */
struct worker {
	pthread_t thread;
	unsigned number;
	uint64_t random;
	atomic_ulong actions;
	atomic_uint action; /* what it is doing now: an index into the table */
};

/* One thing that a worker does now and then; WEIGHT tells how often. */
struct action {
	const char *name;
	void (*run)(struct worker *worker);
	unsigned weight;
};

/* pick - a number from 0 to LIMIT - 1 */
unsigned pick(struct worker *worker, unsigned limit);

/* demand - HOLDS, or the torture has found something: says what and where, and aborts */
#define demand(holds, what) ((holds) ? (void)0 : complain(__FILE__, __LINE__, what))

void complain(const char *file, int line, const char *what) __attribute__((noreturn));

/* start_thread, end_thread - pthread_create with a small stack, and pthread_join */
pthread_t start_thread(void *(*body)(void *), void *argument);
void *end_thread(pthread_t thread);

/* seconds - the monotonic clock */
double seconds(void);

/* checksum - of SIZE bytes at DATA, going on from SUM */
uint32_t checksum(uint32_t sum, const void *data, size_t size);

/* *_begin is called before the workers start, *_end when they have ended, to count what must have come out */
void signals_begin(void);
void signals_end(void);
void locks_begin(void);
void locks_end(void);
void threads_end(void);

void do_create(struct worker *worker);
void do_detach(struct worker *worker);
void do_cancel(struct worker *worker);
void do_keys(struct worker *worker);
void do_fork(struct worker *worker);
void do_kill_thread(struct worker *worker);
void do_kill_process(struct worker *worker);
void do_timer(struct worker *worker);
void do_mutexes(struct worker *worker);
void do_rwlock(struct worker *worker);
void do_condition(struct worker *worker);
void do_barrier(struct worker *worker);
void do_socket(struct worker *worker);
void do_pipe(struct worker *worker);
void do_listener(struct worker *worker);
void do_sleep(struct worker *worker);
void do_spin(struct worker *worker);
void do_memory(struct worker *worker);
void do_stdio(struct worker *worker);
void do_library(struct worker *worker);

#endif
