// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that does anything to what it can reach: random instructions, most of them on ports, on
 * device memory, on MSRs and control registers, in every mode a processor has, with page tables
 * and code that are written meanwhile, also by the other processor and by the VMM.
 *
 * The machine has 2 MiB of memory, a read-only slot, one with a dirty log, and the module's
 * interrupt controllers at their usual places; the rest is a hole.  Exits are answered with
 * anything.  A processor that stops (shutdown, internal error) begins anew elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/pc/kvm-hostile.h"
#include "tests/pc/kvm-random.h"

#define PAGE     4096u
#define MEMORY   (2u << 20)
#define READONLY 0x300000u
#define LOGGED   0x400000u
#define EXTRA    (16u * PAGE)
#define VCPUS    2u

/* Where things are in the guest's memory. */
#define CODE     0x1000u
#define CODE_END 0x8000u
#define PML4     0x10000u
#define PDPT     0x11000u
#define PD       0x12000u /* four, of 2 MiB pages */
#define PT       0x16000u /* of the first 2 MiB */
#define PAE_PDPT 0x17000u
#define PD_32    0x18000u
#define IDT      0x20000u
#define GDT      0x21000u

/* What an answer to an exit, and a signal, may cost before the round is over. */
#define EXITS_MAX   400u
#define SIGNALS_MAX 25u

struct processor {
	struct random random;
	struct machine *machine;
	int file;
	struct kvm_run *run;
};

struct machine {
	int kvm, vm;
	uint8_t *memory;
	struct processor processors[VCPUS];
};

/* Ports, MSRs and addresses that are somebody's. */
static const uint16_t ports[] = { 0x20, 0x21,  0xa0,  0xa1,  0x40, 0x41, 0x42,  0x43,
	                          0x61, 0x4d0, 0x4d1, 0xcf8, 0x10, 0x3f, 0x4cf, 0xffff };
static const uint32_t msrs[] = { 0x10,       0x1b,       0x3a,       0x3b,       0x8b,
	                         0x174,      0x179,      0x17a,      0x1a0,      0x1d9,
	                         0x200,      0x277,      0x2ff,      0x400,      0x6e0,
	                         0x802,      0x808,      0x80b,      0x80d,      0x80f,
	                         0x828,      0x830,      0x832,      0x838,      0x83e,
	                         0x83f,      0xda0,      0x11,       0x12,       0xc0000080,
	                         0xc0000081, 0xc0000084, 0xc0000102, 0xc0000103, 0xc0010015,
	                         0xc001001f, 0x4b564d00, 0x4b564d01, 0x4b564d04, 0x40000000 };
static const uint32_t places[] = { 0xfee00000, 0xfee00080, 0xfee000b0, 0xfee000f0, 0xfee00300,
	                           0xfee00310, 0xfee00320, 0xfee00350, 0xfee00380, 0xfee003e0,
	                           0xfee00ffc, 0xfec00000, 0xfec00010, 0xfec00013, 0xfec00040,
	                           0xfebffffc, READONLY,   0x30ffff,   LOGGED,     0x1ffffc,
	                           0x200000,   PML4,       PDPT,       PD,         PT,
	                           PT + 8,     PD_32,      CODE,       0x4000,     0xfffffffd,
	                           0x7fff,     0xa0000,    0x2ffffe,   IDT,        GDT };
/* Opcodes that come to the emulator or to an exit, of one byte and behind 0Fh. */
static const uint8_t opcodes[] = {
	0x88, 0x89, 0x8a, 0x8b, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
	0x6c, 0x6d, 0x6e, 0x6f, 0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0x86, 0x87,
	0x01, 0x03, 0x09, 0x11, 0x23, 0x29, 0x31, 0x39, 0x3b, 0x80, 0x81, 0x83, 0xc6, 0xc7,
	0xd1, 0xd3, 0xf6, 0xf7, 0xfe, 0xff, 0x8f, 0xa0, 0xa1, 0xa2, 0xa3, 0xf4, 0xfa, 0xfb,
	0xcd, 0xcf, 0x8c, 0x8e, 0x9c, 0x9d, 0xeb, 0x74, 0x63, 0xc8
};
static const uint8_t opcodes_0f[] = {
	0x30, 0x32, 0xa2, 0x20, 0x22, 0x21, 0x23, 0x01, 0x00, 0x06, 0x08, 0x09, 0x31, 0x33,
	0xb0, 0xb1, 0xc0, 0xc1, 0xc7, 0xa3, 0xab, 0xb3, 0xbb, 0xba, 0x10, 0x11, 0x12, 0x13,
	0x28, 0x29, 0x2b, 0x6e, 0x7e, 0x6f, 0x7f, 0xe7, 0xd6, 0xae, 0xc3, 0xb6, 0xb7, 0xbe,
	0xbf, 0x40, 0x45, 0x90, 0x18, 0x0d, 0x38, 0x3a, 0x05, 0x07, 0x34, 0x35, 0xff, 0x0b,
};

#define ANY(random, list) ((list)[any_of(random, sizeof(list) / sizeof((list)[0]))])

/* Bytes of code, or fewer at the end of it. */
struct code {
	struct random *random;
	uint8_t *at, *end;
};

static void put(struct code *code, uint64_t value, unsigned int size)
{
	for (; size > 0 && code->at < code->end; size--, value >>= 8)
		*code->at++ = (uint8_t)value;
}

static uint32_t any_place(struct random *random)
{
	return one_in(random, 6)
	               ? (uint32_t)any_number(random)
	               : ANY(random, places) + (one_in(random, 3) ? any_of(random, 16) : 0);
}

/* A register gets what the next instruction may need. */
static void load_register(struct code *code)
{
	struct random *random = code->random;

	switch (any_of(random, 5)) {
	case 0: /* EDX: a port */
		put(code, 0xba, 1);
		put(code, ANY(random, ports), 4);
		break;
	case 1: /* ECX: an MSR, or a count */
		put(code, 0xb9, 1);
		put(code, one_in(random, 3) ? any_of(random, 2000) : ANY(random, msrs), 4);
		break;
	case 2: /* EDX:EAX */
		put(code, 0xb8, 1);
		put(code, any_number(random), 4);
		put(code, 0xba, 1);
		put(code, one_in(random, 2) ? 0 : any_number(random), 4);
		break;
	default: /* a pointer */
		put(code, 0xb8 + any_of(random, 8), 1);
		put(code, any_place(random), 4);
		break;
	}
}

static void any_instruction(struct code *code)
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36,
		                            0x64, 0x65, 0x48, 0x4c, 0x41, 0x40 };
	struct random *random = code->random;
	uint8_t modrm = (uint8_t)any(random);

	while (one_in(random, 2))
		put(code, ANY(random, prefixes), 1);
	if (one_in(random, 12)) {
		/* VEX */
		put(code, 0xc5, 1);
		put(code, 0xf8 | any_of(random, 8), 1);
		put(code, ANY(random, opcodes_0f), 1);
	} else if (one_in(random, 2)) {
		put(code, 0x0f, 1);
		put(code, ANY(random, opcodes_0f), 1);
	} else {
		put(code, ANY(random, opcodes), 1);
	}
	/* Memory by a register, or by an address. */
	if (one_in(random, 4))
		modrm = (modrm & 0x38) | 5;
	put(code, modrm, 1);
	put(code, one_in(random, 2) ? ANY(random, ports) : any_place(random), 4);
}

/*
 * LOCK with a bit test of a register, which is #UD, ends QEMU 7.2, the computer this runs on: it
 * takes an address that it never computed.
 */
static void spare_the_emulator(uint8_t *code, size_t size)
{
	static const uint8_t tests[] = { 0xa3, 0xab, 0xb3, 0xbb, 0xba };

	for (size_t i = 0; i + 8 < size; i++) {
		for (size_t j = i + 1; code[i] == 0xf0 && j < i + 6; j++) {
			if (code[j] == 0x0f && code[j + 2] >= 0xc0 &&
			    memchr(tests, code[j + 1], sizeof(tests)))
				code[i] = 0x90;
		}
	}
}

static void write_code(struct random *random, uint8_t *memory)
{
	struct code code = { random, memory + CODE, memory + CODE_END };

	while (code.at < code.end) {
		uint32_t choice = any_of(random, 8);

		if (choice < 3)
			load_register(&code);
		else if (choice < 7)
			any_instruction(&code);
		else
			/* CPUID, WRMSR, string operations without anything behind them. */
			put(&code, one_in(random, 2) ? 0x300f : 0x6ef3, 2);
	}
	spare_the_emulator(memory + CODE, CODE_END - CODE);
}

static void put64(uint8_t *memory, uint32_t at, uint64_t value)
{
	memcpy(memory + at, &value, 8);
}

static void put32(uint8_t *memory, uint32_t at, uint32_t value)
{
	memcpy(memory + at, &value, 4);
}

static uint32_t any_rip(struct random *random)
{
	return CODE + any_of(random, CODE_END - CODE);
}

/* All of the first 4 GiB where it is, in each kind of tables; and some entries that are not so. */
static void write_tables(struct random *random, uint8_t *memory)
{
	put64(memory, PML4, PDPT | 7);
	for (uint32_t i = 0; i < 4; i++) {
		put64(memory, PDPT + 8 * i, (PD + i * PAGE) | 7);
		put64(memory, PAE_PDPT + 8 * i, (PD + i * PAGE) | 1);
	}
	for (uint32_t i = 0; i < 4 * 512; i++)
		put64(memory, PD + 8 * i, ((uint64_t)i << 21) | 0x87);
	put64(memory, PD, PT | 7);
	for (uint32_t i = 0; i < 512; i++)
		put64(memory, PT + 8 * i, i * PAGE | 7);
	for (uint32_t i = 0; i < 1024; i++)
		put32(memory, PD_32 + 4 * i, i << 22 | 0x87);
	for (uint32_t i = any_of(random, 12); i > 0; i--)
		put64(memory, PML4 + any_of(random, 9 * PAGE / 8) * 8, any_number(random));
}

/* Every exception and interrupt leads back into the code. */
static void write_descriptors(struct random *random, uint8_t *memory)
{
	put64(memory, GDT, 0);
	put64(memory, GDT + 8, 0x00cf9b000000ffff);  /* code of 32 bits */
	put64(memory, GDT + 16, 0x00cf93000000ffff); /* data */
	put64(memory, GDT + 24, 0x00af9b000000ffff); /* code of 64 bits */
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t to = any_rip(random);

		put32(memory, 4 * i, to & 0xffff);
		put64(memory, IDT + 8 * i, (to & 0xffff) | 0x8e0000080000);
	}
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool l)
{
	return (struct kvm_segment){
		.limit = ~0u,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.db = !l,
		.l = l,
		.g = 1,
	};
}

static void set_mode(struct random *random, struct kvm_sregs *sregs)
{
	uint32_t mode = any_of(random, 6);

	sregs->cs.base = sregs->cs.selector = 0;
	/* QEMU 7.2 ends where it needs a busy task's stack in 32-bit code. */
	sregs->tr.type = 9;
	sregs->idt.base = 0;
	sregs->idt.limit = 0x3ff;
	sregs->gdt.base = GDT;
	sregs->gdt.limit = 31;
	if (one_in(random, 2))
		sregs->ds.limit = sregs->es.limit = ~0u;
	if (mode == 0)
		return;
	sregs->cs = flat(mode == 4 ? 24 : 8, 11, mode == 4);
	sregs->ds = sregs->es = sregs->ss = sregs->fs = sregs->gs = flat(16, 3, false);
	sregs->idt.base = IDT;
	sregs->idt.limit = 0x7ff;
	sregs->cr0 = 0x11 | (one_in(random, 2) ? 0x10000 : 0);
	sregs->cr4 = one_in(random, 2) ? 0x600 : 0;
	switch (mode) {
	case 2: /* 32-bit paging */
		sregs->cr3 = PD_32;
		sregs->cr4 |= 0x10;
		sregs->cr0 |= 0x80000000;
		break;
	case 3:
		sregs->cr3 = PAE_PDPT;
		sregs->cr4 |= 0x20;
		sregs->cr0 |= 0x80000000;
		break;
	case 4:
	case 5: /* compatibility mode */
		sregs->cr3 = PML4;
		sregs->cr4 |= 0x20;
		sregs->cr0 |= 0x80000000;
		sregs->efer = 0x500 | (one_in(random, 2) ? 0x800 : 0);
		break;
	default: /* without paging */
		break;
	}
}

static void begin_anew(struct processor *processor)
{
	struct random *random = &processor->random;
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	/* Debug registers are the VMM's: QEMU aborts where an interrupt meets one of the guest's. */
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = any_rip(random),
		.rsp = one_in(random, 4) ? any_place(random) : 0x30000 + any_of(random, 64),
		.rflags = one_in(random, 2) ? 2 : 0x202,
		.rax = any_number(random),
		.rbx = any_place(random),
		.rcx = ANY(random, msrs),
		.rdx = ANY(random, ports),
		.rsi = any_place(random),
		.rdi = any_place(random),
		.rbp = any_place(random),
	};

	if (ioctl(processor->file, KVM_GET_SREGS, &sregs))
		return;
	sregs.cr0 = 0x60000010;
	sregs.cr4 = sregs.efer = 0;
	set_mode(random, &sregs);
	ioctl(processor->file, KVM_SET_SREGS, &sregs);
	ioctl(processor->file, KVM_SET_REGS, &regs);
	ioctl(processor->file, KVM_SET_MP_STATE, &state);
	ioctl(processor->file, KVM_SET_GUEST_DEBUG, &debug);
}

/* False when the processor has to begin anew. */
static bool answer(struct processor *processor)
{
	struct kvm_run *run = processor->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		any_bytes(&processor->random, (uint8_t *)run + run->io.data_offset, 8);
		return true;
	case KVM_EXIT_MMIO:
		any_bytes(&processor->random, run->mmio.data, 8);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_IOAPIC_EOI:
		return true;
	default:
		return false;
	}
}

static void *run_processor(void *argument)
{
	struct processor *processor = argument;
	unsigned int exits = 0, signals = 0;
	bool again;

	interrupt_me();
	begin_anew(processor);
	while (exits < EXITS_MAX && signals < SIGNALS_MAX) {
		processor->run->exit_reason = KVM_EXIT_UNKNOWN;
		again = ioctl(processor->file, KVM_RUN, 0) == 0 ? answer(processor)
		                                                : errno == EINTR;
		signals += again && processor->run->exit_reason == KVM_EXIT_INTR;
		/* One that only goes round in a circle too. */
		if (!again || one_in(&processor->random,
		                     processor->run->exit_reason == KVM_EXIT_INTR ? 3 : 100))
			begin_anew(processor);
		exits++;
	}
	return NULL;
}

/* What the VMM does to a guest that runs. */
static void disturb(struct random *random, struct machine *machine)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000 | (uint32_t)(any(random) & 0xff00c),
		               .data = (uint32_t)any(random) & 0xc7ff };
	struct kvm_irq_level level = { .irq = any_of(random, 24), .level = any_of(random, 2) };
	uint32_t page = any_of(random, MEMORY / PAGE);

	switch (any_of(random, 6)) {
	case 0:
		ioctl(machine->vm, KVM_SIGNAL_MSI, &msi);
		break;
	case 1:
		madvise(machine->memory + page * PAGE, PAGE, MADV_PAGEOUT);
		break;
	case 2:
		if (page * PAGE >= CODE_END)
			madvise(machine->memory + page * PAGE, PAGE, MADV_DONTNEED);
		break;
	case 3:
		any_bytes(random, machine->memory + page * PAGE, 64);
		break;
	default:
		ioctl(machine->vm, KVM_IRQ_LINE, &level);
		break;
	}
}

static bool add_slot(struct machine *machine, uint32_t slot, uint32_t flags, uint64_t guest,
                     uint64_t size, void *user)
{
	struct kvm_userspace_memory_region region = { slot, flags, guest, size, (uintptr_t)user };

	return ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

static bool add_processor(struct random *random, struct machine *machine, uint32_t id)
{
	static struct {
		uint32_t nent, padding;
		struct kvm_cpuid_entry2 entries[128];
	} cpuid;
	struct processor *processor = &machine->processors[id];

	processor->random = random_from(any(random));
	processor->machine = machine;
	processor->file = ioctl(machine->vm, KVM_CREATE_VCPU, id);
	if (processor->file < 0)
		return false;
	cpuid.nent = 128;
	if (ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) ||
	    ioctl(processor->file, KVM_SET_CPUID2, &cpuid))
		return false;
	processor->run =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, processor->file, 0);
	return processor->run != MAP_FAILED;
}

static bool make(struct random *random, struct machine *machine)
{
	struct kvm_pit_config pit = { 0 };
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };

	*machine = (struct machine){ .kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC) };
	machine->vm = ioctl(machine->kvm, KVM_CREATE_VM, 0);
	machine->memory = mmap(NULL, MEMORY + 2 * EXTRA, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (machine->vm < 0 || machine->memory == MAP_FAILED)
		return false;
	if (one_in(random, 4))
		ioctl(machine->vm, KVM_ENABLE_CAP, &split);
	else
		ioctl(machine->vm, KVM_CREATE_IRQCHIP, 0);
	ioctl(machine->vm, KVM_CREATE_PIT2, &pit);
	write_code(random, machine->memory);
	write_tables(random, machine->memory);
	write_descriptors(random, machine->memory);
	if (!add_slot(machine, 0, 0, 0, MEMORY, machine->memory) ||
	    !add_slot(machine, 1, KVM_MEM_READONLY, READONLY, EXTRA, machine->memory + MEMORY) ||
	    !add_slot(machine, 2, KVM_MEM_LOG_DIRTY_PAGES, LOGGED, EXTRA,
	              machine->memory + MEMORY + EXTRA))
		return false;
	for (uint32_t i = 0; i < VCPUS; i++) {
		if (!add_processor(random, machine, i))
			return false;
	}
	return true;
}

static void unmake(struct machine *machine)
{
	for (uint32_t i = 0; i < VCPUS; i++) {
		if (machine->processors[i].run)
			munmap(machine->processors[i].run, 3 * PAGE);
		close(machine->processors[i].file);
	}
	close(machine->vm);
	close(machine->kvm);
	munmap(machine->memory, MEMORY + 2 * EXTRA);
}

bool fuzz_guest(uint64_t seed, unsigned int rounds)
{
	struct random random = random_from(seed);
	struct machine machine;
	pthread_t threads[VCPUS];
	uint32_t i;

	while (rounds--) {
		if (!make(&random, &machine))
			return false;
		for (i = 0; i < VCPUS; i++)
			if (pthread_create(&threads[i], NULL, run_processor,
			                   &machine.processors[i]))
				return false;
		for (i = 0; i < 60; i++) {
			disturb(&random, &machine);
			usleep(100);
		}
		for (i = 0; i < VCPUS; i++)
			pthread_join(threads[i], NULL);
		unmake(&machine);
	}
	return true;
}
