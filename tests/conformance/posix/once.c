/* SPDX-License-Identifier: MIT */
/* once.c - pthread_once: one run, waiters, cancellation of the initialiser, recursion into another, fork */
#include "posix.h"

#include <signal.h>
#include <sys/wait.h>

static pthread_once_t once = PTHREAD_ONCE_INIT, another = PTHREAD_ONCE_INIT;
static int runs, done, stage, seen_done;

static void slow_init(void)
{
	__atomic_fetch_add(&runs, 1, __ATOMIC_SEQ_CST);
	post(&stage, 1);
	pause_ms(40);
	post(&done, 1);
}

static void *call_once_slow(void *unused)
{
	if (pthread_once(&once, slow_init))
		say("pthread_once fails");
	if (__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		__atomic_fetch_add(&seen_done, 1, __ATOMIC_SEQ_CST);
	return unused;
}

static void one_run(void)
{
	pthread_t threads[6];

	for (int i = 0; i < 6; i++)
		threads[i] = spawn(call_once_slow, NULL);
	for (int i = 0; i < 6; i++)
		join(threads[i]);
	call_once_slow(NULL);
	say("runs %d, returned after it was done: %d", runs, seen_done);
}

static void init_until_cancelled(void)
{
	if (__atomic_fetch_add(&runs, 1, __ATOMIC_SEQ_CST) > 0)
		return;
	post(&stage, 1);
	for (;;)
		pause();
}

static void *call_cancelled(void *unused)
{
	pthread_once(&once, init_until_cancelled);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	return unused;
}

/* An initialiser that is cancelled has not run: a waiter runs it again. */
static void cancelled_initialiser(void)
{
	pthread_t first = spawn(call_cancelled, NULL), others[3];

	await(&stage, 1);
	for (int i = 0; i < 3; i++)
		others[i] = spawn(call_cancelled, NULL);
	pause_ms(20);
	say("runs %d, done %d", runs, done);
	pthread_cancel(first);
	tell_truth("cancelled", join(first) == PTHREAD_CANCELED);
	for (int i = 0; i < 3; i++)
		join(others[i]);
	say("runs %d, done %d", runs, done);
}

static void exit_in_init(void)
{
	if (__atomic_fetch_add(&runs, 1, __ATOMIC_SEQ_CST) == 0)
		pthread_exit((void *)3L);
}

static void *call_exiting(void *unused)
{
	pthread_once(&once, exit_in_init);
	return unused;
}

static void exiting_initialiser(void)
{
	say("result %ld", (long)in_thread(call_exiting, NULL));
	say("result %ld", (long)in_thread(call_exiting, NULL));
	say("runs %d", runs);
}

static void inner(void)
{
	say("inner");
}

static void outer(void)
{
	say("outer begins");
	pthread_once(&another, inner);
	say("outer ends");
}

static void nested(void)
{
	pthread_once(&once, outer);
	pthread_once(&another, outer);
	pthread_once(&once, inner);
	say("end");
}

/* Not a cancellation point itself. */
static int passed;

static void nothing(void)
{
	passed = 1;
}

static void *call_with_pending(void *unused)
{
	pthread_cancel(pthread_self());
	pthread_once(&once, nothing);
	passed++;
	pthread_testcancel();
	passed++;
	return unused;
}

static void no_cancellation_point(void)
{
	tell_truth("cancelled", in_thread(call_with_pending, NULL) == PTHREAD_CANCELED);
	say("passed %d", passed);
}

/* A child that is forked while another thread initialises has to do it itself. */
static void init_in_child(void)
{
	say("the child initialises");
}

static void call_in_child(void *unused)
{
	(void)unused;
	pthread_once(&once, init_in_child);
	pthread_once(&once, init_in_child);
	say("the child goes on");
}

static void forked_meanwhile(void)
{
	pthread_t initialiser = spawn(call_once_slow, NULL);

	await(&stage, 1);
	reap("child", child_of(call_in_child, NULL));
	join(initialiser);
	say("runs %d", runs);
	reap("child after it is done", child_of(call_in_child, NULL));
}

static void fork_inside(void)
{
	pid_t pid = fork();

	if (pid)
		reap("child", pid);
}

static void forked_in_init(void)
{
	pid_t before = getpid();

	pthread_once(&once, fork_inside);
	pthread_once(&once, inner);
	if (getpid() != before)
		_exit(5);
	say("parent goes on");
}

static int handled;

static void on_signal(int number)
{
	(void)number;
	post(&handled, 1);
}

static void handler_while_waiting(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t first, second;

	sigaction(SIGUSR1, &action, NULL);
	first = spawn(call_once_slow, NULL);
	await(&stage, 1);
	second = spawn(call_once_slow, NULL);
	pause_ms(10);
	pthread_kill(second, SIGUSR1);
	join(first);
	join(second);
	say("runs %d, seen %d, handled %d", runs, seen_done, handled);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "one_run", .run = one_run },
		{ .name = "cancelled_initialiser", .run = cancelled_initialiser },
		{ .name = "exiting_initialiser", .run = exiting_initialiser },
		{ .name = "nested", .run = nested },
		{ .name = "no_cancellation_point", .run = no_cancellation_point },
		{ .name = "forked_meanwhile", .run = forked_meanwhile },
		{ .name = "forked_in_init", .run = forked_in_init },
		{ .name = "handler_while_waiting", .run = handler_while_waiting },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
