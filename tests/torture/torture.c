/* SPDX-License-Identifier: MIT */
/*
 * torture.c - threads that do everything at once, in an order that a seed decides, and check themselves
 *
 * Usage: torture [--seed=N] [--seconds=N] [--workers=N] [--only=KIND]
 *
 * Nothing may get lost: what threads, signals, locks and streams have carried is
 * counted and compared.  Nothing may stand still: a worker that does nothing for
 * half a minute is a hang.  Nothing may grow: after a minute memory stays what it is.
 */
#include "torture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	WORKERS_MAX = 64,
	STILL_SECONDS = 30,
	WARM_SECONDS = 60,   /* what memory came to by then it may not exceed by much */
	GROWTH_PERCENT = 15,
	GROWTH_KB = 8192,
};

static const struct action actions[] = {
	{ "create", do_create, 10 },
	{ "detach", do_detach, 5 },
	{ "cancel", do_cancel, 10 },
	{ "keys", do_keys, 5 },
	{ "fork", do_fork, 1 },
	{ "kill_thread", do_kill_thread, 6 },
	{ "kill_process", do_kill_process, 6 },
	{ "timer", do_timer, 4 },
	{ "mutexes", do_mutexes, 15 },
	{ "rwlock", do_rwlock, 10 },
	{ "condition", do_condition, 10 },
	{ "barrier", do_barrier, 4 },
	{ "socket", do_socket, 8 },
	{ "pipe", do_pipe, 8 },
	{ "listener", do_listener, 4 },
	{ "sleep", do_sleep, 8 },
	{ "spin", do_spin, 4 },
	{ "memory", do_memory, 12 },
	{ "stdio", do_stdio, 8 },
	{ "library", do_library, 3 },
};

enum { ACTIONS = sizeof(actions) / sizeof(*actions) };

static struct worker workers[WORKERS_MAX];
static unsigned worker_count = 12;
static uint64_t seed;
static double duration = 5;
static const char *only; /* the kind of action that is done alone, to narrow down what another run has found */
static atomic_bool over;

double seconds(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

unsigned pick(struct worker *worker, unsigned limit)
{
	uint64_t x = worker->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	worker->random = x;
	return (unsigned)((x >> 24) % limit);
}

uint32_t checksum(uint32_t sum, const void *data, size_t size)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ byte[i]) * 16777619u;
	return sum;
}

static void tell_workers(void)
{
	for (unsigned i = 0; i < worker_count; i++)
		fprintf(stderr, "worker %u: %lu actions, now %s\n", i, workers[i].actions, actions[workers[i].action].name);
}

void complain(const char *file, int line, const char *what)
{
	fprintf(stderr, "torture: %s:%d: %s (errno %s), seed %llu\n", file, line, what, strerrorname_np(errno),
		(unsigned long long)seed);
	tell_workers();
	abort();
}

pthread_t start_thread(void *(*body)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 128 * 1024);
	errno = error = pthread_create(&thread, &attributes, body, argument);
	demand(!error, "pthread_create");
	pthread_attr_destroy(&attributes);
	return thread;
}

void *end_thread(pthread_t thread)
{
	void *result;

	errno = pthread_join(thread, &result);
	demand(!errno, "pthread_join");
	return result;
}

static unsigned choose(struct worker *worker)
{
	unsigned total = 0, ticket;

	for (unsigned i = 0; i < ACTIONS; i++) {
		total += actions[i].weight;
		if (only && !strcmp(only, actions[i].name))
			return i;
	}
	ticket = pick(worker, total);
	for (unsigned i = 0;; i++) {
		if (ticket < actions[i].weight)
			return i;
		ticket -= actions[i].weight;
	}
}

static void *work(void *argument)
{
	struct worker *self = argument;

	while (!over) {
		self->action = choose(self);
		actions[self->action].run(self);
		self->actions++;
	}
	return self;
}

static long resident_kb(void)
{
	long total = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	demand(file && fscanf(file, "%ld %ld", &total, &resident) == 2, "statm");
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static unsigned long least_actions(void)
{
	unsigned long least = ULONG_MAX;

	for (unsigned i = 0; i < worker_count; i++)
		least = workers[i].actions < least ? workers[i].actions : least;
	return least;
}

/* Each worker has to get on, however slowly. */
static void watch_progress(unsigned long before[], double moved[])
{
	for (unsigned i = 0; i < worker_count; i++) {
		if (workers[i].actions != before[i]) {
			before[i] = workers[i].actions;
			moved[i] = seconds();
		}
		demand(seconds() - moved[i] < STILL_SECONDS, "a worker stands still");
	}
}

static void watch(void)
{
	double start = seconds(), moved[WORKERS_MAX];
	unsigned long before[WORKERS_MAX] = { 0 };
	long warm = 0;

	for (unsigned i = 0; i < worker_count; i++)
		moved[i] = start;
	while (seconds() - start < duration) {
		usleep(100000);
		watch_progress(before, moved);
		if (seconds() - start < WARM_SECONDS)
			warm = resident_kb() > warm ? resident_kb() : warm;
	}
	fprintf(stderr, "memory: at most %ld KB in the first minute, %ld KB at the end\n", warm, resident_kb());
	if (duration > WARM_SECONDS)
		demand(resident_kb() <= warm + warm * GROWTH_PERCENT / 100 + GROWTH_KB, "memory grows");
}

static bool read_number(const char *word, const char *name, double *number)
{
	size_t length = strlen(name);
	char *end;

	if (strncmp(word, name, length))
		return false;
	*number = strtod(word + length, &end);
	return end != word + length && !*end && *number >= 0;
}

static void read_options(char **words)
{
	double number;

	seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
	for (; *words; words++) {
		if (read_number(*words, "--seed=", &number)) {
			seed = (uint64_t)number;
		} else if (read_number(*words, "--seconds=", &number)) {
			duration = number;
		} else if (read_number(*words, "--workers=", &number) && number >= 1 && number <= WORKERS_MAX) {
			worker_count = (unsigned)number;
		} else if (!strncmp(*words, "--only=", 7)) {
			only = *words + 7;
		} else {
			fprintf(stderr, "torture: %s: --seed=N, --seconds=N, --workers=N (up to %d) or --only=KIND\n", *words, WORKERS_MAX);
			exit(2);
		}
	}
	seed &= (UINT64_C(1) << 48) - 1;
}

int main(int argc, char **argv)
{
	unsigned long total = 0;

	(void)argc;
	read_options(argv + 1);
	fprintf(stderr, "torture: --seed=%llu --seconds=%g --workers=%u\n", (unsigned long long)seed, duration, worker_count);
	signals_begin();
	locks_begin();
	for (unsigned i = 0; i < worker_count; i++) {
		workers[i].number = i;
		workers[i].random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + i * UINT64_C(0xd1342543de82ef95) + 1;
		workers[i].thread = start_thread(work, &workers[i]);
	}
	watch();
	over = true;
	for (unsigned i = 0; i < worker_count; i++)
		end_thread(workers[i].thread);
	threads_end();
	locks_end();
	signals_end();
	for (unsigned i = 0; i < worker_count; i++)
		total += workers[i].actions;
	fprintf(stderr, "%lu actions, %lu by the slowest worker\n", total, least_actions());
	puts("nothing is lost");
	return 0;
}
