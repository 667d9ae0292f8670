/* SPDX-License-Identifier: MIT */
/* defaults.c - the attributes of threads that are created without any */
#include "posix.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pthread_attr_t defaults;

static void *look(void *unused)
{
	struct sched_param parameters;
	pthread_attr_t own;
	size_t size, guard;
	sigset_t mask;
	cpu_set_t set;
	int policy;

	pthread_getattr_np(pthread_self(), &own);
	pthread_attr_getstacksize(&own, &size);
	pthread_attr_getguardsize(&own, &guard);
	pthread_getschedparam(pthread_self(), &policy, &parameters);
	pthread_getaffinity_np(pthread_self(), sizeof(set), &set);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	say("size %zu, guard %zu, policy %d, priority %d, processors %d, USR1 %d", size, guard, policy,
		parameters.sched_priority, CPU_COUNT(&set), sigismember(&mask, SIGUSR1));
	pthread_attr_destroy(&own);
	return unused;
}

static void say_defaults(void)
{
	struct sched_param parameters;
	size_t size, guard;
	int state, policy, inherit;

	tell("get", pthread_getattr_default_np(&defaults));
	pthread_attr_getstacksize(&defaults, &size);
	pthread_attr_getguardsize(&defaults, &guard);
	pthread_attr_getdetachstate(&defaults, &state);
	pthread_attr_getschedpolicy(&defaults, &policy);
	pthread_attr_getinheritsched(&defaults, &inherit);
	pthread_attr_getschedparam(&defaults, &parameters);
	say("size %zu, guard %zu, detached %d, policy %d, inherit %d, priority %d", size, guard, state, policy, inherit,
		parameters.sched_priority);
}

static void first_values(void)
{
	say_defaults();
	in_thread(look, NULL);
}

static void sizes(void)
{
	pthread_attr_init(&defaults);
	tell("size", pthread_attr_setstacksize(&defaults, 1 << 20));
	tell("guard", pthread_attr_setguardsize(&defaults, 16384));
	tell("set", pthread_setattr_default_np(&defaults));
	say_defaults();
	in_thread(look, NULL);
	pthread_attr_init(&defaults);
	tell("set", pthread_setattr_default_np(&defaults));
	say_defaults();
	in_thread(look, NULL);
}

static int done;

static void *finish(void *unused)
{
	pthread_attr_t own;
	int state;

	pthread_getattr_np(pthread_self(), &own);
	pthread_attr_getdetachstate(&own, &state);
	say("detached %d", state);
	post(&done, 1);
	return unused;
}

static void detached(void)
{
	pthread_t thread;

	pthread_attr_init(&defaults);
	pthread_attr_setdetachstate(&defaults, PTHREAD_CREATE_DETACHED);
	tell("set", pthread_setattr_default_np(&defaults));
	must(pthread_create(&thread, NULL, finish, NULL) == 0, "pthread_create");
	await(&done, 1);
	pause_ms(10);
	pthread_attr_init(&defaults);
	pthread_attr_getstacksize(&defaults, &(size_t){ 0 });
	say_defaults();
}

static void scheduling(void)
{
	struct sched_param parameters = { .sched_priority = 3 };
	pthread_t thread;
	int error;

	pthread_attr_init(&defaults);
	pthread_attr_setinheritsched(&defaults, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&defaults, SCHED_FIFO);
	pthread_attr_setschedparam(&defaults, &parameters);
	tell("set", pthread_setattr_default_np(&defaults));
	say_defaults();
	error = pthread_create(&thread, NULL, look, NULL);
	if (!error)
		join(thread);
	tell("create", error);
}

static void processors(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	pthread_attr_init(&defaults);
	tell("affinity", pthread_attr_setaffinity_np(&defaults, sizeof(set), &set));
	tell("set", pthread_setattr_default_np(&defaults));
	in_thread(look, NULL);
}

static void mask(void)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	pthread_attr_init(&defaults);
	tell("mask", pthread_attr_setsigmask_np(&defaults, &blocked));
	tell("set", pthread_setattr_default_np(&defaults));
	in_thread(look, NULL);
}

static void refused(void)
{
	char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	pthread_attr_init(&defaults);
	pthread_attr_setstack(&defaults, memory, 1 << 20);
	tell("set with a stack", pthread_setattr_default_np(&defaults));
	say_defaults();
	in_thread(look, NULL);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "first_values", .run = first_values },
		{ .name = "sizes", .run = sizes },
		{ .name = "detached", .run = detached },
		{ .name = "scheduling", .run = scheduling },
		{ .name = "processors", .run = processors },
		{ .name = "mask", .run = mask },
		{ .name = "refused", .run = refused },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
