// SPDX-License-Identifier: GPL-2.0-or-later
/* Events for the guest, and moving it past what was done for it. */
#include "hypervisor/amd/svm.h"

#include "hypervisor/core/machine.h"
#include "hypervisor/core/x86.h"

/* Exceptions that push an error code; those that make #DF of a second one (APM 2, table 8-3). */
#define HAS_CODE(vector)   (1u << (vector)&0x60227D00u)
#define IS_SERIOUS(vector) (1u << (vector)&0x60207C01u)

void svm_inject(struct cpu *cpu, unsigned int vector, uint32_t code)
{
	struct vmcb *vmcb = svm_of(cpu)->vmcb;

	vmcb->event = EVENT_VALID | EVENT_EXCEPTION | vector;
	/* In real mode there are no error codes. */
	if (HAS_CODE(vector) && (vmcb->cr0 & CR0_PE))
		vmcb->event |= EVENT_HAS_CODE | (uint64_t)code << 32;
}

void svm_deny(struct cpu *cpu)
{
	uint64_t during = svm_of(cpu)->vmcb->exit_interrupt;
	unsigned int vector = during & 0xFF;

	cpu->stats.exits[SILL_EXIT_DENIED]++;
	if (!(during & EVENT_VALID) || EVENT_KIND(during) != KIND_EXCEPTION) {
		/* An interrupt that was being delivered is lost, as on a PC with a broken IDT. */
		svm_inject(cpu, VECTOR_GP, 0);
		return;
	}
	if (vector == VECTOR_DF)
		machine_reset("the root cannot even handle a double fault");
	svm_inject(cpu, IS_SERIOUS(vector) ? VECTOR_DF : VECTOR_GP, 0);
}

bool svm_starts_again(uint64_t event)
{
	unsigned int vector = event & 0xFF;

	return EVENT_KIND(event) == KIND_SOFTWARE ||
	       (EVENT_KIND(event) == KIND_EXCEPTION && (vector == 3 || vector == 4));
}

void svm_redeliver(struct svm *svm)
{
	uint64_t during = svm->vmcb->exit_interrupt;

	if ((during & EVENT_VALID) && !svm_starts_again(during))
		svm->vmcb->event = during;
}

void svm_step(struct svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->intercepts[WORD_MISC1] &= ~MISC1_IRET;
	svm->steps = true;
	svm->traces = vmcb->rflags & RFLAGS_TF;
	svm->dr6 = vmcb->dr6;
	vmcb->dr6 = DR6_CLEAR;
	vmcb->rflags |= RFLAGS_TF;
	vmcb->intercepts[WORD_EXCEPTIONS] |= EXCEPTION_DB;
}

/* Breakpoints that match are in DR6 whether they are turned on or not. */
static uint64_t breakpoints_on(uint64_t dr7)
{
	uint64_t on = 0;

	for (unsigned int i = 0; i < 4; i++)
		on |= (uint64_t)((dr7 >> 2 * i & 3) != 0) << i;
	return on;
}

uint64_t svm_stepped(struct svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	uint64_t causes = vmcb->dr6 & (DR6_CAUSES | breakpoints_on(vmcb->dr7));

	/* Without a step there was no IRET: it faulted, and its handler met a breakpoint. */
	if (causes & DR6_BS) {
		/* What IRET has loaded is the guest's own. */
		if (!svm->nmi_masked && !svm->traces)
			vmcb->rflags &= ~(uint64_t)RFLAGS_TF;
		vmcb->intercepts[WORD_EXCEPTIONS] = svm->exceptions;
		svm->nmi_masked = svm->steps = false;
		if (!svm->traces)
			causes &= ~(uint64_t)DR6_BS;
	}
	vmcb->dr6 = (causes ? vmcb->dr6 & ~(uint64_t)DR6_BS : DR6_CLEAR) | svm->dr6 | causes;
	return causes;
}

void svm_advance(struct cpu *cpu, unsigned int length)
{
	struct vmcb *vmcb = svm_of(cpu)->vmcb;
	struct guest_state state;

	svm_state(cpu, &state);
	vmcb->rip += length;
	if (!state.code_64)
		vmcb->rip &= 0xFFFFFFFF;
	vmcb->interrupt_shadow = 0;
	if (vmcb->rflags & RFLAGS_TF) {
		vmcb->dr6 |= DR6_BS;
		svm_inject(cpu, VECTOR_DB, 0);
	}
}

void svm_skip(struct cpu *cpu, const uint8_t *opcode, unsigned int opcode_size)
{
	struct vmcb *vmcb = svm_of(cpu)->vmcb;
	uint8_t bytes[INSTRUCTION_MAX];
	struct guest_state state;
	unsigned int length = 0, count;

	if (svm_features.next_rip && vmcb->next_rip != 0) {
		length = (unsigned int)(vmcb->next_rip - vmcb->rip);
	} else {
		svm_state(cpu, &state);
		count = guest_fetch(&machine.root_code, &state, bytes);
		length = decode_plain(&state, bytes, count, opcode, opcode_size);
	}
	if (length == 0 || length > INSTRUCTION_MAX)
		svm_inject(cpu, VECTOR_UD, 0);
	else
		svm_advance(cpu, length);
}

void svm_give_nmi(struct cpu *cpu)
{
	struct svm *svm = svm_of(cpu);
	struct vmcb *vmcb = svm->vmcb;

	if (!cpu->nmi_pending)
		return;
	if (svm_features.virtual_nmi) {
		vmcb->interrupt_control |= CONTROL_V_NMI;
		cpu->nmi_pending = false;
		return;
	}
	if (svm->nmi_masked || (vmcb->event & EVENT_VALID))
		return;
	vmcb->event = EVENT_VALID | EVENT_NMI | VECTOR_NMI;
	vmcb->intercepts[WORD_MISC1] |= MISC1_IRET;
	svm->nmi_masked = true;
	cpu->nmi_pending = false;
}
