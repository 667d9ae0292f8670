/* SPDX-License-Identifier: MIT */
/* locks.c - every kind of lock, around pairs of numbers that are equal whenever nobody is inside */
#include "torture.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { KINDS = 6, BUFFER = 4, MEETING = 4 };

struct pair {
	long one, other;
};

static pthread_mutex_t mutexes[3];
static pthread_spinlock_t spinlock;
static sem_t semaphore;
static mtx_t c11;
static struct pair pairs[KINDS];
static atomic_long added[KINDS];

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static struct pair shared;
static atomic_long written;

static pthread_mutex_t buffer_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t buffer_changed = PTHREAD_COND_INITIALIZER;
static unsigned buffer[BUFFER], filled;
static atomic_ullong put_in, taken_out;

static void add(struct pair *pair, bool slowly)
{
	demand(pair->one == pair->other, "a lock let two in");
	pair->one++;
	if (slowly)
		sched_yield();
	pair->other++;
}

void locks_begin(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK };
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	for (int i = 0; i < 3; i++) {
		pthread_mutexattr_settype(&attributes, types[i]);
		pthread_mutex_init(&mutexes[i], &attributes);
	}
	pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
	sem_init(&semaphore, 0, 1);
	mtx_init(&c11, mtx_timed);
}

void locks_end(void)
{
	for (int i = 0; i < KINDS; i++)
		demand(pairs[i].one == added[i] && pairs[i].other == added[i], "a number under a lock");
	demand(shared.one == written && shared.other == written, "a number under a read-write lock");
	demand(filled == 0 && put_in == taken_out, "what went through the buffer");
}

static struct timespec soon(long nanoseconds)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += nanoseconds;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

static bool lock_mutex(pthread_mutex_t *mutex, unsigned way)
{
	struct timespec until = soon(500000);

	switch (way) {
	case 0: return pthread_mutex_trylock(mutex) == 0;
	case 1: return pthread_mutex_timedlock(mutex, &until) == 0;
	default: return pthread_mutex_lock(mutex) == 0;
	}
}

static bool lock(unsigned kind, unsigned way)
{
	switch (kind) {
	case 3: return pthread_spin_lock(&spinlock) == 0;
	case 4:
		while (sem_wait(&semaphore))
			demand(errno == EINTR, "sem_wait");
		return true;
	case 5: return mtx_lock(&c11) == thrd_success;
	default: return lock_mutex(&mutexes[kind], way);
	}
}

static void unlock(unsigned kind)
{
	switch (kind) {
	case 3: pthread_spin_unlock(&spinlock); break;
	case 4: sem_post(&semaphore); break;
	case 5: mtx_unlock(&c11); break;
	default: demand(pthread_mutex_unlock(&mutexes[kind]) == 0, "pthread_mutex_unlock");
	}
}

void do_mutexes(struct worker *worker)
{
	for (unsigned rounds = pick(worker, 30); rounds; rounds--) {
		unsigned kind = pick(worker, KINDS);
		/* Who holds a spin lock natively had better not sleep. */
		bool slowly = pick(worker, 4) == 0 && kind != 3;

		if (!lock(kind, pick(worker, 4)))
			continue;
		add(&pairs[kind], slowly);
		added[kind]++;
		unlock(kind);
	}
}

void do_rwlock(struct worker *worker)
{
	for (unsigned rounds = pick(worker, 30); rounds; rounds--) {
		bool slowly = pick(worker, 4) == 0;

		if (pick(worker, 4) == 0) {
			pthread_rwlock_wrlock(&rwlock);
			add(&shared, slowly);
			written++;
		} else {
			pthread_rwlock_rdlock(&rwlock);
			demand(shared.one == shared.other, "a writer beside a reader");
			if (slowly)
				sched_yield();
			demand(shared.one == shared.other, "a writer came to a reader");
		}
		demand(pthread_rwlock_unlock(&rwlock) == 0, "pthread_rwlock_unlock");
	}
}

static void buffer_put(unsigned value)
{
	pthread_mutex_lock(&buffer_mutex);
	while (filled == BUFFER)
		pthread_cond_wait(&buffer_changed, &buffer_mutex);
	buffer[filled++] = value;
	put_in += value;
	pthread_cond_broadcast(&buffer_changed);
	pthread_mutex_unlock(&buffer_mutex);
}

static void buffer_take(void)
{
	pthread_mutex_lock(&buffer_mutex);
	while (filled == 0)
		pthread_cond_wait(&buffer_changed, &buffer_mutex);
	taken_out += buffer[--filled];
	pthread_cond_broadcast(&buffer_changed);
	pthread_mutex_unlock(&buffer_mutex);
}

static void *put_some(void *argument)
{
	for (unsigned i = 0; i < *(unsigned *)argument; i++)
		buffer_put(i * 2654435761u);
	return NULL;
}

/* As many are taken as are put, so in the end none is left. */
void do_condition(struct worker *worker)
{
	unsigned count = 1 + pick(worker, 20);
	pthread_t other = start_thread(put_some, &count);

	for (unsigned i = 0; i < count; i++)
		buffer_take();
	end_thread(other);
}

struct meeting {
	pthread_barrier_t barrier;
	atomic_int serial, round;
};

static void *meet(void *argument)
{
	struct meeting *meeting = argument;

	for (int i = 0; i < 5; i++) {
		int result = pthread_barrier_wait(&meeting->barrier);

		demand(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD, "pthread_barrier_wait");
		meeting->serial += result == PTHREAD_BARRIER_SERIAL_THREAD;
		meeting->round++;
		pthread_barrier_wait(&meeting->barrier);
		demand(meeting->round == (i + 1) * MEETING, "a barrier opened early");
		pthread_barrier_wait(&meeting->barrier);
	}
	return NULL;
}

void do_barrier(struct worker *worker)
{
	struct meeting meeting = { .serial = 0 };
	pthread_t threads[MEETING];

	(void)worker;
	pthread_barrier_init(&meeting.barrier, NULL, MEETING);
	for (int i = 0; i < MEETING; i++)
		threads[i] = start_thread(meet, &meeting);
	for (int i = 0; i < MEETING; i++)
		end_thread(threads[i]);
	demand(meeting.serial == 5, "one serial thread in each round");
	pthread_barrier_destroy(&meeting.barrier);
}
