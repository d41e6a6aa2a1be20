// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/pc/kvm-guest.h"

#include <string.h>
#include <sys/ioctl.h>

static bool open_segments(int vcpu)
{
	struct kvm_sregs sregs;

	if (!must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "get sregs"))
		return false;
	sregs.ds.limit = ~0u;
	sregs.ds.g = 1;
	return must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "set sregs");
}

bool guest_start(struct machine *machine, uint32_t flags, void *area, size_t size)
{
	return begin(machine, guest_code, (uintptr_t)guest_code_end - (uintptr_t)guest_code) &&
	       area && add_memory(machine, 1, flags, AREA, size, (uintptr_t)area) &&
	       open_segments(machine->vcpu);
}

bool guest_prepare(struct machine *machine, const uint8_t *routine, uint32_t first, uint32_t pages,
                   uint32_t key)
{
	struct kvm_regs regs = {
		.rip = CODE + ((uintptr_t)routine - (uintptr_t)guest_code),
		.rflags = 2,
		.rdi = AREA + first * PAGE,
		.rcx = pages,
		.rax = key,
	};

	return must(ioctl(machine->vcpu, KVM_SET_REGS, &regs), "set regs");
}

uint32_t guest_call(struct machine *machine, const uint8_t *routine, uint32_t first, uint32_t pages,
                    uint32_t key)
{
	uint32_t answer = ~0u;

	if (!test_failed && guest_prepare(machine, routine, first, pages, key) &&
	    run_until(machine, KVM_EXIT_IO))
		memcpy(&answer, port_data(machine), 4);
	return answer;
}
