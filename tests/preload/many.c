/* SPDX-License-Identifier: MIT */
/* many.c - many threads: parked at once, in malloc, born and gone in turn, in a long chain */
#include "plain.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sem_t gate;
static atomic_int inside;

static void *stand_still(void *argument)
{
	inside++;
	sem_wait(&gate);
	return argument;
}

static void parked(void)
{
	static pthread_t threads[2000];
	pthread_attr_t attributes;
	long sum = 0;

	sem_init(&gate, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	for (long i = 0; i < 2000; i++)
		must((errno = pthread_create(&threads[i], &attributes, stand_still, (void *)i)) == 0, "pthread_create");
	for (int i = 0; i < 1000 && inside < 2000; i++)
		pause_ms(10);
	say("inside %d", inside);
	for (int i = 0; i < 2000; i++)
		sem_post(&gate);
	for (int i = 0; i < 2000; i++)
		sum += (long)join(threads[i]);
	say("sum %ld", sum);
}

enum { BLOCKS = 50 };

static size_t size_of(unsigned *seed)
{
	return (size_t)(rand_r(seed) % 3000 + 1);
}

/* Fills its blocks with its number, and finds them unchanged. */
static void *allocate(void *argument)
{
	unsigned seed = (unsigned)(long)argument;
	unsigned char *blocks[BLOCKS] = { NULL };
	size_t sizes[BLOCKS] = { 0 };
	long wrong = 0;

	for (int i = 0; i < 1000; i++) {
		int at = rand_r(&seed) % BLOCKS;

		for (size_t j = 0; j < sizes[at]; j += 97)
			wrong += blocks[at][j] != (unsigned char)(long)argument;
		sizes[at] = size_of(&seed);
		blocks[at] = i % 3 ? realloc(blocks[at], sizes[at]) : (free(blocks[at]), malloc(sizes[at]));
		memset(blocks[at], (int)(long)argument, sizes[at]);
		if (i % 100 == 0)
			usleep(100);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	return (void *)wrong;
}

static void allocators(void)
{
	pthread_t threads[100];
	long wrong = 0;

	for (long i = 0; i < 100; i++)
		threads[i] = spawn(allocate, (void *)(i + 1));
	for (int i = 0; i < 100; i++)
		wrong += (long)join(threads[i]);
	say("wrong %ld", wrong);
}

static void *return_it(void *argument)
{
	return argument;
}

/* U15: a hundred thousand lives */
static void one_after_another(void)
{
	long sum = 0;

	for (long i = 0; i < 3000; i++)
		sum += (long)join(spawn(return_it, (void *)i));
	say("sum %ld", sum);
}

struct link { int in, out; };

static void *pass_on(void *argument)
{
	struct link *me = argument;
	char byte;

	while (read(me->in, &byte, 1) == 1)
		write_full(me->out, &byte, 1);
	close(me->out);
	close(me->in);
	return NULL;
}

/* Bytes go through a chain of 100 threads and pipes. */
static void chain(void)
{
	enum { LENGTH = 100 };
	struct link links[LENGTH];
	pthread_t threads[LENGTH];
	int first[2], ends[2], in, same = 0;

	must(pipe(first) == 0, "pipe");
	in = first[0];
	for (int i = 0; i < LENGTH; i++) {
		must(pipe(ends) == 0, "pipe");
		links[i] = (struct link){ in, ends[1] };
		in = ends[0];
		threads[i] = spawn(pass_on, &links[i]);
	}
	for (int i = 0; i < 20; i++) {
		char out = (char)i, back = 0;

		write_full(first[1], &out, 1);
		same += read(in, &back, 1) == 1 && back == out;
	}
	close(first[1]);
	for (int i = 0; i < LENGTH; i++)
		join(threads[i]);
	say("through the chain: %d", same);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose;

static void *take_turns(void *argument)
{
	int me = (int)(long)argument;

	for (int round = 0; round < 20; round++) {
		pthread_mutex_lock(&lock);
		while (whose % 50 != me)
			pthread_cond_wait(&turn, &lock);
		whose++;
		pthread_cond_broadcast(&turn);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void round_robin(void)
{
	pthread_t threads[50];

	for (long i = 0; i < 50; i++)
		threads[i] = spawn(take_turns, (void *)i);
	for (int i = 0; i < 50; i++)
		join(threads[i]);
	say("turns %d", whose);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "parked", parked, 2000 },
		{ "allocators", allocators, 100 },
		{ "one_after_another", one_after_another, 3000 },
		{ "chain", chain, 100 },
		{ "round_robin", round_robin, 50 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
