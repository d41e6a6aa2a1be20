/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * void svm_enter(struct guest_regs *regs, uint64_t vmcb): runs the guest until it exits.  RAX, RSP,
 * RIP and RFLAGS of both sides are the processor's to switch; everything else that a guest has in
 * registers and we use is switched here.  Interrupts are open for the processor only while the global
 * interrupt flag is clear: with the host's flag set they end a session's run (V_INTR_MASKING), and
 * the root's own flag is what counts for the root.
 */
	.text

/* "rcx, 1" and so on: a register, its number in struct guest_regs.  RDI has the struct: last. */
	.macro	each_register do
	\do	rcx, 1
	\do	rdx, 2
	\do	rbx, 3
	\do	rbp, 5
	\do	rsi, 6
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	\do	r\n, \n
	.endr
	.endm
	.macro	load reg, n
	mov	8 * \n(%rdi), %\reg
	.endm
	.macro	store reg, n
	mov	%\reg, 8 * \n(%rdi)
	.endm

	.globl	svm_enter
svm_enter:
	.irp	reg, rbx, rbp, r12, r13, r14, r15, rdi
	push	%\reg
	.endr
	sti
	mov	%rsi, %rax
	each_register load
	mov	8 * 7(%rdi), %rdi
	vmrun	%rax
	xchg	%rdi, (%rsp)
	each_register store
	pop	8 * 7(%rdi)
	.irp	reg, r15, r14, r13, r12, rbp, rbx
	pop	%\reg
	.endr
	cli
	cld
	ret

	.section .note.GNU-stack, "", @progbits
