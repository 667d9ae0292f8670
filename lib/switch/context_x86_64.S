/* SPDX-License-Identifier: MIT */
/*
 * context_x86_64.S - swap of two contexts by the System V ABI's callee-saved registers
 *
 * What swap leaves on the suspended stack, and make builds for a new one:
 *
 *      sp ->  +0   mxcsr (4 bytes), x87 control word (2), unused (2)
 *             +8   r15
 *             +16  r14
 *             +24  r13        new context: ARG
 *             +32  r12        new context: ENTRY
 *             +40  rbx
 *             +48  rbp
 *             +56  return address
 *
 * The frames of both sides look alike, so the unwind information stays true when
 * rsp moves from one stack to the other.  The end is an indirect jump: a `ret` to
 * an address that no `call` pushed is mispredicted every time.
 */

#define FRAME_SIZE 64
#define CONTEXT_SP 0

	.text
	.globl	green__context_swap
	.hidden	green__context_swap
	.type	green__context_swap, @function
	.p2align 4
green__context_swap:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	fnstcw	4(%rsp)
	stmxcsr	(%rsp)
	movq	%rsi, %rax
	movzwl	4(%rsp), %ecx
	movq	%rsp, CONTEXT_SP(%rdi)
	movq	CONTEXT_SP(%rsi), %rsp

	/*
	 * To load mxcsr is cheaper than to look at what stmxcsr has just stored.  The x87's word hardly ever
	 * differs, and to load it would bring up exceptions that nobody has asked for yet.
	 */
	ldmxcsr	(%rsp)
	cmpw	4(%rsp), %cx
	jne	2f
1:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	jmp	*%rcx

	.cfi_restore %rip
	.cfi_def_cfa_offset FRAME_SIZE
	.cfi_rel_offset %rbp, 48
	.cfi_rel_offset %rbx, 40
	.cfi_rel_offset %r12, 32
	.cfi_rel_offset %r13, 24
	.cfi_rel_offset %r14, 16
	.cfi_rel_offset %r15, 8
2:	fldcw	4(%rsp)
	jmp	1b
	.cfi_endproc
	.size	green__context_swap, . - green__context_swap

/* The first instruction of every new context; the undefined rip ends every unwinder's walk. */
	.globl	green__context_start
	.hidden	green__context_start
	.type	green__context_start, @function
	.p2align 4
green__context_start:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	xorl	%ebp, %ebp
	movq	%r13, %rdi
	call	*%r12
	ud2
	.cfi_endproc
	.size	green__context_start, . - green__context_start

	.section .note.GNU-stack, "", @progbits
