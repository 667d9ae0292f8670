/* SPDX-License-Identifier: MIT */
/* hook_stdio_out.c - writing to streams */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "net/io.h"
#include "stream.h"

extern int __vsnprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, va_list arguments);

enum { TEXT_BYTES = 1024 };

/* True with *TAKEN if the bytes were put into a stream that parks; else libc has to do it.  The lock is held. */
static bool put(FILE *file, const void *bytes, size_t size, size_t *taken)
{
	bool fresh;

	if (!stream_may_put(file, &fresh))
		return false;
	*taken = size ? stream_put(file, bytes, size, fresh) : 0;
	return true;
}

/* --- bytes --- */

WRAPPER size_t fwrite(const void *from, size_t size, size_t count, FILE *file)
{
	size_t bytes, taken;

	if (!stream_cooperative(file) || __builtin_mul_overflow(size, count, &bytes) || bytes == 0)
		return STREAM_AWAY(file, real(fwrite)(from, size, count, file));
	STREAM_LOCKED(file);
	if (put(file, from, bytes, &taken))
		return taken == bytes ? count : taken / size;
	return MIGRATED(real(fwrite)(from, size, count, file));
}

WRAPPER size_t fwrite_unlocked(const void *from, size_t size, size_t count, FILE *file)
{
	return stream_cooperative(file) ? fwrite(from, size, count, file) : real(fwrite_unlocked)(from, size, count, file);
}

WRAPPER int fputs(const char *text, FILE *file)
{
	size_t size = strlen(text), taken;

	if (!stream_cooperative(file))
		return STREAM_AWAY(file, real(fputs)(text, file));
	STREAM_LOCKED(file);
	if (put(file, text, size, &taken))
		return taken == size ? 1 : EOF;
	return MIGRATED(real(fputs)(text, file));
}

WRAPPER int fputs_unlocked(const char *text, FILE *file)
{
	return stream_cooperative(file) ? fputs(text, file) : real(fputs_unlocked)(text, file);
}

/* The line and its end, which nobody's text may come between. */
static bool put_line(const char *text, size_t size, bool *done)
{
	size_t taken;

	if (!put(stdout, text, size, &taken))
		return false;
	*done = taken == size && stream_put_byte(stdout, '\n');
	return true;
}

WRAPPER int puts(const char *text)
{
	size_t size = strlen(text);
	bool done;

	if (!stream_cooperative(stdout))
		return STREAM_AWAY(stdout, real(puts)(text));
	STREAM_LOCKED(stdout);
	if (put_line(text, size, &done))
		return done ? (int)(size + 1) : EOF;
	return MIGRATED(real(puts)(text));
}

WRAPPER int fputc(int byte, FILE *file)
{
	if (!stream_cooperative(file))
		return STREAM_AWAY(file, real(fputc)(byte, file));
	STREAM_LOCKED(file);
	if (stream_may_put(file, NULL))
		return stream_put_byte(file, (char)byte) ? (unsigned char)byte : EOF;
	return MIGRATED(real(fputc)(byte, file));
}

ALIAS(putc, fputc);
ALIAS(_IO_putc, fputc);

WRAPPER int putchar(int byte)
{
	return fputc(byte, stdout);
}

WRAPPER int fputc_unlocked(int byte, FILE *file)
{
	return stream_cooperative(file) ? fputc(byte, file) : real(fputc_unlocked)(byte, file);
}

ALIAS(putc_unlocked, fputc_unlocked);

WRAPPER int putchar_unlocked(int byte)
{
	return fputc_unlocked(byte, stdout);
}

WRAPPER int putw(int word, FILE *file)
{
	return fwrite(&word, sizeof(word), 1, file) == 1 ? 0 : EOF;
}

/* Inlined putc_unlocked ends here when the buffer is full, and at each line's end. */
WRAPPER int __overflow(FILE *file, int byte)
{
	if (!stream_cooperative(file) || !stream_may_put(file, NULL))
		return real(__overflow)(file, byte);
	if (byte == EOF)
		return stream_flush(file) ? 0 : EOF;
	return stream_put_byte(file, (char)byte) ? (unsigned char)byte : EOF;
}

/* --- formatted --- */

/* TEXT, or memory of its own if that is too small: what is to be freed, or NULL; *SIZE as vsnprintf. */
static char *format_text(char **text, int *size, int flag, const char *format, va_list arguments)
{
	char *large = NULL;
	va_list again;

	va_copy(again, arguments);
	*size = flag ? __vsnprintf_chk(*text, TEXT_BYTES, flag, TEXT_BYTES, format, arguments)
		     : vsnprintf(*text, TEXT_BYTES, format, arguments);
	if (*size >= TEXT_BYTES) {
		large = malloc((size_t)*size + 1);
		if (large)
			vsnprintf(large, (size_t)*size + 1, format, again);
		*text = large;
	}
	va_end(again);
	return large;
}

static void free_text(char **text)
{
	free(*text);
}

/* FLAG is that of the checked calls, 0 for the plain ones. */
static int print_plain(FILE *file, int flag, const char *format, va_list arguments)
{
	return flag ? real(__vfprintf_chk)(file, flag, format, arguments) : real(vfprintf)(file, format, arguments);
}

static int print(FILE *file, int flag, const char *format, va_list arguments)
{
	char small[TEXT_BYTES], *text = small;
	va_list again;
	int size, result;
	size_t taken;

	if (!stream_cooperative(file))
		return STREAM_AWAY(file, print_plain(file, flag, format, arguments));
	va_copy(again, arguments);
	CLEANUP(free_text) char *large = format_text(&text, &size, flag, format, arguments);
	STREAM_LOCKED(file);
	if (size < 0)
		result = size;
	else if (text && put(file, text, (size_t)size, &taken))
		result = taken == (size_t)size ? size : -1;
	else
		result = MIGRATED(print_plain(file, flag, format, again));
	va_end(again);
	return result;
}

/* The value of CALL with what follows LAST as ARGUMENTS. */
#define WITH_ARGUMENTS(last, call) \
	__extension__({ \
		va_list arguments; \
		int result; \
		va_start(arguments, last); \
		result = call; \
		va_end(arguments); \
		result; \
	})

WRAPPER int vfprintf(FILE *file, const char *format, va_list arguments)
{
	return print(file, 0, format, arguments);
}

WRAPPER int vprintf(const char *format, va_list arguments)
{
	return print(stdout, 0, format, arguments);
}

WRAPPER int fprintf(FILE *file, const char *format, ...)
{
	return WITH_ARGUMENTS(format, print(file, 0, format, arguments));
}

ALIAS(_IO_fprintf, fprintf);

WRAPPER int printf(const char *format, ...)
{
	return WITH_ARGUMENTS(format, print(stdout, 0, format, arguments));
}

ALIAS(_IO_printf, printf);

WRAPPER int __vfprintf_chk(FILE *file, int flag, const char *format, va_list arguments)
{
	return print(file, flag, format, arguments);
}

WRAPPER int __vprintf_chk(int flag, const char *format, va_list arguments)
{
	return print(stdout, flag, format, arguments);
}

WRAPPER int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
	return WITH_ARGUMENTS(format, print(file, flag, format, arguments));
}

WRAPPER int __printf_chk(int flag, const char *format, ...)
{
	return WITH_ARGUMENTS(format, print(stdout, flag, format, arguments));
}

/* --- formatted, to a descriptor --- */

static long write_all(int fd, const char *text, size_t size)
{
	size_t done = 0;

	while (done < size) {
		long result = green__write(fd, text + done, size - done);

		if (result < 0)
			return result;
		done += (size_t)result;
	}
	return (long)done;
}

static int print_to(int fd, int flag, const char *format, va_list arguments)
{
	char small[TEXT_BYTES], *text = small;
	int size;

	if (!shim_hub())
		return flag ? real(__vdprintf_chk)(fd, flag, format, arguments) : real(vdprintf)(fd, format, arguments);
	CLEANUP(free_text) char *large = format_text(&text, &size, flag, format, arguments);
	if (!text)
		return (int)sys_result(-ENOMEM);
	shim_cancellation_point();
	return size < 0 ? size : (int)sys_result(write_all(fd, text, (size_t)size));
}

WRAPPER int vdprintf(int fd, const char *format, va_list arguments)
{
	return print_to(fd, 0, format, arguments);
}

WRAPPER int dprintf(int fd, const char *format, ...)
{
	return WITH_ARGUMENTS(format, print_to(fd, 0, format, arguments));
}

WRAPPER int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments)
{
	return print_to(fd, flag, format, arguments);
}

WRAPPER int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	return WITH_ARGUMENTS(format, print_to(fd, flag, format, arguments));
}

/* --- what libc has to write itself --- */

WRAPPER void perror(const char *text)
{
	STREAM_AWAY(stderr, (real(perror)(text), 0));
}

WRAPPER wint_t fputwc(wchar_t character, FILE *file)
{
	return STREAM_AWAY(file, real(fputwc)(character, file));
}

ALIAS(putwc, fputwc);

WRAPPER wint_t putwchar(wchar_t character)
{
	return fputwc(character, stdout);
}

WRAPPER int fputws(const wchar_t *text, FILE *file)
{
	return STREAM_AWAY(file, real(fputws)(text, file));
}

WRAPPER wint_t fputwc_unlocked(wchar_t character, FILE *file)
{
	return fputwc(character, file);
}

ALIAS(putwc_unlocked, fputwc_unlocked);

WRAPPER wint_t putwchar_unlocked(wchar_t character)
{
	return fputwc(character, stdout);
}

WRAPPER int fputws_unlocked(const wchar_t *text, FILE *file)
{
	return fputws(text, file);
}

WRAPPER int vfwprintf(FILE *file, const wchar_t *format, va_list arguments)
{
	return STREAM_AWAY(file, real(vfwprintf)(file, format, arguments));
}

WRAPPER int vwprintf(const wchar_t *format, va_list arguments)
{
	return vfwprintf(stdout, format, arguments);
}

WRAPPER int fwprintf(FILE *file, const wchar_t *format, ...)
{
	return WITH_ARGUMENTS(format, vfwprintf(file, format, arguments));
}

WRAPPER int wprintf(const wchar_t *format, ...)
{
	return WITH_ARGUMENTS(format, vfwprintf(stdout, format, arguments));
}

WRAPPER int __vfwprintf_chk(FILE *file, int flag, const wchar_t *format, va_list arguments)
{
	return STREAM_AWAY(file, real(__vfwprintf_chk)(file, flag, format, arguments));
}

WRAPPER int __vwprintf_chk(int flag, const wchar_t *format, va_list arguments)
{
	return __vfwprintf_chk(stdout, flag, format, arguments);
}

WRAPPER int __fwprintf_chk(FILE *file, int flag, const wchar_t *format, ...)
{
	return WITH_ARGUMENTS(format, __vfwprintf_chk(file, flag, format, arguments));
}

WRAPPER int __wprintf_chk(int flag, const wchar_t *format, ...)
{
	return WITH_ARGUMENTS(format, __vfwprintf_chk(stdout, flag, format, arguments));
}

/* --- flushing; of everything means every stream's lock, and one may be held by a thread that waits for input --- */

static int flush(FILE *file)
{
	STREAM_LOCKED(file);
	/* Nothing is written, so nothing waits: a position that may be moved back is all. */
	if (file->_IO_write_ptr <= file->_IO_write_base)
		return real(fflush)(file);
	if (stream_may_put(file, NULL))
		return stream_flush(file) ? 0 : EOF;
	return MIGRATED(real(fflush)(file));
}

WRAPPER int fflush(FILE *file)
{
	if (!file)
		return MIGRATED(real(fflush)(NULL));
	return stream_cooperative(file) ? flush(file) : STREAM_AWAY(file, real(fflush)(file));
}

WRAPPER int fflush_unlocked(FILE *file)
{
	return file && !stream_cooperative(file) ? real(fflush_unlocked)(file) : fflush(file);
}

/* What is left must be written before libc does it, which closes the descriptor unseen. */
int stream_closing(FILE *file)
{
	if (!stream_cooperative(file) || file->_IO_write_ptr <= file->_IO_write_base)
		return 0;
	return flush(file) == EOF ? errno : 0;
}
