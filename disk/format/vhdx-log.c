// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The log of a VHDX file ([MS-VHDX] 2.3): writes to its tables that were promised but perhaps not
 * carried out.  Called once, by the thread that opens.
 *
 * The log is a ring of 4 KiB sectors.  An entry is some sectors: a header, descriptors, and one
 * sector for each data descriptor, all under one CRC-32C.  Entries that follow each other with
 * rising sequence numbers form a sequence; the last one, its head, says at which entry the writes
 * start that may be missing in the file (its tail).  The sequence with the newest head counts, and
 * its writes become the overlay.  A torn entry has a wrong CRC and is where a sequence ends.
 *
 * Hostile logs: whether an entry is sound is found out once for each sector, and the work for that
 * and for following sequences has a budget, which a log that a writer made comes nowhere near.
 */
#include "disk/format/vhdx.h"

#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/endian.h"

#define ENTRY_HEADER    64u
#define DESCRIPTOR      32u
#define MAX_DESCRIPTORS 262144u

enum verdict { UNKNOWN, SOUND, UNSOUND };

struct log {
	struct vhdx *v;
	uint8_t *data;
	uint32_t sectors;
	uint8_t *verdicts; /* one for each sector: does a sound entry start here? */
	uint8_t *seen;     /* one for each sector: is it in a sequence that was looked at? */
	uint64_t budget;   /* sectors that may still be looked at */
	struct vhdx_patch *patches;
	size_t n, room;
};

struct entry {
	uint32_t at;      /* sector of the ring */
	uint32_t sectors; /* of the entry */
	uint32_t tail;    /* sector of the ring */
	uint32_t descriptors;
	uint64_t sequence;
	uint64_t flushed_size, last_size;
};

/* Entries from `tail` to the one with the sequence number `head`. */
struct sequence {
	uint32_t tail;
	uint64_t head; /* 0: there is no sequence */
};

static uint8_t *sector(const struct log *log, uint32_t at, uint32_t n)
{
	return log->data + (size_t)((at + n) % log->sectors) * VHDX_SECTOR;
}

static uint32_t descriptor_sectors(const struct entry *e)
{
	return (uint32_t)div_round_up(ENTRY_HEADER + DESCRIPTOR * (uint64_t)e->descriptors,
	                              VHDX_SECTOR);
}

static bool crc_is_right(const struct log *log, const struct entry *e)
{
	static const uint8_t zeros[4];
	const uint8_t *first = sector(log, e->at, 0);
	uint32_t crc = crc32c(0, first, 4);

	crc = crc32c(crc, zeros, sizeof(zeros));
	crc = crc32c(crc, first + 8, VHDX_SECTOR - 8);
	for (uint32_t i = 1; i < e->sectors; i++)
		crc = crc32c(crc, sector(log, e->at, i), VHDX_SECTOR);
	return crc == load_le32(first + 4);
}

static bool spend(struct log *log, uint64_t sectors)
{
	if (log->budget < sectors) {
		log->budget = 0;
		return false;
	}
	log->budget -= sectors;
	return true;
}

/* The entry that starts at a sector, if there is a sound one that belongs to this log. */
static bool entry_at(struct log *log, uint32_t at, struct entry *ret)
{
	const uint8_t *p = sector(log, at, 0);
	uint32_t len = load_le32(p + 8), tail = load_le32(p + 12);
	struct entry e = {
		.at = at,
		.sectors = len / VHDX_SECTOR,
		.tail = tail / VHDX_SECTOR,
		.descriptors = load_le32(p + 24),
		.sequence = load_le64(p + 16),
		.flushed_size = load_le64(p + 48),
		.last_size = load_le64(p + 56),
	};

	if (log->verdicts[at] == UNSOUND || memcmp(p, "loge", 4) != 0 ||
	    memcmp(p + 32, log->v->header.log_guid, VHDX_GUID) != 0 || len % VHDX_SECTOR != 0 ||
	    tail % VHDX_SECTOR != 0 || e.sectors == 0 || e.sectors > log->sectors ||
	    e.tail >= log->sectors || e.sequence == 0 || descriptor_sectors(&e) > e.sectors)
		return false;
	if (log->verdicts[at] == UNKNOWN)
		log->verdicts[at] =
			spend(log, e.sectors) && crc_is_right(log, &e) ? SOUND : UNSOUND;
	*ret = e;
	return log->verdicts[at] == SOUND;
}

/* The entry behind `e` in its sequence; `used` sectors of the ring are taken already. */
static bool next_entry(struct log *log, const struct entry *e, uint32_t used, struct entry *ret)
{
	struct entry next;

	if (!spend(log, 1) || used >= log->sectors ||
	    !entry_at(log, (e->at + e->sectors) % log->sectors, &next))
		return false;
	if (next.sequence != e->sequence + 1 || next.sectors > log->sectors - used)
		return false;
	*ret = next;
	return true;
}

/* Follow the sequence that starts with `first`; it counts when its tail is one of its entries. */
static void follow(struct log *log, const struct entry *first, struct sequence *best)
{
	struct entry head = *first, e = *first, next;
	uint32_t used = first->sectors;

	while (next_entry(log, &head, used, &next)) {
		used += next.sectors;
		log->seen[next.at] = true;
		head = next;
	}
	used = first->sectors;
	while (e.at != head.tail && e.sequence < head.sequence &&
	       next_entry(log, &e, used, &next)) {
		used += next.sectors;
		e = next;
	}
	if (e.at == head.tail && head.sequence > best->head)
		*best = (struct sequence){ .tail = e.at, .head = head.sequence };
}

static int find_sequence(struct log *log, struct sequence *ret, struct error *err)
{
	struct sequence best = { 0 };
	struct entry e;

	for (uint32_t at = 0; at < log->sectors; at++)
		if (!log->seen[at] && entry_at(log, at, &e))
			follow(log, &e, &best);
	if (log->budget == 0)
		return error_set(err, EINVAL, "%s: its log is tangled: entries overlap all over it",
		                 log->v->image.file->name);
	*ret = best;
	return 0;
}

static int bad(const struct log *log, const struct entry *e, const char *what, struct error *err)
{
	return error_set(err, EINVAL, "%s: log entry %llu %s", log->v->image.file->name,
	                 (unsigned long long)e->sequence, what);
}

static int add_patch(struct log *log, struct vhdx_patch patch, struct error *err)
{
	const char *name = log->v->image.file->name;

	if (log->n == log->room) {
		size_t room = log->room ? 2 * log->room : 256;
		struct vhdx_patch *more;

		if (room > MAX_DESCRIPTORS)
			return error_set(err, ENOTSUP,
			                 "%s: its log has more than %u writes; let Windows or qemu "
			                 "replay it",
			                 name, MAX_DESCRIPTORS);
		more = reallocarray(log->patches, room, sizeof(*more));
		if (!more)
			return error_sys(err, ENOMEM, "%s", name);
		log->patches = more;
		log->room = room;
	}
	log->patches[log->n++] = patch;
	return 0;
}

/* One descriptor; `*data` counts the data sectors used so far. */
static int replay_descriptor(struct log *log, const struct entry *e, const uint8_t *d,
                             uint32_t *data, uint64_t size, struct error *err)
{
	struct vhdx_patch patch = { .off = load_le64(d + 16), .len = VHDX_SECTOR };
	uint8_t *p;

	if (load_le64(d + 24) != e->sequence)
		return bad(log, e, "has a descriptor of another sequence number", err);
	if (memcmp(d, "zero", 4) == 0) {
		patch.len = load_le64(d + 8);
	} else if (memcmp(d, "desc", 4) == 0) {
		if (*data >= e->sectors)
			return bad(log, e, "has more data descriptors than data sectors", err);
		p = sector(log, e->at, (*data)++);
		if (memcmp(p, "data", 4) != 0 || load_le32(p + 4) != e->sequence >> 32 ||
		    load_le32(p + VHDX_SECTOR - 4) != (uint32_t)e->sequence)
			return bad(log, e, "has a data sector of another sequence number", err);
		/* The signature and the numbers stand where these bytes belong. */
		memcpy(p, d + 8, 8);
		memcpy(p + VHDX_SECTOR - 4, d + 4, 4);
		patch.data = p;
	} else {
		return bad(log, e, "has a descriptor of unknown kind", err);
	}
	if (patch.off % VHDX_SECTOR != 0 || patch.len % VHDX_SECTOR != 0)
		return bad(log, e, "writes to what is no whole sector of 4 KiB", err);
	if (!range_inside(patch.off, patch.len, size))
		return bad(log, e, "writes past the end of the file", err);
	return patch.len > 0 ? add_patch(log, patch, err) : 0;
}

static int replay_entry(struct log *log, const struct entry *e, struct error *err)
{
	struct vhdx_overlay *overlay = &log->v->overlay;
	uint32_t data = descriptor_sectors(e);

	if (e->flushed_size > overlay->file_size)
		return bad(log, e, "was written when the file was longer: it is truncated", err);
	if (e->last_size > INT64_MAX)
		return bad(log, e, "wants a file of more than 2^63 bytes", err);
	overlay->file_size = max_u64(overlay->file_size, e->last_size);
	for (uint32_t i = 0; i < e->descriptors; i++) {
		uint32_t at = ENTRY_HEADER + DESCRIPTOR * i;
		const uint8_t *d = sector(log, e->at, at / VHDX_SECTOR) + at % VHDX_SECTOR;
		int r = replay_descriptor(log, e, d, &data, overlay->file_size, err);

		if (r < 0)
			return r;
	}
	overlay->entries++;
	return 0;
}

static int replay(struct log *log, const struct sequence *sequence, struct error *err)
{
	uint32_t used = 0;
	struct entry e;
	bool more = entry_at(log, sequence->tail, &e);
	int r = 0;

	while (more && r == 0) {
		used += e.sectors;
		r = replay_entry(log, &e, err);
		more = e.sequence < sequence->head && next_entry(log, &e, used, &e);
	}
	if (r == 0)
		r = vhdx_overlay_build(take_ptr(log->patches), log->n, &log->v->overlay);
	if (r == -ENOMEM)
		error_sys(err, ENOMEM, "%s", log->v->image.file->name);
	return r;
}

static int find_and_replay(struct log *log, struct error *err)
{
	struct sequence sequence = { 0 };
	int r = find_sequence(log, &sequence, err);

	/* A log that was begun but has no sound entry yet promises nothing. */
	if (r < 0 || sequence.head == 0)
		return r;
	log->budget += log->sectors;
	return replay(log, &sequence, err);
}

int vhdx_log_read(struct vhdx *v, struct error *err)
{
	static const uint8_t no_log[VHDX_GUID];
	const struct source_read how = { .metadata = true };
	struct log log = { .v = v, .sectors = v->header.log_length / VHDX_SECTOR };
	struct source *file = v->image.file;
	int r;

	v->overlay.file_size = file->identity.size;
	if (memcmp(v->header.log_guid, no_log, VHDX_GUID) == 0)
		return 0;
	if (v->header.log_length > VHDX_MAX_LOG)
		return error_set(
			err, ENOTSUP,
			"%s: its log of %u bytes is larger than the %llu that Sill keeps in "
			"memory; let Windows or qemu replay it",
			file->name, v->header.log_length, (unsigned long long)VHDX_MAX_LOG);
	v->overlay.log = malloc(v->header.log_length);
	log.data = v->overlay.log;
	log.budget = 16 * (uint64_t)log.sectors;
	log.verdicts = calloc(2, log.sectors);
	log.seen = log.verdicts + log.sectors;
	if (!log.data || !log.verdicts)
		r = error_sys(err, ENOMEM, "%s", file->name);
	else
		r = source_read(file, log.data, v->header.log_length, v->header.log_offset, &how,
		                err);
	if (r == 0)
		r = find_and_replay(&log, err);
	free(log.verdicts);
	free(log.patches);
	return r;
}
