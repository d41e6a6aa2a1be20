// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What /dev/kvm must do for a small VMM (kvm-machine.h), in guests of a few instructions each.
 *
 * kvm-probe [NAME]…      only these
 * kvm-probe for-ever     runs a guest that never ends
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/pc/kvm-machine.h"

static void a_guest_writes_ports_and_halts(void)
{
	static const uint8_t code[] = {
		0xb0, 0x41,       /* mov $0x41, %al */
		0xe6, 0x10,       /* out %al, $0x10 */
		0xb8, 0x34, 0x12, /* mov $0x1234, %ax */
		0xba, 0xff, 0x0f, /* mov $0xfff, %dx */
		0xef,             /* out %ax, (%dx) */
		0xed,             /* in (%dx), %ax */
		0xe7, 0x12,       /* out %ax, $0x12 */
		0xf4,             /* hlt */
	};
	struct machine machine;
	struct kvm_regs regs;

	if (begin(&machine, code, sizeof(code)) && expect_out(&machine, 0x10, 1, 0x41) &&
	    expect_out(&machine, 0xfff, 2, 0x1234) && run_until(&machine, KVM_EXIT_IO)) {
		memcpy(port_data(&machine), (uint16_t[]){ 0xbeef }, 2);
		if (expect_out(&machine, 0x12, 2, 0xbeef) && run_until(&machine, KVM_EXIT_HLT) &&
		    must(ioctl(machine.vcpu, KVM_GET_REGS, &regs), "get regs") &&
		    regs.rip != CODE + sizeof(code))
			fail("it halts at %llx", regs.rip);
	}
	end(&machine);
}

static void a_guest_reads_its_cpuid(void)
{
	static const uint8_t code[] = {
		0x66, 0xb8, 0x00, 0x00, 0x00, 0x40, /* mov $0x40000000, %eax */
		0x0f, 0xa2,                         /* cpuid */
		0x66, 0x89, 0xd8,                   /* mov %ebx, %eax */
		0x66, 0xe7, 0x10,                   /* out %eax, $0x10 */
		0xf4,
	};
	struct machine machine;

	if (begin(&machine, code, sizeof(code)) && expect_out(&machine, 0x10, 4, 0x4b4d564b))
		run_until(&machine, KVM_EXIT_HLT);
	end(&machine);
}

static void memory_is_the_vmms(void)
{
	static const uint8_t code[] = {
		0xb8, 0x00, 0x20, /* mov $0x2000, %ax */
		0x8e, 0xd8,       /* mov %ax, %ds */
		0xa1, 0x10, 0x00, /* mov 0x10, %ax: guest-physical 0x20010 */
		0x40,             /* inc %ax */
		0xa3, 0x10, 0x30, /* mov %ax, 0x3010: 0x23010 */
		0xe7, 0x10,       /* out %ax, $0x10 */
		0xeb, 0xf5,       /* jmp to the read */
	};
	struct machine machine;
	unsigned int i;

	if (begin(&machine, code, sizeof(code))) {
		for (i = 0; i < 200 && !test_failed; i++) {
			uint16_t value = (uint16_t)(i * 3), result;

			/* Gone and back: a new page each time. */
			if (i % 2)
				madvise(machine.memory + 0x20000, 0x4000, MADV_DONTNEED);
			memcpy(machine.memory + 0x20010, &value, 2);
			if (!expect_out(&machine, 0x10, 2, value + 1u))
				break;
			memcpy(&result, machine.memory + 0x23010, 2);
			if (result != value + 1)
				fail("turn %u: memory has %x instead of %x", i, result, value + 1);
		}
	}
	end(&machine);
}

static void the_dirty_log_has_what_was_written(void)
{
	static const uint8_t code[] = {
		0xb8, 0x00, 0x20, 0x8e, 0xd8, /* ds = 0x2000 */
		0xc6, 0x06, 0x00, 0x10, 0x01, /* movb $1, 0x1000: page 0x21 */
		0xa0, 0x00, 0x20,             /* mov 0x2000, %al: page 0x22 is only read */
		0xc6, 0x06, 0x00, 0x50, 0x01, /* movb $1, 0x5000: page 0x25 */
		0xe6, 0x10,                   /* out %al, $0x10 */
		0xeb, 0xef,                   /* jmp to the first write */
	};
	uint64_t bitmap[MEMORY / 4096 / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };
	struct machine machine;
	unsigned int turn;

	if (begin(&machine, code, sizeof(code)) && run_until(&machine, KVM_EXIT_IO) &&
	    add_memory(&machine, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEMORY,
	               (uintptr_t)machine.memory)) {
		for (turn = 0; turn < 3 && run_until(&machine, KVM_EXIT_IO); turn++) {
			memset(bitmap, 0xff, sizeof(bitmap));
			if (!must(ioctl(machine.vm, KVM_GET_DIRTY_LOG, &log), "dirty log"))
				break;
			if (bitmap[0] != (1ull << 0x21 | 1ull << 0x25) || bitmap[1] != 0)
				fail("turn %u: %llx %llx", turn, (unsigned long long)bitmap[0],
				     (unsigned long long)bitmap[1]);
		}
	}
	end(&machine);
}

static void a_repeated_input_asks_once_for_what_a_page_takes(void)
{
	static const uint8_t code[] = {
		0xba, 0x80, 0x00, /* mov $0x80, %dx */
		0xbf, 0xfe, 0x2f, /* mov $0x2ffe, %di */
		0xb9, 0x05, 0x00, /* mov $5, %cx */
		0xf3, 0x6c,       /* rep insb */
		0xf4,
	};
	struct machine machine;

	if (begin(&machine, code, sizeof(code)) && run_until(&machine, KVM_EXIT_IO)) {
		if (machine.run->io.port != 0x80 || machine.run->io.count != 2)
			fail("up to the page's end: %u", machine.run->io.count);
		memcpy(port_data(&machine), "ab", 2);
		if (run_until(&machine, KVM_EXIT_IO)) {
			if (machine.run->io.count != 3)
				fail("the rest: %u", machine.run->io.count);
			memcpy(port_data(&machine), "cde", 3);
			run_until(&machine, KVM_EXIT_HLT);
			if (memcmp(machine.memory + 0x2ffe, "abcde", 5) != 0)
				fail("memory has something else");
		}
	}
	end(&machine);
}

static void an_interrupt_waits_for_its_window(void)
{
	static const uint8_t code[] = {
		0xfa,             /* cli */
		0xe6, 0x10,       /* out %al, $0x10 */
		0x90, 0xfb, 0x90, /* nop; sti; nop */
		0xe6, 0x11,       /* out %al, $0x11: after the handler */
		0xf4,
	};
	/* The handler of vector 0x20. */
	static const uint8_t handler[] = { 0xe6, 0x20, 0xcf }; /* out %al, $0x20; iret */
	struct kvm_interrupt interrupt = { .irq = 0x20 };
	struct machine machine;

	if (begin(&machine, code, sizeof(code))) {
		memcpy(machine.memory + 0x20 * 4, (uint16_t[]){ 0x3000, 0 }, 4);
		memcpy(machine.memory + 0x3000, handler, sizeof(handler));
		if (run_until(&machine, KVM_EXIT_IO)) {
			if (machine.run->ready_for_interrupt_injection || machine.run->if_flag)
				fail("it can take one behind CLI");
			machine.run->request_interrupt_window = 1;
			if (run_until(&machine, KVM_EXIT_IRQ_WINDOW_OPEN)) {
				machine.run->request_interrupt_window = 0;
				must(ioctl(machine.vcpu, KVM_INTERRUPT, &interrupt),
				     "KVM_INTERRUPT");
			}
			if (!test_failed && expect_out(&machine, 0x20, 1, 0) &&
			    expect_out(&machine, 0x11, 1, 0))
				run_until(&machine, KVM_EXIT_HLT);
		}
	}
	end(&machine);
}

static void an_interrupt_waits_for_cr8(void)
{
	static const uint8_t code[] = {
		0x66, 0xb9, 0x1b, 0x00, 0x00, 0x00, /* mov $0x1b, %ecx: the local APIC's base */
		0x0f, 0x32,                         /* rdmsr */
		0x66, 0x0d, 0x00, 0x0c, 0x00, 0x00, /* or $0xc00, %eax: as x2APIC */
		0x0f, 0x30,                         /* wrmsr */
		0x66, 0xb9, 0x0f, 0x08, 0x00, 0x00, /* mov $0x80f, %ecx: spurious vector */
		0x66, 0xb8, 0xff, 0x01, 0x00, 0x00, /* mov $0x1ff, %eax: and on */
		0x66, 0x31, 0xd2,                   /* xor %edx, %edx */
		0x0f, 0x30,                         /* wrmsr */
		0x66, 0xb9, 0x3f, 0x08, 0x00, 0x00, /* mov $0x83f, %ecx: to itself */
		0x66, 0xb8, 0x45, 0x00, 0x00, 0x00, /* mov $0x45, %eax */
		0x0f, 0x30,                         /* wrmsr */
		0x66, 0xb8, 0x05, 0x00, 0x00, 0x00, /* mov $5, %eax */
		0xf0, 0x0f, 0x22, 0xc0,             /* mov %eax, %cr8 */
		0xfb, 0x90,                         /* sti; nop: held back */
		0xb0, 0x01, 0xe6, 0x10,             /* 1 to port 0x10 */
		0x66, 0x31, 0xc0,                   /* xor %eax, %eax */
		0xf0, 0x0f, 0x22, 0xc0,             /* mov %eax, %cr8: here it comes */
		0xb0, 0x02, 0xe6, 0x10,             /* 2 to port 0x10 */
	};
	static const uint8_t handler[] = { 0xe6, 0x30, 0xcf }; /* out %al, $0x30; iret */
	struct machine machine;

	if (begin_empty(&machine, code, sizeof(code)) &&
	    must(ioctl(machine.vm, KVM_CREATE_IRQCHIP, 0), "interrupt controllers")) {
		memcpy(machine.memory + 0x45 * 4, (uint16_t[]){ 0x3000, 0 }, 4);
		memcpy(machine.memory + 0x3000, handler, sizeof(handler));
		machine.vcpu = add_vcpu(&machine, 0, &machine.run);
		if (machine.vcpu >= 0 && expect_out(&machine, 0x10, 1, 1) &&
		    expect_out(&machine, 0x30, 1, 0))
			expect_out(&machine, 0x10, 1, 2);
	}
	end(&machine);
}

static void a_vmm_with_the_local_apic_hears_of_a_lower_cr8(void)
{
	static const uint8_t code[] = {
		0x66, 0xb8, 0x05, 0x00, 0x00, 0x00, /* mov $5, %eax */
		0xf0, 0x0f, 0x22, 0xc0,             /* mov %eax, %cr8 */
		0xe6, 0x10,                         /* out %al, $0x10 */
		0x66, 0x31, 0xc0,                   /* xor %eax, %eax */
		0xf0, 0x0f, 0x22, 0xc0,             /* mov %eax, %cr8 */
		0xe6, 0x10,                         /* out %al, $0x10 */
	};
	struct machine machine;

	if (begin(&machine, code, sizeof(code)) && expect_out(&machine, 0x10, 1, 5)) {
		if (machine.run->cr8 != 5)
			fail("CR8 is %llu instead of 5", machine.run->cr8);
		else if (run_until(&machine, KVM_EXIT_SET_TPR) && machine.run->cr8 != 0)
			fail("CR8 is %llu instead of 0", machine.run->cr8);
		else if (!test_failed)
			expect_out(&machine, 0x10, 1, 0);
	}
	end(&machine);
}

static void immediate_exit_comes_back_at_once(void)
{
	static const uint8_t code[] = { 0xeb, 0xfe };
	struct machine machine;

	if (begin(&machine, code, sizeof(code))) {
		machine.run->immediate_exit = 1;
		if (ioctl(machine.vcpu, KVM_RUN, 0) != -1 || errno != EINTR)
			fail("KVM_RUN did not say EINTR");
	}
	end(&machine);
}

static void a_timer_ends_a_run_that_never_would(void)
{
	static const uint8_t code[] = { 0xeb, 0xfe };
	struct machine machine;

	if (begin(&machine, code, sizeof(code))) {
		alarm(1);
		if (ioctl(machine.vcpu, KVM_RUN, 0) != -1 || errno != EINTR)
			fail("KVM_RUN did not say EINTR");
	}
	end(&machine);
}

static void msrs_and_their_faults(void)
{
	static const uint8_t code[] = {
		0x66, 0xb9, 0x77, 0x02, 0x00, 0x00, /* mov $0x277, %ecx: PAT */
		0x0f, 0x32,                         /* rdmsr */
		0x66, 0xe7, 0x10,                   /* out %eax, $0x10 */
		0x66, 0xb9, 0x99, 0x99, 0x00, 0x00, /* mov $0x9999, %ecx: none */
		0x0f, 0x32,                         /* rdmsr: #GP */
		0xf4,
	};
	static const uint8_t handler[] = { 0xe6, 0x20, 0xf4 };
	struct machine machine;

	if (begin(&machine, code, sizeof(code))) {
		memcpy(machine.memory + 13 * 4, (uint16_t[]){ 0x3000, 0 }, 4);
		memcpy(machine.memory + 0x3000, handler, sizeof(handler));
		if (expect_out(&machine, 0x10, 4, 0x00070406))
			expect_out(&machine, 0x20, 1, 6);
	}
	end(&machine);
}

/* What no exit brings is there when it is asked for, and is not lost by what others change. */
static void control_registers_go_both_ways(void)
{
	static const uint8_t code[] = {
		0x66, 0xb8, 0x78, 0x56, 0x34, 0x12, /* mov $0x12345678, %eax */
		0x0f, 0x22, 0xd0,                   /* mov %eax, %cr2 */
		0xe6, 0x10,                         /* out %al, $0x10 */
		0x66, 0x31, 0xc0, 0x0f, 0xa2,       /* xor %eax, %eax; cpuid */
		0x0f, 0x20, 0xd0,                   /* mov %cr2, %eax */
		0x66, 0xe7, 0x10,                   /* out %eax, $0x10 */
		0xf4,
	};
	struct machine machine;
	struct kvm_sregs sregs;

	if (begin(&machine, code, sizeof(code)) && expect_out(&machine, 0x10, 1, 0x78) &&
	    must(ioctl(machine.vcpu, KVM_GET_SREGS, &sregs), "get sregs")) {
		if (sregs.cr2 != 0x12345678)
			fail("CR2 is %llx", sregs.cr2);
		sregs.cr2 = 0x87654321;
		if (must(ioctl(machine.vcpu, KVM_SET_SREGS, &sregs), "set sregs") &&
		    expect_out(&machine, 0x10, 4, 0x87654321))
			run_until(&machine, KVM_EXIT_HLT);
	}
	end(&machine);
}

/* The module remembers how long instructions were. */
static void an_instruction_that_changes_has_its_new_length(void)
{
	static const uint8_t code[] = {
		0xe8, 0x12, 0x00,             /* call 1f */
		0xe8, 0x0f, 0x00,             /* call 1f */
		0x66, 0xc7, 0x06, 0x18, 0x10, /* movl …, 2f: */
		0x66, 0x0f, 0xa2, 0xc3,       /* with a prefix, and "ret" */
		0xe8, 0x03, 0x00,             /* call 1f */
		0xe6, 0x11, 0xf4,             /* out %al, $0x11; hlt */
		0x66, 0x31, 0xc0,             /* 1: xor %eax, %eax */
		0x0f, 0xa2, 0x90, 0xc3,       /* 2: cpuid; nop; ret */
	};
	struct machine machine;

	if (begin(&machine, code, sizeof(code)) && run_until(&machine, KVM_EXIT_IO)) {
		if (machine.run->io.port != 0x11)
			fail("port %x", machine.run->io.port);
		run_until(&machine, KVM_EXIT_HLT);
	}
	end(&machine);
}

static uint64_t xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (uint64_t)high << 32;
}

static void xcr0_is_the_guests_while_it_runs(void)
{
	static const uint8_t code[] = {
		0x0f, 0x20, 0xe0,                   /* mov %cr4, %eax */
		0x66, 0x0d, 0x00, 0x00, 0x04, 0x00, /* or $0x40000, %eax: OSXSAVE */
		0x0f, 0x22, 0xe0,                   /* mov %eax, %cr4 */
		0x66, 0x31, 0xc9, 0x66, 0x31, 0xd2, /* xor %ecx, %ecx; xor %edx, %edx */
		0x66, 0xb8, 0x03, 0x00, 0x00, 0x00, /* mov $3, %eax */
		0x0f, 0x01, 0xd1,                   /* xsetbv */
		0xe6, 0x11,                         /* out %al, $0x11 */
		0x0f, 0x01, 0xd0,                   /* xgetbv */
		0x66, 0xe7, 0x10,                   /* out %eax, $0x10 */
		0x66, 0xb8, 0x02, 0x00, 0x00, 0x00, /* mov $2, %eax */
		0x0f, 0x01, 0xd1,                   /* xsetbv: without x87, #GP */
		0xf4,
	};
	static const uint8_t handler[] = { 0xe6, 0x20, 0xf4 };
	struct kvm_xcrs xcrs = { 0 };
	struct machine machine;
	uint64_t own = xcr0();

	if (begin(&machine, code, sizeof(code))) {
		memcpy(machine.memory + 13 * 4, (uint16_t[]){ 0x3000, 0 }, 4);
		memcpy(machine.memory + 0x3000, handler, sizeof(handler));
		if (expect_out(&machine, 0x11, 1, 3) && xcr0() != own)
			fail("the root's XCR0 is %llx", (unsigned long long)xcr0());
		if (!test_failed && expect_out(&machine, 0x10, 4, 3) &&
		    must(ioctl(machine.vcpu, KVM_GET_XCRS, &xcrs), "XCRs") &&
		    (xcrs.nr_xcrs != 1 || xcrs.xcrs[0].value != 3))
			fail("XCR0 is %llx", xcrs.xcrs[0].value);
		if (!test_failed)
			expect_out(&machine, 0x20, 1, 2);
	}
	end(&machine);
}

static void a_triple_fault_is_a_shutdown(void)
{
	static const uint8_t code[] = {
		0x0f, 0x01, 0x1e, 0x00, 0x20, /* lidt 0x2000: limit 0 */
		0xcc,                         /* int3 */
	};
	struct machine machine;

	if (begin(&machine, code, sizeof(code)))
		run_until(&machine, KVM_EXIT_SHUTDOWN);
	end(&machine);
}

static void machines_come_and_go(void)
{
	static const uint8_t code[] = { 0xe6, 0x10, 0xf4 };
	struct machine machine;
	unsigned int i;

	for (i = 0; i < 200 && !test_failed; i++) {
		if (begin(&machine, code, sizeof(code)))
			expect_out(&machine, 0x10, 1, 0);
		end(&machine);
	}
}

static const struct test tests[] = {
	TEST(a_guest_writes_ports_and_halts),
	TEST(a_guest_reads_its_cpuid),
	TEST(memory_is_the_vmms),
	TEST(the_dirty_log_has_what_was_written),
	TEST(a_repeated_input_asks_once_for_what_a_page_takes),
	TEST(an_interrupt_waits_for_its_window),
	TEST(an_interrupt_waits_for_cr8),
	TEST(a_vmm_with_the_local_apic_hears_of_a_lower_cr8),
	TEST(immediate_exit_comes_back_at_once),
	TEST(a_timer_ends_a_run_that_never_would),
	TEST(msrs_and_their_faults),
	TEST(control_registers_go_both_ways),
	TEST(an_instruction_that_changes_has_its_new_length),
	TEST(xcr0_is_the_guests_while_it_runs),
	TEST(a_triple_fault_is_a_shutdown),
	TEST(machines_come_and_go),
};

/* Says so when the guest is on its way, and then what ended it. */
static int run_for_ever(void)
{
	static const uint8_t code[] = {
		0xe6, 0x10, /* out %al, $0x10 */
		0xeb, 0xfe, /* jmp . */
	};
	struct machine machine;

	if (!begin(&machine, code, sizeof(code)) || !expect_out(&machine, 0x10, 1, 0))
		return 1;
	printf("kvm: the guest runs\n");
	fflush(stdout);
	while (ioctl(machine.vcpu, KVM_RUN, 0) == 0 || errno == EINTR) {
	}
	printf("kvm: the guest was stopped: %s\n", strerror(errno));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "for-ever") == 0)
		return run_for_ever();
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
