// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/readahead.h"

#define DISK (64 * MIB)

/* A guest, and a link that delivers at once what was asked for. */
struct model {
	struct readahead *readahead;
	uint8_t near[DISK / 4096];
	unsigned int misses;
};

static void mark(struct model *model, uint64_t off, uint64_t len)
{
	memset(model->near + off / 4096, 1, div_round_up(len, 4096));
}

static void guest_reads(struct model *model, uint64_t off, uint64_t len)
{
	struct trace_run pieces[READAHEAD_MAX_PIECES];
	bool missed = memchr(model->near + off / 4096, 0, len / 4096) != NULL;
	size_t n = readahead_read(model->readahead, off, len, missed, pieces);

	model->misses += missed;
	mark(model, off, len);
	assert_true(n <= READAHEAD_MAX_PIECES);
	for (size_t i = 0; i < n; i++) {
		assert_true(pieces[i].len > 0);
		assert_true(range_inside(pieces[i].off, pieces[i].len, DISK));
		assert_int_equal(pieces[i].off % 4096, 0);
		mark(model, pieces[i].off, pieces[i].len);
	}
}

static int setup(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	model->readahead = readahead_new(DISK);
	*state = model;
	return model->readahead ? 0 : -1;
}

static int teardown(void **state)
{
	struct model *model = *state;

	readahead_free(model->readahead);
	free(model);
	return 0;
}

static void a_sequential_reader_misses_once(void **state)
{
	struct model *model = *state;

	for (uint64_t off = 3 * MIB + 4096; off < 40 * MIB; off += 128 * KIB)
		guest_reads(model, off, 128 * KIB);
	assert_int_equal(model->misses, 1);
}

static void reads_all_over_a_region_miss_once(void **state)
{
	struct model *model = *state;

	srand(7);
	for (int i = 0; i < 100; i++)
		guest_reads(model, 5 * MIB + (uint64_t)(rand() % 256) * 4096, 4096);
	assert_int_equal(model->misses, 1);
}

static void four_streams_at_once_miss_once_each(void **state)
{
	struct model *model = *state;

	for (uint64_t step = 0; step < 60; step++)
		for (uint64_t stream = 0; stream < 4; stream++)
			guest_reads(model, stream * 15 * MIB + step * 128 * KIB, 128 * KIB);
	assert_int_equal(model->misses, 4);
}

static void wrong_guesses_make_the_next_ones_smaller(void **state)
{
	struct model *model = *state;
	struct trace_run pieces[READAHEAD_MAX_PIECES];
	size_t n;

	for (uint64_t off = 0; off < 40 * MIB; off += 2 * MIB)
		guest_reads(model, off, 4096);
	n = readahead_read(model->readahead, 50 * MIB, 4096, true, pieces);
	assert_int_equal(n, 1);
	assert_int_equal(pieces[0].len, 256 * KIB - 4096);
}

static void a_hit_outside_any_stream_asks_for_nothing(void **state)
{
	struct model *model = *state;
	struct trace_run pieces[READAHEAD_MAX_PIECES];

	assert_int_equal(readahead_read(model->readahead, 9 * MIB, 4096, false, pieces), 0);
	assert_int_equal(readahead_read(model->readahead, DISK, 4096, true, pieces), 0);
}

static void the_end_of_the_disk_is_not_passed(void **state)
{
	struct model *model = *state;

	for (uint64_t off = DISK - 3 * MIB; off < DISK; off += 64 * KIB)
		guest_reads(model, off, 64 * KIB);
	assert_int_equal(model->misses, 1);
}

#define MODEL(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MODEL(a_sequential_reader_misses_once),
		MODEL(reads_all_over_a_region_miss_once),
		MODEL(four_streams_at_once_miss_once_each),
		MODEL(wrong_guesses_make_the_next_ones_smaller),
		MODEL(a_hit_outside_any_stream_asks_for_nothing),
		MODEL(the_end_of_the_disk_is_not_passed),
	};

	return cmocka_run_group_tests_name("readahead", tests, NULL, NULL);
}
