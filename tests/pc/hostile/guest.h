/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests of the hostile root: sessions of one or two virtual processors and 2 MiB, in one of three
 * modes, with a handler for every vector that says VMMCALL.  guest_open() begins with nothing
 * donated, lent or created, and guest_close() ends so, else the test fails.
 */
#ifndef HOSTILE_GUEST_H
#define HOSTILE_GUEST_H

#include "tests/pc/hostile/hostile.h"

/* Root-physical: what is donated and what guests have, each processor its own. */
#define DONATIONS    0x4000000u
#define GUEST_MEMORY 0x8000000u
#define GUEST_SIZE   0x200000u
#define SPARE_MEMORY 0x10000000u

/* Guest-physical. */
#define GUEST_GDT      0x2000u
#define GUEST_IDT      0x3000u /* in real mode 0 */
#define GUEST_HANDLERS 0x4000u /* 16 bytes each: mov $vector, %al; vmmcall; iret */
#define GUEST_STACK    0x8000u
#define GUEST_TABLES   0x10000u
#define GUEST_CODE     0x20000u /* in real mode CS is 2000h */
#define HANDLER_CALL   2        /* where its VMMCALL is */
#define CALL_LENGTH    3

enum { GUEST_REAL, GUEST_32, GUEST_LONG, GUEST_MODES };

struct guest {
	struct cpu *cpu;
	uint32_t mode;
	int64_t session;
	uint8_t *memory;
	struct sill_vcpu *page; /* of virtual processor 0 */
	uint64_t lent, donated; /* before */
};

int64_t call4(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* The same, again as long as the hypervisor says so. */
int64_t call_again(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
int64_t map_page(int64_t session, uint64_t guest, uint64_t root, uint32_t level, uint32_t flags);

/* A session of this mode with its memory and processor 0, about to run `code`. */
bool guest_open(struct cpu *cpu, struct guest *guest, uint32_t mode, const void *code, size_t size);
bool guest_close(struct guest *guest, bool good);
/* The state of a mode, at GUEST_CODE. */
void guest_state(struct guest *guest, struct sill_vcpu *page);
/* Another virtual processor's page; its number is 1 and up. */
struct sill_vcpu *guest_page(struct guest *guest, uint32_t number);
void guest_code(struct guest *guest, const void *code, size_t size);

/* Runs it until something but an interrupt of the root's needs the root. */
int64_t guest_run(struct guest *guest, uint32_t vcpu);
/* And that is this, with rip here (from CS on); else the test fails. */
bool guest_exits(struct guest *guest, uint32_t kind, uint64_t rip);
/* That, at the VMMCALL of the handler for a vector. */
bool guest_handles(struct guest *guest, uint32_t vector);
uint64_t guest_start(const struct guest *guest); /* rip of GUEST_CODE */

/* Their places in gpr. */
enum { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI };

#define GUEST_OPEN(cpu, guest, mode, code) guest_open(cpu, guest, mode, code, sizeof(code) - 1)

#endif
