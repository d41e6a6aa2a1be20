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
	TAG_EFI_BOOT_SERVICES = 18,
	TAG_TYPES
};

static const uint8_t tag_bytes[TAG_TYPES] = {
	[TAG_COMMAND_LINE] = 9, [TAG_MODULE] = 16,   [TAG_MAP] = 16,  [TAG_SCREEN] = 32,
	[TAG_EFI64] = 16,       [TAG_RSDP_OLD] = 28, [TAG_RSDP] = 44, [TAG_EFI_MAP] = 16,
};

#define EFI_DESCRIPTOR_BYTES 40u /* UEFI 2.10 section 7.2.3; may be longer */
#define COLOURS              6u

struct reader {
	const struct phys *phys;
	struct boot_info *info;
	struct sentence *why;
	bool new_rsdp;
};

static bool read_map(struct reader *reader, const uint8_t *tag, uint32_t size)
{
	uint32_t step = load_le32(tag + 8);

	if (step < 24 || step % 8 != 0)
		return say(reader->why, "the boot loader's memory map has ranges of %u bytes",
		           step);
	for (uint32_t at = 16; size - at >= step; at += step) {
		if (!memory_map_add(&reader->info->map, load_le64(tag + at),
		                    load_le64(tag + at + 8), load_le32(tag + at + 16), reader->why))
			return false;
	}
	return true;
}

static bool read_screen(struct reader *reader, const uint8_t *tag, uint32_t size)
{
	struct loader_screen screen;
	uint8_t colours[COLOURS] = { 0 };

	memcpy(&screen, tag + 8, sizeof(screen));
	if (size >= 32 + COLOURS)
		memcpy(colours, tag + 32, COLOURS);
	return loader_screen(reader->info, &screen, colours, reader->why);
}

static bool read_efi_map(struct reader *reader, const uint8_t *tag, uint32_t size, uint64_t at)
{
	struct boot_efi *efi = &reader->info->efi;

	efi->descriptor_size = load_le32(tag + 8);
	efi->descriptor_version = load_le32(tag + 12);
	if (efi->descriptor_size < EFI_DESCRIPTOR_BYTES || efi->descriptor_size % 8 != 0 ||
	    efi->descriptor_size > size - 16)
		return say(reader->why, "UEFI's memory map has descriptors of %u bytes",
		           efi->descriptor_size);
	efi->map = at + 16;
	efi->map_size = (size - 16) / efi->descriptor_size * efi->descriptor_size;
	return true;
}

/* `at`: the tag's physical address.  All of it is in memory. */
static bool read_tag(struct reader *reader, uint64_t at, const uint8_t *tag, uint32_t type,
                     uint32_t size)
{
	struct boot_info *info = reader->info;

	switch (type) {
	case TAG_COMMAND_LINE:
		return loader_text(reader->phys, at + 8, size - 8, "the command line",
		                   info->command_line, reader->why);
	case TAG_MODULE:
		return loader_module(reader->phys, info, load_le32(tag + 8), load_le32(tag + 12),
		                     size > 16 ? at + 16 : 0, size - 16, reader->why);
	case TAG_MAP:
		return read_map(reader, tag, size);
	case TAG_SCREEN:
		return read_screen(reader, tag, size);
	case TAG_EFI32:
		return say(reader->why, "this PC's UEFI is a 32-bit one: a 64-bit one is needed");
	case TAG_EFI64:
		info->efi.system_table = load_le64(tag + 8);
		return true;
	case TAG_EFI_MAP:
		return read_efi_map(reader, tag, size, at);
	case TAG_EFI_BOOT_SERVICES:
		return say(reader->why, "the boot loader has not left UEFI's boot services");
	case TAG_RSDP_OLD:
	case TAG_RSDP:
		if (type == TAG_RSDP || !reader->new_rsdp)
			info->rsdp = at + 8;
		reader->new_rsdp |= type == TAG_RSDP;
		return true;
	default:
		return true;
	}
}

/* A tag of 8 bytes at least moves on each time, and the last is the end tag. */
static bool read_tags(struct reader *reader, uint64_t information, const uint8_t *bytes,
                      uint32_t total)
{
	uint64_t at = 8;

	while (range_inside(at, 8, total)) {
		uint32_t type = load_le32(bytes + at), size = load_le32(bytes + at + 4);

		if (type == TAG_END)
			return true;
		if (size < 8 || size > total - at || (type < TAG_TYPES && size < tag_bytes[type]))
			return say(reader->why, "the boot loader's tag %u has %u bytes", type,
			           size);
		if (!read_tag(reader, information + at, bytes + at, type, size))
			return false;
		at = round_up(at + size, 8);
	}
	return say(reader->why, "the boot loader's information has no end tag");
}

bool multiboot2_parse(const struct phys *phys, uint64_t at, struct boot_info *ret,
                      struct sentence *why)
{
	struct reader reader = { .phys = phys, .info = ret, .why = why };
	const uint8_t *bytes = phys_window(phys, at, 8);
	uint32_t total = bytes ? load_le32(bytes) : 0;

	memset(ret, 0, sizeof(*ret));
	bytes = total >= 8 && total <= LOADER_BYTES_MAX ? phys_window(phys, at, total) : NULL;
	if (!bytes)
		return say(why, "the boot loader's information is not in memory");
	loader_text_screen(ret);
	if (!read_tags(&reader, at, bytes, total))
		return false;
	if (ret->map.count == 0)
		return say(why, "the boot loader gave no memory map");
	if (ret->efi.system_table == 0) {
		memset(&ret->efi, 0, sizeof(ret->efi));
	} else if (ret->efi.map == 0) {
		return say(why, "the boot loader gave no UEFI memory map");
	} else if (ret->screen.kind == SCREEN_TEXT) {
		/* UEFI has no text screen: it has none that we know. */
		ret->screen.kind = SCREEN_NONE;
	}
	return true;
}
