// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/near-fixture.h"

#include <errno.h>

#include "base/bits.h"
#include "disk/near/meta.h"

#define SIZE 50000u

static uint8_t content[SIZE], got[SIZE];

/* A source that can be turned off. */
struct far {
	struct source src;
	bool gone;
	uint64_t served;
};

static int far_read(struct source *src, void *buf, size_t len, uint64_t off,
                    const struct source_read *how, struct error *err)
{
	struct far *far = container_of(src, struct far, src);

	(void)how;
	if (far->gone)
		return error_set(err, EIO, "gone");
	memcpy(buf, content + off, len);
	far->served += len;
	return 0;
}

static void far_close(struct source *src)
{
	(void)src;
}

static const struct source_ops far_ops = { .read = far_read, .close = far_close };
static char far_name[] = "far.vhd";

static struct source *open_far(struct far *far, const char *dir)
{
	struct source *src = NULL;

	memset(far, 0, sizeof(*far));
	far->src.ops = &far_ops;
	far->src.name = far_name;
	far->src.identity.size = SIZE;
	far->src.identity.last_modified = 12345;
	for (unsigned int i = 0; i < SIZE; i++)
		content[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(meta_open(&far->src, dir, 3, &src, NULL), 0);
	return src;
}

static int get(struct source *src, size_t len, uint64_t off, bool metadata)
{
	struct source_read how = { .metadata = metadata };
	int r;

	memset(got, 0xEE, sizeof(got));
	r = source_read(src, got, len, off, &how, NULL);
	if (r == 0)
		assert_memory_equal(got, content + off, len);
	return r;
}

TEST(what_was_read_as_metadata_is_there_without_the_server)
{
	struct near_fixture f;
	struct source *src;
	struct far far;

	fixture_make(&f, 4096, 0);
	src = open_far(&far, f.cache);
	assert_int_equal(get(src, 512, SIZE - 512, true), 0);
	assert_int_equal(get(src, 1024, 4000, true), 0);
	assert_int_equal(get(src, 100, 30000, false), 0);
	for (int reopen = 0; reopen < 2; reopen++) {
		far.gone = true;
		/* Whole blocks were kept, up to the end of the file. */
		assert_int_equal(get(src, 8192, 0, true), 0);
		assert_int_equal(get(src, SIZE % 4096, SIZE - SIZE % 4096, true), 0);
		assert_int_equal(get(src, 100, 30000, true), -EIO);
		assert_int_equal(get(src, 100, 0, false), -EIO);
		source_close(src);
		src = open_far(&far, f.cache);
	}
	source_close(src);
	fixture_remove(&f);
}

TEST(only_what_is_missing_is_fetched)
{
	struct near_fixture f;
	struct source *src;
	struct far far;

	fixture_make(&f, 4096, 0);
	src = open_far(&far, f.cache);
	assert_int_equal(get(src, 1, 4096, true), 0);
	assert_int_equal(get(src, 1, 12288, true), 0);
	assert_int_equal(far.served, 8192);
	assert_int_equal(get(src, 20000, 100, true), 0);
	assert_int_equal(far.served, 5 * 4096);
	source_close(src);
	fixture_remove(&f);
}

TEST(metadata_of_another_version_of_the_file_is_refused)
{
	struct near_fixture f;
	struct source *src = NULL;
	struct error err;
	struct far far;

	fixture_make(&f, 4096, 0);
	src = open_far(&far, f.cache);
	source_close(src);
	far.src.identity.last_modified++;
	assert_int_equal(meta_open(&far.src, f.cache, 3, &src, &err), -ESTALE);
	assert_non_null(strstr(err.text, "meta-3.map"));
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_read_as_metadata_is_there_without_the_server),
		CASE(only_what_is_missing_is_fetched),
		CASE(metadata_of_another_version_of_the_file_is_refused),
	};

	return cmocka_run_group_tests_name("near-meta", tests, NULL, NULL);
}
