// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of a write layer: made, opened, locked, and its map read.  What is written to the map
 * is in near-commit.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/near/near-private.h"

#define HOLDER_BYTES 64

static int create_data(const struct near_io *io, const char *path, uint64_t size)
{
	int fd = io->open(io, path, NEAR_IO_WRITE | NEAR_IO_CREATE);
	int r;

	if (fd < 0)
		return fd;
	/* One without a map is left from a creation that was interrupted: empty it. */
	r = io->resize(io, fd, 0);
	if (r == 0)
		r = io->resize(io, fd, size);
	if (r == 0)
		r = io->sync(io, fd);
	io->close(io, fd);
	return r;
}

int near_layer_create(const char *dir, const uint8_t image_id[32], uint64_t size, struct error *err)
{
	return near_layer_create_io(&near_io_kernel, dir, image_id, size, err);
}

int near_layer_create_io(const struct near_io *io, const char *dir, const uint8_t image_id[32],
                         uint64_t size, struct error *err)
{
	struct near_header header = { .kind = NEAR_KIND_LAYER, .size = size };
	cleanup_free char *map = path_join(dir, "layer.map");
	cleanup_free char *data = path_join(dir, "layer.data");
	cleanup_free char *lock = path_join(dir, "layer.lock");
	cleanup_free char *parent = path_join(dir, "..");
	int fd, r;

	if (!map || !data || !lock || !parent)
		return error_sys(err, ENOMEM, "%s", dir);
	if (size == 0 || size % 512 != 0 || size > NEAR_MAX_SIZE)
		return error_set(err, EINVAL, "%s: a disk cannot have %llu bytes", dir,
		                 (unsigned long long)size);
	memcpy(header.image_id, image_id, sizeof(header.image_id));
	if (random_bytes(header.file_id, sizeof(header.file_id)) < 0)
		return error_set(err, EIO, "%s: no random numbers", dir);
	r = io->make_dir(io, dir);
	if (r < 0)
		return error_sys(err, -r, "%s", dir);
	fd = io->open(io, map, 0);
	if (fd >= 0) {
		io->close(io, fd);
		return error_set(err, EEXIST, "%s: there is a layer already", dir);
	}
	r = create_data(io, data, round_up(size, NEAR_BLOCK));
	if (r < 0)
		return error_sys(err, -r, "%s", data);
	fd = io->open(io, lock, NEAR_IO_WRITE | NEAR_IO_CREATE);
	if (fd < 0)
		return error_sys(err, -fd, "%s", lock);
	io->close(io, fd);
	r = map_create(io, map, &header, false, err);
	if (r < 0)
		return r;
	r = io->sync_dir(io, parent);
	return r < 0 ? error_sys(err, -r, "%s", dir) : 0;
}

/* "process 1234 (nbdkit)" for whoever finds the layer locked. */
static void write_holder(const struct near_io *io, int fd)
{
	char text[HOLDER_BYTES] = "";

	snprintf(text, sizeof(text), "process %d (%s)\n", (int)getpid(),
	         program_invocation_short_name);
	/* It only makes a message better: when it cannot be written the lock holds all the same. */
	(void)io->write(io, fd, text, sizeof(text), 0);
}

static int lock_layer(struct near *near, struct near_layer *layer, bool top, struct error *err)
{
	const struct near_io *io = near->io;
	cleanup_free char *path = path_join(layer->dir, "layer.lock");
	char holder[HOLDER_BYTES + 1] = "";
	int r;

	if (!path)
		return error_sys(err, ENOMEM, "%s", layer->dir);
	layer->lock_fd = io->open(io, path, top ? NEAR_IO_WRITE | NEAR_IO_CREATE : 0);
	if (layer->lock_fd < 0)
		return error_sys(err, -layer->lock_fd, "%s", path);
	r = io->lock(io, layer->lock_fd, top);
	if (r == -EAGAIN) {
		int64_t n = io->read(io, layer->lock_fd, holder, HOLDER_BYTES, 0);

		holder[n > 0 ? n : 0] = '\0';
		holder[strcspn(holder, "\n")] = '\0';
		return error_set(err, EBUSY, "%s: this write layer is in use by %s", layer->dir,
		                 holder[0] ? holder : "another process");
	}
	if (r < 0)
		return error_sys(err, -r, "%s", path);
	if (top)
		write_holder(io, layer->lock_fd);
	return 0;
}

static int check_size(const struct near_io *io, int fd, const char *path, uint64_t want,
                      struct error *err)
{
	uint64_t have;
	int r = io->size(io, fd, &have);

	if (r < 0)
		return error_sys(err, -r, "%s", path);
	if (have < want)
		return error_set(err, EUCLEAN, "%s: was cut to %llu bytes, must have %llu", path,
		                 (unsigned long long)have, (unsigned long long)want);
	return 0;
}

int layer_open(struct near *near, struct near_layer *layer, const char *dir, bool top,
               struct error *err)
{
	const struct near_io *io = near->io;
	cleanup_free char *map = path_join(dir, "layer.map");
	cleanup_free char *data = path_join(dir, "layer.data");
	unsigned int how = top ? NEAR_IO_WRITE : 0;
	int r;

	layer->data_fd = layer->map_fd = layer->lock_fd = -1;
	layer->dir = strdup(dir);
	if (!map || !data || !layer->dir)
		return error_sys(err, ENOMEM, "%s", dir);
	layer->map_fd = io->open(io, map, how);
	if (layer->map_fd < 0)
		return error_sys(err, -layer->map_fd, "%s", map);
	r = lock_layer(near, layer, top, err);
	if (r < 0)
		return r;
	layer->data_fd = io->open(io, data, how);
	if (layer->data_fd < 0)
		return error_sys(err, -layer->data_fd, "%s", data);
	r = map_check(io, layer->map_fd, map, NEAR_KIND_LAYER, near->image_id, near->size,
	              &layer->header, err);
	if (r == 0)
		r = check_size(io, layer->map_fd, map,
		               near_map_size(NEAR_KIND_LAYER, near->n_groups), err);
	if (r == 0)
		r = check_size(io, layer->data_fd, data, near->n_blocks * NEAR_BLOCK, err);
	return r;
}

void layer_close(struct near *near, struct near_layer *layer)
{
	if (layer->data_fd >= 0)
		near->io->close(near->io, layer->data_fd);
	if (layer->map_fd >= 0)
		near->io->close(near->io, layer->map_fd);
	if (layer->lock_fd >= 0)
		near->io->close(near->io, layer->lock_fd);
	free(layer->dir);
}

int layer_load(struct near *near, const struct near_layer *layer, uint64_t group,
               struct near_group_map *ret, struct error *err)
{
	const struct near_io *io = near->io;
	uint8_t copies[2 * NEAR_MAP_SECTOR];
	bool readable[2] = { true, true };
	uint64_t first = group * NEAR_GROUP;
	uint64_t last = min_u64(first + NEAR_GROUP, near->n_blocks) - 1;

	if (io->read(io, layer->map_fd, copies, sizeof(copies), near_layer_copy_offset(group, 0)) !=
	    (int64_t)sizeof(copies)) {
		/* One of them cannot be read: which? */
		for (unsigned int c = 0; c < 2; c++)
			readable[c] = io->read(io, layer->map_fd, copies + c * NEAR_MAP_SECTOR,
			                       NEAR_MAP_SECTOR, near_layer_copy_offset(group, c)) ==
			              (int64_t)NEAR_MAP_SECTOR;
	}
	if (near_copies_decode(&layer->header, group, copies, readable, ret) < 0)
		return error_set(err, EUCLEAN,
		                 "%s/layer.map: the map of blocks %llu to %llu is damaged",
		                 layer->dir, (unsigned long long)first, (unsigned long long)last);
	return 0;
}

/* Copy the pieces `which` of the other copy over those of this one. */
static int copy_pieces(struct near *near, uint64_t group, unsigned int to, uint8_t which)
{
	const struct near_io *io = near->io;
	int fd = near->top->map_fd;
	uint8_t piece[NEAR_PIECE];
	int r = 0;

	for (unsigned int i = 0; i < NEAR_PIECES && r == 0; i++) {
		uint64_t at = (uint64_t)i * NEAR_PIECE;

		if (!(which >> i & 1))
			continue;
		if (io->read(io, fd, piece, NEAR_PIECE, near_layer_copy_offset(group, !to) + at) !=
		    NEAR_PIECE)
			return -EIO;
		r = io->write(io, fd, piece, NEAR_PIECE, near_layer_copy_offset(group, to) + at);
	}
	return r < 0 || which == 0 ? r : io->sync(io, fd);
}

int layer_heal(struct near *near, uint64_t group, const struct near_group_map *map)
{
	int r = copy_pieces(near, group, !map->keep, map->stale[!map->keep]);

	return r < 0 ? r : copy_pieces(near, group, map->keep, map->stale[map->keep]);
}

int layer_reserve(struct near *near, uint64_t first, uint64_t last, struct error *err)
{
	const struct near_io *io = near->io;
	uint64_t from;
	int r;

	while (first <= last && group_set_has(&near->reserved, first))
		first++;
	if (first > last)
		return 0;
	from = near_layer_copy_offset(first, 0);
	r = io->reserve(io, near->top->map_fd, from, near_layer_copy_offset(last + 1, 0) - from);
	if (r < 0 && r != -EOPNOTSUPP)
		return error_sys(err, -r, "%s/layer.map", near->top->dir);
	for (uint64_t g = first; g <= last; g++)
		group_set_add(&near->reserved, g);
	return 0;
}
