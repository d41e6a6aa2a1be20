/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small VMM for the programs that test /dev/kvm in a root session: a machine of one virtual
 * processor in real mode, and tests that print "kvm: ok NAME" or "kvm: failed NAME: WHY", and
 * "kvm: end".
 */
#ifndef TESTS_PC_KVM_MACHINE_H
#define TESTS_PC_KVM_MACHINE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY (4ul << 20)
#define CODE   0x1000u

struct machine {
	int kvm, vm, vcpu;
	uint8_t *memory; /* slot 0: guest-physical 0 to MEMORY */
	struct kvm_run *run;
	size_t run_size;
};

/* The code is copied to CODE, where the virtual processor begins. */
bool begin(struct machine *machine, const uint8_t *code, size_t size);
/* Without the virtual processor yet: the caller adds it when the machine has what must be before. */
bool begin_empty(struct machine *machine, const uint8_t *code, size_t size);
void end(struct machine *machine);
bool add_memory(struct machine *machine, uint32_t slot, uint32_t flags, uint64_t guest,
                uint64_t size, uint64_t user);
/* One more virtual processor, as the first begins: its file and its kvm_run; -1. */
int add_vcpu(struct machine *machine, uint32_t id, struct kvm_run **ret_run);
/* Runs until the exit, which must be that one. */
bool run_until(struct machine *machine, uint32_t reason);
/* The same, where the exit must be that write to a port. */
bool expect_out(struct machine *machine, uint16_t port, unsigned int size, uint32_t value);
/* Where a port's bytes are after KVM_EXIT_IO. */
void *port_data(struct machine *machine);

struct test {
	const char *name;
	void (*run)(void);
};

#define TEST(name)          \
	{                   \
#name, name \
	}

/* The test that runs has failed, and why: the first reason is told. */
__attribute__((format(printf, 1, 2))) void fail(const char *format, ...);
extern bool test_failed;
/* False, and failed, if the call's result is an error. */
bool must(long result, const char *what);
/* All, or those that the arguments name.  SIGALRM interrupts calls. */
int run_tests(const struct test *tests, size_t count, int argc, char **argv);

#endif
