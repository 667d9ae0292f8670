/* SPDX-License-Identifier: MIT */
/*
 * vfork_entry.S - vfork, whose child runs on its parent's stack and memory
 *
 * The child must not return through a frame that the parent still needs, so the
 * return address travels in a register.  While the child has the memory, every
 * wrapper makes the plain call: shim.in_vfork_child says so, and the parent, which
 * the kernel lets go on only after the child's exec or exit, clears it.
 */
#define SYS_VFORK 58

	.text
	.globl	vfork
	.type	vfork, @function
	.p2align 4
vfork:
	.cfi_startproc
	endbr64
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	vfork_prepare
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rdi
	movl	$SYS_VFORK, %eax
	syscall
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rip, 0
	testl	%eax, %eax
	jnz	1f
	ret
1:	pushq	%rax
	.cfi_adjust_cfa_offset 8
	call	vfork_parent
	popq	%rax
	.cfi_adjust_cfa_offset -8
	testl	%eax, %eax
	js	2f
	ret
2:	movl	%eax, %edi
	negl	%edi
	jmp	vfork_failed
	.cfi_endproc
	.size	vfork, . - vfork

	.globl	__vfork
	.set	__vfork, vfork

	.section .note.GNU-stack, "", @progbits
