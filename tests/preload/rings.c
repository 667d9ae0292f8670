/* SPDX-License-Identifier: MIT */
/* rings.c - io_uring_enter by syscall(), as programs without liburing call it */
#include "plain.h"

#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ENTRIES = 8 };

/* One ring, whose two queues lie in one mapping. */
struct ring {
	int fd;
	struct io_uring_params params;
	char *queues;
	struct io_uring_sqe *entries;
};

static bool ring_open(struct ring *ring, unsigned flags)
{
	memset(ring, 0, sizeof(*ring));
	ring->params.flags = flags;
	ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &ring->params);
	if (ring->fd == -1)
		return false;
	size_t size = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
	ring->queues = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, ENTRIES * sizeof(*ring->entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			     IORING_OFF_SQES);
	must(ring->queues != MAP_FAILED && ring->entries != MAP_FAILED, "mmap");
	return true;
}

static unsigned *field(const struct ring *ring, unsigned offset)
{
	return (unsigned *)(void *)(ring->queues + offset);
}

static void queue_read(struct ring *ring, int fd, void *buffer, unsigned size)
{
	unsigned tail = *field(ring, ring->params.sq_off.tail), at = tail % ENTRIES;

	ring->entries[at] = (struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = fd, .addr = (uintptr_t)buffer, .len = size,
						   .user_data = tail };
	field(ring, ring->params.sq_off.array)[at] = at;
	__atomic_store_n(field(ring, ring->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
}

static int take_completions(struct ring *ring)
{
	struct io_uring_cqe *completions = (struct io_uring_cqe *)(void *)(ring->queues + ring->params.cq_off.cqes);
	unsigned *head = field(ring, ring->params.cq_off.head), tail = __atomic_load_n(field(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE);
	int sum = 0;

	for (; *head != tail; ++*head)
		sum += completions[*head % ring->params.cq_entries].res;
	return sum;
}

static long enter(struct ring *ring, unsigned submit, unsigned least, unsigned flags, const void *extra, size_t size)
{
	return syscall(SYS_io_uring_enter, ring->fd, submit, least, flags, extra, size);
}

static volatile int counted;

/* Only when others have gone on meanwhile does anything come. */
static void *write_late(void *argument)
{
	const int *ends = argument;

	while (counted < 4)
		pause_ms(1);
	for (int i = 0; i < 3; i++) {
		pause_ms(30);
		write_full(ends[i], "four", 4);
	}
	return NULL;
}

static void *count_up(void *argument)
{
	for (counted = 0; counted < 12; counted++)
		pause_ms(5);
	return argument;
}

static void wait_with_limit(struct ring *ring)
{
	struct __kernel_timespec limit = { 0, 50000000 };
	struct io_uring_getevents_arg extra = { .ts = (uintptr_t)&limit };
	unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	double start = now();

	say("nothing until the limit: %s", outcome(enter(ring, 0, 1, flags, &extra, sizeof(extra))));
	say_elapsed("limit", start, 0.04, 2);
}

static void wait_for_reads(unsigned flags)
{
	int pipes[3][2], ends[3];
	char buffers[3][8];
	struct ring ring;

	if (!ring_open(&ring, flags)) {
		say("no such ring: %s", error_name(errno));
		return;
	}
	for (int i = 0; i < 3; i++) {
		must(pipe(pipes[i]) == 0, "pipe");
		ends[i] = pipes[i][1];
		queue_read(&ring, pipes[i][0], buffers[i], sizeof(buffers[i]));
	}
	counted = 0;
	pthread_t writer = spawn(write_late, ends), counter = spawn(count_up, NULL);
	say("three submitted: %ld", enter(&ring, 3, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	say("one came: %d", take_completions(&ring));
	say("two more: %ld", enter(&ring, 0, 2, IORING_ENTER_GETEVENTS, NULL, 0));
	say("they came: %d", take_completions(&ring));
	wait_with_limit(&ring);
	say("no wait: %ld", enter(&ring, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0));
	join(writer);
	join(counter);
	close(ring.fd);
}

static void reads(void)
{
	wait_for_reads(0);
	wait_for_reads(IORING_SETUP_COOP_TASKRUN);
}

static void *whole_ring(void *argument)
{
	wait_for_reads(*(unsigned *)argument);
	return NULL;
}

static void own_thread_only(void)
{
	unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;

	join(spawn(whole_ring, &flags));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "reads", reads, 2 },
		{ "own_thread_only", own_thread_only, 3 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
