/* SPDX-License-Identifier: MIT */
/* debug_console.c - look into a running program: a console, dumps at SIGQUIT, a watch for who computes, errors told */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <green.h>

enum { WORKERS = 3 };

/* A worker that has plenty of time; only who is asked to end does. */
static void *works(void *pause_ms)
{
	while (green_sleep(*(int *)pause_ms) == 0)
		;
	return NULL;
}

/* It computes for so long that nobody else can run meanwhile: the monitor tells. */
static void *computes(void *milliseconds)
{
	int64_t end = green_now() + *(int *)milliseconds * INT64_C(1000000);

	while (green_now() < end)
		;
	return NULL;
}

/* Nobody joins it, so nobody but the hook would ever hear of its error. */
static void *fails(void *unused)
{
	green_throw(green_current(), ENODATA, NULL);
	return unused;
}

static struct greenlet *start(const char *name, void *(*function)(void *), void *argument)
{
	struct greenlet *task = green_spawn(function, argument);

	if (task)
		green_set_name(task, name);
	return task;
}

static int watch(const char *path)
{
	green_set_error_hook(green_report_error, NULL);
	/* Without libunwind there are no stacks, and everything else is as well. */
	green_record(GREEN_RECORD_SPAWN | GREEN_RECORD_ERROR);
	return green_monitor_start(NULL) || green_dump_on_signal(SIGQUIT, STDERR_FILENO, GREEN_DUMP_STACKS) ||
	       green_console_start(path);
}

int main(int argc, char **argv)
{
	static int pauses[WORKERS] = { 50, 500, 5000 }, too_long = 300;
	struct greenlet *workers[WORKERS];
	char name[32];

	if (argc != 2) {
		fprintf(stderr, "usage: debug_console SOCKET   (then: nc -U SOCKET)\n");
		return 2;
	}
	if (watch(argv[1])) {
		perror("debug_console");
		return 1;
	}
	for (int i = 0; i < WORKERS; i++) {
		snprintf(name, sizeof(name), "worker-%d", i + 1);
		workers[i] = start(name, works, &pauses[i]);
	}
	green_destroy(start("careless", fails, NULL));
	green_destroy(start("hog", computes, &too_long));
	printf("process %d waits for `kill` of its three workers on %s\n", (int)getpid(), argv[1]);
	fflush(stdout);
	for (int i = 0; i < WORKERS; i++) {
		if (!workers[i] || green_join(workers[i], NULL, -1))
			return 1;
		green_destroy(workers[i]);
	}
	return green_console_stop() || green_monitor_stop();
}
