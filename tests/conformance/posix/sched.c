/* SPDX-License-Identifier: MIT */
/* sched.c - policies, priorities, processors, niceness and names of threads: recorded, read back, refused */
#include "posix.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int stage;
static pid_t other_tid;

static void *linger(void *unused)
{
	other_tid = gettid();
	post(&stage, 1);
	await(&stage, 2);
	return unused;
}

static pthread_t begin_other(void)
{
	pthread_t other;

	stage = 0;
	other = spawn(linger, NULL);
	await(&stage, 1);
	return other;
}

static void end_other(pthread_t other)
{
	post(&stage, 2);
	join(other);
}

static void say_schedule(const char *who, pthread_t thread)
{
	struct sched_param parameters = { .sched_priority = -1 };
	int policy = -1;
	int error = pthread_getschedparam(thread, &policy, &parameters);

	say("%s: %s, policy %d, priority %d", who, error_name(error), policy, parameters.sched_priority);
}

static void set(const char *what, pthread_t thread, int policy, int priority)
{
	struct sched_param parameters = { .sched_priority = priority };

	tell(what, pthread_setschedparam(thread, policy, &parameters));
	say_schedule("then", thread);
}

static void policies_of(pthread_t thread)
{
	say_schedule("at first", thread);
	set("FIFO 10", thread, SCHED_FIFO, 10);
	set("RR 20", thread, SCHED_RR, 20);
	set("FIFO 0", thread, SCHED_FIFO, 0);
	set("FIFO 100", thread, SCHED_FIFO, 100);
	set("FIFO -1", thread, SCHED_FIFO, -1);
	set("OTHER 1", thread, SCHED_OTHER, 1);
	set("BATCH 0", thread, SCHED_BATCH, 0);
	set("IDLE 0", thread, SCHED_IDLE, 0);
	set("OTHER 0", thread, SCHED_OTHER, 0);
	set("no policy", thread, 50, 0);
	set("FIFO 7", thread, SCHED_FIFO, 7);
	tell("priority 9", pthread_setschedprio(thread, 9));
	say_schedule("then", thread);
	tell("priority 0", pthread_setschedprio(thread, 0));
	tell("priority 1000", pthread_setschedprio(thread, 1000));
	say_schedule("then", thread);
	set("OTHER 0", thread, SCHED_OTHER, 0);
	tell("priority 3 of an ordinary one", pthread_setschedprio(thread, 3));
	tell("priority 0 of an ordinary one", pthread_setschedprio(thread, 0));
	say_schedule("in the end", thread);
}

static void own_policy(void)
{
	policies_of(pthread_self());
}

static void others_policy(void)
{
	pthread_t other = begin_other();

	policies_of(other);
	say_schedule("mine", pthread_self());
	end_other(other);
}

static void drop_privileges(void)
{
	struct rlimit none = { 0, 0 };

	tell_result("setrlimit", setrlimit(RLIMIT_RTPRIO, &none));
	tell_result("setresuid", setresuid(65534, 65534, 65534));
}

static void own_policy_unprivileged(void)
{
	drop_privileges();
	policies_of(pthread_self());
}

static void others_policy_unprivileged(void)
{
	pthread_t other = begin_other();

	drop_privileges();
	policies_of(other);
	end_other(other);
}

/* RLIMIT_RTPRIO allows priorities up to it. */
static void priority_limit(void)
{
	struct rlimit some = { 10, 10 };

	tell_result("setrlimit", setrlimit(RLIMIT_RTPRIO, &some));
	tell_result("setresuid", setresuid(65534, 65534, 65534));
	set("FIFO 5", pthread_self(), SCHED_FIFO, 5);
	set("FIFO 10", pthread_self(), SCHED_FIFO, 10);
	set("FIFO 11", pthread_self(), SCHED_FIFO, 11);
	set("OTHER", pthread_self(), SCHED_OTHER, 0);
}

/* --- the same by the kernel's number --- */

static void by_number_of(pid_t tid)
{
	struct sched_param parameters = { .sched_priority = 6 };
	struct timespec interval;

	say("scheduler %d", sched_getscheduler(tid));
	tell_result("RR", sched_setscheduler(tid, SCHED_RR, &parameters));
	say("scheduler %d", sched_getscheduler(tid));
	parameters.sched_priority = 0;
	tell_result("getparam", sched_getparam(tid, &parameters));
	say("priority %d", parameters.sched_priority);
	parameters.sched_priority = 8;
	tell_result("setparam", sched_setparam(tid, &parameters));
	parameters.sched_priority = 0;
	sched_getparam(tid, &parameters);
	say("priority %d", parameters.sched_priority);
	tell_result("interval", sched_rr_get_interval(tid, &interval));
	tell_result("FIFO without a priority", (parameters.sched_priority = 0, sched_setscheduler(tid, SCHED_FIFO, &parameters)));
	tell_result("no policy", sched_setscheduler(tid, 44, &parameters));
	tell_result("OTHER", sched_setscheduler(tid, SCHED_OTHER, &parameters));
	say("scheduler %d", sched_getscheduler(tid));
	tell_result("reset on fork", sched_setscheduler(tid, SCHED_OTHER | SCHED_RESET_ON_FORK, &parameters));
	say("scheduler 0x%x", (unsigned)sched_getscheduler(tid));
}

static void by_number(void)
{
	pthread_t other;

	say("myself:");
	by_number_of(0);
	say("by my own number:");
	by_number_of(gettid());
	other = begin_other();
	say("another:");
	by_number_of(other_tid);
	say_schedule("another", other);
	end_other(other);
	tell_result("no such thread", sched_getscheduler(0x3fffffff));
	tell_result("negative", sched_getscheduler(-1));
}

/* What is set by the one interface is seen by the other. */
static void both_interfaces(void)
{
	struct sched_param parameters = { .sched_priority = 12 };
	pthread_t other = begin_other();

	pthread_setschedparam(other, SCHED_RR, &parameters);
	say("by number: %d", sched_getscheduler(other_tid));
	parameters.sched_priority = 13;
	tell_result("by number", sched_setparam(other_tid, &parameters));
	parameters.sched_priority = 0;
	sched_getparam(other_tid, &parameters);
	say("by number: %d", parameters.sched_priority);
	say("mine: %d", sched_getscheduler(0));
	end_other(other);
	tell_result("of an ended one", sched_getscheduler(other_tid));
}

/* --- processors --- */

static void say_processors(const char *who, pthread_t thread)
{
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	error = pthread_getaffinity_np(thread, sizeof(set), &set);
	say("%s: %s, %d processors, first %d", who, error_name(error), CPU_COUNT(&set), CPU_ISSET(0, &set) != 0);
}

static void processors_of(pthread_t thread)
{
	cpu_set_t set;

	say_processors("at first", thread);
	CPU_ZERO(&set);
	tell("none", pthread_setaffinity_np(thread, sizeof(set), &set));
	CPU_SET(1000, &set);
	tell("one that is not there", pthread_setaffinity_np(thread, sizeof(set), &set));
	say_processors("then", thread);
	CPU_SET(0, &set);
	tell("the first, and one that is not there", pthread_setaffinity_np(thread, sizeof(set), &set));
	say_processors("then", thread);
	memset(&set, 0xff, sizeof(set));
	tell("all", pthread_setaffinity_np(thread, sizeof(set), &set));
	say_processors("then", thread);
	tell("into too small a set", pthread_getaffinity_np(thread, 1, &set));
}

static void processors(void)
{
	pthread_t other = begin_other();
	cpu_set_t set;

	processors_of(pthread_self());
	processors_of(other);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	tell("another on the first", pthread_setaffinity_np(other, sizeof(set), &set));
	say_processors("another", other);
	say_processors("mine", pthread_self());
	end_other(other);
}

static void say_processors_by_number(const char *who, pid_t tid)
{
	cpu_set_t set;
	int result;

	CPU_ZERO(&set);
	result = sched_getaffinity(tid, sizeof(set), &set);
	say("%s: %s, %d processors, first %d", who, outcome(result), CPU_COUNT(&set), CPU_ISSET(0, &set) != 0);
}

static void *look_at_processors(void *unused)
{
	say_processors("a new thread", pthread_self());
	say_processors_by_number("a new thread", 0);
	return unused;
}

static void processors_by_number(void)
{
	pthread_t other = begin_other();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	tell_result("another", sched_setaffinity(other_tid, sizeof(set), &set));
	say_processors_by_number("another", other_tid);
	say_processors("another", other);
	say_processors_by_number("mine", 0);
	tell_result("mine", sched_setaffinity(0, sizeof(set), &set));
	say_processors_by_number("mine", gettid());
	say_processors("mine", pthread_self());
	in_thread(look_at_processors, NULL);
	CPU_ZERO(&set);
	tell_result("none", sched_setaffinity(0, sizeof(set), &set));
	tell_result("no such thread", sched_setaffinity(0x3fffffff, sizeof(set), &set));
	end_other(other);
	say("where I run: %d", sched_getcpu());
}

/* --- niceness is the thread's on Linux --- */

static int nice_of(pid_t tid)
{
	return getpriority(PRIO_PROCESS, (id_t)tid);
}

static void *become_nice(void *unused)
{
	say("at first %d", nice_of(0));
	tell_result("nice", nice(5) == 5 ? 0 : -1);
	say("then %d, by number %d", nice_of(0), nice_of(gettid()));
	tell_result("setpriority", setpriority(PRIO_PROCESS, 0, 7));
	say("then %d", nice_of(0));
	return unused;
}

static void *look_nice(void *unused)
{
	say("inherited %d", nice_of(0));
	return unused;
}

static void niceness(void)
{
	pthread_t other = begin_other();

	in_thread(become_nice, NULL);
	say("mine %d, another's %d", nice_of(0), nice_of(other_tid));
	tell_result("another", setpriority(PRIO_PROCESS, (id_t)other_tid, 3));
	say("mine %d, another's %d", nice_of(0), nice_of(other_tid));
	tell_result("mine", setpriority(PRIO_PROCESS, 0, 4));
	in_thread(look_nice, NULL);
	tell_result("far too much", setpriority(PRIO_PROCESS, 0, 400));
	say("mine %d", nice_of(0));
	end_other(other);
	errno = 0;
	nice_of(0x3fffffff);
	say("no such thread: %s", error_name(errno));
	tell_result("no such thread", setpriority(PRIO_PROCESS, 0x3fffffff, 1));
	tell_result("no such kind", setpriority(77, 0, 1));
}

static void niceness_unprivileged(void)
{
	drop_privileges();
	tell_result("up", setpriority(PRIO_PROCESS, 0, 5));
	tell_result("down", setpriority(PRIO_PROCESS, 0, 0));
	say("mine %d", nice_of(0));
	errno = 0;
	int lower = nice(-3);

	say("nice: %d, %s", lower, error_name(errno));
}

/* --- names --- */

static void names(void)
{
	pthread_t other = begin_other();
	char name[16] = "";

	tell("another", pthread_setname_np(other, "another"));
	tell("get", pthread_getname_np(other, name, sizeof(name)));
	say("%s", name);
	pthread_getname_np(pthread_self(), name, sizeof(name));
	tell_truth("mine is another", strcmp(name, "another"));
	end_other(other);
}

/* --- concurrency and yield --- */

static void concurrency(void)
{
	say("level %d", pthread_getconcurrency());
	tell("set", pthread_setconcurrency(4));
	say("level %d", pthread_getconcurrency());
	tell("negative", pthread_setconcurrency(-1));
	tell_result("yield", sched_yield());
}

static int turn;

static void *alternate(void *argument)
{
	int self = (int)(long)argument;

	for (int i = 0; i < 100; i++) {
		while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) % 2 != self)
			sched_yield();
		__atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void yields(void)
{
	pthread_t one = spawn(alternate, (void *)0L), two = spawn(alternate, (void *)1L);

	join(one);
	join(two);
	say("turns %d", turn);
}

/* A real-time policy set and given back leaves the process as it was: what a child inherits tells. */
static void child_inherits(void)
{
	struct sched_param parameters = { .sched_priority = 3 };
	pid_t pid;

	tell("FIFO", pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters));
	pid = fork();
	if (pid == 0) {
		say("child: policy %d", sched_getscheduler(0));
		say_schedule("child", pthread_self());
		_exit(0);
	}
	reap("child", pid);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "own_policy", .run = own_policy },
		{ .name = "others_policy", .run = others_policy },
		{ .name = "own_policy_unprivileged", .run = own_policy_unprivileged },
		{ .name = "others_policy_unprivileged", .run = others_policy_unprivileged },
		{ .name = "priority_limit", .run = priority_limit },
		{ .name = "by_number", .run = by_number },
		{ .name = "both_interfaces", .run = both_interfaces },
		{ .name = "processors", .run = processors },
		{ .name = "processors_by_number", .run = processors_by_number },
		{ .name = "niceness", .run = niceness },
		{ .name = "niceness_unprivileged", .run = niceness_unprivileged },
		{ .name = "names", .run = names },
		{ .name = "concurrency", .run = concurrency },
		{ .name = "yields", .run = yields },
		{ .name = "child_inherits", .run = child_inherits },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
