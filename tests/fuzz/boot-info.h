/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold of all that a boot loader's information is parsed into, whoever wrote it.
 */
#ifndef TESTS_FUZZ_BOOT_INFO_H
#define TESTS_FUZZ_BOOT_INFO_H

#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/boot-info.h"
#include "tests/unit/hv-memory.h"

typedef bool parser(const struct phys *phys, uint64_t at, struct boot_info *ret,
                    struct sentence *why);

static inline void require(bool holds)
{
	if (!holds)
		abort();
}

static inline void require_inside(const struct phys *phys, uint64_t base, uint64_t size)
{
	require(size == 0 || phys_window(phys, base, size));
}

static inline void require_map(const struct memory_map *map)
{
	require(map->count > 0 && map->count <= MEMORY_MAP_MAX);
	for (uint32_t i = 0; i < map->count; i++) {
		const struct memory_range *range = &map->range[i];

		require(range->size > 0 && range->base + range->size > range->base);
		require(i == 0 || range[-1].base + range[-1].size <= range->base);
		require(range->kind >= MEMORY_USABLE && range->kind <= MEMORY_BAD);
	}
}

/* The input is the memory from 64 KiB on, and the information its first bytes. */
static inline void parse_boot_info(parser *parse, const uint8_t *data, size_t len)
{
	static struct boot_info info;
	struct hv_memory memory = hv_memory_new(0x10000, len ? len : 1);
	struct sentence why = { "" };

	if (len > 0)
		memcpy(memory.bytes, data, len);
	if (parse(&memory.phys, memory.base, &info, &why)) {
		require(strlen(info.command_line) < BOOT_TEXT_MAX);
		require(strlen(info.kernel.text) < BOOT_TEXT_MAX);
		require(strlen(info.initrd.text) < BOOT_TEXT_MAX);
		require(info.initrd.size == 0 || info.kernel.size > 0);
		require_inside(&memory.phys, info.kernel.base, info.kernel.size);
		require_inside(&memory.phys, info.initrd.base, info.initrd.size);
		require_inside(&memory.phys, info.efi.map, info.efi.map_size);
		require_inside(&memory.phys, info.rsdp, info.rsdp ? 20 : 0);
		require((info.efi.system_table == 0) == (info.efi.map == 0));
		require(info.efi.map == 0 || info.efi.descriptor_size >= 40);
		require_map(&info.map);
	} else {
		require(strlen(why.text) > 0);
	}
	free(memory.bytes);
}

#endif
