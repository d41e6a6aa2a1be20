// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a disk can say about itself (docs/disk-engine.md lists the fields), and verifying its cache.
 */
#include <errno.h>

#include "base/bits.h"
#include "disk/internal.h"
#include "util/clock.h"

#define BAD_LISTED 1000

/* Everything but 100 rounds down: "100 %" must mean all. */
static double percent(uint64_t part, uint64_t whole)
{
	if (part >= whole)
		return 100;
	return (double)(uint64_t)((double)part / (double)whole * 10000) / 100;
}

static void add(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void add_near(struct disk *disk, json_t *status)
{
	struct near_stats near = { 0 };
	struct error err = { 0 };

	if (near_stats(disk->near, &near, &err) < 0) {
		json_object_set_new(status, "near_error", json_string(err.text));
		return;
	}
	add(status, "blocks", near.blocks);
	add(status, "near_blocks", near.near_blocks);
	json_object_set_new(status, "percent_near",
	                    json_real(percent(near.near_blocks, near.blocks)));
	add(status, "cached_bytes", near.cached_bytes);
	add(status, "written_bytes", near.written_bytes);
	add(status, "bad_blocks", near.bad_blocks);
	json_object_set_new(status, "cache_full", json_boolean(near.cache_full));
}

static void add_fetched(struct disk *disk, json_t *status)
{
	struct fetch_stats stats;

	fetch_stats(disk->fetch, &stats);
	json_object_set_new(status, "fetched_bytes",
	                    json_pack("{s:I, s:I, s:I, s:I, s:I}", "demand",
	                              (json_int_t)stats.bytes[FETCH_DEMAND], "trace",
	                              (json_int_t)stats.bytes[FETCH_TRACE], "readahead",
	                              (json_int_t)stats.bytes[FETCH_READAHEAD], "sweep",
	                              (json_int_t)stats.bytes[FETCH_SWEEP], "fill",
	                              (json_int_t)stats.bytes[FETCH_FILL]));
	add(status, "flights", stats.flights);
	add(status, "joined", stats.joined);
}

json_t *disk_status(struct disk *disk)
{
	uint64_t reads = __atomic_load_n(&disk->reads, __ATOMIC_RELAXED);
	uint64_t misses = min_u64(reads, __atomic_load_n(&disk->misses, __ATOMIC_RELAXED));
	uint64_t first = __atomic_load_n(&disk->first_read_ns, __ATOMIC_RELAXED);
	json_t *status = json_object(), *fill = json_object(), *trace = json_object();
	struct image *image = far_peek(disk->far);

	add(status, "size", disk->size);
	json_object_set_new(status, "writable", json_boolean(disk->writable));
	add_near(disk, status);
	add(status, "reads", reads);
	add(status, "hits", reads - misses);
	add(status, "misses", misses);
	json_object_set_new(status, "hit_rate", json_real(percent(reads - misses, reads)));
	add(status, "waited_ms", disk_waited_ns(disk) / NS_PER_MS);
	add(status, "writes", __atomic_load_n(&disk->writes, __ATOMIC_RELAXED));
	add_fetched(disk, status);
	add(status, "copied_bytes", disk->opener ? image_opener_copied(disk->opener) : 0);
	/* Before the far is open there is nothing to tell about its sources. */
	json_object_set_new(status, "sources",
	                    disk->opener && image ? image_opener_status(disk->opener, image)
	                                          : json_array());
	json_object_set_new(
		status, "first_read_ms",
		first ? json_integer((json_int_t)((first - disk->opened_ns) / NS_PER_MS))
		      : json_null());
	json_object_set_new(trace, "recording",
	                    json_boolean(__atomic_load_n(&disk->recording, __ATOMIC_RELAXED)));
	ahead_status(disk->ahead, fill, trace);
	json_object_set_new(status, "fill", fill);
	json_object_set_new(status, "trace", trace);
	json_object_set_new(status, "messages", messages_list(&disk->messages));
	return status;
}

struct verify {
	struct disk *disk;
	json_t *blocks;
};

static void verify_bad(void *arg, uint64_t block)
{
	const struct verify *verify = arg;

	if (json_array_size(verify->blocks) < BAD_LISTED)
		json_array_append_new(verify->blocks, json_integer((json_int_t)block));
}

static bool verify_goes_on(void *arg, uint64_t done __attribute__((unused)),
                           uint64_t total __attribute__((unused)))
{
	const struct verify *verify = arg;

	return !__atomic_load_n(&verify->disk->interrupted, __ATOMIC_RELAXED);
}

int disk_verify(struct disk *disk, bool repair, json_t **ret, struct error *err)
{
	struct verify verify = { .disk = disk, .blocks = json_array() };
	int64_t bad = near_verify(disk->near, repair, verify_bad, verify_goes_on, &verify, err);

	if (bad < 0) {
		json_decref(verify.blocks);
		return (int)bad;
	}
	*ret = json_pack("{s:I, s:o, s:b}", "bad", (json_int_t)bad, "blocks", verify.blocks,
	                 "repaired", repair);
	return *ret ? 0 : error_sys(err, ENOMEM, "verify");
}
