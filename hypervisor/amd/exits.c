// SPDX-License-Identifier: GPL-2.0-or-later
/* One function for each trap of traps.h, and the nested page fault. */
#include "hypervisor/amd/svm.h"

#include "hypervisor/amd/traps.h"
#include "hypervisor/amd/vcpu.h"
#include "hypervisor/core/apic.h"
#include "hypervisor/core/hypercall.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/panic.h"
#include "hypervisor/core/x86.h"

/* PM1_CNT bit 13, in its upper byte; SLP_TYP are bits 10 to 12 (ACPI 6.5, 4.8.3.2.1). */
#define SLEEP_ENABLE   0x20u

#define CODE_LONG      (1u << 9)
#define VMMCALL_LENGTH 3 /* the contract has it without prefixes */

static void count(struct cpu *cpu, enum sill_exit kind)
{
	cpu->stats.exits[kind]++;
}

static void on_nmi(struct cpu *cpu, struct vmcb *vmcb)
{
	(void)vmcb;
	count(cpu, SILL_EXIT_NMI);
	if (cpu_answer_nmi(cpu))
		cpu->nmi_pending = true;
}

/* The NMI handler's end, one step further: until the IRET is done the next NMI has to wait. */
static void on_iret(struct cpu *cpu, struct vmcb *vmcb)
{
	(void)vmcb;
	count(cpu, SILL_EXIT_IRET);
	svm_step(svm_of(cpu));
}

static void on_debug(struct cpu *cpu, struct vmcb *vmcb)
{
	(void)vmcb;
	count(cpu, SILL_EXIT_IRET);
	if (svm_stepped(svm_of(cpu)))
		svm_inject(cpu, VECTOR_DB, 0);
}

void svm_device_init(struct cpu *cpu)
{
	uint64_t control;

	if (!rdmsr_safe(MSR_VM_CR, &control) || !(control & VM_CR_R_INIT))
		machine_reset("a device sent INIT to a processor");
	log_limited("INIT from a device was ignored");
	/* It arrives as #SX, which ends it; an NMI of ours may come with it. */
	cpu_answer_nmi(cpu);
}

static void on_init(struct cpu *cpu, struct vmcb *vmcb)
{
	(void)vmcb;
	count(cpu, SILL_EXIT_DENIED);
	svm_device_init(cpu);
}

static void on_cpuid(struct cpu *cpu, struct vmcb *vmcb)
{
	static const uint8_t opcode[] = { 0x0F, 0xA2 };

	(void)vmcb;
	count(cpu, SILL_EXIT_CPUID);
	svm_cpuid(cpu);
	svm_skip(cpu, opcode, sizeof(opcode));
}

static void on_invd(struct cpu *cpu, struct vmcb *vmcb)
{
	static const uint8_t opcode[] = { 0x0F, 0x08 };

	(void)vmcb;
	count(cpu, SILL_EXIT_OTHER);
	__asm__ volatile("wbinvd" ::: "memory");
	svm_skip(cpu, opcode, sizeof(opcode));
}

static void on_svm(struct cpu *cpu, struct vmcb *vmcb)
{
	count(cpu, SILL_EXIT_DENIED);
	log_limited("the root's AMD-V instruction at %llx is undefined",
	            (unsigned long long)vmcb->rip);
	svm_inject(cpu, VECTOR_UD, 0);
}

static bool may_call(const struct vmcb *vmcb)
{
	return vmcb->cpl == 0 && (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & CODE_LONG);
}

static void call_done(struct cpu *cpu, struct vmcb *vmcb, int64_t result)
{
	count(cpu, SILL_EXIT_CALL);
	vmcb->rax = (uint64_t)result;
	vmcb->rip += VMMCALL_LENGTH;
	vmcb->interrupt_shadow = 0;
	if ((vmcb->rflags & RFLAGS_TF) && !(vmcb->event & EVENT_VALID))
		svm_advance(cpu, 0);
}

bool svm_runs_session(struct cpu *cpu, struct vmcb *vmcb)
{
	if (vmcb->exit_code != EXIT_VMMCALL || vmcb->rax != SILL_CALL_RUN || !may_call(vmcb))
		return false;
	vmcb->event = 0;
	call_done(cpu, vmcb, session_run(cpu, cpu->regs.r[REG_RDI], cpu->regs.r[REG_RSI], 0));
	return true;
}

static void on_vmmcall(struct cpu *cpu, struct vmcb *vmcb)
{
	if (may_call(vmcb)) {
		call_done(cpu, vmcb,
		          hypercall(vmcb->rax, cpu->regs.r[REG_RDI], cpu->regs.r[REG_RSI],
		                    cpu->regs.r[REG_RDX], cpu->regs.r[REG_R10]));
		return;
	}
	count(cpu, SILL_EXIT_DENIED);
	log_limited("a hypercall from outside 64-bit ring 0, at %llx, is undefined",
	            (unsigned long long)vmcb->rip);
	svm_inject(cpu, VECTOR_UD, 0);
}

static void on_msr(struct cpu *cpu, struct vmcb *vmcb)
{
	count(cpu, SILL_EXIT_MSR);
	svm_msr(cpu, vmcb->exit_info1 & 1);
}

/* Would this write of `bytes` bytes at `port` suspend to RAM? */
static bool is_suspend(uint16_t port, unsigned int bytes, uint32_t value)
{
	for (unsigned int i = 0; i < bytes; i++) {
		uint8_t byte = (uint8_t)(value >> 8 * i);

		for (unsigned int r = 0; r < 2; r++) {
			if (machine.sleep_port[r] != 0 && port + i == machine.sleep_port[r] + 1u &&
			    (byte & SLEEP_ENABLE) && (byte >> 2 & 7) == machine.sleep_type[r])
				return true;
		}
	}
	return false;
}

static void on_io(struct cpu *cpu, struct vmcb *vmcb)
{
	uint16_t port = IO_PORT(vmcb->exit_info1);
	unsigned int bytes = IO_BYTES(vmcb->exit_info1);
	uint32_t value = (uint32_t)vmcb->rax;

	count(cpu, SILL_EXIT_IO);
	if (vmcb->exit_info1 & IO_STRING) {
		log_limited("a string instruction at the power management port %x was refused",
		            port);
		svm_deny(cpu);
		return;
	}
	if (vmcb->exit_info1 & IO_IN) {
		if (bytes == 1)
			vmcb->rax = (vmcb->rax & ~UINT64_C(0xFF)) | in8(port);
		else if (bytes == 2)
			vmcb->rax = (vmcb->rax & ~UINT64_C(0xFFFF)) | in16(port);
		else
			vmcb->rax = in32(port);
	} else if (is_suspend(port, bytes, value)) {
		count(cpu, SILL_EXIT_DENIED);
		log_limited("suspend to RAM was refused: the hypervisor would not survive it");
	} else if (bytes == 1) {
		out8(port, (uint8_t)value);
	} else if (bytes == 2) {
		out16(port, (uint16_t)value);
	} else {
		out32(port, value);
	}
	svm_advance(cpu, (unsigned int)(vmcb->exit_info2 - vmcb->rip));
}

static void on_shutdown(struct cpu *cpu, struct vmcb *vmcb)
{
	log_line(LOG_WARNING, "the root shut processor %u down (triple fault) at %llx, cr3 %llx",
	         cpu->index, (unsigned long long)vmcb->rip, (unsigned long long)vmcb->cr3);
	machine_reset("a processor was shut down");
}

/*
 * A store into the APIC page: done here, and the guest goes on behind it.  False if it is no plain
 * store of 32 bits.
 */
static bool apic_store(struct cpu *cpu, struct vmcb *vmcb, uint32_t offset)
{
	uint8_t bytes[INSTRUCTION_MAX];
	struct guest_state state;
	struct store store;
	uint32_t old;

	if (offset % 16 != 0 || (vmcb->exit_interrupt & EVENT_VALID))
		return false;
	svm_state(cpu, &state);
	cpu->regs.r[REG_RAX] = vmcb->rax;
	cpu->regs.r[REG_RSP] = vmcb->rsp;
	if (!decode_store(&state, &cpu->regs, bytes, guest_fetch(&machine.root_code, &state, bytes),
	                  &store))
		return false;
	old = *(volatile uint32_t *)(DIRECT_BASE + APIC_BASE_DEFAULT + offset);
	apic_root_write(cpu, offset, store.value);
	if (store.exchange == REG_RAX)
		vmcb->rax = old;
	else if (store.exchange == REG_RSP)
		vmcb->rsp = old;
	else if (store.exchange >= 0)
		cpu->regs.r[store.exchange] = old;
	svm_advance(cpu, store.length);
	return true;
}

static void on_nested_fault(struct cpu *cpu, struct vmcb *vmcb)
{
	uint64_t address = vmcb->exit_info2, info = vmcb->exit_info1;

	if (round_down(address, PAGE_SIZE) == APIC_BASE_DEFAULT && (info & NESTED_WRITE) &&
	    !(info & NESTED_TABLE_WALK) && apic_store(cpu, vmcb, address % PAGE_SIZE)) {
		count(cpu, SILL_EXIT_APIC);
		return;
	}
	if (!(info & NESTED_PRESENT) && machine_touch(address)) {
		count(cpu, SILL_EXIT_PAGE);
		svm_redeliver(svm_of(cpu));
		return;
	}
	log_limited("the root may not %s %llx (at %llx)", info & NESTED_WRITE ? "write" : "read",
	            (unsigned long long)address, (unsigned long long)vmcb->rip);
	svm_deny(cpu);
}

#define HANDLER(word, bit, handler, what, why) [EXIT_OF(WORD_##word, bit) - 0x40] = handler,

void svm_exit(struct cpu *cpu)
{
	static void (*const handlers[])(struct cpu * cpu, struct vmcb * vmcb) = { AMD_TRAPS(
		HANDLER) AMD_TRANSIENT_TRAPS(HANDLER) };
	struct vmcb *vmcb = svm_of(cpu)->vmcb;
	uint64_t index = vmcb->exit_code - 0x40;

	vmcb->event = 0;
	if (vmcb->exit_code == EXIT_NESTED_FAULT)
		on_nested_fault(cpu, vmcb);
	else if (index < ARRAY_LEN(handlers) && handlers[index])
		handlers[index](cpu, vmcb);
	else
		panic("exit %llx of the root, which nothing asked for: info %llx %llx, rip %llx",
		      (unsigned long long)vmcb->exit_code, (unsigned long long)vmcb->exit_info1,
		      (unsigned long long)vmcb->exit_info2, (unsigned long long)vmcb->rip);
}
