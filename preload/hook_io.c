/* SPDX-License-Identifier: MIT */
/* hook_io.c - read and write on whatever a descriptor is */
#include <stdint.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "hub/descriptor.h"
#include "migrate.h"
#include "net/io.h"
#include "shim.h"

extern void __chk_fail(void) __attribute__((noreturn));

WRAPPER ssize_t read(int fd, void *buffer, size_t size)
{
	if (!shim_hub())
		return real(read)(fd, buffer, size);
	shim_cancellation_point();
	return sys_result(green__read(fd, buffer, size));
}

WRAPPER ssize_t readv(int fd, const struct iovec *vector, int count)
{
	if (!shim_hub())
		return real(readv)(fd, vector, count);
	shim_cancellation_point();
	return sys_result(green__readv(fd, vector, count));
}

WRAPPER ssize_t write(int fd, const void *buffer, size_t size)
{
	if (!shim_hub())
		return real(write)(fd, buffer, size);
	shim_cancellation_point();
	return sys_result(green__write(fd, buffer, size));
}

WRAPPER ssize_t writev(int fd, const struct iovec *vector, int count)
{
	if (!shim_hub())
		return real(writev)(fd, vector, count);
	shim_cancellation_point();
	return sys_result(green__writev(fd, vector, count));
}

ALIAS(__read, read);
ALIAS(__write, write);

WRAPPER ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return read(fd, buffer, size);
}

WRAPPER int eventfd_read(int fd, eventfd_t *value)
{
	return read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

WRAPPER int eventfd_write(int fd, eventfd_t value)
{
	return write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

/* --- sendfile --- */

enum { PIECE = 8192 };

/* One piece of the file through the socket; how much of it went. */
static long send_piece(int out, int in, off64_t offset, size_t count)
{
	char piece[PIECE];
	struct iovec part = { piece, count < PIECE ? count : PIECE };
	long got = green__file_readv(in, &part, 1, offset, 0);

	return got > 0 ? green__write(out, piece, (size_t)got) : got;
}

/*
 * From a file to something that may block: read at an offset, so that nothing is
 * lost if the other side takes only a part, and write as write does.
 */
static long send_file(int out, int in, off64_t *offset, size_t count)
{
	off64_t from = offset ? *offset : (off64_t)sys_call(SYS_lseek, in, 0, SEEK_CUR);
	size_t done = 0;
	long result = 0;

	while (done < count) {
		result = send_piece(out, in, from + (off64_t)done, count - done);
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	if (offset)
		*offset = from + (off64_t)done;
	else
		sys_call(SYS_lseek, in, from + (off64_t)done, SEEK_SET);
	return done ? (long)done : result;
}

WRAPPER ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	bool cooperative = shim_hub() && green__descriptor_kind(in) == DESCRIPTOR_FILE &&
			   green__descriptor_kind(out) != DESCRIPTOR_FILE && !green__descriptor_nonblocking(out);

	if (!cooperative && shim_hub() && count > PIECE && !green__descriptor_nonblocking(out))
		return sys_result(MIGRATED(sys_call(SYS_sendfile, out, in, offset, count)));
	if (!cooperative)
		return sys_result(sys_call(SYS_sendfile, out, in, offset, count));
	shim_cancellation_point();
	return sys_result(send_file(out, in, offset, count));
}

ALIAS(sendfile, sendfile64);
