/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A processor's local APIC: xAPIC registers in memory, x2APIC registers as MSRs, priorities, local
 * lines, interrupt commands and the timer.
 *
 * lapic.c has vectors, priorities and reset; lapic-registers.c what a guest and a VMM read and
 * write; lapic-timer.c the timer; lapic-deliver.c who a message is for. The caller locks, and one
 * lock is enough for all local APICs of a session.  Callbacks come with that lock held; `send` and
 * `ended` may call back into local APICs, this one too.
 */
#ifndef MODULE_IRQCHIP_LAPIC_H
#define MODULE_IRQCHIP_LAPIC_H

#include <linux/kvm.h>

#include "module/irqchip/message.h"

#define LAPIC_BASE         0xFEE00000u
#define LAPIC_BASE_BSP     0x100u
#define LAPIC_BASE_X2      0x400u
#define LAPIC_BASE_ENABLED 0x800u

/* Registers: the offset in the page, or the MSR's number less 800h, in units of a register. */
enum lapic_register {
	LAPIC_ID = 0x02,
	LAPIC_VERSION = 0x03,
	LAPIC_TPR = 0x08,
	LAPIC_APR = 0x09,
	LAPIC_PPR = 0x0A,
	LAPIC_EOI = 0x0B,
	LAPIC_RRD = 0x0C,
	LAPIC_LDR = 0x0D,
	LAPIC_DFR = 0x0E,
	LAPIC_SVR = 0x0F,
	LAPIC_ISR = 0x10, /* and seven more, as the next two */
	LAPIC_TMR = 0x18,
	LAPIC_IRR = 0x20,
	LAPIC_ESR = 0x28,
	LAPIC_ICR = 0x30,
	LAPIC_ICR2 = 0x31,
	LAPIC_TIMER = 0x32,
	LAPIC_THERMAL = 0x33,
	LAPIC_PERF = 0x34,
	LAPIC_LINT0 = 0x35,
	LAPIC_LINT1 = 0x36,
	LAPIC_ERROR = 0x37,
	LAPIC_INITIAL = 0x38,
	LAPIC_CURRENT = 0x39,
	LAPIC_DIVIDE = 0x3E,
	LAPIC_SELF = 0x3F,
	LAPIC_REGISTERS = 0x40
};

#define LAPIC_SVR_ENABLED  0x100u
#define LAPIC_SVR_DIRECTED 0x1000u /* ends are not broadcast */
#define LAPIC_LVT_REMOTE   0x4000u
#define LAPIC_LVT_LEVEL    0x8000u
#define LAPIC_LVT_MASKED   0x10000u
#define LAPIC_BUSY         0x1000u /* delivery status of ICR and LVTs: always idle here */

/* What the VMM has decided; it may change until the processor first runs. */
enum lapic_feature {
	/* CPUID says so. */
	LAPIC_HAS_X2 = 1,
	LAPIC_HAS_TSC_DEADLINE = 2,
	/* Ends can be kept from being broadcast: the I/O APIC has an EOI register. */
	LAPIC_HAS_DIRECTED = 4,
	/* KVM_X86_QUIRK_LINT0_REENABLED: LINT0 of the boot processor is reset to ExtINT. */
	LAPIC_LINT0_OPEN = 8,
	/* KVM_X2APIC_API_USE_32BIT_IDS */
	LAPIC_WIDE_IDS = 16,
};

enum lapic_shorthand { LAPIC_NAMED, LAPIC_ITSELF, LAPIC_ALL, LAPIC_OTHERS };

enum lapic_event {
	LAPIC_INTERRUPT, /* look at lapic_pending() again, and at the 8259A for an open LINT0 */
	LAPIC_SMI = IRQ_SMI,
	LAPIC_NMI = IRQ_NMI,
	LAPIC_INIT = IRQ_INIT,
	LAPIC_SIPI = IRQ_SIPI, /* with a vector */
};

struct lapic;

struct lapic_ops {
	/* Nanoseconds of a clock that never goes back, above 0 and below 2^62. */
	uint64_t (*now)(void *ctx);
	/* That clock when the guest's TSC has this value; any time in the past if it had it. */
	uint64_t (*time_of_tsc)(void *ctx, uint64_t tsc);
	/* Call lapic_timer_expire() then, and no longer at a time asked for before; 0: never. */
	void (*arm)(void *ctx, uint64_t at);
	void (*event)(void *ctx, enum lapic_event event, uint8_t vector);
	/* This processor sends to others; `shorthand` goes before the message's destination. */
	void (*send)(void *ctx, const struct irq_message *message, enum lapic_shorthand shorthand);
	/* A level's vector was ended, or one in `ends`.  level: and its end is broadcast. */
	void (*ended)(void *ctx, uint8_t vector, bool level);
};

/* 256 vectors, and a bit for each word that is not 0. */
struct lapic_vectors {
	uint32_t word[8];
	uint32_t used;
};

struct lapic {
	const struct lapic_ops *ops;
	void *ctx;
	uint32_t id; /* of the processor; xAPIC's own may be written */
	uint32_t features;
	uint8_t physical_bits; /* of an address, at most 52 */
	uint8_t lines;         /* LINT0 and LINT1 are high */
	uint8_t errors;        /* since ESR was written */
	const uint32_t *ends; /* vectors of edges whose end somebody waits for, 256 bits, or NULL */
	uint64_t base;        /* IA32_APIC_BASE */
	struct lapic_vectors irr, isr;
	uint32_t reg
		[LAPIC_REGISTERS]; /* as in the page; TMR too; not IRR, ISR and what is computed */
	uint64_t deadline;         /* when the timer's count is 0, ns; 0: it stands */
	uint64_t tsc_deadline;
};

/* As at power-on.  `boot`: it is the boot processor. */
void lapic_init(struct lapic *lapic, const struct lapic_ops *ops, void *ctx, uint32_t id, bool boot,
                uint32_t features);
/* INIT keeps the base, the mode and the identification. */
void lapic_reset(struct lapic *lapic);

static inline bool lapic_is_on(const struct lapic *lapic)
{
	return lapic->base & LAPIC_BASE_ENABLED;
}

static inline bool lapic_is_x2(const struct lapic *lapic)
{
	return lapic->base & LAPIC_BASE_X2;
}

static inline bool lapic_is_enabled(const struct lapic *lapic)
{
	return lapic_is_on(lapic) && lapic->reg[LAPIC_SVR] & LAPIC_SVR_ENABLED;
}

/* IA32_APIC_BASE.  False: #GP.  A VMM may go between any two modes and loses no registers. */
bool lapic_set_base(struct lapic *lapic, uint64_t base, bool vmm);

/* The vector that the processor takes next, -1 for none. */
int lapic_pending(const struct lapic *lapic);
/* The processor takes it: both in one, so that the spurious vector has no occasion. */
int lapic_acknowledge(struct lapic *lapic);
/* Its service ends; what waited behind it is pending now, and no event says so. */
void lapic_end(struct lapic *lapic);
/* Does the 8259A's wire reach the processor, through LINT0 or because the APIC is off? */
bool lapic_takes_pic(const struct lapic *lapic);
uint8_t lapic_priority(const struct lapic *lapic); /* PPR */

static inline uint8_t lapic_cr8(const struct lapic *lapic)
{
	return (uint8_t)(lapic->reg[LAPIC_TPR] >> 4);
}

static inline void lapic_set_cr8(struct lapic *lapic, uint8_t cr8)
{
	lapic->reg[LAPIC_TPR] = (cr8 & 15u) << 4;
}

/* A message that is for this APIC: IRQ_IGNORED, IRQ_COALESCED or 1. */
int lapic_accept(struct lapic *lapic, const struct irq_message *message);
/* What stands in a local vector table entry happens: LAPIC_PERF, LAPIC_THERMAL … */
int lapic_local(struct lapic *lapic, enum lapic_register entry);
/* LINT0 (0) or LINT1 (1) changes. */
void lapic_line(struct lapic *lapic, unsigned int line, bool high);
/* An error, one bit of the ESR. */
void lapic_error(struct lapic *lapic, uint8_t bit);
#define LAPIC_SENT_ILLEGAL     0x20u
#define LAPIC_RECEIVED_ILLEGAL 0x40u
#define LAPIC_NO_REGISTER      0x80u

/*
 * The page: false when it is not there, because the APIC is off or an x2APIC.  `size` is 1 to 8
 * bytes, what is beyond a register's four reads as 0; only writes of a whole register count.
 */
bool lapic_mmio_read(struct lapic *lapic, uint32_t offset, unsigned int size, void *ret_data);
bool lapic_mmio_write(struct lapic *lapic, uint32_t offset, unsigned int size, const void *data);
/* MSRs 800h to 8FFh.  False: #GP. */
bool lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *ret_value);
bool lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value);

/* KVM_GET_LAPIC and KVM_SET_LAPIC, in the mode that IA32_APIC_BASE says. */
void lapic_get_state(struct lapic *lapic, struct kvm_lapic_state *ret_state);
void lapic_set_state(struct lapic *lapic, const struct kvm_lapic_state *state);

void lapic_timer_expire(struct lapic *lapic);
/* IA32_TSC_DEADLINE, which CPUID allows. */
uint64_t lapic_tsc_deadline(struct lapic *lapic);
void lapic_set_tsc_deadline(struct lapic *lapic, uint64_t tsc);
/* The guest's TSC has been set: time_of_tsc() says something else now. */
void lapic_timer_tsc_changed(struct lapic *lapic);

/* For the other lapic files. */
uint32_t lapic_timer_current(const struct lapic *lapic);
void lapic_timer_write(struct lapic *lapic, enum lapic_register reg, uint32_t value);
void lapic_timer_load(struct lapic *lapic, uint32_t left);
void lapic_command(struct lapic *lapic, uint32_t low, uint32_t destination);
uint32_t lapic_x2_ldr(const struct lapic *lapic);

/* All local APICs of a session by the number of the processor; NULL where there is none. */
struct lapic_bus {
	struct lapic **lapics;
	uint32_t count;
	uint32_t turn; /* who comes first among equals at the next lowest-priority message */
	/* KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK: to an x2APIC, 0xFF is not everyone. */
	bool narrow_is_id;
};

bool lapic_is_target(const struct lapic *lapic, const struct irq_message *message,
                     bool narrow_is_id);
/* `from` is NULL unless a processor sends with a shorthand. */
int lapic_bus_send(struct lapic_bus *bus, const struct lapic *from,
                   const struct irq_message *message, enum lapic_shorthand shorthand);

#endif
