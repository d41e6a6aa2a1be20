/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 32 exception entries, 16 bytes each, and the two waits for an NMI. */
	.text
	.balign 16
	.globl	trap_entries
trap_entries:
	.set	vector, 0
	.rept	32
	.balign 16
	/* These push an error code themselves: 8, 10-14, 17, 21, 29, 30. */
	.if	!((1 << vector) & 0x60227d00)
	push	$0
	.endif
	push	$vector
	jmp	trap_common
	.set	vector, vector + 1
	.endr

trap_common:
	cld
	.irp	reg, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	push	%\reg
	.endr
	mov	%rsp, %rdi
	call	trap_handle
	.irp	reg, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
	pop	%\reg
	.endr
	add	$16, %rsp
	iretq

/*
 * void cpu_wait(void): halts until an NMI comes.  NMIs are open from STGI to CLGI only; one that
 * comes before the HLT goes on at wait_end (trap.c), so none is slept over.  Requests are not looked
 * at here: one whose NMI is still on its way would be answered without it, and the NMI would then
 * be the root's, who has no use for one just after SIPI.
 */
	.globl	cpu_wait, wait_start, wait_end
cpu_wait:
	stgi
wait_start:
	hlt
wait_end:
	clgi
	ret

/* Takes the NMI that an exit has left pending. */
	.globl	cpu_take_nmi
cpu_take_nmi:
	stgi
	nop
	nop
	clgi
	ret

/* bool rdmsr_safe(uint32_t msr, uint64_t *ret), bool wrmsr_safe(uint32_t msr, uint64_t value) */
	.globl	rdmsr_safe, wrmsr_safe
rdmsr_safe:
	mov	%edi, %ecx
1:	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, (%rsi)
	mov	$1, %eax
	ret
wrmsr_safe:
	mov	%edi, %ecx
	mov	%rsi, %rax
	mov	%rsi, %rdx
	shr	$32, %rdx
2:	wrmsr
	mov	$1, %eax
	ret
3:	xor	%eax, %eax
	ret

	.section .fixups, "a"
	.quad	1b, 3b
	.quad	2b, 3b

	.section .note.GNU-stack, "", @progbits
