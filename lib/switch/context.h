/* SPDX-License-Identifier: MIT */
/*
 * context.h - the two calls that a CPU, or libc, supplies: make a context, swap two
 *
 * The contract has swapcontext's shape.  What a backend promises:
 *   - the registers that the ABI makes callee-saved and the floating-point control
 *     registers (mxcsr and the x87 control word, fpcr) belong to the context; they
 *     are saved by swap and restored by it;
 *   - the signal mask belongs to the kernel thread and is not switched;
 *   - the stack pointer points into a valid stack at every instruction, since a
 *     signal may land on any of them;
 *   - unwinders can walk from a suspended context to its first function, where
 *     the walk ends.
 * Nothing here knows greenlets, thread-local storage or errno: see greenlet.c.
 */
#ifndef GREEN_SWITCH_CONTEXT_H
#define GREEN_SWITCH_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#ifdef GREEN_CONTEXT_UCONTEXT
#include <ucontext.h>

#include "switch/registers.h"

struct context {
	ucontext_t saved;
	struct registers at; /* inside swap; where libc goes on is its own affair */
};

#define CONTEXT_NAME "ucontext"

static inline void context_expect(const struct context *context)
{
	(void)context;
}
#else

/* The CPU's assembly knows the offset of SP. */
struct context {
	void *sp; /* of the frame that swap left on the suspended stack */
};

#define CONTEXT_NAME "native"

enum { LINES_EXPECTED = 16 }; /* of the cache: from swap up to who called one of the library's blocking calls */

/* context_expect - CONTEXT will go on soon: bring the frames that it returns through into the cache */
static inline void context_expect(const struct context *context)
{
	for (int line = 0; line < LINES_EXPECTED; line++)
		__builtin_prefetch((const char *)context->sp + line * CACHE_LINE, 1);
}
#endif

struct registers;

/* green__context_registers - those of CONTEXT, which is suspended; false if this CPU's are not known */
bool green__context_registers(const struct context *context, struct registers *registers);

/*
 * green__context_make - prepare CONTEXT so that the first swap to it calls ENTRY(ARG)
 *
 * ENTRY runs on the SIZE bytes at LOW and must never return.  The memory stays
 * the caller's.
 */
void green__context_make(struct context *context, void *low, size_t size, void (*entry)(void *), void *arg);

/*
 * green__context_swap - save the caller in FROM and go on in TO
 *
 * Returns: when somebody swaps back, FROM, so that the caller has to keep nothing over the call.
 */
struct context *green__context_swap(struct context *from, struct context *to);

#endif
