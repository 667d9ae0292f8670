/* SPDX-License-Identifier: MIT */
/* communicate.c - write a child process its input while reading both of its outputs */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/sys.h"
#include "net/io.h"
#include "net/process.h"

enum {
	READ_SIZE = 64 * 1024,
	WRITE_SIZE = 4096, /* PIPE_BUF: what a pipe that says "ready" takes without blocking */
};

/* --- input --- */

static int input_keep(struct green_process *process, const char *input, size_t size)
{
	char *copy;

	if (!input || process->input || process->fds[0] < 0)
		return 0;
	copy = green__fault_injected() ? NULL : malloc(size + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, input, size);
	process->input = copy;
	process->input_size = size;
	process->written = 0;
	return 0;
}

/* A write to a pipe whose reader has gone brings a signal, too, which nobody is to notice. */
static long write_quietly(int fd, const char *bytes, size_t size)
{
	uint64_t pipe = UINT64_C(1) << (SIGPIPE - 1), mask = 0, pending = 0;
	struct timespec zero = { 0, 0 };
	long result;

	sys_call(SYS_rt_sigpending, &pending, sizeof(pending));
	sys_call(SYS_rt_sigprocmask, SIG_BLOCK, &pipe, &mask, sizeof(mask));
	result = sys_call(SYS_write, fd, bytes, size);
	if (result == -EPIPE && !(pending & pipe))
		sys_look(SYS_rt_sigtimedwait, &pipe, NULL, &zero, sizeof(pipe));
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	return result;
}

static void input_done(struct green_process *process)
{
	green_process_close(process, 0);
	free(process->input);
	process->input = NULL;
}

/* A child that does not want its input is none of our troubles. */
static int input_write(struct green_process *process)
{
	size_t left = process->input_size - process->written;
	long count = left ? write_quietly(process->fds[0], process->input + process->written, left < WRITE_SIZE ? left : WRITE_SIZE) : 0;

	if (count == -EINTR || count == -EAGAIN)
		return 0;
	if (count > 0)
		process->written += (size_t)count;
	if (count < 0 || process->written == process->input_size)
		input_done(process);
	return sys_failed(count) && count != -EPIPE ? (int)count : 0;
}

/* --- outputs --- */

static int make_room(struct collected *output)
{
	size_t room = output->room ? 2 * output->room : READ_SIZE;
	char *bytes;

	if (output->room - output->size > READ_SIZE / 2)
		return 0;
	bytes = green__fault_injected() ? NULL : realloc(output->bytes, room + 1);
	if (!bytes)
		return -ENOMEM;
	output->bytes = bytes;
	output->room = room;
	return 0;
}

static int output_read(struct green_process *process, int which)
{
	struct collected *output = &process->outputs[which - 1];
	int error = make_room(output);
	long count;

	if (error)
		return error;
	count = sys_call(SYS_read, process->fds[which], output->bytes + output->size, output->room - output->size);
	if (count == -EINTR || count == -EAGAIN)
		return 0;
	if (sys_failed(count))
		return (int)count;
	output->size += (size_t)count;
	if (count == 0)
		green_process_close(process, which);
	return 0;
}

static void hand_out(struct green_process *process, int which, struct green_text *text)
{
	struct collected *output = &process->outputs[which - 1];

	if (output->bytes)
		output->bytes[output->size] = '\0';
	if (text)
		*text = (struct green_text) { output->bytes, output->size };
	else
		free(output->bytes);
	*output = (struct collected) { NULL, 0, 0 };
}

/* --- all at once --- */

static int serve(struct green_process *process, const struct pollfd *fds)
{
	int error = 0;

	/* Another greenlet may have come to the end meanwhile. */
	if (fds[0].revents && process->fds[0] == fds[0].fd && process->input)
		error = input_write(process);
	for (int which = 1; which < 3 && !error; which++) {
		if (fds[which].revents && process->fds[which] == fds[which].fd && fds[which].fd >= 0)
			error = output_read(process, which);
	}
	return error;
}

static int one_step(struct green_process *process, int64_t deadline)
{
	struct pollfd fds[3];
	long ready;

	for (int which = 0; which < 3; which++)
		fds[which] = (struct pollfd) { .fd = process->fds[which], .events = which ? POLLIN : POLLOUT };
	ready = green__poll(fds, 3, deadline);
	if (ready == 0)
		return -ETIMEDOUT;
	/* A handler has run. */
	if (ready == -EINTR)
		return 0;
	return ready < 0 ? (int)ready : serve(process, fds);
}

static bool anything_open(const struct green_process *process)
{
	return process->fds[0] >= 0 || process->fds[1] >= 0 || process->fds[2] >= 0;
}

/* An output that was there gives at least an empty text. */
static int begin(struct green_process *process, const char *input, size_t size)
{
	int error = input_keep(process, input, size);

	for (int which = 1; which < 3 && !error; which++) {
		if (process->fds[which] >= 0)
			error = make_room(&process->outputs[which - 1]);
	}
	return error;
}

int green_process_communicate(struct green_process *process, const char *input, size_t size, struct green_text *out,
			      struct green_text *err, int timeout_ms)
{
	int64_t deadline = clock_after_ms(timeout_ms);
	int error;

	if (!green__hub())
		return -1;
	error = begin(process, input, size);
	while (!error && anything_open(process)) {
		/* Without input the child is to see the end of it. */
		if (process->fds[0] >= 0 && !process->input)
			green_process_close(process, 0);
		else
			error = one_step(process, deadline);
	}
	if (error)
		return (int)sys_result(error);
	hand_out(process, 1, out);
	hand_out(process, 2, err);
	return 0;
}
