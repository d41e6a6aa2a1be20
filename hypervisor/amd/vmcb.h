/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual machine control block and what belongs to it (APM volume 2 appendices B and C,
 * chapter 15).
 */
#ifndef HYPERVISOR_AMD_VMCB_H
#define HYPERVISOR_AMD_VMCB_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct vmcb_segment {
	uint16_t selector, attributes;
	uint32_t limit;
	uint64_t base;
};

struct vmcb {
	uint16_t cr_read, cr_write, dr_read, dr_write;
	uint32_t intercepts[4]; /* exceptions, then the three words of instructions and events */
	uint8_t reserved_018[0x3C - 0x18];
	uint16_t pause_threshold, pause_count;
	uint64_t iopm, msrpm, tsc_offset;
	uint32_t asid;
	uint8_t tlb_control, reserved_05d[3];
	uint64_t interrupt_control, interrupt_shadow;
	uint64_t exit_code, exit_info1, exit_info2, exit_interrupt;
	uint64_t nested_enable, avic_bar, ghcb;
	uint64_t event;
	uint64_t nested_cr3, lbr_enable;
	uint32_t clean, reserved_0c4;
	uint64_t next_rip;
	uint8_t fetched, bytes[15];
	uint8_t reserved_0e0[0x400 - 0xE0];

	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t reserved_4a0[0x4CB - 0x4A0];
	uint8_t cpl;
	uint32_t reserved_4cc;
	uint64_t efer;
	uint8_t reserved_4d8[0x548 - 0x4D8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t reserved_580[0x5D8 - 0x580];
	uint64_t rsp;
	uint8_t reserved_5e0[0x5F8 - 0x5E0];
	uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	uint8_t reserved_648[0x668 - 0x648];
	uint64_t pat, debug_control, branch_from, branch_to, exception_from, exception_to;
	uint8_t reserved_698[0x1000 - 0x698];
};

static_assert(offsetof(struct vmcb, exit_code) == 0x70, "VMCB layout");
static_assert(offsetof(struct vmcb, next_rip) == 0xC8, "VMCB layout");
static_assert(offsetof(struct vmcb, efer) == 0x4D0, "VMCB layout");
static_assert(offsetof(struct vmcb, rip) == 0x578, "VMCB layout");
static_assert(offsetof(struct vmcb, pat) == 0x668, "VMCB layout");
static_assert(sizeof(struct vmcb) == 4096, "VMCB layout");

/* The words of `intercepts`. */
enum { WORD_EXCEPTIONS, WORD_MISC1, WORD_MISC2, WORD_MISC3 };

/*
 * An intercept's exit code: exceptions begin at 40h, the first word of instructions at 60h, the
 * second at 80h.
 */
#define EXIT_OF(word, bit) (0x40u + 0x20u * (word) + (bit))

#define MISC1_IRET         (1u << 20)
#define EXIT_NESTED_FAULT  0x400u

#define TLB_KEEP           0
#define TLB_FLUSH_ALL      1

/* interrupt_control */
#define CONTROL_V_NMI    (UINT64_C(1) << 11)
#define CONTROL_V_NMI_ON (UINT64_C(1) << 26)

/* event and exit_interrupt: vector, kind, error code in the upper half. */
#define EVENT_VALID       (UINT64_C(1) << 31)
#define EVENT_HAS_CODE    (UINT64_C(1) << 11)
#define EVENT_KIND(event) ((unsigned int)((event) >> 8 & 7))
#define EVENT_NMI         (UINT64_C(2) << 8)
#define EVENT_EXCEPTION   (UINT64_C(3) << 8)
enum { KIND_EXCEPTION = 3, KIND_SOFTWARE = 4 };

/* exit_info1 of a nested page fault. */
#define NESTED_PRESENT    (UINT64_C(1) << 0)
#define NESTED_WRITE      (UINT64_C(1) << 1)
#define NESTED_TABLE_WALK (UINT64_C(1) << 33) /* of the guest's own tables */

/* exit_info1 of an I/O instruction. */
#define IO_IN              (UINT64_C(1) << 0)
#define IO_STRING          (UINT64_C(1) << 2)
#define IO_PORT(info)      ((uint16_t)((info) >> 16))
#define IO_BYTES(info)     ((unsigned int)((info) >> 4 & 7))

#define MSR_SYSCFG         0xC0010010u
#define MSR_TOP_MEM        0xC001001Au
#define MSR_TOP_MEM2       0xC001001Du
#define MSR_SMM_BASE       0xC0010111u
#define MSR_SMM_ADDRESS    0xC0010112u
#define MSR_SMM_MASK       0xC0010113u
#define MSR_VM_CR          0xC0010114u
#define MSR_VM_HSAVE_PA    0xC0010117u
#define MSR_SVM_KEY        0xC0010118u
#define VM_CR_R_INIT       (UINT64_C(1) << 1)
#define VM_CR_SVMDIS       (UINT64_C(1) << 4)

#define CPUID_SVM          0x8000000Au
#define SVM_NESTED_PAGING  (1u << 0)
#define SVM_NEXT_RIP       (1u << 3)
#define SVM_FLUSH_BY_ASID  (1u << 6)
#define SVM_DECODE_ASSISTS (1u << 7)
#define SVM_VNMI           (1u << 25)

#endif
