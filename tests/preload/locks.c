/* SPDX-License-Identifier: MIT */
/* locks.c - every kind of pthread lock, condition, semaphore and barrier: exclusion, errors, time limits */
#include "plain.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct timespec past = { 1, 0 };

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int value;
};

static void *add_slowly(void *argument)
{
	struct shared *shared = argument;

	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&shared->lock);
		int seen = shared->value;
		if (i % 10 == 0)
			pause_ms(1);
		shared->value = seen + 1;
		pthread_mutex_unlock(&shared->lock);
	}
	return NULL;
}

static void exclusion_of(const char *what, int kind, int protocol)
{
	pthread_mutexattr_t attributes;
	struct shared shared = { .value = 0 };
	pthread_t threads[8];

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, kind);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	must(pthread_mutex_init(&shared.lock, &attributes) == 0, "pthread_mutex_init");
	for (int i = 0; i < 8; i++)
		threads[i] = spawn(add_slowly, &shared);
	for (int i = 0; i < 8; i++)
		join(threads[i]);
	say("%s: %d, destroy %s", what, shared.value, error_name(pthread_mutex_destroy(&shared.lock)));
}

static void exclusion(void)
{
	exclusion_of("normal", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE);
	exclusion_of("recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE);
	exclusion_of("errorcheck", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE);
	exclusion_of("adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE);
	exclusion_of("inheriting", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT);
}

/* What another thread than the owner is told. */
static void *try_foreign(void *argument)
{
	pthread_mutex_t *lock = argument;
	struct timespec soon = after_ms(CLOCK_REALTIME, 60), steady = after_ms(CLOCK_MONOTONIC, 60);
	struct timespec wrong = { 1, 1000000000 };
	double start = now();

	say("  trylock: %s", error_name(pthread_mutex_trylock(lock)));
	say("  timedlock: %s", error_name(pthread_mutex_timedlock(lock, &soon)));
	say("  clocklock: %s", error_name(pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &steady)));
	say("  past: %s", error_name(pthread_mutex_timedlock(lock, &past)));
	say("  wrong time: %s", error_name(pthread_mutex_timedlock(lock, &wrong)));
	say_elapsed("  limits", start, 0.055, 2);
	return NULL;
}

static void try_own(const char *what, int kind)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t lock;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, kind);
	pthread_mutex_init(&lock, &attributes);
	pthread_mutex_lock(&lock);
	say("%s: trylock %s", what, error_name(pthread_mutex_trylock(&lock)));
	if (kind != PTHREAD_MUTEX_NORMAL)
		say("  again: %s", error_name(pthread_mutex_lock(&lock)));
	join(spawn(try_foreign, &lock));
	say("  unlock: %s", error_name(pthread_mutex_unlock(&lock)));
}

/* MP4, CK22: kinds of mutexes */
static void kinds(void)
{
	try_own("normal", PTHREAD_MUTEX_NORMAL);
	try_own("recursive", PTHREAD_MUTEX_RECURSIVE);
	try_own("errorcheck", PTHREAD_MUTEX_ERRORCHECK);
}

static void *unlock_foreign(void *argument)
{
	return (void *)(long)pthread_mutex_unlock(argument);
}

static void owners(void)
{
	pthread_mutex_t check = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	pthread_mutex_t again = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

	say("not locked: %s", error_name(pthread_mutex_unlock(&check)));
	pthread_mutex_lock(&check);
	pthread_mutex_lock(&again);
	say("errorcheck by another: %s", error_name((int)(long)join(spawn(unlock_foreign, &check))));
	say("recursive by another: %s", error_name((int)(long)join(spawn(unlock_foreign, &again))));
	say("by the owner: %s", error_name(pthread_mutex_unlock(&check)));
}

static void *die_holding(void *argument)
{
	pthread_mutex_lock(argument);
	return NULL;
}

static void robust(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t lock;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&lock, &attributes);
	join(spawn(die_holding, &lock));
	say("owner died: %s", error_name(pthread_mutex_lock(&lock)));
	say("consistent: %s", error_name(pthread_mutex_consistent(&lock)));
	say("unlock: %s", error_name(pthread_mutex_unlock(&lock)));
	join(spawn(die_holding, &lock));
	say("owner died: %s", error_name(pthread_mutex_lock(&lock)));
	say("unlock as it is: %s", error_name(pthread_mutex_unlock(&lock)));
	say("not recoverable: %s", error_name(pthread_mutex_lock(&lock)));
}

/* --- robust and shared by processes --- */

static pthread_mutex_t *shared_robust(int type)
{
	pthread_mutex_t *lock = mmap(NULL, sizeof(*lock), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	must(lock != MAP_FAILED, "mmap");
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	must(pthread_mutex_init(lock, &attributes) == 0, "pthread_mutex_init");
	return lock;
}

static void *lock_and_stay(void *lock)
{
	pthread_mutex_lock(lock);
	pause();
	return NULL;
}

static void *lock_recover_unlock(void *lock)
{
	int error = pthread_mutex_lock(lock);

	say("waiter: %s", error_name(error));
	say("consistent: %s", error_name(pthread_mutex_consistent(lock)));
	say("unlock: %s", error_name(pthread_mutex_unlock(lock)));
	return NULL;
}

/* The process is killed while a thread that is not its first one holds the lock, and threads here wait for it. */
static void robust_killed_process(void)
{
	pthread_mutex_t *lock = shared_robust(PTHREAD_MUTEX_NORMAL);
	pid_t pid = fork();

	if (pid == 0) {
		spawn(lock_and_stay, lock);
		pause();
	}
	while (pthread_mutex_trylock(lock) == 0) {
		pthread_mutex_unlock(lock);
		pause_ms(1);
	}
	pthread_t waiter = spawn(lock_recover_unlock, lock);

	pause_ms(30);
	kill(pid, SIGKILL);
	join(waiter);
	reap("holder", pid);
	say("again: %s", error_name(pthread_mutex_lock(lock)));
	say("unlock: %s", error_name(pthread_mutex_unlock(lock)));
}

static void *try_and_unlock(void *lock)
{
	say("other's try: %s", error_name(pthread_mutex_trylock(lock)));
	say("other's unlock: %s", error_name(pthread_mutex_unlock(lock)));
	return NULL;
}

static void *count_under(void *argument)
{
	void **both = argument;

	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(both[0]);
		int seen = *(volatile int *)both[1];

		if (i % 40 == 0)
			pause_ms(1);
		*(volatile int *)both[1] = seen + 1;
		pthread_mutex_unlock(both[0]);
	}
	return NULL;
}

static void robust_among_threads(void)
{
	pthread_mutex_t *lock = shared_robust(PTHREAD_MUTEX_NORMAL);
	int counter = 0;
	void *both[2] = { lock, &counter };
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = spawn(count_under, both);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("counted %d", counter);
	join(spawn(die_holding, lock));
	join(spawn(lock_recover_unlock, lock));
	join(spawn(die_holding, lock));
	say("owner died: %s", error_name(pthread_mutex_lock(lock)));
	say("unlock as it is: %s", error_name(pthread_mutex_unlock(lock)));
	say("not recoverable: %s", error_name(pthread_mutex_lock(lock)));
}

/* The first thread is gone, so that nobody else could wait for the lock. */
static void *lock_alone(void *lock)
{
	pause_ms(20);
	say("lock: %s", error_name(pthread_mutex_lock(lock)));
	say("unlock: %s", error_name(pthread_mutex_unlock(lock)));
	say("lock: %s", error_name(pthread_mutex_lock(lock)));
	join(spawn(try_and_unlock, lock));
	say("unlock: %s", error_name(pthread_mutex_unlock(lock)));
	exit(0);
}

static void robust_alone(void)
{
	spawn(lock_alone, shared_robust(PTHREAD_MUTEX_NORMAL));
	pthread_exit(NULL);
}

static void robust_kinds(void)
{
	pthread_mutex_t *lock = shared_robust(PTHREAD_MUTEX_ERRORCHECK);

	say("lock: %s", error_name(pthread_mutex_lock(lock)));
	say("again: %s", error_name(pthread_mutex_lock(lock)));
	join(spawn(try_and_unlock, lock));
	say("unlock: %s", error_name(pthread_mutex_unlock(lock)));
	lock = shared_robust(PTHREAD_MUTEX_RECURSIVE);
	say("lock: %s", error_name(pthread_mutex_lock(lock)));
	say("again: %s", error_name(pthread_mutex_lock(lock)));
	join(spawn(try_and_unlock, lock));
	say("unlock: %s", error_name(pthread_mutex_unlock(lock)));
	join(spawn(try_and_unlock, lock));
	say("unlock: %s", error_name(pthread_mutex_unlock(lock)));
	join(spawn(try_and_unlock, lock));
}

static void *wait_for_turn(void *argument)
{
	struct shared *shared = argument;

	pthread_mutex_lock(&shared->lock);
	while (shared->value == 0)
		pthread_cond_wait(&shared->changed, &shared->lock);
	shared->value--;
	pthread_mutex_unlock(&shared->lock);
	return NULL;
}

static void give(struct shared *shared, int count)
{
	pthread_mutex_lock(&shared->lock);
	shared->value += count;
	if (count == 1)
		pthread_cond_signal(&shared->changed);
	else
		pthread_cond_broadcast(&shared->changed);
	pthread_mutex_unlock(&shared->lock);
}

/* MP4: conditions */
static void conditions(void)
{
	struct shared shared = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
	pthread_t threads[10];

	for (int i = 0; i < 10; i++)
		threads[i] = spawn(wait_for_turn, &shared);
	pause_ms(20);
	for (int i = 0; i < 5; i++)
		give(&shared, 1);
	give(&shared, 5);
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	say("left %d", shared.value);
	say("destroy: %s", error_name(pthread_cond_destroy(&shared.changed)));
}

static void timed_out(const char *what, int clock, bool by_attribute)
{
	struct shared shared = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
	struct timespec limit = after_ms(clock, 60);
	pthread_condattr_t attributes;
	double start = now();
	int result;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, clock);
	if (by_attribute)
		pthread_cond_init(&shared.changed, &attributes);
	pthread_mutex_lock(&shared.lock);
	do {
		result = by_attribute ? pthread_cond_timedwait(&shared.changed, &shared.lock, &limit)
			: pthread_cond_clockwait(&shared.changed, &shared.lock, clock, &limit);
	} while (result == 0);
	say("%s: %s, then trylock %s", what, error_name(result), error_name(pthread_mutex_trylock(&shared.lock)));
	say_elapsed(what, start, 0.055, 2);
}

static void *time_out_all(void *argument)
{
	timed_out("monotonic attribute", CLOCK_MONOTONIC, true);
	timed_out("realtime attribute", CLOCK_REALTIME, true);
	timed_out("monotonic clockwait", CLOCK_MONOTONIC, false);
	timed_out("realtime clockwait", CLOCK_REALTIME, false);
	return argument;
}

static void timed_conditions(void)
{
	join(spawn(time_out_all, NULL));
}

static void *signal_late(void *argument)
{
	pause_ms(30);
	give(argument, 1);
	return NULL;
}

static void timed_and_signalled(void)
{
	struct shared shared = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
	struct timespec limit = after_ms(CLOCK_REALTIME, 10000), wrong = { 0, -1 };
	int result = 0;

	pthread_mutex_lock(&shared.lock);
	say("wrong time: %s", error_name(pthread_cond_timedwait(&shared.changed, &shared.lock, &wrong)));
	pthread_t thread = spawn(signal_late, &shared);
	while (shared.value == 0 && result == 0)
		result = pthread_cond_timedwait(&shared.changed, &shared.lock, &limit);
	pthread_mutex_unlock(&shared.lock);
	join(thread);
	say("value %d, result %s", shared.value, error_name(result));
}

struct readers {
	pthread_rwlock_t lock;
	atomic_int inside, most, writers;
};

static void *read_slowly(void *argument)
{
	struct readers *shared = argument;

	pthread_rwlock_rdlock(&shared->lock);
	int inside = ++shared->inside;
	if (inside > shared->most)
		shared->most = inside;
	pause_ms(30);
	shared->inside--;
	pthread_rwlock_unlock(&shared->lock);
	return NULL;
}

static void *write_slowly(void *argument)
{
	struct readers *shared = argument;

	pthread_rwlock_wrlock(&shared->lock);
	if (shared->inside || shared->writers++)
		say("a writer is not alone");
	pause_ms(5);
	shared->writers--;
	pthread_rwlock_unlock(&shared->lock);
	return NULL;
}

static void *try_read_write(void *argument)
{
	pthread_rwlock_t *lock = argument;
	struct timespec soon = after_ms(CLOCK_REALTIME, 60), steady = after_ms(CLOCK_MONOTONIC, 60);

	say("tryrdlock: %s", error_name(pthread_rwlock_tryrdlock(lock)));
	say("trywrlock: %s", error_name(pthread_rwlock_trywrlock(lock)));
	say("timedrdlock: %s", error_name(pthread_rwlock_timedrdlock(lock, &soon)));
	say("clockwrlock: %s", error_name(pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &steady)));
	return NULL;
}

/* MP4, CK22: read-write locks */
static void read_write_locks(void)
{
	struct readers shared = { .lock = PTHREAD_RWLOCK_INITIALIZER };
	pthread_t threads[10];

	for (int i = 0; i < 10; i++)
		threads[i] = spawn(i < 4 ? read_slowly : i % 2 ? read_slowly : write_slowly, &shared);
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	say("readers at once: %s", shared.most >= 2 ? "several" : "one");
	pthread_rwlock_wrlock(&shared.lock);
	say("write again: %s", error_name(pthread_rwlock_wrlock(&shared.lock)));
	say("read in write: %s", error_name(pthread_rwlock_rdlock(&shared.lock)));
	join(spawn(try_read_write, &shared.lock));
	say("unlock: %s", error_name(pthread_rwlock_unlock(&shared.lock)));
}

static sem_t items;

static void *take_three(void *argument)
{
	for (int i = 0; i < 3; i++)
		sem_wait(&items);
	return argument;
}

static void *time_out_semaphore(void *argument)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 60), steady;
	double start = now();

	say("trywait: %s", outcome(sem_trywait(&items)));
	say("timedwait: %s", outcome(sem_timedwait(&items, &soon)));
	steady = after_ms(CLOCK_MONOTONIC, 60);
	say("clockwait: %s", outcome(sem_clockwait(&items, CLOCK_MONOTONIC, &steady)));
	say_elapsed("limits", start, 0.115, 2);
	return argument;
}

/* MP4, L24: semaphores */
static void semaphores(void)
{
	pthread_t threads[5];
	int value;

	sem_init(&items, 0, 2);
	for (int i = 0; i < 5; i++)
		threads[i] = spawn(take_three, NULL);
	pause_ms(10);
	for (int i = 0; i < 13; i++)
		sem_post(&items);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	sem_getvalue(&items, &value);
	say("value %d", value);
	join(spawn(time_out_semaphore, NULL));
}

static void post_from_handler(int number)
{
	(void)number;
	sem_post(&items);
}

static void *wait_for_handler(void *argument)
{
	while (sem_wait(&items) == -1 && errno == EINTR)
		;
	return argument;
}

/* U12, CK18: a handler wakes a thread */
static void posted_by_handler(void)
{
	struct sigaction action = { .sa_handler = post_from_handler, .sa_flags = SA_RESTART };

	sem_init(&items, 0, 0);
	sigaction(SIGUSR1, &action, NULL);
	pthread_t thread = spawn(wait_for_handler, NULL);
	pause_ms(20);
	kill(getpid(), SIGUSR1);
	join(thread);
	say("a handler posted to a thread");
	raise(SIGUSR1);
	say("to its own: %s", outcome(sem_wait(&items)));
}

static pthread_barrier_t meeting;
static atomic_int serial, arrived;

static void *meet(void *argument)
{
	for (int round = 1; round <= 20; round++) {
		arrived++;
		if (pthread_barrier_wait(&meeting) == PTHREAD_BARRIER_SERIAL_THREAD)
			serial++;
		if (arrived < round * 5)
			say("someone left too early");
		pthread_barrier_wait(&meeting);
	}
	return argument;
}

/* MP4, CK22: barriers */
static void barriers(void)
{
	pthread_t threads[5];

	pthread_barrier_init(&meeting, NULL, 5);
	for (int i = 0; i < 5; i++)
		threads[i] = spawn(meet, NULL);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	say("serial %d, destroy %s", serial, error_name(pthread_barrier_destroy(&meeting)));
	say("of nobody: %s", error_name(pthread_barrier_init(&meeting, NULL, 0)));
}

static pthread_spinlock_t spin;
static int spin_value;

static void *add_spinning(void *argument)
{
	for (int i = 0; i < 20; i++) {
		pthread_spin_lock(&spin);
		int seen = spin_value;
		if (i == 10)
			pause_ms(2);
		spin_value = seen + 1;
		pthread_spin_unlock(&spin);
	}
	return argument;
}

static void spin_locks(void)
{
	pthread_t threads[4];

	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	for (int i = 0; i < 4; i++)
		threads[i] = spawn(add_spinning, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	pthread_spin_lock(&spin);
	say("value %d, trylock %s", spin_value, error_name(pthread_spin_trylock(&spin)));
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int initialised, seen_ready;

static void initialise(void)
{
	pause_ms(20);
	initialised++;
}

static void *ask_once(void *argument)
{
	pthread_once(&once, initialise);
	seen_ready += initialised;
	return argument;
}

/* MP4, CK22: once */
static void only_once(void)
{
	pthread_t threads[10];

	for (int i = 0; i < 10; i++)
		threads[i] = spawn(ask_once, NULL);
	for (int i = 0; i < 10; i++)
		join(threads[i]);
	say("initialised %d, seen by %d", initialised, seen_ready);
}

/* Another process unlocks and posts: nobody in this one could do it. */
struct between {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	sem_t items;
	int value;
};

static struct between *share(void)
{
	struct between *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t mutex;
	pthread_condattr_t condition;

	must(shared != MAP_FAILED, "mmap");
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->lock, &mutex);
	pthread_condattr_init(&condition);
	pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->changed, &condition);
	sem_init(&shared->items, 1, 0);
	return shared;
}

static void be_the_other(struct between *shared)
{
	pthread_mutex_lock(&shared->lock);
	sem_post(&shared->items);
	pause_ms(60);
	shared->value = 1;
	pthread_cond_broadcast(&shared->changed);
	pthread_mutex_unlock(&shared->lock);
	pause_ms(30);
	sem_post(&shared->items);
	_exit(0);
}

static void *wait_for_other(void *argument)
{
	struct between *shared = argument;

	pthread_mutex_lock(&shared->lock);
	while (shared->value == 0)
		pthread_cond_wait(&shared->changed, &shared->lock);
	pthread_mutex_unlock(&shared->lock);
	say("semaphore: %s", outcome(sem_wait(&shared->items)));
	return NULL;
}

/* L6, L13, U8, CK23: locks that processes share */
static void between_processes(void)
{
	struct between *shared = share();
	pid_t pid = fork();

	if (pid == 0)
		be_the_other(shared);
	sem_wait(&shared->items);
	join(spawn(wait_for_other, shared));
	reap("the other", pid);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "exclusion", exclusion, 40 },
		{ "kinds", kinds, 3 },
		{ "owners", owners, 2 },
		{ "robust", robust, 2 },
		{ "robust_killed_process", robust_killed_process, 1 },
		{ "robust_among_threads", robust_among_threads, 7 },
		{ "robust_kinds", robust_kinds, 4 },
		{ "robust_alone", robust_alone, 2 },
		{ "conditions", conditions, 10 },
		{ "timed_conditions", timed_conditions, 1 },
		{ "timed_and_signalled", timed_and_signalled, 1 },
		{ "read_write_locks", read_write_locks, 11 },
		{ "semaphores", semaphores, 6 },
		{ "posted_by_handler", posted_by_handler, 1 },
		{ "barriers", barriers, 5 },
		{ "spin_locks", spin_locks, 4 },
		{ "only_once", only_once, 10 },
		{ "between_processes", between_processes, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
