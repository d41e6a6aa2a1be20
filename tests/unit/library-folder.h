/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder for the files of an index, a disk to make one of, and what the tests of both need.
 */
#ifndef TESTS_UNIT_LIBRARY_FOLDER_H
#define TESTS_UNIT_LIBRARY_FOLDER_H

#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "library/build.h"
#include "util/io.h"

#define CHUNK  (16 * KIB)
#define CHUNKS 150u
#define SHORT  512u /* bytes of the last chunk */
#define DISK   ((CHUNKS - 1) * (uint64_t)CHUNK + SHORT)

struct folder {
	char path[64];
};

static inline struct folder folder_new(void)
{
	struct folder folder = { .path = "/tmp/sill-library-XXXXXX" };

	assert_non_null(mkdtemp(folder.path));
	return folder;
}

/* A directory of files, gone, if it is there. */
static inline void remove_files(const char *path)
{
	DIR *dir = opendir(path);

	for (struct dirent *it; dir && (it = readdir(dir)) != NULL;)
		if (it->d_name[0] != '.' || strlen(it->d_name) > 2)
			assert_int_equal(unlinkat(dirfd(dir), it->d_name, 0), 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

static inline void folder_remove(struct folder *folder)
{
	remove_files(folder->path);
}

/* How many files there are, and their bytes. */
static inline size_t folder_files(const struct folder *folder, uint64_t *ret_bytes)
{
	DIR *dir = opendir(folder->path);
	size_t n = 0;

	assert_non_null(dir);
	*ret_bytes = 0;
	for (struct dirent *it; (it = readdir(dir)) != NULL;) {
		struct stat st;

		if (!strcmp(it->d_name, ".") || !strcmp(it->d_name, ".."))
			continue;
		assert_int_equal(fstatat(dirfd(dir), it->d_name, &st, 0), 0);
		*ret_bytes += (uint64_t)st.st_size;
		n++;
	}
	closedir(dir);
	return n;
}

static inline void folder_file(const struct folder *folder, const uint8_t digest[32],
                               char path[160])
{
	char name[INDEX_NAME_BYTES];

	index_digest_name(digest, name);
	snprintf(path, 160, "%s/%s", folder->path, name + strlen("sha256:"));
}

/* Turn one bit of a file over. */
static inline void spoil_file(const char *path, uint64_t off)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread_all(fd, &byte, 1, off), 0);
	byte ^= 0x10;
	assert_int_equal(pwrite_all(fd, &byte, 1, off), 0);
	close(fd);
}

/*
 * A chunk of that `kind`: 0 is zero; an odd one is compressible, another is not.  Equal kinds are
 * equal chunks.
 */
static inline void fill_chunk(uint8_t *at, size_t len, unsigned int kind)
{
	uint64_t x = kind * UINT64_C(0x9E3779B97F4A7C15) + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at[i] = kind == 0 ? 0 : (uint8_t)(kind % 2 && i % 64 ? kind : x);
	}
}

/* The usual disk: every fifth chunk zero, a run of 70 zeros, every seventh the same. */
static inline unsigned int usual_kind(unsigned int n)
{
	if (n % 5 == 0 || (n >= 60 && n < 130))
		return 0;
	return n % 7 == 0 ? 7 : 100 + n;
}

static inline uint8_t *usual_disk(void)
{
	uint8_t *disk = calloc(1, CHUNKS * (size_t)CHUNK);

	assert_non_null(disk);
	for (unsigned int n = 0; n < CHUNKS; n++)
		fill_chunk(disk + n * (size_t)CHUNK, n == CHUNKS - 1 ? SHORT : CHUNK,
		           usual_kind(n));
	return disk;
}

static inline struct image *raw_image(const uint8_t *disk, uint64_t len)
{
	const struct image_options options = { .format = IMAGE_RAW };
	struct image *image = NULL;
	struct source *src;

	assert_int_equal(source_open_memory(disk, len, "disk.raw", &src), 0);
	assert_int_equal(image_open(src, &options, &image, NULL), 0);
	return image;
}

/* Make an index of `len` bytes in the folder, or fail the test. */
static inline struct build_result build_into(const struct folder *folder, const uint8_t *disk,
                                             uint64_t len, struct build_options options)
{
	struct image *image = raw_image(disk, len);
	struct build_result result;
	struct error err = { 0 };

	if (!options.chunk_size)
		options.chunk_size = CHUNK;
	if (library_build(image, folder->path, &options, &result, &err) < 0)
		fail_msg("%s", err.text);
	image_close(image);
	return result;
}

static inline int open_index(const struct folder *folder, const uint8_t digest[32],
                             struct image **ret, struct error *err)
{
	char path[160];
	struct source *file;
	int r;

	folder_file(folder, digest, path);
	r = source_open(path, NULL, &file, err);
	if (r == 0) {
		const struct image_options options = { .places = SOURCE_PLACE(path) };

		r = image_open(file, &options, ret, err);
		if (r < 0)
			source_close(file);
	}
	return r;
}

static inline struct image *open_index_or_fail(const struct folder *folder,
                                               const uint8_t digest[32])
{
	struct image *image = NULL;
	struct error err = { 0 };

	if (open_index(folder, digest, &image, &err) < 0)
		fail_msg("%s", err.text);
	return image;
}

/* The whole disk reads as these bytes, in pieces of that length. */
static inline void expect_disk(struct image *image, const uint8_t *disk, size_t piece)
{
	uint8_t *buf = malloc(piece);
	struct error err = { 0 };

	assert_non_null(buf);
	for (uint64_t off = 0; off < image->size; off += piece) {
		size_t len = min_u64(piece, image->size - off);

		if (image_read(image, buf, len, off, NULL, &err) < 0)
			fail_msg("%s", err.text);
		assert_memory_equal(buf, disk + off, len);
	}
	free(buf);
}

#endif
