/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A processor.  Its struct lies at the end of its area, so that it is found from the stack pointer;
 * other processors only touch `state`, `sipi`, `requests` and `session`, atomically.
 */
#ifndef HYPERVISOR_CORE_CPU_H
#define HYPERVISOR_CORE_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "hypervisor/core/guest.h"
#include "hypervisor/core/layout.h"
#include "include/sill/hypercall.h"

/* What another processor can ask of one, by NMI. */
enum request {
	REQUEST_LOOK = 1 << 0,  /* state has changed */
	REQUEST_FLUSH = 1 << 1, /* forget nested translations */
	REQUEST_STOP = 1 << 2,  /* panic elsewhere: halt for ever */
	REQUEST_FORGET =
		1 << 3, /* the session that runs has changed: see how often it was flushed */
};

#define SIPI_NONE 0x100u

struct cpu {
	struct guest_regs regs; /* the guest's, while we run; first, for the vendor's entry code */
	void *vendor;           /* amd: struct svm */
	uint32_t index;         /* 0: the one that started */
	uint32_t apic_id;
	uint32_t state;    /* enum sill_cpu_state */
	uint32_t sipi;     /* vector, or SIPI_NONE */
	uint32_t requests; /* enum request, bits */
	uint32_t session;  /* the one that runs here, or 0 */
	bool nmi_pending;  /* one for the guest, not yet given to it */
	struct sill_stats stats;
};

extern uint32_t cpu_count;

static inline struct cpu *cpu_at(uint32_t index)
{
	return (struct cpu *)(AREAS_BASE + (uint64_t)index * AREA_SIZE + AREA_CPU);
}

/* The one this runs on.  Not on the early stack. */
static inline struct cpu *cpu_self(void)
{
	uint64_t stack;

	__asm__("mov %%rsp, %0" : "=r"(stack));
	return (struct cpu *)(round_down(stack, AREA_SIZE) + AREA_CPU);
}

/* Sets requests and sends the NMI.  Not to oneself. */
void cpu_request(struct cpu *cpu, enum request request);

/*
 * After an NMI exit: takes the NMI and does what was asked.  True if it was not for us: the
 * guest's.  Does not return when the request was to stop.
 */
bool cpu_answer_nmi(struct cpu *cpu);

/* Waits, as a processor between INIT and SIPI does, and returns the vector to start at. */
uint8_t cpu_wait_for_sipi(struct cpu *cpu);

/*
 * Starts every processor but this one into vendor->cpu_start and its wait; one that does not come
 * stays ABSENT.
 */
void cpus_start(uint64_t trampoline_page);

/* trap-entry.S */
void cpu_wait(void);
void cpu_take_nmi(void);

#endif
