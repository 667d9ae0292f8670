/* SPDX-License-Identifier: MIT */
/* sanitizer.h - tells ASan, TSan and Valgrind about stacks and switches; nothing where they are absent */
#ifndef GREEN_SWITCH_SANITIZER_H
#define GREEN_SWITCH_SANITIZER_H

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define GREEN_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define GREEN_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif
/* Valgrind's requests are a few harmless instructions outside of it, so they are always there where the header is. */
#if __has_include(<valgrind/valgrind.h>)
#define GREEN_VALGRIND 1
#include <valgrind/valgrind.h>
#endif

/* How many kernel threads the tool has of its own, in a process that no other has forked. */
#ifdef GREEN_TSAN
#define SANITIZER_THREADS 1
#else
#define SANITIZER_THREADS 0
#endif

/* What the tools remember about one greenlet's stack. */
struct sanitizer_stack {
#ifdef GREEN_ASAN
	void *fake_stack;
	const void *low;
	size_t size;
#endif
#ifdef GREEN_TSAN
	void *fiber;
#endif
#ifdef GREEN_VALGRIND
	unsigned valgrind_id;
#endif
	char unused; /* a struct needs a member */
};

/* sanitizer_main - the stack that the kernel thread came with */
static inline void sanitizer_main(struct sanitizer_stack *stack)
{
	(void)stack;
#ifdef GREEN_TSAN
	stack->fiber = __tsan_get_current_fiber();
#endif
}

/* sanitizer_create - a new stack of SIZE bytes at LOW */
static inline void sanitizer_create(struct sanitizer_stack *stack, void *low, size_t size)
{
	(void)stack;
	(void)low;
	(void)size;
#ifdef GREEN_ASAN
	stack->low = low;
	stack->size = size;
#endif
#ifdef GREEN_TSAN
	stack->fiber = __tsan_create_fiber(0);
#endif
#ifdef GREEN_VALGRIND
	stack->valgrind_id = VALGRIND_STACK_REGISTER(low, (char *)low + size);
#endif
}

/* sanitizer_destroy - the stack is about to be used by somebody else */
static inline void sanitizer_destroy(struct sanitizer_stack *stack, void *low, size_t size)
{
	(void)stack;
	(void)low;
	(void)size;
#ifdef GREEN_ASAN
	__asan_unpoison_memory_region(low, size);
#endif
#ifdef GREEN_TSAN
	__tsan_destroy_fiber(stack->fiber);
#endif
#ifdef GREEN_VALGRIND
	VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
}

/* sanitizer_leave - just before the swap; LAST says that FROM never runs again */
static inline void sanitizer_leave(struct sanitizer_stack *from, struct sanitizer_stack *to, int last)
{
	(void)from;
	(void)to;
	(void)last;
#ifdef GREEN_ASAN
	__sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->low, to->size);
#endif
#ifdef GREEN_TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* sanitizer_arrive - first thing on the stack that was switched to; FROM is where control came from, NULL if unknown */
static inline void sanitizer_arrive(struct sanitizer_stack *self, struct sanitizer_stack *from)
{
	(void)self;
	(void)from;
#ifdef GREEN_ASAN
	const void *low;
	size_t size;

	__sanitizer_finish_switch_fiber(self->fake_stack, &low, &size);
	/* The stack that the kernel thread came with is known only now. */
	if (from && !from->low) {
		from->low = low;
		from->size = size;
	}
#endif
}

/* sanitizer_release, sanitizer_acquire - who acquires AT sees what was done before its release, by an order that the tools cannot see */
static inline void sanitizer_release(void *at)
{
	(void)at;
#ifdef GREEN_TSAN
	__tsan_release(at);
#endif
}

static inline void sanitizer_acquire(void *at)
{
	(void)at;
#ifdef GREEN_TSAN
	__tsan_acquire(at);
#endif
}

#endif
