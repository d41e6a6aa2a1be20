/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the emulator share.  Functions that return int return what emulate_run() does,
 * and 0 to go on.
 */
#ifndef MODULE_EMULATE_INTERNAL_H
#define MODULE_EMULATE_INTERNAL_H

#include "module/emulate.h"

#define FLAG_CF    0x00001ull
#define FLAG_PF    0x00004ull
#define FLAG_AF    0x00010ull
#define FLAG_ZF    0x00040ull
#define FLAG_SF    0x00080ull
#define FLAG_DF    0x00400ull
#define FLAG_OF    0x00800ull
#define FLAG_RF    0x10000ull
#define FLAG_VM    0x20000ull
#define FLAG_AC    0x40000ull
#define FLAGS_AH   (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF) /* as LAHF has them */
#define FLAGS_MATH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

enum {
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_AC = 17
};

static inline uint64_t size_mask(unsigned int size)
{
	return size >= 8 ? ~0ull : (1ull << size * 8) - 1;
}

/* memory.c */

/* Where an operand lies: in one page, or in two. */
struct place {
	uint64_t physical[2];
	uint8_t size[2];
};

/* The address of the operand in memory of the decoded instruction: in its segment, and linear. */
uint64_t emulate_offset(const struct emulate *e);
uint64_t emulate_linear(const struct emulate *e, unsigned int segment, uint64_t offset);
bool emulate_protected(const struct sill_vcpu *cpu); /* and not virtual 8086 */
bool emulate_code_64(const struct sill_vcpu *cpu);
int emulate_raise(struct emulate *e, uint8_t vector, uint32_t code);
/* Segment, limits, canonical form, alignment and pages; `access` is 0 or WALK_WRITE. */
int emulate_locate(struct emulate *e, unsigned int segment, uint64_t offset, unsigned int size,
                   unsigned int access, struct place *ret);
int emulate_read(struct emulate *e, const struct place *place, void *data);
int emulate_write(struct emulate *e, const struct place *place, const void *data);
/* As one step where `place` is memory in one page, else a plain write. */
int emulate_exchange(struct emulate *e, const struct place *place, const void *expected,
                     const void *wanted);
/* May this program use the ports?  EMULATE_FAULT: no. */
int emulate_port_check(struct emulate *e, uint16_t port, unsigned int size);
/* One access: out of the log, or done now. */
int emulate_access(struct emulate *e, enum emulate_kind kind, uint64_t address, void *data,
                   unsigned int size);

/* execute.c */
uint64_t emulate_get(const struct emulate *e, unsigned int number, unsigned int size);
void emulate_set(struct emulate *e, unsigned int number, unsigned int size, uint64_t value);
/* The instruction is over: flags, and on to the next one. */
int emulate_finish(struct emulate *e, uint64_t rflags);

/*
 * alu.c: `*rflags` as the instruction leaves them; values are of `size` bytes, zero-extended.  `b`
 * and `count` matter where the operation has them.
 */
uint64_t alu_run(uint8_t op, unsigned int size, uint64_t a, uint64_t b, uint8_t count,
                 uint64_t *rflags);
/* Both halves; returns the low one. */
bool alu_condition(unsigned int condition, uint64_t rflags);
uint64_t alu_sign_extend(uint64_t value, unsigned int size);

/* string.c, vector.c */
int emulate_string(struct emulate *e, unsigned int iterations);
int emulate_in_out(struct emulate *e);
int emulate_vector(struct emulate *e);

#endif
