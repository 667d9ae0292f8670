/* SPDX-License-Identifier: MIT */
/* migrate.c - calls that wait inside libc or in the kernel: others go on, signals and cancellation reach them */
#include "plain.h"

#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netdb.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>
#include <wordexp.h>

/* --- one call waits, a neighbour counts meanwhile --- */

static volatile int ticks, ticking;

static void *tick(void *argument)
{
	while (ticking) {
		ticks++;
		pause_ms(2);
	}
	return argument;
}

/* CALL must wait for at least LEAST_MS, in which the neighbour must get its turns. */
static void beside_ticks(const char *what, void *(*call)(void *), void *argument, int least_ms)
{
	double start = now();

	ticks = 0;
	ticking = 1;
	pthread_t neighbour = spawn(tick, NULL);
	pthread_t caller = spawn(call, argument);
	void *result = join(caller);
	ticking = 0;
	join(neighbour);
	say("%s: %s, %s, %s", what, (char *)result, now() - start >= least_ms / 1000.0 ? "waited" : "too early",
	    !least_ms || ticks >= 2 ? "others went on" : "others stood still");
}

static char *result_of(long result)
{
	return strdup(outcome(result));
}

/* A child that does STEP after a while, on what it shares with us. */
static pid_t child_after(int ms, void (*step)(void))
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid == 0) {
		pause_ms(ms);
		step();
		_exit(0);
	}
	return pid;
}

static void nothing(void)
{
}

/* --- file locks --- */

static char path[64];
static int file;

static void make_file(void)
{
	strcpy(path, "/tmp/plain-migrate-XXXXXX");
	file = mkstemp(path);
	must(file >= 0, "mkstemp");
	unlink(path);
	must(write(file, "0123456789", 10) == 10, "write");
}

static void *do_flock(void *name)
{
	int fd = open(name, O_RDWR);
	long result = flock(fd, LOCK_EX);

	close(fd);
	return result_of(result);
}

/* L2, U4, CK24: flock */
static void flock_waits(void)
{
	make_file();
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	must(flock(file, LOCK_EX) == 0, "flock");
	/* The child's copy of the descriptor keeps the lock until its end. */
	pid_t child = child_after(80, nothing);

	pthread_t waiter = spawn(do_flock, "/dev/null");
	char *result = join(waiter);

	say("flock, free: %s", result);

	flock(file, LOCK_UN);
	reap("child", child);
	must(flock(file, LOCK_EX) == 0, "flock");
	waiter = spawn(do_flock, name);
	pause_ms(30);
	say("unlock: %s", outcome(flock(file, LOCK_UN)));
	result = join(waiter);
	say("waiter: %s", result);
}

static pid_t holder(short start, short length)
{
	int ready[2];
	pid_t pid;
	char byte;

	must(pipe(ready) == 0, "pipe");
	pid = fork();
	if (pid == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_start = start, .l_len = length };

		must(fcntl(file, F_SETLK, &lock) == 0, "F_SETLK");
		must(write(ready[1], "x", 1) == 1, "write");
		pause_ms(100);
		_exit(0);
	}
	must(read(ready[0], &byte, 1) == 1, "read");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void *do_setlkw(void *command)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 4 };

	return result_of(fcntl(file, *(int *)command, &lock));
}

static void *do_lockf(void *unused)
{
	(void)unused;
	lseek(file, 0, SEEK_SET);
	return result_of(lockf(file, F_LOCK, 4));
}

/* L2, CK24: record locks */
static void record_locks(void)
{
	int posix = F_SETLKW, description = F_OFD_SETLKW;
	pid_t child;

	make_file();
	child = holder(0, 4);
	beside_ticks("F_SETLKW", do_setlkw, &posix, 80);
	reap("holder", child);
	struct flock unlock = { .l_type = F_UNLCK };

	must(fcntl(file, F_SETLK, &unlock) == 0, "unlock");
	child = holder(2, 1);
	beside_ticks("F_OFD_SETLKW", do_setlkw, &description, 80);
	reap("holder", child);
	must(fcntl(file, F_OFD_SETLK, &unlock) == 0, "unlock");
	child = holder(1, 2);
	beside_ticks("lockf", do_lockf, NULL, 80);
	reap("holder", child);
}

/* --- System V --- */

static int queue, semaphores;
static struct message {
	long type;
	char text[8];
} message = { 1, "hello" };

static void send_one(void)
{
	msgsnd(queue, &message, sizeof(message.text), 0);
}

static void *do_msgrcv(void *unused)
{
	struct message got;
	long result = msgrcv(queue, &got, sizeof(got.text), 0, 0);

	(void)unused;
	return result < 0 ? result_of(result) : strdup(got.text);
}

static void take_all(void)
{
	struct message got;

	while (msgrcv(queue, &got, sizeof(got.text), 0, IPC_NOWAIT) >= 0)
		;
}

static void *do_msgsnd(void *unused)
{
	(void)unused;
	return result_of(msgsnd(queue, &message, sizeof(message.text), 0));
}

static void queue_make(void)
{
	queue = msgget(IPC_PRIVATE, 0600);
	must(queue >= 0, "msgget");
}

static void system_v_messages(void)
{
	pid_t child;

	queue_make();
	child = child_after(80, send_one);
	beside_ticks("msgrcv", do_msgrcv, NULL, 60);
	reap("sender", child);
	while (msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT) == 0)
		;
	child = child_after(80, take_all);
	beside_ticks("msgsnd", do_msgsnd, NULL, 60);
	reap("receiver", child);
	msgctl(queue, IPC_RMID, NULL);
}

static void raise_semaphore(void)
{
	struct sembuf up = { 0, 1, 0 };

	semop(semaphores, &up, 1);
}

static void *do_semop(void *unused)
{
	struct sembuf down = { 0, -1, 0 };

	(void)unused;
	return result_of(semop(semaphores, &down, 1));
}

static void *do_semtimedop(void *unused)
{
	struct sembuf down = { 0, -1, 0 };
	struct timespec timeout = { 0, 60 * 1000 * 1000 };

	(void)unused;
	return result_of(semtimedop(semaphores, &down, 1, &timeout));
}

static void system_v_semaphores(void)
{
	pid_t child;

	semaphores = semget(IPC_PRIVATE, 1, 0600);
	must(semaphores >= 0, "semget");
	child = child_after(80, raise_semaphore);
	beside_ticks("semop", do_semop, NULL, 60);
	reap("raiser", child);
	beside_ticks("semtimedop", do_semtimedop, NULL, 60);
	semctl(semaphores, 0, IPC_RMID);
}

/* --- POSIX messages, FIFOs, commands --- */

static mqd_t messages;

static void mq_send_one(void)
{
	mq_send(messages, "hi", 3, 0);
}

static void *do_mq_receive(void *unused)
{
	char text[16];
	long result = mq_receive(messages, text, sizeof(text), NULL);

	(void)unused;
	return result < 0 ? result_of(result) : strdup(text);
}

static void *do_mq_timedreceive(void *unused)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 60);
	char text[16];

	(void)unused;
	return result_of(mq_timedreceive(messages, text, sizeof(text), NULL, &until));
}

static void posix_messages(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	char name[64];
	pid_t child;

	snprintf(name, sizeof(name), "/plain-migrate-%d", (int)getpid());
	messages = mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);
	must(messages >= 0, "mq_open");
	mq_unlink(name);
	child = child_after(80, mq_send_one);
	beside_ticks("mq_receive", do_mq_receive, NULL, 60);
	reap("sender", child);
	beside_ticks("mq_timedreceive", do_mq_timedreceive, NULL, 60);
	mq_close(messages);
}

static void open_for_writing(void)
{
	int fd = open(path, O_WRONLY);

	must(write(fd, "x", 1) == 1, "write");
}

static void *do_open(void *unused)
{
	int fd = open(path, O_RDONLY);
	char byte = '-';

	(void)unused;
	must(read(fd, &byte, 1) == 1, "read");
	close(fd);
	return result_of(fd >= 0 && byte == 'x' ? 0 : -1);
}

static void *do_fopen(void *unused)
{
	FILE *file = fopen(path, "r");
	int byte = file ? fgetc(file) : EOF;

	(void)unused;
	if (file)
		fclose(file);
	return result_of(byte == 'x' ? 0 : -1);
}

static void *do_freopen(void *unused)
{
	FILE *file = freopen(path, "r", fopen("/dev/null", "r"));
	wint_t character = file ? fgetwc_unlocked(file) : WEOF;

	(void)unused;
	if (file)
		fclose(file);
	return result_of(character == L'x' ? 0 : -1);
}

/* X19: opening a FIFO */
static void fifo_opens(void)
{
	pid_t child;

	snprintf(path, sizeof(path), "/tmp/plain-fifo-%d", (int)getpid());
	must(mkfifo(path, 0600) == 0, "mkfifo");
	child = child_after(80, open_for_writing);
	beside_ticks("open", do_open, NULL, 60);
	reap("writer", child);
	child = child_after(80, open_for_writing);
	beside_ticks("fopen", do_fopen, NULL, 60);
	reap("writer", child);
	child = child_after(80, open_for_writing);
	beside_ticks("freopen", do_freopen, NULL, 60);
	reap("writer", child);
	unlink(path);
}

static void *do_system(void *unused)
{
	char text[32];

	(void)unused;
	snprintf(text, sizeof(text), "status %d", WEXITSTATUS(system("sleep 0.08; exit 7")));
	return strdup(text);
}

static void *do_pclose(void *unused)
{
	FILE *pipe = popen("sleep 0.08; exit 5", "r");
	char text[32];

	(void)unused;
	snprintf(text, sizeof(text), "status %d", WEXITSTATUS(pclose(pipe)));
	return strdup(text);
}

static void *do_wordexp(void *unused)
{
	wordexp_t words;
	char text[64];

	(void)unused;
	must(wordexp("$(sleep 0.08; echo a b)", &words, 0) == 0, "wordexp");
	snprintf(text, sizeof(text), "%zu words, %s first", words.we_wordc, words.we_wordv[0]);
	wordfree(&words);
	return strdup(text);
}

/* A stream of wide characters, which popen's are not: whoever waits for one must not hold up the others. */
static void *do_wide(void *unused)
{
	FILE *command = popen("sleep 0.08; echo 17 and more", "r");
	FILE *wide = fdopen(dup(fileno(command)), "r");
	wchar_t rest[32];
	char text[200];
	int number = 0;

	(void)unused;
	must(fwscanf(wide, L"%d", &number) == 1, "fwscanf");
	must(fgetws_unlocked(rest, 32, wide) != NULL, "fgetws_unlocked");
	snprintf(text, sizeof(text), "%d, %zu characters, status %d", number, wcslen(rest), WEXITSTATUS(pclose(command)));
	fclose(wide);
	return strdup(text);
}

static void commands(void)
{
	beside_ticks("system", do_system, NULL, 80);
	beside_ticks("pclose", do_pclose, NULL, 80);
	beside_ticks("wordexp", do_wordexp, NULL, 80);
	beside_ticks("fwscanf", do_wide, NULL, 80);
}

/* --- files on their way to the disk: what the calls return, on a file and on what is none --- */

static void *sync_all(void *unused)
{
	FILE *file = tmpfile(), *copy = tmpfile();
	long page = sysconf(_SC_PAGESIZE);
	void *memory;
	int fds[2];

	(void)unused;
	must(file && copy && ftruncate(fileno(file), page) == 0 && pipe(fds) == 0, "files");
	memory = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
	must(memory != MAP_FAILED, "mmap");
	strcpy(memory, "text");
	say("msync: %s, %s", outcome(msync(memory, (size_t)page, MS_SYNC)), outcome(msync(memory, (size_t)page, MS_ASYNC)));
	say("fsync: %s, %s", outcome(fsync(fileno(file))), outcome(fsync(fds[0])));
	say("fdatasync: %s, %s", outcome(fdatasync(fileno(file))), outcome(fdatasync(-1)));
	say("syncfs: %s, %s", outcome(syncfs(fileno(file))), outcome(syncfs(-1)));
	say("sync_file_range: %s", outcome(sync_file_range(fileno(file), 0, page, SYNC_FILE_RANGE_WRITE)));
	say("copy_file_range: %s", outcome(copy_file_range(fileno(file), &(off64_t){ 0 }, fileno(copy), NULL, 4, 0)));
	say("tcsendbreak, tcsetattr: %s, %s", outcome(tcsendbreak(fds[0], 0)),
	    outcome(tcsetattr(fds[0], TCSADRAIN, &(struct termios){ 0 })));
	munmap(memory, (size_t)page);
	close(fds[0]);
	close(fds[1]);
	fclose(file);
	fclose(copy);
	return NULL;
}

/* A place in a stream, of which another thread has the lock. */
static void *find_place(void *stream)
{
	fpos_t place;

	must(fgetpos(stream, &place) == 0, "fgetpos");
	must(fsetpos(stream, &place) == 0, "fsetpos");
	return NULL;
}

static void places(void)
{
	FILE *file = tmpfile();
	pthread_t thread;

	must(file != NULL, "tmpfile");
	flockfile(file);
	thread = spawn(find_place, file);
	pause_ms(20);
	say("the stream is locked");
	funlockfile(file);
	join(thread);
	fclose(file);
}

static void disks(void)
{
	join(spawn(sync_all, NULL));
}

/* --- look-ups, of which some keep their place inside libc, behind a lock --- */

static void *walk_users(void *unused)
{
	struct passwd *user;
	long count = 0;

	(void)unused;
	setpwent();
	for (user = getpwent(); user; user = getpwent())
		count++;
	endpwent();
	return (void *)count;
}

static void *walk_others(void *unused)
{
	struct servent service, *found;
	struct protoent protocol, *also;
	struct group *group;
	char buffer[2048];
	long count = 0;

	(void)unused;
	setgrent();
	for (group = getgrent(); group; group = getgrent())
		count++;
	endgrent();
	sethostent(0);
	while (gethostent())
		count++;
	endhostent();
	setnetent(0);
	while (getnetent())
		count++;
	endnetent();
	say("login: %s", getlogin() ? "somebody" : "nobody");
	say("services: %s", error_name(getservbyname_r("smtp", "tcp", &service, buffer, sizeof(buffer), &found)));
	say("protocols: %s", error_name(getprotobynumber_r(6, &protocol, buffer, sizeof(buffer), &also)));
	say("no such net group: %s", outcome(innetgr("nobody's", NULL, NULL, NULL)));
	say("no such network: %s", getnetbyname("no.such.network.") ? "there" : "none");
	return (void *)count;
}

/* MP6: users and groups */
static void walks(void)
{
	pthread_t users = spawn(walk_users, NULL), others = spawn(walk_others, NULL);

	long count = (long)join(users);

	say("groups: %s", join(others) ? "some" : "none");
	say("users: %s", count > 0 && count == (long)walk_users(NULL) ? "all" : "not all");
}

/* --- locks that processes share --- */

static struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_rwlock_t rwlock;
	pthread_barrier_t barrier;
	sem_t semaphore;
	int flag;
} *shared;

static void shared_make(void)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;
	pthread_rwlockattr_t rwlock;
	pthread_barrierattr_t barrier;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "mmap");
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &mutex);
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&shared->changed, &cond);
	pthread_rwlockattr_init(&rwlock);
	pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(&shared->rwlock, &rwlock);
	pthread_barrierattr_init(&barrier);
	pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &barrier, 2);
	sem_init(&shared->semaphore, 1, 0);
}

/* The child takes both locks, says so, and lets go after a while. */
static pid_t lock_holder(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_mutex_lock(&shared->mutex);
		pthread_rwlock_wrlock(&shared->rwlock);
		sem_post(&shared->semaphore);
		pause_ms(80);
		pthread_rwlock_unlock(&shared->rwlock);
		pthread_mutex_unlock(&shared->mutex);
		_exit(0);
	}
	sem_wait(&shared->semaphore);
	return pid;
}

static void *do_mutex(void *unused)
{
	int error = pthread_mutex_lock(&shared->mutex);

	(void)unused;
	pthread_mutex_unlock(&shared->mutex);
	return strdup(error_name(error));
}

static void *do_rwlock(void *unused)
{
	int error = pthread_rwlock_rdlock(&shared->rwlock);

	(void)unused;
	pthread_rwlock_unlock(&shared->rwlock);
	return strdup(error_name(error));
}

static void *do_timedlock(void *unused)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 40);

	(void)unused;
	return strdup(error_name(pthread_mutex_timedlock(&shared->mutex, &until)));
}

static void change(void)
{
	pthread_mutex_lock(&shared->mutex);
	shared->flag = 1;
	pthread_cond_signal(&shared->changed);
	pthread_mutex_unlock(&shared->mutex);
}

static void *do_cond(void *unused)
{
	int wakes = 0, error = 0;

	(void)unused;
	pthread_mutex_lock(&shared->mutex);
	while (!shared->flag && !error) {
		error = pthread_cond_wait(&shared->changed, &shared->mutex);
		wakes++;
	}
	pthread_mutex_unlock(&shared->mutex);
	return strdup(error ? error_name(error) : wakes > 3 ? "woken for nothing" : "changed");
}

static void *do_cond_timed(void *unused)
{
	struct timespec until = after_ms(CLOCK_REALTIME, 60);
	int error = 0;

	(void)unused;
	pthread_mutex_lock(&shared->mutex);
	while (!error)
		error = pthread_cond_timedwait(&shared->changed, &shared->mutex, &until);
	pthread_mutex_unlock(&shared->mutex);
	return strdup(error_name(error));
}

static void post(void)
{
	sem_post(&shared->semaphore);
}

static void *do_sem(void *unused)
{
	(void)unused;
	return result_of(sem_wait(&shared->semaphore));
}

static void arrive(void)
{
	pthread_barrier_wait(&shared->barrier);
}

static void *do_barrier(void *unused)
{
	int result = pthread_barrier_wait(&shared->barrier);

	(void)unused;
	return strdup(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD ? "opened" : error_name(result));
}

static void shared_locks(void)
{
	pid_t child;

	shared_make();
	child = lock_holder();
	beside_ticks("mutex", do_mutex, NULL, 60);
	reap("holder", child);
	child = lock_holder();
	beside_ticks("rwlock", do_rwlock, NULL, 60);
	reap("holder", child);
	child = lock_holder();
	beside_ticks("timed mutex", do_timedlock, NULL, 40);
	reap("holder", child);
	child = child_after(80, change);
	beside_ticks("condition", do_cond, NULL, 60);
	reap("changer", child);
	beside_ticks("timed condition", do_cond_timed, NULL, 60);
	child = child_after(80, post);
	beside_ticks("semaphore", do_sem, NULL, 60);
	reap("poster", child);
	child = child_after(80, arrive);
	beside_ticks("barrier", do_barrier, NULL, 60);
	reap("other", child);
}

/* Threads of one process use the same locks among themselves. */
static void *add_often(void *counter)
{
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&shared->mutex);
		++*(volatile int *)counter;
		if (i % 100 == 0)
			pause_ms(1);
		pthread_mutex_unlock(&shared->mutex);
	}
	sem_post(&shared->semaphore);
	return NULL;
}

static void shared_by_threads(void)
{
	static int counter;
	pthread_t threads[8];

	shared_make();
	for (int i = 0; i < 8; i++)
		threads[i] = spawn(add_often, &counter);
	for (int i = 0; i < 8; i++)
		sem_wait(&shared->semaphore);
	for (int i = 0; i < 8; i++)
		join(threads[i]);
	say("counted %d", counter);
}

/* --- signals and cancellation --- */

static pthread_t handled_on;
static volatile int handled;

static void on_signal(int number)
{
	(void)number;
	handled_on = pthread_self();
	handled++;
}

static void handle(int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
	handled = 0;
}

static void signals_reach(void)
{
	queue_make();
	handle(0);
	pthread_t waiter = spawn(do_msgrcv, NULL);

	pause_ms(30);
	pthread_kill(waiter, SIGUSR1);
	char *result = join(waiter);

	say("message: %s, handled %d, on the waiter: %d", result, handled, pthread_equal(handled_on, waiter) != 0);
	/* A file lock is restarted where the action says so. */
	int command = F_SETLKW;

	handle(SA_RESTART);
	make_file();
	pid_t child = holder(0, 4);

	waiter = spawn(do_setlkw, &command);
	pause_ms(30);
	pthread_kill(waiter, SIGUSR1);
	result = join(waiter);
	say("restarted lock: %s, handled %d, on the waiter: %d", result, handled, pthread_equal(handled_on, waiter) != 0);
	reap("holder", child);
	msgctl(queue, IPC_RMID, NULL);
}

static void *blocked_receive(void *unused)
{
	sigset_t set, pending;
	struct message got;
	long result;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	result = msgrcv(queue, &got, sizeof(got.text), 0, 0);
	sigpending(&pending);
	say("received: %s, pending %d, handled %d", result < 0 ? outcome(result) : got.text, sigismember(&pending, SIGUSR1), handled);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	say("unblocked: handled %d", handled);
	return NULL;
}

static void blocked_signals_wait(void)
{
	queue_make();
	handle(0);
	pthread_t waiter = spawn(blocked_receive, NULL);

	pause_ms(30);
	pthread_kill(waiter, SIGUSR1);
	pause_ms(30);
	send_one();
	join(waiter);
	msgctl(queue, IPC_RMID, NULL);
}

static pthread_mutex_t plain_mutex = PTHREAD_MUTEX_INITIALIZER;
static int plain_pipe[2];

/* Back among the others: waits for a neighbour twice. */
static void clean_up(void *what)
{
	char byte;

	pthread_mutex_lock(&plain_mutex);
	must(read(plain_pipe[0], &byte, 1) == 1, "read");
	pthread_mutex_unlock(&plain_mutex);
	say("%s: cleaned up, errno %s", (char *)what, error_name(errno));
}

static void *cancelled_receive(void *unused)
{
	struct message got;

	(void)unused;
	errno = 0;
	pthread_cleanup_push(clean_up, "receive");
	msgrcv(queue, &got, sizeof(got.text), 0, 0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *cancelled_lock(void *unused)
{
	struct flock lock = { .l_type = F_WRLCK };

	(void)unused;
	errno = 0;
	pthread_cleanup_push(clean_up, "lock");
	fcntl(file, F_SETLKW, &lock);
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancel_during(const char *what, void *(*body)(void *))
{
	pthread_t thread = spawn(body, NULL);

	pause_ms(30);
	pthread_mutex_lock(&plain_mutex);
	say("%s: cancel %s", what, error_name(pthread_cancel(thread)));
	pause_ms(10);
	pthread_mutex_unlock(&plain_mutex);
	pause_ms(10);
	must(write(plain_pipe[1], "x", 1) == 1, "write");
	say("%s: %s", what, join(thread) == PTHREAD_CANCELED ? "cancelled" : "ended by itself");
}

static void cancellation_reaches(void)
{
	must(pipe(plain_pipe) == 0, "pipe");
	queue_make();
	cancel_during("receive", cancelled_receive);
	msgctl(queue, IPC_RMID, NULL);
	make_file();
	pid_t child = holder(0, 4);

	cancel_during("lock", cancelled_lock);
	reap("holder", child);
}

/* --- the main thread and its errno, many at once, and who else is there --- */

static volatile int done;

static void *spoil_errno(void *argument)
{
	while (!done) {
		errno = (int)(intptr_t)argument;
		pause_ms(1);
		if (errno != (int)(intptr_t)argument)
			return "wrong errno";
	}
	return "own errno";
}

static void main_waits(void)
{
	struct message got;

	queue_make();
	pthread_t first = spawn(spoil_errno, (void *)(intptr_t)EDOM);
	pthread_t second = spawn(spoil_errno, (void *)(intptr_t)ERANGE);
	pid_t child = child_after(80, send_one);

	errno = ENOTTY;
	long result = msgrcv(queue, &got, sizeof(got.text), 0, 0);

	say("main: %s, errno %s", result < 0 ? outcome(result) : got.text, error_name(errno));
	errno = 0;
	result = msgrcv(queue, &got, 1, -1, IPC_NOWAIT);
	say("main: %s", outcome(result));
	done = 1;
	char *one = join(first), *two = join(second);

	say("%s, %s", one, two);
	reap("sender", child);
	msgctl(queue, IPC_RMID, NULL);
}

/* L4, CK16: many at a time */
static void many_wait(void)
{
	enum { MANY = 100 };
	pthread_t threads[MANY];
	int right = 0;

	queue_make();
	for (int i = 0; i < MANY; i++)
		threads[i] = spawn(do_msgrcv, NULL);
	pause_ms(50);
	for (int i = 0; i < MANY; i++)
		send_one();
	for (int i = 0; i < MANY; i++) {
		char *text = join(threads[i]);

		right += !strcmp(text, "hello");
		free(text);
	}
	say("%d of %d", right, MANY);
	msgctl(queue, IPC_RMID, NULL);
}

static void ids_change_meanwhile(void)
{
	queue_make();
	pthread_t waiter = spawn(do_msgrcv, NULL);

	pause_ms(30);
	say("setresuid: %s", outcome(setresuid(-1, getuid(), -1)));
	say("setresgid: %s", outcome(setresgid(-1, getgid(), -1)));
	send_one();
	char *text = join(waiter);

	say("%s", text);
	msgctl(queue, IPC_RMID, NULL);
}

static void fork_meanwhile(void)
{
	queue_make();
	pthread_t waiter = spawn(do_msgrcv, NULL);

	pause_ms(30);
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t other = spawn(do_msgrcv, NULL);

		pause_ms(30);
		send_one();
		send_one();
		say("child: %s", (char *)join(other));
		exit(3);
	}
	reap("child", pid);
	say("parent: %s", (char *)join(waiter));
	msgctl(queue, IPC_RMID, NULL);
}

static void exit_meanwhile(void)
{
	queue_make();
	spawn(do_msgrcv, NULL);
	pause_ms(30);
	msgctl(queue, IPC_STAT, &(struct msqid_ds){ 0 });
	say("leaving");
	pid_t pid = fork();

	if (pid == 0) {
		pause_ms(100);
		msgctl(queue, IPC_RMID, NULL);
		_exit(0);
	}
	exit(4);
}

static const struct plain_case cases[] = {
	{ "flock_waits", flock_waits, 2 },
	{ "record_locks", record_locks, 6 },
	{ "system_v_messages", system_v_messages, 4 },
	{ "system_v_semaphores", system_v_semaphores, 4 },
	{ "posix_messages", posix_messages, 4 },
	{ "fifo_opens", fifo_opens, 6 },
	{ "commands", commands, 8 },
	{ "shared_locks", shared_locks, 14 },
	{ "shared_by_threads", shared_by_threads, 8 },
	{ "signals_reach", signals_reach, 2 },
	{ "blocked_signals_wait", blocked_signals_wait, 1 },
	{ "cancellation_reaches", cancellation_reaches, 2 },
	{ "main_waits", main_waits, 2 },
	{ "many_wait", many_wait, 100 },
	{ "ids_change_meanwhile", ids_change_meanwhile, 1 },
	{ "fork_meanwhile", fork_meanwhile, 1 },
	{ "disks", disks, 1 },
	{ "places", places, 1 },
	{ "walks", walks, 2 },
	{ "exit_meanwhile", exit_meanwhile, 1 },
	{ NULL, NULL, 0 },
};

int main(int argc, char **argv)
{
	return plain_main(argc, argv, cases);
}
