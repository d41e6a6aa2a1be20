// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time.  The guest's time stamp counter is the processor's and an offset.  The paravirtual clock
 * (Documentation/virt/kvm/x86/msr.rst) is a pair, counter and nanoseconds, that was taken once for
 * all virtual processors of the machine; the guest goes on from there by the counter's rate, so
 * that all of them agree.  Where the counter is not the same on all processors the pair is taken
 * anew on each.
 */
#include <asm/kvm_para.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>
#include <linux/ktime.h>
#include <linux/timekeeping.h>

#include "module/irqchip.h"
#include "module/vcpu.h"

#define NANOSECONDS 1000000000u

/* struct pvclock_wall_clock follows a version that is odd while it is written. */
bool clock_tsc_stable(void)
{
	return boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && boot_cpu_has(X86_FEATURE_NONSTOP_TSC) &&
	       !check_tsc_unstable();
}

/* With clock_lock: the pair is of this moment. */
static void take_pair(struct vm *vm)
{
	vm->clock_tsc = rdtsc_ordered();
	vm->clock_ns = ktime_get_boottime_ns() + vm->clock_offset;
}

void clock_create(struct vm *vm)
{
	guard(spinlock)(&vm->clock_lock);
	vm->clock_offset = -(s64)ktime_get_boottime_ns();
	take_pair(vm);
	vm->tsc_offset = -rdtsc_ordered();
	vm->tsc_written_at = rdtsc_ordered();
}

void clock_set_tsc_offset(struct vcpu *vcpu, u64 offset)
{
	vcpu->state->settings.tsc_offset = offset;
	vcpu_changed(vcpu, SILL_GROUP_SETTINGS);
	irqchip_tsc_changed(vcpu);
	if (vcpu->clock_msr & KVM_MSR_ENABLED)
		set_bit(VCPU_REQUEST_CLOCK, &vcpu->requests);
}

void clock_create_vcpu(struct vcpu *vcpu)
{
	vcpu->clock_cpu = -1;
	clock_set_tsc_offset(vcpu, vcpu->vm->tsc_offset);
}

u64 clock_guest_tsc(const struct vcpu *vcpu)
{
	return rdtsc_ordered() + vcpu->state->settings.tsc_offset;
}

/*
 * A VMM that sets the counters of several virtual processors one after the other means the same
 * moment: a value within a second of what the last one has now gets its offset.
 */
void clock_set_tsc(struct vcpu *vcpu, u64 value, bool by_host)
{
	struct vm *vm = vcpu->vm;
	u64 now = rdtsc_ordered(), offset = value - now, rate = (u64)tsc_khz * 1000;
	s64 difference;

	if (!by_host) {
		vcpu->tsc_adjust += offset - vcpu->state->settings.tsc_offset;
		clock_set_tsc_offset(vcpu, offset);
		return;
	}
	scoped_guard(spinlock, &vm->clock_lock)
	{
		difference = offset - vm->tsc_offset;
		if (value ? abs(difference) < rate : now - vm->tsc_written_at < rate)
			offset = vm->tsc_offset;
		vm->tsc_offset = offset;
		vm->tsc_written_at = now;
	}
	clock_set_tsc_offset(vcpu, offset);
}

void clock_set_adjust(struct vcpu *vcpu, u64 value, bool by_host)
{
	if (!by_host)
		clock_set_tsc_offset(vcpu,
		                     vcpu->state->settings.tsc_offset + value - vcpu->tsc_adjust);
	vcpu->tsc_adjust = value;
}

/* Factors that make nanoseconds of ticks: (ticks << shift) * multiplier >> 32. */
static void scale(u32 khz, u32 *ret_multiplier, s8 *ret_shift)
{
	u64 rate = (u64)khz * 1000;
	s8 shift = 0;

	/* So that the multiplier has 32 bits, of which the highest is set. */
	for (; rate > NANOSECONDS * 2ull; shift--)
		rate >>= 1;
	for (; rate <= NANOSECONDS; shift++)
		rate <<= 1;
	*ret_multiplier = div64_u64((u64)NANOSECONDS << 32, rate);
	*ret_shift = shift;
}

/* Writes a version and the rest so that the guest never takes half of it: odd, rest, even. */
static int write_versioned(struct vm *vm, u64 guest, u32 *version, const void *page, u64 size)
{
	int error;

	*version |= 1;
	error = memory_write(vm, guest, version, sizeof(*version));
	smp_wmb();
	if (!error)
		error = memory_write(vm, guest + sizeof(*version), page + sizeof(*version),
		                     size - sizeof(*version));
	smp_wmb();
	++*version;
	return error ? error : memory_write(vm, guest, version, sizeof(*version));
}

/* A counter that is each processor's own counts for the processor that the page was written on. */
bool clock_is_stale(const struct vcpu *vcpu)
{
	return (vcpu->clock_msr & KVM_MSR_ENABLED) && vcpu->clock_cpu != raw_smp_processor_id() &&
	       !clock_tsc_stable();
}

int clock_update(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct pvclock_vcpu_time_info info = {};

	if (!(vcpu->clock_msr & KVM_MSR_ENABLED))
		return 0;
	scoped_guard(spinlock, &vm->clock_lock)
	{
		if (!clock_tsc_stable())
			take_pair(vm);
		info.tsc_timestamp = vm->clock_tsc + vcpu->state->settings.tsc_offset;
		info.system_time = vm->clock_ns;
	}
	scale(tsc_khz, &info.tsc_to_system_mul, &info.tsc_shift);
	info.flags = clock_tsc_stable() ? PVCLOCK_TSC_STABLE_BIT : 0;
	if (vcpu->clock_paused)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	vcpu->clock_paused = false;
	vcpu->clock_cpu = raw_smp_processor_id();
	return write_versioned(vm, vcpu->clock_msr & ~(u64)KVM_MSR_ENABLED, &vcpu->clock_version,
	                       &info, sizeof(info));
}

void clock_set_system_msr(struct vcpu *vcpu, u64 value)
{
	vcpu->clock_msr = value;
	set_bit(VCPU_REQUEST_CLOCK, &vcpu->requests);
}

/* The time of day when the machine's clock was 0. */
int clock_set_wall_msr(struct vcpu *vcpu, u64 value)
{
	struct vm *vm = vcpu->vm;
	struct pvclock_wall_clock wall = {};
	u32 version = 0;
	u64 start;

	vm->wall_clock = value;
	if (!value)
		return 0;
	if (memory_read(vm, value, &version, sizeof(version)))
		return -EFAULT;
	if (version & 1)
		version++;
	start = ktime_get_real_ns() - (ktime_get_boottime_ns() + vm->clock_offset);
	wall.nsec = do_div(start, NANOSECONDS);
	wall.sec = start;
	return write_versioned(vm, value, &version, &wall, sizeof(wall));
}

int clock_get(struct vm *vm, struct kvm_clock_data *data)
{
	guard(spinlock)(&vm->clock_lock);
	data->clock = ktime_get_boottime_ns() + vm->clock_offset;
	data->realtime = ktime_get_real_ns();
	data->host_tsc = rdtsc_ordered();
	data->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC |
	              (clock_tsc_stable() ? KVM_CLOCK_TSC_STABLE : 0);
	return 0;
}

int clock_set(struct vm *vm, const struct kvm_clock_data *data)
{
	u64 clock = data->clock, now;
	u32 i;

	if (data->flags & ~(u32)(KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC | KVM_CLOCK_TSC_STABLE))
		return -EINVAL;
	/* The time that has passed since the clock was read. */
	now = ktime_get_real_ns();
	if ((data->flags & KVM_CLOCK_REALTIME) && now > data->realtime)
		clock += now - data->realtime;
	scoped_guard(spinlock, &vm->clock_lock)
	{
		vm->clock_offset = clock - ktime_get_boottime_ns();
		take_pair(vm);
	}
	for (i = 0; i < vm_vcpu_count(vm); i++)
		vcpu_request(vm->vcpus[i], VCPU_REQUEST_CLOCK);
	return 0;
}

int clock_pause(struct vcpu *vcpu)
{
	if (!(vcpu->clock_msr & KVM_MSR_ENABLED))
		return -EINVAL;
	vcpu->clock_paused = true;
	set_bit(VCPU_REQUEST_CLOCK, &vcpu->requests);
	return 0;
}
