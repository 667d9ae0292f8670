/* SPDX-License-Identifier: MIT */
/* cancel.c - pthread_cancel of a thread that waits in each kind of call; cleanup handlers, disabled states, results */
#include "plain.h"

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int silent[2], listener;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t empty;
static pthread_t sleeper;

static void in_read(void)
{
	char byte;

	say("read returned %zd", read(silent[0], &byte, 1));
}

static void in_recv(void)
{
	char byte;

	say("recv returned %zd", recv(silent[0], &byte, 1, 0));
}

static void in_accept(void)
{
	say("accept returned %d", accept(listener, NULL, NULL));
}

static void in_poll(void)
{
	struct pollfd one = { silent[0], POLLIN, 0 };

	say("poll returned %d", poll(&one, 1, -1));
}

static void in_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(silent[0], &in);
	say("select returned %d", select(silent[0] + 1, &in, NULL, NULL, NULL));
}

static void in_write(void)
{
	char *data = calloc(1, 8 << 20);

	say("write returned %zd", write(silent[1], data, 8 << 20));
}

static void in_sleep(void)
{
	say("sleep returned %u", sleep(100));
}

static void in_usleep(void)
{
	say("usleep returned %d", usleep(100 * 1000 * 1000));
}

static void in_pause(void)
{
	say("pause returned %d", pause());
}

static void unlock(void *argument)
{
	say("the mutex is %s", pthread_mutex_trylock(argument) ? "held" : "free");
	pthread_mutex_unlock(argument);
}

static void in_cond_wait(void)
{
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(unlock, &lock);
	pthread_cond_wait(&never, &lock);
	say("cond_wait returned");
	pthread_cleanup_pop(0);
}

static void in_cond_timedwait(void)
{
	struct timespec limit = after_ms(CLOCK_REALTIME, 100000);

	pthread_mutex_lock(&lock);
	pthread_cleanup_push(unlock, &lock);
	say("cond_timedwait returned %d", pthread_cond_timedwait(&never, &lock, &limit));
	pthread_cleanup_pop(0);
}

static void in_sem_wait(void)
{
	say("sem_wait returned %d", sem_wait(&empty));
}

static void in_join(void)
{
	say("join returned %d", pthread_join(sleeper, NULL));
}

static pid_t child;

static void in_wait(void)
{
	say("waitpid returned %d", waitpid(child, NULL, 0));
}

static void cleanup(void *argument)
{
	say("cleanup: %s", (char *)argument);
}

static void *in_call(void *argument)
{
	void (*call)(void) = (void (*)(void))argument;

	pthread_cleanup_push(cleanup, "outer");
	pthread_cleanup_push(cleanup, "inner");
	call();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *sleep_long(void *argument)
{
	sleep(100);
	return argument;
}

static void prepare(void)
{
	int port;

	stream_pair(silent);
	listener = listen_local(1, &port);
	sem_init(&empty, 0, 0);
}

static void cancel_and_join(pthread_t thread)
{
	int error = pthread_cancel(thread);
	void *result = join(thread);

	say("cancel: %s, result: %s", error_name(error),
		result == PTHREAD_CANCELED ? "PTHREAD_CANCELED" : "something else");
}

static void cancel_in(void (*call)(void))
{
	prepare();
	pthread_t thread = spawn(in_call, (void *)call);
	pause_ms(40);
	cancel_and_join(thread);
}

#define CALL(name) static void name##_call(void) { cancel_in(in_##name); }
CALL(read)
CALL(recv)
CALL(accept)
CALL(poll)
CALL(select)
CALL(write)
CALL(sleep)
CALL(usleep)
CALL(pause)
CALL(cond_wait)
CALL(cond_timedwait)
CALL(sem_wait)

static void wait_call(void)
{
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	cancel_in(in_wait);
	kill(child, SIGKILL);
	reap("the child", child);
}

static void join_call(void)
{
	sleeper = spawn(sleep_long, NULL);
	cancel_in(in_join);
	cancel_and_join(sleeper);
}

/* CX6: where it waits, with its clean-up; after a cancelled wait the mutex can be used by the others. */
static void mutex_after(void)
{
	prepare();
	pthread_t thread = spawn(in_call, (void *)in_cond_wait);
	pause_ms(40);
	cancel_and_join(thread);
	say("lock: %s", error_name(pthread_mutex_lock(&lock)));
}

static void *disabled(void *argument)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	say("the old state is %s", old == PTHREAD_CANCEL_ENABLE ? "enabled" : "disabled");
	say("usleep: %d", usleep(80000));
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	say("not reached");
	return argument;
}

/* CX6: put off, and met later */
static void disabled_state(void)
{
	pthread_t thread = spawn(disabled, NULL);

	pause_ms(30);
	cancel_and_join(thread);
}

static sem_t cancelled;

static void *before_start(void *argument)
{
	while (sem_trywait(&cancelled) == -1)
		sched_yield();
	pthread_testcancel();
	say("not reached");
	return argument;
}

static void test_cancel(void)
{
	sem_init(&cancelled, 0, 0);
	pthread_t thread = spawn(before_start, NULL);
	say("cancel: %s", error_name(pthread_cancel(thread)));
	sem_post(&cancelled);
	void *result = join(thread);
	say("result: %s", result == PTHREAD_CANCELED ? "PTHREAD_CANCELED" : "something else");
}

/* A request that is there already ends the next wait, even one that need not wait. */
static void *data_is_there(void *argument)
{
	char byte;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	usleep(60000);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	say("read returned %zd", read(silent[0], &byte, 1));
	return argument;
}

static void pending_request(void)
{
	prepare();
	write_full(silent[1], "x", 1);
	pthread_t thread = spawn(data_is_there, NULL);
	pause_ms(20);
	cancel_and_join(thread);
	char byte;
	say("the byte is %s", recv(silent[0], &byte, 1, MSG_DONTWAIT) == 1 ? "still there" : "gone");
}

static void *spin_asynchronously(void *argument)
{
	volatile unsigned long count = 0;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		count++;
	return argument;
}

/* CX6, X17: cancelled while it computes */
static void asynchronous(void)
{
	pthread_t thread = spawn(spin_asynchronously, NULL);

	pause_ms(40);
	cancel_and_join(thread);
}

static bool still_running;

static void *cancel_self(void *argument)
{
	pthread_cleanup_push(cleanup, "self");
	pthread_cancel(pthread_self());
	still_running = true;
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return argument;
}

static void own_thread(void)
{
	void *result = join(spawn(cancel_self, NULL));

	say("result: %s", result == PTHREAD_CANCELED ? "PTHREAD_CANCELED" : "something else");
	say("it ran on for a moment: %s", still_running ? "yes" : "no");
}

static pthread_key_t key;

static void destroy(void *value)
{
	say("destructor of %s", (char *)value);
}

static void *with_key(void *argument)
{
	pthread_setspecific(key, argument);
	sleep(100);
	return NULL;
}

static void destructors(void)
{
	pthread_key_create(&key, destroy);
	pthread_t thread = spawn(with_key, "the key");
	pause_ms(20);
	cancel_and_join(thread);
}

static void many(void)
{
	pthread_t threads[50];
	int right = 0;

	for (int i = 0; i < 50; i++)
		threads[i] = spawn(sleep_long, NULL);
	pause_ms(20);
	for (int i = 0; i < 50; i++)
		pthread_cancel(threads[i]);
	for (int i = 0; i < 50; i++)
		right += join(threads[i]) == PTHREAD_CANCELED;
	say("cancelled %d", right);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "read", read_call, 1 },
		{ "recv", recv_call, 1 },
		{ "accept", accept_call, 1 },
		{ "poll", poll_call, 1 },
		{ "select", select_call, 1 },
		{ "write", write_call, 1 },
		{ "sleep", sleep_call, 1 },
		{ "usleep", usleep_call, 1 },
		{ "pause", pause_call, 1 },
		{ "cond_wait", cond_wait_call, 1 },
		{ "cond_timedwait", cond_timedwait_call, 1 },
		{ "sem_wait", sem_wait_call, 1 },
		{ "join", join_call, 2 },
		{ "wait", wait_call, 1 },
		{ "mutex_after", mutex_after, 1 },
		{ "disabled_state", disabled_state, 1 },
		{ "test_cancel", test_cancel, 1 },
		{ "pending_request", pending_request, 1 },
		{ "asynchronous", asynchronous, 1 },
		{ "own_thread", own_thread, 1 },
		{ "destructors", destructors, 1 },
		{ "many", many, 50 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
