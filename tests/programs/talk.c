/* SPDX-License-Identifier: MIT */
/*
 * talk.c - says on many connections at once what a script tells, and compares every byte of what is answered
 *
 *   talk [--tls] SCRIPT FD...   The descriptors are connections.  Prints `ready`, waits for a newline, talks, and
 *                               prints what it saw; what is wrong it tells on standard error, too.
 *   talk --origin               The other end of a proxy: prints its port and sends back what comes, until its input
 *                               ends.
 *
 * The script has for each connection a number of turns, then each turn as struct turn describes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 256,
	LIMIT_SECONDS = 40, /* what is not answered by then is missing */
	COMPLAINTS = 3,
};

#define NS_PER_SECOND INT64_C(1000000000)

/* As it lies in the script, padded to whole words of 32 bits. */
struct turn {
	uint32_t question_size, answer_size;
	uint32_t free_at, free_size; /* the part of the answer that may be anything, such as a date */
	unsigned char text[];        /* the question, then the answer */
};

struct line {
	int fd;
	SSL *tls;
	const uint32_t *next; /* the script from the next turn on */
	uint32_t left;        /* turns, the one at hand among them */
	const struct turn *turn;
	uint32_t said, heard;
	bool wrong;
	int64_t began;
};

static struct {
	struct line *lines;
	int count, epoll;
	float *latencies; /* in ms, one for each answer */
	size_t answers, expected, wrong;
	int open, complaints;
	unsigned char buffer[65536];
} talk;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

__attribute__((noreturn)) static void give_up(const char *what)
{
	perror(what);
	exit(2);
}

/* ---- bytes, plain or by TLS ---- */

static ssize_t tls_result(SSL *tls, int result)
{
	int error = SSL_get_error(tls, result);

	if (result > 0)
		return result;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t line_read(struct line *line, size_t most)
{
	size_t size = most < sizeof(talk.buffer) ? most : sizeof(talk.buffer);

	return line->tls ? tls_result(line->tls, SSL_read(line->tls, talk.buffer, (int)size)) :
			   read(line->fd, talk.buffer, size);
}

static ssize_t line_write(struct line *line, const void *data, size_t size)
{
	return line->tls ? tls_result(line->tls, SSL_write(line->tls, data, (int)size)) :
			   send(line->fd, data, size, MSG_NOSIGNAL);
}

static void tls_begin(struct line *line, SSL_CTX *context)
{
	line->tls = SSL_new(context);
	SSL_set_fd(line->tls, line->fd);
	/* Whoever made the connection may have wanted a time limit. */
	fcntl(line->fd, F_SETFL, 0);
	if (SSL_connect(line->tls) != 1)
		give_up("SSL_connect");
}

/* ---- one connection ---- */

static void complain(struct line *line, const char *what)
{
	if (talk.complaints++ < COMPLAINTS)
		fprintf(stderr, "connection %td, %u turns before its end: %s, %u bytes into the answer\n",
			line - talk.lines, line->left, what, line->heard);
}

static void turn_begin(struct line *line)
{
	line->turn = (const struct turn *)(const void *)line->next;
	line->said = line->heard = 0;
	line->wrong = false;
	line->began = now();
}

static void turn_end(struct line *line)
{
	const struct turn *turn = line->turn;

	talk.latencies[talk.answers++] = (float)(now() - line->began) / 1e6f;
	talk.wrong += line->wrong;
	line->next += (sizeof(*turn) + turn->question_size + turn->answer_size + 3) / 4;
	if (--line->left)
		turn_begin(line);
	else
		talk.open--;
}

/* What is left over is missing. */
static bool lost(struct line *line, const char *what)
{
	complain(line, what);
	epoll_ctl(talk.epoll, EPOLL_CTL_DEL, line->fd, NULL);
	line->left = 0;
	talk.open--;
	return false;
}

static bool say(struct line *line)
{
	const struct turn *turn = line->turn;

	while (line->said < turn->question_size) {
		ssize_t size = line_write(line, turn->text + line->said, turn->question_size - line->said);

		if (size < 0)
			return errno == EAGAIN ? false : lost(line, "it cannot be written to");
		line->said += (uint32_t)size;
	}
	return true;
}

static void compare(struct line *line, size_t size)
{
	const struct turn *turn = line->turn;
	const unsigned char *answer = turn->text + turn->question_size;

	for (size_t i = 0; i < size && !line->wrong; i++, line->heard++) {
		if (talk.buffer[i] == answer[line->heard] || line->heard - turn->free_at < turn->free_size)
			continue;
		line->wrong = true;
		complain(line, "a wrong byte");
	}
}

/* An answer that comes in pieces would wait for acknowledgements that are put off. */
static void acknowledge(struct line *line)
{
	setsockopt(line->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 }, sizeof(int));
}

static bool hear(struct line *line)
{
	uint32_t all = line->turn->answer_size, end;

	while (line->heard < all) {
		ssize_t size = line_read(line, all - line->heard);

		if (size < 0 && errno == EAGAIN)
			return false;
		if (size <= 0)
			return lost(line, size ? "it cannot be read from" : "it was closed");
		end = line->heard + (uint32_t)size;
		compare(line, (size_t)size);
		line->heard = end;
		if (end < all)
			acknowledge(line);
	}
	return true;
}

/* As far as it goes without waiting. */
static void line_goes_on(struct line *line)
{
	while (line->left && say(line) && hear(line))
		turn_end(line);
}

/* ---- all of them ---- */

static const uint32_t *script_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *memory;

	if (fd < 0 || fstat(fd, &status))
		give_up(path);
	memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED)
		give_up("mmap");
	close(fd);
	return memory;
}

/* Returns: where the next connection's part begins. */
static const uint32_t *script_of_line(struct line *line, const uint32_t *script)
{
	line->left = *script++;
	line->next = script;
	talk.expected += line->left;
	for (uint32_t i = 0; i < line->left; i++)
		script += (sizeof(struct turn) + script[0] + script[1] + 3) / 4;
	return script;
}

static void lines_open(char **numbers, int count, const uint32_t *script, SSL_CTX *tls)
{
	talk.lines = calloc((size_t)count, sizeof(*talk.lines));
	talk.count = talk.open = count;
	talk.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < count; i++) {
		struct line *line = &talk.lines[i];
		struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = line };

		line->fd = atoi(numbers[i]);
		script = script_of_line(line, script);
		if (tls)
			tls_begin(line, tls);
		if (fcntl(line->fd, F_SETFL, O_NONBLOCK) || epoll_ctl(talk.epoll, EPOLL_CTL_ADD, line->fd, &event))
			give_up("a connection");
	}
	talk.latencies = calloc(talk.expected, sizeof(*talk.latencies));
}

static void lines_talk(void)
{
	int64_t deadline = now() + LIMIT_SECONDS * NS_PER_SECOND, left;
	struct epoll_event events[BATCH];

	for (int i = 0; i < talk.count; i++) {
		turn_begin(&talk.lines[i]);
		line_goes_on(&talk.lines[i]);
	}
	while (talk.open && (left = deadline - now()) > 0) {
		int count = epoll_wait(talk.epoll, events, BATCH, (int)(left / 1000000) + 1);

		for (int i = 0; i < count; i++)
			line_goes_on(events[i].data.ptr);
	}
}

/* More than was asked for is wrong, too. */
static void lines_end(void)
{
	for (int i = 0; i < talk.count; i++) {
		if (talk.lines[i].turn && line_read(&talk.lines[i], 1) > 0) {
			talk.wrong++;
			complain(&talk.lines[i], "more than the answers came");
		}
	}
}

static int by_size(const void *a, const void *b)
{
	float one = *(const float *)a, other = *(const float *)b;

	return (one > other) - (one < other);
}

static double percentile(unsigned percent)
{
	size_t at = talk.answers * percent / 100;

	return talk.answers ? (double)talk.latencies[at < talk.answers ? at : talk.answers - 1] : 0;
}

static int client(int count, char **arguments, bool tls)
{
	SSL_CTX *context = tls ? SSL_CTX_new(TLS_client_method()) : NULL;
	int64_t began;
	double seconds;

	lines_open(arguments + 1, count - 1, script_map(arguments[0]), context);
	puts("ready");
	fflush(stdout);
	if (getchar() != '\n')
		return 2;
	began = now();
	lines_talk();
	seconds = (double)(now() - began) / 1e9;
	lines_end();
	qsort(talk.latencies, talk.answers, sizeof(*talk.latencies), by_size);
	printf("{\"answers\": %zu, \"wrong\": %zu, \"missing\": %zu, ", talk.answers, talk.wrong, talk.expected - talk.answers);
	printf("\"seconds\": %.4f, \"p50\": %.4f, \"p99\": %.4f}\n", seconds, percentile(50), percentile(99));
	return 0;
}

/* ---- the origin ---- */

struct echo {
	int fd;
};

static void echo(struct echo *echo)
{
	ssize_t size = recv(echo->fd, talk.buffer, sizeof(talk.buffer), 0);

	/* What the clients of this test have outstanding never fills a socket's buffer. */
	if (size > 0 && send(echo->fd, talk.buffer, (size_t)size, MSG_NOSIGNAL) == size)
		return;
	close(echo->fd);
	free(echo);
}

static void watch(int epoll, int fd)
{
	struct echo *echo = malloc(sizeof(*echo));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = echo };

	*echo = (struct echo){ fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		give_up("epoll_ctl");
}

static void echo_or_accept(int epoll, struct echo *ready, int listener)
{
	int fd;

	if (ready->fd == STDIN_FILENO)
		exit(0);
	if (ready->fd != listener) {
		echo(ready);
		return;
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		watch(epoll, fd);
	}
}

static int origin(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC);
	socklen_t size = sizeof(address);
	struct epoll_event event;

	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		give_up("the origin's socket");
	watch(epoll, listener);
	watch(epoll, STDIN_FILENO);
	printf("listening on %d\n", ntohs(address.sin_port));
	fflush(stdout);
	/* One at a time: what is freed is not among those that are still to come. */
	while (epoll_wait(epoll, &event, 1, -1) == 1 || errno == EINTR)
		echo_or_accept(epoll, event.data.ptr, listener);
	return 1;
}

int main(int argc, char **argv)
{
	bool tls = argc > 1 && strcmp(argv[1], "--tls") == 0;

	if (argc == 2 && strcmp(argv[1], "--origin") == 0)
		return origin();
	if (argc < 3 + tls)
		return 2;
	return client(argc - 1 - tls, argv + 1 + tls, tls);
}
