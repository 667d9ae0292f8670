/* SPDX-License-Identifier: MIT */
/* workers.c - threads of libraries that are to stay kernel threads, beside the program's: dl_workers.c, dl_crew.cpp */
#include "plain.h"

#include <dlfcn.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static volatile int over;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, counter;
static volatile int progress; /* of threads that tick */

/* --- the library --- */

static void *module_symbol(const char *module, const char *name)
{
	const char *directory = getenv("PLAIN_MODULES");
	char path[1024];
	void *loaded;

	snprintf(path, sizeof(path), "%s/%s.so", directory ? directory : ".", module);
	loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	must(loaded != NULL, path);
	loaded = dlsym(loaded, name);
	must(loaded != NULL, name);
	return loaded;
}

static pthread_t hire_with(const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
	int (*hire_one)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	pthread_t id;

	*(void **)&hire_one = module_symbol("dl_workers", "workers_spawn");
	must(hire_one(&id, attributes, body, argument) == 0, "workers_spawn");
	return id;
}

static pthread_t hire(void *(*body)(void *), void *argument)
{
	return hire_with(NULL, body, argument);
}

static void sleep_past_libc(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "0"((long)SYS_nanosleep), "D"(&time), "S"(NULL) : "rcx", "r11", "memory");
}

/* --- they hold up nobody --- */

enum { ENOUGH = 20, SECONDS = 6 };

/* In a call that nobody sees, until the others have gone on, or for so long that they cannot have. */
static void block_until_progress(void)
{
	double begin = now();

	progress = 0;
	while (progress < ENOUGH && now() - begin < SECONDS)
		sleep_past_libc(50);
}

static const char *fate(void)
{
	return progress >= ENOUGH ? "went on" : "was held up";
}

static void *burn(void *argument)
{
	while (!over)
		;
	return argument;
}

static void *block(void *argument)
{
	block_until_progress();
	over = 1;
	return argument;
}

static void *tick(void *argument)
{
	while (!over) {
		pause_ms(5);
		__atomic_add_fetch(&progress, 1, __ATOMIC_RELAXED);
	}
	return argument;
}

static void blocking(void)
{
	pthread_t first = spawn(tick, NULL), second = spawn(tick, NULL);
	pthread_t worker = hire(block, "blocked");

	say("joined: %s", (char *)join(worker));
	join(first);
	join(second);
	say("the other one %s", fate());
}

static void burning(void)
{
	pthread_t workers[2] = { hire(burn, "one"), hire(burn, "two") };
	pthread_t ticking = spawn(tick, NULL);

	for (double begin = now(); progress < ENOUGH && now() - begin < SECONDS;)
		pause_ms(10);
	over = 1;
	say("burnt: %s, %s", (char *)join(workers[0]), (char *)join(workers[1]));
	join(ticking);
	say("the other %s", fate());
}

/* A thread that joins a worker parks: the worker waits for what a third thread does later. */
static sem_t posted;

static void *wait_for_post(void *argument)
{
	sem_wait(&posted);
	return argument;
}

static void *join_worker(void *worker)
{
	return join(*(pthread_t *)worker);
}

static void joining(void)
{
	sem_init(&posted, 0, 0);
	pthread_t worker = hire(wait_for_post, "posted");
	pthread_t joiner = spawn(join_worker, &worker);
	pause_ms(20);
	say("tryjoin: %s", error_name(pthread_tryjoin_np(joiner, NULL)));
	sem_post(&posted);
	say("joined: %s", (char *)join(joiner));
}

static void *quick(void *argument)
{
	pause_ms(20);
	return argument;
}

/* U9: a kernel thread waits for green ones */
static void joins_green(void)
{
	pthread_t green = spawn(quick, "green");
	pthread_t worker = hire(join_worker, &green);

	say("joined: %s", (char *)join(worker));
}

/* --- locks between them --- */

enum { ROUNDS = 500 };

static void *take_turns(void *mine)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < ROUNDS; i++) {
		while (turn != *(int *)mine)
			pthread_cond_wait(&changed, &lock);
		turn = (turn + 1) % 3;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	return mine;
}

static void turns(void)
{
	int numbers[] = { 0, 1, 2 };
	pthread_t threads[] = { spawn(take_turns, &numbers[0]), hire(take_turns, &numbers[1]), spawn(take_turns, &numbers[2]) };

	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("turn %d after %d rounds", turn, ROUNDS);
}

static void *count_up(void *argument)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	return argument;
}

static void counting(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = i % 2 ? hire(count_up, NULL) : spawn(count_up, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("counted %d", counter);
}

/* A worker holds the lock in a call that nobody sees; the others wait without holding up a third. */
static void *hold(void *argument)
{
	pthread_mutex_lock(&lock);
	sem_post(&posted);
	block_until_progress();
	pthread_mutex_unlock(&lock);
	return argument;
}

static void *want(void *argument)
{
	pthread_mutex_lock(&lock);
	over = 1;
	pthread_mutex_unlock(&lock);
	return argument;
}

static void holding(void)
{
	sem_init(&posted, 0, 0);
	pthread_t worker = hire(hold, NULL);
	sem_wait(&posted);
	pthread_t wanting = spawn(want, NULL), ticking = spawn(tick, NULL);
	join(worker);
	join(wanting);
	join(ticking);
	say("the third %s", fate());
}

/* A worker holds the lock, and gives it up for the first time in the wait for a condition, inside libc. */
static void *hold_and_wait(void *argument)
{
	pthread_mutex_lock(&lock);
	sem_post(&posted);
	sleep_past_libc(50);
	while (turn == 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return argument;
}

static void *want_and_signal(void *argument)
{
	pthread_mutex_lock(&lock);
	turn = 1;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	return argument;
}

static void first_wait(void)
{
	sem_init(&posted, 0, 0);
	pthread_t worker = hire(hold_and_wait, NULL);
	sem_wait(&posted);
	pthread_t wanting = spawn(want_and_signal, NULL);
	join(wanting);
	join(worker);
	say("turn %d", turn);
}

static pthread_barrier_t barrier;
static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;

static void *meet(void *argument)
{
	int serial = 0;

	for (int i = 0; i < 50; i++) {
		serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
		pthread_rwlock_wrlock(&shared);
		counter++;
		pthread_rwlock_unlock(&shared);
		pthread_rwlock_rdlock(&shared);
		pthread_rwlock_unlock(&shared);
	}
	pthread_rwlock_wrlock(&shared);
	turn += serial;
	pthread_rwlock_unlock(&shared);
	return argument;
}

static void meeting(void)
{
	pthread_t threads[4];

	pthread_barrier_init(&barrier, NULL, 4);
	for (int i = 0; i < 4; i++)
		threads[i] = i % 2 ? hire(meet, NULL) : spawn(meet, NULL);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	say("met %d times, counted %d", turn, counter);
}

/* --- how they begin and end --- */

static pthread_key_t key;

static void on_key(void *value)
{
	say("destructor of %s", (char *)value);
}

static void *leave(void *argument)
{
	pthread_setspecific(key, argument);
	pthread_exit("left");
	return argument;
}

static void *stay(void *argument)
{
	pthread_setspecific(key, argument);
	for (;;)
		pause();
	return argument;
}

static void ends(void)
{
	pthread_t green = spawn(quick, NULL), worker;
	void *result;
	int error;

	pthread_key_create(&key, on_key);
	say("pthread_exit: %s", (char *)join(hire(leave, "one that leaves")));
	worker = hire(stay, "one that is cancelled");
	pause_ms(30);
	error = pthread_cancel(worker);
	say("join: %s", error_name(pthread_join(worker, &result)));
	say("pthread_cancel: %s", error_name(error));
	say("%s", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
	join(green);
}

static pthread_t green_main;

static void *outlive(void *argument)
{
	say("join of main: %s", error_name(pthread_join(green_main, NULL)));
	pause_ms(100);
	say("the last one ends");
	return argument;
}

static void *detached(void *argument)
{
	pause_ms(150);
	say("detached, and later");
	return argument;
}

/* The process lasts as long as its last thread. */
static void outlives_main(void)
{
	pthread_attr_t attributes;
	sigset_t set;

	sigemptyset(&set);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	green_main = pthread_self();
	join(spawn(quick, NULL));
	hire(outlive, NULL);
	hire_with(&attributes, detached, NULL);
	pthread_exit(NULL);
}

static void *beget(void *argument)
{
	pthread_t threads[] = { hire(quick, "of the library"), spawn(quick, "of the program") };

	say("a worker's: %s, %s", (char *)join(threads[0]), (char *)join(threads[1]));
	return argument;
}

static void begetting(void)
{
	pthread_t green = spawn(quick, NULL);

	join(hire(beget, NULL));
	join(green);
}

static void forking(void)
{
	pthread_t worker = hire(burn, NULL), green = spawn(quick, NULL);
	pid_t child = fork();

	if (child == 0) {
		join(spawn(quick, NULL));
		say("in the child: %s", (char *)join(hire(quick, "a worker")));
		exit(7);
	}
	reap("child", child);
	over = 1;
	join(worker);
	join(green);
}

/* --- signals --- */

static void on_signal(int number)
{
	(void)number;
	over = 1;
}

static void *tell_mask(void *argument)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	say("it blocks USR1 %d, USR2 %d, TERM %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2),
	    sigismember(&set, SIGTERM));
	sem_post(&posted);
	while (!over)
		sleep_past_libc(10);
	return argument;
}

static void signalling(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t green = spawn(quick, NULL), worker;
	sigset_t set;

	sem_init(&posted, 0, 0);
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	worker = hire(tell_mask, NULL);
	sem_wait(&posted);
	say("pthread_kill: %s", error_name(pthread_kill(worker, SIGUSR1)));
	join(worker);
	join(green);
	say("it was told");
}

/* --- threads that another library makes for it --- */

static void *tell_id(void *kernel)
{
	*(pid_t *)kernel = (pid_t)syscall(SYS_gettid);
	block_until_progress();
	over = 1;
	return kernel;
}

static void of_c11(void)
{
	int (*hire_one)(thrd_t *, void *(*)(void *), void *);
	int result;
	pid_t kernel;
	thrd_t id;

	*(void **)&hire_one = module_symbol("dl_workers", "workers_spawn_c11");
	pthread_t ticking = spawn(tick, NULL);
	must(hire_one(&id, tell_id, &kernel) == thrd_success, "workers_spawn_c11");
	must(thrd_join(id, &result) == thrd_success, "thrd_join");
	join(ticking);
	say("returned %d, the other %s", result, fate());
}

static void of_cxx(void)
{
	void (*crew_run)(void *(*)(void *), void *);
	pid_t kernel;

	*(void **)&crew_run = module_symbol("dl_crew", "crew_run");
	pthread_t ticking = spawn(tick, NULL);
	crew_run(tell_id, &kernel);
	join(ticking);
	say("the other %s", fate());
}

/* The worker is there before any green thread. */
static void comes_first(void)
{
	pthread_t worker = hire(take_turns, &(int){ 1 });
	int numbers[] = { 0, 2 };
	pthread_t threads[] = { spawn(take_turns, &numbers[0]), spawn(take_turns, &numbers[1]) };

	join(threads[0]);
	join(threads[1]);
	join(worker);
	say("turn %d", turn);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "blocking", blocking, 1 },
		{ "burning", burning, 2 },
		{ "joining", joining, 1 },
		{ "joins_green", joins_green, 1 },
		{ "turns", turns, 1 },
		{ "counting", counting, 2 },
		{ "holding", holding, 1 },
		{ "first_wait", first_wait, 1 },
		{ "meeting", meeting, 2 },
		{ "ends", ends, 2 },
		{ "outlives_main", outlives_main, 2 },
		{ "begetting", begetting, 3 },
		{ "forking", forking, 1 },
		{ "signalling", signalling, 1 },
		{ "of_c11", of_c11, 1 },
		{ "of_cxx", of_cxx, 1 },
		{ "comes_first", comes_first, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
