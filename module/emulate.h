/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carry out one instruction of a guest, for what the processor does not do by itself: accesses to
 * devices, and writes to memory that the guest may only read.
 *
 * A device may be in the VMM, so that an instruction ends in the middle: emulate_run() returns
 * EMULATE_DEVICE and `access` says what is wanted.  Whoever did it calls emulate_answer(), and
 * emulate_run() again, which starts over.  Every access of an instruction is in a log, in order,
 * and a run takes from it what was done before; so no access is done twice, and values that were
 * read do not change under it.
 *
 * Registers, flags and RIP change when the instruction is done, or one iteration of a repeated
 * one.  Whatever else is returned, nothing has changed.  The caller injects exceptions, and looks
 * after single steps (RFLAGS.TF), interrupt shadows and A and D bits of page tables.
 *
 * No locks, no allocation: one struct emulate a vCPU, used by the thread that runs it.
 */
#ifndef MODULE_EMULATE_H
#define MODULE_EMULATE_H

#include "include/sill/session.h"
#include "module/emulate/insn.h"
#include "module/walk.h"

/* Attributes of struct sill_segment. */
#define EMULATE_SEGMENT_TYPE    0x000F
#define EMULATE_SEGMENT_WRITE   0x0002 /* of data; of code: may be read */
#define EMULATE_SEGMENT_DOWN    0x0004 /* of data: expands down */
#define EMULATE_SEGMENT_CODE    0x0008
#define EMULATE_SEGMENT_PRESENT 0x0080
#define EMULATE_SEGMENT_LONG    0x0200
#define EMULATE_SEGMENT_BIG     0x0400

enum emulate_result {
	EMULATE_DONE,
	EMULATE_AGAIN,   /* call again: a repetition goes on, or another processor was faster */
	EMULATE_DEVICE,  /* do `access`, then emulate_answer() */
	EMULATE_FAULT,   /* inject `exception` */
	EMULATE_UNKNOWN, /* not one that is carried out: `bytes`, and `insn` if it was decoded */
};

enum emulate_kind { EMULATE_MEMORY_READ, EMULATE_MEMORY_WRITE, EMULATE_PORT_IN, EMULATE_PORT_OUT };

struct emulate_access {
	uint64_t address; /* guest-physical, or a port */
	uint8_t kind;     /* enum emulate_kind */
	uint8_t size;     /* 1…8; of code up to INSN_MAX, which no device answers for */
	uint8_t data[16];
};

static inline bool emulate_writes(const struct emulate_access *access)
{
	return access->kind == EMULATE_MEMORY_WRITE || access->kind == EMULATE_PORT_OUT;
}

/*
 * What the caller does for an instruction.  Each returns 0, a negative error, which emulate_run()
 * passes on, or what is said here.
 */
struct emulate_ops {
	/* Of one byte's address, as walk_translate() does (walk.h). */
	int (*translate)(void *vcpu, uint64_t linear, unsigned int access, uint64_t *ret_physical,
	                 uint32_t *ret_code);
	/* Of bytes in one page, or of a port.  EMULATE_DEVICE: the VMM must do it. */
	int (*access)(void *vcpu, struct emulate_access *access);
	/* Atomic, 1 to 16 bytes; EMULATE_AGAIN: it was not `expected`; EMULATE_DEVICE as above. */
	int (*exchange)(void *vcpu, uint64_t physical, const void *expected, const void *wanted,
	                unsigned int size);
	/* XMM or YMM `number`: 16 or 32 bytes.  `clear`: all bits above become zero. */
	void (*vector_read)(void *vcpu, unsigned int number, uint8_t *data, unsigned int size);
	void (*vector_write)(void *vcpu, unsigned int number, const uint8_t *data,
	                     unsigned int size, bool clear);
};

struct emulate_exception {
	uint8_t vector;
	bool has_code;
	uint32_t code;
	uint64_t address; /* for CR2, of a page fault */
};

#define EMULATE_LOG 8 /* no instruction, nor an iteration of one, has more accesses */

struct emulate {
	struct sill_vcpu *
		cpu; /* registers, rip, rflags; and of the rest what is said in SYSTEM and SEGMENTS */
	uint64_t xcr0;
	const struct emulate_ops *ops;
	void *vcpu;
	/* Results. */
	struct insn insn;
	struct emulate_access access;
	struct emulate_exception exception;
	uint8_t bytes[INSN_MAX];
	uint8_t count; /* of bytes */
	/* Its own. */
	bool decoded;
	uint8_t logged, at;
	struct emulate_access log[EMULATE_LOG];
};

/*
 * Forget all, for the instruction at CS:RIP, of which cpu->bytes has the first cpu->fetched.
 */
void emulate_begin(struct emulate *e, struct sill_vcpu *cpu, uint64_t xcr0,
                   const struct emulate_ops *ops, void *vcpu);

/* Fetch and decode only: EMULATE_DONE with `insn`, EMULATE_FAULT, EMULATE_UNKNOWN. */
int emulate_decode(struct emulate *e);

/* Carry it out, with at most `iterations` of a repetition, 1 or more. */
int emulate_run(struct emulate *e, unsigned int iterations);

/* `access` is done; what was read is in access.data. */
void emulate_answer(struct emulate *e);

#endif
