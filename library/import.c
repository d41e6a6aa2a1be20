// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Index and packs are built where the library keeps its blobs, for that is what they are called
 * there.  Then come configuration, manifest and tag.
 */
#include "library/import.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/annotations.h"
#include "library/blob.h"
#include "util/utc.h"

struct layers {
	struct oci_descriptor *at;
	size_t n, room;
};

struct importer {
	struct store *own;
	const char *path;
	const struct import *import;
	char blobs[PATH_MAX];
	struct machine_image base; /* manifest NULL: there is none */
	struct machine_config config;
	json_t *annotations;
	struct layers layers;
	uint64_t total, passed; /* bytes of all disks; of those that are done */
	struct import_result result;
};

/* A blob stands once, however many disks use it. */
static int add_layer(struct importer *importer, const char *type, const uint8_t raw[32],
                     uint64_t size, const char *disk, struct error *err)
{
	struct layers *layers = &importer->layers;
	struct oci_descriptor *layer;
	char digest[STORE_DIGEST_ROOM];

	index_digest_name(raw, digest);
	for (size_t i = 0; i < layers->n; i++)
		if (!strcmp(layers->at[i].digest, digest))
			return 0;
	if (layers->n == layers->room) {
		size_t room = layers->room ? 2 * layers->room : 64;
		struct oci_descriptor *more = reallocarray(layers->at, room, sizeof(*more));

		if (!more)
			return error_sys(err, ENOMEM, "%s", importer->import->name);
		layers->at = more;
		layers->room = room;
	}
	layer = &layers->at[layers->n];
	*layer = (struct oci_descriptor){ .size = size };
	snprintf(layer->media_type, sizeof(layer->media_type), "%s", type);
	memcpy(layer->digest, digest, sizeof(layer->digest));
	layer->annotations = json_pack("{s:s}", MACHINE_DISK_ANNOTATION, disk);
	if (!layer->annotations)
		return error_sys(err, ENOMEM, "%s", importer->import->name);
	layers->n++;
	importer->result.bytes += size;
	return 0;
}

static int open_index(const struct importer *importer, const char *digest, struct image **ret,
                      struct error *err)
{
	cleanup(source_close) struct source *file = NULL;
	char path[PATH_MAX + 72];
	int r;

	snprintf(path, sizeof(path), "%s/%s", importer->blobs, digest + strlen("sha256:"));
	r = source_open(path, NULL, &file, err);
	if (r == 0) {
		const struct image_options options = { .format = IMAGE_INDEX,
			                               .places = SOURCE_PLACE(path) };

		r = image_open(file, &options, ret, err);
	}
	if (r == 0)
		file = NULL;
	return r;
}

static int add_layers(struct importer *importer, const struct build_result *built, const char *disk,
                      struct error *err)
{
	const struct index_header *header = &built->header;
	cleanup(image_close) struct image *image = NULL;
	char digest[STORE_DIGEST_ROOM];
	int r = add_layer(importer, MACHINE_INDEX_TYPE, built->digest, INDEX_HEADER_BYTES, disk,
	                  err);

	index_digest_name(built->digest, digest);
	if (r == 0)
		r = add_layer(importer, MACHINE_PAGES_TYPE, header->pages_digest,
		              header->pages_size, disk, err);
	if (r == 0 && header->trace_size > 0)
		r = add_layer(importer, MACHINE_TRACE_TYPE, header->trace_digest,
		              header->trace_size, disk, err);
	if (r == 0)
		r = open_index(importer, digest, &image, err);
	for (uint64_t i = 0; r == 0 && i < header->n_packs; i++) {
		struct index_pack pack;

		r = index_find_pack(to_index(image), (uint32_t)i, NULL, &pack, err);
		if (r == 0)
			r = add_layer(importer, MACHINE_PACK_TYPE, pack.digest, pack.size, disk,
			              err);
	}
	return r;
}

static bool has_blob(const struct importer *importer, const char *digest)
{
	uint64_t size;

	return importer->own->ops->find_blob(importer->own, importer->import->name, digest, &size,
	                                     NULL) == 0;
}

/* Is all of the earlier release here?  One that is streamed from a registry may not be. */
static bool is_whole(const struct importer *importer, const struct oci_manifest *manifest)
{
	for (size_t i = 0; i < manifest->n_layers; i++)
		if (!has_blob(importer, manifest->layers[i].digest))
			return false;
	return true;
}

/* What the tag named before, when it is a machine's image; one that was said must be one. */
static int find_base(struct importer *importer, struct error *err)
{
	const struct import *import = importer->import;
	const char *which = import->base ? import->base : import->tag;
	struct store_manifest manifest = { 0 };
	int r = store_get_manifest(importer->own, import->name, which, &manifest, err);

	if (r == -ENOENT && !import->base)
		return 0;
	if (r == 0)
		r = machine_image_get(importer->own, import->name, &manifest, &importer->base, err);
	store_manifest_free(&manifest);
	return (r == -EMEDIUMTYPE || r == -ENOENT) && !import->base ? 0 : r;
}

/* The index that the machine's disk was made from.  Whatever is wrong with it: then without. */
static void open_origin(struct importer *importer, struct image **ret)
{
	const struct import *import = importer->import;
	cleanup(image_close) struct image *image = NULL;
	char digest[STORE_DIGEST_ROOM];
	const struct index_header *header;

	if (!import->origin || !has_blob(importer, import->origin) ||
	    open_index(importer, import->origin, &image, NULL) < 0)
		return;
	header = &to_index(image)->header;
	index_digest_name(header->pages_digest, digest);
	if (!has_blob(importer, digest) ||
	    (import->chunk_size && header->chunk_size != import->chunk_size))
		return;
	for (uint64_t i = 0; i < header->n_packs; i++) {
		struct index_pack pack;

		if (index_find_pack(to_index(image), (uint32_t)i, NULL, &pack, NULL) < 0)
			return;
		index_digest_name(pack.digest, digest);
		if (!has_blob(importer, digest))
			return;
	}
	importer->result.based = true;
	*ret = take_ptr(image);
}

static int open_base_disk(struct importer *importer, const char *name, struct image **ret,
                          struct error *err)
{
	const struct machine_config *config = &importer->base.config;
	const struct import *import = importer->import;
	int r;

	if (!importer->base.manifest) {
		if (importer->config.n_disks == 0)
			open_origin(importer, ret);
		return 0;
	}
	if (!is_whole(importer, importer->base.manifest))
		return 0;
	for (size_t i = 0; i < config->n_disks; i++) {
		if (strcmp(config->disks[i].name, name) != 0)
			continue;
		r = open_index(importer, config->disks[i].index, ret, err);
		if (r < 0)
			return r;
		/* Chunks of another size have nothing in common. */
		if (import->chunk_size && to_index(*ret)->header.chunk_size != import->chunk_size) {
			image_close(take_ptr(*ret));
			return 0;
		}
		importer->result.based = true;
		return 0;
	}
	return 0;
}

static bool progress(void *arg, uint64_t done, uint64_t total __attribute__((unused)))
{
	const struct importer *importer = arg;
	const struct import *import = importer->import;

	return import->progress(import->arg, importer->passed + done, importer->total);
}

static int import_disk(struct importer *importer, const struct import_disk *disk, struct error *err)
{
	const struct import *import = importer->import;
	struct machine_disk *entry = &importer->config.disks[importer->config.n_disks];
	cleanup(image_close) struct image *base = NULL;
	struct build_options options = { .chunk_size = import->chunk_size,
		                         .level = import->level,
		                         .trace = disk->trace,
		                         .progress = import->progress ? progress : NULL,
		                         .arg = importer };
	struct build_result built;
	int r = open_base_disk(importer, disk->name, &base, err);

	if (r < 0)
		return r;
	options.base = base;
	if (base)
		options.chunk_size = to_index(base)->header.chunk_size;
	r = library_build(disk->image, importer->blobs, &options, &built, err);
	if (r == 0)
		r = add_layers(importer, &built, disk->name, err);
	if (r < 0)
		return r;
	snprintf(entry->name, sizeof(entry->name), "%s", disk->name);
	entry->role = disk->role;
	entry->size = disk->image->size;
	index_digest_name(built.digest, entry->index);
	importer->config.n_disks++;
	importer->passed += disk->image->size;
	importer->result.size += disk->image->size;
	importer->result.new_packs += built.new_packs;
	importer->result.new_bytes += built.new_bytes;
	return 0;
}

static int write_config(struct importer *importer, struct oci_descriptor *ret, struct error *err)
{
	cleanup(blob_free) struct blob *blob = NULL;
	cleanup_free char *text = NULL;
	uint8_t digest[32];
	size_t len;
	int r = machine_config_write(&importer->config, &text, &len, err);

	if (r == 0)
		r = blob_new(importer->blobs, &blob, err);
	if (r == 0)
		r = blob_append(blob, text, len, err);
	if (r == 0)
		r = blob_finish(blob, digest, err);
	if (r < 0)
		return r;
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", MACHINE_CONFIG_TYPE);
	index_digest_name(digest, ret->digest);
	ret->size = len;
	return 0;
}

static int put_manifest(struct importer *importer, struct error *err)
{
	struct oci_manifest manifest = { .layers = importer->layers.at,
		                         .n_layers = importer->layers.n,
		                         .annotations = importer->annotations };
	struct store_manifest bytes = { 0 };
	int r = write_config(importer, &manifest.config, err);

	snprintf(manifest.artifact_type, sizeof(manifest.artifact_type), "%s", MACHINE_IMAGE_TYPE);
	if (r == 0)
		r = oci_manifest_write(&manifest, &bytes, err);
	if (r == 0)
		r = importer->own->ops->put_manifest(importer->own, importer->import->name,
		                                     importer->import->tag, &bytes, err);
	if (r == 0)
		memcpy(importer->result.digest, bytes.digest, sizeof(bytes.digest));
	store_manifest_free(&bytes);
	return r;
}

/* What a machine should have that nobody said now: as in the earlier release. */
static void keep_earlier(struct machine_config *config, const struct machine_config *earlier)
{
	if (!config->cpus_recommended) {
		config->cpus_minimum = earlier->cpus_minimum;
		config->cpus_recommended = earlier->cpus_recommended;
	}
	if (!config->memory_recommended) {
		config->memory_minimum = earlier->memory_minimum;
		config->memory_recommended = earlier->memory_recommended;
	}
	if (!config->firmware[0])
		memcpy(config->firmware, earlier->firmware, sizeof(config->firmware));
	if (!config->os[0])
		memcpy(config->os, earlier->os, sizeof(config->os));
}

/* What is said now, and of the rest what the earlier release said. */
static int set_words(struct importer *importer, struct error *err)
{
	const struct import *import = importer->import;
	struct machine_config *config = &importer->config;
	uint64_t last = importer->base.manifest ? importer->base.config.release : 0;
	const json_t *earlier =
		importer->base.manifest ? importer->base.manifest->annotations : NULL;

	if (importer->base.manifest)
		keep_earlier(config, &importer->base.config);
	if (!config->firmware[0])
		snprintf(config->firmware, sizeof(config->firmware), "auto");
	if (config->release == IMPORT_NEXT_RELEASE)
		config->release = last + 1;
	importer->result.release = config->release;
	format_utc(import->created, config->created);
	importer->annotations = earlier ? json_deep_copy(earlier) : json_object();
	/* A version belongs to one release. */
	json_object_del(importer->annotations, OCI_VERSION);
	if (!importer->annotations ||
	    json_object_update(importer->annotations, (json_t *)import->annotations) < 0 ||
	    json_object_set_new(importer->annotations, OCI_CREATED, json_string(config->created)) <
	            0)
		return error_sys(err, ENOMEM, "%s", import->name);
	return 0;
}

static int run_import(struct importer *importer, struct error *err)
{
	const struct import *import = importer->import;
	int r = find_base(importer, err);

	for (size_t i = 0; i < import->n_disks; i++)
		importer->total += import->disks[i].image->size;
	if (r == 0)
		r = set_words(importer, err);
	for (size_t i = 0; i < import->n_disks && r == 0; i++)
		r = import_disk(importer, &import->disks[i], err);
	return r == 0 ? put_manifest(importer, err) : r;
}

int library_import(struct store *own, const char *path, const struct import *import,
                   struct import_result *ret, struct error *err)
{
	struct importer importer = {
		.own = own, .path = path, .import = import, .config = import->config
	};
	cleanup_close int held = -1;
	int r;

	importer.config.n_disks = 0;
	if (import->n_disks == 0 || import->n_disks > MACHINE_IMAGE_MAX_DISKS)
		return error_set(err, EINVAL, "an image has from 1 to %u disks",
		                 MACHINE_IMAGE_MAX_DISKS);
	if (snprintf(importer.blobs, sizeof(importer.blobs), "%s/blobs/sha256", path) >=
	    (int)sizeof(importer.blobs))
		return error_set(err, ENAMETOOLONG, "%s: the path is too long", path);
	r = store_hold(own, &held, err);
	if (r == 0)
		r = run_import(&importer, err);
	if (r == 0)
		*ret = importer.result;
	if (importer.base.manifest)
		machine_image_free(&importer.base);
	json_decref(importer.annotations);
	for (size_t i = 0; i < importer.layers.n; i++)
		json_decref(importer.layers.at[i].annotations);
	free(importer.layers.at);
	return r;
}
