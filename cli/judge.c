// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Manifests of signatures, and what they sign. */
struct signatures {
	const struct library_found *found;
	struct policy_candidate at[POLICY_MAX_CANDIDATES];
	size_t n;
};

static void signatures_free(struct signatures *signatures)
{
	for (size_t i = 0; i < signatures->n; i++) {
		free((char *)signatures->at[i].manifest);
		free((char *)signatures->at[i].payload);
	}
	free(signatures);
}
DEFINE_CLEANUP(struct signatures *, signatures_free);

/* One that cannot be fetched is left out: others may be better. */
static int take_signature(void *arg, const char *digest, struct error *err __attribute__((unused)))
{
	struct signatures *all = arg;
	const struct library_found *found = all->found;
	struct store_manifest manifest = { 0 };
	struct policy_candidate *to = &all->at[all->n];
	char payload_digest[STORE_DIGEST_ROOM];
	char *payload = NULL;
	uint64_t size;
	size_t len;
	int r;

	if (all->n == POLICY_MAX_CANDIDATES)
		return 0;
	r = store_get_manifest(found->store, found->name, digest, &manifest, NULL);
	if (r == 0)
		r = signature_payload(manifest.bytes, manifest.len, payload_digest, &size, NULL);
	if (r == 0)
		r = store_get_blob(found->store, found->name, payload_digest, SIGNATURE_MAX_BYTES,
		                   &payload, &len, NULL);
	if (r == 0) {
		to->manifest = take_ptr(manifest.bytes);
		to->manifest_len = manifest.len;
		to->payload = payload;
		to->payload_len = len;
		all->n++;
	}
	store_manifest_free(&manifest);
	return 0;
}

static bool ask(void *arg __attribute__((unused)), const char *question)
{
	return cli_confirm("%s", question);
}

/* "registry.example/debian:12@sha256:…" */
static char *full_name(const struct library_found *found, const struct reference *ref)
{
	char *name;

	if (asprintf(&name, "%s%s%s%s%s", found->canonical, *ref->tag ? ":" : "", ref->tag,
	             *ref->digest ? "@" : "", ref->digest) < 0)
		return NULL;
	return name;
}

int cli_judge(const struct cli_call *call, const struct library_found *found,
              const struct reference *ref, struct policy_answer *ret, struct error *err)
{
	cleanup(signatures_free) struct signatures *signatures = calloc(1, sizeof(*signatures));
	cleanup(trust_store_close) struct trust_store trust = { 0 };
	struct oci_descriptor image = { .size = found->manifest.len };
	cleanup_free char *name = full_name(found, ref);
	struct policy_case this = { .trust = &trust,
		                    .name = name,
		                    .manifest = &image,
		                    .now = time(NULL),
		                    .trust_key = cli_text(call, "trust", NULL),
		                    .ask = isatty(STDIN_FILENO) ? ask : NULL };
	int r;

	if (!signatures || !name)
		return error_sys(err, ENOMEM, "%s", found->canonical);
	signatures->found = found;
	memcpy(image.media_type, found->manifest.media_type, sizeof(image.media_type));
	memcpy(image.digest, found->manifest.digest, sizeof(image.digest));
	r = trust_store_open(&trust, err);
	if (r == 0 && policy_wants_signatures(&trust, name))
		r = found->store->ops->referrers(found->store, found->name, image.digest,
		                                 SIGNATURE_TYPE, take_signature, signatures, err);
	if (r < 0)
		return r;
	this.candidates = signatures->at;
	this.n_candidates = signatures->n;
	return policy_judge(&this, ret, err);
}

int cli_remember(const struct policy_answer *answer, struct error *err)
{
	if (answer->verdict == POLICY_UNCHECKED)
		return 0;
	return trust_store_remember(&answer->memory, time(NULL), err);
}
