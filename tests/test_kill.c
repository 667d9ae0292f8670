/* SPDX-License-Identifier: MIT */
/* test_kill.c - tasks that are asked to end, errors of tasks, and scopes of time */
#include <netinet/in.h>
#include <sys/socket.h>

#include "green.h"
#include "hub/hub.h"
#include "support.h"

static int calls, cleanups;
static char token;

static void *sleeps(void *value)
{
	calls++;
	if (green_sleep(10000) == -1)
		cleanups += errno == ECANCELED && green_error(NULL) == GREEN_EXIT;
	return value;
}

static void killed(struct greenlet *task)
{
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert(green_dead(task));
	ck_assert_int_eq(green_destroy(task), 0);
}

/* --- killing --- */

START_TEST(s9_a_parked_task_ends_with_its_cleanup)
{
	struct greenlet *task = green_spawn(sleeps, &token);
	int64_t start = clock_now();
	void *value = &calls;

	green_yield();
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(cleanups, 1);
	ck_assert_int_eq(green_join(task, &value, 0), 0);
	ck_assert_ptr_null(value);
	ck_assert_int_eq(green_failure(task, NULL), 0);
	ck_assert_int_eq(green_kill(task, -1), 0);
	assert_took(start, 0);
	ck_assert_int_eq(green_destroy(task), 0);
}
END_TEST

/* CK11: the unstarted */
START_TEST(s9_one_that_has_not_started_never_does)
{
	struct greenlet *task = green_spawn(sleeps, NULL);

	killed(task);
	ck_assert_int_eq(calls, 0);
}
END_TEST

static void *refuses(void *until)
{
	for (int i = 0; i < *(int *)until; i++) {
		if (green_sleep(20) == -1) {
			cleanups++;
			green_error_clear();
		}
	}
	return &token;
}

/* CK11: one that refuses */
START_TEST(s9_who_refuses_is_waited_for)
{
	int rounds = 4;
	struct greenlet *task = green_spawn(refuses, &rounds);
	void *value;

	green_yield();
	assert_fails(green_kill(task, 30) == -1, ETIMEDOUT);
	ck_assert_int_eq(cleanups, 1);
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(cleanups, 2);
	ck_assert_int_eq(green_join(task, &value, -1), 0);
	ck_assert_ptr_eq(value, &token);
	green_destroy(task);
}
END_TEST

START_TEST(s9_without_a_wait_it_ends_later)
{
	struct greenlet *task = green_spawn(sleeps, NULL);

	green_yield();
	assert_fails(green_kill(task, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(cleanups, 0);
	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(cleanups, 1);
	green_destroy(task);
}
END_TEST

static void *kills_itself(void *value)
{
	ck_assert_int_eq(green_kill(green_current(), -1), 0);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	for (int i = 0; i < 3; i++)
		assert_fails(green_sleep(1) == -1, ECANCELED);
	green_error_clear();
	ck_assert_int_eq(green_sleep(1), 0);
	return value;
}

/* CK11: the caller itself */
START_TEST(s9_one_may_kill_itself)
{
	struct greenlet *task = green_spawn(kills_itself, &token);

	ck_assert_ptr_eq(join(task), &token);
}
END_TEST

START_TEST(kill_refuses_what_makes_no_sense)
{
	struct greenlet *hub = green__current->flow->hub->greenlet;

	assert_fails(green_kill(NULL, 0) == -1, EINVAL);
	assert_fails(green_kill(green_current(), 0) == -1, EINVAL);
	assert_fails(green_kill(hub, 0) == -1, EINVAL);
}
END_TEST

/* A greenlet of green_create that waits in a switch. */
static void *switches_away(void *value)
{
	ck_assert_ptr_null(green_switch(green_parent(green_current()), value));
	ck_assert_int_eq(errno, ECANCELED);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	cleanups++;
	return NULL;
}

static struct greenlet *suspended(void)
{
	struct greenlet *raw = green_create(switches_away, NULL);

	ck_assert_ptr_eq(green_switch(raw, &token), &token);
	return raw;
}

START_TEST(s19_one_that_waits_in_a_switch_is_told_by_the_hub)
{
	struct greenlet *raw = suspended();

	assert_fails(green_kill(raw, 0) == -1, ETIMEDOUT);
	ck_assert_int_eq(cleanups, 0);
	ck_assert_int_eq(green_state(raw), GREEN_PARKED);
	assert_fails(!green_switch(raw, NULL), EBUSY);
	ck_assert_int_eq(green_yield(), 0);
	ck_assert_int_eq(cleanups, 1);
	killed(raw);
	killed(suspended());
	ck_assert_int_eq(cleanups, 2);
	ck_assert_int_eq(green_error(NULL), 0);
}
END_TEST

START_TEST(s19_one_that_has_not_started_never_does)
{
	struct greenlet *raw = green_create(sleeps, NULL);

	ck_assert_int_eq(green_kill(raw, 0), 0);
	ck_assert_int_eq(green_state(raw), GREEN_ENDED);
	ck_assert_int_eq(green_failure(raw, NULL), 0);
	/* It stands for its parent now, as any other that has ended. */
	ck_assert_ptr_eq(green_switch(raw, &token), &token);
	ck_assert_int_eq(calls, 0);
	killed(raw);
}
END_TEST

static struct greenlet *raw_one;

static void *switches_to_raw(void *value)
{
	ck_assert_ptr_null(green_switch(raw_one, value));
	calls += 10;
	return NULL;
}

START_TEST(s19_one_that_is_parked_ends_its_wait)
{
	struct greenlet *task;

	raw_one = green_create(sleeps, NULL);
	task = green_spawn(switches_to_raw, NULL);
	green_yield();
	ck_assert_int_eq(green_state(raw_one), GREEN_PARKED);
	/* It ends in its parent, which is parked here and takes no value; the task that switched to it stays. */
	killed(raw_one);
	ck_assert_int_eq(cleanups, 1);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(green_state(task), GREEN_SUSPENDED);
	killed(task);
	ck_assert_int_eq(calls, 11);
}
END_TEST

START_TEST(s19_who_refuses_is_waited_for)
{
	int rounds = 4;
	struct greenlet *task = green_spawn(switches_to_raw, &rounds);

	raw_one = green_create(refuses, NULL);
	green_yield();
	assert_fails(green_kill(raw_one, 30) == -1, ETIMEDOUT);
	ck_assert_int_eq(cleanups, 1);
	killed(raw_one);
	ck_assert_int_eq(cleanups, 2);
	killed(task);
}
END_TEST

static void *kills_itself_raw(void *value)
{
	ck_assert_int_eq(green_kill(green_current(), -1), 0);
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	assert_fails(green_sleep(1) == -1, ECANCELED);
	return value;
}

START_TEST(s19_it_may_kill_itself)
{
	struct greenlet *raw = green_create(kills_itself_raw, NULL);

	/* To end with GREEN_EXIT is to end well, and its value is NULL. */
	errno = 0;
	ck_assert_ptr_null(green_switch(raw, &token));
	ck_assert_int_eq(errno, 0);
	ck_assert_int_eq(green_error(NULL), 0);
	killed(raw);
}
END_TEST

static void *fails(void *value)
{
	green_throw(green_current(), EIO, value);
	return "not this";
}

/* Asked while it waits for its turn: it computes to the end, and refuses at each wait. */
static void *computes_and_refuses(void *rounds)
{
	int64_t start;

	green_yield();
	start = clock_now();
	while (ms_since(start) < 20)
		ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	calls++;
	for (int i = 0; i < *(int *)rounds; i++) {
		assert_fails(green_sleep(10000) == -1, ECANCELED);
		cleanups++;
		green_error_clear();
	}
	return &token;
}

/* CX2: it is met where its target waits, may be refused, and repeated; who asks waits only if that is wanted */
START_TEST(cx2_a_kill_is_met_at_a_wait_and_may_be_repeated)
{
	int rounds = 3;
	struct greenlet *task = green_spawn(computes_and_refuses, &rounds);

	green_yield();
	for (int i = 1; i <= rounds; i++) {
		assert_fails(green_kill(task, 0) == -1, ETIMEDOUT);
		ck_assert_int_eq(cleanups, i - 1);
		green_yield();
		ck_assert_int_eq(cleanups, i);
		ck_assert_int_eq(calls, 1);
	}
	ck_assert_int_eq(green_kill(task, 0), 0);
	ck_assert_ptr_eq(join(task), &token);
}
END_TEST

START_TEST(s6_the_error_of_a_task_is_kept)
{
	struct greenlet *task = green_spawn(fails, &token);
	void *value = &calls;

	ck_assert_int_eq(green_failure(task, NULL), 0);
	ck_assert_int_eq(green_join(task, &value, -1), 0);
	ck_assert_ptr_null(value);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(green_failure(task, &value), EIO);
		ck_assert_ptr_eq(value, &token);
	}
	ck_assert_int_eq(green_error(NULL), 0);
	green_destroy(task);
}
END_TEST

/* Everything at which a task can be parked: it fails with ECANCELED, the task ends, and the descriptor still works. */
static int ends[2];

static void *parks_in(void *point)
{
	struct pollfd polled = { .fd = ends[0], .events = POLLIN };
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char byte;
	long result = -1;

	switch ((intptr_t)point) {
	case 0: result = green_read(ends[0], &byte, 1); break;
	case 1: result = green_recv(ends[0], &byte, 1, 0); break;
	case 2: result = green_recvfrom(ends[0], &byte, 1, MSG_WAITALL, (struct sockaddr *)&from, &size); break;
	case 3: result = green_poll(&polled, 1, -1); break;
	case 4: result = green_wait_fd(ends[0], GREEN_READ, -1); break;
	case 5: result = green_sleep(10000); break;
	case 6: result = green_recv(ends[0], &byte, 1, MSG_PEEK); break;
	}
	cleanups += result == -1 && errno == ECANCELED;
	return NULL;
}

START_TEST(s9_at_every_point_where_it_may_be_parked)
{
	char byte = 0;

	tcp_pair(ends);
	for (intptr_t point = 0; point < 7; point++) {
		struct greenlet *task = green_spawn(parks_in, (void *)point);

		green_sleep(5);
		killed(task);
		ck_assert_int_eq(cleanups, (int)point + 1);
	}
	ck_assert_int_eq(green_write(ends[1], "x", 1), 1);
	ck_assert_int_eq(green_read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	close_pair(ends);
}
END_TEST

/* Bytes that have moved come first, the error with the next call. */
static void *writes_much(void *size)
{
	char *bytes = calloc(1, (size_t)(uintptr_t)size);
	ssize_t done = green_write(ends[0], bytes, (size_t)(uintptr_t)size);

	cleanups += done > 0 && done < (ssize_t)(uintptr_t)size;
	cleanups += green_write(ends[0], bytes, 1) == -1 && errno == ECANCELED;
	free(bytes);
	return (void *)done;
}

static void *writes_with_limit(void *size)
{
	char *bytes = calloc(1, (size_t)(uintptr_t)size);
	struct green_timeout limit;
	ssize_t done;

	green_timeout_start(&limit, 20);
	done = green_write(ends[0], bytes, (size_t)(uintptr_t)size);
	cleanups += done > 0 && done < (ssize_t)(uintptr_t)size;
	cleanups += green_write(ends[0], bytes, 1) == -1 && errno == ETIMEDOUT;
	cleanups += green_timeout_end(&limit);
	free(bytes);
	return (void *)done;
}

static size_t drained(int fd, size_t wanted)
{
	char bytes[65536];
	size_t done = 0;
	ssize_t got = 1;

	while (done < wanted && got > 0) {
		got = green_read(fd, bytes, sizeof(bytes));
		done += got > 0 ? (size_t)got : 0;
	}
	return done;
}

START_TEST(d7_bytes_that_have_moved_come_first)
{
	size_t size = 64 << 20;
	struct greenlet *task;
	void *done;

	tcp_pair(ends);
	task = green_spawn(writes_much, (void *)size);
	green_sleep(20);
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(cleanups, 2);
	green_destroy(task);
	close_pair(ends);
	tcp_pair(ends);
	task = green_spawn(writes_with_limit, (void *)size);
	ck_assert_int_eq(green_join(task, &done, -1), 0);
	ck_assert_int_eq(cleanups, 5);
	ck_assert_uint_eq(drained(ends[1], (size_t)(uintptr_t)done), (size_t)(uintptr_t)done);
	green_destroy(task);
	close_pair(ends);
}
END_TEST

/* --- time --- */

START_TEST(to1_a_scope_ends_a_wait)
{
	struct green_timeout limit;
	int64_t start = clock_now();
	void *value;

	ck_assert_int_eq(green_timeout_start(&limit, 20), 0);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	assert_took(start, 20);
	ck_assert_int_eq(green_error(&value), GREEN_TIMEOUT);
	ck_assert_ptr_eq(value, &limit);
	/* Once is enough. */
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert(green_timeout_end(&limit));
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert(!green_timeout_end(&limit));
}
END_TEST

static void *computes_in_a_scope(void *unused)
{
	struct green_timeout limit;
	int64_t start = clock_now();

	ck_assert_int_eq(green_timeout_start(&limit, 5), 0);
	while (ms_since(start) < 30)
		ck_assert_int_eq(green_error(NULL), 0);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	green_error_clear();
	/* Refused: it comes once, and not again. */
	ck_assert_int_eq(green_sleep(20), 0);
	cleanups += green_timeout_end(&limit);
	return unused;
}

/* CX3: it is thrown once, at who has started it, where that waits; it may be refused, and nobody waits for the end */
START_TEST(cx3_the_end_of_a_scope_comes_once_and_may_be_refused)
{
	struct greenlet *task = green_spawn(computes_in_a_scope, NULL);

	ck_assert_int_eq(green_join(task, NULL, -1), 0);
	ck_assert_int_eq(green_failure(task, NULL), 0);
	ck_assert_int_eq(cleanups, 1);
	green_destroy(task);
}
END_TEST

static struct green_timeout *theirs;

static void *ends_its_scope_only(void *unused)
{
	struct green_timeout own;

	ck_assert_int_eq(green_timeout_start(&own, 20), 0);
	theirs = &own;
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	cleanups += green_timeout_end(&own);
	return unused;
}

/* TO2: it strikes its starter, also while others wait, and delivers itself */
START_TEST(to2_a_scope_is_its_starters)
{
	struct greenlet *task = green_spawn(ends_its_scope_only, NULL);
	int64_t start = clock_now();

	ck_assert_int_eq(green_sleep(50), 0);
	ck_assert_int_ge(ms_since(start), 50);
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_int_eq(cleanups, 1);
	join(task);
}
END_TEST

/* What a function that must not take longer returns, or INSTEAD. */
static const char *within(int ms, int inner_ms, bool swallow, const char *instead)
{
	struct green_timeout limit, inner;
	const char *result = "done";

	green_timeout_start(&limit, ms);
	green_timeout_start(&inner, inner_ms);
	if (green_sleep(40))
		result = "cut short";
	if (swallow)
		green_error_clear();
	if (green_timeout_end(&inner))
		result = "the inner one";
	return green_timeout_end(&limit) ? instead : result;
}

static void computes(int ms)
{
	int64_t start = clock_now();

	while (ms_since(start) < ms)
		;
}

/* TO4: all are over by the time of one call; each fails one nevertheless, the innermost first */
START_TEST(to4_scopes_that_are_over_at_one_call_fail_one_each)
{
	struct green_timeout limits[3];

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(green_timeout_start(&limits[i], 5), 0);
	if (_i == 0) {
		/* The call waits, or is about to. */
		computes(10);
	} else {
		green_hold_errors();
		ck_assert_int_eq(green_sleep(20), 0);
		ck_assert_int_eq(green_release_errors(), 0);
	}
	for (int i = 2; i >= 0; i--) {
		assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
		ck_assert(green_timeout_end(&limits[i]));
	}
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_int_eq(green_sleep(1), 0);
}
END_TEST

/* TO4: one whose error has failed a call does not fail another one when that of a later scope is over, too */
START_TEST(to4_who_has_failed_a_call_fails_no_other)
{
	struct green_timeout outer, inner;

	green_timeout_start(&outer, 5);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	green_timeout_start(&inner, 5);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&inner));
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert(green_timeout_end(&outer));
}
END_TEST

/* CU3: the own end, that of an outer scope, and an end that somebody has swallowed are told apart */
START_TEST(cu3_whose_time_is_over)
{
	ck_assert_str_eq(within(10000, 10000, false, "instead"), "done");
	ck_assert_str_eq(within(10000, 10, false, "instead"), "the inner one");
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_str_eq(within(10, 10000, false, "instead"), "instead");
	ck_assert_int_eq(green_error(NULL), 0);
	ck_assert_str_eq(within(10, 10000, true, "instead"), "instead");
	ck_assert_str_eq(within(10000, 10, true, "instead"), "the inner one");
	ck_assert_int_eq(green_sleep(1), 0);
}
END_TEST

/* CK12: none, and at once */
START_TEST(to1_never_and_at_once)
{
	struct green_timeout limit;

	ck_assert_int_eq(green_timeout_start(&limit, -1), 0);
	ck_assert_int_eq(green_sleep(5), 0);
	ck_assert(!green_timeout_end(&limit));
	ck_assert_int_eq(green_timeout_start(&limit, 0), 0);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
}
END_TEST

/* CK12: nested */
START_TEST(to3_nested_scopes_know_their_own)
{
	struct green_timeout outer, inner;

	green_timeout_start(&outer, 20);
	green_timeout_start(&inner, 10000);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert(!green_timeout_end(&inner));
	ck_assert_int_eq(green_error(NULL), GREEN_TIMEOUT);
	ck_assert(green_timeout_end(&outer));
	green_timeout_start(&outer, 10000);
	green_timeout_start(&inner, 20);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&inner));
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert(!green_timeout_end(&outer));
	ck_assert_int_eq(green_error(NULL), 0);
}
END_TEST

/* Both are over before anybody waits: each makes one call fail. */
START_TEST(to4_two_that_are_over_together_fail_one_call_each)
{
	struct green_timeout outer, inner;
	int64_t start = clock_now();

	green_timeout_start(&inner, 5);
	green_timeout_start(&outer, 5);
	while (ms_since(start) < 10)
		;
	green_yield();
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&inner));
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&outer));
	ck_assert_int_eq(green_error(NULL), 0);
}
END_TEST

static void *kill_in_scope(void *unused)
{
	struct green_timeout limit;

	(void)unused;
	green_timeout_start(&limit, 10000);
	assert_fails(green_sleep(10000) == -1, ECANCELED);
	ck_assert(!green_timeout_end(&limit));
	ck_assert_int_eq(green_error(NULL), GREEN_EXIT);
	/* In its clean-up it has a limit of its own, but no call waits. */
	green_timeout_start(&limit, 10);
	assert_fails(green_sleep(20) == -1, ECANCELED);
	ck_assert(!green_timeout_end(&limit));
	cleanups++;
	return NULL;
}

/* CK12, U19: others pass */
START_TEST(to5_a_scope_lets_other_errors_pass)
{
	struct greenlet *task = green_spawn(kill_in_scope, NULL);

	green_yield();
	killed(task);
	ck_assert_int_eq(cleanups, 1);
}
END_TEST

static void *sleeper(void *ms)
{
	green_sleep((int)(intptr_t)ms);
	return ms;
}

START_TEST(to6_joins_and_reads_end_too)
{
	struct greenlet *task = green_spawn(sleeper, (void *)60);
	struct green_timeout limit;
	char byte;

	green_timeout_start(&limit, 10);
	assert_fails(green_join(task, NULL, -1) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	tcp_pair(ends);
	green_timeout_start(&limit, 10);
	assert_fails(green_read(ends[0], &byte, 1) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	green_timeout_start(&limit, 10);
	assert_fails(green_poll(&(struct pollfd) { .fd = ends[0], .events = POLLIN }, 1, 10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	close_pair(ends);
	ck_assert_ptr_eq(join(task), (void *)60);
}
END_TEST

/* A raw greenlet whose parent is parked in a blocking call: that call fails. */
static void *throws_up(void *value)
{
	green_throw(green_current(), ENODEV, value);
	return NULL;
}

static struct greenlet *child;

static void *runs_child(void *value)
{
	green_switch(child, value);
	return NULL;
}

START_TEST(to7_a_scope_tells_what_is_left)
{
	struct green_timeout limit;
	int left;

	ck_assert_int_eq(green_timeout_start(&limit, 10000), 0);
	left = green_timeout_left(&limit);
	ck_assert(left > 0 && left <= 10000);
	ck_assert_int_eq(green_sleep(20), 0);
	ck_assert_int_le(green_timeout_left(&limit), left - 19);
	ck_assert(!green_timeout_end(&limit));
	ck_assert_int_eq(green_timeout_left(&limit), -1);
	ck_assert_int_eq(green_timeout_start(&limit, -1), 0);
	ck_assert_int_eq(green_timeout_left(&limit), -1);
	ck_assert(!green_timeout_end(&limit));
	ck_assert_int_eq(green_timeout_start(&limit, 1), 0);
	assert_fails(green_sleep(10000) == -1, ETIMEDOUT);
	ck_assert_int_eq(green_timeout_left(&limit), 0);
	ck_assert(green_timeout_end(&limit));
}
END_TEST

static void *resets(void *limit)
{
	ck_assert_int_eq(green_timeout_reset(limit, 5), 0);
	return NULL;
}

static void *resets_from_outside(void *limit)
{
	assert_fails(green_timeout_reset(limit, 5) == -1, EPERM);
	return NULL;
}

START_TEST(to7_a_scope_is_given_more_time_or_less)
{
	struct green_timeout limit;
	struct greenlet *other;

	ck_assert_int_eq(green_timeout_start(&limit, 10), 0);
	ck_assert_int_eq(green_timeout_reset(&limit, 10000), 0);
	ck_assert_int_eq(green_sleep(50), 0);
	in_thread(resets_from_outside, &limit);
	other = green_spawn(resets, &limit);
	assert_fails(green_sleep(9000) == -1, ETIMEDOUT);
	join(other);
	assert_fails(green_timeout_reset(&limit, 10000) == -1, ETIMEDOUT);
	ck_assert(green_timeout_end(&limit));
	assert_fails(green_timeout_reset(&limit, 10) == -1, EINVAL);
	ck_assert_int_eq(green_sleep(20), 0);
	ck_assert_int_eq(green_timeout_start(&limit, 5), 0);
	ck_assert_int_eq(green_timeout_reset(&limit, -1), 0);
	ck_assert_int_eq(green_sleep(50), 0);
	ck_assert(!green_timeout_end(&limit));
}
END_TEST

static struct green_timeout around_fork;

static void in_scopes(void)
{
	if (green_sleep(10000) != -1 || errno != ETIMEDOUT || !green_timeout_end(&around_fork))
		_exit(1);
	/* Whoever began the other one is not there any more. */
	if (green_sleep(20) != 0)
		_exit(2);
	if (green_timeout_start(&around_fork, 5) || green_sleep(10000) != -1 || !green_timeout_end(&around_fork))
		_exit(3);
}

static void *waits_in_scope(void *unused)
{
	struct green_timeout limit;

	green_timeout_start(&limit, 10000);
	green_sleep(10000);
	green_timeout_end(&limit);
	return unused;
}

/* H15 */
START_TEST(to8_scopes_go_on_in_the_child_of_a_fork)
{
	struct greenlet *other = parked(waits_in_scope, NULL);

	ck_assert_int_eq(green_timeout_start(&around_fork, 300), 0);
	ck_assert_int_eq(in_child(in_scopes, NULL, 0), 0);
	green_timeout_end(&around_fork);
	killed(other);
}
END_TEST

static void *waits_as_parent(void *unused)
{
	(void)unused;
	child = green_create(throws_up, NULL);
	assert_fails(green_sleep(10000) == -1, ENODEV);
	ck_assert_int_eq(green_error(NULL), ENODEV);
	green_error_clear();
	green_destroy(child);
	cleanups++;
	return NULL;
}

START_TEST(e1_a_parked_parent_hears_of_the_error)
{
	struct greenlet *parent = green_spawn(waits_as_parent, NULL), *other;

	green_yield();
	other = green_spawn(runs_child, NULL);
	join(parent);
	ck_assert_int_eq(cleanups, 1);
	killed(other);
}
END_TEST

static void reset(void)
{
	calls = cleanups = 0;
}

int main(void)
{
	TCase *tests = suite_begin("kill", WITH_HUB);

	tcase_add_checked_fixture(tests, reset, NULL);
	tcase_add_test(tests, s9_a_parked_task_ends_with_its_cleanup);
	tcase_add_test(tests, s9_one_that_has_not_started_never_does);
	tcase_add_test(tests, s9_who_refuses_is_waited_for);
	tcase_add_test(tests, s9_without_a_wait_it_ends_later);
	tcase_add_test(tests, s9_one_may_kill_itself);
	tcase_add_test(tests, kill_refuses_what_makes_no_sense);
	tcase_add_test(tests, cx2_a_kill_is_met_at_a_wait_and_may_be_repeated);
	tcase_add_test(tests, s19_one_that_waits_in_a_switch_is_told_by_the_hub);
	tcase_add_test(tests, s19_one_that_has_not_started_never_does);
	tcase_add_test(tests, s19_one_that_is_parked_ends_its_wait);
	tcase_add_test(tests, s19_who_refuses_is_waited_for);
	tcase_add_test(tests, s19_it_may_kill_itself);
	tcase_add_test(tests, s6_the_error_of_a_task_is_kept);
	tcase_add_test(tests, s9_at_every_point_where_it_may_be_parked);
	tcase_add_test(tests, d7_bytes_that_have_moved_come_first);
	tcase_add_test(tests, to1_a_scope_ends_a_wait);
	tcase_add_test(tests, to1_never_and_at_once);
	tcase_add_loop_test(tests, to4_scopes_that_are_over_at_one_call_fail_one_each, 0, 2);
	tcase_add_test(tests, to4_who_has_failed_a_call_fails_no_other);
	tcase_add_test(tests, cx3_the_end_of_a_scope_comes_once_and_may_be_refused);
	tcase_add_test(tests, to2_a_scope_is_its_starters);
	tcase_add_test(tests, cu3_whose_time_is_over);
	tcase_add_test(tests, to3_nested_scopes_know_their_own);
	tcase_add_test(tests, to4_two_that_are_over_together_fail_one_call_each);
	tcase_add_test(tests, to5_a_scope_lets_other_errors_pass);
	tcase_add_test(tests, to6_joins_and_reads_end_too);
	tcase_add_test(tests, to7_a_scope_tells_what_is_left);
	tcase_add_test(tests, to7_a_scope_is_given_more_time_or_less);
	tcase_add_test(tests, to8_scopes_go_on_in_the_child_of_a_fork);
	tcase_add_test(tests, e1_a_parked_parent_hears_of_the_error);
	return suite_end();
}
