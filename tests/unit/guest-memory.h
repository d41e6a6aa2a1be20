/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's disk in memory, and file systems that mke2fs makes of folders.
 */
#ifndef TESTS_UNIT_GUEST_MEMORY_H
#define TESTS_UNIT_GUEST_MEMORY_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/endian.h"
#include "library/guest/disk.h"
#include "util/cleanup.h"
#include "util/io.h"

struct memory_disk {
	struct guest_disk disk;
	uint8_t *bytes;
	unsigned int writes;
	int fail_after; /* reads until one fails; -1: never */
};

static inline int memory_read(struct guest_disk *disk, void *buf, size_t len, uint64_t off,
                              struct error *err)
{
	struct memory_disk *memory = container_of(disk, struct memory_disk, disk);

	assert_true(range_inside(off, len, disk->size));
	if (memory->fail_after == 0)
		return error_set(err, EIO, "the link is down");
	if (memory->fail_after > 0)
		memory->fail_after--;
	memcpy(buf, memory->bytes + off, len);
	return 0;
}

static inline int memory_write(struct guest_disk *disk, const void *buf, size_t len, uint64_t off,
                               struct error *err)
{
	struct memory_disk *memory = container_of(disk, struct memory_disk, disk);

	(void)err;
	assert_true(range_inside(off, len, disk->size));
	memcpy(memory->bytes + off, buf, len);
	memory->writes++;
	return 0;
}

static inline int memory_zero(struct guest_disk *disk, uint64_t len, uint64_t off,
                              struct error *err)
{
	struct memory_disk *memory = container_of(disk, struct memory_disk, disk);

	(void)err;
	assert_true(range_inside(off, len, disk->size));
	memset(memory->bytes + off, 0, len);
	memory->writes++;
	return 0;
}

static inline struct memory_disk memory_disk_new(uint64_t size)
{
	struct memory_disk memory = {
		.disk = { .size = size,
		          .read = memory_read,
		          .write = memory_write,
		          .zero = memory_zero },
		.bytes = calloc(1, size),
		.fail_after = -1,
	};

	assert_non_null(memory.bytes);
	return memory;
}

static inline void memory_disk_free(struct memory_disk *memory)
{
	free(memory->bytes);
}

/* Run a shell's command; the test fails when it does. */
static inline void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void shell(const char *fmt, ...)
{
	char command[4096] = "PATH=$PATH:/usr/sbin:/sbin; set -e; ";
	size_t at = strlen(command);
	va_list args;

	va_start(args, fmt);
	assert_true(vsnprintf(command + at, sizeof(command) - at, fmt, args) <
	            (int)(sizeof(command) - at));
	va_end(args);
	if (system(command) != 0) // NOLINT(cert-env33-c,concurrency-mt-unsafe)
		fail_msg("this failed: %s", command);
}

static inline void load_file(struct memory_disk *memory, uint64_t off, const char *path)
{
	cleanup_free char *bytes = NULL;
	size_t len;

	assert_int_equal(read_file(AT_FDCWD, path, memory->disk.size - off, &bytes, &len, NULL), 0);
	memcpy(memory->bytes + off, bytes, len);
}

static inline void save_file(const struct memory_disk *memory, uint64_t off, uint64_t len,
                             const char *path)
{
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	assert_int_equal(fwrite(memory->bytes + off, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static inline bool has_text(const struct memory_disk *memory, const char *text)
{
	return memmem(memory->bytes, memory->disk.size, text, strlen(text)) != NULL;
}

/* One entry of an MBR. */
static inline void set_mbr(uint8_t *sector, unsigned int n, uint8_t type, uint32_t first,
                           uint32_t count)
{
	uint8_t *entry = sector + 446 + 16 * (size_t)n;

	entry[4] = type;
	store_le32(entry + 8, first);
	store_le32(entry + 12, count);
	store_le16(sector + 510, 0xaa55);
}

#endif
