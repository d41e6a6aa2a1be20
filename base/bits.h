/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rounding, limits and counts on whole numbers.  No libc: used on both sides of the privilege line.
 */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define KIB          (UINT64_C(1) << 10)
#define MIB          (UINT64_C(1) << 20)
#define GIB          (UINT64_C(1) << 30)
#define TIB          (UINT64_C(1) << 40)

/* The structure that holds `member` at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* True for exactly one bit set. */
static inline bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Round to a multiple of `unit`, a power of two.  round_up wraps past 2^64: check first. */
static inline uint64_t round_down(uint64_t n, uint64_t unit)
{
	return n & ~(unit - 1);
}

static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

/* Quotient rounded up, for any unit above 0; does not wrap. */
static inline uint64_t div_round_up(uint64_t n, uint64_t unit)
{
	return n / unit + (n % unit != 0);
}

/* Is [off, off + len) inside [0, size)?  Never wraps. */
static inline bool range_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

#endif
