/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a processor starts after SIPI: copied to a page below 1 MiB while processors are being
 * started, with the values at its end filled in by core/smp.c.  Our page tables map the first 2 MiB
 * to themselves meanwhile.
 */
#include "hypervisor/boot/long-mode.S"
#include "hypervisor/core/layout.h"

	.section .rodata
	.globl	trampoline, trampoline_end
	.balign 16
trampoline:
	.code16
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	movzx	%ax, %ebp
	shl	$4, %ebp		/* where this page is */
	lgdtl	trampoline_gdt - trampoline
	mov	$1, %eax
	mov	%eax, %cr0
	ljmpl	*(trampoline_entry32 - trampoline)

	.code32
trampoline32:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	mov	trampoline_cr3 - trampoline(%ebp), %edx
	long_mode %edx
	ljmp	*trampoline_entry64 - trampoline(%ebp)

	.code64
trampoline64:
	mov	trampoline_stack - trampoline(%rbp), %rsp
	mov	trampoline_main - trampoline(%rbp), %rax
	xor	%ebp, %ebp
	call	*%rax
	ud2

	.balign 8
	.globl	trampoline_gdt, trampoline_entry32, trampoline_entry64, trampoline_cr3
	.globl	trampoline_stack, trampoline_main, trampoline32, trampoline64
trampoline_gdt:				/* limit, base: itself as entry 0 */
	.short	4 * 8 - 1
	.long	0
	.short	0
	.quad	0x00cf9b000000ffff
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
trampoline_entry32:
	.long	0
	.short	SELECTOR_CODE32
	.balign 8
trampoline_entry64:
	.long	0
	.short	SELECTOR_CODE
	.balign 8
trampoline_cr3:
	.quad	0
trampoline_stack:
	.quad	0
trampoline_main:
	.quad	0
trampoline_end:

	.section .note.GNU-stack, "", @progbits
