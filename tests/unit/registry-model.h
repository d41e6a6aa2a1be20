/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small OCI registry on web-server.h, which does what the specification allows registries to do,
 * and fails as it is told to.
 */
#ifndef TESTS_UNIT_REGISTRY_MODEL_H
#define TESTS_UNIT_REGISTRY_MODEL_H

#include "tests/unit/web-server.h"

#define MODEL_ITEMS 64

/* One request that goes wrong: the first that matches. */
struct model_fault {
	const char *method; /* NULL: none is set */
	const char *path;   /* a part of it */
	unsigned int after; /* matches that go well before */
	unsigned int times; /* that fail; 0: all */
	int status;         /* 0: nothing is answered */
	const char *headers;
	const char *body;
	size_t cut; /* not 0: answer rightly, but only so many bytes of the body */
};

struct model_item {
	char name[128];  /* manifests only */
	char which[128]; /* tag or digest */
	char type[128];
	uint8_t *data;
	size_t len;
};

struct registry_model {
	struct web_server *server;
	/* Set before it is used, or between requests. */
	bool has_referrers;
	bool relative;      /* Locations are paths */
	bool ignores_range; /* of blobs */
	bool no_deletes_of_tags;
	size_t page;           /* most names of a page; 0: what is asked for */
	bool no_links;         /* `last` works, and is not told */
	const char *least;     /* OCI-Chunk-Min-Length */
	const char *storage;   /* blobs are there: "http://127.0.0.1:1" */
	const char *mountable; /* the name from which blobs can be had */
	struct model_fault fault;
	const char *names[MODEL_ITEMS]; /* of the catalogue; ends with NULL */

	struct model_item manifests[MODEL_ITEMS], blobs[MODEL_ITEMS], uploads[MODEL_ITEMS];
	size_t n_manifests, n_blobs, n_uploads;
	unsigned int matched;
	char scratch[8192];
};

void registry_model_start(struct registry_model *model);
void registry_model_stop(struct registry_model *model);

/* "sha256:…" */
void model_digest(const void *data, size_t len, char ret[72]);
void model_add_blob(struct registry_model *model, const void *data, size_t len);
void model_add_manifest(struct registry_model *model, const char *name, const char *which,
                        const char *type, const char *text);
const struct model_item *model_blob(const struct registry_model *model, const char *digest);
const struct model_item *model_manifest(const struct registry_model *model, const char *name,
                                        const char *which);

#endif
