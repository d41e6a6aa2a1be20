// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VHD output: what a differencing disk has of its own.
 *
 * The new content is laid against the parent's; sectors that differ are written and marked in the
 * block's bitmap (most significant bit first).  What became zero is marked as well, and stays a
 * hole in the file.  Where both are known to be zero nothing is read.
 *
 * Sectors are taken eight at a time, a whole byte of the bitmap: file systems and caches work in
 * 4 KiB anyway, and libvhdi (20210425) takes the clear bits behind a set one in the same byte for
 * set.
 *
 * The child names its parent three times: by unique id, by a path relative to itself and by an
 * absolute one, in UTF-16 with backslashes as Windows reads them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "disk/format/vhd-write.h"

#define PIECE       (256 * KIB)
#define MAX_LOCATOR 4096u /* whole sectors */

int vhd_write_bitmap(struct vhd_writer *vhd, struct error *err)
{
	uint64_t at;

	if (!vhd->parent || !vhd_writer_has_block(vhd, vhd->block))
		return 0;
	at = vhd_writer_block(vhd, vhd->block) - vhd->bitmap_size;
	return output_write(vhd->writer.out, vhd->bitmap, vhd->bitmap_size, at, err);
}

/* Sectors of one block that differ: into the file, and marked. */
static int write_own(struct vhd_writer *vhd, const uint8_t *buf, size_t len, uint64_t off,
                     struct error *err)
{
	uint32_t block = (uint32_t)(off / vhd->header.block_size);
	uint32_t in_block = (uint32_t)(off % vhd->header.block_size);
	uint64_t at;
	int r;

	if (len == 0)
		return 0;
	if (block != vhd->block) {
		r = vhd_write_bitmap(vhd, err);
		if (r < 0)
			return r;
		memset(vhd->bitmap, 0, vhd->bitmap_size);
		vhd->block = block;
	}
	at = vhd_writer_block(vhd, block);
	for (uint32_t n = in_block / VHD_SECTOR; n < (in_block + len) / VHD_SECTOR; n++)
		vhd->bitmap[n / 8] |= (uint8_t)(0x80 >> n % 8);
	return output_write_sparse(vhd->writer.out, buf, len, at + in_block, err);
}

/* Lay a piece, which starts at a multiple of WRITER_UNIT, against the parent's. */
static int write_compared(struct vhd_writer *vhd, const uint8_t *buf, size_t len, uint64_t off,
                          struct error *err)
{
	size_t start = 0, n; /* start: of what differs and is not written yet */
	int r = image_read(vhd->parent, vhd->theirs, len, off, NULL, err);

	for (size_t at = 0; at < len && r == 0; at += n) {
		n = min_u64(len - at, WRITER_UNIT);
		if (memcmp(buf + at, vhd->theirs + at, n) != 0)
			continue;
		r = write_own(vhd, buf + start, at - start, off + start, err);
		start = at + n;
	}
	return r < 0 ? r : write_own(vhd, buf + start, len - start, off + start, err);
}

int vhd_write_difference(struct vhd_writer *vhd, const uint8_t *buf, size_t len, uint64_t off,
                         struct error *err)
{
	for (size_t done = 0; done < len; done += PIECE) {
		int r = write_compared(vhd, buf + done, min_u64(len - done, PIECE), off + done,
		                       err);

		if (r < 0)
			return r;
	}
	return 0;
}

int vhd_zero_difference(struct vhd_writer *vhd, uint64_t len, uint64_t off, struct error *err)
{
	static const uint8_t zeros[PIECE];
	uint64_t run;

	for (uint64_t done = 0; done < len; done += run) {
		enum image_extent kind;
		uint64_t at = off + done, block = vhd->header.block_size;
		int r = image_map(vhd->parent, at, len - done, NULL, &kind, &run, err);

		if (r < 0)
			return r;
		if (kind == IMAGE_EXTENT_ZERO && run < len - done)
			run = round_down(run, WRITER_UNIT);
		if (kind == IMAGE_EXTENT_ZERO && run > 0)
			continue;
		run = min_u64(round_up(max_u64(run, 1), WRITER_UNIT), len - done);
		run = min_u64(min_u64(run, PIECE), block - at % block);
		r = write_compared(vhd, zeros, run, at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The last part of a path or URL. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_url(const char *path)
{
	return strstr(path, "://") != NULL;
}

/* The folder of a path, with every link resolved; to be freed. */
static char *real_folder(const char *path)
{
	const char *name = last_part(path);
	cleanup_free char *folder =
		name == path ? strdup(".") : strndup(path, (size_t)(name - path));

	return folder ? realpath(folder, NULL) : NULL;
}

/* `to`, an absolute path, as seen from the folder `from`: both without links.  To be freed. */
static char *relative_path(const char *from, const char *to)
{
	size_t same = 0, ups = 1, used = 0, len;
	char *out;

	for (size_t i = 0; to[i] && (from[i] == to[i] || (!from[i] && to[i] == '/')); i++) {
		if (to[i] == '/')
			same = i;
		if (from[i] == '\0') {
			ups = 0;
			break;
		}
	}
	for (const char *at = from + same + 1; ups && *at; at++)
		ups += *at == '/';
	if (!strcmp(from, "/"))
		ups = 0;
	len = ups * 3 + 2 + strlen(to + same) + 1;
	out = malloc(len);
	if (!out)
		return NULL;
	if (ups == 0)
		used = (size_t)snprintf(out, len, "./");
	for (size_t i = 0; i < ups; i++)
		used += (size_t)snprintf(out + used, len - used, "../");
	snprintf(out + used, len - used, "%s", to + same + 1);
	return out;
}

/* Write one locator; a path is turned into Windows' kind, a URL is left as it is. */
static int write_locator(struct vhd_writer *vhd, struct vhd_locator *locator, const char *code,
                         const char *path, struct error *err)
{
	uint8_t raw[MAX_LOCATOR] = { 0 };
	size_t len;
	int r = utf16_encode(path, false, raw, sizeof(raw), &len);

	if (r < 0)
		return error_sys(err, -r, "%s: the path of the parent, %s, for a locator",
		                 output_path(vhd->writer.out), path);
	for (size_t i = 0; i < len && !is_url(path); i += 2)
		if (load_le16(raw + i) == '/')
			store_le16(raw + i, '\\');
	memcpy(locator->code, code, 5);
	/* Sectors by the specification; Windows writes bytes, and readers take both. */
	locator->space = (uint32_t)round_up(len, VHD_SECTOR);
	locator->len = (uint32_t)len;
	locator->offset = vhd->next;
	r = output_write(vhd->writer.out, raw, locator->space, vhd->next, err);
	vhd->next += locator->space;
	return r;
}

static int write_locators(struct vhd_writer *vhd, const struct vhd_create *create,
                          struct error *err)
{
	struct vhd_locator *locators = vhd->header.locators;
	cleanup_free char *folder = real_folder(create->path);
	cleanup_free char *parent = NULL, *relative = NULL;
	int r;

	if (is_url(create->parent_url))
		return write_locator(vhd, &locators[0], "W2ku", create->parent_url, err);
	parent = realpath(create->parent_url, NULL);
	if (!folder || !parent)
		return error_sys(err, errno, "%s", folder ? create->parent_url : create->path);
	relative = relative_path(folder, parent);
	if (!relative)
		return error_set(err, ENOMEM, "%s: no memory for its locators", create->path);
	r = write_locator(vhd, &locators[0], "W2ru", relative, err);
	return r < 0 ? r : write_locator(vhd, &locators[1], "W2ku", parent, err);
}

int vhd_write_parent(struct vhd_writer *vhd, const struct vhd_create *create, struct error *err)
{
	const struct image *parent = create->parent;
	int64_t modified = parent->file->identity.last_modified;
	size_t len;
	int r;

	vhd->bitmap = calloc(1, vhd->bitmap_size);
	vhd->theirs = malloc(PIECE);
	if (!vhd->bitmap || !vhd->theirs)
		return error_set(err, ENOMEM, "%s: no memory to write it", create->path);
	memcpy(vhd->header.parent_id, parent->unique_id, 16);
	if (modified > VHD_EPOCH && modified - VHD_EPOCH <= UINT32_MAX)
		vhd->header.parent_timestamp = (uint32_t)(modified - VHD_EPOCH);
	r = utf16_encode(last_part(create->parent_url), true, vhd->header.parent_name,
	                 sizeof(vhd->header.parent_name) - 2, &len);
	if (r < 0)
		return error_sys(err, -r, "%s: the name of the parent, %s, for the header",
		                 create->path, last_part(create->parent_url));
	return write_locators(vhd, create, err);
}
