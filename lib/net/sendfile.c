/* SPDX-License-Identifier: MIT */
/*
 * sendfile.c - bytes of a file to whatever a descriptor is
 *
 * The kernel's call has no way to say that it shall not wait, and no descriptor that others may share is made
 * to.  So what might wait is written in pieces, from the page cache, as any other bytes are.
 */
#include <unistd.h>

#include "base/sys.h"
#include "green/error.h"
#include "green/io.h"
#include "hub/descriptor.h"
#include "hub/worker.h"
#include "net/io.h"

enum { PIECE = 8192 };

struct sendfile_call {
	int out, in;
	int64_t *offset;
	size_t count;
};

static long sendfile_run(void *arg)
{
	struct sendfile_call *call = arg;

	return sys_call(SYS_sendfile, call->out, call->in, call->offset, call->count);
}

/* One piece of the file; how much of it went.  *CUT: less than what was read. */
static long send_piece(int out, int in, int64_t offset, size_t count, bool *cut)
{
	char piece[PIECE];
	struct iovec part = { piece, count < PIECE ? count : PIECE };
	long got = green__file_readv(in, &part, 1, offset, 0), sent;

	*cut = false;
	if (got <= 0)
		return got;
	sent = green__write(out, piece, (size_t)got);
	*cut = sent < got;
	return sent;
}

/* RESULT ended a call that has moved bytes, and tells of those: if somebody has thrown it, the next call fails. */
static void keep_error(long result)
{
	int code = green__current->error;

	if (code && result == -green_error_number(code))
		green__raise_again();
}

/* Read at an offset, so that nothing is lost if the other side takes only a part. */
static long send_file(int out, int in, int64_t *offset, size_t count)
{
	int64_t from = offset ? *offset : sys_call(SYS_lseek, in, 0, SEEK_CUR);
	size_t done = 0;
	long result = 0;
	bool cut = false;

	while (done < count && !cut) {
		result = send_piece(out, in, from + (int64_t)done, count - done, &cut);
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	if (offset)
		*offset = from + (int64_t)done;
	else
		sys_call(SYS_lseek, in, from + (int64_t)done, SEEK_SET);
	if (done)
		keep_error(result);
	return done ? (long)done : result;
}

long green__sendfile(int out, int in, int64_t *offset, size_t count)
{
	struct sendfile_call call = { out, in, offset, count };
	bool to_disk = green__descriptor_kind(out) == DESCRIPTOR_FILE;
	long result;

	/* What makes no sense the kernel refuses in its own words. */
	if (green__descriptor_nonblocking(out) || (offset && *offset < 0))
		return sendfile_run(&call);
	if (green__descriptor_kind(in) == DESCRIPTOR_FILE && green__descriptor_kind(out) >= 0 && !to_disk)
		return send_file(out, in, offset, count);
	if (green__work(green__current->flow->hub, sendfile_run, &call, &result))
		return sendfile_run(&call);
	return result;
}

ssize_t green_sendfile(int out, int in, off_t *offset, size_t count)
{
	_Static_assert(sizeof(off_t) == sizeof(int64_t), "what green__sendfile writes to");

	return green__hub() ? sys_result(green__sendfile(out, in, (int64_t *)offset, count)) : -1;
}
