// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/copy-plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "library/closure.h"

#define SIGNATURE_TYPE "application/vnd.sill.signature.v1"
#define MAX_DEPTH      4u /* of lists of lists */

static int add_blob(struct copy_plan *plan, const struct oci_descriptor *blob, struct error *err)
{
	if (plan->n_blobs == PLAN_MAX_BLOBS)
		return error_set(err, E2BIG, "%s: %s consists of more than %u blobs",
		                 plan->from->name, plan->name, PLAN_MAX_BLOBS);
	if (plan->n_blobs == plan->room) {
		size_t room = plan->room ? 2 * plan->room : 64;
		struct plan_blob *more = reallocarray(plan->blobs, room, sizeof(*more));

		if (!more)
			return error_sys(err, ENOMEM, "%s", plan->name);
		plan->blobs = more;
		plan->room = room;
	}
	plan->blobs[plan->n_blobs] = (struct plan_blob){
		.size = blob->size,
		.order = plan->n_blobs,
	};
	memcpy(plan->blobs[plan->n_blobs++].digest, blob->digest, STORE_DIGEST_ROOM);
	return 0;
}

/* What becomes the plan's is left empty. */
static int add_manifest(struct copy_plan *plan, struct plan_manifests *list,
                        struct store_manifest *manifest, struct error *err)
{
	struct store_manifest *more = reallocarray(list->at, list->n + 1, sizeof(*more));

	if (!more)
		return error_sys(err, ENOMEM, "%s", plan->name);
	list->at = more;
	plan->bytes += manifest->len;
	list->at[list->n++] = *manifest;
	*manifest = (struct store_manifest){ 0 };
	return 0;
}

static bool has_manifest(const struct plan_manifests *list, const char *digest)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->at[i].digest, digest) == 0)
			return true;
	return false;
}

static int add_blobs(struct copy_plan *plan, const struct oci_manifest *manifest, struct error *err)
{
	int r = add_blob(plan, &manifest->config, err);

	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++)
		r = add_blob(plan, &manifest->layers[i], err);
	return r;
}

static int add_machine(struct copy_plan *plan, const struct store_manifest *manifest,
                       struct error *err)
{
	cleanup(machine_image_free) struct machine_image image = { 0 };
	int r = machine_image_get(plan->from, plan->name, manifest, &image, err);

	if (r == 0)
		r = closure_check(plan->from, plan->name, &image, err);
	return r < 0 ? r : add_blobs(plan, image.manifest, err);
}

/* A list of images being walked. */
struct list {
	struct copy_plan *plan;
	unsigned int depth;
};

static int add_any(struct copy_plan *plan, const struct store_manifest *manifest,
                   unsigned int depth, struct error *err);

static int add_child(void *arg, const struct oci_descriptor *child, struct error *err)
{
	struct list *list = arg;
	struct copy_plan *plan = list->plan;
	cleanup(store_manifest_free) struct store_manifest manifest = { 0 };
	int r;

	if (has_manifest(&plan->children, child->digest))
		return 0;
	if (!oci_is_index(child->media_type) && !oci_is_manifest(child->media_type))
		return add_blob(plan, child, err);
	r = store_get_manifest(plan->from, plan->name, child->digest, &manifest, err);
	if (r == 0 && manifest.len != child->size)
		r = error_set(err, EBADMSG, "%s: the manifest %s of %s has %zu bytes, not %llu",
		              plan->from->name, child->digest, plan->name, manifest.len,
		              (unsigned long long)child->size);
	if (r < 0)
		return r;
	memcpy(manifest.media_type, child->media_type, STORE_MEDIA_ROOM);
	r = add_any(plan, &manifest, list->depth + 1, err);
	/* Behind what it lists itself. */
	return r < 0 ? r : add_manifest(plan, &plan->children, &manifest, err);
}

static int add_any(struct copy_plan *plan, const struct store_manifest *manifest,
                   unsigned int depth, struct error *err)
{
	cleanup(oci_manifest_free) struct oci_manifest *parsed = NULL;
	struct list list = { plan, depth };
	int r;

	if (depth == MAX_DEPTH)
		return error_set(err, EBADMSG, "%s: lists of images are nested too deeply in %s",
		                 plan->from->name, plan->name);
	if (oci_is_index(manifest->media_type)) {
		r = oci_index_each(manifest->bytes, manifest->len, add_child, &list, err);
	} else {
		r = oci_manifest_parse(manifest->bytes, manifest->len, &parsed, err);
		if (r == 0 && strcmp(parsed->artifact_type, MACHINE_IMAGE_TYPE) == 0)
			return add_machine(plan, manifest, err);
		if (r == 0)
			r = add_blobs(plan, parsed, err);
	}
	return r;
}

static int add_referrer(void *arg, const char *digest, struct error *err)
{
	struct copy_plan *plan = arg;
	cleanup(store_manifest_free) struct store_manifest manifest = { 0 };
	cleanup(oci_manifest_free) struct oci_manifest *parsed = NULL;
	int r;

	if (has_manifest(&plan->referrers, digest))
		return 0;
	if (plan->referrers.n == PLAN_MAX_REFERRERS)
		return error_set(err, E2BIG, "%s: more than %u manifests refer to %s",
		                 plan->from->name, PLAN_MAX_REFERRERS, plan->name);
	r = store_get_manifest(plan->from, plan->name, digest, &manifest, err);
	if (r == 0)
		r = oci_manifest_parse(manifest.bytes, manifest.len, &parsed, err);
	if (r == 0)
		r = add_blobs(plan, parsed, err);
	return r < 0 ? r : add_manifest(plan, &plan->referrers, &manifest, err);
}

/* Of the image, and with any kind what refers to that in turn; there is an end to it. */
static int add_referrers(struct copy_plan *plan, const char *digest, struct error *err)
{
	const char *type = plan->any_kind ? "" : SIGNATURE_TYPE;
	struct store *from = plan->from;
	int r = from->ops->referrers(from, plan->name, digest, type, add_referrer, plan, err);

	for (size_t i = 0; plan->any_kind && r == 0 && i < plan->referrers.n; i++) {
		char of[STORE_DIGEST_ROOM];

		/* The list moves while it grows. */
		memcpy(of, plan->referrers.at[i].digest, sizeof(of));
		r = from->ops->referrers(from, plan->name, of, type, add_referrer, plan, err);
	}
	return r;
}

static int by_digest(const void *a, const void *b)
{
	const struct plan_blob *x = a, *y = b;
	int order = strcmp(x->digest, y->digest);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
	const struct plan_blob *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

/* Each blob once; whoever says two sizes of one lies about it. */
static int settle(struct copy_plan *plan, struct error *err)
{
	size_t n = 0;

	if (plan->n_blobs == 0)
		return 0;
	qsort(plan->blobs, plan->n_blobs, sizeof(*plan->blobs), by_digest);
	for (size_t i = 0; i < plan->n_blobs; i++) {
		const struct plan_blob *blob = &plan->blobs[i];

		if (n > 0 && strcmp(plan->blobs[n - 1].digest, blob->digest) == 0) {
			if (plan->blobs[n - 1].size == blob->size)
				continue;
			return error_set(err, EBADMSG, "%s: %s names %s with two sizes",
			                 plan->from->name, plan->name, blob->digest);
		}
		plan->bytes += blob->size;
		plan->blobs[n++] = *blob;
	}
	plan->n_blobs = n;
	qsort(plan->blobs, n, sizeof(*plan->blobs), by_order);
	return 0;
}

int copy_plan_make(struct store *from, const char *name, const struct store_manifest *manifest,
                   bool any_kind, struct copy_plan *ret, struct error *err)
{
	struct copy_plan plan = {
		.from = from, .name = name, .any_kind = any_kind, .bytes = manifest->len
	};
	int r = any_kind ? add_any(&plan, manifest, 0, err) : add_machine(&plan, manifest, err);

	if (r == 0)
		r = add_referrers(&plan, manifest->digest, err);
	if (r == 0)
		r = settle(&plan, err);
	if (r < 0)
		copy_plan_free(&plan);
	else
		*ret = plan;
	return r;
}

static void free_manifests(struct plan_manifests *list)
{
	for (size_t i = 0; i < list->n; i++)
		store_manifest_free(&list->at[i]);
	free(list->at);
}

void copy_plan_free(struct copy_plan *plan)
{
	free_manifests(&plan->children);
	free_manifests(&plan->referrers);
	free(plan->blobs);
	*plan = (struct copy_plan){ 0 };
}
