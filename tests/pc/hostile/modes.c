// SPDX-License-Identifier: GPL-2.0-or-later
/* Acts in every mode of the processor, with one answer: struct trap. */
#include "tests/pc/hostile/hostile.h"

extern uint32_t mode_kind, mode_act, mode_cr3, mode_value, mode_port;
extern struct {
	uint32_t vector, error, eip;
} mode_result;

uint64_t mode_go(uint64_t address);
uint64_t long_act(uint64_t frame);
uint64_t far_act(uint64_t frame);

/* As trap.S takes it. */
struct frame {
	uint32_t act, address, value, port, code, data, stack;
};

uint32_t canary[1024] __attribute__((aligned(4096)));

bool act(struct cpu *cpu, uint32_t mode, const struct act *act, uint32_t address, uint32_t value,
         uint32_t port)
{
	struct frame frame = { .act = act->at[mode == MODE_REAL                          ? 0
		                              : mode == MODE_LONG || mode == MODE_USER64 ? 2
		                                                                         : 1],
		               .address = address,
		               .value = value,
		               .port = port,
		               .code = mode == MODE_COMPAT   ? CODE32
		                       : mode == MODE_USER32 ? USER_CODE32
		                                             : USER_CODE64,
		               .data = mode == MODE_COMPAT ? DATA : USER_DATA,
		               .stack = (uint32_t)(uintptr_t)cpu + STACK_USER };

	if (mode == MODE_LONG)
		return attempt(cpu, long_act, (uintptr_t)&frame);
	if (mode > MODE_LONG)
		return attempt(cpu, far_act, (uintptr_t)&frame);
	mode_kind = mode;
	mode_act = frame.act;
	mode_cr3 = window_root(mode);
	mode_value = value;
	mode_port = port;
	cpu->trap.rax = mode_go(address);
	cpu->trap.vector = mode_result.vector;
	cpu->trap.error = mode_result.error;
	cpu->trap.rip = mode_result.eip;
	cpu->trap.cr2 = cpu->trap.rflags = 0;
	return cpu->trap.vector == DONE;
}
