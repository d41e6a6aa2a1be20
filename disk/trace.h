/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A trace: the order in which a boot reads its disk for the first time, recorded once and replayed
 * ahead of the guest by every later boot of the same image.  docs/trace-format.md has the file.
 *
 * Trust: a trace file is foreign input (`sill trace import`): whatever it says, replaying it reads
 * nothing outside the disk and a bounded amount.
 */
#ifndef DISK_TRACE_H
#define DISK_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Recording stops here: about a million runs of blocks, 8 MiB of file. */
#define TRACE_MAX_RUNS (UINT32_C(1) << 20)

/* Of the file in the directory of an image. */
#define TRACE_NAME "trace"

/* A piece of the disk: bytes, multiples of 4 KiB but for the end of the disk. */
struct trace_run {
	uint64_t off;
	uint64_t len;
};

struct trace {
	uint8_t image_id[32];
	uint64_t size; /* of the disk, bytes */
	struct trace_run *runs;
	size_t n;
};

void trace_free(struct trace *trace);
DEFINE_CLEANUP(struct trace *, trace_free);

/* Bytes that the runs cover; they never overlap. */
uint64_t trace_bytes(const struct trace *trace);

struct trace_recorder;

/* For a disk of `size` bytes.  Memory grows with what is read, not with the disk. */
int trace_recorder_new(uint64_t size, struct trace_recorder **ret, struct error *err);
void trace_recorder_free(struct trace_recorder *recorder);
DEFINE_CLEANUP(struct trace_recorder *, trace_recorder_free);

/*
 * The guest reads this range.  Any thread; a range that was noted before costs one memory access a
 * block and takes no lock.
 */
void trace_recorder_note(struct trace_recorder *recorder, uint64_t off, uint64_t len);

/* What has been noted so far, in order.  Any thread; recording goes on. */
int trace_recorder_take(struct trace_recorder *recorder, const uint8_t image_id[32],
                        struct trace **ret, struct error *err);

/*
 * Read a trace file of this image.  -ENOENT without one; -ESTALE when it belongs to another image;
 * -EINVAL when it is damaged.  `image_id` NULL takes a trace of any image.
 */
int trace_load(int dirfd, const char *path, const uint8_t image_id[32], struct trace **ret,
               struct error *err);

/* Replace the file; after a crash the old or the new one is there, whole. */
int trace_save(const struct trace *trace, int dirfd, const char *path, struct error *err);

/* The bytes of its file, to be freed. */
int trace_encode(const struct trace *trace, uint8_t **ret, size_t *ret_len, struct error *err);

/* Takes the bytes of a trace file apart (for trace_load(), the fuzzer).  `name`: for messages. */
int trace_parse(const void *data, size_t len, const char *name, struct trace **ret,
                struct error *err);

/*
 * What to fetch, in order: the runs, each joined with those of the next few that touch it or leave
 * a gap of at most `max_gap` bytes, as long as the piece stays within `max_run` bytes.  Pieces may
 * overlap in their gaps: fetch what is still far.  The caller frees *ret.
 */
int trace_plan(const struct trace *trace, uint64_t max_gap, uint64_t max_run,
               struct trace_run **ret, size_t *ret_n, struct error *err);

#endif
