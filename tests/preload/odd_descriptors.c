/* SPDX-License-Identifier: MIT */
/* odd_descriptors.c - terminals, watches, processes as descriptors, signals for descriptors, high numbers, full pipes */
#include "plain.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { STEP_MS = 30 };

static void *count_up(void *argument)
{
	for (int i = 0; i < 20; i++) {
		pause_ms(5);
		++*(int *)argument;
	}
	return NULL;
}

/* --- terminals --- */

static void raw_mode(int fd)
{
	struct termios mode;

	tcgetattr(fd, &mode);
	cfmakeraw(&mode);
	must(tcsetattr(fd, TCSANOW, &mode) == 0, "tcsetattr");
}

static void *type_lines(void *argument)
{
	int master = *(int *)argument;

	pause_ms(STEP_MS);
	write(master, "half a ", 7);
	pause_ms(STEP_MS);
	write(master, "line\n", 5);
	pause_ms(STEP_MS);
	write(master, "\4", 1);
	return NULL;
}

static void terminal_lines(void)
{
	int master, slave;
	char line[64];

	must(openpty(&master, &slave, NULL, NULL, NULL) == 0, "openpty");
	pthread_t typist = spawn(type_lines, &master);
	ssize_t n = read(slave, line, sizeof(line));
	say("a line: %zd %.*s", n, (int)(n > 0 ? n - 1 : 0), line);
	say("the end: %zd", read(slave, line, sizeof(line)));
	join(typist);
	n = read(master, line, sizeof(line));
	say("echo: %s", n > 0 ? "some" : outcome(n));
}

static void *hang_up(void *argument)
{
	pause_ms(STEP_MS);
	close(*(int *)argument);
	return NULL;
}

static void terminal_hangup(void)
{
	int master, slave;
	char line[64];
	struct pollfd one = { .events = POLLIN };

	must(openpty(&master, &slave, NULL, NULL, NULL) == 0, "openpty");
	pthread_t closer = spawn(hang_up, &slave);
	say("master: %s", outcome(read(master, line, sizeof(line))));
	join(closer);
	one.fd = master;
	say("poll: %d, revents %#x", poll(&one, 1, 1000), (unsigned)one.revents);
	close(master);
	must(openpty(&master, &slave, NULL, NULL, NULL) == 0, "openpty");
	closer = spawn(hang_up, &master);
	say("slave: %zd", read(slave, line, sizeof(line)));
	say("write: %s", outcome(write(slave, "x", 1)));
	join(closer);
}

struct bulk {
	int fd;
	size_t size;
};

static void *write_bulk(void *argument)
{
	struct bulk *bulk = argument;
	char *text = malloc(bulk->size);

	for (size_t i = 0; i < bulk->size; i++)
		text[i] = (char)('a' + i % 23);
	bool all = write(bulk->fd, text, bulk->size) == (ssize_t)bulk->size;
	free(text);
	return all ? "all" : "not all";
}

static size_t read_bulk(int fd, size_t size)
{
	char text[1000];
	size_t done = 0, wrong = 0;

	while (done < size) {
		ssize_t n = read(fd, text, sizeof(text));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			wrong += text[i] != (char)('a' + (done + (size_t)i) % 23);
		done += (size_t)n;
	}
	say("read: %zu, wrong %zu", done, wrong);
	return done;
}

/* More than a terminal has room for, so that the writer waits again and again. */
static void terminal_bulk(void)
{
	int master, slave, counted = 0;

	must(openpty(&master, &slave, NULL, NULL, NULL) == 0, "openpty");
	raw_mode(slave);
	struct bulk bulk = { slave, 3 << 20 };
	pthread_t writer = spawn(write_bulk, &bulk), counter = spawn(count_up, &counted);
	join(counter);
	say("others went on: %d", counted);
	read_bulk(master, bulk.size);
	say("written: %s", (char *)join(writer));
	bulk = (struct bulk){ master, 100000 };
	writer = spawn(write_bulk, &bulk);
	pause_ms(STEP_MS);
	read_bulk(slave, bulk.size);
	say("written: %s", (char *)join(writer));
}

static void *start_again(void *argument)
{
	pause_ms(100);
	tcflow(*(int *)argument, TCOON);
	return NULL;
}

static void *write_stopped(void *argument)
{
	double *start = argument;
	ssize_t n = write((int)start[1], "text", 4);

	say_elapsed("write", *start, 0.09, 2);
	return (void *)(long)n;
}

static void terminal_stopped(void)
{
	int master, slave, counted = 0;
	char line[8];

	must(openpty(&master, &slave, NULL, NULL, NULL) == 0, "openpty");
	raw_mode(slave);
	tcflow(slave, TCOOFF);
	double start[2] = { now(), slave };
	pthread_t writer = spawn(write_stopped, start), starter = spawn(start_again, &slave);
	join(spawn(count_up, &counted));
	join(starter);
	say("written: %ld", (long)join(writer));
	say("others went on: %d, then %zd", counted, read(master, line, sizeof(line)));
}

/* --- watches --- */

static char directory[] = "/tmp/odd-descriptors-XXXXXX";
static char file[sizeof(directory) + 8];

static void *make_file(void *argument)
{
	(void)argument;
	pause_ms(STEP_MS);
	int fd = open(file, O_CREAT | O_RDWR, 0600);
	must(fd != -1, "open");
	write(fd, "text", 4);
	close(fd);
	return NULL;
}

static void say_events(const char *what, int fd)
{
	char events[4096];
	ssize_t n = read(fd, events, sizeof(events));
	uint32_t seen = 0;

	for (ssize_t at = 0; at < n;) {
		struct inotify_event *event = (struct inotify_event *)(void *)(events + at);
		seen |= event->mask;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	say("%s: %s, %s", what, n > 0 ? "events" : outcome(n), seen & IN_CREATE ? "created" : "not created");
}

/* MP12, L24: watches */
static void watches(void)
{
	int watch = inotify_init1(IN_CLOEXEC), wide;

	must(mkdtemp(directory) != NULL, "mkdtemp");
	snprintf(file, sizeof(file), "%s/file", directory);
	must(inotify_add_watch(watch, directory, IN_CREATE) >= 0, "inotify_add_watch");
	pthread_t maker = spawn(make_file, NULL);
	say_events("inotify", watch);
	join(maker);
	wide = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);
	if (wide == -1 || fanotify_mark(wide, FAN_MARK_ADD, FAN_CLOSE_WRITE, AT_FDCWD, file)) {
		say("fanotify: not allowed");
	} else {
		struct fanotify_event_metadata event;
		maker = spawn(make_file, NULL);
		say("fanotify: %s", read(wide, &event, sizeof(event)) == sizeof(event) ? "an event" : "none");
		close(event.fd);
		join(maker);
	}
	unlink(file);
	rmdir(directory);
}

/* --- processes, clocks, signals and counters as descriptors --- */

static void *wait_on(void *argument)
{
	struct pollfd one = { *(int *)argument, POLLIN, 0 };

	say("poll: %d", poll(&one, 1, 5000));
	return NULL;
}

static void processes(void)
{
	pid_t child = fork();

	if (child == 0) {
		pause_ms(60);
		_exit(7);
	}
	int fd = (int)syscall(SYS_pidfd_open, child, 0);
	must(fd != -1, "pidfd_open");
	join(spawn(wait_on, &fd));
	siginfo_t info = { 0 };
	say("waitid: %s, status %d", outcome(waitid(P_PIDFD, (id_t)fd, &info, WEXITED)), info.si_status);
	close(fd);
}

static void *read_counter(void *argument)
{
	uint64_t value = 0;

	must(read(*(int *)argument, &value, sizeof(value)) == sizeof(value), "read");
	return (void *)(long)value;
}

/* MP12, L24: counters */
static void counters(void)
{
	uint64_t three = 3, most = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_SEMAPHORE);
	pthread_t readers[3];

	for (int i = 0; i < 3; i++)
		readers[i] = spawn(read_counter, &fd);
	pause_ms(STEP_MS);
	write(fd, &three, sizeof(three));
	for (int i = 0; i < 3; i++)
		say("value %ld", (long)join(readers[i]));
	close(fd);
	fd = eventfd(0, 0);
	write(fd, &most, sizeof(most));
	pthread_t reader = spawn(read_counter, &fd);
	say("overflow waits: %zd", write(fd, &three, sizeof(three)));
	join(reader);
	say("wrong size: %s", outcome(read(fd, &three, 4)));
	struct itimerspec soon = { { 0, 0 }, { 0, 50000000 } };
	int clock = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_settime(clock, 0, &soon, NULL);
	say("expirations: %ld", (long)join(spawn(read_counter, &clock)));
}

static void *raise_late(void *argument)
{
	(void)argument;
	pause_ms(STEP_MS);
	kill(getpid(), SIGUSR1);
	return NULL;
}

static void *read_signal(void *argument)
{
	struct signalfd_siginfo info;
	int fd = *(int *)argument;

	must(read(fd, &info, sizeof(info)) == sizeof(info), "read");
	return (void *)(long)info.ssi_signo;
}

static void signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	pthread_t reader = spawn(read_signal, &fd), sender = spawn(raise_late, NULL);
	say("signal: %s", (long)join(reader) == SIGUSR1 ? "the one" : "another");
	join(sender);
}

/* --- a program's own loop over edges, with threads beside it --- */

enum { PIPES = 20, ROUNDS = 50 };

static int pipes[PIPES][2], taken[PIPES];

static void *feed(void *argument)
{
	long at = (long)argument;

	for (int i = 0; i < ROUNDS; i++) {
		write(pipes[at][1], "xyz", 3);
		if (i % 10 == at % 10)
			pause_ms(1);
	}
	close(pipes[at][1]);
	return NULL;
}

static bool drain(int at)
{
	char text[16];
	ssize_t n;

	while ((n = read(pipes[at][0], text, sizeof(text))) > 0)
		taken[at] += (int)n;
	if (n == 0)
		close(pipes[at][0]);
	return n == 0;
}

static void edges(void)
{
	int inner = epoll_create1(0), outer = epoll_create1(0), ended = 0, sum = 0;
	struct epoll_event event = { .events = EPOLLIN };
	pthread_t feeders[PIPES];

	for (int i = 0; i < PIPES; i++) {
		must(pipe2(pipes[i], 0) == 0, "pipe");
		fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
		event = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)i };
		epoll_ctl(inner, EPOLL_CTL_ADD, pipes[i][0], &event);
	}
	event = (struct epoll_event){ .events = EPOLLIN };
	epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
	for (long i = 0; i < PIPES; i++)
		feeders[i] = spawn(feed, (void *)i);
	while (ended < PIPES) {
		struct epoll_event some[4];
		must(epoll_wait(outer, &event, 1, 5000) == 1, "outer epoll_wait");
		int n = epoll_wait(inner, some, 4, 0);
		for (int i = 0; i < n; i++)
			ended += drain((int)some[i].data.u32);
	}
	for (int i = 0; i < PIPES; i++) {
		join(feeders[i]);
		sum += taken[i];
	}
	say("all: %d", sum);
}

/* --- signals that tell of descriptors --- */

static volatile sig_atomic_t told, told_fd, told_code;
static __thread int my_number;
static volatile int told_thread;

static void on_ready(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	told_fd = info->si_fd;
	told_code = info->si_code;
	told_thread = my_number;
	told++;
}

static void watch_signal(int number)
{
	struct sigaction action = { .sa_sigaction = on_ready, .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(number, &action, NULL);
}

static void wait_told(int more)
{
	for (int i = 0; i < 200 && told < more; i++)
		pause_ms(5);
}

static void *idle(void *argument)
{
	my_number = (int)(long)argument;
	for (int i = 0; i < 40; i++)
		pause_ms(5);
	return NULL;
}

static void told_to_process(void)
{
	int pair[2];
	char byte;

	watch_signal(SIGIO);
	stream_pair(pair);
	pthread_t other = spawn(idle, (void *)1);
	say("owner: %s", outcome(fcntl(pair[0], F_SETOWN, getpid())));
	say("async: %s", outcome(fcntl(pair[0], F_SETFL, O_ASYNC)));
	write(pair[1], "x", 1);
	wait_told(1);
	say("told: %d, owner %s", told, fcntl(pair[0], F_GETOWN) == getpid() ? "the process" : "another");
	read(pair[0], &byte, 1);
	fcntl(pair[0], F_SETSIG, SIGRTMIN + 3);
	watch_signal(SIGRTMIN + 3);
	say("signal: %d", fcntl(pair[0], F_GETSIG) - SIGRTMIN);
	write(pair[1], "x", 1);
	wait_told(2);
	say("told: %d, %s, code %s", told, told_fd == pair[0] ? "the descriptor" : "another",
	    told_code == POLL_IN ? "POLL_IN" : "another");
	int on = 0;
	ioctl(pair[0], FIOASYNC, &on);
	write(pair[1], "x", 1);
	join(other);
	say("told: %d", told);
}

static struct owner {
	int fd;
	int number;
	int ready;
} owner;

static void *own(void *argument)
{
	struct f_owner_ex who = { F_OWNER_TID, gettid() }, seen = { 0, 0 };
	struct owner *mine = argument;

	my_number = mine->number;
	say("owner: %s", outcome(fcntl(mine->fd, F_SETOWN_EX, &who)));
	say("seen: %s", fcntl(mine->fd, F_GETOWN_EX, &seen) == 0 && seen.type == F_OWNER_TID && seen.pid == gettid() ?
	    "this thread" : "another");
	mine->ready = 1;
	for (int i = 0; i < 60; i++)
		pause_ms(5);
	return NULL;
}

static void tell_thread(int number, int expected)
{
	pthread_t others[2];
	int pair[2], before = told;

	stream_pair(pair);
	owner = (struct owner){ pair[0], expected, 0 };
	others[0] = spawn(idle, (void *)98L);
	pthread_t owning = spawn(own, &owner);
	others[1] = spawn(idle, (void *)99L);
	for (int i = 0; i < 200 && !owner.ready; i++)
		pause_ms(2);
	if (number)
		say("signal: %s", outcome(fcntl(pair[0], F_SETSIG, number)));
	say("async: %s", outcome(fcntl(pair[0], F_SETFL, O_ASYNC)));
	write(pair[1], "x", 1);
	wait_told(before + 1);
	say("told: %d, thread %d", told - before, told_thread);
	join(owning);
	join(others[0]);
	join(others[1]);
	/* The owner is gone: nobody is told. */
	write(pair[1], "x", 1);
	pause_ms(STEP_MS);
	say("told: %d", told - before);
	close(pair[0]);
	close(pair[1]);
}

static void told_to_thread(void)
{
	watch_signal(SIGIO);
	watch_signal(SIGRTMIN + 4);
	tell_thread(0, 5);
	tell_thread(SIGRTMIN + 4, 6);
	struct f_owner_ex nobody = { F_OWNER_TID, 0x3ffffff0 };
	int pair[2];
	stream_pair(pair);
	say("nobody: %s", outcome(fcntl(pair[0], F_SETOWN_EX, &nobody)));
}

/* --- high numbers --- */

enum { HIGH = 70000 }; /* or as high as the limit allows */

static void *late_byte(void *argument)
{
	pause_ms(STEP_MS);
	write(*(int *)argument, "x", 1);
	return NULL;
}

static void wait_high(int fd, int peer)
{
	struct pollfd one = { fd, POLLIN, 0 };
	char byte;

	pthread_t writer = spawn(late_byte, &peer);
	say("number %d: poll %d", fd, poll(&one, 1, 5000));
	say("read: %zd", read(fd, &byte, 1));
	join(writer);
	writer = spawn(late_byte, &peer);
	say("read: %zd", read(fd, &byte, 1));
	join(writer);
}

static bool raise_limit(rlim_t wanted)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return true;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void select_high(int fd, int peer)
{
	fd_set *set = calloc(1, HIGH / 8 + 64);
	unsigned long *words = (unsigned long *)(void *)set;

	words[fd / 64] |= 1UL << (fd % 64);
	pthread_t writer = spawn(late_byte, &peer);
	say("select: %d, %s", select(fd + 1, set, NULL, NULL, NULL), words[fd / 64] >> (fd % 64) & 1 ? "set" : "not set");
	join(writer);
	free(set);
}

/* X21: numbers above FD_SETSIZE */
static void high_numbers(void)
{
	struct rlimit limit;
	int pair[2], number = HIGH;

	raise_limit(HIGH + 100);
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < HIGH + 100) {
		raise_limit(limit.rlim_max);
		number = (int)limit.rlim_max - 100;
	}
	stream_pair(pair);
	int high = fcntl(pair[0], F_DUPFD, number);
	wait_high(high, pair[1]);
	select_high(high, pair[1]);
	say("close: %s", outcome(close(high)));
	say("close again: %s", outcome(close(high)));
	int polled = dup2(pair[1], number + 7);
	wait_high(pair[0], polled);
}

/* Every number is the one that it would be if the program were alone in its process. */
static void *open_in_a_row(void *argument)
{
	int gaps = 0, last = 0, first = dup(0);

	(void)argument;
	for (int fd = last = first; fd < 10000; last = fd) {
		fd = dup(0);
		must(fd != -1, "dup");
		gaps += fd != last + 1;
	}
	say("from %d, gaps: %d", first, gaps);
	close_range(3, 20000, 0);
	return NULL;
}

static void *asked_for(void *argument)
{
	int wrong = 0;

	(void)argument;
	for (int least = 4000; least < 4200; least++) {
		int fd = fcntl(0, F_DUPFD_CLOEXEC, least);
		wrong += fd != least || fcntl(fd, F_GETFD) != FD_CLOEXEC;
		wrong += close(fd) != 0;
	}
	say("another number than asked for: %d", wrong);
	wrong = 0;
	for (int fd = 3; fd < 10000; fd++)
		wrong += fcntl(fd, F_GETFD) != -1;
	say("open and unknown: %d", wrong);
	return NULL;
}

static void numbers(void)
{
	raise_limit(11000);
	join(spawn(asked_for, NULL));
	join(spawn(open_in_a_row, NULL));
	join(spawn(asked_for, NULL));
}

/* Whatever is done to numbers that the program does not have, waiting goes on to work. */
static void *try_everything(void *argument)
{
	int wrong = 0, zero = 0, pair[2];
	struct stat status;
	char byte;

	(void)argument;
	for (int fd = 3; fd < 6000; fd++) {
		wrong += fcntl(fd, F_SETFD, 0) != -1 || errno != EBADF;
		wrong += fcntl(fd, F_GETFL) != -1 || errno != EBADF;
		wrong += ioctl(fd, FIONREAD, &zero) != -1 || errno != EBADF;
		wrong += fstat(fd, &status) != -1 || errno != EBADF;
		wrong += dup(fd) != -1 || errno != EBADF;
		wrong += close(fd) != -1 || errno != EBADF;
		/* What these say to a number that is not the program's own does not matter, only what they do. */
		read(fd, &byte, 1);
		write(fd, "12345678", 8);
		shutdown(fd, SHUT_RDWR);
	}
	say("wrong: %d", wrong);
	wrong = 0;
	stream_pair(pair);
	for (int fd = 3; fd < 6000; fd++)
		wrong += fd != pair[0] && fd != pair[1] && dup2(pair[0], fd) != fd;
	say("dup2 failed: %d", wrong);
	wait_high(5999, pair[1]);
	return NULL;
}

static void protected(void)
{
	raise_limit(6100);
	join(spawn(try_everything, NULL));
}

/* --- poll with very many entries --- */

/* X21: many in one call */
static void many_entries(void)
{
	enum { MANY = 10000 };
	struct pollfd *fds = calloc(MANY, sizeof(*fds));
	int pair[2], hits = 0;

	stream_pair(pair);
	for (int i = 0; i < MANY; i++)
		fds[i] = (struct pollfd){ i % 3 == 0 ? -1 - i : pair[0], i % 2 ? POLLIN : POLLPRI, 0 };
	raise_limit(MANY + 10);
	pthread_t writer = spawn(late_byte, &pair[1]);
	int n = poll(fds, MANY, 5000);
	for (int i = 0; i < MANY; i++)
		hits += fds[i].revents == POLLIN;
	say("ready %d, POLLIN in %d", n, hits);
	join(writer);
	fds[1].fd = 9999;
	n = poll(fds, 4, 5000);
	say("not open: %d, %#x", n, (unsigned)fds[1].revents);
}

/* --- through pipes inside the kernel --- */

static void *read_slowly(void *argument)
{
	char text[4096];
	size_t sum = 0;
	ssize_t n;

	pause_ms(STEP_MS * 4);
	while ((n = read(*(int *)argument, text, sizeof(text))) > 0)
		sum += (size_t)n;
	say("read: %zu", sum);
	return NULL;
}

static size_t splice_all(int from, int to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = splice(from, NULL, to, NULL, size - done, 0);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

struct transfer {
	int from, to;
	size_t size;
};

static void *splice_thread(void *argument)
{
	struct transfer *transfer = argument;
	size_t done = splice_all(transfer->from, transfer->to, transfer->size);

	close(transfer->to);
	return (void *)done;
}

/* MP5, L18: File to pipe, pipe to socket, socket to reader, all of them too small for what goes through. */
static void spliced(void)
{
	enum { SIZE = 2 << 20 };
	int through[2], pair[2], counted = 0, in = memfd_create("spliced", 0);

	must(ftruncate(in, SIZE) == 0, "ftruncate");
	must(pipe(through) == 0, "pipe");
	stream_pair(pair);
	struct transfer first = { in, through[1], SIZE }, second = { through[0], pair[1], SIZE };
	pthread_t threads[] = { spawn(splice_thread, &first), spawn(splice_thread, &second) };
	/* Nobody reads yet, so both are stuck. */
	join(spawn(count_up, &counted));
	say("others went on: %d", counted);
	join(spawn(read_slowly, &pair[0]));
	say("spliced: %ld", (long)join(threads[0]));
	say("spliced: %ld", (long)join(threads[1]));
}

static void *tee_thread(void *argument)
{
	int *ends = argument;

	say("tee: %zd", tee(ends[0], ends[1], 100, 0));
	return NULL;
}

static void *vmsplice_thread(void *argument)
{
	static char page[1 << 17];
	struct iovec part = { page, sizeof(page) };
	ssize_t n = vmsplice(*(int *)argument, &part, 1, 0);

	close(*(int *)argument);
	return n == sizeof(page) ? "all" : n > 0 ? "a part" : "nothing";
}

/* MP5, L18: tee */
static void teed(void)
{
	int from[2], to[2];
	char text[16];

	must(pipe(from) == 0 && pipe(to) == 0, "pipe");
	int ends[2] = { from[0], to[1] };
	pthread_t thread = spawn(tee_thread, ends);
	pause_ms(STEP_MS);
	write(from[1], "text", 4);
	join(thread);
	say("both: %zd %zd", read(from[0], text, sizeof(text)), read(to[0], text, sizeof(text)));
	thread = spawn(vmsplice_thread, &to[1]);
	join(spawn(read_slowly, &to[0]));
	say("vmsplice: %s", (char *)join(thread));
}

/* --- the flags of an open file that other processes share --- */

static void *work_on_both(void *argument)
{
	int *pair = argument;
	char text[8];

	for (int i = 0; i < 50; i++) {
		write(pair[1], "x", 1);
		read(pair[0], text, sizeof(text));
		sched_yield();
	}
	return NULL;
}

static void accept_one(int listener, int port)
{
	int out = connect_local(port), in = accept(listener, NULL, NULL);

	must(in != -1, "accept");
	close(in);
	close(out);
}

/* L3, L17: another process never sees the flag */
static void flags_stay(void)
{
	int pair[2], pipe_ends[2], changed = 0, port, listener = listen_local(8, &port);

	stream_pair(pair);
	must(pipe(pipe_ends) == 0, "pipe");
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 2000; i++) {
			changed += (fcntl(pair[0], F_GETFL) & O_NONBLOCK) != 0;
			changed += (fcntl(pipe_ends[0], F_GETFL) & O_NONBLOCK) != 0;
			changed += (fcntl(listener, F_GETFL) & O_NONBLOCK) != 0;
			if (i % 100 == 0)
				pause_ms(1);
		}
		_exit(changed ? 1 : 0);
	}
	pthread_t threads[] = { spawn(work_on_both, pair), spawn(work_on_both, pipe_ends) };
	for (int i = 0; i < 8; i++)
		accept_one(listener, port);
	join(threads[0]);
	join(threads[1]);
	reap("flags", child);
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "terminal_lines", terminal_lines, 1 },
		{ "terminal_hangup", terminal_hangup, 2 },
		{ "terminal_bulk", terminal_bulk, 3 },
		{ "terminal_stopped", terminal_stopped, 3 },
		{ "watches", watches, 1 },
		{ "processes", processes, 1 },
		{ "counters", counters, 5 },
		{ "signals", signals, 2 },
		{ "edges", edges, PIPES },
		{ "told_to_process", told_to_process, 1 },
		{ "told_to_thread", told_to_thread, 6 },
		{ "high_numbers", high_numbers, 5 },
		{ "numbers", numbers, 3 },
		{ "protected", protected, 3 },
		{ "many_entries", many_entries, 1 },
		{ "spliced", spliced, 4 },
		{ "teed", teed, 3 },
		{ "flags_stay", flags_stay, 2 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
