// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel goes where it likes best and no module lies, since modules are not moved to make room:
 * at its preferred address, or, if it is relocatable, at the lowest place above it.  The initrd
 * stays where the boot loader put it, if it may.  The parameters are one piece: zero page, command
 * line, UEFI memory map, the rest of the E820 map.  Nothing of it needs to be kept from the
 * kernel's allocators but what it reserves itself: it copies the rest before it has any.
 */
#include "hypervisor/boot/linux.h"

#include "base/bits.h"
#include "hypervisor/boot/efi.h"
#include "hypervisor/boot/linux-params.h"
#include "hypervisor/core/string.h"

#define PAGE        4096u
#define SECTOR      512u
#define TAKEN_MAX   6u
#define VIDEO_TEXT  3u /* the BIOS's number of this mode */
#define FONT_HEIGHT 16u
#define LINEAR_UNIT (64 * KIB)

/* A search for places, each clear of what was there before and of those found. */
struct search {
	const struct phys *phys;
	const struct boot_info *info;
	const struct memory_map *map;
	struct memory_range taken[TAKEN_MAX];
	struct memory_wish wish;
};

static bool find_place(struct search *search, uint64_t *ret)
{
	struct memory_wish *wish = &search->wish;

	if (!efi_find(search->phys, &search->info->efi, search->map, wish, ret))
		return false;
	search->taken[wish->avoids++] = (struct memory_range){ *ret, wish->size, 0 };
	return true;
}

/* Copies the header and checks it; sets code, code_size and init_size. */
static bool read_header(const struct phys *phys, const struct boot_info *info,
                        struct linux_header *ret, struct linux_plan *plan, struct sentence *why)
{
	const uint8_t *bytes = NULL;
	uint64_t end;

	if (info->kernel.size >= LINUX_HEADER_AT + sizeof(*ret))
		bytes = phys_window(phys, info->kernel.base, info->kernel.size);
	if (bytes)
		memcpy(ret, bytes + LINUX_HEADER_AT, sizeof(*ret));
	if (!bytes || ret->boot_flag != LINUX_BOOT_FLAG || ret->magic != LINUX_MAGIC)
		return say(why,
		           "the first module is no Linux kernel: it has no boot protocol header");
	if (ret->version < LINUX_VERSION)
		return say(why,
		           "the root kernel is too old: it speaks boot protocol %u.%u, not 2.12",
		           ret->version >> 8, ret->version & 0xFFu);
	if (!(ret->loadflags & LINUX_LOADED_HIGH))
		return say(why, "the root kernel is a zImage: a bzImage is needed");
	if (!(ret->xloadflags & LINUX_KERNEL_64))
		return say(why, "the root kernel is a 32-bit kernel: a 64-bit one is needed");
	end = LINUX_JUMP_FROM + ret->jump_length;
	if (end < LINUX_HEADER_AT + sizeof(*ret) || end > LINUX_HEADER_END)
		return say(why,
		           "the root kernel's boot protocol header ends at %lx, which is wrong",
		           end);
	if (ret->relocatable && !is_power_of_two(ret->kernel_alignment))
		return say(
			why,
			"the root kernel wants to be at a multiple of %u, which is no power of two",
			ret->kernel_alignment);
	if (strlen(info->kernel.text) > ret->cmdline_size)
		return say(why, "the root kernel's command line has %zu bytes, and it takes %u",
		           strlen(info->kernel.text), ret->cmdline_size);
	plan->code = ((ret->setup_sectors ? ret->setup_sectors : 4u) + 1u) * SECTOR;
	plan->code_size = ret->syssize * UINT64_C(16);
	plan->init_size = ret->init_size;
	end = plan->code + plan->code_size;
	if (plan->code_size == 0 || end > info->kernel.size)
		return say(why, "the root kernel has %lu bytes, and should have %lu: it is cut off",
		           info->kernel.size, end);
	if (plan->init_size < plan->code_size)
		return say(why, "the root kernel has %lu bytes of code, and wants only %lu for it",
		           plan->code_size, plan->init_size);
	return true;
}

static bool place_kernel(struct search *search, const struct linux_header *header,
                         struct linux_plan *plan, struct sentence *why)
{
	struct memory_wish *wish = &search->wish;

	wish->size = plan->init_size;
	wish->align = header->relocatable ? header->kernel_alignment : 1;
	wish->floor = max_u64(header->pref_address, MIB);
	wish->limit = header->relocatable ? 4 * GIB : min_u64(wish->floor + wish->size, 4 * GIB);
	wish->lowest = true;
	if (find_place(search, &plan->kernel))
		return true;
	if (!header->relocatable)
		return say(why, "the root kernel cannot be moved, and its place at %lx is not free",
		           header->pref_address);
	return say(why, "too little memory: the root kernel needs %lu MiB in one piece below 4 GiB",
	           div_round_up(wish->size, MIB));
}

/* Where the boot loader put it: on a page, in usable memory, and where the kernel reaches it. */
static bool may_stay(const struct boot_module *initrd, const struct memory_map *map, uint64_t limit)
{
	const struct memory_range *range = memory_map_at(map, initrd->base);

	return initrd->base % PAGE == 0 && range && range->kind == MEMORY_USABLE &&
	       range_inside(initrd->base - range->base, initrd->size, range->size) &&
	       initrd->base + initrd->size <= limit;
}

static bool place_initrd(struct search *search, const struct linux_header *header,
                         struct linux_plan *plan, struct sentence *why)
{
	const struct boot_module *initrd = &search->info->initrd;
	struct memory_wish *wish = &search->wish;

	wish->size = round_up(initrd->size, PAGE);
	wish->limit = header->initrd_addr_max + UINT64_C(1);
	plan->initrd = initrd->base;
	if (initrd->size == 0 || may_stay(initrd, search->map, wish->limit))
		return true;
	if (!phys_window(search->phys, initrd->base, initrd->size))
		return say(why, "the initrd is not in memory that the root has");
	if (!find_place(search, &plan->initrd))
		return say(
			why,
			"too little memory: there is no place for an initrd of %lu MiB below %lx",
			div_round_up(wish->size, MIB), wish->limit);
	return true;
}

static bool place_params(struct search *search, struct linux_plan *plan, struct sentence *why)
{
	const struct boot_info *info = search->info;

	plan->efi_map = round_up(sizeof(struct linux_params) + strlen(info->kernel.text) + 1, 8);
	plan->e820 = plan->efi_map + efi_map_room(&info->efi);
	plan->params_size = round_up(plan->e820 + sizeof(struct linux_setup_data) +
	                                     search->map->count * sizeof(struct linux_e820),
	                             PAGE);
	search->wish.size = plan->params_size;
	search->wish.limit = 4 * GIB;
	return find_place(search, &plan->params) ||
	       say(why, "too little memory: there is no place for the root kernel's parameters");
}

bool linux_plan(const struct phys *phys, const struct boot_info *info, const struct memory_map *map,
                struct linux_plan *ret, struct sentence *why)
{
	struct search search = { phys,
		                 info,
		                 map,
		                 { { info->kernel.base, info->kernel.size, 0 },
		                   { info->initrd.base, info->initrd.size, 0 },
		                   { info->efi.map, info->efi.map_size, 0 } },
		                 { .avoid = search.taken, .avoids = 3 } };
	struct linux_plan plan = { 0 };
	struct linux_header header = { 0 };

	if (!read_header(phys, info, &header, &plan, why))
		return false;
	if (info->efi.system_table && !phys_window(phys, info->efi.map, info->efi.map_size))
		return say(why, "UEFI's memory map is not in memory that the root has");
	if (!place_kernel(&search, &header, &plan, why))
		return false;
	search.wish.align = PAGE;
	search.wish.floor = MIB;
	search.wish.lowest = false;
	if (!place_initrd(&search, &header, &plan, why) || !place_params(&search, &plan, why))
		return false;
	if (!phys_window(phys, plan.kernel, plan.init_size) ||
	    !phys_window(phys, plan.params, plan.params_size) ||
	    (info->initrd.size && !phys_window(phys, plan.initrd, info->initrd.size)))
		return say(why,
		           "what the memory map says is usable is not memory that the root has");
	*ret = plan;
	return true;
}

static void fill_header(const struct boot_info *info, const struct linux_plan *plan,
                        struct linux_params *params, const uint8_t *file)
{
	struct linux_header *header = &params->header;

	/* As long as the kernel has it, which may be longer than we know. */
	memcpy((uint8_t *)params + LINUX_HEADER_AT, file + LINUX_HEADER_AT,
	       LINUX_JUMP_FROM + file[LINUX_JUMP_FROM - 1] - LINUX_HEADER_AT);
	header->type_of_loader = LINUX_UNDEFINED;
	header->loadflags = LINUX_LOADED_HIGH;
	header->code32_start = (uint32_t)plan->kernel;
	header->ramdisk_size = (uint32_t)info->initrd.size;
	header->ramdisk_image = info->initrd.size ? (uint32_t)plan->initrd : 0;
	header->cmd_line_ptr = (uint32_t)(plan->params + sizeof(*params));
	header->hardware_subarch = 0;
	header->setup_data = 0;
}

static void fill_pixels(const struct boot_screen *from, bool efi, struct linux_screen *to)
{
	uint64_t bytes = (uint64_t)from->pitch * from->height;
	unsigned int used = from->red.size + from->green.size + from->blue.size;
	bool below = from->red.position && from->green.position && from->blue.position;

	to->orig_video_isvga = efi ? LINUX_VIDEO_EFI : LINUX_VIDEO_LINEAR;
	to->lfb_width = (uint16_t)from->width;
	to->lfb_height = (uint16_t)from->height;
	to->lfb_depth = (uint16_t)from->bits;
	to->lfb_base = (uint32_t)from->base;
	to->ext_lfb_base = (uint32_t)(from->base >> 32);
	to->capabilities = to->ext_lfb_base ? LINUX_BASE_64 : 0;
	to->lfb_size = (uint32_t)(efi ? bytes : div_round_up(bytes, LINEAR_UNIT));
	to->lfb_linelength = (uint16_t)from->pitch;
	to->red = (struct linux_colour){ from->red.size, from->red.position };
	to->green = (struct linux_colour){ from->green.size, from->green.position };
	to->blue = (struct linux_colour){ from->blue.size, from->blue.position };
	/*
	 * The kernel adds up all bits of a pixel, those without a colour too: they are above or
	 * below the others.
	 */
	if (from->bits > used)
		to->reserved = (struct linux_colour){ (uint8_t)(from->bits - used),
			                              below ? 0 : (uint8_t)used };
}

static void fill_screen(const struct boot_screen *from, bool efi, struct linux_screen *to)
{
	if (from->kind == SCREEN_PIXELS) {
		fill_pixels(from, efi, to);
	} else if (from->kind == SCREEN_TEXT) {
		to->orig_video_mode = VIDEO_TEXT;
		to->orig_video_cols = (uint8_t)from->width;
		to->orig_video_lines = (uint8_t)from->height;
		to->orig_video_isvga = LINUX_VIDEO_VGA;
		to->orig_video_points = FONT_HEIGHT;
		/* On from the last line: what is on the screen is not written over. */
		to->orig_y = (uint8_t)(from->height - 1);
	}
}

static void fill_e820(const struct memory_map *map, const struct linux_plan *plan,
                      struct linux_params *params)
{
	struct linux_setup_data *more = (void *)((uint8_t *)params + plan->e820);

	params->e820_entries = (uint8_t)min_u64(map->count, LINUX_E820_MAX);
	for (uint32_t i = 0; i < map->count; i++) {
		const struct memory_range *range = &map->range[i];
		struct linux_e820 *to =
			i < LINUX_E820_MAX ? &params->e820[i] : &more->e820[i - LINUX_E820_MAX];

		*to = (struct linux_e820){ range->base, range->size, range->kind };
	}
	if (map->count > LINUX_E820_MAX) {
		more->type = LINUX_SETUP_E820;
		more->length = (uint32_t)((map->count - LINUX_E820_MAX) * sizeof(more->e820[0]));
		params->header.setup_data = plan->params + plan->e820;
	}
}

static void fill_efi(const struct phys *phys, const struct boot_efi *efi,
                     const struct memory_range *own, const struct linux_plan *plan,
                     struct linux_params *params)
{
	/* Loader data is what the kernel does not move itself to before it has read it. */
	const struct memory_range claims[EFI_CLAIMS] = {
		{ own->base, own->size, EFI_RESERVED },
		{ plan->params, plan->params_size, EFI_LOADER_DATA },
	};

	params->efi.signature = LINUX_EFI64;
	params->efi.system_table = (uint32_t)efi->system_table;
	params->efi.system_table_high = (uint32_t)(efi->system_table >> 32);
	params->efi.descriptor_size = efi->descriptor_size;
	params->efi.descriptor_version = efi->descriptor_version;
	params->efi.map = (uint32_t)(plan->params + plan->efi_map);
	params->efi.map_size = efi_map_copy(phys, efi, claims, (uint8_t *)params + plan->efi_map);
}

void linux_load(const struct phys *phys, const struct boot_info *info, const struct memory_map *map,
                const struct memory_range *own, const struct linux_plan *plan)
{
	const uint8_t *image = phys_window(phys, info->kernel.base, info->kernel.size);
	struct linux_params *params = phys_window(phys, plan->params, plan->params_size);
	const struct memory_range *rsdp = memory_map_at(map, info->rsdp);

	memcpy(phys_window(phys, plan->kernel, plan->code_size), image + plan->code,
	       plan->code_size);
	if (info->initrd.size && plan->initrd != info->initrd.base)
		memcpy(phys_window(phys, plan->initrd, info->initrd.size),
		       phys_window(phys, info->initrd.base, info->initrd.size), info->initrd.size);
	memset(params, 0, plan->params_size);
	memcpy(params + 1, info->kernel.text, strlen(info->kernel.text) + 1);
	fill_header(info, plan, params, image);
	fill_screen(&info->screen, info->efi.system_table != 0, &params->screen);
	fill_e820(map, plan, params);
	if (info->efi.system_table)
		fill_efi(phys, &info->efi, own, plan, params);
	/*
	 * A loader's copy is in memory that will be used for something else: then the kernel looks
	 * itself.
	 */
	if (info->rsdp && !(rsdp && rsdp->kind == MEMORY_USABLE))
		params->acpi_rsdp = info->rsdp;
}
