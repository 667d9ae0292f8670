/* SPDX-License-Identifier: MIT */
/*
 * hook_stdio.c - reading streams that are sockets, pipes or terminals
 *
 * libc reads inside itself, where nobody sees it.  So the reading functions take
 * what the buffer holds themselves and, when it is empty, wait until the kernel
 * has more before they let libc fill it with one read, which then does not block.
 * The stream is locked as libc would lock it, with a wait that parks.
 *
 * Formatted input and all output stay libc's own for now.
 */
#include <stdlib.h>
#include <string.h>

#include "hub/descriptor.h"
#include "migrate.h"
#include "net/io.h"
#include "preempt.h"
#include "shim.h"

extern void __chk_fail(void) __attribute__((noreturn));

/* True if FILE may make the carrier wait: it can be polled, blocks, and is not in wide mode. */
static bool may_wait(FILE *file)
{
	int fd = file ? fileno_unlocked(file) : -1;
	int kind = fd < 0 || file->_mode > 0 ? DESCRIPTOR_FILE : green__descriptor_kind(fd);

	return kind > 0 && kind != DESCRIPTOR_FILE && !green__descriptor_nonblocking(fd);
}

static bool cooperative(FILE *file)
{
	return shim_hub() && may_wait(file);
}

static size_t buffered(const FILE *file)
{
	return (size_t)(file->_IO_read_end - file->_IO_read_ptr);
}

/* Wait until a read would not block; errors are left to the read. */
static void wait_for_input(FILE *file)
{
	struct pollfd pollfd = { .fd = fileno_unlocked(file), .events = POLLIN };

	while (green__poll(&pollfd, 1, CLOCK_NEVER) == -EINTR)
		;
}

/* Make sure that the buffer holds something; false at the end or after an error. */
static bool fill(FILE *file)
{
	if (buffered(file))
		return true;
	wait_for_input(file);
	return real(__underflow)(file) != EOF;
}

/* The locks are taken and given back as flockfile does, also if the thread is cancelled meanwhile. */
static void unlock(FILE **file)
{
	funlockfile(*file);
}

#define LOCKED(file) \
	__attribute__((cleanup(unlock))) FILE *locked = file; \
	shim_cancellation_point(); \
	flockfile(locked)

/* Inlined getc_unlocked ends here when the buffer is empty. */
WRAPPER int __uflow(FILE *file)
{
	if (cooperative(file) && !buffered(file))
		wait_for_input(file);
	return real(__uflow)(file);
}

WRAPPER int __underflow(FILE *file)
{
	if (cooperative(file) && !buffered(file))
		wait_for_input(file);
	return real(__underflow)(file);
}

/* Copy at most SIZE bytes up to and with DELIMITER (-1: none); how many, and *FOUND. */
static size_t take(FILE *file, char *to, size_t size, int delimiter, bool *found)
{
	size_t count = buffered(file) < size ? buffered(file) : size;
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

	while (done < size && !found && fill(file))
		done += take(file, to + done, size - done, delimiter, &found);
	return done;
}

WRAPPER char *fgets(char *line, int size, FILE *file)
{
	size_t done;
	bool failed_before;

	preempt_point();
	if (size <= 1 || !cooperative(file))
		return real(fgets)(line, size, file);
	LOCKED(file);
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

WRAPPER size_t fread(void *to, size_t size, size_t count, FILE *file)
{
	size_t bytes;

	preempt_point();
	if (!cooperative(file) || __builtin_mul_overflow(size, count, &bytes) || bytes == 0)
		return real(fread)(to, size, count, file);
	LOCKED(file);
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
	if (!cooperative(file))
		return real(fgetc)(file);
	LOCKED(file);
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

/* --- flushing everything takes every stream's lock, and one may be held by a thread that waits for input --- */

WRAPPER int fflush(FILE *file)
{
	return file ? real(fflush)(file) : MIGRATED(real(fflush)(file));
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

	while (!found && fill(file)) {
		if (!line_grow(line, size, done + buffered(file) + 1))
			return -1;
		done += take(file, *line + done, buffered(file), delimiter, &found);
	}
	if (done == 0)
		return -1;
	(*line)[done] = '\0';
	return (ssize_t)done;
}

WRAPPER ssize_t getdelim(char **line, size_t *size, int delimiter, FILE *file)
{
	preempt_point();
	if (!line || !size || !cooperative(file))
		return real(getdelim)(line, size, delimiter, file);
	if (!*line)
		*size = 0;
	LOCKED(file);
	return read_line(file, line, size, (unsigned char)delimiter);
}

ALIAS(__getdelim, getdelim);

WRAPPER ssize_t getline(char **line, size_t *size, FILE *file)
{
	return getdelim(line, size, '\n', file);
}
