// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making an index: the same from the same, in the order of a boot, with what is new only.
 */
#include "tests/unit/library-folder.h"

TEST(the_same_content_gives_the_same_bytes_however_many_threads)
{
	struct folder a = folder_new(), b = folder_new();
	uint8_t *disk = usual_disk();
	struct build_result one =
		build_into(&a, disk, DISK, (struct build_options){ .threads = 1 });
	struct build_result many =
		build_into(&b, disk, DISK, (struct build_options){ .threads = 13 });
	uint64_t bytes_a, bytes_b;

	assert_memory_equal(one.digest, many.digest, 32);
	assert_int_equal(folder_files(&a, &bytes_a), folder_files(&b, &bytes_b));
	assert_true(bytes_a == bytes_b);
	/* Once more into the same folder: nothing is written twice. */
	build_into(&a, disk, DISK, (struct build_options){ 0 });
	assert_int_equal(folder_files(&a, &bytes_a), folder_files(&b, &bytes_b));
	folder_remove(&a);
	folder_remove(&b);
	free(disk);
}

TEST(equal_chunks_are_stored_once_and_zeros_not_at_all)
{
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct build_result built = build_into(&folder, disk, DISK, (struct build_options){ 0 });
	bool seen_seven = false;
	uint64_t used = 0, distinct = 0;

	for (unsigned int n = 0; n < CHUNKS; n++) {
		unsigned int kind = usual_kind(n);

		used += kind != 0;
		distinct += kind != 0 && !(kind == 7 && seen_seven);
		seen_seven |= kind == 7;
	}
	assert_true(built.header.used == used);
	assert_true(built.header.distinct == distinct);
	assert_true(built.new_bytes == built.header.stored);
	folder_remove(&folder);
	free(disk);
}

TEST(a_disk_of_zeros_is_an_index_and_nothing_else)
{
	struct folder folder = folder_new();
	uint8_t *disk = calloc(1, DISK);
	struct build_result built = build_into(&folder, disk, DISK, (struct build_options){ 0 });
	struct image *image = open_index_or_fail(&folder, built.digest);

	expect_disk(image, disk, 10 * CHUNK);
	assert_true(built.header.n_packs == 0 && built.header.pages_size == 0);
	image_close(image);
	folder_remove(&folder);
	free(disk);
}

/* Where chunk `n` is. */
static struct index_chunk chunk_of(struct image *image, uint64_t n)
{
	struct index_cursor cursor = { 0 };
	struct index_chunk chunk;
	uint64_t run;

	assert_int_equal(index_find_chunk(to_index(image), &cursor, n, NULL, &chunk, &run, NULL),
	                 0);
	return chunk;
}

TEST(what_a_boot_reads_stands_first_in_its_order)
{
	struct trace_run runs[] = { { 51 * CHUNK + 4096, 4096 }, /* one chunk */
		                    { 41 * CHUNK - 4096, 8192 }, /* a zero one and 41 */
		                    { 51 * CHUNK, 4096 },        /* again */
		                    { 3 * CHUNK, 2 * CHUNK } };
	const struct trace trace = { .size = DISK, .runs = runs, .n = ARRAY_LEN(runs) };
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct build_result built =
		build_into(&folder, disk, DISK, (struct build_options){ .trace = &trace });
	struct image *image = open_index_or_fail(&folder, built.digest);
	static const uint64_t order[] = { 51, 41, 3, 4, 1, 2, 6 };
	uint64_t at = 0;

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		struct index_chunk chunk = chunk_of(image, order[i]);

		assert_true(chunk.off == at);
		at += chunk.stored;
	}
	expect_disk(image, disk, 16 * CHUNK);
	image_close(image);
	folder_remove(&folder);
	free(disk);
}

TEST(a_trace_comes_along_with_the_index)
{
	struct trace_run runs[] = { { 3 * CHUNK, 2 * CHUNK }, { 0, 4096 } };
	const struct trace trace = { .image_id = { 1 }, .size = DISK, .runs = runs, .n = 2 };
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk(), *raw;
	struct build_result built =
		build_into(&folder, disk, DISK, (struct build_options){ .trace = &trace });
	struct image *image = open_index_or_fail(&folder, built.digest);
	struct trace *got;
	char path[160];
	size_t len;

	assert_int_equal(image_trace(image, NULL, &raw, &len, NULL), 0);
	assert_int_equal(trace_parse(raw, len, "it", &got, NULL), 0);
	assert_int_equal(got->n, 2);
	assert_memory_equal(got->runs, runs, sizeof(runs));
	/* The same whatever image it was recorded on. */
	assert_true(got->image_id[0] == 0);
	trace_free(got);
	free(raw);
	folder_file(&folder, built.header.trace_digest, path);
	spoil_file(path, 70);
	assert_int_equal(image_trace(image, NULL, &raw, &len, NULL), -EBADMSG);
	image_close(image);

	built = build_into(&folder, disk, DISK, (struct build_options){ 0 });
	image = open_index_or_fail(&folder, built.digest);
	assert_int_equal(image_trace(image, NULL, &raw, &len, NULL), -ENOENT);
	image_close(image);
	folder_remove(&folder);
	free(disk);
}

TEST(packs_end_before_they_are_too_long)
{
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct build_result built =
		build_into(&folder, disk, DISK, (struct build_options){ .pack_size = 10 * CHUNK });
	struct image *image = open_index_or_fail(&folder, built.digest);

	assert_true(built.header.n_packs > 2);
	for (uint32_t i = 0; i < built.header.n_packs; i++) {
		struct index_pack pack;

		assert_int_equal(index_find_pack(to_index(image), i, NULL, &pack, NULL), 0);
		assert_true(pack.size <= 10 * CHUNK);
	}
	expect_disk(image, disk, 16 * CHUNK);
	image_close(image);
	folder_remove(&folder);
	free(disk);
}

TEST(a_new_release_adds_only_what_is_new)
{
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct build_result first = build_into(&folder, disk, DISK, (struct build_options){ 0 });
	struct image *base = open_index_or_fail(&folder, first.digest), *image;
	struct build_result second;
	uint64_t before, after;
	size_t files = folder_files(&folder, &before);

	fill_chunk(disk + 11 * (size_t)CHUNK, CHUNK, 9001);
	fill_chunk(disk + 20 * (size_t)CHUNK, CHUNK, 9003); /* was zero */
	fill_chunk(disk + 30 * (size_t)CHUNK, CHUNK, 101);  /* is elsewhere in the old one */
	second = build_into(&folder, disk, DISK, (struct build_options){ .base = base });
	assert_true(second.new_packs == 1);
	assert_true(second.new_bytes < 2 * CHUNK);
	/* One pack, pages, an index. */
	assert_int_equal(folder_files(&folder, &after), files + 3);
	image = open_index_or_fail(&folder, second.digest);
	expect_disk(image, disk, 16 * CHUNK);
	image_close(image);
	image_close(base);
	folder_remove(&folder);
	free(disk);
}

TEST(a_base_with_other_chunks_is_refused)
{
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct build_result first = build_into(&folder, disk, DISK, (struct build_options){ 0 });
	struct image *base = open_index_or_fail(&folder, first.digest);
	struct image *image = raw_image(disk, DISK);
	struct build_options options = { .base = base, .chunk_size = 2 * CHUNK };
	struct build_result result;
	struct error err = { 0 };

	assert_int_equal(library_build(image, folder.path, &options, &result, &err), -EINVAL);
	assert_non_null(strstr(err.text, "chunks of another size"));
	options.base = image;
	assert_int_equal(library_build(image, folder.path, &options, &result, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no image index"));
	image_close(image);
	image_close(base);
	folder_remove(&folder);
	free(disk);
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)done;
	(void)total;
	return false;
}

TEST(what_is_interrupted_leaves_no_file_without_a_name)
{
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct image *image = raw_image(disk, DISK);
	const struct build_options options = { .chunk_size = CHUNK, .progress = stop_at_once };
	struct build_result result;
	uint64_t bytes;

	assert_int_equal(library_build(image, folder.path, &options, &result, NULL), -EINTR);
	assert_int_equal(folder_files(&folder, &bytes), 0);
	image_close(image);
	folder_remove(&folder);
	free(disk);
}

TEST(a_file_in_the_way_that_is_not_what_its_name_says_is_an_error)
{
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct build_result built = build_into(&folder, disk, DISK, (struct build_options){ 0 });
	struct image *image = raw_image(disk, DISK);
	const struct build_options options = { .chunk_size = CHUNK };
	struct error err = { 0 };
	char path[160];

	folder_file(&folder, built.header.pages_digest, path);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(library_build(image, folder.path, &options, &built, &err), -EEXIST);
	assert_non_null(strstr(err.text, "is not what its name says"));
	image_close(image);
	folder_remove(&folder);
	free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_same_content_gives_the_same_bytes_however_many_threads),
		CASE(equal_chunks_are_stored_once_and_zeros_not_at_all),
		CASE(a_disk_of_zeros_is_an_index_and_nothing_else),
		CASE(what_a_boot_reads_stands_first_in_its_order),
		CASE(a_trace_comes_along_with_the_index),
		CASE(packs_end_before_they_are_too_long),
		CASE(a_new_release_adds_only_what_is_new),
		CASE(a_base_with_other_chunks_is_refused),
		CASE(what_is_interrupted_leaves_no_file_without_a_name),
		CASE(a_file_in_the_way_that_is_not_what_its_name_says_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
