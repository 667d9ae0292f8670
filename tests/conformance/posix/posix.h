/* SPDX-License-Identifier: MIT */
/* posix.h - what the conformance programs share, on top of the plain programs' lines, threads and clocks */
#ifndef POSIX_H
#define POSIX_H

#include "../../preload/plain.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

/*
 * A case states facts, one a line, that the standard, the manual or glibc fixes.
 *
 * It runs in the main thread while a quiet companion thread lives, so that the
 * process has threads from the start; and once more, as NAME@thread, in a thread
 * of its own while main joins it.
 */
struct posix_case {
	const char *name;
	void (*run)(void);
	unsigned flags;
	int threads; /* how many threads the case creates at least, where no companion is there to be counted */
};

enum {
	ALONE = 1,     /* in main, and no companion: the case counts the process's threads or ends it */
	MAIN_ONLY = 2, /* in main, with a companion */
};

int posix_main(int argc, char **argv, const struct posix_case *cases);

/* "WHAT: NAME" of an error number; of what a call that sets errno returned; of a truth. */
void tell(const char *what, int error);
void tell_result(const char *what, long result);
void tell_truth(const char *what, bool truth);

/* That at least LEAST_MS have passed since SINCE, and not a ridiculous time more. */
void tell_in_time(const char *what, double since, int least_ms);

/* Memory that forked children share. */
void *shared_memory(size_t size);

/* Forks a child that runs BODY(ARGUMENT) and leaves by _exit(0). */
pid_t child_of(void (*body)(void *), void *argument);

/* Runs BODY in a thread and joins it. */
void *in_thread(void *(*body)(void *), void *argument);

/* Waits, for up to five seconds, until *FLAG is VALUE; says so if that does not come. */
void await(const int *flag, int value);
void post(int *flag, int value);

/* A time that is over, and one that is no time at all. */
struct timespec long_ago(void);
struct timespec no_time(void);

#endif
