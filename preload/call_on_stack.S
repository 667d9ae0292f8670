/* SPDX-License-Identifier: MIT */
/* call_on_stack.S - void call_on_stack(void *top, void (*function)(void *), void *arg): a call on another stack */
	.text
	.globl	call_on_stack
	.hidden	call_on_stack
	.type	call_on_stack, @function
	.p2align 4
call_on_stack:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	andq	$-16, %rdi
	movq	%rdi, %rsp
	movq	%rdx, %rdi
	call	*%rsi
	movq	%rbp, %rsp
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	call_on_stack, . - call_on_stack

	.section .note.GNU-stack, "", @progbits
