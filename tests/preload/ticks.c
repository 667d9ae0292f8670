/* SPDX-License-Identifier: MIT */
/* ticks.c - a thread may be stopped anywhere: in callbacks that libc makes with a lock held, in handlers, in strange calls */
#include "plain.h"

#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMPUTING_MS = 40 };

static atomic_int stop, rounds;

/* Longer than several slices, without a call. */
static void compute(int ms)
{
	double until = now() + ms / 1e3;
	volatile double x = 1;

	while (now() < until) {
		for (int i = 0; i < 20000; i++)
			x = x * 1.0000001 + 0.1;
	}
}

static void *hog(void *argument)
{
	while (!stop)
		compute(1);
	return argument;
}

/* BODY goes on in another thread while STEP, which computes in some odd place, is made a few times. */
static void beside(void *(*body)(void *), void (*step)(void), int times)
{
	pthread_t other;

	stop = 0;
	other = spawn(body, NULL);
	for (int i = 0; i < times; i++)
		step();
	stop = 1;
	join(other);
}

/* --- callbacks under a lock of libc's --- */

static FILE *stream;

static ssize_t slow_write(void *cookie, const char *bytes, size_t size)
{
	(void)cookie;
	(void)bytes;
	compute(COMPUTING_MS);
	return (ssize_t)size;
}

static void *write_stream(void *argument)
{
	while (!stop) {
		fputs("other\n", stream);
		rounds++;
		pause_ms(1);
	}
	return argument;
}

static void write_and_flush(void)
{
	fputs("one\n", stream);
	fflush(stream);
}

static void cookie_streams(void)
{
	stream = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = slow_write });
	must(stream, "fopencookie");
	beside(write_stream, write_and_flush, 5);
	say("closed: %s", outcome(fclose(stream)));
}

static int look_slowly(struct dl_phdr_info *info, size_t size, void *seen)
{
	(void)info;
	(void)size;
	if ((*(int *)seen)++ == 0)
		compute(COMPUTING_MS);
	return 0;
}

static void iterate(void)
{
	int seen = 0;

	dl_iterate_phdr(look_slowly, &seen);
}

static void *open_library(void *argument)
{
	while (!stop) {
		void *library = dlopen("libm.so.6", RTLD_NOW);

		must(library && dlclose(library) == 0, "dlopen");
		pause_ms(1);
	}
	return argument;
}

static void loaded_objects(void)
{
	beside(open_library, iterate, 5);
	say("done");
}

static pthread_once_t once[20];
static atomic_int initialised;

static void initialise(void)
{
	compute(COMPUTING_MS / 4);
	initialised++;
}

static void *call_once_each(void *argument)
{
	for (int i = 0; i < 20; i++)
		pthread_once(&once[i], initialise);
	return argument;
}

static void once_initialisers(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(call_once_each, NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("initialised: %d", initialised);
}

static int compare_slowly(const void *a, const void *b)
{
	compute(1);
	return *(const int *)a - *(const int *)b;
}

static void *sort(void *argument)
{
	int numbers[32];

	for (int i = 0; i < 32; i++)
		numbers[i] = i * 7919 % 32;
	qsort(numbers, 32, sizeof(*numbers), compare_slowly);
	for (int i = 0; i < 32; i++)
		must(numbers[i] == i, "qsort");
	return argument;
}

static void comparators(void)
{
	pthread_t one = spawn(sort, NULL), other = spawn(sort, NULL);

	join(one);
	join(other);
	say("sorted");
}

static void *say_before_exit(void *argument)
{
	pause_ms(5);
	say("a thread runs during exit");
	return argument;
}

static void at_exit(void)
{
	pthread_t thread = spawn(say_before_exit, NULL);

	compute(COMPUTING_MS);
	join(thread);
	say("exit handler");
}

static void exit_handlers(void)
{
	stop = 1;
	join(spawn(hog, NULL));
	atexit(at_exit);
	exit(3);
}

static void slow_prepare(void)
{
	compute(COMPUTING_MS);
}

static void *load_memory(void *argument)
{
	while (!stop) {
		void *blocks[50];

		for (int i = 0; i < 50; i++)
			blocks[i] = malloc((size_t)(i * 997 % 30000) + 1);
		for (int i = 0; i < 50; i++)
			free(blocks[i]);
	}
	return argument;
}

static void fork_and_reap(void)
{
	pid_t child = fork();

	if (child == 0) {
		free(malloc(1000));
		_exit(0);
	}
	must(child > 0 && waitpid(child, NULL, 0) == child, "waitpid");
}

static void fork_handlers(void)
{
	pthread_atfork(slow_prepare, slow_prepare, slow_prepare);
	beside(load_memory, fork_and_reap, 3);
	say("done");
}

/* --- handlers --- */

static atomic_int handled;

static void handle_slowly(int number)
{
	(void)number;
	compute(6);
	handled++;
}

/* The handler often interrupts malloc, whose lock the other thread wants. */
static void handlers_in_malloc(void)
{
	struct itimerval every = { { 0, 40000 }, { 0, 40000 } }, none = { { 0, 0 }, { 0, 0 } };
	double until = now() + 0.4;
	pthread_t other;

	signal(SIGALRM, handle_slowly);
	other = spawn(load_memory, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (now() < until)
		free(realloc(malloc(20000), 40000));
	setitimer(ITIMER_REAL, &none, NULL);
	stop = 1;
	join(other);
	say("handlers ran: %d", handled >= 3);
}

static char alternate[65536];

static void handlers_on_alternate_stacks(void)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_handler = handle_slowly, .sa_flags = SA_ONSTACK };
	pthread_t other = spawn(hog, NULL);

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 5; i++)
		raise(SIGUSR1);
	stop = 1;
	join(other);
	say("handlers ran: %d", handled);
}

/* --- the tick never shows --- */

/* Calls that wait, made with short computations between, so that ticks fall close before them. */
static void *wait_in_kernel(void *argument)
{
	int semaphore = semget(IPC_PRIVATE, 1, 0600), interrupted = 0, early = 0;
	struct sembuf down = { .sem_op = -1 };
	struct timespec ms = { 0, 1000000 };

	must(semaphore >= 0, "semget");
	for (int i = 0; i < 300; i++) {
		double start = now();

		for (volatile int j = 0; j < i * 50; j++)
			;
		syscall(SYS_semtimedop, semaphore, &down, 1, &ms);
		interrupted += errno == EINTR;
		early += now() - start < 0.0009;
	}
	semctl(semaphore, 0, IPC_RMID);
	say("interrupted: %d, early: %d", interrupted, early);
	return argument;
}

static void calls_that_wait(void)
{
	pthread_t hogging = spawn(hog, NULL);

	join(spawn(wait_in_kernel, NULL));
	stop = 1;
	join(hogging);
}

static void note(int number)
{
	(void)number;
	handled++;
}

/* Signals that a runtime might want for itself are the program's; it is preempted all the same when it leaves one. */
static void every_signal(void)
{
	pthread_t hogging;
	double start;

	hogging = spawn(hog, NULL);
	for (int number = 1; number < NSIG; number++) {
		if (number != SIGKILL && number != SIGSTOP && number != SIGCHLD && (number < 32 || number > SIGRTMIN))
			signal(number, note);
	}
	raise(SIGSTKFLT);
	raise(62);
	say("handled: %d", handled);
	start = now();
	for (int number = 62; number > 58; number--)
		signal(number, SIG_DFL);
	pause_ms(20);
	say_elapsed("a pause beside a hog", start, 0.019, 2);
	stop = 1;
	join(hogging);
}

static void unusual_death(void)
{
	pid_t child = fork();

	if (child == 0) {
		pthread_t hogging = spawn(hog, NULL);

		kill(getpid(), SIGSTKFLT);
		join(hogging);
	}
	reap("child", child);
	stop = 1;
	join(spawn(hog, NULL));
}

static atomic_bool asked;

/* It gives way once, is asked to end meanwhile, and then nobody else has anything to do. */
static void *compute_for_ever(void *argument)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	while (!asked)
		sched_yield();
	for (volatile unsigned long count = 0;; count++)
		;
	return argument;
}

static void cancelled_alone(void)
{
	pthread_t thread = spawn(compute_for_ever, NULL);

	pause_ms(5);
	asked = true;
	pthread_cancel(thread);
	say("%s", join(thread) == PTHREAD_CANCELED ? "cancelled" : "it came to an end");
}

static void *receive_one(void *argument)
{
	char byte = 0;

	say("the thread: %s", outcome(read(*(int *)argument, &byte, 1)));
	return NULL;
}

/* The runtime knows of the descriptor since the thread waited for it; now its events are of no use to anybody. */
static void traffic_of_the_last(void)
{
	int pair[2], right = 0;
	pthread_t thread;
	char byte = 'a';

	stream_pair(pair);
	thread = spawn(receive_one, &pair[0]);
	pause_ms(20);
	must(write(pair[1], &byte, 1) == 1, "write");
	join(thread);
	for (int i = 0; i < 40000; i++)
		right += write(pair[1], &byte, 1) == 1 && read(pair[0], &byte, 1) == 1;
	say("%d of 40000", right);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "cookie_streams", cookie_streams, 1 },
		{ "loaded_objects", loaded_objects, 1 },
		{ "once_initialisers", once_initialisers, 3 },
		{ "comparators", comparators, 2 },
		{ "exit_handlers", exit_handlers, 2 },
		{ "fork_handlers", fork_handlers, 1 },
		{ "handlers_in_malloc", handlers_in_malloc, 1 },
		{ "handlers_on_alternate_stacks", handlers_on_alternate_stacks, 1 },
		{ "calls_that_wait", calls_that_wait, 2 },
		{ "every_signal", every_signal, 1 },
		{ "cancelled_alone", cancelled_alone, 1 },
		{ "unusual_death", unusual_death, 1 },
		{ "traffic_of_the_last", traffic_of_the_last, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
