// SPDX-License-Identifier: GPL-2.0-or-later
/* What an exit of a session means, in the words that both vendors share. */
#include "hypervisor/amd/vcpu.h"

#include "hypervisor/amd/session-traps.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/string.h"

#define PLAIN(word, bit, why, information, asks) \
	[EXIT_OF(WORD_##word, bit) - EXIT_MISC] = { SILL_RUN_##why, information },

/* Kind 0 is none of these. */
static const struct {
	uint8_t kind, info;
} plain[] = { SESSION_TRAPS(PLAIN) };

bool svm_is_lost(const struct svm *svm, uint64_t during)
{
	const uint64_t same = EVENT_VALID | SILL_EVENT_KIND | 0xFF;

	if (!(during & EVENT_VALID))
		return false;
	return !svm_starts_again(during) || ((during ^ svm->injected) & same) == 0;
}

/* Nothing in it for the root: on, with what was being delivered. */
static enum sill_run again(struct svm *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->event =
		svm_is_lost(svm, vmcb->exit_interrupt) ? vmcb->exit_interrupt & EVENT_BITS : 0;
	vmcb->exit_interrupt = vmcb->event;
	return VCPU_AGAIN;
}

enum sill_run svm_window(struct svm *svm, struct sill_vcpu *page, uint32_t window)
{
	page->info[0] = window;
	page->windows = svm->windows & ~window;
	return SILL_RUN_WINDOW;
}

static uint8_t length_to(const struct vmcb *vmcb, uint64_t next)
{
	uint64_t length = next - vmcb->rip;

	return length <= INSTRUCTION_MAX ? (uint8_t)length : 0;
}

static void tell_instruction(const struct vmcb *vmcb, struct sill_vcpu *page, uint64_t info)
{
	page->info[0] = info;
	if (svm_features.next_rip)
		page->length = length_to(vmcb, vmcb->next_rip);
}

static void tell_bytes(const struct vmcb *vmcb, struct sill_vcpu *page)
{
	if (!svm_features.decode_assists)
		return;
	page->fetched = (uint8_t)min_u64(vmcb->fetched & 15, sizeof(vmcb->bytes));
	memcpy(page->bytes, vmcb->bytes, sizeof(vmcb->bytes));
}

static enum sill_run on_port(const struct vmcb *vmcb, struct sill_vcpu *page)
{
	uint64_t info = vmcb->exit_info1;

	page->info[0] = IO_PORT(info) | IO_BYTES(info) << 16 | (info & IO_IN ? SILL_PORT_IN : 0) |
	                (info & IO_STRING ? SILL_PORT_STRING : 0) |
	                (info & IO_REPEAT ? SILL_PORT_REPEAT : 0);
	page->length = length_to(vmcb, vmcb->exit_info2);
	return SILL_RUN_PORT;
}

static enum sill_run on_memory(const struct vmcb *vmcb, struct sill_vcpu *page)
{
	uint64_t info = vmcb->exit_info1;

	page->info[0] = vmcb->exit_info2;
	page->info[1] = (info & NESTED_PRESENT ? SILL_ACCESS_MAPPED : 0) |
	                (info & NESTED_WRITE ? SILL_ACCESS_WRITE : 0) |
	                (info & NESTED_FETCH ? SILL_ACCESS_EXECUTE : 0) |
	                (info & NESTED_TABLE_WALK ? SILL_ACCESS_TABLE : 0);
	tell_bytes(vmcb, page);
	return SILL_RUN_MEMORY;
}

static enum sill_run on_task(struct svm *svm, struct sill_vcpu *page)
{
	const struct vmcb *vmcb = svm->vmcb;

	page->info[0] = vmcb->exit_info1 & 0xFFFF;
	page->info[1] = vmcb->exit_info2 & TASK_IRET         ? 1
	                : vmcb->exit_info2 & TASK_JUMP       ? 2
	                : vmcb->exit_interrupt & EVENT_VALID ? 3
	                                                     : 0;
	/* Whoever does the switch delivers it, be it an instruction's or not. */
	svm->injected = vmcb->exit_interrupt;
	return SILL_RUN_TASK;
}

/* One of ours, for a single step; else the session's, which the root may have asked for. */
static enum sill_run on_debug(struct svm *svm, struct sill_vcpu *page)
{
	if (svm->steps) {
		if (svm_stepped(svm) == 0)
			return again(svm);
		if (!(svm->exceptions & EXCEPTION_DB)) {
			svm->vmcb->exit_interrupt = svm->injected =
				EVENT_VALID | EVENT_EXCEPTION | VECTOR_DB;
			return again(svm);
		}
	}
	page->info[0] = VECTOR_DB;
	page->info[1] = 0;
	return SILL_RUN_EXCEPTION;
}

static enum sill_run on_exception(struct cpu *cpu, struct svm *svm, struct sill_vcpu *page,
                                  unsigned int vector)
{
	struct vmcb *vmcb = svm->vmcb;

	if (vector == VECTOR_DB)
		return on_debug(svm, page);
	if (vector == VECTOR_MC) {
		/* The PC's: the root handles it as if it had met it itself. */
		svm_inject(cpu, VECTOR_MC, 0);
		return SILL_RUN_INTERRUPT;
	}
	if (vector == VECTOR_PF) {
		/* Where the processor would have put it. */
		vmcb->cr2 = page->system.cr2 = vmcb->exit_info2;
		tell_bytes(vmcb, page);
	}
	page->info[0] = vector;
	page->info[1] = vmcb->exit_info1;
	return SILL_RUN_EXCEPTION;
}

/* Control and debug registers: 16 codes each for reads, then for writes. */
static enum sill_run on_register(const struct vmcb *vmcb, struct sill_vcpu *page, unsigned int code)
{
	tell_instruction(vmcb, page, (code & 15) | (code & 16 ? 0 : 256));
	return code & 32 ? SILL_RUN_DR : SILL_RUN_CR;
}

/* Apart, so that the others, which are often, save no registers. */
__attribute__((noinline)) static enum sill_run other_exit(struct cpu *cpu, struct vcpu *vcpu,
                                                          struct svm *svm)
{
	struct sill_vcpu *page = vcpu->page;
	struct vmcb *vmcb = svm->vmcb;
	uint32_t code = (uint32_t)vmcb->exit_code;

	switch (code) {
	case EXIT_INTERRUPT:
		return SILL_RUN_INTERRUPT;
	case EXIT_NMI:
		if (!cpu_answer_nmi(cpu))
			return again(svm);
		cpu->nmi_pending = true;
		return SILL_RUN_INTERRUPT;
	case EXIT_INIT:
		svm_device_init(cpu);
		return again(svm);
	case EXIT_VINTR:
		return svm_window(svm, page, SILL_WINDOW_INTERRUPT);
	case EXIT_IRET:
		svm_step(svm);
		return again(svm);
	case EXIT_IO:
		return on_port(vmcb, page);
	case EXIT_MSR:
		tell_instruction(vmcb, page, vmcb->exit_info1 & 1);
		return SILL_RUN_MSR;
	case EXIT_TASK:
		return on_task(svm, page);
	case EXIT_SHUTDOWN:
		return SILL_RUN_SHUTDOWN;
	case EXIT_NESTED_FAULT:
		return on_memory(vmcb, page);
	case EXIT_INVALID:
		return SILL_RUN_INVALID;
	default:
		break;
	}
	if (code < EXIT_EXCEPTIONS)
		return on_register(vmcb, page, code);
	if (code < EXIT_MISC)
		return on_exception(cpu, svm, page, code - EXIT_EXCEPTIONS);
	log_limited("exit %x of session %u, which nothing asked for", code, vcpu->session->number);
	return SILL_RUN_INVALID;
}

enum sill_run svm_vcpu_exit(struct cpu *cpu, struct vcpu *vcpu, struct svm *svm)
{
	const struct vmcb *vmcb = svm->vmcb;
	uint32_t index = (uint32_t)vmcb->exit_code - EXIT_MISC;

	if (index >= ARRAY_LEN(plain) || plain[index].kind == 0)
		return other_exit(cpu, vcpu, svm);
	tell_instruction(vmcb, vcpu->page, plain[index].info);
	return plain[index].kind;
}
