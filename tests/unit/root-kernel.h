/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A root kernel and its initrd in memory, as a boot loader leaves them, and what becomes of them.
 */
#ifndef TESTS_UNIT_ROOT_KERNEL_H
#define TESTS_UNIT_ROOT_KERNEL_H

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

static uint8_t bytes[SIZE];
static struct hv_memory memory = { { hv_memory_window }, 0, SIZE, bytes };
static struct boot_info info;
static struct memory_map map;
static struct linux_plan plan;
static struct sentence why;
static const struct memory_range own = { 12 * MIB, 2 * MIB, MEMORY_RESERVED };

static inline uint8_t *at(uint64_t address)
{
	return memory.bytes + address;
}

static inline uint8_t *header(unsigned int offset)
{
	return at(KERNEL + offset);
}

static inline uint8_t *params(unsigned int offset)
{
	return at(plan.params + offset);
}

static inline void add(uint64_t base, uint64_t size, uint32_t kind)
{
	assert_true(memory_map_add(&map, base, size, kind, &why));
}

static inline void fill(uint64_t base, uint64_t size, unsigned int factor)
{
	for (uint64_t i = 0; i < size; i++)
		*at(base + i) = (uint8_t)(i * factor + i / 255);
}

static inline void make(void)
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

#define EFI_MAP  0x8000u
#define EFI_STEP 48u

static inline void efi_descriptor(uint32_t i, uint32_t type, uint64_t base, uint64_t end)
{
	uint8_t *to = at(EFI_MAP + (uint64_t)i * EFI_STEP);

	memset(to, 0, EFI_STEP);
	store_le32(to, type);
	store_le64(to + 8, base);
	store_le64(to + 24, (end - base) / 4096);
	store_le64(to + 32, 0xF);
	info.efi.map_size = (i + 1) * EFI_STEP;
}

static inline void make_pixels(void)
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

static inline void make_efi(void)
{
	make_pixels();
	info.efi = (struct boot_efi){ .system_table = 0x17F000018,
		                      .map = EFI_MAP,
		                      .descriptor_size = EFI_STEP,
		                      .descriptor_version = 1 };
	efi_descriptor(0, 7, 0, 0x9F000);
	efi_descriptor(1, 7, MIB, SIZE);
}

static inline bool try_plan(void)
{
	why.text[0] = '\0';
	return linux_plan(&memory.phys, &info, &map, &plan, &why);
}

static inline void make_plan(void)
{
	if (!try_plan())
		fail_msg("%s", why.text);
}

static inline void load(void)
{
	make_plan();
	linux_load(&memory.phys, &info, &map, &own, &plan);
}

/* The ranges as a kernel reads them. */
static inline void assert_e820(void)
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

#endif
