// SPDX-License-Identifier: GPL-2.0-or-later
/* WWW-Authenticate of a server that answers 401. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "disk/source/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = calloc(1, len + 1);
	struct challenge got;

	if (!text)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	if (challenge_parse(text, &got) == 0) {
		if (got.kind == CHALLENGE_BEARER && !got.realm[0])
			abort();
		if (strpbrk(got.realm, "\r\n") || strpbrk(got.scope, "\r\n"))
			abort();
	}
	free(text);
	return 0;
}
