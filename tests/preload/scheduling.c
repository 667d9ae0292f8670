/* SPDX-License-Identifier: MIT */
/* scheduling.c - policy, priority and processors, which each thread has for itself */
#include "plain.h"

#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the kernel has it; libc's header may or may not declare it. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t rest[4];
};

static sem_t ready, go;
static pid_t other;

static void say_own(const char *who)
{
	struct attributes attributes = { 0 };
	long result = syscall(SYS_sched_getattr, gettid(), &attributes, sizeof(attributes), 0);
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	say("%s: %s, policy %u, nice %d, getpriority %d, first processor %d", who, outcome(result), attributes.policy,
	    attributes.nice, getpriority(PRIO_PROCESS, 0), CPU_ISSET(0, &set) != 0);
}

static void *lower(void *argument)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	say("setaffinity: %s", outcome(sched_setaffinity(0, sizeof(set), &set)));
	say("nice: %d", nice(3));
	say("setscheduler: %s", outcome(sched_setscheduler(gettid(), SCHED_BATCH, &(struct sched_param) { 0 })));
	say_own("lowered");
	sched_getaffinity(gettid(), sizeof(set), &set);
	say("processors: %d", CPU_COUNT(&set));
	return argument;
}

static void of_one_thread(void)
{
	cpu_set_t before, after;

	sched_getaffinity(0, sizeof(before), &before);
	join(spawn(lower, NULL));
	say_own("main");
	sched_getaffinity(0, sizeof(after), &after);
	say("main keeps its processors: %d", CPU_EQUAL(&before, &after));
}

/* What a pool does that gives its workers the settings of whoever made it. */
static void *take_over(void *argument)
{
	say("setattr: %s", outcome(syscall(SYS_sched_setattr, (pid_t)syscall(SYS_gettid), argument, 0)));
	say_own("worker");
	return NULL;
}

static void handed_on(void)
{
	struct attributes attributes = { 0 };

	say("getattr: %s", outcome(syscall(SYS_sched_getattr, gettid(), &attributes, sizeof(attributes), 0)));
	attributes.nice = 5;
	join(spawn(take_over, &attributes));
	say_own("main");
}

static void *stay(void *argument)
{
	other = gettid();
	sem_post(&ready);
	sem_wait(&go);
	say_own("other");
	return argument;
}

static void of_another(void)
{
	struct sched_param parameters = { 0 };
	pthread_t thread;
	int policy;

	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	thread = spawn(stay, NULL);
	sem_wait(&ready);
	say("setpriority: %s", outcome(setpriority(PRIO_PROCESS, (id_t)other, 7)));
	say("getpriority: %d", getpriority(PRIO_PROCESS, (id_t)other));
	say("setschedparam: %s", error_name(pthread_setschedparam(thread, SCHED_BATCH, &parameters)));
	say("getschedparam: %s", error_name(pthread_getschedparam(thread, &policy, &parameters)));
	say("policy: %d, %d", policy, sched_getscheduler(other));
	say("setschedprio: %s", error_name(pthread_setschedprio(thread, 0)));
	say("setschedprio: %s", error_name(pthread_setschedprio(thread, 1)));
	say("getparam: %s", outcome(sched_getparam(other, &parameters)));
	say("main's own: %d", sched_getscheduler(0));
	sem_post(&go);
	join(thread);
	pause_ms(50); /* the kernel lets go of the id a little later */
	say("a thread that has ended: %s", outcome(sched_setscheduler(other, SCHED_OTHER, &parameters)));
}

static void *child_of_child(void *argument)
{
	say_own("its child");
	return argument;
}

static void *with_children(void *argument)
{
	nice(4);
	join(spawn(child_of_child, NULL));
	pid_t pid = fork();

	if (pid == 0) {
		say_own("its process");
		_exit(0);
	}
	reap("its process", pid);
	return argument;
}

static void inherited(void)
{
	join(spawn(with_children, NULL));
	say_own("main");
}

static void *say_policy(void *argument)
{
	struct sched_param parameters;
	int policy;

	pthread_getschedparam(pthread_self(), &policy, &parameters);
	say("policy %d, priority %d", policy, parameters.sched_priority);
	return argument;
}

static void by_attributes(void)
{
	struct sched_param parameters = { 0 };
	pthread_attr_t attributes;
	pthread_t thread;
	cpu_set_t none;
	int error;

	join(spawn(say_policy, NULL));
	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, SCHED_RR);
	parameters.sched_priority = 2;
	pthread_attr_setschedparam(&attributes, &parameters);
	error = pthread_create(&thread, &attributes, say_policy, NULL);
	if (!error)
		join(thread);
	say("round robin: %s", error_name(error));
	CPU_ZERO(&none);
	pthread_attr_setaffinity_np(&attributes, sizeof(none), &none);
	pthread_attr_setinheritsched(&attributes, PTHREAD_INHERIT_SCHED);
	error = pthread_create(&thread, &attributes, say_policy, NULL);
	if (!error)
		join(thread);
	say("no processors: %s", error_name(error));
}

static void *ask_nonsense(void *argument)
{
	struct sched_param parameters = { .sched_priority = 5 };
	cpu_set_t set;

	CPU_ZERO(&set);
	say("no processors: %s", outcome(sched_setaffinity(0, sizeof(set), &set)));
	say("too small a set: %s", outcome(sched_getaffinity(0, 1, &set)));
	say("a priority for nothing: %s", outcome(sched_setscheduler(0, SCHED_OTHER, &parameters)));
	say("no such policy: %s", outcome(sched_setscheduler(0, 77, &parameters)));
	say("no such thread: %s", outcome(sched_getscheduler(0x3ffffff0)));
	say("no such kind: %s", outcome(setpriority(77, 0, 1)));
	return argument;
}

static void refused(void)
{
	join(spawn(ask_nonsense, NULL));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "of_one_thread", of_one_thread, 1 },
		{ "handed_on", handed_on, 1 },
		{ "of_another", of_another, 1 },
		{ "inherited", inherited, 2 },
		{ "by_attributes", by_attributes, 1 },
		{ "refused", refused, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
