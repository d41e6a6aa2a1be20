/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Included by assembly: from protected mode to long mode, on the page tables at the physical
 * address in \root.  Every processor comes this way once.  A far jump to 64-bit code must follow.
 */
	.macro	long_mode root
	mov	\root, %cr3
	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$0xC0000080, %ecx	/* EFER: LME, NXE */
	rdmsr
	or	$0x900, %eax
	wrmsr
	mov	$0x80010001, %eax	/* PG, WP, PE; caches on */
	mov	%eax, %cr0
	.endm
