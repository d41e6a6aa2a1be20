// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A library's catalogue.json.
 */
#include <stdlib.h>
#include <string.h>

#include "library/catalogue.h"
#include "library/reference.h"
#include "util/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is shown to a person and used as a reference has been checked. */
static int look(void *arg, const struct catalogue_entry *entry, struct error *err)
{
	const char *const texts[] = { entry->title,   entry->description, entry->picture,
		                      entry->licence, entry->publisher,   entry->released };

	(void)arg;
	(void)err;
	if (!reference_name_valid(entry->name) || entry->n_tags > CATALOGUE_MAX_TAGS)
		abort();
	for (size_t i = 0; i < entry->n_tags; i++) {
		if (!reference_tag_valid(entry->tags[i]))
			abort();
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!text_is_utf8(texts[i]) || strpbrk(texts[i], "\n\r\t\x1b\x7f"))
			abort();
	}
	catalogue_matches(entry, "debian");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct error err;

	catalogue_each((const char *)data, len, look, NULL, &err);
	return 0;
}
