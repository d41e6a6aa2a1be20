// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages of metadata in memory.
 *
 * A slot is empty, being loaded by one thread, or ready; those who want a page that is being loaded
 * wait for it, and try for themselves when that load failed (their own deadline is another).  The
 * lock is never held across a fetch.  Copies leave under the lock, so a page has no users to count.
 */
#include "disk/format/pages.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum slot_state { SLOT_EMPTY, SLOT_LOADING, SLOT_READY };

struct slot {
	enum slot_state state;
	uint64_t off;
	uint64_t used; /* value of the clock at the last use */
	uint8_t *data; /* made at the first use; belongs to the loader while loading */
	struct source_cancel *loader; /* of the read that loads it; NULL: it has none */
};

struct pages {
	struct source *file;
	size_t size;
	unsigned int count;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t loaded;
	uint64_t clock;
	struct slot slots[];
};

int pages_new(struct source *file, size_t size, unsigned int count, struct pages **ret,
              struct error *err)
{
	struct pages *pages = calloc(1, sizeof(*pages) + count * sizeof(pages->slots[0]));

	if (!pages)
		return error_set(err, ENOMEM, "%s: no memory for its tables", file->name);
	pages->file = file;
	pages->size = size;
	pages->count = count;
	pthread_mutex_init(&pages->lock, NULL);
	pthread_cond_init(&pages->loaded, NULL);
	*ret = pages;
	return 0;
}

void pages_free(struct pages *pages)
{
	if (!pages)
		return;
	for (unsigned int i = 0; i < pages->count; i++)
		free(pages->slots[i].data);
	pthread_cond_destroy(&pages->loaded);
	pthread_mutex_destroy(&pages->lock);
	free(pages);
}

/* The slot of a page, or the one to load it into; NULL when every slot is being loaded. */
static struct slot *find_slot(struct pages *pages, uint64_t off)
{
	struct slot *victim = NULL;

	for (unsigned int i = 0; i < pages->count; i++) {
		struct slot *slot = &pages->slots[i];

		if (slot->state != SLOT_EMPTY && slot->off == off)
			return slot;
		if (slot->state == SLOT_LOADING)
			continue;
		if (!victim || slot->used < victim->used)
			victim = slot;
	}
	return victim;
}

/* Fetch one page into a slot; called and left with the lock held, which is given up meanwhile. */
static int load(struct pages *pages, struct slot *slot, uint64_t off, size_t len,
                const struct source_read *how, struct error *err)
{
	int r = 0;

	slot->state = SLOT_LOADING;
	slot->off = off;
	slot->loader = how->cancel;
	pthread_mutex_unlock(&pages->lock);
	if (!slot->data)
		slot->data = malloc(pages->size);
	if (!slot->data)
		r = error_set(err, ENOMEM, "%s: no memory for its tables", pages->file->name);
	else
		r = source_read(pages->file, slot->data, len, off, how, err);
	pthread_mutex_lock(&pages->lock);
	slot->loader = NULL;
	slot->state = r < 0 ? SLOT_EMPTY : SLOT_READY;
	slot->used = r < 0 ? 0 : ++pages->clock;
	pthread_cond_broadcast(&pages->loaded);
	return r;
}

/* Copy a part of one page out. */
static int read_page(struct pages *pages, void *buf, size_t len, uint64_t off,
                     const struct source_read *how, struct error *err)
{
	uint64_t start = round_down(off, pages->size);
	size_t whole = min_u64(pages->size, pages->file->identity.size - start);
	struct slot *slot;
	int r = 0;

	pthread_mutex_lock(&pages->lock);
	for (;;) {
		slot = find_slot(pages, start);
		if (!slot || slot->state == SLOT_LOADING) {
			/* A guest waits for what somebody else is in no hurry to read. */
			if (slot && slot->loader && how->priority == SOURCE_DEMAND)
				source_cancel_hurry(slot->loader);
			pthread_cond_wait(&pages->loaded, &pages->lock);
			continue;
		}
		if (slot->state == SLOT_READY && slot->off == start)
			break;
		r = load(pages, slot, start, whole, how, err);
		if (r < 0)
			break;
	}
	if (r == 0) {
		memcpy(buf, slot->data + (off - start), len);
		slot->used = ++pages->clock;
	}
	pthread_mutex_unlock(&pages->lock);
	return r;
}

int pages_read(struct pages *pages, void *buf, size_t len, uint64_t off,
               const struct source_read *how, struct error *err)
{
	struct source_read meta = { .metadata = true };

	if (!range_inside(off, len, pages->file->identity.size))
		return source_read(pages->file, buf, len, off, how, err);
	if (how) {
		meta.priority = how->priority;
		meta.deadline_ns = how->deadline_ns;
		meta.cancel = how->cancel;
	}
	for (size_t done = 0; done < len;) {
		uint64_t at = off + done;
		size_t n = min_u64(len - done, pages->size - at % pages->size);
		int r = read_page(pages, (uint8_t *)buf + done, n, at, &meta, err);

		if (r < 0)
			return r;
		done += n;
	}
	return 0;
}

void pages_forget(struct pages *pages, uint64_t off)
{
	pthread_mutex_lock(&pages->lock);
	for (unsigned int i = 0; i < pages->count; i++) {
		struct slot *slot = &pages->slots[i];

		if (slot->state == SLOT_READY && slot->off == round_down(off, pages->size)) {
			slot->state = SLOT_EMPTY;
			slot->used = 0;
		}
	}
	pthread_mutex_unlock(&pages->lock);
}
