// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What sessions stand on on this PC, and the call that everything is for.  RUN takes no lock.  It
 * says whom it runs before it looks whether that is there and how often it was flushed; who ends a
 * session, or changes its memory, does that before it looks who runs.  So one sees the other.
 */
#include "hypervisor/core/apic.h"
#include "hypervisor/core/cpu.h"
#include "hypervisor/core/hypercall.h"
#include "hypervisor/core/layout.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/session.h"
#include "hypervisor/core/vendor.h"
#include "hypervisor/core/x86.h"

struct ground pc_ground;

static void wait_heard(const struct cpu *cpu, enum request request)
{
	uint64_t since = rdtsc();

	while (__atomic_load_n(&cpu->requests, __ATOMIC_ACQUIRE) & request) {
		__builtin_ia32_pause();
		if (rdtsc() - since < clock_hz())
			continue;
		/* QEMU can lose an NMI that meets an exit of its processor. */
		apic_send(cpu->apic_id, ICR_NMI | ICR_ASSERT);
		since = rdtsc();
	}
}

/*
 * Asks this of every processor that runs a session (0: of every processor, this one too), and waits
 * until each has heard.  What a processor was doing for its guest when it was asked is then done.
 * Only with the shootdown lock so that nobody else asks the same meanwhile.
 */
static void tell(uint32_t session, enum request request)
{
	const struct cpu *self = cpu_self();

	if (session == 0)
		vendor->flush(cpu_self());
	for (int wait = 0; wait <= 1; wait++) {
		for (uint32_t i = 0; i < cpu_count; i++) {
			struct cpu *cpu = cpu_at(i);

			if (cpu == self ||
			    __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == SILL_CPU_ABSENT)
				continue;
			if (wait)
				wait_heard(cpu, request);
			else if (session == 0 ||
			         __atomic_load_n(&cpu->session, __ATOMIC_SEQ_CST) == session)
				cpu_request(cpu, request);
		}
	}
}

static void root_flush(void)
{
	tell(0, REQUEST_FLUSH);
}

static void flush(uint32_t session)
{
	tell(session, REQUEST_FORGET);
}

static bool runs(uint32_t session)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (__atomic_load_n(&cpu_at(i)->session, __ATOMIC_SEQ_CST) == session)
			return true;
	}
	return false;
}

void ground_setup(void)
{
	pc_ground.frames = &machine.frames;
	pc_ground.nested = machine.nested;
	pc_ground.leaf = machine.nested_read;
	pc_ground.root_map = machine_map;
	pc_ground.root_flush = root_flush;
	pc_ground.flush = flush;
	pc_ground.runs = runs;
	pc_ground.vcpu_setup = vendor->vcpu_setup;
}

/* The virtual processor is this one's. */
static int64_t run(struct cpu *cpu, struct vcpu *vcpu)
{
	enum sill_run why;

	if (__atomic_exchange_n(&vcpu->running, 1, __ATOMIC_ACQUIRE))
		return -SILL_EBUSY;
	why = vendor->vcpu_run(cpu, vcpu);
	vcpu->exits[why]++;
	__atomic_store_n(&vcpu->running, 0, __ATOMIC_RELEASE);
	return why;
}

static int64_t fetch(struct vcpu *vcpu, uint32_t groups)
{
	if (__atomic_exchange_n(&vcpu->running, 1, __ATOMIC_ACQUIRE))
		return -SILL_EBUSY;
	vendor->vcpu_fetch(vcpu, groups);
	__atomic_store_n(&vcpu->running, 0, __ATOMIC_RELEASE);
	return 0;
}

int64_t session_run(struct cpu *cpu, uint64_t number, uint64_t index, uint32_t groups)
{
	int64_t result = -SILL_ENONE;
	const struct slot *slot;
	struct vcpu *vcpu;

	if (number - 1 >= SILL_SESSIONS_MAX || index >= SILL_VCPUS_MAX)
		return -SILL_ENONE;
	slot = &pc_ground.slot[number - 1];
	__atomic_exchange_n(&cpu->session, (uint32_t)number, __ATOMIC_SEQ_CST);
	if ((__atomic_load_n(&slot->use, __ATOMIC_ACQUIRE) & (SLOT_EXISTS | SLOT_GOING)) ==
	    SLOT_EXISTS) {
		vcpu = __atomic_load_n(&slot->session->vcpu[index], __ATOMIC_ACQUIRE);
		if (vcpu)
			result = groups ? fetch(vcpu, groups) : run(cpu, vcpu);
	}
	__atomic_store_n(&cpu->session, 0, __ATOMIC_RELEASE);
	return result;
}

static int64_t call_session(uint64_t number, uint64_t address, uint64_t size)
{
	struct sill_session_stats stats;
	int64_t error = session_stats(&pc_ground, number, &stats);

	return error ? error : call_answer(&stats, sizeof(stats), address, size);
}

int64_t session_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	switch (number) {
	case SILL_CALL_DONATE:
		return ground_donate(&pc_ground, a);
	case SILL_CALL_RECLAIM:
		return ground_reclaim(&pc_ground);
	case SILL_CALL_CREATE:
		return session_create(&pc_ground, a);
	case SILL_CALL_DESTROY:
		return session_destroy(&pc_ground, a);
	case SILL_CALL_MAP:
		return session_map(&pc_ground, &machine.root_memory, a, b, c);
	case SILL_CALL_CHANGE:
		return session_change(&pc_ground, a, b, c, d);
	case SILL_CALL_VCPU:
		return session_vcpu(&pc_ground, a, b);
	case SILL_CALL_SESSION:
		return call_session(a, b, c);
	case SILL_CALL_FETCH:
		return c == 0 || (c & ~(uint64_t)SILL_GROUPS)
		               ? -SILL_EINVAL
		               : session_run(cpu_self(), a, b, (uint32_t)c);
	default: /* RUN, which is the vendor's */
		return -SILL_ENOCALL;
	}
}
