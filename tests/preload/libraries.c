/* SPDX-License-Identifier: MIT */
/* libraries.c - modules that come and go while threads live: their data begins anew, their own threads end with them */
#include "plain.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 12, LASTING = 4 };

typedef int (*counting)(void);

static void *open_module(const char *name)
{
	const char *directory = getenv("PLAIN_MODULES");
	char path[1024];
	void *module;

	snprintf(path, sizeof(path), "%s/%s.so", directory ? directory : ".", name);
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		say("cannot go on: %s", dlerror());
	return module ? module : (exit(99), NULL);
}

static void *symbol(void *module, const char *name)
{
	void *found = dlsym(module, name);

	must(found, name);
	return found;
}

/* --- threads in constructors and destructors --- */

static pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;

/* The module is loaded and unloaded each time, by one thread at a time. */
static void *come_and_go(void *wrong)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&alone);
		void *module = open_module("dl_threads");
		int (*ask)(int) = (int (*)(int))symbol(module, "module_ask");

		*(int *)wrong += ask(1) != 41;
		*(int *)wrong += ask(2) != 43;
		dlclose(module);
		pthread_mutex_unlock(&alone);
	}
	return NULL;
}

/* U3: threads that a library makes for itself */
static void threads_inside(void)
{
	pthread_t threads[3];
	int wrong[3] = { 0 };

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(come_and_go, &wrong[i]);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("wrong answers: %d", wrong[0] + wrong[1] + wrong[2]);
}

/* Loaded and unloaded by several at once: it lives as long as somebody has it. */
static void *overlap(void *argument)
{
	for (int i = 0; i < ROUNDS; i++) {
		void *module = open_module("dl_threads");

		must(symbol(module, "module_ask"), "symbol");
		pause_ms(i % 3);
		dlclose(module);
	}
	return argument;
}

static void threads_inside_at_once(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = spawn(overlap, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("done");
}

/* --- thread-local data of modules that come again --- */

static pthread_barrier_t loaded, used;
static counting count;

/* A thread that outlives many modules; each one's data begins where the module says. */
static void *live_long(void *total)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&loaded);
		*(long *)total += count() + count();
		pthread_barrier_wait(&used);
	}
	return NULL;
}

static void *live_short(void *total)
{
	*(long *)total += count();
	return NULL;
}

static void come_again(const char *const names[], int count_of_names)
{
	long lasting[LASTING] = { 0 }, passing = 0, total = 0;
	pthread_t threads[LASTING];

	pthread_barrier_init(&loaded, NULL, LASTING + 1);
	pthread_barrier_init(&used, NULL, LASTING + 1);
	for (int i = 0; i < LASTING; i++)
		threads[i] = spawn(live_long, &lasting[i]);
	for (int i = 0; i < ROUNDS; i++) {
		void *module = open_module(names[i % count_of_names]);

		count = (counting)symbol(module, "module_count");
		pthread_barrier_wait(&loaded);
		join(spawn(live_short, &passing));
		pthread_barrier_wait(&used);
		dlclose(module);
	}
	for (int i = 0; i < LASTING; i++) {
		join(threads[i]);
		total += lasting[i];
	}
	say("lasting %ld, passing %ld", total, passing);
}

static void fast_again(void)
{
	come_again((const char *const[]){ "dl_tls_fast" }, 1);
}

static void late_again(void)
{
	come_again((const char *const[]){ "dl_tls_late" }, 1);
}

static void in_turn(void)
{
	come_again((const char *const[]){ "dl_tls_late", "dl_tls_fast" }, 2);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "threads_inside", threads_inside, 3 + 3 * ROUNDS },
		{ "threads_inside_at_once", threads_inside_at_once, 4 },
		{ "fast_again", fast_again, LASTING + ROUNDS },
		{ "late_again", late_again, LASTING + ROUNDS },
		{ "in_turn", in_turn, LASTING + ROUNDS },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
