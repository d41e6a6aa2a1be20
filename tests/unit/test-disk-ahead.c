// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What nobody waits for: fill, traces, readahead.
 */
#include "tests/unit/disk-fixture.h"

#include <sys/stat.h>

static void wait_until_text(struct world *world, const char *object, const char *name,
                            const char *text)
{
	while (!status_text_is(world, object, name, text))
		sched_yield();
}

TEST(a_fill_brings_every_block_near_and_says_so)
{
	struct world *world = world_new(5 * MIB + 512);

	world->far.zero_from = 2 * MIB;
	world->far.zero_to = 3 * MIB;
	memset(world->far.data + 2 * MIB, 0, MIB);
	world_open(world);
	disk_set_fill(world->disk, true, 0);
	wait_until_text(world, "fill", "state", "complete");
	assert_int_equal(status_of(world, "near_blocks"), status_of(world, "blocks"));
	assert_int_equal(far_bytes(&world->far), 4 * MIB + 512);
	far_set(&world->far, 0, EIO);
	expect_far(world, 0, 5 * MIB + 512);
	for (size_t i = 0; i < world->far.n_log; i++)
		assert_int_equal(world->far.log[i].priority, SOURCE_BACKGROUND);
	world_free(world);
}

TEST(a_fill_goes_on_after_its_source_failed)
{
	struct world *world = world_opened(3 * MIB);

	far_set(&world->far, 0, ECONNREFUSED);
	disk_set_fill(world->disk, true, 0);
	while (far_reads(&world->far) == 0)
		sched_yield();
	far_set(&world->far, NO_LIMIT, 0);
	wait_until_text(world, "fill", "state", "complete");
	expect_far(world, 0, 3 * MIB);
	world_free(world);
}

TEST(a_fill_leaves_what_the_guest_has_written)
{
	struct world *world = world_opened(2 * MIB);
	char mine[BLOCK];

	memset(mine, 9, sizeof(mine));
	for (unsigned int i = 0; i < 512; i += 3) {
		assert_int_equal(disk_write(world->disk, mine, BLOCK, i * BLOCK, 0, NULL), 0);
		memcpy(world->far.data + i * BLOCK, mine, BLOCK);
	}
	disk_set_fill(world->disk, true, 0);
	wait_until_text(world, "fill", "state", "complete");
	expect_far(world, 0, 2 * MIB);
	world_free(world);
}

/* What the guest needs no source for, other machines of its image do. */
TEST(a_fill_fetches_for_the_cache_what_the_guest_has_overwritten)
{
	struct world *world = world_opened(2 * MIB);
	char mine[BLOCK];

	memset(mine, 9, sizeof(mine));
	memset(world->far.data + MIB, 0, 4 * BLOCK);
	for (unsigned int i = 0; i < 512; i += 3)
		assert_int_equal(disk_write(world->disk, mine, BLOCK, i * BLOCK, 0, NULL), 0);
	assert_int_equal(disk_trim(world->disk, 100 * BLOCK, 400 * BLOCK, 0, NULL), 0);
	disk_set_fill(world->disk, true, 0);
	wait_until_text(world, "fill", "state", "complete");
	world_close(world);

	/* A disk without that layer, and no source. */
	far_set(&world->far, NO_LIMIT, EIO);
	world->parts.writable = false;
	world->parts.fill = false;
	world_open(world);
	expect_far(world, 0, 2 * MIB);
	world_free(world);
}

TEST(a_fill_keeps_to_its_rate)
{
	struct world *world = world_opened(8 * MIB);
	json_t *status;

	/* So slow that the first piece takes the better part of a day. */
	disk_set_fill(world->disk, true, 1);
	for (uint64_t off = 0; off < 8 * MIB; off += 2 * DISK_CHUNK)
		assert_int_equal(disk_prefetch(world->disk, BLOCK, off, NULL), 0);
	status = disk_status(world->disk);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(status, "fetched_bytes"), "fill")),
	                 0);
	json_decref(status);
	assert_true(status_text_is(world, "fill", "state", "running"));
	world_free(world);
}

TEST(switched_off_fill_fetches_nothing_more)
{
	struct world *world = world_opened(64 * MIB);
	size_t n;

	disk_set_fill(world->disk, true, 0);
	while (far_reads(&world->far) == 0)
		sched_yield();
	disk_set_fill(world->disk, false, DISK_KEEP_RATE);
	wait_until_text(world, "fill", "state", "off");
	n = far_reads(&world->far);
	expect_far(world, 63 * MIB, BLOCK);
	assert_true(far_reads(&world->far) <= n + 1);
	world_free(world);
}

/* Blocks that a boot reads, here and there, in an order of its own. */
static const uint64_t boot[] = { 900, 901, 3, 500, 501, 502, 77, 1000, 4, 600, 605, 20 };

static void read_boot(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(boot); i++)
		expect_far(world, boot[i] * BLOCK, BLOCK);
}

TEST(a_boot_is_recorded_and_replayed_in_its_order)
{
	struct world *world = world_new(8 * MIB), *other;
	struct stat st;
	char path[80];

	world->parts.trace_record = true;
	world_open(world);
	read_boot(world);
	assert_int_equal(disk_trace_stop(world->disk, NULL), 0);
	assert_int_equal(fstatat(world->parts.trace_dir, "trace", &st, 0), 0);
	/* Another machine of the same image, with nothing near. */
	other = world_new(8 * MIB);
	assert_int_equal(mkdir(other->cache, 0755), 0);
	snprintf(path, sizeof(path), "%s/trace", other->cache);
	assert_int_equal(linkat(world->parts.trace_dir, "trace", AT_FDCWD, path, 0), 0);
	other->parts.trace_replay = true;
	other->parts.readahead = other->parts.sweep = true;
	world_open(other);
	wait_until_text(other, "trace", "replay", "done");
	/* The first in the plan is the first that was read, and little more was fetched. */
	assert_int_equal(other->far.log[0].priority, SOURCE_TRACE);
	assert_true(far_bytes(&other->far) <= (ARRAY_LEN(boot) + 4) * BLOCK);
	far_set(&other->far, 0, EIO);
	read_boot(other);
	world_free(other);
	world_free(world);
}

TEST(a_replay_goes_on_after_its_source_failed)
{
	struct world *world = world_new(8 * MIB);
	char from[80], to[80];

	world->parts.trace_record = true;
	world_open(world);
	read_boot(world);
	world_close(world);
	remove_files(world->layer);
	assert_int_equal(near_layer_create(world->layer, world->parts.image_id, 8 * MIB, NULL), 0);
	snprintf(from, sizeof(from), "%s/trace", world->cache);
	snprintf(to, sizeof(to), "%s/trace", world->dir);
	assert_int_equal(rename(from, to), 0);
	remove_files(world->cache);
	assert_int_equal(mkdir(world->cache, 0755), 0);
	assert_int_equal(rename(to, from), 0);
	world->far.n_log = 0;
	far_set(&world->far, 0, ECONNREFUSED);
	world->parts.trace_record = false;
	world->parts.trace_replay = true;
	world_open(world);
	while (far_reads(&world->far) == 0)
		sched_yield();
	far_set(&world->far, NO_LIMIT, 0);
	wait_until_text(world, "trace", "replay", "done");
	far_set(&world->far, 0, EIO);
	read_boot(world);
	world_free(world);
}

static struct trace *saved_trace(struct world *world)
{
	struct trace *trace = NULL;

	assert_int_equal(
		trace_load(world->parts.trace_dir, "trace", world->parts.image_id, &trace, NULL),
		0);
	return trace;
}

/* Bytes in the trace after a boot and one more that reads only this. */
static uint64_t traced_after(uint64_t off, size_t len)
{
	struct world *world = world_new(8 * MIB);
	struct trace *trace;
	uint64_t bytes;

	world->parts.trace_record = true;
	world_open(world);
	read_boot(world);
	world_close(world);
	world_open(world);
	expect_far(world, off, len);
	assert_int_equal(disk_trace_stop(world->disk, NULL), 0);
	trace = saved_trace(world);
	bytes = trace_bytes(trace);
	trace_free(trace);
	world_free(world);
	return bytes;
}

TEST(what_the_guest_wrote_is_not_in_the_trace)
{
	struct world *world = world_new(8 * MIB);
	cleanup(trace_free) struct trace *trace = NULL;
	char mine[BLOCK] = { 1 };

	world->parts.trace_record = true;
	world_open(world);
	assert_int_equal(disk_write(world->disk, mine, BLOCK, 100 * BLOCK, 0, NULL), 0);
	assert_int_equal(disk_read(world->disk, mine, BLOCK, 100 * BLOCK, NULL), 0);
	expect_far(world, 7 * BLOCK, 2 * BLOCK);
	assert_int_equal(disk_trace_save(world->disk, NULL), 0);
	trace = saved_trace(world);
	assert_int_equal(trace->n, 1);
	assert_int_equal(trace->runs[0].off, 7 * BLOCK);
	assert_int_equal(trace->runs[0].len, 2 * BLOCK);
	world_free(world);
}

TEST(a_later_boot_that_reads_less_does_not_spoil_the_trace)
{
	assert_int_equal(traced_after(boot[0] * BLOCK, BLOCK), ARRAY_LEN(boot) * BLOCK);
}

TEST(a_boot_that_reads_something_else_renews_the_trace)
{
	assert_int_equal(traced_after(6 * MIB, 40 * BLOCK), 40 * BLOCK);
}

TEST(a_damaged_trace_costs_a_message_and_nothing_else)
{
	struct world *world = world_new(MIB);
	char path[80];
	FILE *f;
	json_t *list;

	assert_int_equal(mkdir(world->cache, 0755), 0);
	snprintf(path, sizeof(path), "%s/trace", world->cache);
	f = fopen(path, "w");
	fputs("no trace", f);
	fclose(f);
	world->parts.trace_replay = true;
	world_open(world);
	list = messages_list(&world->disk->messages);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	expect_far(world, 0, MIB);
	world_free(world);
}

TEST(a_miss_brings_its_neighbourhood_near)
{
	struct world *world = world_new(16 * MIB);

	world->parts.readahead = true;
	world_open(world);
	expect_far(world, 5 * MIB + 300 * KIB, BLOCK);
	while (status_of(world, "near_blocks") < (json_int_t)(MIB / BLOCK))
		sched_yield();
	while (status_of(world, "flights") > 0)
		sched_yield();
	far_set(&world->far, 0, EIO);
	expect_far(world, 5 * MIB, MIB);
	assert_true(far_bytes(&world->far) <= 4 * MIB);
	world_free(world);
}

/* How many reads of least priority the sweep has under way. */
#define SWEEPING 6

TEST(a_sweep_brings_data_near_and_no_zeros)
{
	struct world *world = world_new(72 * MIB + 512);

	world->far.zero_from = 2 * MIB;
	world->far.zero_to = 70 * MIB;
	memset(world->far.data + 2 * MIB, 0, 68 * MIB);
	world->parts.sweep = true;
	world_open(world);
	while (status_of(world, "near_blocks") < (json_int_t)(4 * MIB / BLOCK) + 1)
		sched_yield();
	/* What is near is all data: what is zero has not been recorded. */
	assert_int_equal(status_of(world, "near_blocks"), 4 * MIB / BLOCK + 1);
	assert_int_equal(far_bytes(&world->far), 4 * MIB + 512);
	for (size_t i = 0; i < world->far.n_log; i++)
		assert_int_equal(world->far.log[i].priority, SOURCE_BACKGROUND);
	world_free(world);
}

TEST(a_sweep_goes_on_behind_the_latest_miss)
{
	struct world *world = world_new(64 * MIB);

	world->parts.sweep = true;
	world->far.hold_background = true;
	world_open(world);
	far_wait_waiting(&world->far, SWEEPING);
	expect_far(world, 40 * MIB, BLOCK);
	assert_int_equal(far_reads(&world->far), SWEEPING + 1);
	far_hold_background(&world->far, false);
	while (far_reads(&world->far) < SWEEPING + 2)
		sched_yield();
	assert_true(world->far.log[0].off < 4 * MIB);
	assert_true(world->far.log[SWEEPING + 1].off > 40 * MIB);
	world_free(world);
}

TEST(a_read_that_joins_a_sweep_makes_demand_of_it)
{
	struct world *world = world_new(64 * MIB);

	world->parts.sweep = true;
	world->far.hold_background = true;
	world_open(world);
	far_wait_waiting(&world->far, SWEEPING);
	expect_far(world, world->far.log[SWEEPING - 1].off, BLOCK);
	assert_int_equal(status_of(world, "joined"), 1);
	/* The sweep may have gone on meanwhile, but nothing was asked for anew. */
	for (size_t i = 0; i < far_reads(&world->far); i++)
		assert_int_equal(world->far.log[i].priority, SOURCE_BACKGROUND);
	world_free(world);
}

TEST(a_sweep_ends_with_the_boot)
{
	struct world *world = world_new(64 * MIB);

	world->parts.sweep = true;
	world->far.hold_background = true;
	world_open(world);
	far_wait_waiting(&world->far, SWEEPING);
	assert_int_equal(disk_trace_stop(world->disk, NULL), 0);
	far_hold_background(&world->far, false);
	while (status_of(world, "flights") > 0)
		sched_yield();
	world_close(world);
	assert_int_equal(far_reads(&world->far), SWEEPING);
	world_free(world);
}

TEST(time_counts_as_waited_only_while_a_read_waits)
{
	struct world *world = world_new(MIB);
	struct reader reader;

	world_open(world);
	far_set(&world->far, 0, 0);
	reader_start(&reader, world, 0, BLOCK);
	far_wait_waiting(&world->far, 1);
	while (status_of(world, "waited_ms") == 0)
		sched_yield();
	far_set(&world->far, NO_LIMIT, 0);
	assert_int_equal(reader_end(&reader), 0);
	assert_int_equal(disk_waited_ns(world->disk), disk_waited_ns(world->disk));
	world_free(world);
}

TEST(without_readahead_a_miss_brings_its_chunk_near)
{
	struct world *world = world_opened(16 * MIB);

	expect_far(world, 5 * MIB + 300 * KIB, BLOCK);
	assert_int_equal(far_bytes(&world->far), DISK_CHUNK);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_fill_brings_every_block_near_and_says_so),
		CASE(a_fill_goes_on_after_its_source_failed),
		CASE(a_fill_leaves_what_the_guest_has_written),
		CASE(a_fill_fetches_for_the_cache_what_the_guest_has_overwritten),
		CASE(a_fill_keeps_to_its_rate),
		CASE(switched_off_fill_fetches_nothing_more),
		CASE(a_boot_is_recorded_and_replayed_in_its_order),
		CASE(a_replay_goes_on_after_its_source_failed),
		CASE(what_the_guest_wrote_is_not_in_the_trace),
		CASE(a_later_boot_that_reads_less_does_not_spoil_the_trace),
		CASE(a_boot_that_reads_something_else_renews_the_trace),
		CASE(a_damaged_trace_costs_a_message_and_nothing_else),
		CASE(a_miss_brings_its_neighbourhood_near),
		CASE(a_sweep_brings_data_near_and_no_zeros),
		CASE(a_sweep_goes_on_behind_the_latest_miss),
		CASE(a_read_that_joins_a_sweep_makes_demand_of_it),
		CASE(a_sweep_ends_with_the_boot),
		CASE(time_counts_as_waited_only_while_a_read_waits),
		CASE(without_readahead_a_miss_brings_its_chunk_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
