// SPDX-License-Identifier: GPL-2.0-or-later
/* A credentials file and the look-up of a URL in it: the text up to the first NUL, then the URL. */
#include <stdlib.h>
#include <string.h>

#include "disk/source/credentials.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = calloc(1, len + 2);
	struct credentials *creds;
	struct error err;
	size_t n;

	if (!text)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	n = strlen(text);
	if (credentials_parse(text, n, "fuzz", &creds, &err) == 0) {
		const struct credential *found = credentials_find(creds, text + n + 1);

		if (found && !found->secret[0])
			abort();
		credentials_free(creds);
	}
	free(text);
	return 0;
}
