// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/guest/content.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "util/cleanup.h"

#define LOOKED_AT (68 * KIB) /* btrfs has its signature behind 64 KiB */

static const struct signature {
	uint32_t at;
	const char *bytes;
	uint32_t len;
	enum content_kind kind;
	const char *name;
} signatures[] = {
	/* What is around a file system stands before it: both may have been written. */
	{ 0, "LUKS\xba\xbe", 6, CONTENT_OTHER, "LUKS" },
	{ 0, "-FVE-FS-", 8, CONTENT_OTHER, "BitLocker" },
	{ 3, "-FVE-FS-", 8, CONTENT_OTHER, "BitLocker" },
	{ 512, "LABELONE", 8, CONTENT_OTHER, "LVM" },
	{ 0, "LABELONE", 8, CONTENT_OTHER, "LVM" },
	{ 1024, "LABELONE", 8, CONTENT_OTHER, "LVM" },
	{ 1536, "LABELONE", 8, CONTENT_OTHER, "LVM" },
	{ 4096, "\xfc\x4e\x2b\xa9", 4, CONTENT_OTHER, "Linux RAID" },
	{ 0, "\xfc\x4e\x2b\xa9", 4, CONTENT_OTHER, "Linux RAID" },
	{ 1024 + 56, "\x53\xef", 2, CONTENT_EXT, "ext4" },
	{ 4086, "SWAPSPACE2", 10, CONTENT_SWAP, "swap" },
	{ 4086, "SWAP-SPACE", 10, CONTENT_SWAP, "swap" },
	{ 4086, "S1SUSPEND", 9, CONTENT_OTHER, "a system that sleeps" },
	{ 4086, "LINHIB0001", 10, CONTENT_OTHER, "a system that sleeps" },
	{ 65536 + 64, "_BHRfS_M", 8, CONTENT_OTHER, "btrfs" },
	{ 0, "XFSB", 4, CONTENT_OTHER, "xfs" },
	{ 3, "NTFS    ", 8, CONTENT_OTHER, "NTFS" },
	{ 3, "EXFAT   ", 8, CONTENT_OTHER, "exFAT" },
	{ 1024, "\x10\x20\xf5\xf2", 4, CONTENT_OTHER, "F2FS" },
	{ 32769, "CD001", 5, CONTENT_OTHER, "ISO 9660" },
	{ 0, "hsqs", 4, CONTENT_OTHER, "squashfs" },
	{ 54, "FAT12   ", 8, CONTENT_FAT, "FAT" },
	{ 54, "FAT16   ", 8, CONTENT_FAT, "FAT" },
	{ 82, "FAT32   ", 8, CONTENT_FAT, "FAT" },
};

int content_look(struct guest_disk *disk, uint64_t off, uint64_t len, enum content_kind *ret,
                 const char **ret_name, struct error *err)
{
	cleanup_free uint8_t *head = calloc(1, LOOKED_AT);
	size_t have = min_u64(len, LOOKED_AT);
	bool zero = true;
	int r = head ? disk->read(disk, head, have, off, err) : error_sys(err, ENOMEM, "disk");

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		const struct signature *s = &signatures[i];

		if (memcmp(head + s->at, s->bytes, s->len) != 0)
			continue;
		*ret = s->kind;
		*ret_name = s->name;
		return 0;
	}
	for (size_t i = 0; i < have && zero; i++)
		zero = head[i] == 0;
	*ret = zero ? CONTENT_ZERO : CONTENT_UNKNOWN;
	*ret_name = zero ? "zeros" : "something unknown";
	return 0;
}
