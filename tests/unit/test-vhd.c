// SPDX-License-Identifier: GPL-2.0-or-later
/* VHDs of every kind as they are meant to be. */
#include "tests/unit/unit.h"

#include <malloc.h>

#include "tests/unit/vhd-chain.h"

TEST(a_fixed_disk_reads_as_it_lies)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct image *image = NULL;

	vhd_add(files, "a.vhd", make_vhd(&fixed));
	image = files_image_or_fail(files, "a.vhd", NULL);
	assert_int_equal(image->format, IMAGE_VHD);
	assert_int_equal(image->size, 300 * KIB);
	expect_all(image, owned_by_1);
	expect_map(image, owned_by_1);
	assert_string_equal(files->warned.text, "");
	image_close(image);
}

TEST(a_dynamic_disk_is_zero_where_it_has_no_block)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct image *image = NULL;

	vhd_add(files, "a.vhd", make_vhd(&dynamic));
	image = files_image_or_fail(files, "a.vhd", NULL);
	assert_int_equal(image->size, dynamic.size);
	expect_all(image, owned_in_blocks_1_2_4);
	expect_map(image, owned_in_blocks_1_2_4);
	assert_string_equal(files->warned.text, "");
	image_close(image);
}

TEST(a_range_in_one_piece_costs_one_request)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	uint8_t buf[16 * KIB];
	struct image *image = NULL;
	uint64_t before;

	vhd_add(files, "a.vhd", make_vhd(&dynamic));
	image = files_image_or_fail(files, "a.vhd", NULL);
	assert_int_equal(image_read(image, buf, 1, BLOCK, NULL, NULL), 0);
	before = image->file->requests;
	assert_int_equal(image_read(image, buf, sizeof(buf), BLOCK + 8 * KIB, NULL, NULL), 0);
	assert_int_equal(image->file->requests, before + 1);
	image_close(image);
}

TEST(arrival_is_counted_from_the_start_of_the_buffer_over_all_pieces)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	cleanup_free uint8_t *buf = malloc(2 * BLOCK);
	size_t last = 0;
	struct source_read how = { .arrived = note_arrived, .arg = &last };
	struct image *image = NULL;

	vhd_add(files, "a.vhd", make_vhd(&dynamic));
	image = files_image_or_fail(files, "a.vhd", NULL);
	assert_int_equal(image_read(image, buf, 2 * BLOCK, BLOCK, &how, NULL), 0);
	assert_int_equal(last, 2 * BLOCK);
	image_close(image);
}

TEST(a_footer_of_511_bytes_counts)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct made made = make_vhd(&fixed);
	struct image *image = NULL;

	made.len--;
	vhd_add(files, "a.vhd", made);
	image = files_image_or_fail(files, "a.vhd", NULL);
	expect_all(image, owned_by_1);
	image_close(image);
}

/* As VirtualBox writes it: 41,943,040 bytes with a geometry of 963/5/17. */
TEST(the_size_in_bytes_counts_more_than_the_geometry)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe big = dynamic;
	struct made made;
	struct image *image = NULL;

	big.size = 40 * MIB;
	big.block_size = 2 * MIB;
	big.blocks = 0;
	made = make_vhd(&big);
	for (size_t at = 0; at < made.len; at += made.len - VHD_FOOTER) {
		memcpy(made.data + at + 28, "vbox", 4);
		store_be16(made.data + at + 56, 963);
		made.data[at + 58] = 5;
		made.data[at + 59] = 17;
		fix_checksum(made.data + at, VHD_FOOTER, 64);
	}
	vhd_add(files, "a.vhd", made);
	image = files_image_or_fail(files, "a.vhd", NULL);
	assert_int_equal(image->size, 41943040);
	assert_non_null(strstr(files->warned.text, "geometry (963/5/17) stands for 41909760"));
	image_close(image);
}

TEST(the_geometry_is_made_as_the_specification_says)
{
	static const struct {
		uint64_t size;
		uint16_t cylinders;
		uint8_t heads, sectors;
	} known[] = {
		{ 40 * MIB, 963, 5, 17 }, /* as VirtualBox and qemu-img do */
		{ UINT64_C(1) << 30, 2080, 16, 63 },
		{ UINT64_C(127) << 30, 65278, 16, 255 },
		{ UINT64_C(2) << 40, 65535, 16, 255 },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct vhd_footer footer = { 0 };

		vhd_geometry_of(known[i].size, &footer);
		assert_int_equal(footer.cylinders, known[i].cylinders);
		assert_int_equal(footer.heads, known[i].heads);
		assert_int_equal(footer.sectors, known[i].sectors);
	}
}

TEST(info_says_what_the_headers_say)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct image *image = NULL;
	json_t *info;

	vhd_add(files, "base.vhd", make_vhd(&dynamic));
	vhd_add(files, "child.vhd", make_vhd(&child));
	image = files_image_or_fail(files, "child.vhd", NULL);
	assert_int_equal(image_info(image, &info, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(info, "format")), "vhd");
	assert_string_equal(json_string_value(json_object_get(info, "subformat")), "differencing");
	assert_string_equal(json_string_value(json_object_get(info, "parent_unique_id")),
	                    "00000000-0000-0000-0000-000000000001");
	assert_string_equal(json_string_value(json_object_get(info, "creator")), "win 10.0");
	assert_string_equal(json_string_value(json_object_get(info, "created")),
	                    "2000-01-01T00:16:40Z");
	assert_int_equal(json_integer_value(json_object_get(info, "allocated")), 3 * BLOCK);
	assert_int_equal(json_array_size(json_object_get(info, "parents")), 1);
	json_decref(info);
	image_close(image);
}

/* 2040 GiB, every block there, made up as it is read: content is the byte's block. */
#define HUGE_BLOCKS (2040 * UINT64_C(512))
#define HUGE_AT     (8 * MIB)
#define HUGE_STRIDE (2 * MIB + 512)

static int huge_read(struct source *src, void *buf, size_t len, uint64_t off,
                     const struct source_read *how, struct error *err)
{
	uint8_t *out = buf;
	struct recipe recipe = { .type = VHD_DYNAMIC, .size = 2040 * GIB };
	struct vhd_header header = { .data_offset = UINT64_MAX,
		                     .table_offset = MADE_TABLE,
		                     .version = VHD_VERSION,
		                     .max_entries = HUGE_BLOCKS,
		                     .block_size = 2 * MIB };
	const struct vhd_footer footer = made_footer(&recipe);
	uint8_t head[MADE_TABLE];

	(void)err;
	src->requests++;
	vhd_footer_store(&footer, head);
	vhd_header_store(&header, head + VHD_FOOTER);
	for (size_t i = 0; i < len; i++) {
		uint64_t at = off + i, entry = (at - MADE_TABLE) / 4;
		uint8_t raw[4];

		store_be32(raw, (uint32_t)((HUGE_AT + entry * HUGE_STRIDE) / VHD_SECTOR));
		if (at >= src->identity.size - VHD_FOOTER)
			out[i] = head[at - (src->identity.size - VHD_FOOTER)];
		else if (at < MADE_TABLE)
			out[i] = head[at];
		else if (at < HUGE_AT)
			out[i] = raw[(at - MADE_TABLE) % 4];
		else
			out[i] = (uint8_t)((at - HUGE_AT) / HUGE_STRIDE);
	}
	if (how && how->arrived)
		how->arrived(how->arg, len);
	return 0;
}

static void huge_close(struct source *src __attribute__((unused)))
{
}

TEST(a_disk_of_2040_gib_costs_no_more_memory_than_a_small_one)
{
	static const struct source_ops ops = { .read = huge_read, .close = huge_close };
	static char name[] = "huge.vhd";
	struct source file = { .ops = &ops,
		               .name = name,
		               .identity.size = HUGE_AT + HUGE_BLOCKS * HUGE_STRIDE + VHD_FOOTER };
	size_t before = mallinfo2().uordblks;
	struct image *image = NULL;
	uint8_t byte;

	assert_int_equal(image_open(&file, NULL, &image, NULL), 0);
	assert_true(file.requests < 8);
	for (uint64_t block = 0; block < HUGE_BLOCKS; block += 997) {
		assert_int_equal(image_read(image, &byte, 1, block * 2 * MIB + 12345, NULL, NULL),
		                 0);
		assert_int_equal(byte, (uint8_t)block);
	}
	assert_true(mallinfo2().uordblks - before < MIB);
	image_close(image);
}

static void *read_everything(void *arg)
{
	struct image *image = arg;

	expect_all(image, owned_in_grandchild);
	return NULL;
}

TEST(many_threads_read_one_image)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	cleanup(image_close) struct image *image = NULL;

	vhd_add(files, "base.vhd", make_vhd(&dynamic));
	vhd_add(files, "child.vhd", make_vhd(&child));
	vhd_add(files, "grandchild.vhd", make_vhd(&grandchild));
	image = files_image_or_fail(files, "grandchild.vhd", NULL);
	expect_from_threads(image, read_everything);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_fixed_disk_reads_as_it_lies),
		CASE(a_dynamic_disk_is_zero_where_it_has_no_block),
		CASE(a_range_in_one_piece_costs_one_request),
		CASE(arrival_is_counted_from_the_start_of_the_buffer_over_all_pieces),
		CASE(a_footer_of_511_bytes_counts),
		CASE(the_size_in_bytes_counts_more_than_the_geometry),
		CASE(the_geometry_is_made_as_the_specification_says),
		CASE(info_says_what_the_headers_say),
		CASE(a_disk_of_2040_gib_costs_no_more_memory_than_a_small_one),
		CASE(many_threads_read_one_image),
	};

	return cmocka_run_group_tests_name("vhd", tests, NULL, NULL);
}
