/* SPDX-License-Identifier: MIT */
/* processes.c - fork, vfork, spawn, system, popen, exec and the wait family, from main and from threads */
#include "plain.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *echo_back(void *argument)
{
	int fd = *(int *)argument;
	char byte;

	while (read(fd, &byte, 1) == 1)
		write_full(fd, &byte, 1);
	close(fd);
	return NULL;
}

/* How many of COUNT bytes come back over FD. */
static int bounce(int fd, int count)
{
	int same = 0;

	for (int i = 0; i < count; i++) {
		char out = (char)i, in = 0;

		write_full(fd, &out, 1);
		same += read(fd, &in, 1) == 1 && in == out;
	}
	return same;
}

/* A child that has its own threads and its own sockets; its status is what it counted. */
static void live_in_child(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t thread = spawn(echo_back, &pair[1]);
	int same = bounce(pair[0], 50);
	close(pair[0]);
	join(thread);
	_exit(same);
}

static void *fork_here(void *argument)
{
	pid_t pid = fork();

	if (pid == 0)
		live_in_child();
	reap("forked in a thread", pid);
	return argument;
}

/* MP1, L12, CK17, X18: The parent's own threads go on with their work all the while. */
static void fork_in_thread(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t echo = spawn(echo_back, &pair[1]);
	int same = bounce(pair[0], 20);
	pthread_t forker = spawn(fork_here, NULL);
	same += bounce(pair[0], 200);
	join(forker);
	same += bounce(pair[0], 20);
	say("the parent: %d", same);
	close(pair[0]);
	join(echo);
}

static void fork_in_main(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t echo = spawn(echo_back, &pair[1]);
	bounce(pair[0], 5);
	pid_t pid = fork();
	if (pid == 0) {
		say("the child is %s", gettid() == getpid() ? "a main thread" : "no main thread");
		live_in_child();
	}
	reap("forked in main", pid);
	say("the parent: %d", bounce(pair[0], 50));
	close(pair[0]);
	join(echo);
}

/* The child closes what it got: the parent's waits on the same sockets must not suffer. */
static void child_closes(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t echo = spawn(echo_back, &pair[1]);
	bounce(pair[0], 5);
	pid_t pid = fork();
	if (pid == 0) {
		for (int fd = 3; fd < 100; fd++)
			close(fd);
		live_in_child();
	}
	reap("closing child", pid);
	say("the parent: %d", bounce(pair[0], 50));
	close(pair[0]);
	join(echo);
}

static void *return_in_child(void *argument)
{
	pid_t pid = fork();

	if (pid == 0)
		return argument;
	reap("returning child", pid);
	return NULL;
}

/* In the child the forking thread is the last one: its return ends the process with 0. */
static void thread_ends_in_child(void)
{
	join(spawn(return_in_child, NULL));
}

static int prepared, in_parent, in_child;

static void before(void)
{
	prepared++;
}

static void in_the_parent(void)
{
	in_parent++;
}

static void in_the_child(void)
{
	in_child++;
}

static void *fork_with_handlers(void *argument)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(prepared * 16 + in_parent * 4 + in_child);
	reap("handlers in the child", pid);
	say("in the parent: %d %d %d", prepared, in_parent, in_child);
	return argument;
}

/* U7, CK17: handlers of pthread_atfork */
static void fork_handlers(void)
{
	pthread_atfork(before, in_the_parent, in_the_child);
	join(spawn(fork_with_handlers, NULL));
}

static void *generations(void *argument)
{
	long depth = (long)argument;

	if (depth == 0)
		return NULL;
	pid_t pid = fork();
	if (pid == 0) {
		join(spawn(generations, (void *)(depth - 1)));
		_exit((int)depth);
	}
	reap("generation", pid);
	return NULL;
}

static void grandchildren(void)
{
	join(spawn(generations, (void *)3L));
}

static void *vfork_here(void *argument)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/bin/echo", "echo", "echo after vfork", (char *)NULL);
		_exit(98);
	}
	reap("vfork", pid);
	return argument;
}

static void vforks(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t echo = spawn(echo_back, &pair[1]);
	bounce(pair[0], 5);
	join(spawn(vfork_here, NULL));
	say("the parent: %d", bounce(pair[0], 50));
	pid_t pid = vfork();
	if (pid == 0) {
		close(pair[0]);
		close(pair[1]);
		_exit(3);
	}
	reap("vfork and exit", pid);
	say("the parent: %d", bounce(pair[0], 50));
	close(pair[0]);
	join(echo);
}

static void *spawn_here(void *argument)
{
	char *words[] = { "sh", "-c", "exit 4", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, 77);
	int error = posix_spawn(&pid, "/bin/sh", &actions, NULL, words, environ);
	reap("posix_spawn", pid);
	say("posix_spawn: %s", error_name(error));
	error = posix_spawnp(&pid, "sh", NULL, NULL, words, environ);
	reap("posix_spawnp", pid);
	say("posix_spawnp: %s", error_name(error));
	say("missing: %s", error_name(posix_spawn(&pid, "/nonexistent", NULL, NULL, words, environ)));
	return argument;
}

/* MP1, CK19: posix_spawn */
static void spawns(void)
{
	join(spawn(spawn_here, NULL));
}

static void *run_slow_command(void *argument)
{
	(void)argument;
	return (void *)(long)system("sleep 0.5; exit 5");
}

/* MP10, CK19: Commands run beside each other, and beside main. */
static void systems(void)
{
	pthread_t threads[5];
	double start = now();
	int right = 0;

	for (int i = 0; i < 5; i++)
		threads[i] = spawn(run_slow_command, NULL);
	pause_ms(20);
	say_elapsed("main slept", start, 0.015, 0.45);
	for (int i = 0; i < 5; i++)
		right += WEXITSTATUS((long)join(threads[i])) == 5;
	say("ended with 5: %d", right);
	say_elapsed("five commands", start, 0.49, 2.2);
	say("a shell is %s", system(NULL) ? "there" : "missing");
	say_status("killed", system("kill -9 $$"));
}

static void *read_command(void *argument)
{
	FILE *pipe = popen("sleep 0.5; echo from a command; exit 6", "r");
	char line[64] = "";

	must(pipe != NULL, "popen");
	say("line: %s", fgets(line, sizeof(line), pipe) ? strtok(line, "\n") : "none");
	say_status("pclose", pclose(pipe));
	return argument;
}

/* MP10, CK19: popen and pclose */
static void commands(void)
{
	pthread_t one = spawn(read_command, NULL);
	double start = now();

	pause_ms(20);
	say_elapsed("main slept", start, 0.015, 0.45);
	join(one);
	FILE *pipe = popen("cat", "w");
	fputs("written to a command\n", pipe);
	say_status("pclose", pclose(pipe));
}

static pid_t child_of(int status, int ms)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	pause_ms(ms);
	_exit(status);
}

static void *wait_ways(void *argument)
{
	struct rusage usage;
	siginfo_t info = { 0 };
	int status = 0;
	pid_t pid = child_of(1, 40);

	say("not yet: %d", waitpid(pid, &status, WNOHANG));
	say("wait: %s", wait(&status) == pid ? "that child" : "another");
	say_status("wait", status);
	pid = child_of(2, 40);
	say("waitpid any: %s", waitpid(-1, &status, 0) == pid ? "that child" : "another");
	say_status("waitpid", status);
	pid = child_of(3, 40);
	say("wait3: %s", wait3(&status, 0, &usage) == pid ? "that child" : "another");
	say_status("wait3", status);
	pid = child_of(4, 40);
	say("wait4: %s", wait4(pid, &status, 0, &usage) == pid ? "that child" : "another");
	say_status("wait4", status);
	pid = child_of(5, 40);
	say("waitid: %s", outcome(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT)));
	say("waitid: %s, status %d", info.si_pid == pid ? "that child" : "another", info.si_status);
	reap("still there", pid);
	pid = child_of(6, 40);
	say("waitpid group: %s", waitpid(0, &status, 0) == pid ? "that child" : "another");
	say("nobody: %s", outcome(wait(&status)));
	say("nobody: %s", outcome(waitpid(-1, &status, WNOHANG)));
	return argument;
}

/* MP1, L11, CK19: every form of waiting */
static void waits(void)
{
	join(spawn(wait_ways, NULL));
}

static void *wait_for_child(void *argument)
{
	int status;

	must(waitpid((pid_t)(long)argument, &status, 0) == (pid_t)(long)argument, "waitpid");
	return (void *)(long)WEXITSTATUS(status);
}

/* Threads wait for their own children, which end in another order. */
static void several_children(void)
{
	pthread_t threads[5];
	double start = now();
	int right = 0;

	for (int i = 0; i < 5; i++)
		threads[i] = spawn(wait_for_child, (void *)(long)child_of(i + 10, 700 - i * 50));
	pause_ms(20);
	say_elapsed("main slept", start, 0.015, 0.45);
	for (int i = 0; i < 5; i++)
		right += (long)join(threads[i]) == i + 10;
	say("right %d", right);
}

static void *wait_for_any(void *argument)
{
	int status;
	pid_t pid = wait(&status);

	(void)argument;
	return (void *)(long)(pid > 0 ? WEXITSTATUS(status) : -1);
}

static void any_child(void)
{
	pthread_t threads[4];
	long sum = 0;

	for (int i = 0; i < 4; i++)
		child_of(1 << i, 60);
	for (int i = 0; i < 4; i++)
		threads[i] = spawn(wait_for_any, NULL);
	for (int i = 0; i < 4; i++)
		sum += (long)join(threads[i]);
	say("sum %ld", sum);
}

static void *wait_for_stop(void *argument)
{
	pid_t pid = (pid_t)(long)argument;
	int status;

	must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
	say("stopped: %s", WIFSTOPPED(status) ? "yes" : "no");
	kill(pid, SIGCONT);
	must(waitpid(pid, &status, WCONTINUED) == pid, "waitpid");
	say("continued: %s", WIFCONTINUED(status) ? "yes" : "no");
	reap("in the end", pid);
	return NULL;
}

/* X20, L11: children that stop and go on */
static void stopped_child(void)
{
	pid_t pid = child_of(9, 150);
	pthread_t thread = spawn(wait_for_stop, (void *)(long)pid);

	pause_ms(20);
	kill(pid, SIGSTOP);
	join(thread);
}

static void *exec_here(void *argument)
{
	execl("/bin/sh", "sh", "-c", "echo another program; exit 11", (char *)NULL);
	return argument;
}

static void exec_in_thread(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		spawn(echo_back, &(int){ -1 });
		join(spawn(exec_here, NULL));
		_exit(97);
	}
	reap("exec in a thread", pid);
}

static void *exec_missing(void *argument)
{
	execl("/nonexistent", "nothing", (char *)NULL);
	say("exec: %s", error_name(errno));
	char *words[] = { "nothing", NULL };
	execvpe("no-such-program", words, environ);
	say("execvpe: %s", error_name(errno));
	return argument;
}

/* X25: the program is missing */
static void exec_fails(void)
{
	join(spawn(exec_missing, NULL));
	pause_ms(5);
	join(spawn(echo_back, &(int){ -1 }));
	say("threads still work");
}

/* A child that is asked to end must not have our signals blocked. */
static void child_is_killed(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("sleep", "sleep", "100", (char *)NULL);
		_exit(98);
	}
	join(spawn(echo_back, &(int){ -1 }));
	kill(pid, SIGTERM);
	reap("sleep", pid);
}

static void *in_terminal(void *argument)
{
	int terminal;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	if (pid == 0)
		live_in_child();
	reap("in a terminal", pid);
	close(terminal);
	return argument;
}

/* MP1: forkpty */
static void terminals(void)
{
	join(spawn(in_terminal, NULL));
}

/* --- daemons --- */

static int daemon_pipe[2];

static void *tell_from_thread(void *text)
{
	pause_ms(5);
	must(write(daemon_pipe[1], text, strlen(text)) == (ssize_t)strlen(text), "write");
	return NULL;
}

/* In the daemon: threads, commands and pipes work as anywhere. */
static void be_daemon(void)
{
	pthread_t first, second;

	must(daemon(1, 1) == 0, "daemon");
	first = spawn(tell_from_thread, "thread ");
	join(first);
	second = spawn(tell_from_thread, getsid(0) == getpid() ? "leads its session " : "leads nothing ");
	join(second);
	must(system("exit 3") == 3 << 8, "system");
	must(write(daemon_pipe[1], "end", 3) == 3, "write");
	exit(0);
}

static void *daemon_in_thread(void *unused)
{
	(void)unused;
	be_daemon();
	return NULL;
}

static void start_daemon(bool in_thread)
{
	char text[128];
	pid_t pid;

	must(pipe(daemon_pipe) == 0, "pipe");
	pthread_t neighbour = spawn(tell_from_thread, "before ");

	join(neighbour);
	pid = fork();
	if (pid == 0) {
		if (in_thread)
			join(spawn(daemon_in_thread, NULL));
		be_daemon();
	}
	close(daemon_pipe[1]);
	size_t size = read_full(daemon_pipe[0], text, sizeof(text) - 1);

	text[size] = '\0';
	say("daemon: %s", text);
	reap("its parent", pid);
}

static void daemons(void)
{
	start_daemon(false);
	start_daemon(true);
}

/* The usual way to be nobody's child: the first child ends at once, the second works with threads. */
static void double_fork(void)
{
	char text[64];

	must(pipe(daemon_pipe) == 0, "pipe");
	join(spawn(tell_from_thread, "before "));
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		if (fork() != 0)
			_exit(5);
		join(spawn(tell_from_thread, "grandchild"));
		_exit(0);
	}
	close(daemon_pipe[1]);
	text[read_full(daemon_pipe[0], text, sizeof(text) - 1)] = '\0';
	say("heard: %s", text);
	reap("child", pid);
}

/* --- forks that no handler of atfork is told of --- */

static pid_t by_fork_call(void)
{
	return (pid_t)syscall(SYS_fork);
}

static pid_t by_clone_call(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
}

static pid_t by_clone3_call(void)
{
	struct clone_args how = { .exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &how, sizeof(how));
}

static int exec_main(void *unused)
{
	execl("/bin/sh", "sh", "-c", "exit 9", NULL);
	return unused != NULL;
}

static void *echo_nothing(void *unused)
{
	return unused;
}

static int clone_main(void *unused)
{
	live_in_child();
	return unused != NULL;
}

static pid_t by_clone(void)
{
	static char stack[256 * 1024] __attribute__((aligned(16)));

	return clone(clone_main, stack + sizeof(stack), SIGCHLD, NULL);
}

static pid_t by_clone_vfork(void)
{
	static char stack[256 * 1024] __attribute__((aligned(16)));

	return clone(exec_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
}

static void *silent_forks_here(void *unused)
{
	static const struct {
		const char *name;
		pid_t (*fork)(void);
	} ways[] = {
		{ "_Fork", _Fork }, { "the call fork", by_fork_call }, { "the call clone", by_clone_call },
		{ "the call clone3", by_clone3_call }, { "clone", by_clone }, { "clone as vfork", by_clone_vfork },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid_t pid = ways[i].fork();

		if (pid == 0)
			live_in_child();
		reap(ways[i].name, pid);
	}
	return unused;
}

/* Each child has threads of its own, and the parent's go on. */
static void silent_forks(void)
{
	int pair[2];

	stream_pair(pair);
	pthread_t echo = spawn(echo_back, &pair[1]);
	join(spawn(echo_nothing, NULL));
	int same = bounce(pair[0], 20);
	pthread_t forker = spawn(silent_forks_here, NULL);
	same += bounce(pair[0], 200);
	join(forker);
	silent_forks_here(NULL);
	same += bounce(pair[0], 20);
	say("the parent: %d", same);
	close(pair[0]);
	join(echo);
}

static void *execveat_here(void *unused)
{
	char *argv[] = { "grep", "SigBlk", "/proc/self/status", NULL };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	execveat(AT_FDCWD, "/bin/grep", argv, environ, 0);
	return unused;
}

/* The new program has the mask of the thread that called. */
static void execveat_in_thread(void)
{
	join(spawn(execveat_here, NULL));
	say("execveat came back");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "fork_in_thread", fork_in_thread, 2 },
		{ "fork_in_main", fork_in_main, 1 },
		{ "child_closes", child_closes, 1 },
		{ "thread_ends_in_child", thread_ends_in_child, 1 },
		{ "fork_handlers", fork_handlers, 1 },
		{ "grandchildren", grandchildren, 1 },
		{ "vforks", vforks, 2 },
		{ "spawns", spawns, 1 },
		{ "systems", systems, 5 },
		{ "commands", commands, 1 },
		{ "waits", waits, 1 },
		{ "several_children", several_children, 5 },
		{ "any_child", any_child, 4 },
		{ "stopped_child", stopped_child, 1 },
		{ "exec_in_thread", exec_in_thread, 0 },
		{ "exec_fails", exec_fails, 2 },
		{ "child_is_killed", child_is_killed, 1 },
		{ "terminals", terminals, 1 },
		{ "daemons", daemons, 2 },
		{ "double_fork", double_fork, 1 },
		{ "silent_forks", silent_forks, 3 },
		{ "execveat_in_thread", execveat_in_thread, 0 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
