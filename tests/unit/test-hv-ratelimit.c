// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include "hypervisor/core/ratelimit.h"

#define SECOND UINT64_C(2000000000)

/* How many of `tries` at time `tsc` pass. */
static unsigned int passed(struct ratelimit *limit, uint64_t tsc, unsigned int tries)
{
	unsigned int n = 0;
	uint32_t left_out;

	while (tries-- > 0)
		n += ratelimit_pass(limit, tsc, SECOND, &left_out);
	return n;
}

TEST(ten_pass_at_once_and_the_eleventh_does_not)
{
	struct ratelimit limit = { 0 };

	assert_int_equal(passed(&limit, 5 * SECOND, 100), 10);
}

TEST(one_more_passes_each_second)
{
	struct ratelimit limit = { 0 };
	uint64_t now = 100 * SECOND;

	passed(&limit, now, 10);
	assert_int_equal(passed(&limit, now + SECOND - 1, 5), 0);
	for (unsigned int i = 1; i < 50; i++)
		assert_int_equal(passed(&limit, now + i * SECOND, 5), 1);
	/* Tries in between take nothing away. */
	for (unsigned int i = 0; i < 40; i++)
		assert_int_equal(passed(&limit, now + 49 * SECOND + i * SECOND / 4, 1),
		                 i > 0 && i % 4 == 0);
}

TEST(quiet_seconds_are_kept_up_to_ten)
{
	struct ratelimit limit = { 0 };

	passed(&limit, SECOND, 10);
	assert_int_equal(passed(&limit, 4 * SECOND, 100), 3);
	assert_int_equal(passed(&limit, 5000 * SECOND, 100), 10);
}

TEST(what_was_left_out_is_told_once_by_the_next_that_passes)
{
	struct ratelimit limit = { 0 };
	uint32_t left_out = 99;

	assert_true(ratelimit_pass(&limit, SECOND, SECOND, &left_out));
	assert_int_equal(left_out, 0);
	passed(&limit, SECOND, 9 + 7);
	assert_true(ratelimit_pass(&limit, 3 * SECOND, SECOND, &left_out));
	assert_int_equal(left_out, 7);
	assert_true(ratelimit_pass(&limit, 3 * SECOND, SECOND, &left_out));
	assert_int_equal(left_out, 0);
}

TEST(a_clock_that_goes_back_neither_gives_nor_takes)
{
	struct ratelimit limit = { 0 };

	passed(&limit, 50 * SECOND, 10);
	assert_int_equal(passed(&limit, 49 * SECOND, 5), 0);
	assert_int_equal(passed(&limit, 0, 5), 0);
	assert_int_equal(passed(&limit, 51 * SECOND, 5), 1);
}

TEST(a_clock_that_stands_lets_ten_pass)
{
	struct ratelimit limit = { 0 };
	uint32_t left_out;
	unsigned int n = 0;

	for (uint64_t tsc = 0; tsc < 100; tsc++)
		n += ratelimit_pass(&limit, tsc * SECOND, 0, &left_out);
	assert_int_equal(n, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ten_pass_at_once_and_the_eleventh_does_not),
		CASE(one_more_passes_each_second),
		CASE(quiet_seconds_are_kept_up_to_ten),
		CASE(what_was_left_out_is_told_once_by_the_next_that_passes),
		CASE(a_clock_that_goes_back_neither_gives_nor_takes),
		CASE(a_clock_that_stands_lets_ten_pass),
	};

	return cmocka_run_group_tests_name("hv-ratelimit", tests, NULL, NULL);
}
