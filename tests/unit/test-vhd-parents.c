// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a differencing VHD finds its parent, and which file it takes for it. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/unit/vhd-chain.h"

TEST(a_differencing_disk_takes_each_sector_from_the_nearest_file_that_has_it)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct image *image = NULL;

	vhd_add(files, "d/base.vhd", make_vhd(&dynamic));
	vhd_add(files, "d/child.vhd", make_vhd(&child));
	vhd_add(files, "d/grandchild.vhd", make_vhd(&grandchild));
	image = files_image_or_fail(files, "d/child.vhd", NULL);
	expect_all(image, owned_in_child);
	expect_map(image, owned_in_child);
	image_close(image);
	image = files_image_or_fail(files, "d/grandchild.vhd", NULL);
	expect_all(image, owned_in_grandchild);
	expect_map(image, owned_in_grandchild);
	assert_int_equal(image_check(image, NULL, NULL, NULL), 0);
	assert_string_equal(files->warned.text, "");
	image_close(image);
}

TEST(a_parent_that_only_a_mirror_has_right_is_taken_from_there)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct source_place places[] = { { .url = "a/child.vhd" },
		                         { .url = "gone/child.vhd", .priority = 1 },
		                         { .url = "b/child.vhd", .priority = 2 } };
	const struct image_options options = { .places = { places, ARRAY_LEN(places) },
		                               .open_parent = files_open_parent,
		                               .arg = files };
	struct recipe impostor = dynamic;
	struct source *file;
	struct image *image = NULL;
	struct error err;

	impostor.tag = 9;
	vhd_add(files, "a/child.vhd", make_vhd(&child));
	vhd_add(files, "a/base.vhd", make_vhd(&impostor));
	vhd_add(files, "b/base.vhd", make_vhd(&dynamic));
	assert_int_equal(files_open(files, "a/child.vhd", &file, &err), 0);
	assert_int_equal(image_open(file, &options, &image, &err), 0);
	expect_all(image, owned_in_child);
	image_close(image);
}

TEST(a_parent_is_known_by_its_id_not_by_its_name)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe impostor = dynamic, lost = child;
	struct image *image = NULL;
	struct error err;

	impostor.tag = 9;
	lost.absolute = "/far/base.vhd";
	vhd_add(files, "d/base.vhd", make_vhd(&impostor));
	vhd_add(files, "/far/base.vhd", make_vhd(&dynamic));
	vhd_add(files, "d/child.vhd", make_vhd(&lost));
	vhd_add(files, "given.vhd", make_vhd(&dynamic));
	image = files_image_or_fail(files, "d/child.vhd", NULL);
	assert_string_equal(image->parent->file->name, "/far/base.vhd");
	expect_all(image, owned_in_child);
	image_close(image);

	assert_int_equal(files_image(files, "d/child.vhd", "given.vhd", &image, &err), 0);
	assert_string_equal(image->parent->file->name, "given.vhd");
	assert_string_equal(files->opened, " given.vhd");
	image_close(image);

	assert_int_equal(files_image(files, "d/child.vhd", "d/base.vhd", &image, &err), 0);
	assert_string_equal(image->parent->file->name, "/far/base.vhd");
	image_close(image);
}

TEST(a_missing_parent_is_reported_with_every_place_that_was_tried)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe impostor = dynamic, lost = child;
	struct image *image = NULL;
	struct error err;

	impostor.tag = 9;
	lost.beside = "..\\up\\base.vhd";
	lost.absolute = "C:\\images\\other.vhd";
	vhd_add(files, "d/base.vhd", make_vhd(&impostor));
	vhd_add(files, "d/child.vhd", make_vhd(&lost));
	assert_int_equal(files_image(files, "d/child.vhd", "here.vhd", &image, &err), -ENOENT);
	assert_non_null(strstr(err.text, "d/child.vhd: its parent was not found"));
	assert_non_null(strstr(err.text, "here.vhd (not there)"));
	assert_non_null(strstr(err.text, "up/base.vhd (not there)"));
	assert_non_null(strstr(err.text, "d/base.vhd (another unique id)"));
	assert_non_null(strstr(err.text, "d/other.vhd (not there)"));
}

TEST(a_far_child_cannot_name_a_file_of_this_host)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe lost = child;
	struct image *image = NULL;
	struct error err;

	lost.beside = NULL;
	lost.absolute = "/etc/base.vhd";
	vhd_add(files, "/etc/base.vhd", make_vhd(&dynamic));
	vhd_add(files, "http://far/child.vhd", make_vhd(&lost));
	assert_true(files_image(files, "http://far/child.vhd", NULL, &image, &err) < 0);
	assert_non_null(strstr(err.text, "names a file of this computer"));
	assert_null(strstr(files->opened, "/etc"));
	assert_int_equal(files_image(files, "http://far/child.vhd", "/etc/base.vhd", &image, &err),
	                 0);
	image_close(image);
}

TEST(a_chain_that_loops_is_refused_by_name)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
	struct recipe a = child, b = child;
	struct image *image = NULL;
	struct error err;

	a.tag = 1, a.parent = 2, a.beside = "b.vhd";
	b.tag = 2, b.parent = 1, b.beside = "a.vhd";
	vhd_add(files, "a.vhd", make_vhd(&a));
	vhd_add(files, "b.vhd", make_vhd(&b));
	assert_true(files_image(files, "a.vhd", NULL, &image, &err) < 0);
	assert_non_null(strstr(err.text, "a child of itself"));

	/* The same loop by way of a copy with another name. */
	vhd_add(files, "copy/a.vhd", make_vhd(&a));
	vhd_add(files, "copy/b.vhd", make_vhd(&b));
	a.beside = "copy\\b.vhd";
	vhd_add(files, "c.vhd", make_vhd(&a));
	assert_int_equal(files_image(files, "c.vhd", NULL, &image, &err), -ELOOP);
	assert_non_null(strstr(err.text, "copy/a.vhd: the chain of parents loops"));
}

TEST(a_chain_of_64_files_opens_and_one_of_65_does_not)
{
	cleanup(files_free) struct files *files = &(struct files){ 0 };
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
		vhd_add(files, names[i], make_vhd(&link));
	}
	image = files_image_or_fail(files, "63.vhd", NULL);
	expect(image, owned_by_1, 0, BLOCK);
	image_close(image);
	assert_int_equal(files_image(files, "64.vhd", NULL, &image, &err), -ELOOP);
	assert_non_null(strstr(err.text, "deeper than 64"));
}

TEST(a_locator_counts_its_space_in_sectors_or_in_bytes)
{
	for (uint32_t space = 1; space <= 4096; space += 4095) {
		cleanup(files_free) struct files *files = &(struct files){ 0 };
		struct made made = make_vhd(&child);

		store_be32(made.data + 512 + 576 + 4, space);
		fix_checksum(made.data + 512, VHD_HEADER, 36);
		vhd_add(files, "base.vhd", make_vhd(&dynamic));
		vhd_add(files, "a.vhd", made);
		image_close(files_image_or_fail(files, "a.vhd", NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_differencing_disk_takes_each_sector_from_the_nearest_file_that_has_it),
		CASE(a_parent_that_only_a_mirror_has_right_is_taken_from_there),
		CASE(a_parent_is_known_by_its_id_not_by_its_name),
		CASE(a_missing_parent_is_reported_with_every_place_that_was_tried),
		CASE(a_far_child_cannot_name_a_file_of_this_host),
		CASE(a_chain_that_loops_is_refused_by_name),
		CASE(a_chain_of_64_files_opens_and_one_of_65_does_not),
		CASE(a_locator_counts_its_space_in_sectors_or_in_bytes),
	};

	return cmocka_run_group_tests_name("vhd-parents", tests, NULL, NULL);
}
