// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine's manifest from anywhere, and a disk whose partition table the firmware is chosen by.
 * The first byte chooses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "machine/firmware.h"
#include "machine/manifest.h"
#include "machine/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct bytes {
	const uint8_t *data;
	size_t len;
};

static int read_bytes(void *arg, void *buf, size_t len, uint64_t off, struct error *err)
{
	const struct bytes *bytes = arg;

	/* Nothing behind the end may ever be asked for. */
	if (!range_inside(off, len, bytes->len))
		abort();
	(void)err;
	memcpy(buf, bytes->data + off, len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char name[MACHINE_NAME_MAX + 1], text[256], why[80];
	struct manifest *m = NULL;
	struct bytes disk;
	enum firmware firmware;
	struct error err;

	if (len < 1)
		return 0;
	disk = (struct bytes){ data + 1, len - 1 };
	if (data[0] & 1) {
		firmware_detect(disk.len, read_bytes, &disk, &firmware, why, &err);
		return 0;
	}
	if (manifest_parse((const char *)disk.data, disk.len, &m, &err) == 0) {
		if (m->cpus < 1 || m->memory < MANIFEST_MIN_MEMORY || m->mac[17] != '\0' ||
		    strpbrk(m->mac, ", "))
			abort();
		manifest_free(m);
	}
	len = min_u64(disk.len, sizeof(text) - 1);
	memcpy(text, disk.data, len);
	text[len] = '\0';
	machine_name_from_image(text, name);
	if (machine_name_check(name, NULL) < 0)
		abort();
	return 0;
}
