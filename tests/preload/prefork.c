/* SPDX-License-Identifier: MIT */
/* prefork.c - processes with threads that all accept on one listening socket */
#include "plain.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 3, THREADS = 4, CLIENTS = 60 };

static int listener;
static struct counts {
	int served, ticks[CHILDREN];
} *counts;

static void *serve(void *argument)
{
	char request[8];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			break;
		if (read_full(fd, request, 5) == 5) {
			__atomic_add_fetch(&counts->served, 1, __ATOMIC_RELAXED);
			write_full(fd, request, 5);
		}
		close(fd);
	}
	say("accept ended: %s", error_name(errno));
	return argument;
}

static void *tick(void *number)
{
	for (;;) {
		counts->ticks[(intptr_t)number]++;
		pause_ms(5);
	}
	return NULL;
}

static void child(int number)
{
	spawn(tick, (void *)(intptr_t)number);
	for (int i = 1; i < THREADS; i++)
		spawn(serve, NULL);
	serve(NULL);
	exit(1);
}

static bool ask(int port, int number)
{
	char request[8], reply[8] = "";
	int fd = connect_local(port);

	snprintf(request, sizeof(request), "%05d", number);
	write_full(fd, request, 5);
	read_full(fd, reply, 5);
	close(fd);
	return memcmp(request, reply, 5) == 0;
}

static void *stay(void *argument)
{
	pause_ms(20);
	return argument;
}

static void end_children(const pid_t *pids)
{
	int ticked = 0;

	pause_ms(100);
	for (int i = 0; i < CHILDREN; i++) {
		ticked += counts->ticks[i] > 10;
		kill(pids[i], SIGTERM);
		reap("child", pids[i]);
	}
	say("%d of %d children went on ticking", ticked, CHILDREN);
}

static void prefork(bool threads_first)
{
	pid_t pids[CHILDREN];
	int port, right = 0;

	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	listener = listen_local(64, &port);
	pthread_t thread = threads_first ? spawn(stay, NULL) : 0;

	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			child(i);
	}
	for (int i = 0; i < CLIENTS; i++)
		right += ask(port, i);
	say("%d of %d right, %d served", right, CLIENTS, counts->served);
	if (threads_first)
		join(thread);
	end_children(pids);
}

static void shared_listener(void)
{
	prefork(false);
}

static void shared_after_threads(void)
{
	prefork(true);
}

/* A thread that waits for a connection that another process may take is cancelled all the same. */
static void cancelled_acceptor(void)
{
	int port;

	listener = listen_local(64, &port);
	pid_t pid = fork();

	if (pid == 0) {
		close(accept(listener, NULL, NULL));
		_exit(0);
	}
	pthread_t first = spawn(serve, NULL), second = spawn(serve, NULL);

	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pause_ms(30);
	for (int i = 0; i < 3; i++)
		close(connect_local(port));
	pause_ms(50);
	pthread_cancel(first);
	pthread_cancel(second);
	say("%s, ", join(first) == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
	say("%s", join(second) == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const struct plain_case cases[] = {
	{ "shared_listener", shared_listener, 0 },
	{ "shared_after_threads", shared_after_threads, 1 },
	{ "cancelled_acceptor", cancelled_acceptor, 2 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	return plain_main(argc, argv, cases);
}
