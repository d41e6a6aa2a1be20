// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Multiboot 0.6.96: one structure whose flags say which of its fields hold.
 */
#include "base/bits.h"
#include "base/endian.h"
#include "hypervisor/boot/loader.h"
#include "hypervisor/core/string.h"

/* Section 3.3. */
struct information {
	uint32_t flags, memory_lower, memory_upper, boot_device, command_line;
	uint32_t modules, modules_at;
	uint32_t symbols[4];
	uint32_t map_length, map_at;
	uint32_t drives_length, drives_at, configuration, loader_name, apm;
	uint32_t vbe[4];
	struct loader_screen screen;
	uint8_t colours[6];
} __attribute__((packed));
_Static_assert(offsetof(struct information, map_length) == 44, "as the specification has it");
_Static_assert(offsetof(struct information, loader_name) == 64, "as the specification has it");
_Static_assert(offsetof(struct information, screen) == 88, "as the specification has it");

enum {
	HAS_COMMAND_LINE = 1u << 2,
	HAS_MODULES = 1u << 3,
	HAS_MAP = 1u << 6,
	HAS_NAME = 1u << 9,
	HAS_SCREEN = 1u << 12
};

#define MODULE_BYTES 16u
/* A range: its own size without this field (20 at least), base, size, kind. */
#define RANGE_BYTES 24u

static bool read_map(const struct phys *phys, const struct information *information,
                     struct memory_map *map, struct sentence *why)
{
	uint32_t length = information->flags & HAS_MAP ? information->map_length : 0, at = 0;
	const uint8_t *bytes = length > 0 ? phys_window(phys, information->map_at, length) : NULL;

	if (length > LOADER_BYTES_MAX || (length > 0 && !bytes))
		return say(why, "the boot loader's memory map is not in memory");
	while (length - at >= RANGE_BYTES) {
		uint32_t size = load_le32(bytes + at);

		if (size < RANGE_BYTES - 4 || size > length - at - 4)
			return say(why, "the boot loader's memory map has a range of %u bytes",
			           size);
		if (!memory_map_add(map, load_le64(bytes + at + 4), load_le64(bytes + at + 12),
		                    load_le32(bytes + at + 20), why))
			return false;
		at += size + 4;
	}
	return map->count > 0 || say(why, "the boot loader gave no memory map");
}

static void drop_first_word(char *text)
{
	const char *rest = text;

	while (*rest && *rest != ' ')
		rest++;
	while (*rest == ' ')
		rest++;
	memmove(text, rest, strlen(rest) + 1);
}

/* All but GRUB 2 put the name of the file in front of a text. */
static bool is_grub2(const struct phys *phys, const struct information *information)
{
	const char *name = information->flags & HAS_NAME
	                           ? phys_window(phys, information->loader_name, 5)
	                           : NULL;

	return name && memcmp(name, "GRUB ", 5) == 0;
}

static bool read_modules(const struct phys *phys, const struct information *information,
                         struct boot_info *ret, struct sentence *why)
{
	for (uint32_t i = 0; information->flags & HAS_MODULES && i < information->modules; i++) {
		const uint8_t *module = phys_window(
			phys, information->modules_at + (uint64_t)i * MODULE_BYTES, MODULE_BYTES);

		if (!module)
			return say(why, "the boot loader's list of modules is not in memory");
		if (!loader_module(phys, ret, load_le32(module), load_le32(module + 4),
		                   load_le32(module + 8), BOOT_TEXT_MAX, why))
			return false;
	}
	return true;
}

bool multiboot1_parse(const struct phys *phys, uint64_t at, struct boot_info *ret,
                      struct sentence *why)
{
	const void *bytes = phys_window(phys, at, sizeof(struct information));
	struct information information;

	memset(ret, 0, sizeof(*ret));
	if (!bytes)
		return say(why, "the boot loader's information is not in memory");
	memcpy(&information, bytes, sizeof(information));
	if (!read_map(phys, &information, &ret->map, why) ||
	    !read_modules(phys, &information, ret, why))
		return false;
	if (information.flags & HAS_COMMAND_LINE && information.command_line != 0 &&
	    !loader_text(phys, information.command_line, BOOT_TEXT_MAX, "the command line",
	                 ret->command_line, why))
		return false;
	if (!is_grub2(phys, &information)) {
		drop_first_word(ret->command_line);
		drop_first_word(ret->kernel.text);
		drop_first_word(ret->initrd.text);
	}
	if (information.flags & HAS_SCREEN)
		return loader_screen(ret, &information.screen, information.colours, why);
	loader_text_screen(ret);
	return true;
}
