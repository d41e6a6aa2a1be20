// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a replayed log would have written, laid over the file.
 *
 * A far file is never written, so its log is replayed in memory: reads of the file are patched.
 * Built once while opening; any thread reads after that.
 *
 * Building: the boundaries of all patches cut the file into intervals; the patches are painted from
 * the newest to the oldest, each onto what is still bare, and `skip` leaps over what is painted.
 * So the work is that of sorting, however the log's writes overlap.
 */
#include "disk/format/vhdx.h"

#include <errno.h>
#include <string.h>

#define BARE UINT32_MAX

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Index of `value`, which is there, in n sorted numbers. */
static size_t index_of(const uint64_t *sorted, size_t n, uint64_t value)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sorted[mid] < value)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The first bare interval from `i` on, shortening the way for the next who asks. */
static uint32_t next_bare(uint32_t *skip, uint32_t i)
{
	while (skip[i] != i) {
		skip[i] = skip[skip[i]];
		i = skip[i];
	}
	return i;
}

/* Which patch each interval between two cuts is painted by. */
static void paint(const struct vhdx_patch *patches, size_t n, const uint64_t *cuts, size_t n_cuts,
                  uint32_t *owner, uint32_t *skip)
{
	for (uint32_t i = 0; i < n_cuts; i++) {
		owner[i] = BARE;
		skip[i] = i;
	}
	for (size_t p = n; p-- > 0;) {
		size_t end = index_of(cuts, n_cuts, patches[p].off + patches[p].len);
		uint32_t i = next_bare(skip, (uint32_t)index_of(cuts, n_cuts, patches[p].off));

		while (i < end) {
			owner[i] = (uint32_t)p;
			skip[i] = i + 1;
			i = next_bare(skip, i);
		}
	}
}

static void emit(const struct vhdx_patch *patches, const uint64_t *cuts, size_t n_cuts,
                 const uint32_t *owner, struct vhdx_overlay *ret)
{
	for (size_t i = 0; i + 1 < n_cuts; i++) {
		const struct vhdx_patch *p;

		if (owner[i] == BARE)
			continue;
		p = &patches[owner[i]];
		ret->patches[ret->n++] = (struct vhdx_patch){
			.off = cuts[i],
			.len = cuts[i + 1] - cuts[i],
			.data = p->data ? p->data + (cuts[i] - p->off) : NULL,
		};
	}
}

int vhdx_overlay_build(struct vhdx_patch *collected, size_t n, struct vhdx_overlay *ret)
{
	cleanup_free struct vhdx_patch *patches = collected;
	cleanup_free uint64_t *cuts = calloc(2 * n + 1, sizeof(*cuts));
	cleanup_free uint32_t *owner = calloc(2 * n + 1, sizeof(*owner));
	cleanup_free uint32_t *skip = calloc(2 * n + 1, sizeof(*skip));
	size_t n_cuts = 0;

	ret->patches = calloc(2 * n + 1, sizeof(*ret->patches));
	if (!cuts || !owner || !skip || !ret->patches)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		cuts[2 * i] = patches[i].off;
		cuts[2 * i + 1] = patches[i].off + patches[i].len;
	}
	qsort(cuts, 2 * n, sizeof(*cuts), compare_u64);
	for (size_t i = 0; i < 2 * n; i++)
		if (n_cuts == 0 || cuts[i] != cuts[n_cuts - 1])
			cuts[n_cuts++] = cuts[i];
	paint(patches, n, cuts, n_cuts, owner, skip);
	emit(patches, cuts, n_cuts, owner, ret);
	return 0;
}

/* The first patch that ends after `off`. */
static size_t first_after(const struct vhdx_overlay *overlay, uint64_t off)
{
	size_t low = 0, high = overlay->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (overlay->patches[mid].off + overlay->patches[mid].len <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool vhdx_overlay_touches(const struct vhdx_overlay *overlay, uint64_t off, uint64_t len)
{
	size_t i = first_after(overlay, off);

	return i < overlay->n && overlay->patches[i].off < off + len;
}

void vhdx_overlay_apply(const struct vhdx_overlay *overlay, uint8_t *buf, size_t len, uint64_t off)
{
	for (size_t i = first_after(overlay, off); i < overlay->n; i++) {
		const struct vhdx_patch *p = &overlay->patches[i];
		uint64_t from = max_u64(off, p->off), to = min_u64(off + len, p->off + p->len);

		if (from >= to)
			break;
		if (p->data)
			memcpy(buf + (from - off), p->data + (from - p->off), to - from);
		else
			memset(buf + (from - off), 0, to - from);
	}
}

void vhdx_overlay_free(struct vhdx_overlay *overlay)
{
	free(overlay->patches);
	free(overlay->log);
}

/* `off` and `len` lie inside the replayed file.  What the replay would add to its end is zeros. */
static int read_patched(struct vhdx *v, struct pages *pages, uint8_t *buf, size_t len, uint64_t off,
                        const struct source_read *how, struct error *err)
{
	const struct vhdx_overlay *overlay = &v->overlay;
	struct source *file = v->image.file;
	uint64_t size = file->identity.size;
	size_t have = off < size ? min_u64(len, size - off) : 0;
	struct source_read quiet = how ? *how : (struct source_read){ 0 };
	int r = 0;

	/* What arrives is not final before it was patched. */
	quiet.arrived = NULL;
	if (have > 0 && vhdx_overlay_touches(overlay, off, len))
		how = &quiet;
	if (have > 0 && pages)
		r = pages_read(pages, buf, have, off, how, err);
	else if (have > 0)
		r = source_read(file, buf, have, off, how, err);
	if (r < 0)
		return r;
	memset(buf + have, 0, len - have);
	vhdx_overlay_apply(overlay, buf, len, off);
	return 0;
}

static int check_inside(const struct vhdx *v, size_t len, uint64_t off, struct error *err)
{
	if (range_inside(off, len, v->overlay.file_size))
		return 0;
	return error_set(err, EINVAL, "%s: %zu bytes at %#llx lie past the end of the file",
	                 v->image.file->name, len, (unsigned long long)off);
}

int vhdx_file_read(struct vhdx *v, void *buf, size_t len, uint64_t off,
                   const struct source_read *how, struct error *err)
{
	int r = check_inside(v, len, off, err);

	return r < 0 ? r : read_patched(v, NULL, buf, len, off, how, err);
}

int vhdx_table_read(struct vhdx *v, void *buf, size_t len, uint64_t off,
                    const struct source_read *how, struct error *err)
{
	int r = check_inside(v, len, off, err);

	return r < 0 ? r : read_patched(v, v->pages, buf, len, off, how, err);
}
