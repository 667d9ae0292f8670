/* SPDX-License-Identifier: MIT */
/* plain.h - what the plain blocking programs share: a table of cases, lines of output, threads and clocks */
#ifndef PLAIN_H
#define PLAIN_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A case is one run of a program: what it prints and how it ends is compared
 * with and without the shim.  THREADS is how many pthreads the case creates in
 * the first process, so that a run that went native is noticed.
 */
struct plain_case {
	const char *name;
	void (*run)(void);
	int threads;
};

/* Runs the case that ARGV names, or all; `--list` prints names and thread counts. */
int plain_main(int argc, char **argv, const struct plain_case *cases);

/* One line on stdout by one write(2), so that lines survive a crash and a fork. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A step that the case cannot go on without: says WHAT and errno, and ends the program with 99. */
void must(bool holds, const char *what);

/* The symbolic name of an error number, "0" for none. */
const char *error_name(int number);

/* How a call that reports by -1 and errno ended: "ok" or the error's name. */
const char *outcome(long result);

pthread_t spawn(void *(*body)(void *), void *argument);
void *join(pthread_t thread);

/* Monotonic seconds, and a line that is the same in every run that is in time. */
double now(void);
void say_elapsed(const char *what, double since, double least, double most);
void pause_ms(int ms);

/* An absolute time on CLOCK, MS from now. */
struct timespec after_ms(int clock, int ms);

/* TCP over the loopback. */
int listen_local(int backlog, int *port);
int connect_local(int port);
void tcp_pair(int pair[2]);
void stream_pair(int pair[2]);

/* Whole transfers: the return value is what came before the end of file or an error. */
size_t read_full(int fd, void *buffer, size_t size);
size_t write_full(int fd, const void *buffer, size_t size);

/* Waits for PID and says how it ended. */
void say_status(const char *what, int status);
void reap(const char *what, pid_t pid);

#endif
