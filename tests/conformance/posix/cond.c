/* SPDX-License-Identifier: MIT */
/* cond.c - condition variables: wakes counted, clocks, bad arguments, cancellation, other processes */
#include "posix.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MANY = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int waiting, tickets, woken;

/* Takes one ticket; who wakes for no reason waits on. */
static void *wait_for_ticket(void *unused)
{
	pthread_mutex_lock(&lock);
	waiting++;
	while (!tickets)
		pthread_cond_wait(&cond, &lock);
	tickets--;
	woken++;
	waiting--;
	pthread_mutex_unlock(&lock);
	return unused;
}

static int read_locked(const int *what)
{
	pthread_mutex_lock(&lock);
	int value = *what;
	pthread_mutex_unlock(&lock);
	return value;
}

static void await_locked(const int *what, int value)
{
	for (int i = 0; i < 5000 && read_locked(what) != value; i++)
		pause_ms(1);
	if (read_locked(what) != value)
		say("waited in vain for %d", value);
}

static void begin_waiters(pthread_t threads[MANY])
{
	for (int i = 0; i < MANY; i++)
		threads[i] = spawn(wait_for_ticket, NULL);
	await_locked(&waiting, MANY);
}

static void give(int count)
{
	pthread_mutex_lock(&lock);
	tickets += count;
	pthread_mutex_unlock(&lock);
}

static void signals_one_each(void)
{
	pthread_t threads[MANY];

	begin_waiters(threads);
	for (int i = 0; i < MANY; i++) {
		give(1);
		tell("signal", pthread_cond_signal(&cond));
		await_locked(&woken, i + 1);
		say("woken %d", read_locked(&woken));
	}
	for (int i = 0; i < MANY; i++)
		join(threads[i]);
}

/* Signals that come together wake as many as they are. */
static void signals_together(void)
{
	pthread_t threads[MANY];

	begin_waiters(threads);
	pthread_mutex_lock(&lock);
	tickets = MANY;
	for (int i = 0; i < MANY; i++)
		pthread_cond_signal(&cond);
	say("while the mutex is held: %d", woken);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < MANY; i++)
		join(threads[i]);
	say("woken %d", woken);
}

static void broadcast(void)
{
	pthread_t threads[MANY];

	for (int round = 1; round <= 3; round++) {
		begin_waiters(threads);
		give(MANY);
		tell("broadcast", pthread_cond_broadcast(&cond));
		for (int i = 0; i < MANY; i++)
			join(threads[i]);
		say("woken %d", woken);
	}
}

/* A signal with nobody there is not kept. */
static void signal_is_not_kept(void)
{
	struct timespec soon;

	tell("signal", pthread_cond_signal(&cond));
	tell("broadcast", pthread_cond_broadcast(&cond));
	pthread_mutex_lock(&lock);
	soon = after_ms(CLOCK_REALTIME, 30);
	tell("timedwait", pthread_cond_timedwait(&cond, &lock, &soon));
	tell("unlock", pthread_mutex_unlock(&lock));
}

/* --- clocks --- */

static void on_clock(pthread_cond_t *one, int clock)
{
	double since = now();
	struct timespec soon = after_ms(clock, 40), past = long_ago(), before_all = { -5, 0 };

	pthread_mutex_lock(&lock);
	tell("timedwait", pthread_cond_timedwait(one, &lock, &soon));
	tell_in_time("timedwait", since, 40);
	tell("mutex is held", pthread_mutex_trylock(&lock));
	tell("a time that is over", pthread_cond_timedwait(one, &lock, &past));
	tell("a time before all", pthread_cond_timedwait(one, &lock, &before_all));
	tell("mutex is held", pthread_mutex_trylock(&lock));
	pthread_mutex_unlock(&lock);
}

static void clocks(void)
{
	pthread_condattr_t attributes;
	pthread_cond_t one;
	clockid_t clock;

	on_clock(&cond, CLOCK_REALTIME);
	pthread_condattr_init(&attributes);
	pthread_condattr_getclock(&attributes, &clock);
	say("clock %d", (int)clock);
	tell("setclock", pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
	pthread_condattr_getclock(&attributes, &clock);
	say("clock %d", (int)clock);
	tell("init", pthread_cond_init(&one, &attributes));
	on_clock(&one, CLOCK_MONOTONIC);
	tell("destroy", pthread_cond_destroy(&one));
	tell("cpu clock", pthread_condattr_setclock(&attributes, CLOCK_PROCESS_CPUTIME_ID));
	tell("no clock", pthread_condattr_setclock(&attributes, 999));
	tell("destroy", pthread_condattr_destroy(&attributes));
}

static void clockwait(void)
{
	double since = now();
	struct timespec soon = after_ms(CLOCK_MONOTONIC, 30), bad = no_time();

	pthread_mutex_lock(&lock);
	tell("monotonic", pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &soon));
	tell_in_time("monotonic", since, 30);
	since = now();
	soon = after_ms(CLOCK_REALTIME, 30);
	tell("real time", pthread_cond_clockwait(&cond, &lock, CLOCK_REALTIME, &soon));
	tell_in_time("real time", since, 30);
	tell("boot time", pthread_cond_clockwait(&cond, &lock, CLOCK_BOOTTIME, &soon));
	tell("cpu time", pthread_cond_clockwait(&cond, &lock, CLOCK_PROCESS_CPUTIME_ID, &soon));
	tell("bad time", pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &bad));
	tell("mutex is held", pthread_mutex_trylock(&lock));
	pthread_mutex_unlock(&lock);
}

static void bad_times(void)
{
	struct timespec bad = no_time(), negative = { 1, -1 };

	pthread_mutex_lock(&lock);
	tell("bad nanoseconds", pthread_cond_timedwait(&cond, &lock, &bad));
	tell("negative nanoseconds", pthread_cond_timedwait(&cond, &lock, &negative));
	tell("mutex is held", pthread_mutex_trylock(&lock));
	pthread_mutex_unlock(&lock);
}

static void timed_but_woken(void)
{
	pthread_t one = spawn(wait_for_ticket, NULL);
	struct timespec later;
	int error = 0;

	await_locked(&waiting, 1);
	pthread_mutex_lock(&lock);
	tickets = 1;
	pthread_cond_signal(&cond);
	later = after_ms(CLOCK_REALTIME, 5000);
	while (!woken && !error)
		error = pthread_cond_timedwait(&cond, &lock, &later), pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	join(one);
	say("woken %d", woken);
}

static void bad_attributes(void)
{
	pthread_condattr_t attributes;
	int shared;

	pthread_condattr_init(&attributes);
	tell("setpshared", pthread_condattr_setpshared(&attributes, 99));
	pthread_condattr_getpshared(&attributes, &shared);
	say("shared %d", shared);
	tell("setpshared", pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
	pthread_condattr_getpshared(&attributes, &shared);
	say("shared %d", shared);
}

/* --- the mutex's kinds --- */

static void *wait_with(void *argument)
{
	pthread_mutex_t *mutex = argument;

	pthread_mutex_lock(mutex);
	waiting = 1;
	while (!tickets)
		pthread_cond_wait(&cond, mutex);
	say("owner again: %s", error_name(pthread_mutex_trylock(mutex)));
	pthread_mutex_unlock(mutex);
	return NULL;
}

static void with_kind(int type, int robust, int protocol)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;
	pthread_t waiter;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutex_init(&mutex, &attributes);
	waiting = tickets = 0;
	waiter = spawn(wait_with, &mutex);
	for (bool seen = false; !seen; pause_ms(1)) {
		pthread_mutex_lock(&mutex);
		seen = waiting;
		pthread_mutex_unlock(&mutex);
	}
	pthread_mutex_lock(&mutex);
	tickets = 1;
	tell("signal", pthread_cond_signal(&cond));
	pthread_mutex_unlock(&mutex);
	join(waiter);
	tell("destroy", pthread_mutex_destroy(&mutex));
}

static void mutex_kinds(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP };

	for (int i = 0; i < 12; i++)
		with_kind(types[i % 3], i / 3 % 2 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED,
			  i / 6 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
}

static void not_owned(void)
{
	pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	struct timespec later = after_ms(CLOCK_REALTIME, 100);

	tell("wait without the mutex", pthread_cond_wait(&cond, &checked));
	tell("timedwait without the mutex", pthread_cond_timedwait(&cond, &checked, &later));
	tell("lock", pthread_mutex_lock(&checked));
}

/* --- robust mutex whose next owner dies while we wait --- */

static pthread_mutex_t robust;

static void *wait_robust(void *unused)
{
	pthread_mutex_lock(&robust);
	post(&waiting, 1);
	tell("wait", pthread_cond_wait(&cond, &robust));
	tell("consistent", pthread_mutex_consistent(&robust));
	tell("unlock", pthread_mutex_unlock(&robust));
	return unused;
}

static void *signal_and_die(void *unused)
{
	pthread_mutex_lock(&robust);
	pthread_cond_signal(&cond);
	pause_ms(20);
	return unused;
}

static void owner_dies(void)
{
	pthread_mutexattr_t attributes;
	pthread_t waiter;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	waiter = spawn(wait_robust, NULL);
	await(&waiting, 1);
	in_thread(signal_and_die, NULL);
	join(waiter);
}

/* --- cancellation --- */

static void report_held(void *unused)
{
	say("in the cleanup handler the mutex is %s", pthread_mutex_trylock(&lock) == EBUSY ? "held" : "free");
	say("unlock: %s", error_name(pthread_mutex_unlock(&lock)));
	(void)unused;
}

static int variant;

static void *wait_for_cancel(void *unused)
{
	struct timespec real = after_ms(CLOCK_REALTIME, 20000), steady = after_ms(CLOCK_MONOTONIC, 20000);

	pthread_mutex_lock(&lock);
	pthread_cleanup_push(report_held, NULL);
	waiting = 1;
	for (;;) {
		if (variant == 0)
			pthread_cond_wait(&cond, &lock);
		else if (variant == 1)
			pthread_cond_timedwait(&cond, &lock, &real);
		else
			pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &steady);
	}
	pthread_cleanup_pop(0);
	return unused;
}

static void cancelled(void)
{
	for (variant = 0; variant < 3; variant++) {
		pthread_t thread;

		waiting = 0;
		thread = spawn(wait_for_cancel, NULL);
		await_locked(&waiting, 1);
		if (pthread_cancel(thread))
			say("pthread_cancel fails");
		tell_truth("cancelled", join(thread) == PTHREAD_CANCELED);
	}
}

static void *wait_with_pending_cancel(void *unused)
{
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(report_held, NULL);
	pthread_cancel(pthread_self());
	pthread_cond_wait(&cond, &lock);
	pthread_cleanup_pop(0);
	return unused;
}

static void cancelled_before(void)
{
	tell_truth("cancelled", in_thread(wait_with_pending_cancel, NULL) == PTHREAD_CANCELED);
}

/* A cancelled waiter must not eat a signal that others could use. */
static void cancelled_waiter_eats_nothing(void)
{
	pthread_t cancelled_one, other;

	variant = 0;
	cancelled_one = spawn(wait_for_cancel, NULL);
	await_locked(&waiting, 1);
	other = spawn(wait_for_ticket, NULL);
	await_locked(&waiting, 2);
	pthread_mutex_lock(&lock);
	tickets = 1;
	pthread_cancel(cancelled_one);
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	join(cancelled_one);
	/* The signal may have gone to the cancelled one if that was first; one more is for the other. */
	pthread_cond_signal(&cond);
	join(other);
	say("woken %d", woken);
}

/* --- a handler during the wait --- */

static int handled;

static void on_signal(int number)
{
	(void)number;
	post(&handled, 1);
}

static void handler_during_wait(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t waiter;

	sigaction(SIGUSR1, &action, NULL);
	waiter = spawn(wait_for_ticket, NULL);
	await_locked(&waiting, 1);
	pause_ms(10);
	tell("kill", pthread_kill(waiter, SIGUSR1));
	await(&handled, 1);
	say("woken %d", read_locked(&woken));
	give(1);
	pthread_cond_signal(&cond);
	join(waiter);
	say("woken %d", woken);
}

/* --- the life of the object --- */

static pthread_cond_t *heap_cond;

static void *wait_on_heap(void *unused)
{
	pthread_mutex_lock(&lock);
	waiting++;
	while (!tickets)
		pthread_cond_wait(heap_cond, &lock);
	pthread_mutex_unlock(&lock);
	return unused;
}

/* POSIX: it may be destroyed at once when those who wait have been woken. */
static void destroyed_after_broadcast(void)
{
	for (int round = 0; round < 20; round++) {
		pthread_t threads[4];

		heap_cond = malloc(sizeof(*heap_cond));
		pthread_cond_init(heap_cond, NULL);
		waiting = tickets = 0;
		for (int i = 0; i < 4; i++)
			threads[i] = spawn(wait_on_heap, NULL);
		await_locked(&waiting, 4);
		pthread_mutex_lock(&lock);
		tickets = 1;
		pthread_cond_broadcast(heap_cond);
		pthread_mutex_unlock(&lock);
		if (pthread_cond_destroy(heap_cond))
			say("destroy fails");
		memset(heap_cond, 0xff, sizeof(*heap_cond));
		for (int i = 0; i < 4; i++)
			join(threads[i]);
		free(heap_cond);
	}
	say("20 times");
}

/* --- a queue --- */

static int queue[4], count, produced, consumed;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;

static void *produce(void *unused)
{
	for (int i = 1; i <= 1000; i++) {
		pthread_mutex_lock(&lock);
		while (count == 4)
			pthread_cond_wait(&not_full, &lock);
		queue[count++] = i;
		produced += i;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void *consume(void *unused)
{
	for (int i = 1; i <= 1000; i++) {
		pthread_mutex_lock(&lock);
		while (count == 0)
			pthread_cond_wait(&not_empty, &lock);
		consumed += queue[--count];
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void bounded_queue(void)
{
	pthread_t threads[6];

	for (int i = 0; i < 6; i++)
		threads[i] = spawn(i % 2 ? produce : consume, NULL);
	for (int i = 0; i < 6; i++)
		join(threads[i]);
	say("produced %d, consumed %d, left %d", produced, consumed, count);
}

/* --- between processes --- */

struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int tickets, waiting, woken;
};

static struct shared *make_shared(void)
{
	struct shared *shared = shared_memory(sizeof(*shared));
	pthread_mutexattr_t mutex_attributes;
	pthread_condattr_t cond_attributes;

	pthread_mutexattr_init(&mutex_attributes);
	pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &mutex_attributes);
	pthread_condattr_init(&cond_attributes);
	pthread_condattr_setpshared(&cond_attributes, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->cond, &cond_attributes);
	return shared;
}

static void wait_shared(void *argument)
{
	struct shared *shared = argument;

	pthread_mutex_lock(&shared->mutex);
	shared->waiting++;
	while (!shared->tickets)
		pthread_cond_wait(&shared->cond, &shared->mutex);
	shared->tickets--;
	shared->woken++;
	pthread_mutex_unlock(&shared->mutex);
}

static void *wait_shared_thread(void *argument)
{
	wait_shared(argument);
	return NULL;
}

static void await_shared(struct shared *shared, int value)
{
	for (bool seen = false; !seen; pause_ms(1)) {
		pthread_mutex_lock(&shared->mutex);
		seen = shared->waiting == value;
		pthread_mutex_unlock(&shared->mutex);
	}
}

static void wake_child(void)
{
	struct shared *shared = make_shared();
	pid_t pid = child_of(wait_shared, shared);

	await_shared(shared, 1);
	pthread_mutex_lock(&shared->mutex);
	shared->tickets = 1;
	tell("signal", pthread_cond_signal(&shared->cond));
	pthread_mutex_unlock(&shared->mutex);
	reap("child", pid);
	say("woken %d", shared->woken);
}

static void wake_parent(void *argument)
{
	struct shared *shared = argument;

	await_shared(shared, 2);
	pthread_mutex_lock(&shared->mutex);
	shared->tickets = 2;
	tell("broadcast", pthread_cond_broadcast(&shared->cond));
	pthread_mutex_unlock(&shared->mutex);
}

static void woken_by_child(void)
{
	struct shared *shared = make_shared();
	pid_t pid = child_of(wake_parent, shared);
	pthread_t one = spawn(wait_shared_thread, shared), two = spawn(wait_shared_thread, shared);

	join(one);
	join(two);
	reap("child", pid);
	say("woken %d", shared->woken);
}

static void shared_times_out(void)
{
	struct shared *shared = make_shared();
	struct timespec soon = after_ms(CLOCK_REALTIME, 40);
	double since = now();
	int error = 0;

	pthread_mutex_lock(&shared->mutex);
	while (!error)
		error = pthread_cond_timedwait(&shared->cond, &shared->mutex, &soon);
	tell("timedwait", error);
	tell_in_time("timedwait", since, 40);
	pthread_mutex_unlock(&shared->mutex);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "signals_one_each", .run = signals_one_each },
		{ .name = "signals_together", .run = signals_together },
		{ .name = "broadcast", .run = broadcast },
		{ .name = "signal_is_not_kept", .run = signal_is_not_kept },
		{ .name = "clocks", .run = clocks },
		{ .name = "clockwait", .run = clockwait },
		{ .name = "bad_times", .run = bad_times },
		{ .name = "timed_but_woken", .run = timed_but_woken },
		{ .name = "bad_attributes", .run = bad_attributes },
		{ .name = "mutex_kinds", .run = mutex_kinds },
		{ .name = "not_owned", .run = not_owned },
		{ .name = "owner_dies", .run = owner_dies },
		{ .name = "cancelled", .run = cancelled },
		{ .name = "cancelled_before", .run = cancelled_before },
		{ .name = "cancelled_waiter_eats_nothing", .run = cancelled_waiter_eats_nothing },
		{ .name = "handler_during_wait", .run = handler_during_wait },
		{ .name = "destroyed_after_broadcast", .run = destroyed_after_broadcast },
		{ .name = "bounded_queue", .run = bounded_queue },
		{ .name = "wake_child", .run = wake_child },
		{ .name = "woken_by_child", .run = woken_by_child },
		{ .name = "shared_times_out", .run = shared_times_out },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
