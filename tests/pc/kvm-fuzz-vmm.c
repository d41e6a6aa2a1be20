// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM that makes every ioctl there is, with structures that are right, nearly right, or anything,
 * from several threads at once, while files are closed, memory goes away and the pages that it
 * shares with the kernel are written.
 *
 * It has a few files of each kind, and they are replaced now and then.  All arguments lie in one
 * page, behind which there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/sill/device.h"
#include "tests/pc/kvm-hostile.h"
#include "tests/pc/kvm-random.h"

#define THREADS 3u
#define VMS     3u
#define VCPUS   6u
#define EVENTS  4u
#define PAGE    4096u
#define ARENA   (8u << 20)

/* Shared by the threads without a lock: that they get into each other's way is the point. */
static int kvm = -1, vms[VMS], vcpus[VCPUS], events[EVENTS];
static struct kvm_run *runs[VCPUS];
static uint8_t *arena;

struct thread {
	struct random random;
	unsigned int steps;
	uint8_t *page; /* arguments; nothing is behind it */
	unsigned int done;
};

enum kind { SYSTEM, VM, VCPU };

/* What is not said by the number: whose file, and who makes a sound argument. */
struct row {
	unsigned long request;
	enum kind kind;
	void (*fill)(struct random *random, void *argument);
};

static void *any_user(struct random *random)
{
	return arena + (size_t)any_of(random, ARENA / PAGE) * PAGE;
}

static void fill_region(struct random *random, void *argument)
{
	struct kvm_userspace_memory_region *region = argument;

	region->slot = any_of(random, 6);
	region->flags = any_of(random, 4);
	region->guest_phys_addr = (uint64_t)any_of(random, 2048) * PAGE;
	region->memory_size = one_in(random, 4) ? 0 : (uint64_t)any_of(random, 1024) * PAGE;
	region->userspace_addr = (uintptr_t)any_user(random);
}

static void fill_log(struct random *random, void *argument)
{
	struct kvm_dirty_log *log = argument;

	log->slot = any_of(random, 6);
	log->dirty_bitmap = any_user(random);
}

static void fill_clear(struct random *random, void *argument)
{
	struct kvm_clear_dirty_log *log = argument;

	log->slot = any_of(random, 6);
	log->num_pages = any_of(random, 1024) & (one_in(random, 3) ? ~0u : ~63u);
	log->first_page = any_of(random, 16) * 64ull;
	log->dirty_bitmap = any_user(random);
}

static void fill_regs(struct random *random, void *argument)
{
	struct kvm_regs *regs = argument;

	any_bytes(random, regs, sizeof(*regs));
	regs->rip = any_of(random, 4096);
	regs->rflags = (any(random) & 0x247fd7) | 2;
}

static void fill_count(struct random *random, void *argument)
{
	*(uint32_t *)argument = any_of(random, one_in(random, 4) ? 300 : 12);
}

static void fill_cpuid(struct random *random, void *argument)
{
	struct kvm_cpuid2 *cpuid = argument;

	cpuid->nent = 90;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0 && cpuid->nent)
		any_bytes(random, &cpuid->entries[any_of(random, cpuid->nent)], 28);
}

static void fill_sregs(struct random *random, void *argument)
{
	uint8_t *bytes = argument;

	if (ioctl(vcpus[any_of(random, VCPUS)], KVM_GET_SREGS, argument) == 0 && one_in(random, 2))
		bytes[any_of(random, sizeof(struct kvm_sregs))] ^= 1 << any_of(random, 8);
}

static void fill_xsave(struct random *random, void *argument)
{
	uint8_t *bytes = argument;

	if (ioctl(vcpus[any_of(random, VCPUS)], KVM_GET_XSAVE, argument) == 0)
		bytes[any_of(random, 1024)] = (uint8_t)any(random);
}

static void fill_routes(struct random *random, void *argument)
{
	struct kvm_irq_routing *routing = argument;

	routing->nr = any_of(random, 60);
	routing->flags = 0;
	for (uint32_t i = 0; i < routing->nr; i++) {
		struct kvm_irq_routing_entry *entry = &routing->entries[i];

		*entry = (struct kvm_irq_routing_entry){ .gsi = i, .type = KVM_IRQ_ROUTING_MSI };
		if (one_in(random, 2)) {
			entry->type = KVM_IRQ_ROUTING_IRQCHIP;
			entry->u.irqchip.irqchip = any_of(random, 3);
			entry->u.irqchip.pin = any_of(random, one_in(random, 20) ? 64 : 8);
		} else {
			entry->u.msi.address_lo = 0xfee00000 | (uint32_t)any(random);
			entry->u.msi.data = (uint32_t)any(random);
		}
	}
}

static void fill_irqfd(struct random *random, void *argument)
{
	struct kvm_irqfd *fd = argument;

	fd->fd = (uint32_t)events[any_of(random, EVENTS)];
	fd->resamplefd = (uint32_t)events[any_of(random, EVENTS)];
	fd->gsi = any_of(random, 26);
	fd->flags = any_of(random, 4);
}

static void fill_watch(struct random *random, void *argument)
{
	struct kvm_ioeventfd *watch = argument;

	watch->datamatch = any_of(random, 3);
	watch->addr = any_of(random, 4) + (one_in(random, 2) ? 0x10u : 0x100000u);
	watch->len = 1u << any_of(random, 4);
	watch->fd = events[any_of(random, EVENTS)];
	watch->flags = any_of(random, 8);
}

static void fill_zone(struct random *random, void *argument)
{
	struct kvm_coalesced_mmio_zone *zone = argument;

	zone->addr = one_in(random, 2) ? 0x10 : 0x100000;
	zone->size = any_of(random, 4096);
	zone->pio = any_of(random, 2);
}

static void fill_line(struct random *random, void *argument)
{
	struct kvm_irq_level *level = argument;

	level->irq = any_of(random, 30);
	level->level = any_of(random, 2);
}

static void fill_chip(struct random *random, void *argument)
{
	((struct kvm_irqchip *)argument)->chip_id = any_of(random, 4);
}

static void fill_msrs(struct random *random, void *argument)
{
	static const uint32_t known[] = {
		0x10,       0x1b,       0x3b,       0x174,      0x277,      0x2ff,      0x6e0,
		0x800,      0x802,      0x80b,      0x830,      0x832,      0x838,      0x83f,
		0xc0000080, 0xc0000082, 0xc0000100, 0xc0000103, 0x4b564d00, 0x4b564d01, 0x12,
		0x11,       0x179,      0x400,      0x403
	};
	struct kvm_msrs *msrs = argument;

	msrs->nmsrs = 1 + any_of(random, 20);
	for (uint32_t i = 0; i < msrs->nmsrs; i++) {
		msrs->entries[i].index = one_in(random, 8)
		                                 ? (uint32_t)any_number(random)
		                                 : known[any_of(random, sizeof(known) / 4)];
		msrs->entries[i].data = any_number(random);
	}
}

static void fill_filter(struct random *random, void *argument)
{
	struct kvm_msr_filter *filter = argument;

	*filter = (struct kvm_msr_filter){ .flags = any_of(random, 2) };
	for (uint32_t i = 0; i < any_of(random, KVM_MSR_FILTER_MAX_RANGES); i++) {
		filter->ranges[i].flags = any_of(random, 4);
		filter->ranges[i].base = (uint32_t)any_number(random);
		filter->ranges[i].nmsrs = any_of(random, 3000);
		filter->ranges[i].bitmap = any_user(random);
	}
}

static void fill_mask(struct random *random, void *argument)
{
	struct kvm_signal_mask *mask = argument;

	mask->len = one_in(random, 8) ? any_of(random, 16) : 8;
	any_bytes(random, mask->sigset, 8);
	/* What ends a KVM_RUN that would go on for ever. */
	mask->sigset[(SIGALRM - 1) / 8] &= (uint8_t) ~(1u << ((SIGALRM - 1) % 8));
}

static void fill_capability(struct random *random, void *argument)
{
	static const uint32_t known[] = { KVM_CAP_SPLIT_IRQCHIP,
		                          KVM_CAP_X2APIC_API,
		                          KVM_CAP_X86_USER_SPACE_MSR,
		                          KVM_CAP_DISABLE_QUIRKS2,
		                          KVM_CAP_EXCEPTION_PAYLOAD,
		                          KVM_CAP_DISABLE_QUIRKS,
		                          KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };
	struct kvm_enable_cap *capability = argument;

	*capability = (struct kvm_enable_cap){ .cap = known[any_of(random, 7)],
		                               .args[0] = any_of(random, 26) };
}

static void fill_debug(struct random *random, void *argument)
{
	struct kvm_guest_debug *debug = argument;

	any_bytes(random, debug, sizeof(*debug));
	debug->control &= 0x3f0003;
}

static void fill_state(struct random *random, void *argument)
{
	((struct kvm_mp_state *)argument)->mp_state = any_of(random, 6);
}

static const struct row rows[] = {
	{ KVM_GET_API_VERSION, SYSTEM, NULL },
	{ KVM_CHECK_EXTENSION, SYSTEM, NULL },
	{ KVM_GET_SUPPORTED_CPUID, SYSTEM, fill_count },
	{ KVM_GET_EMULATED_CPUID, SYSTEM, fill_count },
	{ KVM_GET_MSR_INDEX_LIST, SYSTEM, fill_count },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, SYSTEM, fill_count },
	{ KVM_GET_MSRS, SYSTEM, fill_msrs },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED, SYSTEM, NULL },
	{ KVM_SET_USER_MEMORY_REGION, VM, fill_region },
	{ KVM_SET_USER_MEMORY_REGION, VM, fill_region },
	{ KVM_SET_USER_MEMORY_REGION, VM, fill_region },
	{ KVM_GET_DIRTY_LOG, VM, fill_log },
	{ KVM_CLEAR_DIRTY_LOG, VM, fill_clear },
	{ KVM_SET_TSS_ADDR, VM, NULL },
	{ KVM_SET_IDENTITY_MAP_ADDR, VM, NULL },
	{ KVM_SET_BOOT_CPU_ID, VM, NULL },
	{ KVM_SET_NR_MMU_PAGES, VM, NULL },
	{ KVM_X86_SET_MSR_FILTER, VM, fill_filter },
	{ KVM_GET_CLOCK, VM, NULL },
	{ KVM_SET_CLOCK, VM, NULL },
	{ KVM_IOEVENTFD, VM, fill_watch },
	{ KVM_REGISTER_COALESCED_MMIO, VM, fill_zone },
	{ KVM_UNREGISTER_COALESCED_MMIO, VM, fill_zone },
	{ KVM_ENABLE_CAP, VM, fill_capability },
	{ KVM_CREATE_IRQCHIP, VM, NULL },
	{ KVM_CREATE_PIT, VM, NULL },
	{ KVM_CREATE_PIT2, VM, NULL },
	{ KVM_SET_GSI_ROUTING, VM, fill_routes },
	{ KVM_IRQ_LINE, VM, fill_line },
	{ KVM_IRQ_LINE_STATUS, VM, fill_line },
	{ KVM_SIGNAL_MSI, VM, NULL },
	{ KVM_IRQFD, VM, fill_irqfd },
	{ KVM_GET_IRQCHIP, VM, fill_chip },
	{ KVM_SET_IRQCHIP, VM, fill_chip },
	{ KVM_GET_PIT, VM, NULL },
	{ KVM_SET_PIT, VM, NULL },
	{ KVM_GET_PIT2, VM, NULL },
	{ KVM_SET_PIT2, VM, NULL },
	{ KVM_REINJECT_CONTROL, VM, NULL },
	{ SILL_GET_SESSION, VM, NULL },
	{ KVM_GET_REGS, VCPU, NULL },
	{ KVM_SET_REGS, VCPU, fill_regs },
	{ KVM_GET_SREGS, VCPU, NULL },
	{ KVM_SET_SREGS, VCPU, fill_sregs },
	{ KVM_GET_SREGS2, VCPU, NULL },
	{ KVM_SET_SREGS2, VCPU, fill_sregs },
	{ KVM_GET_FPU, VCPU, NULL },
	{ KVM_SET_FPU, VCPU, NULL },
	{ KVM_GET_XCRS, VCPU, NULL },
	{ KVM_SET_XCRS, VCPU, NULL },
	{ KVM_GET_DEBUGREGS, VCPU, NULL },
	{ KVM_SET_DEBUGREGS, VCPU, NULL },
	{ KVM_GET_VCPU_EVENTS, VCPU, NULL },
	{ KVM_SET_VCPU_EVENTS, VCPU, NULL },
	{ KVM_GET_MP_STATE, VCPU, NULL },
	{ KVM_SET_MP_STATE, VCPU, fill_state },
	{ KVM_SET_GUEST_DEBUG, VCPU, fill_debug },
	{ KVM_INTERRUPT, VCPU, fill_count },
	{ KVM_SET_VAPIC_ADDR, VCPU, NULL },
	{ KVM_X86_SETUP_MCE, VCPU, NULL },
	{ KVM_RUN, VCPU, NULL },
	{ KVM_RUN, VCPU, NULL },
	{ KVM_RUN, VCPU, NULL },
	{ KVM_RUN, VCPU, NULL },
	{ KVM_GET_MSRS, VCPU, fill_msrs },
	{ KVM_SET_MSRS, VCPU, fill_msrs },
	{ KVM_SET_CPUID, VCPU, fill_count },
	{ KVM_SET_CPUID2, VCPU, fill_cpuid },
	{ KVM_GET_CPUID2, VCPU, fill_count },
	{ KVM_SET_SIGNAL_MASK, VCPU, fill_mask },
	{ KVM_NMI, VCPU, NULL },
	{ KVM_GET_XSAVE, VCPU, NULL },
	{ KVM_GET_XSAVE2, VCPU, NULL },
	{ KVM_SET_XSAVE, VCPU, fill_xsave },
	{ KVM_GET_TSC_KHZ, VCPU, NULL },
	{ KVM_SET_TSC_KHZ, VCPU, NULL },
	{ KVM_KVMCLOCK_CTRL, VCPU, NULL },
	{ KVM_GET_LAPIC, VCPU, NULL },
	{ KVM_SET_LAPIC, VCPU, NULL },
	{ KVM_TRANSLATE, VCPU, NULL },
	{ KVM_TPR_ACCESS_REPORTING, VCPU, NULL },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* An argument of the thread's page, at its end as often as not. */
static void *place(struct thread *thread, const struct row *row)
{
	size_t size = _IOC_SIZE(row->request);

	if (size == 0 || size > PAGE || one_in(&thread->random, 2))
		return thread->page;
	return thread->page + PAGE - size;
}

static unsigned long argument_of(struct thread *thread, const struct row *row)
{
	struct random *random = &thread->random;
	bool at_start;
	uint8_t *argument;

	if (row->request == KVM_RUN && !one_in(random, 50))
		return 0;
	if (_IOC_SIZE(row->request) == 0 || one_in(random, 50))
		return one_in(random, 2) ? 0 : any_number(random);
	argument = place(thread, row);
	at_start = argument == thread->page;
	any_bytes(random, argument, at_start ? PAGE : _IOC_SIZE(row->request));
	if (one_in(random, 8))
		memset(argument, 0, at_start ? PAGE : _IOC_SIZE(row->request));
	/* Arrays behind a structure need the room. */
	if (row->fill && at_start && !one_in(random, 10))
		row->fill(random, argument);
	return (unsigned long)argument;
}

static int file_of(struct thread *thread, enum kind kind)
{
	struct random *random = &thread->random;

	if (one_in(random, 60))
		kind = any_of(random, 3);
	if (kind == SYSTEM)
		return kvm;
	return kind == VM ? vms[any_of(random, VMS)] : vcpus[any_of(random, VCPUS)];
}

static void replace_vm(struct random *random)
{
	uint32_t i = any_of(random, VMS);
	struct kvm_userspace_memory_region region = {
		.memory_size = ARENA / 2,
		.userspace_addr = (uintptr_t)arena,
	};
	int fresh = ioctl(kvm, KVM_CREATE_VM, 0), old = vms[i];

	if (fresh < 0)
		return;
	if (one_in(random, 4) == 0)
		ioctl(fresh, KVM_SET_USER_MEMORY_REGION, &region);
	if (one_in(random, 3) == 0)
		ioctl(fresh, KVM_CREATE_IRQCHIP, 0);
	vms[i] = fresh;
	close(old);
}

/* The page stays mapped: others are writing to it. */
static void replace_vcpu(struct random *random)
{
	uint32_t i = any_of(random, VCPUS);
	int fresh = ioctl(vms[any_of(random, VMS)], KVM_CREATE_VCPU,
	                  one_in(random, 20) ? any_number(random) : any_of(random, 5)),
	    old = vcpus[i];
	struct kvm_regs regs = { .rip = any_of(random, 4096), .rflags = 2 };
	struct kvm_sregs sregs;

	if (fresh < 0)
		return;
	if (ioctl(fresh, KVM_GET_SREGS, &sregs) == 0) {
		sregs.cs.base = sregs.cs.selector = 0;
		ioctl(fresh, KVM_SET_SREGS, &sregs);
	}
	ioctl(fresh, KVM_SET_REGS, &regs);
	if (runs[i])
		(void)mmap(runs[i], 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fresh,
		           0);
	vcpus[i] = fresh;
	close(old);
}

static void replace_event(struct random *random)
{
	uint32_t i = any_of(random, EVENTS);
	int old = events[i];

	events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	close(old);
}

static void signal_event(struct random *random)
{
	uint64_t one = 1;

	if (write(events[any_of(random, EVENTS)], &one, sizeof(one)) < 0)
		return;
}

/* The VMM's memory goes, or becomes something else. */
static void change_memory(struct random *random)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_HUGEPAGE,
		                      MADV_NOHUGEPAGE };
	size_t page = any_of(random, ARENA / PAGE), size = any_of(random, 300) * PAGE;
	uint8_t *at = arena + page * PAGE;

	if (size > ARENA - page * PAGE)
		size = ARENA - page * PAGE;
	switch (any_of(random, 4)) {
	case 0:
		mprotect(at, size, any_of(random, 4));
		break;
	case 1:
		if (size)
			(void)mmap(at, size, PROT_READ | PROT_WRITE,
			           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	default:
		madvise(at, size, advice[any_of(random, 5)]);
		break;
	}
}

/* What the VMM shares with the kernel.  Its page may be any file's by now: then a write faults. */
static void write_run(struct random *random)
{
	struct kvm_run *run = runs[any_of(random, VCPUS)];

	if (!run)
		return;
	run->immediate_exit = one_in(random, 3) != 0;
	run->request_interrupt_window = any_of(random, 2) != 0;
	run->cr8 = (uint8_t)any(random);
	run->apic_base = any(random);
	if (one_in(random, 4)) {
		run->kvm_valid_regs = any_of(random, 16);
		run->kvm_dirty_regs = any_of(random, 16);
		any_bytes(random, &run->s, 400);
	}
	if (one_in(random, 4))
		any_bytes(random, (uint8_t *)run + 32, 64);
	/* Port data, and the ring of coalesced writes. */
	if (one_in(random, 8))
		any_bytes(random, (uint8_t *)run + PAGE * (1 + any_of(random, 2)), 64);
}

static void fork_away(struct random *random)
{
	pid_t child = fork();

	if (child == 0) {
		ioctl(vcpus[any_of(random, VCPUS)], KVM_RUN, 0);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void do_something(struct thread *thread)
{
	struct random *random = &thread->random;
	uint32_t choice = any_of(random, 1000);
	const struct row *row = &rows[any_of(random, ROWS)];
	unsigned long argument;

	if (choice < 8) {
		replace_vm(random);
	} else if (choice < 60) {
		replace_vcpu(random);
	} else if (choice < 70) {
		replace_event(random);
	} else if (choice < 90) {
		signal_event(random);
	} else if (choice < 110) {
		change_memory(random);
	} else if (choice < 200) {
		write_run(random);
	} else if (choice < 202) {
		fork_away(random);
	} else {
		argument = argument_of(thread, row);
		ioctl(file_of(thread, row->kind), row->request, argument);
	}
}

static void *run_thread(void *argument)
{
	struct thread *thread = argument;

	interrupt_me();
	for (thread->done = 0; thread->done < thread->steps; thread->done++)
		do_something(thread);
	return NULL;
}

static void *page_with_nothing_behind(void)
{
	uint8_t *place =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (place == MAP_FAILED || munmap(place + PAGE, PAGE))
		return NULL;
	return place;
}

static bool begin(struct random *random)
{
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (kvm < 0 || arena == MAP_FAILED)
		return false;
	/* Code of sorts; the guests' page tables and stacks are random too. */
	any_bytes(random, arena, 64 * PAGE);
	memset(vms, -1, sizeof(vms));
	memset(vcpus, -1, sizeof(vcpus));
	for (uint32_t i = 0; i < EVENTS; i++)
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (uint32_t i = 0; i < VCPUS; i++) {
		runs[i] = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		               -1, 0);
		if (runs[i] == MAP_FAILED)
			return false;
	}
	for (uint32_t i = 0; i < 2 * VMS; i++)
		replace_vm(random);
	for (uint32_t i = 0; i < 2 * VCPUS; i++)
		replace_vcpu(random);
	return true;
}

bool fuzz_vmm(uint64_t seed, unsigned int steps)
{
	struct random random = random_from(seed);
	struct thread threads[THREADS];
	pthread_t handles[THREADS];
	unsigned int count = 0;

	if (!begin(&random))
		return false;
	for (; count < THREADS; count++) {
		threads[count] = (struct thread){ random_from(any(&random)), steps,
			                          page_with_nothing_behind(), 0 };
		if (!threads[count].page ||
		    pthread_create(&handles[count], NULL, run_thread, &threads[count]))
			break;
	}
	for (unsigned int i = 0; i < count; i++)
		pthread_join(handles[i], NULL);
	return count == THREADS;
}
