// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Flights: what is asked of the far, how often, in which order, and who waits for it.
 */
#include "tests/unit/disk-fixture.h"

#define THREADS 16

TEST(sixteen_readers_of_a_chunk_cost_one_request)
{
	struct world *world = world_opened(MIB);
	struct reader readers[THREADS];

	far_set(&world->far, 0, 0);
	for (size_t i = 0; i < THREADS; i++)
		reader_start(&readers[i], world, i * BLOCK, BLOCK);
	/* All but the first have joined its flight. */
	while (status_of(world, "joined") < THREADS - 1)
		sched_yield();
	far_set(&world->far, NO_LIMIT, 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(reader_end(&readers[i]), 0);
	assert_int_equal(far_reads(&world->far), 1);
	assert_int_equal(world->far.log[0].off, 0);
	assert_int_equal(world->far.log[0].len, DISK_CHUNK);
	world_free(world);
}

TEST(adjacent_misses_are_one_request)
{
	struct world *world = world_opened(4 * MIB);

	expect_far(world, 3 * BLOCK, 2 * MIB);
	assert_int_equal(far_reads(&world->far), 1);
	assert_int_equal(world->far.log[0].len, 2 * MIB + DISK_CHUNK);
	world_free(world);
}

TEST(a_flight_has_a_limit)
{
	struct world *world = world_opened(10 * MIB);

	expect_far(world, 0, 10 * MIB);
	assert_int_equal(far_reads(&world->far), 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(world->far.log[i].len <= FETCH_MAX);
	world_free(world);
}

TEST(what_is_near_is_not_fetched_again)
{
	struct world *world = world_opened(MIB);

	expect_far(world, 5 * BLOCK + 100, 10);
	expect_far(world, 0, DISK_CHUNK);
	assert_int_equal(far_reads(&world->far), 1);
	/* And only what is missing around it. */
	expect_far(world, 0, 3 * DISK_CHUNK);
	assert_int_equal(far_reads(&world->far), 2);
	assert_int_equal(world->far.log[1].off, DISK_CHUNK);
	assert_int_equal(far_bytes(&world->far), 3 * DISK_CHUNK);
	world_free(world);
}

TEST(a_cache_that_rotted_as_a_whole_is_fetched_again)
{
	static const uint8_t rot[4096] = { 0xee };
	struct world *world = world_opened(MIB);
	char path[96];
	int fd;

	expect_far(world, 0, MIB);
	/* The reader has its bytes before the near has them. */
	while (status_of(world, "flights") > 0)
		sched_yield();
	snprintf(path, sizeof(path), "%s/cache.data", world->cache);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint64_t off = 0; off < MIB; off += sizeof(rot))
		assert_int_equal(pwrite(fd, rot, sizeof(rot), (off_t)off), sizeof(rot));
	close(fd);
	expect_far(world, 0, MIB);
	assert_true(far_reads(&world->far) > 1);
	world_free(world);
}

TEST(zeros_cost_no_request)
{
	struct world *world = world_new(2 * MIB);

	world->far.zero_from = 256 * KIB;
	world->far.zero_to = MIB + BLOCK;
	memset(world->far.data + 256 * KIB, 0, MIB + BLOCK - 256 * KIB);
	world_open(world);
	expect_far(world, 300 * KIB, 500 * KIB);
	assert_int_equal(far_reads(&world->far), 0);
	expect_far(world, 0, 2 * MIB);
	assert_int_equal(far_bytes(&world->far), 2 * MIB - (MIB + BLOCK - 256 * KIB));
	world_free(world);
}

TEST(data_that_ends_or_begins_inside_a_block_is_found_as_whole_blocks)
{
	struct world *world = world_new(MIB + 512);
	uint64_t off = 0, len = MIB + 512;

	world->far.zero_from = 3 * BLOCK + 512;
	world->far.zero_to = MIB - 512;
	world_open(world);
	assert_int_equal(fetch_find_data(world->disk->fetch, &off, &len, NULL), 0);
	assert_int_equal(off, 0);
	assert_int_equal(len, 4 * BLOCK);
	off = 4 * BLOCK;
	len = MIB + 512 - off;
	assert_int_equal(fetch_find_data(world->disk->fetch, &off, &len, NULL), 0);
	assert_int_equal(off, MIB - BLOCK);
	assert_int_equal(len, BLOCK + 512);
	off = 4 * BLOCK;
	len = BLOCK;
	assert_int_equal(fetch_find_data(world->disk->fetch, &off, &len, NULL), 0);
	assert_int_equal(len, 0);
	world_free(world);
}

TEST(the_short_last_block_is_read)
{
	struct world *world = world_opened(MIB + 512);

	expect_far(world, MIB, 512);
	expect_far(world, 0, MIB + 512);
	world_close(world);
	far_set(&world->far, 0, EIO);
	world_open(world);
	expect_far(world, 0, MIB + 512);
	world_free(world);
}

TEST(a_reader_waits_only_for_its_own_bytes)
{
	struct world *world = world_opened(MIB);
	struct reader first, last;

	far_set(&world->far, 4 * BLOCK, 0);
	reader_start(&last, world, 20 * BLOCK, BLOCK);
	far_wait_waiting(&world->far, 1);
	reader_start(&first, world, 3 * BLOCK, BLOCK);
	assert_int_equal(reader_end(&first), 0);
	assert_int_equal(far_reads(&world->far), 1);
	far_set(&world->far, NO_LIMIT, 0);
	assert_int_equal(reader_end(&last), 0);
	world_free(world);
}

TEST(a_failed_flight_fails_those_who_wait_and_the_next_read_tries_again)
{
	struct world *world = world_opened(MIB);
	struct reader readers[4];

	far_set(&world->far, 0, 0);
	for (size_t i = 0; i < 4; i++)
		reader_start(&readers[i], world, i * BLOCK, BLOCK);
	while (status_of(world, "joined") < 3)
		sched_yield();
	far_set(&world->far, 0, ECONNRESET);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(reader_end(&readers[i]), -EIO);
		assert_string_equal(readers[i].err.text, "the far file is broken");
	}
	far_set(&world->far, NO_LIMIT, 0);
	expect_far(world, 0, DISK_CHUNK);
	world_free(world);
}

TEST(what_arrived_before_a_failure_serves_those_it_was_for)
{
	struct world *world = world_opened(MIB);
	struct reader first, last;

	far_set(&world->far, 2 * BLOCK, 0);
	reader_start(&last, world, 20 * BLOCK, BLOCK);
	far_wait_waiting(&world->far, 1);
	reader_start(&first, world, BLOCK, BLOCK);
	assert_int_equal(reader_end(&first), 0);
	far_set(&world->far, 2 * BLOCK, ETIMEDOUT);
	assert_int_equal(reader_end(&last), -EIO);
	/* Half a flight is not kept: nothing says that its last block is whole. */
	far_set(&world->far, 0, EIO);
	assert_int_equal(disk_read(world->disk, &(char){ 0 }, 1, BLOCK, NULL), -EIO);
	world_free(world);
}

TEST(a_guest_write_wins_over_a_flight_under_way)
{
	struct world *world = world_opened(MIB);
	struct reader reader;
	char mine[BLOCK], buf[BLOCK];

	memset(mine, 7, sizeof(mine));
	far_set(&world->far, 0, 0);
	reader_start(&reader, world, 9 * BLOCK, BLOCK);
	far_wait_waiting(&world->far, 1);
	assert_int_equal(disk_write(world->disk, mine, BLOCK, 2 * BLOCK, 0, NULL), 0);
	far_set(&world->far, NO_LIMIT, 0);
	assert_int_equal(reader_end(&reader), 0);
	assert_int_equal(disk_read(world->disk, buf, BLOCK, 2 * BLOCK, NULL), 0);
	assert_memory_equal(buf, mine, BLOCK);
	world_free(world);
}

TEST(a_write_that_covers_its_blocks_never_fetches)
{
	struct world *world = world_opened(MIB + 512);
	char data[4 * BLOCK] = { 1 };

	far_set(&world->far, 0, EIO);
	assert_int_equal(disk_write(world->disk, data, sizeof(data), 8 * BLOCK, 0, NULL), 0);
	assert_int_equal(disk_write(world->disk, data, BLOCK + 512, MIB - BLOCK, 0, NULL), 0);
	assert_int_equal(disk_zero(world->disk, 4 * BLOCK, 64 * BLOCK, 0, NULL), 0);
	assert_int_equal(far_reads(&world->far), 0);
	world_free(world);
}

TEST(a_trim_of_what_was_never_fetched_reads_as_zeros_without_fetching)
{
	struct world *world = world_opened(MIB);
	char buf[3 * BLOCK], none[3 * BLOCK] = { 0 };

	far_set(&world->far, 0, EIO);
	/* Of the first and the last block only a part: they stay as they are. */
	assert_int_equal(disk_trim(world->disk, 4 * BLOCK, 16 * BLOCK + 512, 0, NULL), 0);
	assert_int_equal(disk_read(world->disk, buf, sizeof(buf), 17 * BLOCK, NULL), 0);
	assert_memory_equal(buf, none, sizeof(buf));
	assert_int_equal(far_reads(&world->far), 0);
	far_set(&world->far, NO_LIMIT, 0);
	expect_far(world, 16 * BLOCK, BLOCK);
	expect_far(world, 20 * BLOCK, BLOCK);
	world_free(world);
}

TEST(a_part_of_a_far_block_is_merged_with_the_rest_of_it)
{
	struct world *world = world_opened(MIB);

	assert_int_equal(disk_write(world->disk, "hello", 5, 3 * BLOCK + 100, 0, NULL), 0);
	memcpy(world->far.data + 3 * BLOCK + 100, "hello", 5);
	expect_far(world, 2 * BLOCK, 3 * BLOCK);
	/* Over the edge of two blocks, and zeros inside one. */
	assert_int_equal(disk_write(world->disk, "across", 6, 9 * BLOCK - 3, DISK_FUA, NULL), 0);
	memcpy(world->far.data + 9 * BLOCK - 3, "across", 6);
	assert_int_equal(disk_zero(world->disk, 50, 12 * BLOCK + 7, 0, NULL), 0);
	memset(world->far.data + 12 * BLOCK + 7, 0, 50);
	expect_far(world, 0, MIB);
	world_free(world);
}

TEST(a_merge_that_cannot_fetch_fails_and_changes_nothing)
{
	struct world *world = world_opened(MIB);

	far_set(&world->far, 0, EIO);
	assert_int_equal(disk_write(world->disk, "hello", 5, 100, 0, NULL), -EIO);
	far_set(&world->far, NO_LIMIT, 0);
	expect_far(world, 0, BLOCK);
	world_free(world);
}

struct sector_writer {
	struct world *world;
	unsigned int n;
	pthread_t thread;
};

static void *sector_thread(void *arg)
{
	struct sector_writer *writer = arg;
	char sector[512];

	for (unsigned int i = 0; i < 50; i++) {
		memset(sector, (int)(writer->n * 16 + i % 16), sizeof(sector));
		assert_int_equal(disk_write(writer->world->disk, sector, sizeof(sector),
		                            writer->n * 512, 0, NULL),
		                 0);
	}
	return NULL;
}

TEST(writers_of_parts_of_one_block_lose_nothing_of_each_other)
{
	struct world *world = world_opened(MIB);
	struct sector_writer writers[8];
	uint8_t block[BLOCK];

	for (unsigned int i = 0; i < 8; i++) {
		writers[i] = (struct sector_writer){ .world = world, .n = i };
		pthread_create(&writers[i].thread, NULL, sector_thread, &writers[i]);
	}
	for (unsigned int i = 0; i < 8; i++)
		pthread_join(writers[i].thread, NULL);
	assert_int_equal(disk_read(world->disk, block, BLOCK, 0, NULL), 0);
	for (unsigned int i = 0; i < BLOCK; i++)
		assert_int_equal(block[i], i / 512 * 16 + 49 % 16);
	world_free(world);
}

TEST(a_disk_without_layers_refuses_writes)
{
	struct world *world = world_new(MIB);
	struct error err = { 0 };

	world->parts.writable = false;
	world_open(world);
	assert_int_equal(disk_write(world->disk, "x", 1, 0, 0, &err), -EROFS);
	assert_int_equal(disk_zero(world->disk, BLOCK, 0, 0, &err), -EROFS);
	assert_int_equal(disk_trim(world->disk, BLOCK, 0, 0, &err), -EROFS);
	expect_far(world, 0, MIB);
	world_free(world);
}

TEST(what_is_outside_the_disk_is_refused)
{
	struct world *world = world_opened(MIB);
	char c;

	assert_int_equal(disk_read(world->disk, &c, 1, MIB, NULL), -EINVAL);
	assert_int_equal(disk_read(world->disk, &c, 2, UINT64_MAX, NULL), -EINVAL);
	assert_int_equal(disk_write(world->disk, &c, 2, MIB - 1, 0, NULL), -EINVAL);
	assert_int_equal(disk_zero(world->disk, UINT64_MAX, 1, 0, NULL), -EINVAL);
	assert_int_equal(disk_trim(world->disk, 2, MIB - 1, 0, NULL), -EINVAL);
	assert_int_equal(disk_prefetch(world->disk, MIB, 1, NULL), -EINVAL);
	assert_int_equal(disk_read(world->disk, &c, 0, MIB, NULL), 0);
	world_free(world);
}

TEST(extents_follow_the_far_image_and_the_guest)
{
	struct world *world = world_new(MIB);
	uint64_t len;
	bool zero;

	world->far.zero_from = 64 * BLOCK;
	world->far.zero_to = 128 * BLOCK;
	world_open(world);
	assert_int_equal(disk_extent(world->disk, 0, MIB, &zero, &len, NULL), 0);
	assert_true(!zero && len == 64 * BLOCK);
	assert_int_equal(
		disk_extent(world->disk, 64 * BLOCK + 5, MIB - 64 * BLOCK - 5, &zero, &len, NULL),
		0);
	assert_true(zero && len == 64 * BLOCK - 5);
	assert_int_equal(disk_zero(world->disk, BLOCK, BLOCK, 0, NULL), 0);
	assert_int_equal(disk_extent(world->disk, 0, MIB, &zero, &len, NULL), 0);
	assert_true(!zero && len == BLOCK);
	assert_int_equal(disk_extent(world->disk, BLOCK, MIB - BLOCK, &zero, &len, NULL), 0);
	assert_true(zero && len == BLOCK);
	assert_int_equal(far_reads(&world->far), 0);
	world_free(world);
}

/* A file system that has no room for the cache. */
static bool near_is_full;

static int full_write(const struct near_io *io __attribute__((unused)), int fd, const void *buf,
                      size_t len, uint64_t off)
{
	if (__atomic_load_n(&near_is_full, __ATOMIC_RELAXED))
		return -ENOSPC;
	return near_io_kernel.write(&near_io_kernel, fd, buf, len, off);
}

TEST(content_that_the_near_cannot_keep_is_served_all_the_same)
{
	struct world *world = world_new(MIB);
	struct near_io io = near_io_kernel;
	char data[BLOCK] = { 3 };
	struct error err = { 0 };

	io.write = full_write;
	world->io = &io;
	world_open(world);
	near_is_full = true;
	expect_far(world, 0, 300 * KIB);
	expect_far(world, 0, 300 * KIB);
	assert_int_equal(disk_write(world->disk, data, BLOCK, 0, 0, &err), -ENOSPC);
	expect_far(world, 0, BLOCK);
	near_is_full = false;
	assert_int_equal(disk_write(world->disk, data, BLOCK, 0, 0, NULL), 0);
	world_free(world);
}

TEST(a_read_in_a_full_near_fetches_no_more_than_it_needs)
{
	struct world *world = world_new(MIB);
	struct near_io io = near_io_kernel;

	io.write = full_write;
	world->io = &io;
	world_open(world);
	near_is_full = true;
	expect_far(world, 0, BLOCK);
	/* The reader has its bytes before the near is asked to keep them. */
	while (!fetch_near_is_full(world->disk->fetch))
		sched_yield();
	expect_far(world, 512 * KIB, BLOCK);
	assert_int_equal(world->far.log[1].len, BLOCK);
	near_is_full = false;
	world_free(world);
}

TEST(closing_ends_what_is_under_way)
{
	struct world *world = world_opened(MIB);
	struct reader reader;

	far_set(&world->far, 0, 0);
	reader_start(&reader, world, 0, BLOCK);
	far_wait_waiting(&world->far, 1);
	disk_interrupt(world->disk);
	assert_int_equal(reader_end(&reader), -EIO);
	world_free(world);
}

TEST(demand_goes_first_and_prefetch_is_a_demand)
{
	struct world *world = world_opened(MIB);

	assert_int_equal(disk_prefetch(world->disk, DISK_CHUNK, 0, NULL), 0);
	assert_int_equal(fetch_ahead(world->disk->fetch, 256 * KIB, BLOCK, FETCH_TRACE, NULL), 0);
	assert_int_equal(fetch_ahead(world->disk->fetch, 512 * KIB, BLOCK, FETCH_FILL, NULL), 0);
	assert_int_equal(far_reads(&world->far), 3);
	assert_int_equal(world->far.log[0].priority, SOURCE_DEMAND);
	assert_int_equal(world->far.log[1].priority, SOURCE_TRACE);
	assert_int_equal(world->far.log[1].len, BLOCK);
	assert_int_equal(world->far.log[2].priority, SOURCE_BACKGROUND);
	world_free(world);
}

TEST(compressed_clusters_are_fetched_once_and_whole)
{
	struct world *world = world_new(MIB);

	world->far.unit = 64 * KIB;
	world_open(world);
	fetch_set_rounding(world->disk->fetch, BLOCK, 0, BLOCK);
	assert_int_equal(fetch_ahead(world->disk->fetch, 264 * KIB, BLOCK, FETCH_TRACE, NULL), 0);
	expect_far(world, 532 * KIB, BLOCK);
	expect_far(world, 256 * KIB, 64 * KIB);
	expect_far(world, 512 * KIB, 64 * KIB);
	assert_int_equal(far_reads(&world->far), 2);
	assert_int_equal(world->far.log[0].off, 256 * KIB);
	assert_int_equal(world->far.log[0].len, 64 * KIB);
	assert_int_equal(world->far.log[1].off, 512 * KIB);
	assert_int_equal(world->far.log[1].len, 64 * KIB);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sixteen_readers_of_a_chunk_cost_one_request),
		CASE(adjacent_misses_are_one_request),
		CASE(a_flight_has_a_limit),
		CASE(what_is_near_is_not_fetched_again),
		CASE(a_cache_that_rotted_as_a_whole_is_fetched_again),
		CASE(zeros_cost_no_request),
		CASE(data_that_ends_or_begins_inside_a_block_is_found_as_whole_blocks),
		CASE(the_short_last_block_is_read),
		CASE(a_reader_waits_only_for_its_own_bytes),
		CASE(a_failed_flight_fails_those_who_wait_and_the_next_read_tries_again),
		CASE(what_arrived_before_a_failure_serves_those_it_was_for),
		CASE(a_guest_write_wins_over_a_flight_under_way),
		CASE(a_write_that_covers_its_blocks_never_fetches),
		CASE(a_trim_of_what_was_never_fetched_reads_as_zeros_without_fetching),
		CASE(a_part_of_a_far_block_is_merged_with_the_rest_of_it),
		CASE(a_merge_that_cannot_fetch_fails_and_changes_nothing),
		CASE(writers_of_parts_of_one_block_lose_nothing_of_each_other),
		CASE(a_disk_without_layers_refuses_writes),
		CASE(what_is_outside_the_disk_is_refused),
		CASE(extents_follow_the_far_image_and_the_guest),
		CASE(content_that_the_near_cannot_keep_is_served_all_the_same),
		CASE(a_read_in_a_full_near_fetches_no_more_than_it_needs),
		CASE(closing_ends_what_is_under_way),
		CASE(demand_goes_first_and_prefetch_is_a_demand),
		CASE(compressed_clusters_are_fetched_once_and_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
