// SPDX-License-Identifier: GPL-2.0-or-later
/* Both protocols: what a loader's information says, and what is refused of it. */
#include "tests/unit/unit.h"

#include <string.h>

#include "base/endian.h"
#include "hypervisor/boot/boot-info.h"
#include "tests/unit/hv-memory.h"

/* The information is at BASE, what it points at further on. */
#define BASE    0x10000u
#define SIZE    0x4000u
#define MAP     (BASE + 0x200)
#define MODULES (BASE + 0x300)
#define TEXTS   (BASE + 0x400)
#define KERNEL  (BASE + 0x3000)
#define INITRD  (BASE + 0x3800)

static struct hv_memory memory;
static struct boot_info info;
static struct sentence why;

static int setup(void **state)
{
	(void)state;
	memory = hv_memory_new(BASE, SIZE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory.bytes);
	return 0;
}

static uint8_t *at(uint64_t address)
{
	return memory.bytes + (address - BASE);
}

static void put_text(uint64_t address, const char *text)
{
	memcpy(at(address), text, strlen(text) + 1);
}

/* Multiboot 1: a memory map of two ranges. */
static void make1(void)
{
	memset(memory.bytes, 0, SIZE);
	store_le32(at(BASE), 1u << 6);
	store_le32(at(BASE + 44), 48);
	store_le32(at(BASE + 48), MAP);
	for (unsigned int i = 0; i < 2; i++) {
		store_le32(at(MAP + i * 24), 20);
		store_le64(at(MAP + i * 24 + 4), i * 0x100000);
		store_le64(at(MAP + i * 24 + 12), 0x80000);
		store_le32(at(MAP + i * 24 + 20), MEMORY_USABLE);
	}
}

static void flag1(unsigned int bit)
{
	store_le32(at(BASE), load_le32(at(BASE)) | 1u << bit);
}

static void module1(uint32_t count)
{
	flag1(3);
	store_le32(at(BASE + 20), count);
	store_le32(at(BASE + 24), MODULES);
	for (unsigned int i = 0; i < count; i++) {
		store_le32(at(MODULES + i * 16), i ? INITRD : KERNEL);
		store_le32(at(MODULES + i * 16 + 4), (i ? INITRD : KERNEL) + 0x800);
		store_le32(at(MODULES + i * 16 + 8), TEXTS + i * 0x100);
		put_text(TEXTS + i * 0x100, i ? "initrd.img" : "/boot/vmlinuz root=/dev/vda1 ro");
	}
}

static bool parse1(void)
{
	why.text[0] = '\0';
	return multiboot1_parse(&memory.phys, BASE, &info, &why);
}

/* Multiboot 2: where the next tag goes. */
static uint32_t total;

static void make2(void)
{
	memset(memory.bytes, 0, SIZE);
	total = 8;
}

/* Begins a tag with so many bytes after its head; returns where they are. */
static uint8_t *tag(uint32_t type, uint32_t size)
{
	uint8_t *here = at(BASE + total);

	store_le32(here, type);
	store_le32(here + 4, size + 8);
	total = (total + size + 8 + 7) & ~7u;
	return here + 8;
}

static void map2(void)
{
	uint8_t *map = tag(6, 8 + 24);

	store_le32(map, 24);
	store_le64(map + 8 + 8, 0x80000);
	store_le32(map + 8 + 16, MEMORY_USABLE);
}

static void module2(uint32_t base, uint32_t end, const char *text)
{
	uint8_t *module = tag(3, 8 + (uint32_t)strlen(text) + 1);

	store_le32(module, base);
	store_le32(module + 4, end);
	memcpy(module + 8, text, strlen(text) + 1);
}

static void efi2(void)
{
	uint8_t *map = tag(17, 8 + 3 * 48);

	store_le32(map, 48);
	store_le32(map + 4, 1);
	store_le64(tag(12, 8), 0x7f000018);
}

static void screen2(uint8_t type, uint32_t width, uint32_t height, uint32_t pitch, uint8_t bits)
{
	static const uint8_t colours[] = { 16, 8, 8, 8, 0, 8 };
	uint8_t *screen = tag(8, 30);

	store_le64(screen, type == 2 ? 0xb8000 : 0x40c0000000);
	store_le32(screen + 8, pitch);
	store_le32(screen + 12, width);
	store_le32(screen + 16, height);
	screen[20] = bits;
	screen[21] = type;
	memcpy(screen + 24, colours, sizeof(colours));
}

static bool parse2_unfinished(void)
{
	store_le32(at(BASE), total);
	why.text[0] = '\0';
	return multiboot2_parse(&memory.phys, BASE, &info, &why);
}

static bool parse2(void)
{
	tag(0, 0);
	return parse2_unfinished();
}

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

	return cmocka_run_group_tests_name("hv-multiboot", tests, setup, teardown);
}
