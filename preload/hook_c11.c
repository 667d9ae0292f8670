/* SPDX-License-Identifier: MIT */
/* hook_c11.c - C11 threads and locks, which call libc's pthread functions inside libc */
#include <stdlib.h>

#include "shim.h"

/* The types are the same objects, which libc's own functions rely on as well. */
static pthread_mutex_t *mutex_of(mtx_t *mutex)
{
	return (pthread_mutex_t *)(void *)mutex;
}

static pthread_cond_t *cond_of(cnd_t *cond)
{
	return (pthread_cond_t *)(void *)cond;
}

static int status_of(int error)
{
	switch (error) {
	case 0:
		return thrd_success;
	case EBUSY:
		return thrd_busy;
	case ETIMEDOUT:
		return thrd_timedout;
	case ENOMEM:
	case EAGAIN:
		return thrd_nomem;
	default:
		return thrd_error;
	}
}

struct start {
	thrd_start_t function;
	void *argument;
};

static void *start_main(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	return (void *)(intptr_t)start.function(start.argument);
}

WRAPPER int thrd_create(thrd_t *id, thrd_start_t function, void *argument)
{
	struct start *start = malloc(sizeof(*start));
	int error;

	if (!start)
		return thrd_nomem;
	start->function = function;
	start->argument = argument;
	error = pthread_create(id, NULL, start_main, start);
	if (error)
		free(start);
	return status_of(error);
}

WRAPPER int thrd_join(thrd_t id, int *result)
{
	void *value;
	int error = pthread_join(id, &value);

	if (!error && result)
		*result = (int)(intptr_t)value;
	return status_of(error);
}

WRAPPER int thrd_detach(thrd_t id)
{
	return status_of(pthread_detach(id));
}

WRAPPER void thrd_exit(int result)
{
	pthread_exit((void *)(intptr_t)result);
}

WRAPPER int mtx_lock(mtx_t *mutex)
{
	return status_of(pthread_mutex_lock(mutex_of(mutex)));
}

WRAPPER int mtx_timedlock(mtx_t *mutex, const struct timespec *abstime)
{
	return status_of(pthread_mutex_timedlock(mutex_of(mutex), abstime));
}

WRAPPER int mtx_unlock(mtx_t *mutex)
{
	return status_of(pthread_mutex_unlock(mutex_of(mutex)));
}

WRAPPER int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
	return status_of(pthread_cond_wait(cond_of(cond), mutex_of(mutex)));
}

WRAPPER int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *abstime)
{
	return status_of(pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), abstime));
}

WRAPPER int cnd_signal(cnd_t *cond)
{
	return status_of(pthread_cond_signal(cond_of(cond)));
}

WRAPPER int cnd_broadcast(cnd_t *cond)
{
	return status_of(pthread_cond_broadcast(cond_of(cond)));
}

WRAPPER void call_once(once_flag *flag, void (*init)(void))
{
	pthread_once((pthread_once_t *)(void *)flag, init);
}

WRAPPER int tss_create(tss_t *key, tss_dtor_t destructor)
{
	return status_of(pthread_key_create(key, destructor));
}

WRAPPER void tss_delete(tss_t key)
{
	pthread_key_delete(key);
}
