/* SPDX-License-Identifier: MIT */
/* told.c - what flows of the library's calls share */
#include "told.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "green.h"
#include "plain.h"

long tell_call(const char *call, long result)
{
	int error = errno;

	if (result == -1)
		say("%s: %s", call, error_name(error));
	errno = error;
	return result;
}

bool again(long result)
{
	return result == -1 && (errno == EINTR || errno == ENOBUFS);
}

struct greenlet *task_of(void *(*function)(void *), void *arg)
{
	struct greenlet *task = green_spawn(function, arg);

	tell_call("green_spawn", task ? 0 : -1);
	return task;
}

void *joined(struct greenlet *task)
{
	void *value = NULL;

	if (!task)
		return NULL;
	if (tell_call("green_join", green_join(task, &value, PATIENCE_MS)))
		say("wrong: a task waits for ever");
	green_destroy(task);
	return value;
}

static int descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	if (!directory)
		return -1;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void *naps(void *arg)
{
	return green_sleep(1) ? NULL : arg;
}

/* Whatever failed, the hub can be used; a fault that lasts may forbid it a few times more. */
static void works(void)
{
	for (int i = 0; i < 3; i++) {
		struct greenlet *task = green_spawn(naps, &i);
		void *value = NULL;

		if (task && green_join(task, &value, PATIENCE_MS) == 0 && value == &i) {
			green_destroy(task);
			return;
		}
		if (task)
			green_destroy(task);
	}
	say("hub: of no use any more");
}

static void *in_thread(void *run)
{
	((void (*)(void))run)();
	works();
	return NULL;
}

/* Threads that the library has made end on their own. */
static int descriptors_settled(int before)
{
	int after = descriptors();

	for (int i = 0; i < 2000 && after > before; i++) {
		pause_ms(1);
		after = descriptors();
	}
	return after;
}

void checked(void (*run)(void))
{
	int before = descriptors(), after;
	pthread_t thread;

	must(pthread_create(&thread, NULL, in_thread, (void *)run) == 0, "pthread_create");
	pthread_join(thread, NULL);
	after = before < 0 ? -1 : descriptors_settled(before);
	if (before >= 0 && after >= 0 && before != after)
		say("wrong: %d descriptors are left", after - before);
	if (waitpid(-1, NULL, WNOHANG) >= 0)
		say("wrong: a child is left");
	say("over");
}

static void on_signal(int number)
{
	(void)number;
}

void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}
