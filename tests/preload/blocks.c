/* SPDX-License-Identifier: MIT */
/* blocks.c - keeps the kernel thread by system calls that no library sees, and by computing inside libc */
#include "plain.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int over;

/* The instruction itself, which nothing that is preloaded can catch. */
static long inline_call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return result;
}

/* Others are there, so that there is somebody to be held up. */
static void *idle(void *argument)
{
	while (!over)
		pause_ms(1);
	return argument;
}

static __attribute__((noinline)) void sleep_past_libc(int ms)
{
	struct timespec time = { 0, ms * 1000000L };

	inline_call(SYS_nanosleep, (long)&time, 0, 0, 0);
}

static __attribute__((noinline)) void wait_past_libc(int ms)
{
	struct timespec time = { 0, ms * 1000000L };
	int word = 0;

	inline_call(SYS_futex, (long)&word, FUTEX_WAIT, 0, (long)&time);
}

/* What waits for a disk cannot be ordered: a pipe that is filled in time by another process stands for it. */
static __attribute__((noinline)) void read_past_libc(int ms)
{
	char byte;
	int fds[2];
	pid_t child;

	must(pipe(fds) == 0, "pipe");
	child = fork();
	if (child == 0) {
		sleep_past_libc(ms);
		inline_call(SYS_write, fds[1], (long)&byte, 1, 0);
		_exit(0);
	}
	inline_call(SYS_read, fds[0], (long)&byte, 1, 0);
	waitpid(child, NULL, 0);
}

/* libc compares by a function of its own, so that all is done inside it, where no tick may stop anybody. */
static __attribute__((noinline)) void sort_in_libc(int unused)
{
	enum { TEXTS = 1 << 20, LENGTH = 16 };
	char *texts = malloc((size_t)TEXTS * LENGTH);

	(void)unused;
	must(texts != NULL, "malloc");
	for (unsigned i = 0; i < TEXTS; i++)
		snprintf(texts + (size_t)i * LENGTH, LENGTH, "%u", i * 7919 % TEXTS);
	qsort(texts, TEXTS, LENGTH, (int (*)(const void *, const void *))strcmp);
	free(texts);
}

static void beside_others(void (*keep)(int), int ms, int times)
{
	pthread_t others[3];

	for (int i = 0; i < 3; i++)
		others[i] = spawn(idle, NULL);
	pause_ms(10);
	for (int i = 0; i < times; i++)
		keep(ms);
	over = 1;
	for (int i = 0; i < 3; i++)
		join(others[i]);
}

static void nothing(void)
{
	beside_others(pause_ms, 30, 3);
	say("held up nobody");
}

static void sleeping(void)
{
	beside_others(sleep_past_libc, 50, 3);
	say("slept three times");
}

static void waiting(void)
{
	beside_others(wait_past_libc, 60, 2);
	say("waited twice");
}

static void reading(void)
{
	beside_others(read_past_libc, 150, 1);
	say("read a byte");
}

static void computing(void)
{
	beside_others(sort_in_libc, 0, 1);
	say("sorted");
}

/* The last thing that the process does. */
static void ends_at_once(void)
{
	spawn(idle, NULL);
	pause_ms(10);
	sleep_past_libc(50);
	say("slept");
	_exit(3);
}

static void is_killed(void)
{
	spawn(idle, NULL);
	pause_ms(10);
	sleep_past_libc(50);
	say("slept");
	kill(getpid(), SIGTERM);
	for (;;)
		pause();
}

static void becomes_another(void)
{
	spawn(idle, NULL);
	pause_ms(10);
	sleep_past_libc(50);
	say("slept");
	execl("/bin/true", "true", (char *)NULL);
}

static void in_child(void)
{
	pid_t child;

	spawn(idle, NULL);
	child = fork();
	if (child == 0) {
		beside_others(sleep_past_libc, 50, 1);
		say("the child slept");
		exit(0);
	}
	reap("child", child);
	child = fork();
	if (child == 0) {
		beside_others(pause_ms, 20, 1);
		exit(0);
	}
	reap("quiet child", child);
	over = 1;
}

/* Nobody is there to be held up. */
static void alone(void)
{
	sleep_past_libc(50);
	say("slept alone");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "nothing", nothing, 3 },
		{ "sleeping", sleeping, 3 },
		{ "waiting", waiting, 3 },
		{ "reading", reading, 3 },
		{ "computing", computing, 3 },
		{ "ends_at_once", ends_at_once, 1 },
		{ "is_killed", is_killed, 1 },
		{ "becomes_another", becomes_another, 1 },
		{ "in_child", in_child, 1 },
		{ "alone", alone, 0 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
