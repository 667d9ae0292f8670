/* SPDX-License-Identifier: MIT */
/*
 * hook_key.c - destructors of thread-specific data
 *
 * The values themselves stay in libc's arrays, which hang on each thread's block.
 * But libc runs destructors only at the end of a real thread, so the shim keeps
 * them as well and runs them at the end of a green one.
 */
#include <limits.h>

#include "shim.h"
#include "thread.h"

typedef void (*destructor_t)(void *);

static destructor_t destructors[PTHREAD_KEYS_MAX];
static unsigned keys_end; /* no key with a destructor is this high */

static void note_created(pthread_key_t key, destructor_t destructor)
{
	if (key >= PTHREAD_KEYS_MAX)
		return;
	__atomic_store_n(&destructors[key], destructor, __ATOMIC_RELEASE);
	if (destructor && key >= keys_end)
		keys_end = key + 1;
}

WRAPPER int pthread_key_create(pthread_key_t *key, destructor_t destructor)
{
	int error = real(pthread_key_create)(key, destructor);

	if (!error)
		note_created(*key, destructor);
	return error;
}

WRAPPER int pthread_key_delete(pthread_key_t key)
{
	note_created(key, NULL);
	return real(pthread_key_delete)(key);
}

ALIAS(__pthread_key_create, pthread_key_create);

static bool run_round(void)
{
	bool ran = false;

	for (pthread_key_t key = 0; key < keys_end; key++) {
		destructor_t destructor = __atomic_load_n(&destructors[key], __ATOMIC_ACQUIRE);
		void *value = destructor ? pthread_getspecific(key) : NULL;

		if (!value)
			continue;
		pthread_setspecific(key, NULL);
		destructor(value);
		ran = true;
	}
	return ran;
}

void keys_run_destructors(void)
{
	for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS && run_round(); round++)
		;
}
