// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Map files as a whole: made so that one that exists is complete, and their headers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/endian.h"
#include "disk/near/near-private.h"

char *path_join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

int random_bytes(void *buf, size_t len)
{
	ssize_t n;

	do
		n = getrandom(buf, len, 0);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -EIO;
}

static int map_write(const struct near_io *io, int fd, const struct near_header *header)
{
	uint8_t sector[NEAR_MAP_SECTOR];
	int r = io->resize(io, fd, near_map_size(header->kind, near_groups(header->size)));

	near_header_encode(header, sector);
	if (r == 0)
		r = io->write(io, fd, sector, sizeof(sector), 0);
	if (r == 0)
		r = io->write(io, fd, sector, sizeof(sector), NEAR_MAP_SECTOR);
	if (r == 0)
		r = io->sync(io, fd);
	return r;
}

int map_create(const struct near_io *io, const char *path, const struct near_header *header,
               bool replace, struct error *err)
{
	cleanup_free char *fresh = NULL, *dir = NULL;
	uint8_t tag[8];
	int fd, r;

	if (random_bytes(tag, sizeof(tag)) < 0)
		return error_set(err, EIO, "%s: no random numbers", path);
	if (asprintf(&fresh, "%s.%016llx.new", path, (unsigned long long)load_le64(tag)) < 0) {
		fresh = NULL;
		return error_sys(err, ENOMEM, "%s", path);
	}
	dir = strndup(path, (size_t)(strrchr(path, '/') - path));
	if (!dir)
		return error_sys(err, ENOMEM, "%s", path);
	fd = io->open(io, fresh, NEAR_IO_WRITE | NEAR_IO_FRESH);
	if (fd < 0)
		return error_sys(err, -fd, "%s", fresh);
	r = map_write(io, fd, header);
	io->close(io, fd);
	if (r == 0)
		r = io->rename(io, fresh, path, replace);
	if (r == 0)
		r = io->sync_dir(io, dir);
	if (r < 0) {
		io->remove(io, fresh);
		return error_sys(err, -r, "%s", path);
	}
	return 0;
}

int map_check(const struct near_io *io, int fd, const char *path, enum near_kind kind,
              const uint8_t image_id[32], uint64_t size, struct near_header *ret, struct error *err)
{
	const char *what = kind == NEAR_KIND_CACHE ? "cache" : "write layer";
	uint8_t sector[NEAR_MAP_SECTOR];
	int r = -EUCLEAN;

	for (unsigned int copy = 0; copy < 2 && r == -EUCLEAN; copy++) {
		int64_t n =
			io->read(io, fd, sector, sizeof(sector), (uint64_t)copy * NEAR_MAP_SECTOR);

		if (n == (int64_t)sizeof(sector))
			r = near_header_decode(sector, kind, ret);
	}
	if (r == -EUCLEAN)
		return error_set(err, EUCLEAN, "%s: both copies of the header are damaged", path);
	if (r == -ENOTSUP)
		return error_set(err, ENOTSUP, "%s: made by another version of Sill", path);
	if (r < 0)
		return error_set(err, -r, "%s: is not the map of a %s", path, what);
	if (memcmp(ret->image_id, image_id, sizeof(ret->image_id)) != 0)
		return error_set(err, ESTALE,
		                 "%s: this %s belongs to another image, or another version of it",
		                 path, what);
	if (ret->size != size)
		return error_set(err, ESTALE,
		                 "%s: this %s is of a disk of %llu bytes, the image has %llu", path,
		                 what, (unsigned long long)ret->size, (unsigned long long)size);
	return 0;
}
