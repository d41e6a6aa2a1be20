/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers from a seed, for what is tried at random and must be the same again. */
#ifndef TESTS_PC_KVM_RANDOM_H
#define TESTS_PC_KVM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline struct random random_from(uint64_t seed)
{
	return (struct random){ (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) };
}

static inline uint64_t any(struct random *random)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return random->state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Below a limit. */
static inline uint32_t any_of(struct random *random, uint32_t limit)
{
	return (uint32_t)((any(random) >> 32) % limit);
}

static inline int one_in(struct random *random, uint32_t count)
{
	return any_of(random, count) == 0;
}

/* A number that some check may have been forgotten for. */
static inline uint64_t any_number(struct random *random)
{
	switch (any_of(random, 8)) {
	case 0:
		return any(random);
	case 1:
		return UINT64_C(1) << any_of(random, 64);
	case 2:
		return (UINT64_C(1) << any_of(random, 64)) - 1;
	case 3:
		return 0 - (uint64_t)any_of(random, 8192);
	case 4:
		return (uint64_t)any_of(random, 8192) << 12;
	default:
		return any_of(random, 300);
	}
}

static inline void any_bytes(struct random *random, void *to, size_t size)
{
	uint8_t *bytes = to;

	while (size--)
		*bytes++ = (uint8_t)(any(random) >> 40);
}

#endif
