// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading an image index: what is fetched, what is verified, and who is asked when bytes are wrong.
 */
#include "tests/unit/library-folder.h"

#include "disk/chain.h"
#include "library/blob.h"

struct usual {
	struct folder folder;
	uint8_t *disk;
	struct build_result built;
};

static struct usual usual_new(void)
{
	struct usual usual = { .folder = folder_new(), .disk = usual_disk() };

	usual.built = build_into(&usual.folder, usual.disk, DISK, (struct build_options){ 0 });
	return usual;
}

static void usual_free(struct usual *usual)
{
	folder_remove(&usual->folder);
	free(usual->disk);
}

static struct index_open_pack *first_pack(struct index_image *index)
{
	struct index_open_pack *pack;

	assert_int_equal(index_pack_get(index, 0, NULL, &pack, NULL), 0);
	index_pack_put(index, pack);
	return pack;
}

static void put_blob(const struct folder *folder, const void *data, size_t len, uint8_t digest[32])
{
	struct blob *blob;

	assert_int_equal(blob_new(folder->path, &blob, NULL), 0);
	assert_int_equal(blob_append(blob, data, len, NULL), 0);
	assert_int_equal(blob_finish(blob, digest, NULL), 0);
	blob_free(blob);
}

/* An index made by hand, with `header->pages_size` bytes of pages. */
static void put_index(const struct folder *folder, struct index_header *header, const void *pages,
                      uint8_t ret_digest[32])
{
	uint8_t raw[INDEX_HEADER_BYTES];

	put_blob(folder, pages, header->pages_size, header->pages_digest);
	index_header_write(header, raw);
	put_blob(folder, raw, sizeof(raw), ret_digest);
}

TEST(a_disk_reads_as_it_was_whatever_the_pieces)
{
	struct usual usual = usual_new();
	struct image *image = open_index_or_fail(&usual.folder, usual.built.digest);

	assert_true(image->size == DISK);
	assert_int_equal(image->format, IMAGE_INDEX);
	expect_disk(image, usual.disk, CHUNK);
	expect_disk(image, usual.disk, 100 * CHUNK);
	expect_disk(image, usual.disk, 512);
	expect_disk(image, usual.disk, 5 * 4096 + 1024);
	image_close(image);
	usual_free(&usual);
}

TEST(the_map_joins_zeros_and_what_lies_together)
{
	struct usual usual = usual_new();
	struct image *image = open_index_or_fail(&usual.folder, usual.built.digest);
	enum image_extent kind;
	uint64_t len;

	assert_int_equal(image_map(image, 60 * CHUNK, DISK - 60 * CHUNK, NULL, &kind, &len, NULL),
	                 0);
	assert_int_equal(kind, IMAGE_EXTENT_ZERO);
	/* Chunk 130 is zero too. */
	assert_true(len == 71 * CHUNK);
	/* 1 to 4 were packed one after the other; 5 is zero. */
	assert_int_equal(
		image_map(image, CHUNK + 4096, DISK - CHUNK - 4096, NULL, &kind, &len, NULL), 0);
	assert_int_equal(kind, IMAGE_EXTENT_PACKED);
	assert_true(len == 4 * CHUNK - 4096);
	image_close(image);
	usual_free(&usual);
}

TEST(chunks_that_lie_together_cost_one_request)
{
	struct usual usual = usual_new();
	struct image *image = open_index_or_fail(&usual.folder, usual.built.digest);
	struct source *pack = first_pack(to_index(image))->src;
	uint8_t buf[4 * CHUNK];
	uint64_t before = pack->requests;

	assert_int_equal(image_read(image, buf, sizeof(buf), CHUNK, NULL, NULL), 0);
	assert_true(pack->requests == before + 1);
	image_close(image);
	usual_free(&usual);
}

TEST(opening_a_large_disk_reads_a_few_pages)
{
	const uint64_t size = UINT64_C(1) << 40;
	struct folder folder = folder_new();
	struct index_header header = { .chunk_size = BUILD_DEFAULT_CHUNK, .size = size };
	uint8_t digest[32], pages[4][INDEX_PAGE_BYTES] = { 0 };
	struct index_page_ref ref = { 0 };
	struct index_chunk chunk = { .stored = 7, .coding = INDEX_ZSTD };
	struct image *image;
	uint8_t buf[512];

	/* One path of four pages, to the last chunk, which nobody has. */
	index_chunk_write(&chunk, pages[3] + 63 * INDEX_ENTRY_BYTES);
	for (int i = 3; i > 0; i--) {
		unsigned int at = i == 1 ? 31 : 63; /* 2^23 chunks: the root is half full */

		index_digest(pages[i], INDEX_PAGE_BYTES, ref.digest);
		ref.off = (uint64_t)i * INDEX_PAGE_BYTES;
		index_ref_write(&ref, pages[i - 1] + at * INDEX_ENTRY_BYTES);
	}
	index_digest(pages[0], INDEX_PAGE_BYTES, header.chunks.digest);
	memset(header.packs.digest, 1, 32);
	header.n_packs = 1;
	header.pages_size = sizeof(pages);
	put_index(&folder, &header, pages, digest);

	image = open_index_or_fail(&folder, digest);
	assert_true(image->size == size);
	assert_true(image->file->bytes_fetched <= 1024);
	assert_int_equal(image_read(image, buf, sizeof(buf), size / 2, NULL, NULL), 0);
	assert_true(to_index(image)->pages_file->bytes_fetched <= sizeof(pages));
	image_close(image);
	folder_remove(&folder);
}

TEST(a_wrong_bit_in_a_pack_is_never_handed_on)
{
	struct usual usual = usual_new();
	struct image *image = open_index_or_fail(&usual.folder, usual.built.digest);
	struct index_pack pack;
	struct error err = { 0 };
	uint8_t buf[CHUNK];
	char path[160];

	assert_int_equal(index_find_pack(to_index(image), 0, NULL, &pack, NULL), 0);
	folder_file(&usual.folder, pack.digest, path);
	for (uint64_t off = 0; off < 200; off += 20) {
		spoil_file(path, off);
		image_close(image);
		image = open_index_or_fail(&usual.folder, usual.built.digest);
		assert_int_equal(image_read(image, buf, CHUNK, CHUNK, NULL, &err), -EBADMSG);
		assert_non_null(strstr(err.text, "chunk 1 of "));
		/* Its neighbours are whole. */
		assert_int_equal(image_read(image, buf, CHUNK, 2 * CHUNK, NULL, &err), 0);
		spoil_file(path, off);
	}
	image_close(image);
	usual_free(&usual);
}

TEST(a_wrong_bit_in_a_page_is_never_believed)
{
	struct usual usual = usual_new();
	struct image *image;
	struct error err = { 0 };
	uint8_t buf[512];
	char path[160];

	folder_file(&usual.folder, usual.built.header.pages_digest, path);
	spoil_file(path, usual.built.header.chunks.off + 70);
	image = open_index_or_fail(&usual.folder, usual.built.digest);
	assert_int_equal(image_read(image, buf, sizeof(buf), CHUNK, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "the index page at "));
	image_close(image);
	usual_free(&usual);
}

TEST(an_index_that_is_not_the_one_asked_for_is_refused)
{
	struct usual usual = usual_new();
	char path[160], want[INDEX_NAME_BYTES];
	struct source_place place = { .url = path, .digest = want };
	const struct image_options options = { .places = { .at = &place, .n = 1 } };
	struct source *file;
	struct image *image;
	struct error err = { 0 };

	folder_file(&usual.folder, usual.built.digest, path);
	index_digest_name(usual.built.header.pages_digest, want);
	assert_int_equal(source_open(path, NULL, &file, NULL), 0);
	assert_int_equal(image_open(file, &options, &image, &err), -EBADMSG);
	assert_non_null(strstr(err.text, want));
	index_digest_name(usual.built.digest, want);
	assert_int_equal(image_open(file, &options, &image, &err), 0);
	image_close(image);
	usual_free(&usual);
}

/* Opens the files of an index from two folders, as a disk does. */
static int open_beside(void *arg, const struct source_places *places,
                       const struct source_identity *identity, bool metadata, struct source **ret,
                       struct error *err)
{
	(void)metadata;
	return chain_open(places->at, places->n, arg, identity, ret, err);
}

/* What the chain says, one line after the other. */
static void note(void *arg, const char *text)
{
	char *all = arg;
	size_t used = strlen(all);

	snprintf(all + used, 4096 - used, "%s\n", text);
}

/* The index of two folders with the same files, the first one first. */
static struct image *open_two(const struct folder *a, const struct folder *b,
                              const uint8_t digest[32], struct chain_options *options)
{
	char first[160], second[160];
	struct source_place places[2] = { { .url = first }, { .url = second, .priority = 1 } };
	const struct image_options how = { .places = { .at = places, .n = 2 },
		                           .open_beside = open_beside,
		                           .arg = options };
	struct image *image = NULL;
	struct source *file;
	struct error err = { 0 };

	folder_file(a, digest, first);
	folder_file(b, digest, second);
	assert_int_equal(source_open(first, NULL, &file, NULL), 0);
	if (image_open(file, &how, &image, &err) < 0)
		fail_msg("%s", err.text);
	return image;
}

TEST(wrong_bytes_are_fetched_from_the_next_source_and_reported)
{
	struct usual usual = usual_new();
	struct folder other = folder_new();
	struct build_result same =
		build_into(&other, usual.disk, DISK, (struct build_options){ 0 });
	char said[4096] = "", path[160];
	struct chain_options options = { .message = note, .arg = said };
	struct image *image = open_index_or_fail(&usual.folder, usual.built.digest);
	struct index_pack pack;

	assert_int_equal(index_find_pack(to_index(image), 0, NULL, &pack, NULL), 0);
	image_close(image);
	assert_memory_equal(same.digest, usual.built.digest, 32);
	folder_file(&usual.folder, pack.digest, path);
	spoil_file(path, 5);
	folder_file(&usual.folder, usual.built.header.pages_digest, path);
	spoil_file(path, usual.built.header.chunks.off + 70);
	image = open_two(&usual.folder, &other, usual.built.digest, &options);
	expect_disk(image, usual.disk, 64 * CHUNK);
	image_close(image);
	assert_non_null(strstr(said, "delivered wrong bytes: the index page at "));
	assert_non_null(strstr(said, "delivered wrong bytes: chunk 1 of "));
	folder_remove(&other);
	usual_free(&usual);
}

/* Is the pack's first source in that state? */
static bool first_source_is(struct image *image, const char *state)
{
	json_t *status = chain_status(first_pack(to_index(image))->src);
	const json_t *have = json_object_get(json_array_get(status, 0), "state");
	bool is = strcmp(json_string_value(have), state) == 0;

	json_decref(status);
	return is;
}

TEST(a_source_that_is_wrong_time_and_again_is_put_aside)
{
	struct usual usual = usual_new();
	struct folder other = folder_new();
	char said[4096] = "", path[160];
	struct chain_options options = { .message = note, .arg = said };
	struct image *image = open_index_or_fail(&usual.folder, usual.built.digest);
	struct index_chunk chunk;
	struct index_pack pack;
	struct index_cursor cursor = { 0 };
	uint8_t buf[CHUNK];
	uint64_t run;

	build_into(&other, usual.disk, DISK, (struct build_options){ 0 });
	assert_int_equal(index_find_pack(to_index(image), 0, NULL, &pack, NULL), 0);
	folder_file(&usual.folder, pack.digest, path);
	for (unsigned int n = 0; n < CHUNKS; n++) {
		assert_int_equal(
			index_find_chunk(to_index(image), &cursor, n, NULL, &chunk, &run, NULL), 0);
		if (chunk.stored > 0 && usual_kind(n) != 7)
			spoil_file(path, chunk.off + chunk.stored / 2);
	}
	image_close(image);
	image = open_two(&usual.folder, &other, usual.built.digest, &options);
	for (unsigned int n = 0; n < CHUNKS && !first_source_is(image, "aside"); n++) {
		size_t len = n == CHUNKS - 1 ? SHORT : CHUNK;

		assert_int_equal(image_read(image, buf, len, n * CHUNK, NULL, NULL), 0);
		assert_memory_equal(buf, usual.disk + n * CHUNK, len);
		/* It is asked again when it is well again. */
		while (first_source_is(image, "failing"))
			usleep(1000);
	}
	assert_true(first_source_is(image, "aside"));
	image_close(image);
	folder_remove(&other);
	usual_free(&usual);
}

struct finder {
	const uint8_t *disk;
	bool lie;
	unsigned int asked;
};

static bool find_in_disk(void *arg, const uint8_t digest[32], void *buf, size_t len)
{
	struct finder *finder = arg;

	finder->asked++;
	for (unsigned int n = 0; n < CHUNKS; n++) {
		uint8_t have[32];

		index_digest(finder->disk + n * (size_t)CHUNK, len, have);
		if (memcmp(have, digest, 32) != 0)
			continue;
		memcpy(buf, finder->disk + n * (size_t)CHUNK, len);
		((uint8_t *)buf)[7] ^= finder->lie;
		return true;
	}
	return false;
}

TEST(chunks_that_this_computer_has_are_not_fetched)
{
	struct usual usual = usual_new();
	struct finder finder = { .disk = usual.disk };
	char path[160];
	const struct image_options options = { .places = SOURCE_PLACE(path),
		                               .find_chunk = find_in_disk,
		                               .arg = &finder };
	struct image *image;
	struct source *file;

	folder_file(&usual.folder, usual.built.digest, path);
	assert_int_equal(source_open(path, NULL, &file, NULL), 0);
	assert_int_equal(image_open(file, &options, &image, NULL), 0);
	expect_disk(image, usual.disk, 3 * CHUNK + 512);
	assert_true(finder.asked > 0);
	for (size_t i = 0; i < INDEX_OPEN_PACKS; i++)
		assert_null(to_index(image)->packs[i].src);
	/* What it says is there is compared like everything else. */
	finder.lie = true;
	expect_disk(image, usual.disk, 2 * CHUNK);
	assert_non_null(to_index(image)->packs[0].src);
	image_close(image);
	usual_free(&usual);
}

TEST(its_id_does_not_depend_on_where_it_is)
{
	struct usual usual = usual_new();
	struct folder other = folder_new();
	struct image *a, *b;
	uint8_t first[32], second[32];

	build_into(&other, usual.disk, DISK, (struct build_options){ 0 });
	a = open_index_or_fail(&usual.folder, usual.built.digest);
	b = open_index_or_fail(&other, usual.built.digest);
	assert_int_equal(image_id(a, first, NULL), 0);
	assert_int_equal(image_id(b, second, NULL), 0);
	assert_memory_equal(first, second, 32);
	image_close(a);
	image_close(b);
	folder_remove(&other);
	usual_free(&usual);
}

TEST(packs_come_and_go_while_many_threads_read)
{
	struct folder folder = folder_new();
	uint8_t *disk = usual_disk();
	struct build_options options = { .pack_size = CHUNK };
	struct build_result built;
	struct image *image;

	/* More packs than may be open at once. */
	built = build_into(&folder, disk, DISK, options);
	assert_true(built.header.n_packs > INDEX_OPEN_PACKS);
	image = open_index_or_fail(&folder, built.digest);
	expect_disk(image, disk, CHUNK);
	expect_disk(image, disk, 20 * CHUNK);
	image_close(image);
	folder_remove(&folder);
	free(disk);
}

static void count(void *arg, const char *text)
{
	char *last = arg;

	snprintf(last, 512, "%s", text);
}

TEST(the_check_compares_the_numbers_that_are_for_people)
{
	struct usual usual = usual_new();
	struct image *image = open_index_or_fail(&usual.folder, usual.built.digest);
	char last[512] = "";

	assert_int_equal(image_check(image, count, last, NULL), 0);
	to_index(image)->header.used++;
	assert_int_equal(image_check(image, count, last, NULL), 1);
	assert_non_null(strstr(last, "chunks are not zero"));
	image_close(image);
	usual_free(&usual);
}

TEST(pages_that_are_named_over_and_over_end_the_check)
{
	struct folder folder = folder_new();
	struct index_header header = { .chunk_size = INDEX_MIN_CHUNK, .size = INDEX_MAX_DISK };
	uint8_t digest[32], page[INDEX_PAGE_BYTES];
	const unsigned int levels = index_levels(index_chunks_of(&header));
	uint8_t *pages = calloc(levels, INDEX_PAGE_BYTES);
	struct index_page_ref ref = { 0 };
	char last[512] = "";
	struct image *image;

	/* The lowest page is all zero chunks but one, which nobody has; each other names it 64 times. */
	memset(page, 0, sizeof(page));
	header.n_packs = 1;
	memset(header.packs.digest, 1, 32);
	index_chunk_write(&(struct index_chunk){ .stored = 7, .coding = INDEX_ZSTD }, page);
	for (unsigned int i = levels; i-- > 0;) {
		memcpy(pages + i * (size_t)INDEX_PAGE_BYTES, page, sizeof(page));
		ref.off = i * (uint64_t)INDEX_PAGE_BYTES;
		index_digest(page, sizeof(page), ref.digest);
		for (unsigned int k = 0; k < INDEX_FANOUT; k++)
			index_ref_write(&ref, page + k * INDEX_ENTRY_BYTES);
	}
	header.chunks = ref;
	header.pages_size = levels * (uint64_t)INDEX_PAGE_BYTES;
	put_index(&folder, &header, pages, digest);
	image = open_index_or_fail(&folder, digest);
	assert_true(image_check(image, count, last, NULL) > 0);
	image_close(image);
	folder_remove(&folder);
	free(pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_disk_reads_as_it_was_whatever_the_pieces),
		CASE(the_map_joins_zeros_and_what_lies_together),
		CASE(chunks_that_lie_together_cost_one_request),
		CASE(opening_a_large_disk_reads_a_few_pages),
		CASE(a_wrong_bit_in_a_pack_is_never_handed_on),
		CASE(a_wrong_bit_in_a_page_is_never_believed),
		CASE(an_index_that_is_not_the_one_asked_for_is_refused),
		CASE(wrong_bytes_are_fetched_from_the_next_source_and_reported),
		CASE(a_source_that_is_wrong_time_and_again_is_put_aside),
		CASE(chunks_that_this_computer_has_are_not_fetched),
		CASE(its_id_does_not_depend_on_where_it_is),
		CASE(packs_come_and_go_while_many_threads_read),
		CASE(pages_that_are_named_over_and_over_end_the_check),
		CASE(the_check_compares_the_numbers_that_are_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
