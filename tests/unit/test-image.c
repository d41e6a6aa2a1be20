// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"
#include "disk/format/format.h"
#include "disk/format/pages.h"

static struct source *memory(const void *data, size_t len)
{
	struct source *file;

	assert_int_equal(source_open_memory(data, len, "disk.img", &file), 0);
	return file;
}

/* What detection says of a file of 64 KiB that starts like this. */
static int detect(const void *magic, size_t len, bool partitioned, enum image_format *ret,
                  struct error *err)
{
	static uint8_t data[64 * KIB];
	struct source *file;
	int r;

	memset(data, 0x3c, sizeof(data));
	memcpy(data, magic, len);
	if (partitioned) {
		memset(data + 446, 0, 64);
		data[446] = 0x80;
		data[446 + 4] = 0x83;
		store_le32(data + 446 + 8, 2048);
		store_le32(data + 446 + 12, 2048);
		data[510] = 0x55;
		data[511] = 0xaa;
	}
	file = memory(data, sizeof(data));
	r = image_detect(file, ret, err);
	source_close(file);
	return r;
}

static const struct {
	const char *magic;
	size_t len;
	const char *said;
} refused[] = {
	{ "\x1f\x8b\x08", 3, "gunzip" },
	{ "\xfd"
	  "7zXZ\0",
	  6, "unxz" },
	{ "\x28\xb5\x2f\xfd", 4, "unzstd" },
	{ "BZh9", 4, "bunzip2" },
	{ "KDMV", 4, "qemu-img convert" },
	{ "<<< Oracle VM VirtualBox Disk Image >>>", 39, "qemu-img convert" },
};

TEST(what_cannot_be_read_at_random_is_refused_with_what_to_do)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		enum image_format format;
		struct error err;

		assert_int_equal(detect(refused[i].magic, refused[i].len, false, &format, &err),
		                 -ENOTSUP);
		if (!strstr(err.text, refused[i].said))
			fail_msg("%s", err.text);
		assert_non_null(strstr(err.text, "--format raw"));
	}
}

TEST(a_partition_table_outranks_every_mark_at_the_start)
{
	static const char *const marks[] = { "conectix", "vhdxfile", "QFI\xfb" };
	enum image_format format;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_int_equal(detect(refused[i].magic, refused[i].len, true, &format, NULL), 0);
		assert_int_equal(format, IMAGE_RAW);
	}
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		assert_int_equal(detect(marks[i], strlen(marks[i]), true, &format, NULL), 0);
		assert_int_equal(format, IMAGE_RAW);
	}
}

TEST(a_gpt_outranks_a_mark_with_sectors_of_512_and_of_4096_bytes)
{
	for (size_t sector = 512; sector <= 4096; sector += 4096 - 512) {
		uint8_t data[8192] = "BZh9";
		enum image_format format;

		memcpy(data + sector, "EFI PART", 8);
		assert_int_equal(detect(data, sizeof(data), false, &format, NULL), 0);
		assert_int_equal(format, IMAGE_RAW);
	}
}

TEST(the_boot_signature_alone_does_not_make_a_compressed_file_a_disk)
{
	uint8_t data[512] = "BZh9";
	enum image_format format;

	for (size_t i = 4; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	data[510] = 0x55;
	data[511] = 0xaa;
	assert_int_equal(detect(data, sizeof(data), false, &format, NULL), -ENOTSUP);
}

TEST(the_format_that_a_person_says_is_not_doubted)
{
	static const uint8_t data[4096] = "BZh91AY&SY";
	struct image_options options = { .format = IMAGE_RAW };
	struct source *file = memory(data, sizeof(data));
	struct image *image;
	uint8_t got[10];

	assert_int_equal(image_open(file, NULL, &image, NULL), -ENOTSUP);
	assert_int_equal(image_open(file, &options, &image, NULL), 0);
	assert_int_equal(image_read(image, got, sizeof(got), 0, NULL, NULL), 0);
	assert_memory_equal(got, data, sizeof(got));
	image_close(image);
}

TEST(a_raw_disk_of_odd_size_is_filled_up_with_zeros)
{
	uint8_t data[1000], got[1024], want[1024] = { 0 };
	struct source *file;
	struct image *image;
	enum image_extent kind;
	uint64_t len;

	memset(data, 0x77, sizeof(data));
	memset(want, 0x77, sizeof(data));
	file = memory(data, sizeof(data));
	assert_int_equal(image_open(file, NULL, &image, NULL), 0);
	assert_int_equal(image->size, 1024);
	assert_int_equal(json_array_size(image->warnings), 1);
	assert_int_equal(image_read(image, got, 1024, 0, NULL, NULL), 0);
	assert_memory_equal(got, want, 1024);
	assert_int_equal(image_read(image, got, 10, 1010, NULL, NULL), 0);
	assert_memory_equal(got, want + 1010, 10);
	assert_int_equal(image_map(image, 512, 512, NULL, &kind, &len, NULL), 0);
	assert_int_equal(kind, IMAGE_EXTENT_DATA);
	assert_int_equal(len, 512);
	image_close(image);
}

TEST(ranges_outside_the_disk_are_refused)
{
	uint8_t data[1024] = { 0 }, got[1024];
	struct source *file = memory(data, sizeof(data));
	enum image_extent kind;
	struct image *image;
	uint64_t len;

	assert_int_equal(image_open(file, NULL, &image, NULL), 0);
	assert_int_equal(image_read(image, got, 1, 1024, NULL, NULL), -EINVAL);
	assert_int_equal(image_read(image, got, 1024, 1, NULL, NULL), -EINVAL);
	assert_int_equal(image_read(image, got, 8, UINT64_MAX - 3, NULL, NULL), -EINVAL);
	assert_int_equal(image_read(image, got, 0, 1024, NULL, NULL), 0);
	assert_int_equal(image_map(image, 0, 1536, NULL, &kind, &len, NULL), -EINVAL);
	assert_int_equal(image_map(image, 0, 0, NULL, &kind, &len, NULL), -EINVAL);
	assert_int_equal(image_map(image, 1, 512, NULL, &kind, &len, NULL), -EINVAL);
	image_close(image);
}

TEST(an_empty_file_is_no_disk)
{
	struct source *file = memory("", 0);
	struct image *image;
	struct error err;

	assert_int_equal(image_open(file, NULL, &image, &err), -EINVAL);
	assert_string_equal(err.text, "disk.img: the file is empty");
	source_close(file);
}

TEST(names_of_formats_are_read_and_written)
{
	enum image_format format;
	struct error err;

	assert_int_equal(image_format_parse("vpc", &format, NULL), 0);
	assert_int_equal(format, IMAGE_VHD);
	assert_int_equal(image_format_parse("RAW", &format, NULL), 0);
	assert_int_equal(format, IMAGE_RAW);
	assert_int_equal(image_format_parse("auto", &format, NULL), 0);
	assert_int_equal(format, IMAGE_AUTO);
	assert_int_equal(image_format_parse("vmdk", &format, &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"vmdk\""));
	assert_non_null(strstr(err.text, "vhd"));
	assert_string_equal(image_format_name(IMAGE_VHD), "vhd");
	assert_null(image_format_name(IMAGE_AUTO));
}

/* The name of the near store must change with anything that changes content. */
TEST(an_id_stands_for_size_format_and_identity)
{
	uint8_t data[2048] = "one", other[2048] = "two", id[3][32];
	const struct {
		const uint8_t *data;
		size_t len;
	} files[] = { { data, 2048 }, { data, 2048 }, { other, 2048 } };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct source *file = memory(files[i].data, files[i].len);
		struct image *image;

		assert_int_equal(image_open(file, NULL, &image, NULL), 0);
		assert_int_equal(image_id(image, id[i], NULL), 0);
		if (i == 1) {
			uint8_t half[32];

			image->size -= 512;
			assert_int_equal(image_id(image, half, NULL), 0);
			assert_memory_not_equal(half, id[0], 32);
		}
		image_close(image);
	}
	assert_memory_equal(id[0], id[1], 32);
	assert_memory_not_equal(id[0], id[2], 32);
}

TEST(images_of_one_size_and_date_have_ids_of_their_own)
{
	uint8_t data[2048] = "one", other[2048] = "two", id[2][32];

	for (size_t i = 0; i < 2; i++) {
		const struct image_options said = { .format = IMAGE_RAW };
		struct source *file = memory(i ? other : data, sizeof(data));
		struct image *image;

		file->identity = (struct source_identity){ .size = 2048, .last_modified = 1 };
		assert_int_equal(image_open(file, i ? &said : NULL, &image, NULL), 0);
		assert_int_equal(image_id(image, id[i], NULL), 0);
		image_close(image);
	}
	assert_memory_not_equal(id[0], id[1], 32);
}

TEST(paths_in_utf16_become_utf8_with_slashes)
{
	/* a \ ä € U+1F600, a lone low surrogate, a lone high one at the end */
	static const uint16_t units[] = { 'a', '\\', 0xe4, 0x20ac, 0xd83d, 0xde00, 0xdc00, 0xd800 };
	uint8_t big[2 * ARRAY_LEN(units)], little[2 * ARRAY_LEN(units)];
	const char *want = "a/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd";
	char *text;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		store_be16(big + 2 * i, units[i]);
		store_le16(little + 2 * i, units[i]);
	}
	text = utf16_path(big, sizeof(big), true);
	assert_string_equal(text, want);
	free(text);
	text = utf16_path(little, sizeof(little), false);
	assert_string_equal(text, want);
	free(text);
	text = utf16_path(little, 3, false);
	assert_string_equal(text, "a");
	free(text);
}

/* A source whose first read ends when it is hurried. */
struct reluctant {
	struct source src;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool asked, hurried;
};

static void reluctant_wake(void *arg, bool fired)
{
	struct reluctant *file = arg;

	pthread_mutex_lock(&file->lock);
	file->hurried |= !fired;
	pthread_cond_broadcast(&file->changed);
	pthread_mutex_unlock(&file->lock);
}

static int reluctant_read(struct source *src, void *buf, size_t len,
                          uint64_t off __attribute__((unused)), const struct source_read *how,
                          struct error *err __attribute__((unused)))
{
	struct reluctant *file = container_of(src, struct reluctant, src);

	assert_true(source_cancel_arm(how->cancel, reluctant_wake, file));
	pthread_mutex_lock(&file->lock);
	file->asked = true;
	pthread_cond_broadcast(&file->changed);
	while (!file->hurried)
		pthread_cond_wait(&file->changed, &file->lock);
	pthread_mutex_unlock(&file->lock);
	source_cancel_disarm(how->cancel);
	memset(buf, 'p', len);
	return 0;
}

static void *load_page(void *pages)
{
	struct source_cancel cancel;
	const struct source_read how = { .priority = SOURCE_BACKGROUND, .cancel = &cancel };
	char byte = 0;

	source_cancel_init(&cancel);
	assert_int_equal(pages_read(pages, &byte, 1, 0, &how, NULL), 0);
	source_cancel_destroy(&cancel);
	return NULL;
}

TEST(who_waits_for_a_table_hurries_the_one_who_reads_it)
{
	static const struct source_ops ops = { .read = reluctant_read };
	struct reluctant file = { .src = { .ops = &ops, .identity.size = 8192 },
		                  .lock = PTHREAD_MUTEX_INITIALIZER,
		                  .changed = PTHREAD_COND_INITIALIZER };
	struct pages *pages;
	pthread_t thread;
	char byte = 0;

	assert_int_equal(pages_new(&file.src, 4096, 4, &pages, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, load_page, pages), 0);
	pthread_mutex_lock(&file.lock);
	while (!file.asked)
		pthread_cond_wait(&file.changed, &file.lock);
	pthread_mutex_unlock(&file.lock);
	assert_int_equal(pages_read(pages, &byte, 1, 17, NULL, NULL), 0);
	assert_int_equal(byte, 'p');
	pthread_join(thread, NULL);
	pages_free(pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_cannot_be_read_at_random_is_refused_with_what_to_do),
		CASE(a_partition_table_outranks_every_mark_at_the_start),
		CASE(a_gpt_outranks_a_mark_with_sectors_of_512_and_of_4096_bytes),
		CASE(the_boot_signature_alone_does_not_make_a_compressed_file_a_disk),
		CASE(the_format_that_a_person_says_is_not_doubted),
		CASE(a_raw_disk_of_odd_size_is_filled_up_with_zeros),
		CASE(ranges_outside_the_disk_are_refused),
		CASE(an_empty_file_is_no_disk),
		CASE(names_of_formats_are_read_and_written),
		CASE(an_id_stands_for_size_format_and_identity),
		CASE(images_of_one_size_and_date_have_ids_of_their_own),
		CASE(paths_in_utf16_become_utf8_with_slashes),
		CASE(who_waits_for_a_table_hurries_the_one_who_reads_it),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
