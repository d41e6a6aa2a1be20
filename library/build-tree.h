/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tree of an index being made: filled entry by entry, then laid out, then sealed with the digests
 * from the lowest pages up, then written level by level.  Pages without entries do not exist.
 *
 * Memory: 4 KiB for each page that does, 8 bytes for each that might.
 */
#ifndef LIBRARY_BUILD_TREE_H
#define LIBRARY_BUILD_TREE_H

#include "disk/format/index.h"
#include "library/blob.h"

struct build_level {
	uint64_t n;      /* pages it might have */
	uint64_t used;   /* that it has */
	uint64_t off;    /* of the first in the file of pages */
	uint8_t **pages; /* NULL: does not exist */
};

struct build_tree {
	unsigned int n_levels; /* level[0] is the lowest */
	struct build_level level[INDEX_MAX_LEVELS];
};

/* For `n` things, at least 1. */
int build_tree_init(struct build_tree *tree, uint64_t n, struct error *err);
void build_tree_free(struct build_tree *tree);
/* Where entry `n` is to be written; NULL: no memory. */
uint8_t *build_tree_entry(struct build_tree *tree, uint64_t n);

/* Make the upper pages; after this their numbers are known. */
int build_tree_raise(struct build_tree *tree, struct error *err);
/* Give [lowest, above) their places in the file, upper ones first, from *at on. */
void build_tree_place(struct build_tree *tree, unsigned int lowest, unsigned int above,
                      uint64_t *at);
/* Fill the upper pages; *ret is the root, all zero when the tree has no entry. */
void build_tree_seal(struct build_tree *tree, struct index_page_ref *ret);
/* In the order of their places. */
int build_tree_write(const struct build_tree *tree, unsigned int lowest, unsigned int above,
                     struct blob *blob, struct error *err);

#endif
