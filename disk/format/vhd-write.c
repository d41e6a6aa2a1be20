// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VHD output: fixed, and dynamic in blocks of 2 MiB.
 *
 * Blocks are laid down in the order they come, each so that its sectors (not its bitmap) start at a
 * multiple of 4 KiB: the host's file system and a streaming reader both work in those.  The headers
 * and the table are written last.  What is zero is never written: blocks get no place, stretches
 * inside a block stay holes.
 *
 * Geometry: QEMU takes the size of a disk from cylinders, heads and sectors when it does not know
 * the creator, which would cut the end off.  A size that has no exact geometry therefore gets the
 * largest one there is, which every reader takes as "look at the size in bytes".
 */
#include "disk/format/vhd-write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/endian.h"

#define BLOCK_SIZE UINT32_C(2097152)
#define ALIGN      4096u
#define TABLE_AT   (VHD_FOOTER + VHD_HEADER)

static struct vhd_writer *writer_of(struct writer *writer)
{
	return container_of(writer, struct vhd_writer, writer);
}

static int make_footer(struct vhd_writer *vhd, const struct vhd_create *create, struct error *err)
{
	struct vhd_footer *footer = &vhd->footer;

	*footer = (struct vhd_footer){
		.features = VHD_FEATURE_RESERVED,
		.version = VHD_VERSION,
		.data_offset = VHD_FOOTER,
		.timestamp = (uint32_t)(time(NULL) - VHD_EPOCH),
		.creator = "sill",
		.creator_version = 0x00010000,
		.creator_os = "Wi2k", /* the format knows this one and the Macintosh */
		.original_size = create->size,
		.current_size = create->size,
		.type = create->parent ? VHD_DIFFERENCING : VHD_DYNAMIC,
	};
	if (!create->parent && create->subformat == VHD_WRITE_FIXED) {
		footer->type = VHD_FIXED;
		footer->data_offset = UINT64_MAX;
	}
	vhd_geometry_of(create->size, footer);
	if (vhd_geometry_size(footer) != create->size) {
		footer->cylinders = UINT16_MAX;
		footer->heads = 16;
		footer->sectors = 255;
	}
	if (getrandom(footer->unique_id, 16, 0) != 16)
		return error_sys(err, errno, "random numbers");
	/* A random UUID: version 4, variant 1 (RFC 4122, 4.4). */
	footer->unique_id[6] = (footer->unique_id[6] & 0x0f) | 0x40;
	footer->unique_id[8] = (footer->unique_id[8] & 0x3f) | 0x80;
	return 0;
}

static int make_header(struct vhd_writer *vhd, const struct vhd_create *create, struct error *err)
{
	vhd->blocks = (uint32_t)div_round_up(create->size, BLOCK_SIZE);
	vhd->bitmap_size = vhd_bitmap_size(BLOCK_SIZE);
	vhd->header = (struct vhd_header){
		.data_offset = UINT64_MAX,
		.table_offset = TABLE_AT,
		.version = VHD_VERSION,
		.max_entries = vhd->blocks,
		.block_size = BLOCK_SIZE,
	};
	vhd->table_size = round_up((size_t)vhd->blocks * 4, VHD_SECTOR);
	vhd->table = malloc(vhd->table_size);
	if (!vhd->table)
		return error_set(err, ENOMEM, "%s: no memory for its block table",
		                 output_path(vhd->writer.out));
	memset(vhd->table, 0xff, vhd->table_size);
	vhd->next = TABLE_AT + vhd->table_size;
	return create->parent ? vhd_write_parent(vhd, create, err) : 0;
}

bool vhd_writer_has_block(const struct vhd_writer *vhd, uint32_t block)
{
	return load_be32(vhd->table + (size_t)block * 4) != VHD_UNUSED;
}

uint64_t vhd_writer_block(struct vhd_writer *vhd, uint32_t block)
{
	uint8_t *entry = vhd->table + (size_t)block * 4;

	if (!vhd_writer_has_block(vhd, block)) {
		uint64_t sectors = round_up(vhd->next + vhd->bitmap_size, ALIGN);

		store_be32(entry, (uint32_t)((sectors - vhd->bitmap_size) / VHD_SECTOR));
		vhd->next = sectors + BLOCK_SIZE;
	}
	return (uint64_t)load_be32(entry) * VHD_SECTOR + vhd->bitmap_size;
}

static int fixed_write(struct writer *writer, const uint8_t *buf, size_t len, uint64_t off,
                       struct error *err)
{
	return output_write_sparse(writer->out, buf, len, off, err);
}

static int fixed_finish(struct writer *writer, uint64_t *ret_size, struct error *err)
{
	uint8_t raw[VHD_FOOTER];

	vhd_footer_store(&writer_of(writer)->footer, raw);
	*ret_size = writer->size + VHD_FOOTER;
	return output_write(writer->out, raw, sizeof(raw), writer->size, err);
}

/* A dynamic disk's block: its bitmap says at once that every sector is there. */
static int write_piece(struct vhd_writer *vhd, const uint8_t *buf, size_t len, uint64_t off,
                       struct error *err)
{
	uint32_t block = (uint32_t)(off / BLOCK_SIZE);
	bool is_new = !vhd_writer_has_block(vhd, block);
	uint64_t at;
	int r;

	if (is_zero(buf, len))
		return 0;
	at = vhd_writer_block(vhd, block);
	if (is_new) {
		uint8_t ones[BLOCK_SIZE / VHD_SECTOR / 8];

		memset(ones, 0xff, sizeof(ones));
		r = output_write(vhd->writer.out, ones, sizeof(ones), at - vhd->bitmap_size, err);
		if (r < 0)
			return r;
	}
	return output_write_sparse(vhd->writer.out, buf, len, at + off % BLOCK_SIZE, err);
}

/* Hand a range over block by block. */
static int dynamic_write(struct writer *writer, const uint8_t *buf, size_t len, uint64_t off,
                         struct error *err)
{
	struct vhd_writer *vhd = writer_of(writer);

	for (size_t done = 0; done < len;) {
		uint64_t at = off + done;
		size_t n = min_u64(len - done, BLOCK_SIZE - at % BLOCK_SIZE);
		int r = vhd->parent ? vhd_write_difference(vhd, buf + done, n, at, err)
		                    : write_piece(vhd, buf + done, n, at, err);

		if (r < 0)
			return r;
		done += n;
	}
	return 0;
}

static int dynamic_zero(struct writer *writer, uint64_t len, uint64_t off, struct error *err)
{
	struct vhd_writer *vhd = writer_of(writer);

	return vhd->parent ? vhd_zero_difference(vhd, len, off, err) : 0;
}

static int dynamic_finish(struct writer *writer, uint64_t *ret_size, struct error *err)
{
	struct vhd_writer *vhd = writer_of(writer);
	uint8_t footer[VHD_FOOTER], header[VHD_HEADER];
	int r = vhd_write_bitmap(vhd, err);

	vhd_footer_store(&vhd->footer, footer);
	vhd_header_store(&vhd->header, header);
	if (r == 0)
		r = output_write(writer->out, footer, sizeof(footer), 0, err);
	if (r == 0)
		r = output_write(writer->out, header, sizeof(header), VHD_FOOTER, err);
	if (r == 0)
		r = output_write(writer->out, vhd->table, vhd->table_size, TABLE_AT, err);
	if (r == 0)
		r = output_write(writer->out, footer, sizeof(footer), vhd->next, err);
	*ret_size = vhd->next + VHD_FOOTER;
	return r;
}

static void vhd_writer_close(struct writer *writer)
{
	struct vhd_writer *vhd = writer_of(writer);

	free(vhd->table);
	free(vhd->bitmap);
	free(vhd->theirs);
	free(vhd);
}

static const struct writer_ops fixed_writer_ops = {
	.write = fixed_write,
	.finish = fixed_finish,
	.close = vhd_writer_close,
};

static const struct writer_ops dynamic_writer_ops = {
	.write = dynamic_write,
	.zero = dynamic_zero,
	.finish = dynamic_finish,
	.close = vhd_writer_close,
};

static int check_create(struct output *out, const struct vhd_create *create, struct error *err)
{
	const char *path = output_path(out);

	if (create->size == 0 || create->size % VHD_SECTOR != 0)
		return error_set(err, EINVAL, "%s: a VHD of %" PRIu64 " bytes has no whole sectors",
		                 path, create->size);
	if (create->size > VHD_MAX_SIZE)
		return error_set(err, EFBIG,
		                 "%s: a VHD holds at most 2040 GiB, the disk has %" PRIu64 " bytes",
		                 path, create->size);
	if (!create->parent)
		return 0;
	if (create->parent->format != IMAGE_VHD)
		return error_set(err, EINVAL,
		                 "%s: the parent of a differencing VHD must be a VHD, and %s is %s",
		                 path, create->parent->file->name,
		                 image_format_name(create->parent->format));
	if (create->parent->size != create->size)
		return error_set(err, EINVAL,
		                 "%s: the disk has %" PRIu64 " bytes and its parent %s has %" PRIu64
		                 ": a differencing VHD has its parent's size",
		                 path, create->size, create->parent->file->name,
		                 create->parent->size);
	return 0;
}

int vhd_writer_open(struct output *out, const struct vhd_create *create, struct writer **ret,
                    struct error *err)
{
	struct vhd_writer *vhd;
	int r = check_create(out, create, err);

	if (r < 0)
		return r;
	vhd = calloc(1, sizeof(*vhd));
	if (!vhd)
		return error_set(err, ENOMEM, "%s: no memory to write it", output_path(out));
	vhd->writer.ops = &dynamic_writer_ops;
	vhd->writer.out = out;
	vhd->writer.size = create->size;
	vhd->parent = create->parent;
	r = make_footer(vhd, create, err);
	if (r == 0 && vhd->footer.type == VHD_FIXED)
		vhd->writer.ops = &fixed_writer_ops;
	else if (r == 0)
		r = make_header(vhd, create, err);
	if (r < 0) {
		vhd_writer_close(&vhd->writer);
		return r;
	}
	*ret = &vhd->writer;
	return 0;
}
