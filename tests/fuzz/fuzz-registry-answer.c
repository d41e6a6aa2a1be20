// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a registry says.  The first byte chooses: a page of names, a page of tags, a refusal, a Link,
 * how far an upload is.
 */
#include <stdlib.h>
#include <string.h>

#include "library/registry-answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int count(void *arg, const char *text, struct error *err)
{
	size_t *n = arg;

	(void)err;
	*n += strlen(text) < STORE_MAX_MANIFEST;
	return 0;
}

static void page(const char *text, size_t len, const char *member)
{
	size_t told = 0, n;

	if (registry_page_parse(text, len, member, 100, count, &told, &n, NULL) == 0 &&
	    (n > 100 || told != n))
		abort();
}

static void refusal(const char *text, size_t len)
{
	struct registry_error got;

	registry_error_parse(text, len, &got);
	for (const char *c = got.message; *c; c++)
		if ((unsigned char)*c < 0x20)
			abort();
	if (strpbrk(got.code, " \n\033"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = calloc(1, len + 1), next[64];
	uint64_t there;

	if (!text || len == 0) {
		free(text);
		return 0;
	}
	memcpy(text, data + 1, len - 1);
	switch (data[0]) {
	case 'n':
		page(text, len - 1, "repositories");
		break;
	case 't':
		page(text, len - 1, "tags");
		break;
	case 'e':
		refusal(text, len - 1);
		break;
	case 'l':
		if (registry_next_link(text, next, sizeof(next)) && !next[0])
			abort();
		break;
	default:
		if (registry_upload_range(text, &there) == 0 && there == 1)
			abort();
	}
	free(text);
	return 0;
}
