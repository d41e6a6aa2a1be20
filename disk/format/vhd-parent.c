// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a differencing VHD says its parent is.
 *
 * It says so up to nine times: a name in the header, and locators of several kinds, each a path in
 * the words of one system.  Relative paths and bare names are looked for beside the child.
 * Absolute paths of Windows mean nothing here but for their last part; those of other systems are
 * tried at last.  Whether a file is the parent is decided by its unique id (parent.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "disk/format/pages.h"
#include "disk/format/vhd.h"
#include "util/text.h"

#define MAX_PLACES (3 * (VHD_LOCATORS + 1))
#define MAX_PATH   4096u

/* Places in three ranks: beside the child by relative path, by bare name, then absolute. */
enum rank { RANK_RELATIVE, RANK_NAME, RANK_ABSOLUTE, RANKS };

struct places {
	char *at[RANKS][VHD_LOCATORS + 1];
	size_t n[RANKS];
};

static void places_drop(struct places *places)
{
	for (int rank = 0; rank < RANKS; rank++)
		for (size_t i = 0; i < places->n[rank]; i++)
			free(places->at[rank][i]);
}
DEFINE_CLEANUP(struct places *, places_drop);

static int add(struct places *places, enum rank rank, const char *path, struct error *err)
{
	size_t *n = &places->n[rank];

	if (path[0] == '\0' || *n == ARRAY_LEN(places->at[rank]))
		return 0;
	places->at[rank][*n] = strdup(path);
	if (!places->at[rank][*n])
		return error_set(err, ENOMEM, "no memory for the places of the parent");
	(*n)++;
	return 0;
}

static bool is_url(const char *path)
{
	return !strncasecmp(path, "http://", 7) || !strncasecmp(path, "https://", 8) ||
	       !strncasecmp(path, "file://", 7);
}

/* Sort one path, with slashes, into the ranks that it is good for. */
static int add_path(struct places *places, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	bool drive = path[0] != '\0' && path[1] == ':';
	bool share = !strncmp(path, "//", 2);
	int r;

	while (!strncmp(path, "./", 2))
		path += 2;
	if (is_url(path) || (path[0] == '/' && !share))
		r = add(places, RANK_ABSOLUTE, path, err);
	else if (!drive && !share && path != name && !strchr(path, ':'))
		r = add(places, RANK_RELATIVE, path, err);
	else
		r = 0;
	if (r == 0 && !strchr(name, ':'))
		r = add(places, RANK_NAME, name, err);
	return r;
}

/* The text of one locator; *ret is NULL for a kind that is not text that we know. */
static int read_locator(struct vhd *vhd, const struct vhd_locator *locator, char **ret,
                        struct error *err)
{
	bool wide = !strcmp(locator->code, "W2ru") || !strcmp(locator->code, "W2ku");
	bool plain = !strcmp(locator->code, "MacX") || !strcmp(locator->code, "Wi2r") ||
	             !strcmp(locator->code, "Wi2k");
	uint32_t len = (uint32_t)min_u64(locator->len, MAX_PATH);
	char raw[MAX_PATH];
	int r;

	*ret = NULL;
	if (!wide && !plain)
		return 0;
	r = pages_read(vhd->table, raw, len, locator->offset, NULL, err);
	if (r < 0)
		return r;
	*ret = wide ? utf16_path(raw, len, false) : strndup(raw, len);
	if (!*ret)
		return error_set(err, ENOMEM, "%s: no memory for its locators",
		                 vhd->image.file->name);
	text_printable(*ret);
	for (char *at = *ret; *at && plain; at++)
		if (*at == '\\')
			*at = '/';
	return 0;
}

static int collect(struct vhd *vhd, struct places *places, struct error *err)
{
	cleanup_free char *name =
		utf16_path(vhd->header.parent_name, sizeof(vhd->header.parent_name), true);
	int r;

	if (!name)
		return error_set(err, ENOMEM, "%s: no memory for the name of its parent",
		                 vhd->image.file->name);
	for (int i = 0; i < VHD_LOCATORS; i++) {
		cleanup_free char *path = NULL;

		r = read_locator(vhd, &vhd->header.locators[i], &path, err);
		if (r == 0 && path)
			r = add_path(places, path, err);
		if (r < 0)
			return r;
	}
	return add_path(places, name, err);
}

/* The time the child recorded: the parent file's last change, or what its footer says. */
static void warn_about_time(struct vhd *vhd, const struct image_options *options)
{
	const struct image *parent = vhd->image.parent;
	uint32_t recorded = vhd->header.parent_timestamp;
	int64_t modified = parent->file->identity.last_modified;

	if (recorded == 0 || recorded == vhd_of(vhd->image.parent)->footer.timestamp ||
	    modified == 0 || (int64_t)recorded + VHD_EPOCH == modified)
		return;
	image_warn(&vhd->image, options,
	           "the header's parent timestamp differs from the time of %s: if that file was "
	           "changed after this one was made from it, the content is wrong",
	           parent->file->name);
}

int vhd_open_parent(struct vhd *vhd, const struct image_options *options, struct error *err)
{
	struct places places = { 0 };
	cleanup(places_drop) struct places *guard = &places;
	const char *all[MAX_PLACES];
	struct parent_request request = {
		.child = &vhd->image,
		.options = options,
		.wants = { vhd->header.parent_id },
		.places = all,
		.format = IMAGE_VHD,
	};
	int r = collect(vhd, guard, err);

	if (r < 0)
		return r;
	for (int rank = 0; rank < RANKS; rank++)
		for (size_t i = 0; i < places.n[rank]; i++)
			all[request.n++] = places.at[rank][i];
	r = parent_open(&request, err);
	if (r < 0)
		return r;
	if (vhd->image.parent->size != vhd->image.size)
		image_warn(&vhd->image, options,
		           "the disk has %" PRIu64 " bytes, its parent %s has %" PRIu64,
		           vhd->image.size, vhd->image.parent->file->name, vhd->image.parent->size);
	warn_about_time(vhd, options);
	return 0;
}
