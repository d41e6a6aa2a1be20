// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images: the table of formats, and what is the same for all of them.
 *
 * Drivers (raw.c, vhd.c, …) know a layout.  This file picks one, checks ranges before a driver sees
 * them, and joins what they say about one file into what is true of the whole chain of parents.
 */
#include "disk/format/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "base/bits.h"
#include "base/endian.h"
#include "disk/format/detect.h"
#include "disk/format/format.h"
#include "util/text.h"

/* Detection asks in this order; raw, which has no mark, is what is left. */
static const struct image_driver *const drivers[] = {
	&vhd_driver, &vhdx_driver, &qcow2_driver, &index_driver, &raw_driver,
};

#define MAX_WARNINGS 32

static const struct image_driver *driver_of(enum image_format format)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (drivers[i]->format == format)
			return drivers[i];
	return NULL;
}

const char *image_format_name(enum image_format format)
{
	const struct image_driver *driver = driver_of(format);

	return driver ? driver->name : NULL;
}

int image_format_parse(const char *name, enum image_format *ret, struct error *err)
{
	char list[128] = "auto";
	size_t used = strlen(list);

	if (!strcasecmp(name, "auto")) {
		*ret = IMAGE_AUTO;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		const struct image_driver *driver = drivers[i];

		if (!strcasecmp(name, driver->name) ||
		    (driver->alias && !strcasecmp(name, driver->alias))) {
			*ret = driver->format;
			return 0;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, ", %s", driver->name);
	}
	return error_set(err, EINVAL, "\"%s\" is not a format that Sill reads: %s", name, list);
}

static int detect(const struct image_probe *probe, const struct source *file,
                  enum image_format *ret, struct error *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (drivers[i]->detect && drivers[i]->detect(probe)) {
			*ret = drivers[i]->format;
			return 0;
		}
	}
	r = image_probe_refuse(probe, file, err);
	if (r < 0)
		return r;
	*ret = IMAGE_RAW;
	return 0;
}

int image_detect(struct source *file, enum image_format *ret, struct error *err)
{
	cleanup_free struct image_probe *probe = NULL;
	int r = image_probe_read(file, &probe, err);

	return r < 0 ? r : detect(probe, file, ret, err);
}

void image_init(struct image *image, const struct image_ops *ops, enum image_format format,
                struct source *file, const struct image_options *options)
{
	*image = (struct image){
		.ops = ops,
		.format = format,
		.file = file,
		.depth = options->depth,
	};
}

void image_warn(struct image *image, const struct image_options *options, const char *fmt, ...)
{
	struct error text;
	va_list args;

	va_start(args, fmt);
	error_vset(&text, EINVAL, fmt, args);
	va_end(args);
	error_prefix(&text, "%s", image->file->name);
	if (!image->warnings)
		image->warnings = json_array();
	if (json_array_size(image->warnings) < MAX_WARNINGS)
		json_array_append_new(image->warnings, json_string(text.text));
	if (options->warn)
		options->warn(options->arg, text.text);
}

/* Close all but the file, which is returned. */
static struct source *close_all_but_file(struct image *image)
{
	struct source *file = image->file;

	image_close(image->parent);
	json_decref(image->warnings);
	image->ops->close(image);
	return file;
}

void image_abandon(struct image *image)
{
	if (image)
		close_all_but_file(image);
}

void image_close(struct image *image)
{
	if (image)
		source_close(close_all_but_file(image));
}

static void keep_ends(struct image *image, const struct image_probe *probe)
{
	memcpy(image->ends, probe->digest, sizeof(image->ends));
	image->has_ends = true;
}

int image_open(struct source *file, const struct image_options *options, struct image **ret,
               struct error *err)
{
	struct image_options with_probe = { 0 };
	cleanup_free struct image_probe *probe = NULL;
	const struct image_driver *driver;
	enum image_format format;
	int r;

	if (options)
		with_probe = *options;
	with_probe.probe = NULL;
	if (with_probe.depth >= IMAGE_MAX_DEPTH)
		return error_set(err, ELOOP, "%s: the chain of parents is deeper than %d",
		                 file->name, IMAGE_MAX_DEPTH);
	format = with_probe.format;
	if (format == IMAGE_AUTO) {
		r = image_probe_read(file, &probe, err);
		if (r == 0)
			r = detect(probe, file, &format, err);
		if (r < 0)
			return r;
		with_probe.probe = probe;
	}
	driver = driver_of(format);
	if (!driver)
		return error_set(err, EINVAL, "%s: format number %d is none that Sill knows",
		                 file->name, (int)format);
	r = driver->open(file, &with_probe, ret, err);
	if (r == 0 && probe)
		keep_ends(*ret, probe);
	return r;
}

int image_read(struct image *image, void *buf, size_t len, uint64_t off,
               const struct source_read *how, struct error *err)
{
	if (!range_inside(off, len, image->size))
		return error_set(err, EINVAL,
		                 "%s: a read of %zu bytes at %" PRIu64 " is outside the disk of "
		                 "%" PRIu64 " bytes",
		                 image->file->name, len, off, image->size);
	if (len == 0)
		return 0;
	return image->ops->read(image, buf, len, off, how, err);
}

int image_map(struct image *image, uint64_t off, uint64_t max, const struct source_read *how,
              enum image_extent *ret_kind, uint64_t *ret_len, struct error *err)
{
	if (off % 512 != 0 || max % 512 != 0 || max == 0)
		return error_set(err, EINVAL,
		                 "%s: a map of %" PRIu64 " bytes at %" PRIu64
		                 " is not made of whole sectors",
		                 image->file->name, max, off);
	if (!range_inside(off, max, image->size))
		return error_set(err, EINVAL,
		                 "%s: a map of %" PRIu64 " bytes at %" PRIu64
		                 " is outside the disk of %" PRIu64 " bytes",
		                 image->file->name, max, off, image->size);
	return image->ops->map(image, off, max, how, ret_kind, ret_len, err);
}

uint64_t image_unit(const struct image *image)
{
	uint64_t unit = 1;

	for (; image; image = image->parent)
		unit = max_u64(unit, __atomic_load_n(&image->unit, __ATOMIC_RELAXED));
	return unit;
}

/* Holes of the file are zeros, as far as whole sectors of the disk are in them. */
int map_file(struct image *image, uint64_t off, uint64_t max,
             const struct source_read *how __attribute__((unused)), enum image_extent *ret_kind,
             uint64_t *ret_len, struct error *err)
{
	uint64_t end = image->file->identity.size, len;
	enum source_extent kind;
	int r;

	r = source_extent(image->file, off, min_u64(max, end - off), &kind, &len, err);
	if (r < 0)
		return r;
	if (off + len == end)
		len = round_up(len, 512);
	if (kind == SOURCE_EXTENT_ZERO && len >= 512) {
		*ret_kind = IMAGE_EXTENT_ZERO;
		*ret_len = round_down(len, 512);
	} else {
		*ret_kind = IMAGE_EXTENT_DATA;
		*ret_len = min_u64(round_up(len, 512), max);
	}
	return 0;
}

static void piece_arrived(void *arg, size_t prefix)
{
	const struct piece_read *piece = arg;

	piece->whole->arrived(piece->whole->arg, piece->base + prefix);
}

const struct source_read *piece_how(struct piece_read *piece, const struct source_read *whole,
                                    size_t base)
{
	if (!whole || !whole->arrived || base == 0)
		return whole;
	piece->how = *whole;
	piece->how.arrived = piece_arrived;
	piece->how.arg = piece;
	piece->whole = whole;
	piece->base = base;
	return &piece->how;
}

/* Detection has looked at the ends, unless the format was said. */
static int find_ends(struct image *image, struct error *err)
{
	cleanup_free struct image_probe *probe = NULL;
	int r = image->has_ends ? 0 : image_probe_read(image->file, &probe, err);

	if (r == 0 && probe)
		keep_ends(image, probe);
	return r;
}

int image_id(struct image *image, uint8_t ret[32], struct error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	int r = 0;

	for (; image && ok && r == 0; image = image->parent) {
		uint8_t part[12 + 32 + sizeof(image->ends)];

		r = image->has_digest ? 0 : find_ends(image, err);
		store_le32(part, (uint32_t)image->format);
		store_le32(part + 4, (uint32_t)image->size);
		store_le32(part + 8, (uint32_t)(image->size >> 32));
		if (image->has_digest) {
			memset(part + 12, 0, 32);
			memcpy(part + 44, image->digest, sizeof(image->digest));
		} else {
			source_identity_key(&image->file->identity, part + 12);
			/* Size and date alone may be those of another of the same making. */
			memcpy(part + 44, image->ends, sizeof(image->ends));
		}
		ok = EVP_DigestUpdate(ctx, part, sizeof(part));
	}
	if (r == 0 && (!ok || !EVP_DigestFinal_ex(ctx, ret, NULL)))
		r = error_set(err, ENOMEM, "no memory for the id of an image");
	EVP_MD_CTX_free(ctx);
	return r;
}

/* The object of one file, without its parents. */
static int describe_one(struct image *image, json_t **ret, struct error *err)
{
	cleanup_free char *name = strdup(image->file->name);
	json_t *info = name ? json_pack("{s:s, s:s, s:I, s:I}", "name", text_printable(name),
	                                "format", image_format_name(image->format), "virtual_size",
	                                (json_int_t)image->size, "file_size",
	                                (json_int_t)image->file->identity.size)
	                    : NULL;
	int r;

	if (!info)
		return error_set(err, ENOMEM, "%s: no memory to describe it", image->file->name);
	r = image->ops->describe(image, info, err);
	if (r < 0) {
		json_decref(info);
		return r;
	}
	*ret = info;
	return 0;
}

int image_info(struct image *image, json_t **ret, struct error *err)
{
	json_t *info, *parents = json_array(), *warnings = json_array();
	int r = describe_one(image, &info, err);

	if (r < 0) {
		json_decref(parents);
		json_decref(warnings);
		return r;
	}
	json_object_set_new(info, "parents", parents);
	json_object_set_new(info, "warnings", warnings);
	if (image->warnings)
		json_array_extend(warnings, image->warnings);
	for (struct image *at = image->parent; at; at = at->parent) {
		json_t *one;

		r = describe_one(at, &one, err);
		if (r < 0) {
			json_decref(info);
			return r;
		}
		json_array_append_new(parents, one);
		if (at->warnings)
			json_array_extend(warnings, at->warnings);
	}
	*ret = info;
	return 0;
}

int image_trace(struct image *image, const struct source_read *how, uint8_t **ret, size_t *ret_len,
                struct error *err)
{
	if (!image->ops->trace)
		return error_set(err, ENOENT, "%s: a %s image has no trace of its own",
		                 image->file->name, image_format_name(image->format));
	return image->ops->trace(image, how, ret, ret_len, err);
}

int image_check(struct image *image, void (*problem)(void *arg, const char *text), void *arg,
                struct error *err)
{
	int count = 0;

	for (; image; image = image->parent) {
		int r = image->ops->check(image, problem, arg, err);

		if (r < 0)
			return r;
		count += r;
	}
	return count;
}

void check_problem(struct check *check, const char *fmt, ...)
{
	struct error text;
	va_list args;

	if (check->count++ >= CHECK_MAX_REPORTED)
		return;
	va_start(args, fmt);
	error_vset(&text, EINVAL, fmt, args);
	va_end(args);
	error_prefix(&text, "%s", check->image->file->name);
	if (check->problem)
		check->problem(check->arg, text.text);
}

int check_end(struct check *check)
{
	int hidden = check->count - CHECK_MAX_REPORTED;
	struct error text;

	if (hidden > 0 && check->problem) {
		error_set(&text, EINVAL, "%s: and %d more problems", check->image->file->name,
		          hidden);
		check->problem(check->arg, text.text);
	}
	return check->count;
}
