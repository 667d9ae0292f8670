/* SPDX-License-Identifier: MIT */
/* signals.c - signals to threads, to the process, and from timers: each that is sent arrives */
#include "torture.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SHOTS = 8 };

static sem_t arrived;                  /* posted by the thread that takes signals of the process */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static pthread_t taker;
static atomic_bool taker_ends;
static atomic_long sent, taken;
static __thread atomic_int hits;       /* by handlers on this thread */

static void on_hit(int number)
{
	(void)number;
	hits++;
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		demand(errno == EINTR, "sem_wait");
}

static void *take(void *argument)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (;;) {
		demand(sigwait(&set, &number) == 0 && number == SIGUSR2, "sigwait");
		if (taker_ends)
			return argument;
		taken++;
		sem_post(&arrived);
	}
}

void signals_begin(void)
{
	struct sigaction action = { .sa_handler = on_hit, .sa_flags = SA_RESTART };
	sigset_t set;

	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sem_init(&arrived, 0, 0);
	taker = start_thread(take, NULL);
}

void signals_end(void)
{
	taker_ends = true;
	demand(pthread_kill(taker, SIGUSR2) == 0, "pthread_kill");
	end_thread(taker);
	demand(sent == taken, "a signal of the process got lost");
}

void do_kill_process(struct worker *worker)
{
	(void)worker;
	pthread_mutex_lock(&one_at_a_time);
	sent++;
	demand(kill(getpid(), SIGUSR2) == 0, "kill");
	wait_for(&arrived);
	pthread_mutex_unlock(&one_at_a_time);
}

/* --- a thread that is shot at --- */

struct target {
	sem_t ready, hit;
	unsigned way;
};

static void wait_or_compute(unsigned way)
{
	struct timespec moment = { 0, 200000 };

	if (way == 0) {
		nanosleep(&moment, NULL);
	} else if (way == 1) {
		sched_yield();
	} else {
		for (volatile int i = 0; i < 2000; i++)
			;
	}
}

static void *be_target(void *argument)
{
	struct target *target = argument;

	sem_post(&target->ready);
	for (int expected = 1; expected <= SHOTS; expected++) {
		double until = seconds() + 20;

		while (hits < expected) {
			wait_or_compute(target->way);
			demand(seconds() < until, "a signal has not reached its thread");
		}
		sem_post(&target->hit);
	}
	return NULL;
}

void do_kill_thread(struct worker *worker)
{
	struct target target = { .way = pick(worker, 3) };
	pthread_t thread;

	sem_init(&target.ready, 0, 0);
	sem_init(&target.hit, 0, 0);
	thread = start_thread(be_target, &target);
	wait_for(&target.ready);
	for (int i = 0; i < SHOTS; i++) {
		demand(pthread_kill(thread, SIGUSR1) == 0, "pthread_kill");
		wait_for(&target.hit);
	}
	end_thread(thread);
}

/* --- timers --- */

static pthread_mutex_t one_timer = PTHREAD_MUTEX_INITIALIZER;

void do_timer(struct worker *worker)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec once = { { 0, 0 }, { 0, 1 + pick(worker, 3000000) } };
	struct timespec long_enough = { 20, 0 };
	sigset_t set;
	timer_t timer;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_mutex_lock(&one_timer);
	demand(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	demand(timer_settime(timer, 0, &once, NULL) == 0, "timer_settime");
	while (sigtimedwait(&set, NULL, &long_enough) < 0)
		demand(errno == EINTR, "a timer's signal got lost");
	demand(timer_delete(timer) == 0, "timer_delete");
	pthread_mutex_unlock(&one_timer);
}
