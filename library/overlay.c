// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each block of 4 KiB is as below, zero, or in the file at its own offset.  What it is stands in
 * pages of a byte a block, which exist where something was changed; one page that is all zeros is
 * shared, for free space of a large disk is most of it.
 */
#include "library/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "util/io.h"

#define BLOCK       4096u
#define PAGE_BLOCKS 16384u

enum state { BELOW, ZERO, HERE };

struct overlay {
	struct guest_disk disk;
	struct image *below;
	int fd;
	uint64_t n_pages;
	uint8_t **pages; /* NULL: all as below; all_zero: all zero, shared */
};

struct overlay_source {
	struct source source;
	struct overlay *overlay;
};

static uint8_t all_zero[PAGE_BLOCKS] = { [0 ... PAGE_BLOCKS - 1] = ZERO };

static enum state state_of(const struct overlay *overlay, uint64_t block)
{
	const uint8_t *page = overlay->pages[block / PAGE_BLOCKS];

	return page ? (enum state)page[block % PAGE_BLOCKS] : BELOW;
}

static int set_state(struct overlay *overlay, uint64_t block, enum state state)
{
	uint8_t **page = &overlay->pages[block / PAGE_BLOCKS];

	if (!*page || (*page == all_zero && state != ZERO)) {
		uint8_t *own = calloc(1, PAGE_BLOCKS);

		if (!own)
			return -ENOMEM;
		if (*page)
			memcpy(own, *page, PAGE_BLOCKS);
		*page = own;
	}
	if (*page != all_zero)
		(*page)[block % PAGE_BLOCKS] = (uint8_t)state;
	return 0;
}

/* Blocks from there on that are in the same state, so that each run is read at once. */
static uint64_t run_of(const struct overlay *overlay, uint64_t off, uint64_t len)
{
	uint64_t block = off / BLOCK, end = div_round_up(off + len, BLOCK), at = block + 1;
	enum state state = state_of(overlay, block);

	while (at < end && state_of(overlay, at) == state)
		at += at % PAGE_BLOCKS == 0 && end - at >= PAGE_BLOCKS &&
		                      ((state == BELOW && !overlay->pages[at / PAGE_BLOCKS]) ||
		                       (state == ZERO &&
		                        overlay->pages[at / PAGE_BLOCKS] == all_zero))
		              ? PAGE_BLOCKS
		              : 1;
	return min_u64(at * BLOCK - off, len);
}

static int read_changed(const struct overlay *overlay, uint8_t *buf, size_t len, uint64_t off,
                        const struct source_read *how, struct error *err)
{
	for (size_t at = 0, n; at < len; at += n) {
		int r = 0;

		n = run_of(overlay, off + at, len - at);
		switch (state_of(overlay, (off + at) / BLOCK)) {
		case BELOW:
			r = image_read(overlay->below, buf + at, n, off + at, how, err);
			break;
		case ZERO:
			memset(buf + at, 0, n);
			break;
		case HERE:
			r = pread_all(overlay->fd, buf + at, n, off + at);
			if (r < 0)
				error_sys(err, -r, "changes of %s", overlay->below->file->name);
			break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static struct overlay *overlay_of(struct guest_disk *disk)
{
	return container_of(disk, struct overlay, disk);
}

static int change_read(struct guest_disk *disk, void *buf, size_t len, uint64_t off,
                       struct error *err)
{
	return read_changed(overlay_of(disk), buf, len, off, NULL, err);
}

/* One block, or a part of it. */
static int write_block(struct overlay *overlay, const uint8_t *buf, size_t len, uint64_t off,
                       struct error *err)
{
	uint64_t start = round_down(off, BLOCK);
	size_t whole = min_u64(BLOCK, overlay->disk.size - start);
	uint8_t block[BLOCK];
	int r = len < whole ? read_changed(overlay, block, whole, start, NULL, err) : 0;

	if (r < 0)
		return r;
	memcpy(block + (off - start), buf, len);
	r = pwrite_all(overlay->fd, block, whole, start);
	if (r == 0)
		r = set_state(overlay, start / BLOCK, HERE);
	return r < 0 ? error_sys(err, -r, "changes of %s", overlay->below->file->name) : 0;
}

static int change_write(struct guest_disk *disk, const void *buf, size_t len, uint64_t off,
                        struct error *err)
{
	int r = 0;

	for (size_t at = 0, n; at < len && r == 0; at += n) {
		n = min_u64(len - at, BLOCK - (off + at) % BLOCK);
		r = write_block(overlay_of(disk), (const uint8_t *)buf + at, n, off + at, err);
	}
	return r;
}

/* Whole blocks from `off` on: how far that came. */
static int zero_blocks(struct overlay *overlay, uint64_t off, uint64_t len, uint64_t *ret)
{
	uint64_t block = off / BLOCK;
	uint8_t **page = &overlay->pages[block / PAGE_BLOCKS];

	if (block % PAGE_BLOCKS == 0 && len >= (uint64_t)PAGE_BLOCKS * BLOCK) {
		if (*page != all_zero)
			free(*page);
		*page = all_zero;
		*ret = (uint64_t)PAGE_BLOCKS * BLOCK;
		return 0;
	}
	*ret = BLOCK;
	return set_state(overlay, block, ZERO);
}

static int change_zero(struct guest_disk *disk, uint64_t len, uint64_t off, struct error *err)
{
	static const uint8_t zeros[BLOCK];
	struct overlay *overlay = overlay_of(disk);
	int r = 0;

	for (uint64_t at = 0, n; at < len && r == 0; at += n) {
		if ((off + at) % BLOCK == 0 && len - at >= BLOCK) {
			r = zero_blocks(overlay, off + at, len - at, &n);
			if (r < 0)
				error_sys(err, -r, "changes of %s", overlay->below->file->name);
		} else {
			n = min_u64(len - at, BLOCK - (off + at) % BLOCK);
			r = write_block(overlay, zeros, n, off + at, err);
		}
	}
	return r;
}

static int source_op_read(struct source *src, void *buf, size_t len, uint64_t off,
                          const struct source_read *how, struct error *err)
{
	const struct overlay_source *source = container_of(src, struct overlay_source, source);
	struct source_read piece = how ? *how : (struct source_read){ 0 };
	int r;

	/* Only the whole is told: parts come from different places. */
	piece.arrived = NULL;
	r = read_changed(source->overlay, buf, len, off, &piece, err);
	if (r == 0 && how && how->arrived)
		how->arrived(how->arg, len);
	return r;
}

static int source_op_extent(struct source *src, uint64_t off, uint64_t max,
                            enum source_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	const struct overlay_source *source = container_of(src, struct overlay_source, source);
	const struct overlay *overlay = source->overlay;
	uint64_t run = run_of(overlay, off, max);
	enum state state = state_of(overlay, off / BLOCK);
	enum image_extent kind = IMAGE_EXTENT_DATA;
	int r = 0;

	if (state == BELOW && off % 512 == 0 && run % 512 == 0)
		r = image_map(overlay->below, off, run, NULL, &kind, &run, err);
	*ret_kind = state == ZERO || kind == IMAGE_EXTENT_ZERO ? SOURCE_EXTENT_ZERO
	                                                       : SOURCE_EXTENT_DATA;
	*ret_len = run;
	return r;
}

static void source_op_close(struct source *src)
{
	free(src->name);
	free(container_of(src, struct overlay_source, source));
}

static const struct source_ops overlay_ops = {
	.read = source_op_read,
	.extent = source_op_extent,
	.close = source_op_close,
};

int overlay_open(struct image *below, const char *dir, struct overlay **ret, struct error *err)
{
	cleanup(overlay_close) struct overlay *overlay = calloc(1, sizeof(*overlay));

	if (!overlay)
		return error_sys(err, ENOMEM, "%s", below->file->name);
	overlay->disk = (struct guest_disk){
		.size = below->size, .read = change_read, .write = change_write, .zero = change_zero
	};
	overlay->below = below;
	overlay->n_pages = div_round_up(div_round_up(below->size, BLOCK), PAGE_BLOCKS);
	overlay->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (overlay->fd < 0)
		return error_sys(err, errno, "%s: a file for changes", dir);
	overlay->pages = calloc(overlay->n_pages, sizeof(*overlay->pages));
	if (!overlay->pages)
		return error_sys(err, ENOMEM, "%s", below->file->name);
	*ret = take_ptr(overlay);
	return 0;
}

void overlay_close(struct overlay *overlay)
{
	if (!overlay)
		return;
	for (uint64_t i = 0; overlay->pages && i < overlay->n_pages; i++)
		if (overlay->pages[i] != all_zero)
			free(overlay->pages[i]);
	free(overlay->pages);
	if (overlay->fd >= 0)
		close(overlay->fd);
	free(overlay);
}

struct guest_disk *overlay_disk(struct overlay *overlay)
{
	return &overlay->disk;
}

int overlay_image(struct overlay *overlay, struct image **ret, struct error *err)
{
	const struct image_options options = { .format = IMAGE_RAW };
	struct overlay_source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return error_sys(err, ENOMEM, "%s", overlay->below->file->name);
	source->overlay = overlay;
	source->source.ops = &overlay_ops;
	source->source.identity.size = overlay->disk.size;
	source->source.name = strdup(overlay->below->file->name);
	r = source->source.name ? image_open(&source->source, &options, ret, err)
	                        : error_sys(err, ENOMEM, "%s", overlay->below->file->name);
	if (r < 0)
		source_op_close(&source->source);
	return r;
}
