// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a root session's shell cannot find out: the time stamp counter, CPUID leaves, and what some
 * loops cost.
 *
 *   probe ticks    the counter, as "pc: ticks N"
 *   probe leaf     who the hypervisor says it is: "pc: hypervisor NAME ABI RELEASE"
 *   probe loops    what computing, system calls and page faults took, in ticks
 *   probe suspend PORT    writes what would suspend QEMU's q35 to RAM to its power management port
 */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "include/sill/hypercall.h"

#define STEPS       50000000ul
#define CALLS       200000
#define FAULT_BYTES (64ul << 20)
#define FAULT_TURNS 2
#define REPEATS     3
/* PM1_CNT (ACPI 6.5, 4.8.3.2.1): SLP_EN, and the SLP_TYP that QEMU has for S3. */
#define SUSPEND_TO_RAM (1u << 13 | 1u << 10)

static void leaf(void)
{
	unsigned int a, b, c, d, version = 0, release = 0;
	char name[13] = "none";

	__cpuid(1, a, b, c, d);
	if (c >> 31) {
		__cpuid(SILL_CPUID_BASE, a, b, c, d);
		memcpy(name, &b, 4);
		memcpy(name + 4, &c, 4);
		memcpy(name + 8, &d, 4);
		name[12] = '\0';
		if (a >= SILL_CPUID_VERSION)
			__cpuid(SILL_CPUID_VERSION, version, release, c, d);
	}
	printf("pc: hypervisor %s %x %x\n", name, version, release);
}

static void compute(void)
{
	volatile unsigned long sum = 0;

	for (unsigned long i = 0; i < STEPS; i++)
		sum = sum + i;
	(void)sum;
}

static void calls(void)
{
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
}

static void faults(void)
{
	for (int turn = 0; turn < FAULT_TURNS; turn++) {
		char *p = mmap(NULL, FAULT_BYTES, PROT_READ | PROT_WRITE,
		               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return;
		madvise(p, FAULT_BYTES, MADV_NOHUGEPAGE);
		for (unsigned long i = 0; i < FAULT_BYTES; i += 4096)
			p[i] = 1;
		munmap(p, FAULT_BYTES);
	}
}

/* The least of some repeats, after one to warm up: the kernel has work of its own now and then. */
static void timed(const char *name, void (*loop)(void))
{
	unsigned long long least = ~0ull;

	loop();
	for (int i = 0; i < REPEATS; i++) {
		unsigned long long start = __rdtsc(), took;

		loop();
		took = __rdtsc() - start;
		least = took < least ? took : least;
	}
	printf("pc: %s %llu\n", name, least);
	fflush(stdout);
}

static void suspend(unsigned short port)
{
	if (iopl(3) < 0) {
		perror("pc: iopl");
		return;
	}
	outw(SUSPEND_TO_RAM, port);
	puts("pc: suspend came back");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "ticks") == 0) {
		printf("pc: ticks %llu\n", __rdtsc());
	} else if (strcmp(what, "leaf") == 0) {
		leaf();
	} else if (strcmp(what, "loops") == 0) {
		timed("compute", compute);
		timed("calls", calls);
		timed("faults", faults);
	} else if (strcmp(what, "suspend") == 0 && argc > 2) {
		suspend((unsigned short)strtoul(argv[2], NULL, 10));
	} else {
		fputs("usage: probe ticks|leaf|loops|suspend PORT\n", stderr);
		return 2;
	}
	return 0;
}
