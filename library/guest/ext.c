// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/guest/ext.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

int ext_failed(struct ext *ext, errcode_t code, const char *doing, struct error *err)
{
	if (ext->range.err.code != 0) {
		if (err)
			*err = ext->range.err;
		return -ext->range.err.code;
	}
	return error_set(err, EIO, "%s: %s", doing, error_message(code));
}

static void learn_names(struct ext *ext)
{
	const struct ext2_super_block *super = ext->fs->super;
	const uint8_t *u = super->s_uuid;

	snprintf(ext->uuid, sizeof(ext->uuid),
	         "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
	         u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
	         u[15]);
	memcpy(ext->label, super->s_volume_name, sizeof(ext->label) - 1);
}

/* What makes looking into it, or changing it, senseless. */
static int check(struct ext *ext, struct error *err)
{
	struct ext2_super_block *super = ext->fs->super;

	if (ext2fs_has_feature_journal_needs_recovery(super) || !(super->s_state & EXT2_VALID_FS))
		return error_set(err, EBUSY,
		                 "it was not unmounted: start the machine once more and shut it "
		                 "down");
	if (super->s_state & EXT2_ERROR_FS)
		return error_set(err, EBADMSG,
		                 "it has errors: start the machine and repair it (fsck)");
	if (ext2fs_has_feature_journal(super) && super->s_journal_inum != EXT2_JOURNAL_INO)
		return error_set(err, EOPNOTSUPP, "its journal is on another device");
	if (ext2fs_has_feature_encrypt(super))
		return error_set(err, EOPNOTSUPP, "folders in it are encrypted");
	return 0;
}

int ext_open(struct guest_disk *disk, uint64_t off, uint64_t len, bool change, struct ext **ret,
             struct error *err)
{
	cleanup(ext_close) struct ext *ext = calloc(1, sizeof(*ext));
	int flags = EXT2_FLAG_64BITS | (change ? EXT2_FLAG_RW : 0), r;
	errcode_t code;
	char name[32];

	if (!ext)
		return error_sys(err, ENOMEM, "file system");
	ext->range = (struct ext_range){ .disk = disk, .off = off, .len = len };
	ext->change = change;
	ext_io_name(&ext->range, name);
	initialize_ext2_error_table();
	code = ext2fs_open2(name, NULL, flags, 0, 0, ext_io(), &ext->fs);
	if (code != 0) {
		r = ext_failed(ext, code, "its file system", err);
		return code == EXT2_ET_UNSUPP_FEATURE || code == EXT2_ET_RO_UNSUPP_FEATURE
		               ? error_set(err, EOPNOTSUPP,
		                           "its file system has features that are not known here")
		               : r;
	}
	learn_names(ext);
	r = check(ext, err);
	if (r < 0)
		return r;
	/* The same disk gives the same image, whenever it is changed. */
	ext->fs->now = (time_t)ext->fs->super->s_wtime;
	code = ext2fs_read_bitmaps(ext->fs);
	if (code == 0)
		code = ext2fs_allocate_inode_bitmap(ext->fs, "told", &ext->told);
	if (code != 0)
		return ext_failed(ext, code, "its bitmaps", err);
	*ret = take_ptr(ext);
	return 0;
}

void ext_close(struct ext *ext)
{
	if (!ext)
		return;
	if (ext->told)
		ext2fs_free_inode_bitmap(ext->told);
	if (ext->fs)
		ext2fs_free(ext->fs);
	free(ext);
}

int ext_read_file(struct ext *ext, const char *path, char *ret, size_t room, struct error *err)
{
	unsigned int got = 0;
	ext2_file_t file;
	ext2_ino_t ino;
	errcode_t code = ext2fs_namei(ext->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);

	if (code == EXT2_ET_FILE_NOT_FOUND || code == EXT2_ET_NO_DIRECTORY)
		return error_set(err, ENOENT, "%s is not there", path);
	if (code == 0)
		code = ext2fs_file_open(ext->fs, ino, 0, &file);
	if (code != 0)
		return ext_failed(ext, code, path, err);
	code = ext2fs_file_read(file, ret, (unsigned int)room - 1, &got);
	ext2fs_file_close(file);
	if (code != 0)
		return ext_failed(ext, code, path, err);
	ret[got] = '\0';
	return 0;
}

static int zero_free_blocks(struct ext *ext, struct error *err)
{
	blk64_t at = ext->fs->super->s_first_data_block;
	blk64_t end = ext2fs_blocks_count(ext->fs->super);

	while (at < end) {
		blk64_t first, next;
		errcode_t code = ext2fs_find_first_zero_block_bitmap2(ext->fs->block_map, at,
		                                                      end - 1, &first);

		if (code == ENOENT)
			break;
		if (code == 0) {
			code = ext2fs_find_first_set_block_bitmap2(ext->fs->block_map, first,
			                                           end - 1, &next);
			if (code == ENOENT) {
				next = end;
				code = 0;
			}
		}
		if (code == 0 && next <= first)
			code = EXT2_ET_BAD_BLOCK_NUM;
		if (code == 0)
			code = io_channel_zeroout(ext->fs->io, first, next - first);
		if (code != 0)
			return ext_failed(ext, code, "its free blocks", err);
		at = next;
	}
	return 0;
}

/* Its first block says that nothing in it counts. */
static int zero_journal_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t n,
                              blk64_t ref __attribute__((unused)), int at __attribute__((unused)),
                              void *arg)
{
	errcode_t *code = arg;

	if (n > 0)
		*code = io_channel_zeroout(fs->io, *block, 1);
	return *code ? BLOCK_ABORT : 0;
}

static int zero_journal(struct ext *ext, struct error *err)
{
	errcode_t code, why = 0;

	if (!ext2fs_has_feature_journal(ext->fs->super))
		return 0;
	code = ext2fs_block_iterate3(ext->fs, ext->fs->super->s_journal_inum, BLOCK_FLAG_DATA_ONLY,
	                             NULL, zero_journal_block, &why);
	code = code ? code : why;
	return code ? ext_failed(ext, code, "its journal", err) : 0;
}

int ext_finish(struct ext *ext, struct error *err)
{
	errcode_t code;
	int r;

	if (!ext->change)
		return 0;
	code = ext2fs_flush(ext->fs);
	if (code != 0)
		return ext_failed(ext, code, "writing it", err);
	r = zero_free_blocks(ext, err);
	return r < 0 ? r : zero_journal(ext, err);
}
