/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first 4 GiB mapped to themselves in pages of 2 MiB, for ring 3 too: the tables everything
 * begins and ends on.
 */
	.data
	.balign 4096
	.globl	page_tables
page_tables:
	.quad	1f + 7
	.fill	511, 8, 0
1:	.quad	2f + 7, 2f + 0x1007, 2f + 0x2007, 2f + 0x3007
	.fill	508, 8, 0
2:	page = 0
	.rept	2048
	.quad	page + 0x87
	page = page + 0x200000
	.endr

	.section .note.GNU-stack, "", @progbits
