// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the root kernel's zero page says: header, memory, screen, UEFI, ACPI.
 */
#include "tests/unit/unit.h"

#include "tests/unit/root-kernel.h"

TEST(the_kernels_own_header_is_in_the_zero_page)
{
	make();
	store_le32(header(0x23C), 7);
	store_le64(header(0x250), 0x1234);
	load();
	assert_int_equal(plan.params % 4096, 0);
	assert_memory_equal(params(0x1F1), header(0x1F1), 0x210 - 0x1F1);
	assert_int_equal(*params(0x210), 0xFF);
	assert_int_equal(*params(0x211), 1);
	assert_int_equal(load_le32(params(0x214)), plan.kernel);
	assert_int_equal(load_le32(params(0x22C)), 0x7FFFFFFF);
	assert_int_equal(load_le32(params(0x23C)), 0);
	assert_int_equal(load_le64(params(0x250)), 0);
	assert_int_equal(load_le32(params(0x268)), 0x12345678);
	/* All the rest of the page, the sentinel too, is zero but for what is filled in. */
	for (unsigned int i = 0x40; i < 0x1E8; i++)
		assert_int_equal(*params(i), 0);
	for (unsigned int i = 0x1E9; i < 0x1F1; i++)
		assert_int_equal(*params(i), 0);
	for (unsigned int i = 0x26C; i < 0x2D0; i++)
		assert_int_equal(*params(i), 0);
	for (unsigned int i = 0x2D0 + 20 * map.count; i < 4096; i++)
		assert_int_equal(*params(i), 0);
}

TEST(the_memory_map_is_given_whole)
{
	static const uint32_t counts[] = { 5, 127, 128, 129, 512 };

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		make();
		while (map.count < counts[i])
			add(GIB + map.count * MIB, 4096, MEMORY_RESERVED);
		load();
		assert_int_equal(map.count, counts[i]);
		assert_e820();
	}
}

TEST(a_text_screen_goes_on_below_what_is_on_it)
{
	make();
	info.screen = (struct boot_screen){ .kind = SCREEN_TEXT, .width = 80, .height = 25 };
	load();
	assert_int_equal(*params(0x06), 3);
	assert_int_equal(*params(0x07), 80);
	assert_int_equal(*params(0x0E), 25);
	assert_int_equal(*params(0x0F), 1);
	assert_int_equal(load_le16(params(0x10)), 16);
	assert_int_equal(*params(0x00), 0);
	assert_int_equal(*params(0x01), 24);
}

TEST(a_framebuffer_is_described_bit_by_bit)
{
	static const uint8_t colours[] = { 8, 16, 8, 8, 8, 0, 8, 24 };

	make_pixels();
	load();
	assert_int_equal(*params(0x0F), 0x23);
	assert_int_equal(load_le16(params(0x12)), 1000);
	assert_int_equal(load_le16(params(0x14)), 601);
	assert_int_equal(load_le16(params(0x16)), 32);
	assert_int_equal(load_le32(params(0x18)), 0x80001000);
	assert_int_equal(load_le32(params(0x1C)), 38);
	assert_int_equal(load_le16(params(0x24)), 4096);
	assert_memory_equal(params(0x26), colours, sizeof(colours));
	assert_int_equal(load_le32(params(0x36)), 2);
	assert_int_equal(load_le32(params(0x3A)), 0x40);
	info.screen.base = 0x80000000;
	info.screen.bits = 16;
	info.screen.red.position = 11;
	info.screen.red.size = 5;
	info.screen.green.position = 5;
	info.screen.green.size = 6;
	info.screen.blue.size = 5;
	load();
	assert_int_equal(load_le32(params(0x36)), 0);
	assert_int_equal(load_le16(params(0x2C)), 0);
}

/* The type of an address in the map that the kernel gets; -1: none. */
static int efi_type(uint64_t address)
{
	const uint8_t *from = at(load_le32(params(0x1D0)));
	const uint8_t *end = from + load_le32(params(0x1D4));
	int type = -1;

	for (; from < end; from += EFI_STEP) {
		uint64_t base = load_le64(from + 8);

		if (address < base || address >= base + load_le64(from + 24) * 4096)
			continue;
		assert_int_equal(type, -1);
		assert_int_equal(load_le64(from + 32), 0xF);
		type = (int)load_le32(from);
	}
	return type;
}

TEST(uefi_is_handed_on_with_our_memory_reserved)
{
	make_efi();
	load();
	assert_int_equal(load_le32(params(0x1C0)), 0x34364C45);
	assert_int_equal(load_le32(params(0x1C4)), 0x7F000018);
	assert_int_equal(load_le32(params(0x1D8)), 1);
	assert_int_equal(load_le32(params(0x1C8)), EFI_STEP);
	assert_int_equal(load_le32(params(0x1CC)), 1);
	assert_int_equal(load_le32(params(0x1DC)), 0);
	for (uint64_t page = 0; page < SIZE; page += 4096) {
		bool ours = range_inside(page - own.base, 1, own.size);
		bool theirs = range_inside(page - plan.params, 1, plan.params_size);

		assert_int_equal(efi_type(page), page >= 0x9F000 && page < MIB ? -1
		                                 : ours                        ? 0
		                                 : theirs                      ? 2
		                                                               : 7);
	}
	assert_true(load_le32(params(0x1D0)) + load_le32(params(0x1D4)) <=
	            plan.params + plan.params_size);
	assert_int_equal(*params(0x0F), 0x70);
	assert_int_equal(load_le32(params(0x1C)), 4096 * 601);
}

TEST(without_uefi_nothing_is_said_of_it)
{
	make();
	load();
	for (unsigned int i = 0x1C0; i < 0x1E0; i++)
		assert_int_equal(*params(i), 0);
}

TEST(tables_in_memory_of_boot_services_are_not_written_over)
{
	make_efi();
	efi_descriptor(1, 4, MIB, 5 * MIB);
	efi_descriptor(2, 7, 5 * MIB, 10 * MIB);
	efi_descriptor(3, 3, 10 * MIB, SIZE);
	info.initrd.base += 0x10;
	make_plan();
	assert_int_equal(plan.kernel, 6 * MIB);
	assert_int_equal(plan.initrd, 10 * MIB - 0x6000);
	assert_true(plan.params >= 9 * MIB && plan.params + plan.params_size <= plan.initrd);
	/* If nothing else is left, better there than nowhere. */
	efi_descriptor(2, 3, 5 * MIB, SIZE);
	make_plan();
	assert_int_equal(plan.kernel, 4 * MIB);
}

TEST(the_boot_loaders_copy_of_uefis_map_is_not_written_over)
{
	make_efi();
	memcpy(at(5 * MIB), at(EFI_MAP), info.efi.map_size);
	info.efi.map = 5 * MIB;
	make_plan();
	assert_int_equal(plan.kernel, 6 * MIB);
}

TEST(a_root_pointer_is_handed_on_only_where_it_stays)
{
	make();
	info.rsdp = 0xE1230;
	load();
	assert_int_equal(load_le64(params(0x70)), 0xE1230);
	/* The loader's copy: memory that will be used for something else. */
	info.rsdp = 0x8000;
	load();
	assert_int_equal(load_le64(params(0x70)), 0);
	info.rsdp = 0x7FE00000;
	load();
	assert_int_equal(load_le64(params(0x70)), 0x7FE00000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_kernels_own_header_is_in_the_zero_page),
		CASE(the_memory_map_is_given_whole),
		CASE(a_text_screen_goes_on_below_what_is_on_it),
		CASE(a_framebuffer_is_described_bit_by_bit),
		CASE(uefi_is_handed_on_with_our_memory_reserved),
		CASE(without_uefi_nothing_is_said_of_it),
		CASE(tables_in_memory_of_boot_services_are_not_written_over),
		CASE(the_boot_loaders_copy_of_uefis_map_is_not_written_over),
		CASE(a_root_pointer_is_handed_on_only_where_it_stays),
	};

	return cmocka_run_group_tests_name("hv-linux-params", tests, NULL, NULL);
}
