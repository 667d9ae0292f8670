/* SPDX-License-Identifier: MIT */
/* semaphore.c - semaphores: counts, limits, interruptions, names, other processes */
#include "posix.h"

#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static sem_t semaphore;

static void say_value(sem_t *one)
{
	int value = -1;

	tell_result("getvalue", sem_getvalue(one, &value));
	say("value %d", value);
}

static void counts(void)
{
	tell_result("init", sem_init(&semaphore, 0, 2));
	say_value(&semaphore);
	tell_result("wait", sem_wait(&semaphore));
	tell_result("trywait", sem_trywait(&semaphore));
	tell_result("trywait of nothing", sem_trywait(&semaphore));
	say_value(&semaphore);
	tell_result("post", sem_post(&semaphore));
	tell_result("post", sem_post(&semaphore));
	tell_result("post", sem_post(&semaphore));
	say_value(&semaphore);
	tell_result("destroy", sem_destroy(&semaphore));
}

static void limits(void)
{
	tell_result("init too high", sem_init(&semaphore, 0, (unsigned)SEM_VALUE_MAX + 1));
	tell_result("init at the limit", sem_init(&semaphore, 0, SEM_VALUE_MAX));
	say_value(&semaphore);
	tell_result("post beyond", sem_post(&semaphore));
	say_value(&semaphore);
	tell_result("wait", sem_wait(&semaphore));
	tell_result("post", sem_post(&semaphore));
}

static void times(void)
{
	double since;
	struct timespec soon, past = long_ago(), bad = no_time(), negative = { 1, -1 }, before_all = { -1, 0 };

	sem_init(&semaphore, 0, 0);
	since = now();
	soon = after_ms(CLOCK_REALTIME, 40);
	tell_result("timedwait", sem_timedwait(&semaphore, &soon));
	tell_in_time("timedwait", since, 40);
	since = now();
	soon = after_ms(CLOCK_MONOTONIC, 40);
	tell_result("clockwait", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &soon));
	tell_in_time("clockwait", since, 40);
	tell_result("over", sem_timedwait(&semaphore, &past));
	tell_result("before all", sem_timedwait(&semaphore, &before_all));
	tell_result("bad", sem_timedwait(&semaphore, &bad));
	tell_result("negative", sem_timedwait(&semaphore, &negative));
	tell_result("no clock", sem_clockwait(&semaphore, 444, &soon));
	tell_result("cpu clock", sem_clockwait(&semaphore, CLOCK_THREAD_CPUTIME_ID, &soon));
	sem_post(&semaphore);
	tell_result("free, over", sem_timedwait(&semaphore, &past));
	sem_post(&semaphore);
	tell_result("free, bad", sem_timedwait(&semaphore, &bad));
	say_value(&semaphore);
	sem_post(&semaphore);
	tell_result("free, no clock", sem_clockwait(&semaphore, 444, &soon));
	say_value(&semaphore);
}

/* --- waiting --- */

static int taken;

static void *take_one(void *unused)
{
	sem_wait(&semaphore);
	__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
	return unused;
}

static void *post_later(void *unused)
{
	pause_ms(30);
	sem_post(&semaphore);
	return unused;
}

static void wakes(void)
{
	pthread_t threads[6], poster;
	struct timespec later;

	sem_init(&semaphore, 0, 0);
	for (int i = 0; i < 6; i++)
		threads[i] = spawn(take_one, NULL);
	pause_ms(20);
	say("taken %d", taken);
	for (int i = 1; i <= 6; i++) {
		sem_post(&semaphore);
		await(&taken, i);
	}
	for (int i = 0; i < 6; i++)
		join(threads[i]);
	say_value(&semaphore);
	poster = spawn(post_later, NULL);
	later = after_ms(CLOCK_REALTIME, 5000);
	tell_result("timedwait", sem_timedwait(&semaphore, &later));
	join(poster);
	say_value(&semaphore);
}

static void *ping(void *argument)
{
	sem_t *pair = argument;

	for (int i = 0; i < 500; i++) {
		sem_wait(&pair[0]);
		sem_post(&pair[1]);
	}
	return NULL;
}

static void ping_pong(void)
{
	sem_t pair[2];
	pthread_t other;

	sem_init(&pair[0], 0, 0);
	sem_init(&pair[1], 0, 0);
	other = spawn(ping, pair);
	for (int i = 0; i < 500; i++) {
		sem_post(&pair[0]);
		sem_wait(&pair[1]);
	}
	join(other);
	say_value(&pair[0]);
	say_value(&pair[1]);
}

/* --- signals --- */

static int handled;

static void on_signal(int number)
{
	(void)number;
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void post_in_handler(int number)
{
	(void)number;
	sem_post(&semaphore);
}

static int ready;

static void *wait_for_signal(void *argument)
{
	struct timespec later = after_ms(CLOCK_REALTIME, 10000), steady = after_ms(CLOCK_MONOTONIC, 10000);

	post(&ready, 1);
	switch ((long)argument) {
	case 0:
		tell_result("wait", sem_wait(&semaphore));
		break;
	case 1:
		tell_result("timedwait", sem_timedwait(&semaphore, &later));
		break;
	default:
		tell_result("clockwait", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &steady));
	}
	return NULL;
}

static void interrupted_with(int flags, bool ends)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
	sem_init(&semaphore, 0, 0);
	for (long kind = 0; kind < 3; kind++) {
		pthread_t waiter;

		ready = handled = 0;
		waiter = spawn(wait_for_signal, (void *)kind);
		await(&ready, 1);
		pause_ms(20);
		pthread_kill(waiter, SIGUSR1);
		await(&handled, 1);
		if (!ends) {
			pause_ms(10);
			sem_post(&semaphore);
		}
		join(waiter);
	}
}

static void interrupted(void)
{
	interrupted_with(0, true);
}

/* Linux restarts these waits, all three. */
static void restarted(void)
{
	interrupted_with(SA_RESTART, false);
}

static void posted_by_handler(void)
{
	struct sigaction action = { .sa_handler = post_in_handler, .sa_flags = SA_RESTART };
	pthread_t waiter;

	sigaction(SIGUSR2, &action, NULL);
	sem_init(&semaphore, 0, 0);
	waiter = spawn(take_one, NULL);
	pause_ms(20);
	pthread_kill(waiter, SIGUSR2);
	join(waiter);
	say("taken %d", taken);
	waiter = spawn(take_one, NULL);
	pause_ms(20);
	kill(getpid(), SIGUSR2);
	join(waiter);
	say("taken %d", taken);
}

/* --- names --- */

static const char *own_name(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "/conformance.%d", (int)getpid());
	return name;
}

static sem_t *open_named(const char *name, int flags, unsigned value)
{
	sem_t *one = sem_open(name, flags, 0600, value);

	say("open: %s", one == SEM_FAILED ? error_name(errno) : "ok");
	return one;
}

static void names(void)
{
	char longest[NAME_MAX + 10];
	const char *name = own_name();
	sem_t *one, *two;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = 0;
	open_named(name, 0, 0);
	one = open_named(name, O_CREAT | O_EXCL, 1);
	open_named(name, O_CREAT | O_EXCL, 1);
	two = open_named(name, O_CREAT, 5);
	tell_truth("the same object", one == two);
	say_value(two);
	tell_result("wait", sem_wait(one));
	tell_result("trywait", sem_trywait(two));
	tell_result("unlink", sem_unlink(name));
	tell_result("unlink again", sem_unlink(name));
	tell_result("post", sem_post(one));
	say_value(two);
	two = open_named(name, O_CREAT, 7);
	tell_truth("the same object", one == two);
	say_value(two);
	tell_result("close", sem_close(one));
	tell_result("close", sem_close(two));
	sem_unlink(name);
	open_named(longest, O_CREAT, 0);
	open_named("/", O_CREAT, 0);
	open_named("/a/b", O_CREAT, 0);
	open_named("", O_CREAT, 0);
	open_named(name, O_CREAT, (unsigned)SEM_VALUE_MAX + 1);
	tell_result("unlink of none", sem_unlink("/there is no such semaphore"));
}

static void post_named(void *argument)
{
	sem_t *one = sem_open(argument, 0);

	must(one != SEM_FAILED, "sem_open");
	pause_ms(30);
	sem_post(one);
	sem_wait(&one[0]);
	sem_post(one);
	sem_close(one);
}

static void named_between_processes(void)
{
	const char *name = own_name();
	sem_t *one = open_named(name, O_CREAT | O_EXCL, 0);
	pid_t pid = child_of(post_named, (void *)name);

	reap("child", pid);
	tell_result("wait", sem_wait(one));
	say_value(one);
	pid = child_of(post_named, (void *)name);
	tell_result("wait", sem_wait(one));
	tell_result("post", sem_post(one));
	reap("child", pid);
	sem_unlink(name);
	sem_close(one);
}

/* --- shared memory --- */

static void answer(void *argument)
{
	sem_t *pair = argument;

	for (int i = 0; i < 20; i++) {
		sem_wait(&pair[0]);
		sem_post(&pair[1]);
	}
}

static void between_processes(void)
{
	sem_t *pair = shared_memory(2 * sizeof(*pair));
	struct timespec soon;
	pid_t pid;
	double since;

	tell_result("init", sem_init(&pair[0], 1, 0));
	tell_result("init", sem_init(&pair[1], 1, 0));
	pid = child_of(answer, pair);
	for (int i = 0; i < 20; i++) {
		sem_post(&pair[0]);
		sem_wait(&pair[1]);
	}
	reap("child", pid);
	since = now();
	soon = after_ms(CLOCK_REALTIME, 30);
	tell_result("timedwait", sem_timedwait(&pair[1], &soon));
	tell_in_time("timedwait", since, 30);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "counts", .run = counts },
		{ .name = "limits", .run = limits },
		{ .name = "times", .run = times },
		{ .name = "wakes", .run = wakes },
		{ .name = "ping_pong", .run = ping_pong },
		{ .name = "interrupted", .run = interrupted },
		{ .name = "restarted", .run = restarted },
		{ .name = "posted_by_handler", .run = posted_by_handler },
		{ .name = "names", .run = names },
		{ .name = "named_between_processes", .run = named_between_processes },
		{ .name = "between_processes", .run = between_processes },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
