/* SPDX-License-Identifier: MIT */
/*
 * swap.h - the switch itself, in line where it has to be short
 *
 * Who leaves does all that can be done on its own stack.  Nothing is kept in registers over the
 * swap, so that nothing is saved twice: who arrives is told who it is.
 */
#ifndef GREEN_SWITCH_SWAP_H
#define GREEN_SWITCH_SWAP_H

#include <errno.h>

#include "switch/greenlet.h"
#include "switch/thread_pointer.h"

#pragma GCC visibility push(hidden)

/*
 * A compiler may keep the address of a thread-local, errno's above all, over a
 * call.  Whoever switches must therefore reach them by ways that it cannot look
 * into: functions that are not inlined, or the thread pointer, from which they are
 * equally far in each block.
 */
#if defined(__x86_64__)
extern intptr_t green__errno_distance, green__current_distance;

static inline int errno_exchange(int value)
{
	intptr_t distance = __atomic_load_n(&green__errno_distance, __ATOMIC_RELAXED);
	int before;

	__asm__ volatile("movl %%fs:(%1), %0\n\t"
			 "movl %2, %%fs:(%1)" : "=&r"(before) : "r"(distance), "r"(value) : "memory");
	return before;
}

static inline void current_set(struct greenlet *greenlet)
{
	intptr_t distance = __atomic_load_n(&green__current_distance, __ATOMIC_RELAXED);

	__asm__ volatile("movq %0, %%fs:(%1)" : : "r"(greenlet), "r"(distance) : "memory");
}
#else
int green__errno_exchange(int value);
void green__current_set(struct greenlet *greenlet);

static inline int errno_exchange(int value)
{
	return green__errno_exchange(value);
}

static inline void current_set(struct greenlet *greenlet)
{
	green__current_set(greenlet);
}
#endif

/* green__arrived - what is rarely to be done by SELF, who has arrived; returns SELF */
struct greenlet *green__arrived(struct greenlet *self);

/* green__swap_blocks - the rest of swap_away, where TO has a block of thread-local storage of its own */
struct greenlet *green__swap_blocks(struct greenlet *from, struct greenlet *to);

/* swap_to - the rest of swap_away, on TO's block and with its errno */
static inline struct greenlet *swap_to(struct greenlet *from, struct greenlet *to)
{
	current_set(to);
	return container_of(green__context_swap(&from->context, &to->context), struct greenlet, context);
}

/* swap_away - leave FROM for TO; returns FROM when somebody swaps back to it, maybe on another kernel thread */
static inline struct greenlet *swap_away(struct flow *flow, struct greenlet *from, struct greenlet *to)
{
	from->critical = flow->critical;
	flow->critical = 1;
	flow->stats->switches++;
	flow->previous = from;
	sanitizer_leave(&from->sanitizer, &to->sanitizer, from->state == GREENLET_DEAD);
	if (unlikely(to->thread_pointer != flow->thread_pointer) && to->thread_pointer)
		return green__swap_blocks(from, to);
	from->saved_errno = errno_exchange(to->saved_errno);
	return swap_to(from, to);
}

/* arrive - done by whoever arrives on a stack: finish what could not be done on the one just left; returns SELF */
static inline struct greenlet *arrive(struct greenlet *self)
{
	struct flow *flow = self->flow;

	sanitizer_arrive(&self->sanitizer, &flow->previous->sanitizer);
	flow->critical = self->critical;
	return unlikely(flow->arrivals || self->interrupted) ? green__arrived(self) : self;
}

/* switch_away - suspend FROM, which is running, and go on in TO with VALUE; returns FROM when somebody switches to it */
static inline struct greenlet *switch_away(struct greenlet *from, struct greenlet *to, void *value)
{
	to->value = value;
	return arrive(swap_away(from->flow, from, to));
}

#pragma GCC visibility pop

#endif
