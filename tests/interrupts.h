/* SPDX-License-Identifier: MIT */
/*
 * interrupts.h - calls that wait, cut short in every way
 *
 * A suite has a row for each public call that can switch.  Three tasks make the call
 * on one object and wait behind each other; the first is killed, cancelled or runs out of
 * time, before, at or after the moment when it is woken.  Either it has what it
 * waited for, or the next one gets that: nothing is lost, doubled or left behind.
 * tests/check-interrupts.py fails for a call of the headers without row or reason.
 */
#ifndef TESTS_INTERRUPTS_H
#define TESTS_INTERRUPTS_H

#include <stdbool.h>
#include <stddef.h>

enum { CALLERS = 3 };

/* Whom a wake serves. */
enum gain {
	ONE_EACH,      /* the one who has waited longest */
	ONE_OF_ALL,    /* any one of those who wait */
	ALL_AT_ONCE,   /* all who wait */
	COMES_ITSELF,  /* nobody: the wait ends by itself */
};

struct scene {
	void *object;
	int fds[2], number;
	size_t filled;
	int made, served; /* how many times somebody was woken, and how many calls succeeded */
};

struct interrupted_call {
	const char *name;
	enum gain gain;
	bool timed; /* it has a time limit as an argument */
	bool uncut; /* the wait cannot be cut short: the call succeeds, and the next one fails */
	bool alone; /* only one may wait at a time: the others call after the first */
	void (*begin)(struct scene *scene);
	int (*call)(struct scene *scene, int timeout_ms); /* 0; -1 with errno */
	void (*wake)(struct scene *scene);
	void (*end)(struct scene *scene); /* asserts that nothing is left but what SCENE->made and SCENE->served say */
};

/* ways_count - in how many ways each call is cut short */
int ways_count(void);

/* call_interrupted - make CALL in the WAYth way, and assert all of the above */
void call_interrupted(const struct interrupted_call *call, int way);

#endif
