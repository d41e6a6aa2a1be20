// SPDX-License-Identifier: GPL-2.0-or-later
/* Key files from anywhere: public ones as lines and PEM, private ones as PEM, without a passphrase. */
#include <stdlib.h>
#include <string.h>

#include "library/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct public_key public, again;
	struct key *key = NULL;
	char line[KEY_LINE_ROOM];
	struct error err;

	if (public_key_parse(text, len, &public, &err) == 0) {
		public_key_line(&public, line);
		if (public_key_parse(line, strlen(line), &again, &err) < 0 ||
		    memcmp(public.bytes, again.bytes, KEY_BYTES) != 0 ||
		    strcmp(public.name, again.name) != 0)
			abort();
	}
	if (key_parse(text, len, NULL, NULL, &key, &err) == 0) {
		uint8_t signature[KEY_SIGNATURE_BYTES];

		key_public(key, public.bytes);
		if (key_sign(key, "x", 1, signature, &err) < 0 ||
		    public_key_verify(public.bytes, "x", 1, signature) < 0)
			abort();
		key_free(key);
	}
	return 0;
}
