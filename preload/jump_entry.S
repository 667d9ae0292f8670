/* SPDX-License-Identifier: MIT */
/*
 * jump_entry.S - calls that save where their caller is, so that no frame of ours may be between
 *
 * Each asks C first, which returns the address of libc's call where that is to be made.
 * Offsets are those of ucontext_t, which programs are compiled with.
 */
#define R8 0x28
#define R9 0x30
#define R12 0x48
#define R13 0x50
#define R14 0x58
#define R15 0x60
#define RDI 0x68
#define RSI 0x70
#define RBP 0x78
#define RBX 0x80
#define RDX 0x88
#define RCX 0x98
#define RSP 0xa0
#define RIP 0xa8
#define FPREGS 0xe0
#define FPMEM 0x1a8
#define MXCSR 0x1c0

	/* Calls HELPER with both arguments, which are kept; rax is what it said. */
	.macro	ask helper
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	\helper
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	.endm

	.macro	function name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	.endm

	.macro	end name
	.cfi_endproc
	.size	\name, . - \name
	.endm

	/* What a call has to keep, into the context at rdi, as it is after the return. */
	.macro	save
	movq	%rbx, RBX(%rdi)
	movq	%rbp, RBP(%rdi)
	movq	%r12, R12(%rdi)
	movq	%r13, R13(%rdi)
	movq	%r14, R14(%rdi)
	movq	%r15, R15(%rdi)
	movq	%rdi, RDI(%rdi)
	movq	%rsi, RSI(%rdi)
	movq	(%rsp), %rcx
	movq	%rcx, RIP(%rdi)
	leaq	8(%rsp), %rcx
	movq	%rcx, RSP(%rdi)
	leaq	FPMEM(%rdi), %rcx
	movq	%rcx, FPREGS(%rdi)
	fnstenv	(%rcx)
	fldenv	(%rcx)
	stmxcsr	MXCSR(%rdi)
	.endm

	/* Everything from the context at rdx, and on where it was saved. */
	.macro	load
	movq	FPREGS(%rdx), %rcx
	fldenv	(%rcx)
	ldmxcsr	MXCSR(%rdx)
	movq	RSP(%rdx), %rsp
	movq	RBX(%rdx), %rbx
	movq	RBP(%rdx), %rbp
	movq	R12(%rdx), %r12
	movq	R13(%rdx), %r13
	movq	R14(%rdx), %r14
	movq	R15(%rdx), %r15
	movq	RIP(%rdx), %r10
	movq	RSI(%rdx), %rsi
	movq	RDI(%rdx), %rdi
	movq	RCX(%rdx), %rcx
	movq	R8(%rdx), %r8
	movq	R9(%rdx), %r9
	movq	RDX(%rdx), %rdx
	xorl	%eax, %eax
	jmp	*%r10
	.endm

	.text
	function __sigsetjmp
	ask	jump_note
	jmp	*%rax
	end __sigsetjmp

	function setjmp
	movl	$1, %esi
	jmp	__sigsetjmp
	end setjmp

	function getcontext
	ask	context_get
	testq	%rax, %rax
	jnz	1f
	save
	xorl	%eax, %eax
	ret
1:	jmp	*%rax
	end getcontext

	function setcontext
	ask	context_set
	testq	%rax, %rax
	jnz	1f
	movq	%rdi, %rdx
	load
1:	jmp	*%rax
	end setcontext

	function swapcontext
	ask	context_swap
	testq	%rax, %rax
	jnz	1f
	save
	movq	%rsi, %rdx
	load
1:	jmp	*%rax
	end swapcontext

	/* A context's function has returned: on with what its maker named, or the end of the process. */
	.globl	context_ends
	.hidden	context_ends
	.type	context_ends, @function
	.p2align 4
context_ends:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	movq	%rbx, %rsp
	movq	(%rsp), %rdi
	andq	$-16, %rsp
	testq	%rdi, %rdi
	jz	1f
	call	setcontext
	movl	%eax, %edi
1:	call	exit@PLT
	hlt
	.cfi_endproc
	.size	context_ends, . - context_ends

	.section .note.GNU-stack, "", @progbits
