/* SPDX-License-Identifier: MIT */
/* sigcalls.c - which calls a handler ends with EINTR and which go on, with SA_RESTART and without, in a thread of its own */
#include "plain.h"

#include <aio.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* One call: GO makes it, and FREE lets it end if the handler did not. */
struct call {
	const char *name;
	void (*prepare)(void);
	long (*go)(void);
	void (*free)(void);
	bool tidy; /* FREE is wanted afterwards in any case */
};

static atomic_int handled, word, done;
static atomic_bool begun;
static int pair[2], listener, port, object;
static pid_t child;
static sem_t semaphore;
static pthread_mutex_t lock;
static pthread_cond_t changed;
static pthread_rwlock_t guard;
static pthread_barrier_t both;
static bool ready;
static pthread_t sleeper;
static char path[64], big[1 << 20];
static int names;

static void count(int number)
{
	(void)number;
	handled++;
}

static void handle(int flags)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	must(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
}

static void nothing(void)
{
}

static void close_both(void)
{
	close(pair[0]);
	close(pair[1]);
}

/* --- pipes, sockets, and what else can be read --- */

static void make_pipe(void)
{
	must(pipe(pair) == 0, "pipe");
}

static void make_sockets(void)
{
	stream_pair(pair);
}

static void make_limited(void)
{
	struct timeval limit = { 5, 0 };

	stream_pair(pair);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void fill(void)
{
	int flags = fcntl(pair[0], F_GETFL);

	fcntl(pair[0], F_SETFL, flags | O_NONBLOCK);
	while (write(pair[0], big, sizeof(big)) > 0)
		;
	fcntl(pair[0], F_SETFL, flags);
}

static void make_full(void)
{
	make_sockets();
	fill();
}

static void make_full_limited(void)
{
	make_limited();
	fill();
}

static void make_full_pipe(void)
{
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	pair[0] = ends[1];
	pair[1] = ends[0];
	fill();
}

static long do_read(void)
{
	char byte;

	return read(pair[0], &byte, 1);
}

static long do_readv(void)
{
	char byte;
	struct iovec part = { &byte, 1 };

	return readv(pair[0], &part, 1);
}

static long do_recv(void)
{
	char byte;

	return recv(pair[0], &byte, 1, 0);
}

static long do_recvfrom(void)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	char byte;

	return recvfrom(pair[0], &byte, 1, 0, (struct sockaddr *)&from, &size);
}

static long do_recvmsg(void)
{
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	return recvmsg(pair[0], &message, 0);
}

static long do_recv_all(void)
{
	char bytes[10];

	write_full(pair[1], "abc", 3);
	return recv(pair[0], bytes, 10, MSG_WAITALL);
}

static long do_write(void)
{
	return write(pair[0], "x", 1);
}

static long do_send(void)
{
	return send(pair[0], "x", 1, 0);
}

static long do_sendmsg(void)
{
	struct iovec part = { (void *)"x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	return sendmsg(pair[0], &message, 0);
}

/* Some of it goes, and that is what counts. */
static long do_write_much(void)
{
	ssize_t n = write(pair[0], big, sizeof(big));

	return n > 0 ? (n < (ssize_t)sizeof(big) ? 1 : 2) : n;
}

static void give_byte(void)
{
	write_full(pair[1], "x", 1);
}

static void give_seven(void)
{
	write_full(pair[1], "1234567", 7);
}

static void take_all(void)
{
	int flags = fcntl(pair[1], F_GETFL);
	ssize_t n;

	for (int i = 0; i < 300 && done < 2; i++) {
		fcntl(pair[1], F_SETFL, flags | O_NONBLOCK);
		while ((n = read(pair[1], big, sizeof(big))) > 0)
			;
		fcntl(pair[1], F_SETFL, flags);
		pause_ms(5);
	}
}

static void make_listener(void)
{
	listener = listen_local(5, &port);
}

static long do_accept(void)
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static void come(void)
{
	close(connect_local(port));
}

static struct sockaddr_un at;

/* A local listener whose backlog is full. */
static void make_busy(void)
{
	snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "sigcalls-%d-%d", getpid(), object++);
	at.sun_family = AF_UNIX;
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	must(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listener, 0) == 0, "listen");
	pair[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	must(connect(pair[0], (struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	pair[1] = socket(AF_UNIX, SOCK_STREAM, 0);
}

static long do_connect(void)
{
	return connect(pair[1], (struct sockaddr *)&at, sizeof(at));
}

static void accept_one(void)
{
	close(accept(listener, NULL, NULL));
}

static void make_event(void)
{
	pair[0] = eventfd(0, 0);
	pair[1] = dup(pair[0]);
}

static long do_read_eight(void)
{
	uint64_t value;

	return read(pair[0], &value, sizeof(value));
}

static void post_event(void)
{
	eventfd_write(pair[1], 1);
}

static void make_timer(void)
{
	struct itimerspec soon = { { 0, 0 }, { 0, 150 * 1000 * 1000 } };

	pair[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	pair[1] = dup(pair[0]);
	timerfd_settime(pair[0], 0, &soon, NULL);
}

static void make_watch(void)
{
	snprintf(path, sizeof(path), "/tmp/sigcalls-%d-%d", getpid(), ++names);
	mkdir(path, 0700);
	pair[0] = inotify_init();
	pair[1] = dup(pair[0]);
	inotify_add_watch(pair[0], path, IN_DELETE_SELF);
}

static long do_read_watch(void)
{
	char buffer[512];

	return read(pair[0], buffer, sizeof(buffer)) > 0 ? 1 : -1;
}

static void remove_watched(void)
{
	rmdir(path);
}

static void make_signal_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pair[0] = signalfd(-1, &set, 0);
	pair[1] = dup(pair[0]);
}

static long do_read_signal(void)
{
	struct signalfd_siginfo info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return read(pair[0], &info, sizeof(info)) == sizeof(info) ? 1 : -1;
}

static void send_second(void)
{
	kill(getpid(), SIGUSR2);
}

static void make_fifo(void)
{
	snprintf(path, sizeof(path), "/tmp/sigcalls-%d-%d", getpid(), ++names);
	must(mkfifo(path, 0600) == 0, "mkfifo");
}

static long do_open(void)
{
	int fd = open(path, O_RDONLY);

	int error = errno;

	if (fd >= 0)
		close(fd);
	unlink(path);
	errno = error;
	return fd < 0 ? -1 : 0;
}

static void open_other(void)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK);

	if (fd >= 0)
		close(fd);
}

/* --- locks on files --- */

static void make_locked(void)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ends[2];

	snprintf(path, sizeof(path), "/tmp/sigcalls-%d-%d", getpid(), ++names);
	object = open(path, O_RDWR | O_CREAT, 0600);
	must(object >= 0 && pipe(ends) == 0, "open");
	pair[1] = ends[1];
	child = fork();
	if (child == 0) {
		char byte;

		close(ends[1]);
		close(object);
		object = open(path, O_RDWR);
		flock(object, LOCK_EX);
		fcntl(object, F_SETLK, &all);
		write_full(ends[1], "", 0);
		(void)!read(ends[0], &byte, 1);
		_exit(0);
	}
	close(ends[0]);
	pause_ms(50);
}

static long do_flock(void)
{
	return flock(object, LOCK_EX);
}

static long do_record_lock(void)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(object, F_SETLKW, &all);
}

static void unlock_file(void)
{
	close(pair[1]);
	waitpid(child, NULL, 0);
	unlink(path);
}

/* --- children --- */

static void make_child(void)
{
	make_pipe();
	child = fork();
	if (child == 0) {
		char byte;

		close(pair[1]);
		(void)!read(pair[0], &byte, 1);
		_exit(3);
	}
}

static long do_wait(void)
{
	return wait(NULL) == child ? 0 : -1;
}

static long do_waitpid(void)
{
	return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static long do_waitid(void)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)child, &info, WEXITED);
}

static void end_child(void)
{
	close(pair[1]);
	pause_ms(60);
	waitpid(child, NULL, 0);
}

/* --- locks of threads --- */

static void make_locks(void)
{
	sem_init(&semaphore, 0, 0);
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&changed, NULL);
	pthread_rwlock_init(&guard, NULL);
	pthread_barrier_init(&both, NULL, 2);
	ready = false;
	word = 0;
}

static long do_sem_wait(void)
{
	return sem_wait(&semaphore);
}

static long do_sem_timedwait(void)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 3000);

	return sem_timedwait(&semaphore, &until);
}

static void post(void)
{
	sem_post(&semaphore);
}

static long do_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static long do_futex_timed(void)
{
	struct timespec limit = { 3, 0 };

	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0);
}

static void wake_word(void)
{
	word = 1;
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void make_held(void)
{
	make_locks();
	pthread_mutex_lock(&lock);
	pthread_rwlock_wrlock(&guard);
}

static long numbered(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static long do_mutex(void)
{
	int error = pthread_mutex_lock(&lock);

	pthread_mutex_unlock(&lock);
	return numbered(error);
}

static long do_mutex_timed(void)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 3000);
	int error = pthread_mutex_timedlock(&lock, &until);

	pthread_mutex_unlock(&lock);
	return numbered(error);
}

static void unlock_mutex(void)
{
	pthread_mutex_unlock(&lock);
}

static long do_read_lock(void)
{
	int error = pthread_rwlock_rdlock(&guard);

	pthread_rwlock_unlock(&guard);
	return numbered(error);
}

static void unlock_guard(void)
{
	pthread_rwlock_unlock(&guard);
}

static long do_condition(void)
{
	int error = 0;

	pthread_mutex_lock(&lock);
	while (!ready && !error)
		error = pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return numbered(error);
}

static long do_condition_timed(void)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 3000);
	int error = 0;

	pthread_mutex_lock(&lock);
	while (!ready && !error)
		error = pthread_cond_timedwait(&changed, &lock, &until);
	pthread_mutex_unlock(&lock);
	return numbered(error);
}

static void signal_change(void)
{
	pthread_mutex_lock(&lock);
	ready = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static long do_barrier(void)
{
	int error = pthread_barrier_wait(&both);

	return numbered(error == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : error);
}

static void reach_barrier(void)
{
	pthread_barrier_wait(&both);
}

static void *wait_here(void *argument)
{
	while (sem_wait(&semaphore) == -1)
		;
	return argument;
}

static void make_sleeper(void)
{
	make_locks();
	sleeper = spawn(wait_here, NULL);
}

static long do_join(void)
{
	return numbered(pthread_join(sleeper, NULL));
}

/* --- looks and sleeps --- */

static long do_poll(void)
{
	struct pollfd one = { pair[0], POLLIN, 0 };

	return poll(&one, 1, 3000);
}

static long do_ppoll(void)
{
	struct pollfd one = { pair[0], POLLIN, 0 };
	struct timespec limit = { 3, 0 };
	sigset_t mask;

	sigemptyset(&mask);
	return ppoll(&one, 1, &limit, &mask);
}

static long do_select(void)
{
	struct timeval limit = { 3, 0 };
	fd_set in;

	FD_ZERO(&in);
	FD_SET(pair[0], &in);
	return select(pair[0] + 1, &in, NULL, NULL, &limit);
}

static long do_pselect(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(pair[0], &in);
	return pselect(pair[0] + 1, &in, NULL, NULL, NULL, NULL);
}

static void make_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	make_pipe();
	object = epoll_create1(0);
	epoll_ctl(object, EPOLL_CTL_ADD, pair[0], &event);
}

static long do_epoll_wait(void)
{
	struct epoll_event event;

	return epoll_wait(object, &event, 1, 3000);
}

static long do_epoll_pwait(void)
{
	struct epoll_event event;
	sigset_t mask;

	sigemptyset(&mask);
	return epoll_pwait(object, &event, 1, -1, &mask);
}

static long do_nanosleep(void)
{
	struct timespec limit = { 2, 0 }, left = { 9, 9 };
	long result = nanosleep(&limit, &left);

	if (result == -1 && errno == EINTR && left.tv_sec != 1)
		return 7;
	return result;
}

static long do_clock_nanosleep(void)
{
	struct timespec limit = { 2, 0 };

	return numbered(clock_nanosleep(CLOCK_MONOTONIC, 0, &limit, NULL));
}

static long do_clock_until(void)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 2000);

	return numbered(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL));
}

static long do_usleep(void)
{
	return usleep(2000000);
}

static long do_sleep(void)
{
	return sleep(2) == 2 ? -7 : 0;
}

static long do_thrd_sleep(void)
{
	return thrd_sleep(&(struct timespec){ 2, 0 }, NULL);
}

/* --- waits for signals --- */

static long do_sigsuspend(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	return sigsuspend(&mask);
}

static long do_sigtimedwait(void)
{
	struct timespec limit = { 2, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, &limit);
}

static long do_pause(void)
{
	return pause();
}

/* --- messages and semaphores of System V and POSIX --- */

static void make_queue(void)
{
	object = msgget(IPC_PRIVATE, 0600);
	must(object != -1, "msgget");
}

static long do_msgrcv(void)
{
	struct { long type; char text[8]; } message;

	return msgrcv(object, &message, 8, 0, 0);
}

static void send_message(void)
{
	struct { long type; char text[8]; } message = { 1, "x" };

	msgsnd(object, &message, 2, 0);
	pause_ms(20);
	msgctl(object, IPC_RMID, NULL);
}

static void make_sem(void)
{
	object = semget(IPC_PRIVATE, 1, 0600);
	must(object != -1, "semget");
}

static long do_semop(void)
{
	struct sembuf down = { 0, -1, 0 };

	return semop(object, &down, 1);
}

static void raise_sem(void)
{
	struct sembuf up = { 0, 1, 0 };

	semop(object, &up, 1);
	pause_ms(20);
	semctl(object, 0, IPC_RMID);
}

static void make_mq(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 1, .mq_msgsize = 8 };

	snprintf(path, sizeof(path), "/sigcalls-%d", getpid());
	object = mq_open(path, O_RDWR | O_CREAT, 0600, &attributes);
	must(object != -1, "mq_open");
	mq_unlink(path);
}

static long do_mq_receive(void)
{
	char buffer[8];

	return mq_receive((mqd_t)object, buffer, 8, NULL);
}

static void send_mq(void)
{
	mq_send((mqd_t)object, "x", 1, 0);
}

/* --- the table --- */

static const struct call transfers[] = {
	{ "read of a pipe", make_pipe, do_read, give_byte, false },
	{ "read of a socket", make_sockets, do_read, give_byte, false },
	{ "readv", make_sockets, do_readv, give_byte, false },
	{ "recv", make_sockets, do_recv, give_byte, false },
	{ "recvfrom", make_sockets, do_recvfrom, give_byte, false },
	{ "recvmsg", make_sockets, do_recvmsg, give_byte, false },
	{ "recv with a limit", make_limited, do_recv, give_byte, false },
	{ "recv of all", make_sockets, do_recv_all, give_seven, false },
	{ "write to a pipe", make_full_pipe, do_write, take_all, false },
	{ "write to a socket", make_full, do_write, take_all, false },
	{ "send", make_full, do_send, take_all, false },
	{ "sendmsg", make_full, do_sendmsg, take_all, false },
	{ "send with a limit", make_full_limited, do_send, take_all, false },
	{ "much to a socket", make_sockets, do_write_much, take_all, false },
	{ "much to a pipe", make_full_pipe, do_write_much, take_all, false },
	{ "accept", make_listener, do_accept, come, false },
	{ "connect", make_busy, do_connect, accept_one, false },
	{ "eventfd", make_event, do_read_eight, post_event, false },
	{ "timerfd", make_timer, do_read_eight, nothing, false },
	{ "inotify", make_watch, do_read_watch, remove_watched, true },
	{ "signalfd", make_signal_fd, do_read_signal, send_second, false },
	{ "open of a FIFO", make_fifo, do_open, open_other, false },
	{ "flock", make_locked, do_flock, unlock_file, true },
	{ "record lock", make_locked, do_record_lock, unlock_file, true },
	{ "wait", make_child, do_wait, end_child, true },
	{ "waitpid", make_child, do_waitpid, end_child, true },
	{ "waitid", make_child, do_waitid, end_child, true },
	{ 0 },
};

static const struct call waits[] = {
	{ "sem_wait", make_locks, do_sem_wait, post, false },
	{ "sem_timedwait", make_locks, do_sem_timedwait, post, false },
	{ "futex", make_locks, do_futex, wake_word, false },
	{ "futex with a limit", make_locks, do_futex_timed, wake_word, false },
	{ "mutex", make_held, do_mutex, unlock_mutex, false },
	{ "mutex with a limit", make_held, do_mutex_timed, unlock_mutex, false },
	{ "rwlock", make_held, do_read_lock, unlock_guard, false },
	{ "condition", make_locks, do_condition, signal_change, false },
	{ "condition with a limit", make_locks, do_condition_timed, signal_change, false },
	{ "barrier", make_locks, do_barrier, reach_barrier, false },
	{ "join", make_sleeper, do_join, post, false },
	{ "poll", make_pipe, do_poll, give_byte, false },
	{ "ppoll", make_pipe, do_ppoll, give_byte, false },
	{ "select", make_pipe, do_select, give_byte, false },
	{ "pselect", make_pipe, do_pselect, give_byte, false },
	{ "epoll_wait", make_epoll, do_epoll_wait, give_byte, false },
	{ "epoll_pwait", make_epoll, do_epoll_pwait, give_byte, false },
	{ "nanosleep", nothing, do_nanosleep, nothing, false },
	{ "clock_nanosleep", nothing, do_clock_nanosleep, nothing, false },
	{ "clock_nanosleep until", nothing, do_clock_until, nothing, false },
	{ "usleep", nothing, do_usleep, nothing, false },
	{ "sleep", nothing, do_sleep, nothing, false },
	{ "thrd_sleep", nothing, do_thrd_sleep, nothing, false },
	{ "sigsuspend", nothing, do_sigsuspend, nothing, false },
	{ "sigtimedwait", nothing, do_sigtimedwait, nothing, false },
	{ "pause", nothing, do_pause, nothing, false },
	{ "msgrcv", make_queue, do_msgrcv, send_message, true },
	{ "semop", make_sem, do_semop, raise_sem, true },
	{ "mq_receive", make_mq, do_mq_receive, send_mq, false },
	{ 0 },
};

static void *go(void *argument)
{
	const struct call *call = argument;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
	begun = true;
	long result = call->go();
	int error = errno;
	bool alone = done++ == 0;
	say("%s: %ld %s, %s", call->name, result, result == -1 ? error_name(error) : "", alone ? "at once" : "when freed");
	return NULL;
}

/* The disturbed one is in its call when the signal comes, and out of it or not when it is freed. */
static void disturb(const struct call *call)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	handled = done = 0;
	begun = false;
	call->prepare();
	pthread_t thread = spawn(go, (void *)call);
	while (!begun)
		pause_ms(1);
	pause_ms(40);
	pthread_kill(thread, SIGUSR1);
	pause_ms(40);
	if (done++ == 0)
		call->free();
	else if (call->tidy)
		call->free();
	join(thread);
	say("handled %d", handled);
}

static void disturb_all(const struct call *calls, int flags)
{
	handle(flags);
	for (; calls->name; calls++) {
		if (calls->go)
			disturb(calls);
	}
}

static void transfers_end(void)
{
	disturb_all(transfers, 0);
}

static void transfers_restart(void)
{
	disturb_all(transfers, SA_RESTART);
}

static void waits_end(void)
{
	disturb_all(waits, 0);
}

static void waits_restart(void)
{
	disturb_all(waits, SA_RESTART);
}

/* --- handlers that run between a call's beginning and its wait --- */

static atomic_bool stop;
static pthread_t victim;

static void *pester(void *argument)
{
	while (!stop) {
		pthread_kill(victim, SIGUSR1);
		sched_yield();
	}
	return argument;
}

/* A timer of the kernel's strikes anywhere; a read that nothing ends but its handler must end each time. */
static void *read_nothing(void *argument)
{
	char byte;

	make_pipe();
	for (int i = 0; i < 300; i++) {
		int before = handled;

		if (read(pair[0], &byte, 1) != -1 || errno != EINTR)
			say("read %d: another end", i);
		if (handled == before)
			say("read %d: no handler", i);
	}
	stop = true;
	close_both();
	return argument;
}

static void never_lost(void)
{
	handle(0);
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	victim = spawn(read_nothing, NULL);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	pthread_t thread = spawn(pester, NULL);
	join(victim);
	join(thread);
	say("ended 300 reads");
}

static void *read_under_timer(void *argument)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, 150 * 1000 }, { 0, 150 * 1000 } }, never = { { 0, 0 }, { 0, 0 } };
	timer_t timer;
	char byte;

	make_pipe();
	must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
	timer_settime(timer, 0, &often, NULL);
	for (int i = 0; i < 1000; i++) {
		if (read(pair[0], &byte, 1) != -1 || errno != EINTR)
			say("read %d: another end", i);
	}
	timer_settime(timer, 0, &never, NULL);
	timer_delete(timer);
	close_both();
	return argument;
}

static void struck_anywhere(void)
{
	sigset_t mask;

	handle(0);
	victim = spawn(read_under_timer, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	join(victim);
	say("ended 1000 reads");
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "transfers_end", transfers_end, 20 },
		{ "transfers_restart", transfers_restart, 20 },
		{ "waits_end", waits_end, 20 },
		{ "waits_restart", waits_restart, 20 },
		{ "never_lost", never_lost, 2 },
		{ "struck_anywhere", struck_anywhere, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
