// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/build-tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

int build_tree_init(struct build_tree *tree, uint64_t n, struct error *err)
{
	*tree = (struct build_tree){ .n_levels = index_levels(n) };
	for (unsigned int i = 0; i < tree->n_levels; i++) {
		n = div_round_up(n, INDEX_FANOUT);
		tree->level[i].n = n;
		tree->level[i].pages = calloc(n, sizeof(*tree->level[i].pages));
		if (!tree->level[i].pages) {
			build_tree_free(tree);
			return error_sys(err, ENOMEM, "the tree of an index");
		}
	}
	return 0;
}

void build_tree_free(struct build_tree *tree)
{
	for (unsigned int i = 0; i < tree->n_levels; i++) {
		struct build_level *level = &tree->level[i];

		for (uint64_t page = 0; level->pages && page < level->n; page++)
			free(level->pages[page]);
		free(level->pages);
	}
	*tree = (struct build_tree){ 0 };
}

static uint8_t *entry_of(struct build_level *level, uint64_t n)
{
	uint8_t **page = &level->pages[n / INDEX_FANOUT];

	if (!*page) {
		*page = calloc(1, INDEX_PAGE_BYTES);
		level->used += *page != NULL;
	}
	return *page ? *page + n % INDEX_FANOUT * INDEX_ENTRY_BYTES : NULL;
}

uint8_t *build_tree_entry(struct build_tree *tree, uint64_t n)
{
	return entry_of(&tree->level[0], n);
}

int build_tree_raise(struct build_tree *tree, struct error *err)
{
	for (unsigned int i = 0; i + 1 < tree->n_levels; i++)
		for (uint64_t page = 0; page < tree->level[i].n; page++)
			if (tree->level[i].pages[page] && !entry_of(&tree->level[i + 1], page))
				return error_sys(err, ENOMEM, "the tree of an index");
	return 0;
}

void build_tree_place(struct build_tree *tree, unsigned int lowest, unsigned int above,
                      uint64_t *at)
{
	for (unsigned int i = above; i-- > lowest;) {
		tree->level[i].off = *at;
		*at += tree->level[i].used * INDEX_PAGE_BYTES;
	}
}

void build_tree_seal(struct build_tree *tree, struct index_page_ref *ret)
{
	*ret = (struct index_page_ref){ 0 };
	for (unsigned int i = 0; i < tree->n_levels; i++) {
		struct build_level *level = &tree->level[i];
		uint64_t off = level->off;

		for (uint64_t page = 0; page < level->n; page++) {
			struct index_page_ref ref = { .off = off };

			if (!level->pages[page])
				continue;
			index_digest(level->pages[page], INDEX_PAGE_BYTES, ref.digest);
			if (i + 1 < tree->n_levels)
				index_ref_write(&ref, entry_of(&tree->level[i + 1], page));
			else
				*ret = ref;
			off += INDEX_PAGE_BYTES;
		}
	}
}

int build_tree_write(const struct build_tree *tree, unsigned int lowest, unsigned int above,
                     struct blob *blob, struct error *err)
{
	int r = 0;

	for (unsigned int i = above; i-- > lowest;)
		for (uint64_t page = 0; page < tree->level[i].n && r == 0; page++)
			if (tree->level[i].pages[page])
				r = blob_append(blob, tree->level[i].pages[page], INDEX_PAGE_BYTES,
				                err);
	return r;
}
