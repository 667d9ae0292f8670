/* SPDX-License-Identifier: MIT */
/* fork.c - fork in programs with threads: handlers and their order, who is left, what the child can do */
#include "posix.h"

#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Every handler adds its digit, for lines of child and parent would come in any order. */
static int order;

static void order_prepare_1(void) { order = 10 * order + 1; }
static void order_prepare_2(void) { order = 10 * order + 2; }
static void order_parent_1(void) { order = 10 * order + 3; }
static void order_parent_2(void) { order = 10 * order + 4; }
static void order_child_1(void) { order = 10 * order + 5; }
static void order_child_2(void) { order = 10 * order + 6; }

static void handlers(void)
{
	pid_t pid;

	tell("atfork", pthread_atfork(order_prepare_1, order_parent_1, order_child_1));
	tell("atfork", pthread_atfork(NULL, NULL, NULL));
	tell("atfork", pthread_atfork(order_prepare_2, order_parent_2, order_child_2));
	tell("atfork", pthread_atfork(order_prepare_2, NULL, NULL));
	pid = fork();
	if (pid == 0) {
		say("order in the child %d", order);
		_exit(0);
	}
	reap("child", pid);
	say("order in the parent %d", order);
}

static int counts[3];

static void count_prepare(void) { counts[0]++; }
static void count_parent(void) { counts[1]++; }
static void count_child(void) { counts[2]++; }

static void nothing(void *unused)
{
	(void)unused;
	_exit(counts[0] * 16 + counts[2]);
}

static void handlers_counted(void)
{
	tell("atfork", pthread_atfork(count_prepare, count_parent, count_child));
	for (int i = 0; i < 3; i++)
		reap("child", child_of(nothing, NULL));
	say("prepare %d, parent %d, child %d", counts[0], counts[1], counts[2]);
}

/* Neither _Fork nor vfork runs them; posix_spawn and system do not either. */
static void without_handlers(void)
{
	pid_t pid;

	tell("atfork", pthread_atfork(count_prepare, count_parent, count_child));
	pid = _Fork();
	if (pid == 0)
		_exit(counts[0] * 16 + counts[2]);
	reap("_Fork", pid);
	pid = vfork();
	if (pid == 0)
		_exit(3);
	reap("vfork", pid);
	say("system %d", system("exit 5") >> 8);
	say("prepare %d, parent %d, child %d", counts[0], counts[1], counts[2]);
}

/* --- who is left --- */

static int stage;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *count_on(void *unused)
{
	for (;;) {
		__atomic_fetch_add(&stage, 1, __ATOMIC_SEQ_CST);
		pause_ms(1);
	}
	return unused;
}

static int tasks(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	int count = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "Threads: %d", &count);
	if (file)
		fclose(file);
	return count;
}

static void look_in_child(void *unused)
{
	int before = __atomic_load_n(&stage, __ATOMIC_SEQ_CST);

	(void)unused;
	pause_ms(50);
	tell_truth("the others stand still", before == __atomic_load_n(&stage, __ATOMIC_SEQ_CST));
	say("threads of the child: %d", tasks());
	tell_truth("its number is the process's", gettid() == getpid());
}

static void only_the_caller(void)
{
	spawn(count_on, NULL);
	spawn(count_on, NULL);
	pause_ms(20);
	reap("child", child_of(look_in_child, NULL));
}

static void *work_in_child(void *argument)
{
	pause_ms(5);
	return argument;
}

static pthread_t forker;

static void threads_in_child(void *unused)
{
	long sum = 0;

	(void)unused;
	tell_truth("self is unchanged", pthread_equal(pthread_self(), forker));
	for (long i = 0; i < 10; i++)
		sum += (long)in_thread(work_in_child, (void *)i);
	say("sum %ld", sum);
}

static void threads_of_the_child(void)
{
	forker = pthread_self();
	reap("child", child_of(threads_in_child, NULL));
}

static void grandchildren(void *depth)
{
	long left = (long)depth;

	in_thread(work_in_child, NULL);
	if (left)
		reap("child", child_of(grandchildren, (void *)(left - 1)));
}

static void generations(void)
{
	grandchildren((void *)3L);
}

/* The one thread that is left is the child's first: when it returns the child ends. */
static void *fork_and_return(void *argument)
{
	pid_t *pid = argument;

	*pid = fork();
	if (*pid == 0)
		say("the child's thread returns");
	return NULL;
}

static void returning_thread(void)
{
	pid_t before = getpid(), pid = -1;

	in_thread(fork_and_return, &pid);
	if (getpid() != before)
		say("never here");
	reap("child", pid);
}

static void *fork_and_exit(void *argument)
{
	pid_t *pid = argument;

	*pid = fork();
	if (*pid == 0)
		pthread_exit((void *)7L);
	return NULL;
}

static void exiting_thread(void)
{
	pid_t pid = -1;

	in_thread(fork_and_exit, &pid);
	reap("child", pid);
}

static void say_end(void)
{
	say("exit handler");
}

static void *fork_and_wait(void *unused)
{
	pid_t pid = fork();

	if (pid == 0) {
		atexit(say_end);
		exit(6);
	}
	reap("child", pid);
	return unused;
}

static void exit_of_child(void)
{
	in_thread(fork_and_wait, NULL);
}

/* --- state --- */

static void locked_in_child(void *unused)
{
	(void)unused;
	tell("trylock", pthread_mutex_trylock(&lock));
	tell("unlock", pthread_mutex_unlock(&lock));
	tell("trylock", pthread_mutex_trylock(&lock));
}

static void held_mutex(void)
{
	pthread_mutex_lock(&lock);
	reap("child", child_of(locked_in_child, NULL));
	tell("unlock", pthread_mutex_unlock(&lock));
}

static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

/* glibc names owners by number, so what the parent held the child does not own. */
static void owner_in_child(void *unused)
{
	(void)unused;
	tell("lock of an error-checking one", pthread_mutex_trylock(&checked));
}

static void held_errorcheck(void)
{
	pthread_mutex_lock(&checked);
	reap("child", child_of(owner_in_child, NULL));
	tell("unlock", pthread_mutex_unlock(&checked));
}

static void lock_all(void) { pthread_mutex_lock(&lock); }
static void unlock_all(void) { pthread_mutex_unlock(&lock); }

static void *lock_often(void *unused)
{
	while (!__atomic_load_n(&stage, __ATOMIC_SEQ_CST)) {
		pthread_mutex_lock(&lock);
		pause_ms(1);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

/* What atfork is for. */
static void consistent_locks(void)
{
	pthread_t other;

	tell("atfork", pthread_atfork(lock_all, unlock_all, unlock_all));
	other = spawn(lock_often, NULL);
	for (int i = 0; i < 10; i++)
		reap("child", child_of(locked_in_child, NULL));
	post(&stage, 1);
	join(other);
}

static void say_signals(void *unused)
{
	sigset_t mask, pending;

	(void)unused;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	sigpending(&pending);
	say("blocked %d, pending %d", sigismember(&mask, SIGUSR1), sigismember(&pending, SIGUSR1));
}

static void masks_and_pending(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	say_signals(NULL);
	reap("child", child_of(say_signals, NULL));
}

static void cancel_in_child(void *unused)
{
	int state;

	(void)unused;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	say("state %s", state == PTHREAD_CANCEL_DISABLE ? "disabled" : "enabled");
}

static void cancel_state(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	reap("child", child_of(cancel_in_child, NULL));
}

static void cleanup(void *unused)
{
	(void)unused;
	say("cleanup");
}

/* Cleanup handlers of the forking thread are the child's too. */
static void *fork_with_cleanup(void *argument)
{
	pid_t *pid = argument;

	pthread_cleanup_push(cleanup, NULL);
	*pid = fork();
	if (*pid == 0)
		pthread_exit(NULL);
	pthread_cleanup_pop(0);
	return NULL;
}

static void cleanup_in_child(void)
{
	pid_t pid = -1;

	in_thread(fork_with_cleanup, &pid);
	reap("child", pid);
}

static void *fork_each(void *argument)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit((int)(long)argument);
	if (waitpid(pid, &status, 0) != pid)
		return (void *)-1L;
	return (void *)(long)WEXITSTATUS(status);
}

static void forks_at_once(void)
{
	pthread_t threads[8];
	long sum = 0;

	for (long i = 0; i < 8; i++)
		threads[i] = spawn(fork_each, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		sum += (long)join(threads[i]);
	say("sum %ld", sum);
}

/* Threads that wait do not notice that another one forks. */
static sem_t semaphore;

static void *wait_long(void *unused)
{
	tell_result("wait", sem_wait(&semaphore));
	return unused;
}

static void others_wait_on(void)
{
	pthread_t waiter;

	sem_init(&semaphore, 0, 0);
	waiter = spawn(wait_long, NULL);
	pause_ms(10);
	for (int i = 0; i < 3; i++)
		reap("child", child_of(cancel_in_child, NULL));
	sem_post(&semaphore);
	join(waiter);
}

int main(int argc, char **argv)
{
	static const struct posix_case cases[] = {
		{ .name = "handlers", .run = handlers },
		{ .name = "handlers_counted", .run = handlers_counted },
		{ .name = "without_handlers", .run = without_handlers },
		{ .name = "only_the_caller", .run = only_the_caller },
		{ .name = "threads_of_the_child", .run = threads_of_the_child },
		{ .name = "generations", .run = generations },
		{ .name = "returning_thread", .run = returning_thread },
		{ .name = "exiting_thread", .run = exiting_thread },
		{ .name = "exit_of_child", .run = exit_of_child },
		{ .name = "held_mutex", .run = held_mutex },
		{ .name = "held_errorcheck", .run = held_errorcheck },
		{ .name = "consistent_locks", .run = consistent_locks },
		{ .name = "masks_and_pending", .run = masks_and_pending },
		{ .name = "cancel_state", .run = cancel_state },
		{ .name = "cleanup_in_child", .run = cleanup_in_child },
		{ .name = "forks_at_once", .run = forks_at_once },
		{ .name = "others_wait_on", .run = others_wait_on },
		{ 0 },
	};

	return posix_main(argc, argv, cases);
}
