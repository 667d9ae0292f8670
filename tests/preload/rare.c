/* SPDX-License-Identifier: MIT */
/* rare.c - meetings of two things that are seldom met: handlers and barriers, two commands at once, threads that stay in libc */
#include "plain.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void slow_handler(int number)
{
	(void)number;
	pause_ms(60);
}

static void *arrive(void *argument)
{
	pthread_barrier_wait(&barrier);
	return argument;
}

/* Who handles a signal while it waits has arrived all the same. */
static void handler_in_barrier(void)
{
	pthread_t threads[3];

	signal(SIGUSR1, slow_handler);
	pthread_barrier_init(&barrier, NULL, 3);
	threads[0] = spawn(arrive, NULL);
	pause_ms(20);
	pthread_kill(threads[0], SIGUSR1);
	pause_ms(20);
	threads[1] = spawn(arrive, NULL);
	threads[2] = spawn(arrive, NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("all are through: %s", error_name(pthread_barrier_destroy(&barrier)));
}

static void *command(void *line)
{
	return (void *)(long)system(line);
}

/* The second command ends last, and what SIGINT did before both is restored. */
static void commands_at_once(void)
{
	struct sigaction action;
	pthread_t first = spawn(command, "sleep 0.1");

	pause_ms(30);
	pthread_t second = spawn(command, "sleep 0.2");
	join(first);
	join(second);
	sigaction(SIGINT, NULL, &action);
	say("SIGINT: %s", action.sa_handler == SIG_DFL ? "default" : "not default");
}

static void nothing(int number)
{
	(void)number;
}

static void *rest(void *argument)
{
	pause_ms(400);
	return argument;
}

/* A wait for any child is ended by a handler, and by cancellation. */
static void wait_is_interrupted(void)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t other = spawn(rest, NULL);
	double start = now();
	pid_t pid = fork();

	if (pid == 0) {
		usleep(300000);
		_exit(0);
	}
	sigaction(SIGALRM, &action, NULL);
	ualarm(50000, 0);
	say("wait: %s", outcome(wait(NULL)));
	say_elapsed("interrupted", start, 0.045, 0.28);
	reap("the child", pid);
	join(other);
}

static FILE *stream;
static int stream_end;

static void *read_line(void *argument)
{
	char line[100] = "";

	say("line: %s", fgets(line, sizeof(line), stream) ? "got" : "none");
	return argument;
}

static void *write_line(void *argument)
{
	pause_ms(60);
	write_full(stream_end, "line\n", 5);
	return argument;
}

/* Flushing everything needs the lock of a stream that somebody reads from. */
static void flush_beside_reader(void)
{
	int pair[2];

	must(pipe(pair) == 0, "pipe");
	stream = fdopen(pair[0], "r");
	stream_end = pair[1];
	pthread_t reader = spawn(read_line, NULL);
	pthread_t writer = spawn(write_line, NULL);
	pause_ms(20);
	fflush(NULL);
	join(reader);
	join(writer);
}

static volatile bool stop;
static char room[1 << 20];

static void *fill_memory(void *argument)
{
	while (!stop)
		memset(room, 1, sizeof(room));
	return argument;
}

static void *format_numbers(void *argument)
{
	char text[200];

	while (!stop)
		snprintf(text, sizeof(text), "%d %f %s", 5, 1.25, "text");
	return argument;
}

/* A thread that is nearly always inside libc does not keep the others out for ever. */
static void stays_in_libc(void)
{
	pthread_t threads[3];

	threads[0] = spawn(fill_memory, NULL);
	threads[1] = spawn(format_numbers, NULL);
	threads[2] = spawn(format_numbers, NULL);
	pause_ms(20);
	stop = true;
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("all have stopped");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "handler_in_barrier", handler_in_barrier, 3 },
		{ "commands_at_once", commands_at_once, 2 },
		{ "wait_is_interrupted", wait_is_interrupted, 1 },
		{ "flush_beside_reader", flush_beside_reader, 2 },
		{ "stays_in_libc", stays_in_libc, 3 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
