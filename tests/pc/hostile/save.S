/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included by assembly: what a function of C's must leave as it was, and the flags, on the stack.
 */
	.macro	save
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	pushf
	.endm
	.macro	restore
	popf
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	.endm
