// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Verify the structure of a VHDX file: every BAT entry is sound and points inside the file, no two
 * blocks overlap, nor a block and a region or the log, and every partly present block has its
 * sector bitmap.  What the headers say was verified when the file was opened.
 *
 * Called by one thread.  Everything in a VHDX starts at a whole MiB, so one bit for each MiB of the
 * file is enough to see overlaps: 16 MiB of memory for the largest disk there is, twice over.
 */
#include "disk/format/vhdx.h"

#include <errno.h>
#include <string.h>

struct walk {
	struct check check;
	struct vhdx *v;
	uint64_t units; /* MiB of the file, a part of one at the end included */
	uint8_t *used;  /* one bit each */
};

static void claim(struct walk *w, uint64_t off, uint64_t len, const char *what, uint64_t n)
{
	bool overlap = false;

	for (uint64_t u = off / MIB; u < div_round_up(off + len, MIB) && u < w->units; u++) {
		uint8_t bit = (uint8_t)(1u << u % 8);

		overlap |= w->used[u / 8] & bit;
		w->used[u / 8] |= bit;
	}
	if (overlap)
		check_problem(&w->check, "%s %llu at %#llx overlaps something else", what,
		              (unsigned long long)n, (unsigned long long)off);
}

/* Broken structure is a finding and the walk goes on; anything else ends it. */
static int found(struct walk *w, int r, const struct error *err)
{
	size_t skip = strlen(w->v->image.file->name) + 2;

	if (r != -EINVAL)
		return r;
	check_problem(&w->check, "%s", strlen(err->text) > skip ? err->text + skip : err->text);
	return 0;
}

static int check_chunk(struct walk *w, uint64_t chunk, bool needed, struct error *err)
{
	struct vhdx_entry bitmap = { 0 };
	int r = vhdx_bitmap_entry(w->v, chunk, NULL, &bitmap, err);

	if (r < 0)
		return found(w, r, err);
	if (bitmap.state == VHDX_FULLY_PRESENT)
		claim(w, bitmap.host, MIB, "sector bitmap", chunk);
	else if (needed)
		check_problem(&w->check,
		              "chunk %llu has partly present blocks but no sector bitmap",
		              (unsigned long long)chunk);
	return 0;
}

static int check_blocks(struct walk *w, struct error *err)
{
	struct vhdx_cursor cursor = { 0 };
	struct vhdx *v = w->v;
	bool partial = false;
	int r = 0;

	for (uint64_t block = 0; block < v->blocks && r == 0; block++) {
		struct vhdx_entry entry = { 0 };

		r = found(w, vhdx_payload_entry(v, &cursor, block, NULL, &entry, err), err);
		if (r == 0 && entry.state >= VHDX_FULLY_PRESENT)
			claim(w, entry.host, v->block_size, "block", block);
		partial |= entry.state == VHDX_PARTIALLY_PRESENT;
		if (r == 0 && v->has_parent &&
		    ((block + 1) % v->chunk_ratio == 0 || block + 1 == v->blocks)) {
			r = check_chunk(w, block / v->chunk_ratio, partial, err);
			partial = false;
		}
	}
	return r;
}

int vhdx_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
               struct error *err)
{
	struct vhdx *v = to_vhdx(image);
	struct walk w = {
		.check = { .image = image, .problem = problem, .arg = arg },
		.v = v,
		.units = div_round_up(v->overlay.file_size, MIB),
	};
	cleanup_free uint8_t *used = NULL;
	struct error why = { 0 };
	int r;

	if (w.units > 2 * VHDX_MAX_SIZE / MIB)
		return error_set(err, EFBIG, "%s: the file is too large to be checked",
		                 image->file->name);
	used = calloc(w.units / 8 + 1, 1);
	if (!used)
		return error_sys(err, ENOMEM, "%s", image->file->name);
	w.used = used;
	claim(&w, 0, MIB, "header", 0);
	if (v->header.log_length > 0)
		claim(&w, v->header.log_offset, v->header.log_length, "log", 0);
	claim(&w, v->metadata.off, v->metadata.len, "metadata region", 0);
	claim(&w, v->bat.off, v->bat.len, "BAT region", 0);
	r = check_blocks(&w, &why);
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	return check_end(&w.check);
}
