/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the loader to C: the image goes home to 16 MiB wherever it was put, keeps the zero page, and
 * enters 64-bit mode on tables that map the first 4 GiB to themselves, for ring 3 as well.
 */
#include "tests/pc/hostile/layout.h"

	.section .entry, "awx"
	.code32
	.globl	entry32
entry32:
	cli
	cld
	lea	0x1e8(%esi), %esp	/* room in the zero page, meant for this */
	call	1f
1:	pop	%ebp
	sub	$(1b - entry32), %ebp
	mov	%esi, %ebx
	mov	%ebp, %esi
	mov	$home_start, %edi
	cmp	%esi, %edi
	je	2f
	mov	$home_size, %ecx
	rep movsb
2:	mov	$home, %eax
	jmp	*%eax

	/* The 64-bit entry: back to the 32-bit one, with paging off. */
	.org	0x200
	.code64
	cli
	cld
	lea	early_gdt(%rip), %esp
	lea	early_gdt(%rip), %rax
	mov	%rax, early_gdt_pointer + 2(%rip)
	lgdt	early_gdt_pointer(%rip)
	lea	entry32(%rip), %ebp
	lea	3f(%rip), %eax
	push	$0x08
	push	%rax
	lretq
	.code32
3:	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	$MSR_EFER_NUMBER, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	jmp	*%ebp
	.balign 8
	.skip	32			/* the stack until then */
early_gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
early_gdt_pointer:
	.short	0x1f
	.quad	0

	.section .text
home:	mov	$bss_start, %edi
	mov	$bss_end, %ecx
	sub	%edi, %ecx
	xor	%eax, %eax
	rep stosb
	mov	%ebx, %esi
	mov	$zero_page, %edi
	mov	$1024, %ecx
	rep movsl
	mov	0x228(%ebx), %esi	/* cmd_line_ptr */
	mov	$command_line, %edi
	mov	$COMMAND_LINE - 1, %ecx
	test	%esi, %esi
	jz	1f
	rep movsb
1:	mov	$low_source, %esi
	mov	$low_start, %edi
	mov	$low_size, %ecx
	rep movsb
	lgdt	gdt_pointer
	ljmp	$CODE32, $2f
2:	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	jmp	enter_long

	.section .bss
	.balign 8
	.globl	zero_page, command_line
zero_page:
	.skip	4096
command_line:
	.skip	COMMAND_LINE

	.section .note.GNU-stack, "", @progbits
