/* SPDX-License-Identifier: MIT */
/* pipes.c - pipes and FIFOs between threads: no lost byte, small writes whole, end of file, a missing reader */
#include "plain.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BULK = 10 * 1000 * 1000, PIECE = 70001 };

static unsigned char pattern(size_t at)
{
	return (unsigned char)(at * 29 + (at >> 13));
}

/* A blocking write to a pipe is never short. */
static void *write_bulk(void *argument)
{
	int fd = *(int *)argument;
	unsigned char *piece = malloc(PIECE);
	long shorts = 0;

	for (size_t at = 0; at < BULK; at += PIECE) {
		size_t size = BULK - at < PIECE ? BULK - at : PIECE;

		for (size_t i = 0; i < size; i++)
			piece[i] = pattern(at + i);
		shorts += write(fd, piece, size) != (ssize_t)size;
	}
	free(piece);
	close(fd);
	return (void *)shorts;
}

/* MP5, X19: a pipe that blocks */
static void bulk(void)
{
	int ends[2];
	unsigned char *piece = malloc(30000);
	size_t total = 0, wrong = 0;
	ssize_t n;

	must(pipe(ends) == 0, "pipe");
	pthread_t writer = spawn(write_bulk, &ends[1]);
	while ((n = read(ends[0], piece, 30000)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			wrong += piece[i] != pattern(total + (size_t)i);
		total += (size_t)n;
	}
	say("%zu bytes, wrong %zu, short writes %ld", total, wrong, (long)join(writer));
	free(piece);
	close(ends[0]);
}

enum { RECORD = 1000, RECORDS = 200, WRITERS = 6 };

struct writer { int fd, number; };

static void *write_records(void *argument)
{
	struct writer *me = argument;
	char record[RECORD];

	memset(record, 'a' + me->number, sizeof(record));
	for (int i = 0; i < RECORDS; i++)
		must(write(me->fd, record, sizeof(record)) == sizeof(record), "write");
	return NULL;
}

static bool is_whole(const char *record)
{
	for (int i = 1; i < RECORD; i++) {
		if (record[i] != record[0])
			return false;
	}
	return true;
}

/* A write of at most PIPE_BUF bytes stays in one piece, however many threads write and wait. */
static void atomic(void)
{
	int ends[2], count = 0, torn = 0;
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	char record[RECORD];

	must(pipe(ends) == 0, "pipe");
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ ends[1], i };
		threads[i] = spawn(write_records, &writers[i]);
	}
	for (; count < RECORDS * WRITERS && read_full(ends[0], record, RECORD) == RECORD; count++)
		torn += !is_whole(record);
	for (int i = 0; i < WRITERS; i++)
		join(threads[i]);
	say("%d records of %s PIPE_BUF, torn %d", count, RECORD <= PIPE_BUF ? "at most" : "more than", torn);
}

static void *read_to_end(void *argument)
{
	char buffer[100];
	ssize_t n, total = 0;

	while ((n = read(*(int *)argument, buffer, sizeof(buffer))) > 0)
		total += n;
	say("read %zd, then %zd", total, n);
	return NULL;
}

static void end_of_file(void)
{
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	pthread_t reader = spawn(read_to_end, &ends[0]);
	pause_ms(20);
	write_full(ends[1], "hello", 5);
	pause_ms(20);
	close(ends[1]);
	join(reader);
}

static void *fill_until_broken(void *argument)
{
	char *data = calloc(1, 1 << 20);
	ssize_t n = write(*(int *)argument, data, 1 << 20);

	say("first: %s", n > 0 && n < 1 << 20 ? "a part" : outcome(n));
	say("second: %s", outcome(write(*(int *)argument, data, 1)));
	free(data);
	return NULL;
}

static void missing_reader(void)
{
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	must(pipe(ends) == 0, "pipe");
	pthread_t writer = spawn(fill_until_broken, &ends[1]);
	pause_ms(30);
	close(ends[0]);
	join(writer);
}

static void *write_fifo(void *argument)
{
	pause_ms(30);
	int fd = open(argument, O_WRONLY);

	must(fd != -1, "open for writing");
	write_full(fd, "by name", 7);
	close(fd);
	return NULL;
}

/* Opening a FIFO waits for the other side. */
static void fifo(void)
{
	char directory[] = "/tmp/plain-XXXXXX", path[64], text[16] = "";

	must(mkdtemp(directory) != NULL, "mkdtemp");
	snprintf(path, sizeof(path), "%s/fifo", directory);
	must(mkfifo(path, 0600) == 0, "mkfifo");
	pthread_t writer = spawn(write_fifo, path);
	int fd = open(path, O_RDONLY);
	must(fd != -1, "open for reading");
	size_t n = read_full(fd, text, sizeof(text) - 1);
	say("read %zu: %s", n, text);
	join(writer);
	close(fd);
	unlink(path);
	rmdir(directory);
}

static void *add_late(void *argument)
{
	pause_ms(30);
	must(eventfd_write(*(int *)argument, 5) == 0, "eventfd_write");
	return NULL;
}

static void *take_late(void *argument)
{
	eventfd_t value = 0;

	pause_ms(30);
	must(eventfd_read(*(int *)argument, &value) == 0, "eventfd_read");
	say("taken %s", value == UINT64_MAX - 1 ? "the most" : "something else");
	return NULL;
}

static void counters(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	eventfd_t value = 0;

	pthread_t thread = spawn(add_late, &fd);
	say("read: %s", outcome(eventfd_read(fd, &value)));
	say("value %d", (int)value);
	join(thread);
	eventfd_write(fd, UINT64_MAX - 1);
	thread = spawn(take_late, &fd);
	int wrote = eventfd_write(fd, 3);
	join(thread);
	eventfd_read(fd, &value);
	say("full, then: %s, value %d", outcome(wrote), (int)value);
	close(fd);
}

static void *read_expirations(void *argument)
{
	uint64_t count = 0;

	must(read(*(int *)argument, &count, sizeof(count)) == sizeof(count), "read");
	return (void *)(long)count;
}

static void timers(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec once = { .it_value = { 0, 50 * 1000 * 1000 } };
	double start = now();

	must(timerfd_settime(fd, 0, &once, NULL) == 0, "timerfd_settime");
	say("expired %ld", (long)join(spawn(read_expirations, &fd)));
	say_elapsed("timer", start, 0.045, 2);
	close(fd);
}

static void *gather(void *argument)
{
	char a[8] = "", b[8] = "";
	struct iovec parts[] = { { a, 3 }, { b, 4 } };
	ssize_t n = readv(*(int *)argument, parts, 2);

	say("readv %zd: %s|%s", n, a, b);
	return NULL;
}

static void vectors(void)
{
	int ends[2];
	char a[] = "abc", b[] = "defg";
	struct iovec parts[] = { { a, 3 }, { b, 4 } };

	must(pipe(ends) == 0, "pipe");
	pthread_t reader = spawn(gather, &ends[0]);
	pause_ms(20);
	ssize_t n = writev(ends[1], parts, 2);
	join(reader);
	say("writev %zd", n);
}

static void *gather_at_position(void *argument)
{
	char a[8] = "", b[8] = "";
	struct iovec parts[] = { { a, 3 }, { b, 4 } };
	ssize_t n = preadv2(*(int *)argument, parts, 2, -1, 0);

	say("preadv2 %zd: %s|%s", n, a, b);
	n = preadv2(*(int *)argument, parts, 2, -1, RWF_NOWAIT);
	say("without waiting: %s", outcome(n));
	return NULL;
}

/* An offset of -1 means no offset, so these wait as readv and writev do. */
static void vectors_at_position(void)
{
	int ends[2];
	char a[] = "abc", b[] = "defg";
	struct iovec parts[] = { { a, 3 }, { b, 4 } };

	must(pipe(ends) == 0, "pipe");
	pthread_t reader = spawn(gather_at_position, &ends[0]);
	pause_ms(20);
	ssize_t n = pwritev2(ends[1], parts, 2, -1, 0);
	join(reader);
	say("pwritev2 %zd", n);
	say("with an offset: %s", outcome(preadv2(ends[0], parts, 2, 0, 0)));
}

/* Regular files and /dev/null are always ready; epoll refuses them. */
static void *use_files(void *argument)
{
	FILE *file = tmpfile();
	char text[8] = "", byte;
	int null = open("/dev/null", O_RDWR);

	(void)argument;
	say("write %zd", write(fileno(file), "regular", 7));
	say("pread %zd %s", pread(fileno(file), text, 7, 0), text);
	say("at the end %zd", read(fileno(file), text, 7));
	say("null: write %zd, read %zd", write(null, "x", 1), read(null, &byte, 1));
	fclose(file);
	close(null);
	return NULL;
}

static void files(void)
{
	join(spawn(use_files, NULL));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "bulk", bulk, 1 },
		{ "atomic", atomic, WRITERS },
		{ "end_of_file", end_of_file, 1 },
		{ "missing_reader", missing_reader, 1 },
		{ "fifo", fifo, 1 },
		{ "counters", counters, 2 },
		{ "timers", timers, 1 },
		{ "vectors", vectors, 1 },
		{ "vectors_at_position", vectors_at_position, 1 },
		{ "files", files, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
