/* SPDX-License-Identifier: MIT */
/*
 * monitor.c - one kernel thread that looks at the others: hubs that do not come round, memory, the program's own checks
 *
 * It also writes the dumps that a signal asks for, because a handler can hardly do
 * anything and a hub may be kept by a computation.  A hub is looked at through counters that
 * it has anyhow, so it does nothing more for being watched.
 *
 * The lock guards what both the program and the thread change; neither is ever called under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/action.h"
#include "base/fault.h"
#include "base/spinlock.h"
#include "green/debug.h"
#include "hub/worker.h"
#include "inspect/dump.h"
#include "inspect/walk.h"

enum {
	BLOCKING_MS = 100,
	BLOCKING_MIN = 5,
	MEMORY_MS = 5000,
	MEMORY_MIN = 2000,
	CHECK_MIN = 5,
	ANSWER_MS = 1000,
	HUBS_MAX = 64, /* that are reported at one look */
};

struct check {
	struct check *next;
	void (*function)(void *);
	void *argument;
	int period_ms;
	int64_t due;
};

static struct {
	struct spinlock lock;
	bool exists;               /* the kernel thread */
	pid_t thread;
	int posted;                /* futex: something has changed */
	bool on;                   /* the monitor was started */
	bool busy;                 /* the thread is looking, or calls what it was given */
	struct green_monitor options;
	struct check *checks;
	int64_t memory_due;
	size_t memory_told;        /* the largest that was told; 0: it is below the limit */
	/* The dump at a signal. */
	int signal, fd, flags;
	struct action before;
	int asked;                 /* atomic: dumps that are still to be written */
} monitor;

static void wake(void)
{
	__atomic_add_fetch(&monitor.posted, 1, __ATOMIC_ACQ_REL);
	sys_call(SYS_futex, &monitor.posted, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

/* --- events --- */

static void tell(const struct green_monitor *options, const struct green_monitored *monitored)
{
	if (options->event)
		options->event(monitored, options->argument);
}

static void write_blocked(int fd, const struct green_monitored *monitored, const struct blocked *blocked)
{
	struct text text;

	green__text_to(&text, fd);
	green__text_say(&text, "green: for %lld ms nobody else could run; ", (long long)monitored->milliseconds);
	green__dump_blocked(&text, monitored->thread, blocked);
	green__text_flush(&text);
}

static void report_blocked(const struct green_monitor *options, const struct blocked_thread *thread, int64_t ms)
{
	struct green_monitored monitored = { .event = GREEN_MONITOR_BLOCKED, .thread = thread->id, .milliseconds = ms };
	struct blocked blocked;

	green__blocked_look(thread, &blocked);
	monitored.id = blocked.id;
	monitored.name = blocked.name;
	monitored.frames = (void *const *)blocked.frames;
	monitored.frame_count = blocked.count;
	if (!options->silent)
		write_blocked(options->fd, &monitored, &blocked);
	tell(options, &monitored);
}

/* --- hubs --- */

/* A hub that has to be reported; filled in while it cannot go. */
struct stuck {
	struct blocked_thread thread;
	int64_t ms;
};

struct survey {
	const struct green_monitor *options;
	int64_t now;
	size_t count;
	struct stuck stuck[HUBS_MAX];
};

/* What changes whenever a hub comes round. */
static uint64_t progress(const struct hub *hub)
{
	return __atomic_load_n(&hub->flow->stats->switches, __ATOMIC_RELAXED) +
	       __atomic_load_n(&hub->iterations, __ATOMIC_RELAXED);
}

static bool look_at(struct hub *hub, void *argument)
{
	struct survey *survey = argument;
	uint64_t now_at = progress(hub);
	int64_t ms;

	if (now_at != hub->seen_at || __atomic_load_n(&hub->loop.sleeping, __ATOMIC_RELAXED) || !hub->seen) {
		hub->seen_at = now_at;
		hub->seen = survey->now;
		hub->report_ms = survey->options->blocking_ms;
		return true;
	}
	ms = (survey->now - hub->seen) / NS_PER_MS;
	if (ms < hub->report_ms || survey->count == HUBS_MAX)
		return true;
	hub->report_ms = 2 * ms;
	survey->stuck[survey->count].ms = ms;
	green__blocked_thread(hub, &survey->stuck[survey->count++].thread);
	return true;
}

static void look_at_hubs(const struct green_monitor *options)
{
	struct survey survey = { .options = options, .now = clock_now() };

	if (options->blocking_ms < 0)
		return;
	green__hubs_visit(look_at, &survey);
	for (size_t i = 0; i < survey.count; i++)
		report_blocked(options, &survey.stuck[i].thread, survey.stuck[i].ms);
}

/* --- memory --- */

static size_t resident_bytes(void)
{
	long fd = sys_call(SYS_openat, AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128] = "", *second;
	long size;

	if (sys_failed(fd))
		return 0;
	size = sys_call(SYS_read, fd, text, sizeof(text) - 1);
	sys_call(SYS_close, fd);
	text[size > 0 ? size : 0] = '\0';
	second = strchr(text, ' ');
	return second ? strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static void write_memory(const struct green_monitor *options, size_t bytes)
{
	struct text text;

	green__text_to(&text, options->fd);
	green__text_say(&text, "green: %zu KiB of memory are used, and %zu are the limit\n", bytes / 1024,
			options->memory_max / 1024);
	green__text_flush(&text);
}

static void look_at_memory(const struct green_monitor *options, int64_t now)
{
	struct green_monitored monitored = { .bytes = 0 };

	if (!options->memory_max || now < monitor.memory_due)
		return;
	monitor.memory_due = clock_after_ms(options->memory_ms);
	monitored.bytes = resident_bytes();
	if (monitored.bytes > options->memory_max && monitored.bytes > monitor.memory_told) {
		monitor.memory_told = monitored.bytes;
		monitored.event = GREEN_MONITOR_MEMORY_OVER;
	} else if (monitored.bytes <= options->memory_max && monitor.memory_told) {
		monitor.memory_told = 0;
		monitored.event = GREEN_MONITOR_MEMORY_UNDER;
	} else {
		return;
	}
	if (!options->silent)
		write_memory(options, monitored.bytes);
	tell(options, &monitored);
}

/* --- checks of the program's --- */

/* One that is due at NOW, as a copy, or false; the lock is held. */
static bool take_due(int64_t now, struct check *due)
{
	for (struct check *check = monitor.checks; check; check = check->next) {
		if (!check->period_ms || check->due > now)
			continue;
		check->due = clock_after_ms(check->period_ms);
		*due = *check;
		return true;
	}
	return false;
}

static void run_checks(int64_t now)
{
	struct check check;
	bool found;

	do {
		spinlock_lock(&monitor.lock);
		found = monitor.on && take_due(now, &check);
		spinlock_unlock(&monitor.lock);
		if (found)
			check.function(check.argument);
	} while (found);
}

static struct check *find_check(void (*function)(void *), const void *argument)
{
	struct check *check = monitor.checks;

	while (check && (check->function != function || check->argument != argument))
		check = check->next;
	return check;
}

/* Checks are never freed: the thread may have a copy, and they are few. */
int green_monitor_check(void (*function)(void *argument), void *argument, int period_ms)
{
	struct check *made = NULL, *check;

	if (!function || period_ms < 0 || (period_ms > 0 && period_ms < CHECK_MIN)) {
		errno = EINVAL;
		return -1;
	}
	made = period_ms && !green__fault_injected() ? calloc(1, sizeof(*made)) : NULL;
	spinlock_lock(&monitor.lock);
	check = find_check(function, argument);
	if (!check && made) {
		*made = (struct check){ .next = monitor.checks, .function = function, .argument = argument };
		monitor.checks = check = made;
		made = NULL;
	}
	if (check) {
		check->period_ms = period_ms;
		check->due = clock_after_ms(period_ms);
	}
	spinlock_unlock(&monitor.lock);
	free(made);
	wake();
	if (!check && period_ms) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

/* --- the thread --- */

/* When there is something to do next; the lock is held. */
static int64_t next_due(int64_t now)
{
	int64_t next = CLOCK_NEVER;

	if (!monitor.on)
		return next;
	/* Twice in the time that is allowed, so that half of it is the most by which a report may be late. */
	if (monitor.options.blocking_ms > 0)
		next = now + monitor.options.blocking_ms * NS_PER_MS / 2;
	if (monitor.options.memory_max && monitor.memory_due < next)
		next = monitor.memory_due;
	for (struct check *check = monitor.checks; check; check = check->next) {
		if (check->period_ms && check->due < next)
			next = check->due;
	}
	return next;
}

static void sleep_until(int seen, int64_t due)
{
	int64_t left = due == CLOCK_NEVER ? 0 : due - clock_now();
	struct timespec time = clock_to_timespec(left > 0 ? left : 0);

	sys_call(SYS_futex, &monitor.posted, FUTEX_WAIT_PRIVATE, seen, due == CLOCK_NEVER ? NULL : &time);
}

static void write_dumps(void)
{
	struct text text;

	while (__atomic_load_n(&monitor.asked, __ATOMIC_ACQUIRE) > 0) {
		__atomic_sub_fetch(&monitor.asked, 1, __ATOMIC_ACQ_REL);
		green__text_to(&text, monitor.fd);
		green__dump_hubs(&text, monitor.flags, ANSWER_MS);
		green__text_flush(&text);
	}
}

/* True while the thread is needed; says that it is busy with OPTIONS, or that it is not needed any more. */
static bool begin(struct green_monitor *options, bool *on)
{
	bool needed;

	spinlock_lock(&monitor.lock);
	*on = monitor.busy = monitor.on;
	*options = monitor.options;
	needed = monitor.on || monitor.signal;
	if (!needed)
		monitor.exists = false;
	spinlock_unlock(&monitor.lock);
	return needed;
}

/* When to begin again. */
static int64_t end(void)
{
	int64_t due;

	spinlock_lock(&monitor.lock);
	monitor.busy = false;
	due = next_due(clock_now());
	spinlock_unlock(&monitor.lock);
	return due;
}

static void *monitor_main(void *unused)
{
	struct green_monitor options;
	int seen = __atomic_load_n(&monitor.posted, __ATOMIC_ACQUIRE);
	bool on;

	monitor.thread = (pid_t)sys_call(SYS_gettid);
	while (begin(&options, &on)) {
		write_dumps();
		if (on) {
			look_at_hubs(&options);
			look_at_memory(&options, clock_now());
			run_checks(clock_now());
		}
		sleep_until(seen, end());
		seen = __atomic_load_n(&monitor.posted, __ATOMIC_ACQUIRE);
	}
	return unused;
}

/* The child of a fork has no monitor, and natively none would write dumps. */
static void after_fork(void)
{
	spinlock_init(&monitor.lock);
	green__blocked_after_fork();
	if (monitor.signal)
		action_exchange(monitor.signal, &monitor.before, NULL);
	monitor.exists = monitor.on = monitor.busy = false;
	monitor.signal = monitor.asked = 0;
}

static void fork_watch(void)
{
	static int watching;

	if (!__atomic_exchange_n(&watching, 1, __ATOMIC_RELAXED))
		pthread_atfork(NULL, NULL, after_fork);
}

/* Let there be a thread; 0 or an errno value.  ON or SIGNAL is set already, so that it stays. */
static int thread_needed(void)
{
	bool make;
	int error = 0;

	fork_watch();
	spinlock_lock(&monitor.lock);
	make = !monitor.exists;
	monitor.exists = true;
	spinlock_unlock(&monitor.lock);
	if (make)
		error = green__helper_create(monitor_main, NULL);
	if (error)
		monitor.exists = false;
	wake();
	return error;
}

/* --- start and stop --- */

static bool options_good(const struct green_monitor *options)
{
	if (options->blocking_ms < -1 || (options->blocking_ms > 0 && options->blocking_ms < BLOCKING_MIN))
		return false;
	if (options->memory_ms != 0 && options->memory_ms < MEMORY_MIN)
		return false;
	return options->fd >= 0 && options->signal >= 0;
}

static void fill_in(struct green_monitor *options)
{
	if (options->blocking_ms == 0)
		options->blocking_ms = BLOCKING_MS;
	if (options->memory_ms == 0)
		options->memory_ms = MEMORY_MS;
	if (options->fd == 0)
		options->fd = STDERR_FILENO;
}

static bool forget(struct hub *hub, void *unused)
{
	(void)unused;
	hub->seen = 0;
	return true;
}

/* False if it is on already. */
static bool switch_on(const struct green_monitor *options)
{
	bool was;

	spinlock_lock(&monitor.lock);
	was = monitor.on;
	if (!was) {
		monitor.options = *options;
		monitor.memory_due = clock_after_ms(options->memory_ms);
		monitor.memory_told = 0;
		monitor.on = true;
	}
	spinlock_unlock(&monitor.lock);
	return !was;
}

int green_monitor_start(const struct green_monitor *given)
{
	struct green_monitor options = { .blocking_ms = 0 };
	int error;

	if (given)
		options = *given;
	error = options_good(&options) ? 0 : EINVAL;
	fill_in(&options);
	if (!error)
		error = -green__blocked_signal(options.signal);
	if (!error) {
		/* What walks stacks is loaded here, not by a thread that the program does not know of. */
		green__walk_possible();
		green__hubs_visit(forget, NULL);
		error = switch_on(&options) ? 0 : EALREADY;
	}
	if (!error) {
		tell(&options, &(struct green_monitored){ .event = GREEN_MONITOR_STARTED });
		error = thread_needed();
		if (error)
			monitor.on = false;
	}
	errno = error ? error : errno;
	return error ? -1 : 0;
}

int green_monitor_stop(void)
{
	struct timespec pause = { 0, NS_PER_MS };
	bool was, busy;

	if (monitor.exists && monitor.thread == sys_call(SYS_gettid)) {
		errno = EDEADLK;
		return -1;
	}
	spinlock_lock(&monitor.lock);
	was = monitor.on;
	busy = monitor.busy;
	monitor.on = false;
	spinlock_unlock(&monitor.lock);
	wake();
	while (busy) {
		sys_call(SYS_nanosleep, &pause, NULL);
		busy = __atomic_load_n(&monitor.busy, __ATOMIC_ACQUIRE);
	}
	if (!was)
		errno = EINVAL;
	return was ? 0 : -1;
}

/* --- a dump at a signal --- */

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	__atomic_add_fetch(&monitor.asked, 1, __ATOMIC_ACQ_REL);
	wake();
}

static void dump_signal_end(void)
{
	if (monitor.signal)
		action_exchange(monitor.signal, &monitor.before, NULL);
	monitor.signal = 0;
	wake();
}

static int dump_signal_begin(int number, int fd, int flags)
{
	struct action action;
	int error;

	green__action_handled(&action, on_signal, SA_RESTART | SA_ONSTACK);
	if (number < 0 || (flags & ~GREEN_DUMP_STACKS) || action_exchange(number, NULL, &monitor.before))
		return EINVAL;
	green__walk_possible();
	monitor.fd = fd;
	monitor.flags = flags;
	monitor.signal = number;
	error = thread_needed();
	if (!error && action_exchange(number, &action, NULL))
		error = EINVAL;
	if (error)
		monitor.signal = 0;
	return error;
}

int green_dump_on_signal(int number, int fd, int flags)
{
	int error = 0;

	dump_signal_end();
	if (number)
		error = dump_signal_begin(number, fd, flags);
	if (error)
		errno = error;
	return error ? -1 : 0;
}
