// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How libext2fs gets at the disk: its "I/O manager".  It opens by name, so the name says where the
 * range is in memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/guest/ext.h"

static struct struct_io_manager manager;

io_manager ext_io(void)
{
	return &manager;
}

void ext_io_name(const struct ext_range *range, char ret[32])
{
	snprintf(ret, 32, "%" PRIxPTR, (uintptr_t)range);
}

static errcode_t io_open(const char *name, int flags __attribute__((unused)), io_channel *ret)
{
	io_channel channel = calloc(1, sizeof(*channel));

	if (!channel)
		return EXT2_ET_NO_MEMORY;
	channel->name = strdup(name);
	if (!channel->name) {
		free(channel);
		return EXT2_ET_NO_MEMORY;
	}
	channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->manager = &manager;
	channel->block_size = 1024;
	channel->refcount = 1;
	channel->private_data =
		(void *)strtoumax(name, NULL, 16); // NOLINT(performance-no-int-to-ptr)
	*ret = channel;
	return 0;
}

static errcode_t io_close(io_channel channel)
{
	if (--channel->refcount > 0)
		return 0;
	free(channel->name);
	free(channel);
	return 0;
}

static errcode_t io_set_blksize(io_channel channel, int size)
{
	channel->block_size = size;
	return 0;
}

/* Where `count` blocks are on the disk (a negative count: so many bytes). */
static errcode_t place(io_channel channel, unsigned long long block, int count, uint64_t *ret_off,
                       uint64_t *ret_len)
{
	const struct ext_range *range = channel->private_data;
	uint64_t len = count < 0 ? (uint64_t) - (int64_t)count
	                         : (uint64_t)count * (uint64_t)channel->block_size;
	uint64_t off;

	if (__builtin_mul_overflow((uint64_t)block, (uint64_t)channel->block_size, &off) ||
	    !range_inside(off, len, range->len))
		return EXT2_ET_SHORT_READ;
	*ret_off = range->off + off;
	*ret_len = len;
	return 0;
}

static errcode_t io_read_blk64(io_channel channel, unsigned long long block, int count, void *data)
{
	struct ext_range *range = channel->private_data;
	uint64_t off, len;
	errcode_t code = place(channel, block, count, &off, &len);

	if (code == 0 && range->disk->read(range->disk, data, len, off, &range->err) < 0)
		code = EIO;
	return code;
}

static errcode_t io_write_blk64(io_channel channel, unsigned long long block, int count,
                                const void *data)
{
	struct ext_range *range = channel->private_data;
	uint64_t off, len;
	errcode_t code = place(channel, block, count, &off, &len);

	if (code == 0 && !range->disk->write)
		return EXT2_ET_RO_FILSYS;
	if (code == 0 && range->disk->write(range->disk, data, len, off, &range->err) < 0)
		code = EIO;
	return code;
}

static errcode_t io_read_blk(io_channel channel, unsigned long block, int count, void *data)
{
	return io_read_blk64(channel, block, count, data);
}

static errcode_t io_write_blk(io_channel channel, unsigned long block, int count, const void *data)
{
	return io_write_blk64(channel, block, count, data);
}

static errcode_t io_zeroout(io_channel channel, unsigned long long block, unsigned long long count)
{
	struct ext_range *range = channel->private_data;
	uint64_t size = (uint64_t)channel->block_size, off, len;

	if (__builtin_mul_overflow((uint64_t)block, size, &off) ||
	    __builtin_mul_overflow((uint64_t)count, size, &len) ||
	    !range_inside(off, len, range->len))
		return EXT2_ET_SHORT_WRITE;
	if (!range->disk->zero)
		return EXT2_ET_RO_FILSYS;
	return range->disk->zero(range->disk, len, range->off + off, &range->err) < 0 ? EIO : 0;
}

static errcode_t io_flush(io_channel channel __attribute__((unused)))
{
	return 0;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "a guest's disk",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read_blk,
	.write_blk = io_write_blk,
	.read_blk64 = io_read_blk64,
	.write_blk64 = io_write_blk64,
	.zeroout = io_zeroout,
	.flush = io_flush,
};
