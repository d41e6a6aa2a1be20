// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Partition tables as fdisk writes them, and as nobody should.
 */
#include "tests/unit/guest-memory.h"

#include "library/guest/partition.h"

#define SIZE (64 * MIB)

static struct memory_disk fdisk(const char *script)
{
	struct memory_disk memory = memory_disk_new(SIZE);
	char path[64];

	snprintf(path, sizeof(path), "/tmp/sill-partition-%d", (int)getpid());
	shell("rm -f %s; truncate -s 64M %s; printf '%s' | sfdisk -q %s", path, path, script, path);
	load_file(&memory, 0, path);
	unlink(path);
	return memory;
}

static struct partition_table table_of(struct memory_disk *memory)
{
	struct partition_table table;
	struct error err = { 0 };

	if (partition_table_read(&memory->disk, &table, &err) < 0)
		fail_msg("%s", err.text);
	return table;
}

static void refuses(struct memory_disk *memory, const char *words)
{
	struct partition_table table;
	struct error err = { 0 };

	assert_int_equal(partition_table_read(&memory->disk, &table, &err), -EBADMSG);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in '%s'", words, err.text);
}

static struct memory_disk gpt(void)
{
	return fdisk("label: gpt\\nstart=2048, size=2048, "
	             "type=21686148-6449-6E6F-744E-656564454649\\nsize=8192, type=U, "
	             "uuid=01234567-89AB-CDEF-0123-456789ABCDEF\\nsize=16384, type=L\\n");
}

static void expect_gpt(struct memory_disk *memory)
{
	struct partition_table table = table_of(memory);

	assert_int_equal(table.n, 3);
	assert_int_equal(table.at[0].kind, PARTITION_BIOS_BOOT);
	assert_int_equal(table.at[1].kind, PARTITION_EFI_SYSTEM);
	assert_string_equal(table.at[1].uuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(table.at[2].kind, PARTITION_OTHER);
	assert_int_equal(table.at[2].number, 3);
	assert_true(table.at[2].off == MIB + MIB + 4 * MIB && table.at[2].len == 8 * MIB);
}

TEST(a_gpt_is_read_as_fdisk_wrote_it)
{
	struct memory_disk memory = gpt();

	expect_gpt(&memory);
	memory_disk_free(&memory);
}

TEST(a_gpt_whose_first_copy_is_damaged_is_read_from_its_second)
{
	struct memory_disk memory = gpt();

	memory.bytes[1024 + 40] ^= 1; /* an entry of the first */
	expect_gpt(&memory);
	memory.bytes[512 + 60] ^= 1; /* its header */
	expect_gpt(&memory);
	memory.bytes[SIZE - 512 + 60] ^= 1; /* that of the second too */
	refuses(&memory, "damaged");
	memory_disk_free(&memory);
}

TEST(primary_and_logical_partitions_are_numbered_as_linux_does)
{
	struct memory_disk memory =
		fdisk("label: dos\\nsize=4096, type=ef\\nsize=8192, type=83\\ntype=5\\n"
	              "size=2048, type=83\\nsize=4096, type=83\\n");
	struct partition_table table = table_of(&memory);
	bool fifth = false, sixth = false;

	for (size_t i = 0; i < table.n; i++) {
		fifth = fifth || (table.at[i].number == 5 && table.at[i].len == MIB);
		sixth = sixth || (table.at[i].number == 6 && table.at[i].len == 2 * MIB);
	}
	assert_int_equal(table.at[0].kind, PARTITION_EFI_SYSTEM);
	assert_true(fifth && sixth);
	memory_disk_free(&memory);
}

TEST(a_disk_without_a_table_has_no_partitions)
{
	struct memory_disk memory = memory_disk_new(SIZE);
	struct partition_table table = table_of(&memory);

	assert_int_equal(table.n, 0);
	/* A boot sector of a file system ends as a table's sector does. */
	memset(memory.bytes, 0x41, 512);
	store_le16(memory.bytes + 510, 0xaa55);
	table = table_of(&memory);
	assert_int_equal(table.n, 0);
	memory_disk_free(&memory);
}

TEST(partitions_that_leave_the_disk_or_overlap_are_refused)
{
	struct memory_disk memory = memory_disk_new(SIZE);

	set_mbr(memory.bytes, 0, 0x83, 2048, SIZE / 512);
	refuses(&memory, "past the end");
	set_mbr(memory.bytes, 0, 0x83, 2048, 4096);
	set_mbr(memory.bytes, 1, 0x83, 6143, 4096);
	refuses(&memory, "overlap");
	memory_disk_free(&memory);
}

TEST(a_chain_of_logical_partitions_that_has_no_end_is_refused)
{
	struct memory_disk memory = memory_disk_new(SIZE);
	uint8_t *logical = memory.bytes + 2048 * 512;

	set_mbr(memory.bytes, 0, 5, 2048, 100000);
	set_mbr(logical, 1, 5, 0, 2048);
	refuses(&memory, "no end");
	set_mbr(logical, 1, 5, 0xffffff00, 2048);
	refuses(&memory, "leaves the disk");
	set_mbr(logical, 1, 5, 4096, 2048);
	refuses(&memory, "no table of its own");
	memory_disk_free(&memory);
}

TEST(entries_of_a_gpt_that_make_no_sense_are_refused)
{
	struct memory_disk memory = memory_disk_new(SIZE);

	set_mbr(memory.bytes, 0, 0xee, 1, 1000);
	refuses(&memory, "no header");
	memory_disk_free(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_gpt_is_read_as_fdisk_wrote_it),
		CASE(a_gpt_whose_first_copy_is_damaged_is_read_from_its_second),
		CASE(primary_and_logical_partitions_are_numbered_as_linux_does),
		CASE(a_disk_without_a_table_has_no_partitions),
		CASE(partitions_that_leave_the_disk_or_overlap_are_refused),
		CASE(a_chain_of_logical_partitions_that_has_no_end_is_refused),
		CASE(entries_of_a_gpt_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
