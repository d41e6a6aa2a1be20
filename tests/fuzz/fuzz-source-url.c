// SPDX-License-Identifier: GPL-2.0-or-later
/* The name of a source, and a name that an image gives its parent: text, NUL, text. */
#include <stdlib.h>
#include <string.h>

#include "disk/source/source.h"
#include "disk/source/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = calloc(1, len + 2), *name, *sibling = NULL;
	struct source_url url;
	struct error err;

	if (!text)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	name = text + strlen(text) + 1;
	if (source_url_parse(text, &url, &err) == 0) {
		if (!url.target[0] || !url.name[0])
			abort();
		source_url_free(&url);
		if (source_sibling(text, name, &sibling, &err) == 0 &&
		    source_url_parse(sibling, &url, &err) == 0)
			source_url_free(&url);
	}
	free(sibling);
	free(text);
	return 0;
}
