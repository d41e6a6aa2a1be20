// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What each reason for an exit means.  A handler returns 1 when the guest goes on, 0 when the VMM
 * is needed (kvm_run is filled in), or -errno.
 */
#include <linux/kvm_para.h>

#include <asm/cpufeature.h>
#include <asm/debugreg.h>

#include "module/emulate/insn.h"
#include "module/io.h"
#include "module/irqchip.h"
#include "module/walk.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

#define DR7_GENERAL_DETECT 0x2000

static int tell_debugger(struct vcpu *vcpu, u32 exception, u64 dr6)
{
	struct kvm_run *run = vcpu->run;
	const struct sill_vcpu *state = vcpu->state;

	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = exception;
	run->debug.arch.pc = vcpu_linear_rip(vcpu);
	run->debug.arch.dr6 = dr6;
	run->debug.arch.dr7 = state->system.dr7;
	return 0;
}

int exit_finish(struct vcpu *vcpu)
{
	struct sill_vcpu *state = vcpu->state;

	state->shadow = 0;
	if (!(state->rflags & X86_EFLAGS_TF))
		return 1;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		return tell_debugger(vcpu, DB_VECTOR, 0xffff0ff0 | DR_STEP);
	event_exception(vcpu, DB_VECTOR, NO_CODE);
	vcpu->events.exception_has_payload = true;
	vcpu->events.exception_payload = DR_STEP;
	return 1;
}

static int advance(struct vcpu *vcpu, unsigned int length)
{
	vcpu->state->rip += length;
	if (!vcpu_long_code(vcpu))
		vcpu->state->rip = (u32)vcpu->state->rip;
	return exit_finish(vcpu);
}

int exit_skip(struct vcpu *vcpu)
{
	unsigned int length = vcpu->state->length;
	const struct insn *insn;
	int result;

	/* Not every processor says how long it was. */
	if (!length)
		length = guest_known_length(vcpu);
	if (!length) {
		insn = exit_decode(vcpu, &result);
		if (!insn)
			return result;
		length = insn->length;
		guest_learn_length(vcpu, length);
	}
	return advance(vcpu, length);
}

static int unexpected(struct vcpu *vcpu, enum sill_run reason)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = reason;
	run->internal.data[1] = vcpu->state->info[0];
	return 0;
}

static int undefined(struct vcpu *vcpu)
{
	event_exception(vcpu, UD_VECTOR, NO_CODE);
	return 1;
}

static int general_protection(struct vcpu *vcpu)
{
	event_exception(vcpu, GP_VECTOR, 0);
	return 1;
}

static int on_memory(struct vcpu *vcpu)
{
	int result = memory_fault(vcpu->vm, vcpu->state->info[0], vcpu->state->info[1]);

	if (result == 0)
		return 1;
	return result == MEMORY_DEVICE ? exit_emulate(vcpu) : result;
}

/* IN: the VMM has put the value into the page of port data. */
static int complete_in(struct vcpu *vcpu)
{
	u64 *rax = &vcpu->state->gpr[RAX];
	unsigned int size = READ_ONCE(vcpu->run->io.size);

	/* The VMM may have written there anything. */
	if (size != 1 && size != 2) {
		size = 4;
		*rax = 0;
	}
	memcpy(rax, vcpu->pio, size);
	return exit_skip(vcpu);
}

static int on_port(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 info = vcpu->state->info[0];
	unsigned int size;

	if (info & (SILL_PORT_STRING | SILL_PORT_REPEAT))
		return exit_emulate(vcpu);
	size = info >> 16 & 7;
	if (info & SILL_PORT_IN) {
		if (irqchip_read(vcpu, IO_PORT, (u16)info, vcpu->pio, size)) {
			run->io.size = size;
			return complete_in(vcpu);
		}
	} else if (io_write(vcpu, IO_PORT, (u16)info, &vcpu->state->gpr[RAX], size)) {
		return exit_skip(vcpu);
	}
	run->exit_reason = KVM_EXIT_IO;
	run->io.port = info;
	run->io.size = size;
	run->io.count = 1;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	run->io.direction = info & SILL_PORT_IN ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	if (!(info & SILL_PORT_IN))
		memcpy(vcpu->pio, &vcpu->state->gpr[RAX], 4);
	vcpu_complete_with(vcpu, info & SILL_PORT_IN ? complete_in : exit_skip);
	return 0;
}

static int on_cpuid(struct vcpu *vcpu)
{
	struct sill_vcpu *state = vcpu->state;
	struct cpuid_state features = cpuid_state_of(vcpu);
	struct cpuid_result result;

	if (cpuid_shows_cr4(state->gpr[RAX])) {
		vcpu_want(vcpu, SILL_GROUP_SYSTEM);
		features.cr4 = state->system.cr4;
	}
	cpuid_execute(&vcpu->cpuid, &features, state->gpr[RAX], state->gpr[RCX], &result);
	state->gpr[RAX] = result.eax;
	state->gpr[RBX] = result.ebx;
	state->gpr[RCX] = result.ecx;
	state->gpr[RDX] = result.edx;
	return exit_skip(vcpu);
}

static void put_msr(struct vcpu *vcpu, u64 value)
{
	vcpu->state->gpr[RAX] = (u32)value;
	vcpu->state->gpr[RDX] = value >> 32;
}

/* The VMM has answered for an MSR. */
static int complete_msr(struct vcpu *vcpu)
{
	if (vcpu->run->msr.error)
		return general_protection(vcpu);
	if (vcpu->run->exit_reason == KVM_EXIT_X86_RDMSR)
		put_msr(vcpu, vcpu->run->msr.data);
	return exit_skip(vcpu);
}

/* The VMM may want to answer for what we do not have. */
static int ask_about_msr(struct vcpu *vcpu, bool write, u32 index, u64 value,
                         enum msr_answer answer)
{
	struct kvm_run *run = vcpu->run;
	u32 reason = answer == MSR_FILTERED  ? KVM_MSR_EXIT_REASON_FILTER
	             : answer == MSR_UNKNOWN ? KVM_MSR_EXIT_REASON_UNKNOWN
	                                     : KVM_MSR_EXIT_REASON_INVAL;

	if (!(READ_ONCE(vcpu->vm->user_msr) & reason))
		return general_protection(vcpu);
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	memset(&run->msr, 0, sizeof(run->msr));
	run->msr.reason = reason;
	run->msr.index = index;
	run->msr.data = value;
	vcpu_complete_with(vcpu, complete_msr);
	return 0;
}

static bool is_allowed(struct vcpu *vcpu, u32 index, bool write)
{
	bool result;

	if (!rcu_access_pointer(vcpu->vm->filter))
		return true;
	rcu_read_lock();
	result = msr_filter_allows(rcu_dereference(vcpu->vm->filter), index, write);
	rcu_read_unlock();
	return result;
}

static int on_msr(struct vcpu *vcpu)
{
	struct sill_vcpu *state = vcpu->state;
	u32 index = state->gpr[RCX];
	u64 value = (u32)state->gpr[RAX] | state->gpr[RDX] << 32;
	bool write = state->info[0] & 1;
	enum msr_answer answer;

	if (!is_allowed(vcpu, index, write)) {
		answer = MSR_FILTERED;
	} else if (write) {
		answer = msr_write(vcpu, index, value, false);
	} else {
		value = 0;
		answer = msr_read(vcpu, index, false, &value);
		if (answer == MSR_OK)
			put_msr(vcpu, value);
	}
	if (answer != MSR_OK)
		return ask_about_msr(vcpu, write, index, value, answer);
	return exit_skip(vcpu);
}

static int on_hlt(struct vcpu *vcpu)
{
	int result = exit_skip(vcpu);

	if (result <= 0)
		return result;
	if (vcpu->irq) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return 1;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

/* A guest that waits for memory looks again at once. */
static int on_mwait(struct vcpu *vcpu)
{
	struct cpuid_state features = cpuid_state_of(vcpu);
	struct cpuid_result result;

	cpuid_execute(&vcpu->cpuid, &features, 1, 0, &result);
	if (!(result.ecx & BIT(3)) &&
	    (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS))
		return undefined(vcpu);
	return exit_skip(vcpu);
}

/* Intel's VMCALL becomes VMMCALL, unless the VMM wants the #UD: KVM_X86_QUIRK_FIX_HYPERCALL_INSN. */
static int on_undefined(struct vcpu *vcpu)
{
	static const u8 last_of_vmmcall = 0xd9;
	const struct insn *insn;
	u64 guest;
	u32 code;
	int result;

	if (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN)
		return undefined(vcpu);
	insn = exit_decode(vcpu, &result);
	if (insn && insn->op == INSN_VMCALL &&
	    !guest_translate(vcpu, vcpu_linear_rip(vcpu) + insn->length - 1, WALK_FETCH, &guest,
	                     &code) &&
	    !memory_write(vcpu->vm, guest, &last_of_vmmcall, 1))
		return 1;
	return undefined(vcpu);
}

/* KVM's own hypercalls: Documentation/virt/kvm/x86/hypercalls.rst. */
static int on_hypercall(struct vcpu *vcpu)
{
	struct sill_vcpu *state = vcpu->state;
	s64 answer = -KVM_ENOSYS;

	if (state->cpl)
		answer = -KVM_EPERM;
	/* A hint, which costs nothing to take. */
	else if (state->gpr[RAX] == KVM_HC_VAPIC_POLL_IRQ ||
	         (state->gpr[RAX] == KVM_HC_SCHED_YIELD && !vcpu->pv_enforced))
		answer = 0;
	state->gpr[RAX] = vcpu_long_code(vcpu) ? answer : (u32)answer;
	return exit_skip(vcpu);
}

static int on_exception(struct vcpu *vcpu)
{
	u8 vector = vcpu->state->info[0];

	switch (vector) {
	case DB_VECTOR:
		if (vcpu->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
			return tell_debugger(vcpu, vector, vcpu->state->system.dr6);
		event_exception(vcpu, vector, NO_CODE);
		return 1;
	case BP_VECTOR:
		return tell_debugger(vcpu, vector, vcpu->state->system.dr6);
	case UD_VECTOR:
		return on_undefined(vcpu);
	case AC_VECTOR:
		event_exception(vcpu, vector, 0);
		return 1;
	case MC_VECTOR:
		/* The root has handled it when this returns. */
		return 1;
	default:
		return unexpected(vcpu, SILL_RUN_EXCEPTION);
	}
}

/* MOV of a debug register while a debugger has the processor's. */
static int move_debug_register(struct vcpu *vcpu)
{
	struct sill_vcpu *state = vcpu->state;
	u64 *general, value;
	int result;
	const struct insn *insn = exit_decode(vcpu, &result);

	if (!insn)
		return result;
	if (insn->op != INSN_MOV_DR)
		return exit_emulation_error(vcpu);
	general = &state->gpr[insn->rm];
	value = *general;
	if (insn->to == INSN_IN_DR) {
		if (insn->reg < 4)
			vcpu->debug_address[insn->reg] = value;
		else if (insn->reg & 1)
			vcpu_set_guest_dr7(vcpu, value);
		else
			state->system.dr6 = (value & 0xe00f) | 0xffff0ff0;
		vcpu_changed(vcpu, SILL_GROUP_SYSTEM);
	} else {
		*general = insn->reg < 4   ? vcpu->debug_address[insn->reg]
		           : insn->reg & 1 ? vcpu_guest_dr7(vcpu)
		                           : state->system.dr6;
	}
	return advance(vcpu, insn->length);
}

static int on_debug_register(struct vcpu *vcpu)
{
	if (vcpu->state->system.dr7 & DR7_GENERAL_DETECT)
		return unexpected(vcpu, SILL_RUN_DR);
	if (vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP)
		return move_debug_register(vcpu);
	/* From now on the guest uses them itself, until the VMM has the thread again. */
	vcpu->debug_live = true;
	vcpu_update_traps(vcpu);
	return 1;
}

/* MOV to CR8, while an interrupt is held back, or the VMM has the local APIC. */
static int on_control_register(struct vcpu *vcpu)
{
	struct sill_vcpu *state = vcpu->state;
	const struct insn *insn;
	u32 before = state->tpr;
	u64 value;
	int result;

	if (state->info[0] != 8)
		return unexpected(vcpu, SILL_RUN_CR);
	insn = exit_decode(vcpu, &result);
	if (!insn)
		return result;
	if (insn->op != INSN_MOV_CR)
		return exit_emulation_error(vcpu);
	value = state->gpr[insn->rm];
	if (value & ~15ull)
		return general_protection(vcpu);
	state->tpr = value;
	if (vcpu->irq)
		irqchip_store_tpr(vcpu);
	result = advance(vcpu, insn->length);
	if (result <= 0 || vcpu->irq || value >= before)
		return result;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return 0;
}

static int on_xsetbv(struct vcpu *vcpu)
{
	const struct sill_vcpu *state = vcpu->state;
	u64 value = (u32)state->gpr[RAX] | state->gpr[RDX] << 32;

	if (!(state->system.cr4 & X86_CR4_OSXSAVE))
		return undefined(vcpu);
	if (state->cpl || (u32)state->gpr[RCX] || vcpu_set_xcr0(vcpu, value))
		return general_protection(vcpu);
	return exit_skip(vcpu);
}

static int on_shutdown(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

static int on_invalid(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = ~0ull;
	run->fail_entry.cpu = vcpu->cpu;
	return 0;
}

/* Apart, so that CPUID saves no registers for it. */
static noinline bool quick_msr(struct vcpu *vcpu)
{
	const struct sill_vcpu *state = vcpu->state;
	u32 index = state->gpr[RCX];

	return vcpu->irq && (state->info[0] & 1) && irqchip_is_quick(index) &&
	       is_allowed(vcpu, index, true) &&
	       irqchip_msr_write(vcpu, index, (u32)state->gpr[RAX] | state->gpr[RDX] << 32);
}

bool exit_quick(struct vcpu *vcpu, enum sill_run reason)
{
	struct sill_vcpu *state = vcpu->state;
	unsigned int length = state->length;

	if ((reason != SILL_RUN_CPUID && reason != SILL_RUN_MSR) || state->delivering ||
	    (state->rflags & X86_EFLAGS_TF))
		return false;
	if (!length)
		length = guest_known_length(vcpu);
	if (!length ||
	    !(reason == SILL_RUN_CPUID ? cpuid_plain(&vcpu->cpuid, state->gpr) : quick_msr(vcpu)))
		return false;
	state->rip += length;
	if (!(state->mode & SILL_MODE_64))
		state->rip = (u32)state->rip;
	state->shadow = 0;
	return true;
}

/* The others are rare, and look at what they like. */
static int (*const rare[SILL_RUN_KINDS])(struct vcpu *vcpu) = {
	[SILL_RUN_HYPERCALL] = on_hypercall,
	[SILL_RUN_EXCEPTION] = on_exception,
	[SILL_RUN_SHUTDOWN] = on_shutdown,
	[SILL_RUN_DR] = on_debug_register,
	[SILL_RUN_CR] = on_control_register,
	[SILL_RUN_XSETBV] = on_xsetbv,
	[SILL_RUN_RDPMC] = general_protection,
	/* Guest memory is the root's too, and caches keep it right. */
	[SILL_RUN_INVD] = exit_skip,
	[SILL_RUN_PAUSE] = exit_skip,
	[SILL_RUN_MONITOR] = on_mwait,
	[SILL_RUN_MWAIT] = on_mwait,
	[SILL_RUN_VIRTUAL] = undefined,
	[SILL_RUN_INVALID] = on_invalid,
	[SILL_RUN_TASK] = exit_emulation_error,
};

int exit_handle(struct vcpu *vcpu, enum sill_run reason)
{
	switch (reason) {
	case SILL_RUN_INTERRUPT:
	case SILL_RUN_WINDOW:
		return 1;
	case SILL_RUN_MEMORY:
		return on_memory(vcpu);
	case SILL_RUN_PORT:
		return on_port(vcpu);
	case SILL_RUN_CPUID:
		return on_cpuid(vcpu);
	case SILL_RUN_MSR:
		return on_msr(vcpu);
	case SILL_RUN_HLT:
		return on_hlt(vcpu);
	default:
		break;
	}
	vcpu_want(vcpu, SILL_GROUPS);
	return reason < SILL_RUN_KINDS && rare[reason] ? rare[reason](vcpu)
	                                               : unexpected(vcpu, reason);
}
