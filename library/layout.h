/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * index.json of an OCI image layout: which manifests a folder has, and what they are called.  Source
 * of the facts: OCI image specification 1.1, image-layout and annotations.
 *
 * "org.opencontainers.image.ref.name" is "NAME:TAG" where Sill wrote it.  Other tools write what they
 * like there: "NAME" alone is NAME:latest; what is no name is nobody's, and is left alone.  Entries
 * without one are known by their digest: manifests whose tag moved on, and those that refer to
 * others.  Members that are not known stay as they are.
 *
 * Trust: hostile, bounded as oci.h says.  One thread at a time.
 */
#ifndef LIBRARY_LAYOUT_H
#define LIBRARY_LAYOUT_H

#include "library/oci.h"
#include "library/reference.h"

#define LAYOUT_REF_NAME "org.opencontainers.image.ref.name"
#define LAYOUT_MARK     "{\"imageLayoutVersion\":\"1.0.0\"}"
#define LAYOUT_EMPTY                                                                   \
	"{\"manifests\":[],\"mediaType\":\"application/vnd.oci.image.index.v1+json\"," \
	"\"schemaVersion\":2}"

struct layout_entry {
	struct oci_descriptor manifest;
	char name[REFERENCE_NAME_MAX + 1]; /* "": it has none that is one */
	char tag[REFERENCE_TAG_MAX + 1];
	bool untagged; /* it has no ref.name at all */
};

struct layout {
	json_t *root;
	struct layout_entry *entries; /* as "manifests" of root */
	size_t n;
};

/* The file "oci-layout": is it a version that we read? */
int layout_check_mark(const char *text, size_t len, struct error *err);

/* -EBADMSG without the file's name. */
int layout_parse(const char *text, size_t len, struct layout *ret, struct error *err);
void layout_free(struct layout *layout);
static inline void layout_free_at(struct layout *at)
{
	layout_free(at);
}
/* -EFBIG when it would be larger than anybody reads.  The caller frees *ret. */
int layout_write(const struct layout *layout, char **ret, size_t *ret_len, struct error *err);

/* The entry of a tag of `name`, or of a digest; NULL. */
const struct layout_entry *layout_find(const struct layout *layout, const char *name,
                                       const char *which);
/*
 * Name a manifest; `tag` NULL: by its digest alone.  What had the tag before stays, without it.
 * True when anything changed.
 */
int layout_put(struct layout *layout, const char *name, const char *tag,
               const struct oci_descriptor *manifest, bool *ret_changed, struct error *err);
/*
 * A tag goes, its manifest stays; a digest goes with all its tags of `name`, and altogether when no
 * other name has it.  -ENOENT without a sentence.
 */
int layout_remove(struct layout *layout, const char *name, const char *which, struct error *err);

/*
 * store_ops.get_manifest of a store that has such an index: by a tag, or by any digest, for lists of
 * images name manifests that index.json does not.
 */
int layout_get_manifest(const struct layout *layout, struct store *store, const char *name,
                        const char *which, struct store_manifest *ret, struct error *err);

/* Sorted, each once. */
int layout_names(const struct layout *layout, store_item *item, void *arg, struct error *err);
int layout_tags(const struct layout *layout, const char *name, store_item *item, void *arg,
                struct error *err);
/* The manifests, got from `store`, that refer to `digest`; "" for any type. */
int layout_referrers(const struct layout *layout, struct store *store, const char *name,
                     const char *digest, const char *artifact_type, store_item *item, void *arg,
                     struct error *err);

#endif
