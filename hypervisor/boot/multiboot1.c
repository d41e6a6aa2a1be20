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
	uint32_t flags, unused_1[3], command_line;
	uint32_t modules, modules_at, unused_2[4];
	uint32_t map_length, map_at, unused_3[3];
	uint32_t loader_name, unused_4[5];
	struct loader_screen screen;
	uint8_t colours[6];
} __attribute__((packed));
_Static_assert(offsetof(struct information, screen) == 88, "as the specification has it");

/* Which of them hold. */
enum { COMMAND_LINE = 1 << 2, MODULES = 1 << 3, MAP = 1 << 6, NAME = 1 << 9, SCREEN = 1 << 12 };

#define MODULE_BYTES 16u
/* A range: its own size without this field (20 at least), base, size, kind. */
#define RANGE_BYTES 24u

static bool read_map(const struct phys *phys, const struct information *information,
                     struct memory_map *map, struct sentence *why)
{
	uint32_t length = information->flags & MAP ? information->map_length : 0, at = 0;
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
	const char *name = phys_window(phys, information->loader_name, 5);

	return information->flags & NAME && name && memcmp(name, "GRUB ", 5) == 0;
}

static bool read_modules(const struct phys *phys, const struct information *information,
                         struct boot_info *ret, struct sentence *why)
{
	for (uint32_t i = 0; information->flags & MODULES && i < information->modules; i++) {
		const uint8_t *module = phys_window(
			phys, information->modules_at + (uint64_t)i * MODULE_BYTES, MODULE_BYTES);

		if (!module)
			return say(why, "the boot loader's list of modules is not in memory");
		if (!loader_module(phys, ret, module, load_le32(module + 8), BOOT_TEXT_MAX, why))
			return false;
	}
	return true;
}

bool multiboot1_parse(const struct phys *phys, uint64_t at, struct boot_info *ret,
                      struct sentence *why)
{
	const struct information *information = phys_window(phys, at, sizeof(*information));

	memset(ret, 0, sizeof(*ret));
	ret->screen = loader_text_screen;
	if (!information)
		return say(why, "the boot loader's information is not in memory");
	if (!read_map(phys, information, &ret->map, why) ||
	    !read_modules(phys, information, ret, why))
		return false;
	if (information->flags & COMMAND_LINE && information->command_line != 0 &&
	    !loader_text(phys, information->command_line, BOOT_TEXT_MAX, "the command line",
	                 ret->command_line, why))
		return false;
	if (!is_grub2(phys, information)) {
		drop_first_word(ret->command_line);
		drop_first_word(ret->kernel.text);
	}
	return !(information->flags & SCREEN) ||
	       loader_screen(ret, &information->screen, information->colours, why);
}
