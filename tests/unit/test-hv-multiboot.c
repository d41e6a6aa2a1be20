// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Multiboot, and what it has in common with Multiboot2.
 */
#include "tests/unit/unit.h"

#include "tests/unit/multiboot-make.h"

TEST(what_qemu_gives_is_read)
{
	make1();
	module1(2);
	flag1(2);
	store_le32(at(BASE + 16), TEXTS + 0x200);
	put_text(TEXTS + 0x200, "build/sill-hypervisor console=com1  log=debug");
	flag1(9);
	store_le32(at(BASE + 64), TEXTS + 0x300);
	put_text(TEXTS + 0x300, "qemu");
	assert_true(parse1());
	assert_string_equal(info.command_line, "console=com1  log=debug");
	assert_int_equal(info.map.count, 2);
	assert_int_equal(memory_map_usable(&info.map), 0x100000);
	assert_int_equal(info.kernel.base, KERNEL);
	assert_int_equal(info.kernel.size, 0x800);
	assert_string_equal(info.kernel.text, "root=/dev/vda1 ro");
	assert_int_equal(info.initrd.base, INITRD);
	assert_int_equal(info.initrd.size, 0x800);
	assert_int_equal(info.screen.kind, SCREEN_TEXT);
	assert_int_equal(info.screen.base, 0xb8000);
	assert_int_equal(info.efi.system_table, 0);
	assert_int_equal(info.rsdp, 0);
}

TEST(grub_2_leaves_the_files_name_out_itself)
{
	make1();
	module1(1);
	flag1(9);
	store_le32(at(BASE + 64), TEXTS + 0x300);
	put_text(TEXTS + 0x300, "GRUB 2.06-13+deb12u1");
	assert_true(parse1());
	assert_string_equal(info.kernel.text, "/boot/vmlinuz root=/dev/vda1 ro");
}

TEST(a_text_of_nothing_but_the_files_name_is_empty)
{
	make1();
	module1(1);
	put_text(TEXTS, "vmlinuz");
	assert_true(parse1());
	assert_string_equal(info.kernel.text, "");
}

TEST(ranges_of_the_map_may_be_longer_than_ours)
{
	make1();
	store_le32(at(MAP), 24);
	store_le32(at(MAP + 28), 20);
	store_le64(at(MAP + 32), 0x900000);
	store_le64(at(MAP + 40), 0x1000);
	store_le32(at(MAP + 48), MEMORY_ACPI);
	store_le32(at(BASE + 44), 52);
	assert_true(parse1());
	assert_int_equal(memory_map_at(&info.map, 0x900000)->kind, MEMORY_ACPI);
}

TEST(without_a_memory_map_there_is_no_start)
{
	make1();
	store_le32(at(BASE), 0);
	assert_false(parse1());
	assert_string_equal(why.text, "the boot loader gave no memory map");
	make1();
	memset(at(MAP + 12), 0, 8);
	memset(at(MAP + 36), 0, 8);
	assert_false(parse1());
	assert_string_equal(why.text, "the boot loader gave no memory map");
	make2();
	assert_false(parse2());
	assert_string_equal(why.text, "the boot loader gave no memory map");
}

TEST(without_modules_it_is_the_callers_to_decide)
{
	make1();
	assert_true(parse1());
	assert_int_equal(info.kernel.size, 0);
	make2();
	map2();
	assert_true(parse2());
	assert_int_equal(info.kernel.size, 0);
}

TEST(a_third_module_is_refused)
{
	const char *sentence = "the boot loader gave more than two modules: root kernel and "
			       "initrd are all there is room for";

	make1();
	module1(3);
	assert_false(parse1());
	assert_string_equal(why.text, sentence);
	make2();
	map2();
	for (int i = 0; i < 3; i++)
		module2(KERNEL, KERNEL + 1, "");
	assert_false(parse2());
	assert_string_equal(why.text, sentence);
}

TEST(ranges_of_no_size_do_not_make_the_walk_endless)
{
	make1();
	store_le32(at(MAP), 0);
	assert_false(parse1());
	assert_string_equal(why.text, "the boot loader's memory map has a range of 0 bytes");
	store_le32(at(MAP), UINT32_MAX - 3);
	assert_false(parse1());
	assert_string_equal(why.text,
	                    "the boot loader's memory map has a range of 4294967292 bytes");
}

/* Every 32-bit address of the information points outside, one after the other. */
TEST(what_points_outside_memory_is_refused)
{
	static const struct {
		unsigned int where;
		const char *sentence;
	} pointers[] = {
		{ 16, "the boot loader's text of the command line is not in memory" },
		{ 24, "the boot loader's list of modules is not in memory" },
		{ 48, "the boot loader's memory map is not in memory" },
		{ 0x300, "the first module is empty" },
		{ 0x304, "the first module is not in memory below 4 GiB" },
		{ 0x308, "the boot loader's text of the first module is not in memory" },
		{ 0x314, "the second module is not in memory below 4 GiB" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pointers); i++) {
		make1();
		module1(2);
		flag1(2);
		store_le32(at(BASE + 16), TEXTS);
		store_le32(at(BASE + pointers[i].where), UINT32_MAX - 4);
		assert_false(parse1());
		assert_string_equal(why.text, pointers[i].sentence);
	}
	assert_false(multiboot1_parse(&memory.phys, BASE + SIZE - 64, &info, &why));
	assert_string_equal(why.text, "the boot loader's information is not in memory");
	assert_false(multiboot2_parse(&memory.phys, BASE + SIZE - 4, &info, &why));
	assert_string_equal(why.text, "the boot loader's information is not in memory");
}

TEST(a_text_that_is_too_long_is_refused)
{
	make1();
	flag1(2);
	store_le32(at(BASE + 16), TEXTS);
	memset(at(TEXTS), 'x', BOOT_TEXT_MAX - 1);
	at(TEXTS)[1] = ' ';
	assert_true(parse1());
	assert_int_equal(strlen(info.command_line), BOOT_TEXT_MAX - 3);
	at(TEXTS)[BOOT_TEXT_MAX - 1] = 'x';
	assert_false(parse1());
	assert_string_equal(why.text, "the text of the command line is longer than 2047 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_qemu_gives_is_read),
		CASE(grub_2_leaves_the_files_name_out_itself),
		CASE(a_text_of_nothing_but_the_files_name_is_empty),
		CASE(ranges_of_the_map_may_be_longer_than_ours),
		CASE(without_a_memory_map_there_is_no_start),
		CASE(without_modules_it_is_the_callers_to_decide),
		CASE(a_third_module_is_refused),
		CASE(ranges_of_no_size_do_not_make_the_walk_endless),
		CASE(what_points_outside_memory_is_refused),
		CASE(a_text_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests_name("hv-multiboot", tests, NULL, NULL);
}
