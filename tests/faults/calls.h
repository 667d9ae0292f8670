/* SPDX-License-Identifier: MIT */
/* calls.h - the system calls that can be made to fail, and where their arguments are */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>

/* What of a call may be cut short. */
enum count_kind {
	COUNT_NONE,
	COUNT_PLAIN,   /* an argument is the number of bytes, or of messages */
	COUNT_VECTOR,  /* arguments 1 and 2 are an array of struct iovec and its length */
	COUNT_MESSAGE, /* argument 1 is a struct msghdr */
};

enum { NO_ARGUMENT = -1 };

struct call {
	const char *name;
	long number;
	int descriptor;        /* which argument is one */
	enum count_kind count;
	int count_argument;
	int picky;             /* which argument must be VALUE for this row to be meant */
	long value;
};

/* The table ends with a row whose name is NULL. */
extern const struct call calls[];

/* The row that a call with these ARGUMENTS is described by; NULL if there is none. */
const struct call *call_find(long number, const unsigned long *arguments);

/* True if NAME is a word of LIST, which has commas between its words. */
bool call_listed(const char *list, const char *name);

#endif
