/* SPDX-License-Identifier: MIT */
/*
 * hook_clock.c - the CPU time of one green pthread
 *
 * The kernel counts the carrier's.  From the first question on, each switch to
 * another thread gives what the carrier has used since the last one to whoever ran;
 * what it used before is the first thread's.  Nobody pays who does not ask.
 */
#include <sys/resource.h>
#include <time.h>

#include "shim.h"
#include "thread.h"

/* How the kernel makes the id of a thread's clock out of the thread's. */
enum { CLOCK_BITS = 3, CLOCK_OF_THREAD = 6 };

static bool counting;
static int64_t counted; /* of the carrier's time, what some thread has been given */

static int64_t carrier_used(void)
{
	struct timespec used = { 0, 0 };

	sys_call(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &used);
	return used.tv_sec * NS_PER_SECOND + used.tv_nsec;
}

static void count_for(uintptr_t block)
{
	int64_t used = carrier_used();

	thread_of_block(block)->cpu_used += used - counted;
	counted = used;
}

static void begin_counting(void)
{
	if (counting)
		return;
	counting = true;
	counted = carrier_used();
	threads.main->cpu_used = counted;
	shim.hub->flow->leaving = count_for;
}

void clocks_after_fork(struct thread *self)
{
	self->cpu_used = 0;
	counted = 0;
}

static int64_t used_by(struct thread *thread)
{
	begin_counting();
	if (thread == thread_self() && shim_greenlet())
		count_for(thread->block);
	return thread->cpu_used;
}

/* Whose clock it is; NULL if the kernel knows better. */
static struct thread *owner_of(clockid_t clock)
{
	if (!shim.hub || !thread_self()->block)
		return NULL;
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return thread_self();
	if (clock >= 0 || (clock & ((1 << CLOCK_BITS) - 1)) != CLOCK_OF_THREAD)
		return NULL;
	return thread_with_id(~(clock >> CLOCK_BITS));
}

/* The others are asked for often: nothing is to be left on the stack for them (preempt.c). */
WRAPPER int clock_gettime(clockid_t clock, struct timespec *at)
{
	struct thread *owner;

	if (likely(clock >= 0 && clock != CLOCK_THREAD_CPUTIME_ID))
		return real(clock_gettime)(clock, at);
	owner = owner_of(clock);
	if (!owner)
		return real(clock_gettime)(clock, at);
	*at = clock_to_timespec(used_by(owner));
	return 0;
}

WRAPPER int clock_getres(clockid_t clock, struct timespec *resolution)
{
	return real(clock_getres)(owner_of(clock) ? CLOCK_THREAD_CPUTIME_ID : clock, resolution);
}

WRAPPER int pthread_getcpuclockid(pthread_t id, clockid_t *clock)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread)
		return real(pthread_getcpuclockid)(id, clock);
	if (thread->ended)
		return ESRCH;
	*clock = (clockid_t)(~(unsigned)thread->tid << CLOCK_BITS | CLOCK_OF_THREAD);
	return 0;
}

static int64_t from_timeval(const struct timeval *time)
{
	return time->tv_sec * NS_PER_SECOND + time->tv_usec * 1000;
}

static struct timeval to_timeval(int64_t ns)
{
	return (struct timeval){ ns / NS_PER_SECOND, ns % NS_PER_SECOND / 1000 };
}

/* In the program and in the kernel: in the carrier's proportion. */
static void share(struct rusage *usage, int64_t used)
{
	int64_t user = from_timeval(&usage->ru_utime), system = from_timeval(&usage->ru_stime);
	int64_t in_kernel = user + system ? (int64_t)((double)used * (double)system / (double)(user + system)) : 0;

	usage->ru_stime = to_timeval(in_kernel);
	usage->ru_utime = to_timeval(used - in_kernel);
}

WRAPPER int getrusage(__rusage_who_t who, struct rusage *usage)
{
	int result = real(getrusage)(who, usage);

	if (result == 0 && who == RUSAGE_THREAD && owner_of(CLOCK_THREAD_CPUTIME_ID))
		share(usage, used_by(thread_self()));
	return result;
}
