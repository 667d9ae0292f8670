/* SPDX-License-Identifier: MIT */
/* cancel_state.c - cancellation: states and types, handlers and their order, asynchronous ends, races */
#include "posix.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static int stage, trail;

static void add_1(void *unused) { (void)unused; trail = trail * 10 + 1; }
static void add_2(void *unused) { (void)unused; trail = trail * 10 + 2; }
static void add_3(void *unused) { (void)unused; trail = trail * 10 + 3; }

static void ended(const char *what, void *result)
{
	say("%s: %s, stage %d, trail %d", what, result == PTHREAD_CANCELED ? "cancelled" : "returned", stage, trail);
}

/* --- states and types --- */

static void values(void)
{
	int old = -1;

	tell("disable", pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
	say("was enabled %d", old == PTHREAD_CANCEL_ENABLE);
	tell("enable", pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old));
	say("was disabled %d", old == PTHREAD_CANCEL_DISABLE);
	tell("no such state", pthread_setcancelstate(77, &old));
	tell("without old", pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
	tell("asynchronous", pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old));
	say("was deferred %d", old == PTHREAD_CANCEL_DEFERRED);
	tell("deferred", pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old));
	say("was asynchronous %d", old == PTHREAD_CANCEL_ASYNCHRONOUS);
	tell("no such type", pthread_setcanceltype(77, &old));
	tell("without old", pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL));
	pthread_testcancel();
	say("nobody cancels me");
}

static void *disabled_then_enabled(void *unused)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	post(&stage, 1);
	await(&stage, 2);
	/* Cancellation points, none of which acts. */
	pthread_testcancel();
	pause_ms(10);
	say("still here");
	post(&stage, 3);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	post(&stage, 4);
	pthread_testcancel();
	post(&stage, 5);
	return unused;
}

static void disabled(void)
{
	pthread_t thread = spawn(disabled_then_enabled, NULL);

	await(&stage, 1);
	tell("cancel", pthread_cancel(thread));
	tell("cancel again", pthread_cancel(thread));
	post(&stage, 2);
	ended("thread", join(thread));
}

static void *blocked_while_disabled(void *unused)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	post(&stage, 1);
	pause_ms(60);
	post(&stage, 2);
	return unused;
}

static void disabled_wait(void)
{
	pthread_t thread = spawn(blocked_while_disabled, NULL);

	await(&stage, 1);
	pause_ms(10);
	pthread_cancel(thread);
	ended("thread", join(thread));
}

/* With the asynchronous type, enabling acts at once. */
static void *enable_asynchronous(void *unused)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cancel(pthread_self());
	stage = 1;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	stage = 2;
	return unused;
}

static void *become_asynchronous(void *unused)
{
	pthread_cancel(pthread_self());
	stage = 3;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	stage = 4;
	return unused;
}

static void *cancel_self_asynchronous(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	stage = 5;
	pthread_cancel(pthread_self());
	stage = 6;
	return unused;
}

static void *cancel_self_deferred(void *unused)
{
	pthread_cancel(pthread_self());
	stage = 7;
	pthread_testcancel();
	stage = 8;
	return unused;
}

static void *cancel_self_and_return(void *unused)
{
	pthread_cancel(pthread_self());
	stage = 9;
	return unused;
}

static void of_oneself(void)
{
	/* What such a thread returns libc forgets to set. */
	in_thread(enable_asynchronous, NULL);
	say("enabled: stage %d", stage);
	ended("made asynchronous", in_thread(become_asynchronous, NULL));
	ended("asynchronous", in_thread(cancel_self_asynchronous, NULL));
	ended("deferred", in_thread(cancel_self_deferred, NULL));
	ended("returned", in_thread(cancel_self_and_return, NULL));
}

static void *compute(void *unused)
{
	volatile unsigned long count = 0;

	pthread_cleanup_push(add_1, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	post(&stage, 1);
	for (;;)
		count++;
	pthread_cleanup_pop(0);
	return unused;
}

static void asynchronous(void)
{
	for (int i = 0; i < 5; i++) {
		pthread_t thread;

		stage = 0;
		thread = spawn(compute, NULL);
		await(&stage, 1);
		pthread_cancel(thread);
		ended("computing", join(thread));
	}
}

static void *block_asynchronously(void *unused)
{
	pthread_cleanup_push(add_2, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	post(&stage, 1);
	pause();
	pthread_cleanup_pop(0);
	return unused;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *lock_asynchronously(void *unused)
{
	pthread_cleanup_push(add_3, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	post(&stage, 1);
	pthread_mutex_lock(&lock);
	pthread_cleanup_pop(0);
	return unused;
}

/* Even a wait that is no cancellation point. */
static void asynchronous_waits(void)
{
	pthread_t thread = spawn(block_asynchronously, NULL);

	await(&stage, 1);
	pause_ms(20);
	pthread_cancel(thread);
	ended("in pause", join(thread));
	stage = 0;
	pthread_mutex_lock(&lock);
	thread = spawn(lock_asynchronously, NULL);
	await(&stage, 1);
	pause_ms(20);
	pthread_cancel(thread);
	ended("in a lock", join(thread));
	pthread_mutex_unlock(&lock);
}

/* --- handlers --- */

static void *three_handlers(void *unused)
{
	pthread_cleanup_push(add_1, NULL);
	pthread_cleanup_push(add_2, NULL);
	pthread_cleanup_push(add_3, NULL);
	post(&stage, 1);
	for (;;)
		pause_ms(1000);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return unused;
}

static void order(void)
{
	pthread_t thread = spawn(three_handlers, NULL);

	await(&stage, 1);
	pthread_cancel(thread);
	ended("thread", join(thread));
}

/* Between these two the type is deferred. */
static void *deferred_handlers(void *unused)
{
	int type = -1;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push_defer_np(add_1, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
	stage = type == PTHREAD_CANCEL_DEFERRED ? 1 : 2;
	pthread_cleanup_pop_restore_np(1);
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
	stage += type == PTHREAD_CANCEL_ASYNCHRONOUS ? 10 : 20;
	return unused;
}

static void *cancelled_in_deferred(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push_defer_np(add_2, NULL);
	pthread_cancel(pthread_self());
	stage = 3;
	pthread_cleanup_pop_restore_np(0);
	stage = 4;
	return unused;
}

static void deferring_handlers(void)
{
	ended("popped", in_thread(deferred_handlers, NULL));
	ended("cancelled", in_thread(cancelled_in_deferred, NULL));
}

/* In a cleanup handler no further request acts. */
static void wait_in_cleanup(void *unused)
{
	(void)unused;
	post(&stage, 2);
	pause_ms(50);
	pthread_testcancel();
	post(&stage, 3);
}

static void *slow_cleanup(void *unused)
{
	pthread_cleanup_push(add_1, NULL);
	pthread_cleanup_push(wait_in_cleanup, NULL);
	post(&stage, 1);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return unused;
}

static void again_during_cleanup(void)
{
	pthread_t thread = spawn(slow_cleanup, NULL);

	await(&stage, 1);
	pthread_cancel(thread);
	await(&stage, 2);
	tell("cancel again", pthread_cancel(thread));
	ended("thread", join(thread));
}

static pthread_key_t key;

static void wait_in_destructor(void *value)
{
	(void)value;
	pthread_testcancel();
	pause_ms(20);
	stage++;
}

static void *with_destructor(void *unused)
{
	pthread_setspecific(key, "x");
	pthread_cancel(pthread_self());
	pthread_testcancel();
	return unused;
}

static void in_destructors(void)
{
	pthread_key_create(&key, wait_in_destructor);
	ended("thread", in_thread(with_destructor, NULL));
	stage = 0;
	pthread_key_create(&key, wait_in_destructor);
}

static void *exit_when_cancelled(void *unused)
{
	pthread_cleanup_push(add_1, NULL);
	pthread_cancel(pthread_self());
	pthread_exit((void *)5L);
	pthread_cleanup_pop(0);
	return unused;
}

static void exit_with_pending(void)
{
	say("result %ld, trail %d", (long)in_thread(exit_when_cancelled, NULL), trail);
}

/* --- before the start, after the end --- */

static void *begin_cancelled(void *unused)
{
	post(&stage, 1);
	pthread_testcancel();
	post(&stage, 2);
	return unused;
}

static void before_it_runs(void)
{
	for (int i = 0; i < 20; i++) {
		pthread_t thread = spawn(begin_cancelled, NULL);
		int error = pthread_cancel(thread);
		void *result = join(thread);

		if (error || (result != PTHREAD_CANCELED && stage != 2))
			say("wrong");
	}
	say("20 threads");
}

static void *finish(void *unused)
{
	return unused;
}

static void after_the_end(void)
{
	pthread_t thread = spawn(finish, (void *)4L);

	pause_ms(20);
	tell("cancel", pthread_cancel(thread));
	say("result %ld", (long)join(thread));
}

/* Deferred cancellation acts in cancellation points alone. */
static void *no_points(void *unused)
{
	volatile unsigned sum = 0;
	char text[100];

	pthread_cancel(pthread_self());
	for (int i = 0; i < 1000; i++) {
		free(malloc(1000));
		snprintf(text, sizeof(text), "%d %.3f", i, i / 3.0);
		sum = sum + (unsigned)strlen(text);
		sched_yield();
		getpid();
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
	}
	stage = 1;
	pthread_testcancel();
	stage = 2;
	return unused;
}

static void deferred_until_a_point(void)
{
	ended("thread", in_thread(no_points, NULL));
}

static void *cancel_detached(void *unused)
{
	pthread_cleanup_push(add_1, NULL);
	pthread_detach(pthread_self());
	post(&stage, 1);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return unused;
}

static void detached(void)
{
	pthread_t thread = spawn(cancel_detached, NULL);

	await(&stage, 1);
	tell("cancel", pthread_cancel(thread));
	await(&trail, 1);
	say("trail %d", trail);
}

/* A handler of a signal that interrupts a wait may itself reach a cancellation point. */
static void on_signal(int number)
{
	(void)number;
	pthread_testcancel();
	post(&stage, 2);
}

static void *wait_with_handler(void *unused)
{
	sigset_t none;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	post(&stage, 1);
	sigemptyset(&none);
	sigsuspend(&none);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	post(&stage, 9);
	return unused;
}

static void signal_while_disabled(void)
{
	pthread_t thread;

	signal(SIGUSR1, on_signal);
	thread = spawn(wait_with_handler, NULL);
	await(&stage, 1);
	pause_ms(10);
	pthread_cancel(thread);
	pause_ms(20);
	say("stage %d", stage);
	pthread_kill(thread, SIGUSR1);
	ended("thread", join(thread));
}

/* Many at once, at any moment of a wait. */
static void *nap(void *unused)
{
	for (;;)
		pause_ms(1);
	return unused;
}

static void many(void)
{
	pthread_t threads[50];
	int cancelled = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++)
			threads[i] = spawn(nap, NULL);
		for (int i = 0; i < 50; i++)
			pthread_cancel(threads[i]);
		for (int i = 0; i < 50; i++)
			cancelled += join(threads[i]) == PTHREAD_CANCELED;
	}
	say("cancelled %d", cancelled);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "values", .run = values },
		{ .name = "disabled", .run = disabled },
		{ .name = "disabled_wait", .run = disabled_wait },
		{ .name = "of_oneself", .run = of_oneself },
		{ .name = "asynchronous", .run = asynchronous },
		{ .name = "asynchronous_waits", .run = asynchronous_waits },
		{ .name = "order", .run = order },
		{ .name = "deferring_handlers", .run = deferring_handlers },
		{ .name = "again_during_cleanup", .run = again_during_cleanup },
		{ .name = "in_destructors", .run = in_destructors },
		{ .name = "exit_with_pending", .run = exit_with_pending },
		{ .name = "before_it_runs", .run = before_it_runs },
		{ .name = "after_the_end", .run = after_the_end },
		{ .name = "deferred_until_a_point", .run = deferred_until_a_point },
		{ .name = "detached", .run = detached },
		{ .name = "signal_while_disabled", .run = signal_while_disabled },
		{ .name = "many", .run = many },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
