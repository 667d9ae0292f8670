/* SPDX-License-Identifier: MIT */
/* stuck.c - a server some of whose threads wait for what does not come, and the hundred connections beside them */
#include "plain.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
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

enum { CONNECTIONS = 100, MESSAGES = 20, TRIES = 10, LIMIT_US = 20000 };

/* --- the hundred: clients in a process of their own, one message after the other on each connection --- */

static double sent[CONNECTIONS];
static double took[CONNECTIONS * MESSAGES];

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void ask(int fd, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%07d", number);
	sent[number] = now();
	write_full(fd, text, 8);
}

static void hear(int fd, int number)
{
	char text[16], expected[16];

	snprintf(expected, sizeof(expected), "%07d", number);
	must(read_full(fd, text, 8) == 8 && !memcmp(text, expected, 8), "a right reply");
}

/* The time within which 99 of 100 replies came, in microseconds. */
static double round_of_messages(const int *fds)
{
	struct pollfd polled[CONNECTIONS];
	int left[CONNECTIONS], count = 0;

	for (int i = 0; i < CONNECTIONS; i++) {
		polled[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		left[i] = MESSAGES;
		ask(fds[i], i);
	}
	while (count < CONNECTIONS * MESSAGES) {
		must(poll(polled, CONNECTIONS, 10000) > 0, "replies in time");
		for (int i = 0; i < CONNECTIONS; i++) {
			if (!(polled[i].revents & POLLIN))
				continue;
			hear(fds[i], i);
			took[count++] = now() - sent[i];
			if (--left[i])
				ask(fds[i], i);
		}
	}
	qsort(took, (size_t)count, sizeof(*took), by_size);
	return took[count * 99 / 100] * 1e6;
}

static void clients(int port)
{
	int fds[CONNECTIONS];
	bool in_time = false;

	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = connect_local(port);
	/* A machine that is busy with something else gets another try. */
	for (int try = 0; try < TRIES && !in_time; try++) {
		pause_ms(try * 20);
		in_time = round_of_messages(fds) < LIMIT_US;
	}
	say("%d replies, 99 of 100 %s", CONNECTIONS * MESSAGES, in_time ? "in time" : "late");
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

static int pair[2], held, semaphores;
static char path[64], fifo[64];
static mqd_t messages;

static void *half_a_line(void *unused)
{
	FILE *in = fdopen(pair[0], "r");
	char line[64];

	fgets(line, sizeof(line), in);
	return unused;
}

static void *nobody_reads(void *unused)
{
	FILE *out = fdopen(pair[1], "w");

	for (;;)
		fprintf(out, "a line that nobody reads, and that fills what room there is\n");
	return unused;
}

static void *nobody_reads_descriptor(void *unused)
{
	static char block[65536];
	int fds[2];

	stream_pair(fds);
	while (write(fds[1], block, sizeof(block)) > 0)
		;
	return unused;
}

/* A name server that takes questions and never answers. */
static void *dead_resolver(void *unused)
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
	_res.retrans = 3;
	_res.retry = 1;
	res_query("nobody.invalid", 1, 1, answer, sizeof(answer));
	return unused;
}

static void *held_file(void *unused)
{
	int fd = open(path, O_RDWR);

	flock(fd, LOCK_EX);
	return unused;
}

static void *held_record(void *unused)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = open(path, O_RDWR);

	fcntl(fd, F_OFD_SETLKW, &lock);
	return unused;
}

static void *lonely_fifo(void *unused)
{
	open(fifo, O_RDONLY);
	return unused;
}

static void *long_command(void *unused)
{
	must(system("exec sleep 5 >/dev/null 2>&1") >= -1, "system");
	return unused;
}

static void *empty_queue(void *unused)
{
	char text[16];

	mq_receive(messages, text, sizeof(text), NULL);
	return unused;
}

static void *low_semaphore(void *unused)
{
	struct sembuf down = { 0, -1, 0 };

	semop(semaphores, &down, 1);
	return unused;
}

static void *(*const waits[])(void *) = {
	half_a_line, nobody_reads, nobody_reads_descriptor, dead_resolver, held_file, held_record, lonely_fifo, long_command,
	empty_queue, low_semaphore,
};

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

static void beside(void *(*const *stuck)(void *), size_t count)
{
	int port, listener = listen_local(CONNECTIONS, &port);
	pid_t pid;

	prepare();
	pid = fork();
	if (pid == 0)
		clients(port);
	for (size_t i = 0; i < count; i++)
		spawn(stuck[i], NULL);
	for (int i = 0; i < CONNECTIONS; i++) {
		int *fd = malloc(sizeof(*fd));

		*fd = accept(listener, NULL, NULL);
		must(*fd >= 0, "accept");
		pthread_detach(spawn(serve, fd));
	}
	reap("clients", pid);
	clean_up();
	/* Nobody waits for those that are stuck. */
	_exit(0);
}

static void one_reader(void)
{
	beside(&waits[0], 1);
}

static void one_writer(void)
{
	beside(&waits[1], 1);
}

static void one_resolver(void)
{
	beside(&waits[3], 1);
}

static void all_of_them(void)
{
	beside(waits, sizeof(waits) / sizeof(*waits));
}

static const struct plain_case cases[] = {
	{ "one_reader", one_reader, 101 },
	{ "one_writer", one_writer, 101 },
	{ "one_resolver", one_resolver, 101 },
	{ "all_of_them", all_of_them, 110 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	return plain_main(argc, argv, cases);
}
