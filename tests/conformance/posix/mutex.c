/* SPDX-License-Identifier: MIT */
/* mutex.c - every kind of mutex: who may lock and unlock, what is refused, timed and clocked locks */
#include "posix.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static pthread_mutex_t *subject;

static void make(pthread_mutex_t *mutex, int type, int robust, int protocol)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	errno = pthread_mutexattr_settype(&attributes, type);
	must(errno == 0, "settype");
	errno = pthread_mutexattr_setrobust(&attributes, robust);
	must(errno == 0, "setrobust");
	errno = pthread_mutexattr_setprotocol(&attributes, protocol);
	must(errno == 0, "setprotocol");
	tell("init", pthread_mutex_init(mutex, &attributes));
	pthread_mutexattr_destroy(&attributes);
}

/* --- what another thread finds --- */

static void *other_tries(void *unused)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 30), later = after_ms(CLOCK_MONOTONIC, 30);
	double since = now();
	int error;

	tell("other's trylock", error = pthread_mutex_trylock(subject));
	if (!error)
		tell("other's unlock", pthread_mutex_unlock(subject));
	if (!error)
		return unused;
	tell("other's timedlock", pthread_mutex_timedlock(subject, &soon));
	tell_in_time("timedlock", since, 30);
	tell("other's clocklock", pthread_mutex_clocklock(subject, CLOCK_MONOTONIC, &later));
	return unused;
}

static void *other_unlocks(void *unused)
{
	tell("unlock by another thread", pthread_mutex_unlock(subject));
	return unused;
}

static int got;

static int others_lock, others_unlock;

/* Says nothing, for its lines would come in any order with the owner's. */
static void *other_locks(void *unused)
{
	others_lock = pthread_mutex_lock(subject);
	post(&got, 1);
	others_unlock = pthread_mutex_unlock(subject);
	return unused;
}

static int tell_success(const char *what, int error)
{
	tell(what, error);
	return error == 0;
}

/* As often as it was locked; who waits may go on after the last one. */
static void unlock_all(pthread_mutex_t *mutex, int depth)
{
	int errors = 0;

	for (int i = 0; i < depth; i++)
		errors += pthread_mutex_unlock(mutex) != 0;
	say("unlocked %d times, %d errors", depth, errors);
}

/* All that holds of one kind; CHECKED: unlock by a stranger is an error; AGAIN: lock by the owner does not hang. */
static void battery(pthread_mutex_t *mutex, bool checked, bool again)
{
	struct timespec past = long_ago(), soon = after_ms(CLOCK_REALTIME, 20);
	pthread_t other;
	int depth;

	subject = mutex;
	got = 0;
	tell("trylock", pthread_mutex_trylock(mutex));
	in_thread(other_tries, NULL);
	depth = 1 + tell_success("owner's trylock", pthread_mutex_trylock(mutex));
	depth += tell_success("owner's timedlock", pthread_mutex_timedlock(mutex, &soon));
	if (again)
		depth += tell_success("owner's lock", pthread_mutex_lock(mutex));
	depth += tell_success("owner's timedlock with a time that is over", pthread_mutex_timedlock(mutex, &past));
	if (checked)
		in_thread(other_unlocks, NULL);
	other = spawn(other_locks, NULL);
	pause_ms(20);
	tell_truth("other has it", got);
	unlock_all(mutex, depth);
	join(other);
	tell_truth("other had it", got);
	tell("other's lock", others_lock);
	tell("other's unlock", others_unlock);
	if (checked)
		tell("one unlock too many", pthread_mutex_unlock(mutex));
	in_thread(other_tries, NULL);
	tell("timedlock of a free one with a time that is over", pthread_mutex_timedlock(mutex, &past));
	tell("unlock", pthread_mutex_unlock(mutex));
	tell("destroy", pthread_mutex_destroy(mutex));
}

static void kind(int type, int robust, int protocol)
{
	pthread_mutex_t mutex;
	bool checked = robust == PTHREAD_MUTEX_ROBUST || type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK;

	make(&mutex, type, robust, protocol);
	battery(&mutex, checked, type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK);
}

static void normal(void) { kind(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE); }
static void recursive(void) { kind(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE); }
static void errorcheck(void) { kind(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE); }
static void adaptive(void) { kind(PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE); }
static void robust_normal(void) { kind(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE); }
static void robust_recursive(void) { kind(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE); }
static void robust_errorcheck(void) { kind(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE); }
static void robust_adaptive(void) { kind(PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE); }
static void inherit_normal(void) { kind(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT); }
static void inherit_recursive(void) { kind(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT); }
static void inherit_errorcheck(void) { kind(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT); }
static void inherit_adaptive(void) { kind(PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT); }
static void inherit_robust_normal(void) { kind(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT); }
static void inherit_robust_recursive(void) { kind(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT); }
static void inherit_robust_errorcheck(void) { kind(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT); }

static void static_kinds(void)
{
	static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
	static pthread_mutex_t counted = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	static pthread_mutex_t spinning = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

	battery(&plain, false, false);
	battery(&counted, true, true);
	battery(&checked, true, true);
	battery(&spinning, false, false);
}

/* --- what is refused --- */

static void bad_times(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	struct timespec bad = no_time(), negative = { 1, -1 }, before_all = { -1, 0 }, fine = after_ms(CLOCK_MONOTONIC, 10);

	tell("free, bad nanoseconds", pthread_mutex_timedlock(&mutex, &bad));
	tell("free, bad clock", (pthread_mutex_unlock(&mutex), pthread_mutex_clocklock(&mutex, CLOCK_PROCESS_CPUTIME_ID, &fine)));
	tell("after that trylock", pthread_mutex_trylock(&mutex));
	tell("held, bad nanoseconds", pthread_mutex_timedlock(&mutex, &bad));
	tell("held, negative nanoseconds", pthread_mutex_timedlock(&mutex, &negative));
	tell("held, before the epoch", pthread_mutex_timedlock(&mutex, &before_all));
	tell("held, bad clock", pthread_mutex_clocklock(&mutex, CLOCK_PROCESS_CPUTIME_ID, &fine));
	tell("held, no such clock", pthread_mutex_clocklock(&mutex, 12345, &fine));
	tell("held, boot time", pthread_mutex_clocklock(&mutex, CLOCK_BOOTTIME, &fine));
	tell("held, monotonic", pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &fine));
	tell("unlock", pthread_mutex_unlock(&mutex));
}

static void bad_attributes(void)
{
	pthread_mutexattr_t attributes;
	int value;

	pthread_mutexattr_init(&attributes);
	tell("settype", pthread_mutexattr_settype(&attributes, 77));
	tell("setrobust", pthread_mutexattr_setrobust(&attributes, 77));
	tell("setprotocol", pthread_mutexattr_setprotocol(&attributes, 77));
	tell("setpshared", pthread_mutexattr_setpshared(&attributes, 77));
	tell("setprioceiling", pthread_mutexattr_setprioceiling(&attributes, 1000));
	pthread_mutexattr_gettype(&attributes, &value);
	say("type %d", value);
	pthread_mutexattr_getrobust(&attributes, &value);
	say("robust %d", value);
	pthread_mutexattr_getprotocol(&attributes, &value);
	say("protocol %d", value);
	pthread_mutexattr_getpshared(&attributes, &value);
	say("shared %d", value);
	pthread_mutexattr_getprioceiling(&attributes, &value);
	say("ceiling %d", value);
	tell("destroy", pthread_mutexattr_destroy(&attributes));
}

static void destroy_held(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&mutex);
	tell("destroy while held", pthread_mutex_destroy(&mutex));
	pthread_mutex_unlock(&mutex);
	tell("destroy when free", pthread_mutex_destroy(&mutex));
	tell("lock of a destroyed one", pthread_mutex_trylock(&mutex));
}

static void recursion_depth(void)
{
	pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	int depth = 0;

	for (int i = 0; i < 1000; i++)
		depth += pthread_mutex_lock(&mutex) == 0;
	say("depth %d", depth);
	subject = &mutex;
	for (int i = 0; i < 999; i++)
		pthread_mutex_unlock(&mutex);
	in_thread(other_tries, NULL);
	pthread_mutex_unlock(&mutex);
	in_thread(other_tries, NULL);
	tell("one unlock too many", pthread_mutex_unlock(&mutex));
}

/* The count of a recursive mutex is 32 bits wide: a nearly full one says EAGAIN. */
static void recursion_limit(void)
{
	pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	struct timespec soon = after_ms(CLOCK_REALTIME, 20);

	pthread_mutex_lock(&mutex);
	mutex.__data.__count = UINT32_MAX;
	tell("lock", pthread_mutex_lock(&mutex));
	tell("trylock", pthread_mutex_trylock(&mutex));
	tell("timedlock", pthread_mutex_timedlock(&mutex, &soon));
	mutex.__data.__count = 1;
	tell("unlock", pthread_mutex_unlock(&mutex));
}

/* --- robust mutexes --- */

static void *die_holding(void *unused)
{
	tell("lock by the one that dies", pthread_mutex_lock(subject));
	return unused;
}

static void after_death(int type, int protocol)
{
	pthread_mutex_t mutex;
	struct timespec soon = after_ms(CLOCK_REALTIME, 1000);

	make(&mutex, type, PTHREAD_MUTEX_ROBUST, protocol);
	subject = &mutex;
	in_thread(die_holding, NULL);
	tell("lock", pthread_mutex_lock(&mutex));
	in_thread(other_tries, NULL);
	tell("owner's trylock", pthread_mutex_trylock(&mutex));
	if (type == PTHREAD_MUTEX_RECURSIVE)
		tell("inner unlock", pthread_mutex_unlock(&mutex));
	tell("consistent", pthread_mutex_consistent(&mutex));
	tell("consistent again", pthread_mutex_consistent(&mutex));
	tell("unlock", pthread_mutex_unlock(&mutex));
	in_thread(other_tries, NULL);
	in_thread(die_holding, NULL);
	tell("trylock after death", pthread_mutex_trylock(&mutex));
	pthread_mutex_consistent(&mutex);
	tell("unlock", pthread_mutex_unlock(&mutex));
	in_thread(die_holding, NULL);
	tell("timedlock after death", pthread_mutex_timedlock(&mutex, &soon));
	tell("unlock without consistent", pthread_mutex_unlock(&mutex));
	tell("lock", pthread_mutex_lock(&mutex));
	tell("trylock", pthread_mutex_trylock(&mutex));
	tell("consistent", pthread_mutex_consistent(&mutex));
	tell("destroy", pthread_mutex_destroy(&mutex));
}

static void death_normal(void) { after_death(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE); }
static void death_recursive(void) { after_death(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE); }
static void death_errorcheck(void) { after_death(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE); }
static void death_inherit(void) { after_death(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT); }
static void death_inherit_recursive(void) { after_death(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT); }

static void *wait_for_death(void *unused)
{
	int error = pthread_mutex_lock(subject);

	say("a waiter gets %s", error_name(error));
	if (error == EOWNERDEAD)
		pthread_mutex_consistent(subject);
	if (error != ENOTRECOVERABLE)
		pthread_mutex_unlock(subject);
	return unused;
}

static void *die_slowly(void *unused)
{
	pthread_mutex_lock(subject);
	post(&got, 1);
	pause_ms(40);
	return unused;
}

static void death_while_waiting(int protocol)
{
	pthread_mutex_t mutex;
	pthread_t owner, waiters[3];

	make(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, protocol);
	subject = &mutex;
	got = 0;
	owner = spawn(die_slowly, NULL);
	await(&got, 1);
	for (int i = 0; i < 3; i++)
		waiters[i] = spawn(wait_for_death, NULL);
	join(owner);
	for (int i = 0; i < 3; i++)
		join(waiters[i]);
}

static void death_waiters(void) { death_while_waiting(PTHREAD_PRIO_NONE); }
static void death_waiters_inherit(void) { death_while_waiting(PTHREAD_PRIO_INHERIT); }

static void *give_up_state(void *unused)
{
	pause_ms(30);
	tell("lock of the next", pthread_mutex_lock(subject));
	return unused;
}

/* The new owner unlocks without repairing: the waiter hears that it is beyond repair. */
static void death_not_recoverable(void)
{
	pthread_mutex_t mutex;
	pthread_t waiter;

	make(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	subject = &mutex;
	in_thread(die_holding, NULL);
	tell("lock", pthread_mutex_lock(&mutex));
	/* One, for libc wakes no more than one of several. */
	waiter = spawn(wait_for_death, NULL);
	pause_ms(20);
	pthread_mutex_unlock(&mutex);
	join(waiter);
	in_thread(give_up_state, NULL);
}

static void *cancelled_owner(void *unused)
{
	pthread_mutex_lock(subject);
	post(&got, 1);
	pause();
	return unused;
}

static void death_by_cancel(void)
{
	pthread_mutex_t mutex;
	pthread_t owner;

	make(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	subject = &mutex;
	got = 0;
	owner = spawn(cancelled_owner, NULL);
	await(&got, 1);
	pthread_cancel(owner);
	tell_truth("cancelled", join(owner) == PTHREAD_CANCELED);
	tell("lock", pthread_mutex_lock(&mutex));
}

static pthread_mutex_t several[4];

static void *die_holding_several(void *unused)
{
	for (int i = 0; i < 4; i++)
		pthread_mutex_lock(&several[i]);
	pthread_mutex_unlock(&several[1]);
	return unused;
}

static void death_with_several(void)
{
	for (int i = 0; i < 4; i++)
		make(&several[i], PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, i == 3 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
	in_thread(die_holding_several, NULL);
	for (int i = 0; i < 4; i++)
		tell("lock", pthread_mutex_lock(&several[i]));
}

static void consistent_of_others(void)
{
	pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, robust;

	tell("not robust", pthread_mutex_consistent(&plain));
	make(&robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	tell("not dead", pthread_mutex_consistent(&robust));
}

/* --- priority ceilings --- */

static void ceilings(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex, plain = PTHREAD_MUTEX_INITIALIZER;
	int value = 0, old = 0, least = sched_get_priority_min(SCHED_FIFO);

	pthread_mutexattr_init(&attributes);
	tell("setprotocol", pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT));
	tell("setprioceiling", pthread_mutexattr_setprioceiling(&attributes, least + 3));
	pthread_mutexattr_getprioceiling(&attributes, &value);
	say("ceiling %d", value);
	tell("init", pthread_mutex_init(&mutex, &attributes));
	tell("getprioceiling", pthread_mutex_getprioceiling(&mutex, &value));
	say("ceiling %d", value);
	tell("of a plain one", pthread_mutex_getprioceiling(&plain, &value));
	tell("set of a plain one", pthread_mutex_setprioceiling(&plain, 5, &old));
	tell("out of range", pthread_mutex_setprioceiling(&mutex, 1000, &old));
	tell("lock by an ordinary thread", pthread_mutex_lock(&mutex));
	tell("unlock", pthread_mutex_unlock(&mutex));
	tell("trylock by an ordinary thread", pthread_mutex_trylock(&mutex));
	tell("unlock", pthread_mutex_unlock(&mutex));
	tell("setprioceiling", pthread_mutex_setprioceiling(&mutex, least + 5, &old));
	pthread_mutex_getprioceiling(&mutex, &value);
	say("ceiling %d", value);
}

static int changed;

static void *change_ceiling(void *unused)
{
	int old = 0, error = pthread_mutex_setprioceiling(subject, 6, &old);

	__atomic_store_n(&changed, error ? -error : old, __ATOMIC_SEQ_CST);
	return unused;
}

/* Whoever changes the ceiling waits until the mutex is free. */
static void change_meanwhile(pthread_mutex_t *mutex)
{
	pthread_t changer;

	pthread_create(&changer, NULL, change_ceiling, NULL);
	usleep(50000);
	say("changed already: %d", __atomic_load_n(&changed, __ATOMIC_SEQ_CST));
	tell("unlock", pthread_mutex_unlock(mutex));
	pthread_join(changer, NULL);
	say("old ceiling %d", changed);
}

/* With a real-time policy, where that is allowed, such a mutex works. */
static void *ceiling_thread(void *unused)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;
	struct sched_param parameters = { .sched_priority = 2 }, seen;
	int old = 0, policy, error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);

	tell("SCHED_FIFO", error);
	if (error)
		return unused;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT);
	pthread_mutexattr_setprioceiling(&attributes, 5);
	pthread_mutex_init(&mutex, &attributes);
	tell("lock", pthread_mutex_lock(&mutex));
	pthread_getschedparam(pthread_self(), &policy, &seen);
	say("priority meanwhile %d", seen.sched_priority);
	subject = &mutex;
	in_thread(other_tries, NULL);
	change_meanwhile(&mutex);
	tell("setprioceiling", pthread_mutex_setprioceiling(&mutex, 7, &old));
	say("old ceiling %d", old);
	parameters.sched_priority = 9;
	pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
	tell("lock above the ceiling", pthread_mutex_lock(&mutex));
	return unused;
}

static void ceiling_real_time(void)
{
	in_thread(ceiling_thread, NULL);
}

/* --- waiting --- */

static int turns, order[8];

static void *take_turn(void *argument)
{
	pthread_mutex_lock(subject);
	order[__atomic_fetch_add(&turns, 1, __ATOMIC_SEQ_CST)] = (int)(long)argument;
	pthread_mutex_unlock(subject);
	return NULL;
}

static void many_waiters(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[8];
	int seen = 0;

	subject = &mutex;
	turns = 0;
	pthread_mutex_lock(&mutex);
	for (long i = 0; i < 8; i++)
		threads[i] = spawn(take_turn, (void *)i);
	pause_ms(20);
	say("turns while it is held: %d", turns);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 8; i++)
		join(threads[i]);
	for (int i = 0; i < turns; i++)
		seen |= 1 << order[i];
	say("turns %d, threads 0x%x", turns, seen);
}

static long counter;

static void *count_up(void *unused)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(subject);
		counter++;
		if (i % 1000 == 0)
			sched_yield();
		pthread_mutex_unlock(subject);
	}
	return unused;
}

static void exclusion(void)
{
	static const int kinds[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP };

	for (int i = 0; i < 8; i++) {
		pthread_mutex_t mutex;
		pthread_t threads[4];

		make(&mutex, kinds[i % 4], PTHREAD_MUTEX_STALLED, i < 4 ? PTHREAD_PRIO_NONE : PTHREAD_PRIO_INHERIT);
		subject = &mutex;
		counter = 0;
		for (int t = 0; t < 4; t++)
			threads[t] = spawn(count_up, NULL);
		for (int t = 0; t < 4; t++)
			join(threads[t]);
		say("counted %ld", counter);
	}
}

/* The one that unlocks may destroy and free the memory at once. */
static void *lock_in_memory(void *argument)
{
	pthread_mutex_t *mutex = argument;

	pthread_mutex_lock(mutex);
	pthread_mutex_unlock(mutex);
	tell("destroy", pthread_mutex_destroy(mutex));
	memset(mutex, 0xff, sizeof(*mutex));
	return NULL;
}

static void destroyed_by_next_owner(void)
{
	for (int i = 0; i < 5; i++) {
		pthread_mutex_t mutex;
		pthread_t next;

		pthread_mutex_init(&mutex, NULL);
		pthread_mutex_lock(&mutex);
		next = spawn(lock_in_memory, &mutex);
		pause_ms(5);
		pthread_mutex_unlock(&mutex);
		join(next);
	}
}

/* A mutex is no cancellation point. */
static int errors, passed;

static void *lock_cancelled(void *unused)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 1000);

	/* Lines are written by a cancellation point. */
	pthread_cancel(pthread_self());
	errors = pthread_mutex_lock(subject) + pthread_mutex_unlock(subject) + pthread_mutex_trylock(subject) +
		pthread_mutex_unlock(subject) + pthread_mutex_timedlock(subject, &soon) + pthread_mutex_unlock(subject);
	passed = 1;
	pthread_testcancel();
	passed = 2;
	return unused;
}

static void *lock_while_cancelled(void *unused)
{
	post(&got, 1);
	errors = pthread_mutex_lock(subject);
	passed = 1;
	pthread_mutex_unlock(subject);
	pthread_testcancel();
	passed = 2;
	return unused;
}

static void no_cancellation_point(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_t waiter;

	subject = &mutex;
	got = 0;
	tell_truth("cancelled", in_thread(lock_cancelled, NULL) == PTHREAD_CANCELED);
	say("errors %d, passed %d", errors, passed);
	passed = 0;
	pthread_mutex_lock(&mutex);
	waiter = spawn(lock_while_cancelled, NULL);
	await(&got, 1);
	pause_ms(10);
	pthread_cancel(waiter);
	pause_ms(20);
	say("passed %d", passed);
	pthread_mutex_unlock(&mutex);
	tell_truth("cancelled", join(waiter) == PTHREAD_CANCELED);
	say("errors %d, passed %d", errors, passed);
}

/* --- between processes --- */

struct shared {
	pthread_mutex_t mutex;
	int step, count;
};

static struct shared *make_shared(int type, int robust, int protocol)
{
	struct shared *shared = shared_memory(sizeof(*shared));
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	tell("init", pthread_mutex_init(&shared->mutex, &attributes));
	return shared;
}

static void hold_in_child(void *argument)
{
	struct shared *shared = argument;

	tell("child's lock", pthread_mutex_lock(&shared->mutex));
	post(&shared->step, 1);
	pause_ms(60);
	shared->count++;
	tell("child's unlock", pthread_mutex_unlock(&shared->mutex));
}

static void die_in_child(void *argument)
{
	struct shared *shared = argument;

	pthread_mutex_lock(&shared->mutex);
	post(&shared->step, 1);
	pause_ms(60);
}

static void held_by_child(int type, int protocol)
{
	struct shared *shared = make_shared(type, PTHREAD_MUTEX_STALLED, protocol);
	pid_t pid = child_of(hold_in_child, shared);
	struct timespec soon = after_ms(CLOCK_REALTIME, 10);

	await(&shared->step, 1);
	soon = after_ms(CLOCK_REALTIME, 10);
	tell("trylock", pthread_mutex_trylock(&shared->mutex));
	tell("timedlock", pthread_mutex_timedlock(&shared->mutex, &soon));
	pthread_mutex_lock(&shared->mutex);
	say("count %d", shared->count);
	pthread_mutex_unlock(&shared->mutex);
	reap("child", pid);
}

static void shared_normal(void) { held_by_child(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE); }
static void shared_recursive(void) { held_by_child(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE); }
static void shared_errorcheck(void) { held_by_child(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE); }
static void shared_inherit(void) { held_by_child(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT); }

static void dead_child(int protocol)
{
	struct shared *shared = make_shared(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, protocol);
	pid_t pid = child_of(die_in_child, shared);

	await(&shared->step, 1);
	tell("lock", pthread_mutex_lock(&shared->mutex));
	tell("consistent", pthread_mutex_consistent(&shared->mutex));
	tell("unlock", pthread_mutex_unlock(&shared->mutex));
	tell("lock", pthread_mutex_lock(&shared->mutex));
	reap("child", pid);
}

static void shared_death(void) { dead_child(PTHREAD_PRIO_NONE); }
static void shared_death_inherit(void) { dead_child(PTHREAD_PRIO_INHERIT); }

static void count_in_child(void *argument)
{
	struct shared *shared = argument;

	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&shared->mutex);
		shared->count++;
		pthread_mutex_unlock(&shared->mutex);
	}
}

static void *count_in_thread(void *argument)
{
	count_in_child(argument);
	return NULL;
}

static void shared_count(void)
{
	struct shared *shared = make_shared(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
	pid_t first = child_of(count_in_child, shared), second = child_of(count_in_child, shared);
	pthread_t one = spawn(count_in_thread, shared), two = spawn(count_in_thread, shared);

	join(one);
	join(two);
	reap("first", first);
	reap("second", second);
	say("counted %d", shared->count);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "normal", .run = normal },
		{ .name = "recursive", .run = recursive },
		{ .name = "errorcheck", .run = errorcheck },
		{ .name = "adaptive", .run = adaptive },
		{ .name = "robust_normal", .run = robust_normal },
		{ .name = "robust_recursive", .run = robust_recursive },
		{ .name = "robust_errorcheck", .run = robust_errorcheck },
		{ .name = "robust_adaptive", .run = robust_adaptive },
		{ .name = "inherit_normal", .run = inherit_normal },
		{ .name = "inherit_recursive", .run = inherit_recursive },
		{ .name = "inherit_errorcheck", .run = inherit_errorcheck },
		{ .name = "inherit_adaptive", .run = inherit_adaptive },
		{ .name = "inherit_robust_normal", .run = inherit_robust_normal },
		{ .name = "inherit_robust_recursive", .run = inherit_robust_recursive },
		{ .name = "inherit_robust_errorcheck", .run = inherit_robust_errorcheck },
		{ .name = "static_kinds", .run = static_kinds },
		{ .name = "bad_times", .run = bad_times },
		{ .name = "bad_attributes", .run = bad_attributes },
		{ .name = "destroy_held", .run = destroy_held },
		{ .name = "recursion_depth", .run = recursion_depth },
		{ .name = "recursion_limit", .run = recursion_limit },
		{ .name = "death_normal", .run = death_normal },
		{ .name = "death_recursive", .run = death_recursive },
		{ .name = "death_errorcheck", .run = death_errorcheck },
		{ .name = "death_inherit", .run = death_inherit },
		{ .name = "death_inherit_recursive", .run = death_inherit_recursive },
		{ .name = "death_waiters", .run = death_waiters },
		{ .name = "death_waiters_inherit", .run = death_waiters_inherit },
		{ .name = "death_not_recoverable", .run = death_not_recoverable },
		{ .name = "death_by_cancel", .run = death_by_cancel },
		{ .name = "death_with_several", .run = death_with_several },
		{ .name = "consistent_of_others", .run = consistent_of_others },
		{ .name = "ceilings", .run = ceilings },
		{ .name = "ceiling_real_time", .run = ceiling_real_time },
		{ .name = "many_waiters", .run = many_waiters },
		{ .name = "exclusion", .run = exclusion },
		{ .name = "destroyed_by_next_owner", .run = destroyed_by_next_owner },
		{ .name = "no_cancellation_point", .run = no_cancellation_point },
		{ .name = "shared_normal", .run = shared_normal },
		{ .name = "shared_recursive", .run = shared_recursive },
		{ .name = "shared_errorcheck", .run = shared_errorcheck },
		{ .name = "shared_inherit", .run = shared_inherit },
		{ .name = "shared_death", .run = shared_death },
		{ .name = "shared_death_inherit", .run = shared_death_inherit },
		{ .name = "shared_count", .run = shared_count },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
