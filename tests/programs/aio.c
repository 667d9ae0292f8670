/* SPDX-License-Identifier: MIT */
/* aio.c - threads that wait for the kernel's asynchronous I/O of old, by libaio and by system calls, while others must run */
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, PIPES = 2 };

struct job {
	aio_context_t context;
	struct iocb blocks[PIPES];
	int pipes[PIPES][2];
	int number;
};

/* libaio's, which is linked without its header. */
extern int io_getevents(aio_context_t context, long least, long most, struct io_event *events, struct timespec *limit);

static atomic_int wrong;
static pthread_barrier_t all_wait;

static void check(int good, const char *what, int number)
{
	if (good)
		return;
	printf("thread %d: %s\n", number, what);
	wrong++;
}

static long wait_for(struct job *job, long least, struct io_event *events, struct timespec *limit)
{
	if (job->number % 2 == 0)
		return io_getevents(job->context, least, PIPES, events, limit);
	return syscall(SYS_io_getevents, job->context, least, (long)PIPES, events, limit);
}

static void ask(struct job *job, int index)
{
	struct iocb *block = &job->blocks[index];

	memset(block, 0, sizeof(*block));
	block->aio_lio_opcode = IOCB_CMD_POLL;
	block->aio_fildes = (unsigned int)job->pipes[index][0];
	block->aio_buf = POLLIN;
	block->aio_data = (unsigned long long)index;
	check(syscall(SYS_io_submit, job->context, 1L, &block) == 1, "submit", job->number);
}

static void *work(void *argument)
{
	struct timespec limit = { .tv_nsec = 20 * 1000 * 1000 };
	struct io_event events[PIPES];
	struct job *job = argument;

	check(wait_for(job, 1, events, &limit) == 0, "a limit that is not kept", job->number);
	ask(job, 0);
	ask(job, 1);
	pthread_barrier_wait(&all_wait);
	check(wait_for(job, PIPES, events, NULL) == PIPES, "wait for two", job->number);
	check(events[0].data + events[1].data == 1 && events[0].res > 0 && events[1].res > 0, "what came", job->number);
	return NULL;
}

static void start(struct job *job, int number, pthread_t *thread)
{
	job->number = number;
	if (syscall(SYS_io_setup, 8, &job->context) != 0 || pipe(job->pipes[0]) != 0 || pipe(job->pipes[1]) != 0) {
		printf("no context\n");
		exit(2);
	}
	if (pthread_create(thread, NULL, work, job) != 0)
		exit(2);
}

static void write_to_all(struct job *jobs, int index)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	nanosleep(&pause, NULL);
	for (int i = 0; i < THREADS; i++) {
		if (write(jobs[i].pipes[index][1], "x", 1) != 1)
			exit(2);
	}
}

int main(void)
{
	static struct job jobs[THREADS];
	pthread_t threads[THREADS];

	pthread_barrier_init(&all_wait, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		start(&jobs[i], i, &threads[i]);
	pthread_barrier_wait(&all_wait);
	for (int i = 0; i < PIPES; i++)
		write_to_all(jobs, i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%d threads, %d wrong\n", THREADS, wrong);
	return wrong != 0;
}
