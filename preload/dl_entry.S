/* SPDX-License-Identifier: MIT */
/*
 * dl_entry.S - dlopen, dlmopen and dlsym, which look at their return address
 *
 * ld.so searches the caller's own RUNPATH and namespace, and what comes after the
 * caller, so the real call has to be jumped to, not called: first dl_wait, then on
 * with the arguments as they were.
 */
	.macro	waits_first name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	pushq	%rdx
	.cfi_adjust_cfa_offset 8
	call	dl_wait_\name
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.text
	waits_first dlopen
	waits_first dlmopen
	waits_first dlsym

	.section .note.GNU-stack, "", @progbits
