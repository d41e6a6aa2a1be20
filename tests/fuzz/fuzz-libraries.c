// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file of libraries, and references: what a person or a stranger's catalogue wrote.
 */
#include <stdlib.h>
#include <string.h>

#include "library/libraries.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_reference(const char *text)
{
	cleanup(reference_free) struct reference ref = { 0 };
	struct error err;

	if (reference_parse(text, &ref, &err) < 0)
		return;
	if (!reference_name_valid(ref.name) || (*ref.tag && !reference_tag_valid(ref.tag)) ||
	    (*ref.digest && !reference_digest_valid(ref.digest)) || !*reference_which(&ref) ||
	    (ref.folder && *ref.host) || strpbrk(ref.host, "/@# \n"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup(libraries_free) struct libraries libraries = { 0 };
	cleanup_free char *text = malloc(len + 1);
	struct error err;

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	try_reference(text);
	libraries_parse(text, &libraries, &err);
	for (size_t i = 0; i < libraries.n; i++) {
		const struct library *library = &libraries.at[i];

		if (strchr(library->name, '.') || !*library->address ||
		    (*library->prefix && library->kind != LIBRARY_REGISTRY))
			abort();
	}
	return 0;
}
