// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A session's nested tables.  No table but the root is empty, so that a page never finds an empty
 * one in its way.
 *
 * An unmapping has two parts, since a frame may change hands only when no processor can reach it
 * any more.  memory_mark makes entries not present and leaves the rest of them, those of tables
 * too in which nothing present is left.  Then processors forget.  memory_take finds what was
 * marked, lets go of frames and tables, and makes the entries empty.
 */
#include "base/bits.h"
#include "hypervisor/core/session.h"

#define GUEST_END (UINT64_C(1) << 48)

/* What things cost of a budget; a call ends when it is used up, having done at least one. */
#define COST_ENTRY        64
#define COST_TABLE        512
#define COST_SCRUB        16384 /* 2 MiB */
#define COST_FRAMES(span) ((int64_t)((span) / PAGE_SIZE))

/* Bits of a page with these SILL_PAGE_…. */
static uint64_t rights(uint32_t flags)
{
	return (flags & SILL_PAGE_WRITE ? PTE_W : 0) | (flags & SILL_PAGE_EXECUTE ? 0 : PTE_NX);
}

static int64_t check_page(const struct session *session, const struct sill_page *page)
{
	bool sealed = session->flags & SILL_SESSION_SEALED;
	uint64_t span;

	if (page->level > session->tables.largest || (sealed && page->level != 1) ||
	    (page->flags & ~(SILL_PAGE_WRITE | SILL_PAGE_EXECUTE)))
		return -SILL_EINVAL;
	span = tables_span(page->level);
	if (page->guest % span != 0 || page->root % span != 0)
		return -SILL_EALIGN;
	return page->guest < GUEST_END ? 0 : -SILL_EINVAL;
}

/*
 * The page is mapped already, by this very entry: its rights become those of both.  A processor that
 * still knows less looks again before it faults.
 */
static int64_t widen(uint64_t *entry, uint64_t wanted)
{
	uint64_t both = (*entry | (wanted & PTE_W)) & (wanted | ~PTE_NX);

	if ((*entry ^ wanted) & ~(PTE_W | PTE_NX))
		return -SILL_EEXIST;
	__atomic_store_n(entry, both, __ATOMIC_RELEASE);
	return 0;
}

static int64_t take_frames(struct session *session, uint64_t base, uint64_t span)
{
	if (session->flags & SILL_SESSION_SEALED)
		return ground_take(session->ground, base, session->number);
	return frames_lend(session->ground->frames, base, span) ? 0 : -SILL_EOWNER;
}

int64_t memory_map(struct session *session, const struct sill_page *page, int64_t *budget)
{
	const struct ground *ground = session->ground;
	struct tables *tables = &session->tables;
	uint64_t *entry, *fresh[TABLES_TOP] = { NULL }, leaf, span;
	unsigned int level = TABLES_TOP, missing = 0;
	int64_t error = check_page(session, page);

	if (error)
		return error;
	span = tables_span(page->level);
	*budget -= COST_ENTRY + COST_FRAMES(span);
	leaf = page->root | ground->leaf | rights(page->flags) |
	       (page->level > 0 ? tables->large_bits : 0);
	entry = &tables->root[page->guest / tables_span(level) % 512];
	while (level > page->level && tables_is_table(tables, *entry, level)) {
		level--;
		entry = &tables_below(tables, *entry)[page->guest / tables_span(level) % 512];
	}
	if (*entry != 0)
		return level == page->level ? widen(entry, leaf) : -SILL_EEXIST;
	for (; missing < level - page->level; missing++) {
		fresh[missing] = ground_page(session);
		if (!fresh[missing]) {
			error = -SILL_ENOMEM;
			goto no_page;
		}
	}
	error = take_frames(session, page->root, span);
	if (error)
		goto no_page;
	/* From below, so that a processor sees all of it or nothing. */
	for (unsigned int i = 0; i < missing; i++) {
		fresh[i][page->guest / tables_span(page->level + i) % 512] = leaf;
		leaf = ground_address(ground, fresh[i]) | tables->table_bits;
	}
	__atomic_store_n(entry, leaf, __ATOMIC_RELEASE);
	session->frames += span / PAGE_SIZE;
	return 0;

no_page:
	while (missing-- > 0)
		ground_release(session, fresh[missing]);
	return error;
}

static bool any_present(const uint64_t *table)
{
	for (unsigned int i = 0; i < 512; i++) {
		if (table[i] & PTE_P)
			return true;
	}
	return false;
}

static void set(struct memory_walk *walk, uint64_t *entry, uint64_t value)
{
	if (*entry == value)
		return;
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
	walk->changed = true;
}

static void mark_page(struct memory_walk *walk, uint64_t *entry, unsigned int level)
{
	bool sealed = walk->session->flags & SILL_SESSION_SEALED;

	if (walk->change == SILL_CHANGE_UNMAP) {
		walk->budget -= sealed ? COST_SCRUB : COST_FRAMES(tables_span(level));
		set(walk, entry, *entry & ~PTE_P);
	} else {
		set(walk, entry, *entry & ~PTE_W);
	}
}

/* A page becomes a table of smaller ones. */
static bool split(struct memory_walk *walk, uint64_t *entry, unsigned int level)
{
	walk->budget -= COST_TABLE;
	walk->changed = true;
	if (tables_split(&walk->session->tables, entry, level))
		return true;
	walk->error = -SILL_ENOMEM;
	return false;
}

/*
 * From walk->at on, to the end of what `table` stands for; false: not so far.  A page that begins
 * before walk->at or ends behind walk->end is taken whole.
 */
static bool mark_level(struct memory_walk *walk, uint64_t *table, unsigned int level)
{
	struct tables *tables = &walk->session->tables;
	uint64_t span = tables_span(level);

	for (uint64_t i = walk->at / span % 512; i < 512 && walk->at < walk->end; i++) {
		uint64_t *entry = &table[i], next = round_down(walk->at, span) + span;

		if (walk->budget <= 0)
			return false;
		walk->budget -= COST_ENTRY;
		if (walk->change == SILL_CHANGE_SPLIT && level > 0 && *entry != 0 &&
		    !tables_is_table(tables, *entry, level) && !split(walk, entry, level))
			return false;
		if (tables_is_table(tables, *entry, level)) {
			uint64_t *below = tables_below(tables, *entry);
			bool whole = mark_level(walk, below, level - 1);

			if (walk->change == SILL_CHANGE_UNMAP) {
				walk->budget -= COST_TABLE;
				if (!any_present(below))
					set(walk, entry, *entry & ~PTE_P);
			}
			if (!whole)
				return false;
			continue;
		}
		if (*entry & PTE_P)
			mark_page(walk, entry, level);
		walk->at = next;
	}
	return true;
}

void memory_mark(struct memory_walk *walk)
{
	mark_level(walk, walk->session->tables.root, TABLES_TOP);
}

static void take_page(struct session *session, uint64_t base, uint64_t span)
{
	session->frames -= span / PAGE_SIZE;
	if (session->flags & SILL_SESSION_SEALED)
		ground_give(session->ground, base, session->number);
	else
		frames_unlend(session->ground->frames, base, span);
}

/* What is marked in the entries of [at, end), a part of what `table` stands for. */
static void take_level(struct session *session, uint64_t *table, unsigned int level, uint64_t at,
                       uint64_t end)
{
	struct tables *tables = &session->tables;
	uint64_t span = tables_span(level);

	for (uint64_t next; at < end; at = next) {
		uint64_t *entry = &table[at / span % 512], start = round_down(at, span);
		bool present = *entry & PTE_P;

		next = start + span;
		if (tables_is_table(tables, *entry, level)) {
			/* One that is marked is all taken: all of its pages are. */
			take_level(session, tables_below(tables, *entry), level - 1,
			           present ? at : start, present ? min_u64(next, end) : next);
			if (present)
				continue;
			ground_release(session, tables_below(tables, *entry));
		} else if (present || *entry == 0) {
			continue;
		} else {
			take_page(session, *entry & TABLES_ADDRESS, span);
		}
		*entry = 0;
	}
}

void memory_take(struct memory_walk *walk, uint64_t from)
{
	take_level(walk->session, walk->session->tables.root, TABLES_TOP, from,
	           min_u64(walk->at, GUEST_END));
}
