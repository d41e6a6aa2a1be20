// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/format/convert.h"
#include "disk/format/vhd.h"
#include "util/io.h"

static char dir[] = "/tmp/sill-convert-XXXXXX";

static const char *in_dir(const char *name)
{
	static char paths[8][64];
	static unsigned int n;
	char *path = paths[n++ % ARRAY_LEN(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

/* Names in the directory, for "nothing is left behind". */
static int files_in_dir(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void clear_dir(void)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	while ((entry = readdir(d)) != NULL)
		unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
}

/* Content with data, holes and zeros in long and short runs; `salt` changes some of it. */
static uint8_t *make_content(size_t size, unsigned int seed, unsigned int salt)
{
	uint8_t *content = calloc(1, size);
	unsigned int state = seed;

	for (int round = 0; round < 12; round++) {
		size_t at = (size_t)rand_r(&state) % size;
		size_t len = min_u64((size_t)rand_r(&state) % 100000 + 1, size - at);
		bool changed = salt && round % 3 == 0;

		if (changed && round % 2 == 0)
			memset(content + at, 0, len);
		else
			for (size_t i = 0; i < len; i++)
				content[at + i] = (uint8_t)(i * 31 + seed + round + changed * salt);
	}
	return content;
}

/* A raw file that has holes where it is zero. */
static void write_sparse(const char *path, const uint8_t *content, size_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);

	for (size_t at = 0; at < size; at += 4096) {
		size_t n = min_u64(4096, size - at);

		if (!is_zero(content + at, n))
			assert_int_equal(pwrite_all(fd, content + at, n, at), 0);
	}
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static struct image *open_image(const char *path)
{
	struct image_options options = { .places = SOURCE_PLACE(path) };
	struct source *file;
	struct image *image = NULL;
	struct error err;

	if (source_open(path, NULL, &file, &err) < 0 ||
	    image_open(file, &options, &image, &err) < 0)
		fail_msg("%s", err.text);
	return image;
}

static void expect_content(const char *path, const uint8_t *content, size_t size)
{
	struct image *image = open_image(path);
	cleanup_free uint8_t *got = malloc(size);
	struct error err;

	assert_int_equal(image->size, size);
	if (image_read(image, got, size, 0, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(got, content, size);
	assert_int_equal(image_check(image, NULL, NULL, NULL), 0);
	if (image->warnings)
		fail_msg("%s", json_string_value(json_array_get(image->warnings, 0)));
	image_close(image);
}

static const struct convert_options dynamic = { .format = IMAGE_VHD };
static const struct convert_options fixed = { .format = IMAGE_VHD, .subformat = VHD_WRITE_FIXED };
static const struct convert_options raw = { .format = IMAGE_RAW };

static int convert(const char *from, const char *to, const struct convert_options *options,
                   struct error *err)
{
	struct image *image = open_image(from);
	struct convert_result result;
	int r = image_convert(image, to, options, &result, err);

	image_close(image);
	return r;
}

static void must_convert(const char *from, const char *to, const struct convert_options *options)
{
	struct error err;

	if (convert(from, to, options, &err) < 0)
		fail_msg("%s", err.text);
}

static const size_t sizes[] = { 512, 4096, 2 * MIB, 2 * MIB + 512, 7 * MIB + 1536 };

TEST(every_kind_of_output_reads_back_the_same)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		cleanup_free uint8_t *content = make_content(sizes[i], (unsigned int)i + 1, 0);

		write_sparse(in_dir("a.raw"), content, sizes[i]);
		must_convert(in_dir("a.raw"), in_dir("dynamic.vhd"), &dynamic);
		expect_content(in_dir("dynamic.vhd"), content, sizes[i]);
		must_convert(in_dir("dynamic.vhd"), in_dir("fixed.vhd"), &fixed);
		expect_content(in_dir("fixed.vhd"), content, sizes[i]);
		must_convert(in_dir("fixed.vhd"), in_dir("b.raw"), &raw);
		expect_content(in_dir("b.raw"), content, sizes[i]);
		clear_dir();
	}
}

TEST(zeros_take_no_room)
{
	cleanup_free uint8_t *content = calloc(1, 64 * MIB);
	struct stat st;

	content[33 * MIB] = 1;
	write_sparse(in_dir("a.raw"), content, 64 * MIB);
	must_convert(in_dir("a.raw"), in_dir("dynamic.vhd"), &dynamic);
	assert_int_equal(stat(in_dir("dynamic.vhd"), &st), 0);
	assert_true(st.st_size < (off_t)(3 * MIB));
	assert_true(st.st_blocks * 512 < (off_t)(64 * KIB));
	must_convert(in_dir("dynamic.vhd"), in_dir("fixed.vhd"), &fixed);
	assert_int_equal(stat(in_dir("fixed.vhd"), &st), 0);
	assert_int_equal(st.st_size, 64 * MIB + 512);
	assert_true(st.st_blocks * 512 < (off_t)(64 * KIB));
	must_convert(in_dir("fixed.vhd"), in_dir("b.raw"), &raw);
	assert_int_equal(stat(in_dir("b.raw"), &st), 0);
	assert_true(st.st_blocks * 512 < (off_t)(64 * KIB));
	expect_content(in_dir("b.raw"), content, 64 * MIB);
	clear_dir();
}

/* Write child.vhd with new content over base.vhd. */
static void make_child(const uint8_t *content, size_t size, const char *base, const char *child)
{
	struct convert_options options = dynamic;

	write_sparse(in_dir("changed.raw"), content, size);
	options.parent = open_image(base);
	options.parent_url = base;
	must_convert(in_dir("changed.raw"), child, &options);
	image_close(options.parent);
}

TEST(a_differencing_disk_holds_what_differs_and_finds_its_parent)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		cleanup_free uint8_t *old = make_content(sizes[i], (unsigned int)i + 1, 0);
		cleanup_free uint8_t *new = make_content(sizes[i], (unsigned int)i + 1, 5);
		cleanup_free uint8_t *newer = make_content(sizes[i], (unsigned int)i + 1, 9);
		struct stat st;

		write_sparse(in_dir("a.raw"), old, sizes[i]);
		must_convert(in_dir("a.raw"), in_dir("base.vhd"), &dynamic);
		make_child(new, sizes[i], in_dir("base.vhd"), in_dir("child.vhd"));
		expect_content(in_dir("child.vhd"), new, sizes[i]);
		make_child(newer, sizes[i], in_dir("child.vhd"), in_dir("grandchild.vhd"));
		expect_content(in_dir("grandchild.vhd"), newer, sizes[i]);
		expect_content(in_dir("base.vhd"), old, sizes[i]);

		make_child(old, sizes[i], in_dir("base.vhd"), in_dir("same.vhd"));
		assert_int_equal(stat(in_dir("same.vhd"), &st), 0);
		assert_true(st.st_size < 8192);
		clear_dir();
	}
}

TEST(a_child_finds_its_parent_after_both_have_moved)
{
	cleanup_free uint8_t *old = make_content(3 * MIB, 1, 0), *new = make_content(3 * MIB, 1, 5);

	assert_int_equal(mkdir(in_dir("images"), 0777), 0);
	assert_int_equal(mkdir(in_dir("images/up"), 0777), 0);
	write_sparse(in_dir("a.raw"), old, 3 * MIB);
	must_convert(in_dir("a.raw"), in_dir("images/base.vhd"), &dynamic);
	make_child(new, 3 * MIB, in_dir("images/base.vhd"), in_dir("images/up/child.vhd"));
	expect_content(in_dir("images/up/child.vhd"), new, 3 * MIB);
	assert_int_equal(rename(in_dir("images"), in_dir("moved")), 0);
	expect_content(in_dir("moved/up/child.vhd"), new, 3 * MIB);

	/* Alone in another folder only the absolute path is left. */
	assert_int_equal(rename(in_dir("moved"), in_dir("images")), 0);
	assert_int_equal(rename(in_dir("images/up/child.vhd"), in_dir("child.vhd")), 0);
	expect_content(in_dir("child.vhd"), new, 3 * MIB);
	unlink(in_dir("images/base.vhd"));
	rmdir(in_dir("images/up"));
	rmdir(in_dir("images"));
	clear_dir();
}

TEST(a_parent_that_was_changed_later_is_a_warning)
{
	const struct timespec first[2] = { { .tv_sec = 1500000000 }, { .tv_sec = 1500000000 } };
	const struct timespec later[2] = { { .tv_sec = 2000000000 }, { .tv_sec = 2000000000 } };
	cleanup_free uint8_t *old = make_content(3 * MIB, 1, 0), *new = make_content(3 * MIB, 1, 5);
	struct image *image = NULL;

	write_sparse(in_dir("a.raw"), old, 3 * MIB);
	must_convert(in_dir("a.raw"), in_dir("base.vhd"), &dynamic);
	assert_int_equal(utimensat(AT_FDCWD, in_dir("base.vhd"), first, 0), 0);
	make_child(new, 3 * MIB, in_dir("base.vhd"), in_dir("child.vhd"));
	expect_content(in_dir("child.vhd"), new, 3 * MIB);
	assert_int_equal(utimensat(AT_FDCWD, in_dir("base.vhd"), later, 0), 0);
	image = open_image(in_dir("child.vhd"));
	assert_int_equal(json_array_size(image->warnings), 1);
	assert_non_null(
		strstr(json_string_value(json_array_get(image->warnings, 0)), "parent timestamp"));
	image_close(image);
	clear_dir();
}

TEST(a_parent_that_does_not_fit_is_refused)
{
	cleanup_free uint8_t *content = make_content(3 * MIB, 1, 0);
	struct convert_options options = dynamic;
	struct error err;

	write_sparse(in_dir("a.raw"), content, 3 * MIB);
	write_sparse(in_dir("b.raw"), content, 2 * MIB);
	options.parent_url = in_dir("b.raw");
	options.parent = open_image(options.parent_url);
	assert_int_equal(convert(in_dir("a.raw"), in_dir("child.vhd"), &options, &err), -EINVAL);
	assert_non_null(strstr(err.text, "must be a VHD"));
	image_close(options.parent);
	must_convert(in_dir("b.raw"), in_dir("b.vhd"), &dynamic);
	options.parent_url = in_dir("b.vhd");
	options.parent = open_image(options.parent_url);
	assert_int_equal(convert(in_dir("a.raw"), in_dir("child.vhd"), &options, &err), -EINVAL);
	assert_non_null(strstr(err.text, "its parent"));
	image_close(options.parent);
	assert_int_equal(files_in_dir(), 3);
	clear_dir();
}

TEST(azure_gets_a_fixed_file_of_whole_mebibytes_and_a_footer)
{
	cleanup_free uint8_t *content = make_content(3 * MIB + 512, 1, 0);
	struct convert_options options = fixed;
	struct stat st;
	struct image *image = NULL;

	options.azure = true;
	write_sparse(in_dir("a.raw"), content, 3 * MIB + 512);
	must_convert(in_dir("a.raw"), in_dir("a.vhd"), &options);
	assert_int_equal(stat(in_dir("a.vhd"), &st), 0);
	assert_int_equal(st.st_size, 4 * MIB + 512);
	image = open_image(in_dir("a.vhd"));
	assert_int_equal(image->size, 4 * MIB);
	image_close(image);
	clear_dir();
}

/* QEMU cuts a disk at its geometry when it does not know the creator. */
TEST(the_geometry_is_exact_or_the_largest_there_is)
{
	static const struct {
		size_t size;
		const char *geometry;
	} known[] = { { 3 * MIB, "65535/16/255" }, { 100 * 4 * 17 * 512, "100/4/17" } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		cleanup_free uint8_t *content = make_content(known[i].size, 1, 0);
		struct image *image = NULL;
		json_t *info;

		write_sparse(in_dir("a.raw"), content, known[i].size);
		must_convert(in_dir("a.raw"), in_dir("a.vhd"), &dynamic);
		image = open_image(in_dir("a.vhd"));
		assert_int_equal(image_info(image, &info, NULL), 0);
		assert_string_equal(json_string_value(json_object_get(info, "geometry")),
		                    known[i].geometry);
		assert_string_equal(json_string_value(json_object_get(info, "creator")),
		                    "sill 1.0");
		json_decref(info);
		image_close(image);
		clear_dir();
	}
}

TEST(a_file_that_is_there_stays_without_force)
{
	cleanup_free uint8_t *content = make_content(MIB, 1, 0);
	struct convert_options options = raw;
	struct error err;

	write_sparse(in_dir("a.raw"), content, MIB);
	write_sparse(in_dir("b.raw"), (const uint8_t *)"old", 3);
	assert_int_equal(convert(in_dir("a.raw"), in_dir("b.raw"), &options, &err), -EEXIST);
	assert_non_null(strstr(err.text, "--force"));
	options.force = true;
	must_convert(in_dir("a.raw"), in_dir("b.raw"), &options);
	expect_content(in_dir("b.raw"), content, MIB);
	/* Even onto itself. */
	must_convert(in_dir("b.raw"), in_dir("b.raw"), &options);
	expect_content(in_dir("b.raw"), content, MIB);
	assert_int_equal(convert(in_dir("a.raw"), dir, &options, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a regular file"));
	assert_int_equal(files_in_dir(), 2);
	clear_dir();
}

TEST(a_write_that_fails_leaves_nothing_behind)
{
	cleanup_free uint8_t *content = make_content(8 * MIB, 1, 0);
	struct rlimit old, small = { 0 };
	struct error err;
	int r;

	memset(content + 6 * MIB, 7, MIB);
	write_sparse(in_dir("a.raw"), content, 8 * MIB);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 2 * MIB, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = convert(in_dir("a.raw"), in_dir("b.raw"), &raw, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(err.text, "b.raw: writing at byte"));
	assert_int_equal(files_in_dir(), 1);
	clear_dir();
}

/* A source that fails in the middle of the disk. */
static int failing_read(struct source *src, void *buf, size_t len, uint64_t off,
                        const struct source_read *how __attribute__((unused)), struct error *err)
{
	if (off + len > 20 * MIB)
		return error_set(err, EIO, "%s: out of order", src->name);
	memset(buf, 3, len);
	return 0;
}

static void failing_close(struct source *src)
{
	(void)src;
}

TEST(a_read_that_fails_leaves_nothing_behind_and_says_why)
{
	static const struct source_ops ops = { .read = failing_read, .close = failing_close };
	static char name[] = "far.raw";
	struct source file = { .ops = &ops, .name = name, .identity = { .size = 64 * MIB } };
	const struct image_options as_raw = { .format = IMAGE_RAW };
	struct convert_result result;
	struct image *image = NULL;
	struct error err;

	assert_int_equal(image_open(&file, &as_raw, &image, NULL), 0);
	assert_int_equal(image_convert(image, in_dir("b.vhd"), &dynamic, &result, &err), -EIO);
	assert_string_equal(err.text, "far.raw: out of order");
	assert_int_equal(files_in_dir(), 0);
	image_close(image);
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t total)
{
	assert_true(done <= total);
	(*(unsigned int *)arg)++;
	return false;
}

TEST(stopping_leaves_nothing_behind)
{
	cleanup_free uint8_t *content = make_content(8 * MIB, 1, 0);
	struct convert_options options = dynamic;
	unsigned int called = 0;
	struct error err;

	options.progress = stop_at_once;
	options.arg = &called;
	write_sparse(in_dir("a.raw"), content, 8 * MIB);
	assert_int_equal(convert(in_dir("a.raw"), in_dir("b.vhd"), &options, &err), -EINTR);
	assert_int_equal(called, 1);
	assert_int_equal(files_in_dir(), 1);
	clear_dir();
}

TEST(a_disk_that_is_too_large_for_a_vhd_is_refused)
{
	struct error err;
	int fd = open(in_dir("a.raw"), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);

	assert_int_equal(ftruncate(fd, (off_t)(2041 * GIB)), 0);
	close(fd);
	assert_int_equal(convert(in_dir("a.raw"), in_dir("a.vhd"), &dynamic, &err), -EFBIG);
	assert_non_null(strstr(err.text, "2040 GiB"));
	assert_int_equal(truncate(in_dir("a.raw"), (off_t)(2040 * GIB)), 0);
	must_convert(in_dir("a.raw"), in_dir("a.vhd"), &dynamic);
	clear_dir();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_kind_of_output_reads_back_the_same),
		CASE(zeros_take_no_room),
		CASE(a_differencing_disk_holds_what_differs_and_finds_its_parent),
		CASE(a_child_finds_its_parent_after_both_have_moved),
		CASE(a_parent_that_was_changed_later_is_a_warning),
		CASE(a_parent_that_does_not_fit_is_refused),
		CASE(azure_gets_a_fixed_file_of_whole_mebibytes_and_a_footer),
		CASE(the_geometry_is_exact_or_the_largest_there_is),
		CASE(a_file_that_is_there_stays_without_force),
		CASE(a_write_that_fails_leaves_nothing_behind),
		CASE(a_read_that_fails_leaves_nothing_behind_and_says_why),
		CASE(stopping_leaves_nothing_behind),
		CASE(a_disk_that_is_too_large_for_a_vhd_is_refused),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests_name("convert", tests, NULL, NULL);
	clear_dir();
	rmdir(dir);
	return failed;
}
