// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/vhd-make.h"

#define BLOCK (64 * KIB)

/* A world of files for parents to be found in. */
struct world {
	struct {
		const char *name;
		struct made made;
	} files[80];
	size_t n;
	char warned[1024];
	char opened[2048]; /* what was asked for, each behind a blank */
};

static void world_add(struct world *world, const char *name, struct made made)
{
	world->files[world->n].name = name;
	world->files[world->n++].made = made;
}

static void world_free(struct world *world)
{
	for (size_t i = 0; i < world->n; i++)
		free(world->files[i].made.data);
}
DEFINE_CLEANUP(struct world *, world_free);

static int world_open(void *arg, const char *url, struct source **ret, struct error *err)
{
	struct world *world = arg;
	size_t used = strlen(world->opened);

	snprintf(world->opened + used, sizeof(world->opened) - used, " %s", url);
	for (size_t i = 0; i < world->n; i++)
		if (!strcmp(world->files[i].name, url))
			return source_open_memory(world->files[i].made.data,
			                          world->files[i].made.len, url, ret);
	return error_set(err, ENOENT, "%s: No such file or directory", url);
}

static void world_warn(void *arg, const char *text)
{
	struct world *world = arg;
	size_t used = strlen(world->warned);

	snprintf(world->warned + used, sizeof(world->warned) - used, "%s\n", text);
}

static int world_open_parent(void *arg, const struct source_places *places, struct source **ret,
                             struct error *err)
{
	int r = -ENOENT;

	/* The first place that answers, as a chain does. */
	for (size_t i = 0; i < places->n && r < 0; i++)
		r = world_open(arg, places->at[i].url, ret, err);
	return r;
}

static int world_image(struct world *world, const char *name, const char *parent,
                       struct image **ret, struct error *err)
{
	struct image_options options = {
		.places = SOURCE_PLACE(name),
		.parents = SOURCE_PLACE(parent),
		.open_parent = world_open_parent,
		.warn = world_warn,
		.arg = world,
	};
	struct source *file;
	int r = world_open(world, name, &file, err);

	if (r < 0)
		return r;
	world->opened[0] = '\0';
	r = image_open(file, &options, ret, err);
	if (r < 0)
		source_close(file);
	return r;
}

/* Open one file that must be sound. */
static struct image *open_made(struct world *world, const char *name)
{
	struct image *image = NULL;
	struct error err;
	int r = world_image(world, name, NULL, &image, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	return image;
}

/* Whose sector is it?  0: nobody's. */
typedef uint8_t (*owner_of)(uint64_t sector);

static void expect(struct image *image, owner_of owner, uint64_t off, size_t len)
{
	cleanup_free uint8_t *got = malloc(len + 1);
	uint8_t want[VHD_SECTOR];
	struct error err;

	got[len] = 0x5a;
	if (image_read(image, got, len, off, NULL, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < len; i++) {
		uint64_t sector = (off + i) / VHD_SECTOR;

		if (i == 0 || (off + i) % VHD_SECTOR == 0) {
			memset(want, 0, sizeof(want));
			if (owner(sector))
				fill_sector(want, owner(sector), sector);
		}
		if (got[i] != want[(off + i) % VHD_SECTOR])
			fail_msg("byte %zu is 0x%02x, not 0x%02x", (size_t)off + i, got[i],
			         want[(off + i) % VHD_SECTOR]);
	}
	assert_int_equal(got[len], 0x5a);
}

/* The whole disk, then ranges that begin and end anywhere. */
static void expect_all(struct image *image, owner_of owner)
{
	unsigned int seed = 7;

	expect(image, owner, 0, image->size);
	for (int i = 0; i < 300; i++) {
		uint64_t off = (uint64_t)rand_r(&seed) % image->size;
		uint64_t len = (uint64_t)rand_r(&seed) % min_u64(image->size - off, 3 * BLOCK) + 1;

		expect(image, owner, off, min_u64(len, image->size - off));
	}
}

/* Walk the map: it must cover the disk, and call zero only what nobody owns. */
static void expect_map(struct image *image, owner_of owner)
{
	for (uint64_t off = 0; off < image->size;) {
		enum image_extent kind;
		uint64_t len;
		struct error err;

		if (image_map(image, off, image->size - off, NULL, &kind, &len, &err) < 0)
			fail_msg("%s", err.text);
		assert_true(len > 0 && len <= image->size - off && len % 512 == 0);
		for (uint64_t i = 0; i < len; i += VHD_SECTOR)
			assert_int_equal(kind == IMAGE_EXTENT_DATA,
			                 owner((off + i) / VHD_SECTOR) != 0);
		off += len;
	}
}

static uint8_t owned_by_1(uint64_t sector __attribute__((unused)))
{
	return 1;
}

TEST(a_fixed_disk_reads_as_it_lies)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct image *image = NULL;

	world_add(world, "a.vhd", make_vhd(&fixed));
	image = open_made(world, "a.vhd");
	assert_int_equal(image->format, IMAGE_VHD);
	assert_int_equal(image->size, 300 * KIB);
	expect_all(image, owned_by_1);
	expect_map(image, owned_by_1);
	assert_string_equal(world->warned, "");
	image_close(image);
}

static uint8_t owned_in_blocks_1_2_4(uint64_t sector)
{
	uint64_t block = sector / (BLOCK / VHD_SECTOR);

	return block == 1 || block == 2 || block == 4 ? 1 : 0;
}

static const struct recipe dynamic = {
	.type = VHD_DYNAMIC,
	.size = 5 * BLOCK - 20 * KIB, /* the last block is short */
	.block_size = BLOCK,
	.tag = 1,
	.blocks = 0x16,
};

TEST(a_dynamic_disk_is_zero_where_it_has_no_block)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct image *image = NULL;

	world_add(world, "a.vhd", make_vhd(&dynamic));
	image = open_made(world, "a.vhd");
	assert_int_equal(image->size, dynamic.size);
	expect_all(image, owned_in_blocks_1_2_4);
	expect_map(image, owned_in_blocks_1_2_4);
	assert_string_equal(world->warned, "");
	image_close(image);
}

TEST(a_range_in_one_piece_costs_one_request)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	uint8_t buf[16 * KIB];
	struct image *image = NULL;
	uint64_t before;

	world_add(world, "a.vhd", make_vhd(&dynamic));
	image = open_made(world, "a.vhd");
	assert_int_equal(image_read(image, buf, 1, BLOCK, NULL, NULL), 0);
	before = image->file->requests;
	assert_int_equal(image_read(image, buf, sizeof(buf), BLOCK + 8 * KIB, NULL, NULL), 0);
	assert_int_equal(image->file->requests, before + 1);
	image_close(image);
}

static void note_arrived(void *arg, size_t prefix)
{
	size_t *last = arg;

	assert_true(prefix >= *last);
	*last = prefix;
}

TEST(arrival_is_counted_from_the_start_of_the_buffer_over_all_pieces)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	cleanup_free uint8_t *buf = malloc(2 * BLOCK);
	size_t last = 0;
	struct source_read how = { .arrived = note_arrived, .arg = &last };
	struct image *image = NULL;

	world_add(world, "a.vhd", make_vhd(&dynamic));
	image = open_made(world, "a.vhd");
	assert_int_equal(image_read(image, buf, 2 * BLOCK, BLOCK, &how, NULL), 0);
	assert_int_equal(last, 2 * BLOCK);
	image_close(image);
}

/* A child whose sectors change hands in every way: long runs, single sectors, whole blocks. */
static bool child_owns(uint64_t sector)
{
	uint64_t block = sector / (BLOCK / VHD_SECTOR), i = sector % (BLOCK / VHD_SECTOR);

	if (block == 0)
		return i >= 40 && i < 77;
	if (block == 2)
		return i % 2 == 1 || (i > 64 && i < 90);
	return true;
}

static bool grandchild_owns(uint64_t sector)
{
	return sector % 3 == 0;
}

static const struct recipe child = {
	.type = VHD_DIFFERENCING,
	.size = 5 * BLOCK - 20 * KIB,
	.block_size = BLOCK,
	.tag = 2,
	.parent = 1,
	.beside = ".\\base.vhd",
	.blocks = 0x0d,
	.own = child_owns,
};

static const struct recipe grandchild = {
	.type = VHD_DIFFERENCING,
	.size = 5 * BLOCK - 20 * KIB,
	.block_size = BLOCK / 2,
	.tag = 3,
	.parent = 2,
	.beside = "child.vhd",
	.blocks = 0x0c1,
	.own = grandchild_owns,
};

static uint8_t owned_in_child(uint64_t sector)
{
	if (child.blocks >> sector / (BLOCK / VHD_SECTOR) & 1 && child_owns(sector))
		return 2;
	return owned_in_blocks_1_2_4(sector);
}

static uint8_t owned_in_grandchild(uint64_t sector)
{
	if (grandchild.blocks >> sector / (BLOCK / 2 / VHD_SECTOR) & 1 && grandchild_owns(sector))
		return 3;
	return owned_in_child(sector);
}

TEST(a_differencing_disk_takes_each_sector_from_the_nearest_file_that_has_it)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct image *image = NULL;

	world_add(world, "d/base.vhd", make_vhd(&dynamic));
	world_add(world, "d/child.vhd", make_vhd(&child));
	world_add(world, "d/grandchild.vhd", make_vhd(&grandchild));
	image = open_made(world, "d/child.vhd");
	expect_all(image, owned_in_child);
	expect_map(image, owned_in_child);
	image_close(image);
	image = open_made(world, "d/grandchild.vhd");
	expect_all(image, owned_in_grandchild);
	expect_map(image, owned_in_grandchild);
	assert_int_equal(image_check(image, NULL, NULL, NULL), 0);
	assert_string_equal(world->warned, "");
	image_close(image);
}

TEST(a_parent_that_only_a_mirror_has_right_is_taken_from_there)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct source_place places[] = { { .url = "a/child.vhd" },
		                         { .url = "gone/child.vhd", .priority = 1 },
		                         { .url = "b/child.vhd", .priority = 2 } };
	const struct image_options options = { .places = { places, ARRAY_LEN(places) },
		                               .open_parent = world_open_parent,
		                               .arg = world };
	struct recipe impostor = dynamic;
	struct source *file;
	struct image *image = NULL;
	struct error err;

	impostor.tag = 9;
	world_add(world, "a/child.vhd", make_vhd(&child));
	world_add(world, "a/base.vhd", make_vhd(&impostor));
	world_add(world, "b/base.vhd", make_vhd(&dynamic));
	assert_int_equal(world_open(world, "a/child.vhd", &file, &err), 0);
	assert_int_equal(image_open(file, &options, &image, &err), 0);
	expect_all(image, owned_in_child);
	image_close(image);
}

TEST(a_parent_is_known_by_its_id_not_by_its_name)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe impostor = dynamic, lost = child;
	struct image *image = NULL;
	struct error err;

	impostor.tag = 9;
	lost.absolute = "/far/base.vhd";
	world_add(world, "d/base.vhd", make_vhd(&impostor));
	world_add(world, "/far/base.vhd", make_vhd(&dynamic));
	world_add(world, "d/child.vhd", make_vhd(&lost));
	world_add(world, "given.vhd", make_vhd(&dynamic));
	image = open_made(world, "d/child.vhd");
	assert_string_equal(image->parent->file->name, "/far/base.vhd");
	expect_all(image, owned_in_child);
	image_close(image);

	assert_int_equal(world_image(world, "d/child.vhd", "given.vhd", &image, &err), 0);
	assert_string_equal(image->parent->file->name, "given.vhd");
	assert_string_equal(world->opened, " given.vhd");
	image_close(image);

	assert_int_equal(world_image(world, "d/child.vhd", "d/base.vhd", &image, &err), 0);
	assert_string_equal(image->parent->file->name, "/far/base.vhd");
	image_close(image);
}

TEST(a_missing_parent_is_reported_with_every_place_that_was_tried)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe impostor = dynamic, lost = child;
	struct image *image = NULL;
	struct error err;

	impostor.tag = 9;
	lost.beside = "..\\up\\base.vhd";
	lost.absolute = "C:\\images\\other.vhd";
	world_add(world, "d/base.vhd", make_vhd(&impostor));
	world_add(world, "d/child.vhd", make_vhd(&lost));
	assert_int_equal(world_image(world, "d/child.vhd", "here.vhd", &image, &err), -ENOENT);
	assert_non_null(strstr(err.text, "d/child.vhd: its parent was not found"));
	assert_non_null(strstr(err.text, "here.vhd (not there)"));
	assert_non_null(strstr(err.text, "up/base.vhd (not there)"));
	assert_non_null(strstr(err.text, "d/base.vhd (another unique id)"));
	assert_non_null(strstr(err.text, "d/other.vhd (not there)"));
}

TEST(a_far_child_cannot_name_a_file_of_this_host)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe lost = child;
	struct image *image = NULL;
	struct error err;

	lost.beside = NULL;
	lost.absolute = "/etc/base.vhd";
	world_add(world, "/etc/base.vhd", make_vhd(&dynamic));
	world_add(world, "http://far/child.vhd", make_vhd(&lost));
	assert_true(world_image(world, "http://far/child.vhd", NULL, &image, &err) < 0);
	assert_non_null(strstr(err.text, "names a file of this computer"));
	assert_null(strstr(world->opened, "/etc"));
	assert_int_equal(world_image(world, "http://far/child.vhd", "/etc/base.vhd", &image, &err),
	                 0);
	image_close(image);
}

TEST(a_chain_that_loops_is_refused_by_name)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe a = child, b = child;
	struct image *image = NULL;
	struct error err;

	a.tag = 1, a.parent = 2, a.beside = "b.vhd";
	b.tag = 2, b.parent = 1, b.beside = "a.vhd";
	world_add(world, "a.vhd", make_vhd(&a));
	world_add(world, "b.vhd", make_vhd(&b));
	assert_true(world_image(world, "a.vhd", NULL, &image, &err) < 0);
	assert_non_null(strstr(err.text, "a child of itself"));

	/* The same loop by way of a copy with another name. */
	world_add(world, "copy/a.vhd", make_vhd(&a));
	world_add(world, "copy/b.vhd", make_vhd(&b));
	a.beside = "copy\\b.vhd";
	free(world->files[0].made.data);
	world->files[0].made = make_vhd(&a);
	assert_int_equal(world_image(world, "a.vhd", NULL, &image, &err), -ELOOP);
	assert_non_null(strstr(err.text, "copy/a.vhd: the chain of parents loops"));
}

TEST(a_chain_of_64_files_opens_and_one_of_65_does_not)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	static char names[65][16];
	struct image *image = NULL;
	struct error err;

	for (uint8_t i = 0; i < 65; i++) {
		struct recipe link = child;

		snprintf(names[i], sizeof(names[i]), "%u.vhd", i);
		link.tag = i + 1;
		link.type = i == 0 ? VHD_DYNAMIC : VHD_DIFFERENCING;
		link.parent = i;
		link.beside = i ? names[i - 1] : NULL;
		link.size = BLOCK;
		link.blocks = i == 0;
		link.own = NULL;
		world_add(world, names[i], make_vhd(&link));
	}
	image = open_made(world, "63.vhd");
	expect(image, owned_by_1, 0, BLOCK);
	image_close(image);
	assert_int_equal(world_image(world, "64.vhd", NULL, &image, &err), -ELOOP);
	assert_non_null(strstr(err.text, "deeper than 64"));
}

TEST(the_copy_at_the_start_stands_in_for_a_footer_that_a_crash_has_eaten)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct made made = make_vhd(&dynamic);
	struct image *image = NULL;

	memset(made.data + made.len - VHD_FOOTER, 0x77, VHD_FOOTER);
	world_add(world, "a.vhd", made);
	image = open_made(world, "a.vhd");
	expect_all(image, owned_in_blocks_1_2_4);
	assert_non_null(strstr(world->warned, "the copy at its start is used"));
	assert_int_equal(image_check(image, NULL, NULL, NULL), 1);
	image_close(image);
}

TEST(a_footer_of_511_bytes_counts)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct made made = make_vhd(&fixed);
	struct image *image = NULL;

	made.len--;
	world_add(world, "a.vhd", made);
	image = open_made(world, "a.vhd");
	expect_all(image, owned_by_1);
	image_close(image);
}

/* As VirtualBox writes it: 41,943,040 bytes with a geometry of 963/5/17. */
TEST(the_size_in_bytes_counts_more_than_the_geometry)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
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
	world_add(world, "a.vhd", made);
	image = open_made(world, "a.vhd");
	assert_int_equal(image->size, 41943040);
	assert_non_null(strstr(world->warned, "geometry (963/5/17) stands for 41909760"));
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

enum where { FOOTER, HEADER };

static const struct {
	enum where where;
	unsigned int field;
	unsigned int bytes;
	uint64_t value;
	const char *said;
} mutations[] = {
	{ FOOTER, 8, 4, 0x13, "features" },
	{ FOOTER, 12, 4, 0x00020000, "file format version" },
	{ FOOTER, 16, 8, 0, "data offset" },
	{ FOOTER, 16, 8, 513, "data offset" },
	{ FOOTER, 16, 8, UINT64_MAX, "data offset" },
	{ FOOTER, 16, 8, UINT64_MAX - 511, "data offset" },
	{ FOOTER, 16, 8, 100 * MIB, "data offset" },
	{ FOOTER, 16, 8, 1024, "header at 1024 does not start with" },
	{ FOOTER, 48, 8, 0, "current size" },
	{ FOOTER, 48, 8, 4097, "current size" },
	{ FOOTER, 48, 8, VHD_MAX_SIZE + 512, "current size" },
	{ FOOTER, 48, 8, UINT64_MAX - 511, "current size" },
	{ FOOTER, 48, 8, 6 * BLOCK, "max table entries" },
	{ FOOTER, 60, 4, 0, "disk type" },
	{ FOOTER, 60, 4, 1, "disk type" },
	{ FOOTER, 60, 4, 5, "disk type" },
	{ FOOTER, 60, 4, 0xffffffff, "disk type" },
	{ HEADER, 16, 8, 0, "table offset" },
	{ HEADER, 16, 8, 512, "table offset" },
	{ HEADER, 16, 8, 1537, "table offset" },
	{ HEADER, 16, 8, UINT64_MAX - 511, "table offset" },
	{ HEADER, 16, 8, 100 * MIB, "table offset" },
	{ HEADER, 24, 4, 0, "version" },
	{ HEADER, 28, 4, 0, "max table entries" },
	{ HEADER, 28, 4, 4, "max table entries" },
	{ HEADER, 32, 4, 0, "block size" },
	{ HEADER, 32, 4, 256, "block size" },
	{ HEADER, 32, 4, 3 * 65536, "block size" },
	{ HEADER, 32, 4, 0x80000000, "block size" },
	{ HEADER, 576 + 4, 4, 0, "data length" },
	{ HEADER, 576 + 8, 4, 513, "data length" },
	{ HEADER, 576 + 8, 4, 0xffffffff, "data length" },
	{ HEADER, 576 + 16, 8, UINT64_MAX, "data offset" },
	{ HEADER, 576 + 24 + 16, 8, 100 * MIB, "data offset" },
};

static void store_field(uint8_t *at, unsigned int bytes, uint64_t value)
{
	if (bytes == 8)
		store_be64(at, value);
	else
		store_be32(at, (uint32_t)value);
}

TEST(every_field_out_of_range_is_refused_by_name)
{
	struct recipe recipe = child;

	recipe.absolute = "/far/base.vhd";
	for (size_t i = 0; i < ARRAY_LEN(mutations); i++) {
		cleanup(world_free) struct world *world = &(struct world){ 0 };
		struct made made = make_vhd(&recipe);
		struct image *image = NULL;
		struct error err;

		if (mutations[i].where == HEADER) {
			store_field(made.data + 512 + mutations[i].field, mutations[i].bytes,
			            mutations[i].value);
			fix_checksum(made.data + 512, VHD_HEADER, 36);
		}
		for (size_t at = 0; at < made.len && mutations[i].where == FOOTER;
		     at += made.len - VHD_FOOTER) {
			store_field(made.data + at + mutations[i].field, mutations[i].bytes,
			            mutations[i].value);
			fix_checksum(made.data + at, VHD_FOOTER, 64);
		}
		world_add(world, "base.vhd", make_vhd(&dynamic));
		world_add(world, "bad.vhd", made);
		if (world_image(world, "bad.vhd", NULL, &image, &err) >= 0)
			fail_msg("row %zu (%s) was taken", i, mutations[i].said);
		if (strncmp(err.text, "bad.vhd: the", 12) != 0 &&
		    strncmp(err.text, "bad.vhd: par", 12) != 0)
			fail_msg("row %zu: %s", i, err.text);
		if (!strstr(err.text, mutations[i].said))
			fail_msg("row %zu: no \"%s\" in: %s", i, mutations[i].said, err.text);
	}
}

TEST(a_fixed_disk_that_lost_its_middle_is_refused)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct made made = make_vhd(&fixed);
	struct image *image = NULL;
	struct error err;

	memmove(made.data + 100 * KIB, made.data + 200 * KIB, made.len - 200 * KIB);
	made.len -= 100 * KIB;
	world_add(world, "a.vhd", made);
	assert_int_equal(world_image(world, "a.vhd", NULL, &image, &err), -EINVAL);
	assert_non_null(strstr(err.text, "current size"));
}

TEST(wrong_checksums_and_cookies_are_refused)
{
	static const struct {
		size_t at;
		const char *said;
	} damage[] = {
		{ 512 + 400, "header at 512 has a wrong checksum" },
		{ 512 + 3, "header at 512 does not start with \"cxsparse\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		cleanup(world_free) struct world *world = &(struct world){ 0 };
		struct made made = make_vhd(&dynamic);
		struct image *image = NULL;
		struct error err;

		made.data[damage[i].at] ^= 1;
		world_add(world, "a.vhd", made);
		assert_int_equal(world_image(world, "a.vhd", NULL, &image, &err), -EINVAL);
		if (!strstr(err.text, damage[i].said))
			fail_msg("%s", err.text);
	}
}

TEST(a_footer_with_a_wrong_checksum_and_no_copy_is_refused_not_taken_as_raw)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct recipe fixed = { .type = VHD_FIXED, .size = 300 * KIB, .tag = 1 };
	struct made made = make_vhd(&fixed);
	struct image *image = NULL;
	struct error err;

	made.data[made.len - 1] ^= 1;
	world_add(world, "a.vhd", made);
	assert_int_equal(world_image(world, "a.vhd", NULL, &image, &err), -EINVAL);
	assert_non_null(strstr(err.text, "footer at the end of the file has a wrong checksum"));
}

static void collect_problem(void *arg, const char *text)
{
	world_warn(arg, text);
}

/* Set one table entry, say what reading and checking think of it. */
static void expect_bad_entry(uint32_t block, uint32_t entry, const char *read_said,
                             const char *check_said)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct made made = make_vhd(&dynamic);
	struct image *image = NULL;
	struct error err;
	uint8_t buf[VHD_SECTOR];
	int r;

	store_be32(made.data + MADE_TABLE + (size_t)block * 4, entry);
	world_add(world, "a.vhd", made);
	image = open_made(world, "a.vhd");
	r = image_read(image, buf, sizeof(buf), block * BLOCK, NULL, &err);
	if (read_said) {
		assert_int_equal(r, -EINVAL);
		if (!strstr(err.text, read_said))
			fail_msg("%s", err.text);
	} else {
		assert_int_equal(r, 0);
	}
	assert_true(image_check(image, collect_problem, world, NULL) > 0);
	if (!strstr(world->warned, check_said))
		fail_msg("%s", world->warned);
	image_close(image);
}

TEST(a_table_entry_that_points_astray_is_refused_by_number)
{
	const char *past = "a.vhd: block table entry 3 points past the end of the file";

	expect_bad_entry(3, 0xfffffffe, past, past);
	expect_bad_entry(3, 700, past, past);
	expect_bad_entry(3, 0, "entry 3 points into the copy of the footer", "copy of the footer");
	expect_bad_entry(3, 1, "entry 3 points into the header", "the header");
	expect_bad_entry(3, 3, "entry 3 points into the block table", "the block table");
}

TEST(the_check_finds_blocks_that_overlap)
{
	uint32_t first = (MADE_LOCATOR + 2 * VHD_SECTOR) / VHD_SECTOR;

	expect_bad_entry(3, first, NULL, "entries 1 and 3 overlap");
	expect_bad_entry(0, first + 100, NULL, "overlap");
}

TEST(the_check_finds_a_copy_that_differs)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct made made = make_vhd(&dynamic);
	struct image *image = NULL;

	store_be32(made.data + 24, 77);
	fix_checksum(made.data, VHD_FOOTER, 64);
	world_add(world, "a.vhd", made);
	image = open_made(world, "a.vhd");
	assert_int_equal(image_check(image, collect_problem, world, NULL), 1);
	assert_non_null(strstr(world->warned, "differs from the footer"));
	image_close(image);
}

/* Whatever is cut off: an error, or content that is right. */
TEST(a_truncated_file_never_reads_as_something_else)
{
	struct made whole = make_vhd(&dynamic);
	cleanup_free uint8_t *buf = malloc(dynamic.size);

	for (size_t len = 1; len < whole.len; len += len < 4096 ? 97 : 4093) {
		struct image_options options = { .format = IMAGE_VHD };
		struct source *file;
		struct image *image = NULL;
		struct error err = { 0 };
		int r;

		assert_int_equal(source_open_memory(whole.data, len, "cut.vhd", &file), 0);
		r = image_open(file, &options, &image, &err);
		if (r < 0) {
			assert_true(strncmp(err.text, "cut.vhd", 7) == 0);
			source_close(file);
			continue;
		}
		r = image_read(image, buf, dynamic.size, 0, NULL, &err);
		/* 20 KiB of the last block lie past the end of the disk. */
		if (len >= whole.len - VHD_FOOTER - 20 * KIB) {
			assert_int_equal(r, 0);
			expect_all(image, owned_in_blocks_1_2_4);
		} else {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(err.text, "past the end of the file"));
		}
		image_close(image);
	}
	free(whole.data);
}

TEST(a_locator_counts_its_space_in_sectors_or_in_bytes)
{
	for (uint32_t space = 1; space <= 4096; space += 4095) {
		cleanup(world_free) struct world *world = &(struct world){ 0 };
		struct made made = make_vhd(&child);

		store_be32(made.data + 512 + 576 + 4, space);
		fix_checksum(made.data + 512, VHD_HEADER, 36);
		world_add(world, "base.vhd", make_vhd(&dynamic));
		world_add(world, "a.vhd", made);
		image_close(open_made(world, "a.vhd"));
	}
}

TEST(info_says_what_the_headers_say)
{
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	struct image *image = NULL;
	json_t *info;

	world_add(world, "base.vhd", make_vhd(&dynamic));
	world_add(world, "child.vhd", make_vhd(&child));
	image = open_made(world, "child.vhd");
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
	cleanup(world_free) struct world *world = &(struct world){ 0 };
	pthread_t threads[8];
	struct image *image = NULL;

	world_add(world, "base.vhd", make_vhd(&dynamic));
	world_add(world, "child.vhd", make_vhd(&child));
	world_add(world, "grandchild.vhd", make_vhd(&grandchild));
	image = open_made(world, "grandchild.vhd");
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_everything, image), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	image_close(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_fixed_disk_reads_as_it_lies),
		CASE(a_dynamic_disk_is_zero_where_it_has_no_block),
		CASE(a_range_in_one_piece_costs_one_request),
		CASE(arrival_is_counted_from_the_start_of_the_buffer_over_all_pieces),
		CASE(a_differencing_disk_takes_each_sector_from_the_nearest_file_that_has_it),
		CASE(a_parent_that_only_a_mirror_has_right_is_taken_from_there),
		CASE(a_parent_is_known_by_its_id_not_by_its_name),
		CASE(a_missing_parent_is_reported_with_every_place_that_was_tried),
		CASE(a_far_child_cannot_name_a_file_of_this_host),
		CASE(a_chain_that_loops_is_refused_by_name),
		CASE(a_chain_of_64_files_opens_and_one_of_65_does_not),
		CASE(the_copy_at_the_start_stands_in_for_a_footer_that_a_crash_has_eaten),
		CASE(a_footer_of_511_bytes_counts),
		CASE(the_size_in_bytes_counts_more_than_the_geometry),
		CASE(the_geometry_is_made_as_the_specification_says),
		CASE(every_field_out_of_range_is_refused_by_name),
		CASE(a_fixed_disk_that_lost_its_middle_is_refused),
		CASE(wrong_checksums_and_cookies_are_refused),
		CASE(a_footer_with_a_wrong_checksum_and_no_copy_is_refused_not_taken_as_raw),
		CASE(a_table_entry_that_points_astray_is_refused_by_number),
		CASE(the_check_finds_blocks_that_overlap),
		CASE(the_check_finds_a_copy_that_differs),
		CASE(a_truncated_file_never_reads_as_something_else),
		CASE(a_locator_counts_its_space_in_sectors_or_in_bytes),
		CASE(info_says_what_the_headers_say),
		CASE(a_disk_of_2040_gib_costs_no_more_memory_than_a_small_one),
		CASE(many_threads_read_one_image),
	};

	return cmocka_run_group_tests_name("vhd", tests, NULL, NULL);
}
