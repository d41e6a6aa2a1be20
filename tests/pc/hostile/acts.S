/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hostile root does in every mode of the processor.  EBX: an address; EAX: a value; EDX: a
 * port; (E)DI: where to go on.
 */
#include "tests/pc/hostile/layout.h"

#define ACTS(n, r, p)                                                                  \
act##n##_read:         movl (%ebx), %eax;                              jmp *%r##di; \
act##n##_write:        movl %eax, (%ebx);                              jmp *%r##di; \
act##n##_run:          jmp *%r##bx;                                                 \
act##n##_push:         movl %esp, %ebp; movl %ebx, %esp; push %r##ax;               \
                       movl %ebp, %esp;                                jmp *%r##di; \
act##n##_add:          lock addl %eax, (%ebx);                         jmp *%r##di; \
act##n##_exchange:     xchgl %eax, (%ebx);                             jmp *%r##di; \
act##n##_string_read:  movl %edi, %ebp; movl %ebx, %esi;                            \
                       movl $scratch, %edi; movl $4, %ecx;                          \
                       p rep movsb; movl scratch, %eax;           jmp *%r##bp; \
act##n##_string_write: movl %edi, %ebp; movl %ebx, %edi;                            \
                       movl %eax, scratch; movl $scratch, %esi;                     \
                       movl $4, %ecx; p rep movsb;                jmp *%r##bp; \
act##n##_port_read:    movl %edi, %ebp; movl %ebx, %edi; p insl;  jmp *%r##bp; \
act##n##_port_write:   movl %ebx, %esi; p outsl;                  jmp *%r##di; \
act##n##_undefined:    ud2;                                                         \
act##n##_wait:         movl $1, 4(%ebx);                                           \
                       1: pause; cmpl $0, (%ebx); je 1b;               jmp *%r##di; \
act##n##_port:         inb %dx, %al;                                   jmp *%r##di; \
act##n##_vmrun:        movl %ebx, %eax; .byte 0x0f, 0x01, 0xd8;        jmp *%r##di; \
act##n##_vmmcall:      .byte 0x0f, 0x01, 0xd9;                         jmp *%r##di; \
act##n##_vmload:       movl %ebx, %eax; .byte 0x0f, 0x01, 0xda;        jmp *%r##di; \
act##n##_vmsave:       movl %ebx, %eax; .byte 0x0f, 0x01, 0xdb;        jmp *%r##di; \
act##n##_stgi:         .byte 0x0f, 0x01, 0xdc;                         jmp *%r##di; \
act##n##_clgi:         .byte 0x0f, 0x01, 0xdd;                         jmp *%r##di; \
act##n##_skinit:       movl %ebx, %eax; .byte 0x0f, 0x01, 0xde;        jmp *%r##di; \
act##n##_invlpga:      movl %ebx, %eax; xorl %ecx, %ecx;                            \
                       .byte 0x0f, 0x01, 0xdf;                         jmp *%r##di; \
act##n##_cpuid:        xorl %ecx, %ecx; cpuid; movl %ebx, %eax;        jmp *%r##di;

	.section .low, "awx"
	.code16
	ACTS(16, e, .byte 0x67;)
	.code32
	ACTS(32, e, )
	.code64
	ACTS(64, r, )

	/* In a segment that begins at SEGMENT: code has other addresses there than the linker's. */
	.code16
act16_cpuid_segment:
	ljmp	$SEGMENT >> 4, $1f - SEGMENT
1:	xorl	%ecx, %ecx
	cpuid
	movl	%ebx, %eax
	ljmp	$0, $2f
2:	jmp	*%edi
	.code32
act32_cpuid_segment:
	ljmp	$CODE32_SEGMENT, $1f - SEGMENT
1:	xorl	%ecx, %ecx
	cpuid
	movl	%ebx, %eax
	ljmp	$CODE32, $2f
2:	jmp	*%edi
	.code64
act64_cpuid_segment:
	ud2

	.balign 8
	.globl	scratch
scratch:
	.quad	0

	.altmacro
	.macro	act name
	.globl	act_\name
act_\name:
	.long	act16_\name, act32_\name, act64_\name
	.endm

	.section .rodata
	.balign 4
	.irp	name, read, write, run, push, add, exchange, string_read, \
		string_write, port_read, port_write
	act	\name
	.endr
	.irp	name, port, undefined, wait, vmrun, vmmcall, vmload, vmsave, stgi, clgi, \
		skinit, invlpga, cpuid, cpuid_segment
	act	\name
	.endr

	.section .note.GNU-stack, "", @progbits
