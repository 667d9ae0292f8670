/* SPDX-License-Identifier: MIT */
/*
 * file.c - read and write files on disks, which cannot be polled
 *
 * What the page cache holds is taken at once; what the disk has to bring a worker
 * waits for.  So does it for what takes long without any disk: many bytes to copy,
 * and writes that return when the disk has them.
 */
#include <errno.h>

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

/* Not every file system takes RWF_NOWAIT, nor can all that pass for files. */
static long read_attempt(struct file_call *call)
{
	struct file_call attempt = *call;
	struct descriptor *descriptor = green__descriptor(call->fd);
	long result;

	if (descriptor && (descriptor->flags & DESCRIPTOR_WAITS))
		return read_run(call);
	attempt.flags |= RWF_NOWAIT;
	result = read_run(&attempt);
	green__current->flow->stats->io_calls++;
	if (result == -EAGAIN)
		return elsewhere(read_run, call);
	if (result != -EOPNOTSUPP && result != -EINVAL)
		return result;
	if (result == -EOPNOTSUPP && descriptor && (descriptor->flags & DESCRIPTOR_KNOWN))
		descriptor->flags |= DESCRIPTOR_WAITS;
	return read_run(call);
}

/* A file reads short only at its end, or where the page cache has a hole. */
static long read_whole(struct file_call *call, size_t size)
{
	struct iovec window[WINDOW];
	struct file_call part = *call;
	size_t done = 0;
	long result;

	for (;;) {
		result = read_attempt(&part);
		if (result <= 0)
			break;
		done += (size_t)result;
		if (done >= size)
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

	if (size <= 0 || (flags & RWF_NOWAIT) || (size < MUCH && !lasting))
		return write_run(&call);
	return elsewhere(write_run, &call);
}
