/* SPDX-License-Identifier: MIT */
/* small_stacks.c - linked to a server it has all threads ask for stacks of 64 KB, and changes nothing else */
#include <pthread.h>

enum { STACK = 64 * 1024 };

__attribute__((constructor)) static void ask_for_less(void)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	pthread_setattr_default_np(&attributes);
	pthread_attr_destroy(&attributes);
}
