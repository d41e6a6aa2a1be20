// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parent locator of a differencing VHDX ([MS-VHDX] 2.6.2.6): keys and values in UTF-16 that say
 * which DataWriteGuid the parent has (parent_linkage, and parent_linkage2 while a merge is under
 * way) and where it was.  Absolute paths are those of another computer, so of them only the last
 * part counts, as the name of a file beside the child.  Which file it is, the guid decides.
 */
#include "disk/format/vhdx.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/endian.h"

#define LOCATOR_HEADER 20u
#define LOCATOR_ENTRY  12u
#define MAX_ENTRIES    256u

static const uint8_t vhdx_locator_type[VHDX_GUID] = { 0xB7, 0xEF, 0x4A, 0xB0, 0x9E, 0xD1,
	                                              0x81, 0x4A, 0xB7, 0x89, 0x25, 0xB8,
	                                              0xE9, 0x44, 0x59, 0x13 };

struct places {
	char *relative; /* as it stands there */
	char *volume;   /* the last part only, as of the next */
	char *absolute;
};

static void places_free(struct places *p)
{
	free(p->relative);
	free(p->volume);
	free(p->absolute);
}
DEFINE_CLEANUP(struct places *, places_free);

/* "{8-4-4-4-12}" to 16 bytes as they lie in a file: the first three numbers are little-endian. */
static bool parse_guid(const char *text, uint8_t ret[VHDX_GUID])
{
	static const uint8_t place[VHDX_GUID] = { 3, 2, 1,  0,  5,  4,  7,  6,
		                                  8, 9, 10, 11, 12, 13, 14, 15 };
	unsigned int digits = 0, value = 0;

	for (; *text; text++) {
		if (*text == '{' || *text == '}' || *text == '-')
			continue;
		if (!isxdigit((unsigned char)*text) || digits == 2 * VHDX_GUID)
			return false;
		value = value << 4 |
		        (unsigned int)(isdigit((unsigned char)*text)
		                               ? *text - '0'
		                               : tolower((unsigned char)*text) - 'a' + 10);
		if (digits++ % 2)
			ret[place[digits / 2 - 1]] = (uint8_t)value;
	}
	return digits == 2 * VHDX_GUID;
}

static char *last_part(char *path)
{
	char *slash = strrchr(path, '/'), *name = strdup(slash ? slash + 1 : path);

	free(path);
	return name;
}

/* Keeps `value` or frees it. */
static int take_value(struct vhdx *v, const char *key, char *value, struct places *places,
                      struct error *err)
{
	char **at = NULL;
	int r = 0;

	if (!strcmp(key, "relative_path"))
		at = &places->relative;
	else if (!strcmp(key, "volume_path"))
		at = &places->volume;
	else if (!strcmp(key, "absolute_win32_path"))
		at = &places->absolute;
	if (at && !*at) {
		*at = at == &places->relative ? value : last_part(value);
		return *at ? 0 : error_sys(err, ENOMEM, "%s", v->image.file->name);
	}
	if (!strcmp(key, "parent_linkage") || !strcmp(key, "parent_linkage2")) {
		/* The first in the list is the one that its entry has, whatever the order. */
		unsigned int which = key[strlen(key) - 1] == '2';

		if (!parse_guid(value, v->linkage[which]))
			r = error_set(err, EINVAL, "%s: the %s of its parent locator is no GUID",
			              v->image.file->name, key);
		v->linkages |= 1u << which;
	}
	free(value);
	return r;
}

static int parse_entry(struct vhdx *v, const uint8_t *raw, const uint8_t *entry,
                       struct places *places, struct error *err)
{
	uint32_t key_off = load_le32(entry), value_off = load_le32(entry + 4);
	uint16_t key_len = load_le16(entry + 8), value_len = load_le16(entry + 10);
	cleanup_free char *key = NULL;
	char *value;

	if (!range_inside(key_off, key_len, v->locator.len) ||
	    !range_inside(value_off, value_len, v->locator.len))
		return error_set(err, EINVAL,
		                 "%s: a key or value of its parent locator lies outside of it",
		                 v->image.file->name);
	key = utf16_path(raw + key_off, key_len, false);
	value = utf16_path(raw + value_off, value_len, false);
	if (!key || !value) {
		free(value);
		return error_sys(err, ENOMEM, "%s", v->image.file->name);
	}
	return take_value(v, key, value, places, err);
}

static int parse(struct vhdx *v, const uint8_t *raw, struct places *places, struct error *err)
{
	const char *name = v->image.file->name;
	unsigned int count;
	int r = 0;

	if (v->locator.len < LOCATOR_HEADER)
		return error_set(err, EINVAL, "%s: its parent locator has only %llu bytes", name,
		                 (unsigned long long)v->locator.len);
	if (memcmp(raw, vhdx_locator_type, VHDX_GUID) != 0)
		return error_set(err, ENOTSUP,
		                 "%s: its parent locator is of a type that Sill does not know",
		                 name);
	count = load_le16(raw + 18);
	if (count > MAX_ENTRIES ||
	    LOCATOR_HEADER + LOCATOR_ENTRY * (uint64_t)count > v->locator.len)
		return error_set(err, EINVAL,
		                 "%s: its parent locator of %llu bytes claims %u entries", name,
		                 (unsigned long long)v->locator.len, count);
	for (unsigned int i = 0; i < count && r == 0; i++)
		r = parse_entry(v, raw, raw + LOCATOR_HEADER + LOCATOR_ENTRY * (size_t)i, places,
		                err);
	if (r == 0 && !(v->linkages & 1))
		r = error_set(err, EINVAL, "%s: its parent locator has no parent_linkage", name);
	return r;
}

int vhdx_parent_open(struct vhdx *v, const struct image_options *options, struct error *err)
{
	cleanup_free uint8_t *raw = malloc(v->locator.len);
	struct places places = { 0 };
	cleanup(places_free) struct places *to_free __attribute__((unused)) = &places;
	const char *at[3];
	struct parent_request request = {
		.child = &v->image,
		.options = options,
		.wants = { v->linkage[0], NULL },
		.places = at,
		.format = IMAGE_VHDX,
	};
	int r;

	if (!raw)
		return error_sys(err, ENOMEM, "%s", v->image.file->name);
	r = vhdx_table_read(v, raw, v->locator.len, v->locator.off, NULL, err);
	if (r == 0)
		r = parse(v, raw, &places, err);
	if (r < 0)
		return r;
	if (v->linkages & 2)
		request.wants[1] = v->linkage[1];
	for (size_t i = 0; i < 3; i++) {
		const char *place = i == 0   ? places.relative
		                    : i == 1 ? places.absolute
		                             : places.volume;

		/* So that a file has one name, by which a loop is noticed. */
		while (place && strncmp(place, "./", 2) == 0)
			place += 2;
		if (place && place[0])
			at[request.n++] = place;
	}
	return parent_open(&request, err);
}
