/* SPDX-License-Identifier: MIT */
/* rings.c - threads that wait for completions of rings of their own, by each of liburing's ways, while others must run */
#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 20, PIPES = 2 };

struct job {
	struct io_uring ring;
	int pipes[PIPES][2];
	int answers[PIPES];
	int number;
};

static atomic_int wrong;
static pthread_barrier_t all_wait;

static void check(int good, const char *what, int number)
{
	if (good)
		return;
	printf("thread %d: %s\n", number, what);
	wrong++;
}

static void ask(struct job *job, int index)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&job->ring);

	io_uring_prep_read(entry, job->pipes[index][0], &job->answers[index], sizeof(int), 0);
	io_uring_sqe_set_data64(entry, (unsigned long long)index);
}

static void reap(struct job *job, int count, const char *what)
{
	struct io_uring_cqe *cqe;

	for (int i = 0; i < count; i++) {
		check(io_uring_peek_cqe(&job->ring, &cqe) == 0 && cqe->res == (int)sizeof(int), what, job->number);
		io_uring_cqe_seen(&job->ring, cqe);
	}
	for (int i = 0; i < PIPES; i++)
		check(job->answers[i] == job->number * PIPES + i, what, job->number);
}

static void wait_for_nothing(struct job *job)
{
	struct __kernel_timespec limit = { .tv_nsec = 20 * 1000 * 1000 };
	struct io_uring_cqe *cqe;

	check(io_uring_wait_cqe_timeout(&job->ring, &cqe, &limit) == -ETIME, "a limit that is not kept", job->number);
	check(io_uring_peek_cqe(&job->ring, &cqe) == -EAGAIN, "something came from nothing", job->number);
}

/* By its number a thread takes one of the ways; in all of them it asks both pipes and gets both answers. */
static void wait_in_some_way(struct job *job)
{
	struct __kernel_timespec limit = { .tv_sec = 20 };
	struct io_uring_cqe *cqe;
	int result;

	ask(job, 0);
	ask(job, 1);
	switch (job->number % 4) {
	case 0:
		check(io_uring_submit(&job->ring) == 2, "submit", job->number);
		pthread_barrier_wait(&all_wait);
		check(io_uring_wait_cqe(&job->ring, &cqe) == 0, "wait for one", job->number);
		check(io_uring_wait_cqe_nr(&job->ring, &cqe, 2) == 0, "wait for two", job->number);
		break;
	case 1:
		pthread_barrier_wait(&all_wait);
		check(io_uring_submit_and_wait(&job->ring, 2) == 2, "submit and wait", job->number);
		break;
	case 2:
		check(io_uring_submit(&job->ring) == 2, "submit", job->number);
		pthread_barrier_wait(&all_wait);
		check(io_uring_wait_cqes(&job->ring, &cqe, 2, &limit, NULL) == 0, "wait for two in time", job->number);
		break;
	default:
		pthread_barrier_wait(&all_wait);
		result = io_uring_submit_and_wait_timeout(&job->ring, &cqe, 2, &limit, NULL);
		check(result >= 0, "submit and wait in time", job->number);
	}
	reap(job, 2, "an answer");
}

static void *work(void *argument)
{
	struct job *job = argument;

	wait_for_nothing(job);
	wait_in_some_way(job);
	return NULL;
}

static void start(struct job *job, int number, pthread_t *thread)
{
	job->number = number;
	if (io_uring_queue_init(8, &job->ring, 0) != 0 || pipe(job->pipes[0]) != 0 || pipe(job->pipes[1]) != 0) {
		printf("no ring\n");
		exit(2);
	}
	if (pthread_create(thread, NULL, work, job) != 0)
		exit(2);
}

/* The first answers come when all wait, the second ones later. */
static void give_answers(struct job *jobs)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	for (int i = 0; i < PIPES; i++) {
		nanosleep(&pause, NULL);
		for (int number = THREADS - 1; number >= 0; number--) {
			int answer = number * PIPES + i;

			if (write(jobs[number].pipes[i][1], &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
				exit(2);
		}
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
	give_answers(jobs);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		io_uring_queue_exit(&jobs[i].ring);
	printf("%d threads, %d wrong\n", THREADS, wrong);
	return wrong != 0;
}
