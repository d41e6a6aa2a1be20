/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest of the KVM probe: what a boot loader and the first milliseconds of a kernel do.
 *
 * Loaded at 0x8000 and entered there in real mode with CS and DS based at 0.  It climbs through
 * protected mode to long mode with page tables of its own, at a low and at a kernel's high address,
 * and says after each step which one is done: a byte to port 0x5a.  Numbers and names of the steps
 * are those of machine/kvm-probe.c.  The host has filled in nothing but this code.
 */
#define PORT   0x5a
#define TABLES 0x10000
#define STACK  0x8000
#define HIGH   0xffffffff80000000
#define AT(label) (label - kvm_probe_guest + 0x8000)
#define STEP(n) movb $(n), %al; outb %al, $PORT

	.section .rodata
	.globl kvm_probe_guest, kvm_probe_guest_size
	.balign 16
kvm_probe_guest:
	.code16
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$STACK, %sp
	STEP(1)
	lgdtl	AT(gdt_pointer)
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$0x08, $AT(protected)

	.code32
protected:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK, %esp
	STEP(2)

	/* A kernel's first look: is this processor what it needs? */
	movl	$0x80000001, %eax
	cpuid
	btl	$29, %edx
	jnc	stop
	STEP(3)

	/*
	 * Tables: one page each of level 4, 3 and 2; 1 GiB in pages of 2 MiB, found at 0 and in the
	 * last 2 GiB.  The local APIC's page is in the fourth GiB: a second level-2 page for it.
	 */
	movl	$TABLES, %edi
	xorl	%eax, %eax
	movl	$(4 * 1024), %ecx
	rep stosl
	movl	$(TABLES + 0x1003), TABLES
	movl	$(TABLES + 0x1003), TABLES + 0xff8
	movl	$(TABLES + 0x2003), TABLES + 0x1000
	movl	$(TABLES + 0x2003), TABLES + 0x1000 + 510 * 8
	movl	$(TABLES + 0x3003), TABLES + 0x1000 + 3 * 8
	movl	$0x83, %eax
	movl	$(TABLES + 0x2000), %edi
	movl	$512, %ecx
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	1b
	movl	$0xfee0009b, TABLES + 0x3000 + (0xfee00000 - 0xc0000000) / 0x200000 * 8

	movl	%cr4, %eax
	orl	$0x620, %eax			/* PAE, OSFXSR, OSXMMEXCPT */
	movl	%eax, %cr4
	movl	$TABLES, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER: LME, SCE, NXE */
	rdmsr
	orl	$0x901, %eax
	wrmsr
	movl	%cr0, %eax
	andl	$~0x4, %eax			/* EM off; MP, WP and paging on */
	orl	$0x80010002, %eax
	movl	%eax, %cr0
	ljmpl	$0x18, $AT(long_mode)

	.code64
long_mode:
	movq	$(HIGH + AT(high)), %rax
	jmpq	*%rax
high:
	movq	$(HIGH + STACK), %rsp
	STEP(4)

	/* Registers of the system: what they are set to is what they read as. */
	movl	$0xc0000100, %ecx		/* FS base */
	movl	$0x12345678, %eax
	movl	$0xffff8000, %edx
	wrmsr
	rdmsr
	cmpl	$0x12345678, %eax
	jne	stop
	cmpl	$0xffff8000, %edx
	jne	stop
	lgdt	gdt_pointer_high(%rip)
	lidt	idt_pointer(%rip)
	movl	$0x28, %eax
	ltr	%ax
	STEP(5)

	/* SSE, and enough instructions that a machine that emulates each of them shows. */
	movl	$3, %eax
	cvtsi2sd %eax, %xmm0
	mulsd	%xmm0, %xmm0
	cvttsd2si %xmm0, %eax
	cmpl	$9, %eax
	jne	stop
	movl	$2000000, %ecx
2:	decl	%ecx
	jnz	2b
	STEP(6)

	/* A page that is not there: the fault must arrive with its address, and going on work. */
	movq	$0x40000000, %rbx
	leaq	fault(%rip), %rax
	movl	$14, %edi
	call	gate
	movb	(%rbx), %al
after_fault:
	cmpq	%rbx, %r8
	jne	stop
	STEP(7)

	/* Ring 3 and back: to user code by IRET, to the kernel by SYSCALL. */
	movl	$0xc0000081, %ecx		/* STAR: kernel 0x18, user 0x30 (32-bit base) */
	xorl	%eax, %eax
	movl	$0x00300018, %edx
	wrmsr
	leaq	from_user(%rip), %rax
	movq	%rax, %rdx
	shrq	$32, %rdx
	movl	$0xc0000082, %ecx		/* LSTAR */
	wrmsr
	movl	$0xc0000084, %ecx		/* SFMASK: interrupts off */
	movl	$0x200, %eax
	xorl	%edx, %edx
	wrmsr
	movl	$(TABLES + 0x1007), TABLES	/* the low half is the user's */
	movl	$(TABLES + 0x2007), TABLES + 0x1000
	orl	$4, TABLES + 0x2000
	movq	%cr3, %rax
	movq	%rax, %cr3
	pushq	$0x3b
	pushq	$(STACK - 0x800)
	pushq	$2
	pushq	$0x43
	pushq	$AT(user)
	iretq
user:
	syscall
from_user:
	movq	$(HIGH + STACK), %rsp
	STEP(8)

	/* The local APIC's timer: sleep until its interrupt. */
	leaq	timer(%rip), %rax
	movl	$0x40, %edi
	call	gate
	movl	$0xfee00000, %ebx
	movl	$0x1ff, 0xf0(%rbx)		/* spurious vector, APIC on */
	movl	$0, 0x80(%rbx)			/* task priority */
	movl	$0x0b, 0x3e0(%rbx)		/* divide by 1 */
	movl	$0x40, 0x320(%rbx)		/* one shot, vector 0x40 */
	xorl	%r9d, %r9d
	movl	$100000, 0x380(%rbx)
3:	sti
	hlt
	cli
	testl	%r9d, %r9d
	jz	3b
	STEP(9)
stop:
	STEP(0xff)
	cli
4:	hlt
	jmp	4b

/* Interrupt gate %edi goes to %rax. */
gate:
	leaq	idt(%rip), %rdx
	movl	%edi, %ecx
	shll	$4, %ecx
	addq	%rcx, %rdx
	movw	%ax, (%rdx)
	movw	$0x18, 2(%rdx)
	movw	$0x8e00, 4(%rdx)
	shrq	$16, %rax
	movw	%ax, 6(%rdx)
	shrq	$16, %rax
	movl	%eax, 8(%rdx)
	ret

fault:
	movq	%cr2, %r8
	leaq	after_fault(%rip), %rax
	movq	%rax, 8(%rsp)
	addq	$8, %rsp
	iretq

timer:
	movl	$1, %r9d
	movl	$0xfee00000, %eax
	movl	$0, 0xb0(%rax)
	iretq

	.balign 16
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff		/* 08: code, 32 bits */
	.quad	0x00cf93000000ffff		/* 10: data */
	.quad	0x00af9b000000ffff		/* 18: code, 64 bits */
	.quad	0x00cf93000000ffff		/* 20: data, as SYSCALL wants it */
	.quad	0x8000890000000067 | (AT(tss) << 16) /* 28: task state, low and high half */
	.quad	0x00000000ffffffff
	.quad	0x00cff3000000ffff		/* 38: user data */
	.quad	0x00affb000000ffff		/* 40: user code, 64 bits */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	AT(gdt)
gdt_pointer_high:
	.word	gdt_end - gdt - 1
	.quad	HIGH + AT(gdt)
idt_pointer:
	.word	0x41 * 16 - 1
	.quad	HIGH + AT(idt)
	.balign 16
tss:
	.long	0
	.quad	HIGH + STACK
	.fill	92, 1, 0
	.balign 16
idt:
	.fill	0x41 * 16, 1, 0
guest_end:
	.balign 8
kvm_probe_guest_size:
	.quad	guest_end - kvm_probe_guest
	.section .note.GNU-stack, "", @progbits
