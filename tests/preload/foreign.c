/* SPDX-License-Identifier: MIT */
/* foreign.c - threads that nobody created by pthread_create: timer callbacks, asynchronous I/O, name lookups */
#include "plain.h"

#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t posted;
static int counted, expected;

static void on_timer(union sigval value)
{
	pthread_mutex_lock(&lock);
	counted += value.sival_int;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	sem_post(&posted);
}

static timer_t start_timer(int value, long every)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer,
		.sigev_value.sival_int = value };
	struct itimerspec time = { { 0, every }, { 0, 20 * 1000 * 1000 } };
	timer_t timer;

	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	must(timer_settime(timer, 0, &time, NULL) == 0, "timer_settime");
	return timer;
}

static void *wait_for_post(void *argument)
{
	for (int i = 0; i < 3; i++)
		sem_wait(&posted);
	pthread_mutex_lock(&lock);
	int seen = counted;
	pthread_mutex_unlock(&lock);
	say("counted %s", seen >= 3 ? "three or more" : "too few");
	return argument;
}

static void semaphore(void)
{
	sem_init(&posted, 0, 0);
	pthread_t thread = spawn(wait_for_post, NULL);
	timer_t timer = start_timer(1, 10 * 1000 * 1000);
	join(thread);
	timer_delete(timer);
}

static void *wait_for_change(void *argument)
{
	pthread_mutex_lock(&lock);
	while (counted < expected)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	say("a callback has changed it");
	return argument;
}

/* U9: a kernel thread wakes a green one */
static void condition(void)
{
	counted = 0;
	expected = 5;
	pthread_t thread = spawn(wait_for_change, NULL);
	start_timer(5, 0);
	join(thread);
}

/* The callback meets a lock that a thread holds while it sleeps. */
static void *hold_and_sleep(void *argument)
{
	pthread_mutex_lock(&lock);
	int before = counted;
	pause_ms(100);
	say("while held: %s", counted == before ? "unchanged" : "changed");
	pthread_mutex_unlock(&lock);
	return argument;
}

static void contended(void)
{
	sem_init(&posted, 0, 0);
	counted = 0;
	pthread_t thread = spawn(hold_and_sleep, NULL);
	pause_ms(5);
	timer_t timer = start_timer(1, 0);
	join(thread);
	sem_wait(&posted);
	say("then: %d", counted);
	timer_delete(timer);
}

static int relay[2];

static void write_from_timer(union sigval value)
{
	(void)value;
	pause_ms(10);
	write_full(relay[1], "from a callback", 15);
}

static void *read_relay(void *argument)
{
	char text[32] = "";

	say("read %zd", read(relay[0], text, sizeof(text)));
	return argument;
}

static void input(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = write_from_timer };
	struct itimerspec time = { { 0, 0 }, { 0, 20 * 1000 * 1000 } };
	timer_t timer;

	stream_pair(relay);
	pthread_t thread = spawn(read_relay, NULL);
	timer_create(CLOCK_REALTIME, &event, &timer);
	timer_settime(timer, 0, &time, NULL);
	join(thread);
}

static void *read_asynchronously(void *argument)
{
	static char text[16];
	struct aiocb control = { .aio_fildes = fileno(argument), .aio_buf = text, .aio_nbytes = 5 };
	const struct aiocb *list[] = { &control };

	must(aio_read(&control) == 0, "aio_read");
	while (aio_error(&control) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	say("aio_read: %zd %s", aio_return(&control), text);
	return NULL;
}

static void asynchronous_read(void)
{
	FILE *file = tmpfile();

	fputs("hello, file", file);
	fflush(file);
	join(spawn(read_asynchronously, file));
}

static void *look_up(void *argument)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
	int error = getaddrinfo(argument, "80", &hints, &found);

	if (error)
		return (void *)gai_strerror(error);
	freeaddrinfo(found);
	return "found";
}

/* MP6, SH2, L4, U5, CK16: look-ups beside others */
static void names(void)
{
	pthread_t threads[10];
	int found = 0;

	for (int i = 0; i < 10; i++)
		threads[i] = spawn(look_up, i % 2 ? "localhost" : "127.0.0.1");
	for (int i = 0; i < 10; i++)
		found += !strcmp(join(threads[i]), "found");
	say("found %d", found);
}

static mqd_t messages;

static void *send_message(void *argument)
{
	pause_ms(40);
	say("mq_send: %s", outcome(mq_send(messages, "hello", 5, 1)));
	return argument;
}

/* MP12, L24: a message queue */
static void message_queue(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	struct timespec soon = after_ms(CLOCK_REALTIME, 60);
	char name[32], text[16];

	snprintf(name, sizeof(name), "/plain-%d", (int)getpid());
	messages = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
	must(messages != -1, "mq_open");
	mq_unlink(name);
	say("empty: %s", outcome(mq_timedreceive(messages, text, 16, NULL, &soon)));
	pthread_t thread = spawn(send_message, NULL);
	ssize_t n = mq_receive(messages, text, 16, NULL);
	join(thread);
	say("received %zd", n);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "semaphore", semaphore, 1 },
		{ "condition", condition, 1 },
		{ "contended", contended, 1 },
		{ "input", input, 1 },
		{ "asynchronous_read", asynchronous_read, 1 },
		{ "names", names, 10 },
		{ "message_queue", message_queue, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
