/* SPDX-License-Identifier: MIT */
/* signals.c - masks, directed and queued signals, sigwait threads, alternate stacks, SIGPIPE, default actions */
#include "plain.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int handled;
static sem_t empty;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void count(int number)
{
	(void)number;
	handled++;
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void block(int number, int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	must(pthread_sigmask(how, &set, NULL) == 0, "pthread_sigmask");
}

static void *just_wait(void *argument)
{
	sem_wait(&empty);
	return argument;
}

static _Thread_local char *alternate;
static atomic_int on_alternate;

static void where_am_i(int number)
{
	char local;

	(void)number;
	on_alternate += (uintptr_t)&local - (uintptr_t)alternate < 65536;
}

static void *use_alternate(void *argument)
{
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 }, old;

	alternate = stack.ss_sp;
	say("at first: %s", sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE ? "disabled" : "set");
	must(sigaltstack(&stack, NULL) == 0, "sigaltstack");
	pause_ms(10);
	say("mine: %s", sigaltstack(NULL, &old) == 0 && old.ss_sp == stack.ss_sp ? "yes" : "no");
	pthread_kill(pthread_self(), SIGUSR1);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	free(alternate);
	return argument;
}

static void alternate_stacks(void)
{
	pthread_t threads[3];

	handle(SIGUSR1, where_am_i, SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		threads[i] = spawn(use_alternate, NULL);
		join(threads[i]);
	}
	say("handled on its own stack: %d", on_alternate);
}

static void *write_to_nobody(void *argument)
{
	int fd = *(int *)argument;

	say("write: %s", outcome(write(fd, "x", 1)));
	say("send: %s", outcome(send(fd, "x", 1, MSG_NOSIGNAL)));
	return NULL;
}

static void broken_pipe_kills(void)
{
	int ends[2];
	pid_t pid = fork();

	if (pid == 0) {
		must(pipe(ends) == 0, "pipe");
		close(ends[0]);
		join(spawn(write_to_nobody, &ends[1]));
		_exit(0);
	}
	reap("writer", pid);
}

static void broken_pipe_ignored(void)
{
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	stream_pair(pair);
	close(pair[1]);
	join(spawn(write_to_nobody, &pair[0]));
	handle(SIGPIPE, count, 0);
	join(spawn(write_to_nobody, &pair[0]));
	say("handled %d", handled);
}

static void *write_blocked(void *argument)
{
	sigset_t pending, set;
	struct timespec none = { 0, 0 };

	block(SIGPIPE, SIG_BLOCK);
	say("write: %s", outcome(write(*(int *)argument, "x", 1)));
	sigpending(&pending);
	say("pending: %s", sigismember(&pending, SIGPIPE) ? "yes" : "no");
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	int number = sigtimedwait(&set, NULL, &none);
	say("taken: %s", number == SIGPIPE ? "SIGPIPE" : outcome(number));
	return NULL;
}

static void broken_pipe_blocked(void)
{
	int pair[2];

	stream_pair(pair);
	close(pair[1]);
	join(spawn(write_blocked, &pair[0]));
	say("still alive");
}

static pthread_t main_thread;
static atomic_int in_main;

static void note_thread(int number)
{
	(void)number;
	handled++;
	in_main += pthread_equal(pthread_self(), main_thread) != 0;
}

static void *blocked_worker(void *argument)
{
	block(SIGUSR1, SIG_BLOCK);
	sem_post(&empty);
	pause_ms(100);
	return argument;
}

/* Workers block the signal; only main gets it. */
static void blocked_in_workers(void)
{
	pthread_t threads[4];
	sigset_t mask;

	main_thread = pthread_self();
	sem_init(&empty, 0, 0);
	handle(SIGUSR1, note_thread, SA_RESTART);
	for (int i = 0; i < 4; i++)
		threads[i] = spawn(blocked_worker, NULL);
	for (int i = 0; i < 4; i++)
		sem_wait(&empty);
	for (int i = 0; i < 3; i++) {
		kill(getpid(), SIGUSR1);
		pause_ms(5);
	}
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("handled %d, in main %d", handled, in_main);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	say("main's mask: %s", sigismember(&mask, SIGUSR1) ? "blocked" : "free");
}

static void *inherits_mask(void *argument)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	say("the thread's mask: %s", sigismember(&mask, SIGUSR2) ? "blocked" : "free");
	block(SIGUSR2, SIG_UNBLOCK);
	return argument;
}

/* MP4, MP11: masks of threads */
static void masks(void)
{
	sigset_t mask;

	block(SIGUSR2, SIG_BLOCK);
	join(spawn(inherits_mask, NULL));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	say("main's mask: %s", sigismember(&mask, SIGUSR2) ? "blocked" : "free");
	handle(SIGUSR2, count, 0);
	raise(SIGUSR2);
	say("before: handled %d", handled);
	block(SIGUSR2, SIG_UNBLOCK);
	say("after: handled %d", handled);
}

static void *wait_for_signals(void *argument)
{
	sigset_t *set = argument;
	int number;

	for (int i = 0; i < 3; i++) {
		must(sigwait(set, &number) == 0, "sigwait");
		say("sigwait: SIG%s", sigabbrev_np(number));
		sem_post(&empty);
	}
	return NULL;
}

/* MP11, CK18: Everybody blocks, one thread waits: the usual shape of a daemon. */
static void signal_thread(void)
{
	static const int numbers[] = { SIGTERM, SIGHUP, SIGUSR2 };
	sigset_t set;

	sem_init(&empty, 0, 0);
	sigemptyset(&set);
	for (int i = 0; i < 3; i++)
		sigaddset(&set, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_t thread = spawn(wait_for_signals, &set);
	for (int i = 0; i < 3; i++) {
		kill(getpid(), numbers[i]);
		sem_wait(&empty);
	}
	join(thread);
}

static void *timed_signals(void *argument)
{
	struct timespec limit = { 0, 60 * 1000 * 1000 };
	siginfo_t info = { 0 };
	double start = now();

	int number = sigtimedwait(argument, &info, &limit);
	say("time is up: %s", outcome(number));
	say_elapsed("sigtimedwait", start, 0.055, 2);
	number = sigwaitinfo(argument, &info);
	say("SIG%s, value %d", sigabbrev_np(number), info.si_value.sival_int);
	return NULL;
}

static void signals_with_values(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_t thread = spawn(timed_signals, &set);
	pause_ms(120);
	sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 42 });
	join(thread);
}

static void say_handler(const char *what, const struct sigaction *action)
{
	const char *is = action->sa_handler == count ? "ours" : action->sa_handler == SIG_DFL ? "default" :
		action->sa_handler == SIG_IGN ? "ignored" : "unknown";

	say("%s: %s, flags 0x%x, mask %s", what, is, (unsigned)action->sa_flags & ~0x04000000u,
		sigismember(&action->sa_mask, SIGHUP) ? "with SIGHUP" : "without SIGHUP");
}

static void old_actions(void)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART | SA_NODEFER }, old;

	sem_init(&empty, 0, 1);
	join(spawn(just_wait, NULL));
	sigaddset(&action.sa_mask, SIGHUP);
	sigaction(SIGUSR1, &action, &old);
	say_handler("before", &old);
	sigaction(SIGUSR1, NULL, &old);
	say_handler("set", &old);
	say("signal returns: %s", signal(SIGUSR1, SIG_IGN) == count ? "ours" : "another");
	sigaction(SIGUSR1, NULL, &old);
	say_handler("ignored", &old);
	raise(SIGUSR1);
	say("not allowed: %s", outcome(sigaction(SIGKILL, &action, NULL)));
	say("handled %d", handled);
}

static atomic_long told_pid;
static atomic_int told_code;

static void tell(int number, siginfo_t *info, void *context)
{
	(void)number;
	told_pid = info->si_pid;
	told_code = info->si_code;
	handled += context != NULL;
}

static void *send_to_process(void *argument)
{
	block(SIGUSR1, SIG_BLOCK);
	pause_ms(50);
	kill(getpid(), SIGUSR1);
	return argument;
}

static void informed(void)
{
	struct sigaction action = { .sa_sigaction = tell, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &action, NULL);
	pthread_t thread = spawn(send_to_process, NULL);
	say("pause: %s", outcome(pause()));
	join(thread);
	say("from %s, code %s, handled %d", told_pid == getpid() ? "this process" : "another",
		told_code == SI_USER ? "SI_USER" : "another", handled);
}

static void *in_target(void *argument)
{
	main_thread = pthread_self();
	sem_post(&empty);
	say("usleep: %s", outcome(usleep(3000000)));
	return argument;
}

/* L15, X14: A signal for one thread ends that thread's wait, in that thread. */
static void directed(void)
{
	sem_init(&empty, 0, 0);
	handle(SIGUSR1, note_thread, 0);
	pthread_t thread = spawn(in_target, NULL);
	sem_wait(&empty);
	pause_ms(40);
	int error = pthread_kill(thread, SIGUSR1);
	join(thread);
	say("pthread_kill: %s", error_name(error));
	say("handled %d, in the target %d", handled, in_main);
	thread = spawn(just_wait, NULL);
	say("exists: %s", error_name(pthread_kill(thread, 0)));
	say("no such signal: %s", error_name(pthread_kill(thread, 999)));
	sem_post(&empty);
	join(thread);
}

static void *suspend(void *argument)
{
	sigset_t mask;

	sigemptyset(&mask);
	sem_post(&empty);
	say("sigsuspend: %s", outcome(sigsuspend(&mask)));
	return argument;
}

/* MP11, CK18: sigsuspend */
static void suspended(void)
{
	sem_init(&empty, 0, 0);
	handle(SIGUSR1, count, 0);
	block(SIGUSR1, SIG_BLOCK);
	pthread_t thread = spawn(suspend, NULL);
	sem_wait(&empty);
	pause_ms(30);
	pthread_kill(thread, SIGUSR1);
	join(thread);
	say("handled %d", handled);
}

static void *read_signal(void *argument)
{
	struct signalfd_siginfo info;

	must(read(*(int *)argument, &info, sizeof(info)) == sizeof(info), "read");
	say("signalfd: SIG%s", sigabbrev_np((int)info.ssi_signo));
	return NULL;
}

/* MP11, CK18: signalfd */
static void by_descriptor(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, 0);
	pthread_t thread = spawn(read_signal, &fd);
	pause_ms(30);
	kill(getpid(), SIGUSR2);
	join(thread);
}

static void child_ended(int number)
{
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		handled++;
}

/* L11, X20, CK18: The handler reaps, as in many a server. */
static void children_reaped(void)
{
	sem_init(&empty, 0, 0);
	handle(SIGCHLD, child_ended, SA_RESTART);
	pthread_t thread = spawn(just_wait, NULL);
	for (int i = 0; i < 3; i++) {
		if (fork() == 0)
			_exit(0);
	}
	for (int i = 0; i < 300 && handled < 3; i++)
		pause_ms(10);
	sem_post(&empty);
	join(thread);
	say("reaped %d", handled);
}

static void *sleep_on(void *argument)
{
	pause_ms(10000);
	return argument;
}

static void default_kills(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		spawn(sleep_on, NULL);
		pause_ms(10);
		kill(getpid(), SIGTERM);
		pause_ms(10000);
		_exit(0);
	}
	reap("with threads", pid);
}

static void write_in_handler(int number)
{
	(void)number;
	say("written by the handler");
	handled++;
}

/* Handlers may write, post and fork, whatever they interrupt. */
static void *spin_and_lock(void *argument)
{
	while (handled == 0) {
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
	return argument;
}

/* X10, U12: a handler writes */
static void handler_writes(void)
{
	handle(SIGUSR1, write_in_handler, SA_RESTART);
	pthread_t one = spawn(spin_and_lock, NULL), two = spawn(spin_and_lock, NULL);
	pause_ms(20);
	kill(getpid(), SIGUSR1);
	join(one);
	join(two);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "alternate_stacks", alternate_stacks, 3 },
		{ "broken_pipe_kills", broken_pipe_kills, 0 },
		{ "broken_pipe_ignored", broken_pipe_ignored, 2 },
		{ "broken_pipe_blocked", broken_pipe_blocked, 1 },
		{ "blocked_in_workers", blocked_in_workers, 4 },
		{ "masks", masks, 1 },
		{ "signal_thread", signal_thread, 1 },
		{ "signals_with_values", signals_with_values, 1 },
		{ "old_actions", old_actions, 1 },
		{ "informed", informed, 1 },
		{ "directed", directed, 2 },
		{ "suspended", suspended, 1 },
		{ "by_descriptor", by_descriptor, 1 },
		{ "children_reaped", children_reaped, 1 },
		{ "default_kills", default_kills, 0 },
		{ "handler_writes", handler_writes, 2 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
