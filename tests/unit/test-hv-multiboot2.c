// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Multiboot2: what a loader's information says, and what is refused of it.
 */
#include "tests/unit/unit.h"

#include "tests/unit/multiboot-make.h"

TEST(what_grub_gives_on_a_bios_is_read)
{
	uint8_t *rsdp;

	make2();
	memcpy(tag(1, 13), "console=com1", 13);
	module2(KERNEL, KERNEL + 0x700, "root=/dev/sda1 quiet");
	module2(INITRD, INITRD + 0x123, "");
	map2();
	screen2(2, 80, 25, 160, 16);
	rsdp = tag(14, 20);
	tag(77, 3);
	assert_true(parse2());
	assert_string_equal(info.command_line, "console=com1");
	assert_string_equal(info.kernel.text, "root=/dev/sda1 quiet");
	assert_int_equal(info.kernel.size, 0x700);
	assert_int_equal(info.initrd.base, INITRD);
	assert_int_equal(info.initrd.size, 0x123);
	assert_int_equal(info.map.count, 1);
	assert_int_equal(info.screen.kind, SCREEN_TEXT);
	assert_ptr_equal(at(info.rsdp), rsdp);
}

TEST(what_grub_gives_on_uefi_is_read)
{
	make2();
	map2();
	efi2();
	screen2(1, 1920, 1080, 7680, 32);
	assert_true(parse2());
	assert_int_equal(info.efi.system_table, 0x7f000018);
	assert_int_equal(info.efi.descriptor_size, 48);
	assert_int_equal(info.efi.descriptor_version, 1);
	assert_int_equal(info.efi.map_size, 3 * 48);
	assert_ptr_equal(at(info.efi.map), at(BASE + 8 + 40 + 16));
	assert_int_equal(info.screen.kind, SCREEN_PIXELS);
	assert_int_equal(info.screen.base, 0x40c0000000);
	assert_int_equal(info.screen.pitch, 7680);
	assert_int_equal(info.screen.width, 1920);
	assert_int_equal(info.screen.height, 1080);
	assert_int_equal(info.screen.bits, 32);
	assert_int_equal(info.screen.red.position, 16);
	assert_int_equal(info.screen.green.position, 8);
	assert_int_equal(info.screen.blue.size, 8);
}

TEST(the_newer_root_pointer_wins_in_any_order)
{
	uint8_t *newer;

	for (int order = 0; order < 2; order++) {
		make2();
		map2();
		if (order)
			tag(14, 20);
		newer = tag(15, 36);
		if (!order)
			tag(14, 20);
		assert_true(parse2());
		assert_ptr_equal(at(info.rsdp), newer);
	}
}

TEST(without_a_screen_tag_a_bios_has_text_and_uefi_nothing)
{
	make2();
	map2();
	assert_true(parse2());
	assert_int_equal(info.screen.kind, SCREEN_TEXT);
	make2();
	map2();
	efi2();
	assert_true(parse2());
	assert_int_equal(info.screen.kind, SCREEN_NONE);
}

TEST(a_screen_with_a_palette_or_of_odd_text_is_none)
{
	make2();
	map2();
	screen2(0, 640, 480, 640, 8);
	assert_true(parse2());
	assert_int_equal(info.screen.kind, SCREEN_NONE);
	make2();
	map2();
	screen2(2, 132, 43, 264, 16);
	assert_true(parse2());
	assert_int_equal(info.screen.kind, SCREEN_NONE);
}

TEST(a_screen_that_makes_no_sense_is_refused)
{
	static const uint32_t wrong[][4] = {
		{ 800, 600, 3199, 32 },      { 0, 600, 3200, 32 },  { 800, 0, 3200, 32 },
		{ 800, 600, 3200, 31 },      { 800, 600, 3200, 0 }, { 0x40000001, 600, 4, 32 },
		{ 800, 1u << 31, 3200, 32 },
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		make2();
		map2();
		screen2(1, wrong[i][0], wrong[i][1], wrong[i][2], (uint8_t)wrong[i][3]);
		assert_false(parse2());
		assert_non_null(strstr(why.text, "the boot loader's screen makes no sense"));
	}
}

TEST(half_of_uefi_is_refused)
{
	make2();
	map2();
	store_le64(tag(12, 8), 0x7f000018);
	assert_false(parse2());
	assert_string_equal(why.text, "the boot loader gave no UEFI memory map");
	make2();
	map2();
	tag(11, 4);
	assert_false(parse2());
	assert_string_equal(why.text, "this PC's UEFI is a 32-bit one: a 64-bit one is needed");
	make2();
	map2();
	efi2();
	tag(18, 0);
	assert_false(parse2());
	assert_string_equal(why.text, "the boot loader has not left UEFI's boot services");
}

TEST(descriptors_of_a_wrong_size_are_refused)
{
	static const uint32_t wrong[] = { 0, 39, 41, 3 * 48 + 8, UINT32_MAX - 7 };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		make2();
		map2();
		store_le32(tag(17, 8 + 3 * 48), wrong[i]);
		assert_false(parse2());
		assert_non_null(strstr(why.text, "UEFI's memory map has descriptors of"));
	}
	make2();
	store_le32(tag(6, 32), 8);
	assert_false(parse2());
	assert_string_equal(why.text, "the boot loader's memory map has ranges of 8 bytes");
}

TEST(tags_that_do_not_move_on_or_go_too_far_are_refused)
{
	static const uint32_t sizes[] = { 0, 7, 8, 33, 4096, UINT32_MAX, UINT32_MAX - 6 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		make2();
		map2();
		module2(KERNEL, KERNEL + 4, "x");
		store_le32(at(BASE + 8 + 40 + 4), sizes[i]);
		assert_false(parse2());
		assert_true(strstr(why.text, "the boot loader's tag 3 has") ||
		            strstr(why.text, "the boot loader's tag 0 has"));
	}
}

TEST(tags_that_nobody_knows_must_move_on_too)
{
	for (uint32_t size = 0; size < 8; size++) {
		make2();
		map2();
		tag(77, 0);
		store_le32(at(BASE + total - 4), size);
		assert_false(parse2());
		assert_non_null(strstr(why.text, "the boot loader's tag 77 has"));
	}
}

TEST(information_without_an_end_tag_is_refused)
{
	make2();
	map2();
	assert_false(parse2_unfinished());
	assert_string_equal(why.text, "the boot loader's information has no end tag");
}

TEST(information_cut_anywhere_is_refused)
{
	make2();
	map2();
	efi2();
	screen2(1, 800, 600, 3200, 32);
	module2(KERNEL, KERNEL + 4, "x");
	tag(0, 0);
	for (uint32_t length = 0; length < total; length++) {
		store_le32(at(BASE), length);
		assert_false(multiboot2_parse(&memory.phys, BASE, &info, &why));
	}
	store_le32(at(BASE), total);
	assert_true(multiboot2_parse(&memory.phys, BASE, &info, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_grub_gives_on_a_bios_is_read),
		CASE(what_grub_gives_on_uefi_is_read),
		CASE(the_newer_root_pointer_wins_in_any_order),
		CASE(without_a_screen_tag_a_bios_has_text_and_uefi_nothing),
		CASE(a_screen_with_a_palette_or_of_odd_text_is_none),
		CASE(a_screen_that_makes_no_sense_is_refused),
		CASE(half_of_uefi_is_refused),
		CASE(descriptors_of_a_wrong_size_are_refused),
		CASE(tags_that_do_not_move_on_or_go_too_far_are_refused),
		CASE(tags_that_nobody_knows_must_move_on_too),
		CASE(information_without_an_end_tag_is_refused),
		CASE(information_cut_anywhere_is_refused),
	};

	return cmocka_run_group_tests_name("hv-multiboot2", tests, NULL, NULL);
}
