/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a boot loader says by either protocol, made piece by piece, and what is read of it.
 */
#ifndef TESTS_UNIT_MULTIBOOT_MAKE_H
#define TESTS_UNIT_MULTIBOOT_MAKE_H

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

static uint8_t bytes[SIZE];
static struct hv_memory memory = { { hv_memory_window }, BASE, SIZE, bytes };
static struct boot_info info;
static struct sentence why;

static inline uint8_t *at(uint64_t address)
{
	return memory.bytes + (address - BASE);
}

static inline void put_text(uint64_t address, const char *text)
{
	memcpy(at(address), text, strlen(text) + 1);
}

/* Multiboot 1: a memory map of two ranges. */
static inline void make1(void)
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

static inline void flag1(unsigned int bit)
{
	store_le32(at(BASE), load_le32(at(BASE)) | 1u << bit);
}

static inline void module1(uint32_t count)
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

static inline bool parse1(void)
{
	why.text[0] = '\0';
	return multiboot1_parse(&memory.phys, BASE, &info, &why);
}

/* Multiboot 2: where the next tag goes. */
static uint32_t total;

static inline void make2(void)
{
	memset(memory.bytes, 0, SIZE);
	total = 8;
}

/* Begins a tag with so many bytes after its head; returns where they are. */
static inline uint8_t *tag(uint32_t type, uint32_t size)
{
	uint8_t *here = at(BASE + total);

	store_le32(here, type);
	store_le32(here + 4, size + 8);
	total = (total + size + 8 + 7) & ~7u;
	return here + 8;
}

static inline void map2(void)
{
	uint8_t *map = tag(6, 8 + 24);

	store_le32(map, 24);
	store_le64(map + 8 + 8, 0x80000);
	store_le32(map + 8 + 16, MEMORY_USABLE);
}

static inline void module2(uint32_t base, uint32_t end, const char *text)
{
	uint8_t *module = tag(3, 8 + (uint32_t)strlen(text) + 1);

	store_le32(module, base);
	store_le32(module + 4, end);
	memcpy(module + 8, text, strlen(text) + 1);
}

static inline void efi2(void)
{
	uint8_t *map = tag(17, 8 + 3 * 48);

	store_le32(map, 48);
	store_le32(map + 4, 1);
	store_le64(tag(12, 8), 0x7f000018);
}

static inline void screen2(uint8_t type, uint32_t width, uint32_t height, uint32_t pitch,
                           uint8_t bits)
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

static inline bool parse2_unfinished(void)
{
	store_le32(at(BASE), total);
	why.text[0] = '\0';
	return multiboot2_parse(&memory.phys, BASE, &info, &why);
}

static inline bool parse2(void)
{
	tag(0, 0);
	return parse2_unfinished();
}

#endif
