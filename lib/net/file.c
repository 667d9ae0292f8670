/* SPDX-License-Identifier: MIT */
/*
 * file.c - read and write files on disks, which cannot be polled
 *
 * What the page cache holds is taken at once; what the disk has to bring a worker
 * waits for.  So does it for what takes long without any disk: many bytes to copy,
 * and writes that return when the disk has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/sys.h"
#include "hub/descriptor.h"
#include "hub/task.h"
#include "hub/worker.h"
#include "net/io.h"

enum {
	MUCH = 128 * 1024, /* copying it takes longer than the way to a worker and back */
	WINDOW = 64,
};

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

/* Those that <linux/magic.h> does not name. */
#define LUSTRE 0x0bd00bd0
#define VBOX_SHARED 0x786f4256

struct file_call {
	int fd, count, flags;
	const struct iovec *vector;
	int64_t offset; /* -1: where the file stands */
};

static long read_run(void *arg)
{
	struct file_call *call = arg;

	if (call->offset == -1 && !call->flags)
		return sys_call(SYS_readv, call->fd, call->vector, call->count);
	return sys_call(SYS_preadv2, call->fd, call->vector, call->count, call->offset, 0, call->flags);
}

static long write_run(void *arg)
{
	struct file_call *call = arg;

	if (call->offset == -1 && !call->flags)
		return sys_call(SYS_writev, call->fd, call->vector, call->count);
	return sys_call(SYS_pwritev2, call->fd, call->vector, call->count, call->offset, 0, call->flags);
}

static long elsewhere(long (*run)(void *), struct file_call *call)
{
	long result;

	return green__work(green__current->flow->hub, run, call, &result) ? run(call) : result;
}

/* True of a file system that has another host or a process instead of a disk; one that does not say may be such. */
static long is_far(void *arg)
{
	const struct file_call *call = arg;
	struct statfs status;

	if (sys_call(SYS_fstatfs, call->fd, &status))
		return true;
	switch ((uint32_t)status.f_type) {
	case AFS_FS_MAGIC:
	case AFS_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case OCFS2_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case V9FS_MAGIC:
	case LUSTRE:
	case VBOX_SHARED:
		return true;
	default:
		return false;
	}
}

static bool has_device(int fd)
{
	struct statx status;
	long result = sys_call(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status);

	return result == 0 && status.stx_dev_major;
}

/*
 * The question may have to be answered from afar, too, so it is asked once, on a
 * worker, and not at all about a number that may mean another file the next time.
 */
static bool asks_afar(struct file_call *call)
{
	struct descriptor *descriptor = green__descriptor(call->fd);

	if (!descriptor || !(descriptor->flags & DESCRIPTOR_KNOWN))
		return false;
	if (!(descriptor->flags & DESCRIPTOR_ASKED)) {
		uint32_t generation = descriptor->generation;
		bool far = !has_device(call->fd) && elsewhere(is_far, call);

		if (descriptor->generation == generation)
			descriptor->flags |= DESCRIPTOR_ASKED | (far ? DESCRIPTOR_FAR : 0);
		return far;
	}
	return descriptor->flags & DESCRIPTOR_FAR;
}

/* CALL's file refuses RWF_NOWAIT. */
static long read_refused(struct file_call *call, struct descriptor *descriptor)
{
	if (descriptor && (descriptor->flags & DESCRIPTOR_KNOWN))
		descriptor->flags |= DESCRIPTOR_WAITS;
	return asks_afar(call) ? elsewhere(read_run, call) : read_run(call);
}

/* Not every file system takes RWF_NOWAIT, nor all that passes for a file.  *CUT: a hole in the page cache may have ended it. */
static long read_attempt(struct file_call *call, bool *cut)
{
	struct file_call attempt = *call;
	struct descriptor *descriptor = green__descriptor(call->fd);
	long result;

	*cut = false;
	if (descriptor && (descriptor->flags & DESCRIPTOR_WAITS))
		return read_refused(call, descriptor);
	attempt.flags |= RWF_NOWAIT;
	result = read_run(&attempt);
	green__current->flow->stats->io_calls++;
	*cut = result > 0;
	if (result == -EAGAIN)
		return elsewhere(read_run, call);
	if (result == -EOPNOTSUPP)
		return read_refused(call, descriptor);
	return result == -EINVAL ? read_run(call) : result;
}

/* A file reads short at its end, or where the page cache has a hole; what only passes for one, wherever it likes. */
static long read_whole(struct file_call *call, size_t size)
{
	struct iovec window[WINDOW];
	struct file_call part = *call;
	size_t done = 0;
	long result;
	bool cut;

	for (;;) {
		result = read_attempt(&part, &cut);
		if (result <= 0)
			break;
		done += (size_t)result;
		if (done >= size || !cut)
			break;
		part.count = green__iov_window(call->vector, call->count, done, window, WINDOW);
		part.vector = window;
		if (call->offset != -1)
			part.offset = call->offset + (int64_t)done;
	}
	return done ? (long)done : result;
}

long green__file_readv(int fd, const struct iovec *vector, int count, int64_t offset, int flags)
{
	struct file_call call = { .fd = fd, .count = count, .flags = flags, .vector = vector, .offset = offset };
	long size = green__iov_size(vector, count);

	/* Who asks not to wait is not made to, and what makes no sense the kernel refuses in its own words. */
	if (size <= 0 || (flags & RWF_NOWAIT) || offset < -1)
		return read_run(&call);
	return size >= MUCH ? elsewhere(read_run, &call) : read_whole(&call, (size_t)size);
}

long green__file_writev(int fd, const struct iovec *vector, int count, int64_t offset, int flags)
{
	struct file_call call = { .fd = fd, .count = count, .flags = flags, .vector = vector, .offset = offset };
	struct descriptor *descriptor = green__descriptor(fd);
	bool lasting = (flags & (RWF_DSYNC | RWF_SYNC)) || (descriptor && (descriptor->flags & DESCRIPTOR_LASTING));
	long size = green__iov_size(vector, count);

	if (size <= 0 || (flags & RWF_NOWAIT) || (size < MUCH && !lasting && !asks_afar(&call)))
		return write_run(&call);
	return elsewhere(write_run, &call);
}
