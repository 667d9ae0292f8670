/* SPDX-License-Identifier: MIT */
/* frame_aarch64.c - builds the first frame that context_aarch64.S expects */
#include <stdint.h>
#include <string.h>

#include "switch/context.h"
#include "switch/registers.h"

/* Known by its offsets to context_aarch64.S, where it is drawn. */
struct context_frame {
	void *x29, *return_address;
	void *x19_to_x28[REGISTERS_SAVED];
	double d8_to_d15[8];
	uint64_t fpcr;
	uint64_t unused;
};

_Static_assert(sizeof(struct context_frame) == 176, "the assembly's FRAME_SIZE");
_Static_assert(offsetof(struct context_frame, return_address) == 8, "the assembly takes it for x30");
_Static_assert(offsetof(struct context_frame, x19_to_x28) == 16, "the assembly takes ENTRY and ARG from there");
_Static_assert(offsetof(struct context_frame, d8_to_d15) == 96, "the assembly saves d8 there");
_Static_assert(offsetof(struct context_frame, fpcr) == 160, "the assembly's FRAME_FPCR");
_Static_assert(offsetof(struct context, sp) == 0, "the assembly's CONTEXT_SP");

void green__context_start(void) __attribute__((visibility("hidden")));

/* The assembly signs return addresses where the compiler does: by key A and the stack pointer at their use. */
static void *sign(void *address, uintptr_t sp)
{
#ifdef __ARM_FEATURE_PAC_DEFAULT
	register uintptr_t x16 __asm__("x16") = sp;
	register uintptr_t x17 __asm__("x17") = (uintptr_t)address;

	__asm__("hint #8" : "+r"(x17) : "r"(x16));
	return (void *)x17;
#else
	(void)sp;
	return address;
#endif
}

static uintptr_t without_signature(void *address)
{
#ifdef __ARM_FEATURE_PAC_DEFAULT
	register uintptr_t x30 __asm__("x30") = (uintptr_t)address;

	__asm__("hint #7" : "+r"(x30));
	return x30;
#else
	return (uintptr_t)address;
#endif
}

/* What is 0 in the first frame ends the walk of those who follow frame pointers only. */
void green__context_make(struct context *context, void *low, size_t size, void (*entry)(void *), void *arg)
{
	uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
	struct context_frame *frame = (struct context_frame *)(top - sizeof(*frame));

	memset(frame, 0, sizeof(*frame));
	__asm__ volatile("mrs %0, fpcr" : "=r"(frame->fpcr));
	memcpy(&frame->x19_to_x28[0], &entry, sizeof(entry));
	frame->x19_to_x28[1] = arg;
	frame->return_address = sign((void *)(uintptr_t)green__context_start, top);
	context->sp = frame;
}

bool green__context_registers(const struct context *context, struct registers *registers)
{
	const struct context_frame *frame = context->sp;

	registers->pc = without_signature(frame->return_address);
	registers->sp = (uintptr_t)(frame + 1);
	memcpy(registers->saved, frame->x19_to_x28, sizeof(registers->saved));
	registers->bp = (uintptr_t)frame->x29;
	registers->lr = 0;
	return true;
}
