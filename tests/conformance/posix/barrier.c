/* SPDX-License-Identifier: MIT */
/* barrier.c - barriers: one serial thread a round, reuse, destruction right after, other processes */
#include "posix.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { PARTIES = 5, ROUNDS = 200 };

static pthread_barrier_t barrier;
static int serials[ROUNDS], others[ROUNDS], bad, in_round[ROUNDS];

static void *take_part(void *unused)
{
	for (int round = 0; round < ROUNDS; round++) {
		__atomic_fetch_add(&in_round[round], 1, __ATOMIC_SEQ_CST);
		int result = pthread_barrier_wait(&barrier);

		if (result == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_fetch_add(&serials[round], 1, __ATOMIC_SEQ_CST);
		else if (result == 0)
			__atomic_fetch_add(&others[round], 1, __ATOMIC_SEQ_CST);
		/* Nobody leaves before all have come. */
		if (__atomic_load_n(&in_round[round], __ATOMIC_SEQ_CST) != PARTIES)
			__atomic_fetch_add(&bad, 1, __ATOMIC_SEQ_CST);
	}
	return unused;
}

static void serial_once(void)
{
	pthread_t threads[PARTIES];
	int right = 0;

	tell("init", pthread_barrier_init(&barrier, NULL, PARTIES));
	for (int i = 0; i < PARTIES; i++)
		threads[i] = spawn(take_part, NULL);
	for (int i = 0; i < PARTIES; i++)
		join(threads[i]);
	for (int round = 0; round < ROUNDS; round++)
		right += serials[round] == 1 && others[round] == PARTIES - 1;
	say("rounds with one serial thread: %d, left too early: %d", right, bad);
	tell("destroy", pthread_barrier_destroy(&barrier));
}

static void of_one(void)
{
	tell("init", pthread_barrier_init(&barrier, NULL, 1));
	for (int i = 0; i < 3; i++)
		say("wait: %s", pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD ? "serial" : "not serial");
	tell("destroy", pthread_barrier_destroy(&barrier));
}

static void refused(void)
{
	pthread_barrierattr_t attributes;
	int shared;

	tell("of none", pthread_barrier_init(&barrier, NULL, 0));
	tell("too many", pthread_barrier_init(&barrier, NULL, 0xffffffffU));
	pthread_barrierattr_init(&attributes);
	tell("setpshared", pthread_barrierattr_setpshared(&attributes, 33));
	pthread_barrierattr_getpshared(&attributes, &shared);
	say("shared %d", shared);
	tell("setpshared", pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
	pthread_barrierattr_getpshared(&attributes, &shared);
	say("shared %d", shared);
	tell("destroy", pthread_barrierattr_destroy(&attributes));
}

/* Whoever is serial destroys the barrier and spoils its memory while the others are still on their way out. */
static void *last_one_destroys(void *argument)
{
	pthread_barrier_t *mine = argument;

	if (pthread_barrier_wait(mine) == PTHREAD_BARRIER_SERIAL_THREAD) {
		if (pthread_barrier_destroy(mine))
			__atomic_fetch_add(&bad, 1, __ATOMIC_SEQ_CST);
		memset(mine, 0xa5, sizeof(*mine));
		free(mine);
	}
	return NULL;
}

static void destroyed_right_after(void)
{
	for (int round = 0; round < 100; round++) {
		pthread_barrier_t *mine = malloc(sizeof(*mine));
		pthread_t threads[4];

		pthread_barrier_init(mine, NULL, 4);
		for (int i = 0; i < 4; i++)
			threads[i] = spawn(last_one_destroys, mine);
		for (int i = 0; i < 4; i++)
			join(threads[i]);
	}
	say("refused %d", bad);
}

/* More threads than the barrier counts: they leave in groups. */
static int passed;

static void *wait_once(void *unused)
{
	pthread_barrier_wait(&barrier);
	__atomic_fetch_add(&passed, 1, __ATOMIC_SEQ_CST);
	return unused;
}

static void more_threads(void)
{
	pthread_t threads[9];

	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 8; i++)
		threads[i] = spawn(wait_once, NULL);
	for (int i = 0; i < 5000 && __atomic_load_n(&passed, __ATOMIC_SEQ_CST) != 6; i++)
		pause_ms(1);
	pause_ms(30);
	say("passed %d of 8", passed);
	threads[8] = spawn(wait_once, NULL);
	for (int i = 0; i < 9; i++)
		join(threads[i]);
	say("passed %d of 9", passed);
}

/* Neither a cancellation point nor ended by a handler. */
static int handled, stage;

static void on_signal(int number)
{
	(void)number;
	post(&handled, 1);
}

static void *wait_undisturbed(void *unused)
{
	post(&stage, 1);
	int result = pthread_barrier_wait(&barrier);

	post(&stage, result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD ? 2 : 3);
	pthread_testcancel();
	post(&stage, 4);
	return unused;
}

static void undisturbed(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t waiter;

	sigaction(SIGUSR1, &action, NULL);
	pthread_barrier_init(&barrier, NULL, 2);
	waiter = spawn(wait_undisturbed, NULL);
	await(&stage, 1);
	pause_ms(10);
	pthread_kill(waiter, SIGUSR1);
	await(&handled, 1);
	pthread_cancel(waiter);
	pause_ms(20);
	say("stage %d", stage);
	pthread_barrier_wait(&barrier);
	tell_truth("cancelled", join(waiter) == PTHREAD_CANCELED);
	say("stage %d", stage);
}

struct shared {
	pthread_barrier_t barrier;
	int serials, rounds;
};

static void shared_rounds(void *argument)
{
	struct shared *shared = argument;

	for (int i = 0; i < 20; i++) {
		if (pthread_barrier_wait(&shared->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_fetch_add(&shared->serials, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&shared->rounds, 1, __ATOMIC_SEQ_CST);
	}
}

static void *shared_rounds_thread(void *argument)
{
	shared_rounds(argument);
	return NULL;
}

static void between_processes(void)
{
	struct shared *shared = shared_memory(sizeof(*shared));
	pthread_barrierattr_t attributes;
	pid_t pid;

	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	tell("init", pthread_barrier_init(&shared->barrier, &attributes, 2));
	pid = child_of(shared_rounds, shared);
	shared_rounds(shared);
	reap("child", pid);
	say("serials %d, rounds %d", shared->serials, shared->rounds);
	tell("destroy", pthread_barrier_destroy(&shared->barrier));
}

/* Two threads of one process and one of another. */
static void between_threads_and_processes(void)
{
	struct shared *shared = shared_memory(sizeof(*shared));
	pthread_barrierattr_t attributes;
	pthread_t one, two;
	pid_t pid;

	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	tell("init", pthread_barrier_init(&shared->barrier, &attributes, 3));
	pid = child_of(shared_rounds, shared);
	one = spawn(shared_rounds_thread, shared);
	two = spawn(shared_rounds_thread, shared);
	join(one);
	join(two);
	reap("child", pid);
	say("serials %d, rounds %d", shared->serials, shared->rounds);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "serial_once", .run = serial_once },
		{ .name = "of_one", .run = of_one },
		{ .name = "refused", .run = refused },
		{ .name = "destroyed_right_after", .run = destroyed_right_after },
		{ .name = "more_threads", .run = more_threads },
		{ .name = "undisturbed", .run = undisturbed },
		{ .name = "between_processes", .run = between_processes },
		{ .name = "between_threads_and_processes", .run = between_threads_and_processes },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
