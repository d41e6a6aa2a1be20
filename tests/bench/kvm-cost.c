// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A small VMM for the root session that measures what the exits of its guests cost, in ticks of the
 * time stamp counter: with QEMU's -icount they are instructions.  kvm.sh runs it on Sill and on the
 * kernel's own KVM in turn.
 *
 *   kvm-cost             prints "kvm: cost NAME TICKS" for each of its measurements
 *   kvm-cost rom FILE    writes a firmware for QEMU that measures the reading of a port that QEMU
 *                        answers, and prints the ticks of 20000 of them, in hexadecimal
 *
 * Guests are 64-bit code at CODE, with their count in RDI; they write port 10h when they are done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define MEMORY   (64ul << 20)
#define GDT      0x1000u
#define IDT      0x2000u
#define TABLES   0x3000u
#define FLAG     0x6000u /* the guests' own */
#define STACKS   0x10000u
#define CODE     0x20000u
#define FRESH    (32ul << 20) /* memory that nobody has touched */
#define VECTOR   0x40u
#define ROM_SIZE 0x10000u
#define REPEATS  3

/* Guests' code, by name. */
#define GUEST(name, bits, code)                                                              \
	__asm__(".section .rodata\n.code" #bits "\nguest_" #name ":\n" code "\nguest_" #name \
	        "_end:\n.code64\n.text\n");                                                  \
	extern const uint8_t guest_##name[], guest_##name##_end[];

GUEST(cpuid, 64, "1: xor %eax, %eax; cpuid; dec %rdi; jnz 1b; out %al, $0x10")
GUEST(port, 64, "1: out %al, $0x10; jmp 1b")
GUEST(fault, 64,
      "mov $32 << 20, %rsi; 1: movb $1, (%rsi); add $4096, %rsi; dec %rdi; jnz 1b; out %al, $0x10")
/* The x2APIC's end of interrupt, and its timer's deadline a long way off. */
GUEST(eoi, 64,
      "mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx\n"
      "1: wrmsr; dec %rdi; jnz 1b; out %al, $0x10")
GUEST(arm, 64,
      "mov $0x832, %ecx; mov $0x40040, %eax; xor %edx, %edx; wrmsr\n"
      "mov $0x6e0, %ecx; mov $0x10000, %edx\n"
      "1: wrmsr; dec %rdi; jnz 1b; xor %eax, %eax; xor %edx, %edx; wrmsr; out %al, $0x10")
/* From a deadline until its handler is done.  FLAG has the sum of what it took beyond the deadline. */
GUEST(timer, 64,
      "mov $0x832, %ecx; mov $0x40040, %eax; xor %edx, %edx; wrmsr; sti\n"
      "1: movl $0, 0x6000; rdtsc; add $50000, %eax; adc $0, %edx; mov $0x6e0, %ecx\n"
      "mov %eax, %r8d; wrmsr\n"
      "2: cmpl $0, 0x6000; je 2b\n"
      "rdtsc; sub %r8d, %eax; add %rax, 0x6008; dec %rdi; jnz 1b; out %al, $0x10")
GUEST(handler, 64,
      "mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr; movl $1, 0x6000; iretq")
/* One sends an interrupt and sleeps until the other's comes; both end after as many. */
GUEST(ping, 64,
      "1: mov $0x830, %ecx; mov $0x40, %eax; mov $1, %edx; wrmsr; sti; hlt; cli\n"
      "dec %rdi; jnz 1b; out %al, $0x10")
GUEST(pong, 64,
      "1: sti; hlt; cli; mov $0x830, %ecx; mov $0x40, %eax; xor %edx, %edx; wrmsr\n"
      "dec %rdi; jnz 1b; out %al, $0x10")
/* QEMU's debug console can be read at 402h; what is written there it shows. */
GUEST(rom, 16,
      "rdtsc; mov %eax, %esi; mov $0x402, %dx; mov $20000, %cx\n"
      "1: in %dx, %al; dec %cx; jnz 1b\n"
      "rdtsc; sub %esi, %eax; mov %eax, %ebx; mov $0x402, %dx; mov $8, %cx\n"
      "2: rol $4, %ebx; mov %bl, %al; and $15, %al; add $'0', %al; cmp $'9', %al; jbe 3f\n"
      "add $39, %al; 3: out %al, %dx; dec %cx; jnz 2b\n"
      "mov $10, %al; out %al, %dx; mov $0xf4, %dx; out %al, %dx; 4: hlt; jmp 4b")

struct machine {
	int kvm, vm, vcpu[2];
	uint8_t *memory;
	struct kvm_run *run[2];
};

static void die(const char *what)
{
	printf("kvm: failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int call(int fd, unsigned long request, const void *argument, const char *what)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		die(what);
	return result;
}

static void add_vcpu(struct machine *machine, uint32_t id)
{
	/* struct kvm_cpuid2 with room. */
	static struct {
		uint32_t nent, padding;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;
	size_t size = (size_t)ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	int vcpu = ioctl(machine->vm, KVM_CREATE_VCPU, id);

	if (vcpu < 0)
		die("virtual processor");
	machine->vcpu[id] = vcpu;
	machine->run[id] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (machine->run[id] == MAP_FAILED)
		die("kvm_run");
	cpuid.nent = 256;
	call(machine->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid, "supported CPUID");
	/* What a local APIC's number and its timer's deadline need. */
	for (uint32_t i = 0; i < cpuid.nent; i++) {
		if (cpuid.entries[i].function == 1) {
			cpuid.entries[i].ebx = (cpuid.entries[i].ebx & 0xffffff) | id << 24;
			cpuid.entries[i].ecx |= 1u << 24 | 1u << 21;
		}
	}
	call(vcpu, KVM_SET_CPUID2, &cpuid, "CPUID");
}

static void put64(struct machine *machine, uint64_t at, uint64_t value)
{
	memcpy(machine->memory + at, &value, sizeof(value));
}

/* Memory is mapped as it is, in pages of 2 MiB; every vector that counts is the handler's. */
static void fill_tables(struct machine *machine)
{
	const uint64_t handler = CODE + 0x1000;

	put64(machine, TABLES, (TABLES + 0x1000) | 7);
	put64(machine, TABLES + 0x1000, (TABLES + 0x2000) | 7);
	for (uint64_t i = 0; i < MEMORY >> 21; i++)
		put64(machine, TABLES + 0x2000 + 8 * i, i << 21 | 0x87);
	put64(machine, GDT + 8, 0x00af9b000000ffff);
	put64(machine, GDT + 16, 0x00cf93000000ffff);
	put64(machine, IDT + 16ul * VECTOR,
	      (handler & 0xffff) | 8ull << 16 | 0x8e00ull << 32 | handler >> 16 << 48);
	memcpy(machine->memory + handler, guest_handler,
	       (size_t)(guest_handler_end - guest_handler));
}

static struct kvm_segment segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.l = type == 11,
		.db = type != 11,
		.g = 1,
	};
}

static void set_system(const struct machine *machine, uint32_t id)
{
	static const struct {
		uint32_t count, padding;
		struct kvm_msr_entry entry;
	} apic_on = { 1, 0, { .index = 0x80f, .data = 0x1ff } };
	struct kvm_sregs sregs;

	call(machine->vcpu[id], KVM_GET_SREGS, &sregs, "get sregs");
	sregs.cs = segment(8, 11);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(16, 3);
	sregs.gdt = (struct kvm_dtable){ .base = GDT, .limit = 23 };
	sregs.idt = (struct kvm_dtable){ .base = IDT, .limit = 0xfff };
	sregs.cr0 = 0x80000011;
	sregs.cr3 = TABLES;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	sregs.apic_base |= 0xc00;
	call(machine->vcpu[id], KVM_SET_SREGS, &sregs, "set sregs");
	/* The local APIC's spurious vector, which turns it on. */
	if (call(machine->vcpu[id], KVM_SET_MSRS, &apic_on, "local APIC") != 1)
		die("local APIC");
}

static void begin(struct machine *machine)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

	machine->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (machine->kvm < 0)
		die("/dev/kvm");
	machine->vm = ioctl(machine->kvm, KVM_CREATE_VM, 0);
	machine->memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (machine->vm < 0 || machine->memory == MAP_FAILED)
		die("machine");
	madvise(machine->memory, MEMORY, MADV_NOHUGEPAGE);
	region.userspace_addr = (uintptr_t)machine->memory;
	call(machine->vm, KVM_SET_USER_MEMORY_REGION, &region, "memory");
	call(machine->vm, KVM_CREATE_IRQCHIP, NULL, "interrupt controllers");
	fill_tables(machine);
	for (uint32_t id = 0; id < 2; id++) {
		add_vcpu(machine, id);
		set_system(machine, id);
		call(machine->vcpu[id], KVM_SET_MP_STATE, &runnable, "MP state");
	}
}

static void load(struct machine *machine, uint32_t id, const uint8_t *code, const uint8_t *code_end,
                 uint64_t count)
{
	struct kvm_regs regs = {
		.rip = CODE + 0x800 * id,
		.rflags = 2,
		.rsp = STACKS + 0x4000 * id + 0x4000,
		.rdi = count,
	};

	/* The instruction that the last one ended with. */
	machine->run[id]->immediate_exit = 1;
	if (ioctl(machine->vcpu[id], KVM_RUN, 0) != -1 || errno != EINTR)
		die("KVM_RUN");
	machine->run[id]->immediate_exit = 0;
	memcpy(machine->memory + regs.rip, code, (size_t)(code_end - code));
	call(machine->vcpu[id], KVM_SET_REGS, &regs, "registers");
}

static void run(const struct machine *machine, uint32_t id)
{
	call(machine->vcpu[id], KVM_RUN, NULL, "KVM_RUN");
	if (machine->run[id]->exit_reason != KVM_EXIT_IO || machine->run[id]->io.port != 0x10) {
		struct kvm_regs regs;

		call(machine->vcpu[id], KVM_GET_REGS, &regs, "get registers");
		printf("kvm: failed: exit %u at %llx\n", machine->run[id]->exit_reason, regs.rip);
		exit(1);
	}
}

static void *run_other(void *context)
{
	run(context, 1);
	return NULL;
}

static uint64_t once(struct machine *machine)
{
	uint64_t start = __rdtsc();

	run(machine, 0);
	return __rdtsc() - start;
}

static uint64_t returns(struct machine *machine, uint64_t count)
{
	uint64_t start = __rdtsc();

	for (uint64_t i = 0; i < count; i++)
		run(machine, 0);
	return __rdtsc() - start;
}

static uint64_t ping(struct machine *machine, uint64_t count)
{
	pthread_t other;
	uint64_t ticks;

	load(machine, 1, guest_pong, guest_pong_end, count);
	if (pthread_create(&other, NULL, run_other, machine))
		die("thread");
	ticks = once(machine);
	pthread_join(other, NULL);
	/* Two interrupts a turn. */
	return ticks / 2;
}

static uint64_t late(struct machine *machine, uint64_t count)
{
	uint64_t before, after;

	(void)count;
	memcpy(&before, machine->memory + FLAG + 8, 8);
	run(machine, 0);
	memcpy(&after, machine->memory + FLAG + 8, 8);
	return after - before;
}

static uint64_t fault(struct machine *machine, uint64_t count)
{
	madvise(machine->memory + FRESH, count * 4096, MADV_DONTNEED);
	return once(machine);
}

static uint64_t plain(struct machine *machine, uint64_t count)
{
	(void)count;
	return once(machine);
}

#define COST(title, guest, count, way)                                 \
	{                                                              \
#title, guest_##guest, guest_##guest##_end, count, way \
	}

static const struct cost {
	const char *title;
	const uint8_t *code, *code_end;
	uint64_t count;
	uint64_t (*ticks)(struct machine *machine, uint64_t count);
} costs[] = {
	COST(cpuid, cpuid, 20000, plain), COST(port, port, 20000, returns),
	COST(eoi, eoi, 20000, plain),     COST(arm, arm, 20000, plain),
	COST(timer, timer, 1000, late),   COST(ipi, ping, 2000, ping),
	COST(fault, fault, 4096, fault),
};

static void measure(struct machine *machine, const struct cost *cost)
{
	uint64_t least = UINT64_MAX;

	/* The least of some, after one to warm up: the kernel has work of its own now and then. */
	for (unsigned int i = 0; i <= REPEATS; i++) {
		uint64_t ticks;

		load(machine, 0, cost->code, cost->code_end, cost->count);
		ticks = cost->ticks(machine, cost->count);
		if (i > 0 && ticks < least)
			least = ticks;
	}
	printf("kvm: cost %s %llu\n", cost->title, (unsigned long long)(least / cost->count));
}

/* The processor begins 16 bytes below the end, with this code's segment at ROM_SIZE below. */
static int write_rom(const char *path)
{
	static uint8_t rom[ROM_SIZE];
	FILE *file = fopen(path, "wb");

	memcpy(rom, guest_rom, (size_t)(guest_rom_end - guest_rom));
	/* jmp near, from fff0h to 0 */
	memcpy(rom + 0xfff0, (uint8_t[]){ 0xe9, 0x0d, 0x00 }, 3);
	if (!file || fwrite(rom, sizeof(rom), 1, file) != 1 || fclose(file) != 0)
		die(path);
	return 0;
}

int main(int argc, char **argv)
{
	struct machine machine;

	if (argc == 3 && strcmp(argv[1], "rom") == 0)
		return write_rom(argv[2]);
	begin(&machine);
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		if (argc > 1 && strcmp(argv[1], costs[i].title) != 0)
			continue;
		measure(&machine, &costs[i]);
		fflush(stdout);
	}
	return 0;
}
