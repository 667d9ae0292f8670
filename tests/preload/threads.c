/* SPDX-License-Identifier: MIT */
/* threads.c - a thread's life: join, detach, exit, keys, identity, attributes, names and its own errno */
#include "plain.h"

#include <fenv.h>
#include <limits.h>
#include <netdb.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *sleep_a_little(void *argument)
{
	pause_ms(150);
	return argument;
}

/* MP3, CK22: made and joined */
static void joins(void)
{
	pthread_t thread = spawn(sleep_a_little, (void *)42L), main_thread = pthread_self();
	void *result = NULL;
	struct timespec soon = after_ms(CLOCK_REALTIME, 10), later = after_ms(CLOCK_MONOTONIC, 20000);

	say("tryjoin: %s", error_name(pthread_tryjoin_np(thread, &result)));
	say("timedjoin: %s", error_name(pthread_timedjoin_np(thread, &result, &soon)));
	say("join: %s", error_name(pthread_join(thread, &result)));
	say("result %ld", (long)result);
	thread = spawn(sleep_a_little, (void *)43L);
	say("clockjoin: %s", error_name(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &later)));
	say("result %ld", (long)result);
	say("itself: %s", error_name(pthread_join(main_thread, NULL)));
	thread = spawn(sleep_a_little, NULL);
	say("detach: %s", error_name(pthread_detach(thread)));
	say("join of a detached one: %s", error_name(pthread_join(thread, NULL)));
	say("detach again: %s", error_name(pthread_detach(thread)));
	pause_ms(80);
}

static void *finished(void *argument)
{
	return argument;
}

static void join_finished(void)
{
	pthread_t thread = spawn(finished, (void *)7L);
	void *result;

	pause_ms(20);
	say("tryjoin: %s", error_name(pthread_tryjoin_np(thread, &result)));
	say("result %ld", (long)result);
}

/* Two threads that join each other. */
static pthread_t each[2];
static pthread_barrier_t both_known;

static void *join_the_other(void *argument)
{
	pthread_barrier_wait(&both_known);
	return (void *)(long)pthread_join(each[1 - (long)argument], NULL);
}

static void join_circle(void)
{
	pthread_barrier_init(&both_known, NULL, 3);
	each[0] = spawn(join_the_other, (void *)0L);
	each[1] = spawn(join_the_other, (void *)1L);
	pthread_barrier_wait(&both_known);
	pause_ms(100);
	say("a circle does not stop the rest");
}

static atomic_int detached_done;

static void *detached_body(void *argument)
{
	pause_ms(10);
	detached_done++;
	return argument;
}

/* MP3: detached */
static void detached(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 50; i++)
		must(pthread_create(&thread, &attributes, detached_body, NULL) == 0, "pthread_create");
	for (int i = 0; i < 500 && detached_done < 50; i++)
		pause_ms(10);
	say("done %d", detached_done);
}

static void cleanup_line(void *argument)
{
	say("cleanup %s", (char *)argument);
}

/* Volatile, or the compiler sees that this never returns. */
static volatile int leaving = 1;

static void leave(int depth)
{
	char name[32];

	snprintf(name, sizeof(name), "level %d", depth);
	pthread_cleanup_push(cleanup_line, name);
	if (depth < 3)
		leave(depth + 1);
	if (leaving)
		pthread_exit((void *)99L);
	pthread_cleanup_pop(0);
}

static void *exit_nested(void *argument)
{
	pthread_cleanup_push(cleanup_line, "outer");
	pthread_cleanup_push(cleanup_line, "popped and run");
	pthread_cleanup_pop(1);
	leave(1);
	pthread_cleanup_pop(0);
	return argument;
}

static void exits(void)
{
	say("result %ld", (long)join(spawn(exit_nested, NULL)));
	say("result %ld", (long)join(spawn(exit_nested, NULL)));
}

static pthread_key_t keys[3];
static atomic_int rounds;

static void say_value(void *value)
{
	say("destructor of %s", (char *)value);
}

/* Sets itself again: at most PTHREAD_DESTRUCTOR_ITERATIONS rounds follow. */
static void again(void *value)
{
	rounds++;
	pause_ms(1);
	pthread_setspecific(keys[1], value);
}

static void *use_keys(void *argument)
{
	say("at first: %s", pthread_getspecific(keys[0]) ? "set" : "not set");
	pthread_setspecific(keys[0], "the first key");
	pthread_setspecific(keys[1], "the second key");
	pthread_setspecific(keys[2], "the deleted key");
	pause_ms(5);
	say("later: %s", (char *)pthread_getspecific(keys[0]));
	pthread_key_delete(keys[2]);
	return argument;
}

/* MP3, CK22: keys and their destructors */
static void own_data(void)
{
	must(pthread_key_create(&keys[0], say_value) == 0, "pthread_key_create");
	must(pthread_key_create(&keys[1], again) == 0, "pthread_key_create");
	must(pthread_key_create(&keys[2], say_value) == 0, "pthread_key_create");
	pthread_setspecific(keys[0], "main's");
	join(spawn(use_keys, NULL));
	say("rounds: %s", rounds == PTHREAD_DESTRUCTOR_ITERATIONS ? "as many as promised" : "another number");
	say("main has %s", (char *)pthread_getspecific(keys[0]));
	say("deleted: %s", error_name(pthread_setspecific(keys[2], "x")));
	say("delete again: %s", error_name(pthread_key_delete(keys[2])));
	pthread_key_t fresh;
	pthread_key_create(&fresh, NULL);
	say("a fresh key: %s", pthread_getspecific(fresh) ? "set" : "not set");
}

static void many_keys(void)
{
	static pthread_key_t all[PTHREAD_KEYS_MAX + 1];
	int count = 0, result = 0;

	while (count <= PTHREAD_KEYS_MAX && (result = pthread_key_create(&all[count], NULL)) == 0)
		count++;
	say("more than 1000 keys: %s, then %s", count > 1000 ? "yes" : "no", error_name(result));
	join(spawn(finished, NULL));
	for (int i = 0; i < count; i++)
		pthread_setspecific(all[i], &all[i]);
	say("last: %s", pthread_getspecific(all[count - 1]) == &all[count - 1] ? "right" : "wrong");
}

struct known { pthread_t self; pid_t tid; };

static void *know_thyself(void *argument)
{
	struct known *me = argument;

	me->self = pthread_self();
	me->tid = gettid();
	pause_ms(20);
	if (me->tid != gettid() || me->tid != (pid_t)syscall(SYS_gettid))
		say("my thread number has changed");
	return NULL;
}

/* L16: numbers of threads */
static void identity(void)
{
	struct known known[10];
	pthread_t threads[10];
	int same = 0, unique = 0, pid_seen = 0;

	for (int i = 0; i < 10; i++)
		threads[i] = spawn(know_thyself, &known[i]);
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	for (int i = 0; i < 10; i++) {
		same += pthread_equal(known[i].self, threads[i]) != 0;
		pid_seen += known[i].tid == getpid();
		for (int j = 0; j < i; j++)
			unique += known[i].tid != known[j].tid;
	}
	say("self is what create told: %d", same);
	say("numbers that differ: %d of 45, equal to the process's: %d", unique, pid_seen);
	say("main: %s", gettid() == getpid() ? "gettid is getpid" : "gettid is not getpid");
}

static bool stack_has(pthread_attr_t *attributes, void *local)
{
	void *low;
	size_t size;

	pthread_attr_getstack(attributes, &low, &size);
	return (uintptr_t)local >= (uintptr_t)low && (uintptr_t)local < (uintptr_t)low + size;
}

/* Where some put guard pages of their own.  Only sizes of whole pages say where the stack ends. */
static bool on_page_border(pthread_attr_t *attributes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size;
	void *low;

	pthread_attr_getstack(attributes, &low, &size);
	return size % page || (uintptr_t)low % page == 0;
}

static void *look_at_stack(void *argument)
{
	pthread_attr_t attributes;
	size_t size, guard;
	int local, state;

	must(pthread_getattr_np(pthread_self(), &attributes) == 0, "pthread_getattr_np");
	pthread_attr_getstacksize(&attributes, &size);
	pthread_attr_getguardsize(&attributes, &guard);
	pthread_attr_getdetachstate(&attributes, &state);
	say("a local is %s the stack", stack_has(&attributes, &local) ? "in" : "outside");
	say("its low end is %s page", on_page_border(&attributes) ? "the start of a" : "within a");
	say("guard is %s, size is %s, %s", guard > 0 ? "there" : "missing",
		size >= (size_t)argument ? "enough" : "too small",
		state == PTHREAD_CREATE_JOINABLE ? "joinable" : "detached");
	pthread_attr_destroy(&attributes);
	return NULL;
}

static pthread_t spawn_with(const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
	pthread_t thread;

	errno = pthread_create(&thread, attributes, body, argument);
	must(errno == 0, "pthread_create");
	return thread;
}

/* MP3, L16: stacks of the size that was asked for */
static void stacks(void)
{
	static const size_t sizes[] = { 32 << 10, 64 << 10, 77 << 10, 1 << 20, 64 << 20 };
	pthread_attr_t attributes;

	look_at_stack((void *)4096);
	join(spawn(look_at_stack, (void *)4096));
	pthread_attr_init(&attributes);
	for (int i = 0; i < 5; i++) {
		pthread_attr_setstacksize(&attributes, sizes[i]);
		join(spawn_with(&attributes, look_at_stack, (void *)sizes[i]));
	}
	say("too small: %s", error_name(pthread_attr_setstacksize(&attributes, 100)));
}

static void *work_on_small_stack(void *argument)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %d %.2f", "formatted", 7, 1.5);
	pause_ms(5);
	say("%s", text);
	return argument;
}

static void small_stack(void)
{
	pthread_attr_t attributes;
	pthread_t threads[20];

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 32 << 10);
	for (int i = 0; i < 20; i++)
		threads[i] = spawn_with(&attributes, work_on_small_stack, NULL);
	for (int i = 0; i < 20; i++)
		join(threads[i]);
}

static void *fill_stack(void *argument)
{
	pthread_attr_t attributes;
	int local;
	volatile char room[100000];

	memset((char *)room, 1, sizeof(room));
	pthread_getattr_np(pthread_self(), &attributes);
	say("a local is %s the given stack",
		(char *)&local >= (char *)argument && (char *)&local < (char *)argument + (256 << 10) ? "in" : "outside");
	say("and %s what is reported", stack_has(&attributes, &local) ? "in" : "outside");
	return NULL;
}

static void user_stack(void)
{
	char *stack = mmap(NULL, 256 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, 256 << 10);
	for (int i = 0; i < 3; i++)
		join(spawn_with(&attributes, fill_stack, stack));
	say("still ours: %s", outcome(munmap(stack, 256 << 10)));
}

static int deep(int depth)
{
	volatile char room[1000];

	room[0] = (char)depth;
	return depth ? deep(depth - 1) + (room[0] == (char)depth) : 0;
}

static void *go_deep(void *argument)
{
	return (void *)(long)deep((int)(long)argument);
}

/* What fits on the default stack natively fits on ours: 7 of 8 MB. */
static void default_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	say("depth %ld", (long)join(spawn(go_deep, (void *)6500L)));
	/* Attributes that say nothing of a size mean the default too. */
	pthread_attr_init(&attributes);
	pthread_attr_setscope(&attributes, PTHREAD_SCOPE_SYSTEM);
	pthread_create(&thread, &attributes, go_deep, (void *)6500L);
	say("depth %ld", (long)join(thread));
}

static void *name_it(void *argument)
{
	char name[16];

	pthread_setname_np(pthread_self(), argument);
	pause_ms(20);
	pthread_getname_np(pthread_self(), name, sizeof(name));
	return strdup(name);
}

/* What a thread is called that never got a name of its own: as the main thread was when it was made, renamed or not since. */
static void names_inherited(void)
{
	pthread_t one = spawn(sleep_a_little, NULL), two, three;
	char names[3][16];

	pthread_setname_np(pthread_self(), "second name");
	two = spawn(sleep_a_little, NULL);
	prctl(PR_SET_NAME, "third name");
	three = spawn(sleep_a_little, NULL);
	syscall(SYS_prctl, PR_SET_NAME, "fourth name");
	pthread_getname_np(one, names[0], sizeof(names[0]));
	pthread_getname_np(two, names[1], sizeof(names[1]));
	pthread_getname_np(three, names[2], sizeof(names[2]));
	say("inherited: %s, %s, %s", names[0], names[1], names[2]);
	join(one);
	join(two);
	join(three);
	pthread_getname_np(pthread_self(), names[0], sizeof(names[0]));
	say("main in the end: %s", names[0]);
}

static void names(void)
{
	pthread_t one = spawn(name_it, "first"), two = spawn(name_it, "second");
	char name[16];

	pause_ms(10);
	pthread_getname_np(one, name, sizeof(name));
	say("seen from main: %s", name);
	say("own names: %s, %s", (char *)join(one), (char *)join(two));
	pthread_getname_np(pthread_self(), name, sizeof(name));
	say("main: %s", name);
	say("too long: %s", error_name(pthread_setname_np(pthread_self(), "a name that is too long")));
	names_inherited();
}

static void *change_policy(void *argument)
{
	struct sched_param parameter = { 0 };
	cpu_set_t set;
	int policy;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	say("setaffinity: %s", error_name(pthread_setaffinity_np(pthread_self(), sizeof(set), &set)));
	CPU_ZERO(&set);
	say("getaffinity: %s", error_name(pthread_getaffinity_np(pthread_self(), sizeof(set), &set)));
	say("processors: %d", CPU_COUNT(&set));
	say("getschedparam: %s", error_name(pthread_getschedparam(pthread_self(), &policy, &parameter)));
	say("policy %d, setschedparam: %s", policy,
		error_name(pthread_setschedparam(pthread_self(), SCHED_OTHER, &parameter)));
	return argument;
}

static void scheduling(void)
{
	clockid_t clock;
	struct timespec used;

	join(spawn(change_policy, NULL));
	say("clock: %s", error_name(pthread_getcpuclockid(pthread_self(), &clock)));
	say("time: %s", outcome(clock_gettime(clock, &used)));
}

static __thread int own = 5;

static void *keep_errors(void *argument)
{
	int number = (int)(long)argument, wrong = 0;

	for (int i = 0; i < 20; i++) {
		errno = number;
		h_errno = number + 1;
		own += number;
		int *where = &own;
		sched_yield();
		if (i % 10 == 0)
			usleep(500);
		wrong += errno != number || h_errno != number + 1 || *where != own;
	}
	wrong += own != 5 + 20 * number;
	return (void *)(long)wrong;
}

static void own_errors(void)
{
	pthread_t threads[10];
	long wrong = 0;

	for (long i = 0; i < 10; i++)
		threads[i] = spawn(keep_errors, (void *)(i + 1));
	for (int i = 0; i < 10; i++)
		wrong += (long)join(threads[i]);
	say("wrong %ld, own %d", wrong, own);
}

static void *keep_message(void *argument)
{
	char expected[64];
	int number = 5000 + (int)(long)argument;
	const char *message = strerror(number);

	snprintf(expected, sizeof(expected), "Unknown error %d", number);
	pause_ms(10);
	return (void *)(long)strcmp(message, expected);
}

static void own_messages(void)
{
	pthread_t threads[10];
	int same = 0;

	for (long i = 0; i < 10; i++)
		threads[i] = spawn(keep_message, (void *)i);
	for (int i = 0; i < 10; i++)
		same += join(threads[i]) == NULL;
	say("kept %d", same);
}

static void *jump(void *argument)
{
	jmp_buf back;
	volatile int count = 0;

	if (setjmp(back) < 3) {
		count++;
		pause_ms(2);
		longjmp(back, count);
	}
	return (void *)((long)argument + count);
}

static void jumps(void)
{
	pthread_t threads[5];
	long sum = 0;

	for (long i = 0; i < 5; i++)
		threads[i] = spawn(jump, (void *)(i * 10));
	for (int i = 0; i < 5; i++)
		sum += (long)join(threads[i]);
	say("sum %ld", sum);
}

static void *spawn_below(void *argument)
{
	long depth = (long)argument;

	if (depth == 0)
		return (void *)1L;
	pthread_t one = spawn(spawn_below, (void *)(depth - 1)), two = spawn(spawn_below, (void *)(depth - 1));
	return (void *)((long)join(one) + (long)join(two));
}

static void threads_of_threads(void)
{
	say("leaves %ld", (long)join(spawn(spawn_below, (void *)5L)));
}

/* The direction of rounding belongs to the thread. */
static void *round_up(void *argument)
{
	volatile double one = 1, three = 3;
	double before = one / three;

	fesetround(FE_UPWARD);
	sched_yield();
	pause_ms(5);
	say("kept: %s, rounded up: %s", fegetround() == FE_UPWARD ? "yes" : "no", one / three > before ? "yes" : "no");
	return argument;
}

static void rounding(void)
{
	pthread_t thread = spawn(round_up, NULL);

	pause_ms(2);
	say("main's: %s", fegetround() == FE_TONEAREST ? "unchanged" : "changed");
	join(thread);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "joins", joins, 3 },
		{ "join_finished", join_finished, 1 },
		{ "join_circle", join_circle, 2 },
		{ "detached", detached, 50 },
		{ "exits", exits, 2 },
		{ "own_data", own_data, 1 },
		{ "many_keys", many_keys, 1 },
		{ "identity", identity, 10 },
		{ "stacks", stacks, 6 },
		{ "small_stack", small_stack, 20 },
		{ "user_stack", user_stack, 3 },
		{ "default_stack", default_stack, 2 },
		{ "names", names, 2 },
		{ "scheduling", scheduling, 1 },
		{ "own_errors", own_errors, 10 },
		{ "own_messages", own_messages, 10 },
		{ "jumps", jumps, 5 },
		{ "threads_of_threads", threads_of_threads, 63 },
		{ "rounding", rounding, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
