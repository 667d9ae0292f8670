/* SPDX-License-Identifier: MIT */
/*
 * context_aarch64.S - swap of two contexts by the registers that the AAPCS64 makes callee-saved
 *
 * What swap leaves on the suspended stack, and make builds for a new one:
 *
 *      sp ->  +0    x29
 *             +8    x30, the return address
 *             +16   x19        new context: ENTRY
 *             +24   x20        new context: ARG
 *             +32   x21 to x28
 *             +96   d8 to d15
 *             +160  fpcr
 *             +168  unused
 *
 * The frames of both sides look alike, so the unwind information stays true when
 * sp moves from one stack to the other, and what was saved stays where it is until
 * sp leaves the frame.
 *
 * The end is a plain jump, since a `ret` to an address that no `bl` pushed is
 * mispredicted every time.  With branch target identification only a `ret` may go
 * where no landing pad is, and the return address in memory is signed where the
 * compiler's own are; `hint`s are these instructions, and nothing to older CPUs.
 */

#define FRAME_SIZE 176
#define FRAME_FPCR 160
#define CONTEXT_SP 0

#define BTI_C hint #34

#ifdef __ARM_FEATURE_PAC_DEFAULT
#define SIGN_RETURN hint #25; .cfi_negate_ra_state
#define CHECK_RETURN hint #29; .cfi_negate_ra_state
#else
#define SIGN_RETURN BTI_C
#define CHECK_RETURN
#endif

#if defined(__ARM_FEATURE_PAC_DEFAULT) || defined(__ARM_FEATURE_BTI_DEFAULT)
#define GO_ON ret
#else
#define GO_ON br x30
#endif

	.text
	.globl	green__context_swap
	.hidden	green__context_swap
	.type	green__context_swap, %function
	.p2align 4
green__context_swap:
	.cfi_startproc
	SIGN_RETURN
	stp	x29, x30, [sp, #-FRAME_SIZE]!
	.cfi_def_cfa_offset FRAME_SIZE
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	stp	x19, x20, [sp, #16]
	.cfi_rel_offset x19, 16
	.cfi_rel_offset x20, 24
	stp	x21, x22, [sp, #32]
	.cfi_rel_offset x21, 32
	.cfi_rel_offset x22, 40
	stp	x23, x24, [sp, #48]
	.cfi_rel_offset x23, 48
	.cfi_rel_offset x24, 56
	stp	x25, x26, [sp, #64]
	.cfi_rel_offset x25, 64
	.cfi_rel_offset x26, 72
	stp	x27, x28, [sp, #80]
	.cfi_rel_offset x27, 80
	.cfi_rel_offset x28, 88
	stp	d8, d9, [sp, #96]
	.cfi_rel_offset 72, 96
	.cfi_rel_offset 73, 104
	stp	d10, d11, [sp, #112]
	.cfi_rel_offset 74, 112
	.cfi_rel_offset 75, 120
	stp	d12, d13, [sp, #128]
	.cfi_rel_offset 76, 128
	.cfi_rel_offset 77, 136
	stp	d14, d15, [sp, #144]
	.cfi_rel_offset 78, 144
	.cfi_rel_offset 79, 152
	mrs	x9, fpcr
	str	x9, [sp, #FRAME_FPCR]
	mov	x10, sp
	str	x10, [x0, #CONTEXT_SP]
	ldr	x10, [x1, #CONTEXT_SP]
	mov	sp, x10
	mov	x0, x1

	/* Writing the control register is slow, and it hardly ever differs. */
	ldr	x10, [sp, #FRAME_FPCR]
	cmp	x9, x10
	b.ne	2f
1:	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	.cfi_remember_state
	ldp	x29, x30, [sp], #FRAME_SIZE
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	.cfi_restore 72
	.cfi_restore 73
	.cfi_restore 74
	.cfi_restore 75
	.cfi_restore 76
	.cfi_restore 77
	.cfi_restore 78
	.cfi_restore 79
	CHECK_RETURN
	GO_ON

	.cfi_restore_state
2:	msr	fpcr, x10
	b	1b
	.cfi_endproc
	.size	green__context_swap, . - green__context_swap

/* The first instruction of every new context; the undefined return address ends every unwinder's walk. */
	.globl	green__context_start
	.hidden	green__context_start
	.type	green__context_start, %function
	.p2align 4
green__context_start:
	.cfi_startproc
	.cfi_undefined x30
	BTI_C
	mov	x0, x20
	blr	x19
	brk	#0
	.cfi_endproc
	.size	green__context_start, . - green__context_start

/* All code here bears branch target identification, and signs return addresses if all of the library does. */
	.section .note.gnu.property, "a"
	.p2align 3
	.word	4, 16, 5
	.asciz	"GNU"
	.word	0xc0000000, 4
#ifdef __ARM_FEATURE_PAC_DEFAULT
	.word	3, 0
#else
	.word	1, 0
#endif
	.section .note.GNU-stack, "", %progbits
