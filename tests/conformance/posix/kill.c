/* SPDX-License-Identifier: MIT */
/* kill.c - pthread_kill, pthread_sigmask and pthread_sigqueue: who gets the signal, what is refused */
#include "posix.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static int stage, handled, handled_by_target, value_seen, code_seen;
static pthread_t target;

static void on_signal(int number)
{
	(void)number;
	if (pthread_equal(pthread_self(), target))
		__atomic_fetch_add(&handled_by_target, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void on_info(int number, siginfo_t *info, void *context)
{
	(void)context;
	value_seen = info->si_value.sival_int;
	code_seen = info->si_code;
	on_signal(number);
}

static void take(int number, int flags)
{
	struct sigaction action = { .sa_flags = flags };

	if (flags & SA_SIGINFO)
		action.sa_sigaction = on_info;
	else
		action.sa_handler = on_signal;
	must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void *wait_told(void *unused)
{
	await(&stage, 1);
	return unused;
}

static void *finish(void *unused)
{
	return unused;
}

static void errors(void)
{
	pthread_t thread = spawn(wait_told, NULL);

	tell("0", pthread_kill(thread, 0));
	tell("0 to myself", pthread_kill(pthread_self(), 0));
	tell("-1", pthread_kill(thread, -1));
	tell("65", pthread_kill(thread, 65));
	tell("1000", pthread_kill(thread, 1000));
	tell("libc's own", pthread_kill(thread, 32));
	tell("libc's own", pthread_kill(thread, 33));
	post(&stage, 1);
	join(thread);
	thread = spawn(finish, NULL);
	pause_ms(30);
	tell("0 to an ended one", pthread_kill(thread, 0));
	tell("USR1 to an ended one", pthread_kill(thread, SIGUSR1));
	tell("-1 to an ended one", pthread_kill(thread, -1));
	tell("cancel of an ended one", pthread_cancel(thread));
	join(thread);
}

static void to_myself(void)
{
	take(SIGUSR1, 0);
	target = pthread_self();
	tell("kill", pthread_kill(pthread_self(), SIGUSR1));
	say("handled %d", handled_by_target);
	tell_result("raise", raise(SIGUSR1));
	say("handled %d", handled_by_target);
}

static void *wait_and_count(void *unused)
{
	target = pthread_self();
	post(&stage, 1);
	await(&stage, 2);
	return unused;
}

static void to_another(void)
{
	pthread_t thread;

	take(SIGUSR1, 0);
	thread = spawn(wait_and_count, NULL);
	await(&stage, 1);
	for (int i = 1; i <= 10; i++) {
		pthread_kill(thread, SIGUSR1);
		await(&handled, i);
	}
	post(&stage, 2);
	join(thread);
	say("handled %d, by the target %d", handled, handled_by_target);
}

static void *spin_until_handled(void *unused)
{
	target = pthread_self();
	post(&stage, 1);
	while (!*(volatile int *)&handled)
		;
	return unused;
}

static void to_a_busy_one(void)
{
	pthread_t thread;

	take(SIGUSR1, 0);
	thread = spawn(spin_until_handled, NULL);
	await(&stage, 1);
	tell("kill", pthread_kill(thread, SIGUSR1));
	join(thread);
	say("by the target %d", handled_by_target);
}

/* A blocked signal waits for its thread, and for it alone. */
static void *block_then_open(void *unused)
{
	sigset_t set, pending;

	target = pthread_self();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	post(&stage, 1);
	await(&stage, 2);
	sigpending(&pending);
	say("pending %d, handled %d", sigismember(&pending, SIGUSR1), handled);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sigpending(&pending);
	say("pending %d, handled %d", sigismember(&pending, SIGUSR1), handled_by_target);
	return unused;
}

static void to_a_blocked_one(void)
{
	sigset_t pending;
	pthread_t thread;

	take(SIGUSR1, 0);
	thread = spawn(block_then_open, NULL);
	await(&stage, 1);
	pthread_kill(thread, SIGUSR1);
	pthread_kill(thread, SIGUSR1);
	sigpending(&pending);
	say("not pending for me: %d", sigismember(&pending, SIGUSR1));
	pause_ms(20);
	post(&stage, 2);
	join(thread);
}

static void mask_errors(void)
{
	sigset_t set, old;

	sigemptyset(&set);
	tell("no such how", pthread_sigmask(99, &set, &old));
	tell("no such how, no set", pthread_sigmask(99, NULL, &old));
	sigfillset(&set);
	tell("all", pthread_sigmask(SIG_SETMASK, &set, &old));
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	say("KILL %d, STOP %d, USR1 %d", sigismember(&set, SIGKILL), sigismember(&set, SIGSTOP), sigismember(&set, SIGUSR1));
	tell("old", pthread_sigmask(SIG_SETMASK, &old, NULL));
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	say("USR1 %d", sigismember(&set, SIGUSR1));
}

static void queued(void)
{
	union sigval value = { .sival_int = 4711 };
	pthread_t thread;

	take(SIGUSR2, SA_SIGINFO);
	thread = spawn(wait_and_count, NULL);
	await(&stage, 1);
	tell("sigqueue", pthread_sigqueue(thread, SIGUSR2, value));
	await(&handled, 1);
	say("value %d, code is SI_QUEUE: %d, by the target %d", value_seen, code_seen == SI_QUEUE, handled_by_target);
	tell("-1", pthread_sigqueue(thread, -1, value));
	tell("65", pthread_sigqueue(thread, 65, value));
	tell("libc's own", pthread_sigqueue(thread, 32, value));
	tell("0", pthread_sigqueue(thread, 0, value));
	post(&stage, 2);
	join(thread);
}

static void codes(void)
{
	take(SIGUSR2, SA_SIGINFO);
	pthread_kill(pthread_self(), SIGUSR2);
	say("pthread_kill: SI_TKILL %d", code_seen == SI_TKILL);
	code_seen = 1;
	kill(getpid(), SIGUSR2);
	await(&handled, 2);
	say("kill: SI_USER %d", code_seen == SI_USER);
}

/* Real-time signals queue, each with its value. */
static int values[16], count;

static void collect(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (count < 16)
		values[count++] = info->si_value.sival_int;
}

static void queue_of_real_time(void)
{
	struct sigaction action = { .sa_sigaction = collect, .sa_flags = SA_SIGINFO };
	union sigval value;
	sigset_t set;

	sigaction(SIGRTMIN + 1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (int i = 1; i <= 5; i++) {
		value.sival_int = i;
		tell("sigqueue", pthread_sigqueue(pthread_self(), SIGRTMIN + 1, value));
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	say("came %d: %d %d %d %d %d", count, values[0], values[1], values[2], values[3], values[4]);
}

static void in_child(void *number)
{
	pthread_t thread = spawn(wait_told, NULL);

	pause_ms(10);
	pthread_kill(thread, (int)(long)number);
	pause_ms(1000);
}

/* The default action is the process's. */
static void default_actions(void)
{
	reap("TERM", child_of(in_child, (void *)(long)SIGTERM));
	reap("USR1", child_of(in_child, (void *)(long)SIGUSR1));
	reap("KILL", child_of(in_child, (void *)(long)SIGKILL));
}

static void ignored(void)
{
	pthread_t thread = spawn(wait_told, NULL);

	signal(SIGUSR1, SIG_IGN);
	tell("ignored", pthread_kill(thread, SIGUSR1));
	tell("ignored by default", pthread_kill(thread, SIGCHLD));
	tell("ignored by default", pthread_kill(thread, SIGCONT));
	post(&stage, 1);
	join(thread);
}

/* sigwait in one thread, pthread_kill from another. */
static void *wait_for_signal(void *unused)
{
	sigset_t set;
	int number = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	for (int i = 0; i < 2; i++) {
		tell("sigwait", sigwait(&set, &number));
		say("got %s", sigabbrev_np(number));
		post(&handled, i + 1);
	}
	return unused;
}

static void waited_for(void)
{
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	thread = spawn(wait_for_signal, NULL);
	pthread_kill(thread, SIGUSR2);
	await(&handled, 1);
	pthread_kill(thread, SIGUSR1);
	join(thread);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "errors", .run = errors },
		{ .name = "to_myself", .run = to_myself },
		{ .name = "to_another", .run = to_another },
		{ .name = "to_a_busy_one", .run = to_a_busy_one },
		{ .name = "to_a_blocked_one", .run = to_a_blocked_one },
		{ .name = "mask_errors", .run = mask_errors },
		{ .name = "queued", .run = queued },
		{ .name = "codes", .run = codes },
		{ .name = "queue_of_real_time", .run = queue_of_real_time },
		{ .name = "default_actions", .run = default_actions },
		{ .name = "ignored", .run = ignored },
		{ .name = "waited_for", .run = waited_for },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
