/* SPDX-License-Identifier: MIT */
/*
 * preempt.c - the tick that takes the carrier from a thread that does not give it away
 *
 * CPython and Ruby count on it: a thread that waits for the interpreter's lock
 * wakes after a few milliseconds and asks for it, and for that it has to run.
 * When the tick comes is ticker.c's; here is where it may act.
 *
 * The switch happens inside the signal handler, with the signal's frame on the
 * thread's own stack.  That is safe only where the thread holds no lock of libc's
 * and changes nothing of ours: whoever ran next and wanted that lock would make the
 * carrier wait for itself.  The interrupted instruction tells most of it: code of
 * libc, ld.so, libgcc and our own is left alone, and so is what libc calls while it
 * holds a lock: modules of name services and character sets, and the allocator.
 * For callbacks in the program's own code the other rules stand in: no FILE is
 * locked, ld.so's lock is not ours, and the stack is not in a shelter.
 */
#include "preempt.h"

#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include "audit.h"
#include "hub/task.h"
#include "signals.h"
#include "ticker.h"
#include "tls.h"

enum {
	RANGES_MAX = 16,
	STRING_BYTES = 512, /* how far a string function reaches; its neighbours are of its kind */
	CLOCK_BYTES = 128,
	CALLER_WORDS = 64,  /* more than the frames of a clock */
};

/* Signals that hardly anybody uses; one is taken only if nobody does.  The first suits both clocks. */
static const int candidates[] = { SIGSTKFLT, 62, 61, 60 };

struct range {
	uintptr_t start, end;
};

/* Where a thread must not be interrupted; the first ones are libraries that are there from the start. */
static struct range ranges[RANGES_MAX];
static size_t range_count;
static int signal_number;
int preempt_due;
static uint64_t came_back; /* the hub's turn when the last one who was stopped went on */
static int asked_for; /* somebody sent the program the signal that ticks */

/*
 * Where programs spend much time and no lock is taken, so that the caller counts:
 * string functions, which push nothing, libc's clocks, and the vDSO behind those.
 */
static struct range strings[8], clocks[3], vdso;

static bool within(const struct range *range, uintptr_t pc)
{
	return pc >= range->start && pc < range->end;
}

/* --- what is left alone --- */

static bool name_left_alone(const char *name)
{
	static const char *const names[] = { "libc.so", "ld-linux", "libgcc_s", "libgreen", "libpthread", "libnss_", "/gconv/" };

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strstr(name, names[i]))
			return true;
	}
	return false;
}

static struct range range_at(uintptr_t address)
{
	struct dl_find_object object;
	struct range range = { 0, 0 };

	if (address && _dl_find_object((void *)address, &object) == 0) {
		range.start = (uintptr_t)object.dlfo_map_start;
		range.end = (uintptr_t)object.dlfo_map_end;
	}
	return range;
}

static void note_range(struct range range)
{
	if (range.start && range_count < RANGES_MAX)
		ranges[range_count++] = range;
}

static int note_library(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	for (int i = 0; name_left_alone(info->dlpi_name) && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && (header->p_flags & PF_X))
			note_range((struct range){ start, start + header->p_memsz });
	}
	return 0;
}

/* libc allocates while it holds a lock, of a stream for instance.  An allocator inside the program itself is not told apart. */
static void note_allocator(void)
{
	struct dl_find_object object;
	void *allocate = dlsym(RTLD_DEFAULT, "malloc");

	if (allocate && _dl_find_object(allocate, &object) == 0 && object.dlfo_link_map->l_name[0])
		note_range(range_at((uintptr_t)allocate));
}

/* libc's own: one of the clocks is replaced here, by a jump to the real one that leaves nothing on the stack. */
static void note_functions(struct range *functions, const char *const names[], size_t count, size_t bytes)
{
	for (size_t i = 0; i < count; i++) {
		functions[i].start = (uintptr_t)dlsym(RTLD_NEXT, names[i]);
		functions[i].end = functions[i].start + bytes;
	}
}

static void note_callees(void)
{
	static const char *const of_strings[] = { "memset", "memcpy", "memmove", "memcmp", "memchr", "strlen", "strcmp", "strchr" };
	static const char *const of_clocks[] = { "clock_gettime", "gettimeofday", "time" };

	note_functions(strings, of_strings, ARRAY_LENGTH(strings), STRING_BYTES);
	note_functions(clocks, of_clocks, ARRAY_LENGTH(clocks), CLOCK_BYTES);
	vdso = range_at(getauxval(AT_SYSINFO_EHDR));
}

static void look_round(void)
{
	if (range_count)
		return;
	dl_iterate_phdr(note_library, NULL);
	note_allocator();
	note_callees();
}

/* Libraries that came later are known by their names; the look-up takes no lock. */
static bool left_alone(uintptr_t pc)
{
	struct dl_find_object object;

	for (size_t i = 0; i < range_count; i++) {
		if (within(&ranges[i], pc))
			return true;
	}
	return _dl_find_object((void *)pc, &object) == 0 && name_left_alone(object.dlfo_link_map->l_name);
}

/* --- where the thread was interrupted --- */

static bool within_any(const struct range *functions, size_t count, uintptr_t pc)
{
	for (size_t i = 0; i < count; i++) {
		if (within(&functions[i], pc))
			return true;
	}
	return false;
}

static bool follows_a_call(uintptr_t word)
{
	struct dl_find_object object;
	const unsigned char *code = (const unsigned char *)word;

	if (_dl_find_object((void *)word, &object) || word - (uintptr_t)object.dlfo_map_start < 8)
		return false;
	return code[-5] == 0xe8 || code[-2] == 0xff || code[-3] == 0xff || code[-6] == 0xff;
}

/*
 * Who called the clock, 0 if that cannot be seen.  The vDSO's frame may hold what
 * others left there, so the return into libc's wrapper is looked for first.
 */
static uintptr_t caller_of_clock(const uintptr_t *stack, bool in_vdso)
{
	size_t at = 0;

	for (size_t i = 0; in_vdso && at == 0 && i < CALLER_WORDS; i++)
		at = within_any(clocks, ARRAY_LENGTH(clocks), stack[i]) ? i + 1 : 0;
	for (size_t end = at + CALLER_WORDS; at < end; at++) {
		if (follows_a_call(stack[at]))
			return stack[at];
	}
	return 0;
}

/* Who is answerable for what happens at PC: malloc, for one, copies while it holds its lock. */
static uintptr_t answerable(uintptr_t pc, const uintptr_t *stack)
{
	if (within_any(strings, ARRAY_LENGTH(strings), pc))
		return follows_a_call(*stack) ? *stack : 0;
	if (within(&vdso, pc) || within_any(clocks, ARRAY_LENGTH(clocks), pc))
		return caller_of_clock(stack, within(&vdso, pc));
	return pc;
}

static bool harmless(const greg_t *registers)
{
	uintptr_t pc = answerable((uintptr_t)registers[REG_RIP], (const uintptr_t *)registers[REG_RSP]);

	return pc && !left_alone(pc);
}

int preempt_harmless(const void *context)
{
	return harmless(((const ucontext_t *)context)->uc_mcontext.gregs);
}

/* --- shelters --- */

static bool on_signal_stack(const struct thread *self, uintptr_t here)
{
	return here - (uintptr_t)self->alternate.ss_sp < self->alternate.ss_size;
}

uintptr_t shelter_enter(void)
{
	struct thread *self = thread_self();
	uintptr_t before = self->shelter;

	/* On a signal stack "further down" cannot be told, so the outer end holds. */
	if (!before)
		self->shelter = (uintptr_t)__builtin_frame_address(0);
	return before;
}

void shelter_leave(uintptr_t before)
{
	thread_self()->shelter = before;
}

static bool sheltered(struct thread *self, uintptr_t here)
{
	if (!self->shelter)
		return false;
	if (here <= self->shelter || on_signal_stack(self, here))
		return true;
	/* It was left by longjmp. */
	self->shelter = 0;
	return false;
}

/* --- the tick --- */

/*
 * True if the current thread, whose stack ends at HERE, may be suspended as far as
 * can be told without its registers: shim_hub answers for the signal stack and a
 * vfork child.
 */
static bool unlocked(uintptr_t here)
{
	struct thread *self = thread_self();

	return shim_hub() && green__current->kind != GREENLET_HUB && !self->files_held && !sheltered(self, here) &&
	       !dl_inside() && !tls_in_loader((uintptr_t)pthread_self());
}

/* Somebody sent the signal on purpose: let the program have it as it would without us. */
static void hand_over(void)
{
	int number = asked_for;

	asked_for = 0;
	preempt_stop();
	signals_masks_changed();
	sys_call(SYS_tgkill, sys_call(SYS_getpid), sys_call(SYS_gettid), number);
}

/*
 * Differs as soon as the hub has let somebody else run.  Explicit switches do not count: a thread that makes them, among
 * generators for instance, computes as any other.
 */
static uint64_t turn(void)
{
	return shim.hub->iterations << 8 | shim.hub->budget;
}

static void stand_aside(void)
{
	struct flow *flow = green__current->flow;

	shim.stats->preemptions++;
	green__hub_preempted(shim.hub);
	flow->critical++;
	came_back = turn();
	ticker_aim(timerq_next(&shim.hub->timers));
	flow->critical--;
}

static bool may_be_cancelled_here(void)
{
	return unlikely(thread_self()->cancel_requested) && tls_cancel_anywhere(thread_self()->block);
}

static void give_way(ucontext_t *interrupted)
{
	signals_let_through();
	stand_aside();
	/* Whoever is cancelled here never returns, so this comes before the mask is made ready for that. */
	if (may_be_cancelled_here())
		shim_cancellation_point();
	/* The mask that returning installs is the carrier's of now, not of then. */
	signals_refresh_mask(&interrupted->uc_sigmask);
}

/* True if nobody else has run since the last tick: other threads give way by themselves, and are not worth a hurry. */
static bool hogs(void)
{
	static uint64_t last;
	bool same = turn() == last;

	last = turn();
	return same;
}

/*
 * True if the current thread computes: it has run for a whole slice, or goes on after it was stopped.  Any other has
 * begun by chance just before the tick.  If it holds an interpreter's lock, to stop it would have all others queue for that.
 */
static bool computes(bool hog)
{
	return hog || turn() == came_back;
}

static void on_tick(int number, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	const greg_t *registers = interrupted->uc_mcontext.gregs;
	struct flow *flow;
	bool hog, cancelled, wanted, gives;

	shim.stats->ticks++;
	if (!ticker_sent(info))
		asked_for = number;
	/* Who is in the middle of something of ours soon ends it. */
	if (!shim_greenlet() || green__current->flow->critical)
		return;
	flow = green__current->flow;
	/* A look at timers and descriptors costs less than two switches for nothing. */
	flow->critical++;
	hog = hogs();
	cancelled = may_be_cancelled_here();
	wanted = cancelled || green__hub_wanted(shim.hub);
	gives = wanted && (cancelled || computes(hog)) && harmless(registers) && unlocked((uintptr_t)registers[REG_RSP]);
	if (unlikely(asked_for)) {
		hand_over();
		signals_refresh_mask(&interrupted->uc_sigmask);
	} else if (wanted && !gives && hog) {
		ticker_hurry();
		audit_tick(registers);
	} else {
		ticker_calm();
	}
	ticker_aim(wanted ? CLOCK_NEVER : timerq_next(&shim.hub->timers));
	preempt_due = ticker_hurries();
	flow->critical--;
	if (gives)
		give_way(interrupted);
}

void preempt_at(const void *caller)
{
	struct flow *flow;

	if (!shim_greenlet() || green__current->flow->critical || left_alone((uintptr_t)caller) ||
	    !unlocked((uintptr_t)__builtin_frame_address(0)))
		return;
	flow = green__current->flow;
	flow->critical++;
	ticker_calm();
	preempt_due = 0;
	flow->critical--;
	stand_aside();
}

static bool signal_unused(int number)
{
	struct sigaction action;

	return real(sigaction)(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

static void stop_ticking(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	ticker_stop();
	real(sigaction)(signal_number, &action, NULL);
	signal_number = 0;
}

static bool tick_with(int number)
{
	struct sigaction action = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER };

	/* A signal's handler must not believe that it interrupted our code where the program's, or libc's, lies below. */
	memset(&action.sa_mask, 0xff, sizeof(action.sa_mask));
	if (!signal_unused(number) || real(sigaction)(number, &action, NULL))
		return false;
	signal_number = number;
	if (ticker_start(number, shim.timeslice))
		return true;
	stop_ticking();
	return false;
}

void preempt_begin(void)
{
	if (shim.timeslice == 0 || signal_number)
		return;
	dl_find_lock();
	look_round();
	for (size_t i = 0; i < ARRAY_LENGTH(candidates) && !tick_with(candidates[i]); i++)
		;
}

void preempt_after_fork(void)
{
	ticker_forget();
	preempt_due = 0;
	if (signal_number && !ticker_start(signal_number, shim.timeslice))
		stop_ticking();
}

int preempt_signal(void)
{
	return signal_number;
}

void preempt_stop(void)
{
	int number = signal_number;
	size_t next = 0;

	if (!number)
		return;
	stop_ticking();
	while (candidates[next] != number)
		next++;
	while (++next < ARRAY_LENGTH(candidates) && !tick_with(candidates[next]))
		;
}
