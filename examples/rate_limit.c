/* SPDX-License-Identifier: MIT */
/*
 * rate_limit.c - runs commands, so many at a time and so many a second
 *
 * A mapping lets the members of a pool run a job each.  Who has a place in the pool takes a token from a bucket that
 * fills at the rate, and only then starts its process, so jobs start neither too many at once nor too fast.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <green.h>

#include "input.h"
#include "options.h"

enum {
	MAX_LINE = 65536,
	AHEAD = 1000,     /* jobs that with --keep-order may have ended behind one that has not */
	GRACE_MS = 2000,  /* between SIGTERM and SIGKILL */
	LAST_MS = 1000,   /* after SIGKILL, for the rest of the output */
};

struct job {
	struct job *next;
	unsigned number;
	bool begun;
	int status;               /* as of waitpid(2) */
	int error;                /* 0, or why it was not run, or not to its end; ECANCELED from the start */
	struct green_text out, err;
	char command[];
};

static unsigned at_once = 4, rate, burst = 1;
static int per_ms = 1000, timeout_ms;
static bool keep_order;
static struct job *untold, **last = &untold; /* read, but not yet told about, the oldest first */
static unsigned jobs, failed;
static int signal_number;

/* --- the bucket --- */

static struct {
	struct green_mutex lock;  /* who waits for the next token; the others stand behind, first come first served */
	double tokens;
	int64_t filled_at;
} bucket;

static void fill_bucket(void)
{
	int64_t now = green_now();

	bucket.tokens += (double)(now - bucket.filled_at) / 1e6 * rate / per_ms;
	if (bucket.tokens > burst)
		bucket.tokens = burst;
	bucket.filled_at = now;
}

/* Within any time T at most burst + rate * T are taken, however late a sleeper wakes. */
static int take_token(void)
{
	int result = 0;

	if (!rate)
		return 0;
	if (green_mutex_lock(&bucket.lock, -1) < 0)
		return -1;
	fill_bucket();
	while (result == 0 && bucket.tokens < 1) {
		result = green_sleep((int)((1 - bucket.tokens) * per_ms / rate) + 1);
		fill_bucket();
	}
	if (result == 0)
		bucket.tokens -= 1;
	green_mutex_unlock(&bucket.lock);
	return result;
}

/* --- one job, in a task of its own --- */

/* What a job has started belongs to its process group, whose number is not given to others as long as there is anybody in it. */
static void signal_group(struct green_process *process, int number)
{
	kill(-green_process_pid(process), number);
}

static int left_ms(int64_t end)
{
	int64_t left = (end - green_now()) / 1000000;

	return end < 0 ? -1 : left > 0 ? (int)left : 0;
}

/* All of its output, and its end, within MILLISECONDS. */
static int follow(struct job *job, struct green_process *process, int milliseconds)
{
	int64_t end = milliseconds < 0 ? -1 : green_now() + milliseconds * INT64_C(1000000);

	if (!job->out.bytes && green_process_communicate(process, NULL, 0, &job->out, &job->err, milliseconds) < 0)
		return -1;
	return green_process_wait(process, &job->status, left_ms(end));
}

/* Somebody who has left the group still holds its output: what has come until now is enough. */
static void let_go(struct job *job, struct green_process *process)
{
	green_process_close(process, 1);
	green_process_close(process, 2);
	follow(job, process, -1);
}

/* Out of time, or nobody wants it any more: what it has said until then is kept. */
static void end_job(struct job *job, struct green_process *process)
{
	green_hold_errors();
	signal_group(process, SIGTERM);
	if (follow(job, process, GRACE_MS) < 0) {
		signal_group(process, SIGKILL);
		if (follow(job, process, LAST_MS) < 0)
			let_go(job, process);
	}
	green_release_errors();
}

static struct green_process *start(struct job *job)
{
	char *argv[] = { "/bin/sh", "-c", job->command, NULL };

	return green_process_start(&(struct green_process_options){
		.argv = argv, .in = GREEN_NULL, .out = GREEN_PIPE, .err = GREEN_PIPE, .group = true });
}

static void *run_job(void *argument)
{
	struct job *job = argument;
	struct green_process *process = take_token() == 0 ? start(job) : NULL;

	job->begun = process;
	job->error = process && follow(job, process, timeout_ms ? timeout_ms : -1) == 0 ? 0 : errno;
	if (process && job->error)
		end_job(job, process);
	green_process_destroy(process);
	return job;
}

/* --- input --- */

static struct job *add(const char *command)
{
	struct job *job = calloc(1, sizeof(*job) + strlen(command) + 1);

	if (job) {
		strcpy(job->command, command);
		job->number = ++jobs;
		job->error = ECANCELED;
		*last = job;
		last = &job->next;
	}
	return job;
}

/* The source of the mapping. */
static int next_job(void *input, void **item)
{
	static char line[MAX_LINE];
	ssize_t size = input_line(input, line, sizeof(line));

	if (size <= 0)
		return (int)size;
	*item = add(line);
	return *item ? 1 : -1;
}

/* --- output --- */

static void tell_trouble(const struct job *job)
{
	const char *what = job->error == ETIMEDOUT ? "timed out" : job->error != ECANCELED ? strerror(job->error) :
			   job->begun ? "ended before its time" : "not begun";

	fprintf(stderr, "rate_limit: job %u: ", job->number);
	if (job->error)
		fprintf(stderr, "%s", what);
	else if (WIFSIGNALED(job->status))
		fprintf(stderr, "signal %d", WTERMSIG(job->status));
	else
		fprintf(stderr, "exit status %d", WEXITSTATUS(job->status));
	fprintf(stderr, ": %s\n", job->command);
}

/* Nobody else writes meanwhile, so each job's output stays in one piece; who reads it slowly keeps no job waiting. */
static void tell(const struct job *job)
{
	if (job->out.size)
		green_write(STDOUT_FILENO, job->out.bytes, job->out.size);
	if (job->err.size)
		green_write(STDERR_FILENO, job->err.bytes, job->err.size);
	if (!job->error && !job->status)
		return;
	failed++;
	tell_trouble(job);
}

static void finish(struct job *job)
{
	struct job **place = &untold;

	while (*place != job)
		place = &(*place)->next;
	*place = job->next;
	if (last == &job->next)
		last = place;
	tell(job);
	free(job->out.bytes);
	free(job->err.bytes);
	free(job);
}

/* --- all of them --- */

static void interrupt(int number, void *main_greenlet)
{
	signal_number = number;
	green_cancel(main_greenlet);
}

static int run_all(struct green_stream *input)
{
	struct green_group *pool = green_group_create(at_once);
	enum green_mapping_order order = keep_order ? GREEN_ORDERED : GREEN_UNORDERED;
	size_t ahead = at_once + (keep_order ? AHEAD : 0);
	struct green_mapping *mapping = pool ? green_mapping_create(pool, run_job, next_job, input, order, ahead) : NULL;
	void *job;
	int got, error;

	if (!mapping)
		return errno;
	while ((got = green_mapping_next(mapping, &job, -1)) > 0)
		finish(job);
	error = got < 0 ? errno : 0;
	green_error_clear();
	green_mapping_destroy(mapping); /* no child is left after this */
	green_group_destroy(pool);
	while (untold)
		finish(untold);
	return error;
}

static const struct program program = {
	.name = "rate_limit",
	.arguments = "[FILE]",
	.what = "Runs the commands in FILE, or those that are typed, one in each line, by the shell.  What a command prints comes in\n"
		"one piece when it has ended.  Ends with 0 if all ended with 0; Ctrl-C ends them all.",
	.max_arguments = 1,
	.options = (const struct option[]){
		{ "at-once", "how many run at the same time", .number = &at_once, .least = 1, .most = 10000 },
		{ "rate", "how many are started in each period; 0: as many as can be", .number = &rate, .most = 1000000 },
		{ "per", "seconds of such a period", .seconds_ms = &per_ms },
		{ "burst", "how many may be started at once after a while without any", .number = &burst, .least = 1, .most = 1000000 },
		{ "timeout", "seconds for each; 0: no limit", .seconds_ms = &timeout_ms },
		{ "keep-order", "print what they print in the order of the commands", .flag = &keep_order },
		{ 0 } },
};

int main(int argc, char **argv)
{
	struct green_stream *input;
	int count, error;

	options_parse(&program, argc, argv, &count);
	if (per_ms <= 0)
		options_refuse(&program, "--per", "must be more than 0");
	input = input_open(count ? argv[0] : NULL);
	bucket.tokens = burst;
	bucket.filled_at = green_now();
	green_signal_task(SIGINT, interrupt, green_current());
	green_signal_task(SIGTERM, interrupt, green_current());
	green_signal_task(SIGPIPE, interrupt, green_current()); /* nobody reads the output any more */
	error = run_all(input);
	green_stream_destroy(input);
	if (signal_number)
		return 128 + signal_number;
	if (error)
		fprintf(stderr, "rate_limit: %s\n", strerror(error));
	return error || failed;
}
