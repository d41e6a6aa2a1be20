// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The models' surroundings: timers, messages between them, and virtual processors that have to
 * look.
 */
#include "module/irqchip.h"

#include <linux/slab.h>

#include "module/io.h"
#include "module/vcpu.h"

/* Further than any guest waits. */
#define LONGEST (1ull << 60)

static u64 now(void *ctx)
{
	return ktime_get_ns();
}

/* With the lock.  A timer that runs just now sees that it came too early. */
static void arm(struct irq_timer *timer, u64 at)
{
	timer->at = at;
	if (at)
		hrtimer_start(&timer->timer, ns_to_ktime(at), HRTIMER_MODE_ABS);
	else
		hrtimer_try_to_cancel(&timer->timer);
}

static bool is_due(struct irq_timer *timer)
{
	if (!timer->at || ktime_get_ns() < timer->at)
		return false;
	timer->at = 0;
	return true;
}

static void timer_init(struct irq_timer *timer, struct irqchip *irqchip,
                       enum hrtimer_restart (*function)(struct hrtimer *timer))
{
	hrtimer_init(&timer->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	timer->timer.function = function;
	timer->irqchip = irqchip;
}

/* Local APICs */

static struct irqchip *chip_of(const struct vcpu *vcpu)
{
	return vcpu->vm->irqchip;
}

static u64 time_of_tsc(void *ctx, u64 tsc)
{
	const struct vcpu *vcpu = ctx;
	s64 left = tsc - clock_guest_tsc(vcpu);
	u64 at = ktime_get_ns();

	if (left <= 0)
		return at;
	if ((u64)left / tsc_khz > LONGEST / 1000000)
		return LONGEST;
	return at + mul_u64_u64_div_u64(left, 1000000, tsc_khz);
}

static void lapic_arm(void *ctx, u64 at)
{
	struct vcpu *vcpu = ctx;

	arm(&vcpu->irq->timer, at);
}

static void lapic_happened(void *ctx, enum lapic_event event, u8 vector)
{
	static const u8 requests[] = {
		[LAPIC_INTERRUPT] = VCPU_REQUEST_EVENT,
		[LAPIC_NMI] = VCPU_REQUEST_NMI,
		[LAPIC_INIT] = VCPU_REQUEST_INIT,
		[LAPIC_SIPI] = VCPU_REQUEST_SIPI,
	};
	struct vcpu *vcpu = ctx;

	/* There is no system management mode. */
	if (event == LAPIC_SMI)
		return;
	if (event == LAPIC_INIT)
		clear_bit(VCPU_REQUEST_SIPI, &vcpu->requests);
	if (event == LAPIC_SIPI)
		vcpu->sipi_vector = vector;
	vcpu_request(vcpu, requests[event]);
}

static void lapic_sends(void *ctx, const struct irq_message *message,
                        enum lapic_shorthand shorthand)
{
	struct vcpu *vcpu = ctx;

	lapic_bus_send(&chip_of(vcpu)->bus, shorthand == LAPIC_NAMED ? NULL : &vcpu->irq->lapic,
	               message, shorthand);
}

static void lapic_ended(void *ctx, u8 vector, bool level)
{
	struct vcpu *vcpu = ctx;
	struct irqchip *irqchip = chip_of(vcpu);

	if (!irqchip->split) {
		ioapic_end(&irqchip->ioapic, vector, level);
	} else if (irqchip->ends[vector / 32] >> (vector % 32) & 1) {
		__set_bit(vector, vcpu->irq->ended);
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	}
}

static const struct lapic_ops lapic_ops = {
	.now = now,
	.time_of_tsc = time_of_tsc,
	.arm = lapic_arm,
	.event = lapic_happened,
	.send = lapic_sends,
	.ended = lapic_ended,
};

static enum hrtimer_restart lapic_expired(struct hrtimer *timer)
{
	struct irq_timer *irq_timer = container_of(timer, struct irq_timer, timer);

	guard(spinlock_irqsave)(&irq_timer->irqchip->lock);
	if (is_due(irq_timer))
		lapic_timer_expire(&container_of(irq_timer, struct local_irq, timer)->lapic);
	return HRTIMER_NORESTART;
}

/* The other controllers */

static void pic_output(void *ctx, bool high)
{
	struct irqchip *irqchip = ctx;
	u32 i;

	for (i = 0; i < vm_vcpu_count(irqchip->vm); i++) {
		struct vcpu *vcpu = irqchip->vm->vcpus[i];

		lapic_line(&vcpu->irq->lapic, 0, high);
		if (high && lapic_takes_pic(&vcpu->irq->lapic))
			vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	}
}

static void ended_at(struct irqchip *irqchip, unsigned int chip, unsigned int pin)
{
	int gsi = irqchip->routes ? irqchip->routes->gsi[chip][pin] : -1;

	if (gsi >= 0)
		irqfd_ended(irqchip, gsi);
}

static void pic_ended(void *ctx, unsigned int line)
{
	struct irqchip *irqchip = ctx;

	ended_at(irqchip, line / 8, line % 8);
	if (line == 0 && irqchip->has_pit)
		pit_ended(&irqchip->pit);
}

static const struct pic_ops pic_ops = { .output = pic_output, .ended = pic_ended };

static int ioapic_sends(void *ctx, const struct irq_message *message)
{
	struct irqchip *irqchip = ctx;

	return lapic_bus_send(&irqchip->bus, NULL, message, LAPIC_NAMED);
}

static void ioapic_ended(void *ctx, unsigned int pin)
{
	struct irqchip *irqchip = ctx;

	ended_at(irqchip, KVM_IRQCHIP_IOAPIC, pin);
	/* The PC's timer is wired to pin 2, and to pin 0 by KVM's default routes. */
	if ((pin == 0 || pin == 2) && irqchip->has_pit)
		pit_ended(&irqchip->pit);
}

static const struct ioapic_ops ioapic_ops = { .send = ioapic_sends, .ended = ioapic_ended };

static void pit_arm(void *ctx, u64 at)
{
	struct irqchip *irqchip = ctx;

	arm(&irqchip->pit_timer, at);
}

static int pit_tick(void *ctx)
{
	struct irqchip *irqchip = ctx;
	int result = irqchip_set_line(irqchip, 0, IRQ_SOURCE_PIT, true);

	irqchip_set_line(irqchip, 0, IRQ_SOURCE_PIT, false);
	return result;
}

const struct pit_ops irqchip_pit_ops = { .now = now, .arm = pit_arm, .tick = pit_tick };

static enum hrtimer_restart pit_expired(struct hrtimer *timer)
{
	struct irq_timer *irq_timer = container_of(timer, struct irq_timer, timer);

	guard(spinlock_irqsave)(&irq_timer->irqchip->lock);
	if (is_due(irq_timer))
		pit_expire(&irq_timer->irqchip->pit);
	return HRTIMER_NORESTART;
}

int irqchip_set_line(struct irqchip *irqchip, u32 gsi, unsigned int source, bool high)
{
	const struct route_targets targets = {
		.pic = &irqchip->pic,
		.ioapic = &irqchip->ioapic,
		.bus = &irqchip->bus,
	};

	return irqchip->routes ? route_set(irqchip->routes, &targets, gsi, source, high)
	                       : IRQ_IGNORED;
}

/* With vm->lock. */
int irqchip_create(struct vm *vm, bool split, u32 pins)
{
	struct irqchip *irqchip;

	if (vm->irqchip)
		return -EEXIST;
	if (vm->vcpu_count)
		return -EINVAL;
	irqchip = kvzalloc(sizeof(*irqchip), GFP_KERNEL_ACCOUNT);
	if (!irqchip)
		return -ENOMEM;
	irqchip->vm = vm;
	irqchip->split = split;
	irqchip->pins = pins;
	irqchip->format = (split ? 0 : ROUTE_CHIPS) | ROUTE_EXTENDED;
	irqchip->bus.lapics = irqchip->lapics;
	irqchip->bus.count = VM_VCPU_ID_MAX;
	spin_lock_init(&irqchip->lock);
	INIT_LIST_HEAD(&irqchip->fds);
	INIT_LIST_HEAD(&irqchip->gone);
	timer_init(&irqchip->pit_timer, irqchip, pit_expired);
	pic_init(&irqchip->pic, &pic_ops, irqchip);
	ioapic_init(&irqchip->ioapic, &ioapic_ops, irqchip);
	if (!split) {
		irqchip->routes = kvzalloc(route_size(ROUTE_DEFAULTS), GFP_KERNEL_ACCOUNT);
		if (!irqchip->routes) {
			kvfree(irqchip);
			return -ENOMEM;
		}
		route_defaults(irqchip->routes);
	}
	smp_store_release(&vm->irqchip, irqchip);
	return 0;
}

/* What sends to virtual processors by itself does so no more. */
void irqchip_stop(struct vm *vm)
{
	if (!vm->irqchip)
		return;
	irqfd_free_all(vm->irqchip);
	hrtimer_cancel(&vm->irqchip->pit_timer.timer);
}

void irqchip_free(struct vm *vm)
{
	struct irqchip *irqchip = vm->irqchip;

	if (!irqchip)
		return;
	kvfree(irqchip->routes);
	kvfree(irqchip);
	vm->irqchip = NULL;
}

static u32 lapic_features(const struct irqchip *irqchip)
{
	u32 features = irqchip->format & ROUTE_WIDE_MSI ? LAPIC_WIDE_IDS : 0;

	if (!(irqchip->vm->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		features |= LAPIC_LINT0_OPEN;
	return features;
}

int irqchip_add_vcpu(struct vcpu *vcpu)
{
	struct irqchip *irqchip = chip_of(vcpu);

	if (!irqchip)
		return 0;
	vcpu->irq = kzalloc(sizeof(*vcpu->irq), GFP_KERNEL_ACCOUNT);
	if (!vcpu->irq)
		return -ENOMEM;
	timer_init(&vcpu->irq->timer, irqchip, lapic_expired);
	/* Nobody else knows of it yet. */
	lapic_init(&vcpu->irq->lapic, &lapic_ops, vcpu, vcpu->id, vcpu->id == vcpu->vm->boot_id,
	           lapic_features(irqchip));
	vcpu->irq->lapic.ends = irqchip->split ? irqchip->ends : irqchip->ioapic.vectors;
	vcpu->apic_base = vcpu->irq->lapic.base;
	if (vcpu->id != vcpu->vm->boot_id)
		vcpu->mp_state = KVM_MP_STATE_UNINITIALIZED;
	return 0;
}

/* Messages reach it from now on. */
void irqchip_publish_vcpu(struct vcpu *vcpu)
{
	struct irqchip *irqchip = chip_of(vcpu);

	if (!irqchip)
		return;
	guard(spinlock_irqsave)(&irqchip->lock);
	irqchip->lapics[vcpu->id] = &vcpu->irq->lapic;
}

/* Nothing sends to it any more. */
void irqchip_free_vcpu(struct vcpu *vcpu)
{
	if (!vcpu->irq)
		return;
	hrtimer_cancel(&vcpu->irq->timer.timer);
	kfree(vcpu->irq);
}

void irqchip_set_features(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(&vcpu->cpuid, 1, 0);
	struct irqchip *irqchip = chip_of(vcpu);
	u32 ecx = entry ? entry->ecx : 0;
	struct lapic *lapic;

	if (!irqchip)
		return;
	lapic = &vcpu->irq->lapic;
	guard(spinlock_irqsave)(&irqchip->lock);
	lapic->features &= ~(u32)(LAPIC_HAS_X2 | LAPIC_HAS_TSC_DEADLINE);
	lapic->features |=
		(ecx >> 21 & 1 ? LAPIC_HAS_X2 : 0) | (ecx >> 24 & 1 ? LAPIC_HAS_TSC_DEADLINE : 0);
	lapic->physical_bits = cpuid_address_bits(&vcpu->cpuid);
}

/* Registers */

bool irqchip_read(struct vcpu *vcpu, enum io_space space, u64 address, void *data,
                  unsigned int size)
{
	struct irqchip *irqchip = chip_of(vcpu);
	u64 offset;
	u32 value;

	if (!irqchip)
		return false;
	guard(spinlock_irqsave)(&irqchip->lock);
	if (space == IO_PORT)
		return !irqchip->split && size == 1 &&
		       (pic_read(&irqchip->pic, address, data) ||
		        (irqchip->has_pit && pit_read(&irqchip->pit, address, data)));
	offset = address - (vcpu->irq->lapic.base & PAGE_MASK);
	if (offset < PAGE_SIZE)
		return lapic_mmio_read(&vcpu->irq->lapic, offset, size, data);
	offset = address - IOAPIC_BASE;
	if (irqchip->split || offset >= IOAPIC_BYTES)
		return false;
	value = ioapic_read(&irqchip->ioapic, offset & ~3ull) >> (offset % 4 * 8);
	memset(data, 0, size);
	memcpy(data, &value, min(size, 4u));
	return true;
}

bool irqchip_write(struct vcpu *vcpu, enum io_space space, u64 address, const void *data,
                   unsigned int size)
{
	struct irqchip *irqchip = chip_of(vcpu);
	const u8 *byte = data;
	u64 offset;
	u32 value = 0;

	if (!irqchip)
		return false;
	guard(spinlock_irqsave)(&irqchip->lock);
	if (space == IO_PORT)
		return !irqchip->split && size == 1 &&
		       (pic_write(&irqchip->pic, address, *byte) ||
		        (irqchip->has_pit && pit_write(&irqchip->pit, address, *byte)));
	offset = address - (vcpu->irq->lapic.base & PAGE_MASK);
	if (offset < PAGE_SIZE)
		return lapic_mmio_write(&vcpu->irq->lapic, offset, size, data);
	offset = address - IOAPIC_BASE;
	if (irqchip->split || offset >= IOAPIC_BYTES)
		return false;
	memcpy(&value, data, min(size, 4u));
	/* Its index is a byte; the window is written whole. */
	if (offset % 4 == 0)
		ioapic_write(&irqchip->ioapic, offset, value);
	return true;
}
