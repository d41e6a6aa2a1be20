// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "disk/trace.h"
#include "util/io.h"

#define BLOCK 4096u

static const uint8_t image[32] = "an image of the tests";

static struct trace *take(struct trace_recorder *recorder)
{
	struct trace *trace = NULL;

	assert_int_equal(trace_recorder_take(recorder, image, &trace, NULL), 0);
	return trace;
}

TEST(a_block_is_recorded_once_in_the_order_of_its_first_reading)
{
	cleanup(trace_recorder_free) struct trace_recorder *recorder = NULL;
	cleanup(trace_free) struct trace *trace = NULL;

	assert_int_equal(trace_recorder_new(GIB, &recorder, NULL), 0);
	trace_recorder_note(recorder, 100 * BLOCK, 2 * BLOCK);
	trace_recorder_note(recorder, 5 * BLOCK + 512, 512);
	trace_recorder_note(recorder, 101 * BLOCK, 2 * BLOCK);
	trace_recorder_note(recorder, 5 * BLOCK, BLOCK + 1);
	trace_recorder_note(recorder, GIB, BLOCK); /* not on the disk */
	trace = take(recorder);
	assert_int_equal(trace->n, 4);
	assert_int_equal(trace->runs[0].off, 100 * BLOCK);
	assert_int_equal(trace->runs[0].len, 2 * BLOCK);
	assert_int_equal(trace->runs[1].off, 5 * BLOCK);
	assert_int_equal(trace->runs[1].len, BLOCK);
	assert_int_equal(trace->runs[2].off, 102 * BLOCK);
	assert_int_equal(trace->runs[3].off, 6 * BLOCK);
	assert_int_equal(trace_bytes(trace), 5 * BLOCK);
}

TEST(the_short_last_block_of_a_disk_is_recorded_short)
{
	cleanup(trace_recorder_free) struct trace_recorder *recorder = NULL;
	cleanup(trace_free) struct trace *trace = NULL;

	assert_int_equal(trace_recorder_new(3 * BLOCK + 512, &recorder, NULL), 0);
	trace_recorder_note(recorder, 2 * BLOCK, BLOCK + 512);
	trace = take(recorder);
	assert_int_equal(trace->n, 1);
	assert_int_equal(trace->runs[0].len, BLOCK + 512);
}

struct reader {
	struct trace_recorder *recorder;
	unsigned int seed;
};

static void *read_at_random(void *arg)
{
	struct reader *reader = arg;

	for (int i = 0; i < 20000; i++) {
		uint64_t block = (uint64_t)rand_r(&reader->seed) % 4000;

		trace_recorder_note(reader->recorder, block * BLOCK, 3 * BLOCK);
	}
	return NULL;
}

TEST(many_threads_record_every_block_exactly_once)
{
	cleanup(trace_recorder_free) struct trace_recorder *recorder = NULL;
	cleanup(trace_free) struct trace *trace = NULL;
	static uint8_t seen[4002];
	struct reader readers[4];
	pthread_t threads[4];

	memset(seen, 0, sizeof(seen));
	assert_int_equal(trace_recorder_new(GIB, &recorder, NULL), 0);
	for (unsigned int i = 0; i < 4; i++) {
		readers[i] = (struct reader){ .recorder = recorder, .seed = i };
		assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, &readers[i]), 0);
	}
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	trace = take(recorder);
	for (size_t i = 0; i < trace->n; i++)
		for (uint64_t b = 0; b < trace->runs[i].len / BLOCK; b++)
			assert_int_equal(seen[trace->runs[i].off / BLOCK + b]++, 0);
	for (size_t b = 0; b < 4002; b++)
		assert_int_equal(seen[b], 1);
}

static struct trace *some_trace(void)
{
	cleanup(trace_recorder_free) struct trace_recorder *recorder = NULL;

	assert_int_equal(trace_recorder_new(TIB + 512, &recorder, NULL), 0);
	trace_recorder_note(recorder, 0, BLOCK);
	trace_recorder_note(recorder, TIB, 512);
	trace_recorder_note(recorder, 7 * MIB, 600 * MIB); /* more than an entry can count */
	return take(recorder);
}

TEST(a_saved_trace_is_loaded_as_it_was)
{
	cleanup(trace_free) struct trace *trace = some_trace();
	cleanup(trace_free) struct trace *again = NULL;
	static const uint8_t other[32] = "another";
	char dir[] = "/tmp/test-trace-XXXXXX";
	struct error err;

	assert_non_null(mkdtemp(dir));

	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY);

	assert_int_equal(trace_load(fd, "trace", image, &again, &err), -ENOENT);
	assert_int_equal(trace_save(trace, fd, "trace", NULL), 0);
	assert_int_equal(trace_load(fd, "trace", other, &again, &err), -ESTALE);
	assert_int_equal(trace_load(fd, "trace", image, &again, NULL), 0);
	assert_int_equal(again->n, trace->n);
	assert_int_equal(again->size, trace->size);
	assert_memory_equal(again->runs, trace->runs, trace->n * sizeof(trace->runs[0]));
	assert_int_equal(trace->runs[1].len, 512);
	unlinkat(fd, "trace", 0);
	rmdir(dir);
}

/* The bytes of a sound trace of two entries; the caller breaks them. */
static size_t make_file(uint8_t raw[80])
{
	memset(raw, 0, 80);
	memcpy(raw, "SILLTRC", 8);
	store_le32(raw + 8, 1);
	store_le64(raw + 16, 100 * BLOCK);
	store_le32(raw + 24, 2);
	store_le64(raw + 64, UINT64_C(3) << 48 | 10);
	store_le64(raw + 72, UINT64_C(1) << 48 | 99);
	return 80;
}

TEST(every_damaged_trace_is_refused_with_its_reason)
{
	static const struct {
		const char *words;
		size_t at;
		uint64_t value;
		bool bad_crc;
	} damage[] = {
		{ "is not a trace", 0, 0, false },
		{ "version", 8, 2, false },
		{ "checksum", 40, 1, true },
		{ "entries", 24, 3, false },
		{ "entries", 24, UINT32_MAX, false },
		{ "entry 0", 64, UINT64_C(3) << 48 | 98, false },
		{ "entry 0", 64, UINT64_C(0) << 48 | 1, false },
		{ "entry 1", 72, UINT64_C(1) << 48 | 100, false },
		{ "overlap", 72, UINT64_C(1) << 48 | 12, false },
	};
	struct trace *trace = NULL;
	uint8_t raw[80];
	struct error err;
	size_t len = make_file(raw);

	store_le32(raw + 12, crc32c(0, raw, len));
	assert_int_equal(trace_parse(raw, len, "t", &trace, &err), 0);
	trace_free(take_ptr(trace));
	for (size_t cut = 0; cut < len; cut++)
		assert_true(trace_parse(raw, cut, "t", &trace, &err) < 0);
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		len = make_file(raw);
		if (damage[i].at % 8 == 0 && damage[i].at >= 64)
			store_le64(raw + damage[i].at, damage[i].value);
		else
			store_le32(raw + damage[i].at, (uint32_t)damage[i].value);
		store_le32(raw + 12, crc32c(0, raw, len) ^ (damage[i].bad_crc ? 1 : 0));
		assert_true(trace_parse(raw, len, "t", &trace, &err) < 0);
		assert_non_null(strstr(err.text, damage[i].words));
	}
}

TEST(a_plan_joins_neighbours_over_small_gaps_and_covers_every_run)
{
	struct trace_run runs[] = {
		{ 0, BLOCK },         { 1000 * BLOCK, BLOCK },
		{ 3 * BLOCK, BLOCK }, { 1001 * BLOCK, BLOCK },
		{ BLOCK, BLOCK },     { 500 * BLOCK, 2 * BLOCK },
	};
	struct trace trace = { .size = GIB, .runs = runs, .n = ARRAY_LEN(runs) };
	cleanup_free struct trace_run *plan = NULL;
	size_t n;

	assert_int_equal(trace_plan(&trace, 2 * BLOCK, MIB, &plan, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(plan[0].off, 0);
	assert_int_equal(plan[0].len, 4 * BLOCK);
	assert_int_equal(plan[1].off, 1000 * BLOCK);
	assert_int_equal(plan[1].len, 2 * BLOCK);
	assert_int_equal(plan[2].off, 500 * BLOCK);
	free(take_ptr(plan));
	assert_int_equal(trace_plan(&trace, 2 * BLOCK, 2 * BLOCK, &plan, &n, NULL), 0);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		assert_true(plan[i].len <= 2 * BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_block_is_recorded_once_in_the_order_of_its_first_reading),
		CASE(the_short_last_block_of_a_disk_is_recorded_short),
		CASE(many_threads_record_every_block_exactly_once),
		CASE(a_saved_trace_is_loaded_as_it_was),
		CASE(every_damaged_trace_is_refused_with_its_reason),
		CASE(a_plan_joins_neighbours_over_small_gaps_and_covers_every_run),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
