/* SPDX-License-Identifier: MIT */
/* rwlock.c - read-write locks: preferences, refusals, timed and clocked locks, other processes */
#include "posix.h"

#include <stdio.h>
#include <sys/wait.h>

static pthread_rwlock_t *subject;

static void make(pthread_rwlock_t *lock, int preference)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	tell("setkind", pthread_rwlockattr_setkind_np(&attributes, preference));
	tell("init", pthread_rwlock_init(lock, &attributes));
	pthread_rwlockattr_destroy(&attributes);
	subject = lock;
}

/* What a thread other than the owner finds; all it gets it gives back. */
static void *other_tries(void *unused)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 20), steady;
	int error;

	tell("other's tryrdlock", error = pthread_rwlock_tryrdlock(subject));
	if (!error)
		pthread_rwlock_unlock(subject);
	tell("other's trywrlock", error = pthread_rwlock_trywrlock(subject));
	if (!error)
		pthread_rwlock_unlock(subject);
	tell("other's timedrdlock", error = pthread_rwlock_timedrdlock(subject, &soon));
	if (!error)
		pthread_rwlock_unlock(subject);
	soon = after_ms(CLOCK_REALTIME, 20);
	tell("other's timedwrlock", error = pthread_rwlock_timedwrlock(subject, &soon));
	if (!error)
		pthread_rwlock_unlock(subject);
	steady = after_ms(CLOCK_MONOTONIC, 20);
	tell("other's clockrdlock", error = pthread_rwlock_clockrdlock(subject, CLOCK_MONOTONIC, &steady));
	if (!error)
		pthread_rwlock_unlock(subject);
	steady = after_ms(CLOCK_MONOTONIC, 20);
	tell("other's clockwrlock", error = pthread_rwlock_clockwrlock(subject, CLOCK_MONOTONIC, &steady));
	if (!error)
		pthread_rwlock_unlock(subject);
	return unused;
}

static void battery(pthread_rwlock_t *lock)
{
	in_thread(other_tries, NULL);
	tell("rdlock", pthread_rwlock_rdlock(lock));
	in_thread(other_tries, NULL);
	tell("rdlock again", pthread_rwlock_rdlock(lock));
	tell("trywrlock of a reader", pthread_rwlock_trywrlock(lock));
	tell("unlock", pthread_rwlock_unlock(lock));
	in_thread(other_tries, NULL);
	tell("unlock", pthread_rwlock_unlock(lock));
	tell("wrlock", pthread_rwlock_wrlock(lock));
	in_thread(other_tries, NULL);
	tell("wrlock of the writer", pthread_rwlock_wrlock(lock));
	tell("rdlock of the writer", pthread_rwlock_rdlock(lock));
	tell("trywrlock of the writer", pthread_rwlock_trywrlock(lock));
	tell("tryrdlock of the writer", pthread_rwlock_tryrdlock(lock));
	tell("unlock", pthread_rwlock_unlock(lock));
	in_thread(other_tries, NULL);
	tell("destroy", pthread_rwlock_destroy(lock));
}

static void prefer_reader(void)
{
	pthread_rwlock_t lock;

	make(&lock, PTHREAD_RWLOCK_PREFER_READER_NP);
	battery(&lock);
}

static void prefer_writer(void)
{
	pthread_rwlock_t lock;

	make(&lock, PTHREAD_RWLOCK_PREFER_WRITER_NP);
	battery(&lock);
}

static void prefer_writer_nonrecursive(void)
{
	pthread_rwlock_t lock;

	make(&lock, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	battery(&lock);
}

static void static_initialisers(void)
{
	static pthread_rwlock_t plain = PTHREAD_RWLOCK_INITIALIZER;
	static pthread_rwlock_t writers = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

	subject = &plain;
	battery(&plain);
	subject = &writers;
	battery(&writers);
}

/* --- errors --- */

static void deadlocks(void)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	struct timespec later = after_ms(CLOCK_REALTIME, 500), steady = after_ms(CLOCK_MONOTONIC, 500), past = long_ago();

	pthread_rwlock_wrlock(&lock);
	tell("rdlock", pthread_rwlock_rdlock(&lock));
	tell("wrlock", pthread_rwlock_wrlock(&lock));
	tell("timedrdlock", pthread_rwlock_timedrdlock(&lock, &later));
	tell("timedwrlock", pthread_rwlock_timedwrlock(&lock, &later));
	tell("clockrdlock", pthread_rwlock_clockrdlock(&lock, CLOCK_MONOTONIC, &steady));
	tell("clockwrlock", pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &steady));
	tell("timedrdlock, over", pthread_rwlock_timedrdlock(&lock, &past));
	tell("timedwrlock, over", pthread_rwlock_timedwrlock(&lock, &past));
	pthread_rwlock_unlock(&lock);
}

static void *bad_times_held(void *unused)
{
	struct timespec bad = no_time(), negative = { 1, -1 }, past = long_ago(), before_all = { -1, 0 };

	tell("rd, bad", pthread_rwlock_timedrdlock(subject, &bad));
	tell("wr, bad", pthread_rwlock_timedwrlock(subject, &bad));
	tell("rd, negative", pthread_rwlock_timedrdlock(subject, &negative));
	tell("wr, negative", pthread_rwlock_timedwrlock(subject, &negative));
	tell("rd, over", pthread_rwlock_timedrdlock(subject, &past));
	tell("wr, over", pthread_rwlock_timedwrlock(subject, &past));
	tell("rd, before all", pthread_rwlock_timedrdlock(subject, &before_all));
	tell("wr, before all", pthread_rwlock_timedwrlock(subject, &before_all));
	tell("rd, no clock", pthread_rwlock_clockrdlock(subject, 555, &past));
	tell("wr, cpu clock", pthread_rwlock_clockwrlock(subject, CLOCK_THREAD_CPUTIME_ID, &past));
	return unused;
}

static int give_back(int error)
{
	if (!error)
		pthread_rwlock_unlock(subject);
	return error;
}

static void bad_times(void)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	struct timespec bad = no_time(), past = long_ago(), fine = after_ms(CLOCK_MONOTONIC, 10);

	subject = &lock;
	tell("free: rd, bad", give_back(pthread_rwlock_timedrdlock(&lock, &bad)));
	tell("free: wr, bad", give_back(pthread_rwlock_timedwrlock(&lock, &bad)));
	tell("free: rd, over", give_back(pthread_rwlock_timedrdlock(&lock, &past)));
	tell("free: wr, over", give_back(pthread_rwlock_timedwrlock(&lock, &past)));
	tell("free: rd, no clock", give_back(pthread_rwlock_clockrdlock(&lock, 555, &fine)));
	tell("free: wr, no clock", give_back(pthread_rwlock_clockwrlock(&lock, 555, &fine)));
	pthread_rwlock_wrlock(&lock);
	in_thread(bad_times_held, NULL);
	pthread_rwlock_unlock(&lock);
}

static void bad_attributes(void)
{
	pthread_rwlockattr_t attributes;
	int value;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_getkind_np(&attributes, &value);
	say("kind %d", value);
	tell("setkind", pthread_rwlockattr_setkind_np(&attributes, 55));
	tell("setkind", pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	pthread_rwlockattr_getkind_np(&attributes, &value);
	say("kind %d", value);
	tell("setpshared", pthread_rwlockattr_setpshared(&attributes, 55));
	pthread_rwlockattr_getpshared(&attributes, &value);
	say("shared %d", value);
	tell("destroy", pthread_rwlockattr_destroy(&attributes));
}

/* Read locks are counted in 29 bits; the count is set, not counted up. */
static void reader_limit(void)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

	lock.__data.__readers = 0xfffffff8U;
	tell("tryrdlock", pthread_rwlock_tryrdlock(&lock));
	tell("rdlock", pthread_rwlock_rdlock(&lock));
}

/* --- waiting and preference --- */

static int events, order[16], arrived, first_kind;

static void note(int kind)
{
	order[__atomic_fetch_add(&events, 1, __ATOMIC_SEQ_CST)] = kind;
}

static void *read_once(void *unused)
{
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	pthread_rwlock_rdlock(subject);
	note('r');
	pthread_rwlock_unlock(subject);
	return unused;
}

static void *write_once(void *unused)
{
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	pthread_rwlock_wrlock(subject);
	note('w');
	pthread_rwlock_unlock(subject);
	return unused;
}

/* A reader holds it, a writer waits: may a new reader come in? */
static void reader_while_writer_waits(int preference)
{
	pthread_rwlock_t lock;
	pthread_t writer, reader;

	make(&lock, preference);
	events = arrived = 0;
	pthread_rwlock_rdlock(&lock);
	writer = spawn(write_once, NULL);
	await(&arrived, 1);
	pause_ms(40);
	reader = spawn(read_once, NULL);
	await(&arrived, 2);
	pause_ms(40);
	say("come in before the writer: %d", events);
	pthread_rwlock_unlock(&lock);
	join(writer);
	join(reader);
	say("in the end %d, the first was %c", events, order[0]);
}

static void new_reader_preferred(void) { reader_while_writer_waits(PTHREAD_RWLOCK_PREFER_READER_NP); }
static void new_reader_writer(void) { reader_while_writer_waits(PTHREAD_RWLOCK_PREFER_WRITER_NP); }
static void new_reader_nonrecursive(void) { reader_while_writer_waits(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP); }

/* With the writers' preference a waiting writer stops try and timed reads too, but not once it has given up. */
static void *write_for_a_while(void *unused)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 150);

	post(&arrived, 1);
	say("writer: %s", error_name(pthread_rwlock_timedwrlock(subject, &soon)));
	return unused;
}

static void *reads_meanwhile(void *unused)
{
	int error;

	tell("tryrdlock while a writer waits", error = pthread_rwlock_tryrdlock(subject));
	if (!error)
		pthread_rwlock_unlock(subject);
	return unused;
}

static void writer_gives_up(int preference)
{
	pthread_rwlock_t lock;
	pthread_t writer, reader;

	make(&lock, preference);
	events = arrived = 0;
	pthread_rwlock_rdlock(&lock);
	writer = spawn(write_for_a_while, NULL);
	await(&arrived, 1);
	pause_ms(40);
	in_thread(reads_meanwhile, NULL);
	reader = spawn(read_once, NULL);
	join(writer);
	join(reader);
	say("reads after the writer gave up: %d", events);
	pthread_rwlock_unlock(&lock);
}

static void writer_gives_up_preferred(void) { writer_gives_up(PTHREAD_RWLOCK_PREFER_READER_NP); }
static void writer_gives_up_nonrecursive(void) { writer_gives_up(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP); }

/* The writer unlocks while readers and a writer wait. */
static void unlock_of_writer(int preference)
{
	pthread_rwlock_t lock;
	pthread_t threads[4];

	make(&lock, preference);
	events = arrived = 0;
	pthread_rwlock_wrlock(&lock);
	for (int i = 0; i < 4; i++) {
		threads[i] = spawn(i == 1 ? write_once : read_once, NULL);
		await(&arrived, i + 1);
		pause_ms(20);
	}
	say("while it is written: %d", events);
	pthread_rwlock_unlock(&lock);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	first_kind = order[0];
	say("in the end %d", events);
	if (preference == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP)
		say("the first was %c", first_kind);
}

static void after_writer_preferred(void) { unlock_of_writer(PTHREAD_RWLOCK_PREFER_READER_NP); }
static void after_writer_nonrecursive(void) { unlock_of_writer(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP); }

/* --- fairness: who comes in a stream of the others gets its turn --- */

static int stop, turns;

static void *stream_of_reads(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		pthread_rwlock_rdlock(subject);
		pause_ms(2);
		pthread_rwlock_unlock(subject);
	}
	return unused;
}

static void *write_five(void *unused)
{
	for (turns = 0; turns < 5; turns++) {
		pthread_rwlock_wrlock(subject);
		pthread_rwlock_unlock(subject);
	}
	post(&stop, 1);
	return unused;
}

/* Only the last preference promises this. */
static void writer_among_readers(void)
{
	pthread_rwlock_t lock;
	pthread_t readers[3], writer;

	make(&lock, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	for (int i = 0; i < 3; i++)
		readers[i] = spawn(stream_of_reads, NULL);
	pause_ms(10);
	writer = spawn(write_five, NULL);
	join(writer);
	for (int i = 0; i < 3; i++)
		join(readers[i]);
	say("writes %d", turns);
}

static void *stream_of_writes(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		pthread_rwlock_wrlock(subject);
		pause_ms(1);
		pthread_rwlock_unlock(subject);
	}
	return unused;
}

static void *read_five(void *unused)
{
	for (turns = 0; turns < 5; turns++) {
		pthread_rwlock_rdlock(subject);
		pthread_rwlock_unlock(subject);
	}
	post(&stop, 1);
	return unused;
}

static void reader_among_writers(void)
{
	pthread_rwlock_t lock;
	pthread_t writers[2], reader;

	make(&lock, PTHREAD_RWLOCK_PREFER_READER_NP);
	for (int i = 0; i < 2; i++)
		writers[i] = spawn(stream_of_writes, NULL);
	pause_ms(10);
	reader = spawn(read_five, NULL);
	join(reader);
	for (int i = 0; i < 2; i++)
		join(writers[i]);
	say("reads %d", turns);
}

static long values[2];
static int wrong;

static void *read_pairs(void *unused)
{
	for (int i = 0; i < 3000; i++) {
		pthread_rwlock_rdlock(subject);
		if (values[0] != values[1])
			__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
		if (i % 100 == 0)
			sched_yield();
		pthread_rwlock_unlock(subject);
	}
	return unused;
}

static void *write_pairs(void *unused)
{
	for (int i = 0; i < 1000; i++) {
		pthread_rwlock_wrlock(subject);
		values[0]++;
		if (i % 100 == 0)
			sched_yield();
		values[1]++;
		pthread_rwlock_unlock(subject);
	}
	return unused;
}

static void exclusion(void)
{
	for (int preference = 0; preference < 3; preference++) {
		pthread_rwlock_t lock;
		pthread_t threads[5];

		make(&lock, preference);
		values[0] = values[1] = 0;
		for (int i = 0; i < 5; i++)
			threads[i] = spawn(i < 3 ? read_pairs : write_pairs, NULL);
		for (int i = 0; i < 5; i++)
			join(threads[i]);
		say("written %ld, wrong %d", values[0], wrong);
	}
}

/* No cancellation point. */
static int passed;

static void *lock_cancelled(void *unused)
{
	pthread_cancel(pthread_self());
	pthread_rwlock_rdlock(subject);
	pthread_rwlock_unlock(subject);
	pthread_rwlock_wrlock(subject);
	pthread_rwlock_unlock(subject);
	passed = 1;
	pthread_testcancel();
	passed = 2;
	return unused;
}

static void no_cancellation_point(void)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

	subject = &lock;
	tell_truth("cancelled", in_thread(lock_cancelled, NULL) == PTHREAD_CANCELED);
	say("passed %d", passed);
}

/* --- between processes --- */

struct shared {
	pthread_rwlock_t lock;
	int step, value;
};

static struct shared *make_shared(void)
{
	struct shared *shared = shared_memory(sizeof(*shared));
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	tell("init", pthread_rwlock_init(&shared->lock, &attributes));
	return shared;
}

static void write_in_child(void *argument)
{
	struct shared *shared = argument;

	pthread_rwlock_wrlock(&shared->lock);
	post(&shared->step, 1);
	pause_ms(60);
	shared->value++;
	pthread_rwlock_unlock(&shared->lock);
}

static void read_in_child(void *argument)
{
	struct shared *shared = argument;

	pthread_rwlock_rdlock(&shared->lock);
	post(&shared->step, 1);
	pause_ms(60);
	shared->value++;
	pthread_rwlock_unlock(&shared->lock);
}

static void shared_reader(void)
{
	struct shared *shared = make_shared();
	pid_t pid = child_of(write_in_child, shared);

	await(&shared->step, 1);
	tell("tryrdlock", pthread_rwlock_tryrdlock(&shared->lock));
	tell("rdlock", pthread_rwlock_rdlock(&shared->lock));
	say("value %d", shared->value);
	tell("unlock", pthread_rwlock_unlock(&shared->lock));
	reap("child", pid);
}

static void shared_writer(void)
{
	struct shared *shared = make_shared();
	pid_t pid = child_of(read_in_child, shared);

	await(&shared->step, 1);
	tell("tryrdlock", pthread_rwlock_tryrdlock(&shared->lock));
	tell("unlock", pthread_rwlock_unlock(&shared->lock));
	tell("trywrlock", pthread_rwlock_trywrlock(&shared->lock));
	tell("wrlock", pthread_rwlock_wrlock(&shared->lock));
	say("value %d", shared->value);
	tell("unlock", pthread_rwlock_unlock(&shared->lock));
	reap("child", pid);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "prefer_reader", .run = prefer_reader },
		{ .name = "prefer_writer", .run = prefer_writer },
		{ .name = "prefer_writer_nonrecursive", .run = prefer_writer_nonrecursive },
		{ .name = "static_initialisers", .run = static_initialisers },
		{ .name = "deadlocks", .run = deadlocks },
		{ .name = "bad_times", .run = bad_times },
		{ .name = "bad_attributes", .run = bad_attributes },
		{ .name = "reader_limit", .run = reader_limit },
		{ .name = "new_reader_preferred", .run = new_reader_preferred },
		{ .name = "new_reader_writer", .run = new_reader_writer },
		{ .name = "new_reader_nonrecursive", .run = new_reader_nonrecursive },
		{ .name = "writer_gives_up_preferred", .run = writer_gives_up_preferred },
		{ .name = "writer_gives_up_nonrecursive", .run = writer_gives_up_nonrecursive },
		{ .name = "after_writer_preferred", .run = after_writer_preferred },
		{ .name = "after_writer_nonrecursive", .run = after_writer_nonrecursive },
		{ .name = "writer_among_readers", .run = writer_among_readers },
		{ .name = "reader_among_writers", .run = reader_among_writers },
		{ .name = "exclusion", .run = exclusion },
		{ .name = "no_cancellation_point", .run = no_cancellation_point },
		{ .name = "shared_reader", .run = shared_reader },
		{ .name = "shared_writer", .run = shared_writer },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
