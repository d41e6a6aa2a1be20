/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partition tables: GPT (UEFI specification 2.10, chapter 5) and MBR with logical partitions.
 *
 * Trust: hostile.  At most PARTITIONS_MAX partitions, chains of logical ones are followed so far and
 * no further, and every range lies inside the disk.
 */
#ifndef LIBRARY_GUEST_PARTITION_H
#define LIBRARY_GUEST_PARTITION_H

#include "library/guest/disk.h"

#define PARTITIONS_MAX 128u

enum partition_kind {
	PARTITION_OTHER,
	PARTITION_EFI_SYSTEM,
	PARTITION_BIOS_BOOT, /* code of a boot loader, no file system */
	PARTITION_RESERVED,  /* Microsoft's reserved partition: holds nothing */
};

struct partition {
	unsigned int number; /* as Linux counts: sda1 is 1 */
	enum partition_kind kind;
	char uuid[37];     /* of a GPT's, as PARTUUID= writes it; "" when it has none */
	uint64_t off, len; /* bytes, multiples of 512 */
};

struct partition_table {
	struct partition at[PARTITIONS_MAX];
	size_t n;
};

/*
 * What the table says.  A disk without one has no partitions: 0 with ret->n of 0.  -EBADMSG for a
 * table that is damaged or makes no sense; a GPT whose first copy is damaged is read from its second.
 */
int partition_table_read(struct guest_disk *disk, struct partition_table *ret, struct error *err);

#endif
