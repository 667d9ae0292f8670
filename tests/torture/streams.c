/* SPDX-License-Identifier: MIT */
/* streams.c - bytes through pipes and sockets, sleeps, and waiting by asking: sums agree, nothing is early */
#include "torture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 8192 };

struct transfer {
	int in, out;
	size_t size;
	uint32_t sum;
	uint64_t random;
};

static size_t all_of(size_t left, size_t most)
{
	return left < most ? left : most;
}

static void *send_bytes(void *argument)
{
	struct transfer *transfer = argument;
	struct worker random = { .random = transfer->random };
	unsigned char piece[PIECE];

	for (size_t left = transfer->size; left;) {
		size_t size = all_of(left, 1 + pick(&random, PIECE));

		for (size_t i = 0; i < size; i++)
			piece[i] = (unsigned char)pick(&random, 256);
		transfer->sum = checksum(transfer->sum, piece, size);
		for (size_t done = 0; done < size;) {
			ssize_t count = write(transfer->out, piece + done, size - done);

			demand(count > 0 || errno == EINTR, "write");
			done += count > 0 ? (size_t)count : 0;
		}
		left -= size;
	}
	return NULL;
}

static uint32_t receive_bytes(struct worker *worker, int fd, size_t size)
{
	unsigned char piece[PIECE];
	uint32_t sum = 0;

	while (size) {
		ssize_t count = read(fd, piece, all_of(size, 1 + pick(worker, PIECE)));

		demand(count > 0 || (count < 0 && errno == EINTR), "read");
		if (count < 0)
			continue;
		sum = checksum(sum, piece, (size_t)count);
		size -= (size_t)count;
	}
	return sum;
}

static void transfer(struct worker *worker, int in, int out)
{
	struct transfer transfer = { in, out, pick(worker, 200000), 0, worker->random | 1 };
	pthread_t sender = start_thread(send_bytes, &transfer);
	uint32_t sum = receive_bytes(worker, in, transfer.size);

	end_thread(sender);
	demand(sum == transfer.sum, "bytes got lost or changed");
	close(in);
	close(out);
}

void do_pipe(struct worker *worker)
{
	int ends[2];

	demand(pipe(ends) == 0, "pipe");
	transfer(worker, ends[0], ends[1]);
}

void do_socket(struct worker *worker)
{
	int ends[2];

	demand(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
	transfer(worker, ends[0], ends[1]);
}

static void *connect_to(void *argument)
{
	struct sockaddr_in *address = argument;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	demand(fd >= 0 && connect(fd, (struct sockaddr *)address, sizeof(*address)) == 0, "connect");
	return (void *)(long)fd;
}

void do_listener(struct worker *worker)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	pthread_t other;

	demand(listener >= 0 && bind(listener, (struct sockaddr *)&address, length) == 0, "bind");
	demand(listen(listener, 4) == 0 && getsockname(listener, (struct sockaddr *)&address, &length) == 0, "listen");
	other = start_thread(connect_to, &address);
	while ((fd = accept(listener, NULL, NULL)) < 0)
		demand(errno == EINTR, "accept");
	transfer(worker, fd, (int)(long)end_thread(other));
	close(listener);
}

/* --- time --- */

static void sleep_somehow(unsigned way, long microseconds)
{
	struct timespec span = { 0, microseconds * 1000 };
	struct timeval time = { 0, microseconds };
	fd_set none;

	FD_ZERO(&none);
	switch (way) {
	case 0: nanosleep(&span, NULL); break;
	case 1: usleep((useconds_t)microseconds); break;
	case 2: clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL); break;
	case 3: select(0, &none, NULL, NULL, &time); break;
	default: ppoll(NULL, 0, &span, NULL); break;
	}
}

void do_sleep(struct worker *worker)
{
	long microseconds = 1 + pick(worker, 3000);
	double start = seconds();

	sleep_somehow(pick(worker, 5), microseconds);
	demand(seconds() - start >= (double)microseconds / 1e6 - 1e-6, "a sleep ended early");
}

/* --- waiting by asking --- */

struct turns {
	atomic_int turn;
	unsigned way;
};

static void take_turns(struct turns *turns, int own)
{
	for (int i = own; i < 6; i += 2) {
		while (turns->turn != i) {
			if (turns->way)
				sched_yield();
		}
		turns->turn++;
	}
}

static void *take_odd_turns(void *turns)
{
	take_turns(turns, 1);
	return NULL;
}

void do_spin(struct worker *worker)
{
	struct turns turns = { .way = pick(worker, 4) };
	pthread_t other = start_thread(take_odd_turns, &turns);

	take_turns(&turns, 0);
	end_thread(other);
	demand(turns.turn == 6, "turns");
}
