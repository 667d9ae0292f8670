/* SPDX-License-Identifier: MIT */
/*
 * cancel_points.c - every cancellation point, with a request that is pending before it, and one that comes while it waits
 *
 * CALL.pending and CALL.blocked are the cases; a call that nothing holds up has the first only.
 */
#include "posix.h"

#include <aio.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>

enum { PENDING_ONLY = 1 };

struct point {
	const char *name;
	void (*call)(void);
	void (*prepare)(void);
	unsigned flags;
};

/* --- what the calls wait on --- */

static int empty_pipe[2], full_pipe[2], empty_pair[2], full_pair[2], descriptor;
static char path[128];
static char room[4096];

static void with_empty_pipe(void)
{
	must(pipe(empty_pipe) == 0, "pipe");
}

/* A pipe is full when not even one byte fits, a socket when not even a small message does. */
static void fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, room, sizeof(room)) > 0)
		;
	while (write(fd, room, 1) > 0)
		;
	fcntl(fd, F_SETFL, flags);
}

static void with_full_pipe(void)
{
	must(pipe(full_pipe) == 0, "pipe");
	fill(full_pipe[1]);
}

static void with_empty_pair(void)
{
	stream_pair(empty_pair);
}

static void with_full_pair(void)
{
	stream_pair(full_pair);
	fill(full_pair[0]);
}

static void with_listener(void)
{
	int port;

	descriptor = listen_local(1, &port);
}

static void name_file(const char *kind)
{
	const char *directory = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/%s.%d", directory ? directory : "/tmp", kind, (int)getpid());
}

static void remove_file(void)
{
	unlink(path);
}

static void with_file(void)
{
	name_file("file");
	descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(descriptor != -1, path);
	must(write(descriptor, room, sizeof(room)) == sizeof(room), "write");
	must(lseek(descriptor, 0, SEEK_SET) == 0, "lseek");
	atexit(remove_file);
}

static void with_fifo(void)
{
	name_file("fifo");
	must(mkfifo(path, 0600) == 0, "mkfifo");
	atexit(remove_file);
}

/* A child holds a lock on the file until it is killed. */
static pid_t child;

static void end_child(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void begin_child(void (*body)(void))
{
	int ready[2];
	char byte = 0;

	must(pipe(ready) == 0, "pipe");
	child = fork();
	must(child != -1, "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (body)
			body();
		must(write(ready[1], &byte, 1) == 1, "write");
		for (;;)
			pause();
	}
	must(read(ready[0], &byte, 1) == 1, "read");
	atexit(end_child);
}

static void lock_file(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	must(fcntl(descriptor, F_SETLK, &lock) == 0, "F_SETLK");
}

static void with_locked_file(void)
{
	with_file();
	begin_child(lock_file);
}

static void with_child(void)
{
	begin_child(NULL);
}

/* --- descriptors --- */

static void call_read(void) { read(empty_pipe[0], room, 1); }
static void call_write(void) { write(full_pipe[1], room, 1); }
static void call_pread(void) { pread(descriptor, room, 1, 0); }
static void call_pwrite(void) { pwrite(descriptor, room, 1, 0); }

static void call_readv(void)
{
	struct iovec part = { room, 1 };

	readv(empty_pipe[0], &part, 1);
}

static void call_writev(void)
{
	struct iovec part = { room, 1 };

	writev(full_pipe[1], &part, 1);
}

static void call_preadv(void)
{
	struct iovec part = { room, 1 };

	preadv(descriptor, &part, 1, 0);
}

static void call_pwritev(void)
{
	struct iovec part = { room, 1 };

	pwritev(descriptor, &part, 1, 0);
}

static void call_open(void) { open(path, O_RDONLY); }
static void call_openat(void) { openat(AT_FDCWD, path, O_RDONLY); }
static void call_creat(void) { creat(path, 0600); }
static void call_close(void) { close(descriptor); }
static void call_fsync(void) { fsync(descriptor); }
static void call_fdatasync(void) { fdatasync(descriptor); }
static void call_tcdrain(void) { tcdrain(descriptor); }
static void call_lockf(void) { lockf(descriptor, F_LOCK, 0); }

static void call_msync(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

	msync(memory, 4096, MS_SYNC);
}

static void call_fcntl_setlkw(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	fcntl(descriptor, F_SETLKW, &lock);
}

static void call_fcntl_ofd_setlkw(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	fcntl(descriptor, F_OFD_SETLKW, &lock);
}

static void with_terminal(void)
{
	descriptor = posix_openpt(O_RDWR | O_NOCTTY);
	must(descriptor != -1, "posix_openpt");
}

static void with_eventfd(void)
{
	descriptor = eventfd(0, 0);
}

static void call_eventfd_read(void)
{
	eventfd_t value;

	eventfd_read(descriptor, &value);
}

static void call_splice(void) { splice(empty_pipe[0], NULL, full_pipe[1], NULL, 1, 0); }
static void call_tee(void) { tee(empty_pipe[0], full_pipe[1], 1, 0); }

static void with_both_pipes(void)
{
	with_empty_pipe();
	must(pipe(full_pipe) == 0, "pipe");
}

static void call_vmsplice(void)
{
	struct iovec part = { room, 1 };

	vmsplice(full_pipe[1], &part, 1, 0);
}

/* --- sockets --- */

static struct iovec one_byte = { room, 1 };

static struct msghdr one_message(void)
{
	return (struct msghdr){ .msg_iov = &one_byte, .msg_iovlen = 1 };
}

static void call_recv(void) { recv(empty_pair[0], room, 1, 0); }
static void call_recvfrom(void) { recvfrom(empty_pair[0], room, 1, 0, NULL, NULL); }
static void call_send(void) { send(full_pair[0], room, 4096, 0); }
static void call_sendto(void) { sendto(full_pair[0], room, 4096, 0, NULL, 0); }
static void call_accept(void) { accept(descriptor, NULL, NULL); }
static void call_accept4(void) { accept4(descriptor, NULL, NULL, 0); }

static void call_recvmsg(void)
{
	struct msghdr message = one_message();

	recvmsg(empty_pair[0], &message, 0);
}

static void call_sendmsg(void)
{
	struct iovec part = { room, 4096 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	sendmsg(full_pair[0], &message, 0);
}

static void call_recvmmsg(void)
{
	struct mmsghdr message = { .msg_hdr = one_message() };

	recvmmsg(empty_pair[0], &message, 1, 0, NULL);
}

static void call_sendmmsg(void)
{
	struct iovec part = { room, 4096 };
	struct mmsghdr message = { .msg_hdr = { .msg_iov = &part, .msg_iovlen = 1 } };

	sendmmsg(full_pair[0], &message, 1, 0);
}

/* A local socket's connect waits while the listener's queue is full. */
static struct sockaddr_un address;

static void with_full_queue(void)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	name_file("socket");
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path, strlen(path) + 1);
	must(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
	must(listen(listener, 0) == 0, "listen");
	atexit(remove_file);
	for (int i = 0; i < 4; i++) {
		int one = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		if (connect(one, (struct sockaddr *)&address, sizeof(address)))
			break;
	}
}

static void call_connect(void)
{
	connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

static void call_getaddrinfo(void)
{
	struct addrinfo *found = NULL;

	getaddrinfo("localhost", "80", NULL, &found);
}

/* --- many descriptors --- */

static void call_poll(void)
{
	struct pollfd one = { empty_pipe[0], POLLIN, 0 };

	poll(&one, 1, -1);
}

static void call_ppoll(void)
{
	struct pollfd one = { empty_pipe[0], POLLIN, 0 };

	ppoll(&one, 1, NULL, NULL);
}

static void call_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(empty_pipe[0], &set);
	select(empty_pipe[0] + 1, &set, NULL, NULL, NULL);
}

static void call_pselect(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(empty_pipe[0], &set);
	pselect(empty_pipe[0] + 1, &set, NULL, NULL, NULL, NULL);
}

static void with_epoll(void)
{
	descriptor = epoll_create1(0);
}

static struct epoll_event event;

static void call_epoll_wait(void) { epoll_wait(descriptor, &event, 1, -1); }
static void call_epoll_pwait(void) { epoll_pwait(descriptor, &event, 1, -1, NULL); }
static void call_epoll_pwait2(void) { epoll_pwait2(descriptor, &event, 1, NULL, NULL); }

/* --- time --- */

static const struct timespec long_time = { 100, 0 };

static void call_sleep(void) { sleep(100); }
static void call_usleep(void) { usleep(100000000); }
static void call_nanosleep(void) { nanosleep(&long_time, NULL); }
static void call_clock_nanosleep(void) { clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, NULL); }
static void call_thrd_sleep(void) { thrd_sleep(&long_time, NULL); }

static void call_clock_nanosleep_until(void)
{
	struct timespec at = after_ms(CLOCK_REALTIME, 100000);

	clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
}

/* --- signals --- */

static sigset_t awaited;

static void with_signals(void)
{
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &awaited, NULL);
}

static void call_pause(void) { pause(); }
static void call_sigwaitinfo(void) { sigwaitinfo(&awaited, NULL); }
static void call_sigtimedwait(void) { sigtimedwait(&awaited, NULL, &long_time); }

static void call_sigwait(void)
{
	int number;

	sigwait(&awaited, &number);
}

static void call_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigsuspend(&none);
}

/* --- processes --- */

static void call_wait(void) { wait(NULL); }
static void call_wait3(void) { wait3(NULL, 0, NULL); }
static void call_waitpid(void) { waitpid(child, NULL, 0); }
static void call_waitpid_any(void) { waitpid(-1, NULL, 0); }
static void call_wait4(void) { wait4(child, NULL, 0, NULL); }
static void call_system(void) { (void)!system("exec sleep 100"); }

static void call_waitid(void)
{
	siginfo_t info;

	waitid(P_PID, (id_t)child, &info, WEXITED);
}

/* --- System V and POSIX messages --- */

static struct { long type; char text[1024]; } message = { .type = 1 };
static mqd_t queue;
static char queue_name[64];

static void remove_messages(void)
{
	msgctl(descriptor, IPC_RMID, NULL);
}

static void with_messages(void)
{
	descriptor = msgget(IPC_PRIVATE, 0600);
	must(descriptor != -1, "msgget");
	atexit(remove_messages);
}

static void with_full_messages(void)
{
	with_messages();
	while (msgsnd(descriptor, &message, sizeof(message.text), IPC_NOWAIT) == 0)
		;
}

static void call_msgrcv(void) { (void)!msgrcv(descriptor, &message, sizeof(message.text), 0, 0); }
static void call_msgsnd(void) { msgsnd(descriptor, &message, sizeof(message.text), 0); }

static void with_queue(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 1, .mq_msgsize = 16 };

	snprintf(queue_name, sizeof(queue_name), "/conformance.%d", (int)getpid());
	queue = mq_open(queue_name, O_RDWR | O_CREAT, 0600, &attributes);
	must(queue != (mqd_t)-1, "mq_open");
	mq_unlink(queue_name);
}

static void with_full_queue_of_messages(void)
{
	with_queue();
	must(mq_send(queue, "x", 1, 0) == 0, "mq_send");
}

static void call_mq_receive(void) { mq_receive(queue, room, sizeof(room), NULL); }
static void call_mq_send(void) { mq_send(queue, "x", 1, 0); }

static void call_mq_timedreceive(void)
{
	struct timespec at = after_ms(CLOCK_REALTIME, 100000);

	mq_timedreceive(queue, room, sizeof(room), NULL, &at);
}

static void call_mq_timedsend(void)
{
	struct timespec at = after_ms(CLOCK_REALTIME, 100000);

	mq_timedsend(queue, "x", 1, 0, &at);
}

/* --- locks and threads --- */

static sem_t semaphore;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static mtx_t c11_lock;
static cnd_t c11_cond;
static pthread_t sleeper;

static void with_semaphore(void)
{
	sem_init(&semaphore, 0, 0);
}

static void call_sem_wait(void) { sem_wait(&semaphore); }

static void call_sem_timedwait(void)
{
	struct timespec at = after_ms(CLOCK_REALTIME, 100000);

	sem_timedwait(&semaphore, &at);
}

static void call_sem_clockwait(void)
{
	struct timespec at = after_ms(CLOCK_MONOTONIC, 100000);

	sem_clockwait(&semaphore, CLOCK_MONOTONIC, &at);
}

static void call_cond_wait(void)
{
	pthread_mutex_lock(&lock);
	pthread_cond_wait(&cond, &lock);
}

static void call_cond_timedwait(void)
{
	struct timespec at = after_ms(CLOCK_REALTIME, 100000);

	pthread_mutex_lock(&lock);
	pthread_cond_timedwait(&cond, &lock, &at);
}

static void call_cond_clockwait(void)
{
	struct timespec at = after_ms(CLOCK_MONOTONIC, 100000);

	pthread_mutex_lock(&lock);
	pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &at);
}

static void with_c11(void)
{
	mtx_init(&c11_lock, mtx_plain);
	cnd_init(&c11_cond);
}

static void call_cnd_wait(void)
{
	mtx_lock(&c11_lock);
	cnd_wait(&c11_cond, &c11_lock);
}

static void call_cnd_timedwait(void)
{
	struct timespec at = after_ms(CLOCK_REALTIME, 100000);

	mtx_lock(&c11_lock);
	cnd_timedwait(&c11_cond, &c11_lock, &at);
}

static void *sleep_long(void *unused)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	for (;;)
		pause();
	return unused;
}

static void with_sleeper(void)
{
	sleeper = spawn(sleep_long, NULL);
}

static void call_join(void) { pthread_join(sleeper, NULL); }
static void call_thrd_join(void) { thrd_join(sleeper, NULL); }

static void call_timedjoin(void)
{
	struct timespec at = after_ms(CLOCK_REALTIME, 100000);

	pthread_timedjoin_np(sleeper, NULL, &at);
}

static void call_clockjoin(void)
{
	struct timespec at = after_ms(CLOCK_MONOTONIC, 100000);

	pthread_clockjoin_np(sleeper, NULL, CLOCK_MONOTONIC, &at);
}

static void call_testcancel(void) { pthread_testcancel(); }

/* --- asynchronous input --- */

static struct aiocb block;

static void with_aio(void)
{
	with_empty_pipe();
	block.aio_fildes = empty_pipe[0];
	block.aio_buf = room;
	block.aio_nbytes = 1;
	must(aio_read(&block) == 0, "aio_read");
}

static void call_aio_suspend(void)
{
	const struct aiocb *const list[] = { &block };

	aio_suspend(list, 1, NULL);
}

/* --- streams --- */

static FILE *stream;

static void with_input(void)
{
	with_empty_pipe();
	stream = fdopen(empty_pipe[0], "r");
}

/* Or the end of the process would wait where the thread has waited. */
static void forget_output(void)
{
	__fpurge(stream);
}

static void with_output(void)
{
	with_full_pipe();
	stream = fdopen(full_pipe[1], "w");
	atexit(forget_output);
}

static void call_fgets(void) { (void)!fgets(room, 100, stream); }
static void call_fgetc(void) { fgetc(stream); }
static void call_fread(void) { (void)!fread(room, 1, 10, stream); }
static void call_fscanf(void) { (void)!fscanf(stream, "%100s", room); }

static void call_getline(void)
{
	char *line = NULL;
	size_t size = 0;

	(void)!getline(&line, &size, stream);
}

static void call_fflush(void)
{
	fputs("text", stream);
	fflush(stream);
}

static void call_fwrite(void)
{
	static char much[65536];

	fwrite(much, 1, sizeof(much), stream);
}

/* --- the runs --- */

static const struct point points[] = {
	{ "read", call_read, with_empty_pipe, 0 },
	{ "readv", call_readv, with_empty_pipe, 0 },
	{ "write", call_write, with_full_pipe, 0 },
	{ "writev", call_writev, with_full_pipe, 0 },
	{ "pread", call_pread, with_file, PENDING_ONLY },
	{ "pwrite", call_pwrite, with_file, PENDING_ONLY },
	{ "preadv", call_preadv, with_file, PENDING_ONLY },
	{ "pwritev", call_pwritev, with_file, PENDING_ONLY },
	{ "open", call_open, with_fifo, 0 },
	{ "openat", call_openat, with_fifo, 0 },
	{ "creat", call_creat, with_fifo, 0 },
	{ "open_of_a_file", call_open, with_file, PENDING_ONLY },
	{ "creat_of_a_file", call_creat, with_file, PENDING_ONLY },
	{ "close", call_close, with_file, PENDING_ONLY },
	{ "fsync", call_fsync, with_file, PENDING_ONLY },
	{ "fdatasync", call_fdatasync, with_file, PENDING_ONLY },
	{ "msync", call_msync, with_file, PENDING_ONLY },
	{ "tcdrain", call_tcdrain, with_terminal, PENDING_ONLY },
	{ "lockf", call_lockf, with_locked_file, 0 },
	{ "fcntl_setlkw", call_fcntl_setlkw, with_locked_file, 0 },
	{ "fcntl_ofd_setlkw", call_fcntl_ofd_setlkw, with_locked_file, 0 },
	{ "eventfd_read", call_eventfd_read, with_eventfd, 0 },
	{ "splice", call_splice, with_both_pipes, 0 },
	{ "tee", call_tee, with_both_pipes, 0 },
	{ "vmsplice", call_vmsplice, with_full_pipe, 0 },
	{ "recv", call_recv, with_empty_pair, 0 },
	{ "recvfrom", call_recvfrom, with_empty_pair, 0 },
	{ "recvmsg", call_recvmsg, with_empty_pair, 0 },
	{ "recvmmsg", call_recvmmsg, with_empty_pair, 0 },
	{ "send", call_send, with_full_pair, 0 },
	{ "sendto", call_sendto, with_full_pair, 0 },
	{ "sendmsg", call_sendmsg, with_full_pair, 0 },
	{ "sendmmsg", call_sendmmsg, with_full_pair, 0 },
	{ "accept", call_accept, with_listener, 0 },
	{ "accept4", call_accept4, with_listener, 0 },
	{ "connect", call_connect, with_full_queue, 0 },
	{ "getaddrinfo", call_getaddrinfo, NULL, PENDING_ONLY },
	{ "poll", call_poll, with_empty_pipe, 0 },
	{ "ppoll", call_ppoll, with_empty_pipe, 0 },
	{ "select", call_select, with_empty_pipe, 0 },
	{ "pselect", call_pselect, with_empty_pipe, 0 },
	{ "epoll_wait", call_epoll_wait, with_epoll, 0 },
	{ "epoll_pwait", call_epoll_pwait, with_epoll, 0 },
	{ "epoll_pwait2", call_epoll_pwait2, with_epoll, 0 },
	{ "sleep", call_sleep, NULL, 0 },
	{ "usleep", call_usleep, NULL, 0 },
	{ "nanosleep", call_nanosleep, NULL, 0 },
	{ "clock_nanosleep", call_clock_nanosleep, NULL, 0 },
	{ "clock_nanosleep_until", call_clock_nanosleep_until, NULL, 0 },
	{ "thrd_sleep", call_thrd_sleep, NULL, 0 },
	{ "pause", call_pause, NULL, 0 },
	{ "sigwait", call_sigwait, with_signals, 0 },
	{ "sigwaitinfo", call_sigwaitinfo, with_signals, 0 },
	{ "sigtimedwait", call_sigtimedwait, with_signals, 0 },
	{ "sigsuspend", call_sigsuspend, with_signals, 0 },
	{ "wait", call_wait, with_child, 0 },
	{ "wait3", call_wait3, with_child, 0 },
	{ "waitpid", call_waitpid, with_child, 0 },
	{ "waitpid_any", call_waitpid_any, with_child, 0 },
	{ "wait4", call_wait4, with_child, 0 },
	{ "waitid", call_waitid, with_child, 0 },
	{ "system", call_system, NULL, 0 },
	{ "msgrcv", call_msgrcv, with_messages, 0 },
	{ "msgsnd", call_msgsnd, with_full_messages, 0 },
	{ "mq_receive", call_mq_receive, with_queue, 0 },
	{ "mq_timedreceive", call_mq_timedreceive, with_queue, 0 },
	{ "mq_send", call_mq_send, with_full_queue_of_messages, 0 },
	{ "mq_timedsend", call_mq_timedsend, with_full_queue_of_messages, 0 },
	{ "sem_wait", call_sem_wait, with_semaphore, 0 },
	{ "sem_timedwait", call_sem_timedwait, with_semaphore, 0 },
	{ "sem_clockwait", call_sem_clockwait, with_semaphore, 0 },
	{ "pthread_cond_wait", call_cond_wait, NULL, 0 },
	{ "pthread_cond_timedwait", call_cond_timedwait, NULL, 0 },
	{ "pthread_cond_clockwait", call_cond_clockwait, NULL, 0 },
	{ "cnd_wait", call_cnd_wait, with_c11, 0 },
	{ "cnd_timedwait", call_cnd_timedwait, with_c11, 0 },
	{ "pthread_join", call_join, with_sleeper, 0 },
	{ "pthread_timedjoin_np", call_timedjoin, with_sleeper, 0 },
	{ "pthread_clockjoin_np", call_clockjoin, with_sleeper, 0 },
	{ "thrd_join", call_thrd_join, with_sleeper, 0 },
	{ "pthread_testcancel", call_testcancel, NULL, PENDING_ONLY },
	{ "aio_suspend", call_aio_suspend, with_aio, 0 },
	{ "fgets", call_fgets, with_input, 0 },
	{ "fgetc", call_fgetc, with_input, 0 },
	{ "fread", call_fread, with_input, 0 },
	{ "fscanf", call_fscanf, with_input, 0 },
	{ "getline", call_getline, with_input, 0 },
	{ "fflush", call_fflush, with_output, 0 },
	{ "fwrite", call_fwrite, with_output, 0 },
};

static int stage, cleaned, returned;
static const struct point *subject;
static bool pending;

static void note_cleanup(void *unused)
{
	(void)unused;
	cleaned++;
}

static void *call_subject(void *unused)
{
	pthread_cleanup_push(note_cleanup, NULL);
	if (pending)
		pthread_cancel(pthread_self());
	post(&stage, 1);
	subject->call();
	post(&returned, 1);
	pthread_cleanup_pop(0);
	return unused;
}

static void run_subject(void)
{
	pthread_t thread;
	void *result;

	if (subject->prepare)
		subject->prepare();
	thread = spawn(call_subject, NULL);
	await(&stage, 1);
	if (!pending) {
		pause_ms(60);
		tell_truth("it waits", !returned);
		pthread_cancel(thread);
	}
	result = join(thread);
	say("%s, cleanup handlers %d, call returned %d", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled", cleaned, returned);
}

static int run_named(const char *name)
{
	const char *dot = strchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(points) / sizeof(*points); i++) {
		if (strlen(points[i].name) != (size_t)(dot - name) || memcmp(points[i].name, name, (size_t)(dot - name)))
			continue;
		subject = &points[i];
		pending = !strcmp(dot, ".pending");
		run_subject();
		return 0;
	}
	fprintf(stderr, "no case is called %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "--list"))
		return run_named(argv[1]);
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		printf("%s.pending 1\n", points[i].name);
		if (!(points[i].flags & PENDING_ONLY))
			printf("%s.blocked 1\n", points[i].name);
	}
	return 0;
}
