// SPDX-License-Identifier: GPL-2.0-or-later
/* ACPI as firmware has it, damaged in every way. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/acpi.h"
#include "tests/unit/acpi-make.h"

/* The first MiB: there a BIOS has its root pointer. */
#define SIZE MIB
#define RSDP 0xF1230u
#define LIST 0x10000u
#define MADT 0x11000u
#define FADT 0x14000u
#define DSDT 0x15000u
#define SSDT 0x16000u

static uint8_t bytes[SIZE];
static struct hv_memory memory = { { hv_memory_window }, 0, SIZE, bytes };
static struct acpi_facts facts;
static struct sentence why;

/* A MADT being made. */
static uint8_t madt[8 + 0x3000 - ACPI_HEADER];
static uint32_t madt_size;

static const uint8_t s3[] = { 0x08, '_',  'S',  '3',  '_',  0x12, 0x08,
	                      0x04, 0x0A, 0x05, 0x01, 0x00, 0x00 };

static uint8_t *at(uint64_t address)
{
	return memory.bytes + address;
}

static void add_apic(uint8_t id, uint32_t flags)
{
	uint8_t *entry = madt + madt_size;

	memset(entry, 0, 8);
	entry[1] = 8;
	entry[2] = (uint8_t)~id;
	entry[3] = id;
	store_le32(entry + 4, flags);
	madt_size += 8;
}

static void add_x2apic(uint32_t id, uint32_t flags)
{
	uint8_t *entry = madt + madt_size;

	memset(entry, 0, 16);
	entry[0] = 9;
	entry[1] = 16;
	store_le32(entry + 4, id);
	store_le32(entry + 8, flags);
	store_le32(entry + 12, ~id);
	madt_size += 16;
}

static void put_madt(void)
{
	acpi_table(&memory, MADT, "APIC", madt, madt_size);
}

static void put_fadt(uint32_t size)
{
	uint8_t body[232] = { 0 };

	store_le32(body + 40 - ACPI_HEADER, DSDT);
	store_le32(body + 64 - ACPI_HEADER, 0x404);
	acpi_table(&memory, FADT, "FACP", body, size - ACPI_HEADER);
}

/* Two processors, a FADT, a DSDT with \_S3, and an SSDT without. */
static void make(void)
{
	uint8_t list[16];

	memset(memory.bytes, 0, SIZE);
	store_le32(list, FADT);
	store_le32(list + 4, SSDT);
	store_le32(list + 8, MADT);
	acpi_table(&memory, LIST, "RSDT", list, 12);
	acpi_rsdp(&memory, RSDP, LIST, 0);
	madt_size = 8;
	store_le32(madt, 0xFEE00000);
	store_le32(madt + 4, 1);
	add_apic(0, 1);
	add_apic(2, 1);
	put_madt();
	put_fadt(116);
	acpi_table(&memory, DSDT, "DSDT", s3, sizeof(s3));
	acpi_table(&memory, SSDT, "SSDT", NULL, 0);
}

static bool try_read(uint64_t rsdp)
{
	why.text[0] = '\0';
	return acpi_read(&memory.phys, rsdp, &facts, &why);
}

static void read_all(void)
{
	if (!try_read(0))
		fail_msg("%s", why.text);
}

static void assert_refused(const char *sentence)
{
	assert_false(try_read(0));
	assert_string_equal(why.text, sentence);
}

TEST(what_a_bios_has_is_read)
{
	make();
	read_all();
	assert_int_equal(facts.cpus, 2);
	assert_int_equal(facts.apic_id[0], 0);
	assert_int_equal(facts.apic_id[1], 2);
	assert_int_equal(facts.pm1_control[0], 0x404);
	assert_int_equal(facts.pm1_control[1], 0);
	assert_true(facts.has_s3);
	assert_int_equal(facts.s3_type[0], 5);
	assert_int_equal(facts.s3_type[1], 1);
	assert_memory_equal(facts.s3_name, "_S3_", 4);
}

TEST(the_root_pointer_is_found_in_the_extended_data_area_too)
{
	make();
	memset(at(RSDP), 0, 20);
	assert_refused("this PC has no ACPI: there is no root pointer");
	store_le16(at(0x40E), 0x9FC0);
	acpi_rsdp(&memory, 0x9FC00 + 1008, LIST, 0);
	read_all();
	memset(at(0x9FC00 + 1008), 0, 20);
	acpi_rsdp(&memory, 0x9FC00 + 1024, LIST, 0);
	assert_false(try_read(0));
}

TEST(a_root_pointer_that_is_given_is_the_one)
{
	make();
	memset(at(RSDP), 0, 20);
	acpi_rsdp(&memory, 0x20008, LIST, 0);
	assert_true(try_read(0x20008));
	at(0x20008)[9] ^= 1;
	assert_false(try_read(0x20008));
	assert_string_equal(why.text, "this PC has no ACPI: there is no root pointer");
	assert_false(try_read(SIZE - 19));
}

TEST(the_list_of_wide_addresses_wins)
{
	uint8_t list[16];

	make();
	store_le64(list, MADT);
	store_le64(list + 8, FADT);
	acpi_table(&memory, LIST + 0x800, "XSDT", list, 16);
	acpi_rsdp(&memory, RSDP, 0x999, LIST + 0x800);
	read_all();
	assert_true(facts.has_s3);
	/* Its part of the root pointer is damaged: then the old one. */
	acpi_rsdp(&memory, RSDP, LIST, 0x999);
	at(RSDP)[35] ^= 1;
	read_all();
}

TEST(a_damaged_list_of_tables_is_refused)
{
	const char *sentence = "ACPI's list of tables at 10000 is damaged or out of reach";

	make();
	store_le32(at(LIST) + 4, 35);
	assert_refused(sentence);
	make();
	at(LIST)[10] ^= 1;
	assert_refused(sentence);
	make();
	store_le32(at(LIST) + 4, UINT32_MAX);
	assert_refused(sentence);
	make();
	at(LIST)[0] = 'X';
	assert_refused(sentence);
}

TEST(without_a_good_madt_there_is_no_start)
{
	const char *sentence =
		"ACPI has no list of processors (MADT), or it is damaged or out of reach";

	make();
	at(MADT)[50] ^= 1;
	assert_refused(sentence);
	make();
	at(MADT)[3] = 'X';
	assert_refused(sentence);
	make();
	acpi_table(&memory, MADT, "APIC", madt, 7);
	assert_refused(sentence);
	make();
	madt_size = 8;
	put_madt();
	assert_refused("ACPI's list of processors is empty");
}

TEST(processors_that_are_not_enabled_are_left_out)
{
	make();
	add_apic(4, 0);
	add_apic(6, 2);
	add_apic(0xFF, 1);
	add_x2apic(8, 4);
	add_x2apic(UINT32_MAX, 1);
	add_x2apic(0x12345, 1);
	put_madt();
	read_all();
	assert_int_equal(facts.cpus, 3);
	assert_int_equal(facts.apic_id[2], 0x12345);
}

TEST(a_processor_that_is_listed_twice_counts_once)
{
	make();
	add_x2apic(0, 1);
	add_x2apic(2, 1);
	add_apic(2, 1);
	put_madt();
	read_all();
	assert_int_equal(facts.cpus, 2);
}

TEST(more_processors_than_we_have_room_for_are_refused)
{
	make();
	for (uint32_t i = 0; i < CPUS_MAX - 2; i++)
		add_x2apic(1000 + i, 1);
	put_madt();
	read_all();
	assert_int_equal(facts.cpus, CPUS_MAX);
	add_x2apic(5000, 1);
	put_madt();
	assert_refused("this PC has more than 256 processors");
}

TEST(entries_that_do_not_move_on_or_go_too_far_are_refused)
{
	static const uint8_t sizes[] = { 0, 1, 9, 255 };
	char sentence[80];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		make();
		madt[madt_size - 7] = sizes[i];
		put_madt();
		snprintf(sentence, sizeof(sentence),
		         "ACPI's list of processors has an entry of %u bytes", sizes[i]);
		assert_refused(sentence);
	}
	/* Too short for what it says it is: not read. */
	make();
	madt[madt_size - 7] = 7;
	madt_size--;
	put_madt();
	read_all();
	assert_int_equal(facts.cpus, 1);
}

TEST(the_wider_ports_and_dsdt_win)
{
	make();
	put_fadt(244);
	store_le64(at(FADT) + 140, SSDT + 0x800);
	at(FADT)[172] = 1;
	store_le64(at(FADT) + 176, 0x1804);
	at(FADT)[184] = 1;
	store_le64(at(FADT) + 188, 0x1904);
	acpi_sum(at(FADT), 244, 9);
	store_le32(at(DSDT), 0);
	acpi_table(&memory, SSDT + 0x800, "DSDT", s3, sizeof(s3));
	read_all();
	assert_int_equal(facts.pm1_control[0], 0x1804);
	assert_int_equal(facts.pm1_control[1], 0x1904);
	assert_true(facts.has_s3);
	/* In memory, not a port; and no port at all. */
	at(FADT)[172] = 0;
	store_le64(at(FADT) + 188, 0x10404);
	acpi_sum(at(FADT), 244, 9);
	read_all();
	assert_int_equal(facts.pm1_control[0], 0x404);
	assert_int_equal(facts.pm1_control[1], 0);
}

TEST(without_fadt_or_dsdt_the_rest_is_read)
{
	make();
	at(FADT)[60] ^= 1;
	read_all();
	assert_int_equal(facts.pm1_control[0], 0);
	assert_false(facts.has_s3);
	make();
	at(DSDT)[30] ^= 1;
	read_all();
	assert_int_equal(facts.pm1_control[0], 0x404);
	assert_false(facts.has_s3);
}

static void assert_s3(const char *table, const uint8_t *aml, uint32_t size, int a, int b)
{
	make();
	acpi_table(&memory, DSDT, "DSDT", NULL, 0);
	acpi_table(&memory, table[0] == 'D' ? DSDT : SSDT, table, aml, size);
	read_all();
	assert_int_equal(facts.has_s3, a >= 0);
	assert_int_equal(facts.s3_type[0], a < 0 ? 0 : a);
	assert_int_equal(facts.s3_type[1], b < 0 ? 0 : b);
}

TEST(the_package_is_found_however_it_is_encoded)
{
	static const uint8_t root[] = { 0x10, 0x08, '\\', '_',  'S',  '3',  '_',
		                        0x12, 0x06, 0x04, 0x01, 0x00, 0x00, 0x00 };
	static const uint8_t wide[] = { 0x08, '_',  'S',  '3',  '_',  0x12, 0x4C, 0x00, 0x02,
		                        0x0B, 0x06, 0x00, 0x0C, 0x03, 0x00, 0x00, 0x00 };
	static const uint8_t second[] = { 0x5C, '_', 'S',  '3',  '_',  0x08, '_', 'S',
		                          '3',  '_', 0x12, 0x04, 0x02, 0x00, 0x01 };

	assert_s3("DSDT", root, sizeof(root), 1, 0);
	assert_s3("DSDT", wide, sizeof(wide), 6, 3);
	assert_s3("DSDT", second, sizeof(second), 0, 1);
	assert_s3("SSDT", root, sizeof(root), 1, 0);
}

TEST(what_only_looks_like_the_package_is_not_it)
{
	static const uint8_t other[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0 };
	static const uint8_t used[] = { 0x70, '_', 'S', '3', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0 };
	static const uint8_t single[] = { 0x08, '_', 'S', '3', '_', 0x12, 0x04, 0x01, 0x0A, 5, 0 };
	static const uint8_t text[] = { 0x08, '_', 'S', '3', '_', 0x12, 0x06, 0x04, 0x0D, 5, 0, 0 };

	assert_s3("DSDT", other, sizeof(other), -1, -1);
	assert_s3("DSDT", used, sizeof(used), -1, -1);
	assert_s3("DSDT", single, sizeof(single), -1, -1);
	assert_s3("DSDT", text, sizeof(text), -1, -1);
}

/* At the very end of memory, so that a byte too far is seen. */
static bool has_s3_at_the_end(const uint8_t *aml, uint32_t size)
{
	uint32_t dsdt = (uint32_t)(SIZE - ACPI_HEADER - size);

	make();
	acpi_table(&memory, dsdt, "DSDT", aml, size);
	store_le32(at(FADT) + 40, dsdt);
	acpi_sum(at(FADT), 116, 9);
	read_all();
	return facts.has_s3;
}

TEST(a_package_that_is_cut_off_is_none)
{
	static const uint8_t words[] = { 0x08, '_',  'S', '3', '_',  0x12, 0x08,
		                         0x02, 0x0B, 5,   0,   0x0B, 5,    0 };
	static const uint8_t far[] = { 0x08, '_', 'S', '3', '_', 0x12, 0xC0, 0, 0, 0, 2, 0, 0 };

	for (uint32_t size = 0; size <= sizeof(s3); size++)
		assert_int_equal(has_s3_at_the_end(s3, size), size >= 11);
	for (uint32_t size = 0; size <= sizeof(words); size++)
		assert_int_equal(has_s3_at_the_end(words, size), size >= 14);
	for (uint32_t size = 0; size <= sizeof(far); size++)
		assert_int_equal(has_s3_at_the_end(far, size), size >= 13);
}

TEST(a_table_longer_than_any_is_not_read)
{
	const uint32_t size = 16 * MIB - ACPI_HEADER;
	struct hv_memory small = memory;

	memory = hv_memory_new(0, 18 * MIB);
	for (uint32_t longer = 0; longer < 2; longer++) {
		make();
		memcpy(at(MIB + ACPI_HEADER), s3, sizeof(s3));
		acpi_table(&memory, MIB, "DSDT", NULL, size + longer);
		store_le32(at(FADT) + 40, MIB);
		acpi_sum(at(FADT), 116, 9);
		read_all();
		assert_int_equal(facts.has_s3, !longer);
	}
	free(memory.bytes);
	memory = small;
}

TEST(tables_are_not_read_beyond_memory)
{
	make();
	/* The last bytes of memory are a table that says it goes on. */
	memcpy(at(SIZE - 36), at(MADT), 36);
	store_le32(at(LIST) + 36 + 8, SIZE - 36);
	acpi_sum(at(LIST), 48, 9);
	assert_false(try_read(0));
	store_le32(at(LIST) + 36 + 8, SIZE - 35);
	acpi_sum(at(LIST), 48, 9);
	assert_false(try_read(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_a_bios_has_is_read),
		CASE(the_root_pointer_is_found_in_the_extended_data_area_too),
		CASE(a_root_pointer_that_is_given_is_the_one),
		CASE(the_list_of_wide_addresses_wins),
		CASE(a_damaged_list_of_tables_is_refused),
		CASE(without_a_good_madt_there_is_no_start),
		CASE(processors_that_are_not_enabled_are_left_out),
		CASE(a_processor_that_is_listed_twice_counts_once),
		CASE(more_processors_than_we_have_room_for_are_refused),
		CASE(entries_that_do_not_move_on_or_go_too_far_are_refused),
		CASE(the_wider_ports_and_dsdt_win),
		CASE(without_fadt_or_dsdt_the_rest_is_read),
		CASE(the_package_is_found_however_it_is_encoded),
		CASE(what_only_looks_like_the_package_is_not_it),
		CASE(a_package_that_is_cut_off_is_none),
		CASE(a_table_longer_than_any_is_not_read),
		CASE(tables_are_not_read_beyond_memory),
	};

	return cmocka_run_group_tests_name("hv-acpi", tests, NULL, NULL);
}
