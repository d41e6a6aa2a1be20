// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The map files of the near store, as anything at all.  The input is a selector, then bytes that go
 * over a good cache.map or layer.map, whose checksums are made right again half of the time.
 * Nothing may crash, and a block that the layer has may fail but not read as something else than
 * was written or trimmed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "disk/near/near-private.h"
#include "tests/unit/power-cut.h"

#define SIZE (UINT64_C(40) * NEAR_BLOCK)

static const char *const dirs[] = { "a" };

static struct near_options options_of(struct cut *cut)
{
	return (struct near_options){ .cache_dir = "c",
		                      .layer_dirs = dirs,
		                      .n_layers = 1,
		                      .size = SIZE,
		                      .commit_ms = 1000000,
		                      .io = &cut->io };
}

static struct cut *make_good(void)
{
	static uint8_t data[20 * NEAR_BLOCK];
	struct cut *cut = cut_new();
	struct near_options options = options_of(cut);
	struct near *near;

	memset(data, 'd', sizeof(data));
	if (near_layer_create_io(&cut->io, "a", options.image_id, SIZE, NULL) < 0 ||
	    near_open(&options, &near, NULL) < 0 ||
	    near_write(near, data, sizeof(data), 0, NULL) < 0 ||
	    near_zero(near, 4 * NEAR_BLOCK, 0, NULL) < 0 ||
	    near_fill(near, data, sizeof(data), 10 * NEAR_BLOCK, NULL) < 0)
		abort();
	near_close(near);
	return cut;
}

static void mend_checksums(struct cut *cut, const char *path)
{
	for (unsigned int copy = 0; copy < 2; copy++) {
		uint8_t *at = cut_byte(cut, path, (uint64_t)copy * NEAR_MAP_SECTOR);

		if (at)
			store_le32(at + 4092, crc32c(0, at, 4092));
		for (unsigned int i = 0; i < NEAR_PIECES; i++) {
			at = cut_byte(cut, path,
			              near_layer_copy_offset(0, copy) + (uint64_t)i * NEAR_PIECE);
			if (at && path[0] == 'a')
				store_le32(at + 508, crc32c(0, at, 508));
		}
	}
}

static void try_everything(struct cut *cut)
{
	struct near_options options = options_of(cut);
	static uint8_t buf[40 * NEAR_BLOCK];
	struct near_stats stats;
	uint64_t missing, run;
	struct near *near;
	struct error err;

	if (near_open(&options, &near, &err) < 0)
		return;
	for (uint64_t block = 0; block < 40; block++) {
		if (near_read(near, buf, NEAR_BLOCK, block * NEAR_BLOCK, &missing, &err) == 0) {
			/* All that ever was in any file of this store. */
			for (unsigned int i = 0; i < NEAR_BLOCK; i++)
				if (buf[i] != 'd' && buf[i] != 0)
					abort();
		}
		(void)near_state(near, block, 40, &run, &err);
	}
	(void)near_verify(near, true, NULL, NULL, NULL, &err);
	(void)near_write(near, buf, sizeof(buf), 0, &err);
	(void)near_fill(near, buf, sizeof(buf), 0, &err);
	near_refresh(near, 0, 40);
	(void)near_stats(near, &stats, &err);
	(void)near_flush(near, &err);
	near_close(near);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cut *good;
	struct cut *cut;
	const char *path;
	uint64_t off;

	if (size < 4)
		return 0;
	if (!good)
		good = make_good();
	cut = cut_copy(good);
	path = data[0] & 1 ? "a/layer.map" : "c/cache.map";
	off = load_le16(data + 1) % (NEAR_MAP_START + 2 * NEAR_MAP_SECTOR);
	for (size_t i = 3; i < size; i++) {
		uint8_t *at = cut_byte(cut, path, off + i - 3);

		if (at)
			*at = data[i];
	}
	if (data[0] & 2)
		mend_checksums(cut, path);
	try_everything(cut);
	cut_free(cut);
	return 0;
}
