/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the boot loader to C.  The loader may have put us at any multiple of 2 MiB below 4 GiB, so this code
 * asks where it is and reaches everything by its distance from the image's start.  Tables made here map the
 * first 4 GiB to themselves and to DIRECT_BASE, and the image to IMAGE_BASE; main.c soon replaces them.
 */
#include "hypervisor/core/layout.h"

	.section .boot, "awx"
image:
	/* Multiboot 1: modules on pages, memory map wanted. */
	.balign 8
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
	.balign 8
	.short	10, 0			/* we can be moved */
	.long	24, 0x200000, 0xffffffff, 0x200000, 1
	.balign 8
	.short	0, 0
	.long	8
multiboot2_end:

	.code32
	.globl	start
start:
	cli
	cld
	mov	%eax, %edi
	/* The only memory known to be writable is the loader's information: bytes 4 to 7 of it are of no use to us. */
	lea	8(%ebx), %esp
	call	1f
1:	pop	%ebp
	sub	$(1b - image), %ebp
	lea	early_stack_at(%ebp), %esp

	mov	$0x80000000, %eax
	push	%ebx
	cpuid
	pop	%ebx
	cmp	$0x80000001, %eax
	jb	no_long_mode
	mov	$0x80000001, %eax
	push	%ebx
	cpuid
	pop	%ebx
	bt	$29, %edx		/* long mode */
	jnc	no_long_mode
	bt	$20, %edx		/* NX */
	jnc	no_long_mode

	/* Pages: 0 PML4, 1 PDPT low, 2-5 page directories of 4 GiB, 6 PDPT high, 7 page directory of the image. */
	lea	early_tables_at(%ebp), %esi
	lea	0x1003(%esi), %eax
	mov	%eax, (%esi)
	mov	%eax, 256 * 8(%esi)
	lea	0x6003(%esi), %eax
	mov	%eax, 511 * 8(%esi)
	lea	0x7003(%esi), %eax
	mov	%eax, 0x6000 + 510 * 8(%esi)
	lea	0x83(%ebp), %eax
	mov	%eax, 0x7000(%esi)
	lea	0x2003(%esi), %eax
	mov	$0, %ecx
2:	mov	%eax, 0x1000(%esi, %ecx, 8)
	add	$0x1000, %eax
	inc	%ecx
	cmp	$4, %ecx
	jne	2b
	mov	$0x83, %eax
	mov	$0, %ecx
3:	mov	%eax, 0x2000(%esi, %ecx, 8)
	add	$0x200000, %eax
	inc	%ecx
	cmp	$2048, %ecx
	jne	3b

	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	%esi, %cr3
	mov	$0xC0000080, %ecx	/* EFER: LME, NXE */
	rdmsr
	or	$0x900, %eax
	wrmsr
	mov	%cr0, %eax
	and	$0x9fffffff, %eax	/* caches on */
	or	$0x80010001, %eax	/* PG, WP, PE */
	mov	%eax, %cr0

	lea	gdt_at(%ebp), %eax
	mov	%eax, gdt_pointer_at + 2(%ebp)
	lgdt	gdt_pointer_at(%ebp)
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
4:	mov	$SELECTOR_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%edi, %edi		/* magic */
	mov	%ebx, %esi		/* information */
	mov	%ebp, %edx		/* where the image is */
	mov	$early_stack_end, %rsp
	mov	$gdt, %rax
	mov	%rax, gdt_pointer + 2
	lgdt	gdt_pointer
	xor	%ebp, %ebp
	mov	$boot_main, %rax
	call	*%rax
	ud2

	.data
	.balign 8
	.globl	gdt
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* SELECTOR_CODE32 */
	.quad	0x00af9b000000ffff	/* SELECTOR_CODE */
	.quad	0x00cf93000000ffff	/* SELECTOR_DATA */
gdt_end:
	.short	0
	.globl	gdt_pointer
gdt_pointer:
	.short	gdt_end - gdt - 1
	.quad	0

	.bss
	.balign 4096
	.globl	early_tables
early_tables:
	.skip	8 * 4096
	.globl	early_stack
early_stack:
	.skip	8192
	.globl	early_stack_end
early_stack_end:

	.section .note.GNU-stack, "", @progbits
