/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions in 64-bit mode, and the way back from them.  A processor's area is found by the stack.
 */
#include "tests/pc/hostile/layout.h"
#include "tests/pc/hostile/save.S"

#define RECOVER 0 /* of struct cpu */
#define REVIVE  8

	.altmacro

	.text
/* uint64_t try_call(struct cpu *cpu, function, argument): function(argument), unless it traps. */
	.globl	try_call
try_call:
	save
	push	%rdi
	mov	%rsp, RECOVER(%rdi)
	mov	%rdx, %rdi
	call	*%rsi
recovered:
	pop	%rdi
	movq	$0, RECOVER(%rdi)
	restore
	ret

/* void recover(struct cpu *cpu): back from a trap, out of try_call. */
	.globl	recover
recover:
	mov	RECOVER(%rdi), %rsp
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	jmp	recovered

/*
 * bool survive(struct cpu *cpu, void (*end)(void)): end(), and true when this processor came back
 * by SIPI.
 */
	.globl	survive
survive:
	save
	push	%rdi
	mov	%rsp, REVIVE(%rdi)
	call	*%rsi
	xor	%eax, %eax
revived:
	pop	%rdi
	movq	$0, REVIVE(%rdi)
	restore
	ret

	.globl	revive
revive:
	mov	REVIVE(%rdi), %rsp
	mov	$1, %eax
	jmp	revived

/* uint64_t long_act(struct frame *): an act in 64-bit ring 0. */
	.globl	long_act
long_act:
	mov	(%rdi), %ecx
	mov	4(%rdi), %ebx
	mov	8(%rdi), %eax
	mov	12(%rdi), %edx
	lea	1f(%rip), %rdi
	jmp	*%rcx
1:	ret

/* The same in another segment; what ends it is a trap, at the latest that of act_end. */
	.globl	far_act
far_act:
	mov	(%rdi), %ecx
	mov	4(%rdi), %ebx
	mov	8(%rdi), %eax
	mov	12(%rdi), %edx
	mov	16(%rdi), %esi		/* code segment */
	mov	20(%rdi), %r8d		/* data segment */
	mov	24(%rdi), %r9d		/* stack */
	mov	%r8d, %ds
	mov	%r8d, %es
	mov	$act_end, %edi
	push	%r8
	push	%r9
	push	$2
	push	%rsi
	push	%rcx
	iretq
act_end:
	int	$0x80

	.macro	stub vector
	.balign 16
	has_code = 0
	.irp	with, 8, 10, 11, 12, 13, 14, 17, 21, 29, 30
	.if	\vector == \with
	has_code = 1
	.endif
	.endr
	.if	has_code == 0
	push	$0
	.endif
	push	$\vector
	jmp	trapped_common
	.endm

	.balign 16
	.globl	stubs
stubs:
	number = 0
	.rept	256
	stub	%number
	number = number + 1
	.endr

	.globl	on_trap_entry, on_trap_exit
on_trap_entry:
trapped_common:
	cld
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	on_trap
	mov	%rbx, %rsp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq
on_trap_exit:

	.section .note.GNU-stack, "", @progbits
