// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/boot/loader.h"

#include "base/bits.h"
#include "base/endian.h"
#include "hypervisor/core/string.h"

/* The types of Multiboot 0.6.96 section 3.3 and Multiboot2 2.0 section 3.6.12. */
enum { PALETTE, RGB, EGA_TEXT };

const struct boot_screen loader_text_screen = {
	.kind = SCREEN_TEXT, .base = 0xB8000, .pitch = 160, .width = 80, .height = 25, .bits = 16
};

bool loader_text(const struct phys *phys, uint64_t at, uint64_t max, const char *what,
                 char to[static BOOT_TEXT_MAX], struct sentence *why)
{
	for (uint64_t i = 0; i < min_u64(max, BOOT_TEXT_MAX); i++) {
		const char *from = phys_window(phys, at + i, 1);

		if (!from)
			return say(why, "the boot loader's text of %s is not in memory", what);
		to[i] = *from;
		if (*from == '\0')
			return true;
	}
	to[0] = '\0';
	if (max < BOOT_TEXT_MAX)
		return say(why, "the boot loader's text of %s has no end", what);
	return say(why, "the text of %s is longer than %u bytes", what, BOOT_TEXT_MAX - 1);
}

bool loader_module(const struct phys *phys, struct boot_info *info, const uint8_t *bytes,
                   uint64_t text, uint64_t text_max, struct sentence *why)
{
	uint32_t base = load_le32(bytes), end = load_le32(bytes + 4);
	bool first = info->kernel.size == 0;
	struct boot_module *module = first ? &info->kernel : &info->initrd;
	const char *what = first ? "the first module" : "the second module";

	if (module->size > 0)
		return say(why, "the boot loader gave more than two modules: root kernel and "
		                "initrd are all there is room for");
	if (base >= end)
		return say(why, "%s is empty", what);
	if (!phys_window(phys, base, end - base))
		return say(why, "%s is not in memory below 4 GiB", what);
	if (text != 0 && !loader_text(phys, text, text_max, what, module->text, why))
		return false;
	module->base = base;
	module->size = end - base;
	return true;
}

static bool pixels_make_sense(const struct loader_screen *screen, const uint8_t colours[static 6])
{
	for (unsigned int i = 0; i < 6; i += 2) {
		if (colours[i] + colours[i + 1] > screen->bits || colours[i + 1] == 0)
			return false;
	}
	return (screen->bits == 15 || screen->bits == 16 || screen->bits == 24 ||
	        screen->bits == 32) &&
	       screen->width > 0 && screen->width <= UINT16_MAX && screen->height > 0 &&
	       screen->height <= UINT16_MAX && screen->pitch <= UINT16_MAX &&
	       screen->pitch >= screen->width * ((screen->bits + 7u) / 8) && screen->base > 0 &&
	       screen->base < UINT64_C(1) << 52;
}

bool loader_screen(struct boot_info *info, const struct loader_screen *screen,
                   const uint8_t colours[static 6], struct sentence *why)
{
	info->screen = (struct boot_screen){ .kind = SCREEN_NONE };
	/* Text at another place or of another size is an adapter we do not know. */
	if (screen->type == EGA_TEXT && screen->base == loader_text_screen.base &&
	    screen->width == loader_text_screen.width &&
	    screen->height == loader_text_screen.height)
		info->screen = loader_text_screen;
	if (screen->type != RGB)
		return true;
	if (!pixels_make_sense(screen, colours))
		return say(why,
		           "the boot loader's screen makes no sense: %u x %u pixels of %u bits, "
		           "%u bytes a line",
		           screen->width, screen->height, screen->bits, screen->pitch);
	info->screen = (struct boot_screen){
		.kind = SCREEN_PIXELS,
		.base = screen->base,
		.pitch = screen->pitch,
		.width = screen->width,
		.height = screen->height,
		.bits = screen->bits,
		.red = { colours[0], colours[1] },
		.green = { colours[2], colours[3] },
		.blue = { colours[4], colours[5] },
	};
	return true;
}
