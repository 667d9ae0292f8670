/* SPDX-License-Identifier: MIT */
/* attributes.c - thread attributes by themselves: what they hold at first, what they take, what they refuse */
#include "posix.h"

#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pthread_attr_t attributes;

static void say_all(void)
{
	struct sched_param parameters;
	int detached, inherit, policy, scope;
	size_t guard, size;
	void *low;

	pthread_attr_getdetachstate(&attributes, &detached);
	pthread_attr_getinheritsched(&attributes, &inherit);
	pthread_attr_getschedpolicy(&attributes, &policy);
	pthread_attr_getschedparam(&attributes, &parameters);
	pthread_attr_getscope(&attributes, &scope);
	pthread_attr_getguardsize(&attributes, &guard);
	pthread_attr_getstacksize(&attributes, &size);
	pthread_attr_getstack(&attributes, &low, &size);
	say("detached %d, inherit %d, policy %d, priority %d, scope %d", detached, inherit, policy, parameters.sched_priority, scope);
	say("guard %zu, stack %zu", guard, size);
}

static void first_values(void)
{
	tell("init", pthread_attr_init(&attributes));
	say_all();
	tell("destroy", pthread_attr_destroy(&attributes));
}

static void detach_state(void)
{
	pthread_attr_init(&attributes);
	tell("detached", pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED));
	tell("another value", pthread_attr_setdetachstate(&attributes, 7));
	say_all();
	tell("joinable", pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_JOINABLE));
	say_all();
}

static void scheduling(void)
{
	struct sched_param parameters = { .sched_priority = 10 };

	pthread_attr_init(&attributes);
	tell("explicit", pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED));
	tell("another value", pthread_attr_setinheritsched(&attributes, 9));
	tell("priority for SCHED_OTHER", pthread_attr_setschedparam(&attributes, &parameters));
	tell("SCHED_FIFO", pthread_attr_setschedpolicy(&attributes, SCHED_FIFO));
	tell("SCHED_BATCH", pthread_attr_setschedpolicy(&attributes, SCHED_BATCH));
	tell("another policy", pthread_attr_setschedpolicy(&attributes, 99));
	tell("priority", pthread_attr_setschedparam(&attributes, &parameters));
	parameters.sched_priority = 1000;
	tell("priority out of range", pthread_attr_setschedparam(&attributes, &parameters));
	say_all();
	tell("SCHED_RR", pthread_attr_setschedpolicy(&attributes, SCHED_RR));
	say_all();
	tell("process scope", pthread_attr_setscope(&attributes, PTHREAD_SCOPE_PROCESS));
	tell("system scope", pthread_attr_setscope(&attributes, PTHREAD_SCOPE_SYSTEM));
	tell("another scope", pthread_attr_setscope(&attributes, 5));
}

static void stacks(void)
{
	char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t size;
	void *low;

	pthread_attr_init(&attributes);
	tell("size 0", pthread_attr_setstacksize(&attributes, 0));
	tell("too small", pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN - 1));
	tell("smallest", pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN));
	tell("odd size", pthread_attr_setstacksize(&attributes, 100001));
	pthread_attr_getstacksize(&attributes, &size);
	say("size %zu", size);
	tell("stack too small", pthread_attr_setstack(&attributes, memory, 1000));
	tell("stack", pthread_attr_setstack(&attributes, memory, 1 << 20));
	pthread_attr_getstack(&attributes, &low, &size);
	say("kept: %s, size %zu", low == memory ? "yes" : "no", size);
	tell("guard", pthread_attr_setguardsize(&attributes, 0));
	tell("guard", pthread_attr_setguardsize(&attributes, 12345));
	pthread_attr_getguardsize(&attributes, &size);
	say("guard %zu", size);
	say_all();
}

/* The old pair, which knows the end of the stack only; called by their names, for the header frowns upon them. */
static void *use_some(void *argument)
{
	char *end = argument;
	char local = 1;

	tell_truth("a local lies below the given address", &local < end && &local > end - (1 << 20));
	return NULL;
}

static void stack_address(void)
{
	int (*set)(pthread_attr_t *, void *) = (int (*)(pthread_attr_t *, void *))dlsym(RTLD_DEFAULT, "pthread_attr_setstackaddr");
	char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	must(set != NULL, "pthread_attr_setstackaddr");
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 1 << 20);
	tell("setstackaddr", set(&attributes, memory + (1 << 20)));
	must(pthread_create(&thread, &attributes, use_some, memory + (1 << 20)) == 0, "pthread_create");
	join(thread);
}

static void masks_and_processors(void)
{
	sigset_t mask;
	cpu_set_t set;

	pthread_attr_init(&attributes);
	say("mask: %d", pthread_attr_getsigmask_np(&attributes, &mask));
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	tell("setsigmask", pthread_attr_setsigmask_np(&attributes, &mask));
	sigemptyset(&mask);
	say("mask: %d, SIGUSR1 %d, SIGUSR2 %d", pthread_attr_getsigmask_np(&attributes, &mask),
		sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2));
	tell("no mask", pthread_attr_setsigmask_np(&attributes, NULL));
	say("mask: %d", pthread_attr_getsigmask_np(&attributes, &mask));
	CPU_ZERO(&set);
	tell("getaffinity", pthread_attr_getaffinity_np(&attributes, sizeof(set), &set));
	say("processors %d", CPU_COUNT(&set));
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	tell("setaffinity", pthread_attr_setaffinity_np(&attributes, sizeof(set), &set));
	CPU_ZERO(&set);
	tell("getaffinity", pthread_attr_getaffinity_np(&attributes, sizeof(set), &set));
	say("processors %d", CPU_COUNT(&set));
	tell("getaffinity of too few bytes", (pthread_attr_setaffinity_np(&attributes, sizeof(set), &set),
		pthread_attr_getaffinity_np(&attributes, 0, &set)));
	tell("destroy", pthread_attr_destroy(&attributes));
}

/* --- the limit of the stack is the default size, as it was when the program started --- */

static void *nothing(void *argument)
{
	return argument;
}

static void *say_own_size(void *argument)
{
	pthread_attr_t own;
	size_t size, guard;

	pthread_getattr_np(pthread_self(), &own);
	pthread_attr_getstacksize(&own, &size);
	pthread_attr_getguardsize(&own, &guard);
	say("size %zu, guard %zu", size, guard);
	pthread_attr_destroy(&own);
	return argument;
}

static void limit_of_the_stack(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_STACK, &limit);
	in_thread(say_own_size, NULL);
	limit.rlim_cur = 2 << 20;
	tell_result("setrlimit", setrlimit(RLIMIT_STACK, &limit));
	in_thread(say_own_size, NULL);
	in_thread(nothing, NULL);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "first_values", .run = first_values },
		{ .name = "detach_state", .run = detach_state },
		{ .name = "scheduling", .run = scheduling },
		{ .name = "stacks", .run = stacks },
		{ .name = "stack_address", .run = stack_address },
		{ .name = "masks_and_processors", .run = masks_and_processors },
		{ .name = "limit_of_the_stack", .run = limit_of_the_stack },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
