/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our address space and the selectors of our GDT; for assembly too.  docs/hypervisor.md, "Memory".
 */
#ifndef HYPERVISOR_CORE_LAYOUT_H
#define HYPERVISOR_CORE_LAYOUT_H

#define DIRECT_BASE 0xffff800000000000 /* + physical */
#define AREAS_BASE  0xffffff0000000000 /* + processor * AREA_SIZE */
#define IMAGE_BASE  0xffffffff80000000 /* HV_BASE of link.ld */

/* A processor's area: a guard page, the stack, and on the last page its struct cpu. */
#define AREA_SIZE  0x8000
#define AREA_CPU   0x7000 /* offset of struct cpu, and the end of the stack */
#define AREA_GUARD 0x1000

/*
 * The Linux boot protocol wants flat code at 10h and data at 18h when a kernel is entered in 64-bit
 * mode.
 */
#define SELECTOR_CODE   0x10
#define SELECTOR_DATA   0x18
#define SELECTOR_CODE32 0x08

#endif
