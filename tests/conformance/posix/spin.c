/* SPDX-License-Identifier: MIT */
/* spin.c - spin locks */
#include "posix.h"

#include <sys/wait.h>

static pthread_spinlock_t lock;
static long counter;
static int stage;

static void basics(void)
{
	tell("init", pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE));
	tell("lock", pthread_spin_lock(&lock));
	tell("trylock", pthread_spin_trylock(&lock));
	tell("unlock", pthread_spin_unlock(&lock));
	tell("trylock", pthread_spin_trylock(&lock));
	tell("unlock", pthread_spin_unlock(&lock));
	tell("destroy", pthread_spin_destroy(&lock));
}

static void *count_up(void *unused)
{
	for (int i = 0; i < 20000; i++) {
		pthread_spin_lock(&lock);
		counter++;
		pthread_spin_unlock(&lock);
	}
	return unused;
}

static void exclusion(void)
{
	pthread_t threads[4];

	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	for (int i = 0; i < 4; i++)
		threads[i] = spawn(count_up, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("counted %ld", counter);
}

static void *lock_and_sleep(void *unused)
{
	pthread_spin_lock(&lock);
	post(&stage, 1);
	pause_ms(60);
	post(&stage, 2);
	pthread_spin_unlock(&lock);
	return unused;
}

/* The holder sleeps, the other spins. */
static void holder_sleeps(void)
{
	pthread_t holder;

	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	holder = spawn(lock_and_sleep, NULL);
	await(&stage, 1);
	tell("trylock", pthread_spin_trylock(&lock));
	tell("lock", pthread_spin_lock(&lock));
	say("stage %d", stage);
	join(holder);
}

struct shared {
	pthread_spinlock_t lock;
	int count;
};

static void count_shared(void *argument)
{
	struct shared *shared = argument;

	for (int i = 0; i < 2000; i++) {
		pthread_spin_lock(&shared->lock);
		shared->count++;
		pthread_spin_unlock(&shared->lock);
	}
}

static void between_processes(void)
{
	struct shared *shared = shared_memory(sizeof(*shared));
	pid_t pid;

	tell("init", pthread_spin_init(&shared->lock, PTHREAD_PROCESS_SHARED));
	pid = child_of(count_shared, shared);
	count_shared(shared);
	reap("child", pid);
	say("counted %d", shared->count);
}

/* A flag without any call, which only preemption lets change. */
static volatile int flag;

static void *raise_flag(void *unused)
{
	flag = 1;
	return unused;
}

static void bare_flag(void)
{
	pthread_t other = spawn(raise_flag, NULL);

	while (!flag)
		;
	join(other);
	say("the flag was seen");
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "basics", .run = basics },
		{ .name = "exclusion", .run = exclusion },
		{ .name = "holder_sleeps", .run = holder_sleeps },
		{ .name = "between_processes", .run = between_processes },
		{ .name = "bare_flag", .run = bare_flag },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
