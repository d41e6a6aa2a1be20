/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The near directory of an image, and opening the image the way it says.
 */
#ifndef DISK_IMAGE_DIR_H
#define DISK_IMAGE_DIR_H

#include <jansson.h>

#include "disk/format/image.h"
#include "disk/messages.h"
#include "disk/spec.h"

/* One file that an image is made of. */
struct image_file {
	struct source_places places; /* where it was found, or may be; URLs alone */
	unsigned int meta;           /* its structures are near in meta-<meta>.* */
	struct source_identity identity;
};

/* image.json */
struct image_record {
	uint8_t id[32];
	enum image_format format;
	uint64_t size;            /* of the virtual disk */
	struct image_file *files; /* the image, its parent, … */
	size_t n_files;
	json_t *info;
};

#define IMAGE_RECORD_NAME "image.json"

/* Parents that are asked for, with all the places where they might be. */
#define IMAGE_MAX_TRIES 1024
/* Number of the near copy of an index's pages, which no other file can have. */
#define IMAGE_META_BESIDE IMAGE_MAX_TRIES

int image_record_load(const char *dir, struct image_record **ret, struct error *err);
int image_record_parse(const json_t *object, struct image_record **ret, struct error *err);
int image_record_save(const struct image_record *record, const char *dir, struct error *err);
/*
 * Add the places of the same image's other record that are not there yet, as far as there is room.
 * *ret_more: were there any?
 */
int image_record_merge(struct image_record *record, const struct image_record *other,
                       bool *ret_more, struct error *err);
/* NULL is allowed. */
void image_record_free(struct image_record *record);
DEFINE_CLEANUP(struct image_record *, image_record_free);

/* Opens an image through chains and near metadata: what far_new() wants. */
struct image_opener;

/*
 * With a record nothing is contacted that is not needed, parents are looked for only in places that
 * it names, and the image must turn out to be the one it names.  Without: a first look.  `record`
 * and `messages` are the caller's, and stay; messages may be NULL.
 */
int image_opener_new(const struct disk_spec *spec, const char *dir,
                     const struct image_record *record, struct messages *messages,
                     struct image_opener **ret, struct error *err);
/* The image is closed already.  NULL is allowed. */
void image_opener_free(struct image_opener *opener);
DEFINE_CLEANUP(struct image_opener *, image_opener_free);

/* A far_opener. */
int image_opener_open(void *opener, struct image **ret, struct error *err);
/* After it has opened: what it opened, for a record of it. */
int image_opener_record(const struct image_opener *opener, struct image *image,
                        struct image_record **ret, struct error *err);
/* chain_status() of all files of the image, while it is open. */
/* Bytes of chunks that were taken from other images of this host. */
uint64_t image_opener_copied(const struct image_opener *opener);
json_t *image_opener_status(const struct image_opener *opener, struct image *image);

#endif
