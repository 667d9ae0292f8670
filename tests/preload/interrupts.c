/* SPDX-License-Identifier: MIT */
/* interrupts.c - handlers that end or restart what main waits in, alarms, and jumps out of a handler */
#include "plain.h"

#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int handled, mutex_free;
static int silent[2], listener;
static sem_t empty;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool ready;

static void count(int number)
{
	(void)number;
	handled++;
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void block(int number, int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	must(pthread_sigmask(how, &set, NULL) == 0, "pthread_sigmask");
}

/* The thread that interrupts main, and then lets its wait end. */
struct disturber { void (*release)(void); };

static void *disturb(void *argument)
{
	struct disturber *me = argument;

	block(SIGUSR1, SIG_BLOCK);
	pause_ms(50);
	kill(getpid(), SIGUSR1);
	pause_ms(50);
	me->release();
	return NULL;
}

static void release_socket(void)
{
	write_full(silent[1], "x", 1);
}

static int connect_port;

static void release_listener(void)
{
	connect_local(connect_port);
}

static void release_semaphore(void)
{
	sem_post(&empty);
}

static void release_condition(void)
{
	pthread_mutex_lock(&lock);
	ready = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void release_nothing(void)
{
}

static void disturbed(const char *what, int flags, const char *(*wait)(void), void (*release)(void))
{
	struct disturber disturber = { release };

	handled = 0;
	handle(SIGUSR1, count, flags);
	pthread_t thread = spawn(disturb, &disturber);
	const char *end = wait();
	join(thread);
	say("%s: %s, handled %d", what, end, handled);
}

static const char *wait_in_accept(void)
{
	int fd = accept(listener, NULL, NULL);

	return fd == -1 ? error_name(errno) : "accepted";
}

static const char *wait_in_recv(void)
{
	char byte;

	return outcome(recv(silent[0], &byte, 1, 0));
}

static const char *wait_in_read(void)
{
	char byte;

	return outcome(read(silent[0], &byte, 1));
}

static const char *wait_in_poll(void)
{
	struct pollfd one = { silent[0], POLLIN, 0 };

	return outcome(poll(&one, 1, 5000));
}

static const char *wait_in_select(void)
{
	struct timeval limit = { 5, 0 };
	fd_set in;

	FD_ZERO(&in);
	FD_SET(silent[0], &in);
	return outcome(select(silent[0] + 1, &in, NULL, NULL, &limit));
}

static const char *wait_in_semaphore(void)
{
	return outcome(sem_wait(&empty));
}

static const char *wait_in_condition(void)
{
	int error = 0;

	pthread_mutex_lock(&lock);
	while (!ready && !error)
		error = pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return error_name(error);
}

static const char *wait_in_sleep(void)
{
	return sleep(3) > 0 ? "woken early" : "slept to the end";
}

static const char *wait_in_nanosleep(void)
{
	struct timespec time = { 3, 0 }, left = { 0, 0 };

	if (nanosleep(&time, &left) == 0)
		return "slept to the end";
	return errno == EINTR && left.tv_sec == 2 ? "EINTR, with what is left" : error_name(errno);
}

static const char *wait_in_pause(void)
{
	return outcome(pause());
}

static void prepare(void)
{
	stream_pair(silent);
	listener = listen_local(5, &connect_port);
	sem_init(&empty, 0, 0);
	ready = false;
}

static void with_flags(int flags)
{
	prepare();
	disturbed("accept", flags, wait_in_accept, release_listener);
	prepare();
	disturbed("recv", flags, wait_in_recv, release_socket);
	prepare();
	disturbed("read", flags, wait_in_read, release_socket);
	prepare();
	disturbed("poll", flags, wait_in_poll, release_socket);
	prepare();
	disturbed("select", flags, wait_in_select, release_socket);
	disturbed("sem_wait", flags, wait_in_semaphore, release_semaphore);
	disturbed("cond_wait", flags, wait_in_condition, release_condition);
	disturbed("sleep", flags, wait_in_sleep, release_nothing);
	disturbed("nanosleep", flags, wait_in_nanosleep, release_nothing);
	disturbed("pause", flags, wait_in_pause, release_nothing);
}

/* L10, X10, CK18: EINTR */
static void interrupted(void)
{
	with_flags(0);
}

/* L10, CK18: SA_RESTART */
static void restarted(void)
{
	with_flags(SA_RESTART);
}

static void restarted_with_limit(void)
{
	struct timeval limit = { 5, 0 };

	prepare();
	setsockopt(silent[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	disturbed("recv with a limit", SA_RESTART, wait_in_recv, release_socket);
}

static const char *wait_for_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause_ms(200);
		_exit(0);
	}
	const char *end = outcome(waitpid(pid, NULL, 0));
	waitpid(pid, NULL, 0);
	return end;
}

static void waiting_for_children(void)
{
	disturbed("waitpid interrupted", 0, wait_for_child, release_nothing);
	disturbed("waitpid restarted", SA_RESTART, wait_for_child, release_nothing);
}

/* A partial transfer wins over the error. */
static const char *wait_for_all(void)
{
	static char text[16], buffer[10];
	ssize_t n;

	write_full(silent[1], "abc", 3);
	n = recv(silent[0], buffer, 10, MSG_WAITALL);
	snprintf(text, sizeof(text), "%zd bytes", n);
	return text;
}

static void partial(void)
{
	prepare();
	disturbed("waitall", 0, wait_for_all, release_nothing);
}

static void *just_wait(void *argument)
{
	sem_wait(&empty);
	return argument;
}

static void alarms(void)
{
	double start = now();

	sem_init(&empty, 0, 0);
	pthread_t thread = spawn(just_wait, NULL);
	block(SIGALRM, SIG_UNBLOCK);
	handle(SIGALRM, count, 0);
	alarm(1);
	say("sleep: %s", sleep(5) > 2 ? "woken early" : "slept on");
	say_elapsed("alarm", start, 0.95, 2.5);
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } }, none = { { 0, 0 }, { 0, 0 } };
	handled = 0;
	setitimer(ITIMER_REAL, &every, NULL);
	while (handled < 5)
		pause();
	setitimer(ITIMER_REAL, &none, NULL);
	say("ticks: %s", handled >= 5 ? "five or more" : "too few");
	sem_post(&empty);
	join(thread);
}

static sigjmp_buf back;

static void jump_back(int number)
{
	siglongjmp(back, number);
}

/* The old way to put a limit on a call that has none. */
static void alarm_and_jump(void)
{
	char byte;

	prepare();
	pthread_t thread = spawn(just_wait, NULL);
	handle(SIGALRM, jump_back, 0);
	for (volatile int i = 0; i < 2; i++) {
		int number = sigsetjmp(back, 1);
		if (number == 0) {
			struct itimerval once = { { 0, 0 }, { 0, 60000 } };
			setitimer(ITIMER_REAL, &once, NULL);
			say("read: %zd", read(silent[0], &byte, 1));
		} else {
			say("jumped out by SIG%s", sigabbrev_np(number));
		}
	}
	write_full(silent[1], "x", 1);
	say("read: %zd", read(silent[0], &byte, 1));
	sem_post(&empty);
	join(thread);
}

/* A handler that runs in a wait finds the mutex free, and a signal that it sends to its own thread's wait counts. */
static void try_the_lock(int number)
{
	(void)number;
	mutex_free += pthread_mutex_trylock(&lock) == 0 && pthread_mutex_unlock(&lock) == 0;
	if (++handled == 3)
		pthread_cond_signal(&changed);
}

static void *wait_through(void *argument)
{
	struct timespec limit = after_ms(CLOCK_REALTIME, 5000);

	pthread_mutex_lock(&lock);
	sem_post(&empty);
	say("wait: %s", error_name(pthread_cond_timedwait(&changed, &lock, &limit)));
	say("handled %d, mutex free %d", handled, mutex_free);
	say("own again: %s", error_name(pthread_mutex_trylock(&lock)));
	pthread_mutex_unlock(&lock);
	return argument;
}

static void in_condition(void)
{
	pthread_t thread;

	handle(SIGUSR1, try_the_lock, 0);
	sem_init(&empty, 0, 0);
	thread = spawn(wait_through, NULL);
	sem_wait(&empty);
	for (int i = 0; i < 3; i++) {
		pause_ms(20);
		pthread_kill(thread, SIGUSR1);
	}
	join(thread);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "interrupted", interrupted, 10 },
		{ "restarted", restarted, 10 },
		{ "restarted_with_limit", restarted_with_limit, 1 },
		{ "waiting_for_children", waiting_for_children, 2 },
		{ "partial", partial, 1 },
		{ "alarms", alarms, 1 },
		{ "alarm_and_jump", alarm_and_jump, 1 },
		{ "in_condition", in_condition, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
