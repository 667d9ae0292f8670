/* SPDX-License-Identifier: MIT */
/* main_exit.c - how a program with threads ends: main leaves first, a thread calls exit, main returns */
#include "plain.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void at_exit(void)
{
	say("exit handler in %s", gettid() == getpid() ? "main" : "another thread");
}

static void *work_on(void *argument)
{
	pause_ms((int)(long)argument);
	say("thread of %ld ms is done", (long)argument);
	return NULL;
}

static void say_cleanup(void *argument)
{
	say("cleanup of %s", (char *)argument);
}

/* CK22, X25: main leaves, threads go on */
static void leave_main(void)
{
	atexit(at_exit);
	spawn(work_on, (void *)50L);
	spawn(work_on, (void *)150L);
	pthread_cleanup_push(say_cleanup, "main");
	pthread_exit(NULL);
	pthread_cleanup_pop(0);
}

static void leave_main_alone(void)
{
	atexit(at_exit);
	join(spawn(work_on, (void *)5L));
	pthread_exit((void *)5L);
}

/* A main that has left can still be joined. */
static void *join_main(void *argument)
{
	void *result = NULL;

	int error = pthread_join(*(pthread_t *)argument, &result);
	say("join: %s, result %ld", error_name(error), (long)result);
	return NULL;
}

static void main_is_joined(void)
{
	static pthread_t self;

	self = pthread_self();
	spawn(join_main, &self);
	pause_ms(30);
	pthread_exit((void *)17L);
}

static void *exit_here(void *argument)
{
	pause_ms(20);
	exit((int)(long)argument);
}

static void *wait_for_ever(void *argument)
{
	static sem_t never;

	sem_wait(&never);
	return argument;
}

static void thread_exits(void)
{
	atexit(at_exit);
	spawn(wait_for_ever, NULL);
	join(spawn(exit_here, (void *)7L));
	say("not reached");
}

static void *raw_exit(void *argument)
{
	pause_ms(20);
	_exit((int)(long)argument);
}

static void thread_exits_at_once(void)
{
	atexit(at_exit);
	join(spawn(raw_exit, (void *)8L));
	say("not reached");
}

static void main_returns(void)
{
	atexit(at_exit);
	for (int i = 0; i < 10; i++)
		spawn(wait_for_ever, NULL);
	pause_ms(20);
	say("main returns");
}

static void *abort_here(void *argument)
{
	pause_ms(10);
	abort();
	return argument;
}

static void thread_aborts(void)
{
	join(spawn(abort_here, NULL));
}

static void *touch_nothing(void *argument)
{
	pause_ms(10);
	*(volatile int *)argument = 1;
	return NULL;
}

/* The pointer is read from memory, so that no compiler judges it. */
static void *volatile nowhere;

static void thread_faults(void)
{
	join(spawn(touch_nothing, nowhere));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "leave_main", leave_main, 2 },
		{ "leave_main_alone", leave_main_alone, 1 },
		{ "main_is_joined", main_is_joined, 1 },
		{ "thread_exits", thread_exits, 2 },
		{ "thread_exits_at_once", thread_exits_at_once, 1 },
		{ "main_returns", main_returns, 10 },
		{ "thread_aborts", thread_aborts, 1 },
		{ "thread_faults", thread_faults, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
