/* SPDX-License-Identifier: MIT */
/* join.c - join, its timed and trying kinds, detach: errors, waits, cancellation, several joiners */
#include "posix.h"

#include <signal.h>
#include <sys/wait.h>

static int stage;

static void *run_until_told(void *argument)
{
	await(&stage, 1);
	return argument;
}

static void *run_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *finish(void *argument)
{
	return argument;
}

static void results(void)
{
	pthread_t thread = spawn(finish, (void *)9L);
	void *result = NULL;

	tell("join without a place for the result", pthread_join(thread, NULL));
	thread = spawn(finish, (void *)8L);
	pause_ms(20);
	tell("join of an ended one", pthread_join(thread, &result));
	say("result %ld", (long)result);
}

static void tries(void)
{
	pthread_t thread = spawn(run_until_told, (void *)5L);
	void *result = NULL;
	int error;

	tell("tryjoin", pthread_tryjoin_np(thread, &result));
	tell("tryjoin", pthread_tryjoin_np(thread, NULL));
	post(&stage, 1);
	for (int i = 0; i < 5000 && (error = pthread_tryjoin_np(thread, &result)) == EBUSY; i++)
		pause_ms(1);
	tell("in the end", error);
	say("result %ld", (long)result);
}

/* A loop of tries without a pause comes to an end. */
static void tries_without_pause(void)
{
	pthread_t thread = spawn(finish, (void *)6L);
	void *result = NULL;
	int error;

	do {
		error = pthread_tryjoin_np(thread, &result);
	} while (error == EBUSY);
	tell("tryjoin", error);
	say("result %ld", (long)result);
}

static void timed(void)
{
	pthread_t thread = spawn(run_until_told, (void *)4L);
	struct timespec soon = after_ms(CLOCK_REALTIME, 40), past = long_ago(), before_all = { -1, 0 };
	double since = now();
	void *result = (void *)77L;

	tell("timedjoin", pthread_timedjoin_np(thread, &result, &soon));
	tell_in_time("timedjoin", since, 40);
	since = now();
	soon = after_ms(CLOCK_MONOTONIC, 40);
	tell("clockjoin", pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &soon));
	tell_in_time("clockjoin", since, 40);
	soon = after_ms(CLOCK_REALTIME, 20);
	tell("clockjoin", pthread_clockjoin_np(thread, &result, CLOCK_REALTIME, &soon));
	tell("over", pthread_timedjoin_np(thread, &result, &past));
	tell("before all", pthread_timedjoin_np(thread, &result, &before_all));
	tell("no clock", pthread_clockjoin_np(thread, &result, 876, &soon));
	tell("boot time", pthread_clockjoin_np(thread, &result, CLOCK_BOOTTIME, &soon));
	tell("cpu clock", pthread_clockjoin_np(thread, &result, CLOCK_PROCESS_CPUTIME_ID, &soon));
	say("result %ld", (long)result);
	post(&stage, 1);
	tell("without a time", pthread_timedjoin_np(thread, &result, NULL));
	say("result %ld", (long)result);
}

static void timed_of_ended(void)
{
	struct timespec bad = no_time(), past = long_ago();
	pthread_t thread = spawn(finish, (void *)4L);
	void *result = NULL;

	pause_ms(20);
	tell("over", pthread_timedjoin_np(thread, &result, &past));
	say("result %ld", (long)result);
	thread = spawn(finish, (void *)5L);
	pause_ms(20);
	tell("bad", pthread_timedjoin_np(thread, &result, &bad));
	tell("no clock", pthread_clockjoin_np(thread, &result, 876, &past));
	say("result %ld", (long)result);
}

static void *join_self(void *unused)
{
	struct timespec soon = after_ms(CLOCK_REALTIME, 50);

	tell("join of itself", pthread_join(pthread_self(), NULL));
	tell("tryjoin of itself", pthread_tryjoin_np(pthread_self(), NULL));
	tell("timedjoin of itself", pthread_timedjoin_np(pthread_self(), NULL, &soon));
	return unused;
}

static void itself(void)
{
	join_self(NULL);
	in_thread(join_self, NULL);
}

static void *join_given(void *argument)
{
	return (void *)(long)pthread_join(*(pthread_t *)argument, NULL);
}

/* libc lets a second one wait as well, as long as it gives up in time. */
static void two_joiners(void)
{
	pthread_t target = spawn(run_until_told, NULL), joiner = spawn(join_given, &target);
	struct timespec soon = after_ms(CLOCK_REALTIME, 30);

	pause_ms(40);
	tell("second timedjoin", pthread_timedjoin_np(target, NULL, &soon));
	tell("second tryjoin", pthread_tryjoin_np(target, NULL));
	post(&stage, 1);
	tell("first join", (int)(long)join(joiner));
}

static void detached(void)
{
	pthread_t thread = spawn(run_until_told, NULL);

	tell("detach", pthread_detach(thread));
	tell("detach again", pthread_detach(thread));
	tell("join", pthread_join(thread, NULL));
	tell("tryjoin", pthread_tryjoin_np(thread, NULL));
	post(&stage, 1);
	pause_ms(20);
}

static void *joined_main(void *argument)
{
	void *result = NULL;

	tell("join of main", pthread_join(*(pthread_t *)argument, &result));
	say("result %ld", (long)result);
	_exit(3);
}

static pthread_t main_thread;

static void main_is_joined(void)
{
	main_thread = pthread_self();
	spawn(joined_main, &main_thread);
	pthread_exit((void *)21L);
}

/* --- cancellation --- */

static pthread_t target;
static int variant;

static void *join_until_cancelled(void *unused)
{
	struct timespec later = after_ms(CLOCK_REALTIME, 20000), steady = after_ms(CLOCK_MONOTONIC, 20000);

	post(&stage, 5);
	if (variant == 0)
		pthread_join(target, NULL);
	else if (variant == 1)
		pthread_timedjoin_np(target, NULL, &later);
	else
		pthread_clockjoin_np(target, NULL, CLOCK_MONOTONIC, &steady);
	say("not reached");
	return unused;
}

/* The target stays joinable. */
static void cancelled_joiner(void)
{
	target = spawn(run_for_ever, NULL);
	for (variant = 0; variant < 3; variant++) {
		pthread_t joiner;

		stage = 0;
		joiner = spawn(join_until_cancelled, NULL);
		await(&stage, 5);
		pause_ms(20);
		pthread_cancel(joiner);
		tell_truth("joiner cancelled", join(joiner) == PTHREAD_CANCELED);
		tell("tryjoin", pthread_tryjoin_np(target, NULL));
	}
	pthread_cancel(target);
	tell_truth("target cancelled", join(target) == PTHREAD_CANCELED);
}

static void *join_with_pending(void *unused)
{
	pthread_cancel(pthread_self());
	pthread_join(target, NULL);
	post(&stage, 7);
	return unused;
}

static void *try_with_pending(void *unused)
{
	pthread_cancel(pthread_self());
	pthread_tryjoin_np(target, NULL);
	post(&stage, 8);
	return unused;
}

static void pending(void)
{
	target = spawn(run_for_ever, NULL);
	tell_truth("cancelled", in_thread(join_with_pending, NULL) == PTHREAD_CANCELED);
	say("stage %d", stage);
	in_thread(try_with_pending, NULL);
	say("stage %d", stage);
	pthread_cancel(target);
	pthread_join(target, NULL);
	target = spawn(finish, NULL);
	pause_ms(20);
	stage = 0;
	tell_truth("cancelled with an ended target", in_thread(join_with_pending, NULL) == PTHREAD_CANCELED);
	say("stage %d", stage);
}

static int handled;

static void on_signal(int number)
{
	(void)number;
	post(&handled, 1);
}

static void not_interrupted(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t slow = spawn(run_until_told, NULL), joiner = spawn(join_given, &slow);

	sigaction(SIGUSR1, &action, NULL);
	pause_ms(20);
	pthread_kill(joiner, SIGUSR1);
	await(&handled, 1);
	pause_ms(20);
	say("tryjoin of the joiner: %s", error_name(pthread_tryjoin_np(joiner, NULL)));
	post(&stage, 1);
	tell("join", (int)(long)join(joiner));
}

static void many(void)
{
	pthread_t threads[200];
	long sum = 0;

	for (long i = 0; i < 200; i++)
		threads[i] = spawn(finish, (void *)i);
	for (int i = 199; i >= 0; i--)
		sum += (long)join(threads[i]);
	say("sum %ld", sum);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "results", .run = results },
		{ .name = "tries", .run = tries },
		{ .name = "tries_without_pause", .run = tries_without_pause },
		{ .name = "timed", .run = timed },
		{ .name = "timed_of_ended", .run = timed_of_ended },
		{ .name = "itself", .run = itself },
		{ .name = "two_joiners", .run = two_joiners },
		{ .name = "detached", .run = detached },
		{ .name = "main_is_joined", .run = main_is_joined, .flags = MAIN_ONLY },
		{ .name = "cancelled_joiner", .run = cancelled_joiner },
		{ .name = "pending", .run = pending },
		{ .name = "not_interrupted", .run = not_interrupted },
		{ .name = "many", .run = many },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
