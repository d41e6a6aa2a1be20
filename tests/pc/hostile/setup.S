/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first kilobyte of the bzImage: the header of the Linux boot protocol (the kernel's
 * Documentation/arch/x86/boot.rst), and what a loader that starts kernels in real mode runs.  It
 * makes the zero page and goes to the 32-bit entry, where other loaders begin.
 */
#define ZERO_PAGE 0x30000

	.section .setup, "awx"
	.code16
setup:
	.org	0x1f1
header:
	.byte	1			/* setup_sects, after the first */
	.word	0
	.long	home_paragraphs
	.word	0, 0, 0
	.word	0xaa55
	.byte	0xeb, header_end - 1f	/* 200h: jmp short */
1:	.ascii	"HdrS"
	.word	0x020f
	.long	0			/* realmode_swtch */
	.word	0, 0			/* start_sys, kernel_version */
	.byte	0			/* type_of_loader */
	.byte	1			/* loadflags: the kernel is at 1 MiB or above */
	.word	0
	.long	0x100000		/* code32_start */
	.long	0, 0			/* initrd */
	.long	0
	.word	0, 0
	.long	0			/* cmd_line_ptr */
	.long	0x7fffffff		/* initrd_addr_max */
	.long	0x200000		/* kernel_alignment */
	.byte	1			/* relocatable: entry.S moves it home */
	.byte	21			/* min_alignment */
	.word	1			/* xloadflags: XLF_KERNEL_64 */
	.long	2047			/* cmdline_size */
	.long	0
	.quad	0
	.long	0, 0			/* payload */
	.quad	0			/* setup_data */
	.quad	HOME			/* pref_address */
	.long	init_size
	.long	0			/* handover_offset */
	.long	0			/* kernel_info_offset */
header_end:
	cli
	cld
	mov	$ZERO_PAGE >> 4, %ax
	mov	%ax, %es
	xor	%di, %di
	xor	%eax, %eax
	mov	$1024, %cx
	rep stosl
	mov	$header - setup, %si	/* DS is where the loader put these two sectors */
	mov	%si, %di
	mov	$header_end - header, %cx
	rep movsb

	/* INT 15h, E820h: 20 bytes a range, at 2d0h. */
	xor	%ebx, %ebx
	mov	$0x2d0, %di
2:	mov	$0xe820, %eax
	mov	$20, %ecx
	mov	$0x534d4150, %edx
	int	$0x15
	jc	3f
	incb	%es:0x1e8
	add	$20, %di
	test	%ebx, %ebx
	jz	3f
	cmpb	$128, %es:0x1e8
	jb	2b
3:	cli
	mov	%ds, %ax
	movzx	%ax, %eax
	shl	$4, %eax
	add	$gdt - setup, %eax
	mov	%eax, gdt - setup + 2
	lgdtl	gdt - setup
	mov	$1, %eax
	mov	%eax, %cr0
	mov	$0x18, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$ZERO_PAGE, %esi
	ljmpl	$0x10, $0x100000

	.balign 8
gdt:	.word	0x1f			/* limit and base: itself as entry 0 */
	.long	0
	.word	0
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
	.org	0x400

	.section .note.GNU-stack, "", @progbits
