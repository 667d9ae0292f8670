/* SPDX-License-Identifier: MIT */
/* clocks.c - CPU clocks of threads: they run while the thread computes and stand while it waits */
#include "posix.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/wait.h>

static double seconds(clockid_t clock)
{
	struct timespec at;

	if (clock_gettime(clock, &at))
		return -1;
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Computes until the process has used S seconds more, whoever used them. */
static void burn(double s)
{
	double end = seconds(CLOCK_PROCESS_CPUTIME_ID) + s;
	volatile unsigned long sum = 0;

	while (seconds(CLOCK_PROCESS_CPUTIME_ID) < end) {
		for (int i = 0; i < 10000; i++)
			sum = sum + (unsigned long)i;
	}
}

static void own_clock(void)
{
	double before = seconds(CLOCK_THREAD_CPUTIME_ID), after, later;

	burn(0.05);
	after = seconds(CLOCK_THREAD_CPUTIME_ID);
	tell_truth("it counts what is computed", after - before >= 0.03 && after - before < 0.08);
	pause_ms(100);
	later = seconds(CLOCK_THREAD_CPUTIME_ID);
	tell_truth("it stands while the thread sleeps", later - after < 0.02);
	tell_truth("it never goes back", before >= 0 && before <= after && after <= later);
}

static void *burn_much(void *unused)
{
	seconds(CLOCK_THREAD_CPUTIME_ID);
	burn(0.1);
	return unused;
}

/* What another thread computes is not mine. */
static void not_the_others(void)
{
	double before = seconds(CLOCK_THREAD_CPUTIME_ID);

	in_thread(burn_much, NULL);
	tell_truth("not what another computes", seconds(CLOCK_THREAD_CPUTIME_ID) - before < 0.03);
}

static int stage;

static void *burn_for_main(void *unused)
{
	seconds(CLOCK_THREAD_CPUTIME_ID);
	post(&stage, 1);
	await(&stage, 2);
	burn(0.06);
	post(&stage, 3);
	await(&stage, 4);
	return unused;
}

static void clock_of_another(void)
{
	pthread_t other = spawn(burn_for_main, NULL);
	clockid_t clock, own;
	double before, after, mine;

	await(&stage, 1);
	tell("getcpuclockid", pthread_getcpuclockid(other, &clock));
	tell("getcpuclockid", pthread_getcpuclockid(pthread_self(), &own));
	tell_truth("two clocks", clock != own);
	before = seconds(clock);
	mine = seconds(own);
	post(&stage, 2);
	await(&stage, 3);
	after = seconds(clock);
	tell_truth("it counts what the other computes", after - before >= 0.04 && after - before < 0.1);
	tell_truth("mine does not", seconds(own) - mine < 0.03);
	post(&stage, 4);
	join(other);
}

static void own_by_id(void)
{
	clockid_t clock;
	double by_id, by_name;
	struct timespec resolution;

	tell("getcpuclockid", pthread_getcpuclockid(pthread_self(), &clock));
	burn(0.02);
	by_name = seconds(CLOCK_THREAD_CPUTIME_ID);
	by_id = seconds(clock);
	tell_truth("both say the same", by_id >= by_name && by_id - by_name < 0.01);
	tell_result("getres", clock_getres(clock, &resolution));
	say("resolution %ld.%09ld", (long)resolution.tv_sec, resolution.tv_nsec);
	tell_result("getres", clock_getres(CLOCK_THREAD_CPUTIME_ID, &resolution));
	say("resolution %ld.%09ld", (long)resolution.tv_sec, resolution.tv_nsec);
	resolution.tv_nsec = 0;
	tell_result("settime", clock_settime(CLOCK_THREAD_CPUTIME_ID, &resolution));
}

static void *new_clock(void *unused)
{
	tell_truth("a new thread's clock begins low", seconds(CLOCK_THREAD_CPUTIME_ID) < 0.02);
	return unused;
}

static void begins_low(void)
{
	seconds(CLOCK_THREAD_CPUTIME_ID);
	burn(0.06);
	in_thread(new_clock, NULL);
}

/* All threads' times together are the process's. */
static double sums[3];

static void *burn_part(void *argument)
{
	double before = seconds(CLOCK_THREAD_CPUTIME_ID);
	volatile unsigned long sum = 0;

	for (int i = 0; i < 20000000; i++)
		sum = sum + (unsigned long)i;
	*(double *)argument = seconds(CLOCK_THREAD_CPUTIME_ID) - before;
	return NULL;
}

static void parts_and_whole(void)
{
	double before = seconds(CLOCK_PROCESS_CPUTIME_ID), whole, parts;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(burn_part, &sums[i]);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	whole = seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
	parts = sums[0] + sums[1] + sums[2];
	tell_truth("the parts are nearly the whole", parts <= whole && parts >= whole * 0.7);
	tell_truth("the parts are alike", sums[0] < 3 * sums[1] && sums[1] < 3 * sums[2] && sums[2] < 3 * sums[0]);
}

static double used_by_thread(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void usage_of_thread(void)
{
	double before = used_by_thread();

	in_thread(burn_much, NULL);
	tell_truth("RUSAGE_THREAD leaves out what another computes", used_by_thread() - before < 0.03);
	before = used_by_thread();
	burn(0.05);
	tell_truth("and counts mine", used_by_thread() - before >= 0.03);
}

/* A sleep on the clock of the process's CPU time ends when somebody has computed that long; on one's own it is refused. */
static void sleeps_on_them(void)
{
	struct timespec little = { 0, 1000000 };

	tell("on the thread's own", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &little, NULL));
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "own_clock", .run = own_clock },
		{ .name = "not_the_others", .run = not_the_others },
		{ .name = "clock_of_another", .run = clock_of_another },
		{ .name = "own_by_id", .run = own_by_id },
		{ .name = "begins_low", .run = begins_low },
		{ .name = "parts_and_whole", .run = parts_and_whole },
		{ .name = "usage_of_thread", .run = usage_of_thread },
		{ .name = "sleeps_on_them", .run = sleeps_on_them },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
