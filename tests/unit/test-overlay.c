// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk with changes of its own, against a plain array that is changed in the same way.
 */
#include "tests/unit/library-folder.h"

#include "library/overlay.h"

static struct overlay *over(struct image *below)
{
	struct overlay *overlay = NULL;
	struct error err = { 0 };

	if (overlay_open(below, "/tmp", &overlay, &err) < 0)
		fail_msg("%s", err.text);
	return overlay;
}

TEST(any_changes_read_back_as_in_a_plain_array)
{
	uint8_t *disk = usual_disk(), *model = malloc(DISK), *buf = malloc(DISK);
	struct image *below = raw_image(disk, DISK), *image;
	struct overlay *overlay = over(below);
	struct guest_disk *change = overlay_disk(overlay);
	uint64_t x = 88172645463325252ULL;

	memcpy(model, disk, DISK);
	for (unsigned int round = 0; round < 400; round++) {
		uint64_t off, len;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		off = x % DISK;
		len = (x >> 24) % min_u64(DISK - off, round % 5 ? 9000 : 200000) + 1;
		len = min_u64(len, DISK - off);
		if (round % 3) {
			memset(buf, (int)(round | 1), len);
			memcpy(model + off, buf, len);
			assert_int_equal(change->write(change, buf, len, off, NULL), 0);
		} else {
			memset(model + off, 0, len);
			assert_int_equal(change->zero(change, len, off, NULL), 0);
		}
	}
	assert_int_equal(change->read(change, buf, DISK, 0, NULL), 0);
	assert_memory_equal(buf, model, DISK);
	assert_int_equal(overlay_image(overlay, &image, NULL), 0);
	expect_disk(image, model, 100 * 512);
	image_close(image);
	overlay_close(overlay);
	/* What is below stays as it was. */
	expect_disk(below, disk, 16 * CHUNK);
	image_close(below);
	free(disk);
	free(model);
	free(buf);
}

TEST(zeros_of_a_large_disk_are_known_without_reading)
{
	static const uint8_t head[4096] = { 1 };
	struct image *below = raw_image(head, sizeof(head)), *image;
	struct overlay *overlay = over(below);
	struct guest_disk *change = overlay_disk(overlay);
	enum image_extent kind;
	uint64_t len;

	assert_int_equal(change->zero(change, 4096, 0, NULL), 0);
	assert_int_equal(overlay_image(overlay, &image, NULL), 0);
	assert_int_equal(image_map(image, 0, 4096, NULL, &kind, &len, NULL), 0);
	assert_int_equal(kind, IMAGE_EXTENT_ZERO);
	assert_int_equal(len, 4096);
	image_close(image);
	overlay_close(overlay);
	image_close(below);
}

/* A disk of 1 TiB that is not there: only its size counts. */
static int no_read(struct source *src, void *buf, size_t len, uint64_t off,
                   const struct source_read *how, struct error *err)
{
	(void)src;
	(void)off;
	(void)how;
	(void)err;
	memset(buf, 7, len);
	return 0;
}

static void no_close(struct source *src)
{
	free(src->name);
	free(src);
}

TEST(free_space_of_a_terabyte_costs_next_to_nothing)
{
	static const struct source_ops ops = { .read = no_read, .close = no_close };
	const struct image_options options = { .format = IMAGE_RAW };
	struct source *src = calloc(1, sizeof(*src));
	struct image *below = NULL, *image;
	struct overlay *overlay;
	struct guest_disk *change;
	enum image_extent kind;
	uint64_t len;
	uint8_t byte;

	src->ops = &ops;
	src->name = strdup("large");
	src->identity.size = TIB;
	assert_int_equal(image_open(src, &options, &below, NULL), 0);
	overlay = over(below);
	change = overlay_disk(overlay);
	assert_int_equal(change->zero(change, TIB - 4 * 4096 - 4096 - 512, 4096 + 512, NULL), 0);
	assert_int_equal(overlay_image(overlay, &image, NULL), 0);
	assert_int_equal(image_map(image, 8192, TIB - 8192, NULL, &kind, &len, NULL), 0);
	assert_int_equal(kind, IMAGE_EXTENT_ZERO);
	assert_true(len == TIB - 4 * 4096 - 8192);
	assert_int_equal(image_read(image, &byte, 1, 4096 + 511, NULL, NULL), 0);
	assert_int_equal(byte, 7);
	assert_int_equal(image_read(image, &byte, 1, 4096 + 512, NULL, NULL), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(image_read(image, &byte, 1, TIB - 4 * 4096, NULL, NULL), 0);
	assert_int_equal(byte, 7);
	image_close(image);
	overlay_close(overlay);
	image_close(below);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(any_changes_read_back_as_in_a_plain_array),
		CASE(zeros_of_a_large_disk_are_known_without_reading),
		CASE(free_space_of_a_terabyte_costs_next_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
