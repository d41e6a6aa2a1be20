// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Multiboot2 2.0: a list of tags, each with its type and size, on multiples of 8 bytes.
 */
#include "base/bits.h"
#include "base/endian.h"
#include "hypervisor/boot/loader.h"
#include "hypervisor/core/string.h"

/* Section 3.6: types, and the bytes that each has at least. */
enum {
	TAG_END = 0,
	TAG_COMMAND_LINE = 1,
	TAG_MODULE = 3,
	TAG_MAP = 6,
	TAG_SCREEN = 8,
	TAG_EFI32 = 11,
	TAG_EFI64 = 12,
	TAG_RSDP_OLD = 14,
	TAG_RSDP = 15,
	TAG_EFI_MAP = 17,
	TAG_EFI_BOOT_SERVICES = 18
};

static const uint8_t tag_bytes[] = {
	[TAG_COMMAND_LINE] = 9, [TAG_MODULE] = 16,   [TAG_MAP] = 16,  [TAG_SCREEN] = 32,
	[TAG_EFI64] = 16,       [TAG_RSDP_OLD] = 28, [TAG_RSDP] = 44, [TAG_EFI_MAP] = 16,
};

#define COLOURS              6u
#define EFI_DESCRIPTOR_BYTES 40u /* UEFI 2.10 section 7.2.3; may be longer */

static bool read_map(struct memory_map *map, const uint8_t *tag, uint32_t size,
                     struct sentence *why)
{
	uint32_t step = load_le32(tag + 8);

	if (step < 24 || step % 8 != 0)
		return say(why, "the boot loader's memory map has ranges of %u bytes", step);
	for (uint32_t at = 16; size - at >= step; at += step) {
		if (!memory_map_add(map, load_le64(tag + at), load_le64(tag + at + 8),
		                    load_le32(tag + at + 16), why))
			return false;
	}
	return true;
}

static bool read_efi_map(struct boot_efi *efi, const uint8_t *tag, uint32_t size, uint64_t at,
                         struct sentence *why)
{
	efi->descriptor_size = load_le32(tag + 8);
	efi->descriptor_version = load_le32(tag + 12);
	if (efi->descriptor_size < EFI_DESCRIPTOR_BYTES || efi->descriptor_size % 8 != 0 ||
	    efi->descriptor_size > size - 16)
		return say(why, "UEFI's memory map has descriptors of %u bytes",
		           efi->descriptor_size);
	efi->map = at + 16;
	efi->map_size = (size - 16) / efi->descriptor_size * efi->descriptor_size;
	return true;
}

/* `at`: the tag's physical address.  All of it is in memory. */
static bool read_tag(const struct phys *phys, uint64_t at, const uint8_t *tag, uint32_t size,
                     struct boot_info *info, struct sentence *why)
{
	static const uint8_t no_colours[COLOURS];

	switch (load_le32(tag)) {
	case TAG_COMMAND_LINE:
		return loader_text(phys, at + 8, size - 8, "the command line", info->command_line,
		                   why);
	case TAG_MODULE:
		return loader_module(phys, info, tag + 8, size > 16 ? at + 16 : 0, size - 16, why);
	case TAG_MAP:
		return read_map(&info->map, tag, size, why);
	case TAG_SCREEN:
		return loader_screen(info, (const void *)(tag + 8),
		                     size >= 32 + COLOURS ? tag + 32 : no_colours, why);
	case TAG_EFI32:
		return say(why, "this PC's UEFI is a 32-bit one: a 64-bit one is needed");
	case TAG_EFI64:
		info->efi.system_table = load_le64(tag + 8);
		break;
	case TAG_EFI_MAP:
		return read_efi_map(&info->efi, tag, size, at, why);
	case TAG_EFI_BOOT_SERVICES:
		return say(why, "the boot loader has not left UEFI's boot services");
	case TAG_RSDP:
		info->rsdp = at + 8;
		break;
	case TAG_RSDP_OLD: /* does not replace a newer one */
		info->rsdp = info->rsdp ? info->rsdp : at + 8;
	}
	return true;
}

/* A tag of 8 bytes at least moves on each time, and the last is the end tag. */
static bool read_tags(const struct phys *phys, uint64_t information, const uint8_t *bytes,
                      struct boot_info *info, struct sentence *why)
{
	uint32_t total = load_le32(bytes);
	uint64_t at = 8;

	while (range_inside(at, 8, total)) {
		uint32_t type = load_le32(bytes + at), size = load_le32(bytes + at + 4);

		if (type == TAG_END)
			return true;
		if (size < 8 || size > total - at ||
		    (type < sizeof(tag_bytes) && size < tag_bytes[type]))
			return say(why, "the boot loader's tag %u has %u bytes", type, size);
		if (!read_tag(phys, information + at, bytes + at, size, info, why))
			return false;
		at = round_up(at + size, 8);
	}
	return say(why, "the boot loader's information has no end tag");
}

bool multiboot2_parse(const struct phys *phys, uint64_t at, struct boot_info *ret,
                      struct sentence *why)
{
	const uint8_t *bytes = phys_window(phys, at, 8);
	uint32_t total = bytes ? load_le32(bytes) : 0;

	memset(ret, 0, sizeof(*ret));
	ret->screen = loader_text_screen;
	bytes = total >= 8 && total <= LOADER_BYTES_MAX ? phys_window(phys, at, total) : NULL;
	if (!bytes)
		return say(why, "the boot loader's information is not in memory");
	if (!read_tags(phys, at, bytes, ret, why))
		return false;
	if (ret->map.count == 0)
		return say(why, "the boot loader gave no memory map");
	if (ret->efi.system_table == 0)
		ret->efi = (struct boot_efi){ 0 };
	else if (ret->efi.map == 0)
		return say(why, "the boot loader gave no UEFI memory map");
	else if (ret->screen.kind ==
	         SCREEN_TEXT) /* UEFI has no text screen: it has none that we know. */
		ret->screen.kind = SCREEN_NONE;
	return true;
}
