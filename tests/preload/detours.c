/* SPDX-License-Identifier: MIT */
/* detours.c - calls that libc makes inside itself, or that a library binds to libc past everybody */
#include "plain.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gnu/lib-names.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- somebody who must go on meanwhile --- */

static volatile int going, steps;

static void *go_on(void *argument)
{
	while (going) {
		steps++;
		pause_ms(1);
	}
	return argument;
}

static pthread_t others_begin(void)
{
	going = 1;
	steps = 0;
	return spawn(go_on, NULL);
}

static void others_end(pthread_t other)
{
	going = 0;
	join(other);
	say("others went on: %s", steps >= 20 ? "yes" : "no");
}

/* Pieces that come one after the other, with a pause before each. */
struct feed {
	int fd;
	const char *const *pieces;
};

static void *feed(void *argument)
{
	const struct feed *feed = argument;

	for (int i = 0; feed->pieces[i]; i++) {
		pause_ms(50);
		write_full(feed->fd, feed->pieces[i], strlen(feed->pieces[i]));
	}
	close(feed->fd);
	return NULL;
}

static FILE *stream_of(int ends[2])
{
	FILE *file;

	must(pipe(ends) == 0, "pipe");
	file = fdopen(ends[0], "r");
	must(file, "fdopen");
	return file;
}

/* --- streams --- */

static void formatted(void)
{
	static const char *const pieces[] = { "1", "2 thr", "ee 4", ".5\nre", "st\n", NULL };
	pthread_t other = others_begin();
	int ends[2], number = 0;
	FILE *file = stream_of(ends);
	pthread_t feeder = spawn(feed, &(struct feed) { ends[1], pieces });
	char word[20] = "", line[20] = "";
	double real = 0;

	say("fscanf: %d", fscanf(file, "%d %19s %lf ", &number, word, &real));
	say("%d, %s, %.1f", number, word, real);
	say("fgets: %s", fgets(line, sizeof(line), file) ? line : "nothing");
	say("fgets: %s", fgets(line, sizeof(line), file) ? line : "nothing");
	join(feeder);
	fclose(file);
	others_end(other);
}

static void *read_words(void *file)
{
	char word[8];
	intptr_t count = 0;

	while (fscanf(file, "%7s", word) == 1)
		count += strcmp(word, "word") == 0;
	return (void *)count;
}

/* One of them waits inside with the stream's lock, the others for the lock. */
static void one_stream_for_three(void)
{
	static const char *const pieces[] = { "wo", "rd word ", "wor", "d word wo", "rd word", NULL };
	pthread_t other = others_begin(), readers[3];
	int ends[2];
	FILE *file = stream_of(ends);
	pthread_t feeder;
	intptr_t words = 0;

	for (int i = 0; i < 3; i++)
		readers[i] = spawn(read_words, file);
	feeder = spawn(feed, &(struct feed) { ends[1], pieces });
	for (int i = 0; i < 3; i++)
		words += (intptr_t)join(readers[i]);
	say("%d words", (int)words);
	join(feeder);
	fclose(file);
	others_end(other);
}

static void *print_much(void *file)
{
	for (int i = 0; i < 3000; i++)
		fprintf(file, "%06d-%s\n", i, "a line that is as long as a line of text mostly is");
	return NULL;
}

/* Nobody reads for a while; then all must be there, each line whole. */
static void full_pipe(void)
{
	pthread_t other = others_begin(), writers[2];
	int ends[2], lines = 0, broken = 0;
	char line[100];
	FILE *in = stream_of(ends), *out = fdopen(ends[1], "w");

	for (int i = 0; i < 2; i++)
		writers[i] = spawn(print_much, out);
	pause_ms(50);
	while (lines < 6000 - 100 && fgets(line, sizeof(line), in)) {
		lines++;
		broken += strlen(line) != 58 || line[6] != '-';
	}
	for (int i = 0; i < 2; i++)
		join(writers[i]);
	fclose(out);
	while (fgets(line, sizeof(line), in))
		lines++;
	say("%d lines, %d broken", lines, broken);
	fclose(in);
	others_end(other);
}

static void *read_line(void *file)
{
	char line[20];

	return fgets(line, sizeof(line), file) ? "line" : errno == EINTR ? "EINTR" : "nothing";
}

static void cancelled(void)
{
	pthread_t other = others_begin(), reader;
	int ends[2];
	FILE *file = stream_of(ends);

	reader = spawn(read_line, file);
	pause_ms(50);
	pthread_cancel(reader);
	say("cancelled: %s", join(reader) == PTHREAD_CANCELED ? "yes" : "no");
	write_full(ends[1], "line\n", 5);
	say("the lock is free: %s", (const char *)join(spawn(read_line, file)));
	others_end(other);
}

static void on_signal(int number)
{
	(void)number;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t other = others_begin(), reader;
	int ends[2];
	FILE *file = stream_of(ends);

	sigaction(SIGUSR1, &action, NULL);
	reader = spawn(read_line, file);
	pause_ms(50);
	pthread_kill(reader, SIGUSR1);
	say("without SA_RESTART: %s", (const char *)join(reader));
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	reader = spawn(read_line, file);
	pause_ms(50);
	pthread_kill(reader, SIGUSR1);
	pause_ms(50);
	write_full(ends[1], "line\n", 5);
	say("with SA_RESTART: %s", (const char *)join(reader));
	others_end(other);
}

static void fork_beside(void)
{
	static const char *const pieces[] = { "half ", "a line\n", NULL };
	pthread_t other = others_begin();
	int ends[2];
	FILE *file = stream_of(ends);
	pthread_t feeder = spawn(feed, &(struct feed) { ends[1], pieces });
	pthread_t reader = spawn(read_line, file);
	FILE *command;
	char line[20] = "";

	pause_ms(70);
	command = popen("sleep 0.05; echo done", "r");
	say("popen: %s", command && fgets(line, sizeof(line), command) ? line : "nothing");
	say("pclose: %d", pclose(command));
	reap("child", fork() ?: (_exit(printf("in the child\n") != 13), 0));
	say("reader: %s", (const char *)join(reader));
	join(feeder);
	others_end(other);
}

/* --- libc's functions by other ways --- */

static void by_handle(void)
{
	static const char *const pieces[] = { "12345678", NULL };
	pthread_t other = others_begin();
	void *libc = dlopen(LIBC_SO, RTLD_NOW);
	ssize_t (*own_read)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlvsym(libc, "read", "GLIBC_2.2.5");
	char bytes[8];
	int ends[2];
	pthread_t feeder;

	must(own_read && pipe(ends) == 0, "read of libc's");
	feeder = spawn(feed, &(struct feed) { ends[1], pieces });
	say("read: %zd", own_read(ends[0], bytes, sizeof(bytes)));
	join(feeder);
	others_end(other);
}

/* L5, MP16: a library that is bound past the shim */
static void deep_binding(void)
{
	static const char *const pieces[] = { "1234", "5678", NULL };
	const char *directory = getenv("PLAIN_MODULES");
	pthread_t other = others_begin();
	ssize_t (*module_read)(int, void *, size_t);
	char path[1024], bytes[8];
	int ends[2];
	pthread_t feeder;
	void *module;

	snprintf(path, sizeof(path), "%s/dl_deep.so", directory ? directory : ".");
	module = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
	must(module, "dl_deep");
	module_read = (ssize_t (*)(int, void *, size_t))dlsym(module, "module_read");
	must(module_read && pipe(ends) == 0, "module_read");
	feeder = spawn(feed, &(struct feed) { ends[1], pieces });
	say("read: %zd", module_read(ends[0], bytes, sizeof(bytes)));
	join(feeder);
	others_end(other);
}

/* libc closes a stream's descriptor inside itself; the number's next life must not suffer. */
static void numbers_again(void)
{
	pthread_t other = others_begin();
	int wrong = 0;

	for (int i = 0; i < 200; i++) {
		static const char *const pieces[] = { NULL };
		int pair[2], ends[2];
		char byte = 0;
		FILE *file = stream_of(ends);

		feed(&(struct feed) { ends[1], pieces });
		wrong += fgetc(file) != EOF;
		fclose(file);
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
		wrong += write(pair[0], "x", 1) != 1 || read(pair[1], &byte, 1) != 1 || byte != 'x';
		close(pair[0]);
		close(pair[1]);
	}
	say("%d wrong", wrong);
	pause_ms(50);
	others_end(other);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "formatted", formatted, 2 },
		{ "one_stream_for_three", one_stream_for_three, 5 },
		{ "full_pipe", full_pipe, 3 },
		{ "cancelled", cancelled, 3 },
		{ "interrupted", interrupted, 3 },
		{ "fork_beside", fork_beside, 3 },
		{ "by_handle", by_handle, 2 },
		{ "deep_binding", deep_binding, 2 },
		{ "numbers_again", numbers_again, 1 },
		{ NULL, NULL, 0 },
	};

	return plain_main(argc, argv, cases);
}
