/* SPDX-License-Identifier: MIT */
/*
 * preempt.c - the tick that takes the carrier from a thread that does not give it away
 *
 * CPython and Ruby count on it: a thread that waits for the interpreter's lock
 * wakes after a few milliseconds and asks for it, and for that it has to run.  The
 * timer counts the carrier's own CPU time, so a carrier that sleeps does not tick.
 *
 * The switch happens inside the signal handler, with the signal's frame on the
 * thread's own stack.  That is safe only where the thread holds no lock of libc's
 * and changes nothing of ours, which the interrupted instruction tells: code of
 * libc, ld.so, the vDSO, libgcc and our own is left alone, and asked again after a
 * moment of the wall clock.  A call that begins to wait in the kernel within that
 * moment, and that no wrapper of ours covers, may end with EINTR.
 */
#include "preempt.h"

#include <link.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "hub/task.h"
#include "signals.h"

#define TICK (2 * NS_PER_MS)
#define AGAIN (100 * INT64_C(1000)) /* after a tick that came at a bad moment, by the wall clock */

enum {
	TICK_SIGNAL = 62, /* a real-time signal that hardly anybody uses, taken only if nobody does */
	RANGES_MAX = 16,
	AGAIN_MAX = 64,   /* tries before the next regular tick has to do */
	LEAF_BYTES = 512, /* how far a string function reaches; its neighbours are of its kind */
};

struct range {
	uintptr_t start, end;
};

/* Where a thread must not be interrupted. */
static struct range ranges[RANGES_MAX];
static size_t range_count;
static int timer, again_timer;
static int signal_number;
static unsigned tries;

/* Functions of libc that may run long and push nothing, so that their caller is on top of the stack. */
static uintptr_t leaves[8];

static bool library_left_alone(const char *name)
{
	static const char *const names[] = { "libc.so", "ld-linux", "libgcc_s", "libgreen", "linux-vdso", "libpthread" };

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strstr(name, names[i]))
			return true;
	}
	return false;
}

static int note_ranges(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	if (!library_left_alone(info->dlpi_name))
		return 0;
	for (int i = 0; i < info->dlpi_phnum && range_count < RANGES_MAX; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
			continue;
		ranges[range_count].start = info->dlpi_addr + header->p_vaddr;
		ranges[range_count].end = ranges[range_count].start + header->p_memsz;
		range_count++;
	}
	return 0;
}

static void note_leaves(void)
{
	static const char *const names[] = { "memset", "memcpy", "memmove", "memcmp", "memchr", "strlen", "strcmp", "strchr" };

	for (size_t i = 0; i < ARRAY_LENGTH(leaves); i++)
		leaves[i] = (uintptr_t)dlsym(RTLD_DEFAULT, names[i]);
}

static bool is_leaf(uintptr_t pc)
{
	for (size_t i = 0; i < ARRAY_LENGTH(leaves); i++) {
		if (pc - leaves[i] < LEAF_BYTES)
			return true;
	}
	return false;
}

static bool left_alone(uintptr_t pc)
{
	for (size_t i = 0; i < range_count; i++) {
		if (pc >= ranges[i].start && pc < ranges[i].end)
			return true;
	}
	return false;
}

/* The return address on top of STACK, 0 if what lies there is none; the look-up takes no lock. */
static uintptr_t caller_of_leaf(const uintptr_t *stack)
{
	struct dl_find_object object;

	return _dl_find_object((void *)*stack, &object) == 0 ? *stack : 0;
}

/* True if the current thread may be suspended with REGISTERS: shim_hub answers for the signal stack and a vfork child. */
static bool preemptible(const greg_t *registers)
{
	struct greenlet *self = green__current;
	uintptr_t pc = (uintptr_t)registers[REG_RIP];

	if (!shim_greenlet() || !shim_hub() || self->flow->critical || self->kind == GREENLET_HUB)
		return false;
	/* malloc copies while it holds its lock, so of a string function the caller decides. */
	if (is_leaf(pc))
		pc = caller_of_leaf((const uintptr_t *)registers[REG_RSP]);
	return pc && !left_alone(pc) && !thread_self()->files_held && !dl_inside();
}

/* Only for a thread that computes in libc: whoever is about to wait will give the carrier away by itself. */
static void try_again(void)
{
	struct itimerspec once = { { 0, 0 }, { 0, AGAIN } };

	if (!shim_greenlet() || green__current->flow->critical || tries++ >= AGAIN_MAX) {
		tries = 0;
		return;
	}
	sys_call(SYS_timer_settime, again_timer, 0, &once, NULL);
}

static void on_tick(int number, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;

	(void)number;
	(void)info;
	if (!preemptible(interrupted->uc_mcontext.gregs)) {
		try_again();
		return;
	}
	tries = 0;
	green__yield(shim.hub);
	/* The mask that returning installs is the carrier's of now, not of then. */
	signals_refresh_mask(&interrupted->uc_sigmask);
	if (unlikely(thread_self()->asynchronous))
		shim_cancellation_point();
}

static bool signal_unused(int number)
{
	struct sigaction action;

	return real(sigaction)(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

static bool timer_begin(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal_number };
	struct itimerspec tick = { { 0, TICK }, { 0, TICK } };

	event._sigev_un._tid = (pid_t)sys_call(SYS_gettid);
	if (sys_call(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &timer) ||
	    sys_call(SYS_timer_create, CLOCK_MONOTONIC, &event, &again_timer))
		return false;
	return sys_call(SYS_timer_settime, timer, 0, &tick, NULL) == 0;
}

void preempt_birth(void)
{
	struct sigaction action = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER };

	if (!signal_unused(TICK_SIGNAL))
		return;
	dl_find_lock();
	dl_iterate_phdr(note_ranges, NULL);
	note_leaves();
	sigemptyset(&action.sa_mask);
	if (real(sigaction)(TICK_SIGNAL, &action, NULL))
		return;
	signal_number = TICK_SIGNAL;
	if (!timer_begin())
		preempt_stop();
}

void preempt_after_fork(void)
{
	if (signal_number)
		timer_begin();
}

int preempt_signal(void)
{
	return signal_number;
}

void preempt_stop(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	if (!signal_number)
		return;
	sys_call(SYS_timer_delete, timer);
	sys_call(SYS_timer_delete, again_timer);
	real(sigaction)(signal_number, &action, NULL);
	signal_number = 0;
}
