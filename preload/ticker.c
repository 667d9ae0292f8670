/* SPDX-License-Identifier: MIT */
/*
 * ticker.c - when the tick comes: two clocks of the kernel's that only run while the carrier computes
 *
 * A tick must never end a system call with EINTR, for no wrapper of ours need be
 * around it.  Hence no clock of wall time.
 *
 * The coarse clock is a timer on the thread's CPU time.  The kernel looks at such
 * timers at its own ticks only (every 4 ms with the usual 250 a second), and from
 * Linux 5.11 on sends their signals on the way back to the program, when a system
 * call is over and its result stands.
 *
 * The fine clock is a performance event that counts nanoseconds and leaves the
 * kernel out: it interrupts the program's own instructions and nothing else.  It
 * costs some microseconds each time the carrier sleeps, so it stands in only where
 * a slice shorter than the kernel's tick is wanted, and for short whiles: after a
 * tick that came at a bad moment, and while somebody computes beside a timer that
 * is due before the next tick.  Many systems keep it from ordinary users; the
 * coarse clock must do there.
 *
 * The kernel makes itself ready for performance events when the first one is made, and
 * ceases to be a second after the last one is gone; that takes it ten milliseconds and more,
 * in the call.  So a short-lived kernel thread makes one first, of no use otherwise, which
 * is kept: on a thread that has ended it costs nobody anything.
 *
 * The event's signal is queued anew each time, unless it is one of the old,
 * unnumbered ones, of which no more than one is ever pending.
 */
#include "ticker.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "hub/worker.h"
#include "shim.h"

#define HURRY (20 * INT64_C(1000))

enum {
	HURRY_MAX = 500, /* ticks in a hurry before the next regular one has to do */
	PAGE = 4096,
};

static struct {
	int number;         /* the signal; 0 while nothing ticks */
	int timer;          /* the coarse clock */
	bool has_timer;
	long fine;          /* a fine clock for the slices; it lives as long as this mapping of it; 0: none */
	long hurry;         /* another one, after a tick that came at a bad moment; 0: none */
	long aim;           /* a third, for a timer that is due before the next tick; 0: none */
	int64_t step;       /* how far apart the ticks really are */
	bool fine_refused;
	unsigned hurried;   /* ticks since the first that came at a bad moment; 0: no hurry */
	int64_t slice;
	enum { READY_NOT, READY_WANTED, READY_SOON, READY } readiness; /* of the kernel for fine clocks; atomic */
} ticker;

static long fine_open(uint64_t what, int64_t period)
{
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE,
		.config = what,
		.size = sizeof(event),
		.sample_period = (uint64_t)period,
		.wakeup_events = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.disabled = 1,
	};

	return sys_call(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* The descriptor is in a table of this thread's own, so the program does not see it. */
static void *make_ready(void *unused)
{
	long fd = -EBADF;

	if (sys_call(SYS_close_range, 0, UINT_MAX, CLOSE_RANGE_UNSHARE) == 0)
		fd = fine_open(PERF_COUNT_SW_DUMMY, 0);
	if (!sys_failed(fd))
		sys_call(SYS_mmap, NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	__atomic_store_n(&ticker.readiness, READY, __ATOMIC_RELEASE);
	return unused;
}

/* Without a thread for it the carrier has to wait. */
void ticker_prepare(void)
{
	int saved = errno;

	if (likely(ticker.readiness != READY_WANTED))
		return;
	ticker.readiness = READY_SOON;
	if (green__helper_create(make_ready, NULL))
		ticker.readiness = READY;
	errno = saved;
}

/* In a handler no thread can be made, so whoever leaves a critical section next does it. */
static bool is_ready(void)
{
	if (likely(__atomic_load_n(&ticker.readiness, __ATOMIC_ACQUIRE) == READY))
		return true;
	if (ticker.readiness == READY_NOT) {
		ticker.readiness = READY_WANTED;
		green__current->flow->interrupts = 1;
	}
	return false;
}

/* The descriptor is gone again before the program could see it: the mapping, which is returned, keeps the event. */
static long fine_start(int64_t period)
{
	struct f_owner_ex owner = { F_OWNER_TID, (pid_t)sys_call(SYS_gettid) };
	long fd, memory;

	if (ticker.fine_refused || ticker.number >= SIGRTMIN)
		return 0;
	fd = fine_open(PERF_COUNT_SW_TASK_CLOCK, period);
	if (sys_failed(fd)) {
		ticker.fine_refused = fd != -EMFILE && fd != -ENFILE && fd != -ENOMEM;
		return 0;
	}
	sys_call(SYS_fcntl, fd, F_SETOWN_EX, &owner);
	sys_call(SYS_fcntl, fd, F_SETSIG, ticker.number);
	sys_call(SYS_fcntl, fd, F_SETFL, O_ASYNC);
	memory = sys_call(SYS_mmap, NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (!sys_failed(memory))
		sys_call(SYS_ioctl, fd, PERF_EVENT_IOC_ENABLE, 0);
	sys_call(SYS_close, fd);
	return sys_failed(memory) ? 0 : memory;
}

static void fine_stop(long *clock)
{
	if (*clock)
		sys_call(SYS_munmap, *clock, PAGE);
	*clock = 0;
}

static bool coarse_start(int64_t slice)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ticker.number };
	struct itimerspec tick = { clock_to_timespec(slice), clock_to_timespec(slice) };

	event._sigev_un._tid = (pid_t)sys_call(SYS_gettid);
	if (sys_call(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &ticker.timer))
		return false;
	ticker.has_timer = sys_call(SYS_timer_settime, ticker.timer, 0, &tick, NULL) == 0;
	if (!ticker.has_timer)
		sys_call(SYS_timer_delete, ticker.timer);
	return ticker.has_timer;
}

/* How far apart the kernel's own ticks are. */
static int64_t kernel_tick(void)
{
	struct timespec resolution;

	if (sys_call(SYS_clock_getres, CLOCK_MONOTONIC_COARSE, &resolution))
		return 0;
	return clock_from_timespec(&resolution);
}

bool ticker_start(int number, int64_t slice)
{
	bool wants_fine = slice != TIMESLICE_DEFAULT && slice < kernel_tick();

	ticker.number = number;
	ticker.slice = slice == TIMESLICE_DEFAULT ? 2 * NS_PER_MS : slice;
	ticker.hurried = 0;
	ticker.fine = wants_fine ? fine_start(ticker.slice) : 0;
	if (wants_fine && !ticker.fine && shim.verbose)
		shim_say("slices shorter than the kernel's tick of %ld us are not to be had here; using that",
			 (long)(kernel_tick() / 1000));
	ticker.step = ticker.fine || ticker.slice > kernel_tick() ? ticker.slice : kernel_tick();
	if (ticker.fine || coarse_start(ticker.slice))
		return true;
	/* A user has so many timers at most, and other processes of the same user may have them all. */
	ticker.fine = fine_start(ticker.slice);
	return ticker.fine != 0;
}

void ticker_stop(void)
{
	fine_stop(&ticker.fine);
	fine_stop(&ticker.hurry);
	fine_stop(&ticker.aim);
	if (ticker.has_timer)
		sys_call(SYS_timer_delete, ticker.timer);
	ticker.has_timer = false;
	ticker.number = 0;
}

/* Without a fine clock the next tick of the kernel's must do. */
static void coarse_hurry(void)
{
	struct itimerspec soon = { clock_to_timespec(ticker.slice), clock_to_timespec(HURRY) };

	if (ticker.has_timer)
		sys_call(SYS_timer_settime, ticker.timer, 0, &soon, NULL);
}

void ticker_hurry(void)
{
	if (++ticker.hurried > HURRY_MAX) {
		ticker_calm();
		return;
	}
	if (!ticker.hurry && is_ready())
		ticker.hurry = fine_start(HURRY);
	if (!ticker.hurry)
		coarse_hurry();
}

void ticker_calm(void)
{
	if (likely(!ticker.hurried))
		return;
	ticker.hurried = 0;
	fine_stop(&ticker.hurry);
}

void ticker_aim(int64_t deadline)
{
	int64_t left;

	fine_stop(&ticker.aim);
	if (deadline == CLOCK_NEVER || ticker.fine_refused)
		return;
	left = deadline - clock_now();
	if (left < ticker.step && is_ready())
		ticker.aim = fine_start(left > HURRY ? left : HURRY);
}

bool ticker_hurries(void)
{
	return ticker.hurried > 0;
}

void ticker_forget(void)
{
	ticker.fine = ticker.hurry = ticker.aim = 0;
	ticker.readiness = READY_NOT;
	ticker.has_timer = false;
}

bool ticker_sent(const siginfo_t *info)
{
	/* Of a file's signals each kind has a small number of its own. */
	if (info->si_code > 0 && info->si_code <= POLL_HUP)
		return true;
	return info->si_code == SI_TIMER && ticker.has_timer && info->si_timerid == ticker.timer;
}
