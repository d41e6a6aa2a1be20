// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the root kernel is put, and what its zero page says. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/linux.h"
#include "tests/unit/bzimage-make.h"
#include "tests/unit/hv-memory.h"

/* 16 MiB; the kernel's file and the initrd as a boot loader puts them. */
#define SIZE   (16 * MIB)
#define KERNEL (2 * MIB)
#define CODE   0x2340u
#define INITRD (KERNEL + 0x8000)

static struct hv_memory memory;
static struct boot_info info;
static struct memory_map map;
static struct linux_plan plan;
static struct sentence why;
static const struct memory_range own = { 12 * MIB, 2 * MIB, MEMORY_RESERVED };

static uint8_t *at(uint64_t address)
{
	return memory.bytes + address;
}

static uint8_t *header(unsigned int offset)
{
	return at(KERNEL + offset);
}

static uint8_t *params(unsigned int offset)
{
	return at(plan.params + offset);
}

static void add(uint64_t base, uint64_t size, uint32_t kind)
{
	assert_true(memory_map_add(&map, base, size, kind, &why));
}

static void fill(uint64_t base, uint64_t size, unsigned int factor)
{
	for (uint64_t i = 0; i < size; i++)
		*at(base + i) = (uint8_t)(i * factor + i / 255);
}

static void make(void)
{
	memset(memory.bytes, 0xA5, SIZE);
	memset(&info, 0, sizeof(info));
	bzimage_make(at(KERNEL), CODE);
	info.kernel.base = KERNEL;
	info.kernel.size = BZIMAGE_CODE_AT + CODE + 100;
	memcpy(info.kernel.text, "root=/dev/vda1 ro", 18);
	info.initrd.base = INITRD;
	info.initrd.size = 0x5678;
	fill(INITRD, info.initrd.size, 5);
	map.count = 0;
	add(0, 0x9F000, MEMORY_USABLE);
	add(0xE0000, 0x20000, MEMORY_RESERVED);
	add(MIB, SIZE - MIB, MEMORY_USABLE);
	add(own.base, own.size, own.kind);
}

static int setup(void **state)
{
	(void)state;
	memory = hv_memory_new(0, SIZE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory.bytes);
	return 0;
}

static bool try_plan(void)
{
	why.text[0] = '\0';
	return linux_plan(&memory.phys, &info, &map, &plan, &why);
}

static void make_plan(void)
{
	if (!try_plan())
		fail_msg("%s", why.text);
}

static void load(void)
{
	make_plan();
	linux_load(&memory.phys, &info, &map, &own, &plan);
}

TEST(the_kernel_goes_to_its_preferred_address)
{
	make();
	load();
	assert_int_equal(plan.kernel, 4 * MIB);
	assert_int_equal(plan.init_size, 3 * MIB);
	assert_int_equal(plan.code, BZIMAGE_CODE_AT);
	assert_int_equal(plan.code_size, CODE);
	assert_memory_equal(at(plan.kernel), at(KERNEL + BZIMAGE_CODE_AT), CODE);
	assert_int_equal(*at(plan.kernel + CODE), 0xA5);
}

TEST(no_number_of_setup_sectors_means_four)
{
	make();
	*header(0x1F1) = 0;
	make_plan();
	assert_int_equal(plan.code, 5 * 512);
	*header(0x1F1) = 3;
	make_plan();
	assert_int_equal(plan.code, 4 * 512);
}

TEST(a_kernel_whose_place_is_taken_goes_to_the_next_above)
{
	make();
	info.initrd.size = 4 * MIB;
	make_plan();
	assert_int_equal(plan.kernel, 8 * MIB);
	assert_int_equal(plan.initrd, INITRD);
	/* Never below: there it would move itself. */
	make();
	store_le64(header(0x258), 10 * MIB);
	assert_false(try_plan());
	assert_string_equal(why.text, "too little memory: the root kernel needs 3 MiB in one piece "
	                              "below 4 GiB");
}

TEST(a_kernel_that_cannot_be_moved_needs_its_place)
{
	make();
	*header(0x234) = 0;
	make_plan();
	assert_int_equal(plan.kernel, 4 * MIB);
	add(7 * MIB - 1, 1, MEMORY_NVS);
	assert_false(try_plan());
	assert_string_equal(why.text,
	                    "the root kernel cannot be moved, and its place at 400000 is not free");
	make();
	*header(0x234) = 0;
	store_le64(header(0x258), 4 * GIB - MIB);
	assert_false(try_plan());
	store_le64(header(0x258), UINT64_MAX - MIB);
	assert_false(try_plan());
	/* Where the modules are is not free. */
	store_le64(header(0x258), 0);
	store_le32(header(0x260), MIB + 0x10);
	assert_false(try_plan());
}

TEST(what_is_no_kernel_is_named_so)
{
	const char *sentence =
		"the first module is no Linux kernel: it has no boot protocol header";

	make();
	*header(0x1FE) ^= 1;
	assert_false(try_plan());
	assert_string_equal(why.text, sentence);
	make();
	*header(0x205) ^= 1;
	assert_false(try_plan());
	assert_string_equal(why.text, sentence);
	for (info.kernel.size = 1; info.kernel.size < 0x264; info.kernel.size++) {
		assert_false(try_plan());
		assert_string_equal(why.text, sentence);
	}
	make();
	info.kernel.base = SIZE - 0x400;
	assert_false(try_plan());
	assert_string_equal(why.text, sentence);
}

TEST(a_32_bit_kernel_is_named_so)
{
	make();
	store_le16(header(0x236), 0x7E);
	assert_false(try_plan());
	assert_string_equal(why.text, "the root kernel is a 32-bit kernel: a 64-bit one is needed");
}

/* Each number of the header that we go by, and what is said when it is wrong. */
TEST(every_number_of_the_header_is_checked)
{
	static const struct {
		unsigned int offset, bytes;
		uint32_t value;
		const char *sentence;
	} wrong[] = {
		{ 0x206, 2, 0x020B,
		  "the root kernel is too old: it speaks boot protocol 2.11, not 2.12" },
		{ 0x206, 2, 0,
		  "the root kernel is too old: it speaks boot protocol 0.0, not 2.12" },
		{ 0x211, 1, 0, "the root kernel is a zImage: a bzImage is needed" },
		{ 0x201, 1, 0x61,
		  "the root kernel's boot protocol header ends at 263, which is wrong" },
		{ 0x201, 1, 0x8F,
		  "the root kernel's boot protocol header ends at 291, which is wrong" },
		{ 0x1F4, 4, 0,
		  "the root kernel has 11684 bytes, and should have 2560: it is cut off" },
		{ 0x1F4, 4, CODE / 16 + 7,
		  "the root kernel has 11684 bytes, and should have 11696: it is cut off" },
		{ 0x1F4, 4, UINT32_MAX,
		  "the root kernel has 11684 bytes, and should have 68719479280: it is cut off" },
		{ 0x1F1, 1, 255,
		  "the root kernel has 11684 bytes, and should have 140096: it is cut off" },
		{ 0x260, 4, CODE - 1,
		  "the root kernel has 9024 bytes of code, and wants only 9023 for it" },
		{ 0x260, 4, 0, "the root kernel has 9024 bytes of code, and wants only 0 for it" },
		{ 0x260, 4, UINT32_MAX,
		  "too little memory: the root kernel needs 4096 MiB in one piece below 4 GiB" },
		{ 0x230, 4, 0,
		  "the root kernel wants to be at a multiple of 0, which is no power of two" },
		{ 0x230, 4, 0x300000,
		  "the root kernel wants to be at a multiple of 3145728, which is no power of "
		  "two" },
		{ 0x230, 4, 1u << 31,
		  "too little memory: the root kernel needs 3 MiB in one piece below 4 GiB" },
		{ 0x25C, 4, 1,
		  "too little memory: the root kernel needs 3 MiB in one piece below 4 GiB" },
		{ 0x25C, 4, UINT32_MAX,
		  "too little memory: the root kernel needs 3 MiB in one piece below 4 GiB" },
		{ 0x238, 4, 16, "the root kernel's command line has 17 bytes, and it takes 16" },
		{ 0x22C, 4, 0,
		  "too little memory: there is no place for an initrd of 1 MiB below 1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		make();
		memcpy(header(wrong[i].offset), &wrong[i].value, wrong[i].bytes);
		assert_false(try_plan());
		assert_string_equal(why.text, wrong[i].sentence);
	}
}

TEST(a_command_line_of_all_the_bytes_it_takes_is_given_whole)
{
	make();
	memset(info.kernel.text, 'x', BOOT_TEXT_MAX - 1);
	load();
	assert_int_equal(load_le32(params(0x228)), plan.params + 4096);
	assert_string_equal((char *)at(load_le32(params(0x228))), info.kernel.text);
}

static void assert_initrd_moved(uint64_t size)
{
	assert_int_not_equal(plan.initrd, info.initrd.base);
	assert_int_equal(plan.initrd % 4096, 0);
	assert_true(plan.initrd + size <= plan.kernel ||
	            plan.initrd >= plan.kernel + plan.init_size);
	assert_int_equal(load_le32(params(0x218)), plan.initrd);
	assert_int_equal(load_le32(params(0x21C)), size);
	assert_memory_equal(at(plan.initrd), at(info.initrd.base), size);
}

TEST(an_initrd_stays_where_it_is)
{
	make();
	load();
	assert_int_equal(plan.initrd, INITRD);
	assert_int_equal(load_le32(params(0x218)), INITRD);
	assert_int_equal(load_le32(params(0x21C)), 0x5678);
	make();
	store_le32(header(0x22C), INITRD + 0x5678 - 1);
	make_plan();
	assert_int_equal(plan.initrd, INITRD);
}

TEST(an_initrd_above_the_kernels_reach_is_moved_below)
{
	make();
	info.initrd.base = 10 * MIB;
	fill(10 * MIB, 0x5678, 5);
	store_le32(header(0x22C), 10 * MIB + 0x5678 - 2);
	load();
	assert_initrd_moved(0x5678);
	assert_true(plan.initrd + 0x5678 <= 10 * MIB);
}

TEST(an_initrd_that_is_not_on_a_page_or_not_in_usable_memory_is_moved)
{
	make();
	info.initrd.base = INITRD + 0x10;
	load();
	assert_initrd_moved(0x5678);
	make();
	add(INITRD + 0x5000, 0x1000, MEMORY_RESERVED);
	load();
	assert_initrd_moved(0x5678);
	add(INITRD, 0x6000, MEMORY_RESERVED);
	load();
	assert_initrd_moved(0x5678);
}

TEST(initrd_and_parameters_may_be_below_the_kernel)
{
	make();
	info.initrd.base = INITRD + 0x10;
	add(7 * MIB, SIZE - 7 * MIB, MEMORY_RESERVED);
	load();
	assert_initrd_moved(0x5678);
	assert_int_equal(plan.initrd, 4 * MIB - 0x6000);
	assert_int_equal(plan.params + plan.params_size, plan.initrd);
}

TEST(without_an_initrd_the_kernel_is_told_so)
{
	make();
	info.initrd = (struct boot_module){ 0 };
	load();
	assert_int_equal(load_le32(params(0x218)), 0);
	assert_int_equal(load_le32(params(0x21C)), 0);
}

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

/* The ranges as a kernel reads them. */
static void assert_e820(void)
{
	uint8_t *range = params(0x2D0);

	assert_int_equal(*params(0x1E8), min_u64(map.count, 128));
	for (uint32_t i = 0; i < map.count; i++, range += 20) {
		if (i == 128) {
			uint8_t *more = at(load_le64(params(0x250)));

			assert_int_equal(load_le64(more), 0);
			assert_int_equal(load_le32(more + 8), 1);
			assert_int_equal(load_le32(more + 12), (map.count - 128) * 20);
			range = more + 16;
			assert_true(more + 16 + (map.count - 128) * 20 <=
			            params(0) + plan.params_size);
		}
		assert_int_equal(load_le64(range), map.range[i].base);
		assert_int_equal(load_le64(range + 8), map.range[i].size);
		assert_int_equal(load_le32(range + 16), map.range[i].kind);
	}
	if (map.count <= 128)
		assert_int_equal(load_le64(params(0x250)), 0);
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

static void make_pixels(void)
{
	make();
	info.screen = (struct boot_screen){ .kind = SCREEN_PIXELS,
		                            .base = 0x4080001000,
		                            .pitch = 4096,
		                            .width = 1000,
		                            .height = 601,
		                            .bits = 32,
		                            .red = { 16, 8 },
		                            .green = { 8, 8 },
		                            .blue = { 0, 8 } };
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

#define EFI_MAP  0x8000u
#define EFI_STEP 48u

static void efi_descriptor(uint32_t i, uint32_t type, uint64_t base, uint64_t end)
{
	uint8_t *to = at(EFI_MAP + (uint64_t)i * EFI_STEP);

	memset(to, 0, EFI_STEP);
	store_le32(to, type);
	store_le64(to + 8, base);
	store_le64(to + 24, (end - base) / 4096);
	store_le64(to + 32, 0xF);
	info.efi.map_size = (i + 1) * EFI_STEP;
}

static void make_efi(void)
{
	make_pixels();
	info.efi = (struct boot_efi){ .system_table = 0x17F000018,
		                      .map = EFI_MAP,
		                      .descriptor_size = EFI_STEP,
		                      .descriptor_version = 1 };
	efi_descriptor(0, 7, 0, 0x9F000);
	efi_descriptor(1, 7, MIB, SIZE);
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

TEST(memory_that_the_root_does_not_have_is_refused)
{
	make();
	memory.size = 7 * MIB - 1;
	assert_false(try_plan());
	memory.size = SIZE;
	assert_string_equal(why.text,
	                    "what the memory map says is usable is not memory that the root has");
	make_efi();
	info.efi.map = SIZE - 8;
	assert_false(try_plan());
	assert_string_equal(why.text, "UEFI's memory map is not in memory that the root has");
	make();
	info.initrd.base = SIZE - 8;
	assert_false(try_plan());
	assert_string_equal(why.text, "the initrd is not in memory that the root has");
}

TEST(too_little_memory_is_a_sentence)
{
	make();
	map.count = 0;
	add(0, 7 * MIB - 1, MEMORY_USABLE);
	assert_false(try_plan());
	assert_string_equal(why.text, "too little memory: the root kernel needs 3 MiB in one piece "
	                              "below 4 GiB");
	make();
	map.count = 0;
	/* What is below 1 MiB is for the kernel's own start. */
	add(0, 0x9F000, MEMORY_USABLE);
	add(4 * MIB, 3 * MIB, MEMORY_USABLE);
	assert_false(try_plan());
	assert_string_equal(
		why.text,
		"too little memory: there is no place for an initrd of 1 MiB below 80000000");
	info.initrd.size = 0;
	assert_false(try_plan());
	assert_string_equal(
		why.text, "too little memory: there is no place for the root kernel's parameters");
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static uint64_t random_page(void)
{
	return (uint64_t)rand() % (SIZE / 4096) * 4096;
}

TEST(no_place_overlaps_another_whatever_the_map)
{
	unsigned int planned = 0;

	for (unsigned int round = 0; round < 2000; round++) {
		make();
		for (int i = rand() % 12; i > 0; i--)
			add(random_page(), (uint64_t)(rand() % 64) * 4096,
			    (uint32_t)(MEMORY_RESERVED + rand() % 4));
		info.initrd.base = rand() % 2 ? INITRD : 6 * MIB + random_page() / 4;
		info.initrd.size = 1 + random_page() / 8;
		store_le32(header(0x22C), (uint32_t)(SIZE / 2 + random_page()));
		if (!try_plan())
			continue;
		planned++;
		const uint64_t places[][2] = { { plan.kernel, plan.init_size },
			                       { plan.params, plan.params_size },
			                       { plan.initrd, info.initrd.size },
			                       { KERNEL, info.kernel.size },
			                       { info.initrd.base, info.initrd.size } };

		for (size_t i = 0; i < 5; i++) {
			for (size_t j = i + 1; j < 5; j++) {
				if (i == 2 && j == 4 && plan.initrd == info.initrd.base)
					continue;
				assert_false(overlap(places[i][0], places[i][1], places[j][0],
				                     places[j][1]));
			}
		}
		for (size_t i = 0; i < 3; i++) {
			const struct memory_range *range = memory_map_at(&map, places[i][0]);

			assert_true(range && range->kind == MEMORY_USABLE);
			assert_true(places[i][0] + places[i][1] <= range->base + range->size);
		}
		assert_true(plan.initrd + info.initrd.size - 1 <= load_le32(header(0x22C)));
		linux_load(&memory.phys, &info, &map, &own, &plan);
		assert_memory_equal(at(plan.kernel), at(KERNEL + BZIMAGE_CODE_AT), CODE);
		assert_memory_equal(at(plan.initrd), at(info.initrd.base), info.initrd.size);
		assert_e820();
	}
	assert_true(planned > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_kernel_goes_to_its_preferred_address),
		CASE(no_number_of_setup_sectors_means_four),
		CASE(a_kernel_whose_place_is_taken_goes_to_the_next_above),
		CASE(a_kernel_that_cannot_be_moved_needs_its_place),
		CASE(what_is_no_kernel_is_named_so),
		CASE(a_32_bit_kernel_is_named_so),
		CASE(every_number_of_the_header_is_checked),
		CASE(a_command_line_of_all_the_bytes_it_takes_is_given_whole),
		CASE(an_initrd_stays_where_it_is),
		CASE(an_initrd_above_the_kernels_reach_is_moved_below),
		CASE(an_initrd_that_is_not_on_a_page_or_not_in_usable_memory_is_moved),
		CASE(initrd_and_parameters_may_be_below_the_kernel),
		CASE(without_an_initrd_the_kernel_is_told_so),
		CASE(the_kernels_own_header_is_in_the_zero_page),
		CASE(the_memory_map_is_given_whole),
		CASE(a_text_screen_goes_on_below_what_is_on_it),
		CASE(a_framebuffer_is_described_bit_by_bit),
		CASE(uefi_is_handed_on_with_our_memory_reserved),
		CASE(without_uefi_nothing_is_said_of_it),
		CASE(tables_in_memory_of_boot_services_are_not_written_over),
		CASE(the_boot_loaders_copy_of_uefis_map_is_not_written_over),
		CASE(a_root_pointer_is_handed_on_only_where_it_stays),
		CASE(memory_that_the_root_does_not_have_is_refused),
		CASE(too_little_memory_is_a_sentence),
		CASE(no_place_overlaps_another_whatever_the_map),
	};

	return cmocka_run_group_tests_name("hv-linux", tests, setup, teardown);
}
