// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine's image out of a store: its manifest and its configuration fit together, or it is
 * refused.  Any thread.
 */
#include "library/machine-image.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/format/index.h"

/* What else lives in registries, by the type of artefact, configuration or first layer. */
static const char *other_kind(const struct oci_manifest *manifest)
{
	static const struct {
		const char *begins, *what;
	} kinds[] = {
		{ "application/vnd.oci.image.config.v1", "a container's image" },
		{ "application/vnd.docker.container.image", "a container's image" },
		{ "application/vnd.cirruslabs.tart", "a machine of Tart" },
		{ "application/vnd.cncf.helm", "a Helm chart" },
		{ "application/vnd.lfedge.", "an image for LF Edge" },
		{ "application/vnd.sill.signature", "a signature" },
	};
	const char *types[] = {
		manifest->artifact_type,
		manifest->config.media_type,
		manifest->n_layers > 0 ? manifest->layers[0].media_type : "",
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
			if (strncmp(types[i], kinds[k].begins, strlen(kinds[k].begins)) == 0)
				return kinds[k].what;
	return NULL;
}

static int check_kind(const struct oci_manifest *manifest, struct error *err)
{
	const char *what;

	if (strcmp(manifest->artifact_type, MACHINE_IMAGE_TYPE) == 0 &&
	    strcmp(manifest->config.media_type, MACHINE_CONFIG_TYPE) == 0)
		return 0;
	what = other_kind(manifest);
	if (what)
		return error_set(err, EMEDIUMTYPE, "is %s, not a machine of Sill", what);
	return error_set(err, EMEDIUMTYPE, "is an artefact of type %s, not a machine of Sill",
	                 manifest->artifact_type);
}

/* Every disk's index is a layer that can be one. */
static int check_disks(const struct machine_image *image, struct error *err)
{
	for (size_t i = 0; i < image->config.n_disks; i++) {
		const struct machine_disk *disk = &image->config.disks[i];
		const struct oci_descriptor *layer = oci_find_layer(image->manifest, disk->index);

		if (!layer || strcmp(layer->media_type, MACHINE_INDEX_TYPE) != 0)
			return error_set(err, EBADMSG,
			                 "the index of disk \"%s\" is not among its layers",
			                 disk->name);
		if (layer->size != INDEX_HEADER_BYTES)
			return error_set(
				err, EBADMSG, "the index of disk \"%s\" has %llu bytes, not %u",
				disk->name, (unsigned long long)layer->size, INDEX_HEADER_BYTES);
	}
	return 0;
}

/* Its manifest alone. */
static int take_manifest(const struct store_manifest *manifest, struct machine_image *image,
                         struct error *err)
{
	int r;

	if (oci_is_index(manifest->media_type))
		return error_set(
			err, EMEDIUMTYPE,
			"is a list of images for several computers, not a machine of Sill");
	r = oci_manifest_parse(manifest->bytes, manifest->len, &image->manifest, err);
	if (r == 0)
		r = check_kind(image->manifest, err);
	if (r == 0 && image->manifest->config.size > MACHINE_CONFIG_MAX)
		r = error_set(err, EBADMSG, "its configuration has more than 256 KiB");
	return r;
}

static int take_config(const char *text, size_t len, struct machine_image *image, struct error *err)
{
	int r;

	if (len != image->manifest->config.size)
		return error_set(err, EBADMSG, "its configuration has %zu bytes, not %llu", len,
		                 (unsigned long long)image->manifest->config.size);
	r = machine_config_parse(text, len, &image->config, err);
	if (r < 0) {
		error_prefix(err, "its configuration");
		return r;
	}
	return check_disks(image, err);
}

int machine_image_get(struct store *store, const char *name, const struct store_manifest *manifest,
                      struct machine_image *ret, struct error *err)
{
	struct machine_image image = { 0 };
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = take_manifest(manifest, &image, err);

	if (r < 0) {
		error_prefix(err, "%s: the manifest of %s", store->name, name);
	} else {
		const struct oci_descriptor *config = &image.manifest->config;

		/* Its sentence names the store. */
		r = store_get_blob(store, name, config->digest, (size_t)config->size, &text, &len,
		                   err);
	}
	if (r == 0) {
		r = take_config(text, len, &image, err);
		if (r < 0)
			error_prefix(err, "%s: the manifest of %s", store->name, name);
	}
	if (r < 0)
		machine_image_free(&image);
	else
		*ret = image;
	return r;
}

void machine_image_free(struct machine_image *image)
{
	oci_manifest_free(image->manifest);
	machine_config_free(&image->config);
	*image = (struct machine_image){ 0 };
}

const struct machine_disk *machine_image_system(const struct machine_image *image)
{
	for (size_t i = 0; i < image->config.n_disks; i++)
		if (image->config.disks[i].role == MACHINE_DISK_SYSTEM)
			return &image->config.disks[i];
	return NULL;
}
