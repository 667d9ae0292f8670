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

/* Not worth a way to a helper thread and back. */
enum { LITTLE = 8192 };

WRAPPER ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	bool cooperative = shim_hub() && green__descriptor_kind(in) == DESCRIPTOR_FILE &&
			   green__descriptor_kind(out) != DESCRIPTOR_FILE && !green__descriptor_nonblocking(out);

	if (!cooperative && shim_hub() && count > LITTLE && !green__descriptor_nonblocking(out))
		return sys_result(MIGRATED(sys_call(SYS_sendfile, out, in, offset, count)));
	if (!cooperative)
		return sys_result(sys_call(SYS_sendfile, out, in, offset, count));
	shim_cancellation_point();
	return sys_result(green__sendfile(out, in, offset, count));
}

ALIAS(sendfile, sendfile64);
