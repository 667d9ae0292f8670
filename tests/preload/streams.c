/* SPDX-License-Identifier: MIT */
/* streams.c - what streams write and when, their errors, and locks of streams that somebody waits in */
#include "plain.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

static volatile int ticks, ticking;

static void *tick(void *argument)
{
	while (ticking) {
		ticks++;
		pause_ms(2);
	}
	return argument;
}

static pthread_t start_ticks(void)
{
	ticks = 0;
	ticking = 1;
	return spawn(tick, NULL);
}

static void end_ticks(pthread_t ticker)
{
	ticking = 0;
	join(ticker);
}

/* --- what is written by each call --- */

static int held_in(int fd)
{
	int bytes = -1;

	ioctl(fd, FIONREAD, &bytes);
	return bytes;
}

static void each_call(const char *mode, FILE *out, int in)
{
	char text[128] = "";
	int seen[16], count = 0;

	fputs("hello", out);
	seen[count++] = held_in(in);
	fputc('x', out);
	seen[count++] = held_in(in);
	fputs("end\nof line", out);
	seen[count++] = held_in(in);
	fwrite("0123456789012345678901234567890123456789", 1, 40, out);
	seen[count++] = held_in(in);
	fprintf(out, "%d %s\n", 42, "formatted");
	seen[count++] = held_in(in);
	putc_unlocked('y', out);
	putc('\n', out);
	seen[count++] = held_in(in);
	fputs("", out);
	fwrite("", 1, 0, out);
	seen[count++] = held_in(in);
	fprintf(out, "%s", "sixty characters of text, which is more than a small buffer.");
	seen[count++] = held_in(in);
	say("flush: %d", fflush(out));
	seen[count++] = held_in(in);
	for (int i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", seen[i]);
	say("%s:%s", mode, text);
}

static void written_by_mode(const char *name, int mode, size_t size)
{
	int pair[2];

	must(pipe(pair) == 0, "pipe");
	FILE *out = fdopen(pair[1], "w");

	setvbuf(out, NULL, mode, size);
	each_call(name, out, pair[0]);
	fclose(out);
	close(pair[0]);
}

static void written(void)
{
	pthread_t ticker = start_ticks();
	char buffer[16];
	int pair[2];

	written_by_mode("full", _IOFBF, 0);
	written_by_mode("line", _IOLBF, 0);
	written_by_mode("none", _IONBF, 0);
	must(pipe(pair) == 0, "pipe");
	FILE *out = fdopen(pair[1], "w");

	setvbuf(out, buffer, _IOFBF, sizeof(buffer));
	each_call("small", out, pair[0]);
	fclose(out);
	stream_pair(pair);
	out = fdopen(pair[1], "w");
	each_call("socket", out, pair[0]);
	fclose(out);
	end_ticks(ticker);
}

static void read_and_write(void)
{
	pthread_t ticker = start_ticks();
	char line[32] = "";
	int pair[2];

	stream_pair(pair);
	FILE *both = fdopen(pair[0], "r+"), *other = fdopen(pair[1], "r+");

	fputs("question\n", both);
	fflush(both);
	say("other reads: %s", strtok(fgets(line, sizeof(line), other), "\n"));
	fputs("answer\n", other);
	fflush(other);
	say("reads: %s", strtok(fgets(line, sizeof(line), both), "\n"));
	fputs("again\n", both);
	fflush(both);
	say("other reads: %s", strtok(fgets(line, sizeof(line), other), "\n"));
	fclose(both);
	say("end: %s, eof %d", fgets(line, sizeof(line), other) ? "more" : "none", feof(other));
	fclose(other);
	end_ticks(ticker);
}

static void wide(void)
{
	pthread_t ticker = start_ticks();
	int pair[2];
	wchar_t line[32];

	must(pipe(pair) == 0, "pipe");
	FILE *in = fdopen(pair[0], "r"), *out = fdopen(pair[1], "w");

	say("orientation: %d", fwide(out, 1) > 0);
	fwprintf(out, L"%ls %d\n", L"wide", 7);
	fputws(L"second\n", out);
	fputwc(L'x', out);
	fclose(out);
	fgetws(line, 32, in);
	say("%ls", line);
	fgetws(line, 32, in);
	say("%ls", line);
	say("%lc", fgetwc(in));
	say("end: %d", fgetwc(in) == WEOF);
	fclose(in);
	end_ticks(ticker);
}

static void without_locks(void)
{
	pthread_t ticker = start_ticks();
	char text[32] = "";
	int pair[2];

	must(pipe(pair) == 0, "pipe");
	FILE *in = fdopen(pair[0], "r"), *out = fdopen(pair[1], "w");

	fputs_unlocked("un", out);
	fwrite_unlocked("locked", 1, 6, out);
	putc_unlocked('\n', out);
	putw(0x01020304, out);
	fflush_unlocked(out);
	fgets_unlocked(text, sizeof(text), in);
	text[strcspn(text, "\n")] = '\0';
	say("%s, %x", text, (unsigned)getw(in));
	fputs("abc", out);
	fflush(out);
	say("%c%c", getc_unlocked(in), fgetc_unlocked(in));
	ungetc('z', in);
	say("%zu %c", fread_unlocked(text, 1, 2, in), text[0]);
	fclose(in);
	fclose(out);
	end_ticks(ticker);
}

/* --- errors --- */

static void errors(void)
{
	pthread_t ticker = start_ticks();
	char block[5000];
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	memset(block, 'b', sizeof(block));
	must(pipe(pair) == 0, "pipe");
	FILE *in = fdopen(pair[0], "r"), *out = fdopen(pair[1], "w");

	errno = 0;
	say("write to a reader: %d, %s, error %d", fputs("x", in), error_name(errno), ferror(in));
	errno = 0;
	say("read from a writer: %d, %s, error %d", fgetc(out), error_name(errno), ferror(out));
	clearerr(out);
	fclose(in);
	errno = 0;
	say("nobody reads: %d", fprintf(out, "text"));
	say("flush: %d, %s, error %d", fflush(out), error_name(errno), ferror(out));
	clearerr(out);
	errno = 0;
	say("much: %zu, %s, error %d", fwrite(block, 1, sizeof(block), out), error_name(errno), ferror(out));
	errno = 0;
	say("close: %d", fclose(out));
	must(pipe2(pair, O_NONBLOCK) == 0, "pipe2");
	out = fdopen(pair[1], "w");
	int full = 0;

	errno = 0;
	while (fwrite(block, 1, sizeof(block), out) == sizeof(block))
		full++;
	say("full: %s, %s, error %d", full > 5 ? "later" : "soon", error_name(errno), ferror(out));
	fclose(out);
	errno = 0;
	say("bad format: %d, %s", dprintf(-1, "%d", 1), error_name(errno));
	end_ticks(ticker);
}

/* --- somebody waits inside --- */

static FILE *shared_in, *shared_out;

static void *read_shared(void *argument)
{
	char line[32] = "";

	fgets(line, sizeof(line), shared_in);
	line[strcspn(line, "\n")] = '\0';
	snprintf(argument, 32, "%s", line);
	return argument;
}

static void *scan_shared(void *argument)
{
	int number = 0;
	int fields = fscanf(shared_in, "%d", &number);

	snprintf(argument, 32, "%d %d", fields, number);
	return argument;
}

static void *ask_shared(void *unused)
{
	(void)unused;
	return feof(shared_in) ? "eof" : "no eof";
}

static void say_ticks(void)
{
	say("others %s", ticks >= 2 ? "went on" : "stood still");
}

static void reader_holds_lock(void)
{
	pthread_t ticker = start_ticks();
	char one[32], two[32], number[32];
	int pair[2];

	must(pipe(pair) == 0, "pipe");
	shared_in = fdopen(pair[0], "r");
	pthread_t reader = spawn(read_shared, one);

	pause_ms(20);
	pthread_t asker = spawn(ask_shared, NULL);

	pause_ms(40);
	say_ticks();
	must(write(pair[1], "a line\n", 7) == 7, "write");
	say("reader: %s", (char *)join(reader));
	say("asker: %s", (char *)join(asker));
	pthread_t scanner = spawn(scan_shared, number);

	pause_ms(20);
	reader = spawn(read_shared, two);
	asker = spawn(ask_shared, NULL);
	ticks = 0;
	pause_ms(40);
	say_ticks();
	must(write(pair[1], "1", 1) == 1, "write");
	pause_ms(10);
	must(write(pair[1], "7 rest\n", 7) == 7, "write");
	say("scanner: %s", (char *)join(scanner));
	say("asker: %s", (char *)join(asker));
	say("reader: %s", (char *)join(reader));
	fclose(shared_in);
	close(pair[1]);
	end_ticks(ticker);
}

static void *print_shared(void *argument)
{
	say("printed: %d", fprintf(shared_out, "%s\n", (char *)argument));
	return NULL;
}

/* A lock that the program took itself, on an ordinary file. */
static void owner_sleeps(void)
{
	pthread_t ticker = start_ticks();

	shared_out = tmpfile();
	flockfile(shared_out);
	pthread_t printer = spawn(print_shared, "text");

	pause_ms(40);
	say_ticks();
	say("position: %ld", ftell(shared_out));
	funlockfile(shared_out);
	join(printer);
	say("position: %ld", ftell(shared_out));
	fclose(shared_out);
	end_ticks(ticker);
}

static void *print_until_stuck(void *argument)
{
	char block[4096];

	memset(block, 'b', sizeof(block));
	for (;;)
		fwrite(block, 1, sizeof(block), argument);
	return NULL;
}

static void cancelled_writer(void)
{
	pthread_t ticker = start_ticks();
	char buffer[65536];
	int pair[2];

	must(pipe(pair) == 0, "pipe");
	FILE *out = fdopen(pair[1], "w");
	pthread_t writer = spawn(print_until_stuck, out);

	pause_ms(30);
	pthread_cancel(writer);
	say("writer: %s", join(writer) == PTHREAD_CANCELED ? "cancelled" : "ended");
	say("lock: %s", ftrylockfile(out) ? "busy" : "free");
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	while (read(pair[0], buffer, sizeof(buffer)) > 0)
		;
	say("flush: %d", fflush(out));
	end_ticks(ticker);
}

static void *flush_all(void *argument)
{
	say("flush of all: %d", fflush(NULL));
	return argument;
}

static void full_pipe_beside_flush(void)
{
	pthread_t ticker = start_ticks();
	char buffer[65536];
	int pair[2];

	must(pipe(pair) == 0, "pipe");
	FILE *out = fdopen(pair[1], "w");

	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	while (write(pair[1], buffer, sizeof(buffer)) > 0)
		;
	fcntl(pair[1], F_SETFL, 0);
	fputs("left", out);
	pthread_t flusher = spawn(flush_all, NULL);

	pause_ms(40);
	say_ticks();
	must(read(pair[0], buffer, sizeof(buffer)) > 0, "read");
	join(flusher);
	fclose(out);
	end_ticks(ticker);
}

static const struct plain_case cases[] = {
	{ "written", written, 1 },
	{ "read_and_write", read_and_write, 1 },
	{ "wide", wide, 1 },
	{ "without_locks", without_locks, 1 },
	{ "errors", errors, 1 },
	{ "reader_holds_lock", reader_holds_lock, 6 },
	{ "owner_sleeps", owner_sleeps, 2 },
	{ "cancelled_writer", cancelled_writer, 2 },
	{ "full_pipe_beside_flush", full_pipe_beside_flush, 2 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	return plain_main(argc, argv, cases);
}
