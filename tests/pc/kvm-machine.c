// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/pc/kvm-machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *test_name;
bool test_failed;

void fail(const char *format, ...)
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

bool must(long result, const char *what)
{
	if (result < 0)
		fail("%s: %s", what, strerror(errno));
	return result >= 0;
}

void end(struct machine *machine)
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

bool add_memory(struct machine *machine, uint32_t slot, uint32_t flags, uint64_t guest,
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

static bool set_cpuid(const struct machine *machine, int vcpu)
{
	/* struct kvm_cpuid2 with room. */
	static struct {
		uint32_t nent, padding;
		struct kvm_cpuid_entry2 entries[128];
	} cpuid;

	cpuid.nent = 128;
	return must(ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "supported CPUID") &&
	       must(ioctl(vcpu, KVM_SET_CPUID2, &cpuid), "CPUID");
}

/* In real mode at CODE, with CPUID and kvm_run. */
static bool set_up(struct machine *machine, int vcpu, struct kvm_run **ret_run)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = 0x8000 };
	struct kvm_sregs sregs;

	if (!set_cpuid(machine, vcpu))
		return false;
	machine->run_size = (size_t)ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	*ret_run = mmap(NULL, machine->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (*ret_run == MAP_FAILED)
		return must(-1, "kvm_run");
	if (!must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "get sregs"))
		return false;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "set sregs") &&
	       must(ioctl(vcpu, KVM_SET_REGS, &regs), "set regs");
}

int add_vcpu(struct machine *machine, uint32_t id, struct kvm_run **ret_run)
{
	int vcpu = ioctl(machine->vm, KVM_CREATE_VCPU, id);

	if (!must(vcpu, "virtual processor"))
		return -1;
	if (!set_up(machine, vcpu, ret_run)) {
		close(vcpu);
		return -1;
	}
	return vcpu;
}

bool begin_empty(struct machine *machine, const uint8_t *code, size_t size)
{
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
	return add_memory(machine, 0, 0, 0, MEMORY, (uintptr_t)machine->memory);
}

bool begin(struct machine *machine, const uint8_t *code, size_t size)
{
	if (!begin_empty(machine, code, size))
		return false;
	machine->vcpu = add_vcpu(machine, 0, &machine->run);
	return machine->vcpu >= 0;
}

bool run_until(struct machine *machine, uint32_t reason)
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

void *port_data(struct machine *machine)
{
	return (uint8_t *)machine->run + machine->run->io.data_offset;
}

bool expect_out(struct machine *machine, uint16_t port, unsigned int size, uint32_t value)
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

int run_tests(const struct test *tests, size_t count, int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	size_t i;

	sigaction(SIGALRM, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < count; i++) {
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
