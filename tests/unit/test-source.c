// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files and memory as sources.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/source/source.h"

/* A file of one block of data, one MiB of hole, one block of data. */
struct sparse {
	char path[32];
	int fd;
	uint8_t block[4096];
	struct source *src;
	struct error err;
};

#define SPARSE_SIZE (MIB + 2 * 4096)

static int sparse_setup(void **state)
{
	struct sparse *f = calloc(1, sizeof(*f));

	for (size_t i = 0; i < sizeof(f->block); i++)
		f->block[i] = (uint8_t)(i * 7 + 1);
	snprintf(f->path, sizeof(f->path), "/tmp/test-source-XXXXXX");
	f->fd = mkstemp(f->path);
	assert_int_equal(pwrite(f->fd, f->block, 4096, 0), 4096);
	assert_int_equal(pwrite(f->fd, f->block, 4096, SPARSE_SIZE - 4096), 4096);
	if (source_open(f->path, NULL, &f->src, &f->err) < 0)
		fail_msg("%s", f->err.text);
	*state = f;
	return 0;
}

static int sparse_teardown(void **state)
{
	struct sparse *f = *state;

	source_close(f->src);
	close(f->fd);
	unlink(f->path);
	free(f);
	return 0;
}

#define FILE_TEST(name) static void name(void **state)
#define FILE_CASE(name) cmocka_unit_test_setup_teardown(name, sparse_setup, sparse_teardown)

FILE_TEST(a_file_is_read_and_known_by_size_and_date)
{
	struct sparse *f = *state;
	uint8_t buf[8192];
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(f->src->identity.size, SPARSE_SIZE);
	assert_int_equal(f->src->identity.last_modified, st.st_mtime);
	assert_int_equal(f->src->identity.modified_ns, st.st_mtim.tv_nsec);
	assert_string_equal(f->src->name, f->path);
	assert_int_equal(source_read(f->src, buf, 8192, SPARSE_SIZE - 8192, NULL, &f->err), 0);
	assert_memory_equal(buf + 4096, f->block, 4096);
	assert_int_equal(source_read(f->src, buf, 1, SPARSE_SIZE, NULL, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "are not inside the file"));
}

FILE_TEST(holes_of_a_file_are_known_to_be_zero)
{
	struct sparse *f = *state;
	enum source_extent kind;
	uint64_t len;

	assert_int_equal(source_extent(f->src, 0, SPARSE_SIZE, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_DATA);
	assert_true(len < MIB); /* a file system may round */
	assert_int_equal(source_extent(f->src, 512 * KIB, 1000, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_ZERO);
	assert_int_equal(len, 1000);
	assert_int_equal(source_extent(f->src, SPARSE_SIZE - 100, 4096, &kind, &len, &f->err), 0);
	assert_int_equal(kind, SOURCE_EXTENT_DATA);
	assert_int_equal(len, 100);
	assert_int_equal(source_extent(f->src, SPARSE_SIZE, 1, &kind, &len, &f->err), -EINVAL);
}

FILE_TEST(a_file_that_grows_is_stale_for_ever)
{
	struct sparse *f = *state;
	uint8_t buf[16];

	assert_int_equal(ftruncate(f->fd, SPARSE_SIZE + 1), 0);
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), -ESTALE);
	assert_non_null(strstr(f->err.text, "changed while it was in use"));
	assert_int_equal(ftruncate(f->fd, SPARSE_SIZE), 0);
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), -ESTALE);
}

FILE_TEST(a_file_that_is_written_to_is_stale)
{
	struct sparse *f = *state;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };
	uint8_t buf[16];

	assert_int_equal(pwrite(f->fd, "x", 1, 0), 1);
	assert_int_equal(futimens(f->fd, times), 0); /* writes within one tick look the same */
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), -ESTALE);
}

FILE_TEST(a_file_that_is_replaced_stays_the_old_one)
{
	struct sparse *f = *state;
	char other[] = "/tmp/test-source-XXXXXX";
	uint8_t buf[16];

	close(mkstemp(other));
	assert_int_equal(rename(other, f->path), 0);
	assert_int_equal(source_read(f->src, buf, 16, 0, NULL, &f->err), 0);
	assert_memory_equal(buf, f->block, 16);
}

FILE_TEST(a_file_url_names_the_same_file)
{
	struct sparse *f = *state;
	struct source *src;
	char url[64];

	snprintf(url, sizeof(url), "file://%.5s%%74%s", f->path, f->path + 6);
	assert_int_equal(source_open(url, NULL, &src, &f->err), 0);
	assert_true(source_identity_agrees(&src->identity, &f->src->identity));
	assert_string_equal(src->name, f->path);
	source_close(src);
}

TEST(what_is_no_file_does_not_open)
{
	struct source *src;
	struct error err;

	assert_int_equal(source_open("/tmp", NULL, &src, &err), -EINVAL);
	assert_string_equal(err.text, "/tmp: is neither a file nor a block device");
	assert_int_equal(source_open("/nothing/here", NULL, &src, &err), -ENOENT);
	assert_string_equal(err.text, "/nothing/here: No such file or directory");
}

TEST(memory_is_a_source)
{
	static const uint8_t data[] = "some bytes";
	struct source *src;
	uint8_t buf[4];

	assert_int_equal(source_open_memory(data, 10, "mem", &src), 0);
	assert_int_equal(source_read(src, buf, 4, 6, NULL, NULL), 0);
	assert_memory_equal(buf, "ytes", 4);
	assert_int_equal(source_read(src, buf, 4, 7, NULL, NULL), -EINVAL);
	assert_int_equal(src->bytes_fetched, 4);
	source_close(src);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_CASE(a_file_is_read_and_known_by_size_and_date),
		FILE_CASE(holes_of_a_file_are_known_to_be_zero),
		FILE_CASE(a_file_that_grows_is_stale_for_ever),
		FILE_CASE(a_file_that_is_written_to_is_stale),
		FILE_CASE(a_file_that_is_replaced_stays_the_old_one),
		FILE_CASE(a_file_url_names_the_same_file),
		CASE(what_is_no_file_does_not_open),
		CASE(memory_is_a_source),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
