/* SPDX-License-Identifier: MIT */
/* disks.c - files on a disk: at offsets, in parts, cold and warm, big ones, and POSIX's asynchronous calls */
#include "plain.h"

#include <aio.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, BIG = 48 << 20 };

static char byte_at(size_t at)
{
	return (char)('a' + (at / 7 + at / PAGE) % 26);
}

static void fill(char *buffer, size_t size, size_t from)
{
	for (size_t i = 0; i < size; i++)
		buffer[i] = byte_at(from + i);
}

static bool right(const char *buffer, ssize_t size, size_t from)
{
	for (ssize_t i = 0; i < size; i++) {
		if (buffer[i] != byte_at(from + (size_t)i))
			return false;
	}
	return size > 0;
}

/* A file without a name, on a disk where there is one; none of it is cached. */
static int cold_file(size_t size, int flags)
{
	char path[] = "/var/tmp/disks-XXXXXX", *text = malloc(size);
	int fd = mkstemp(path), again;

	must(fd != -1, "mkstemp");
	again = open(path, O_RDWR | flags);
	unlink(path);
	fill(text, size, 0);
	must(write_full(fd, text, size) == size, "write");
	must(fsync(fd) == 0, "fsync");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	free(text);
	return again;
}

static void *read_through(void *argument)
{
	int fd = *(int *)argument;
	char buffer[3 * PAGE + 100];
	size_t done = 0, wrong = 0;
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		wrong += !right(buffer, n, done);
		wrong += n < (ssize_t)sizeof(buffer) && done + (size_t)n != PAGES * PAGE;
		done += (size_t)n;
	}
	say("read %zu, wrong %zu, then %zd", done, wrong, n);
	return NULL;
}

static void *read_holes(void *argument)
{
	static char buffer[PAGES * PAGE + 10];
	char page[PAGE];
	int fd = *(int *)argument;
	struct iovec parts[3] = { { buffer, 10 }, { buffer + 10, PAGES * PAGE / 2 }, { buffer + 10 + PAGES * PAGE / 2, PAGES * PAGE } };

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	pread(fd, page, PAGE, 2 * PAGE);
	pread(fd, page, PAGE, 9 * PAGE);
	ssize_t n = pread(fd, buffer, 24 * PAGE, PAGE);
	say("over cached pages and others: %zd %s", n, right(buffer, n, PAGE) ? "right" : "wrong");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	pread(fd, page, 1, 0);
	n = preadv(fd, parts, 3, 100);
	say("up to the end: %zd %s", n, right(buffer, n, 100) ? "right" : "wrong");
	say("behind the end: %zd", pread(fd, buffer, 10, PAGES * PAGE));
	say("no offset: %s", outcome(pread(fd, buffer, 10, -1)));
	say("at the place: %s", outcome(preadv2(fd, parts, 1, -1, 0)));
	say("place: %ld", (long)lseek(fd, 0, SEEK_CUR));
	return NULL;
}

/* What the kernel makes up while it is read comes in pieces, and a read is one piece. */
static void *read_pieces(void *argument)
{
	static char buffer[100000];
	int fd = open("/proc/kallsyms", O_RDONLY);

	must(fd >= 0, "/proc/kallsyms");
	for (int i = 0; i < 2; i++)
		say("piece: %zd", read(fd, buffer, sizeof(buffer)));
	close(fd);
	return argument;
}

static void pieces(void)
{
	join(spawn(read_pieces, NULL));
}

/* L2, U4, CK24: what is not in the page cache */
static void cold(void)
{
	int fd = cold_file(PAGES * PAGE, 0);

	join(spawn(read_through, &fd));
	lseek(fd, 0, SEEK_SET);
	join(spawn(read_holes, &fd));
}

static void *write_around(void *argument)
{
	int fd = *(int *)argument;
	char buffer[PAGE];
	struct iovec parts[2] = { { (char *)"one", 3 }, { (char *)"two", 3 } };

	say("pwrite: %zd", pwrite(fd, "text", 4, 10));
	say("pwritev: %zd", pwritev(fd, parts, 2, 20));
	say("pwritev2: %zd", pwritev2(fd, parts, 2, 30, RWF_DSYNC));
	say("at the place: %zd", pwritev2(fd, parts, 1, -1, 0));
	say("place: %ld", (long)lseek(fd, 0, SEEK_CUR));
	say("write: %zd", write(fd, "end", 3));
	ssize_t n = pread(fd, buffer, 36, 0);
	say("there is: %.*s", (int)n, buffer);
	say("not open: %s", outcome(pwrite(9999, "x", 1, 0)));
	return NULL;
}

static void written(void)
{
	int plain = cold_file(PAGE, 0), lasting = cold_file(PAGE, O_SYNC), appending = cold_file(PAGE, O_APPEND), pipes[2];
	struct stat status;
	char byte;

	join(spawn(write_around, &plain));
	join(spawn(write_around, &lasting));
	write(appending, "more", 4);
	fstat(appending, &status);
	say("appended: %ld", (long)status.st_size);
	must(pipe(pipes) == 0, "pipe");
	say("pipe: %s", outcome(pread(pipes[0], &byte, 1, 0)));
	say("pipe: %s", outcome(pwrite(pipes[1], &byte, 1, 0)));
}

/* --- what takes long, if the others are kept waiting or not --- */

static volatile long turns;
static volatile bool over;

static void *take_turns(void *argument)
{
	(void)argument;
	while (!over) {
		turns++;
		pause_ms(1);
	}
	return NULL;
}

/* How a call of several milliseconds went for the others. */
static void say_turns(const char *what, long before, bool done)
{
	say("%s: %s, others %s", what, done ? "done" : error_name(errno), turns > before ? "went on" : "stood still");
}

static void *copy_much(void *argument)
{
	char path[] = "/var/tmp/disks-XXXXXX", *buffer = malloc(BIG);
	int in = cold_file(BIG, 0), out = mkstemp(path);
	long before = turns;
	off_t from = 0;

	(void)argument;
	bool done = read(in, buffer, BIG) == BIG && right(buffer, BIG, 0);
	say_turns("read", before, done);
	before = turns;
	say_turns("write", before, write(out, buffer, BIG) == BIG);
	before = turns;
	say_turns("sendfile", before, sendfile(out, in, &from, BIG) == BIG);
	say("fsync: %s", outcome(fsync(out)));
	say("allocated: %d", posix_fallocate(out, 0, 2 * BIG + 100));
	say("cut: %s", outcome(ftruncate(out, BIG)));
	say("gone: %s", outcome(unlink(path)));
	say("gone already: %s", outcome(unlink(path)));
	over = true;
	free(buffer);
	return NULL;
}

static void much(void)
{
	pthread_t other = spawn(take_turns, NULL), copier = spawn(copy_much, NULL);

	join(copier);
	join(other);
}

/* --- a file that a slow process has, as it is with files of other hosts --- */

enum { ANSWER_MS = 80, FAR_FILE = 2, FAR_SIZE = 20000 };

static char far_place[] = "/tmp/disks-far-XXXXXX";

union request {
	char room[(1 << 17) + PAGE];
	struct {
		struct fuse_in_header header;
		union {
			struct fuse_init_in init;
			struct fuse_read_in read;
			struct fuse_write_in write;
		} body;
	} parts;
};

static void answer(int fd, const union request *request, int error, const void *body, size_t size)
{
	struct fuse_out_header header = { (uint32_t)(sizeof(header) + size), -error, request->parts.header.unique };
	struct iovec both[2] = { { &header, sizeof(header) }, { (void *)body, size } };

	writev(fd, both, size ? 2 : 1);
}

static struct fuse_attr attributes_of(uint64_t node)
{
	bool is_file = node == FAR_FILE;

	return (struct fuse_attr){ .ino = node, .size = is_file ? FAR_SIZE : 0, .nlink = 1,
				   .mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0700 };
}

static void answer_read(int fd, const union request *request)
{
	char text[FAR_SIZE];
	uint64_t from = request->parts.body.read.offset;
	size_t size = request->parts.body.read.size;

	if (from > FAR_SIZE)
		from = FAR_SIZE;
	if (size > FAR_SIZE - from)
		size = FAR_SIZE - from;
	fill(text, size, from);
	pause_ms(ANSWER_MS);
	answer(fd, request, 0, text, size);
}

static void answer_request(int fd, const union request *request)
{
	uint64_t node = request->parts.header.nodeid;
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = PAGE };
	struct fuse_entry_out entry = { .nodeid = FAR_FILE, .attr = attributes_of(FAR_FILE) };
	struct fuse_attr_out attributes = { .attr = attributes_of(node) };
	struct fuse_open_out opened = { .open_flags = FOPEN_DIRECT_IO };
	struct fuse_write_out written = { .size = request->parts.body.write.size };

	switch (request->parts.header.opcode) {
	case FUSE_INIT: answer(fd, request, 0, &init, sizeof(init)); break;
	case FUSE_LOOKUP: answer(fd, request, 0, &entry, sizeof(entry)); break;
	case FUSE_GETATTR: answer(fd, request, 0, &attributes, sizeof(attributes)); break;
	case FUSE_OPEN: answer(fd, request, 0, &opened, sizeof(opened)); break;
	case FUSE_READ: answer_read(fd, request); break;
	case FUSE_WRITE: pause_ms(ANSWER_MS); answer(fd, request, 0, &written, sizeof(written)); break;
	case FUSE_FLUSH: pause_ms(ANSWER_MS); answer(fd, request, 0, NULL, 0); break;
	case FUSE_RELEASE: answer(fd, request, 0, NULL, 0); break;
	case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: break;
	default: answer(fd, request, ENOSYS, NULL, 0);
	}
}

/* The other process. */
static void serve_far(int fd)
{
	static union request request;
	ssize_t n;

	while ((n = read(fd, &request, sizeof(request))) > 0 || (n == -1 && (errno == EINTR || errno == ENOENT))) {
		if (n > 0)
			answer_request(fd, &request);
	}
	_exit(0);
}

/* In a name space of our own, so that nothing is left behind whatever happens; 0 where that is not allowed. */
static pid_t mount_far(void)
{
	char options[100];
	int fd = open("/dev/fuse", O_RDWR);

	if (fd == -1 || unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 0;
	must(mkdtemp(far_place) != NULL, "mkdtemp");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("far", far_place, "fuse", MS_NOSUID | MS_NODEV, options)) {
		rmdir(far_place);
		return 0;
	}
	pid_t server = fork();
	if (server == 0)
		serve_far(fd);
	close(fd);
	return server;
}

static void *use_far(void *argument)
{
	char path[100], text[1000];
	long before;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/file", far_place);
	int fd = open(path, O_RDWR);
	must(fd != -1, "open");
	before = turns;
	n = read(fd, text, sizeof(text));
	say_turns("read", before, right(text, n, 0));
	before = turns;
	n = pread(fd, text, sizeof(text), FAR_SIZE - 500);
	say_turns("pread", before, n == 500 && right(text, n, FAR_SIZE - 500));
	before = turns;
	say_turns("write", before, write(fd, text, 100) == 100);
	before = turns;
	say_turns("pwrite", before, pwrite(fd, text, 100, 500) == 100);
	before = turns;
	say_turns("close", before, close(fd) == 0);
	over = true;
	return argument;
}

static void far(void)
{
	pid_t server = mount_far();

	/* So that the case has its threads in any case. */
	pthread_t other = spawn(take_turns, NULL);
	if (server) {
		join(spawn(use_far, NULL));
		umount2(far_place, MNT_DETACH);
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		rmdir(far_place);
	} else {
		say("not allowed");
		over = true;
	}
	join(other);
}

/* --- asynchronous calls --- */

static volatile sig_atomic_t completions;

static void on_completion(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	completions += info->si_value.sival_int;
}

static void completed_in_thread(union sigval value)
{
	__atomic_add_fetch((int *)value.sival_ptr, 1, __ATOMIC_SEQ_CST);
}

static struct aiocb block_of(int fd, void *buffer, size_t size, off_t offset)
{
	struct aiocb block;

	memset(&block, 0, sizeof(block));
	block.aio_fildes = fd;
	block.aio_buf = buffer;
	block.aio_nbytes = size;
	block.aio_offset = offset;
	block.aio_sigevent.sigev_notify = SIGEV_NONE;
	return block;
}

static void *read_asynchronously(void *argument)
{
	int fd = *(int *)argument, pipes[2];
	char buffer[PAGE], other[PAGE];
	struct aiocb block = block_of(fd, buffer, PAGE, PAGE), waiting;
	const struct aiocb *list[] = { &block, NULL };
	struct timespec limit = { 0, 50000000 };

	say("started: %s", outcome(aio_read(&block)));
	say("suspended: %s", outcome(aio_suspend(list, 2, NULL)));
	say("state %d, read %zd", aio_error(&block), aio_return(&block));
	say("bytes: %s", right(buffer, PAGE, PAGE) ? "right" : "wrong");
	must(pipe(pipes) == 0, "pipe");
	waiting = block_of(pipes[0], other, PAGE, 0);
	list[0] = &waiting;
	say("started: %s", outcome(aio_read(&waiting)));
	say("nothing yet: %s", outcome(aio_suspend(list, 1, &limit)));
	say("state: %s", error_name(aio_error(&waiting)));
	write(pipes[1], "text", 4);
	say("suspended: %s", outcome(aio_suspend(list, 1, NULL)));
	say("read: %zd", aio_return(&waiting));
	return NULL;
}

static void *list_of_calls(void *argument)
{
	int fd = *(int *)argument, called = 0;
	char buffers[3][PAGE];
	struct aiocb blocks[3];
	struct aiocb *list[3];
	struct sigaction action = { .sa_sigaction = on_completion, .sa_flags = SA_SIGINFO | SA_RESTART };

	for (int i = 0; i < 3; i++) {
		blocks[i] = block_of(fd, buffers[i], PAGE, i * PAGE);
		blocks[i].aio_lio_opcode = LIO_READ;
		list[i] = &blocks[i];
	}
	say("list: %s", outcome(lio_listio(LIO_WAIT, list, 3, NULL)));
	for (int i = 0; i < 3; i++)
		say("read %zd, %s", aio_return(&blocks[i]), right(buffers[i], PAGE, (size_t)i * PAGE) ? "right" : "wrong");
	sigaction(SIGRTMIN + 1, &action, NULL);
	struct aiocb block = block_of(fd, buffers[0], 10, 0);
	block.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
	block.aio_sigevent.sigev_signo = SIGRTMIN + 1;
	block.aio_sigevent.sigev_value.sival_int = 3;
	say("write: %s", outcome(aio_write(&block)));
	for (int i = 0; i < 400 && !completions; i++)
		pause_ms(5);
	say("signalled: %d, written %zd", completions, aio_return(&block));
	block.aio_sigevent.sigev_notify = SIGEV_THREAD;
	block.aio_sigevent.sigev_notify_function = completed_in_thread;
	block.aio_sigevent.sigev_value.sival_ptr = &called;
	say("fsync: %s", outcome(aio_fsync(O_SYNC, &block)));
	for (int i = 0; i < 400 && !__atomic_load_n(&called, __ATOMIC_SEQ_CST); i++)
		pause_ms(5);
	say("called: %d, cancel: %s", called, aio_cancel(fd, NULL) == AIO_ALLDONE ? "all done" : "another answer");
	return NULL;
}

static void asynchronous(void)
{
	int fd = cold_file(PAGES * PAGE, 0);

	join(spawn(read_asynchronously, &fd));
	join(spawn(list_of_calls, &fd));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "cold", cold, 2 },
		{ "pieces", pieces, 1 },
		{ "written", written, 2 },
		{ "much", much, 2 },
		{ "far", far, 1 },
		{ "asynchronous", asynchronous, 2 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
