/* SPDX-License-Identifier: MIT */
/*
 * frame_entry.S - void frame_enter(void *frame, void (*handler)(int, siginfo_t *, void *), long number, siginfo_t *info,
 * void *context): call a handler on a signal frame that was moved, as the kernel calls it on the one it made
 *
 * FRAME begins with the return address to libc's restorer, which finds the rest above it.
 */
	.text
	.globl	frame_enter
	.hidden	frame_enter
	.type	frame_enter, @function
	.p2align 4
frame_enter:
	.cfi_startproc
	endbr64
	movq	%rdi, %rsp
	.cfi_def_cfa %rsp, 8
	movq	%rsi, %rax
	movl	%edx, %edi
	movq	%rcx, %rsi
	movq	%r8, %rdx
	jmp	*%rax
	.cfi_endproc
	.size	frame_enter, . - frame_enter

	.section .note.GNU-stack, "", @progbits
