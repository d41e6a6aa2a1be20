// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What /dev/kvm must do for a small VMM (kvm-machine.h) where the ioctls matter more than the guest.
 *
 * kvm-calls [NAME]…      only these
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/pc/kvm-machine.h"

#define PIN 5u

/* A machine with interrupt controllers, whose pin is a masked level. */
static bool begin_with_chips(struct machine *machine)
{
	static const uint8_t code[] = { 0xf4 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	if (!begin_empty(machine, code, sizeof(code)) ||
	    !must(ioctl(machine->vm, KVM_CREATE_IRQCHIP, 0), "interrupt controllers") ||
	    !must(ioctl(machine->vm, KVM_GET_IRQCHIP, &chip), "get the I/O APIC"))
		return false;
	chip.chip.ioapic.redirtbl[PIN].fields.trig_mode = 1;
	return must(ioctl(machine->vm, KVM_SET_IRQCHIP, &chip), "set the I/O APIC");
}

static void expect_pin(struct machine *machine, bool high, const char *when)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	if (must(ioctl(machine->vm, KVM_GET_IRQCHIP, &chip), "get the I/O APIC") &&
	    (chip.chip.ioapic.irr >> PIN & 1) != high)
		fail("the pin is %s %s", high ? "low" : "high", when);
}

static bool irqfd(struct machine *machine, int event, int resample, uint32_t flags)
{
	struct kvm_irqfd argument = {
		.fd = (uint32_t)event,
		.gsi = PIN,
		.flags = flags,
		.resamplefd = (uint32_t)resample,
	};

	return must(ioctl(machine->vm, KVM_IRQFD, &argument), "irqfd");
}

static void raise(int event)
{
	const uint64_t one = 1;

	if (write(event, &one, sizeof(one)) != sizeof(one))
		must(-1, "eventfd");
}

static void an_irqfd_that_leaves_lowers_no_line_of_others(void)
{
	int a = eventfd(0, 0), b = eventfd(0, 0), resample = eventfd(0, 0);
	struct machine machine;

	if (begin_with_chips(&machine) && irqfd(&machine, a, resample, KVM_IRQFD_FLAG_RESAMPLE) &&
	    irqfd(&machine, b, resample, KVM_IRQFD_FLAG_RESAMPLE)) {
		raise(a);
		expect_pin(&machine, true, "after the signal");
		if (irqfd(&machine, b, 0, KVM_IRQFD_FLAG_DEASSIGN))
			expect_pin(&machine, true, "after the other has left");
		if (irqfd(&machine, a, 0, KVM_IRQFD_FLAG_DEASSIGN))
			expect_pin(&machine, false, "after both have left");
	}
	end(&machine);
	close(a);
	close(b);
	close(resample);
}

static void a_closed_eventfd_is_no_irqfd_any_more(void)
{
	int resample = eventfd(0, 0), a;
	struct machine machine;
	unsigned int turn;

	if (begin_with_chips(&machine)) {
		for (turn = 0; turn < 3 && !test_failed; turn++) {
			a = eventfd(0, 0);
			if (irqfd(&machine, a, resample, KVM_IRQFD_FLAG_RESAMPLE))
				raise(a);
			expect_pin(&machine, true, "after the signal");
			close(a);
			expect_pin(&machine, false, "after the eventfd was closed");
		}
	}
	end(&machine);
	close(resample);
}

/* ioctl() of a 32-bit program, whose memory is below 4 GiB. */
static long narrow_ioctl(int fd, uint32_t command, const void *argument)
{
	long result;

	__asm__ volatile("int $0x80"
	                 : "=a"(result)
	                 : "a"(54), "b"(fd), "c"(command), "d"(argument)
	                 : "memory", "r8", "r9", "r10", "r11");
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

static void *low_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (page == MAP_FAILED)
		must(-1, "memory below 4 GiB");
	return page;
}

static void a_32_bit_vmm_has_its_dirty_log(void)
{
	static const uint8_t code[] = {
		0xc6, 0x06, 0x00, 0x50, 0x01, /* movb $1, 0x5000 */
		0xe6, 0x10,                   /* out %al, $0x10 */
	};
	struct kvm_dirty_log *log = low_page();
	uint64_t *bitmap = low_page();
	struct machine machine;

	if (begin(&machine, code, sizeof(code)) &&
	    add_memory(&machine, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, MEMORY,
	               (uintptr_t)machine.memory) &&
	    run_until(&machine, KVM_EXIT_IO)) {
		/* Its addresses have 32 bits, and what is beside them nobody has cleared. */
		*log = (struct kvm_dirty_log){
			.padding2 = (uint32_t)(uintptr_t)bitmap | 0xdeadull << 32,
		};
		if (must(narrow_ioctl(machine.vm, KVM_GET_DIRTY_LOG, log), "dirty log") &&
		    bitmap[0] != 1ull << 5)
			fail("%llx was written", (unsigned long long)bitmap[0]);
	}
	end(&machine);
	munmap(log, 4096);
	munmap(bitmap, 4096);
}

static void a_32_bit_vmm_filters_msrs(void)
{
	static const uint8_t code[] = {
		0x66, 0xb9, 0x77, 0x02, 0x00, 0x00, /* mov $0x277, %ecx: PAT */
		0x0f, 0x32,                         /* rdmsr */
		0xf4,
	};
	/* struct kvm_msr_filter as 32-bit programs have it. */
	struct narrow_filter {
		uint32_t flags;
		struct {
			uint32_t flags, nmsrs, base, bitmap;
		} ranges[KVM_MSR_FILTER_MAX_RANGES];
	} *filter = low_page();
	struct kvm_enable_cap exits = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
		                        .args = { KVM_MSR_EXIT_REASON_FILTER } };
	/* Of the page's last byte all bits are 0: denied. */
	uint32_t denied = (uint32_t)(uintptr_t)filter + 4095;
	struct machine machine;

	filter->ranges[0].flags = KVM_MSR_FILTER_READ;
	filter->ranges[0].nmsrs = 1;
	filter->ranges[0].base = 0x277;
	filter->ranges[0].bitmap = denied;
	if (begin(&machine, code, sizeof(code)) &&
	    must(ioctl(machine.vm, KVM_ENABLE_CAP, &exits), "exits for MSRs") &&
	    must(narrow_ioctl(machine.vm, _IOW(KVMIO, 0xc6, struct narrow_filter), filter),
	         "filter") &&
	    run_until(&machine, KVM_EXIT_X86_RDMSR) && machine.run->msr.index != 0x277)
		fail("it asks for MSR %x", machine.run->msr.index);
	end(&machine);
	munmap(filter, 4096);
}

/* The number of that name in a statistics file; ~0: there is none. */
static uint64_t statistic(int file, const char *name)
{
	struct kvm_stats_header header;
	union {
		struct kvm_stats_desc desc;
		char room[sizeof(struct kvm_stats_desc) + 64];
	} one;
	uint64_t value;
	size_t size;
	uint32_t i;

	if (pread(file, &header, sizeof(header), 0) != sizeof(header) || header.name_size > 64)
		return ~0ull;
	size = sizeof(one.desc) + header.name_size;
	for (i = 0; i < header.num_desc; i++) {
		if (pread(file, &one, size, header.desc_offset + (off_t)(i * size)) !=
		    (ssize_t)size)
			return ~0ull;
		if (strncmp(one.desc.name, name, header.name_size) == 0 &&
		    pread(file, &value, sizeof(value), header.data_offset + one.desc.offset) ==
		            sizeof(value))
			return value;
	}
	return ~0ull;
}

static void expect_statistic(int file, const char *name, uint64_t wanted)
{
	uint64_t value = statistic(file, name);

	if (value != wanted)
		fail("%s is %lld instead of %lld", name, (long long)value, (long long)wanted);
}

static void statistics_are_files_that_stay_up_to_date(void)
{
	static const uint8_t code[] = { 0xe6, 0x10, 0xe6, 0x10, 0xe6, 0x10, 0xf4 };
	struct machine machine;
	int of_vm = -1, of_vcpu = -1;
	unsigned int i;

	if (begin(&machine, code, sizeof(code))) {
		of_vm = ioctl(machine.vm, KVM_GET_STATS_FD, 0);
		of_vcpu = ioctl(machine.vcpu, KVM_GET_STATS_FD, 0);
		if (must(of_vm, "of the machine") && must(of_vcpu, "of the virtual processor"))
			expect_statistic(of_vm, "exits_port", 0);
		for (i = 1; i <= 3 && !test_failed && run_until(&machine, KVM_EXIT_IO); i++) {
			expect_statistic(of_vm, "exits_port", i);
			expect_statistic(of_vcpu, "exits_to_vmm", i);
		}
		if (!test_failed && run_until(&machine, KVM_EXIT_HLT))
			expect_statistic(of_vm, "exits_hlt", 1);
	}
	/* They outlive the files that they are of. */
	end(&machine);
	expect_statistic(of_vm, "exits_port", 3);
	close(of_vm);
	close(of_vcpu);
}

static const struct test tests[] = {
	TEST(an_irqfd_that_leaves_lowers_no_line_of_others),
	TEST(a_closed_eventfd_is_no_irqfd_any_more),
	TEST(a_32_bit_vmm_has_its_dirty_log),
	TEST(a_32_bit_vmm_filters_msrs),
	TEST(statistics_are_files_that_stay_up_to_date),
};

int main(int argc, char **argv)
{
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
