// SPDX-License-Identifier: GPL-2.0-or-later
/* The reply of a server that gives tokens. */
#include <stdlib.h>
#include <string.h>

#include "disk/source/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct token token = { 0 };

	if (token_reply_parse((const char *)data, len, 1785578500, &token, NULL) == 0) {
		if (!token.value[0] || strpbrk(token.value, " \r\n\"") || token.seconds == 0 ||
		    token.seconds > 24 * 3600)
			abort();
		token_wipe(&token);
	}
	return 0;
}
