/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest in one boot sector, for tests of machines that need no operating system.
 *
 * It prints "tiny guest" on the first serial port and obeys single keys from there:
 *   q   shut down                      w C   fill sector 1 with the character C
 *   r   print what sector 1 begins with     f   print what sector 100000 begins with
 *   t   restart the machine
 * The power button shuts it down as well, unless it is assembled with -DSTUBBORN.
 * q35 as SeaBIOS leaves it: ACPI's PM1 status 0x600, enable 0x602, control 0x604.
 */
	.code16
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movb	%dl, drive - _start + 0x7c00
	movw	$0x602, %dx
	movw	$0x100, %ax			/* the power button's event */
	outw	%ax, %dx
	movw	$(hello - _start + 0x7c00), %si
	call	print
wait:
	sti
	hlt					/* the BIOS's clock ticks 18 times a second */
#ifndef STUBBORN
	movw	$0x600, %dx
	inw	%dx, %ax
	testw	$0x100, %ax
	jnz	off
#endif
	call	key
	jz	wait
	cmpb	$'q', %al
	je	off
	cmpb	$'t', %al
	je	restart
	cmpb	$'r', %al
	je	read
	cmpb	$'f', %al
	je	far
	cmpb	$'w', %al
	jne	wait
1:	call	key
	jz	1b
	movb	%al, %ah
	movw	$0x8000, %di
	movw	$256, %cx
	rep stosw
	movb	$0x03, %ah
	call	disk
	movw	$(written - _start + 0x7c00), %si
	jmp	say
read:
	movb	$0x02, %ah
	call	disk
tell:
	movw	$(found - _start + 0x7c00), %si
	call	print
	movb	0x8000, %al
	call	put
	movw	$(end - _start + 0x7c00), %si
say:
	call	print
	jmp	wait
far:
	movb	$0, 0x8000
	movw	$(packet - _start + 0x7c00), %si
	movb	drive - _start + 0x7c00, %dl
	movb	$0x42, %ah
	int	$0x13
	jmp	tell
restart:
	movb	$0xfe, %al
	outb	%al, $0x64
	hlt
off:
	movw	$0x604, %dx
	movw	$0x2000, %ax
	outw	%ax, %dx
	hlt

disk:						/* %ah: what to do with the second sector */
	movb	$1, %al
	movw	$2, %cx
	xorb	%dh, %dh
	movb	drive - _start + 0x7c00, %dl
	movw	$0x8000, %bx
	int	$0x13
	ret
key:						/* a key in %al, or the zero flag */
	movw	$0x3fd, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	1f
	movw	$0x3f8, %dx
	inb	%dx, %al
	testb	%al, %al
1:	ret
print:
	lodsb
	testb	%al, %al
	jz	1f
	call	put
	jmp	print
1:	ret
put:
	movb	%al, %ah
	movw	$0x3fd, %dx
1:	inb	%dx, %al
	testb	$0x20, %al
	jz	1b
	movb	%ah, %al
	movw	$0x3f8, %dx
	outb	%al, %dx
	ret
drive:	.byte	0
packet:	.byte	16, 0, 1, 0			/* int 13h, extended read: one sector */
	.word	0x8000, 0
	.quad	100000
hello:	.asciz	"tiny guest\r\n"
written: .asciz	"written\r\n"
found:	.asciz	"found "
end:	.asciz	"\r\n"
	.org	446
	.fill	64, 1, 0
	.byte	0x55, 0xaa
