/* SPDX-License-Identifier: MIT */
/* sighandlers.c - what handlers see and may do, the flags of actions, older calls, and masks that others inherit */
#include "plain.h"

#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The older calls are meant. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

extern char **environ;

static atomic_int handled, depth, deepest;
static sem_t go, told;

static void handle(int number, void (*handler)(int), int flags, int also)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	if (also)
		sigaddset(&action.sa_mask, also);
	must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void block(int number, int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	must(pthread_sigmask(how, &set, NULL) == 0, "pthread_sigmask");
}

static void say_mask(const char *where)
{
	sigset_t mask;

	sigemptyset(&mask);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	say("%s: blocked HUP %d, USR1 %d, USR2 %d", where, sigismember(&mask, SIGHUP), sigismember(&mask, SIGUSR1),
		sigismember(&mask, SIGUSR2));
}

static void count(int number)
{
	(void)number;
	handled++;
}

static void *wait_go(void *argument)
{
	while (sem_wait(&go) == -1)
		;
	return argument;
}

static pthread_t company(void)
{
	sem_init(&go, 0, 0);
	sem_init(&told, 0, 0);
	return spawn(wait_go, NULL);
}

static void part(pthread_t thread)
{
	sem_post(&go);
	join(thread);
}

static void send_self(int number)
{
	pthread_kill(pthread_self(), number);
}

/* --- flags --- */

static void show(int number)
{
	char text[32];

	snprintf(text, sizeof(text), "in SIG%s", sigabbrev_np(number));
	say_mask(text);
	handled++;
}

static void *masks_in_handlers(void *argument)
{
	handle(SIGUSR1, show, 0, SIGHUP);
	send_self(SIGUSR1);
	handle(SIGUSR1, show, SA_NODEFER, SIGHUP);
	send_self(SIGUSR1);
	handle(SIGUSR1, show, SA_NODEFER, SIGUSR1);
	send_self(SIGUSR1);
	say_mask("after");
	return argument;
}

static void masks_while_handling(void)
{
	pthread_t thread = company();

	join(spawn(masks_in_handlers, NULL));
	masks_in_handlers(NULL);
	part(thread);
}

static void again(int number)
{
	if (++depth > deepest)
		deepest = (int)depth;
	if (handled++ < 3)
		send_self(number);
	depth--;
}

static void *recurse(void *argument)
{
	handle(SIGUSR1, again, SA_NODEFER, 0);
	send_self(SIGUSR1);
	say("nodefer: handled %d, deepest %d", handled, deepest);
	handled = deepest = 0;
	handle(SIGUSR1, again, 0, 0);
	send_self(SIGUSR1);
	say("deferred: handled %d, deepest %d", handled, deepest);
	return argument;
}

static void recursion(void)
{
	join(spawn(recurse, NULL));
}

static char order[64];

static void log_order(int number)
{
	char text[8];

	snprintf(text, sizeof(text), "+%d ", number);
	strcat(order, text);
	if (number == SIGUSR1)
		send_self(SIGUSR2);
	snprintf(text, sizeof(text), "-%d ", number);
	strcat(order, text);
}

static void *nest(void *argument)
{
	handle(SIGUSR1, log_order, 0, 0);
	handle(SIGUSR2, log_order, 0, 0);
	handle(SIGHUP, log_order, 0, SIGUSR2);
	send_self(SIGUSR1);
	say("nested: %s", order);
	order[0] = '\0';
	handle(SIGUSR1, log_order, 0, SIGUSR2);
	send_self(SIGUSR1);
	say("one after the other: %s", order);
	order[0] = '\0';
	block(SIGUSR1, SIG_BLOCK);
	block(SIGHUP, SIG_BLOCK);
	send_self(SIGUSR1);
	send_self(SIGHUP);
	sigset_t none;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	say("both at once: %s", order);
	return argument;
}

static void nesting(void)
{
	join(spawn(nest, NULL));
}

static void *only_once(void *argument)
{
	struct sigaction action;

	handle(SIGUSR1, count, (int)SA_RESETHAND | SA_RESTART, SIGHUP);
	send_self(SIGUSR1);
	sigaction(SIGUSR1, NULL, &action);
	say("handled %d, then %s, flags 0x%x, mask %d", handled, action.sa_handler == SIG_DFL ? "default" : "a handler",
		(unsigned)action.sa_flags & ~0x04000000u, sigismember(&action.sa_mask, SIGHUP));
	handle(SIGCHLD, count, (int)SA_RESETHAND, 0);
	send_self(SIGCHLD);
	send_self(SIGCHLD);
	say("handled %d", handled);
	return argument;
}

static void resets(void)
{
	join(spawn(only_once, NULL));
	pid_t pid = fork();
	if (pid == 0) {
		join(spawn(only_once, NULL));
		kill(getpid(), SIGUSR1);
		pause_ms(2000);
		_exit(1);
	}
	reap("the second time", pid);
}

static void flags_kept(void)
{
	static const int flags[] = { 0, SA_RESTART, SA_NODEFER, SA_ONSTACK, SA_SIGINFO, (int)SA_RESETHAND, SA_NOCLDSTOP, 0x7fffffff };
	struct sigaction action, old;
	pthread_t thread = company();

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		memset(&action, 0, sizeof(action));
		action.sa_handler = count;
		action.sa_flags = flags[i] & ~0x04000000;
		sigfillset(&action.sa_mask);
		sigaction(SIGUSR1, &action, NULL);
		sigaction(SIGUSR1, NULL, &old);
		say("0x%x: 0x%x, KILL %d, HUP %d", (unsigned)flags[i], (unsigned)old.sa_flags, sigismember(&old.sa_mask, SIGKILL),
			sigismember(&old.sa_mask, SIGHUP));
	}
	for (int number = -1; number <= 66; number++) {
		if (sigaction(number, &action, NULL) == -1)
			say("%d: %s", number, error_name(errno));
	}
	say("query of KILL: %s", outcome(sigaction(SIGKILL, NULL, &old)));
	part(thread);
}

static void children_of(int flags)
{
	int status;

	handled = 0;
	handle(SIGCHLD, count, flags, 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(4);
	for (int i = 0; i < 500 && !handled; i++)
		pause_ms(2);
	pid_t result = waitpid(pid, &status, 0);
	say("flags 0x%x: told %d, waitpid %s", (unsigned)flags, handled, result == pid ? "took it" : error_name(errno));
}

static void stops_of(int flags)
{
	handled = 0;
	handle(SIGCHLD, count, flags, 0);
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(4);
	}
	int status;
	must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
	pause_ms(10);
	say("flags 0x%x: told of the stop %d", (unsigned)flags, handled);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
}

static void children_told(void)
{
	pthread_t thread = company();

	children_of(SA_RESTART);
	children_of(SA_RESTART | SA_NOCLDWAIT);
	stops_of(SA_RESTART);
	stops_of(SA_RESTART | SA_NOCLDSTOP);
	part(thread);
}

/* --- signal stacks --- */

static void say_stack(const char *when)
{
	stack_t stack;

	must(sigaltstack(NULL, &stack) == 0, "sigaltstack");
	say("%s: flags 0x%x, size %zu", when, (unsigned)stack.ss_flags, stack.ss_size);
}

static void in_stack(int number)
{
	(void)number;
	say_stack("in the handler");
}

static void *stack_rules(void *argument)
{
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

	handle(SIGUSR1, in_stack, SA_ONSTACK, 0);
	say_stack("at first");
	send_self(SIGUSR1);
	must(sigaltstack(&stack, NULL) == 0, "sigaltstack");
	say_stack("set");
	send_self(SIGUSR1);
	stack.ss_flags = (int)(1u << 31);
	must(sigaltstack(&stack, NULL) == 0, "sigaltstack");
	say_stack("disarming itself");
	send_self(SIGUSR1);
	say_stack("armed again");
	stack.ss_size = 100;
	say("too small: %s", outcome(sigaltstack(&stack, NULL)));
	stack.ss_flags = 77;
	say("no such flags: %s", outcome(sigaltstack(&stack, NULL)));
	stack.ss_flags = SS_DISABLE;
	must(sigaltstack(&stack, NULL) == 0, "sigaltstack");
	say_stack("disabled");
	send_self(SIGUSR1);
	free(stack.ss_sp);
	return argument;
}

static void signal_stacks(void)
{
	pthread_t thread = company();

	join(spawn(stack_rules, NULL));
	part(thread);
}

/* --- what handlers may do --- */

static pthread_t partner;
static int answer[2];

static void busy_handler(int number)
{
	char byte;

	(void)number;
	sem_post(&told);
	pthread_kill(partner, SIGUSR2);
	pause_ms(5);
	pid_t pid = fork();
	if (pid == 0)
		_exit(6);
	reap("forked by the handler", pid);
	must(write(answer[1], "x", 1) == 1, "write");
	must(read(answer[0], &byte, 1) == 1, "read");
	handled++;
}

static void *interrupted_sleep(void *argument)
{
	partner = pthread_self();
	sem_post(&told);
	say("partner: %s", outcome(usleep(3000000)));
	return argument;
}

static void handlers_work(void)
{
	sem_init(&told, 0, 0);
	must(pipe(answer) == 0, "pipe");
	handle(SIGUSR1, busy_handler, 0, 0);
	handle(SIGUSR2, count, 0, 0);
	pthread_t thread = spawn(interrupted_sleep, NULL);
	sem_wait(&told);
	pause_ms(20);
	raise(SIGUSR1);
	join(thread);
	say("handled %d, told %d", handled, sem_trywait(&told) == 0);
}

/* A handler waits for what another thread has still to do. */
static void wait_in_handler(int number)
{
	char byte;

	(void)number;
	handled += read(answer[0], &byte, 1) == 1;
}

static void *write_later(void *argument)
{
	pause_ms(30);
	must(write(answer[1], "x", 1) == 1, "write");
	return argument;
}

static void *be_disturbed(void *argument)
{
	struct timespec long_time = { 1, 0 };

	sem_post(&told);
	say("nanosleep: %s", outcome(nanosleep(&long_time, NULL)));
	return argument;
}

static void handlers_wait(void)
{
	sem_init(&told, 0, 0);
	must(pipe(answer) == 0, "pipe");
	handle(SIGUSR1, wait_in_handler, 0, 0);
	pthread_t sleeper = spawn(be_disturbed, NULL);
	sem_wait(&told);
	pause_ms(10);
	pthread_t writer = spawn(write_later, NULL);
	pthread_kill(sleeper, SIGUSR1);
	join(sleeper);
	join(writer);
	say("handled %d", handled);
}

/* Handlers that sleep, in threads that allocate, beside others that do so, too. */
static void short_sleep(int number)
{
	(void)number;
	usleep(200);
	handled++;
}

static void *allocate(void *argument)
{
	volatile size_t size = 1;

	for (int i = 0; i < 300000 && handled < 200; i++) {
		void *memory = malloc(size = (size * 7 + 3) % 5000 + 1);

		memset(memory, i, size);
		free(memory);
	}
	return argument;
}

static void handlers_sleep_anywhere(void)
{
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { { 0, 0 }, { 0, 0 } };
	pthread_t threads[4];

	handle(SIGALRM, short_sleep, SA_RESTART, 0);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 4; i++)
		threads[i] = spawn(allocate, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	setitimer(ITIMER_REAL, &never, NULL);
	say("went on");
}

/* What a handler leaves in errno is there. */
static void spoil(int number)
{
	(void)number;
	close(-1);
	handled++;
}

static void *keeps_errno(void *argument)
{
	errno = ERANGE;
	send_self(SIGUSR1);
	say("errno after: %s", error_name(errno));
	return argument;
}

static void errno_after(void)
{
	handle(SIGUSR1, spoil, 0, 0);
	join(spawn(keeps_errno, NULL));
}

/* --- the older calls --- */

static void *old_calls(void *argument)
{
	say("sigset: %s", sigset(SIGUSR1, count) == SIG_DFL ? "default" : "another");
	send_self(SIGUSR1);
	say("sighold: %s", outcome(sighold(SIGUSR1)));
	send_self(SIGUSR1);
	say("handled %d", handled);
	say("sigset: %s", sigset(SIGUSR1, SIG_HOLD) == SIG_HOLD ? "held" : "another");
	say("sigpause: %s", outcome(sigpause(SIGUSR1)));
	say("handled %d", handled);
	say("sigrelse: %s", outcome(sigrelse(SIGUSR1)));
	say("sigset: %s", sigset(SIGUSR1, SIG_HOLD) == count ? "ours" : "another");
	say("sigset: %s", sigset(SIGUSR1, SIG_IGN) == SIG_HOLD ? "held" : "another");
	send_self(SIGUSR1);
	say("sigignore: %s, %s", outcome(sigignore(SIGUSR2)), outcome(sigignore(SIGKILL)));
	send_self(SIGUSR2);
	say("handled %d", handled);
	say("bad: %s, %s", outcome(sighold(99)), sigset(99, count) == SIG_ERR ? error_name(errno) : "none");
	return argument;
}

static void older_calls(void)
{
	pthread_t thread = company();

	join(spawn(old_calls, NULL));
	part(thread);
}

/* L10, X10, CK18: siginterrupt */
static void interrupts_or_not(void)
{
	struct sigaction action;
	pthread_t thread = company();

	signal(SIGUSR1, count);
	sigaction(SIGUSR1, NULL, &action);
	say("signal: restarts %d", (action.sa_flags & SA_RESTART) != 0);
	siginterrupt(SIGUSR1, 1);
	sigaction(SIGUSR1, NULL, &action);
	say("siginterrupt: restarts %d", (action.sa_flags & SA_RESTART) != 0);
	signal(SIGUSR1, count);
	sigaction(SIGUSR1, NULL, &action);
	say("signal again: restarts %d", (action.sa_flags & SA_RESTART) != 0);
	siginterrupt(SIGUSR1, 0);
	sigaction(SIGUSR1, NULL, &action);
	say("siginterrupt: restarts %d, masks itself %d", (action.sa_flags & SA_RESTART) != 0, sigismember(&action.sa_mask, SIGUSR1));
	say("signal: %s, %s", signal(0, count) == SIG_ERR ? error_name(errno) : "none",
		signal(SIGKILL, count) == SIG_ERR ? error_name(errno) : "none");
	part(thread);
}

/* --- calls with a mask of their own --- */

static void *masked_calls(void *argument)
{
	struct pollfd silent = { answer[0], POLLIN, 0 };
	struct timespec limit = { 2, 0 };
	sigset_t none;

	sigemptyset(&none);
	block(SIGUSR1, SIG_BLOCK);
	send_self(SIGUSR1);
	say("ppoll: %s, handled %d", outcome(ppoll(&silent, 1, &limit, &none)), handled);
	say_mask("after");
	send_self(SIGUSR1);
	say("pselect: %s, handled %d", outcome(pselect(0, NULL, NULL, NULL, &limit, &none)), handled);
	send_self(SIGUSR1);
	say("sigsuspend: %s, handled %d", outcome(sigsuspend(&none)), handled);
	say_mask("after");
	limit.tv_sec = 0;
	say("nothing pending: %s, handled %d", outcome(ppoll(&silent, 1, &limit, &none)), handled);
	return argument;
}

static void masks_for_a_call(void)
{
	must(pipe(answer) == 0, "pipe");
	handle(SIGUSR1, show, SA_RESTART, SIGHUP);
	pthread_t thread = company();
	join(spawn(masked_calls, NULL));
	part(thread);
	say("alone:");
	masked_calls(NULL);
	struct itimerval once = { { 0, 0 }, { 0, 20000 } };
	sigset_t none;
	sigemptyset(&none);
	handle(SIGALRM, count, SA_RESTART, 0);
	block(SIGALRM, SIG_BLOCK);
	setitimer(ITIMER_REAL, &once, NULL);
	say("ppoll: %s", outcome(ppoll(NULL, 0, NULL, &none)));
	setitimer(ITIMER_REAL, &once, NULL);
	say("sigsuspend: %s", outcome(sigsuspend(&none)));
	int number;
	sigaddset(&none, SIGALRM);
	setitimer(ITIMER_REAL, &once, NULL);
	say("sigwait: %s", error_name(sigwait(&none, &number)));
	block(SIGALRM, SIG_UNBLOCK);
	setitimer(ITIMER_REAL, &once, NULL);
	say("pause: %s", outcome(pause()));
}

/* --- what others inherit --- */

static void tell_inheritance(void)
{
	sigset_t pending;
	struct sigaction action;

	say_mask("inherited");
	sigemptyset(&pending);
	sigpending(&pending);
	say("pending: USR1 %d, USR2 %d", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2));
	sigaction(SIGHUP, NULL, &action);
	say("HUP: %s", action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "handled");
	sigaction(SIGUSR1, NULL, &action);
	say("USR1: %s", action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "handled");
}

static void *inherit(void *argument)
{
	char *const arguments[] = { "sighandlers", "tell_inheritance", NULL };
	pid_t pid;

	block(SIGUSR1, SIG_BLOCK);
	block(SIGUSR2, SIG_BLOCK);
	pid = fork();
	if (pid == 0) {
		say_mask("fork");
		_exit(0);
	}
	reap("fork", pid);
	must(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ) == 0, "posix_spawn");
	reap("posix_spawn", pid);
	pid = vfork();
	if (pid == 0) {
		execv("/proc/self/exe", arguments);
		_exit(9);
	}
	reap("vfork", pid);
	pid = fork();
	if (pid == 0) {
		send_self(SIGUSR1);
		kill(getpid(), SIGUSR2);
		execv("/proc/self/exe", arguments);
		_exit(9);
	}
	reap("exec", pid);
	say_mask("after all");
	return argument;
}

static void inheritance(void)
{
	pthread_t thread = company();

	signal(SIGHUP, SIG_IGN);
	handle(SIGUSR1, count, 0, 0);
	join(spawn(inherit, NULL));
	part(thread);
	say_mask("main");
}

static void *tell_mask(void *name)
{
	say_mask(name);
	return NULL;
}

static void created_with_masks(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t set;

	block(SIGUSR1, SIG_BLOCK);
	join(spawn(tell_mask, "inherited"));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &set);
	must(pthread_create(&thread, &attributes, tell_mask, "by attribute") == 0, "pthread_create");
	join(thread);
	say_mask("main");
}

/* A group of signals at once, to many threads, from many. */
static atomic_int sent;
static pthread_t crowd[8];
static atomic_bool over;

static void *send_around(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	while (!over) {
		seed = seed * 1103515245 + 12345;
		if (pthread_sigqueue(crowd[seed >> 16 & 7], SIGRTMIN + (int)(seed >> 20 & 3), (union sigval){ .sival_int = 1 }) == 0)
			sent++;
		if (sent >= 20000)
			over = true;
		if ((seed >> 24 & 15) == 0)
			sched_yield();
	}
	return NULL;
}

static void send_to_all(void)
{
	handled = sent = 0;
	for (int i = 0; i < 4; i++)
		handle(SIGRTMIN + i, count, SA_RESTART, 0);
	for (int i = 0; i < 8; i++)
		crowd[i] = pthread_self();
	for (intptr_t i = 0; i < 8; i++)
		crowd[i] = spawn(send_around, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		join(crowd[i]);
	say("sent enough %d", sent >= 20000);
	say("none twice %d", handled <= sent);
}

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool waiting, is_open;

static void *wait_at_door(void *argument)
{
	pthread_mutex_lock(&door);
	waiting = true;
	while (!is_open)
		pthread_cond_wait(&opened, &door);
	pthread_mutex_unlock(&door);
	return argument;
}

static bool somebody_waits(void)
{
	bool seen;

	pthread_mutex_lock(&door);
	seen = waiting;
	pthread_mutex_unlock(&door);
	return seen;
}

/* The handler's thread is told of both before it has its turn, and must not take the one for the other. */
static void open_door(const char *what, int flags, int (*wake)(pthread_cond_t *))
{
	pthread_t thread;

	handle(SIGUSR1, count, flags, 0);
	handled = 0;
	waiting = is_open = false;
	thread = spawn(wait_at_door, NULL);
	while (!somebody_waits())
		pause_ms(1);
	pthread_mutex_lock(&door);
	is_open = true;
	pthread_mutex_unlock(&door);
	pthread_kill(thread, SIGUSR1);
	wake(&opened);
	join(thread);
	say("%s: through the door, handled %d", what, handled);
}

static void signal_then_wake(void)
{
	open_door("broadcast", 0, pthread_cond_broadcast);
	open_door("broadcast, SA_RESTART", SA_RESTART, pthread_cond_broadcast);
	open_door("signal", 0, pthread_cond_signal);
	open_door("signal, SA_RESTART", SA_RESTART, pthread_cond_signal);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "masks_while_handling", masks_while_handling, 2 },
		{ "recursion", recursion, 1 },
		{ "nesting", nesting, 1 },
		{ "resets", resets, 1 },
		{ "flags_kept", flags_kept, 1 },
		{ "children_told", children_told, 1 },
		{ "signal_stacks", signal_stacks, 2 },
		{ "handlers_work", handlers_work, 1 },
		{ "handlers_wait", handlers_wait, 2 },
		{ "handlers_sleep_anywhere", handlers_sleep_anywhere, 4 },
		{ "errno_after", errno_after, 1 },
		{ "older_calls", older_calls, 2 },
		{ "interrupts_or_not", interrupts_or_not, 1 },
		{ "masks_for_a_call", masks_for_a_call, 2 },
		{ "tell_inheritance", tell_inheritance, 0 },
		{ "inheritance", inheritance, 2 },
		{ "created_with_masks", created_with_masks, 2 },
		{ "send_to_all", send_to_all, 8 },
		{ "signal_then_wake", signal_then_wake, 4 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
