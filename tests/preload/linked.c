/* SPDX-License-Identifier: MIT */
/* linked.c - a program of libgreen's own calls that also has pthreads and calls that block: one runtime for both */
#include "plain.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "green.h"

enum { TASKS = 3, THREADS = 3, ROUNDS = 200, ITEMS = 300, BYTES = 20000 };

static struct greenlet *task(void *(*body)(void *), void *argument)
{
	struct greenlet *made = green_spawn(body, argument);

	must(made != NULL, "green_spawn");
	return made;
}

static void *joined(struct greenlet *made)
{
	void *value = NULL;

	must(green_join(made, &value, -1) == 0, "green_join");
	green_destroy(made);
	return value;
}

/* --- tasks beside threads --- */

static void *sleeps(void *argument)
{
	must(green_sleep((int)(intptr_t)argument) == 0, "green_sleep");
	return (void *)((intptr_t)argument + 1);
}

static intptr_t sum_of_tasks(void)
{
	struct greenlet *made[TASKS];
	intptr_t sum = 0;

	for (intptr_t i = 0; i < TASKS; i++)
		made[i] = task(sleeps, (void *)(5 * i));
	for (int i = 0; i < TASKS; i++)
		sum += (intptr_t)joined(made[i]);
	return sum;
}

static void *has_tasks(void *argument)
{
	intptr_t sum = sum_of_tasks();

	pause_ms(5);
	errno = (int)(intptr_t)argument;
	must(green_yield() == 0 && errno == (int)(intptr_t)argument, "green_yield");
	return (void *)(sum + sum_of_tasks());
}

/* MP17: each thread has tasks, and waits in its own calls and in libc's */
static void tasks(void)
{
	pthread_t threads[THREADS];

	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = spawn(has_tasks, (void *)(i + 1));
	say("main: %ld", (long)sum_of_tasks());
	for (int i = 0; i < THREADS; i++)
		say("thread: %ld", (long)(intptr_t)join(threads[i]));
}

/* --- bytes between both --- */

static int ends[2];

static char byte_at(size_t offset)
{
	return (char)(offset * 31 + (offset >> 8));
}

static void *sends_plainly(void *unused)
{
	char bytes[BYTES];

	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = byte_at(i);
	pause_ms(10);
	must(write_full(ends[1], bytes, BYTES) == BYTES && shutdown(ends[1], SHUT_WR) == 0, "write");
	return unused;
}

static void *receives_plainly(void *unused)
{
	char bytes[BYTES];
	size_t wrong = 0, size = read_full(ends[1], bytes, BYTES);

	(void)unused;
	for (size_t i = 0; i < size; i++)
		wrong += bytes[i] != byte_at(i);
	say("plain: %zu bytes, %zu wrong", size, wrong);
	return NULL;
}

static void *receives_as_task(void *unused)
{
	size_t total = 0, wrong = 0;
	char bytes[700];
	ssize_t size;

	(void)unused;
	while ((size = green_recv(ends[0], bytes, sizeof(bytes), 0)) > 0) {
		for (ssize_t i = 0; i < size; i++)
			wrong += bytes[i] != byte_at(total + (size_t)i);
		total += (size_t)size;
	}
	say("task: %zu bytes, %zu wrong", total, wrong);
	return NULL;
}

static void *sends_as_task(void *unused)
{
	char bytes[BYTES];
	size_t sent = 0;
	ssize_t size;

	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = byte_at(i);
	must(green_sleep(10) == 0, "green_sleep");
	while (sent < BYTES && (size = green_send(ends[0], bytes + sent, BYTES - sent, 0)) > 0)
		sent += (size_t)size;
	must(sent == BYTES, "green_send");
	return unused;
}

/* MP17: what a thread sends by libc's call a task receives by the library's, and the other way round */
static void bytes(void)
{
	pthread_t thread;

	stream_pair(ends);
	thread = spawn(sends_plainly, NULL);
	joined(task(receives_as_task, NULL));
	join(thread);
	close(ends[0]);
	close(ends[1]);
	stream_pair(ends);
	thread = spawn(receives_plainly, NULL);
	joined(task(sends_as_task, NULL));
	join(thread);
	green_close(ends[0]);
	green_close(ends[1]);
}

static void *closes_later(void *fd)
{
	pause_ms(20);
	must(close(*(int *)fd) == 0, "close");
	return NULL;
}

/* MP17: both kinds of poll see the same */
static void polls(void)
{
	struct pollfd plain, green;
	pthread_t thread;

	stream_pair(ends);
	thread = spawn(closes_later, &ends[1]);
	green = plain = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	say("green_poll: %d", green_poll(&green, 1, 5000));
	say("poll: %d", poll(&plain, 1, 5000));
	say("events %s", plain.revents == green.revents ? "alike" : "differ");
	join(thread);
	close(ends[0]);
}

/* --- what both hold --- */

static struct green_mutex mutex = GREEN_MUTEX_INIT;
static pthread_mutex_t plain_mutex = PTHREAD_MUTEX_INITIALIZER;
static long guarded, plainly_guarded;

static void *counts(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		long before;

		must(green_mutex_lock(&mutex, -1) == 0, "green_mutex_lock");
		before = guarded;
		if (i % 8 == 0)
			green_yield();
		guarded = before + 1;
		green_mutex_unlock(&mutex);
		/* Held without a switch in between, as another task would wait with the whole kernel thread. */
		pthread_mutex_lock(&plain_mutex);
		plainly_guarded++;
		pthread_mutex_unlock(&plain_mutex);
		if (i % 16 == 0)
			sched_yield();
	}
	return unused;
}

static void *counts_with_tasks(void *unused)
{
	struct greenlet *first = task(counts, NULL), *second = task(counts, NULL);

	counts(NULL);
	joined(first);
	joined(second);
	return unused;
}

/* MP17: a lock of the library's that threads and their tasks want, beside one of libc's */
static void locks(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		threads[i] = spawn(counts_with_tasks, NULL);
	counts_with_tasks(NULL);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
	say("%ld and %ld of %d", guarded, plainly_guarded, (THREADS + 1) * 3 * ROUNDS);
}

static struct green_queue *queue;

static void *puts_items(void *argument)
{
	for (intptr_t i = 1; i <= ITEMS; i++) {
		must(green_queue_put(queue, (void *)((intptr_t)argument + i), -1) == 0, "green_queue_put");
		if (i % 50 == 0)
			pause_ms(1);
	}
	return NULL;
}

/* MP17: threads put what main gets */
static void queues(void)
{
	pthread_t threads[THREADS];
	long sum = 0;
	void *item;

	queue = green_queue_create(GREEN_FIFO, 7);
	must(queue != NULL, "green_queue_create");
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = spawn(puts_items, (void *)(1000 * i));
	for (int i = 0; i < THREADS * ITEMS; i++) {
		must(green_queue_get(queue, &item, -1) == 0, "green_queue_get");
		sum += (long)(intptr_t)item;
	}
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
	say("sum %ld", sum);
	green_queue_destroy(queue);
}

/* --- time, helpers, callbacks --- */

static void *works(void *argument)
{
	pause_ms(10);
	return argument;
}

static struct green_event event = GREEN_EVENT_INIT;
static int called;

static void calls(void *unused)
{
	(void)unused;
	called++;
}

static void *meanwhile(void *unused)
{
	for (int i = 0; i < 20; i++)
		pause_ms(1);
	return unused;
}

/* MP17: timers, helpers and limits of the library's while a thread sleeps in libc */
static void times(void)
{
	pthread_t thread = spawn(meanwhile, NULL);
	struct green_timeout limit;
	struct green_call call;

	must(green_call_later(&call, 5, calls, NULL) == 0, "green_call_later");
	must(green_timeout_start(&limit, 20) == 0, "green_timeout_start");
	say("green_sleep: %s", outcome(green_sleep(60000)));
	say("its limit: %d", green_timeout_end(&limit));
	say("called: %d", called);
	say("offload: %s", green_offload(works, &called) == &called ? "ok" : "wrong");
	join(thread);
}

/* --- before the first thread --- */

static void *looks_up(void *argument)
{
	must(dlsym(RTLD_DEFAULT, "malloc") != NULL, "dlsym");
	must(green_sleep(20) == 0, "green_sleep");
	return argument;
}

/* MP17: the library's tasks are there before the first thread, and one looks for a symbol */
static void tasks_first(void)
{
	struct greenlet *made = task(looks_up, &event);
	pthread_t thread;

	must(green_yield() == 0, "green_yield");
	thread = spawn(meanwhile, &event);
	say("task: %s", joined(made) == &event ? "ended" : "wrong");
	say("thread: %s", join(thread) == &event ? "ended" : "wrong");
}

/* --- explicit switches --- */

static volatile int turns;
static volatile bool enough;

static void *takes_turns(void *unused)
{
	while (!enough) {
		pause_ms(1);
		turns++;
	}
	return unused;
}

static void *yields_for_ever(struct green_generator *self, void *unused)
{
	while (green_generator_yield(self, NULL, NULL) == 0)
		;
	return unused;
}

/* CK10, MP17: a thread that does nothing but switch to a generator and back computes, and is stopped for others */
static void generators(void)
{
	pthread_t thread = spawn(takes_turns, NULL);
	struct green_generator *generator = green_generator_create(yields_for_ever, NULL);
	double until = now() + 5;

	must(generator != NULL, "green_generator_create");
	while (turns < 3 && now() < until) {
		for (int i = 0; i < 10000; i++)
			must(green_generator_next(generator, NULL) == 1, "green_generator_next");
	}
	say("the other one had %s", turns < 3 ? "no turns" : "turns");
	enough = true;
	join(thread);
	must(green_generator_destroy(generator) == 0, "green_generator_destroy");
}

/* --- one runtime --- */

static void *own_hub(void *unused)
{
	(void)unused;
	return green_hub();
}

static struct green_hub *hub_of_main;

static void *waits_for_event(void *unused)
{
	must(green_event_wait(&event, 5000) == 0, "green_event_wait");
	(void)unused;
	return green_hub();
}

/* MP17: natively each kernel thread has a hub of its own; what carries green threads is the hub of the program's tasks */
static void one_hub(void)
{
	pthread_t thread = spawn(own_hub, NULL), waiting;

	hub_of_main = green_hub();
	say("hub of a thread: %s", join(thread) == (void *)hub_of_main ? "main's" : "its own");
	waiting = spawn(waits_for_event, NULL);
	pause_ms(5);
	green_event_set(&event);
	say("hub of who waits: %s", join(waiting) == (void *)hub_of_main ? "main's" : "its own");
}

/* --- handlers of signals --- */

static volatile sig_atomic_t handled;
static struct green_process *child;
static struct green_future *future;

static void counts_signal(int number)
{
	(void)number;
	handled++;
}

static void handle(int number)
{
	struct sigaction action = { .sa_handler = counts_signal, .sa_flags = SA_RESTART };

	must(sigaction(number, &action, NULL) == 0, "sigaction");
}

/* Nobody ends main's wait meanwhile; the margin is for a machine that has much else to do. */
static void await_handled(int count)
{
	for (int i = 0; i < 5000 && handled < count; i++)
		must(green_sleep(1) == 0, "green_sleep");
}

/* Main waits: one signal that another sends, one of a timer.  Returns: how many were handled, before the wait may end */
static void *signals_main(void *unused)
{
	struct itimerval soon = { .it_value = { .tv_usec = 5000 } };

	(void)unused;
	must(green_sleep(5) == 0, "green_sleep");
	must(kill(getpid(), SIGUSR1) == 0, "kill");
	await_handled(1);
	must(setitimer(ITIMER_REAL, &soon, NULL) == 0, "setitimer");
	await_handled(2);
	return (void *)(intptr_t)handled;
}

static void *then_sets_event(void *argument)
{
	void *count = signals_main(argument);

	green_event_set(&event);
	return count;
}

static void *then_puts(void *argument)
{
	void *count = signals_main(argument);

	must(green_queue_put(queue, NULL, -1) == 0, "green_queue_put");
	return count;
}

static void *then_unlocks(void *argument)
{
	void *count;

	must(green_mutex_lock(&mutex, -1) == 0, "green_mutex_lock");
	count = signals_main(argument);
	green_mutex_unlock(&mutex);
	return count;
}

static void *then_sends(void *argument)
{
	void *count = signals_main(argument);

	must(green_send(ends[1], "x", 1, 0) == 1, "green_send");
	return count;
}

static void *then_ends_child(void *argument)
{
	void *count = signals_main(argument);

	must(green_process_kill(child, SIGKILL) == 0, "green_process_kill");
	return count;
}

static void *then_sets_future(void *argument)
{
	void *count = signals_main(argument);

	must(green_future_set(future, NULL) == 0, "green_future_set");
	return count;
}

static void *then_cancels(void *waiting)
{
	void *count = signals_main(NULL);

	must(green_cancel(waiting), "green_cancel");
	return count;
}

static int joins(struct greenlet *made)
{
	return green_join(made, NULL, -1);
}

static int joins_all(struct greenlet *made)
{
	return green_join_all(&made, 1, 0, -1);
}

static int waits_for_time(struct greenlet *made)
{
	(void)made;
	return green_sleep(60000) < 0 && errno == ECANCELED ? (green_error_clear(), 0) : -1;
}

static int runs_hub(struct greenlet *made)
{
	(void)made;
	return green_hub_run(-1);
}

static int waits_for_event_itself(struct greenlet *made)
{
	(void)made;
	return green_event_wait(&event, -1);
}

static int gets_item(struct greenlet *made)
{
	void *item;

	(void)made;
	return green_queue_get(queue, &item, -1);
}

static int locks_mutex(struct greenlet *made)
{
	int result;

	(void)made;
	must(green_yield() == 0, "green_yield");
	result = green_mutex_lock(&mutex, -1);
	green_mutex_unlock(&mutex);
	return result;
}

static int receives(struct greenlet *made)
{
	char byte;

	(void)made;
	return green_recv(ends[0], &byte, 1, 0) == 1 ? 0 : -1;
}

static int waits_for_child(struct greenlet *made)
{
	(void)made;
	return green_process_wait(child, NULL, -1);
}

static int gets_future(struct greenlet *made)
{
	(void)made;
	return green_future_get(future, NULL, -1);
}

static int gathers(struct greenlet *made)
{
	(void)made;
	return green_gather(&future, 1, NULL, -1);
}

static void *until_handled(void *unused)
{
	for (int i = 0; i < 5000 && handled < 2; i++)
		pause_ms(1);
	return unused;
}

static int offloads(struct greenlet *made)
{
	return green_offload(until_handled, made) == made ? 0 : -1;
}

static void waits_while_signalled(const char *name, int (*waits)(struct greenlet *), void *(*body)(void *), void *argument)
{
	struct greenlet *made;
	int result;

	handled = 0;
	made = task(body, argument);
	result = waits(made);
	say("%s: %s, handled meanwhile: %ld", name, outcome(result), (long)(intptr_t)joined(made));
}

/* MP17: the handlers of the program run while its main greenlet waits in a call of the library's that no signal ends */
static void handlers(void)
{
	static char *argv[] = { "cat", NULL };

	join(spawn(meanwhile, NULL));
	handle(SIGUSR1);
	handle(SIGALRM);
	queue = green_queue_create(GREEN_FIFO, 1);
	future = green_future_create();
	child = green_process_start(&(struct green_process_options){ .argv = argv, .in = GREEN_PIPE });
	must(queue && future && child, "create");
	stream_pair(ends);
	waits_while_signalled("green_join", joins, signals_main, NULL);
	waits_while_signalled("green_join_all", joins_all, signals_main, NULL);
	waits_while_signalled("green_sleep", waits_for_time, then_cancels, green_current());
	waits_while_signalled("green_hub_run", runs_hub, signals_main, NULL);
	waits_while_signalled("green_offload", offloads, signals_main, NULL);
	waits_while_signalled("green_event_wait", waits_for_event_itself, then_sets_event, NULL);
	waits_while_signalled("green_queue_get", gets_item, then_puts, NULL);
	waits_while_signalled("green_mutex_lock", locks_mutex, then_unlocks, NULL);
	waits_while_signalled("green_recv", receives, then_sends, NULL);
	waits_while_signalled("green_process_wait", waits_for_child, then_ends_child, NULL);
	waits_while_signalled("green_future_get", gets_future, then_sets_future, NULL);
	green_future_destroy(future);
	future = green_future_create();
	waits_while_signalled("green_gather", gathers, then_sets_future, NULL);
	green_future_destroy(future);
	green_process_destroy(child);
	green_queue_destroy(queue);
}

static const struct plain_case cases[] = {
	{ "tasks", tasks, THREADS },
	{ "bytes", bytes, 2 },
	{ "polls", polls, 1 },
	{ "locks", locks, THREADS },
	{ "queues", queues, THREADS },
	{ "times", times, 1 },
	{ "tasks_first", tasks_first, 1 },
	{ "generators", generators, 1 },
	{ "one_hub", one_hub, 2 },
	{ "handlers", handlers, 1 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	return plain_main(argc, argv, cases);
}
