// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Partition tables: UEFI Specification 2.10, chapter 5 (MBR 5.2, GPT 5.3).
 */
#include "machine/firmware.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/endian.h"
#include "util/cleanup.h"

#define SECTOR          512u
#define MBR_TABLE       446u
#define MBR_TYPE_EFI    0xef
#define GPT_MAX_ENTRIES 1024u
#define GPT_MAX_BYTES   (256u << 10)

/* GUIDs as they lie on the disk. */
static const uint8_t efi_system[16] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
	                                0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b };
static const uint8_t bios_boot[16] = { 0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e,
	                               0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49 };

struct findings {
	bool efi, bios_boot, boot_code;
};

/* The entries of a GPT; a table that makes no sense is simply not there. */
static int look_at_gpt(uint64_t disk_size, firmware_read read, void *arg, struct findings *found,
                       struct error *err)
{
	uint8_t header[SECTOR];
	uint32_t count, size;
	uint64_t start;
	int r;

	if (disk_size < 2 * SECTOR)
		return 0;
	r = read(arg, header, sizeof(header), SECTOR, err);
	if (r < 0)
		return r;
	if (memcmp(header, "EFI PART", 8) != 0)
		return 0;
	start = load_le64(header + 72);
	count = load_le32(header + 80);
	size = load_le32(header + 84);
	if (size < 128 || size > 4096 || !is_power_of_two(size) || count > GPT_MAX_ENTRIES ||
	    (uint64_t)count * size > GPT_MAX_BYTES || start > disk_size / SECTOR ||
	    !range_inside(start * SECTOR, (uint64_t)count * size, disk_size))
		return 0;

	cleanup_free uint8_t *entries = malloc((size_t)count * size + 1);

	if (!entries)
		return error_sys(err, ENOMEM, "partition table");
	r = count ? read(arg, entries, (size_t)count * size, start * SECTOR, err) : 0;
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *type = entries + (size_t)i * size;

		found->efi |= memcmp(type, efi_system, sizeof(efi_system)) == 0;
		found->bios_boot |= memcmp(type, bios_boot, sizeof(bios_boot)) == 0;
	}
	return 0;
}

int firmware_detect(uint64_t disk_size, firmware_read read, void *arg, enum firmware *ret,
                    char why[80], struct error *err)
{
	struct findings found = { 0 };
	uint8_t mbr[SECTOR];
	int r;

	if (disk_size < SECTOR)
		return error_set(err, EINVAL, "the disk is too small to start from");
	r = read(arg, mbr, sizeof(mbr), 0, err);
	if (r == 0)
		r = look_at_gpt(disk_size, read, arg, &found, err);
	if (r < 0)
		return r;
	if (mbr[510] == 0x55 && mbr[511] == 0xaa) {
		for (size_t i = 0; i < MBR_TABLE; i++)
			found.boot_code |= mbr[i] != 0;
		for (size_t i = 0; i < 4; i++)
			found.efi |= mbr[MBR_TABLE + i * 16 + 4] == MBR_TYPE_EFI;
	}
	*ret = found.efi ? FIRMWARE_UEFI : FIRMWARE_BIOS;
	snprintf(why, 80, "%s",
	         found.efi         ? "the disk has an EFI system partition"
	         : found.bios_boot ? "the disk has a BIOS boot partition"
	         : found.boot_code ? "the disk has boot code in its first sector"
	                           : "the disk has no EFI system partition");
	return 0;
}

int firmware_find_uefi(const char **ret_code, const char **ret_vars, struct error *err)
{
	static const char *const places[][2] = {
		{ "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
		{ "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd" },
		{ "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
		{ "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (access(places[i][0], R_OK) == 0 && access(places[i][1], R_OK) == 0) {
			*ret_code = places[i][0];
			*ret_vars = places[i][1];
			return 0;
		}
	}
	return error_set(err, ENOENT,
	                 "this machine starts with UEFI, and there is none on this host: install "
	                 "the package ovmf, or say --firmware bios");
}
