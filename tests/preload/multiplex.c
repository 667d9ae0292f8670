/* SPDX-License-Identifier: MIT */
/* multiplex.c - poll, select and epoll in threads: what is ready, what times out, what is written back */
#include "plain.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *write_late(void *argument)
{
	pause_ms(40);
	write_full(*(int *)argument, "x", 1);
	return NULL;
}

/* The arguments of one line are not evaluated in order: first the call, then what it wrote. */
static void say_poll(const char *what, struct pollfd *set, int count, int timeout, int which)
{
	int n = poll(set, (nfds_t)count, timeout);

	say("%s: %d, events %d", what, n, set[which].revents);
}

static void *poll_two(void *argument)
{
	int *fds = argument;
	struct pollfd both[] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN | POLLOUT, 0 }, { -1, POLLIN, 7 } };
	double start = now();

	both[1].events = POLLIN;
	say("nothing: %d", poll(both, 3, 60));
	say_elapsed("poll", start, 0.055, 2);
	pthread_t writer = spawn(write_late, &fds[2]);
	say("one: %d", poll(both, 3, 5000));
	say("events %d %d %d", both[0].revents, both[1].revents, both[2].revents);
	join(writer);
	both[1].events = POLLIN | POLLOUT;
	say("both: %d", poll(both, 2, -1));
	say("events %d %d", both[0].revents, both[1].revents);
	return NULL;
}

/* MP7, CK21: poll */
static void polls(void)
{
	int first[2], second[2];

	stream_pair(first);
	tcp_pair(second);
	int fds[] = { first[0], second[0], first[1] };
	join(spawn(poll_two, fds));
}

static void *poll_oddities(void *argument)
{
	int ends[2];
	double start = now();

	(void)argument;
	say("no descriptors: %d", poll(NULL, 0, 50));
	say_elapsed("sleep by poll", start, 0.045, 2);
	must(pipe(ends) == 0, "pipe");
	struct pollfd set[] = { { ends[0], POLLIN, 0 }, { ends[0], POLLIN, 0 }, { 987, POLLIN, 0 } };
	say_poll("closed one", set, 3, 5000, 2);
	write_full(ends[1], "x", 1);
	say_poll("twice the same", set, 2, 5000, 1);
	close(ends[1]);
	char byte;
	say("read %zd", read(ends[0], &byte, 1));
	say_poll("end of file", set, 1, 5000, 0);
	struct pollfd file = { fileno(tmpfile()), POLLIN | POLLOUT, 0 };
	say_poll("a file", &file, 1, 5000, 0);
	say_poll("at once", set, 1, 0, 0);
	close(ends[0]);
	say_poll("closed", set, 1, -1, 0);
	return NULL;
}

static void oddities(void)
{
	join(spawn(poll_oddities, NULL));
}

static void *ppoll_once(void *argument)
{
	int *fds = argument;
	struct pollfd one = { fds[0], POLLIN, 0 };
	struct timespec limit = { 0, 60 * 1000 * 1000 }, given = limit;
	sigset_t mask;
	double start = now();

	sigfillset(&mask);
	say("nothing: %d", ppoll(&one, 1, &limit, &mask));
	say_elapsed("ppoll", start, 0.055, 2);
	say("the limit is %s", memcmp(&limit, &given, sizeof(limit)) ? "changed" : "unchanged");
	pthread_t writer = spawn(write_late, &fds[1]);
	say("one: %d", ppoll(&one, 1, NULL, NULL));
	join(writer);
	return NULL;
}

/* MP7: ppoll */
static void ppolls(void)
{
	int pair[2];

	stream_pair(pair);
	join(spawn(ppoll_once, pair));
}

static void *select_some(void *argument)
{
	int *fds = argument;
	fd_set in, out;
	struct timeval limit = { 0, 60000 };
	double start = now();

	FD_ZERO(&in);
	FD_SET(fds[0], &in);
	int n = select(fds[0] + 1, &in, NULL, NULL, &limit);
	say("nothing: %d, left %ld", n, (long)limit.tv_usec);
	say("still in the set: %s", FD_ISSET(fds[0], &in) ? "yes" : "no");
	say_elapsed("select", start, 0.055, 2);
	FD_ZERO(&out);
	FD_SET(fds[0], &in);
	FD_SET(fds[0], &out);
	limit = (struct timeval){ 5, 0 };
	n = select(fds[0] + 1, &in, &out, NULL, &limit);
	say("writable: %d, in %d, out %d", n, !!FD_ISSET(fds[0], &in), !!FD_ISSET(fds[0], &out));
	FD_SET(fds[0], &in);
	pthread_t writer = spawn(write_late, &fds[1]);
	limit = (struct timeval){ 5, 0 };
	say("readable: %d", select(fds[0] + 1, &in, NULL, NULL, &limit));
	say("time left is %s", limit.tv_sec == 4 || limit.tv_sec == 3 ? "written back" : "not written back");
	join(writer);
	return NULL;
}

/* MP7, CK21, X13: select */
static void selects(void)
{
	int pair[2];

	tcp_pair(pair);
	join(spawn(select_some, pair));
}

static void *select_oddities(void *argument)
{
	struct timeval limit = { 0, 50000 };
	double start = now();
	fd_set in;

	(void)argument;
	say("no descriptors: %d", select(0, NULL, NULL, NULL, &limit));
	say_elapsed("sleep by select", start, 0.045, 2);
	FD_ZERO(&in);
	int closed = dup(0);
	close(closed);
	FD_SET(closed, &in);
	limit = (struct timeval){ 5, 0 };
	say("closed one: %s", outcome(select(closed + 1, &in, NULL, NULL, &limit)));
	struct timespec short_limit = { 0, 50 * 1000 * 1000 };
	start = now();
	FD_ZERO(&in);
	say("pselect: %d", pselect(0, &in, NULL, NULL, &short_limit, NULL));
	say_elapsed("pselect", start, 0.045, 2);
	limit = (struct timeval){ -1, 0 };
	say("negative: %s", outcome(select(0, NULL, NULL, NULL, &limit)));
	return NULL;
}

/* CK21: no descriptors, bad ones */
static void select_odd(void)
{
	join(spawn(select_oddities, NULL));
}

static void add(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void *epoll_once(void *argument)
{
	int *fds = argument, epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event got[4];
	double start = now();

	add(epoll, fds[0], EPOLLIN);
	say("nothing: %d", epoll_wait(epoll, got, 4, 60));
	say_elapsed("epoll_wait", start, 0.055, 2);
	pthread_t writer = spawn(write_late, &fds[1]);
	int n = epoll_wait(epoll, got, 4, -1);
	say("one: %d, events %u, its data %s", n, got[0].events, got[0].data.fd == fds[0] ? "right" : "wrong");
	join(writer);
	say("level: %d", epoll_pwait(epoll, got, 4, 5000, NULL));
	say("no room: %s", outcome(epoll_wait(epoll, got, 0, 5000)));
	close(epoll);
	return NULL;
}

/* MP7, L19, CK21: epoll_wait */
static void epolls(void)
{
	int pair[2];

	stream_pair(pair);
	join(spawn(epoll_once, pair));
}

struct pool { int epoll; int served; pthread_mutex_t lock; };

static void serve(struct pool *pool, int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		return;
	write_full(fd, &byte, 1);
	struct epoll_event again = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = fd };
	epoll_ctl(pool->epoll, EPOLL_CTL_MOD, fd, &again);
}

/* Each worker waits on the same instance until the connections close. */
static void *work(void *argument)
{
	struct pool *pool = argument;
	struct epoll_event got;

	while (epoll_wait(pool->epoll, &got, 1, -1) == 1) {
		if (got.data.fd == -1)
			break;
		serve(pool, got.data.fd);
		pthread_mutex_lock(&pool->lock);
		pool->served++;
		pthread_mutex_unlock(&pool->lock);
	}
	return NULL;
}

/* L19, L21: an instance for several threads */
static void worker_pool(void)
{
	struct pool pool = { epoll_create1(0), 0, PTHREAD_MUTEX_INITIALIZER };
	int pairs[8][2], stop[2], same = 0;
	pthread_t workers[4];
	char byte;

	for (int i = 0; i < 8; i++) {
		stream_pair(pairs[i]);
		add(pool.epoll, pairs[i][1], EPOLLIN | EPOLLONESHOT);
	}
	for (int i = 0; i < 4; i++)
		workers[i] = spawn(work, &pool);
	for (int round = 0; round < 160; round++) {
		byte = (char)round;
		write_full(pairs[round % 8][0], &byte, 1);
		same += read(pairs[round % 8][0], &byte, 1) == 1 && byte == (char)round;
	}
	stream_pair(stop);
	struct epoll_event end = { .events = EPOLLIN, .data.fd = -1 };
	epoll_ctl(pool.epoll, EPOLL_CTL_ADD, stop[0], &end);
	write_full(stop[1], "x", 1);
	for (int i = 0; i < 4; i++)
		join(workers[i]);
	say("%d of 160 came back, served %d", same, pool.served);
}

/* A connection is in the program's own epoll set while another thread reads from it blocking. */
static void *blocking_reader(void *argument)
{
	char byte;

	say("read %zd", read(*(int *)argument, &byte, 1));
	return NULL;
}

static void two_owners(void)
{
	int pair[2], epoll = epoll_create1(0);
	struct epoll_event got;

	stream_pair(pair);
	add(epoll, pair[0], EPOLLIN | EPOLLET);
	say("quiet: %d", epoll_wait(epoll, &got, 1, 20));
	pthread_t reader = spawn(blocking_reader, &pair[0]);
	pause_ms(30);
	write_full(pair[1], "xy", 2);
	join(reader);
	say("edge: %d", epoll_wait(epoll, &got, 1, 5000));
	say("edge once: %d", epoll_wait(epoll, &got, 1, 20));
	close(epoll);
}

static void *wait_ten(void *argument)
{
	struct pollfd one = { *(int *)argument, POLLIN, 0 };

	return (void *)(long)poll(&one, 1, 100);
}

/* L21, U21: Timeouts of many threads run side by side, not one after the other. */
static void side_by_side(void)
{
	int pair[2], sum = 0;
	pthread_t threads[20];
	double start = now();

	stream_pair(pair);
	for (int i = 0; i < 20; i++)
		threads[i] = spawn(wait_ten, &pair[0]);
	for (int i = 0; i < 20; i++)
		sum += (int)(long)join(threads[i]);
	say("timed out: %s", sum == 0 ? "all" : "not all");
	say_elapsed("20 polls", start, 0.095, 1);
}

/* Everyone who waits for the same descriptor by poll is told. */
static void all_told(void)
{
	int pair[2], sum = 0;
	pthread_t threads[5];

	stream_pair(pair);
	for (int i = 0; i < 5; i++)
		threads[i] = spawn(wait_ten, &pair[0]);
	pause_ms(20);
	write_full(pair[1], "x", 1);
	for (int i = 0; i < 5; i++)
		sum += (int)(long)join(threads[i]);
	say("told %d", sum);
}

/* The other end is written to, each time, by a thread that needs its turn while the plain call waits. */
static void say_plain(const char *what, int pair[2], long (*call)(int fd))
{
	pthread_t writer = spawn(write_late, &pair[1]);
	char byte;

	say("%s: %ld", what, call(pair[0]));
	join(writer);
	recv(pair[0], &byte, 1, MSG_DONTWAIT);
}

static long plain_ppoll(int fd)
{
	struct pollfd one = { fd, POLLIN, 0 };

	return syscall(SYS_ppoll, &one, 1, NULL, NULL, 8);
}

static long plain_pselect(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return syscall(SYS_pselect6, fd + 1, &set, NULL, NULL, NULL, NULL);
}

static long plain_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	long result;

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	result = syscall(SYS_epoll_pwait, epoll, &event, 1, -1, NULL, 8);
	close(epoll);
	return result;
}

static long plain_receive(int fd)
{
	char byte;

	return syscall(SYS_recvfrom, fd, &byte, 1, 0, NULL, NULL);
}

static long plain_read(int fd)
{
	char byte;

	return syscall(SYS_read, fd, &byte, 1);
}

static long plain_wait(int fd)
{
	pid_t child = fork();
	char byte;

	if (child == 0)
		_exit(read(fd, &byte, 1) == 1 ? 0 : 1);
	return syscall(SYS_wait4, child, NULL, 0, NULL) == child;
}

static void plain_calls(void)
{
	int pair[2];

	stream_pair(pair);
	say_plain("ppoll", pair, plain_ppoll);
	say_plain("pselect", pair, plain_pselect);
	say_plain("epoll_pwait", pair, plain_epoll);
	say_plain("recvfrom", pair, plain_receive);
	say_plain("read", pair, plain_read);
	say_plain("wait4", pair, plain_wait);
}

static long got = -2;

/* A system call is no cancellation point; the call of libc that follows is one. */
static void *receive_plainly(void *argument)
{
	char byte;

	got = syscall(SYS_recvfrom, *(int *)argument, &byte, 1, 0, NULL, NULL);
	pause_ms(1);
	say("not cancelled");
	return NULL;
}

static void plain_cancelled(void)
{
	int pair[2];
	pthread_t thread;

	stream_pair(pair);
	thread = spawn(receive_plainly, &pair[0]);
	pause_ms(20);
	pthread_cancel(thread);
	pause_ms(20);
	write_full(pair[1], "x", 1);
	say("cancelled: %d", join(thread) == PTHREAD_CANCELED);
	say("after %ld byte", got);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "polls", polls, 2 },
		{ "oddities", oddities, 1 },
		{ "ppolls", ppolls, 2 },
		{ "selects", selects, 2 },
		{ "select_odd", select_odd, 1 },
		{ "epolls", epolls, 2 },
		{ "worker_pool", worker_pool, 4 },
		{ "two_owners", two_owners, 1 },
		{ "side_by_side", side_by_side, 20 },
		{ "all_told", all_told, 5 },
		{ "plain_calls", plain_calls, 6 },
		{ "plain_cancelled", plain_cancelled, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
