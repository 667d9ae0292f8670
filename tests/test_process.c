/* SPDX-License-Identifier: MIT */
/* test_process.c - child processes: start, talk, wait, kill; waitpid, fork and system */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pty.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "green.h"
#include "support.h"

static struct green_process *shell(const char *script, int in, int out, int err)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	struct green_process_options options = { .argv = argv, .in = in, .out = out, .err = err };
	struct green_process *process = green_process_start(&options);

	ck_assert_ptr_nonnull(process);
	return process;
}

static int status_of(struct green_process *process)
{
	int status = -1;

	ck_assert_int_eq(green_process_wait(process, &status, 15000), 0);
	green_process_destroy(process);
	return status;
}

/* How often a task could run while something else was waited for. */
static unsigned ticks;
static bool ticking = true;

static void *tick(void *unused)
{
	while (ticking) {
		ticks++;
		green_sleep(2);
	}
	return unused;
}

/* N4: others run meanwhile, and the end is told to all who wait, any number of times. */
START_TEST(n4_a_process_is_waited_for_while_others_run)
{
	struct green_process *process = shell("sleep 0.3; exit 3", 0, 0, 0);
	struct greenlet *ticker = green_spawn(tick, NULL);
	int status = 0;

	assert_fails(green_process_wait(process, &status, 0) < 0, ETIMEDOUT);
	assert_fails(green_process_wait(process, &status, 10) < 0, ETIMEDOUT);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(green_process_wait(process, &status, 15000), 0);
		ck_assert_int_eq(WEXITSTATUS(status), 3);
	}
	ck_assert_uint_gt(ticks, 3);
	ticking = false;
	join(ticker);
	assert_fails(waitpid(green_process_pid(process), NULL, WNOHANG) < 0, ECHILD);
	green_process_destroy(process);
	green_process_destroy(NULL);
}
END_TEST

static void *wait_for_process(void *process)
{
	int status = 0;

	ck_assert_int_eq(green_process_wait(process, &status, 15000), 0);
	return (void *)(intptr_t)WEXITSTATUS(status);
}

START_TEST(n4_any_number_may_wait)
{
	struct green_process *process = shell("sleep 0.05; exit 9", 0, 0, 0);
	struct greenlet *tasks[5];

	for (size_t i = 0; i < ARRAY_LENGTH(tasks); i++)
		tasks[i] = green_spawn(wait_for_process, process);
	for (size_t i = 0; i < ARRAY_LENGTH(tasks); i++)
		ck_assert_int_eq((intptr_t)join(tasks[i]), 9);
	ck_assert_int_eq(WEXITSTATUS(status_of(process)), 9);
}
END_TEST

/* N4: a program that cannot be started is an error of the start, and nothing is left of it. */
START_TEST(n4_why_a_program_cannot_be_started_is_told)
{
	char *missing[] = { "/no/such/program", NULL }, *directory[] = { "/tmp", NULL }, *none[] = { NULL };
	char *truth[] = { "true", NULL };

	assert_fails(!green_process_start(NULL), EINVAL);
	assert_fails(!green_process_start(&(struct green_process_options) { .argv = none }), EINVAL);
	assert_fails(!green_process_start(&(struct green_process_options) { .argv = missing, .in = GREEN_PIPE, .out = GREEN_PIPE }),
		     ENOENT);
	assert_fails(!green_process_start(&(struct green_process_options) { .argv = directory }), EACCES);
	assert_fails(!green_process_start(&(struct green_process_options) { .argv = truth, .directory = "/no/such" }), ENOENT);
	assert_fails(!green_process_start(&(struct green_process_options) { .argv = truth, .in = GREEN_TO_OUT }), EINVAL);
	assert_fails(!green_process_start(&(struct green_process_options) { .argv = truth, .out = -9 }), EINVAL);
	assert_fails(waitpid(-1, NULL, WNOHANG) < 0, ECHILD);
}
END_TEST

/* N4: more than fits into pipes, both ways, at once. */
START_TEST(n4_communicate_writes_and_reads_as_much_as_there_is)
{
	enum { SIZE = 300000 };
	struct green_process *process = shell("cat; echo problem >&2", GREEN_PIPE, GREEN_PIPE, GREEN_PIPE);
	struct green_text out, err;
	char *input = malloc(SIZE);

	for (size_t i = 0; i < SIZE; i++)
		input[i] = (char)('a' + i % 23);
	ck_assert_int_eq(green_process_communicate(process, input, SIZE, &out, &err, 15000), 0);
	ck_assert_uint_eq(out.size, SIZE);
	ck_assert_mem_eq(out.bytes, input, SIZE);
	ck_assert_int_eq(out.bytes[SIZE], 0);
	ck_assert_str_eq(err.bytes, "problem\n");
	free(input);
	free(out.bytes);
	free(err.bytes);
	ck_assert_int_eq(status_of(process), 0);
}
END_TEST

/* N4: nothing is lost when the time passes. */
START_TEST(n4_communicate_goes_on_after_a_timeout)
{
	struct green_process *process = shell("echo one; read line; echo $line; sleep 0.2; echo three", GREEN_PIPE, GREEN_PIPE, GREEN_TO_OUT);
	struct green_text out, err;
	char input[] = "two\n";

	assert_fails(green_process_communicate(process, input, sizeof(input) - 1, &out, &err, 50) < 0, ETIMEDOUT);
	memset(input, 'x', sizeof(input) - 1);
	ck_assert_int_eq(green_process_communicate(process, NULL, 0, &out, &err, 15000), 0);
	ck_assert_str_eq(out.bytes, "one\ntwo\nthree\n");
	ck_assert_ptr_null(err.bytes);
	free(out.bytes);
	ck_assert_int_eq(status_of(process), 0);
}
END_TEST

/* A child that ends without reading its input brings neither SIGPIPE nor an error. */
START_TEST(a_child_that_does_not_read_its_input_is_no_error)
{
	struct green_process *process = shell("exec <&-; echo done", GREEN_PIPE, GREEN_PIPE, 0);
	char *input = calloc(1, 1000000);
	struct green_text out;

	ck_assert_int_eq(green_process_communicate(process, input, 1000000, &out, NULL, 15000), 0);
	ck_assert_str_eq(out.bytes, "done\n");
	free(out.bytes);
	free(input);
	ck_assert_int_eq(status_of(process), 0);
}
END_TEST

/* N4: the parent's ends are ordinary descriptors of cooperative calls. */
START_TEST(n4_pipes_can_be_read_and_written_one_by_one)
{
	struct green_process *process = shell("read a; echo got $a", GREEN_PIPE, GREEN_PIPE, GREEN_NULL);
	char line[32] = "";

	ck_assert_int_eq(green_write(green_process_fd(process, 0), "x\n", 2), 2);
	ck_assert_int_eq(green_read(green_process_fd(process, 1), line, sizeof(line)), 6);
	ck_assert_str_eq(line, "got x\n");
	ck_assert_int_eq(green_process_close(process, 0), 0);
	assert_fails(green_process_close(process, 0) < 0, EBADF);
	assert_fails(green_process_fd(process, 2) < 0, EBADF);
	assert_fails(green_process_fd(process, 3) < 0, EBADF);
	ck_assert_int_eq(status_of(process), 0);
}
END_TEST

static struct green_text output_of(const struct green_process_options *options)
{
	struct green_process *process = green_process_start(options);
	struct green_text out;

	ck_assert_ptr_nonnull(process);
	ck_assert_int_eq(green_process_communicate(process, NULL, 0, &out, NULL, 15000), 0);
	ck_assert_int_eq(status_of(process), 0);
	return out;
}

START_TEST(environment_directory_and_descriptors_are_as_asked_for)
{
	char *argv[] = { "sh", "-c", "pwd; echo $COLOUR; cat; echo to err >&2", NULL };
	char *envp[] = { "COLOUR=green", "PATH=/usr/bin:/bin", NULL };
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct green_text out;

	if (file < 0)
		file = fileno(tmpfile());
	ck_assert_int_eq(write(file, "from file\n", 10), 10);
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	out = output_of(&(struct green_process_options) { .argv = argv, .envp = envp, .directory = "/", .in = file,
		.out = GREEN_PIPE, .err = GREEN_TO_OUT });
	ck_assert_str_eq(out.bytes, "/\ngreen\nfrom file\nto err\n");
	free(out.bytes);
	close(file);
}
END_TEST

static void ignore(int number)
{
	(void)number;
}

/* Handlers, what is ignored, and the mask are as in a fresh program; a group of its own if asked for. */
START_TEST(signals_are_as_in_a_fresh_program)
{
	char *argv[] = { "sh", "-c", "cat /proc/self/status | grep -E 'Sig(Blk|Ign|Cgt)'; ps -o pgid= -p $$ | tr -d ' '; echo $$", NULL };
	struct sigaction handled = { .sa_handler = ignore }, ignored = { .sa_handler = SIG_IGN };
	struct green_text out;
	unsigned long long blocked = 1, refused = 1, caught = 1;
	int group = 0, pid = 1;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGUSR1, &handled, NULL);
	sigaction(SIGPIPE, &ignored, NULL);
	out = output_of(&(struct green_process_options) { .argv = argv, .out = GREEN_PIPE, .group = true });
	ck_assert_int_ge(sscanf(out.bytes, "SigBlk: %llx SigIgn: %llx SigCgt: %llx %d %d", &blocked, &refused, &caught, &group, &pid), 3);
	ck_assert_uint_eq(blocked, 0);
	/* The two that libc has for itself cannot be changed, whoever has ignored them. */
	ck_assert_uint_eq(refused & ~(3ULL << 31), 0);
	ck_assert_uint_eq(caught, 0);
	if (group)
		ck_assert_int_eq(group, pid);
	free(out.bytes);
}
END_TEST

START_TEST(a_process_can_be_killed_until_it_has_ended)
{
	struct green_process *process = shell("sleep 60", 0, 0, 0);
	int status;

	assert_fails(green_process_kill(process, 1000) < 0, EINVAL);
	ck_assert_int_eq(green_process_kill(process, SIGTERM), 0);
	ck_assert_int_eq(green_process_wait(process, &status, 15000), 0);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGTERM);
	assert_fails(green_process_kill(process, SIGTERM) < 0, ESRCH);
	green_process_destroy(process);
}
END_TEST

/*
 * A shell, leader of a group, and children of it that outlive it if they may.  All have LEFT's other end as standard error,
 * so a read from it comes to the end when they all have gone.
 */
static struct green_process *shell_with_children(const char *script, int left[2])
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	struct green_process_options options = { .argv = argv, .out = GREEN_PIPE, .group = true };
	struct green_process *process;
	char line[8];

	ck_assert_int_eq(green_pipe2(left, O_CLOEXEC), 0);
	options.err = left[1];
	process = green_process_start(&options);
	ck_assert_ptr_nonnull(process);
	ck_assert_int_eq(green_close(left[1]), 0);
	ck_assert_int_eq(green_read(green_process_fd(process, 1), line, sizeof(line)), 6);
	return process;
}

static void assert_all_gone(int left[2])
{
	char byte;

	ck_assert_int_eq(green_wait_fd(left[0], GREEN_READ, 15000), GREEN_READ);
	ck_assert_int_eq(green_read(left[0], &byte, 1), 0);
	ck_assert_int_eq(green_close(left[0]), 0);
}

START_TEST(a_group_is_killed_with_what_a_shell_has_started)
{
	int left[2], status;
	struct green_process *process = shell_with_children("sleep 60 & sleep 60 & echo ready; wait", left);

	assert_fails(green_process_kill_group(process, 1000) < 0, EINVAL);
	ck_assert_int_eq(green_process_kill_group(process, SIGTERM), 0);
	ck_assert_int_eq(green_process_wait(process, &status, 15000), 0);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGTERM);
	assert_all_gone(left);
	green_process_destroy(process);
}
END_TEST

/* The one who was killed alone leaves the others, which the group still reaches where the kernel can tell it. */
START_TEST(a_group_is_killed_after_its_leader)
{
	int left[2], killed;
	struct green_process *process = shell_with_children("sleep 2 & sleep 2 & echo ready; wait", left);

	ck_assert_int_eq(green_process_kill(process, SIGKILL), 0);
	assert_fails(green_wait_fd(left[0], GREEN_READ, 50) < 0, ETIMEDOUT);
	ck_assert_int_eq(green_process_wait(process, NULL, 15000), 0);
	killed = green_process_kill_group(process, SIGKILL);
	ck_assert(killed == 0 || errno == ESRCH);
	assert_all_gone(left);
	green_process_destroy(process);
	if (killed)
		skipped("before Linux 6.9 a group without its leader cannot be told from a later one");
}
END_TEST

START_TEST(a_group_that_has_ended_cannot_be_killed)
{
	char *argv[] = { "sleep", "60", NULL };
	struct green_process *process = green_process_start(&(struct green_process_options) { .argv = argv, .group = true });

	ck_assert_ptr_nonnull(process);
	ck_assert_int_eq(green_process_kill_group(process, SIGKILL), 0);
	ck_assert_int_eq(green_process_wait(process, NULL, 15000), 0);
	assert_fails(green_process_kill_group(process, SIGKILL) < 0, ESRCH);
	green_process_destroy(process);
}
END_TEST

START_TEST(only_the_leader_of_a_group_has_one_to_be_killed)
{
	struct green_process *process = shell("sleep 60", 0, 0, 0);

	assert_fails(green_process_kill_group(process, SIGKILL) < 0, EINVAL);
	ck_assert_int_eq(green_process_kill(process, SIGKILL), 0);
	ck_assert_int_eq(WTERMSIG(status_of(process)), SIGKILL);
}
END_TEST

/* C11: one that somebody else has reaped has ended, with status 255. */
START_TEST(c11_a_process_that_somebody_else_reaps_has_status_255)
{
	struct green_process *process = shell("exit 4", 0, 0, 0);

	ck_assert_int_eq(waitpid(green_process_pid(process), NULL, 0), green_process_pid(process));
	ck_assert_int_eq(status_of(process), 255 << 8);
}
END_TEST

static int children_left(void)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* One that still runs when its handle goes is reaped, but waited for by nobody. */
START_TEST(a_process_that_is_left_alone_is_reaped)
{
	struct green_process *process = shell("sleep 0.05", 0, 0, 0);
	int64_t start = clock_now();

	green_process_destroy(process);
	ck_assert_int_eq(green_hub_run(-1), 0);
	while (children_left() && ms_since(start) < 15000)
		green_sleep(5);
	ck_assert(!children_left());
}
END_TEST

static void *wait_to_be_killed(void *process)
{
	int status;

	assert_fails(green_process_wait(process, &status, -1) < 0, ECANCELED);
	green_error_clear();
	return NULL;
}

/* CK11: who waits can be killed, and the process goes on. */
START_TEST(a_wait_for_a_process_can_be_cancelled)
{
	struct green_process *process = shell("sleep 60", 0, 0, 0);
	struct greenlet *task = green_spawn(wait_to_be_killed, process);

	green_sleep(5);
	ck_assert_int_eq(green_kill(task, -1), 0);
	ck_assert_int_eq(green_destroy(task), 0);
	green_process_kill(process, SIGKILL);
	ck_assert(WIFSIGNALED(status_of(process)));
}
END_TEST

/* --- waitpid --- */

static pid_t child_that_exits(int status, int after_ms)
{
	pid_t pid = green_fork();

	if (pid == 0) {
		usleep((useconds_t)after_ms * 1000);
		_exit(status);
	}
	ck_assert_int_ge(pid, 0);
	return pid;
}

static void *wait_for_any(void *sum)
{
	int status = 0;
	pid_t pid = green_waitpid(-1, &status, 0);

	ck_assert_int_gt(pid, 0);
	*(int *)sum += WEXITSTATUS(status);
	return NULL;
}

/* N6, CK19: one child, any child, before its end and after; others run meanwhile. */
START_TEST(n6_waitpid_waits_for_one_or_any)
{
	struct greenlet *ticker = green_spawn(tick, NULL), *two[2];
	int status = 0, sum = 0;
	pid_t pid = child_that_exits(1, 300);

	ck_assert_int_eq(green_waitpid(pid, &status, WNOHANG), 0);
	ck_assert_int_eq(green_waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	ck_assert_uint_gt(ticks, 3);
	assert_fails(green_waitpid(pid, &status, 0) < 0, ECHILD);
	pid = child_that_exits(2, 0);
	usleep(30000);
	ck_assert_int_eq(green_waitpid(pid, NULL, 0), pid);
	child_that_exits(10, 40);
	child_that_exits(20, 60);
	two[0] = green_spawn(wait_for_any, &sum);
	two[1] = green_spawn(wait_for_any, &sum);
	join(two[0]);
	join(two[1]);
	ck_assert_int_eq(sum, 30);
	assert_fails(green_waitpid(-1, &status, 0) < 0, ECHILD);
	assert_fails(green_waitpid(-1, &status, 12345) < 0, EINVAL);
	ticking = false;
	join(ticker);
}
END_TEST

/* CK19, X20: of a group, stopped, continued. */
START_TEST(ck19_waitpid_knows_groups_and_stops)
{
	pid_t pid = child_that_exits(5, 10000);
	int status = 0;

	ck_assert_int_eq(setpgid(pid, pid), 0);
	assert_fails(green_waitpid(0, &status, 0) < 0, ECHILD);
	kill(pid, SIGSTOP);
	ck_assert_int_eq(green_waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	ck_assert_int_eq(green_waitpid(-pid, &status, WCONTINUED), pid);
	ck_assert(WIFCONTINUED(status));
	kill(pid, SIGKILL);
	ck_assert_int_eq(green_waitpid(-pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}
END_TEST

static volatile sig_atomic_t sigchlds;

static void count_sigchld(int number)
{
	(void)number;
	sigchlds++;
}

/* L11, CK18: the program's own handler of SIGCHLD is called as before, and is still there afterwards. */
/* N7: a handler of SIGCHLD */
START_TEST(l11_a_wait_leaves_the_programs_sigchld_alone)
{
	struct sigaction own = { .sa_handler = count_sigchld }, now;
	int status;

	sigaction(SIGCHLD, &own, NULL);
	child_that_exits(5, 50);
	ck_assert_int_gt(green_waitpid(-1, &status, 0), 0);
	ck_assert_int_eq(sigchlds, 1);
	sigaction(SIGCHLD, NULL, &now);
	ck_assert_ptr_eq(now.sa_handler, count_sigchld);
}
END_TEST

/* L11: a wait for any child does not take those of green_process_start. */
START_TEST(l11_children_of_process_start_are_not_any_child)
{
	struct green_process *process = shell("exit 7", 0, 0, 0);
	pid_t pid = child_that_exits(8, 50);
	int status;

	usleep(20000);
	assert_fails(green_waitpid(green_process_pid(process), &status, 0) < 0, ECHILD);
	ck_assert_int_eq(green_waitpid(-1, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 8);
	ck_assert_int_eq(WEXITSTATUS(status_of(process)), 7);
}
END_TEST

/* N5: a child on a terminal of its own, which reads and writes beside others */
START_TEST(n5_a_child_of_forkpty_is_one_like_any_other)
{
	char text[64] = "";
	size_t size = 0;
	int terminal, status;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
	ssize_t got;

	if (pid == 0) {
		green_sleep(1);
		got = green_read(0, text, sizeof(text));
		green_write(1, got == 3 && isatty(0) ? "yes" : "no", 3);
		_exit(7);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(green_write(terminal, "hi\n", 3), 3);
	while (!strstr(text, "yes") && size < sizeof(text) - 1 &&
	       (got = green_read(terminal, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)got;
	ck_assert_msg(strstr(text, "yes") != NULL, "%s", text);
	ck_assert_int_eq(green_waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert_int_eq(green_close(terminal), 0);
}
END_TEST

/* L12, CK17: in the child of green_fork only the caller is left, with a hub that works. */
START_TEST(l12_a_fork_leaves_the_caller_only)
{
	struct greenlet *ticker = green_spawn(tick, NULL);
	int status;
	pid_t pid;

	green_sleep(5);
	pid = green_fork();
	if (pid == 0) {
		ticks = 0;
		green_sleep(20);
		_exit(ticks == 0 && green_process_wait(shell("exit 3", 0, 0, 0), &status, -1) == 0 ? WEXITSTATUS(status) : 9);
	}
	ck_assert_int_eq(green_waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 3 << 8);
	ticking = false;
	join(ticker);
}
END_TEST

/* --- system --- */

START_TEST(system_is_as_in_the_c_library)
{
	struct greenlet *ticker = green_spawn(tick, NULL);
	struct sigaction own = { .sa_handler = count_sigchld }, now;

	sigaction(SIGINT, &own, NULL);
	ck_assert_int_ne(green_system(NULL), 0);
	ck_assert_int_eq(green_system("exit 3"), 3 << 8);
	ck_assert_int_eq(green_system("exec 2>/dev/null; no-such-program-anywhere"), 127 << 8);
	ck_assert_int_eq(green_system("kill -9 $$"), 9);
	ticks = 0;
	ck_assert_int_eq(green_system("sleep 0.3; kill -INT $PPID; true"), 0);
	ck_assert_uint_gt(ticks, 2);
	ck_assert_int_eq(sigchlds, 0);
	sigaction(SIGINT, NULL, &now);
	ck_assert_ptr_eq(now.sa_handler, count_sigchld);
	ticking = false;
	join(ticker);
}
END_TEST

static void *run_long_command(void *unused)
{
	assert_fails(green_system("sleep 60") < 0, ECANCELED);
	return unused;
}

START_TEST(who_is_killed_in_system_takes_the_command_along)
{
	struct greenlet *task = green_spawn(run_long_command, NULL);

	green_sleep(20);
	ck_assert_int_eq(green_kill(task, 15000), 0);
	ck_assert_int_eq(green_destroy(task), 0);
	ck_assert(!children_left());
}
END_TEST

static void start_in_callback(void *unused)
{
	struct green_process *process = shell("sleep 0.2", 0, 0, 0);
	int status;

	(void)unused;
	assert_fails(green_process_wait(process, &status, -1) < 0, EDEADLK);
	assert_fails(green_system("true") < 0, EDEADLK);
	assert_fails(green_waitpid(-1, &status, 0) < 0, EDEADLK);
	green_process_destroy(process);
	ticks++;
}

/* H3, CK6 */
/* CK6: for a child */
START_TEST(h3_nothing_waits_for_a_child_in_a_callback)
{
	struct green_call call;
	pid_t pid = child_that_exits(0, 100);

	green_call_soon(&call, start_in_callback, NULL);
	green_sleep(1);
	ck_assert_uint_eq(ticks, 1);
	ck_assert_int_eq(green_waitpid(pid, NULL, 0), pid);
	while (children_left())
		green_sleep(5);
}
END_TEST

/* --- without descriptors of processes --- */

/* From now on pidfd_open and pidfd_send_signal fail as on an old kernel. */
static void refuse_pidfds(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_LENGTH(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(77);
	if (syscall(SYS_pidfd_open, getpid(), 0) != -1 || errno != ENOSYS)
		_exit(77);
}

static int status_told;

static void note_status(struct green_watcher *watcher, int status)
{
	(void)watcher;
	status_told = status;
}

/* The shell has ended, and nobody has seen it; what it has started goes on. */
static bool a_group_is_reached_without_its_leader(void)
{
	int left[2];
	struct green_process *process = shell_with_children("sleep 60 & echo ready; kill -9 $$", left);
	bool reached;

	if (waitid(P_PID, (id_t)green_process_pid(process), NULL, WEXITED | WNOWAIT))
		return false;
	reached = green_process_kill_group(process, SIGKILL) == 0 && green_wait_fd(left[0], GREEN_READ, 15000) == GREEN_READ;
	green_close(left[0]);
	reached = reached && green_process_wait(process, NULL, -1) == 0;
	green_process_destroy(process);
	return reached;
}

static void without_pidfds(void)
{
	char *sleeping[] = { "sleep", "1000", NULL }, *failing[] = { "sh", "-c", "sleep 0.1; exit 7", NULL };
	struct green_process_options options = { .argv = failing };
	struct green_process *process;
	struct green_watcher watcher;
	int status = 0;
	pid_t pid;

	refuse_pidfds();
	process = green_process_start(&options);
	if (!process || green_process_wait(process, &status, 1) != -1 || errno != ETIMEDOUT)
		_exit(1);
	if (green_process_wait(process, &status, -1) || status != 7 << 8)
		_exit(2);
	green_process_destroy(process);
	options.argv = sleeping;
	process = green_process_start(&options);
	if (!process || green_process_kill(process, SIGTERM) || green_process_wait(process, &status, -1) || status != SIGTERM)
		_exit(3);
	if (green_process_kill(process, SIGTERM) != -1 || errno != ESRCH)
		_exit(4);
	green_process_destroy(process);
	options.group = true;
	process = green_process_start(&options);
	if (!process || green_process_kill_group(process, SIGTERM) || green_process_wait(process, &status, -1) || status != SIGTERM)
		_exit(7);
	if (green_process_kill_group(process, SIGTERM) != -1 || errno != ESRCH)
		_exit(8);
	green_process_destroy(process);
	if (!a_group_is_reached_without_its_leader())
		_exit(10);
	pid = fork();
	if (pid == 0)
		_exit(9);
	if (green_watch_child(&watcher, pid, note_status, NULL) || green_hub_run(20000) || status_told != 9 << 8)
		_exit(5);
	pid = fork();
	if (pid == 0)
		_exit(8);
	if (green_waitpid(pid, &status, 0) != pid || status != 8 << 8)
		_exit(6);
}

START_TEST(n4_children_are_waited_for_where_processes_have_no_descriptors)
{
	int status = in_child(without_pidfds, NULL, 0);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skipped("no filter for system calls can be set");
	else
		ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = suite_begin("process", WITH_HUB);

	if (!processes_have_descriptors()) {
		puts("skipped: there are no descriptors of processes here");
		return 77;
	}

	tcase_add_test(tcase, n4_a_process_is_waited_for_while_others_run);
	tcase_add_test(tcase, n4_any_number_may_wait);
	tcase_add_test(tcase, n4_children_are_waited_for_where_processes_have_no_descriptors);
	tcase_add_test(tcase, n4_why_a_program_cannot_be_started_is_told);
	tcase_add_test(tcase, n4_communicate_writes_and_reads_as_much_as_there_is);
	tcase_add_test(tcase, n4_communicate_goes_on_after_a_timeout);
	tcase_add_test(tcase, a_child_that_does_not_read_its_input_is_no_error);
	tcase_add_test(tcase, n4_pipes_can_be_read_and_written_one_by_one);
	tcase_add_test(tcase, environment_directory_and_descriptors_are_as_asked_for);
	tcase_add_test(tcase, signals_are_as_in_a_fresh_program);
	tcase_add_test(tcase, a_process_can_be_killed_until_it_has_ended);
	tcase_add_test(tcase, a_group_is_killed_with_what_a_shell_has_started);
	tcase_add_test(tcase, a_group_is_killed_after_its_leader);
	tcase_add_test(tcase, a_group_that_has_ended_cannot_be_killed);
	tcase_add_test(tcase, only_the_leader_of_a_group_has_one_to_be_killed);
	tcase_add_test(tcase, c11_a_process_that_somebody_else_reaps_has_status_255);
	tcase_add_test(tcase, a_process_that_is_left_alone_is_reaped);
	tcase_add_test(tcase, a_wait_for_a_process_can_be_cancelled);
	tcase_add_test(tcase, n6_waitpid_waits_for_one_or_any);
	tcase_add_test(tcase, ck19_waitpid_knows_groups_and_stops);
	tcase_add_test(tcase, l11_a_wait_leaves_the_programs_sigchld_alone);
	tcase_add_test(tcase, l11_children_of_process_start_are_not_any_child);
	tcase_add_test(tcase, l12_a_fork_leaves_the_caller_only);
	tcase_add_test(tcase, n5_a_child_of_forkpty_is_one_like_any_other);
	tcase_add_test(tcase, system_is_as_in_the_c_library);
	tcase_add_test(tcase, who_is_killed_in_system_takes_the_command_along);
	tcase_add_test(tcase, h3_nothing_waits_for_a_child_in_a_callback);
	return suite_end();
}
