/* SPDX-License-Identifier: MIT */
/* posix.c - what the conformance programs share: the table, the companion thread, lines, children */
#include "posix.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static int quiet[2];

static void *keep_company(void *argument)
{
	char byte;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	while (read(quiet[0], &byte, 1) == -1 && errno == EINTR)
		;
	return argument;
}

static void begin_company(void)
{
	must(pipe(quiet) == 0, "pipe");
	pthread_detach(spawn(keep_company, NULL));
}

static void *run_in_thread(void *argument)
{
	((const struct posix_case *)argument)->run();
	return NULL;
}

static void run_one(const struct posix_case *one, bool thread)
{
	/* Lines of the library's own streams come in the order of ours. */
	setvbuf(stdout, NULL, _IONBF, 0);
	if (thread) {
		join(spawn(run_in_thread, (void *)one));
		return;
	}
	if (!(one->flags & ALONE))
		begin_company();
	one->run();
}

static int run_named(const char *name, const struct posix_case *cases)
{
	size_t length = strcspn(name, "@");
	bool thread = name[length] == '@';

	for (; cases->name; cases++) {
		if (strlen(cases->name) == length && !memcmp(cases->name, name, length)) {
			run_one(cases, thread);
			return 0;
		}
	}
	fprintf(stderr, "no case is called %s\n", name);
	return 2;
}

static void list(const struct posix_case *cases)
{
	for (; cases->name; cases++) {
		printf("%s %d\n", cases->name, cases->flags & ALONE ? cases->threads : 1);
		if (!(cases->flags & (ALONE | MAIN_ONLY)))
			printf("%s@thread 1\n", cases->name);
	}
}

int posix_main(int argc, char **argv, const struct posix_case *cases)
{
	if (argc == 2 && strcmp(argv[1], "--list"))
		return run_named(argv[1], cases);
	if (argc == 2) {
		list(cases);
		return 0;
	}
	fprintf(stderr, "usage: %s --list | CASE\n", argv[0]);
	return 2;
}

void tell(const char *what, int error)
{
	say("%s: %s", what, error_name(error));
}

void tell_result(const char *what, long result)
{
	say("%s: %s", what, outcome(result));
}

void tell_truth(const char *what, bool truth)
{
	say("%s: %s", what, truth ? "yes" : "no");
}

void tell_in_time(const char *what, double since, int least_ms)
{
	say_elapsed(what, since, least_ms / 1e3 - 1e-4, least_ms / 1e3 + 3);
}

void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED, "mmap");
	return memory;
}

pid_t child_of(void (*body)(void *), void *argument)
{
	pid_t pid = fork();

	must(pid != -1, "fork");
	if (pid)
		return pid;
	/* A child that hangs must not outlive the case. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	body(argument);
	_exit(0);
}

void *in_thread(void *(*body)(void *), void *argument)
{
	return join(spawn(body, argument));
}

void await(const int *flag, int value)
{
	double since = now();

	while (__atomic_load_n(flag, __ATOMIC_SEQ_CST) != value) {
		if (now() - since > 5) {
			say("waited in vain for %d", value);
			return;
		}
		pause_ms(1);
	}
}

void post(int *flag, int value)
{
	__atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

struct timespec long_ago(void)
{
	return (struct timespec){ 1, 0 };
}

struct timespec no_time(void)
{
	return (struct timespec){ 1, 1000000000 };
}
