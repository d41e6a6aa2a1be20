/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded number of pages of a file's metadata in memory, the least recently used going first:
 * what lets a format look into its tables without holding them.
 *
 * Threads: any number read at once.  A page that several want is fetched once.
 */
#ifndef DISK_FORMAT_PAGES_H
#define DISK_FORMAT_PAGES_H

#include "disk/source/source.h"

struct pages;

/* Memory: at most `count` pages of `size` bytes (a power of two), made when needed. */
int pages_new(struct source *file, size_t size, unsigned int count, struct pages **ret,
              struct error *err);
/* NULL is allowed. */
void pages_free(struct pages *pages);
DEFINE_CLEANUP(struct pages *, pages_free);

/*
 * Read `len` bytes at `off` of the file through the pages, with `how` and its metadata set.
 * Any length, though what is long is better read with source_read().
 */
int pages_read(struct pages *pages, void *buf, size_t len, uint64_t off,
               const struct source_read *how, struct error *err);

/* What is in memory of the page around `off` is wrong: the next read fetches it again. */
void pages_forget(struct pages *pages, uint64_t off);

#endif
