// SPDX-License-Identifier: GPL-2.0-or-later
/* A manifest, an index or a machine's configuration from anywhere; the first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "library/layout.h"
#include "library/machine-image.h"
#include "library/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect_descriptor(const struct oci_descriptor *descriptor)
{
	if (!reference_digest_valid(descriptor->digest) || descriptor->size > UINT64_C(1) << 53 ||
	    !descriptor->media_type[0])
		abort();
}

static int each(void *arg, const struct oci_descriptor *descriptor, struct error *err)
{
	(void)arg;
	(void)err;
	expect_descriptor(descriptor);
	return 0;
}

static int expect_item(void *arg, const char *text, struct error *err)
{
	(void)err;
	if (arg ? !reference_tag_valid(text) : !reference_name_valid(text))
		abort();
	return 0;
}

/* A folder's index.json: what is put is found, what is removed is not, and it stays one. */
static void try_layout(const char *text, size_t len)
{
	struct oci_descriptor manifest = { .media_type = OCI_MANIFEST, .size = 7 };
	struct layout layout, again;
	const struct layout_entry *entry;
	struct error err;
	size_t out_len;
	bool changed;
	char *out;

	if (layout_parse(text, len, &layout, &err) < 0)
		return;
	oci_digest("", 0, manifest.digest);
	layout_names(&layout, expect_item, NULL, &err);
	layout_tags(&layout, "a", expect_item, &layout, &err);
	for (int i = 0; i < 2; i++) {
		if (layout_put(&layout, "a", i ? NULL : "b", &manifest, &changed, &err) < 0)
			abort();
		entry = layout_find(&layout, "a", i ? manifest.digest : "b");
		if (!entry || strcmp(entry->manifest.digest, manifest.digest) != 0)
			abort();
	}
	if (layout_write(&layout, &out, &out_len, &err) == 0) {
		if (layout_parse(out, out_len, &again, &err) < 0 || again.n != layout.n)
			abort();
		layout_free(&again);
		free(out);
	}
	if (layout_remove(&layout, "a", manifest.digest, &err) < 0 ||
	    layout_find(&layout, "a", "b"))
		abort();
	layout_free(&layout);
}

/* What was read can be written, and what was written reads the same. */
static void try_manifest(const char *text, size_t len)
{
	struct oci_manifest *manifest = NULL, *again = NULL;
	struct store_manifest out = { 0 };
	struct error err;

	if (oci_manifest_parse(text, len, &manifest, &err) < 0)
		return;
	expect_descriptor(&manifest->config);
	for (size_t i = 0; i < manifest->n_layers; i++)
		expect_descriptor(&manifest->layers[i]);
	if (oci_manifest_write(manifest, &out, &err) == 0) {
		if (oci_manifest_parse(out.bytes, out.len, &again, &err) < 0 ||
		    again->n_layers != manifest->n_layers ||
		    again->has_subject != manifest->has_subject)
			abort();
		oci_manifest_free(again);
		store_manifest_free(&out);
	}
	oci_manifest_free(manifest);
}

static void try_config(const char *text, size_t len)
{
	struct machine_config config;
	struct error err;
	size_t out_len;
	char *out;

	if (machine_config_parse(text, len, &config, &err) < 0)
		return;
	if (config.n_disks < 1 || config.n_disks > MACHINE_IMAGE_MAX_DISKS)
		abort();
	if (machine_config_write(&config, &out, &out_len, &err) < 0)
		abort();
	free(out);
	machine_config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data + 1;
	struct error err;

	if (len < 1)
		return 0;
	switch (data[0] % 3) {
	case 0:
		try_manifest(text, len - 1);
		break;
	case 1:
		oci_index_each(text, len - 1, each, NULL, &err);
		try_layout(text, len - 1);
		break;
	default:
		try_config(text, len - 1);
	}
	return 0;
}
