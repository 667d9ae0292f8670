/* SPDX-License-Identifier: MIT */
/* plain.c - what the plain blocking programs share: a table of cases, lines of output, threads and clocks */
#include "plain.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void say(const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	write_full(STDOUT_FILENO, line, (size_t)length);
}

void must(bool holds, const char *what)
{
	if (holds)
		return;
	say("cannot go on: %s: %s", what, error_name(errno));
	_exit(99);
}

const char *error_name(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : "no such error";
}

const char *outcome(long result)
{
	return result == -1 ? error_name(errno) : "ok";
}

static void run_case(const struct plain_case *one)
{
	say("%s:", one->name);
	one->run();
}

static int run_named(const char *name, const struct plain_case *cases)
{
	for (; cases->name; cases++) {
		if (!strcmp(cases->name, name)) {
			run_case(cases);
			return 0;
		}
	}
	fprintf(stderr, "no case is called %s\n", name);
	return 2;
}

int plain_main(int argc, char **argv, const struct plain_case *cases)
{
	if (argc > 1 && strcmp(argv[1], "--list"))
		return run_named(argv[1], cases);
	for (; cases->name; cases++) {
		if (argc > 1)
			printf("%s %d\n", cases->name, cases->threads);
		else
			run_case(cases);
	}
	return 0;
}

pthread_t spawn(void *(*body)(void *), void *argument)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, body, argument);
	must(errno == 0, "pthread_create");
	return thread;
}

void *join(pthread_t thread)
{
	void *result = NULL;

	errno = pthread_join(thread, &result);
	must(errno == 0, "pthread_join");
	return result;
}

double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

void say_elapsed(const char *what, double since, double least, double most)
{
	double took = now() - since;

	if (took >= least && took <= most)
		say("%s: in time", what);
	else
		say("%s: took %.3f s, which is not between %.3f and %.3f", what, took, least, most);
}

void pause_ms(int ms)
{
	struct timespec left = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

struct timespec after_ms(int clock, int ms)
{
	struct timespec at;

	clock_gettime(clock, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

int listen_local(int backlog, int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(fd != -1, "socket");
	must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
	must(listen(fd, backlog) == 0, "listen");
	must(getsockname(fd, (struct sockaddr *)&at, &size) == 0, "getsockname");
	*port = ntohs(at.sin_port);
	return fd;
}

int connect_local(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)port);
	must(fd != -1, "socket");
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	return fd;
}

void tcp_pair(int pair[2])
{
	int port, listener = listen_local(1, &port);

	pair[0] = connect_local(port);
	pair[1] = accept(listener, NULL, NULL);
	must(pair[1] != -1, "accept");
	close(listener);
}

void stream_pair(int pair[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
}

size_t read_full(int fd, void *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)buffer + done, size - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

size_t write_full(int fd, const void *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)buffer + done, size - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

void say_status(const char *what, int status)
{
	if (WIFEXITED(status))
		say("%s: exited with %d", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		say("%s: killed by SIG%s", what, sigabbrev_np(WTERMSIG(status)));
	else
		say("%s: status 0x%x", what, status);
}

void reap(const char *what, pid_t pid)
{
	int status;

	must(pid != -1, what);
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	say_status(what, status);
}
