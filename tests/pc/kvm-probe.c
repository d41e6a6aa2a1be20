// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A small VMM for the root session: what /dev/kvm must do, in guests of a few instructions each.
 * Prints "kvm: ok NAME" or "kvm: failed NAME: WHY" for each of its tests, and "kvm: end".
 *
 * kvm-probe [NAME]…      only these
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY (4ul << 20)
#define CODE   0x1000u

struct machine {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_size;
};

static const char *test_name;
static bool test_failed;

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list arguments;

	if (test_failed)
		return;
	test_failed = true;
	printf("kvm: failed %s: ", test_name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

static bool must(long result, const char *what)
{
	if (result < 0)
		fail("%s: %s", what, strerror(errno));
	return result >= 0;
}

static void end(struct machine *machine)
{
	if (machine->run && machine->run != MAP_FAILED)
		munmap(machine->run, machine->run_size);
	if (machine->vcpu >= 0)
		close(machine->vcpu);
	if (machine->vm >= 0)
		close(machine->vm);
	if (machine->kvm >= 0)
		close(machine->kvm);
	if (machine->memory && machine->memory != MAP_FAILED)
		munmap(machine->memory, MEMORY);
}

static bool add_memory(struct machine *machine, uint32_t slot, uint32_t flags, uint64_t guest,
                       uint64_t size, uint64_t user)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = guest,
		.memory_size = size,
		.userspace_addr = user,
	};

	return must(ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region), "memory region");
}

static bool set_cpuid(const struct machine *machine)
{
	/* struct kvm_cpuid2 with room. */
	static struct {
		uint32_t nent, padding;
		struct kvm_cpuid_entry2 entries[128];
	} cpuid = { .nent = 128 };

	return must(ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "supported CPUID") &&
	       must(ioctl(machine->vcpu, KVM_SET_CPUID2, &cpuid), "CPUID");
}

/* One virtual processor in real mode at CODE, with that code there. */
static bool begin(struct machine *machine, const uint8_t *code, size_t size)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = 0x8000 };

	*machine = (struct machine){ .kvm = -1, .vm = -1, .vcpu = -1 };
	machine->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (!must(machine->kvm, "/dev/kvm"))
		return false;
	machine->vm = ioctl(machine->kvm, KVM_CREATE_VM, 0);
	machine->memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!must(machine->vm, "machine") || machine->memory == MAP_FAILED)
		return false;
	memcpy(machine->memory + CODE, code, size);
	if (!add_memory(machine, 0, 0, 0, MEMORY, (uintptr_t)machine->memory))
		return false;
	machine->vcpu = ioctl(machine->vm, KVM_CREATE_VCPU, 0);
	if (!must(machine->vcpu, "virtual processor") || !set_cpuid(machine))
		return false;
	machine->run_size = (size_t)ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	machine->run =
		mmap(NULL, machine->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu, 0);
	if (machine->run == MAP_FAILED)
		return must(-1, "kvm_run");
	if (!must(ioctl(machine->vcpu, KVM_GET_SREGS, &sregs), "get sregs"))
		return false;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return must(ioctl(machine->vcpu, KVM_SET_SREGS, &sregs), "set sregs") &&
	       must(ioctl(machine->vcpu, KVM_SET_REGS, &regs), "set regs");
}

/* Runs until the exit, which must be that one. */
static bool run_until(struct machine *machine, uint32_t reason)
{
	if (!must(ioctl(machine->vcpu, KVM_RUN, 0), "KVM_RUN"))
		return false;
	if (machine->run->exit_reason != reason) {
		fail("exit %u instead of %u (%u %u)", machine->run->exit_reason, reason,
		     machine->run->internal.suberror, machine->run->internal.ndata);
		return false;
	}
	return true;
}

static void *port_data(struct machine *machine)
{
	return (uint8_t *)machine->run + machine->run->io.data_offset;
}

static bool expect_out(struct machine *machine, uint16_t port, unsigned int size, uint32_t value)
{
	uint32_t got = 0;

	if (!run_until(machine, KVM_EXIT_IO))
		return false;
	memcpy(&got, port_data(machine), machine->run->io.size);
	if (machine->run->io.direction != KVM_EXIT_IO_OUT || machine->run->io.port != port ||
	    machine->run->io.size != size || got != value) {
		fail("port %x, %u bytes, value %x instead of %x, %u, %x", machine->run->io.port,
		     machine->run->io.size, got, port, size, value);
		return false;
	}
	return true;
}

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

#define TEST(name)          \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(a_guest_writes_ports_and_halts),
	TEST(a_guest_reads_its_cpuid),
	TEST(memory_is_the_vmms),
	TEST(the_dirty_log_has_what_was_written),
	TEST(an_interrupt_waits_for_its_window),
	TEST(immediate_exit_comes_back_at_once),
	TEST(a_timer_ends_a_run_that_never_would),
	TEST(msrs_and_their_faults),
	TEST(a_triple_fault_is_a_shutdown),
	TEST(machines_come_and_go),
};

static bool wanted(int count, char **names, const char *name)
{
	int i;

	for (i = 1; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return count <= 1;
}

static void on_alarm(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	size_t i;

	sigaction(SIGALRM, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!wanted(argc, argv, tests[i].name))
			continue;
		test_name = tests[i].name;
		test_failed = false;
		tests[i].run();
		if (!test_failed)
			printf("kvm: ok %s\n", test_name);
	}
	printf("kvm: end\n");
	return 0;
}
