/* SPDX-License-Identifier: MIT */
/* hook_file.c - files on disks: read and write at an offset, and take away what takes long to be taken away */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "file.h"
#include "hub/descriptor.h"
#include "migrate.h"
#include "net/io.h"
#include "shim.h"

extern void __chk_fail(void) __attribute__((noreturn));

/* Only files have offsets; -1 is no offset here, but a mistake that the kernel finds. */
static bool waits_for_disk(int fd, int64_t offset)
{
	return shim_hub() && offset >= 0 && green__descriptor_kind(fd) == DESCRIPTOR_FILE;
}

WRAPPER ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
	struct iovec part = { buffer, size };

	if (size > SSIZE_MAX || !waits_for_disk(fd, offset))
		return real(pread64)(fd, buffer, size, offset);
	shim_cancellation_point();
	return sys_result(green__file_readv(fd, &part, 1, offset, 0));
}

ALIAS(pread, pread64);
ALIAS(__pread64, pread64);

WRAPPER ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room)
{
	if (size > room)
		__chk_fail();
	return pread64(fd, buffer, size, offset);
}

ALIAS(__pread_chk, __pread64_chk);

WRAPPER ssize_t preadv64(int fd, const struct iovec *vector, int count, off64_t offset)
{
	if (!waits_for_disk(fd, offset))
		return real(preadv64)(fd, vector, count, offset);
	shim_cancellation_point();
	return sys_result(green__file_readv(fd, vector, count, offset, 0));
}

ALIAS(preadv, preadv64);

/* What is no file waits where it stands, unless it is told not to. */
static bool at_position(int fd, off64_t offset, int flags)
{
	return offset == -1 && !(flags & RWF_NOWAIT) && shim_hub() && green__descriptor_kind(fd) != DESCRIPTOR_FILE;
}

/* With the offset -1 it is readv, on whatever the descriptor is. */
WRAPPER ssize_t preadv64v2(int fd, const struct iovec *vector, int count, off64_t offset, int flags)
{
	if (offset == -1 && flags == 0)
		return readv(fd, vector, count);
	if (at_position(fd, offset, flags))
		return MIGRATED(real(preadv64v2)(fd, vector, count, offset, flags));
	if (!waits_for_disk(fd, offset))
		return real(preadv64v2)(fd, vector, count, offset, flags);
	shim_cancellation_point();
	return sys_result(green__file_readv(fd, vector, count, offset, flags));
}

ALIAS(preadv2, preadv64v2);

WRAPPER ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t offset)
{
	struct iovec part = { (void *)buffer, size };

	if (size > SSIZE_MAX || !waits_for_disk(fd, offset))
		return real(pwrite64)(fd, buffer, size, offset);
	shim_cancellation_point();
	return sys_result(green__file_writev(fd, &part, 1, offset, 0));
}

ALIAS(pwrite, pwrite64);
ALIAS(__pwrite64, pwrite64);

WRAPPER ssize_t pwritev64(int fd, const struct iovec *vector, int count, off64_t offset)
{
	if (!waits_for_disk(fd, offset))
		return real(pwritev64)(fd, vector, count, offset);
	shim_cancellation_point();
	return sys_result(green__file_writev(fd, vector, count, offset, 0));
}

ALIAS(pwritev, pwritev64);

WRAPPER ssize_t pwritev64v2(int fd, const struct iovec *vector, int count, off64_t offset, int flags)
{
	if (offset == -1 && flags == 0)
		return writev(fd, vector, count);
	if (at_position(fd, offset, flags))
		return MIGRATED(real(pwritev64v2)(fd, vector, count, offset, flags));
	if (!waits_for_disk(fd, offset))
		return real(pwritev64v2)(fd, vector, count, offset, flags);
	shim_cancellation_point();
	return sys_result(green__file_writev(fd, vector, count, offset, flags));
}

ALIAS(pwritev2, pwritev64v2);

/* --- room on the disk: what a file system gives back, or clears, piece by piece --- */

enum {
	BIG = 4 << 20, /* a disk gives it back in a millisecond or so */
	SECTOR = 512,  /* the unit of st_blocks */
};

static bool is_big(const struct stat *status)
{
	return S_ISREG(status->st_mode) && status->st_blocks >= BIG / SECTOR;
}

/* The last name of a big file. */
static bool frees_much(int directory, const char *path)
{
	struct stat status;

	return shim_hub() && sys_call(SYS_newfstatat, directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       is_big(&status) && status.st_nlink == 1;
}

bool file_holds_much(int directory, const char *path)
{
	struct stat status;

	return shim_hub() && sys_call(SYS_newfstatat, directory, path, &status, 0) == 0 && is_big(&status);
}

static bool descriptor_holds_much(int fd)
{
	struct stat status;

	return shim_hub() && sys_call(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) == 0 && is_big(&status);
}

WRAPPER int unlink(const char *path)
{
	return frees_much(AT_FDCWD, path) ? MIGRATED(real(unlink)(path)) : real(unlink)(path);
}

WRAPPER int unlinkat(int directory, const char *path, int flags)
{
	return frees_much(directory, path) ? MIGRATED(real(unlinkat)(directory, path, flags))
					   : real(unlinkat)(directory, path, flags);
}

WRAPPER int remove(const char *path)
{
	return frees_much(AT_FDCWD, path) ? MIGRATED(real(remove)(path)) : real(remove)(path);
}

/* What had the new name before is gone. */
WRAPPER int rename(const char *from, const char *to)
{
	return frees_much(AT_FDCWD, to) ? MIGRATED(real(rename)(from, to)) : real(rename)(from, to);
}

WRAPPER int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
	return frees_much(to_directory, to) ? MIGRATED(real(renameat)(from_directory, from, to_directory, to))
					    : real(renameat)(from_directory, from, to_directory, to);
}

WRAPPER int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
	return frees_much(to_directory, to) ? MIGRATED(real(renameat2)(from_directory, from, to_directory, to, flags))
					    : real(renameat2)(from_directory, from, to_directory, to, flags);
}

WRAPPER int truncate64(const char *path, off64_t length)
{
	return file_holds_much(AT_FDCWD, path) ? MIGRATED(real(truncate64)(path, length)) : real(truncate64)(path, length);
}

ALIAS(truncate, truncate64);

WRAPPER int ftruncate64(int fd, off64_t length)
{
	return descriptor_holds_much(fd) ? MIGRATED(real(ftruncate64)(fd, length)) : real(ftruncate64)(fd, length);
}

ALIAS(ftruncate, ftruncate64);

WRAPPER int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	return MIGRATED(real(fallocate64)(fd, mode, offset, length));
}

ALIAS(fallocate, fallocate64);

WRAPPER int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
	return MIGRATED(real(posix_fallocate64)(fd, offset, length));
}

ALIAS(posix_fallocate, posix_fallocate64);
