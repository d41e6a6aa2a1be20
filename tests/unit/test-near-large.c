// SPDX-License-Identifier: GPL-2.0-or-later
/* Disks of a terabyte: neither opening nor trimming one takes what its size suggests. */
#include "tests/unit/near-blocks.h"

#include "base/bits.h"
#include "disk/near/near-format.h"
#include "disk/near/near-io.h"
#include "util/clock.h"
#include "util/io.h"

static int ms_of(uint64_t since)
{
	return (int)((now_ns() - since) / NS_PER_MS);
}

/* Sanitizers take memory for every byte that is touched. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MEMORY 1
#else
#define OWN_MEMORY 0
#endif

/* Memory of this process that is really there, MiB. */
static uint64_t resident_mib(void)
{
	cleanup_free char *text = NULL;
	char *end;

	assert_int_equal(read_file(AT_FDCWD, "/proc/self/statm", 4096, &text, NULL, NULL), 0);
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / MIB;
}

/* A cache whose map says that every block is present. */
static int64_t read_full_map(const struct near_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	if (len != NEAR_GROUP * sizeof(uint32_t))
		return near_io_kernel.read(io, fd, buf, len, off);
	memset(buf, 0x21, len);
	return (int64_t)len;
}

static void check_terabyte(const struct near_fixture *f, bool full)
{
	uint64_t before = resident_mib(), start = now_ns(), run, missing;
	struct near *near = fixture_open(f);
	int opened = ms_of(start);

	expect_state(near, full ? NEAR_CACHE : NEAR_FAR, 1000000, 16 * NEAR_GROUP);
	assert_true(OWN_MEMORY || resident_mib() - before < 64);
	for (uint64_t i = 0; i < near_groups(f->options.size); i += 4) {
		assert_int_equal(near_state(near, i * NEAR_GROUP, 1, &run, NULL),
		                 full ? NEAR_CACHE : NEAR_FAR);
		if (!full)
			near_read(near, got, B, i * NEAR_GROUP * B, &missing, NULL);
	}
	print_message("# 1 TiB, %s: opened in %d ms; resident %d MiB more after a look at 8192 "
	              "places\n",
	              full ? "full" : "empty", opened, (int)(resident_mib() - before));
	assert_true(OWN_MEMORY || resident_mib() - before < 100);
	near_close(near);
}

TEST(a_terabyte_opens_in_little_memory_however_full_it_is)
{
	struct near_io full = near_io_kernel;
	struct near_fixture f;

	fixture_make(&f, TIB, 1);
	check_terabyte(&f, false);
	full.read = read_full_map;
	f.options.io = &full;
	check_terabyte(&f, true);
	fixture_remove(&f);
}

TEST(a_large_trim_is_cheap)
{
	struct near_fixture f;
	struct near *near;
	uint64_t start;
	int trimmed, flushed;

	fixture_make(&f, TIB, 1);
	near = fixture_open(&f);
	put(near, 'w', 3, 1);
	start = now_ns();
	zero(near, 0, 100 * GIB / B);
	trimmed = ms_of(start);
	start = now_ns();
	assert_int_equal(near_flush(near, NULL), 0);
	flushed = ms_of(start);
	print_message("# 100 GiB of 1 TiB trimmed in %d ms, flushed in %d ms\n", trimmed, flushed);
	expect(near, 0, 3);
	expect(near, 0, 100 * GIB / B - 1);
	expect(near, -1, 100 * GIB / B);
	near_close(near);
	near = fixture_open(&f);
	expect(near, 0, 3);
	expect(near, -1, 100 * GIB / B);
	near_close(near);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_terabyte_opens_in_little_memory_however_full_it_is),
		CASE(a_large_trim_is_cheap),
	};

	return cmocka_run_group_tests_name("near-large", tests, NULL, NULL);
}
