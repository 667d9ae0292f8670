/* SPDX-License-Identifier: MIT */
/* spins.c - threads that wait by asking again and again, or lock again and again: the others have their turn all the same */
#include "plain.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <threads.h>

enum { SPINNERS = 4, TURNS = 5 };

static atomic_int turn;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spinlock;
static mtx_t c11;
static sem_t semaphore;
static int shared;

/* Each thread waits for its turn, which the one before it ends. */
static void take_turns(int self, void (*between)(void))
{
	for (int i = 0; i < TURNS; i++) {
		while (turn != i * SPINNERS + self) {
			if (between)
				between();
		}
		turn++;
	}
}

static void yield(void)
{
	sched_yield();
}

static void *turns_by_yield(void *self)
{
	take_turns((int)(long)self, yield);
	return NULL;
}

static void *turns_by_atomic(void *self)
{
	take_turns((int)(long)self, NULL);
	return NULL;
}

static void run_all(void *(*body)(void *), double most)
{
	pthread_t threads[SPINNERS];
	double start = now();

	for (long i = 0; i < SPINNERS; i++)
		threads[i] = spawn(body, (void *)i);
	for (int i = 0; i < SPINNERS; i++)
		join(threads[i]);
	say_elapsed("all", start, 0, most);
}

/* L25, CK10, X16: sched_yield */
static void by_yield(void)
{
	run_all(turns_by_yield, 5);
	say("turns: %d", turn);
}

/* Natively, too, it takes a slice for each thread that spins in vain, where there are fewer processors than threads. */
static void by_atomic(void)
{
	run_all(turns_by_atomic, 40);
	say("turns: %d", turn);
}

/* Held over a pause, so that all the others find the lock taken. */
static void work_under(int (*try)(void), void (*release)(void))
{
	for (int i = 0; i < 3; i++) {
		int before;

		while (try())
			;
		before = shared;
		pause_ms(2);
		shared = before + 1;
		release();
	}
}

static int try_mutex(void)
{
	return pthread_mutex_trylock(&mutex);
}

static void release_mutex(void)
{
	pthread_mutex_unlock(&mutex);
}

static int try_write(void)
{
	return pthread_rwlock_trywrlock(&rwlock);
}

static void release_write(void)
{
	pthread_rwlock_unlock(&rwlock);
}

static int try_spin(void)
{
	return pthread_spin_trylock(&spinlock);
}

static void release_spin(void)
{
	pthread_spin_unlock(&spinlock);
}

static int try_semaphore(void)
{
	return sem_trywait(&semaphore);
}

static void release_semaphore(void)
{
	sem_post(&semaphore);
}

static int try_c11(void)
{
	return mtx_trylock(&c11) != thrd_success;
}

static void release_c11(void)
{
	mtx_unlock(&c11);
}

static void *under_mutex(void *argument)
{
	work_under(try_mutex, release_mutex);
	return argument;
}

static void *under_write(void *argument)
{
	work_under(try_write, release_write);
	return argument;
}

static void *under_spin(void *argument)
{
	work_under(try_spin, release_spin);
	return argument;
}

static void *under_semaphore(void *argument)
{
	work_under(try_semaphore, release_semaphore);
	return argument;
}

static void *under_c11(void *argument)
{
	work_under(try_c11, release_c11);
	return argument;
}

/* L25, CK10, X16: trylock */
static void trylocks(void)
{
	void *(*const bodies[])(void *) = { under_mutex, under_write, under_spin, under_semaphore, under_c11 };

	pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
	sem_init(&semaphore, 0, 1);
	mtx_init(&c11, mtx_plain);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		shared = 0;
		run_all(bodies[i], 5);
		say("counted: %d", shared);
	}
}

/* --- who waits inside a lock and comes back to it soon --- */

static atomic_int total, starved;

static void *come_back(void *argument)
{
	int own = 0;

	while (total < 60) {
		pthread_mutex_lock(&mutex);
		pause_ms(1);
		total++;
		own++;
		pthread_mutex_unlock(&mutex);
		for (double until = now() + 0.0001; now() < until;)
			;
	}
	starved += own < 3;
	return argument;
}

static void coming_back(void)
{
	run_all(come_back, 10);
	say("starved: %d", starved);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "by_yield", by_yield, SPINNERS },
		{ "by_atomic", by_atomic, SPINNERS },
		{ "coming_back", coming_back, SPINNERS },
		{ "trylocks", trylocks, 5 * SPINNERS },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
