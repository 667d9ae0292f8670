/* SPDX-License-Identifier: MIT */
/* hog.c - linked to a server it adds a thread that computes for ever, and changes nothing else */
#include <pthread.h>

static void *compute(void *unused)
{
	(void)unused;
	for (volatile unsigned long sum = 1;; sum = sum * 3 + 1)
		;
	return NULL;
}

__attribute__((constructor)) static void start_hog(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, compute, NULL) == 0)
		pthread_detach(thread);
}
