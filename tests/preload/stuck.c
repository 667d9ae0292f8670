/* SPDX-License-Identifier: MIT */
/* stuck.c - a server some of whose threads wait for what does not come, and the hundred connections beside them */
#include "plain.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS = 100, SAMPLES_MAX = 1 << 22 };

/*
 * How long the hundred are served beside those that are stuck.  One of these that
 * held them up would do so for half a minute at least, which is what LATE is to
 * find; how short the waits are on a machine that has nothing else to do, the
 * figures tell.
 */
#define BLOCK 0.5
#define LONG_BLOCK 2.5
#define LATE 4.0

/* --- the hundred: clients in a process of their own, one message after the other on each connection --- */

static double sent[CONNECTIONS];
static float took[SAMPLES_MAX];
static size_t samples;
static unsigned messages_sent[CONNECTIONS];

static int by_size(const void *a, const void *b)
{
	float left = *(const float *)a, right = *(const float *)b;

	return (left > right) - (left < right);
}

static void message_of(char *text, int number)
{
	snprintf(text, 16, "%02d%05u", number, messages_sent[number] % 100000);
}

static void ask(int fd, int number)
{
	char text[16];

	messages_sent[number]++;
	message_of(text, number);
	sent[number] = now();
	write_full(fd, text, 8);
}

static void hear(int fd, int number)
{
	char text[16], expected[16];

	message_of(expected, number);
	must(read_full(fd, text, 8) == 8 && !memcmp(text, expected, 8), "a right reply");
	if (samples < SAMPLES_MAX)
		took[samples++] = (float)(now() - sent[number]);
}

/* Each connection asks again when it has heard, until the time is over; then the last replies come in. */
static void serve_block(const int *fds, double length)
{
	struct pollfd polled[CONNECTIONS];
	double end = now() + length;
	int waiting = CONNECTIONS;

	for (int i = 0; i < CONNECTIONS; i++) {
		polled[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		ask(fds[i], i);
	}
	while (waiting) {
		must(poll(polled, CONNECTIONS, 25000) > 0, "replies");
		for (int i = 0; i < CONNECTIONS; i++) {
			if (!(polled[i].revents & POLLIN))
				continue;
			hear(fds[i], i);
			if (now() < end)
				ask(fds[i], i);
			else
				waiting--;
		}
	}
}

/* What is the same in every run goes to stdout; the figures, which are not, to stderr. */
static void tell_waits(void)
{
	qsort(took, samples, sizeof(*took), by_size);
	say("%d connections: the longest wait is %s", CONNECTIONS, took[samples - 1] < LATE ? "short" : "long");
	fprintf(stderr, "p99 %.2f ms, worst %.1f ms of %zu",
		took[samples * 99 / 100] * 1e3, took[samples - 1] * 1e3, samples);
}

/* GO tells that all is as it should be; nothing is measured before. */
static void clients(int port, int go, double length)
{
	int fds[CONNECTIONS];
	char byte;

	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = connect_local(port);
	must(read_full(go, &byte, 1) == 1, "a start");
	serve_block(fds, length);
	tell_waits();
	_exit(0);
}

static void *serve(void *argument)
{
	int fd = *(int *)argument;
	char text[8];

	free(argument);
	while (read_full(fd, text, sizeof(text)) == sizeof(text))
		write_full(fd, text, sizeof(text));
	close(fd);
	return NULL;
}

/* --- what threads are stuck in --- */

/* Of each wait: how often a call of it was entered, and left again. */
struct wait {
	const char *name;
	void (*call)(void);
	atomic_uint entered, left;
};

static int pair[2], held, semaphores;
static char path[64], fifo[64];
static mqd_t messages;
static struct wait *self_of(const char *name);

/* STUCK(CALL) - CALL in the wait of the function that it stands in, told before and after */
#define STUCK(call) \
	do { \
		struct wait *self = self_of(__func__); \
		self->entered++; \
		call; \
		self->left++; \
	} while (0)

static void half_a_line(void)
{
	FILE *in = fdopen(pair[0], "r");
	char line[64];

	STUCK(fgets(line, sizeof(line), in));
}

static void nobody_reads(void)
{
	int own[2];
	FILE *out;

	stream_pair(own);
	out = fdopen(own[1], "w");
	for (;;)
		STUCK(fprintf(out, "a line that nobody reads, and that fills what room there is\n"));
}

static void nobody_reads_descriptor(void)
{
	static char block[65536];
	int fds[2];

	stream_pair(fds);
	for (;;)
		STUCK(must(write(fds[1], block, sizeof(block)) > 0, "write"));
}

/* A name server that takes questions and never answers. */
static void dead_resolver(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	unsigned char answer[512];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	must(bind(fd, (struct sockaddr *)&address, length) == 0, "bind");
	getsockname(fd, (struct sockaddr *)&address, &length);
	must(res_init() == 0, "res_init");
	_res.nscount = 1;
	_res.nsaddr_list[0] = address;
	_res.retrans = 30;
	_res.retry = 1;
	STUCK(res_query("nobody.invalid", 1, 1, answer, sizeof(answer)));
}

static void held_file(void)
{
	int fd = open(path, O_RDWR);

	STUCK(flock(fd, LOCK_EX));
}

static void held_record(void)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = open(path, O_RDWR);

	STUCK(fcntl(fd, F_OFD_SETLKW, &lock));
}

static void lonely_fifo(void)
{
	STUCK(open(fifo, O_RDONLY));
}

static void long_command(void)
{
	STUCK(must(system("exec sleep 30 >/dev/null 2>&1") >= -1, "system"));
}

static void empty_queue(void)
{
	char text[16];

	STUCK(mq_receive(messages, text, sizeof(text), NULL));
}

static void low_semaphore(void)
{
	struct sembuf down = { 0, -1, 0 };

	STUCK(semop(semaphores, &down, 1));
}

#define WAIT(name) { #name, name, 0, 0 }
static struct wait waits[] = {
	WAIT(half_a_line), WAIT(nobody_reads), WAIT(dead_resolver), WAIT(held_file), WAIT(lonely_fifo),
	WAIT(long_command), WAIT(nobody_reads_descriptor), WAIT(held_record), WAIT(empty_queue), WAIT(low_semaphore),
};
enum { WAITS = sizeof(waits) / sizeof(*waits) };

static struct wait *self_of(const char *name)
{
	for (int i = 0; i < WAITS; i++) {
		if (!strcmp(waits[i].name, name))
			return &waits[i];
	}
	must(false, name);
	return NULL;
}

static void *be_stuck(void *wait)
{
	((struct wait *)wait)->call();
	return NULL;
}

/* --- are they stuck, and do they stay so? --- */

static unsigned seen[WAITS];

static bool is_inside(struct wait *wait)
{
	return wait->entered == wait->left + 1;
}

/* Until each of them has been in one and the same call for a while: those that write fill the room there is first. */
static void await_stuck(struct wait *first, size_t count)
{
	double since = now();

	for (size_t i = 0; i < count; i++)
		seen[i] = 0;
	for (size_t still = 0; still < 20; pause_ms(10)) {
		bool same = true;

		must(now() - since < 20, "all of them are stuck");
		for (size_t i = 0; i < count; i++) {
			same = same && is_inside(&first[i]) && first[i].entered == seen[i];
			seen[i] = first[i].entered;
		}
		still = same ? still + 1 : 0;
	}
}

static void say_stuck(struct wait *first, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool same = is_inside(&first[i]) && first[i].entered == seen[i];

		say("%s: %s", first[i].name, same ? "stuck all the while" : "went on");
	}
}

static void prepare(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 1, .mq_msgsize = 16 };
	struct flock lock = { .l_type = F_WRLCK };

	stream_pair(pair);
	must(write(pair[1], "half a line", 11) == 11, "write");
	strcpy(path, "/tmp/plain-stuck-XXXXXX");
	held = mkstemp(path);
	must(held >= 0 && flock(held, LOCK_EX) == 0 && fcntl(held, F_OFD_SETLK, &lock) == 0, "locks");
	snprintf(fifo, sizeof(fifo), "/tmp/plain-stuck-fifo-%d", (int)getpid());
	must(mkfifo(fifo, 0600) == 0, "mkfifo");
	messages = mq_open("/plain-stuck", O_CREAT | O_RDWR, 0600, &attributes);
	must(messages >= 0, "mq_open");
	mq_unlink("/plain-stuck");
	semaphores = semget(IPC_PRIVATE, 1, 0600);
	must(semaphores >= 0, "semget");
}

static void clean_up(void)
{
	unlink(path);
	unlink(fifo);
	semctl(semaphores, 0, IPC_RMID);
}

static void accept_all(int listener)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		int *fd = malloc(sizeof(*fd));

		*fd = accept(listener, NULL, NULL);
		must(*fd >= 0, "accept");
		pthread_detach(spawn(serve, fd));
	}
}

static void beside(struct wait *first, size_t count, double length)
{
	int port, listener = listen_local(CONNECTIONS, &port), go[2];
	pid_t pid;

	prepare();
	must(pipe(go) == 0, "pipe");
	pid = fork();
	if (pid == 0)
		clients(port, go[0], length);
	for (size_t i = 0; i < count; i++)
		spawn(be_stuck, &first[i]);
	accept_all(listener);
	await_stuck(first, count);
	must(write_full(go[1], "", 1) == 1, "write");
	reap("clients", pid);
	say_stuck(first, count);
	clean_up();
	/* Nobody waits for those that are stuck. */
	_exit(0);
}

static void all_of_them(void)
{
	beside(waits, WAITS, LONG_BLOCK);
}

#define ALONE(name) static void beside_##name(void) { beside(self_of(#name), 1, BLOCK); }
ALONE(half_a_line)
ALONE(nobody_reads)
ALONE(dead_resolver)
ALONE(held_file)
ALONE(lonely_fifo)
ALONE(long_command)
ALONE(nobody_reads_descriptor)
ALONE(held_record)
ALONE(empty_queue)
ALONE(low_semaphore)

#define ROW(name) { #name, beside_##name, 1 + CONNECTIONS }
static const struct plain_case cases[] = {
	{ "all_of_them", all_of_them, WAITS + CONNECTIONS },
	ROW(half_a_line), ROW(nobody_reads), ROW(dead_resolver), ROW(held_file), ROW(lonely_fifo), ROW(long_command),
	ROW(nobody_reads_descriptor), ROW(held_record), ROW(empty_queue), ROW(low_semaphore),
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	return plain_main(argc, argv, cases);
}
