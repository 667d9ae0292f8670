/* SPDX-License-Identifier: MIT */
/* support.c - what all suites share: fixtures, time, sockets, children, kernel threads */
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "base/fault.h"
#include "green.h"
#include "hub/hub.h"
#include "support.h"

static Suite *suite;
static int open_before;
static bool emulator; /* it was seen when the suite began */
static int *skips; /* shared with the process of each test */

/* How many kernel threads there are beside this one; none where /proc is not. */
static unsigned other_threads(void)
{
	struct stat tasks;

	/* Each is a directory, whose ".." counts as a link, beside the two that any directory has. */
	return stat("/proc/self/task", &tasks) == 0 ? (unsigned)tasks.st_nlink - 3 : 0;
}

static void *tell_directory(void *path)
{
	sprintf(path, "/proc/self/task/%d", (int)syscall(SYS_gettid));
	return NULL;
}

/*
 * The sanitizer of threads makes one of its own in a child of fork, as a test is, and one more when the first thread is made,
 * unless the parent had that already.  So make one, and when that has gone all that are left are the tool's.
 */
static void count_sanitizer_threads(void)
{
	static bool counted;
	char path[64] = "";

	if (!SANITIZER_THREADS || counted)
		return;
	counted = true;
	in_thread(tell_directory, path);
	while (access(path, F_OK) == 0)
		usleep(100);
	green__tool_threads = other_threads();
}

static void before_without_hub(void)
{
	count_sanitizer_threads();
	open_before = descriptors_open();
}

static void before_with_hub(void)
{
	ck_assert_ptr_nonnull(green__hub());
	before_without_hub();
}

/* A name whose look-up was given up is still looked up, by libc with a descriptor of its own, for a moment. */
static int descriptors_left(void)
{
	for (int tries = 0; tries < 500 && descriptors_open() > open_before; tries++)
		usleep(10 * 1000);
	return descriptors_open();
}

static void after(void)
{
	if (green__current && green__current->flow->hub)
		hub_checked();
	ck_assert_int_eq(descriptors_left(), open_before);
}

/* Those that run beside this one before there is a test are an emulator's of another CPU: they wake nobody. */
static void count_emulator_threads(void)
{
	unsigned threads = other_threads();

	emulator = threads > SANITIZER_THREADS;
	if (emulator)
		green__tool_threads = threads;
}

/*
 * The sanitizer of addresses warns once of a process's first swapcontext, on standard error.  That is to be
 * here, and not in a child whose output is compared.
 */
static void hear_the_warning(void)
{
#if defined(__SANITIZE_ADDRESS__) && defined(GREEN_CONTEXT_UCONTEXT)
	volatile bool back = false;
	ucontext_t here;
	ucontext_t there;

	getcontext(&there);
	if (!back) {
		back = true;
		swapcontext(&here, &there);
	}
#endif
}

TCase *suite_begin(const char *name, enum support_hub hub)
{
	TCase *tcase = tcase_create(name);

	skips = mmap(NULL, sizeof(*skips), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	count_emulator_threads();
	hear_the_warning();
	suite = suite_create(name);
	tcase_add_checked_fixture(tcase, hub == WITH_HUB ? before_with_hub : before_without_hub, after);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int suite_end(void)
{
	SRunner *runner = srunner_create(suite);
	int run, failed;

	srunner_run_all(runner, CK_ENV);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	printf("%d passed, %d failed, %d skipped\n", run - failed - *skips, failed, *skips);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void skipped(const char *why)
{
	printf("skipped: %s\n", why);
	fflush(stdout);
	++*skips;
}

bool tools_watch(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	const char *preloaded = getenv("LD_PRELOAD");

	return green__tool_threads || (preloaded && strstr(preloaded, "vgpreload"));
#endif
}

bool forks_deceive_tool(void)
{
	return SANITIZER_THREADS > 0;
}

bool emulated(void)
{
	return emulator;
}

bool processes_have_descriptors(void)
{
	long fd = syscall(SYS_pidfd_open, getpid(), 0);

	if (fd >= 0)
		close((int)fd);
	return fd >= 0;
}

int descriptors_open(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 3; /* the two names of directories, and the directory itself */
}

void hub_checked(void)
{
	ck_assert_msg(green__hub_check(green__hub()), "the hub's structures disagree");
}

int64_t ms_since(int64_t start)
{
	return (clock_now() - start) / NS_PER_MS;
}

void assert_took(int64_t start, int64_t ms)
{
	int64_t took = ms_since(start);
	int64_t tolerance = tools_watch() ? 8 * TOLERANCE_MS : TOLERANCE_MS;

	ck_assert_int_ge(took, ms);
	ck_assert_int_le(took, ms + tolerance);
}

void *join(struct greenlet *task)
{
	void *value = NULL;

	ck_assert_ptr_nonnull(task);
	ck_assert_int_eq(green_join(task, &value, -1), 0);
	ck_assert_int_eq(green_destroy(task), 0);
	return value;
}

struct greenlet *parked(void *(*function)(void *), void *arg)
{
	struct greenlet *task = green_spawn(function, arg);

	ck_assert_ptr_nonnull(task);
	ck_assert_int_eq(green_yield(), 0);
	return task;
}

void kill_soon(struct greenlet *task)
{
	assert_fails(green_kill(task, 0) == -1, ETIMEDOUT);
}

struct call {
	struct timer timer;
	void (*function)(void);
};

static void call(struct timer *timer)
{
	ck_assert_ptr_eq(green__current, green__hub()->greenlet);
	container_of(timer, struct call, timer)->function();
}

void in_hub(void (*function)(void))
{
	struct call soon = { .function = function };

	timer_start(&green__hub()->timers, &soon.timer, clock_now(), call);
	ck_assert_int_eq(green_sleep(1), 0);
	ck_assert(!soon.timer.pending);
}

void *in_thread(void *(*function)(void *), void *arg)
{
	pthread_t thread;
	void *value;

	ck_assert_int_eq(pthread_create(&thread, NULL, function, arg), 0);
	ck_assert_int_eq(pthread_join(thread, &value), 0);
	return value;
}

#ifdef GREEN_DEBUG
enum { REQUESTS_MAX = 300, NOT_REACHED = 42 };

/* In builds with AddressSanitizer. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static struct {
	const char *name;
	int (*function)(void);
	unsigned request; /* which fails; none if it is 0 */
	bool reached;
} trial;

static void *with_fault(void *unused)
{
	int result, error;

	(void)unused;
	green__fault_at(trial.request);
	result = trial.function();
	error = errno;
	trial.reached = !green__fault_pending();
	green__fault_at(0);
	if (result)
		ck_assert_msg(error == ENOMEM || error == EAGAIN || error == EMFILE, "%s: %s", trial.name, strerror(error));
	ck_assert_msg(trial.function() == 0, "%s fails again: %s", trial.name, strerror(errno));
	return NULL;
}

/* Threads that the library made end on their own, and their descriptors go with them. */
static void descriptors_gone(int before)
{
	for (int i = 0; i < 5000 && descriptors_open() > before; i++)
		usleep(1000);
	ck_assert_msg(descriptors_open() <= before, "%s leaves %d descriptors", trial.name, descriptors_open() - before);
}

/* What is made once for the process stays, so another thread must not add to it. */
static void with_fault_in_child(void)
{
	bool reached;
	int before;

	in_thread(with_fault, NULL);
	reached = trial.reached;
	before = descriptors_open();
	trial.request = 0;
	in_thread(with_fault, NULL);
	descriptors_gone(before);
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		_exit(EXIT_FAILURE);
	_exit(reached ? EXIT_SUCCESS : NOT_REACHED);
}

void requests_fail(const char *name, int (*function)(void))
{
	char said[4096];
	int status;

	trial.name = name;
	trial.function = function;
	for (trial.request = 1; trial.request < REQUESTS_MAX; trial.request++) {
		status = in_child(with_fault_in_child, said, sizeof(said));
		if (status == NOT_REACHED << 8)
			break;
		ck_assert_msg(status == 0, "%s, request %u refused: status %#x %s", name, trial.request, status, said);
	}
	ck_assert_uint_gt(trial.request, 1);
	ck_assert_uint_lt(trial.request, REQUESTS_MAX);
}
#else
void requests_fail(const char *name, int (*function)(void))
{
	(void)name;
	(void)function;
	skipped("faults are injected in builds with --enable-debug only");
}
#endif

static void read_all(int fd, char *output, size_t size)
{
	char rest[256];
	size_t used = 0;
	ssize_t got;

	while ((got = read(fd, used + 1 < size ? output + used : rest, used + 1 < size ? size - 1 - used : sizeof(rest))) > 0) {
		if (used + 1 < size)
			used += (size_t)got;
	}
	if (output)
		output[used] = '\0';
}

int in_child(void (*function)(void), char *output, size_t size)
{
	int status, fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (output)
			dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		function();
		_exit(0);
	}
	close(fds[1]);
	read_all(fds[0], output, output ? size : 0);
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

int listener(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = green_socket(AF_INET, SOCK_STREAM, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &length), 0);
	return fd;
}

void tcp_pair(int fds[2])
{
	struct sockaddr_in address;
	int listening = listener(&address);

	fds[0] = green_socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fds[0], 0);
	ck_assert_int_eq(green_connect(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
	fds[1] = green_accept(listening, NULL, NULL);
	ck_assert_int_ge(fds[1], 0);
	ck_assert_int_eq(green_close(listening), 0);
}

void close_pair(int fds[2])
{
	ck_assert_int_eq(green_close(fds[0]), 0);
	ck_assert_int_eq(green_close(fds[1]), 0);
}
