/* SPDX-License-Identifier: MIT */
/* dl_workers.c - a module with threads of its own, which do what the program asks; loaded by workers.c */
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>

struct work {
	void *(*body)(void *);
	void *argument;
};

static void *worker(void *arg)
{
	struct work work = *(struct work *)arg;

	free(arg);
	return work.body(work.argument);
}

static int worker_of_c11(void *arg)
{
	return worker(arg) != NULL;
}

static struct work *work_make(void *(*body)(void *), void *argument)
{
	struct work *work = malloc(sizeof(*work));

	if (!work)
		abort();
	work->body = body;
	work->argument = argument;
	return work;
}

int workers_spawn(pthread_t *id, const pthread_attr_t *attributes, void *(*body)(void *), void *argument);
int workers_spawn_c11(thrd_t *id, void *(*body)(void *), void *argument);

int workers_spawn(pthread_t *id, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
	return pthread_create(id, attributes, worker, work_make(body, argument));
}

int workers_spawn_c11(thrd_t *id, void *(*body)(void *), void *argument)
{
	return thrd_create(id, worker_of_c11, work_make(body, argument));
}
