/* SPDX-License-Identifier: MIT */
/*
 * hook_stdio.c - calls on streams that take a stream's lock and do not wait for its other end
 *
 * Whoever holds the lock may be parked; libc would then stop the carrier.
 */
#include <stdio_ext.h>
#include <wchar.h>

#include "detour.h"
#include "parking.h"
#include "stream.h"

/* A call of libc's whose first or last argument is FILE. */
#define GUARDED_CALL(type, name, parameters, arguments) \
	WRAPPER type name parameters \
	{ \
		return STREAM_GUARDED(file, real(name) arguments); \
	}

GUARDED_CALL(int, feof, (FILE *file), (file))
GUARDED_CALL(int, ferror, (FILE *file), (file))
GUARDED_CALL(int, ungetc, (int byte, FILE *file), (byte, file))
GUARDED_CALL(wint_t, ungetwc, (wint_t character, FILE *file), (character, file))
GUARDED_CALL(long, ftell, (FILE *file), (file))
GUARDED_CALL(off64_t, ftello64, (FILE *file), (file))
GUARDED_CALL(int, fwide, (FILE *file, int mode), (file, mode))
GUARDED_CALL(int, setvbuf, (FILE *file, char *buffer, int mode, size_t size), (file, buffer, mode, size))

ALIAS(ftello, ftello64);

WRAPPER void clearerr(FILE *file)
{
	STREAM_GUARDED(file, (real(clearerr)(file), 0));
}

WRAPPER void setbuf(FILE *file, char *buffer)
{
	setvbuf(file, buffer, buffer ? _IOFBF : _IONBF, BUFSIZ);
}

WRAPPER void setbuffer(FILE *file, char *buffer, size_t size)
{
	setvbuf(file, buffer, buffer ? _IOFBF : _IONBF, size);
}

WRAPPER void setlinebuf(FILE *file)
{
	setvbuf(file, NULL, _IOLBF, 0);
}

/* These write what is buffered first. */
#define AWAY_CALL(type, name, parameters, arguments) \
	WRAPPER type name parameters \
	{ \
		return STREAM_AWAY(file, real(name) arguments); \
	}

AWAY_CALL(int, fseek, (FILE *file, long offset, int whence), (file, offset, whence))
AWAY_CALL(int, fseeko64, (FILE *file, off64_t offset, int whence), (file, offset, whence))
AWAY_CALL(int, fgetpos64, (FILE *file, fpos64_t *position), (file, position))
AWAY_CALL(int, fsetpos64, (FILE *file, const fpos64_t *position), (file, position))

ALIAS(fseeko, fseeko64);

/* The same type where long has 64 bits, though not by name. */
WRAPPER int fgetpos(FILE *file, fpos_t *position)
{
	_Static_assert(sizeof(*position) == sizeof(fpos64_t), "positions of one size");
	return fgetpos64(file, (fpos64_t *)position);
}

WRAPPER int fsetpos(FILE *file, const fpos_t *position)
{
	return fsetpos64(file, (const fpos64_t *)position);
}

WRAPPER void rewind(FILE *file)
{
	STREAM_AWAY(file, (real(rewind)(file), 0));
}

/* --- FILE locks that the program takes itself --- */

static int file_attempt(void *file)
{
	return real(ftrylockfile)(file) ? EBUSY : 0;
}

WRAPPER void flockfile(FILE *file)
{
	/* libc unlocks inside itself for a thread that is away. */
	struct lock_call call = { .object = file, .attempt = file_attempt, .busy = EBUSY, .deadline = CLOCK_NEVER, .shared = true };

	if (!shim_hub() || detoured)
		real(flockfile)(file);
	else if (file_attempt(file))
		parking_lock(&call);
	thread_self()->files_held++;
}

WRAPPER int ftrylockfile(FILE *file)
{
	int busy = real(ftrylockfile)(file);

	if (!busy)
		thread_self()->files_held++;
	return busy;
}

WRAPPER void funlockfile(FILE *file)
{
	real(funlockfile)(file);
	if (thread_self()->files_held)
		thread_self()->files_held--;
	parking_wake(file, 1, PARKING_ALL);
}
