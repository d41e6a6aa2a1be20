// SPDX-License-Identifier: GPL-2.0-or-later
/* A partition table at the start of a disk, its second copy at the end. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/guest/content.h"
#include "library/guest/partition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct fuzz_disk {
	struct guest_disk disk;
	const uint8_t *data;
};

static int fuzz_read(struct guest_disk *disk, void *buf, size_t len, uint64_t off,
                     struct error *err)
{
	const struct fuzz_disk *fuzz = container_of(disk, struct fuzz_disk, disk);

	(void)err;
	if (!range_inside(off, len, disk->size))
		abort();
	memcpy(buf, fuzz->data + off, len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_disk fuzz = { .disk = { .size = round_down(len, 512), .read = fuzz_read },
		                  .data = data };
	struct partition_table table;
	enum content_kind kind;
	const char *name;

	if (fuzz.disk.size == 0 || partition_table_read(&fuzz.disk, &table, NULL) < 0)
		return 0;
	for (size_t i = 0; i < table.n; i++)
		if (!range_inside(table.at[i].off, table.at[i].len, fuzz.disk.size))
			abort();
	content_look(&fuzz.disk, 0, fuzz.disk.size, &kind, &name, NULL);
	return 0;
}
