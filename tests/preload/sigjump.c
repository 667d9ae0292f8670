/* SPDX-License-Identifier: MIT */
/* sigjump.c - handlers that do not return, faults that are survived, contexts, and the masks that all of these carry */
#include "plain.h"

#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static _Thread_local sigjmp_buf back;
static atomic_int handled;
static sem_t ready, go;

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGHUP);
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

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	say("%s: blocked USR1 %d, USR2 %d, HUP %d, SEGV %d", where, sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2),
		sigismember(&mask, SIGHUP), sigismember(&mask, SIGSEGV));
}

static void jump_with_mask(int number)
{
	handled++;
	siglongjmp(back, number);
}

/* Another thread must not be touched by what one saves and restores. */
static void *wait_open(void *argument)
{
	sem_wait(&go);
	say_mask("bystander");
	return argument;
}

static pthread_t bystander(void)
{
	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	return spawn(wait_open, NULL);
}

static void end_bystander(pthread_t thread)
{
	sem_post(&go);
	join(thread);
}

static void *jump_around(void *argument)
{
	block(SIGUSR2, SIG_BLOCK);
	for (volatile int i = 0; i < 3; i++) {
		if (sigsetjmp(back, 1) == 0) {
			block(SIGUSR2, SIG_UNBLOCK);
			pthread_kill(pthread_self(), SIGUSR1);
			say("not reached");
		}
		say_mask("with the mask");
	}
	if (sigsetjmp(back, 0) == 0)
		pthread_kill(pthread_self(), SIGUSR1);
	say_mask("without the mask");
	return argument;
}

static void masks_of_jumps(void)
{
	pthread_t other = bystander();

	handle(SIGUSR1, jump_with_mask, 0);
	join(spawn(jump_around, NULL));
	say_mask("main");
	end_bystander(other);
	say("handled %d", handled);
}

/* The old limit on a call that has none, in several threads at once. */
static void *limited_read(void *argument)
{
	int ends[2];
	char byte;

	must(pipe(ends) == 0, "pipe");
	for (volatile int i = 0; i < 5; i++) {
		if (sigsetjmp(back, 1) == 0) {
			sem_post(&ready);
			say("read: %zd", read(ends[0], &byte, 1));
		}
	}
	must(write(ends[1], "x", 1) == 1, "write");
	say("read at last: %zd", read(ends[0], &byte, 1));
	return argument;
}

static void limits_in_threads(void)
{
	pthread_t threads[3];

	sem_init(&ready, 0, 0);
	handle(SIGUSR1, jump_with_mask, 0);
	for (int i = 0; i < 3; i++)
		threads[i] = spawn(limited_read, NULL);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++)
			sem_wait(&ready);
		pause_ms(10);
		for (int i = 0; i < 3; i++)
			pthread_kill(threads[i], SIGUSR1);
	}
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("handled %d", handled);
}

/* From each kind of wait, on to the next. */
static void jump_from(const char *what, void (*wait)(void))
{
	struct itimerval once = { { 0, 0 }, { 0, 20000 } };

	if (sigsetjmp(back, 1) == 0) {
		setitimer(ITIMER_REAL, &once, NULL);
		wait();
		say("%s: went on", what);
	} else {
		say("%s: jumped out", what);
	}
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t empty;
static volatile int never;

static void in_semaphore(void)
{
	sem_wait(&empty);
}

static void in_sleep(void)
{
	pause_ms(3000);
}

static void in_pause(void)
{
	pause();
}

static void in_sigsuspend(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigsuspend(&mask);
}

static void in_loop(void)
{
	while (!never)
		;
}

static void in_yield(void)
{
	while (!never)
		sched_yield();
}

static void in_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause_ms(200);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void jumps_from_waits(void)
{
	pthread_t other = bystander();

	sem_init(&empty, 0, 0);
	handle(SIGALRM, jump_with_mask, 0);
	jump_from("sem_wait", in_semaphore);
	jump_from("sleep", in_sleep);
	jump_from("pause", in_pause);
	jump_from("sigsuspend", in_sigsuspend);
	jump_from("loop", in_loop);
	jump_from("yield", in_yield);
	jump_from("waitpid", in_child);
	jump_from("sem_wait again", in_semaphore);
	end_bystander(other);
	say("handled %d", handled);
	say_mask("main");
}

/* --- faults --- */

static volatile int seven = 7, zero;
static char *nowhere;

static void *survive_faults(void *argument)
{
	for (volatile int i = 0; i < 4; i++) {
		int number = sigsetjmp(back, 1);

		if (number == 0 && i < 2)
			*(volatile char *)nowhere = 1;
		else if (number == 0)
			say("divided: %d", seven / zero);
		else
			say("survived SIG%s", sigabbrev_np(number));
		sched_yield();
	}
	say_mask("after faults");
	return argument;
}

static void fault_prepare(int flags)
{
	nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(SIGSEGV, jump_with_mask, flags);
	handle(SIGFPE, jump_with_mask, flags);
}

static void faults_survived(void)
{
	pthread_t other = bystander();

	fault_prepare(0);
	join(spawn(survive_faults, NULL));
	survive_faults(NULL);
	end_bystander(other);
}

static _Thread_local char *alternate;
static atomic_int on_alternate;

static void mend(int number, siginfo_t *info, void *context)
{
	stack_t stack;
	char local;

	(void)context;
	on_alternate += (uintptr_t)&local - (uintptr_t)alternate < 65536;
	say("SIG%s, code %d, at the page: %d", sigabbrev_np(number), info->si_code, info->si_addr == nowhere);
	say_mask("in the handler");
	must(sigaltstack(NULL, &stack) == 0, "sigaltstack");
	say("on the stack: %d, its size %zu", (stack.ss_flags & SS_ONSTACK) != 0, stack.ss_size);
	say("changing it: %s", outcome(sigaltstack(&stack, NULL)));
	pause_ms(10);
	mprotect(nowhere, 4096, PROT_READ | PROT_WRITE);
}

static void give_stack(void)
{
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

	alternate = stack.ss_sp;
	must(sigaltstack(&stack, NULL) == 0, "sigaltstack");
}

static void *fault_and_go_on(void *argument)
{
	give_stack();
	*(volatile char *)nowhere = 7;
	say("written: %d", *nowhere);
	say_mask("after");
	mprotect(nowhere, 4096, PROT_NONE);
	return argument;
}

static void mend_with(int flags)
{
	struct sigaction action = { .sa_sigaction = mend, .sa_flags = SA_SIGINFO | flags };

	nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &action, NULL);
}

static void faults_mended(void)
{
	mend_with(SA_ONSTACK);
	join(spawn(fault_and_go_on, NULL));
	fault_and_go_on(NULL);
	mend_with(0);
	join(spawn(fault_and_go_on, NULL));
	say("on alternate stacks %d", on_alternate);
}

/* Two threads within their handlers at the same time. */
static pthread_barrier_t both;
static _Thread_local char *own_page;

static void mend_together(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	pthread_barrier_wait(&both);
	pause_ms(10);
	mprotect(info->si_addr, 4096, PROT_READ | PROT_WRITE);
}

static void *fault_together(void *argument)
{
	volatile double kept = *(int *)argument * 1.5;

	give_stack();
	own_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double sum = kept + 1;
	*(volatile char *)own_page = 3;
	return (void *)(intptr_t)(sum == *(int *)argument * 1.5 + 1 && *own_page == 3);
}

static void faults_together(void)
{
	struct sigaction action = { .sa_sigaction = mend_together, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int numbers[4] = { 1, 2, 3, 4 };
	pthread_t threads[4];

	pthread_barrier_init(&both, NULL, 4);
	sigaction(SIGSEGV, &action, NULL);
	for (int i = 0; i < 4; i++)
		threads[i] = spawn(fault_together, &numbers[i]);
	for (int i = 0; i < 4; i++)
		say("right: %d", (int)(intptr_t)join(threads[i]));
}

/* Recursion without end, survived on the thread's own signal stack. */
static volatile int without_end = 1;

static int deeper(volatile char *above)
{
	volatile char room[4096];

	room[0] = above ? above[0] : 0;
	return without_end ? deeper(room) + room[0] : 0;
}

static void *overflow_survived(void *argument)
{
	give_stack();
	for (volatile int i = 0; i < 2; i++) {
		int number = sigsetjmp(back, 1);

		if (number == 0)
			deeper(NULL);
		else
			say("survived SIG%s", sigabbrev_np(number));
	}
	say_mask("after overflows");
	return argument;
}

static void overflows_survived(void)
{
	pthread_t other = bystander();

	fault_prepare(SA_ONSTACK);
	join(spawn(overflow_survived, NULL));
	end_bystander(other);
}

static void *fault_blocked(void *argument)
{
	block(SIGSEGV, SIG_BLOCK);
	*(volatile char *)nowhere = 1;
	return argument;
}

static void *fault_once(void *argument)
{
	*(volatile char *)nowhere = 1;
	return argument;
}

static void only_count(int number)
{
	(void)number;
	handled++;
}

static void faults_that_kill(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		fault_prepare(0);
		join(spawn(fault_blocked, NULL));
		_exit(1);
	}
	reap("blocked", pid);
	pid = fork();
	if (pid == 0) {
		fault_prepare(0);
		handle(SIGSEGV, only_count, (int)SA_RESETHAND);
		join(spawn(fault_once, NULL));
		_exit(1);
	}
	reap("handled once", pid);
}

/* Sent, not happened: an ordinary signal. */
static void *sent_faults(void *argument)
{
	block(SIGSEGV, SIG_BLOCK);
	pthread_kill(pthread_self(), SIGSEGV);
	say("blocked: handled %d", handled);
	block(SIGSEGV, SIG_UNBLOCK);
	say("open: handled %d", handled);
	raise(SIGFPE);
	kill(getpid(), SIGILL);
	for (int i = 0; i < 100 && handled < 3; i++)
		pause_ms(1);
	say("all: handled %d", handled);
	return argument;
}

static void faults_sent(void)
{
	handle(SIGSEGV, only_count, 0);
	handle(SIGFPE, only_count, 0);
	handle(SIGILL, only_count, 0);
	join(spawn(sent_faults, NULL));
}

/* --- abort --- */

static void say_abort(int number)
{
	say("handler of SIG%s", sigabbrev_np(number));
}

static void *call_abort(void *argument)
{
	if (argument)
		block(SIGABRT, SIG_BLOCK);
	abort();
}

static void *abort_survived(void *argument)
{
	handle(SIGABRT, jump_with_mask, 0);
	if (sigsetjmp(back, 1) == 0)
		abort();
	say("survived abort");
	return argument;
}

static void aborts(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (i)
				handle(SIGABRT, say_abort, 0);
			join(spawn(call_abort, i == 2 ? &lock : NULL));
			_exit(1);
		}
		reap(i == 0 ? "default" : i == 1 ? "handled" : "blocked and handled", pid);
	}
	join(spawn(abort_survived, NULL));
}

/* --- contexts --- */

static ucontext_t here, there;
static volatile int steps;

static void in_context(int a, int b, int c, int d, int e, int f, int g, int h)
{
	say("arguments %d %d %d %d %d %d %d %d", a, b, c, d, e, f, g, h);
	say_mask("in the context");
	block(SIGUSR2, SIG_BLOCK);
	swapcontext(&there, &here);
	say_mask("in the context again");
	steps++;
}

static void *use_contexts(void *argument)
{
	static char stack[65536];

	block(SIGUSR1, SIG_BLOCK);
	must(getcontext(&there) == 0, "getcontext");
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = &here;
	makecontext(&there, (void (*)(void))(uintptr_t)in_context, 8, 1, 2, 3, 4, 5, 6, 7, 8);
	block(SIGUSR1, SIG_UNBLOCK);
	must(swapcontext(&here, &there) == 0, "swapcontext");
	say_mask("back");
	must(swapcontext(&here, &there) == 0, "swapcontext");
	say_mask("at the end");
	return argument;
}

static void *loop_context(void *argument)
{
	volatile int rounds = 0;
	ucontext_t start;

	getcontext(&start);
	say_mask("round");
	block(SIGUSR2, SIG_BLOCK);
	pause_ms(5);
	if (rounds++ < 2) {
		block(SIGUSR1, SIG_BLOCK);
		setcontext(&start);
	}
	say_mask("end");
	return argument;
}

static void contexts(void)
{
	pthread_t other = bystander();

	handle(SIGUSR1, only_count, 0);
	join(spawn(use_contexts, NULL));
	join(spawn(loop_context, NULL));
	end_bystander(other);
	say("steps %d", steps);
	say_mask("main");
}

/* Lets through what was kept, as soon as the context is entered. */
static void *context_opens(void *argument)
{
	ucontext_t open;
	volatile int entered = 0;

	getcontext(&open);
	if (!entered++) {
		block(SIGUSR1, SIG_BLOCK);
		pthread_kill(pthread_self(), SIGUSR1);
		say("handled %d", handled);
		setcontext(&open);
	}
	say("handled %d", handled);
	return argument;
}

static void context_delivers(void)
{
	handle(SIGUSR1, only_count, 0);
	join(spawn(context_opens, NULL));
}

/* --- what a handler does to its own context --- */

static void change_mask(int number, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;

	(void)number;
	(void)info;
	say_mask("in the handler");
	say("to be restored: USR2 %d", sigismember(&interrupted->uc_sigmask, SIGUSR2));
	sigaddset(&interrupted->uc_sigmask, SIGHUP);
	sigdelset(&interrupted->uc_sigmask, SIGUSR2);
}

static void *mask_changed(void *argument)
{
	struct sigaction action = { .sa_sigaction = change_mask, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &action, NULL);
	block(SIGUSR2, SIG_BLOCK);
	pthread_kill(pthread_self(), SIGUSR1);
	say_mask("after the call");
	block(SIGUSR2, SIG_BLOCK);
	block(SIGHUP, SIG_UNBLOCK);
	block(SIGUSR1, SIG_BLOCK);
	pthread_kill(pthread_self(), SIGUSR1);
	block(SIGUSR1, SIG_UNBLOCK);
	say_mask("after opening");
	return argument;
}

static void masks_changed(void)
{
	pthread_t other = bystander();

	join(spawn(mask_changed, NULL));
	end_bystander(other);
}

static void leave(int number)
{
	(void)number;
	pthread_exit((void *)7);
}

static void clean(void *what)
{
	say("%s", (char *)what);
}

static void *left(void *argument)
{
	pthread_cleanup_push(clean, "cleaned up");
	if (argument)
		pause_ms(5000);
	else
		pthread_kill(pthread_self(), SIGUSR1);
	pthread_cleanup_pop(0);
	return NULL;
}

static void exits_from_handlers(void)
{
	handle(SIGUSR1, leave, 0);
	say("from a call: %d", (int)(intptr_t)join(spawn(left, NULL)));
	pthread_t thread = spawn(left, &lock);
	pause_ms(20);
	pthread_kill(thread, SIGUSR1);
	say("from a wait: %d", (int)(intptr_t)join(thread));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "masks_of_jumps", masks_of_jumps, 2 },
		{ "limits_in_threads", limits_in_threads, 3 },
		{ "jumps_from_waits", jumps_from_waits, 1 },
		{ "faults_survived", faults_survived, 2 },
		{ "faults_mended", faults_mended, 2 },
		{ "faults_together", faults_together, 4 },
		{ "overflows_survived", overflows_survived, 2 },
		{ "faults_that_kill", faults_that_kill, 0 },
		{ "faults_sent", faults_sent, 1 },
		{ "aborts", aborts, 1 },
		{ "contexts", contexts, 3 },
		{ "context_delivers", context_delivers, 1 },
		{ "masks_changed", masks_changed, 2 },
		{ "exits_from_handlers", exits_from_handlers, 2 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
