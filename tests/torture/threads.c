/* SPDX-License-Identifier: MIT */
/* threads.c - threads come and go: joined, detached, cancelled, with values of keys, forked */
#include "torture.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FAMILY = 6, DETACHED_MAX = 200 };

static atomic_long detached_begun, detached_done;

static void *add_one(void *counter)
{
	++*(atomic_int *)counter;
	return counter;
}

/* The second generation comes from a thread that ends before it. */
static void *add_by_child(void *counter)
{
	pthread_t child = start_thread(add_one, counter);

	sched_yield();
	return end_thread(child);
}

void do_create(struct worker *worker)
{
	unsigned count = 1 + pick(worker, FAMILY);
	pthread_t threads[FAMILY];
	atomic_int counter = 0;

	for (unsigned i = 0; i < count; i++)
		threads[i] = start_thread(i % 2 ? add_by_child : add_one, &counter);
	for (unsigned i = 0; i < count; i++)
		demand(end_thread(threads[i]) == &counter, "a thread's result");
	demand(counter == (int)count, "a thread has not run");
}

static void *be_detached(void *napping)
{
	if (napping)
		usleep(500);
	detached_done++;
	return NULL;
}

void do_detach(struct worker *worker)
{
	bool napping = pick(worker, 2);
	pthread_t thread;

	while (detached_begun - detached_done >= DETACHED_MAX)
		usleep(1000);
	detached_begun++;
	thread = start_thread(be_detached, napping ? worker : NULL);
	demand(pthread_detach(thread) == 0, "pthread_detach");
}

void threads_end(void)
{
	double until = seconds() + 20;

	while (detached_done != detached_begun && seconds() < until)
		usleep(1000);
	demand(detached_done == detached_begun, "a detached thread got lost");
}

/* --- cancellation --- */

struct victim {
	unsigned way;
	int pipe[2];
	sem_t ready, never;
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	atomic_int cleaned;
};

static void clean(void *argument)
{
	((struct victim *)argument)->cleaned++;
}

static void clean_and_unlock(void *argument)
{
	struct victim *victim = argument;

	victim->cleaned++;
	pthread_mutex_unlock(&victim->mutex);
}

static void wait_under_mutex(struct victim *victim)
{
	pthread_mutex_lock(&victim->mutex);
	pthread_cleanup_push(clean_and_unlock, victim);
	for (;;)
		pthread_cond_wait(&victim->condition, &victim->mutex);
	pthread_cleanup_pop(0);
}

static void wait_somehow(struct victim *victim)
{
	struct pollfd pollfd = { .fd = victim->pipe[0], .events = POLLIN };
	char byte;

	switch (victim->way) {
	case 0: sem_wait(&victim->never); break;
	case 1: demand(read(victim->pipe[0], &byte, 1) != 1, "a byte from nowhere"); break;
	case 2: poll(&pollfd, 1, -1); break;
	case 3: sleep(1000); break;
	case 4: pause(); break;
	case 5: pthread_testcancel(); sched_yield(); break;
	default: wait_under_mutex(victim);
	}
}

static void *be_victim(void *argument)
{
	struct victim *victim = argument;

	pthread_cleanup_push(clean, victim);
	sem_post(&victim->ready);
	for (;;)
		wait_somehow(victim);
	pthread_cleanup_pop(0);
	return NULL;
}

void do_cancel(struct worker *worker)
{
	struct victim victim = { .way = pick(worker, 7), .mutex = PTHREAD_MUTEX_INITIALIZER, .condition = PTHREAD_COND_INITIALIZER };
	pthread_t thread;

	demand(pipe(victim.pipe) == 0, "pipe");
	sem_init(&victim.ready, 0, 0);
	sem_init(&victim.never, 0, 0);
	thread = start_thread(be_victim, &victim);
	while (sem_wait(&victim.ready))
		demand(errno == EINTR, "sem_wait");
	if (pick(worker, 2))
		usleep(pick(worker, 300));
	demand(pthread_cancel(thread) == 0, "pthread_cancel");
	demand(end_thread(thread) == PTHREAD_CANCELED, "a cancelled thread's result");
	demand(victim.cleaned >= 1, "a cleanup handler has not run");
	demand(pthread_mutex_trylock(&victim.mutex) == 0, "a cancelled thread kept its mutex");
	pthread_mutex_unlock(&victim.mutex);
	close(victim.pipe[0]);
	close(victim.pipe[1]);
}

/* --- keys --- */

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static __thread unsigned own_number;

static void destroy_value(void *value)
{
	++*(atomic_int *)value;
}

static void make_key(void)
{
	demand(pthread_key_create(&key, destroy_value) == 0, "pthread_key_create");
}

static void *have_value(void *value)
{
	demand(own_number == 0 && !pthread_getspecific(key), "a new thread begins with another's data");
	own_number = 1;
	pthread_setspecific(key, value);
	sched_yield();
	demand(own_number == 1 && pthread_getspecific(key) == value, "a thread's own data");
	return NULL;
}

void do_keys(struct worker *worker)
{
	pthread_t threads[FAMILY];
	atomic_int destroyed = 0;
	unsigned count = 1 + pick(worker, FAMILY);

	pthread_once(&key_once, make_key);
	for (unsigned i = 0; i < count; i++)
		threads[i] = start_thread(have_value, &destroyed);
	for (unsigned i = 0; i < count; i++)
		end_thread(threads[i]);
	demand(destroyed == (int)count, "a destructor has not run");
}

/* --- fork --- */

static void be_child(int fd)
{
	static char block[50000];
	atomic_int counter = 0;
	uint32_t sum;

	alarm(60);
	memset(block, 7, sizeof(block));
	free(malloc(100000));
	end_thread(start_thread(add_by_child, &counter));
	sum = checksum((uint32_t)counter, block, sizeof(block));
	_exit(write(fd, &sum, sizeof(sum)) == sizeof(sum) ? 42 : 1);
}

void do_fork(struct worker *worker)
{
	static char block[50000];
	uint32_t sum = 0;
	int ends[2], status;
	pid_t child;

	(void)worker;
	demand(pipe(ends) == 0, "pipe");
	child = fork();
	if (child == 0)
		be_child(ends[1]);
	demand(child > 0, "fork");
	close(ends[1]);
	while (read(ends[0], &sum, sizeof(sum)) < 0)
		demand(errno == EINTR, "read");
	while (waitpid(child, &status, 0) < 0)
		demand(errno == EINTR, "waitpid");
	demand(WIFEXITED(status) && WEXITSTATUS(status) == 42, "how a child ended");
	memset(block, 7, sizeof(block));
	demand(sum == checksum(1, block, sizeof(block)), "what a child computed");
	close(ends[0]);
}
