/* SPDX-License-Identifier: MIT */
/* stdio_threads.c - streams shared by threads, half a line that others must not wait for, slow readers, stream locks */
#include "plain.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINES = 100, WRITERS = 8 };

struct writer { FILE *stream; int number; };

static void *write_lines(void *argument)
{
	struct writer *me = argument;

	for (int i = 0; i < LINES; i++) {
		fprintf(me->stream, "writer %d line %d %.*s\n", me->number, i, me->number * 10, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		if (i % 16 == 0)
			fflush(me->stream);
	}
	return NULL;
}

/* Whether LINE is the next that its writer had to write. */
static bool is_next(const char *line, int *next)
{
	int number, at;

	if (sscanf(line, "writer %d line %d", &number, &at) != 2 || number < 0 || number >= WRITERS)
		return false;
	const char *tail = strrchr(line, ' ') + 1;
	return at == next[number]++ && strspn(tail, "x") == (size_t)number * 10 && tail[number * 10] == '\n';
}

static void *count_lines(void *argument)
{
	int next[WRITERS] = { 0 };
	char line[256];
	long good = 0, bad = 0;

	while (fgets(line, sizeof(line), argument)) {
		bool right = is_next(line, next);
		good += right;
		bad += !right;
	}
	return (void *)(good * 1000 + bad);
}

static void lines_over(int reading, int writing)
{
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	FILE *in = fdopen(reading, "r"), *out = fdopen(writing, "w");

	pthread_t reader = spawn(count_lines, in);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ out, i };
		threads[i] = spawn(write_lines, &writers[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		join(threads[i]);
	fclose(out);
	long lines = (long)join(reader);
	say("whole lines %ld, others %ld", lines / 1000, lines % 1000);
	fclose(in);
}

static void whole_lines(void)
{
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	lines_over(ends[0], ends[1]);
	stream_pair(ends);
	lines_over(ends[0], ends[1]);
}

static void *read_line(void *argument)
{
	char line[64] = "";
	FILE *in = fdopen(*(int *)argument, "r");

	fgets(line, sizeof(line), in);
	fclose(in);
	return strdup(line);
}

/* Half a line comes, then nothing for a while: the others go on. */
static void half_a_line(void)
{
	int slow[2], fast[2];
	double start = now();

	stream_pair(slow);
	stream_pair(fast);
	pthread_t waiting = spawn(read_line, &slow[0]);
	write_full(slow[1], "half ", 5);
	pause_ms(20);
	for (int i = 0; i < 10; i++) {
		int copy = dup(fast[0]);
		pthread_t quick = spawn(read_line, &copy);
		write_full(fast[1], "quick\n", 6);
		char *line = join(quick);
		must(!strcmp(line, "quick\n"), "quick line");
	}
	say_elapsed("ten quick lines", start, 0.015, 2);
	write_full(slow[1], "a line\n", 7);
	say("slow: %s", strtok(join(waiting), "\n"));
}

static void *get_ways(void *argument)
{
	FILE *in = fdopen(*(int *)argument, "r");
	char *line = NULL, word[32] = "", block[8] = "";
	size_t room = 0;
	int number = 0;

	say("getc: %c", getc(in));
	say("getline: %zd", getline(&line, &room, in));
	int fields = fscanf(in, "%31s %d", word, &number);
	say("fscanf: %d, %s %d", fields, word, number);
	say("getc: %d", getc(in));
	size_t n = fread(block, 1, 5, in);
	say("fread: %zu %s", n, block);
	say("end: %d, %s", getc(in), feof(in) ? "end of file" : "error");
	free(line);
	fclose(in);
	return NULL;
}

/* MP13: ways to read */
static void ways_to_get(void)
{
	static const char *const parts[] = { "x", "rest of", " the line\n", "wo", "rd 4", "2\n", "ab", "cde" };
	int pair[2];

	stream_pair(pair);
	pthread_t reader = spawn(get_ways, &pair[0]);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		pause_ms(10);
		write_full(pair[1], parts[i], strlen(parts[i]));
	}
	close(pair[1]);
	join(reader);
}

static void *print_much(void *argument)
{
	FILE *out = fdopen(*(int *)argument, "w");
	int failed = 0;

	for (int i = 0; i < 20000; i++)
		failed += fprintf(out, "line %06d with some text in it\n", i) < 0;
	failed += fclose(out) != 0;
	return (void *)(long)failed;
}

/* The reader is slower than the writer. */
static void slow_reader(void)
{
	int pair[2];
	char buffer[50000];
	size_t total = 0;
	ssize_t n;

	stream_pair(pair);
	pthread_t writer = spawn(print_much, &pair[1]);
	for (int i = 0; (n = read(pair[0], buffer, sizeof(buffer))) > 0; i++) {
		total += (size_t)n;
		if (i < 5)
			pause_ms(5);
	}
	say("read %zu, failed %ld", total, (long)join(writer));
}

static atomic_int inside, most;

static void *with_stream_lock(void *argument)
{
	for (int i = 0; i < 3; i++) {
		flockfile(argument);
		flockfile(argument);
		if (++inside > most)
			most = inside;
		pause_ms(2);
		inside--;
		funlockfile(argument);
		funlockfile(argument);
	}
	return NULL;
}

static void *try_stream_lock(void *argument)
{
	int failed = ftrylockfile(argument);

	if (!failed)
		funlockfile(argument);
	return (void *)(long)failed;
}

/* MP13: locks of streams */
static void stream_locks(void)
{
	pthread_t threads[5];
	FILE *file = tmpfile();

	for (int i = 0; i < 5; i++)
		threads[i] = spawn(with_stream_lock, file);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	say("most at once: %d", most);
	flockfile(file);
	say("held: %s", join(spawn(try_stream_lock, file)) ? "busy" : "free");
	funlockfile(file);
	say("given back: %s", join(spawn(try_stream_lock, file)) ? "busy" : "free");
	fclose(file);
}

static void *print_unlocked(void *argument)
{
	for (int i = 0; i < 20; i++) {
		printf("a line of thread %c which must be whole\n", *(char *)argument);
		if (i % 5 == 0)
			sched_yield();
	}
	return NULL;
}

/* MP13, U4: Standard output is a pipe here; lines are whole, and the driver compares them in order of the joins. */
static void standard_output(void)
{
	setvbuf(stdout, NULL, _IOFBF, 100);
	join(spawn(print_unlocked, "a"));
	join(spawn(print_unlocked, "b"));
	fflush(stdout);
	dprintf(STDOUT_FILENO, "dprintf %d\n", 42);
	puts("puts");
	fputs("left in the buffer at exit\n", stdout);
}

static void *say_error(void *argument)
{
	errno = (int)(long)argument;
	perror("perror");
	return NULL;
}

static void standard_error(void)
{
	join(spawn(say_error, (void *)(long)ENOENT));
	join(spawn(say_error, (void *)(long)EAGAIN));
	fprintf(stderr, "and a line\n");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "whole_lines", whole_lines, 18 },
		{ "half_a_line", half_a_line, 11 },
		{ "ways_to_get", ways_to_get, 1 },
		{ "slow_reader", slow_reader, 1 },
		{ "stream_locks", stream_locks, 7 },
		{ "standard_output", standard_output, 2 },
		{ "standard_error", standard_error, 2 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
