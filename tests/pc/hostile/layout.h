/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers that assembly shares with C. */
#ifndef HOSTILE_LAYOUT_H
#define HOSTILE_LAYOUT_H

/* Selectors: the first ones as Linux has them. */
#define CODE32         0x08
#define CODE64         0x10
#define DATA           0x18
#define USER_CODE32    0x23
#define USER_DATA      0x2b
#define USER_CODE64    0x33
#define CODE16         0x38
#define DATA16         0x40
#define CODE32_SEGMENT 0x48 /* based at SEGMENT */
#define FIRST_TSS      0x50 /* 16 bytes for each processor */

#define SEGMENT        0x8000 /* where low code begins */

#define MAX_CPUS       8

#define SPARE          (FIRST_TSS + 16 * MAX_CPUS) /* 16 bytes for what a test puts there */

/* A processor's area: its struct cpu, and above it the stacks, each named by its end. */
#define AREA_SIZE       0x10000
#define STACK_START     0x6000 /* from SIPI to ap_main */
#define STACK_TRAP      0xa000 /* IST 1: exceptions */
#define STACK_USER      0xb000
#define STACK_SECOND    0xc000 /* IST 2, for gates that tests bend */
#define STACK_MAIN      0x10000

#define COMMAND_LINE    2048
#define MSR_EFER_NUMBER 0xC0000080

#define APIC_PAGE       0xfee00000
#define START_VECTOR    0x08 /* SIPI: low_start */

#endif
