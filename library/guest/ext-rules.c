// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding what the rules name, and taking it out.
 *
 * A folder is listed before anything in it is touched, so removing does not disturb the walk.
 * Symbolic links on the way are followed inside this file system; one that a rule names itself is
 * left alone, for what it stands for has a rule of its own.
 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/guest/ext.h"
#include "library/guest/rules.h"

#define PAGE 4096u

struct name {
	ext2_ino_t ino;
	char text[EXT2_NAME_LEN + 1];
};

struct listing {
	struct ext *ext;
	const char *pattern; /* NULL: all */
	struct name *names;
	size_t n, room;
	int code; /* 0 or -errno */
};

static int list_entry(ext2_ino_t dir __attribute__((unused)), int entry __attribute__((unused)),
                      struct ext2_dir_entry *dirent, int offset __attribute__((unused)),
                      int blocksize __attribute__((unused)), char *buf __attribute__((unused)),
                      void *arg)
{
	struct listing *listing = arg;
	size_t len = (size_t)ext2fs_dirent_name_len(dirent);
	struct name *name;

	if (++listing->ext->entries > EXT_MAX_ENTRIES) {
		listing->code = -E2BIG;
		return DIRENT_ABORT;
	}
	if (listing->n == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 32;
		struct name *more = reallocarray(listing->names, room, sizeof(*more));

		if (!more) {
			listing->code = -ENOMEM;
			return DIRENT_ABORT;
		}
		listing->names = more;
		listing->room = room;
	}
	name = &listing->names[listing->n];
	memcpy(name->text, dirent->name, len);
	name->text[len] = '\0';
	name->ino = dirent->inode;
	/* One with a '/' or a NUL in it is no name that a path could have. */
	if (len == 0 || strlen(name->text) != len || strchr(name->text, '/') ||
	    !strcmp(name->text, ".") || !strcmp(name->text, ".."))
		return 0;
	if (!listing->pattern || fnmatch(listing->pattern, name->text, FNM_PERIOD) == 0)
		listing->n++;
	return 0;
}

/* *ret_names is to be freed. */
static int list(struct ext *ext, ext2_ino_t dir, const char *pattern, struct name **ret_names,
                size_t *ret_n, struct error *err)
{
	struct listing listing = { .ext = ext, .pattern = pattern };
	errcode_t code = ext2fs_dir_iterate2(ext->fs, dir, 0, NULL, list_entry, &listing);

	if (code == 0 && listing.code == 0) {
		*ret_names = listing.names;
		*ret_n = listing.n;
		return 0;
	}
	free(listing.names);
	if (listing.code == -E2BIG)
		return error_set(err, E2BIG, "there are too many files in it to look at");
	return code ? ext_failed(ext, code, "a folder in it", err)
	            : error_sys(err, ENOMEM, "a folder in it");
}

static int read_inode(struct ext *ext, ext2_ino_t ino, struct ext2_inode *ret, struct error *err)
{
	errcode_t code = ext2fs_read_inode(ext->fs, ino, ret);

	return code ? ext_failed(ext, code, "a file in it", err) : 0;
}

struct unlinking {
	const struct name *name;
	bool done;
};

static int unlink_entry(ext2_ino_t dir __attribute__((unused)), int entry __attribute__((unused)),
                        struct ext2_dir_entry *dirent, int offset __attribute__((unused)),
                        int blocksize __attribute__((unused)), char *buf __attribute__((unused)),
                        void *arg)
{
	struct unlinking *unlinking = arg;
	size_t len = (size_t)ext2fs_dirent_name_len(dirent);

	if (dirent->inode != unlinking->name->ino || len != strlen(unlinking->name->text) ||
	    memcmp(dirent->name, unlinking->name->text, len) != 0)
		return 0;
	memset(dirent->name, 0, len);
	ext2fs_dirent_set_name_len(dirent, 0);
	ext2fs_dirent_set_file_type(dirent, 0);
	dirent->inode = 0;
	unlinking->done = true;
	return DIRENT_CHANGED | DIRENT_ABORT;
}

/*
 * Take an entry out of its folder.  ext2fs_unlink() would leave the name where the entry was, and
 * names tell: that of a journal's folder is the machine's id.
 */
static errcode_t unlink_name(ext2_filsys fs, ext2_ino_t dir, const struct name *name)
{
	struct unlinking unlinking = { .name = name };
	errcode_t code = ext2fs_dir_iterate2(fs, dir, 0, NULL, unlink_entry, &unlinking);

	return code == 0 && !unlinking.done ? EXT2_ET_FILE_NOT_FOUND : code;
}

/* A name is gone; with the last one of a file, all of that. */
static int remove_name(struct ext *ext, ext2_ino_t dir, const struct name *name, bool folder,
                       struct error *err)
{
	ext2_filsys fs = ext->fs;
	union {
		struct ext2_inode_large large;
		struct ext2_inode small;
		uint8_t raw[1024];
	} inode = { 0 };
	int size = (int)min_u64(EXT2_INODE_SIZE(fs->super), sizeof(inode));
	errcode_t code = unlink_name(fs, dir, name);

	if (code == 0)
		code = ext2fs_read_inode_full(fs, name->ino, &inode.small, size);
	if (code != 0)
		return ext_failed(ext, code, name->text, err);
	if (!folder && inode.small.i_links_count > 1) {
		inode.small.i_links_count--;
		code = ext2fs_write_inode_full(fs, name->ino, &inode.small, size);
		return code ? ext_failed(ext, code, name->text, err) : 0;
	}
	if (ext2fs_file_acl_block(fs, &inode.small) != 0)
		code = ext2fs_free_ext_attr(fs, name->ino, &inode.large);
	if (code == 0 && ext2fs_inode_has_valid_blocks2(fs, &inode.small))
		code = ext2fs_punch(fs, name->ino, &inode.small, NULL, 0, ~0ULL);
	/* What lay in the inode itself goes too. */
	memset(&inode, 0, sizeof(inode));
	inode.small.i_dtime = fs->super->s_wtime;
	if (code == 0)
		code = ext2fs_write_inode_full(fs, name->ino, &inode.small, size);
	if (code != 0)
		return ext_failed(ext, code, name->text, err);
	ext2fs_inode_alloc_stats2(fs, name->ino, -1, folder);
	return 0;
}

/* An empty folder, with its ".." in the folder above. */
static int remove_folder(struct ext *ext, ext2_ino_t above, const struct name *name,
                         struct error *err)
{
	struct ext2_inode inode = { 0 };
	int r = remove_name(ext, above, name, true, err);
	errcode_t code;

	if (r == 0)
		r = read_inode(ext, above, &inode, err);
	/* 1 stands for more than can be counted. */
	if (r < 0 || inode.i_links_count <= 2)
		return r;
	inode.i_links_count--;
	code = ext2fs_write_inode(ext->fs, above, &inode);
	return code ? ext_failed(ext, code, name->text, err) : 0;
}

/* A file that lay in its inode becomes one without blocks: libext2fs leaves it half way. */
static void leave_inode(const struct ext *ext, struct ext2_inode *inode)
{
	static const struct ext3_extent_header none = { .eh_magic = EXT3_EXT_MAGIC, .eh_max = 4 };

	inode->i_flags &= ~(uint32_t)EXT4_INLINE_DATA_FL;
	memset(inode->i_block, 0, sizeof(inode->i_block));
	if (!ext2fs_has_feature_extents(ext->fs->super))
		return;
	inode->i_flags |= EXT4_EXTENTS_FL;
	memcpy(inode->i_block, &none, sizeof(none));
}

static int empty_file(struct ext *ext, const struct name *name, struct ext2_inode *inode,
                      struct error *err)
{
	errcode_t code = 0;

	if (ext2fs_inode_has_valid_blocks2(ext->fs, inode) ||
	    (inode->i_flags & EXT4_INLINE_DATA_FL))
		code = ext2fs_punch(ext->fs, name->ino, inode, NULL, 0, ~0ULL);
	if (inode->i_flags & EXT4_INLINE_DATA_FL)
		leave_inode(ext, inode);
	if (code == 0)
		code = ext2fs_inode_size_set(ext->fs, inode, 0);
	if (code == 0)
		code = ext2fs_write_inode(ext->fs, name->ino, inode);
	return code ? ext_failed(ext, code, name->text, err) : 0;
}

static int wipe_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t n,
                      blk64_t ref __attribute__((unused)), int at __attribute__((unused)),
                      void *arg)
{
	errcode_t *code = arg;

	if ((uint64_t)n * fs->blocksize >= PAGE)
		*code = io_channel_zeroout(fs->io, *block, 1);
	return *code ? BLOCK_ABORT : 0;
}

static int wipe_file(struct ext *ext, const struct name *name, struct error *err)
{
	errcode_t why = 0, code = ext2fs_block_iterate3(ext->fs, name->ino, BLOCK_FLAG_DATA_ONLY,
	                                                NULL, wipe_block, &why);

	code = code ? code : why;
	return code ? ext_failed(ext, code, name->text, err) : 0;
}

/* systemd writes this word where a machine has no id yet. */
static bool says_nothing(struct ext *ext, const char *path, uint64_t size)
{
	char text[16];

	return size < sizeof(text) && ext_read_file(ext, path, text, sizeof(text), NULL) == 0 &&
	       strncmp(text, "uninitialized", 13) == 0;
}

static void tell(struct ext *ext, const struct identity_rule *rule, const char *mount,
                 const char *path, ext2_ino_t ino)
{
	char whole[PATH_MAX + 64];

	if (ext2fs_test_inode_bitmap2(ext->told, ino))
		return;
	ext2fs_mark_inode_bitmap2(ext->told, ino);
	snprintf(whole, sizeof(whole), "%s%s", strcmp(mount, "/") ? mount : "", path);
	ext->found(ext->arg, rule->what, whole);
}

/* Where in the tree the walk is. */
struct place {
	const struct identity_rule *rule;
	const char *mount;
	const char *path; /* of the folder in this file system, "" for its root */
	ext2_ino_t dir;
	unsigned int depth;
};

static int visit_tree(struct ext *ext, const struct place *place, struct error *err);

/* A file that the rule names. */
static int visit_file(struct ext *ext, const struct place *place, const struct name *name,
                      struct ext2_inode *inode, struct error *err)
{
	uint64_t size = EXT2_I_SIZE(inode);
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", place->path, name->text) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "%s has a path that is too long", name->text);
	if (LINUX_S_ISREG(inode->i_mode) && size > 0) {
		if (says_nothing(ext, path, size))
			return 0;
		tell(ext, place->rule, place->mount, path, name->ino);
		if (!ext->change)
			return 0;
		if (place->rule->way == IDENTITY_EMPTY)
			return empty_file(ext, name, inode, err);
		if (place->rule->way == IDENTITY_WIPE)
			return wipe_file(ext, name, err);
		return remove_name(ext, place->dir, name, false, err);
	}
	return 0;
}

static int visit_name(struct ext *ext, const struct place *place, const struct name *name,
                      bool whole_tree, struct error *err)
{
	bool remove = ext->change && place->rule->way == IDENTITY_REMOVE;
	struct ext2_inode inode = { 0 };
	char path[PATH_MAX];
	struct place below = *place;
	int r = read_inode(ext, name->ino, &inode, err);

	if (r < 0)
		return r;
	if (!LINUX_S_ISDIR(inode.i_mode)) {
		r = visit_file(ext, place, name, &inode, err);
		/* Links, sockets and empty files mean nothing, but they would keep the folder. */
		if (r == 0 && remove && whole_tree &&
		    !(LINUX_S_ISREG(inode.i_mode) && EXT2_I_SIZE(&inode) > 0))
			r = remove_name(ext, place->dir, name, false, err);
		return r;
	}
	if (!whole_tree)
		return 0;
	if (place->depth == EXT_MAX_DEPTH ||
	    snprintf(path, sizeof(path), "%s/%s", place->path, name->text) >= (int)sizeof(path))
		return error_set(err, ELOOP, "its folders are too deep");
	below.path = path;
	below.dir = name->ino;
	below.depth++;
	r = visit_tree(ext, &below, err);
	return r == 0 && remove ? remove_folder(ext, place->dir, name, err) : r;
}

static int visit_all(struct ext *ext, const struct place *place, const char *pattern,
                     struct error *err)
{
	cleanup_free struct name *names = NULL;
	size_t n = 0;
	int r = list(ext, place->dir, pattern, &names, &n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		r = visit_name(ext, place, &names[i], !pattern, err);
	return r;
}

static int visit_tree(struct ext *ext, const struct place *place, struct error *err)
{
	return visit_all(ext, place, NULL, err);
}

static int descend(struct ext *ext, const struct place *place, const char *rest, struct error *err);

/* Into each folder that the first component of `rest` names. */
static int descend_into(struct ext *ext, const struct place *place, const char *pattern,
                        const char *rest, struct error *err)
{
	cleanup_free struct name *names = NULL;
	size_t n = 0;
	int r = list(ext, place->dir, pattern, &names, &n, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		struct place below = *place;
		char path[PATH_MAX];
		ext2_ino_t dir;

		if (ext2fs_follow_link(ext->fs, EXT2_ROOT_INO, place->dir, names[i].ino, &dir) ||
		    ext2fs_check_directory(ext->fs, dir))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", place->path, names[i].text) >=
		    (int)sizeof(path))
			return error_set(err, ENAMETOOLONG, "its folders are too deep");
		below.path = path;
		below.dir = dir;
		below.depth++;
		r = descend(ext, &below, rest, err);
	}
	return r;
}

/* `rest`: what is left of the rule's path, without a '/' in front. */
static int descend(struct ext *ext, const struct place *place, const char *rest, struct error *err)
{
	const char *slash = strchr(rest, '/');
	char pattern[EXT2_NAME_LEN + 1];

	if (!slash)
		return strcmp(rest, "**") ? visit_all(ext, place, rest, err)
		                          : visit_tree(ext, place, err);
	snprintf(pattern, sizeof(pattern), "%.*s", (int)(slash - rest), rest);
	return descend_into(ext, place, pattern, slash + 1, err);
}

/* What is left of `path` below `mount`, "" when it is no part of it. */
static const char *below(const char *path, const char *mount)
{
	while (*mount == '/' && *path == '/') {
		size_t a = strcspn(path + 1, "/"), b = strcspn(mount + 1, "/");
		char pattern[256], name[256];

		if (b == 0)
			break;
		snprintf(pattern, sizeof(pattern), "%.*s", (int)a, path + 1);
		snprintf(name, sizeof(name), "%.*s", (int)b, mount + 1);
		/* Everything beneath the pattern: all of what is mounted there. */
		if (!strcmp(pattern, "**"))
			return path + 1;
		if (fnmatch(pattern, name, FNM_PERIOD) != 0)
			return "";
		path += 1 + a;
		mount += 1 + b;
	}
	return *path == '/' ? path + 1 : "";
}

static int apply(struct ext *ext, const struct identity_rule *rule, const char *path,
                 const char *mount, struct error *err)
{
	const struct place root = {
		.rule = rule, .mount = mount, .path = "", .dir = EXT2_ROOT_INO
	};
	const char *rest = below(path, mount);

	return *rest ? descend(ext, &root, rest, err) : 0;
}

int ext_apply_rules(struct ext *ext, const char *mount, struct error *err)
{
	int r = 0;

	for (const struct identity_rule *rule = identity_rules; rule->path && r == 0; rule++) {
		char path[256];

		if (rule->path[0] != '~') {
			r = apply(ext, rule, rule->path, mount, err);
			continue;
		}
		for (const char *const *home = identity_homes; *home && r == 0; home++) {
			snprintf(path, sizeof(path), "%s%s", *home, rule->path + 1);
			r = apply(ext, rule, path, mount, err);
		}
	}
	return r;
}
