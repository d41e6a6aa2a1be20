// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the root kernel is put, and which kernels are refused.
 */
#include "tests/unit/unit.h"

#include "tests/unit/root-kernel.h"

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
		CASE(memory_that_the_root_does_not_have_is_refused),
		CASE(too_little_memory_is_a_sentence),
		CASE(no_place_overlaps_another_whatever_the_map),
	};

	return cmocka_run_group_tests_name("hv-linux", tests, NULL, NULL);
}
