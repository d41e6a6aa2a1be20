/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt controllers and timers of a machine: the models of module/irqchip/ in the kernel.
 *
 * One lock for all models of a machine; interrupts are off while it is held, since timers and
 * eventfds come from interrupts.  Below it virtual processors are kicked, and nothing else is
 * waited for.
 */
#ifndef MODULE_IRQCHIP_H
#define MODULE_IRQCHIP_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>

#include "module/irqchip/ioapic.h"
#include "module/irqchip/lapic.h"
#include "module/irqchip/pic.h"
#include "module/irqchip/pit.h"
#include "module/irqchip/route.h"
#include "module/vm.h"

/* Who drives a line. */
enum { IRQ_SOURCE_USER, IRQ_SOURCE_FD, IRQ_SOURCE_RESAMPLE, IRQ_SOURCE_PIT };

/* A timer that calls a model. */
struct irq_timer {
	struct hrtimer timer;
	u64 at; /* 0: it is not wanted */
	struct irqchip *irqchip;
};

struct irqchip {
	struct vm *vm;
	spinlock_t lock; /* guards everything below */
	bool split;      /* only local APICs are here */
	u32 pins;        /* of the VMM's I/O APIC, if so */
	u32 format;      /* enum route_format */
	struct pic pic;
	struct ioapic ioapic;
	bool has_pit;
	struct pit pit;
	struct irq_timer pit_timer;
	struct lapic_bus bus;
	struct lapic *lapics[VM_VCPU_ID_MAX];
	struct route_table *routes;
	u32 ends[8];                /* vectors whose end the VMM's I/O APIC waits for */
	struct list_head fds, gone; /* irqfd.c */
};

struct local_irq {
	struct lapic lapic;
	struct irq_timer timer;
	/* Vectors that were ended, for the VMM's I/O APIC. */
	unsigned long ended[256 / BITS_PER_LONG];
};

/* irqchip.c */
int irqchip_create(struct vm *vm, bool split, u32 pins);
void irqchip_stop(struct vm *vm);
void irqchip_free(struct vm *vm);
int irqchip_add_vcpu(struct vcpu *vcpu);
void irqchip_publish_vcpu(struct vcpu *vcpu);
void irqchip_free_vcpu(struct vcpu *vcpu);
/* Features of its local APIC, after CPUID was set. */
void irqchip_set_features(struct vcpu *vcpu);
/* With the lock: one source's level of a GSI; what became of it. */
int irqchip_set_line(struct irqchip *irqchip, u32 gsi, unsigned int source, bool high);
/* In the virtual processor's thread.  The vector that it shall take, if it can now; -1. */
int irqchip_take(struct vcpu *vcpu);
bool irqchip_has_interrupt(struct vcpu *vcpu);
/* Something waits in the local APIC, whatever the processor's priority. */
bool irqchip_holds_back(const struct vcpu *vcpu);
/* The 8259A is the VMM's, and its interrupts reach this processor. */
bool irqchip_takes_pic(struct vcpu *vcpu);
/* CR8 before and after a run. */
void irqchip_load_tpr(struct vcpu *vcpu);
void irqchip_store_tpr(struct vcpu *vcpu);
/* The next vector that was ended for the VMM; -1. */
int irqchip_next_end(struct vcpu *vcpu);
bool irqchip_set_base(struct vcpu *vcpu, u64 base, bool by_host);
bool irqchip_msr_read(struct vcpu *vcpu, u32 index, u64 *ret);
bool irqchip_msr_write(struct vcpu *vcpu, u32 index, u64 value);
/* Is written often, and can be with interrupts off: the timer's deadline, the x2APIC's EOI and ICR. */
static inline bool irqchip_is_quick(u32 index)
{
	return index == MSR_IA32_TSC_DEADLINE || index == 0x80b || index == 0x830;
}
void irqchip_tsc_changed(struct vcpu *vcpu);
void irqchip_reset_vcpu(struct vcpu *vcpu);

/* irqchip-ioctl.c: those that take a copied structure, and the others. */
long irqchip_ioctl(struct vm *vm, unsigned int command, void *structure);
long irqchip_create_ioctl(struct vm *vm, unsigned int command, void __user *user);
int irqchip_transfer_lapic(struct vcpu *vcpu, struct kvm_lapic_state *state, bool set);

/* irqfd.c */
int irqfd_set(struct irqchip *irqchip, const struct kvm_irqfd *argument);
void irqfd_free_all(struct irqchip *irqchip);
/* With the lock: a pin's or line's service has ended. */
void irqfd_ended(struct irqchip *irqchip, u32 gsi);

#endif
