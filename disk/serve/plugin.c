// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The NBD front end: an nbdkit plugin that serves one disk to any number of connections.
 *
 *     nbdkit --unix SOCKET ./nbdkit-sill-plugin.so spec=PATH
 *
 * The specification is read before nbdkit goes to the background, so that what is wrong with it is
 * said where a person sees it.  The disk is opened after that: its threads would not survive the
 * fork.
 *
 * All connections share the disk; a flush on one makes the writes of all of them durable, which is
 * what multi-conn promises.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "disk/disk.h"
#include "disk/serve/commands.h"
#include "disk/serve/control.h"
#include "disk/spec.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* An extents request is answered in part when the disk is in more pieces than this. */
#define MAX_EXTENTS 4096
#define MOST_BYTES  (32u << 20)

static struct disk_spec *spec;
static struct disk *disk;
static struct control *control;
static bool lost; /* what clients have written could not be made safe at the end */

static int fail(const struct error *err)
{
	nbdkit_error("%s", err->text);
	nbdkit_set_error(err->code);
	return -1;
}

static int result(int r, const struct error *err)
{
	return r < 0 ? fail(err) : 0;
}

static int sill_config(const char *key, const char *value)
{
	struct error err = { 0 };
	char *path;
	int r;

	if (strcmp(key, "spec") != 0) {
		nbdkit_error("unknown parameter \"%s\": the only one is spec=PATH", key);
		return -1;
	}
	path = nbdkit_absolute_path(value);
	if (!path)
		return -1;
	disk_spec_free(spec);
	spec = NULL;
	r = disk_spec_load(path, &spec, &err);
	free(path);
	return result(r, &err);
}

static int sill_config_complete(void)
{
	if (spec && spec->image)
		return 0;
	nbdkit_error(spec ? "the specification has no field \"image\"" : "spec=PATH is missing");
	return -1;
}

static int sill_after_fork(void)
{
	struct error err = { 0 };
	int r;

#ifdef PR_SET_IO_FLUSHER
	/*
	 * Memory that this process asks for must not be made free by writing through this process.
	 * Only root may ask for that; for others there is nothing to be done.
	 */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
#endif
	r = disk_open(spec, &disk, &err);
	if (r == 0 && spec->control)
		r = control_serve(spec->control, commands_handle, disk, &control, &err);
	return result(r, &err);
}

static void sill_cleanup(void)
{
	struct error err = { 0 };

	if (disk)
		disk_interrupt(disk);
	control_close(control);
	control = NULL;
	/* Closing flushes too, but has nobody to tell. */
	lost = disk && result(disk_flush(disk, &err), &err) < 0;
	disk_close(disk);
	disk = NULL;
}

static void sill_unload(void)
{
	disk_spec_free(spec);
	spec = NULL;
	/* nbdkit would end as if all were well. */
	if (lost)
		_exit(EXIT_FAILURE);
}

static void *sill_open(int readonly __attribute__((unused)))
{
	return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t sill_get_size(void *handle __attribute__((unused)))
{
	return (int64_t)disk_size(disk);
}

static int sill_block_size(void *handle __attribute__((unused)), uint32_t *minimum,
                           uint32_t *preferred, uint32_t *maximum)
{
	*minimum = 1;
	*preferred = 4096;
	*maximum = MOST_BYTES;
	return 0;
}

static int sill_writable(void *handle __attribute__((unused)))
{
	return disk_writable(disk);
}

static int sill_yes(void *handle __attribute__((unused)))
{
	return 1;
}

static int sill_can_fua(void *handle __attribute__((unused)))
{
	return NBDKIT_FUA_NATIVE;
}

static int sill_can_cache(void *handle __attribute__((unused)))
{
	return NBDKIT_CACHE_NATIVE;
}

static unsigned int flags_of(uint32_t flags)
{
	return flags & NBDKIT_FLAG_FUA ? DISK_FUA : 0;
}

static int sill_pread(void *handle __attribute__((unused)), void *buf, uint32_t count,
                      uint64_t offset, uint32_t flags __attribute__((unused)))
{
	struct error err;

	return result(disk_read(disk, buf, count, offset, &err), &err);
}

static int sill_pwrite(void *handle __attribute__((unused)), const void *buf, uint32_t count,
                       uint64_t offset, uint32_t flags)
{
	struct error err;

	return result(disk_write(disk, buf, count, offset, flags_of(flags), &err), &err);
}

static int sill_flush(void *handle __attribute__((unused)), uint32_t flags __attribute__((unused)))
{
	struct error err;

	return result(disk_flush(disk, &err), &err);
}

static int sill_trim(void *handle __attribute__((unused)), uint32_t count, uint64_t offset,
                     uint32_t flags)
{
	struct error err;

	return result(disk_trim(disk, count, offset, flags_of(flags), &err), &err);
}

static int sill_zero(void *handle __attribute__((unused)), uint32_t count, uint64_t offset,
                     uint32_t flags)
{
	struct error err;

	/* Where a block is covered in part its rest may have to be fetched, which is not fast. */
	if (flags & NBDKIT_FLAG_FAST_ZERO &&
	    (offset % 4096 != 0 || (count % 4096 != 0 && offset + count != disk_size(disk)))) {
		nbdkit_set_error(EOPNOTSUPP);
		return -1;
	}
	return result(disk_zero(disk, count, offset, flags_of(flags), &err), &err);
}

static int sill_cache(void *handle __attribute__((unused)), uint32_t count, uint64_t offset,
                      uint32_t flags __attribute__((unused)))
{
	struct error err;

	return result(disk_prefetch(disk, count, offset, &err), &err);
}

static int sill_extents(void *handle __attribute__((unused)), uint32_t count, uint64_t offset,
                        uint32_t flags, struct nbdkit_extents *extents)
{
	uint64_t end = offset + count, len;
	struct error err;
	bool zero, first = true, begun_zero = false;

	for (int i = 0; i < MAX_EXTENTS && offset < end; i++) {
		if (disk_extent(disk, offset, end - offset, &zero, &len, &err) < 0)
			return fail(&err);
		if (nbdkit_add_extent(extents, offset, len,
		                      zero ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0) < 0)
			return -1;
		if (flags & NBDKIT_FLAG_REQ_ONE && !first && zero != begun_zero)
			break;
		if (first)
			begun_zero = zero;
		first = false;
		offset += len;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "sill",
	.longname = "Sill streamed disk",
	.version = SILL_VERSION,
	.description = "a disk streamed from a far image through a near cache and write layers",
	.unload = sill_unload,
	.config = sill_config,
	.config_complete = sill_config_complete,
	.config_help = "spec=<PATH>    (required) What the disk is made of, as JSON.",
	.magic_config_key = "spec",
	.after_fork = sill_after_fork,
	.cleanup = sill_cleanup,
	.open = sill_open,
	.get_size = sill_get_size,
	.block_size = sill_block_size,
	.can_write = sill_writable,
	.can_flush = sill_yes,
	.can_trim = sill_writable,
	.can_zero = sill_writable,
	.can_fast_zero = sill_writable,
	.can_fua = sill_can_fua,
	.can_multi_conn = sill_yes,
	.can_extents = sill_yes,
	.can_cache = sill_can_cache,
	.pread = sill_pread,
	.pwrite = sill_pwrite,
	.flush = sill_flush,
	.trim = sill_trim,
	.zero = sill_zero,
	.cache = sill_cache,
	.extents = sill_extents,
};

/* What nbdkit looks for; its header defines it without declaring it. */
struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)
