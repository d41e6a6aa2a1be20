// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/trap.h"

#include "hypervisor/core/layout.h"
#include "hypervisor/core/panic.h"
#include "hypervisor/core/x86.h"

struct gate {
	uint16_t offset_low, selector, kind, offset_middle;
	uint32_t offset_high, zero;
};

struct pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

struct fixup {
	uint64_t at, go_on;
};

static struct gate idt[VECTOR_COUNT];

extern uint8_t trap_entries[], wait_start[], wait_end[];
extern uint8_t gdt_pointer[];
extern const struct fixup fixups_start[], fixups_end[];

void traps_setup(void)
{
	for (unsigned int i = 0; i < VECTOR_COUNT; i++) {
		uint64_t entry = (uint64_t)trap_entries + i * 16;

		idt[i] = (struct gate){
			(uint16_t)entry,
			SELECTOR_CODE,
			0x8E00, /* present, ring 0, 64-bit interrupt gate, no stack switch */
			(uint16_t)(entry >> 16),
			(uint32_t)(entry >> 32),
			0
		};
	}
}

void traps_load(void)
{
	struct pointer pointer = { sizeof(idt) - 1, (uint64_t)idt };

	__asm__ volatile(
		"lgdt (%0); lidt %1; mov %2, %%ds; mov %2, %%es; mov %2, %%ss" ::"r"(gdt_pointer),
		"m"(pointer), "r"(SELECTOR_DATA));
}

void trap_handle(struct trap_frame *frame)
{
	if (frame->vector == VECTOR_NMI) {
		/* What it was sent for is looked at by those who wait: smp.c. */
		if (frame->rip >= (uint64_t)wait_start && frame->rip < (uint64_t)wait_end)
			frame->rip = (uint64_t)wait_end;
		return;
	}
	/* INIT, made an exception (VM_CR.R_INIT): it has done its work by not resetting us. */
	if (frame->vector == VECTOR_SX)
		return;
	for (const struct fixup *fixup = fixups_start;
	     frame->vector == VECTOR_GP && fixup < fixups_end; fixup++) {
		if (fixup->at == frame->rip) {
			frame->rip = fixup->go_on;
			return;
		}
	}
	panic_trap(frame, "exception %u, error code %x", (unsigned int)frame->vector,
	           (unsigned int)frame->error);
}
