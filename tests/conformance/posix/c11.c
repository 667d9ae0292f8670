/* SPDX-License-Identifier: MIT */
/* c11.c - <threads.h>: what each call returns */
#include "posix.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <threads.h>

static mtx_t mutex;
static cnd_t cond;
static int stage, waiting, woken;

static const char *status(int result)
{
	switch (result) {
	case thrd_success: return "success";
	case thrd_busy: return "busy";
	case thrd_error: return "error";
	case thrd_nomem: return "nomem";
	case thrd_timedout: return "timedout";
	default: return "another value";
	}
}

static void say_status_of(const char *what, int result)
{
	say("%s: %s", what, status(result));
}

static int give_back(void *argument)
{
	return (int)(long)argument;
}

static int exit_with(void *argument)
{
	thrd_exit((int)(long)argument);
	return 0;
}

static void threads(void)
{
	thrd_t thread;
	int result = 0;

	say_status_of("create", thrd_create(&thread, give_back, (void *)17L));
	say_status_of("join", thrd_join(thread, &result));
	say("result %d", result);
	thrd_create(&thread, give_back, (void *)-5L);
	thrd_join(thread, &result);
	say("result %d", result);
	thrd_create(&thread, exit_with, (void *)18L);
	say_status_of("join", thrd_join(thread, &result));
	say("result %d", result);
	thrd_create(&thread, give_back, NULL);
	say_status_of("join without a result", thrd_join(thread, NULL));
	say("equal to itself %d", thrd_equal(thrd_current(), thrd_current()) != 0);
	say_status_of("join of itself", thrd_join(thrd_current(), NULL));
	thrd_yield();
}

static int run_until_told(void *argument)
{
	await(&stage, 1);
	post(&stage, 2);
	return (int)(long)argument;
}

static void detach(void)
{
	thrd_t thread;

	thrd_create(&thread, run_until_told, NULL);
	say_status_of("detach", thrd_detach(thread));
	say_status_of("detach again", thrd_detach(thread));
	say_status_of("join", thrd_join(thread, NULL));
	post(&stage, 1);
	await(&stage, 2);
}

/* --- mutexes --- */

static int kind;

static int others_view(void *unused)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 20), bad = no_time(), past = long_ago();
	double since = now();

	(void)unused;
	say_status_of("other's trylock", mtx_trylock(&mutex));
	if (!(kind & mtx_timed))
		return 0;
	say_status_of("other's timedlock", mtx_timedlock(&mutex, &soon));
	tell_in_time("timedlock", since, 20);
	say_status_of("over", mtx_timedlock(&mutex, &past));
	say_status_of("bad time", mtx_timedlock(&mutex, &bad));
	return 0;
}

static void in_c11_thread(int (*body)(void *))
{
	thrd_t thread;

	thrd_create(&thread, body, NULL);
	thrd_join(thread, NULL);
}

static void mutexes(void)
{
	static const int kinds[] = { mtx_plain, mtx_timed, mtx_plain | mtx_recursive, mtx_timed | mtx_recursive };

	for (int i = 0; i < 4; i++) {
		kind = kinds[i];
		say_status_of("init", mtx_init(&mutex, kind));
		say_status_of("lock", mtx_lock(&mutex));
		say_status_of("owner's trylock", mtx_trylock(&mutex));
		in_c11_thread(others_view);
		say_status_of("unlock", mtx_unlock(&mutex));
		if (kind & mtx_recursive)
			say_status_of("unlock", mtx_unlock(&mutex));
		if (kind & mtx_recursive)
			say_status_of("unlock of a free one", mtx_unlock(&mutex));
		mtx_destroy(&mutex);
	}
	say_status_of("no such kind", mtx_init(&mutex, 99));
}

/* --- condition variables --- */

static int wait_for_stage(void *unused)
{
	(void)unused;
	mtx_lock(&mutex);
	waiting++;
	while (!stage)
		cnd_wait(&cond, &mutex);
	woken++;
	mtx_unlock(&mutex);
	return 0;
}

static void conditions(void)
{
	struct timespec soon, bad = no_time();
	thrd_t many[4];
	double since = now();

	mtx_init(&mutex, mtx_timed);
	say_status_of("init", cnd_init(&cond));
	say_status_of("signal", cnd_signal(&cond));
	say_status_of("broadcast", cnd_broadcast(&cond));
	mtx_lock(&mutex);
	soon = after_ms(CLOCK_REALTIME, 30);
	say_status_of("timedwait", cnd_timedwait(&cond, &mutex, &soon));
	tell_in_time("timedwait", since, 30);
	say_status_of("bad time", cnd_timedwait(&cond, &mutex, &bad));
	say_status_of("owner's trylock", mtx_trylock(&mutex));
	mtx_unlock(&mutex);
	for (int i = 0; i < 4; i++)
		thrd_create(&many[i], wait_for_stage, NULL);
	for (bool all = false; !all; thrd_yield()) {
		mtx_lock(&mutex);
		all = waiting == 4;
		if (all)
			stage = 1;
		mtx_unlock(&mutex);
	}
	say_status_of("broadcast", cnd_broadcast(&cond));
	for (int i = 0; i < 4; i++)
		thrd_join(many[i], NULL);
	say("woken %d", woken);
	cnd_destroy(&cond);
}

/* --- once, storage, sleep --- */

static once_flag once = ONCE_FLAG_INIT;
static int runs;

static void init(void)
{
	pause_ms(20);
	runs++;
}

static int run_once(void *unused)
{
	(void)unused;
	call_once(&once, init);
	return runs;
}

static void once_only(void)
{
	thrd_t many[4];
	int result, sum = 0;

	for (int i = 0; i < 4; i++)
		thrd_create(&many[i], run_once, NULL);
	for (int i = 0; i < 4; i++) {
		thrd_join(many[i], &result);
		sum += result;
	}
	say("runs %d, seen %d", runs, sum);
}

static tss_t storage;
static int destroyed, rounds;

static void destroy(void *value)
{
	destroyed += *(int *)value;
	free(value);
}

static void set_again(void *value)
{
	rounds++;
	tss_set(storage, value);
}

static int store(void *unused)
{
	int *value = malloc(sizeof(*value));

	(void)unused;
	say("at first %s", tss_get(storage) ? "set" : "not set");
	*value = 6;
	say_status_of("set", tss_set(storage, value));
	say("value %d", *(int *)tss_get(storage));
	return 0;
}

static int store_once(void *unused)
{
	(void)unused;
	return tss_set(storage, "x");
}

static void storages(void)
{
	say_status_of("create", tss_create(&storage, destroy));
	in_c11_thread(store);
	in_c11_thread(store);
	say("destroyed %d", destroyed);
	tss_delete(storage);
	say_status_of("set of a deleted one", tss_set(storage, NULL));
	tss_create(&storage, set_again);
	in_c11_thread(store_once);
	say("rounds %d of %d", rounds, TSS_DTOR_ITERATIONS);
}

static void sleeps(void)
{
	struct timespec little = { 0, 30000000 }, bad = no_time(), left = { 7, 7 };
	double since = now();

	say("sleep %d", thrd_sleep(&little, &left));
	tell_in_time("sleep", since, 30);
	say("bad time %d", thrd_sleep(&bad, NULL) < -1);
}

static thread_local int own = 3;

static int look_local(void *unused)
{
	(void)unused;
	own += 2;
	return own;
}

static void local_storage(void)
{
	thrd_t thread;
	int result;

	own = 10;
	for (int i = 0; i < 3; i++) {
		thrd_create(&thread, look_local, NULL);
		thrd_join(thread, &result);
		say("own %d", result);
	}
	say("mine %d", own);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "threads", .run = threads },
		{ .name = "detach", .run = detach },
		{ .name = "mutexes", .run = mutexes },
		{ .name = "conditions", .run = conditions },
		{ .name = "once_only", .run = once_only },
		{ .name = "storages", .run = storages },
		{ .name = "sleeps", .run = sleeps },
		{ .name = "local_storage", .run = local_storage },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
