/* SPDX-License-Identifier: MIT */
/* life.c - what threads do beside bytes: they begin and end, wait for each other and for time, and start programs */
#include "plain.h"

#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Each failure of a call is said once, by its name. */
static bool fine(const char *call, int error)
{
	if (error)
		say("%s: %s", call, error_name(error));
	return error == 0;
}

static bool succeeded(const char *call, long result)
{
	return fine(call, result == -1 ? errno : 0);
}

static void wrong(const char *what)
{
	say("wrong: %s", what);
	_exit(97);
}

/* --- threads that begin and end --- */

enum { THREADS = 40 };

static atomic_int ran;

/* Touches its stack, its own errno and the heap. */
static void *short_life(void *argument)
{
	char stack[8192];
	char *heap = malloc(100);

	memset(stack, (int)(intptr_t)argument, sizeof(stack));
	errno = (int)(intptr_t)argument;
	sched_yield();
	if (errno != (int)(intptr_t)argument || stack[4000] != (char)(intptr_t)argument)
		wrong("a thread's own memory is another's");
	free(heap);
	atomic_fetch_add(&ran, 1);
	return argument;
}

static void threads(void)
{
	pthread_t made[THREADS];
	bool exists[THREADS];
	pthread_attr_t sizes;
	int count = 0;

	pthread_attr_init(&sizes);
	for (int i = 0; i < THREADS; i++) {
		int error;

		pthread_attr_setstacksize(&sizes, (size_t)(1 + i % 5) * 65536);
		error = pthread_create(&made[i], i % 2 ? &sizes : NULL, short_life, (void *)(intptr_t)i);
		exists[i] = fine("pthread_create", error);
		count += exists[i];
		if (i % 7 == 6)
			sched_yield();
	}
	for (int i = 0; i < THREADS; i++) {
		void *result = NULL;

		if (exists[i] && (pthread_join(made[i], &result) || result != (void *)(intptr_t)i))
			wrong("a thread's result");
	}
	if (ran != count)
		wrong("a thread that was made did not run, or one ran that was not");
	say("threads: %d of %d", count, THREADS);
}

/* --- locks --- */

enum { TURNS = 300, TAKERS = 4 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static sem_t tokens;
static pthread_barrier_t all_here;
static int turn, guarded;

static void *take_turns(void *argument)
{
	int own = (int)(intptr_t)argument;

	pthread_barrier_wait(&all_here);
	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % TAKERS != own)
			pthread_cond_wait(&turned, &mutex);
		turn++;
		pthread_cond_broadcast(&turned);
		pthread_mutex_unlock(&mutex);
		while (!succeeded("sem_wait", sem_wait(&tokens)))
			;
		pthread_rwlock_wrlock(&shared);
		guarded++;
		sched_yield();
		pthread_rwlock_unlock(&shared);
		sem_post(&tokens);
	}
	return NULL;
}

static void locks(void)
{
	pthread_t takers[TAKERS];

	sem_init(&tokens, 0, 2);
	pthread_barrier_init(&all_here, NULL, TAKERS);
	for (int i = 0; i < TAKERS; i++)
		takers[i] = spawn(take_turns, (void *)(intptr_t)i);
	for (int i = 0; i < TAKERS; i++)
		join(takers[i]);
	if (turn != TURNS * TAKERS || guarded != TURNS * TAKERS)
		wrong("a turn was lost or doubled");
	say("turns: %d of %d", turn, TURNS * TAKERS);
}

/* --- time --- */

enum { NAP_MS = 20 };

/* A wait that did not fail lasted as long as it was to. */
static void in_time(const char *what, double since, bool whole)
{
	if (whole && now() - since < NAP_MS / 1e3 - 0.001)
		wrong(what);
}

static void *wait_for_nobody(void *unused)
{
	struct timespec until = after_ms(CLOCK_REALTIME, NAP_MS), nap = { 0, NAP_MS * 1000000 };
	double since = now();
	int error;

	pthread_mutex_lock(&mutex);
	while ((error = pthread_cond_timedwait(&turned, &mutex, &until)) == 0)
		;
	pthread_mutex_unlock(&mutex);
	in_time("pthread_cond_timedwait", since, error == ETIMEDOUT);
	since = now();
	in_time("nanosleep", since, succeeded("nanosleep", nanosleep(&nap, NULL)));
	since = now();
	in_time("clock_nanosleep", since, fine("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL)));
	since = now();
	in_time("usleep", since, succeeded("usleep", usleep(NAP_MS * 1000)));
	return unused;
}

static void *wait_for_token(void *unused)
{
	struct timespec until = after_ms(CLOCK_REALTIME, NAP_MS);
	double since = now();

	if (sem_timedwait(&tokens, &until) == 0)
		wrong("a token from nowhere");
	in_time("sem_timedwait", since, errno == ETIMEDOUT);
	if (errno != ETIMEDOUT)
		succeeded("sem_timedwait", -1);
	return unused;
}

static void *wait_for_timerfd(void *unused)
{
	struct itimerspec nap = { .it_value = { 0, NAP_MS * 1000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	double since = now();
	uint64_t count;

	if (!succeeded("timerfd_create", fd))
		return unused;
	if (!succeeded("timerfd_settime", timerfd_settime(fd, 0, &nap, NULL)))
		return unused;
	in_time("a timer's descriptor", since, succeeded("read", read(fd, &count, sizeof(count))));
	close(fd);
	return unused;
}

static void naps(void)
{
	static void *(*const waits[])(void *) = { wait_for_nobody, wait_for_token, wait_for_timerfd };
	pthread_t threads[3];

	sem_init(&tokens, 0, 0);
	for (int i = 0; i < 3; i++)
		threads[i] = spawn(waits[i], NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("naps: over");
}

/* --- timers that call --- */

static sem_t called;

static void on_timer(union sigval value)
{
	if (value.sival_int != 7)
		wrong("the value of a timer");
	sem_post(&called);
}

static void *computes(void *stop)
{
	volatile unsigned long sum = 0;

	while (!atomic_load((atomic_int *)stop))
		sum++;
	return NULL;
}

/* Beside a thread that never waits, so that the tick is at work too. */
static void timers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer };
	struct itimerspec period = { { 0, 10000000 }, { 0, 10000000 } };
	atomic_int stop = 0;
	pthread_t busy;
	timer_t timer;

	sem_init(&called, 0, 0);
	event.sigev_value.sival_int = 7;
	busy = spawn(computes, &stop);
	if (succeeded("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer))) {
		if (succeeded("timer_settime", timer_settime(timer, 0, &period, NULL))) {
			for (int i = 0; i < 5; i++) {
				while (!succeeded("sem_wait", sem_wait(&called)))
					;
			}
		}
		timer_delete(timer);
	}
	atomic_store(&stop, 1);
	join(busy);
	say("timers: called");
}

/* --- programs --- */

static void told(const char *what, int status)
{
	if (status != 3 << 8)
		say("%s: status 0x%x", what, status);
}

static void wait_for(const char *what, pid_t pid)
{
	int status;

	while (!succeeded("waitpid", waitpid(pid, &status, 0))) {
		if (errno != EINTR)
			return;
	}
	told(what, status);
}

static void *writes_late(void *argument)
{
	pause_ms(2);
	must(write_full(*(int *)argument, "x", 1) == 1, "write");
	return NULL;
}

/* The child has threads of its own, who wait for each other. */
static void child_of_fork(void)
{
	int ends[2];
	char byte = 0;
	pthread_t thread;

	must(pipe(ends) == 0, "pipe");
	thread = spawn(writes_late, &ends[1]);
	must(read_full(ends[0], &byte, 1) == 1, "read");
	join(thread);
	join(spawn(short_life, (void *)1));
	_exit(byte == 'x' ? 3 : 4);
}

static void *forks(void *unused)
{
	pid_t pid = fork();

	if (!succeeded("fork", pid))
		return unused;
	if (pid == 0)
		child_of_fork();
	wait_for("fork", pid);
	return unused;
}

/* Nothing else, so that what fails in the child is the child's. */
static void child(void)
{
	join(spawn(forks, NULL));
	say("child: over");
}

static void *spawns(void *unused)
{
	char *words[] = { "sh", "-c", "exit 3", NULL };
	pid_t pid;

	if (fine("posix_spawn", posix_spawnp(&pid, "sh", NULL, NULL, words, environ)))
		wait_for("posix_spawn", pid);
	return unused;
}

static void *commands(void *unused)
{
	int status = system("exit 3");

	if (status == -1)
		succeeded("system", -1);
	else
		told("system", status);
	return unused;
}

static void *pipes(void *unused)
{
	FILE *from = popen("echo a line; exit 3", "r");
	char line[64] = "";
	int status;

	if (!from) {
		succeeded("popen", -1);
		return unused;
	}
	if (!fgets(line, sizeof(line), from))
		fine("fgets", ferror(from) ? errno : 0);
	else if (strcmp(line, "a line\n"))
		wrong("a line of a command");
	status = pclose(from);
	if (status == -1)
		succeeded("pclose", -1);
	else
		told("popen", status);
	return unused;
}

static void programs(void)
{
	static void *(*const ways[])(void *) = { forks, spawns, commands, pipes };
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = spawn(ways[i], NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("programs: over");
}

/* --- names, files and memory --- */

static void *looks_up(void *unused)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
	int error = getaddrinfo("localhost", "80", &hints, &found);

	if (error == EAI_SYSTEM)
		succeeded("getaddrinfo", -1);
	else if (error)
		say("getaddrinfo: %s", gai_strerror(error));
	else
		freeaddrinfo(found);
	return unused;
}

static void names(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(looks_up, NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("names: over");
}

static char path[] = "/tmp/green-faults-XXXXXX";
static atomic_int inside;

static void *locks_file(void *argument)
{
	int number = (int)(intptr_t)argument, fd = open(path, O_RDWR | O_CLOEXEC);
	char text[8] = "";

	if (!succeeded("open", fd))
		return NULL;
	for (int i = 0; i < 5; i++) {
		if (!succeeded("flock", flock(fd, LOCK_EX)))
			continue;
		if (atomic_fetch_add(&inside, 1))
			wrong("two hold one lock");
		succeeded("pwrite", pwrite(fd, "text", 4, 10 * number));
		succeeded("pread", pread(fd, text, 4, 10 * number));
		succeeded("fsync", fsync(fd));
		atomic_fetch_sub(&inside, 1);
		flock(fd, LOCK_UN);
		sched_yield();
	}
	close(fd);
	return NULL;
}

static void files(void)
{
	pthread_t threads[3];
	int fd = mkstemp(path);

	must(fd != -1, "mkstemp");
	for (int i = 0; i < 3; i++)
		threads[i] = spawn(locks_file, (void *)(intptr_t)i);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	unlink(path);
	say("files: over");
}

/* Blocks of all sizes that nobody else writes to. */
static void *allocates(void *argument)
{
	unsigned char *blocks[64] = { NULL };
	size_t sizes[64] = { 0 };
	unsigned random = (unsigned)(intptr_t)argument;

	for (int i = 0; i < 600; i++) {
		size_t at = (random = random * 1103515245 + 12345) / 65536 % 64;

		for (size_t k = 0; k < sizes[at]; k += 100) {
			if (blocks[at][k] != (unsigned char)(at + (size_t)argument))
				wrong("a block of memory is not its owner's");
		}
		free(blocks[at]);
		sizes[at] = random / 65536 % 10 ? random / 65536 % 4000 : 300000;
		blocks[at] = malloc(sizes[at]);
		if (!blocks[at]) {
			fine("malloc", errno);
			sizes[at] = 0;
		}
		memset(blocks[at], (int)(at + (size_t)argument), sizes[at]);
		if (i % 50 == 0)
			sched_yield();
	}
	for (size_t at = 0; at < 64; at++)
		free(blocks[at]);
	return NULL;
}

static void memory(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(allocates, (void *)(intptr_t)(i + 1));
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("memory: over");
}

static const struct plain_case cases[] = {
	{ "threads", threads, THREADS },
	{ "locks", locks, TAKERS },
	{ "naps", naps, 3 },
	{ "timers", timers, 1 },
	{ "child", child, 1 },
	{ "programs", programs, 4 },
	{ "names", names, 3 },
	{ "files", files, 3 },
	{ "memory", memory, 3 },
	{ NULL, NULL, 0 },
};

static void on_signal(int number)
{
	(void)number;
}

/* A signal that comes ends what waits, as it is not restarted. */
int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
	return plain_main(argc, argv, cases);
}
