// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/power-cut-files.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near-format.h"

uint64_t cut_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static bool is_of_names(enum cut_kind kind)
{
	return kind == CUT_LINK || kind == CUT_RENAME || kind == CUT_UNLINK;
}

void cut_replay_begin(struct cut_replay *replay, const struct cut *cut)
{
	*replay = (struct cut_replay){ .cut = cut, .durable = cut_copy(cut->base) };
	/* A file is there, nameless, before its name is. */
	replay->durable->n_files = cut->n_files;
	replay->pending = cut_must(calloc(cut->n_events + 1, sizeof(*replay->pending)));
}

void cut_replay_next(struct cut_replay *replay)
{
	const struct cut_event *event = &replay->cut->events[replay->at];
	size_t kept = 0;

	if (event->kind != CUT_SYNC && event->kind != CUT_SYNC_DIR) {
		replay->pending[replay->n_pending++] = replay->at++;
		return;
	}
	for (size_t i = 0; i < replay->n_pending; i++) {
		const struct cut_event *old = &replay->cut->events[replay->pending[i]];
		bool covered = event->kind == CUT_SYNC_DIR
		                       ? is_of_names(old->kind)
		                       : !is_of_names(old->kind) && old->file == event->file;

		if (covered)
			cut_apply(replay->durable, old);
		else
			replay->pending[kept++] = replay->pending[i];
	}
	replay->n_pending = kept;
	replay->at++;
}

static void apply_torn(struct cut *to, const struct cut_event *event, uint64_t *random)
{
	struct cut_file *file = &to->files[event->file];
	uint64_t unit = event->kind == CUT_WRITE ? CUT_SECTOR : CUT_PAGE;

	if (event->kind != CUT_WRITE && event->kind != CUT_PUNCH) {
		if (cut_random(random) & 1)
			cut_apply(to, event);
		return;
	}
	for (uint64_t done = 0; done < event->len;) {
		uint64_t at = event->off + done;
		uint64_t n = min_u64(event->len - done, unit - at % unit);

		if (cut_random(random) & 1) {
			if (event->kind == CUT_WRITE)
				cut_file_write(file, event->data + done, at, n);
			else
				cut_file_punch(file, at, n);
		}
		done += n;
	}
}

/* A write of one copy of a layer's map becomes noise, where the other copy has been written. */
static bool garble(struct cut *to, const struct cut_event *event, uint64_t *random)
{
	struct cut_file *file = &to->files[event->file];
	const uint8_t *twin = cut_page_find(file, (event->off / CUT_PAGE) ^ 1);
	uint8_t *page;

	if (event->kind != CUT_WRITE || event->len != CUT_PAGE ||
	    memcmp(event->data, "SILLBITS", 8) != 0 || !twin || near_all_zero(twin, CUT_PAGE))
		return false;
	page = cut_page_make(file, event->off / CUT_PAGE);
	for (unsigned int i = 0; i < CUT_PAGE; i++)
		page[i] = (uint8_t)cut_random(random);
	return true;
}

struct cut *cut_replay_state(const struct cut_replay *replay, enum cut_mode mode, uint64_t *random)
{
	struct cut *state = cut_copy(replay->durable);
	bool names = true;

	for (size_t i = 0; mode != CUT_NOTHING && i < replay->n_pending; i++) {
		const struct cut_event *event = &replay->cut->events[replay->pending[i]];

		if (is_of_names(event->kind)) {
			/* In their order, up to some point. */
			names = names && (mode == CUT_ALL || cut_random(random) % 4 != 0);
			if (names)
				cut_apply(state, event);
		} else if (mode == CUT_ALL || (mode == CUT_SOME && (cut_random(random) & 1))) {
			cut_apply(state, event);
		} else if (mode == CUT_TORN || mode == CUT_GARBLED) {
			apply_torn(state, event, random);
		}
	}
	/* The power goes while one is being written: at most one is lost like that. */
	for (size_t i = replay->n_pending; mode == CUT_GARBLED && i-- > 0;)
		if (garble(state, &replay->cut->events[replay->pending[i]], random))
			break;
	return state;
}

void cut_replay_end(struct cut_replay *replay)
{
	cut_free(replay->durable);
	free(replay->pending);
}
