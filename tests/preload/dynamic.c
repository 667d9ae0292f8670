/* SPDX-License-Identifier: MIT */
/* dynamic.c - dlopen while threads live: data of modules, constructors, C++ objects on a thread that ends */
#include "plain.h"

#include <dlfcn.h>
#include <semaphore.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *open_module(const char *name)
{
	const char *directory = getenv("PLAIN_MODULES");
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s.so", directory ? directory : ".", name);
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		say("cannot go on: %s", dlerror());
	return module ? module : (exit(99), NULL);
}

static void *symbol(void *module, const char *name)
{
	void *found = dlsym(module, name);

	must(found != NULL, name);
	return found;
}

typedef int (*counting)(void);
static counting count;

/* The first count, and how far it went from there. */
static void *count_thrice(void *argument)
{
	int first = count();

	(void)argument;
	pause_ms(5);
	count();
	sched_yield();
	return (void *)(long)(first * 10 + count() - first);
}

static pthread_barrier_t loaded;

static void *count_when_loaded(void *argument)
{
	pthread_barrier_wait(&loaded);
	return count_thrice(argument);
}

/* One thread lived before the module was loaded, the other is born after. */
static void count_before_and_after(const char *module)
{
	pthread_barrier_init(&loaded, NULL, 2);
	pthread_t before = spawn(count_when_loaded, NULL);

	pause_ms(10);
	count = (counting)symbol(open_module(module), "module_count");
	pthread_barrier_wait(&loaded);
	pthread_t after = spawn(count_thrice, NULL);
	say("before: %ld", (long)join(before));
	say("after: %ld", (long)join(after));
	say("main: %ld", (long)count_thrice(NULL));
}

static void fast_data(void)
{
	count_before_and_after("dl_tls_fast");
}

static void late_data(void)
{
	count_before_and_after("dl_tls_late");
}

static void *use_room(void *argument)
{
	int (*room)(int) = (int (*)(int))argument;
	int sum = 0;

	for (int i = 0; i < 5; i++) {
		sum += room(1);
		pause_ms(1);
	}
	return (void *)(long)(sum * 100 + room(0));
}

static void much_late_data(void)
{
	void *room = symbol(open_module("dl_tls_late"), "module_room");
	pthread_t threads[20];
	long sum = 0;

	for (int i = 0; i < 20; i++)
		threads[i] = spawn(use_room, room);
	for (int i = 0; i < 20; i++)
		sum += (long)join(threads[i]);
	say("sum %ld", sum);
}

static void *open_in_thread(void *argument)
{
	void *module = open_module(argument);
	counting constructed = (counting)symbol(module, "module_is_constructed");

	return (void *)(long)constructed();
}

/* MP16, L6: The constructor waits while others want the same module. */
static void constructor(void)
{
	pthread_t threads[4];
	int sum = 0;

	for (int i = 0; i < 4; i++)
		threads[i] = spawn(open_in_thread, "dl_tls_fast");
	for (int i = 0; i < 4; i++)
		sum += (int)(long)join(threads[i]);
	say("constructed for %d", sum);
}

static void say_line(const char *line)
{
	int state;

	/* A line is a write, where the thread must not be cancelled a second time. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	say("%s", line);
	pthread_setcancelstate(state, NULL);
}

static void sleep_long(void)
{
	sleep(100);
}

static void leave(void)
{
	pthread_exit((void *)5L);
}

typedef void (*waiting)(const char *, void (*)(const char *), void (*)(void));
static waiting wait_with_objects;

static void *be_cancelled(void *argument)
{
	wait_with_objects(argument, say_line, sleep_long);
	return argument;
}

static void *exit_there(void *argument)
{
	wait_with_objects(argument, say_line, leave);
	return argument;
}

/* This program is C and not linked with libstdc++: it comes with the module. */
static void objects(void)
{
	wait_with_objects = (waiting)symbol(open_module("dl_objects"), "module_wait");
	pthread_t thread = spawn(be_cancelled, "cancelled");
	pause_ms(40);
	pthread_cancel(thread);
	say("result: %s", join(thread) == PTHREAD_CANCELED ? "PTHREAD_CANCELED" : "something else");
	say("result: %ld", (long)join(spawn(exit_there, "exited")));
}

static int (*throw_number)(int);

static void *throw_there(void *argument)
{
	long same = 0;

	for (int i = 0; i < 5; i++)
		same += throw_number((int)(long)argument) == (int)(long)argument;
	return (void *)same;
}

static void exceptions(void)
{
	pthread_t threads[8];
	long same = 0;

	throw_number = (int (*)(int))symbol(open_module("dl_objects"), "module_throw");
	for (long i = 0; i < 8; i++)
		threads[i] = spawn(throw_there, (void *)i);
	for (int i = 0; i < 8; i++)
		same += (long)join(threads[i]);
	say("caught its own: %ld of 40", same);
}

static void *open_and_close(void *argument)
{
	for (int i = 0; i < 10; i++) {
		void *module = open_module(argument);

		sched_yield();
		dlclose(module);
	}
	return NULL;
}

static void churn(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = spawn(open_and_close, "dl_tls_late");
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("done");
}

static sem_t failed, asked;

static void *own_error(void *argument)
{
	dlopen("/nonexistent/first.so", RTLD_NOW);
	sem_post(&failed);
	sem_wait(&asked);
	const char *message = dlerror();
	say("message: %s", message ? message : "none");
	say("then: %s", dlerror() ? "another" : "none");
	return argument;
}

static void errors(void)
{
	pthread_t thread;

	sem_init(&failed, 0, 0);
	sem_init(&asked, 0, 0);
	thread = spawn(own_error, NULL);
	sem_wait(&failed);
	say("main's: %s", dlerror() ? "another" : "none");
	sem_post(&asked);
	join(thread);
}

/* What a language's foreign-function interface does: libc's own symbols by name. */
static void *call_by_name(void *argument)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	int (*sleep_by_name)(unsigned) = (int (*)(unsigned))symbol(libc, "usleep");
	ssize_t (*read_by_name)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))symbol(libc, "read");
	char byte;

	say("usleep: %d", sleep_by_name(1000));
	say("read: %zd", read_by_name(*(int *)argument, &byte, 1));
	return NULL;
}

/* MP16: a call that is looked up by name */
static void by_name(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t thread = spawn(call_by_name, &pair[0]);
	pause_ms(40);
	write_full(pair[1], "x", 1);
	join(thread);
}

static int see_object(struct dl_phdr_info *info, size_t size, void *argument)
{
	(void)size;
	*(int *)argument += info->dlpi_addr != 0;
	return 0;
}

static void *iterate(void *argument)
{
	int objects = 0;

	dl_iterate_phdr(see_object, &objects);
	return objects > 1 ? argument : NULL;
}

static void iteration(void)
{
	say("objects: %s", join(spawn(iterate, "some")) ? "several" : "none");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "fast_data", fast_data, 2 },
		{ "late_data", late_data, 2 },
		{ "much_late_data", much_late_data, 20 },
		{ "constructor", constructor, 4 },
		{ "objects", objects, 2 },
		{ "exceptions", exceptions, 8 },
		{ "churn", churn, 4 },
		{ "errors", errors, 1 },
		{ "by_name", by_name, 1 },
		{ "iteration", iteration, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
