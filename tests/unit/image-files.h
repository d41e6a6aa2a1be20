/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A handful of files in memory, for images to find their parents in, and the few lines every test
 * of a format needs.
 */
#ifndef TESTS_UNIT_IMAGE_FILES_H
#define TESTS_UNIT_IMAGE_FILES_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/format/image.h"

#define FILES_MAX 80

/* What a check or an image reports, one line each. */
struct report {
	char text[4096];
};

static inline void report_add(void *arg, const char *text)
{
	struct report *report = arg;
	size_t used = strlen(report->text);

	snprintf(report->text + used, sizeof(report->text) - used, "%s\n", text);
}

struct files {
	struct {
		const char *name;
		const uint8_t *data;
		size_t len;
		void *owned; /* by the list; NULL: the bytes are the test's */
	} at[FILES_MAX];
	size_t n;
	char opened[2048]; /* what an image asked for, each behind a blank */
	struct report warned;
};

static inline void files_free(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->at[i].owned);
}
DEFINE_CLEANUP(struct files *, files_free);

static inline int files_open(void *arg, const char *url, struct source **ret, struct error *err)
{
	struct files *files = arg;
	size_t used = strlen(files->opened);

	snprintf(files->opened + used, sizeof(files->opened) - used, " %s", url);
	for (size_t i = 0; i < files->n; i++)
		if (!strcmp(files->at[i].name, url))
			return source_open_memory(files->at[i].data, files->at[i].len, url, ret);
	return error_set(err, ENOENT, "%s: No such file or directory", url);
}

static inline int files_open_parent(void *arg, const struct source_places *places,
                                    struct source **ret, struct error *err)
{
	struct error first = { 0 };

	for (size_t i = 0; i < places->n; i++) {
		struct error *why = i == 0 ? &first : NULL;

		if (files_open(arg, places->at[i].url, ret, why) == 0)
			return 0;
	}
	if (err)
		*err = first;
	return -first.code;
}

static inline void files_warn(void *arg, const char *text)
{
	struct files *files = arg;

	report_add(&files->warned, text);
}

static inline void files_add(struct files *files, const char *name, const uint8_t *data, size_t len)
{
	files->at[files->n].name = name;
	files->at[files->n].data = data;
	files->at[files->n++].len = len;
}

/* The same, and the bytes are now the list's. */
static inline void files_give(struct files *files, const char *name, uint8_t *data, size_t len)
{
	files->at[files->n].owned = data;
	files_add(files, name, data, len);
}

static inline int files_image(struct files *files, const char *name, const char *parent,
                              struct image **ret, struct error *err)
{
	const struct image_options options = {
		.places = SOURCE_PLACE(name),
		.parents = SOURCE_PLACE(parent),
		.open_parent = files_open_parent,
		.warn = files_warn,
		.arg = files,
	};
	struct source *file;
	int r = files_open(files, name, &file, err);

	if (r < 0)
		return r;
	files->opened[0] = '\0';
	r = image_open(file, &options, ret, err);
	if (r < 0)
		source_close(file);
	return r;
}

/* The same where it must open. */
static inline struct image *files_image_or_fail(struct files *files, const char *name,
                                                const char *parent)
{
	struct image *image = NULL;
	struct error err = { 0 };

	if (files_image(files, name, parent, &image, &err) < 0 || !image) {
		fail_msg("%s", err.text);
		abort();
	}
	return image;
}

/* An image in `len` bytes, whatever its name. */
static inline int memory_image(const uint8_t *data, size_t len, struct image **ret,
                               struct error *err)
{
	struct files files = { 0 };

	files_add(&files, "disk", data, len);
	return files_image(&files, "disk", NULL, ret, err);
}

static inline struct image *memory_image_or_fail(const uint8_t *data, size_t len)
{
	struct files files = { 0 };

	files_add(&files, "disk", data, len);
	return files_image_or_fail(&files, "disk", NULL);
}

/* The sentence that `r` failed with names the file and has these words in it. */
static inline void expect_refused(int r, const struct error *err, const char *words)
{
	if (r >= 0)
		fail_msg("not refused; expected: %s", words);
	if (strncmp(err->text, "disk: ", 6) != 0 || !strstr(err->text, words))
		fail_msg("\"%s\" does not say: %s", err->text, words);
}

/* Opening the bytes, or else reading all of the disk, fails with these words; so does mapping. */
static inline void expect_bad_from(const uint8_t *data, size_t len, bool map, const char *words)
{
	cleanup(image_close) struct image *image = NULL;
	cleanup_free uint8_t *buf = NULL;
	struct error err = { 0 };
	enum image_extent kind;
	uint64_t run = 1;
	int r = memory_image(data, len, &image, &err);

	if (r < 0) {
		expect_refused(r, &err, words);
		return;
	}
	buf = malloc(image->size);
	assert_non_null(buf);
	expect_refused(image_read(image, buf, image->size, 0, NULL, &err), &err, words);
	for (uint64_t off = 0; map && r == 0 && off < image->size; off += run)
		r = image_map(image, off, image->size - off, NULL, &kind, &run, &err);
	if (map)
		expect_refused(r, &err, words);
}

static inline void expect_bad(const uint8_t *data, size_t len, const char *words)
{
	expect_bad_from(data, len, true, words);
}

/* Content that is broken, which the map cannot know. */
static inline void expect_bad_read(const uint8_t *data, size_t len, const char *words)
{
	expect_bad_from(data, len, false, words);
}

/* Every one of `len` bytes at `off` is `value`. */
static inline void expect_bytes(struct image *image, uint64_t off, size_t len, uint8_t value)
{
	uint8_t *buf = malloc(len);

	assert_non_null(buf);
	assert_int_equal(image_read(image, buf, len, off, NULL, NULL), 0);
	for (size_t i = 0; i < len; i++)
		if (buf[i] != value)
			fail_msg("byte %zu of the disk is %#x, not %#x", (size_t)off + i, buf[i],
			         value);
	free(buf);
}

static inline void expect_run(struct image *image, uint64_t off, enum image_extent want,
                              uint64_t want_len)
{
	enum image_extent kind;
	uint64_t len;

	assert_int_equal(image_map(image, off, image->size - off, NULL, &kind, &len, NULL), 0);
	assert_int_equal(kind, want);
	assert_true(len == want_len);
}

/* A field of a format, of 1 to 8 bytes. */
static inline void put_be(uint8_t *at, unsigned int bytes, uint64_t value)
{
	for (; bytes > 0; bytes--, value >>= 8)
		at[bytes - 1] = (uint8_t)value;
}

static inline void put_le(uint8_t *at, unsigned int bytes, uint64_t value)
{
	for (unsigned int i = 0; i < bytes; i++, value >>= 8)
		at[i] = (uint8_t)value;
}

/* For struct source_read: what has arrived only grows, and its last is in the size_t at `arg`. */
static inline void note_arrived(void *arg, size_t prefix)
{
	size_t *last = arg;

	assert_true(prefix >= *last);
	*last = prefix;
}

/* Several threads read the image at once; `read` returns NULL when it found what it should. */
static inline void expect_from_threads(struct image *image, void *(*read)(void *image))
{
	pthread_t threads[8];
	void *failed;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read, image), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

#endif
