// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hostile kernels on hostile maps in 32 MiB.  The input: eight bytes of choices, six for each range
 * of the map and each descriptor of UEFI's, and the kernel's file.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/endian.h"
#include "hypervisor/boot/linux.h"
#include "tests/unit/hv-memory.h"

#define SIZE    (32 * MIB)
#define PAGE    4096u
#define KERNEL  (2 * MIB)
#define EFI_MAP 0x10000u
#define CHOICES 8u
#define RECORD  6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct hv_memory memory = { .phys = { hv_memory_window }, .size = SIZE };
static struct boot_info info;
static struct memory_map map;
static const struct memory_range own = { 24 * MIB, 2 * MIB, MEMORY_RESERVED };

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void add_range(const uint8_t *record)
{
	struct sentence why;

	/* In the second half of the pages they are small, so that there can be many. */
	memory_map_add(&map, load_le16(record) * (uint64_t)PAGE,
	               load_le16(record + 2) * UINT64_C(64), record[4], &why);
}

static void add_descriptor(const uint8_t *record)
{
	uint8_t *to = memory.bytes + EFI_MAP + info.efi.map_size;
	uint64_t pages = load_le16(record + 2);

	memset(to, 0, info.efi.descriptor_size);
	store_le32(to, record[4]);
	store_le64(to + 8, load_le16(record) * (uint64_t)PAGE + (record[5] & 1));
	store_le64(to + 24, record[5] & 2 ? pages << 48 | pages : pages);
	info.efi.map_size += info.efi.descriptor_size;
}

/* Returns how much of the input it took. */
static size_t make(const uint8_t *data, size_t len)
{
	size_t at = CHOICES;

	memset(&info, 0, sizeof(info));
	map.count = 0;
	if (data[0] & 1)
		info.efi = (struct boot_efi){ 0x1234, EFI_MAP, 0, data[0] & 2 ? 48 : 40, 1 };
	for (unsigned int i = 0; i < data[1] * 3u && at + RECORD <= len; i++, at += RECORD)
		add_range(data + at);
	for (unsigned int i = 0; i < data[2] && info.efi.map && at + RECORD <= len;
	     i++, at += RECORD)
		add_descriptor(data + at);
	if (info.efi.map_size == 0)
		memset(&info.efi, 0, sizeof(info.efi));
	info.initrd.base = 4 * MIB + data[3] * UINT64_C(0x10800);
	info.initrd.size = data[4] * UINT64_C(0x1001);
	memset(info.kernel.text, 'x', data[5] * 8u);
	info.screen.kind = data[6] % 3;
	info.screen.width = info.screen.height = data[7];
	info.rsdp = data[7] & 1 ? EFI_MAP : 0;
	return at;
}

static bool apart(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a_size == 0 || b_size == 0 || a >= b + b_size || b >= a + a_size;
}

static void require_usable(uint64_t base, uint64_t size)
{
	const struct memory_range *range = memory_map_at(&map, base);

	require(range && range->kind == MEMORY_USABLE &&
	        range_inside(base - range->base, size, range->size));
}

static void require_places(const struct linux_plan *plan)
{
	const struct boot_module *modules[] = { &info.kernel, &info.initrd };

	require_usable(plan->kernel, plan->init_size);
	require_usable(plan->params, plan->params_size);
	require(apart(plan->kernel, plan->init_size, plan->params, plan->params_size));
	require(apart(plan->kernel, plan->init_size, info.efi.map, info.efi.map_size));
	require(apart(plan->params, plan->params_size, info.efi.map, info.efi.map_size));
	require(plan->code_size <= plan->init_size);
	for (int i = 0; i < 2; i++) {
		require(apart(plan->kernel, plan->init_size, modules[i]->base, modules[i]->size));
		require(apart(plan->params, plan->params_size, modules[i]->base, modules[i]->size));
	}
	if (info.initrd.size > 0) {
		require_usable(plan->initrd, info.initrd.size);
		require(apart(plan->initrd, info.initrd.size, plan->kernel, plan->init_size));
		require(apart(plan->initrd, info.initrd.size, plan->params, plan->params_size));
		require(apart(plan->initrd, info.initrd.size, KERNEL, info.kernel.size));
	}
}

static void require_loaded(const struct linux_plan *plan)
{
	const uint8_t *params = memory.bytes + plan->params;

	require(memcmp(memory.bytes + plan->kernel, memory.bytes + KERNEL + plan->code,
	               plan->code_size) == 0);
	require(params[0x1E8] == min_u64(map.count, 128));
	require(strcmp((const char *)memory.bytes + load_le32(params + 0x228), info.kernel.text) ==
	        0);
	require(load_le32(params + 0x1D4) >= info.efi.map_size);
	if (info.efi.map_size > 0)
		require(range_inside(load_le32(params + 0x1D0) - plan->params,
		                     load_le32(params + 0x1D4), plan->params_size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sentence why = { "" };
	struct linux_plan plan;
	size_t at;

	if (!memory.bytes)
		memory.bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	require(memory.bytes != MAP_FAILED);
	if (len < CHOICES)
		return 0;
	at = make(data, len);
	info.kernel.base = KERNEL;
	info.kernel.size = len - at;
	if (len > at)
		memcpy(memory.bytes + KERNEL, data + at, len - at);
	if (!linux_plan(&memory.phys, &info, &map, &plan, &why)) {
		require(strlen(why.text) > 0);
		return 0;
	}
	require_places(&plan);
	linux_load(&memory.phys, &info, &map, &own, &plan);
	require_loaded(&plan);
	return 0;
}
