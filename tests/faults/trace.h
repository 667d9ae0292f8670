/* SPDX-License-Identifier: MIT */
/* trace.h - the tracer: lets the chosen system calls of a process fail */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <sys/types.h>

/* What is to fail, and when. */
struct plan {
	const char *calls;   /* their names, with commas between; NULL: nothing fails, all calls are counted */
	const char *kind;    /* only on descriptors of this kind; NULL: on any */
	int error;           /* the error that they end with; 0: their count is cut short instead */
	long at;             /* the number of the call that fails, from 1; 0: see below */
	long every;          /* each so many-th fails, with AT from there on; 0: see below */
	long odds;           /* one of so many fails, as SEED decides */
	unsigned long seed;
	bool signal;         /* with each failure SIGUSR1 is sent to the process */
	long after_output;   /* counting begins when so many writes to descriptor 1 have been made */
	bool children;       /* calls of forked children count as well */
	int report;          /* a file for the report, or -1 */
};

/*
 * Follows PID and all that comes of it, until all of them have ended.
 *
 * The process is seized by this call; READY is called when it may go on, and has
 * to have it install a filter that shows the calls to a tracer.
 */
void trace(pid_t pid, const struct plan *plan, void (*ready)(void));

#endif
