/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must run below 1 MiB: where processors start, and the way into the other modes of the
 * processor and back.  An act (acts.S) runs there with its address in EBX, a value in EAX, and EDI
 * to jump to when it is done; what traps instead leaves vector, error code and EIP in
 * `mode_result`.
 */
#include "tests/pc/hostile/layout.h"
#include "tests/pc/hostile/save.S"

#define CR0_LONG 0x80010013 /* PG, WP, ET, MP, PE */
#define CR0_FLAT 0x00000011
#define CR4_LONG 0x620 /* OSXMMEXCPT, OSFXSR, PAE */
#define CR4_PAE  0x020
#define CR4_PSE  0x010

	.section .low.start, "awx"
	.globl	low_start
low_start:
	.code16
	cli
	cld
	ljmp	$0, $1f
1:	xor	%eax, %eax
	mov	%ax, %ds
	mov	%cr0, %eax
	mov	%eax, started_cr0
	lgdtl	gdt_pointer
	mov	$CR0_FLAT, %eax
	mov	%eax, %cr0
	ljmpl	$CODE32, $2f
	.code32
2:	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%cr4, %eax
	mov	%eax, started_cr4
	mov	$MSR_EFER_NUMBER, %ecx
	rdmsr
	mov	%eax, started_efer
	jmp	enter_long

	/* From 32-bit mode without paging; ends in ap_main or main on the processor's own stack. */
	.globl	enter_long
enter_long:
	mov	$CR4_LONG, %eax
	mov	%eax, %cr4
	mov	$page_tables, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER_NUMBER, %ecx
	mov	$0x900, %eax		/* NXE, LME */
	xor	%edx, %edx
	wrmsr
	mov	$CR0_LONG, %eax
	mov	%eax, %cr0
	ljmp	$CODE64, $3f
	.code64
3:	mov	$APIC_PAGE + 0x20, %edi
	mov	(%rdi), %edi
	shr	$24, %edi
	cmp	$MAX_CPUS, %edi
	jae	4f
	mov	%edi, %esi
	shl	$16, %edi
	add	$areas, %rdi
	lea	STACK_START(%rdi), %rsp
	xor	%ebp, %ebp
	call	processor_main
4:	cli
	hlt
	jmp	4b

/* uint64_t mode_go(uint32_t address): runs mode_act in mode_kind (enum mode); returns EAX. */
	.globl	mode_go
mode_go:
	save
	cli
	mov	%rsp, mode_rsp
	sidt	mode_idt
	movl	$256, mode_result
	movl	$0, mode_result + 4
	mov	%edi, %ebx
	lea	mode_32(%rip), %eax
	push	$CODE32
	push	%rax
	lretq
	.code32
mode_32:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$mode_stack, %esp
	mov	$CR0_FLAT, %eax
	mov	%eax, %cr0
	mov	$MSR_EFER_NUMBER, %ecx
	mov	$0x800, %eax
	xor	%edx, %edx
	wrmsr
	lidt	idt32_pointer
	mov	mode_kind, %ecx
	cmp	$1, %ecx
	jb	mode_real
	je	mode_act_32
	mov	$CR4_PSE, %eax
	cmp	$2, %ecx
	je	1f
	mov	$CR4_PAE, %eax
1:	mov	%eax, %cr4
	mov	mode_cr3, %eax
	mov	%eax, %cr3
	mov	$CR0_FLAT + 0x80000000, %eax
	mov	%eax, %cr0
	jmp	mode_act_32
mode_act_32:
	mov	$mode_done, %edi
	mov	mode_value, %eax
	mov	mode_port, %edx
	jmp	*mode_act

mode_done:
	mov	%eax, mode_eax
	mov	$mode_stack, %esp
	mov	$CR0_FLAT, %eax
	mov	%eax, %cr0
	mov	$CR4_LONG, %eax
	mov	%eax, %cr4
	mov	$page_tables, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER_NUMBER, %ecx
	mov	$0x900, %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_LONG, %eax
	mov	%eax, %cr0
	ljmp	$CODE64, $1f
	.code64
1:	lidt	mode_idt
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	mode_rsp, %rsp
	mov	mode_eax, %eax
	restore
	ret

	/* Real mode with segments that reach 4 GiB, code too: the limits stay when CR0.PE goes. */
	.code32
mode_real:
	ljmp	$CODE16, $1f
	.code16
1:	mov	$DATA16, %ax
	mov	%ax, %ss
	lidtl	idt16_pointer
	mov	$CR0_FLAT & ~1, %eax
	mov	%eax, %cr0
	ljmp	$0, $2f
2:	xor	%eax, %eax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$mode_stack, %sp
	mov	$mode_done_16, %edi
	mov	mode_value, %eax
	mov	mode_port, %edx
	jmp	*mode_act
mode_done_16:
	mov	%eax, %ebp
	mov	$CR0_FLAT, %eax
	mov	%eax, %cr0
	ljmpl	$CODE32, $3f
	.code32
3:	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%ebp, %eax
	jmp	mode_done

	/* Traps there.  An NMI is counted and goes back; others end the act. */
	.altmacro
	.macro	stub32 vector
stub32_\vector:
	push	$\vector
	jmp	trap32
	.endm
	.macro	gate32 vector
	.word	stub32_\vector, CODE32, 0x8e00, 0
	.endm
	.macro	stub16 vector
stub16_\vector:
	push	$\vector
	jmp	trap16
	.endm
	.macro	gate16 vector
	.word	stub16_\vector, 0
	.endm
	.macro	all what
	number = 0
	.rept	32
	\what	%number
	number = number + 1
	.endr
	.endm

	all	stub32
trap32:	cmpl	$2, (%esp)
	je	1f
	popl	mode_result
	mov	mode_result, %ecx
	mov	$0x60227d00, %edx	/* those with an error code */
	bt	%ecx, %edx
	jnc	2f
	popl	mode_result + 4
2:	popl	mode_result + 8
	jmp	mode_done
1:	add	$4, %esp
	incl	mode_nmis
	iret

	.code16
	all	stub16
trap16:	push	%bp
	mov	%sp, %bp
	cmpw	$2, 2(%bp)
	je	1f
	mov	2(%bp), %ax
	mov	%ax, %cs:mode_result
	mov	4(%bp), %ax
	movzx	%ax, %eax
	mov	%eax, %cs:mode_result + 8
	xor	%ax, %ax
	mov	%ax, %ds
	jmp	mode_done_16
1:	incl	%cs:mode_nmis
	pop	%bp
	add	$2, %sp
	iret

	.balign 8
idt32:	all	gate32
idt16:	all	gate16
idt32_pointer:
	.word	32 * 8 - 1
	.long	idt32
	.balign 8
idt16_pointer:
	.word	32 * 4 - 1
	.long	idt16

	.balign 8
	.globl	gdt, gdt_pointer
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* CODE32 */
	.quad	0x00af9b000000ffff	/* CODE64 */
	.quad	0x00cf93000000ffff	/* DATA */
	.quad	0x00cffb000000ffff	/* USER_CODE32 */
	.quad	0x00cff3000000ffff	/* USER_DATA */
	.quad	0x00affb000000ffff	/* USER_CODE64 */
	.quad	0x008f9b000000ffff	/* CODE16: to 4 GiB */
	.quad	0x000093000000ffff	/* DATA16 */
	.quad	0x00cf9b008000ffff	/* CODE32_SEGMENT */
	.fill	2 * MAX_CPUS + 2, 8, 0	/* TSSs, and SPARE */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt

	.globl	started_cr0, started_cr4, started_efer
	.globl	mode_kind, mode_act, mode_cr3, mode_value, mode_port, mode_result, mode_nmis
	.balign 8
mode_rsp:	.quad	0
mode_idt:	.word	0
		.quad	0
	.balign 8
mode_result:	.long	0, 0, 0		/* vector (256: none), error code, EIP */
mode_kind:	.long	0
mode_act:	.long	0
mode_cr3:	.long	0
mode_value:	.long	0		/* EAX for the act */
mode_port:	.long	0		/* EDX for the act */
mode_eax:	.long	0
mode_nmis:	.long	0
started_cr0:	.long	0
started_cr4:	.long	0
started_efer:	.long	0
	.balign 16
	.skip	1024
mode_stack:

	.section .note.GNU-stack, "", @progbits
