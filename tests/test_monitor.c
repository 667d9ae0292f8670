/* SPDX-License-Identifier: MIT */
/* test_monitor.c - the kernel thread that looks at hubs that do not come round, at memory, and runs checks */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "green.h"
#include "inspect/walk.h"
#include "support.h"

/* --- what was told --- */

enum { REPORTS = 3 };

static struct {
	pthread_mutex_t lock;
	int started, blocked, elsewhere, over, under;
	int64_t ms, reported[REPORTS]; /* the last time, and the first ones */
	char name[32];
	pid_t thread;
	size_t bytes;
	char stack[4096];
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static char token;

static void note_stack(const struct green_monitored *monitored)
{
	char name[256];

	seen.stack[0] = '\0';
	for (size_t i = 0; i < monitored->frame_count; i++) {
		strncat(seen.stack, green_frame_name(monitored->frames[i], name, sizeof(name)), 255);
		strcat(seen.stack, "\n");
		if (strlen(seen.stack) > sizeof(seen.stack) - 300)
			break;
	}
}

static void notes(const struct green_monitored *monitored, void *argument)
{
	ck_assert_ptr_eq(argument, &token);
	pthread_mutex_lock(&seen.lock);
	seen.started += monitored->event == GREEN_MONITOR_STARTED;
	seen.over += monitored->event == GREEN_MONITOR_MEMORY_OVER;
	seen.under += monitored->event == GREEN_MONITOR_MEMORY_UNDER;
	seen.bytes = monitored->bytes;
	if (monitored->event == GREEN_MONITOR_BLOCKED) {
		seen.blocked++;
		seen.elsewhere += monitored->thread != getpid();
		seen.ms = monitored->milliseconds;
		if (seen.blocked <= REPORTS)
			seen.reported[seen.blocked - 1] = seen.ms;
		seen.thread = monitored->thread;
		snprintf(seen.name, sizeof(seen.name), "%s", monitored->name);
		note_stack(monitored);
	}
	pthread_mutex_unlock(&seen.lock);
}

static int blocked(void)
{
	int count;

	pthread_mutex_lock(&seen.lock);
	count = seen.blocked;
	pthread_mutex_unlock(&seen.lock);
	return count;
}

static void begin(int blocking_ms)
{
	struct green_monitor options = { .silent = true, .event = notes, .argument = &token };

	options.blocking_ms = blocking_ms;
	ck_assert_int_eq(green_monitor_start(&options), 0);
}

/* --- hubs that are kept --- */

static GREEN_NOINLINE void computes_of_test(int reports)
{
	int64_t end = clock_now() + 10000 * NS_PER_MS;

	while (blocked() < reports && clock_now() < end) {
		for (volatile int i = 0; i < 1000000; i++)
			;
	}
}

static void *computes(void *reports)
{
	computes_of_test((int)(intptr_t)reports);
	return reports;
}

START_TEST(m2_ck25_who_computes_is_reported_with_name_time_and_stack)
{
	struct greenlet *task = green_spawn(computes, (void *)1);

	begin(0);
	green_set_name(task, "hog");
	join(task);
	ck_assert_int_eq(green_monitor_stop(), 0);
	ck_assert_int_eq(seen.started, 1);
	ck_assert_int_ge(seen.blocked, 1);
	ck_assert_int_ge(seen.ms, 100);
	ck_assert_int_eq(seen.thread, getpid());
	if (tools_watch() || !green__walk_possible())
		return;
	ck_assert_str_eq(seen.name, "hog");
	ck_assert_msg(strstr(seen.stack, "computes_of_test"), "%s", seen.stack);
	ck_assert_msg(strstr(seen.stack, "greenlet_start"), "%s", seen.stack);
}
END_TEST

START_TEST(m2_one_that_goes_on_is_reported_at_twice_the_time)
{
	int64_t start = clock_now();

	begin(20);
	join(green_spawn(computes, (void *)REPORTS));
	ck_assert_int_eq(green_monitor_stop(), 0);
	/* 20, 40 and 80 milliseconds at the earliest; where the first one is late, so are the others. */
	ck_assert_int_ge(seen.reported[0], 20);
	for (int i = 1; i < REPORTS; i++)
		ck_assert_int_ge(seen.reported[i], 2 * seen.reported[i - 1]);
	ck_assert_int_ge(ms_since(start), 80);
}
END_TEST

static GREEN_NOINLINE void sleeps_in_the_kernel(void)
{
	usleep(300 * 1000);
	__asm__ volatile("");
}

static void *blocks(void *unused)
{
	sleeps_in_the_kernel();
	return unused;
}

START_TEST(m2_u6_a_call_that_blocks_is_found_and_not_cut_short)
{
	struct greenlet *task = green_spawn(blocks, NULL);
	int64_t start;

	begin(50);
	green_set_name(task, "blocker");
	start = clock_now();
	join(task);
	ck_assert_int_ge(ms_since(start), 300);
	ck_assert_int_eq(green_monitor_stop(), 0);
	ck_assert_int_ge(seen.blocked, 1);
	if (tools_watch() || !green__walk_possible())
		return;
	ck_assert_str_eq(seen.name, "blocker");
	ck_assert_msg(strstr(seen.stack, "sleeps_in_the_kernel"), "%s", seen.stack);
}
END_TEST

static void *yields_often(void *until)
{
	while (clock_now() < *(int64_t *)until) {
		for (volatile int i = 0; i < 1000; i++)
			;
		green_yield();
	}
	return NULL;
}

static void *sleeps(void *value)
{
	green_sleep(600);
	return value;
}

/* The limit is far above what a busy machine may take away from a thread that is ready. */
START_TEST(m2_who_lets_others_run_or_sleeps_is_not_reported)
{
	int64_t until = clock_now() + 1200 * NS_PER_MS;
	struct greenlet *task = green_spawn(yields_often, &until), *sleeper = green_spawn(sleeps, NULL);

	begin(400);
	join(task);
	join(sleeper);
	green_sleep(1000);
	ck_assert_int_eq(green_monitor_stop(), 0);
	if (!tools_watch())
		ck_assert_int_eq(seen.blocked, 0);
}
END_TEST

static int blocked_elsewhere(void)
{
	int count;

	pthread_mutex_lock(&seen.lock);
	count = seen.elsewhere;
	pthread_mutex_unlock(&seen.lock);
	return count;
}

static void *has_a_hub_and_computes(void *unused)
{
	int64_t end = clock_now() + 10000 * NS_PER_MS;

	green_yield();
	while (!blocked_elsewhere() && clock_now() < end)
		;
	return unused;
}

START_TEST(m1_one_monitor_watches_all_hubs)
{
	pthread_t thread;

	begin(50);
	ck_assert_int_eq(pthread_create(&thread, NULL, has_a_hub_and_computes, NULL), 0);
	while (!blocked_elsewhere())
		green_sleep(5);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(green_monitor_stop(), 0);
}
END_TEST

static const struct green_monitor *wanted;

static void prints(void)
{
	int64_t end = clock_now() + 500 * NS_PER_MS;

	green_monitor_start(wanted);
	green_yield();
	while (clock_now() < end)
		__asm__ volatile("");
	green_monitor_stop();
}

START_TEST(m2_by_default_a_report_is_written)
{
	char text[8192];

	ck_assert_int_eq(in_child(prints, text, sizeof(text)), 0);
	ck_assert_msg(strstr(text, "nobody else could run; hub of kernel thread"), "%s", text);
	if (!tools_watch() && green__walk_possible())
		ck_assert_msg(strstr(text, "kept by main (0), at\n"), "%s", text);
}
END_TEST

START_TEST(m2_if_it_is_silent_nothing_is_written)
{
	struct green_monitor silent = { .silent = true };
	char text[8192] = "";

	wanted = &silent;
	ck_assert_int_eq(in_child(prints, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "");
}
END_TEST

/* --- options, stop, fork --- */

START_TEST(m11_options_that_make_no_sense)
{
	struct green_monitor options = { .blocking_ms = 4 };

	assert_fails(green_monitor_start(&options) == -1, EINVAL);
	options = (struct green_monitor){ .blocking_ms = -2 };
	assert_fails(green_monitor_start(&options) == -1, EINVAL);
	options = (struct green_monitor){ .memory_ms = 1999 };
	assert_fails(green_monitor_start(&options) == -1, EINVAL);
	options = (struct green_monitor){ .fd = -1 };
	assert_fails(green_monitor_start(&options) == -1, EINVAL);
	options = (struct green_monitor){ .signal = SIGKILL };
	assert_fails(green_monitor_start(&options) == -1, EINVAL);
	assert_fails(green_monitor_stop() == -1, EINVAL);
	begin(0);
	assert_fails(green_monitor_start(NULL) == -1, EALREADY);
	ck_assert_int_eq(green_monitor_stop(), 0);
	begin(0);
	ck_assert_int_eq(green_monitor_stop(), 0);
}
END_TEST

static void is_anew_in_the_child(void)
{
	if (green_monitor_stop() != -1 || green_monitor_start(NULL) || green_monitor_stop())
		_exit(9);
}

START_TEST(m4_a_forked_child_may_have_its_own)
{
	begin(0);
	ck_assert_int_eq(in_child(is_anew_in_the_child, NULL, 0), 0);
	ck_assert_int_eq(green_monitor_stop(), 0);
}
END_TEST

/* --- checks --- */

static int checked[2]; /* atomic */

static void check(void *number)
{
	__atomic_add_fetch(&checked[(intptr_t)number], 1, __ATOMIC_SEQ_CST);
}

static int checked_now(int number)
{
	return __atomic_load_n(&checked[number], __ATOMIC_SEQ_CST);
}

START_TEST(m4_the_programs_own_checks)
{
	int before;

	assert_fails(green_monitor_check(NULL, NULL, 10) == -1, EINVAL);
	assert_fails(green_monitor_check(check, NULL, 4) == -1, EINVAL);
	assert_fails(green_monitor_check(check, NULL, -1) == -1, EINVAL);
	ck_assert_int_eq(green_monitor_check(check, (void *)0, 5), 0);
	begin(-1);
	ck_assert_int_eq(green_monitor_check(check, (void *)1, 10), 0);
	while (checked_now(0) < 5 || checked_now(1) < 3)
		green_sleep(5);
	ck_assert_int_eq(green_monitor_check(check, (void *)0, 0), 0);
	green_sleep(20);
	before = checked_now(0);
	while (checked_now(1) < 6)
		green_sleep(5);
	ck_assert_int_eq(checked_now(0), before);
	ck_assert_int_eq(green_monitor_stop(), 0);
	/* Nothing of it runs any more. */
	before = checked_now(1);
	green_sleep(30);
	ck_assert_int_eq(checked_now(1), before);
}
END_TEST

static void runs_the_check_in_the_child(void)
{
	checked[0] = 0;
	if (green_monitor_start(&(struct green_monitor) { .blocking_ms = -1 }))
		_exit(1);
	while (checked_now(0) < 2)
		green_sleep(5);
	green_monitor_stop();
}

START_TEST(m4_checks_outlive_a_fork)
{
	if (tools_watch()) {
		skipped("the monitor may hold locks of the tool's own when the child is made");
		return;
	}
	ck_assert_int_eq(green_monitor_check(check, (void *)0, 5), 0);
	begin(-1);
	ck_assert_int_eq(in_child(runs_the_check_in_the_child, NULL, 0), 0);
	ck_assert_int_eq(green_monitor_stop(), 0);
}
END_TEST

static void stops_from_inside(void *unused)
{
	(void)unused;
	if (green_monitor_stop() == -1 && errno == EDEADLK)
		__atomic_add_fetch(&checked[0], 1, __ATOMIC_SEQ_CST);
}

START_TEST(m4_a_check_cannot_stop_what_it_runs_in)
{
	ck_assert_int_eq(green_monitor_check(stops_from_inside, NULL, 5), 0);
	begin(-1);
	while (!checked_now(0))
		green_sleep(5);
	ck_assert_int_eq(green_monitor_stop(), 0);
}
END_TEST

/* --- memory --- */

static bool count_is(const int *count, int wanted)
{
	bool is;

	pthread_mutex_lock(&seen.lock);
	is = *count == wanted;
	pthread_mutex_unlock(&seen.lock);
	return is;
}

enum { LOOK_MS = 2000 };

/* Long enough for a look that finds nothing new. */
static void looked(void)
{
	green_sleep(LOOK_MS + LOOK_MS / 4);
}

/* Twice 64 MiB above what the process has now is over, three times that a new maximum; without them it is under. */
START_TEST(m3_memory_over_its_limit_and_back)
{
	enum { PIECE = 64 << 20 };
	struct green_monitor options = { .silent = true, .event = notes, .argument = &token };
	char *memory = mmap(NULL, 3 * PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *statm = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(fscanf(statm, "%*u %zu", &pages), 1);
	fclose(statm);
	options.blocking_ms = -1;
	options.memory_ms = LOOK_MS;
	options.memory_max = pages * 4096 + PIECE;
	memset(memory, 1, 2 * PIECE);
	ck_assert_int_eq(green_monitor_start(&options), 0);
	while (!count_is(&seen.over, 1))
		green_sleep(20);
	ck_assert_uint_gt(seen.bytes, options.memory_max);
	memset(memory + 2 * PIECE, 1, PIECE);
	while (!count_is(&seen.over, 2))
		green_sleep(20);
	looked();
	ck_assert(count_is(&seen.over, 2));
	munmap(memory, 3 * PIECE);
	while (!count_is(&seen.under, 1))
		green_sleep(20);
	ck_assert_uint_le(seen.bytes, options.memory_max);
	looked();
	ck_assert(count_is(&seen.over, 2) && count_is(&seen.under, 1));
	ck_assert_int_eq(green_monitor_stop(), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("monitor", WITH_HUB);

	/* libunwind keeps two descriptors from its first use on. */
	green__walk_possible();

	tcase_add_test(tcase, m2_ck25_who_computes_is_reported_with_name_time_and_stack);
	tcase_add_test(tcase, m2_one_that_goes_on_is_reported_at_twice_the_time);
	tcase_add_test(tcase, m2_u6_a_call_that_blocks_is_found_and_not_cut_short);
	tcase_add_test(tcase, m2_who_lets_others_run_or_sleeps_is_not_reported);
	tcase_add_test(tcase, m1_one_monitor_watches_all_hubs);
	tcase_add_test(tcase, m2_by_default_a_report_is_written);
	tcase_add_test(tcase, m2_if_it_is_silent_nothing_is_written);
	tcase_add_test(tcase, m11_options_that_make_no_sense);
	tcase_add_test(tcase, m4_a_forked_child_may_have_its_own);
	tcase_add_test(tcase, m4_the_programs_own_checks);
	tcase_add_test(tcase, m4_checks_outlive_a_fork);
	tcase_add_test(tcase, m4_a_check_cannot_stop_what_it_runs_in);
	tcase_add_test(tcase, m3_memory_over_its_limit_and_back);
	return suite_end();
}
