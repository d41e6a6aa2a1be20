/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layout of Linux's x86 boot parameters: the setup header (the kernel's
 * Documentation/arch/x86/boot.rst, protocol 2.12) and the zero page around it (zero-page.rst,
 * include/uapi/linux/screen_info.h).
 */
#ifndef HYPERVISOR_BOOT_LINUX_PARAMS_H
#define HYPERVISOR_BOOT_LINUX_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#define LINUX_HEADER_AT   0x1F1u
#define LINUX_HEADER_END  0x290u /* the zero page has no more room */
#define LINUX_JUMP_FROM   0x202u /* jump_length counts from here */
#define LINUX_BOOT_FLAG   0xAA55u
#define LINUX_MAGIC       0x53726448u /* "HdrS" */
#define LINUX_VERSION     0x020Cu     /* the first that says whether a kernel is a 64-bit one */
#define LINUX_LOADED_HIGH 0x01u       /* loadflags: a bzImage */
#define LINUX_KERNEL_64   0x01u       /* xloadflags */
#define LINUX_E820_MAX    128u
#define LINUX_SETUP_E820  1u
#define LINUX_UNDEFINED   0xFFu       /* type_of_loader */
#define LINUX_EFI64       0x34364C45u /* "EL64" */

/* orig_video_isVGA */
#define LINUX_VIDEO_VGA    0x01u
#define LINUX_VIDEO_LINEAR 0x23u /* lfb_size in 64 KiB */
#define LINUX_VIDEO_EFI    0x70u /* lfb_size in bytes */
#define LINUX_BASE_64      0x02u /* capabilities: ext_lfb_base holds */

/* In a kernel's file, and copied from there into the zero page, at LINUX_HEADER_AT. */
struct linux_header {
	uint8_t setup_sectors;
	uint16_t root_flags;
	uint32_t syssize; /* in 16 bytes */
	uint8_t unused_1[6];
	uint16_t boot_flag;
	uint8_t jump, jump_length; /* the header ends so many bytes after this */
	uint32_t magic;
	uint16_t version;
	uint8_t unused_2[8], type_of_loader, loadflags, unused_3[2];
	uint32_t code32_start, ramdisk_image, ramdisk_size;
	uint8_t unused_4[8];
	uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
	uint8_t relocatable, min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size, hardware_subarch;
	uint8_t unused_5[16];
	uint64_t setup_data, pref_address;
	uint32_t init_size;
} __attribute__((packed));

struct linux_colour {
	uint8_t size, position;
};

struct linux_screen {
	uint8_t orig_x, orig_y, unused_1[4], orig_video_mode, orig_video_cols, unused_2[6];
	uint8_t orig_video_lines, orig_video_isvga;
	uint16_t orig_video_points, lfb_width, lfb_height, lfb_depth;
	uint32_t lfb_base, lfb_size, unused_3;
	uint16_t lfb_linelength;
	struct linux_colour red, green, blue, reserved;
	uint8_t unused_4[8];
	uint32_t capabilities, ext_lfb_base;
	uint16_t unused_5;
} __attribute__((packed));

struct linux_e820 {
	uint64_t base, size;
	uint32_t kind;
} __attribute__((packed));

struct linux_params {
	struct linux_screen screen;
	uint8_t apm_to_tboot[0x30];
	uint64_t acpi_rsdp;
	uint8_t disks_to_subarch[0x148];
	struct {
		uint32_t signature, system_table, descriptor_size, descriptor_version;
		uint32_t map, map_size, system_table_high, map_high;
	} efi;
	uint8_t unused_1[8], e820_entries, unused_2[8];
	struct linux_header header; /* later kernels' is longer */
	uint8_t unused_3[0x6C];
	struct linux_e820 e820[LINUX_E820_MAX];
	uint8_t unused_4[0x330];
} __attribute__((packed));

/* One of a list of further parameters: here those ranges that the page has no room for. */
struct linux_setup_data {
	uint64_t next;
	uint32_t type, length;
	struct linux_e820 e820[];
};

_Static_assert(sizeof(struct linux_header) == 0x264 - LINUX_HEADER_AT, "as boot.rst has it");
_Static_assert(sizeof(struct linux_screen) == 0x40, "screen_info has 64 bytes");
_Static_assert(offsetof(struct linux_params, header) == LINUX_HEADER_AT, "as boot.rst has it");
_Static_assert(sizeof(struct linux_params) == 4096, "the zero page is a page");

#endif
