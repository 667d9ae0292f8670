/* SPDX-License-Identifier: MIT */
/* stream.c - streams of stdio that are sockets, pipes or terminals */
#include "stream.h"

#include <string.h>

#include "detour.h"
#include "hub/descriptor.h"
#include "net/io.h"

/* Bits of a stream's state, which libc's own inline functions share. */
enum {
	UNBUFFERED = 0x2,
	NO_READS = 0x4,
	NO_WRITES = 0x8,
	END_SEEN = 0x10,
	ERROR_SEEN = 0x20,
	IN_BACKUP = 0x100,
	LINE_BUFFERED = 0x200,
	PUTTING = 0x800,
	APPENDING = 0x1000,
};

/* A buffer smaller than this is not worth keeping the rest in. */
enum { SMALL_BUFFER = 128 };

bool stream_may_wait(FILE *file)
{
	int fd = file && !detoured ? fileno_unlocked(file) : -1;
	int kind = fd < 0 ? DESCRIPTOR_FILE : green__descriptor_kind(fd);

	return kind > 0 && kind != DESCRIPTOR_FILE && !green__descriptor_nonblocking(fd);
}

bool stream_cooperative(FILE *file)
{
	return shim_hub() && stream_may_wait(file) && file->_mode <= 0;
}

/* --- the lock --- */

void stream_unlock(FILE **file)
{
	if (*file)
		funlockfile(*file);
}

FILE *stream_guard(FILE *file)
{
	if (!file || detoured || !shim_hub())
		return NULL;
	if (real(ftrylockfile)(file) == 0) {
		real(funlockfile)(file);
		return NULL;
	}
	flockfile(file);
	return file;
}

/* --- input --- */

bool stream_may_get(FILE *file)
{
	return stream_cooperative(file) && !(file->_flags & NO_READS);
}

/* What libc finds without reading: the end, which it remembers, and what lies behind characters that were put back. */
static bool needs_no_read(const FILE *file)
{
	if (file->_flags & END_SEEN)
		return true;
	return (file->_flags & IN_BACKUP) && file->_IO_save_end > file->_IO_save_base;
}

void stream_wait_for_input(FILE *file)
{
	struct pollfd pollfd = { .fd = fileno_unlocked(file), .events = POLLIN };
	long result;

	if (needs_no_read(file))
		return;
	/* The other end may wait for what is still to be written. */
	if ((file->_flags & PUTTING) && file->_IO_write_ptr > file->_IO_write_base && stream_may_put(file, NULL))
		stream_flush(file);
	do {
		result = green__poll(&pollfd, 1, CLOCK_NEVER);
	} while (result == -EINTR || sys_lacks(result));
}

bool stream_fill(FILE *file)
{
	if (stream_buffered(file))
		return true;
	stream_wait_for_input(file);
	return real(__underflow)(file) != EOF;
}

/* --- output --- */

bool stream_may_put(FILE *file, bool *fresh)
{
	if (file->_flags & NO_WRITES)
		return false;
	if (fresh)
		*fresh = !(file->_flags & PUTTING);
	/* With nothing to write this makes a buffer and turns the stream to writing. */
	if (!(file->_flags & PUTTING) && real(__overflow)(file, EOF) == EOF)
		return false;
	return (file->_flags & APPENDING) || file->_IO_read_end == file->_IO_write_base;
}

static size_t write_out(FILE *file, const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		long result = green__write(fileno_unlocked(file), bytes + done, size - done);

		if (result < 0) {
			file->_flags |= ERROR_SEEN;
			errno = (int)-result;
			break;
		}
		done += (size_t)result;
	}
	return done;
}

bool stream_flush(FILE *file)
{
	size_t pending = (size_t)(file->_IO_write_ptr - file->_IO_write_base);
	size_t done = pending ? write_out(file, file->_IO_write_base, pending) : 0;

	file->_IO_read_base = file->_IO_read_ptr = file->_IO_read_end = file->_IO_buf_base;
	file->_IO_write_base = file->_IO_write_ptr = file->_IO_buf_base;
	file->_IO_write_end = file->_flags & (LINE_BUFFERED | UNBUFFERED) ? file->_IO_buf_base : file->_IO_buf_end;
	return done == pending;
}

bool stream_put_byte(FILE *file, char byte)
{
	if (file->_IO_write_ptr == file->_IO_buf_end && !stream_flush(file))
		return false;
	*file->_IO_write_ptr++ = byte;
	if ((file->_flags & UNBUFFERED) || ((file->_flags & LINE_BUFFERED) && byte == '\n'))
		return stream_flush(file);
	return true;
}

/* How many of SIZE bytes are put into the buffer as it is; *LINE if that ends a line, which has to be written. */
static size_t share_of_buffer(const FILE *file, const char *bytes, size_t size, bool *line)
{
	size_t room = (size_t)(file->_IO_buf_end - file->_IO_write_ptr);
	const char *end;

	if (file->_flags & UNBUFFERED)
		return 0;
	if (!(file->_flags & LINE_BUFFERED) || room < size)
		return room < size ? room : size;
	end = memrchr(bytes, '\n', size);
	*line = end != NULL;
	return end ? (size_t)(end + 1 - bytes) : size;
}

static void copy(FILE *file, const char *bytes, size_t size)
{
	memcpy(file->_IO_write_ptr, bytes, size);
	file->_IO_write_ptr += size;
}

/* What is less than a buffer, into an empty one; each line's end has it written. */
static size_t put_rest(FILE *file, const char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		const char *end = file->_flags & LINE_BUFFERED ? memchr(bytes + done, '\n', size - done) : NULL;
		size_t piece = end ? (size_t)(end + 1 - bytes) - done : size - done;

		copy(file, bytes + done, piece);
		if (end && !stream_flush(file))
			break;
		done += piece;
	}
	return done;
}

/* libc's own way, so that writes are as large and as many: fill the buffer, write it, write whole blocks, keep the rest. */
size_t stream_put(FILE *file, const char *bytes, size_t size, bool fresh)
{
	size_t block = (size_t)(file->_IO_buf_end - file->_IO_buf_base);
	bool line = false;
	size_t first = fresh ? 0 : share_of_buffer(file, bytes, size, &line);
	size_t left = size - first, whole, done;

	copy(file, bytes, first);
	if (left == 0 && !line)
		return size;
	if (!stream_flush(file))
		return left ? first : 0;
	whole = left - (block >= SMALL_BUFFER ? left % block : 0);
	done = whole ? write_out(file, bytes + first, whole) : 0;
	if (done < whole)
		return first + done;
	return first + whole + put_rest(file, bytes + first + whole, left - whole);
}
