/* SPDX-License-Identifier: MIT */
/* exits.c - how threads and the process end: pthread_exit anywhere, return of main, exit, the last thread, faults */
#include "posix.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static int stage;

static void cleanup(void *argument)
{
	say("cleanup %s", (char *)argument);
}

static void exit_handler(void)
{
	say("exit handler");
}

/* Volatile, or the compiler sees that what follows is never reached. */
static volatile int leaving = 1;

static void leave_from(int depth)
{
	char name[32];

	snprintf(name, sizeof(name), "of depth %d", depth);
	pthread_cleanup_push(cleanup, name);
	if (depth)
		leave_from(depth - 1);
	if (leaving)
		pthread_exit((void *)33L);
	pthread_cleanup_pop(0);
}

static void *leave_deep(void *unused)
{
	leave_from(3);
	return unused;
}

static void *pop_in_order(void *unused)
{
	pthread_cleanup_push(cleanup, "1");
	pthread_cleanup_push(cleanup, "2");
	pthread_cleanup_push(cleanup, "3");
	pthread_cleanup_pop(1);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(1);
	return unused;
}

static void nested(void)
{
	say("result %ld", (long)in_thread(leave_deep, NULL));
	in_thread(pop_in_order, NULL);
	say("result %ld", (long)in_thread(leave_deep, NULL));
}

static pthread_key_t key;

static void exit_in_key(void *value)
{
	say("destructor of %s", (char *)value);
}

static void *exit_with_key(void *unused)
{
	pthread_setspecific(key, "the value");
	pthread_cleanup_push(cleanup, "first");
	pthread_exit(unused);
	pthread_cleanup_pop(0);
	return unused;
}

static void handlers_then_keys(void)
{
	pthread_key_create(&key, exit_in_key);
	in_thread(exit_with_key, NULL);
}

/* --- the main thread --- */

static void *outlive_main(void *unused)
{
	pause_ms(40);
	say("the other goes on");
	return unused;
}

static void main_exits(void)
{
	atexit(exit_handler);
	pthread_detach(spawn(outlive_main, NULL));
	pthread_cleanup_push(cleanup, "of main");
	pthread_exit((void *)9L);
	pthread_cleanup_pop(0);
}

static void main_exits_alone(void)
{
	atexit(exit_handler);
	join(spawn(outlive_main, NULL));
	pthread_exit((void *)9L);
}

/* Without any thread ever made. */
static void main_exits_first(void)
{
	atexit(exit_handler);
	pthread_exit((void *)9L);
}

static void *exit_process(void *unused)
{
	exit(7);
	return unused;
}

static void thread_calls_exit(void)
{
	atexit(exit_handler);
	spawn(exit_process, NULL);
	pause();
}

static void *exit_at_once(void *unused)
{
	_exit(8);
	return unused;
}

static void thread_calls_exit_at_once(void)
{
	atexit(exit_handler);
	spawn(exit_at_once, NULL);
	pause();
}

static void *exit_after_main(void *unused)
{
	pause_ms(30);
	exit(11);
	return unused;
}

static void exit_after_mains_end(void)
{
	spawn(exit_after_main, NULL);
	pthread_exit(NULL);
}

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* Return of main ends the process, whoever else runs. */
static void main_returns(void)
{
	for (int i = 0; i < 5; i++)
		spawn(sleep_for_ever, NULL);
	atexit(exit_handler);
}

static void *count_for_ever(void *unused)
{
	volatile long count = 0;

	for (;;)
		count++;
	return unused;
}

static void main_returns_while_others_run(void)
{
	spawn(count_for_ever, NULL);
	spawn(count_for_ever, NULL);
	pause_ms(20);
	say("main returns");
}

static void *abort_process(void *unused)
{
	abort();
	return unused;
}

static void *fault(void *unused)
{
	*(volatile int *)unused = 1;
	return unused;
}

static void *kill_process(void *unused)
{
	raise(SIGTERM);
	say("not reached");
	return unused;
}

static void in_child(void *(*body)(void *))
{
	pid_t pid = fork();

	if (pid == 0) {
		in_thread(body, NULL);
		_exit(0);
	}
	reap("child", pid);
}

static void signals_end_all(void)
{
	in_child(abort_process);
	in_child(fault);
	in_child(kill_process);
}

/* Output that is still in a stream's buffer at the end of the last thread is written. */
static void *write_late(void *unused)
{
	static char buffer[1000];

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	printf("buffered by a thread\n");
	pause_ms(10);
	return unused;
}

static void buffered(void)
{
	spawn(write_late, NULL);
	pthread_exit(NULL);
}

/* --- cancelling main --- */

static void *cancel_main(void *argument)
{
	void *result = NULL;

	pause_ms(20);
	must(pthread_cancel(*(pthread_t *)argument) == 0, "pthread_cancel");
	tell("join", pthread_join(*(pthread_t *)argument, &result));
	tell_truth("cancelled", result == PTHREAD_CANCELED);
	exit(0);
}

static void main_is_cancelled(void)
{
	static pthread_t self;

	self = pthread_self();
	spawn(cancel_main, &self);
	pthread_cleanup_push(cleanup, "of main");
	for (;;)
		pause();
	pthread_cleanup_pop(0);
}

/* --- exit handlers and threads --- */

static void join_in_handler(void)
{
	say("in the handler");
	in_thread(outlive_main, NULL);
}

static void threads_in_exit_handler(void)
{
	atexit(join_in_handler);
	exit(3);
}

static void *exit_twice(void *unused)
{
	await(&stage, 1);
	pause_ms(5);
	exit(4);
	return unused;
}

static void slow_handler(void)
{
	post(&stage, 1);
	pause_ms(30);
	_exit(5);
}

static void two_exits(void)
{
	atexit(slow_handler);
	spawn(exit_twice, NULL);
	exit(3);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "nested", .run = nested },
		{ .name = "handlers_then_keys", .run = handlers_then_keys },
		{ .name = "main_exits", .run = main_exits, .flags = ALONE, .threads = 1 },
		{ .name = "main_exits_alone", .run = main_exits_alone, .flags = ALONE, .threads = 1 },
		{ .name = "main_exits_first", .run = main_exits_first, .flags = ALONE },
		{ .name = "thread_calls_exit", .run = thread_calls_exit },
		{ .name = "thread_calls_exit_at_once", .run = thread_calls_exit_at_once },
		{ .name = "exit_after_mains_end", .run = exit_after_mains_end, .flags = MAIN_ONLY },
		{ .name = "main_returns", .run = main_returns },
		{ .name = "main_returns_while_others_run", .run = main_returns_while_others_run },
		{ .name = "signals_end_all", .run = signals_end_all },
		{ .name = "buffered", .run = buffered, .flags = ALONE, .threads = 1 },
		{ .name = "main_is_cancelled", .run = main_is_cancelled, .flags = MAIN_ONLY },
		{ .name = "threads_in_exit_handler", .run = threads_in_exit_handler },
		{ .name = "two_exits", .run = two_exits },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
