/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the boot loader to C.  The loader may have put us at any multiple of 2 MiB below 4 GiB, so
 * this code asks where it is and reaches everything by its distance from the image's start.  Tables
 * made here map the first 4 GiB to themselves and to DIRECT_BASE, and the image to IMAGE_BASE;
 * main.c soon replaces them.
 */
#include "hypervisor/boot/long-mode.S"
#include "hypervisor/core/layout.h"

	.section .boot, "awx"
image:
	/* Multiboot 1: modules on pages, memory map wanted. */
	.long	0x1BADB002, 0x3, -(0x1BADB002 + 0x3)

	.balign 8
multiboot2:
	.long	0xE85250D6, 0, multiboot2_end - multiboot2
	.long	-(0xE85250D6 + multiboot2_end - multiboot2)
	.short	5, 1			/* a framebuffer, if there is one */
	.long	20, 0, 0, 32
	.balign 8
	.short	6, 0			/* modules on pages */
	.long	8
	.short	10, 0			/* we can be moved */
	.long	24, 0x200000, 0xffffffff, 0x200000, 1
	.short	0, 0
	.long	8
multiboot2_end:

	.code32
	.globl	start
start:
	cli
	cld
	mov	%eax, %edi
	/*
	 * The only memory known to be writable is the loader's information: bytes 4 to 7 of it are
	 * of no use to us.
	 */
	lea	8(%ebx), %esp
	call	1f
1:	pop	%ebp
	sub	$(1b - image), %ebp
	lea	early_stack_end - IMAGE_BASE(%ebp), %esp

	push	%ebx
	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	no_long_mode
	mov	$0x80000001, %eax
	cpuid
	pop	%ebx
	and	$0x20100000, %edx	/* long mode, NX */
	cmp	$0x20100000, %edx
	jne	no_long_mode

	/*
	 * Pages: 0 PML4, 1 PDPT low, 2-5 page directories of 4 GiB, 6 PDPT high, 7 page directory
	 * of the image.
	 */
	lea	early_tables - IMAGE_BASE(%ebp), %esi
	lea	0x1003(%esi), %eax
	mov	%eax, (%esi)
	mov	%eax, 256 * 8(%esi)
	lea	0x6003(%esi), %eax
	mov	%eax, 511 * 8(%esi)
	lea	0x7003(%esi), %eax
	mov	%eax, 0x6000 + 510 * 8(%esi)
	lea	0x83(%ebp), %eax
	mov	%eax, 0x7000(%esi)
	/* The last entry first. */
	lea	0x5003(%esi), %eax
	mov	$4, %ecx
2:	mov	%eax, 0x1000 - 8(%esi, %ecx, 8)
	sub	$0x1000, %eax
	loop	2b
	mov	$0xFFE00083, %eax
	mov	$2048, %ecx
3:	mov	%eax, 0x2000 - 8(%esi, %ecx, 8)
	sub	$0x200000, %eax
	loop	3b

	long_mode %esi
	lea	gdt - IMAGE_BASE(%ebp), %eax
	push	%eax
	push	$(gdt_end - gdt - 1) << 16
	lgdt	2(%esp)
	push	$SELECTOR_CODE
	lea	(4f - image)(%ebp), %eax
	push	%eax
	lret

no_long_mode:
	lea	(no_long_mode_text - image)(%ebp), %esi
	mov	$0xB8000, %edi
	mov	$0x4f, %ah
5:	lodsb
	test	%al, %al
	jz	6f
	stosw
	jmp	5b
6:	hlt
	jmp	6b
no_long_mode_text:
	.asciz	"sill: this processor has no 64-bit mode with NX: Sill cannot run here"

	.code64
4:	mov	%edi, %edi		/* magic */
	mov	%ebx, %esi		/* information */
	mov	%ebp, %edx		/* where the image is */
	mov	$early_stack_end, %rsp
	xor	%ebp, %ebp
	mov	$boot_main, %rax	/* loads GDT and segments */
	call	*%rax
	ud2

	.data
	.balign 8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* SELECTOR_CODE32 */
	.quad	0x00af9b000000ffff	/* SELECTOR_CODE */
	.quad	0x00cf93000000ffff	/* SELECTOR_DATA */
gdt_end:
	.globl	gdt_pointer
gdt_pointer:
	.short	gdt_end - gdt - 1
	.quad	gdt

	.bss
	.balign 4096
early_tables:
	.skip	8 * 4096
	.globl	early_stack, early_stack_end
early_stack:
	.skip	8192
early_stack_end:

	.section .note.GNU-stack, "", @progbits
