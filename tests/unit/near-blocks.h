/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks whose bytes are all alike, written to a near store and expected of it.
 */
#ifndef TESTS_UNIT_NEAR_BLOCKS_H
#define TESTS_UNIT_NEAR_BLOCKS_H

#include "tests/unit/near-fixture.h"

#include <errno.h>

#define B NEAR_BLOCK

static char page[64 * B], got[64 * B];

static inline const void *filled(int c, unsigned int blocks)
{
	memset(page, c, (size_t)blocks * B);
	return page;
}

static inline void put(struct near *near, int c, uint64_t block, unsigned int n)
{
	assert_int_equal(near_write(near, filled(c, n), (size_t)n * B, block * B, NULL), 0);
}

static inline void fill(struct near *near, int c, uint64_t block, unsigned int n)
{
	assert_int_equal(near_fill(near, filled(c, n), (size_t)n * B, block * B, NULL), 0);
}

static inline void zero(struct near *near, uint64_t block, uint64_t n)
{
	assert_int_equal(near_zero(near, n * B, block * B, NULL), 0);
}

/* All bytes of the block are `c`; -1: it is far. */
static inline void expect(struct near *near, int c, uint64_t block)
{
	uint64_t missing = UINT64_MAX;
	int r = near_read(near, got, B, block * B, &missing, NULL);

	if (c < 0) {
		assert_int_equal(r, -ENODATA);
		assert_int_equal(missing, block);
		return;
	}
	assert_int_equal(r, 0);
	for (unsigned int i = 0; i < B; i++)
		if ((unsigned char)got[i] != c)
			fail_msg("block %u holds %d, not %d", (unsigned int)block, got[i], c);
}

static inline void expect_state(struct near *near, enum near_state state, uint64_t block,
                                uint64_t run)
{
	uint64_t n;

	assert_int_equal(near_state(near, block, UINT64_MAX, &n, NULL), state);
	assert_int_equal(n, run);
}

#endif
