/* SPDX-License-Identifier: MIT */
/* futexes.c - syscall(SYS_futex) as libraries use it: values, counts, time limits, requeue, bit sets */
#include "plain.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_uint word, other;

static long futex(atomic_uint *where, int op, unsigned value, const void *limit, atomic_uint *second, unsigned third)
{
	return syscall(SYS_futex, where, op, value, limit, second, third);
}

static long wait_on(atomic_uint *where, unsigned value, const struct timespec *limit)
{
	return futex(where, FUTEX_WAIT_PRIVATE, value, limit, NULL, 0);
}

static long wake(atomic_uint *where, int count)
{
	return futex(where, FUTEX_WAKE_PRIVATE, (unsigned)count, NULL, NULL, 0);
}

static void *wait_until_changed(void *argument)
{
	while (word == 0)
		wait_on(&word, 0, NULL);
	return argument;
}

/* L24: futexes */
static void waits(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(wait_until_changed, NULL);
	pause_ms(30);
	say("woken without a change: %ld", wake(&word, 1));
	pause_ms(20);
	word = 1;
	say("woken one: %ld", wake(&word, 1));
	pause_ms(10);
	say("woken the rest: %ld", wake(&word, 100));
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("nobody waits: %ld", wake(&word, 100));
}

static void *check_values(void *argument)
{
	struct timespec limit = { 0, 60 * 1000 * 1000 }, until, wrong = { 0, 1000000000 };
	double start = now();

	say("other value: %s", outcome(wait_on(&word, 5, NULL)));
	say("time is up: %s", outcome(wait_on(&word, 0, &limit)));
	say_elapsed("relative", start, 0.055, 2);
	start = now();
	until = after_ms(CLOCK_MONOTONIC, 60);
	say("until: %s", outcome(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, NULL, FUTEX_BITSET_MATCH_ANY)));
	until = after_ms(CLOCK_REALTIME, 60);
	say("until by the clock: %s", outcome(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &until,
		NULL, FUTEX_BITSET_MATCH_ANY)));
	say_elapsed("absolute", start, 0.115, 2);
	say("wrong time: %s", outcome(wait_on(&word, 0, &wrong)));
	say("no bits: %s", outcome(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0)));
	say("odd address: %s", outcome(futex((atomic_uint *)((char *)&word + 1), FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0)));
	return argument;
}

static void values(void)
{
	join(spawn(check_values, NULL));
}

static void *wait_for_bit(void *argument)
{
	unsigned bits = (unsigned)(long)argument;

	long result = futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, bits);
	return (void *)result;
}

static void bit_sets(void)
{
	pthread_t one = spawn(wait_for_bit, (void *)1L), two = spawn(wait_for_bit, (void *)2L);

	pause_ms(30);
	say("bit 4: %ld", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 4));
	say("bit 2: %ld", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2));
	say("joined: %ld", (long)join(two));
	say("any: %ld", wake(&word, 10));
	say("joined: %ld", (long)join(one));
}

static void *wait_once(void *argument)
{
	(void)argument;
	return (void *)wait_on(&word, 0, NULL);
}

static void requeue(void)
{
	pthread_t threads[4];
	long sum = 0;

	for (int i = 0; i < 4; i++)
		threads[i] = spawn(wait_once, NULL);
	pause_ms(30);
	say("wrong value: %s", outcome(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1L, &other, 7)));
	say("moved: %ld", futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &other, 0));
	say("left there: %ld", wake(&word, 10));
	say("woken here: %ld", wake(&other, 10));
	for (int i = 0; i < 4; i++)
		sum += (long)join(threads[i]);
	say("sum %ld", sum);
}

static void wake_op(void)
{
	pthread_t thread = spawn(wait_once, NULL);

	pause_ms(30);
	other = 5;
	int op = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5);
	say("woken: %ld", futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &other, (unsigned)op));
	say("other is %u", other);
	join(thread);
}

/* A lock of three states, as in many a library. */
static void lock(void)
{
	unsigned seen = 0;

	if (atomic_compare_exchange_strong(&word, &seen, 1))
		return;
	if (seen != 2)
		seen = atomic_exchange(&word, 2);
	while (seen != 0) {
		wait_on(&word, 2, NULL);
		seen = atomic_exchange(&word, 2);
	}
}

static void unlock(void)
{
	if (atomic_exchange(&word, 0) == 2)
		wake(&word, 1);
}

static int counted;

static void *count(void *argument)
{
	for (int i = 0; i < 50; i++) {
		lock();
		int seen = counted;
		if (i % 10 == 0)
			usleep(300);
		counted = seen + 1;
		unlock();
	}
	return argument;
}

static void own_lock(void)
{
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		threads[i] = spawn(count, NULL);
	for (int i = 0; i < 8; i++)
		join(threads[i]);
	say("counted %d", counted);
}

/* Shared by processes: another one wakes us. */
static atomic_uint *shared_word(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void *wait_shared(void *argument)
{
	atomic_uint *shared = argument;

	while (*shared == 0)
		futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
	return NULL;
}

static void between_processes(void)
{
	atomic_uint *shared = shared_word();
	pid_t pid = fork();

	if (pid == 0) {
		pause_ms(60);
		*shared = 1;
		futex(shared, FUTEX_WAKE, 10, NULL, NULL, 0);
		_exit(0);
	}
	pthread_t thread = spawn(wait_shared, shared);
	join(thread);
	reap("the other", pid);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "waits", waits, 3 },
		{ "values", values, 1 },
		{ "bit_sets", bit_sets, 2 },
		{ "requeue", requeue, 4 },
		{ "wake_op", wake_op, 1 },
		{ "own_lock", own_lock, 8 },
		{ "between_processes", between_processes, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
