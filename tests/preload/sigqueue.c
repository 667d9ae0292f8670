/* SPDX-License-Identifier: MIT */
/* sigqueue.c - queues of pending signals: order, values, whom they are for, and who waits for them */
#include "plain.h"

#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_MAX = 200 };

/* What handlers saw, in their order; said by the thread that joined. */
static struct {
	int number, code, value;
	bool own_pid, in_target;
} entries[LOG_MAX];
static atomic_int logged;
static pthread_t target;
static sem_t ready, go;

static void note(int number, siginfo_t *info, void *context)
{
	int at = logged++;

	(void)context;
	entries[at].number = number;
	entries[at].code = info->si_code;
	entries[at].value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
	entries[at].own_pid = info->si_pid == getpid();
	entries[at].in_target = pthread_equal(pthread_self(), target);
}

static void catch(int number, int flags)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&action.sa_mask);
	must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static const char *name_of(int number)
{
	static const char *const real_time[] = { "RT0", "RT1", "RT2", "RT3", "RT4" };

	if (number >= SIGRTMIN && number < SIGRTMIN + 5)
		return real_time[number - SIGRTMIN];
	return sigabbrev_np(number) ? sigabbrev_np(number) : "none";
}

static const char *code_name(int code)
{
	return code == SI_TKILL ? "SI_TKILL" : code == SI_QUEUE ? "SI_QUEUE" : code == SI_USER ? "SI_USER" : "another code";
}

static void say_entries(void)
{
	for (int i = 0; i < logged; i++) {
		say("%s, %s, value %d, from %s, in %s", name_of(entries[i].number), code_name(entries[i].code), entries[i].value,
			entries[i].own_pid ? "this process" : "another", entries[i].in_target ? "the target" : "another thread");
	}
	logged = 0;
}

static sigset_t set_of(int first, ...)
{
	va_list more;
	sigset_t set;

	sigemptyset(&set);
	va_start(more, first);
	for (int number = first; number; number = va_arg(more, int))
		sigaddset(&set, number);
	va_end(more);
	return set;
}

static void mask(int how, sigset_t set)
{
	must(pthread_sigmask(how, &set, NULL) == 0, "pthread_sigmask");
}

static sigset_t everything(void)
{
	return set_of(SIGUSR1, SIGUSR2, SIGHUP, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2, 0);
}

/* Blocks all, lets the other one send, and unblocks. */
static void *receive(void *argument)
{
	mask(SIG_BLOCK, everything());
	sem_post(&ready);
	sem_wait(&go);
	say("open");
	mask(SIG_UNBLOCK, everything());
	return argument;
}

static pthread_t begin(void *(*body)(void *))
{
	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	target = spawn(body, NULL);
	sem_wait(&ready);
	return target;
}

static void finish(pthread_t thread)
{
	sem_post(&go);
	join(thread);
	say_entries();
}

static void say_error(const char *what, int error)
{
	say("%s: %s", what, error_name(error));
}

static void real_time_order(void)
{
	for (int i = 0; i < 3; i++)
		catch(SIGRTMIN + i, 0);
	pthread_t thread = begin(receive);
	for (int i = 0; i < 6; i++)
		pthread_sigqueue(thread, SIGRTMIN + 2 - i % 3, (union sigval){ .sival_int = i });
	pthread_kill(thread, SIGRTMIN + 1);
	finish(thread);
}

static void standard_once(void)
{
	catch(SIGUSR1, 0);
	catch(SIGUSR2, 0);
	pthread_t thread = begin(receive);
	for (int i = 0; i < 3; i++) {
		pthread_sigqueue(thread, SIGUSR1, (union sigval){ .sival_int = 10 + i });
		pthread_kill(thread, SIGUSR2);
	}
	finish(thread);
}

/* Each thread has its own: nothing of one shows in the other. */
static void *look(void *argument)
{
	sigset_t pending;

	mask(SIG_BLOCK, everything());
	sem_post(&ready);
	sem_wait(&go);
	sigpending(&pending);
	say("%s: USR1 %d, USR2 %d, HUP %d, RT0 %d", (char *)argument, sigismember(&pending, SIGUSR1),
		sigismember(&pending, SIGUSR2), sigismember(&pending, SIGHUP), sigismember(&pending, SIGRTMIN));
	return NULL;
}

static void separate(void)
{
	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	mask(SIG_BLOCK, everything());
	pthread_t one = spawn(look, "one");
	sem_wait(&ready);
	pthread_kill(one, SIGUSR1);
	pthread_sigqueue(one, SIGRTMIN, (union sigval){ .sival_int = 1 });
	kill(getpid(), SIGHUP);
	sem_post(&go);
	join(one);
	pthread_t two = spawn(look, "two");
	pthread_kill(two, SIGUSR2);
	sem_post(&go);
	join(two);
	sigset_t pending;
	sigpending(&pending);
	say("main: USR1 %d, USR2 %d, HUP %d, RT0 %d", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2),
		sigismember(&pending, SIGHUP), sigismember(&pending, SIGRTMIN));
}

static void say_taken(int number, const siginfo_t *info)
{
	if (number == -1)
		say("sigtimedwait: %s", error_name(errno));
	else
		say("%s, %s, value %d, from %s", name_of(number), code_name(info->si_code),
			info->si_code == SI_QUEUE ? info->si_value.sival_int : 0, info->si_pid == getpid() ? "this process" : "another");
}

/* Takes one by one what was sent to it and to the process. */
static void *take_all(void *argument)
{
	sigset_t set = everything();
	struct timespec none = { 0, 0 };
	siginfo_t info;
	int number;

	mask(SIG_BLOCK, everything());
	sem_post(&ready);
	sem_wait(&go);
	do {
		memset(&info, 0, sizeof(info));
		number = sigtimedwait(&set, &info, &none);
		say_taken(number, &info);
	} while (number > 0);
	return argument;
}

static void taken_one_by_one(void)
{
	mask(SIG_BLOCK, everything());
	pthread_t thread = begin(take_all);
	kill(getpid(), SIGHUP);
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 5 });
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 6 });
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 7 });
	pthread_sigqueue(thread, SIGRTMIN + 2, (union sigval){ .sival_int = 8 });
	pthread_kill(thread, SIGUSR2);
	finish(thread);
}

/* Waits for one signal; the others of the process go to whoever else waits. */
static void *wait_one(void *argument)
{
	sigset_t set = set_of((int)(intptr_t)argument, 0);
	int number = 0;

	sem_post(&ready);
	must(sigwait(&set, &number) == 0, "sigwait");
	return (void *)(intptr_t)number;
}

static void several_waiters(void)
{
	static const int numbers[] = { SIGUSR1, SIGUSR2, SIGHUP };
	pthread_t threads[3];

	sem_init(&ready, 0, 0);
	mask(SIG_BLOCK, everything());
	for (int i = 0; i < 3; i++)
		threads[i] = spawn(wait_one, (void *)(intptr_t)numbers[i]);
	for (int i = 0; i < 3; i++)
		sem_wait(&ready);
	pause_ms(30);
	for (int i = 2; i >= 0; i--)
		kill(getpid(), numbers[i]);
	for (int i = 0; i < 3; i++)
		say("waiter %d: %s", i, name_of((int)(intptr_t)join(threads[i])));
}

/* Of two that wait for the same signal, each gets one. */
static void same_signal(void)
{
	pthread_t threads[2];

	sem_init(&ready, 0, 0);
	mask(SIG_BLOCK, everything());
	for (int i = 0; i < 2; i++)
		threads[i] = spawn(wait_one, (void *)(intptr_t)SIGRTMIN);
	for (int i = 0; i < 2; i++)
		sem_wait(&ready);
	pause_ms(30);
	for (int i = 0; i < 2; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
	for (int i = 0; i < 2; i++)
		say("waiter: %s", name_of((int)(intptr_t)join(threads[i])));
}

static void *wait_directed(void *argument)
{
	sigset_t set = set_of(SIGUSR1, SIGRTMIN, 0);
	siginfo_t info;

	sem_post(&ready);
	for (int i = 0; i < 3; i++) {
		int number = sigwaitinfo(&set, &info);
		say_taken(number, &info);
		sem_post(&ready);
	}
	return argument;
}

static void directed_at_waiter(void)
{
	mask(SIG_BLOCK, everything());
	pthread_t thread = begin(wait_directed);
	pause_ms(30);
	pthread_kill(thread, SIGUSR1);
	sem_wait(&ready);
	pthread_sigqueue(thread, SIGRTMIN, (union sigval){ .sival_int = 3 });
	sem_wait(&ready);
	pthread_sigqueue(thread, SIGRTMIN, (union sigval){ .sival_int = 4 });
	finish(thread);
}

/* A handler for something else ends sigtimedwait, and sigwait goes on. */
static void *wait_disturbed(void *argument)
{
	sigset_t set = set_of(SIGUSR1, 0);
	siginfo_t info;
	int number;

	mask(SIG_UNBLOCK, set_of(SIGUSR2, 0));
	sem_post(&ready);
	say("sigwaitinfo: %s", outcome(sigwaitinfo(&set, &info)));
	sem_post(&ready);
	int error = sigwait(&set, &number);
	say("sigwait: %s, %s", error_name(error), name_of(number));
	return argument;
}

static void waiter_disturbed(void)
{
	catch(SIGUSR2, SA_RESTART);
	mask(SIG_BLOCK, everything());
	pthread_t thread = begin(wait_disturbed);
	pause_ms(30);
	pthread_kill(thread, SIGUSR2);
	sem_wait(&ready);
	pause_ms(30);
	pthread_kill(thread, SIGUSR2);
	pause_ms(30);
	kill(getpid(), SIGUSR1);
	finish(thread);
}

/* What is sent while one thread lets it through goes there; what comes later, when nobody does, waits. */
static void *open_and_close(void *argument)
{
	mask(SIG_UNBLOCK, set_of(SIGUSR1, 0));
	sem_post(&ready);
	while (logged < 1)
		pause_ms(1);
	mask(SIG_BLOCK, set_of(SIGUSR1, 0));
	sem_post(&ready);
	sem_wait(&go);
	return argument;
}

static void only_one_open(void)
{
	struct timespec none = { 0, 0 };
	sigset_t set = set_of(SIGUSR1, 0);

	catch(SIGUSR1, 0);
	mask(SIG_BLOCK, everything());
	pthread_t thread = begin(open_and_close);
	kill(getpid(), SIGUSR1);
	sem_wait(&ready);
	kill(getpid(), SIGUSR1);
	say("handled %d", logged);
	say("kept: %s", name_of(sigtimedwait(&set, NULL, &none)));
	finish(thread);
}

static void *try_ids(void *argument)
{
	pid_t own = gettid();

	say("tgkill: %s", outcome(tgkill(getpid(), own, SIGUSR1)));
	say("tkill: %s", outcome(syscall(SYS_tkill, own, SIGUSR1)));
	siginfo_t info = { .si_signo = SIGRTMIN, .si_code = SI_QUEUE, .si_value.sival_int = 77 };
	info.si_pid = getpid();
	say("rt_tgsigqueueinfo: %s", outcome(syscall(SYS_rt_tgsigqueueinfo, getpid(), own, SIGRTMIN, &info)));
	say("raise: %s", outcome(raise(SIGUSR1)));
	say("of another process: %s", outcome(tgkill(1, own, SIGUSR1)));
	say("bad signal: %s, %s", outcome(tgkill(getpid(), own, 65)), outcome(tgkill(getpid(), own, -1)));
	say("no id: %s", outcome(tgkill(getpid(), 0, SIGUSR1)));
	say("no process: %s", outcome(tgkill(0, own, SIGUSR1)));
	say("exists: %s", outcome(tgkill(getpid(), own, 0)));
	say("raise a bad one: %s", outcome(raise(65)));
	return argument;
}

static void by_id(void)
{
	catch(SIGUSR1, 0);
	catch(SIGRTMIN, 0);
	target = spawn(try_ids, NULL);
	join(target);
	for (int i = 0; i < logged; i++)
		entries[i].in_target = true;
	say_entries();
}

static void *park_on(void *argument)
{
	target = pthread_self();
	sem_post(&ready);
	sem_wait(&go);
	return argument;
}

static void errors(void)
{
	union sigval none = { .sival_int = 0 };
	pthread_t thread = begin(park_on);

	say_error("pthread_kill 0", pthread_kill(thread, 0));
	say_error("pthread_kill 65", pthread_kill(thread, 65));
	say_error("pthread_kill -1", pthread_kill(thread, -1));
	say_error("pthread_kill 32", pthread_kill(thread, 32));
	say_error("pthread_kill 33", pthread_kill(thread, 33));
	say_error("pthread_sigqueue 65", pthread_sigqueue(thread, 65, none));
	say_error("pthread_sigqueue 33", pthread_sigqueue(thread, 33, none));
	say_error("pthread_sigmask", pthread_sigmask(99, &(sigset_t){ 0 }, NULL));
	say("sigqueue 65: %s", outcome(sigqueue(getpid(), 65, none)));
	say("kill 65: %s", outcome(kill(getpid(), 65)));
	sem_post(&go);
	pause_ms(20);
	say_error("pthread_kill after its end", pthread_kill(thread, SIGTERM));
	join(thread);
}

/* How many the kernel has queued for this user now. */
static unsigned queued_now(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned count = 0;
	char line[200];

	must(file != NULL, "status");
	while (fgets(line, sizeof(line), file) && sscanf(line, "SigQ: %u", &count) != 1)
		;
	fclose(file);
	return count;
}

/* The kernel's count is the user's, of all processes, so the number is near the limit only. */
static void *limited(void *argument)
{
	struct rlimit limit = { queued_now() + 200, queued_now() + 200 };
	int sent = 0, error = 0;

	mask(SIG_BLOCK, everything());
	must(setrlimit(RLIMIT_SIGPENDING, &limit) == 0, "setrlimit");
	while (sent < 2000 && !(error = pthread_sigqueue(pthread_self(), SIGRTMIN, (union sigval){ .sival_int = sent })))
		sent++;
	say("sent: %s, then %s", sent > 50 && sent <= 500 ? "about the limit" : "not the limit", error_name(error));
	say("a standard one: %s", error_name(pthread_kill(pthread_self(), SIGUSR1)));
	sigset_t set = set_of(SIGRTMIN, 0);
	struct timespec none = { 0, 0 };
	siginfo_t info;
	int expected = 0;
	while (sigtimedwait(&set, &info, &none) > 0) {
		if (info.si_value.sival_int != expected++)
			say("out of order: %d", info.si_value.sival_int);
	}
	say("all came: %d", expected == sent);
	return argument;
}

static void limits(void)
{
	join(spawn(limited, NULL));
}

/* Ends the process with the signal's own status, whichever thread it is for. */
static void *die_there(void *argument)
{
	sem_wait(&go);
	return argument;
}

static void fatal(int number)
{
	pid_t pid = fork();

	if (pid == 0) {
		sem_init(&go, 0, 0);
		pthread_t thread = spawn(die_there, NULL);
		pause_ms(10);
		pthread_kill(thread, number);
		pause_ms(3000);
		_exit(5);
	}
	reap("fatal", pid);
}

static void fatal_signals(void)
{
	join(spawn(die_there, (sem_init(&go, 0, 1), NULL)));
	fatal(SIGTERM);
	fatal(SIGKILL);
	fatal(SIGRTMIN);
	fatal(SIGUSR1);
}

static void *unblock_fatal(void *argument)
{
	mask(SIG_BLOCK, set_of(SIGTERM, 0));
	pthread_kill(pthread_self(), SIGTERM);
	say("still here");
	mask(SIG_UNBLOCK, set_of(SIGTERM, 0));
	say("not here");
	return argument;
}

static void fatal_when_unblocked(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		join(spawn(unblock_fatal, NULL));
		_exit(5);
	}
	reap("fatal", pid);
}

/* Ignored while it is blocked: still pending, and gone once it is let through or the action is set. */
static void *ignore_pending(void *argument)
{
	sigset_t pending, set = set_of(SIGUSR1, SIGCHLD, 0);

	signal(SIGUSR1, SIG_IGN);
	mask(SIG_BLOCK, set);
	pthread_kill(pthread_self(), SIGUSR1);
	pthread_kill(pthread_self(), SIGCHLD);
	sigpending(&pending);
	say("pending: USR1 %d, CHLD %d", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGCHLD));
	signal(SIGUSR1, SIG_IGN);
	sigpending(&pending);
	say("after SIG_IGN: USR1 %d, CHLD %d", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGCHLD));
	mask(SIG_UNBLOCK, set);
	mask(SIG_BLOCK, set);
	sigpending(&pending);
	say("after opening: USR1 %d, CHLD %d", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGCHLD));
	return argument;
}

static void ignored(void)
{
	join(spawn(ignore_pending, NULL));
}

static void *stop_all(void *argument)
{
	pthread_kill(pthread_self(), SIGSTOP);
	say("continued");
	return argument;
}

static void stop_and_continue(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		join(spawn(stop_all, NULL));
		_exit(0);
	}
	must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
	say("stopped: %d by SIG%s", WIFSTOPPED(status), sigabbrev_np(WSTOPSIG(status)));
	kill(pid, SIGCONT);
	join(spawn(die_there, (sem_init(&go, 0, 1), NULL)));
	reap("stopped and continued", pid);
}

/* Many from another process, while threads come and go: each exactly once. */
static atomic_int sum;

static void add(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	sum += info->si_value.sival_int;
	logged++;
}

static void *churn(void *argument)
{
	mask(SIG_UNBLOCK, set_of(SIGRTMIN, 0));
	sched_yield();
	mask(SIG_BLOCK, set_of(SIGRTMIN, 0));
	return argument;
}

static void nothing_lost(void)
{
	struct sigaction action = { .sa_sigaction = add, .sa_flags = SA_SIGINFO | SA_RESTART };
	pid_t parent = getpid();

	sigaction(SIGRTMIN, &action, NULL);
	mask(SIG_BLOCK, set_of(SIGRTMIN, 0));
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 1; i <= 2000; i++) {
			while (sigqueue(parent, SIGRTMIN, (union sigval){ .sival_int = i }) == -1)
				usleep(1000);
		}
		_exit(0);
	}
	for (int i = 0; i < 5000 && logged < 2000; i++) {
		pthread_t threads[3];

		for (int j = 0; j < 3; j++)
			threads[j] = spawn(churn, NULL);
		for (int j = 0; j < 3; j++)
			join(threads[j]);
	}
	reap("sender", pid);
	mask(SIG_UNBLOCK, set_of(SIGRTMIN, 0));
	say("came %d, sum %d", logged, sum);
}

static void *read_all(void *argument)
{
	struct signalfd_siginfo info;
	int fd = *(int *)argument;

	sem_post(&ready);
	for (int i = 0; i < 4; i++) {
		must(read(fd, &info, sizeof(info)) == sizeof(info), "read");
		say("%s, value %d, from %s", name_of((int)info.ssi_signo), info.ssi_int,
			(pid_t)info.ssi_pid == getpid() ? "this process" : "another");
	}
	return argument;
}

static void by_descriptor(void)
{
	sigset_t set = everything();

	sem_init(&ready, 0, 0);
	mask(SIG_BLOCK, set);
	int fd = signalfd(-1, &set, 0);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 });
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 2 });
	pthread_t thread = spawn(read_all, &fd);
	sem_wait(&ready);
	pause_ms(30);
	sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 3 });
	pause_ms(30);
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 4 });
	join(thread);
}

/* The signals that a runtime could use for itself are the program's. */
static void every_signal(void)
{
	sigset_t all, now_set;
	struct sigaction action;

	join(spawn(die_there, (sem_init(&go, 0, 1), NULL)));
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigprocmask(SIG_SETMASK, NULL, &now_set);
	for (int number = 1; number < NSIG; number++) {
		if (sigismember(&all, number) != sigismember(&now_set, number) && number != SIGKILL && number != SIGSTOP)
			say("signal %d differs in the mask", number);
	}
	sigpending(&now_set);
	say("pending: %s", sigisemptyset(&now_set) ? "none" : "some");
	for (int number = 1; number < NSIG; number++) {
		if (sigaction(number, NULL, &action) ? number != 32 && number != 33 : action.sa_handler != SIG_DFL)
			say("signal %d has an action", number);
	}
	for (int number = 1; number < NSIG; number++) {
		if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33)
			continue;
		signal(number, SIG_IGN);
		if (signal(number, SIG_DFL) != SIG_IGN)
			say("signal %d did not keep its action", number);
	}
	struct timespec limit = { 0, 30 * 1000 * 1000 };
	for (volatile int i = 0; i < 50000000; i++)
		;
	say("sigtimedwait on all: %s", outcome(sigtimedwait(&all, NULL, &limit)));
}

/* Signals that hardly anybody uses, which the runtime therefore might: before there are threads, and after. */
static void use_rare(int number)
{
	pthread_t thread = begin(receive);

	pthread_sigqueue(thread, number, (union sigval){ .sival_int = 9 });
	pause_ms(20);
	say("%d came %d", number, logged);
	catch(number, SA_RESTART);
	pthread_sigqueue(thread, number, (union sigval){ .sival_int = 10 });
	kill(getpid(), number);
	pause_ms(20);
	say("%d came %d", number, logged);
	logged = 0;
	finish(thread);
}

static void rare_signals(void)
{
	catch(62, SA_RESTART);
	use_rare(62);
	signal(SIGSTKFLT, SIG_IGN);
	use_rare(SIGSTKFLT);
	signal(61, SIG_IGN);
	use_rare(61);
}

/* Nobody has asked for it: it ends the process like any other. */
static void rare_signal_kills(void)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			sem_init(&go, 0, 0);
			spawn(die_there, NULL);
			pause_ms(20);
			if (i)
				raise(SIGSTKFLT);
			else
				kill(getpid(), SIGSTKFLT);
			for (double start = now(); now() < start + 3;)
				sched_yield();
			_exit(5);
		}
		reap("rare", pid);
	}
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "real_time_order", real_time_order, 1 },
		{ "standard_once", standard_once, 1 },
		{ "separate", separate, 2 },
		{ "taken_one_by_one", taken_one_by_one, 1 },
		{ "several_waiters", several_waiters, 3 },
		{ "same_signal", same_signal, 2 },
		{ "directed_at_waiter", directed_at_waiter, 1 },
		{ "waiter_disturbed", waiter_disturbed, 1 },
		{ "only_one_open", only_one_open, 1 },
		{ "by_id", by_id, 1 },
		{ "errors", errors, 1 },
		{ "limits", limits, 1 },
		{ "fatal_signals", fatal_signals, 1 },
		{ "fatal_when_unblocked", fatal_when_unblocked, 0 },
		{ "ignored", ignored, 1 },
		{ "stop_and_continue", stop_and_continue, 1 },
		{ "nothing_lost", nothing_lost, 3 },
		{ "by_descriptor", by_descriptor, 1 },
		{ "every_signal", every_signal, 1 },
		{ "rare_signals", rare_signals, 3 },
		{ "rare_signal_kills", rare_signal_kills, 0 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
