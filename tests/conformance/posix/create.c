/* SPDX-License-Identifier: MIT */
/* create.c - pthread_create with every attribute, what the new thread inherits, and when it is refused */
#include "posix.h"

#include <fenv.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pthread_attr_t attributes;

static int create_with(void *(*body)(void *), void *argument, void **result)
{
	pthread_t thread;
	int error = pthread_create(&thread, &attributes, body, argument);

	*result = NULL;
	if (!error)
		*result = join(thread);
	return error;
}

static void *give_back(void *argument)
{
	return argument;
}

static void results(void)
{
	void *result = NULL;

	say("%ld", (long)in_thread(give_back, (void *)12345L));
	say("%ld", (long)in_thread(give_back, NULL));
	say("%ld", (long)in_thread(give_back, (void *)-1L));
	pthread_attr_init(&attributes);
	tell("create", create_with(give_back, (void *)7L, &result));
	say("%ld", (long)result);
}

/* --- stacks --- */

struct stack {
	void *low;
	size_t size;
};

static void *look_at_stack(void *argument)
{
	struct stack *given = argument;
	pthread_attr_t own;
	size_t size, guard;
	int detached, local;
	void *low;

	tell("getattr", pthread_getattr_np(pthread_self(), &own));
	pthread_attr_getstack(&own, &low, &size);
	pthread_attr_getguardsize(&own, &guard);
	pthread_attr_getdetachstate(&own, &detached);
	if (given->low) {
		tell_truth("reported stack is the given one", low == given->low && size == given->size);
		tell_truth("a local is in it", (char *)&local >= (char *)low && (char *)&local < (char *)low + size);
	}
	say("size %zu, guard %zu, detached %d", size, guard, detached);
	tell_truth("a local is in the reported stack", (uintptr_t)&local - (uintptr_t)low < size);
	pthread_attr_destroy(&own);
	return NULL;
}

static void stack_of_size(size_t size, size_t guard)
{
	struct stack given = { NULL, size };
	void *result;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, size);
	pthread_attr_setguardsize(&attributes, guard);
	say("size %zu, guard %zu:", size, guard);
	tell("create", create_with(look_at_stack, &given, &result));
	pthread_attr_destroy(&attributes);
}

static void sizes(void)
{
	stack_of_size(64 << 10, 4096);
	stack_of_size(100001, 4096);
	stack_of_size(1 << 20, 4096);
	stack_of_size(64 << 20, 4096);
	stack_of_size((size_t)1 << 30, 4096);
}

static void guards(void)
{
	stack_of_size(256 << 10, 0);
	stack_of_size(256 << 10, 1);
	stack_of_size(256 << 10, 4096);
	stack_of_size(256 << 10, 8192);
	stack_of_size(256 << 10, 65536);
	stack_of_size(256 << 10, 100000);
	stack_of_size(256 << 10, 250 << 10);
	stack_of_size(256 << 10, 256 << 10);
	stack_of_size(256 << 10, 1 << 20);
}

static void given_stacks(void)
{
	static const size_t sizes[] = { 16384, 65536, 1 << 20 };

	for (int i = 0; i < 3; i++) {
		char *memory = mmap(NULL, sizes[i], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct stack given = { memory, sizes[i] };
		void *result;

		memset(memory, 0, sizes[i]);
		pthread_attr_init(&attributes);
		tell("setstack", pthread_attr_setstack(&attributes, memory, sizes[i]));
		if (sizes[i] > 20000) {
			tell("create", create_with(look_at_stack, &given, &result));
			tell("again on the same stack", create_with(look_at_stack, &given, &result));
		} else {
			tell("create", create_with(give_back, &given, &result));
		}
		pthread_attr_destroy(&attributes);
		tell_result("still ours", munmap(memory, sizes[i]));
	}
}

/* What lies below a given stack stays as it is: no guard is put there. */
static void around_given_stack(void)
{
	char *memory = mmap(NULL, 512 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stack given = { memory + (128 << 10), 256 << 10 };
	void *result;
	int kept = 0;

	memset(memory, 0x77, 512 << 10);
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, given.low, given.size);
	tell("create", create_with(look_at_stack, &given, &result));
	for (int i = 0; i < 128 << 10; i++)
		kept += memory[i] == 0x77 && memory[(384 << 10) + i] == 0x77;
	say("kept %d", kept);
}

static void *use_stack(void *argument)
{
	size_t size = (size_t)argument;
	char *room = __builtin_alloca(size);

	memset(room, 1, size);
	return (void *)(room[size / 2] == 1 ? size : 0);
}

/* As much of the size asked for as can be natively: all but what libc keeps at the top. */
static void usable_size(void)
{
	static const size_t sizes[] = { 64 << 10, 256 << 10, 1 << 20, 8 << 20 };
	void *result;

	for (int i = 0; i < 4; i++) {
		pthread_attr_init(&attributes);
		pthread_attr_setstacksize(&attributes, sizes[i]);
		tell("create", create_with(use_stack, (void *)(sizes[i] - (28 << 10)), &result));
		say("used %zu", (size_t)result);
	}
}

static void *look_at_main(void *main_thread)
{
	pthread_attr_t seen;
	size_t size;
	void *low;

	tell("getattr of main", pthread_getattr_np(*(pthread_t *)main_thread, &seen));
	pthread_attr_getstack(&seen, &low, &size);
	tell_truth("it has a stack", low && size > 100000);
	return NULL;
}

static int stage;

static void *linger(void *argument)
{
	post(&stage, 1);
	await(&stage, 2);
	return argument;
}

static void attributes_of_others(void)
{
	pthread_t self = pthread_self(), other;
	pthread_attr_t seen;
	size_t size, guard;
	int state;

	in_thread(look_at_main, &self);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 300000);
	pthread_attr_setguardsize(&attributes, 8192);
	pthread_create(&other, &attributes, linger, NULL);
	await(&stage, 1);
	tell("getattr of another", pthread_getattr_np(other, &seen));
	pthread_attr_getstacksize(&seen, &size);
	pthread_attr_getguardsize(&seen, &guard);
	pthread_attr_getdetachstate(&seen, &state);
	say("size %zu, guard %zu, detached %d", size, guard, state);
	pthread_attr_destroy(&seen);
	pthread_detach(other);
	tell("getattr of another", pthread_getattr_np(other, &seen));
	pthread_attr_getdetachstate(&seen, &state);
	say("detached %d", state);
	pthread_attr_destroy(&seen);
	post(&stage, 2);
}

/* --- detached --- */

static int done;

static void *count_done(void *argument)
{
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	return argument;
}

static void detached(void)
{
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 100; i++)
		must(pthread_create(&thread, &attributes, count_done, NULL) == 0, "pthread_create");
	await(&done, 100);
	say("done %d", done);
}

static void *look_detached(void *unused)
{
	pthread_attr_t own;
	int state;

	pthread_getattr_np(pthread_self(), &own);
	pthread_attr_getdetachstate(&own, &state);
	say("detached %d", state);
	tell("detach", pthread_detach(pthread_self()));
	tell("join of itself", pthread_join(pthread_self(), NULL));
	post(&stage, 1);
	return unused;
}

static void detached_from_birth(void)
{
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	must(pthread_create(&thread, &attributes, look_detached, NULL) == 0, "pthread_create");
	await(&stage, 1);
	pause_ms(10);
}

/* --- what is inherited --- */

static void *look_at_mask(void *unused)
{
	sigset_t mask, pending;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	sigpending(&pending);
	say("USR1 %d, USR2 %d, TERM %d, pending USR1 %d", sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2),
		sigismember(&mask, SIGTERM), sigismember(&pending, SIGUSR1));
	return unused;
}

static void signal_masks(void)
{
	sigset_t mask;
	void *result;

	in_thread(look_at_mask, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	look_at_mask(NULL);
	in_thread(look_at_mask, NULL);
	pthread_attr_init(&attributes);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	pthread_attr_setsigmask_np(&attributes, &mask);
	tell("create", create_with(look_at_mask, NULL, &result));
	look_at_mask(NULL);
}

static void *look_at_rounding(void *unused)
{
	say("rounding %s", fegetround() == FE_UPWARD ? "up" : fegetround() == FE_TONEAREST ? "to nearest" : "other");
	say("exceptions %d", fetestexcept(FE_ALL_EXCEPT) != 0);
	fesetround(FE_DOWNWARD);
	return unused;
}

/* The floating-point environment of the creator is the new thread's. */
static void floating_point(void)
{
	fesetround(FE_UPWARD);
	in_thread(look_at_rounding, NULL);
	say("mine is %s", fegetround() == FE_UPWARD ? "up" : "other");
	fesetround(FE_TONEAREST);
	in_thread(look_at_rounding, NULL);
}

static void *look_at_errno(void *unused)
{
	say("errno %d", errno);
	errno = 77;
	return unused;
}

static void own_errno(void)
{
	errno = 33;
	pthread_t thread = spawn(look_at_errno, NULL);

	pthread_join(thread, NULL);
	/* spawn sets errno itself. */
	say("mine %d", errno);
}

static void *look_at_cancel(void *unused)
{
	int state, type;

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
	say("%s, %s", state == PTHREAD_CANCEL_ENABLE ? "enabled" : "disabled", type == PTHREAD_CANCEL_DEFERRED ? "deferred" : "asynchronous");
	return unused;
}

/* Cancel state and type are not. */
static void cancel_state(void)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	in_thread(look_at_cancel, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old);
	say("mine was %s", old == PTHREAD_CANCEL_ASYNCHRONOUS ? "asynchronous" : "deferred");
}

static __thread int counted = 5;
static __thread char zeroed[10000];

static void *look_at_tls(void *unused)
{
	int zeros = 0;

	for (size_t i = 0; i < sizeof(zeroed); i++)
		zeros += zeroed[i] == 0;
	say("counted %d, zeros %d, aligned %d", counted, zeros, (uintptr_t)&counted % 4 == 0);
	counted = 9;
	memset(zeroed, 1, sizeof(zeroed));
	return unused;
}

static void thread_local_storage(void)
{
	counted = 6;
	for (int i = 0; i < 4; i++)
		in_thread(look_at_tls, NULL);
	say("mine %d", counted);
}

static void *look_at_locale(void *unused)
{
	tell_truth("global locale", uselocale(NULL) == LC_GLOBAL_LOCALE);
	uselocale(newlocale(LC_ALL_MASK, "C", NULL));
	return unused;
}

static void locale_of_thread(void)
{
	locale_t own = newlocale(LC_ALL_MASK, "C", NULL);

	uselocale(own);
	in_thread(look_at_locale, NULL);
	in_thread(look_at_locale, NULL);
	tell_truth("mine is kept", uselocale(NULL) == own);
	uselocale(LC_GLOBAL_LOCALE);
}

/* --- scheduling and processors --- */

static void *look_at_schedule(void *unused)
{
	struct sched_param parameters;
	int policy;

	tell("getschedparam", pthread_getschedparam(pthread_self(), &policy, &parameters));
	say("policy %d, priority %d, by number %d", policy, parameters.sched_priority, sched_getscheduler(0));
	return unused;
}

static void create_scheduled(int inherit, int policy, int priority)
{
	struct sched_param parameters = { .sched_priority = priority };
	void *result;

	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, inherit);
	pthread_attr_setschedpolicy(&attributes, policy);
	pthread_attr_setschedparam(&attributes, &parameters);
	tell("create", create_with(look_at_schedule, NULL, &result));
}

static void scheduled(void)
{
	create_scheduled(PTHREAD_EXPLICIT_SCHED, SCHED_OTHER, 0);
	create_scheduled(PTHREAD_EXPLICIT_SCHED, SCHED_FIFO, 5);
	create_scheduled(PTHREAD_EXPLICIT_SCHED, SCHED_RR, 6);
	create_scheduled(PTHREAD_INHERIT_SCHED, SCHED_FIFO, 7);
	look_at_schedule(NULL);
}

/* Natively a real-time thread can be made by root alone. */
static void scheduled_unprivileged(void)
{
	struct rlimit none = { 0, 0 };

	tell_result("setrlimit", setrlimit(RLIMIT_RTPRIO, &none));
	tell_result("setresuid", setresuid(65534, 65534, 65534));
	scheduled();
}

static void *inherit_schedule(void *unused)
{
	struct sched_param parameters = { .sched_priority = 4 };

	tell("setschedparam", pthread_setschedparam(pthread_self(), SCHED_RR, &parameters));
	look_at_schedule(NULL);
	in_thread(look_at_schedule, NULL);
	create_scheduled(PTHREAD_EXPLICIT_SCHED, SCHED_OTHER, 0);
	return unused;
}

static void schedule_inherited(void)
{
	in_thread(inherit_schedule, NULL);
	look_at_schedule(NULL);
}

static void *look_at_processors(void *unused)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	tell("getaffinity", pthread_getaffinity_np(pthread_self(), sizeof(set), &set));
	say("processors %d, first %d", CPU_COUNT(&set), CPU_ISSET(0, &set));
	CPU_ZERO(&set);
	tell_result("sched_getaffinity", sched_getaffinity(0, sizeof(set), &set));
	say("processors %d, first %d", CPU_COUNT(&set), CPU_ISSET(0, &set));
	return unused;
}

static void processors(void)
{
	cpu_set_t set;
	void *result;

	look_at_processors(NULL);
	pthread_attr_init(&attributes);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	pthread_attr_setaffinity_np(&attributes, sizeof(set), &set);
	tell("create", create_with(look_at_processors, NULL, &result));
	CPU_ZERO(&set);
	CPU_SET(1000, &set);
	pthread_attr_setaffinity_np(&attributes, sizeof(set), &set);
	tell("create on a processor that is not there", create_with(look_at_processors, NULL, &result));
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	tell("setaffinity", pthread_setaffinity_np(pthread_self(), sizeof(set), &set));
	in_thread(look_at_processors, NULL);
}

/* --- refused --- */

static void too_large(void)
{
	pthread_t thread;
	double since = now();

	pthread_attr_init(&attributes);
	tell("setstacksize", pthread_attr_setstacksize(&attributes, (size_t)1 << 46));
	tell("create", pthread_create(&thread, &attributes, give_back, NULL));
	tell("setstacksize", pthread_attr_setstacksize(&attributes, (size_t)1 << 62));
	tell("create", pthread_create(&thread, &attributes, give_back, NULL));
	tell_in_time("refused", since, 0);
	pthread_attr_setstacksize(&attributes, 1 << 20);
	tell("create", pthread_create(&thread, &attributes, give_back, (void *)4L));
	say("result %ld", (long)join(thread));
}

static void *wait_for_end(void *argument)
{
	await(&stage, 9);
	return argument;
}

/* An address space that is used up refuses threads, and gives room again when some have ended. */
static void address_space(void)
{
	struct rlimit limit;
	pthread_t threads[64];
	int count = 0, error = 0;
	double since;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = (rlim_t)1 << 30;
	tell_result("setrlimit", setrlimit(RLIMIT_AS, &limit));
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 20);
	while (count < 64 && !error) {
		since = now();
		error = pthread_create(&threads[count], &attributes, wait_for_end, NULL);
		count += !error;
	}
	tell_in_time("refused", since, 0);
	tell("in the end", error);
	tell_truth("some were made", count > 5 && count < 17);
	post(&stage, 9);
	for (int i = 0; i < count; i++)
		join(threads[i]);
	tell("once more", pthread_create(&threads[0], &attributes, give_back, NULL));
	join(threads[0]);
}

/* The kernel's limit of threads of one user, whom root's privilege does not exempt. */
static void limit_of_threads(void)
{
	struct rlimit limit = { 6, 6 };
	pthread_t threads[64];
	int count = 0, error = 0;

	tell_result("setresuid", setresuid(63210, 63210, 63210));
	tell("before there is a limit", pthread_create(&threads[0], NULL, give_back, NULL));
	join(threads[0]);
	tell_result("setrlimit", setrlimit(RLIMIT_NPROC, &limit));
	while (count < 64 && !error) {
		error = pthread_create(&threads[count], NULL, wait_for_end, NULL);
		count += !error;
	}
	tell("in the end", error);
	tell_truth("at most the limit", count <= 6);
	post(&stage, 9);
	for (int i = 0; i < count; i++)
		join(threads[i]);
}

static void many_in_turn(void)
{
	long sum = 0;

	for (long i = 0; i < 3000; i++)
		sum += (long)in_thread(give_back, (void *)i);
	say("sum %ld", sum);
}

static void *equal_to(void *argument)
{
	pthread_t *created = argument;

	await(&stage, 1);
	tell_truth("self is what create gave", pthread_equal(*created, pthread_self()));
	return NULL;
}

static void identity(void)
{
	pthread_t thread, known, self = pthread_self();

	tell_truth("self equals self", pthread_equal(self, pthread_self()));
	pthread_create(&thread, NULL, equal_to, &known);
	known = thread;
	tell_truth("other equals self", pthread_equal(thread, self));
	post(&stage, 1);
	join(thread);
}

/* --- names --- */

static void *name_self(void *unused)
{
	char name[16] = "", comm[32] = "";
	FILE *file;

	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("inherited: %s", name);
	tell("setname", pthread_setname_np(pthread_self(), "fifteen letters"));
	tell("too long", pthread_setname_np(pthread_self(), "sixteen letters!"));
	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("name: %s", name);
	tell("little room", pthread_getname_np(pthread_self(), name, 15));
	tell("no room", pthread_getname_np(pthread_self(), name, 0));
	file = fopen("/proc/thread-self/comm", "r");
	say("%s", file && fgets(comm, sizeof(comm), file) ? "it has a file" : "it has no file");
	if (file)
		fclose(file);
	tell("empty", pthread_setname_np(pthread_self(), ""));
	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("name: '%s'", name);
	return unused;
}

static void names(void)
{
	char name[16] = "";

	tell("setname", pthread_setname_np(pthread_self(), "creator"));
	in_thread(name_self, NULL);
	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("mine: %s", name);
	in_thread(name_self, NULL);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "results", .run = results },
		{ .name = "sizes", .run = sizes },
		{ .name = "guards", .run = guards },
		{ .name = "given_stacks", .run = given_stacks },
		{ .name = "around_given_stack", .run = around_given_stack },
		{ .name = "usable_size", .run = usable_size },
		{ .name = "attributes_of_others", .run = attributes_of_others },
		{ .name = "detached", .run = detached },
		{ .name = "detached_from_birth", .run = detached_from_birth },
		{ .name = "signal_masks", .run = signal_masks },
		{ .name = "floating_point", .run = floating_point },
		{ .name = "own_errno", .run = own_errno },
		{ .name = "cancel_state", .run = cancel_state },
		{ .name = "thread_local_storage", .run = thread_local_storage },
		{ .name = "locale_of_thread", .run = locale_of_thread },
		{ .name = "scheduled", .run = scheduled },
		{ .name = "scheduled_unprivileged", .run = scheduled_unprivileged },
		{ .name = "schedule_inherited", .run = schedule_inherited },
		{ .name = "processors", .run = processors },
		{ .name = "too_large", .run = too_large },
		{ .name = "address_space", .run = address_space },
		{ .name = "limit_of_threads", .run = limit_of_threads },
		{ .name = "many_in_turn", .run = many_in_turn },
		{ .name = "identity", .run = identity },
		{ .name = "names", .run = names },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
