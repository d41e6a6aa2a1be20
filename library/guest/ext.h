/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext2, ext3 and ext4 through libext2fs, over a stretch of a guest's disk.
 *
 *   ext-io.c     how libext2fs gets at the disk
 *   ext.c        opening, reading a file, ending
 *   ext-rules.c  finding what the rules name, and taking it out
 *
 * Trust: the file system is hostile, and libext2fs is large: hence worker.c.  Walks end after
 * EXT_MAX_ENTRIES names and EXT_MAX_DEPTH folders.
 */
#ifndef LIBRARY_GUEST_EXT_H
#define LIBRARY_GUEST_EXT_H

#include <stdbool.h>

#include <ext2fs/ext2fs.h>

#include "library/guest/disk.h"
#include "util/cleanup.h"

#define EXT_MAX_ENTRIES (UINT32_C(4) << 20)
#define EXT_MAX_DEPTH   64u

/* Where libext2fs finds the disk: a stretch of it. */
struct ext_range {
	struct guest_disk *disk;
	uint64_t off, len;
	struct error err; /* of the disk's latest failure: libext2fs carries only a number */
};

struct ext {
	struct ext_range range;
	ext2_filsys fs;
	char uuid[37];  /* as UUID= writes it */
	char label[17]; /* as LABEL= does */
	bool change;    /* what is found is taken out */
	uint32_t entries;
	ext2fs_inode_bitmap told; /* files that were reported */
	void (*found)(void *arg, const char *what, const char *path);
	void *arg;
};

/* The manager for ext2fs_open2(): its name is ext_io_name() of the range. */
io_manager ext_io(void);
void ext_io_name(const struct ext_range *range, char ret[32]);

/*
 * -EBADMSG when it is damaged, -EBUSY when it was not unmounted, -EOPNOTSUPP for features that
 * libext2fs does not know or that hide names; each with a sentence.
 */
int ext_open(struct guest_disk *disk, uint64_t off, uint64_t len, bool change, struct ext **ret,
             struct error *err);
/* Lets go of it; what ext_finish() has not written is lost. */
void ext_close(struct ext *ext);
DEFINE_CLEANUP(struct ext *, ext_close);

/* The first bytes of a file, at most `room` - 1, and a NUL; -ENOENT. */
int ext_read_file(struct ext *ext, const char *path, char *ret, size_t room, struct error *err);

/*
 * Report each file that a rule names, when this is what is mounted at `mount` ("/", "/var"), and
 * take it out when `change` was said.
 */
int ext_apply_rules(struct ext *ext, const char *mount, struct error *err);

/*
 * Write what was changed; then make everything zero that holds nothing: free blocks, and the
 * journal, so that what was taken out is nowhere any more.
 */
int ext_finish(struct ext *ext, struct error *err);

/* -EIO with what libext2fs, or the disk beneath it, says. */
int ext_failed(struct ext *ext, errcode_t code, const char *doing, struct error *err);

#endif
