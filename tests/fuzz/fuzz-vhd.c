// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VHD from anywhere, with a parent that always fits.  Checksums are made right first, which no
 * mutation would find.
 */
#include "tests/fuzz/exercise.h"
#include "tests/unit/vhd-make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct recipe base = {
	.type = VHD_DYNAMIC,
	.size = 20 * KIB,
	.block_size = 4 * KIB,
	.tag = 1,
	.blocks = 0x16,
};

static int open_base(void *arg, const struct source_places *places, struct source **ret,
                     struct error *err)
{
	static struct made made;
	const uint8_t *wanted = arg;

	(void)err;
	if (!made.data)
		made = make_vhd(&base);
	for (size_t at = 0; at < made.len; at += made.len - VHD_FOOTER) {
		memcpy(made.data + at + 68, wanted, 16);
		fix_checksum(made.data + at, VHD_FOOTER, 64);
	}
	return source_open_memory(made.data, made.len, places->at[0].url, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct image_options options = { .format = IMAGE_VHD,
		                         .places = SOURCE_PLACE("/fuzz"),
		                         .open_parent = open_base };
	uint8_t *raw;

	if (len < VHD_FOOTER + VHD_HEADER || !(raw = malloc(len)))
		return 0;
	memcpy(raw, data, len);
	fix_checksum(raw, VHD_FOOTER, 64);
	fix_checksum(raw + VHD_FOOTER, VHD_HEADER, 36);
	fix_checksum(raw + len - VHD_FOOTER, VHD_FOOTER, 64);
	options.arg = raw + VHD_FOOTER + 40;
	exercise_bytes(raw, len, &options);
	free(raw);
	return 0;
}
