/* SPDX-License-Identifier: MIT */
/*
 * audit.c - a kernel thread looks every other millisecond at what the carrier does
 *
 * The kernel tells in /proc which system call a thread is in, and in its schedstat how long
 * it has run, how long it could have run and how often it was put on a CPU: two looks that
 * find the same call and the same count have found one wait.  Looking stops nobody.
 *
 * A call that wakes within the kernel, as a long read does, is one call as long as no wait of
 * it is long by itself; so are calls from one place that follow each other as fast.
 *
 * A thread that computes is left to the tick, which has its registers: it leaves a copy of
 * the stack here when it finds somebody else waiting and may not switch.
 *
 * The watch has a table of descriptors of its own, so the program's does not change.
 */
#include "audit.h"

#include <linux/close_range.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit_parts.h"
#include "hub/worker.h"
#include "shim.h"
#include "signals.h"
#include "sigparts.h"
#include "thread.h"

#define PERIOD (2 * NS_PER_MS)
#define LONG_STAY (10 * NS_PER_MS)
#define FILE_PAUSE (200 * NS_PER_MS) /* between two writings of the file */

enum { READ_TRIES = 10 };

bool audit_on;

/* One look at the carrier. */
struct look {
	int64_t now;
	int64_t ran, could_run;    /* nanoseconds on a CPU, and waiting for one */
	uint64_t runs;             /* how often it was put on a CPU */
	uint64_t switches;
	bool waits;                /* in a call, or for a page */
	long number;
	uintptr_t first, sp, pc;   /* of the call: its first argument, and where it was made */
};

/* The call that the carrier is in. */
struct stay {
	bool active;
	struct look before;        /* the last look that did not find it */
	struct look seen;          /* the first one that did */
	int64_t runs_since;        /* since when it has not been on a CPU */
	bool copied;
};

enum { BUSY_FREE, BUSY_FILLING, BUSY_FULL };

static struct {
	char target[PATH_MAX];     /* begins the names of files; empty: standard error */
	bool first;                /* the process that green run became: it always says something */
	bool running;
	bool told;                 /* a report was asked for before */
	int asked, answered;       /* futex words: the end of the process waits for a last look */
	int output;                /* in the watch's own table */
	long syscall_file, schedule_file;
	long begin;                /* where its file begins to be this program's */
	int64_t written;
} watch = { .output = -1 };

static struct stay stay;
static struct snapshot stay_stack;

/* What the tick left; only the carrier fills it, only the watch empties it. */
static struct {
	int state;
	bool seen;
	uint64_t switches;
	int64_t ran;
	struct snapshot stack;
} busy;

/* --- looking --- */

static bool read_schedule(struct look *look)
{
	char text[128];
	long length = sys_call(SYS_pread64, watch.schedule_file, text, sizeof(text) - 1, 0);
	unsigned long long ran, could_run, runs;

	if (length <= 0)
		return false;
	text[length] = '\0';
	if (sscanf(text, "%llu %llu %llu", &ran, &could_run, &runs) != 3)
		return false;
	look->ran = (int64_t)ran;
	look->could_run = (int64_t)could_run;
	look->runs = runs;
	return true;
}

/* The time at which the schedule was so: the watch itself may have been kept from its CPU between the two. */
static bool read_time(struct look *look)
{
	for (int tries = 0; tries < READ_TRIES; tries++) {
		look->now = clock_now();
		if (!read_schedule(look))
			return false;
		if (clock_now() - look->now < NS_PER_MS / 4)
			break;
	}
	return true;
}

/* "running", or the number, six arguments, the stack pointer and the place; outside of calls -1 and the last two. */
static void read_call(struct look *look)
{
	char text[256];
	long length = sys_call(SYS_pread64, watch.syscall_file, text, sizeof(text) - 1, 0);

	look->waits = false;
	if (length <= 0)
		return;
	text[length] = '\0';
	if (sscanf(text, "%ld %zx %*x %*x %*x %*x %*x %zx %zx", &look->number, &look->first, &look->sp,
		   &look->pc) == 4)
		look->waits = true;
	else if (sscanf(text, "-1 %zx %zx", &look->sp, &look->pc) == 2)
		look->waits = true;
	if (look->waits && strncmp(text, "-1 ", 3) == 0)
		look->number = KEPT_BY_FAULT;
}

/* The hub's own wait keeps nobody, and neither does whoever is alone. */
static bool is_idle(const struct look *look)
{
	const struct hub *hub = shim.hub;

	if (!hub || hub->flow->living <= 2)
		return true;
	return (look->number == SYS_epoll_pwait || look->number == SYS_epoll_pwait2) &&
	       (int)look->first == hub->loop.epoll_fd;
}

static void look_at(struct look *look)
{
	struct look again;

	memset(look, 0, sizeof(*look));
	look->switches = __atomic_load_n(&shim.stats->switches, __ATOMIC_RELAXED);
	if (!read_time(look))
		return;
	read_call(look);
	/* What was read belongs together only if the carrier has slept all the while. */
	if (look->waits && (!read_schedule(&again) || again.runs != look->runs || is_idle(look)))
		look->waits = false;
}

/* --- calls --- */

static bool same_call(const struct look *one, const struct look *other)
{
	return one->number == other->number && one->pc == other->pc && one->sp == other->sp && one->first == other->first;
}

/*
 * What of the time between two looks the carrier neither ran nor could have run; the kernel
 * accounts for both at its ticks or later, so some milliseconds may be missing.
 */
static int64_t slept_between(const struct look *from, const struct look *to)
{
	return to->now - from->now - (to->ran - from->ran) - (to->could_run - from->could_run);
}

static void stay_end(const struct look *last, const struct look *now)
{
	int64_t sure = last->now - stay.seen.now, likely_all = slept_between(&stay.before, now);

	if (stay.copied && sure >= LONG_STAY)
		report_add(stay.seen.number, &stay_stack, likely_all > sure ? likely_all : sure);
	stay.active = false;
}

static void stay_begin(const struct look *before, const struct look *now)
{
	stay.active = true;
	stay.before = *before;
	stay.seen = *now;
	stay.runs_since = now->now;
	stay.copied = false;
}

static bool stay_is_over(const struct look *last, const struct look *now)
{
	if (!now->waits || !same_call(&stay.seen, now))
		return true;
	return now->runs != last->runs && last->now - stay.runs_since >= LONG_STAY;
}

/* The copy is good if the carrier has not woken while it was made. */
static void stay_copy(const struct look *now)
{
	struct registers at = { .pc = now->pc, .sp = now->sp };
	struct look again;

	green__snapshot_take(&stay_stack, &at);
	stay.copied = read_schedule(&again) && again.runs == now->runs;
}

static void look_for_calls(const struct look *last, const struct look *now)
{
	if (stay.active && stay_is_over(last, now))
		stay_end(last, now);
	if (!now->waits)
		return;
	if (!stay.active)
		stay_begin(last, now);
	else if (now->runs != last->runs)
		stay.runs_since = now->now;
	if (!stay.copied && now->now - stay.seen.now >= LONG_STAY)
		stay_copy(now);
}

/* --- computing --- */

void audit_note_tick(const greg_t *registers)
{
	struct registers at = {
		.pc = (uintptr_t)registers[REG_RIP],
		.sp = (uintptr_t)registers[REG_RSP],
		.bp = (uintptr_t)registers[REG_RBP],
	};
	int free = BUSY_FREE;

	if (!__atomic_compare_exchange_n(&busy.state, &free, BUSY_FILLING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	busy.switches = shim.stats->switches;
	busy.seen = false;
	green__snapshot_take(&busy.stack, &at);
	__atomic_store_n(&busy.state, BUSY_FULL, __ATOMIC_RELEASE);
}

/* Time on a CPU counts from the first look after the tick: others may have had the CPU meanwhile. */
static void look_for_computing(const struct look *now)
{
	if (__atomic_load_n(&busy.state, __ATOMIC_ACQUIRE) != BUSY_FULL)
		return;
	if (!busy.seen)
		busy.ran = now->ran;
	busy.seen = true;
	if (busy.switches == now->switches)
		return;
	if (now->ran - busy.ran > LONG_STAY)
		report_add(KEPT_BY_COMPUTING, &busy.stack, now->ran - busy.ran);
	__atomic_store_n(&busy.state, BUSY_FREE, __ATOMIC_RELEASE);
}

/* --- the watch --- */

static long open_of_carrier(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/%s", sys_call(SYS_getpid), name);
	return sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static long open_target(void)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s.%ld", watch.target, sys_call(SYS_getpid));
	return sys_call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

/* Standard error is kept, for the program may have closed it by the time of the report. */
static const char *open_files(void)
{
	if (sys_call(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_UNSHARE))
		return "the kernel gives the watch no descriptors of its own";
	sys_call(SYS_close_range, STDIN_FILENO, STDOUT_FILENO, 0);
	watch.syscall_file = open_of_carrier("syscall");
	watch.schedule_file = open_of_carrier("schedstat");
	if (sys_failed(watch.syscall_file) || sys_failed(watch.schedule_file))
		return "/proc does not tell what the carrier does";
	watch.output = watch.target[0] ? (int)open_target() : STDERR_FILENO;
	if (watch.output < 0)
		return "its file cannot be written";
	/* The program that this process was before may have written, too. */
	watch.begin = watch.target[0] ? sys_call(SYS_lseek, watch.output, 0, SEEK_END) : 0;
	return NULL;
}

/* A file has each version from its beginning; the screen only gets the last one. */
static void write_report(void)
{
	if (watch.target[0]) {
		sys_call(SYS_ftruncate, watch.output, watch.begin);
		sys_call(SYS_lseek, watch.output, watch.begin, SEEK_SET);
	}
	report_write(watch.output, watch.first || watch.target[0]);
}

static void answer(const struct look *last, const struct look *now, int asked)
{
	if (stay.active)
		stay_end(last, now);
	if (!watch.told || report_changed())
		write_report();
	watch.told = true;
	__atomic_store_n(&watch.answered, asked, __ATOMIC_RELEASE);
	sys_call(SYS_futex, &watch.answered, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static void keep_file(int64_t now)
{
	if (!watch.target[0] || !report_changed() || now - watch.written < FILE_PAUSE)
		return;
	watch.written = now;
	write_report();
}

static void *watch_main(void *unused)
{
	struct timespec period = clock_to_timespec(PERIOD);
	const char *problem = open_files();
	struct look last, now;

	if (problem) {
		shim_say("%s: no audit", problem);
		watch.answered = INT_MAX;
		return unused;
	}
	look_at(&last);
	for (;;) {
		int answered = watch.answered, asked;

		sys_call(SYS_futex, &watch.asked, FUTEX_WAIT_PRIVATE, answered, &period);
		asked = __atomic_load_n(&watch.asked, __ATOMIC_ACQUIRE);
		look_at(&now);
		look_for_calls(&last, &now);
		look_for_computing(&now);
		if (asked != answered)
			answer(&last, &now, asked);
		keep_file(now.now);
		last = now;
	}
	return unused;
}

/* Signals that mostly end a process from outside: their default becomes a handler of ours that does the same. */
static void guard_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGABRT, SIGALRM, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
		action_guard(numbers[i]);
}

void audit_watch(void)
{
	if (watch.running || !shim.hub)
		return;
	watch.running = green__helper_create(watch_main, NULL) == 0;
	if (watch.running)
		guard_signals();
	else
		shim_say("no kernel thread could be made: no audit");
}

/* --- the process --- */

/* A process whose threads nobody could hold up has no watch. */
static void tell_of_no_threads(void)
{
	long fd = watch.target[0] ? open_target() : STDERR_FILENO;

	sys_call(SYS_lseek, fd, 0, SEEK_END);
	report_line((int)fd, "green audit: process %ld made no thread that could have been held up", sys_call(SYS_getpid));
	if (fd != STDERR_FILENO && !sys_failed(fd))
		sys_call(SYS_close, fd);
}

/* The child of vfork has its parent's memory, and the parent goes on. */
void audit_end(bool becomes_another)
{
	struct timespec patience = { 0, 50 * NS_PER_MS };
	int asked;

	if (shim.in_vfork_child)
		return;
	if (!watch.running) {
		if (watch.first && !shim.stood_down && !becomes_another)
			tell_of_no_threads();
		return;
	}
	asked = __atomic_add_fetch(&watch.asked, 1, __ATOMIC_ACQ_REL);
	sys_call(SYS_futex, &watch.asked, FUTEX_WAKE_PRIVATE, 1);
	for (int tries = 0; tries < 10; tries++) {
		int answered = __atomic_load_n(&watch.answered, __ATOMIC_ACQUIRE);

		if (answered >= asked)
			break;
		sys_call(SYS_futex, &watch.answered, FUTEX_WAIT_PRIVATE, answered, &patience);
	}
}

__attribute__((destructor)) static void at_exit(void)
{
	audit_process_ends();
}

void audit_after_fork(void)
{
	if (!audit_on)
		return;
	report_clear();
	watch.running = watch.told = watch.first = false;
	watch.asked = watch.answered = 0;
	stay.active = false;
	busy.state = BUSY_FREE;
}

static bool is_own_pid(const char *text)
{
	return text && atol(text) == sys_call(SYS_getpid);
}

/* The program may change its directory. */
static void set_target(const char *value)
{
	char directory[PATH_MAX] = "";

	if (*value != '/' && sys_failed(sys_call(SYS_getcwd, directory, sizeof(directory))))
		directory[0] = '\0';
	snprintf(watch.target, sizeof(watch.target), "%.2000s%s%.2000s", directory, directory[0] ? "/" : "", value);
}

void audit_begin(void)
{
	const char *value = getenv("GREEN_AUDIT");

	if (!value || !*value || strcmp(value, "0") == 0)
		return;
	audit_on = true;
	watch.first = is_own_pid(getenv("GREEN_AUDIT_PID"));
	if (strcmp(value, "1") != 0)
		set_target(value);
}
