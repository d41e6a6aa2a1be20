// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs in a panic: trusts no pointer, takes no lock.
 */
#include "hypervisor/core/backtrace.h"

#include "base/bits.h"
#include "hypervisor/core/layout.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/symbols.h"
#include "hypervisor/core/trap.h"
#include "hypervisor/core/x86.h"

extern const uint8_t early_stack[], early_stack_end[];

unsigned int backtrace_walk(uint64_t low, uint64_t high, uint64_t rbp,
                            uint64_t callers[static BACKTRACE_MAX])
{
	unsigned int n = 0;

	while (n < BACKTRACE_MAX && rbp % 8 == 0 && rbp >= low && rbp < high && high - rbp >= 16) {
		const uint64_t *frame = (const uint64_t *)rbp;

		if (frame[1] == 0)
			break;
		callers[n++] = frame[1];
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
	return n;
}

/* `back`: 1 for a return address, whose call may have been the last instruction of its function. */
static void print_place(uint64_t address, unsigned int back)
{
	uint64_t offset;
	const char *name = symbol_at(address - back, &offset);

	if (name) {
		offset += back;
		log_line(LOG_ERROR, "  %s+0x%llx", name, (unsigned long long)offset);
	} else {
		log_line(LOG_ERROR, "  0x%llx", (unsigned long long)address);
	}
}

void backtrace_print(uint64_t rip, uint64_t rbp)
{
	uint64_t callers[BACKTRACE_MAX], here = (uint64_t)__builtin_frame_address(0), low, high;
	unsigned int n;

	/* Only the stack that this runs on is surely mapped. */
	if (here >= AREAS_BASE && here < IMAGE_BASE) {
		low = round_down(here, AREA_SIZE);
		high = low + AREA_CPU;
		low += AREA_GUARD;
	} else {
		low = (uint64_t)early_stack;
		high = (uint64_t)early_stack_end;
	}
	print_place(rip, 0);
	n = backtrace_walk(low, high, rbp, callers);
	for (unsigned int i = 0; i < n; i++)
		print_place(callers[i], 1);
}

void registers_print(const struct trap_frame *frame)
{
	const struct {
		char name[4];
		uint64_t value;
	} registers[] = {
		{ "rip", frame->rip }, { "rsp", frame->rsp }, { "flg", frame->rflags },
		{ "rax", frame->rax }, { "rbx", frame->rbx }, { "rcx", frame->rcx },
		{ "rdx", frame->rdx }, { "rsi", frame->rsi }, { "rdi", frame->rdi },
		{ "rbp", frame->rbp }, { "r8 ", frame->r8 },  { "r9 ", frame->r9 },
		{ "r10", frame->r10 }, { "r11", frame->r11 }, { "r12", frame->r12 },
		{ "r13", frame->r13 }, { "r14", frame->r14 }, { "r15", frame->r15 },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(registers); i += 3)
		log_line(LOG_ERROR, "%s %016llx  %s %016llx  %s %016llx", registers[i].name,
		         (unsigned long long)registers[i].value, registers[i + 1].name,
		         (unsigned long long)registers[i + 1].value, registers[i + 2].name,
		         (unsigned long long)registers[i + 2].value);
	/* Such a one has left there what it was about. */
	if (frame->vector == VECTOR_PF)
		log_line(LOG_ERROR, "cr2 %016llx", (unsigned long long)read_cr2());
}
