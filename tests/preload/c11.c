/* SPDX-License-Identifier: MIT */
/* c11.c - the threads of the C standard: thrd, mtx, cnd, tss, call_once */
#include "plain.h"

#include <stdatomic.h>
#include <stdio.h>
#include <threads.h>
#include <time.h>

static mtx_t lock;
static cnd_t changed;
static tss_t key;
static once_flag flag = ONCE_FLAG_INIT;
static int value;
static atomic_int once_count;

static const char *result_name(int result)
{
	static const char *const names[] = { [thrd_success] = "success", [thrd_busy] = "busy", [thrd_error] = "error",
		[thrd_nomem] = "nomem", [thrd_timedout] = "timedout" };

	return names[result];
}

static int add_slowly(void *argument)
{
	struct timespec moment = { 0, 200000 };

	for (int i = 0; i < 20; i++) {
		mtx_lock(&lock);
		int seen = value;
		if (i % 10 == 0)
			thrd_sleep(&moment, NULL);
		value = seen + 1;
		mtx_unlock(&lock);
		thrd_yield();
	}
	return (int)(long)argument;
}

static thrd_t start(int (*body)(void *), void *argument)
{
	thrd_t thread;

	must(thrd_create(&thread, body, argument) == thrd_success, "thrd_create");
	return thread;
}

static void threads(void)
{
	thrd_t all[8];
	int sum = 0, result;

	mtx_init(&lock, mtx_plain);
	for (long i = 0; i < 8; i++)
		all[i] = start(add_slowly, (void *)i);
	for (int i = 0; i < 8; i++) {
		thrd_join(all[i], &result);
		sum += result;
	}
	say("value %d, results %d", value, sum);
}

static int try_locked(void *argument)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 50);

	(void)argument;
	say("trylock: %s", result_name(mtx_trylock(&lock)));
	say("timedlock: %s", result_name(mtx_timedlock(&lock, &soon)));
	return 0;
}

static void mutexes(void)
{
	mtx_init(&lock, mtx_timed | mtx_recursive);
	say("lock: %s", result_name(mtx_lock(&lock)));
	say("again: %s", result_name(mtx_lock(&lock)));
	thrd_join(start(try_locked, NULL), NULL);
	say("unlock: %s", result_name(mtx_unlock(&lock)));
}

static int wait_for_value(void *argument)
{
	mtx_lock(&lock);
	while (value == 0)
		cnd_wait(&changed, &lock);
	value--;
	mtx_unlock(&lock);
	return (int)(long)argument;
}

static void conditions(void)
{
	thrd_t all[4];
	struct timespec soon;

	mtx_init(&lock, mtx_timed);
	cnd_init(&changed);
	for (int i = 0; i < 4; i++)
		all[i] = start(wait_for_value, NULL);
	pause_ms(20);
	mtx_lock(&lock);
	value = 4;
	cnd_signal(&changed);
	cnd_broadcast(&changed);
	mtx_unlock(&lock);
	for (int i = 0; i < 4; i++)
		thrd_join(all[i], NULL);
	mtx_lock(&lock);
	soon = after_ms(CLOCK_REALTIME, 50);
	say("left %d, timedwait: %s", value, result_name(cnd_timedwait(&changed, &lock, &soon)));
}

static void say_value(void *argument)
{
	say("destructor of %s", (char *)argument);
}

static int use_key(void *argument)
{
	say("at first: %s", tss_get(key) ? "set" : "not set");
	tss_set(key, argument);
	pause_ms(5);
	say("later: %s", (char *)tss_get(key));
	thrd_exit(3);
}

static void keys(void)
{
	int result;

	tss_create(&key, say_value);
	thrd_join(start(use_key, "the key"), &result);
	say("result %d", result);
}

static void slow_once(void)
{
	pause_ms(20);
	once_count++;
}

static int ask_once(void *argument)
{
	call_once(&flag, slow_once);
	return once_count + (int)(long)argument;
}

static void only_once(void)
{
	thrd_t all[5];
	int sum = 0, result;

	for (int i = 0; i < 5; i++)
		all[i] = start(ask_once, NULL);
	for (int i = 0; i < 5; i++) {
		thrd_join(all[i], &result);
		sum += result;
	}
	say("count %d, seen %d", once_count, sum);
}

static int detach_me(void *argument)
{
	thrd_detach(thrd_current());
	mtx_lock(argument);
	value = 1;
	cnd_signal(&changed);
	mtx_unlock(argument);
	return 0;
}

static void detached(void)
{
	mtx_init(&lock, mtx_plain);
	cnd_init(&changed);
	mtx_lock(&lock);
	start(detach_me, &lock);
	while (value == 0)
		cnd_wait(&changed, &lock);
	mtx_unlock(&lock);
	say("current is %s", thrd_equal(thrd_current(), thrd_current()) ? "itself" : "another");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "threads", threads, 8 },
		{ "mutexes", mutexes, 1 },
		{ "conditions", conditions, 4 },
		{ "keys", keys, 1 },
		{ "only_once", only_once, 5 },
		{ "detached", detached, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
