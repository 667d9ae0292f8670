/* SPDX-License-Identifier: MIT */
/* hook_stdio_in.c - reading from streams */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "preempt.h"
#include "stream.h"

extern void __chk_fail(void) __attribute__((noreturn));

/* Inlined getc_unlocked ends here when the buffer is empty. */
WRAPPER int __uflow(FILE *file)
{
	if (stream_may_get(file) && !stream_buffered(file))
		stream_wait_for_input(file);
	return real(__uflow)(file);
}

WRAPPER int __underflow(FILE *file)
{
	if (stream_may_get(file) && !stream_buffered(file))
		stream_wait_for_input(file);
	return real(__underflow)(file);
}

/* Copy at most SIZE bytes up to and with DELIMITER (-1: none); how many, and *FOUND. */
static size_t take(FILE *file, char *to, size_t size, int delimiter, bool *found)
{
	size_t count = stream_buffered(file) < size ? stream_buffered(file) : size;
	char *end = delimiter < 0 ? NULL : memchr(file->_IO_read_ptr, delimiter, count);

	*found = end != NULL;
	if (end)
		count = (size_t)(end + 1 - file->_IO_read_ptr);
	memcpy(to, file->_IO_read_ptr, count);
	file->_IO_read_ptr += count;
	return count;
}

static size_t read_bytes(FILE *file, char *to, size_t size, int delimiter)
{
	size_t done = 0;
	bool found = false;

	while (done < size && !found && stream_fill(file))
		done += take(file, to + done, size - done, delimiter, &found);
	return done;
}

WRAPPER char *fgets(char *line, int size, FILE *file)
{
	size_t done;
	bool failed_before;

	preempt_point();
	if (size <= 1 || !stream_may_get(file))
		return STREAM_AWAY(file, real(fgets)(line, size, file));
	STREAM_LOCKED(file);
	failed_before = ferror_unlocked(file);
	done = read_bytes(file, line, (size_t)size - 1, '\n');
	if (done == 0 || (ferror_unlocked(file) && !failed_before && errno != EAGAIN))
		return NULL;
	line[done] = '\0';
	return line;
}

WRAPPER char *__fgets_chk(char *line, size_t room, int size, FILE *file)
{
	if (size > 0 && (size_t)size > room)
		__chk_fail();
	return fgets(line, size, file);
}

/* Whoever calls this trusts the other side with the memory behind LINE. */
static char *get_line(char *line, size_t room)
{
	size_t done;
	bool failed_before;

	STREAM_LOCKED(stdin);
	failed_before = ferror_unlocked(stdin);
	done = read_bytes(stdin, line, room, '\n');
	if (done == 0 || (ferror_unlocked(stdin) && !failed_before && errno != EAGAIN))
		return NULL;
	if (line[done - 1] == '\n')
		done--;
	else if (done == room)
		__chk_fail();
	line[done] = '\0';
	return line;
}

WRAPPER char *gets(char *line)
{
	return stream_may_get(stdin) ? get_line(line, SIZE_MAX) : STREAM_AWAY(stdin, real(gets)(line));
}

WRAPPER char *__gets_chk(char *line, size_t room)
{
	if (room == 0)
		__chk_fail();
	return stream_may_get(stdin) ? get_line(line, room) : STREAM_AWAY(stdin, real(__gets_chk)(line, room));
}

WRAPPER size_t fread(void *to, size_t size, size_t count, FILE *file)
{
	size_t bytes;

	preempt_point();
	if (!stream_may_get(file) || __builtin_mul_overflow(size, count, &bytes) || bytes == 0)
		return STREAM_AWAY(file, real(fread)(to, size, count, file));
	STREAM_LOCKED(file);
	return read_bytes(file, to, bytes, -1) / size;
}

WRAPPER size_t __fread_chk(void *to, size_t room, size_t size, size_t count, FILE *file)
{
	size_t bytes;

	if (__builtin_mul_overflow(size, count, &bytes) || bytes > room)
		__chk_fail();
	return fread(to, size, count, file);
}

WRAPPER int fgetc(FILE *file)
{
	char byte;

	preempt_point();
	if (!stream_may_get(file))
		return STREAM_AWAY(file, real(fgetc)(file));
	STREAM_LOCKED(file);
	return read_bytes(file, &byte, 1, -1) ? (unsigned char)byte : EOF;
}

WRAPPER int getc(FILE *file)
{
	return fgetc(file);
}

WRAPPER int _IO_getc(FILE *file)
{
	return fgetc(file);
}

WRAPPER int getchar(void)
{
	return fgetc(stdin);
}

/* --- lines of any length --- */

/* Room for one more piece of the line and its end; false without memory. */
static bool line_grow(char **line, size_t *size, size_t wanted)
{
	size_t room = *size < 60 ? 120 : *size * 2;
	char *grown;

	if (*line && wanted <= *size)
		return true;
	grown = realloc(*line, wanted < room ? room : wanted);
	if (!grown)
		return false;
	*line = grown;
	*size = wanted < room ? room : wanted;
	return true;
}

static ssize_t read_line(FILE *file, char **line, size_t *size, int delimiter)
{
	size_t done = 0;
	bool found = false;

	while (!found && stream_fill(file)) {
		if (!line_grow(line, size, done + stream_buffered(file) + 1))
			return -1;
		done += take(file, *line + done, stream_buffered(file), delimiter, &found);
	}
	if (done == 0)
		return -1;
	(*line)[done] = '\0';
	return (ssize_t)done;
}

WRAPPER ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *file)
{
	preempt_point();
	if (!line || !size || !stream_may_get(file))
		return STREAM_AWAY(file, real(getdelim)(line, size, delimiter, file));
	if (!*line)
		*size = 0;
	STREAM_LOCKED(file);
	return read_line(file, line, size, (unsigned char)delimiter);
}

ALIAS(__getdelim, getdelim);

WRAPPER ssize_t getline(char **line, size_t *size, FILE *file)
{
	return getdelim(line, size, '\n', file);
}

/* --- without a lock, and the names of old --- */

WRAPPER int fgetc_unlocked(FILE *file)
{
	if (stream_may_get(file) && !stream_buffered(file))
		stream_wait_for_input(file);
	return real(fgetc_unlocked)(file);
}

ALIAS(getc_unlocked, fgetc_unlocked);

WRAPPER int getchar_unlocked(void)
{
	return fgetc_unlocked(stdin);
}

WRAPPER char *fgets_unlocked(char *line, int size, FILE *file)
{
	return stream_may_get(file) ? fgets(line, size, file) : real(fgets_unlocked)(line, size, file);
}

WRAPPER size_t fread_unlocked(void *to, size_t size, size_t count, FILE *file)
{
	return stream_may_get(file) ? fread(to, size, count, file) : real(fread_unlocked)(to, size, count, file);
}

extern char *__fgets_unlocked_chk(char *line, size_t room, int size, FILE *file);
extern size_t __fread_unlocked_chk(void *to, size_t room, size_t size, size_t count, FILE *file);

ALIAS(__fgets_unlocked_chk, __fgets_chk);
ALIAS(__fread_unlocked_chk, __fread_chk);

WRAPPER int getw(FILE *file)
{
	int word;

	return fread(&word, sizeof(word), 1, file) == 1 ? word : EOF;
}

/* --- what libc has to read itself --- */

WRAPPER wint_t fgetwc(FILE *file)
{
	return STREAM_AWAY(file, real(fgetwc)(file));
}

ALIAS(getwc, fgetwc);

WRAPPER wint_t getwchar(void)
{
	return fgetwc(stdin);
}

WRAPPER wchar_t *fgetws(wchar_t *line, int size, FILE *file)
{
	return STREAM_AWAY(file, real(fgetws)(line, size, file));
}

/* As fgets_unlocked: with a lock more than asked for. */
WRAPPER wint_t fgetwc_unlocked(FILE *file)
{
	return fgetwc(file);
}

ALIAS(getwc_unlocked, fgetwc_unlocked);

WRAPPER wint_t getwchar_unlocked(void)
{
	return fgetwc(stdin);
}

WRAPPER wchar_t *fgetws_unlocked(wchar_t *line, int size, FILE *file)
{
	return fgetws(line, size, file);
}

extern wchar_t *__fgetws_chk(wchar_t *line, size_t room, int size, FILE *file);
extern wchar_t *__fgetws_unlocked_chk(wchar_t *line, size_t room, int size, FILE *file);

WRAPPER wchar_t *__fgetws_chk(wchar_t *line, size_t room, int size, FILE *file)
{
	if (size > 0 && (size_t)size > room)
		__chk_fail();
	return fgetws(line, size, file);
}

ALIAS(__fgetws_unlocked_chk, __fgetws_chk);

WRAPPER char *getpass(const char *prompt)
{
	return MIGRATED(real(getpass)(prompt));
}

/*
 * Formatted input has two meanings of %a, and a header that gives the plain names to
 * the newer one; hence names of our own.
 */
/* The four ways to call one of them: with a list or with arguments, from a stream or from stdin. */
#define SCANNERS(prefix, width, target, type) \
	WRAPPER int target##_list(FILE *file, const type *format, va_list arguments) __asm__(prefix "vf" width "scanf"); \
	WRAPPER int target##_list(FILE *file, const type *format, va_list arguments) \
	{ \
		return STREAM_AWAY(file, real(target)(file, format, arguments)); \
	} \
	WRAPPER int target##_stdin_list(const type *format, va_list arguments) __asm__(prefix "v" width "scanf"); \
	WRAPPER int target##_stdin_list(const type *format, va_list arguments) \
	{ \
		return target##_list(stdin, format, arguments); \
	} \
	WRAPPER int target##_stream(FILE *file, const type *format, ...) __asm__(prefix "f" width "scanf"); \
	WRAPPER int target##_stream(FILE *file, const type *format, ...) \
	{ \
		va_list arguments; \
		int result; \
		va_start(arguments, format); \
		result = target##_list(file, format, arguments); \
		va_end(arguments); \
		return result; \
	} \
	WRAPPER int target##_stdin(const type *format, ...) __asm__(prefix width "scanf"); \
	WRAPPER int target##_stdin(const type *format, ...) \
	{ \
		va_list arguments; \
		int result; \
		va_start(arguments, format); \
		result = target##_list(stdin, format, arguments); \
		va_end(arguments); \
		return result; \
	}

SCANNERS("", "", vfscanf, char)
SCANNERS("__isoc99_", "", __isoc99_vfscanf, char)
SCANNERS("", "w", vfwscanf, wchar_t)
SCANNERS("__isoc99_", "w", __isoc99_vfwscanf, wchar_t)
