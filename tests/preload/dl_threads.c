/* SPDX-License-Identifier: MIT */
/* dl_threads.c - a module with a thread of its own from its constructor to its destructor; loaded by libraries.c */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static pthread_t thread;
static sem_t asked, answered;
static int question, answer;
static __thread int own = 40;

/* It answers from its own thread-local data, until it is asked for less than nothing. */
static void *serve(void *unused)
{
	(void)unused;
	for (;;) {
		sem_wait(&asked);
		if (question < 0)
			return &answer;
		own += question;
		answer = own;
		sem_post(&answered);
	}
}

int module_ask(int number);

int module_ask(int number)
{
	question = number;
	sem_post(&asked);
	sem_wait(&answered);
	return answer;
}

__attribute__((constructor)) static void construct(void)
{
	sem_init(&asked, 0, 0);
	sem_init(&answered, 0, 0);
	if (pthread_create(&thread, NULL, serve, NULL) || module_ask(0) != 40)
		abort();
}

__attribute__((destructor)) static void destruct(void)
{
	void *result;

	question = -1;
	sem_post(&asked);
	if (pthread_join(thread, &result) || result != &answer)
		abort();
}
