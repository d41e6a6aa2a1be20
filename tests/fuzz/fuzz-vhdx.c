// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VHDX from anywhere, with a parent that is found when its guid is asked for.
 *
 * A VHDX has megabytes of nothing between its structures, so an input is these structures alone,
 * one after another, each put where it belongs.  Checksums are made right, which no mutation would
 * find.
 */
#include <stdio.h>

#include "tests/fuzz/exercise.h"
#include "tests/unit/vhdx-make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define LOG_MAX (8 * 4096u)

static const struct {
	uint64_t at;
	size_t len;
} parts[] = {
	{ MADE_HEADER_1, 80 },
	{ MADE_REGIONS_1, 16 + 32 * 3 },
	{ MADE_METADATA, 32 * 8 },
	{ MADE_ITEM(MADE_PARAMETERS), 8 },
	{ MADE_ITEM(MADE_SIZE), 8 },
	{ MADE_ITEM(MADE_ID), 16 },
	{ MADE_ITEM(MADE_LOGICAL), 4 },
	{ MADE_ITEM(MADE_PHYSICAL), 4 },
	{ MADE_ITEM(MADE_LOCATOR), 512 },
	{ MADE_BAT, 64 },
	{ MADE_BAT + 8 * UINT64_C(4096), 16 },
	{ MADE_BITMAP, 256 },
	{ MADE_LOG, LOG_MAX },
};

static int open_base(void *arg, const struct source_places *places, struct source **ret,
                     struct error *err)
{
	static uint8_t *base;

	(void)arg;
	(void)err;
	if (!base) {
		base = make_vhdx(4 * MIB, 512, 1);
		set_bat(base, 1, ENTRY_AT(1));
	}
	return source_open_memory(base, MADE_LEN, places->at[0].url, ret);
}

static void seal_log(uint8_t *d)
{
	for (unsigned int i = 0; i < LOG_MAX / 4096; i++) {
		uint8_t *p = log_sector(d, i);
		uint32_t len = load_le32(p + 8);

		if (memcmp(p, "loge", 4) == 0 && len >= 4096 && len <= LOG_MAX)
			seal(p, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct image_options options = { .format = IMAGE_VHDX,
		                               .places = SOURCE_PLACE("/fuzz"),
		                               .open_parent = open_base };
	static uint8_t *d;

	if (!d) {
		d = make_vhdx(MIB, 512, 2);
		memset(d + MADE_HEADER_2, 0, 4096);
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t n = min_u64(parts[i].len, len);

		memset(d + parts[i].at, 0, parts[i].len);
		memcpy(d + parts[i].at, data, n);
		data += n;
		len -= n;
	}
	seal(d + MADE_HEADER_1, 4096);
	seal(d + MADE_REGIONS_1, 64 * KIB);
	seal_log(d);
	exercise_bytes(d, MADE_LEN, &options);
	return 0;
}
