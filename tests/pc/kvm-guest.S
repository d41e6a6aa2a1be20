/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest of kvm-memory does, in real mode with segments of 4 GiB: goes over pages.  EDI has the first one's address,
 * ECX their number, EAX a key; a page's first word is its address XOR the key.  Ends with a write to port 0x10.
 */
	.section .rodata
	.code16
	.globl guest_code, guest_code_end, guest_fill, guest_same, guest_check, guest_any, guest_churn

	.macro fill
1:	movl %edi, %edx
	xorl %eax, %edx
	movl %edx, (%edi)
	addl $4096, %edi
	decl %ecx
	jnz 1b
	.endm

	/* EBX: how many pages have something else. */
	.macro check
	xorl %ebx, %ebx
1:	movl %edi, %edx
	xorl %eax, %edx
	cmpl %edx, (%edi)
	je 2f
	incl %ebx
2:	addl $4096, %edi
	decl %ecx
	jnz 1b
	.endm

guest_code:
guest_fill:
	fill
	outl %eax, $0x10

/* The key itself, everywhere. */
guest_same:
1:	movl %eax, (%edi)
	addl $4096, %edi
	decl %ecx
	jnz 1b
	outl %eax, $0x10

guest_check:
	check
	movl %ebx, %eax
	outl %eax, $0x10

/* All first words, by OR. */
guest_any:
	xorl %eax, %eax
1:	orl (%edi), %eax
	addl $4096, %edi
	decl %ecx
	jnz 1b
	outl %eax, $0x10

/* For ever: writes with a new key, and looks.  A turn ends with a write of EBX. */
guest_churn:
	movl %edi, %esi
	movl %ecx, %ebp
3:	movl %esi, %edi
	movl %ebp, %ecx
	fill
	movl %esi, %edi
	movl %ebp, %ecx
	check
	incl %eax
	xchgl %eax, %ebx
	outl %eax, $0x10
	xchgl %eax, %ebx
	jmp 3b
guest_code_end:
	.section .note.GNU-stack, "", @progbits
