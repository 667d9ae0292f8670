/* SPDX-License-Identifier: MIT */
/* frame_x86_64.c - builds the first frame that context_x86_64.S expects */
#include <stdint.h>
#include <string.h>

#include "switch/context.h"
#include "switch/registers.h"

/* Known by its offsets to context_x86_64.S, where it is drawn. */
struct context_frame {
	uint32_t mxcsr;
	uint16_t x87_control;
	uint16_t unused;
	void *r15, *r14, *r13, *r12, *rbx, *rbp;
	void *return_address;
};

_Static_assert(sizeof(struct context_frame) == 64, "the assembly's FRAME_SIZE");
_Static_assert(offsetof(struct context_frame, r13) == 24, "the assembly takes ARG from r13");
_Static_assert(offsetof(struct context_frame, r12) == 32, "the assembly takes ENTRY from r12");
_Static_assert(offsetof(struct context, sp) == 0, "the assembly's CONTEXT_SP");

void green__context_start(void) __attribute__((visibility("hidden")));

void green__context_make(struct context *context, void *low, size_t size, void (*entry)(void *), void *arg)
{
	uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
	struct context_frame *frame;

	/* Two empty words end the walk of those who follow frame pointers only. */
	top -= 16;
	memset((void *)top, 0, 16);
	frame = (struct context_frame *)(top - sizeof(*frame));
	memset(frame, 0, sizeof(*frame));
	__asm__ volatile("stmxcsr %0" : "=m"(frame->mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(frame->x87_control));
	memcpy(&frame->r12, &entry, sizeof(entry));
	frame->r13 = arg;
	frame->return_address = (void *)(uintptr_t)green__context_start;
	context->sp = frame;
}

bool green__context_registers(const struct context *context, struct registers *registers)
{
	const struct context_frame *frame = context->sp;

	*registers = (struct registers){
		.pc = (uintptr_t)frame->return_address,
		.sp = (uintptr_t)(frame + 1),
		.bp = (uintptr_t)frame->rbp,
		.bx = (uintptr_t)frame->rbx,
		.r12 = (uintptr_t)frame->r12,
		.r13 = (uintptr_t)frame->r13,
		.r14 = (uintptr_t)frame->r14,
		.r15 = (uintptr_t)frame->r15,
	};
	return true;
}
